//! SAKKE: encapsulation of a shared secret value (SSV) for an identifier (RFC 6508), parameter set 1 of RFC 6509
//! Appendix A with n = 128: an SSV of 16 octets, encapsulated in 273.
//!
//! Constant time: everything that depends on an SSV, on r, on RSK or on z. Its steps and addresses follow from the
//! sizes and from q alone; look-ups read every entry. Identifiers, public keys and encapsulated data are public.
//! `tests/constant_time.rs` looks for secrets in the measured times.
//!
//! RSK, its lines, z, SSVs and what they give (r, w, g^r) are wiped when dropped. Copies that the compiler keeps on the
//! stack or in registers during a call are not.
//!
//! The tables of P and g are made at the first use in a process and kept: 1.2 MiB, with AVX-512 IFMA 1.5 MiB.

use std::fmt;
use std::sync::OnceLock;

use subtle::Choice;
use zeroize::{Zeroize, Zeroizing};

use crypto_bigint::U1024;

pub use backend::Backend;
use backend::{Multiples, Pairing};
use params::{OCTETS, Residue, octets};
use point::{Affine, Jacobian};
use scalar::{Digits, hash_128, hash_below_q};

mod backend;
pub(crate) mod field;
pub(crate) mod pairing;
pub(crate) mod params;
pub(crate) mod point;
pub(crate) mod scalar;
mod sum;
pub(crate) mod table;

#[cfg(test)]
mod tests;

/// Octets of a shared secret value.
pub const SSV_OCTETS: usize = 16;
/// Octets of a point: 04, x, y.
pub const POINT_OCTETS: usize = 2 * OCTETS + 1;
/// Encapsulations that share the last inversion: more would gain little.
const BATCH: usize = 16;
/// Octets of encapsulated data: a point and the masked SSV.
pub const ENCAPSULATED_OCTETS: usize = POINT_OCTETS + SSV_OCTETS;

/// The reason why a key, an identifier or encapsulated data is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// A point (Z or RSK) is not 04, x, y of 257 octets with coordinates below p on the curve.
    Point,
    /// A point (Z or RSK) does not have order q.
    Order,
    /// The identifier, as an integer, is not from 2 to q - 1 (RFC 6508 §2.2).
    Identifier,
    /// The identifier, the public key and this SSV give a point at infinity or an r of 0: take another SSV.
    Degenerate,
    /// A secret z is not from 2 to q - 1, or does not serve for this identifier.
    Secret,
    /// RSK was not issued for this identifier under this public key (RFC 6508 §6.1.2).
    ReceiverKey,
    /// The data was not encapsulated for this identifier and public key, or was changed on the way.
    Decapsulation,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Point => "the point is not 257 octets 04, x, y on the curve of parameter set 1",
            Self::Order => "the point does not have order q; ask the KMS for a right one",
            Self::Identifier => "the identifier is not an integer from 2 to q - 1 (at most 128 octets)",
            Self::Degenerate => "the identifier and public key give no point for this SSV; take another SSV",
            Self::Secret => "the secret is not from 2 to q - 1, or does not serve; take another one",
            Self::ReceiverKey => {
                "RSK does not belong to this identifier and public key; ask the KMS again, and check that both mean \
                 the same identifier octets"
            }
            Self::Decapsulation => "the data is not encapsulated for this identifier and public key",
        })
    }
}

impl std::error::Error for Error {}

/// Z, the KMS's public key for encapsulation: a point of order q.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    point: Affine,
}

impl PublicKey {
    /// Reads 257 octets: 04, x, y, on the curve and of order q. This costs as much as several encapsulations: keep it.
    pub fn from_octets(octets: &[u8]) -> Result<Self, Error> {
        point_of_order_q(octets).map(|point| Self { point })
    }

    /// Makes Z = \[z\]P from the KMS's secret, an integer from 2 to q - 1.
    pub(super) fn from_secret(z: &U1024) -> Result<Self, Error> {
        let product = multiply_generator(z);
        Ok(Self { point: product.to_affine().ok_or(Error::Secret)? })
    }

    /// Returns the 257 octets.
    pub fn to_octets(&self) -> [u8; POINT_OCTETS] {
        self.point.to_octets()
    }

    /// Returns S = \[b\]P + Z of an identifier, which is public.
    fn of_identifier(&self, identifier: &[u8]) -> Result<Affine, Error> {
        let b = scalar::identifier(identifier).ok_or(Error::Identifier)?;
        multiply_generator(&b).add_affine(&self.point).to_affine().ok_or(Error::Degenerate)
    }
}

impl TryFrom<&[u8]> for PublicKey {
    type Error = Error;

    fn try_from(octets: &[u8]) -> Result<Self, Error> {
        Self::from_octets(octets)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, a, b, c, d, ..] = self.to_octets();
        write!(f, "PublicKey({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// Encapsulates a fresh random SSV for an identifier (RFC 6508 §6.2.1). Use an [`Encapsulator`] for many under one
/// public key.
pub fn encapsulate(
    z: &PublicKey,
    identifier: &[u8],
    ssv: &[u8; SSV_OCTETS],
) -> Result<[u8; ENCAPSULATED_OCTETS], Error> {
    let s = z.of_identifier(identifier)?;
    let r = hash_below_q(&[ssv, identifier]);
    let digits = Digits::new(&r);
    let point = Backend::detect().multiply(&s, &digits).ok_or(Error::Degenerate)?;
    let powers = Backend::detect().powers(std::slice::from_ref(&digits));
    let begun = powers.into_iter().map(|power| Begun { point, power });
    finish(&begun.collect::<Vec<_>>(), &[ssv])?.pop().ok_or(Error::Degenerate)
}

/// A public key with a table of its multiples, for many encapsulations, whoever they are for: 832 KiB, with AVX-512 IFMA
/// 1040 KiB.
pub struct Encapsulator {
    z: PublicKey,
    backend: Backend,
    table: Multiples,
}

impl Encapsulator {
    /// Computes the table, which costs as much as about 20 encapsulations.
    pub fn new(z: &PublicKey) -> Self {
        Self::with_backend(z, Backend::detect())
    }

    /// Computes the table for an arithmetic, or for portable code if this machine does not run it.
    pub fn with_backend(z: &PublicKey, backend: Backend) -> Self {
        let backend = backend.or_portable();
        Self { z: *z, backend, table: Multiples::new(backend, &z.point) }
    }

    /// Returns the public key.
    pub const fn public_key(&self) -> &PublicKey {
        &self.z
    }

    /// Encapsulates a fresh random SSV for an identifier (RFC 6508 §6.2.1).
    pub fn encapsulate(
        &self,
        identifier: &[u8],
        ssv: &[u8; SSV_OCTETS],
    ) -> Result<[u8; ENCAPSULATED_OCTETS], Error> {
        self.encapsulate_batch(&[(identifier, ssv)])?.pop().ok_or(Error::Degenerate)
    }

    /// Encapsulates an SSV for each identifier; all fail if one does. With AVX-512 IFMA eight of them go side by side,
    /// which takes half of the time for each; five to seven take as long as eight.
    pub fn encapsulate_batch(
        &self,
        recipients: &[(&[u8], &[u8; SSV_OCTETS])],
    ) -> Result<Vec<[u8; ENCAPSULATED_OCTETS]>, Error> {
        let mut done = Vec::with_capacity(recipients.len());
        for recipients in recipients.chunks(BATCH) {
            let mut of_generator = Vec::with_capacity(recipients.len());
            let mut digits = Vec::with_capacity(recipients.len());
            for (identifier, ssv) in recipients {
                let b = scalar::identifier(identifier).ok_or(Error::Identifier)?;
                let r = hash_below_q(&[*ssv, identifier]);
                // [r]([b]P + Z) = [r b]P + [r]Z
                of_generator.push(Digits::new(&scalar::product(&r, &b)));
                digits.push(Digits::new(&r));
            }
            let points = self.table.products_with_generator(&of_generator, &digits);
            let powers = self.backend.powers(&digits);
            let begun = points.into_iter().zip(powers).map(|(point, power)| Begun { point, power });
            let ssvs: Vec<_> = recipients.iter().map(|(_, ssv)| *ssv).collect();
            done.extend(finish(&begun.collect::<Vec<_>>(), &ssvs)?);
        }
        Ok(done)
    }
}

impl fmt::Debug for Encapsulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encapsulator").field("z", &self.z).finish_non_exhaustive()
    }
}

/// R and g^r before their inversions. g^r is as secret as the SSV.
struct Begun {
    point: Jacobian<Residue>,
    power: [Residue; 2],
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.power.zeroize();
    }
}

/// Brings R and g^r to their octets, with one inversion for all, and masks each SSV.
fn finish(begun: &[Begun], ssvs: &[&[u8; SSV_OCTETS]]) -> Result<Vec<[u8; ENCAPSULATED_OCTETS]>, Error> {
    let mut inverses = Zeroizing::new(Vec::with_capacity(2 * begun.len()));
    inverses.extend(begun.iter().flat_map(|begun| [begun.point.z, begun.power[0]]));
    field::invert_all(inverses.as_mut_slice());
    if inverses.first() == Some(&Residue::ZERO) {
        return Err(Error::Degenerate);
    }
    let pairs = begun.iter().zip(inverses.chunks_exact(2)).zip(ssvs);
    Ok(pairs
        .map(|((begun, inverses), ssv)| {
            let g_r = Zeroizing::new(begun.power[1].mul(&inverses[1]));
            let mut out = [0; ENCAPSULATED_OCTETS];
            out[..POINT_OCTETS].copy_from_slice(&Affine::from(begun.point.scale(&inverses[0])).to_octets());
            let mask = mask(&g_r);
            for ((out, ssv), mask) in out[POINT_OCTETS..].iter_mut().zip(*ssv).zip(&*mask) {
                *out = ssv ^ mask;
            }
            out
        })
        .collect())
}

/// Returns the mask of an SSV: the hash of g^r as exactly 128 octets.
fn mask(g_r: &Residue) -> Zeroizing<[u8; SSV_OCTETS]> {
    hash_128(&[&*Zeroizing::new(octets(g_r))])
}

/// A user's RSK. Its construction checks it against Z and the identifier. Holds the lines of the pairing (356 KiB, with
/// AVX-512 IFMA 562), and from the first decapsulation on a table of the identifier's point (832 KiB, 1040).
pub struct ReceiverKey {
    identifier: Vec<u8>,
    rsk: Zeroizing<Affine>,
    backend: Backend,
    lines: Pairing,
    /// S = \[b\]P + Z.
    s: Affine,
    table: OnceLock<Multiples>,
}

impl ReceiverKey {
    /// Checks an RSK that a KMS issued: it is a point of order q with <\[b\]P + Z, RSK> = g (RFC 6508 §6.1.2).
    pub fn new(z: &PublicKey, identifier: &[u8], rsk: &[u8]) -> Result<Self, Error> {
        Self::with_backend(z, identifier, rsk, Backend::detect())
    }

    /// Checks an RSK with an arithmetic, or with portable code if this machine does not run it, and keeps to it.
    pub fn with_backend(
        z: &PublicKey,
        identifier: &[u8],
        rsk: &[u8],
        backend: Backend,
    ) -> Result<Self, Error> {
        let rsk = Zeroizing::new(point_of_order_q(rsk)?);
        Self::check(z, identifier, rsk, backend.or_portable())
    }

    /// Makes RSK = \[1 / (z + b)\]P from the KMS's secret (RFC 6508 §6.1.1), and checks it.
    pub(super) fn issue(secret: &U1024, z: &PublicKey, identifier: &[u8]) -> Result<Self, Error> {
        let b = scalar::identifier(identifier).ok_or(Error::Identifier)?;
        let factor = scalar::inverse_of_sum(secret, &b).ok_or(Error::Secret)?;
        let product = Zeroizing::new(multiply_generator(&factor));
        let rsk = Zeroizing::new(product.to_affine().ok_or(Error::Secret)?);
        Self::check(z, identifier, rsk, Backend::detect())
    }

    fn check(
        z: &PublicKey,
        identifier: &[u8],
        rsk: Zeroizing<Affine>,
        backend: Backend,
    ) -> Result<Self, Error> {
        let s = z.of_identifier(identifier)?;
        let lines = Pairing::new(backend, &rsk);
        if *represent(&lines.pair(&s)) != params::PAIRED_GENERATOR {
            return Err(Error::ReceiverKey);
        }
        Ok(Self { identifier: identifier.to_vec(), rsk, backend, lines, s, table: OnceLock::new() })
    }

    /// Returns the identifier for which the KMS issued the key.
    pub fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// Returns RSK as 257 octets. Code that stores them is responsible for their secrecy.
    pub fn to_octets(&self) -> Zeroizing<[u8; POINT_OCTETS]> {
        Zeroizing::new(self.rsk.to_octets())
    }

    /// Takes the SSV out of encapsulated data (RFC 6508 §6.2.2). Verify the message's signature before this.
    ///
    /// Every refusal is [`Error::Decapsulation`], after the same steps if the data has the right length: the caller, and
    /// whoever watches it, learns nothing of why. No octet of the SSV leaves this function unless the test of RFC 6508
    /// §6.2.2 holds: \[r\](\[b\]P + Z) is the point in the data.
    pub fn decapsulate(&self, data: &[u8]) -> Result<Zeroizing<[u8; SSV_OCTETS]>, Error> {
        let data: &[u8; ENCAPSULATED_OCTETS] = data.try_into().map_err(|_| Error::Decapsulation)?;
        let (point, masked) = data.split_at(POINT_OCTETS);
        let on_curve = point.try_into().ok().and_then(Affine::from_octets);
        let point = on_curve.unwrap_or(Affine::GENERATOR);
        let w = represent(&Zeroizing::new(self.lines.pair(&point)));
        let mut ssv = mask(&w);
        for (ssv, masked) in ssv.iter_mut().zip(masked) {
            *ssv ^= masked;
        }
        let r = hash_below_q(&[&*ssv, &self.identifier]);
        let product = self.table().product(&Digits::new(&r));
        let passes = product.is(&point) & !scalar::is_zero(&r) & Choice::from(u8::from(on_curve.is_some()));
        if bool::from(passes) { Ok(ssv) } else { Err(Error::Decapsulation) }
    }

    fn table(&self) -> &Multiples {
        self.table.get_or_init(|| Multiples::new(self.backend, &self.s))
    }
}

impl fmt::Debug for ReceiverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiverKey(redacted)")
    }
}

/// Returns b / a, which represents a + i b.
fn represent([a, b]: &[Residue; 2]) -> Zeroizing<Residue> {
    Zeroizing::new(b.mul(&field::invert(a)))
}

/// Multiplies P with an integer below q, in constant time.
fn multiply_generator(k: &U1024) -> Jacobian<Residue> {
    Backend::detect().multiply_generator(&Digits::new(k))
}

fn point_of_order_q(octets: &[u8]) -> Result<Affine, Error> {
    let octets = octets.try_into().map_err(|_| Error::Point)?;
    let point = Affine::from_octets(octets).ok_or(Error::Point)?;
    if point.has_order_q() { Ok(point) } else { Err(Error::Order) }
}
