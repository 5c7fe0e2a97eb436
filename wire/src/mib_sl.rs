//! MasterInformationBlock-SL (40 bits) and -SL-V2X-r14 (48 bits), the whole content of SL-BCH. TS 36.331 §6.5.2.
//!
//! ```text
//! bits 0-2    sl-Bandwidth           n6 n15 n25 n50 n75 n100, two values spare
//! bits 3-5    tdd-ConfigSL           none sa0..sa6
//! bits 6-15   directFrameNumber      most significant bit first
//! bits 16-19  directSubframeNumber   0..9
//! bit  20     inCoverage
//! bits 21-    reserved               19 or 27 bits, copied by a UE that relays the synchronisation
//! ```
//!
//! Unaligned PER without a choice or an extension bit in front; checked on captures of both kinds.

use super::{Error, fits, room};

/// Octets of the MIB of transmission modes 1 and 2.
pub const LEN: usize = 5;
/// Octets of the MIB of transmission modes 3 and 4.
pub const LEN_V2X: usize = 6;

/// sl-Bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Bandwidth {
    /// 6 resource blocks.
    N6 = 0,
    /// 15 resource blocks.
    N15 = 1,
    /// 25 resource blocks.
    N25 = 2,
    /// 50 resource blocks.
    N50 = 3,
    /// 75 resource blocks.
    N75 = 4,
    /// 100 resource blocks.
    N100 = 5,
}

impl Bandwidth {
    /// Returns the number of resource blocks.
    pub const fn prbs(self) -> u16 {
        [6, 15, 25, 50, 75, 100][self as usize]
    }

    /// Parses the 3-bit field.
    pub const fn from_bits(bits: u8) -> Result<Self, Error> {
        Ok(match bits {
            0 => Self::N6,
            1 => Self::N15,
            2 => Self::N25,
            3 => Self::N50,
            4 => Self::N75,
            5 => Self::N100,
            _ => return Err(Error::Reserved { what: "sl-Bandwidth", value: bits as u32 }),
        })
    }

    /// Returns the number of resource blocks.
    pub const fn resource_blocks(self) -> u8 {
        match self {
            Self::N6 => 6,
            Self::N15 => 15,
            Self::N25 => 25,
            Self::N50 => 50,
            Self::N75 => 75,
            Self::N100 => 100,
        }
    }
}

/// Kind of block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// MasterInformationBlock-SL: 40 bits.
    D2d,
    /// MasterInformationBlock-SL-V2X-r14: 48 bits.
    V2x,
}

impl Kind {
    /// Returns the length of the block in octets.
    pub const fn octets(self) -> usize {
        match self {
            Self::D2d => LEN,
            Self::V2x => LEN_V2X,
        }
    }

    /// Returns the number of reserved bits.
    pub const fn reserved_bits(self) -> u32 {
        self.octets() as u32 * 8 - 21
    }
}

/// A view of a block of either kind.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps bytes without a check; see the panic contract of [`super`].
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// Wraps bytes of one of the two lengths.
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let packet = Self { buffer };
        packet.check_len()?;
        Ok(packet)
    }

    /// Checks the length: 5 or 6 octets.
    pub fn check_len(&self) -> Result<(), Error> {
        match self.buffer.as_ref().len() {
            LEN | LEN_V2X => Ok(()),
            have if have < LEN => Err(Error::Truncated { what: "MIB-SL", needed: LEN, have }),
            have => Err(Error::Oversized { what: "MIB-SL", max: LEN_V2X, have }),
        }
    }

    /// Returns the kind of block, by its length.
    pub fn kind(&self) -> Kind {
        if self.buffer.as_ref().len() == LEN { Kind::D2d } else { Kind::V2x }
    }

    /// Returns sl-Bandwidth, 3 bits.
    pub fn bandwidth(&self) -> u8 {
        self.buffer.as_ref()[0] >> 5
    }

    /// Returns tdd-ConfigSL, 3 bits: 0 none, n + 1 for configuration n.
    pub fn tdd_config(&self) -> u8 {
        self.buffer.as_ref()[0] >> 2 & 0x07
    }

    /// Returns directFrameNumber, 10 bits.
    pub fn direct_frame_number(&self) -> u16 {
        let bytes = self.buffer.as_ref();
        u16::from(bytes[0] & 0x03) << 8 | u16::from(bytes[1])
    }

    /// Returns directSubframeNumber, 4 bits.
    pub fn direct_subframe_number(&self) -> u8 {
        self.buffer.as_ref()[2] >> 4
    }

    /// Returns inCoverage, 1 bit.
    pub fn in_coverage(&self) -> bool {
        self.buffer.as_ref()[2] & 0x08 != 0
    }

    /// Returns the reserved bits, right-aligned: 19 or 27.
    pub fn reserved(&self) -> u32 {
        let tail = self.buffer.as_ref()[3..].iter().fold(0, |sum, &octet| sum << 8 | u32::from(octet));
        let high = u32::from(self.buffer.as_ref()[2] & 0x07);
        high << (self.kind().reserved_bits() - 3) | tail
    }
}

/// A valid block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Repr {
    /// Kind of block.
    pub kind: Kind,
    /// sl-Bandwidth: resource blocks.
    pub bandwidth: Bandwidth,
    /// The TDD configuration 0 to 6, or none.
    pub tdd_config: Option<u8>,
    /// directFrameNumber, 0 to 1023.
    pub direct_frame_number: u16,
    /// directSubframeNumber, 0 to 9.
    pub direct_subframe_number: u8,
    /// inCoverage: the sender is in network coverage.
    pub in_coverage: bool,
    /// Reserved bits, right-aligned: 19 or 27, by `kind`.
    pub reserved: u32,
}

impl Repr {
    /// Parses a block.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, Error> {
        packet.check_len()?;
        let direct_subframe_number = packet.direct_subframe_number();
        if direct_subframe_number > 9 {
            return Err(Error::Reserved {
                what: "directSubframeNumber",
                value: u32::from(direct_subframe_number),
            });
        }
        Ok(Self {
            kind: packet.kind(),
            bandwidth: Bandwidth::from_bits(packet.bandwidth())?,
            tdd_config: packet.tdd_config().checked_sub(1),
            direct_frame_number: packet.direct_frame_number(),
            direct_subframe_number,
            in_coverage: packet.in_coverage(),
            reserved: packet.reserved(),
        })
    }

    /// Returns the length of the block in octets.
    pub const fn buffer_len(&self) -> usize {
        self.kind.octets()
    }

    /// Writes the block over the first octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        room(self.buffer_len(), buffer.len())?;
        fits("tdd-ConfigSL", u32::from(self.tdd_config.unwrap_or(0)), 6)?;
        fits("directFrameNumber", u32::from(self.direct_frame_number), 1023)?;
        fits("directSubframeNumber", u32::from(self.direct_subframe_number), 9)?;
        let bits = self.kind.reserved_bits();
        fits("reserved bits of MIB-SL", self.reserved, (1 << bits) - 1)?;

        let tdd = self.tdd_config.map_or(0, |config| config + 1);
        let [high, low] = self.direct_frame_number.to_be_bytes();
        buffer[0] = (self.bandwidth as u8) << 5 | tdd << 2 | high;
        buffer[1] = low;
        let reserved_high = (self.reserved >> (bits - 3)) as u8;
        buffer[2] = self.direct_subframe_number << 4 | u8::from(self.in_coverage) << 3 | reserved_high;
        // The top three reserved bits stand in the third octet, the others fill whole octets.
        let tail = self.reserved.to_be_bytes();
        let tail_len = self.buffer_len() - 3;
        buffer[3..self.buffer_len()].copy_from_slice(&tail[4 - tail_len..]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tshark_check_values() {
        let repr = Repr {
            kind: Kind::D2d,
            bandwidth: Bandwidth::N50,
            tdd_config: None,
            direct_frame_number: 0x155,
            direct_subframe_number: 6,
            in_coverage: true,
            reserved: 0,
        };
        let mut out = [0xff; 6];
        repr.emit(&mut out).unwrap();
        assert_eq!(out, [0x61, 0x55, 0x68, 0, 0, 0xff]);
        Repr { kind: Kind::V2x, ..repr }.emit(&mut out).unwrap();
        assert_eq!(out, [0x61, 0x55, 0x68, 0, 0, 0]);
    }

    #[test]
    fn reserved_values_are_refused() {
        let parse = |bytes: [u8; 5]| Repr::parse(&Packet::new_checked(bytes).unwrap());
        assert_eq!(parse([0xc0, 0, 0, 0, 0]), Err(Error::Reserved { what: "sl-Bandwidth", value: 6 }));
        assert_eq!(
            parse([0, 0, 0xa0, 0, 0]),
            Err(Error::Reserved { what: "directSubframeNumber", value: 10 })
        );
        assert!(Packet::new_checked([0; 4]).is_err());
        assert!(Packet::new_checked([0; 7]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_parse_and_emit_the_same(bytes in prop::collection::vec(any::<u8>(), 0..8)) {
            let parsed = Packet::new_checked(&bytes[..]).and_then(|packet| Repr::parse(&packet));
            if let Ok(repr) = parsed {
                let mut out = vec![0; repr.buffer_len()];
                repr.emit(&mut out).unwrap();
                prop_assert_eq!(out, bytes);
            }
        }
    }
}
