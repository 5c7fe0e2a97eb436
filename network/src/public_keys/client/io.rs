//! What goes into the UE's end and what comes out.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::Hint;

use crate::pc3::{Error, Imsi, Rpauid};
use crate::prose_function::RequestId;
use crate::public_keys::key::{KeyName, PublicKey};
use crate::public_keys::list::{ListNumber, RevocationList};
use crate::public_keys::message::KeyCause;

pub use crate::pc3_client::NoAnswer;

/// Settings of the UE.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Its identity, which the transport proves.
    pub ue: Imsi,
    /// Its own RPAUID, as whom it follows users.
    pub watcher: Option<Rpauid>,
    /// Milliseconds until an answer counts as lost.
    pub patience: u64,
    /// Milliseconds between a request without answer and the next; doubled each time, up to 64 times.
    pub retry: u64,
    /// Least milliseconds between two FETCHes: the rate of a server for one UE.
    pub interval: u64,
    /// Milliseconds until what was refused, or heard and not found, is asked for again, where the server says no time.
    pub negative: u64,
    /// Milliseconds between two questions for the list of revoked keys: how long a revoked key may count here.
    pub list_interval: u64,
}

impl ClientConfig {
    /// A UE with our times: 10 s between FETCHes, the list once an hour.
    pub const fn new(ue: Imsi, watcher: Option<Rpauid>) -> Self {
        Self {
            ue,
            watcher,
            patience: 20_000,
            retry: 10_000,
            interval: 10_000,
            negative: 600_000,
            list_interval: 3_600_000,
        }
    }
}

/// Names a key of the UE's own, in the order of [`Input::Announce`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnId(pub u8);

/// A key of another UE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldKey {
    /// Whose.
    pub name: KeyName,
    /// The key.
    pub key: PublicKey,
    /// Until when it counts.
    pub valid_until: UtcTime,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// The UE announces under a name, with this key.
    Announce {
        /// The time.
        now: UtcTime,
        /// The name.
        name: KeyName,
        /// The key.
        key: PublicKey,
    },
    /// The UE revokes a key of its own.
    Withdraw {
        /// The time.
        now: UtcTime,
        /// Which.
        id: OwnId,
    },
    /// The answer to [`Output::Sign`].
    Signed {
        /// The time.
        now: UtcTime,
        /// By which key.
        id: OwnId,
        /// The signature.
        signature: &'a [u8],
    },
    /// The UE follows a name from now on.
    Follow {
        /// The time.
        now: UtcTime,
        /// The name.
        name: KeyName,
    },
    /// What was kept of before. Names are followed by [`Input::Follow`] alone.
    Restore {
        /// The time.
        now: UtcTime,
        /// Keys.
        keys: Vec<HeldKey>,
        /// The last list.
        list: Option<RevocationList>,
    },
    /// A signed message was heard whose hint is that of no key, or whose signature is that of none.
    UnknownHint {
        /// The time.
        now: UtcTime,
        /// The hint.
        hint: Hint,
    },
    /// The server answered (HTTP 200).
    Response {
        /// The time.
        now: UtcTime,
        /// Which request.
        request: RequestId,
        /// The body.
        body: &'a [u8],
    },
    /// It did not.
    NoAnswer {
        /// The time.
        now: UtcTime,
        /// Which request.
        request: RequestId,
        /// Why.
        why: NoAnswer,
    },
}

impl Input<'_> {
    pub(super) const fn now(&self) -> UtcTime {
        match self {
            Self::Tick { now }
            | Self::Announce { now, .. }
            | Self::Withdraw { now, .. }
            | Self::Signed { now, .. }
            | Self::Follow { now, .. }
            | Self::Restore { now, .. }
            | Self::UnknownHint { now, .. }
            | Self::Response { now, .. }
            | Self::NoAnswer { now, .. } => *now,
        }
    }
}

/// Why something counts no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// Its validity ended.
    Expired,
    /// The list of revoked keys has it.
    Revoked,
    /// The server does not tell it any more: it was replaced, revoked, or is not for this UE now.
    NotTold,
    /// The UE has no subscription (HTTP 403).
    Forbidden,
    /// The UE withdrew it, and the server said so.
    Withdrawn,
    /// The server refused.
    Rejected(KeyCause),
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("its validity has ended, and the network gave no other"),
            Self::Revoked => f.write_str("it is revoked"),
            Self::NotTold => f.write_str("the network does not tell it any more"),
            Self::Forbidden => f.write_str("the network says that this subscriber has no ProSe subscription"),
            Self::Withdrawn => f.write_str("this UE has revoked it"),
            Self::Rejected(cause) => write!(f, "the network refuses: {cause}"),
        }
    }
}

/// Why keys do not count for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuspendCause {
    /// The list of revoked keys is more than 24 h old: no key counts.
    ListTooOld,
    /// The filter of the list has this key, perhaps by mistake: the server is asked.
    Doubted(Box<HeldKey>),
}

/// For the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The number of the list of revoked keys went back: the answer was not taken.
    ListWentBack {
        /// The number of the UE's list.
        has: ListNumber,
        /// The number that came.
        came: ListNumber,
    },
    /// The server refuses to tell keys.
    FetchRefused(KeyCause),
    /// An answer is none, or not to what was asked.
    Malformed(Option<Error>),
    /// More is wanted than there is room for.
    TooMany(KeyName),
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send this, and hand back [`Input::Response`] or [`Input::NoAnswer`].
    Request {
        /// To hand back.
        request: RequestId,
        /// The body.
        body: String,
    },
    /// Sign this with the private key, for the purpose `Registration`, and hand back [`Input::Signed`].
    Sign {
        /// By which key.
        id: OwnId,
        /// The text.
        text: Vec<u8>,
    },
    /// A key of the UE's own is registered.
    Registered {
        /// Which.
        id: OwnId,
        /// Until then.
        until: UtcTime,
    },
    /// A key of the UE's own is not registered any more, or was refused.
    OwnEnded {
        /// Which.
        id: OwnId,
        /// Why.
        why: EndCause,
    },
    /// A key of another UE counts: new, or longer than before.
    Key(HeldKey),
    /// A key of another UE counts no more.
    Gone {
        /// Which.
        key: HeldKey,
        /// Why.
        why: EndCause,
    },
    /// Keys do not count for now.
    Suspended(SuspendCause),
    /// All keys that [`PublicKeysClient::keys`] has count again: the list is fresh.
    ///
    /// [`PublicKeysClient::keys`]: super::PublicKeysClient::keys
    Resumed,
    /// Keep this list: its number must not go back.
    List(RevocationList),
    /// The server has no key for a name now.
    Absent(KeyName),
    /// The clock of the server.
    Clock(UtcTime),
    /// For the operator.
    Warning(Warning),
    /// Nothing more until then; none: until the next input.
    Timeout(Option<UtcTime>),
}
