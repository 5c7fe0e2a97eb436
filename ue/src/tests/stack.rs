//! The stack acts on the outputs of its engines at once, hands results to their owners, and ticks only when something
//! is due.

use super::super::event::Event;
use super::super::jobs::{Immediate, NoStore};
use super::super::links::{Links, Part, Peer};
use super::super::stack::{Names, Stack};
use sidelink_mac::engine::{Config, Engine};
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, Identity, Input, KdRecord, LinkManager, Output};
use sidelink_prose::discovery::agent::{self, Agent};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::clock_guard::ClockGuard;
use sidelink_security::counter::reserve::StreamId;
use sidelink_security::direct::KdId;
use sidelink_security::keys::Kd;
use sidelink_wire::ids::Layer2Id;

const JOHN: Layer2Id = Layer2Id::from_octets([0, 0, 1]);
const MARY: Layer2Id = Layer2Id::from_octets([0, 0, 2]);
const START: u64 = 1_700_000_000_000;

/// Subframe of the set-up: not a multiple of any period.
const CONNECT: u64 = 3;

/// Returns the stack of John, who sets up a link with Mary.
fn john(jobs: Immediate<NoStore>) -> Stack<Immediate<NoStore>> {
    let engine = Engine::new(Config { one_to_one: true, ..Config::new(JOHN) });
    let mary = Peer {
        id: MARY,
        identity: Identity::user("mary"),
        kd: Some((KdId(1), Kd::from([7; 32]))),
        connect: Some(CONNECT),
        rekey: None,
        reauthenticate: false,
        part: Part::Peer,
    };
    let rules = direct_link::Config::new(JOHN, Identity::user("john"), 40);
    let links = Links::open(rules, vec![mary], &[1; 32], &mut NoStore::default()).unwrap();
    let agent = Agent::new(agent::Config::default()).unwrap();
    Stack::new((engine, agent), Names::default(), jobs).with_links(links)
}

fn at(t: u64) -> UtcTime {
    UtcTime::from_millis(START + t)
}

#[test]
fn a_message_of_a_link_is_queued_in_the_subframe_in_which_it_is_made() {
    let mut john = john(Immediate::new(NoStore::default()));
    for t in 0..CONNECT {
        john.begin(t, at(t), &mut |_| {});
        assert_eq!(john.queued(Address::Ue(MARY)), 0);
    }
    let mut events = Vec::new();
    john.begin(CONNECT, at(CONNECT), &mut |event| events.push(format!("{event:?}")));
    assert!(events.iter().any(|event| event.starts_with("LinkPdu")), "{events:?}");
    assert!(john.queued(Address::Ue(MARY)) > 0);
}

/// Requests are repeated when their timer expires, not at a multiple of some period.
#[test]
fn a_link_acts_in_the_subframe_in_which_it_is_due() {
    let mut stack = john(Immediate::new(NoStore::default()));
    let mut requests = Vec::new();
    for t in 0..2000 {
        stack.begin(t, at(t), &mut |event| {
            if matches!(event, Event::LinkPdu(_)) {
                requests.push(t);
            }
        });
    }
    assert!(requests.len() > 1, "{requests:?}");
    assert_eq!(requests, by_its_own_time_outs());
}

/// Returns the subframes in which the same links send when only their time-outs drive them.
fn by_its_own_time_outs() -> Vec<u64> {
    let rules = direct_link::Config::new(JOHN, Identity::user("john"), 40);
    let mut manager = LinkManager::open(rules, &[1; 32], &mut NoStore::default()).unwrap();
    manager.add_kd(KdRecord::pre_shared(KdId(1), Kd::from([7; 32]), Identity::user("mary")));
    let (mut now, mut sent) = (at(CONNECT), Vec::new());
    let identity = Identity::user("mary");
    manager.handle_input(Input::Connect { now, peer: MARY, identity }).unwrap();
    loop {
        match manager.poll_output() {
            Output::Pdu(_) => sent.push(now.millis() - START),
            Output::Timeout(Some(due)) if due < at(2000) => {
                now = due.max(now);
                manager.handle_input(Input::Tick { now }).unwrap();
            }
            Output::Timeout(_) => return sent,
            _ => {}
        }
    }
}

/// The clock guard of discovery reserves seconds ahead: its grants are returned to it, beside links and layer 2.
#[test]
fn the_result_of_a_job_goes_to_whoever_asked() {
    let mut store = NoStore::default();
    let guard = ClockGuard::open(StreamId([9; 16]), at(0).counter(), 2, &mut store).unwrap();
    let mut stack = john(Immediate::new(store));
    stack.agent().guard_clock(guard);
    let mut silent = 0;
    for t in 0..20_000 {
        stack.begin(t, at(t), &mut |_| {});
        if t % 320 == 0 {
            stack.announce(t, [0; 2], &mut |event| {
                silent +=
                    usize::from(matches!(event, Event::Discovery { event: agent::Event::Silent { .. }, .. }));
            });
        }
    }
    assert_eq!(silent, 0);
}

/// A request that the store refuses is made again, in a later subframe.
#[test]
fn a_refused_job_does_not_hold_up_the_subframe() {
    let guard = ClockGuard::open(StreamId([9; 16]), at(0).counter(), 2, &mut NoStore::default()).unwrap();
    // Another store than that of the guard: a conflict.
    let mut stack = john(Immediate::new(NoStore::default()));
    stack.agent().guard_clock(guard);
    let mut warnings = 0;
    for t in [0, 1000, 2000, 3000, 4000] {
        let mut warn = |event: Event<'_>| warnings += usize::from(matches!(event, Event::Warning(_)));
        stack.begin(t, at(t), &mut warn);
        stack.announce(t, [0; 2], &mut warn);
    }
    assert!((1..5).contains(&warnings), "{warnings}");
}
