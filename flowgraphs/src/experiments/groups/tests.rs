//! Scenarios of groups, played with few members.

use super::cases::{ALL, GroupCase, GroupScenario, Solution};
use super::costs::{GroupCosts, Run};
use super::log::{DataPdu, Entry};
use super::timeline::Timeline;
use super::{output, setup};
use crate::config::LongMessageWay;
use sidelink_phy::units::Decibel;
use sidelink_wire::pdcp::{HEADER_LEN, OneToManyRepr, SduType};

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

/// A UE makes a group over protected links, and makes it anew without one. TR 33.833 §6.3.1.3.3.3.
#[test]
fn an_ad_hoc_group_comes_over_links_and_goes_on_without_a_member() {
    let (events, costs) = play(&case("group-adhoc", 3, 10.0));
    assert_eq!(reached(&costs), [(3, 3), (2, 2), (2, 2), (1, 1)], "{events}");
    check_thief(&costs);
    // Four messages of each link, the key and its acknowledgement; the second key goes over the same links.
    let [first, second] = [&costs.phases[0], &costs.phases[2]];
    assert!(first.msgs >= 6 * 3 && second.octets < first.octets / 2, "{first:?} {second:?}");
}

/// A caller that is killed in its call uses no key stream twice, and goes on. T3.1-9.
#[test]
fn a_crash_in_a_call_uses_no_key_stream_twice() {
    let case = case("group-crash", 2, 20.0);
    let (events, costs) = play(&case);
    assert_eq!(costs.unexpected(&case), None, "{events}");
    assert_eq!(reached(&costs), [(2, 2), (1, 1), (2, 2), (1, 1)], "{events}");
    // Data of both lives came: fewer than all, for it was away.
    let call = &costs.phases[1];
    assert!(costs.resumed && call.delivered > 10, "{call:?}");
}

/// Members that are switched on late get key and call. T3.1-10.
#[test]
fn members_that_come_late_are_not_left_behind() {
    let case = case("group-late", 6, 20.0);
    let (events, costs) = play(&case);
    assert_eq!(costs.unexpected(&case), None, "{events}");
    assert_eq!(reached(&costs), [(4, 4), (3, 3), (2, 2), (2, 2)], "{events}");
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

/// An owner invites over the air, a NAF pushes the key; who is removed hears nothing under the next one. T3.2-6.
#[test]
fn a_removed_member_hears_nothing_under_the_next_key_of_a_naf() {
    for name in ["group-invitation", "group-white-list"] {
        let (events, costs) = play(&case(name, 3, 20.0));
        assert_eq!(reached(&costs), [(3, 3), (0, 0), (2, 2), (0, 0)], "{events}");
        check_thief(&costs);
        let is_invited = name == "group-invitation";
        let invitations = &costs.phases[0];
        // Two blocks each, at least.
        assert_eq!(
            (invitations.msgs >= 3, invitations.n_tb >= 6),
            (is_invited, is_invited),
            "{invitations:?}"
        );
        assert!(!is_invited || events.contains("all have joined"), "{events}");
        let vectors = costs.network.unwrap().map(|spent| spent.vectors);
        assert_eq!(vectors, [Some(4), Some(3)], "one for each key of each UE\n{events}");
    }
}

/// What a NAF refuses, over the air and the network; each for its own reason. T3.2-1 to T3.2-5, T3.2-8.
#[test]
fn attacks_on_a_naf_are_stopped_by_what_is_there_for_them() {
    for (name, why) in [
        ("attack-group-invitation-stolen", "the invitation is not the owner's, for another user"),
        ("attack-group-invitation-replay", "the invitation is not the owner's, for another user"),
        ("attack-group-white-list-unlisted", "not on the list"),
        ("attack-group-naf-flood", "the tag is wrong"),
        ("attack-group-gpi-replay", "this GPI came before"),
        ("attack-group-invitation-echo", "PDCP: "),
    ] {
        let case = case(name, 2, 20.0);
        let (events, costs) = play(&case);
        assert_eq!(costs.unexpected(&case), None, "{name}\n{events}");
        assert!(costs.refused.keys().any(|key| key.contains(why)), "{name}: {:?}", costs.refused);
        let by_requests = !matches!(name, "attack-group-gpi-replay" | "attack-group-invitation-echo");
        assert!(!by_requests || costs.attacks > 5, "{name}: {} requests", costs.attacks);
    }
}

/// What is lost on the way to the UEs is asked for again, and takes no vector but for the key that was missed. T3.2-8.
#[test]
fn a_lost_push_is_asked_for_again() {
    let case = case("attack-group-push-lost", 2, 20.0);
    let (events, costs) = play(&case);
    assert_eq!(costs.unexpected(&case), None, "{events}");
    let vectors = costs.network.unwrap().map(|spent| spent.vectors);
    assert_eq!(vectors, [Some(3), Some(5)], "{events}");
}

/// The network knows the keys of its groups. T3.2-7.
#[test]
fn whoever_runs_the_naf_reads_the_group() {
    let case = case("attack-group-curious-naf", 2, 20.0);
    let (events, costs) = play(&case);
    assert_eq!(costs.unexpected(&case), None, "{events}");
    assert!(costs.outcome.unwrap().contains("messages read"));
}

/// Coded fragments carry the same messages.
#[test]
fn a_coded_message_arrives_as_a_whole_one() {
    let (events, costs) = play(&GroupCase { way: LongMessageWay::Coded, ..case("group-sakke", 2, 20.0) });
    assert_eq!(reached(&costs)[0], (2, 2), "{events}");
    check_thief(&costs);
    assert!(costs.phases[0].pdu_octets > costs.phases[0].octets + 100, "{:?}", costs.phases[0]);
}

/// An attack of each kind is stopped, by the check that is there for it. T3.1-2, T3.1-3, T3.1-4, T3.1-6, T3.1-8, T3.4-1,
/// T3.4-2, T3.4-5.
#[test]
fn attacks_are_stopped_by_what_is_there_for_them() {
    for (name, why) in [
        ("attack-group-not-manager", "not_manager"),
        ("attack-group-impostor", "signature"),
        ("attack-group-ad-hoc-key", "standard_group"),
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

/// A minute. Run it with
/// `cargo test --release -p sidelink-flowgraphs --lib groups::tests::groups_of_a_naf -- --ignored --nocapture`.
#[test]
#[ignore = "a minute"]
fn groups_of_a_naf_at_three_ratios() {
    campaign(2, |scenario| matches!(scenario.solution, Solution::Invitation | Solution::WhiteList));
}

/// Minutes. Run it with
/// `cargo test --release -p sidelink-flowgraphs --lib groups::tests::attacks_at -- --ignored --nocapture`.
#[test]
#[ignore = "minutes"]
fn attacks_at_three_ratios() {
    campaign(3, |scenario| scenario.attack.is_some());
}

/// What came of a crash in which the caller sent these PDUs: subframe, PGK Index, SN, content.
fn judged(sent: &[(u64, u8, u16, u8)]) -> GroupCosts {
    let case = case("group-crash", 2, 20.0);
    let block = |&(t, pgk_index, sn, octet): &(u64, u8, u16, u8)| {
        let mut header = [0; HEADER_LEN];
        let repr = OneToManyRepr { sdu_type: SduType::NonIp, pgk_index, ptk_id: 1, sn };
        repr.emit(&mut header).unwrap();
        (t, Entry::Block { parts: Vec::new(), data: Some(DataPdu { header, content: vec![octet; 4] }) })
    };
    let run = Run {
        period: case.period,
        began: 0,
        timeline: Timeline::of(&case),
        has_thief: false,
        manager: Vec::new(),
        members: vec![sent.iter().map(block).collect(), Vec::new()],
        other: None,
        attacks: 0,
        network: None,
        vectors: 0,
    };
    GroupCosts::of(&case, &run)
}

/// Two PDUs with one PGK, PTK Identity and SN fail an exercise; a block that is repeated, and a key of another call, do not.
/// T3.1-9.
#[test]
fn a_key_stream_that_is_used_twice_is_noticed() {
    let Timeline { call, second_call, .. } = Timeline::of(&case("group-crash", 2, 20.0));
    let again = Timeline::of(&case("group-crash", 2, 20.0)).down().end;
    let failure = |sent: &[_]| judged(sent).failure.unwrap_or_default();
    assert!(failure(&[(call, 3, 9, 1), (again, 3, 9, 2)]).contains("one key stream"));
    for fine in [
        [(call, 3, 9, 1), (call + 1, 3, 9, 1)],
        [(call, 3, 9, 1), (again, 3, 10, 2)],
        [(call, 3, 9, 1), (again, 4, 9, 2)],
        [(call, 3, 9, 1), (second_call, 3, 9, 2)],
    ] {
        assert_eq!(failure(&fine), "", "{fine:?}");
    }
    // A caller that sends nothing more under its key shows nothing.
    assert!(judged(&[(call, 3, 9, 1), (again, 3, 10, 2)]).resumed);
    assert!(!judged(&[(call, 3, 9, 1), (again, 4, 10, 2)]).resumed);
    assert!(!judged(&[(call, 3, 9, 1), (second_call, 3, 10, 2)]).resumed);
}

/// Minutes. Run it with
/// `cargo test --release -p sidelink-flowgraphs --lib groups::tests::owners_at -- --ignored --nocapture`.
#[test]
#[ignore = "minutes"]
fn owners_at_three_ratios() {
    campaign(3, |scenario| scenario.solution == Solution::Owner);
}
