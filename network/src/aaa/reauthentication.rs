//! Fast re-authentication: keys of the last time, a counter and a nonce. RFC 4187 §5, RFC 9048 §3.3.

use sidelink_security::kdf::eap_aka::{self, ExportedKeys};

use super::challenge::Extras;
use super::contexts::Context;
use super::io::{Authentication, Grant, Rejection};
use super::session::{Proven, Session, Step, session_id};
use crate::eap_aka::message::MacKey;
use crate::eap_aka::protection::verify_mac;
use crate::eap_aka::{Checkcode, Error, Inner, Method, Packet, Reauthentication, Request, Sealed};

/// A re-authentication under way.
pub(super) struct Reauthenticating {
    /// The name that it was asked for under.
    pub(super) name: String,
    counter: u16,
    nonce_s: [u8; 16],
    exported: ExportedKeys,
    session_id: [u8; 33],
    checkcode: Checkcode,
    next_name: Option<String>,
    result_ind: bool,
}

/// What a response says.
pub(super) enum Judged {
    /// The peer is who it was.
    Passed {
        /// Whether it wants protected notifications too.
        result_ind: bool,
    },
    /// The peer has seen this counter already: it wants to be authenticated in full.
    CounterTooSmall,
}

impl Reauthenticating {
    /// The request `identifier` of a session.
    pub(super) fn new(
        session: &Session,
        identifier: u8,
        name: String,
        context: &Context,
        (nonce_s, extras): ([u8; 16], Extras),
    ) -> Result<(Self, Vec<u8>), Error> {
        let next_reauth_id = extras.next_identity();
        let Extras { next_name, iv, result_ind, .. } = extras;
        let counter = context.counter;
        let keys = &context.keys;
        let exported = eap_aka::reauthentication_keys(&keys.k_re, &session.identity, counter, &nonce_s);
        let inner =
            Inner { counter: Some(counter), nonce_s: Some(nonce_s), next_reauth_id, ..Inner::default() };
        let checkcode = session.transcript.checkcode();
        let message = Reauthentication {
            sealed: Sealed::seal(&keys.k_encr, iv, &inner)?,
            checkcode: Some(checkcode),
            result_ind,
        };
        let key = MacKey { k_aut: &keys.k_aut, extra: &[] };
        let packet = Request::Reauthentication(message).emit(Method::AkaPrime, identifier, Some(key))?;
        // AT_MAC is the last.
        let mac = packet.last_chunk().copied().unwrap_or_default();
        let session_id = session_id(&nonce_s, &mac);
        let under_way =
            Self { name, counter, nonce_s, exported, session_id, checkcode, next_name, result_ind };
        Ok((under_way, packet))
    }

    /// Judges a response by the context.
    pub(super) fn judge(
        &self,
        packet: &Packet<'_>,
        response: &Reauthentication,
        context: &Context,
    ) -> Result<Judged, Rejection> {
        verify_mac(packet, &context.keys.k_aut, &self.nonce_s).map_err(|_| Rejection::Mac)?;
        let inner = response.sealed.open(&context.keys.k_encr).map_err(Rejection::Malformed)?;
        if inner.counter != Some(self.counter) {
            return Err(Rejection::Counter);
        }
        if inner.counter_too_small {
            return Ok(Judged::CounterTooSmall);
        }
        if response.checkcode.is_some_and(|theirs| theirs != self.checkcode) {
            return Err(Rejection::Checkcode);
        }
        Ok(Judged::Passed { result_ind: response.result_ind })
    }

    /// The end of it, with the context that the name stood for.
    pub(super) fn proven(self, context: Context, result_ind: bool) -> Step {
        let grant = Grant {
            imsi: context.imsi,
            authentication: Authentication::Fast,
            keys: self.exported,
            session_id: self.session_id,
        };
        let (keys, counter) = (context.keys, Some(self.counter));
        let proven = Box::new(Proven { grant, keys, counter, next_name: self.next_name });
        if self.result_ind && result_ind { Step::Notify(proven) } else { Step::Accept(proven) }
    }
}
