//! Numbers of 20 limbs of 52 bits, and their exchange with [`Residue`].

use crypto_bigint::U1024;

use crate::identity::sakke::params::Residue;

/// Number of limbs.
pub(super) const LIMBS: usize = 20;
/// Bits of a limb.
pub(super) const BITS: u32 = 52;
/// The largest limb.
pub(super) const MASK: u64 = (1 << BITS) - 1;

/// p.
pub(super) const P: [u64; LIMBS] = split(Residue::MODULUS.as_ref());
/// 32 p, what is added to differences.
pub(super) const P32: [u64; LIMBS] = times_power(&P, 5);
/// 128 p, what is added to differences with a larger subtrahend.
pub(super) const P128: [u64; LIMBS] = times_power(&P, 7);
/// 512 p, what is added to differences with the largest subtrahend.
pub(super) const P512: [u64; LIMBS] = times_power(&P, 9);
/// -1 / p modulo 2^52.
pub(super) const N0: u64 = negated_inverse(P[0]);
/// 2^1024 modulo p as an integer: its product brings a number from 2^1040 to 2^1024.
pub(super) const TO_RESIDUE: [u64; LIMBS] = split(Residue::ONE.as_montgomery());

/// 2^16.
const SHIFT: Residue = Residue::new(&U1024::from_u32(1 << 16));

const fn split(integer: &U1024) -> [u64; LIMBS] {
    let words = integer.as_words();
    let mut limbs = [0; LIMBS];
    let mut bit = 0;
    while bit < 1024 {
        limbs[bit / 52] |= (words[bit / 64] >> (bit % 64) & 1) << (bit % 52);
        bit += 1;
    }
    limbs
}

const fn times_power(number: &[u64; LIMBS], power: u32) -> [u64; LIMBS] {
    let mut out = [0; LIMBS];
    let (mut carry, mut at) = (0, 0);
    while at < LIMBS {
        let limb = (number[at] << power) + carry;
        out[at] = limb & MASK;
        carry = limb >> BITS;
        at += 1;
    }
    out
}

const fn negated_inverse(odd: u64) -> u64 {
    // Newton: each step doubles the right bits; an odd number is its own inverse modulo 8.
    let (mut inverse, mut step) = (odd, 0);
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse.wrapping_neg() & MASK
}

/// Returns the limbs of a number times 2^1040, below p.
pub(super) fn from_residue(number: &Residue) -> [u64; LIMBS] {
    // Its own form has 2^1024: 2^16 are missing.
    let words = number.mul(&SHIFT).as_montgomery().to_words();
    let word = |at: usize| words.get(at).copied().unwrap_or(0);
    std::array::from_fn(|limb| {
        let (at, shift) = (limb * 52 / 64, limb * 52 % 64);
        let low = word(at) >> shift;
        let high = if shift > 12 { word(at + 1) << (64 - shift) } else { 0 };
        (low | high) & MASK
    })
}

/// Takes the limbs of a number times 2^1024, below 2 p.
pub(super) fn to_residue(limbs: &[u64; LIMBS]) -> Residue {
    let mut words = [0; 16];
    for (limb, value) in limbs.iter().enumerate() {
        let (at, shift) = (limb * 52 / 64, limb * 52 % 64);
        words[at] |= value << shift;
        if shift > 12 && at + 1 < 16 {
            words[at + 1] |= value >> (64 - shift);
        }
    }
    let number = U1024::from_words(words);
    // Below 2^1024, since a product with a number below p is below p (1 + 2^-5).
    let modulus = Residue::MODULUS;
    Residue::from_montgomery(number.sub_mod(modulus.as_ref(), modulus.as_nz_ref()))
}
