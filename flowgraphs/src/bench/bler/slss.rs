//! Synchronisation over 40 ms of samples: right, missed and false identities.

use super::air::Air;
use super::{AirConfig, Knowledge};
use sidelink_phy::Sample;
use sidelink_phy::channel::psbch;
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::awgn::{Awgn, noise_power_per_sample};
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::receive::sync::{Search, SearchConfig};
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{Antennas, Bandwidth, CyclicPrefix, Decibel, SidelinkMode, SlssId};
use std::sync::Arc;

/// Subframes in a search.
const SUBFRAMES: usize = 40;

/// Results of a number of searches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Searches.
    pub trials: u32,
    /// The right identity was the best one, at the right place.
    pub right: u32,
    /// Nothing was found.
    pub missed: u32,
    /// The best one was another identity, or at another place.
    pub wrong: u32,
}

/// Searches `trials` times in 40 ms with one SLSS subframe (`None`: noise alone) at a random place.
pub fn run(es_n0: Option<Decibel>, air_config: &AirConfig, sidelink: SidelinkMode, trials: u32) -> Outcome {
    let numerology = Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Normal);
    let references = Arc::new(References::new(6));
    let n = numerology.subframe_samples();
    let mut encoder = psbch::Encoder::new(numerology, sidelink, references);
    let config = AirConfig { antennas: Antennas::ONE, ..*air_config };
    let mut air = Air::new(numerology, config, Knowledge::Estimated);
    // the noise is added to the whole stretch, once
    air.set_es_n0(Decibel(300.0));
    let amplitude = 1.0 / (numerology.subcarriers() as f64).sqrt();
    let power = noise_power_per_sample(es_n0.unwrap_or_default(), amplitude, numerology.fft());
    let mut noise = Awgn::new(power, air_config.seed ^ 0xa11);
    let mut rng = Rng::new(air_config.seed ^ 0x51);
    let Some(mut search) =
        Search::new(numerology, psbch::ssss_form(sidelink), SUBFRAMES * n, SearchConfig::default())
    else {
        return Outcome::default();
    };
    let mut grid = Grid::new(numerology);
    let mut samples = vec![Sample::default(); SUBFRAMES * n];
    let mut found = Vec::with_capacity(16);
    let mut outcome = Outcome { trials, ..Outcome::default() };
    for _ in 0..trials {
        samples.fill(Sample::default());
        let mut sent = None;
        if es_n0.is_some() {
            let (Some(id), at) =
                (SlssId::new(rng.below(336) as u16), rng.below(((SUBFRAMES - 1) * n) as u64) as usize)
            else {
                continue;
            };
            grid.clear();
            let mib: Vec<u8> = (0..psbch::payload_bits(sidelink)).map(|_| rng.below(2) as u8).collect();
            if encoder.encode(&mib, id, 1.0, &mut grid).is_ok() {
                air.carry(&grid);
                samples[at..at + n].copy_from_slice(air.samples()[0]);
                sent = Some((id, at));
            }
        }
        noise.process(&mut samples);
        found.clear();
        search.search(&samples, &mut found);
        match (found.first(), sent) {
            (None, _) => outcome.missed += 1,
            // the receiver tolerates half a cyclic prefix of timing error
            (Some(d), Some((id, at))) if d.id == id && (d.sample - at as f64).abs() < 5.0 => {
                outcome.right += 1
            }
            _ => outcome.wrong += 1,
        }
    }
    outcome
}
