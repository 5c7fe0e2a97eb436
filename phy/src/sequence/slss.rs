//! Sidelink synchronisation signals: PSSS (TS 36.211 §9.7.1) and SSSS (TS 36.211 §9.7.2).

use crate::Sample;
use crate::units::SlssId;
use std::f64::consts::PI;

/// Subcarriers of a synchronisation signal.
pub const SSSS_LEN: usize = 62;

/// Form of the secondary sequence (TS 36.211 §6.11.2.1): transmission modes 1 and 2 and discovery use that of subframe
/// 0, modes 3 and 4 that of subframe 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SsssForm {
    /// Transmission modes 1 and 2, discovery.
    Subframe0,
    /// Transmission modes 3 and 4.
    Subframe5,
}

/// Returns d(n) of TS 36.211 §6.11.1.1 with root 26 (id_net) or 37 (id_oon), amplitude 1.
// TS 36.211 §9.7.1.1
pub fn psss(in_network: bool) -> [Sample; SSSS_LEN] {
    let u = if in_network { 26 } else { 37 };
    std::array::from_fn(|n| {
        let turns = if n < 31 { u * n * (n + 1) } else { u * (n + 1) * (n + 2) } % (2 * 63);
        let angle = -PI * turns as f64 / 63.0;
        Sample::new(angle.cos() as f32, angle.sin() as f32)
    })
}

/// The sequences s, c and z of TS 36.211 §6.11.2.1.
const S: [i8; 31] = m_sequence(0b00101);
const C: [i8; 31] = m_sequence(0b01001);
const Z: [i8; 31] = m_sequence(0b10111);

/// Returns d(n) of TS 36.211 §6.11.2.1 for N_ID^(1) = N_ID^SL mod 168 and N_ID^(2) = floor(N_ID^SL / 168), each ±1.
// TS 36.211 §9.7.2.1
pub fn ssss(id: SlssId, form: SsssForm) -> [i8; SSSS_LEN] {
    let (n1, n2) = (id.value() as usize % 168, id.value() as usize / 168);
    let q_prime = n1 / 30;
    let q = (n1 + q_prime * (q_prime + 1) / 2) / 30;
    let m_prime = n1 + q * (q + 1) / 2;
    let m0 = m_prime % 31;
    let m1 = (m0 + m_prime / 31 + 1) % 31;

    let (first, second) = match form {
        SsssForm::Subframe0 => (m0, m1),
        SsssForm::Subframe5 => (m1, m0),
    };
    std::array::from_fn(|i| {
        let n = i / 2;
        if i % 2 == 0 {
            S[(n + first) % 31] * C[(n + n2) % 31]
        } else {
            S[(n + second) % 31] * C[(n + n2 + 3) % 31] * Z[(n + first % 8) % 31]
        }
    })
}

/// Returns 1 - 2 x(i) with x(0..4) = 0, 0, 0, 0, 1 and x(i + 5) the sum of x(i + tap), a bit of `taps` each.
const fn m_sequence(taps: u32) -> [i8; 31] {
    let mut out = [1; 31];
    // x(i) to x(i + 4), the first one in the lowest place
    let mut x = 0b10000;
    let mut i = 0;
    while i < 31 {
        out[i] = 1 - 2 * (x & 1) as i8;
        x = x >> 1 | ((x & taps).count_ones() & 1) << 4;
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_distinct() {
        for form in [SsssForm::Subframe0, SsssForm::Subframe5] {
            for in_network in [true, false] {
                let ids = (0..336).filter_map(SlssId::new).filter(|id| id.is_in_network() == in_network);
                let all: std::collections::HashSet<_> = ids.map(|id| ssss(id, form)).collect();
                assert_eq!(all.len(), 168);
            }
        }
    }

    /// By the recursions of the clause, and sixteen ones in each.
    #[test]
    // TS 36.211 §9.7.2.1
    fn m_sequences_are_those_of_the_clause() {
        for (sequence, taps) in [(S, &[2, 0][..]), (C, &[3, 0]), (Z, &[4, 2, 1, 0])] {
            let mut x = [0usize; 31];
            x[4] = 1;
            for i in 0..26 {
                x[i + 5] = taps.iter().map(|t| x[i + t]).sum::<usize>() % 2;
            }
            assert_eq!(x.iter().sum::<usize>(), 16);
            assert_eq!(sequence, x.map(|bit| 1 - 2 * bit as i8));
        }
    }

    #[test]
    fn the_two_roots_are_conjugates() {
        for (a, b) in psss(true).iter().zip(psss(false)) {
            assert!((a.conj() - b).norm() < 1e-5);
        }
    }
}
