//! The checks of the monitoring side, one by one: bounds, what makes room, and what is asked for.

use super::*;
use crate::discovery::signed::keys::{ByHint, Unknown};
use crate::discovery::signed::sets::{Added, PartialSet};

fn wanted(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::KeyWanted(_)))
}

/// A set is verified, and a block of it that was changed is refused.
#[test]
fn a_false_fragment_of_a_verified_set_is_refused() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    let found = (0..4).filter_map(|period| {
        let (now, block) = pair.block(period, 0);
        verified(&hear(&mut pair.monitor, &now, &block))
    });
    assert_eq!(found.count(), 1);
    let (now, right) = pair.block(4, 0);
    for bit in 0..8 * FRAGMENT_OCTETS {
        let mut block = right;
        block[4 + bit / 8] ^= 1 << (bit % 8);
        let events = hear(&mut pair.monitor, &now, &block);
        assert!(dropped(&events, Refusal::BadMic) && verified(&events).is_none(), "bit {bit}");
    }
    assert!(verified(&hear(&mut pair.monitor, &now, &right)).is_some());
}

/// The octets behind the signature are zeros: one announcement has one form.
#[test]
fn only_zeros_stand_behind_the_signature() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Plain, SetTiming::DEFAULT);
    for period in 0..4 {
        let (now, mut block) = pair.block(period, 0);
        block[28] ^= u8::from(period == 3);
        assert_eq!(verified(&hear(&mut pair.monitor, &now, &block)), None, "period {period}");
    }
}

/// A block of another set of a followed key is a replay, and no reason to ask the network.
#[test]
fn another_set_of_a_known_key_is_no_unknown_key() {
    let timing = SetTiming::new(320, 0, 8).unwrap();
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, timing);
    let (_, block) = pair.block(0, 0);
    for later in 1..16 {
        let now = at(pair.begin + later * 8 * PERIOD);
        let events = hear(&mut pair.monitor, &now, &block);
        assert!(dropped(&events, Refusal::Replay) && !wanted(&events), "{later} sets later: {events:?}");
    }
}

/// Sets whose time is over go, and those of the future when the clock goes back.
#[test]
fn sets_of_another_time_are_dropped() {
    let timing = SetTiming::new(320, 0, 8).unwrap();
    for apart in [10 * 8 * PERIOD as i64, -10 * 8 * PERIOD as i64] {
        let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, timing);
        let (now, block) = pair.block(0, 0);
        hear(&mut pair.monitor, &now, &block);
        assert_eq!(pair.monitor.monitor().signed().incomplete(), 1);
        let now = at(now.slot.millis().saturating_add_signed(apart));
        hear(&mut pair.monitor, &now, &block);
        assert_eq!(pair.monitor.monitor().signed().incomplete(), 0, "{apart} ms later");
    }
}

/// After a clock that went back by more than a minute, signatures are verified again.
#[test]
fn a_clock_that_went_back_stops_no_verification() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    // The slot of an hour later has had all its verifications.
    let hour = 3_600_000 / PERIOD;
    let mut mallory = SignedSender::new(key(Scheme::Ed25519, 2), CODE, Rotation::Coded)
        .pretending(key(Scheme::Ed25519, 1).verifying_key().hint());
    for period in hour..hour + 20 {
        let now = at(pair.begin + period * PERIOD);
        let mut block = mallory.fragment(&pair.timing, &now, &mut || 1);
        // No two choices of these fragments make one message.
        block[10] ^= (period * period) as u8 | 1;
        pair.monitor.handle_input(Input::Message { now, block: &block });
        while !matches!(pair.monitor.poll_output(), Output::Timeout(_)) {}
        if pair.monitor.monitor().signed().is_pending() {
            break;
        }
    }
    assert!(pair.monitor.monitor().signed().is_pending(), "the slot has no time left");
    let mut found = 0;
    for period in 0..8 {
        let (now, block) = pair.block(period, 0);
        pair.monitor.handle_input(Input::Message { now, block: &block });
        loop {
            match pair.monitor.poll_output() {
                Output::Event(event) => found += usize::from(verified(&[event]).is_some()),
                Output::Timeout(_) => break,
                _ => {}
            }
        }
    }
    assert!(found > 0);
}

/// What is not followed any more leaves nothing: no set, no place among those of its hint, and it may be asked for again.
#[test]
fn unfollowing_leaves_nothing() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    let public = key(Scheme::Ed25519, 1).verifying_key();
    let mut monitor = agent(SetTiming::DEFAULT);
    let (now, block) = pair.block(0, 0);
    assert!(wanted(&hear(&mut monitor, &now, &block)));
    for _ in 0..6 {
        let who = monitor.monitor().follow_signed(followed(&public, Rotation::Coded)).unwrap();
        hear(&mut monitor, &now, &block);
        assert_eq!(monitor.monitor().signed().incomplete(), 1);
        monitor.monitor().unfollow(who);
        assert_eq!(monitor.monitor().signed().incomplete(), 0);
    }
    let (now, block) = pair.block(1, 0);
    assert!(wanted(&hear(&mut monitor, &now, &block)));
}

#[test]
fn a_hint_has_four_keys_at_most() {
    let (mut hints, hint) = (ByHint::default(), Hint([1, 2]));
    for place in 0..4 {
        hints.add(hint, place).unwrap();
    }
    assert_eq!(hints.add(hint, 4), Err(NotFollowed::HintTaken(hint)));
    assert_eq!(hints.of(hint), [0, 1, 2, 3]);
    hints.remove(2);
    assert_eq!(hints.add(hint, 4), Ok(()));
}

/// Two places for hints that nobody knows: the oldest one makes room; each is asked for again after its time.
#[test]
fn unknown_hints_are_bounded_and_asked_for_again() {
    let at = UtcTime::from_millis;
    let [a, b, c] = [1, 2, 3].map(|octet| Hint([octet, 0]));
    let mut unknown = Unknown::new(2, 1000, 0, 8);
    let mut asks = |hint, now| {
        unknown.note(hint, at(now));
        unknown.take_wanted().is_some()
    };
    assert!(asks(a, 0) && !asks(a, 999) && asks(a, 1000), "once in its time");
    assert!(asks(b, 1001) && asks(c, 1002) && asks(a, 1003), "the first one gave way");
    assert!(!asks(c, 1004));
    for hint in [a, b, c] {
        unknown.silence(hint, at(50_000));
    }
    let mut asks = |hint, now| {
        unknown.note(hint, at(now));
        unknown.take_wanted().is_some()
    };
    assert!(!asks(c, 2100) && !asks(b, 2100) && asks(a, 2100));
}

/// A plain set has one message: it fails, and nothing more is taken.
#[test]
fn a_plain_set_is_given_up_after_one_failure() {
    let mut set = PartialSet::new(0, 0, 4, Rotation::Plain);
    for index in 0..4 {
        assert_eq!(set.add(index, [index; FRAGMENT_OCTETS], 0), Added::New);
    }
    assert_eq!(set.add(3, [3; FRAGMENT_OCTETS], 0), Added::Known);
    let message = set.next().unwrap();
    set.failed(message);
    assert!(set.is_given_up() && set.next().is_none());
    assert_eq!(set.add(4, [9; FRAGMENT_OCTETS], 0), Added::GivenUp);
}

/// A coded set has sixteen fragments at most, three of one index, and twenty-one attempts.
#[test]
fn a_coded_set_is_bounded() {
    let mut set = PartialSet::new(0, 0, 4, Rotation::Coded);
    for value in 0..5 {
        set.add(0, [value; FRAGMENT_OCTETS], 0);
        assert_eq!(set.add(0, [value.min(2); FRAGMENT_OCTETS], 0), Added::Known);
    }
    for index in 1..60 {
        set.add(index, [index; FRAGMENT_OCTETS], 0);
        assert!(set.have() <= 16);
    }
    let mut attempts = 0;
    while let Some(message) = set.next() {
        set.failed(message);
        attempts += 1;
        // New fragments give new choices.
        set.add(100 + attempts, [attempts; FRAGMENT_OCTETS], 0);
        assert!(attempts <= sets::ATTEMPTS);
    }
    assert!(attempts >= 11);
}

#[test]
fn timings_have_limits() {
    for (period, periods) in [(10, 64), (10_240, 64), (320, 7), (320, 255)] {
        assert!(SetTiming::new(period, 0, periods).is_ok());
    }
    for period in [0, 9, 10_241] {
        assert_eq!(SetTiming::new(period, 0, 64), Err(TimingError::Period(period)));
    }
    for periods in [0, 6, 256] {
        assert_eq!(SetTiming::new(320, 0, periods), Err(TimingError::Periods(periods)));
    }
}
