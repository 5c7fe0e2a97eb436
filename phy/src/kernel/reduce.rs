//! Plain loops over soft values, compiled for every instruction set to let the compiler use its vectors.

use super::Backend;

/// The loops of one backend.
#[derive(Clone, Copy)]
pub(crate) struct Loops {
    /// Sum of the magnitudes of a slice, and the number of elements other than 0.
    pub(crate) magnitude: fn(&[i16]) -> (u64, u64),
    /// Sum of the elements, each with the sign of its bit: negative for 1. Up to the end of the shorter slice.
    pub(crate) agreement: fn(&[i16], &[u8]) -> i64,
    /// Adds the second slice to the first, saturating, up to the end of the shorter one.
    pub(crate) accumulate: fn(&mut [i16], &[i16]),
    /// Splits pairs into their first and their second elements, up to the end of the shortest.
    pub(crate) split: fn(&[[i16; 2]], &mut [i16], &mut [i16]),
}

/// Returns the loops of a backend.
pub(crate) fn loops(backend: Backend) -> Loops {
    match backend.or_scalar() {
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => avx512::LOOPS,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => avx2::LOOPS,
        _ => Loops { magnitude, agreement, accumulate, split },
    }
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

#[cfg(target_arch = "x86_64")]
macro_rules! backend {
    ($name:ident, $features:literal) => {
        mod $name {
            /// Only [`super::loops`] returns these, after a check of the instruction set.
            pub(super) const LOOPS: super::Loops = super::Loops {
                // SAFETY: the machine has the instruction set, see above.
                magnitude: |elements| unsafe { magnitude(elements) },
                // SAFETY: the machine has the instruction set, see above.
                agreement: |elements, bits| unsafe { agreement(elements, bits) },
                // SAFETY: the machine has the instruction set, see above.
                accumulate: |sums, terms| unsafe { accumulate(sums, terms) },
                // SAFETY: the machine has the instruction set, see above.
                split: |pairs, first, second| unsafe { split(pairs, first, second) },
            };

            #[target_feature(enable = $features)]
            fn magnitude(elements: &[i16]) -> (u64, u64) {
                super::magnitude(elements)
            }

            #[target_feature(enable = $features)]
            fn agreement(elements: &[i16], bits: &[u8]) -> i64 {
                super::agreement(elements, bits)
            }

            #[target_feature(enable = $features)]
            fn accumulate(sums: &mut [i16], terms: &[i16]) {
                super::accumulate(sums, terms);
            }

            #[target_feature(enable = $features)]
            fn split(pairs: &[[i16; 2]], first: &mut [i16], second: &mut [i16]) {
                super::split(pairs, first, second);
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
backend!(avx2, "avx2");
#[cfg(target_arch = "x86_64")]
backend!(avx512, "avx2,avx512f,avx512bw,avx512vl");

#[cfg(test)]
mod tests {
    use super::*;
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
