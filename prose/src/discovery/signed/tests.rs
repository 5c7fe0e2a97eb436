//! Announcer and monitor of signed codes, as agents: what TR 33.833 §6.2.3 promises, and what it does not.

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::signature::{Hint, Scheme, SignedTime, SigningKey, VerifyingKey};
use sidelink_security::discovery::{Code, CodeFilter, Message, Refusal};
use sidelink_security::identity::master::AuthenticationSecret;
use sidelink_security::keys::Duck;
use sidelink_security::outcome::Outcome;

use super::timing::tag;
use super::*;
use crate::discovery::agent::{Agent, Config, Event, Input, Output};
use crate::discovery::{AirTime, Announcer, FrameTime, MonitorConfig, TimePolicy};

mod adversaries;
mod guards;
mod periods;

const CODE: Code = *b"code of 23 octets here!";
const END: UtcCounter = UtcCounter::new(u32::MAX);
const PERIOD: u64 = 320;

/// A period edge at which the sets of a key begin: the first after 14 November 2023.
fn set_begin(timing: &SetTiming, key: &VerifyingKey) -> u64 {
    let hint = key.hint();
    let place = |millis| timing.place(&at(millis), 0, hint);
    let first = (1_700_000_000_000_u64..).find(|millis| millis % 10_240 == 5120).unwrap();
    (0..).map(|n| first + n * PERIOD).find(|&millis| place(millis).index == 0).unwrap()
}

fn at(millis: u64) -> AirTime {
    AirTime::at(UtcTime::from_millis(millis))
}

fn key(scheme: Scheme, number: u8) -> SigningKey {
    if !scheme.is_eccsi() {
        return SigningKey::new(scheme, &[number; 32]).unwrap();
    }
    let kms = AuthenticationSecret::generate(&[77; 64]).unwrap();
    let issued = kms.issue(&[number; 32], &[number.wrapping_add(1); 64]).unwrap();
    SigningKey::eccsi(scheme, kms.public_key(), &issued).unwrap()
}

fn followed(key: &VerifyingKey, rotation: Rotation) -> SignedFollow {
    SignedFollow { key: key.clone(), rotation, valid_until: END, filter: None, group: None }
}

fn agent(timing: SetTiming) -> Agent {
    let time = TimePolicy { sets: timing, ..TimePolicy::default() };
    Agent::new(Config { time, monitor: MonitorConfig::default(), ..Config::default() }).unwrap()
}

/// An announcer and a monitor that follows it.
struct Pair {
    announcer: Agent,
    monitor: Agent,
    /// Begin of a set.
    begin: u64,
    timing: SetTiming,
}

impl Pair {
    fn new(scheme: Scheme, rotation: Rotation, timing: SetTiming) -> Self {
        let signing = key(scheme, 1);
        let public = signing.verifying_key();
        let (mut announcer, mut monitor) = (agent(timing), agent(timing));
        let sender = SignedSender::new(signing, CODE, rotation);
        announcer.add_announcer(Announcer::signed(sender, END));
        monitor.monitor().follow_signed(followed(&public, rotation)).unwrap();
        Self { announcer, monitor, begin: set_begin(&timing, &public), timing }
    }

    /// The block of a period, which begins `into` milliseconds after the period does.
    fn block(&mut self, period: u64, into: u64) -> (AirTime, Message) {
        let now = at(self.begin + period * PERIOD + into);
        (now, announce(&mut self.announcer, &now, period))
    }
}

fn announce(agent: &mut Agent, now: &AirTime, period: u64) -> Message {
    agent.handle_input(Input::Opportunity { now: *now, period, nonce: [3, 4] });
    let mut message = None;
    loop {
        match agent.poll_output() {
            Output::Message { message: block, .. } => message = Some(block),
            Output::Timeout(_) => return message.expect("an announcement"),
            _ => {}
        }
    }
}

/// Hands a block over, and the ticks that the agent asks for afterwards.
fn hear(agent: &mut Agent, now: &AirTime, block: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    agent.handle_input(Input::Message { now: *now, block });
    for _ in 0..100 {
        let due = loop {
            match agent.poll_output() {
                Output::Event(event) => events.push(event),
                Output::Timeout(due) => break due,
                _ => {}
            }
        };
        let Some(due) = due else { break };
        agent.handle_input(Input::Tick { now: at(due.millis()) });
    }
    events
}

fn verified(events: &[Event]) -> Option<(SignedTime, Code)> {
    events.iter().find_map(|event| match event {
        Event::Discovered(Discovered { finding: finding @ Finding::Signed { proof, code }, .. }) => {
            assert_eq!(finding.outcome(), Outcome::Verified);
            Some((proof.time, *code))
        }
        _ => None,
    })
}

fn dropped(events: &[Event], refusal: Refusal) -> bool {
    events.contains(&Event::Dropped(crate::discovery::Dropped::Refused(refusal)))
}

#[test]
fn every_scheme_completes_in_its_number_of_periods() {
    let needed = [4, 4, 7, 5, 4];
    for (scheme, needed) in Scheme::ALL.into_iter().zip(needed) {
        for rotation in [Rotation::Plain, Rotation::Coded] {
            let mut pair = Pair::new(scheme, rotation, SetTiming::DEFAULT);
            assert_eq!(fragments(scheme), needed);
            for period in 0..needed as u64 - 1 {
                let (now, block) = pair.block(period, 7);
                let events = hear(&mut pair.monitor, &now, &block);
                let [Event::Fragment(partial)] = events[..] else { panic!("{scheme}: {events:?}") };
                assert_eq!((u64::from(partial.have), usize::from(partial.needed)), (period + 1, needed));
            }
            assert_eq!(pair.monitor.monitor().signed().verifications(), 0);
            let (now, block) = pair.block(needed as u64 - 1, 7);
            let (time, code) = verified(&hear(&mut pair.monitor, &now, &block)).expect("verified");
            let begin = at(pair.begin);
            assert_eq!(code, CODE, "{scheme}");
            let expected = SignedTime::of(begin.slot, begin.frame.dfn, begin.frame.subframe);
            assert_eq!(time, expected, "the begin of the period of the first fragment");
            // From now on one block is enough, at no cost.
            let (now, block) = pair.block(20, 100);
            assert!(verified(&hear(&mut pair.monitor, &now, &block)).is_some());
            assert_eq!(pair.monitor.monitor().signed().verifications(), 1);
            assert_eq!(pair.monitor.monitor().signed().incomplete(), 0);
        }
    }
}

/// A set ends, and the next one has another time and another signature.
#[test]
fn a_new_set_is_signed_anew() {
    let timing = SetTiming::new(320, 0, 10).unwrap();
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, timing);
    let mut times = Vec::new();
    for period in 0..30 {
        let (now, block) = pair.block(period, 3);
        if let Some((time, _)) = verified(&hear(&mut pair.monitor, &now, &block)) {
            times.push((period, time));
        }
    }
    let signed: Vec<u64> = [0, 10, 20].map(|period| pair.begin + period * PERIOD).to_vec();
    for (set, begin) in signed.into_iter().enumerate() {
        let of_set: Vec<_> = times.iter().filter(|(period, _)| period / 10 == set as u64).collect();
        let expected = SignedTime::of(at(begin).slot, at(begin).frame.dfn, at(begin).frame.subframe);
        assert_eq!(of_set.len(), 7, "from the fourth period on");
        assert!(of_set.iter().all(|(_, time)| *time == expected));
    }
    assert_eq!(pair.monitor.monitor().signed().verifications(), 3);
}

/// Restricted use: who has the public key and not the group's learns who announces, not what; one code never looks the
/// same in two sets.
#[test]
fn a_code_for_a_group_is_concealed() {
    let timing = SetTiming::new(320, 0, 8).unwrap();
    let signing = key(Scheme::Ed25519, 1);
    let public = signing.verifying_key();
    let begin = set_begin(&timing, &public);
    let mut announcer = agent(timing);
    let sender = SignedSender::new(signing, CODE, Rotation::Coded).concealed(Duck::from([6; 16]));
    announcer.add_announcer(Announcer::signed(sender, END));
    let (mut member, mut outsider) = (agent(timing), agent(timing));
    let group = Some(Duck::from([6; 16]));
    let filter = Some(CodeFilter::exact(CODE));
    member
        .monitor()
        .follow_signed(SignedFollow { group, filter, ..followed(&public, Rotation::Coded) })
        .unwrap();
    outsider.monitor().follow_signed(followed(&public, Rotation::Coded)).unwrap();
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for period in 0..16 {
        let now = at(begin + period * PERIOD);
        let block = announce(&mut announcer, &now, period);
        inside.extend(verified(&hear(&mut member, &now, &block)));
        outside.extend(verified(&hear(&mut outsider, &now, &block)));
    }
    assert!(inside.iter().all(|(_, code)| *code == CODE) && inside.len() == 10);
    assert!(outside.iter().all(|(_, code)| *code != CODE) && outside.len() == 10);
    assert_ne!(outside[0].1, outside[9].1, "another keystream in another set");
}

#[test]
fn another_code_than_the_wanted_one_is_not_reported() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    let public = key(Scheme::Ed25519, 1).verifying_key();
    let mut monitor = agent(SetTiming::DEFAULT);
    let filter = Some(CodeFilter::exact(*b"another code, 23 octets"));
    monitor.monitor().follow_signed(SignedFollow { filter, ..followed(&public, Rotation::Coded) }).unwrap();
    for period in 0..6 {
        let (now, block) = pair.block(period, 0);
        assert_eq!(verified(&hear(&mut monitor, &now, &block)), None);
    }
}

/// Two keys of one hint, in one pool at the same time: their fragments mix, and both are found out by parity.
#[test]
fn keys_of_one_hint_are_told_apart() {
    let of = |number: u32| {
        let mut secret = [5; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        SigningKey::new(Scheme::Ed25519, &secret).unwrap()
    };
    let mut seen = std::collections::HashMap::<Hint, u32>::new();
    let hint = |number| of(number).verifying_key().hint();
    let (a, b) =
        (0..).find_map(|number| seen.insert(hint(number), number).map(|other| (other, number))).unwrap();
    let timing = SetTiming::DEFAULT;
    let begin = set_begin(&timing, &of(a).verifying_key());
    let mut monitor = agent(timing);
    let mut announcers = Vec::new();
    for number in [a, b] {
        let public = of(number).verifying_key();
        monitor.monitor().follow_signed(followed(&public, Rotation::Coded)).unwrap();
        let mut announcer = agent(timing);
        announcer.add_announcer(Announcer::signed(SignedSender::new(of(number), CODE, Rotation::Coded), END));
        announcers.push(announcer);
    }
    let mut found = [0; 2];
    for period in 0..8 {
        for announcer in &mut announcers {
            let now = at(begin + period * PERIOD);
            let block = announce(announcer, &now, period);
            for event in hear(&mut monitor, &now, &block) {
                if let Event::Discovered(Discovered { who: Subject::Signed(place), .. }) = event {
                    found[place as usize] += 1;
                }
            }
        }
    }
    assert!(found[0] > 0 && found[1] > 0, "{found:?}");
}

/// The store has at most its number of places, and a slot its number of verifications: the others come in later slots.
#[test]
fn sets_and_verifications_are_bounded() {
    let timing = SetTiming::DEFAULT;
    let config = MonitorConfig {
        signed: SignedConfig { sets: 8, verifications: 2, ..SignedConfig::default() },
        ..MonitorConfig::default()
    };
    let mut monitor = Agent::new(Config { monitor: config, ..Config::default() }).unwrap();
    let mut senders: Vec<SignedSender> = (1..=12)
        .map(|number| SignedSender::new(key(Scheme::Ed25519, number), CODE, Rotation::Coded))
        .collect();
    for sender in &senders {
        monitor.monitor().follow_signed(followed(sender.verifying_key(), Rotation::Coded)).unwrap();
    }
    let (mut limited, mut verified_in_slot) = (0, 0);
    for period in 0..4 {
        let now = at(1_700_000_000_000 / 10_240 * 10_240 + 5120 + period * PERIOD);
        for sender in &mut senders {
            let block = sender.fragment(&timing, &now, &mut || 7);
            monitor.handle_input(Input::Message { now, block: &block });
            loop {
                match monitor.poll_output() {
                    Output::Event(Event::Discovered(_)) => verified_in_slot += 1,
                    Output::Event(Event::Dropped(_)) => limited += 1,
                    Output::Timeout(due) => {
                        let pending = monitor.monitor().signed().is_pending();
                        assert_eq!(due, pending.then(|| now.slot.plus_millis(1)));
                        break;
                    }
                    _ => {}
                }
            }
            assert!(monitor.monitor().signed().incomplete() <= 8);
        }
    }
    assert!(limited >= 4 * 3, "four of twelve found no place: {limited}");
    assert_eq!(verified_in_slot, 2, "two in the last slot");
    let now = at(1_700_000_000_000 / 10_240 * 10_240 + 5120 + 3 * PERIOD + 1);
    monitor.handle_input(Input::Tick { now });
    let found = core::iter::from_fn(|| match monitor.poll_output() {
        Output::Timeout(_) => None,
        output => Some(output),
    });
    assert_eq!(found.filter(|output| matches!(output, Output::Event(Event::Discovered(_)))).count(), 2);
}

proptest::proptest! {
    /// Whatever the period, the offset and the phase of DFN against UTC: the monitor knows the set, the period and the
    /// time of each fragment, with a UTC that differs by up to 20 ms.
    #[test]
    fn both_ends_know_the_set(
        start in 1_600_000_000_000_u64..1_900_000_000_000,
        period in 10_u32..=10_240,
        offset in 0_u32..10_240,
        periods in 7_u32..=255,
        phase in 0_u16..10_240,
        error in -20_i64..=20,
        hint: [u8; 2],
    ) {
        let timing = SetTiming::new(period, offset, periods).unwrap();
        let hint = Hint(hint);
        let air = |millis: u64, error: i64| {
            let count = (millis % 10_240) as u16 + phase;
            let slot = UtcTime::from_millis(millis.saturating_add_signed(error));
            AirTime { frame: FrameTime::of_count(count % 10_240), ..AirTime::at(slot) }
        };
        let (sent, heard) = (air(start, 0), air(start, error));
        let (ours, theirs) = (timing.place(&sent, 0, hint), timing.place(&heard, 0, hint));
        // Where DFN is half a turn away from UTC, 20 ms decide which turn it is.
        proptest::prop_assume!((ours.number, ours.index) == (theirs.number, theirs.index) || {
            let utc = (start + 2_208_988_800_000) % 10_240;
            let frame = u64::from(sent.frame.count());
            (5_100..=5_140).contains(&((frame + 10_240 - utc) % 10_240))
        });
        proptest::prop_assume!((ours.number, ours.index) == (theirs.number, theirs.index));
        let signed = ours.signed_time(0);
        proptest::prop_assert!(theirs.signed_times(20).any(|time| time == signed));
        let again = timing.begin(&heard, theirs.number, hint);
        proptest::prop_assert_eq!(again.signed_time(0), theirs.signed_time(0));
        proptest::prop_assert!(ours.index < periods as u8);
        let age = u64::from(ours.index) * u64::from(period);
        let since = start - signed.counter_millis(start);
        proptest::prop_assert!(since <= age + u64::from(period) + 10_240 + 1000, "{} of {}", since, age);
    }

    #[test]
    fn no_block_panics_or_is_believed(blocks: Vec<[u8; 28]>, step in 0_u64..500) {
        let mut pair = Pair::new(Scheme::EcdsaP256, Rotation::Coded, SetTiming::DEFAULT);
        let hint = key(Scheme::EcdsaP256, 1).verifying_key().hint();
        for (nth, mut rest) in blocks.into_iter().enumerate() {
            let now = at(pair.begin + nth as u64 * step);
            if rest[3] & 1 == 0 {
                // Of the right set and period, with any content.
                let place = SetTiming::DEFAULT.place(&now, 0, hint);
                rest[0] = place.index;
                rest[1..3].copy_from_slice(&tag(hint.0, place.number));
            }
            let block = [&[0xc9], &rest[..]].concat();
            proptest::prop_assert_eq!(verified(&hear(&mut pair.monitor, &now, &block)), None);
        }
        proptest::prop_assert!(pair.monitor.monitor().signed().incomplete() <= 64);
    }
}

/// Milliseconds of UTC at the begin of the second of a signed time.
trait CounterMillis {
    fn counter_millis(&self, not_after: u64) -> u64;
}

impl CounterMillis for SignedTime {
    fn counter_millis(&self, not_after: u64) -> u64 {
        (u64::from(self.counter.value()) * 1000).min(not_after)
    }
}
