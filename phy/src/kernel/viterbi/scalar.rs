//! The recursion, state by state.

use super::{Branches, Decisions, NORMALISE, PATTERN, STATES};

pub(super) fn recursion(branches: &[Branches], metrics: &mut [i16; STATES], decisions: &mut [Decisions]) {
    for (step, (branches, decisions)) in branches.iter().zip(decisions).enumerate() {
        let mut next = [0; STATES];
        *decisions = [0; 2];
        for i in 0..STATES / 2 {
            let (low, high) = (metrics[i], metrics[i + STATES / 2]);
            let branch = branches[PATTERN[i] as usize];
            for (bit, branch) in [branch, -branch].into_iter().enumerate() {
                let (from_low, from_high) = (low + branch, high - branch);
                next[2 * i + bit] = from_low.max(from_high);
                decisions[bit] |= u32::from(from_high > from_low) << i;
            }
        }
        *metrics = next;
        if step % NORMALISE == NORMALISE - 1 {
            *metrics = metrics.map(|metric| metric - metrics[0]);
        }
    }
    *metrics = metrics.map(|metric| metric - metrics[0]);
}
