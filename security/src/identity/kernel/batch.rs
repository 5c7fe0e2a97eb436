//! Eight numbers side by side: a vector for the limbs of one place.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_load_si512, _mm512_madd52hi_epu64,
    _mm512_madd52lo_epu64, _mm512_mask_mov_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srai_epi64,
    _mm512_srli_epi64, _mm512_store_si512, _mm512_sub_epi64,
};
use std::array::from_fn;
use std::sync::atomic;
use std::{ptr, slice};

use zeroize::{Zeroize, Zeroizing};

use super::limbs::{LIMBS, MASK, N0, P, P32, P128, P512, TO_RESIDUE, from_residue, to_residue};
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
    const PAIRS: usize = 32;
    type Single = super::Row;

    fn pack(mut lanes: impl FnMut(usize) -> Residue) -> Self {
        assert!(super::is_available(), "the kernel is chosen on machines with AVX-512 IFMA only");
        let numbers: [_; WIDTH] = from_fn(|lane| from_residue(&lanes(lane)));
        Self(from_fn(|place| Place(from_fn(|lane| numbers[lane][place]))))
    }

    fn unpack(&self, lane: usize) -> Residue {
        self.to_residues().lane(lane)
    }

    fn unpack_all(&self) -> Zeroizing<Vec<Residue>> {
        let residues = Zeroizing::new(self.to_residues());
        Zeroizing::new((0..WIDTH).map(|lane| residues.lane(lane)).collect())
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
        // SAFETY: a `Batch` exists, see there.
        unsafe { mul(self, other) }
    }

    fn square(&self) -> Self {
        self.mul(self)
    }

    fn add(&self, other: &Self) -> Self {
        // SAFETY: a `Batch` exists, see there.
        unsafe { add(self, other) }
    }

    fn sub(&self, other: &Self) -> Self {
        // SAFETY: a `Batch` exists, see there.
        unsafe { sub(self, other, &P32) }
    }

    fn sub_far(&self, other: &Self) -> Self {
        // SAFETY: a `Batch` exists, see there.
        unsafe { sub(self, other, &P128) }
    }

    fn sub_farther(&self, other: &Self) -> Self {
        // SAFETY: a `Batch` exists, see there.
        unsafe { sub(self, other, &P512) }
    }

    fn rotate(&self, by: usize) -> Self {
        Self(from_fn(|place| Place(from_fn(|lane| self.0[place].0[(lane + by) % WIDTH]))))
    }

    fn assign_where(&mut self, other: &Self, lanes: Lanes) {
        // SAFETY: a `Batch` exists, see there.
        unsafe { select(slice::from_mut(self), slice::from_ref(other), &[lanes.0]) };
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

    fn select_of_lane<const N: usize>(
        entries: &[[Self; N]],
        column: usize,
        lane: usize,
        chosen: impl Fn(usize) -> Lanes,
    ) -> Self {
        let mut lanes = [0; 64];
        for (at, lanes) in lanes.iter_mut().enumerate().take(entries.len()) {
            *lanes = chosen(at).0;
        }
        let of_column = entries.iter().map(|entry| &entry[column]);
        // SAFETY: a `Batch` exists, see there.
        unsafe { select_of_lane(of_column.zip(lanes), lane) }
    }

    fn mul_each<const N: usize>(pairs: [[&Self; 2]; N]) -> [Self; N] {
        from_fn(|at| pairs[at][0].mul(pairs[at][1]))
    }
}

impl Batch {
    /// Brings every number from 2^1040 to 2^1024.
    fn to_residues(self) -> Self {
        self.mul(&Self(TO_RESIDUE.map(|limb| Place([limb; WIDTH]))))
    }

    /// Returns the number of a lane, which has 2^1024.
    fn lane(&self, lane: usize) -> Residue {
        to_residue(&from_fn(|place| self.0[place].0[lane]))
    }
}

impl Zeroize for Batch {
    fn zeroize(&mut self) {
        for place in &mut self.0 {
            // SAFETY: a place, all of it. Not octet by octet: thousands are wiped in a call.
            unsafe { ptr::write_volatile(place, Place([0; WIDTH])) };
        }
        atomic::compiler_fence(atomic::Ordering::SeqCst);
    }
}

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
fn carry(places: &Places) -> Batch {
    let mut carry = _mm512_setzero_si512();
    let mut out = [carry; LIMBS];
    for (out, place) in out.iter_mut().zip(places) {
        let sum = _mm512_add_epi64(*place, carry);
        carry = _mm512_srai_epi64::<52>(sum);
        *out = _mm512_and_si512(sum, splat(MASK));
    }
    batch(out)
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn batch(places: Places) -> Batch {
    // SAFETY: both are 20 times 64 octets, any of them.
    unsafe { std::mem::transmute(places) }
}

/// a b / 2^1040 modulo p, below p + a b / 2^1040: twenty passes that add a limb of b times a, and the multiple of p that
/// clears the lowest limb. A place collects at most 80 numbers of 52 bits before its carries leave. All places stay in
/// registers.
#[target_feature(enable = "avx512f,avx512ifma")]
fn mul(a: &Batch, b: &Batch) -> Batch {
    let (zero, n0) = (_mm512_setzero_si512(), splat(N0));
    let mut sum = [zero; LIMBS];
    for limb in &b.0 {
        // Opaque, or the compiler copies all of a to the stack, where a limb may lie across two lines of the cache.
        let (a, b) = (std::hint::black_box(a), load(limb));
        let (mut a_last, mut p_last) = (load(&a.0[0]), splat(P[0]));
        let lowest = _mm512_madd52lo_epu64(sum[0], a_last, b);
        let m = _mm512_madd52lo_epu64(zero, lowest, n0);
        let lowest = _mm512_srli_epi64::<52>(_mm512_madd52lo_epu64(lowest, p_last, m));
        sum[1] = _mm512_add_epi64(sum[1], lowest);
        for j in 1..LIMBS {
            let (a_next, p_next) = (load(&a.0[j]), splat(P[j]));
            let mut place = _mm512_madd52lo_epu64(sum[j], a_next, b);
            place = _mm512_madd52hi_epu64(place, a_last, b);
            place = _mm512_madd52lo_epu64(place, p_next, m);
            sum[j - 1] = _mm512_madd52hi_epu64(place, p_last, m);
            (a_last, p_last) = (a_next, p_next);
        }
        sum[LIMBS - 1] = _mm512_madd52hi_epu64(_mm512_madd52hi_epu64(zero, a_last, b), p_last, m);
    }
    carry(&sum)
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn add(a: &Batch, b: &Batch) -> Batch {
    let mut sum = [_mm512_setzero_si512(); LIMBS];
    for j in 0..LIMBS {
        sum[j] = _mm512_add_epi64(load(&a.0[j]), load(&b.0[j]));
    }
    carry(&sum)
}

/// a + multiple - b.
#[target_feature(enable = "avx512f,avx512ifma")]
fn sub(a: &Batch, b: &Batch, multiple: &[u64; LIMBS]) -> Batch {
    let mut sum = [_mm512_setzero_si512(); LIMBS];
    for j in 0..LIMBS {
        let raised = _mm512_add_epi64(load(&a.0[j]), splat(multiple[j]));
        sum[j] = _mm512_sub_epi64(raised, load(&b.0[j]));
    }
    carry(&sum)
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

/// Returns in each lane what lane `lane` of an entry has, of the one that comes with the lane; reads that lane of every
/// entry.
#[target_feature(enable = "avx512f,avx512ifma")]
fn select_of_lane<'a>(entries: impl Iterator<Item = (&'a Batch, u8)>, lane: usize) -> Batch {
    let mut taken = [_mm512_setzero_si512(); LIMBS];
    for (entry, lanes) in entries {
        for j in 0..LIMBS {
            taken[j] = _mm512_mask_mov_epi64(taken[j], lanes, splat(entry.0[j].0[lane]));
        }
    }
    batch(taken)
}
