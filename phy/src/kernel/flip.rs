//! Descrambling: soft values whose bit is 1 change their sign.

use super::Backend;

/// Inverts the sign of every element whose bit is 1, up to the end of the shorter slice: 32 bits a word, the first one
/// lowest. `i16::MIN` becomes `i16::MAX`.
pub(crate) type Flip = fn(&mut [i16], &[u32]);

/// Returns the loop of a backend.
pub(crate) fn flip(backend: Backend) -> Flip {
    match backend.or_scalar() {
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => |elements, words| {
            // SAFETY: the machine has the instruction set.
            unsafe { x86::flip_avx512(elements, words) }
        },
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => |elements, words| {
            // SAFETY: the machine has the instruction set.
            unsafe { x86::flip_avx2(elements, words) }
        },
        _ => scalar,
    }
}

fn scalar(elements: &mut [i16], words: &[u32]) {
    for (elements, word) in elements.chunks_mut(32).zip(words) {
        for (i, x) in elements.iter_mut().enumerate() {
            let flip = -((word >> i & 1) as i16);
            *x = (*x ^ flip).saturating_sub(flip);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl")]
    pub(super) fn flip_avx512(elements: &mut [i16], words: &[u32]) {
        let (whole, rest) = elements.as_chunks_mut::<32>();
        let done = whole.len().min(words.len());
        for (elements, &word) in whole.iter_mut().zip(words) {
            // SAFETY: the pointer is to 32 elements.
            unsafe {
                let x = _mm512_loadu_epi16(elements.as_ptr());
                let x = _mm512_mask_subs_epi16(x, word, _mm512_setzero_si512(), x);
                _mm512_storeu_epi16(elements.as_mut_ptr(), x);
            }
        }
        if done == whole.len() {
            super::scalar(rest, &words[done..]);
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn flip_avx2(elements: &mut [i16], words: &[u32]) {
        let bits =
            _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
        let (whole, rest) = elements.as_chunks_mut::<32>();
        let done = whole.len().min(words.len());
        for (elements, &word) in whole.iter_mut().zip(words) {
            for (elements, half) in elements.as_chunks_mut::<16>().0.iter_mut().zip([word, word >> 16]) {
                // SAFETY: the pointer is to 16 elements.
                unsafe {
                    let set = _mm256_and_si256(_mm256_set1_epi16(half as i16), bits);
                    let flip = _mm256_cmpeq_epi16(set, bits);
                    let x = _mm256_loadu_si256(elements.as_ptr().cast());
                    let x = _mm256_subs_epi16(_mm256_xor_si256(x, flip), flip);
                    _mm256_storeu_si256(elements.as_mut_ptr().cast(), x);
                }
            }
        }
        if done == whole.len() {
            super::scalar(rest, &words[done..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn backends_agree_with_plain_arithmetic(
            elements in proptest::collection::vec(prop_oneof![any::<i16>(), Just(i16::MIN)], 0..300),
            words in proptest::collection::vec(any::<u32>(), 0..10),
        ) {
            for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
                let mut flipped = elements.clone();
                flip(backend)(&mut flipped, &words);
                for (i, &x) in elements.iter().enumerate() {
                    let one = words.get(i / 32).is_some_and(|word| word >> (i % 32) & 1 == 1);
                    prop_assert_eq!(flipped[i], if one { x.saturating_neg() } else { x });
                }
            }
        }
    }
}
