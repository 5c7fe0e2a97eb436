//! A capture file for Wireshark: MIB-SL, SL-SCH, discovery messages and deciphered PDCP PDUs, time stamped by air time.

use super::lossy::LossyWriter;
use crate::link::PdcpHeader as Header;
use crate::open::Opened;
use crate::outputs::{OutputFile, Place};
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::units::DfnSubframe;
use sidelink_recordings::UtcMicros;
use sidelink_recordings::pcap::{PcapWriter, PdcpHeader};
use std::io::{self, Write};

/// Writes events to a pcap file.
pub struct PcapReport {
    writer: PcapWriter<Out>,
}

/// A file that is whole at the end, or packets that are never waited for.
enum Out {
    Whole(OutputFile),
    Live(LossyWriter),
}

impl PcapReport {
    /// To a file that is read when it is whole.
    ///
    /// # Errors
    /// The writer's.
    pub fn create(out: OutputFile) -> io::Result<Self> {
        Ok(Self { writer: PcapWriter::new(Out::Whole(out))? })
    }

    /// To a file, a pipe or standard output that somebody reads at the same time: every packet at once, and none waited for.
    ///
    /// # Errors
    /// A file that cannot be made. A pipe is opened by the thread that writes, which waits for its reader.
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
        Ok(Self { writer: PcapWriter::new(Out::Live(out))?.flush_each(true)? })
    }

    /// An event, at `seconds` after the start of its recording (which began at `start`), in the subframe that its time is
    /// known for, if it is.
    ///
    /// # Errors
    /// The writer's.
    pub fn event(
        &mut self,
        event: &Event<'_>,
        start: Option<UtcMicros>,
        seconds: f64,
        time: Option<DfnSubframe>,
    ) -> io::Result<()> {
        let at = time_of(start, seconds);
        match event {
            Event::Mib { bits, .. } => {
                let mut bytes = [0u8; 6];
                for (byte, bits) in bytes.iter_mut().zip(bits.chunks(8)) {
                    *byte = bits.iter().fold(0, |v, b| v << 1 | b);
                }
                self.writer.mib_sl(at, bits.len() == 48, &bytes[..bits.len() / 8])
            }
            Event::SlSch(b) if !b.repeat => {
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

    /// What a block held: a PDCP PDU whose data are in the clear is written, nothing else is.
    ///
    /// # Errors
    /// The writer's.
    pub fn opened(&mut self, opened: &Opened<'_>, start: Option<UtcMicros>, seconds: f64) -> io::Result<()> {
        let Opened::Pdcp(report) = opened else { return Ok(()) };
        let header = match report.header {
            Some(Header::OneToMany(_)) => PdcpHeader::OneToMany,
            Some(Header::OneToOne(_)) => PdcpHeader::OneToOne,
            None => return Ok(()),
        };
        match report.clear_pdu() {
            Some(pdu) => self.writer.pdcp(time_of(start, seconds), header, &pdu),
            None => Ok(()),
        }
    }

    /// Flushes, and gives a file its name.
    ///
    /// # Errors
    /// The writer's.
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

fn time_of(start: Option<UtcMicros>, seconds: f64) -> UtcMicros {
    UtcMicros(start.map_or(0, |s| s.0).saturating_add((seconds.max(0.0) * 1e6) as u64))
}
