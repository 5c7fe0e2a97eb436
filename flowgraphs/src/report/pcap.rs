//! A capture file for Wireshark: MIB-SL, SCI, SL-SCH, discovery messages and deciphered PDCP PDUs, time stamped by air
//! time, each with the receiver's metadata.

use super::lossy::LossyWriter;
use crate::open::Opened;
use crate::outputs::{OutputFile, Place};
use sidelink_phy::receive::estimate::Measurement;
use sidelink_phy::receive::receiver::{ControlInformation, Event};
use sidelink_phy::units::DfnSubframe;
use sidelink_recordings::UtcMicros;
use sidelink_recordings::pcap::{Channel, Metadata, Mib, PcapWriter, PdcpHeader, Quality, SciFields};
use sidelink_ue::mapping::mac_pdu;
use std::io::{self, Write};

/// Writes events to a pcap file.
pub struct PcapReport {
    writer: PcapWriter<Out>,
    /// Metadata of the last transport block, used for its content.
    last: Option<Metadata>,
}

/// A file that is complete at the end, or packets that never block the sender.
enum Out {
    Whole(OutputFile),
    Live(LossyWriter),
}

impl PcapReport {
    /// Makes a report to a file that is read when it is complete.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn create(out: OutputFile) -> io::Result<Self> {
        Ok(Self { writer: PcapWriter::new(Out::Whole(out))?, last: None })
    }

    /// Makes a report to a file, a pipe or standard output that is read at the same time: every packet is written at
    /// once, and none blocks.
    ///
    /// # Errors
    /// A file cannot be made. A pipe is opened by the writing thread, which blocks until its reader opens it.
    pub fn live(place: Place) -> io::Result<Self> {
        let out = match place {
            Place::Stream(path) => {
                let name = path.display().to_string();
                LossyWriter::new(&name, move || Place::Stream(path).live())
            }
            place => {
                let out = place.live()?;
                LossyWriter::new(&place.to_string(), move || Ok(out))
            }
        };
        Ok(Self { writer: PcapWriter::new(Out::Live(out))?.flush_each(true)?, last: None })
    }

    /// Writes an event, at `seconds` after the start of its recording (which began at `start`), in the subframe by its
    /// time, if that is known.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn event(
        &mut self,
        event: &Event<'_>,
        start: Option<UtcMicros>,
        seconds: f64,
        time: Option<DfnSubframe>,
    ) -> io::Result<()> {
        let at = time_of(start, seconds);
        let Some(about) = metadata(event) else { return Ok(()) };
        self.writer.about(about);
        match event {
            Event::Sci { bits, information, .. } => self.writer.sci(at, bits, &sci(information)),
            Event::Mib { bits, .. } => {
                let mut bytes = [0u8; 6];
                for (byte, bits) in bytes.iter_mut().zip(bits.chunks(8)) {
                    *byte = bits.iter().fold(0, |v, b| v << 1 | b);
                }
                let kind = if bits.len() == 48 { Mib::SlV2x } else { Mib::Sl };
                self.writer.mib_sl(at, kind, &bytes[..bits.len() / 8])
            }
            Event::SlSch(b) if !b.repeat => {
                self.last = Some(about);
                match mac_pdu(b.block, &b.information) {
                    None => return self.writer.block(at, b.block),
                    Some(pdu) if pdu.ends_with_signalling => return self.writer.signalling(at, b.block),
                    Some(_) => {}
                }
                // without a MIB the frame number is that of the recording
                let time = time.unwrap_or(DfnSubframe::from_count(b.subframe));
                self.writer.sl_sch(at, time.dfn(), time.subframe(), b.block)
            }
            Event::SlDch { message, repeat: false, .. } => match (*message).try_into() {
                Ok(message) => self.writer.discovery(at, message),
                Err(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Writes the content of a block: a PDCP PDU with plain data, and nothing else.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn opened(&mut self, opened: &Opened<'_>, start: Option<UtcMicros>, seconds: f64) -> io::Result<()> {
        let Opened::Pdcp(report) = opened else { return Ok(()) };
        let header = match report.header {
            Some(header) if header.is_one_to_one() => PdcpHeader::OneToOne,
            Some(_) => PdcpHeader::OneToMany,
            None => return Ok(()),
        };
        let value = |octets: [u8; 3]| Some(octets.iter().fold(0, |all, octet| all << 8 | u32::from(*octet)));
        match report.clear_pdu() {
            Some(pdu) => {
                if let Some(last) = self.last {
                    let (source, destination) =
                        (value(report.source.octets()), value(report.address.layer2_id().octets()));
                    self.writer.about(Metadata { source, destination, ..last });
                }
                self.writer.pdcp(time_of(start, seconds), header, &pdu)
            }
            None => Ok(()),
        }
    }

    /// Flushes, and gives a file its name.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn finish(self) -> io::Result<()> {
        match self.writer.into_inner()? {
            Out::Whole(out) => out.finish(),
            Out::Live(_) => Ok(()),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Whole(out) => out.write(bytes),
            Self::Live(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Whole(out) => out.flush(),
            Self::Live(out) => out.flush(),
        }
    }
}

/// Returns the receiver's metadata of an event; `None` for events without a packet.
fn metadata(event: &Event<'_>) -> Option<Metadata> {
    let subframe = event.subframe() as u32;
    let new = |channel, m: &Measurement, evm_percent: f32| Metadata {
        quality: Some(Quality {
            snr_db: m.snr().to_f32(),
            evm_percent,
            cfo_hz: m.cfo.to_f32(),
            delay_us: m.delay * 1e6,
        }),
        ..Metadata::new(channel, subframe)
    };
    Some(match event {
        Event::Mib { measurement, evm_percent, .. } => new(Channel::Psbch, measurement, *evm_percent),
        Event::Sci { prb, information, measurement, evm_percent, .. } => {
            let prbs = if matches!(information, ControlInformation::Format0(_)) { 1 } else { 2 };
            with_sci(
                information,
                Metadata {
                    prbs: Some((*prb as u16, prbs)),
                    ..new(Channel::Pscch, measurement, *evm_percent)
                },
            )
        }
        Event::SlSch(b) if !b.repeat => {
            let header = mac_pdu(b.block, &b.information);
            let metadata = Metadata {
                prbs: Some((b.grant.prbs.start as u16, b.grant.prbs.len as u16)),
                transmissions: b.rv.len() as u8,
                source: header.map(|header| header.source),
                destination: header.and_then(|header| header.destination),
                ..new(Channel::Pssch, &b.measurement, b.evm_percent)
            };
            Metadata { mcs: Some(b.grant.mcs), ..with_sci(&b.information, metadata) }
        }
        Event::SlDch { rv, prb_start, repeat: false, measurement, evm_percent, .. } => Metadata {
            prbs: Some((*prb_start as u16, 2)),
            transmissions: rv.len() as u8,
            ..new(Channel::Psdch, measurement, *evm_percent)
        },
        _ => return None,
    })
}

/// Adds the fields of the control information.
fn with_sci(information: &ControlInformation, metadata: Metadata) -> Metadata {
    match information {
        ControlInformation::Format0(sci) => {
            Metadata { mcs: Some(sci.mcs), group: Some(sci.group_destination), ..metadata }
        }
        ControlInformation::Format1(Some(sci)) => {
            Metadata { mcs: Some(sci.mcs), priority: Some(sci.priority + 1), ..metadata }
        }
        ControlInformation::Format1(None) => metadata,
    }
}

fn sci(information: &ControlInformation) -> SciFields {
    match information {
        ControlInformation::Format0(s) => SciFields::Format0 {
            hopping: s.hopping,
            rb_assignment: s.rb_assignment,
            trp: s.trp,
            mcs: s.mcs,
            timing_advance: s.timing_advance,
            group: s.group_destination,
        },
        ControlInformation::Format1(Some(s)) => SciFields::Format1 {
            priority: s.priority + 1,
            reservation_ms: s.reservation_ms().map(|ms| ms as u16),
            frequency_resource: s.frequency_resource,
            time_gap: s.time_gap,
            mcs: s.mcs,
            retransmission: s.retransmission,
        },
        ControlInformation::Format1(None) => SciFields::Format1Unread,
    }
}

fn time_of(start: Option<UtcMicros>, seconds: f64) -> UtcMicros {
    UtcMicros(start.map_or(0, |s| s.0).saturating_add((seconds.max(0.0) * 1e6) as u64))
}
