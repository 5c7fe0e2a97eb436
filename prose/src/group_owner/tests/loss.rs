//! Loss, repetition and another order: joins end well or not at all, and the ends agree.

use proptest::prelude::*;
use sidelink_wire::group_owner::Kind;

use super::super::*;
use super::rig::*;

/// Each message of a join and of a leave, lost once.
#[test]
fn each_message_lost_once() {
    for kind in [Kind::JoinRequest, Kind::Challenge, Kind::Proof, Kind::Keys, Kind::Confirm] {
        let mut rig = Rig::new(1);
        rig.join(1);
        let mut lost = false;
        rig.run_with(3000, |sent| {
            let keep = sent.kind != kind || std::mem::replace(&mut lost, true);
            keep.then_some(sent).into_iter().collect()
        });
        assert!(lost);
        rig.assert_in(1);
        assert_eq!(rig.ues[0].owner().members().count(), 1, "{kind}");
        assert_eq!(rig.ues[0].owner().half_open(), 0, "{kind}");
    }
    for kind in [Kind::Leave, Kind::LeaveAccept] {
        let mut rig = Rig::new(1);
        rig.all_join();
        let now = rig.time();
        rig.input(1, Input::Leave { now }).unwrap();
        let mut lost = false;
        rig.run_with(3000, |sent| {
            let keep = sent.kind != kind || std::mem::replace(&mut lost, true);
            keep.then_some(sent).into_iter().collect()
        });
        assert!(lost);
        rig.assert_out(1);
        assert_eq!(rig.ues[0].owner().members().count(), 0, "{kind}");
    }
}

/// A leave that crosses a new epoch is sent again under its keys.
#[test]
fn a_leave_crosses_a_new_epoch() {
    let mut rig = Rig::new(2);
    rig.all_join();
    let now = rig.time();
    rig.input(1, Input::Leave { now }).unwrap();
    rig.input(0, Input::Renew { now }).unwrap();
    // The first leave is lost.
    let mut lost = false;
    rig.run_with(3000, |sent| {
        let keep = sent.kind != Kind::Leave || std::mem::replace(&mut lost, true);
        keep.then_some(sent).into_iter().collect()
    });
    rig.assert_out(1);
    rig.assert_in(2);
    assert_eq!(rig.ues[0].owner().members().count(), 1);
}

#[derive(Clone, Debug)]
enum Act {
    Join(usize),
    Leave(usize),
    Renew,
    Expel(usize),
    Wait(u64),
    Crash(usize),
    /// Repeats an old message.
    Again(prop::sample::Index),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1..4_usize).prop_map(Act::Join),
        2 => (1..4_usize).prop_map(Act::Leave),
        2 => Just(Act::Renew),
        1 => Just(Act::Expel(3)),
        8 => (0..2000_u64).prop_map(Act::Wait),
        1 => (0..4_usize).prop_map(Act::Crash),
        4 => any::<prop::sample::Index>().prop_map(Act::Again),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_life_over_a_bad_air(
        acts in prop::collection::vec(act(), 0..40),
        fates in prop::collection::vec(0_u8..10, 1..200),
    ) {
        let mut rig = Rig::new(3);
        let mut fates = fates.into_iter().cycle();
        let mut late = Vec::new();
        for act in acts {
            let now = rig.time();
            match act {
                Act::Join(ue) => {
                    let join = Input::Join { now, owner: layer2(0), identity: name(0) };
                    let _ = rig.input(ue, join);
                }
                Act::Leave(ue) => drop(rig.input(ue, Input::Leave { now })),
                Act::Renew => rig.input(0, Input::Renew { now }).unwrap(),
                Act::Expel(ue) => drop(rig.input(0, Input::Expel { now, member: name(ue) })),
                Act::Crash(ue) => rig.crash(ue, 0),
                Act::Again(at) => {
                    if !rig.old.is_empty() {
                        let sent = rig.old[at.index(rig.old.len())].clone();
                        rig.hear(&sent);
                    }
                }
                Act::Wait(millis) => rig.run_with(millis, |sent| match fates.next() {
                    Some(0 | 1) => Vec::new(),
                    Some(2) => vec![sent.clone(), sent],
                    // Another order: it comes with a later one.
                    Some(3) => {
                        late.push(sent);
                        Vec::new()
                    }
                    _ => late.drain(..).chain([sent]).collect(),
                }),
            }
        }
        // A good air: all who want are in, and agree with the owner.
        rig.run(12_000);
        for ue in 1..=3 {
            let now = rig.time();
            let _ = rig.input(ue, Input::Leave { now });
            rig.run(6000);
            rig.assert_out(ue);
        }
        let expelled = rig.ues[0].owner().members().count();
        prop_assert!(expelled <= 3);
        for ue in 1..=2 {
            rig.join(ue);
            rig.run(3000);
            rig.assert_in(ue);
        }
        // No key of one epoch is that of another.
        let keys = &rig.ues[0].held.group;
        prop_assert_eq!(keys.len(), 1);
        prop_assert_eq!(rig.ues[0].owner().half_open(), 0);
    }
}
