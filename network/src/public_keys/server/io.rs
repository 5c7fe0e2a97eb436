//! What goes into a server of public keys and what comes out.

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::Hint;

use crate::pc3::{Imsi, Plmn, Rpauid};
use crate::prose_function::{Permission, RequestId, Subscription, Ticket};
use crate::public_keys::key::{Fingerprint, KeyName, PublicKey};
use crate::public_keys::list::ListNumber;
use crate::public_keys::message::{KeyCause, KeyMessage, Subject, ToldKey};

/// Names an order of the operator: a number of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// Names a question to the function of another network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// What the operator withdraws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// All keys of a name: they are revoked.
    Name(KeyName),
    /// All keys of a UE: they are revoked.
    Ue(Imsi),
    /// That one user may have the keys of another: they are told no more. What was told counts until its validity ends.
    Permission(Permission),
}

/// What the function of another network asks, for one of its UEs, which it has authorised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherQuery {
    /// As whom the UE monitors.
    pub watcher: Option<Rpauid>,
    /// For keys of these.
    pub subjects: Vec<Subject>,
}

/// What happened. Every input but entropy carries the time, which never goes back.
#[derive(Debug)]
pub enum Input {
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// A message that the front of a ProSe Function has admitted ([`crate::prose_function::Output::PublicKeys`]).
    Message {
        /// The time.
        now: UtcTime,
        /// For the answer.
        request: RequestId,
        /// Who sent it, as the transport has proven.
        ue: Imsi,
        /// What the HSS says of the UE.
        subscription: Subscription,
        /// The message.
        message: KeyMessage,
    },
    /// The operator withdraws something.
    Revoke {
        /// The time.
        now: UtcTime,
        /// To hand back.
        order: OrderId,
        /// What.
        what: Withdrawal,
    },
    /// The function of another network asks; the caller has authenticated it.
    OtherNetwork {
        /// The time.
        now: UtcTime,
        /// For the answer.
        request: RequestId,
        /// Which network.
        plmn: Plmn,
        /// What.
        query: OtherQuery,
    },
    /// The answer to [`Output::AskOther`]; none where that network does not answer.
    OtherAnswered {
        /// The time.
        now: UtcTime,
        /// Which question.
        question: QuestionId,
        /// Its keys.
        keys: Option<Vec<ToldKey>>,
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
}

impl Input {
    pub(super) const fn now(&self) -> UtcTime {
        match self {
            Self::Tick { now }
            | Self::Message { now, .. }
            | Self::Revoke { now, .. }
            | Self::OtherNetwork { now, .. }
            | Self::OtherAnswered { now, .. }
            | Self::Stored { now, .. }
            | Self::StoreFailed { now, .. } => *now,
        }
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// A message.
    Message(String),
    /// A message that a server sends, not one that it takes (HTTP 400).
    Unexpected,
    /// Too much waits, or the store does not answer (HTTP 503).
    Busy,
}

/// For reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key was registered, or goes on.
    Registered {
        /// By whom.
        ue: Imsi,
        /// Under which name.
        name: KeyName,
        /// Which.
        key: Fingerprint,
    },
    /// A request was refused.
    Rejected {
        /// Whose.
        ue: Imsi,
        /// Why.
        cause: KeyCause,
    },
    /// A key was revoked: the list of this number has it.
    Revoked {
        /// Of whom.
        name: KeyName,
        /// Which.
        key: Fingerprint,
        /// The list.
        number: ListNumber,
    },
    /// A network asks more than it may: its queries are answered with nothing.
    OtherNetworkFloods {
        /// Which.
        plmn: Plmn,
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
    /// Answer the function of another network; none where it asks too much.
    Tell {
        /// Which request.
        request: RequestId,
        /// Keys.
        keys: Option<Vec<ToldKey>>,
    },
    /// Ask the function of another network, and hand back [`Input::OtherAnswered`].
    AskOther {
        /// To hand back.
        question: QuestionId,
        /// Which network.
        plmn: Plmn,
        /// What.
        query: OtherQuery,
    },
    /// Make these changes durable, all or none, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// The changes.
        changes: Vec<Change>,
    },
    /// An order was carried out: keys were revoked, and that is durable.
    Done {
        /// Which.
        order: OrderId,
        /// Keys.
        revoked: usize,
    },
    /// For reports.
    Event(Event),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}

/// A key that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Whose.
    pub name: KeyName,
    /// The UE that announces with it.
    pub ue: Imsi,
    /// The key.
    pub key: PublicKey,
    /// Until when it counts.
    pub valid_until: UtcTime,
    /// When the nonce was given under which it was registered: none before counts any more.
    pub challenged: UtcTime,
}

impl KeyRecord {
    /// Its hint.
    pub fn hint(&self) -> Hint {
        self.key.hint()
    }
}

/// A key that was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedRecord {
    /// The list that has it first.
    pub number: ListNumber,
    /// Which.
    pub key: Fingerprint,
    /// When the last UE that was told it has forgotten it.
    pub until: UtcTime,
}

/// What changes of what is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key, in the place of that of its name and UE.
    PutKey(KeyRecord),
    /// The key of this name and UE goes.
    RemoveKey(KeyName, Imsi),
    /// A revoked key.
    PutRevoked(RevokedRecord),
    /// The revoked key of this number goes.
    RemoveRevoked(ListNumber),
}

/// What a server begins with, apart from its configuration.
#[derive(Debug, Default)]
pub struct Durable {
    /// Keys.
    pub keys: Vec<KeyRecord>,
    /// Revoked keys: at least the last one, whose number is that of the list.
    pub revoked: Vec<RevokedRecord>,
}

impl Durable {
    /// Takes a change, as a store does.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::PutKey(record) => {
                self.keys.retain(|key| (&key.name, key.ue) != (&record.name, record.ue));
                self.keys.push(record);
            }
            Change::RemoveKey(name, ue) => self.keys.retain(|key| (&key.name, key.ue) != (&name, ue)),
            Change::PutRevoked(record) => {
                self.revoked.retain(|revoked| revoked.number != record.number);
                self.revoked.push(record);
            }
            Change::RemoveRevoked(number) => self.revoked.retain(|revoked| revoked.number != number),
        }
    }
}
