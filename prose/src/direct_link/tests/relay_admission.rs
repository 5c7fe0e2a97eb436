//! A relay (0) that says whom it takes, and its remote UEs (1, 2): services, places, tries, releases, keep-alives.

use sidelink_security::kdf::lte;
use sidelink_security::keys::Pruk;
use sidelink_wire::relay_keying::{Answer, Question};

use super::super::*;
use super::rig::{Air, Outside, PERIOD, name};
use crate::relay::admission::AdmissionRules;

const SERVICE: [u8; 3] = [0, 0, 7];

/// A relay for this many remote UEs, and two that may become some.
fn air(most: usize) -> Air {
    let equip: fn(usize, &mut LinkManager) = |_, manager| manager.establish_by(Box::new(FromPruk));
    let mut air = Air::without_keys(3, |_, _| {}, equip);
    air.ues.iter_mut().for_each(|ue| ue.outside = Outside::Silent);
    air.ues[0].manager.serve_as_relay(AdmissionRules::new(vec![SERVICE], most));
    air
}

fn ask(air: &mut Air, from: usize, service: [u8; 3]) {
    let (now, peer) = (air.time(from), air.ues[0].config.source);
    let user = Identity { kind: Identity::PRUK_ID, value: vec![from as u8; 8] };
    let relay = RelayLink { service, user };
    let input = Input::ConnectToRelay { now, peer, identity: name(0), relay };
    air.ues[from].manager.handle_input(input).unwrap();
    air.drain(from);
}

/// Lets time pass; the network answers every question.
fn serve(air: &mut Air, periods: usize) {
    let pruk = Pruk::from([0x42; 32]);
    for _ in 0..periods {
        air.run(PERIOD);
        for ue in 0..3 {
            while !air.ues[ue].asked.is_empty() {
                let (now, ticket) = (air.time(ue), air.ues[ue].asked.remove(0));
                let (question, mut octets) = (air.ues[ue].questions.remove(0), Vec::new());
                let (service, nonce_1, freshness) = match Question::parse(&question).unwrap() {
                    Question::Grant { service, nonce_1, .. } => (service, nonce_1, [9; 16]),
                    Question::Derive { service, nonce_1, freshness, .. } => (service, nonce_1, freshness),
                    _ => panic!("no other question"),
                };
                let kd = lte::relay_kd(&pruk, &service, &nonce_1, &freshness);
                let kd = kd.as_bytes();
                match ue {
                    0 => Answer::Granted { kd, lifetime: 3600, freshness: &freshness, gpi: &[] },
                    _ => Answer::Derived { kd, lifetime: 3600, pruk_id: [ue as u8; 8] },
                }
                .emit(&mut octets);
                let input = Input::Answered { now, ticket, answer: Some(&octets) };
                air.ues[ue].manager.handle_input(input).unwrap();
                air.drain(ue);
            }
        }
    }
}

/// The causes of REJECTs that went out.
fn rejects(air: &Air) -> Vec<u8> {
    let reject = |flying: &super::rig::Flying| {
        let octets = &flying.pdu.octets;
        (flying.message() == Some(3)).then(|| octets.last().copied())?
    };
    air.log.iter().filter_map(reject).collect()
}

#[test]
fn a_service_that_is_not_served_is_refused_and_asks_no_network() {
    let mut air = air(2);
    ask(&mut air, 1, [1, 1, 1]);
    air.run(2 * PERIOD);
    assert!(air.ues[0].asked.is_empty());
    assert_eq!(rejects(&air).first(), Some(&1));
    ask(&mut air, 2, SERVICE);
    serve(&mut air, 8);
    assert!(air.agreed(2, 0), "{:?}", air.ues[0].notes);
}

#[test]
fn a_relay_without_room_refuses_and_takes_the_next_one_when_there_is_room() {
    let mut air = air(1);
    ask(&mut air, 1, SERVICE);
    serve(&mut air, 8);
    assert!(air.agreed(1, 0));
    ask(&mut air, 2, SERVICE);
    serve(&mut air, 600);
    assert!(air.up(2, 0).is_none());
    assert_eq!(rejects(&air).first(), Some(&4));
    assert!(air.agreed(1, 0), "whoever is there stays");
    let ((link, _), now) = (air.up(1, 0).unwrap(), air.time(1));
    air.ues[1].manager.handle_input(Input::Release { now, link }).unwrap();
    air.drain(1);
    serve(&mut air, 10);
    ask(&mut air, 2, SERVICE);
    serve(&mut air, 10);
    assert!(air.agreed(2, 0));
}

/// Two that ask at once are both asked for at the network; the second one to be proven finds no place any more.
#[test]
fn two_at_once_get_one_place() {
    let mut air = air(1);
    ask(&mut air, 1, SERVICE);
    ask(&mut air, 2, SERVICE);
    serve(&mut air, 12);
    let up = [1, 2].map(|remote| air.up(0, remote).is_some());
    assert!(up[0] != up[1], "{up:?}");
    assert!(rejects(&air).contains(&4));
}

/// Requests that never complete cost the network a question each, as many as the rules allow.
#[test]
fn requests_of_one_identity_are_bounded() {
    let mut air = air(2);
    let mut questions = 0;
    for _ in 0..12 {
        ask(&mut air, 1, SERVICE);
        air.run(PERIOD);
        questions += air.ues[0].asked.len();
        air.ues[0].asked.clear();
        air.ues[0].questions.clear();
        let links: Vec<_> = air.ues[1].manager.links().map(|(link, ..)| link).collect();
        let now = air.time(1);
        for link in links {
            air.ues[1].manager.handle_input(Input::Release { now, link }).unwrap();
        }
        air.drain(1);
    }
    assert!((4..=5).contains(&questions), "{questions}: four, and one more every two seconds");
    assert!(air.ues[0].notes.iter().any(|note| note.to_string().contains("too often")));
}

#[test]
fn a_relay_releases_for_its_own_reasons() {
    for (reason, octet) in [(Cause::NoLongerAllowed, 2), (Cause::NotAvailable, 3)] {
        let mut air = air(1);
        ask(&mut air, 1, SERVICE);
        serve(&mut air, 8);
        let ((link, _), now) = (air.up(0, 1).unwrap(), air.time(0));
        air.ues[0].manager.handle_input(Input::ReleaseFor { now, link, reason }).unwrap();
        air.drain(0);
        // Reason 3 waits for nobody.
        assert!(air.up(0, 1).is_none());
        assert_eq!(air.ues[0].manager.links().count() == 0, octet == 3);
        air.run(4 * PERIOD);
        assert!(air.up(1, 0).is_none());
        let why = Closed::ByPeer { reason };
        assert!(air.ues[1].states.iter().any(|(_, state)| *state == State::Closed { why }), "{reason}");
    }
}

/// A relay has to know how long its remote UE may be silent: the keep-alive of the remote UE says it.
#[test]
fn keep_alives_of_a_remote_ue_say_how_long_it_may_be_silent() {
    let mut air = air(1);
    ask(&mut air, 1, SERVICE);
    serve(&mut air, 8);
    let told = |air: &Air| match &air.ues[0].manager.links[0].state {
        link::State::Up(up) => up.session.peer_inactivity,
        _ => None,
    };
    assert_eq!(told(&air), None);
    air.run(3000);
    let seconds = air.ues[1].config.inactivity.div_ceil(1000);
    assert_eq!(told(&air), Some(1000 * seconds));
}
