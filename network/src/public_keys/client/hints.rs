//! Hints that were heard and fit no key: bounded in number, each asked for once in a while.

use std::collections::BTreeMap;

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::Hint;

/// Hints that are remembered, at most. Own.
pub(super) const MOST: usize = 256;

#[derive(Clone, Copy)]
enum State {
    /// Heard, not yet asked for.
    Heard,
    /// Not asked for again before.
    Quiet { until: UtcTime },
}

/// Hints that were heard.
#[derive(Default)]
pub(super) struct Hints(BTreeMap<Hint, State>);

impl Hints {
    /// Takes a hint. A table that is full of hints that were asked for takes no other: whoever sends false ones does not get more questions by it.
    pub(super) fn heard(&mut self, hint: Hint, now: UtcTime) {
        match self.0.get(&hint) {
            Some(State::Heard) => return,
            Some(State::Quiet { until }) if now < *until => return,
            Some(State::Quiet { .. }) => {}
            None if self.0.len() >= MOST => {
                self.0.retain(|_, state| !matches!(state, State::Quiet { until } if *until <= now));
                if self.0.len() >= MOST {
                    return;
                }
            }
            None => {}
        }
        self.0.insert(hint, State::Heard);
    }

    /// Some that are to be asked for. They are quiet until then.
    pub(super) fn take(&mut self, most: usize, until: UtcTime) -> Vec<Hint> {
        let heard = self.0.iter_mut().filter(|(_, state)| matches!(state, State::Heard));
        let mut hints = Vec::new();
        for (hint, state) in heard.take(most) {
            *state = State::Quiet { until };
            hints.push(*hint);
        }
        hints
    }

    /// The server says when.
    pub(super) fn quiet_until(&mut self, hint: Hint, until: UtcTime) {
        if let Some(state) = self.0.get_mut(&hint) {
            *state = State::Quiet { until };
        }
    }

    /// No answer came: they may be asked for again.
    pub(super) fn ask_again(&mut self, hints: &[Hint]) {
        for hint in hints {
            if let Some(state) = self.0.get_mut(hint) {
                *state = State::Heard;
            }
        }
    }

    pub(super) fn wants(&self) -> bool {
        self.0.values().any(|state| matches!(state, State::Heard))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
