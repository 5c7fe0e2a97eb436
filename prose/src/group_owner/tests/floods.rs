//! What anybody can send: bounded work, bounded tables, cookies.

use proptest::prelude::*;
use sidelink_wire::group_owner::{Body, JoinRequest, Kind, Packet, Repr};
use sidelink_wire::ids::Layer2Id;

use super::super::*;
use super::rig::*;

pub(super) fn request(at: u16, cookie: Option<[u8; 16]>) -> Vec<u8> {
    request_of(at, (b"flood", &[1, 0, 1, 9]), cookie)
}

fn request_of(at: u16, (identity, credential): (&[u8], &[u8]), cookie: Option<[u8; 16]>) -> Vec<u8> {
    let nonce = [at as u8, (at >> 8) as u8, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3];
    let body = Body::JoinRequest(JoinRequest { nonce, eea: 0x70, eia: 0x70, identity, credential, cookie });
    let repr = Repr { group: GROUP.group_id, body };
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut out).unwrap();
    out
}

pub(super) fn source(at: u16) -> Layer2Id {
    Layer2Id::from_octets([0x99, (at >> 8) as u8, at as u8])
}

#[test]
fn a_flood_of_requests_costs_a_bounded_number_of_answers_and_entries() {
    let few = |ue| Config { cookies_from: 8, ..config(ue) };
    let mut rig = Rig::with(1, few, |_| trust());
    let limits = few(0);
    for period in 0..50 {
        let before = rig.old.len();
        for at in 0..100 {
            let (now, message) = (rig.time(), request(period * 100 + at, None));
            rig.input(0, Input::Message { now, from: source(at), message: &message }).unwrap();
        }
        assert!(rig.old.len() - before <= limits.answers as usize);
        let owner = rig.ues[0].owner();
        assert!(owner.half_open() + owner.queued() <= limits.cookies_from);
        rig.air.clear();
        rig.tick(PERIOD);
    }
    // Beyond some entries only cookies are sent.
    assert!(rig.old.iter().filter(|sent| sent.kind == Kind::Challenge).count() <= 4 * limits.cookies_from);
    assert!(rig.old.iter().any(|sent| sent.kind == Kind::Cookie));
    // A member joins in the middle of it, with a cookie.
    for at in 0..20 {
        let (now, message) = (rig.time(), request(9000 + at, None));
        rig.input(0, Input::Message { now, from: source(at), message: &message }).unwrap();
        rig.tick(PERIOD);
    }
    rig.air.clear();
    rig.join(1);
    // Behind those that never prove themselves.
    rig.run(8000);
    rig.assert_in(1);
    assert!(rig.old.iter().any(|sent| sent.kind == Kind::Cookie && sent.to == layer2(1)));
}

/// A cookie belongs to one source and one request.
#[test]
fn cookies_do_not_fit_others() {
    let mut rig = Rig::with(0, |ue| Config { cookies_from: 8, serving: 20, ..config(ue) }, |_| trust());
    let give = |rig: &mut Rig, from: Layer2Id, message: Vec<u8>| {
        let before = rig.old.len();
        let now = rig.time();
        rig.input(0, Input::Message { now, from, message: &message }).unwrap();
        rig.tick(PERIOD);
        rig.old[before..].first().map(|sent| (sent.kind, sent.octets.clone()))
    };
    for at in 0..8 {
        assert_eq!(give(&mut rig, source(at), request(at, None)).unwrap().0, Kind::Challenge);
    }
    let (kind, octets) = give(&mut rig, source(50), request(50, None)).unwrap();
    assert_eq!(kind, Kind::Cookie);
    let packet = Packet::new_checked(&octets[..]).unwrap();
    let Ok(Repr { body: Body::Cookie { cookie, .. }, .. }) = Repr::parse(&packet) else {
        panic!("{octets:?}")
    };
    assert_eq!(give(&mut rig, source(51), request(50, Some(cookie))).unwrap().0, Kind::Cookie);
    assert_eq!(give(&mut rig, source(50), request(51, Some(cookie))).unwrap().0, Kind::Cookie);
    for other in [(&b"floods"[..], &[1, 0, 1, 9][..]), (b"flood", &[1, 0, 1, 8])] {
        let changed = request_of(50, other, Some(cookie));
        assert_eq!(give(&mut rig, source(50), changed).unwrap().0, Kind::Cookie, "{other:?}");
    }
    assert_eq!(give(&mut rig, source(50), request(50, Some(cookie))).unwrap().0, Kind::Challenge);
}

/// Proofs with wrong signatures do not end the join that they aim at, and cost a bounded number of checks.
#[test]
fn forged_proofs_end_nothing() {
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.period(&mut |sent| vec![sent]);
    let challenge = rig.old.iter().find(|sent| sent.kind == Kind::Challenge).unwrap().clone();
    let mut forged = vec![Kind::Proof.octet(), 7, 7, 7];
    forged.extend(&challenge.octets[20..36]);
    forged.extend([5; 32 + 4 + 64]);
    for _ in 0..100 {
        let now = rig.time();
        rig.input(0, Input::Message { now, from: layer2(1), message: &forged }).unwrap();
    }
    let judged = rig.ues[0].notes().filter(|note| matches!(note, Note::NotBelieved { .. })).count();
    assert_eq!(judged, config(0).judged as usize);
    rig.run(1500);
    rig.assert_in(1);
}

/// Nobody can end a join or a membership by refusals, challenges or keys without proof.
#[test]
fn forged_answers_end_nothing() {
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.run_with(1500, |sent| {
        let mut forged = vec![sent.clone()];
        if sent.to == layer2(1) {
            // Before each true message a changed one, and a refusal.
            let mut changed = sent.clone();
            let last = changed.octets.len() - 1;
            changed.octets[last] ^= 1;
            let nonce = if sent.octets.len() > 20 { sent.octets[4..20].to_vec() } else { vec![0; 16] };
            let refusal = [&[Kind::Refusal.octet(), 7, 7, 7][..], &nonce, &[1]].concat();
            forged.insert(0, Sent { octets: refusal, kind: Kind::Refusal, ..sent.clone() });
            forged.insert(0, changed);
        }
        forged
    });
    rig.assert_in(1);
    for kind in [Kind::Removal, Kind::LeaveAccept, Kind::Keys, Kind::Confirm, Kind::Leave] {
        let octets = [&[kind.octet(), 7, 7, 7][..], &[0, 0, 0, 2], &[1; 189]].concat();
        for length in [24, 197] {
            let now = rig.time();
            let message = &octets[..length];
            rig.input(1, Input::Message { now, from: layer2(0), message }).unwrap();
            rig.input(0, Input::Message { now, from: layer2(1), message }).unwrap();
        }
    }
    rig.assert_in(1);
    assert_eq!(rig.ues[0].owner().members().count(), 1);
}

/// Sources that receive can echo cookies: the table is bounded all the same.
#[test]
fn half_open_joins_are_bounded() {
    let limits = |ue| Config { cookies_from: 1000, half_open: 5, serving: 20, ..config(ue) };
    let mut rig = Rig::with(0, limits, |_| trust());
    for at in 0..20 {
        let (now, message) = (rig.time(), request(at, None));
        rig.input(0, Input::Message { now, from: source(at), message: &message }).unwrap();
        assert!(rig.ues[0].owner().half_open() <= 5);
        assert_eq!(rig.ues[0].owner().queued(), 0);
        rig.tick(PERIOD);
    }
    assert!(rig.ues[0].notes().any(|note| matches!(note, Note::HalfOpenFull { .. })));
}

/// A repeated request gets the same challenge, and takes no second place.
#[test]
fn copies_of_requests_and_proofs() {
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.run_with(PERIOD, |sent| vec![sent.clone(), sent]);
    let challenges: Vec<_> = rig.old.iter().filter(|sent| sent.kind == Kind::Challenge).collect();
    assert_eq!(challenges.len(), 2);
    assert_eq!(challenges[0].octets, challenges[1].octets);
    assert_eq!(rig.ues[0].owner().half_open(), 1);
    // Challenge, then the proof: keys on their way.
    rig.run(2 * PERIOD);
    let keys = |rig: &Rig| rig.old.iter().filter(|sent| sent.kind == Kind::Keys).count();
    assert_eq!(keys(&rig), 1);
    let proof = rig.old.iter().find(|sent| sent.kind == Kind::Proof).unwrap().clone();
    let mut changed = proof.clone();
    changed.octets[40] ^= 1;
    rig.hear(&changed);
    assert_eq!(keys(&rig), 1, "another proof gets nothing");
    rig.hear(&proof);
    assert_eq!(keys(&rig), 2);
}

/// What comes from another layer-2 identity, or for another nonce, is not looked at.
#[test]
fn messages_that_do_not_belong_to_the_join() {
    let mut rig = Rig::new(1);
    rig.join(1);
    let nonce = rig.old[0].octets[4..20].to_vec();
    let mut other = nonce.clone();
    other[3] ^= 1;
    let give = |rig: &mut Rig, from: usize, octets: &[u8]| {
        let (now, before) = (rig.time(), rig.old.len());
        rig.input(1, Input::Message { now, from: layer2(from), message: octets }).unwrap();
        let sent = rig.old.len() - before;
        let Some(Event::Note(note)) = rig.ues[1].events.last().cloned() else { return (sent, None) };
        (sent, Some(note))
    };
    let cookie = |nonce: &[u8]| [&[Kind::Cookie.octet(), 7, 7, 7][..], nonce, &[9; 16]].concat();
    let unexpected = |kind, from| Some(Note::Unexpected { from: layer2(from), kind });
    assert_eq!(give(&mut rig, 0, &cookie(&other)), (0, unexpected(Kind::Cookie, 0)));
    assert_eq!(give(&mut rig, 3, &cookie(&nonce)), (0, unexpected(Kind::Cookie, 3)));
    let refusal = [&[Kind::Refusal.octet(), 7, 7, 7][..], &other, &[1]].concat();
    assert_eq!(give(&mut rig, 0, &refusal), (0, unexpected(Kind::Refusal, 0)));
    // A challenge costs no check of its signature then.
    rig.run_with(PERIOD, |sent| vec![sent]);
    let challenge = rig.old.iter().find(|sent| sent.kind == Kind::Challenge).unwrap().octets.clone();
    for (at, from) in [(5, 0), (42, 0), (0, 3)] {
        let mut changed = challenge.clone();
        if from == 0 {
            changed[at] ^= 1;
        }
        assert_eq!(give(&mut rig, from, &changed), (0, unexpected(Kind::Challenge, from)), "{at}");
    }
    // A confirm from elsewhere.
    let mut elsewhere = 0;
    rig.run_with(400, |sent| {
        let moved = sent.kind == Kind::Confirm;
        elsewhere += usize::from(moved);
        vec![Sent { from: if moved { layer2(3) } else { sent.from }, ..sent }]
    });
    assert!(elsewhere > 0);
    assert_eq!(rig.ues[0].owner().members().count(), 0);
}

/// Keys of an earlier epoch of the same join do not come back.
#[test]
fn keys_never_go_back() {
    let mut rig = Rig::new(1);
    rig.all_join();
    let old: Vec<_> = rig.old.iter().filter(|sent| sent.kind == Kind::Keys).cloned().collect();
    let now = rig.time();
    rig.input(0, Input::Renew { now }).unwrap();
    rig.run(400);
    rig.assert_in(1);
    for sent in old {
        rig.hear(&sent);
        rig.assert_in(1);
    }
    assert!(matches!(rig.ues[1].events.last(), Some(Event::Note(Note::Unexpected { kind: Kind::Keys, .. }))));
}

/// Leave and removal, repeated by an attacker after the member has joined again.
#[test]
fn recorded_ends_do_not_fit_a_later_join() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let now = rig.time();
    rig.input(1, Input::Leave { now }).unwrap();
    rig.run(1000);
    rig.join(1);
    rig.run(1000);
    rig.assert_in(1);
    let old: Vec<_> = rig.old.clone();
    for sent in old {
        rig.hear(&sent);
        rig.tick(PERIOD);
    }
    rig.run(1000);
    rig.assert_in(1);
    rig.assert_in(2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_octets_at_any_time(
        messages in prop::collection::vec(
            (0_u8..13, prop::collection::vec(any::<u8>(), 0..250), any::<(bool, bool)>(), 0_u64..200), 0..60),
    ) {
        let mut rig = Rig::new(1);
        rig.join(1);
        for (kind, tail, (owner, group), wait) in messages {
            let mut octets = vec![kind, 7, 7, if group { 7 } else { 8 }];
            octets.extend(tail);
            let (ue, from) = if owner { (0, layer2(1)) } else { (1, layer2(0)) };
            let now = rig.time();
            rig.input(ue, Input::Message { now, from, message: &octets }).unwrap();
            rig.run(wait);
        }
        // Nothing of it hinders a join.
        rig.run(15_000);
        if rig.ues[1].member().epoch().is_none() {
            rig.join(1);
            rig.run(2000);
        }
        rig.assert_in(1);
    }
}
