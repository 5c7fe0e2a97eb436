//! A test for each rule that refuses, bounds or forgets something, and that no other test covers.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{Capabilities, Need, Offer, Policy, Profile};
use sidelink_security::pdu::{Assurance, PduRefusal};

use super::super::*;
use super::authentication::equip;
use super::ends::{linked_by_certificates, noted};
use super::rig::{Air, DATA, PERIOD, PROFILE, T0, Ue, l2};
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{Body, RekeyingRequest, UserPlane};

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
