//! The channels, with the cases and the figures of the best open peer (srsRAN 4G at 1fab3df8, gcc -Ofast -march=native,
//! on a machine of the same kind).

use super::wanted;
use crate::bench::timing::{Timing, time};
use sidelink_phy::Sample;
use sidelink_phy::channel::{psbch, pscch, pssch};
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::receive::receiver::{Config, Receiver, Tuning};
use sidelink_phy::receive::search::ControlSearch;
use sidelink_phy::sc_fdma::{Demodulator, Modulator};
use sidelink_phy::sci::{Format1, riv_encode};
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{
    Antennas, Bandwidth, CyclicPrefix, Hertz, PrbRange, SidelinkMode, SlssId, TransmissionMode,
};
use std::hint::black_box;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

/// Signal to noise ratio of the subframes in dB: that of a capture by cable.
const SNR_DB: f64 = 20.0;

struct Bench<'a> {
    numerology: Numerology,
    references: Arc<References>,
    budget: Duration,
    only: &'a str,
    done: &'a mut dyn FnMut(&Timing),
}

pub(super) fn run(budget: Duration, only: &str, done: &mut dyn FnMut(&Timing)) {
    // bandwidth, demodulation, control estimate + decode, search, PSBCH estimate + decode of the peer
    let cases = [
        (Bandwidth::Prb6, SidelinkMode::D2d, 1.3, 1.1 + 5.9, 41.0, 1.4 + 9.7),
        (Bandwidth::Prb50, SidelinkMode::D2d, 10.2, 3.7 + 6.4, 503.0, 4.3 + 9.9),
        (Bandwidth::Prb100, SidelinkMode::D2d, 20.5, 6.9 + 6.5, 1331.0, 7.5 + 9.7),
        (Bandwidth::Prb50, SidelinkMode::V2x, 9.7, 3.7 + 6.4, 205.0, 4.2 + 9.2),
        (Bandwidth::Prb100, SidelinkMode::V2x, 19.3, 6.9 + 6.4, 534.0, 0.0),
    ];
    for (bandwidth, sidelink, demodulate, control, search, broadcast) in cases {
        let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
        let references = Arc::new(References::new(bandwidth.prbs()));
        let mut bench = Bench { numerology, references, budget, only, done };
        let mode = match sidelink {
            SidelinkMode::V2x => "TM4",
            SidelinkMode::D2d => "TM2",
        };
        let at = format!("{mode}, {} PRB", bandwidth.prbs());
        bench.demodulate(&at, demodulate);
        bench.control(&at, sidelink, control);
        bench.search(&at, sidelink, search);
        if broadcast > 0.0 {
            bench.broadcast(&at, sidelink, broadcast);
        }
    }
    // allocation, MCS, peer's DMRS + estimate + decode
    let shared = [
        (Bandwidth::Prb50, SidelinkMode::V2x, 18, 6, 31.0 + 5.8 + 15.5),
        (Bandwidth::Prb50, SidelinkMode::V2x, 8, 12, 13.9 + 4.4 + 12.1),
        (Bandwidth::Prb100, SidelinkMode::V2x, 48, 12, 84.6 + 13.6 + 48.1),
    ];
    for (bandwidth, sidelink, prbs, mcs, peer) in shared {
        let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
        let references = Arc::new(References::new(bandwidth.prbs()));
        Bench { numerology, references, budget, only, done }.shared(sidelink, prbs, mcs, peer);
    }
    let numerology = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
    let references = Arc::new(References::new(50));
    Bench { numerology, references, budget, only, done }.whole_subframe();
}

impl Bench<'_> {
    fn report(&mut self, timing: Timing) {
        (self.done)(&timing);
    }

    /// Returns a grid with added noise.
    fn noisy(&self, grid: &Grid) -> Grid {
        let mut rng = Rng::new(7);
        let sigma = 10f32.powf(-SNR_DB as f32 / 20.0);
        let mut out = grid.clone();
        for l in 0..out.symbols() {
            for x in out.symbol_mut(l) {
                *x += rng.complex_gaussian() * sigma;
            }
        }
        out
    }

    fn demodulate(&mut self, at: &str, peer: f64) {
        let name = format!("SC-FDMA demodulation, {at}");
        if !wanted(&name, self.only) {
            return;
        }
        let mut rng = Rng::new(3);
        let mut samples = vec![Sample::default(); self.numerology.subframe_samples()];
        samples.fill_with(|| rng.complex_gaussian());
        let mut demodulator = Demodulator::new(self.numerology, 0);
        let mut grid = Grid::new(self.numerology);
        let t = time(name, self.budget, || demodulator.demodulate(&samples, Hertz(0.0), &mut grid));
        self.report(t.against(peer, 1.0));
    }

    fn control(&mut self, at: &str, sidelink: SidelinkMode, peer: f64) {
        let name = format!("PSCCH estimate and decode of a candidate, {at}");
        if !wanted(&name, self.only) {
            return;
        }
        let mut encoder = pscch::Encoder::new(self.numerology, sidelink, self.references.clone());
        let mut decoder =
            pscch::Decoder::new(self.numerology, sidelink, self.references.clone(), Antennas::ONE);
        let mut bits = vec![0; decoder.payload_bits()];
        bits.iter_mut().step_by(3).for_each(|b| *b = 1);
        let mut grid = Grid::new(self.numerology);
        if encoder.encode(&bits, 2, 0, 1.0, &mut grid).is_err() {
            return;
        }
        let grid = self.noisy(&grid);
        let t = time(name, self.budget, || {
            black_box(decoder.decode(from_ref(&grid), 2, 0, Hertz(0.0), &mut bits));
        });
        self.report(t.against(peer, 1.0));
    }

    /// Measures the search of a subframe with two SCIs in it, the rest noise: modes 1 and 2 over every PRB, as the peer
    /// does; modes 3 and 4 over the sub-channels of a pool, four cyclic shifts each, which are the peer's candidates,
    /// and over the whole band, which the peer does not support.
    fn search(&mut self, at: &str, sidelink: SidelinkMode, peer: f64) {
        let prbs = self.numerology.bandwidth().prbs();
        if sidelink == SidelinkMode::D2d {
            return self.search_over(
                &format!("blind SCI search of a subframe, {at}"),
                sidelink,
                (0..prbs).collect(),
                Some(peer),
            );
        }
        let places: Vec<usize> = (0..prbs).step_by(10).collect();
        let name = format!("blind SCI search of {} candidates, {at}", 4 * places.len());
        self.search_over(&name, sidelink, places, Some(peer));
        self.search_over(
            &format!("blind SCI search of the whole band, {at}"),
            sidelink,
            (0..prbs).collect(),
            None,
        );
    }

    fn search_over(&mut self, name: &str, sidelink: SidelinkMode, places: Vec<usize>, peer: Option<f64>) {
        if !wanted(name, self.only) {
            return;
        }
        let mut encoder = pscch::Encoder::new(self.numerology, sidelink, self.references.clone());
        let mut grid = Grid::new(self.numerology);
        let bits = vec![1; pscch::sci_bits(sidelink, self.numerology)];
        let width = pscch::prbs(sidelink);
        let last = places.iter().rev().find(|&&p| p + width <= self.numerology.bandwidth().prbs());
        for prb in [Some(&0), last].into_iter().flatten() {
            if encoder.encode(&bits, *prb, 0, 1.0, &mut grid).is_err() {
                return;
            }
        }
        let grid = self.noisy(&grid);
        let mode = match sidelink {
            SidelinkMode::V2x => TransmissionMode::Tm4,
            SidelinkMode::D2d => TransmissionMode::Tm2,
        };
        let mut search = ControlSearch::new(self.numerology, mode, self.references.clone(), Antennas::ONE);
        let tuning = Tuning::default();
        let mut found = 0;
        let t = time(name, self.budget, || {
            found = 0;
            search.search(from_ref(&grid), &mut places.iter().copied(), &tuning, &mut |_| found += 1);
        });
        if found != 2 {
            tracing::warn!("{name}: {found} SCIs found instead of 2");
        }
        self.report(match peer {
            Some(us) => t.against(us, 5.0),
            None => t,
        });
    }

    fn broadcast(&mut self, at: &str, sidelink: SidelinkMode, peer: f64) {
        let name = format!("PSBCH estimate and decode, {at}");
        if !wanted(&name, self.only) {
            return;
        }
        let mut encoder = psbch::Encoder::new(self.numerology, sidelink, self.references.clone());
        let mut decoder =
            psbch::Decoder::new(self.numerology, sidelink, self.references.clone(), Antennas::ONE);
        let mut mib = vec![0; psbch::payload_bits(sidelink)];
        mib[3] = 1;
        let Some(id) = SlssId::new(77) else { return };
        let mut grid = Grid::new(self.numerology);
        if encoder.encode(&mib, id, 1.0, &mut grid).is_err() {
            return;
        }
        let grid = self.noisy(&grid);
        let t = time(name, self.budget, || {
            black_box(decoder.decode(from_ref(&grid), id, &mut mib));
        });
        self.report(t.against(peer, 1.0));
    }

    fn shared(&mut self, sidelink: SidelinkMode, prbs: usize, mcs: u8, peer: f64) {
        let grant = pssch::Grant {
            prbs: PrbRange { start: 2, len: prbs },
            mcs,
            rv: 0,
            n_id: 48861,
            n_ssf: 3,
            transmission_format: false,
        };
        let Ok((_, size)) = grant.size(sidelink) else { return };
        let carrier = self.numerology.bandwidth().prbs();
        let name = format!("PSSCH estimate and decode, {carrier} PRB, {prbs} PRB MCS {mcs}, {size} bits");
        if !wanted(&name, self.only) {
            return;
        }
        let mode = match sidelink {
            SidelinkMode::V2x => TransmissionMode::Tm4,
            SidelinkMode::D2d => TransmissionMode::Tm2,
        };
        let mut encoder = pssch::Encoder::new(self.numerology, mode, self.references.clone());
        let mut decoder = pssch::Decoder::new(self.numerology, mode, self.references.clone(), Antennas::ONE);
        let mut process = pssch::Process::new(carrier);
        let mut rng = Rng::new(5);
        let mut block: Vec<u8> = (0..size / 8).map(|_| rng.below(256) as u8).collect();
        let mut grid = Grid::new(self.numerology);
        if encoder.encode(&block, &grant, 1.0, &mut grid).is_err() {
            return;
        }
        let grid = self.noisy(&grid);
        let t = time(name, self.budget, || {
            if process.start(size).is_ok()
                && decoder.receive(from_ref(&grid), &grant, Hertz(0.0), &mut process).is_ok()
            {
                black_box(decoder.decode(&mut process, &mut block));
            }
        });
        let t = t.with_rate(size as f64 / 1e6, "Mbit/s");
        self.report(t.against(peer, 2.0));
    }

    /// Measures 50 PRBs in five sub-channels, all in use: SLSS detection, control search and five transport blocks.
    fn whole_subframe(&mut self) {
        let name = "whole subframe, TM4, 50 PRB, 5 sub-channels in use";
        if !wanted(name, self.only) {
            return;
        }
        let pool = V2xPool::simple(10, 5);
        let mut grid = Grid::new(self.numerology);
        let mut control = pscch::Encoder::new(self.numerology, SidelinkMode::V2x, self.references.clone());
        let mut shared = pssch::Encoder::new(self.numerology, TransmissionMode::Tm4, self.references.clone());
        let mut rng = Rng::new(9);
        for m in 0..5 {
            let sci = Format1 {
                priority: m as u8,
                reservation: 1,
                frequency_resource: riv_encode(5, 0, 1).unwrap_or(0) as u8,
                time_gap: 0,
                mcs: 8,
                retransmission: false,
                transmission_format: false,
                reserved: 0,
            };
            let mut bits = [0; Format1::BITS];
            if sci.emit(5, &mut bits).is_err() {
                return;
            }
            let Ok(crc) = control.encode(&bits, pool.control(m).start, 3 * (m % 4) as u8, 1.0, &mut grid)
            else {
                return;
            };
            let Some(prbs) = pool.data(m, 1) else { return };
            let grant = pssch::Grant { prbs, mcs: 8, rv: 0, n_id: crc, n_ssf: 3, transmission_format: false };
            let Ok((_, size)) = grant.size(SidelinkMode::V2x) else { return };
            let block: Vec<u8> = (0..size / 8).map(|_| rng.below(256) as u8).collect();
            if shared.encode(&block, &grant, 1.0, &mut grid).is_err() {
                return;
            }
        }
        let grid = self.noisy(&grid);
        let mut samples = vec![Sample::default(); self.numerology.subframe_samples()];
        Modulator::new(self.numerology).modulate(&grid, &mut samples);
        let mut config = Config::new(self.numerology, TransmissionMode::Tm4);
        config.v2x = Some(pool);
        let mut receiver = Receiver::new(config);
        let mut heard = 0;
        let t = time(name, self.budget, || heard = receiver.process(3, &samples, &mut |_| ()));
        if heard != 10 {
            tracing::warn!("the whole subframe gave {heard} events instead of 10");
        }
        self.report(t.against(250.0, 1.0));
    }
}
