//! Joining, new epochs, leaving.

use sidelink_security::cipher::Algorithm;
use sidelink_security::direct::Capabilities;
use sidelink_wire::group_owner::{Cause, Kind};

use super::super::*;
use super::rig::*;
use crate::direct_link::Identity;

#[test]
fn members_join_and_share_the_keys_of_the_group() {
    let mut rig = Rig::new(3);
    rig.all_join();
    // Five messages each: nothing was sent twice.
    assert_eq!(rig.old.len(), 15);
    let unicast: Vec<_> = (1..=3).map(|ue| rig.ues[ue].held.unicast[&name(0)]).collect();
    for (at, one) in unicast.iter().enumerate() {
        for other in &unicast[at + 1..] {
            assert!(one.0 != other.0 && one.1 != other.1, "each has its own K_unicast and KD ID");
        }
    }
    assert_eq!(rig.ues[1].held.config, Some(GROUP), "the owner's algorithms");
    let joined = |event: &&Event| matches!(event, Event::Joined { revocations: Revocations::Fresh, .. });
    assert_eq!(rig.ues[0].events.iter().filter(joined).count(), 3);
    assert_eq!(rig.ues[0].owner().members().count(), 3);
    assert_eq!(rig.ues[0].owner().half_open(), 0);
    let sizes: Vec<_> = rig.old[..5].iter().map(|sent| (sent.kind, sent.octets.len())).collect();
    let [request, challenge, proof, keys, confirm] = sizes[..] else { panic!("{sizes:?}") };
    assert!(request.0 == Kind::JoinRequest && (250..500).contains(&request.1), "{sizes:?}");
    assert!(challenge.0 == Kind::Challenge && (320..600).contains(&challenge.1), "{sizes:?}");
    assert_eq!((proof, keys, confirm), ((Kind::Proof, 120), (Kind::Keys, 197), (Kind::Confirm, 24)));
}

#[test]
fn a_member_leaves_and_the_others_get_a_new_epoch() {
    let mut rig = Rig::new(3);
    rig.all_join();
    let (epoch, old) = (rig.ues[0].owner().epoch().unwrap(), rig.ues[0].held.group.clone());
    let now = rig.time();
    rig.input(2, Input::Leave { now }).unwrap();
    rig.run(1000);
    rig.assert_out(2);
    assert!(rig.ues[2].events.contains(&Event::Out(Out::Left)));
    assert_eq!(rig.ues[0].owner().epoch(), Some(epoch + 1));
    for ue in [1, 3] {
        rig.assert_in(ue);
    }
    assert_ne!(rig.ues[0].held.group, old);
    assert!(!rig.ues[0].held.unicast.contains_key(&name(2)));
    // It can join again.
    rig.join(2);
    rig.run(1000);
    rig.assert_in(2);
}

#[test]
fn an_expelled_member_is_told_and_stays_out() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let now = rig.time();
    assert_eq!(rig.input(0, Input::Expel { now, member: name(4) }), Err(Error::NoMember(name(4))));
    rig.input(0, Input::Expel { now, member: name(1) }).unwrap();
    rig.run(1000);
    rig.assert_out(1);
    assert!(rig.ues[1].events.contains(&Event::Out(Out::Removed)));
    rig.assert_in(2);
    rig.join(1);
    rig.run(5000);
    rig.assert_out(1);
    assert!(rig.ues[1].events.contains(&Event::Out(Out::NoAnswer { hint: Some(Cause::NotAdmitted) })));
}

#[test]
fn an_expelled_ue_does_not_complete_its_join() {
    let mut rig = Rig::new(1);
    rig.join(1);
    // Request and challenge.
    rig.period(&mut |sent| vec![sent]);
    let now = rig.time();
    rig.input(0, Input::Expel { now, member: name(1) }).unwrap();
    rig.run(5000);
    rig.assert_out(1);
}

#[test]
fn keys_are_renewed_before_they_expire() {
    let short = |ue| Config { key_lifetime: 8000, ..config(ue) };
    let mut rig = Rig::with(2, short, |_| trust());
    rig.all_join();
    let before = rig.ues[0].owner().epoch().unwrap();
    rig.run(20_000);
    assert!(rig.ues[0].owner().epoch().unwrap() >= before + 3);
    rig.assert_in(1);
    rig.assert_in(2);
    // Without the owner they end.
    rig.run_with(10_000, |sent| match sent.kind {
        Kind::Keys | Kind::Removal | Kind::Notice => Vec::new(),
        _ => vec![sent],
    });
    rig.assert_out(1);
    assert!(rig.ues[1].events.contains(&Event::Out(Out::Expired)));
    assert!(
        rig.ues[0].events.iter().any(|event| matches!(event, Event::Gone { why: Gone::Unreachable, .. }))
    );
}

#[test]
fn with_a_new_epoch_at_each_join_a_new_member_has_no_key_of_the_past() {
    let each = |ue| Config { renewal: Renewal::AtEachJoin, ..config(ue) };
    let mut rig = Rig::with(2, each, |_| trust());
    rig.join(1);
    rig.run(1000);
    rig.assert_in(1);
    let past = rig.ues[1].held.ever.clone();
    rig.join(2);
    rig.run(1000);
    rig.assert_in(1);
    rig.assert_in(2);
    assert!(rig.ues[2].held.ever.iter().all(|key| !past.contains(key)));
}

#[test]
fn the_operator_renews() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let (now, epoch) = (rig.time(), rig.ues[0].owner().epoch().unwrap());
    rig.input(0, Input::Renew { now }).unwrap();
    rig.run(1000);
    assert_eq!(rig.ues[0].owner().epoch(), Some(epoch + 1));
    rig.assert_in(1);
    rig.assert_in(2);
    assert!(rig.ues[0].events.contains(&Event::Rekeyed { member: name(1), epoch: epoch + 1 }));
}

/// Epochs go round the 31 indexes of a PGK ID.
#[test]
fn pgk_ids_never_have_index_0() {
    let mut rig = Rig::new(1);
    rig.all_join();
    for _ in 0..70 {
        let now = rig.time();
        rig.input(0, Input::Renew { now }).unwrap();
        rig.run(200);
        rig.assert_in(1);
        assert!(rig.ues[0].held.group.keys().all(|id| (1..=31).contains(id)));
    }
}

#[test]
fn a_ue_that_joins_again_replaces_itself() {
    let mut rig = Rig::new(2);
    rig.all_join();
    rig.crash(1, 0x55);
    rig.join(1);
    rig.run(1000);
    rig.assert_in(1);
    rig.assert_in(2);
    assert_eq!(rig.ues[0].owner().members().count(), 2);
}

#[test]
fn algorithms_that_a_member_does_not_allow() {
    let only = |eea, eia| move |ue| Config { capabilities: Capabilities { eea, eia }, ..config(ue) };
    for (eea, eia) in [(0x40, 0x70), (0x70, 0x40)] {
        let mut rig = Rig::with(1, only(eea, eia), |_| trust());
        rig.join(1);
        rig.run(5000);
        rig.assert_out(1);
        assert!(rig.ues[1].events.contains(&Event::Out(Out::NoAnswer { hint: Some(Cause::Algorithms) })));
    }
    // A group without MAC-I needs EIA0 of its members.
    let without = |eia| {
        move |ue| {
            let capabilities = Capabilities { eea: 0x70, eia };
            let mut config = Config { capabilities, ..config(ue) };
            config.group.mac = None;
            config
        }
    };
    for (eia, expected) in [(0xf0, true), (0x70, false)] {
        let mut rig = Rig::with(1, without(eia), |_| trust());
        rig.join(1);
        rig.run(5000);
        assert_eq!(rig.ues[1].member().epoch().is_some(), expected);
        assert_eq!(rig.ues[1].held.config.map(|config| config.mac), expected.then_some(None));
    }
    assert_eq!(GROUP.mac, Some(Algorithm::Aes));
}

#[test]
fn a_full_group() {
    let mut rig = Rig::with(2, |ue| Config { members: 1, ..config(ue) }, |_| trust());
    rig.join(1);
    rig.run(1000);
    rig.join(2);
    rig.run(5000);
    rig.assert_out(2);
    assert!(rig.ues[2].events.contains(&Event::Out(Out::NoAnswer { hint: Some(Cause::Full) })));
    // A member has its place still.
    rig.crash(1, 0x44);
    rig.join(1);
    rig.run(1000);
    rig.assert_in(1);
}

#[test]
fn what_each_role_does_not_do() {
    let mut rig = Rig::new(1);
    let now = rig.time();
    assert_eq!(rig.input(1, Input::Leave { now }), Err(Error::NotIn));
    assert!(matches!(rig.input(1, Input::Renew { now }), Err(Error::Role { .. })));
    assert!(matches!(rig.input(1, Input::Expel { now, member: name(2) }), Err(Error::Role { .. })));
    assert!(matches!(rig.input(0, Input::Leave { now }), Err(Error::Role { .. })));
    let join = |identity| Input::Join { now, owner: layer2(0), identity };
    assert!(matches!(rig.input(0, join(name(0))), Err(Error::Role { .. })));
    for identity in
        [Identity { kind: 3, value: b"1".to_vec() }, Identity::user(""), Identity::user(&"x".repeat(65))]
    {
        assert!(matches!(rig.input(1, join(identity)), Err(Error::Identity { .. })));
    }
    rig.join(1);
    assert_eq!(rig.input(1, join(name(0))), Err(Error::Busy));
    rig.input(1, Input::Leave { now }).unwrap();
    rig.assert_out(1);
}

#[test]
fn no_answer() {
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.run_with(5000, |_| Vec::new());
    rig.assert_out(1);
    assert!(rig.ues[1].events.contains(&Event::Out(Out::NoAnswer { hint: None })));
    // Three times, bit by bit the same.
    assert_eq!(rig.old.len(), 3);
    assert!(rig.old.iter().all(|sent| sent.octets == rig.old[0].octets));
    // A new try has a new nonce.
    rig.join(1);
    assert_ne!(rig.old[3].octets, rig.old[0].octets);
}

/// An owner that is wrong itself: a member does not take keys for algorithms that it does not allow, nor keys that are not
/// valid by its clock.
#[test]
fn keys_that_a_member_does_not_take() {
    let machine = |rig: &mut Rig, change: &dyn Fn(&mut Config)| {
        let Machine::Owner(owner) = &mut rig.ues[0].machine else { panic!("an owner") };
        change(&mut owner.common.config);
    };
    let aes = |ue| Config { capabilities: Capabilities { eea: 0x20, eia: 0x20 }, ..config(ue) };
    let changes: [&dyn Fn(&mut Config); 3] = [
        &|config| config.group.eea = Algorithm::Zuc,
        &|config| config.group.mac = Some(Algorithm::Zuc),
        &|config| config.group.mac = None,
    ];
    for change in changes {
        let mut rig = Rig::with(1, aes, |_| trust());
        rig.all_join();
        let (now, epoch) = (rig.time(), rig.ues[1].member().epoch());
        machine(&mut rig, change);
        rig.input(0, Input::Renew { now }).unwrap();
        rig.run(400);
        assert_eq!(rig.ues[1].member().epoch(), epoch);
        assert!(rig.ues[1].notes().any(|note| matches!(note, Note::UnusableKeys { .. })));
    }
    // Beyond the difference of clocks that is allowed.
    for (ahead, taken) in [(60_000, true), (70_000, false)] {
        let mut rig = Rig::new(1);
        rig.all_join();
        let (now, epoch) = (rig.time().plus_millis(ahead), rig.ues[1].member().epoch());
        rig.input(0, Input::Renew { now }).unwrap();
        rig.run(400);
        assert_eq!(rig.ues[1].member().epoch() != epoch, taken, "{ahead}");
    }
    // Keys that are over when they come.
    for (lifetime, taken) in [(60_000, true), (30_000, false)] {
        let mut rig = Rig::with(1, |ue| Config { key_lifetime: lifetime, ..config(ue) }, |_| trust());
        rig.join(1);
        rig.run_with(400, |sent| vec![sent]);
        rig.assert_in(1);
        let keys = rig.old.iter().find(|sent| sent.kind == Kind::Keys).unwrap().clone();
        let mut late = Rig::with(1, |ue| Config { key_lifetime: lifetime, ..config(ue) }, |_| trust());
        late.join(1);
        late.run_with(2 * PERIOD, |sent| vec![sent]);
        late.run_with(PERIOD, |sent| if sent.kind == Kind::Keys { Vec::new() } else { vec![sent] });
        // The same keys, since everything is the same; the member's clock alone goes on.
        let now = late.time().plus_millis(37_000);
        late.ues[1].input(Input::Message { now, from: layer2(0), message: &keys.octets }).unwrap();
        late.drain(1);
        assert_eq!(late.ues[1].member().epoch().is_some(), taken, "{lifetime}");
        assert_eq!(late.ues[1].held.ever.is_empty(), !taken, "not even for a moment");
    }
}
