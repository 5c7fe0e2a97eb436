//! The recursion of the Viterbi algorithm over the 64 states of the convolutional code of TS 36.212 §5.1.3.1.
//!
//! A state is the last six bits, the newest in the lowest place. States `i` and `i + 32` lead to `2 i` (bit 0) and
//! `2 i + 1` (bit 1), and as every polynomial takes both its newest and its oldest bit, one branch metric serves all
//! four branches: `+m` from `i` to `2 i` and from `i + 32` to `2 i + 1`, `-m` on the other two.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
pub(crate) mod soft;

use super::Backend;

pub(crate) const STATES: usize = 64;

/// The three polynomials, bit 6 for the input and bit 6 - n for the bit n before it. Octal 133, 171, 165.
/// TS 36.212 §5.1.3.1
// TS 36.212 §5.4.1.2
pub(crate) const POLYNOMIALS: [u8; 3] = [0o133, 0o171, 0o165];

/// Limit of a soft value.
///
/// A branch metric is at most 3 * 255 = 765. Any state reaches any other in 6 steps: two metrics differ by at most 12 *
/// 765 = 9180; brought back to 0 every 16 steps, they stay below 9180 + 17 * 765 = 22 185.
pub(crate) const SOFT_LIMIT: i16 = 255;

/// Steps between two normalisations.
const NORMALISE: usize = 16;

/// Winning predecessors, for the even states `2 i` and the odd ones `2 i + 1`: bit `i` is set for state `i + 32`.
pub(crate) type Decisions = [u32; 2];

/// Branch metrics of one step by the three coded bits `4 b0 + 2 b1 + b2`: the sum of the soft values, each with the
/// sign of its bit.
pub(crate) type Branches = [i16; 8];

/// Index into [`Branches`] of the branch from state `i` to state `2 i`.
static PATTERN: [u8; 32] = {
    let mut pattern = [0; 32];
    let mut i = 0;
    while i < 32 {
        // The newest bit is 0, the others are the state, its lowest bit one step old: bit 5 of a polynomial.
        let window = (i as u8).reverse_bits() >> 2;
        let mut p = 0;
        while p < 3 {
            let bit = (window & POLYNOMIALS[p]).count_ones() as u8 & 1;
            pattern[i] = pattern[i] << 1 | bit;
            p += 1;
        }
        i += 1;
    }
    pattern
};

/// The best path into every state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paths {
    pub(crate) metrics: [i16; STATES],
    /// The state in which the path began.
    pub(crate) starts: [i16; STATES],
}

impl Paths {
    /// Makes paths before the first step.
    pub(crate) const fn new(metrics: [i16; STATES]) -> Self {
        let mut starts = [0; STATES];
        let mut state = 0;
        while state < STATES {
            starts[state] = state as i16;
            state += 1;
        }
        Self { metrics, starts }
    }
}

/// Extends the paths by the steps, and records the decisions of each.
pub(crate) type Recursion = fn(&[Branches], &mut Paths, &mut [Decisions]);

/// Returns the recursion of a backend.
pub(crate) fn recursion(backend: Backend) -> Recursion {
    match backend.or_scalar() {
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => avx512::recursion,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => avx2::recursion,
        #[cfg(target_arch = "aarch64")]
        Backend::Neon => neon::recursion,
        _ => scalar::recursion,
    }
}
