//! The arithmetic by carry-less multiplication, PCLMULQDQ and VPCLMULQDQ.
//!
//! A sum of products stays unreduced, 128 bits A x^64 + B. It is multiplied by P^k without a reduction too, by two
//! products that do not wait for each other: A (x^64 P^k) + B P^k.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_and_si128, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64,
    _mm_loadu_si128, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_setzero_si128, _mm_shuffle_epi8,
    _mm_slli_epi64, _mm_srli_epi64, _mm_unpackhi_epi32, _mm_unpackhi_epi64, _mm_unpacklo_epi32,
    _mm_unpacklo_epi64, _mm_xor_si128, _mm512_broadcast_i32x4, _mm512_castsi128_si512,
    _mm512_clmulepi64_epi128, _mm512_extracti32x4_epi32, _mm512_inserti32x4, _mm512_loadu_si512,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_xor_si512,
};

use super::portable;
use super::{Loops, Uia2};

/// Only [`super::loops`] returns these, after a check of the instruction set.
pub(super) const SSE: Loops = Loops {
    // SAFETY: the machine has the instruction set, see above.
    uia2: |inputs| unsafe { uia2(inputs, |p, blocks| groups(p, blocks)) },
    // SAFETY: the machine has the instruction set, see above.
    windows: |keystream, message| unsafe { windows(keystream, message) },
    aes: None,
};

/// Only [`super::loops`] returns these, after a check of the instruction set.
pub(super) const AVX512: Loops = Loops {
    // SAFETY: the machine has the instruction set, see above.
    uia2: |inputs| unsafe { uia2(inputs, |p, blocks| groups_512(p, blocks)) },
    windows: SSE.windows,
    aes: None,
};

/// Blocks that are multiplied by powers of P together.
const GROUP: usize = 16;

/// Number of groups from which the powers of P pay.
const POWERS_PAY: usize = 2;

/// Reverses the octets: the first block of a pair becomes the high half.
const SWAP: [u8; 16] = [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];

#[target_feature(enable = "pclmulqdq,ssse3")]
#[inline]
fn uia2(inputs: &Uia2<'_>, groups: impl Fn(u64, &[[[u8; 8]; GROUP]]) -> __m128i) -> u64 {
    let (grouped, rest) = inputs.blocks.as_chunks::<GROUP>();
    let (mut sum, rest) = if grouped.len() < POWERS_PAY {
        (_mm_setzero_si128(), inputs.blocks)
    } else {
        (groups(inputs.p, grouped), rest)
    };
    let p = fold_by(inputs.p);
    for block in rest {
        sum = step(sum, u64::from_be_bytes(*block), p);
    }
    if let Some(last) = inputs.last {
        sum = step(sum, last, p);
    }
    let eval = reduce(sum) ^ inputs.length;
    reduce(_mm_clmulepi64_si128::<0x00>(element(eval), element(inputs.q)))
}

/// One block of Horner's rule: (sum + block) P.
#[target_feature(enable = "pclmulqdq,ssse3")]
#[inline]
fn step(sum: __m128i, block: u64, p: __m128i) -> __m128i {
    fold(_mm_xor_si128(sum, element(block)), p)
}

/// Multiplies an unreduced sum by the element of [`fold_by`].
#[target_feature(enable = "pclmulqdq,ssse3")]
#[inline]
fn fold(sum: __m128i, by: __m128i) -> __m128i {
    _mm_xor_si128(_mm_clmulepi64_si128::<0x11>(sum, by), _mm_clmulepi64_si128::<0x00>(sum, by))
}

/// Returns x^64 P and P, the high and the low half of what multiplies a sum by P.
#[target_feature(enable = "pclmulqdq,ssse3")]
#[inline]
fn fold_by(p: u64) -> __m128i {
    // x^64 is x^4 + x^3 + x + 1.
    let high = reduce(_mm_clmulepi64_si128::<0x00>(element(p), element(0x1b)));
    _mm_set_epi64x(high.cast_signed(), p.cast_signed())
}

#[target_feature(enable = "sse2")]
#[inline]
fn element(value: u64) -> __m128i {
    _mm_cvtsi64_si128(value.cast_signed())
}

#[target_feature(enable = "pclmulqdq,ssse3")]
#[inline]
fn reduce(sum: __m128i) -> u64 {
    _mm_cvtsi128_si64(reduce_pair(sum, sum)).cast_unsigned()
}

/// Reduces two sums to the low and the high half.
#[target_feature(enable = "pclmulqdq,ssse3")]
#[inline]
fn reduce_pair(low: __m128i, high: __m128i) -> __m128i {
    let over = _mm_unpackhi_epi64(low, high);
    // The four bits that leave the top when `over` is multiplied by x^4 + x^3 + x + 1 come back at the bottom.
    let again = xor3(_mm_srli_epi64::<63>(over), _mm_srli_epi64::<61>(over), _mm_srli_epi64::<60>(over));
    let over = _mm_xor_si128(over, again);
    let sum = xor3(_mm_unpacklo_epi64(low, high), over, _mm_slli_epi64::<1>(over));
    xor3(sum, _mm_slli_epi64::<3>(over), _mm_slli_epi64::<4>(over))
}

#[target_feature(enable = "sse2")]
#[inline]
fn xor3(a: __m128i, b: __m128i, c: __m128i) -> __m128i {
    _mm_xor_si128(a, _mm_xor_si128(b, c))
}

/// Returns the powers of P for a group in the order of its pairs of blocks, P^16 and P^15 to P^2 and P^1, and what
/// multiplies a sum by P^16.
#[target_feature(enable = "pclmulqdq,ssse3")]
#[inline]
fn powers(p: u64) -> ([__m128i; GROUP / 2], __m128i) {
    let times = |pair: __m128i, by: __m128i| {
        // The square of the pair's step is in the high half of `by`.
        reduce_pair(_mm_clmulepi64_si128::<0x10>(pair, by), _mm_clmulepi64_si128::<0x11>(pair, by))
    };
    let one = element(p);
    let square = reduce(_mm_clmulepi64_si128::<0x00>(one, one));
    let first = _mm_set_epi64x(square.cast_signed(), p.cast_signed());
    let mut powers = [first; GROUP / 2];
    let last = powers.len() - 1;
    powers[last - 1] = times(first, first);
    for i in 2..4 {
        powers[last - i] = times(powers[last + 2 - i], powers[last - 1]);
    }
    for i in 4..8 {
        powers[last - i] = times(powers[last + 4 - i], powers[last - 3]);
    }
    let whole = _mm_cvtsi128_si64(_mm_unpackhi_epi64(powers[0], powers[0]));
    (powers, fold_by(whole.cast_unsigned()))
}

/// Evaluates the polynomial of whole groups, unreduced.
#[target_feature(enable = "pclmulqdq,ssse3")]
fn groups(p: u64, groups: &[[[u8; 8]; GROUP]]) -> __m128i {
    let (powers, whole) = powers(p);
    let swap = load(&SWAP);
    let mut sum = _mm_setzero_si128();
    for group in groups {
        let pairs = group.as_flattened().as_chunks::<16>().0;
        sum = pairs.iter().zip(powers).fold(fold(sum, whole), |sum, (pair, powers)| {
            _mm_xor_si128(sum, fold(_mm_shuffle_epi8(load(pair), swap), powers))
        });
    }
    sum
}

/// As [`groups`], eight blocks a vector; its four sums are added at the end.
#[target_feature(enable = "pclmulqdq,ssse3,vpclmulqdq,avx512f,avx512bw")]
fn groups_512(p: u64, groups: &[[[u8; 8]; GROUP]]) -> __m128i {
    let (powers, whole) = powers(p);
    let whole = _mm512_broadcast_i32x4(whole);
    let powers = [
        four([powers[0], powers[1], powers[2], powers[3]]),
        four([powers[4], powers[5], powers[6], powers[7]]),
    ];
    let swap = _mm512_broadcast_i32x4(load(&SWAP));
    let mut sum = _mm512_setzero_si512();
    for group in groups {
        let octets = group.as_flattened().as_chunks::<64>().0;
        sum = octets.iter().zip(powers).fold(fold_512(sum, whole), |sum, (octets, powers)| {
            // SAFETY: `octets` has 64 octets.
            let blocks = unsafe { _mm512_loadu_si512(octets.as_ptr().cast()) };
            _mm512_xor_si512(sum, fold_512(_mm512_shuffle_epi8(blocks, swap), powers))
        });
    }
    let lanes = [
        _mm512_extracti32x4_epi32::<0>(sum),
        _mm512_extracti32x4_epi32::<1>(sum),
        _mm512_extracti32x4_epi32::<2>(sum),
        _mm512_extracti32x4_epi32::<3>(sum),
    ];
    _mm_xor_si128(_mm_xor_si128(lanes[0], lanes[1]), _mm_xor_si128(lanes[2], lanes[3]))
}

#[target_feature(enable = "vpclmulqdq,avx512f")]
#[inline]
fn fold_512(sum: __m512i, by: __m512i) -> __m512i {
    _mm512_xor_si512(_mm512_clmulepi64_epi128::<0x11>(sum, by), _mm512_clmulepi64_epi128::<0x00>(sum, by))
}

#[target_feature(enable = "avx512f")]
#[inline]
fn four(lanes: [__m128i; 4]) -> __m512i {
    let v = _mm512_castsi128_si512(lanes[0]);
    let v = _mm512_inserti32x4::<1>(v, lanes[1]);
    let v = _mm512_inserti32x4::<2>(v, lanes[2]);
    _mm512_inserti32x4::<3>(v, lanes[3])
}

#[target_feature(enable = "sse2")]
#[inline]
fn load(octets: &[u8; 16]) -> __m128i {
    // SAFETY: there are 16 octets.
    unsafe { _mm_loadu_si128(octets.as_ptr().cast()) }
}

/// The windows of one word are the middle of a product: keystream bits i to i + 31 are added where bit i of the message
/// is set, if that bit is the coefficient of x^i.
#[target_feature(enable = "pclmulqdq,ssse3")]
fn windows(keystream: &[u32], message: &[[u8; 4]]) -> u32 {
    let words = message.len().min(keystream.len().saturating_sub(1));
    let (whole, rest) = message[..words].as_chunks::<4>();
    let mut sum = _mm_setzero_si128();
    for (at, words) in whole.iter().enumerate() {
        let Some(keystream) = keystream[4 * at..].first_chunk::<5>() else { break };
        // SAFETY: from the first and from the second of five words on there are 16 octets.
        let (high, low) = unsafe {
            let first = keystream.as_ptr();
            (_mm_loadu_si128(first.cast()), _mm_loadu_si128(first.add(1).cast()))
        };
        let bits = mirrored(load(words.as_flattened().first_chunk().unwrap_or(&[0; 16])));
        let zero = _mm_setzero_si128();
        sum = xor3(
            sum,
            fold(_mm_unpacklo_epi32(low, high), _mm_unpacklo_epi32(bits, zero)),
            fold(_mm_unpackhi_epi32(low, high), _mm_unpackhi_epi32(bits, zero)),
        );
    }
    let sum = (_mm_cvtsi128_si64(sum).cast_unsigned() >> 32) as u32;
    let rest_keystream = &keystream[keystream.len().min(4 * whole.len())..];
    sum ^ (portable::LOOPS.windows)(rest_keystream, rest)
}

/// Reverses the bits of each octet.
#[target_feature(enable = "pclmulqdq,ssse3")]
#[inline]
fn mirrored(octets: __m128i) -> __m128i {
    /// The nibbles mirrored, at the bottom of an octet.
    const LOW: [u8; 16] = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
    const HIGH: [u8; 16] = [0, 128, 64, 192, 32, 160, 96, 224, 16, 144, 80, 208, 48, 176, 112, 240];
    let nibble = _mm_set1_epi8(15);
    let high = _mm_and_si128(_mm_srli_epi64::<4>(octets), nibble);
    let low = _mm_and_si128(octets, nibble);
    _mm_or_si128(_mm_shuffle_epi8(load(&LOW), high), _mm_shuffle_epi8(load(&HIGH), low))
}
