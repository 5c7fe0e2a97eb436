//! PSSS correlation by fast convolution, and the list of its peaks.
//!
//! The spectrum of PSSS fits into half of the 1.92 MHz: the product of the spectra is transformed back at half the
//! length, and correlation values come every second sample.

use super::super::diversity::as_of_one;
use super::{FFT, SSSS_LEN};
use crate::Sample;
use crate::kernel::Backend;
use crate::kernel::sync::{Loops, loops};
use crate::units::Antennas;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Forward transform length; of each, `BLOCK - FFT` samples are new.
const BLOCK: usize = 1024;

/// Correlation values a block.
const HOP: usize = (BLOCK - FFT) / 2;

/// Length in values of a neighbourhood, of which one maximum is kept: the places of one burst.
const NEIGHBOURHOOD: usize = 96;

/// Samples in a cell of the energy map.
const CELL: usize = 32;

pub(super) struct Correlator {
    loops: Loops,
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    /// Conjugate spectra of the templates on the bins that are kept.
    spectra: [Vec<Sample>; 2],
    spectrum: Vec<Sample>,
    work: Vec<Sample>,
    scratch: Vec<Sample>,
    /// |correlation|^2 of the two roots, one value for two samples.
    power: [Vec<f32>; 2],
    energy: Vec<f32>,
    /// The energies of one antenna, and of one of several in order.
    own: Vec<f32>,
    order: Vec<f32>,
    /// Powers of both symbols of the pair.
    pairs: Vec<f32>,
    /// Weight of each antenna in sums over them: the inverse of its median energy, 1 for a single one.
    weights: [f32; Antennas::MAX],
    /// Best value of each neighbourhood and root: normalised metric and place.
    metrics: [Vec<f32>; 2],
    places: [Vec<u32>; 2],
    spacing: usize,
    values: usize,
}

/// Energy below this share of the strongest in the block is silence: 60 dB down.
const SILENCE: f32 = 1e-6;

/// Least median of the energies of an antenna that counts as its noise, against the mean.
const LEAST_NOISE: f32 = 1e-3;

/// A place to examine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) root: usize,
    /// Sample at 1.92 MS/s.
    pub(super) at: usize,
}

impl Correlator {
    pub(super) fn new(
        planner: &mut FftPlanner<f32>,
        templates: &[[Sample; FFT]; 2],
        spacing: usize,
        max_samples: usize,
    ) -> Self {
        let forward = planner.plan_fft_forward(BLOCK);
        let inverse = planner.plan_fft_inverse(BLOCK / 2);
        let spectra = templates.map(|t| {
            let mut x = vec![Sample::default(); BLOCK];
            x[..FFT].copy_from_slice(&t);
            forward.process(&mut x);
            kept_bins(&x).map(|v| v.conj() * (1.0 / BLOCK as f32)).collect()
        });
        let blocks = max_samples.div_ceil(2 * HOP) + 1;
        let scratch = [
            forward.get_inplace_scratch_len(),
            forward.get_immutable_scratch_len(),
            inverse.get_inplace_scratch_len(),
        ];
        Self {
            loops: loops(Backend::detect()),
            forward,
            inverse,
            spectra,
            spectrum: vec![Sample::default(); BLOCK],
            work: vec![Sample::default(); BLOCK / 2],
            scratch: vec![Sample::default(); scratch.into_iter().fold(0, usize::max)],
            power: std::array::from_fn(|_| vec![0.0; blocks * HOP]),
            energy: vec![0.0; max_samples.div_ceil(CELL) + 1],
            own: vec![0.0; max_samples.div_ceil(CELL) + 1],
            order: vec![0.0; max_samples.div_ceil(CELL) + 1],
            pairs: vec![0.0; blocks * HOP],
            weights: [1.0; Antennas::MAX],
            metrics: std::array::from_fn(|_| Vec::with_capacity(blocks * HOP / NEIGHBOURHOOD + 1)),
            places: std::array::from_fn(|_| Vec::with_capacity(blocks * HOP / NEIGHBOURHOOD + 1)),
            spacing,
            values: 0,
        }
    }

    /// Correlates the samples of all antennas, and adds the powers.
    pub(super) fn run(&mut self, antennas: &[&[Sample]]) {
        let count = antennas.first().map_or(0, |samples| samples.len());
        self.values = count.saturating_sub(FFT) / 2;
        self.metrics.iter_mut().for_each(Vec::clear);
        self.places.iter_mut().for_each(Vec::clear);
        self.weights[0] = 1.0;
        for (a, samples) in antennas.iter().enumerate() {
            if antennas.len() > 1 {
                self.measure(a, samples);
            }
            self.correlate(a, samples, antennas.len());
        }
        self.collect(count, antennas.len());
    }

    /// Returns the loops of this machine.
    pub(super) fn loops(&self) -> &Loops {
        &self.loops
    }

    /// Returns the weight of each antenna in sums of powers.
    pub(super) fn weights(&self) -> [f32; Antennas::MAX] {
        self.weights
    }

    /// Adds the energy of antenna `a` of several to the map, with its weight.
    fn measure(&mut self, a: usize, samples: &[Sample]) {
        let cells = samples.len().div_ceil(CELL);
        let own = &mut self.own[..cells];
        measure(&self.loops, samples, own);
        let order = &mut self.order[..cells];
        order.copy_from_slice(own);
        let mean = order.iter().sum::<f32>() / cells.max(1) as f32;
        let median = match order.is_empty() {
            true => 0.0,
            false => *order.select_nth_unstable_by(cells / 2, f32::total_cmp).1,
        };
        let level = median.max(LEAST_NOISE * mean);
        let weight = if level > 0.0 && level.is_finite() { 1.0 / level } else { 0.0 };
        self.weights[a] = weight;
        for (cell, energy) in self.energy.iter_mut().zip(&*own) {
            *cell = if a == 0 { energy * weight } else { *cell + energy * weight };
        }
    }

    /// Adds the correlations of antenna `a` of `antennas`. The energy of a single one is measured on the way, while its
    /// samples are at hand.
    fn correlate(&mut self, a: usize, samples: &[Sample], antennas: usize) {
        const { assert!((2 * HOP).is_multiple_of(CELL)) };
        let weight = self.weights[a];
        let mut at = 0;
        while at < self.values {
            let from = 2 * at;
            match samples[from..].first_chunk::<BLOCK>() {
                Some(block) => {
                    self.forward.process_immutable_with_scratch(block, &mut self.spectrum, &mut self.scratch)
                }
                None => {
                    let available = samples.len() - from;
                    self.spectrum[..available].copy_from_slice(&samples[from..]);
                    self.spectrum[available..].fill(Sample::default());
                    self.forward.process_with_scratch(&mut self.spectrum, &mut self.scratch);
                }
            }
            if antennas == 1 {
                let block = &samples[from..samples.len().min(from + 2 * HOP)];
                measure(&self.loops, block, &mut self.energy[from / CELL..]);
            }
            let n = HOP.min(self.values - at);
            for root in 0..2 {
                let (low, high) = self.work.split_at_mut(BLOCK / 4);
                let (templates, spectrum) = (&self.spectra[root], &self.spectrum);
                (self.loops.product)(&spectrum[..BLOCK / 4], &templates[..BLOCK / 4], low);
                (self.loops.product)(&spectrum[BLOCK * 3 / 4..], &templates[BLOCK / 4..], high);
                self.inverse.process_with_scratch(&mut self.work, &mut self.scratch);
                let add = if a == 0 { self.loops.powers } else { self.loops.add_powers };
                add(&self.work, weight, &mut self.power[root][at..at + n]);
            }
            at += HOP;
        }
        if antennas == 1 {
            let from = samples.len().min(2 * at);
            measure(&self.loops, &samples[from..], &mut self.energy[from / CELL..]);
        }
    }

    /// Collects the best place of every neighbourhood.
    fn collect(&mut self, samples: usize, antennas: usize) {
        // the second symbol of the pair is `spacing` samples on, which may be half a value: take both sides
        let (near, far) = (self.spacing / 2, self.spacing.div_ceil(2));
        let cells = samples.div_ceil(CELL);
        // in silence the rounding errors of the transforms can look like a peak
        let strongest = self.energy[..cells].iter().copied().fold(0.0, f32::max);
        let span = (FFT + self.spacing).div_ceil(CELL);
        let floor = SILENCE * strongest * span as f32;
        for root in 0..2 {
            let power = &self.power[root][..self.values];
            let places = self.values.saturating_sub(far);
            let pairs = &mut self.pairs[..places];
            (self.loops.pairs)(power, &power[near.min(self.values)..], &power[far.min(self.values)..], pairs);
            for (part, start) in pairs.chunks(NEIGHBOURHOOD).zip((0..).step_by(NEIGHBOURHOOD)) {
                let most = (self.loops.maximum)(part);
                let best = (most, start + (self.loops.find)(part, most).unwrap_or(0));
                let cell = 2 * best.1 / CELL;
                let energy: f32 = self.energy[cell..(cell + span).min(cells)].iter().sum();
                let metric = if energy > floor { best.0 / energy } else { 0.0 };
                let metric = as_metric_of_one(metric, (FFT + self.spacing) as f32, antennas);
                self.metrics[root].push(metric);
                self.places[root].push(best.1 as u32);
            }
        }
    }

    /// Takes the best remaining place, if its metric reaches `least`.
    pub(super) fn take_best(&mut self, least: f32) -> Option<Candidate> {
        let [first, second] = self.metrics.each_ref().map(|metrics| (self.loops.maximum)(metrics));
        let (root, most) = if second > first { (1, second) } else { (0, first) };
        if most <= 0.0 || most < least {
            return None;
        }
        let i = (self.loops.find)(&self.metrics[root], most)?;
        let at = 2 * self.places[root][i] as usize;
        self.metrics[root][i] = 0.0;
        Some(Candidate { root, at })
    }
}

/// Writes the energy of every cell of `samples`.
fn measure(loops: &Loops, samples: &[Sample], cells: &mut [f32]) {
    (loops.energy)(samples, cells);
    let (whole, rest) = samples.as_chunks::<CELL>();
    if !rest.is_empty() {
        cells[whole.len()] = rest.iter().map(|x| x.norm_sqr()).sum();
    }
}

/// Converts the metric of several antennas over `samples` each to that of one with the same false-alarm rate: two symbols
/// have two degrees of freedom.
fn as_metric_of_one(metric: f32, samples: f32, antennas: usize) -> f32 {
    match antennas {
        0 | 1 => metric,
        _ => as_of_one(metric * samples * antennas as f32, 2.0, antennas as f32) / samples,
    }
}

/// Returns the central half of a spectrum, in the order of the half-length transform.
fn kept_bins(x: &[Sample]) -> impl Iterator<Item = Sample> + '_ {
    const { assert!(SSSS_LEN < FFT / 2) };
    x[..BLOCK / 4].iter().chain(&x[BLOCK * 3 / 4..]).copied()
}
