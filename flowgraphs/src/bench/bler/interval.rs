//! The confidence interval of a crossing, by resampling blocks.
//!
//! Every point has the same channels: where one is bad, a block is lost at several points, and the whole curve is shifted.
//! Points as independent binomials would make the interval in fading two to five times too narrow. So blocks are drawn
//! with replacement, each with what became of it at every point, and the crossing is computed anew (bootstrap).

use super::search::{Measured, line, reached};
use super::{Effort, Point};
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::units::Decibel;

/// Curves that are drawn.
const CURVES: usize = 400;

/// Share of them on either side of the interval.
const TAIL: f64 = 0.025;

/// Distance in dB from the measured points within which the line through them is believed.
const BEYOND: f64 = 1.5;

/// Returns the 95 % interval of the Es/N0 at which the block error rate reaches `goal`; `None` where an end lies beyond the
/// measured range.
pub(super) fn of(measured: &[Measured], goal: f64, effort: Effort, seed: u64) -> Option<[Decibel; 2]> {
    let mut rng = Rng::new(seed ^ 0xb007);
    let mut found: Vec<f64> = (0..CURVES).map(|_| drawn(measured, goal, effort, &mut rng)).collect();
    found.sort_by(f64::total_cmp);
    let at = |share: f64| found[((CURVES - 1) as f64 * share).round() as usize];
    let ends = [at(TAIL), at(1.0 - TAIL)];
    ends.iter().all(|end| end.is_finite()).then(|| ends.map(Decibel))
}

/// Draws a curve, and returns its crossing in dB; infinite beyond the measured range.
fn drawn(measured: &[Measured], goal: f64, effort: Effort, rng: &mut Rng) -> f64 {
    let ends = measured.iter().map(|m| m.es_n0.0);
    let (lowest, highest) = (ends.clone().fold(f64::MAX, f64::min), ends.fold(f64::MIN, f64::max));
    let mut points: Vec<Point> =
        measured.iter().map(|m| Point { es_n0: m.es_n0, trials: 0, errors: 0 }).collect();
    for seed in 0..effort.seeds as usize {
        for _ in 0..effort.trials {
            let block = rng.below(u64::from(effort.trials)) as usize;
            for (point, measured) in points.iter_mut().zip(measured) {
                // points that are far from the goal have fewer blocks
                if let Some(&lost) = measured.lost.get(seed).and_then(|lost| lost.get(block)) {
                    point.trials += 1;
                    point.errors += u32::from(lost);
                }
            }
        }
    }
    points.retain(|point| point.trials > 0);
    // the search stops at its first point below the goal: a drawn curve may reach it a little later
    match line(&points, goal).or_else(|| reached(&points, goal)) {
        Some(es_n0) if (lowest - BEYOND..=highest + BEYOND).contains(&es_n0) => es_n0,
        _ if points.iter().any(|p| p.bler() > goal) => f64::INFINITY,
        _ => f64::NEG_INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks that are lost below a threshold of their own, which is normal with `spread` dB: the crossing of 10 % is 1.2816
    /// spreads above the mean, and its standard error is known.
    fn curve(spread: f64, trials: usize, seed: u64) -> Vec<Measured> {
        let mut rng = Rng::new(seed);
        let thresholds: Vec<f64> = (0..trials)
            .map(|_| spread * std::f64::consts::SQRT_2 * f64::from(rng.complex_gaussian().re))
            .collect();
        (-6..=12)
            .map(|i| {
                let es_n0 = f64::from(i) * spread / 3.0;
                Measured {
                    es_n0: Decibel(es_n0),
                    lost: vec![thresholds.iter().map(|t| es_n0 < *t).collect()],
                }
            })
            .collect()
    }

    #[test]
    fn intervals_have_the_width_that_the_blocks_allow() {
        let effort = Effort { trials: 1000, seeds: 1 };
        let spread = 5.0;
        // standard error of a quantile: sqrt(p (1 - p) / n) / density; density of the normal at its 90 % quantile 0.1755
        let expected = 1.96 * (0.1_f64 * 0.9 / 1000.0).sqrt() / 0.1755 * spread;
        let mut covered = 0;
        for seed in 0..40 {
            let measured = curve(spread, 1000, seed);
            let [low, high] = of(&measured, 0.1, effort, 1).unwrap();
            let half = (high.0 - low.0) / 2.0;
            assert!((0.6 * expected..1.4 * expected).contains(&half), "{half} where {expected} is right");
            // the line through the curve has a bias of its own
            let truth = 1.2816 * spread;
            covered += usize::from((low.0 - 0.1..=high.0 + 0.1).contains(&truth));
        }
        assert!(covered >= 34, "{covered} of 40");
    }

    #[test]
    fn four_seeds_halve_the_interval() {
        let width = |seeds: u32| {
            let mut all = curve(5.0, 500, 100);
            for seed in 1..u64::from(seeds) {
                for (all, more) in all.iter_mut().zip(curve(5.0, 500, 100 + seed)) {
                    all.lost.extend(more.lost);
                }
            }
            let [low, high] = of(&all, 0.1, Effort { trials: 500, seeds }, 1).unwrap();
            high.0 - low.0
        };
        let ratio = width(1) / width(4);
        assert!((1.5..2.7).contains(&ratio), "{ratio}");
    }

    #[test]
    fn what_is_never_reached_has_no_interval() {
        let never = |lost: bool| {
            (0..5)
                .map(|i| Measured { es_n0: Decibel(f64::from(i)), lost: vec![vec![lost; 100]] })
                .collect::<Vec<_>>()
        };
        let effort = Effort { trials: 100, seeds: 1 };
        assert_eq!(of(&never(true), 0.1, effort, 1), None);
        assert_eq!(of(&never(false), 0.1, effort, 1), None);
        assert_eq!(of(&[], 0.1, effort, 1), None);
    }
}
