//! Helpers of the tests of the channel models.

use crate::Sample;
use num_complex::Complex64;

/// Runs `process` over `samples` in blocks of the given lengths, then over the rest.
pub(crate) fn in_blocks(samples: &mut [Sample], cuts: &[usize], mut process: impl FnMut(&mut [Sample])) {
    let mut rest = samples;
    for &cut in cuts {
        let (block, after) = rest.split_at_mut(cut.min(rest.len()));
        process(block);
        rest = after;
    }
    process(rest);
}

/// Returns `exp(j 2 pi frequency n)` with the frequency in cycles per sample, for real-valued time `n`.
pub(crate) fn tone(frequency: f64, n: f64) -> Complex64 {
    let cycles = frequency * n;
    Complex64::cis(core::f64::consts::TAU * (cycles - cycles.round()))
}

/// Does the same in single precision.
pub(crate) fn tone_sample(frequency: f64, n: f64) -> Sample {
    narrow(tone(frequency, n))
}

pub(crate) fn wide(s: Sample) -> Complex64 {
    Complex64::new(f64::from(s.re), f64::from(s.im))
}

pub(crate) fn narrow(s: Complex64) -> Sample {
    Sample::new(s.re as f32, s.im as f32)
}

/// Returns `10 log10` of the energy of `actual - expected` over that of `expected`.
pub(crate) fn error_db(actual: &[Sample], expected: impl Iterator<Item = Complex64>) -> f64 {
    let (mut error, mut energy) = (0.0, 0.0);
    for (a, e) in actual.iter().zip(expected) {
        error += (wide(*a) - e).norm_sqr();
        energy += e.norm_sqr();
    }
    10.0 * (error / energy).log10()
}
