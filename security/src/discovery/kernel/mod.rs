//! The one-way functions of changing identifiers for 16 identities at once, a lane each: HMAC-SHA-256 and HMAC-SHA-1.
//!
//! ```text
//! keys, ids  word by word: word 0 of 16 identities, word 1 of 16 ..    one load a word
//! message    the same words for all of them, but the five of the id    one broadcast a word
//! ```
//!
//! Each function is written once (`lanes.rs`) and compiled for AVX-512 (16 lanes a vector) and AVX2 (8). One identity after
//! the other with the crates `sha2` and `sha1` is the truth: it runs where there are no such vectors, and tests compare the
//! others with it. Vector instructions have no safe form.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod lanes;
mod scalar;
#[cfg(test)]
mod tests;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::hmac::Keyed;

/// Identities that are computed together.
pub(super) const LANES: usize = 16;

/// A 32-bit word of each lane.
type Word = [u32; LANES];

/// States of HMAC-SHA-256 after the keys of 16 identities, inner and outer.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
#[repr(C, align(64))]
pub(super) struct Keys {
    inner: [Word; 8],
    outer: [Word; 8],
}

/// ProSe IDs of 16 identities.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
#[repr(C, align(64))]
pub(super) struct Ids([Word; 5]);

/// 256 bits of each lane.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Outputs([Word; 8]);

impl Keys {
    /// Sixteen keys that nobody has.
    pub(super) const VACANT: Self = Self { inner: [[0; LANES]; 8], outer: [[0; LANES]; 8] };

    pub(super) fn set(&mut self, lane: usize, key: &Keyed) {
        let [inner, outer] = key.states();
        put(&mut self.inner, lane, inner);
        put(&mut self.outer, lane, outer);
    }

    pub(super) fn get(&self, lane: usize) -> Keyed {
        Keyed::from_states(get(&self.inner, lane), get(&self.outer, lane))
    }

    pub(super) fn clear(&mut self, lane: usize) {
        put(&mut self.inner, lane, &[0; 8]);
        put(&mut self.outer, lane, &[0; 8]);
    }
}

impl Ids {
    /// Sixteen IDs of zeros.
    pub(super) const VACANT: Self = Self([[0; LANES]; 5]);

    pub(super) fn set(&mut self, lane: usize, id: &[u8; 20]) {
        for (words, octets) in self.0.iter_mut().zip(id.as_chunks().0) {
            words[lane] = u32::from_be_bytes(*octets);
        }
    }

    pub(super) fn get(&self, lane: usize) -> [u8; 20] {
        let mut id = [0; 20];
        for (words, octets) in self.0.iter().zip(id.as_chunks_mut().0) {
            *octets = words[lane].to_be_bytes();
        }
        id
    }
}

impl Outputs {
    pub(super) const EMPTY: Self = Self([[0; LANES]; 8]);

    /// Returns the words of a lane.
    #[inline]
    pub(super) fn lane(&self, lane: usize) -> [u32; 8] {
        get(&self.0, lane)
    }
}

#[inline]
fn get<const N: usize>(words: &[Word; N], lane: usize) -> [u32; N] {
    words.map(|word| word[lane])
}

#[inline]
fn put<const N: usize>(words: &mut [Word; N], lane: usize, values: &[u32; N]) {
    for (word, value) in words.iter_mut().zip(values) {
        word[lane] = *value;
    }
}

/// Instruction set that the codes of many identities are computed with. All give the same codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// One identity after the other, with what `sha2` finds (SHA-NI, or portable code).
    Scalar,
    /// x86-64 with AVX2: 8 lanes.
    Avx2,
    /// x86-64 with AVX-512 F: 16 lanes.
    Avx512,
}

impl Backend {
    /// All backends.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// Returns the fastest one that this machine runs. The instructions for SHA, one identity after the other, are as fast as
    /// AVX2.
    pub fn detect() -> Self {
        match Self::ALL.into_iter().rfind(|backend| backend.is_available()) {
            Some(Self::Avx2) if has_sha() => Self::Scalar,
            found => found.unwrap_or(Self::Scalar),
        }
    }

    /// Whether this machine runs it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Returns the name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        }
    }
}

/// Whether the crates `sha1` and `sha2` find instructions for their work.
fn has_sha() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = is_x86_feature_detected!("sha");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has
}

/// HMAC-SHA-256 of a block that is padded after the key: its words, of which `ID_WORD` and the four after it are replaced
/// by the identity's ProSe ID. Up to the end of the shortest slice.
type KeyedLoop = fn(&[u32; 16], &[Keys], &[Ids], &mut [Outputs]);

/// HMAC-SHA-1 of the ProSe IDs, from the states after the key. Up to the end of the shorter slice.
type LiteralLoop = fn([&[u32; 5]; 2], &[Ids], &mut [Outputs]);

/// Where the ProSe ID begins in the block of [`KeyedLoop`].
pub(super) const ID_WORD: usize = 4;

/// The loops of one backend.
#[derive(Clone, Copy)]
pub(super) struct Loops {
    pub(super) keyed: KeyedLoop,
    pub(super) literal: LiteralLoop,
}

/// Returns the loops of a backend, or the scalar ones where the machine does not run it.
pub(super) fn loops(backend: Backend) -> Loops {
    if !backend.is_available() {
        return scalar::LOOPS;
    }
    match backend {
        Backend::Scalar => scalar::LOOPS,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => lanes::avx2::LOOPS,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => lanes::avx512::LOOPS,
        #[cfg(not(target_arch = "x86_64"))]
        _ => scalar::LOOPS,
    }
}

/// Returns the padded block of these words after one block of key.
#[inline]
fn padded<const N: usize>(words: &[u32; N]) -> [u32; 16] {
    let mut block = [0; 16];
    block[..N].copy_from_slice(words);
    block[N] = 0x8000_0000;
    block[15] = 8 * (64 + 4 * N as u32);
    block
}
