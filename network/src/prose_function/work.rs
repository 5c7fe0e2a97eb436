//! A request while it is worked on, while it waits for the HSS, and while its changes are being stored.

use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

use super::config::Subscription;
use super::io::{RequestId, Ticket};
use super::revoke::Pushed;
use super::table::Change;
use crate::pc3::response::DiscoveryResponse;
use crate::pc3::{Cause, EntryId, Imsi, Message};
use crate::public_keys::KeyMessage;

/// Why a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is refused, and the others of the message go on.
    Cause(Cause),
    /// The whole request cannot be answered now.
    Busy,
}

impl From<Cause> for Stop {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

/// A DISCOVERY_REQUEST on its way to the answer.
pub(super) struct Work {
    pub(super) ue: Imsi,
    pub(super) subscription: Subscription,
    pub(super) discovery: DiscoveryResponse,
    pub(super) changes: Vec<Change>,
    pub(super) allotted: Vec<EntryId>,
}

/// A message that the front has read.
pub(super) enum Admitted {
    Pc3(Message),
    PublicKeys(Box<KeyMessage>),
}

/// A request that waits for the HSS.
pub(super) struct Waiting {
    pub(super) request: RequestId,
    pub(super) ue: Imsi,
    pub(super) message: Admitted,
    pub(super) deadline: UtcTime,
}

/// What depends on changes that are being stored.
pub(super) enum Then {
    /// An answer; the request is forgotten once it is too late for one.
    Respond {
        request: RequestId,
        ue: Imsi,
        body: Zeroizing<String>,
        allotted: Vec<EntryId>,
    },
    /// Messages to UEs.
    Push(Vec<Pushed>),
    Nothing,
}

/// When what is put into the store comes into the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Puts {
    /// It is there already: less than before, which counts at once.
    Done,
    /// Once it is stored: more than before.
    OnceStored,
}

/// Changes that are being stored.
pub(super) struct Storing {
    pub(super) ticket: Ticket,
    pub(super) changes: Vec<Change>,
    /// When what is put comes into the table.
    pub(super) puts: Puts,
    /// Changes that were taken back while they were being stored.
    pub(super) cancelled: Vec<(Imsi, EntryId)>,
    pub(super) then: Then,
    pub(super) deadline: UtcTime,
}
