//! What goes into the client of a relay and what comes out.

use std::fmt;

use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use super::super::Error;
use crate::eap_aka;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A link asks: a question of [`sidelink_wire::relay_keying`].
    Question {
        /// The time.
        now: UtcTime,
        /// To hand back.
        ticket: u64,
        /// Its octets.
        octets: &'a [u8],
    },
    /// A datagram came from the server.
    Datagram {
        /// The time.
        now: UtcTime,
        /// Its octets.
        octets: &'a [u8],
    },
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram to the server.
    Datagram(Vec<u8>),
    /// The answer to a question: octets of [`sidelink_wire::relay_keying`], with a key in them; none where it was no question
    /// of an exchange.
    Answer {
        /// Of which question.
        ticket: u64,
        /// The octets.
        octets: Option<Zeroizing<Vec<u8>>>,
    },
    /// Something for the log.
    Event(Event),
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// What came of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A question was not passed on.
    NotAsked {
        /// Why.
        why: Wrong,
    },
    /// A datagram was passed over.
    Dropped {
        /// Why.
        why: Wrong,
    },
    /// A request was said again.
    SaidAgain,
    /// The server did not answer in time.
    Silent,
    /// The server accepts a remote UE, but gives no key.
    NoKey,
}

/// What was wrong, by blame of the link, of remote UEs, of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// No question of a relay to its server.
    Question,
    /// The last question of the exchange has no answer yet.
    UnderWay,
    /// No packet of EAP.
    Eap(eap_aka::Error),
    /// A packet, or a reply, of an exchange that is none: over, or never begun.
    Unknown,
    /// More exchanges at once than there is room for.
    Busy,
    /// More new exchanges than the rate of all remote UEs together.
    TooOften,
    /// No packet of RADIUS, or one that cannot be written.
    Packet(Error),
    /// A reply that the secret does not prove: another secret, or another server.
    Authenticator,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Eap(error) => return write!(f, "no packet of EAP: {error}"),
            Self::Packet(error) => return error.fmt(f),
            Self::Question => "no question of a relay to its server",
            Self::UnderWay => "the last question of this exchange has no answer yet",
            Self::Unknown => "an exchange that is over, or was never begun",
            Self::Busy => "too many remote UEs at once",
            Self::TooOften => "too many new remote UEs at once: they may try again later",
            Self::Authenticator => "the secret does not prove a reply: do relay and server have the same?",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Wrong {}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked { why } => write!(f, "a remote UE is not asked for: {why}"),
            Self::Dropped { why } => write!(f, "a reply of RADIUS is passed over: {why}"),
            Self::SaidAgain => f.write_str("a request has no reply yet, and is said again"),
            Self::Silent => {
                f.write_str("the AAA server does not answer: is it there, and does it know this relay?")
            }
            Self::NoKey => f.write_str(
                "the AAA server accepts a remote UE, but gives no key: MS-MPPE-Recv-Key is missing",
            ),
        }
    }
}
