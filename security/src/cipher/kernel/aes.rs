//! AES-128 by instructions: AES-NI, and VAES on 256 and 512 bits.
//!
//! The counter mode is written once and compiled for one, two and four blocks a vector. The round keys are spread over the
//! vectors at each call; they stand in registers, or in the cache where there are too few.

use std::arch::x86_64::{
    __m128i, _mm_aeskeygenassist_si128, _mm_loadu_si128, _mm_shuffle_epi32, _mm_slli_si128, _mm_storeu_si128,
    _mm_xor_si128,
};

use super::{AesLoops, RoundKeys};

/// Reverses the octets of a block.
const SWAP: [u8; 16] = [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];

#[target_feature(enable = "sse2")]
#[inline]
fn load(octets: &[u8; 16]) -> __m128i {
    // SAFETY: there are 16 octets.
    unsafe { _mm_loadu_si128(octets.as_ptr().cast()) }
}

#[target_feature(enable = "sse2")]
#[inline]
fn stored(block: __m128i) -> [u8; 16] {
    let mut octets = [0; 16];
    // SAFETY: there are 16 octets.
    unsafe { _mm_storeu_si128(octets.as_mut_ptr().cast(), block) };
    octets
}

/// Expands a key, FIPS 197 §5.2.
#[target_feature(enable = "aes")]
fn expand(key: &[u8; 16]) -> RoundKeys {
    let mut keys = RoundKeys([*key; 11]);
    let mut last = load(key);
    macro_rules! rounds {
        ($($round:literal $constant:literal),*) => {$(
            last = next_key(last, _mm_aeskeygenassist_si128::<$constant>(last));
            keys.0[$round] = stored(last);
        )*};
    }
    rounds!(1 0x01, 2 0x02, 3 0x04, 4 0x08, 5 0x10, 6 0x20, 7 0x40, 8 0x80, 9 0x1b, 10 0x36);
    keys
}

#[target_feature(enable = "aes")]
#[inline]
fn next_key(key: __m128i, assist: __m128i) -> __m128i {
    let mut sum = key;
    sum = _mm_xor_si128(sum, _mm_slli_si128::<4>(sum));
    sum = _mm_xor_si128(sum, _mm_slli_si128::<8>(sum));
    _mm_xor_si128(sum, _mm_shuffle_epi32::<0xff>(assist))
}

/// The counter mode over the vectors of a module, which has their elementary operations: `V` with `BLOCKS` blocks of 16
/// octets, `UNROLLED` of them at once, `spread`, `counters`, `add`, `swap`, `xor`, `round`, `last_round`, `load`, `store`
/// and `finish`.
macro_rules! functions {
    ($features:literal) => {
        /// Octets of a vector.
        const OCTETS: usize = 16 * BLOCKS;

        /// Octets that are computed together.
        const STEP: usize = UNROLLED * OCTETS;

        /// Only [`super::super::loops`] returns these, after a check of the instruction set.
        pub(in super::super) const LOOPS: AesLoops = AesLoops {
            // SAFETY: the machine has the instruction set, see above.
            expand: |key| unsafe { expand(key) },
            // SAFETY: the machine has the instruction set, see above.
            counter_mode: |keys, nonce, data| unsafe { counter_mode(keys, nonce, data) },
        };

        #[target_feature(enable = $features)]
        fn counter_mode(keys: &RoundKeys, nonce: u64, data: &mut [u8]) {
            let mut round_keys = [spread(&keys.0[0]); 11];
            for (round_key, octets) in round_keys.iter_mut().zip(&keys.0) {
                *round_key = spread(octets);
            }
            let swapping = spread(&SWAP);
            let mut counter = counters(nonce);
            let (steps, rest) = data.as_chunks_mut::<STEP>();
            for step in steps {
                let mut blocks = [counter; UNROLLED];
                for block in &mut blocks {
                    *block = xor(swap(counter, swapping), round_keys[0]);
                    counter = add(counter);
                }
                for key in &round_keys[1..10] {
                    for block in &mut blocks {
                        *block = round(*block, *key);
                    }
                }
                for (block, octets) in blocks.iter().zip(step.as_chunks_mut::<OCTETS>().0) {
                    store(octets, xor(load(octets), last_round(*block, round_keys[10])));
                }
            }
            let mut keystream = || {
                let block = xor(swap(counter, swapping), round_keys[0]);
                counter = add(counter);
                let block = round_keys[1..10].iter().fold(block, |block, key| round(block, *key));
                last_round(block, round_keys[10])
            };
            let (vectors, rest) = rest.as_chunks_mut::<OCTETS>();
            for octets in vectors {
                store(octets, xor(load(octets), keystream()));
            }
            if !rest.is_empty() {
                finish(rest, keystream());
            }
        }
    };
}

pub(super) mod sse {
    use super::{AesLoops, RoundKeys, SWAP, expand, load as spread, load};
    use std::arch::x86_64::{
        __m128i as V, _mm_add_epi64, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_set_epi64x,
        _mm_shuffle_epi8, _mm_storeu_si128, _mm_xor_si128,
    };

    const BLOCKS: usize = 1;
    const UNROLLED: usize = 8;

    functions!("aes,ssse3");

    #[target_feature(enable = "sse2")]
    #[inline]
    fn counters(nonce: u64) -> V {
        _mm_set_epi64x(nonce.cast_signed(), 0)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn add(counter: V) -> V {
        _mm_add_epi64(counter, _mm_set_epi64x(0, 1))
    }

    #[target_feature(enable = "ssse3")]
    #[inline]
    fn swap(counter: V, swapping: V) -> V {
        _mm_shuffle_epi8(counter, swapping)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn xor(a: V, b: V) -> V {
        _mm_xor_si128(a, b)
    }

    #[target_feature(enable = "aes")]
    #[inline]
    fn round(block: V, key: V) -> V {
        _mm_aesenc_si128(block, key)
    }

    #[target_feature(enable = "aes")]
    #[inline]
    fn last_round(block: V, key: V) -> V {
        _mm_aesenclast_si128(block, key)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn store(octets: &mut [u8; OCTETS], value: V) {
        // SAFETY: there are 16 octets.
        unsafe { _mm_storeu_si128(octets.as_mut_ptr().cast(), value) };
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn finish(rest: &mut [u8], keystream: V) {
        let mut octets = [0; OCTETS];
        store(&mut octets, keystream);
        rest.iter_mut().zip(octets).for_each(|(octet, keystream)| *octet ^= keystream);
    }
}

pub(super) mod avx2 {
    use super::{AesLoops, RoundKeys, SWAP, expand};
    use std::arch::x86_64::{
        __m256i as V, _mm256_add_epi64, _mm256_aesenc_epi128, _mm256_aesenclast_epi128,
        _mm256_broadcastsi128_si256, _mm256_loadu_si256, _mm256_set_epi64x, _mm256_shuffle_epi8,
        _mm256_storeu_si256, _mm256_xor_si256,
    };

    const BLOCKS: usize = 2;
    const UNROLLED: usize = 8;

    functions!("aes,vaes,avx2");

    #[target_feature(enable = "avx2")]
    #[inline]
    fn spread(octets: &[u8; 16]) -> V {
        _mm256_broadcastsi128_si256(super::load(octets))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn counters(nonce: u64) -> V {
        let nonce = nonce.cast_signed();
        _mm256_set_epi64x(nonce, 1, nonce, 0)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn add(counter: V) -> V {
        _mm256_add_epi64(counter, _mm256_set_epi64x(0, 2, 0, 2))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn swap(counter: V, swapping: V) -> V {
        _mm256_shuffle_epi8(counter, swapping)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn xor(a: V, b: V) -> V {
        _mm256_xor_si256(a, b)
    }

    #[target_feature(enable = "vaes,avx2")]
    #[inline]
    fn round(block: V, key: V) -> V {
        _mm256_aesenc_epi128(block, key)
    }

    #[target_feature(enable = "vaes,avx2")]
    #[inline]
    fn last_round(block: V, key: V) -> V {
        _mm256_aesenclast_epi128(block, key)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(octets: &[u8; OCTETS]) -> V {
        // SAFETY: there are 32 octets.
        unsafe { _mm256_loadu_si256(octets.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn store(octets: &mut [u8; OCTETS], value: V) {
        // SAFETY: there are 32 octets.
        unsafe { _mm256_storeu_si256(octets.as_mut_ptr().cast(), value) };
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn finish(rest: &mut [u8], keystream: V) {
        let mut octets = [0; OCTETS];
        store(&mut octets, keystream);
        rest.iter_mut().zip(octets).for_each(|(octet, keystream)| *octet ^= keystream);
    }
}

pub(super) mod avx512 {
    use super::{AesLoops, RoundKeys, SWAP, expand};
    use std::arch::x86_64::{
        __m512i as V, _mm512_add_epi64, _mm512_aesenc_epi128, _mm512_aesenclast_epi128,
        _mm512_broadcast_i32x4, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8,
        _mm512_set_epi64, _mm512_shuffle_epi8, _mm512_storeu_si512, _mm512_xor_si512,
    };

    const BLOCKS: usize = 4;
    const UNROLLED: usize = 8;

    functions!("aes,vaes,avx512f,avx512bw");

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn spread(octets: &[u8; 16]) -> V {
        _mm512_broadcast_i32x4(super::load(octets))
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn counters(nonce: u64) -> V {
        let nonce = nonce.cast_signed();
        _mm512_set_epi64(nonce, 3, nonce, 2, nonce, 1, nonce, 0)
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn add(counter: V) -> V {
        _mm512_add_epi64(counter, _mm512_set_epi64(0, 4, 0, 4, 0, 4, 0, 4))
    }

    #[target_feature(enable = "avx512bw")]
    #[inline]
    fn swap(counter: V, swapping: V) -> V {
        _mm512_shuffle_epi8(counter, swapping)
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn xor(a: V, b: V) -> V {
        _mm512_xor_si512(a, b)
    }

    #[target_feature(enable = "vaes,avx512f")]
    #[inline]
    fn round(block: V, key: V) -> V {
        _mm512_aesenc_epi128(block, key)
    }

    #[target_feature(enable = "vaes,avx512f")]
    #[inline]
    fn last_round(block: V, key: V) -> V {
        _mm512_aesenclast_epi128(block, key)
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn load(octets: &[u8; OCTETS]) -> V {
        // SAFETY: there are 64 octets.
        unsafe { _mm512_loadu_si512(octets.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn store(octets: &mut [u8; OCTETS], value: V) {
        // SAFETY: there are 64 octets.
        unsafe { _mm512_storeu_si512(octets.as_mut_ptr().cast(), value) };
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn finish(rest: &mut [u8], keystream: V) {
        let within = !(u64::MAX << rest.len().min(63));
        // SAFETY: the mask has a bit for each of the octets, which are fewer than 64.
        unsafe {
            let value = xor(_mm512_maskz_loadu_epi8(within, rest.as_ptr().cast()), keystream);
            _mm512_mask_storeu_epi8(rest.as_mut_ptr().cast(), within, value);
        }
    }
}
