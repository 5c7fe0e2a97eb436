//! Eight numbers side by side: a vector for the limbs of one place.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_load_si512, _mm512_madd52hi_epu64,
    _mm512_madd52lo_epu64, _mm512_mask_mov_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srai_epi64,
    _mm512_store_si512, _mm512_sub_epi64,
};
use std::array::from_fn;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::limbs::{LIMBS, MASK, N0, P, P32, P128, TO_RESIDUE, from_residue, to_residue};
use crate::identity::sakke::field::{Field, Lanes};
use crate::identity::sakke::params::Residue;

const WIDTH: usize = 8;

/// The limbs of one place.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Place([u64; WIDTH]);

/// Eight numbers. What makes one of something else checks the instruction set: whoever has a
/// `Batch` may use the vector instructions.
#[derive(Clone, Copy)]
pub(in crate::identity) struct Batch([Place; LIMBS]);

type Places = [__m512i; LIMBS];

impl Field for Batch {
    const LANES: usize = WIDTH;
    type Single = super::Row;

    fn pack(mut lanes: impl FnMut(usize) -> Residue) -> Self {
        assert!(super::is_available(), "the kernel is chosen on machines with AVX-512 IFMA only");
        let numbers: [_; WIDTH] = from_fn(|lane| from_residue(&lanes(lane)));
        Self(from_fn(|place| Place(from_fn(|lane| numbers[lane][place]))))
    }

    fn unpack(&self, lane: usize) -> Residue {
        let factor = Self(from_fn(|place| Place([TO_RESIDUE[place]; WIDTH])));
        let product = self.mul(&factor);
        to_residue(&from_fn(|place| product.0[place].0[lane]))
    }

    fn splat(number: &Residue) -> Self {
        assert!(super::is_available(), "the kernel is chosen on machines with AVX-512 IFMA only");
        Self(from_residue(number).map(|limb| Place([limb; WIDTH])))
    }

    fn zero() -> Self {
        assert!(super::is_available(), "the kernel is chosen on machines with AVX-512 IFMA only");
        Self([Place([0; WIDTH]); LIMBS])
    }

    fn mul(&self, other: &Self) -> Self {
        let mut out = *other;
        // SAFETY: a `Batch` exists, see there.
        unsafe { mul(self, other, &mut out) };
        out
    }

    fn square(&self) -> Self {
        self.mul(self)
    }

    fn add(&self, other: &Self) -> Self {
        let mut out = *other;
        // SAFETY: a `Batch` exists, see there.
        unsafe { add(self, other, &mut out) };
        out
    }

    fn sub(&self, other: &Self) -> Self {
        let mut out = *other;
        // SAFETY: a `Batch` exists, see there.
        unsafe { sub(self, other, &P32, &mut out) };
        out
    }

    fn sub_far(&self, other: &Self) -> Self {
        let mut out = *other;
        // SAFETY: a `Batch` exists, see there.
        unsafe { sub(self, other, &P128, &mut out) };
        out
    }

    fn rotate(&self, by: usize) -> Self {
        Self(from_fn(|place| Place(from_fn(|lane| self.0[place].0[(lane + by) % WIDTH]))))
    }

    fn assign_where(&mut self, other: &Self, lanes: Lanes) {
        // SAFETY: a `Batch` exists, see there.
        unsafe { select(std::slice::from_mut(self), &[*other], &[lanes.0]) };
    }

    fn select<const N: usize>(entries: &[[Self; N]], chosen: impl Fn(usize) -> Lanes) -> [Self; N] {
        let mut out = entries[0];
        let mut lanes = [0; 64];
        for (at, lanes) in lanes.iter_mut().enumerate().take(entries.len()).skip(1) {
            *lanes = chosen(at).0;
        }
        // SAFETY: a `Batch` exists, see there.
        unsafe { select(&mut out, entries.as_flattened(), &lanes[..entries.len()]) };
        out
    }
}

impl Zeroize for Batch {
    fn zeroize(&mut self) {
        self.0.iter_mut().for_each(|place| place.0.zeroize());
    }
}

impl ZeroizeOnDrop for Batch {}

#[target_feature(enable = "avx512f,avx512ifma")]
fn load(place: &Place) -> __m512i {
    // SAFETY: a `Place` has 64 octets at a multiple of 64.
    unsafe { _mm512_load_si512((&raw const place.0).cast()) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn store(place: &mut Place, value: __m512i) {
    // SAFETY: a `Place` has 64 octets at a multiple of 64.
    unsafe { _mm512_store_si512((&raw mut place.0).cast(), value) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn splat(limb: u64) -> __m512i {
    _mm512_set1_epi64(limb.cast_signed())
}

/// Brings every limb to 52 bits; those of differences may be negative, the number is not.
#[target_feature(enable = "avx512f,avx512ifma")]
fn carry(places: &Places, out: &mut Batch) {
    let mut carry = _mm512_setzero_si512();
    for (out, place) in out.0.iter_mut().zip(places) {
        let sum = _mm512_add_epi64(*place, carry);
        carry = _mm512_srai_epi64::<52>(sum);
        store(out, _mm512_and_si512(sum, splat(MASK)));
    }
}

/// a b / 2^1040 modulo p, below p + a b / 2^1040: ten passes that add two limbs of b times a, and the multiple of p that
/// clears the two lowest limbs. A place collects at most 80 numbers of 52 bits before its carries leave.
#[target_feature(enable = "avx512f,avx512ifma")]
fn mul(a: &Batch, b: &Batch, out: &mut Batch) {
    let mut sum = [_mm512_setzero_si512(); LIMBS];
    for limbs in b.0.chunks_exact(2) {
        pass(&mut sum, a, load(&limbs[0]), load(&limbs[1]));
    }
    carry(&sum, out);
}

/// Adds `a (b0 + 2^52 b1)` and `p (m0 + 2^52 m1)`, and moves the places two down. Each limb of a and p is loaded once for
/// four products.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn pass(sum: &mut Places, a: &Batch, b0: __m512i, b1: __m512i) {
    let (zero, n0) = (_mm512_setzero_si512(), splat(N0));
    // The two lowest places give the factors of p, and a carry.
    let (mut a_below, mut a_last) = (load(&a.0[0]), load(&a.0[1]));
    let (mut p_below, mut p_last) = (splat(P[0]), splat(P[1]));
    let lowest = _mm512_madd52lo_epu64(sum[0], a_below, b0);
    let m0 = _mm512_madd52lo_epu64(zero, lowest, n0);
    let lowest = _mm512_srai_epi64::<52>(_mm512_madd52lo_epu64(lowest, p_below, m0));
    let mut second = _mm512_madd52lo_epu64(sum[1], a_last, b0);
    second = _mm512_madd52hi_epu64(second, a_below, b0);
    second = _mm512_madd52lo_epu64(second, a_below, b1);
    let reduced = _mm512_madd52hi_epu64(_mm512_madd52lo_epu64(lowest, p_last, m0), p_below, m0);
    second = _mm512_add_epi64(second, reduced);
    let m1 = _mm512_madd52lo_epu64(zero, second, n0);
    let mut entering = _mm512_srai_epi64::<52>(_mm512_madd52lo_epu64(second, p_below, m1));
    for j in 2..=LIMBS + 1 {
        let (mut of_a, mut of_p) = (if j < LIMBS { sum[j] } else { zero }, entering);
        let (a_next, p_next) = if j < LIMBS { (load(&a.0[j]), splat(P[j])) } else { (zero, zero) };
        of_a = _mm512_madd52lo_epu64(of_a, a_next, b0);
        of_p = _mm512_madd52lo_epu64(of_p, p_next, m0);
        of_a = _mm512_madd52hi_epu64(of_a, a_last, b0);
        of_p = _mm512_madd52hi_epu64(of_p, p_last, m0);
        of_a = _mm512_madd52lo_epu64(of_a, a_last, b1);
        of_p = _mm512_madd52lo_epu64(of_p, p_last, m1);
        of_a = _mm512_madd52hi_epu64(of_a, a_below, b1);
        of_p = _mm512_madd52hi_epu64(of_p, p_below, m1);
        sum[j - 2] = _mm512_add_epi64(of_a, of_p);
        entering = zero;
        (a_below, a_last, p_below, p_last) = (a_last, a_next, p_last, p_next);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn add(a: &Batch, b: &Batch, out: &mut Batch) {
    let mut sum = [_mm512_setzero_si512(); LIMBS];
    for j in 0..LIMBS {
        sum[j] = _mm512_add_epi64(load(&a.0[j]), load(&b.0[j]));
    }
    carry(&sum, out);
}

/// a + multiple - b.
#[target_feature(enable = "avx512f,avx512ifma")]
fn sub(a: &Batch, b: &Batch, multiple: &[u64; LIMBS], out: &mut Batch) {
    let mut sum = [_mm512_setzero_si512(); LIMBS];
    for j in 0..LIMBS {
        let raised = _mm512_add_epi64(load(&a.0[j]), splat(multiple[j]));
        sum[j] = _mm512_sub_epi64(raised, load(&b.0[j]));
    }
    carry(&sum, out);
}

/// Replaces the lanes of `out` by those of each row of `entries` that `lanes` sets for it; reads every entry.
#[target_feature(enable = "avx512f,avx512ifma")]
fn select(out: &mut [Batch], entries: &[Batch], lanes: &[u8]) {
    let columns = out.len();
    for (column, out) in out.iter_mut().enumerate() {
        let mut taken = [_mm512_setzero_si512(); LIMBS];
        for j in 0..LIMBS {
            taken[j] = load(&out.0[j]);
        }
        for (row, &lanes) in lanes.iter().enumerate() {
            let entry = &entries[row * columns + column];
            for j in 0..LIMBS {
                taken[j] = _mm512_mask_mov_epi64(taken[j], lanes, load(&entry.0[j]));
            }
        }
        for j in 0..LIMBS {
            store(&mut out.0[j], taken[j]);
        }
    }
}
