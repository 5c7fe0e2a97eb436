//! Scenarios of groups, played with few members.

use super::cases::{ALL, GroupCase};
use super::costs::{GroupCosts, Run};
use super::{output, setup};
use crate::config::LongMessageWay;
use sidelink_phy::units::Decibel;

fn play(name: &str, snr: f64) -> (Run, GroupCosts) {
    let scenario = ALL.iter().find(|scenario| scenario.name == name).unwrap();
    let way = LongMessageWay::Whole;
    let case = GroupCase { scenario, members: 3, period: 40, snr: Decibel(snr), mcs: 5, way, seed: 1 };
    let run = setup::play(&case).unwrap();
    let costs = GroupCosts::of(&case, &run);
    let mut events = Vec::new();
    output::events(&run, &mut events).unwrap();
    println!("{}", String::from_utf8(events).unwrap());
    println!("{costs:#?}");
    (run, costs)
}

/// A manager gives a key to its members, one is stolen, and hears nothing once the group is re-keyed. T3.1-5.
#[test]
fn a_stolen_member_hears_nothing_after_the_re_keying() {
    let (_, costs) = play("group-sakke", 20.0);
    let reached: Vec<_> = costs.phases.iter().map(|phase| (phase.reached, phase.of)).collect();
    assert_eq!(reached, [(3, 3), (2, 2), (2, 2), (1, 1)]);
    let thief = costs.thief.unwrap();
    assert!(thief.read_before > 5 && thief.sent_after > 5, "{thief:?}");
    assert_eq!(thief.read_after, 0);
    assert_eq!(costs.failure, None);
}

/// Members join by certificates, one is expelled, and hears nothing under the next epoch. T3.4-4.
#[test]
fn an_expelled_member_hears_nothing_of_the_next_epoch() {
    let (_, costs) = play("group-owner", 20.0);
    let reached: Vec<_> = costs.phases.iter().map(|phase| (phase.reached, phase.of)).collect();
    assert_eq!(reached, [(3, 3), (0, 0), (2, 2), (0, 0)]);
    let thief = costs.thief.unwrap();
    assert!(thief.read_before > 5 && thief.sent_after > 5, "{thief:?}");
    assert_eq!((thief.read_after, costs.failure), (0, None));
}

/// The standard's way: keys of the PKMF, and none for a member that is revoked.
#[test]
fn a_revoked_member_hears_nothing_under_the_next_pgk() {
    let (_, costs) = play("group-pgk", 20.0);
    let reached: Vec<_> = costs.phases.iter().map(|phase| (phase.reached, phase.of)).collect();
    assert_eq!(reached, [(3, 3), (0, 0), (2, 2), (0, 0)]);
    let thief = costs.thief.unwrap();
    assert!(thief.read_before > 5 && thief.sent_after > 5, "{thief:?}");
    assert_eq!((thief.read_after, costs.failure.clone()), (0, None));
    // Nothing about keys goes over PC5.
    assert!(costs.phases.iter().all(|phase| phase.msgs == 0) && costs.network.is_some_and(|s| s[1].octets > 0));
}
