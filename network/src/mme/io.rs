//! What goes into the MME and what comes out.

use std::collections::BTreeSet;
use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_wire::Error as WireError;
use sidelink_wire::direct_keying::ConnectionId;
use zeroize::Zeroizing;

use super::message::{Cause, Expression};
use crate::hss::{self, EpsVector, Resynchronisation, Ticket};
use crate::identity::{Fqdn, Imsi};
use crate::nas;

/// Names the way to a UE: a number of the driver, as an S1 connection has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UeRef(pub u64);

/// Who may agree on a KD with a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Everybody whose network vouches for its name.
    Anybody,
    /// These.
    These(BTreeSet<Expression>),
}

/// A subscriber, as the MME knows it.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Who.
    pub imsi: Imsi,
    /// Its names. One without any may not use direct communication.
    pub expressions: Vec<Expression>,
    /// Who may call it.
    pub callers: Callers,
}

/// A connection id that was given, and what it is for. It holds no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The identity.
    pub connection: ConnectionId,
    /// The subscriber that gave it.
    pub imsi: Imsi,
    /// In whose name.
    pub own: Expression,
    /// The peer's name, as far as it is known.
    pub peer: Option<Expression>,
    /// The peer's MME.
    pub mme: Fqdn,
    /// The identity that the peer gave.
    pub counterpart: Option<ConnectionId>,
    /// Whether a later agreement named it, or its counterpart: no other one may.
    pub spent: bool,
    /// Until when it is remembered.
    pub expires: UtcTime,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A message of a UE.
    Uplink {
        /// The time.
        now: UtcTime,
        /// On which way.
        from: UeRef,
        /// Its octets.
        octets: &'a [u8],
    },
    /// A message of another MME; the caller has authenticated it.
    FromMme {
        /// The time.
        now: UtcTime,
        /// Its name.
        from: &'a Fqdn,
        /// Its octets.
        octets: &'a [u8],
    },
    /// The HSS answered [`Output::Fetch`].
    Vector {
        /// The time.
        now: UtcTime,
        /// Of which request.
        ticket: Ticket,
        /// The vector.
        result: Result<EpsVector, hss::Refusal>,
    },
    /// The records of [`Output::Store`] are durable.
    Stored {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
    },
    /// They could not be made durable.
    StoreFailed {
        /// The time.
        now: UtcTime,
        /// Which.
        ticket: Ticket,
    },
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
}

/// What is to be done.
pub enum Output {
    /// Send a message to a UE.
    Downlink {
        /// On which way.
        to: UeRef,
        /// Its octets.
        octets: Vec<u8>,
    },
    /// Send a message to another MME, or to this one, over a protected way: it can hold half keys.
    ToMme {
        /// Its name.
        to: Fqdn,
        /// Its octets.
        octets: Zeroizing<Vec<u8>>,
    },
    /// Ask the HSS for a vector of EPS, and hand back [`Input::Vector`].
    Fetch {
        /// To hand back.
        ticket: Ticket,
        /// Whose.
        imsi: Imsi,
        /// The serving network.
        serving_network: [u8; 3],
        /// After a synchronisation failure.
        resynchronisation: Option<Resynchronisation>,
    },
    /// Make these records durable, all or none, each in the place of that of its connection, and hand back
    /// [`Input::Stored`] or [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// The records.
        records: Vec<Record>,
    },
    /// This record is needed no more.
    Forget {
        /// Which.
        connection: ConnectionId,
    },
    /// For reports.
    Event(Event),
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// For reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A UE has a context.
    Attached(Imsi),
    /// A UE has none.
    NotAttached(NotAttached),
    /// Two UEs can have a KD.
    Keyed {
        /// Of which run.
        connection: ConnectionId,
    },
    /// They have none.
    Refused {
        /// Of which run.
        connection: ConnectionId,
        /// Why.
        cause: Cause,
    },
    /// A message was passed over.
    Dropped(Dropped),
}

/// Why a UE has no context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAttached {
    /// No subscriber of this MME.
    Unknown,
    /// RES is wrong.
    Res,
    /// It is out of synchronisation for the second time.
    OutOfSync,
    /// Too many attach at once.
    TooOften,
    /// The HSS gives no vector.
    Hss(hss::Refusal),
    /// The UE or the HSS did not answer in time.
    Late,
}

/// Why a message is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// It is none.
    Malformed(WireError),
    /// Its protection is wrong.
    Nas(nas::Refusal),
    /// Its sender has no context.
    NotAttached,
    /// Nothing waits for it, or somebody else sent it.
    Unexpected,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Nas(refusal) => refusal.fmt(f),
            Self::NotAttached => f.write_str("a protected message of a UE without a context: it must attach"),
            Self::Unexpected => f.write_str("nothing waits for this message, or not from this sender"),
        }
    }
}

impl fmt::Display for NotAttached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no subscriber of this MME: add it first"),
            Self::Res => f.write_str("RES is wrong: not the subscriber's USIM"),
            Self::OutOfSync => f.write_str("the USIM is out of synchronisation again: see the HSS"),
            Self::TooOften => f.write_str("too many attach at once: try again later"),
            Self::Hss(refusal) => write!(f, "the HSS gives no vector: {refusal}"),
            Self::Late => f.write_str("the UE or the HSS did not answer in time"),
        }
    }
}

/// Why an MME cannot begin, or know a subscriber: the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Two subscribers have this IMSI.
    ImsiTaken(Imsi),
    /// Two have this expression, or the directory has it too.
    ExpressionTaken(Expression),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImsiTaken(imsi) => write!(f, "there is a subscriber with the IMSI {}", imsi.digits()),
            Self::ExpressionTaken(expression) => {
                write!(f, "somebody has the expression {expression} already")
            }
        }
    }
}

impl std::error::Error for Error {}
