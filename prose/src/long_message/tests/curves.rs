//! Sender and receiver on an air that loses blocks, against the closed formulas.

use super::*;
use crate::long_message::delivery::probability;

/// Usable octets of a block: 10 PRB at MCS 5.
const BLOCK: usize = 101;
const TRIALS: u32 = 4000;

struct Chance(u64);

impl Chance {
    /// xorshift64*, the same in every run.
    fn lost(&mut self, loss: f64) -> bool {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        (bits as f64) < loss * (1_u64 << 53) as f64
    }
}

/// Returns the part of the messages that arrive: each PDU takes the blocks that its octets need, and comes if none is
/// lost.
fn measured(way: Way, message: &[u8], loss: f64) -> (u32, f64) {
    let (mut chance, mut arrived) = (Chance(0x9e37_79b9_7f4a_7c15), 0);
    let mut receiver = Receiver::default();
    let (count, octets) = way.pdus(message.len()).unwrap();
    let blocks = (octets + 5).div_ceil(BLOCK);
    for trial in 0..TRIALS {
        let now = T0.plus_millis(u64::from(trial) * 100_000);
        for pdu in pdus(way, trial as u16, message) {
            let lost = (0..blocks).fold(false, |lost, _| chance.lost(loss) | lost);
            if !lost && let Ok(Some(given)) = receiver.handle(MARY, &pdu, now) {
                assert_eq!(given.octets, message);
                arrived += 1;
            }
        }
    }
    let needed = match way {
        Way::Coded { parity, .. } => count - usize::from(parity),
        _ => blocks,
    };
    (needed as u32, f64::from(arrived) / f64::from(TRIALS))
}

#[test]
fn what_arrives_is_what_the_formulas_say() {
    let message = message(900);
    for loss in [0.01, 0.1, 0.3] {
        let ways = [
            Way::Whole,
            Way::Repeated { times: 2 },
            Way::coded(BLOCK, 0, 2).unwrap(),
            Way::coded(BLOCK, 0, 6).unwrap(),
        ];
        for way in ways {
            let (blocks, measured) = measured(way, &message, loss);
            let expected = probability(way, blocks, loss);
            // Four standard deviations, and one trial.
            let spread = 4.0 * (expected * (1.0 - expected) / f64::from(TRIALS)).sqrt();
            assert!(
                (measured - expected).abs() <= spread + 1.0 / f64::from(TRIALS),
                "{way:?} {loss}: {measured} {expected}"
            );
        }
    }
}

/// Values of the digest's table for one period, and of textbooks.
#[test]
fn formulas_at_known_points() {
    let near = |a: f64, b: f64| (a - b).abs() < 5e-4;
    assert!(near(probability(Way::Whole, 9, 0.01), 0.9135));
    assert!(near(probability(Way::Whole, 12, 0.01), 0.8864));
    assert!(near(probability(Way::Repeated { times: 2 }, 9, 0.01), 0.9925));
    assert!(near(probability(coded(80, 0), 9, 0.01), 0.9135));
    // Three of five coins.
    assert!(near(probability(coded(1, 2), 3, 0.5), 0.5));
    assert!(near(probability(coded(1, 250), 5, 0.5), 1.0));
    assert_eq!(probability(coded(1, 2), 3, 0.0), 1.0);
    assert_eq!(probability(Way::Whole, 3, 1.0), 0.0);
}
