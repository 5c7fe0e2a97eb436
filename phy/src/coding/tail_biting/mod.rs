//! SCI and SL-BCH: CRC16, tail-biting convolutional code and rate matching, both ways. TS 36.212 §5.4.1, §5.4.3, which
//! refer to §5.1.1, §5.1.3.1 and §5.1.4.2.
//!
//! `K` is the number of payload bits and the 16 CRC bits together.

mod decoder;
mod encoder;

pub use decoder::{ControlDecode, ControlDecoder};
pub use encoder::ControlEncoder;

/// Parity bits of SCI and SL-BCH.
pub const CRC_BITS: usize = 16;

/// Shortest block: fewer bits do not fill the shift register.
const MIN_K: usize = CRC_BITS + 1;

/// The three polynomials, bit 6 for the input and bit 6 - n for the bit n before it. Octal 133, 171, 165.
/// TS 36.212 §5.1.3.1
pub(crate) const POLYNOMIALS: [u8; 3] = [0o133, 0o171, 0o165];

/// The three coded bits for seven input bits, the newest in the lowest place.
fn outputs(window: u8) -> [u8; 3] {
    // The polynomials name the newest bit first.
    let window = window.reverse_bits() >> 1;
    POLYNOMIALS.map(|polynomial| (polynomial & window).count_ones() as u8 & 1)
}

/// Encodes `bits` into three streams, one after the other in `coded`, from a shift register that is preset with the
/// last six bits. TS 36.212 §5.1.3.1
fn encode(bits: &[u8], coded: &mut [u8]) {
    let k = bits.len();
    let mut window = bits[k - 6..].iter().fold(0, |window, bit| window << 1 | bit);
    for (i, bit) in bits.iter().enumerate() {
        window = (window << 1 | bit) & 0x7F;
        for (stream, output) in outputs(window).into_iter().enumerate() {
            coded[stream * k + i] = output;
        }
    }
}

#[cfg(test)]
mod tests;
