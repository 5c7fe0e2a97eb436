//! UE-to-UE relays: the adaptation header of layer 2, and what a relay and its ends tell each other. The coding is our own:
//! the contributions to TR 33.740 leave forwarding open, and LTE has no adaptation layer on the sidelink.
//!
//! ```text
//! adaptation  | local id of the sending end 1 | local id of the other end 1 | PDCP PDU, as it is |
//! path        | 1 | own local id 1 | local id of the other end 1 | layer 1 | name of the other end 1 to 64 |   relay to end
//! gone        | 2 | local id of the other end 1 | why 1 | name of the other end 1 to 64 |                      relay to end
//! want        | 3 | name of the other end 1 to 64 |                                                            end to relay
//! who         | 4 | local id of the other end 1 |                                                              end to relay
//! ```
//!
//! The header stands above RLC, outside of PDCP: nothing protects it. An altered one leads a PDU to where no key opens it.

use crate::{Error, fits, need};

/// Length limit of a name, octets.
pub const MAX_NAME: usize = 64;

/// Octets of the adaptation header.
pub const HEADER_LEN: usize = 2;

/// Name of an end at one relay, which the relay gives: 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(u8);

impl LocalId {
    /// Returns the identity of this value; `None` for 0.
    pub const fn new(value: u8) -> Option<Self> {
        if value == 0 { None } else { Some(Self(value)) }
    }

    /// Returns the value.
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// Layer at which a relay works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// It carries the PDCP PDUs of a link from end to end, which it cannot open.
    Two,
    /// It routes the packets inside, which it reads.
    Three,
}

/// The adaptation header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adaptation {
    /// The sending end.
    pub source: LocalId,
    /// The other end.
    pub target: LocalId,
}

impl Adaptation {
    /// Splits a PDU into the header and what it carries.
    ///
    /// # Errors
    /// It is too short, or an identity is 0.
    pub fn parse(pdu: &[u8]) -> Result<(Self, &[u8]), Error> {
        let Some(([source, target], carried)) = pdu.split_first_chunk() else {
            return Err(Error::Truncated { what: "adaptation header", needed: HEADER_LEN, have: pdu.len() });
        };
        Ok((Self { source: local_id(*source)?, target: local_id(*target)? }, carried))
    }

    /// Returns what it carries behind the header.
    pub fn emit(self, carried: &[u8]) -> Vec<u8> {
        [&[self.source.0, self.target.0], carried].concat()
    }
}

/// Reason why there is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Why {
    /// The relay does not know the other end.
    Unknown = 1,
    /// There is no link to the other end.
    NoLink = 2,
    /// The relay has no room for another path.
    NoRoom = 3,
    /// The path has ended.
    Ended = 4,
}

impl Why {
    const fn from_value(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Unknown),
            2 => Some(Self::NoLink),
            3 => Some(Self::NoRoom),
            4 => Some(Self::Ended),
            _ => None,
        }
    }
}

/// What a relay and its ends tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control<'a> {
    /// There is a path to another end.
    Path {
        /// Local identity of who is told.
        own: LocalId,
        /// Local identity of the other end.
        peer: LocalId,
        /// Layer of the path.
        layer: Layer,
        /// Name of the other end.
        name: &'a [u8],
    },
    /// There is none.
    Gone {
        /// Local identity of the other end, if it had one.
        peer: Option<LocalId>,
        /// Why.
        why: Why,
        /// Name of the other end.
        name: &'a [u8],
    },
    /// An end wants a path over a link that is up already.
    Want {
        /// Name of the other end.
        name: &'a [u8],
    },
    /// An end was not told of a path, or has lost what it was told.
    Who {
        /// Local identity of the other end.
        peer: LocalId,
    },
}

const PATH: u8 = 1;
const GONE: u8 = 2;
const WANT: u8 = 3;
const WHO: u8 = 4;

impl<'a> Control<'a> {
    /// Reads the octets.
    ///
    /// # Errors
    /// Another message, a wrong length, or a reserved value.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "message of a UE-to-UE relay";
        need(WHAT, 1, octets.len())?;
        let fixed = |count: usize| {
            need(WHAT, count + 1, octets.len())?;
            let name = &octets[count..];
            fits("length of a name", name.len() as u32, MAX_NAME as u32)?;
            Ok::<_, Error>(name)
        };
        match octets[0] {
            PATH => {
                let name = fixed(4)?;
                let layer = match octets[3] {
                    2 => Layer::Two,
                    3 => Layer::Three,
                    value => return Err(Error::Reserved { what: "layer of a relay", value: value.into() }),
                };
                Ok(Self::Path { own: local_id(octets[1])?, peer: local_id(octets[2])?, layer, name })
            }
            GONE => {
                let name = fixed(3)?;
                let reserved = Error::Reserved { what: "reason of a relay", value: octets[2].into() };
                let why = Why::from_value(octets[2]).ok_or(reserved)?;
                Ok(Self::Gone { peer: LocalId::new(octets[1]), why, name })
            }
            WANT => Ok(Self::Want { name: fixed(1)? }),
            WHO => match octets {
                [_, peer] => Ok(Self::Who { peer: local_id(*peer)? }),
                _ => Err(Error::LengthLies { what: WHAT, stated: 2, have: octets.len() }),
            },
            value => Err(Error::Reserved { what: WHAT, value: value.into() }),
        }
    }

    /// Returns the octets; a name longer than [`MAX_NAME`] is cut, and nobody has such a name.
    pub fn emit(&self) -> Vec<u8> {
        let (head, name) = match *self {
            Self::Path { own, peer, layer, name } => {
                let layer = if layer == Layer::Two { 2 } else { 3 };
                (vec![PATH, own.0, peer.0, layer], name)
            }
            Self::Gone { peer, why, name } => (vec![GONE, peer.map_or(0, LocalId::value), why as u8], name),
            Self::Want { name } => (vec![WANT], name),
            Self::Who { peer } => (vec![WHO, peer.0], &[][..]),
        };
        [&head, &name[..name.len().min(MAX_NAME)]].concat()
    }
}

fn local_id(value: u8) -> Result<LocalId, Error> {
    LocalId::new(value).ok_or(Error::Reserved { what: "local identity", value: value.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u8) -> LocalId {
        LocalId::new(value).unwrap()
    }

    #[test]
    fn a_header_comes_back_with_what_it_carries_and_zero_names_nobody() {
        let header = Adaptation { source: id(1), target: id(255) };
        let pdu = header.emit(b"pdu");
        assert_eq!(pdu, b"\x01\xffpdu");
        assert_eq!(Adaptation::parse(&pdu), Ok((header, &b"pdu"[..])));
        assert_eq!(Adaptation::parse(&pdu[..2]), Ok((header, &b""[..])));
        for bad in [&b""[..], b"\x01", b"\x00\x01x", b"\x01\x00x"] {
            assert!(Adaptation::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn messages_come_back_and_others_are_refused() {
        let all = [
            Control::Path { own: id(1), peer: id(2), layer: Layer::Two, name: b"john" },
            Control::Path { own: id(9), peer: id(200), layer: Layer::Three, name: &[7; MAX_NAME] },
            Control::Gone { peer: None, why: Why::Unknown, name: b"j" },
            Control::Gone { peer: Some(id(3)), why: Why::NoLink, name: b"j" },
            Control::Gone { peer: None, why: Why::NoRoom, name: b"j" },
            Control::Gone { peer: None, why: Why::Ended, name: b"j" },
            Control::Want { name: b"john" },
        ];
        for message in all {
            let octets = message.emit();
            assert_eq!(Control::parse(&octets), Ok(message));
            let name = match message {
                Control::Path { name, .. } | Control::Gone { name, .. } | Control::Want { name } => name,
                // As short as it can be.
                Control::Who { .. } => b"x",
            };
            for cut in 0..=octets.len() - name.len() {
                assert!(Control::parse(&octets[..cut]).is_err(), "{message:?} {cut}");
            }
        }
        let who = Control::Who { peer: id(7) };
        assert_eq!(Control::parse(&who.emit()), Ok(who));
        let bad: [&[u8]; 9] = [
            &[0, 1],
            &[5, 1],
            &[4],
            &[4, 0],
            &[4, 1, 1],
            &[1, 0, 2, 2, 9],
            &[1, 1, 0, 2, 9],
            &[1, 1, 2, 4, 9],
            &[2, 1, 9, 9],
        ];
        for bad in bad {
            assert!(Control::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Control::parse(&[&[3][..], &[7; MAX_NAME + 1]].concat()).is_err());
    }
}
