//! Questions of a link between remote UE and relay to the network for its KD, and the answers: TS 33.303 §6.7.3.2.1 (PRUK),
//! TR 33.833 §6.5.1 (EAP). The coding is our own; no specification has one. It passes between the links of a UE and the
//! UE's ends of the network on the same device, never over the air.
//!
//! ```text
//! question  | 1 | service 3 | length 1 | relay's name | EAP packet |                   remote UE: what the relay passed on
//!           | 2 | service 3 | length 1 | remote UE's name | EAP packet |               relay: what the remote UE answered
//!           | 3 | service 3 | type 1 | length 1 | user | Nonce_1 16 |                  relay: the KD of a remote UE
//!           | 4 | service 3 | type 1 | length 1 | user | Nonce_1 16 | freshness 16 | [GPI] |     remote UE: the same KD
//!           | 5 | RAND 16 | AUTS 14 |                                                  relay: once more, after this
//! answer    | 1 | EAP packet |                                                         send it
//!           | 2 | KD 32 | lifetime 4 | [EAP packet] |                                  the peer is who it says
//!           | 3 | [EAP packet] |                                                       it is not
//!           | 4 | KD 32 | lifetime 4 | freshness 16 | [GPI] |                          relay: for the command
//!           | 5 | RAND 16 | AUTS 14 |                                                  remote UE: the USIM is out of step
//!           | 6 | KD 32 | lifetime 4 | PRUK ID 8 |                                     remote UE: from this PRUK
//!           | 7 | reason 1 |                                                           relay: it gets none
//! ```
//!
//! Lifetimes are in seconds, and never zero.

use core::fmt;

use crate::Error;

/// Octets of a Relay Service Code. TS 24.334 §12.2.2.60.
pub const SERVICE: usize = 3;

/// Length limit of a name, octets.
pub const MAX_NAME: usize = 64;

/// Length limit of a packet of EAP, or of a GPI, octets.
pub const MAX_PACKET: usize = 1500;

/// A user, as User Info of a request names it: TS 24.334 §12.5.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User<'a> {
    /// Type of identity: 2 PRUK ID, 3 IMSI.
    pub kind: u8,
    /// Value, 1 to [`MAX_NAME`] octets.
    pub value: &'a [u8],
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// Remote UE: a packet of EAP came from the network through this relay.
    ToPeer {
        /// Relay Service Code.
        service: [u8; SERVICE],
        /// Name of the relay, 1 to [`MAX_NAME`] octets.
        relay: &'a [u8],
        /// The packet, 1 to [`MAX_PACKET`] octets.
        packet: &'a [u8],
    },
    /// Relay: a packet of EAP came from a remote UE.
    ToServer {
        /// Relay Service Code.
        service: [u8; SERVICE],
        /// Name of the remote UE, as it claims, 1 to [`MAX_NAME`] octets.
        remote: &'a [u8],
        /// The packet, 1 to [`MAX_PACKET`] octets.
        packet: &'a [u8],
    },
    /// Relay: the KD of a remote UE.
    Grant {
        /// Relay Service Code.
        service: [u8; SERVICE],
        /// What the remote UE calls itself.
        user: User<'a>,
        /// Nonce_1 of its request.
        nonce_1: [u8; 16],
    },
    /// Remote UE: the KD that a command is protected by.
    Derive {
        /// Relay Service Code.
        service: [u8; SERVICE],
        /// What the request called this UE.
        user: User<'a>,
        /// Nonce_1 of the request.
        nonce_1: [u8; 16],
        /// KD freshness parameter of the command.
        freshness: [u8; 16],
        /// GPI of the command; empty for none.
        gpi: &'a [u8],
    },
    /// Relay: the KD once more, since the USIM of the remote UE was out of step.
    Resynchronise {
        /// RAND.
        rand: [u8; 16],
        /// AUTS.
        auts: [u8; 14],
    },
}

/// An answer. It borrows keys: whoever holds the octets wipes them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Send this packet of EAP to the peer.
    Packet(&'a [u8]),
    /// The peer is authenticated.
    Keyed {
        /// KD.
        kd: &'a [u8; 32],
        /// Seconds that it lives.
        lifetime: u32,
        /// EAP-Success for the peer; empty for none.
        packet: &'a [u8],
    },
    /// It is not.
    Refused {
        /// EAP-Failure for the peer; empty for none.
        packet: &'a [u8],
    },
    /// A remote UE may be served.
    Granted {
        /// KD.
        kd: &'a [u8; 32],
        /// Seconds that it lives.
        lifetime: u32,
        /// KD freshness parameter.
        freshness: &'a [u8; 16],
        /// GPI; empty for none.
        gpi: &'a [u8],
    },
    /// The KD of a command.
    Derived {
        /// KD.
        kd: &'a [u8; 32],
        /// Seconds that it lives.
        lifetime: u32,
        /// The PRUK that it is from.
        pruk_id: [u8; 8],
    },
    /// The USIM is out of step: tell the relay.
    OutOfStep {
        /// RAND of the GPI.
        rand: [u8; 16],
        /// AUTS.
        auts: [u8; 14],
    },
    /// The relay gets no KD.
    Denied(Denial),
}

/// Why a relay gets no KD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The network does not know the remote UE by the name that it gave.
    Unknown,
    /// This relay may not serve it, or not for this service.
    NotAllowed,
    /// The network does not answer, or has too much to do.
    Unreachable,
}

impl Denial {
    const fn value(self) -> u8 {
        match self {
            Self::Unknown => 1,
            Self::NotAllowed => 2,
            Self::Unreachable => 3,
        }
    }

    const fn from_value(value: u8) -> Result<Self, Error> {
        match value {
            1 => Ok(Self::Unknown),
            2 => Ok(Self::NotAllowed),
            3 => Ok(Self::Unreachable),
            value => Err(Error::Reserved { what: "reason of a network", value: value as u32 }),
        }
    }
}

/// Reads a question or an answer.
struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    const fn truncated(&self, needed: usize) -> Error {
        Error::Truncated { what: self.what, needed, have: self.rest.len() }
    }

    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let (octets, rest) = self.rest.split_first_chunk().ok_or(self.truncated(N))?;
        self.rest = rest;
        Ok(octets)
    }

    /// A name behind its length.
    fn name(&mut self) -> Result<&'a [u8], Error> {
        let &[length] = self.take()?;
        let length = usize::from(length);
        let (name, rest) = self.rest.split_at_checked(length).ok_or(self.truncated(length))?;
        self.rest = rest;
        name_of(name)
    }

    fn user(&mut self) -> Result<User<'a>, Error> {
        let &[kind] = self.take()?;
        Ok(User { kind: kind_of(kind)?, value: self.name()? })
    }

    fn lifetime(&mut self) -> Result<u32, Error> {
        match u32::from_be_bytes(*self.take()?) {
            0 => Err(Error::Reserved { what: "lifetime", value: 0 }),
            lifetime => Ok(lifetime),
        }
    }

    /// The rest, which may be empty.
    const fn rest(&mut self) -> Result<&'a [u8], Error> {
        match self.rest.len() {
            0..=MAX_PACKET => Ok(self.rest),
            have => Err(Error::Oversized { what: self.what, max: MAX_PACKET, have }),
        }
    }

    /// The rest, which is a packet.
    const fn packet(&mut self) -> Result<&'a [u8], Error> {
        if self.rest.is_empty() { Err(self.truncated(1)) } else { self.rest() }
    }

    const fn end(&self) -> Result<(), Error> {
        match self.rest.len() {
            0 => Ok(()),
            have => Err(Error::Oversized { what: self.what, max: 0, have }),
        }
    }
}

const fn name_of(octets: &[u8]) -> Result<&[u8], Error> {
    match octets.len() {
        0 => Err(Error::Truncated { what: "name", needed: 1, have: 0 }),
        1..=MAX_NAME => Ok(octets),
        have => Err(Error::Oversized { what: "name", max: MAX_NAME, have }),
    }
}

/// Only a PRUK ID and an IMSI name a remote UE to a network.
const fn kind_of(kind: u8) -> Result<u8, Error> {
    match kind {
        2 | 3 => Ok(kind),
        value => Err(Error::Reserved { what: "type of identity", value: value as u32 }),
    }
}

impl<'a> Question<'a> {
    /// Parses a question.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader { what: "question for the KD of a relay", rest: octets };
        let &[kind] = reader.take()?;
        if kind == 5 {
            let (rand, auts) = (*reader.take()?, *reader.take()?);
            reader.end()?;
            return Ok(Self::Resynchronise { rand, auts });
        }
        let service = *reader.take()?;
        match kind {
            1 => Ok(Self::ToPeer { service, relay: reader.name()?, packet: reader.packet()? }),
            2 => Ok(Self::ToServer { service, remote: reader.name()?, packet: reader.packet()? }),
            3 => {
                let (user, nonce_1) = (reader.user()?, *reader.take()?);
                reader.end()?;
                Ok(Self::Grant { service, user, nonce_1 })
            }
            4 => {
                let (user, nonce_1, freshness) = (reader.user()?, *reader.take()?, *reader.take()?);
                Ok(Self::Derive { service, user, nonce_1, freshness, gpi: reader.rest()? })
            }
            value => Err(Error::Reserved { what: "question for the KD of a relay", value: value.into() }),
        }
    }

    /// Returns the octets.
    ///
    /// # Errors
    /// A name or a packet that has no octets, or too many; a user of another type.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        let with_name = |kind: u8, service: &[u8; SERVICE], name: &[u8], packet: &[u8]| {
            let name = name_of(name)?;
            let packet = Reader { what: "packet", rest: packet }.packet()?;
            // At most 64.
            Ok([&[kind][..], service, &[name.len() as u8], name, packet].concat())
        };
        let with_user = |kind: u8, service: &[u8; SERVICE], user: User<'_>, nonce_1: &[u8; 16]| {
            let name = name_of(user.value)?;
            let head = [kind_of(user.kind)?, name.len() as u8];
            Ok([&[kind][..], service, &head, name, nonce_1].concat())
        };
        match self {
            Self::ToPeer { service, relay, packet } => with_name(1, service, relay, packet),
            Self::ToServer { service, remote, packet } => with_name(2, service, remote, packet),
            Self::Grant { service, user, nonce_1 } => with_user(3, service, *user, nonce_1),
            Self::Derive { service, user, nonce_1, freshness, gpi } => {
                let gpi = Reader { what: "GPI", rest: gpi }.rest()?;
                Ok([&with_user(4, service, *user, nonce_1)?[..], freshness, gpi].concat())
            }
            Self::Resynchronise { rand, auts } => Ok([&[5][..], rand, auts].concat()),
        }
    }
}

impl<'a> Answer<'a> {
    /// Parses an answer.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader { what: "answer with the KD of a relay", rest: octets };
        let &[kind] = reader.take()?;
        match kind {
            1 => Ok(Self::Packet(reader.packet()?)),
            2 => {
                let (kd, lifetime) = (reader.take()?, reader.lifetime()?);
                Ok(Self::Keyed { kd, lifetime, packet: reader.rest()? })
            }
            3 => Ok(Self::Refused { packet: reader.rest()? }),
            4 => {
                let (kd, lifetime, freshness) = (reader.take()?, reader.lifetime()?, reader.take()?);
                Ok(Self::Granted { kd, lifetime, freshness, gpi: reader.rest()? })
            }
            5 => {
                let (rand, auts) = (*reader.take()?, *reader.take()?);
                reader.end()?;
                Ok(Self::OutOfStep { rand, auts })
            }
            6 => {
                let (kd, lifetime, pruk_id) = (reader.take()?, reader.lifetime()?, *reader.take()?);
                reader.end()?;
                Ok(Self::Derived { kd, lifetime, pruk_id })
            }
            7 => {
                let &[reason] = reader.take()?;
                reader.end()?;
                Denial::from_value(reason).map(Self::Denied)
            }
            value => Err(Error::Reserved { what: "answer with the KD of a relay", value: value.into() }),
        }
    }

    /// Appends the octets, which may hold a key.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Packet(packet) => out.extend([&[1][..], packet].concat()),
            Self::Keyed { kd, lifetime, packet } => {
                out.push(2);
                out.extend_from_slice(&kd[..]);
                out.extend_from_slice(&lifetime.to_be_bytes());
                out.extend_from_slice(packet);
            }
            Self::Refused { packet } => out.extend([&[3][..], packet].concat()),
            Self::Granted { kd, lifetime, freshness, gpi } => {
                out.push(4);
                out.extend_from_slice(&kd[..]);
                out.extend_from_slice(&lifetime.to_be_bytes());
                out.extend_from_slice(&freshness[..]);
                out.extend_from_slice(gpi);
            }
            Self::OutOfStep { rand, auts } => out.extend([&[5][..], rand, auts].concat()),
            Self::Denied(reason) => out.extend([7, reason.value()]),
            Self::Derived { kd, lifetime, pruk_id } => {
                out.push(6);
                out.extend_from_slice(&kd[..]);
                out.extend_from_slice(&lifetime.to_be_bytes());
                out.extend_from_slice(pruk_id);
            }
        }
    }
}

/// Shows no key.
impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, octets) = match self {
            Self::Packet(packet) => ("Packet", packet.len()),
            Self::Keyed { packet, .. } => ("Keyed", packet.len()),
            Self::Refused { packet } => ("Refused", packet.len()),
            Self::Granted { gpi, .. } => ("Granted", gpi.len()),
            Self::OutOfStep { .. } => ("OutOfStep", 0),
            Self::Derived { .. } => ("Derived", 0),
            Self::Denied(_) => ("Denied", 0),
        };
        f.debug_struct(name).field("octets", &octets).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_question_and_no_answer() {
        let user = User { kind: 2, value: b"12345678" };
        let grant = Question::Grant { service: [1, 2, 3], user, nonce_1: [4; 16] }.emit().unwrap();
        assert_eq!(grant.len(), 1 + 3 + 2 + 8 + 16);
        for length in 0..grant.len() {
            assert!(matches!(Question::parse(&grant[..length]), Err(Error::Truncated { .. })), "{length}");
        }
        for (at, value) in [(0, 0), (0, 6), (4, 1), (4, 4)] {
            let mut octets = grant.clone();
            octets[at] = value;
            assert!(matches!(Question::parse(&octets), Err(Error::Reserved { .. })), "{at} {value}");
        }
        let long = [&grant[..], &[0]].concat();
        assert!(matches!(Question::parse(&long), Err(Error::Oversized { .. })));
        for octets in [&[1, 1, 2, 3, 0, 9][..], &[1, 1, 2, 3, 1, b'r'], &[2, 1, 2, 3, 9, b'r', 1]] {
            assert!(matches!(Question::parse(octets), Err(Error::Truncated { .. })), "{octets:?}");
        }
        let name = [b'x'; 65];
        let user = User { kind: 3, value: &name };
        assert!(Question::Grant { service: [0; 3], user, nonce_1: [0; 16] }.emit().is_err());
        let user = User { kind: 1, value: b"mary" };
        assert!(Question::Grant { service: [0; 3], user, nonce_1: [0; 16] }.emit().is_err());
        assert!(matches!(Answer::parse(&[]), Err(Error::Truncated { .. })));
        assert!(matches!(Answer::parse(&[2; 36]), Err(Error::Truncated { .. })));
        assert!(matches!(Answer::parse(&[&[2][..], &[0; 36]].concat()), Err(Error::Reserved { .. })));
        for octets in [&[8][..], &[7, 0], &[7, 4]] {
            assert!(matches!(Answer::parse(octets), Err(Error::Reserved { .. })), "{octets:?}");
        }
        assert!(matches!(Answer::parse(&[7, 1, 0]), Err(Error::Oversized { .. })));
        assert!(matches!(Answer::parse(&[5; 32]), Err(Error::Oversized { .. })));
    }

    #[test]
    fn an_answer_shows_no_key() {
        let answer = Answer::Granted { kd: &[0xab; 32], lifetime: 1, freshness: &[0xcd; 16], gpi: &[] };
        let shown = format!("{answer:?}");
        assert!(!shown.contains("171") && !shown.contains("ab,"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_octets_are_parsed_or_refused(kind in 0_u8..8, rest in prop::collection::vec(any::<u8>(), 0..120)) {
            let octets = [&[kind][..], &rest].concat();
            if let Ok(question) = Question::parse(&octets) {
                prop_assert_eq!(question.emit().unwrap(), octets.clone());
            }
            if let Ok(answer) = Answer::parse(&octets) {
                let mut out = Vec::new();
                answer.emit(&mut out);
                prop_assert_eq!(out, octets);
            }
        }
    }
}
