//! The network of a monitor: filters and keys from it, and its answers to match reports as lines of the report.

use crate::open::DiscoveryReport;
use sidelink_security::discovery::signature::Hint;
use sidelink_store::Keys;
use std::path::Path;

/// What the network says.
// Without services nobody answers.
#[cfg_attr(not(feature = "services"), allow(dead_code))]
pub(super) enum Answer {
    /// Keys and filters, in the place of those before.
    Keys(Box<Keys>),
    /// A message that was reported, with what the ProSe Function says of it, and the subframe in which it was heard.
    Checked(DiscoveryReport, u64),
}

#[cfg(feature = "services")]
pub(super) use with_services::NetworkOf;
#[cfg(not(feature = "services"))]
pub(super) use without_services::NetworkOf;

#[cfg(feature = "services")]
mod with_services {
    use super::{Answer, DiscoveryReport, Hint, Keys, Path};
    use crate::network_leg::Note;
    use crate::network_leg::match_reports::{FromNetwork, MatchReports};
    use crate::open::Verdict;
    use sidelink_network::pc3::Cause;
    use sidelink_security::outcome::Outcome;
    use std::collections::VecDeque;

    /// Lines that wait for an answer.
    const WAITING: usize = 256;

    /// The network of a monitor.
    pub(in crate::commands::listen) struct NetworkOf {
        reports: MatchReports,
        /// Messages that wait, with their subframes.
        waiting: VecDeque<(DiscoveryReport, u64)>,
    }

    impl NetworkOf {
        /// Asks for everything once.
        pub(in crate::commands::listen) fn start(path: &Path) -> anyhow::Result<(Self, Keys)> {
            let (reports, keys, notes) = MatchReports::start(path)?;
            notes.iter().for_each(|note| eprintln!("{note}"));
            Ok((Self { reports, waiting: VecDeque::new() }, keys))
        }

        /// Has a message checked where only the network can.
        pub(in crate::commands::listen) fn hear(&mut self, heard: &DiscoveryReport, subframe: u64) {
            let Some(announcement) = &heard.to_report else { return };
            self.reports.hear(announcement);
            let is_known = self.waiting.iter().any(|(waiting, _)| waiting.code == heard.code);
            if !is_known {
                if self.waiting.len() == WAITING {
                    self.waiting.pop_front();
                }
                self.waiting.push_back((heard.clone(), subframe));
            }
        }

        /// Asks for the key of a hint.
        pub(in crate::commands::listen) fn want_key(&self, hint: Hint) {
            self.reports.want_key(hint);
        }

        /// The next answer.
        pub(in crate::commands::listen) fn poll(&mut self) -> Option<Answer> {
            loop {
                match self.reports.poll()? {
                    FromNetwork::Keys(keys) => return Some(Answer::Keys(keys)),
                    FromNetwork::Note(note) => eprintln!("{note}"),
                    FromNetwork::Checked { heard, note } => {
                        if let Note::NotVerified { .. } = note {
                            eprintln!("{note}");
                        }
                        let at = heard.and_then(|heard| {
                            self.waiting.iter().position(|(waiting, _)| waiting.code == Some(heard.code))
                        });
                        let waiting = at.and_then(|at| self.waiting.remove(at));
                        if let Some((report, subframe)) = waiting {
                            return Some(Answer::Checked(checked(report, note), subframe));
                        }
                    }
                }
            }
        }
    }

    /// What a cause says of the message; where it says something of the UE, the message is as it was.
    const fn outcome(why: Cause) -> Outcome {
        match why {
            Cause::InvalidMic => Outcome::BadMic,
            Cause::InvalidCounter => Outcome::OutsideMaxOffset,
            Cause::UnknownApplicationCode | Cause::UnknownApplicationId | Cause::InvalidMatch => {
                Outcome::Unknown
            }
            _ => Outcome::ToReport,
        }
    }

    /// The line of a message that was checked.
    fn checked(mut report: DiscoveryReport, note: Note) -> DiscoveryReport {
        report.to_report = None;
        match note {
            Note::Verified { name, .. } => {
                report.name = Some(name);
                report.result = Verdict::Of(Outcome::Verified);
            }
            Note::NotVerified { why, .. } => report.result = Verdict::Of(outcome(why)),
            _ => {}
        }
        report
    }
}

#[cfg(not(feature = "services"))]
mod without_services {
    use super::{Answer, DiscoveryReport, Hint, Keys, Path};

    /// There is none in this build.
    pub(in crate::commands::listen) struct NetworkOf;

    impl NetworkOf {
        pub(in crate::commands::listen) fn start(_: &Path) -> anyhow::Result<(Self, Keys)> {
            Err(crate::commands::network::without())
        }

        pub(in crate::commands::listen) fn hear(&mut self, _: &DiscoveryReport, _: u64) {}

        pub(in crate::commands::listen) fn want_key(&self, _: Hint) {}

        pub(in crate::commands::listen) fn poll(&mut self) -> Option<Answer> {
            None
        }
    }
}
