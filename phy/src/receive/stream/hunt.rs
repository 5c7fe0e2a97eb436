//! Hypotheses of timing and carrier offset for a range of samples. None is accepted here: the stream tries each.

use super::super::acquire::{Acquisition, MAX_TIMINGS, Timing};
use super::super::carrier::CarrierSearch;
use super::super::diversity::Views;
use super::super::receiver::Config;
use super::super::sync::{Detection, PREPARED, REACH, Search, SearchConfig};
use crate::channel::psbch;
use crate::grid::Grid;
use crate::numerology::{Numerology, SUBCARRIER_SPACING};
use crate::sc_fdma::Demodulator;
use crate::sequence::dmrs::References;
use crate::units::{Hertz, SidelinkMode};
use std::sync::Arc;

/// Carrier offset that is searched on either side: 15 ppm at 5.9 GHz are 89 kHz, the rest is for grids that are
/// some PRBs beside the configured centre.
const BESIDE: Hertz = Hertz(640e3);

/// Subframes of a range on which shifts of the grid are ranked: the strongest.
const RANKED: usize = 4;

/// Shifts of the grid that are tried for one timing.
const SHIFTS: usize = 3;

/// Contrast of a few folded subframes from which their prefixes are elsewhere.
const CLEAR: f32 = 6.0;

/// Source of a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// A synchronisation signal.
    Slss(Detection),
    /// Cyclic prefixes.
    Prefixes,
    /// An assumption without evidence.
    Assumption,
}

/// A possible begin of subframes, and a possible carrier offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hypothesis {
    /// A sample at which a subframe begins, from the start of the range.
    pub(super) begin: isize,
    /// Carrier offset.
    pub(super) cfo: Hertz,
    /// Source of the hypothesis.
    pub(super) source: Source,
    /// Evidence for it, in the measure of its source.
    pub(super) score: f32,
}

/// Range of offsets in which signals are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// ±100 kHz.
    Offset,
    /// Some PRBs more.
    Beside,
}

impl Reach {
    /// Returns the offsets around which the signals are searched, ±100 kHz each.
    fn centres(self) -> &'static [Hertz] {
        match self {
            Self::Offset => &[Hertz(0.0)],
            Self::Beside => {
                &[Hertz(200e3), Hertz(-200e3), Hertz(400e3), Hertz(-400e3), Hertz(600e3), Hertz(-600e3)]
            }
        }
    }
}

/// Returns offsets within ±100 kHz, the small ones first.
fn offsets() -> impl Iterator<Item = Hertz> {
    let steps = (PREPARED.0 / (2.0 * REACH.0)) as i32;
    std::iter::once(0).chain((1..=steps).flat_map(|i| [i, -i])).map(|i| Hertz(f64::from(i) * 2.0 * REACH.0))
}

/// Makes hypotheses. Nothing is allocated after construction.
pub(super) struct Hunter {
    numerology: Numerology,
    search: Option<Search>,
    found: Vec<Detection>,
    acquisition: Acquisition,
    carrier: CarrierSearch,
    sidelink: SidelinkMode,
    demodulator: Demodulator,
    /// One an antenna.
    grids: Vec<Grid>,
    psbch: psbch::Decoder,
    /// Power and start of the subframes of a range.
    powers: Vec<(f32, usize)>,
    hypotheses: Vec<Hypothesis>,
}

impl Hunter {
    /// Makes a hunter for ranges of at most `longest` samples.
    pub(super) fn new(config: &Config, longest: usize) -> Self {
        let numerology = config.numerology;
        let sidelink = config.mode.sidelink();
        let places = places(config);
        let reach = BESIDE / SUBCARRIER_SPACING;
        let references = Arc::new(References::new(numerology.bandwidth().prbs()));
        let antennas = config.antennas;
        let search = SearchConfig { antennas, ..SearchConfig::default() };
        Self {
            numerology,
            search: Search::new(numerology, psbch::ssss_form(sidelink), longest, search),
            found: Vec::with_capacity(32),
            acquisition: Acquisition::new(numerology, antennas),
            carrier: CarrierSearch::new(
                numerology,
                sidelink,
                places,
                reach.ceil() as i32,
                references.clone(),
                antennas,
            ),
            sidelink,
            demodulator: Demodulator::new(numerology, numerology.fft() * 72 / 2048),
            grids: (0..antennas.count()).map(|_| Grid::new(numerology)).collect(),
            psbch: psbch::Decoder::new(numerology, sidelink, references, antennas),
            powers: Vec::with_capacity(longest / numerology.subframe_samples() + 2),
            hypotheses: Vec::with_capacity(32),
        }
    }

    /// Returns one of the last hypotheses.
    pub(super) fn hypothesis(&self, index: usize) -> Option<Hypothesis> {
        self.hypotheses.get(index).copied()
    }

    /// Searches synchronisation signals about `near` off; returns the number of hypotheses.
    pub(super) fn signals(&mut self, stretch: &Views<'_>, near: Hertz) -> usize {
        self.found.clear();
        self.hypotheses.clear();
        if let Some(search) = &mut self.search {
            search.prepare(near, stretch);
            search.search_near(Hertz(0.0), &mut self.found);
        }
        self.note_found()
    }

    /// Searches synchronisation signals further than [`REACH`] off: to ±100 kHz, or with [`Reach::Beside`] on grids
    /// that are some PRBs beside the centre. Returns the number of hypotheses.
    pub(super) fn signals_far(&mut self, stretch: &Views<'_>, reach: Reach) -> usize {
        self.found.clear();
        self.hypotheses.clear();
        for &coarse in reach.centres() {
            if let Some(search) = &mut self.search {
                search.prepare(coarse, stretch);
            }
            for near in offsets() {
                self.signals_with_mib(stretch, near);
            }
        }
        self.found.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.note_found()
    }

    /// Searches signals that have a MIB: with many offsets, false detections occur.
    fn signals_with_mib(&mut self, stretch: &Views<'_>, near: Hertz) {
        let Some(search) = &mut self.search else { return };
        let before = self.found.len();
        search.search_near(near, &mut self.found);
        let mut kept = before;
        for i in before..self.found.len() {
            let detection = self.found[i];
            if self.has_mib(stretch, &detection) {
                self.found[kept] = detection;
                kept += 1;
            }
        }
        self.found.truncate(kept);
    }

    fn has_mib(&mut self, stretch: &Views<'_>, detection: &Detection) -> bool {
        let n = self.numerology.subframe_samples();
        let subframe = usize::try_from(detection.sample.round() as i64).ok();
        let Some(subframe) = subframe.and_then(|at| stretch.part(at, n)) else { return false };
        for (samples, grid) in subframe.iter().zip(&mut self.grids) {
            self.demodulator.demodulate(samples, detection.cfo, grid);
        }
        let mut mib = [0; 48];
        self.psbch.decode(&self.grids, detection.id, &mut mib[..psbch::payload_bits(self.sidelink)]).is_some()
    }

    fn note_found(&mut self) -> usize {
        self.hypotheses.extend(self.found.iter().map(|d| Hypothesis {
            begin: d.sample.round() as isize,
            cfo: d.cfo,
            source: Source::Slss(*d),
            score: d.score,
        }));
        self.hypotheses.len()
    }

    /// Finds timings by cyclic prefixes, each with the offsets that the reference signals allow; about `near` if
    /// these give none. Returns their number; none if the timing `held` explains the prefixes as well.
    pub(super) fn prefixes(&mut self, stretch: &Views<'_>, near: Hertz, held: Option<usize>) -> usize {
        self.acquisition.clear();
        self.acquisition.add(stretch, 0);
        let mut timings = [Timing::default(); MAX_TIMINGS];
        let count = self.acquisition.best(&mut timings);
        self.hypotheses.clear();
        if count == 0 || held.is_some_and(|held| self.acquisition.fits(held, &timings[0])) {
            return 0;
        }
        for timing in &timings[..count] {
            self.shifted(stretch, timing, near);
        }
        // stable: timings come in the order of their own likelihood
        self.hypotheses.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.hypotheses.len()
    }

    /// Forgets the samples folded by [`Self::fold`].
    pub(super) fn unfold(&mut self) {
        self.acquisition.clear();
    }

    /// Folds samples, of which the first is number `at` of the stream.
    pub(super) fn fold(&mut self, samples: &Views<'_>, at: i64) {
        let n = self.numerology.subframe_samples() as i64;
        self.acquisition.add(samples, at.rem_euclid(n) as usize);
    }

    /// Finds timings in the fold: numbers of the stream, modulo a subframe; about `near`. Returns the number of
    /// hypotheses; none if the timing `held` explains it as well.
    pub(super) fn folded(&mut self, near: Hertz, held: usize) -> usize {
        let mut timings = [Timing::default(); MAX_TIMINGS];
        let count = self.acquisition.best(&mut timings);
        self.hypotheses.clear();
        if count == 0 || timings[0].contrast < CLEAR || self.acquisition.fits(held, &timings[0]) {
            return 0;
        }
        self.hypotheses.extend(timings[..count].iter().map(|t| Hypothesis {
            begin: t.offset as isize,
            cfo: nearest(t.cfo, near),
            source: Source::Prefixes,
            score: t.contrast,
        }));
        self.hypotheses.len()
    }

    fn shifted(&mut self, stretch: &Views<'_>, timing: &Timing, near: Hertz) {
        let n = self.numerology.subframe_samples();
        let base = nearest(timing.cfo, near);
        self.powers.clear();
        let room = self.powers.capacity();
        let starts = (timing.offset..).step_by(n).take(room);
        for (start, subframe) in starts.map_while(|start| Some((start, stretch.part(start, n)?))) {
            let all = subframe.iter().flat_map(|samples| samples.iter().step_by(4));
            let power = all.map(|x| x.norm_sqr()).sum();
            self.powers.push((power, start));
        }
        self.powers.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        self.carrier.clear();
        for &(power, start) in self.powers.iter().take(RANKED) {
            if power > 0.0
                && let Some(subframe) = stretch.part(start, n)
            {
                self.carrier.add(&subframe, base);
            }
        }
        let ranked = self.carrier.ranked();
        let hypothesis = |shift: i32, score: f32| Hypothesis {
            begin: timing.offset as isize,
            cfo: base + CarrierSearch::offset(shift),
            source: Source::Prefixes,
            score,
        };
        let room = self.hypotheses.capacity() - self.hypotheses.len();
        let best = ranked.iter().take(SHIFTS).map(|s| (s.subcarriers, s.score));
        let unshifted = !ranked.iter().take(SHIFTS).any(|s| s.subcarriers == 0);
        let all = best.chain(unshifted.then_some((0, 0.0)));
        self.hypotheses.extend(all.map(|(shift, score)| hypothesis(shift, score)).take(room));
    }
}

/// Returns `cfo` plus the whole subcarriers that bring it nearest to `near`.
fn nearest(cfo: Hertz, near: Hertz) -> Hertz {
    cfo + Hertz(((near - cfo) / SUBCARRIER_SPACING).round() * SUBCARRIER_SPACING.0)
}

/// Returns the first PRBs of PSCCH and PSDCH of the configured pools; empty without any.
fn places(config: &Config) -> Vec<usize> {
    let carrier = config.numerology.bandwidth().prbs();
    let mut places: Vec<usize> = Vec::new();
    if let Some(pool) = &config.v2x {
        places.extend((0..pool.num).map(|m| pool.control(m).start));
    }
    for place in &config.communication {
        let count = place.pool.control_resources(carrier);
        places.extend(
            (0..count).filter_map(|n| place.pool.control_resource(carrier, n)).flatten().map(|r| r.1),
        );
    }
    for place in &config.discovery {
        let count = place.pool.resources(carrier);
        let all = (0..count).filter_map(|n| place.pool.type1(carrier, n)).flatten();
        places.extend(all.map(|(_, prbs)| prbs.start));
    }
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_cover_what_they_should() {
        let mut all: Vec<i64> = offsets().map(|f| f.0 as i64).collect();
        assert_eq!(all[..5], [0, 10_000, -10_000, 20_000, -20_000]);
        for &centre in Reach::Beside.centres() {
            all.extend(offsets().map(|f| (centre + f).0 as i64));
        }
        all.sort_unstable();
        all.dedup();
        assert!(all.windows(2).all(|w| w[1] - w[0] == 10_000), "{all:?}");
        assert!(all[0] <= -560_000 && all[all.len() - 1] >= 560_000);
    }

    #[test]
    fn whole_subcarriers_bring_an_offset_near() {
        let near = |cfo, near| nearest(Hertz(cfo), Hertz(near)).0;
        assert_eq!(near(2000.0, 0.0), 2000.0);
        assert_eq!(near(-7000.0, 8500.0), 8000.0);
        assert_eq!(near(7000.0, -98_000.0), -98_000.0);
    }
}
