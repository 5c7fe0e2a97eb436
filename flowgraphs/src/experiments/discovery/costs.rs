//! What a run cost, and what came of it.

use super::builds::{Build, Match, Proof, Verifier};
use super::configuration::Configuration;
use super::engine::Run;
use super::judge::{Conclusion, Entry};
use super::node::Spent;
use super::program::{Slot, Who};
use super::setting::Setting;
use serde::{Deserialize, Serialize};
use sidelink_wire::pc5_discovery::{LEN, MessageType};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a run cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DiscoveryCosts {
    #[serde(flatten)]
    pub(crate) configuration: Configuration,
    pub(crate) seed: u64,
    /// Pairs of a monitor and another UE.
    pub(crate) pairs: usize,
    /// Milliseconds from the begin of the run to the first match, of each pair that came to one.
    pub(crate) first_ms: Vec<f64>,
    /// Discovery periods until then, the one of the match among them.
    pub(crate) first_periods: Vec<f64>,
    /// Milliseconds until the announcer was verified.
    pub(crate) verified_ms: Vec<f64>,
    /// Discovery periods until then; with those that the network took, rounded up.
    pub(crate) verified_periods: Vec<f64>,
    /// Blocks that UEs sent, and PSDCH subframes of them.
    pub(crate) blocks: u64,
    pub(crate) sf_psdch: u64,
    /// Those of them that another UE sent in the same resource.
    pub(crate) collided: u64,
    /// Blocks of others, of all monitors in all periods, and those that were decoded.
    pub(crate) chances: u64,
    pub(crate) heard: u64,
    /// Blocks that were taken for one of somebody else.
    pub(crate) false_matches: u64,
    /// Blocks of followed announcers that were decoded, and refused.
    pub(crate) missed: u64,
    /// Why blocks were dropped, and how often.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Announcements that were not made, by why.
    pub(crate) silent: BTreeMap<String, u64>,
    /// Microseconds of the agent for a message that it made, and for a block that it judged.
    pub(crate) announce_us: Option<f64>,
    pub(crate) receive_us: Option<f64>,
    /// Microseconds for a table.
    pub(crate) table_us: Option<f64>,
    /// Octets that a monitor keeps: keys, tables, sets that are not complete.
    pub(crate) memory: u64,
    /// Octets and round trips of keys, codes and filters, of all UEs together.
    pub(crate) provisioning_octets: u64,
    pub(crate) provisioning_round_trips: u64,
    /// Match reports, their octets and round trips.
    pub(crate) reports: u64,
    pub(crate) report_octets: u64,
    pub(crate) report_round_trips: u64,
    /// What is predicted of the build.
    pub(crate) predicted_blocks: u32,
    pub(crate) overhead_bits: u32,
    pub(crate) verifier: String,
    /// What must never be.
    pub(crate) failure: Option<String>,
}

/// When a pair came to something first.
#[derive(Clone, Copy)]
struct Moment {
    ms: f64,
    periods: f64,
}

type Moments = HashMap<(usize, usize), Moment>;

fn earlier(moments: &mut Moments, pair: (usize, usize), moment: Moment) {
    let known = moments.entry(pair).or_insert(moment);
    if moment.ms < known.ms {
        *known = moment;
    }
}

fn microseconds(spent: &Spent) -> Option<f64> {
    (spent.count > 0).then(|| spent.time.as_secs_f64() * 1e6 / spent.count as f64)
}

fn words(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

/// First matches and first verifications of each pair.
fn moments(run: &Run, setting: &Setting) -> (Moments, Moments) {
    let (mut first, mut verified) = (Moments::new(), Moments::new());
    let matches = run.entries.iter().filter_map(|entry| match entry.conclusion {
        // Hints of two keys may be alike: then a part is taken for one of both.
        Conclusion::Match(found) if is_of_another(entry, found) && found.proof == Proof::Partial => None,
        Conclusion::Match(found) => Some((entry.slot, entry.monitor, found)),
        _ => None,
    });
    for (slot, monitor, found) in matches.chain(run.waited.iter().copied()) {
        // A subframe is heard when it is over.
        let moment = Moment { ms: (slot.t + 1) as f64, periods: (slot.period + 1) as f64 };
        let pair = (monitor, found.announcer);
        earlier(&mut first, pair, moment);
        if found.proof == Proof::Verified {
            earlier(&mut verified, pair, moment);
        }
    }
    for (at, monitor, found) in &run.verified {
        let ms = at.millis().saturating_sub(run.start.millis()) as f64;
        let moment = Moment { ms, periods: (ms / f64::from(setting.period)).ceil() };
        earlier(&mut verified, (*monitor, found.announcer), moment);
    }
    (first, verified)
}

/// Blocks of others, of all monitors in all periods, and those of them that were decoded.
fn reception(run: &Run, setting: &Setting) -> (u64, u64) {
    let others = |node: usize| (0..setting.monitors).filter(move |monitor| *monitor != node);
    let chances = run.sent.iter().map(|sent| others(sent.node).count() as u64).sum();
    let heard: HashSet<(usize, usize, u64)> = run
        .entries
        .iter()
        .filter(|entry| entry.monitor < setting.monitors)
        .filter_map(|entry| match entry.sender {
            Some(Who::Node(node)) => Some((entry.monitor, node, entry.slot.period)),
            _ => None,
        })
        .collect();
    (chances, heard.len() as u64)
}

fn sorted(moments: &Moments, of: impl Fn(&Moment) -> f64) -> Vec<f64> {
    let mut all: Vec<f64> = moments.values().map(of).collect();
    all.sort_by(f64::total_cmp);
    all
}

impl DiscoveryCosts {
    /// Returns the costs of a run without attackers.
    pub(crate) fn of(build: &Build, setting: &Setting, run: &Run) -> Self {
        let (first, verified) = moments(run, setting);
        let (chances, heard) = reception(run, setting);
        let (dropped, missed) = refused(run);
        let mut costs = Self {
            configuration: Configuration::of(build, setting),
            seed: setting.seed,
            pairs: setting.monitors * (setting.announcers - 1),
            first_ms: sorted(&first, |moment| moment.ms),
            first_periods: sorted(&first, |moment| moment.periods),
            verified_ms: sorted(&verified, |moment| moment.ms),
            verified_periods: sorted(&verified, |moment| moment.periods),
            blocks: run.sent.len() as u64,
            sf_psdch: run.subframes,
            collided: run.sent.iter().filter(|sent| sent.collided).count() as u64,
            chances,
            heard,
            false_matches: false_matches(run),
            missed,
            dropped,
            silent: words(&run.silent),
            announce_us: microseconds(&run.cpu.announce),
            receive_us: microseconds(&run.cpu.receive),
            table_us: microseconds(&run.cpu.tables),
            memory: run.memory,
            provisioning_octets: run.network.provisioning_octets,
            provisioning_round_trips: run.network.provisioning_round_trips,
            reports: run.network.reports,
            report_octets: run.network.report_octets,
            report_round_trips: run.network.report_round_trips,
            predicted_blocks: build.predicted.blocks,
            overhead_bits: build.predicted.overhead_bits,
            verifier: verifier(build).to_owned(),
            failure: None,
        };
        costs.failure = costs.forbidden(setting, build);
        costs
    }

    /// Returns what must never be.
    fn forbidden(&self, setting: &Setting, build: &Build) -> Option<String> {
        // With few bits of MIC, and with one key for all, one may be taken for another.
        if self.false_matches > 0 && setting.mic_bits == 32 {
            return Some(format!("{} blocks were taken for those of another UE", self.false_matches));
        }
        if build.predicted.verifier == Verifier::Nobody && !self.verified_ms.is_empty() {
            return Some("something was verified, with nothing to prove it".to_owned());
        }
        None
    }
}

/// Blocks of UEs that were decoded, with their senders.
fn of_nodes(run: &Run) -> impl Iterator<Item = (usize, &Entry)> {
    run.entries.iter().filter_map(|entry| match entry.sender {
        Some(Who::Node(node)) => Some((node, entry)),
        _ => None,
    })
}

/// Whether a block of a UE was taken for one of another UE.
fn is_of_another(entry: &Entry, found: Match) -> bool {
    matches!(entry.sender, Some(Who::Node(node)) if node != found.announcer)
}

/// Matches of what their UE has not announced: blocks of another, and sets of which the monitor heard no block before.
/// A part proves nothing, and is none.
fn false_matches(run: &Run) -> u64 {
    let is_false = |entry: &&Entry| match entry.conclusion {
        Conclusion::Match(found) => found.proof != Proof::Partial && is_of_another(entry, found),
        _ => false,
    };
    let mut heard: HashMap<(usize, usize), u64> = HashMap::new();
    for (node, entry) in of_nodes(run) {
        let first = heard.entry((entry.monitor, node)).or_insert(entry.slot.t);
        *first = entry.slot.t.min(*first);
    }
    let is_invented = |(slot, monitor, found): &&(Slot, usize, Match)| {
        heard.get(&(*monitor, found.announcer)).is_none_or(|first| *first > slot.t)
    };
    (run.entries.iter().filter(is_false).count() + run.waited.iter().filter(is_invented).count()) as u64
}

/// Blocks of UEs that were dropped, by why, and how many of them were announcements.
fn refused(run: &Run) -> (BTreeMap<String, u64>, u64) {
    let (mut dropped, mut missed) = (BTreeMap::new(), 0);
    for (_, entry) in of_nodes(run) {
        if let Conclusion::Dropped(outcome) = entry.conclusion {
            *dropped.entry(outcome.as_str().to_owned()).or_default() += 1;
            // Queries and responses of model B are for some, and dropped by the others.
            missed += u64::from(!is_model_b(&entry.message));
        }
    }
    (dropped, missed)
}

fn is_model_b(message: &[u8; LEN]) -> bool {
    MessageType::from_octet(message[0]).is_ok_and(MessageType::is_model_b)
}

/// Returns who can verify, in a word.
const fn verifier(build: &Build) -> &'static str {
    match build.predicted.verifier {
        Verifier::Nobody => "nobody",
        Verifier::Monitor => "monitor",
        Verifier::Network => "network",
    }
}
