//! What is derived. RFC 7296 §2.13 to §2.17.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::Error;

/// PRF-HMAC-SHA-256 over parts.
pub(super) fn prf(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// prf+ for these many octets, at most 255 blocks.
fn prf_plus(key: &[u8], seed: &[u8], octets: usize) -> Zeroizing<Vec<u8>> {
    let mut stream = Zeroizing::new(Vec::with_capacity(octets + 32));
    let mut block = Zeroizing::new([0; 32]);
    for number in 1..=u8::MAX {
        let before: &[u8] = if number == 1 { &[] } else { &*block };
        block = prf(key, &[before, seed, &[number]]);
        stream.extend(&*block);
        if stream.len() >= octets {
            break;
        }
    }
    stream.truncate(octets);
    stream
}

fn part<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| from[at + i])
}

/// Keys of an IKE SA: SK_d, and those of the initiator and of the responder.
#[derive(ZeroizeOnDrop)]
pub struct IkeKeys {
    /// For keys of CHILD_SAs.
    pub d: [u8; 32],
    /// Of messages from the initiator.
    pub initiator: DirectionKeys,
    /// Of messages from the responder.
    pub responder: DirectionKeys,
}

/// Keys of one direction.
#[derive(ZeroizeOnDrop)]
pub struct DirectionKeys {
    /// Integrity.
    pub a: [u8; 32],
    /// Encryption.
    pub e: [u8; 16],
    /// AUTH.
    pub p: [u8; 32],
}

impl fmt::Debug for IkeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IkeKeys(redacted)")
    }
}

impl IkeKeys {
    /// From the nonces, g^ir and the SPIs.
    pub fn new(nonces: [&[u8]; 2], secret: &[u8; 32], spis: [&[u8; 8]; 2]) -> Self {
        let nonces = nonces.concat();
        let seed = prf(&nonces, &[secret]);
        let all = prf_plus(&*seed, &[&nonces, &spis[0][..], spis[1]].concat(), 3 * 32 + 2 * 16 + 2 * 32);
        Self {
            d: part(&all, 0),
            initiator: DirectionKeys { a: part(&all, 32), e: part(&all, 96), p: part(&all, 128) },
            responder: DirectionKeys { a: part(&all, 64), e: part(&all, 112), p: part(&all, 160) },
        }
    }

    /// Keys of the first CHILD_SA.
    pub fn child(&self, nonces: [&[u8]; 2]) -> ChildKeys {
        let all = prf_plus(&self.d, &nonces.concat(), 2 * 20);
        ChildKeys { to_responder: part(&all, 0), to_initiator: part(&all, 20) }
    }
}

/// Keys of a CHILD_SA: key and salt of AES-GCM each. RFC 4106 §8.1.
#[derive(ZeroizeOnDrop)]
pub struct ChildKeys {
    /// Of packets from the initiator.
    pub to_responder: [u8; 20],
    /// Of packets from the responder.
    pub to_initiator: [u8; 20],
}

impl fmt::Debug for ChildKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChildKeys(redacted)")
    }
}

/// What an end signs: its own first message, the nonce of the other, and its identity under its SK_p. RFC 7296 §2.15.
pub(super) struct Signed<'a> {
    pub(super) message: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) sk_p: &'a [u8; 32],
    pub(super) identity: &'a [u8],
}

/// AlgorithmIdentifier of Ed25519 with its length in front. RFC 8420 §A.1.
const ED25519: [u8; 8] = [7, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70];

/// Methods of AUTH. RFC 7296 §3.8, RFC 7427.
const SHARED_KEY: u8 = 2;
const DIGITAL_SIGNATURE: u8 = 14;

impl Signed<'_> {
    fn octets(&self) -> Vec<u8> {
        [self.message, self.nonce, &*prf(self.sk_p, &[self.identity])].concat()
    }

    /// AUTH by a MSK, or by another key that both ends have.
    pub(super) fn by_msk(&self, msk: &[u8]) -> [u8; 32] {
        let key = prf(msk, &[b"Key Pad for IKEv2"]);
        *prf(&*key, &[&self.octets()])
    }

    /// Body of AUTH by a MSK.
    pub(super) fn body_by_msk(&self, msk: &[u8]) -> Vec<u8> {
        [&[SHARED_KEY, 0, 0, 0], &self.by_msk(msk)[..]].concat()
    }

    /// Whether a body of AUTH is that of this MSK.
    pub(super) fn verify_msk(&self, msk: &[u8], body: &[u8]) -> Result<(), Error> {
        let [SHARED_KEY, _, _, _, auth @ ..] = body else { return Err(Error::Value("the method of AUTH")) };
        if self.by_msk(msk)[..].ct_eq(auth).into() { Ok(()) } else { Err(Error::Auth) }
    }

    /// Body of AUTH by a signature.
    pub(super) fn body_by_key(&self, key: &SigningKey) -> Vec<u8> {
        let signature = key.sign(&self.octets()).to_bytes();
        [&[DIGITAL_SIGNATURE, 0, 0, 0][..], &ED25519, &signature].concat()
    }

    /// Whether a body of AUTH is a signature under this key.
    pub(super) fn verify_key(&self, key: &VerifyingKey, body: &[u8]) -> Result<(), Error> {
        let [DIGITAL_SIGNATURE, _, _, _, signed @ ..] = body else {
            return Err(Error::Value("the method of AUTH"));
        };
        let signature = signed.strip_prefix(&ED25519).ok_or(Error::Value("the algorithm of AUTH"))?;
        let signature = Signature::from_slice(signature).map_err(|_| Error::Auth)?;
        key.verify_strict(&self.octets(), &signature).map_err(|_| Error::Auth)
    }
}

/// Hash of NAT detection. RFC 7296 §2.23: nothing rests on it, and no collision helps anybody.
pub(super) fn nat_detection(spis: [&[u8; 8]; 2], at: core::net::SocketAddrV4) -> [u8; 20] {
    let hash = Sha1::new().chain_update(spis[0]).chain_update(spis[1]).chain_update(at.ip().octets());
    hash.chain_update(at.port().to_be_bytes()).finalize().into()
}
