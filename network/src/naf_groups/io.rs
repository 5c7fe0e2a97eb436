//! What goes into the machine and what comes out.

use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_wire::Error as WireError;
use sidelink_wire::ids::Layer2Id;

use crate::group_naf::message::Cause;
use crate::group_naf_client::{Dropped, GroupKey};
use crate::identity::Impi;
use crate::key_delivery::ServiceId;
use crate::usim::SqnArray;

/// How often this UE does things; all in milliseconds.
#[derive(Clone, Debug)]
pub struct Rules {
    /// From one invitation to the next: what one takes on the air.
    pub spacing: u64,
    /// From the last invitation of a round to the next round.
    pub round: u64,
    /// Rounds that follow one another so.
    pub rounds: u32,
    /// The same for the rounds after those, at least: with many invitations it is seven times what a round takes.
    pub slow_round: u64,
    /// How long an invitation is good.
    pub valid: u64,
    /// How long the NAF may take; longer with each repetition.
    pub patience: u64,
    /// From a refusal for now to the next try, up to twice as long.
    pub later: u64,
    /// From one question of a member to the next whether its key is the present one, up to twice as long.
    pub look: u64,
    /// How long before a key ends its owner makes another.
    pub renew_before: u64,
}

impl Rules {
    /// Three rounds two seconds apart, then one each 10 s; invitations are good for ten minutes; members ask each minute; a
    /// new key comes ten minutes before the old one ends.
    pub const fn new(spacing: u64) -> Self {
        Self {
            spacing,
            round: 2_000,
            rounds: 3,
            slow_round: 10_000,
            valid: 600_000,
            patience: 1_000,
            later: 1_000,
            look: 60_000,
            renew_before: 600_000,
        }
    }
}

/// A user that an owner invites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitee {
    /// Who.
    pub user: Impi,
    /// Where it is on PC5.
    pub layer2: Layer2Id,
}

/// What this UE is in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It makes the group, and invites these.
    Inviter(Vec<Invitee>),
    /// It makes the group, and lists who may join.
    Lister(Vec<Impi>),
    /// It joins by an invitation.
    Invited,
    /// It is on the list.
    Listed,
}

impl Part {
    /// Whether it makes the group.
    pub const fn is_owner(&self) -> bool {
        matches!(self, Self::Inviter(_) | Self::Lister(_))
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Time went on.
    Tick {
        /// The time.
        now: UtcTime,
    },
    /// Owner: make the group, or a new key of it.
    Distribute {
        /// The time.
        now: UtcTime,
        /// Which group.
        group: ServiceId,
    },
    /// Owner: make a new key for all but this one, which is invited no more.
    Exclude {
        /// The time.
        now: UtcTime,
        /// Which group.
        group: ServiceId,
        /// Who.
        user: &'a Impi,
    },
    /// Member: join, by the newest invitation if there is one, or ask for the key again.
    Join {
        /// The time.
        now: UtcTime,
        /// Which group.
        group: ServiceId,
    },
    /// Member: forget the key. The NAF is not told: the report has no message for it.
    Leave {
        /// The time.
        now: UtcTime,
        /// Which group.
        group: ServiceId,
    },
    /// An invitation came over PC5.
    Message {
        /// The time.
        now: UtcTime,
        /// From whom, as it claims.
        from: Layer2Id,
        /// The message.
        octets: &'a [u8],
    },
    /// A message of the NAF.
    Answer {
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
}

impl Input<'_> {
    pub(super) const fn time(&self) -> UtcTime {
        match self {
            Self::Tick { now }
            | Self::Distribute { now, .. }
            | Self::Exclude { now, .. }
            | Self::Join { now, .. }
            | Self::Leave { now, .. }
            | Self::Message { now, .. }
            | Self::Answer { now, .. }
            | Self::Stored { now }
            | Self::StoreFailed { now } => *now,
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send a message to the NAF.
    ToNaf(Vec<u8>),
    /// Send an invitation to a UE over PC5.
    Invite {
        /// To whom.
        to: Layer2Id,
        /// The message.
        octets: Vec<u8>,
    },
    /// Make the state of the USIM durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(Box<SqnArray>),
    /// Use this PGK.
    Install(GroupKey),
    /// Use this PGK no more.
    Remove {
        /// Of which group.
        group: ServiceId,
        /// PGK ID.
        pgk_id: u8,
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
    /// A key is there.
    Key {
        /// Of which group.
        group: ServiceId,
        /// PGK ID.
        pgk_id: u8,
    },
    /// A key is over, without another.
    Expired {
        /// Of which group.
        group: ServiceId,
        /// PGK ID.
        pgk_id: u8,
    },
    /// A round of invitations begins.
    Inviting {
        /// To which group.
        group: ServiceId,
        /// How many are invited.
        missing: usize,
        /// Its number, from 1.
        round: u32,
    },
    /// The NAF knows a user as joined.
    Joined {
        /// Of which group.
        group: ServiceId,
        /// Who.
        user: Impi,
    },
    /// Everybody who is invited has joined.
    Complete {
        /// Which group.
        group: ServiceId,
    },
    /// This UE asks to join.
    Joining {
        /// Which group.
        group: ServiceId,
    },
    /// The NAF says that this UE is no member.
    Out {
        /// Of which group.
        group: ServiceId,
    },
    /// The NAF refuses a request.
    Refused {
        /// Of which group.
        group: ServiceId,
        /// Why.
        cause: Cause,
    },
    /// A message of the NAF was passed over.
    Dropped(Dropped),
    /// An invitation was passed over.
    Passed {
        /// From whom, as it claims.
        from: Layer2Id,
        /// Why.
        why: Passed,
    },
}

/// Why an invitation is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passed {
    /// It is none.
    Malformed(WireError),
    /// This UE is not to be in its group by invitation.
    NoGroup(ServiceId),
    /// It is for another user.
    ForAnother,
    /// It has expired.
    Expired,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::NoGroup(group) => {
                write!(f, "an invitation to group {group}, in which this UE is not to be")
            }
            Self::ForAnother => f.write_str("an invitation for another user"),
            Self::Expired => f.write_str("an invitation that has expired: check the clock"),
        }
    }
}

/// A request that this UE cannot carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It has no such group.
    NoGroup(ServiceId),
    /// It is not the owner.
    NotOwner(ServiceId),
    /// It is the owner.
    Owner(ServiceId),
    /// There is no such member.
    NoMember {
        /// Of which group.
        group: ServiceId,
        /// Who is none.
        user: Impi,
    },
    /// The group has no key yet, so that nobody can be left out of the next one.
    NoKey(ServiceId),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGroup(group) => {
                write!(f, "this UE has no group {group} of a NAF: add it to the configuration")
            }
            Self::NotOwner(group) => write!(f, "this UE does not own group {group}: ask its owner"),
            Self::Owner(group) => write!(f, "this UE owns group {group}: say distribute or exclude"),
            Self::NoMember { group, user } => {
                write!(f, "{user} is no member of group {group}, or is excluded already")
            }
            Self::NoKey(group) => write!(f, "group {group} has no key yet: distribute one first"),
        }
    }
}

impl std::error::Error for Error {}
