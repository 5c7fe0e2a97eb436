//! What a case should cost by the proposals' digest, to be put beside what it did cost.

use super::cases::{CORE_RTT, RelayCase};
use serde::{Deserialize, Serialize};

/// The prediction of a set-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Predicted {
    /// Messages on PC5.
    pub(crate) messages: u64,
    /// SC periods, one a message.
    pub(crate) periods: u64,
    /// Round trips between relay and PKMF.
    pub(crate) round_trips: u64,
    /// Milliseconds that the network takes.
    pub(crate) network_ms: u64,
    /// Milliseconds from the request to the link at the remote UE: periods and network.
    pub(crate) ms: u64,
}

/// What a method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turns {
    /// Messages on PC5.
    pub(crate) messages: u64,
    /// Round trips to the network.
    pub(crate) round_trips: u64,
    /// Vectors of the HSS, each by way of the BSF.
    pub(crate) vectors: u64,
}

impl Predicted {
    /// Returns what a case with these turns should cost.
    pub(crate) const fn of(case: &RelayCase<'_>, turns: Turns) -> Self {
        let Turns { messages, round_trips, vectors } = turns;
        let network_ms = round_trips * case.network_rtt + vectors * 2 * CORE_RTT;
        Self { messages, periods: messages, round_trips, network_ms, ms: messages * case.period + network_ms }
    }
}
