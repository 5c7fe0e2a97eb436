//! Proof that whoever registers a public key has its private key: a signature over a number of the server's.
//!
//! ```text
//!   UE                                         server
//!   NONCE_REQUEST, name   ------------------>
//!                         <------------------  nonce: time, tag = MAC(secret; time, UE, name)
//!   REGISTER: name, key, nonce, signature of [`signed_text`]  -->  tag, time, then the signature
//! ```
//!
//! The server keeps nothing for a nonce: its tag binds it to one UE, one name and one time. It lives for [`NONCE_LIFETIME`], and one
//! that is not younger than that of the key that is there counts no more, so that each serves once.

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::Purpose;
use sidelink_security::kdf::own::cookie;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::key::{KeyName, PublicKey};
use crate::pc3::Imsi;

/// Milliseconds from a nonce until it counts no more. Own.
pub const NONCE_LIFETIME: u64 = 60_000;

/// A number of the server's: 8 octets of time in milliseconds, 16 of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 24]);

/// Makes nonces and knows them again.
pub(super) struct Nonces(Zeroizing<[u8; 16]>);

impl Nonces {
    /// With a secret that is derived from a seed: nonces of before do not outlive a start.
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(cookie(seed, b"nonce for a public key")))
    }

    pub(super) fn give(&self, ue: Imsi, name: &KeyName, now: UtcTime) -> Nonce {
        let mut nonce = [0; 24];
        nonce[..8].copy_from_slice(&now.millis().to_be_bytes());
        nonce[8..].copy_from_slice(&self.tag(ue, name, now));
        Nonce(nonce)
    }

    /// When it was given; none where it was not, to this UE for this name, or too long ago.
    pub(super) fn given_at(&self, nonce: &Nonce, ue: Imsi, name: &KeyName, now: UtcTime) -> Option<UtcTime> {
        let (time, tag) = nonce.0.split_first_chunk::<8>()?;
        let at = UtcTime::from_millis(u64::from_be_bytes(*time));
        let is_ours = bool::from(self.tag(ue, name, at).ct_eq(tag));
        (is_ours && at <= now && now < at.plus_millis(NONCE_LIFETIME)).then_some(at)
    }

    fn tag(&self, ue: Imsi, name: &KeyName, at: UtcTime) -> [u8; 16] {
        let ue = ue.to_string();
        let context =
            [&at.millis().to_be_bytes()[..], ue.as_bytes(), &[0, name.kind()], name.as_str().as_bytes()];
        cookie(&self.0[..], &context.concat())
    }
}

/// What the private key signs, for [`Purpose::Registration`]: the nonce, UE, name and key, each with its length where it has none of
/// its own.
///
/// [`Purpose::Registration`]: sidelink_security::discovery::signature::Purpose::Registration
pub fn signed_text(ue: Imsi, name: &KeyName, key: &PublicKey, nonce: &Nonce) -> Vec<u8> {
    let mut text = nonce.0.to_vec();
    for part in [ue.to_string().as_bytes(), &[name.kind()], name.as_str().as_bytes(), key.octets()] {
        // No part is longer: names have 512 octets at most.
        text.extend((part.len() as u16).to_be_bytes());
        text.extend(part);
    }
    text
}

/// Whether who has the private key signed it.
pub(super) fn is_proven(ue: Imsi, name: &KeyName, key: &PublicKey, nonce: &Nonce, signature: &[u8]) -> bool {
    let text = signed_text(ue, name, key, nonce);
    key.key().verify(Purpose::Registration, &text, signature).is_ok()
}
