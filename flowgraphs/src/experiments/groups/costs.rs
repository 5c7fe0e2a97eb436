//! What a run cost, and what came of it.

use super::cases::{By, GroupCase, Incident, Mishap, Solution};
use super::log::{DataPdu, Entries, Entry};
use super::parties::Party;
use super::sorts::{Sort, sort};
use super::timeline::Timeline;
use crate::experiments::cases::Expect;
use serde::{Deserialize, Serialize};
use sidelink_phy::channel::pssch::REDUNDANCY_VERSIONS;
use sidelink_prose::group_owner::Event;
use sidelink_ue::GroupEvent;
use sidelink_wire::ids::Lcid;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// What each UE did: the manager, the members in their order, and a listener.
pub(crate) struct Run {
    /// SC period in subframes.
    pub(crate) period: u64,
    /// The first subframe of the UEs in their count.
    pub(crate) began: u64,
    /// The times in that count.
    pub(crate) timeline: Timeline,
    /// Whether the other radio is a thief's.
    pub(crate) has_thief: bool,
    pub(crate) manager: Entries,
    pub(crate) members: Vec<Entries>,
    /// The radio with a stolen member's keys, or the attacker's.
    pub(crate) other: Option<Entries>,
    /// Transmissions of the attacker.
    pub(crate) attacks: u64,
    /// What the network leg took until the re-keying, and from then on.
    pub(crate) network: Option<[NetworkSpent; 2]>,
    /// Vectors that the HSS made for an attacker that is a subscriber.
    pub(crate) vectors: u64,
}

/// Messages between UEs and the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkSpent {
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    pub(crate) round_trips: u64,
    /// Vectors of the HSS, where they are counted.
    pub(crate) vectors: Option<u64>,
}

/// A line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupCosts {
    pub(crate) name: String,
    pub(crate) members: usize,
    pub(crate) period: u64,
    pub(crate) snr_db: f64,
    pub(crate) mcs: u8,
    /// How long messages travelled.
    pub(crate) way: String,
    pub(crate) seed: u64,
    pub(crate) phases: Vec<Phase>,
    /// What the thief heard.
    pub(crate) thief: Option<Thief>,
    /// Whether a caller that was killed went on under the key of its call.
    pub(crate) resumed: bool,
    /// Reasons for which members refused messages and data, and how often.
    pub(crate) refused: BTreeMap<String, u64>,
    /// What the network leg took until the re-keying, and from then on.
    pub(crate) network: Option<[NetworkSpent; 2]>,
    /// Transmissions of the attacker; at a NAF its requests.
    pub(crate) attacks: u64,
    pub(crate) adversary: Option<String>,
    pub(crate) outcome: Option<String>,
    /// What must never be.
    pub(crate) failure: Option<String>,
}

/// What happened between two requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// Milliseconds until the last member that got the key had it.
    pub(crate) ms: Option<u64>,
    /// Members that got the key.
    pub(crate) reached: usize,
    /// Members that must get it.
    pub(crate) of: usize,
    /// Messages about keys, their octets, and those of the PDUs in which they went.
    pub(crate) msgs: u64,
    pub(crate) octets: u64,
    pub(crate) pdu_octets: u64,
    /// Transport blocks with messages about keys, and their subframes.
    pub(crate) n_tb: u64,
    pub(crate) sf_pscch: u64,
    pub(crate) sf_pssch: u64,
    /// SC periods in which any of them was sent.
    pub(crate) sc_periods: u64,
    /// Microseconds of the sender's processor for each of its messages, and of one member's for its key.
    pub(crate) cpu_sender_us: f64,
    pub(crate) cpu_member_us: f64,
    pub(crate) durable_writes: u64,
    /// Data of the caller: sent, and delivered to all members together.
    pub(crate) sent: usize,
    pub(crate) delivered: usize,
}

/// What a thief heard of the data that were sent, before the re-keying and after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Thief {
    pub(crate) sent_before: usize,
    pub(crate) read_before: usize,
    pub(crate) sent_after: usize,
    pub(crate) read_after: usize,
}

/// Transmissions of a block.
const REPETITIONS: u64 = REDUNDANCY_VERSIONS.len() as u64;

/// Channels of signalling: those of links follow that of messages that protect themselves.
const SIGNALLING: RangeInclusive<u8> = Lcid::PC5_S_UNPROTECTED.value()..=Lcid::PC5_S_PROTECTED.value();

const DATA: u8 = Lcid::GROUP_DATA.value();

impl GroupCosts {
    pub(crate) fn of(case: &GroupCase<'_>, run: &Run) -> Self {
        let n = run.members.len();
        let left = if case.scenario.incident.has_thief() { n - 1 } else { n };
        let wanted: [(&str, Option<Sort>, usize); 4] = match case.scenario.solution {
            _ if case.scenario.mishap == Some(Mishap::Late) => [
                ("distribution", Some(Sort::Got), n - case.late()),
                ("call", Some(Sort::Joined), n - case.late() - 1),
                ("late: key", Some(Sort::Got), case.late()),
                ("late: call", Some(Sort::Joined), case.late()),
            ],
            Solution::Identity | Solution::AdHoc => [
                ("distribution", Some(Sort::Got), n),
                ("call", Some(Sort::Joined), n - 1),
                ("re-keying", Some(Sort::Got), left),
                ("second call", Some(Sort::Joined), left - 1),
            ],
            // Whoever has the key of the group talks under it.
            Solution::Owner | Solution::Pkmf | Solution::Invitation | Solution::WhiteList => [
                (first_phase(case.scenario.solution), Some(Sort::Got), n),
                ("talk", None, 0),
                (
                    if case.scenario.incident == Incident::Crash { "crash" } else { "re-keying" },
                    Some(Sort::Got),
                    left,
                ),
                ("second talk", None, 0),
            ],
        };
        let phases = wanted
            .iter()
            .zip(spans(case, &run.timeline))
            .map(|((name, wanted, of), span)| phase(run, name, span, wanted.as_ref(), *of))
            .collect();
        let mut costs = Self {
            name: case.scenario.name.to_owned(),
            members: n,
            period: case.period,
            snr_db: case.snr.0,
            mcs: case.mcs,
            way: format!("{:?}", case.way).to_lowercase(),
            seed: case.seed,
            phases,
            thief: case.scenario.incident.has_thief().then(|| thief(run)),
            resumed: resumed(run),
            refused: refused(case, run),
            network: run.network,
            attacks: run.attacks,
            adversary: case.scenario.attack.map(|attack| attack.adversary().to_owned()),
            outcome: None,
            failure: None,
        };
        costs.outcome = Some(costs.judge(case, run));
        costs.failure = costs.failure(case, run);
        costs
    }

    /// What came of it, in words.
    fn judge(&self, case: &GroupCase<'_>, run: &Run) -> String {
        if let (Some(thief), None) = (&self.thief, case.scenario.attack) {
            return match thief.read_after {
                0 => "the thief hears nothing".to_owned(),
                read => format!("the thief reads {read} messages after the re-keying"),
            };
        }
        let Some(attack) = case.scenario.attack else { return "done".to_owned() };
        match foreign(run, attack.by) {
            0 if attack.expect == Expect::Denied => "no group while it lasts".to_owned(),
            0 => "stopped".to_owned(),
            count if attack.by == By::CuriousNaf => format!("{count} messages read"),
            count => format!("{count} times believed"),
        }
    }

    /// What was and must never be, or did not happen and must.
    fn failure(&self, case: &GroupCase<'_>, run: &Run) -> Option<String> {
        // Whoever is stolen is in the group no longer, and hears noise under a key of before.
        let inside = match case.scenario.incident.has_thief() {
            true => &run.members[..run.members.len() - 1],
            false => &run.members[..],
        };
        // A UE that starts again counts its messages anew.
        let life = |t: u64| case.scenario.mishap == Some(Mishap::Crash) && t >= run.timeline.down().end;
        let twice = inside.iter().any(|entries| {
            let mut seen = BTreeSet::new();
            entries.iter().any(|(t, entry)| match entry {
                Entry::Data { from, number: Some(number) } => !seen.insert((life(*t), *from, *number)),
                _ => false,
            })
        });
        if twice {
            return Some("a message of the call came twice".to_owned());
        }
        let by_calls = matches!(case.scenario.solution, Solution::Identity | Solution::AdHoc);
        let reused = |member: &Entries| reused(member, run.timeline.second_call);
        if let Some(pdu) = run.members.iter().filter(|_| by_calls).find_map(reused) {
            return Some(format!("two PDUs of one UE have the header {:02x?}: one key stream", pdu.header));
        }
        if !epochs_grow(run) {
            return Some("an epoch of the owner came twice".to_owned());
        }
        let altered = inside.iter().flatten().any(|(_, e)| matches!(e, Entry::Data { number: None, .. }));
        if run.vectors > 0 {
            return Some(format!("the HSS made {} vectors for the attacker", run.vectors));
        }
        let passes = case.scenario.attack.is_some_and(|attack| attack.expect == Expect::Passes);
        if altered && !passes {
            return Some("data came that nobody of the group sent".to_owned());
        }
        self.thief.filter(|thief| thief.read_after > 0).map(|_| {
            let outcome = self.outcome.clone();
            outcome.unwrap_or_default()
        })
    }
}

impl GroupCosts {
    /// Returns what must not be, or did not come about, if anything.
    pub(crate) fn unexpected(&self, case: &GroupCase<'_>) -> Option<String> {
        if self.failure.is_some() {
            return self.failure.clone();
        }
        let expect = case.scenario.attack.map(|attack| attack.expect);
        let stopped = matches!(self.outcome.as_deref(), Some("stopped" | "no group while it lasts"));
        if expect == Some(Expect::Denied) {
            return (!stopped).then(|| "there is a group, which nothing here is known to allow".to_owned());
        }
        if let Some(phase) = self.phases.iter().find(|phase| phase.reached != phase.of) {
            return Some(format!("{}: {} of {} members have the key", phase.name, phase.reached, phase.of));
        }
        if case.scenario.mishap == Some(Mishap::Crash) && !self.resumed {
            let why = "nothing was sent under the key of before the crash: the exercise shows nothing";
            return Some(why.to_owned());
        }
        if self.thief.is_some_and(|thief| thief.read_before == 0) {
            let why = "the thief read nothing before the re-keying: the exercise shows nothing";
            return Some(why.to_owned());
        }
        match expect {
            Some(Expect::Stopped) if !stopped => Some("the attack was not stopped".to_owned()),
            Some(Expect::Passes) if stopped => {
                Some("the attack was stopped, which nothing here is known to do".to_owned())
            }
            _ => None,
        }
    }
}

/// When each phase begins and ends.
fn spans(case: &GroupCase<'_>, timeline: &Timeline) -> [[u64; 2]; 4] {
    let Timeline { distribute, call, rekey, second_call, end, .. } = *timeline;
    if case.scenario.mishap == Some(Mishap::Late) {
        // The key and the call come to the late ones in the same time.
        let late = [timeline.late(), end];
        return [[distribute, call], [call, timeline.late()], late, late];
    }
    [[distribute, call], [call, rekey], [rekey, second_call], [second_call, end]]
}

/// Messages that members believed although they are of somebody else.
fn foreign(run: &Run, by: By) -> usize {
    let other = run.other.as_ref();
    let joined = |entries: &Entries| count(entries, [0, u64::MAX], &Sort::Joined);
    let got = |entries: &Entries| count(entries, [0, u64::MAX], &Sort::Got);
    let altered = |(_, entry): &&(u64, Entry)| matches!(entry, Entry::Data { number: None, .. });
    let noise: usize = run.members.iter().map(|member| member.iter().filter(altered).count()).sum();
    match by {
        // Two calls of the first member, and two keys of the manager.
        By::Stranger | By::NotManager | By::Impostor | By::AdHocKey | By::Replay(_) => {
            let calls: usize = run.members.iter().map(|member| joined(member).saturating_sub(2)).sum();
            let keys: usize = run.members.iter().map(|member| got(member).saturating_sub(2)).sum();
            calls + keys + noise
        }
        // Data that nobody of the group sent so.
        By::Middle => noise,
        // Keys of the member that took the one in the middle for the owner.
        By::Between => run.members.first().map_or(0, got),
        By::Spy => other.map_or(0, got),
        // Data that the owner did not send.
        By::AsOwner => run.members.iter().map(of_the_owner).sum(),
        // Keys of the group, and data that it could read.
        By::OtherGroup => other.map_or(0, |other| got(other) + read(other, [0, u64::MAX])),
        // Members that are in the group of a rogue.
        By::RogueOwner => run.members.iter().map(got).sum(),
        // Keys that the one whose certificate is revoked got.
        By::Revoked { .. } => other.map_or(0, got),
        // Keys of a NAF for whom they are not, and what it reads.
        By::StolenInvitation | By::NotListed | By::Flood => {
            other.map_or(0, |other| got(other) + read(other, [0, u64::MAX]))
        }
        By::OldInvitation => {
            let Timeline { rekey, end, .. } = run.timeline;
            other.map_or(0, |other| count(other, [rekey, end], &Sort::Got))
        }
        By::CuriousNaf => other.map_or(0, |other| read(other, [0, u64::MAX])),
        // Keys beyond the first and the new one.
        By::RepeatsKeys | By::LosesKeys => {
            noise + run.members.iter().map(|member| got(member).saturating_sub(2)).sum::<usize>()
        }
    }
}

/// Requests for keys that a UE made.
pub(crate) fn asked(entries: &Entries) -> u64 {
    count(entries, [0, u64::MAX], &Sort::Asked) as u64
}

/// Returns the name of the first phase.
const fn first_phase(solution: Solution) -> &'static str {
    match solution {
        Solution::Identity | Solution::AdHoc => "distribution",
        Solution::Pkmf => "delivery",
        Solution::Invitation => "invitations",
        Solution::Owner | Solution::WhiteList => "joins",
    }
}

/// The PDUs of data that a UE sent, with their subframes; each comes as often as it was transmitted.
fn sent_data(entries: &Entries) -> impl Iterator<Item = (u64, &DataPdu)> {
    entries.iter().filter_map(|(t, entry)| match entry {
        Entry::Block { data: Some(data), .. } => Some((*t, data)),
        _ => None,
    })
}

/// Returns a PDU that has PGK, PTK Identity and SN of another one. Repetitions of a block are the same PDU. The PGK of the
/// second call may have the index of the first.
fn reused(entries: &Entries, second_call: u64) -> Option<DataPdu> {
    let mut known = BTreeMap::new();
    let other = |(t, pdu): &(u64, &DataPdu)| {
        let first = known.entry((*t >= second_call, pdu.header)).or_insert_with(|| pdu.content.clone());
        *first != pdu.content
    };
    sent_data(entries).find(other).map(|(_, pdu)| pdu.clone())
}

/// Whether the caller sent under one key before it was killed, and after it started again.
fn resumed(run: &Run) -> bool {
    let down = run.timeline.down();
    let within = |span: [u64; 2]| -> BTreeSet<_> {
        let data = sent_data(&run.members[0]).filter(|(t, _)| within(*t, span));
        data.filter_map(|(_, pdu)| pdu.pgk_index()).collect()
    };
    let before = within([run.timeline.call, down.start]);
    !before.is_disjoint(&within([down.end, run.timeline.rekey]))
}

/// Data that a UE believed to be the owner's.
fn of_the_owner(entries: &Entries) -> usize {
    let owner = Party::Manager.layer2_id();
    let is_his = |entry: &Entry| matches!(entry, Entry::Data { from, number: Some(_) } if *from == owner);
    entries.iter().filter(|(_, entry)| is_his(entry)).count()
}

/// Whether each epoch of an owner is later than the one before.
fn epochs_grow(run: &Run) -> bool {
    let epoch = |(_, entry): &(u64, Entry)| match entry {
        Entry::Key(GroupEvent::Owner(Event::Epoch { epoch, .. })) => Some(*epoch),
        _ => None,
    };
    run.manager.iter().filter_map(epoch).is_sorted_by(|one, next| one < next)
}

fn count(entries: &Entries, span: [u64; 2], wanted: &Sort) -> usize {
    entries.iter().filter(|(t, entry)| within(*t, span) && is(entry, wanted)).count()
}

const fn within(t: u64, [from, to]: [u64; 2]) -> bool {
    from <= t && t < to
}

fn is(entry: &Entry, wanted: &Sort) -> bool {
    matches!(entry, Entry::Key(event) if sort(event) == *wanted)
}

fn phase(run: &Run, name: &str, span: [u64; 2], wanted: Option<&Sort>, of: usize) -> Phase {
    let first = |entries: &Entries| {
        let wanted = wanted?;
        entries.iter().find(|(t, entry)| within(*t, span) && is(entry, wanted)).map(|(t, _)| *t)
    };
    let times: Vec<u64> = run.members.iter().filter_map(first).collect();
    let mut phase = Phase {
        name: name.to_owned(),
        ms: times.iter().max().map(|last| last - span[0]),
        reached: times.len(),
        of,
        ..Phase::default()
    };
    let mut periods = BTreeSet::new();
    let all: Vec<&Entries> = run.members.iter().chain([&run.manager]).collect();
    for entries in &all {
        spend(&mut phase, entries, span, run.period, &mut periods);
    }
    phase.n_tb = phase.sf_pssch / REPETITIONS;
    phase.sc_periods = periods.len() as u64;
    let is_for_all = wanted == Some(&Sort::Got);
    let sender = if is_for_all { &run.manager } else { &run.members[0] };
    let sent = sender.iter().filter(|(t, e)| within(*t, span) && matches!(e, Entry::Sent { .. })).count();
    phase.cpu_sender_us = cpu(sender, span) / sent.max(1) as f64;
    let hearers = if is_for_all { &run.members[..] } else { &run.members[1..] };
    let cpu = hearers.iter().fold(0.0, |sum, member| sum + cpu(member, span));
    phase.cpu_member_us = cpu / hearers.len().max(1) as f64;
    phase.sent = spoken(run, span);
    phase.delivered = hearers.iter().map(|member| read(member, span)).sum();
    phase
}

/// Adds what one UE spent on messages about keys. `periods` are the SC periods in which it or others did.
fn spend(phase: &mut Phase, entries: &Entries, span: [u64; 2], period: u64, periods: &mut BTreeSet<u64>) {
    let (mut control, mut own) = (BTreeMap::<u64, u64>::new(), BTreeSet::new());
    for (t, entry) in entries.iter().filter(|(t, _)| within(*t, span)) {
        match entry {
            Entry::Sent { octets, pdu_octets, .. } => {
                phase.msgs += 1;
                phase.octets += *octets as u64;
                phase.pdu_octets += *pdu_octets as u64;
            }
            Entry::Step { writes, .. } => phase.durable_writes += writes,
            Entry::Sci => *control.entry(t / period).or_default() += 1,
            Entry::Block { parts, .. } if parts.iter().any(|(lcid, _)| SIGNALLING.contains(lcid)) => {
                phase.sf_pssch += 1;
                own.insert(t / period);
            }
            _ => {}
        }
    }
    phase.sf_pscch += own.iter().filter_map(|period| control.get(period)).sum::<u64>();
    periods.extend(own);
}

/// Microseconds of the machines of one UE.
fn cpu(entries: &Entries, span: [u64; 2]) -> f64 {
    let step = |(t, entry): &(u64, Entry)| match entry {
        Entry::Step { cpu_us, .. } if within(*t, span) => Some(*cpu_us),
        _ => None,
    };
    entries.iter().filter_map(step).fold(0.0, |sum, us| sum + us)
}

/// Messages of the call that the first member sent.
fn spoken(run: &Run, span: [u64; 2]) -> usize {
    let data = |(t, entry): &&(u64, Entry)| match entry {
        Entry::Block { parts, .. } => within(*t, span) && parts.iter().any(|(lcid, _)| *lcid == DATA),
        _ => false,
    };
    run.members[0].iter().filter(data).count() / REPETITIONS as usize
}

/// Messages of the call that a UE could read.
fn read(entries: &Entries, span: [u64; 2]) -> usize {
    entries
        .iter()
        .filter(|(t, e)| within(*t, span) && matches!(e, Entry::Data { number: Some(_), .. }))
        .count()
}

fn thief(run: &Run) -> Thief {
    let Timeline { call, rekey, second_call, end, .. } = run.timeline;
    let [before, after] = [[call, rekey], [second_call, end]];
    let heard = |span| run.other.as_ref().map_or(0, |other| read(other, span));
    Thief {
        sent_before: spoken(run, before),
        read_before: heard(before),
        sent_after: spoken(run, after),
        read_after: heard(after),
    }
}

/// Refusals of members and of an owner, with their reasons.
fn refused(case: &GroupCase<'_>, run: &Run) -> BTreeMap<String, u64> {
    let mut refused = BTreeMap::new();
    let owner = (case.scenario.solution == Solution::Owner).then_some(&run.manager);
    // Refusals by the network count as well.
    let attacker = run.other.iter().filter(|_| run.network.is_some() && !run.has_thief);
    for (_, entry) in run.members.iter().chain(owner).chain(attacker).flatten() {
        let why = match entry {
            Entry::Key(event) => match sort(event) {
                Sort::Refused(why) => why,
                _ => continue,
            },
            Entry::Dropped { why, .. } => why.clone(),
            _ => continue,
        };
        *refused.entry(why).or_default() += 1;
    }
    refused
}
