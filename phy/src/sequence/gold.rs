//! Length-31 Gold sequence (TS 36.211 §7.2).

/// Steps that are discarded at the start, N_C.
const N_C: usize = 1600;

/// Words of 32 bits from which the next ones follow: `x(n + 31) = x(n + 3) + x(n)`, squared five times, holds for words
/// as it does for bits.
const HISTORY: usize = 31;

/// Words that follow from [`HISTORY`] at once.
const STRIDE: usize = 28;

/// Generator of c(n), 32 bits at a time.
#[derive(Clone, Debug)]
pub struct Gold {
    x1: u32,
    x2: u32,
}

impl Gold {
    /// Starts at c(0) for the given c_init (31 bits).
    // TS 36.211 §9.3.1 with §7.2
    pub fn new(c_init: u32) -> Self {
        let chosen = |i: usize| X2_AFTER_NC[i] & (c_init >> i & 1).wrapping_neg();
        Self { x1: X1_AFTER_NC, x2: (0..31).fold(0, |x2, i| x2 ^ chosen(i)) }
    }

    /// Writes the next `out.len()` bits of c, each 0 or 1.
    pub fn fill(&mut self, out: &mut [u8]) {
        let (whole, rest) = out.as_chunks_mut::<32>();
        for bits in whole {
            let [x1, x2] = self.step();
            for (i, bit) in bits.iter_mut().enumerate() {
                *bit = ((x1 ^ x2) >> i & 1) as u8;
            }
        }
        let c = self.x1 ^ self.x2;
        for (i, bit) in rest.iter_mut().enumerate() {
            *bit = (c >> i & 1) as u8;
        }
        self.skip(rest.len());
    }

    /// Writes the next `32 out.len()` bits of c, the first one in the lowest place of the first word.
    pub fn fill_words(&mut self, out: &mut [u32]) {
        let (first, rest) = out.split_at_mut(out.len().min(HISTORY));
        let mut history = [[0u32; HISTORY]; 2];
        for (i, word) in first.iter_mut().enumerate() {
            let [x1, x2] = self.step();
            (history[0][i], history[1][i]) = (x1, x2);
            *word = x1 ^ x2;
        }
        if rest.is_empty() {
            return;
        }
        let [h1, h2] = &mut history;
        for out in rest.chunks_mut(STRIDE) {
            let next1: [u32; STRIDE] = std::array::from_fn(|i| h1[i] ^ h1[i + 3]);
            let next2: [u32; STRIDE] = std::array::from_fn(|i| h2[i] ^ h2[i + 1] ^ h2[i + 2] ^ h2[i + 3]);
            for ((out, a), b) in out.iter_mut().zip(next1).zip(next2) {
                *out = a ^ b;
            }
            for (history, next) in [(&mut *h1, next1), (&mut *h2, next2)] {
                history.copy_within(out.len().., 0);
                history[HISTORY - out.len()..].copy_from_slice(&next[..out.len()]);
            }
        }
        self.x1 = (h1[0] ^ h1[3]) & MASK;
        self.x2 = (h2[0] ^ h2[1] ^ h2[2] ^ h2[3]) & MASK;
    }

    /// Discards `n` bits.
    pub fn skip(&mut self, n: usize) {
        for _ in 0..n / 32 {
            self.step();
        }
        let left = n % 32;
        let (x1, x2) = (extend_x1(self.x1) >> left, extend_x2(self.x2) >> left);
        (self.x1, self.x2) = (x1 as u32 & MASK, x2 as u32 & MASK);
    }

    /// Returns the next 32 bits of x1 and of x2.
    fn step(&mut self) -> [u32; 2] {
        let (x1, x2) = (extend_x1(self.x1), extend_x2(self.x2));
        (self.x1, self.x2) = ((x1 >> 32) as u32 & MASK, (x2 >> 32) as u32 & MASK);
        [x1 as u32, x2 as u32]
    }
}

/// Returns the first `len` bits of c for `c_init`.
pub fn gold_sequence(c_init: u32, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    Gold::new(c_init).fill(&mut out);
    out
}

/// Returns at least the first `len` bits of c for `c_init`, as [`Gold::fill_words`] writes them.
pub fn gold_words(c_init: u32, len: usize) -> Vec<u32> {
    let mut out = vec![0; len.div_ceil(32)];
    Gold::new(c_init).fill_words(&mut out);
    out
}

/// A state: 31 bits.
const MASK: u32 = 0x7fff_ffff;

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

/// x2 after N_C steps from each start with a single 1: the steps are linear.
const X2_AFTER_NC: [u32; 31] = {
    let mut after = [0; 31];
    let mut i = 0;
    while i < 31 {
        let (mut x, mut steps) = (1u32 << i, 0);
        while steps < N_C {
            x = (extend_x2(x) >> 32) as u32 & MASK;
            steps += 32;
        }
        after[i] = x;
        i += 1;
    }
    after
};

/// Returns 64 bits of x1(n+31) = x1(n+3) + x1(n) from the first 31.
const fn extend_x1(x: u32) -> u64 {
    let x = x as u64;
    let x = x | (x ^ x >> 3) << 36 >> 5;
    x | (x >> 28 ^ x >> 31) << 59
}

/// Returns 64 bits of x2(n+31) = x2(n+3) + x2(n+2) + x2(n+1) + x2(n) from the first 31.
const fn extend_x2(x: u32) -> u64 {
    let x = x as u64;
    let x = x | (x ^ x >> 1 ^ x >> 2 ^ x >> 3) << 36 >> 5;
    x | (x >> 28 ^ x >> 29 ^ x >> 30 ^ x >> 31) << 59
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
            let exact = literal(c_init, 32 * 100 + 64);
            for words in [1, 2, 30, 31, 32, 58, 59, 60, 100] {
                let mut g = Gold::new(c_init);
                let mut out = vec![0; words];
                g.fill_words(&mut out);
                let bits: Vec<u8> =
                    out.iter().flat_map(|w| (0..32).map(move |i| (w >> i & 1) as u8)).collect();
                assert_eq!(bits, exact[..32 * words]);
                let mut after = [0; 64];
                g.fill(&mut after);
                assert_eq!(after[..], exact[32 * words..32 * words + 64], "after {words} words");
            }
        }
    }
}
