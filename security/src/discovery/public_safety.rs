//! Public-safety discovery: the material of [`restricted`](super::restricted) derived from a PSDK. TS 33.303 §6.6.7,
//! §A.8; TS 24.334 §10A.2.1.

use super::restricted::{EncryptedBitmask, Material};
use crate::counter::UtcCounter;
use crate::kdf::{lte, own};
use crate::keys::Psdk;

/// The services that the keys of a PSDK protect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PsdkUse {
    /// Every relay service code and discovery group that is assigned to its Key Type ID: one set of keys for all.
    /// TS 33.303 §6.6.3.2.
    /// TS 33.303 §6.6.3.2.
    #[default]
    KeyType,
    /// Our own: a relay service code or discovery group has keys of its own, which are useless for another under the
    /// same PSDK.
    Identity([u8; 3]),
}

/// The key management function's data for the services of one Key Type.
#[derive(Debug)]
pub struct PublicSafetyKey {
    /// The key.
    pub psdk: Psdk,
    /// The services that it protects.
    pub serves: PsdkUse,
    /// End of validity.
    pub expiry: UtcCounter,
    /// Whether to use a DUSK (scrambling).
    pub scramble: bool,
    /// Whether to use a DUIK (integrity).
    pub integrity: bool,
    /// The bits of the content that a DUCK encrypts; `None` for no DUCK.
    pub confidentiality: Option<EncryptedBitmask>,
}

impl PublicSafetyKey {
    /// Returns the material, or `None` after the expiry.
    // TS 33.303 §6.6.3.1
    pub fn material(&self, now: UtcCounter) -> Option<Material> {
        if now >= self.expiry {
            return None;
        }
        Some(match self.serves {
            PsdkUse::KeyType => self.derived(&self.psdk),
            PsdkUse::Identity(identity) => self.derived(&own::psdk_of_identity(&self.psdk, identity)),
        })
    }

    fn derived(&self, psdk: &Psdk) -> Material {
        Material {
            dusk: self.scramble.then(|| lte::dusk_from_psdk(psdk)),
            duik: self.integrity.then(|| lte::duik_from_psdk(psdk)),
            duck: self.confidentiality.map(|mask| (lte::duck_from_psdk(psdk), mask)),
        }
    }
}
