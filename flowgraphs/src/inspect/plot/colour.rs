//! dB -> colour: dark for little, bright for much, and readable in grey.

use plotters::style::RGBColor;

/// Colours at equal distances, from little to much: their lightness rises evenly.
const STOPS: [(f32, f32, f32); 6] = [
    (12.0, 10.0, 40.0),
    (60.0, 20.0, 110.0),
    (140.0, 40.0, 120.0),
    (215.0, 75.0, 75.0),
    (248.0, 150.0, 60.0),
    (252.0, 250.0, 190.0),
];

/// Number of distinct colours: neighbours of the same colour are drawn as one.
pub(super) const LEVELS: usize = 40;

/// Returns the level of `share`, 0 to 1.
pub(super) fn level(share: f32) -> usize {
    // a NaN becomes 0
    ((share * LEVELS as f32) as usize).min(LEVELS - 1)
}

/// Returns the colour of a level.
pub(super) fn colour(level: usize) -> RGBColor {
    let at = level as f32 / (LEVELS - 1) as f32 * (STOPS.len() - 1) as f32;
    let i = (at as usize).min(STOPS.len() - 2);
    let (a, b, f) = (STOPS[i], STOPS[i + 1], at - i as f32);
    let mix = |a: f32, b: f32| (a + (b - a) * f).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}
