//! The one source of randomness of the channel models: a seeded generator, the same on every platform.
//!
//! xoshiro256++ 1.0 (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", ACM Trans. Math.
//! Softw. 47(4), 2021), its state filled by splitmix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom
//! number generators", OOPSLA 2014) as its authors advise. Not for secrets.

use crate::Sample;
use crate::kernel::channel::box_muller;
use crate::kernel::noise::Generators;

/// Deterministic generator: one seed, one sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// Makes a generator for `seed`; neighbouring seeds give unrelated sequences.
    pub fn new(seed: u64) -> Self {
        let mut mixer = seed;
        Self { state: core::array::from_fn(|_| splitmix64(&mut mixer)) }
    }

    /// Makes a generator that depends on this one's seed and on `stream`, without changing this one.
    ///
    /// Taken right after [`Rng::new`] it gives each part of a simulation (each antenna, each path) its own sequence.
    pub fn fork(&self, stream: u64) -> Self {
        let mut mixer = stream;
        let salt = splitmix64(&mut mixer);
        Self::new(self.state[0] ^ self.state[3].rotate_left(32) ^ salt)
    }

    /// Returns 64 uniform bits.
    #[inline(always)]
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Draws uniformly from `[0, 1)` with 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Draws uniformly from `0..bound`; 0 if `bound` is 0. The bias is below `bound / 2⁶⁴`.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Draws a circular complex Gaussian of mean 0 and power `E|z|² = 1` (1/2 in each of I and Q).
    ///
    /// Box-Muller over one 64-bit draw: 31 bits for the radius, 32 for the angle. The tail ends at `|z| = 4.7`,
    /// 6.6 standard deviations of a component.
    #[inline]
    pub fn complex_gaussian(&mut self) -> Sample {
        let (re, im) = box_muller(self.next_u64());
        Sample::new(re, im)
    }

    /// Hands `(index, z)` of `count` draws of [`Rng::complex_gaussian`] to `sink`, in order; faster than one by one.
    #[inline(always)]
    pub(crate) fn for_each_gaussian(&mut self, count: usize, mut sink: impl FnMut(usize, f32, f32)) {
        const CHUNK: usize = 64;
        let mut bits = [0_u64; CHUNK];
        let mut re = [0.0_f32; CHUNK];
        let mut im = [0.0_f32; CHUNK];
        let mut done = 0;
        while done < count {
            let length = CHUNK.min(count - done);
            for b in &mut bits[..length] {
                *b = self.next_u64();
            }
            // The whole chunk, even if only a part of it is used: a fixed length vectorises best.
            for i in 0..CHUNK {
                (re[i], im[i]) = box_muller(bits[i]);
            }
            for i in 0..length {
                sink(done + i, re[i], im[i]);
            }
            done += length;
        }
    }
}

impl Rng {
    /// Makes generators of noise in lanes that depend on this one's seed and on `stream`, as [`Rng::fork`] does.
    pub(super) fn fork_lanes(&self, stream: u64) -> Generators {
        let mut mixer = self.fork(stream).state[0];
        Generators::new(&core::array::from_fn(|_| splitmix64(&mut mixer)))
    }
}

/// The finaliser and the increment of splitmix64.
fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference values of both algorithms that are in general use (the `rand_xoshiro` crate tests against the
    /// first): state {1, 2, 3, 4} for xoshiro256++, seed 1234567 for splitmix64.
    #[test]
    fn published_sequences() {
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let first: [u64; 4] = core::array::from_fn(|_| rng.next_u64());
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
        let mut state = 1_234_567;
        let mixed: [u64; 3] = core::array::from_fn(|_| splitmix64(&mut state));
        assert_eq!(mixed, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    /// The samples themselves are pinned: a platform that computes others is detected.
    #[test]
    fn gaussian_samples_are_pinned() {
        let mut rng = Rng::new(42);
        let bits: [(u32, u32); 4] = core::array::from_fn(|_| {
            let z = rng.complex_gaussian();
            (z.re.to_bits(), z.im.to_bits())
        });
        assert_eq!(bits, PINNED, "{bits:#x?}");
    }

    const PINNED: [(u32, u32); 4] = [
        (0xbd4a_eca5, 0x3ee6_aa2f),
        (0xbf14_e3e8, 0x3f65_ab19),
        (0x3df9_7541, 0x3d19_4689),
        (0x3f11_060e, 0x3e3d_2f9d),
    ];

    #[test]
    fn chunked_and_single_draws_agree() {
        let mut one = Rng::new(7);
        let mut many = Rng::new(7);
        for count in [0, 1, 63, 64, 65, 200] {
            many.for_each_gaussian(count, |_, re, im| {
                assert_eq!(one.complex_gaussian(), Sample::new(re, im))
            });
        }
        assert_eq!(one, many);
    }

    #[test]
    fn uniform_moments_and_bounds() {
        let mut rng = Rng::new(3);
        let n = 100_000;
        let (mut sum, mut square) = (0.0, 0.0);
        for _ in 0..n {
            let u = rng.uniform();
            assert!((0.0..1.0).contains(&u));
            sum += u;
            square += u * u;
            assert!(rng.below(10) < 10);
        }
        let n = f64::from(n);
        // Five standard deviations of the estimates.
        assert!((sum / n - 0.5).abs() < 5.0 * 0.289 / n.sqrt());
        assert!((square / n - 1.0 / 3.0).abs() < 5.0 * 0.299 / n.sqrt());
    }

    #[test]
    fn forks_differ_and_repeat() {
        let rng = Rng::new(5);
        assert_eq!(rng.fork(1), rng.fork(1));
        assert_ne!(rng.fork(1), rng.fork(2));
        assert_ne!(rng.fork(1), Rng::new(6).fork(1));
    }
}
