//! Level and faults of a block of samples: power, peaks, offset, clipping.

use crate::Sample;
use crate::units::Decibel;

/// Level and faults of a range of samples, from one pass over it.
///
/// Samples with a NaN or an infinity are counted and otherwise left out: one bad sample does not spoil the rest. Ranges
/// are combined with [`Levels::merge`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// Finite samples.
    pub samples: usize,
    /// Samples with a component that is NaN or infinite.
    pub non_finite: usize,
    /// Finite samples with a component at or beyond full scale.
    pub clipped: usize,
    /// Largest |x|².
    pub peak_power: f32,
    energy: f64,
    sum: [f64; 2],
}

impl Levels {
    /// Measures `samples`; a component of `full_scale` or more in magnitude counts as clipped.
    pub fn of(samples: &[Sample], full_scale: f32) -> Self {
        /// Samples that are summed in single precision.
        const CHUNK: usize = 512;
        const LANES: usize = 8;
        let mut levels = Self::default();
        for chunk in samples.chunks(CHUNK) {
            let mut energy = [0.0_f32; LANES];
            let mut sum = [[0.0_f32; LANES]; 2];
            let mut peak = [0.0_f32; LANES];
            let mut clipped = [0_u32; LANES];
            let mut bad = [0_u32; LANES];
            let mut add = |lane: usize, s: Sample| {
                let finite = is_finite(s);
                let keep = u32::from(finite).wrapping_neg();
                let (re, im) = (f32::from_bits(s.re.to_bits() & keep), f32::from_bits(s.im.to_bits() & keep));
                let power = re * re + im * im;
                energy[lane] += power;
                sum[0][lane] += re;
                sum[1][lane] += im;
                peak[lane] = if power > peak[lane] { power } else { peak[lane] };
                clipped[lane] += u32::from(finite & ((re.abs() >= full_scale) | (im.abs() >= full_scale)));
                bad[lane] += u32::from(!finite);
            };
            let (groups, tail) = chunk.as_chunks::<LANES>();
            for group in groups {
                for lane in 0..LANES {
                    add(lane, group[lane]);
                }
            }
            for (lane, s) in tail.iter().enumerate() {
                add(lane, *s);
            }
            let bad: u32 = bad.iter().sum();
            levels = levels.merge(Self {
                samples: chunk.len() - bad as usize,
                non_finite: bad as usize,
                clipped: clipped.iter().sum::<u32>() as usize,
                peak_power: peak.into_iter().fold(0.0, f32::max),
                energy: energy.iter().map(|&e| f64::from(e)).sum(),
                sum: sum.map(|s| s.iter().map(|&v| f64::from(v)).sum()),
            });
        }
        levels
    }

    /// Returns the levels of two ranges taken together.
    pub fn merge(self, other: Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            non_finite: self.non_finite + other.non_finite,
            clipped: self.clipped + other.clipped,
            peak_power: self.peak_power.max(other.peak_power),
            energy: self.energy + other.energy,
            sum: [self.sum[0] + other.sum[0], self.sum[1] + other.sum[1]],
        }
    }

    /// Returns the mean |x|²; 0 without samples.
    pub fn power(&self) -> f64 {
        if self.samples == 0 { 0.0 } else { self.energy / self.samples as f64 }
    }

    /// Returns the mean |x|² relative to 1; minus infinity for silence.
    pub fn level(&self) -> Decibel {
        Decibel::of_ratio(self.power())
    }

    /// Returns the peak to average power ratio; `None` for silence.
    pub fn papr(&self) -> Option<Decibel> {
        (self.energy > 0.0).then(|| Decibel::of_ratio(f64::from(self.peak_power) / self.power()))
    }

    /// Returns the mean value: the level of a carrier leak or converter offset; 0 without samples.
    pub fn dc(&self) -> Sample {
        if self.samples == 0 {
            return Sample::default();
        }
        let n = self.samples as f64;
        Sample::new((self.sum[0] / n) as f32, (self.sum[1] / n) as f32)
    }
}

/// Whether every component is finite. One integer operation per component: fit for every block that a radio delivers.
pub fn all_finite(samples: &[Sample]) -> bool {
    // In chunks: a bad sample is noticed early and a good range is tested without branches.
    samples.chunks(256).all(|chunk| chunk.iter().fold(true, |good, s| good & is_finite(*s)))
}

#[inline(always)]
fn is_finite(s: Sample) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    (s.re.to_bits() & EXPONENT != EXPONENT) & (s.im.to_bits() & EXPONENT != EXPONENT)
}

/// Returns the power of the quiet part of a range: the mean powers of consecutive blocks are sorted, and the one at
/// `quantile` (0 the quietest, 0.5 the median) is returned.
///
/// `scratch` holds one block power each and bounds the number of blocks of `block_len` samples that are examined. On
/// pure noise a block power spreads by `1 / sqrt(block_len)` of its mean: the median is close to the mean, a low
/// quantile somewhat below it. `None` if there is not one whole block, or no scratch.
pub fn noise_floor(samples: &[Sample], block_len: usize, quantile: f64, scratch: &mut [f32]) -> Option<f32> {
    let blocks = samples.len().checked_div(block_len)?.min(scratch.len());
    let powers = &mut scratch[..blocks];
    for (power, block) in powers.iter_mut().zip(samples.chunks_exact(block_len.max(1))) {
        *power = Levels::of(block, f32::INFINITY).power() as f32;
    }
    let last = blocks.checked_sub(1)?;
    // The cast of a NaN is 0, and `min` bounds what is above 1.
    let index = ((last as f64 * quantile).round() as usize).min(last);
    Some(*powers.select_nth_unstable_by(index, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::awgn::Awgn;
    use crate::impair::testing::tone_sample;
    use proptest::prelude::*;

    #[test]
    fn levels_of_a_known_signal() {
        let x: Vec<Sample> =
            (0..1000).map(|n| 0.5 * tone_sample(0.05, f64::from(n)) + Sample::new(0.25, -0.125)).collect();
        let levels = Levels::of(&x, 0.7);
        assert_eq!((levels.samples, levels.non_finite), (1000, 0));
        let dc_power = 0.25_f64.powi(2) + 0.125_f64.powi(2);
        assert!((levels.power() - 0.25 - dc_power).abs() < 1e-6);
        assert!((levels.dc() - Sample::new(0.25, -0.125)).norm() < 1e-6);
        let peak = x.iter().map(|s| s.norm_sqr()).fold(0.0, f32::max);
        assert_eq!(levels.peak_power, peak);
        let papr = levels.papr().expect("not silent");
        assert!((papr.0 - 10.0 * (f64::from(peak) / levels.power()).log10()).abs() < 1e-9);
        assert_eq!(levels.clipped, x.iter().filter(|s| s.re.abs() >= 0.7 || s.im.abs() >= 0.7).count());
        assert!(levels.clipped > 0);
    }

    #[test]
    fn a_tone_has_no_peaks_and_silence_no_ratio() {
        let x: Vec<Sample> = (0..777).map(|n| tone_sample(0.1, f64::from(n))).collect();
        assert!(Levels::of(&x, 2.0).papr().expect("not silent") < Decibel(1e-5));
        assert!(Levels::of(&x, 2.0).level().0.abs() < 1e-5);
        let silence = Levels::of(&[Sample::default(); 9], 1.0);
        assert_eq!((silence.papr(), silence.level()), (None, Decibel(f64::NEG_INFINITY)));
        assert_eq!(Levels::of(&[], 1.0).power(), 0.0);
    }

    #[test]
    fn faults_are_found_wherever_they_are() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 7, 8, 511, 512, 999] {
                let mut x = vec![Sample::new(3.0, -4.0); 1000];
                assert!(all_finite(&x));
                x[at].im = bad;
                assert!(!all_finite(&x));
                let levels = Levels::of(&x, 10.0);
                assert_eq!((levels.samples, levels.non_finite, levels.clipped), (999, 1, 0));
                assert_eq!((levels.power(), levels.peak_power), (25.0, 25.0));
            }
        }
        assert!(all_finite(&[Sample::new(f32::MAX, f32::MIN_POSITIVE)]));
    }

    #[test]
    fn noise_floor_ignores_bursts() {
        let mut x = vec![Sample::default(); 20_000];
        Awgn::new(0.01, 5).process(&mut x);
        for burst in [3_000..6_000, 11_000..15_000] {
            Awgn::new(100.0, 6).process(&mut x[burst]);
        }
        let mut scratch = [0.0; 200];
        let floor = noise_floor(&x, 100, 0.3, &mut scratch).expect("200 blocks");
        assert!((floor / 0.01 - 1.0).abs() < 0.1, "{floor}");
        assert_eq!(noise_floor(&x, 100, 0.3, &mut []), None);
        assert_eq!(noise_floor(&x, 0, 0.3, &mut scratch), None);
        assert_eq!(noise_floor(&x[..99], 100, 0.3, &mut scratch), None);
        for quantile in [f64::NAN, -1.0, 7.0] {
            assert!(noise_floor(&x, 100, quantile, &mut scratch).is_some());
        }
    }

    proptest! {
        #[test]
        fn stretches_add_up(
            values in prop::collection::vec((any::<i8>(), any::<i8>()), 0..2000),
            cut in 0_usize..2000,
        ) {
            // Small integers: sums are exact in any order.
            let x: Vec<Sample> = values.iter().map(|&(a, b)| Sample::new(f32::from(a), f32::from(b))).collect();
            let (a, b) = x.split_at(cut.min(x.len()));
            prop_assert_eq!(Levels::of(a, 100.0).merge(Levels::of(b, 100.0)), Levels::of(&x, 100.0));
        }
    }
}
