use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcCounter;
use sidelink_security::direct::Entropy;

use super::*;
use crate::pc3::TransactionId;
use crate::pc8::request::{GroupRequest, KeyRequest, RelayRequest};
use crate::pc8::response::KeyResponse;
use crate::pc8::{
    Algorithms, Code, DiscoveryCapabilities, ErrorCode, HeldId, MemberId, Message, PrukId, SelectedAlgorithm,
};
use crate::pkmf_client::{self as client, Terms, Wanted as Want};
use crate::testing::key_world::*;

mod durable;
mod keys;
mod limits;
mod relays;

const GROUP: Want = Want::Group(FIRE);

/// UEs of these numbers have keys of the fire brigade.
fn world(numbers: &[u8]) -> KeyWorld {
    let mut world = KeyWorld::new(config());
    for number in numbers {
        world.add_phone(*number);
        world.want(*number, &[GROUP]);
    }
    world.run(1_000);
    world
}

/// A request of no UE of ours, by hand.
fn ask(world: &mut KeyWorld, number: u8, change: impl FnOnce(&mut KeyRequest)) -> KeyResponse {
    let mut message = KeyRequest::new(TransactionId::new(1).unwrap());
    message.algorithms = Some(Algorithms::of(&Algorithm::ALL));
    change(&mut message);
    world.request(number, Message::KeyRequest(message).to_xml().as_bytes());
    world.drain();
    match world.responses.pop().unwrap() {
        (_, Response::Message(body)) => match Message::from_xml(body.as_bytes()).unwrap() {
            Message::KeyResponse(answer) => answer,
            other => panic!("{other:?}"),
        },
        (_, other) => panic!("{other:?}"),
    }
}

fn group(service: ServiceId, held: &[u8]) -> GroupRequest {
    GroupRequest { group: service, held: held.iter().map(|id| HeldId(*id)).collect() }
}

fn granted(world: &mut KeyWorld, number: u8) -> Vec<client::Event> {
    std::mem::take(&mut world.phone(number).events)
}

#[test]
fn members_get_the_key_of_their_group_and_acknowledge_it() {
    let mut world = world(&[1, 2]);
    for number in [1, 2] {
        let terms = Terms::Group {
            member: MemberId([1, 0, number]),
            algorithm: SelectedAlgorithm::new(Algorithm::Aes),
        };
        assert_eq!(world.phone(number).client.terms(GROUP), Some(terms));
        let [key] = &world.phone(number).client.group_keys(FIRE)[..] else { panic!() };
        assert_eq!(key.pgk_id, 1);
        assert_eq!(key.expiry.value(), key.valid_from.value() + world.config.lifetime);
    }
    let key = |world: &mut KeyWorld, number| world.phone(number).client.group_keys(FIRE).remove(0).pgk;
    assert_eq!(key(&mut world, 1), key(&mut world, 2), "one key for all");
    let delivered = world.events.iter().filter(|event| matches!(event, Event::Delivered { .. })).count();
    assert_eq!(delivered, 2);
    assert_eq!(world.sent.len(), 2, "what is acknowledged is not said again");
    world.run(60_000);
    assert_eq!(world.sent.len(), 2);
}

/// What one member protects with its keys, another opens with its own.
#[test]
fn the_keys_are_keys_of_the_group() {
    let mut world = world(&[1, 2]);
    let config = world.phone(1).client.group(FIRE).unwrap();
    assert_eq!((config.group_id, config.eea), (FIRE.0, Algorithm::Aes));
    assert_eq!(world.phone(2).client.group(FIRE), Some(config));
    assert_eq!(world.phone(2).client.group(POLICE), None);
    let keys = |world: &mut KeyWorld, number| {
        let key = world.phone(number).client.group_keys(FIRE).remove(0);
        sidelink_security::kdf::lte::ptk(&key.pgk, [1, 0, 1], 1, FIRE.0)
    };
    assert_eq!(keys(&mut world, 1), keys(&mut world, 2));
}

#[test]
fn who_may_not_is_told_why() {
    let mut world = KeyWorld::new(config());
    let unknown = ServiceId([7; 3]);
    let answer = ask(&mut world, 5, |message| {
        message.groups = vec![group(FIRE, &[0]), group(unknown, &[0]), group(KEY_TYPE, &[0])];
    });
    let why: Vec<_> = answer.group_rejects.iter().map(|reject| (reject.group, reject.error)).collect();
    assert_eq!(
        why,
        [
            (FIRE, ErrorCode::NotAuthorised),
            (unknown, ErrorCode::NotSupplied),
            (KEY_TYPE, ErrorCode::NotSupplied)
        ]
    );
    assert!(answer.groups.is_empty() && answer.pmk.is_none(), "no PMK for nothing");
    assert!(world.disk.ues.is_empty() && world.sent.is_empty());
    // The police cipher with ZUC.
    for algorithms in [None, Some(Algorithms::of(&[Algorithm::Aes, Algorithm::Null]))] {
        let answer = ask(&mut world, 5, |message| {
            message.algorithms = algorithms;
            message.groups = vec![group(POLICE, &[0])];
        });
        assert_eq!(answer.group_rejects[0].error, ErrorCode::Algorithms);
    }
    let answer = ask(&mut world, 5, |message| {
        message.pruk_id = Some(PrukId([0; 8]));
        message.kd = None;
    });
    assert_eq!((answer.pruk_error, answer.kd_error), (Some(ErrorCode::NoPruk), None));
}

#[test]
fn discoveries_of_a_key_type_share_their_keys() {
    let mut world = KeyWorld::new(config());
    let (relay, team) = (Want::Relay(RELAY), Want::GroupMember(TEAM));
    world.add_phone(1);
    world.want(1, &[relay, team, GROUP]);
    world.add_phone(2);
    world.want(2, &[relay]);
    world.run(1_000);
    let now = world.now.counter();
    let of = |world: &mut KeyWorld, number, wanted| {
        let key = world.phone(number).client.discovery_key(wanted, now).expect("a key");
        assert_eq!((key.scramble, key.integrity, key.confidentiality), (true, true, Some([0x3c; 23])));
        assert!(key.material(now).is_some());
        key.psdk
    };
    assert_eq!(of(&mut world, 1, relay), of(&mut world, 1, team));
    assert_eq!(of(&mut world, 1, relay), of(&mut world, 2, relay));
    let all = world.phone(1).client.discovery_keys(relay, now);
    assert!(all.iter().is_sorted_by_key(|(_, key)| key.expiry), "the one that ends first is in front");
    let first = world.phone(1).client.discovery_key(relay, now).map(|key| key.psdk);
    assert_eq!(all.first().map(|(_, key)| &key.psdk), first.as_ref());
    assert!(world.phone(2).client.discovery_key(team, now).is_none(), "it was not asked for");
    assert_eq!(world.phone(1).client.group_keys(FIRE).len(), 1);
    let end = UtcCounter::new(u32::MAX);
    assert!(world.phone(1).client.discovery_key(relay, end).is_none(), "it has ended");
    let answer = ask(&mut world, 3, |message| {
        message.discovery = Some(DiscoveryCapabilities::NO_SCRAMBLING);
        message.relays = vec![RelayRequest { code: RELAY, held: vec![HeldId(0)] }];
    });
    assert_eq!(answer.relay_rejects[0].error, ErrorCode::Algorithms, "it cannot scramble");
    let answer = ask(&mut world, 3, |message| {
        message.discovery = Some(DiscoveryCapabilities::SCRAMBLING);
        message.relays = vec![
            RelayRequest { code: RELAY, held: vec![HeldId(0)] },
            RelayRequest { code: Code([6; 3]), held: vec![HeldId(0)] },
        ];
    });
    assert_eq!(answer.relays[0].key_type.0, KEY_TYPE.0);
    assert_eq!(answer.relay_rejects[0].error, ErrorCode::NotSupplied);
    assert_eq!((answer.current_time, answer.max_offset.unwrap().value()), (Some(world.now), 32));
    let answer = ask(&mut world, 5, |message| {
        message.discovery = Some(DiscoveryCapabilities::SCRAMBLING);
        message.relays = vec![RelayRequest { code: RELAY, held: vec![HeldId(0)] }];
    });
    assert_eq!(answer.relay_rejects[0].error, ErrorCode::NotAuthorised);
}

#[test]
fn who_wants_no_more_gets_no_more() {
    let mut world = world(&[1, 2]);
    world.want(1, &[]);
    assert!(granted(&mut world, 1).iter().all(|event| !matches!(event, client::Event::Rejected(..))));
    assert!(world.disk.ues[&ue(1)].wanted.is_empty());
    assert!(world.phone(1).client.terms(GROUP).is_none());
    world.run(u64::from(world.config.lifetime) * 1000);
    assert_eq!(world.ids(1, FIRE), [1], "the next key went to others");
    assert_eq!(world.ids(2, FIRE), [1, 2]);
    // Of two discoveries of one Key Type one is stopped.
    world.add_phone(3);
    let (relay, team) = (Want::Relay(RELAY), Want::GroupMember(TEAM));
    world.want(3, &[relay, team]);
    world.want(3, &[relay]);
    assert_eq!(world.disk.ues[&ue(3)].wanted.len(), 1);
    world.run(1_000);
    assert_eq!(world.ids(3, KEY_TYPE), [1]);
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() {
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        let numbers = Lease::at(StreamId([0; 16]), 0, 1, 9, config.reserve);
        match Pkmf::new(config, numbers, &[0; 32], Durable::default()) {
            Err(why) => why,
            Ok(_) => panic!("it was taken"),
        }
    };
    assert_eq!(refused(&|c| c.services[2].id = FIRE), ConfigError::ServiceTwice(FIRE));
    assert_eq!(refused(&|c| c.lead = c.lifetime), ConfigError::Lead);
    assert_eq!(refused(&|c| c.tries = 0), ConfigError::Tries);
    assert_eq!(refused(&|c| c.interval = 0), ConfigError::Tries);
    let twice = |c: &mut Config, ue: Impi, id: [u8; 3]| {
        let Kind::Group { members, .. } = &mut c.services[0].kind else { panic!() };
        members.push((ue, MemberId(id)));
    };
    assert_eq!(refused(&|c| twice(c, ue(1), [9; 3])), ConfigError::MemberTwice(FIRE, ue(1)));
    assert_eq!(refused(&|c| twice(c, ue(9), [1, 0, 1])), ConfigError::MemberTwice(FIRE, ue(9)));
    let code = DiscoveryCode::Relay(RELAY);
    let codes = refused(&|c| {
        let Kind::Discovery { codes, .. } = &mut c.services[2].kind else { panic!() };
        codes.push(code);
    });
    assert_eq!(codes, ConfigError::CodeTwice(code));
    let mask = refused(&|c| {
        let Kind::Discovery { encrypted, .. } = &mut c.services[2].kind else { panic!() };
        *encrypted = None;
    });
    assert_eq!(mask, ConfigError::Mask(KEY_TYPE));
}

/// What RAND shows is nothing that a key is made of, should the source of chance say the same after every start.
#[test]
fn nonces_and_keys_are_drawn_apart() {
    let world = world(&[1]);
    let (mut plain, mut keys, mut nonces) = ([0; 32], [0; 32], [0; 32]);
    for (out, label) in [(&mut plain, None), (&mut keys, Some("keys")), (&mut nonces, Some("nonces"))] {
        let mut entropy = Entropy::new(&[1; 32]);
        label.iter().for_each(|label: &&str| entropy.mix(label.as_bytes()));
        *out = entropy.draw(1);
    }
    assert_ne!(keys, nonces);
    let stored = &world.disk.ues[&ue(1)];
    assert_eq!((stored.pmk_id, stored.pmk.as_bytes()), (PmkId([0, 0, 0, 0, 0, 0, 0, 1]), &keys));
    let rand = &world.sent[0].1[18..34];
    assert_eq!(rand, &nonces[4..20], "the first RAND");
}
