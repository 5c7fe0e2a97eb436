//! What was measured in a case, and what was predicted.

use super::cases::{Expect, Fades, FindingCase};
use super::log::{Entries, Entry};
use super::parties::{OFFSET, PERIOD, Party, THRESHOLD};
use super::setup::{FADE, Run};
use serde::Serialize;
use sidelink_prose::relay::discovery::{Kind, Model};
use sidelink_prose::relay::remote_ue::Event as Remote;
use sidelink_prose::relay::selection::RelayId;
use sidelink_ue::RelayEvent;
use std::collections::BTreeMap;

/// The measurements of a case.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct FindingCosts {
    pub(crate) name: String,
    pub(crate) snr_db: f64,
    pub(crate) mcs: u8,
    pub(crate) seed: u64,
    /// Milliseconds from the remote UE's beginning until the relay was found.
    pub(crate) found_ms: Option<u64>,
    /// Discovery periods until then, the first whole one counted as 1.
    pub(crate) found_periods: Option<u64>,
    /// Predicted: in model A the relay is heard in the first period, in model B the answer comes in the second.
    pub(crate) predicted_periods: u64,
    /// Discovery messages of relay and remote UE until then.
    pub(crate) messages: u64,
    /// Predicted, at most: the relay's announcement, or two solicitations and the answer.
    pub(crate) predicted_messages: u64,
    /// Announcements, solicitations and responses of relay and remote UE in the whole exercise.
    pub(crate) sent_messages: [u64; 3],
    /// SD-RSRP in dBm at which the relay was found, and its level.
    pub(crate) found_dbm: Option<f32>,
    pub(crate) level_dbm: f64,
    /// Milliseconds from there until its link was up, and messages of PC5 signalling of both ends.
    pub(crate) linked_ms: Option<u64>,
    pub(crate) signalling: u64,
    /// Milliseconds from the fall below the threshold until the second relay serves.
    pub(crate) reselected_ms: Option<u64>,
    /// Times at which no link was up although one had been before.
    pub(crate) links_lost: u64,
    /// Milliseconds in which two links were up.
    pub(crate) both_ms: u64,
    /// Packets that the remote UE sent, could not send, and those that came.
    pub(crate) sent: u64,
    pub(crate) not_taken: u64,
    pub(crate) delivered: u64,
    /// Most milliseconds between two packets that came, before the fade and over all.
    pub(crate) gap_before_ms: Option<u64>,
    pub(crate) gap_ms: Option<u64>,
    /// The attacker, its transmissions, and how often it was taken for a relay.
    pub(crate) adversary: Option<String>,
    pub(crate) attacks: u64,
    pub(crate) fooled: u64,
    /// Milliseconds that the honest relay came later into use for it.
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) outcome: String,
    pub(crate) failure: Option<String>,
}

/// The first time of something.
fn first<T>(entries: &Entries, found: impl Fn(&RelayEvent) -> Option<T>) -> Option<(u64, T)> {
    entries.iter().find_map(|(t, entry)| match entry {
        Entry::Relay(event) => found(event).map(|found| (*t, found)),
        _ => None,
    })
}

/// The number of messages that were sent until a time.
fn sent_until(entries: &Entries, until: u64) -> u64 {
    let sent = |(t, entry): &&(u64, Entry)| *t <= until && matches!(entry, Entry::Relay(RelayEvent::Sent(_)));
    entries.iter().filter(sent).count() as u64
}

fn id(party: Party) -> RelayId {
    let [_, a, b, c] = party.layer2_id().to_be_bytes();
    RelayId([a, b, c])
}

impl FindingCosts {
    /// Evaluates a run.
    pub(crate) fn of(case: &FindingCase<'_>, run: &Run) -> Self {
        // In model B the remote UE asks again in the second period, in which the answer comes.
        let (periods, messages) = if case.scenario.model == Model::B { (2, 3) } else { (1, 1) };
        let mut costs = Self {
            name: case.scenario.name.to_owned(),
            snr_db: case.snr.0,
            mcs: case.mcs,
            seed: case.seed,
            predicted_periods: periods,
            predicted_messages: messages,
            level_dbm: Party::Relay(1).level(),
            ..Self::default()
        };
        let none = Entries::new();
        let remote = run.entries.get(&Party::Remote).unwrap_or(&none);
        let relay = run.entries.get(&Party::Relay(1)).unwrap_or(&none);
        let kinds = [(relay, Kind::Announcement), (remote, Kind::Solicitation), (relay, Kind::Response)];
        costs.sent_messages = kinds.map(|(of, kind)| sent(of, kind));
        costs.finding(run.began, remote, relay);
        costs.links(remote);
        costs.data(run, remote);
        if case.scenario.fades == Fades::Yes {
            costs.reselection(run.began, remote);
        }
        costs.attack(case, run, remote);
        costs.failure = costs.unexpected(case);
        costs
    }

    fn finding(&mut self, began: u64, remote: &Entries, relay: &Entries) {
        let honest = id(Party::Relay(1));
        let found = first(remote, |event| match event {
            RelayEvent::Remote(Remote::Found { relay, strength, .. }) if *relay == honest => Some(strength.0),
            _ => None,
        });
        let Some((at, dbm)) = found else { return };
        self.found_ms = Some(at - began);
        self.found_dbm = Some(dbm);
        // The first period whose resources lie behind the beginning.
        let begins = |t: u64| (t + PERIOD - OFFSET) / PERIOD;
        let first_whole = begins(began + PERIOD - 1);
        self.found_periods = Some((begins(at) + 1).saturating_sub(first_whole).max(1));
        self.messages = sent_until(remote, at) + sent_until(relay, at);
        let serving = first(remote, |event| match event {
            RelayEvent::Remote(Remote::Serving { relay }) if *relay == honest => Some(()),
            _ => None,
        });
        let Some((up, ())) = serving else { return };
        self.linked_ms = Some(up - at);
        let signalling = |entries: &Entries| {
            let is_one = |(t, entry): &&(u64, Entry)| *t <= up && *entry == Entry::Signalling;
            entries.iter().filter(is_one).count() as u64
        };
        self.signalling = signalling(remote) + signalling(relay);
    }

    fn links(&mut self, remote: &Entries) {
        let (mut up, mut since) = (0_u64, 0);
        for (t, entry) in remote {
            match entry {
                Entry::Link { up: true } => {
                    up += 1;
                    since = *t;
                }
                Entry::Link { up: false } if up > 0 => {
                    if up >= 2 {
                        self.both_ms += t - since;
                    }
                    up -= 1;
                    self.links_lost += u64::from(up == 0);
                }
                _ => {}
            }
        }
    }

    fn data(&mut self, run: &Run, remote: &Entries) {
        for (_, entry) in remote {
            if let Entry::Sent { taken, .. } = entry {
                self.sent += 1;
                self.not_taken += u64::from(!taken);
            }
        }
        let relays = [Party::Relay(1), Party::Relay(2)];
        let came = relays.iter().filter_map(|relay| run.entries.get(relay)).flatten();
        let mut times: Vec<u64> =
            came.filter_map(|(t, entry)| matches!(entry, Entry::Received(_)).then_some(*t)).collect();
        times.sort_unstable();
        self.delivered = times.len() as u64;
        let fades = run.began + FADE.from;
        let gap = |times: &[u64]| times.windows(2).map(|pair| pair[1] - pair[0]).max();
        self.gap_ms = gap(&times);
        self.gap_before_ms = gap(&times[..times.partition_point(|t| *t < fades)]);
    }

    /// From the moment at which the path itself is below the threshold of the configuration.
    fn reselection(&mut self, began: u64, remote: &Entries) {
        let below = began + FADE.from + (-THRESHOLD / FADE.slope.0 * 1000.0) as u64;
        let second = first(remote, |event| match event {
            RelayEvent::Remote(Remote::Serving { relay }) if *relay == id(Party::Relay(2)) => Some(()),
            _ => None,
        });
        self.reselected_ms = second.map(|(t, ())| t.saturating_sub(below));
    }

    fn attack(&mut self, case: &FindingCase<'_>, run: &Run, remote: &Entries) {
        for (_, entry) in remote {
            if let Entry::Relay(RelayEvent::Refused { kind, refusal }) = entry {
                *self.refused.entry(format!("{}: {refusal}", kind.as_str())).or_default() += 1;
            }
        }
        let Some((by, _)) = case.scenario.attack else {
            "-".clone_into(&mut self.outcome);
            return;
        };
        self.adversary = Some(by.adversary().to_owned());
        self.attacks = run.messages.get(&Party::Mallory).copied().unwrap_or(run.replayed);
        // A relay that is gone is none either.
        let false_one = if by.is_replay() { id(Party::Relay(1)) } else { id(Party::Mallory) };
        let selected = |(_, entry): &&(u64, Entry)| match entry {
            Entry::Relay(RelayEvent::Remote(Remote::Selected { relay, .. })) => *relay == false_one,
            _ => false,
        };
        self.fooled = remote.iter().filter(selected).count() as u64;
        if self.fooled > 0 { "passes" } else { "stopped" }.clone_into(&mut self.outcome);
    }

    /// Returns what should not have come of the case.
    fn unexpected(&self, case: &FindingCase<'_>) -> Option<String> {
        let is_replay = case.scenario.attack.is_some_and(|(by, _)| by.is_replay());
        if !is_replay && self.linked_ms.is_none() {
            return Some("no link with the relay".to_owned());
        }
        if is_replay && self.linked_ms.is_some() {
            return Some("a link with a relay that is gone".to_owned());
        }
        if case.scenario.fades == Fades::Yes && self.reselected_ms.is_none() {
            return Some("the second relay was not taken".to_owned());
        }
        if case.scenario.fades == Fades::Yes && self.links_lost > 0 {
            return Some("no link was up in between".to_owned());
        }
        match case.scenario.attack {
            Some(_) if self.attacks == 0 => Some("nobody attacked".to_owned()),
            Some((_, Expect::Stopped)) if self.fooled > 0 => Some("the attack was not stopped".to_owned()),
            Some((_, Expect::Passes)) if self.fooled == 0 => {
                Some("the attack was stopped, which nothing here is known to do".to_owned())
            }
            _ => None,
        }
    }
}

/// The number of messages of one kind that a UE sent.
fn sent(entries: &Entries, kind: Kind) -> u64 {
    let is_one = |(_, entry): &&(u64, Entry)| *entry == Entry::Relay(RelayEvent::Sent(kind));
    entries.iter().filter(is_one).count() as u64
}
