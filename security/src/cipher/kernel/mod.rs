//! The arithmetic of the ciphers that the processor has instructions for: carry-less multiplication and AES.
//!
//! ```text
//! 128-EIA1   M_0 P^n + M_1 P^(n-1) + .. + M_(n-1) P, times Q    products of GF(2^64), reduced once at the end
//! 128-EIA3   exclusive or of z[i..i+32] over the set bits i     a product of 64 and 32 bits for each word
//! 128-EEA2   E(T1), E(T1 + 1), ..                               1, 2 or 4 blocks a vector, several vectors at once
//! ```
//!
//! Portable code (for AES the crate `aes`) is the truth: it runs where there are no such instructions, and tests compare the
//! others with it. 128-EIA2 is a chain of blocks, which no vector shortens. Vector instructions have no safe form. Nothing here branches or looks up by secrets, but for the table of
//! the portable UIA2.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod aes;
#[cfg(target_arch = "x86_64")]
mod clmul;
mod portable;
#[cfg(test)]
mod tests;

use zeroize::ZeroizeOnDrop;

/// Instruction set that the arithmetic is compiled for. All give the same octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    /// Portable code, and for AES the crate.
    Portable,
    /// x86-64 with AES, PCLMULQDQ and SSSE3: a block or a product an instruction.
    Sse,
    /// As `Sse`, with VAES and AVX2: two blocks an instruction.
    Avx2,
    /// As `Sse`, with VAES, VPCLMULQDQ and AVX-512 F and BW: four blocks or products an instruction.
    Avx512,
}

impl Backend {
    /// All backends, worst first.
    const ALL: [Self; 4] = [Self::Portable, Self::Sse, Self::Avx2, Self::Avx512];

    /// Returns the best one that this machine runs.
    pub(super) fn detect() -> Self {
        Self::ALL.into_iter().rfind(|backend| backend.is_available()).unwrap_or(Self::Portable)
    }

    /// Those that this machine runs.
    #[cfg(test)]
    pub(super) fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|backend| backend.is_available())
    }

    /// Whether this machine runs it.
    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Sse => {
                is_x86_feature_detected!("aes")
                    && is_x86_feature_detected!("pclmulqdq")
                    && is_x86_feature_detected!("ssse3")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                Self::Sse.is_available()
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("vaes")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Sse.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("vaes")
                    && is_x86_feature_detected!("vpclmulqdq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}

/// The inputs of UIA2 after its keystream. TS 35.215 §4.4.
#[derive(Clone, Copy)]
pub(super) struct Uia2<'a> {
    /// P, z_1 || z_2.
    pub(super) p: u64,
    /// Q, z_3 || z_4.
    pub(super) q: u64,
    /// The whole blocks of the message.
    pub(super) blocks: &'a [[u8; 8]],
    /// The block after them, padded with zeros, unless LENGTH ends before it.
    pub(super) last: Option<u64>,
    /// LENGTH in bits.
    pub(super) length: u64,
}

/// The round keys of AES-128, FIPS 197 §5.2.
#[derive(ZeroizeOnDrop)]
pub(super) struct RoundKeys([[u8; 16]; 11]);

/// The functions of one backend.
#[derive(Clone, Copy)]
pub(super) struct Loops {
    /// Returns ((M_0 P^n + .. + M_(n-1) P) + LENGTH) Q.
    pub(super) uia2: fn(&Uia2<'_>) -> u64,
    /// Returns the exclusive or of the 32-bit windows of a keystream at the set bits of a message, both from their most
    /// significant bit on. A message of n words takes n + 1 words of keystream; what is longer is left out.
    pub(super) windows: fn(&[u32], &[[u8; 4]]) -> u32,
    /// AES-128, where the backend has its instructions.
    pub(super) aes: Option<AesLoops>,
}

/// AES-128 by instructions.
#[derive(Clone, Copy)]
pub(super) struct AesLoops {
    /// Expands a key.
    pub(super) expand: fn(&[u8; 16]) -> RoundKeys,
    /// XORs the keystream of a nonce, the high half of the first counter block, onto data.
    pub(super) counter_mode: fn(&RoundKeys, u64, &mut [u8]),
}

/// Returns the functions of a backend, or the portable ones where the machine does not run it.
pub(super) fn loops(backend: Backend) -> Loops {
    if !backend.is_available() {
        return portable::LOOPS;
    }
    match backend {
        Backend::Portable => portable::LOOPS,
        #[cfg(target_arch = "x86_64")]
        Backend::Sse => Loops { aes: Some(aes::sse::LOOPS), ..clmul::SSE },
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => Loops { aes: Some(aes::avx2::LOOPS), ..clmul::SSE },
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => Loops { aes: Some(aes::avx512::LOOPS), ..clmul::AVX512 },
        #[cfg(not(target_arch = "x86_64"))]
        _ => portable::LOOPS,
    }
}
