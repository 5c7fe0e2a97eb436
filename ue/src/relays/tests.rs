//! Relays of a UE above its links and discovery, without a modem.

use super::*;
use crate::jobs::{Immediate, NoStore};
use crate::links::Links;
use crate::stack::{Names, Stack};
use crate::{Event, Warning};
use sidelink_mac::engine::{Config, Engine};
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link;
use sidelink_prose::discovery::agent::{self, Agent};
use sidelink_security::counter::UtcCounter;
use sidelink_security::counter::clock_guard::ClockGuard;
use sidelink_security::counter::reserve::StreamId;
use sidelink_security::discovery::restricted::Material;
use sidelink_security::keys::Duik;

const SERVICE: [u8; 3] = [0, 0, 9];
const RELAY: Layer2Id = Layer2Id::from_octets([0, 0, 0xa]);
const REMOTE: Layer2Id = Layer2Id::from_octets([0, 0, 0xb]);
const START: u64 = 1_700_000_000_000;

fn keys() -> ServiceKeys {
    let duik = Duik::try_from(&[7; 32][..]).ok();
    ServiceKeys::new(SERVICE, [(UtcCounter::new(u32::MAX), Material { duik, ..Material::default() })])
}

fn remote_role(user: Option<Identity>) -> RelayRole {
    RelayRole::Remote { keys: keys(), info: *b"alice\0", model: Model::A, rules: Rules::default(), user }
}

fn relay_role(most: usize) -> RelayRole {
    RelayRole::Relay {
        profile: RelayProfile::new(vec![keys()], *b"relay1", RELAY.octets()),
        admission: AdmissionRules::new(vec![SERVICE], most),
    }
}

fn stack(id: Layer2Id, role: RelayRole) -> Stack<Immediate<NoStore>> {
    let engine = Engine::new(Config { one_to_one: true, ..Config::new(id) });
    let rules = direct_link::Config::new(id, Identity::user("me"), 40);
    let mut links = Links::open(rules, Vec::new(), &[1; 32], &mut NoStore::default()).unwrap();
    links.establish_by(Box::new(direct_link::FromPruk));
    let agent = Agent::new(agent::Config::default()).unwrap();
    let relays = Relays::new(role, TimePolicy::default(), Strength(-30.0));
    let jobs = Immediate::new(NoStore::default());
    Stack::new((engine, agent), Names::default(), jobs).with_links(links).with_relays(relays)
}

fn at(t: u64) -> UtcTime {
    UtcTime::from_millis(START + t)
}

/// What the relay says in its first period.
fn announcement() -> Message {
    let mut relay = stack(RELAY, relay_role(1));
    relay.begin(0, at(0), &mut |_| {});
    assert_eq!(relay.messages_wanted(), 1);
    relay.announce(0, [0; 2], &mut |_| {}).unwrap()
}

/// A relay that was heard is asked in the subframe in which it was heard, at the strength of the receiver's scale.
#[test]
fn a_relay_that_is_heard_is_asked_for_a_link() {
    let mut remote = stack(REMOTE, remote_role(Some(Identity::user("alice"))));
    remote.begin(100, at(100), &mut |_| {});
    let mut found = None;
    remote.receive_sl_dch(&announcement(), 0, Some(0.01), &mut |event| {
        if let Event::Relay(RelayEvent::Remote(remote_ue::Event::Found { strength, .. })) = event {
            found = Some(*strength);
        }
    });
    // 20 dB below the receiver's unit, which is -30 dBm.
    assert!(found.is_some_and(|strength| (strength.0 + 50.0).abs() < 0.01), "{found:?}");
    assert!(remote.queued(Address::Ue(RELAY)) > 0);
    assert_eq!(remote.counters().of(Outcome::Verified), 1);
}

/// Without a name to show the relay is not asked; it is again when there may be one.
#[test]
fn a_ue_without_a_name_says_so_and_tries_again() {
    let mut remote = stack(REMOTE, remote_role(None));
    remote.begin(0, at(0), &mut |_| {});
    let mut warned = 0;
    let mut warn = |event: Event<'_>| {
        warned += usize::from(matches!(event, Event::Warning(Warning::Link(direct_link::Error::NoKey))));
    };
    remote.receive_sl_dch(&announcement(), 0, Some(1.0), &mut warn);
    for t in 1..3000 {
        remote.begin(t, at(t), &mut warn);
    }
    assert_eq!(warned, 3, "at once, and once a second");
    assert_eq!(remote.queued(Address::Ue(RELAY)), 0);
}

/// A guard whose store knows of an hour later.
fn guard_of_a_later_time() -> ClockGuard {
    let (mut store, stream) = (NoStore::default(), StreamId([9; 16]));
    ClockGuard::open(stream, at(3_600_000).counter(), 2, &mut store).unwrap();
    ClockGuard::open(stream, at(0).counter(), 2, &mut store).unwrap()
}

#[test]
fn messages_of_relays_go_past_the_agent_and_the_guard_of_the_clock_holds_for_them() {
    let mut remote = stack(REMOTE, remote_role(Some(Identity::user("alice"))));
    remote.agent().guard_clock(guard_of_a_later_time());
    remote.begin(0, at(0), &mut |_| {});
    let mut refused = Vec::new();
    let mut tell = |event: Event<'_>| {
        if let Event::Relay(RelayEvent::Refused { refusal, .. }) = event {
            refused.push(*refusal);
        }
    };
    remote.receive_sl_dch(&announcement(), 0, Some(1.0), &mut tell);
    assert_eq!(refused, [Refusal::Clock]);
    let mut relay = stack(RELAY, relay_role(1));
    relay.agent().guard_clock(guard_of_a_later_time());
    relay.begin(0, at(0), &mut |_| {});
    assert_eq!(relay.announce(0, [0; 2], &mut |_| {}), None);
}

/// Lines for an operator.
#[test]
fn events_say_which_relay_how_strong_and_why() {
    use remote_ue::{Event as Remote, Why};
    let relay = RelayId([0, 0, 0xa]);
    let (old, strength) = (RelayId([0, 0, 0xc]), Strength(-80.0));
    let lines = [
        (
            RelayEvent::Remote(Remote::Found { relay, info: *b"relay1", strength, has_room: false }),
            "found \"relay1\" at 00000a: -80.0 dBm, no room",
        ),
        (
            RelayEvent::Remote(Remote::Selected {
                relay,
                info: *b"relay1",
                strength: Some(strength),
                instead_of: Some((old, Why::Weak(Strength(-115.0)))),
            }),
            "asks \"relay1\" at 00000a for a link, -80.0 dBm, instead of 00000c: too weak (-115.0 dBm)",
        ),
        (
            RelayEvent::Remote(Remote::Lost { relay, why: Leave::NoRoom }),
            "no link with 00000a: the relay has no room",
        ),
        (
            RelayEvent::Relay(relay_ue::Event::Joined { remote: REMOTE, of: [1, 8] }),
            "remote UE 00000b is linked, 1 of 8",
        ),
    ];
    for (event, line) in lines {
        assert_eq!(event.to_string(), line);
    }
}

/// A refusal that nothing proves does not shut a relay out for long.
#[test]
fn a_forged_refusal_counts_as_no_answer() {
    assert_eq!(leave(Closed::NoAnswer { hint: Some(Cause::NotAllowed) }), Leave::NoAnswer);
    assert_eq!(leave(Closed::NoAnswer { hint: Some(Cause::LackOfResources) }), Leave::NoRoom);
    assert_eq!(leave(Closed::ByPeer { reason: Cause::NoLongerAllowed }), Leave::NotAllowed);
    assert_eq!(leave(Closed::ByPeer { reason: Cause::NotAvailable }), Leave::NotAvailable);
}
