//! When what happens, in subframes after the start of the UEs.

use super::cases::{Rekeys, RelayCase};

/// The times of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// Between two links that are asked for, of different remote UEs.
    spacing: u64,
    /// Between the link to the first relay and that to the second.
    second: u64,
    /// Between two re-keyings.
    pub(crate) rekey: Option<u64>,
    /// The end.
    pub(crate) end: u64,
}

/// Subframes until the first link is asked for.
pub(crate) const CONNECT: u64 = 200;

/// SC periods of a set-up with a lost message, and of the longest exchange here.
const TURNS: u64 = 14;

impl Timeline {
    /// Returns the times of a case.
    pub(crate) fn of(case: &RelayCase<'_>) -> Self {
        let turn = TURNS * case.period + 3 * case.rtt();
        let spacing = 4 * case.period;
        let second = turn.max(2000);
        let rekey = (case.scenario.rekeys != Rekeys::None).then(|| turn.max(1500));
        let one = case.seconds.map_or(turn + 400, |seconds| 1000 * seconds);
        let last = spacing * (case.remotes as u64 - 1) + second * (case.scenario.relays as u64 - 1);
        let rekeyings = rekey.map_or(0, |every| 2 * every + turn);
        let patient = if case.scenario.waits_for_tries() { case.tries_end() } else { 0 };
        Self { spacing, second, rekey, end: CONNECT + last + (one + rekeyings).max(patient) }
    }

    /// Returns when a remote UE asks a relay for a link.
    pub(crate) const fn connect(&self, remote: usize, relay: usize) -> u64 {
        CONNECT + self.spacing * remote as u64 + self.second * relay as u64
    }
}
