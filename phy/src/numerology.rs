//! From a bandwidth and a sample rate to the sizes of one subframe (TS 36.211 §9.2, §9.9).

use crate::units::{Bandwidth, CyclicPrefix, Hertz};
use std::fmt;

/// Subcarrier spacing.
pub const SUBCARRIER_SPACING: Hertz = Hertz(15_000.0);

/// Sizes of one subframe in samples. All sample counts are exact: the CP lengths of 160, 144 and 512 Ts
/// (TS 36.211 §5.6) are whole samples at every FFT size that is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numerology {
    bandwidth: Bandwidth,
    cp: CyclicPrefix,
    fft: usize,
}

/// No FFT size of the bandwidth has this sample rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnsupportedRate {
    /// Requested rate, samples a second.
    pub rate: Hertz,
    /// Requested bandwidth.
    pub bandwidth: Bandwidth,
}

impl fmt::Display for UnsupportedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not run at {} samples/s; it runs at", self.bandwidth, self.rate.0)?;
        for &n in self.bandwidth.fft_sizes() {
            write!(f, " {}", rate_of(n).0)?;
        }
        Ok(())
    }
}

impl std::error::Error for UnsupportedRate {}

impl Bandwidth {
    /// Returns the likeliest bandwidth for a sample rate: the widest one with this standard rate, otherwise the widest
    /// one that supports it at all.
    pub fn of_rate(rate: Hertz) -> Option<Self> {
        let runs = |b: &&Self, sizes: &[usize]| {
            sizes.iter().any(|&n| (rate_of(n) - rate).abs() < Hertz(0.5)) && !b.fft_sizes().is_empty()
        };
        let widest_first = || Self::ALL.iter().rev();
        let standard = widest_first().find(|b| runs(b, &[b.standard_fft()]));
        standard.or_else(|| widest_first().find(|b| runs(b, b.fft_sizes()))).copied()
    }
}

impl Numerology {
    /// Returns the numerology at the standard sample rate of the bandwidth.
    pub fn standard(bandwidth: Bandwidth, cp: CyclicPrefix) -> Self {
        Self { bandwidth, cp, fft: bandwidth.standard_fft() }
    }

    /// Returns the numerology at `rate` samples a second: the standard rate of the bandwidth, or three quarters of it.
    pub fn at_rate(bandwidth: Bandwidth, cp: CyclicPrefix, rate: Hertz) -> Result<Self, UnsupportedRate> {
        let sizes = bandwidth.fft_sizes();
        match sizes.iter().find(|&&n| (rate_of(n) - rate).abs() < Hertz(0.5)) {
            Some(&fft) => Ok(Self { bandwidth, cp, fft }),
            None => Err(UnsupportedRate { rate, bandwidth }),
        }
    }

    /// Returns the same carrier with another cyclic prefix.
    pub fn with_cp(self, cp: CyclicPrefix) -> Self {
        Self { cp, ..self }
    }

    /// Returns the channel bandwidth.
    pub fn bandwidth(self) -> Bandwidth {
        self.bandwidth
    }

    /// Returns the cyclic prefix.
    pub fn cp(self) -> CyclicPrefix {
        self.cp
    }

    /// Returns the FFT size in samples.
    pub fn fft(self) -> usize {
        self.fft
    }

    /// Returns the sample rate, samples a second.
    pub fn sample_rate(self) -> Hertz {
        rate_of(self.fft)
    }

    /// Returns the number of samples in a subframe of 1 ms.
    // TS 36.211 §9.2
    pub fn subframe_samples(self) -> usize {
        self.fft * 15
    }

    /// Symbols in a subframe, the untransmitted last one included.
    pub fn symbols(self) -> usize {
        self.cp.symbols()
    }

    /// Returns the number of occupied subcarriers.
    pub fn subcarriers(self) -> usize {
        self.bandwidth.subcarriers()
    }

    /// Returns the number of samples of the cyclic prefix of symbol `l`, 0 to `symbols() - 1`.
    // TS 36.211 §9.9 (2)
    pub fn cp_samples(self, l: usize) -> usize {
        match self.cp {
            CyclicPrefix::Normal if l.is_multiple_of(7) => self.fft * 160 / 2048,
            CyclicPrefix::Normal => self.fft * 144 / 2048,
            CyclicPrefix::Extended => self.fft * 512 / 2048,
        }
    }

    /// Returns the sample at which the cyclic prefix of symbol `l` begins, counted from the start of the subframe.
    pub fn symbol_start(self, l: usize) -> usize {
        match self.cp {
            CyclicPrefix::Normal => {
                let long = self.fft * 16 / 2048 * (l / 7 + usize::from(!l.is_multiple_of(7)));
                l * (self.fft + self.fft * 144 / 2048) + long
            }
            CyclicPrefix::Extended => l * (self.fft + self.fft * 512 / 2048),
        }
    }

    /// Returns the seconds from the start of the useful part of symbol `a` to that of symbol `b`.
    pub fn symbol_distance(self, a: usize, b: usize) -> f64 {
        let at = |l| (self.symbol_start(l) + self.cp_samples(l)) as f64;
        (at(b) - at(a)) / self.sample_rate().0
    }
}

/// Returns the sample rate at an FFT size.
fn rate_of(fft: usize) -> Hertz {
    Hertz(fft as f64 * SUBCARRIER_SPACING.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // TS 36.211 §9.2; TS 36.211 §9.9 (2)
    fn symbols_fill_a_subframe() {
        for bandwidth in Bandwidth::ALL {
            for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
                for &fft in bandwidth.fft_sizes() {
                    let n = Numerology::at_rate(bandwidth, cp, rate_of(fft)).unwrap();
                    let mut start = 0;
                    for l in 0..n.symbols() {
                        assert_eq!(n.symbol_start(l), start, "{n:?} symbol {l}");
                        start += n.cp_samples(l) + fft;
                    }
                    assert_eq!(start, n.subframe_samples(), "{n:?}");
                }
            }
        }
    }

    #[test]
    fn a_rate_that_fits_nothing_is_refused() {
        let e = Numerology::at_rate(Bandwidth::Prb50, CyclicPrefix::Normal, Hertz(10e6)).unwrap_err();
        assert!(e.to_string().contains("15360000"), "{e}");
    }

    #[test]
    fn rates_suggest_bandwidths() {
        let of = |rate| Bandwidth::of_rate(Hertz(rate)).map(Bandwidth::prbs);
        let cases = [
            (1.92e6, 6),
            (3.84e6, 15),
            (7.68e6, 25),
            (5.76e6, 25),
            (15.36e6, 50),
            (11.52e6, 50),
            (23.04e6, 75),
            (30.72e6, 100),
        ];
        for (rate, prbs) in cases {
            assert_eq!(of(rate), Some(prbs), "{rate}");
        }
        assert_eq!(of(10e6), None);
    }
}
