//! What a case cost, hop by hop, beside what was predicted; and what it came to.

use super::cases::{By, Expect, KeySource, U2uCase};
use super::log::{Entries, Entry, Sealed, TEXT};
use super::meddlers::READ;
use super::parties::{Party, change_at};
use super::setup::Run;
use serde::{Deserialize, Serialize};
use sidelink_prose::direct_link::{Event, Received, State};
use sidelink_security::direct::Fingerprint;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::MessageType;
use sidelink_wire::u2u::Layer;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Places of the parties in a run.
const MARY: usize = 0;
const JOHN: usize = 1;
const RUTH: usize = 2;

/// What the digest of the proposals predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Predicted {
    /// Messages of PC5 signalling in the set-up.
    pub(crate) messages: u64,
    /// Those on the air: one from end to end goes twice.
    pub(crate) transmissions: u64,
    /// SC periods, one for each transmission after the other.
    pub(crate) periods: u64,
    /// Ciphering and deciphering for one packet.
    pub(crate) ciphers: f64,
    /// Air time of data against that of a link without a relay.
    pub(crate) air_time: f64,
}

impl Predicted {
    const fn of(case: &U2uCase<'_>) -> Self {
        let per_link = match case.scenario.keys {
            KeySource::Shared => 4,
            KeySource::Certificates | KeySource::SameKdId => 6,
        };
        let (messages, transmissions, ciphers) = match case.scenario.layer {
            Layer::Two => (3 * per_link, 4 * per_link, 2.0),
            Layer::Three => (2 * per_link, 2 * per_link, 4.0),
        };
        Self { messages, transmissions, periods: transmissions, ciphers, air_time: 2.0 }
    }
}

/// What one hop took, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HopSpent {
    pub(crate) blocks: u64,
    pub(crate) pdu_octets: u64,
    pub(crate) sf_pscch: u64,
    pub(crate) sf_pssch: u64,
    /// SC periods with a grant.
    pub(crate) grants: u64,
}

/// One hop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hop {
    pub(crate) name: String,
    /// Messages of its own link in the set-up.
    pub(crate) messages: u64,
    /// Messages from end to end that it carried in the set-up.
    pub(crate) carried: u64,
    pub(crate) setup: HopSpent,
    pub(crate) data: HopSpent,
}

/// A line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct U2uCosts {
    pub(crate) name: String,
    pub(crate) layer: u8,
    pub(crate) period: u64,
    pub(crate) snr_db: f64,
    pub(crate) mcs: u8,
    pub(crate) seed: u64,
    pub(crate) predicted: Predicted,
    /// Milliseconds from the request of the path to its use.
    pub(crate) setup_ms: Option<u64>,
    pub(crate) messages: u64,
    pub(crate) transmissions: u64,
    /// SC periods from the first transmission to the last one of the set-up, both included.
    pub(crate) periods: Option<u64>,
    /// What relay and ends told each other beside PC5 signalling.
    pub(crate) control: u64,
    pub(crate) hops: Vec<Hop>,
    pub(crate) cpu_us: f64,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) altered: u64,
    pub(crate) twice: u64,
    /// Ciphering and deciphering for each packet that was delivered.
    pub(crate) ciphers: Option<f64>,
    /// Subframes of PSSCH for data on both hops, against those on the first one.
    pub(crate) air_time: Option<f64>,
    pub(crate) longest_gap_ms: Option<u64>,
    /// Session keys of the source's links to relays, and from end to end.
    pub(crate) hop_keys: usize,
    pub(crate) end_keys: usize,
    /// Milliseconds from the request for another relay to the first packet through it.
    pub(crate) change_ms: Option<u64>,
    /// PDUs under a key and a COUNT that were used before: never more than none.
    pub(crate) counts_repeated: usize,
    /// Links from end to end at one end that the other has no part in.
    pub(crate) foreign: usize,
    /// Notes of links and paths, and how often.
    pub(crate) said: BTreeMap<String, u64>,
    pub(crate) adversary: Option<String>,
    pub(crate) findings: BTreeMap<String, u64>,
    pub(crate) outcome: Option<String>,
    /// What must never be.
    pub(crate) failure: Option<String>,
}

/// Data of the source that came to the target: subframe, and the number in it.
fn delivered(entries: &Entries) -> Vec<(u64, Option<u64>)> {
    let data = |entry: &Entry| match entry {
        Entry::End(Event::Received(Received { data, .. })) | Entry::Routed(data) => Some(number(data)),
        _ => None,
    };
    entries.iter().filter_map(|(t, entry)| Some((*t, data(entry)?))).collect()
}

/// The number in data of the source; `None` where they came otherwise than it sent them.
fn number(data: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(data).ok()?;
    text.strip_prefix(TEXT)?.strip_prefix(' ')?.trim_end_matches('.').parse().ok()
}

const fn is_keepalive(message: MessageType) -> bool {
    matches!(message, MessageType::Keepalive | MessageType::KeepaliveAck)
}

fn is_up(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::Hop(Event::State { state: State::Up { .. }, .. })
            | Entry::End(Event::State { state: State::Up { .. }, .. })
    )
}

fn is_end_up(entry: &Entry) -> bool {
    matches!(entry, Entry::End(Event::State { state: State::Up { .. }, .. }))
}

/// When the path was asked for, and when it could be used.
fn times(case: &U2uCase<'_>, run: &Run) -> Option<(u64, Option<u64>)> {
    let asked = |(_, entry): &&(u64, Entry)| {
        matches!(entry, Entry::Hop(Event::State { state: State::Connecting, .. }))
    };
    let start = run.entries[MARY].iter().find(asked)?.0;
    let up = match case.scenario.layer {
        Layer::Two => run.entries[MARY].iter().find(|(_, entry)| is_end_up(entry)).map(|(t, _)| *t),
        // The second link of the relay.
        Layer::Three => run.entries[RUTH].iter().filter(|(_, entry)| is_up(entry)).nth(1).map(|(t, _)| *t),
    };
    Some((start, up))
}

/// Session keys under which a UE sent, of its links to relays or from end to end.
fn keys(entries: &Entries, end_to_end: bool) -> HashSet<Fingerprint> {
    let key = |entry: &Entry| match entry {
        Entry::HopPdu { sealed, .. } if !end_to_end => sealed.session,
        Entry::EndPdu(sealed) if end_to_end => sealed.session,
        _ => None,
    };
    entries.iter().filter_map(|(_, entry)| key(entry)).collect()
}

/// PDUs of one sender under a session key and an SN that it used before.
fn counts_repeated(run: &Run) -> usize {
    let mut seen = HashSet::new();
    let mut repeated = 0;
    for (ue, entries) in run.entries.iter().enumerate() {
        for (_, entry) in entries {
            let (Entry::HopPdu { sealed, .. } | Entry::EndPdu(sealed)) = entry else { continue };
            if let Some(session) = sealed.session {
                repeated += usize::from(!seen.insert((ue, session, sealed.sn)));
            }
        }
    }
    repeated
}

/// Links from end to end of a UE under keys that the other end never sent under.
fn foreign(run: &Run) -> usize {
    let of = |ue: usize| {
        let others = keys(&run.entries[if ue == MARY { JOHN } else { MARY }], true);
        let up = run.entries[ue].iter().filter_map(|(_, entry)| match entry {
            Entry::End(Event::State { state: State::Up { keys, .. }, .. }) => Some(keys.fingerprint),
            _ => None,
        });
        up.filter(|key| !others.contains(key)).count()
    };
    of(MARY) + of(JOHN)
}

/// What links and paths said of what they refused, and how often.
fn said(run: &Run) -> BTreeMap<String, u64> {
    let mut said = BTreeMap::new();
    for (ue, entries) in run.entries.iter().enumerate() {
        let name = [Party::Mary, Party::John, Party::Ruth, Party::Paul][ue].name();
        for (_, entry) in entries {
            let note = match entry {
                Entry::Hop(Event::Note(note)) => note.to_string(),
                Entry::End(Event::Note(note)) => format!("end to end: {note}"),
                Entry::End(Event::State { state: State::Closed { why }, .. }) => {
                    format!("end to end: closed: {why}")
                }
                Entry::Hop(Event::State { state: State::Closed { why }, .. }) => format!("closed: {why}"),
                Entry::Path(sidelink_prose::relay::u2u::Event::Refused { why, .. }) => {
                    format!("not carried: {why}")
                }
                Entry::Warning(words) => words.clone(),
                _ => continue,
            };
            *said.entry(format!("{name}: {note}")).or_default() += 1;
        }
    }
    said
}

/// Spends what UEs sent, by the hops that they sent it over.
struct Air {
    hops: [Hop; 2],
    /// First and last SC period with a transmission in the set-up.
    periods: Option<(u64, u64)>,
}

/// The hop between a sender and a destination; those of another relay are counted with those of the first.
fn hop_of(ue: usize, to: u32) -> usize {
    usize::from(ue == JOHN || to == Party::John.id())
}

fn air(run: &Run, period: u64, (start, up): (u64, u64)) -> Air {
    let hop =
        |one: Party, other: Party| Hop { name: format!("{}-{}", one.name(), other.name()), ..Hop::default() };
    let hops = [hop(Party::Mary, Party::Ruth), hop(Party::Ruth, Party::John)];
    let mut air = Air { hops, periods: None };
    for (ue, entries) in run.entries.iter().enumerate() {
        let (mut scis, mut known) = (0, None);
        for (t, entry) in entries {
            match entry {
                Entry::Sci => (scis, known) = (scis + 1, None),
                Entry::Block { number, octets, to, channels } => {
                    let data = [Lcid::LINK_DATA, Lcid::LINK_DATA.carrying().unwrap_or(Lcid::LINK_DATA)];
                    let is_data = channels.iter().all(|lcid| data.iter().any(|data| data.value() == *lcid));
                    let in_setup = (start..=up).contains(t);
                    let hop = &mut air.hops[hop_of(ue, *to)];
                    let spent = match (is_data, in_setup) {
                        (true, _) => &mut hop.data,
                        (false, true) => &mut hop.setup,
                        // Keep-alives, and the end.
                        (false, false) => {
                            scis = 0;
                            continue;
                        }
                    };
                    if known != Some(*number) {
                        spent.blocks += 1;
                        spent.pdu_octets += *octets as u64;
                        spent.sf_pscch += scis;
                        spent.grants += u64::from(scis > 0);
                        (scis, known) = (0, Some(*number));
                    }
                    spent.sf_pssch += 1;
                    if !is_data {
                        let at = t / period;
                        let (first, last) = air.periods.unwrap_or((at, at));
                        air.periods = Some((first.min(at), last.max(at)));
                    }
                }
                _ => {}
            }
        }
    }
    air
}

/// Counts the messages of the set-up, and returns those of the links, and those from end to end.
fn count_messages(run: &Run, air: &mut Air, (start, up): (u64, u64)) -> (u64, u64, u64) {
    let (mut own, mut ends, mut control) = (0, 0, 0);
    let is_message = |sealed: &Sealed| sealed.message.is_some_and(|message| !is_keepalive(message));
    for (ue, entries) in run.entries.iter().enumerate() {
        for (t, entry) in entries.iter().filter(|(t, _)| (start..=up).contains(t)) {
            let _ = t;
            match entry {
                Entry::HopPdu { to, sealed } if is_message(sealed) => {
                    own += 1;
                    air.hops[hop_of(ue, *to)].messages += 1;
                }
                Entry::HopPdu { sealed, .. } if sealed.lcid == Lcid::RELAY_CONTROL.value() => control += 1,
                Entry::EndPdu(sealed) if is_message(sealed) => ends += 1,
                Entry::Adapted { to, lcid } if *lcid != Lcid::LINK_DATA.value() => {
                    air.hops[hop_of(ue, *to)].carried += 1;
                }
                _ => {}
            }
        }
    }
    (own, ends, control)
}

/// Ciphering and deciphering of data by all UEs.
fn ciphers(run: &Run) -> u64 {
    let ciphers = |entry: &Entry| match entry {
        Entry::HopPdu { sealed, .. } | Entry::EndPdu(sealed) => sealed.is_data() && sealed.session.is_some(),
        Entry::Hop(Event::Received(received)) | Entry::End(Event::Received(received)) => {
            received.lcid == Lcid::LINK_DATA
        }
        _ => false,
    };
    run.entries.iter().flatten().filter(|(_, entry)| ciphers(entry)).count() as u64
}

/// Blocks of data on the second hop that follow one of the same size on the first within two SC periods, as anybody hears.
fn joined(run: &Run, period: u64) -> (u64, u64) {
    let blocks = |ue: usize, to: u32| -> Vec<(u64, usize)> {
        let (mut known, mut all) = (None, Vec::new());
        let data = Lcid::LINK_DATA.carrying().map(Lcid::value);
        for (t, entry) in &run.entries[ue] {
            match entry {
                // Blocks are numbered in their grant.
                Entry::Sci => known = None,
                Entry::Block { number, octets, to: dest, channels } if known != Some(*number) => {
                    known = Some(*number);
                    if *dest == to && channels.iter().all(|lcid| Some(*lcid) == data) {
                        all.push((*t, *octets));
                    }
                }
                _ => {}
            }
        }
        all
    };
    let (first, second) = (blocks(MARY, Party::Ruth.id()), blocks(RUTH, Party::John.id()));
    let follows = |(t, octets): &&(u64, usize)| {
        let before = |(t_1, same): &(u64, usize)| same == octets && t_1 < t && t - t_1 <= 2 * period;
        first.iter().any(before)
    };
    (second.iter().filter(follows).count() as u64, second.len() as u64)
}

/// Finding: blocks of the second hop that a listener joins to the first.
const JOINED: &str = "blocks joined to those of the other hop";
const OTHERS: &str = "blocks that are not";

impl U2uCosts {
    pub(crate) fn of(case: &U2uCase<'_>, run: &Run) -> Self {
        let last = run.entries.iter().flatten().map(|(t, _)| *t).max().unwrap_or(0);
        let (start, up) = times(case, run).unwrap_or((0, None));
        let window = (start, up.unwrap_or(last));
        let mut air = air(run, case.period, window);
        let (own, ends, control) = count_messages(run, &mut air, window);
        let carried: u64 = air.hops.iter().map(|hop| hop.carried).sum();
        let data = delivered(&run.entries[JOHN]);
        let numbers: Vec<u64> = data.iter().filter_map(|(_, number)| *number).collect();
        let unique: BTreeSet<u64> = numbers.iter().copied().collect();
        let [first, second] = [0, 1].map(|hop| air.hops[hop].data.sf_pssch as f64);
        let cpu = |entry: &Entry| if let Entry::Step { cpu_us } = entry { *cpu_us } else { 0.0 };
        let mut findings = run.findings.clone();
        if case.by() == Some(By::Correlate) {
            let (joined, all) = joined(run, case.period);
            findings.insert(JOINED.to_owned(), joined);
            findings.insert(OTHERS.to_owned(), all - joined);
        }
        let sent = run.entries[MARY].iter().filter(|(_, entry)| match entry {
            Entry::HopPdu { sealed, .. } | Entry::EndPdu(sealed) => sealed.is_data(),
            _ => false,
        });
        let mut costs = Self {
            name: case.scenario.name.to_owned(),
            layer: if case.scenario.layer == Layer::Two { 2 } else { 3 },
            period: case.period,
            snr_db: case.snr.0,
            mcs: case.mcs,
            seed: case.seed,
            predicted: Predicted::of(case),
            setup_ms: up.map(|up| up - start),
            messages: own + ends,
            transmissions: own + carried,
            periods: up.and(air.periods).map(|(first, last)| last - first + 1),
            control,
            cpu_us: run.entries.iter().flatten().map(|(_, entry)| cpu(entry)).sum(),
            sent: sent.count() as u64,
            delivered: unique.len() as u64,
            altered: (data.len() - numbers.len()) as u64,
            twice: (numbers.len() - unique.len()) as u64,
            ciphers: (!unique.is_empty()).then(|| ciphers(run) as f64 / unique.len() as f64),
            air_time: (first > 0.0).then(|| (first + second) / first),
            longest_gap_ms: data.windows(2).map(|pair| pair[1].0 - pair[0].0).max(),
            hop_keys: keys(&run.entries[MARY], false).len(),
            end_keys: keys(&run.entries[MARY], true).len(),
            change_ms: change_ms(case, run),
            counts_repeated: counts_repeated(run),
            foreign: foreign(run),
            said: said(run),
            adversary: case.by().map(|by| by.adversary().to_owned()),
            findings,
            outcome: None,
            failure: None,
            hops: air.hops.into(),
        };
        costs.outcome = case.scenario.attack.map(|_| costs.outcome().to_owned());
        costs.failure = costs.failure(case).map(str::to_owned);
        costs
    }

    /// What an attack came to, in words.
    fn outcome(&self) -> &'static str {
        let found = |what: &str| self.findings.get(what).copied().unwrap_or(0);
        if self.foreign > 0 {
            "a link of another"
        } else if found(READ) > 0 {
            "data read by the relay"
        } else if self.altered > 0 {
            "data altered unnoticed"
        } else if self.twice > 0 {
            "data believed twice"
        } else if found(JOINED) > 4 * found(OTHERS) {
            "both hops joined"
        } else if self.delivered > 0 {
            "stopped"
        } else {
            "no path"
        }
    }

    /// What was and must never be.
    fn failure(&self, case: &U2uCase<'_>) -> Option<&'static str> {
        let passes = case.scenario.attack.is_some_and(|attack| attack.expect == Expect::Passes);
        if self.counts_repeated > 0 {
            Some("a COUNT was used twice under one key")
        } else if self.foreign > 0 {
            Some("a link from end to end came about that the other end has no part in")
        } else if self.twice > 0 {
            Some("data were believed twice")
        } else if self.altered > 0 && !passes {
            Some("altered data were believed")
        } else if case.scenario.change && self.setup_ms.is_some() && self.end_keys != 1 {
            Some("the link from end to end did not outlive its relay")
        } else {
            None
        }
    }

    /// What the case came to and must not, where every block comes through.
    pub(crate) fn unexpected(&self, case: &U2uCase<'_>) -> Option<String> {
        if let Some(failure) = &self.failure {
            return Some(failure.clone());
        }
        let outcome = self.outcome.as_deref();
        let wrong = match case.scenario.attack.map(|attack| attack.expect) {
            None => self.delivered == 0,
            Some(Expect::Stopped) => outcome != Some("stopped"),
            Some(Expect::Denied) => outcome != Some("no path"),
            Some(Expect::Passes) => matches!(outcome, Some("stopped" | "no path")),
        };
        if case.scenario.change && (self.change_ms.is_none() || self.hop_keys < 2) {
            return Some("no other relay took over".to_owned());
        }
        // A denial for another reason would be luck.
        let noticed = case.by().and_then(By::noticed);
        if let Some(words) = noticed.filter(|words| !self.said.keys().any(|note| note.contains(words))) {
            return Some(format!("nobody noticed it: no note says {words:?}"));
        }
        wrong.then(|| match outcome {
            Some(outcome) => format!("it came to: {outcome}"),
            None => "nothing was delivered".to_owned(),
        })
    }
}

/// Milliseconds from the request for another relay to the first data that it handed on.
fn change_ms(case: &U2uCase<'_>, run: &Run) -> Option<u64> {
    let paul = run.entries.get(3)?;
    let data = |(_, entry): &&(u64, Entry)| matches!(entry, Entry::Adapted { lcid, .. } if *lcid == Lcid::LINK_DATA.value());
    Some(paul.iter().find(data)?.0.saturating_sub(change_at(case.period)))
}
