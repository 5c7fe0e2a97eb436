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
pub fn transport_block_size(i_tbs: usize, n_prb: usize) -> Option<usize> {
    let row = tbs::TBS.get(i_tbs)?;
    row.get(n_prb.checked_sub(1)?).map(|&bits| bits as usize)
}

/// Returns modulation and I_TBS of an I_MCS on the sidelink (TS 36.213 Table 8.6.1-1 with Q'm = min(4, Qm), §14.1.1).
///
/// `None` for 29 to 31, which are valid only when the Release 15 transmission format is set ([`mcs_release15`]).
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
        21..=28 => Some((Modulation::Qam64, i_mcs as usize - 2)),
        29 => Some((Modulation::Qam64, 30)),
        30 => Some((Modulation::Qam64, 31)),
        31 => Some((Modulation::Qam64, 33)),
        _ => None,
    }
}

/// Returns the number of PRBs for the lookup of the transport block size when Transmission Format is 1: max(floor(0.8
/// N'_PRB), 1) (TS 36.213 §14.1.1).
pub fn release15_tbs_prbs(n_prb: usize) -> usize {
    (n_prb * 8 / 10).max(1)
}

/// Returns the largest 2^a 3^b 5^c that does not exceed `n`: the PRB counts that transform precoding allows
/// (TS 36.211 §5.3.3). 0 for 0.
pub fn largest_precoding_size(n: usize) -> usize {
    (1..=n).rev().find(|&m| is_precoding_size(m)).unwrap_or(0)
}

/// Whether `n` PRBs can be transform precoded: `n` has no prime factor above 5.
pub fn is_precoding_size(n: usize) -> bool {
    let mut rest = n;
    for p in [2, 3, 5] {
        while rest > 0 && rest.is_multiple_of(p) {
            rest /= p;
        }
    }
    rest == 1
}
