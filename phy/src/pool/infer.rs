//! Pools inferred from receptions without one.
//!
//! All observations are folded over every possible period. In the right one, repetitions come at the same places, and
//! nothing contradicts the clauses; in the others something does, sooner or later. Only the folds are kept of the past:
//! memory is bounded, and a long recording is used completely.
//!
//! Subframe counts do not wrap: if the time is known, the count modulo 10240 is that of DFN time.

mod bitmap;
mod communication;
mod discovery;

pub use communication::{CommunicationFit, CommunicationLearner, ControlSighting, DataSighting};
pub use discovery::{DiscoveryFit, DiscoveryLearner, DiscoverySighting};

use crate::units::SUBFRAMES_PER_DFN_PERIOD;

/// Origin of the count of subframes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// DFN time: periods begin anew with every DFN 0.
    Dfn,
    /// Subframes since the start of the capture.
    Capture,
}

impl Clock {
    /// Returns the subframe in the period, as if one began with 0, and the number of that period.
    fn fold(self, subframe: u64, period: u32) -> (usize, u64) {
        let cycle = SUBFRAMES_PER_DFN_PERIOD as u64;
        let period = period as u64;
        match self {
            Self::Capture => ((subframe % period) as usize, subframe / period),
            Self::Dfn => {
                let (turn, into) = (subframe / cycle, subframe % cycle);
                ((into % period) as usize, turn * cycle.div_ceil(period) + into / period)
            }
        }
    }

    /// Whether periods continue without a break from one subframe to the other.
    fn is_continuous(self, from: u64, to: u64, period: u32) -> bool {
        let cycle = SUBFRAMES_PER_DFN_PERIOD;
        self == Self::Capture || cycle.is_multiple_of(period) || from / cycle as u64 == to / cycle as u64
    }
}
