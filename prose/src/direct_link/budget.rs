//! Budgets of what unproven messages may cost.

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;

/// A budget for each period.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    since: Option<UtcTime>,
    spent: u32,
}

impl Budget {
    /// Spends one unit, if one is left in this period; returns whether it did.
    pub(crate) fn spend(&mut self, now: UtcTime, period: u64, most: u32) -> bool {
        if self.since.is_none_or(|at| now >= at.plus_millis(period)) {
            (self.since, self.spent) = (Some(now), 0);
        }
        self.spent = self.spent.saturating_add(1);
        self.spent <= most
    }
}

/// Sources whose messages were refused after a method had verified them. Anybody can send from any source: a source is
/// slowed down, never shut out.
#[derive(Debug, Default)]
pub(super) struct Refuted(VecDeque<Suspect>);

/// A source, with its refusals in a second, and what is still verified.
#[derive(Debug)]
struct Suspect {
    source: Layer2Id,
    refused: Budget,
    verified: Budget,
}

/// Sources whose refused proofs are counted.
const REFUTED: usize = 64;

/// Milliseconds for which refused proofs are counted.
const REFUTED_FOR: u64 = 1000;

impl Refuted {
    pub(super) fn count(&mut self, source: Layer2Id, now: UtcTime) {
        let at = match self.0.iter().position(|known| known.source == source) {
            Some(at) => at,
            None => {
                if self.0.len() >= REFUTED {
                    self.0.pop_front();
                }
                let (refused, verified) = (Budget::default(), Budget::default());
                self.0.push_back(Suspect { source, refused, verified });
                self.0.len() - 1
            }
        };
        self.0[at].refused.spend(now, REFUTED_FOR, 0);
    }

    /// Whether a message of this source may be verified: always, until `most` were refused in this second, and one a
    /// period after that.
    pub(super) fn may_verify(&mut self, source: Layer2Id, now: UtcTime, most: u32, period: u64) -> bool {
        let Some(suspect) = self.0.iter_mut().find(|known| known.source == source) else { return true };
        let counted = suspect.refused.since.is_some_and(|at| now < at.plus_millis(REFUTED_FOR));
        !counted || suspect.refused.spent < most || suspect.verified.spend(now, period, 1)
    }
}
