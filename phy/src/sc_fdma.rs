//! SC-FDMA modulation and demodulation (TS 36.211 §5.6, §9.9), and transform precoding (TS 36.211 §5.3.3).

mod fft;

use crate::Sample;
use crate::grid::Grid;
use crate::kernel::Backend;
use crate::kernel::fourier::{Analysis, Synthesis};
use crate::kernel::samples::{BLOCK, best};
use crate::numerology::Numerology;
use crate::tables::is_precoding_size;
use crate::units::Hertz;
use fft::{ForwardFft, InverseFft};
use num_complex::Complex64;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::PI;
use std::sync::Arc;

/// Converts a grid to samples.
///
/// A resource element of power 1 becomes a subcarrier of amplitude `1 / sqrt(12 N_RB)`: a fully used carrier has power
/// 1 a sample. The half-subcarrier shift restarts at the first sample after each cyclic prefix.
pub struct Modulator {
    numerology: Numerology,
    transform: Inverse,
}

/// The transform of one symbol, without its prefix.
enum Inverse {
    Kernel(Synthesis),
    Fft(InverseFft),
}

impl Modulator {
    /// Plans the transform; nothing is allocated afterwards.
    pub fn new(numerology: Numerology) -> Self {
        Self::with_backend(numerology, Backend::detect())
    }

    fn with_backend(numerology: Numerology, backend: Backend) -> Self {
        let gain = 1.0 / (numerology.subcarriers() as f32).sqrt();
        let transform = match Synthesis::new(backend, numerology.fft(), gain) {
            Some(synthesis) => Inverse::Kernel(synthesis),
            None => Inverse::Fft(InverseFft::new(numerology.fft(), gain)),
        };
        Self { numerology, transform }
    }

    /// Returns the sizes of its subframes.
    pub fn numerology(&self) -> Numerology {
        self.numerology
    }

    /// Fills `out` (`subframe_samples()` samples) with the subframe. The last symbol is sent as the grid has it: the
    /// channels leave it empty (TS 36.211 §9.2.5).
    // TS 36.211 §9.9 (1)
    pub fn modulate(&mut self, grid: &Grid, out: &mut [Sample]) {
        let n = self.numerology.fft();
        for l in 0..self.numerology.symbols() {
            let cp = self.numerology.cp_samples(l);
            let start = self.numerology.symbol_start(l);
            let (prefix, body) = out[start..start + cp + n].split_at_mut(cp);
            match &mut self.transform {
                Inverse::Kernel(synthesis) => synthesis.run(grid.symbol(l), body),
                Inverse::Fft(fft) => fft.run(grid.symbol(l), body),
            }
            // k + 1/2 cycles in N samples: one symbol earlier the sign is the opposite
            for (x, &y) in prefix.iter_mut().zip(&body[n - cp..]) {
                *x = -y;
            }
        }
    }
}

/// Converts samples to a grid.
pub struct Demodulator {
    numerology: Numerology,
    advance: usize,
    transform: Forward,
}

/// The transform of one symbol.
enum Forward {
    Kernel(Analysis),
    Fft(ForwardFft),
}

impl Demodulator {
    /// Plans the transform; nothing is allocated afterwards.
    ///
    /// `advance` samples of each window are taken from the cyclic prefix: a subframe that arrives up to that much early
    /// does no harm; the resulting phase ramp is removed. At most the shortest prefix.
    pub fn new(numerology: Numerology, advance: usize) -> Self {
        Self::with_backend(numerology, advance, Backend::detect())
    }

    fn with_backend(numerology: Numerology, advance: usize, backend: Backend) -> Self {
        let n = numerology.fft();
        let advance = advance.min(numerology.cp_samples(1));
        let gain = (numerology.subcarriers() as f32).sqrt() / n as f32;
        let transform = match Analysis::new(backend, n, advance, gain) {
            Some(analysis) => Forward::Kernel(analysis),
            None => Forward::Fft(ForwardFft::new(n, numerology.subcarriers(), advance, gain)),
        };
        Self { numerology, advance, transform }
    }

    /// Returns the sizes of its subframes.
    pub fn numerology(&self) -> Numerology {
        self.numerology
    }

    /// Returns the samples of each window that come out of the cyclic prefix.
    pub fn advance(&self) -> usize {
        self.advance
    }

    /// Reads one subframe (`subframe_samples()` samples from its start) into `grid`, and turns every sample back by
    /// `cfo`.
    ///
    /// The phase of the correction is 0 at the start of the subframe.
    pub fn demodulate(&mut self, samples: &[Sample], cfo: Hertz, grid: &mut Grid) {
        let turn = -cfo / self.numerology.sample_rate();
        if let Forward::Kernel(analysis) = &mut self.transform {
            analysis.set_offset(turn);
        }
        for l in 0..self.numerology.symbols() {
            let end = self.numerology.symbol_start(l) + self.numerology.cp_samples(l);
            let out = grid.symbol_mut(l);
            match &mut self.transform {
                Forward::Kernel(analysis) => analysis.run(samples, end, turn * end as f64, out),
                Forward::Fft(fft) => fft.run(samples, end, turn, out),
            }
        }
    }
}

/// Multiplies sample `n` by `exp(j 2 pi (start + step n))`; phases in turns.
///
/// The phasor of each block follows from that of the block before, in double precision: after ten million samples the
/// error is still below what single precision shows.
pub fn rotate(samples: &mut [Sample], start: f64, step: f64) {
    let turn = |turns: f64| Complex64::from_polar(1.0, 2.0 * PI * turns.fract());
    let one = turn(step);
    let mut phasor = Complex64::new(1.0, 0.0);
    let mut within = [Sample::default(); BLOCK];
    for t in &mut within[..BLOCK.min(samples.len())] {
        *t = Sample::new(phasor.re as f32, phasor.im as f32);
        phasor *= one;
    }
    let at = if start == 0.0 { Complex64::new(1.0, 0.0) } else { turn(start) };
    // not exactly `phasor`, which has the errors of its steps
    let block_turn = if samples.len() > BLOCK { turn(step * BLOCK as f64) } else { one };
    (best().turn_blocks)(samples, &within, at, block_turn);
}

/// The DFTs of transform precoding and their inverses, one pair for every allowed number of PRBs of a carrier.
pub struct Precoding {
    forward: Vec<Option<Arc<dyn Fft<f32>>>>,
    inverse: Vec<Option<Arc<dyn Fft<f32>>>>,
    scratch: Vec<Sample>,
}

impl Precoding {
    /// Plans transforms for 1 to `max_prbs` PRBs.
    pub fn new(max_prbs: usize) -> Self {
        let mut planner = FftPlanner::new();
        let mut plan = |inverse: bool| -> Vec<_> {
            (0..=max_prbs)
                .map(|prbs| {
                    is_precoding_size(prbs).then(|| match inverse {
                        false => planner.plan_fft_forward(12 * prbs),
                        true => planner.plan_fft_inverse(12 * prbs),
                    })
                })
                .collect()
        };
        let (forward, inverse) = (plan(false), plan(true));
        let all = forward.iter().chain(&inverse).flatten();
        let scratch = all.map(|f| f.get_inplace_scratch_len()).max().unwrap_or(0);
        Self { forward, inverse, scratch: vec![Sample::default(); scratch] }
    }

    /// Computes y(k) = 1/sqrt(M_sc) sum x(i) exp(-j 2 pi i k / M_sc), in place. `false` when the size is not allowed.
    // TS 36.211 §9.3.4
    pub fn precode(&mut self, symbol: &mut [Sample]) -> bool {
        let done = run(&self.forward, symbol.len(), symbol, &mut self.scratch);
        if done {
            unit_power(symbol);
        }
        done
    }

    /// Computes the inverse of [`Self::precode`].
    pub fn despread(&mut self, symbol: &mut [Sample]) -> bool {
        let done = self.despread_unscaled(symbol.len(), symbol);
        if done {
            unit_power(symbol);
        }
        done
    }

    /// Computes `sqrt(M_sc)` times the inverse of [`Self::precode`] for symbols one after the other.
    pub(crate) fn despread_unscaled(&mut self, m_sc: usize, symbols: &mut [Sample]) -> bool {
        run(&self.inverse, m_sc, symbols, &mut self.scratch)
    }
}

fn run(
    plans: &[Option<Arc<dyn Fft<f32>>>],
    m_sc: usize,
    symbols: &mut [Sample],
    scratch: &mut [Sample],
) -> bool {
    let Some(Some(plan)) = plans.get(m_sc / 12) else { return false };
    plan.process_with_scratch(symbols, scratch);
    true
}

/// Makes a transform unitary.
fn unit_power(symbol: &mut [Sample]) {
    let gain = 1.0 / (symbol.len() as f32).sqrt();
    for x in symbol {
        *x *= gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerology::SUBCARRIER_SPACING;
    use crate::units::{Bandwidth, CyclicPrefix};

    fn filled(numerology: Numerology) -> Grid {
        let mut grid = Grid::new(numerology);
        for l in 0..grid.symbols() {
            for (k, x) in grid.symbol_mut(l).iter_mut().enumerate() {
                let angle = (k * k + 7 * l) as f32;
                *x = Sample::new(angle.cos(), angle.sin());
            }
        }
        grid
    }

    fn error(a: &Grid, b: &Grid) -> f32 {
        a.values().iter().zip(b.values()).map(|(x, y)| (x - y).norm()).fold(0.0, f32::max)
    }

    #[test]
    // TS 36.211 §9.9 (1)
    fn round_trip_with_every_advance() {
        for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
            for (bandwidth, rate) in [(Bandwidth::Prb6, 1.92e6), (Bandwidth::Prb50, 11.52e6)] {
                let n = Numerology::at_rate(bandwidth, cp, Hertz(rate)).unwrap();
                let grid = filled(n);
                let mut samples = vec![Sample::default(); n.subframe_samples()];
                Modulator::new(n).modulate(&grid, &mut samples);
                let mut back = Grid::new(n);
                for advance in [0, 3, n.cp_samples(1)] {
                    Demodulator::new(n, advance).demodulate(&samples, Hertz(0.0), &mut back);
                    assert!(error(&grid, &back) < 1e-4, "{n:?} advance {advance}: {}", error(&grid, &back));
                }
            }
        }
    }

    /// All ways, at every sample rate: with the transform of the machine's vectors and with another one.
    #[test]
    // TS 36.211 §9.9 (1)
    fn any_transform_gives_the_same_within_rounding() {
        for bandwidth in Bandwidth::ALL {
            for &fft in bandwidth.fft_sizes() {
                let cp = if fft % 3 == 0 { CyclicPrefix::Extended } else { CyclicPrefix::Normal };
                let rate = Hertz(SUBCARRIER_SPACING.0 * fft as f64);
                let n = Numerology::at_rate(bandwidth, cp, rate).unwrap();
                let grid = filled(n);
                let mut sent = [
                    vec![Sample::default(); n.subframe_samples()],
                    vec![Sample::default(); n.subframe_samples()],
                ];
                Modulator::with_backend(n, Backend::Scalar).modulate(&grid, &mut sent[0]);
                Modulator::new(n).modulate(&grid, &mut sent[1]);
                let off = sent[0].iter().zip(&sent[1]).map(|(x, y)| (x - y).norm()).fold(0.0, f32::max);
                assert!(off < 1e-5, "{n:?}: {off}");
                for (advance, cfo) in
                    [(0, 0.0), (fft * 72 / 2048, 0.0), (3, -4321.0), (n.cp_samples(1), 77.0)]
                {
                    let mut back = [Grid::new(n), Grid::new(n)];
                    Demodulator::with_backend(n, advance, Backend::Scalar).demodulate(
                        &sent[0],
                        Hertz(cfo),
                        &mut back[0],
                    );
                    Demodulator::new(n, advance).demodulate(&sent[0], Hertz(cfo), &mut back[1]);
                    assert!(error(&back[0], &back[1]) < 3e-5, "{n:?} {cfo}: {}", error(&back[0], &back[1]));
                }
            }
        }
    }

    /// Against the phasor of every sample by itself: a subframe of 100 PRB and a second of it, whole turns and offsets of
    /// any size, on either side.
    #[test]
    fn a_rotation_is_exact() {
        let n = Numerology::standard(Bandwidth::Prb100, CyclicPrefix::Normal);
        for (length, hz, start) in [
            (n.subframe_samples(), 300.0, 0.0),
            (n.subframe_samples(), -7_000.0, 123_456.789),
            (n.subframe_samples(), 100_000.0, -0.25),
            (n.subframe_samples(), 14e6, 1e6),
            (1000 * n.subframe_samples() / 8, -100_000.0, 0.5),
        ] {
            let step = hz / n.sample_rate().0;
            let mut samples = vec![Sample::new(1.0, 0.0); length];
            rotate(&mut samples, start, step);
            for (i, x) in samples.iter().enumerate().step_by(7) {
                let exact = Complex64::from_polar(1.0, 2.0 * PI * (start + step * i as f64).fract());
                let off = (Complex64::new(x.re as f64, x.im as f64) - exact).norm();
                assert!(off < 4e-7, "{hz} Hz, sample {i}: {off}");
            }
        }
    }

    #[test]
    fn a_carrier_offset_is_taken_out() {
        let n = Numerology::standard(Bandwidth::Prb15, CyclicPrefix::Normal);
        let grid = filled(n);
        let mut samples = vec![Sample::default(); n.subframe_samples()];
        Modulator::new(n).modulate(&grid, &mut samples);
        rotate(&mut samples, 0.0, 4321.0 / n.sample_rate().0);
        let mut back = Grid::new(n);
        Demodulator::new(n, 5).demodulate(&samples, Hertz(4321.0), &mut back);
        assert!(error(&grid, &back) < 1e-3, "{}", error(&grid, &back));
    }

    #[test]
    // TS 36.211 §9.3.4
    fn precoding_is_unitary_and_refuses_other_sizes() {
        let mut p = Precoding::new(50);
        let mut x: Vec<_> = (0..96).map(|i| Sample::new((i as f32).sin(), (3.0 * i as f32).cos())).collect();
        let before = x.clone();
        assert!(p.precode(&mut x) && p.despread(&mut x));
        assert!(x.iter().zip(&before).all(|(a, b)| (a - b).norm() < 1e-5));
        assert!(!p.precode(&mut [Sample::default(); 84]));
        assert!(!p.precode(&mut [Sample::default(); 12 * 64]));
    }
}
