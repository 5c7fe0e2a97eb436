//! Groups on a simulated clock.

use super::invitation::{Admission, Invitations};
use super::layer2::{self, Layer2};
use super::pkmf::Pkmf;
use super::pool::Pool;
use super::question::{self, Case, Solution};
use super::trial::{self, Group};
use crate::config::LongMessageWay;
use sidelink_mac::mux::Address;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;

const START: UtcTime = UtcTime::from_millis(1_800_000_000_000);

fn pool(period: u64, loss: f64) -> Pool {
    Pool { period, mcs: 5, prbs: 10, places: 1, control_places: 20, loss }
}

fn stations(pool: Pool, number: usize) -> Layer2 {
    let mut air = Layer2::new(pool, START, 1);
    let group = Address::Group(Layer2Id::new(0x0001a2).unwrap());
    for station in 0..number {
        assert_eq!(air.add(layer2::identity(station).unwrap(), &[group]), station);
    }
    air
}

/// Blocks a period, as the digest of the proposals counts them.
#[test]
fn a_period_has_the_blocks_of_its_pattern() {
    assert_eq!([40, 80, 160, 320].map(|period| pool(period, 0.0).blocks()), [4, 9, 19, 39]);
    assert_eq!(pool(40, 0.0).block_octets(), 109);
}

/// 400 octets are four blocks of 101, and arrive with the last turn of the first period; 410 take a second period.
#[test]
fn a_message_arrives_with_its_last_block() {
    for (octets, arrives, blocks, grants) in [(390, 40, 4, 1), (410, 56, 5, 2)] {
        let mut air = stations(pool(40, 0.0), 2);
        air.send(0, layer2::address(1).unwrap(), &layer2::signalling(&vec![7; octets])).unwrap();
        let mut heard = Vec::new();
        while heard.is_empty() {
            heard = air.step().unwrap();
        }
        assert_eq!(layer2::message(&heard[0].pdu), vec![7; octets]);
        assert_eq!(air.now().millis() - START.millis(), arrives);
        let sent = air.sent(0);
        assert_eq!((sent.blocks, sent.grants), (blocks, grants));
        assert_eq!(sent.subframes(), 4 * blocks + 2 * grants);
    }
}

/// What is sent to a group reaches everybody, with the loss that was asked for.
#[test]
fn blocks_are_lost_by_chance() {
    let mut air = stations(pool(40, 0.2), 401);
    let group = Address::Group(Layer2Id::new(0x0001a2).unwrap());
    air.send(0, group, &layer2::signalling(b"hello")).unwrap();
    let heard: usize = (0..5).map(|_| air.step().unwrap().len()).sum();
    assert!((290..350).contains(&heard), "{heard}");
}

/// Two that send in one place at once spoil each other's blocks, or hear nothing of each other.
#[test]
fn two_in_one_place_collide() {
    let mut lost = 0;
    for seed in 0..200 {
        let mut air = Layer2::new(pool(40, 0.0), START, seed);
        (0..3).for_each(|station| _ = air.add(layer2::identity(station).unwrap(), &[]));
        for station in [0, 1] {
            air.send(station, layer2::address(2).unwrap(), &layer2::signalling(b"hello")).unwrap();
        }
        let heard: usize = (0..5).map(|_| air.step().unwrap().len()).sum();
        lost += 2 - heard;
    }
    // one draw in twenty of the SCI, and one in seventy of the same pattern
    assert!((10..50).contains(&lost), "{lost}");
}

#[test]
fn every_member_gets_the_key_of_a_naf_and_the_one_removed_does_not() {
    for admission in [Admission::Invitation, Admission::WhiteList] {
        let members = 5;
        let mut air = stations(pool(40, 0.1), members + 1);
        let mut solution = Invitations::new(admission, members, (START, 40), 40, 1).unwrap();
        let group = Group { members, late: 1, late_after: 1000, patience: 60_000 };
        let trial = trial::run(&mut solution, &mut air, group).unwrap();
        assert_eq!((trial.first.wanted, trial.first.keyed), (4, 4), "{admission:?}: {:?}", trial.first);
        assert_eq!(trial.rekeying.keyed, 4, "{admission:?}: {:?}", trial.rekeying);
        assert_eq!(trial.late.unwrap().keyed, 1);
        assert_eq!(trial.rekeying.network.vectors, 5, "one each, the owner's too");
        assert_eq!(trial.first.sent.blocks > 0, admission == Admission::Invitation);
    }
}

/// A member that comes after three rounds of invitations is invited again.
#[test]
fn who_comes_late_to_a_naf_gets_the_key() {
    let pool = question::pool(40, 5, 0.01);
    let (way, late) = (LongMessageWay::Whole, 0.1);
    let case = Case {
        solution: Solution::Invitation,
        members: 20,
        pool,
        way,
        round_trip: 40,
        join_every: 8,
        late,
        seed: 1,
    };
    let outcome = case.run().unwrap();
    let keyed = (outcome.first.keyed, outcome.late.unwrap().keyed, outcome.rekeying.keyed);
    assert_eq!(keyed, (18, 2, 19));
}

/// Over PC5, with blocks lost: each solution reaches everybody, who comes late as well, and the new key
/// everybody but the one who was left out, in each way of long messages.
#[test]
fn machines_bring_every_member_its_key_over_a_bad_air() {
    for solution in [Solution::Sakke, Solution::Owner] {
        for way in [LongMessageWay::Whole, LongMessageWay::Repeated, LongMessageWay::Coded] {
            let pool = question::pool(40, 5, 0.03);
            let case =
                Case { solution, members: 4, pool, way, round_trip: 40, join_every: 8, late: 0.25, seed: 3 };
            let outcome = case.run().unwrap();
            let keyed = (outcome.first.keyed, outcome.late.unwrap().keyed, outcome.rekeying.keyed);
            assert_eq!(keyed, (3, 1, 3), "{solution:?} {way:?}");
            assert!(outcome.first.n_tb > 20 && outcome.rekeying.n_tb > 6, "{solution:?} {way:?}");
        }
    }
}

#[test]
fn every_member_gets_the_key_of_a_pkmf_and_the_one_revoked_does_not() {
    let members = 5;
    let mut air = stations(pool(40, 0.1), members + 1);
    let mut solution = Pkmf::new(members, START, 40, 1).unwrap();
    let group = Group { members, late: 1, late_after: 1000, patience: 60_000 };
    let trial = trial::run(&mut solution, &mut air, group).unwrap();
    assert_eq!((trial.first.keyed, trial.late.unwrap().keyed, trial.rekeying.keyed), (4, 1, 4));
    assert_eq!(trial.first.sent.blocks + trial.rekeying.sent.blocks, 0);
    assert!(trial.first.network.vectors >= 5 && trial.rekeying.network.vectors == 0, "{:?}", trial.rekeying);
}

/// Members that ask faster than an owner can answer: all join, and all get the next key. Minutes for 2000; run it with
/// `MEMBERS=20,200,2000 cargo test -p sidelink-flowgraphs --lib joins_that_come_too_fast -- --ignored --nocapture`.
#[test]
#[ignore = "minutes"]
fn joins_that_come_too_fast() {
    let members = std::env::var("MEMBERS").unwrap_or_else(|_| "20,200".to_owned());
    for members in members.split(',').map(|members| members.parse().unwrap()) {
        for join_every in [4, 8] {
            let case = owner_case(members, join_every);
            let outcome = case.run().unwrap();
            eprintln!("{members} members, {join_every} periods apart: {outcome:?}");
        }
    }
}

fn owner_case(members: usize, join_every: u64) -> Case {
    let (pool, way) = (question::pool(40, 5, 0.01), LongMessageWay::Whole);
    Case { solution: Solution::Owner, members, pool, way, round_trip: 40, join_every, late: 0.1, seed: 1 }
}
