//! Modulation mapping and soft demapping (TS 36.211 §7.1).
//!
//! The sign of an [`Llr`] is defined there: positive means bit 0.

use crate::kernel::demap::best;
use crate::units::Modulation;
use crate::{LLR_MAX, LLR_UNITS_PER_NAT, Llr, Sample};

/// Maps coded bits to symbols of unit average power: `bits.len() == Q_m * out.len()`.
// TS 36.211 §9.3.2
pub fn map(modulation: Modulation, bits: &[u8], out: &mut [Sample]) {
    for (x, b) in out.iter_mut().zip(bits.chunks_exact(modulation.bits())) {
        *x = match modulation {
            Modulation::Qpsk => Sample::new(sign(b[0]), sign(b[1])) * QPSK_STEP,
            Modulation::Qam16 => Sample::new(pam4(b[0], b[2]), pam4(b[1], b[3])) * QAM16_STEP,
            Modulation::Qam64 => Sample::new(pam8(b[0], b[2], b[4]), pam8(b[1], b[3], b[5])) * QAM64_STEP,
        };
    }
}

/// Computes soft bits of `symbols`, max-log: `noise` is the noise power a symbol (both components) at unit symbol power.
///
/// `out.len() == Q_m * symbols.len()`.
pub fn demap(modulation: Modulation, symbols: &[Sample], noise: f32, out: &mut [Llr]) {
    let scale = LLR_UNITS_PER_NAT / noise.max(1e-9);
    let loops = best();
    match modulation {
        // log ratio = 4 Re(y) a / noise with a = 1/sqrt(2)
        Modulation::Qpsk => (loops.linear)(symbols, 4.0 * QPSK_STEP * scale, out),
        Modulation::Qam16 => (loops.sixteen)(symbols, QAM16_STEP, scale, out),
        Modulation::Qam64 => {
            for (llr, x) in out.chunks_exact_mut(6).zip(symbols) {
                let (i, q) = (pam8_llr(x.re), pam8_llr(x.im));
                for b in 0..3 {
                    llr[2 * b] = clip(i[b] * scale);
                    llr[2 * b + 1] = clip(q[b] * scale);
                }
            }
        }
    }
}

/// Returns the constellation point nearest to `x`.
pub fn nearest(modulation: Modulation, x: Sample) -> Sample {
    let (step, top) = levels(modulation);
    let axis = |v: f32| {
        let odd = 2.0 * round((v / step - 1.0) / 2.0) + 1.0;
        odd.clamp(-top, top) * step
    };
    Sample::new(axis(x.re), axis(x.im))
}

/// Returns the sum of the squared distances of symbols to their [`nearest`] constellation points, and the number of
/// symbols in the sum: about one in three, and at least one.
pub fn error(modulation: Modulation, symbols: &[Sample]) -> (f32, usize) {
    let (step, top) = levels(modulation);
    (best().error)(symbols, step, top)
}

/// Returns the unit of the levels of an axis, odd multiples of it, and the largest one.
fn levels(modulation: Modulation) -> (f32, f32) {
    match modulation {
        Modulation::Qpsk => (QPSK_STEP, 1.0),
        Modulation::Qam16 => (QAM16_STEP, 3.0),
        Modulation::Qam64 => (QAM64_STEP, 7.0),
    }
}

/// Returns the nearest whole number, for magnitudes below 2^22; larger ones stay large. `f32::round` is a call.
fn round(v: f32) -> f32 {
    /// 1.5 * 2^23: between it and its double, the values of an `f32` are the whole numbers.
    const WHOLE: f32 = 12_582_912.0;
    (v + WHOLE) - WHOLE
}

const QPSK_STEP: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// 1/sqrt(10)
const QAM16_STEP: f32 = 0.316_227_77;
/// 1/sqrt(42)
const QAM64_STEP: f32 = 0.154_303_35;

fn sign(bit: u8) -> f32 {
    1.0 - 2.0 * bit as f32
}

fn pam4(b0: u8, b1: u8) -> f32 {
    sign(b0) * (2.0 - sign(b1))
}

fn pam8(b0: u8, b1: u8, b2: u8) -> f32 {
    sign(b0) * (4.0 - sign(b1) * (2.0 - sign(b2)))
}

fn pam8_llr(v: f32) -> [f32; 3] {
    // exhaustive max-log over the eight levels: 64QAM is rare (Release 15 V2X)
    let mut best = [[f32::INFINITY; 2]; 3];
    for level in 0..8u8 {
        let b = [(level >> 2) & 1, (level >> 1) & 1, level & 1];
        let d = v - pam8(b[0], b[1], b[2]) * QAM64_STEP;
        for i in 0..3 {
            let slot = &mut best[i][b[i] as usize];
            *slot = slot.min(d * d);
        }
    }
    best.map(|[zero, one]| one - zero)
}

fn clip(v: f32) -> Llr {
    // a float to integer cast saturates and sends NaN to 0, an erasure
    (v.clamp(-(LLR_MAX as f32), LLR_MAX as f32)) as Llr
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Modulation; 3] = [Modulation::Qpsk, Modulation::Qam16, Modulation::Qam64];

    fn all_bits(q: usize) -> Vec<u8> {
        (0..1usize << q).flat_map(|v| (0..q).map(move |i| ((v >> (q - 1 - i)) & 1) as u8)).collect()
    }

    #[test]
    // TS 36.211 §9.3.2
    fn unit_power_and_hard_decisions() {
        for modulation in ALL {
            let q = modulation.bits();
            let bits = all_bits(q);
            let mut points = vec![Sample::default(); 1 << q];
            map(modulation, &bits, &mut points);
            let power: f32 = points.iter().map(|x| x.norm_sqr()).sum::<f32>() / points.len() as f32;
            assert!((power - 1.0).abs() < 1e-5);
            let mut llrs = vec![0; bits.len()];
            demap(modulation, &points, 0.1, &mut llrs);
            for (bit, llr) in bits.iter().zip(&llrs) {
                assert_eq!(*bit == 1, *llr < 0);
            }
            assert!(points.iter().all(|&p| (nearest(modulation, p) - p).norm() < 1e-6));
        }
    }

    /// The definition, by exhaustive search over the constellation, distant points included.
    #[test]
    fn the_nearest_point_is_the_nearest() {
        for modulation in ALL {
            let mut points = vec![Sample::default(); 1 << modulation.bits()];
            map(modulation, &all_bits(modulation.bits()), &mut points);
            for i in 0..4000 {
                let scale = if i % 10 == 0 { 1e8 } else { 1.5 };
                let y = Sample::new((i as f32 * 0.37).sin() * scale, (i as f32 * 0.71).cos() * scale);
                let got = nearest(modulation, y);
                let best = points.iter().map(|p| (y - p).norm()).fold(f32::INFINITY, f32::min);
                assert!((y - got).norm() <= best + 1e-6 * scale, "{modulation:?} {y}: {got}");
                assert!(points.iter().any(|p| (p - got).norm() < 1e-6), "{modulation:?} {y}: {got}");
            }
        }
    }

    #[test]
    fn error_vectors_end_at_the_nearest_points() {
        for modulation in ALL {
            let y = |i: usize| Sample::new((i as f32 * 0.37).sin() * 1.5, (i as f32 * 0.71).cos() * 1.5);
            for count in [1, 7, 8, 12, 25, 600] {
                let symbols: Vec<Sample> = (0..count).map(y).collect();
                let counted = symbols.chunks(8).step_by(3).flatten();
                let exact: f32 = counted.clone().map(|&x| (x - nearest(modulation, x)).norm_sqr()).sum();
                let (sum, number) = error(modulation, &symbols);
                assert_eq!(number, counted.count());
                assert!((sum - exact).abs() <= 1e-5 * exact, "{modulation:?} {count}: {sum} {exact}");
            }
        }
    }

    /// The definition, by exhaustive search over the constellation.
    #[test]
    fn max_log_metrics_agree_with_the_definition() {
        for modulation in ALL {
            let q = modulation.bits();
            let bits = all_bits(q);
            let mut points = vec![Sample::default(); 1 << q];
            map(modulation, &bits, &mut points);
            for i in 0..200 {
                let y = Sample::new((i as f32 * 0.37).sin() * 1.3, (i as f32 * 0.71).cos() * 1.3);
                let noise = 0.5;
                let mut llrs = vec![0; q];
                demap(modulation, &[y], noise, &mut llrs);
                for b in 0..q {
                    let best = |v: u8| {
                        let d = points.iter().zip(bits.chunks(q)).filter(|(_, p)| p[b] == v);
                        d.map(|(p, _)| (y - p).norm_sqr()).fold(f32::INFINITY, f32::min)
                    };
                    let want = (best(1) - best(0)) / noise * LLR_UNITS_PER_NAT;
                    assert!(
                        (want - llrs[b] as f32).abs() <= 1.01,
                        "{modulation:?} bit {b}: {want} {}",
                        llrs[b]
                    );
                }
            }
        }
    }
}
