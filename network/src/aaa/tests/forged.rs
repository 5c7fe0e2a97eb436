//! Responses that somebody else made, or that say something else under the right keys.

use sidelink_security::kdf::eap_aka as kdf;

use super::*;
use crate::aka::{Autn, Quintet, Rand};
use crate::eap_aka::message::NotificationProof;
use crate::eap_aka::protection::verify_mac;
use crate::eap_aka::{Inner, Reauthentication, Sealed};
use crate::testing::eap::{NETWORK, REALM};

const CHALLENGE: usize = 4;
const RESPONSE: usize = 5;

/// The keys of a challenge, as the USIM has them.
fn keys_of(challenge: &[u8]) -> (Keys, Vec<u8>, Checkcode) {
    let packet = Packet::new_checked(challenge).unwrap();
    let Ok((_, Request::Challenge(challenge))) = Request::parse(&packet) else { panic!() };
    let (quintet, _) = Quintet::of_challenge(&keys(), Rand(challenge.rand), Autn(challenge.autn)).unwrap();
    let primes = kdf::ck_ik_prime(&quintet.ck, &quintet.ik, NETWORK, &quintet.autn.concealed_sqn()).unwrap();
    let identity = format!("6{}@{REALM}", imsi().digits());
    let (made, _) = Keys::split(&kdf::master_keys(&primes, &identity));
    assert!(verify_mac(&packet, &made.k_aut, &[]).is_ok());
    (made, quintet.res.to_vec(), challenge.checkcode.unwrap())
}

/// A conversation in which the response to the challenge is replaced.
fn replaced(world: &mut World, make: impl Fn(&Keys, Vec<u8>, Checkcode, u8) -> Vec<u8>) -> Outcome {
    let mut challenge = Vec::new();
    world.meddle(&mut peer(), |i, packet| {
        if i == CHALLENGE {
            challenge = packet.clone();
        }
        if i == RESPONSE {
            let (keys, res, checkcode) = keys_of(&challenge);
            *packet = make(&keys, res, checkcode, challenge[1]);
        }
    })
}

fn respond(response: Response, keys: &Keys, id: u8) -> Vec<u8> {
    let key = Some(MacKey { k_aut: &keys.k_aut, extra: &[] });
    response.emit(Method::AkaPrime, id, key).unwrap()
}

#[test]
fn the_right_response_is_taken_whoever_makes_it() {
    let outcome = replaced(&mut World::new(|_| {}), |keys, res, checkcode, id| {
        respond(Response::Challenge { res, checkcode: Some(checkcode), result_ind: false }, keys, id)
    });
    assert!(matches!(outcome.server, Some(Ok(_))), "{outcome:?}");
    // AT_CHECKCODE is the peer's to leave out. RFC 4187 §10.13.
    let outcome = replaced(&mut World::new(|_| {}), |keys, res, _, id| {
        respond(Response::Challenge { res, checkcode: None, result_ind: false }, keys, id)
    });
    assert!(matches!(outcome.server, Some(Ok(_))), "{outcome:?}");
}

#[test]
fn what_is_wrong_is_said() {
    type Make = fn(&Keys, Vec<u8>, Checkcode, u8) -> Vec<u8>;
    let cases: [(Make, Rejection); 8] = [
        (
            |keys, mut res, checkcode, id| {
                res[0] ^= 1;
                respond(Response::Challenge { res, checkcode: Some(checkcode), result_ind: false }, keys, id)
            },
            Rejection::Res,
        ),
        (
            |keys, res, checkcode, id| {
                let res = res[..4].to_vec();
                respond(Response::Challenge { res, checkcode: Some(checkcode), result_ind: false }, keys, id)
            },
            Rejection::Res,
        ),
        (
            |keys, res, _, id| {
                let checkcode = Some(Checkcode::Sha256([1; 32]));
                respond(Response::Challenge { res, checkcode, result_ind: false }, keys, id)
            },
            Rejection::Checkcode,
        ),
        (
            |keys, res, checkcode, id| {
                let other = Keys { k_encr: keys.k_encr, k_aut: [1; 32], k_re: keys.k_re };
                respond(
                    Response::Challenge { res, checkcode: Some(checkcode), result_ind: false },
                    &other,
                    id,
                )
            },
            Rejection::Mac,
        ),
        (|keys, _, _, id| respond(Response::KdfChoice(2), keys, id), Rejection::Kdf),
        (
            |keys, _, _, id| {
                respond(Response::SynchronizationFailure { auts: [0; 14], kdfs: vec![2] }, keys, id)
            },
            Rejection::Kdf,
        ),
        (
            |keys, _, _, id| {
                respond(Response::SynchronizationFailure { auts: [0; 14], kdfs: vec![1] }, keys, id)
            },
            Rejection::Hss(hss::Refusal::Auts),
        ),
        (|keys, _, _, id| respond(Response::Identity("x".into()), keys, id), Rejection::Unexpected),
    ];
    for (make, expected) in cases {
        let outcome = replaced(&mut World::new(|_| {}), make);
        assert_eq!(outcome.rejected(), expected);
        assert_eq!(outcome.failed(), Failure::Notified(Notification::GENERAL_FAILURE));
    }
}

#[test]
fn a_response_that_is_not_understood_ends_it() {
    let outcome = replaced(&mut World::new(|_| {}), |_, _, _, id| vec![2, id, 0, 8, 50, 1, 0, 0]);
    assert!(matches!(outcome.rejected(), Rejection::Malformed(Error::Missing { .. })));
    let outcome =
        replaced(&mut World::new(|_| {}), |keys, _, _, id| respond(Response::ClientError(3), keys, id));
    assert_eq!(outcome.rejected(), Rejection::ClientError(3));
    let outcome =
        replaced(&mut World::new(|_| {}), |_, _, _, id| emit(Code::Response, id, Type::Nak, &[23]).unwrap());
    assert_eq!(outcome.rejected(), Rejection::Nak);
}

#[test]
fn out_of_synchronisation_twice_is_the_end() {
    let usim = Usim::new(keys(), SqnArray::from_entries([1000; 32]).unwrap());
    let mut auts = Vec::new();
    let outcome = World::new(|_| {}).meddle(&mut EapPeer::new(peer_config(), usim), |i, packet| {
        if i == RESPONSE {
            auts = packet.clone();
        }
        if i == RESPONSE + 2 {
            let id = packet[1];
            *packet = auts.clone();
            packet[1] = id;
        }
    });
    assert_eq!(outcome.rejected(), Rejection::OutOfSync);
}

/// A fast re-authentication in which the response is changed, with its AT_MAC made anew or not.
#[test]
fn responses_to_a_re_authentication_are_judged() {
    let (mut world, mut peer) = (World::new(|_| {}), peer());
    world.run(&mut peer).granted();
    let outcome = world.meddle(&mut peer, |i, packet| {
        if i == 3 {
            let last = packet.len() - 1;
            packet[last] ^= 1;
        }
    });
    assert_eq!(outcome.rejected(), Rejection::Mac);
    // The name still stands for the context, but the peer has used it up.
    assert_eq!(world.run(&mut peer).granted().authentication, Authentication::Full);
}

/// The second of two sessions under one name, whose keys are the same, comes too late.
#[test]
fn a_name_serves_once() {
    let (mut world, mut peer) = (World::new(|_| {}), peer());
    world.run(&mut peer).granted();
    let mut outcome = Outcome::default();
    let said = world.ask(&mut peer, &hello(1), &mut outcome).unwrap();
    let first = world.tell(SessionId(100), &said, &mut outcome).unwrap();
    let second = world.tell(SessionId(101), &said, &mut outcome).unwrap();
    assert_eq!(parsed(&[first.clone(), second.clone()]), ["Reauthentication", "Reauthentication"]);
    assert_ne!(first, second);
    let response = world.ask(&mut peer, &first, &mut outcome).unwrap();
    let told = world.tell(SessionId(100), &response, &mut outcome).unwrap();
    assert_eq!(parsed(&[told]), ["Notification"]);
    let told = world.tell(SessionId(101), &response, &mut outcome).unwrap();
    assert_eq!(told[4..], [50, 12, 0, 0, 12, 1, 0x40, 0]);
    let ended = world.tell(SessionId(101), &[2, told[1], 0, 8, 50, 12, 0, 0], &mut outcome).unwrap();
    assert_eq!((ended[0], outcome.rejected()), (4, Rejection::Superseded));
}

#[test]
fn the_answer_to_a_notification_is_proven() {
    for (fast, at) in [(false, 7), (true, 5)] {
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
        assert_eq!(outcome.rejected(), Rejection::Mac, "{fast}");
        let mut world = World::new(|_| {});
        let mut peer = crate::testing::eap::peer();
        if fast {
            world.run(&mut peer).granted();
        }
        let outcome = world.meddle(&mut peer, |i, packet| {
            if i == at {
                *packet = vec![2, packet[1], 0, 8, 50, 12, 0, 0];
            }
        });
        assert_eq!(outcome.rejected(), Rejection::Mac, "{fast}");
    }
}

/// A re-authentication that has come as far as its request, with the keys of its context.
struct Begun {
    world: World,
    peer: EapPeer,
    request: Vec<u8>,
    keys: Keys,
    nonce_s: [u8; 16],
    outcome: Outcome,
}

const SESSION: SessionId = SessionId(70);

impl Begun {
    fn new() -> Self {
        let (mut world, mut peer, mut outcome) = (World::new(|_| {}), peer(), Outcome::default());
        world.run(&mut peer).granted();
        let said = world.ask(&mut peer, &hello(1), &mut outcome).unwrap();
        let name = String::from_utf8(said[5..].to_vec()).unwrap();
        let Keys { k_encr, k_aut, k_re } = &world.aaa.contexts.find(&name, world.now).unwrap().keys;
        let keys = Keys { k_encr: *k_encr, k_aut: *k_aut, k_re: *k_re };
        let request = world.tell(SESSION, &said, &mut outcome).unwrap();
        let Ok((_, Request::Reauthentication(message))) =
            Request::parse(&Packet::new_checked(&request).unwrap())
        else {
            panic!()
        };
        let nonce_s = message.sealed.open(&keys.k_encr).unwrap().nonce_s.unwrap();
        Self { world, peer, request, keys, nonce_s, outcome }
    }

    /// Why the server rejects a response, after it has told a failure or at once.
    fn rejected(mut self, response: &[u8]) -> Rejection {
        let mut sent = self.world.tell(SESSION, response, &mut self.outcome).unwrap();
        if sent[0] == 1 {
            sent = self.world.tell(SESSION, &[2, sent[1], 0, 8, 50, 12, 0, 0], &mut self.outcome).unwrap();
        }
        assert_eq!(sent[0], 4);
        self.outcome.rejected()
    }

    fn sealed(&self, counter: Option<u16>) -> Sealed {
        Sealed::seal(&self.keys.k_encr, [3; 16], &Inner { counter, ..Inner::default() }).unwrap()
    }
}

#[test]
fn counter_and_checkcode_of_a_re_authentication_are_looked_at() {
    for (counter, checkcode, why) in [
        (Some(2), Checkcode::Empty, Rejection::Counter),
        (None, Checkcode::Empty, Rejection::Counter),
        (Some(1), Checkcode::Sha256([1; 32]), Rejection::Checkcode),
    ] {
        let begun = Begun::new();
        // What is encrypted has one block at least.
        let sealed = match counter {
            Some(_) => begun.sealed(counter),
            None => {
                let inner = Inner { next_pseudonym: Some("x".into()), ..Inner::default() };
                Sealed::seal(&begun.keys.k_encr, [3; 16], &inner).unwrap()
            }
        };
        let message = Reauthentication { sealed, checkcode: Some(checkcode), result_ind: false };
        let key = Some(MacKey { k_aut: &begun.keys.k_aut, extra: &begun.nonce_s });
        let response = Response::Reauthentication(message).emit(Method::AkaPrime, begun.request[1], key);
        assert_eq!(begun.rejected(&response.unwrap()), why);
    }
}

#[test]
fn the_answer_to_the_notification_of_a_re_authentication_has_its_counter() {
    for counter in [None, Some(2)] {
        let mut begun = Begun::new();
        let response = begun.world.ask(&mut begun.peer, &begun.request, &mut begun.outcome).unwrap();
        let told = begun.world.tell(SESSION, &response, &mut begun.outcome).unwrap();
        let proof = match counter {
            None => NotificationProof::Mac,
            Some(_) => NotificationProof::MacAndCounter(begun.sealed(counter)),
        };
        let response = respond(Response::Notification { proof }, &begun.keys, told[1]);
        assert_eq!(begun.rejected(&response), Rejection::Counter);
    }
}
