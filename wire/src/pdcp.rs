//! PDCP data PDUs of sidelink radio bearers. Read first: TS 36.323 §6.2.10 (figures 6.2.10.1 and 6.2.10.2), §6.3.
//!
//! ```text
//! one-to-many: | SDU Type(3) | PGK Index(5) | PTK Identity(16) | PDCP SN(16) | data |
//! one-to-one:  | SDU Type(3) | R(5)         | KD-sess ID(16)   | PDCP SN(16) | data | MAC-I(32), if any |
//! ```
//!
//! The five bits R of one-to-one are 0 (§6.3.6); that they are five follows from the octets that the fields fill, since
//! the figure is not in the text. Which of the two a PDU is, and whether a MAC-I ends it, is known from the logical channel and the context,
//! not from the bytes: hence one [`Packet`] and two `Repr`s.

use super::{Error, fits, need, room};

/// Octets of the header.
pub const HEADER_LEN: usize = 5;
/// Octets of a MAC-I. TS 36.323 §6.3.4.
// TS 36.323 §6.3.4
pub const MAC_I_LEN: usize = 4;
/// The largest PDCP SDU, in octets (TS 36.323 §4.3.1).
// TS 36.323 §4.3.1
pub const MAX_SDU_LEN: usize = 8188;

mod field {
    use core::ops::Range;

    pub(super) const TYPE: usize = 0;
    // TS 36.323 §6.3.13, §6.3.15
    pub(super) const KEY_ID: Range<usize> = 1..3;
    // TS 36.323 §6.3.2
    pub(super) const SN: Range<usize> = 3..5;
}

/// Type of the SDU. TS 36.323 §6.3.14; 4 to 7 are reserved and their PDUs are discarded, §5.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SduType {
    /// An IP packet.
    // TS 24.334 §10.2.4.1 (1)
    Ip = 0,
    /// An ARP packet.
    Arp = 1,
    /// A PC5 signalling message.
    Pc5Signalling = 2,
    /// Any other data, V2X messages included.
    NonIp = 3,
}

impl SduType {
    /// Parses the 3-bit field.
    // TS 36.323 §6.3.14
    pub const fn from_bits(bits: u8) -> Result<Self, Error> {
        match bits {
            0 => Ok(Self::Ip),
            1 => Ok(Self::Arp),
            2 => Ok(Self::Pc5Signalling),
            3 => Ok(Self::NonIp),
            // TS 36.323 §5.8
            _ => Err(Error::Reserved { what: "SDU Type of PDCP", value: bits as u32 }),
        }
    }

    /// Returns the 3-bit field.
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

/// A view of a PDU of either kind.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps bytes without a check; see the panic contract of [`super`].
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// Wraps bytes that hold a header.
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let packet = Self { buffer };
        packet.check_len()?;
        Ok(packet)
    }

    /// Checks that the header is whole. The data may be empty.
    pub fn check_len(&self) -> Result<(), Error> {
        need("PDCP header", HEADER_LEN, self.buffer.as_ref().len())
    }

    /// Returns SDU Type, 3 bits.
    pub fn sdu_type(&self) -> u8 {
        self.buffer.as_ref()[field::TYPE] >> 5
    }

    /// Returns PGK Index of a one-to-many PDU, 5 bits; reserved bits in a one-to-one PDU.
    pub fn pgk_index(&self) -> u8 {
        self.buffer.as_ref()[field::TYPE] & 0x1f
    }

    /// Returns PTK Identity or KD-sess ID, 16 bits.
    pub fn key_id(&self) -> u16 {
        let id = &self.buffer.as_ref()[field::KEY_ID];
        u16::from_be_bytes([id[0], id[1]])
    }

    /// Returns PDCP SN, 16 bits.
    pub fn sn(&self) -> u16 {
        let sn = &self.buffer.as_ref()[field::SN];
        u16::from_be_bytes([sn[0], sn[1]])
    }
}

impl<'a> Packet<&'a [u8]> {
    /// Returns the octets behind the header: data, and the MAC-I if there is one.
    pub fn payload(&self) -> &'a [u8] {
        &self.buffer[HEADER_LEN..]
    }
}

/// The header of a one-to-many PDU. PGK Index, PTK Identity and, before Rel-15, SN are zero when nothing is
/// ciphered (TS 36.323 §5.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
// TS 36.323 §6.2.10 (1)
pub struct OneToManyRepr {
    /// Type of the data.
    pub sdu_type: SduType,
    /// PGK Index: the 5 low bits of the PGK's identity.
    pub pgk_index: u8,
    /// PTK Identity, 16 bits.
    pub ptk_id: u16,
    /// PDCP SN, 16 bits.
    pub sn: u16,
}

impl OneToManyRepr {
    /// Parses the header; the data is [`Packet::payload`].
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, Error> {
        packet.check_len()?;
        Ok(Self {
            sdu_type: SduType::from_bits(packet.sdu_type())?,
            pgk_index: packet.pgk_index(),
            ptk_id: packet.key_id(),
            sn: packet.sn(),
        })
    }

    /// Returns the length of the header in octets.
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header over the first octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        fits("PGK Index", u32::from(self.pgk_index), 31)?;
        // TS 33.303 §6.2.3.6.2 (1)
        emit_header(self.sdu_type, self.pgk_index, self.ptk_id, self.sn, buffer)
    }
}

/// The header of a one-to-one PDU. KD-sess ID 0 marks a bearer that is not protected (TS 36.323 §5.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
// TS 36.323 §6.2.10 (2)
pub struct OneToOneRepr {
    /// Type of the data.
    pub sdu_type: SduType,
    /// KD-sess ID, 16 bits.
    pub kd_sess_id: u16,
    /// PDCP SN, 16 bits.
    pub sn: u16,
}

impl OneToOneRepr {
    /// Parses the header; reserved bits are ignored. The data is [`Packet::payload`]; [`split_mac_i`] splits it if the
    /// bearer is integrity protected.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, Error> {
        packet.check_len()?;
        Ok(Self {
            sdu_type: SduType::from_bits(packet.sdu_type())?,
            kd_sess_id: packet.key_id(),
            sn: packet.sn(),
        })
    }

    /// Returns the length of the header in octets.
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header over the first octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        // TS 33.303 §6.5.6.4 (1); TS 36.323 §6.3.6
        emit_header(self.sdu_type, 0, self.kd_sess_id, self.sn, buffer)
    }
}

/// Splits the payload of an integrity protected PDU into data and MAC-I.
pub fn split_mac_i(payload: &[u8]) -> Result<(&[u8], [u8; MAC_I_LEN]), Error> {
    match payload.split_last_chunk() {
        Some((data, mac_i)) => Ok((data, *mac_i)),
        None => Err(Error::Truncated { what: "MAC-I of PDCP", needed: MAC_I_LEN, have: payload.len() }),
    }
}

fn emit_header(sdu_type: SduType, low: u8, key_id: u16, sn: u16, buffer: &mut [u8]) -> Result<(), Error> {
    room(HEADER_LEN, buffer.len())?;
    // TS 36.323 §6.2.1
    buffer[field::TYPE] = sdu_type.bits() << 5 | low;
    buffer[field::KEY_ID].copy_from_slice(&key_id.to_be_bytes());
    buffer[field::SN].copy_from_slice(&sn.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    // TS 24.334 §10.2.4.1 (1); TS 33.303 §6.2.3.6.2 (1); TS 36.323 §5.8; TS 36.323 §6.2.10 (1)
    // TS 36.323 §6.3.13, §6.3.15; TS 36.323 §6.3.14; TS 36.323 §6.3.2
    fn reserved_sdu_types_are_refused() {
        for sdu_type in 0..8u8 {
            let bytes = [sdu_type << 5 | 3, 0x12, 0x34, 0x56, 0x78];
            let parsed = OneToManyRepr::parse(&Packet::new_checked(bytes).unwrap());
            if sdu_type < 4 {
                let repr = parsed.unwrap();
                assert_eq!((repr.pgk_index, repr.ptk_id, repr.sn), (3, 0x1234, 0x5678));
            } else {
                let value = u32::from(sdu_type);
                assert_eq!(parsed, Err(Error::Reserved { what: "SDU Type of PDCP", value }));
            }
        }
    }

    #[test]
    fn short_input_says_what_is_missing() {
        assert_eq!(
            Packet::new_checked([0u8; 4]).err(),
            Some(Error::Truncated { what: "PDCP header", needed: 5, have: 4 })
        );
        assert!(split_mac_i(&[1, 2, 3]).is_err());
        assert_eq!(split_mac_i(&[9, 1, 2, 3, 4]), Ok((&[9][..], [1, 2, 3, 4])));
    }

    #[test]
    fn emit_refuses_what_does_not_fit() {
        let repr = OneToManyRepr { sdu_type: SduType::Ip, pgk_index: 32, ptk_id: 0, sn: 0 };
        assert!(matches!(repr.emit(&mut [0; 5]), Err(Error::OutOfRange { .. })));
        let repr = OneToManyRepr { pgk_index: 31, ..repr };
        assert!(matches!(repr.emit(&mut [0; 4]), Err(Error::BufferTooShort { .. })));
    }

    proptest! {
        #[test]
        // TS 33.303 §6.5.6.4 (1); TS 36.323 §6.2.1; TS 36.323 §6.3.6
        fn any_bytes_parse_and_emit_the_same(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            let Ok(packet) = Packet::new_checked(&bytes[..]) else {
                prop_assert!(bytes.len() < HEADER_LEN);
                return Ok(());
            };
            let mut out = [0xff; HEADER_LEN];
            if let Ok(repr) = OneToManyRepr::parse(&packet) {
                repr.emit(&mut out).unwrap();
                prop_assert_eq!(&out[..], &bytes[..HEADER_LEN]);
            }
            if let Ok(repr) = OneToOneRepr::parse(&packet) {
                repr.emit(&mut out).unwrap();
                prop_assert_eq!(out[0], bytes[0] & 0xe0);
                prop_assert_eq!(&out[1..], &bytes[1..HEADER_LEN]);
            }
        }
    }
}
