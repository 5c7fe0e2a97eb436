//! The samples of a subframe and the grids that are made of them: one for each cyclic prefix, and one for a UE whose
//! carrier is far off the common offset.

use crate::Sample;
use crate::grid::Grid;
use crate::numerology::Numerology;
use crate::receive::estimate::Measurement;
use crate::sc_fdma::Demodulator;
use crate::units::CyclicPrefix;

/// A grid that was made for this offset in Hz serves others this near.
const SAME_OFFSET: f32 = 40.0;

/// Holds one subframe.
pub struct Front {
    samples: Vec<Sample>,
    common_cfo: f64,
    bands: Vec<Band>,
}

struct Band {
    demodulator: Demodulator,
    common: Grid,
    common_valid: bool,
    corrected: Grid,
    /// Offset of `corrected` against the common one.
    corrected_for: Option<f32>,
}

impl Front {
    /// For the numerologies of one carrier: they differ in the cyclic prefix at most.
    pub fn new(numerologies: &[Numerology]) -> Self {
        let mut bands: Vec<Band> = Vec::new();
        for &n in numerologies {
            if bands.iter().any(|b| b.demodulator.numerology() == n) {
                continue;
            }
            bands.push(Band {
                // half a normal cyclic prefix on either side
                demodulator: Demodulator::new(n, n.fft() * 72 / 2048),
                common: Grid::new(n),
                common_valid: false,
                corrected: Grid::new(n),
                corrected_for: None,
            });
        }
        Self { samples: vec![Sample::default(); numerologies[0].subframe_samples()], common_cfo: 0.0, bands }
    }

    /// Take a subframe. `false` when it is silent, or not a whole subframe.
    pub fn load(&mut self, samples: &[Sample], common_cfo: f64) -> bool {
        if samples.len() != self.samples.len() {
            return false;
        }
        self.samples.copy_from_slice(samples);
        self.common_cfo = common_cfo;
        for band in &mut self.bands {
            band.common_valid = false;
            band.corrected_for = None;
        }
        samples.iter().any(|x| x.norm_sqr() > 0.0)
    }

    /// The grid with the common offset taken out.
    pub fn grid(&mut self, cp: CyclicPrefix) -> &Grid {
        let index = self.index(cp);
        let band = &mut self.bands[index];
        if !band.common_valid {
            band.demodulator.demodulate(&self.samples, self.common_cfo, &mut band.common);
            band.common_valid = true;
        }
        &band.common
    }

    /// A grid on which a UE that is `cfo` Hz off the common offset loses nothing, and the offset that is left on it.
    ///
    /// `tolerance` is the offset in Hz that may stay: it costs interference between subcarriers.
    pub fn grid_for(&mut self, cp: CyclicPrefix, cfo: f32, tolerance: f32) -> (&Grid, f32) {
        if cfo.abs() <= tolerance {
            return (self.grid(cp), cfo);
        }
        let index = self.index(cp);
        let band = &mut self.bands[index];
        let made_for = match band.corrected_for {
            Some(made_for) if (made_for - cfo).abs() <= SAME_OFFSET => made_for,
            _ => {
                band.demodulator.demodulate(&self.samples, self.common_cfo + cfo as f64, &mut band.corrected);
                band.corrected_for = Some(cfo);
                cfo
            }
        };
        (&band.corrected, cfo - made_for)
    }

    /// Carrier offset in Hz that was taken out of the common grids.
    pub fn common_cfo(&self) -> f64 {
        self.common_cfo
    }

    fn index(&self, cp: CyclicPrefix) -> usize {
        self.bands.iter().position(|b| b.demodulator.numerology().cp() == cp).unwrap_or(0)
    }
}

/// A measurement on a corrected grid as one of the antenna signal.
pub(super) fn with_common(measurement: Measurement, removed_hz: f64) -> Measurement {
    Measurement { cfo_hz: measurement.cfo_hz + removed_hz as f32, ..measurement }
}
