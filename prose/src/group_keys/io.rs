//! Inputs and outputs of the group keys of a UE.

use core::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::group::GroupKey;
use sidelink_wire::ids::Layer2Id;
use zeroize::Zeroizing;

use super::Identity;
use super::note::Refusal;
use super::record::{Change, CsbId, GmkId, GroupKind, Member, Period, Ticket};
use super::seal::SealJob;

/// The way on which a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path<'a> {
    /// Unprotected, addressed to this UE alone, or over the network.
    Ue {
        /// Layer-2 source.
        source: Layer2Id,
    },
    /// Unprotected, to a group.
    Group {
        /// Layer-2 source.
        source: Layer2Id,
        /// Layer-2 identity of the group.
        group: Layer2Id,
    },
    /// Over a protected one-to-one link whose peer has proven its identity.
    Link {
        /// Layer-2 identity of the peer.
        peer: Layer2Id,
        /// Identity of the peer, as the link proved it.
        identity: &'a Identity,
    },
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// One UE; the message protects itself.
    Ue(Layer2Id),
    /// All members of a group; the message protects itself.
    Group(Layer2Id),
    /// The protected one-to-one link with this UE, and no other way.
    Link(Layer2Id),
}

/// An event for the group keys. Every input but entropy carries the time, which never goes back.
#[derive(Debug)]
pub enum Input<'a> {
    /// Time has passed.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// A received message.
    Message {
        /// The time.
        now: UtcTime,
        /// The way on which it came.
        path: Path<'a>,
        /// Its octets.
        octets: &'a [u8],
    },
    /// The manager of a standard group: make a GMK and distribute it to these members. The private keys of the group's
    /// identity have to be here.
    Distribute {
        /// The time.
        now: UtcTime,
        /// Layer-2 identity of a group of the configuration.
        group: Layer2Id,
        /// All its members; this UE need not be among them.
        members: &'a [Member],
        /// Period of the GMK.
        period: Period,
    },
    /// Make an ad-hoc group with these members, over a protected link to each.
    CreateAdHoc {
        /// The time.
        now: UtcTime,
        /// Layer-2 identity of the new group.
        group: Layer2Id,
        /// Identity of the new group.
        name: &'a Identity,
        /// All its members but this UE.
        members: &'a [Member],
        /// Period of the GMK.
        period: Period,
        /// The identity by which this UE is in the group.
        identity: LocalIdentity,
    },
    /// Make another GMK for a group whose GMK this UE distributes, and distribute it to all members but some: after a
    /// theft, or before the end of a period. Calls under the earlier GMK end with its activation.
    Rekey {
        /// The time.
        now: UtcTime,
        /// The group.
        group: Layer2Id,
        /// The members that are members no longer.
        without: &'a [Identity],
        /// Period of the new GMK.
        period: Period,
    },
    /// The list of members of a standard group has changed.
    SetMembers {
        /// The time.
        now: UtcTime,
        /// The group.
        group: Layer2Id,
        /// Those who may call.
        members: &'a [Identity],
    },
    /// A protected link is up: the answer to [`Output::Connect`], or by itself.
    LinkUp {
        /// The time.
        now: UtcTime,
        /// Layer-2 identity of the peer.
        peer: Layer2Id,
        /// Identity that the peer has proven.
        identity: &'a Identity,
    },
    /// The link with a UE could not be set up, or has ended.
    LinkDown {
        /// The time.
        now: UtcTime,
        /// Layer-2 identity of the peer.
        peer: Layer2Id,
    },
    /// Make the message of the next call now, so that the call starts at once.
    PrepareCall {
        /// The time.
        now: UtcTime,
        /// The group.
        group: Layer2Id,
    },
    /// Start a call.
    StartCall {
        /// The time.
        now: UtcTime,
        /// The group.
        group: Layer2Id,
    },
    /// End the call that this UE started: it is announced no longer.
    EndCall {
        /// The time.
        now: UtcTime,
        /// The group.
        group: Layer2Id,
    },
    /// The changes of [`Output::Store`] are durable.
    Stored {
        /// The time.
        now: UtcTime,
        /// Ticket of the changes.
        ticket: Ticket,
    },
    /// The changes could not be made durable: what rests on them is not done.
    StoreFailed {
        /// The time.
        now: UtcTime,
        /// Ticket of the changes.
        ticket: Ticket,
    },
    /// The messages of [`Output::Seal`] are made.
    Sealed {
        /// The time.
        now: UtcTime,
        /// The job, done.
        job: SealJob,
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
            | Self::Distribute { now, .. }
            | Self::CreateAdHoc { now, .. }
            | Self::Rekey { now, .. }
            | Self::SetMembers { now, .. }
            | Self::LinkUp { now, .. }
            | Self::LinkDown { now, .. }
            | Self::PrepareCall { now, .. }
            | Self::StartCall { now, .. }
            | Self::EndCall { now, .. }
            | Self::Stored { now, .. }
            | Self::StoreFailed { now, .. }
            | Self::Sealed { now, .. } => Some(*now),
            Self::Entropy { .. } => None,
        }
    }
}

/// An identity of this UE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LocalIdentity {
    /// The identity of its user, with keys of the month.
    #[default]
    User,
    /// The identity of the ME, with keys that it was made with: for groups out of the box (TR 33.833 §6.3.1.3.3.3.4).
    Me,
}

/// Our own mistake, or the operator's. What others do wrong is an [`Event::Refused`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The operator: no such group here.
    UnknownGroup(Layer2Id),
    /// The operator: a group with this layer-2 identity or this name exists.
    GroupExists(Layer2Id),
    /// The operator: this UE has not the private keys of the group's identity, or did not make the ad-hoc group.
    NotManager(Layer2Id),
    /// The operator: the group has no GMK that is in use now.
    NoGmk(Layer2Id),
    /// The operator: this UE is not on the list of the group's members.
    NotMember(Layer2Id),
    /// The operator: no member was given, or more than a group may have.
    Members {
        /// Number of members.
        given: usize,
        /// The largest number.
        max: usize,
    },
    /// The operator: two members with one identity or one layer-2 identity.
    MemberTwice(Identity),
    /// The operator: a period that ends before it begins, or is longer than allowed.
    Period {
        /// The longest period, seconds.
        max: u32,
    },
    /// The operator: the configuration has no ME identity.
    NoMeIdentity,
    /// The operator: this UE has a call of this group in progress.
    InCall(CsbId),
    /// The operator: this UE has no call of this group in progress.
    NoCall(Layer2Id),
    /// The machine: a change of this group is on its way into the store.
    Busy(Layer2Id),
    /// All PGK indexes of the group are those of calls in progress.
    NoFreePgkId(Layer2Id),
    /// The operator: the largest number of groups exists.
    TooManyGroups {
        /// The largest number.
        max: usize,
    },
    /// The operator: an identity longer than [`crate::direct_link::MAX_IDENTITY`] octets, or empty.
    IdentityLength {
        /// Its length in octets.
        len: usize,
    },
    /// The clock is behind a time that was used already.
    ClockWentBack {
        /// The latest time that was used.
        used: UtcTime,
    },
    /// The message could not be made.
    Refused(Refusal),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownGroup(group) => write!(f, "no group {group} here: add it to the configuration"),
            Self::GroupExists(group) => write!(f, "group {group}, or its name, exists: take another"),
            Self::NotManager(group) => {
                write!(
                    f,
                    "this UE does not manage group {group}: the keys of the group's identity are not here"
                )
            }
            Self::NoGmk(group) => {
                write!(f, "group {group} has no GMK in use now: its manager has to distribute one")
            }
            Self::NotMember(group) => write!(f, "this UE is not on the list of members of group {group}"),
            Self::Members { given, max } => write!(f, "{given} members: a group has 1 to {max}"),
            Self::MemberTwice(identity) => write!(f, "the member {identity} is given twice"),
            Self::Period { max } => {
                write!(f, "the period of a GMK ends after it begins, and is {max} s long at most")
            }
            Self::NoMeIdentity => f.write_str("this UE has no ME identity: give one in its configuration"),
            Self::InCall(csb_id) => write!(f, "call {csb_id} is in progress: end it first"),
            Self::NoCall(group) => write!(f, "this UE has started no call of group {group}"),
            Self::Busy(group) => write!(f, "group {group} waits for the key store: try again"),
            Self::NoFreePgkId(group) => write!(f, "31 calls of group {group} are in progress, the most"),
            Self::TooManyGroups { max } => write!(f, "{max} groups exist, the most that are allowed"),
            Self::IdentityLength { len } => write!(f, "an identity of {len} octets: 1 to 64 are allowed"),
            Self::ClockWentBack { used } => {
                write!(
                    f,
                    "the clock is behind {} s, which was used already: synchronise it",
                    used.counter().value()
                )
            }
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// Kind of a message that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageKind {
    /// An I_MESSAGE: the GMK of a standard group for one member.
    Gmk,
    /// The GMK of an ad-hoc group, for one member, over a link.
    AdHocGmk,
    /// The acknowledgement of either.
    Acknowledgement,
    /// The announcement of a call.
    Call,
}

/// A message to send. `Debug` shows no octets: one of them is a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub to: Destination,
    /// Its kind.
    pub kind: MessageKind,
    /// Whether it was sent before.
    pub repetition: bool,
    /// Its octets.
    pub octets: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?} to {:?}, {} octets)", self.kind, self.to, self.octets.len())
    }
}

/// A call, by its IDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The group.
    pub group: Layer2Id,
    /// CSB ID.
    pub csb_id: CsbId,
    /// The GMK under which it was announced.
    pub gmk_id: GmkId,
    /// The caller.
    pub caller: Identity,
}

/// What has happened, for applications and reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A GMK that this UE made is durable, and on its way.
    Distributing {
        /// The group.
        group: Layer2Id,
        /// Its GMK.
        gmk_id: GmkId,
        /// Number of members to reach.
        members: usize,
    },
    /// A member has acknowledged a GMK.
    Reached {
        /// The group.
        group: Layer2Id,
        /// Its GMK.
        gmk_id: GmkId,
        /// The member.
        member: Identity,
    },
    /// A round of sending has ended: each member that had not acknowledged was sent the GMK once more.
    Round {
        /// The group.
        group: Layer2Id,
        /// Its GMK.
        gmk_id: GmkId,
        /// Number of the round, from 1.
        round: u32,
        /// Members that have not acknowledged.
        missing: usize,
    },
    /// All members have acknowledged a GMK.
    Complete {
        /// The group.
        group: Layer2Id,
        /// Its GMK.
        gmk_id: GmkId,
        /// Milliseconds since it was made.
        millis: u64,
    },
    /// A GMK came, and is durable.
    GmkReceived {
        /// The group.
        group: Layer2Id,
        /// Its kind.
        kind: GroupKind,
        /// Its GMK.
        gmk_id: GmkId,
        /// The one who sent it: the group's identity, or the maker of an ad-hoc group.
        from: Identity,
        /// Its period.
        period: Period,
    },
    /// A GMK is gone: its period is over, or a later one is in use.
    GmkEnded {
        /// The group.
        group: Layer2Id,
        /// Its GMK.
        gmk_id: GmkId,
        /// Whether a later one took its place.
        replaced: bool,
    },
    /// A call that this UE started was announced.
    CallStarted(Call),
    /// A call of another UE was joined.
    CallJoined {
        /// The call.
        call: Call,
        /// Milliseconds since its message was made.
        age: u64,
    },
    /// A call has ended, and its key is gone.
    CallEnded(Call),
    /// What rests on a change of the store was not done, because the store failed.
    StoreFailed {
        /// The group.
        group: Layer2Id,
    },
    /// A received message was refused.
    Refused {
        /// Layer-2 source.
        source: Layer2Id,
        /// Reason.
        why: Refusal,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send a message.
    Message(Message),
    /// Set up a protected link with a UE that proves this identity, by an identity of this UE. Answer with
    /// [`Input::LinkUp`], also if there is one, or with [`Input::LinkDown`].
    Connect {
        /// Layer-2 identity of the UE.
        peer: Layer2Id,
        /// The identity that it has to prove.
        identity: Identity,
        /// The identity of this UE.
        local: LocalIdentity,
    },
    /// Put the key of a call into the layer 2: the receiver's, and the sender's where `may_send` says so. The counters of
    /// the sender continue at the number of their stream in the store
    /// ([`Sender::stream`](sidelink_security::group::Sender::stream)).
    Install {
        /// Layer-2 identity of the group.
        group: Layer2Id,
        /// PGK of the call.
        key: GroupKey,
        /// Whether this UE may send under it.
        may_send: bool,
    },
    /// Take the key of a call out of the layer 2, with sender and receiver: nothing is sent or opened under it from now
    /// on.
    Remove {
        /// Layer-2 identity of the group.
        group: Layer2Id,
        /// PGK ID of the call.
        pgk_id: u8,
    },
    /// Make these changes durable, all or none, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store {
        /// Ticket to hand back.
        ticket: Ticket,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Make messages: [`SealJob::run`] takes long, and may do so in another thread. Hand it back in [`Input::Sealed`]. The
    /// distribution waits for it.
    Seal(SealJob),
    /// Tell whoever listens.
    Event(Event),
    /// No more outputs. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}
