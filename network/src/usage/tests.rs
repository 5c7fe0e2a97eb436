//! X5.2: logs of two UEs and a group, a ProSe Function, attackers at the disk and on the way, crashes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::own::accounting_key;
use sidelink_security::keys::{AccountingKey, KsNaf};

use super::messages::{Message, RecordKind, Report, ReportList, UsageCause};
use super::*;
use crate::pc3::{Imsi, Plmn};
use crate::prose_function::RequestId;

const START: u64 = 1_785_000_000_000;
const PERIOD: u64 = 300_000;
const ANNA: u32 = 1;
const BERT: u32 = 2;
const TEAM: Layer2Id = Layer2Id([0, 0, 0xff]);

fn imsi(number: u32) -> Imsi {
    Imsi::new(Plmn::new("001", "01").unwrap(), &format!("{number:010}")).unwrap()
}

fn id(number: u32) -> Layer2Id {
    Layer2Id([0, 0, number as u8])
}

fn key(number: u32) -> AccountingKey {
    accounting_key(&KsNaf::from([number as u8; 32]))
}

fn config(number: u32) -> LogConfig {
    LogConfig {
        ue: imsi(number),
        local: id(number),
        address: format!("10.0.0.{number}").parse().unwrap(),
        groups: vec![(TEAM, "224.0.0.7".parse().unwrap())],
        period: PERIOD,
        patience: 10_000,
        records: 1_000,
    }
}

/// A UE with its disk.
struct Ue {
    log: UsageLog,
    disk: LogDurable,
    disk_works: bool,
    writes: usize,
    sns: BTreeMap<Party, u32>,
    events: Vec<LogEvent>,
}

struct World {
    now: UtcTime,
    ues: BTreeMap<u32, Ue>,
    adf: Adf,
    taken: BTreeMap<Imsi, Vec<Record>>,
    events: Vec<AdfEvent>,
    /// Keys of the transports, where they are not the first ones.
    sessions: BTreeMap<u32, u32>,
    /// Answers that are lost: so many of the next.
    lost: usize,
    octets: usize,
    uploads: usize,
}

impl World {
    fn new() -> Self {
        let config = AdfConfig { chain: ChainPolicy::Required, ues: 100, waiting: 10 };
        let mut world = Self {
            now: UtcTime::from_millis(START),
            ues: BTreeMap::new(),
            adf: Adf::new(config, Vec::new()),
            taken: BTreeMap::new(),
            events: Vec::new(),
            sessions: BTreeMap::new(),
            lost: 0,
            octets: 0,
            uploads: 0,
        };
        for number in [ANNA, BERT] {
            world.start(number, LogDurable::first(imsi(number)));
            world.input(number, LogInput::Key(key(number)));
        }
        world.coverage(RadioCoverage::In);
        world.coverage(RadioCoverage::Out);
        world.events.clear();
        world
    }

    fn start(&mut self, number: u32, disk: LogDurable) {
        let kept = disk.records.clone();
        let again = LogDurable {
            records: kept,
            key: disk.key.as_ref().map(|key| AccountingKey::from(*key.as_bytes())),
            ..disk
        };
        let log = UsageLog::new(config(number), disk, self.now);
        let sns = self.ues.remove(&number).map(|ue| ue.sns).unwrap_or_default();
        let ue = Ue { log, disk: again, disk_works: true, writes: 0, sns, events: Vec::new() };
        self.ues.insert(number, ue);
        self.drain(number);
    }

    /// Kills a UE and starts it again from its disk.
    fn crash(&mut self, number: u32) {
        let ue = self.ues.remove(&number).unwrap();
        self.start(number, ue.disk);
        let session = self.sessions.get(&number).copied().unwrap_or(number);
        self.input(number, LogInput::Key(key(session)));
    }

    fn coverage(&mut self, coverage: RadioCoverage) {
        for number in [ANNA, BERT] {
            self.input(number, LogInput::Coverage { now: self.now, coverage });
        }
    }

    fn input(&mut self, number: u32, input: LogInput<'_>) {
        self.ues.get_mut(&number).unwrap().log.handle_input(input);
        self.drain(number);
    }

    fn drain(&mut self, number: u32) {
        loop {
            let ue = self.ues.get_mut(&number).unwrap();
            match ue.log.poll_output() {
                LogOutput::Store { ticket, change } if ue.disk_works => {
                    ue.disk.apply(change);
                    ue.writes += 1;
                    ue.log.handle_input(LogInput::Stored(ticket));
                }
                LogOutput::Store { ticket, .. } => ue.log.handle_input(LogInput::StoreFailed(ticket)),
                LogOutput::Request { request, body } => {
                    self.octets += body.len();
                    self.uploads += 1;
                    let answer = self.deliver(number, request, body.as_bytes());
                    if self.lost > 0 {
                        self.lost -= 1;
                    } else if let Some(body) = answer {
                        self.octets += body.len();
                        let (now, body) = (self.now, body.as_bytes());
                        let ue = self.ues.get_mut(&number).unwrap();
                        ue.log.handle_input(LogInput::Response { now, request, body });
                    }
                }
                LogOutput::Event(event) => ue.events.push(event),
                LogOutput::Timeout(_) => return,
            }
        }
    }

    /// To the ProSe Function, over the session of this UE.
    fn deliver(&mut self, number: u32, request: RequestId, body: &[u8]) -> Option<String> {
        let session = key(self.sessions.get(&number).copied().unwrap_or(number));
        let (now, ue) = (self.now, imsi(number));
        self.adf.handle_input(AdfInput::Message { now, request, ue, session, body });
        let mut answer = None;
        loop {
            match self.adf.poll_output() {
                AdfOutput::Respond { body, .. } => answer = Some(body.to_string()),
                AdfOutput::Store { ticket, records, .. } => {
                    self.taken.entry(ue).or_default().extend(records);
                    self.adf.handle_input(AdfInput::Stored(ticket));
                }
                AdfOutput::Event(event) => self.events.push(event),
                AdfOutput::Malformed { .. } | AdfOutput::Busy { .. } => {}
                AdfOutput::Wait => return answer,
            }
        }
    }

    /// A packet of one UE to another, heard by it or not.
    fn packet(&mut self, from: u32, to: u32, octets: u64, heard: bool) {
        let sender = self.ues.get_mut(&from).unwrap();
        let sn = sender.sns.entry(Party::Peer(id(to))).or_insert(0);
        *sn += 1;
        let (sn, now) = (*sn, self.now);
        let flow = Flow::Sent(Party::Peer(id(to)));
        self.input(from, LogInput::Traffic { now, flow, octets, sn });
        if heard {
            let flow = Flow::Received { party: Party::Peer(id(from)), from: id(from) };
            self.input(to, LogInput::Traffic { now, flow, octets, sn });
        }
    }

    /// So many periods out of coverage, with a packet each minute both ways.
    fn talk(&mut self, periods: u64) {
        for _ in 0..periods * (PERIOD / 60_000) {
            self.packet(ANNA, BERT, 1_000, true);
            self.packet(BERT, ANNA, 500, true);
            self.now = self.now.plus_millis(60_000);
        }
    }

    fn upload(&mut self) {
        self.now = self.now.plus_millis(PERIOD);
        self.coverage(RadioCoverage::In);
        for _ in 0..20 {
            self.now = self.now.plus_millis(10_000);
            for number in [ANNA, BERT] {
                self.input(number, LogInput::Tick { now: self.now });
            }
        }
        self.coverage(RadioCoverage::Out);
    }

    fn compare(&self) -> Vec<Finding> {
        let none = Vec::new();
        let reports: Vec<Reported<'_>> = [ANNA, BERT]
            .iter()
            .map(|number| {
                let ue = imsi(*number);
                let complete_until = self.adf.account(ue).unwrap().complete_until;
                Reported { ue, records: self.taken.get(&ue).unwrap_or(&none), complete_until }
            })
            .collect();
        compare(&reports, 50)
    }

    fn broken(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, AdfEvent::ChainBroken { .. })).count()
    }

    /// Octets that the PLMN has of one UE.
    fn sent(&self, number: u32) -> u64 {
        let records = self.taken.get(&imsi(number)).map(Vec::as_slice).unwrap_or_default();
        let lines = records.iter().flat_map(Record::lines);
        lines.filter(|line| matches!(line.flow, Flow::Sent(_))).map(|line| line.octets).sum()
    }
}

#[test]
fn what_went_out_of_coverage_is_uploaded_and_both_ends_agree() {
    let mut world = World::new();
    let before = world.ues[&ANNA].writes;
    world.talk(12);
    let writes = world.ues[&ANNA].writes - before;
    (world.octets, world.uploads) = (0, 0);
    world.upload();
    assert_eq!((world.sent(ANNA), world.sent(BERT)), (60_000, 30_000));
    assert_eq!((world.compare(), world.broken()), (vec![], 0));
    assert!(world.ues.values().all(|ue| ue.disk.records.is_empty()), "uploaded and forgotten");
    // An hour of one link: so much over PC3ch for both ends, and so many writes of one.
    let (octets, uploads) = (world.octets, world.uploads);
    assert!(octets <= 18_000 && uploads <= 4, "{octets} octets of both UEs in {uploads} uploads");
    assert!(writes <= 12, "{writes}");
    // A second upload has what is new, and no more.
    world.talk(1);
    world.upload();
    assert_eq!((world.sent(ANNA), world.compare()), (65_000, vec![]));
}

#[test]
fn a_group_is_reported_as_the_standard_has_it() {
    let mut world = World::new();
    let (party, now) = (Party::Group(TEAM), world.now);
    for sn in 1..=3 {
        let flow = Flow::Sent(party);
        world.input(ANNA, LogInput::Traffic { now, flow, octets: 100, sn });
        let flow = Flow::Received { party, from: id(ANNA) };
        world.input(BERT, LogInput::Traffic { now, flow, octets: 100, sn });
    }
    world.upload();
    assert_eq!(world.compare(), []);
    let record = world.taken[&imsi(BERT)].iter().find(|record| !record.lines().is_empty()).unwrap().clone();
    let list = |reports| ReportList {
        transaction: crate::pc3::TransactionId::new(1).unwrap(),
        ue: imsi(BERT),
        reports,
        chain: None,
    };
    let text = Message::ReportList(list(vec![Report::of(&record, &config(BERT))])).to_xml();
    for part in [
        r#"<prose-pc3ch-message xmlns="urn:3GPP:ns:ProSe:PC3ch:2014""#,
        r#"<group prose-layer2-group-ID="0000FF" prose-group-IP-multicast-address="224.0.0.7"><UE-source-IP-address>10.0.0.2</UE-source-IP-address><prose-UE-id>000002</prose-UE-id><transmitter source-IP-address="0.0.0.0" prose-UE-id="000001"></transmitter><reception in-coverage="false" amount="300">"#,
    ] {
        assert!(text.contains(part), "{}", *text);
    }
    let Ok(Message::ReportList(mut read)) = Message::from_xml(text.as_bytes()) else { panic!() };
    assert_eq!(read.reports.remove(0).record(), Some(record));
}

// X5.2-1
/// Every record of the disk changed in every part, removed, doubled, moved: the chain breaks each time.
#[test]
fn a_record_that_is_changed_removed_or_moved_breaks_the_chain() {
    type Edit = fn(&mut Vec<(Record, Head, KeyName)>, usize);
    fn line(record: &mut Record) -> &mut Line {
        match &mut record.content {
            Content::Usage(lines) => &mut lines[0],
            Content::Lost => unreachable!(),
        }
    }
    let edits: [Edit; 11] = [
        |records, at| drop(records.remove(at)),
        |records, at| {
            // Removed, and the places of the others closed up.
            records.remove(at);
            records[at..].iter_mut().for_each(|(record, ..)| record.seq -= 1);
        },
        |records, at| records.swap(at, at + 1),
        |records, at| {
            let double = records[at].clone();
            records.insert(at, double);
        },
        |records, at| line(&mut records[at].0).octets = 1,
        |records, at| line(&mut records[at].0).last_sn -= 1,
        |records, at| line(&mut records[at].0).flow = Flow::Sent(Party::Peer(id(9))),
        |records, at| records[at].0.to = records[at].0.to.plus_millis(1),
        |records, at| records[at].0.number += 1,
        |records, at| records[at].0.local = id(9),
        |records, at| records[at].0.content = Content::Lost,
    ];
    for (what, edit) in edits.iter().enumerate() {
        for at in 0..3 {
            let mut world = World::new();
            world.talk(5);
            world.now = world.now.plus_millis(PERIOD);
            world.input(ANNA, LogInput::Tick { now: world.now });
            let mut ue = world.ues.remove(&ANNA).unwrap();
            assert_eq!(ue.disk.records.len(), 5);
            ue.disk.open = false;
            edit(&mut ue.disk.records, at);
            world.start(ANNA, ue.disk);
            world.input(ANNA, LogInput::Key(key(ANNA)));
            world.upload();
            assert!(world.broken() > 0, "edit {what} of record {at}");
            assert_eq!(world.sent(ANNA), 0, "nothing of it is taken");
        }
    }
}

// X5.2-1
/// Somebody on the way, or at another UE, without the key: changed text, another one's list, an old list.
#[test]
fn a_list_is_of_one_ue_one_key_and_one_time() {
    let mut world = World::new();
    world.talk(2);
    world.lost = usize::MAX;
    world.upload();
    let ue = &world.ues[&ANNA];
    let reports: Vec<Report> =
        ue.disk.records.iter().map(|(record, ..)| Report::of(record, &config(ANNA))).collect();
    let (_, head, name) = ue.disk.records.last().unwrap().clone();
    let list = ReportList {
        transaction: crate::pc3::TransactionId::new(1).unwrap(),
        ue: imsi(ANNA),
        reports,
        chain: Some(messages::ChainInfo { key: name, head }),
    };
    let text = Message::ReportList(list).to_xml().to_string();
    let mut world = World::new();
    let refused = |world: &mut World, number: u32, text: &str, cause: UsageCause| {
        let answer = world.deliver(number, RequestId(1), text.as_bytes()).unwrap();
        let Ok(Message::Response(response)) = Message::from_xml(answer.as_bytes()) else { panic!() };
        assert_eq!(response.rejected.unwrap().cause, cause);
    };
    refused(&mut world, ANNA, &text.replace("amount=\"5000\"", "amount=\"5001\""), UsageCause::Unable);
    refused(&mut world, BERT, &text, UsageCause::AuthorisationFailure);
    refused(&mut world, ANNA, &text[..].replace("own:chain", "own:chains"), UsageCause::Unable);
    let other_key = text.replace(&format!("key=\"{}\"", hex::encode_upper(name.0)), "key=\"00000000\"");
    refused(&mut world, ANNA, &other_key, UsageCause::Unable);
    assert!(world.events.contains(&AdfEvent::UnknownKey { ue: imsi(ANNA) }));
    refused(&mut world, ANNA, &text.replace("kind=\"0\"", "kind=\"1\""), UsageCause::InvalidFormat);
    assert!(world.deliver(ANNA, RequestId(1), text.as_bytes()).unwrap().contains("response-accept"));
    let sent = world.sent(ANNA);
    // Once more, word for word: taken as what it is, an answer that was lost.
    assert!(world.deliver(ANNA, RequestId(2), text.as_bytes()).unwrap().contains("response-accept"));
    assert_eq!((world.sent(ANNA), sent), (10_000, 10_000));
}

// X5.2-2
#[test]
fn an_end_that_is_cut_off_is_seen_by_the_other_end() {
    let mut world = World::new();
    world.talk(6);
    world.now = world.now.plus_millis(PERIOD);
    world.input(ANNA, LogInput::Tick { now: world.now });
    // The last two records go, and the head with them: what is left is a right chain.
    let mut ue = world.ues.remove(&ANNA).unwrap();
    let cut = ue.disk.records.len() - 2;
    ue.disk.records.truncate(cut);
    let (last, head, _) = ue.disk.records.last().unwrap().clone();
    (ue.disk.next, ue.disk.head, ue.disk.open) = (last.seq + 1, head, false);
    world.start(ANNA, ue.disk);
    world.input(ANNA, LogInput::Key(key(ANNA)));
    world.upload();
    assert_eq!((world.broken(), world.sent(ANNA)), (0, 20_000), "the chain says nothing");
    let (sender, receiver) = (imsi(ANNA), imsi(BERT));
    let findings = world.compare();
    assert!(
        findings.contains(&Finding::MoreReceived { sender, receiver, sent: 20_000, received: 30_000 }),
        "{findings:?}"
    );
    let missing = |finding: &&Finding| matches!(finding, Finding::NotSent { sn, .. } if sn.0 > 20);
    assert_eq!(findings.iter().filter(missing).count(), 2, "{findings:?}");
    // What it received and cut off as well is missing too, but not below what a radio may lose.
    assert!(!findings.iter().any(|finding| matches!(finding, Finding::FarLessReceived { .. })));
    assert_eq!(findings.len(), 3, "{findings:?}");
}

// X5.2-3
#[test]
fn a_crash_takes_one_record_at_most_and_it_is_marked() {
    for minutes in 0..12 {
        let mut world = World::new();
        for minute in 0..20 {
            if minute == minutes {
                world.crash(ANNA);
                assert!(world.ues[&ANNA].events.contains(&LogEvent::LostPeriod));
            }
            world.packet(ANNA, BERT, 1_000, true);
            world.now = world.now.plus_millis(60_000);
        }
        world.upload();
        let records = &world.taken[&imsi(ANNA)];
        let lost: Vec<&Record> = records.iter().filter(|record| record.content == Content::Lost).collect();
        assert_eq!((lost.len(), world.broken()), (1, 0), "minute {minutes}");
        // Less than one period is missing, and the marker is where it is missing.
        let missing = 20_000 - world.sent(ANNA);
        assert!(missing <= 5_000, "minute {minutes}: {missing}");
        let findings = world.compare();
        assert!(
            findings.iter().any(|finding| matches!(finding, Finding::Lost { ue, .. } if *ue == imsi(ANNA)))
        );
        assert_eq!(findings.iter().any(|f| matches!(f, Finding::MoreReceived { .. })), missing > 0);
    }
}

/// A UE that is shut down in order loses nothing, and says so.
#[test]
fn an_orderly_end_marks_nothing() {
    let mut world = World::new();
    world.packet(ANNA, BERT, 1_000, true);
    world.input(ANNA, LogInput::Close { now: world.now });
    world.crash(ANNA);
    world.upload();
    assert_eq!((world.sent(ANNA), world.compare()), (1_000, vec![]));
}

/// A disk that fails for a while: nothing is sent that is not durable, nothing is lost.
#[test]
fn what_is_not_durable_is_not_uploaded() {
    let mut world = World::new();
    world.talk(2);
    world.ues.get_mut(&ANNA).unwrap().disk_works = false;
    world.talk(2);
    world.upload();
    let before = world.sent(ANNA);
    assert!(before <= 10_000, "{before}");
    world.ues.get_mut(&ANNA).unwrap().disk_works = true;
    world.upload();
    assert_eq!((world.sent(ANNA), world.compare()), (20_000, vec![]));
}

// X5.2-4
/// (X) Two UEs whose logs leave out the same packets: both chains are right, and nothing tells.
#[test]
fn two_that_leave_out_the_same_are_not_found() {
    let mut world = World::new();
    world.talk(2);
    // Four packets in five are never shown to the logs.
    let honest = world.ues[&ANNA].sns.clone();
    for _ in 0..10 {
        world.now = world.now.plus_millis(60_000);
    }
    world.ues.get_mut(&ANNA).unwrap().sns = honest;
    world.talk(1);
    world.upload();
    assert_eq!((world.compare(), world.broken()), (vec![], 0));
    assert_eq!(world.sent(ANNA), 15_000, "of 25 000 octets that went");
    // One of them alone is found.
    let mut world = World::new();
    world.talk(1);
    let (now, flow) = (world.now, Flow::Received { party: Party::Peer(id(ANNA)), from: id(ANNA) });
    world.input(BERT, LogInput::Traffic { now, flow, octets: 1_000, sn: 6 });
    world.upload();
    assert!(matches!(world.compare()[..], [Finding::MoreReceived { .. }, Finding::NotSent { .. }]));
}

/// (X) Who has the key of a UE makes a chain of its own, which is right; the other end still shows it.
#[test]
fn who_has_the_key_is_found_by_the_other_end_alone() {
    let mut world = World::new();
    world.talk(3);
    world.now = world.now.plus_millis(PERIOD);
    world.input(ANNA, LogInput::Tick { now: world.now });
    let mut ue = world.ues.remove(&ANNA).unwrap();
    let mut head = world.adf.account(imsi(ANNA)).unwrap().head;
    for (record, after, _) in &mut ue.disk.records {
        if let Content::Usage(lines) = &mut record.content {
            lines.iter_mut().for_each(|line| line.octets /= 10);
        }
        head = head.after(&key(ANNA), record);
        *after = head;
    }
    (ue.disk.head, ue.disk.open) = (head, false);
    world.start(ANNA, ue.disk);
    world.input(ANNA, LogInput::Key(key(ANNA)));
    world.upload();
    assert_eq!((world.broken(), world.sent(ANNA)), (0, 1_500));
    let findings = world.compare();
    assert!(findings.iter().any(|finding| matches!(finding, Finding::MoreReceived { .. })), "{findings:?}");
    assert!(
        findings.iter().any(|finding| matches!(finding, Finding::FarLessReceived { .. })),
        "{findings:?}"
    );
}

/// Answers that are lost, keys that change meanwhile: every octet once.
#[test]
fn a_new_key_and_lost_answers_count_nothing_twice() {
    let mut world = World::new();
    for round in 0..3 {
        world.talk(2);
        world.sessions.insert(ANNA, 50 + round);
        world.input(ANNA, LogInput::Key(key(50 + round)));
        world.lost = 2;
        world.upload();
    }
    world.upload();
    assert_eq!((world.sent(ANNA), world.sent(BERT)), (30_000, 15_000));
    assert_eq!((world.compare(), world.broken()), (vec![], 0));
}

#[test]
fn keys_are_not_printed() {
    let change = format!("{:?}", LogChange::Key(key(ANNA)));
    assert_eq!(change, "Key(AccountingKey(redacted))");
    assert_ne!(KeyName::of(&key(1)), KeyName::of(&key(2)));
    assert!(RecordKind::ALL.len() == 2);
}

fn any_line() -> impl Strategy<Value = Line> {
    (
        any::<bool>(),
        any::<bool>(),
        any::<[u8; 3]>(),
        any::<[u8; 3]>(),
        0..u64::MAX / 100,
        any::<(u32, u32)>(),
        0..1_u64 << 41,
    )
        .prop_map(|(group, sent, a, b, octets, (first_sn, last_sn), at)| {
            let party = if group { Party::Group(Layer2Id(a)) } else { Party::Peer(Layer2Id(a)) };
            let flow = if sent { Flow::Sent(party) } else { Flow::Received { party, from: Layer2Id(b) } };
            Line { flow, octets, first_sn, last_sn, first_at: UtcTime::from_millis(at) }
        })
}

proptest! {
    /// A record is the same behind the XML of a report, whatever it says.
    #[test]
    fn a_record_survives_its_report(lines in proptest::collection::vec(any_line(), 0..20), seq: u64, number: u32) {
        let lines: BTreeMap<Flow, Line> = lines.into_iter().map(|line| (line.flow, line)).collect();
        let content = Content::Usage(lines.into_values().collect());
        let (from, to) = (UtcTime::from_millis(START), UtcTime::from_millis(START + 1));
        let in_coverage = RadioCoverage::Out;
        let record = Record { seq, number, local: id(7), in_coverage, from, to, content };
        let list = ReportList {
            transaction: crate::pc3::TransactionId::new(1).unwrap(),
            ue: imsi(7),
            reports: vec![Report::of(&record, &config(7))],
            chain: None,
        };
        let text = Message::ReportList(list).to_xml();
        let Ok(Message::ReportList(mut read)) = Message::from_xml(text.as_bytes()) else { panic!() };
        prop_assert_eq!(read.reports.remove(0).record(), Some(record));
    }

    /// Any bytes to both ends.
    #[test]
    fn any_bytes_are_answered(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..5)) {
        let mut world = World::new();
        for body in bodies {
            let _ = world.deliver(ANNA, RequestId(9), &body);
            let now = world.now;
            world.input(ANNA, LogInput::Response { now, request: RequestId(0), body: &body });
        }
        world.talk(1);
        world.upload();
        prop_assert_eq!(world.sent(ANNA), 5_000);
    }
}
