//! HMAC-SHA-256 and HMAC-SHA-1 over vectors, written once: FIPS 180-4, RFC 2104.
//!
//! [`STREAMS`] groups of lanes are interleaved: a round waits for the one before it, and the rounds of another group fill
//! the time.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use super::{ID_WORD, Ids, Keys, LANES, Loops, Outputs, Word, padded};

/// Round constants of SHA-256, FIPS 180-4 §4.2.2.
const K: [[u32; 16]; 4] = split([
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
]);

/// Round constants of SHA-1, FIPS 180-4 §4.2.1: each for 20 rounds.
const K1: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

const fn split(all: [u32; 64]) -> [[u32; 16]; 4] {
    let (mut parts, mut i) = ([[0; 16]; 4], 0);
    while i < 64 {
        parts[i / 16][i % 16] = all[i];
        i += 1;
    }
    parts
}

/// Brings values into the cache while others are computed; where there are none nothing happens.
fn prefetch<T>(first: *const T, count: usize) {
    for line in 0..(count * size_of::<T>()).div_ceil(64) {
        // SAFETY: a prefetch does not fail, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(first.cast::<i8>().wrapping_add(64 * line)) };
    }
}

/// The body once for every value of `i`, which is a constant in it: places in registers must be known.
macro_rules! unrolled {
    ($i:ident of $($value:literal)* $body:block) => { $({ let $i = $value; $body })* };
}

/// The functions over the vectors of a module, which has their elementary operations: `V` with `WIDTH` lanes, `STREAMS`,
/// `splat`, `load`, `store`, `add`, `xor3`, `choose`, `majority`, `rotate::<right, left>` and `shift::<right>`.
macro_rules! functions {
    ($features:literal) => {
        type Streams = [V; STREAMS];

        /// Identities that are computed together.
        const STEP: usize = STREAMS * WIDTH;

        /// Identities from those that are computed to those that are brought into the cache.
        const AHEAD: usize = 2 * STEP;

        /// Only [`super::super::loops`] returns these, after a check of the instruction set.
        pub(in super::super) const LOOPS: Loops = Loops {
            // SAFETY: the machine has the instruction set, see above.
            keyed: |block, keys, ids, out| unsafe { keyed(block, keys, ids, out) },
            // SAFETY: the machine has the instruction set, see above.
            literal: |states, ids, out| unsafe { literal(states, ids, out) },
        };

        #[target_feature(enable = $features)]
        fn keyed(block: &[u32; 16], keys: &[Keys], ids: &[Ids], out: &mut [Outputs]) {
            let identities = LANES * keys.len().min(ids.len()).min(out.len());
            for first in (0..identities).step_by(STEP) {
                prefetch(keys.as_ptr().wrapping_add((first + AHEAD) / LANES), STEP.div_ceil(LANES));
                prefetch(ids.as_ptr().wrapping_add((first + AHEAD) / LANES), STEP.div_ceil(LANES));
                // Streams without identities of their own repeat the last ones.
                let at: [usize; STREAMS] = from_fn(|s| (first + s * WIDTH).min(identities - WIDTH));
                let mut w = block.map(|word| [splat(word); STREAMS]);
                for (i, w) in w[ID_WORD..ID_WORD + 5].iter_mut().enumerate() {
                    *w = at.map(|at| load(&ids[at / LANES].0[i], at % LANES));
                }
                let mut state = from_fn(|i| at.map(|at| load(&keys[at / LANES].inner[i], at % LANES)));
                compress_256(&mut state, &mut w);
                w = padded(&[0; 8]).map(|word| [splat(word); STREAMS]);
                w[..8].copy_from_slice(&state);
                state = from_fn(|i| at.map(|at| load(&keys[at / LANES].outer[i], at % LANES)));
                compress_256(&mut state, &mut w);
                for (i, streams) in state.iter().enumerate() {
                    for (at, words) in at.iter().zip(streams) {
                        store(&mut out[at / LANES].0[i], at % LANES, *words);
                    }
                }
            }
        }

        #[target_feature(enable = $features)]
        fn literal([inner, outer]: [&[u32; 5]; 2], ids: &[Ids], out: &mut [Outputs]) {
            let identities = LANES * ids.len().min(out.len());
            for first in (0..identities).step_by(STEP) {
                let at: [usize; STREAMS] = from_fn(|s| (first + s * WIDTH).min(identities - WIDTH));
                let mut w = padded(&[0; 5]).map(|word| [splat(word); STREAMS]);
                for (i, w) in w[..5].iter_mut().enumerate() {
                    *w = at.map(|at| load(&ids[at / LANES].0[i], at % LANES));
                }
                let mut state = inner.map(|word| [splat(word); STREAMS]);
                compress_1(&mut state, &mut w);
                w = padded(&[0; 5]).map(|word| [splat(word); STREAMS]);
                w[..5].copy_from_slice(&state);
                state = outer.map(|word| [splat(word); STREAMS]);
                compress_1(&mut state, &mut w);
                for (s, at) in at.iter().enumerate() {
                    for (i, words) in out[at / LANES].0.iter_mut().enumerate() {
                        store(words, at % LANES, state.get(i).map_or(splat(0), |words| words[s]));
                    }
                }
            }
        }

        /// The compression function of SHA-256, FIPS 180-4 §6.2.2.
        #[target_feature(enable = $features)]
        fn compress_256(state: &mut [Streams; 8], w: &mut [Streams; 16]) {
            let before = *state;
            rounds_256::<false>(state, w, &K[0]);
            for k in &K[1..] {
                rounds_256::<true>(state, w, k);
            }
            for (state, before) in state.iter_mut().zip(&before) {
                for s in 0..STREAMS {
                    state[s] = add(state[s], before[s]);
                }
            }
        }

        /// Sixteen rounds, of the words or of those `NEXT` to them. The words of the state stay where they are: their
        /// names move.
        #[target_feature(enable = $features)]
        #[inline]
        fn rounds_256<const NEXT: bool>(state: &mut [Streams; 8], w: &mut [Streams; 16], k: &[u32; 16]) {
            let mut x = *state;
            unrolled!(i of 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 {
                if NEXT {
                    for s in 0..STREAMS {
                        let (far, near) = (w[(i + 1) % 16][s], w[(i + 14) % 16][s]);
                        let near = xor3(rotate::<17, 15>(near), rotate::<19, 13>(near), shift::<10>(near));
                        let far = xor3(rotate::<7, 25>(far), rotate::<18, 14>(far), shift::<3>(far));
                        w[i][s] = add(add(w[i][s], w[(i + 9) % 16][s]), add(near, far));
                    }
                }
                for s in 0..STREAMS {
                    let at = |letter: usize| (letter + 16 - i) % 8;
                    let [a, b, c, e, f, g, h] = [0, 1, 2, 4, 5, 6, 7].map(|letter| x[at(letter)][s]);
                    let sum = xor3(rotate::<6, 26>(e), rotate::<11, 21>(e), rotate::<25, 7>(e));
                    let one = add(add(add(splat(k[i]), w[i][s]), h), add(choose(e, f, g), sum));
                    let sum = xor3(rotate::<2, 30>(a), rotate::<13, 19>(a), rotate::<22, 10>(a));
                    x[at(3)][s] = add(x[at(3)][s], one);
                    x[at(7)][s] = add(one, add(sum, majority(a, b, c)));
                }
            });
            *state = x;
        }

        /// The compression function of SHA-1, FIPS 180-4 §6.1.2.
        #[target_feature(enable = $features)]
        fn compress_1(state: &mut [Streams; 5], w: &mut [Streams; 16]) {
            let before = *state;
            rounds_1(state, w, 0, |b, c, d| choose(b, c, d));
            rounds_1(state, w, 1, |b, c, d| xor3(b, c, d));
            rounds_1(state, w, 2, |b, c, d| majority(b, c, d));
            rounds_1(state, w, 3, |b, c, d| xor3(b, c, d));
            for (state, before) in state.iter_mut().zip(&before) {
                for s in 0..STREAMS {
                    state[s] = add(state[s], before[s]);
                }
            }
        }

        /// Twenty rounds.
        #[target_feature(enable = $features)]
        #[inline]
        fn rounds_1(
            state: &mut [Streams; 5],
            w: &mut [Streams; 16],
            quarter: usize,
            mix: impl Fn(V, V, V) -> V,
        ) {
            let mut x = *state;
            let k = splat(K1[quarter]);
            for first in (20 * quarter..20 * quarter + 20).step_by(5) {
                unrolled!(i of 0 1 2 3 4 {
                    let t = first + i;
                    if t >= 16 {
                        for s in 0..STREAMS {
                            let [p, q, r, old] = [13, 8, 2, 0].map(|back| w[(t + back) % 16][s]);
                            w[t % 16][s] = rotate::<31, 1>(xor3(xor3(p, q, r), old, splat(0)));
                        }
                    }
                    for s in 0..STREAMS {
                        let at = |letter: usize| (letter + 5 - i) % 5;
                        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|letter| x[at(letter)][s]);
                        x[at(1)][s] = rotate::<2, 30>(b);
                        x[at(4)][s] =
                            add(add(add(w[t % 16][s], k), e), add(rotate::<27, 5>(a), mix(b, c, d)));
                    }
                });
            }
            *state = x;
        }

    };
}

pub(super) mod avx512 {
    use super::{ID_WORD, Ids, K, K1, Keys, LANES, Loops, Outputs, Word, padded, prefetch};
    use std::arch::x86_64::{
        __m512i as V, _mm512_add_epi32, _mm512_loadu_si512, _mm512_ror_epi32, _mm512_set1_epi32,
        _mm512_srli_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32,
    };
    use std::array::from_fn;

    const WIDTH: usize = 16;
    const STREAMS: usize = 2;

    functions!("avx512f");

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn splat(word: u32) -> V {
        _mm512_set1_epi32(word.cast_signed())
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn load(words: &Word, _: usize) -> V {
        // SAFETY: a `Word` has 64 octets.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn store(words: &mut Word, _: usize, value: V) {
        // SAFETY: a `Word` has 64 octets.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), value) };
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn add(a: V, b: V) -> V {
        _mm512_add_epi32(a, b)
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn xor3(a: V, b: V, c: V) -> V {
        _mm512_ternarylogic_epi32::<0x96>(a, b, c)
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn choose(a: V, b: V, c: V) -> V {
        _mm512_ternarylogic_epi32::<0xca>(a, b, c)
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn majority(a: V, b: V, c: V) -> V {
        _mm512_ternarylogic_epi32::<0xe8>(a, b, c)
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn rotate<const RIGHT: i32, const LEFT: i32>(a: V) -> V {
        _mm512_ror_epi32::<RIGHT>(a)
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn shift<const RIGHT: u32>(a: V) -> V {
        _mm512_srli_epi32::<RIGHT>(a)
    }
}

pub(super) mod avx2 {
    use super::{ID_WORD, Ids, K, K1, Keys, LANES, Loops, Outputs, Word, padded, prefetch};
    use std::arch::x86_64::{
        __m256i as V, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256, _mm256_or_si256,
        _mm256_set1_epi32, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256, _mm256_xor_si256,
    };
    use std::array::from_fn;

    const WIDTH: usize = 8;
    const STREAMS: usize = 1;

    functions!("avx2");

    #[target_feature(enable = "avx2")]
    #[inline]
    fn splat(word: u32) -> V {
        _mm256_set1_epi32(word.cast_signed())
    }

    /// Loads the lanes from `at` on.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(words: &Word, at: usize) -> V {
        let half = &words[at..at + WIDTH];
        // SAFETY: eight words have 32 octets.
        unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn store(words: &mut Word, at: usize, value: V) {
        let half = &mut words[at..at + WIDTH];
        // SAFETY: eight words have 32 octets.
        unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast(), value) };
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn add(a: V, b: V) -> V {
        _mm256_add_epi32(a, b)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn xor3(a: V, b: V, c: V) -> V {
        _mm256_xor_si256(_mm256_xor_si256(a, b), c)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn choose(a: V, b: V, c: V) -> V {
        _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn majority(a: V, b: V, c: V) -> V {
        _mm256_xor_si256(b, _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c)))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn rotate<const RIGHT: i32, const LEFT: i32>(a: V) -> V {
        _mm256_or_si256(_mm256_srli_epi32::<RIGHT>(a), _mm256_slli_epi32::<LEFT>(a))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn shift<const RIGHT: i32>(a: V) -> V {
        _mm256_srli_epi32::<RIGHT>(a)
    }
}
