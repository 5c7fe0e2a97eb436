//! T3.4-7 and crashes at each durable write.

use std::collections::BTreeSet;

use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::CounterStore;
use sidelink_wire::group_owner::Kind;

use super::super::*;
use super::rig::*;

/// T3.4-7: the owner crashes: its epoch grows, no key comes twice, even from a source of randomness that gives the same
/// octets after each start.
#[test]
fn t3_4_7_after_a_crash_the_epoch_grows_and_no_key_repeats() {
    let mut rig = Rig::new(2);
    let mut epochs = vec![rig.ues[0].owner().epoch().unwrap()];
    for ue in [1, 2] {
        rig.join(ue);
    }
    for round in 0..20 {
        // After a crash they hear its notice, and join again by themselves.
        rig.run(4000);
        rig.assert_in(1);
        rig.assert_in(2);
        if round % 3 == 1 {
            let now = rig.time();
            rig.input(0, Input::Renew { now }).unwrap();
            rig.run(400);
            epochs.push(rig.ues[0].owner().epoch().unwrap());
        }
        rig.crash(0, 0);
        epochs.push(rig.ues[0].owner().epoch().unwrap());
    }
    let again = rig.ues[1].events.iter().filter(|event| matches!(event, Event::Missed { .. })).count();
    assert_eq!(again, 19, "{:?}", rig.ues[1].events);
    assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
    let keys = &rig.ues[0].held.ever;
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    assert!(keys.len() > 60);
}

/// A crash before and behind each reservation that the owner makes: no epoch comes twice.
#[test]
fn no_epoch_comes_twice_whenever_the_owner_crashes() {
    let mut seen = BTreeSet::new();
    let mut rig = Rig::new(0);
    seen.insert(rig.ues[0].owner().epoch().unwrap());
    for round in 0..60_u8 {
        rig.ues[0].store_hangs = round % 2 == 0;
        // Up to the reservation of the next block, and beyond it.
        for _ in 0..round % 20 {
            let now = rig.time();
            rig.input(0, Input::Renew { now }).unwrap();
            if let Some(epoch) = rig.ues[0].owner().epoch()
                && rig.ues[0].events.iter().rev().take(3).any(|event| matches!(event, Event::Epoch { .. }))
            {
                seen.insert(epoch);
            }
        }
        // The write reached the disk, or it did not.
        if round % 4 == 0 {
            for output in std::mem::take(&mut rig.ues[0].waiting) {
                if let Output::Reserve(reservation) = output {
                    let _ = reservation.commit(&mut rig.ues[0].store).unwrap();
                }
            }
        }
        let before = rig.ues[0].held.ever.len();
        rig.crash(0, 0);
        let epoch = rig.ues[0].owner().epoch().unwrap();
        assert!(seen.insert(epoch), "{epoch} again");
        assert_eq!(rig.ues[0].held.ever.len(), before + 1);
    }
    let keys = &rig.ues[0].held.ever;
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
}

/// While the number of an epoch is not durable, neither keys of it leave, nor is the old key used.
#[test]
fn a_new_epoch_waits_for_the_store() {
    let mut rig = Rig::new(2);
    rig.all_join();
    rig.ues[0].store_hangs = true;
    // Until the reservation is used up.
    for _ in 0..40 {
        let now = rig.time();
        rig.input(0, Input::Renew { now }).unwrap();
    }
    assert_eq!(rig.ues[0].owner().epoch(), None);
    assert!(rig.ues[0].held.group.is_empty(), "the old key is forgotten");
    assert!(rig.ues[0].notes().any(|note| *note == Note::EpochWaits));
    rig.run(300);
    let (last, before) = (rig.ues[1].member().epoch().unwrap(), rig.old.len());
    rig.run(300);
    assert!(rig.old[before..].iter().all(|sent| sent.kind != Kind::Keys));
    // The store refuses; later it works.
    for output in std::mem::take(&mut rig.ues[0].waiting) {
        if let Output::Reserve(reservation) = output {
            let (now, stream) = (rig.time(), reservation.stream());
            rig.ues[0].input(Input::ReservationFailed { now, stream }).unwrap();
        }
    }
    rig.ues[0].store_hangs = false;
    rig.run(1000);
    rig.assert_in(1);
    rig.assert_in(2);
    assert!(rig.ues[1].member().epoch().unwrap() > last);
    let stored = rig.ues[0].store.reserved(&Owner::stream(GROUP.group_id)).unwrap();
    assert!(u64::from(rig.ues[0].owner().epoch().unwrap()) < stored);
}

/// A crash of a member after each of its messages: it joins again, and no nonce or key of a join repeats.
#[test]
fn a_member_crashes_after_each_message() {
    let mut rig = Rig::new(2);
    rig.join(2);
    rig.run(1000);
    let mut requests = BTreeSet::new();
    let mut proofs = BTreeSet::new();
    for messages in 1..12 {
        rig.join(1);
        let mut heard = 0;
        rig.run_with(messages as u64 * PERIOD, |sent| {
            heard += 1;
            vec![sent]
        });
        assert!(heard > 0);
        rig.crash(1, 0);
        rig.run(3000);
    }
    for sent in rig.old.iter().filter(|sent| sent.from == layer2(1)) {
        match sent.kind {
            Kind::JoinRequest => drop(requests.insert(sent.octets.clone())),
            Kind::Proof => drop(proofs.insert(sent.octets[20..52].to_vec())),
            _ => {}
        }
    }
    assert_eq!(requests.len(), 11, "a nonce for each join");
    assert!(proofs.len() >= 10, "a key for each join");
    rig.join(1);
    rig.run(1000);
    rig.assert_in(1);
    rig.assert_in(2);
}

#[test]
fn a_store_that_fails_at_the_start() {
    /// A disk that cannot be read.
    struct Broken;
    impl CounterStore for Broken {
        type Error = &'static str;
        fn reserved(&self, _: &sidelink_security::counter::reserve::StreamId) -> Result<u64, &'static str> {
            Err("no disk")
        }
        fn raise(
            &mut self,
            _: &sidelink_security::counter::reserve::StreamId,
            _: u64,
            _: u64,
        ) -> Result<bool, &'static str> {
            Err("no disk")
        }
    }
    let own = || (credential(0, &issuer(), &name(0)), trust());
    let result = Owner::open(config(0), &[1; 32], own(), &mut Broken).map(|_| ());
    assert!(matches!(&result, Err(OpenError::Store(_))), "{result:?}");
    assert!(result.unwrap_err().to_string().contains("no disk"));
    // A raw key and an identity that no certificate proves.
    let raw = sidelink_security::direct::signed::Credential::raw(&[1; 32]);
    let result = Owner::open(config(0), &[1; 32], (raw, trust()), &mut Memory::default()).map(|_| ());
    assert_eq!(result, Err(OpenError::Credential { len: 35 }));
    let unnamed = Config { identity: crate::direct_link::Identity::user(""), ..config(0) };
    let result = Owner::open(unnamed, &[1; 32], own(), &mut Memory::default()).map(|_| ());
    assert_eq!(result, Err(OpenError::Identity { kind: 1, len: 0 }));
}
