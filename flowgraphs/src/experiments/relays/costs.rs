//! What a run cost, on each hop and at each reference point, and what came of it.

use super::attackers::GAIN;
use super::cases::{Linked, Rekeys, RelayCase};
use super::hops::about;
use super::parties::Party;
use super::predicted::Predicted;
use crate::experiments::cases::Expect;
use crate::experiments::log::{Entries, Entry};
use crate::experiments::metrics::NetworkSpent;
use crate::experiments::metrics::messages::{Message, MessageMetrics, Spent};
use serde::{Deserialize, Serialize};
use sidelink_prose::direct_link::{Event, State};
use sidelink_wire::pc5_signalling::MessageType;
use std::collections::{BTreeMap, HashSet};

/// One run that was played.
pub(crate) struct Run {
    /// What each UE did.
    pub(crate) entries: BTreeMap<Party, Entries>,
    /// What was spent beside the air.
    pub(crate) network: NetworkSpent,
    /// Vectors that the HSS made.
    pub(crate) vectors: u64,
    /// Transmissions of attackers.
    pub(crate) attacks: u64,
    /// What was seen, in words.
    pub(crate) findings: BTreeMap<String, u64>,
}

/// A case in numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RelayCosts {
    pub(crate) name: String,
    pub(crate) keying: String,
    pub(crate) period: u64,
    pub(crate) snr_db: f64,
    pub(crate) mcs: u8,
    pub(crate) seed: u64,
    /// Milliseconds there and back between UE and network.
    pub(crate) network_rtt_ms: u64,
    pub(crate) hops: Vec<HopCosts>,
    pub(crate) predicted: Predicted,
    /// What was spent beside the air, by reference point.
    pub(crate) network: NetworkSpent,
    /// Authentication vectors that the HSS made.
    pub(crate) vectors: u64,
    /// PDUs under a key and a COUNT that were used before: never more than none.
    pub(crate) counts_repeated: usize,
    pub(crate) adversary: Option<String>,
    /// Transmissions of attackers.
    pub(crate) attacks: u64,
    pub(crate) findings: BTreeMap<String, u64>,
    /// What links said of what they refused, and how often.
    pub(crate) said: BTreeMap<String, u64>,
    pub(crate) outcome: String,
    /// What must never be, or did not happen and must.
    pub(crate) failure: Option<String>,
}

/// The link of a remote UE and a relay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HopCosts {
    pub(crate) remote: String,
    pub(crate) relay: String,
    /// Milliseconds from the request to the link, at the remote UE and at the relay.
    pub(crate) setup_ms: [Option<u64>; 2],
    /// What the set-up took at both.
    pub(crate) setup: [Spent; 2],
    pub(crate) rekeyings: [usize; 2],
    /// Of those, with a new KD.
    pub(crate) new_kds: [usize; 2],
    /// Milliseconds from the request of a re-keying to its new keys at the remote UE, mean.
    pub(crate) rekey_ms: Option<f64>,
    /// What all re-keyings took.
    pub(crate) rekey: [Spent; 2],
    /// Data of the remote UE that came to the relay.
    pub(crate) delivered: usize,
    /// Why a link ended, at each end, if it did.
    pub(crate) closed: [Option<String>; 2],
    pub(crate) messages: Vec<Message>,
}

impl RelayCosts {
    /// Counts what a run cost.
    pub(crate) fn of(case: &RelayCase<'_>, run: &Run) -> Self {
        let hops = hops_of(case).map(|(remote, relay)| HopCosts::of(run, remote, relay)).collect();
        let mut costs = Self {
            name: case.scenario.name.to_owned(),
            keying: case.scenario.keying.name().to_owned(),
            period: case.period,
            snr_db: case.snr.0,
            mcs: case.mcs,
            seed: case.seed,
            network_rtt_ms: case.network_rtt,
            hops,
            predicted: Predicted::of(case, case.scenario.keying.turns()),
            network: run.network.clone(),
            vectors: run.vectors,
            counts_repeated: counts_repeated(&run.entries),
            adversary: case.scenario.attack.map(|attack| attack.by.adversary().to_owned()),
            attacks: run.attacks,
            findings: findings(run),
            said: said(run),
            outcome: String::new(),
            failure: None,
        };
        costs.outcome = costs.judge();
        costs.failure = costs.failure();
        costs
    }

    /// Whether every remote UE has had a link with every relay.
    pub(crate) fn linked(&self) -> bool {
        self.hops.iter().all(HopCosts::linked)
    }

    /// Returns what an attacker gained, in words and how often.
    pub(crate) fn gained(&self) -> Option<(&str, u64)> {
        let gains = self.findings.iter().filter_map(|(what, n)| Some((what.strip_prefix(GAIN)?, *n)));
        gains.filter(|(_, n)| *n > 0).max_by_key(|(_, n)| *n)
    }

    fn judge(&self) -> String {
        match (self.gained(), self.linked()) {
            (Some((what, count)), _) => format!("{what}: {count}"),
            (None, linked) => {
                let what = if self.adversary.is_some() { "stopped" } else { "done" };
                let links = self.hops.iter().filter(|hop| hop.linked()).count();
                format!("{what}; {}", if linked { "every link".to_owned() } else { format!("{links} links") })
            }
        }
    }

    fn failure(&self) -> Option<String> {
        (self.counts_repeated > 0).then(|| "a COUNT was used twice under one key".to_owned())
    }

    /// Returns what came of a case and must not, or did not come and must.
    pub(crate) fn unexpected(&self, case: &RelayCase<'_>) -> Option<String> {
        if let Some(failure) = &self.failure {
            return Some(failure.clone());
        }
        let gained = self.gained().is_some();
        let wanted = case.scenario.attack.map_or(Linked::All, |attack| attack.by.linked());
        let first = Party::Relay(0).name();
        let is_wanted = |hop: &HopCosts| match wanted {
            Linked::All => true,
            Linked::First => hop.relay == first,
            Linked::None => false,
            Linked::Perhaps => hop.linked(),
        };
        let why = match case.scenario.attack.map(|attack| attack.expect) {
            _ if self.hops.iter().any(|hop| is_wanted(hop) && !hop.linked()) => "there is no link",
            _ if self.hops.iter().any(|hop| !is_wanted(hop) && hop.linked()) => {
                "there is a link, which nothing here is known to allow"
            }
            Some(Expect::Stopped | Expect::Denied) if gained => "the attack was not stopped",
            Some(Expect::Passes) if !gained => "the attack was stopped, which nothing here is known to do",
            None if !self.rekeyed(case.scenario.rekeys) => "no re-keying came about",
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn rekeyed(&self, rekeys: Rekeys) -> bool {
        self.hops.iter().all(|hop| match rekeys {
            Rekeys::None => true,
            Rekeys::Session => hop.rekeyings[0] > 0 && hop.new_kds == [0, 0],
            Rekeys::Kd | Rekeys::KdByRelay => hop.new_kds[0] > 0,
        })
    }
}

/// The hops of a case: each remote UE with each relay.
fn hops_of(case: &RelayCase<'_>) -> impl Iterator<Item = (Party, Party)> {
    let relays = case.scenario.relays;
    (0..case.remotes)
        .flat_map(move |remote| (0..relays).map(move |relay| (Party::Remote(remote), Party::Relay(relay))))
}

impl HopCosts {
    fn of(run: &Run, remote: Party, relay: Party) -> Self {
        let of = |party: Party, peer: Party| {
            run.entries.get(&party).map_or_else(Vec::new, |entries| about(entries, peer))
        };
        let entries = [of(remote, relay), of(relay, remote)];
        let start = first(&entries[0], |e| matches!(state(e), Some(State::Connecting))).unwrap_or(0);
        let up = |ue: usize| first(&entries[ue], |e| matches!(state(e), Some(State::Up { .. })));
        let count = |which: fn(&State) -> bool| {
            [0, 1].map(|ue| entries[ue].iter().filter(|(_, e)| state(e).is_some_and(which)).count())
        };
        let metrics = MessageMetrics::of(&entries, start);
        let phase = |wanted: &str| {
            let mut phases = metrics.phases.iter();
            phases.find(|(phase, _)| phase.as_str() == wanted).map_or_else(Default::default, |(_, s)| *s)
        };
        Self {
            remote: remote.name(),
            relay: relay.name(),
            setup_ms: [0, 1].map(|ue| up(ue).map(|t| t.saturating_sub(start))),
            setup: phase("set-up"),
            rekeyings: count(|state| matches!(state, State::Rekeyed { .. })),
            new_kds: count(|state| matches!(state, State::Rekeyed { new_kd: true, .. })),
            rekey_ms: rekey_ms(&entries),
            rekey: phase("re-keying"),
            delivered: entries[1].iter().filter(|(_, e)| is_received(e)).count(),
            closed: [0, 1].map(|ue| entries[ue].iter().find_map(|(_, entry)| closed(entry))),
            messages: metrics.messages,
        }
    }

    /// Whether both ends have had the link.
    pub(crate) fn linked(&self) -> bool {
        !self.setup_ms.contains(&None)
    }

    /// A figure of the set-up of both ends together.
    pub(crate) fn setup_sum(&self, figure: impl Fn(&Spent) -> u64) -> u64 {
        self.setup.iter().map(figure).sum()
    }
}

fn state(entry: &Entry) -> Option<&State> {
    match entry {
        Entry::Link(Event::State { state, .. }) => Some(state),
        _ => None,
    }
}

fn first(entries: &Entries, which: impl Fn(&Entry) -> bool) -> Option<u64> {
    entries.iter().find(|(_, entry)| which(entry)).map(|(t, _)| *t)
}

fn is_received(entry: &Entry) -> bool {
    matches!(entry, Entry::Link(Event::Received(_)))
}

fn closed(entry: &Entry) -> Option<String> {
    match state(entry) {
        Some(State::Closed { why }) => Some(why.to_string()),
        _ => None,
    }
}

/// Mean time from a request to re-key, whoever made it, to the new keys at the remote UE.
fn rekey_ms(entries: &[Entries; 2]) -> Option<f64> {
    let asks = |entry: &Entry| {
        let request = matches!(entry, Entry::Link(Event::Message(m))
            if m.sent && matches!(m.message, MessageType::RekeyingRequest | MessageType::RekeyingTrigger));
        request
    };
    let requests: Vec<u64> =
        entries.iter().flatten().filter(|(_, entry)| asks(entry)).map(|(t, _)| *t).collect();
    let rekeyed = |entry: &Entry| matches!(state(entry), Some(State::Rekeyed { .. }));
    let (mut began, mut times) = (0, Vec::new());
    for (end, _) in entries[0].iter().filter(|(_, entry)| rekeyed(entry)) {
        // The first request after the re-keying before.
        if let Some(request) = requests.iter().filter(|t| (began..=*end).contains(*t)).min() {
            times.push(end - request);
        }
        began = end + 1;
    }
    (!times.is_empty()).then(|| times.iter().sum::<u64>() as f64 / times.len() as f64)
}

/// PDUs of one sender under a session key and an SN that it used before.
fn counts_repeated(entries: &BTreeMap<Party, Entries>) -> usize {
    let mut seen = HashSet::new();
    let mut repeated = 0;
    for (party, entries) in entries {
        for (_, entry) in entries {
            if let Entry::Pdu { session: Some(session), sn, .. } = entry {
                repeated += usize::from(!seen.insert((*party, *session, *sn)));
            }
        }
    }
    repeated
}

/// What was seen, with the links of a radio that takes the place of a relay.
fn findings(run: &Run) -> BTreeMap<String, u64> {
    let mut found = run.findings.clone();
    if let Some(entries) = run.entries.get(&Party::Impostor) {
        let up = entries.iter().filter(|(_, entry)| matches!(state(entry), Some(State::Up { .. })));
        found.insert(format!("{GAIN}links with a radio in the place of a relay"), up.count() as u64);
    }
    found
}

/// What links said of what they refused.
fn said(run: &Run) -> BTreeMap<String, u64> {
    let mut said = BTreeMap::new();
    for (party, entries) in &run.entries {
        for (_, entry) in entries {
            let note = match entry {
                Entry::Link(Event::Note(note)) => note.to_string(),
                Entry::Refused(error) => error.to_string(),
                _ => continue,
            };
            *said.entry(format!("{}: {note}", party.port())).or_default() += 1;
        }
    }
    said
}
