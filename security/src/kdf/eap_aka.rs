//! EAP-AKA', RFC 9048: CK', IK' and the keys of the method.

use std::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{ParameterTooLong, fc, kdf};
use crate::hmac::Keyed;

/// CK' and IK'.
#[derive(ZeroizeOnDrop)]
pub struct CkIkPrime {
    /// CK'.
    pub ck_prime: [u8; 16],
    /// IK'.
    pub ik_prime: [u8; 16],
}

/// Computes CK' || IK' = KDF(CK || IK, 0x20, network name, SQN xor AK). TS 33.402 §A.2; AUTN begins with SQN xor AK.
pub fn ck_ik_prime(
    ck: &[u8; 16],
    ik: &[u8; 16],
    network_name: &str,
    sqn_xor_ak: &[u8; 6],
) -> Result<CkIkPrime, ParameterTooLong> {
    let mut key = Zeroizing::new([0; 32]);
    key[..16].copy_from_slice(ck);
    key[16..].copy_from_slice(ik);
    let derived = kdf(&key[..], fc::CK_IK_PRIME, &[network_name.as_bytes(), sqn_xor_ak])?;
    let (mut ck_prime, mut ik_prime) = ([0; 16], [0; 16]);
    ck_prime.copy_from_slice(&derived[..16]);
    ik_prime.copy_from_slice(&derived[16..]);
    Ok(CkIkPrime { ck_prime, ik_prime })
}

/// The keys in the MK of EAP-AKA'. RFC 9048 §3.3.
#[derive(ZeroizeOnDrop)]
pub struct MasterKeys {
    /// K_encr.
    pub k_encr: [u8; 16],
    /// K_aut.
    pub k_aut: [u8; 32],
    /// K_re.
    pub k_re: [u8; 32],
    /// MSK.
    pub msk: [u8; 64],
    /// EMSK.
    pub emsk: [u8; 64],
}

/// Computes MK = PRF'(IK' || CK', "EAP-AKA'" || identity). RFC 9048 §3.3, §3.4.
pub fn master_keys(keys: &CkIkPrime, identity: &str) -> MasterKeys {
    let mut key = Zeroizing::new([0; 32]);
    key[..16].copy_from_slice(&keys.ik_prime);
    key[16..].copy_from_slice(&keys.ck_prime);
    let mut mk = Zeroizing::new([0; 208]);
    prf_prime(&key[..], &[b"EAP-AKA'", identity.as_bytes()], &mut mk[..]);
    let mut keys = MasterKeys { k_encr: [0; 16], k_aut: [0; 32], k_re: [0; 32], msk: [0; 64], emsk: [0; 64] };
    keys.k_encr.copy_from_slice(&mk[..16]);
    keys.k_aut.copy_from_slice(&mk[16..48]);
    keys.k_re.copy_from_slice(&mk[48..80]);
    keys.msk.copy_from_slice(&mk[80..144]);
    keys.emsk.copy_from_slice(&mk[144..208]);
    keys
}

/// What EAP-AKA' exports.
#[derive(ZeroizeOnDrop)]
pub struct ExportedKeys {
    /// MSK.
    pub msk: [u8; 64],
    /// EMSK.
    pub emsk: [u8; 64],
}

impl fmt::Debug for ExportedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportedKeys(redacted)")
    }
}

/// MSK || EMSK = PRF'(K_re, "EAP-AKA' re-auth" || identity || counter || NONCE_S): a fast re-authentication. RFC 9048 §3.3.
pub fn reauthentication_keys(
    k_re: &[u8; 32],
    identity: &str,
    counter: u16,
    nonce_s: &[u8; 16],
) -> ExportedKeys {
    let mut mk = Zeroizing::new([0; 128]);
    let parts: [&[u8]; 4] = [b"EAP-AKA' re-auth", identity.as_bytes(), &counter.to_be_bytes(), nonce_s];
    prf_prime(k_re, &parts, &mut mk[..]);
    let mut keys = ExportedKeys { msk: [0; 64], emsk: [0; 64] };
    keys.msk.copy_from_slice(&mk[..64]);
    keys.emsk.copy_from_slice(&mk[64..]);
    keys
}

/// PRF'(K, S): T1 = HMAC(K, S | 1), Tn = HMAC(K, T(n-1) | S | n). RFC 9048 §3.4.1.
fn prf_prime(key: &[u8], parts: &[&[u8]], out: &mut [u8]) {
    let keyed = Keyed::new(key);
    let s = parts.concat();
    let mut previous = Zeroizing::new([0; 32]);
    for (i, chunk) in out.chunks_mut(32).enumerate() {
        let head: &[u8] = if i == 0 { &[] } else { &previous[..] };
        let t = keyed.mac(&[head, &s, &[i as u8 + 1]]);
        *previous = t;
        chunk.copy_from_slice(&previous[..chunk.len()]);
    }
}
