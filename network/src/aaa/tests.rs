use proptest::prelude::*;

use super::*;
use crate::eap_aka::message::MacKey;
use crate::eap_aka::packet::emit;
use crate::eap_aka::{Checkcode, Error, Keys};
use crate::eap_peer::{self, EapPeer, Failure, IdentityPolicy};
use crate::testing::eap::{Outcome, World, hello, other_keys, peer, peer_config};
use crate::testing::{imsi, keys};
use crate::usim::{SqnArray, Usim};

mod forged;
mod limits;

fn parsed(packets: &[Vec<u8>]) -> Vec<String> {
    let name = |octets: &Vec<u8>| {
        let packet = Packet::new_checked(octets).unwrap();
        match (packet.kind(), Request::parse(&packet), Response::parse(&packet)) {
            (_, Ok((_, request)), _) => format!("{request:?}"),
            (_, _, Ok((_, response))) => format!("{response:?}"),
            (Some(kind), ..) => format!("{kind:?}"),
            (None, ..) => format!("{:?}", packet.code()),
        }
    };
    let first = |text: String| text.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    packets.iter().map(name).map(first).collect()
}

#[test]
fn full_authentication_then_fast_ones() {
    let (mut world, mut peer) = (World::new(|_| {}), peer());
    let first = world.run(&mut peer);
    assert_eq!(first.granted().authentication, Authentication::Full);
    assert_eq!(first.granted().imsi, imsi());
    assert_eq!(
        parsed(&first.packets),
        [
            "Identity",
            "Identity",
            "Identity",
            "Identity",
            "Challenge",
            "Challenge",
            "Notification",
            "Notification",
            "Success"
        ]
    );
    let mut seen = vec![first.granted().keys.msk];
    for _ in 0..3 {
        let again = world.run(&mut peer);
        assert_eq!(again.granted().authentication, Authentication::Fast);
        assert_eq!(
            parsed(&again.packets)[2..],
            ["Reauthentication", "Reauthentication", "Notification", "Notification", "Success"]
        );
        assert!(!seen.contains(&again.granted().keys.msk), "keys are new");
        seen.push(again.granted().keys.msk);
    }
    assert_eq!(world.asked, 1, "one vector for all of it");
}

#[test]
fn notifications_of_success_are_for_those_who_want_them() {
    for (server, client) in [
        (ResultIndications::Never, ResultIndications::Offered),
        (ResultIndications::Offered, ResultIndications::Never),
    ] {
        let mut world = World::new(|config| config.result_indications = server);
        let config = eap_peer::Config { result_indications: client, ..peer_config() };
        let mut peer = EapPeer::new(config, Usim::new(keys(), SqnArray::default()));
        for _ in 0..2 {
            let outcome = world.run(&mut peer);
            outcome.granted();
            assert!(!parsed(&outcome.packets).contains(&"Notification".into()));
        }
    }
}

#[test]
fn an_identity_that_is_believed_saves_a_round() {
    let mut world = World::new(|config| config.first_identity = FirstIdentity::Used);
    let outcome = world.run(&mut peer());
    outcome.granted();
    assert_eq!(parsed(&outcome.packets)[2], "Challenge");
}

/// Whoever was given a pseudonym says the IMSI no more, not to a server that has forgotten everything either.
#[test]
fn a_pseudonym_hides_the_imsi_and_outlives_the_server() {
    let first = World::new(|_| {}).run(&mut peer());
    let pseudonym = first.pseudonym.clone();
    let config = eap_peer::Config { pseudonym, ..peer_config() };
    let usim = Usim::new(keys(), first.stored.clone().unwrap());
    let mut world = World::new(|_| {});
    world.rng.0 = 2;
    // SQN of the HSS went on.
    world.hss_skip(5);
    let second = world.run(&mut EapPeer::new(config, usim));
    second.granted();
    let digits = imsi().digits().as_bytes().to_vec();
    let says = |packets: &[Vec<u8>]| packets.iter().any(|p| p.windows(15).any(|w| w == digits));
    assert_eq!((says(&first.packets), says(&second.packets)), (true, false));
    assert_eq!(parsed(&second.packets)[2], "Challenge");
    assert_ne!(first.pseudonym, second.pseudonym);
}

#[test]
fn a_name_that_is_not_known_is_asked_about_once_more() {
    let mut peer = peer();
    World::new(|_| {}).run(&mut peer).granted();
    // Another server: it knows neither the context nor the key of the pseudonym.
    let mut world = World::new(|config| config.pseudonym_keys[0].key = [1; 16]);
    world.hss_skip(5);
    let outcome = world.run(&mut peer);
    outcome.granted();
    let asked = outcome.packets.iter().filter_map(|octets| {
        match Request::parse(&Packet::new_checked(octets).unwrap()) {
            Ok((_, Request::Identity(which))) => Some(which),
            _ => None,
        }
    });
    assert_eq!(asked.collect::<Vec<_>>(), [IdentityRequest::Fullauth, IdentityRequest::Permanent]);
}

#[test]
fn a_conservative_peer_keeps_its_imsi() {
    let pseudonym = Some("7010000".into());
    let identity_policy = IdentityPolicy::Conservative;
    let config = eap_peer::Config { pseudonym, identity_policy, ..peer_config() };
    let outcome = World::new(|_| {}).run(&mut EapPeer::new(config, Usim::new(keys(), SqnArray::default())));
    assert_eq!(
        (outcome.rejected(), outcome.failed()),
        (Rejection::ClientError(0), Failure::PermanentIdentity)
    );
}

#[test]
fn old_pseudonyms_open_after_the_key_has_changed() {
    let first = World::new(|_| {}).run(&mut peer());
    let mut world = World::new(|config| {
        config.pseudonym_keys.insert(0, PseudonymKey { number: 2, key: [3; 16] });
    });
    world.hss_skip(5);
    let config = eap_peer::Config { pseudonym: first.pseudonym.clone(), ..peer_config() };
    let outcome = world.run(&mut EapPeer::new(config, Usim::new(keys(), first.stored.unwrap())));
    outcome.granted();
    assert_eq!(parsed(&outcome.packets)[2], "Challenge");
    assert!(outcome.pseudonym.unwrap().starts_with("702"));
}

#[test]
fn a_usim_that_is_ahead_is_followed() {
    let usim = Usim::new(keys(), SqnArray::from_entries([1000; 32]).unwrap());
    let mut world = World::new(|_| {});
    let outcome = world.run(&mut EapPeer::new(peer_config(), usim));
    outcome.granted();
    assert_eq!(
        parsed(&outcome.packets)[4..8],
        ["Challenge", "SynchronizationFailure", "Challenge", "Challenge"]
    );
    assert_eq!(world.asked, 2);
}

#[test]
fn another_card_is_nobody() {
    let usim = Usim::new(other_keys(), SqnArray::default());
    let outcome = World::new(|_| {}).run(&mut EapPeer::new(peer_config(), usim));
    assert_eq!(outcome.rejected(), Rejection::AuthenticationReject);
    assert_eq!(outcome.failed(), Failure::Usim(crate::usim::Refusal::Mac));
    assert_eq!(outcome.packets.last().unwrap()[0], 4);
}

#[test]
fn a_stranger_is_told_so() {
    let config = eap_peer::Config { imsi: Imsi::new("001010000000009").unwrap(), ..peer_config() };
    let outcome = World::new(|_| {}).run(&mut EapPeer::new(config, Usim::new(keys(), SqnArray::default())));
    assert_eq!(outcome.rejected(), Rejection::Hss(hss::Refusal::Unknown));
    assert_eq!(outcome.failed(), Failure::Notified(Notification::GENERAL_FAILURE));
}

#[test]
fn the_realm_of_re_authentications_is_optional() {
    let mut world = World::new(|config| config.realm = Some("aaa.home1.net".into()));
    let mut peer = peer();
    world.run(&mut peer).granted();
    let again = world.run(&mut peer);
    assert_eq!(again.granted().authentication, Authentication::Fast);
    assert!(String::from_utf8_lossy(&again.packets[1]).ends_with("@aaa.home1.net"));
}

impl World {
    /// SQN of the HSS is so many ahead.
    fn hss_skip(&mut self, many: u8) {
        for n in 0..many {
            let request = hss::Request {
                now: self.now,
                ticket: Ticket(u64::MAX),
                subject: hss::Subject::Imsi(imsi()),
                node: hss::Node::Aaa,
                purpose: hss::Purpose::EapAkaPrime { network_name: "x".into() },
                rand: crate::aka::Rand([200 + n; 16]),
                resynchronisation: None,
            };
            self.vector(request).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the octets, in whatever state: no panic, and no grant.
    #[test]
    fn any_octets_are_answered_or_passed_over(at in 1_usize..8, octets: Vec<u8>) {
        let mut world = World::new(|_| {});
        let outcome = world.meddle(&mut peer(), |i, packet| {
            if i == at {
                *packet = octets.clone();
            }
        });
        prop_assert!(!matches!(outcome.server, Some(Ok(_))) || at % 2 == 0);
    }

    /// One bit of anything between the two ends: no keys that differ, and no key for one who saw other octets.
    #[test]
    fn one_bit_between_the_ends(at in 0_usize..9, bit: prop::sample::Index) {
        let mut world = World::new(|_| {});
        let outcome = world.meddle(&mut peer(), |i, packet| {
            if i == at {
                let bit = bit.index(8 * packet.len());
                packet[bit / 8] ^= 1 << (bit % 8);
            }
        });
        if let (Some(Ok(_)), Some(Ok(_))) = (&outcome.server, &outcome.peer) {
            outcome.granted();
        }
    }
}
