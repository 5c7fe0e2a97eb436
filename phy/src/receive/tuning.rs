//! Thresholds of the receiver.

use crate::units::Hertz;

/// Thresholds of the search; the values are measured in `docs/performance.md`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Least presence for a decode of a PSCCH of modes 1 and 2.
    pub control: f32,
    /// The same in modes 3 and 4, with twice the pilots on twice the symbols.
    pub control_v2x: f32,
    /// Least presence of PSDCH, over all transmissions so far.
    pub discovery: f32,
    /// Least presence of PSSCH with an unknown place in time.
    pub shared: f32,
    /// Largest carrier offset that is tried against the common one.
    pub max_cfo: Hertz,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { control: 0.15, control_v2x: 0.09, discovery: 0.09, shared: 0.12, max_cfo: Hertz(1500.0) }
    }
}
