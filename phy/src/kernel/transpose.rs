//! Transposition of matrices of 16-bit elements: the sub-block interleaver and the layout of the turbo decoder.
//!
//! Eight columns are read eight (or, in wider vectors, 16 or 32) elements at a time and turned in registers by three
//! rounds of unpacking.

use super::Backend;

/// Most columns of a matrix.
pub(crate) const MAX_COLUMNS: usize = 32;

/// Scaling of the elements during the transposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Places to shift to the right, rounding half up.
    pub(crate) shift: u32,
    /// Limit of the magnitude after the shift.
    pub(crate) limit: i16,
}

impl Scale {
    /// Leaves the elements unchanged, except that `i16::MIN` becomes one more.
    pub(crate) const NONE: Self = Self { shift: 0, limit: i16::MAX };

    /// Applies the scaling to one element.
    pub(crate) fn apply(self, x: i16) -> i16 {
        let half = (1i32 << self.shift) >> 1;
        ((i32::from(x) + half) >> self.shift).clamp(-i32::from(self.limit), i32::from(self.limit)) as i16
    }
}

/// Writes `rows` rows: row `r` is element `r` of every column. `output` has `rows * columns.len()` elements.
pub(crate) type Transpose = fn(&[&[i16]], usize, Scale, &mut [i16]);

/// Returns the loop of a backend.
pub(crate) fn transpose(backend: Backend) -> Transpose {
    match backend.or_scalar() {
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => |columns, rows, scale, output| {
            // SAFETY: the machine has the instruction set.
            unsafe { x86::transpose_avx512(columns, rows, scale, output) }
        },
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => |columns, rows, scale, output| {
            // SAFETY: the machine has the instruction set.
            unsafe { x86::transpose_avx2(columns, rows, scale, output) }
        },
        #[cfg(target_arch = "aarch64")]
        Backend::Neon => neon::transpose,
        _ => scalar,
    }
}

/// Panics unless the lengths fit: the loops do not check them.
fn check(columns: &[&[i16]], rows: usize, output: &[i16]) {
    assert!(columns.len() <= MAX_COLUMNS && columns.iter().all(|column| column.len() >= rows));
    assert!(output.len() == rows * columns.len());
}

fn scalar(columns: &[&[i16]], rows: usize, scale: Scale, output: &mut [i16]) {
    check(columns, rows, output);
    for (c, column) in columns.iter().enumerate() {
        for (r, &x) in column[..rows].iter().enumerate() {
            output[r * columns.len() + c] = scale.apply(x);
        }
    }
}

/// A vector of groups of eight elements.
///
/// # Safety
/// Every function needs the instruction set of the implementation; `load` reads `8 GROUPS` elements, and
/// `store_groups` writes eight elements at `to + i * stride` for every group `i`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
trait Groups: Copy {
    const GROUPS: usize;
    unsafe fn load(from: *const i16) -> Self;
    /// Returns, of every group, the low halves of both vectors, then the high halves, interleaved by elements of 1, 2
    /// and 4.
    unsafe fn unpack_1(self, other: Self) -> [Self; 2];
    unsafe fn unpack_2(self, other: Self) -> [Self; 2];
    unsafe fn unpack_4(self, other: Self) -> [Self; 2];
    /// Returns `(self * factor + 2^14) >> 15`
    unsafe fn scale(self, factor: i16) -> Self;
    unsafe fn limit(self, limit: i16) -> Self;
    unsafe fn store_groups(self, to: *mut i16, stride: usize);
}

/// Transposes rows `0..rows` of eight columns. Returns false, having done nothing, if a vector has more rows than that.
///
/// # Safety
/// The machine has the instruction set of `V`; the columns have `rows` elements and `to` is the first of `rows` rows of
/// `stride` elements, eight of which are written.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
unsafe fn eight_columns<V: Groups>(
    columns: &[&[i16]],
    rows: usize,
    scale: Scale,
    to: *mut i16,
    stride: usize,
) -> bool {
    let step = 8 * V::GROUPS;
    if rows < step {
        return false;
    }
    // A shift by n is a product with 2^(15 - n); by 16 or more only a limit remains, and no caller does that.
    let factor = if scale.shift == 0 { None } else { Some(1i16 << (15 - scale.shift.min(15))) };
    let mut r = 0;
    loop {
        // SAFETY: `r + step <= rows`.
        unsafe {
            let mut v = [V::load(columns[0].as_ptr().add(r)); 8];
            for (v, column) in v.iter_mut().zip(columns) {
                let x = V::load(column.as_ptr().add(r));
                let x = if let Some(factor) = factor { x.scale(factor) } else { x };
                *v = x.limit(scale.limit);
            }
            let ([a, b], [c, d]) = (v[0].unpack_1(v[1]), v[2].unpack_1(v[3]));
            let ([e, f], [g, h]) = (v[4].unpack_1(v[5]), v[6].unpack_1(v[7]));
            let ([a0, a1], [b0, b1]) = (a.unpack_2(c), b.unpack_2(d));
            let ([e0, e1], [f0, f1]) = (e.unpack_2(g), f.unpack_2(h));
            let ([r0, r1], [r2, r3]) = (a0.unpack_4(e0), a1.unpack_4(e1));
            let ([r4, r5], [r6, r7]) = (b0.unpack_4(f0), b1.unpack_4(f1));
            let v = [r0, r1, r2, r3, r4, r5, r6, r7];
            for (i, v) in v.into_iter().enumerate() {
                v.store_groups(to.add((r + i) * stride), 8 * stride);
            }
        }
        if r + step == rows {
            return true;
        }
        // The last step overlaps the one before.
        r = (r + step).min(rows - step);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Groups, Scale, check, eight_columns, scalar};

    macro_rules! transpose {
        ($name:ident, $features:literal, $($vector:ty),+) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name(columns: &[&[i16]], rows: usize, scale: Scale, output: &mut [i16]) {
                check(columns, rows, output);
                let stride = columns.len();
                if !stride.is_multiple_of(8) || rows < 8 || scale.shift > 15 {
                    return scalar(columns, rows, scale, output);
                }
                for (c, columns) in columns.chunks_exact(8).enumerate() {
                    // SAFETY: the lengths were checked and this function has the instruction set.
                    unsafe {
                        let to = output.as_mut_ptr().add(8 * c);
                        let _done = $(eight_columns::<$vector>(columns, rows, scale, to, stride))||+;
                    }
                }
            }
        };
    }

    transpose!(transpose_avx512, "avx2,avx512f,avx512bw,avx512vl", __m512i, __m256i, __m128i);
    transpose!(transpose_avx2, "avx2", __m256i, __m128i);

    // SAFETY of all functions: the caller of a `Groups` function has the instruction set and guarantees the pointers.

    impl Groups for __m512i {
        const GROUPS: usize = 4;

        #[inline(always)]
        unsafe fn load(from: *const i16) -> Self {
            unsafe { _mm512_loadu_epi16(from) }
        }

        #[inline(always)]
        unsafe fn unpack_1(self, other: Self) -> [Self; 2] {
            unsafe { [_mm512_unpacklo_epi16(self, other), _mm512_unpackhi_epi16(self, other)] }
        }

        #[inline(always)]
        unsafe fn unpack_2(self, other: Self) -> [Self; 2] {
            unsafe { [_mm512_unpacklo_epi32(self, other), _mm512_unpackhi_epi32(self, other)] }
        }

        #[inline(always)]
        unsafe fn unpack_4(self, other: Self) -> [Self; 2] {
            unsafe { [_mm512_unpacklo_epi64(self, other), _mm512_unpackhi_epi64(self, other)] }
        }

        #[inline(always)]
        unsafe fn scale(self, factor: i16) -> Self {
            unsafe { _mm512_mulhrs_epi16(self, _mm512_set1_epi16(factor)) }
        }

        #[inline(always)]
        unsafe fn limit(self, limit: i16) -> Self {
            unsafe {
                let above = _mm512_max_epi16(self, _mm512_set1_epi16(-limit));
                _mm512_min_epi16(above, _mm512_set1_epi16(limit))
            }
        }

        #[inline(always)]
        unsafe fn store_groups(self, to: *mut i16, stride: usize) {
            unsafe {
                _mm_storeu_si128(to.cast(), _mm512_castsi512_si128(self));
                _mm_storeu_si128(to.add(stride).cast(), _mm512_extracti32x4_epi32::<1>(self));
                _mm_storeu_si128(to.add(2 * stride).cast(), _mm512_extracti32x4_epi32::<2>(self));
                _mm_storeu_si128(to.add(3 * stride).cast(), _mm512_extracti32x4_epi32::<3>(self));
            }
        }
    }

    impl Groups for __m256i {
        const GROUPS: usize = 2;

        #[inline(always)]
        unsafe fn load(from: *const i16) -> Self {
            unsafe { _mm256_loadu_si256(from.cast()) }
        }

        #[inline(always)]
        unsafe fn unpack_1(self, other: Self) -> [Self; 2] {
            unsafe { [_mm256_unpacklo_epi16(self, other), _mm256_unpackhi_epi16(self, other)] }
        }

        #[inline(always)]
        unsafe fn unpack_2(self, other: Self) -> [Self; 2] {
            unsafe { [_mm256_unpacklo_epi32(self, other), _mm256_unpackhi_epi32(self, other)] }
        }

        #[inline(always)]
        unsafe fn unpack_4(self, other: Self) -> [Self; 2] {
            unsafe { [_mm256_unpacklo_epi64(self, other), _mm256_unpackhi_epi64(self, other)] }
        }

        #[inline(always)]
        unsafe fn scale(self, factor: i16) -> Self {
            unsafe { _mm256_mulhrs_epi16(self, _mm256_set1_epi16(factor)) }
        }

        #[inline(always)]
        unsafe fn limit(self, limit: i16) -> Self {
            unsafe {
                let above = _mm256_max_epi16(self, _mm256_set1_epi16(-limit));
                _mm256_min_epi16(above, _mm256_set1_epi16(limit))
            }
        }

        #[inline(always)]
        unsafe fn store_groups(self, to: *mut i16, stride: usize) {
            unsafe {
                _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(self));
                _mm_storeu_si128(to.add(stride).cast(), _mm256_extracti128_si256::<1>(self));
            }
        }
    }

    impl Groups for __m128i {
        const GROUPS: usize = 1;

        #[inline(always)]
        unsafe fn load(from: *const i16) -> Self {
            unsafe { _mm_loadu_si128(from.cast()) }
        }

        #[inline(always)]
        unsafe fn unpack_1(self, other: Self) -> [Self; 2] {
            unsafe { [_mm_unpacklo_epi16(self, other), _mm_unpackhi_epi16(self, other)] }
        }

        #[inline(always)]
        unsafe fn unpack_2(self, other: Self) -> [Self; 2] {
            unsafe { [_mm_unpacklo_epi32(self, other), _mm_unpackhi_epi32(self, other)] }
        }

        #[inline(always)]
        unsafe fn unpack_4(self, other: Self) -> [Self; 2] {
            unsafe { [_mm_unpacklo_epi64(self, other), _mm_unpackhi_epi64(self, other)] }
        }

        #[inline(always)]
        unsafe fn scale(self, factor: i16) -> Self {
            unsafe { _mm_mulhrs_epi16(self, _mm_set1_epi16(factor)) }
        }

        #[inline(always)]
        unsafe fn limit(self, limit: i16) -> Self {
            unsafe { _mm_min_epi16(_mm_max_epi16(self, _mm_set1_epi16(-limit)), _mm_set1_epi16(limit)) }
        }

        #[inline(always)]
        unsafe fn store_groups(self, to: *mut i16, _stride: usize) {
            unsafe { _mm_storeu_si128(to.cast(), self) }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;

    use super::{Groups, Scale, check, eight_columns, scalar};

    pub(super) fn transpose(columns: &[&[i16]], rows: usize, scale: Scale, output: &mut [i16]) {
        check(columns, rows, output);
        let stride = columns.len();
        if !stride.is_multiple_of(8) || rows < 8 || scale.shift > 15 {
            return scalar(columns, rows, scale, output);
        }
        for (c, columns) in columns.chunks_exact(8).enumerate() {
            // SAFETY: the lengths were checked, and every such machine has the instruction set.
            unsafe {
                let to = output.as_mut_ptr().add(8 * c);
                let _done = eight_columns::<int16x8_t>(columns, rows, scale, to, stride);
            }
        }
    }

    // SAFETY of all functions: the caller of a `Groups` function guarantees the pointers.

    impl Groups for int16x8_t {
        const GROUPS: usize = 1;

        #[inline(always)]
        unsafe fn load(from: *const i16) -> Self {
            unsafe { vld1q_s16(from) }
        }

        #[inline(always)]
        unsafe fn unpack_1(self, other: Self) -> [Self; 2] {
            unsafe { [vzip1q_s16(self, other), vzip2q_s16(self, other)] }
        }

        #[inline(always)]
        unsafe fn unpack_2(self, other: Self) -> [Self; 2] {
            unsafe {
                let (a, b) = (vreinterpretq_s32_s16(self), vreinterpretq_s32_s16(other));
                [vreinterpretq_s16_s32(vzip1q_s32(a, b)), vreinterpretq_s16_s32(vzip2q_s32(a, b))]
            }
        }

        #[inline(always)]
        unsafe fn unpack_4(self, other: Self) -> [Self; 2] {
            unsafe {
                let (a, b) = (vreinterpretq_s64_s16(self), vreinterpretq_s64_s16(other));
                [vreinterpretq_s16_s64(vzip1q_s64(a, b)), vreinterpretq_s16_s64(vzip2q_s64(a, b))]
            }
        }

        #[inline(always)]
        unsafe fn scale(self, factor: i16) -> Self {
            unsafe { vqrdmulhq_n_s16(self, factor) }
        }

        #[inline(always)]
        unsafe fn limit(self, limit: i16) -> Self {
            unsafe { vminq_s16(vmaxq_s16(self, vdupq_n_s16(-limit)), vdupq_n_s16(limit)) }
        }

        #[inline(always)]
        unsafe fn store_groups(self, to: *mut i16, _stride: usize) {
            unsafe { vst1q_s16(to, self) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backends_agree_with_portable_code(
            elements in proptest::collection::vec(any::<i16>(), 16_000),
            eights in 1usize..5,
            rows in 1usize..400,
            shift in 0u32..16,
            limit in 1i16..=i16::MAX,
        ) {
            let columns: Vec<&[i16]> = elements.chunks(400).take(8 * eights).collect();
            let scale = Scale { shift, limit };
            let run = |f: Transpose| {
                let mut output = vec![0; rows * columns.len()];
                f(&columns, rows, scale, &mut output);
                output
            };
            let truth = run(scalar);
            prop_assert_eq!(truth[rows / 2 * columns.len() + 3], scale.apply(columns[3][rows / 2]));
            for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
                prop_assert_eq!(&run(transpose(backend)), &truth, "{:?}", backend);
            }
        }
    }
}
