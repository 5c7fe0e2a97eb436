//! Methods that agree on a KD as no UE may: an attacker's end, or an end that was made wrong.

use sidelink_prose::direct_link::{
    Cause, Credentials, Heard, IdentityBased, KeyEstablishment, Party, Refusal, Step, Steps,
};
use sidelink_prose::mikey::NtpTime;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::keying::kd_from_sdes;
use sidelink_security::direct::signed::Subject;
use sidelink_security::identity::eccsi::SigningKey;
use sidelink_security::keys::Kd;
use sidelink_wire::mikey::{IdRole, Packet, Payload, Repr, Timestamp};
use sidelink_wire::sdes::{CryptoAttribute, KEY};
use std::sync::{Arc, Mutex, PoisonError};

/// How a key stands in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As a crypto attribute, which a UE does not let onto the air.
    Attribute,
    /// As octets that nothing tells from others.
    Octets,
}

/// SDES forced over PC5: each end says its key in a container. T4.2-1.
#[derive(Debug)]
pub(crate) struct InClear(pub(crate) Spelling);

impl InClear {
    /// Octet of the method: one that nobody has.
    pub(crate) const METHOD: u8 = 0x66;
}

#[derive(Debug)]
struct InClearEnd {
    spelling: Spelling,
    is_initiating: bool,
    key: [u8; KEY],
}

fn refused(why: &str) -> Refusal {
    Refusal { cause: Cause::AuthenticationFailure, why: why.to_owned() }
}

impl KeyEstablishment for InClear {
    fn method(&self) -> u8 {
        Self::METHOD
    }

    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        seed: [u8; 32],
        _: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let key = *seed.first_chunk()?;
        let end = InClearEnd { spelling: self.0, is_initiating: true, key };
        Some((Box::new(end), vec![Self::METHOD]))
    }

    fn understands(&self, info: &[u8]) -> bool {
        info == [Self::METHOD]
    }

    fn cookie(&self, _: &[u8]) -> Option<[u8; 16]> {
        None
    }

    fn answer(&self, _: &[u8], seed: [u8; 32]) -> Option<Box<dyn Steps>> {
        let key = *seed.first_chunk()?;
        Some(Box::new(InClearEnd { spelling: self.0, is_initiating: false, key }))
    }
}

/// The key in the content of a container, in either spelling.
pub(crate) fn key_in_clear(content: &[u8]) -> Option<[u8; KEY]> {
    let mut key = [0; KEY];
    match content.try_into() {
        Ok(octets) => Some(octets),
        Err(_) => CryptoAttribute::parse(content, &mut key).ok().map(|_| key),
    }
}

impl InClearEnd {
    fn spelt(&self) -> Result<Vec<u8>, Refusal> {
        match self.spelling {
            Spelling::Octets => Ok(self.key.to_vec()),
            Spelling::Attribute => {
                let attribute = CryptoAttribute { tag: 1, key: &self.key }.emit();
                attribute.map_err(|error| refused(&error.to_string()))
            }
        }
    }
}

impl Steps for InClearEnd {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        let [local, remote] =
            [party.local, party.remote].map(|end| Subject { kind: end.kind, value: &end.value });
        let other = |octets: &[u8]| key_in_clear(octets).ok_or_else(|| refused("no key is in it"));
        Ok(match (heard, self.is_initiating) {
            (Heard::Begin, true) => Step::Send(self.spelt()?),
            (Heard::Container(octets), true) => {
                Step::Agreed(kd_from_sdes(&self.key, &other(octets)?, [local, remote]).into())
            }
            (Heard::Container(octets), false) => {
                let kd = kd_from_sdes(&other(octets)?, &self.key, [remote, local]);
                Step::SendAgreed(self.spelt()?, kd.into())
            }
            _ => Step::Wait,
        })
    }
}

/// A radio that answers in the place of UE_2 without keys: it leaves the I_MESSAGE of UE_2 out, and commands under a KD of its own.
/// T4.3-8.
#[derive(Debug)]
pub(crate) struct Omitting;

#[derive(Debug)]
struct OmittingEnd(Option<[u8; 32]>);

impl KeyEstablishment for Omitting {
    fn method(&self) -> u8 {
        IdentityBased::METHOD
    }

    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        _: [u8; 32],
        _: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        None
    }

    fn understands(&self, info: &[u8]) -> bool {
        info.first() == Some(&IdentityBased::METHOD)
    }

    fn cookie(&self, _: &[u8]) -> Option<[u8; 16]> {
        None
    }

    fn answer(&self, _: &[u8], seed: [u8; 32]) -> Option<Box<dyn Steps>> {
        Some(Box::new(OmittingEnd(Some(seed))))
    }
}

impl Steps for OmittingEnd {
    fn step(&mut self, _: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        Ok(match heard {
            Heard::Container(_) => match self.0.take() {
                Some(made_up) => Step::Agreed(Kd::from(made_up).into()),
                None => Step::Wait,
            },
            _ => Step::Wait,
        })
    }
}

/// What a listener heard and another radio of the same attacker uses.
pub(crate) type Captured = Arc<Mutex<Option<Vec<u8>>>>;

/// A4: takes an I_MESSAGE of somebody else to the same peer, and signs it as its own. T4.3-3.
pub(crate) struct Resigning {
    pub(crate) captured: Captured,
    /// Its own keys, which the server made for it.
    pub(crate) signing: Arc<SigningKey>,
}

impl std::fmt::Debug for Resigning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resigning")
    }
}

#[derive(Debug)]
struct ResigningEnd {
    captured: Captured,
    signing: Arc<SigningKey>,
    csb_id: u32,
    nonce: [u8; 32],
}

/// Key information of a draft without an answer: see [`IdentityBased`].
const DRAFT: u8 = 3;

impl KeyEstablishment for Resigning {
    fn method(&self) -> u8 {
        IdentityBased::METHOD
    }

    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        seed: [u8; 32],
        cookie: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let csb_id = u32::from_be_bytes(*seed.first_chunk()?);
        let mut info = vec![IdentityBased::METHOD, DRAFT];
        info.extend(csb_id.to_be_bytes());
        info.extend(cookie.into_iter().flatten());
        let (captured, signing) = (Arc::clone(&self.captured), Arc::clone(&self.signing));
        Some((Box::new(ResigningEnd { captured, signing, csb_id, nonce: seed }), info))
    }

    fn understands(&self, _: &[u8]) -> bool {
        false
    }

    fn cookie(&self, _: &[u8]) -> Option<[u8; 16]> {
        None
    }

    fn answer(&self, _: &[u8], _: [u8; 32]) -> Option<Box<dyn Steps>> {
        None
    }
}

impl ResigningEnd {
    /// The captured message with the same key in it, in this UE's name and with its signature.
    fn resigned(&self, clock: UtcTime) -> Option<Vec<u8>> {
        let captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let mut repr = Repr::parse(&Packet::new_checked(&captured[..]).ok()?).ok()?;
        repr.header.csb_id = self.csb_id;
        for payload in &mut repr.payloads {
            match payload {
                Payload::Timestamp(time) => *time = Timestamp::NtpUtc(NtpTime::from_utc(clock).0),
                Payload::IdRole { role: IdRole::HiddenInitiator, data, .. } => {
                    *data = self.signing.identifier();
                }
                _ => {}
            }
        }
        let mut octets = repr.to_octets().ok()?;
        let Some(Payload::Signature(signature)) = repr.payloads.last() else { return None };
        let covered = octets.len() - signature.octets.len();
        let signature = self.signing.sign(&octets[..covered], self.nonce);
        octets[covered..].copy_from_slice(&signature);
        Some(octets)
    }
}

impl Steps for ResigningEnd {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Begin => {
                let octets = self.resigned(party.clock);
                octets.map(Step::Send).ok_or_else(|| refused("no I_MESSAGE was heard"))
            }
            // It does not know the key that it sent.
            _ => Ok(Step::Wait),
        }
    }
}
