//! All three kinds through whole agents: announcer and monitor, and an attacker between them.

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::chain::{ChainSeed, Plan};
use sidelink_security::discovery::code_chain::{CodeAnchor, CodeChain};
use sidelink_security::discovery::delayed_key::{KeyAnchor, KeyChain};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::discovery::signature::{Scheme, SigningKey};
use sidelink_security::outcome::Outcome;

use super::*;
use crate::discovery::agent::{Agent, Config, Event, Input, Origin, Output};
use crate::discovery::{Announcer, Dropped};

const START: u64 = 1_700_000_000_000;
const PERIOD: u64 = 320;
const END: UtcCounter = UtcCounter::new(u32::MAX);

fn at(millis: u64) -> AirTime {
    AirTime::at(UtcTime::from_millis(START + millis))
}

fn key(octet: u8) -> SigningKey {
    SigningKey::new(Scheme::Ed25519, &[octet; 32]).unwrap()
}

fn plan() -> Plan {
    Plan::new(UtcTime::from_millis(START), RotationPeriod::from_millis(PERIOD).unwrap(), 400, [1; 8]).unwrap()
}

fn seed() -> ChainSeed {
    ChainSeed::from([4; 32])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Delayed,
    Chain,
    Pointer,
}

const ALL: [Kind; 3] = [Kind::Delayed, Kind::Chain, Kind::Pointer];

fn announcer(kind: Kind, valid_until: UtcCounter) -> Announcer {
    let now = at(0).slot;
    match kind {
        Kind::Delayed => {
            let anchor = KeyAnchor::of(plan(), 2, &seed());
            Announcer::delayed(KeyChain::new(&anchor, &seed(), now), [7; 13], valid_until)
        }
        Kind::Chain => {
            Announcer::of_chain(CodeChain::new(&CodeAnchor::of(plan(), &seed()), &seed(), now), valid_until)
        }
        Kind::Pointer => Announcer::pointing(key(1), [9; 23], valid_until),
    }
}

fn follow(kind: Kind, valid_until: UtcCounter) -> FollowChained {
    let public = key(1).verifying_key();
    match kind {
        Kind::Delayed => {
            let anchor = KeyAnchor::of(plan(), 2, &seed());
            let signature = anchor.sign(&key(1), [0; 32]);
            let anchor = anchor.verify(&public, signature.as_octets()).unwrap();
            FollowChained::Delayed(ShortFilter::exact([7; 13]), KeyChainFollower::new(anchor, 5), valid_until)
        }
        Kind::Chain => {
            let anchor = CodeAnchor::of(plan(), &seed());
            let signature = anchor.sign(&key(1), [0; 32]);
            let anchor = anchor.verify(&public, signature.as_octets()).unwrap();
            FollowChained::Chain(CodeChainFollower::new(anchor), valid_until)
        }
        Kind::Pointer => FollowChained::Pointer(CodeFilter::exact([9; 23]), public, valid_until),
    }
}

/// What one announcement puts on the air.
#[derive(Clone)]
struct OnAir {
    message: Message,
    announcement: Option<Vec<u8>>,
}

fn announce(agent: &mut Agent, now: AirTime, period: u64) -> OnAir {
    agent.handle_input(Input::Opportunity { now, period, nonce: [period, 1] });
    let (mut message, mut announcement) = (None, None);
    loop {
        match agent.poll_output() {
            Output::Message { origin: Origin::Announcer(0), message: made } => message = Some(made),
            Output::Announcement { origin: Origin::Announcer(0), octets } => announcement = Some(octets),
            Output::Event(Event::Announced(_)) => {}
            Output::Timeout(_) => break,
            _ => panic!("something else in slot {period}"),
        }
    }
    OnAir { message: message.unwrap(), announcement }
}

fn events(agent: &mut Agent) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        match agent.poll_output() {
            Output::Event(event) => events.push(event),
            Output::Timeout(_) => return events,
            _ => panic!("no event"),
        }
    }
}

fn hear(agent: &mut Agent, now: AirTime, block: &Message) -> Vec<Event> {
    agent.handle_input(Input::Message { now, block });
    events(agent)
}

fn hear_announcement(agent: &mut Agent, now: AirTime, octets: &[u8]) -> Vec<Event> {
    agent.handle_input(Input::Announcement { now, octets });
    events(agent)
}

fn agent() -> Agent {
    Agent::new(Config::default()).unwrap()
}

fn pair(kind: Kind) -> (Agent, Agent, Subject) {
    let (mut alice, mut bob) = (agent(), agent());
    alice.add_announcer(announcer(kind, END));
    let who = bob.monitor().follow_chained(follow(kind, END));
    (alice, bob, who)
}

/// Slots from a message to its proof.
const fn slots_to_proof(kind: Kind) -> u64 {
    match kind {
        Kind::Delayed => 2,
        Kind::Chain | Kind::Pointer => 0,
    }
}

#[test]
fn matched_and_then_proven() {
    for kind in ALL {
        let (mut alice, mut bob, who) = pair(kind);
        let (mut matched, mut proven) = (0, 0);
        for slot in 0..20 {
            let now = at(slot * PERIOD + 37);
            let air = announce(&mut alice, now, slot);
            assert_eq!(air.announcement.is_some(), kind == Kind::Pointer);
            let mut heard = hear(&mut bob, now, &air.message);
            if let Some(octets) = &air.announcement {
                assert_eq!(octets.len(), 97);
                heard.extend(hear_announcement(&mut bob, at(slot * PERIOD + 120), octets));
            }
            for event in heard {
                match event {
                    Event::Matched(subject) if subject == who => matched += 1,
                    Event::Discovered(found) if found.who == who => {
                        assert_eq!(found.finding.outcome(), Outcome::Verified);
                        proven += 1;
                    }
                    other => panic!("{kind:?} slot {slot}: {other:?}"),
                }
            }
            assert_eq!(proven, (slot + 1).saturating_sub(slots_to_proof(kind)), "{kind:?} slot {slot}");
        }
        assert_eq!(matched, if kind == Kind::Chain { 0 } else { 20 }, "{kind:?}");
        let counters = bob.counters();
        assert_eq!((counters.of(Outcome::Verified), counters.of(Outcome::Incomplete)), (proven, matched));
    }
}

#[test]
fn the_announcement_may_come_before_its_message() {
    let (mut alice, mut bob, who) = pair(Kind::Pointer);
    let air = announce(&mut alice, at(0), 0);
    assert!(hear_announcement(&mut bob, at(0), air.announcement.as_ref().unwrap()).is_empty());
    let heard = hear(&mut bob, at(0), &air.message);
    assert!(matches!(heard[..], [Event::Discovered(found)] if found.who == who), "{heard:?}");
}

/// A2: one slot, 256 slots (the index's least significant bits), DFN's turn and an hour later.
#[test]
fn a_late_replay_is_refused() {
    for kind in ALL {
        for later in [PERIOD * 3, 10_240, 256 * PERIOD] {
            let (mut alice, mut bob, _) = pair(kind);
            let air = announce(&mut alice, at(0), 0);
            let now = at(later);
            let mut heard = hear(&mut bob, now, &air.message);
            if let Some(octets) = &air.announcement {
                heard.extend(hear_announcement(&mut bob, now, octets));
            }
            // Nothing that comes later proves it.
            let after = announce(&mut alice, at(later + 2 * PERIOD), 2);
            heard.extend(hear(&mut bob, at(later + 2 * PERIOD), &after.message));
            let found = |event: &Event| matches!(event, Event::Discovered(_));
            let limit = usize::from(kind == Kind::Chain);
            assert!(
                heard.iter().filter(|event| found(event)).count() <= limit,
                "{kind:?} {later}: {heard:?}"
            );
            let dropped = |event: &Event| matches!(event, Event::Dropped(_));
            assert!(heard.iter().any(dropped), "{kind:?} {later}: {heard:?}");
        }
    }
}

/// A3: the same slot at another place is accepted, as with every protection that only knows the time (X).
#[test]
fn a_wormhole_in_the_same_slot_passes() {
    for kind in ALL {
        let (mut alice, _, _) = pair(kind);
        let (_, mut far, who) = pair(kind);
        let mut heard = Vec::new();
        for slot in 0..3 {
            let air = announce(&mut alice, at(slot * PERIOD), slot);
            let now = at(slot * PERIOD + 5);
            heard.extend(hear(&mut far, now, &air.message));
            if let Some(octets) = &air.announcement {
                heard.extend(hear_announcement(&mut far, now, octets));
            }
        }
        assert!(
            heard.iter().any(|event| matches!(event, Event::Discovered(found) if found.who == who)),
            "{kind:?}"
        );
    }
}

#[test]
fn an_identity_that_is_over_or_unfollowed_is_refused() {
    for kind in ALL {
        let (mut alice, mut bob) = (agent(), agent());
        alice.add_announcer(announcer(kind, END));
        let until = UtcCounter::new((START / 1000) as u32);
        bob.monitor().follow_chained(follow(kind, until));
        let now = at(10);
        let air = announce(&mut alice, now, 0);
        let mut heard = hear(&mut bob, now, &air.message);
        if let Some(octets) = &air.announcement {
            heard.extend(hear_announcement(&mut bob, now, octets));
        }
        assert!(heard.contains(&Event::Dropped(Dropped::Refused(Refusal::Expired))), "{kind:?} {heard:?}");

        let (mut alice, mut bob, who) = pair(kind);
        bob.monitor().unfollow(who);
        let air = announce(&mut alice, now, 0);
        let unknown = [Event::Dropped(Dropped::Refused(Refusal::Unknown))];
        assert_eq!(hear(&mut bob, now, &air.message), unknown);
        if let Some(octets) = &air.announcement {
            assert_eq!(hear_announcement(&mut bob, now, octets), unknown);
        }
    }
}

/// A message without its other half, and announcements of others, take a bounded memory and no signature check.
#[test]
fn floods_of_pointers_are_bounded() {
    let (mut alice, mut bob, who) = pair(Kind::Pointer);
    let air = announce(&mut alice, at(0), 0);
    for flood in 0..1000_u16 {
        let mut message = air.message;
        message[24..26].copy_from_slice(&flood.to_be_bytes());
        let heard = hear(&mut bob, at(u64::from(flood) / 100), &message);
        assert!(matches!(heard[..], [Event::Matched(_) | Event::Dropped(_)]), "{heard:?}");
    }
    // The flood ends; the next one is found.
    let next = announce(&mut alice, at(PERIOD), 1);
    hear(&mut bob, at(PERIOD), &next.message);
    let heard = hear_announcement(&mut bob, at(PERIOD + 40), next.announcement.as_ref().unwrap());
    assert!(matches!(heard[..], [Event::Discovered(found)] if found.who == who), "{heard:?}");
    // False signatures under right pointers cost a bounded number of checks a second.
    let now = at(2000);
    let air = announce(&mut alice, now, 7);
    let mut limited = 0;
    for flood in 0..200_u8 {
        let mut octets = air.announcement.clone().unwrap();
        octets[96] ^= flood.max(1);
        let mut message = air.message;
        message[24..26].copy_from_slice(&sidelink_security::discovery::pointer::pointer(&octets));
        hear(&mut bob, now, &message);
        for event in hear_announcement(&mut bob, now, &octets) {
            match event {
                Event::Dropped(Dropped::Refused(Refusal::RateLimited)) => limited += 1,
                Event::Dropped(Dropped::Refused(Refusal::BadSignature | Refusal::Replay)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(limited >= 100, "{limited}");
}

/// A signed time that is not that of the slot: one millisecond beyond the uncertainty of 20 ms, and DFN's turn.
#[test]
fn the_signed_time_is_that_of_the_slot() {
    let (mut alice, _, who) = pair(Kind::Pointer);
    let air = announce(&mut alice, at(15_000), 0);
    let octets = air.announcement.unwrap();
    for (heard_at, refusal) in [
        (14_980, None),
        (15_020, None),
        (14_979, Some(Refusal::Clock)),
        (15_021, Some(Refusal::Replay)),
        (15_000 + 10_240, Some(Refusal::Replay)),
        (15_000 - 10_240, Some(Refusal::Clock)),
    ] {
        let (_, mut bob, _) = pair(Kind::Pointer);
        let now = at(heard_at);
        hear(&mut bob, now, &air.message);
        let heard = hear_announcement(&mut bob, now, &octets);
        match refusal {
            None => {
                assert!(matches!(heard[..], [Event::Discovered(found)] if found.who == who), "{heard_at}")
            }
            Some(refusal) => {
                assert_eq!(heard, [Event::Dropped(Dropped::Refused(refusal))], "{heard_at}");
            }
        }
    }
}

/// Without a ProSe clock within MAX_OFFSET nothing is announced early: a clock that runs ahead would reveal codes.
#[test]
fn air_and_prose_clock_must_agree() {
    for kind in ALL {
        let (mut alice, mut bob, _) = pair(kind);
        let air = announce(&mut alice, at(0), 0);
        let apart = AirTime { prose_clock: UtcCounter::new((START / 1000) as u32 + 33), ..at(0) };
        alice.handle_input(Input::Opportunity { now: apart, period: 1, nonce: [0; 2] });
        let refused = Event::Silent { origin: Origin::Announcer(0), refusal: Refusal::OutsideMaxOffset };
        assert_eq!(events(&mut alice), [refused], "{kind:?}");
        let outside = [Event::Dropped(Dropped::Refused(Refusal::OutsideMaxOffset))];
        assert_eq!(hear(&mut bob, apart, &air.message), outside, "{kind:?}");
        if let Some(octets) = &air.announcement {
            assert_eq!(hear_announcement(&mut bob, apart, octets), outside);
        }
    }
}

/// A9: with a false bound on the clocks forgeries of delayed keys are accepted; a bound that is too wide for the delay
/// refuses everything instead.
#[test]
fn a_wide_bound_on_the_clocks_refuses_delayed_keys() {
    let (mut alice, _, _) = pair(Kind::Delayed);
    let mut config = Config::default();
    config.time.uncertainty_millis = PERIOD + 1;
    let mut bob = Agent::new(config).unwrap();
    bob.monitor().follow_chained(follow(Kind::Delayed, END));
    let air = announce(&mut alice, at(0), 0);
    let heard = hear(&mut bob, at(0), &air.message);
    assert_eq!(heard, [Event::Dropped(Dropped::Refused(Refusal::ClockUncertain))]);
}

/// A message by itself: of another time, or the same one again.
#[test]
fn a_pointer_is_of_its_time_and_counts_once() {
    let (mut alice, mut bob, who) = pair(Kind::Pointer);
    let air = announce(&mut alice, at(0), 0);
    let (_, mut late, _) = pair(Kind::Pointer);
    assert_eq!(
        hear(&mut late, at(40_000), &air.message),
        [Event::Dropped(Dropped::Refused(Refusal::OutsideMaxOffset))]
    );
    let again = [Event::Dropped(Dropped::Refused(Refusal::Replay))];
    assert_eq!(hear(&mut bob, at(0), &air.message), [Event::Matched(who)]);
    assert_eq!(hear(&mut bob, at(1), &air.message), again);
    // And its announcement, which came first.
    let (_, mut bob, _) = pair(Kind::Pointer);
    let octets = air.announcement.unwrap();
    assert!(hear_announcement(&mut bob, at(0), &octets).is_empty());
    assert_eq!(hear_announcement(&mut bob, at(1), &octets), again);
    // More octets than the longest signature has are not even looked at.
    let long = [&octets[..], &[0; 160]].concat();
    assert_eq!(hear_announcement(&mut bob, at(1), &long), [Event::Dropped(Dropped::Refused(Refusal::Type))]);
}

/// Neither half waits for the other for more than two seconds.
#[test]
fn halves_are_forgotten() {
    for (later, proves) in [(2000, true), (2001, false)] {
        let (mut alice, mut bob, who) = pair(Kind::Pointer);
        let air = announce(&mut alice, at(0), 0);
        let octets = air.announcement.unwrap();
        hear(&mut bob, at(0), &air.message);
        let heard = hear_announcement(&mut bob, at(later), &octets);
        assert_eq!(matches!(heard[..], [Event::Discovered(found)] if found.who == who), proves, "{heard:?}");
        // The announcement first: later than the uncertainty it is of another subframe, or is not there any more.
        let (_, mut bob, _) = pair(Kind::Pointer);
        hear_announcement(&mut bob, at(0), &octets);
        let heard = hear(&mut bob, at(later), &air.message);
        assert_eq!(matches!(heard[..], [Event::Matched(_)]), !proves, "{heard:?}");
    }
}

/// Announcements that wait for their message are bounded: the oldest one makes room.
#[test]
fn announcements_that_wait_are_bounded() {
    for (others, is_there) in [(63, true), (64, false)] {
        let (mut alice, mut bob, _) = pair(Kind::Pointer);
        let air = announce(&mut alice, at(0), 0);
        let octets = air.announcement.unwrap();
        hear_announcement(&mut bob, at(0), &octets);
        for other in 1..=others {
            let mut octets = octets.clone();
            octets[96] ^= other;
            assert!(hear_announcement(&mut bob, at(0), &octets).is_empty());
        }
        let heard = hear(&mut bob, at(0), &air.message);
        assert_eq!(matches!(heard[..], [Event::Discovered(_)]), is_there, "{others}: {heard:?}");
    }
}

/// One key that is followed for two codes: what is found is the code that was announced.
#[test]
fn two_codes_of_one_key_are_told_apart() {
    let (mut alice, mut bob) = (agent(), agent());
    alice.add_announcer(announcer(Kind::Pointer, END));
    let other = FollowChained::Pointer(CodeFilter::exact([8; 23]), key(1).verifying_key(), END);
    bob.monitor().follow_chained(other);
    let who = bob.monitor().follow_chained(follow(Kind::Pointer, END));
    let air = announce(&mut alice, at(0), 0);
    assert_eq!(hear(&mut bob, at(0), &air.message), [Event::Matched(who)]);
    let heard = hear_announcement(&mut bob, at(0), &air.announcement.unwrap());
    assert!(matches!(heard[..], [Event::Discovered(found)] if found.who == who), "{heard:?}");
}

/// A code that does not pass the filter is nobody's; bits that are not under the mask do not count.
#[test]
fn a_short_filter_compares_the_bits_under_its_mask() {
    let mut mask = [0xff; 13];
    mask[3] = 0xf0;
    for (at_3, known) in [(7, true), (9, true), (0x17, false)] {
        let (mut alice, mut bob) = (agent(), agent());
        alice.add_announcer(announcer(Kind::Delayed, END));
        let FollowChained::Delayed(mut filter, follower, until) = follow(Kind::Delayed, END) else {
            panic!("not of delayed keys")
        };
        (filter.code[3], filter.mask) = (at_3, mask);
        let who = bob.monitor().follow_chained(FollowChained::Delayed(filter, follower, until));
        let air = announce(&mut alice, at(0), 0);
        let unknown = Event::Dropped(Dropped::Refused(Refusal::Unknown));
        let expected = if known { Event::Matched(who) } else { unknown };
        assert_eq!(hear(&mut bob, at(0), &air.message), [expected], "{at_3:#x}");
    }
}
