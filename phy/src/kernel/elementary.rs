//! Elementary functions from IEEE 754 basic operations only.
//!
//! `f32::sin` and similar functions come from the platform's mathematics library and may differ in the last bit between
//! machines. Everything here is built from `+ - * /`, integer operations and comparisons, which Rust neither reorders
//! nor fuses: a seed gives the same samples on every platform. The `f32` functions are free of branches and calls: the
//! compiler vectorises loops over them.

use core::f64::consts::TAU;

/// Returns `(cos, sin)` of a phase in units of 2⁻³² turns. Error below 1.2e-7.
#[inline(always)]
pub(crate) fn cos_sin(phase: u32) -> (f32, f32) {
    /// 2⁻³² turns.
    const RADIANS_PER_UNIT: f32 = (TAU / 4_294_967_296.0) as f32;
    let quadrant = phase.wrapping_add(1 << 29) >> 30;
    let x = phase.wrapping_sub(quadrant << 30) as i32 as f32 * RADIANS_PER_UNIT;
    let x2 = x * x;
    // Taylor series on [-π/4, π/4]: the first term left out is below 2.5e-8.
    let sin =
        x * (1.0 + x2 * (-1.0 / 6.0 + x2 * (1.0 / 120.0 + x2 * (-1.0 / 5040.0 + x2 * (1.0 / 362_880.0)))));
    let cos = 1.0 + x2 * (-0.5 + x2 * (1.0 / 24.0 + x2 * (-1.0 / 720.0 + x2 * (1.0 / 40_320.0))));
    // Rotate by the quadrant: swap if it is odd, then set the signs; all with masks.
    let (c, s) = (cos.to_bits(), sin.to_bits());
    let swap = (quadrant & 1).wrapping_neg();
    let sign_cos = (quadrant.wrapping_add(1) & 2) << 30;
    let sign_sin = (quadrant & 2) << 30;
    let out_cos = ((c & !swap) | (s & swap)) ^ sign_cos;
    let out_sin = ((s & !swap) | (c & swap)) ^ sign_sin;
    (f32::from_bits(out_cos), f32::from_bits(out_sin))
}

/// Returns `-ln((x + 1/2) / 2³¹)` of a 31-bit integer, never negative. Relative error below 3e-7.
#[inline(always)]
pub(crate) fn minus_ln_unit(x: u32) -> f32 {
    let (exponent, ln) = exponent_and_ln((x & 0x7fff_ffff) as i32 as f32 + 0.5);
    ((31 - exponent) as f32 * core::f32::consts::LN_2 - ln).max(0.0)
}

/// Returns the natural logarithm of a positive normal number. Error below 3e-7 of it or of 1.
#[inline(always)]
pub(crate) fn ln(value: f32) -> f32 {
    let (exponent, ln) = exponent_and_ln(value);
    exponent as f32 * core::f32::consts::LN_2 + ln
}

/// Returns e and ln m of `m 2^e` with m in [sqrt(1/2), sqrt(2)).
#[inline(always)]
fn exponent_and_ln(value: f32) -> (i32, f32) {
    // subtract the bits of sqrt(1/2), so that the exponent field steps at that point
    let shifted = value.to_bits().wrapping_sub(core::f32::consts::FRAC_1_SQRT_2.to_bits()) as i32;
    let exponent = shifted >> 23;
    let mantissa = f32::from_bits(value.to_bits().wrapping_sub((exponent << 23) as u32));
    // ln m = 2 artanh((m - 1) / (m + 1)), |s| < 0.172: the first term left out is below 1e-9.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    (exponent, 2.0 * s * (1.0 + s2 * (1.0 / 3.0 + s2 * (0.2 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0))))))
}

/// Returns `(cos, sin)` of an angle in turns (1.0 is 2π). Error below 1e-15 for arguments below 1.
pub(crate) fn cos_sin_turns(turns: f64) -> (f64, f64) {
    let quadrant = (turns * 4.0).round();
    let x = (turns - quadrant * 0.25) * TAU;
    let x2 = x * x;
    // Taylor series on [-π/4, π/4], highest power first.
    let mut sin = 0.0;
    let mut cos = 0.0;
    for k in (0..=9).rev() {
        let n = f64::from(2 * k);
        cos = 1.0 - x2 / ((n + 1.0) * (n + 2.0)) * cos;
        sin = 1.0 - x2 / ((n + 2.0) * (n + 3.0)) * sin;
    }
    sin *= x;
    match (quadrant as i64).rem_euclid(4) {
        0 => (cos, sin),
        1 => (-sin, cos),
        2 => (-cos, -sin),
        _ => (sin, -cos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cos_sin_agrees_with_the_library() {
        for i in 0..200_000_u32 {
            let phase = i.wrapping_mul(2_654_435_761);
            let angle = f64::from(phase) / 4_294_967_296.0 * TAU;
            let (c, s) = cos_sin(phase);
            assert!((f64::from(c) - angle.cos()).abs() < 1.2e-7, "cos at {phase}");
            assert!((f64::from(s) - angle.sin()).abs() < 1.2e-7, "sin at {phase}");
        }
        for quadrant in 0..4_u32 {
            let (c, s) = cos_sin(quadrant << 30);
            let expected = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][quadrant as usize];
            assert_eq!((c, s), expected);
        }
    }

    #[test]
    fn logarithm_agrees_with_the_library() {
        let probes = (0..200_000_u32).map(|i| i.wrapping_mul(2_654_435_761) >> 1);
        for x in probes.chain([0, 1, 2, 0x7fff_ff00]) {
            let expected = -((f64::from(x) + 0.5) / 2_147_483_648.0).ln();
            let error = (f64::from(minus_ln_unit(x)) - expected).abs();
            // Near 1 the argument itself is rounded to 24 bits.
            assert!(error < 3e-7 * expected + 6.1e-8, "{x}: {error}");
        }
        assert_eq!(minus_ln_unit(0x7fff_ffff), 0.0);
        for k in -1200..1200 {
            let x = 1.07f32.powi(k);
            let expected = f64::from(x).ln();
            assert!((f64::from(ln(x)) - expected).abs() < 3e-7 * expected.abs().max(1.0), "ln {x}");
        }
    }

    #[test]
    fn double_precision_functions_agree_with_the_library() {
        for i in -4000..4000 {
            let turns = f64::from(i) * 0.000_317;
            let (c, s) = cos_sin_turns(turns);
            assert!((c - (turns * TAU).cos()).abs() < 2e-15 && (s - (turns * TAU).sin()).abs() < 2e-15);
        }
    }
}
