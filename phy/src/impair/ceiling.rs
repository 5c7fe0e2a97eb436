//! Share of samples at a stream's own limits: an accumulation there reveals an overdriven converter.

use crate::Sample;

/// The largest and the smallest component of a stream, and the number of their occurrences.
///
/// A signal that was never limited reaches its extremes once or twice; a limited one stays on them. Components that are
/// not finite are skipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// Number of components examined.
    pub components: u64,
    /// The largest.
    pub max: f32,
    /// The smallest.
    pub min: f32,
    /// Components that equal `max`.
    pub at_max: u64,
    /// Components that equal `min`.
    pub at_min: u64,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self { components: 0, max: f32::NEG_INFINITY, min: f32::INFINITY, at_max: 0, at_min: 0 }
    }
}

impl Ceiling {
    /// Adds the next samples.
    pub fn add(&mut self, samples: &[Sample]) {
        for x in samples.iter().flat_map(|s| [s.re, s.im]).filter(|x| x.is_finite()) {
            self.components += 1;
            if x > self.max {
                (self.max, self.at_max) = (x, 0);
            }
            if x < self.min {
                (self.min, self.at_min) = (x, 0);
            }
            self.at_max += u64::from(x == self.max);
            self.at_min += u64::from(x == self.min);
        }
    }

    /// Returns the share of the components that are at an extreme, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.components == 0 { 0.0 } else { (self.at_max + self.at_min) as f64 / self.components as f64 }
    }

    /// Whether the stream looks limited: it varies, and its extremes occur far more often than a peak would.
    pub fn is_limited(&self) -> bool {
        self.min < self.max && self.at_max.min(self.at_min) >= 4 && self.share() > 2e-5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::awgn::Awgn;
    use crate::impair::offset::Saturation;

    fn noise() -> Vec<Sample> {
        let mut x = vec![Sample::default(); 100_000];
        Awgn::new(0.1, 3).process(&mut x);
        x
    }

    fn of(x: &[Sample]) -> Ceiling {
        let mut c = Ceiling::default();
        x.chunks(777).for_each(|part| c.add(part));
        c
    }

    #[test]
    fn noise_is_not_limited_until_it_is() {
        let mut x = noise();
        assert!(!of(&x).is_limited(), "{:?}", of(&x));
        Saturation::new(0.9).process(&mut x);
        let c = of(&x);
        assert!(c.is_limited());
        assert_eq!((c.max, c.min), (0.9, -0.9));
        let mut words = noise();
        Saturation::with_word_length(1.2, 16).process(&mut words);
        assert!(!of(&words).is_limited(), "{:?}", of(&words));
    }

    #[test]
    fn silence_a_constant_and_nothing_are_not() {
        assert!(!of(&[]).is_limited());
        assert!(!of(&[Sample::default(); 1000]).is_limited());
        assert!(!of(&[Sample::new(0.5, 0.5); 1000]).is_limited());
        assert_eq!(of(&[Sample::new(f32::NAN, 1.0), Sample::new(2.0, f32::INFINITY)]).components, 2);
    }
}
