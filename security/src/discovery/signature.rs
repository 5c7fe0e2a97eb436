//! Signed discovery: one private key announces, any number of public keys check (TR 33.833 §6.2.3). A monitor cannot
//! forge what it can check, unlike with the symmetric keys of the other protections.
//!
//! ```text
//! signed input = label of the purpose || scheme || content
//! announcement:  content = code (23) || UTC-based counter (4) || DFN (2) || subframe (1)
//! ```
//!
//! - The label and the scheme stand before everything that is signed ([`Purpose`]), so that no signature serves for
//!   anything else, nor a signature of one scheme for another.
//! - DFN comes again after 10.24 s, which is why TR 33.833 §6.2.3 alone does not stop a replay: the UTC-based counter
//!   is signed too. The time is not sent; the receiver rebuilds it of the slot.
//! - Any `s` is accepted in ECDSA and ECCSI, as OpenSSL makes them: `(r, q - s)` verifies as well as `(r, s)`. Never
//!   take the octets of a signature as the name of a message.
//! - Signing is in constant time where it touches the key; verification takes variable time, of public values.

use core::fmt;

use ed25519_dalek::Signer as _;
use p256::ecdsa;
use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Code, Verified};
use crate::counter::{UtcCounter, UtcTime};
use crate::identity::eccsi::{self, COMPRESSED_OCTETS, Peer, PublicAuthenticationKey};
use crate::kdf::{derive, fc};
use crate::keys::Duck;

/// Octets of the longest signature.
pub const MAX_SIGNATURE_OCTETS: usize = eccsi::SIGNATURE_OCTETS;
/// Octets of an identity of ECCSI, at most.
pub const MAX_IDENTITY_OCTETS: usize = 255;

/// A way to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Scheme {
    /// Ed25519 (RFC 8032), verified strictly: no keys or commitments of small order.
    Ed25519 = 1,
    /// ECDSA over P-256 with SHA-256, nonces of RFC 6979.
    EcdsaP256 = 2,
    /// ECCSI (RFC 6507) with its signature as it is: r, s, PVT.
    EccsiFull = 3,
    /// ECCSI with a compressed PVT: our own form.
    EccsiCompressed = 4,
    /// ECCSI whose PVT the monitor has already: r and s alone. Our own form.
    EccsiCachedPvt = 5,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Ed25519, Self::EcdsaP256, Self::EccsiFull, Self::EccsiCompressed, Self::EccsiCachedPvt];

    /// Reads the octet that [`Self::octet`] gives.
    ///
    /// # Errors
    /// There is no such scheme.
    pub fn from_octet(octet: u8) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|scheme| scheme.octet() == octet).ok_or(Error::Scheme(octet))
    }

    /// Returns the octet in keys and in signed inputs.
    pub const fn octet(self) -> u8 {
        self as u8
    }

    /// Returns the octets of a signature.
    pub const fn octets(self) -> usize {
        match self {
            Self::Ed25519 | Self::EcdsaP256 | Self::EccsiCachedPvt => 64,
            Self::EccsiCompressed => 64 + COMPRESSED_OCTETS,
            Self::EccsiFull => eccsi::SIGNATURE_OCTETS,
        }
    }

    /// Returns the word for stores and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EccsiFull => "eccsi-full",
            Self::EccsiCompressed => "eccsi-compressed",
            Self::EccsiCachedPvt => "eccsi-cached-pvt",
        }
    }

    /// Whether the key belongs to an identity under a key management server.
    pub const fn is_eccsi(self) -> bool {
        matches!(self, Self::EccsiFull | Self::EccsiCompressed | Self::EccsiCachedPvt)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reason why a key or a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// No scheme has this octet.
    Scheme(u8),
    /// A key has another number of octets than its scheme demands.
    KeyLength {
        /// The scheme.
        scheme: Scheme,
        /// Octets after that of the scheme.
        have: usize,
    },
    /// A public key is not a point of its curve, or is one of small order.
    Point,
    /// A secret is 0 or too large for its curve: draw another one.
    Secret,
    /// The parts of an ECCSI key do not belong together.
    KeyPair,
    /// A signature has another number of octets than its scheme has.
    Length {
        /// The scheme.
        scheme: Scheme,
        /// The given octets.
        have: usize,
    },
    /// The owner of this key did not sign this content.
    Signature,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(octet) => write!(f, "no signature scheme has the number {octet}"),
            Self::KeyLength { scheme, have } => {
                write!(f, "a key of {scheme} does not have {have} octets after the scheme's")
            }
            Self::Point => f.write_str("the public key is not a point of its curve that may serve as one"),
            Self::Secret => f.write_str("the secret does not fit its curve; draw another one"),
            Self::KeyPair => f.write_str(
                "SSK and PVT do not belong to this identity and KPAK; ask the KMS again for the signing key",
            ),
            Self::Length { scheme, have } => {
                write!(f, "a signature of {scheme} has {} octets, not {have}", scheme.octets())
            }
            Self::Signature => f.write_str("the owner of this public key did not sign this content"),
        }
    }
}

impl std::error::Error for Error {}

impl From<eccsi::Error> for Error {
    fn from(error: eccsi::Error) -> Self {
        match error {
            eccsi::Error::Point => Self::Point,
            eccsi::Error::Secret => Self::Secret,
            eccsi::Error::KeyPair => Self::KeyPair,
            eccsi::Error::Length(have) => Self::Length { scheme: Scheme::EccsiFull, have },
            eccsi::Error::Signature => Self::Signature,
        }
    }
}

/// The use of a signature. Its label stands at the front of the signed input: a signature for one use is wrong for every
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// An announced code with its time, in fragments or by a pointer.
    Announcement,
    /// The anchor of keys that are disclosed later.
    DelayedKeyAnchor,
    /// The anchor of a chain of codes.
    CodeChainAnchor,
    /// An announcement that a pointer leads to on the SL-SCH.
    Pointer,
    /// A UE's proof towards the network that it has the private key of what it registers.
    Registration,
    /// What the network says about keys: their validity, or a list of revoked ones.
    Statement,
}

impl Purpose {
    /// Returns the label. None is the beginning of another.
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Announcement => b"sidelink signed discovery, announcement\0",
            Self::DelayedKeyAnchor => b"sidelink signed discovery, anchor of delayed keys\0",
            Self::CodeChainAnchor => b"sidelink signed discovery, anchor of a code chain\0",
            Self::Pointer => b"sidelink signed discovery, pointer to SL-SCH\0",
            Self::Registration => b"sidelink signed discovery, registration\0",
            Self::Statement => b"sidelink signed discovery, statement\0",
        }
    }

    fn input(self, scheme: Scheme, content: &[u8]) -> Vec<u8> {
        [self.label(), &[scheme.octet()], content].concat()
    }
}

/// The signed time: that of the first subframe of the first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedTime {
    /// UTC-based counter.
    pub counter: UtcCounter,
    /// Direct frame number, 0 to 1023.
    pub dfn: u16,
    /// Subframe of the frame, 0 to 9.
    pub subframe: u8,
}

impl SignedTime {
    /// Octets in a signed input.
    pub const OCTETS: usize = 7;

    /// Makes the time of a slot of its UTC, frame and subframe.
    pub const fn of(slot: UtcTime, dfn: u16, subframe: u8) -> Self {
        Self { counter: slot.counter(), dfn: dfn % 1024, subframe: subframe % 10 }
    }

    /// Returns the octets that are signed: UTC-based counter as on the air (4), DFN (2), subframe (1).
    pub const fn octets(&self) -> [u8; Self::OCTETS] {
        let [a, b, c, d] = self.counter.on_air().to_be_bytes();
        let [e, f] = self.dfn.to_be_bytes();
        [a, b, c, d, e, f, self.subframe]
    }
}

/// Two octets of a digest of a public key, by which a monitor finds the key. Two keys may have one hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hint(pub [u8; 2]);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}", self.0[0], self.0[1])
    }
}

/// The name of a public key: 32 octets of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub [u8; 32]);

impl KeyDigest {
    /// Returns the hint on the key: the first two octets.
    pub const fn hint(self) -> Hint {
        let [a, b, ..] = self.0;
        Hint([a, b])
    }
}

/// A signature of any scheme.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    octets: [u8; MAX_SIGNATURE_OCTETS],
    len: usize,
}

impl Signature {
    fn new(octets: &[u8]) -> Self {
        let mut signature =
            Self { octets: [0; MAX_SIGNATURE_OCTETS], len: octets.len().min(MAX_SIGNATURE_OCTETS) };
        signature.octets[..signature.len].copy_from_slice(&octets[..signature.len]);
        signature
    }

    /// Returns the octets.
    pub fn as_octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        self.as_octets()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({} octets)", self.len)
    }
}

/// A private key. It is wiped when dropped.
pub struct SigningKey(Private);

// One per announcer, built once.
#[allow(clippy::large_enum_variant)]
enum Private {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(ecdsa::SigningKey),
    Eccsi(Scheme, PublicAuthenticationKey, eccsi::SigningKey),
}

impl SigningKey {
    /// Makes a key of Ed25519 or ECDSA from 32 random octets that serve for nothing else.
    ///
    /// # Errors
    /// The scheme is one of ECCSI, whose keys a key management server issues ([`Self::eccsi`]); or the octets do not
    /// fit P-256, once in 2^32: draw others.
    pub fn new(scheme: Scheme, secret: &[u8; 32]) -> Result<Self, Error> {
        match scheme {
            Scheme::Ed25519 => Ok(Self(Private::Ed25519(ed25519_dalek::SigningKey::from_bytes(secret)))),
            Scheme::EcdsaP256 => {
                let key = ecdsa::SigningKey::from_slice(secret).map_err(|_| Error::Secret)?;
                Ok(Self(Private::EcdsaP256(key)))
            }
            eccsi => Err(Error::KeyLength { scheme: eccsi, have: secret.len() }),
        }
    }

    /// Makes a key of ECCSI of what a key management server issued.
    ///
    /// # Errors
    /// The scheme is not one of ECCSI, the identity is too long, or key and KPAK do not belong together.
    pub fn eccsi(
        scheme: Scheme,
        kpak: &PublicAuthenticationKey,
        key: &eccsi::SigningKey,
    ) -> Result<Self, Error> {
        if !scheme.is_eccsi() || key.identifier().len() > MAX_IDENTITY_OCTETS {
            return Err(Error::KeyLength { scheme, have: key.identifier().len() });
        }
        let key = eccsi::SigningKey::new(kpak, key.identifier(), key.ssk(), key.pvt())?;
        Ok(Self(Private::Eccsi(scheme, *kpak, key)))
    }

    /// Reads the octets that [`Self::to_octets`] gives.
    ///
    /// # Errors
    /// They are no key.
    pub fn from_octets(octets: &[u8]) -> Result<Self, Error> {
        let (&scheme, rest) = octets.split_first().ok_or(Error::Scheme(0))?;
        let scheme = Scheme::from_octet(scheme)?;
        let wrong = Error::KeyLength { scheme, have: rest.len() };
        let (secret, rest) = rest.split_first_chunk::<32>().ok_or(wrong)?;
        if !scheme.is_eccsi() {
            return if rest.is_empty() { Self::new(scheme, secret) } else { Err(wrong) };
        }
        let (kpak, rest) = rest.split_first_chunk::<COMPRESSED_OCTETS>().ok_or(wrong)?;
        let (pvt, identity) = rest.split_first_chunk::<COMPRESSED_OCTETS>().ok_or(wrong)?;
        if identity.len() > MAX_IDENTITY_OCTETS {
            return Err(wrong);
        }
        let kpak = PublicAuthenticationKey::from_octets(&eccsi::expand(kpak)?)?;
        let key = eccsi::SigningKey::new(&kpak, identity, secret, &eccsi::expand(pvt)?)?;
        Ok(Self(Private::Eccsi(scheme, kpak, key)))
    }

    /// Returns the octets: scheme (1), secret (32); of ECCSI further KPAK (33), PVT (33) and the identity. Code that
    /// stores them is responsible for their secrecy.
    pub fn to_octets(&self) -> Zeroizing<Vec<u8>> {
        let mut octets = Zeroizing::new(Vec::with_capacity(99 + MAX_IDENTITY_OCTETS));
        octets.push(self.scheme().octet());
        match &self.0 {
            Private::Ed25519(key) => octets.extend_from_slice(&*Zeroizing::new(key.to_bytes())),
            Private::EcdsaP256(key) => {
                let secret = Zeroizing::new(<[u8; 32]>::from(key.to_bytes()));
                octets.extend_from_slice(&*secret);
            }
            Private::Eccsi(_, kpak, key) => {
                octets.extend_from_slice(key.ssk());
                octets.extend_from_slice(&eccsi::compress(kpak.as_octets()));
                octets.extend_from_slice(&eccsi::compress(key.pvt()));
                octets.extend_from_slice(key.identifier());
            }
        }
        octets
    }

    /// Returns the scheme.
    pub const fn scheme(&self) -> Scheme {
        match &self.0 {
            Private::Ed25519(_) => Scheme::Ed25519,
            Private::EcdsaP256(_) => Scheme::EcdsaP256,
            Private::Eccsi(scheme, ..) => *scheme,
        }
    }

    /// Returns the public key.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(match &self.0 {
            Private::Ed25519(key) => Public::Ed25519(key.verifying_key()),
            Private::EcdsaP256(key) => Public::EcdsaP256(*key.verifying_key()),
            Private::Eccsi(Scheme::EccsiCachedPvt, kpak, key) => {
                match Peer::new(kpak, key.identifier(), key.pvt()) {
                    Ok(peer) => Public::Cached(*kpak, key.identifier().to_vec(), peer),
                    // PVT passed its check with this KPAK when the key was made: not reached.
                    Err(_) => Public::Eccsi(Scheme::EccsiFull, *kpak, key.identifier().to_vec()),
                }
            }
            Private::Eccsi(scheme, kpak, key) => Public::Eccsi(*scheme, *kpak, key.identifier().to_vec()),
        })
    }

    /// Signs `content` for a purpose. `nonce` are fresh random octets, which only ECCSI takes; one that comes again does
    /// not reveal its key.
    pub fn sign(&self, purpose: Purpose, content: &[u8], nonce: [u8; 32]) -> Signature {
        let input = purpose.input(self.scheme(), content);
        match &self.0 {
            Private::Ed25519(key) => Signature::new(&key.sign(&input).to_bytes()),
            Private::EcdsaP256(key) => {
                let signature: ecdsa::Signature = ecdsa::signature::Signer::sign(key, &input);
                Signature::new(&signature.to_bytes())
            }
            Private::Eccsi(scheme, _, key) => {
                let full = key.sign(&input, nonce);
                match scheme {
                    Scheme::EccsiCompressed => {
                        Signature::new(&[&full[..64], &eccsi::compress(key.pvt())[..]].concat())
                    }
                    Scheme::EccsiCachedPvt => Signature::new(&full[..64]),
                    _ => Signature::new(&full),
                }
            }
        }
    }

    /// Signs the announcement of a code whose first block begins at `time`. TR 33.833 §6.2.3.2 step 3.
    pub fn announce(&self, code: &Code, time: SignedTime, nonce: [u8; 32]) -> Signature {
        self.sign(Purpose::Announcement, &announced(code, time), nonce)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, redacted)", self.scheme())
    }
}

/// A public key. Of ECCSI it is KPAK and the identity, and PVT where the signature leaves it out.
#[derive(Clone, Debug)]
pub struct VerifyingKey(Public);

// One per announcer that is followed, built once.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
enum Public {
    Ed25519(ed25519_dalek::VerifyingKey),
    EcdsaP256(ecdsa::VerifyingKey),
    Eccsi(Scheme, PublicAuthenticationKey, Vec<u8>),
    Cached(PublicAuthenticationKey, Vec<u8>, Peer),
}

impl VerifyingKey {
    /// Makes the key of an identity under a key management server, for signatures that carry their PVT.
    ///
    /// # Errors
    /// The scheme is not [`Scheme::EccsiFull`] or [`Scheme::EccsiCompressed`], or the identity is too long.
    pub fn of_identity(
        scheme: Scheme,
        kpak: &PublicAuthenticationKey,
        identity: &[u8],
    ) -> Result<Self, Error> {
        let carries_pvt = matches!(scheme, Scheme::EccsiFull | Scheme::EccsiCompressed);
        if !carries_pvt || identity.len() > MAX_IDENTITY_OCTETS {
            return Err(Error::KeyLength { scheme, have: identity.len() });
        }
        Ok(Self(Public::Eccsi(scheme, *kpak, identity.to_vec())))
    }

    /// Makes the key of an identity with its PVT, for signatures without.
    ///
    /// # Errors
    /// PVT is not a point of the curve, or the identity is too long.
    pub fn of_identity_and_pvt(
        kpak: &PublicAuthenticationKey,
        identity: &[u8],
        pvt: &[u8],
    ) -> Result<Self, Error> {
        if identity.len() > MAX_IDENTITY_OCTETS {
            return Err(Error::KeyLength { scheme: Scheme::EccsiCachedPvt, have: identity.len() });
        }
        let peer = Peer::new(kpak, identity, pvt)?;
        Ok(Self(Public::Cached(*kpak, identity.to_vec(), peer)))
    }

    /// Reads the octets that [`Self::to_octets`] gives.
    ///
    /// # Errors
    /// They are no key.
    pub fn from_octets(octets: &[u8]) -> Result<Self, Error> {
        let (&scheme, rest) = octets.split_first().ok_or(Error::Scheme(0))?;
        let scheme = Scheme::from_octet(scheme)?;
        let wrong = Error::KeyLength { scheme, have: rest.len() };
        match scheme {
            Scheme::Ed25519 => {
                let octets = rest.try_into().map_err(|_| wrong)?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(octets).map_err(|_| Error::Point)?;
                if key.is_weak() { Err(Error::Point) } else { Ok(Self(Public::Ed25519(key))) }
            }
            Scheme::EcdsaP256 => {
                if rest.len() != COMPRESSED_OCTETS {
                    return Err(wrong);
                }
                let key = ecdsa::VerifyingKey::from_sec1_bytes(rest).map_err(|_| Error::Point)?;
                Ok(Self(Public::EcdsaP256(key)))
            }
            eccsi => {
                let (kpak, rest) = rest.split_first_chunk::<COMPRESSED_OCTETS>().ok_or(wrong)?;
                let kpak = PublicAuthenticationKey::from_octets(&eccsi::expand(kpak)?)?;
                if eccsi != Scheme::EccsiCachedPvt {
                    return Self::of_identity(eccsi, &kpak, rest).map_err(|_| wrong);
                }
                let (pvt, identity) = rest.split_first_chunk::<COMPRESSED_OCTETS>().ok_or(wrong)?;
                Self::of_identity_and_pvt(&kpak, identity, &eccsi::expand(pvt)?)
            }
        }
    }

    /// Returns the octets: scheme (1), then the key: Ed25519 32, ECDSA 33 (compressed), ECCSI KPAK (33), PVT (33) where
    /// the signature leaves it out, and the identity.
    pub fn to_octets(&self) -> Vec<u8> {
        let mut octets = vec![self.scheme().octet()];
        match &self.0 {
            Public::Ed25519(key) => octets.extend(key.as_bytes()),
            Public::EcdsaP256(key) => octets.extend(key.to_sec1_point(true).as_bytes()),
            Public::Eccsi(_, kpak, identity) => {
                octets.extend(eccsi::compress(kpak.as_octets()));
                octets.extend(identity);
            }
            Public::Cached(kpak, identity, peer) => {
                octets.extend(eccsi::compress(kpak.as_octets()));
                octets.extend(eccsi::compress(peer.pvt()));
                octets.extend(identity);
            }
        }
        octets
    }

    /// Returns the scheme.
    pub const fn scheme(&self) -> Scheme {
        match &self.0 {
            Public::Ed25519(_) => Scheme::Ed25519,
            Public::EcdsaP256(_) => Scheme::EcdsaP256,
            Public::Eccsi(scheme, ..) => *scheme,
            Public::Cached(..) => Scheme::EccsiCachedPvt,
        }
    }

    /// Returns the name of the key, as lists of revoked keys have it: SHA-256 of a label and the key's octets.
    pub fn digest(&self) -> KeyDigest {
        let hash = Sha256::new().chain_update(b"sidelink signed discovery, hint\0");
        KeyDigest(hash.chain_update(self.to_octets()).finalize().into())
    }

    /// Returns the hint: the first octets of the digest.
    pub fn hint(&self) -> Hint {
        self.digest().hint()
    }

    /// Conceals a code under a key that only the monitors of a group have, or reveals it: the concealed code is what is
    /// signed, so that whoever holds the public key alone learns who announces, and not what. TR 33.833 §6.2.3 leaves
    /// restricted use open; this is our own, as DUCK does it.
    ///
    /// The keystream depends on the signed time and on the announcer's key: two announcers of one group never have the
    /// same one, nor one announcer in two sets.
    pub fn conceal(&self, group: &Duck, time: SignedTime, code: &Code) -> Code {
        let parameters: [&[u8]; 2] = [&time.octets(), &self.digest().0];
        let stream = derive(group.as_bytes(), fc::OWN_SIGNED_CODE, &parameters);
        let mut out = *code;
        out.iter_mut().zip(stream.iter()).for_each(|(octet, key)| *octet ^= key);
        out
    }

    /// Verifies the signature of `content` for a purpose.
    ///
    /// # Errors
    /// The owner of the key did not sign it.
    pub fn verify(&self, purpose: Purpose, content: &[u8], signature: &[u8]) -> Result<(), Error> {
        let scheme = self.scheme();
        if signature.len() != scheme.octets() {
            return Err(Error::Length { scheme, have: signature.len() });
        }
        let input = purpose.input(scheme, content);
        match &self.0 {
            Public::Ed25519(key) => {
                let octets = signature.try_into().map_err(|_| Error::Signature)?;
                let signature = ed25519_dalek::Signature::from_bytes(octets);
                key.verify_strict(&input, &signature).map_err(|_| Error::Signature)
            }
            Public::EcdsaP256(key) => {
                let signature = ecdsa::Signature::from_slice(signature).map_err(|_| Error::Signature)?;
                key.verify(&input, &signature).map_err(|_| Error::Signature)
            }
            Public::Eccsi(Scheme::EccsiCompressed, kpak, identity) => {
                let (halves, pvt) = signature.split_at(64);
                let pvt = eccsi::expand(pvt).map_err(|_| Error::Signature)?;
                eccsi_verified(eccsi::verify(kpak, identity, &input, &[halves, &pvt].concat()))
            }
            Public::Eccsi(_, kpak, identity) => {
                eccsi_verified(eccsi::verify(kpak, identity, &input, signature))
            }
            Public::Cached(_, _, peer) => {
                eccsi_verified(peer.verify(&input, &[signature, peer.pvt()].concat()))
            }
        }
    }

    /// Verifies the announcement of a code whose first block began at `time`. TR 33.833 §6.2.3.2 step 4.
    ///
    /// # Errors
    /// The owner of the key did not announce this code at this time.
    pub fn verify_announcement(
        &self,
        code: &Code,
        time: SignedTime,
        signature: &[u8],
    ) -> Result<Verified<SignedCode>, Error> {
        self.verify(Purpose::Announcement, &announced(code, time), signature)?;
        Ok(Verified::new(SignedCode { code: *code, time }))
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.to_octets() == other.to_octets()
    }
}

impl Eq for VerifyingKey {}

/// A code that the owner of a key announced, with the time that it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedCode {
    /// The code, as it was signed.
    pub code: Code,
    /// The time of the first subframe of its first block.
    pub time: SignedTime,
}

fn announced(code: &Code, time: SignedTime) -> [u8; 30] {
    let mut content = [0; 30];
    content[..23].copy_from_slice(code);
    content[23..].copy_from_slice(&time.octets());
    content
}

fn eccsi_verified(result: Result<eccsi::Verified<'_>, eccsi::Error>) -> Result<(), Error> {
    result.map(|_| ()).map_err(|_| Error::Signature)
}

#[cfg(test)]
mod tests;
