//! Signals of other systems, and of our own without control information, for tests: nothing may be detected in them.

use super::super::{Config, Event, Receiver};
use crate::Sample;
use crate::channel::pssch;
use crate::grid::Grid;
use crate::impair::awgn::Awgn;
use crate::impair::rng::Rng;
use crate::numerology::Numerology;
use crate::sc_fdma::{Modulator, rotate};
use crate::sequence::dmrs::References;
use crate::units::{Bandwidth, CyclicPrefix, PrbRange, SidelinkMode, TransmissionMode};
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// A kind of signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Noise,
    /// A carrier at the centre, and noise.
    Dc,
    /// 15 kHz, DC left out, CRS on every third subcarrier of four symbols.
    Lte,
    /// The same with a shift of half a subcarrier: on our own subcarriers.
    LteShifted,
    /// 30 kHz, a DMRS symbol in each slot.
    Nr,
    /// Single carrier.
    Qpsk,
    Chirps,
    /// PSSCH of modes 3 and 4 without its PSCCH.
    OwnV2x,
    /// PSSCH of modes 1 and 2 without its PSCCH.
    OwnD2d,
}

pub(crate) const KINDS: [Kind; 9] = [
    Kind::Noise,
    Kind::Dc,
    Kind::Lte,
    Kind::LteShifted,
    Kind::Nr,
    Kind::Qpsk,
    Kind::Chirps,
    Kind::OwnV2x,
    Kind::OwnD2d,
];

/// Generates subframes of these kinds.
pub(crate) struct Foreign {
    numerology: Numerology,
    rng: Rng,
    noise: Awgn,
    ffts: [Arc<dyn Fft<f32>>; 2],
    grid: Grid,
    modulator: Modulator,
    encoders: [pssch::Encoder; 2],
    spectrum: Vec<Sample>,
    time: u64,
}

impl Foreign {
    pub(crate) fn new(bandwidth: Bandwidth, seed: u64) -> Self {
        let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
        let mut planner = FftPlanner::new();
        let references = Arc::new(References::new(bandwidth.prbs()));
        let encoder = |mode| pssch::Encoder::new(numerology, mode, references.clone());
        Self {
            numerology,
            rng: Rng::new(seed),
            noise: Awgn::new(1.0, !seed),
            ffts: [numerology.fft(), numerology.fft() / 2].map(|n| planner.plan_fft_inverse(n)),
            grid: Grid::new(numerology),
            modulator: Modulator::new(numerology),
            encoders: [encoder(TransmissionMode::Tm4), encoder(TransmissionMode::Tm2)],
            spectrum: Vec::new(),
            time: 0,
        }
    }

    /// Writes the next subframe, from 10 dB below the noise to 30 dB above it.
    pub(crate) fn fill(&mut self, kind: Kind, out: &mut [Sample]) {
        out.fill(Sample::default());
        match kind {
            Kind::Noise => {}
            Kind::Dc => out.fill(Sample::new(0.6, 0.8)),
            Kind::Lte => self.ofdm(out, 0, 0.0),
            Kind::LteShifted => self.ofdm(out, 0, 0.5),
            Kind::Nr => self.ofdm(out, 1, 0.0),
            Kind::Qpsk => self.single_carrier(out),
            Kind::Chirps => self.chirps(out),
            Kind::OwnV2x => self.own(out, 0),
            Kind::OwnD2d => self.own(out, 1),
        }
        let mean = out.iter().map(|x| x.norm_sqr()).sum::<f32>() / out.len() as f32;
        let snr = 10f32.powf(self.rng.uniform() as f32 * 4.0 - 1.0);
        let scale = (snr / mean.max(1e-12)).sqrt();
        out.iter_mut().for_each(|x| *x *= scale);
        self.noise.process(out);
        self.time += 1;
    }

    fn qpsk(&mut self) -> Sample {
        let bit = |rng: &mut Rng| if rng.below(2) == 0 { 1.0 } else { -1.0 };
        Sample::new(bit(&mut self.rng), bit(&mut self.rng))
    }

    /// Generates 14 symbols in a slot of 1 ms (`numerology` 0) or 0.5 ms (1), groups of four PRBs with data or without.
    fn ofdm(&mut self, out: &mut [Sample], numerology: usize, shift: f64) {
        let fft = self.ffts[numerology].clone();
        let n = fft.len();
        let half = self.numerology.subcarriers() / 2 / (1 + numerology);
        let slot = out.len() / (1 + numerology);
        let mut groups = [false; 32];
        for slot in out.chunks_exact_mut(slot) {
            groups.fill_with(|| self.rng.below(10) < 7);
            let mut at = 0;
            for l in 0..14 {
                let next = (l + 1) * slot.len() / 14;
                self.spectrum.clear();
                self.spectrum.resize(n, Sample::default());
                for k in 1..=half {
                    for bin in [k, n - k] {
                        let pilot = match numerology {
                            0 => [0, 4, 7, 11].contains(&l) && (bin + l) % 3 == 0,
                            _ => l == 2 && bin % 2 == 0,
                        };
                        let value = self.qpsk();
                        if pilot || l < 2 || groups[bin * 31 / n] {
                            // pilots are the same in every subframe
                            let fixed = Rng::new((bin * 14 + l) as u64).below(4);
                            self.spectrum[bin] = if pilot {
                                Sample::from_polar(1.41, fixed as f32 * std::f32::consts::FRAC_PI_2)
                            } else {
                                value
                            };
                        }
                    }
                }
                fft.process(&mut self.spectrum);
                let prefix = next - at - n.min(next - at);
                for (i, x) in slot[at..next].iter_mut().enumerate() {
                    *x = self.spectrum[(i + n - prefix) % n];
                }
                rotate(&mut slot[at..next], 0.0, shift / n as f64);
                at = next;
            }
        }
    }

    /// Generates four samples a symbol, each pulse half a cosine over two symbols.
    fn single_carrier(&mut self, out: &mut [Sample]) {
        for at in (0..out.len()).step_by(4) {
            let symbol = self.qpsk();
            for i in 0..8.min(out.len() - at) {
                out[at + i] += symbol * (std::f32::consts::PI * (i as f32 + 0.5) / 8.0).sin();
            }
        }
    }

    /// Generates sweeps over the band, each from another frequency on, 8 in a subframe.
    fn chirps(&mut self, out: &mut [Sample]) {
        for chirp in out.chunks_mut(self.numerology.subframe_samples() / 8) {
            let (n, from) = (chirp.len() as f64, self.rng.uniform());
            for (i, x) in chirp.iter_mut().enumerate() {
                let t = i as f64;
                let turns = from * t + t * t / (2.0 * n);
                *x = Sample::from_polar(1.0, (std::f64::consts::TAU * turns.fract()) as f32);
            }
        }
    }

    fn own(&mut self, out: &mut [Sample], which: usize) {
        self.grid.clear();
        let carrier = self.numerology.bandwidth().prbs();
        let mut start = 0;
        while start < carrier {
            let room = carrier - start;
            let len = crate::tables::largest_precoding_size(1 + self.rng.below(room as u64) as usize);
            let grant = pssch::Grant {
                prbs: PrbRange { start, len },
                mcs: self.rng.below(21) as u8,
                rv: 0,
                n_id: self.rng.below(if which == 0 { 1 << 16 } else { 256 }) as u16,
                n_ssf: (self.time % 10) as u8,
                transmission_format: false,
            };
            if let Ok((_, size)) = grant.size([SidelinkMode::V2x, SidelinkMode::D2d][which]) {
                let block: Vec<u8> = (0..size / 8).map(|_| self.rng.below(256) as u8).collect();
                self.encoders[which].encode(&block, &grant, 1.0, &mut self.grid).expect("it fits");
            }
            start += len;
        }
        self.modulator.modulate(&self.grid, out);
    }
}

/// Returns the numbers of SCIs that receivers of modes 1 and 2, and of modes 3 and 4, report in `subframes` subframes
/// of a kind.
pub(crate) fn heard_in(kind: Kind, bandwidth: Bandwidth, subframes: u64, seed: u64) -> [usize; 2] {
    let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
    let mut receivers = [TransmissionMode::Tm2, TransmissionMode::Tm4]
        .map(|mode| Receiver::new(Config::new(numerology, mode)));
    let mut foreign = Foreign::new(bandwidth, seed);
    let mut samples = vec![Sample::default(); numerology.subframe_samples()];
    let mut heard = [0; 2];
    for k in 0..subframes {
        foreign.fill(kind, &mut samples);
        for (receiver, heard) in receivers.iter_mut().zip(&mut heard) {
            receiver.process(k, &samples, &mut |event| {
                *heard += usize::from(!matches!(event, Event::Slss { .. } | Event::Mib { .. }));
            });
        }
    }
    heard
}

/// A second of each.
#[test]
fn nothing_is_heard_in_foreign_signals() {
    for kind in KINDS {
        assert_eq!(heard_in(kind, Bandwidth::Prb25, 100, 1), [0; 2], "{kind:?}");
    }
}

#[test]
#[ignore = "long: ten minutes of air, several of work"]
fn nothing_is_heard_in_ten_minutes_of_foreign_signals() {
    for kind in KINDS {
        let heard = heard_in(kind, Bandwidth::Prb25, 600_000 / KINDS.len() as u64, 2);
        assert_eq!(heard, [0; 2], "{kind:?}");
    }
}
