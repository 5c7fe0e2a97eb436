//! Method 3 as steps: keys that a key management server (KMS) made for the identities of the two UEs. Neither end has a
//! certificate of the other: its identity, the public keys of the KMS and the period are enough.
//!
//! ```text
//! draft (TR 33.833 §6.4.3)                           final (TS 33.303 §6.5.7)
//! UE_1 request               ------->  UE_2          UE_1 request + signature            ------->  UE_2
//!      I_MESSAGE, signed     ------->                     <------- command + signature + SAKKE payload
//!      [<------- I_MESSAGE of UE_2]                       complete, accept
//!      <------- command; complete, accept
//! ```
//!
//! The key goes in opposite directions. Both keep the security mode of TS 24.334 §10.4.5: algorithms are negotiated, and
//! the MAC-I of the command proves that both have the key for each other, which a signature does not. In the draft the
//! I_MESSAGE is in a container behind the request.
//!
//! - **KD** = KDF(SSV, identity of UE_1, identity of UE_2), with an SSV of 128 bits: see below.
//! - **Identity**: `ProSe:` and the user info, as the name of a user of the KMS; its UID (TS 33.180 Annex F.2.1) in each period
//!   is what keys are made for.
//! - **Time**: an I_MESSAGE, and a signature that covers the time ([`Coverage::Bound`]), is taken once and within a window.
//!   The signature of TS 33.303 covers no time: a replayed request gets a command that nobody can use.
//! - **Order**: window, replay, signature, and only then the pairing. What a signature costs is 0.3 ms, a pairing 3 ms.
//!
//! **Why the SSV has 128 bits.** TS 33.303 §6.5.7.3.1 step 2 and §6.5.7.3.2 step 2 want an SSV of 256 bits that is KD itself, encoded
//! by RFC 6508. The parameter set that RFC 6509 Appendix A defines, the only one, has n = 128: an SSV is a number below 2^n, and the
//! hash that makes r of it and the mask over it are of n bits (RFC 6508 §2.1, §6.2.1; from memory). Both texts cannot be kept.
//! Two payloads of 128 bits each would take five blocks more, and n = 256 under the same curve would be a set of our own that
//! nobody else opens. Neither makes KD stronger: who breaks the SAKKE of set 1 has the SSV whatever its length, and RFC 6509 §6
//! states 112 bits for that. So the SSV keeps the format of RFC 6509, and a KDF stretches it to a KD of 256 bits, which binds both identities too.
//!
//! Key information: `| 3 | variant | [time 8, or CSB ID 4] | [cookie 16] |`; none at all is the final variant as TS 24.334
//! has it.

mod draft;
mod in_command;
mod keys;

use std::sync::Arc;

pub(super) use keys::user_of;
pub use keys::{IdentityKeys, Kms, PeriodKeys, Window};

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::Subject;

use super::cause::Cause;
use super::kd::Identity;
use super::key_establishment::{Credentials, KeyEstablishment, Refusal, Steps};
use crate::mikey::NtpTime;

/// Octets that a signature in a request and in a command covers. TS 33.303 §6.5.7.3.1 leaves their format open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Coverage {
    /// User Info, Nonce_1 and in a command the SAKKE payload: TS 33.303 §6.5.7.3.1, TS 24.334 §10.4.2.2.
    #[default]
    Clause,
    /// The whole request with the time, and the identity of the other UE: ours.
    Bound,
}

/// Whether UE_2 answers an I_MESSAGE with one of its own. TR 33.833 §6.4.3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It does not: the MAC-I of its command proves it.
    #[default]
    None,
    /// It does, and both keys make KD.
    Signed,
}

/// Who makes the key, and what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The initiating UE makes it: TR 33.833 §6.4.3.
    Draft(Answer),
    /// The target UE makes it: TS 33.303 §6.5.7.
    Final(Coverage),
}

/// Rules of one UE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// What its requests offer.
    pub variant: Variant,
    /// How far the time in a message may be from its clock.
    pub window: Window,
}

impl Default for Rules {
    fn default() -> Self {
        Self { variant: Variant::Final(Coverage::Clause), window: Window::Strict }
    }
}

/// Method 3: keys of identities.
#[derive(Debug)]
pub struct IdentityBased {
    keys: Arc<IdentityKeys>,
    rules: Rules,
}

impl IdentityBased {
    /// Octet of this method in the containers, and of its key information.
    pub const METHOD: u8 = 3;

    /// Returns the method with the keys of this UE.
    pub const fn new(keys: Arc<IdentityKeys>, rules: Rules) -> Self {
        Self { keys, rules }
    }

    /// Returns what key information offers, if this UE takes it.
    fn offered(&self, info: &[u8]) -> Option<Info> {
        let info = Info::parse(info)?;
        // A UE that binds its own signatures to the time takes no others.
        let weaker =
            info.offer == Offer::Final && matches!(self.rules.variant, Variant::Final(Coverage::Bound));
        (!weaker).then_some(info)
    }
}

impl KeyEstablishment for IdentityBased {
    fn method(&self) -> u8 {
        Self::METHOD
    }

    fn initiate(
        &self,
        clock: UtcTime,
        _: Option<&Credentials>,
        seed: [u8; 32],
        cookie: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let keys = Arc::clone(&self.keys);
        match self.rules.variant {
            Variant::Draft(answer) => {
                let steps = draft::Initiating::new(keys, self.rules.window, answer, seed);
                let offer = Offer::Draft { answer, csb_id: steps.csb_id() };
                Some((Box::new(steps), Info { offer, cookie }.emit()))
            }
            Variant::Final(coverage) => {
                let offer = match coverage {
                    Coverage::Clause => Offer::Final,
                    Coverage::Bound => Offer::Bound { time: NtpTime::from_utc(clock).0 },
                };
                let steps = in_command::Initiating::new(keys, offer, seed);
                Some((Box::new(steps), Info { offer, cookie }.emit()))
            }
        }
    }

    fn understands(&self, info: &[u8]) -> bool {
        self.offered(info).is_some()
    }

    fn cookie(&self, info: &[u8]) -> Option<[u8; 16]> {
        self.offered(info)?.cookie
    }

    fn answer(&self, info: &[u8], seed: [u8; 32]) -> Option<Box<dyn Steps>> {
        let (keys, window) = (Arc::clone(&self.keys), self.rules.window);
        Some(match self.offered(info)?.offer {
            Offer::Draft { answer, csb_id } => {
                Box::new(draft::Target::new(keys, window, (answer, csb_id), seed))
            }
            offer => Box::new(in_command::Target::new(keys, window, offer, seed)),
        })
    }
}

/// What a request offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    Draft { answer: Answer, csb_id: u32 },
    Final,
    Bound { time: u64 },
}

/// Key information.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Info {
    offer: Offer,
    cookie: Option<[u8; 16]>,
}

impl Info {
    fn parse(info: &[u8]) -> Option<Self> {
        if info.is_empty() {
            return Some(Self { offer: Offer::Final, cookie: None });
        }
        let (variant, rest) = info.strip_prefix(&[IdentityBased::METHOD])?.split_first()?;
        let (offer, cookie) = match variant {
            1 => (Offer::Final, rest),
            2 => {
                let (time, rest) = rest.split_first_chunk()?;
                (Offer::Bound { time: u64::from_be_bytes(*time) }, rest)
            }
            3 | 4 => {
                let (csb_id, rest) = rest.split_first_chunk()?;
                let answer = if *variant == 4 { Answer::Signed } else { Answer::None };
                (Offer::Draft { answer, csb_id: u32::from_be_bytes(*csb_id) }, rest)
            }
            _ => return None,
        };
        let cookie = match cookie {
            [] => None,
            cookie => Some(cookie.try_into().ok()?),
        };
        Some(Self { offer, cookie })
    }

    fn emit(&self) -> Vec<u8> {
        let mut info = vec![IdentityBased::METHOD];
        match (self.offer, self.cookie) {
            // As TS 24.334 §10.4.2.2 has it.
            (Offer::Final, None) => return Vec::new(),
            (Offer::Final, Some(_)) => info.push(1),
            (Offer::Draft { answer, csb_id }, _) => {
                info.push(if answer == Answer::Signed { 4 } else { 3 });
                info.extend(csb_id.to_be_bytes());
            }
            (Offer::Bound { time }, _) => {
                info.push(2);
                info.extend(time.to_be_bytes());
            }
        }
        info.extend(self.cookie.into_iter().flatten());
        info
    }
}

/// Checks that the time in a message is within the window of the clock.
fn in_window(window: Window, clock: UtcTime, time: u64) -> Result<(), Refusal> {
    let off = NtpTime(time).to_utc().millis().abs_diff(clock.millis());
    if off <= window.millis() {
        return Ok(());
    }
    let why = format!(
        "its message is {off} ms away from the clock, at most {} are taken: compare the clocks",
        window.millis()
    );
    Err(Refusal { cause: Cause::Expired, why })
}

fn subject(identity: &Identity) -> Subject<'_> {
    Subject { kind: identity.kind, value: &identity.value }
}
