use proptest::prelude::*;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::Profile;
use sidelink_security::discovery::ota::{OtaConfig, Variant};
use sidelink_security::discovery::request_response::{Binding, Session};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::keys::{ApplicationKey, PresharedSecret};

use super::*;
use crate::discovery::tests::random;
use crate::discovery::{Answering, Asking, Discovered, Finding, MonitorConfig};

const START: u64 = 1_700_000_000_000;
const FOREVER: UtcCounter = UtcCounter::new(u32::MAX);

fn at(millis: u64) -> AirTime {
    AirTime::at(UtcTime::from_millis(START + millis))
}

fn ota() -> OtaConfig {
    OtaConfig::new(Variant::Keyed, 64, 0, RotationPeriod::SECOND).unwrap()
}

/// A UE that follows changing identifiers, queries and responds.
struct Ue {
    agent: Agent,
    store: Memory,
}

impl Ue {
    fn new() -> Self {
        let monitor = MonitorConfig { rotating: Some(ota()), ..MonitorConfig::default() };
        let agent = Agent::new(Config { monitor, ..Config::default() }).unwrap();
        Self { agent, store: Memory::default() }
    }

    /// Runs the loop of the contract: makes reservations durable, builds tables, collects the other outputs.
    fn input(&mut self, input: Input<'_>) -> Heard {
        let now = input.now();
        self.agent.handle_input(input);
        let mut heard = Heard::default();
        loop {
            match self.agent.poll_output() {
                Output::Timeout(next) => {
                    heard.timeout = next;
                    return heard;
                }
                Output::Reserve(reservation) => {
                    heard.log.push(format!("reserve {:?}", reservation.range()));
                    let granted = reservation.commit(&mut self.store).unwrap();
                    self.agent.handle_input(Input::Granted { now, granted });
                }
                Output::Build(mut job) => {
                    heard.log.push(format!("build {:?}", job.period()));
                    while !job.run(1) {}
                    self.agent.handle_input(Input::Table { now, job });
                }
                output => heard.take(output),
            }
        }
    }
}

/// The outputs, as text and as fields.
#[derive(Default)]
struct Heard {
    log: Vec<String>,
    messages: Vec<Message>,
    drops: Vec<Outcome>,
    discovered: Vec<Discovered>,
    answers: Vec<Finding>,
    asked: usize,
    timeout: Option<UtcTime>,
}

impl Heard {
    fn take(&mut self, output: Output) {
        match output {
            Output::Message { origin, message } => {
                self.log.push(format!("message {origin:?} {message:02x?}"));
                self.messages.push(message);
            }
            Output::Announcement { octets, .. } => self.log.push(format!("announcement {octets:02x?}")),
            Output::Event(event) => self.take_event(event),
            Output::Reserve(_) | Output::Build(_) | Output::Timeout(_) => unreachable!("taken by the loop"),
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            // its message is in the log
            Event::Announced(_) => {}
            Event::Silent { origin, refusal } => self.log.push(format!("silent {origin:?} {refusal:?}")),
            Event::Discovered(discovered) => {
                self.log.push(format!("{discovered:?}"));
                self.discovered.push(discovered);
            }
            Event::Answered { discoverer, finding } => {
                self.log.push(format!("answered {discoverer} {finding:?}"));
                self.answers.push(finding);
            }
            Event::Asked => {
                self.log.push("asked".into());
                self.asked += 1;
            }
            Event::Dropped(dropped) => {
                self.log.push(format!("{dropped:?}"));
                self.drops.push(dropped.outcome());
            }
            Event::Matched(who) => self.log.push(format!("matched {who:?}")),
            Event::Fragment(partial) => self.log.push(partial.to_string()),
            Event::KeyWanted(hint) => self.log.push(format!("wanted {hint}")),
            Event::Unfollowable(error) => self.log.push(error.to_string()),
        }
    }
}

#[test]
// TS 24.334 §10A.2.2.2 (6)
fn identity_is_discovered_across_periods() {
    let (mut alice, mut bob) = (Ue::new(), Ue::new());
    let key = ApplicationKey::from([7; 32]);
    alice.agent.add_announcer(Announcer::changing(ota(), [1; 20], &key, FOREVER));
    let who = bob.agent.monitor().follow_rotating([([1; 20], &key, FOREVER)]).unwrap()[0];
    let mut codes = Vec::new();
    for period in 0..10 {
        let now = at(period * 1000 + 320);
        bob.input(Input::Tick { now });
        let slot = Input::Opportunity { now, period, nonce: [1, 2] };
        let sent = alice.input(slot).messages;
        let again = alice.input(Input::Opportunity { now, period, nonce: [1, 2] });
        assert!(again.messages.is_empty(), "once in a discovery period");
        let heard = bob.input(Input::Message { now, block: &sent[0] });
        assert_eq!(heard.discovered.len(), 1, "{:?}", heard.log);
        assert_eq!((heard.discovered[0].who, heard.discovered[0].report), (who, period == 0));
        assert_eq!(heard.timeout, Some(at((period + 1) * 1000).slot), "the next edge");
        codes.push(sent[0]);
    }
    let replayed = bob.input(Input::Message { now: at(10_500), block: &codes[9] });
    assert_eq!(replayed.drops, [Outcome::Replay], "one rotation period later");
    codes.dedup();
    assert_eq!(codes.len(), 10);
}

#[test]
fn question_and_answer_between_two_agents() {
    let (mut alice, mut bob) = (Ue::new(), Ue::new());
    let session = || {
        let secret = PresharedSecret::from([6; 32]);
        Session::new(&secret, [0x11; 23], Binding::Bound, Profile::default())
    };
    alice.agent.add_discoverer(Discoverer::new(Asking::Preshared(session()), FOREVER, 2000));
    bob.agent.discoveree().answer(Answering::Preshared(session(), [0x22; 23]), FOREVER);
    let slot = |period| Input::Opportunity { now: at(period * 320), period, nonce: [0; 2] };
    let question = alice.input(slot(0)).messages[0];
    let heard = bob.input(Input::Message { now: at(0), block: &question });
    assert_eq!((heard.asked, heard.drops.len()), (1, 0));
    let copy = bob.input(Input::Message { now: at(1), block: &question });
    assert_eq!((copy.asked, &copy.drops[..]), (0, &[Outcome::Replay][..]));
    let answer = bob.input(slot(1)).messages[0];
    let heard = alice.input(Input::Message { now: at(320), block: &answer });
    assert!(matches!(heard.answers[..], [Finding::Verified(_)]), "{:?}", heard.log);
    assert!(bob.input(slot(2)).messages.is_empty(), "answered once");
}

#[test]
fn clock_that_went_back_neither_announces_nor_believes() {
    let stream = StreamId([9; 16]);
    let mut store = Memory::default();
    let guarded = |store: &mut Memory, millis: u64| {
        let mut ue = Ue::new();
        let guard = ClockGuard::open(stream, at(millis).slot.counter(), 64, store).unwrap();
        ue.agent.guard_clock(guard);
        ue.agent.add_announcer(Announcer::changing(ota(), [1; 20], &ApplicationKey::from([7; 32]), FOREVER));
        ue.store = store.clone();
        ue
    };
    let slot = |millis| Input::Opportunity { now: at(millis), period: millis, nonce: [0; 2] };
    let mut first = guarded(&mut store, 0);
    // Over many marks: each is made durable in the loop, ahead of its use.
    for second in 0..500 {
        assert_eq!(first.input(slot(second * 1000)).messages.len(), 1, "at {second} s");
    }
    // A crash, and the clock shows an old time.
    let mut store = first.store.clone();
    let mut second = guarded(&mut store, 100_000);
    let heard = second.input(slot(100_000));
    assert!(heard.messages.is_empty());
    assert!(heard.log[0].contains("silent Clock"), "{:?}", heard.log);
    let drops = second.input(Input::Message { now: at(100_000), block: &[0xc1; 29] }).drops;
    assert_eq!(drops, [Outcome::Clock]);
    // Synchronised again.
    assert_eq!(second.input(slot(600_000)).messages.len(), 1);
}

#[test]
fn driver_that_does_not_drain_loses_outputs_and_is_told() {
    let mut agent = Agent::new(Config { outputs: 4, ..Config::default() }).unwrap();
    for _ in 0..10 {
        agent.handle_input(Input::Message { now: at(0), block: &[0; 29] });
    }
    assert_eq!(agent.counters().of(Outcome::OutputFull), 6);
    assert_eq!(agent.counters().of(Outcome::Malformed), 10);
}

/// Runs a seeded exchange of three UEs over a channel that loses, copies, cuts and damages messages. Returns all outputs.
fn exchange(seed: u64) -> Vec<String> {
    let mut random = random(seed);
    let mut ues = [Ue::new(), Ue::new(), Ue::new()];
    let key = |n: u8| ApplicationKey::from([n; 32]);
    for (n, ue) in ues.iter_mut().enumerate() {
        let n = n as u8;
        ue.agent.add_announcer(Announcer::changing(ota(), [n; 20], &key(n), FOREVER));
        let (a, b) = (key((n + 1) % 3), key((n + 2) % 3));
        let followed = [([(n + 1) % 3; 20], &a, FOREVER), ([(n + 2) % 3; 20], &b, FOREVER)];
        ue.agent.monitor().follow_rotating(followed).unwrap();
    }
    let mut log = Vec::new();
    for step in 0..400u64 {
        let now = at(step * 17);
        let from = random() as usize % 3;
        let nonce = [random(), random()];
        let heard = ues[from].input(Input::Opportunity { now, period: step / 8, nonce });
        log.extend(heard.log);
        for message in heard.messages {
            let fate = random() % 8;
            let mut block = message.to_vec();
            if fate == 1 {
                let bit = random() as usize % (8 * block.len());
                block[bit / 8] ^= 1 << (bit % 8);
            }
            if fate == 3 {
                block.pop();
            }
            for to in (0..3).filter(|&to| to != from && fate != 0) {
                for _ in 0..if fate == 2 { 2 } else { 1 } {
                    log.extend(ues[to].input(Input::Message { now, block: &block }).log);
                }
            }
        }
    }
    log.extend(ues.iter().map(|ue| format!("{:?}", ue.agent.counters())));
    log
}

#[test]
fn same_inputs_give_the_same_outputs() {
    let first = exchange(7);
    assert_eq!(first, exchange(7));
    assert_ne!(first, exchange(8));
    for expected in ["Discovered", "Malformed", "Unknown", "build"] {
        let shown = first.iter().any(|line| line.contains(expected));
        assert!(shown, "the exchange never showed {expected}");
    }
}

proptest! {
    #[test]
    fn any_messages_are_judged_without_a_panic(
        blocks in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..80), 0u64..5000), 1..20),
    ) {
        let mut ue = Ue::new();
        for (block, millis) in &blocks {
            let heard = ue.input(Input::Message { now: at(*millis), block });
            prop_assert!(heard.discovered.is_empty() && heard.answers.is_empty());
            prop_assert_eq!(heard.drops.len(), 1);
        }
    }
}

/// One that nobody wants is silent, and a new code does not bring it back.
#[test]
fn an_announcer_that_is_off_says_nothing() {
    let announcer =
        |octet| Announcer::changing(ota(), [octet; 20], &ApplicationKey::from([octet; 32]), FOREVER);
    let mut ue = Ue::new();
    let place = ue.agent.add_announcer(announcer(1));
    let says = |ue: &mut Ue, period| {
        let input = Input::Opportunity { now: at(1000 * period), period, nonce: [0; 2] };
        (ue.input(input).messages.len(), ue.agent.silenced())
    };
    assert_eq!(says(&mut ue, 1), (1, 0));
    ue.agent.announcer(place).unwrap().set_announcing(Announcing::Off);
    assert_eq!(says(&mut ue, 2), (0, 1));
    ue.agent.announcer(place).unwrap().replace(announcer(2));
    assert_eq!(says(&mut ue, 3), (0, 1));
    ue.agent.announcer(place).unwrap().set_announcing(Announcing::On);
    assert_eq!(says(&mut ue, 4), (1, 0));
}
