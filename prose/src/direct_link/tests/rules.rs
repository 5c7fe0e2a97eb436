//! A test for each rule that refuses, bounds or forgets something, and that no other test covers.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{Capabilities, Need, Offer, Policy, Profile};
use sidelink_security::pdu::{Assurance, PduRefusal};

use super::super::*;
use super::authentication::equip;
use super::ends::{linked_by_certificates, noted};
use super::rig::{Air, DATA, PERIOD, PROFILE, T0, Ue, l2};
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{Body, CommunicationRequest, RekeyingRequest, UserPlane};

fn certified() -> Air {
    Air::without_keys(2, |_, _| {}, equip)
}

/// Applies `f` to the state of the first link.
fn on_up(ue: &mut Ue, f: impl FnOnce(session::Up, &mut link::Common, &mut local::Local) -> session::Up) {
    ue.manager.with(0, |state, link, local| match state {
        link::State::Up(up) => (f(up, link, local).into(), ()),
        state => (link::Next::To(state), ()),
    });
}

/// A request for a new KD accepts no command under the old one.
#[test]
// TS 33.303 §6.5.5.3 step 2
fn re_authentication_is_not_answered_by_the_old_kd() {
    let mut air = linked_by_certificates();
    let (_, old) = air.up(0, 1).unwrap();
    air.rekey(0, 1, true).unwrap();
    air.flying.clear();
    let link::State::Up(up) = &air.ues[0].manager.links[0].state else { panic!("not up") };
    let offer = *up.exchange.request().unwrap().offer();
    let request = RekeyingRequest {
        capabilities: request::wire_capabilities(offer.capabilities),
        nonce: offer.nonce_1,
        kd_sess_msb: offer.msb,
        re_auth: None,
        pruk_id: None,
        key_info: None,
    };
    on_up(&mut air.ues[1], |up, link, local| up.on_rekeying_request(link, local, &request, (1, &[])));
    air.drain(1);
    assert_eq!(air.log.last().unwrap().message(), Some(12), "a command under the old KD");
    air.run(PERIOD);
    let refused = Note::Refused {
        source: l2(0x11),
        lcid: Lcid::PC5_S_SECURITY_MODE,
        error: PduError::Refused(PduRefusal::UnknownKey),
    };
    assert_eq!(noted(&air.ues[0], |n| *n == refused), 1);
    assert_eq!(air.up(0, 1).unwrap().1.fingerprint, old.fingerprint);
}

/// A command with a KD-sess ID that the link already uses is refused: one ID, one key.
#[test]
fn a_name_of_a_key_is_not_given_twice() {
    let mut air = Air::linked();
    air.run(1000);
    let (_, old) = air.up(0, 1).unwrap();
    // Both ends forget the IDs in use, until the old ID is drawn again.
    let request = loop {
        let LinkManager { local, links, .. } = &mut air.ues[0].manager;
        let link::Link { common, state: link::State::Up(up) } = &mut links[0] else { panic!("not up") };
        local.in_use.clear();
        up.exchange = session::Exchange::Idle;
        if up.start_rekeying(common, local, false).is_err() || up.exchange.is_idle() {
            air.drain(0);
            continue;
        }
        let offer = *up.exchange.request().unwrap().offer();
        air.drain(0);
        air.flying.clear();
        if offer.msb == old.session.msb() {
            break offer;
        }
    };
    let mut tries = 0;
    loop {
        let LinkManager { local, links, .. } = &mut air.ues[1].manager;
        let link::Link { mut common, state: link::State::Up(mut up) } = links.remove(0) else { panic!() };
        local.in_use.clear();
        up.exchange = session::Exchange::Idle;
        let request = RekeyingRequest {
            capabilities: request::wire_capabilities(request.capabilities),
            nonce: request.nonce_1,
            kd_sess_msb: request.msb,
            re_auth: None,
            pruk_id: None,
            key_info: None,
        };
        up = up.on_rekeying_request(&mut common, local, &request, (1, &[]));
        let session::Exchange::TargetRekeying(target) = &up.exchange else {
            air.ues[1].manager.links.push(link::Link { common, state: link::State::Up(up) });
            air.drain(1);
            continue;
        };
        let found = target.state.id() == Some(old.session);
        air.ues[1].manager.links.push(link::Link { common, state: link::State::Up(up) });
        air.drain(1);
        if found {
            break;
        }
        air.flying.clear();
        tries += 1;
        assert!(tries < 20_000);
    }
    air.run(PERIOD);
    assert_eq!(noted(&air.ues[0], |n| matches!(n, Note::Disagreed { .. })), 1, "{:?}", air.ues[0].notes);
    assert_eq!(air.up(0, 1).unwrap().1.fingerprint, old.fingerprint);
}

/// A cookie is valid for its source, with the nonce of its request, at that time.
#[test]
fn a_cookie_is_bound_to_source_nonce_and_time() {
    let mut air = certified();
    let capabilities = Capabilities { eea: 0x70, eia: 0x70 };
    let offer = Offer { nonce_1: [1; 16], msb: 1, capabilities, stated: None };
    let manager = &mut air.ues[1].manager;
    manager.handle_input(Input::Tick { now: UtcTime::from_millis(T0) }).unwrap();
    let cookie = manager.cookie(l2(1), &offer);
    assert_eq!(manager.cookie(l2(1), &offer), cookie);
    assert_ne!(manager.cookie(l2(2), &offer), cookie);
    assert_ne!(manager.cookie(l2(1), &Offer { nonce_1: [2; 16], ..offer }), cookie);
    manager.handle_input(Input::Tick { now: UtcTime::from_millis(T0 + 0x1_0000) }).unwrap();
    assert_ne!(manager.cookie(l2(1), &offer), cookie);
    assert_ne!(air.ues[0].manager.cookie(l2(1), &offer), cookie, "each UE has a secret of its own");
}

/// No exchange begins under a key that was replaced.
#[test]
fn an_old_key_asks_for_no_new_one() {
    let mut air = Air::linked();
    air.ues[1].say(Body::RekeyingRequest(RekeyingRequest {
        capabilities: sidelink_wire::pc5_signalling::Capabilities { eea: 0x70, eia: 0x70 },
        nonce: [9; 16],
        kd_sess_msb: 9,
        re_auth: None,
        pruk_id: None,
        key_info: None,
    }));
    air.drain(1);
    let held = air.flying.pop().unwrap();
    air.run(1000);
    air.rekey(0, 1, false).unwrap();
    air.run(1100);
    let (before, sent) = (air.up(0, 1), air.log.len());
    air.inject(l2(0x11), 0, held.pdu.lcid, held.pdu.octets);
    air.run(0);
    assert_eq!((air.up(0, 1), air.log.len()), (before, sent));
    let unexpected = |n: &Note| matches!(n, Note::Unexpected { why: "not in this state", .. });
    assert_eq!(noted(&air.ues[0], unexpected), 1, "it was opened, and not followed");
}

/// A peer may choose 0 as its half of a session key's name: only the whole name is never 0 (TS 33.303 §6.5.3.1).
#[test]
fn a_half_of_zero_is_a_name_like_any_other() {
    use super::super::receive::parse;
    use sidelink_wire::pdcp::HEADER_LEN;
    let mut air = Air::new(2);
    air.try_connect(0, 1).unwrap();
    let asked = air.flying.pop().unwrap();
    air.flying.clear();
    let message = parse(Profile::Lte, &asked.pdu.octets[HEADER_LEN..]).unwrap();
    let Body::CommunicationRequest(request) = message.body else { panic!("{message:?}") };
    let body = Body::CommunicationRequest(CommunicationRequest { kd_sess_msb: 0, ..request });
    let octets = frame::plain(&frame::message(Profile::Lte, message.sequence, body));
    air.inject(asked.from, 1, asked.pdu.lcid, octets);
    air.run(0);
    let command = air.flying.pop().expect("an answer");
    assert_eq!(command.pdu.lcid, Lcid::PC5_S_SECURITY_MODE, "{:?}", air.ues[1].notes);
    assert!(command.pdu.octets[1] == 0 && command.pdu.octets[2] != 0, "0 and the half of UE_2");
}

fn nr(configure: fn(usize, &mut Config)) -> Air {
    PROFILE.set(Profile::Nr);
    Air::with(2, configure, |_, _| {})
}

/// The accept states the protection of user data: if it violates the policy of the initiating UE, it is refused (NR).
#[test]
fn an_accept_against_the_policy_brings_no_link_up() {
    for (integrity, ciphering) in [(true, true), (false, false)] {
        let mut air = nr(|_, _| {});
        air.channel = Box::new(|flying| if flying.message() == Some(2) { vec![] } else { vec![flying] });
        air.connect(0, 1);
        air.run(3 * PERIOD);
        air.channel = Box::new(|flying| vec![flying]);
        air.ues[1].say(Body::CommunicationAccept {
            ip_config: 1,
            link_local: None,
            user_info: Some(sidelink_wire::pc5_signalling::UserInfo { kind: 1, value: b"john" }),
            up: Some(UserPlane { ciphering, integrity }),
            connection: None,
        });
        air.drain(1);
        air.run(2 * PERIOD);
        let why = Closed::NoAnswer { hint: Some(Cause::NotAligned) };
        assert_eq!(air.ues[0].states.last().unwrap().1, State::Closed { why });
        assert!(air.up(1, 0).is_none(), "and the peer hears so");
    }
}

/// Before the accept it is unknown whether user data has a MAC-I: none is delivered (NR).
#[test]
fn no_data_before_the_accept_in_nr() {
    let mut air = nr(|_, _| {});
    air.channel = Box::new(|flying| if flying.message() == Some(2) { vec![] } else { vec![flying] });
    air.connect(0, 1);
    air.run(3 * PERIOD);
    air.send(1, 0, b"too early").unwrap();
    air.run(PERIOD);
    assert!(air.ues[0].received.is_empty());
    let unknown = |n: &Note| {
        let refused = PduError::Refused(PduRefusal::UnknownKey);
        matches!(n, Note::Refused { lcid, error, .. } if *lcid == DATA && *error == refused)
    };
    assert_eq!(noted(&air.ues[0], unknown), 1);
}

/// Unprotected signalling has one channel, and requests on another begin no exchange.
#[test]
// TS 33.303 §6.5.6.1 (1); TS 33.303 §6.5.6.1 (2); TS 33.303 §6.5.6.4 (3); TS 36.321 §6.2.4 LCID (3)
// TS 36.323 §5.6.2 (4)
fn plain_signalling_has_one_channel() {
    let mut air = Air::new(2);
    air.connect(0, 1);
    let request = air.flying.pop().unwrap().pdu.octets;
    for lcid in [Lcid::PC5_S_SECURITY_MODE, Lcid::PC5_S_PROTECTED, DATA] {
        air.inject(l2(0x10), 1, lcid, request.clone());
        air.run(0);
        assert_eq!((air.ues[1].manager.half_open(), air.log.len()), (0, 1), "{lcid:?}");
    }
    air.inject(l2(0x10), 1, Lcid::PC5_S_UNPROTECTED, request);
    air.run(0);
    assert_eq!(air.ues[1].manager.half_open(), 1);
}

/// The largest number of links: a request beyond it is refused, and so is one whose proof comes when the last place is
/// taken.
#[test]
// TS 24.334 §10.4.2.5 (6)
fn links_are_bounded() {
    for at_once in [false, true] {
        let mut air = Air::new(3);
        air.ues[1].config.links = 1;
        air.restart(1);
        air.connect(0, 1);
        if !at_once {
            air.run(400);
        }
        air.connect(2, 1);
        air.run(PERIOD);
        let waiting = if at_once { 2 } else { 0 };
        assert_eq!(air.ues[1].manager.half_open(), waiting, "refused before it takes a place");
        air.run(20_000);
        assert_eq!(air.ues[1].manager.links().count(), 1);
        assert!(air.agreed(0, 1) && air.up(2, 1).is_none());
        let refused = air.log.iter().find(|flying| flying.message() == Some(3)).unwrap();
        assert_eq!(refused.pdu.octets.last(), Some(&4), "lack of resources, TS 24.334 §12.5.1.7");
        let refusal = |n: &Note| matches!(n, Note::PeerRefuses { cause: Cause::LackOfResources, .. });
        assert!(noted(&air.ues[2], refusal) > 0);
    }
}

/// Null integrity proves nothing, and the link reports it; with a policy that prefers integrity it is never chosen.
#[test]
fn null_integrity_is_shown() {
    for (own, peer, up) in [
        (Need::NotNeeded, Need::NotNeeded, true),
        (Need::Preferred, Need::NotNeeded, false),
        (Need::NotNeeded, Need::Preferred, false),
    ] {
        let mut air = Air::new(2);
        for (ue, integrity) in [(0, own), (1, peer)] {
            let policy = Policy { integrity, ciphering: Need::NotNeeded, ..Policy::default() };
            air.ues[ue].config.policy = policy;
            air.restart(ue);
        }
        air.connect(0, 1);
        air.run(2000);
        assert_eq!(air.agreed(0, 1), up, "{own:?} {peer:?}");
        let unproven = |s: &State| matches!(s, State::Up { assurance: Assurance::Unprotected, .. });
        for ue in &air.ues {
            assert_eq!(ue.states.iter().any(|(_, s)| unproven(s)), up);
            assert_eq!(noted(ue, |n| matches!(n, Note::NotAuthenticatedLink { .. })), usize::from(up));
            let told = ue.states.iter().any(|(_, s)| s.to_string().contains("NOT AUTHENTICATED"));
            assert_eq!(told, up);
        }
    }
    let air = Air::linked();
    let proven = |s: &State| matches!(s, State::Up { assurance: Assurance::Verified, .. });
    assert!(air.ues.iter().all(|ue| ue.states.iter().any(|(_, s)| proven(s))));
}

/// One forged data PDU with a far SN silences no peer; one that is as far ahead as allowed does so until the re-keying
/// that it triggers.
#[test]
fn a_forged_sn_silences_no_peer_for_good() {
    for ahead in [0xffffu16, 0x0ff0] {
        let mut air = Air::linked();
        air.run(1000);
        let (_, keys) = air.up(0, 1).unwrap();
        let mut octets = vec![0x40, 0, 0, 0, 0, 1, 2, 3, 4];
        octets[1..3].copy_from_slice(&keys.session.value().to_be_bytes());
        octets[3..5].copy_from_slice(&ahead.to_be_bytes());
        air.inject(l2(0x10), 1, DATA, octets);
        air.run(0);
        let mut sent = 0;
        for _ in 0..600 {
            air.send(0, 1, b"data").unwrap();
            sent += 1;
            air.run(100);
        }
        let got = air.ues[1].received.iter().filter(|r| r.data == b"data").count();
        assert!(got + 40 >= sent, "{got} of {sent}");
        let rekeyed = noted(&air.ues[1], |n| matches!(n, Note::OutOfStep { .. }));
        assert_eq!(rekeyed, usize::from(ahead != 0xffff));
    }
}

/// Much data and no signalling: the peer is requested to prove its SN before its data is refused.
#[test]
fn a_peer_that_sends_much_data_is_asked_to_prove_its_sn() {
    let mut air = Air::linked();
    air.run(1000);
    for number in 0..0x3000u32 {
        air.send(0, 1, b"bulk").unwrap();
        if number % 16 == 0 {
            air.run(1);
        }
    }
    air.run(100);
    assert_eq!(air.ues[1].received.len(), 0x3000);
}

/// A delayed request to re-key does not replace a newer one.
#[test]
fn a_request_that_comes_late_replaces_no_newer_one() {
    for profile in [Profile::Lte, Profile::Nr] {
        PROFILE.set(profile);
        let mut air = Air::linked();
        air.run(1000);
        air.rekey(0, 1, false).unwrap();
        let at = air.flying.iter().position(|f| f.message() == Some(15)).unwrap();
        let late = air.flying.remove(at).pdu;
        // The next try is in flight when the first arrives, after it.
        air.run(400);
        let asked = air.log.iter().filter(|f| f.message() == Some(15)).count();
        assert_eq!(asked, 2);
        air.run(PERIOD);
        air.inject(l2(0x10), 1, late.lcid, late.octets);
        air.run(400);
        assert!(air.agreed(0, 1));
        let rekeyed = |ue: &Ue| ue.states.iter().filter(|(_, s)| matches!(s, State::Rekeyed { .. })).count();
        assert_eq!(air.ues.iter().map(rekeyed).collect::<Vec<_>>(), [1, 1]);
    }
}

/// A proven refusal for policy or room, and a release for policy: the peer is not asked again at once. One in the clear,
/// which anybody can send, changes nothing.
#[test]
// TS 24.334 §10.4.2.5 (10); TS 24.334 §10.4.4.3 (2)
fn a_peer_that_refused_is_not_asked_at_once() {
    for (body, refused) in [
        (Body::CommunicationReject { cause: 1 }, true),
        (Body::CommunicationReject { cause: 4 }, true),
        (Body::CommunicationReject { cause: 6 }, false),
        (Body::Release { reason: 2 }, true),
        (Body::Release { reason: 1 }, false),
    ] {
        PROFILE.set(Profile::Lte);
        let mut air = Air::new(2);
        let set_up = matches!(body, Body::CommunicationReject { .. });
        if set_up {
            // The accept is kept back, and the refusal comes under the same key.
            air.channel = Box::new(|f| if f.message() == Some(2) { vec![] } else { vec![f] });
        }
        air.connect(0, 1);
        air.run(if set_up { 3 * PERIOD + 10 } else { 400 });
        air.channel = Box::new(|f| vec![f]);
        air.ues[1].say(body);
        air.drain(1);
        air.run(2 * PERIOD);
        assert!(matches!(air.ues[0].states.last(), Some((_, State::Closed { .. }))), "{body:?}");
        let peer = air.ues[1].config.source;
        let again = if refused { Err(Error::RefusedLately { peer }) } else { Ok(()) };
        assert_eq!(air.try_connect(0, 1), again, "{body:?}");
        if refused {
            air.run(air.ues[0].config.refused);
            assert_eq!(air.try_connect(0, 1), Ok(()), "{body:?}");
        }
    }
    let mut local = Air::new(1);
    for peer in 0..200 {
        local.ues[0].manager.local.is_refused_by(l2(peer + 1), Cause::NotAllowed);
    }
    let remembered = (0..200).filter(|peer| local.ues[0].manager.local.refused_lately(l2(peer + 1))).count();
    assert_eq!(remembered, 64);
}

/// TS 24.334 §10.4.5.6.1: no complete came, so the peer is refused with cause 10, within the budget.
#[test]
// TS 24.334 §10.4.5.6.1 (1)
fn a_command_without_a_complete_ends_in_a_refusal() {
    PROFILE.set(Profile::Lte);
    let mut air = Air::new(2);
    air.channel = Box::new(|f| if f.message() == Some(13) { vec![] } else { vec![f] });
    air.connect(0, 1);
    air.run(3 * PERIOD + air.ues[1].config.t4111());
    let refusals: Vec<_> = air.log.iter().filter(|f| f.message() == Some(3)).collect();
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].pdu.octets.last(), Some(&10));
    assert_eq!(refusals[0].to, air.ues[0].config.source);
    let told = |n: &Note| matches!(n, Note::PeerRefuses { cause: Cause::NonResponsive, proven: false, .. });
    air.run(PERIOD);
    assert!(noted(&air.ues[0], told) > 0);
}

/// TS 24.334 §12.5.1.25: the initiating UE's half of a KD-sess ID may be 0.
#[test]
fn a_half_of_a_name_may_be_zero() {
    PROFILE.set(Profile::Lte);
    let mut air = Air::new(2);
    air.connect(0, 1);
    let mut octets = air.flying[0].pdu.octets.clone();
    air.flying.clear();
    // Behind it are the KD ID with its identifier.
    let msb = octets.len() - 6;
    octets[msb] = 0;
    air.inject(l2(0x10), 1, Lcid::PC5_S_UNPROTECTED, octets);
    air.run(10);
    assert_eq!(air.ues[1].manager.half_open(), 1);
    assert!(air.log.iter().any(|f| f.message() == Some(12)));
}

/// TS 24.334 §10.4.2.2: one set-up and one link with a peer at a time.
#[test]
// TS 24.334 §10.4.2.2 (1)
fn no_second_set_up_with_one_peer() {
    let mut air = Air::new(2);
    air.connect(0, 1);
    let requests = air.log.len();
    assert!(matches!(air.try_connect(0, 1), Err(Error::Exists(_))));
    air.run(400);
    assert!(air.agreed(0, 1));
    assert!(matches!(air.try_connect(0, 1), Err(Error::Exists(_))));
    let asked = air.log.iter().filter(|f| f.message() == Some(1)).count();
    assert_eq!(asked, requests);
}

/// TS 24.334 §10.4.2.5: a policy without links is told as cause 1.
#[test]
// TS 24.334 §10.4.2.5 (2)
fn a_ue_that_accepts_no_links_says_so() {
    PROFILE.set(Profile::Lte);
    let mut air = Air::with(2, |ue, config| config.accept = ue == 0, |_, _| {});
    air.connect(0, 1);
    air.run(PERIOD);
    let refusal = air.log.iter().find(|f| f.message() == Some(3)).unwrap();
    assert_eq!(refusal.pdu.octets.last(), Some(&1));
    assert_eq!(air.ues[1].manager.half_open(), 0);
}
