//! Code block segmentation, TS 36.212 §5.1.2.

use super::CodingError;
use crate::tables::qpp::{largest_k_below, smallest_k_at_least};

/// Largest code block, Z of TS 36.212 §5.1.2, in bits.
pub const MAX_CODE_BLOCK: usize = 6144;

/// Parity bits of a transport block, and of each code block if there are several.
pub const CRC_BITS: usize = 24;

/// Segmentation of a transport block into code blocks. The `c_minus` shorter blocks come first, and `filler` bits of
/// value 0 precede the first of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segmentation {
    /// Number of blocks of `k_plus` bits.
    pub c_plus: usize,
    /// Length of the longer blocks.
    pub k_plus: usize,
    /// Number of blocks of `k_minus` bits.
    pub c_minus: usize,
    /// Length of the shorter blocks; 0 if there are none.
    pub k_minus: usize,
    /// Number of filler bits, F.
    pub filler: usize,
}

impl Segmentation {
    /// Returns the number of code blocks, C.
    pub const fn blocks(&self) -> usize {
        self.c_plus + self.c_minus
    }

    /// Returns the length K_r of block `r`, with its CRC and filler bits.
    pub const fn block_size(&self, r: usize) -> usize {
        if r < self.c_minus { self.k_minus } else { self.k_plus }
    }

    /// Returns the filler bits of block `r`.
    pub const fn filler_of(&self, r: usize) -> usize {
        if r == 0 { self.filler } else { 0 }
    }

    /// Returns the parity bits of each block: CRC24B if there are several, otherwise none.
    pub const fn block_crc_bits(&self) -> usize {
        if self.blocks() > 1 { CRC_BITS } else { 0 }
    }

    /// Returns the bits of block `r` that belong to the transport block or its CRC.
    pub const fn data_bits(&self, r: usize) -> usize {
        self.block_size(r) - self.filler_of(r) - self.block_crc_bits()
    }

    /// Returns the rate matching output size E_r of block `r`, when all blocks share `g` bits of `qm` bits per symbol
    /// on one layer. TS 36.212 §5.1.4.1.2
    // TS 36.212 §5.4.2 with §5.1.4.1.2 (2)
    pub const fn coded_bits(&self, r: usize, g: usize, qm: usize) -> usize {
        let (symbols, c) = (g / qm, self.blocks());
        let gamma = symbols % c;
        qm * (symbols / c + (r + gamma >= c) as usize)
    }
}

/// Segments `b` bits: a transport block with its CRC24A.
///
/// # Errors
/// [`CodingError::BlockSize`] if `b` is 0.
// TS 36.212 §5.4.2 with §5.1.2
pub fn plan(b: usize) -> Result<Segmentation, CodingError> {
    if b == 0 || b > usize::MAX / 4 {
        return Err(CodingError::BlockSize { bits: b, max: usize::MAX / 4 });
    }
    let (c, b_with_crc) = if b <= MAX_CODE_BLOCK {
        (1, b)
    } else {
        let c = b.div_ceil(MAX_CODE_BLOCK - CRC_BITS);
        (c, b + c * CRC_BITS)
    };
    // c * 6144 >= b_with_crc, by the choice of c.
    let k_plus = smallest_k_at_least(b_with_crc.div_ceil(c)).unwrap_or(MAX_CODE_BLOCK);
    let (k_minus, c_minus) = match largest_k_below(k_plus) {
        Some(k_minus) if c > 1 => (k_minus, (c * k_plus - b_with_crc) / (k_plus - k_minus)),
        _ => (0, 0),
    };
    let c_plus = c - c_minus;
    let k_minus = if c_minus == 0 { 0 } else { k_minus };
    let filler = c_plus * k_plus + c_minus * k_minus - b_with_crc;
    Ok(Segmentation { c_plus, k_plus, c_minus, k_minus, filler })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::qpp::qpp;
    use proptest::prelude::*;

    #[test]
    // TS 36.212 §5.4.2 with §5.1.2
    fn sizes_of_the_sidelink() {
        let one = |k_plus, filler| Segmentation { c_plus: 1, k_plus, c_minus: 0, k_minus: 0, filler };
        assert_eq!(plan(232 + 24), Ok(one(256, 0)));
        assert_eq!(plan(16 + 24), Ok(one(40, 0)));
        assert_eq!(plan(6144), Ok(one(6144, 0)));
        assert_eq!(plan(528 - 8), Ok(one(528, 8)));
        // 9528 bits, 48 PRB of MCS 12 in TM4: B' = 9552 + 48.
        assert_eq!(
            plan(9528 + 24),
            Ok(Segmentation { c_plus: 2, k_plus: 4800, c_minus: 0, k_minus: 0, filler: 0 })
        );
        assert!(plan(0).is_err());
    }

    proptest! {
        #[test]
        // TS 36.212 §5.4.2 with §5.1.2
        fn blocks_hold_exactly_the_bits(b in 1usize..120_000) {
            let s = plan(b).unwrap();
            let c = s.blocks();
            prop_assert_eq!((0..c).map(|r| s.data_bits(r)).sum::<usize>(), b);
            prop_assert!((0..c).all(|r| qpp(s.block_size(r)).is_some()));
            prop_assert!(s.c_plus > 0 && (c == 1) == (b <= 6144));
            if s.c_minus > 0 {
                prop_assert_eq!(largest_k_below(s.k_plus), Some(s.k_minus));
                prop_assert!(s.filler < s.k_plus - s.k_minus);
            }
        }

        #[test]
        // TS 36.212 §5.4.2 with §5.1.4.1.2 (2)
        fn coded_bits_add_up(b in 1usize..60_000, symbols in 100usize..20_000, qm in 1usize..4) {
            let (s, qm) = (plan(b).unwrap(), 2 * qm);
            let sizes: Vec<usize> = (0..s.blocks()).map(|r| s.coded_bits(r, symbols * qm, qm)).collect();
            prop_assert_eq!(sizes.iter().sum::<usize>(), symbols * qm);
            prop_assert!(sizes.is_sorted() && sizes[s.blocks() - 1] - sizes[0] <= qm);
        }
    }
}
