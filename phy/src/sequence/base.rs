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
        m_sc => zadoff_chu(u, &roots_of_unity(largest_prime_below(m_sc)), out),
    }
}

/// Writes the base sequences of all thirty groups, `out.len() / 30` values each, as [`base_sequence`] does.
pub(super) fn base_sequences(out: &mut [Sample]) {
    let m_sc = out.len() / 30;
    let roots = if m_sc > 24 { roots_of_unity(largest_prime_below(m_sc)) } else { Vec::new() };
    for (u, row) in out.chunks_exact_mut(m_sc.max(1)).enumerate() {
        match m_sc {
            12 | 24 => base_sequence(u, row),
            _ => zadoff_chu(u, &roots, row),
        }
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
fn zadoff_chu(u: usize, roots: &[Sample], out: &mut [Sample]) {
    let n_zc = roots.len();
    // q = floor(qbar + 1/2) + v (-1)^floor(2 qbar) with v = 0, qbar = N_ZC (u + 1) / 31
    let q = (2 * n_zc * (u + 1) + 31) / 62;
    // the phase is pi q m (m + 1) / N_ZC, always an even number of half turns: they grow by 2 q (m + 1)
    let (mut at, mut step) = (0, 0);
    for (m, x) in out.iter_mut().enumerate() {
        if m == n_zc {
            (at, step) = (0, 0);
        }
        *x = roots[at];
        step += q;
        step -= if step >= n_zc { n_zc } else { 0 };
        at += step;
        at -= if at >= n_zc { n_zc } else { 0 };
    }
}

/// Returns `exp(-j 2 pi k / n)` for k = 0 to n - 1.
fn roots_of_unity(n: usize) -> Vec<Sample> {
    let root = |k: usize| {
        let angle = -PI * (2 * k) as f64 / n as f64;
        Sample::new(angle.cos() as f32, angle.sin() as f32)
    };
    (0..n).map(root).collect()
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

    /// In double precision, from the definition: every group of narrow and of wide channels.
    #[test]
    // TS 36.211 §9.8 with §5.5.1.1
    fn all_groups_are_those_of_the_clause() {
        for (m_sc, n_zc) in [(36, 31), (72, 71), (576, 571)] {
            let mut all = vec![Sample::default(); 30 * m_sc];
            base_sequences(&mut all);
            for (u, row) in all.chunks_exact(m_sc).enumerate() {
                let q = (n_zc as f64 * (u + 1) as f64 / 31.0 + 0.5).floor() as usize;
                for (n, x) in row.iter().enumerate() {
                    let m = n % n_zc;
                    let angle = -PI * ((q * m * (m + 1)) % (2 * n_zc)) as f64 / n_zc as f64;
                    let exact = Sample::new(angle.cos() as f32, angle.sin() as f32);
                    assert!((x - exact).norm() < 1e-6, "{m_sc} subcarriers, group {u}, value {n}: {x}");
                }
                let mut alone = vec![Sample::default(); m_sc];
                base_sequence(u, &mut alone);
                assert_eq!(alone, row);
            }
        }
    }

    #[test]
    fn primes() {
        assert_eq!([36, 72, 576, 1200].map(largest_prime_below), [31, 71, 571, 1193]);
    }
}
