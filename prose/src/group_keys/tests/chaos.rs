//! Any order, any loss, any octets, and a crash at any point.

use proptest::prelude::*;

use super::api::*;
use super::rig::*;

/// A small generator: the seed determines the run (xorshift64*).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    }
}

/// Returns a channel that loses, delays and repeats, and, when `hostile`, cuts, changes and replays.
fn channel(seed: u64, hostile: bool) -> Box<dyn FnMut(Flying) -> Vec<Flying>> {
    let mut chance = Chance::new(seed ^ 0x55);
    let mut old: Vec<Flying> = Vec::new();
    Box::new(move |flying| {
        let mut through = Vec::new();
        for _ in 0..[1, 1, 1, 1, 1, 0, 2][chance.next(7) as usize] {
            let mut copy = flying.clone();
            copy.at += [0, 0, 0, 40, 3000][chance.next(5) as usize];
            through.push(copy);
        }
        if hostile {
            let at = flying.at;
            if old.len() < 500 {
                old.push(flying);
            }
            let mut again = old[chance.next(old.len() as u64) as usize].clone();
            again.at = at;
            if let Load::Message(octets) = &mut again.load {
                match chance.next(4) {
                    0 => octets.truncate(chance.next(octets.len() as u64 + 1) as usize),
                    1 if !octets.is_empty() => {
                        let place = chance.next(octets.len() as u64) as usize;
                        octets[place] ^= 1 << chance.next(8);
                    }
                    2 => again.from = chance.next(4) as usize,
                    _ => {}
                }
            }
            if again.from != again.target {
                through.push(again);
            }
        }
        through
    })
}

/// One action of an operator or an application.
fn act(world: &mut World, chance: &mut Chance) {
    let index = chance.next(4) as usize;
    let now = world.time();
    // A refusal has a reason here: no GMK yet, a call in progress, a store that is not done.
    match chance.next(8) {
        0 => {
            let members: Vec<_> = (0..4).map(member).collect();
            let period = world.period(5 + chance.next(600) as u32);
            let _ = world.command(0, Input::Distribute { now, group: GROUP, members: &members, period });
        }
        1 => {
            let mut period = world.period(600);
            period.activation = period.activation.plus(chance.next(5) as u32);
            let _ = world.command(0, Input::Rekey { now, group: GROUP, without: &[], period });
        }
        2 | 3 => _ = world.start_call(index),
        4 => _ = world.command(index, Input::EndCall { now, group: GROUP }),
        5 => _ = world.command(index, Input::PrepareCall { now, group: GROUP }),
        _ => {
            for _ in 0..3 {
                world.say(index, b"data");
            }
        }
    }
}

/// Runs random actions over a bad air, with crashes; then, over a good air, all must have the GMK and a call. The rig
/// checks that no COUNT is used twice and no older GMK is taken.
pub(crate) fn life(world: &mut World, seed: u64, hostile: bool, crashes: u64) {
    let mut chance = Chance::new(seed);
    world.channel = channel(seed, hostile);
    for _ in 0..crashes {
        let at = world.points + 1 + chance.next(150);
        world.crash_at.push(at);
    }
    for _ in 0..30 {
        act(world, &mut chance);
        world.run(chance.next(1500));
    }
    world.channel = Box::new(|flying| vec![flying]);
    world.crash_at.clear();
    world.flying.clear();
    world.run(100);
    world.distribute(0..4, 600);
    world.run(20_000);
    let missing = world.ues[0].machine.missing(GROUP);
    assert!(
        (0..4).all(|index| world.gmk(index).is_some() && world.gmk(index) == world.gmk(0)) && missing == 0,
        "seed {seed}: {missing} {:?}",
        (0..4).map(|index| world.refusals(index).last().copied()).collect::<Vec<_>>()
    );
    for index in 0..4 {
        let now = world.time();
        let _ = world.command(index, Input::EndCall { now, group: GROUP });
    }
    world.run(31_000);
    let caller = chance.next(4) as usize;
    world.start_call(caller).unwrap();
    world.run(3000);
    assert!((0..4).all(|index| world.in_call(index, caller)), "seed {seed}");
    for _ in 0..2 {
        world.say(caller, b"the end");
    }
    world.run(100);
    let heard = |index: usize| world.ues[index].heard.last().is_some_and(|data| data == b"the end");
    assert!((0..4).all(|index| index == caller || heard(index)), "seed {seed}");
}

#[test]
fn crashes_at_any_point_repeat_no_count_and_bring_back_no_gmk() {
    let mut crashes = 0;
    for seed in 0..150 {
        let mut world = World::new(4);
        life(&mut world, seed, false, 1 + seed % 12);
        crashes += world.crashes;
    }
    assert!(crashes > 500, "{crashes}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_loss_and_octets(seed: u64) {
        life(&mut World::new(4), seed, true, 0);
    }

    #[test]
    fn all_of_it_and_crashes(seed: u64) {
        life(&mut World::new(4), seed, true, 6);
    }

    /// Any octets on any path at any state: no panic, and the group goes on.
    #[test]
    fn any_octets_at_any_state(
        messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..120), 0u8..4, 0usize..3), 0..40),
        wait in 0u64..3000,
    ) {
        let mut world = World::new(3);
        world.distribute(0..3, 600);
        world.run(wait);
        for (mut octets, first, target) in messages {
            match (first, octets.first_mut()) {
                (1, Some(octet)) => *octet = 0xE4,
                (2, Some(octet)) => *octet = 0xE5,
                (3, Some(octet)) => *octet = 1,
                _ => {}
            }
            let from = (target + 1) % 3;
            world.links.insert((from, target), user(from));
            for to in [Destination::Ue(l2(target)), Destination::Group(GROUP), Destination::Link(l2(target))] {
                world.inject(from, target, to, &octets);
            }
        }
        world.run(5000);
        prop_assert!((0..3).all(|index| world.gmk(index).is_some() && world.gmk(index) == world.gmk(0)));
    }
}
