//! Full authentication: the challenge, and who passes it. RFC 4187 §4.1, §6.3; RFC 9048 §3.

use sidelink_security::kdf::eap_aka::{self, ExportedKeys};
use subtle::ConstantTimeEq;

use super::io::{Authentication, Grant, Rejection};
use super::session::{Proven, Session, Step, session_id};
use crate::aka::{Auts, Rand};
use crate::eap_aka::message::MacKey;
use crate::eap_aka::protection::verify_mac;
use crate::eap_aka::{
    Challenge, Checkcode, Derivation, Error, Inner, Keys, Method, Packet, Request, Response, Sealed,
};
use crate::hss::{EapAkaPrimeVector, Resynchronisation};
use crate::identity::Imsi;

/// The derivation of RFC 9048 §3.3, the only one here.
pub(super) const KDF: u16 = 1;

/// What a challenge says besides the vector.
pub(super) struct Extras {
    pub(super) network_name: String,
    pub(super) pseudonym: Option<String>,
    /// User name of the next re-authentication, if there is to be one.
    pub(super) next_name: Option<String>,
    pub(super) realm: Option<String>,
    pub(super) iv: [u8; 16],
    pub(super) result_ind: bool,
    /// This is the challenge after a resynchronisation.
    pub(super) resynchronised: bool,
}

impl Extras {
    /// The identity of the next re-authentication: a user name, and the realm where there is one.
    pub(super) fn next_identity(&self) -> Option<String> {
        let name = self.next_name.as_ref()?;
        Some(match &self.realm {
            Some(realm) => format!("{name}@{realm}"),
            None => name.clone(),
        })
    }
}

/// A challenge under way.
pub(super) struct Challenged {
    imsi: Imsi,
    rand: Rand,
    xres: [u8; 8],
    keys: Keys,
    exported: ExportedKeys,
    session_id: [u8; 33],
    checkcode: Checkcode,
    next_name: Option<String>,
    result_ind: bool,
    resynchronised: bool,
}

impl Challenged {
    /// The challenge, as the request `identifier` of a session.
    pub(super) fn new(
        session: &Session,
        identifier: u8,
        imsi: Imsi,
        vector: &EapAkaPrimeVector,
        extras: Extras,
    ) -> Result<(Self, Vec<u8>), Error> {
        let next_reauth_id = extras.next_identity();
        let Extras { network_name, pseudonym, next_name, iv, result_ind, resynchronised, .. } = extras;
        let (keys, exported) = Keys::split(&eap_aka::master_keys(&vector.keys, &session.identity));
        let names = pseudonym.is_some() || next_reauth_id.is_some();
        let inner = Inner { next_pseudonym: pseudonym, next_reauth_id, ..Inner::default() };
        let sealed = if names { Some(Sealed::seal(&keys.k_encr, iv, &inner)?) } else { None };
        let checkcode = session.transcript.checkcode();
        let challenge = Challenge {
            rand: vector.rand.0,
            autn: vector.autn.0,
            derivation: Derivation::AkaPrime { kdfs: vec![KDF], network_name },
            sealed,
            checkcode: Some(checkcode),
            result_ind,
        };
        let key = MacKey { k_aut: &keys.k_aut, extra: &[] };
        let packet = Request::Challenge(challenge).emit(Method::AkaPrime, identifier, Some(key))?;
        let (rand, xres) = (vector.rand, vector.xres);
        let session_id = session_id(&rand.0, &vector.autn.0);
        let challenged = Self {
            imsi,
            rand,
            xres,
            keys,
            exported,
            session_id,
            checkcode,
            next_name,
            result_ind,
            resynchronised,
        };
        Ok((challenged, packet))
    }

    /// Judges a response.
    pub(super) fn judge(self, packet: &Packet<'_>, response: Response) -> Step {
        match response {
            Response::Challenge { res, checkcode, result_ind } => {
                match self.passes(packet, &res, checkcode) {
                    Ok(()) => self.proven(result_ind),
                    Err(why) => Step::Fail(why),
                }
            }
            Response::SynchronizationFailure { .. } if self.resynchronised => {
                Step::Fail(Rejection::OutOfSync)
            }
            Response::SynchronizationFailure { kdfs, .. } if kdfs != [KDF] => Step::Fail(Rejection::Kdf),
            Response::SynchronizationFailure { auts, .. } => Step::Fetch {
                imsi: self.imsi,
                resynchronisation: Some(Resynchronisation { rand: self.rand, auts: Auts(auts) }),
            },
            Response::AuthenticationReject => Step::Reject(Rejection::AuthenticationReject),
            Response::KdfChoice(_) => Step::Fail(Rejection::Kdf),
            _ => Step::Fail(Rejection::Unexpected),
        }
    }

    /// AT_MAC first: it shows that the peer has the keys, and that nothing was altered.
    fn passes(&self, packet: &Packet<'_>, res: &[u8], checkcode: Option<Checkcode>) -> Result<(), Rejection> {
        verify_mac(packet, &self.keys.k_aut, &[]).map_err(|_| Rejection::Mac)?;
        if checkcode.is_some_and(|theirs| theirs != self.checkcode) {
            return Err(Rejection::Checkcode);
        }
        if bool::from(self.xres[..].ct_eq(res)) { Ok(()) } else { Err(Rejection::Res) }
    }

    fn proven(self, result_ind: bool) -> Step {
        let grant = Grant {
            imsi: self.imsi,
            authentication: Authentication::Full,
            keys: self.exported,
            session_id: self.session_id,
        };
        let proven = Box::new(Proven { grant, keys: self.keys, counter: None, next_name: self.next_name });
        if self.result_ind && result_ind { Step::Notify(proven) } else { Step::Accept(proven) }
    }
}
