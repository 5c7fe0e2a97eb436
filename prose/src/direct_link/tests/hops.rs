//! Links to and from UE-to-UE relays: roles, services, and whose keys serve whom.

use sidelink_security::direct::KdId;
use sidelink_security::direct::signed::{Credential, Role, Roles};
use sidelink_security::keys::Kd;

use super::super::*;
use super::authentication::{HOUR, issuer, trust, valid};
use super::rig::{Air, PERIOD, T0, name};

const SERVICE: [u8; 3] = [0, 0, 1];
const OTHER: [u8; 3] = [0, 0, 2];

/// The end mary, and john who relays.
const MARY: usize = 0;
const JOHN: usize = 1;

fn certify(index: usize, manager: &mut LinkManager, role: Role, until: u64) {
    let seed = [0x40 + index as u8; 32];
    let key = Credential::raw(&seed).public();
    let roles = Roles::new(&[role], &[SERVICE]).unwrap();
    let validity = valid(T0 - HOUR, until);
    let der = issuer().issue_with_roles(&name(index).value, 7 + index as u32, &key, validity, &roles);
    manager.authenticate_with(Credential::certified(&seed, der), trust());
}

fn equip(index: usize, manager: &mut LinkManager) {
    certify(index, manager, if index == JOHN { Role::Relay } else { Role::End }, T0 + HOUR);
}

fn all_ends(index: usize, manager: &mut LinkManager) {
    certify(index, manager, Role::End, T0 + HOUR);
}

fn all_relays(index: usize, manager: &mut LinkManager) {
    certify(index, manager, Role::Relay, T0 + HOUR);
}

/// john relays in both services.
fn relays(index: usize, config: &mut Config) {
    if index == JOHN {
        config.relays = vec![SERVICE, OTHER];
    }
}

fn air(equip: fn(usize, &mut LinkManager)) -> Air {
    Air::without_keys(3, relays, equip)
}

fn relay(service: [u8; 3]) -> Identity {
    Identity::relay(service, &name(JOHN).value)
}

/// Asks a peer in its role for a link towards peter.
fn ask(air: &mut Air, [from, to]: [usize; 2], identity: Identity) -> Result<(), Error> {
    let (now, peer, target) = (air.time(from), air.ues[to].config.source, name(2));
    let input = Input::ConnectHop { now, peer, identity, target };
    let result = air.ues[from].manager.handle_input(input);
    air.drain(from);
    result
}

fn links(air: &mut Air, to: [usize; 2], identity: Identity) -> bool {
    ask(air, to, identity).unwrap();
    // Three tries.
    air.run(40 * PERIOD);
    air.agreed(to[0], to[1])
}

fn release(air: &mut Air) {
    let (link, _) = air.up(MARY, JOHN).unwrap();
    let now = air.time(MARY);
    air.ues[MARY].manager.handle_input(Input::Release { now, link }).unwrap();
    air.drain(MARY);
    air.run(10 * PERIOD);
}

#[test]
fn an_end_and_its_relay_know_each_other_in_their_roles_and_the_relay_knows_the_target() {
    let mut air = air(equip);
    assert!(links(&mut air, [MARY, JOHN], relay(SERVICE)), "{:?}", air.ues[MARY].notes);
    let hop = |at: usize, to: usize| {
        let (link, _) = air.up(at, to).unwrap();
        air.ues[at].manager.hop(link).map(|(peer, hop)| (peer.clone(), hop.clone())).unwrap()
    };
    let expected = Hop { service: SERVICE, target: name(2) };
    assert_eq!(hop(MARY, JOHN), (relay(SERVICE), expected.clone()));
    assert_eq!(hop(JOHN, MARY), (Identity::end(SERVICE, &name(MARY).value), expected.clone()));
    // The relay asks the target in the same form, and the target knows that it is the target.
    assert!(links(&mut air, [JOHN, 2], Identity::end(SERVICE, &name(2).value)));
    let (link, _) = air.up(2, JOHN).unwrap();
    assert_eq!(air.ues[2].manager.hop(link), Some((&relay(SERVICE), &expected)));
    // With the KD of its role the next link has four messages.
    release(&mut air);
    let before = air.log.len();
    assert!(links(&mut air, [MARY, JOHN], relay(SERVICE)));
    let messages: Vec<_> = air.log[before..].iter().filter_map(super::rig::Flying::message).take(4).collect();
    assert_eq!(messages, [1, 12, 13, 2]);
}

/// TU-3 and its mirror image.
#[test]
fn a_credential_of_another_role_or_service_makes_no_link() {
    assert!(!links(&mut air(all_ends), [MARY, JOHN], relay(SERVICE)), "an end poses as relay");
    assert!(!links(&mut air(all_relays), [MARY, JOHN], relay(SERVICE)), "a relay poses as end");
    let mut other = air(equip);
    assert!(!links(&mut other, [MARY, JOHN], relay(OTHER)), "the credential is for another service");
    let said = |note: &Note| note.to_string().contains("role");
    assert!(other.ues[MARY].notes.iter().any(said), "{:?}", other.ues[MARY].notes);
}

#[test]
fn a_ue_that_does_not_relay_in_a_service_says_so() {
    let mut air = Air::without_keys(3, |_, _| {}, equip);
    assert!(!links(&mut air, [MARY, JOHN], relay(SERVICE)));
    let refused = Some(&State::Closed { why: Closed::NoAnswer { hint: Some(Cause::NotAllowed) } });
    assert_eq!(air.ues[MARY].states.last().map(|(_, state)| state), refused);
    // Not a role at all, and no such profile.
    assert_eq!(ask(&mut air, [MARY, JOHN], name(JOHN)), Err(Error::NoHop));
}

/// A KD that two UEs share as peers proves no role, nor does one of another service; and a raw key proves none.
#[test]
fn a_key_serves_the_role_and_the_service_that_it_was_made_for() {
    let mut air = air(|_, _| {});
    let kd = || Kd::from([5; 32]);
    let add = |air: &mut Air, at: usize, peer: Identity| {
        air.ues[at].manager.add_kd(KdRecord::pre_shared(KdId(7), kd(), peer));
    };
    add(&mut air, MARY, name(JOHN));
    add(&mut air, JOHN, name(MARY));
    assert_eq!(ask(&mut air, [MARY, JOHN], relay(SERVICE)), Err(Error::NoKey));
    // mary takes it for one of the role; john does not.
    add(&mut air, MARY, relay(SERVICE));
    assert!(!links(&mut air, [MARY, JOHN], relay(SERVICE)));
    add(&mut air, JOHN, Identity::end(OTHER, &name(MARY).value));
    assert!(!links(&mut air, [MARY, JOHN], relay(SERVICE)));
    add(&mut air, JOHN, Identity::end(SERVICE, &name(MARY).value));
    assert!(links(&mut air, [MARY, JOHN], relay(SERVICE)));
}

/// The link that is up lives after its credential has ended, and no new one comes.
#[test]
fn an_expired_credential_ends_no_link_and_makes_none() {
    fn soon(index: usize, manager: &mut LinkManager) {
        let role = if index == JOHN { Role::Relay } else { Role::End };
        certify(index, manager, role, T0 + 60_000);
    }
    let mut air = air(soon);
    assert!(links(&mut air, [MARY, JOHN], relay(SERVICE)));
    air.run(60_000 + 40_000);
    assert!(air.agreed(MARY, JOHN), "{:?}", air.ues[MARY].states);
    release(&mut air);
    assert!(!links(&mut air, [MARY, JOHN], relay(SERVICE)));
    let hint = Some(&State::Closed { why: Closed::NoAnswer { hint: Some(Cause::Expired) } });
    assert_eq!(air.ues[MARY].states.last().map(|(_, state)| state), hint);
}

/// Of the methods only one that proves roles serves: keys of an identity say who somebody is, and not what it may be.
#[test]
fn a_method_that_proves_no_role_is_not_offered_and_not_taken() {
    let mut air = air(|index, manager| {
        manager.establish_by(Box::new(IdentityBased::new(super::lab::keys(index), Rules::default())));
    });
    assert_eq!(ask(&mut air, [MARY, JOHN], relay(SERVICE)), Err(Error::NoKey));
}
