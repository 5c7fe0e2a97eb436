//! Faults at random: lost samples, clocks that jump, drop-outs, late bursts, a radio unplugged and its UE started anew. After
//! each the link is back within one synchronisation period and one discovery period; nothing is accepted twice and no
//! counter is used again.
#![allow(clippy::disallowed_methods)]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sidelink_flowgraphs::config::ue_toml::{Draws, RadioFacts, UeConfig};
use sidelink_mac::engine;
use sidelink_phy::Sample;
use sidelink_prose::direct_link::{Admission, Change, KdRecord, KdStore};
use sidelink_prose::discovery::agent;
use sidelink_prose::group_keys::{self, GroupKeyStore};
use sidelink_radio::air::{Air, AirConfig, Fault, PortConfig};
use sidelink_radio::number::Number;
use sidelink_radio::{Anchor, Event, RadioError, Receive, Received, Streams, Transmit};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, StreamId};
use sidelink_security::outcome::Outcome;
use sidelink_store::{Cipher, Discovery, Group, Hex, Keys, Protection, random};
use sidelink_ue::{self as ue, Application, Moment, Running, Send as SendData, ThreadOptions, Ue};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Samples of a subframe of 15 PRBs.
const N: u64 = 3840;

/// Subframes within which a link must be back: a period of synchronisation, one of discovery.
const BACK: u64 = 40 + 320;

/// Subframes between two faults, of one UE and the other in turn.
const EVERY: u64 = 2000;

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
[[talk]]
to = "fire"
every = 40
text = "here"
"#;

/// Counters that outlive the UE that uses them.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<HashMap<StreamId, u64>>>);

impl CounterStore for Store {
    type Error = std::convert::Infallible;

    fn reserved(&self, stream: &StreamId) -> Result<u64, Self::Error> {
        Ok(self.0.lock().unwrap().get(stream).copied().unwrap_or(0))
    }

    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, Self::Error> {
        let mut all = self.0.lock().unwrap();
        let reserved = all.entry(*stream).or_default();
        let good = *reserved == from;
        if good {
            *reserved = to;
        }
        Ok(good)
    }
}

impl KdStore for Store {
    type Error = std::convert::Infallible;

    fn apply(&mut self, _changes: &[Change]) -> Result<(), Self::Error> {
        Ok(())
    }

    fn kds(&self) -> Result<Vec<KdRecord>, Self::Error> {
        Ok(Vec::new())
    }

    fn admissions(&self) -> Result<Vec<Admission>, Self::Error> {
        Ok(Vec::new())
    }
}

impl GroupKeyStore for Store {
    type Error = std::convert::Infallible;

    fn apply(&mut self, _changes: &[group_keys::Change]) -> Result<(), Self::Error> {
        Ok(())
    }

    fn kept(&mut self, _now: UtcTime) -> Result<group_keys::Kept, Self::Error> {
        Ok(group_keys::Kept::default())
    }
}

/// One UE's life, over all its restarts.
struct Life {
    /// Samples of air that went by.
    age: u64,
    next_fault: u64,
    rng: ChaCha8Rng,
    deaf_until: u64,
    bursts_lost: usize,
    events: VecDeque<Event>,
    unplugged: bool,
    /// What happened to it, and the age at which that was over.
    faults: Vec<(&'static str, u64)>,
    /// Ages at which something of the other was accepted.
    heard: Vec<u64>,
    /// (sender, COUNT) of everything accepted.
    counts: HashSet<(u32, u64)>,
    trouble: Vec<String>,
}

type Shared = Arc<Mutex<Life>>;

/// A radio to which things happen.
struct Ears {
    name: &'static str,
    air: Air,
    inner: Box<dyn Receive>,
    life: Shared,
}

impl Ears {
    /// The next fault; how long it takes in samples.
    fn strike(&self, life: &mut Life) -> Result<(), RadioError> {
        let kind = life.rng.random_range(0..7);
        let length = life.rng.random_range(1..100) * N;
        // 1 us to 10 s, in samples, either way
        let jump = (3.84 * 10_f64.powf(life.rng.random_range(0.0..7.0))) as i64;
        let jump = if life.rng.random() { jump } else { -jump };
        let (what, over) = match kind {
            0 => {
                self.air.inject(self.name, Fault::Overflow { samples: length / 3 + 1 });
                life.age += length / 3 + 1;
                ("overflow", 0)
            }
            1 => {
                self.air.inject(self.name, Fault::ClockJump { by: jump.max(4) });
                ("clock forward", 0)
            }
            2 => {
                self.air.inject(self.name, Fault::ClockJump { by: (-jump.abs()).min(-4) });
                ("clock back", 0)
            }
            3 => {
                life.deaf_until = life.age + length;
                ("drop-out", length)
            }
            4 => {
                life.bursts_lost = 10;
                ("late bursts", 40 * N)
            }
            5 => {
                life.events.extend([Event::Underflow, Event::TimeError { first: life.age }, Event::Overflow]);
                ("underflow", 0)
            }
            _ => {
                life.unplugged = true;
                ("unplugged", 0)
            }
        };
        life.faults.push((what, life.age + over));
        if life.unplugged { Err(RadioError::Lost("unplugged".to_owned())) } else { Ok(()) }
    }
}

impl Receive for Ears {
    fn receive(&mut self, into: &mut [Sample], patience: Duration) -> Result<Received, RadioError> {
        let received = self.inner.receive(into, patience)?;
        let mut life = self.life.lock().unwrap();
        life.age += received.count as u64;
        if life.age < life.deaf_until {
            into[..received.count].fill(Sample::new(1e-4, 0.0));
        }
        if life.age >= life.next_fault {
            life.next_fault += 2 * EVERY * N + life.rng.random_range(0..100) * N;
            self.strike(&mut life)?;
        }
        Ok(received)
    }
}

struct Mouth {
    inner: Box<dyn Transmit>,
    life: Shared,
}

impl Transmit for Mouth {
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError> {
        let mut life = self.life.lock().unwrap();
        if life.bursts_lost > 0 {
            life.bursts_lost -= 1;
            life.events.push_back(Event::Late { first });
            return Ok(());
        }
        drop(life);
        self.inner.transmit(first, burst)
    }

    fn advance(&mut self, until: u64) -> Result<(), RadioError> {
        self.inner.advance(until)
    }

    fn poll_event(&mut self) -> Option<Event> {
        let event = self.life.lock().unwrap().events.pop_front();
        event.or_else(|| self.inner.poll_event())
    }
}

/// Writes down what a UE accepts.
struct Diary(Shared);

impl Application for Diary {
    fn work(&mut self, _: Moment, _: &mut SendData<'_>) {}

    fn event(&mut self, _: Moment, event: &ue::Event<'_>) {
        let mut life = self.0.lock().unwrap();
        let age = life.age;
        let dropped = match event {
            ue::Event::Mac(engine::Event::Received(engine::Received { source, header, .. })) => {
                life.heard.push(age);
                let count = (source.value(), u64::from(header.count().value()));
                if !life.counts.insert(count) {
                    life.trouble.push(format!("COUNT {count:x?} accepted twice"));
                }
                return;
            }
            ue::Event::Discovery { event: agent::Event::Discovered(_), .. } => return life.heard.push(age),
            ue::Event::Discovery { event: agent::Event::Dropped(dropped), .. } => dropped.outcome(),
            ue::Event::Mac(engine::Event::Dropped(dropped)) => dropped.cause.outcome(),
            ue::Event::Warning(warning) => return life.trouble.push(warning.to_string()),
            _ => return,
        };
        // a code before the table is built is unknown; a block of which silence was heard may come out as zeros
        if !matches!(dropped, Outcome::Unknown | Outcome::Malformed) {
            life.trouble.push(format!("dropped at {age}: {}", dropped.as_str()));
        }
    }
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
    let code = |announcer: &str, monitor: &str| {
        let mut code = Discovery::new(announcer, Protection::Rotating, u32::MAX);
        code.prose_id = Some(random(20).unwrap());
        code.application_key = Some(random(32).unwrap());
        code.period_ms = Some(500);
        code.announcer = Some(announcer.to_owned());
        code.monitors = vec![monitor.to_owned()];
        code
    };
    Keys {
        group: vec![group],
        discovery: vec![code("alice", "bob"), code("bob", "alice")],
        ..Keys::default()
    }
}

struct Member {
    name: &'static str,
    config: UeConfig,
    store: Store,
    life: Shared,
    running: Option<Running<Ue>>,
}

impl Member {
    fn new(name: &'static str, seed: u64, time: &str) -> Self {
        let text = format!("name = \"{name}\"\nseed = {seed}\n{RADIO}{time}");
        let life = Life {
            age: 0,
            next_fault: 1500 * N + seed * EVERY * N,
            rng: ChaCha8Rng::seed_from_u64(seed),
            deaf_until: 0,
            bursts_lost: 0,
            events: VecDeque::new(),
            unplugged: false,
            faults: Vec::new(),
            heard: Vec::new(),
            counts: HashSet::new(),
            trouble: Vec::new(),
        };
        let config = UeConfig::from_toml(&text, "test").unwrap();
        Self { name, config, store: Store::default(), life: Arc::new(Mutex::new(life)), running: None }
    }

    fn start(&mut self, air: &Air, keys: &Keys, streams: Streams) {
        let anchor = streams
            .anchor
            .unwrap_or(Anchor { utc_ns: 1_800_000_000_000_000_000, uncertainty_ns: 50_000_000 });
        let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
        let life = Arc::clone(&self.life);
        let ears: Vec<Box<dyn Application>> = vec![Box::new(Diary(Arc::clone(&life)))];
        let ue = self.config.build_with(keys, self.store.clone(), facts, ears).unwrap();
        let streams = Streams {
            receive: Box::new(Ears {
                name: self.name,
                air: air.clone(),
                inner: streams.receive,
                life: Arc::clone(&life),
            }),
            transmit: Box::new(Mouth { inner: streams.transmit, life }),
            anchor: None,
        };
        self.running = Some(Running::start(ue, streams, false, ThreadOptions::default(), None).unwrap());
    }
}

/// Somebody who is always there: an air in lock-step ends when all but one have left it. While a radio is unplugged the air
/// stands still: how long it is away must not depend on the load of the machine.
fn keep(air: &Air, over: &Arc<AtomicBool>, lives: [Shared; 2]) -> std::thread::JoinHandle<()> {
    let radio = air.attach_named("keeper").unwrap();
    let over = Arc::clone(over);
    std::thread::spawn(move || {
        let Streams { mut receive, mut transmit, .. } = radio.start().unwrap();
        let mut buffer = vec![Sample::default(); N as usize];
        let mut at = 0;
        while !over.load(Ordering::Relaxed) {
            if lives.iter().any(|life| life.lock().unwrap().unplugged) {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            transmit.advance(at + 8 * N).unwrap();
            let received = receive.receive(&mut buffer, Duration::from_millis(100)).unwrap();
            at = received.first + received.count as u64;
        }
    })
}

fn campaign(subframes: u64) {
    let port =
        |name: &str, cfo: f64, drift: f64| PortConfig { cfo: Number(cfo), drift, ..PortConfig::named(name) };
    let air = Air::new(AirConfig {
        rate: Number(3.84e6),
        prb: Some(15),
        seed: 7,
        snr: Some(20.0),
        utc: Some(1_800_000_000),
        wait_for: 3,
        port: vec![port("alice", 0.0, 1.0), port("bob", 150.0, -2.0)],
        ..AirConfig::default()
    })
    .unwrap();
    let keys = keys();
    let mut members = [
        Member::new("alice", 0, ""),
        Member::new("bob", 1, "[time]\nsource = \"slss\"\npatience = 100000\n"),
    ];
    let radios = members.each_ref().map(|m| air.attach_named(m.name).unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let lives = members.each_ref().map(|m| Arc::clone(&m.life));
    let keeper = keep(&air, &over, lives);
    for (member, radio) in members.iter_mut().zip(radios) {
        member.start(&air, &keys, radio.start().unwrap());
    }
    while members.iter().all(|m| m.life.lock().unwrap().age < subframes * N) {
        std::thread::sleep(Duration::from_millis(1));
        for i in 0..2 {
            if !members[i].running.as_ref().unwrap().is_finished() {
                continue;
            }
            let (ue, result) = members[i].running.take().unwrap().join().unwrap();
            let why = result.unwrap_err().to_string();
            assert!(why.contains("unplugged"), "{}: {why}", members[i].name);
            drop(ue);
            let radio = air.attach_named(members[i].name).unwrap();
            let streams = radio.start().unwrap();
            let other = members[1 - i].life.lock().unwrap().age;
            let mut life = members[i].life.lock().unwrap();
            life.unplugged = false;
            life.age = other.max(life.age);
            let age = life.age;
            life.faults.last_mut().unwrap().1 = age;
            drop(life);
            members[i].start(&air, &keys, streams);
        }
    }
    over.store(true, Ordering::Relaxed);
    keeper.join().unwrap();
    for member in &mut members {
        let (_, result) = member.running.take().unwrap().stop().unwrap();
        result.unwrap();
    }
    let lives = members.each_ref().map(|m| m.life.lock().unwrap());
    let mut worst: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for (i, life) in lives.iter().enumerate() {
        assert_eq!(life.trouble, Vec::<String>::new(), "{}", members[i].name);
        for &(what, over) in life.faults.iter().filter(|(_, over)| over + BACK * N < subframes * N) {
            for (j, other) in lives.iter().enumerate() {
                let back = other.heard.iter().find(|at| **at > over).map_or(u64::MAX, |at| (at - over) / N);
                let entry = worst.entry(what).or_default();
                *entry = (entry.0 + usize::from(j == 0), entry.1.max(back));
                assert!(
                    back <= BACK,
                    "{what} of {} at {}: {} hears the other again {back} subframes later",
                    members[i].name,
                    over / N,
                    members[j].name
                );
            }
        }
    }
    for (what, (times, back)) in &worst {
        eprintln!("{what}: {times} times, back after {back} ms at most");
    }
    let faults: usize = lives.iter().map(|life| life.faults.len()).sum();
    assert!(faults as u64 + 2 >= subframes / EVERY * 9 / 10, "{faults} faults in {subframes} subframes");
    let heard = lives.each_ref().map(|life| life.counts.len() as u64);
    assert!(heard.iter().all(|n| *n > subframes / 80), "{heard:?} messages in {subframes} subframes");
}

#[test]
fn after_every_fault_the_link_is_back() {
    campaign(30_000);
}

#[test]
#[ignore = "five minutes of air"]
fn after_every_fault_the_link_is_back_for_five_minutes() {
    campaign(300_000);
}
