//! Identities of layer 2 and of ProSe, as newtypes: no bare integer travels between the layers.
//!
//! The wire formats carry octets; the types here give them meaning and keep them in range.

use core::fmt;

/// Refusal of an identity: a number was out of range. The fault is the operator's or the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The value does not fit in the field; `max` is the largest allowed.
    OutOfRange {
        /// Name of the identity.
        what: &'static str,
        /// The refused value.
        value: u32,
        /// The largest value of the field.
        max: u32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { what, value, max } => write!(f, "{what} {value:#x} is above {max:#x}"),
        }
    }
}

impl std::error::Error for Error {}

/// A 24-bit layer-2 identity: a ProSe UE ID (source or one-to-one destination) or a ProSe layer-2 group ID.
///
/// TS 36.321 §6.2.4 (DST has the 16 most significant bits of a destination), §5.14.2.2.2 (the SCI the other 8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Layer2Id(u32);

impl Layer2Id {
    /// The largest identity.
    // TS 24.334 §12.2.2.48
    pub const MAX: u32 = 0xff_ffff;

    /// Makes an identity from a number of at most 24 bits.
    pub const fn new(value: u32) -> Result<Self, Error> {
        if value > Self::MAX {
            return Err(Error::OutOfRange { what: "layer-2 ID", value, max: Self::MAX });
        }
        Ok(Self(value))
    }

    /// Makes an identity from its three octets, most significant first.
    pub const fn from_octets(octets: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, octets[0], octets[1], octets[2]]))
    }

    /// Joins the 16 bits of DST and the 8 bits of the SCI to a destination (transmission modes 1 and 2).
    // TS 36.321 §5.14.2.2.2 (3)
    pub const fn from_parts(dst: [u8; 2], group: GroupDestinationId) -> Self {
        Self::from_octets([dst[0], dst[1], group.0])
    }

    /// Returns the three octets, most significant first.
    pub const fn octets(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// Returns the 16 most significant bits: DST of a MAC PDU in transmission modes 1 and 2.
    // TS 36.321 §6.2.4 DST
    pub const fn dst(self) -> [u8; 2] {
        let [a, b, _] = self.octets();
        [a, b]
    }

    /// Returns the 8 least significant bits: the group destination ID of SCI format 0.
    pub const fn group_destination(self) -> GroupDestinationId {
        GroupDestinationId(self.octets()[2])
    }

    /// Returns the identity as a number of 24 bits.
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Layer2Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer2Id({:06x})", self.0)
    }
}

impl fmt::Display for Layer2Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

/// The 8-bit group destination ID of SCI format 0: the low octet of a destination layer-2 ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupDestinationId(pub u8);

/// A logical channel of SL-SCH that carries SDUs.
///
/// TS 36.321 Table 6.2.4-1; 1 to 10 for the user data of links too: TS 33.303 §6.5.6.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lcid(u8);

impl Lcid {
    /// PC5-S messages that are not protected.
    // TS 36.321 §6.2.4 LCID (3)
    pub const PC5_S_UNPROTECTED: Self = Self(28);
    /// Direct Security Mode Command and Complete.
    // TS 33.303 §6.5.6.1 (2); TS 36.321 §6.2.4 LCID (3)
    pub const PC5_S_SECURITY_MODE: Self = Self(29);
    /// All other protected PC5-S messages.
    // TS 33.303 §6.5.6.1 (2)
    pub const PC5_S_PROTECTED: Self = Self(30);
    /// Data of a group. The number is the project's choice.
    pub const GROUP_DATA: Self = Self(1);
    /// Data of a link. The number is the project's choice.
    pub const LINK_DATA: Self = Self(3);
    /// Data of a link that goes before the rest. The number is the project's choice.
    pub const LINK_URGENT: Self = Self(2);
    /// Data of a link that yields to the rest. The number is the project's choice.
    pub const LINK_BULK: Self = Self(9);

    /// What a UE-to-UE relay and its ends tell each other over their link. The number is the project's choice, as are those
    /// of the channels that a UE-to-UE relay of layer 2 carries.
    pub const RELAY_CONTROL: Self = Self(4);

    /// Channels of a link from end to end, and those on which a UE-to-UE relay of layer 2 carries them.
    const CARRIED: [(Self, Self); 4] = [
        (Self::PC5_S_UNPROTECTED, Self(5)),
        (Self::PC5_S_SECURITY_MODE, Self(6)),
        (Self::PC5_S_PROTECTED, Self(7)),
        (Self::LINK_DATA, Self(8)),
    ];

    /// Returns the channel on which a UE-to-UE relay carries this channel of a link from end to end.
    pub fn carrying(self) -> Option<Self> {
        Self::CARRIED.iter().find(|(inner, _)| *inner == self).map(|(_, outer)| *outer)
    }

    /// Returns the channel of a link from end to end that is carried on this one.
    pub fn carried(self) -> Option<Self> {
        Self::CARRIED.iter().find(|(_, outer)| *outer == self).map(|(inner, _)| *inner)
    }

    /// A traffic channel (1 to 10), the channel of its copies (11 to 20), or one of the three signalling channels (28 to
    /// 30).
    pub const fn new(value: u8) -> Result<Self, Error> {
        match value {
            1..=20 | 28..=30 => Ok(Self(value)),
            _ => Err(Error::OutOfRange { what: "LCID", value: value as u32, max: 20 }),
        }
    }

    /// Returns the 5-bit field.
    pub const fn value(self) -> u8 {
        self.0
    }

    /// The channel whose PDCP PDUs come a second time on this one: n of n + 10.
    // TS 36.321 §6.2.4 LCID (2)
    pub const fn duplicated(self) -> Option<Self> {
        match self.0 {
            11..=20 => Some(Self(self.0 - 10)),
            _ => None,
        }
    }

    /// Whether PC5 signalling travels on it.
    pub const fn is_signalling(self) -> bool {
        self.0 >= 28
    }
}

/// The scope of a ProSe Application Code. TS 23.003 §24.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Unique in the world (00).
    Global,
    /// Unique in one country (10).
    Country,
    /// Unique in one PLMN (11).
    Plmn,
    /// The value 01, which is reserved.
    Reserved,
}

/// A ProSe Application Code: 184 bits = PLMN part (24) and temporary identity (160). TS 23.003 §24.3.
///
/// Restricted, query and response codes have the same size and travel in the same field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProSeAppCode([u8; Self::LEN]);

impl ProSeAppCode {
    /// Length of a code in octets.
    pub const LEN: usize = 23;

    /// Makes a code from its octets. Every value is accepted: the caller checks the PLMN part.
    pub const fn from_octets(octets: [u8; Self::LEN]) -> Self {
        Self(octets)
    }

    /// Makes an open code of one PLMN: scope 11, the flag E set, MCC and MNC as binary numbers of at most 999.
    // TS 24.334 §12.2.2.6
    pub fn new(mcc: u16, mnc: u16, temporary: &[u8; 20]) -> Result<Self, Error> {
        for (what, value) in [("MCC", mcc), ("MNC", mnc)] {
            if value > 999 {
                return Err(Error::OutOfRange { what, value: u32::from(value), max: 999 });
            }
        }
        let plmn = 0b11 << 22 | 1 << 20 | u32::from(mcc) << 10 | u32::from(mnc);
        let mut code = [0; Self::LEN];
        code[..3].copy_from_slice(&plmn.to_be_bytes()[1..]);
        code[3..].copy_from_slice(temporary);
        Ok(Self(code))
    }

    /// Returns the octets.
    pub const fn octets(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Returns the scope in which the code is unique.
    pub const fn scope(&self) -> Scope {
        match self.0[0] >> 6 {
            0b00 => Scope::Global,
            0b10 => Scope::Country,
            0b11 => Scope::Plmn,
            _ => Scope::Reserved,
        }
    }

    /// Returns the mobile country code, 10 bits.
    pub const fn mcc(&self) -> u16 {
        (self.0[0] as u16 & 0x0f) << 6 | self.0[1] as u16 >> 2
    }

    /// Returns the mobile network code, 10 bits.
    pub const fn mnc(&self) -> u16 {
        (self.0[1] as u16 & 0x03) << 8 | self.0[2] as u16
    }
}

impl fmt::Debug for ProSeAppCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProSeAppCode({self})")
    }
}

impl fmt::Display for ProSeAppCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // TS 24.334 §12.2.2.48; TS 36.321 §6.2.4 DST
    fn destination_splits_between_dst_and_sci() {
        let id = Layer2Id::new(0x12_3456).unwrap();
        assert_eq!(id.dst(), [0x12, 0x34]);
        assert_eq!(id.group_destination(), GroupDestinationId(0x56));
        assert_eq!(Layer2Id::from_parts(id.dst(), id.group_destination()), id);
        assert!(Layer2Id::new(0x100_0000).is_err());
    }

    #[test]
    // TS 33.303 §6.5.6.1 (2); TS 36.321 §6.2.4 LCID (2)
    fn reserved_logical_channels_are_refused() {
        let allowed: Vec<u8> = (0..=255).filter(|&v| Lcid::new(v).is_ok()).collect();
        assert_eq!(allowed, (1..=20).chain(28..=30).collect::<Vec<u8>>());
        for channel in allowed.into_iter().filter_map(|v| Lcid::new(v).ok()) {
            let copied = channel.duplicated().map(Lcid::value);
            assert_eq!(copied, (11..=20).contains(&channel.value()).then(|| channel.value() - 10));
        }
    }

    #[test]
    // TS 24.334 §12.2.2.6
    fn code_holds_its_plmn() {
        let code = ProSeAppCode::new(310, 410, &[0xab; 20]).unwrap();
        assert_eq!((code.scope(), code.mcc(), code.mnc()), (Scope::Plmn, 310, 410));
        assert_eq!(code.octets()[0] & 0x30, 0x10, "spare is 0 and E is 1");
        assert!(ProSeAppCode::new(1000, 0, &[0; 20]).is_err());
    }
}
