//! Decoded PDUs for Wireshark: a classic pcap file of link type 252, exported PDUs. Read first: Wireshark's
//! `epan/exported_pdu.h` (from memory; checked by running tshark 4.0.17).
//!
//! Every packet names its dissector, so no preference is needed to open the file:
//!
//! | PDU | dissector | origin |
//! |---|---|---|
//! | SL-SCH transport block | `mac-lte-framed` | Wireshark's |
//! | MIB-SL, MIB-SL-V2X | `lte-rrc.sbcch.sl.bch`, `lte-rrc.sbcch.sl.bch.v2x` | Wireshark's |
//! | discovery message (SL-DCH) | `sidelink-pc5-discovery` | `wireshark/sidelink.lua` |
//! | PDCP PDU of a sidelink bearer, in the clear | `sidelink-pdcp`, `sidelink-pdcp-one-to-one[-mac-i]` | `wireshark/sidelink.lua` |
//! | SCI | `sidelink-sci` | `wireshark/sidelink.lua` |
//! | SL-SCH transport block that ends with PC5 signalling | `sidelink-mac` | `wireshark/sidelink.lua` |
//! | transport block that is not a MAC PDU | `sidelink-block` | `wireshark/sidelink.lua` |
//!
//! ```text
//! packet:  | record header (16) | tag 12, length, dissector name padded to 4 | [metadata] | tag 0, length 0 | PDU |
//! SCI:     PDU = | format | number of bits | bits, the last octet padded | fields, see metadata.rs |
//! SL-SCH:  PDU = | 1 FDD | 0 | 8 SL-RNTI | 02 RNTI(2) | 04 SFN<<4|SF (2) | 07 CRC ok | 01 transport block ... |
//! ```

mod metadata;
#[cfg(test)]
mod tests;

pub use metadata::{Channel, Metadata, Quality, SciFields};

use std::io::{self, Write};

use crate::UtcMicros;

/// LINKTYPE_WIRESHARK_UPPER_PDU.
const LINK_TYPE: u32 = 252;
/// The magic number of a file with times in microseconds.
const MAGIC: u32 = 0xa1b2_c3d4;
/// The longest packet; a longer PDU is refused. The largest transport block has some 9.4 kB.
const MAX_PACKET: usize = 262_144;

/// The dissector, in Lua: see its head for the fields.
pub const DISSECTOR: &str = include_str!("../wireshark/sidelink.lua");

/// Preferences of a Wireshark profile whose columns show what the metadata hold.
pub const PROFILE: &str = include_str!("../wireshark/preferences");

/// Octets of a discovery message on SL-DCH: 232 bits. TS 36.213 §14.3.1.
pub const DISCOVERY_LEN: usize = 29;
/// Octets of a MIB-SL: 40 bits. TS 36.331 §6.5.2, from memory.
pub const MIB_SL_LEN: usize = 5;
/// Octets of a MIB-SL-V2X: 48 bits. TS 36.331 §6.5.2, from memory.
pub const MIB_SL_V2X_LEN: usize = 6;

/// The tags of an exported PDU.
mod exported_tag {
    pub(super) const END: u16 = 0;
    pub(super) const DISSECTOR_NAME: u16 = 12;
}

/// The context before a MAC PDU, as `packet-mac-lte.h` defines it.
mod mac_lte {
    pub(super) const RADIO_FDD: u8 = 1;
    pub(super) const DIRECTION_UPLINK: u8 = 0;
    pub(super) const RNTI_TYPE_SL: u8 = 8;
    pub(super) const TAG_PAYLOAD: u8 = 0x01;
    pub(super) const TAG_RNTI: u8 = 0x02;
    pub(super) const TAG_SUBFRAME: u8 = 0x04;
    pub(super) const TAG_CRC: u8 = 0x07;
    pub(super) const CRC_OK: u8 = 1;
    /// There is no RNTI on the sidelink, but the dissector wants one from 1 to 0xfff3.
    pub(super) const ANY_RNTI: u16 = 1;
}

/// Header of a PDCP PDU, and whether a MAC-I ends it: the bytes do not tell. TS 36.323 §6.2.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PdcpHeader {
    /// PGK index, PTK identity and sequence number.
    OneToMany,
    /// KD-sess ID and sequence number.
    OneToOne,
    /// KD-sess ID and sequence number, and a MAC-I at the end: bearers of protected signalling.
    OneToOneMacI,
}

impl PdcpHeader {
    const fn dissector(self) -> &'static str {
        match self {
            Self::OneToMany => "sidelink-pdcp",
            Self::OneToOne => "sidelink-pdcp-one-to-one",
            Self::OneToOneMacI => "sidelink-pdcp-one-to-one-mac-i",
        }
    }
}

/// Message of SL-BCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mib {
    /// MIB-SL, [`MIB_SL_LEN`] octets.
    Sl,
    /// MIB-SL-V2X, [`MIB_SL_V2X_LEN`] octets.
    SlV2x,
}

/// Writes PDUs, one packet each, to a file, or to a pipe for live viewing.
///
/// Every method fails with the writer's error, or with [`io::ErrorKind::InvalidInput`] for an argument out of its range;
/// then nothing was written.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    out: W,
    flush_each: bool,
    /// Metadata of the next packet.
    metadata: Option<Metadata>,
    /// The packet under construction. It is written in one call: a reader of a pipe never sees a part.
    packet: Vec<u8>,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header. Give a file a `BufWriter`.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut header = Vec::with_capacity(24);
        header.extend(MAGIC.to_le_bytes());
        // Version 2.4.
        header.extend(2_u16.to_le_bytes());
        header.extend(4_u16.to_le_bytes());
        // Time zone and accuracy: always zero.
        header.extend([0; 8]);
        header.extend((MAX_PACKET as u32).to_le_bytes());
        header.extend(LINK_TYPE.to_le_bytes());
        out.write_all(&header)?;
        Ok(Self { out, flush_each: false, metadata: None, packet: Vec::new() })
    }

    /// Sets whether to flush after each packet (and, now, after the file header), for a viewer at the other end of a
    /// pipe.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn flush_each(mut self, flush_each: bool) -> io::Result<Self> {
        self.flush_each = flush_each;
        if flush_each {
            self.out.flush()?;
        }
        Ok(self)
    }

    /// Sets the metadata of the next packet.
    pub fn about(&mut self, metadata: Metadata) -> &mut Self {
        self.metadata = Some(metadata);
        self
    }

    /// Writes an SCI, given as bits, one a byte.
    pub fn sci(&mut self, time: UtcMicros, bits: &[u8], fields: &SciFields) -> io::Result<()> {
        let packed =
            bits.chunks(8).map(|bits| bits.iter().fold(0, |all, bit| all << 1 | bit & 1) << (8 - bits.len()));
        let (format, fields) = fields.emit();
        let pdu: Vec<u8> = [format, bits.len() as u8].into_iter().chain(packed).chain(fields).collect();
        self.packet(time, "sidelink-sci", &[&pdu])
    }

    /// Writes an SL-SCH transport block whose last SDU is on one of LCIDs 28 to 30, which Wireshark 4.0 reports as
    /// malformed.
    pub fn signalling(&mut self, time: UtcMicros, transport_block: &[u8]) -> io::Result<()> {
        self.packet(time, "sidelink-mac", &[transport_block])
    }

    /// Writes a transport block with a good CRC that is not a MAC PDU.
    pub fn block(&mut self, time: UtcMicros, transport_block: &[u8]) -> io::Result<()> {
        self.packet(time, "sidelink-block", &[transport_block])
    }

    /// Writes an SL-SCH transport block with a good CRC, received in `subframe` (0..9) of radio frame `dfn` (0..1023).
    pub fn sl_sch(
        &mut self,
        time: UtcMicros,
        dfn: u16,
        subframe: u8,
        transport_block: &[u8],
    ) -> io::Result<()> {
        if dfn > 1023 || subframe > 9 {
            return Err(invalid(format!("no such subframe: {subframe} of frame {dfn}")));
        }
        let subframe = dfn << 4 | u16::from(subframe);
        let context = [
            &[mac_lte::RADIO_FDD, mac_lte::DIRECTION_UPLINK, mac_lte::RNTI_TYPE_SL, mac_lte::TAG_RNTI][..],
            &mac_lte::ANY_RNTI.to_be_bytes(),
            &[mac_lte::TAG_SUBFRAME],
            &subframe.to_be_bytes(),
            &[mac_lte::TAG_CRC, mac_lte::CRC_OK, mac_lte::TAG_PAYLOAD],
        ]
        .concat();
        self.packet(time, "mac-lte-framed", &[&context, transport_block])
    }

    /// Writes a message of SL-BCH with the length of its kind.
    pub fn mib_sl(&mut self, time: UtcMicros, kind: Mib, mib: &[u8]) -> io::Result<()> {
        let (dissector, length) = match kind {
            Mib::Sl => ("lte-rrc.sbcch.sl.bch", MIB_SL_LEN),
            Mib::SlV2x => ("lte-rrc.sbcch.sl.bch.v2x", MIB_SL_V2X_LEN),
        };
        if mib.len() != length {
            return Err(invalid(format!("a MIB of {length} octets is meant, and {} are given", mib.len())));
        }
        self.packet(time, dissector, &[mib])
    }

    /// Writes a PC5_DISCOVERY message, as it was on SL-DCH or after descrambling.
    pub fn discovery(&mut self, time: UtcMicros, message: &[u8; DISCOVERY_LEN]) -> io::Result<()> {
        self.packet(time, "sidelink-pc5-discovery", &[message])
    }

    /// Writes a PDCP PDU with plain data: deciphered, or never ciphered.
    pub fn pdcp(&mut self, time: UtcMicros, header: PdcpHeader, pdu: &[u8]) -> io::Result<()> {
        self.packet(time, header.dissector(), &[pdu])
    }

    /// Flushes and returns the writer.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn into_inner(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn packet(&mut self, time: UtcMicros, dissector: &str, pdu: &[&[u8]]) -> io::Result<()> {
        let seconds =
            u32::try_from(time.0 / 1_000_000).map_err(|_| invalid(format!("{time} is after 2106")))?;
        let micros = (time.0 % 1_000_000) as u32;
        let metadata = self.metadata.take();
        let about = if metadata.is_some() { 4 + metadata::LEN } else { 0 };
        let name_length = dissector.len().next_multiple_of(4);
        let length = 4 + name_length + about + 4 + pdu.iter().map(|part| part.len()).sum::<usize>();
        if length > MAX_PACKET {
            return Err(invalid(format!("a packet of {length} octets; {MAX_PACKET} is the most")));
        }
        let packet = &mut self.packet;
        packet.clear();
        packet.extend(seconds.to_le_bytes());
        packet.extend(micros.to_le_bytes());
        // Length in the file and on the air: no packet is truncated.
        packet.extend((length as u32).to_le_bytes());
        packet.extend((length as u32).to_le_bytes());
        packet.extend(exported_tag::DISSECTOR_NAME.to_be_bytes());
        packet.extend((name_length as u16).to_be_bytes());
        packet.extend(dissector.as_bytes());
        packet.extend(&[0; 3][..name_length - dissector.len()]);
        if let Some(metadata) = metadata {
            packet.extend(metadata::TAG.to_be_bytes());
            packet.extend((metadata::LEN as u16).to_be_bytes());
            packet.extend(metadata.emit());
        }
        packet.extend(exported_tag::END.to_be_bytes());
        packet.extend(0_u16.to_be_bytes());
        pdu.iter().for_each(|part| packet.extend(*part));
        self.out.write_all(packet)?;
        if self.flush_each { self.out.flush() } else { Ok(()) }
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
