//! Random numbers as an argument.

/// A source of random numbers, provided by the caller, whose generator determines their quality.
pub trait Rng {
    /// Returns 64 independent random bits.
    fn next_u64(&mut self) -> u64;
}

impl<F: FnMut() -> u64> Rng for F {
    fn next_u64(&mut self) -> u64 {
        self()
    }
}
