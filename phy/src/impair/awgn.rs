//! White Gaussian noise, and the conversion from Es/N0 to its power.

use super::rng::Rng;
use crate::Sample;
use crate::units::Decibel;

/// Adds circular complex white Gaussian noise to a stream.
#[derive(Clone, Debug)]
pub struct Awgn {
    rng: Rng,
    scale: f32,
}

impl Awgn {
    /// Makes noise of `power` = E|w|² per sample (linear; I and Q carry half each). A negative or non-finite power
    /// counts as 0.
    pub fn new(power: f64, seed: u64) -> Self {
        let mut awgn = Self { rng: Rng::new(seed), scale: 0.0 };
        awgn.set_power(power);
        awgn
    }

    /// Changes the power from the next sample on; the random sequence continues unchanged.
    pub fn set_power(&mut self, power: f64) {
        self.scale = if power.is_finite() && power > 0.0 { power.sqrt() as f32 } else { 0.0 };
    }

    /// Adds noise in place.
    pub fn process(&mut self, samples: &mut [Sample]) {
        let scale = self.scale;
        self.rng.for_each_gaussian(samples.len(), |i, re, im| {
            samples[i].re += scale * re;
            samples[i].im += scale * im;
        });
    }
}

/// Returns the noise power per sample that gives `es_n0` on each resource element.
///
/// The signal is `x[n] = amplitude_per_re * sum_k X_k exp(j 2 pi k n / fft_size)` with `E|X_k|² = 1`: the modulator's
/// scale is an argument. A receiver FFT collects `(amplitude_per_re * fft_size)²` of signal energy and
/// `fft_size * power` of noise in each resource element, hence
/// `power = fft_size * amplitude_per_re² / (Es/N0)`.
pub fn noise_power_per_sample(es_n0: Decibel, amplitude_per_re: f64, fft_size: usize) -> f64 {
    fft_size as f64 * amplitude_per_re * amplitude_per_re * (-es_n0).power_ratio()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn power_mean_and_circularity() {
        const N: usize = 400_000;
        let mut x = vec![Sample::default(); N];
        Awgn::new(2.5, 1).process(&mut x);
        let n = N as f64;
        let (mut mean_re, mut mean_im, mut power, mut pseudo_re, mut pseudo_im) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for s in &x {
            let (re, im) = (f64::from(s.re), f64::from(s.im));
            mean_re += re / n;
            mean_im += im / n;
            power += (re * re + im * im) / n;
            pseudo_re += (re * re - im * im) / n;
            pseudo_im += 2.0 * re * im / n;
        }
        // Standard deviation of each estimate is at most 2.5 / sqrt(N); five of them.
        let bound = 5.0 * 2.5 / n.sqrt();
        assert!((power - 2.5).abs() < bound, "power {power}");
        assert!(mean_re.abs() < bound && mean_im.abs() < bound);
        assert!(pseudo_re.abs() < bound && pseudo_im.abs() < bound);
    }

    /// Kolmogorov-Smirnov against the normal distribution, for I and Q, and the fourth moment.
    #[test]
    fn components_are_gaussian() {
        const N: usize = 200_000;
        let mut x = vec![Sample::default(); N];
        Awgn::new(2.0, 9).process(&mut x);
        for component in [|s: &Sample| f64::from(s.re), |s: &Sample| f64::from(s.im)] {
            let mut values: Vec<f64> = x.iter().map(component).collect();
            values.sort_by(f64::total_cmp);
            let n = N as f64;
            let mut worst = 0.0_f64;
            for (i, v) in values.iter().enumerate() {
                worst = worst.max((normal_cdf(*v) - (i as f64 + 0.5) / n).abs());
            }
            // 1.95 / sqrt(N) is the 0.1 % point of the statistic.
            assert!(worst < 1.95 / n.sqrt(), "Kolmogorov-Smirnov distance {worst}");
            let kurtosis = values.iter().map(|v| v.powi(4)).sum::<f64>() / n;
            assert!((kurtosis - 3.0).abs() < 5.0 * (96.0 / n).sqrt(), "fourth moment {kurtosis}");
            let tail = values.iter().filter(|v| v.abs() > 4.0).count() as f64;
            assert!((tail - n * 6.334e-5).abs() < 5.0 * (n * 6.334e-5).sqrt(), "beyond four sigma: {tail}");
        }
    }

    /// Computes the standard normal distribution: Simpson's rule from 0.
    fn normal_cdf(x: f64) -> f64 {
        let density = |t: f64| (-t * t / 2.0).exp() / core::f64::consts::TAU.sqrt();
        let h = x / 64.0;
        let inner: f64 =
            (1..64).map(|i| if i % 2 == 1 { 4.0 } else { 2.0 } * density(h * f64::from(i))).sum();
        0.5 + h / 3.0 * (density(0.0) + inner + density(x))
    }

    #[test]
    fn successive_samples_are_uncorrelated() {
        const N: usize = 200_000;
        let mut x = vec![Sample::default(); N];
        Awgn::new(1.0, 4).process(&mut x);
        for lag in 1..8 {
            let r: num_complex::Complex64 = x[lag..]
                .iter()
                .zip(&x)
                .map(|(a, b)| {
                    let p = a * b.conj();
                    num_complex::Complex64::new(f64::from(p.re), f64::from(p.im))
                })
                .sum();
            assert!(r.norm() < 5.0 * (N as f64).sqrt(), "lag {lag}: {}", r.norm() / N as f64);
        }
    }

    /// The formula against its own definition: modulate, add noise, demodulate with a plain DFT.
    #[test]
    fn es_n0_holds_on_a_resource_element() {
        let (fft_size, amplitude, es_n0) = (64_usize, 0.37, Decibel(7.0));
        let power = noise_power_per_sample(es_n0, amplitude, fft_size);
        let mut noise = Awgn::new(power, 77);
        let mut block = vec![Sample::default(); fft_size];
        let (mut energy, mut count) = (0.0_f64, 0.0);
        for _ in 0..4000 {
            block.fill(Sample::default());
            noise.process(&mut block);
            let bin: Sample = block
                .iter()
                .enumerate()
                .map(|(n, s)| {
                    s * Sample::cis(-core::f32::consts::TAU * (5 * n % fft_size) as f32 / fft_size as f32)
                })
                .sum();
            energy += f64::from(bin.norm_sqr()) / (amplitude * fft_size as f64).powi(2);
            count += 1.0;
        }
        let measured = -Decibel::of_ratio(energy / count);
        assert!((measured - es_n0).0.abs() < 0.35, "{measured}");
    }

    #[test]
    fn nonsense_power_adds_nothing() {
        for power in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut x = [Sample::new(1.0, 2.0); 100];
            Awgn::new(power, 1).process(&mut x);
            assert_eq!(x, [Sample::new(1.0, 2.0); 100]);
        }
    }

    proptest! {
        #[test]
        fn blocks_do_not_matter(seed: u64, cuts in prop::collection::vec(0_usize..150, 0..8)) {
            let total = 600;
            let mut whole = vec![Sample::new(0.25, -0.5); total];
            Awgn::new(0.7, seed).process(&mut whole);
            let mut parts = vec![Sample::new(0.25, -0.5); total];
            let mut awgn = Awgn::new(0.7, seed);
            super::super::testing::in_blocks(&mut parts, &cuts, |block| awgn.process(block));
            prop_assert_eq!(whole, parts);
        }
    }
}
