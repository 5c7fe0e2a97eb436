//! What goes into the UE's end and what comes out.

use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_wire::Error as WireError;
use sidelink_wire::direct_keying::{ANSWER, ConnectionId, Side};
use zeroize::Zeroizing;

use crate::mme::message::Cause;
use crate::nas;
use crate::usim::{self, SqnArray};

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Get a context.
    Attach {
        /// The time.
        now: UtcTime,
    },
    /// A message of the MME.
    Downlink {
        /// The time.
        now: UtcTime,
        /// Its octets.
        octets: &'a [u8],
    },
    /// The state of the USIM is durable.
    Stored {
        /// The time.
        now: UtcTime,
    },
    /// It could not be made durable.
    StoreFailed {
        /// The time.
        now: UtcTime,
    },
    /// A link asks for a KD: a question of [`sidelink_wire::direct_keying`].
    Question {
        /// The time.
        now: UtcTime,
        /// To hand back.
        ticket: u64,
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
pub enum Output {
    /// Send a message to the MME.
    Uplink(Vec<u8>),
    /// Make the state of the USIM durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(Box<SqnArray>),
    /// Answer a question: [`sidelink_wire::direct_keying::Answer`], or nothing.
    Answer {
        /// Which question.
        ticket: u64,
        /// KD and its lifetime.
        answer: Option<Zeroizing<[u8; ANSWER]>>,
    },
    /// For reports.
    Event(Event),
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// For reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// There is a context.
    Attached,
    /// There is none.
    NotAttached(NotAttached),
    /// There is a KD.
    Keyed {
        /// Of which connection.
        connection: ConnectionId,
        /// At which end.
        side: Side,
    },
    /// There is none.
    Refused {
        /// Of which connection.
        connection: ConnectionId,
        /// Why.
        cause: Cause,
    },
    /// A message or a question was passed over.
    Dropped(Dropped),
}

/// Why there is no context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAttached {
    /// The MME refuses; anybody can say that.
    Rejected,
    /// The USIM does not accept the challenge.
    Usim(usim::Refusal),
    /// No answer in time.
    Late,
}

/// Why something is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// It is no message, or no question.
    Malformed(WireError),
    /// Its protection is wrong.
    Nas(nas::Refusal),
    /// Nothing waits for it.
    Unexpected,
    /// No context: attach first.
    NotAttached,
    /// Too many questions at once.
    Busy,
    /// Key material of which no KD can be made: of small order, or not the own value.
    Material,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Nas(refusal) => refusal.fmt(f),
            Self::Unexpected => f.write_str("nothing waits for this message"),
            Self::NotAttached => f.write_str("there is no context with the MME: attach first"),
            Self::Busy => f.write_str("too many questions at once: ask again later"),
            Self::Material => f.write_str("the MME gave key material of which no KD can be made"),
        }
    }
}

impl fmt::Display for NotAttached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected => f.write_str("the MME gives no context: is the subscriber known to it?"),
            Self::Usim(refusal) => refusal.fmt(f),
            Self::Late => f.write_str("the MME did not answer in time: is it there?"),
        }
    }
}
