//! Every order of events between a remote UE and two relays, over a channel that loses, repeats and reorders, with a network that
//! answers late or twice. The machines are the real ones: a state is the list of the events that led to it, and is replayed.

use std::collections::{BTreeSet, VecDeque};

use super::world::{Event, RELAYS, World};

/// Bounds of an exploration.
#[derive(Clone, Copy)]
struct Bounds {
    /// Remote UEs that a relay takes.
    most: usize,
    /// What the remote UE hears in turn: a relay, and whether it is strong.
    hears: &'static [(usize, bool)],
    lose: usize,
    again: usize,
    answers_again: usize,
    times: usize,
    /// States at most: more is a mistake of the bounds.
    states: usize,
    /// From every how-many-th state the world is settled.
    settle: u64,
}

fn spent(events: &[Event], what: fn(&Event) -> bool) -> usize {
    events.iter().filter(|event| what(event)).count()
}

/// What can happen in a state.
fn next(world: &World, events: &[Event], bounds: &Bounds) -> Vec<Event> {
    let mut next = Vec::new();
    let heard = spent(events, |e| matches!(e, Event::Hear { .. }));
    if let Some(&(relay, strong)) = bounds.hears.get(heard) {
        next.push(Event::Hear { relay, strong });
    }
    let lose = spent(events, |e| matches!(e, Event::Lose { .. })) < bounds.lose;
    let again = spent(events, |e| matches!(e, Event::Deliver { again: true, .. })) < bounds.again;
    let twice = spent(events, |e| matches!(e, Event::Answer { again: true, .. })) < bounds.answers_again;
    for at in 0..world.channel.len() {
        next.push(Event::Deliver { at, again: false });
        next.extend(again.then_some(Event::Deliver { at, again: true }));
        next.extend(lose.then_some(Event::Lose { at }));
    }
    for at in 0..world.questions.len() {
        next.push(Event::Answer { at, again: false });
        next.extend(twice.then_some(Event::Answer { at, again: true }));
    }
    if heard > 0 && spent(events, |e| matches!(e, Event::Time)) < bounds.times {
        next.push(Event::Time);
    }
    next
}

fn replay(events: &[Event], bounds: &Bounds) -> World {
    let mut world = World::new(bounds.most);
    events.iter().for_each(|event| world.apply(*event));
    world
}

/// What an exploration came to.
#[derive(Debug, Default)]
struct Explored {
    states: usize,
    settled: usize,
    /// States in which a relay serves, and those in which two links are up.
    serving: usize,
    both: usize,
}

/// Explores, and checks every state.
fn explore(bounds: &Bounds) -> Explored {
    let (mut explored, mut seen) = (Explored::default(), BTreeSet::new());
    let mut open = VecDeque::from([Vec::new()]);
    while let Some(events) = open.pop_front() {
        let mut world = replay(&events, bounds);
        let digest = world.digest(&events);
        if !seen.insert(digest) {
            continue;
        }
        explored.states += 1;
        assert!(explored.states <= bounds.states, "more than {} states", bounds.states);
        check(&world, &events, bounds);
        explored.serving += usize::from(!world.serving().is_empty());
        explored.both += usize::from(world.serving().len() == 2);
        for event in next(&world, &events, bounds) {
            open.push_back([&events[..], &[event]].concat());
        }
        if digest.is_multiple_of(bounds.settle) {
            explored.settled += 1;
            let one = world.settle(None);
            assert!(one.is_some(), "no link after {events:?}: {:?}", world.events);
            assert!(world.is_proven() && world.is_bounded(bounds.most), "{events:?}");
        }
    }
    eprintln!("{explored:?}");
    explored
}

fn check(world: &World, events: &[Event], bounds: &Bounds) {
    assert!(world.is_proven(), "a link under a key that the peer does not have: {events:?}");
    assert!(world.is_bounded(bounds.most), "{events:?}: {:?}", world.remote.remembered());
    assert!(world.is_accounted(), "a link that the remote UE knows nothing of: {events:?}");
    assert!(world.serving().len() <= 2, "{events:?}");
}

/// What one relay is explored with.
const ONE: Bounds = Bounds {
    most: 1,
    hears: &[(1, true)],
    lose: 0,
    again: 0,
    answers_again: 0,
    times: 0,
    states: 20_000,
    settle: 64,
};

#[test]
fn one_relay_with_a_loss_and_a_network_that_answers_late_or_twice() {
    let explored = explore(&Bounds { lose: 1, answers_again: 1, times: 1, ..ONE });
    assert!(explored.states > 300 && explored.serving > 10 && explored.settled > 5, "{explored:?}");
}

#[test]
fn one_relay_with_copies_and_a_network_that_answers_twice() {
    let explored = explore(&Bounds { again: 1, answers_again: 1, settle: 16, ..ONE });
    assert!(explored.states > 100 && explored.serving > 10 && explored.settled > 5, "{explored:?}");
}

/// A loss, a copy, a network that answers twice and a timer, together.
#[test]
#[ignore = "long: minutes"]
fn one_relay_with_everything() {
    let bounds =
        Bounds { lose: 1, again: 1, answers_again: 1, times: 1, states: 2_000_000, settle: 256, ..ONE };
    let explored = explore(&bounds);
    assert!(explored.states > 40_000, "{explored:?}");
}

#[test]
fn a_change_of_the_relay_with_a_loss() {
    let explored = explore(&Bounds {
        most: 1,
        hears: &[(1, true), (1, false), (2, true)],
        lose: 1,
        again: 0,
        answers_again: 0,
        times: 1,
        states: 40_000,
        settle: 8,
    });
    assert!(explored.both > 0 && explored.settled > 10, "make before break is seen: {explored:?}");
}

/// A loss, and beside it a copy or a network that answers twice; a second timer and a way back. All of it together has more than
/// three million states.
#[test]
#[ignore = "long: minutes"]
fn a_change_of_the_relay_with_two_of_everything() {
    const BACK: &[(usize, bool)] = &[(1, true), (2, true), (1, false), (2, true)];
    let bounds = Bounds { hears: BACK, lose: 1, times: 1, states: 1_000_000, ..ONE };
    let away = Bounds { hears: &[(1, true), (1, false), (2, true)], ..bounds };
    for bounds in [
        Bounds { again: 1, ..away },
        Bounds { answers_again: 1, ..away },
        Bounds { lose: 0, times: 2, ..bounds },
    ] {
        let explored = explore(&bounds);
        assert!(explored.both > 100, "{explored:?}");
    }
}

/// Whatever fades, the link moves to the other relay, and back.
#[test]
fn a_settled_world_follows_the_stronger_relay_without_a_gap() {
    let mut world = World::new(1);
    for relay in RELAYS {
        world.apply(Event::Hear { relay, strong: true });
    }
    assert_eq!(world.settle(None), Some(1));
    assert_eq!(world.settle(Some(1)), Some(2));
    assert_eq!(world.settle(Some(2)), Some(1));
    assert_eq!(world.gaps, 0);
}
