//! Synchronisation search.

use super::wanted;
use crate::bench::timing::{Timing, time};
use sidelink_phy::Sample;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::receive::slss::Detector;
use sidelink_phy::receive::sync::{Search, SearchConfig};
use sidelink_phy::sequence::SsssForm;
use sidelink_phy::units::{Bandwidth, CyclicPrefix, Hertz, SidelinkMode};
use std::time::Duration;

pub(super) fn run(budget: Duration, only: &str, done: &mut dyn FnMut(&Timing)) {
    for (bandwidth, peer_ms) in [(Bandwidth::Prb6, 1.1), (Bandwidth::Prb50, 11.2), (Bandwidth::Prb100, 25.0)]
    {
        let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
        let name = format!("slss search of 40 ms, {:.2} MS/s", numerology.sample_rate().0 / 1e6);
        if !wanted(&name, only) {
            continue;
        }
        let mut rng = Rng::new(1);
        let mut samples = vec![Sample::default(); 40 * numerology.subframe_samples()];
        samples.fill_with(|| rng.complex_gaussian());
        let config = SearchConfig::default();
        let Some(mut search) = Search::new(numerology, SsssForm::Subframe0, samples.len(), config) else {
            continue;
        };
        let mut found = Vec::with_capacity(16);
        done(
            &time(name, budget, || {
                found.clear();
                search.search(&samples, &mut found);
            })
            .against(1000.0 * peer_ms, 5.0),
        );
    }
    let numerology = Numerology::standard(Bandwidth::Prb6, CyclicPrefix::Normal);
    let name = "ssss, 168 identities of a subframe, 1.92 MS/s";
    if wanted(name, only) {
        let mut grid = sidelink_phy::grid::Grid::new(numerology);
        let references = std::sync::Arc::new(sidelink_phy::sequence::dmrs::References::new(6));
        let mut encoder =
            sidelink_phy::channel::psbch::Encoder::new(numerology, SidelinkMode::D2d, references);
        let Some(id) = sidelink_phy::units::SlssId::new(7) else { return };
        if encoder.encode(&[0; 40], id, 1.0, &mut grid).is_err() {
            return;
        }
        let detector = Detector::new(SsssForm::Subframe0, CyclicPrefix::Normal);
        let mut samples = vec![Sample::default(); numerology.subframe_samples()];
        sidelink_phy::sc_fdma::Modulator::new(numerology).modulate(&grid, &mut samples);
        let mut demodulator = sidelink_phy::sc_fdma::Demodulator::new(numerology, 4);
        done(
            &time(name, budget, || {
                demodulator.demodulate(&samples, Hertz(0.0), &mut grid);
                std::hint::black_box(detector.detect(std::slice::from_ref(&grid)));
            })
            .against(337.0, 10.0),
        );
    }
}
