//! The draft variant: an I_MESSAGE behind the request carries the key. TR 33.833 §6.4.3, RFC 6509.

use std::sync::Arc;

use sidelink_security::direct::Entropy;
use sidelink_security::direct::keying::kd_from_ssv;
use sidelink_security::identity::sakke::SSV_OCTETS;
use zeroize::Zeroizing;

use super::keys::{self, IdentityKeys, Window};
use super::{Answer, subject};
use crate::direct_link::cause::Cause;
use crate::direct_link::key_establishment::{Heard, Party, Refusal, Step, Steps};
use crate::mikey::i_message::{
    Content, Draws, Form, Naming, OpenAs, Received, Recipient, Sender, Servers, Trust, make,
};
use crate::mikey::{MakeError, NtpTime, Refused, SignatureLeniency, Window as Times};

type Ssv = Zeroizing<[u8; SSV_OCTETS]>;

/// Both identifiers of the period are in the message, so that the signature covers who sends and who receives.
const FORM: Form<'_> = Form {
    naming: Naming::Hidden,
    servers: Servers::Absent,
    placement: crate::mikey::i_message::Placement::AfterSakke,
    copy_to_self: None,
};

/// Random octets of one end: those of a message, and its key.
#[derive(Debug)]
struct Fresh(Entropy);

impl Fresh {
    /// Makes a key of 128 bits, as [`super`] decides.
    fn ssv(&mut self) -> Ssv {
        let drawn = Zeroizing::new(self.0.draw(0));
        let mut ssv = Zeroizing::new([0; SSV_OCTETS]);
        ssv.copy_from_slice(&drawn[..SSV_OCTETS]);
        ssv
    }

    fn draws(&mut self) -> Draws {
        let (drawn, nonce) = (self.0.draw(1), self.0.draw(2));
        let mut draws = Draws { rand: [0; 16], iv: [0; 16], nonce };
        draws.rand.copy_from_slice(&drawn[..16]);
        draws.iv.copy_from_slice(&drawn[16..]);
        draws
    }
}

/// Makes the message of this UE, with the key.
fn message(
    keys: &IdentityKeys,
    party: &Party<'_>,
    csb_id: u32,
    ssv: &Ssv,
    draws: &Draws,
) -> Result<Vec<u8>, Refusal> {
    let (local, remote) = (keys::user_of(party.local)?, keys::user_of(party.remote)?);
    let own = keys.of_time(party.clock)?;
    let kms = keys.kms().borrowed();
    let sender = Sender { identity: &local, kms, key: &own.signing };
    let recipient = Recipient { identity: &remote, kms, public_key: keys.kms().public_key() };
    let content = Content::new(csb_id, NtpTime::from_utc(party.clock));
    Ok(make(&sender, &recipient, ssv, &content, &FORM, draws)?)
}

/// Opens a message of the peer: replay, time, names, signature, and then the key. Returns its time, too.
fn open(
    keys: &IdentityKeys,
    party: &Party<'_>,
    (csb_id, window, newest): (u32, Window, u64),
    octets: &[u8],
) -> Result<(u64, Ssv), Refusal> {
    let received = Received::parse(octets)?;
    let time = received.time;
    if time.0 <= newest {
        let why = "a message of this time, or a newer one, was taken before: a replay";
        return Err(Refusal { cause: Cause::AuthenticationFailure, why: why.to_owned() });
    }
    if received.csb_id() != csb_id {
        return Err(Refused::Profile("the CSB ID of its request").into());
    }
    super::in_window(window, party.clock, time.0)?;
    let (local, remote) = (keys::user_of(party.local)?, keys::user_of(party.remote)?);
    let own = keys.of_time(time.to_utc())?;
    let kms = keys.kms().borrowed();
    let opened = received.open(&Trust {
        window: Times::around(party.clock, window.millis(), window.millis()),
        sender_kms: kms,
        sender: Some(&remote),
        local_kms: kms,
        local: &local,
        key: &own.receiving,
        recipient: OpenAs::Responder,
        signatures: SignatureLeniency::Strict,
    })?;
    Ok((time.0, opened.key().clone()))
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let cause = match refused {
            Refused::Time { .. } | Refused::Period => Cause::Expired,
            _ => Cause::AuthenticationFailure,
        };
        Self { cause, why: refused.to_string() }
    }
}

impl From<MakeError> for Refusal {
    fn from(error: MakeError) -> Self {
        let cause = match error {
            MakeError::Period => Cause::Expired,
            _ => Cause::AuthenticationFailure,
        };
        Self { cause, why: error.to_string() }
    }
}

/// The initiating UE.
#[derive(Debug)]
pub(super) struct Initiating {
    keys: Arc<IdentityKeys>,
    window: Window,
    answer: Answer,
    csb_id: u32,
    fresh: Fresh,
    /// The key that it sent, until the answer comes.
    sent: Option<Ssv>,
}

impl Initiating {
    pub(super) fn new(keys: Arc<IdentityKeys>, window: Window, answer: Answer, seed: [u8; 32]) -> Self {
        let mut rng = Entropy::new(&seed);
        let [a, b, c, d, ..] = rng.draw(9);
        let csb_id = u32::from_be_bytes([a, b, c, d]);
        Self { keys, window, answer, csb_id, fresh: Fresh(rng), sent: None }
    }

    pub(super) const fn csb_id(&self) -> u32 {
        self.csb_id
    }

    /// Sends the key. The message is made once the request is sent.
    fn send(&mut self, party: &Party<'_>) -> Result<Step, Refusal> {
        let (ssv, draws) = (self.fresh.ssv(), self.fresh.draws());
        let octets = message(&self.keys, party, self.csb_id, &ssv, &draws)?;
        match self.answer {
            Answer::None => Ok(Step::SendAgreed(octets, kd(&ssv, None, party).into())),
            Answer::Signed => {
                self.sent = Some(ssv);
                Ok(Step::Send(octets))
            }
        }
    }

    /// Takes the key of UE_2.
    fn on_answer(&mut self, party: &Party<'_>, octets: &[u8]) -> Result<Step, Refusal> {
        let Some(sent) = &self.sent else { return Ok(Step::Wait) };
        // No replay can be of use: the answer of another exchange has another CSB ID.
        let (_, answer) = open(&self.keys, party, (self.csb_id, self.window, 0), octets)?;
        Ok(Step::Agreed(kd(sent, Some(&answer), party).into()))
    }
}

fn kd(ssv: &Ssv, answer: Option<&Ssv>, party: &Party<'_>) -> sidelink_security::keys::Kd {
    kd_from_ssv(ssv, answer.map(|answer| &**answer), [subject(party.local), subject(party.remote)])
}

impl Steps for Initiating {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Begin => self.send(party),
            Heard::Container(octets) => self.on_answer(party, octets),
            Heard::Answer(_)
            | Heard::Admitted
            | Heard::Command { .. }
            | Heard::Freshness { .. }
            | Heard::OutOfStep { .. } => Ok(Step::Wait),
        }
    }
}

/// The target UE.
#[derive(Debug)]
pub(super) struct Target {
    keys: Arc<IdentityKeys>,
    window: Window,
    answer: Answer,
    csb_id: u32,
    fresh: Fresh,
    /// The key of UE_1, while the time of its message becomes durable.
    taken: Option<Ssv>,
}

impl Target {
    pub(super) fn new(
        keys: Arc<IdentityKeys>,
        window: Window,
        (answer, csb_id): (Answer, u32),
        seed: [u8; 32],
    ) -> Self {
        Self { keys, window, answer, csb_id, fresh: Fresh(Entropy::new(&seed)), taken: None }
    }

    fn on_message(&mut self, party: &Party<'_>, octets: &[u8]) -> Result<Step, Refusal> {
        if self.taken.is_some() {
            return Ok(Step::Wait);
        }
        let expected = (self.csb_id, self.window, party.newest);
        let (time, ssv) = open(&self.keys, party, expected, octets)?;
        self.taken = Some(ssv);
        Ok(Step::Admit(time))
    }

    fn agree(&mut self, party: &Party<'_>) -> Result<Step, Refusal> {
        let Some(ssv) = self.taken.take() else { return Ok(Step::Wait) };
        let ends = [subject(party.remote), subject(party.local)];
        match self.answer {
            Answer::None => Ok(Step::Agreed(kd_from_ssv(&ssv, None, ends).into())),
            Answer::Signed => {
                let (own, draws) = (self.fresh.ssv(), self.fresh.draws());
                let octets = message(&self.keys, party, self.csb_id, &own, &draws)?;
                Ok(Step::SendAgreed(octets, kd_from_ssv(&ssv, Some(&own), ends).into()))
            }
        }
    }
}

impl Steps for Target {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Container(octets) => self.on_message(party, octets),
            Heard::Admitted => self.agree(party),
            Heard::Begin
            | Heard::Answer(_)
            | Heard::Command { .. }
            | Heard::Freshness { .. }
            | Heard::OutOfStep { .. } => Ok(Step::Wait),
        }
    }
}
