//! The remote UE's machine alone: its account of links, and when it solicits.

use sidelink_security::counter::UtcTime;
use sidelink_wire::pc5_discovery::{Relay, Status};

use super::world::{SERVICE, rules};
use crate::relay::discovery::Model;
use crate::relay::remote_ue::{Event, Input, Output, RemoteUe, Why};
use crate::relay::selection::{Leave, RelayId, Strength};

struct Remote {
    machine: RemoteUe,
    now: u64,
    events: Vec<Event>,
}

fn id(number: u8) -> RelayId {
    RelayId([0, 0, number])
}

fn connect(number: u8) -> Output {
    Output::Connect { relay: id(number), info: [number; 6] }
}

impl Remote {
    fn new(model: Model) -> Self {
        Self { machine: RemoteUe::new(rules(), SERVICE, model), now: 0, events: Vec::new() }
    }

    fn time(&self) -> UtcTime {
        UtcTime::from_millis(1_700_000_000_000 + self.now)
    }

    fn with(&mut self, input: Input) -> Vec<Output> {
        self.machine.handle_input(&input);
        let mut outputs = Vec::new();
        loop {
            match self.machine.poll_output() {
                Output::Timeout(_) => return outputs,
                Output::Event(event) => self.events.push(event),
                output => outputs.push(output),
            }
        }
    }

    fn hear(&mut self, number: u8, dbm: f32) -> Vec<Output> {
        let (now, status) = (self.time(), Status { resources: true });
        let relay = Relay { service: SERVICE, info: [number; 6], relay: [0, 0, number], status };
        self.with(Input::Heard { now, relay, strength: Strength(dbm) })
    }

    fn up(&mut self, number: u8) -> Vec<Output> {
        let now = self.time();
        self.with(Input::Up { now, relay: id(number) })
    }

    fn ended(&mut self, number: u8, why: Leave) -> Vec<Output> {
        let now = self.time();
        self.with(Input::Ended { now, relay: id(number), why })
    }

    fn wait(&mut self, millis: u64) -> Vec<Output> {
        self.now += millis;
        let now = self.time();
        self.with(Input::Tick { now })
    }
}

#[test]
fn the_first_relay_is_found_selected_and_serves() {
    let mut remote = Remote::new(Model::A);
    assert_eq!(remote.hear(1, -80.0), [connect(1)]);
    assert_eq!(remote.up(1), []);
    assert_eq!(remote.machine.relay(), Some(id(1)));
    let strength = Strength(-80.0);
    let found = Event::Found { relay: id(1), info: [1; 6], strength, has_room: true };
    let selected = Event::Selected { relay: id(1), info: [1; 6], strength: Some(strength), instead_of: None };
    assert_eq!(remote.events, [found, selected, Event::Serving { relay: id(1) }]);
}

#[test]
fn the_new_link_is_up_before_the_old_one_is_released_and_events_say_why() {
    let mut remote = Remote::new(Model::A);
    remote.hear(1, -80.0);
    remote.up(1);
    remote.hear(1, -115.0);
    assert_eq!(remote.hear(2, -90.0), [connect(2)]);
    assert_eq!(remote.machine.relay(), Some(id(1)));
    assert_eq!(remote.up(2), [Output::Release(id(1))]);
    assert_eq!(remote.machine.links(), 2, "until the old one has ended");
    assert_eq!(remote.ended(1, Leave::Wanted), []);
    assert_eq!((remote.machine.links(), remote.machine.relay()), (1, Some(id(2))));
    let weak = Why::Weak(Strength(-115.0));
    let why = remote.events.iter().find_map(|event| match event {
        Event::Selected { instead_of: Some((old, why)), .. } => Some((*old, *why)),
        _ => None,
    });
    assert_eq!(why, Some((id(1), weak)));
    assert!(remote.events.contains(&Event::Left { relay: id(1), why: weak }));
}

/// A link that comes up after it was given up serves nobody: it is released.
#[test]
fn a_link_that_comes_too_late_is_released() {
    let mut remote = Remote::new(Model::A);
    remote.hear(1, -80.0);
    remote.ended(1, Leave::NoAnswer);
    assert_eq!(remote.up(1), [Output::Release(id(1))]);
    assert_eq!(remote.machine.relay(), None);
    assert_eq!(remote.ended(1, Leave::Wanted), []);
    assert_eq!(remote.machine.links(), 0);
}

/// A relay that is wanted again while its link still ends is asked once that has ended.
#[test]
fn a_relay_is_not_asked_while_its_old_link_ends() {
    let mut remote = Remote::new(Model::A);
    remote.hear(1, -80.0);
    remote.up(1);
    remote.hear(1, -115.0);
    remote.hear(2, -90.0);
    assert_eq!(remote.up(2), [Output::Release(id(1))]);
    // The other one fades while the first one still ends.
    remote.hear(2, -120.0);
    assert_eq!(remote.hear(1, -70.0), []);
    assert_eq!(remote.ended(1, Leave::Wanted), [connect(1)]);
    assert_eq!(remote.up(1), [Output::Release(id(2))]);
}

#[test]
// TS 24.334 §10A.2.4.2 (2)
fn model_b_solicits_until_a_relay_serves_and_then_only_to_measure_it() {
    let mut remote = Remote::new(Model::B);
    assert_eq!(remote.machine.take_solicitation(), Some(None));
    assert_eq!(remote.machine.take_solicitation(), Some(None), "as long as none is found");
    remote.hear(1, -80.0);
    assert_eq!(remote.machine.take_solicitation(), None, "a link is being set up");
    remote.up(1);
    assert_eq!(remote.machine.take_solicitation(), None);
    // T4110, then T4109 as often as the rules say.
    remote.wait(rules().t4110);
    assert_eq!(remote.machine.take_solicitation(), Some(Some(id(1))));
    assert_eq!(remote.machine.take_solicitation(), None, "once");
    remote.hear(1, -80.0);
    remote.wait(rules().t4109);
    assert_eq!(remote.machine.take_solicitation(), None, "it answered");
    // A weak one: others are sought.
    remote.hear(1, -120.0);
    assert_eq!(remote.machine.take_solicitation(), Some(None));
    // No answer any more: it is given up.
    remote.hear(1, -80.0);
    remote.wait(rules().t4110);
    let mut outputs = Vec::new();
    for _ in 0..4 {
        outputs.extend(remote.wait(rules().t4109));
    }
    assert_eq!(outputs, [Output::Release(id(1))]);
    assert!(remote.events.contains(&Event::Left { relay: id(1), why: Why::Silent }));
    let mut silent = Remote::new(Model::A);
    assert_eq!(silent.machine.take_solicitation(), None);
}

#[test]
fn a_ue_that_wants_no_relay_releases_its_links_and_hears_nothing() {
    let mut remote = Remote::new(Model::Both);
    remote.hear(1, -80.0);
    remote.up(1);
    let now = remote.time();
    assert_eq!(remote.with(Input::GiveUp { now }), [Output::Release(id(1))]);
    remote.ended(1, Leave::Wanted);
    assert_eq!(remote.hear(2, -50.0), []);
    assert_eq!((remote.machine.take_solicitation(), remote.machine.links()), (None, 0));
    remote.with(Input::Want { now });
    assert_eq!(remote.hear(2, -50.0), [connect(2)]);
}

/// The release of a link that is being set up crosses the last message of the set-up: it is released again.
#[test]
fn a_link_that_comes_up_while_it_is_given_up_is_released_again() {
    let mut remote = Remote::new(Model::A);
    remote.hear(1, -80.0);
    let now = remote.time();
    assert_eq!(remote.with(Input::GiveUp { now }), [Output::Release(id(1))]);
    assert_eq!(remote.up(1), [Output::Release(id(1))]);
    remote.ended(1, Leave::Wanted);
    assert_eq!(remote.machine.links(), 0);
}

/// Names that do not exist fill no table.
#[test]
fn tables_are_bounded() {
    let mut remote = Remote::new(Model::A);
    for number in 0..=255_u8 {
        for low in 0..4_u8 {
            let (now, status) = (remote.time(), Status { resources: true });
            let relay = Relay { service: SERVICE, info: [number; 6], relay: [1, low, number], status };
            let outputs = remote.with(Input::Heard { now, relay, strength: Strength(-60.0) });
            for output in outputs {
                let Output::Connect { relay, .. } = output else { continue };
                remote.with(Input::Ended { now, relay, why: Leave::NotAllowed });
            }
        }
    }
    let [relays, bars, links, told] = remote.machine.remembered();
    assert!(relays <= 64 && told <= 64 && links <= 1, "{relays} {told} {links}");
    assert!(bars <= 64, "{bars} bars");
}
