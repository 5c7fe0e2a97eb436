//! Subscribers bootstrap, get codes and keys, report matches: over ways that are quick, slow and lossy.

use super::entries::{entries, group_of};
use super::fabric::Fabric;
use super::messages::UeId;
use super::meter::ReferencePoint;
use super::subscriber::Told;
use super::ways::{Way, Ways};
use crate::experiments::network::scene;
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_network::pc3::Cause;
use sidelink_network::pc3_client::{Allotment, EndCause, Heard, Input, Name, Output, Target, Wanted};
use sidelink_network::pkmf_client;
use sidelink_network::prose_function::{Event, Permission, Revocation, Role};
use sidelink_prose::discovery::agent::{self, Agent};
use sidelink_prose::discovery::{AirTime, Finding};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_store::{Keys, MicCheckName};
use sidelink_ue::NoStore;
use sidelink_ue::provision::{Wish, provision};
use sidelink_wire::ids::Layer2Id;

const START: UtcTime = UtcTime::from_millis(1_800_000_000_000);

/// Alice and bob, and what they want.
fn world(round_trip: u64, loss: f64, seed: u64) -> (Fabric, [UeId; 2]) {
    let ways = Ways::all(Way { round_trip, loss });
    let mut fabric = Fabric::new(START, (scene::config(), scene::groups().unwrap()), ways, seed).unwrap();
    let ues = [1, 2].map(|number| {
        let (config, subscription) = scene::subscriber(number);
        fabric.add(config, subscription).unwrap()
    });
    (fabric, ues)
}

fn want(fabric: &mut Fabric, ue: UeId, wanted: Wanted) {
    fabric.pc3(ue, |now| Input::Want { now, wanted, earlier: None });
}

fn after(millis: u64) -> UtcTime {
    START.plus_millis(millis)
}

/// What was allotted, with the milliseconds that it took.
fn allotted(fabric: &mut Fabric) -> Vec<(u64, UeId, Allotment, UtcTime)> {
    let told = fabric.told().into_iter();
    told.filter_map(|(at, ue, told)| match told {
        Told::Pc3(Output::Allotted { allotment, until, .. }) => {
            Some((at.millis() - START.millis(), ue, allotment, until))
        }
        _ => None,
    })
    .collect()
}

#[test]
fn a_subscriber_bootstraps_and_gets_a_code() {
    let (mut fabric, [alice, _]) = world(40, 0.0, 1);
    want(&mut fabric, alice, Wanted::AnnounceRestricted);
    fabric.run_until(after(10_000));
    let allotted = allotted(&mut fabric);
    let [(took, ue, Allotment::AnnounceRestricted { .. }, _)] = &allotted[..] else { panic!("{allotted:?}") };
    assert_eq!(*ue, alice);
    let cost = |at| fabric.meter().cost(at);
    // Ub: TCP, challenge, answer. Zh: a vector. PC3: TCP and TLS, the request. Zn: the key. PC4a: the subscription.
    let round_trips = ReferencePoint::ALL.map(|at| cost(at).round_trips);
    assert_eq!(round_trips, [3, 1, 1, 4, 1, 0, 0]);
    assert_eq!(*took, 40 * 10);
    assert_eq!(cost(ReferencePoint::Ub).messages, 4);
    assert_eq!(cost(ReferencePoint::Pc3).messages, 6);
    // A second request needs neither key nor vector.
    want(&mut fabric, alice, Wanted::Announce(scene::application_id()));
    fabric.run_until(after(20_000));
    let round_trips = ReferencePoint::ALL.map(|at| fabric.meter().cost(at).round_trips);
    assert_eq!(round_trips, [3, 1, 1, 8, 1, 0, 0]);
}

#[test]
fn the_same_seed_gives_the_same_codes_and_costs() {
    let run = |seed| {
        let (mut fabric, ues) = world(40, 0.2, seed);
        ues.into_iter().for_each(|ue| want(&mut fabric, ue, Wanted::AnnounceRestricted));
        fabric.run_until(after(120_000));
        let codes = allotted(&mut fabric).into_iter().map(|(took, ue, allotment, _)| match allotment {
            Allotment::AnnounceRestricted { code, .. } => (took, ue, code),
            other => panic!("{other:?}"),
        });
        (codes.collect::<Vec<_>>(), fabric.meter().clone())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_lossy_network_delays_and_loses_nothing() {
    for seed in 0..20 {
        let (mut fabric, [alice, bob]) = world(100, 0.3, seed);
        want(&mut fabric, alice, Wanted::AnnounceRestricted);
        fabric.run_until(after(300_000));
        want(&mut fabric, bob, Wanted::MonitorRestricted(vec![scene::rpauid(1)]));
        fabric.run_until(after(600_000));
        let allotted = allotted(&mut fabric);
        assert_eq!(allotted.iter().map(|(_, ue, ..)| *ue).collect::<Vec<_>>(), [alice, bob], "seed {seed}");
    }
}

/// Keys of a group: PC8, then MIKEY with its verification; over a lossy way it is said again.
#[test]
fn members_get_the_key_of_their_group() {
    for (loss, seeds) in [(0.0, 1), (0.4, 12)] {
        for seed in 0..seeds {
            let (mut fabric, ues) = world(40, loss, seed);
            for ue in ues {
                fabric.want_keys(ue, &[pkmf_client::Wanted::Group(scene::TEAM)]);
            }
            fabric.run_until(after(3_600_000));
            let keys = ues.map(|ue| fabric.keys(ue).group_keys(scene::TEAM));
            assert_eq!(keys.each_ref().map(Vec::len), [1, 1], "seed {seed}");
            assert!(keys[0][0].pgk == keys[1][0].pgk && keys[0][0].pgk_id == keys[1][0].pgk_id);
            if loss == 0.0 {
                let round_trips = ReferencePoint::ALL.map(|at| fabric.meter().cost(at).round_trips);
                assert_eq!(round_trips, [6, 2, 2, 0, 0, 8, 2]);
            }
            let [alice, bob] = ues.map(|ue| group_of(fabric.keys(ue), "rescue", "ue", scene::TEAM).unwrap());
            assert_eq!((&alice.group_id, &alice.pgk[0].key), (&bob.group_id, &bob.pgk[0].key));
            assert_ne!(alice.member, bob.member);
        }
    }
}

#[test]
fn entries_are_those_of_a_key_store() {
    let (mut fabric, [alice, bob]) = world(40, 0.0, 1);
    want(&mut fabric, alice, Wanted::AnnounceRestricted);
    want(&mut fabric, alice, Wanted::Announce(scene::application_id()));
    fabric.run_until(after(10_000));
    want(&mut fabric, bob, Wanted::MonitorRestricted(vec![scene::rpauid(1)]));
    want(&mut fabric, bob, Wanted::Monitor(scene::application_id()));
    fabric.run_until(after(20_000));
    let mut keys = Keys::default();
    for (number, (_, ue, allotment, until)) in allotted(&mut fabric).into_iter().enumerate() {
        let name = if ue == alice { "alice" } else { "bob" };
        keys.discovery.extend(entries(name, &format!("entry {number}"), &allotment, until));
    }
    assert_eq!(keys.discovery.len(), 4);
    let text = keys.to_toml().unwrap();
    let read = Keys::from_toml(&text, "test").unwrap();
    assert_eq!(read.discovery, keys.discovery);
    let monitored = read.discovery.iter().find(|entry| entry.mic_check.is_some()).unwrap();
    assert_eq!(monitored.mic_check, Some(MicCheckName::ProseFunction));
    assert!(monitored.dusk.is_some() && monitored.duik.is_none());
}

/// The agent of a UE that was given these.
fn agent(ue: &str, allotment: &Allotment, until: UtcTime) -> Agent {
    let keys = Keys { discovery: entries(ue, "asked for", allotment, until), ..Keys::default() };
    let wish = Wish {
        ue,
        layer2_id: None,
        to_group: Address::Group,
        v2x_priority: 3,
        reserve: ReserveConfig::default(),
        layer2: engine::Config::new(Layer2Id::from_octets([0; 3])),
        discovery: agent::Config::default(),
    };
    let read = Keys::from_toml(&keys.to_toml().unwrap(), "test").unwrap();
    provision(&wish, &read, &mut NoStore::default()).unwrap().agent
}

fn said(agent: &mut Agent) -> agent::Output {
    match agent.poll_output() {
        agent::Output::Event(agent::Event::Announced(_)) => said(agent),
        output => output,
    }
}

fn sends(agent: &mut Agent, now: AirTime) -> [u8; 29] {
    agent.handle_input(agent::Input::Opportunity { now, period: 0, nonce: [0; 2] });
    match said(agent) {
        agent::Output::Message { message, .. } => message,
        _ => panic!("it is silent"),
    }
}

fn hears(agent: &mut Agent, now: AirTime, block: &[u8]) -> agent::Event {
    agent.handle_input(agent::Input::Message { now, block });
    loop {
        match said(agent) {
            agent::Output::Event(event) => return event,
            agent::Output::Timeout(_) => panic!("it says nothing"),
            _ => {}
        }
    }
}

/// Query and answer of model B under codes and keys that came over PC3; the network checks the MIC of the answer.
#[test]
// TS 33.303 §6.1.3.4.2.2 step 13a
fn two_ues_find_each_other_by_question_and_answer() {
    let (mut fabric, [alice, bob]) = world(40, 0.0, 1);
    let (config, mut subscription) = scene::subscriber(3);
    subscription.rights.retain(|(_, role)| *role != Role::Discoverer);
    let carol = fabric.add(config, subscription).unwrap();
    want(&mut fabric, alice, Wanted::Answer);
    fabric.run_until(after(10_000));
    let [alice, bob] = [alice, bob].map(|ue| {
        if ue == bob {
            want(&mut fabric, ue, Wanted::Ask(vec![scene::rpauid(1)]));
            fabric.run_until(after(20_000));
        }
        let (_, _, allotment, until) = allotted(&mut fabric).pop().unwrap();
        (ue, agent(if ue == bob { "bob" } else { "alice" }, &allotment, until))
    });
    let (mut alice, (bob, mut bobs)) = (alice.1, bob);
    let now = AirTime::at(fabric.now());
    let question = sends(&mut bobs, now);
    let mut forged = question;
    forged[12] ^= 1;
    assert!(matches!(hears(&mut alice, now, &forged), agent::Event::Dropped(_)), "its MIC is wrong");
    assert!(matches!(hears(&mut alice, now, &question), agent::Event::Asked));
    assert!(matches!(hears(&mut alice, now, &question), agent::Event::Dropped(_)), "once each");
    let answer = sends(&mut alice, now);
    let agent::Event::Answered { finding: Finding::ToReport(found), .. } = hears(&mut bobs, now, &answer)
    else {
        panic!("no answer")
    };
    let heard = Heard {
        target: Target::of_message_type(found.message_type),
        code: found.code,
        message_type: found.message_type,
        mic: found.mic,
        counter: found.counter,
    };
    fabric.told();
    fabric.pc3(bob, |now| Input::Heard { now, heard });
    want(&mut fabric, carol, Wanted::Ask(vec![scene::rpauid(1)]));
    fabric.pc3(carol, |now| Input::Heard { now, heard });
    fabric.run_until(after(30_000));
    let mut told = fabric.told();
    told.retain(|(_, _, told)| !matches!(told, Told::Pc3(Output::Clock { .. }) | Told::Bootstrapped { .. }));
    told.sort_by_key(|(_, ue, _)| *ue);
    let [
        (_, first, Told::Pc3(Output::Verified { name: Name::User(who), .. })),
        (_, _, Told::Pc3(one)),
        (_, _, Told::Pc3(other)),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((first, who), (&bob, &scene::rpauid(1)));
    // Who is not authorised gets neither code nor key, and no name for what it heard.
    let refused = |output: &Output| match output {
        Output::Ended { why: EndCause::Rejected(cause), .. } | Output::NotVerified { cause, .. } => {
            *cause == Cause::AuthorisationFailure
        }
        _ => false,
    };
    assert!(refused(one) && refused(other), "{told:?}");
}

#[test]
fn what_is_withdrawn_is_withdrawn_at_the_ue_within_a_round_trip() {
    let (mut fabric, [alice, bob]) = world(60, 0.0, 1);
    want(&mut fabric, alice, Wanted::AnnounceRestricted);
    fabric.run_until(after(10_000));
    want(&mut fabric, bob, Wanted::MonitorRestricted(vec![scene::rpauid(1)]));
    fabric.run_until(after(20_000));
    fabric.told();
    let permission = Permission { target: scene::rpauid(1), watcher: scene::rpauid(2) };
    fabric.revoke(Revocation::Permission(permission));
    fabric.run_until(after(30_000));
    let told = fabric.told();
    let [(at, ue, Told::Pc3(Output::Ended { why: EndCause::Withdrawn, .. }))] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((at.millis() - after(20_000).millis(), *ue), (30, bob));
    // The ProSe Function knows how long the UE went on: until the answer, behind a handshake, came.
    let blind = fabric.events().into_iter().find_map(|event| match event {
        Event::UpdateAnswered { blind, .. } => Some(blind),
        _ => None,
    });
    assert_eq!(blind, Some(30 + 3 * 60 + 30));
}

/// How often a UE has bootstrapped since the last call.
fn bootstrapped(fabric: &mut Fabric) -> usize {
    fabric.told().iter().filter(|(_, _, told)| matches!(told, Told::Bootstrapped { .. })).count()
}

#[test]
fn a_key_that_has_expired_is_made_anew() {
    let (mut fabric, [alice, _]) = world(40, 0.0, 1);
    want(&mut fabric, alice, Wanted::AnnounceRestricted);
    fabric.run_until(after(23 * 3_600_000));
    assert_eq!(bootstrapped(&mut fabric), 1);
    fabric.run_until(after(25 * 3_600_000));
    assert_eq!(bootstrapped(&mut fabric), 1);
}

#[test]
fn a_key_that_the_network_lost_is_made_anew() {
    let (mut fabric, [alice, _]) = world(40, 0.0, 1);
    want(&mut fabric, alice, Wanted::AnnounceRestricted);
    fabric.run_until(after(10_000));
    assert_eq!(bootstrapped(&mut fabric), 1);
    fabric.forget_keys().unwrap();
    want(&mut fabric, alice, Wanted::Announce(scene::application_id()));
    fabric.run_until(after(20_000));
    let mut told = fabric.told();
    told.retain(|(_, _, told)| !matches!(told, Told::Pc3(Output::Clock { .. })));
    let [(_, _, Told::Bootstrapped { .. }), (_, _, Told::Pc3(Output::Allotted { .. }))] = &told[..] else {
        panic!("{told:?}")
    };
}
