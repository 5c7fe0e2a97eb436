//! Block error rates: one channel, sent over fading, offset and noise, and received with everything estimated.
//!
//! ```text
//! air.rs      grid -> samples -> channel -> noise -> grid
//! cases.rs    the channels, each with the figure that it has to reach
//! ends.rs     sender and receiver of each channel
//! slss.rs     synchronisation: right, missed and false identities
//! false_sci.rs  control information detected in noise
//! ```

mod air;
mod cases;
mod ends;
pub mod false_sci;
pub mod slss;

pub use air::AirConfig;
pub use cases::{CASES, Case};

use cases::Link;
use sidelink_phy::impair::fading::ChannelModel;
use sidelink_phy::units::Decibel;

/// Block error rate at one signal to noise ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Es/N0 of a resource element.
    pub es_n0: Decibel,
    /// Blocks that were sent.
    pub trials: u32,
    /// Blocks that were lost.
    pub errors: u32,
}

impl Point {
    /// Returns the block error rate.
    pub fn bler(&self) -> f64 {
        self.errors as f64 / self.trials.max(1) as f64
    }
}

/// Es/N0 at which a case is examined for an error floor: failures here occur at any signal to noise ratio.
pub const FLOOR: Decibel = Decibel(30.0);

/// Point at which a case reaches a block error rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// Es/N0; `None` when it lies beyond the measured range, or does not exist.
    pub es_n0: Option<Decibel>,
    /// Every point, the lowest first.
    pub points: Vec<Point>,
    /// The point at [`FLOOR`], in fading.
    pub floor: Option<Point>,
}

/// Finds the Es/N0 at which the block error rate of a case falls to `goal`, with at most `trials` blocks a point.
///
/// Steps from the case's target until the goal is enclosed, then halves: 0.5 to 0.125 dB in white noise, 2 to 0.5 dB in
/// fading, where curves are flat and a fine step would stop at the first point that is good by chance. A straight line
/// through the logarithms of the points near the goal gives the crossing.
pub fn crossing(case: &Case, air: &AirConfig, goal: f64, trials: u32) -> Crossing {
    let fades = air.channel != ChannelModel::Awgn;
    let mut points: Vec<Point> = Vec::new();
    let mut step = if fades { 2.0 } else { 0.5 };
    let mut at = (case.target.0 * 8.0).round() / 8.0;
    let measure = |at: f64, points: &mut Vec<Point>| {
        let point = measure(case, air, Decibel(at), goal, trials);
        points.push(point);
        point.bler() > goal
    };
    let up = measure(at, &mut points);
    for _ in 0..24 {
        at += if up { step } else { -step };
        if at > FLOOR.0 || measure(at, &mut points) != up {
            break;
        }
    }
    for _ in 0..2 {
        step /= 2.0;
        if let Some((above, below)) = enclosing(&points, goal)
            && below - above > 1.1 * step
        {
            measure((above + below) / 2.0, &mut points);
        }
    }
    points.sort_by(|a, b| a.es_n0.0.total_cmp(&b.es_n0.0));
    let es_n0 = enclosing(&points, goal).map(|enclosing| Decibel(near_line(&points, goal, enclosing)));
    let floor = fades.then(|| Link::new(case, air).run(FLOOR, trials));
    Crossing { es_n0, points, floor }
}

/// Measures one point. Each has a link of its own: every point has the same channels and blocks, and points differ by
/// their noise alone. A fifth of the blocks is enough for one that is far from the goal.
fn measure(case: &Case, air: &AirConfig, es_n0: Decibel, goal: f64, trials: u32) -> Point {
    let mut link = Link::new(case, air);
    let first = link.run(es_n0, trials.div_ceil(5));
    if first.bler() > 4.0 * goal || first.trials == trials {
        return first;
    }
    let rest = link.run(es_n0, trials - first.trials);
    Point { es_n0, trials, errors: first.errors + rest.errors }
}

/// Returns the highest Es/N0 in dB above the goal and the lowest below it.
fn enclosing(points: &[Point], goal: f64) -> Option<(f64, f64)> {
    let above = points.iter().filter(|p| p.bler() > goal).map(|p| p.es_n0.0).fold(f64::MIN, f64::max);
    let below = points.iter().filter(|p| p.bler() <= goal).map(|p| p.es_n0.0).fold(f64::MAX, f64::min);
    (above > f64::MIN && below < f64::MAX).then_some((above, below))
}

/// Returns the Es/N0 in dB at which the least-squares line through the logarithms of the points near the goal reaches it; the
/// middle of the enclosing interval if there is no such line.
fn near_line(points: &[Point], goal: f64, (above, below): (f64, f64)) -> f64 {
    let near = points.iter().filter(|p| (goal / 4.0..=4.0 * goal).contains(&p.bler()));
    let logs: Vec<(f64, f64)> = near.map(|p| (p.es_n0.0, p.bler().ln())).collect();
    let n = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|l| l.0), mean(|l| l.1));
    let spread: f64 = logs.iter().map(|l| (l.0 - x).powi(2)).sum();
    let slope = logs.iter().map(|l| (l.0 - x) * (l.1 - y)).sum::<f64>() / spread;
    if slope < 0.0 { x + (goal.ln() - y) / slope } else { (above + below) / 2.0 }
}

/// Measures the points of a sweep, with the same channels and blocks at each.
pub fn sweep(case: &Case, air: &AirConfig, es_n0: &[Decibel], trials: u32) -> Vec<Point> {
    es_n0.iter().map(|&es_n0| Link::new(case, air).run(es_n0, trials)).collect()
}

#[cfg(test)]
mod tests;
