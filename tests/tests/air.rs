//! UEs over the virtual air, in lock-step: the same seed gives the same samples, and clocks that run free stay together.

use sidelink_flowgraphs::config::ue_toml::{Draws, RadioFacts, UeConfig};
use sidelink_phy::Sample;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Radio, RadioError, Streams};
use sidelink_store::{Cipher, Discovery, Group, Hex, Keys, Protection, random};
use sidelink_ue::{NoStore, Observer, Role, Running, ThreadOptions, Ue};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Samples of a subframe of 15 PRBs.
const N: usize = 3840;

/// Samples of half a normal cyclic prefix of 15 PRBs.
const HALF_PREFIX: f64 = 9.0;

/// Sample of the air at which everybody in a recording begins: a second.
const START: f64 = 3_840_000.0;

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
period = 320
offset = 21
bitmap = "1111 1111"
prb = { start = 0, end = 14, num = 7 }
"#;

fn config(name: &str, seed: u64, more_top: &str, more: &str) -> UeConfig {
    let text = format!("name = \"{name}\"\nseed = {seed}\n{more_top}{RADIO}\n{more}");
    UeConfig::from_toml(&text, "test").unwrap()
}

fn air(seed: u64, pace: Pace, port: Vec<PortConfig>) -> Air {
    Air::new(AirConfig {
        pace,
        rate: Number(3.84e6),
        prb: Some(15),
        seed,
        snr: Some(20.0),
        channel: "epa5".parse().unwrap(),
        utc: Some(1_800_000_000),
        wait_for: port.len(),
        port,
        ..AirConfig::default()
    })
    .unwrap()
}

fn start(
    config: &UeConfig,
    keys: &Keys,
    (streams, pace): (Streams, Pace),
    subframes: u64,
    observer: Option<Box<dyn Observer<Ue>>>,
) -> Running<Ue> {
    let anchor = streams.anchor.unwrap_or(Anchor { utc_ns: 1_800_000_000_000_000_000, uncertainty_ns: 0 });
    let real_time = pace == Pace::Realtime;
    let facts = RadioFacts { anchor, real_time, draws: Draws::Seeded };
    let mut ue = config.build_with(keys, NoStore::default(), facts, Vec::new()).unwrap();
    ue.set_duration(subframes);
    Running::start(ue, streams, real_time, ThreadOptions::default(), observer).unwrap()
}

fn keys() -> Keys {
    let mut group = Group {
        name: "fire".into(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: Cipher::Aes,
        mac: Some(Cipher::Aes),
        member: vec!["alice=0000a1".parse().unwrap(), "bob=0000b2".parse().unwrap()],
        pgk: Vec::new(),
    };
    group.new_pgk(0, u32::MAX).unwrap();
    let mut code = Discovery::new("friend", Protection::Rotating, u32::MAX);
    code.prose_id = Some(random(20).unwrap());
    code.application_key = Some(random(32).unwrap());
    code.period_ms = Some(500);
    code.announcer = Some("alice".into());
    code.monitors = vec!["bob".into()];
    Keys { group: vec![group], discovery: vec![code], ..Keys::default() }
}

/// What somebody who only listens heard of two UEs under full protection.
struct Heard {
    samples: Vec<Sample>,
    /// How many blocks and messages each of them heard.
    heard: [[u64; 4]; 2],
    /// Whether anything came too late or was lost: in real time that depends on the machine.
    late: bool,
}

fn recording(seed: u64, pace: Pace, keys: &Keys, subframes: u64) -> Heard {
    // all begin at one moment, far enough on for UEs that are still being put together in real time
    let named = |name: &str| PortConfig { start: Some(Number(START)), ..PortConfig::named(name) };
    let listener = PortConfig { listen_only: true, ..named("recorder") };
    let bobs = PortConfig { cfo: Number(200.0), drift: 3.0, ..named("bob") };
    let air = air(seed, pace, vec![named("alice"), bobs, listener]);
    let talk = |text: &str| format!("[[talk]]\nto = \"fire\"\nevery = 130\ntext = \"{text}\"\n");
    // a lead that outlasts most stalls of a machine
    let lead = "lead = 40\n";
    let alice = config("alice", 1, lead, &talk("alice here"));
    let bob = config(
        "bob",
        2,
        lead,
        &format!("[time]\nsource = \"slss\"\npatience = 100000\n{}", talk("bob here")),
    );
    let radios = ["alice", "bob", "recorder"].map(|name| air.attach_named(name).unwrap());
    let [alices, bobs, recorder] = radios.map(|r: Box<dyn Radio>| r.start().unwrap());
    let alice = start(&alice, keys, (alices, pace), subframes, None);
    let bob = start(&bob, keys, (bobs, pace), subframes, None);
    let mut late = false;
    let Streams { mut receive, transmit, .. } = recorder;
    let wanted = subframes as usize * N * 9 / 10;
    let mut heard_samples = vec![Sample::default(); wanted];
    let mut at = 0;
    while at < wanted {
        let end = (at + N).min(wanted);
        match receive.receive(&mut heard_samples[at..end], Duration::from_secs(20)) {
            Ok(received) if pace == Pace::Realtime && received.first != at as u64 => {
                late = true;
                break;
            }
            Ok(received) => {
                assert!(received.count > 0 && received.first == at as u64, "{received:?} at {at}");
                at += received.count;
            }
            Err(RadioError::Ended) => break,
            Err(e) => panic!("{e}"),
        }
    }
    assert!(late || at == wanted, "the UEs left early");
    drop((receive, transmit));
    let heard = [alice, bob].map(|running| {
        let (mut ue, result) = running.join().unwrap();
        result.unwrap();
        let totals = *ue.totals();
        // a burst that came in the very moment is told as an event
        let told = totals.late_bursts + totals.radio_events + ue.stack().late_errands();
        late |= totals.skipped + totals.lost_samples + told > 0;
        totals.heard
    });
    Heard { samples: heard_samples, heard, late }
}

fn bits(samples: &[Sample]) -> Vec<[u32; 2]> {
    samples.iter().map(|s| [s.re.to_bits(), s.im.to_bits()]).collect()
}

/// The first sample in which two recordings differ.
fn differ(a: &Heard, b: &Heard) -> Option<usize> {
    bits(&a.samples).iter().zip(&bits(&b.samples)).position(|(a, b)| a != b)
}

#[test]
fn the_same_seed_gives_the_same_samples() {
    let keys = keys();
    let first = recording(5, Pace::Free, &keys, 1500);
    let heard = first.heard;
    assert!(heard[0][2] > 2 && heard[1][0] > 10 && heard[1][2] > 2 && heard[1][3] > 0, "{heard:?}");
    let second = recording(5, Pace::Free, &keys, 1500);
    assert_eq!(heard, second.heard);
    assert_eq!(differ(&first, &second), None, "of {} samples", first.samples.len());
    let other = recording(6, Pace::Free, &keys, 300);
    assert_ne!(
        bits(&other.samples),
        bits(&first.samples[..other.samples.len()]),
        "another seed, other samples"
    );
}

/// In real time too, when nothing came too late: who says so is the UEs' own count.
#[test]
fn real_time_gives_the_samples_of_lock_step() {
    let keys = keys();
    let lock_step = recording(5, Pace::Free, &keys, 1500);
    for _ in 0..5 {
        let real_time = recording(5, Pace::Realtime, &keys, 1500);
        if !real_time.late {
            assert_eq!(lock_step.heard, real_time.heard);
            assert_eq!(differ(&lock_step, &real_time), None, "of {} samples", lock_step.samples.len());
            return;
        }
    }
    eprintln!("SKIPPED: no time (this machine was too busy for two UEs in real time, five times)");
}

/// When the subframes of a UE begin, on the air's own clock: (subframes of air, which subframe by its count, its role).
type Diary = Arc<Mutex<Vec<(f64, u64, Role)>>>;

struct Watch {
    diary: Diary,
    start: f64,
    drift: f64,
    next: u64,
}

impl Observer<Ue> for Watch {
    fn look(&mut self, ue: &mut Ue) {
        let t = ue.next_subframe();
        let Some(clock) = ue.clock().filter(|_| ue.totals().subframes >= self.next) else { return };
        self.next = ue.totals().subframes + 10;
        let air = self.start + clock.start_of(t) / (1.0 + self.drift * 1e-6);
        self.diary.lock().unwrap().push((air / N as f64, t, ue.sync().role()));
    }
}

/// The greatest distance in samples between the subframes of two UEs from `from` to `until` in subframes of air, and how many
/// times they were compared.
fn apart(a: &Diary, b: &Diary, from: f64, until: f64) -> (f64, usize) {
    let (a, b) = (a.lock().unwrap(), b.lock().unwrap());
    let mut worst = (0.0_f64, 0);
    let mut i = 0;
    for (air, t, _) in b.iter().filter(|(air, ..)| (from..until).contains(air)) {
        while i + 1 < a.len() && a[i].0 < *air {
            i += 1;
        }
        let Some((other_air, other_t, _)) = a.get(i).filter(|other| (other.0 - air).abs() < 30.0) else {
            continue;
        };
        // what the air calls a subframe goes round in 10240; clocks drift little within ten subframes. The counts have no
        // room for parts of a sample in a float: they are compared as they are.
        let counted = *t as i64 - *other_t as i64;
        let difference = (air - other_air - counted.rem_euclid(10_240) as f64).rem_euclid(10_240.0);
        worst = (worst.0.max(difference.min(10_240.0 - difference) * N as f64), worst.1 + 1);
    }
    worst
}

/// Three UEs without common time, 20 ppm apart: two follow the first until it vanishes, then one the other.
fn free_running(with_reference: u64, without: u64) {
    let ports = [("alice", 0.0, 10.0), ("bob", 12_345.0, -10.0), ("carol", 7_001.0, 4.0)];
    let port = |(name, start, drift): (&str, f64, f64)| PortConfig {
        start: Some(Number(start)),
        drift,
        cfo: Number(5.0 * drift),
        utc: false,
        ..PortConfig::named(name)
    };
    let air = air(9, Pace::Free, ports.map(port).to_vec());
    let keys = Keys::default();
    let radios = ports.map(|(name, ..)| air.attach_named(name).unwrap());
    let streams = radios.map(|r: Box<dyn Radio>| r.start().unwrap());
    let mut all = Vec::new();
    for (i, (streams, (name, start_at, drift))) in streams.into_iter().zip(ports).enumerate() {
        let diary = Diary::default();
        let watch = Watch { diary: Arc::clone(&diary), start: start_at, drift, next: 0 };
        let (patience, subframes) =
            if i == 0 { (100, with_reference) } else { (100_000, with_reference + without) };
        let time = format!("[time]\nsource = \"slss\"\nid = {}\npatience = {patience}\n", 200 + i);
        let config = config(name, 11 + i as u64, &format!("layer2-id = \"0000a{i}\"\n"), &time);
        let streams = (streams, Pace::Free);
        all.push((start(&config, &keys, streams, subframes, Some(Box::new(watch))), diary));
    }
    let diaries: Vec<Diary> = all.iter().map(|(_, diary)| Arc::clone(diary)).collect();
    let mut roles = Vec::new();
    for (running, _) in all {
        let (ue, result) = running.join().unwrap();
        result.unwrap();
        roles.push(ue.sync().role());
    }
    assert_eq!(roles[0], Role::Reference, "{roles:?}");
    for follower in &diaries[1..] {
        let end = with_reference as f64 - 100.0;
        let (worst, times) = apart(&diaries[0], follower, 1500.0, end);
        eprintln!("{with_reference} subframes: at most {worst:.2} samples apart, {times} times compared");
        assert!(
            times as f64 > (end - 1500.0) / 20.0 && worst < HALF_PREFIX,
            "{worst} samples, {times} times"
        );
    }
    // one is the reference now and the other follows it, or each follows what the other passes on: both may be, by who was heard last
    let end = (with_reference + without) as f64;
    let (worst, times) = apart(&diaries[1], &diaries[2], end - 500.0, end - 50.0);
    eprintln!(
        "after the reference vanished: at most {worst:.2} samples apart, {times} times compared; {roles:?}"
    );
    assert!(times > 10 && worst < HALF_PREFIX, "{worst} samples, {times} times, {roles:?}");
    let follows = roles[1..].iter().filter(|r| matches!(r, Role::Following(..))).count();
    assert!(follows >= 1, "{roles:?}");
}

#[test]
fn free_clocks_stay_together_and_outlive_their_reference() {
    free_running(4000, 5000);
}

#[test]
#[ignore = "ten minutes of air"]
fn free_clocks_stay_together_for_ten_minutes() {
    free_running(600_000, 20_000);
}
