//! How the KD of a link between remote UE and relay follows from a PRUK: as the text has it, as a draft had it, as 5G has it.
//!
//! ```text
//! Text   KDF(PRUK, 0x48, Relay Service Code, Nonce_1, KD freshness parameter)       TS 33.303 §A.7
//! Draft  KDF(PRUK, 0x48, KD freshness parameter)                                     the change request that brought PRUKs
//! Nr     KDF(PRUK, 0x8A, Relay Service Code, Nonce_1, KD freshness parameter)       TS 33.503 §A.8
//! ```
//!
//! The draft lets a relay use what it was granted for one remote UE, service and exchange in another: what that costs is
//! measured by it, and nothing else uses it. The FC of the draft is that of the text, since it has none.

use sidelink_security::kdf::{fc, kdf, lte, nr};
use sidelink_security::keys::{Kd, Pruk, UpPruk};

/// How a KD is derived, at the PKMF and at the remote UE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Derivation {
    /// TS 33.303 §A.7.
    #[default]
    Text,
    /// Of the derivation parameter alone.
    Draft,
    /// TS 33.503 §A.8.
    Nr,
}

impl Derivation {
    /// Returns the KD of an exchange.
    pub fn kd(self, pruk: &Pruk, service: &[u8; 3], nonce_1: &[u8; 16], freshness: &[u8; 16]) -> Kd {
        match self {
            Self::Text => lte::relay_kd(pruk, service, nonce_1, freshness),
            Self::Draft => {
                let derived = kdf(pruk.as_bytes(), fc::RELAY_KD, &[freshness]);
                Kd::from(*derived.unwrap_or_else(|_| unreachable!("16 octets fit")))
            }
            Self::Nr => {
                let up_pruk = UpPruk::from(*pruk.as_bytes());
                Kd::from(*nr::knrp_from_up_pruk(&up_pruk, *service, nonce_1, freshness).as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_draft_lets_a_kd_serve_another_exchange() {
        let pruk = Pruk::from([7; 32]);
        let kd = |derivation: Derivation, service, nonce| derivation.kd(&pruk, &service, &nonce, &[3; 16]);
        for derivation in [Derivation::Text, Derivation::Nr] {
            let first = kd(derivation, [1; 3], [2; 16]);
            assert!(first != kd(derivation, [2; 3], [2; 16]) && first != kd(derivation, [1; 3], [4; 16]));
            assert!(first != derivation.kd(&pruk, &[1; 3], &[2; 16], &[4; 16]));
        }
        let first = kd(Derivation::Draft, [1; 3], [2; 16]);
        assert!(first == kd(Derivation::Draft, [2; 3], [4; 16]));
        assert!(first != Derivation::Draft.kd(&pruk, &[1; 3], &[2; 16], &[4; 16]));
        assert!(kd(Derivation::Text, [1; 3], [2; 16]) != kd(Derivation::Nr, [1; 3], [2; 16]));
    }
}
