//! Discovery entries that only their announcer can announce: keys that are disclosed later, chains of codes, and pointers to
//! signatures on the SL-SCH. What monitors need is public; a monitor's file has no secret of them.

use super::entry::{Discovery, Hex, Protection, Secret};
use super::fresh::random;
use super::material::exactly;
use crate::error::{Error, Fault};
use serde::{Deserialize, Serialize};
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::chain::{ChainSeed, Plan};
use sidelink_security::discovery::code_chain::CodeAnchor;
use sidelink_security::discovery::delayed_key::{KeyAnchor, MAX_DELAY, ShortCode};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::discovery::signature::{Scheme, SigningKey, VerifyingKey};
use sidelink_security::discovery::{Code, Verified};

/// A one-way chain with its signed anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChainEntry {
    /// Element 0: 10 octets of a key, 23 of a code.
    pub first: Hex,
    /// UTC in milliseconds at which slot 1 begins.
    pub start_ms: u64,
    /// Length of a slot in milliseconds.
    pub period_ms: u64,
    /// Number of slots.
    pub length: u32,
    /// Salt, 64 bits.
    pub salt: Hex,
    /// Slots from a MIC to its key; of keys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<u16>,
    /// Public key of the announcer.
    pub public_key: Hex,
    /// Its signature of the anchor.
    pub signature: Hex,
    /// Secret of all elements, 256 bits; at the announcer alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<Secret>,
    /// Private key of the announcer; for anchors that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<Secret>,
}

/// The keys of signatures on the SL-SCH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PointerEntry {
    /// Public key of the announcer.
    pub public_key: Hex,
    /// Its private key; at the announcer alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<Secret>,
}

/// Secrets of an entry of this kind, ready for the announcer.
// One per entry, built once.
#[allow(clippy::large_enum_variant)]
pub enum OwnAnnouncement {
    /// A code under keys that are disclosed later.
    Delayed(KeyAnchor, ChainSeed, ShortCode),
    /// A chain of codes.
    Chain(CodeAnchor, ChainSeed),
    /// A code that is signed on the SL-SCH.
    Pointer(SigningKey, Code),
}

/// Times and length of a fresh chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshChain {
    /// Begin of slot 1.
    pub start: UtcTime,
    /// Length of a slot.
    pub period: RotationPeriod,
    /// Number of slots.
    pub length: u32,
    /// Slots from a MIC to its key, of chains of keys.
    pub delay: u16,
}

/// Draws a private key; the scheme is one without a key management server.
///
/// # Errors
/// No random source.
pub fn fresh_signing_key(scheme: Scheme) -> Result<SigningKey, Error> {
    loop {
        let secret = random_array::<32>()?;
        // Once in 2^32 the octets do not fit the curve.
        match SigningKey::new(scheme, &secret) {
            Ok(key) => return Ok(key),
            Err(_) if !scheme.is_eccsi() => {}
            Err(error) => return Err(Error::entry("", Fault::SignatureKey(error))),
        }
    }
}

fn random_array<const N: usize>() -> Result<[u8; N], Error> {
    let mut out = [0; N];
    out.copy_from_slice(random(N)?.as_bytes());
    Ok(out)
}

impl ChainEntry {
    /// Makes a fresh chain whose anchor `key` signs: of keys for [`Protection::DelayedKey`], otherwise of codes.
    ///
    /// # Errors
    /// No random source, or a chain that is too long.
    pub fn fresh(protection: Protection, chain: FreshChain, key: &SigningKey) -> Result<Self, Error> {
        let (seed, salt, nonce) = (random(32)?, random_array::<8>()?, random_array::<32>()?);
        let plan = Plan::new(chain.start, chain.period, chain.length, salt)
            .map_err(|error| Error::entry("", Fault::ChainPlan(error)))?;
        let secret = ChainSeed::from(exactly_secret(&seed)?);
        let (first, signature, delay) = if protection == Protection::DelayedKey {
            let anchor = KeyAnchor::of(plan, chain.delay, &secret);
            (anchor.key.to_vec(), anchor.sign(key, nonce), Some(chain.delay))
        } else {
            let anchor = CodeAnchor::of(plan, &secret);
            (anchor.code.to_vec(), anchor.sign(key, nonce), None)
        };
        Ok(Self {
            first: Hex(first),
            start_ms: chain.start.millis(),
            period_ms: chain.period.millis(),
            length: chain.length,
            salt: Hex(salt.to_vec()),
            delay,
            public_key: Hex(key.verifying_key().to_octets()),
            signature: Hex(signature.as_octets().to_vec()),
            seed: Some(seed),
            signing_key: Some(Secret::new(key.to_octets().to_vec())),
        })
    }

    fn plan(&self, place: &str) -> Result<Plan, Error> {
        let period = RotationPeriod::from_millis(self.period_ms)
            .map_err(|e| Error::entry(place, Fault::Rotation(e.to_string())))?;
        let salt = exactly("salt", &self.salt, place)?;
        Plan::new(UtcTime::from_millis(self.start_ms), period, self.length, salt)
            .map_err(|error| Error::entry(place, Fault::ChainPlan(error)))
    }

    fn key(&self, place: &str) -> Result<VerifyingKey, Error> {
        public_key(&self.public_key, place)
    }

    fn key_anchor(&self, place: &str) -> Result<Verified<KeyAnchor>, Error> {
        let delay = self.delay.ok_or_else(|| Error::entry(place, Fault::Lacks("delay".to_owned())))?;
        if !(2..=MAX_DELAY).contains(&delay) {
            return Err(Error::entry(place, Fault::ChainDelay(delay)));
        }
        let anchor = KeyAnchor { key: exactly("first", &self.first, place)?, plan: self.plan(place)?, delay };
        anchor.verify(&self.key(place)?, &self.signature.0).map_err(|_| Error::entry(place, Fault::Anchor))
    }

    fn code_anchor(&self, place: &str) -> Result<Verified<CodeAnchor>, Error> {
        let anchor = CodeAnchor { code: exactly("first", &self.first, place)?, plan: self.plan(place)? };
        anchor.verify(&self.key(place)?, &self.signature.0).map_err(|_| Error::entry(place, Fault::Anchor))
    }

    fn seed(&self) -> Result<Option<ChainSeed>, Error> {
        self.seed.as_ref().map(|seed| exactly_secret(seed).map(ChainSeed::from)).transpose()
    }
}

impl PointerEntry {
    /// Makes an entry of a private key.
    pub fn of(key: &SigningKey) -> Self {
        let public_key = Hex(key.verifying_key().to_octets());
        Self { public_key, signing_key: Some(Secret::new(key.to_octets().to_vec())) }
    }
}

impl Discovery {
    /// Returns the code of 104 bits of an entry of delayed keys.
    ///
    /// # Errors
    /// It is missing, or has another length.
    pub fn short_code(&self) -> Result<ShortCode, Error> {
        let place = self.place();
        let code =
            self.code.as_ref().ok_or_else(|| Error::entry(&*place, Fault::Lacks("code".to_owned())))?;
        exactly("code", code, &place)
    }

    pub(super) fn key_anchor(&self) -> Result<Verified<KeyAnchor>, Error> {
        table(self.delayed_key.as_ref(), "delayed-key", &self.place())?.key_anchor(&self.place())
    }

    pub(super) fn code_anchor(&self) -> Result<Verified<CodeAnchor>, Error> {
        table(self.chain.as_ref(), "chain", &self.place())?.code_anchor(&self.place())
    }

    pub(super) fn pointer_key(&self) -> Result<VerifyingKey, Error> {
        public_key(&table(self.pointer.as_ref(), "pointer", &self.place())?.public_key, &self.place())
    }

    /// Returns what its announcer needs; `None` for another protection, and where the secrets are elsewhere.
    ///
    /// # Errors
    /// A field is missing or wrong.
    pub fn own_announcement(&self) -> Result<Option<OwnAnnouncement>, Error> {
        let place = self.place();
        Ok(match self.protection {
            Protection::DelayedKey => {
                let (anchor, code) = (self.key_anchor()?.into_inner(), self.short_code()?);
                let seed =
                    self.delayed_key.as_ref().and_then(|chain| chain.seed().transpose()).transpose()?;
                seed.map(|seed| OwnAnnouncement::Delayed(anchor, seed, code))
            }
            Protection::Chain => {
                let anchor = self.code_anchor()?.into_inner();
                let seed = self.chain.as_ref().and_then(|chain| chain.seed().transpose()).transpose()?;
                seed.map(|seed| OwnAnnouncement::Chain(anchor, seed))
            }
            Protection::Pointer => {
                let secret = self.pointer.as_ref().and_then(|pointer| pointer.signing_key.as_ref());
                let key = secret.map(|secret| SigningKey::from_octets(secret.as_bytes())).transpose();
                let key = key.map_err(|error| Error::entry(&*place, Fault::SignatureKey(error)))?;
                match key {
                    Some(key) => Some(OwnAnnouncement::Pointer(key, self.code()?)),
                    None => None,
                }
            }
            _ => None,
        })
    }

    /// Returns the secrets that its tables may have, with their names.
    pub fn table_secrets(&mut self) -> Vec<(&'static str, &mut Option<Secret>)> {
        let mut secrets = Vec::new();
        if let Some(keys) = &mut self.delayed_key {
            secrets.push(("delayed-key.seed", &mut keys.seed));
            secrets.push(("delayed-key.signing-key", &mut keys.signing_key));
        }
        if let Some(chain) = &mut self.chain {
            secrets.push(("chain.seed", &mut chain.seed));
            secrets.push(("chain.signing-key", &mut chain.signing_key));
        }
        if let Some(pointer) = &mut self.pointer {
            secrets.push(("pointer.signing-key", &mut pointer.signing_key));
        }
        if let Some(signed) = &mut self.signed {
            secrets.push(("signed.signing-key", &mut signed.signing_key));
            secrets.push(("signed.group-key", &mut signed.group_key));
        }
        secrets
    }

    /// Removes the secrets of chains and signatures: a monitor needs none.
    pub(super) fn forget_own_secrets(&mut self) {
        for chain in [&mut self.delayed_key, &mut self.chain].into_iter().flatten() {
            (chain.seed, chain.signing_key) = (None, None);
        }
        if let Some(pointer) = &mut self.pointer {
            pointer.signing_key = None;
        }
        if let Some(signed) = &mut self.signed {
            signed.signing_key = None;
        }
    }
}

fn table<'a, T>(table: Option<&'a T>, name: &str, place: &str) -> Result<&'a T, Error> {
    table.ok_or_else(|| Error::entry(place, Fault::Lacks(format!("table {name}"))))
}

fn public_key(octets: &Hex, place: &str) -> Result<VerifyingKey, Error> {
    VerifyingKey::from_octets(&octets.0).map_err(|error| Error::entry(place, Fault::SignatureKey(error)))
}

fn exactly_secret(secret: &Secret) -> Result<[u8; 32], Error> {
    let octets = secret.as_bytes();
    octets.try_into().map_err(|_| super::material::wrong("seed", 32, octets.len(), ""))
}

#[cfg(test)]
mod tests;
