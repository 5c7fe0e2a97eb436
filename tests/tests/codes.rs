//! A list of identities that a UE follows on the virtual air: found through every change of period, and no subframe is missed
//! while tables are built.

use sidelink_flowgraphs::config::ue_toml::{Draws, RadioFacts, UeConfig};
use sidelink_prose::discovery::agent;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio};
use sidelink_security::outcome::Outcome;
use sidelink_store::{CodeList, Keys, NewCodeList, VariantName};
use sidelink_ue::{
    Application, Cores, Event, Moment, NoStore, Observer, Running, Send, Stage, ThreadOptions, Ue,
};
use std::path::Path;
use std::sync::{Arc, Mutex};

const UTC: i64 = 1_800_000_000;

/// Sample rate by PRBs.
fn rate(prb: u32) -> f64 {
    if prb == 50 { 15.36e6 } else { 3.84e6 }
}

fn config(name: &str, prb: u32, seed: u64, top: &str) -> UeConfig {
    let radio = format!(
        "[radio]\nprb = {prb}\ntm = 2\n[radio.sync]\noffset = [0, 20]\n[[radio.discovery]]\nperiod = 320\noffset = 21\n\
         bitmap = \"1111 1111\"\nprb = {{ start = 0, end = {}, num = 7 }}\n",
        prb - 1
    );
    let text = format!("name = \"{name}\"\nseed = {seed}\nlead = 40\n{top}{radio}");
    UeConfig::from_toml(&text, "test").unwrap()
}

/// What a UE told of discovery: subframe, name and outcome.
type Told = Arc<Mutex<Vec<(u64, String, Outcome)>>>;

struct Listener(Told);

impl Application for Listener {
    fn work(&mut self, _: Moment, _: &mut Send<'_>) {}

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let Event::Discovery { name, event } = event else { return };
        let outcome = match event {
            agent::Event::Discovered(found) => found.finding.outcome(),
            agent::Event::Dropped(dropped) => dropped.outcome(),
            _ => return,
        };
        self.0.lock().unwrap().push((now.t, (*name).to_owned(), outcome));
    }
}

fn start(
    config: &UeConfig,
    keys: &Keys,
    radio: Box<dyn Radio>,
    (pace, subframes): (Pace, u64),
    observer: Option<Box<dyn Observer<Ue>>>,
) -> (Running<Ue>, Told) {
    let streams = radio.start().unwrap();
    let anchor = streams.anchor.unwrap_or(Anchor { utc_ns: UTC * 1_000_000_000, uncertainty_ns: 0 });
    let real_time = pace == Pace::Realtime;
    let facts = RadioFacts { anchor, real_time, draws: Draws::Seeded };
    let told = Told::default();
    let listener: Vec<Box<dyn Application>> = vec![Box::new(Listener(Arc::clone(&told)))];
    let mut ue = config.build_with(keys, NoStore::default(), facts, listener).unwrap();
    ue.set_duration(subframes);
    (Running::start(ue, streams, real_time, ThreadOptions::default(), observer).unwrap(), told)
}

/// What became of a UE that follows a list, of which Alice announces one identity.
struct Followed {
    told: Vec<(u64, String, Outcome)>,
    heard: u64,
    skipped: u64,
    late: u64,
    report: String,
}

/// Follows `list` for so many subframes; Alice announces its identity `place`.
fn follow(list: &Path, place: usize, prb: u32, pace: Pace, subframes: u64) -> Followed {
    // Far enough on for a UE that is still being put together in real time.
    let begin = if pace == Pace::Realtime { 4.0 } else { 1.0 };
    let port = |name: &str| PortConfig { start: Some(Number(begin * rate(prb))), ..PortConfig::named(name) };
    let air = Air::new(AirConfig {
        pace,
        rate: Number(rate(prb)),
        prb: Some(prb),
        seed: 3,
        snr: Some(20.0),
        utc: Some(UTC),
        wait_for: 2,
        port: vec![port("alice"), port("bob")],
        ..AirConfig::default()
    })
    .unwrap();
    let codes = CodeList::read(list).unwrap();
    let alices = Keys { discovery: vec![codes.entry(place, "alice").unwrap()], ..Keys::default() };
    drop(codes);
    let [alice_radio, bob_radio] = ["alice", "bob"].map(|name| air.attach_named(name).unwrap());
    let mut bob = config("bob", prb, 2, "");
    bob.codes = vec![list.to_owned()];
    let (bob, told) = start(&bob, &Keys::default(), bob_radio, (pace, subframes), None);
    let (alice, _) = start(&config("alice", prb, 1, ""), &alices, alice_radio, (pace, subframes), None);
    alice.join().unwrap().1.unwrap();
    let (mut ue, result) = bob.join().unwrap();
    result.unwrap();
    let totals = *ue.totals();
    let (late, tables) = (ue.stack().late_errands(), ue.stack().table_times());
    let [p50, p99, _, worst] = ue.latency_stats().microseconds(Stage::Receive);
    let report = format!(
        "{} subframes, {} given up, {} samples lost, {} messages heard, results late in {late}; {} tables, in {:.1} ms, \
         at most {:.1}; receiving a subframe took {p50:.0} us (p50), {p99:.0} (p99), {worst:.0} (worst)",
        totals.subframes,
        totals.skipped,
        totals.lost_samples,
        totals.heard[3],
        tables.built,
        1e3 * tables.total.as_secs_f64() / tables.built.max(1) as f64,
        1e3 * tables.longest.as_secs_f64()
    );
    let told = told.lock().unwrap().clone();
    Followed { told, heard: totals.heard[3], skipped: totals.skipped, late, report }
}

fn list(folder: &Path, count: usize, period_ms: u64) -> std::path::PathBuf {
    let path = folder.join("friends.codes");
    let new =
        NewCodeList { count, variant: VariantName::Keyed, code_bits: None, period_ms, valid_until: u32::MAX };
    CodeList::create(&path, &new).unwrap();
    path
}

/// Six periods of half a second, in lock-step: each message is found by its place in the list, the same way each time.
#[test]
fn an_identity_of_thousands_is_found_in_every_period() {
    let folder = tempfile::tempdir().unwrap();
    let list = list(folder.path(), 40_000, 500);
    let first = follow(&list, 27_182, 15, Pace::Free, 3000);
    eprintln!("{}", first.report);
    assert_eq!((first.skipped, first.late), (0, 0), "{}", first.report);
    assert!(first.heard >= 8, "{}", first.report);
    let found: Vec<_> = first.told.iter().filter(|(_, _, outcome)| *outcome == Outcome::Verified).collect();
    assert!(found.iter().all(|(_, name, _)| name == "friends-27182"), "{:?}", first.told);
    // None but what came before the first table was there.
    let unknown = first.told.iter().filter(|(_, _, outcome)| *outcome != Outcome::Verified);
    assert!(unknown.clone().all(|(t, ..)| *t < first.told[0].0 + 100), "{:?}", first.told);
    assert_eq!(found.len() + unknown.count(), first.told.len());
    let periods: std::collections::BTreeSet<u64> = found.iter().map(|(t, ..)| t / 500).collect();
    assert!(periods.len() >= 5, "{:?}", first.told);
    let second = follow(&list, 27_182, 15, Pace::Free, 3000);
    assert_eq!(second.told, first.told);
}

/// A million followed at 50 PRBs in real time, on two processors: prints what became of the subframes and how long tables take.
#[test]
#[ignore = "long: a million identities in real time for a minute; wants a quiet machine"]
fn a_million_are_followed_live() {
    let folder = tempfile::tempdir().unwrap();
    let list = list(folder.path(), 1_000_000, 1000);
    let followed = follow(&list, 271_828, 50, Pace::Realtime, 60_000);
    eprintln!("{}", followed.report);
    let verified = followed.told.iter().filter(|(_, _, outcome)| *outcome == Outcome::Verified).count();
    eprintln!("{verified} of {} messages verified on {:?}", followed.told.len(), Cores::of_machine());
    assert!(
        followed
            .told
            .iter()
            .any(|(_, name, outcome)| name == "friends-271828" && *outcome == Outcome::Verified)
    );
}
