//! Converts an estimated allocation to soft bits: MMSE equaliser, despreading, demapping. Several antennas are combined
//! by their noise, or such that interference is rejected.

mod combine;

use super::estimate::{Branch, Estimator, State, phasor};
use crate::channel::layout::Layout;
use crate::grid::Grid;
use crate::kernel::samples::{Loops, best};
use crate::modulation;
use crate::sc_fdma::Precoding;
use crate::units::{Antennas, Modulation};
use crate::{Llr, Sample};

/// Values that are despread at a time where the channel is static: several narrow symbols.
const RUN: usize = 1024;

/// Equalises the allocation that an [`Estimator`] holds.
pub struct Equaliser {
    loops: &'static Loops,
    precoding: Precoding,
    /// Equalised symbols, one or more.
    symbols: Vec<Sample>,
    /// Weight of each subcarrier, one row an antenna.
    weights: Vec<Vec<Sample>>,
    /// Buffer for one value a subcarrier.
    power: Vec<f32>,
}

/// Quality of the equalised symbols.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorVector {
    /// Sum of the squared distances to the nearest constellation points.
    error: f32,
    /// Number of counted symbols.
    count: usize,
    /// Sum that the estimated channels and noises promise.
    expected: f32,
}

impl ErrorVector {
    /// Returns the power of the error against the one that the reference signals promise.
    pub fn excess(&self) -> f32 {
        self.error / self.expected.max(f32::MIN_POSITIVE)
    }

    /// Returns the ratio of symbols to noise that the estimated channels and noises promise.
    pub fn promised(&self) -> f32 {
        self.count as f32 / self.expected.max(f32::MIN_POSITIVE)
    }

    /// Returns the error vector magnitude in percent of the mean symbol.
    pub fn percent(&self) -> f32 {
        100.0 * (self.error / self.count.max(1) as f32).sqrt()
    }
}

impl Equaliser {
    /// Makes an equaliser for a carrier of `carrier_prbs` and a number of antennas; nothing is allocated afterwards.
    pub fn new(carrier_prbs: usize, antennas: Antennas) -> Self {
        let m_max = 12 * carrier_prbs.max(6);
        let zero = || vec![Sample::default(); m_max];
        Self {
            loops: best(),
            precoding: Precoding::new(carrier_prbs.max(6)),
            symbols: vec![Sample::default(); m_max.max(RUN)],
            weights: vec![zero(); antennas.count()],
            power: vec![0.0; if antennas == Antennas::ONE { 0 } else { m_max }],
        }
    }

    /// Computes the soft bits of every data symbol of `grids`, one an antenna, in mapping order: `out.len()` is
    /// `Q_m M_sc layout.data.len()`.
    ///
    /// The last symbol of the subframe was never sent: its bits are erasures, whatever was received there.
    pub fn soft_bits(
        &mut self,
        estimator: &Estimator,
        grids: &[Grid],
        layout: Layout,
        modulation: Modulation,
        out: &mut [Llr],
    ) -> ErrorVector {
        self.each_symbol(estimator, grids, layout, modulation, out, None)
    }

    /// Does the same, and appends the equalised symbols to `points`: for display, allocates.
    pub fn constellation(
        &mut self,
        estimator: &Estimator,
        grids: &[Grid],
        layout: Layout,
        modulation: Modulation,
        points: &mut Vec<Sample>,
    ) -> ErrorVector {
        let len = estimator.state.m_sc * modulation.bits() * layout.data.len();
        self.each_symbol(estimator, grids, layout, modulation, &mut vec![0; len], Some(points))
    }

    fn each_symbol(
        &mut self,
        estimator: &Estimator,
        grids: &[Grid],
        layout: Layout,
        modulation: Modulation,
        out: &mut [Llr],
        mut points: Option<&mut Vec<Sample>>,
    ) -> ErrorVector {
        let state = &estimator.state;
        let m_sc = state.m_sc;
        let Some(last) = grids.first().map(|grid| grid.symbols() - 1) else { return ErrorVector::default() };
        let turns = turns(state.offset_hz, &state.times);
        let mut vector = ErrorVector::default();
        // several narrow symbols at a time
        let run = if estimator.is_static() { (self.symbols.len() / m_sc.max(1)).max(1) } else { 1 };
        let mut gain = 0.0;
        let bits = m_sc * modulation.bits();
        for (i, (symbols, llrs)) in layout.data.chunks(run).zip(out.chunks_mut(run * bits)).enumerate() {
            // TS 36.211 §9.2.5
            let sent = symbols.iter().take_while(|&&l| usize::from(l) != last).count().min(llrs.len() / bits);
            let (llrs, erased) = llrs.split_at_mut(sent * bits);
            erased.fill(0);
            if sent == 0 {
                continue;
            }
            if i == 0 || !estimator.is_static() {
                gain = match &estimator.branches[..] {
                    [branch] => self.weigh(estimator, branch, i),
                    _ => self.weigh_antennas(estimator, i),
                };
            }
            // the equaliser shrinks the symbols by its mean gain: undo it; the rest is noise
            let scale = 1.0 / gain.max(1e-6);
            let noise = (1.0 - gain).max(1e-4) * scale;
            for (at, &l) in symbols[..sent].iter().enumerate() {
                let factor = turns[usize::from(l)] * (scale / (m_sc as f32).sqrt());
                self.combine_antennas(estimator, grids, usize::from(l), factor, at * m_sc);
            }
            let received = &mut self.symbols[..sent * m_sc];
            self.precoding.despread_unscaled(m_sc, received);
            modulation::demap(modulation, received, noise, llrs);
            for symbol in received.chunks_exact(m_sc) {
                // a sample of the symbols is enough for the error vector
                let (error, count) = modulation::error(modulation, symbol);
                vector.error += error;
                vector.count += count;
                vector.expected += noise * count as f32;
            }
            if let Some(points) = points.as_deref_mut() {
                points.extend_from_slice(received);
            }
        }
        vector
    }

    /// Writes the weighted sum of the antennas on symbol `l`, times a factor, to the buffer at `at`.
    fn combine_antennas(
        &mut self,
        estimator: &Estimator,
        grids: &[Grid],
        l: usize,
        factor: Sample,
        at: usize,
    ) {
        let State { first, m_sc, .. } = estimator.state;
        let out = &mut self.symbols[at..at + m_sc];
        for (a, (grid, weights)) in grids.iter().zip(&self.weights).enumerate() {
            let received = &grid.symbol(l)[first..first + m_sc];
            let combine = if a == 0 { self.loops.scaled_product } else { self.loops.add_product };
            combine(received, weights, factor, out);
        }
    }

    /// Computes MMSE weights `conj(h) / (|h|^2 + noise)` of the only antenna for data symbol `i`, delay included;
    /// returns their mean gain.
    fn weigh(&mut self, estimator: &Estimator, branch: &Branch, i: usize) -> f32 {
        let state = &estimator.state;
        let m_sc = state.m_sc;
        let channel = &mut self.weights[0][..m_sc];
        // the unknown part of the channel is noise as well
        let noise = branch.noise + branch.weights.error(i) * branch.signal;
        match estimator.known_channel(0, i) {
            Some(known) => channel.copy_from_slice(known),
            None => channel_at(branch, state.dmrs_symbols, i, channel),
        }
        (self.loops.equalise)(channel, &estimator.ramp, noise) / m_sc as f32
    }
}

/// Writes the channel of one antenna on data symbol `i`, without its delay.
fn channel_at(branch: &Branch, dmrs_symbols: usize, i: usize, channel: &mut [Sample]) {
    let m_sc = channel.len();
    let weights = branch.weights.row(i);
    channel.copy_from_slice(&branch.smooth[0][..m_sc]);
    if !branch.weights.is_static() {
        (best().scale)(channel, Sample::new(weights[0], 0.0));
        for m in 1..dmrs_symbols {
            (best().add_weighted)(channel, &branch.smooth[m][..m_sc], weights[m]);
        }
    }
}

/// Returns the factors that turn each symbol back by a carrier offset. All distances between symbols but one are the
/// same.
fn turns(offset_hz: f64, times: &[f64; 14]) -> [Sample; 14] {
    let mut turns = [Sample::new(1.0, 0.0); 14];
    let (mut distance, mut step) = (0.0, turns[0]);
    for l in 1..times.len() {
        let next = times[l] - times[l - 1];
        if (next - distance).abs() > 1e-9 {
            (distance, step) = (next, phasor(-offset_hz * next));
        }
        turns[l] = turns[l - 1] * step;
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numerology::Numerology;
    use crate::units::{Bandwidth, CyclicPrefix};

    #[test]
    fn every_symbol_is_turned_by_its_time() {
        for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
            let numerology = Numerology::standard(Bandwidth::Prb6, cp);
            let times = std::array::from_fn(|l| match l < numerology.symbols() {
                true => numerology.symbol_distance(0, l),
                false => 0.0,
            });
            for offset_hz in [0.0, 6900.0, -450.0] {
                for (l, turn) in turns(offset_hz, &times).iter().take(numerology.symbols()).enumerate() {
                    assert!((turn - phasor(-offset_hz * times[l])).norm() < 1e-5, "{cp:?} {offset_hz} {l}");
                }
            }
        }
    }
}
