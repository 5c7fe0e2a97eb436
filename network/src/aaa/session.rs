//! A session and its states, and how each judges a response.

use sidelink_security::counter::UtcTime;
use sidelink_wire::rng::Rng;

use super::challenge::Challenged;
use super::io::{Grant, Rejection};
use super::reauthentication::Reauthenticating;
use crate::eap_aka::message::{MacKey, NotificationProof};
use crate::eap_aka::protection::verify_mac;
use crate::eap_aka::{
    Error, IdentityRequest, Inner, Keys, Method, Notification, Packet, Request, Sealed, Transcript,
};
use crate::hss::{Resynchronisation, Ticket};
use crate::identity::Imsi;

/// A conversation.
pub(super) struct Session {
    /// Of the last request.
    pub(super) identifier: u8,
    pub(super) until: UtcTime,
    /// The last that the peer said.
    pub(super) identity: String,
    pub(super) transcript: Transcript,
    /// Access network of a session that somebody began who knew the identity: it gets no names for a next time.
    pub(super) begun_for: Option<String>,
    pub(super) state: State,
}

pub(super) enum State {
    /// An identity is asked for.
    Identity(IdentityRequest),
    /// A vector is waited for.
    Vector { imsi: Imsi, ticket: Ticket, resynchronised: bool },
    /// Full authentication.
    Challenge(Box<Challenged>),
    /// Fast re-authentication.
    Reauthentication(Box<Reauthenticating>),
    /// Success is told.
    Proven(Box<Proven>),
    /// A failure is told.
    Failed(Rejection),
}

/// A peer that has proven who it is.
pub(super) struct Proven {
    pub(super) grant: Grant,
    pub(super) keys: Keys,
    /// AT_COUNTER of this re-authentication; none of a full authentication.
    pub(super) counter: Option<u16>,
    /// What the next one is asked for under, if there is to be one.
    pub(super) next_name: Option<String>,
}

/// What a session does next.
pub(super) enum Step {
    /// Ask for another identity.
    Ask(IdentityRequest),
    /// Authenticate in full.
    Fetch { imsi: Imsi, resynchronisation: Option<Resynchronisation> },
    /// Re-authenticate by the context of this name.
    Reauthenticate(String),
    /// Tell success, then accept.
    Notify(Box<Proven>),
    /// Accept.
    Accept(Box<Proven>),
    /// Tell a failure, then reject.
    Fail(Rejection),
    /// Reject.
    Reject(Rejection),
}

/// As many random octets.
pub(super) fn random<const N: usize>(rng: &mut dyn Rng) -> [u8; N] {
    let mut octets = [0; N];
    for chunk in octets.chunks_mut(8) {
        chunk.copy_from_slice(&rng.next_u64().to_be_bytes()[..chunk.len()]);
    }
    octets
}

/// Session-Id of EAP-AKA'. RFC 9048 §3.6.
pub(crate) fn session_id(first: &[u8; 16], second: &[u8; 16]) -> [u8; 33] {
    let mut id = [Method::AkaPrime.octet(); 33];
    id[1..17].copy_from_slice(first);
    id[17..].copy_from_slice(second);
    id
}

impl Proven {
    /// The notification of success, under AT_MAC, with the counter of a re-authentication. RFC 4187 §6.2.
    pub(super) fn notification(&self, identifier: u8, iv: [u8; 16]) -> Result<Vec<u8>, Error> {
        let seal = |counter| Sealed::seal(&self.keys.k_encr, iv, &Inner { counter, ..Inner::default() });
        let sealed = match self.counter {
            Some(counter) => Some(seal(Some(counter))?),
            None => None,
        };
        let code = Notification::SUCCESS;
        let key = MacKey { k_aut: &self.keys.k_aut, extra: &[] };
        Request::Notification(Notification::After { code, sealed }).emit(
            Method::AkaPrime,
            identifier,
            Some(key),
        )
    }

    /// Judges the response to it.
    pub(super) fn judge(&self, packet: &Packet<'_>, proof: &NotificationProof) -> Result<(), Rejection> {
        verify_mac(packet, &self.keys.k_aut, &[]).map_err(|_| Rejection::Mac)?;
        let counter = match proof {
            NotificationProof::None | NotificationProof::Mac => None,
            NotificationProof::MacAndCounter(sealed) => {
                sealed.open(&self.keys.k_encr).map_err(Rejection::Malformed)?.counter
            }
        };
        if counter == self.counter { Ok(()) } else { Err(Rejection::Counter) }
    }
}
