//! From points to the Es/N0 at which a part of the blocks fails.

use super::cases::{Case, Link};
use super::interval;
use super::{AirConfig, Crossing, Effort, FLOOR, Knowledge, Point};
use sidelink_phy::impair::fading::ChannelModel;
use sidelink_phy::units::Decibel;

/// A point, and which of the blocks of each seed were lost, in the order in which they were sent: a seed has the same blocks
/// over the same channels at every point.
pub(super) struct Measured {
    pub(super) es_n0: Decibel,
    pub(super) lost: Vec<Vec<bool>>,
}

impl Measured {
    pub(super) fn point(&self) -> Point {
        let count = |lost: &Vec<bool>| lost.iter().filter(|lost| **lost).count();
        Point {
            es_n0: self.es_n0,
            trials: self.lost.iter().map(Vec::len).sum::<usize>() as u32,
            errors: self.lost.iter().map(count).sum::<usize>() as u32,
        }
    }
}

/// Finds the Es/N0 at which the block error rate of a case falls to `goal`.
///
/// Steps from the case's target until the goal is enclosed, then halves: 0.5 to 0.125 dB in white noise, 2 to 0.5 dB in
/// fading, where curves are flat and a fine step would stop at the first point that is good by chance. A straight line
/// through the logarithms of the points near the goal gives the crossing.
pub fn crossing(case: &Case, air: &AirConfig, knowledge: Knowledge, goal: f64, effort: Effort) -> Crossing {
    let fades = air.channel != ChannelModel::Awgn;
    let mut measured: Vec<Measured> = Vec::new();
    let mut step = if fades { 2.0 } else { 0.5 };
    let mut at = (case.target.0 * 8.0).round() / 8.0;
    let measure = |at: f64, measured: &mut Vec<Measured>| {
        let new = measure(case, air, knowledge, Decibel(at), Some(goal), effort);
        let is_above = new.point().bler() > goal;
        measured.push(new);
        is_above
    };
    let up = measure(at, &mut measured);
    for _ in 0..24 {
        at += if up { step } else { -step };
        if at > FLOOR.0 || measure(at, &mut measured) != up {
            break;
        }
    }
    for _ in 0..2 {
        step /= 2.0;
        if let Some((above, below)) = enclosing(&points(&measured), goal)
            && below - above > 1.1 * step
        {
            measure((above + below) / 2.0, &mut measured);
        }
    }
    measured.sort_by(|a, b| a.es_n0.0.total_cmp(&b.es_n0.0));
    let points = points(&measured);
    let floor = fades.then(|| self::measure(case, air, knowledge, FLOOR, None, effort).point());
    Crossing {
        es_n0: reached(&points, goal).map(Decibel),
        interval: interval::of(&measured, goal, effort, air.seed),
        points,
        floor,
    }
}

/// Measures the points of a sweep, with the same channels and blocks at each.
pub fn sweep(
    case: &Case,
    air: &AirConfig,
    knowledge: Knowledge,
    es_n0: &[Decibel],
    effort: Effort,
) -> Vec<Point> {
    es_n0.iter().map(|&es_n0| measure(case, air, knowledge, es_n0, None, effort).point()).collect()
}

/// Measures one point. Each has links of its own: every point has the same channels and blocks, and points differ by
/// their noise alone. With a goal a fifth of the blocks is enough for one that is far from it.
fn measure(
    case: &Case,
    air: &AirConfig,
    knowledge: Knowledge,
    es_n0: Decibel,
    goal: Option<f64>,
    effort: Effort,
) -> Measured {
    let seeds = (0..u64::from(effort.seeds)).map(|i| AirConfig { seed: air.seed.wrapping_add(i), ..*air });
    let mut links: Vec<Link> = seeds.map(|air| Link::new(case, &air, knowledge)).collect();
    let first = goal.map_or(effort.trials, |_| effort.trials.div_ceil(5));
    let mut measured =
        Measured { es_n0, lost: links.iter_mut().map(|link| link.run(es_n0, first)).collect() };
    if goal.is_some_and(|goal| measured.point().bler() > 4.0 * goal) {
        return measured;
    }
    for (link, lost) in links.iter_mut().zip(&mut measured.lost) {
        lost.extend(link.run(es_n0, effort.trials - first));
    }
    measured
}

fn points(measured: &[Measured]) -> Vec<Point> {
    measured.iter().map(Measured::point).collect()
}

/// Returns the Es/N0 in dB at which the block error rate reaches the goal, within the points.
pub(super) fn reached(points: &[Point], goal: f64) -> Option<f64> {
    let (above, below) = enclosing(points, goal)?;
    Some(line(points, goal).unwrap_or((above + below) / 2.0))
}

/// Returns the highest Es/N0 in dB above the goal and the lowest below it.
pub(super) fn enclosing(points: &[Point], goal: f64) -> Option<(f64, f64)> {
    let above = points.iter().filter(|p| p.bler() > goal).map(|p| p.es_n0.0).fold(f64::MIN, f64::max);
    let below = points.iter().filter(|p| p.bler() <= goal).map(|p| p.es_n0.0).fold(f64::MAX, f64::min);
    (above > f64::MIN && below < f64::MAX).then_some((above, below))
}

/// Returns the Es/N0 in dB at which the least-squares line through the logarithms of the points near the goal reaches it,
/// `None` if there is no such line that falls.
pub(super) fn line(points: &[Point], goal: f64) -> Option<f64> {
    let near = points.iter().filter(|p| (goal / 4.0..=4.0 * goal).contains(&p.bler()));
    let logs: Vec<(f64, f64)> = near.map(|p| (p.es_n0.0, p.bler().ln())).collect();
    let n = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|l| l.0), mean(|l| l.1));
    let spread: f64 = logs.iter().map(|l| (l.0 - x).powi(2)).sum();
    let slope = logs.iter().map(|l| (l.0 - x) * (l.1 - y)).sum::<f64>() / spread;
    (slope < 0.0).then(|| x + (goal.ln() - y) / slope)
}
