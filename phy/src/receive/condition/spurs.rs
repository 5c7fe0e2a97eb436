//! Spurs: lines of a receiver's own clocks and supplies, anywhere in the band, that never pause.
//!
//! ```text
//! Watch   the mean logarithm of 16 short spectra: what stands out in it is narrow, and there all the time
//! Tone    a line that was found: frequency, phase and amplitude, followed from block to block
//! ```
//!
//! A signal of a sidelink is at least 180 kHz wide and comes in bursts. The mean of logarithms hardly feels a burst, so that
//! even a line that is weaker than the bursts by 15 dB stands out.

mod tone;
mod watch;

use super::{LARGEST_MEAN, MEMORY};
use crate::Sample;
use tone::{Tone, Verdict};
use watch::Watch;

/// Lines that are followed at once.
const MOST: usize = 4;

/// Least distance of two lines in turns per block: three bins of a short spectrum, about 12 kHz.
const RESOLUTION: f64 = 12.0;

/// Takes spurs out of blocks of samples. Allocates nothing after construction.
#[derive(Clone)]
pub(super) struct Spurs {
    watch: Watch,
    tones: Vec<Tone>,
}

impl Spurs {
    /// For blocks of `block` samples.
    pub(super) fn new(block: usize) -> Self {
        Self { watch: Watch::new(block), tones: Vec::with_capacity(MOST) }
    }

    /// Takes what is known to be a spur out of a block of mean power `power`, and looks for others.
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

    /// Takes note of a block from which what was known to be a spur was taken out already.
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

    /// Looks for lines that are not known yet in a block that has passed.
    fn look(&mut self, block: &[Sample]) {
        let Self { watch, tones } = self;
        watch.look(block, |at| {
            let is_new = tones.iter().all(|t| t.apart(at) * block.len() as f64 > RESOLUTION);
            if tones.len() < MOST && is_new {
                tones.push(Tone::new(at, block));
            }
        });
    }

    /// `count` samples pass, here or unseen: the phases of all lines go on.
    pub(super) fn pass(&mut self, count: u64) {
        self.tones.iter_mut().for_each(|tone| tone.pass(count));
    }

    /// Frequencies are read the other way round from now on.
    pub(super) fn mirror(&mut self) {
        self.tones.iter_mut().for_each(Tone::mirror);
        self.watch.forget();
    }

    /// Samples come at another level from now on: nothing that was known holds.
    pub(super) fn forget(&mut self) {
        self.tones.clear();
        self.watch.forget();
    }

    /// Frequencies in turns per sample of the lines that are taken out.
    #[cfg(test)]
    pub(super) fn frequencies(&self) -> impl Iterator<Item = f64> {
        self.tones.iter().filter(|t| t.is_proven()).map(Tone::frequency)
    }
}

/// Takes spurs out of samples as they come, in pieces of blocks: by what the blocks before have shown, so that no sample is
/// delayed. Allocates nothing after construction.
#[derive(Clone)]
pub struct SpurTracker(Spurs);

impl SpurTracker {
    /// For blocks of `block` samples, about a subframe.
    pub fn new(block: usize) -> Self {
        Self(Spurs::new(block))
    }

    /// Takes out of `samples` what is known, of which the first is number `offset` of the block at hand.
    pub fn subtract(&self, offset: usize, samples: &mut [Sample]) {
        self.0.tones.iter().filter(|t| t.is_proven()).for_each(|t| t.subtract(offset, samples));
    }

    /// Takes note of the block at hand, whole, from which [`Self::subtract`] has taken what was known; another begins.
    pub fn observe(&mut self, block: &[Sample]) {
        self.0.observe(block);
    }

    /// `count` samples pass of which nothing is learnt.
    pub fn pass(&mut self, count: u64) {
        self.0.pass(count);
    }

    /// Nothing that was known holds any more.
    pub fn forget(&mut self) {
        self.0.forget();
    }
}

#[cfg(test)]
mod tests;
