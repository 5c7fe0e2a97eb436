//! Requests and containers that are not answered: one rule each.

use sidelink_security::direct::Profile;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_signalling::{AuthenticationPhase, Body, CommunicationRequest, UserInfo};
use sidelink_wire::pdcp::HEADER_LEN;

use super::super::receive::parse;
use super::super::*;
use super::authentication::equip;
use super::ends::noted;
use super::rig::{Air, PERIOD, l2};

/// Sends the first request of UE_1 again, changed, from `source`. Returns the messages of UE_2 in answer.
fn answered(
    change: impl FnOnce(&mut CommunicationRequest<'_>),
    source: impl FnOnce(&Air) -> Layer2Id,
) -> Vec<u8> {
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
    air.flying.iter().filter_map(super::rig::Flying::message).collect()
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

#[test]
fn a_name_of_more_than_64_octets_is_refused() {
    for (octets, wanted) in [(MAX_IDENTITY, COMMAND), (MAX_IDENTITY + 1, REJECT)] {
        let value = vec![b'x'; octets];
        let value: &'static [u8] = value.leak();
        let sent = answered(
            |request| {
                request.user_info = UserInfo { value, ..request.user_info };
                request.kd_id = None;
                request.key_info = None;
            },
            |air| air.ues[0].config.source,
        );
        // Nobody knows the name of 64 octets either: it is judged, and refused for that.
        let refused = if wanted == COMMAND { REJECT } else { wanted };
        assert_eq!(sent, [refused], "{octets}");
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
