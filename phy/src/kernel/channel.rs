//! Loops of the channel models over samples.

use super::Backend;
use super::elementary::{cos_sin, minus_ln_unit};

/// Real and imaginary part.
type Pair = [f32; 2];

/// Returns two independent Gaussians of variance 1/2 from 63 uniform bits.
#[inline(always)]
pub(crate) fn box_muller(bits: u64) -> (f32, f32) {
    let radius = minus_ln_unit((bits >> 33) as u32).sqrt();
    let (cos, sin) = cos_sin(bits as u32);
    (radius * cos, radius * sin)
}

/// The loops of one backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loops {
    /// `y[n] += sum_k weights[k] x[n + k]`, in that order of `k` for every `n`.
    pub(crate) accumulate_fir: fn(&[f32], &[Pair], &mut [Pair]),
}

/// Returns the loops of a backend.
pub(crate) fn loops(backend: Backend) -> Loops {
    match backend.or_scalar() {
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512 => avx512::LOOPS,
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2 => avx2::LOOPS,
        _ => Loops { accumulate_fir },
    }
}

#[inline(always)]
fn accumulate_fir(weights: &[f32], x: &[[f32; 2]], y: &mut [[f32; 2]]) {
    let (x, y) = (x.as_flattened(), y.as_flattened_mut());
    let mut start = 0;
    while y.len() - start >= 32 {
        accumulate_lanes::<32>(weights, &x[start..], &mut y[start..start + 32]);
        start += 32;
    }
    while y.len() - start >= 8 {
        accumulate_lanes::<8>(weights, &x[start..], &mut y[start..start + 8]);
        start += 8;
    }
    for j in start..y.len() {
        let mut sum = 0.0;
        for (k, w) in weights.iter().enumerate() {
            sum += w * x[j + 2 * k];
        }
        y[j] += sum;
    }
}

#[inline(always)]
fn accumulate_lanes<const LANES: usize>(weights: &[f32], x: &[f32], y: &mut [f32]) {
    let mut sum = [0.0_f32; LANES];
    for (k, w) in weights.iter().enumerate() {
        let x = &x[2 * k..2 * k + LANES];
        for i in 0..LANES {
            sum[i] += w * x[i];
        }
    }
    for (y, s) in y.iter_mut().zip(sum) {
        *y += s;
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! backend {
    ($name:ident, $features:literal) => {
        mod $name {
            /// Only [`super::loops`] returns these, after a check of the instruction set.
            pub(super) const LOOPS: super::Loops = super::Loops {
                // SAFETY: the machine has the instruction set, see above.
                accumulate_fir: |weights, x, y| unsafe { accumulate_fir(weights, x, y) },
            };

            #[target_feature(enable = $features)]
            fn accumulate_fir(weights: &[f32], x: &[[f32; 2]], y: &mut [[f32; 2]]) {
                super::accumulate_fir(weights, x, y);
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
backend!(avx2, "avx2");
#[cfg(target_arch = "x86_64")]
backend!(avx512, "avx2,avx512f,avx512bw,avx512vl");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;

    /// All backends give the bits of the definition, for any length.
    #[test]
    fn all_backends_give_the_same_bits() {
        let mut rng = Rng::new(8);
        for backend in Backend::ALL.into_iter().filter(|b| b.is_available()) {
            let loops = loops(backend);
            for (taps, count) in [(1, 1), (7, 3), (32, 16), (39, 17), (24, 70), (5, 4)] {
                let weights: Vec<f32> = (0..taps).map(|_| rng.uniform() as f32 - 0.5).collect();
                let mut draw = || [rng.uniform() as f32 - 0.5, rng.uniform() as f32 - 0.5];
                let x: Vec<[f32; 2]> = (0..count + taps - 1).map(|_| draw()).collect();
                let before: Vec<[f32; 2]> = (0..count).map(|_| draw()).collect();
                let mut y = before.clone();
                (loops.accumulate_fir)(&weights, &x, &mut y);
                for n in 0..count {
                    for c in 0..2 {
                        let sum = (0..taps).fold(0.0_f32, |sum, k| sum + weights[k] * x[n + k][c]);
                        assert_eq!(y[n][c].to_bits(), (before[n][c] + sum).to_bits(), "{backend:?}");
                    }
                }
            }
        }
    }
}
