//! Lines for the log: what peers did wrong, and what the machine did about it.

use core::fmt;

use sidelink_security::direct::signed::Failure;
use sidelink_wire::group_owner::{Cause, Kind};
use sidelink_wire::ids::Layer2Id;

use crate::direct_link::Identity;

/// A line for the log.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// Malformed octets.
    Malformed {
        /// Layer-2 source.
        from: Layer2Id,
        /// The fault.
        error: sidelink_wire::Error,
    },
    /// A message that does not fit: of another group, another exchange, or an earlier epoch.
    Unexpected {
        /// Layer-2 source.
        from: Layer2Id,
        /// Kind.
        kind: Kind,
    },
    /// A request that was refused.
    Refused {
        /// Layer-2 source.
        from: Layer2Id,
        /// Identity as claimed.
        identity: Identity,
        /// The reason.
        cause: Cause,
    },
    /// A signature or certificate that is not believed.
    NotBelieved {
        /// Layer-2 source.
        from: Layer2Id,
        /// Kind of the message.
        kind: Kind,
        /// The reason.
        failure: Failure,
    },
    /// A peer without a certificate: a raw key is not enough here.
    NoCertificate {
        /// Layer-2 source.
        from: Layer2Id,
    },
    /// The revocation list of the peer's issuer is too old or missing, and the configuration refuses the peer.
    Degraded {
        /// Layer-2 source.
        from: Layer2Id,
    },
    /// A MAC that is wrong.
    WrongMac {
        /// Layer-2 source.
        from: Layer2Id,
        /// Kind of the message.
        kind: Kind,
    },
    /// Keys that were signed and cannot be used.
    UnusableKeys {
        /// Layer-2 source.
        from: Layer2Id,
        /// The fault.
        why: &'static str,
    },
    /// A limit was reached: the message was dropped.
    NoRoom {
        /// Layer-2 source.
        from: Layer2Id,
        /// The limit.
        what: &'static str,
    },
    /// A join without a proof was dropped for a newer one.
    HalfOpenFull {
        /// Its layer-2 source.
        from: Layer2Id,
    },
    /// A new epoch waits until its number is durable. The old key is not used meanwhile.
    EpochWaits,
    /// A number could not be made durable.
    NotDurable {
        /// What it is.
        what: &'static str,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { from, error } => write!(f, "{from}: {error}"),
            Self::Unexpected { from, kind } => write!(f, "{from}: {kind} does not fit here"),
            Self::Refused { from, identity, cause } => {
                write!(f, "{from}: {identity} may not join: {cause:?}")
            }
            Self::NotBelieved { from, kind, failure } => write!(f, "{from}: {kind}: {failure}"),
            Self::NoCertificate { from } => write!(f, "{from}: a key without a certificate"),
            Self::Degraded { from } => write!(
                f,
                "{from}: the revocation list of its issuer is too old or missing: install a newer one"
            ),
            Self::WrongMac { from, kind } => write!(f, "{from}: {kind} with a wrong MAC"),
            Self::UnusableKeys { from, why } => write!(f, "{from}: keys that cannot be used: {why}"),
            Self::NoRoom { from, what } => write!(f, "{from}: dropped, {what}"),
            Self::HalfOpenFull { from } => write!(f, "{from}: its join was dropped for a newer one"),
            Self::EpochWaits => f.write_str("a new epoch waits for the store"),
            Self::NotDurable { what } => write!(f, "{what} could not be made durable: see the store's error"),
        }
    }
}
