//! Random lives of a group: whatever operators, the air and crashes do.

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
pub(crate) fn channel(seed: u64, hostile: bool) -> Box<dyn FnMut(Flying) -> Vec<Flying>> {
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
    match chance.next(12) {
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
            for _ in 0..6 {
                world.say(index, b"data");
            }
        }
    }
}

/// Runs some random actions.
pub(crate) fn mischief(world: &mut World, chance: &mut Chance) {
    for _ in 0..30 {
        act(world, chance);
        world.run(chance.next(1500));
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
    mischief(world, &mut chance);
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
