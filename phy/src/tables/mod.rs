//! Normative tables, one file each, and the functions that read them.

pub(crate) mod phi12;
pub(crate) mod phi24;
pub mod qpp;
mod tbs;
pub(crate) mod trp8;

use crate::units::Modulation;

/// Returns the transport block size in bits (TS 36.213 Table 7.1.7.2.1-1).
///
/// `i_tbs` 0 to 33, `n_prb` 1 to 110; `None` outside of the table.
// TS 36.213 §14.1.1 (4)
pub fn transport_block_size(i_tbs: usize, n_prb: usize) -> Option<usize> {
    let row = tbs::TBS.get(i_tbs)?;
    row.get(n_prb.checked_sub(1)?).map(|&bits| bits as usize)
}

/// Returns modulation and I_TBS of an I_MCS on the sidelink (TS 36.213 Table 8.6.1-1 with Q'm = min(4, Qm), §14.1.1).
///
/// `None` for 29 to 31, which are valid only when the Release 15 transmission format is set ([`mcs_release15`]).
// TS 36.213 §14.1.1 (3)
pub fn mcs(i_mcs: u8) -> Option<(Modulation, usize)> {
    match i_mcs {
        0..=10 => Some((Modulation::Qpsk, i_mcs as usize)),
        11..=20 => Some((Modulation::Qam16, i_mcs as usize - 1)),
        21..=28 => Some((Modulation::Qam16, i_mcs as usize - 2)),
        _ => None,
    }
}

/// Returns modulation and I_TBS when SCI format 1 sets Transmission Format to 1 (TS 36.213 §14.1.1, Table 14.1.1-2): 21
/// to 28 keep 64QAM, and 29 to 31 name I_TBS 30, 31 and 33.
pub fn mcs_release15(i_mcs: u8) -> Option<(Modulation, usize)> {
    match i_mcs {
        0..=20 => mcs(i_mcs),
        // TS 36.213 §14.1.1 (6)
        21..=28 => Some((Modulation::Qam64, i_mcs as usize - 2)),
        // TS 36.213 §14.1.1 table 14.1.1-2
        29 => Some((Modulation::Qam64, 30)),
        30 => Some((Modulation::Qam64, 31)),
        31 => Some((Modulation::Qam64, 33)),
        _ => None,
    }
}

/// Returns the number of PRBs for the lookup of the transport block size when Transmission Format is 1: max(floor(0.8
/// N'_PRB), 1) (TS 36.213 §14.1.1).
// TS 36.213 §14.1.1 (7)
pub fn release15_tbs_prbs(n_prb: usize) -> usize {
    (n_prb * 8 / 10).max(1)
}

/// Returns the largest 2^a 3^b 5^c that does not exceed `n`: the PRB counts that transform precoding allows
/// (TS 36.211 §5.3.3). 0 for 0.
// TS 36.213 §14.1.1.4C (6)
pub fn largest_precoding_size(n: usize) -> usize {
    (1..=n).rev().find(|&m| is_precoding_size(m)).unwrap_or(0)
}

/// Whether `n` PRBs can be transform precoded: `n` has no prime factor above 5.
// TS 36.211 §9.3.4
pub fn is_precoding_size(n: usize) -> bool {
    let mut rest = n;
    for p in [2, 3, 5] {
        while rest > 0 && rest.is_multiple_of(p) {
            rest /= p;
        }
    }
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a over the numbers of a table, row by row, four octets each, the low one first.
    fn digest(numbers: impl Iterator<Item = i32>) -> u64 {
        let octets = numbers.flat_map(i32::to_le_bytes);
        octets.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    }

    /// Against lists that were typed from the tables apart from the code: a wrong digit is noticed even where no waveform at
    /// hand has it.
    #[test]
    fn no_digit_of_a_table_has_changed() {
        let phi_12 = phi12::PHI_12.iter().flatten().map(|&v| i32::from(v));
        assert_eq!(digest(phi_12), 0x2582_11bd_017f_1fa0);
        let phi_24 = phi24::PHI_24.iter().flatten().map(|&v| i32::from(v));
        assert_eq!(digest(phi_24), 0xcf4f_0124_3bc4_f1ff);
        let rows = qpp::QPP.iter().flat_map(|row| [row.k, row.f1, row.f2]).map(i32::from);
        assert_eq!(digest(rows), 0xc401_b01f_b5d7_6fcb);
    }

    /// TS 36.213 §14.1.1: Q'm = min(4, Qm) without the transmission format of Release 15.
    #[test]
    // TS 36.213 §14.1.1 (6); TS 36.213 §14.1.1 (7); TS 36.213 §14.1.1 table 14.1.1-2
    fn sixteen_qam_is_the_most_of_release_12() {
        assert!((21..=28).all(|i| mcs(i) == Some((Modulation::Qam16, i as usize - 2))));
        assert!((21..=28).all(|i| mcs_release15(i) == Some((Modulation::Qam64, i as usize - 2))));
        let last = [29, 30, 31].map(|i| mcs_release15(i).map(|(_, i_tbs)| i_tbs));
        assert_eq!((mcs(29), last), (None, [Some(30), Some(31), Some(33)]));
        assert_eq!([1, 2, 5, 10, 48].map(release15_tbs_prbs), [1, 1, 4, 8, 38]);
    }
}
