//! Several receive antennas behind one transmitter: a fading channel for each, correlated as those of a uniform array.
//!
//! Fading channels that are independent are drawn one by one; antenna `i` receives
//!
//! ```text
//! y_i = sum_k L[i][k] x_k        L lower triangular, L Lᵀ = R
//! ```
//!
//! where `x_k` is the signal through channel `k`. The first antenna receives `x_0` alone: what it hears does not depend
//! on the number of antennas. `R[i][j] = c^(((i - j) / (N - 1))²)` for N antennas, where `c` is the correlation between the
//! outermost two: the receive side of TS 36.101 §B.2.3.1 and TS 36.141 §B.5.1 for 1, 2 and 4 antennas.
//!
//! | level there | receive side | transmit side, which has one antenna here |
//! |---|---|---|
//! | low | 0 | 0 |
//! | medium | 0.9 | 0.3 |
//! | high | 0.9 | 0.9 |
//!
//! TS 36.141 §B.5.2 was read for these numbers, and TS 36.101 §B.2.3.2 was not; the UE is the receive side here.
//!
//! A signal without fading comes over one path: with the same power to each antenna, and another phase.

use super::path::add;
use super::rng::Rng;
use crate::Sample;
use crate::kernel::elementary::cos_sin;
use crate::units::Antennas;
use core::fmt;
use core::str::FromStr;

/// Correlation of the fading of the outermost two antennas: 0 (independent) to 1 (the same).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Correlation(f64);

impl Correlation {
    /// Independent fading.
    pub const NONE: Self = Self(0.0);

    /// Returns a correlation, if it is in range.
    pub fn new(coefficient: f64) -> Option<Self> {
        (0.0..=1.0).contains(&coefficient).then_some(Self(coefficient))
    }

    /// Returns the coefficient, 0 to 1.
    pub fn coefficient(self) -> f64 {
        self.0
    }
}

/// The text is not a correlation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCorrelation(pub String);

impl fmt::Display for UnknownCorrelation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no correlation: 0 (antennas that fade independently) to 1 (alike)", self.0)
    }
}

impl core::error::Error for UnknownCorrelation {}

impl FromStr for Correlation {
    type Err = UnknownCorrelation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| UnknownCorrelation(text.to_owned()))
    }
}

/// Weight of each independent channel at each antenna.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArrayWeights {
    /// By antenna, then by channel.
    weights: [[Sample; Antennas::MAX]; Antennas::MAX],
    channels: usize,
}

impl ArrayWeights {
    /// Returns the weights of antennas whose fading is correlated: over as many channels as there are antennas, or one where
    /// all fade alike.
    pub fn correlated(antennas: Antennas, correlation: Correlation) -> Self {
        let n = antennas.count();
        let between = |i: usize, j: usize| {
            let apart = i.abs_diff(j) as f64 / n.saturating_sub(1).max(1) as f64;
            if i == j { 1.0 } else { correlation.0.powf(apart * apart) }
        };
        // Cholesky, row by row. Where antennas fade alike nothing is left for the channels after the first.
        let mut rows = [[0.0_f64; Antennas::MAX]; Antennas::MAX];
        for i in 0..n {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| rows[i][k] * rows[j][k]).sum();
                let left = between(i, j) - known;
                rows[i][j] = match rows[j][j] {
                    _ if i == j => left.max(0.0).sqrt(),
                    diagonal if diagonal > 1e-9 => left / diagonal,
                    _ => 0.0,
                };
            }
        }
        let channels = (0..n).filter(|&k| rows.iter().any(|row| row[k] != 0.0)).count();
        Self { weights: rows.map(|row| row.map(|w| Sample::new(w as f32, 0.0))), channels }
    }

    /// Returns the weights of antennas that hear one channel, each with a phase that `seed` draws; the first with none.
    pub fn phases(antennas: Antennas, seed: u64) -> Self {
        let mut weights = [[Sample::default(); Antennas::MAX]; Antennas::MAX];
        let rng = Rng::new(seed);
        for (antenna, row) in weights.iter_mut().take(antennas.count()).enumerate() {
            let phase = if antenna == 0 { 0 } else { (rng.fork(antenna as u64).next_u64() >> 32) as u32 };
            let (cos, sin) = cos_sin(phase);
            row[0] = Sample::new(cos, sin);
        }
        weights[0][0] = Sample::new(1.0, 0.0);
        Self { weights, channels: 1 }
    }

    /// Returns the number of independent channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Adds `samples`, which came through `channel`, to what each of the first antennas receives, `out`.
    pub fn spread(&self, channel: usize, samples: &[Sample], out: &mut [&mut [Sample]]) {
        for (row, out) in self.weights.iter().zip(out) {
            let weight = row[channel];
            if weight == Sample::new(1.0, 0.0) {
                add(out, samples);
            } else if weight != Sample::default() {
                out.iter_mut().zip(samples).for_each(|(y, x)| *y += weight * x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns L Lᴴ.
    fn product(weights: &ArrayWeights, i: usize, j: usize) -> Sample {
        (0..Antennas::MAX).map(|k| weights.weights[i][k] * weights.weights[j][k].conj()).sum()
    }

    #[test]
    fn antennas_are_correlated_as_in_the_tables() {
        for count in 1..=4 {
            let antennas = Antennas::new(count).unwrap();
            for c in [0.0, 0.3, 0.9, 0.999, 1.0] {
                let weights = ArrayWeights::correlated(antennas, Correlation::new(c).unwrap());
                assert_eq!(weights.channels(), if c == 1.0 { 1 } else { count });
                assert_eq!(weights.weights[0][0], Sample::new(1.0, 0.0));
                for i in 0..count {
                    for j in 0..count {
                        let apart = i.abs_diff(j) as f64 / (count.max(2) - 1) as f64;
                        let expected = if i == j { 1.0 } else { c.powf(apart * apart) };
                        let error = (product(&weights, i, j) - Sample::new(expected as f32, 0.0)).norm();
                        assert!(error < 1e-4, "{count} antennas at {c}: {i} {j} off by {error}");
                    }
                }
            }
        }
        // TS 36.141 §B.5.1, four antennas: 1, β^(1/9), β^(4/9), β.
        let four = ArrayWeights::correlated(Antennas::new(4).unwrap(), Correlation::new(0.9).unwrap());
        for (j, expected) in [1.0, 0.9883_f32, 0.9542, 0.9].into_iter().enumerate() {
            assert!((product(&four, 0, j).re - expected).abs() < 1e-4, "{j}");
        }
    }

    #[test]
    fn without_fading_antennas_differ_in_phase_alone() {
        let weights = ArrayWeights::phases(Antennas::new(4).unwrap(), 7);
        assert_eq!((weights.channels(), weights.weights[0][0]), (1, Sample::new(1.0, 0.0)));
        let x = [Sample::new(0.5, -2.0); 3];
        let mut out = [[Sample::new(1.0, 0.0); 3]; 4];
        let mut slices = out.each_mut().map(|o| &mut o[..]);
        weights.spread(0, &x, &mut slices);
        assert_eq!(out[0][2], Sample::new(1.5, -2.0));
        for antenna in 1..4 {
            let heard = out[antenna][1] - 1.0;
            assert!((heard.norm() - x[0].norm()).abs() < 1e-5 && (heard - x[0]).norm() > 1e-3, "{heard}");
        }
        assert_ne!(weights, ArrayWeights::phases(Antennas::new(4).unwrap(), 8));
    }

    #[test]
    fn a_correlation_is_between_0_and_1() {
        assert_eq!("0.3".parse(), Ok(Correlation(0.3)));
        for text in ["-0.1", "1.01", "nan", "", "high"] {
            assert!(text.parse::<Correlation>().unwrap_err().to_string().contains("0 (antennas"), "{text}");
        }
    }
}
