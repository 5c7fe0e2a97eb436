//! Plain loops from symbols to soft values, compiled for every instruction set.

use crate::{LLR_MAX, Llr, Sample};

/// Values that are demapped at a time.
const BLOCK: usize = 64;

/// Symbols of a block for the error vector, one block in three.
const ERROR_BLOCK: usize = 8;

super::compile_loops! {
    /// `gain` times each part, rounded towards zero and limited: two soft values a symbol.
    fn linear(symbols: &[Sample], gain: f32, out: &mut [Llr]);
    /// Max-log soft values of 16QAM with levels of `a` and `3 a`, times `scale`: four a symbol.
    fn sixteen(symbols: &[Sample], a: f32, scale: f32, out: &mut [Llr]);
    /// Sum of the squared distances to the nearest odd multiples of `step` up to `top`, over one symbol in three, and
    /// their number.
    fn error(symbols: &[Sample], step: f32, top: f32) -> (f32, usize);
}

/// Returns real and imaginary parts one after the other.
#[inline(always)]
fn parts(symbols: &[Sample]) -> &[f32] {
    // SAFETY: a sample is its two parts, without gaps.
    unsafe { std::slice::from_raw_parts(symbols.as_ptr().cast(), 2 * symbols.len()) }
}

/// Limits a soft value; NaN is an erasure.
#[inline(always)]
fn clip(v: f32) -> Llr {
    const MAX: f32 = LLR_MAX as f32;
    let v = if v.is_nan() { 0.0 } else { v };
    let v = if v < -MAX { -MAX } else { v };
    let v = if v > MAX { MAX } else { v };
    // SAFETY: the value is a number within the limits.
    unsafe { v.to_int_unchecked::<i32>() as Llr }
}

#[inline(always)]
fn linear(symbols: &[Sample], gain: f32, out: &mut [Llr]) {
    for (llr, v) in out.iter_mut().zip(parts(symbols)) {
        *llr = clip(v * gain);
    }
}

#[inline(always)]
fn sixteen(symbols: &[Sample], a: f32, scale: f32, out: &mut [Llr]) {
    // piecewise linear max-log metrics of 4-PAM at ±a, ±3a
    let sign = |v: f32| {
        let m = v.abs();
        let near = 4.0 * a * v;
        let far = (8.0 * a * m - 8.0 * a * a).copysign(v);
        clip((if m <= 2.0 * a { near } else { far }) * scale)
    };
    let size = |v: f32| clip(4.0 * a * (2.0 * a - v.abs()) * scale);
    let (blocks, rest) = parts(symbols).as_chunks::<BLOCK>();
    let (out, last) = out.split_at_mut((2 * BLOCK * blocks.len()).min(out.len()));
    for (v, out) in blocks.iter().zip(out.as_chunks_mut::<{ 2 * BLOCK }>().0) {
        let (mut signs, mut sizes) = ([0; BLOCK], [0; BLOCK]);
        for i in 0..BLOCK {
            (signs[i], sizes[i]) = (sign(v[i]), size(v[i]));
        }
        // pairs, those of both parts of a symbol, as one element
        let (signs, sizes) = (pairs(&signs), pairs(&sizes));
        for ((out, sign), size) in out.as_chunks_mut::<4>().0.iter_mut().zip(signs).zip(sizes) {
            *out = [sign[0], sign[1], size[0], size[1]];
        }
    }
    for (v, out) in rest.as_chunks::<2>().0.iter().zip(last.as_chunks_mut::<4>().0) {
        *out = [sign(v[0]), sign(v[1]), size(v[0]), size(v[1])];
    }
}

#[inline(always)]
fn pairs(values: &[Llr; BLOCK]) -> &[[Llr; 2]] {
    values.as_chunks::<2>().0
}

#[inline(always)]
fn error(symbols: &[Sample], step: f32, top: f32) -> (f32, usize) {
    /// 1.5 * 2^23: between it and its double, the values of an `f32` are the whole numbers.
    const WHOLE: f32 = 12_582_912.0;
    let half = 0.5 / step;
    let off = |v: f32| {
        let odd = 2.0 * ((v * half - 0.5 + WHOLE) - WHOLE) + 1.0;
        let odd = if odd < -top { -top } else { odd };
        let odd = if odd > top { top } else { odd };
        v - odd * step
    };
    let mut sums = [0.0; 2 * ERROR_BLOCK];
    let mut count = 0;
    for block in symbols.chunks(ERROR_BLOCK).step_by(3) {
        count += block.len();
        let block = parts(block);
        if let Some(block) = block.first_chunk::<{ 2 * ERROR_BLOCK }>() {
            for (sum, &v) in sums.iter_mut().zip(block) {
                *sum += off(v) * off(v);
            }
        } else {
            for (sum, &v) in sums.iter_mut().zip(block) {
                *sum += off(v) * off(v);
            }
        }
    }
    // in pairs: a chain of additions would take longer than the loop
    let eight: [f32; ERROR_BLOCK] = std::array::from_fn(|i| sums[i] + sums[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    ((four[0] + four[2]) + (four[1] + four[3]), count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Backend;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backends_give_the_bits_of_plain_loops(
            parts in proptest::collection::vec(prop_oneof![4 => -3.0f32..3.0, 1 => any::<f32>()], 0..300),
            scale in prop_oneof![4 => 0.0f32..1e4, 1 => any::<f32>()],
            short in 0usize..9,
        ) {
            let symbols: Vec<Sample> = parts.as_chunks::<2>().0.iter().map(|p| Sample::new(p[0], p[1])).collect();
            for loops in Backend::ALL.into_iter().filter(|b| b.is_available()).map(loops) {
                let len = |q: usize| (q * symbols.len()).saturating_sub(short);
                let (mut a, mut b) = (vec![0; len(2)], vec![0; len(2)]);
                (loops.linear)(&symbols, scale, &mut a);
                linear(&symbols, scale, &mut b);
                prop_assert_eq!(a, b);
                let (mut a, mut b) = (vec![0; len(4)], vec![0; len(4)]);
                (loops.sixteen)(&symbols, 0.3, scale, &mut a);
                sixteen(&symbols, 0.3, scale, &mut b);
                prop_assert_eq!(a, b);
                let ((p, m), (q, n)) = ((loops.error)(&symbols, 0.3, 3.0), error(&symbols, 0.3, 3.0));
                prop_assert!(m == n && (p.to_bits() == q.to_bits() || p.is_nan() && q.is_nan()));
            }
        }

        /// As the language converts: limited, towards zero, and 0 for what is no number.
        #[test]
        fn clipping_is_a_saturating_cast(v in any::<f32>()) {
            prop_assert_eq!(clip(v), v.clamp(-f32::from(LLR_MAX), f32::from(LLR_MAX)) as Llr);
        }
    }
}
