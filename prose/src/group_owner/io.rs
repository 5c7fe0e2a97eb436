//! Inputs and outputs of a group owner and of a member.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, Granted, Reservation, StreamId};
use sidelink_security::direct::KdId;
use sidelink_security::group::{GroupConfig, GroupKey};
use sidelink_wire::group_owner::{Cause, Kind};
use sidelink_wire::ids::Layer2Id;

use super::note::Note;
use crate::direct_link::{Identity, KdRecord, Ticket};

/// An event for an owner or a member. Every input but entropy carries the time, which never goes back.
pub enum Input<'a> {
    /// Time has passed.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// A message of group owner mode: the content of a long message.
    Message {
        /// The time.
        now: UtcTime,
        /// Layer-2 source.
        from: Layer2Id,
        /// The message.
        message: &'a [u8],
    },
    /// Member: join the group of an owner.
    Join {
        /// The time.
        now: UtcTime,
        /// Layer-2 identity of the owner.
        owner: Layer2Id,
        /// Identity that the owner must prove.
        identity: Identity,
    },
    /// Member: leave the group.
    Leave {
        /// The time.
        now: UtcTime,
    },
    /// Owner: remove a member. It cannot join again in this run; take it from the list of the group as well.
    Expel {
        /// The time.
        now: UtcTime,
        /// Its identity.
        member: Identity,
    },
    /// Owner: begin a new epoch.
    Renew {
        /// The time.
        now: UtcTime,
    },
    /// A revocation list (DER).
    RevocationList {
        /// The time.
        now: UtcTime,
        /// The list.
        der: &'a [u8],
    },
    /// Owner: a reservation of epochs is durable.
    Granted {
        /// The time.
        now: UtcTime,
        /// The proof.
        granted: Granted,
    },
    /// Owner: a reservation could not be made durable.
    ReservationFailed {
        /// The time.
        now: UtcTime,
        /// The stream of the reservation.
        stream: StreamId,
    },
    /// The number of [`Output::Store`] is durable.
    Stored {
        /// The time.
        now: UtcTime,
        /// Its ticket.
        ticket: Ticket,
    },
    /// The number could not be made durable.
    StoreFailed {
        /// The time.
        now: UtcTime,
        /// Its ticket.
        ticket: Ticket,
    },
    /// More randomness.
    Entropy {
        /// Secret random octets.
        seed: &'a [u8],
    },
}

impl Input<'_> {
    /// Returns the time of the input.
    pub(super) const fn now(&self) -> Option<UtcTime> {
        match self {
            Self::Tick { now }
            | Self::Message { now, .. }
            | Self::Join { now, .. }
            | Self::Leave { now }
            | Self::Expel { now, .. }
            | Self::Renew { now }
            | Self::RevocationList { now, .. }
            | Self::Granted { now, .. }
            | Self::ReservationFailed { now, .. }
            | Self::Stored { now, .. }
            | Self::StoreFailed { now, .. } => Some(*now),
            Self::Entropy { .. } => None,
        }
    }
}

/// Our own mistake, or the operator's. What peers do wrong is an [`Event::Note`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Our misuse: an owner does not join or leave, a member does not expel or renew.
    Role {
        /// What was asked of the wrong one.
        what: &'static str,
    },
    /// The operator: the member is in a group, or joins one.
    Busy,
    /// The operator: the member is in no group.
    NotIn,
    /// The operator: there is no such member.
    NoMember(Identity),
    /// The operator: an identity of another type than a user's, of no octets, or of more than 64.
    Identity {
        /// Its type.
        kind: u8,
        /// Its length in octets.
        len: usize,
    },
    /// The operator: a revocation list that no trusted root accepts.
    List(sidelink_security::direct::signed::CertificateError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { what } => write!(f, "{what}: ask the other role of group owner mode"),
            Self::Busy => f.write_str("in a group already, or joining one: leave it first"),
            Self::NotIn => f.write_str("in no group: join one first"),
            Self::NoMember(identity) => write!(f, "{identity} is no member: list the members first"),
            Self::Identity { kind, len } => write!(
                f,
                "an identity of type {kind} with {len} octets: certificates prove names of users (type 1) of 1 to 64 octets"
            ),
            Self::List(error) => write!(f, "the revocation list: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// A message to transmit, as the content [`GroupOwner`](sidelink_wire::long_message::Content::GroupOwner) of a long
/// message: a [`Kind::Notice`] to the group, any other to one UE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Layer-2 destination: that of the group for a [`Kind::Notice`].
    pub to: Layer2Id,
    /// Kind.
    pub kind: Kind,
    /// The message.
    pub octets: Vec<u8>,
}

/// A number that must not go back: that of a revocation list (D11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListNumber {
    /// Its stream in the store.
    pub stream: StreamId,
    /// The number.
    pub number: u64,
}

impl ListNumber {
    /// Makes the number durable, unless a higher one is. May block on the medium.
    ///
    /// # Errors
    /// An error of the medium.
    pub fn commit<S: CounterStore>(&self, store: &mut S) -> Result<(), S::Error> {
        loop {
            let stored = store.reserved(&self.stream)?;
            if stored >= self.number || store.raise(&self.stream, stored, self.number)? {
                return Ok(());
            }
        }
    }
}

/// What is known of the revocations of a peer's issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocations {
    /// The list is at most [`super::Config::list_age`] old.
    Fresh,
    /// It is older, or there is none: a revocation may not be known here. The degraded flag.
    Degraded,
}

/// Keys of the group, to be used from now on. Those of the earlier epoch must not be used any more.
#[derive(Debug)]
pub struct GroupKeys {
    /// Group and algorithms.
    pub config: GroupConfig,
    /// K_multicast as PGK.
    pub key: GroupKey,
    /// PGK ID of the earlier epoch, if there was one: revoke it.
    pub replaces: Option<u8>,
}

/// K_unicast, as the KD of links between the owner and a member.
#[derive(Debug)]
pub struct UnicastKey {
    /// The key, pre-shared for [`LinkManager::add_kd`](crate::direct_link::LinkManager::add_kd).
    pub record: KdRecord,
    /// Layer-2 identity of the peer.
    pub peer: Layer2Id,
    /// KD ID of the earlier epoch, if there was one: remove it.
    pub replaces: Option<KdId>,
}

/// Keys that must not be used any more, and have no successor yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forget {
    /// The PGK with this ID.
    Group(u8),
    /// The KD that is shared with a peer.
    Unicast(KdId, Identity),
}

/// Why an epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The owner has started: its members, if it had some, must join again.
    Started,
    /// A member has left.
    Left,
    /// A member was expelled.
    Expelled,
    /// A certificate was revoked.
    Revoked,
    /// A member has joined, and the configuration gives it no key of the past.
    Joined,
    /// Three quarters of the life of the keys are over.
    Due,
    /// The operator wants it.
    Asked,
}

/// Why a member is out of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Out {
    /// It left.
    Left,
    /// The owner removed it.
    Removed,
    /// No answer that proves the owner.
    NoAnswer {
        /// The last received refusal; anybody can send one.
        hint: Option<Cause>,
    },
    /// The certificate of the owner was revoked.
    OwnerRevoked,
    /// The keys expired and no new ones came.
    Expired,
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Removed => f.write_str("removed by the owner"),
            Self::NoAnswer { hint: None } => {
                f.write_str("no answer: is the owner there, and does it listen?")
            }
            Self::NoAnswer { hint: Some(cause) } => {
                write!(f, "no proof of the owner; somebody refused: {cause:?}")
            }
            Self::OwnerRevoked => f.write_str("the certificate of the owner was revoked"),
            Self::Expired => f.write_str("the keys expired and the owner sent no new ones"),
        }
    }
}

/// Size of one message, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metered {
    /// The peer.
    pub peer: Layer2Id,
    /// Whether it was sent; otherwise it was received and believed.
    pub sent: bool,
    /// Kind of the message.
    pub kind: Kind,
    /// Octets of the message.
    pub octets: usize,
}

/// An event, for applications and reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Owner: a member has proven itself and has the keys.
    Joined {
        /// The member.
        member: Identity,
        /// Its layer-2 identity.
        layer2: Layer2Id,
        /// The epoch of its keys.
        epoch: u32,
        /// What is known of revocations.
        revocations: Revocations,
    },
    /// Owner: a member has the keys of a later epoch.
    Rekeyed {
        /// The member.
        member: Identity,
        /// The epoch.
        epoch: u32,
    },
    /// Owner: a member has left, was expelled or revoked, or cannot be reached. It gets no later keys.
    Gone {
        /// The member.
        member: Identity,
        /// The reason.
        why: Gone,
    },
    /// Owner: an epoch began.
    Epoch {
        /// Its number.
        epoch: u32,
        /// The reason.
        why: Why,
        /// Members to which keys are on their way.
        members: usize,
    },
    /// Member: the owner has proven itself, and the keys of an epoch are here.
    In {
        /// The owner.
        owner: Identity,
        /// The epoch.
        epoch: u32,
        /// What is known of revocations.
        revocations: Revocations,
    },
    /// Member: the owner has proven that it has this epoch, and its keys did not come: the member joins again by itself.
    Missed {
        /// The epoch.
        epoch: u32,
    },
    /// Member: it is in no group any more.
    Out(Out),
    /// The number of a revocation list is durable, and members that it names are removed.
    List {
        /// The number.
        number: u32,
    },
    /// A message was sent or believed.
    Message(Metered),
    /// A line for the log.
    Note(Note),
}

/// Why a member gets no later keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gone {
    /// It left.
    Left,
    /// The operator removed it.
    Expelled,
    /// Its certificate was revoked.
    Revoked,
    /// Its certificate is not valid any more.
    CertificateEnded,
    /// Its keys are over, and it did not confirm later ones. No new epoch begins for it: it must join again.
    Unreachable,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Transmit a message.
    Message(Outgoing),
    /// Use these keys of the group.
    GroupKeys(Box<GroupKeys>),
    /// Use this key with a peer.
    UnicastKey(Box<UnicastKey>),
    /// Use this key no more.
    Forget(Forget),
    /// Owner: make these epochs durable, and hand back [`Input::Granted`] or [`Input::ReservationFailed`].
    Reserve(Reservation),
    /// Make this number durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store {
        /// Ticket to hand back.
        ticket: Ticket,
        /// The number.
        number: ListNumber,
    },
    /// Tell whoever listens.
    Event(Event),
    /// Nothing more: the next input is due at this time at the latest, if there is one.
    Timeout(Option<UtcTime>),
}
