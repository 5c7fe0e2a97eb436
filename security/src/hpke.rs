//! Encryption to a public key: HPKE in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-128-GCM (RFC 9180).
//! One message for each encapsulation; [`OVERHEAD`] octets more than the content.
//!
//! Base mode says nothing of the sender: a signature over the result must.

use core::convert::Infallible;

use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::{Zeroize, Zeroizing};

/// Octets before the ciphertext: the encapsulated key.
pub const ENCAPSULATED: usize = 32;
/// Octets that a message grows by: the encapsulated key and the tag.
pub const OVERHEAD: usize = ENCAPSULATED + 16;

/// A key pair of a receiver, for one exchange.
pub struct ReceiverKey {
    secret: <X25519HkdfSha256 as Kem>::PrivateKey,
    public: [u8; 32],
}

impl ReceiverKey {
    /// Derives a key pair from 32 octets that are drawn for it and used for nothing else. RFC 9180 §7.1.3.
    pub fn new(seed: &[u8; 32]) -> Self {
        let (secret, public) = X25519HkdfSha256::derive_keypair(seed);
        Self { secret, public: public.to_bytes().into() }
    }

    /// Returns the public key.
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Opens a message that was sealed to this key; `None` when the message, `info` or `aad` differs.
    pub fn open(&self, info: &[u8], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED)?;
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
        let mode = OpModeR::Base;
        hpke::single_shot_open::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
            &mode,
            &self.secret,
            &encapsulated,
            info,
            ciphertext,
            aad,
        )
        .ok()
        .map(Zeroizing::new)
    }
}

impl core::fmt::Debug for ReceiverKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ReceiverKey(redacted)")
    }
}

/// Seals `content` to a public key: encapsulated key, ciphertext, tag. `seed` is drawn for this message and used for
/// nothing else: the same seed repeats the key. `None` for a public key of small order.
pub fn seal(public: &[u8; 32], info: &[u8], aad: &[u8], content: &[u8], seed: [u8; 32]) -> Option<Vec<u8>> {
    let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(public).ok()?;
    let mode = OpModeS::Base;
    let (encapsulated, ciphertext) =
        hpke::single_shot_seal_with_rng::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
            &mode,
            &public,
            info,
            content,
            aad,
            &mut Drawn::new(seed),
        )
        .ok()?;
    Some([&encapsulated.to_bytes()[..], &ciphertext].concat())
}

/// The octets that the caller drew, as a source that gives them once: encapsulation takes 32 octets in one piece. Further
/// ones would be derived from them, and would not repeat.
struct Drawn {
    seed: [u8; 32],
    taken: u64,
}

impl Drawn {
    const fn new(seed: [u8; 32]) -> Self {
        Self { seed, taken: 0 }
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_be_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_be_bytes(octets))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for part in out.chunks_mut(32) {
            let block = match self.taken {
                0 => Zeroizing::new(self.seed),
                at => {
                    crate::kdf::derive(&self.seed, crate::kdf::fc::OWN_ENTROPY, &[b"hpke", &at.to_be_bytes()])
                }
            };
            part.copy_from_slice(&block[..part.len()]);
            self.taken += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::tests::{hex, vectors};
    use proptest::prelude::*;

    fn octets(v: &serde_json::Value) -> Vec<u8> {
        hex(v.as_str().unwrap())
    }

    fn thirty_two(v: &serde_json::Value) -> [u8; 32] {
        octets(v).try_into().unwrap()
    }

    /// RFC 9180 A.1.1: the first message of the context is that of the single-shot form.
    #[test]
    fn the_vector_of_the_rfc() {
        let mut found = 0;
        for v in vectors("hpke_rfc9180_x25519.json").iter().filter(|v| v["mode"] == 0) {
            found += 1;
            let (info, first) = (octets(&v["info"]), &v["encryptions"][0]);
            let (aad, content) = (octets(&first["aad"]), octets(&first["pt"]));
            let receiver = ReceiverKey::new(&thirty_two(&v["ikmR"]));
            assert_eq!(receiver.public(), thirty_two(&v["pkRm"]));
            let sealed = seal(&receiver.public(), &info, &aad, &content, thirty_two(&v["ikmE"])).unwrap();
            assert_eq!(sealed, [octets(&v["enc"]), octets(&first["ct"])].concat());
            assert_eq!(receiver.open(&info, &aad, &sealed).unwrap()[..], content);
            assert_eq!(sealed.len(), content.len() + OVERHEAD);
        }
        assert_eq!(found, 1);
    }

    #[test]
    fn what_cannot_be_opened() {
        let (receiver, other) = (ReceiverKey::new(&[1; 32]), ReceiverKey::new(&[2; 32]));
        let sealed = seal(&receiver.public(), b"info", b"aad", b"content", [3; 32]).unwrap();
        assert_eq!(receiver.open(b"info", b"aad", &sealed).unwrap()[..], *b"content");
        for (info, aad) in [(&b"inf0"[..], &b"aad"[..]), (b"info", b"aae")] {
            assert_eq!(receiver.open(info, aad, &sealed), None);
        }
        assert_eq!(other.open(b"info", b"aad", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 4;
            assert_eq!(receiver.open(b"info", b"aad", &changed), None, "{at}");
            assert_eq!(receiver.open(b"info", b"aad", &sealed[..at]), None, "{at}");
        }
        assert_eq!(seal(&[0; 32], b"", b"", b"content", [3; 32]), None, "a point of small order");
        assert!(!format!("{receiver:?}").contains('1'));
    }

    #[test]
    fn a_source_does_not_repeat() {
        let mut drawn = Drawn::new([7; 32]);
        let mut out = [0; 100];
        drawn.try_fill_bytes(&mut out).unwrap();
        assert_eq!(out[..32], [7; 32]);
        assert!(out[32..64] != out[64..96] && out[32..64] != out[..32]);
    }

    proptest! {
        #[test]
        fn any_octets_are_refused(octets in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(ReceiverKey::new(&[1; 32]).open(b"", b"", &octets), None);
        }
    }
}
