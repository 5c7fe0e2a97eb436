//! Codes that were heard, and what the ProSe Function said of them. TS 24.334 §6.2.4, §6.2.4A.

use std::collections::BTreeMap;

use sidelink_security::counter::UtcTime;

use super::io::{Config, Name};
use crate::pc3::match_report::MatchReportAcks;
use crate::pc3::{Cause, Minutes, TransactionId};

/// Codes that are remembered, at most.
const MOST: usize = 1024;

#[derive(Debug, Clone, Copy)]
enum State {
    /// Reported; the answer counts as lost at this time.
    Reported { until: UtcTime },
    /// Not reported again before this time: T4006, T4017, or after a refusal or a loss.
    Quiet { until: UtcTime },
}

/// What is known of codes.
#[derive(Debug, Default)]
pub(super) struct Matches(BTreeMap<[u8; 23], State>);

impl Matches {
    /// Whether to report a code that was heard. Then it counts as reported.
    pub(super) fn wants_report(&mut self, code: [u8; 23], now: UtcTime, config: &Config) -> bool {
        match self.0.get(&code) {
            Some(State::Reported { .. }) => return false,
            Some(State::Quiet { until }) if now < *until => return false,
            Some(_) => {}
            None if self.0.len() >= MOST => {
                self.0.retain(|_, state| !matches!(state, State::Quiet { until } if *until <= now));
                if self.0.len() >= MOST {
                    return false;
                }
            }
            None => {}
        }
        self.0.insert(code, State::Reported { until: now.plus_millis(config.patience) });
        true
    }

    /// Reports whose answers count as lost now: they may be made again at once.
    pub(super) fn late(&mut self, now: UtcTime) -> Vec<[u8; 23]> {
        let is_late = |state: &State| matches!(state, State::Reported { until } if *until <= now);
        let late: Vec<_> = self.0.iter().filter(|(_, state)| is_late(state)).map(|(code, _)| *code).collect();
        for code in &late {
            self.0.remove(code);
        }
        late
    }

    pub(super) fn lost(&mut self, code: [u8; 23], now: UtcTime, config: &Config) {
        self.0.insert(code, State::Quiet { until: now.plus_millis(config.retry) });
    }

    /// The answer to the report of a code.
    pub(super) fn acknowledged(
        &mut self,
        (transaction, code): (u8, [u8; 23]),
        acks: &MatchReportAcks,
        now: UtcTime,
        config: &Config,
    ) -> Result<Name, Cause> {
        let is_of = |of: TransactionId| of.value() == transaction;
        let minutes = |minutes: Minutes| u64::from(minutes.value()) * 60_000;
        let open = acks.acks.iter().find(|ack| is_of(ack.transaction)).map(|ack| {
            let (id, metadata) = (ack.application_id.clone(), ack.metadata.clone());
            (Name::Application { id, metadata }, minutes(ack.refresh))
        });
        let restricted = acks.restricted.iter().find(|ack| is_of(ack.transaction)).map(|ack| {
            // Without T4017 the name counts as long as it is valid.
            (Name::User(ack.rpauid.clone()), minutes(ack.refresh.unwrap_or(ack.validity)))
        });
        let reject = acks.rejects.iter().find(|reject| is_of(reject.transaction));
        let (answer, quiet) = match (open.or(restricted), reject) {
            (Some((name, quiet)), None) => (Ok(name), quiet),
            (_, reject) => (Err(reject.map_or(Cause::InvalidFormat, |reject| reject.cause)), config.retry),
        };
        self.0.insert(code, State::Quiet { until: now.plus_millis(quiet) });
        answer
    }

    pub(super) fn deadline(&self) -> Option<UtcTime> {
        let at = |state: &State| match state {
            State::Reported { until } => Some(*until),
            State::Quiet { .. } => None,
        };
        self.0.values().filter_map(at).min()
    }
}
