//! The recursion, state by state.

use super::{Branches, Decisions, NORMALISE, PATTERN, Paths, STATES};

pub(super) fn recursion(branches: &[Branches], paths: &mut Paths, decisions: &mut [Decisions]) {
    for (step, (branches, decisions)) in branches.iter().zip(decisions).enumerate() {
        let Paths { metrics, starts } = *paths;
        *decisions = [0; 2];
        for i in 0..STATES / 2 {
            let (low, high) = (metrics[i], metrics[i + STATES / 2]);
            let branch = branches[PATTERN[i] as usize];
            for (bit, branch) in [branch, -branch].into_iter().enumerate() {
                let (from_low, from_high) = (low + branch, high - branch);
                let won = from_high > from_low;
                paths.metrics[2 * i + bit] = from_low.max(from_high);
                paths.starts[2 * i + bit] = starts[if won { i + STATES / 2 } else { i }];
                decisions[bit] |= u32::from(won) << i;
            }
        }
        if step % NORMALISE == NORMALISE - 1 {
            normalise(&mut paths.metrics);
        }
    }
    normalise(&mut paths.metrics);
}

fn normalise(metrics: &mut [i16; STATES]) {
    *metrics = metrics.map(|metric| metric - metrics[0]);
}
