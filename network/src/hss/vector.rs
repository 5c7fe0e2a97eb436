//! What of a quintet goes out.

use std::fmt;

use sidelink_security::kdf::{eap_aka, fc, kdf};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{Purpose, Refusal};
use crate::aka::{Autn, Quintet, Rand};

/// Authentication vector of a purpose.
#[derive(Debug)]
pub enum Vector {
    /// Bootstrapping.
    Gba(Quintet),
    /// E-UTRAN.
    Eps(EpsVector),
    /// EAP-AKA.
    EapAka(Quintet),
    /// EAP-AKA'.
    EapAkaPrime(EapAkaPrimeVector),
}

/// EPS authentication vector. TS 33.401 §6.1.2.
#[derive(ZeroizeOnDrop)]
pub struct EpsVector {
    /// RAND.
    #[zeroize(skip)]
    pub rand: Rand,
    /// AUTN, its separation bit set.
    #[zeroize(skip)]
    pub autn: Autn,
    /// XRES.
    pub xres: [u8; 8],
    /// K_ASME.
    pub k_asme: [u8; 32],
}

/// Vector of EAP-AKA'. TS 33.402 §6.2.
#[derive(ZeroizeOnDrop)]
pub struct EapAkaPrimeVector {
    /// RAND.
    #[zeroize(skip)]
    pub rand: Rand,
    /// AUTN, its separation bit set.
    #[zeroize(skip)]
    pub autn: Autn,
    /// XRES.
    pub xres: [u8; 8],
    /// CK' and IK'.
    #[zeroize(skip)]
    pub keys: eap_aka::CkIkPrime,
}

impl Vector {
    pub(super) fn new(quintet: Quintet, purpose: &Purpose) -> Result<Self, Refusal> {
        let (rand, autn, xres) = (quintet.rand, quintet.autn, quintet.res);
        Ok(match purpose {
            Purpose::Gba => Self::Gba(quintet),
            Purpose::EapAka => Self::EapAka(quintet),
            Purpose::Eps { serving_network } => {
                Self::Eps(EpsVector { rand, autn, xres, k_asme: *k_asme(&quintet, serving_network) })
            }
            Purpose::EapAkaPrime { network_name } => {
                if network_name.is_empty() {
                    return Err(Refusal::NetworkName);
                }
                let sqn = autn.concealed_sqn();
                let keys = eap_aka::ck_ik_prime(&quintet.ck, &quintet.ik, network_name, &sqn)
                    .map_err(|_| Refusal::NetworkName)?;
                Self::EapAkaPrime(EapAkaPrimeVector { rand, autn, xres, keys })
            }
        })
    }
}

/// K_ASME = KDF(CK || IK, 0x10, serving network, SQN xor AK). TS 33.401 Annex A.2.
pub(crate) fn k_asme(quintet: &Quintet, serving_network: &[u8; 3]) -> Zeroizing<[u8; 32]> {
    let sqn = quintet.autn.concealed_sqn();
    kdf(quintet.ks().as_bytes(), fc::K_ASME, &[serving_network, &sqn])
        .expect("parameters of 3 and 6 octets fit 16 bits of length")
}

impl fmt::Debug for EpsVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpsVector")
            .field("rand", &self.rand)
            .field("autn", &self.autn)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EapAkaPrimeVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("EapAkaPrimeVector");
        shown.field("rand", &self.rand).field("autn", &self.autn).finish_non_exhaustive()
    }
}
