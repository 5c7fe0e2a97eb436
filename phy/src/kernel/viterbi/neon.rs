//! AArch64: all 64 states in eight vectors.

use std::arch::aarch64::*;

use super::{Branches, Decisions, NORMALISE, PATTERN, Paths};

pub(super) fn recursion(branches: &[Branches], paths: &mut Paths, decisions: &mut [Decisions]) {
    // SAFETY: every such machine has the instruction set; all pointers are to arrays of the length that is accessed.
    unsafe {
        // Bytes of the branch metric of eight states each in the table of a step.
        let pattern = [0, 8, 16, 24].map(|i| {
            let index = vmovl_u8(vld1_u8(PATTERN.as_ptr().add(i)));
            vreinterpretq_u8_u16(vaddq_u16(vmulq_n_u16(index, 0x0202), vdupq_n_u16(0x0100)))
        });
        let weights = vld1q_u16([1, 2, 4, 8, 16, 32, 64, 128].as_ptr());
        let mut m = [0, 8, 16, 24, 32, 40, 48, 56].map(|i| vld1q_s16(paths.metrics.as_ptr().add(i)));
        let mut s = [0, 8, 16, 24, 32, 40, 48, 56].map(|i| vld1q_s16(paths.starts.as_ptr().add(i)));
        for (steps, decisions) in branches.chunks(NORMALISE).zip(decisions.chunks_mut(NORMALISE)) {
            for (branches, decisions) in steps.iter().zip(decisions) {
                let table = vreinterpretq_u8_s16(vld1q_s16(branches.as_ptr()));
                let (mut next, mut next_starts) = (m, s);
                *decisions = [0; 2];
                for i in 0..4 {
                    let branch = vreinterpretq_s16_u8(vqtbl1q_u8(table, pattern[i]));
                    let (low, high) = (m[i], m[i + 4]);
                    let (even_low, even_high) = (vaddq_s16(low, branch), vsubq_s16(high, branch));
                    let (odd_low, odd_high) = (vsubq_s16(low, branch), vaddq_s16(high, branch));
                    let (even, odd) = (vmaxq_s16(even_low, even_high), vmaxq_s16(odd_low, odd_high));
                    next[2 * i] = vzip1q_s16(even, odd);
                    next[2 * i + 1] = vzip2q_s16(even, odd);
                    let (even_won, odd_won) = (vcgtq_s16(even_high, even_low), vcgtq_s16(odd_high, odd_low));
                    let (even, odd) =
                        (vbslq_s16(even_won, s[i + 4], s[i]), vbslq_s16(odd_won, s[i + 4], s[i]));
                    next_starts[2 * i] = vzip1q_s16(even, odd);
                    next_starts[2 * i + 1] = vzip2q_s16(even, odd);
                    decisions[0] |= u32::from(vaddvq_u16(vandq_u16(even_won, weights))) << (8 * i);
                    decisions[1] |= u32::from(vaddvq_u16(vandq_u16(odd_won, weights))) << (8 * i);
                }
                (m, s) = (next, next_starts);
            }
            let zero = vdupq_n_s16(vgetq_lane_s16::<0>(m[0]));
            m = m.map(|metrics| vsubq_s16(metrics, zero));
        }
        for (i, (m, s)) in m.into_iter().zip(s).enumerate() {
            vst1q_s16(paths.metrics.as_mut_ptr().add(8 * i), m);
            vst1q_s16(paths.starts.as_mut_ptr().add(8 * i), s);
        }
    }
}
