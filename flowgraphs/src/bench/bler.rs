//! Block error rates: one channel, sent over fading, offset and noise, and received with everything estimated, or with the
//! true channel and noise in place of estimates.
//!
//! ```text
//! air.rs       grid -> samples -> channel -> noise -> samples of each antenna
//! truth.rs     the channel on every resource element
//! cases.rs     the channels, each with the figure that it has to reach
//! ends.rs      sender and receiver of each channel
//! search.rs    points -> the Es/N0 at which 10 % fail
//! interval.rs  its confidence interval
//! plan.rs      many of these on all processors, and the time that they take
//! page.rs      tables in Markdown; plot.rs  pictures
//! collisions.rs  two UEs on one resource
//! slss.rs      synchronisation: right, missed and false identities
//! false_sci.rs  control information detected in noise
//! ```

mod air;
mod cases;
pub mod collisions;
mod ends;
pub mod false_sci;
mod interval;
pub mod page;
pub mod plan;
pub mod plot;
mod search;
pub mod slss;
mod truth;

pub use air::AirConfig;
pub use cases::{CASES, Case};
pub use search::{crossing, sweep};

use sidelink_phy::units::Decibel;

/// The receiver's knowledge of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// Everything is estimated.
    Estimated,
    /// The true channel on every resource element, the true noise and the true carrier offset: the same equaliser and
    /// decoder, nothing estimated.
    Perfect,
}

impl Knowledge {
    /// Returns its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Estimated => "estimated",
            Self::Perfect => "perfect",
        }
    }
}

/// Blocks of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Blocks of each seed.
    pub trials: u32,
    /// Seeds, from the one of the air on: each has channels and blocks of its own.
    pub seeds: u32,
}

/// Block error rate at one signal to noise ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Es/N0 of a resource element at an antenna.
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
    /// Its 95 % confidence interval; `None` where an end lies beyond the measured range.
    pub interval: Option<[Decibel; 2]>,
    /// Every point, the lowest first.
    pub points: Vec<Point>,
    /// The point at [`FLOOR`], in fading.
    pub floor: Option<Point>,
}

#[cfg(test)]
mod tests;
