//! Method 5: a ticket of a key management server (TR 33.833 §6.4.2, RFC 6043).

use std::sync::Arc;

use proptest::prelude::*;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Profile;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body};

use super::super::*;
use super::rig::{Air, Flying, Outside, PERIOD, PROFILE, l2, name};
use super::ticket_server::{KMS, Refusal, shared};

fn access(index: usize) -> Arc<TicketAccess> {
    let user = format!("ProSe:{}", String::from_utf8(name(index).value).unwrap());
    let key = shared(&user).into();
    Arc::new(TicketAccess { kms: KMS.to_owned(), key, key_id: None, window: Window::Strict })
}

pub(super) fn equip(index: usize, manager: &mut LinkManager) {
    manager.establish_by(Box::new(FromTicket::new(access(index))));
}

fn air() -> Air {
    let mut air = Air::without_keys(3, |_, _| {}, equip);
    air.ues.iter_mut().for_each(|ue| ue.outside = Outside::Answers);
    air
}

fn messages(air: &Air) -> Vec<u8> {
    air.log.iter().filter_map(Flying::message).collect()
}

fn content(octets: &[u8]) -> Vec<u8> {
    let repr = receive::parse(PROFILE.get(), &octets[5..]).unwrap();
    let Body::Authentication { content, .. } = repr.body else { panic!("{:?}", repr.body) };
    content.to_vec()
}

fn container(phase: AuthenticationPhase, content: &[u8]) -> Vec<u8> {
    let body = Body::Authentication { phase, method: FromTicket::METHOD, content };
    frame::plain(&frame::message(PROFILE.get(), 1, body))
}

/// Request and TRANSFER_INIT of Mary to John, which nobody heard.
fn unheard() -> (Air, Vec<u8>, Vec<u8>) {
    let mut air = air();
    air.connect(0, 1);
    air.flying.clear();
    let [request, transfer] = [0, 1].map(|at| air.log[at].pdu.octets.clone());
    (air, request, transfer)
}

fn inject(air: &mut Air, source: u32, to: usize, octets: &[u8]) {
    air.inject(l2(source), to, Lcid::PC5_S_UNPROTECTED, octets.to_vec());
    air.run(0);
}

fn refused(air: &Air, ue: usize) -> usize {
    air.ues[ue].notes.iter().filter(|note| matches!(note, Note::NotAuthenticated { .. })).count()
}

#[test]
fn a_ticket_makes_a_link_and_a_durable_kd() {
    for profile in [Profile::Lte, Profile::Nr] {
        PROFILE.set(profile);
        let mut air = air();
        air.connect(0, 1);
        air.run(6 * PERIOD);
        assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
        assert_eq!(messages(&air), [1, 0xe1, 0xe0, 12, 13, 2]);
        let [transfer, response] = [1, 2].map(|at| content(&air.log[at].pdu.octets).len());
        assert!((150..=400).contains(&transfer) && response <= 150, "{transfer} {response}");
        assert_eq!(air.ues[1].disk.admissions.len(), 1);
        assert!(air.ues[0].disk.keys[0].kd == air.ues[1].disk.keys[0].kd);
        for (from, to) in [(0, 1), (1, 0)] {
            air.run(1500);
            let before = air.up(0, 1).unwrap().1.kd;
            air.rekey(from, to, true).unwrap();
            air.run(6 * PERIOD);
            assert!(air.agreed(0, 1) && air.up(0, 1).unwrap().1.kd != before, "a ticket for each");
        }
        assert_eq!(air.tickets.resolved, 3);
    }
}

/// T4.2-2: a ticket for John that Peter presents. His UE does not take it, and the server refuses it.
#[test]
fn a_ticket_for_another_is_refused() {
    let (mut air, request, transfer) = unheard();
    inject(&mut air, 0x10, 2, &request);
    inject(&mut air, 0x10, 2, &transfer);
    assert_eq!(refused(&air, 2), 1);
    assert_eq!(air.tickets.resolved, 0);
    // Peter as the server sees him.
    use crate::mikey::Window as Times;
    use crate::mikey::suite::Hash;
    use crate::mikey::ticket::{KmsKey, ReceivedTransfer, Resolve};
    let now = UtcTime::from_millis(air.now);
    let octets = content(&transfer);
    let john = "ProSe:john";
    let received = ReceivedTransfer::parse(&octets, john, Times::around(now, 1000, 1000)).unwrap();
    let resolve = Resolve {
        csb_id: 7,
        time: sidelink_wire::mikey::Timestamp::NtpUtc(crate::mikey::NtpTime::from_utc(now).0),
        rand: &[5; 16],
        kms: Some(KMS),
        hash: Hash::HmacSha256,
    };
    // With Peter's key in John's name, and with John's own.
    for (key, refusal) in [(shared("ProSe:peter"), Some(Refusal::WrongMac)), (shared(john), None)] {
        let received = ReceivedTransfer::parse(&octets, john, Times::around(now, 1000, 1000)).unwrap();
        let resolving = received.resolve(KmsKey { key: &key, id: None }, &resolve).unwrap();
        let answer = air.tickets.ask(now, resolving.octets());
        assert_eq!((answer.is_none(), air.tickets.refused.pop()), (refusal.is_some(), refusal));
    }
    drop(received);
}

/// T4.2-3: a replayed TRANSFER_INIT is refused by its durable time, also after a crash at any point, and costs the server no
/// question.
#[test]
fn a_replayed_transfer_is_refused_also_after_a_crash() {
    let points = {
        let (mut air, request, transfer) = unheard();
        let before = air.points;
        inject(&mut air, 0x10, 1, &request);
        inject(&mut air, 0x10, 1, &transfer);
        air.points - before
    };
    assert!(points > 4, "{points}");
    for point in 1..=points + 1 {
        let (mut air, request, transfer) = unheard();
        air.crash_at.push(air.points + point);
        inject(&mut air, 0x10, 1, &request);
        inject(&mut air, 0x10, 1, &transfer);
        let responses = |air: &Air| messages(air).iter().filter(|message| **message == 0xe0).count();
        let before = responses(&air);
        air.crash_at.clear();
        let (asked, durable) = (air.tickets.resolved, air.ues[1].disk.admissions.len());
        for source in [0x10, 0x99] {
            inject(&mut air, source, 1, &request);
            inject(&mut air, source, 1, &transfer);
        }
        assert!(responses(&air) <= 1, "{point}: two responses to one transfer");
        assert!(before == 0 || durable == 1, "{point}: a response before its time is durable");
        assert!(durable == 0 || air.tickets.resolved == asked, "{point}: a question for a replay");
    }
}

#[test]
fn no_response_without_a_durable_time() {
    let (mut air, request, transfer) = unheard();
    air.ues[1].failing = |_| true;
    inject(&mut air, 0x10, 1, &request);
    inject(&mut air, 0x10, 1, &transfer);
    assert!(!messages(&air).contains(&0xe0) && air.ues[1].disk.admissions.is_empty());
}

/// T4.2-4: a server that refuses ends the set-up at once; one that is silent with the last try. In each case with its cause,
/// at either end, and the time is that of the timers.
#[test]
fn an_unreachable_server_is_a_clean_failure() {
    for ue in 0..2 {
        for outside in [Outside::Refuses, Outside::Silent] {
            let mut air = air();
            air.ues[ue].outside = outside;
            let began = air.now;
            air.connect(0, 1);
            let end = began + 60_000;
            while air.ues[0].manager.links().count() == 1 && air.advance(end) {}
            let took = air.now - began;
            assert!(air.up(0, 1).is_none() && air.up(1, 0).is_none());
            let last = air.ues[0].states.last().map(|(_, state)| state.clone());
            let expected = match (ue, outside) {
                (0, Outside::Refuses) => Closed::NotEstablished,
                (1, Outside::Refuses) => Closed::NoAnswer { hint: Some(Cause::AuthenticationFailure) },
                _ => Closed::NoAnswer { hint: None },
            };
            assert_eq!(last, Some(State::Closed { why: expected }), "{ue} {outside:?}");
            let (turns, network) = (3 * air.ues[0].config.t4100(8), air.ues[0].config.network_time);
            let expected_time = match (ue, outside) {
                (0, Outside::Refuses) => 0,
                // Each try waits for its own network.
                (0, _) => turns + 3 * network,
                // Only the last one waits for the peer's as long.
                _ => turns + 2 * (network / 4) + network,
            };
            assert_eq!(took, expected_time, "{ue} {outside:?}");
            air.run(2000 + network);
            assert_eq!(air.ues[1].manager.half_open(), 0);
            let silent = |note: &Note| matches!(note, Note::NetworkSilent { .. });
            for at in 0..2 {
                let is_told = air.ues[at].notes.iter().any(silent);
                assert_eq!(is_told, at == ue && outside == Outside::Silent, "{ue} {outside:?}: at {at}");
            }
            assert!(air.ues.iter().all(|ue| ue.disk.keys.is_empty()));
        }
    }
}

/// Lets a network take so long for the question of a UE.
fn answers_after(air: &mut Air, ue: usize, took: u64) {
    air.run(2 * PERIOD + took);
    let (now, ue) = (air.time(ue), &mut air.ues[ue]);
    let (ticket, question) = (ue.asked.remove(0), ue.questions.remove(0));
    let answer = air.tickets.ask(now, &question);
    ue.manager.handle_input(Input::Answered { now, ticket, answer: answer.as_deref() }).unwrap();
}

/// Four round trips of 2 s: that of the connection, two of TLS, that of the question. There is one question at either end, for a
/// link as for a new key of it.
#[test]
fn a_slow_network_is_waited_for_at_both_ends() {
    let mut air = air();
    air.ues.iter_mut().for_each(|ue| ue.outside = Outside::Silent);
    let ask = |air: &mut Air| {
        for ue in 0..2 {
            answers_after(air, ue, 8000);
            air.drain(ue);
        }
        air.run(6 * PERIOD);
        assert!(air.ues.iter().all(|ue| ue.asked.is_empty()), "one question each");
        assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
        air.up(0, 1).unwrap().1.kd
    };
    air.connect(0, 1);
    let first = ask(&mut air);
    assert_eq!(messages(&air), [1, 0xe1, 0xe0, 12, 13, 2]);
    air.run(1500);
    air.rekey(0, 1, true).unwrap();
    assert!(ask(&mut air) != first);
}

/// A peer whose network is slower than the own one has all the time in the last try.
#[test]
fn a_slower_network_of_the_peer_is_waited_for_in_the_last_try() {
    let mut air = air();
    air.ues[1].outside = Outside::Silent;
    air.connect(0, 1);
    let config = air.ues[0].config.clone();
    air.run(2 * (config.t4100(8) + config.network_time / 4));
    // Those of the first two tries are of no use.
    assert_eq!(air.ues[1].asked.len(), 2);
    answers_after(&mut air, 1, 0);
    air.drain(1);
    assert!(!air.agreed(0, 1));
    air.run(8000);
    assert_eq!(air.ues[1].asked.len(), 2);
    let last = |ue: &mut super::rig::Ue| _ = (ue.asked.remove(0), ue.questions.remove(0));
    last(&mut air.ues[1]);
    answers_after(&mut air, 1, 0);
    air.drain(1);
    air.run(6 * PERIOD);
    assert!(air.agreed(0, 1), "{:?} {:?}", air.ues[0].notes, air.ues[1].notes);
}

/// T4.2-5: whoever changes a transfer or a response makes its MAC false, wherever it is; then the right ones are taken.
#[test]
fn a_changed_message_has_a_false_mac() {
    let (mut air, request, transfer) = unheard();
    let right = content(&transfer);
    // Not the initiator data of the ticket, which its maker checks: RFC 6043 §5.5.
    let places = |len: usize| [3, 7, 14, 30, 50, len - 20, len - 1];
    for at in places(right.len()) {
        let (mut air, ..) = unheard();
        inject(&mut air, 0x10, 1, &request);
        let mut octets = right.clone();
        octets[at] ^= 1;
        inject(&mut air, 0x10, 1, &container(AuthenticationPhase::Response, &octets));
        assert!(!messages(&air).contains(&0xe0) && air.ues[1].disk.admissions.is_empty(), "{at}");
    }
    inject(&mut air, 0x10, 1, &request);
    inject(&mut air, 0x10, 1, &transfer);
    let response = air.log.iter().find(|flying| flying.message() == Some(0xe0)).unwrap().pdu.octets.clone();
    air.flying.clear();
    let right = content(&response);
    for at in places(right.len()) {
        let mut octets = right.clone();
        octets[at] ^= 1;
        inject(&mut air, 0x11, 0, &container(AuthenticationPhase::Request, &octets));
        assert_eq!(air.ues[0].manager.links().count(), 1);
    }
    assert!(refused(&air, 0) >= 7, "{:?}", air.ues[0].notes);
    assert!(air.up(0, 1).is_none());
}

#[test]
fn losses_at_every_place() {
    for lost in 0_u32..1 << 7 {
        if lost.count_ones() > 2 {
            continue;
        }
        let mut air = air();
        let mut number = 0;
        air.channel = Box::new(move |flying| {
            number += 1;
            if lost.checked_shr(number - 1).is_some_and(|lost| lost & 1 == 1) { vec![] } else { vec![flying] }
        });
        air.connect(0, 1);
        // Two tries that wait for a network of the peer, a quarter of its time, and a third.
        air.run(2 * (air.ues[0].config.t4100(8) + air.ues[0].config.network_time / 4) + 8 * PERIOD);
        assert!(air.agreed(0, 1), "{lost:b}: {:?} {:?}", air.ues[0].notes, air.ues[1].notes);
    }
}

proptest! {
    #[test]
    fn any_key_information_is_understood_or_not(info: Vec<u8>, own: bool) {
        let info = if own { [&[FromTicket::METHOD][..], &info].concat() } else { info };
        let method = FromTicket::new(access(0));
        let understood = method.understands(&info);
        prop_assert_eq!(method.answer(&info, [0; 32]).is_some(), understood);
        if understood {
            prop_assert!([1, 17].contains(&info.len()));
        }
    }

    /// Any octets in the place of the server's and the peer's messages.
    #[test]
    fn any_octets_are_refused(octets: Vec<u8>) {
        let (mut air, request, _) = unheard();
        inject(&mut air, 0x10, 1, &request);
        inject(&mut air, 0x10, 1, &container(AuthenticationPhase::Response, &octets));
        inject(&mut air, 0x11, 0, &container(AuthenticationPhase::Request, &octets));
        prop_assert!(air.ues[1].disk.admissions.is_empty());
    }
}
