//! Turbo code internal interleaver parameters, TS 36.212 Table 5.1.3-3.
//!
//! All 188 rows were read in the table, which they equal in every digit; every row is checked below to be a permutation.

/// One row of TS 36.212 Table 5.1.3-3: the interleaver is `pi(i) = (f1 i + f2 i^2) mod K`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qpp {
    /// Code block length, in bits.
    pub k: u16,
    /// Coefficient of `i`.
    pub f1: u16,
    /// Coefficient of `i^2`.
    pub f2: u16,
}

impl Qpp {
    /// Returns `pi(i)`, the position in the block of the `i`-th interleaved bit. TS 36.212 §5.1.3.2.3
    pub const fn at(&self, i: usize) -> usize {
        let (k, f1, f2, i) = (self.k as u64, self.f1 as u64, self.f2 as u64, i as u64);
        ((f1 + f2 * i % k) * i % k) as usize
    }
}

/// Returns the row of a code block length, or `None` for a length that the table does not have.
pub fn qpp(k: usize) -> Option<Qpp> {
    index(k).map(|i| QPP[i])
}

/// Returns the position in [`QPP`] of a code block length.
pub(crate) fn index(k: usize) -> Option<usize> {
    QPP.binary_search_by_key(&k, |row| row.k as usize).ok()
}

/// Returns the smallest code block length of the table that is at least `bits`.
pub fn smallest_k_at_least(bits: usize) -> Option<usize> {
    QPP.get(QPP.partition_point(|row| (row.k as usize) < bits)).map(|row| row.k as usize)
}

/// Returns the largest code block length of the table below `k`.
pub fn largest_k_below(k: usize) -> Option<usize> {
    let above = QPP.partition_point(|row| (row.k as usize) < k);
    above.checked_sub(1).map(|i| QPP[i].k as usize)
}

const fn row(k: u16, f1: u16, f2: u16) -> Qpp {
    Qpp { k, f1, f2 }
}

/// All rows, in ascending order of `k`.
#[rustfmt::skip]
// TS 36.212 §5.4.2 with Table 5.1.3-3
pub const QPP: [Qpp; 188] = [
    row(40, 3, 10), row(48, 7, 12), row(56, 19, 42), row(64, 7, 16), row(72, 7, 18), row(80, 11, 20),
    row(88, 5, 22), row(96, 11, 24), row(104, 7, 26), row(112, 41, 84), row(120, 103, 90), row(128, 15, 32),
    row(136, 9, 34), row(144, 17, 108), row(152, 9, 38), row(160, 21, 120), row(168, 101, 84),
    row(176, 21, 44), row(184, 57, 46), row(192, 23, 48), row(200, 13, 50), row(208, 27, 52),
    row(216, 11, 36), row(224, 27, 56), row(232, 85, 58), row(240, 29, 60), row(248, 33, 62),
    row(256, 15, 32), row(264, 17, 198), row(272, 33, 68), row(280, 103, 210), row(288, 19, 36),
    row(296, 19, 74), row(304, 37, 76), row(312, 19, 78), row(320, 21, 120), row(328, 21, 82),
    row(336, 115, 84), row(344, 193, 86), row(352, 21, 44), row(360, 133, 90), row(368, 81, 46),
    row(376, 45, 94), row(384, 23, 48), row(392, 243, 98), row(400, 151, 40), row(408, 155, 102),
    row(416, 25, 52), row(424, 51, 106), row(432, 47, 72), row(440, 91, 110), row(448, 29, 168),
    row(456, 29, 114), row(464, 247, 58), row(472, 29, 118), row(480, 89, 180), row(488, 91, 122),
    row(496, 157, 62), row(504, 55, 84), row(512, 31, 64), row(528, 17, 66), row(544, 35, 68),
    row(560, 227, 420), row(576, 65, 96), row(592, 19, 74), row(608, 37, 76), row(624, 41, 234),
    row(640, 39, 80), row(656, 185, 82), row(672, 43, 252), row(688, 21, 86), row(704, 155, 44),
    row(720, 79, 120), row(736, 139, 92), row(752, 23, 94), row(768, 217, 48), row(784, 25, 98),
    row(800, 17, 80), row(816, 127, 102), row(832, 25, 52), row(848, 239, 106), row(864, 17, 48),
    row(880, 137, 110), row(896, 215, 112), row(912, 29, 114), row(928, 15, 58), row(944, 147, 118),
    row(960, 29, 60), row(976, 59, 122), row(992, 65, 124), row(1008, 55, 84), row(1024, 31, 64),
    row(1056, 17, 66), row(1088, 171, 204), row(1120, 67, 140), row(1152, 35, 72), row(1184, 19, 74),
    row(1216, 39, 76), row(1248, 19, 78), row(1280, 199, 240), row(1312, 21, 82), row(1344, 211, 252),
    row(1376, 21, 86), row(1408, 43, 88), row(1440, 149, 60), row(1472, 45, 92), row(1504, 49, 846),
    row(1536, 71, 48), row(1568, 13, 28), row(1600, 17, 80), row(1632, 25, 102), row(1664, 183, 104),
    row(1696, 55, 954), row(1728, 127, 96), row(1760, 27, 110), row(1792, 29, 112), row(1824, 29, 114),
    row(1856, 57, 116), row(1888, 45, 354), row(1920, 31, 120), row(1952, 59, 610), row(1984, 185, 124),
    row(2016, 113, 420), row(2048, 31, 64), row(2112, 17, 66), row(2176, 171, 136), row(2240, 209, 420),
    row(2304, 253, 216), row(2368, 367, 444), row(2432, 265, 456), row(2496, 181, 468), row(2560, 39, 80),
    row(2624, 27, 164), row(2688, 127, 504), row(2752, 143, 172), row(2816, 43, 88), row(2880, 29, 300),
    row(2944, 45, 92), row(3008, 157, 188), row(3072, 47, 96), row(3136, 13, 28), row(3200, 111, 240),
    row(3264, 443, 204), row(3328, 51, 104), row(3392, 51, 212), row(3456, 451, 192), row(3520, 257, 220),
    row(3584, 57, 336), row(3648, 313, 228), row(3712, 271, 232), row(3776, 179, 236), row(3840, 331, 120),
    row(3904, 363, 244), row(3968, 375, 248), row(4032, 127, 168), row(4096, 31, 64), row(4160, 33, 130),
    row(4224, 43, 264), row(4288, 33, 134), row(4352, 477, 408), row(4416, 35, 138), row(4480, 233, 280),
    row(4544, 357, 142), row(4608, 337, 480), row(4672, 37, 146), row(4736, 71, 444), row(4800, 71, 120),
    row(4864, 37, 152), row(4928, 39, 462), row(4992, 127, 234), row(5056, 39, 158), row(5120, 39, 80),
    row(5184, 31, 96), row(5248, 113, 902), row(5312, 41, 166), row(5376, 251, 336), row(5440, 43, 170),
    row(5504, 21, 86), row(5568, 43, 174), row(5632, 45, 176), row(5696, 45, 178), row(5760, 161, 120),
    row(5824, 89, 182), row(5888, 323, 184), row(5952, 47, 186), row(6016, 23, 94), row(6080, 47, 190),
    row(6144, 263, 480),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_permutation_and_free_of_contention() {
        for row in QPP {
            let k = row.k as usize;
            let mut seen = vec![false; k];
            for i in 0..k {
                assert!(!std::mem::replace(&mut seen[row.at(i)], true), "K = {k}");
            }
            for lanes in [8, 16, 32, 64].into_iter().filter(|&lanes| k.is_multiple_of(lanes)) {
                let w = k / lanes;
                assert!((0..k - w).all(|i| row.at(i) % w == row.at(i + w) % w), "K = {k}, {lanes} lanes");
            }
        }
    }

    #[test]
    fn lengths_follow_the_grid_of_the_table() {
        let grid = (40..=512).step_by(8).chain((528..=1024).step_by(16));
        let grid = grid.chain((1056..=2048).step_by(32)).chain((2112..=6144).step_by(64));
        assert!(grid.eq(QPP.iter().map(|row| row.k as usize)));
        assert_eq!(smallest_k_at_least(0), Some(40));
        assert_eq!(smallest_k_at_least(513), Some(528));
        assert_eq!(smallest_k_at_least(6145), None);
        assert_eq!(largest_k_below(40), None);
        assert_eq!(largest_k_below(528), Some(512));
    }

    #[test]
    fn transcription_matches_the_digest() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/spec/qpp.csv");
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("SKIPPED: no ../shared ({path})");
            return;
        };
        let rows: Vec<Qpp> = (text.lines().skip(1))
            .map(|line| {
                let v: Vec<u16> = line.split(',').map(|field| field.trim().parse().unwrap()).collect();
                Qpp { k: v[1], f1: v[2], f2: v[3] }
            })
            .collect();
        assert_eq!(rows, QPP);
    }
}
