//! Links to and from a UE-to-UE relay: who is what on them, and what their requests say besides: the project's
//! own, where the contributions to TR 33.740 leave it open.
//!
//! ```text
//! end --- request { Relay Service Code, target user info: the other end } ---> relay ---> the other end
//! ```
//!
//! Both links of a path have requests of one form, and the target user info tells them apart: who is the target has a relay
//! before it, and who is not is asked to be one. A peer is its name in its role: [`Identity::relay`] or [`Identity::end`].
//! Keys belong to such identities, so that a KD agreed on in one role, or in one service, serves no other. A method must
//! prove the role ([`super::KeyEstablishment::proves_roles`]), or the operator gave both ends the KD for it.

use sidelink_security::direct::signed::{Role, Subject};
use sidelink_wire::pc5_signalling::CommunicationRequest;

use super::kd::{Identity, MAX_IDENTITY};

/// What makes a link one to or from a UE-to-UE relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Relay Service Code.
    pub service: [u8; 3],
    /// The user at the far end of the path that the request was for.
    pub target: Identity,
}

impl Identity {
    /// Type of a user as UE-to-UE relay, and of one as an end behind it: keys and credentials have it, and no message.
    const RELAY: u8 = Subject::RELAY;
    const END: u8 = Subject::END;

    /// Returns a user as UE-to-UE relay of a service.
    pub fn relay(service: [u8; 3], name: &[u8]) -> Self {
        Self { kind: Self::RELAY, value: [&service, name].concat() }
    }

    /// Returns a user as an end behind a UE-to-UE relay of a service.
    pub fn end(service: [u8; 3], name: &[u8]) -> Self {
        Self { kind: Self::END, value: [&service, name].concat() }
    }

    /// Returns role and service, if it is a user at a UE-to-UE relay.
    pub fn role(&self) -> Option<(Role, [u8; 3])> {
        let role = match self.kind {
            Self::RELAY => Role::Relay,
            Self::END => Role::End,
            _ => return None,
        };
        self.value.first_chunk().map(|service| (role, *service))
    }

    /// Returns the name of the user, without role and service.
    pub fn name(&self) -> &[u8] {
        if self.role().is_some() { &self.value[3..] } else { &self.value }
    }

    /// Returns what this UE is towards a peer.
    pub(super) fn towards(&self, peer: &Self) -> Self {
        match peer.role() {
            Some((Role::Relay, service)) => Self::end(service, &self.value),
            Some((Role::End, service)) => Self::relay(service, &self.value),
            None => self.clone(),
        }
    }
}

/// What a request for a link asks of this UE.
pub(super) enum Asked {
    /// A link of two UEs, or one to a relay to the network.
    Other,
    /// A link of a path, with the peer in its role.
    Hop(Identity, Hop),
    /// A link to a relay of a service in which this UE relays nothing.
    NoRelay,
}

impl Asked {
    /// Reads a request of `name`.
    pub(super) fn of(request: &CommunicationRequest<'_>, own: &Identity, relays: &[[u8; 3]]) -> Self {
        let (Some(service), Some(target)) = (request.relay_service_code, request.target) else {
            return Self::Other;
        };
        let name = request.user_info.value;
        if request.user_info.kind != Identity::USER || target.len() > MAX_IDENTITY {
            return Self::NoRelay;
        }
        let hop = Hop { service, target: Identity { kind: Identity::USER, value: target.to_vec() } };
        if target == own.value {
            return Self::Hop(Identity::relay(service, name), hop);
        }
        if relays.contains(&service) { Self::Hop(Identity::end(service, name), hop) } else { Self::NoRelay }
    }
}
