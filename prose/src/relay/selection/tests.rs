use super::*;
use proptest::prelude::*;
use sidelink_wire::pc5_discovery::Status;

const SERVICE: [u8; 3] = [0, 0, 9];
const T0: u64 = 1_700_000_000_000;

fn id(number: u8) -> RelayId {
    RelayId([0, 0, number])
}

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(T0 + millis)
}

fn relay(number: u8, has_room: bool) -> Relay {
    Relay {
        service: SERVICE,
        info: [number; 6],
        relay: [0, 0, number],
        status: Status { resources: has_room },
    }
}

struct Remote {
    selection: Selection,
    now: u64,
}

impl Remote {
    fn new() -> Self {
        // Without a filter one message is enough.
        let rules = Rules { filter: 0, ..Rules::default() };
        Self { selection: Selection::new(rules, SERVICE), now: 0 }
    }

    fn with(&mut self, input: Input) -> Vec<Output> {
        self.selection.handle_input(&input);
        let mut outputs = Vec::new();
        loop {
            match self.selection.poll_output() {
                Output::Timeout(_) => return outputs,
                output => outputs.push(output),
            }
        }
    }

    fn hear(&mut self, number: u8, dbm: f32) -> Vec<Output> {
        let relay = relay(number, true);
        self.with(Input::Heard { now: at(self.now), relay, strength: Strength(dbm) })
    }

    fn up(&mut self, number: u8) -> Vec<Output> {
        self.with(Input::Up { now: at(self.now), relay: id(number) })
    }

    fn ended(&mut self, number: u8, why: Leave) -> Vec<Output> {
        self.with(Input::Ended { now: at(self.now), relay: id(number), why })
    }

    fn wait(&mut self, millis: u64) -> Vec<Output> {
        self.now += millis;
        self.with(Input::Tick { now: at(self.now) })
    }
}

fn connect(number: u8) -> Output {
    Output::Connect { relay: id(number), info: [number; 6] }
}

#[test]
fn the_first_suitable_relay_is_connected_to_and_no_weak_one() {
    let mut remote = Remote::new();
    assert_eq!(remote.hear(1, -111.0), []);
    assert_eq!(remote.hear(1, -108.0), [], "above the threshold, not by the hysteresis");
    assert_eq!(remote.hear(1, -107.0), [connect(1)]);
    assert_eq!(remote.hear(2, -60.0), [], "one at a time");
    assert_eq!(remote.up(1), []);
    assert_eq!(remote.selection.relay(), Some(id(1)));
    assert_eq!(remote.hear(2, -60.0), [], "the serving one is good enough");
}

#[test]
fn another_service_and_another_owner_are_passed_over() {
    let mut remote = Remote::new();
    let other = Relay { service: [1, 1, 1], ..relay(1, true) };
    let now = at(0);
    assert_eq!(remote.with(Input::Heard { now, relay: other, strength: Strength(-50.0) }), []);
    let rules = Rules { only: Some([2; 6]), filter: 0, ..Rules::default() };
    remote.selection = Selection::new(rules, SERVICE);
    assert_eq!(remote.hear(1, -50.0), []);
    assert_eq!(remote.hear(2, -90.0), [connect(2)]);
}

#[test]
// TS 24.334 §10A.2.12.3
fn the_strongest_with_room_comes_first_and_one_without_room_last() {
    let mut remote = Remote::new();
    remote.selection.serving = Serving::Connecting(id(9), None);
    for (number, dbm, has_room) in [(1, -80.0, true), (2, -90.0, true), (3, -50.0, false)] {
        let relay = relay(number, has_room);
        assert_eq!(remote.with(Input::Heard { now: at(0), relay, strength: Strength(dbm) }), []);
    }
    let lost = |number, why| Output::Lost(id(number), why);
    assert_eq!(remote.ended(9, Leave::NotAllowed), [lost(9, Leave::NotAllowed), connect(1)]);
    assert_eq!(remote.ended(1, Leave::NoRoom), [lost(1, Leave::NoRoom), connect(2)]);
    assert_eq!(remote.ended(2, Leave::NotAuthenticated), [lost(2, Leave::NotAuthenticated), connect(3)]);
}

/// The new link is up before the old one is left.
#[test]
// TS 24.334 §10A.2.13.2 (1)
fn a_serving_relay_that_grows_weak_is_replaced_before_it_is_left() {
    let mut remote = Remote::new();
    remote.hear(1, -80.0);
    remote.up(1);
    assert_eq!(remote.hear(1, -115.0), [], "there is no other");
    assert_eq!(remote.hear(2, -90.0), [connect(2)]);
    assert_eq!(remote.selection.relay(), Some(id(1)), "still");
    assert_eq!(remote.up(2), [Output::Release(id(1))]);
    assert_eq!(remote.selection.relay(), Some(id(2)));
    // The other one failed: the old one serves on, and is not left.
    remote.hear(2, -115.0);
    let connecting = remote.hear(3, -90.0);
    assert_eq!(connecting, [connect(3)]);
    let failed = remote.with(Input::Failed { now: at(0), relay: id(3) });
    assert_eq!(failed, [Output::Lost(id(3), Leave::NoAnswer)]);
    assert_eq!(remote.selection.relay(), Some(id(2)));
}

/// T4110 and T4109: asked three times, then given up.
#[test]
fn a_serving_relay_that_is_not_heard_is_asked_for_and_given_up() {
    let mut remote = Remote::new();
    remote.hear(1, -80.0);
    remote.up(1);
    assert_eq!(remote.wait(4999), []);
    for _ in 0..3 {
        assert_eq!(remote.wait(1), [Output::Solicit(Some(id(1)))]);
        assert_eq!(remote.wait(999), []);
    }
    let lost = [Output::Release(id(1)), Output::Lost(id(1), Leave::NoAnswer)];
    assert_eq!(remote.wait(1), lost);
    assert_eq!(remote.selection.relay(), None);
    // It is heard again: not at once.
    assert_eq!(remote.hear(1, -70.0), []);
    remote.now += 10_000;
    assert_eq!(remote.hear(1, -70.0), [connect(1)]);
    // An answer in time ends the asking.
    remote.up(1);
    remote.wait(5000);
    remote.hear(1, -70.0);
    assert_eq!(remote.wait(1000), []);
}

#[test]
fn who_refuses_is_not_asked_again_for_a_time() {
    for (why, pause) in [(Leave::NotAllowed, 300_000), (Leave::NoRoom, 10_000), (Leave::NotAvailable, 0)] {
        let mut remote = Remote::new();
        remote.hear(1, -80.0);
        let outputs = remote.ended(1, why);
        if pause == 0 {
            assert_eq!(outputs, [Output::Lost(id(1), why), connect(1)]);
            continue;
        }
        assert_eq!(outputs, [Output::Lost(id(1), why)]);
        remote.now += pause - 1;
        assert_eq!(remote.hear(1, -80.0), [], "{why}");
        remote.now += 1;
        assert_eq!(remote.hear(1, -80.0), [connect(1)], "{why}");
    }
}

#[test]
fn a_relay_heard_long_ago_does_not_count() {
    let mut remote = Remote::new();
    remote.selection.serving = Serving::Connecting(id(9), None);
    remote.hear(1, -80.0);
    remote.now += 20_000;
    assert_eq!(remote.ended(9, Leave::NoRoom), [Output::Lost(id(9), Leave::NoRoom)]);
}

#[test]
fn the_filter_of_layer_3_smooths() {
    let first = Strength(-80.0);
    assert_eq!(first.filtered(Strength(-90.0), 0), Strength(-90.0));
    assert_eq!(first.filtered(Strength(-90.0), 4), Strength(-85.0));
    let rules = Rules::default();
    let mut remote = Remote { selection: Selection::new(rules, SERVICE), now: 0 };
    remote.hear(1, -80.0);
    remote.up(1);
    remote.hear(2, -70.0);
    assert_eq!(remote.hear(1, -130.0), [], "one bad message: -105 dBm");
    assert_eq!(remote.hear(1, -130.0), [connect(2)]);
}

proptest! {
    /// Any course: no more candidates than there is room for, never two set-ups at once, no link that is not released or lost.
    #[test]
    fn any_course_keeps_its_promises(inputs in prop::collection::vec((0u8..5, 0u8..90, -140.0f32..-40.0, 0u64..4000), 1..300)) {
        let mut remote = Remote::new();
        let (mut connecting, mut up) = (None, std::collections::BTreeSet::new());
        for (kind, number, dbm, wait) in inputs {
            remote.now += wait;
            let now = at(remote.now);
            let target = connecting.unwrap_or(id(number));
            let input = match kind {
                0 | 1 => {
                    let relay = relay(number, dbm > -90.0);
                    Input::Heard { now, relay, strength: Strength(dbm) }
                }
                2 if connecting.is_some() => Input::Up { now, relay: target },
                3 if connecting.is_some() => Input::Failed { now, relay: target },
                4 if !up.is_empty() => {
                    let relay = *up.first().unwrap();
                    Input::Ended { now, relay, why: Leave::NotAvailable }
                }
                _ => Input::Tick { now },
            };
            if let Input::Up { relay, .. } = input {
                up.insert(relay);
                connecting = None;
            }
            if let Input::Failed { .. } = input {
                connecting = None;
            }
            for output in remote.with(input) {
                match output {
                    Output::Connect { relay, .. } => {
                        prop_assert!(connecting.is_none() && !up.contains(&relay));
                        connecting = Some(relay);
                    }
                    Output::Release(relay) => prop_assert!(up.remove(&relay)),
                    Output::Lost(relay, _) => _ = up.remove(&relay),
                    _ => {}
                }
            }
            prop_assert!(remote.selection.candidates.len() <= CANDIDATES && up.len() <= 1 + usize::from(connecting.is_some()));
            prop_assert_eq!(remote.selection.relay().is_some(), !up.is_empty());
        }
    }
}
