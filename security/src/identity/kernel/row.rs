//! One number, its limbs side by side in three vectors: several products at a time, which hide each other's latency.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512, _mm512_broadcastq_epi64,
    _mm512_castsi512_si128, _mm512_cmpeq_epu64_mask, _mm512_cmpgt_epu64_mask, _mm512_load_si512,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_add_epi64, _mm512_maskz_mov_epi64,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srli_epi64, _mm512_store_si512, _mm512_xor_si512,
};
use std::array::from_fn;

use zeroize::Zeroize;

use super::limbs::{LIMBS, MASK, N0, P, P32, P128, P512, TO_RESIDUE, from_residue, to_residue};
use crate::identity::sakke::field::{Field, Lanes, select_single};
use crate::identity::sakke::params::Residue;

/// Vectors of a number.
const VECTORS: usize = 3;
/// Limbs of a number and four that are 0.
const WIDTH: usize = VECTORS * 8;

/// One number. What makes one of something else checks the instruction set: whoever has a
/// `Row` may use the vector instructions.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::identity) struct Row([u64; WIDTH]);

type Vectors = [__m512i; VECTORS];

const MODULUS: Row = extend(&P);
const ADDED: Row = extend(&P32);
const ADDED_FAR: Row = extend(&P128);
const ADDED_FARTHER: Row = extend(&P512);
const LIMB_MASK: Row = extend(&[MASK; LIMBS]);

const fn extend(limbs: &[u64; LIMBS]) -> Row {
    let (mut row, mut at) = ([0; WIDTH], 0);
    while at < LIMBS {
        row[at] = limbs[at];
        at += 1;
    }
    Row(row)
}

impl Field for Row {
    const LANES: usize = 1;
    const PAIRS: usize = 200;
    type Single = Self;

    fn pack(mut lanes: impl FnMut(usize) -> Residue) -> Self {
        assert!(super::is_available(), "the kernel is chosen on machines with AVX-512 IFMA only");
        extend(&from_residue(&lanes(0)))
    }

    fn unpack(&self, _: usize) -> Residue {
        let product = self.mul(&extend(&TO_RESIDUE));
        to_residue(&from_fn(|limb| product.0[limb]))
    }

    fn zero() -> Self {
        assert!(super::is_available(), "the kernel is chosen on machines with AVX-512 IFMA only");
        Self([0; WIDTH])
    }

    fn mul(&self, other: &Self) -> Self {
        let [product] = Self::mul_each([[self, other]]);
        product
    }

    fn square(&self) -> Self {
        self.mul(self)
    }

    fn add(&self, other: &Self) -> Self {
        let mut out = *other;
        // SAFETY: a `Row` exists, see there.
        unsafe { add(self, other, &mut out) };
        out
    }

    fn sub(&self, other: &Self) -> Self {
        let mut out = *other;
        // SAFETY: a `Row` exists, see there.
        unsafe { sub(self, other, &ADDED, &mut out) };
        out
    }

    fn sub_far(&self, other: &Self) -> Self {
        let mut out = *other;
        // SAFETY: a `Row` exists, see there.
        unsafe { sub(self, other, &ADDED_FAR, &mut out) };
        out
    }

    fn sub_farther(&self, other: &Self) -> Self {
        let mut out = *other;
        // SAFETY: a `Row` exists, see there.
        unsafe { sub(self, other, &ADDED_FARTHER, &mut out) };
        out
    }

    fn rotate(&self, _: usize) -> Self {
        *self
    }

    fn assign_where(&mut self, other: &Self, lanes: Lanes) {
        // Opaque, or the compiler might branch on it.
        let mask = std::hint::black_box(u64::from(lanes.0 & 1).wrapping_neg());
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            *limb ^= (*limb ^ other) & mask;
        }
    }

    fn select_of_lane<const N: usize>(
        entries: &[[Self; N]],
        column: usize,
        _: usize,
        chosen: impl Fn(usize) -> Lanes,
    ) -> Self {
        select_single(entries, column, chosen)
    }

    fn mul_each<const N: usize>(pairs: [[&Self; 2]; N]) -> [Self; N] {
        let mut out = [Self([0; WIDTH]); N];
        if N > 0 {
            // SAFETY: a `Row` exists, see there.
            unsafe { mul(&pairs, &mut out) };
        }
        out
    }
}

impl Zeroize for Row {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn load(row: &Row) -> Vectors {
    let row = (&raw const row.0).cast::<__m512i>();
    // SAFETY: a `Row` has three times 64 octets at a multiple of 64.
    unsafe { [_mm512_load_si512(row), _mm512_load_si512(row.add(1)), _mm512_load_si512(row.add(2))] }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn store(row: &mut Row, value: &Vectors) {
    let row = (&raw mut row.0).cast::<__m512i>();
    for (at, value) in value.iter().enumerate() {
        // SAFETY: a `Row` has three times 64 octets at a multiple of 64.
        unsafe { _mm512_store_si512(row.add(at), *value) };
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn splat(limb: u64) -> __m512i {
    _mm512_set1_epi64(limb.cast_signed())
}

/// Moves every limb one place up.
#[target_feature(enable = "avx512f,avx512ifma")]
fn up(value: &Vectors) -> Vectors {
    let zero = _mm512_setzero_si512();
    [
        _mm512_alignr_epi64::<7>(value[0], zero),
        _mm512_alignr_epi64::<7>(value[1], value[0]),
        _mm512_alignr_epi64::<7>(value[2], value[1]),
    ]
}

/// Brings every limb to 52 bits; what leaves the highest one is dropped.
#[target_feature(enable = "avx512f,avx512ifma")]
fn carry(value: &Vectors, out: &mut Row) {
    let (mask, limb_masks) = (splat(MASK), load(&LIMB_MASK));
    let mut carries = *value;
    for carry in &mut carries {
        *carry = _mm512_srli_epi64::<52>(*carry);
    }
    let carries = up(&carries);
    let mut sums = *value;
    // Where a carry leaves a limb now, and where one would that comes from below.
    let (mut leaves, mut passes) = (0, 0);
    for at in 0..VECTORS {
        sums[at] = _mm512_add_epi64(_mm512_and_si512(value[at], mask), carries[at]);
        leaves |= u32::from(_mm512_cmpgt_epu64_mask(sums[at], mask)) << (8 * at);
        passes |= u32::from(_mm512_cmpeq_epu64_mask(sums[at], mask)) << (8 * at);
    }
    // An addition ripples the carries through the limbs that pass them on.
    let enters = ((leaves << 1).wrapping_add(passes)) ^ passes;
    for at in 0..VECTORS {
        let one = (enters >> (8 * at)) as u8;
        let sum = _mm512_mask_add_epi64(sums[at], one, sums[at], splat(1));
        sums[at] = _mm512_and_si512(sum, limb_masks[at]);
    }
    store(out, &sums);
}

/// a b / 2^1040 modulo p for each pair, below p + a b / 2^1040. As the batch's, with the limbs side by side: after each
/// round they move one place down.
#[target_feature(enable = "avx512f,avx512ifma")]
fn mul<const N: usize>(pairs: &[[&Row; 2]; N], out: &mut [Row; N]) {
    let zero = _mm512_setzero_si512();
    let p = load(&MODULUS);
    let mut sums = [[zero; VECTORS]; N];
    for i in 0..LIMBS {
        for k in 0..N {
            let (a, b) = (load(pairs[k][0]), splat(pairs[k][1].0[i]));
            let sum = &mut sums[k];
            sum[0] = _mm512_madd52lo_epu64(sum[0], a[0], b);
            let m = _mm512_madd52lo_epu64(zero, sum[0], splat(N0));
            let m = _mm512_broadcastq_epi64(_mm512_castsi512_si128(m));
            sum[1] = _mm512_madd52lo_epu64(sum[1], a[1], b);
            sum[2] = _mm512_madd52lo_epu64(sum[2], a[2], b);
            for at in 0..VECTORS {
                sum[at] = _mm512_madd52lo_epu64(sum[at], p[at], m);
            }
            let lowest = _mm512_maskz_mov_epi64(1, _mm512_srli_epi64::<52>(sum[0]));
            *sum = [
                _mm512_add_epi64(_mm512_alignr_epi64::<1>(sum[1], sum[0]), lowest),
                _mm512_alignr_epi64::<1>(sum[2], sum[1]),
                _mm512_alignr_epi64::<1>(zero, sum[2]),
            ];
            for at in 0..VECTORS {
                sum[at] = _mm512_madd52hi_epu64(sum[at], a[at], b);
                sum[at] = _mm512_madd52hi_epu64(sum[at], p[at], m);
            }
        }
    }
    for (sum, out) in sums.iter().zip(out) {
        carry(sum, out);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn add(a: &Row, b: &Row, out: &mut Row) {
    let (mut sum, b) = (load(a), load(b));
    for at in 0..VECTORS {
        sum[at] = _mm512_add_epi64(sum[at], b[at]);
    }
    carry(&sum, out);
}

/// a + multiple - b: b's complement to 2^1040 is added, and what leaves the highest limb dropped.
#[target_feature(enable = "avx512f,avx512ifma")]
fn sub(a: &Row, b: &Row, multiple: &Row, out: &mut Row) {
    let (mut sum, b, multiple, mask) = (load(a), load(b), load(multiple), load(&LIMB_MASK));
    for at in 0..VECTORS {
        let raised = _mm512_add_epi64(sum[at], multiple[at]);
        sum[at] = _mm512_add_epi64(raised, _mm512_xor_si512(b[at], mask[at]));
    }
    sum[0] = _mm512_mask_add_epi64(sum[0], 1, sum[0], splat(1));
    carry(&sum, out);
}
