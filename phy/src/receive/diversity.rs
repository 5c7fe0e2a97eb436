//! Several antennas: quality of each, and detection statistics whose false-alarm rates are those of one antenna.
//!
//! Antennas differ in gain and in noise, and one may be dead. Each is therefore normalised by its own energy before
//! anything is added: the evidence of an antenna that explains the share `s` of `n` values is the gain in likelihood
//! over noise of unknown power, `-n ln(1 - s)`.

use crate::Sample;
use crate::units::Antennas;

/// Largest share that is counted: logarithms stay finite.
const LARGEST_SHARE: f32 = 0.999_999;

/// Power of a sample beyond which it is taken for damage: sums of them stay within single precision.
const DAMAGED: f32 = 1e24;

/// Signal and noise of each antenna.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PerAntenna {
    count: u8,
    signal: [f32; Antennas::MAX],
    noise: [f32; Antennas::MAX],
}

impl PerAntenna {
    /// Adds an antenna: powers of a resource element; both 0 for one that received nothing. More than
    /// [`Antennas::MAX`] are ignored.
    pub fn push(&mut self, signal: f32, noise: f32) {
        let at = self.count as usize;
        if at < Antennas::MAX {
            (self.signal[at], self.noise[at]) = (signal, noise);
            self.count += 1;
        }
    }

    /// Returns the number of antennas; 0 before any measurement.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Returns the power of the signal on a resource element of each antenna, in the scale of its samples.
    pub fn signals(&self) -> &[f32] {
        &self.signal[..self.count()]
    }

    /// Returns the power of the noise on a resource element of each antenna, interference included.
    pub fn noises(&self) -> &[f32] {
        &self.noise[..self.count()]
    }

    /// Returns the signal to noise ratio of antenna `index`; 0 if it received nothing.
    pub fn ratio(&self, index: usize) -> f32 {
        match (self.signals().get(index), self.noises().get(index)) {
            (Some(&signal), Some(&noise)) if noise > 0.0 => signal / noise,
            _ => 0.0,
        }
    }

    /// Returns a weight for each antenna in sums of powers: the inverse of its noise, 1 for a single antenna.
    pub(super) fn inverse_noise(&self) -> [f32; Antennas::MAX] {
        if self.count() <= 1 {
            return [1.0; Antennas::MAX];
        }
        self.noise.map(|noise| if noise > 0.0 { 1.0 / noise } else { 0.0 })
    }
}

/// Shares of the power that a reference explains, collected antenna by antenna.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shares {
    count: usize,
    shares: [f32; Antennas::MAX],
}

impl Shares {
    /// Adds an antenna on which the reference explains `part` of `energy`. Silent antennas do not count.
    pub(super) fn add(&mut self, part: f32, energy: f32) {
        if energy > 0.0 && self.count < Antennas::MAX {
            self.shares[self.count] = part / energy;
            self.count += 1;
        }
    }

    /// Returns the number of antennas that are not silent.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns the share of one antenna that noise exceeds as often as it exceeds these shares together; 0 without an
    /// antenna. Each antenna has `dimensions` values, of which noise explains `freedom`.
    pub(super) fn combined(&self, dimensions: f32, freedom: f32) -> f32 {
        if self.count <= 1 {
            return self.shares[0];
        }
        // Bartlett's correction: the gain of noise is its degrees of freedom on average
        let dimensions = dimensions - 0.5 * freedom;
        let of_noise = |share: &f32| (1.0 - share.min(LARGEST_SHARE)).ln();
        let gain = -dimensions * self.shares[..self.count].iter().map(of_noise).sum::<f32>();
        1.0 - (-as_of_one(gain, freedom, self.count as f32) / dimensions).exp()
    }
}

/// Converts a gain in likelihood of `antennas` antennas, which has `freedom` complex degrees of freedom an antenna in
/// noise, to that of one antenna with the same false-alarm rate.
///
/// Such gains have a gamma distribution, whose cube root is nearly normal (Wilson and Hilferty).
pub(super) fn as_of_one(gain: f32, freedom: f32, antennas: f32) -> f32 {
    if antennas <= 1.0 {
        return gain;
    }
    let all = freedom * antennas;
    let deviation = (gain / all).cbrt() - (1.0 - 1.0 / (9.0 * all));
    let root = 1.0 - 1.0 / (9.0 * freedom) + deviation * antennas.sqrt();
    freedom * root.max(0.0).powi(3)
}

/// The samples of several antennas, side by side and equally long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Views<'a> {
    count: usize,
    samples: [&'a [Sample]; Antennas::MAX],
}

impl<'a> Views<'a> {
    pub(super) fn new(antennas: impl Iterator<Item = &'a [Sample]>) -> Self {
        let mut views = Self { count: 0, samples: [&[]; Antennas::MAX] };
        for (view, samples) in views.samples.iter_mut().zip(antennas) {
            *view = samples;
            views.count += 1;
        }
        views
    }

    /// Returns the range of `len` samples from `start` on, `None` if it is not completely there.
    pub(super) fn part(&self, start: usize, len: usize) -> Option<Self> {
        let mut part = *self;
        for samples in &mut part.samples[..self.count] {
            *samples = samples.get(start..)?.get(..len)?;
        }
        Some(part)
    }
}

impl<'a> std::ops::Deref for Views<'a> {
    type Target = [&'a [Sample]];

    fn deref(&self) -> &Self::Target {
        &self.samples[..self.count]
    }
}

/// Whether a sample is a number that a receiver can have measured.
pub(super) fn is_sound(sample: &Sample) -> bool {
    sample.norm_sqr() < DAMAGED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;

    /// Shares of noise together exceed a threshold no more often than those of one antenna do, and not much more
    /// seldom.
    #[test]
    fn false_alarm_rates_are_those_of_one_antenna() {
        let mut rng = Rng::new(11);
        for (values, freedom) in [(24usize, 2usize), (96, 4), (96, 8)] {
            let share = |rng: &mut Rng| {
                let mut energy = |n: usize| (0..n).map(|_| rng.complex_gaussian().norm_sqr()).sum::<f32>();
                let (part, rest) = (energy(freedom), energy(values - freedom));
                (part, part + rest)
            };
            let mut of_one: Vec<f32> = (0..20_000)
                .map(|_| {
                    let (part, energy) = share(&mut rng);
                    part / energy
                })
                .collect();
            of_one.sort_unstable_by(f32::total_cmp);
            let threshold = of_one[of_one.len() - 400];
            for antennas in [2, 4] {
                let beyond = (0..20_000)
                    .filter(|_| {
                        let mut shares = Shares::default();
                        for _ in 0..antennas {
                            let (part, energy) = share(&mut rng);
                            shares.add(part, energy);
                        }
                        shares.combined(values as f32, freedom as f32) > threshold
                    })
                    .count();
                assert!(
                    (200..600).contains(&beyond),
                    "{values} {freedom} {antennas}: {beyond} instead of 400"
                );
            }
        }
    }

    #[test]
    fn a_silent_antenna_changes_nothing() {
        let mut shares = Shares::default();
        shares.add(0.25, 1.0);
        shares.add(0.0, 0.0);
        assert_eq!(shares.combined(96.0, 4.0), 0.25);
    }

    #[test]
    fn samples_that_no_receiver_measures_are_not_sound() {
        for (value, sound) in
            [(1.0, true), (0.0, true), (f32::NAN, false), (f32::INFINITY, false), (1e13, false)]
        {
            assert_eq!(is_sound(&Sample::new(0.0, value)), sound, "{value}");
        }
    }
}
