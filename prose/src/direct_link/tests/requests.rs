//! Requests and containers that are not answered, and wishes that are refused: one rule each.

use sidelink_security::direct::{Need, Policy, Profile};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body, CommunicationRequest, Identifiers, UserInfo};
use sidelink_wire::pdcp::HEADER_LEN;

use super::super::receive::parse;
use super::super::*;
use super::authentication::equip;
use super::ends::noted;
use super::rig::{Air, Flying, PERIOD, PROFILE, l2};

/// Sends the first request of UE_1 again, changed, from `source`. Returns the PDUs of UE_2 in answer.
fn pdus_in_answer(
    change: impl FnOnce(&mut CommunicationRequest<'_>),
    source: impl FnOnce(&Air) -> Layer2Id,
) -> Vec<Flying> {
    let mut air = Air::new(2);
    air.try_connect(0, 1).unwrap();
    let asked = air.flying.pop().unwrap();
    air.flying.clear();
    let message = parse(Profile::Lte, &asked.pdu.octets[HEADER_LEN..]).unwrap();
    let Body::CommunicationRequest(mut request) = message.body else { panic!("{message:?}") };
    change(&mut request);
    let source = source(&air);
    let octets = frame::message(Profile::Lte, message.sequence, Body::CommunicationRequest(request));
    air.inject(source, 1, asked.pdu.lcid, frame::plain(&octets));
    air.run(0);
    air.flying
}

/// The messages among them.
fn answered(
    change: impl FnOnce(&mut CommunicationRequest<'_>),
    source: impl FnOnce(&Air) -> Layer2Id,
) -> Vec<u8> {
    pdus_in_answer(change, source).iter().filter_map(Flying::message).collect()
}

const COMMAND: u8 = 12;
const REJECT: u8 = 3;

#[test]
fn a_request_from_the_own_address_is_refused() {
    let sent = answered(|_| {}, |air| air.ues[0].config.source);
    assert_eq!(sent, [COMMAND]);
    let sent = answered(|_| {}, |air| air.ues[1].config.source);
    assert!(!sent.contains(&COMMAND), "{sent:?}");
}

/// One of 64 octets, which nobody knows, is refused for that; a longer one at once.
#[test]
fn a_name_of_more_than_64_octets_is_refused() {
    let protocol_error = Cause::ProtocolError.octet(Profile::Lte, CauseOf::Reject);
    for (octets, at_once) in [(MAX_IDENTITY, false), (MAX_IDENTITY + 1, true)] {
        let value: &'static [u8] = vec![b'x'; octets].leak();
        let change = |request: &mut CommunicationRequest<'_>| {
            request.user_info = UserInfo { value, ..request.user_info };
            (request.kd_id, request.key_info) = (None, None);
        };
        let sent = pdus_in_answer(change, |air| air.ues[0].config.source);
        let [reject] = &sent[..] else { panic!("{} PDUs", sent.len()) };
        assert_eq!(reject.message(), Some(REJECT));
        assert_eq!(reject.pdu.octets.last() == Some(&protocol_error), at_once, "{octets}");
    }
}

/// A container counts for the UE and the method that it is of.
#[test]
fn a_container_of_another_ue_or_method_is_not_judged() {
    for (source, method) in [(0x77, 2), (0x10, 3)] {
        let mut air = Air::without_keys(2, |_, _| {}, equip);
        air.channel = Box::new(|flying| if flying.message() == Some(0xe0) { vec![] } else { vec![flying] });
        air.connect(0, 1);
        air.run(PERIOD);
        let from = if source == 0x10 { air.ues[0].config.source } else { l2(source) };
        let body = Body::Authentication { phase: AuthenticationPhase::Response, method, content: b"forged" };
        let octets = frame::plain(&frame::message(Profile::Lte, 1, body));
        let lcid = air.log[0].pdu.lcid;
        air.inject(from, 1, lcid, octets);
        air.run(0);
        let judged = |note: &Note| matches!(note, Note::NotAuthenticated { .. });
        assert_eq!(noted(&air.ues[1], judged), 0, "{:?}", air.ues[1].notes);
    }
}

/// A forged cookie costs one more request, not one each.
#[test]
fn a_second_cookie_is_not_obeyed() {
    let mut air = Air::without_keys(2, |_, _| {}, equip);
    air.connect(0, 1);
    air.flying.clear();
    let lcid = air.log[0].pdu.lcid;
    for number in 0..50_u8 {
        let (phase, content) = (AuthenticationPhase::Reject, [number; 16]);
        let body = Body::Authentication { phase, method: half_open::COOKIE_METHOD, content: &content };
        air.inject(l2(0x11), 0, lcid, frame::plain(&frame::message(Profile::Lte, 1, body)));
        air.run(0);
    }
    let requests = air.log.iter().filter(|flying| flying.message() == Some(1)).count();
    assert_eq!(requests, 2, "the first, and that with the first cookie");
}

#[test]
fn a_name_of_more_than_64_octets_is_not_asked_for() {
    let mut air = Air::new(2);
    let (now, peer) = (air.time(0), l2(0x11));
    for (len, wanted) in
        [(MAX_IDENTITY, Error::NoKey), (MAX_IDENTITY + 1, Error::IdentityTooLong { len: 65 })]
    {
        let identity = Identity { kind: super::rig::name(1).kind, value: vec![b'x'; len] };
        let begun = air.ues[0].manager.handle_input(Input::Connect { now, peer, identity });
        assert_eq!(begun, Err(wanted));
    }
}

/// Nothing would prove that new identifiers are the peer's.
#[test]
fn identifiers_do_not_change_without_integrity() {
    PROFILE.set(Profile::Nr);
    let mut air = Air::new(2);
    for ue in 0..2 {
        let policy = Policy { integrity: Need::NotNeeded, ciphering: Need::NotNeeded, ..Policy::default() };
        (air.ues[ue].config.policy, air.ues[ue].config.updates) = (policy, true);
        air.restart(ue);
    }
    air.connect(0, 1);
    air.run(2000);
    assert!(air.agreed(0, 1));
    assert_eq!(air.update(0, 1), Err(Error::NothingToRekey));
}

/// NR: no half of a session key's name is 0.
#[test]
fn an_update_with_a_half_of_zero_is_refused() {
    for (kd_sess, accepted) in [(7, true), (0, false)] {
        let mut air = super::identifiers::linked(|_, _| {});
        let asked = Identifiers { kd_sess, layer2: [9, 9, 9] };
        air.ues[0].say(Body::IdentifierUpdateRequest(asked));
        air.drain(0);
        air.run(PERIOD);
        let answered = air.log.iter().any(|flying| flying.message() == Some(0xf1));
        assert_eq!(answered, accepted, "{kd_sess}");
    }
}
