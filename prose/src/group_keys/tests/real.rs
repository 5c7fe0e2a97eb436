//! The machine with the real messages: ECCSI, SAKKE and MIKEY, and the keys of a key management server.

use std::num::NonZeroU32;

use sidelink_security::counter::UtcTime;
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::Encapsulator;
use sidelink_security::key_period::KeyPeriods;
use sidelink_security::keys::{Gmk, Gsk};

use super::api::*;
use super::rig::*;
use crate::mikey::i_message::Servers;
use crate::mikey::identity::Kms;

/// A key management server.
struct Server {
    uri: &'static str,
    prefix: &'static str,
    periods: KeyPeriods,
    authentication: AuthenticationSecret,
    encryption: EncryptionSecret,
}

impl Server {
    fn new(uri: &'static str, prefix: &'static str, periods: KeyPeriods, seed: u8) -> Self {
        let authentication = AuthenticationSecret::generate(&[seed; 64]).unwrap();
        let encryption = EncryptionSecret::generate(&[seed; 144]).unwrap();
        Self { uri, prefix, periods, authentication, encryption }
    }

    fn of_users() -> Self {
        Self::new("kms.example.org", "", KeyPeriods::Months, 5)
    }

    /// Of the maker of MEs: keys of one period without end.
    fn of_mes() -> Self {
        let periods = KeyPeriods::Seconds { length: NonZeroU32::MAX, offset: 0 };
        Self::new("kms.maker.example", "urn:gsma:imei:", periods, 6)
    }

    fn domain(&self, identities: &[&Identity]) -> Domain {
        let kms = Kms { uri: self.uri, periods: self.periods, kpak: self.authentication.public_key() };
        let keys = identities.iter().map(|identity| {
            let identity = std::str::from_utf8(&identity.value).unwrap();
            let identifier = kms.identifier(identity, UtcTime::from_millis(START)).unwrap();
            IdentityKeys {
                identity: identity.to_owned(),
                signing: self.authentication.issue(&identifier, &[7; 64]).unwrap(),
                receiving: Some(self.encryption.issue(&identifier).unwrap()),
            }
        });
        Domain {
            uri: self.uri.to_owned(),
            periods: self.periods,
            kpak: *self.authentication.public_key(),
            encapsulator: Encapsulator::new(self.encryption.public_key()),
            prefix: self.prefix.to_owned(),
            keys: keys.collect(),
        }
    }
}

/// Messages of a UE; UE 0 is the manager.
fn messages(index: usize) -> MikeySakke {
    let (user, me, fire) = (user(index), me(index), fire());
    let users = Server::of_users();
    let users = if index == 0 { users.domain(&[&user, &fire]) } else { users.domain(&[&user]) };
    MikeySakke::new(vec![users, Server::of_mes().domain(&[&me])], Servers::Named)
}

fn world(ues: usize) -> World {
    World::with(ues, Box::new(|index| Box::new(messages(index))), |_, _| {}, |_| Box::<MemoryDisk>::default())
}

fn refused(world: &mut World, octets: &[u8], to: Destination) -> Option<Refusal> {
    let before = world.refusals(2).len();
    world.inject(1, 2, to, octets);
    world.step_now();
    world.refusals(2).get(before).copied()
}

#[test]
fn a_gmk_is_distributed_a_call_made_and_a_stolen_ue_left_out() {
    let mut world = world(3);
    world.distribute(0..3, 3600);
    world.run(3000);
    let id = world.gmk(0);
    assert!(id.is_some() && (1..3).all(|index| world.gmk(index) == id), "{:?}", world.refusals(1));
    assert_eq!(world.ues[0].machine.missing(GROUP), 0);
    let update = world.messages(0, MessageKind::Gmk).remove(0);
    world.start_call(1).unwrap();
    world.run(100);
    let call = world.messages(1, MessageKind::Call).remove(0);
    assert!(world.in_call(0, 1) && world.in_call(2, 1), "{:?}", world.refusals(2));
    (0..2).for_each(|_| _ = world.say(1, b"over"));
    world.run(100);
    assert_eq!(world.ues[2].heard.last().map(Vec::as_slice), Some(&b"over"[..]));
    assert!((560..720).contains(&update.len()) && (240..300).contains(&call.len()));

    let (now, period, without) = (world.time(), world.period(3600), [user(2)]);
    world.command(0, Input::Rekey { now, group: GROUP, without: &without, period }).unwrap();
    world.run(3000);
    assert!(world.gmk(1) == world.gmk(0) && world.gmk(2) == id);
    world.start_call(1).unwrap();
    world.run(100);
    assert!(world.in_call(0, 1) && !world.in_call(2, 1));
    // What was for others is closed to it, and what it has was ended.
    let to_others = world.messages(0, MessageKind::Gmk).pop().unwrap();
    assert_eq!(refused(&mut world, &to_others, Destination::Ue(l2(2))), Some(Refusal::NotForUs));
    let thief = messages(2).open_gmk(&to_others, now).map(|_| ());
    assert_eq!(thief, Err(Refusal::NoKeys));
}

#[test]
fn what_others_sign_or_alter_is_refused() {
    let mut world = world(3);
    world.distribute(0..3, 3600);
    world.run(3000);
    let (id, key) = (world.gmk(2).unwrap(), world.key(2));
    // T3.1-3: a member signs an update as itself; a manager of nothing has no key of the group.
    let (group, time, period) = (user(1), world.time(), world.period(60));
    let gmk = Gmk::from([9; 16]);
    let offer = GmkOffer { group: &group, time, id: GmkId(9), gmk: &gmk, period };
    let member = messages(1);
    let octets = member.seal_gmk(&offer, &[&user(2)], &[1; 32]).unwrap().remove(0);
    assert_eq!(refused(&mut world, &octets, Destination::Ue(l2(2))), Some(Refusal::NotManager));
    let fire = fire();
    let offer = GmkOffer { group: &fire, ..offer };
    assert!(matches!(member.seal_gmk(&offer, &[&user(2)], &[1; 32]), Err(Refusal::NoKeys)));
    assert!(!member.may_sign(&fire, time) && messages(0).may_sign(&fire, time));
    // Signed as the group by the key of another server.
    let rogue = Server::new("kms.example.org", "", KeyPeriods::Months, 66);
    let mut domain = Server::of_users().domain(&[]);
    domain.keys = rogue.domain(&[&fire]).keys;
    let rogue = MikeySakke::new(vec![domain], Servers::Named);
    let octets = rogue.seal_gmk(&offer, &[&user(2)], &[1; 32]).unwrap().remove(0);
    assert_eq!(refused(&mut world, &octets, Destination::Ue(l2(2))), Some(Refusal::Signature));

    // T3.1-2, T3.1-1, and any altered octet.
    let call = |caller: &Identity| CallMessage {
        caller: caller.clone(),
        time,
        csb_id: CsbId::new(time.counter(), 3),
        gmk_id: id,
        gsk: Gsk::from([3; 16]),
    };
    let group = Destination::Group(GROUP);
    let octets = member.seal_call(&call(&user(1)), &gmk, &[2; 32]).unwrap();
    assert_eq!(refused(&mut world, &octets, group), Some(Refusal::Mac));
    let good = member.seal_call(&call(&user(1)), &key, &[3; 32]).unwrap();
    for at in 0..good.len() {
        let mut octets = good.clone();
        octets[at] ^= 1;
        world.run(20);
        assert!(refused(&mut world, &octets, group).is_some(), "octet {at}");
    }
    assert!(world.ues[2].installed.is_empty());
    assert_eq!(refused(&mut world, &good, group), None);
    world.run(100);
    assert_eq!(world.ues[2].installed.len(), 1);
}

/// Two MEs as they left their maker: no key of a network's server, no manager.
#[test]
fn mes_out_of_the_box_call_each_other() {
    let make = |index| {
        let maker = Server::of_mes().domain(&[&me(index)]);
        Box::new(MikeySakke::new(vec![maker], Servers::Absent)) as Box<dyn Messages>
    };
    let mut world = World::with(3, Box::new(make), |_, c| c.groups.clear(), |_| Box::<MemoryDisk>::default());
    let (now, period, name) = (world.time(), world.period(3600), Identity::user("urn:ad-hoc:search"));
    let members = [1, 2].map(|index| Member { identity: me(index), layer2: l2(index) });
    let (group, identity) = (GROUP, LocalIdentity::Me);
    let input = Input::CreateAdHoc { now, group, name: &name, members: &members, period, identity };
    world.command(0, input).unwrap();
    world.run(3000);
    assert!((0..3).all(|index| world.gmk(index).is_some() && world.gmk(index) == world.gmk(0)));
    world.start_call(2).unwrap();
    world.run(100);
    assert!((0..2).all(|index| world.ues[index].installed.len() == 1), "{:?}", world.refusals(0));
    assert_eq!(world.ues[0].machine.calls().next().map(|call| call.caller), Some(me(2)));
}

/// `cargo test -p sidelink-prose --lib two_thousand -- --ignored --nocapture` prints how long messages take.
#[test]
#[ignore = "seconds, and only prints"]
// a stopwatch
#[allow(clippy::disallowed_methods, clippy::print_stdout)]
fn messages_of_two_thousand_members() {
    let (manager, member) = (messages(0), messages(1));
    let (group, gmk, time) = (fire(), Gmk::from([9; 16]), UtcTime::from_millis(START));
    let period = Period { activation: time.counter(), expiry: time.counter().plus(60) };
    let offer = GmkOffer { group: &group, time, id: GmkId(9), gmk: &gmk, period };
    let members: Vec<_> = (1..2001).map(user).collect();
    let members: Vec<_> = members.iter().collect();
    let clock = std::time::Instant::now;
    for at_once in [1, 32, 2000] {
        let begin = clock();
        let made = members.chunks(at_once).flat_map(|c| manager.seal_gmk(&offer, c, &[1; 32]).unwrap());
        let octets: usize = made.map(|message| message.len()).sum();
        println!("2000 I_MESSAGEs, {octets} octets, {at_once} at once: {:?}", begin.elapsed());
    }
    let message = manager.seal_gmk(&offer, &members[..1], &[1; 32]).unwrap().remove(0);
    let call = CallMessage {
        caller: user(1),
        time,
        csb_id: CsbId::new(time.counter(), 3),
        gmk_id: GmkId(9),
        gsk: Gsk::from([3; 16]),
    };
    let begin = clock();
    (0..100).for_each(|_| _ = member.open_gmk(&message, time).unwrap());
    println!("an I_MESSAGE opens in {:?}", begin.elapsed() / 100);
    let begin = clock();
    let sealed: Vec<_> = (0..100).map(|_| member.seal_call(&call, &gmk, &[2; 32]).unwrap()).collect();
    println!("a call is made in {:?}", begin.elapsed() / 100);
    let begin = clock();
    sealed.iter().for_each(|octets| _ = manager.open_call(octets, &gmk, time).unwrap());
    println!("a call opens in {:?}", begin.elapsed() / 100);
}
