//! The protections of discovery that are compared, each with the keys of all UEs of a run.
//!
//! ```text
//! plain.rs       unprotected codes
//! restricted.rs  DUSK, DUIK, DUCK; public safety from a PSDK
//! signed.rs      signatures in fragments
//! chains.rs      delayed keys, chains of codes
//! rotating.rs    changing identifiers: keyed, literal, with a nonce
//! questions.rs   model B: pre-shared, restricted
//! networked.rs   MICs that the network checks: open, restricted
//! ```
//!
//! A build of another file adds itself to [`ALL`]: a name, words, and a function that makes the [`World`] of a run. UE
//! number i has what announcer i needs; UEs below `setting.monitors` follow all the others.

pub(crate) mod chains;
mod networked;
mod plain;
pub(crate) mod questions;
pub(crate) mod restricted;
pub(crate) mod rotating;
pub(crate) mod signed;

pub(crate) use networked::{Kind, Networked};

use super::setting::Setting;
use sidelink_prose::discovery::agent::{self, Agent, Event};
use sidelink_prose::discovery::{Discovered, Subject, TimePolicy};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::{Code, Profile};
use sidelink_security::outcome::Outcome;
use std::collections::HashMap;

/// A protection of discovery.
pub(crate) struct Build {
    /// Name on the command line.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) what: &'static str,
    /// What is predicted of it.
    pub(crate) predicted: Predicted,
    /// Makes the keys and codes of a run.
    pub(crate) world: fn(&Setting) -> anyhow::Result<Box<dyn World>>,
}

/// What is predicted of a build, from the arithmetic of the digest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Predicted {
    /// Blocks of one announcer that a monitor must hear until the announcer is verified.
    pub(crate) blocks: u32,
    /// Blocks of a set, any `blocks` of which do; the same as `blocks` where each is needed.
    pub(crate) of: u32,
    /// Bits of 232 that are for the protection.
    pub(crate) overhead_bits: u32,
    /// Who can verify.
    pub(crate) verifier: Verifier,
}

/// Who can verify an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verifier {
    /// Nobody.
    Nobody,
    /// The monitoring UE.
    Monitor,
    /// The network, by a match report.
    Network,
}

/// How far an announcement is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proof {
    /// A part of a set: the announcer is known, and nothing proven.
    #[allow(dead_code)] // builds of sets of blocks make it
    Partial,
    /// There is no proof.
    Unprotected,
    /// The network must check it.
    ToReport,
    /// Proven.
    Verified,
}

/// A block, or the last of several, that was taken for one of an announcer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// The announcer.
    pub(crate) announcer: usize,
    /// How far it is proven.
    pub(crate) proof: Proof,
}

/// What went over the network's reference points of UEs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetworkCost {
    /// Octets of provisioning: keys, codes and filters of all UEs.
    pub(crate) provisioning_octets: u64,
    /// Round trips of provisioning, of all UEs.
    pub(crate) provisioning_round_trips: u64,
    /// Octets of match reports and their answers.
    pub(crate) report_octets: u64,
    /// Round trips of match reports.
    pub(crate) report_round_trips: u64,
    /// Match reports.
    pub(crate) reports: u64,
    /// Messages that the network found wrong.
    pub(crate) not_verified: u64,
}

/// Keys and codes of all UEs of one run.
pub(crate) trait World {
    /// Makes the discovery agent of a UE. UEs are made once, from 0 on.
    ///
    /// # Errors
    /// Keys or parameters do not fit.
    fn agent(&mut self, ue: usize) -> anyhow::Result<Agent>;

    /// Returns the number of messages that a UE has in every discovery period, beside its responses.
    fn messages(&self, _ue: usize) -> usize {
        1
    }

    /// Whether a UE has a modem that receives: a monitor, or one that answers.
    fn hears(&self, _ue: usize) -> bool {
        false
    }

    /// Returns whom a monitor takes a block for, by what its agent said.
    fn judge(&self, monitor: usize, event: &Event) -> Option<Match>;

    /// A monitor follows an announcer under another subject from now on.
    fn follows(&mut self, _monitor: usize, _who: Subject, _announcer: usize) {}

    /// The agent of a monitor said this: what the network checks is reported to it.
    fn report(&mut self, _now: UtcTime, _monitor: usize, _event: &Event) {}

    /// Lets the network work until `now`; returns what it has verified, when, and for whom.
    fn network(&mut self, _now: UtcTime) -> Vec<(UtcTime, usize, Match)> {
        Vec::new()
    }

    /// Returns what went over the network.
    fn network_cost(&self) -> NetworkCost {
        NetworkCost::default()
    }
}

/// All builds.
pub(crate) fn all() -> impl Iterator<Item = &'static Build> {
    let own = [signed::ALL, chains::ALL].into_iter().flatten();
    let builds = [plain::ALL, networked::ALL, restricted::ALL, rotating::ALL, questions::ALL];
    builds.into_iter().flatten().chain(own)
}

/// Returns a build by its name.
pub(crate) fn build(name: &str) -> Option<&'static Build> {
    all().find(|build| build.name == name)
}

/// Returns the configuration of the agents of a run.
pub(crate) fn agent_config(setting: &Setting) -> agent::Config {
    let mut config = agent::Config {
        time: TimePolicy { strict: setting.strict, ..TimePolicy::default() },
        ..agent::Config::default()
    };
    config.monitor.profile = profile(setting);
    config.monitor.heard = config.monitor.heard.max(2 * setting.announcers);
    // Each block is told of: nothing is left out for having been told of lately.
    config.monitor.report_interval_millis = 60_000;
    config
}

/// Returns the profile of the protections of a run.
pub(crate) fn profile(setting: &Setting) -> Profile {
    Profile { mic_bits: setting.mic_bits, ..Profile::default() }
}

/// End of the validity of everything.
pub(crate) const ALWAYS: UtcCounter = UtcCounter::new(u32::MAX);

/// Returns the code of announcer `number` in a run: random bits.
pub(crate) fn code(setting: &Setting, number: usize) -> Code {
    setting.rng(&format!("code {number}")).octets()
}

/// What each monitor follows, and whom it stands for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followed(HashMap<(usize, Subject), usize>);

impl Followed {
    /// A monitor follows an announcer under this subject.
    pub(crate) fn add(&mut self, monitor: usize, who: Subject, announcer: usize) {
        self.0.insert((monitor, who), announcer);
    }

    /// Returns whom a discovery is of.
    pub(crate) fn judge(&self, monitor: usize, event: &Event) -> Option<Match> {
        if let Event::Matched(who) = event {
            let announcer = *self.0.get(&(monitor, *who))?;
            return Some(Match { announcer, proof: Proof::Partial });
        }
        if let Event::Fragment(part) = event {
            let announcer = *self.0.get(&(monitor, part.who))?;
            return Some(Match { announcer, proof: Proof::Partial });
        }
        let Event::Discovered(Discovered { who, finding, .. }) = event else { return None };
        let announcer = *self.0.get(&(monitor, *who))?;
        let proof = match finding.outcome() {
            Outcome::Verified => Proof::Verified,
            Outcome::ToReport => Proof::ToReport,
            _ => Proof::Unprotected,
        };
        Some(Match { announcer, proof })
    }
}
