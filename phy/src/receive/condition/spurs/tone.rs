//! One tracked line.

use super::{LARGEST_MEAN, MEMORY};
use crate::Sample;
use num_complex::Complex64;
use std::f64::consts::TAU;

/// Samples for which the phasors of a line are computed once.
const TABLE: usize = 64;

/// Blocks after which a line is proven or dropped.
const TRIAL: u32 = 8;

/// Times that a line may jump before it is proven: a candidate that jumps more often is not a line.
const JUMPS: u32 = 3;

/// Verdict on a line after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not decided yet.
    Unproven,
    /// It is a line.
    Proven,
    /// It is not a line, or not any more.
    Gone,
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Tone {
    /// Frequency in turns per sample.
    step: f64,
    /// Phase in turns in the middle of the next block, where a mean over the block measures a phase.
    phase: f64,
    /// Samples from the start of a block to its middle.
    half: f64,
    /// Amplitude against a phasor of that phase.
    amplitude: Complex64,
    /// Sum of the weights of the mean `amplitude`: inverse powers of blocks.
    weight: f64,
    /// Effective number of blocks in the memory, old ones with less weight than new ones.
    span: f64,
    blocks: u32,
    jumps: u32,
    /// Blocks since the last jump.
    steady: u32,
}

impl Tone {
    /// Makes a line near frequency `at` (turns per sample) in `block`; the next block begins behind it.
    pub(super) fn new(at: f64, block: &[Sample]) -> Self {
        let mut tone = Self {
            step: at,
            phase: 0.0,
            half: 0.0,
            amplitude: Complex64::default(),
            weight: 0.0,
            span: 0.0,
            blocks: 0,
            jumps: 0,
            steady: 0,
        };
        // the turn from one quarter of the block to the next gives the frequency to a tenth of the inverse of its length
        let quarter = block.len() / 4;
        let mut turn = Complex64::default();
        let mut last: Option<Complex64> = None;
        for part in block.chunks_exact(quarter.max(1)).take(4) {
            let now = tone.mean(part);
            tone.pass(quarter as u64);
            turn += last.map_or(Complex64::default(), |last| now * last.conj());
            last = Some(now);
        }
        tone.step += turn.arg() / TAU / quarter.max(1) as f64;
        (tone.phase, tone.half) = (0.0, 0.5 * block.len() as f64);
        tone
    }

    /// Returns the distance to frequency `at` in turns per sample.
    pub(super) fn apart(&self, at: f64) -> f64 {
        let apart = (self.step - at).rem_euclid(1.0);
        apart.min(1.0 - apart)
    }

    /// Updates the line with a block of mean power `power`.
    pub(super) fn follow(&mut self, block: &[Sample], power: f64) -> Verdict {
        self.take_in(self.mean(block), block.len(), power)
    }

    /// Does the same for a block from which the line was already subtracted, if it is proven.
    pub(super) fn follow_cleaned(&mut self, block: &[Sample], power: f64) -> Verdict {
        let removed = if self.is_proven() { self.amplitude } else { Complex64::default() };
        self.take_in(self.mean(block) + removed, block.len(), power + removed.norm_sqr())
    }

    fn take_in(&mut self, mean: Complex64, block: usize, power: f64) -> Verdict {
        let rest = (power - mean.norm_sqr()).max(1e-6 * power);
        let error = mean - self.amplitude;
        if self.weight > 0.0 && error.norm_sqr() > LARGEST_MEAN * rest {
            self.jump(mean, block);
        }
        let now = 1.0 / rest;
        self.weight = MEMORY * self.weight + now;
        self.span = MEMORY * self.span + 1.0;
        let gain = now / self.weight;
        if gain == 1.0 {
            self.amplitude = mean;
        } else {
            self.correct(mean - self.amplitude, gain, block);
        }
        self.blocks = self.blocks.saturating_add(1);
        self.steady = self.steady.saturating_add(1);
        self.verdict()
    }

    /// Fits a straight line to the phase over all blocks so far, as a filter of two states: amplitude and frequency.
    fn correct(&mut self, error: Complex64, gain: f64, block: usize) {
        let blocks = (1.0 / gain).max(2.0);
        self.amplitude += error * (2.0 * (2.0 * blocks - 1.0) / (blocks * (blocks + 1.0)));
        let share = 6.0 / (blocks * (blocks + 1.0));
        let turns =
            (error * self.amplitude.conj()).im / self.amplitude.norm_sqr().max(f64::MIN_POSITIVE) / TAU;
        // number of blocks after which the next one with as much information as this one comes
        let between = (self.span * gain).max(1.0);
        self.step += share * turns.clamp(-0.25, 0.25) / (between * block as f64);
    }

    /// Handles a new phase or strength. If the frequency was proven, samples were lost; otherwise the frequency is not
    /// known well enough yet, and the turn corrects it.
    fn jump(&mut self, mean: Complex64, block: usize) {
        if self.steady < TRIAL {
            let turns = (mean * self.amplitude.conj()).arg() / TAU;
            self.step += turns / block as f64;
        }
        self.jumps += 1;
        (self.weight, self.span, self.steady) = (0.0, 0.0, 0);
    }

    fn verdict(&self) -> Verdict {
        let stands_out = self.amplitude.norm_sqr() * self.weight > LARGEST_MEAN;
        match (self.blocks >= TRIAL, stands_out) {
            (false, _) if self.jumps > JUMPS => Verdict::Gone,
            (false, _) => Verdict::Unproven,
            (true, true) => Verdict::Proven,
            (true, false) => Verdict::Gone,
        }
    }

    /// Subtracts the line from samples of the present block, from its sample `offset` on.
    pub(super) fn subtract(&self, offset: usize, samples: &mut [Sample]) {
        let table = self.table();
        let (mut at, turn) = self.start();
        at *= self.amplitude * Complex64::from_polar(1.0, TAU * (self.step * offset as f64).fract());
        for run in samples.chunks_mut(TABLE) {
            let base = Sample::new(at.re as f32, at.im as f32);
            run.iter_mut().zip(&table).for_each(|(x, t)| *x -= base * t);
            at *= turn;
        }
    }

    /// Advances the phase by `count` samples.
    pub(super) fn pass(&mut self, count: u64) {
        self.phase = (self.phase + (self.step * count as f64).fract()).fract();
    }

    /// Returns the mean of the block, turned back by the line's frequency and phase.
    fn mean(&self, block: &[Sample]) -> Complex64 {
        let table = self.table();
        let (mut at, turn) = self.start();
        let mut sum = Complex64::default();
        for run in block.chunks(TABLE) {
            let mut part = Sample::default();
            run.iter().zip(&table).for_each(|(x, t)| part += x * t.conj());
            sum += Complex64::new(part.re.into(), part.im.into()) * at.conj();
            at *= turn;
        }
        sum / block.len().max(1) as f64
    }

    /// Returns the phasor of the first sample, and the turn from one run of [`TABLE`] samples to the next.
    fn start(&self) -> (Complex64, Complex64) {
        let turn = |turns: f64| Complex64::from_polar(1.0, TAU * turns.fract());
        (turn(self.phase - self.step * self.half), turn(self.step * TABLE as f64))
    }

    fn table(&self) -> [Sample; TABLE] {
        let one = Complex64::from_polar(1.0, TAU * self.step);
        let mut at = Complex64::new(1.0, 0.0);
        std::array::from_fn(|_| {
            let now = Sample::new(at.re as f32, at.im as f32);
            at *= one;
            now
        })
    }

    #[cfg(test)]
    pub(super) fn frequency(&self) -> f64 {
        self.step
    }

    /// Whether the line is subtracted.
    pub(super) fn is_proven(&self) -> bool {
        self.verdict() == Verdict::Proven
    }
}
