//! ECCSI: certificateless signatures (RFC 6507) over P-256 with SHA-256.
//!
//! A signature has 129 octets: `r (32) || s (32) || PVT (65)`. `(r, q - s)` verifies as well as `(r, s)`: never take
//! the octets of a signature as the name of a message.
//!
//! Constant time: everything in [`SigningKey`] that depends on SSK or the nonce. Verification works on public values
//! only, in variable time.

use std::fmt;

use p256::elliptic_curve::Group;
use p256::elliptic_curve::ff::{Field, FromUniformBytes, PrimeField};
use p256::elliptic_curve::ops::{LinearCombination, MulByGeneratorVartime, Reduce};
use p256::elliptic_curve::sec1::{FromSec1Point, ToSec1Point};
use p256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar, Sec1Point};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::hmac::Keyed;

/// Octets of a point: 04, x, y.
pub const POINT_OCTETS: usize = 65;
/// Octets of a compressed point: 02 or 03, x.
pub const COMPRESSED_OCTETS: usize = 33;
/// Octets of a signature.
pub const SIGNATURE_OCTETS: usize = 129;

/// The reason why a key or a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// A point (KPAK or PVT) is not 04, x, y of 65 octets with coordinates below p on the curve.
    Point,
    /// A secret (SSK, KSAK) is 0 or not below q, or HS is 0 modulo q: take another one.
    Secret,
    /// SSK and PVT were not issued for this identifier under this KPAK (RFC 6507 §5.1.2).
    KeyPair,
    /// The signature does not have 129 octets.
    Length(usize),
    /// The signature was not made by this identifier under this KPAK over this message.
    Signature,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point => f.write_str("the point is not 65 octets 04, x, y on P-256"),
            Self::Secret => f.write_str("the secret is 0 or not below the order of P-256; take another one"),
            Self::KeyPair => f.write_str(
                "SSK and PVT do not belong to this identifier and KPAK; ask the KMS again, and check that both mean \
                 the same identifier octets",
            ),
            Self::Length(octets) => {
                write!(f, "an ECCSI signature has {SIGNATURE_OCTETS} octets, not {octets}")
            }
            Self::Signature => f.write_str("the ECCSI signature is wrong for this identifier, KPAK and message"),
        }
    }
}

impl std::error::Error for Error {}

/// KPAK, the KMS's public authentication key: a point on the curve, not the point at infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicAuthenticationKey {
    point: AffinePoint,
    octets: [u8; POINT_OCTETS],
}

impl PublicAuthenticationKey {
    /// Reads 65 octets: 04, x, y (RFC 6507 §4.2).
    pub fn from_octets(octets: &[u8]) -> Result<Self, Error> {
        let point = point(octets)?;
        Ok(Self { point, octets: encode(&point) })
    }

    pub(super) fn from_secret(ksak: &Scalar) -> Self {
        let point = ProjectivePoint::mul_by_generator(ksak).to_affine();
        Self { point, octets: encode(&point) }
    }

    /// Returns the 65 octets.
    pub const fn as_octets(&self) -> &[u8; POINT_OCTETS] {
        &self.octets
    }
}

impl TryFrom<&[u8]> for PublicAuthenticationKey {
    type Error = Error;

    fn try_from(octets: &[u8]) -> Result<Self, Error> {
        Self::from_octets(octets)
    }
}

impl fmt::Debug for PublicAuthenticationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, a, b, c, d, ..] = self.octets;
        write!(f, "PublicAuthenticationKey({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// A user's SSK with its PVT. Its construction checks both against KPAK and the identifier.
pub struct SigningKey {
    ssk: Zeroizing<Scalar>,
    ssk_octets: Zeroizing<[u8; 32]>,
    pvt: [u8; POINT_OCTETS],
    hs: [u8; 32],
    identifier: Vec<u8>,
}

impl SigningKey {
    /// Checks a key pair that a KMS issued: PVT lies on the curve and KPAK = \[SSK\]G - \[HS\]PVT (RFC 6507 §5.1.2).
    pub fn new(
        kpak: &PublicAuthenticationKey,
        identifier: &[u8],
        ssk: &[u8; 32],
        pvt: &[u8],
    ) -> Result<Self, Error> {
        let pvt_point = point(pvt)?;
        let secret = Zeroizing::new(secret(ssk)?);
        let pvt = encode(&pvt_point);
        let hs = hs(kpak, identifier, &pvt);
        let left = ProjectivePoint::mul_by_generator(&secret);
        let right = ProjectivePoint::from(pvt_point) * scalar(&hs) + ProjectivePoint::from(kpak.point);
        if left != right {
            return Err(Error::KeyPair);
        }
        Ok(Self { ssk: secret, ssk_octets: Zeroizing::new(*ssk), pvt, hs, identifier: identifier.to_vec() })
    }

    /// Makes a key pair from the KMS's secret and the ephemeral v (RFC 6507 §5.1.1), and checks it.
    pub(super) fn issue(
        ksak: &Scalar,
        kpak: &PublicAuthenticationKey,
        identifier: &[u8],
        v: &Scalar,
    ) -> Result<Self, Error> {
        if bool::from(v.is_zero()) {
            return Err(Error::Secret);
        }
        let pvt = encode(&ProjectivePoint::mul_by_generator(v).to_affine());
        let hs = scalar(&hs(kpak, identifier, &pvt));
        let ssk = Zeroizing::new(ksak + &(hs * v));
        if bool::from(hs.is_zero() | ssk.is_zero()) {
            return Err(Error::Secret);
        }
        let octets = Zeroizing::new(<[u8; 32]>::from(ssk.to_repr()));
        Self::new(kpak, identifier, &octets, &pvt)
    }

    /// Returns SSK. Code that stores it is responsible for its secrecy.
    pub fn ssk(&self) -> &[u8; 32] {
        &self.ssk_octets
    }

    /// Returns PVT, which is public.
    pub const fn pvt(&self) -> &[u8; POINT_OCTETS] {
        &self.pvt
    }

    /// Returns the identifier for which the KMS issued the key.
    pub fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// Signs a message (RFC 6507 §5.2.1).
    ///
    /// `nonce` are 32 fresh random octets. The ephemeral j is derived from SSK, the nonce and the message, so that a
    /// repeated nonce, or one from a weak source, does not reveal SSK.
    pub fn sign(&self, message: &[u8], nonce: [u8; 32]) -> [u8; SIGNATURE_OCTETS] {
        let key = Keyed::new(&*self.ssk_octets);
        let digest = Sha256::digest(message);
        let mut attempt = 0_u32;
        loop {
            let mut wide = Zeroizing::new([0; 64]);
            for (half, out) in wide.chunks_exact_mut(32).enumerate() {
                let label = [b"ECCSI j ".as_slice(), &attempt.to_be_bytes(), &[half as u8]].concat();
                let mut mac = key.mac(&[&label, &nonce, &self.hs, &digest]);
                out.copy_from_slice(&mac);
                zeroize::Zeroize::zeroize(&mut mac);
            }
            let j = Zeroizing::new(Scalar::from_uniform_bytes(&wide));
            if let Some(signature) = self.sign_with(message, &j) {
                return signature;
            }
            // HE + r SSK = 0 modulo q, or j = 0: once in 2^255 messages.
            attempt += 1;
        }
    }

    /// Signs with a given j; `None` if it does not serve.
    pub(super) fn sign_with(&self, message: &[u8], j: &Scalar) -> Option<[u8; SIGNATURE_OCTETS]> {
        if bool::from(j.is_zero()) {
            return None;
        }
        let r = x_of(&ProjectivePoint::mul_by_generator(j).to_affine());
        let sum = Zeroizing::new(scalar(&he(&self.hs, &r, message)) + scalar(&r) * *self.ssk);
        let inverse = Zeroizing::new(Option::<Scalar>::from(sum.invert())?);
        let mut signature = [0; SIGNATURE_OCTETS];
        signature[..32].copy_from_slice(&r);
        signature[32..64].copy_from_slice(&(*inverse * j).to_repr());
        signature[64..].copy_from_slice(&self.pvt);
        Some(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// The proof that an identifier signed a message: only [`verify`] and [`Peer::verify`] make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    identifier: &'a [u8],
    message: &'a [u8],
}

impl<'a> Verified<'a> {
    /// Returns the identifier that signed.
    pub const fn identifier(&self) -> &'a [u8] {
        self.identifier
    }

    /// Returns the octets that the signature covers.
    pub const fn message(&self) -> &'a [u8] {
        self.message
    }
}

/// Verifies the signature of a message by an identifier under a KMS (RFC 6507 §5.2.2).
pub fn verify<'a>(
    kpak: &PublicAuthenticationKey,
    identifier: &'a [u8],
    message: &'a [u8],
    signature: &[u8],
) -> Result<Verified<'a>, Error> {
    let signature: &[u8; SIGNATURE_OCTETS] =
        signature.try_into().map_err(|_| Error::Length(signature.len()))?;
    let pvt = pvt_of(signature)?;
    let hs = hs(kpak, identifier, &encode(&pvt));
    let (s_he, s_r) = factors(&hs, message, signature)?;
    // J = [s HE]G + [s r]KPAK + [s r HS]PVT, without Y = [HS]PVT + KPAK by itself. A PVT that makes Y the
    // point at infinity would be a fixed point of HS, which hashes PVT.
    let j = ProjectivePoint::lincomb_vartime(&[
        (ProjectivePoint::GENERATOR, s_he),
        (kpak.point.into(), s_r),
        (pvt.into(), s_r * scalar(&hs)),
    ]);
    conclude(&j, signature).map(|()| Verified { identifier, message })
}

/// A peer whose signatures are verified often: KPAK, its identifier and its PVT, and the point Y that they give.
#[derive(Clone)]
pub struct Peer {
    identifier: Vec<u8>,
    pvt: [u8; POINT_OCTETS],
    hs: [u8; 32],
    y: ProjectivePoint,
}

impl Peer {
    /// Computes Y = \[HS\]PVT + KPAK (RFC 6507 §5.2.2). An identifier may have several PVTs, one per device: each is a
    /// peer of its own.
    pub fn new(kpak: &PublicAuthenticationKey, identifier: &[u8], pvt: &[u8]) -> Result<Self, Error> {
        let point = point(pvt)?;
        let pvt = encode(&point);
        let hs = hs(kpak, identifier, &pvt);
        let y = ProjectivePoint::from(point) * scalar(&hs) + ProjectivePoint::from(kpak.point);
        if bool::from(y.is_identity()) {
            return Err(Error::Signature);
        }
        Ok(Self { identifier: identifier.to_vec(), pvt, hs, y })
    }

    /// Returns the PVT of the signatures that it verifies.
    pub const fn pvt(&self) -> &[u8; POINT_OCTETS] {
        &self.pvt
    }

    /// Verifies a signature with this PVT.
    pub fn verify<'a>(&'a self, message: &'a [u8], signature: &[u8]) -> Result<Verified<'a>, Error> {
        let signature: &[u8; SIGNATURE_OCTETS] =
            signature.try_into().map_err(|_| Error::Length(signature.len()))?;
        if signature[64..] != self.pvt {
            return Err(Error::Signature);
        }
        let (s_he, s_r) = factors(&self.hs, message, signature)?;
        let j = ProjectivePoint::mul_by_generator_and_mul_add_vartime(&s_he, &s_r, &self.y);
        conclude(&j, signature).map(|()| Verified { identifier: &self.identifier, message })
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

fn pvt_of(signature: &[u8; SIGNATURE_OCTETS]) -> Result<AffinePoint, Error> {
    point(&signature[64..])
}

/// Returns s HE and s r modulo q; refuses s = 0 and s >= q.
fn factors(
    hs: &[u8; 32],
    message: &[u8],
    signature: &[u8; SIGNATURE_OCTETS],
) -> Result<(Scalar, Scalar), Error> {
    let (r, s) = halves(signature);
    let s = secret(&s).map_err(|_| Error::Signature)?;
    Ok((s * scalar(&he(hs, &r, message)), s * scalar(&r)))
}

/// Checks that Jx = r, which is not 0. Jx is below p, so that r is too.
fn conclude(j: &ProjectivePoint, signature: &[u8; SIGNATURE_OCTETS]) -> Result<(), Error> {
    let (r, _) = halves(signature);
    if bool::from(j.is_identity()) || r == [0; 32] || x_of(&j.to_affine()) != r {
        return Err(Error::Signature);
    }
    Ok(())
}

fn halves(signature: &[u8; SIGNATURE_OCTETS]) -> ([u8; 32], [u8; 32]) {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&signature[..32]);
    s.copy_from_slice(&signature[32..64]);
    (r, s)
}

/// Reads 04, x, y: coordinates below p, on the curve.
fn point(octets: &[u8]) -> Result<AffinePoint, Error> {
    if octets.len() != POINT_OCTETS || octets[0] != 4 {
        return Err(Error::Point);
    }
    let point = Sec1Point::from_bytes(octets).map_err(|_| Error::Point)?;
    Option::from(AffinePoint::from_sec1_point(&point)).ok_or(Error::Point)
}

/// Returns the compressed form of a point of 65 octets: 02 or 03 by the parity of y, x. Our own: RFC 6507 has only the long
/// form.
pub const fn compress(point: &[u8; POINT_OCTETS]) -> [u8; COMPRESSED_OCTETS] {
    let mut octets = [2 + (point[POINT_OCTETS - 1] & 1); COMPRESSED_OCTETS];
    let mut at = 1;
    while at < COMPRESSED_OCTETS {
        octets[at] = point[at];
        at += 1;
    }
    octets
}

/// Returns the 65 octets of a compressed point: one square root.
///
/// # Errors
/// It is not 02 or 03 and the x of a point on the curve.
pub fn expand(compressed: &[u8]) -> Result<[u8; POINT_OCTETS], Error> {
    if compressed.len() != COMPRESSED_OCTETS || !matches!(compressed[0], 2 | 3) {
        return Err(Error::Point);
    }
    let point = Sec1Point::from_bytes(compressed).map_err(|_| Error::Point)?;
    let point: Option<AffinePoint> = AffinePoint::from_sec1_point(&point).into();
    Ok(encode(&point.ok_or(Error::Point)?))
}

fn encode(point: &AffinePoint) -> [u8; POINT_OCTETS] {
    let mut octets = [0; POINT_OCTETS];
    octets.copy_from_slice(point.to_sec1_point(false).as_bytes());
    octets
}

/// Returns the x coordinate of a point that is not at infinity.
fn x_of(point: &AffinePoint) -> [u8; 32] {
    let mut x = [0; 32];
    x.copy_from_slice(&encode(point)[1..33]);
    x
}

/// Returns 32 octets as an integer modulo q.
fn scalar(octets: &[u8; 32]) -> Scalar {
    <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(*octets))
}

/// Reads an integer from 1 to q - 1.
pub(super) fn secret(octets: &[u8; 32]) -> Result<Scalar, Error> {
    let scalar = Option::<Scalar>::from(Scalar::from_repr(FieldBytes::from(*octets)));
    scalar.filter(|scalar| !bool::from(scalar.is_zero())).ok_or(Error::Secret)
}

/// HS = hash(G || KPAK || ID || PVT).
pub(super) fn hs(kpak: &PublicAuthenticationKey, identifier: &[u8], pvt: &[u8; POINT_OCTETS]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(encode(&AffinePoint::GENERATOR)).chain_update(kpak.octets);
    hash.chain_update(identifier).chain_update(pvt).finalize().into()
}

/// HE = hash(HS || r || M).
pub(super) fn he(hs: &[u8; 32], r: &[u8; 32], message: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(hs).chain_update(r).chain_update(message).finalize().into()
}

impl PartialEq for SigningKey {
    /// Compares SSK in constant time.
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.ssk_octets.ct_eq(&*other.ssk_octets))
            && self.pvt == other.pvt
            && self.identifier == other.identifier
    }
}
