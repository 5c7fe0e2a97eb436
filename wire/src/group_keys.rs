//! Messages of group keys by identities that MIKEY has not: the GMK of an ad-hoc group over a protected one-to-one link,
//! and the acknowledgement of a GMK. TR 33.833 §6.3.1.3.3 names their content; the coding is our own. The first octet
//! tells them from MIKEY, whose first octet is its version 1, and from each other.
//!
//! ```text
//! acknowledgement | 0xE4 | GMK ID 4 | time 8 | member | MAC 16 |
//! ad-hoc GMK      | 0xE5 | group 3 | GMK ID 4 | time 8 | activation 4 | expiry 4 | GMK 16 | name | number 1 | members |
//! member of list  | layer-2 ID 3 | identity |
//! identity        | kind 1 | length 1, 1 to 64 | octets |
//! ```
//!
//! The time is that of the distribution, in milliseconds since 1970; activation and expiry are UTC in seconds since 1970.

use crate::Error;
use crate::ids::Layer2Id;

/// First octet of an acknowledgement.
pub const ACKNOWLEDGEMENT: u8 = 0xE4;
/// First octet of the GMK of an ad-hoc group.
pub const AD_HOC_GMK: u8 = 0xE5;
/// Length limit of an identity, octets.
pub const MAX_IDENTITY: usize = 64;
/// Largest number of members of an ad-hoc group.
pub const MAX_MEMBERS: usize = 255;

/// An identity: its kind and its octets, 1 to [`MAX_IDENTITY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// Kind of the identity, as in User Info (TS 24.334 §12.5.1.3).
    pub kind: u8,
    /// Octets.
    pub octets: &'a [u8],
}

/// Acknowledgement of a GMK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement<'a> {
    /// GMK ID.
    pub gmk_id: u32,
    /// Time of the distribution.
    pub time: u64,
    /// The member that acknowledges.
    pub member: Name<'a>,
    /// MAC under the GMK.
    pub mac: [u8; 16],
}

/// The GMK of an ad-hoc group. No `Debug`: it holds the key.
#[derive(Clone, PartialEq, Eq)]
pub struct AdHocGmk<'a> {
    /// Layer-2 identity of the group.
    pub group: Layer2Id,
    /// GMK ID.
    pub gmk_id: u32,
    /// Time of the distribution.
    pub time: u64,
    /// First second at which the GMK is used.
    pub activation: u32,
    /// First second after its period.
    pub expiry: u32,
    /// The key.
    pub gmk: &'a [u8; 16],
    /// Identity of the group.
    pub name: Name<'a>,
    /// All members, with the maker of the group.
    pub members: Vec<(Layer2Id, Name<'a>)>,
}

/// Reads fields from the front.
struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    fn new(octets: &'a [u8], first: u8) -> Result<Self, Error> {
        let mut reader = Self { rest: octets, len: octets.len() };
        match reader.array("message type")? {
            [value] if *value == first => Ok(reader),
            [value] => Err(Error::Reserved { what: "message type", value: u32::from(*value) }),
        }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], Error> {
        let needed = self.len - self.rest.len() + N;
        let (field, rest) =
            self.rest.split_first_chunk().ok_or(Error::Truncated { what, needed, have: self.len })?;
        self.rest = rest;
        Ok(field)
    }

    fn name(&mut self, what: &'static str) -> Result<Name<'a>, Error> {
        let [kind, length] = *self.array(what)?;
        let stated = usize::from(length);
        if !(1..=MAX_IDENTITY).contains(&stated) {
            return Err(Error::Reserved { what, value: u32::from(length) });
        }
        let (octets, rest) = self.rest.split_at_checked(stated).ok_or(Error::LengthLies {
            what,
            stated,
            have: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(Name { kind, octets })
    }

    const fn end(&self, what: &'static str) -> Result<(), Error> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(Error::Oversized { what, max: self.len - self.rest.len(), have: self.len }),
        }
    }
}

impl Name<'_> {
    fn emit(&self, what: &'static str, out: &mut Vec<u8>) -> Result<(), Error> {
        match u8::try_from(self.octets.len()) {
            Ok(length @ 1..=64) => {
                out.extend_from_slice(&[self.kind, length]);
                out.extend_from_slice(self.octets);
                Ok(())
            }
            _ => Err(Error::OutOfRange {
                what,
                value: u32::try_from(self.octets.len()).unwrap_or(u32::MAX),
                max: MAX_IDENTITY as u32,
            }),
        }
    }
}

impl<'a> Acknowledgement<'a> {
    /// Parses an acknowledgement.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets, ACKNOWLEDGEMENT)?;
        let gmk_id = u32::from_be_bytes(*reader.array("GMK ID")?);
        let time = u64::from_be_bytes(*reader.array("time")?);
        let member = reader.name("member")?;
        let mac = *reader.array("MAC")?;
        reader.end("acknowledgement")?;
        Ok(Self { gmk_id, time, member, mac })
    }

    /// Returns the octets.
    ///
    /// # Errors
    /// A member of no octet, or of more than [`MAX_IDENTITY`].
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        let mut out = vec![ACKNOWLEDGEMENT];
        out.extend_from_slice(&self.gmk_id.to_be_bytes());
        out.extend_from_slice(&self.time.to_be_bytes());
        self.member.emit("member", &mut out)?;
        out.extend_from_slice(&self.mac);
        Ok(out)
    }
}

impl<'a> AdHocGmk<'a> {
    /// Parses the GMK of an ad-hoc group.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets, AD_HOC_GMK)?;
        let group = Layer2Id::from_octets(*reader.array("group")?);
        let gmk_id = u32::from_be_bytes(*reader.array("GMK ID")?);
        let time = u64::from_be_bytes(*reader.array("time")?);
        let activation = u32::from_be_bytes(*reader.array("activation")?);
        let expiry = u32::from_be_bytes(*reader.array("expiry")?);
        let gmk = reader.array("GMK")?;
        let name = reader.name("group name")?;
        let [number] = *reader.array("number of members")?;
        let mut members = Vec::with_capacity(usize::from(number));
        for _ in 0..number {
            let layer2 = Layer2Id::from_octets(*reader.array("layer-2 ID of a member")?);
            members.push((layer2, reader.name("member")?));
        }
        reader.end("ad-hoc GMK")?;
        Ok(Self { group, gmk_id, time, activation, expiry, gmk, name, members })
    }

    /// Returns the octets.
    ///
    /// # Errors
    /// An identity of no octet, or of more than [`MAX_IDENTITY`]; more than [`MAX_MEMBERS`] members.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        let number = u8::try_from(self.members.len())
            .map_err(|_| Error::TooMany { what: "members", max: MAX_MEMBERS })?;
        // No reallocation, which would leave a copy of the key.
        let names = self.members.iter().map(|(_, name)| 5 + name.octets.len()).sum::<usize>();
        let mut out = Vec::with_capacity(43 + self.name.octets.len() + names);
        out.push(AD_HOC_GMK);
        out.extend_from_slice(&self.group.octets());
        out.extend_from_slice(&self.gmk_id.to_be_bytes());
        out.extend_from_slice(&self.time.to_be_bytes());
        out.extend_from_slice(&self.activation.to_be_bytes());
        out.extend_from_slice(&self.expiry.to_be_bytes());
        out.extend_from_slice(self.gmk);
        self.name.emit("group name", &mut out)?;
        out.push(number);
        for (layer2, name) in &self.members {
            out.extend_from_slice(&layer2.octets());
            name.emit("member", &mut out)?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(octets: &[u8]) -> Name<'_> {
        Name { kind: 1, octets }
    }

    fn ad_hoc() -> Vec<u8> {
        let members = vec![
            (Layer2Id::from_octets([0, 0, 1]), name(b"alice")),
            (Layer2Id::from_octets([0, 0, 2]), name(b"bob")),
        ];
        let repr = AdHocGmk {
            group: Layer2Id::from_octets([1, 2, 3]),
            gmk_id: 0x8123_4567,
            time: 1_800_000_000_123,
            activation: 1_800_000_000,
            expiry: 1_800_003_600,
            gmk: &[7; 16],
            name: name(b"search"),
            members,
        };
        let octets = repr.emit().unwrap();
        assert!(AdHocGmk::parse(&octets).unwrap() == repr);
        octets
    }

    #[test]
    fn an_acknowledgement_has_these_octets() {
        let repr = Acknowledgement { gmk_id: 0x0123_4567, time: 0x0102, member: name(b"bob"), mac: [9; 16] };
        let octets = repr.emit().unwrap();
        let mut expected = vec![0xE4, 0x01, 0x23, 0x45, 0x67, 0, 0, 0, 0, 0, 0, 1, 2, 1, 3, b'b', b'o', b'b'];
        expected.extend_from_slice(&[9; 16]);
        assert_eq!(octets, expected);
        assert_eq!(Acknowledgement::parse(&octets), Ok(repr));
    }

    #[test]
    fn an_ad_hoc_gmk_has_these_octets() {
        let octets = ad_hoc();
        assert_eq!(octets[..8], [0xE5, 1, 2, 3, 0x81, 0x23, 0x45, 0x67]);
        assert_eq!(octets[24..40], [7; 16]);
        assert_eq!(octets[40..49], [1, 6, b's', b'e', b'a', b'r', b'c', b'h', 2]);
        assert_eq!(octets.len(), 49 + 5 + 5 + 5 + 3);
    }

    #[test]
    fn a_message_that_is_cut_or_longer_is_refused() {
        let octets = ad_hoc();
        for len in 0..octets.len() {
            assert!(AdHocGmk::parse(&octets[..len]).is_err(), "{len} octets");
        }
        assert!(AdHocGmk::parse(&[&octets[..], &[0]].concat()).is_err());
        assert!(Acknowledgement::parse(&octets).is_err(), "another message");
        let long = [b'x'; 65];
        for wrong in [&b""[..], &long] {
            let ack = Acknowledgement { gmk_id: 0, time: 0, member: name(wrong), mac: [0; 16] };
            assert!(ack.emit().is_err());
        }
    }

    proptest! {
        #[test]
        fn any_octets_parse_or_are_refused(kind in prop::sample::select(vec![0xE4, 0xE5]), octets: Vec<u8>) {
            let octets = [&[kind], &octets[..]].concat();
            if let Ok(repr) = Acknowledgement::parse(&octets) {
                prop_assert_eq!(repr.emit().unwrap(), &octets[..]);
            }
            if let Ok(repr) = AdHocGmk::parse(&octets) {
                prop_assert_eq!(repr.emit().unwrap(), &octets[..]);
            }
        }
    }
}
