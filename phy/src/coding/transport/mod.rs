//! SL-SCH and SL-DCH: a transport block to coded bits and back. TS 36.212 §5.4.2, §5.4.4, which refer to
//! §5.3.2, and to §5.2.2.7 and §5.2.2.8 for the channel interleaver.
//!
//! CRC24A, code block segmentation with CRC24B, turbo coding, rate matching with N_cb = K_w, for which §5.1.4.1.2 names
//! SL-SCH and SL-DCH, concatenation. The channel
//! interleaver and scrambling are apart ([`interleave`](super::interleave), [`scramble`](super::scramble)).
//!
//! The clauses were read; k_0 and E of §5.1.4.1.2 are pictures in every copy at hand. Recordings of five makers verify
//! redundancy versions 0 and 2; versions 1 and 3, and filler bits in a block of two code block sizes, rest on two
//! independent implementations.

mod decoder;
mod encoder;

pub use super::turbo::DecoderConfig;
pub use decoder::{SoftBuffer, TransportDecode, TransportDecoder};
pub use encoder::TransportEncoder;

use super::CodingError;
use super::segmentation::{self, CRC_BITS, Segmentation};

/// Returns the segmentation of a transport block of `tbs` bits, a multiple of 8 up to `max_tbs`, with its CRC.
fn plan(tbs: usize, max_tbs: usize) -> Result<Segmentation, CodingError> {
    if tbs == 0 || tbs > max_tbs || !tbs.is_multiple_of(8) {
        return Err(CodingError::BlockSize { bits: tbs, max: max_tbs });
    }
    segmentation::plan(tbs + CRC_BITS)
}

/// Checks the arguments of rate matching: `g` bits of `qm` per symbol that leave no code block without a symbol.
fn check(plan: &Segmentation, g: usize, qm: usize, rv: u8) -> Result<(), CodingError> {
    if !matches!(qm, 2 | 4 | 6) {
        return Err(CodingError::ModulationOrder { qm });
    }
    if rv > 3 {
        return Err(CodingError::RedundancyVersion { rv });
    }
    if !g.is_multiple_of(qm) || g / qm < plan.blocks() {
        return Err(CodingError::CodedLength { bits: g });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
