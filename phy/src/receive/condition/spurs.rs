//! Spurs: lines of a receiver's own clocks and supplies, anywhere in the band, that never pause.
//!
//! ```text
//! Watch   the mean logarithm of 16 short spectra: peaks in it are narrow, and permanent
//! Tone    a detected line: frequency, phase and amplitude, tracked from block to block
//! ```
//!
//! A signal of a sidelink is at least 180 kHz wide and comes in bursts. A burst hardly changes the mean of logarithms:
//! even a line that is weaker than the bursts by 15 dB stands out.

mod tone;
mod watch;

use super::{LARGEST_MEAN, MEMORY};
use crate::Sample;
use tone::{Tone, Verdict};
use watch::Watch;

/// Largest number of lines that are tracked.
const MOST: usize = 4;

/// Least distance of two lines in turns per block: three bins of a short spectrum, about 12 kHz.
const RESOLUTION: f64 = 12.0;

/// Subtracts spurs from blocks of samples. Allocates nothing after construction.
#[derive(Clone)]
pub(super) struct Spurs {
    watch: Watch,
    tones: Vec<Tone>,
}

impl Spurs {
    /// Makes it for blocks of `block` samples.
    pub(super) fn new(block: usize) -> Self {
        Self { watch: Watch::new(block), tones: Vec::with_capacity(MOST) }
    }

    /// Subtracts the known spurs from a block of mean power `power`, and searches for others.
    pub(super) fn process(&mut self, block: &mut [Sample], power: f64) {
        if power <= 0.0 || !power.is_finite() {
            self.pass(block.len() as u64);
            return;
        }
        self.tones.retain_mut(|tone| match tone.follow(block, power) {
            Verdict::Gone => false,
            Verdict::Unproven => true,
            Verdict::Proven => {
                tone.subtract(0, block);
                true
            }
        });
        self.pass(block.len() as u64);
        self.look(block);
    }

    /// Observes a block from which the known spurs were already subtracted.
    fn observe(&mut self, block: &[Sample]) {
        let power = super::moments(block).1;
        if power <= 0.0 || !power.is_finite() {
            self.pass(block.len() as u64);
            return;
        }
        self.tones.retain_mut(|tone| tone.follow_cleaned(block, power) != Verdict::Gone);
        self.pass(block.len() as u64);
        self.look(block);
    }

    /// Searches a processed block for unknown lines.
    fn look(&mut self, block: &[Sample]) {
        let Self { watch, tones } = self;
        watch.look(block, |at| {
            let is_new = tones.iter().all(|t| t.apart(at) * block.len() as f64 > RESOLUTION);
            if tones.len() < MOST && is_new {
                tones.push(Tone::new(at, block));
            }
        });
    }

    /// Advances the phases of all lines by `count` samples, observed or not.
    pub(super) fn pass(&mut self, count: u64) {
        self.tones.iter_mut().for_each(|tone| tone.pass(count));
    }

    /// Forgets all lines: the level of the samples changes from now on.
    pub(super) fn forget(&mut self) {
        self.tones.clear();
        self.watch.forget();
    }

    /// Returns the frequencies in turns per sample of the lines that are subtracted.
    #[cfg(test)]
    pub(super) fn frequencies(&self) -> impl Iterator<Item = f64> {
        self.tones.iter().filter(|t| t.is_proven()).map(Tone::frequency)
    }
}

/// Subtracts spurs from samples as they come, in pieces of blocks: by the estimates of earlier blocks, so that no
/// sample is delayed. Allocates nothing after construction.
#[derive(Clone)]
pub struct SpurTracker(Spurs);

impl SpurTracker {
    /// Makes it for blocks of `block` samples, about a subframe.
    pub fn new(block: usize) -> Self {
        Self(Spurs::new(block))
    }

    /// Subtracts the known spurs from `samples`, of which the first is number `offset` of the present block.
    pub fn subtract(&self, offset: usize, samples: &mut [Sample]) {
        self.0.tones.iter().filter(|t| t.is_proven()).for_each(|t| t.subtract(offset, samples));
    }

    /// Observes the complete present block, from which [`Self::subtract`] has removed the known spurs; the next one
    /// begins.
    pub fn observe(&mut self, block: &[Sample]) {
        self.0.observe(block);
    }

    /// Passes `count` samples without observing them.
    pub fn pass(&mut self, count: u64) {
        self.0.pass(count);
    }

    /// Forgets all lines.
    pub fn forget(&mut self) {
        self.0.forget();
    }
}

#[cfg(test)]
mod tests;
