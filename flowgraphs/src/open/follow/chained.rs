//! Messages that only their announcer can make: chains of codes, delayed keys, pointers to the SL-SCH.

use super::super::{DiscoveryReport, Verdict};
use super::Followers;
use crate::config::ConfigError;
use sidelink_prose::discovery::{AirTime, Discovered, Dropped, Finding, Sighted, TimePolicy};
use sidelink_security::counter::UtcCounter;
use sidelink_security::outcome::Outcome;
use sidelink_store::Followed;
use sidelink_ue::provision::follow_chained;

impl Followers {
    /// Follows the entry that comes next.
    pub(super) fn follow_chained(
        &mut self,
        followed: Followed,
        valid_until: UtcCounter,
    ) -> Result<(), ConfigError> {
        if let Some(follow) = follow_chained(followed, valid_until)? {
            let who = self.monitor.follow_chained(follow);
            self.names.insert(who, self.entries.len());
        }
        Ok(())
    }

    /// Puts into `report` what a message of this kind is, or what it proves; `false` for another one.
    pub(super) fn judge_chained(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        block: &[u8],
        report: &mut DiscoveryReport,
    ) -> bool {
        match self.monitor.receive_chained(policy, now, block) {
            Some(results) => {
                self.say_results(&results, report);
                true
            }
            None => false,
        }
    }

    /// Takes an announcement of the SL-SCH, to which a message points. Returns what it proves.
    pub(in crate::open) fn announcement(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        octets: &[u8],
    ) -> Option<DiscoveryReport> {
        let results = self.monitor.receive_announcement(policy, now, octets);
        let mut report = DiscoveryReport {
            result: Verdict::NoKeys,
            name: None,
            message_type: sidelink_security::discovery::pointer::MESSAGE_TYPE,
            code: None,
            counter: None,
            period: None,
            to_report: None,
        };
        self.say_results(&results, &mut report);
        (!results.is_empty()).then_some(report)
    }

    /// Reports the best of several results: a proof, a match that waits for its proof, a refusal.
    fn say_results(&self, results: &[Result<Sighted, Dropped>], report: &mut DiscoveryReport) {
        let mut result = None;
        for each in results {
            let (outcome, who) = match each {
                Ok(Sighted::Discovered(Discovered { who, finding, .. })) => {
                    match finding {
                        Finding::Delayed(code) => report.period = Some(code.index.into()),
                        Finding::Chain(code) => {
                            (report.period, report.code) = (Some(code.index.into()), Some(code.code));
                        }
                        Finding::Pointer(code) => {
                            (report.counter, report.code) =
                                (Some(code.time.counter.value()), Some(code.code));
                        }
                        _ => {}
                    }
                    (Outcome::Verified, Some(who))
                }
                Ok(Sighted::Matched(who)) => (Outcome::Incomplete, Some(who)),
                Err(dropped) => (dropped.outcome(), None),
            };
            let is_better = match (result, outcome) {
                (None, _) | (_, Outcome::Verified) => true,
                (Some(Outcome::Verified), _) => false,
                (_, Outcome::Incomplete) => true,
                _ => false,
            };
            if is_better {
                result = Some(outcome);
                if let Some(name) = who.and_then(|who| self.names.get(who)) {
                    report.name = self.entries.get(*name).cloned();
                }
            }
        }
        if let Some(outcome) = result {
            report.result = Verdict::Of(outcome);
        }
    }
}
