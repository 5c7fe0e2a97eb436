//! Plain loops over soft values, compiled for every instruction set to let the compiler use its vectors.

super::compile_loops! {
    /// Sum of the magnitudes of a slice, and the number of elements other than 0.
    fn magnitude(elements: &[i16]) -> (u64, u64);
    /// Sum of the elements, each with the sign of its bit: negative for 1. Up to the end of the shorter slice.
    fn agreement(elements: &[i16], bits: &[u8]) -> i64;
    /// Adds the second slice to the first, saturating, up to the end of the shorter one.
    fn accumulate(sums: &mut [i16], terms: &[i16]);
    /// Splits pairs into their first and their second elements, up to the end of the shortest.
    fn split(pairs: &[[i16; 2]], first: &mut [i16], second: &mut [i16]);
}

#[inline(always)]
fn magnitude(elements: &[i16]) -> (u64, u64) {
    let (mut sum, mut count) = (0u64, 0u64);
    // Short enough for sums of 32 bits and counts of 16 bits.
    for chunk in elements.chunks(1 << 15) {
        let (mut part, mut some) = (0u32, 0u16);
        for &x in chunk {
            part = part.wrapping_add(u32::from(x.unsigned_abs()));
            some = some.wrapping_add(u16::from(x != 0));
        }
        sum += u64::from(part);
        count += u64::from(some);
    }
    (sum, count)
}

#[inline(always)]
fn agreement(elements: &[i16], bits: &[u8]) -> i64 {
    let mut sum = 0;
    // Short enough for 32 bits.
    for (elements, bits) in elements.chunks(1 << 15).zip(bits.chunks(1 << 15)) {
        let mut part = 0i32;
        for (&x, &bit) in elements.iter().zip(bits) {
            let flip = -i32::from(bit & 1);
            part = part.wrapping_add((i32::from(x) ^ flip).wrapping_sub(flip));
        }
        sum += i64::from(part);
    }
    sum
}

#[inline(always)]
fn accumulate(sums: &mut [i16], terms: &[i16]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum = sum.saturating_add(*term);
    }
}

#[inline(always)]
fn split(pairs: &[[i16; 2]], first: &mut [i16], second: &mut [i16]) {
    for ((pair, first), second) in pairs.iter().zip(first).zip(second) {
        (*first, *second) = (pair[0], pair[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Backend;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backends_agree_with_plain_arithmetic(a in proptest::collection::vec(any::<i16>(), 0..300), cut in 0usize..300) {
            let b: Vec<i16> = a.iter().rev().map(|x| x.wrapping_mul(3)).take(cut).collect();
            for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
                let loops = loops(backend);
                let sum: i64 = a.iter().map(|&x| i64::from(x).abs()).sum();
                let count = a.iter().filter(|x| **x != 0).count();
                prop_assert_eq!((loops.magnitude)(&a), (sum as u64, count as u64));
                let bits: Vec<u8> = a.iter().map(|x| (x >> 3 & 1) as u8).collect();
                let signed = a.iter().zip(&bits).map(|(&x, &bit)| i64::from(x) * (1 - 2 * i64::from(bit)));
                prop_assert_eq!((loops.agreement)(&a, &bits), signed.sum::<i64>());
                let mut sums = a.clone();
                (loops.accumulate)(&mut sums, &b);
                for (i, &sum) in sums.iter().enumerate() {
                    let exact = i32::from(a[i]) + b.get(i).map_or(0, |&x| i32::from(x));
                    prop_assert_eq!(i32::from(sum), exact.clamp(-32768, 32767));
                }
                let pairs = a.as_chunks::<2>().0;
                let (mut first, mut second) = (vec![0; pairs.len()], vec![0; pairs.len()]);
                (loops.split)(pairs, &mut first, &mut second);
                prop_assert!(first.iter().zip(&second).zip(pairs).all(|((&x, &y), pair)| [x, y] == *pair));
            }
        }
    }

    #[test]
    fn long_slices_do_not_overflow() {
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
            let n = 200_000;
            let elements = vec![i16::MIN; n];
            assert_eq!((loops(backend).magnitude)(&elements), (32768 * n as u64, n as u64));
            assert_eq!((loops(backend).agreement)(&elements, &vec![1; n]), 32768 * n as i64);
        }
    }
}
