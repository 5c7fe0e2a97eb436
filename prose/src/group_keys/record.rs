//! What a UE keeps of its groups: GMKs, calls, and the highest time of a message of each sender.

use core::fmt;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::keys::{Gmk, Pgk};
use sidelink_wire::ids::Layer2Id;

use super::Identity;

/// GMK ID: the purpose tag 0 of a GMK in the 4 most significant bits (TS 33.180 §5.2.3), or 8 for a GMK of an ad-hoc
/// group, whose identifiers are a set of their own (TR 33.833 §6.3.1.3.3.3.3; the tag is our own choice).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GmkId(pub u32);

impl GmkId {
    /// The bits that are drawn.
    pub const RANDOM: u32 = 0x0fff_ffff;

    /// Makes the ID of a GMK of a kind of group from random bits.
    pub const fn new(kind: GroupKind, random: u32) -> Self {
        let tag = match kind {
            GroupKind::Standard => 0,
            GroupKind::AdHoc => 0x8000_0000,
        };
        Self(tag | (random & Self::RANDOM))
    }

    /// Returns the kind of group whose GMK may have this ID; `None` for the IDs of other keys.
    pub const fn kind(self) -> Option<GroupKind> {
        match self.0 >> 28 {
            0 => Some(GroupKind::Standard),
            8 => Some(GroupKind::AdHoc),
            _ => None,
        }
    }
}

impl fmt::Debug for GmkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GmkId({self})")
    }
}

impl fmt::Display for GmkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// How a group came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKind {
    /// A group of the provisioning, with a group manager that holds the key of the group's identity.
    Standard,
    /// A group that one UE made, over a protected link to each member.
    AdHoc,
}

/// CSB ID of a call: the second at which it began, 24 least significant bits, then the PGK ID of the call.
///
/// ```text
/// | UTC of the beginning 24 | PGK ID 8 |
/// ```
///
/// So that all members know since when its key may have been used, whichever announcement they hear.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CsbId(pub u32);

impl CsbId {
    /// Bits of the beginning.
    const BEGINNING: u32 = 0x00ff_ffff;

    /// Makes the CSB ID of a call that begins now.
    pub const fn new(begins: UtcCounter, pgk_id: u8) -> Self {
        Self((begins.value() & Self::BEGINNING) << 8 | pgk_id as u32)
    }

    /// Returns the second at which the call began, of an announcement of this time; `None` where that is more than
    /// `longest` seconds earlier.
    pub fn begins(self, announced: UtcCounter, longest: u32) -> Option<UtcCounter> {
        let before = announced.value().wrapping_sub(self.0 >> 8) & Self::BEGINNING;
        let begins = announced.value().checked_sub(before)?;
        (before <= longest).then_some(UtcCounter::new(begins))
    }

    /// Returns the PGK ID of the call.
    pub const fn pgk_id(self) -> u8 {
        self.0 as u8
    }

    /// Returns the PGK index: the 5 least significant bits. TS 36.323 §6.3.12.
    pub const fn index(self) -> u8 {
        self.pgk_id() & 0x1f
    }
}

impl fmt::Debug for CsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CsbId({self})")
    }
}

impl fmt::Display for CsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A member of a group, and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// Its identity, to which keys are encapsulated.
    pub identity: Identity,
    /// Its layer-2 identity.
    pub layer2: Layer2Id,
}

/// First and last moment of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    /// First second at which calls are made under it.
    pub activation: UtcCounter,
    /// First second after its period.
    pub expiry: UtcCounter,
}

impl Period {
    /// Whether it ends after it begins, and within `longest` seconds of the present.
    pub(super) fn is_valid(self, now: UtcCounter, longest: u32) -> bool {
        self.activation < self.expiry && now < self.expiry && self.expiry <= now.plus(longest)
    }

    /// Whether a call may be made under the key.
    pub fn contains(self, now: UtcCounter) -> bool {
        self.activation <= now && now < self.expiry
    }
}

/// A GMK as it is kept. `Debug` shows no key.
#[derive(Debug, PartialEq, Eq)]
pub struct GmkRecord {
    /// Layer-2 identity of the group.
    pub group: Layer2Id,
    /// Identity of the group.
    pub name: Identity,
    /// Kind of the group.
    pub kind: GroupKind,
    /// The one who made it: the group's identity for a standard group, that of a UE for an ad-hoc group.
    pub maker: Identity,
    /// Identity by which this UE is a member: its own, or that of the ME.
    pub local: Identity,
    /// GMK ID.
    pub id: GmkId,
    /// The key.
    pub gmk: Gmk,
    /// Time of the message that brought it: the latest is the current one.
    pub time: UtcTime,
    /// Its period.
    pub period: Period,
    /// Whether this UE distributes it.
    pub distributes: bool,
    /// The members, where the message told them: an ad-hoc group, and at the manager.
    pub members: Vec<Member>,
}

impl GmkRecord {
    /// Makes a second copy of the same key: the caller is responsible for it.
    pub fn copy(&self) -> Self {
        Self {
            group: self.group,
            name: self.name.clone(),
            kind: self.kind,
            maker: self.maker.clone(),
            local: self.local.clone(),
            id: self.id,
            gmk: Gmk::from(*self.gmk.as_bytes()),
            time: self.time,
            period: self.period,
            distributes: self.distributes,
            members: self.members.clone(),
        }
    }
}

/// The PGK of a call as it is kept. `Debug` shows no key.
#[derive(Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Layer-2 identity of the group.
    pub group: Layer2Id,
    /// CSB ID of the call.
    pub csb_id: CsbId,
    /// The GMK under which it was made.
    pub gmk_id: GmkId,
    /// The one who made it.
    pub caller: Identity,
    /// Time of the message that brought it.
    pub time: UtcTime,
    /// PGK of the call.
    pub pgk: Pgk,
    /// First second at which it may have been used.
    pub since: UtcCounter,
    /// First second after it.
    pub expiry: UtcCounter,
    /// Whether this UE may send under it. A UE whose store was lost meanwhile may not.
    pub may_send: bool,
}

impl CallRecord {
    /// Makes a second copy of the same key: the caller is responsible for it.
    pub fn copy(&self) -> Self {
        Self {
            group: self.group,
            csb_id: self.csb_id,
            gmk_id: self.gmk_id,
            caller: self.caller.clone(),
            time: self.time,
            pgk: Pgk::from(*self.pgk.as_bytes()),
            since: self.since,
            expiry: self.expiry,
            may_send: self.may_send,
        }
    }
}

/// What a highest time is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Messages that bring a GMK.
    Gmk,
    /// Messages that announce a call.
    Call,
}

/// The time of the latest message of a sender for a group that was accepted, or sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Highest {
    /// The sender.
    pub sender: Identity,
    /// The group.
    pub group: Layer2Id,
    /// Which of its messages.
    pub stream: Stream,
    /// The time.
    pub time: UtcTime,
}

/// Identifies an [`super::Output::Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A change of what is kept.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// Put this GMK, by its group and ID.
    PutGmk(GmkRecord),
    /// Remove a GMK.
    RemoveGmk(Layer2Id, GmkId),
    /// Put this call in the place of the one of the same group and PGK index, if there is one.
    PutCall(CallRecord),
    /// Remove the call of a group with this CSB ID.
    RemoveCall(Layer2Id, CsbId),
    /// Raise a highest time; never lower it.
    Raise(Highest),
}

impl Change {
    /// Makes a second copy of the same change: the caller is responsible for it.
    pub fn copy(&self) -> Self {
        match self {
            Self::PutGmk(record) => Self::PutGmk(record.copy()),
            Self::RemoveGmk(group, id) => Self::RemoveGmk(*group, *id),
            Self::PutCall(record) => Self::PutCall(record.copy()),
            Self::RemoveCall(group, csb_id) => Self::RemoveCall(*group, *csb_id),
            Self::Raise(highest) => Self::Raise(highest.clone()),
        }
    }
}

/// All that is kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// GMKs.
    pub gmks: Vec<GmkRecord>,
    /// Calls.
    pub calls: Vec<CallRecord>,
    /// Highest times.
    pub highest: Vec<Highest>,
    /// The moment at which an earlier state of the store was found to have come back: messages of before may have been
    /// accepted already, and are refused.
    pub lost: Option<UtcTime>,
}
