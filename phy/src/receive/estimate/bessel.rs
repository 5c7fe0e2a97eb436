//! The Bessel function of the Jakes spectrum.

use std::f64::consts::FRAC_PI_4;

/// Computes J0, after Abramowitz and Stegun 9.4.1 and 9.4.3: the error is below 1e-7.
pub(super) fn j0(x: f64) -> f64 {
    let x = x.abs();
    if x <= 3.0 {
        let y = (x / 3.0) * (x / 3.0);
        return 1.0
            + y * (-2.249_999_7
                + y * (1.265_620_8
                    + y * (-0.316_386_6 + y * (0.044_447_9 + y * (-0.003_944_4 + y * 0.000_21)))));
    }
    let y = 3.0 / x;
    let amplitude = 0.797_884_56
        + y * (-0.000_000_77
            + y * (-0.005_527_4
                + y * (-0.000_095_12 + y * (0.001_372_37 + y * (-0.000_728_05 + y * 0.000_144_76)))));
    let phase = x - FRAC_PI_4
        + y * (-0.041_663_97
            + y * (-0.000_039_54
                + y * (0.002_625_73 + y * (-0.000_541_25 + y * (-0.000_293_33 + y * 0.000_135_58)))));
    amplitude * phase.cos() / x.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_integral() {
        for i in 0..400 {
            let x = -2.0 + 0.07 * i as f64;
            let n = 400;
            let exact = (0..n)
                .map(|k| (x * (std::f64::consts::PI * (k as f64 + 0.5) / n as f64).sin()).cos())
                .sum::<f64>()
                / n as f64;
            assert!((j0(x) - exact).abs() < 1e-7, "{x}: {} {exact}", j0(x));
        }
    }
}
