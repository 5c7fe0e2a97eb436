//! Nanoseconds of a device's clock and numbers of samples.

/// A rate, for exact conversions: whole microhertz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    microhertz: i128,
}

/// Microhertz nanoseconds of one sample.
const ONE: i128 = 1_000_000_000_000_000;

impl Ticks {
    /// Makes it of a rate in samples a second, above 0.
    pub(super) fn new(rate: f64) -> Self {
        Self { microhertz: ((rate * 1e6).round() as i128).max(1) }
    }

    /// Returns the nanoseconds that `samples` samples take, to the nearest.
    pub(super) fn ns(self, samples: i64) -> i64 {
        nearest(i128::from(samples) * ONE, self.microhertz)
    }

    /// Returns the samples in `ns` nanoseconds, to the nearest. Undoes [`Self::ns`] at any rate up to 1 GHz.
    pub(super) fn samples(self, ns: i64) -> i64 {
        nearest(i128::from(ns) * self.microhertz, ONE)
    }
}

fn nearest(of: i128, by: i128) -> i64 {
    let quotient = (2 * of + by).div_euclid(2 * by);
    i64::try_from(quotient).unwrap_or(if quotient < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_survive_nanoseconds_however_long_it_runs() {
        for rate in [1.92e6, 15.36e6, 30.72e6, 11.52e6, 61.44e6, 5e6 / 3.0, 999.9e6] {
            let ticks = Ticks::new(rate);
            // the second after start, a day, thirty years of UTC
            for start in [-7, 0, 15_360_000, (rate * 86_400.0) as i64, (rate * 9.5e8) as i64 / 16] {
                for n in start..start + 100 {
                    assert_eq!(ticks.samples(ticks.ns(n)), n, "{rate} {n}");
                }
            }
        }
    }

    #[test]
    fn the_nearest_is_taken() {
        let ticks = Ticks::new(30.72e6);
        // 1 / 30.72 MHz = 32.55 ns
        assert_eq!([1, 2, 3, -1].map(|n| ticks.ns(n)), [33, 65, 98, -33]);
        assert_eq!([16, 17, -16, -17].map(|ns| ticks.samples(ns)), [0, 1, 0, -1]);
        assert_eq!(ticks.ns(30_720_000), 1_000_000_000);
        assert_eq!(ticks.ns(i64::MAX), i64::MAX);
    }
}
