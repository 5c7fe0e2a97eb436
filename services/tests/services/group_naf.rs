//! UE -> BSF -> NAF of groups: owners and members over HTTPS, keys by GBA push, a store. TR 33.833 §6.3.2.

use std::path::Path;

use sidelink_network::group_naf::message::{Cause, Policy};
use sidelink_network::group_naf::{self, UA_PROTOCOL};
use sidelink_network::group_naf_client::{GroupKey, GroupNafClient, GroupState, Input, Output};
use sidelink_network::identity::{Fqdn, Impi, NafId};
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::limit::RateLimit;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{ClientError, GroupNafAddress, UeClient};
use sidelink_services::config::{GroupNafConfig, Listen, Reach};
use sidelink_services::tls::{PskSuite, TlsMode};
use sidelink_services::{Config, Network};

use crate::common::{self, World, card, imsi, plmn};

pub(crate) const NAF: &str = "groups.mnc001.mcc001.pub.3gppnetwork.org";

const GROUP: ServiceId = ServiceId([0, 0, 0x2a]);

fn config(folder: &Path) -> Config {
    let mut naf = group_naf::Config::new(NafId { fqdn: Fqdn::new(NAF).unwrap(), protocol: UA_PROTOCOL });
    naf.user = RateLimit { burst: 8, interval: 3_600_000 };
    let listen = Listen::new("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap();
    Config { group_naf: Some(GroupNafConfig { naf, plmn: plmn(), listen }), ..common::config(folder, 4) }
}

fn world() -> World {
    World::with(4, |common| *common = config(common.database.file().unwrap().parent().unwrap()))
}

fn restarted(World { handle, folder }: World) -> World {
    drop(handle);
    World { handle: Network::start(config(folder.path())).unwrap(), folder }
}

fn user(number: u32) -> Impi {
    imsi(number).impi(2).unwrap()
}

fn now() -> UtcTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UtcTime::from_millis(since.as_millis() as u64)
}

/// What came of a request.
#[derive(Debug)]
enum Came {
    Key(GroupKey),
    State(GroupState),
    Refused(Cause),
}

/// A UE: its connections and its machine.
struct User {
    ue: UeClient,
    naf: GroupNafAddress,
    machine: GroupNafClient,
}

impl User {
    fn new(world: &World, number: u32, tls: TlsMode) -> Self {
        let naf = address(world);
        let mut ue = world.client(number, tls);
        let (config, usim) = ue.group_naf_client(&naf, card()).unwrap();
        Self { ue, naf, machine: GroupNafClient::new(config, usim, &[number as u8; 32], []) }
    }

    /// Sends what the machine says until something has come.
    fn ask(&mut self, input: Input<'_>) -> Result<Came, ClientError> {
        self.machine.handle_input(input);
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Request(octets) => {
                    let answer = self.ue.ask_group_naf(&self.naf, &octets)?;
                    self.machine.handle_input(Input::Answer { now: now(), octets: &answer });
                }
                Output::Store(array) => {
                    self.ue.keep_usim(&array)?;
                    self.machine.handle_input(Input::Stored { now: now() });
                }
                Output::Key(key) => return Ok(Came::Key(key)),
                Output::State(state) => return Ok(Came::State(state)),
                Output::Refused(cause) => return Ok(Came::Refused(cause)),
                Output::Dropped(why) => panic!("{why}"),
            }
        }
        panic!("nothing came");
    }

    fn key(&mut self, input: Input<'_>) -> (u8, [u8; 32]) {
        match self.ask(input).unwrap() {
            Came::Key(key) if key.expires > now() => (key.pgk_id, *key.pgk.as_bytes()),
            came => panic!("{came:?}"),
        }
    }

    fn refused(&mut self, input: Input<'_>) -> Cause {
        match self.ask(input).unwrap() {
            Came::Refused(cause) => cause,
            came => panic!("{came:?}"),
        }
    }

    fn state(&mut self, users: Vec<Impi>) -> GroupState {
        match self.ask(Input::State { now: now(), group: GROUP, users }).unwrap() {
            Came::State(state) => state,
            came => panic!("{came:?}"),
        }
    }

    fn invite(&mut self, number: u32) -> Vec<u8> {
        let until = now().plus_millis(600_000);
        self.machine.invite(now(), GROUP, user(number), until)
    }

    /// The key that waits at the NAF.
    fn brought(&mut self) -> Option<(u8, [u8; 32])> {
        let octets = self.ue.take_pushed(&self.naf).unwrap()?;
        Some(self.key(Input::Answer { now: now(), octets: &octets }))
    }
}

/// Waits until the NAF has got so many new keys for members: it pushes after it has answered their owner.
fn waits_at_the_naf(world: &World, keys: u64) {
    for _ in 0..500 {
        if world.handle.status().naf_brought == keys {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("no key was brought: {:?}", world.handle.status());
}

fn address(world: &World) -> GroupNafAddress {
    let address = world.handle.group_naf_address().unwrap();
    GroupNafAddress { name: Fqdn::new(NAF).unwrap(), address, local: None }
}

fn create(policy: Policy) -> Input<'static> {
    Input::Create { now: now(), group: GROUP, policy }
}

fn join(invitation: Option<Vec<u8>>) -> Input<'static> {
    Input::Join { now: now(), group: GROUP, invitation }
}

fn refresh(removed: Vec<Impi>) -> Input<'static> {
    Input::Refresh { now: now(), group: GROUP, removed }
}

#[test]
fn an_owner_lists_two_who_get_the_key_and_a_third_is_refused_for_no_vector() {
    let world = world();
    let mut owner = User::new(&world, 1, TlsMode::Tls13);
    let mut members = [2, 3].map(|number| User::new(&world, number, TlsMode::Tls12(PskSuite::DheAes128Gcm)));
    let mut stranger = User::new(&world, 4, TlsMode::Tls13);
    let before = world.handle.status();
    assert_eq!(stranger.refused(join(None)), Cause::UnknownGroup);
    let key = owner.key(create(Policy::WhiteList(vec![user(2), user(3)])));
    for member in &mut members {
        assert_eq!(member.key(join(None)), key);
    }
    let vectors = world.handle.status().vectors;
    assert_eq!(vectors - before.vectors, 3, "one vector a key");
    assert_eq!(stranger.refused(join(None)), Cause::NotAllowed);
    assert_eq!(stranger.refused(refresh(Vec::new())), Cause::NotAllowed);
    assert_eq!(stranger.refused(create(Policy::Invitation)), Cause::GroupTaken);
    assert_eq!(stranger.state(Vec::new()).pgk_id, None);
    assert_eq!(owner.state(vec![user(2), user(3), user(4)]).joined, [user(2), user(3)]);
    let status = world.handle.status();
    assert_eq!(status.vectors, vectors, "no vector for a stranger");
    assert_eq!((status.naf_keys, status.naf_joined, status.naf_refused), (1, 2, 4));
    assert_eq!((status.keys_pushed, status.pushes_refused), (3, 0));
}

#[test]
fn two_are_invited_and_who_is_removed_gets_no_new_key_also_after_a_restart() {
    let world = world();
    let mut users = [1, 2, 3, 4].map(|number| User::new(&world, number, TlsMode::Tls13));
    let [owner, second, third, stranger] = &mut users;
    let first = owner.key(create(Policy::Invitation));
    let (invitations, spare) = ([owner.invite(2), owner.invite(3)], owner.invite(2));
    assert_eq!(stranger.refused(join(Some(invitations[0].clone()))), Cause::Invitation, "another's");
    assert_eq!(second.key(join(Some(invitations[0].clone()))), first);
    assert_eq!(third.key(join(Some(invitations[1].clone()))), first);
    // A new key without the third: the second is brought it, the third gets nothing, by no invitation of before either.
    let later = owner.key(refresh(vec![user(3)]));
    assert_eq!(later.0, first.0 + 1);
    assert_ne!(later.1, first.1);
    waits_at_the_naf(&world, 1);
    assert_eq!((third.brought(), stranger.brought()), (None, None), "nor what waits for another");
    assert_eq!((second.brought(), second.brought()), (Some(later), None));
    let vectors = world.handle.status().vectors;
    assert_eq!(third.refused(join(Some(invitations[1].clone()))), Cause::Invitation);
    assert_eq!(third.refused(join(None)), Cause::Invitation);
    assert_eq!(third.state(Vec::new()).pgk_id, None);
    assert_eq!(world.handle.status().vectors, vectors, "no vector for one who was removed");
    // What counted counts in a new process: the group and its key, who is in it, and what was used.
    let world = restarted(world);
    for user in &mut users {
        user.naf = address(&world);
    }
    let [owner, second, third, _] = &mut users;
    assert_eq!(second.state(Vec::new()).pgk_id, Some(later.0));
    assert_eq!(second.key(join(None)), later, "the same key by another GPI");
    for old in invitations {
        assert_eq!(third.refused(join(Some(old))), Cause::Invitation);
    }
    assert_eq!(third.refused(join(Some(spare))), Cause::Invitation);
    let newest = owner.key(refresh(Vec::new()));
    waits_at_the_naf(&world, 1);
    assert_eq!(second.brought(), Some(newest));
    assert_eq!(third.brought(), None);
}

/// A repeated request has the same answer and costs nothing, also in a new process: it was durable before it was answered.
#[test]
fn a_repetition_after_a_restart_has_the_same_answer() {
    let world = world();
    let mut owner = User::new(&world, 1, TlsMode::Tls13);
    owner.machine.handle_input(create(Policy::Invitation));
    let Some(Output::Request(request)) = owner.machine.poll_output() else { panic!("a request") };
    let answer = owner.ue.ask_group_naf(&owner.naf, &request).unwrap();
    let world = restarted(world);
    owner.naf = address(&world);
    assert_eq!(owner.ue.ask_group_naf(&owner.naf, &request).unwrap(), answer);
    assert_eq!((world.handle.status().vectors, world.handle.status().naf_keys), (0, 0));
}

/// Each user has so many vectors: the HSS is not asked for more.
#[test]
fn a_user_that_asks_again_and_again_is_refused() {
    let world = world();
    let mut owner = User::new(&world, 1, TlsMode::Tls13);
    owner.key(create(Policy::Invitation));
    let vectors = world.handle.status().vectors;
    let refused = (0..20).find_map(|_| match owner.ask(join(None)).unwrap() {
        Came::Refused(cause) => Some(cause),
        _ => None,
    });
    assert_eq!(refused, Some(Cause::TooOften));
    assert_eq!(world.handle.status().vectors - vectors, 7);
}

#[test]
fn what_is_no_message_is_refused_by_http_or_by_the_naf() {
    let world = world();
    let mut owner = User::new(&world, 1, TlsMode::Tls13);
    let answer = owner.ue.ask_group_naf(&owner.naf, b"nothing").unwrap();
    assert_eq!(answer.first(), Some(&6), "a refusal");
    let long = vec![0; group_naf::message::MOST_OCTETS + 1];
    let refused = owner.ue.ask_group_naf(&owner.naf, &long).unwrap_err();
    let ClientError::Refused { status, .. } = refused else { panic!("{refused}") };
    assert_eq!(status.as_u16(), 413);
    // Somebody else's connection takes a message, for it proves its sender; it does not take what waits for that.
    let mut other = User::new(&world, 2, TlsMode::Tls13);
    owner.machine.handle_input(create(Policy::Invitation));
    let Some(Output::Request(request)) = owner.machine.poll_output() else { panic!("a request") };
    let answer = other.ue.ask_group_naf(&other.naf, &request).unwrap();
    assert!(matches!(owner.ask(Input::Answer { now: now(), octets: &answer }).unwrap(), Came::Key(_)));
    let mut altered = request;
    altered[10] ^= 1;
    let answer = other.ue.ask_group_naf(&other.naf, &altered).unwrap();
    assert_eq!((answer.first(), answer.last()), (Some(&6), Some(&(Cause::Tag as u8))));
}
