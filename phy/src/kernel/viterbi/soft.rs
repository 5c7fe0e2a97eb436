//! Plain loops over the soft values of a convolutionally coded block, compiled for every instruction set.

use super::{Branches, SOFT_LIMIT};

crate::kernel::compile_loops! {
    /// Adds soft values to sums, wrapping, up to the end of the shorter slice.
    fn add(sums: &mut [i32], llrs: &[i16]);
    /// Sum of the magnitudes, and the number of values other than 0.
    fn magnitude(sums: &[i32]) -> (i64, usize);
    /// `scale` times each value to the nearest whole number, up to [`SOFT_LIMIT`].
    fn soften(sums: &[i32], scale: f32, soft: &mut [i16]);
    /// Branch metrics of every step from the soft values of its three coded bits.
    fn branches(streams: [&[i16]; 3], out: &mut [Branches]);
    /// Sum of the values, each with the sign of its bit: negative for 1. 32 bits a word, the first one lowest.
    fn agreement(sums: &[i32], words: &[u32]) -> i64;
}

#[inline(always)]
fn add(sums: &mut [i32], llrs: &[i16]) {
    for (sum, &llr) in sums.iter_mut().zip(llrs) {
        *sum = sum.wrapping_add(i32::from(llr));
    }
}

#[inline(always)]
fn magnitude(sums: &[i32]) -> (i64, usize) {
    let (mut total, mut count) = (0i64, 0u32);
    for &sum in sums {
        total += i64::from(sum.unsigned_abs());
        count += u32::from(sum != 0);
    }
    (total, count as usize)
}

#[inline(always)]
fn soften(sums: &[i32], scale: f32, soft: &mut [i16]) {
    let limit = f32::from(SOFT_LIMIT);
    for (soft, &sum) in soft.iter_mut().zip(sums) {
        // Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the mantissa.
        let rounded = (sum as f32 * scale).clamp(-limit, limit) + 12_582_912.0;
        *soft = rounded.to_bits() as i16;
    }
}

#[inline(always)]
fn branches(streams: [&[i16]; 3], out: &mut [Branches]) {
    let [a, b, c] = streams;
    for (((out, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
        let (same, unlike) = (b + c, b - c);
        let half = [a + same, a + unlike, a - unlike, a - same];
        *out = [half[0], half[1], half[2], half[3], -half[3], -half[2], -half[1], -half[0]];
    }
}

#[inline(always)]
fn agreement(sums: &[i32], words: &[u32]) -> i64 {
    let mut total = 0;
    for (sums, &word) in sums.chunks(32).zip(words) {
        for (i, &sum) in sums.iter().enumerate() {
            let flip = -((word >> i & 1) as i32);
            total += i64::from((sum ^ flip).wrapping_sub(flip));
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Backend;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backends_agree_with_plain_arithmetic(
            sums in proptest::collection::vec(prop_oneof![-99_999i32..99_999, any::<i32>()], 0..200),
            llrs in proptest::collection::vec(any::<i16>(), 0..200),
            words in proptest::collection::vec(any::<u32>(), 7),
            scale in 0.0f32..2.0,
        ) {
            for loops in Backend::ALL.into_iter().filter(|b| b.is_available()).map(loops) {
                let mut added = sums.clone();
                (loops.add)(&mut added, &llrs);
                for (i, sum) in sums.iter().enumerate() {
                    prop_assert_eq!(added[i], sum.wrapping_add(llrs.get(i).map_or(0, |&x| x.into())));
                }
                let total = sums.iter().map(|&x| i64::from(x).abs()).sum::<i64>();
                let count = sums.iter().filter(|&&x| x != 0).count();
                prop_assert_eq!((loops.magnitude)(&sums), (total, count));
                let mut soft = vec![0; sums.len()];
                (loops.soften)(&sums, scale, &mut soft);
                for (&sum, &soft) in sums.iter().zip(&soft) {
                    let exact = (sum as f32 * scale).clamp(-255.0, 255.0).round_ties_even();
                    prop_assert_eq!(f32::from(soft), exact);
                }
                let signed = sums.iter().enumerate().map(|(i, &sum)| {
                    let sign = if words[i / 32] >> (i % 32) & 1 == 1 { -1 } else { 1 };
                    // the least value has no opposite
                    if sum == i32::MIN { i64::from(sum) } else { sign * i64::from(sum) }
                });
                prop_assert_eq!((loops.agreement)(&sums, &words), signed.sum::<i64>());
                let soft: Vec<i16> = llrs.iter().map(|x| x % 256).collect();
                let third = soft.len() / 3;
                let streams = [&soft[..third], &soft[third..2 * third], &soft[2 * third..3 * third]];
                let mut out = vec![[0; 8]; third];
                (loops.branches)(streams, &mut out);
                for (i, out) in out.iter().enumerate() {
                    for (pattern, &metric) in out.iter().enumerate() {
                        let sign = |bit: usize| if pattern >> bit & 1 == 1 { -1 } else { 1 };
                        let exact = sign(2) * streams[0][i] + sign(1) * streams[1][i] + sign(0) * streams[2][i];
                        prop_assert_eq!(metric, exact);
                    }
                }
            }
        }
    }
}
