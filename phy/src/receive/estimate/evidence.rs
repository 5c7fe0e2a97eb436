//! Evidence of several subframes in which the same UE sends: its delay, its carrier offset and its speed are the same in all
//! of them, and none alone tells them well where transmissions are combined that are too weak by themselves.

use super::Estimator;
use super::motion::Observed;
use crate::Sample;
use crate::sequence::dmrs::MAX_DMRS;

/// Delays that are distinguished at most.
const DELAYS: usize = 15;

/// Sums over the subframes so far, each divided by its noise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evidence {
    /// Power at each delay.
    delays: [f32; DELAYS],
    /// Product of each pair of reference symbols.
    pairs: [[Sample; MAX_DMRS]; MAX_DMRS],
    pub(super) observed: Observed,
}

impl Evidence {
    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.delays = [0.0; DELAYS];
        self.pairs = Default::default();
        self.observed.clear();
    }

    /// Adds the power at each delay in a subframe, which becomes the sum.
    pub(super) fn add_delays(&mut self, power: &mut [f32]) {
        for (sum, power) in self.delays.iter_mut().zip(power) {
            *sum += *power;
            *power = *sum;
        }
    }

    /// Adds the product of reference symbols `i` and `j` in a subframe; returns the sum.
    pub(super) fn add_pair(&mut self, i: usize, j: usize, product: Sample) -> Sample {
        self.pairs[i][j] += product;
        self.pairs[i][j]
    }
}

impl Estimator {
    /// Gives the evidence of other subframes of the same UE to the next estimate.
    pub(crate) fn recall(&mut self, evidence: &Evidence) {
        self.evidence = Some(*evidence);
    }

    /// Takes it back, with that of the estimate; `None` if that subframe had no signal or no numbers.
    pub(crate) fn evidence(&mut self) -> Option<Evidence> {
        self.evidence.take()
    }

    /// Drops the evidence where a single antenna received nothing that can be used.
    pub(super) fn keep_if_heard(&mut self) {
        if let [branch] = &mut self.branches[..]
            && !branch.is_heard()
        {
            branch.weight = 1.0;
            self.evidence = None;
        }
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

    const FIRST: usize = 60;
    const WIDTH: usize = 24;
    const DELAY: f64 = 1.2e-6;
    const OFFSET: f64 = 200.0;

    /// Sends weak reference signals of one UE, each time through another flat channel.
    struct Weak {
        rng: Rng,
        numerology: Numerology,
        references: Arc<References>,
    }

    impl Weak {
        const LAYOUT: fn() -> Layout = || Layout::shared(SidelinkMode::D2d, CyclicPrefix::Normal);

        fn new(seed: u64) -> (Self, Estimator) {
            let numerology = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
            let references = Arc::new(References::new(25));
            let estimator = Estimator::new(numerology, references.clone(), Antennas::ONE);
            (Self { rng: Rng::new(seed), numerology, references }, estimator)
        }

        /// Returns the grid of a subframe at 1 dB.
        fn receive(&mut self) -> Grid {
            let mut grid = Grid::new(self.numerology);
            let gain = phasor(self.rng.uniform());
            for (m, &l) in Self::LAYOUT().dmrs.iter().enumerate() {
                let turn = gain * phasor(OFFSET * self.numerology.symbol_distance(0, l as usize));
                let part = &mut grid.symbol_mut(l as usize)[FIRST..FIRST + WIDTH];
                self.references.emit(&Dmrs::pscch_or_psdch(), m, part);
                for (k, x) in part.iter_mut().enumerate() {
                    *x *= turn * phasor(-DELAY * SUBCARRIER_SPACING.0 * k as f64);
                    *x += self.rng.complex_gaussian() * 0.9;
                }
            }
            grid
        }

        /// Returns the errors of offset and delay, against those that they should be.
        fn errors(estimator: &mut Estimator, grid: &Grid) -> (f64, f64) {
            let dmrs = Dmrs::pscch_or_psdch();
            let grids = std::slice::from_ref(grid);
            let m = estimator.estimate(grids, FIRST, WIDTH, Self::LAYOUT(), &dmrs, Hertz(0.0));
            (m.cfo.0 - OFFSET, f64::from(m.delay) - DELAY)
        }
    }

    /// Whether errors are the same but for rounding.
    fn same(a: (f64, f64), b: (f64, f64)) -> bool {
        (a.0 - b.0).abs() < 0.01 && (a.1 - b.1).abs() < 1e-10
    }

    /// The fourth transmission is measured about twice as well with the three before it.
    #[test]
    fn several_subframes_tell_more_than_one() {
        let (mut weak, mut estimator) = Weak::new(3);
        let (mut alone, mut together) = ([0.0; 2], [0.0; 2]);
        for _ in 0..60 {
            let mut evidence = Evidence::default();
            for number in 0..4 {
                let grid = weak.receive();
                let single = Weak::errors(&mut estimator, &grid);
                estimator.recall(&evidence);
                let pooled = Weak::errors(&mut estimator, &grid);
                evidence = estimator.evidence().unwrap();
                assert_eq!(same(single, pooled), number == 0, "only the first has nothing before it");
                if number == 3 {
                    alone = [alone[0] + single.0 * single.0, alone[1] + single.1 * single.1];
                    together = [together[0] + pooled.0 * pooled.0, together[1] + pooled.1 * pooled.1];
                }
            }
        }
        for (together, alone) in together.into_iter().zip(alone) {
            assert!(together < 0.45 * alone, "squared error {together:e}, alone {alone:e}");
        }
    }

    /// Evidence that was cleared is none; a subframe of zeros or of no numbers neither has any nor harms what there was.
    #[test]
    fn nothing_is_taken_from_silence() {
        let (mut weak, mut estimator) = Weak::new(4);
        let grid = weak.receive();
        let single = Weak::errors(&mut estimator, &grid);
        for value in [0.0, f32::NAN, f32::INFINITY] {
            let mut broken = Grid::new(weak.numerology);
            (0..broken.symbols()).for_each(|l| broken.symbol_mut(l).fill(Sample::new(value, value)));
            estimator.recall(&Evidence::default());
            Weak::errors(&mut estimator, &broken);
            assert!(estimator.evidence().is_none(), "{value}");
        }
        estimator.recall(&Evidence::default());
        Weak::errors(&mut estimator, &grid);
        let mut evidence = estimator.evidence().unwrap();
        evidence.clear();
        estimator.recall(&evidence);
        assert!(same(Weak::errors(&mut estimator, &grid), single));
        estimator.evidence();
        assert_eq!(Weak::errors(&mut estimator, &grid), single, "and none is left");
    }
}
