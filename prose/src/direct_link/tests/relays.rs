//! Links of a remote UE (0) to a relay (1): methods 8, from a PRUK, and 7, by EAP.

use sidelink_security::kdf::lte;
use sidelink_security::keys::Pruk;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{self as pc5, Body, Coding, Repr};
use sidelink_wire::relay_keying::{Answer, Denial, Question, User};

use super::super::*;
use super::rig::{Air, Flying, Outside, PERIOD, l2, name};

const SERVICE: [u8; 3] = [0, 0, 7];
const PRUK_ID: [u8; 8] = *b"pruk-id1";
const NEXT_ID: [u8; 8] = *b"pruk-id2";
/// With the RAND of its challenge.
const GPI: &[u8] = b"a pushed key:\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03 and more";
const LIFETIME: u32 = 3600;

fn user() -> Identity {
    Identity { kind: Identity::PRUK_ID, value: PRUK_ID.to_vec() }
}

fn air(method: fn() -> Box<dyn KeyEstablishment>) -> Air {
    // A function pointer captures nothing: the method's number chooses.
    let equip: fn(usize, &mut LinkManager) = match method().method() {
        FromPruk::METHOD => |_, manager| manager.establish_by(Box::new(FromPruk)),
        _ => |_, manager| manager.establish_by(Box::new(ThroughRelay)),
    };
    let mut air = Air::without_keys(2, |_, _| {}, equip);
    air.ues.iter_mut().for_each(|ue| ue.outside = Outside::Silent);
    air
}

fn connect(air: &mut Air, user: Identity) -> Result<(), Error> {
    let (now, peer) = (air.time(0), air.ues[1].config.source);
    let relay = RelayLink { service: SERVICE, user };
    let begun =
        air.ues[0].manager.handle_input(Input::ConnectToRelay { now, peer, identity: name(1), relay });
    air.drain(0);
    begun
}

/// Answers the oldest question of a UE.
fn answer(air: &mut Air, ue: usize, answer: Option<Answer<'_>>) {
    let (now, ticket) = (air.time(ue), air.ues[ue].asked.remove(0));
    air.ues[ue].questions.remove(0);
    let octets = answer.map(|answer| {
        let mut octets = Vec::new();
        answer.emit(&mut octets);
        octets
    });
    let input = Input::Answered { now, ticket, answer: octets.as_deref() };
    air.ues[ue].manager.handle_input(input).unwrap();
    air.drain(ue);
}

/// The PKMF: PRUK of an ID.
fn pruk(id: [u8; 8]) -> Pruk {
    let mut key = [0x42; 32];
    key[..8].copy_from_slice(&id);
    Pruk::from(key)
}

/// Grants what the relay asks for, with a freshness and a GPI.
fn grant(air: &mut Air, freshness: [u8; 16], gpi: &[u8], id: [u8; 8]) {
    let question = air.ues[1].questions[0].clone();
    let Question::Grant { service, nonce_1, .. } = Question::parse(&question).unwrap() else { panic!() };
    let kd = lte::relay_kd(&pruk(id), &service, &nonce_1, &freshness);
    let granted = Answer::Granted { kd: kd.as_bytes(), lifetime: LIFETIME, freshness: &freshness, gpi };
    answer(air, 1, Some(granted));
}

/// Derives what the remote UE asks for.
fn derive(air: &mut Air, id: [u8; 8]) {
    let question = air.ues[0].questions[0].clone();
    let Question::Derive { service, nonce_1, freshness, .. } = Question::parse(&question).unwrap() else {
        panic!()
    };
    let kd = lte::relay_kd(&pruk(id), &service, &nonce_1, &freshness);
    answer(air, 0, Some(Answer::Derived { kd: kd.as_bytes(), lifetime: LIFETIME, pruk_id: id }));
}

/// Sets a link up by a PRUK.
fn linked() -> Air {
    let mut air = air(|| Box::new(FromPruk));
    connect(&mut air, user()).unwrap();
    air.run(PERIOD);
    grant(&mut air, [9; 16], &[], PRUK_ID);
    air.run(PERIOD);
    derive(&mut air, PRUK_ID);
    air.run(3 * PERIOD);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    air
}

fn messages(air: &Air) -> Vec<u8> {
    air.log.iter().filter_map(Flying::message).collect()
}

#[test]
fn a_link_by_a_pruk_takes_four_messages_and_names_service_and_user() {
    let mut air = air(|| Box::new(FromPruk));
    connect(&mut air, user()).unwrap();
    air.run(PERIOD);
    let question = air.ues[1].questions[0].clone();
    let Question::Grant { service, user, .. } = Question::parse(&question).unwrap() else { panic!() };
    assert_eq!((service, user), (SERVICE, User { kind: 2, value: &PRUK_ID }));
    grant(&mut air, [9; 16], GPI, NEXT_ID);
    air.run(PERIOD);
    let question = air.ues[0].questions[0].clone();
    let Question::Derive { freshness, gpi, user, .. } = Question::parse(&question).unwrap() else { panic!() };
    assert_eq!((freshness, gpi, user.value), ([9; 16], GPI, &PRUK_ID[..]));
    derive(&mut air, NEXT_ID);
    air.run(3 * PERIOD);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    assert_eq!(messages(&air), [1, 12, 13, 2]);
    let request = &air.log[0].pdu.octets;
    assert_eq!(request.len(), 5 + 41, "a header of PDCP, and what TS 24.334 §11.4.2 says");
    air.send(0, 1, b"through the relay").unwrap();
    air.run(PERIOD);
    assert_eq!(air.ues[1].received[0].data, b"through the relay");
    // From now on the network knows the remote UE by the PRUK of the GPI.
    assert_eq!(air.ues[0].manager.links[0].common.relay.as_ref().unwrap().user.value, NEXT_ID);
}

/// TR-10: a relay keeps the KD of no link that is over, nor after a crash.
#[test]
fn the_kd_ends_with_its_link() {
    let mut air = linked();
    assert!(air.ues.iter().all(|ue| ue.disk.keys.len() == 1));
    let (link, _) = air.up(0, 1).unwrap();
    let now = air.time(0);
    air.ues[0].manager.handle_input(Input::Release { now, link }).unwrap();
    air.drain(0);
    air.run(1000);
    assert!(air.up(1, 0).is_none());
    assert!(air.ues.iter().all(|ue| ue.disk.keys.is_empty()));
    let mut air = linked();
    air.restart(1);
    air.drain(1);
    let now = air.time(1);
    air.ues[1].manager.handle_input(Input::Tick { now }).unwrap();
    air.drain(1);
    assert!(air.ues[1].disk.keys.is_empty());
}

/// The next link asks the network again: no KD serves two.
#[test]
fn each_link_has_a_kd_of_its_own() {
    let mut air = linked();
    let before = air.up(0, 1).unwrap().1;
    let (link, _) = air.up(0, 1).unwrap();
    let now = air.time(0);
    air.ues[0].manager.handle_input(Input::Release { now, link }).unwrap();
    air.drain(0);
    air.run(1000);
    connect(&mut air, user()).unwrap();
    air.run(PERIOD);
    assert_eq!(air.ues[1].questions.len(), 1);
    grant(&mut air, [10; 16], &[], PRUK_ID);
    air.run(PERIOD);
    derive(&mut air, PRUK_ID);
    air.run(3 * PERIOD);
    assert!(air.agreed(0, 1) && air.up(0, 1).unwrap().1.fingerprint != before.fingerprint);
}

/// TR-4: forged commands with any freshness and GPI end nothing; the right one is heard after them.
#[test]
fn forged_commands_leave_the_set_up_as_it_was() {
    let mut air = air(|| Box::new(FromPruk));
    connect(&mut air, user()).unwrap();
    air.run(PERIOD);
    let msb = air.ues[0].manager.links.iter().find_map(|link| match &link.state {
        link::State::AwaitingSecurityMode(state) => Some(state.request.msb()),
        _ => None,
    });
    for round in 0..5 {
        let body = Body::SecurityModeCommand(pc5::SecurityModeCommand {
            capabilities: request::wire_capabilities(air.ues[0].config.policy.capabilities()),
            nonce: [round; 16],
            algorithms: pc5::Algorithms { eea: 1, eia: 1 },
            kd_sess_lsb: round,
            kd_id_msb: Some([1, round]),
            kd_freshness: Some([round; 16]),
            gpi: Some(b"garbage"),
            user_info: None,
            signature: None,
            encrypted_payload: None,
            policy: None,
        });
        let message = frame::message(sidelink_security::direct::Profile::Lte, 1, body);
        let octets = [&[0x60, msb.unwrap(), round, 0, 0][..], &message, &[0; 4]].concat();
        air.inject(l2(0x11), 0, Lcid::PC5_S_SECURITY_MODE, octets);
        air.run(1);
        // The GPI of a forger gives no key; a freshness alone gives a wrong one.
        if round % 2 == 0 {
            derive(&mut air, PRUK_ID)
        } else {
            answer(&mut air, 0, None)
        }
        assert!(air.up(0, 1).is_none());
    }
    grant(&mut air, [9; 16], &[], PRUK_ID);
    air.run(PERIOD);
    derive(&mut air, PRUK_ID);
    air.run(3 * PERIOD);
    assert!(air.agreed(0, 1), "{:?}", air.ues[0].notes);
    assert_eq!(air.log.iter().filter(|flying| flying.message() == Some(1)).count(), 1, "one request");
}

/// TR-3: another relay of the same service has neither KD nor Nonce_1 of this link.
#[test]
fn a_kd_of_another_exchange_proves_nothing() {
    let mut air = air(|| Box::new(FromPruk));
    connect(&mut air, user()).unwrap();
    air.run(PERIOD);
    let kd = lte::relay_kd(&pruk(PRUK_ID), &SERVICE, &[1; 16], &[9; 16]);
    let granted = Answer::Granted { kd: kd.as_bytes(), lifetime: LIFETIME, freshness: &[9; 16], gpi: &[] };
    answer(&mut air, 1, Some(granted));
    air.run(PERIOD);
    derive(&mut air, PRUK_ID);
    air.run(60_000);
    assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
    assert!(air.ues.iter().all(|ue| ue.disk.keys.is_empty()));
}

// TS 33.303 §6.7.3.2.1.2
/// The USIM is out of step; the relay asks once more, and never twice.
#[test]
fn the_relay_resynchronises_once() {
    let mut air = air(|| Box::new(FromPruk));
    connect(&mut air, user()).unwrap();
    air.run(PERIOD);
    let nonce = |air: &Air| match Question::parse(&air.ues[1].questions[0]).unwrap() {
        Question::Grant { nonce_1, .. } => nonce_1,
        other => panic!("{other:?}"),
    };
    let nonce_1 = nonce(&air);
    grant(&mut air, [9; 16], GPI, PRUK_ID);
    air.run(PERIOD);
    answer(&mut air, 0, Some(Answer::OutOfStep { rand: [3; 16], auts: [4; 14] }));
    air.run(PERIOD);
    let question = air.ues[1].questions[0].clone();
    let Question::Resynchronise { rand, auts } = Question::parse(&question).unwrap() else { panic!() };
    assert_eq!((rand, auts), ([3; 16], [4; 14]));
    let kd = lte::relay_kd(&pruk(NEXT_ID), &SERVICE, &nonce_1, &[8; 16]);
    let granted = Answer::Granted { kd: kd.as_bytes(), lifetime: LIFETIME, freshness: &[8; 16], gpi: GPI };
    answer(&mut air, 1, Some(granted));
    air.run(PERIOD);
    // Once more, which anybody could send as well.
    answer(&mut air, 0, Some(Answer::OutOfStep { rand: [3; 16], auts: [4; 14] }));
    air.run(PERIOD);
    assert!(air.ues[1].questions.is_empty(), "no third round");
    assert_eq!(messages(&air), [1, 12, 14, 12, 14]);
    // The relay's command is still good: it is heard again when the relay's network was right after all.
    assert!(air.ues[1].manager.half_open() > 0);
}

/// TR-5: a forged command with an old GPI makes the remote UE say so of a challenge that is not the relay's.
#[test]
fn a_relay_hears_nothing_of_challenges_that_it_did_not_send() {
    for gpi in [&[][..], GPI] {
        let mut air = air(|| Box::new(FromPruk));
        connect(&mut air, user()).unwrap();
        air.run(PERIOD);
        grant(&mut air, [9; 16], gpi, PRUK_ID);
        air.run(PERIOD);
        answer(&mut air, 0, Some(Answer::OutOfStep { rand: [7; 16], auts: [4; 14] }));
        air.run(PERIOD);
        assert!(air.ues[1].questions.is_empty() && air.ues[1].manager.half_open() > 0);
    }
}

#[test]
fn after_a_resynchronisation_there_is_a_link() {
    let mut air = air(|| Box::new(FromPruk));
    connect(&mut air, user()).unwrap();
    air.run(PERIOD);
    let Question::Grant { nonce_1, .. } = Question::parse(&air.ues[1].questions[0].clone()).unwrap() else {
        panic!()
    };
    grant(&mut air, [9; 16], GPI, PRUK_ID);
    air.run(PERIOD);
    answer(&mut air, 0, Some(Answer::OutOfStep { rand: [3; 16], auts: [4; 14] }));
    air.run(PERIOD);
    let kd = lte::relay_kd(&pruk(NEXT_ID), &SERVICE, &nonce_1, &[8; 16]);
    let granted = Answer::Granted { kd: kd.as_bytes(), lifetime: LIFETIME, freshness: &[8; 16], gpi: GPI };
    answer(&mut air, 1, Some(granted));
    air.run(PERIOD);
    derive(&mut air, NEXT_ID);
    air.run(3 * PERIOD);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    assert_eq!(messages(&air), [1, 12, 14, 12, 13, 2], "one extra round");
}

// TS 33.303 §6.7.3.2.1.3
/// The session key alone, KD by the remote UE, KD by the relay.
#[test]
fn the_three_rekeyings() {
    let mut air = linked();
    let before = air.up(0, 1).unwrap().1;
    air.run(1500);
    air.rekey(0, 1, false).unwrap();
    air.run(4 * PERIOD);
    let session = air.up(0, 1).unwrap().1;
    assert!(air.agreed(0, 1) && session.kd == before.kd && session.fingerprint != before.fingerprint);
    assert!(air.ues[1].questions.is_empty(), "the network is not asked");
    air.run(1500);
    air.rekey(0, 1, true).unwrap();
    air.run(PERIOD);
    let question = air.ues[1].questions[0].clone();
    let Question::Grant { service, user, .. } = Question::parse(&question).unwrap() else { panic!() };
    assert_eq!((service, user.value), (SERVICE, &PRUK_ID[..]), "the relay remembers the service");
    grant(&mut air, [11; 16], GPI, NEXT_ID);
    air.run(PERIOD);
    derive(&mut air, NEXT_ID);
    air.run(3 * PERIOD);
    let renewed = air.up(0, 1).unwrap().1;
    assert!(air.agreed(0, 1) && renewed.kd != before.kd, "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    // The relay triggers; the remote UE says its new name.
    air.run(1500);
    let (link, _) = air.up(1, 0).unwrap();
    let now = air.time(1);
    air.ues[1].manager.handle_input(Input::TriggerRekey { now, link }).unwrap();
    air.drain(1);
    air.run(2 * PERIOD);
    let question = air.ues[1].questions[0].clone();
    let Question::Grant { user, .. } = Question::parse(&question).unwrap() else { panic!() };
    assert_eq!(user.value, NEXT_ID);
    grant(&mut air, [12; 16], &[], NEXT_ID);
    air.run(PERIOD);
    derive(&mut air, NEXT_ID);
    air.run(3 * PERIOD);
    assert!(air.agreed(0, 1) && air.up(0, 1).unwrap().1.kd != renewed.kd);
}

/// A USIM that is out of step in a re-keying: once more, and never twice; the link stays under its keys.
#[test]
fn a_rekeying_is_resynchronised_once() {
    for rounds in [1, 2] {
        let mut air = linked();
        let before = air.up(0, 1).unwrap().1;
        air.run(1500);
        air.rekey(0, 1, true).unwrap();
        air.run(PERIOD);
        let question = air.ues[1].questions[0].clone();
        let Question::Grant { nonce_1, .. } = Question::parse(&question).unwrap() else { panic!() };
        grant(&mut air, [11; 16], GPI, NEXT_ID);
        air.run(PERIOD);
        answer(&mut air, 0, Some(Answer::OutOfStep { rand: [3; 16], auts: [4; 14] }));
        air.run(PERIOD);
        let question = air.ues[1].questions[0].clone();
        let Question::Resynchronise { rand, auts } = Question::parse(&question).unwrap() else { panic!() };
        assert_eq!((rand, auts), ([3; 16], [4; 14]));
        let kd = lte::relay_kd(&pruk(NEXT_ID), &SERVICE, &nonce_1, &[12; 16]);
        let granted =
            Answer::Granted { kd: kd.as_bytes(), lifetime: LIFETIME, freshness: &[12; 16], gpi: GPI };
        answer(&mut air, 1, Some(granted));
        air.run(PERIOD);
        if rounds == 1 {
            derive(&mut air, NEXT_ID);
            air.run(3 * PERIOD);
            assert!(air.agreed(0, 1) && air.up(0, 1).unwrap().1.kd != before.kd, "{:?}", air.ues[0].notes);
        } else {
            answer(&mut air, 0, Some(Answer::OutOfStep { rand: [3; 16], auts: [4; 14] }));
            air.run(PERIOD);
            assert!(air.ues[1].questions.is_empty(), "no third round");
            assert_eq!(air.up(1, 0).unwrap().1.kd, before.kd, "the keys of before stay");
        }
    }
}

/// Why a network refuses is told as a cause; nothing but an unknown name looks like one.
#[test]
fn a_denial_is_told_as_a_cause() {
    for (denial, cause) in [
        (Denial::Unknown, Cause::AuthenticationFailure),
        (Denial::NotAllowed, Cause::NotAllowed),
        (Denial::Unreachable, Cause::LackOfResources),
    ] {
        let mut air = air(|| Box::new(FromPruk));
        connect(&mut air, user()).unwrap();
        air.run(PERIOD);
        answer(&mut air, 1, Some(Answer::Denied(denial)));
        air.run(PERIOD);
        let told = |note: &Note| matches!(note, Note::PeerRefuses { cause: c, .. } if *c == cause);
        assert!(air.ues[0].notes.iter().any(told), "{denial:?} {:?}", air.ues[0].notes);
        assert_eq!(messages(&air), [1, 3], "a DIRECT_COMMUNICATION_REJECT");
        assert_eq!(air.ues[1].manager.half_open(), 0);
    }
}

/// A refusal of the network reaches the remote UE as a cause; nothing is left behind.
#[test]
fn a_network_that_refuses_or_is_silent_ends_the_set_up() {
    let mut refused = air(|| Box::new(FromPruk));
    connect(&mut refused, user()).unwrap();
    refused.run(PERIOD);
    answer(&mut refused, 1, None);
    refused.run(PERIOD);
    let told = |note: &Note| {
        matches!(note, Note::PeerRefuses { cause: Cause::AuthenticationFailure, proven: false, .. })
    };
    assert!(refused.ues[0].notes.iter().any(told), "{:?}", refused.ues[0].notes);
    let mut silent = air(|| Box::new(FromPruk));
    connect(&mut silent, user()).unwrap();
    silent.run(60_000);
    assert!(silent.up(0, 1).is_none() && silent.ues[1].manager.half_open() == 0);
    assert_eq!(silent.ues[1].questions.len(), 3, "one a try");
}

#[test]
fn without_a_method_for_relays_there_is_no_link_to_one() {
    let mut air = Air::with(2, |_, _| {}, |_, manager| manager.establish_by(Box::new(FromNetwork)));
    assert_eq!(connect(&mut air, user()), Err(Error::NoKey));
    let long = Identity { kind: 1, value: vec![0; 65] };
    assert_eq!(connect(&mut air, long), Err(Error::IdentityTooLong { len: 65 }));
    // And links of peers do without the methods for relays.
    let mut air = Air::without_keys(2, |_, _| {}, |_, manager| manager.establish_by(Box::new(FromPruk)));
    assert_eq!(air.try_connect(0, 1), Err(Error::NoKey));
}

/// A request with the key information of method 8, and no service.
#[test]
fn a_request_without_a_service_is_refused() {
    let mut air = air(|| Box::new(FromPruk));
    for (key_info, service) in [(Some(&[8][..]), None), (Some(&[7][..]), None), (None, None)] {
        let body = Body::CommunicationRequest(pc5::CommunicationRequest {
            user_info: pc5::UserInfo { kind: 2, value: &PRUK_ID },
            ip_config: 3,
            maximum_inactivity: 10,
            policy: None,
            target: None,
            nonce: [service.map_or(1, |_: [u8; 3]| 2); 16],
            capabilities: request::wire_capabilities(air.ues[0].config.policy.capabilities()),
            kd_sess_msb: 9,
            kd_id: None,
            relay_service_code: service,
            signature: None,
            link_local: None,
            key_info,
            connection: None,
        });
        let message = frame::message(sidelink_security::direct::Profile::Lte, 1, body);
        air.inject(l2(0x77), 1, Lcid::PC5_S_UNPROTECTED, frame::plain(&message));
        air.run(1);
        assert!(air.ues[1].questions.is_empty() && air.ues[1].manager.half_open() == 0);
    }
}

/// Packets of EAP as far as this layer looks: none.
#[test]
fn eap_goes_through_the_relay_and_the_network_gives_the_kd() {
    let mut air = air(|| Box::new(ThroughRelay));
    connect(&mut air, name(0)).unwrap();
    air.run(2 * PERIOD);
    let kd = [0x31; 32];
    let mut exchanges = std::collections::HashSet::new();
    for round in 0..2 {
        let question = air.ues[0].questions[0].clone();
        let Question::ToPeer { service, relay, packet } = Question::parse(&question).unwrap() else {
            panic!()
        };
        assert_eq!((service, relay), (SERVICE, &name(1).value[..]));
        assert_eq!(packet, if round == 0 { &[1, 0, 0, 5, 1][..] } else { b"challenge" });
        answer(&mut air, 0, Some(Answer::Packet(b"response")));
        air.run(PERIOD);
        let question = air.ues[1].questions[0].clone();
        let Question::ToServer { service, exchange, remote, packet } = Question::parse(&question).unwrap()
        else {
            panic!()
        };
        exchanges.insert(exchange);
        assert_eq!((service, remote, packet), (SERVICE, &name(0).value[..], &b"response"[..]));
        let success = Answer::Keyed { kd: &kd, lifetime: LIFETIME, packet: b"success" };
        answer(&mut air, 1, Some(if round == 0 { Answer::Packet(b"challenge") } else { success }));
        air.run(PERIOD);
    }
    let question = air.ues[0].questions[0].clone();
    let Question::ToPeer { packet: b"success", .. } = Question::parse(&question).unwrap() else { panic!() };
    answer(&mut air, 0, Some(Answer::Keyed { kd: &kd, lifetime: LIFETIME, packet: &[] }));
    air.run(4 * PERIOD);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    assert_eq!(messages(&air), [1, 0xe0, 0xe1, 0xe0, 0xe1, 0xe0, 12, 13, 2]);
    assert_eq!(exchanges.len(), 1, "one exchange");
    // T5.1-2: a relay with another KD than the remote UE derives proves nothing.
    let mut air = super::relays::air(|| Box::new(ThroughRelay));
    connect(&mut air, name(0)).unwrap();
    air.run(2 * PERIOD);
    answer(&mut air, 0, Some(Answer::Packet(b"response")));
    air.run(PERIOD);
    answer(&mut air, 1, Some(Answer::Keyed { kd: &kd, lifetime: LIFETIME, packet: b"success" }));
    air.run(PERIOD);
    answer(&mut air, 0, Some(Answer::Keyed { kd: &[0x32; 32], lifetime: LIFETIME, packet: &[] }));
    air.run(60_000);
    assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
}

/// Anybody can claim a name, and one remote UE tries again: the network is told which exchange a packet is of.
#[test]
fn each_try_is_an_exchange_of_its_own() {
    let mut air = air(|| Box::new(ThroughRelay));
    connect(&mut air, name(0)).unwrap();
    let mut exchanges = std::collections::HashSet::new();
    for number in 1..=3 {
        for _ in 0..1000 {
            air.run(PERIOD);
            if !air.ues[0].questions.is_empty() {
                break;
            }
        }
        answer(&mut air, 0, Some(Answer::Packet(b"response")));
        air.run(PERIOD);
        let question = air.ues[1].questions.last().unwrap().clone();
        let Question::ToServer { exchange, .. } = Question::parse(&question).unwrap() else { panic!() };
        exchanges.insert(exchange);
        assert_eq!(exchanges.len(), number);
    }
}

/// What a message on the air says.
fn parsed(flying: &Flying) -> Repr<'_> {
    let message = &flying.pdu.octets[5..];
    Repr::parse(&pc5::Packet::new_checked(Coding::Lte, message).unwrap()).unwrap()
}

// TS 33.303 §6.7.3.2.1.1
/// The request of a link to a relay has neither a name of upper layers nor key information of ours.
#[test]
fn the_request_is_the_specifications() {
    let air = linked();
    let Body::CommunicationRequest(request) = parsed(&air.log[0]).body else { panic!() };
    assert_eq!(request.user_info, pc5::UserInfo { kind: 2, value: &PRUK_ID });
    assert_eq!((request.relay_service_code, request.key_info, request.kd_id), (Some(SERVICE), None, None));
}
