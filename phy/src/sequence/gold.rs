//! Length-31 Gold sequence (TS 36.211 §7.2).

/// Steps that are discarded at the start, N_C.
const N_C: usize = 1600;

/// Generator of c(n), one bit a call, or 28 bits a step inside.
#[derive(Clone, Debug)]
pub struct Gold {
    x1: u32,
    x2: u32,
}

impl Gold {
    /// Starts at c(0) for the given c_init (31 bits).
    // TS 36.211 §9.3.1 with §7.2
    pub fn new(c_init: u32) -> Self {
        let mut g = Self { x1: X1_AFTER_NC, x2: c_init & 0x7fff_ffff };
        let mut left = N_C;
        while left > 0 {
            let n = left.min(28);
            g.x2 = step_x2(g.x2, n);
            left -= n;
        }
        g
    }

    /// Writes the next `out.len()` bits of c, each 0 or 1.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(28) {
            let c = self.x1 ^ self.x2;
            for (i, bit) in chunk.iter_mut().enumerate() {
                *bit = ((c >> i) & 1) as u8;
            }
            self.x1 = step_x1(self.x1, chunk.len());
            self.x2 = step_x2(self.x2, chunk.len());
        }
    }

    /// Discards `n` bits.
    pub fn skip(&mut self, n: usize) {
        let mut left = n;
        while left > 0 {
            let k = left.min(28);
            self.x1 = step_x1(self.x1, k);
            self.x2 = step_x2(self.x2, k);
            left -= k;
        }
    }
}

/// Returns the first `len` bits of c for `c_init`.
pub fn gold_sequence(c_init: u32, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    Gold::new(c_init).fill(&mut out);
    out
}

/// x1 after N_C steps from its fixed start 1, 0, .., 0.
const X1_AFTER_NC: u32 = {
    let mut x = 1u32;
    let mut i = 0;
    while i < N_C {
        let new = (x ^ (x >> 3)) & 1;
        x = (x >> 1) | (new << 30);
        i += 1;
    }
    x
};

/// Runs `n` <= 28 steps of x1(n+31) = x1(n+3) + x1(n) at once.
fn step_x1(x: u32, n: usize) -> u32 {
    let new = x ^ (x >> 3);
    ((x >> n) | (new << (31 - n))) & 0x7fff_ffff
}

/// Runs `n` <= 28 steps of x2(n+31) = x2(n+3) + x2(n+2) + x2(n+1) + x2(n) at once.
fn step_x2(x: u32, n: usize) -> u32 {
    let new = x ^ (x >> 1) ^ (x >> 2) ^ (x >> 3);
    ((x >> n) | (new << (31 - n))) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows the clause literally, without any regard to speed.
    fn literal(c_init: u32, len: usize) -> Vec<u8> {
        let total = N_C + len + 31;
        let (mut x1, mut x2) = (vec![0u8; total], vec![0u8; total]);
        x1[0] = 1;
        for i in 0..31 {
            x2[i] = ((c_init >> i) & 1) as u8;
        }
        for n in 0..total - 31 {
            x1[n + 31] = x1[n + 3] ^ x1[n];
            x2[n + 31] = x2[n + 3] ^ x2[n + 2] ^ x2[n + 1] ^ x2[n];
        }
        (0..len).map(|n| x1[n + N_C] ^ x2[n + N_C]).collect()
    }

    #[test]
    // TS 36.211 §9.3.1 with §7.2
    fn agrees_with_the_clause() {
        for c_init in [0, 1, 510, 252, 0x7fff_ffff, 48861 << 14 | 4 << 9 | 510] {
            assert_eq!(gold_sequence(c_init, 1000), literal(c_init, 1000));
            let mut g = Gold::new(c_init);
            g.skip(123);
            let mut out = [0; 77];
            g.fill(&mut out);
            assert_eq!(out[..], literal(c_init, 200)[123..]);
        }
    }
}
