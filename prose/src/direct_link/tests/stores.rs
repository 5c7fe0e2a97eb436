//! A key store that refuses: no key is used that is not durable, and no link stays incomplete.

use super::super::*;
use super::authentication::equip;
use super::rig::{Air, PROFILE, Ue};
use sidelink_security::direct::Profile;

/// Whether the KD of each link that is up is in the store of the UE.
fn durable(ue: &Ue) -> bool {
    ue.manager
        .links()
        .filter_map(|(_, _, keys)| keys)
        .all(|keys| ue.disk.keys.iter().any(|r| r.id == keys.kd))
}

fn none_stuck(air: &Air) {
    assert_eq!(air.up(0, 1).is_some(), air.up(1, 0).is_some(), "half a link");
    if air.up(0, 1).is_none() {
        assert!(air.ues.iter().all(|ue| ue.manager.links().count() == 0 && ue.manager.half_open() == 0));
    }
}

/// Each store operation of either end fails, one after the other: in set-up, in re-keying with a new KD, in removing
/// the old one.
#[test]
fn one_store_fails() {
    const FAILING: [fn(u32) -> bool; 8] =
        [|n| n == 1, |n| n == 2, |n| n == 3, |n| n == 4, |n| n == 5, |n| n == 6, |n| n == 7, |n| n % 2 == 0];
    for profile in [Profile::Lte, Profile::Nr] {
        PROFILE.set(profile);
        let mut failures = 0;
        for (ue, failing) in (0..2).flat_map(|ue| FAILING.map(|failing| (ue, failing))) {
            let mut air = Air::without_keys(2, |_, _| {}, equip);
            air.ues[ue].failing = failing;
            for _ in 0..4 {
                if air.up(0, 1).is_none() {
                    let _ = air.try_connect(0, 1);
                } else {
                    air.rekey(0, 1, true).unwrap();
                }
                for _ in 0..100 {
                    air.run(40);
                    assert!(air.ues.iter().all(durable));
                }
                air.run(8000);
                none_stuck(&air);
            }
            let stores = air.ues[ue].stores;
            failures += (1..=stores).filter(|n| failing(*n)).count();
            air.ues[ue].failing = |_| false;
            if air.up(0, 1).is_none() {
                air.connect(0, 1);
                air.run(4000);
            }
            assert!(air.agreed(0, 1), "{:?}", air.ues[ue].notes);
            assert!(air.ues.iter().all(durable));
        }
        assert!(failures > 10, "{failures}");
    }
}

/// A store that always fails: no link under a new KD ever comes up, and the reason is reported; a link under a durable
/// KD needs no store, and neither does its re-keying.
#[test]
fn every_store_fails() {
    for ue in 0..2 {
        let mut air = Air::without_keys(2, |_, _| {}, equip);
        air.ues[ue].failing = |_| true;
        for _ in 0..3 {
            air.connect(0, 1);
            air.run(20_000);
            none_stuck(&air);
            assert!(air.up(0, 1).is_none() && air.ues[ue].disk.keys.is_empty());
        }
        let store = State::Closed { why: Closed::Store };
        assert_eq!(air.ues[0].states.iter().any(|(_, s)| *s == store), ue == 0);

        let mut air = Air::new(2);
        air.ues[ue].failing = |_| true;
        air.connect(0, 1);
        air.run(1500);
        assert!(air.agreed(0, 1));
        air.rekey(0, 1, false).unwrap();
        air.run(1500);
        assert!(air.agreed(0, 1));
    }
}

/// Session numbers cannot be reserved any more: when the durable ones are used up no exchange begins, existing links
/// continue, and everything works again when the store does.
#[test]
fn no_more_session_numbers() {
    for ue in 0..2 {
        let rules = |_: usize, config: &mut Config| {
            (config.rekey_interval, config.failed_rekeying) = (0, FailedRekeying::KeepKey);
        };
        let mut air = Air::with(2, rules, |_, _| {});
        air.connect(0, 1);
        air.run(400);
        air.ues[ue].failing = |_| true;
        let (mut begun, mut before) = (0, air.up(0, 1).unwrap().1.fingerprint);
        for _ in 0..300 {
            let _ = air.rekey(0, 1, false);
            air.run(200);
            assert!(air.agreed(0, 1));
            let now = air.up(0, 1).unwrap().1.fingerprint;
            begun += u32::from(now != before);
            before = now;
        }
        assert!((100..256).contains(&begun), "{begun} of 256 that were durable");
        air.send(0, 1, b"still").unwrap();
        air.run(100);
        assert_eq!(air.ues[1].received.len(), 1);
        air.ues[ue].failing = |_| false;
        air.run(3000);
        air.rekey(0, 1, false).unwrap();
        air.run(1000);
        assert!(air.agreed(0, 1));
        assert_ne!(air.up(0, 1).unwrap().1.fingerprint, before);
    }
}
