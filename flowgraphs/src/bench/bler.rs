//! Block error rates: one channel, sent, faded, shifted, put into noise and received with everything estimated.
//!
//! ```text
//! air.rs      grid -> samples -> channel -> noise -> grid
//! cases.rs    the channels, each with the figure that it has to reach
//! slss.rs     synchronisation: right, missed and false identities
//! false_sci.rs  control information found in noise
//! ```

mod air;
mod cases;
pub mod false_sci;
pub mod slss;

pub use air::AirConfig;
pub use cases::{CASES, Case};

use cases::Link;

/// Block error rate at one signal to noise ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Es/N0 of a resource element in dB.
    pub es_n0_db: f64,
    /// Blocks that were sent.
    pub trials: u32,
    /// Blocks that did not arrive.
    pub errors: u32,
}

impl Point {
    /// Block error rate.
    pub fn bler(&self) -> f64 {
        self.errors as f64 / self.trials.max(1) as f64
    }
}

/// Es/N0 at which the block error rate of a case falls to `goal`, and the points that were measured on the way.
///
/// Steps of 0.5 dB from the case's target until it is enclosed, then halves the step down to 0.125 dB; the crossing is
/// interpolated in the logarithm.
pub fn crossing(case: &Case, air: &AirConfig, goal: f64, trials: u32) -> (Option<f64>, Vec<Point>) {
    let mut link = Link::new(case, air);
    let mut points: Vec<Point> = Vec::new();
    let mut at = (case.target_db * 8.0).round() / 8.0;
    let mut measure = |at: f64, points: &mut Vec<Point>| {
        let point = link.run(at, trials);
        points.push(point);
        point.bler()
    };
    let up = measure(at, &mut points) > goal;
    // walk until the goal is enclosed, 12 dB at most
    for _ in 0..24 {
        at += if up { 0.5 } else { -0.5 };
        if (measure(at, &mut points) > goal) != up {
            break;
        }
    }
    let between = |points: &[Point]| {
        let above = points.iter().filter(|p| p.bler() > goal).map(|p| p.es_n0_db).fold(f64::MIN, f64::max);
        let below = points.iter().filter(|p| p.bler() <= goal).map(|p| p.es_n0_db).fold(f64::MAX, f64::min);
        (above > f64::MIN && below < f64::MAX).then_some((above, below))
    };
    for _ in 0..2 {
        if let Some((above, below)) = between(&points)
            && below - above > 0.13
        {
            measure((above + below) / 2.0, &mut points);
        }
    }
    points.sort_by(|a, b| a.es_n0_db.total_cmp(&b.es_n0_db));
    let crossing = between(&points).and_then(|(above, below)| {
        let at = |db: f64| {
            points.iter().find(|p| p.es_n0_db == db).map(|p| p.bler().max(0.5 / p.trials as f64).ln())
        };
        let (high, low) = (at(above)?, at(below)?);
        Some(if high > low { above + (high - goal.ln()) / (high - low) * (below - above) } else { below })
    });
    (crossing, points)
}

/// The points of a sweep.
pub fn sweep(case: &Case, air: &AirConfig, es_n0_db: &[f64], trials: u32) -> Vec<Point> {
    let mut link = Link::new(case, air);
    es_n0_db.iter().map(|&db| link.run(db, trials)).collect()
}
