use super::{EXAMPLE, RadioFacts, UeConfig};
use crate::config::ue_toml::Draws;
use sidelink_mac::engine;
use sidelink_prose::{direct_link, discovery::agent};
use sidelink_radio::Transmit;
use sidelink_radio::{self as radio, Anchor, RadioError};
use sidelink_store::{Cipher, Discovery as Code, Group, Hex, Keys, Protection, random};
use sidelink_ue::{Application, Event, Moment, NoStore, Role, Sample, Send, Stage, Totals, U2uReport, Ue};
use std::sync::{Arc, Mutex};

mod clock_back;
pub(crate) mod identities;
mod late;
mod line;
mod lists;
mod privacy;
mod relay;
mod skip;

/// The transmissions of a UE: bursts by their first samples.
#[derive(Default)]
struct Antenna {
    bursts: Vec<(u64, Vec<Sample>)>,
    promised: u64,
}

impl Transmit for Antenna {
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError> {
        assert!(first + 2 >= self.promised, "sent {first} after the promise of {}", self.promised);
        self.bursts.push((first, burst.to_vec()));
        Ok(())
    }

    fn advance(&mut self, until: u64) -> Result<(), RadioError> {
        self.promised = self.promised.max(until);
        Ok(())
    }

    fn poll_event(&mut self) -> Option<radio::Event> {
        None
    }
}

/// Connects all UEs, each with its own delay in samples on the way out, over a little noise.
fn air(ues: &mut [(Ue, i64)], subframes: usize) {
    air_with_line(ues, subframes, Sample::default());
}

/// Connects all UEs through receivers that add a line at 0 Hz.
fn air_with_line(ues: &mut [(Ue, i64)], subframes: usize, line: Sample) {
    let n = ues[0].0.subframe_samples();
    let mut antennas: Vec<Antenna> = ues.iter().map(|_| Antenna::default()).collect();
    let mut noise: Vec<_> =
        (0..ues.len()).map(|i| sidelink_phy::impair::awgn::Awgn::new(1e-4, i as u64 + 1)).collect();
    let mut samples = vec![Sample::default(); n / 2];
    for step in 0..2 * subframes {
        let (first, len) = ((step * (n / 2)) as i64, (n / 2) as i64);
        for i in 0..ues.len() {
            samples.fill(Sample::default());
            for (j, antenna) in antennas.iter().enumerate().filter(|(j, _)| *j != i) {
                for (at, burst) in &antenna.bursts {
                    let at = *at as i64 + ues[j].1 - ues[i].1;
                    for (k, s) in burst.iter().enumerate() {
                        let place = at + k as i64 - first;
                        if (0..len).contains(&place) {
                            samples[place as usize] += s;
                        }
                    }
                }
            }
            noise[i].process(&mut samples);
            samples.iter_mut().for_each(|x| *x += line);
            let newest = (first + len) as u64;
            ues[i].0.process(first as u64, &samples, newest, &mut antennas[i]).unwrap();
        }
        for antenna in &mut antennas {
            antenna.bursts.retain(|(at, burst)| *at as i64 + burst.len() as i64 + 4 * len > first);
        }
    }
}

/// Records the events of a UE.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Application for Diary {
    fn work(&mut self, _now: Moment, _send: &mut Send<'_>) {}

    fn event(&mut self, _now: Moment, event: &Event<'_>) {
        let line = match event {
            Event::Mac(engine::Event::Received(sdu)) => {
                format!("received {} {:?}", String::from_utf8_lossy(sdu.data), sdu.assurance)
            }
            Event::Mac(engine::Event::Dropped(drop)) => format!("dropped {}", drop.cause.outcome().as_str()),
            Event::Discovery { name, event } => match event {
                agent::Event::Discovered(found) => {
                    format!("discovered {name} {}", found.finding.outcome().as_str())
                }
                agent::Event::Dropped(dropped) => format!("dropped {}", dropped.outcome().as_str()),
                agent::Event::Silent { refusal, .. } => format!("silent {name} {refusal}"),
                agent::Event::Unfollowable(error) => format!("trouble {error}"),
                _ => return,
            },
            Event::Link(event) => match event {
                direct_link::Event::State { state, .. } => format!("link {state}"),
                direct_link::Event::Received(received) => {
                    format!("over the link {}", String::from_utf8_lossy(&received.data))
                }
                direct_link::Event::Note(note) => format!("note {note}"),
                direct_link::Event::Message(_) => return,
            },
            Event::Warning(warning) => format!("trouble {warning}"),
            Event::SendsAgain(subframes) => format!("note this UE sends again after {subframes}"),
            Event::U2u(report) => match report {
                U2uReport::Event(event) => format!("path {event:?}"),
                U2uReport::Link(direct_link::Event::State { state, .. }) => format!("end to end {state}"),
                U2uReport::Link(direct_link::Event::Received(received)) => {
                    format!("from end to end {}", String::from_utf8_lossy(&received.data))
                }
                U2uReport::Link(direct_link::Event::Note(note)) => format!("note end to end {note}"),
                U2uReport::Data { data, .. } => format!("routed {}", String::from_utf8_lossy(data)),
                _ => return,
            },
            Event::Ip(event) => format!("ip {event}"),
            Event::LinkPdu(_)
            | Event::LinkChanged(_)
            | Event::LinkStep { .. }
            | Event::GroupKeys(_)
            | Event::Relay(_) => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Diary {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

const UTC: i64 = 1_800_000_000;

fn keys() -> Keys {
    let mut group = Group {
        name: "fire".into(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: Cipher::Aes,
        mac: None,
        member: vec!["alice=0000a1".parse().unwrap(), "bob=0000b2".parse().unwrap()],
        pgk: Vec::new(),
    };
    group.new_pgk(0, u32::MAX).unwrap();
    let mut friend = Code::new("friend", Protection::Rotating, u32::MAX);
    friend.prose_id = Some(random(20).unwrap());
    friend.application_key = Some(random(32).unwrap());
    friend.period_ms = Some(100);
    friend.announcer = Some("alice".into());
    friend.monitors = vec!["bob".into()];
    Keys { group: vec![group], discovery: vec![friend], ..Keys::default() }
}

const RADIO: &str = r#"
[radio]
prb = 15
tm = 2
[radio.sync]
offset = [0, 20]
[[radio.communication]]
period = 40
control-bitmap = "0111 1000"
control-prb = { start = 0, end = 14, num = 7 }
data-bitmap = "1111 1111 1110 1111 1111 1111 1111 1111"
data-offset = 8
data-prb = { start = 0, end = 14, num = 7 }
[[radio.discovery]]
period = 80
offset = 21
bitmap = "1111 1111"
prb = { start = 0, end = 14, num = 7 }
"#;

fn ue(name: &str, seed: u64, source: &str, more: &str, keys: &Keys, diary: &Diary) -> Ue {
    let text = format!("name = \"{name}\"\nseed = {seed}\n{RADIO}\n[time]\nsource = \"{source}\"\n{more}");
    let config = UeConfig::from_toml(&text, "test").unwrap();
    let anchor = Anchor { utc_ns: UTC * 1_000_000_000 + 300_000, uncertainty_ns: 0 };
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    config.build_with(keys, NoStore::default(), facts, vec![Box::new(diary.clone())]).unwrap()
}

fn count(lines: &[String], what: &str) -> usize {
    lines.iter().filter(|l| l.starts_with(what)).count()
}

#[test]
fn two_ues_discover_each_other_and_talk() {
    let keys = keys();
    let (alices, bobs) = (Diary::default(), Diary::default());
    let talk = "[[talk]]\nto = \"fire\"\nevery = 50\ntext = \"alice here\"\ncount = 12\n";
    let alice = ue("alice", 1, "utc", talk, &keys, &alices);
    let bob = ue("bob", 2, "utc", "[[talk]]\nto = \"fire\"\nevery = 330\noctets = 700\n", &keys, &bobs);
    let mut ues = [(alice, 0), (bob, 5)];
    // Long enough for two messages of Bob's after Alice has fallen silent.
    air(&mut ues, 1600);
    let (a, b) = (alices.lines(), bobs.lines());
    // A UE that sends does not receive: the few periods in which both send may cost some messages.
    let heard = (0..12).filter(|i| count(&b, &format!("received alice here {i} Deciphered")) == 1).count();
    assert!(heard >= 9, "{b:#?}");
    assert!(count(&a, "received hello") >= 2, "{a:#?}");
    assert!(count(&b, "discovered friend verified") >= 6, "{b:#?}");
    assert_eq!(count(&a, "trouble") + count(&b, "trouble"), 0, "{a:#?} {b:#?}");
    // The tables of the last period of 100 ms, of this one and of the next are built one after the other, 40 ms each:
    // earlier messages are unknown.
    assert!(count(&b, "dropped") <= 2, "{b:#?}");
    let totals = ues[0].0.totals();
    assert_eq!((totals.skipped, totals.lost_samples, totals.breaks, totals.late_bursts), (0, 0, 0, 0));
    assert!(ues[0].0.latency_stats().histogram(Stage::Whole).len() > 900);
}

#[test]
fn without_common_time_one_becomes_the_reference_and_the_other_follows() {
    let keys = keys();
    let (alices, bobs) = (Diary::default(), Diary::default());
    let talk = "patience = 100\n[[talk]]\nto = \"fire\"\nevery = 100\ntext = \"alice here\"\n";
    let alice = ue("alice", 1, "slss", talk, &keys, &alices);
    let bob = ue("bob", 2, "slss", "patience = 1000\n", &keys, &bobs);
    let mut ues = [(alice, 0), (bob, 777)];
    air(&mut ues, 1500);

    assert_eq!(ues[0].0.sync().role(), Role::Reference);
    assert!(matches!(ues[1].0.sync().role(), Role::Following(..)), "{:?}", ues[1].0.sync());
    let b = bobs.lines();
    assert!(count(&b, "received alice here") >= 8, "{b:#?}");
    assert!(count(&b, "discovered friend verified") >= 8, "{b:#?}");
    // Subframes begin together: 777 samples apart by the counters.
    let start = |ue: &Ue| {
        let clock = ue.clock().unwrap();
        clock.start_of(clock.subframe_at(5e6 / 1.0))
    };
    let apart = (start(&ues[0].0) - 777.0 - start(&ues[1].0)).rem_euclid(3840.0);
    assert!(apart.min(3840.0 - apart) < 2.0, "{apart}");
}

#[test]
fn a_gap_and_a_break_are_survived() {
    let diary = Diary::default();
    let mut ue = ue("alice", 1, "utc", "", &keys(), &diary);
    let n = ue.subframe_samples() as u64;
    let mut antenna = Antenna::default();
    let samples = vec![Sample::new(1e-3, 0.0); n as usize];
    for first in [0, n, 2 * n, 5 * n, 6 * n, 4000 * n, 4001 * n, 4002 * n] {
        ue.process(first, &samples, first + n, &mut antenna).unwrap();
    }
    let totals = *ue.totals();
    assert_eq!((totals.lost_samples, totals.breaks), (2 * n, 1));
    assert!(totals.subframes >= 7, "{totals:?}");
}

#[test]
fn the_example_is_a_ue() {
    let config = UeConfig::from_toml(EXAMPLE, "example").unwrap();
    let anchor = Anchor { utc_ns: UTC * 1_000_000_000, uncertainty_ns: 0 };
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let ue = config.build_with(&Keys::default(), NoStore::default(), facts, Vec::new()).unwrap();
    assert_eq!(ue.subframe_samples(), 7680);
}

#[test]
// TS 24.334 §12.2.2.24; TS 33.303 §E.5.2.2.30 (TS 24.334 §12.2.2.24)
fn what_is_wrong_is_said_with_its_place() {
    let anchor = Anchor { utc_ns: 0, uncertainty_ns: 0 };
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    let build = |text: &str| {
        let config = UeConfig::from_toml(text, "test")?;
        config.build_with(&keys(), NoStore::default(), facts, Vec::new()).map(|_| ())
    };
    for (text, expected) in [
        ("name = \"alice\"\n[radio]\ntm = 2\n".to_owned(), "no bandwidth"),
        (
            format!("name = \"alice\"\n{RADIO}[links]\nup-integrity = \"required\"\n[[link]]\npeer = \"b\"\nid = \"000001\"\n"),
            "LTE has no integrity",
        ),
        (format!("name = \"alice\"\n{RADIO}[discovery]\nmax-offset = 0\n"), "max-offset = 0"),
        (format!("name = \"alice\"\n{RADIO}[discovery]\nmax-offset = 33\n"), "max-offset = 33"),
        ("name = \"alice\"\n[radio]\nprb = 25\ntm = 4\n".to_owned(), "no pool of modes 3 and 4"),
        (
            "name = \"alice\"\n[radio]\nprb = 25\ntm = 4\n[radio.v2x]\nsize = 5\nnum = 5\n[communication]\nperiod = 70\n"
                .to_owned(),
            "period 70",
        ),
        (format!("name = \"mallory\"\n{RADIO}"), "mallory"),
        (format!("name = \"alice\"\n{RADIO}[[talk]]\nto = \"police\"\nevery = 5\n"), "police"),
        (format!("name = \"alice\"\n{RADIO}[communication]\nmcs = 31\n"), "MCS 31"),
        (format!("name = \"alice\"\nlayer-2 = 5\n{RADIO}"), "layer"),
        (format!("name = \"alice\"\n{RADIO}{SAKKE}"), "a group by identities without an identity"),
        (format!("name = \"alice\"\n{RADIO}{SAKKE}identity = \"sip:g\"\n"), "no identity of \"alice\""),
        (
            format!("name = \"alice\"\n{RADIO}{SAKKE}[[group.plan]]\nat = 1\naction = \"exclude\"\n"),
            "exclude without a member",
        ),
        (format!("name = \"alice\"\n{RADIO}[long-messages]\nway = \"repeated\"\ntimes = 0\n"), "times = 0"),
        (format!("name = \"alice\"\n{RADIO}[long-messages]\nway = \"coded\"\nfragment = 0\n"), "no octets"),
        (
            "name = \"alice\"\n[radio]\nprb = 25\n[time]\nsource = \"slss\"\n".to_owned(),
            "synchronisation subframe",
        ),
    ] {
        let error = build(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Groups whose keys a NAF gives: each fault has its place and what to do.
#[test]
fn faults_of_groups_of_a_naf_are_said() {
    let facts = RadioFacts {
        anchor: Anchor { utc_ns: 0, uncertainty_ns: 0 },
        real_time: false,
        draws: Draws::Seeded,
    };
    let member = |user: &str, id: &str| format!("[[group.member]]\nidentity = \"{user}\"\nid = \"{id}\"\n");
    let (one, two) = ("001010000000001@ims.example.org", "001010000000002@ims.example.org");
    let call = "[[group.plan]]\nat = 1\naction = \"start-call\"\n".to_owned();
    for solution in ["invitation", "white-list"] {
        let group = |role: &str| {
            format!(
                "[[group]]\nname = \"g\"\nid = \"0000b1\"\nsolution = \"{solution}\"\nrole = \"{role}\"\n"
            )
        };
        for (text, what, remedy) in [
            (group("manager"), "a manager of a group of a NAF", "role = \"owner\""),
            (group("owner"), "an owner of a group without members", "[[group.member]]"),
            (group("owner") + &member("sip bob", "0000b2"), "sip bob", "IMPI"),
            (group("owner") + &member(one, "0000"), "2 octets", "six hexadecimal digits"),
            (
                group("owner") + &member(one, "0000b2") + &member(one, "0000b3"),
                "a member twice",
                "remove one",
            ),
            (
                group("owner") + &member(one, "0000b2") + &member(two, "0000b2"),
                "a member twice",
                "remove one",
            ),
            (group("member") + &call, "a call in a group that has none", "leave it out"),
            (group("member"), "no NAF is in reach", "group-white-list"),
            (
                group("owner") + &member(one, "0000b2") + &member(two, "0000b3"),
                "no NAF is in reach",
                "naf-name",
            ),
        ] {
            let config = UeConfig::from_toml(&format!("name = \"alice\"\n{RADIO}{text}"), "test").unwrap();
            let built = config.build_with(&keys(), NoStore::default(), facts, Vec::new());
            let error = built.map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains(remedy) && error.contains("\"g\""), "{error}");
        }
    }
}

/// A group whose keys come from its manager.
const SAKKE: &str = "[[group]]\nname = \"g\"\nid = \"0000b1\"\nsolution = \"identity\"\n";

const V2X: &str = r#"
[radio]
prb = 25
tm = 4
[radio.sync]
offset = [0, 80]
[radio.v2x]
size = 5
num = 5
[communication]
period = 100
sub-channels = 2
mcs = 5
"#;

/// Four UEs of mode 4, one of them without a time of its own: each receives almost every block of every other, because
/// none uses resources that it knows to be reserved.
#[test]
fn ues_of_mode_4_sense_and_keep_clear_of_each_other() {
    let mut keys = keys();
    keys.group[0].member.extend(["carol=0000c3", "dave=0000d4"].map(|m| m.parse().unwrap()));
    keys.group[0].pgk.clear();
    keys.group[0].new_pgk(0, u32::MAX).unwrap();
    let names = ["alice", "bob", "carol", "dave"];
    let diaries = names.map(|_| Diary::default());
    let mut ues: Vec<_> = names
        .iter()
        .zip(&diaries)
        .enumerate()
        .map(|(i, (name, diary))| {
            let source = if i == 3 { "slss" } else { "utc" };
            let talk = format!("[[talk]]\nto = \"fire\"\nevery = 100\ntext = \"{name}\"\n");
            let text = format!(
                "name = \"{name}\"\nseed = {i}\n{V2X}\n[time]\nsource = \"{source}\"\npatience = 9000\n{talk}"
            );
            let config = UeConfig::from_toml(&text, "test").unwrap();
            let anchor = Anchor { utc_ns: UTC * 1_000_000_000 + 300_000, uncertainty_ns: 0 };
            let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
            let ue =
                config.build_with(&keys, NoStore::default(), facts, vec![Box::new(diary.clone())]).unwrap();
            (ue, 3 * i as i64)
        })
        .collect();
    air(&mut ues, 5000);
    assert!(matches!(ues[3].0.sync().role(), Role::Following(..)), "{:?}", ues[3].0.sync());
    let (mut heard_in_all, mut sent_in_all) = (0, 0);
    for (name, diary) in names.iter().zip(&diaries) {
        let lines = diary.lines();
        assert_eq!(count(&lines, "trouble"), 0, "{name}: {lines:#?}");
        for other in names.iter().filter(|other| *other != name) {
            let numbers =
                lines.iter().filter_map(|l| l.strip_prefix(&format!("received {other} "))?.split(' ').next());
            let numbers: Vec<usize> = numbers.map(|n| n.parse().unwrap()).collect();
            let sent = numbers.last().map_or(0, |last| last + 1 - numbers[0]);
            eprintln!("{name} heard {} of {sent} of {other}", numbers.len());
            assert!(
                sent >= 30 && numbers.len() >= sent * 7 / 10,
                "{name}: {} of {sent} of {other}",
                numbers.len()
            );
            (heard_in_all, sent_in_all) = (heard_in_all + numbers.len(), sent_in_all + sent);
        }
    }
    // A UE that sends does not receive: two UEs in the same subframe miss each other until one selects again.
    assert!(heard_in_all * 10 >= sent_in_all * 9, "{heard_in_all} of {sent_in_all}");
    // Each block is sent twice, with an SCI each time.
    let totals = ues[0].0.totals();
    assert!(totals.sent[1] == totals.sent[2] && totals.sent[2] >= 60, "{totals:?}");
}

#[test]
fn a_link_is_set_up_and_rekeyed_over_the_air() {
    link_over_the_air("");
}

#[test]
fn a_link_in_the_profile_of_nr_protects_user_data() {
    link_over_the_air("[links]\nprofile = \"nr\"\nup-integrity = \"required\"\n");
}

fn link_over_the_air(rules: &str) {
    let (alices, bobs) = (Diary::default(), Diary::default());
    let kd = "07".repeat(32);
    let with = |peer: &str, id: &str, more: &str| {
        format!("[[link]]\npeer = \"{peer}\"\nid = \"{id}\"\nkd = \"{kd}\"\n{more}{rules}")
    };
    let talk = "[[talk]]\nto = \"link:bob\"\nevery = 90\ntext = \"secret\"\n";
    let keys = keys();
    let more = with("bob", "0000b2", "connect = 100\nrekey = 900\n") + talk;
    let alice = ue("alice", 1, "utc", &more, &keys, &alices);
    let bob = ue("bob", 2, "utc", &with("alice", "0000a1", "rekey-interval = 100\n"), &keys, &bobs);
    air(&mut [(alice, 0), (bob, 5)], 2500);
    let (a, b) = (alices.lines(), bobs.lines());
    assert_eq!(count(&a, "link up as UE_1"), 1, "{a:#?} {b:#?}");
    assert_eq!(count(&b, "link up as UE_2"), 1, "{b:#?}");
    assert!(count(&a, "link re-keyed, same KD") >= 2 && count(&b, "link re-keyed") >= 2, "{a:#?} {b:#?}");
    // None is lost around a re-keying, none arrives twice.
    let heard: Vec<_> = b.iter().filter_map(|l| l.strip_prefix("over the link secret ")).collect();
    let heard: Vec<usize> = heard.iter().map(|n| n.parse().unwrap()).collect();
    assert!(heard.len() >= 15 && heard.windows(2).all(|w| w[0] < w[1]), "{heard:?}");
}
