//! Any order, any loss, any octets, and a kill at any point.

use proptest::prelude::*;

use super::super::*;
use super::authentication::equip;
use super::i_message::{answered, draft};
use super::in_command::{bound, clause};
use super::rig::{Air, Flying, PROFILE};
use sidelink_security::direct::Profile;

/// A small generator: the seed determines the run (xorshift64*).
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    }
}

/// Returns a channel that loses, delays and repeats PDUs, and, when `hostile`, cuts and changes them and sends them
/// elsewhere.
fn channel(seed: u64, hostile: bool) -> Box<dyn FnMut(Flying) -> Vec<Flying>> {
    let mut chance = Chance(seed | 1);
    let mut old: Vec<Flying> = Vec::new();
    Box::new(move |flying| {
        let mut through = Vec::new();
        for _ in 0..[1, 1, 1, 1, 1, 0, 2][chance.next(7) as usize] {
            let mut copy = flying.clone();
            copy.at += [0, 0, 0, 40, 200][chance.next(5) as usize];
            through.push(copy);
        }
        if hostile {
            old.push(flying);
            let mut again = old[chance.next(old.len() as u64) as usize].clone();
            again.at = old[old.len() - 1].at;
            let octets = &mut again.pdu.octets;
            match chance.next(6) {
                0 => octets.truncate(chance.next(octets.len() as u64 + 1) as usize),
                1 | 2 if !octets.is_empty() => {
                    let at = chance.next(octets.len() as u64) as usize;
                    octets[at] = chance.next(256) as u8;
                }
                3 => std::mem::swap(&mut again.from, &mut again.to),
                4 => {
                    let lcid = [3, 28, 29, 30][chance.next(4) as usize];
                    again.pdu.lcid = sidelink_wire::ids::Lcid::new(lcid).unwrap();
                }
                _ => {}
            }
            through.push(again);
        }
        through
    })
}

type Equip = fn(usize, &mut LinkManager);

/// What gives the UEs of a run their KDs: the operator, certificates, or the keys of identities in their variants, of
/// which NR carries the draft's alone.
const SOURCES: [Option<Equip>; 6] =
    [None, Some(equip), Some(draft), Some(answered), Some(clause), Some(bound)];

/// Runs random actions of applications and operators over a bad channel; then over a good channel a link must come up
/// whose ends agree. The rig checks that no (key, COUNT) is sent twice.
fn life(seed: u64, hostile: bool, crashes: u64, source: usize) -> u64 {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let configure = |_: usize, config: &mut Config| {
        config.rekey_interval = 100;
        config.updates = true;
    };
    PROFILE.set(if seed & 2 == 0 || source > 3 { Profile::Lte } else { Profile::Nr });
    let mut air = match SOURCES[source] {
        Some(equip) => Air::without_keys(2, configure, equip),
        None => Air::with(2, configure, |_, _| {}),
    };
    air.channel = channel(seed, hostile);
    for _ in 0..crashes {
        let at = air.points + 1 + chance.next(400);
        air.crash_at.push(at);
    }
    for _ in 0..12 {
        let from = chance.next(2) as usize;
        let to = 1 - from;
        match (chance.next(7), air.up(from, to)) {
            // A refusal has a reason here: a link is being set up, or the last re-keying was just now.
            (0..=2, None) => _ = air.try_connect(from, to),
            (3, Some((link, _))) => {
                let now = air.time(from);
                let released = air.ues[from].manager.handle_input(Input::Release { now, link });
                assert_eq!(released, Ok(()));
                air.drain(from);
            }
            (0 | 4, Some(_)) => _ = air.rekey(from, to, false),
            (1, Some(_)) => _ = air.rekey(from, to, true),
            (6, Some(_)) => _ = air.update(from, to),
            (_, Some(_)) => _ = air.send(from, to, b"data"),
            _ => {}
        }
        air.run(chance.next(400));
    }
    air.channel = Box::new(|flying| vec![flying]);
    air.crash_at.clear();
    // Pending exchanges end by their timers.
    air.run(30_000);
    for (from, to) in [(0, 1), (1, 0)] {
        assert_eq!(air.up(from, to).is_some(), air.up(to, from).is_some(), "seed {seed}: half a link stays");
    }
    if air.up(0, 1).is_none() {
        let from = chance.next(2) as usize;
        air.try_connect(from, 1 - from).unwrap();
        air.run(6000);
    }
    assert!(air.agreed(0, 1), "seed {seed}: {:?} {:?}", air.ues[0].states, air.ues[1].states);
    assert!(
        air.ues.iter().all(|ue| ue.manager.half_open() == 0 && ue.manager.links().count() == 1),
        "seed {seed}"
    );
    air.points
}

#[test]
// TS 24.334 §10.4.2.6.2 (1)
fn kills_at_any_point_repeat_no_count_and_leave_no_stuck_link() {
    for seed in 0..300 {
        // The keys of identities in a quarter: their arithmetic takes the time of the rest.
        let source = if seed % 4 == 0 { 2 + seed / 4 % 4 } else { seed % 2 };
        life(seed, false, 1 + seed % 8, source as usize);
    }
}

/// 10^5 kills: `cargo test --release -p sidelink-mac -- --ignored hundred_thousand_kills`.
#[test]
#[ignore = "minutes"]
fn hundred_thousand_kills() {
    for seed in 1000..1000 + 12_500 {
        life(seed, false, 8, (seed % 6) as usize);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_loss_and_octets(seed: u64, source in 0..6_usize) {
        life(seed, true, 0, source);
    }

    #[test]
    fn all_of_it_and_kills(seed: u64, source in 0..6_usize) {
        life(seed, true, 3, source);
    }

    /// Any octets on any channel at any state.
    #[test]
    fn any_pdu_at_any_state(
        pdus in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..80), 0usize..4, any::<bool>()), 0..20),
        wait in 0u64..300,
        nr: bool,
    ) {
        PROFILE.set(if nr { Profile::Nr } else { Profile::Lte });
        let mut air = Air::new(2);
        air.connect(0, 1);
        air.run(wait);
        for (octets, lcid, to) in pdus {
            let lcid = sidelink_wire::ids::Lcid::new([3, 28, 29, 30][lcid]).unwrap();
            let from = super::rig::l2(if to { 0x10 } else { 0x11 });
            air.inject(from, usize::from(to), lcid, octets);
        }
        air.run(4000);
        prop_assert!(air.agreed(0, 1));
    }
}
