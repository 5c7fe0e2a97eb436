//! A second estimate, for a channel that is supposed.

use super::{Estimator, Measurement, State, motion, phase, profile, turns};
use crate::Sample;
use crate::kernel::estimate::best;

/// Subcarriers of an allocation over which two paths are not told apart: where they cancel, the delay that aligns them best
/// lies beyond both.
const NARROWEST: usize = 12;

/// Subcarriers between the values whose phases tell the mean delay.
const APART: usize = 3;

/// A channel that is supposed where the reference symbols do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hypothesis {
    /// Delays over 4 us, a Doppler of 300 Hz.
    WideAndFast,
}

impl Hypothesis {
    /// Returns the profile and the Doppler in Hz.
    fn assumed(self) -> (usize, f64) {
        match self {
            Self::WideAndFast => (profile::WIDE, 300.0),
        }
    }
}

impl Estimator {
    /// Estimates the same allocation again under a hypothesis, whatever its reference symbols say: where they are few, a
    /// guess that suits most moving channels is right more often than the most likely one.
    pub fn suppose(&mut self, hypothesis: Hypothesis) -> Measurement {
        if self.known.is_some() {
            return self.state.measurement;
        }
        let (profile, doppler_hz) = hypothesis.assumed();
        if self.state.m_sc == NARROWEST {
            self.centre_delay();
        }
        self.settle(motion::nearest(doppler_hz), Some(profile))
    }

    /// Moves the delay that was taken out to the mean delay, each path by its power.
    fn centre_delay(&mut self) {
        let State { m_sc, references, .. } = self.state;
        let mut sum = Sample::default();
        for branch in self.branches.iter().filter(|b| b.is_heard()) {
            for ls in &branch.ls[..references] {
                let pairs = ls[..m_sc].iter().zip(&ls[APART..m_sc]);
                sum += pairs.map(|(a, b)| a.conj() * b).sum::<Sample>() * branch.weight;
            }
        }
        let more = turns(sum) / APART as f64;
        let ramp = &mut self.ramp[..m_sc];
        (best().ramp)(ramp, phase(more));
        for branch in self.branches.iter_mut().filter(|b| b.is_heard()) {
            branch.align(ramp, references);
        }
        self.state.delay_turns += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::layout::Layout;
    use crate::grid::Grid;
    use crate::impair::rng::Rng;
    use crate::numerology::{Numerology, SUBCARRIER_SPACING};
    use crate::receive::estimate::phasor;
    use crate::sequence::dmrs::{Dmrs, References};
    use crate::units::{Antennas, Bandwidth, CyclicPrefix, Hertz, SidelinkMode};
    use std::sync::Arc;

    /// Two equal paths 4 us apart cancel somewhere in a single PRB: the wide channel that is supposed lies around both,
    /// whichever delay seemed likely.
    #[test]
    fn two_paths_are_in_the_middle_of_what_is_supposed() {
        let numerology = Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Normal);
        let references = Arc::new(References::new(6));
        let mut estimator = Estimator::new(numerology, references.clone(), Antennas::ONE);
        let layout = Layout::shared(SidelinkMode::D2d, CyclicPrefix::Normal);
        let dmrs = Dmrs::pscch_or_psdch();
        let mut rng = Rng::new(2);
        let mut failed = 0;
        for _ in 0..100 {
            let (a, b) = (phasor(rng.uniform()), phasor(rng.uniform()));
            let channel = |k: usize| a + b * phasor(-4e-6 * SUBCARRIER_SPACING.0 * k as f64);
            let mut grid = Grid::new(numerology);
            for (m, &l) in layout.dmrs.iter().enumerate() {
                let part = &mut grid.symbol_mut(l as usize)[12..24];
                references.emit(&dmrs, m, part);
                for (k, x) in part.iter_mut().enumerate() {
                    *x = *x * channel(k) + rng.complex_gaussian() * 0.3;
                }
            }
            estimator.estimate(std::slice::from_ref(&grid), 12, 12, layout, &dmrs, Hertz(0.0));
            estimator.suppose(Hypothesis::WideAndFast);
            let mut estimated = [Sample::default(); 12];
            estimator.channel(&mut estimated);
            let error: f32 = estimated.iter().enumerate().map(|(k, h)| (h - channel(k)).norm_sqr()).sum();
            let power: f32 = (0..12).map(|k| channel(k).norm_sqr()).sum();
            failed += usize::from(error > 0.1 * power);
        }
        assert!(failed <= 10, "{failed} of 100 are more than -10 dB off");
    }
}
