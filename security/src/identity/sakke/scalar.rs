//! Integers modulo q, their signed digits, and the hash to an integer (RFC 6508 §5.1).

use crypto_bigint::{U1024, Uint};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::params::{Exponent, OCTETS, order};

/// Bits of a digit.
pub(crate) const WINDOW: usize = 5;
/// Number of digits: a multiple of 8 with room for 1024 bits.
pub(crate) const DIGITS: usize = 208;
/// Number of the multiples 1, 3 .. 31 that digits choose from.
pub(crate) const ODD_MULTIPLES: usize = 1 << (WINDOW - 1);

/// An integer k as the sum of `digit * 32^i` with odd digits from -31 to 31: no digit is 0, so that each costs an
/// addition whatever k is.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Digits {
    octets: [u8; DIGITS],
}

impl Digits {
    /// Recodes an integer below q. An even one is replaced by q - k, whose digits are then negated.
    pub(crate) fn new(k: &U1024) -> Self {
        let even = !Choice::from((k.as_words()[0] & 1) as u8);
        let odd = Zeroizing::new(U1024::conditional_select(k, &order().wrapping_sub(k), even));
        // k = sum of s_i 2^i with s_i = 1 or -1: bit i of e = (k >> 1) with a 1 above says that s_i = 1.
        let e = Zeroizing::new(odd.wrapping_shr_vartime(1));
        let bit = |i: usize| match i {
            0..1024 => {
                let bits = e.as_words()[0].count_zeros() + e.as_words()[0].count_ones();
                (e.as_words()[i / bits as usize] >> (i % bits as usize)) as u8 & 1
            }
            _ => u8::from(i == DIGITS * WINDOW - 1),
        };
        let mut octets = [0; DIGITS];
        for (at, octet) in octets.iter_mut().enumerate() {
            let window = (0..WINDOW).fold(0, |sum, i| sum | bit(at * WINDOW + i) << i);
            *octet = window ^ (even.unwrap_u8().wrapping_neg() & 0x1f);
        }
        Self { octets }
    }

    /// Returns the index of the magnitude of a digit: magnitude 1 has index 0, magnitude 31 has 15.
    pub(crate) fn index(&self, at: usize) -> u8 {
        let digit = self.octets[at];
        (digit ^ (digit >> 4).wrapping_sub(1)) & 0xf
    }

    /// Returns 1 if a digit is negative, otherwise 0.
    pub(crate) fn is_negative(&self, at: usize) -> u8 {
        (self.octets[at] >> 4) ^ 1
    }
}

/// Hashes to an integer below q.
pub(crate) fn hash_below_q(parts: &[&[u8]]) -> Zeroizing<U1024> {
    let mut octets = Zeroizing::new([0; OCTETS]);
    hash(parts, &mut *octets);
    // The product of Montgomery reduces any 1024 bits, in constant time.
    let reduced = Zeroizing::new(Exponent::new(&*Zeroizing::new(U1024::from_be_slice(&*octets))));
    Zeroizing::new(reduced.retrieve())
}

/// Hashes to an integer of 128 bits.
pub(crate) fn hash_128(parts: &[&[u8]]) -> Zeroizing<[u8; 16]> {
    let mut octets = Zeroizing::new([0; 32]);
    hash(parts, &mut *octets);
    let mut low = Zeroizing::new([0; 16]);
    low.copy_from_slice(&octets[16..]);
    low
}

/// v = v_1 || .. || v_l with v_i = hash(h_i || hash(s)), h_i = hash(h_(i-1)), h_0 = 0.
fn hash(parts: &[&[u8]], out: &mut [u8]) {
    let mut seed = Sha256::new();
    parts.iter().for_each(|part| seed.update(part));
    let seed = Zeroizing::new(<[u8; 32]>::from(seed.finalize()));
    let mut h = [0; 32];
    for v in out.chunks_exact_mut(32) {
        h = Sha256::digest(h).into();
        v.copy_from_slice(&Sha256::new().chain_update(h).chain_update(*seed).finalize());
    }
}

/// Reads an identifier as an integer from 2 to q - 1 (RFC 6508 §2.2).
pub(crate) fn identifier(octets: &[u8]) -> Option<U1024> {
    let leading = octets.iter().take_while(|octet| **octet == 0).count();
    let digits = &octets[leading..];
    let mut padded = [0; OCTETS];
    padded.get_mut(OCTETS.checked_sub(digits.len())?..)?.copy_from_slice(digits);
    let integer = U1024::from_be_slice(&padded);
    (integer > Uint::ONE && integer < order()).then_some(integer)
}

/// Returns the product modulo q.
pub(crate) fn product(a: &U1024, b: &U1024) -> Zeroizing<U1024> {
    let product = Zeroizing::new(Exponent::new(a).mul(&Exponent::new(b)));
    Zeroizing::new(product.retrieve())
}

/// Returns 1 / (a + b) modulo q, `None` if a + b is 0.
pub(crate) fn inverse_of_sum(a: &U1024, b: &U1024) -> Option<Zeroizing<U1024>> {
    let sum = Zeroizing::new(Exponent::new(a).add(&Exponent::new(b)));
    let inverse = Zeroizing::new(Option::<Exponent>::from(sum.invert())?);
    Some(Zeroizing::new(inverse.retrieve()))
}

/// Whether an integer is 0, in constant time.
pub(crate) fn is_zero(integer: &U1024) -> Choice {
    use subtle::ConstantTimeEq;
    integer.ct_eq(&U1024::ZERO)
}

/// Reads a secret from 2 to q - 1.
pub(crate) fn secret(octets: &[u8; OCTETS]) -> Option<Zeroizing<U1024>> {
    let integer = Zeroizing::new(U1024::from_be_slice(octets));
    (*integer > Uint::ONE && *integer < order()).then_some(integer)
}

/// Reduces 144 random octets to a secret from 2 to q - 1, with a bias below 2^-128; `None` once in 2^1021 times.
pub(crate) fn secret_from_random(random: &[u8; 144]) -> Option<Zeroizing<U1024>> {
    let part = |octets: &[u8]| {
        let mut padded = Zeroizing::new([0; OCTETS]);
        padded[OCTETS - octets.len()..].copy_from_slice(octets);
        Zeroizing::new(Exponent::new(&*Zeroizing::new(U1024::from_be_slice(&*padded))))
    };
    let (high, low) = random.split_at(16);
    // high * 2^1024 + low
    let shifted = (0..1024).fold(part(high), |power, _| Zeroizing::new(power.double()));
    let sum = Zeroizing::new(shifted.add(&part(low)));
    let integer = Zeroizing::new(sum.retrieve());
    (*integer > Uint::ONE).then_some(integer)
}
