//! Base sequences of reference signals and their group hopping (TS 36.211 §5.5.1).

use super::gold::Gold;
use crate::Sample;
use crate::tables::{phi12::PHI_12, phi24::PHI_24};
use std::f64::consts::PI;

/// Writes r_{u,0}(n), n = 0 to `out.len() - 1`: the base sequence of group `u` (0 to 29), v = 0.
///
/// The length is M_sc = 12, 24 or a multiple of 12 from 36 up (TS 36.211 §5.5.1.1, §5.5.1.2).
pub fn base_sequence(u: usize, out: &mut [Sample]) {
    let u = u % 30;
    match out.len() {
        12 => from_phi(&PHI_12[u], out),
        24 => from_phi(&PHI_24[u], out),
        m_sc => zadoff_chu(u, largest_prime_below(m_sc), out),
    }
}

/// Returns f_gh(n_s) of TS 36.211 §5.5.1.3 with hopping enabled: `c_init` = floor(n_ID^RS / 30).
pub fn group_hopping(n_id_rs: u32, n_s: usize) -> usize {
    let mut gold = Gold::new(n_id_rs / 30);
    gold.skip(8 * n_s);
    let mut bits = [0; 8];
    gold.fill(&mut bits);
    bits.iter().enumerate().map(|(i, &b)| (b as usize) << i).sum::<usize>() % 30
}

fn from_phi(phi: &[i8], out: &mut [Sample]) {
    for (x, &phi) in out.iter_mut().zip(phi) {
        let angle = phi as f64 * PI / 4.0;
        *x = Sample::new(angle.cos() as f32, angle.sin() as f32);
    }
}

// TS 36.211 §9.8 with §5.5.1.1
fn zadoff_chu(u: usize, n_zc: usize, out: &mut [Sample]) {
    // q = floor(qbar + 1/2) + v (-1)^floor(2 qbar) with v = 0, qbar = N_ZC (u + 1) / 31
    let q = (2 * n_zc * (u + 1) + 31) / 62;
    for (n, x) in out.iter_mut().enumerate() {
        let m = n % n_zc;
        // the phase is pi q m (m + 1) / N_ZC: reduce the integer part first, for an exact result
        let turns = (q * m * (m + 1)) % (2 * n_zc);
        let angle = -PI * turns as f64 / n_zc as f64;
        *x = Sample::new(angle.cos() as f32, angle.sin() as f32);
    }
}

fn largest_prime_below(n: usize) -> usize {
    let is_prime = |p: usize| (2..).take_while(|d| d * d <= p).all(|d| !p.is_multiple_of(d));
    (2..n).rev().find(|&p| is_prime(p)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_amplitude_and_low_cross_correlation() {
        for m_sc in [12, 24, 36, 72, 300, 576, 1200] {
            let mut a = vec![Sample::default(); m_sc];
            let mut b = a.clone();
            base_sequence(3, &mut a);
            base_sequence(17, &mut b);
            assert!(a.iter().all(|x| (x.norm() - 1.0).abs() < 1e-6));
            let cross: Sample = a.iter().zip(&b).map(|(x, y)| x * y.conj()).sum();
            assert!(cross.norm() < 0.75 * m_sc as f32, "{m_sc}: {}", cross.norm());
        }
    }

    #[test]
    fn primes() {
        assert_eq!([36, 72, 576, 1200].map(largest_prime_below), [31, 71, 571, 1193]);
    }
}
