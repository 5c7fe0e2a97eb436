//! Reasons why a UE refuses a request.

use crate::BuildError;
use crate::users::UserError;
use sidelink_mac::engine;
use sidelink_prose::direct_link;
use sidelink_wire::ids::Layer2Id;
use std::fmt;

/// Reason why nothing was sent, or no link was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// No group has this name.
    NoGroup(String),
    /// The key store gives the UE no right to send to the group.
    ReceiveOnly(BuildError),
    /// The UE has no one-to-one links.
    NoLinks,
    /// No link is configured with this peer.
    NoPeer {
        /// The name in the request.
        peer: String,
        /// The configured names.
        known: Vec<String>,
    },
    /// The link with the peer of this name is not up.
    NotUp(String),
    /// No link with this peer is up.
    NoLink(Layer2Id),
    /// Layer 2 refused.
    Engine(engine::Error),
    /// The links refused.
    Link(direct_link::Error),
    /// An application may not.
    User(UserError),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGroup(group) => write!(f, "there is no group {group:?}"),
            Self::ReceiveOnly(why) => why.fmt(f),
            Self::NoLinks => f.write_str("this UE has no [[link]]"),
            Self::NoPeer { peer, known } => {
                write!(f, "no [[link]] has the peer {peer:?}; there is {}", known.join(", "))
            }
            Self::NotUp(peer) => write!(f, "there is no link with {peer}"),
            Self::NoLink(peer) => write!(f, "there is no link with {peer}"),
            Self::Engine(error) => error.fmt(f),
            Self::Link(error) => error.fmt(f),
            Self::User(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

impl From<engine::Error> for Refused {
    fn from(error: engine::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<direct_link::Error> for Refused {
    fn from(error: direct_link::Error) -> Self {
        Self::Link(error)
    }
}

impl From<UserError> for Refused {
    fn from(error: UserError) -> Self {
        Self::User(error)
    }
}
