//! Vectorised inner loops and their scalar reference. The only unsafe code of the crate.
//!
//! Each loop is written once, over a vector of lanes, and compiled for every instruction set. The instruction set is
//! chosen once, when an object is built. All backends give the same bits.
#![allow(unsafe_code)]

pub(crate) mod channel;
pub(crate) mod crc;
pub(crate) mod elementary;
pub(crate) mod fourier;
pub(crate) mod noise;
pub(crate) mod reduce;
pub(crate) mod sync;
pub(crate) mod transpose;
pub(crate) mod turbo;
pub(crate) mod viterbi;

/// An instruction set that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Portable code.
    Scalar,
    /// x86-64 with AVX2: 16 lanes of 16 bits.
    Avx2,
    /// x86-64 with AVX-512 F, BW and VL: 32 lanes of 16 bits.
    Avx512,
    /// AArch64: 8 lanes of 16 bits.
    Neon,
}

impl Backend {
    /// All backends, worst first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// Returns the best one that this machine runs.
    pub fn detect() -> Self {
        Self::ALL.into_iter().rfind(|backend| backend.is_available()).unwrap_or(Self::Scalar)
    }

    /// Whether this machine runs it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            _ => false,
        }
    }

    /// Returns `self` if this machine runs it, otherwise portable code.
    pub fn or_scalar(self) -> Self {
        if self.is_available() { self } else { Self::Scalar }
    }
}
