//! Fast re-authentication and notifications, at the peer. RFC 4187 §5, §6.

use sidelink_security::kdf::eap_aka as kdf;
use sidelink_wire::rng::Rng;

use super::{Answered, EapPeer, Failure, ResultOf, State, session_id};
use crate::eap_aka::message::{MacKey, NotificationProof};
use crate::eap_aka::protection::verify_mac;
use crate::eap_aka::{Checkcode, Inner, Keys, Notification, Packet, Reauthentication, Response, Sealed};

/// Keys of the last authentication.
pub(super) struct Context {
    pub(super) keys: Keys,
    /// Of the last re-authentication.
    pub(super) counter: u16,
    /// Name of the next one; it serves once.
    pub(super) name: Option<String>,
}

/// What a re-authentication is answered with.
struct Judged {
    identity: String,
    counter: u16,
    nonce_s: [u8; 16],
    is_fresh: bool,
    next_reauth_id: Option<String>,
    checkcode: Checkcode,
    /// AT_MAC of the request.
    mac: [u8; 16],
}

fn random_iv(rng: &mut dyn Rng) -> [u8; 16] {
    let [high, low] = [rng.next_u64(), rng.next_u64()];
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

impl EapPeer {
    pub(super) fn fast(&mut self, packet: &Packet<'_>, message: &Reauthentication, rng: &mut dyn Rng) {
        // What was said serves once, whatever comes of it.
        let Some(mut context) = self.context.take() else {
            return self.answer(packet, Err(Failure::Unexpected), None);
        };
        let judged = match self.judge(packet, message, &context) {
            Ok(judged) => judged,
            Err(why) => {
                self.context = Some(context);
                return self.answer(packet, Err(why), None);
            }
        };
        context.name = None;
        let Judged { identity, counter, nonce_s, is_fresh, next_reauth_id, checkcode, mac } = judged;
        let inner = Inner { counter: Some(counter), counter_too_small: !is_fresh, ..Inner::default() };
        let sealed = match Sealed::seal(&context.keys.k_encr, random_iv(rng), &inner) {
            Ok(sealed) => sealed,
            Err(error) => return self.answer(packet, Err(Failure::Malformed(error)), None),
        };
        let result_ind = is_fresh && self.wants_result(message.result_ind);
        let response = Response::Reauthentication(Reauthentication {
            sealed,
            checkcode: message.checkcode.map(|_| checkcode),
            result_ind,
        });
        let k_aut = context.keys.k_aut;
        let key = Some(MacKey { k_aut: &k_aut, extra: &nonce_s });
        if !is_fresh {
            // A challenge comes next.
            return self.answer(packet, Ok((response, State::Open)), key);
        }
        let answered = Answered {
            exported: kdf::reauthentication_keys(&context.keys.k_re, &identity, counter, &nonce_s),
            keys: context.keys,
            session_id: session_id(&nonce_s, &mac),
            counter: Some(counter),
            next_pseudonym: None,
            next_reauth_id,
            result: if result_ind { ResultOf::Awaited } else { ResultOf::Nothing },
        };
        self.answer(packet, Ok((response, State::Answered(Box::new(answered)))), key);
    }

    fn judge(
        &self,
        packet: &Packet<'_>,
        message: &Reauthentication,
        context: &Context,
    ) -> Result<Judged, Failure> {
        let said = self.conversation.identity.as_ref().ok_or(Failure::Unexpected)?;
        if context.name.as_ref() != Some(said) {
            return Err(Failure::Unexpected);
        }
        let mac = verify_mac(packet, &context.keys.k_aut, &[]).map_err(|_| Failure::Mac)?;
        let checkcode = self.conversation.transcript.checkcode();
        if message.checkcode.is_some_and(|theirs| theirs != checkcode) {
            return Err(Failure::Checkcode);
        }
        let inner = message.sealed.open(&context.keys.k_encr).map_err(Failure::Malformed)?;
        let (Some(counter), Some(nonce_s)) = (inner.counter, inner.nonce_s) else {
            return Err(Failure::Unexpected);
        };
        let is_fresh = counter > context.counter;
        let (identity, next_reauth_id) = (said.clone(), inner.next_reauth_id);
        Ok(Judged { identity, counter, nonce_s, is_fresh, next_reauth_id, checkcode, mac })
    }

    pub(super) fn notified(&mut self, packet: &Packet<'_>, notification: &Notification, rng: &mut dyn Rng) {
        let state = std::mem::take(&mut self.conversation.state);
        let (sealed, code) = match (notification, state) {
            (Notification::Before { code }, _) => {
                let response = Response::Notification { proof: NotificationProof::None };
                let state = State::Failed(Failure::Notified(*code));
                return self.answer(packet, Ok((response, state)), None);
            }
            (Notification::After { code, sealed }, State::Answered(answered)) => {
                (self.acknowledge(packet, sealed.as_ref(), *answered, rng), *code)
            }
            (Notification::After { .. }, _) => (Err(Failure::Unexpected), 0),
        };
        let (proof, answered) = match sealed {
            Ok(acknowledged) => acknowledged,
            Err(why) => return self.answer(packet, Err(why), None),
        };
        let k_aut = answered.keys.k_aut;
        let key = Some(MacKey { k_aut: &k_aut, extra: &[] });
        let response = Response::Notification { proof };
        let state = match (code, answered.result) {
            (Notification::SUCCESS, ResultOf::Awaited) => {
                State::Answered(Box::new(Answered { result: ResultOf::Told, ..answered }))
            }
            _ => State::Failed(Failure::Notified(code)),
        };
        self.answer(packet, Ok((response, state)), key);
    }

    /// Looks whether a notification is proven, and proves the answer alike.
    fn acknowledge(
        &self,
        packet: &Packet<'_>,
        sealed: Option<&Sealed>,
        answered: Answered,
        rng: &mut dyn Rng,
    ) -> Result<(NotificationProof, Answered), Failure> {
        verify_mac(packet, &answered.keys.k_aut, &[]).map_err(|_| Failure::Mac)?;
        let counter = match sealed {
            Some(sealed) => sealed.open(&answered.keys.k_encr).map_err(Failure::Malformed)?.counter,
            None => None,
        };
        if counter != answered.counter {
            return Err(Failure::Unexpected);
        }
        let proof = match counter {
            None => NotificationProof::Mac,
            Some(_) => {
                let inner = Inner { counter, ..Inner::default() };
                let sealed = Sealed::seal(&answered.keys.k_encr, random_iv(rng), &inner);
                NotificationProof::MacAndCounter(sealed.map_err(Failure::Malformed)?)
            }
        };
        Ok((proof, answered))
    }
}
