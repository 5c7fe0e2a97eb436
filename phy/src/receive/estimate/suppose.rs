//! A second estimate, for a channel that is supposed.

use super::{Estimator, Measurement, motion, profile};

/// A channel that is supposed where the reference symbols do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hypothesis {
    /// Delays over 4 us, a Doppler of 300 Hz.
    WideAndFast,
}

impl Hypothesis {
    /// Returns the profile and the Doppler in Hz.
    fn assumed(self) -> (usize, f64) {
        match self {
            Self::WideAndFast => (profile::WIDE, 300.0),
        }
    }
}

impl Estimator {
    /// Estimates the same allocation again under a hypothesis, whatever its reference symbols say: where they are few, a
    /// guess that suits most moving channels is right more often than the most likely one.
    pub fn suppose(&mut self, hypothesis: Hypothesis) -> Measurement {
        if self.known.is_some() {
            return self.state.measurement;
        }
        let (profile, doppler_hz) = hypothesis.assumed();
        self.settle(motion::nearest(doppler_hz), Some(profile))
    }
}
