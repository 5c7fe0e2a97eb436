//! The samples of a subframe and the grids derived from them, of every antenna: one for each cyclic prefix, and one for a UE whose
//! carrier is off the common offset.
//!
//! The offset of a UE is removed in one of two ways. Another FFT of the whole band is right for any offset, and costs
//! as much as the first one. Turning the UE's own subcarriers alone, by transforms of M_sc, costs a small part of that,
//! and loses the part that the offset has moved beyond the edges of the allocation.

use crate::Sample;
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::receive::diversity::is_sound;
use crate::receive::estimate::Measurement;
use crate::sc_fdma::Demodulator;
use crate::units::{Antennas, CyclicPrefix, Hertz, PrbRange};

mod part;
mod transform;

use part::PartTurner;
pub(super) use transform::numerologies;
pub(in crate::receive) use transform::{Transformed, Transformer, Wanted};

/// A grid for one offset in Hz is reused for others within this distance.
const SAME_OFFSET: f32 = 40.0;

/// Holds one subframe of every antenna.
pub struct Front {
    samples: Vec<Vec<Sample>>,
    common_cfo: Hertz,
    view: View,
    bands: Vec<Band>,
}

/// How the grids of a UE are made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// The common grids: its offset stays on them.
    Common,
    /// The common grids, its own subcarriers turned.
    Part,
    /// Grids with the whole band turned, by this offset in Hz.
    Whole(f32),
}

struct Band {
    demodulator: Demodulator,
    /// The same with windows that begin later.
    late: Demodulator,
    turner: PartTurner,
    /// One grid an antenna.
    common: Vec<Grid>,
    common_valid: bool,
    corrected: Vec<Grid>,
    /// Offset in Hz of `corrected` against the common one.
    corrected_for: Option<f32>,
    /// The common grids without the transmissions that were subtracted.
    left: Vec<Grid>,
    has_left: bool,
}

/// The signal that [`Front::grid`] and [`Front::grid_for`] give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// As received.
    Received,
    /// Without the transmissions that were subtracted.
    Left,
}

impl Band {
    fn corrected(&mut self, samples: &[Vec<Sample>], offset: Hertz) {
        for (samples, grid) in samples.iter().zip(&mut self.corrected) {
            self.demodulator.demodulate(samples, offset, grid);
        }
    }
}

impl Front {
    /// Makes a front for the numerologies of one carrier, which differ in the cyclic prefix at most, and for a number of
    /// antennas.
    pub fn new(numerologies: &[Numerology], antennas: Antennas) -> Self {
        let mut bands: Vec<Band> = Vec::new();
        for &n in numerologies {
            if bands.iter().any(|b| b.demodulator.numerology() == n) {
                continue;
            }
            let grids = || (0..antennas.count()).map(|_| Grid::new(n)).collect();
            let demodulator = Demodulator::new(n, Self::advance(n));
            bands.push(Band {
                turner: PartTurner::new(n, demodulator.advance()),
                demodulator,
                late: Demodulator::new(n, n.fft() * 16 / 2048),
                common: grids(),
                common_valid: false,
                corrected: grids(),
                corrected_for: None,
                left: grids(),
                has_left: false,
            });
        }
        let first = numerologies[0];
        Self {
            samples: vec![vec![Sample::default(); first.subframe_samples()]; antennas.count()],
            common_cfo: Hertz(0.0),
            view: View::Received,
            bands,
        }
    }

    /// Takes a subframe of each antenna. Returns `false` when all are silent, or none is a whole subframe.
    ///
    /// Among several antennas, one without a whole subframe, or with samples that no receiver can have measured, is
    /// silent: the others are received without it.
    pub fn load(&mut self, samples: &[&[Sample]], common_cfo: Hertz) -> bool {
        let several = self.samples.len() > 1;
        let mut heard = false;
        for (a, own) in self.samples.iter_mut().enumerate() {
            let samples = samples.get(a).copied().unwrap_or(&[]);
            if samples.len() == own.len() && (!several || samples.iter().all(is_sound)) {
                own.copy_from_slice(samples);
                heard |= samples.iter().any(|x| x.norm_sqr() > 0.0);
            } else if several {
                own.fill(Sample::default());
            } else {
                return false;
            }
        }
        self.common_cfo = common_cfo;
        for band in &mut self.bands {
            band.common_valid = false;
            band.corrected_for = None;
        }
        self.forget_left();
        heard
    }

    /// Returns the grids with the common offset removed, one an antenna.
    pub fn grid(&mut self, cp: CyclicPrefix) -> &[Grid] {
        let index = self.index(cp);
        self.make_common(index);
        self.seen(index)
    }

    /// Returns the common grids in the present view.
    fn seen(&self, index: usize) -> &[Grid] {
        let band = &self.bands[index];
        if self.is_left(index) { &band.left } else { &band.common }
    }

    fn is_left(&self, index: usize) -> bool {
        self.view == View::Left && self.bands[index].has_left
    }

    /// Returns the grids from which transmissions are subtracted: at first as received.
    pub(super) fn left_mut(&mut self, cp: CyclicPrefix) -> &mut [Grid] {
        let index = self.index(cp);
        self.make_common(index);
        let band = &mut self.bands[index];
        if !band.has_left {
            band.left.iter_mut().zip(&band.common).for_each(|(left, common)| left.copy_from(common));
            band.has_left = true;
        }
        &mut band.left
    }

    /// Chooses the signal that is received next.
    pub(super) fn show(&mut self, view: View) {
        if self.view == view {
            return;
        }
        self.view = view;
        // what was turned for one view is not that of the other
        self.bands.iter_mut().for_each(|band| band.corrected_for = None);
    }

    /// Drops all subtractions: the signal is as received.
    pub(super) fn forget_left(&mut self) {
        self.show(View::Received);
        self.bands.iter_mut().for_each(|band| band.has_left = false);
    }

    fn make_common(&mut self, index: usize) {
        let Self { bands, samples, common_cfo, .. } = self;
        let band = &mut bands[index];
        if !band.common_valid {
            for (samples, grid) in samples.iter().zip(&mut band.common) {
                band.demodulator.demodulate(samples, *common_cfo, grid);
            }
            band.common_valid = true;
        }
    }

    /// Returns grids, one an antenna, on which `prbs` are valid for a UE that is `cfo` off the common offset, and the
    /// offset that remains on them. Other PRBs are undefined afterwards.
    ///
    /// `tolerance` is the offset that may remain: it costs interference between subcarriers. Either way of
    /// removing an offset costs at most that much.
    pub fn grid_for(
        &mut self,
        cp: CyclicPrefix,
        cfo: Hertz,
        tolerance: Hertz,
        prbs: PrbRange,
    ) -> (&[Grid], Hertz) {
        let index = self.index(cp);
        let hz = cfo.to_f32();
        match self.way(cp, cfo, tolerance, prbs) {
            Way::Common => (self.grid(cp), cfo),
            Way::Part => {
                self.turn_part(index, hz, prbs);
                (&self.bands[index].corrected, Hertz(0.0))
            }
            Way::Whole(made_for) => {
                let band = &mut self.bands[index];
                if band.corrected_for != Some(made_for) {
                    band.corrected(&self.samples, self.common_cfo + Hertz::from(made_for));
                    band.corrected_for = Some(made_for);
                }
                (&self.bands[index].corrected, Hertz::from(hz - made_for))
            }
        }
    }

    /// Returns grids, one an antenna, for a UE that is `cfo` off the common offset and whose paths are late: the window
    /// of each symbol begins near the end of its cyclic prefix. Costs transforms of the whole band.
    pub fn grid_late(&mut self, cp: CyclicPrefix, cfo: Hertz) -> &[Grid] {
        let index = self.index(cp);
        let Self { bands, samples, common_cfo, .. } = self;
        let band = &mut bands[index];
        band.corrected_for = None;
        for (samples, grid) in samples.iter().zip(&mut band.corrected) {
            band.late.demodulate(samples, *common_cfo + cfo, grid);
        }
        &band.corrected
    }

    /// Returns how [`Self::grid_for`] makes the grids of a UE.
    fn way(&self, cp: CyclicPrefix, cfo: Hertz, tolerance: Hertz, prbs: PrbRange) -> Way {
        let index = self.index(cp);
        let band = &self.bands[index];
        let (cfo, tolerance) = (cfo.to_f32(), tolerance.to_f32());
        match band.corrected_for {
            _ if cfo.abs() <= tolerance => Way::Common,
            Some(made_for) if (made_for - cfo).abs() <= SAME_OFFSET => Way::Whole(made_for),
            // the samples still have what was subtracted
            _ if self.is_left(index) => {
                if band.turner.turns(prbs) {
                    Way::Part
                } else {
                    Way::Common
                }
            }
            _ if band.turner.suffices(cfo, tolerance, prbs) => Way::Part,
            _ => Way::Whole(cfo),
        }
    }

    /// Removes `cfo` from the subcarriers of `prbs` alone.
    fn turn_part(&mut self, index: usize, cfo: f32, prbs: PrbRange) {
        self.make_common(index);
        let is_left = self.is_left(index);
        let Band { turner, common, corrected, corrected_for, left, .. } = &mut self.bands[index];
        *corrected_for = None;
        turner.turn(if is_left { left } else { common }, cfo, prbs, corrected);
    }

    /// Whether [`Self::grid`] gives the common grids as received.
    pub(super) fn is_as_received(&self, cp: CyclicPrefix) -> bool {
        !self.is_left(self.index(cp))
    }

    /// Returns the samples of each window that come out of the cyclic prefix: half a normal one lies on either side.
    fn advance(numerology: Numerology) -> usize {
        numerology.fft() * 72 / 2048
    }

    /// Returns the carrier offset that was removed from the common grids.
    pub fn common_cfo(&self) -> Hertz {
        self.common_cfo
    }

    fn index(&self, cp: CyclicPrefix) -> usize {
        self.bands.iter().position(|b| b.demodulator.numerology().cp() == cp).unwrap_or(0)
    }
}

/// Converts a measurement on a corrected grid to one of the antenna signal.
pub(super) fn with_common(measurement: Measurement, removed: Hertz) -> Measurement {
    let plus_removed = |offset: Hertz| Hertz::from(offset.to_f32() + removed.to_f32());
    Measurement {
        cfo: plus_removed(measurement.cfo),
        offset: plus_removed(measurement.offset),
        ..measurement
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impair::rng::Rng;
    use crate::sc_fdma::{Modulator, Precoding, rotate};
    use crate::units::{Bandwidth, Decibel};
    use std::f32::consts::PI;

    const CARRIER: usize = 50;

    /// Returns the interference on `prbs` of a UE that is `cfo` Hz off, all other PRBs in use without an offset:
    /// whole band and own subcarriers alone.
    fn interference(cp: CyclicPrefix, prbs: PrbRange, cfo: f32, subframes: u64) -> [Decibel; 2] {
        let numerology = Numerology::standard(Bandwidth::Prb50, cp);
        let mut modulator = Modulator::new(numerology);
        let mut precoding = Precoding::new(CARRIER);
        let mut front = Front::new(&[numerology], Antennas::ONE);
        let mut rng = Rng::new(7);
        let len = numerology.subframe_samples();
        let (mut own, mut others) = (vec![Sample::default(); len], vec![Sample::default(); len]);
        let (first, end) = (prbs.first_subcarrier(), 12 * prbs.end());
        let mut error = [0.0; 2];
        let mut power = 0.0;
        for _ in 0..subframes {
            let mut sent = Grid::new(numerology);
            let mut rest = Grid::new(numerology);
            for l in 0..sent.symbols() {
                let mut point = |_| Sample::from_polar(1.0, 0.25 * PI * (2 * rng.below(4) + 1) as f32);
                let data: Vec<Sample> = (0..12 * CARRIER).map(&mut point).collect();
                rest.symbol_mut(l).copy_from_slice(&data);
                let mut part: Vec<Sample> = (first..end).map(&mut point).collect();
                precoding.precode(&mut part);
                rest.symbol_mut(l)[first..end].fill(Sample::default());
                sent.symbol_mut(l)[first..end].copy_from_slice(&part);
            }
            modulator.modulate(&sent, &mut own);
            modulator.modulate(&rest, &mut others);
            rotate(&mut own, 0.0, cfo as f64 / numerology.sample_rate().0);
            own.iter_mut().zip(&others).for_each(|(x, y)| *x += y);
            for (way, error) in error.iter_mut().enumerate() {
                assert!(front.load(&[&own], Hertz(0.0)));
                match way {
                    0 => {
                        let whole = PrbRange { start: 0, len: CARRIER };
                        assert_eq!(front.grid_for(cp, Hertz::from(cfo), Hertz(0.0), whole).1, Hertz(0.0));
                    }
                    _ => front.turn_part(0, cfo, prbs),
                }
                for l in 0..sent.symbols() {
                    for k in first..end {
                        *error += (front.bands[0].corrected[0].symbol(l)[k] - sent.symbol(l)[k]).norm_sqr();
                    }
                }
            }
            power += sent.values().iter().map(|x| x.norm_sqr()).sum::<f32>();
        }
        error.map(|e| Decibel::of_ratio_f32(e / power))
    }

    /// Up to the offset at which the whole band takes over, turning the own subcarriers alone interferes no more than
    /// the tolerated offset: 35 dB below the signal for 150 Hz.
    #[test]
    fn own_subcarriers_alone_are_exact_enough() {
        const TOLERANCE: f32 = 150.0;
        for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
            let front = Front::new(&[Numerology::standard(Bandwidth::Prb50, cp)], Antennas::ONE);
            for len in [1, 2, 3, 4, 8, 16, 24] {
                let prbs = PrbRange { start: 5, len };
                let most = TOLERANCE * (len as f32).sqrt();
                assert!(front.bands[0].turner.suffices(-most, TOLERANCE, prbs));
                for cfo in [0.5 * most, -most] {
                    let [whole, part] = interference(cp, prbs, cfo, 2);
                    assert!(
                        part < Decibel(-35.0),
                        "{cp:?} {len} PRB {cfo} Hz: {part:.1}, whole band {whole:.1}"
                    );
                }
                assert!(!front.bands[0].turner.suffices(1.01 * most, TOLERANCE, prbs), "{len} PRB");
            }
        }
    }

    /// Offsets that are larger, and allocations that are wider than half of the carrier or not of a precoding size, use
    /// the whole band, with the same result as the whole band.
    #[test]
    fn large_offsets_take_the_whole_band() {
        let cp = CyclicPrefix::Normal;
        let numerology = Numerology::standard(Bandwidth::Prb50, cp);
        let mut front = Front::new(&[numerology], Antennas::ONE);
        let mut rng = Rng::new(3);
        let samples: Vec<_> = (0..numerology.subframe_samples()).map(|_| rng.complex_gaussian()).collect();
        for (start, len, cfo) in
            [(5, 8, 5000.0), (5, 8, -1000.0), (5, 30, 200.0), (5, 7, 200.0), (45, 8, 200.0)]
        {
            assert!(front.load(&[&samples], Hertz(70.0)));
            let (grid, left) = front.grid_for(cp, Hertz(cfo), Hertz(150.0), PrbRange { start, len });
            let mut exact = Grid::new(numerology);
            Demodulator::new(numerology, numerology.fft() * 72 / 2048).demodulate(
                &samples,
                Hertz(70.0 + cfo),
                &mut exact,
            );
            assert!(left == Hertz(0.0) && *grid[0].values() == *exact.values(), "{len} PRB, {cfo} Hz");
        }
    }

    /// One after the other: no UE gets the subcarriers that were turned for another.
    #[test]
    fn every_ue_gets_its_own() {
        let cp = CyclicPrefix::Normal;
        let numerology = Numerology::standard(Bandwidth::Prb50, cp);
        let mut rng = Rng::new(4);
        let samples: Vec<_> = (0..numerology.subframe_samples()).map(|_| rng.complex_gaussian()).collect();
        let (whole, part_of_it) = ((20, 8, 3000.0), (20, 8, 200.0));
        let wanted =
            [(0, 8, 200.0), (8, 8, 210.0), (0, 8, -200.0), whole, (0, 8, 200.0), whole, part_of_it, whole];
        let part = |front: &mut Front, (start, len, cfo): (usize, usize, f64)| -> Vec<Sample> {
            let prbs = PrbRange { start, len };
            let (grid, _) = front.grid_for(cp, Hertz(cfo), Hertz(150.0), prbs);
            (0..14).flat_map(|l| grid[0].symbol(l)[12 * start..12 * (start + len)].to_vec()).collect()
        };
        let mut front = Front::new(&[numerology], Antennas::ONE);
        assert!(front.load(&[&samples], Hertz(0.0)));
        for ue in wanted {
            let got = part(&mut front, ue);
            let mut alone = Front::new(&[numerology], Antennas::ONE);
            assert!(alone.load(&[&samples], Hertz(0.0)));
            assert_eq!(got, part(&mut alone, ue), "{ue:?}");
        }
    }
}
