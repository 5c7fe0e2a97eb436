//! Loops of the search for synchronisation signals. All backends give the same bits: sums run in lanes of a fixed
//! number, which are added in a fixed order.

use super::Backend;
use crate::Sample;

/// Lanes of a sum.
const LANES: usize = 16;

/// Identities that are scored side by side.
pub(crate) const GROUP: usize = 48;

/// Real and imaginary part.
pub(crate) type Pair = [f32; 2];

/// A halfband filter of `K` outer coefficients on each side: coefficients, outer and inner samples, output.
type Halfband<const K: usize> = fn(&[f32; K], &[Pair], &[Pair], &mut [Pair]);

/// Samples that a decimator by two keeps of its even and of its odd ones, at least `2 K - 1`.
pub(crate) const PAST: usize = 16;

/// A decimator by two with a halfband filter of `K` outer coefficients on each side: coefficients, earlier even and odd
/// samples, input, output.
type Decimate<const K: usize> =
    fn(&[f32; K], &mut [Pair; PAST], &mut [Pair; PAST], &[Pair], &mut [Pair]) -> usize;

/// Power, powers on either side of it, output.
type Pairs = fn(&[f32], &[f32], &[f32], &mut [f32]);

/// The loops of one backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loops {
    /// Energy of every whole cell of 32 samples, up to the end of the shorter slice.
    pub(crate) energy: fn(&[Sample], &mut [f32]),
    /// `out = a b`, up to the end of the shortest slice.
    pub(crate) product: fn(&[Sample], &[Sample], &mut [Sample]),
    /// `out = weight |x|²`, up to the end of the shorter slice.
    pub(crate) powers: fn(&[Sample], f32, &mut [f32]),
    /// `out += weight |x|²`, up to the end of the shorter slice.
    pub(crate) add_powers: fn(&[Sample], f32, &mut [f32]),
    /// The largest number that is above 0, or 0.
    pub(crate) maximum: fn(&[f32]) -> f32,
    /// Index of the first number that equals the second argument.
    pub(crate) find: fn(&[f32], f32) -> Option<usize>,
    /// `out[t] = power[t] + max(near[t], far[t])`, up to the end of the shortest slice.
    pub(crate) pairs: Pairs,
    /// `sum x conj(template)`, up to the end of the shorter slice; its length is a multiple of 8.
    pub(crate) correlation: fn(&[Sample], &[Sample]) -> Sample,
    /// `|sum_k y[k] rows[k][i]|²` of every `i`.
    pub(crate) scores: fn(&[Sample], &[[f32; GROUP]], &mut [f32; GROUP]),
    /// Even and odd samples, up to the end of the shortest slice.
    pub(crate) split: fn(&[Pair], &mut [Pair], &mut [Pair]),
    /// Halfband filters of 2, 3 and 5 outer coefficients: `y[n] = centre[n] / 2 + sum_k c[k] (x[n + k] + x[n + 2 K - 1 - k])`.
    pub(crate) halfband_2: Halfband<2>,
    pub(crate) halfband_3: Halfband<3>,
    pub(crate) halfband_5: Halfband<5>,
    /// [`Self::split`] and halfband filter at once, for the first whole vectors of the output, whose samples it returns
    /// the number of; the earlier samples become those before the rest. None without vectors for it.
    pub(crate) decimate_2: Decimate<2>,
    pub(crate) decimate_3: Decimate<3>,
    pub(crate) decimate_5: Decimate<5>,
}

/// Returns the loops of a backend.
pub(crate) fn loops(backend: Backend) -> Loops {
    match backend.or_scalar() {
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => avx512::LOOPS,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => avx2::LOOPS,
        _ => Loops {
            energy,
            product,
            powers,
            add_powers,
            maximum,
            find,
            pairs,
            correlation,
            scores,
            split,
            halfband_2: halfband::<2>,
            halfband_3: halfband::<3>,
            halfband_5: halfband::<5>,
            decimate_2: |_, _, _, _, _| 0,
            decimate_3: |_, _, _, _, _| 0,
            decimate_5: |_, _, _, _, _| 0,
        },
    }
}

/// Returns samples as pairs.
pub(crate) fn as_pairs(samples: &[Sample]) -> &[Pair] {
    // SAFETY: `Complex<f32>` is two f32 without padding (repr(C)), as its documentation promises.
    unsafe { core::slice::from_raw_parts(samples.as_ptr().cast(), samples.len()) }
}

/// Returns samples as pairs.
pub(crate) fn as_pairs_mut(samples: &mut [Sample]) -> &mut [Pair] {
    // SAFETY: as above.
    unsafe { core::slice::from_raw_parts_mut(samples.as_mut_ptr().cast(), samples.len()) }
}

#[inline(always)]
fn components(samples: &[Sample]) -> &[f32] {
    as_pairs(samples).as_flattened()
}

/// Sum of lanes in pairs, the pairs in pairs, and so on.
#[inline(always)]
fn total(mut lanes: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}

#[inline(always)]
fn energy(samples: &[Sample], cells: &mut [f32]) {
    for (cell, x) in cells.iter_mut().zip(components(samples).as_chunks::<64>().0) {
        let mut sum = [0.0; LANES];
        for part in x.as_chunks::<LANES>().0 {
            for i in 0..LANES {
                sum[i] += part[i] * part[i];
            }
        }
        *cell = total(sum);
    }
}

#[inline(always)]
fn product(a: &[Sample], b: &[Sample], out: &mut [Sample]) {
    for ((y, a), b) in out.iter_mut().zip(a).zip(b) {
        *y = Sample::new(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
    }
}

#[inline(always)]
fn powers(x: &[Sample], weight: f32, out: &mut [f32]) {
    for (y, x) in out.iter_mut().zip(x) {
        *y = (x.re * x.re + x.im * x.im) * weight;
    }
}

#[inline(always)]
fn add_powers(x: &[Sample], weight: f32, out: &mut [f32]) {
    for (y, x) in out.iter_mut().zip(x) {
        *y += (x.re * x.re + x.im * x.im) * weight;
    }
}

#[inline(always)]
fn maximum(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (whole, rest) = x.as_chunks::<LANES>();
    let mut most = [0.0; LANES];
    for part in whole {
        for i in 0..LANES {
            most[i] = larger(most[i], part[i]);
        }
    }
    most.iter().chain(rest).fold(0.0, |a, &b| larger(a, b))
}

#[inline(always)]
fn find(x: &[f32], value: f32) -> Option<usize> {
    let whole = x.as_chunks::<LANES>().0;
    for (part, at) in whole.iter().zip((0..).step_by(LANES)) {
        let mut equal = [0_u32; LANES];
        for i in 0..LANES {
            equal[i] = u32::from(part[i] == value);
        }
        if equal.iter().fold(0, |any, e| any | e) != 0 {
            return part.iter().position(|x| *x == value).map(|i| at + i);
        }
    }
    let from = LANES * whole.len();
    x[from..].iter().position(|x| *x == value).map(|i| from + i)
}

#[inline(always)]
fn pairs(power: &[f32], near: &[f32], far: &[f32], out: &mut [f32]) {
    for (((y, p), a), b) in out.iter_mut().zip(power).zip(near).zip(far) {
        *y = p + if a > b { a } else { b };
    }
}

#[inline(always)]
fn correlation(x: &[Sample], template: &[Sample]) -> Sample {
    let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
    let template = components(template).as_chunks::<LANES>().0;
    for (x, t) in components(x).as_chunks::<LANES>().0.iter().zip(template) {
        for i in 0..LANES {
            re[i] += x[i] * t[i];
        }
        // the imaginary part is the sum of x.im t.re, less that of x.re t.im
        for i in 0..LANES {
            im[i] += x[i ^ 1] * t[i];
        }
    }
    for lane in im.iter_mut().skip(1).step_by(2) {
        *lane = -*lane;
    }
    Sample::new(total(re), total(im))
}

#[inline(always)]
fn scores(y: &[Sample], rows: &[[f32; GROUP]], out: &mut [f32; GROUP]) {
    let (mut re, mut im) = ([0.0; GROUP], [0.0; GROUP]);
    for (y, row) in y.iter().zip(rows) {
        for i in 0..GROUP {
            re[i] += y.re * row[i];
        }
        for i in 0..GROUP {
            im[i] += y.im * row[i];
        }
    }
    for i in 0..GROUP {
        out[i] = re[i] * re[i] + im[i] * im[i];
    }
}

#[inline(always)]
fn split(x: &[Pair], even: &mut [Pair], odd: &mut [Pair]) {
    for ((e, o), x) in even.iter_mut().zip(odd).zip(x.as_chunks::<2>().0) {
        *e = x[0];
        *o = x[1];
    }
}

#[inline(always)]
fn halfband<const K: usize>(c: &[f32; K], x: &[Pair], centre: &[Pair], output: &mut [Pair]) {
    let (x, y) = (x.as_flattened(), output.as_flattened_mut());
    let n = y.len();
    let centre = &centre.as_flattened()[..n];
    let left: [&[f32]; K] = core::array::from_fn(|k| &x[2 * k..2 * k + n]);
    let right: [&[f32]; K] = core::array::from_fn(|k| &x[2 * (2 * K - 1 - k)..2 * (2 * K - 1 - k) + n]);
    for j in 0..n {
        let mut sum = 0.5 * centre[j];
        for k in 0..K {
            sum += c[k] * (left[k][j] + right[k][j]);
        }
        y[j] = sum;
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! backend {
    ($name:ident, $features:literal, $split:path, $decimate:path, [$($function:ident ($($argument:ident: $type:ty),*) $(-> $result:ty)? = $body:path;)*]) => {
        mod $name {
            use super::{GROUP, Pair, Sample};

            /// Only [`super::loops`] returns these, after a check of the instruction set.
            pub(super) const LOOPS: super::Loops = super::Loops {
                // SAFETY: the machine has the instruction set, see above.
                $($function: |$($argument),*| unsafe { $function($($argument),*) },)*
                // SAFETY: the machine has the instruction set, see above.
                split: |x, even, odd| unsafe { $split(x, even, odd) },
                // SAFETY: the machine has the instruction set, see above.
                decimate_2: |c, even, odd, x, y| unsafe { $decimate(c, even, odd, x, y) },
                // SAFETY: the machine has the instruction set, see above.
                decimate_3: |c, even, odd, x, y| unsafe { $decimate(c, even, odd, x, y) },
                // SAFETY: the machine has the instruction set, see above.
                decimate_5: |c, even, odd, x, y| unsafe { $decimate(c, even, odd, x, y) },
            };

            $(
                #[target_feature(enable = $features)]
                fn $function($($argument: $type),*) $(-> $result)? {
                    $body($($argument),*)
                }
            )*
        }
    };
}

#[cfg(target_arch = "x86_64")]
macro_rules! backends {
    ($functions:tt) => {
        backend!(avx2, "avx2", super::split_avx2, super::decimate_avx2, $functions);
        backend!(
            avx512,
            "avx2,avx512f,avx512bw,avx512vl",
            super::split_avx512,
            super::decimate_avx512,
            $functions
        );
    };
}

#[cfg(target_arch = "x86_64")]
backends!([
    energy(samples: &[Sample], cells: &mut [f32]) = super::energy;
    product(a: &[Sample], b: &[Sample], out: &mut [Sample]) = super::product;
    powers(x: &[Sample], weight: f32, out: &mut [f32]) = super::powers;
    add_powers(x: &[Sample], weight: f32, out: &mut [f32]) = super::add_powers;
    maximum(x: &[f32]) -> f32 = super::maximum;
    find(x: &[f32], value: f32) -> Option<usize> = super::find;
    pairs(power: &[f32], near: &[f32], far: &[f32], out: &mut [f32]) = super::pairs;
    correlation(x: &[Sample], template: &[Sample]) -> Sample = super::correlation;
    scores(y: &[Sample], rows: &[[f32; GROUP]], out: &mut [f32; GROUP]) = super::scores;
    halfband_2(c: &[f32; 2], x: &[Pair], centre: &[Pair], output: &mut [Pair]) = super::halfband;
    halfband_3(c: &[f32; 3], x: &[Pair], centre: &[Pair], output: &mut [Pair]) = super::halfband;
    halfband_5(c: &[f32; 5], x: &[Pair], centre: &[Pair], output: &mut [Pair]) = super::halfband;
]);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn split_avx2(x: &[Pair], even: &mut [Pair], odd: &mut [Pair]) {
    use std::arch::x86_64::*;
    let whole = even.len().min(odd.len()).min(x.len() / 2) / 4;
    let parts = even.as_chunks_mut::<4>().0.iter_mut().zip(odd.as_chunks_mut::<4>().0);
    for ((e, o), x) in parts.zip(x.as_chunks::<8>().0).take(whole) {
        // SAFETY: 8 pairs are read and 4 each written, which are 8 octets each.
        unsafe {
            let (a, b) = (_mm256_loadu_pd(x.as_ptr().cast()), _mm256_loadu_pd(x.as_ptr().add(4).cast()));
            // 0 4 2 6 and 1 5 3 7
            let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            _mm256_storeu_pd(e.as_mut_ptr().cast(), _mm256_permute4x64_pd::<0b11_01_10_00>(low));
            _mm256_storeu_pd(o.as_mut_ptr().cast(), _mm256_permute4x64_pd::<0b11_01_10_00>(high));
        }
    }
    split(&x[8 * whole..], &mut even[4 * whole..], &mut odd[4 * whole..]);
}

/// Nothing: AVX2 needs several operations for a delay of samples in registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn decimate_avx2<const K: usize>(
    _: &[f32; K],
    _: &mut [Pair; PAST],
    _: &mut [Pair; PAST],
    _: &[Pair],
    _: &mut [Pair],
) -> usize {
    0
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl")]
fn decimate_avx512<const K: usize>(
    c: &[f32; K],
    even: &mut [Pair; PAST],
    odd: &mut [Pair; PAST],
    x: &[Pair],
    y: &mut [Pair],
) -> usize {
    use std::arch::x86_64::*;
    const { assert!(2 * K - 1 < PAST) };
    let whole = y.len().min(x.len() / 2) / 8;
    let (evens, odds) =
        (_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15));
    let first = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    // Of three vectors, newest first, the one `d` samples before the newest.
    let delayed = |v: [__m512d; 3], d: usize| {
        let pair = if d < 8 { [v[1], v[0]] } else { [v[2], v[1]] };
        let index = _mm512_add_epi64(first, _mm512_set1_epi64((8 - d % 8) as i64));
        _mm512_castpd_ps(_mm512_permutex2var_pd(pair[0], index, pair[1]))
    };
    // SAFETY: the arrays of earlier samples have two vectors each; 16 pairs are read and 8 written, which are 8 octets
    // each.
    unsafe {
        let past = |p: &[Pair; PAST], i: usize| _mm512_loadu_pd(p.as_ptr().add(8 * i).cast());
        let (mut e, mut o) = ([past(even, 1), past(even, 0)], [past(odd, 1), past(odd, 0)]);
        for (y, x) in y.as_chunks_mut::<8>().0.iter_mut().zip(x.as_chunks::<16>().0).take(whole) {
            let (a, b) = (_mm512_loadu_pd(x.as_ptr().cast()), _mm512_loadu_pd(x.as_ptr().add(8).cast()));
            let even = [_mm512_permutex2var_pd(a, evens, b), e[0], e[1]];
            let odd = [_mm512_permutex2var_pd(a, odds, b), o[0], o[1]];
            let mut sum = _mm512_mul_ps(_mm512_set1_ps(0.5), delayed(odd, K));
            for k in 0..K {
                let ends = _mm512_add_ps(delayed(even, 2 * K - 1 - k), delayed(even, k));
                sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_set1_ps(c[k]), ends));
            }
            _mm512_storeu_ps(y.as_mut_ptr().cast(), sum);
            (e, o) = ([even[0], even[1]], [odd[0], odd[1]]);
        }
        for (past, v) in [(even, e), (odd, o)] {
            _mm512_storeu_pd(past.as_mut_ptr().add(8).cast(), v[0]);
            _mm512_storeu_pd(past.as_mut_ptr().cast(), v[1]);
        }
    }
    8 * whole
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl")]
fn split_avx512(x: &[Pair], even: &mut [Pair], odd: &mut [Pair]) {
    use std::arch::x86_64::*;
    let whole = even.len().min(odd.len()).min(x.len() / 2) / 8;
    let parts = even.as_chunks_mut::<8>().0.iter_mut().zip(odd.as_chunks_mut::<8>().0);
    let (evens, odds) =
        (_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15));
    for ((e, o), x) in parts.zip(x.as_chunks::<16>().0).take(whole) {
        // SAFETY: 16 pairs are read and 8 each written, which are 8 octets each.
        unsafe {
            let (a, b) = (_mm512_loadu_pd(x.as_ptr().cast()), _mm512_loadu_pd(x.as_ptr().add(8).cast()));
            _mm512_storeu_pd(e.as_mut_ptr().cast(), _mm512_permutex2var_pd(a, evens, b));
            _mm512_storeu_pd(o.as_mut_ptr().cast(), _mm512_permutex2var_pd(a, odds, b));
        }
    }
    split(&x[16 * whole..], &mut even[8 * whole..], &mut odd[8 * whole..]);
}

#[cfg(test)]
mod tests;
