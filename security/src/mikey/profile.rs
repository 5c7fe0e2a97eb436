//! The profile of 3GPP: GUK-ID, parameters of keys, keys of SRTP. TS 33.180 §5.2.3, §E.6, §F.1.

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{CryptoSession, Prf, TrafficKey, WrongMac, traffic_key};
use crate::kdf::{ParameterTooLong, fc, kdf};

/// Bits of a key ID behind its purpose.
const ID_BITS: u32 = 0x0fff_ffff;

/// The user salt of a member of a group: 28 bits. TS 33.180 §F.1.3.
///
/// # Errors
/// An identity above 65535 octets.
pub fn user_salt(gmk: &[u8], user: &str) -> Result<u32, ParameterTooLong> {
    let derived = kdf(gmk, fc::USER_SALT, &[user.as_bytes()])?;
    let [.., a, b, c, d] = *derived;
    Ok(u32::from_be_bytes([a, b, c, d]) & ID_BITS)
}

/// The GUK-ID of a member: the purpose of the GMK-ID, and its other 28 bits XOR the user salt. TS 33.180 §5.2.3. Given a
/// GUK-ID in the place of the GMK-ID, it is the GMK-ID.
///
/// # Errors
/// An identity above 65535 octets.
pub fn guk_id(gmk: &[u8], gmk_id: u32, user: &str) -> Result<u32, ParameterTooLong> {
    Ok(gmk_id ^ user_salt(gmk, user)?)
}

/// Octets of the tag of protected parameters.
pub const TAG_OCTETS: usize = 16;

/// AES-128-GCM with an IV of 16 octets, which is hashed: J0 is not IV || 1.
type ParameterCipher = AesGcm<aes::Aes128, U16>;

/// DPCK, the key of protected parameters: the last octets of KDF(DPPK, 0x53, DPPK-ID), as many as the DPPK has.
fn cipher(dppk: &[u8; 16], key_id: u32) -> ParameterCipher {
    let dpck = dpck(dppk, key_id);
    ParameterCipher::new((&*dpck).into())
}

/// Derives DPCK from the key that a message carries and its ID.
pub fn dpck(dppk: &[u8; 16], key_id: u32) -> Zeroizing<[u8; 16]> {
    let derived = crate::kdf::derive(dppk, fc::DPCK, &[&key_id.to_be_bytes()]);
    Zeroizing::new(crate::kdf::low_128(&derived))
}

/// Ciphers parameters under the key that a message carries; the tag stands behind them. One IV serves once under a key.
///
/// # Panics
/// Parameters above 64 gigaoctets.
pub fn protect_parameters(
    dppk: &[u8; 16],
    key_id: u32,
    iv: &[u8; 16],
    associated: &[u8],
    plain: &[u8],
) -> Vec<u8> {
    cipher(dppk, key_id)
        .encrypt(iv.into(), Payload { msg: plain, aad: associated })
        .expect("no parameters are longer than AES-GCM ciphers")
}

/// Deciphers parameters, the tag behind them.
///
/// # Errors
/// They are altered, or of another key.
pub fn open_parameters(
    dppk: &[u8; 16],
    key_id: u32,
    iv: &[u8; 16],
    associated: &[u8],
    protected: &[u8],
) -> Result<Zeroizing<Vec<u8>>, WrongMac> {
    cipher(dppk, key_id)
        .decrypt(iv.into(), Payload { msg: protected, aad: associated })
        .map(Zeroizing::new)
        .map_err(|_| WrongMac)
}

/// Master key and salt of SRTP with AES-GCM.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SrtpMaster {
    /// Key.
    pub key: [u8; 16],
    /// Salt.
    pub salt: [u8; 12],
}

impl std::fmt::Debug for SrtpMaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SrtpMaster(redacted)")
    }
}

/// Master key and salt of a crypto session from the key that a message carries.
pub fn srtp_master(tgk: &[u8; 16], session: CryptoSession, rand: &[u8]) -> SrtpMaster {
    let mut master = SrtpMaster { key: [0; 16], salt: [0; 12] };
    traffic_key(Prf::HmacSha256, TrafficKey::Tek, tgk, session, rand, &mut master.key);
    traffic_key(Prf::HmacSha256, TrafficKey::Salt, tgk, session, rand, &mut master.salt);
    master
}
