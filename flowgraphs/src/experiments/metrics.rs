//! What a case cost: the cost vector of the proposals' digest, per run, per UE, per phase and per message.

pub(crate) mod messages;

use crate::experiments::cases::{By, Expect, Scenario};
use crate::experiments::log::{Entries, Entry};
use crate::experiments::overlay::costs::{self, Came, OverlayCosts};
use crate::experiments::reading::READ;
use messages::{Message, MessageMetrics, Spent};
use serde::{Deserialize, Serialize};
use sidelink_phy::units::Decibel;
use sidelink_prose::direct_link::{Event, Metered, State};
use sidelink_security::direct::Fingerprint;
use sidelink_wire::pc5_signalling::MessageType;
use std::collections::{BTreeMap, HashSet};

/// One run to do.
pub(crate) struct Case<'a> {
    pub(crate) scenario: &'a Scenario,
    /// SC period in subframes.
    pub(crate) period: u64,
    /// Es/N0.
    pub(crate) snr: Decibel,
    /// I_MCS of PSSCH.
    pub(crate) mcs: u8,
    /// Milliseconds between re-keyings instead of the scenario's; 0 for none.
    pub(crate) rekey: Option<u64>,
    /// Data of UE_1 in kbit/s instead of the scenario's.
    pub(crate) kbps: Option<f64>,
    /// Duration instead of the scenario's.
    pub(crate) seconds: Option<u64>,
    pub(crate) seed: u64,
}

/// One run that was played: UE_1 first, UE_2 second.
pub(crate) struct Run {
    pub(crate) entries: [Entries; 2],
    /// Subframes after the start at which the link was asked for.
    pub(crate) connect: u64,
    /// What attackers sent: transmissions.
    pub(crate) attacks: u64,
    /// What they found and did.
    pub(crate) findings: BTreeMap<String, u64>,
    /// What the KD took between UEs and networks, if it came from there.
    pub(crate) network: Option<NetworkSpent>,
}

/// Messages beside the air: those that make a context with an MME, and those of the agreements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkSpent {
    pub(crate) attach_messages: u64,
    pub(crate) attach_octets: u64,
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    /// Records that network functions made durable.
    pub(crate) durable_writes: u64,
    /// The same messages by reference point.
    #[serde(default)]
    pub(crate) points: BTreeMap<String, PointSpent>,
}

/// Messages at a reference point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PointSpent {
    pub(crate) messages: u64,
    pub(crate) octets: u64,
}

impl NetworkSpent {
    /// Counts a message.
    pub(crate) fn count(&mut self, point: &str, octets: usize) {
        let octets = octets as u64;
        self.messages += 1;
        self.octets += octets;
        let spent = self.points.entry(point.to_owned()).or_default();
        spent.messages += 1;
        spent.octets += octets;
    }
}

/// A line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Costs {
    pub(crate) name: String,
    pub(crate) period: u64,
    pub(crate) snr_db: f64,
    pub(crate) mcs: u8,
    pub(crate) seed: u64,
    /// Milliseconds from the asking to the link, at UE_1 and at UE_2.
    pub(crate) setup_ms: [Option<u64>; 2],
    /// What the set-up alone took.
    pub(crate) setup: [Spent; 2],
    pub(crate) rekeyings: [usize; 2],
    /// Milliseconds from the request of a re-keying to its new keys, mean at each end.
    pub(crate) rekey_ms: [Option<f64>; 2],
    /// Messages of the application that UE_1 sent, that came to UE_2, and that are missing between those.
    pub(crate) rekey_every_ms: Option<u64>,
    pub(crate) sent: usize,
    pub(crate) delivered: usize,
    pub(crate) lost: usize,
    /// Those that came to UE_1.
    #[serde(default)]
    pub(crate) delivered_back: usize,
    /// The longest time between two of them.
    pub(crate) longest_gap_ms: Option<u64>,
    /// What all of it took, with what came after the set-up.
    pub(crate) spent: [Spent; 2],
    /// The same by what it was for.
    pub(crate) phases: BTreeMap<String, [Spent; 2]>,
    pub(crate) messages: Vec<Message>,
    /// PDUs under a key and a COUNT that were used before: never more than none.
    pub(crate) counts_repeated: usize,
    /// Transmissions of attackers, and what was dropped with a reason.
    pub(crate) attacks: u64,
    pub(crate) notes: usize,
    /// The words of it, and how often.
    pub(crate) said: BTreeMap<String, u64>,
    /// Data that came to UE_2 otherwise than UE_1 sent it.
    pub(crate) altered: usize,
    /// Who attacked, what it found and did, and what came of it.
    pub(crate) adversary: Option<String>,
    pub(crate) findings: BTreeMap<String, u64>,
    pub(crate) outcome: Option<String>,
    #[serde(default)]
    pub(crate) network: Option<NetworkSpent>,
    /// What the users' own security above the link cost, where there is some.
    #[serde(default)]
    pub(crate) overlay: Option<OverlayCosts>,
    /// Links of one UE under keys that the other never sent under, or that it took up twice.
    pub(crate) foreign_links: usize,
    /// Why the link ended, at each end, if it did.
    pub(crate) closed: [Option<String>; 2],
    /// Whether each end has a link when the case ends.
    #[serde(default)]
    pub(crate) held: [bool; 2],
    /// Milliseconds from the asking to the first end of a link.
    #[serde(default)]
    pub(crate) closed_ms: [Option<u64>; 2],
    /// What must never be.
    pub(crate) failure: Option<String>,
}

impl Run {
    fn events(&self, ue: usize) -> impl Iterator<Item = (u64, &Event)> {
        self.entries[ue].iter().filter_map(|(t, entry)| match entry {
            Entry::Link(event) => Some((*t, event)),
            _ => None,
        })
    }

    /// The subframe in which the link was asked for.
    fn start(&self) -> u64 {
        let asked = |e: &Event| matches!(e, Event::State { state: State::Connecting, .. });
        self.events(0).find(|(_, e)| asked(e)).map_or(self.connect, |(t, _)| t)
    }

    /// Times from the request of a re-keying to its end at `ue`, in milliseconds.
    fn rekey_ms(&self, ue: usize) -> Option<f64> {
        let requested = |(t, e): (u64, &Event)| {
            let request = |m: &Metered| m.sent && m.message == MessageType::RekeyingRequest;
            matches!(e, Event::Message(metered) if request(metered)).then_some(t)
        };
        let requests: Vec<u64> =
            [0, 1].into_iter().flat_map(|ue| self.events(ue).filter_map(requested)).collect();
        let ends = self.events(ue).filter(|(_, e)| is_rekeyed(e));
        let times: Vec<u64> =
            ends.filter_map(|(t, _)| Some(t - requests.iter().copied().filter(|r| *r <= t).max()?)).collect();
        (!times.is_empty()).then(|| times.iter().sum::<u64>() as f64 / times.len() as f64)
    }

    /// What came to UE_2, with the numbers that UE_1 gave it.
    fn data(&self, scenario: &Scenario) -> Vec<(u64, Option<u64>)> {
        if scenario.overlay.is_some() {
            let came = costs::came(&self.entries[1]);
            return came.into_iter().map(|Came { t, number }| (t, Some(number))).collect();
        }
        let received = |(t, event): (u64, &Event)| match event {
            Event::Received(received) => Some((t, number(&received.data))),
            _ => None,
        };
        self.events(1).filter_map(received).collect()
    }

    /// What links said of what they refused, and how often.
    fn said(&self) -> BTreeMap<String, u64> {
        let mut said = BTreeMap::new();
        for (_, entry) in self.entries.iter().flatten() {
            if let Some(note) = note(entry) {
                *said.entry(note).or_default() += 1;
            }
        }
        said
    }

    /// Links of a UE that are not the other one's. Both prove each key by a message under it, so that a set-up which UE_1 had to
    /// do again, for an accept that was lost, is no attacker's.
    fn foreign_links(&self, ue: usize) -> usize {
        let under: HashSet<Fingerprint> = self.entries[1 - ue]
            .iter()
            .filter_map(|(_, entry)| match entry {
                Entry::Pdu { session, .. } => *session,
                _ => None,
            })
            .collect();
        let mut taken = HashSet::new();
        let up = self.events(ue).filter_map(|(_, event)| match event {
            Event::State { state: State::Up { keys, .. }, .. } => Some(keys.fingerprint),
            _ => None,
        });
        up.filter(|keys| !under.contains(keys) || !taken.insert(*keys)).count()
    }

    /// Whether a UE has a link at the end: a new one may have taken the place of the one before.
    fn holds_link(&self, ue: usize) -> bool {
        let mut held = HashSet::new();
        for (_, event) in self.events(ue) {
            match event {
                Event::State { link, state: State::Up { .. }, .. } => _ = held.insert(*link),
                Event::State { link, state: State::Closed { .. }, .. } => _ = held.remove(link),
                _ => {}
            }
        }
        !held.is_empty()
    }

    /// PDUs of one sender under a session key and an SN that it used before.
    fn counts_repeated(&self) -> usize {
        let mut seen = HashSet::new();
        let mut repeated = 0;
        for (ue, entries) in self.entries.iter().enumerate() {
            for (_, entry) in entries {
                if let Entry::Pdu { session: Some(session), sn, .. } = entry {
                    repeated += usize::from(!seen.insert((ue, *session, *sn)));
                }
            }
        }
        repeated
    }
}

fn is_up(event: &Event) -> bool {
    matches!(event, Event::State { state: State::Up { .. }, .. })
}

fn is_rekeyed(event: &Event) -> bool {
    matches!(event, Event::State { state: State::Rekeyed { .. }, .. })
}

/// Why a link ended, if this is its end.
fn closed(event: &Event) -> Option<String> {
    match event {
        Event::State { state: State::Closed { why }, .. } => Some(why.to_string()),
        _ => None,
    }
}

/// A line for the log.
fn note(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Link(Event::Note(note)) => Some(note.to_string()),
        Entry::Refused(error) => Some(error.to_string()),
        _ => None,
    }
}

/// Whether messages came once, and in their order. Packets of an overlay overtake each other where their way changes.
fn is_ordered(scenario: &Scenario, numbers: &[u64]) -> bool {
    match scenario.overlay {
        None => numbers.windows(2).all(|w| w[0] < w[1]),
        Some(_) => numbers.iter().collect::<HashSet<_>>().len() == numbers.len(),
    }
}

/// The number with which data end.
fn number(data: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(data).ok()?;
    text.trim_end_matches('.').rsplit(' ').next()?.parse().ok()
}

impl Costs {
    pub(crate) fn of(case: &Case<'_>, played: &Run) -> Self {
        let start = played.start();
        let up = |ue: usize| played.events(ue).find(|(_, e)| is_up(e)).map(|(t, _)| t.saturating_sub(start));
        let count =
            |ue: usize, which: fn(&Event) -> bool| played.events(ue).filter(|(_, e)| which(e)).count();
        let accounts = MessageMetrics::of(&played.entries, start);
        let phases: BTreeMap<_, _> =
            accounts.phases.iter().map(|(phase, spent)| (phase.as_str().to_owned(), *spent)).collect();
        let data = played.data(case.scenario);
        let numbers: Vec<u64> = data.iter().filter_map(|(_, number)| *number).collect();
        let ordered = is_ordered(case.scenario, &numbers);
        let lost = numbers.last().map_or(0, |last| (last + 1) as usize).saturating_sub(numbers.len());
        let overlay = case.scenario.overlay.map(|overlay| OverlayCosts::of(overlay, &played.entries, start));
        let is_data = |(_, entry): &&(u64, Entry)| matches!(entry, Entry::Pdu { message: None, .. });
        let sent = played.entries[0].iter().filter(is_data).count();
        let back = played.events(0).filter(|(_, e)| matches!(e, Event::Received(_))).count();
        let mut costs = Self {
            name: case.scenario.name.to_owned(),
            period: case.period,
            snr_db: case.snr.0,
            mcs: case.mcs,
            seed: case.seed,
            setup_ms: [up(0), up(1)],
            setup: phases.get("set-up").copied().unwrap_or_default(),
            rekeyings: [0, 1].map(|ue| count(ue, is_rekeyed)),
            rekey_ms: [played.rekey_ms(0), played.rekey_ms(1)],
            rekey_every_ms: case.rekey.or(case.scenario.rekey),
            sent: overlay.as_ref().map_or(sent, |overlay| overlay.sent[0] as usize),
            delivered: numbers.len(),
            lost,
            delivered_back: overlay.as_ref().map_or(back, |overlay| overlay.came[0] as usize),
            longest_gap_ms: data.windows(2).map(|w| w[1].0 - w[0].0).max(),
            spent: accounts.whole(),
            phases,
            messages: accounts.messages,
            counts_repeated: played.counts_repeated(),
            attacks: played.attacks,
            notes: played.said().values().sum::<u64>() as usize,
            said: played.said(),
            altered: played.entries[1].iter().filter(|(_, e)| *e == Entry::Altered).count(),
            adversary: case.scenario.attack.map(|attack| attack.adversary().to_owned()),
            findings: played.findings.clone(),
            outcome: None,
            network: played.network.clone(),
            overlay,
            foreign_links: [0, 1].map(|ue| played.foreign_links(ue)).iter().sum(),
            closed: [0, 1].map(|ue| played.events(ue).find_map(|(_, e)| closed(e))),
            held: [0, 1].map(|ue| played.holds_link(ue)),
            closed_ms: [0, 1].map(|ue| {
                let end = played.events(ue).find(|(_, e)| closed(e).is_some());
                end.map(|(t, _)| t.saturating_sub(start))
            }),
            failure: None,
        };
        costs.outcome = case.scenario.attack.map(|_| costs.outcome().to_owned());
        costs.failure = costs.failure(case, ordered).map(str::to_owned);
        costs
    }

    /// What was and must never be.
    fn failure(&self, case: &Case<'_>, ordered: bool) -> Option<&'static str> {
        if !ordered {
            Some("a message came twice, or out of its order")
        } else if self.foreign_links > 0 {
            Some("a link came about that the other UE has no part in")
        } else if self.counts_repeated > 0 {
            Some("a COUNT was used twice under one key")
        } else if case.scenario.attack.is_some_and(|a| a.by == By::Expire) && self.rekeyings != [0, 0] {
            Some("a key came of keys that are over")
        } else if self.altered > 0 && case.scenario.attack.is_none_or(|a| a.expect != Expect::Passes) {
            Some("altered data was believed")
        } else {
            None
        }
    }

    /// What an attack came to, in words.
    fn outcome(&self) -> &'static str {
        let followed = self.findings.get("session keys followed by one pair of identities").copied();
        if self.foreign_links > 0 {
            "a link of its own"
        } else if self.altered > 0 {
            "data altered unnoticed"
        } else if self.findings.get(READ).is_some_and(|read| *read > 0) {
            "data read by others"
        } else if followed.is_some_and(|keys| keys > 1) {
            "both UEs followed across keys"
        } else if self.linked() && self.held.contains(&false) {
            "the link ended"
        } else if self.linked() {
            "stopped"
        } else {
            "no link while it lasts"
        }
    }

    /// Whether both ends have the link, and the overlay above it where there is one.
    pub(crate) fn linked(&self) -> bool {
        !self.setup_ms.contains(&None) && self.overlay.as_ref().is_none_or(OverlayCosts::is_up)
    }

    /// A figure of both ends together.
    pub(crate) fn setup_sum(&self, figure: impl Fn(&Spent) -> f64) -> f64 {
        self.setup.iter().map(figure).sum()
    }
}
