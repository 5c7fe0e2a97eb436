//! What goes into the NAF and what comes out.

use std::collections::BTreeMap;
use std::fmt;

use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Pgk;

use super::message::{Cause, Nonce, TAG};
use crate::bsf::{KeyMaterial, KeyRefusal};
use crate::gba_push::bsf::{self as push, Pushed};
use crate::hss::Ticket;
use crate::identity::{BTid, Impi};
use crate::key_delivery::ServiceId;

/// Names a request: a number of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A UE asks.
    Request {
        /// The time.
        now: UtcTime,
        /// To hand back.
        request: RequestId,
        /// The message.
        octets: &'a [u8],
    },
    /// The BSF answered [`Output::AskKey`].
    Key {
        /// The time.
        now: UtcTime,
        /// Which question.
        ticket: Ticket,
        /// Ks_NAF.
        result: Result<KeyMaterial, KeyRefusal>,
    },
    /// The BSF answered [`Output::Push`].
    Pushed {
        /// The time.
        now: UtcTime,
        /// Which request.
        ticket: Ticket,
        /// The GPI.
        result: Result<Pushed, push::Refusal>,
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
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Ask the BSF for Ks_NAF over Zn, and hand back [`Input::Key`].
    AskKey {
        /// To hand back.
        ticket: Ticket,
        /// Whose.
        b_tid: BTid,
    },
    /// Ask the BSF for a GPI, and hand back [`Input::Pushed`].
    Push(push::Request),
    /// Make these changes durable, all or none, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store {
        /// To hand back.
        ticket: Ticket,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Answer a request.
    Respond {
        /// Which.
        request: RequestId,
        /// The answer.
        octets: Vec<u8>,
    },
    /// Bring a member a new key, any way.
    Deliver {
        /// To whom.
        to: Impi,
        /// The message.
        octets: Vec<u8>,
    },
    /// For reports.
    Event(Event),
    /// Nothing more now. Call again with the next input, or with a tick at this time.
    Timeout(Option<UtcTime>),
}

/// Who may join, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Whoever has an invitation.
    Invitation,
    /// Whoever is listed.
    WhiteList,
}

/// What a user is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// On the white list, and has not joined.
    Listed,
    /// Has the key.
    Member,
}

/// A group.
#[derive(Debug, PartialEq, Eq)]
pub struct GroupRecord {
    /// Its identity.
    pub id: ServiceId,
    /// Its owner.
    pub owner: Impi,
    /// Who may join.
    pub admission: Admission,
    /// PGK ID.
    pub pgk_id: u8,
    /// The key.
    pub pgk: Pgk,
    /// Until when it is valid.
    pub expires: UtcTime,
    /// Of the request that made the key: no older invitation of the owner counts, or who was removed would come back by its
    /// own.
    pub since: Nonce,
}

impl GroupRecord {
    /// Another copy, for the store.
    pub(super) fn copy(&self) -> Self {
        Self {
            id: self.id,
            owner: self.owner.clone(),
            admission: self.admission,
            pgk_id: self.pgk_id,
            pgk: Pgk::from(*self.pgk.as_bytes()),
            expires: self.expires,
            since: self.since,
        }
    }
}

/// The last request of a UE that was granted, and its answer, which a repetition gets again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UeRecord {
    /// Its nonce: no lower one is believed.
    pub nonce: Nonce,
    /// Its tag.
    pub tag: [u8; TAG],
    /// The answer.
    pub answer: Vec<u8>,
}

/// A change of what is durable.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// In the place of what is stored of this group, apart from its users and invitations.
    PutGroup(GroupRecord),
    /// What this user is in this group.
    PutUser(ServiceId, Impi, Standing),
    /// It is nothing in it.
    RemoveUser(ServiceId, Impi),
    /// This invitation was used; it need not be remembered after this time.
    PutUsed(ServiceId, Nonce, UtcTime),
    /// It is forgotten.
    RemoveUsed(ServiceId, Nonce),
    /// In the place of what is stored of this UE.
    PutUe(Impi, UeRecord),
}

impl Change {
    pub(super) fn copy(&self) -> Self {
        match self {
            Self::PutGroup(record) => Self::PutGroup(record.copy()),
            Self::PutUser(group, user, standing) => Self::PutUser(*group, user.clone(), *standing),
            Self::RemoveUser(group, user) => Self::RemoveUser(*group, user.clone()),
            Self::PutUsed(group, nonce, until) => Self::PutUsed(*group, *nonce, *until),
            Self::RemoveUsed(group, nonce) => Self::RemoveUsed(*group, *nonce),
            Self::PutUe(ue, record) => Self::PutUe(ue.clone(), record.clone()),
        }
    }
}

/// What is durable of a group.
#[derive(Debug)]
pub struct Group {
    /// The group.
    pub record: GroupRecord,
    /// Its users.
    pub users: BTreeMap<Impi, Standing>,
    /// Invitations that were used, and until when they are remembered.
    pub used: BTreeMap<Nonce, UtcTime>,
}

/// What a NAF begins with, apart from its configuration; [`Durable::apply`] keeps it.
#[derive(Debug, Default)]
pub struct Durable {
    /// Groups.
    pub groups: BTreeMap<ServiceId, Group>,
    /// UEs.
    pub ues: BTreeMap<Impi, UeRecord>,
}

impl Durable {
    /// Carries out a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::PutGroup(record) => match self.groups.get_mut(&record.id) {
                Some(group) => group.record = record,
                None => {
                    let (users, used) = (BTreeMap::new(), BTreeMap::new());
                    self.groups.insert(record.id, Group { record, users, used });
                }
            },
            Change::PutUser(group, user, standing) => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.users.insert(user, standing);
                }
            }
            Change::RemoveUser(group, user) => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.users.remove(&user);
                }
            }
            Change::PutUsed(group, nonce, until) => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.used.insert(nonce, until);
                }
            }
            Change::RemoveUsed(group, nonce) => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.used.remove(&nonce);
                }
            }
            Change::PutUe(ue, record) => _ = self.ues.insert(ue, record),
        }
    }
}

/// For reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// There is a new group, or a new key of one.
    NewKey {
        /// Which group.
        group: ServiceId,
        /// PGK ID.
        pgk_id: u8,
    },
    /// A user has become a member.
    Joined {
        /// Of which group.
        group: ServiceId,
        /// Who.
        user: Impi,
    },
    /// A request was refused.
    Refused {
        /// Of which group.
        group: ServiceId,
        /// Why.
        cause: Cause,
    },
    /// A member could not be pushed a new key: it has to ask.
    NotPushed {
        /// Of which group.
        group: ServiceId,
        /// Who.
        user: Impi,
        /// Why.
        why: push::Refusal,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewKey { group, pgk_id } => write!(f, "group {group}: key {pgk_id}"),
            Self::Joined { group, user } => write!(f, "group {group}: {user} has joined"),
            Self::Refused { group, cause } => write!(f, "group {group}: refused: {cause}"),
            Self::NotPushed { group, user, why } => {
                write!(f, "group {group}: {user} was pushed no key: {why}")
            }
        }
    }
}
