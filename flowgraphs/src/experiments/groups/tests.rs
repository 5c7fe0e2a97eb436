//! Scenarios of groups, played with few members.

use super::cases::{ALL, GroupCase, GroupScenario, Solution};
use super::costs::GroupCosts;
use super::{output, setup};
use crate::config::LongMessageWay;
use sidelink_phy::units::Decibel;

fn case(name: &str, members: usize, snr: f64) -> GroupCase<'static> {
    let scenario = ALL.iter().find(|scenario| scenario.name == name).unwrap();
    GroupCase {
        scenario,
        members,
        period: 40,
        snr: Decibel(snr),
        mcs: 5,
        way: LongMessageWay::Whole,
        seed: 1,
    }
}

/// Plays a case. Returns what happened, for the messages of assertions, and what it came to.
fn play(case: &GroupCase<'_>) -> (String, GroupCosts) {
    let run = setup::play(case).unwrap();
    let mut events = Vec::new();
    output::events(&run, &mut events).unwrap();
    (String::from_utf8(events).unwrap(), GroupCosts::of(case, &run))
}

fn reached(costs: &GroupCosts) -> Vec<(usize, usize)> {
    costs.phases.iter().map(|phase| (phase.reached, phase.of)).collect()
}

/// Whoever was stolen could read before the re-keying, and cannot after it.
fn check_thief(costs: &GroupCosts) {
    let thief = costs.thief.unwrap();
    assert!(thief.read_before > 5 && thief.sent_after > 5, "{thief:?}");
    assert_eq!((thief.read_after, &costs.failure), (0, &None));
}

/// A manager gives a key to its members, one is stolen, and hears nothing once the group is re-keyed. T3.1-5.
#[test]
fn a_stolen_member_hears_nothing_after_the_re_keying() {
    let (events, costs) = play(&case("group-sakke", 3, 20.0));
    assert_eq!(reached(&costs), [(3, 3), (2, 2), (2, 2), (1, 1)], "{events}");
    check_thief(&costs);
    // An I_MESSAGE and its acknowledgement for each member; 7 blocks for the one, an eighth for the other, at least.
    let distribution = &costs.phases[0];
    assert!(distribution.msgs >= 6 && distribution.n_tb >= 8 * 3, "{distribution:?}");
    assert_eq!(distribution.sf_pssch, 4 * distribution.n_tb);
}

/// Members join by certificates, one is expelled or leaves, keeps all its keys, and hears nothing under the next epoch. T3.4-4.
#[test]
fn a_former_member_hears_nothing_of_the_next_epoch() {
    for name in ["group-owner", "attack-group-owner-former"] {
        let (events, costs) = play(&case(name, 3, 20.0));
        assert_eq!(reached(&costs), [(3, 3), (0, 0), (2, 2), (0, 0)], "{name}\n{events}");
        check_thief(&costs);
    }
}

/// An owner that crashes begins a later epoch, and its members come back without being asked. T3.4-7.
#[test]
fn members_come_back_to_an_owner_that_crashed() {
    let case = case("group-owner-crash", 2, 20.0);
    let (events, costs) = play(&case);
    assert_eq!(reached(&costs), [(2, 2), (0, 0), (2, 2), (0, 0)], "{events}");
    assert_eq!(costs.unexpected(&case), None, "{events}");
    assert_eq!(events.matches("joins again").count(), 1, "the caller's\n{events}");
    let [before, after] = [1, 3].map(|phase: usize| costs.phases[phase].delivered);
    assert!(before > 5 && after > 5, "{:?}", costs.phases);
}

/// The standard's way: keys of the PKMF, and none for a member that is revoked.
#[test]
fn a_revoked_member_hears_nothing_under_the_next_pgk() {
    let (events, costs) = play(&case("group-pgk", 3, 20.0));
    assert_eq!(reached(&costs), [(3, 3), (0, 0), (2, 2), (0, 0)], "{events}");
    check_thief(&costs);
    // Nothing about keys goes over PC5.
    assert!(costs.phases.iter().all(|phase| phase.msgs == 0));
    assert!(costs.network.is_some_and(|spent| spent[1].octets > 0));
}

/// Coded fragments carry the same messages.
#[test]
fn a_coded_message_arrives_as_a_whole_one() {
    let (events, costs) = play(&GroupCase { way: LongMessageWay::Coded, ..case("group-sakke", 2, 20.0) });
    assert_eq!(reached(&costs)[0], (2, 2), "{events}");
    check_thief(&costs);
    assert!(costs.phases[0].pdu_octets > costs.phases[0].octets + 100, "{:?}", costs.phases[0]);
}

/// An attack of each kind is stopped, by the check that is there for it. T3.1-3, T3.1-4, T3.1-8, T3.4-1, T3.4-2, T3.4-5.
#[test]
fn attacks_are_stopped_by_what_is_there_for_them() {
    for (name, why) in [
        ("attack-group-not-manager", "not_manager"),
        ("attack-group-replay", "replayed"),
        ("attack-group-flip-data-mac", "PDCP: wrong MAC-I"),
        ("attack-group-owner-rogue", "no trusted root issued the certificate"),
        ("attack-group-owner-middle", "GROUP_PROOF"),
        ("attack-group-owner-foreign", "may not join: NotAdmitted"),
    ] {
        let case = case(name, 2, 20.0);
        let (events, costs) = play(&case);
        assert_eq!(costs.unexpected(&case), None, "{name}\n{events}");
        assert!(costs.refused.keys().any(|key| key.contains(why)), "{name}: {:?}", costs.refused);
    }
}

/// What the standard does not stop is measured, and not hidden. T3.1-8.
#[test]
fn a_flipped_bit_of_data_without_a_mac_i_is_believed() {
    let case = case("attack-group-flip-data", 2, 20.0);
    let (events, costs) = play(&case);
    assert_eq!(costs.unexpected(&case), None, "{events}");
    assert!(costs.outcome.unwrap().contains("believed"));
}

/// A member has no use for what it hears of the join of another. T3.4-3.
#[test]
fn the_keys_of_another_member_are_of_no_use() {
    let case = case("attack-group-owner-spy", 2, 20.0);
    let (events, costs) = play(&case);
    assert_eq!(costs.unexpected(&case), None, "{events}");
    // It heard them.
    assert!(events.contains("GROUP_KEYS"), "{events}");
}

/// All members hold the key under which the owner talks: who sends to the group is a claim. T3.4-3.
#[test]
fn a_member_talks_as_the_owner() {
    let case = case("attack-group-owner-impostor", 2, 20.0);
    let (events, costs) = play(&case);
    assert_eq!(costs.unexpected(&case), None, "{events}");
    assert!(costs.outcome.unwrap().contains("believed"));
}

/// Plays scenarios at three signal-to-noise ratios, and prints what they cost.
fn campaign(members: usize, which: impl Fn(&GroupScenario) -> bool) {
    let mut all = Vec::new();
    for scenario in ALL.iter().filter(|scenario| which(scenario)) {
        for snr in [10.0, 15.0, 20.0] {
            let case = case(scenario.name, members, snr);
            let (events, costs) = play(&case);
            assert_eq!(costs.unexpected(&case), None, "{} at {snr} dB\n{events}", scenario.name);
            all.push(costs);
        }
    }
    output::write(crate::args::Form::Table, &all, &mut std::io::stdout()).unwrap();
}

/// Minutes. Run it with
/// `cargo test --release -p sidelink-flowgraphs --lib groups::tests::twenty_members -- --ignored --nocapture`.
#[test]
#[ignore = "minutes"]
fn twenty_members() {
    campaign(20, |scenario| scenario.attack.is_none());
}

/// Minutes. Run it with
/// `cargo test --release -p sidelink-flowgraphs --lib groups::tests::attacks_at -- --ignored --nocapture`.
#[test]
#[ignore = "minutes"]
fn attacks_at_three_ratios() {
    campaign(3, |scenario| scenario.attack.is_some());
}

/// Minutes. Run it with
/// `cargo test --release -p sidelink-flowgraphs --lib groups::tests::owners_at -- --ignored --nocapture`.
#[test]
#[ignore = "minutes"]
fn owners_at_three_ratios() {
    campaign(3, |scenario| scenario.solution == Solution::Owner);
}
