use proptest::prelude::*;
use serde_json::Value;
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_wire::hex;

use super::*;
use crate::aaa::Authentication;
use crate::aka::{self, Auts};
use crate::eap_aka::Sealed;
use crate::eap_aka::packet::{failure, success};
use crate::testing::eap::{NETWORK, Outcome, World, hello, peer, peer_config};
use crate::testing::keys;
use crate::usim::{Refusal, SqnArray};

fn bytes(v: &Value) -> Vec<u8> {
    hex::bytes(v.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(v: &Value) -> [u8; N] {
    bytes(v).try_into().unwrap()
}

/// What the server of another maker sent, put to this peer with the same card: its responses are those of another maker's
/// peer, octet by octet where chance has no part in them, and its keys.
#[test]
fn a_real_server_is_answered_as_a_real_peer_did() {
    let text = include_str!("../../vectors/eap_aka_prime_radius_wire.json");
    let file: Value = serde_json::from_str(text).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let keys = || Subscriber::with_opc(array(&file["K"]), array(&file["OPc"]));
        let messages = case["messages"].as_array().unwrap();
        let usim = Usim::new(keys(), array_of(messages, &keys()));
        let imsi = Imsi::new("232010000000000").unwrap();
        let (realm, network_name) = ("wlan.mnc010.mcc232.3gppnetwork.org".into(), "WLAN".into());
        let mut peer = EapPeer::new(Config { imsi, realm, network_name, ..peer_config() }, usim);
        let (mut world, mut outcome) = (World::new(|_| {}), Outcome::default());
        let mut made = None;
        let mut msks = Vec::new();
        for message in messages {
            let octets = bytes(&message["eap"]);
            if octets[0] == 2 {
                if octets[4] == 1 {
                    made = world.ask(&mut peer, &hello(octets[1]), &mut outcome);
                }
                let (made, expected) = (made.take().unwrap(), octets);
                assert_eq!(made.len(), expected.len());
                let is_sealed = Packet::new_checked(&made).unwrap().data().get(3) == Some(&129);
                assert!(made == expected || is_sealed, "{message}");
            } else {
                made = world.ask(&mut peer, &octets, &mut outcome);
            }
            if let Some(Ok(success)) = outcome.peer.take() {
                msks.push(success.keys.msk);
            }
        }
        let full = array::<64>(&case["keys_last_full_auth"]["msk"]);
        let fast = case["reauth"]["msk"].is_string().then(|| array::<64>(&case["reauth"]["msk"]));
        assert_eq!(msks, [full].into_iter().chain(fast).collect::<Vec<_>>());
    }
}

/// The state of the card that sent AUTS, or of a new one.
fn array_of(messages: &[Value], keys: &Subscriber) -> SqnArray {
    let mut rand = [0; 16];
    for message in messages {
        let octets = bytes(&message["eap"]);
        let packet = Packet::new_checked(&octets).unwrap();
        if let Ok((_, Request::Challenge(challenge))) = Request::parse(&packet) {
            rand = challenge.rand;
        }
        if let Ok((_, Response::SynchronizationFailure { auts, .. })) = Response::parse(&packet) {
            let sqn = aka::sqn_ms(keys, Rand(rand), Auts(auts)).unwrap();
            let mut entries = [sqn.seq(); 32];
            entries[sqn.ind() + 1..].fill(sqn.seq().saturating_sub(1));
            return SqnArray::from_entries(entries).unwrap();
        }
    }
    SqnArray::default()
}

#[test]
fn a_network_of_another_name_gets_no_answer() {
    let config = Config { network_name: "PROSE:000002".into(), ..peer_config() };
    let mut peer = EapPeer::new(config, Usim::new(keys(), SqnArray::default()));
    let outcome = World::new(|_| {}).run(&mut peer);
    assert_eq!(outcome.failed(), Failure::NetworkName);
    assert_eq!(outcome.stored, None, "the USIM was not asked");
}

#[test]
fn an_exchange_of_identities_that_was_altered_is_noticed() {
    // A reserved octet of the server's request: nothing else shows it.
    let outcome = World::new(|_| {}).meddle(&mut peer(), |i, packet| {
        if i == 2 {
            packet[6] = 1;
        }
    });
    assert_eq!(outcome.failed(), Failure::Checkcode);
}

#[test]
fn a_challenge_under_other_keys_is_refused() {
    let outcome = World::new(|_| {}).meddle(&mut peer(), |i, packet| {
        if i == 4 {
            let last = packet.len() - 1;
            packet[last] ^= 1;
        }
    });
    assert_eq!(outcome.failed(), Failure::Mac);
}

#[test]
fn identities_are_said_in_one_order() {
    let (mut world, mut outcome) = (World::new(|_| {}), Outcome::default());
    let mut peer = peer();
    world.ask(&mut peer, &hello(1), &mut outcome);
    let mut ask = |which: IdentityRequest, id| {
        let request = Request::Identity(which).emit(Method::AkaPrime, id, None).unwrap();
        let response = world.ask(&mut peer, &request, &mut outcome).unwrap();
        Response::parse(&Packet::new_checked(&response).unwrap()).unwrap().1
    };
    assert!(matches!(ask(IdentityRequest::Fullauth, 2), Response::Identity(_)));
    assert!(matches!(ask(IdentityRequest::Permanent, 3), Response::Identity(_)));
    assert_eq!(ask(IdentityRequest::Any, 4), Response::ClientError(0));
}

#[test]
fn other_methods_are_declined() {
    let (mut world, mut outcome) = (World::new(|_| {}), Outcome::default());
    let aka = packet::emit(Code::Request, 7, Type::Method(Method::Aka), &[5, 0, 0, 13, 1, 0, 0]).unwrap();
    for request in [aka, vec![1, 7, 0, 5, 13], vec![1, 7, 0, 5, 254]] {
        let response = world.ask(&mut peer(), &request, &mut outcome).unwrap();
        assert_eq!(response, [2, 7, 0, 6, 3, 50]);
    }
    let shown = world.ask(&mut peer(), &[1, 7, 0, 7, 2, b'h', b'i'], &mut outcome).unwrap();
    assert_eq!(shown, [2, 7, 0, 5, 2]);
}

#[test]
fn what_comes_twice_is_answered_twice_alike() {
    let (mut world, mut outcome) = (World::new(|_| {}), Outcome::default());
    let mut peer = peer();
    let first = world.ask(&mut peer, &hello(1), &mut outcome);
    assert_eq!(world.ask(&mut peer, &hello(1), &mut outcome), first);
    let request = Request::Identity(IdentityRequest::Any).emit(Method::AkaPrime, 2, None).unwrap();
    let second = world.ask(&mut peer, &request, &mut outcome);
    assert_eq!(world.ask(&mut peer, &request, &mut outcome), second);
    assert!(second.unwrap()[5] == 5);
}

/// Runs until the server has told success, or not, and puts a packet before what follows.
fn interrupted(at: usize, end: impl Fn(u8) -> [u8; 4]) -> (Outcome, EapPeer) {
    let (mut world, mut peer, mut outcome) = (World::new(|_| {}), peer(), Outcome::default());
    let mut request = hello(1);
    for i in 0.. {
        let response = world.ask(&mut peer, &request, &mut outcome).unwrap();
        if i == at {
            let _ = world.ask(&mut peer, &end(request[1]), &mut outcome);
            return (outcome, peer);
        }
        request = world.tell(crate::aaa::SessionId(1), &response, &mut outcome).unwrap();
    }
    unreachable!("the loop returns");
}

#[test]
fn an_end_that_nothing_has_proven_is_passed_over() {
    // After identities, after RES with a notification still to come.
    for at in [0, 1, 2] {
        let (outcome, _) = interrupted(at, success);
        assert_eq!(outcome.passed_over, [Discarded::NotProven], "{at}");
        assert!(outcome.peer.is_none());
    }
    let (outcome, _) = interrupted(3, failure);
    assert_eq!(outcome.passed_over, [Discarded::NotProven], "failure after success was told");
    let (outcome, _) = interrupted(3, success);
    assert!(matches!(outcome.peer, Some(Ok(_))));
    let (outcome, _) = interrupted(2, failure);
    assert_eq!(outcome.failed(), Failure::Refused);
    let (outcome, _) = interrupted(3, |id| success(id.wrapping_add(1)));
    assert_eq!(outcome.passed_over, [Discarded::Identifier]);
    let (outcome, _) = interrupted(3, |id| [2, id, 0, 5]);
    assert!(matches!(outcome.passed_over[..], [Discarded::Malformed(_)]));
}

#[test]
fn responses_are_not_for_a_peer() {
    let (mut world, mut outcome) = (World::new(|_| {}), Outcome::default());
    assert_eq!(world.ask(&mut peer(), &[2, 1, 0, 5, 1], &mut outcome), None);
    assert_eq!(outcome.passed_over, [Discarded::Response]);
}

/// A peer that has seen a counter already has itself authenticated in full.
#[test]
fn a_counter_that_was_seen_is_too_small() {
    let (mut world, mut peer) = (World::new(|_| {}), peer());
    world.run(&mut peer).granted();
    peer.context.as_mut().unwrap().counter = 1;
    let outcome = world.run(&mut peer);
    assert_eq!(outcome.granted().authentication, Authentication::Full);
    assert_eq!((outcome.packets[2][5], outcome.packets[4][5]), (13, 1));
}

#[test]
fn a_re_authentication_needs_its_name_and_its_keys() {
    for spoil in [
        |peer: &mut EapPeer| peer.context.as_mut().unwrap().name = Some("8other".into()),
        |peer: &mut EapPeer| peer.context = None,
    ] {
        let (mut world, mut peer, mut outcome) = (World::new(|_| {}), peer(), Outcome::default());
        world.run(&mut peer).granted();
        let said = world.ask(&mut peer, &hello(1), &mut outcome).unwrap();
        let request = world.tell(crate::aaa::SessionId(50), &said, &mut outcome).unwrap();
        spoil(&mut peer);
        let response = world.ask(&mut peer, &request, &mut outcome).unwrap();
        assert_eq!(response[5], 14);
        assert!(matches!(peer.conversation.state, State::Failed(Failure::Unexpected)));
    }
    let (mut world, mut peer) = (World::new(|_| {}), peer());
    world.run(&mut peer).granted();
    let outcome = world.meddle(&mut peer, |i, packet| {
        if i == 2 {
            let last = packet.len() - 1;
            packet[last] ^= 1;
        }
    });
    assert_eq!(outcome.failed(), Failure::Mac);
}

#[test]
fn a_notification_is_believed_under_its_mac_alone() {
    for (fast, at) in [(false, 6), (true, 4)] {
        let (mut world, mut peer) = (World::new(|_| {}), peer());
        if fast {
            world.run(&mut peer).granted();
        }
        let outcome = world.meddle(&mut peer, |i, packet| {
            if i == at {
                let last = packet.len() - 1;
                packet[last] ^= 1;
            }
        });
        assert_eq!(outcome.failed(), Failure::Mac, "{fast}");
    }
}

/// A peer that was asked to re-authenticate, and the keys of its context.
fn asked_again() -> (World, EapPeer, Vec<u8>, Keys) {
    let (mut world, mut peer, mut outcome) = (World::new(|_| {}), peer(), Outcome::default());
    world.run(&mut peer).granted();
    let said = world.ask(&mut peer, &hello(1), &mut outcome).unwrap();
    let request = world.tell(crate::aaa::SessionId(50), &said, &mut outcome).unwrap();
    let Keys { k_encr, k_aut, k_re } = &peer.context.as_ref().unwrap().keys;
    let keys = Keys { k_encr: *k_encr, k_aut: *k_aut, k_re: *k_re };
    (world, peer, request, keys)
}

#[test]
fn the_checkcode_of_a_re_authentication_is_looked_at() {
    let (mut world, mut peer, request, keys) = asked_again();
    let (_, parsed) = Request::parse(&Packet::new_checked(&request).unwrap()).unwrap();
    let Request::Reauthentication(mut message) = parsed else { panic!() };
    message.checkcode = Some(crate::eap_aka::Checkcode::Sha256([1; 32]));
    let key = Some(MacKey { k_aut: &keys.k_aut, extra: &[] });
    let altered = Request::Reauthentication(message).emit(Method::AkaPrime, request[1], key).unwrap();
    assert_eq!(world.ask(&mut peer, &altered, &mut Outcome::default()).unwrap()[5], 14);
    assert!(matches!(peer.conversation.state, State::Failed(Failure::Checkcode)));
}

#[test]
fn the_notification_of_a_re_authentication_has_its_counter() {
    let (mut world, mut peer, request, keys) = asked_again();
    world.ask(&mut peer, &request, &mut Outcome::default()).unwrap();
    let code = crate::eap_aka::Notification::SUCCESS;
    let told = Request::Notification(crate::eap_aka::Notification::After { code, sealed: None });
    let key = Some(MacKey { k_aut: &keys.k_aut, extra: &[] });
    let told = told.emit(Method::AkaPrime, request[1] + 1, key).unwrap();
    assert_eq!(world.ask(&mut peer, &told, &mut Outcome::default()).unwrap()[5], 14);
    assert!(matches!(peer.conversation.state, State::Failed(Failure::Unexpected)));
}

/// The peer's answer to a challenge with this list of derivations, and what it thinks of it.
fn answer(peer: &mut EapPeer, kdfs: &[u16], id: u8) -> Response {
    let challenge = Challenge {
        rand: [1; 16],
        autn: [2; 16],
        derivation: Derivation::AkaPrime { kdfs: kdfs.to_vec(), network_name: NETWORK.into() },
        sealed: None::<Sealed>,
        checkcode: None,
        result_ind: false,
    };
    let key = MacKey { k_aut: &[0; 32], extra: &[] };
    let octets = Request::Challenge(challenge).emit(Method::AkaPrime, id, Some(key)).unwrap();
    let mut outcome = Outcome::default();
    let response = World::new(|_| {}).ask(peer, &octets, &mut outcome).unwrap();
    Response::parse(&Packet::new_checked(&response).unwrap()).unwrap().1
}

#[test]
fn a_derivation_is_chosen_once() {
    let why = |peer: &EapPeer| match &peer.conversation.state {
        State::Failed(why) => *why,
        _ => panic!(),
    };
    // AUTN is wrong everywhere: what gets as far as the USIM fails there.
    let at_usim = Failure::Usim(Refusal::Mac);
    for (first, second, expected) in [
        (&[1][..], None, at_usim),
        (&[1, 2], None, at_usim),
        (&[2], None, Failure::Kdf),
        (&[1, 1], None, Failure::Kdf),
        (&[2, 1, 2], None, Failure::Kdf),
        (&[2, 1], Some(&[1, 2, 1][..]), at_usim),
        (&[2, 1], Some(&[1, 3, 1][..]), Failure::Kdf),
        (&[2, 1], Some(&[2, 1][..]), Failure::Kdf),
        (&[2, 1], Some(&[1, 2][..]), Failure::Kdf),
    ] {
        let mut peer = peer();
        let response = answer(&mut peer, first, 1);
        let Some(second) = second else {
            assert_eq!((response, why(&peer)), (Response::AuthenticationReject, expected), "{first:?}");
            continue;
        };
        assert_eq!(response, Response::KdfChoice(1));
        assert_eq!(answer(&mut peer, second, 2), Response::AuthenticationReject);
        assert_eq!(why(&peer), expected, "{second:?}");
    }
}

#[test]
fn without_a_durable_usim_there_is_no_res() {
    let (mut world, mut peer, mut outcome) = (World::new(|_| {}), peer(), Outcome::default());
    let said = world.ask(&mut peer, &hello(1), &mut outcome).unwrap();
    let asked = world.tell(crate::aaa::SessionId(1), &said, &mut outcome).unwrap();
    let said = world.ask(&mut peer, &asked, &mut outcome).unwrap();
    let challenge = world.tell(crate::aaa::SessionId(1), &said, &mut outcome).unwrap();
    peer.handle_input(Input::Packet(&challenge), &mut world.rng);
    assert!(matches!(peer.poll_output(), Some(Output::Store(_))));
    assert!(peer.poll_output().is_none());
    peer.handle_input(Input::Packet(&challenge), &mut world.rng);
    assert!(matches!(peer.poll_output(), Some(Output::Discard(Discarded::Waiting))));
    peer.handle_input(Input::StoreFailed, &mut world.rng);
    let Some(Output::Response(response)) = peer.poll_output() else { panic!() };
    assert_eq!(response[5], 14);
    assert!(matches!(peer.conversation.state, State::Failed(Failure::Usim(Refusal::Store))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_request_is_answered_or_passed_over(at in 0_usize..9, octets: Vec<u8>, with_header: bool) {
        let outcome = World::new(|_| {}).meddle(&mut peer(), |i, packet| {
            if i == at {
                let head = if with_header { packet[..5.min(packet.len())].to_vec() } else { Vec::new() };
                *packet = [head, octets.clone()].concat();
            }
        });
        if let Some(Ok(_)) = outcome.peer {
            outcome.granted();
        }
    }
}
