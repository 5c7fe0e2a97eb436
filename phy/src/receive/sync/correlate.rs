//! PSSS correlation by fast convolution, and the list of its peaks.
//!
//! The spectrum of PSSS fits into half of the 1.92 MHz: the product of the spectra is transformed back at half the
//! length, and correlation values come every second sample.

use super::super::diversity::as_of_one;
use super::{FFT, SSSS_LEN};
use crate::Sample;
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
    /// The energies of one of several antennas, in order.
    order: Vec<f32>,
    /// Weight of each antenna in sums over them: the inverse of its median energy, 1 for a single one.
    weights: [f32; Antennas::MAX],
    /// Best value of each neighbourhood and root: normalised metric and place.
    peaks: [Vec<(f32, u32)>; 2],
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
        let scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        Self {
            forward,
            inverse,
            spectra,
            spectrum: vec![Sample::default(); BLOCK],
            work: vec![Sample::default(); BLOCK / 2],
            scratch: vec![Sample::default(); scratch],
            power: std::array::from_fn(|_| vec![0.0; blocks * HOP]),
            energy: vec![0.0; max_samples.div_ceil(CELL) + 1],
            order: vec![0.0; max_samples.div_ceil(CELL) + 1],
            weights: [1.0; Antennas::MAX],
            peaks: std::array::from_fn(|_| Vec::with_capacity(blocks * HOP / NEIGHBOURHOOD + 1)),
            spacing,
            values: 0,
        }
    }

    /// Correlates the samples of all antennas, and adds the powers.
    pub(super) fn run(&mut self, antennas: &[&[Sample]]) {
        let count = antennas.first().map_or(0, |samples| samples.len());
        self.values = count.saturating_sub(FFT) / 2;
        for peaks in &mut self.peaks {
            peaks.clear();
        }
        for (a, samples) in antennas.iter().enumerate() {
            self.measure(a, samples, antennas.len());
            self.correlate(a, samples);
        }
        self.collect(count, antennas.len());
    }

    /// Returns the weight of each antenna in sums of powers.
    pub(super) fn weights(&self) -> [f32; Antennas::MAX] {
        self.weights
    }

    /// Adds the energy of antenna `a` of `antennas` to the map, with its weight.
    fn measure(&mut self, a: usize, samples: &[Sample], antennas: usize) {
        let cells = samples.len().div_ceil(CELL);
        let energies = samples.chunks(CELL).map(|x| x.iter().map(|v| v.norm_sqr()).sum::<f32>());
        self.weights[a] = 1.0;
        if antennas > 1 {
            let order = &mut self.order[..cells];
            order.iter_mut().zip(energies.clone()).for_each(|(cell, energy)| *cell = energy);
            let mean = order.iter().sum::<f32>() / cells.max(1) as f32;
            let median = match order.is_empty() {
                true => 0.0,
                false => *order.select_nth_unstable_by(cells / 2, f32::total_cmp).1,
            };
            let level = median.max(LEAST_NOISE * mean);
            self.weights[a] = if level > 0.0 && level.is_finite() { 1.0 / level } else { 0.0 };
        }
        let weight = self.weights[a];
        for (cell, energy) in self.energy.iter_mut().zip(energies) {
            *cell = if a == 0 { energy * weight } else { *cell + energy * weight };
        }
    }

    /// Adds the correlations of antenna `a`.
    fn correlate(&mut self, a: usize, samples: &[Sample]) {
        let weight = self.weights[a];
        let mut at = 0;
        while at < self.values {
            let from = 2 * at;
            let available = (samples.len() - from).min(BLOCK);
            self.spectrum[..available].copy_from_slice(&samples[from..from + available]);
            self.spectrum[available..].fill(Sample::default());
            self.forward.process_with_scratch(&mut self.spectrum, &mut self.scratch);
            let n = HOP.min(self.values - at);
            for root in 0..2 {
                let product = kept_bins(&self.spectrum).zip(&self.spectra[root]);
                for (w, (x, t)) in self.work.iter_mut().zip(product) {
                    *w = x * t;
                }
                self.inverse.process_with_scratch(&mut self.work, &mut self.scratch);
                let power = self.power[root][at..at + n].iter_mut().zip(&self.work);
                if a == 0 {
                    power.for_each(|(p, w)| *p = w.norm_sqr() * weight);
                } else {
                    power.for_each(|(p, w)| *p += w.norm_sqr() * weight);
                }
            }
            at += HOP;
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
            let mut start = 0;
            while start < places {
                let end = (start + NEIGHBOURHOOD).min(places);
                let mut best = (0.0f32, start);
                for t in start..end {
                    let value = power[t] + power[t + near].max(power[t + far]);
                    if value > best.0 {
                        best = (value, t);
                    }
                }
                let cell = 2 * best.1 / CELL;
                let energy: f32 = self.energy[cell..(cell + span).min(cells)].iter().sum();
                let metric = if energy > floor { best.0 / energy } else { 0.0 };
                let metric = as_metric_of_one(metric, (FFT + self.spacing) as f32, antennas);
                self.peaks[root].push((metric, best.1 as u32));
                start = end;
            }
        }
    }

    /// Takes the best remaining place, if its metric reaches `least`.
    pub(super) fn take_best(&mut self, least: f32) -> Option<Candidate> {
        let mut best: Option<(f32, usize, usize)> = None;
        for (root, peaks) in self.peaks.iter().enumerate() {
            for (i, &(metric, _)) in peaks.iter().enumerate() {
                if metric >= least && best.is_none_or(|(m, ..)| metric > m) {
                    best = Some((metric, root, i));
                }
            }
        }
        let (_, root, i) = best?;
        let at = 2 * self.peaks[root][i].1 as usize;
        self.peaks[root][i].0 = 0.0;
        Some(Candidate { root, at })
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
