//! Links between a remote UE and a relay: what their requests say besides, and whose methods make their KD. TS 24.334
//! §10.4.2.2, TS 33.303 §6.7.3.2.1.

use sidelink_security::direct::{Nonce, Profile};
use sidelink_security::keys::Kd;
use sidelink_wire::pc5_signalling::{Body, CommunicationRequest};
use sidelink_wire::relay_keying::Denial;

use super::kd::Identity;
use super::key_establishment::{AgreedKd, KeyEstablishment, Party, Refusal};
use super::receive::parse;
use super::{Cause, CauseOf};

/// A link between a remote UE and a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayLink {
    /// Relay Service Code.
    pub service: [u8; 3],
    /// What the remote UE calls itself: a PRUK ID, an IMSI, or user info where the method shows it to the network itself.
    pub user: Identity,
}

/// The links whose KD a method makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Serves {
    /// Those of two UEs.
    #[default]
    Peers,
    /// Those of a remote UE to its relay.
    Relays,
    /// Those of a UE-to-UE relay and its ends: of the methods for peers, those that prove roles.
    Hops,
}

impl Serves {
    /// Returns what serves a link.
    pub(super) fn of(relay: Option<&RelayLink>, peer: &Identity) -> Self {
        match relay {
            Some(_) => Self::Relays,
            None if peer.role().is_some() => Self::Hops,
            None => Self::Peers,
        }
    }

    /// Whether a method makes the KD of such a link.
    pub(super) fn by(self, method: &dyn KeyEstablishment) -> bool {
        match self {
            Self::Hops => method.proves_roles(),
            serves => method.serves() == serves,
        }
    }

    /// Returns the first of the methods that make the KD of such a link.
    pub(super) fn first(self, methods: &[Box<dyn KeyEstablishment>]) -> Option<&dyn KeyEstablishment> {
        methods.iter().map(AsRef::as_ref).find(|method| self.by(*method))
    }
}

/// What stands for the key information of a request that has a Relay Service Code alone: TS 33.303 has no key information.
pub(super) const SERVICE_ALONE: &[u8] = &[super::FromPruk::METHOD];

impl RelayLink {
    /// Returns the PRUK ID of the remote UE, if it calls itself by one.
    pub(super) fn pruk_id(&self) -> Option<[u8; 8]> {
        self.user.value.as_slice().try_into().ok().filter(|_| self.user.kind == Identity::PRUK_ID)
    }

    /// Returns the link that a request asks for, if it is one to a relay.
    pub(super) fn of_request(request: &CommunicationRequest<'_>) -> Option<Self> {
        let info = &request.user_info;
        let user = Identity { kind: info.kind, value: info.value.to_vec() };
        request.relay_service_code.map(|service| Self { service, user })
    }
}

/// Returns the link and Nonce_1 of an exchange.
///
/// # Errors
/// It is of no link to a relay.
pub(super) fn link_of<'a>(party: &Party<'a>) -> Result<(&'a RelayLink, Nonce), Refusal> {
    let why = "a Relay Service Code is missing".to_owned();
    let refusal = Refusal { cause: Cause::ProtocolError, why };
    let nonce = match parse(Profile::Lte, party.request).map(|repr| repr.body) {
        Ok(Body::CommunicationRequest(request)) => request.nonce,
        Ok(Body::RekeyingRequest(request)) => request.nonce,
        _ => return Err(refusal),
    };
    party.relay.map(|link| (link, nonce)).ok_or(refusal)
}

/// Returns the refusal of a peer that the network does not vouch for.
pub(super) fn refused(why: impl ToString) -> Refusal {
    Refusal { cause: Cause::AuthenticationFailure, why: why.to_string() }
}

/// Returns what a remote UE is told. TS 24.334 has no cause for a PRUK ID that is not known: an authentication failure comes
/// closest, and only that makes a remote UE think of its IMSI.
pub(super) fn denied(reason: Denial) -> Refusal {
    let (cause, why) = match reason {
        Denial::Unknown => (Cause::AuthenticationFailure, "the network does not know this remote UE"),
        Denial::NotAllowed => (Cause::NotAllowed, "the network does not let this relay serve the remote UE"),
        Denial::Unreachable => (Cause::LackOfResources, "the network does not answer"),
    };
    Refusal { cause, why: why.to_owned() }
}

/// Returns a KD of the network that lives `lifetime` seconds.
pub(super) fn agreed(kd: &[u8; 32], lifetime: u32) -> AgreedKd {
    AgreedKd { lifetime: Some(u64::from(lifetime) * 1000), ..Kd::from(*kd).into() }
}

/// Returns the message of a remote UE that its USIM is out of step.
// TS 33.303 §6.7.3.2.1.2
pub(super) fn out_of_step(profile: Profile, (rand, auts): ([u8; 16], [u8; 14])) -> Body<'static> {
    let cause = Cause::SynchronisationError.octet(profile, CauseOf::SecurityModeReject);
    Body::SecurityModeReject { cause, rand: Some(rand), auts: Some(auts) }
}
