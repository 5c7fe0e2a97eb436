//! Vectorised inner loops and their scalar reference. The only unsafe code of the crate.
//!
//! Each loop is written once, over a vector of lanes, and compiled for every instruction set. The instruction set is
//! chosen once, when an object is built. All backends give the same bits, except the transforms of SC-FDMA symbols,
//! which agree within rounding.
//!
//! | module | loops |
//! |---|---|
//! | `fourier` | transforms of SC-FDMA symbols, with half-subcarrier shift, offset, window and gain |
//! | `samples` | products, powers and distances of samples |
//! | `estimate` | the channel estimator: delay, groups of subcarriers, motion |
//! | `functions` | the functions of frequency of a delay profile: how likely it is, smoothing |
//! | `demap` | symbols to soft values, error vectors |
//! | `flip` | descrambling |
//! | `reduce` | sums over soft values, combining |
//! | `transpose` | interleavers |
//! | `turbo`, `viterbi` | the recursions of the two decoders |
//! | `crc` | folding by carry-less multiplication |
//! | `noise` | Gaussian noise |
//! | `sync` | search for synchronisation signals, decimators |
//! | `channel`, `elementary` | filters of the channel models; sines |
#![allow(unsafe_code)]

/// Compiles plain loops for every instruction set, to let the compiler use its vectors.
///
/// For functions of the module, `#[inline(always)]` and safe, makes a struct `Loops` with a pointer to each, and a
/// function `loops` that returns those of a backend. Products and sums are not fused: all backends give the same bits.
macro_rules! compile_loops {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        /// The loops of one backend.
        #[derive(Clone, Copy)]
        pub(crate) struct Loops {
            $($(#[$doc])* pub(crate) $name: fn($($type),*) $(-> $result)?,)*
        }

        /// Returns the loops of a backend.
        pub(crate) fn loops(backend: $crate::kernel::Backend) -> &'static Loops {
            static PORTABLE: Loops = Loops { $($name,)* };
            match backend.or_scalar() {
                #[cfg(target_arch = "x86_64")]
                $crate::kernel::Backend::Avx512 => &avx512::LOOPS,
                #[cfg(target_arch = "x86_64")]
                $crate::kernel::Backend::Avx2 => &avx2::LOOPS,
                _ => &PORTABLE,
            }
        }

        /// Returns the loops of the best backend of this machine.
        #[allow(dead_code, reason = "some keep those of a backend instead")]
        pub(crate) fn best() -> &'static Loops {
            static BEST: std::sync::OnceLock<&'static Loops> = std::sync::OnceLock::new();
            BEST.get_or_init(|| loops($crate::kernel::Backend::detect()))
        }

        #[cfg(target_arch = "x86_64")]
        $crate::kernel::compile_loops!(@set avx2 "avx2" $(fn $name($($arg: $type),*) $(-> $result)?;)*);
        #[cfg(target_arch = "x86_64")]
        $crate::kernel::compile_loops!(
            @set avx512 "avx2,avx512f,avx512bw,avx512vl" $(fn $name($($arg: $type),*) $(-> $result)?;)*
        );
    };
    (@set $set:ident $features:literal $(fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        mod $set {
            #[allow(unused_imports, reason = "the types of some arguments")]
            use super::*;

            /// Only [`super::loops`] returns these, after a check of the instruction set.
            pub(super) static LOOPS: super::Loops = super::Loops {
                // SAFETY: the machine has the instruction set, see above.
                $($name: |$($arg),*| unsafe { $name($($arg),*) },)*
            };

            $(#[target_feature(enable = $features)]
            fn $name($($arg: $type),*) $(-> $result)? {
                super::$name($($arg),*)
            })*
        }
    };
}
pub(crate) use compile_loops;

pub(crate) mod channel;
pub(crate) mod crc;
pub(crate) mod demap;
pub(crate) mod elementary;
pub(crate) mod estimate;
pub(crate) mod flip;
pub(crate) mod fourier;
pub(crate) mod functions;
pub(crate) mod noise;
pub(crate) mod reduce;
pub(crate) mod samples;
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
