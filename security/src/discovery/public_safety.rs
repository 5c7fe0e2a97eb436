//! Public-safety discovery: the material of [`restricted`](super::restricted) derived from a PSDK.
//! TS 24.334 §10A.2.1 (read); TS 33.303 §6.6.7, §A.8.

use super::restricted::{EncryptedBitmask, Material};
use crate::counter::UtcCounter;
use crate::kdf::lte;
use crate::keys::Psdk;

/// What the key management function sends for one relay service code or discovery group.
#[derive(Debug)]
pub struct PublicSafetyKey {
    /// The key.
    pub psdk: Psdk,
    /// Relay service code or discovery group identity.
    pub identity: [u8; 3],
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
    pub fn material(&self, now: UtcCounter) -> Option<Material> {
        if now >= self.expiry {
            return None;
        }
        Some(Material {
            dusk: self.scramble.then(|| lte::dusk_from_psdk(&self.psdk, self.identity)),
            duik: self.integrity.then(|| lte::duik_from_psdk(&self.psdk, self.identity)),
            duck: self.confidentiality.map(|mask| (lte::duck_from_psdk(&self.psdk, self.identity), mask)),
        })
    }
}
