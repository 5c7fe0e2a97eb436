//! What goes into a ProSe Function and what comes out.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Granted, Reservation};
use zeroize::Zeroizing;

use super::config::{Permission, Subscription};
use super::other_networks::{NotTold, Query, Told};
use super::table::{Change, Record};
use crate::pc3::{Cause, EntryId, Error, Imsi, Message};
use crate::public_keys::KeyMessage;
use crate::puzzle::Challenge;

/// Names a request of the transport, for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names an [`Output::Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// What the HSS says of a UE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has a subscription of ProSe.
    Known(Subscription),
    /// It has none.
    Unknown,
}

/// What is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// All entries of a UE, and what others know of them.
    Ue(Imsi),
    /// That one user may discover another.
    Permission(Permission),
}

/// What happened. Every input but entropy carries the time, which never goes back.
#[derive(Debug)]
pub enum Input<'a> {
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// The body of an HTTP request came.
    Message {
        /// The time.
        now: UtcTime,
        /// For the answer.
        request: RequestId,
        /// Who sent it, as the transport has proven (TLS with a key of GBA).
        ue: Imsi,
        /// The header field [`crate::puzzle::SOLUTION_FIELD`], where there is one.
        solution: Option<&'a str>,
        /// The body.
        body: &'a [u8],
    },
    /// The body of a request about public keys came, over the same way. It is admitted as one of PC3 is.
    PublicKeys {
        /// The time.
        now: UtcTime,
        /// For the answer.
        request: RequestId,
        /// Who sent it, as the transport has proven.
        ue: Imsi,
        /// The header field [`crate::puzzle::SOLUTION_FIELD`], where there is one.
        solution: Option<&'a str>,
        /// The body.
        body: &'a [u8],
    },
    /// The answer to [`Output::AskSubscription`].
    Subscription {
        /// The time.
        now: UtcTime,
        /// Of whom.
        ue: Imsi,
        /// What the HSS says.
        answer: Answer,
    },
    /// The operator withdraws something.
    Revoke {
        /// The time.
        now: UtcTime,
        /// What.
        what: Revocation,
    },
    /// The function of another network asks.
    OtherNetwork {
        /// The time.
        now: UtcTime,
        /// For the answer.
        request: RequestId,
        /// What; the caller has authenticated who asks.
        query: Query,
    },
    /// The changes of [`Output::Store`] are durable.
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
    /// A reservation of numbers is durable.
    Granted {
        /// The time.
        now: UtcTime,
        /// The proof.
        granted: Granted,
    },
    /// A reservation could not be made durable.
    ReservationFailed {
        /// The time.
        now: UtcTime,
    },
    /// More randomness for codes and keys.
    Entropy {
        /// Octets that nobody can guess.
        seed: &'a [u8],
    },
}

impl Input<'_> {
    pub(super) const fn now(&self) -> Option<UtcTime> {
        match self {
            Self::Tick { now }
            | Self::Message { now, .. }
            | Self::PublicKeys { now, .. }
            | Self::Subscription { now, .. }
            | Self::Revoke { now, .. }
            | Self::OtherNetwork { now, .. }
            | Self::Stored { now, .. }
            | Self::StoreFailed { now, .. }
            | Self::Granted { now, .. }
            | Self::ReservationFailed { now } => Some(*now),
            Self::Entropy { .. } => None,
        }
    }
}

/// Why a request has no PC3 message as its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The body is none of the messages (HTTP 400).
    Malformed(Error),
    /// A message that goes the other way (HTTP 400).
    Unexpected,
    /// EPC-level discovery is not served here (HTTP 501).
    NoEpcLevel,
    /// The HSS said lately that the UE has no subscription (HTTP 403).
    NoSubscription,
    /// So many ask that each has to do some work first (HTTP 503, with the challenge in a header field).
    Puzzle(Challenge),
    /// More than the UE, or all together, may ask for (HTTP 429).
    TooMany {
        /// Milliseconds until another request has a chance.
        wait: u64,
    },
    /// Too much waits, or HSS or store do not answer (HTTP 503).
    Busy,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "not a message of PC3: {error}"),
            Self::Unexpected => {
                f.write_str("a message that a ProSe Function sends, not one that it receives")
            }
            Self::NoEpcLevel => f.write_str("EPC-level discovery is not served here"),
            Self::NoSubscription => f.write_str("the subscriber has no ProSe subscription"),
            Self::Puzzle(_) => f.write_str("too many requests: solve the puzzle, or come again later"),
            Self::TooMany { wait } => write!(f, "too many requests: wait {wait} ms"),
            Self::Busy => f.write_str("too much waits for HSS or store: try again"),
        }
    }
}

/// The answer to a request.
#[derive(PartialEq, Eq)]
pub enum Response {
    /// A PC3 message. It may hold keys: it is not printed.
    Message(Zeroizing<String>),
    /// Taken, and nothing to say.
    Accepted,
    /// Not answered.
    Refused(Refused),
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(body) => write!(f, "Message({} octets)", body.len()),
            Self::Accepted => f.write_str("Accepted"),
            Self::Refused(why) => write!(f, "Refused({why:?})"),
        }
    }
}

/// Whose bucket ran dry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// That of one UE.
    Ue(Imsi),
    /// That of all.
    All,
}

/// A flood that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// Whose bucket ran dry; of the UEs, the last one.
    pub whose: Flood,
    /// Requests since it began that were refused for their number, or for want of a solved puzzle.
    pub refused: u64,
    /// When it began.
    pub since: UtcTime,
}

/// For reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An entry was made, or goes on.
    Allotted {
        /// Whose.
        ue: Imsi,
        /// Which.
        entry: EntryId,
    },
    /// A transaction was refused.
    Rejected {
        /// Whose.
        ue: Imsi,
        /// Why.
        cause: Cause,
    },
    /// A match report was right.
    Matched {
        /// Who heard.
        ue: Imsi,
        /// Whom.
        announcer: Imsi,
    },
    /// Requests were refused for their number; reported at most once in [`super::ALARM_INTERVAL`], for UEs and for all.
    Flood(Alarm),
    /// A UE has done what was pushed, or says why not.
    UpdateAnswered {
        /// Who.
        ue: Imsi,
        /// Which entry.
        entry: EntryId,
        /// Why not; none when done.
        refused: Option<Cause>,
        /// Milliseconds since the operator withdrew it: so long the UE went on.
        blind: u64,
    },
    /// A UE never answered what was pushed: it goes on until its filter expires.
    UpdateUnanswered {
        /// Who.
        ue: Imsi,
        /// Which entry.
        entry: EntryId,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Answer a request.
    Respond {
        /// Which.
        request: RequestId,
        /// With what.
        response: Response,
    },
    /// Answer the function of another network.
    Tell {
        /// Which request.
        request: RequestId,
        /// With what.
        told: Result<Told, NotTold>,
    },
    /// Send a message that this function begins, by OMA Push or long polling (TS 24.334 §6.1.3).
    Push {
        /// To whom.
        ue: Imsi,
        /// The message.
        body: Zeroizing<String>,
    },
    /// Ask the HSS (PC4a), and hand back [`Input::Subscription`].
    AskSubscription {
        /// Of whom.
        ue: Imsi,
    },
    /// Hand a message of EPC-level discovery that was admitted to [`crate::epc_discovery::EpcDiscovery`], which answers it.
    EpcLevel {
        /// For the answer.
        request: RequestId,
        /// Who sent it.
        ue: Imsi,
        /// What.
        message: Box<Message>,
        /// What the HSS says of the UE; nothing may be done where it knows no subscription.
        subscription: Subscription,
    },
    /// Hand a message about public keys that was admitted to [`crate::public_keys::PublicKeyServer`], which answers it.
    PublicKeys {
        /// For the answer.
        request: RequestId,
        /// Who sent it.
        ue: Imsi,
        /// What.
        message: Box<KeyMessage>,
        /// What the HSS says of the UE; nothing may be done where it knows no subscription.
        subscription: Subscription,
    },
    /// Write down that the HSS knows no subscription of a UE, with the next commit: a hint for the next start. Nothing waits
    /// for it.
    RememberRefusal {
        /// Whose.
        ue: Imsi,
        /// Until then the HSS is not asked again.
        until: UtcTime,
    },
    /// Make these changes durable, all or none, and hand back [`Input::Stored`] or [`Input::StoreFailed`]. What depends on
    /// them is sent afterwards.
    Store {
        /// To hand back.
        ticket: Ticket,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Make this durable and hand back [`Input::Granted`] or [`Input::ReservationFailed`].
    Reserve(Reservation),
    /// For reports.
    Event(Event),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}

/// What a function begins with, apart from its configuration.
#[derive(Debug, Default)]
pub struct Durable {
    /// Everything that was stored and not removed.
    pub records: Vec<Record>,
    /// What was written down of refusals; those that have ended do not count.
    pub refused: Vec<(Imsi, UtcTime)>,
}
