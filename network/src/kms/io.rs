//! What goes into the key management server and what comes out.

use std::fmt;

use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use crate::identity::{Fqdn, Impi};
use crate::kms_messages::{ErrorCode, KmsKeySet, NoResource, Text, Uri};
use crate::pc3;

/// Names a request: a number of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names an order of the operator: a number of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// Names a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A subscriber, as TLS has proven it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// Whoever has the Ks_NAF of this private identity.
    Subscriber(Impi),
    /// Whoever has the key of a certificate with this name.
    Certificate(Fqdn),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscriber(impi) => impi.fmt(f),
            Self::Certificate(name) => name.fmt(f),
        }
    }
}

/// An order to make keys of an identity for somebody else.
#[derive(Clone, Debug)]
pub struct Escrow {
    /// To hand back.
    pub order: OrderId,
    /// Of which identity, granted or not.
    pub user: Uri,
    /// For the period of this time, past ones too.
    pub time: UtcTime,
    /// Who gives the order.
    pub by: Text,
    /// Why.
    pub why: Text,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A POST.
    Request {
        /// The time.
        now: UtcTime,
        /// To hand back.
        request: RequestId,
        /// Who asks.
        holder: Holder,
        /// Where to.
        path: &'a str,
        /// Content-Type.
        content_type: &'a str,
        /// The body: a KmsRequest, or nothing.
        body: &'a [u8],
    },
    /// The operator: this identity gets no more keys.
    Revoke {
        /// The time.
        now: UtcTime,
        /// To hand back.
        order: OrderId,
        /// The identity.
        user: Uri,
    },
    /// The operator: an identity that was revoked may have keys again.
    Admit {
        /// The time.
        now: UtcTime,
        /// To hand back.
        order: OrderId,
        /// The identity.
        user: Uri,
    },
    /// The operator wants keys of a user.
    Escrow {
        /// The time.
        now: UtcTime,
        /// The order.
        escrow: Escrow,
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
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// More chance.
    Entropy {
        /// Any octets.
        seed: &'a [u8; 32],
    },
}

impl Input<'_> {
    pub(super) const fn now(&self) -> Option<UtcTime> {
        match self {
            Self::Request { now, .. }
            | Self::Revoke { now, .. }
            | Self::Admit { now, .. }
            | Self::Escrow { now, .. }
            | Self::Stored { now, .. }
            | Self::StoreFailed { now, .. }
            | Self::Tick { now } => Some(*now),
            Self::Entropy { .. } => None,
        }
    }
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
    /// Make these changes durable, all or none and in the order of tickets, and hand back [`Input::Stored`] or
    /// [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// The changes.
        changes: Vec<Change>,
    },
    /// An identity was revoked or admitted. What could be done without the store was done: a revoked one gets nothing.
    Done {
        /// Which order.
        order: OrderId,
        /// Whether it is durable.
        stored: bool,
    },
    /// Keys of a user, for the operator.
    Escrowed {
        /// Which order.
        order: OrderId,
        /// The keys, or why not.
        result: Result<Box<KmsKeySet>, EscrowRefused>,
    },
    /// For reports.
    Event(Event),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}

/// The answer to a request.
#[derive(Debug)]
pub enum Response {
    /// 200, with a KmsResponse. It may hold keys, or a KmsError.
    Document(Zeroizing<String>),
    /// Another status.
    Refused(Refused),
}

/// Why a request is not answered by a KmsResponse: the bytes, the peer, the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// 404: no such resource.
    NoResource(NoResource),
    /// 415: another media type than [`crate::kms_messages::MEDIA_TYPE`].
    MediaType,
    /// 400: no KmsRequest.
    Malformed(pc3::Error),
    /// 429: the holder, or all together, ask too often.
    TooOften,
    /// 503: too much waits, or the store does not answer.
    Busy,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoResource(why) => why.fmt(f),
            Self::MediaType => write!(f, "the body must be {}", crate::kms_messages::MEDIA_TYPE),
            Self::Malformed(error) => write!(f, "no KmsRequest: {error}"),
            Self::TooOften => f.write_str("too many requests: wait, then ask again"),
            Self::Busy => f.write_str("too much waits here: ask again later"),
        }
    }
}

impl std::error::Error for Refused {}

/// Why the operator gets no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EscrowRefused {
    /// The identity is no name that this server makes keys for.
    BadIdentity,
    /// No period is at that time.
    NoPeriod,
    /// The order could not be recorded, and is not carried out.
    NotRecorded,
}

impl fmt::Display for EscrowRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadIdentity => "the identity is no name that this server makes keys for",
            Self::NoPeriod => "no key period is at that time",
            Self::NotRecorded => "the order could not be recorded, so no keys were made: see the log",
        })
    }
}

impl std::error::Error for EscrowRefused {}

/// That keys were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueRecord {
    /// Of which identity.
    pub user: Uri,
    /// For which period.
    pub period: u32,
    /// To whom.
    pub holder: Holder,
    /// When.
    pub at: UtcTime,
    /// The PVT, which names the key for signing.
    pub pvt: [u8; 65],
}

/// That keys were made for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscrowRecord {
    /// Of which identity.
    pub user: Uri,
    /// For which period.
    pub period: u32,
    /// Who gave the order.
    pub by: Text,
    /// Why.
    pub why: Text,
    /// When.
    pub at: UtcTime,
}

/// That a request for a ticket was taken: it is not taken again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRecord {
    /// Names the request: a hash over it.
    pub name: [u8; 32],
    /// Until then it counts; a request that is older is refused by its time.
    pub until: UtcTime,
    /// What has ended by now is forgotten.
    pub now: UtcTime,
}

/// A change of what is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This identity may have no keys.
    PutRevocation(Uri),
    /// It may again.
    RemoveRevocation(Uri),
    /// Beside what is recorded.
    Issued(IssueRecord),
    /// Beside what is recorded.
    Escrowed(EscrowRecord),
    /// Beside what is recorded and has not ended.
    Seen(SeenRecord),
}

/// What a server begins with, apart from its configuration and its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// Revocations.
    pub revocations: Vec<Uri>,
    /// Requests for tickets that were taken, and until when that counts.
    pub seen: Vec<([u8; 32], UtcTime)>,
}

/// For reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Keys were given.
    Issued {
        /// To whom.
        holder: Holder,
        /// How many key sets.
        key_sets: usize,
    },
    /// A request was answered by an error.
    Rejected {
        /// Whose.
        holder: Holder,
        /// Why.
        error: ErrorCode,
    },
    /// More requests than are served.
    Flood,
}

/// What waits for the store.
pub(super) enum Waiting {
    /// A request whose answer rests on it.
    Answer {
        /// Which.
        request: RequestId,
        /// Until when.
        deadline: UtcTime,
        /// The identities that it is about: one may be revoked in between.
        users: Vec<Uri>,
        /// What is reported then.
        event: Event,
        /// What is answered.
        response: Response,
    },
    /// A revocation.
    Order(OrderId),
    /// An admission.
    Admit(OrderId, Uri),
    /// An operator who wants keys.
    Escrow {
        /// Which order.
        order: OrderId,
        /// The keys.
        key_set: Box<KmsKeySet>,
    },
}

impl Waiting {
    pub(super) const fn deadline(&self) -> Option<UtcTime> {
        match self {
            Self::Answer { deadline, .. } => Some(*deadline),
            _ => None,
        }
    }
}
