//! The final variant: the command carries the key. TS 33.303 §6.5.7.3.

use std::sync::Arc;

use sidelink_security::direct::Entropy;
use sidelink_security::direct::keying::kd_from_ssv;
use sidelink_security::identity::sakke::SSV_OCTETS;
use sidelink_wire::pc5_signalling::{Body, Coding, Packet, Repr, SIGNATURE_LEN, UserInfo};
use zeroize::Zeroizing;

use super::keys::{self, IdentityKeys, Window};
use super::{Coverage, Offer, in_window, subject};
use crate::direct_link::cause::Cause;
use crate::direct_link::kd::Identity;
use crate::direct_link::key_establishment::{AgreedKd, CommandKey, Heard, Party, Refusal, Step, Steps};

/// Labels in front of what a bound signature covers.
const REQUEST: &[u8] = b"ProSe direct communication request";
const COMMAND: &[u8] = b"ProSe direct security mode command";

/// The parts of a request that signatures cover.
struct Signed<'a> {
    nonce: [u8; 16],
    /// Signature; none in a request to re-key, which the link protects.
    signature: Option<[u8; SIGNATURE_LEN]>,
    /// The whole message.
    message: &'a [u8],
    is_rekeying: bool,
}

impl<'a> Signed<'a> {
    fn of(message: &'a [u8]) -> Result<Self, Refusal> {
        let repr = Packet::new_checked(Coding::Lte, message).and_then(|packet| Repr::parse(&packet));
        match repr.map(|repr| repr.body) {
            Ok(Body::CommunicationRequest(request)) => {
                Ok(Self { nonce: request.nonce, signature: request.signature, message, is_rekeying: false })
            }
            Ok(Body::RekeyingRequest(request)) => {
                Ok(Self { nonce: request.nonce, signature: None, message, is_rekeying: true })
            }
            _ => Err(refused("the messages of this profile carry no signature: use the draft variant")),
        }
    }

    /// Returns the message without its signature.
    fn unsigned(&self) -> Result<Vec<u8>, Refusal> {
        let parsed = Packet::new_checked(Coding::Lte, self.message).and_then(|packet| Repr::parse(&packet));
        let mut repr = parsed.map_err(|error| refused(&error.to_string()))?;
        if let Body::CommunicationRequest(request) = &mut repr.body {
            request.signature = None;
        }
        let mut octets = vec![0; repr.buffer_len(Coding::Lte)];
        repr.emit(Coding::Lte, &mut octets).map_err(|error| refused(&error.to_string()))?;
        Ok(octets)
    }
}

fn refused(why: &str) -> Refusal {
    Refusal { cause: Cause::AuthenticationFailure, why: why.to_owned() }
}

/// An identity as User Info has it: length, type, value.
fn user_info(identity: &Identity) -> Vec<u8> {
    // At most 64.
    let length = identity.value.len() as u8;
    [&[length, identity.kind][..], &identity.value].concat()
}

/// Returns what the signature of a request covers. `time` is that of a bound one.
fn of_request(
    request: &Signed<'_>,
    [from, to]: [&Identity; 2],
    time: Option<u64>,
) -> Result<Vec<u8>, Refusal> {
    let octets = match time {
        None => [&user_info(from)[..], &request.nonce].concat(),
        Some(time) => {
            let message = request.unsigned()?;
            let parts = [&user_info(from)[..], &user_info(to), &time.to_be_bytes(), &message];
            [REQUEST, &parts.concat()].concat()
        }
    };
    Ok(octets)
}

/// Returns what the signature of a command covers.
fn of_command(
    request: &Signed<'_>,
    [from, to]: [&Identity; 2],
    coverage: Coverage,
    payload: &[u8],
) -> Vec<u8> {
    match coverage {
        Coverage::Clause => [&user_info(from)[..], &request.nonce, payload].concat(),
        Coverage::Bound => {
            let length = (request.message.len() as u32).to_be_bytes();
            [COMMAND, &user_info(from), &user_info(to), &length, request.message, payload].concat()
        }
    }
}

impl Offer {
    const fn time(self) -> Option<u64> {
        match self {
            Self::Final | Self::Draft { .. } => None,
            Self::Bound { time } => Some(time),
        }
    }

    const fn coverage(self) -> Coverage {
        match self {
            Self::Final | Self::Draft { .. } => Coverage::Clause,
            Self::Bound { .. } => Coverage::Bound,
        }
    }
}

/// The initiating UE.
#[derive(Debug)]
pub(super) struct Initiating {
    keys: Arc<IdentityKeys>,
    offer: Offer,
    rng: Entropy,
}

impl Initiating {
    pub(super) fn new(keys: Arc<IdentityKeys>, offer: Offer, seed: [u8; 32]) -> Self {
        Self { keys, offer, rng: Entropy::new(&seed) }
    }

    /// Takes the key in a command: first the signature, then the payload.
    fn on_key(
        &self,
        party: &Party<'_>,
        user_info: Option<UserInfo<'_>>,
        (signature, payload): (&[u8; SIGNATURE_LEN], &[u8]),
    ) -> Result<Step, Refusal> {
        let named = |info: UserInfo<'_>| info.kind == party.remote.kind && info.value == party.remote.value;
        if !user_info.is_none_or(named) {
            return Err(refused("the command is of another user than the one that was called"));
        }
        let request = Signed::of(party.request)?;
        let ends = [party.remote, party.local];
        let covered = of_command(&request, ends, self.offer.coverage(), payload);
        self.keys.verify(party.clock, party.remote, &covered, signature)?;
        let ssv = self.keys.decapsulate(party.clock, payload)?;
        Ok(Step::Agreed(kd_from_ssv(&ssv, None, [subject(party.local), subject(party.remote)]).into()))
    }
}

impl Steps for Initiating {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Command { user_info, signature, payload } => {
                self.on_key(party, user_info, (signature, payload))
            }
            Heard::Begin | Heard::Container(_) | Heard::Answer(_) | Heard::Admitted => Ok(Step::Wait),
            Heard::Freshness { .. } | Heard::OutOfStep { .. } => Ok(Step::Wait),
        }
    }

    fn sign_request(&mut self, party: &Party<'_>) -> Result<Option<[u8; SIGNATURE_LEN]>, Refusal> {
        keys::user_of(party.local)?;
        let keys = self.keys.signing(party.clock)?;
        let request = Signed::of(party.request)?;
        let covered = of_request(&request, [party.local, party.remote], self.offer.time())?;
        Ok(Some(keys.signing.sign(&covered, self.rng.draw(0))))
    }
}

/// The target UE.
#[derive(Debug)]
pub(super) struct Target {
    keys: Arc<IdentityKeys>,
    window: Window,
    offer: Offer,
    rng: Entropy,
    /// Period of the peer's keys, once its signature is verified.
    verified: Option<u32>,
}

impl Target {
    pub(super) fn new(keys: Arc<IdentityKeys>, window: Window, offer: Offer, seed: [u8; 32]) -> Self {
        Self { keys, window, offer, rng: Entropy::new(&seed), verified: None }
    }

    /// Checks a request, the cheap checks first.
    fn on_request(&mut self, party: &Party<'_>) -> Result<Step, Refusal> {
        let request = Signed::of(party.request)?;
        if let Some(time) = self.offer.time() {
            in_window(self.window, party.clock, time)?;
            if time <= party.newest {
                return Err(refused("a request of this time, or a newer one, was taken before: a replay"));
            }
        }
        if request.is_rekeying {
            // The link proves who asks.
            // TS 33.303 §6.5.7.3.2
            return self.give_key(party, &request);
        }
        let signature = request.signature.ok_or_else(|| refused("the request has no signature"))?;
        let covered = of_request(&request, [party.remote, party.local], self.offer.time())?;
        let signer = self.keys.verify(party.clock, party.remote, &covered, &signature)?;
        self.verified = Some(signer.period);
        match self.offer.time() {
            Some(time) => Ok(Step::Admit(time)),
            None => self.give_key(party, &request),
        }
    }

    // TS 33.303 §6.5.7.3.1 step 2
    /// Makes the key, for the period in which the peer has keys.
    fn give_key(&mut self, party: &Party<'_>, request: &Signed<'_>) -> Result<Step, Refusal> {
        let own = self.keys.signing(party.clock)?;
        let drawn = Zeroizing::new(self.rng.draw(0));
        // 128 bits, not the 256 of the clause: see `identity_based`.
        let mut ssv = Zeroizing::new([0; SSV_OCTETS]);
        ssv.copy_from_slice(&drawn[..SSV_OCTETS]);
        let period = self.verified.unwrap_or(own.number);
        let payload = self.keys.encapsulate(party.remote, period, &ssv)?;
        let covered = of_command(request, [party.local, party.remote], self.offer.coverage(), &payload);
        let signature = own.signing.sign(&covered, self.rng.draw(1));
        let kd = kd_from_ssv(&ssv, None, [subject(party.remote), subject(party.local)]);
        let command = Some(CommandKey { signature, payload: payload.to_vec() });
        Ok(Step::Agreed(AgreedKd { command, ..kd.into() }))
    }
}

impl Steps for Target {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Begin => self.on_request(party),
            Heard::Admitted => self.give_key(party, &Signed::of(party.request)?),
            Heard::Container(_)
            | Heard::Answer(_)
            | Heard::Command { .. }
            | Heard::Freshness { .. }
            | Heard::OutOfStep { .. } => Ok(Step::Wait),
        }
    }
}
