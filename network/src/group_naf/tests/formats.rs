//! Messages, tags, wrapping.

use super::*;
use crate::aka::{Auts, Rand};

fn key() -> KsNaf {
    KsNaf::from([3; 32])
}

fn nonce() -> Nonce {
    Nonce([4; 16])
}

fn requests() -> Vec<Request> {
    let bodies = [
        Body::Create(Policy::Invitation),
        Body::Create(Policy::WhiteList(vec![user(1), user(2)])),
        Body::Join(None),
        Body::Join(Some(vec![5; 70])),
        Body::Refresh(vec![]),
        Body::Refresh(vec![user(9)]),
        Body::State(vec![]),
        Body::State(vec![user(1), user(2)]),
    ];
    let tokens = [None, Some(Resynchronisation { rand: Rand([6; 16]), auts: Auts([7; 14]) })];
    let all = bodies.into_iter().flat_map(|body| tokens.map(|token| (body.clone(), token)));
    let b_tid = BTid::new("YWJj@bsf.example.org").unwrap();
    all.map(|(body, resynchronisation)| Request {
        group: GROUP,
        nonce: nonce(),
        b_tid: b_tid.clone(),
        body,
        resynchronisation,
    })
    .collect()
}

fn push() -> Push {
    Push { group: GROUP, nonce: nonce(), pgk_id: 5, expires: 77, gpi: vec![8; 100], wrapped: [9; 40] }
}

fn state() -> message::State {
    let joined = vec![true, false, false, false, false, false, false, true, false, true];
    message::State { group: GROUP, nonce: nonce(), pgk_id: Some(3), joined }
}

fn all() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = requests().iter().map(|request| request.emit(&key()).unwrap()).collect();
    let b_tid = BTid::new("YWJj@bsf.example.org").unwrap();
    let invitation = Invitation { group: GROUP, nonce: nonce(), b_tid, invitee: user(1), expires: 9 };
    all.push(invitation.emit(&key()));
    all.push(push().emit(&key()).unwrap());
    all.push(state().emit(&key()).unwrap());
    all.push(message::State { pgk_id: None, joined: vec![], ..state() }.emit(&key()).unwrap());
    all.extend((1..14).map(|cause| [&[6][..], &GROUP.0, &[4; 16], &[cause]].concat()));
    all
}

fn is_message(octets: &[u8]) -> bool {
    Request::parse(octets).is_ok() || Invitation::parse(octets).is_ok() || Answer::parse(octets).is_ok()
}

#[test]
fn every_message_comes_back_and_nothing_shorter_or_longer_is_one() {
    for request in requests() {
        let octets = request.emit(&key()).unwrap();
        let parsed = Request::parse(&octets).unwrap();
        assert_eq!(
            (parsed.group, parsed.nonce, &parsed.b_tid),
            (request.group, request.nonce, &request.b_tid)
        );
        assert_eq!(parsed.body, request.body);
        assert_eq!(parsed.emit(&key()).unwrap(), octets);
        assert!(has_tag(&key(), &octets) && !has_tag(&KsNaf::from([2; 32]), &octets));
    }
    for octets in all() {
        assert!(is_message(&octets), "{octets:?}");
        assert!((0..octets.len()).all(|length| !is_message(&octets[..length])));
        assert!(!is_message(&[&octets[..], &[0]].concat()));
    }
    assert_eq!(Answer::parse(&push().emit(&key()).unwrap()), Ok(Answer::Push(push())));
    assert_eq!(Answer::parse(&state().emit(&key()).unwrap()), Ok(Answer::State(state())));
    let refused = Answer::Reject { group: GROUP, nonce: nonce(), cause: Cause::Replay };
    assert_eq!(Answer::parse(&reject(GROUP, nonce(), Cause::Replay)), Ok(refused));
}

#[test]
fn reserved_values_and_what_is_too_long() {
    let create = requests()[0].emit(&key()).unwrap();
    let policy = 1 + 3 + 16 + 1 + 20;
    for (at, value) in [(0, 0), (0, 9), (policy, 0), (policy, 3), (policy + 1, 2)] {
        let mut octets = create.clone();
        octets[at] = value;
        assert!(!is_message(&octets), "{at} {value}");
    }
    let without = Push { pgk_id: 0, ..push() }.emit(&key()).unwrap();
    assert!(Answer::parse(&without).is_err());
    let mut octets = state().emit(&key()).unwrap();
    let last = octets.len() - TAG - 1;
    octets[last] |= 1;
    assert!(Answer::parse(&octets).is_err(), "a bit of an eleventh of ten");
    let too_many = message::State { joined: vec![true; message::MOST_MEMBERS + 1], ..state() };
    assert!(too_many.emit(&key()).is_err());
    let many = vec![user(1); message::MOST_MEMBERS + 1];
    let request = Request { body: Body::Refresh(many), ..requests()[0].clone() };
    assert!(request.emit(&key()).is_err());
    let most = vec![user(1); message::MOST_MEMBERS];
    let request = Request { body: Body::Refresh(most), ..requests()[0].clone() };
    assert!(Request::parse(&request.emit(&key()).unwrap()).is_ok());
    assert!(Push { gpi: vec![0; 65_536], ..push() }.emit(&key()).is_err());
}

/// RFC 3394 §4.6, and that the wrapping key is of the group.
#[test]
fn a_key_is_wrapped_as_the_rfc_has_it() {
    use aes_kw::{KeyInit, KwAes256};
    let hex = |digits| sidelink_wire::hex::bytes(digits).unwrap();
    let kek: [u8; 32] =
        hex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F").try_into().unwrap();
    let data = hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
    let mut wrapped = [0; 40];
    KwAes256::new(&kek.into()).wrap_key(&data, &mut wrapped).unwrap();
    let copied = "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21";
    assert_eq!(wrapped[..], hex(copied));

    let pgk = Pgk::from([1; 32]);
    let mut wrapped = wrap(&key(), GROUP, &pgk);
    assert!(unwrap(&key(), GROUP, &wrapped).unwrap() == pgk);
    assert!(
        unwrap(&key(), FIRE, &wrapped).is_none() && unwrap(&KsNaf::from([2; 32]), GROUP, &wrapped).is_none()
    );
    wrapped[7] ^= 1;
    assert!(unwrap(&key(), GROUP, &wrapped).is_none());
}

/// The tag is of all octets before it.
#[test]
fn a_tag_covers_every_octet() {
    let octets = requests()[1].emit(&key()).unwrap();
    let (body, given) = octets.split_at(octets.len() - TAG);
    assert_eq!(tag(&key(), body), given);
    for at in 0..octets.len() {
        let mut octets = octets.clone();
        octets[at] ^= 1;
        assert!(!has_tag(&key(), &octets), "{at}");
    }
    assert!(!has_tag(&key(), &[0; 15]));
}

proptest! {
    #[test]
    fn any_octets_are_parsed_or_refused(mut octets: Vec<u8>, number in 0_u8..10) {
        for start in [None, Some(number)] {
            if let (Some(number), [first, ..]) = (start, &mut octets[..]) {
                *first = number;
            }
            if let Ok(request) = Request::parse(&octets) {
                let emitted = request.emit(&key()).unwrap();
                prop_assert_eq!(&emitted[..emitted.len() - TAG], &octets[..octets.len() - TAG]);
            }
            let _ = (Invitation::parse(&octets), Answer::parse(&octets));
        }
    }

    #[test]
    fn a_changed_message_does_not_panic(which in 0_usize..33, at in 0_usize..300, value: u8) {
        let mut octets = all()[which].clone();
        let at = at % octets.len();
        octets[at] = value;
        let _ = is_message(&octets);
    }

    #[test]
    fn naf_and_ue_survive_any_octets(octets: Vec<u8>, which in 0_usize..33, known: bool) {
        let mut world = World::new(1);
        let octets = if known { all()[which].clone() } else { octets };
        world.send(&octets);
        world.hear(0, &octets);
        prop_assert!(world.keys[0].is_empty() && world.asked() == 0);
    }
}
