//! The true channel in place of an estimate: for measurements of what estimation costs.
//!
//! Everything after the estimator is the same: equaliser, combining and decoders. The channel of every resource
//! element has delay, phase and motion in it; the carrier offset has been removed before.

use super::weights::TimeWeights;
use super::{Covariance, Estimator, Measurement, State};
use crate::Sample;
use crate::channel::layout::Layout;
use crate::grid::Grid;
use crate::receive::diversity::PerAntenna;
use crate::units::{Antennas, Hertz};

/// Knowledge of the next subframe.
#[derive(Default)]
pub(super) struct Known {
    /// The channel on every resource element, one grid an antenna.
    channels: Vec<Grid>,
    /// Power of the noise on a resource element.
    noise: f32,
    /// Data symbols of the last allocation.
    data: &'static [u8],
}

impl Estimator {
    /// Gives the channel on every resource element, one grid an antenna, and the power of the noise on one. From now on
    /// nothing is estimated; an antenna without a grid receives nothing. Allocates when it is called first.
    pub fn know(&mut self, channels: &[Grid], noise: f32) {
        let known = self.known.get_or_insert_default();
        known.channels.clear();
        known.channels.extend_from_slice(channels);
        known.noise = noise;
        // the noise of the antennas is independent
        self.covariance = Covariance::new(0, Antennas::ONE);
    }

    /// Takes an allocation from what is known; `None` if it is to be estimated.
    pub(super) fn take_known(&mut self, first: usize, m_sc: usize, layout: Layout) -> Option<Measurement> {
        let known = self.known.as_mut()?;
        known.data = layout.data;
        let mut antennas = PerAntenna::default();
        let rows = layout.data.len().max(1);
        for (a, branch) in self.branches.iter_mut().enumerate() {
            let fits = |grid: &&Grid| grid.subcarriers() >= first + m_sc && layout.fits(grid.symbols());
            let grid = known.channels.get(a).filter(fits);
            let power = |grid: &Grid| -> f32 {
                let row = |l: &u8| &grid.symbol(*l as usize)[first..first + m_sc];
                layout.data.iter().flat_map(row).map(|h| h.norm_sqr()).sum()
            };
            branch.signal = grid.map_or(0.0, power) / (rows * m_sc) as f32;
            branch.noise = known.noise;
            branch.weights = TimeWeights::default();
            branch.weight = if branch.signal > 0.0 { 1.0 } else { 0.0 };
            if let (Some(grid), Some(&l)) = (grid, layout.data.first()) {
                branch.smooth[0][..m_sc].copy_from_slice(&grid.symbol(l as usize)[first..first + m_sc]);
            }
            antennas.push(branch.signal, branch.noise);
        }
        self.ramp[..m_sc].fill(Sample::new(1.0, 0.0));
        let signal = antennas.signals().iter().copied().fold(0.0, f32::max);
        let ratio: f32 = (0..antennas.count()).map(|a| antennas.ratio(a)).sum();
        let measurement = Measurement {
            // no other offset is possible
            cfo_ambiguity: Hertz(f64::INFINITY),
            signal,
            noise: if ratio > 0.0 { signal / ratio } else { known.noise },
            antennas,
            ..Measurement::default()
        };
        self.state = State {
            first,
            m_sc,
            // the channel of each data symbol is its own
            dmrs_symbols: layout.dmrs.len(),
            times: self.times,
            measurement,
            ..State::default()
        };
        Some(measurement)
    }

    /// Returns the known channel of an antenna on data symbol `i` of the last allocation.
    pub(in crate::receive) fn known_channel(&self, antenna: usize, i: usize) -> Option<&[Sample]> {
        let known = self.known.as_ref()?;
        let (grid, &l) = (known.channels.get(antenna)?, known.data.get(i)?);
        let State { first, m_sc, .. } = self.state;
        grid.symbol(l as usize).get(first..first + m_sc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::pssch;
    use crate::impair::rng::Rng;
    use crate::numerology::Numerology;
    use crate::sequence::dmrs::References;
    use crate::units::{Bandwidth, CyclicPrefix, PrbRange, TransmissionMode};
    use std::sync::Arc;

    /// A channel whose phases differ from symbol to symbol and from subcarrier to subcarrier: nobody can estimate it.
    fn wild(rng: &mut Rng, numerology: Numerology) -> Grid {
        let mut channel = Grid::new(numerology);
        for l in 0..channel.symbols() {
            channel.symbol_mut(l).fill_with(|| {
                let phase = std::f32::consts::TAU * rng.uniform() as f32;
                Sample::from_polar(0.5 + rng.uniform() as f32, phase)
            });
        }
        channel
    }

    /// One block of 16QAM, 8 PRBs, over `channels` with noise, received by antennas that know them or do not.
    fn arrives(channels: &[Grid], told: Option<&[Grid]>, noise: f32, seed: u64) -> bool {
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        let references = Arc::new(References::new(25));
        let mode = TransmissionMode::Tm4;
        let prbs = PrbRange { start: 3, len: 8 };
        let grant = pssch::Grant { prbs, mcs: 12, rv: 0, n_id: 77, n_ssf: 3, transmission_format: false };
        let (_, size) = grant.size(mode.sidelink()).unwrap();
        let mut rng = Rng::new(seed);
        let block: Vec<u8> = (0..size / 8).map(|_| rng.below(256) as u8).collect();
        let mut sent = Grid::new(numerology);
        pssch::Encoder::new(numerology, mode, references.clone())
            .encode(&block, &grant, 1.0, &mut sent)
            .unwrap();
        let received: Vec<Grid> = channels
            .iter()
            .map(|channel| {
                let mut grid = sent.clone();
                for l in 0..grid.symbols() {
                    for (x, h) in grid.symbol_mut(l).iter_mut().zip(channel.symbol(l)) {
                        *x = *x * h + rng.complex_gaussian() * noise.sqrt();
                    }
                }
                grid
            })
            .collect();
        let antennas = Antennas::new(channels.len()).unwrap();
        let mut decoder = pssch::Decoder::new(numerology, mode, references, antennas);
        if let Some(channels) = told {
            decoder.know(channels, noise);
        }
        let mut process = pssch::Process::new(25);
        process.start(size).unwrap();
        let heard = decoder.receive(&received, &grant, Hertz(0.0), &mut process).unwrap();
        if told.is_some() {
            assert_eq!(heard.measurement.antennas.count(), channels.len());
            assert!((heard.measurement.antennas.noises()[0] - noise).abs() < 1e-6);
        }
        let mut got = vec![0; size / 8];
        decoder.decode(&mut process, &mut got).is_some() && got == block
    }

    #[test]
    fn a_channel_that_cannot_be_estimated_is_equalised_when_it_is_known() {
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        let mut rng = Rng::new(5);
        for antennas in 1..=3 {
            let channels: Vec<Grid> = (0..antennas).map(|_| wild(&mut rng, numerology)).collect();
            let noise = 10_f32.powf(-1.6);
            assert!(arrives(&channels, Some(&channels), noise, 9), "{antennas} antennas");
            assert!(!arrives(&channels, None, noise, 9), "{antennas} antennas");
            let others: Vec<Grid> = (0..antennas).map(|_| wild(&mut rng, numerology)).collect();
            assert!(!arrives(&channels, Some(&others), noise, 9), "{antennas} antennas");
        }
    }

    /// Known antennas are combined: two of them have few errors where one has many.
    #[test]
    fn known_antennas_are_combined() {
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        let mut rng = Rng::new(6);
        let channels: Vec<Grid> = (0..2).map(|_| wild(&mut rng, numerology)).collect();
        let noise = 10_f32.powf(-0.5);
        let count =
            |channels: &[Grid]| (0..20).filter(|i| arrives(channels, Some(channels), noise, *i)).count();
        let (one, two) = (count(&channels[..1]), count(&channels));
        assert!(one <= 5 && two >= 15, "{one} and {two} of 20");
    }

    /// The grids are those of an antenna too few, and too small.
    #[test]
    fn what_is_not_known_is_silent() {
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        let mut rng = Rng::new(7);
        let channels: Vec<Grid> = (0..2).map(|_| wild(&mut rng, numerology)).collect();
        let small = Grid::new(Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Normal));
        let noise = 10_f32.powf(-2.0);
        let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
        let mut estimator =
            Estimator::new(numerology, Arc::new(References::new(25)), Antennas::new(2).unwrap());
        let layout = Layout::shared(crate::units::SidelinkMode::V2x, CyclicPrefix::Normal);
        for (told, heard) in
            [(vec![channels[0].clone()], 1), (vec![small.clone(), small], 0), (Vec::new(), 0)]
        {
            estimator.know(&told, noise);
            let measurement = estimator.take_known(36, 96, layout).unwrap();
            let signals = measurement.antennas.signals();
            assert_eq!(signals.iter().filter(|signal| **signal > 0.0).count(), heard);
            assert_eq!(signals.len(), 2);
            assert!(measurement.noise > 0.0 && measurement.ratio().is_finite());
        }
    }
}
