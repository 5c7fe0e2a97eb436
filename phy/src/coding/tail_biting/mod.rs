//! SCI and SL-BCH: CRC16, tail-biting convolutional code and rate matching, both ways. TS 36.212 §5.4.1, and §5.4.3, which
//! goes through §5.3.3 without an RNTI: §5.1.1, §5.1.3.1 and §5.1.4.2.
//!
//! `K` is the number of payload bits and the 16 CRC bits together, at most 128.

mod decoder;
mod encoder;

pub use decoder::{ControlDecode, ControlDecoder};
pub use encoder::ControlEncoder;

use super::rate_match::convolutional_order;
use crate::kernel::viterbi::POLYNOMIALS;

/// Parity bits of SCI and SL-BCH.
pub const CRC_BITS: usize = 16;

/// Shortest block: fewer bits do not fill the shift register.
const MIN_K: usize = CRC_BITS + 1;

/// Most bits of a block: the bits of a word.
const MAX_K: usize = 128;

/// Encodes the `k` low bits of a word, the first bit lowest, into three words. The shift register begins with the last
/// six bits: a delay is then a rotation. TS 36.212 §5.1.3.1
// TS 36.212 §5.4.1.2
fn encode(bits: u128, k: usize) -> [u128; 3] {
    POLYNOMIALS.map(|polynomial| {
        (0..7).filter(|n| polynomial >> (6 - n) & 1 == 1).fold(0, |sum, n| {
            let delayed = if n == 0 { bits } else { bits << n | bits >> (k - n) };
            sum ^ delayed
        }) & (u128::MAX >> (128 - k))
    })
}

/// The order of the circular buffer for the last requested block length.
struct Order {
    k: usize,
    /// Indices of the elements of the circular buffer in the three streams laid end to end.
    indices: [u16; 3 * MAX_K],
}

impl Order {
    const fn new() -> Self {
        Self { k: 0, indices: [0; 3 * MAX_K] }
    }

    fn of(&mut self, k: usize) -> &[u16] {
        if self.k != k {
            for (to, from) in self.indices.iter_mut().zip(convolutional_order(k)) {
                *to = from as u16;
            }
            self.k = k;
        }
        &self.indices[..3 * k]
    }
}

#[cfg(test)]
mod tests;
