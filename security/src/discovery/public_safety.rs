//! Public-safety discovery: the material of [`restricted`](super::restricted) derived from a PSDK. TS 33.303 §6.6.7,
//! §A.8; TS 24.334 §10A.2.1.

use super::restricted::{EncryptedBitmask, Material};
use crate::counter::UtcCounter;
use crate::kdf::{lte, own};
use crate::keys::Psdk;

/// What a PSDK keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PsdkUse {
    /// Every relay service code and discovery group that is assigned to its Key Type ID: one set of keys for all.
    /// TS 33.303 §6.6.3.2.
    #[default]
    KeyType,
    /// Our own: a relay service code or discovery group has keys of its own, which are of no use for another under the
    /// same PSDK.
    Identity([u8; 3]),
}

/// What the key management function sends for the services of one Key Type.
#[derive(Debug)]
pub struct PublicSafetyKey {
    /// The key.
    pub psdk: Psdk,
    /// What it keys.
    pub serves: PsdkUse,
    /// End of validity.
    pub expiry: UtcCounter,
    /// Which keys to use: DUSK.
    pub scramble: bool,
    /// DUIK.
    pub integrity: bool,
    /// DUCK, and which bits of the content it protects.
    pub confidentiality: Option<EncryptedBitmask>,
}

impl PublicSafetyKey {
    /// The material, or `None` after the expiry.
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
