//! Tests with several antennas: what they gain, and what a damaged one costs.

use super::super::{Config, Event, Front, Receiver};
use crate::Sample;
use crate::channel::layout::Layout;
use crate::channel::{psbch, pscch, psdch, pssch};
use crate::grid::Grid;
use crate::impair::awgn::{Awgn, noise_power_per_sample};
use crate::impair::fading::{ChannelModel, Fading};
use crate::impair::rng::Rng;
use crate::numerology::Numerology;
use crate::receive::estimate::Measurement;
use crate::receive::presence::Presence;
use crate::receive::slss::Detector;
use crate::receive::stream::StreamReceiver;
use crate::receive::sync::{Search, SearchConfig};
use crate::sc_fdma::Modulator;
use crate::sci::{Format1, MAX_BITS};
use crate::sequence::SsssForm;
use crate::sequence::dmrs::{Dmrs, References};
use crate::units::{
    Antennas, Bandwidth, CyclicPrefix, Decibel, Hertz, PrbRange, SidelinkMode, SlssId, TransmissionMode,
};
use std::f64::consts::TAU;
use std::sync::Arc;

mod detectors;
mod gate;
mod quality;

const CP: CyclicPrefix = CyclicPrefix::Normal;

fn two() -> Antennas {
    Antennas::new(2).unwrap()
}

pub(super) fn views(samples: &[Vec<Sample>]) -> Vec<&[Sample]> {
    samples.iter().map(|s| &s[..]).collect()
}

/// The air between one UE, possibly another beside it, and the antennas of a receiver: independent channels, a phase
/// of its own for each.
struct Air {
    numerology: Numerology,
    model: ChannelModel,
    modulator: Modulator,
    noise: Awgn,
    rng: Rng,
    count: u64,
}

impl Air {
    fn new(bandwidth: Bandwidth, model: &str, es_n0: f64, seed: u64) -> Self {
        let numerology = Numerology::standard(bandwidth, CP);
        let amplitude = 1.0 / (numerology.subcarriers() as f64).sqrt();
        let power = noise_power_per_sample(Decibel(es_n0), amplitude, numerology.fft());
        Self {
            numerology,
            model: model.parse().unwrap(),
            modulator: Modulator::new(numerology),
            noise: Awgn::new(power, !seed),
            rng: Rng::new(seed),
            count: 0,
        }
    }

    fn carry(&mut self, senders: &[&Grid], antennas: Antennas) -> Vec<Vec<Sample>> {
        let n = self.numerology.subframe_samples();
        let mut received = vec![vec![Sample::default(); n]; antennas.count()];
        let mut sent = vec![Sample::default(); n];
        for grid in senders {
            self.modulator.modulate(grid, &mut sent);
            for sum in &mut received {
                let mut faded = sent.clone();
                self.count += 1;
                if let Some(mut fading) =
                    self.model.fading(self.numerology.sample_rate(), self.count).unwrap()
                {
                    faded.resize(n + Fading::LATENCY, Sample::default());
                    fading.process(&mut faded);
                    faded.drain(..Fading::LATENCY);
                }
                let phase = Sample::from_polar(1.0, (TAU * self.rng.uniform()) as f32);
                sum.iter_mut().zip(&faded).for_each(|(sum, x)| *sum += x * phase);
            }
        }
        received.iter_mut().for_each(|samples| self.noise.process(samples));
        received
    }
}

/// A PSSCH of 8 PRBs with 16QAM, I_MCS 12.
struct Shared {
    encoder: pssch::Encoder,
    decoder: pssch::Decoder,
    process: pssch::Process,
    front: Front,
    antennas: Antennas,
}

impl Shared {
    fn new(antennas: Antennas) -> Self {
        let n = Numerology::standard(Bandwidth::Prb25, CP);
        let references = Arc::new(References::new(25));
        Self {
            encoder: pssch::Encoder::new(n, TransmissionMode::Tm4, references.clone()),
            decoder: pssch::Decoder::new(n, TransmissionMode::Tm4, references, antennas),
            process: pssch::Process::new(25),
            front: Front::new(&[n], antennas),
            antennas,
        }
    }

    fn grant(n_id: u16) -> pssch::Grant {
        let prbs = PrbRange { start: 2, len: 8 };
        pssch::Grant { prbs, mcs: 12, rv: 0, n_id, n_ssf: 3, transmission_format: false }
    }

    /// Returns a subframe with a block, and the block.
    fn block(&mut self, rng: &mut Rng, n_id: u16) -> (Grid, Vec<u8>) {
        let mut grid = Grid::new(Numerology::standard(Bandwidth::Prb25, CP));
        let size = Self::grant(n_id).size(SidelinkMode::V2x).unwrap().1;
        let block: Vec<u8> = (0..size / 8).map(|_| rng.below(256) as u8).collect();
        self.encoder.encode(&block, &Self::grant(n_id), 1.0, &mut grid).unwrap();
        (grid, block)
    }

    /// Receives the block that was sent first; returns the measurement if it arrives.
    fn receive(&mut self, samples: &[Vec<Sample>], n_id: u16, block: &[u8]) -> Option<Measurement> {
        if !self.front.load(&views(samples), Hertz(0.0)) {
            return None;
        }
        self.process.start(8 * block.len()).unwrap();
        let grids = self.front.grid(CP);
        let received =
            self.decoder.receive(grids, &Self::grant(n_id), Hertz(0.0), &mut self.process).unwrap();
        let mut out = vec![0; block.len()];
        self.decoder.decode(&mut self.process, &mut out)?;
        (out == block).then_some(received.measurement)
    }

    /// Returns the number of `count` blocks that arrive, of one UE or of the first of two.
    fn arrive(&mut self, air: &mut Air, senders: usize, count: usize) -> usize {
        self.arrive_damaged(air, senders, count, |_| {})
    }

    fn arrive_damaged(
        &mut self,
        air: &mut Air,
        senders: usize,
        count: usize,
        damage: impl Fn(&mut [Vec<Sample>]),
    ) -> usize {
        let one = |_: &usize| {
            let mut rng = Rng::new(air.count);
            let sent: Vec<_> = (0..senders as u16).map(|id| self.block(&mut rng, 100 + 7001 * id)).collect();
            let grids: Vec<&Grid> = sent.iter().map(|(grid, _)| grid).collect();
            let mut samples = air.carry(&grids, self.antennas);
            damage(&mut samples);
            self.receive(&samples, 100, &sent[0].1).is_some()
        };
        (0..count).filter(one).count()
    }
}

#[test]
fn a_second_antenna_gains_3_db_in_noise() {
    let arrive = |antennas: Antennas, es_n0| {
        Shared::new(antennas).arrive(&mut Air::new(Bandwidth::Prb25, "AWGN", es_n0, 1), 1, 20)
    };
    assert!(arrive(Antennas::ONE, 7.0) >= 19);
    assert!(arrive(Antennas::ONE, 4.5) <= 1);
    assert!(arrive(two(), 4.3) >= 19);
    assert!(arrive(Antennas::new(4).unwrap(), 1.5) >= 19);
}

#[test]
fn a_second_antenna_gains_more_in_fading() {
    let arrive = |antennas: Antennas| {
        Shared::new(antennas).arrive(&mut Air::new(Bandwidth::Prb25, "EVA70", 9.5, 2), 1, 40)
    };
    let (one, both) = (arrive(Antennas::ONE), arrive(two()));
    assert!(one <= 30 && both >= 34, "{one} {both}");
}

/// Another UE on the same PRBs, as strong, with other reference signals: with one antenna nothing arrives, and by maximum
/// ratio combining a third.
#[test]
fn interference_is_rejected() {
    let arrive = |antennas: Antennas, model| {
        Shared::new(antennas).arrive(&mut Air::new(Bandwidth::Prb25, model, 20.0, 3), 2, 30)
    };
    assert_eq!(arrive(Antennas::ONE, "AWGN"), 0);
    let (still, faded) = (arrive(two(), "AWGN"), arrive(two(), "EVA70"));
    assert!(still >= 25 && faded >= 20, "{still} {faded}");
}

/// One of two antennas may have any gain, more noise, or nothing that can be used.
#[test]
fn antennas_are_weighted_by_what_they_receive() {
    let arrive = |es_n0, damage: &dyn Fn(&mut [Vec<Sample>])| {
        let mut air = Air::new(Bandwidth::Prb25, "AWGN", es_n0, 4);
        Shared::new(two()).arrive_damaged(&mut air, 1, 15, damage)
    };
    let fill = |value: f32| {
        move |s: &mut [Vec<Sample>]| s[0].iter_mut().for_each(|x| *x = Sample::new(value, value))
    };
    let scale =
        |a: usize, factor: f32| move |s: &mut [Vec<Sample>]| s[a].iter_mut().for_each(|x| *x *= factor);
    // all that two antennas gain
    for factor in [0.01, 30.0] {
        assert!(arrive(4.3, &scale(1, factor)) >= 14, "{factor}");
    }
    // as with the other antenna alone
    let noise = |s: &mut [Vec<Sample>]| Awgn::new(300.0, 9).process(&mut s[0]);
    assert!(arrive(7.0, &noise) >= 14);
    for value in [0.0, f32::NAN, f32::INFINITY, 1e30, 1.0] {
        assert!(arrive(7.0, &fill(value)) >= 14, "{value}");
    }
    let one_nan = |s: &mut [Vec<Sample>]| s[1][7000].re = f32::NAN;
    assert!(arrive(7.0, &one_nan) >= 14);
    // saturated: most of the power is there, most of the waveform as well
    let saturate = |s: &mut [Vec<Sample>]| {
        s[0].iter_mut().for_each(|x| *x = Sample::new(x.re.signum(), x.im.signum()));
    };
    assert!(arrive(6.5, &saturate) >= 14);
    // the same samples twice are no second antenna
    let twice = |s: &mut [Vec<Sample>]| s[1] = s[0].clone();
    assert!(arrive(7.0, &twice) >= 14);
    // late by half a cyclic prefix, and by more than all of it
    for delay in [18, 60] {
        let late = move |s: &mut [Vec<Sample>]| {
            s[1].rotate_right(delay);
            s[1][..delay].fill(Sample::default());
        };
        assert!(arrive(7.0, &late) >= 14, "{delay}");
    }
    let short = |s: &mut [Vec<Sample>]| s[1].truncate(100);
    assert!(arrive(7.0, &short) >= 14);
}

#[test]
fn every_antenna_is_measured() {
    let mut air = Air::new(Bandwidth::Prb25, "AWGN", 20.0, 5);
    let mut shared = Shared::new(two());
    let (grid, block) = shared.block(&mut Rng::new(1), 7);
    let mut samples = air.carry(&[&grid], two());
    samples[1].iter_mut().for_each(|x| *x *= 10.0);
    let m = shared.receive(&samples, 7, &block).unwrap();
    let db = |ratio: f32| Decibel::of_ratio_f32(ratio).to_f32();
    assert_eq!(m.antennas.count(), 2);
    let [first, second] = [0, 1].map(|a| db(m.antennas.ratio(a)));
    assert!((first - 20.0).abs() < 1.0 && (second - 20.0).abs() < 1.0, "{first} {second}");
    assert!((db(m.antennas.signals()[1] / m.antennas.signals()[0]) - 20.0).abs() < 0.5);
    assert!((db(m.ratio()) - 23.0).abs() < 1.0, "{}", m.snr());
    assert_eq!(m.signal, m.antennas.signals()[1], "that of the strongest");
    samples[0].fill(Sample::default());
    let m = shared.receive(&samples, 7, &block).unwrap();
    assert_eq!((m.antennas.noises()[0], m.antennas.ratio(0)), (0.0, 0.0));
    assert!((db(m.ratio()) - 20.0).abs() < 1.0, "{}", m.snr());
}

/// Control, broadcast and discovery channels, 2.5 dB below the 10 % point of one antenna.
#[test]
fn two_antennas_hear_more_control() {
    let heard = |antennas: Antennas| {
        let n = Numerology::standard(Bandwidth::Prb25, CP);
        let r = Arc::new(References::new(25));
        let mut front = Front::new(&[n], antennas);
        let mut encoders =
            (pscch::Encoder::new(n, SidelinkMode::V2x, r.clone()), psdch::Encoder::new(n, r.clone()));
        let mut broadcast = psbch::Encoder::new(n, SidelinkMode::D2d, r.clone());
        let mut control = pscch::Decoder::new(n, SidelinkMode::V2x, r.clone(), antennas);
        let mut mibs = psbch::Decoder::new(n, SidelinkMode::D2d, r.clone(), antennas);
        let mut discovery = psdch::Decoder::new(n, r, antennas);
        let (mut process, mut heard) = (psdch::Process::new(), [0; 3]);
        let mut airs = [-7.4, -10.0, -0.8].map(|es_n0| Air::new(Bandwidth::Prb25, "AWGN", es_n0, 6));
        for _ in 0..20 {
            let mut grids = [0; 3].map(|_| Grid::new(n));
            let (sci, mib, id) = ([1, 0, 0, 1].repeat(8), [0, 1].repeat(20), SlssId::new(17).unwrap());
            let message = std::array::from_fn(|i| i as u8);
            encoders.0.encode(&sci, 3, 0, 1.0, &mut grids[0]).unwrap();
            broadcast.encode(&mib, id, 1.0, &mut grids[1]).unwrap();
            encoders.1.encode(&message, 0, 4, 1.0, &mut grids[2]).unwrap();
            let mut out = ([0; MAX_BITS], [0; 40], [0; psdch::MESSAGE_BYTES]);
            assert!(front.load(&views(&airs[0].carry(&[&grids[0]], antennas)), Hertz(0.0)));
            let found = control.decode(front.grid(CP), 3, 0, Hertz(1500.0), &mut out.0[..32]);
            heard[0] += usize::from(found.is_some() && out.0[..32] == sci);
            assert!(front.load(&views(&airs[1].carry(&[&grids[1]], antennas)), Hertz(0.0)));
            heard[1] +=
                usize::from(mibs.decode(front.grid(CP), id, &mut out.1).is_some() && out.1[..] == mib[..]);
            assert!(front.load(&views(&airs[2].carry(&[&grids[2]], antennas)), Hertz(0.0)));
            process.reset();
            discovery.receive(front.grid(CP), 4, Hertz(0.0)).unwrap();
            discovery.combine(&mut process, 0);
            heard[2] += usize::from(discovery.decode(&mut process, &mut out.2).is_some() && out.2 == message);
        }
        heard
    };
    let (one, both) = (heard(Antennas::ONE), heard(two()));
    assert!(one.iter().all(|&n| n <= 12), "{one:?}");
    assert!(both.iter().all(|&n| n >= 15), "{both:?}");
}

/// Noise passes the screens as often with several antennas of different gains as with one.
#[test]
fn screens_pass_as_much_noise_as_with_one_antenna() {
    let n = Numerology::standard(Bandwidth::Prb50, CP);
    let references = Arc::new(References::new(50));
    let passed = |antennas: usize| {
        let mut presence = Presence::new(50, references.clone());
        let (d2d, v2x) = (Layout::shared(SidelinkMode::D2d, CP), Layout::shared(SidelinkMode::V2x, CP));
        let mut rng = Rng::new(7);
        let mut passed = [0; 4];
        for _ in 0..60 {
            let mut grids = vec![Grid::new(n); antennas];
            for (grid, gain) in grids.iter_mut().zip([1.0, 7.0, 0.1]) {
                (0..14).for_each(|l| grid.symbol_mut(l).fill_with(|| rng.complex_gaussian() * gain));
            }
            for prb in 0..49 {
                let dmrs = Dmrs::pssch(77, 3, SidelinkMode::V2x);
                passed[0] +=
                    usize::from(presence.narrow(&grids, 12 * prb, 12, d2d, &Dmrs::pscch_or_psdch()) >= 0.15);
                passed[1] += usize::from(presence.control_v2x(&grids, 12 * prb, v2x).1 >= 0.09);
                passed[2] += usize::from(presence.wide(&grids, 12 * prb, 24, v2x, &dmrs) >= 0.12);
            }
            passed[3] += Detector::new(SsssForm::Subframe0, CP).detect(&grids).iter().flatten().count();
        }
        passed
    };
    let (one, three) = (passed(1), passed(3));
    for (one, three) in one.into_iter().zip(three) {
        assert!(10 * three <= 13 * one + 100 && 10 * three + 100 >= 7 * one, "{one} {three}");
    }
    assert_eq!((one[3], three[3]), (0, 0));
}

/// SLSS 9 dB below the noise: two antennas find most of them, one less than half; noise is never found.
#[test]
fn two_antennas_find_weaker_synchronisation_signals() {
    let n = Numerology::standard(Bandwidth::Prb6, CP);
    let mut encoder = psbch::Encoder::new(n, SidelinkMode::V2x, Arc::new(References::new(6)));
    let (len, at) = (n.subframe_samples(), 4321);
    let mut found_by = |antennas: Antennas, sends: bool| {
        let config = SearchConfig { antennas, ..SearchConfig::default() };
        let mut search = Search::new(n, SsssForm::Subframe5, 40 * len, config).unwrap();
        let mut air = Air::new(Bandwidth::Prb6, "AWGN", 300.0, 8);
        let amplitude = 1.0 / (n.subcarriers() as f64).sqrt();
        let mut noise = Awgn::new(noise_power_per_sample(Decibel(-9.0), amplitude, n.fft()), 3);
        let mut found = Vec::with_capacity(16);
        let right = |id: u16| {
            let id = SlssId::new(id).unwrap();
            let mut grid = Grid::new(n);
            encoder.encode(&[0; 48], id, if sends { 1.0 } else { 0.0 }, &mut grid).unwrap();
            let subframe = air.carry(&[&grid], antennas);
            let samples: Vec<Vec<Sample>> = subframe
                .iter()
                .map(|subframe| {
                    let mut samples = vec![Sample::default(); 40 * len];
                    samples[at..at + len].copy_from_slice(subframe);
                    noise.process(&mut samples);
                    samples
                })
                .collect();
            found.clear();
            search.search_antennas(&views(&samples), &mut found);
            assert!(sends || found.is_empty(), "{found:?}");
            found.first().is_some_and(|f| f.id == id && (f.sample - at as f64).abs() < 5.0)
        };
        (0..15).map(|i| 20 * i + 3).map(right).filter(|&right| right).count()
    };
    found_by(two(), false);
    let (one, both) = (found_by(Antennas::ONE, true), found_by(two(), true));
    assert!(one <= 10 && both >= 12, "{one} {both}");
}

/// Returns a stream of modes 3 and 4 at two antennas, 8 dB above the noise: a MIB in every fifth of 60 subframes, an SCI
/// in the others.
pub(super) fn stream() -> Vec<Vec<Sample>> {
    let mut air = Air::new(Bandwidth::Prb6, "AWGN", 8.0, 9);
    let n = air.numerology;
    let r = Arc::new(References::new(6));
    let mut broadcast = psbch::Encoder::new(n, SidelinkMode::V2x, r.clone());
    let mut control = pscch::Encoder::new(n, SidelinkMode::V2x, r);
    let mut streams = vec![Vec::new(); 2];
    let mut sci = [0; Format1::BITS];
    let format = Format1 {
        priority: 3,
        reservation: 1,
        frequency_resource: 0,
        time_gap: 0,
        mcs: 5,
        retransmission: false,
        transmission_format: false,
        reserved: 0,
    };
    format.emit(1, &mut sci).unwrap();
    for k in 0..60 {
        let mut grid = Grid::new(n);
        if k % 5 == 0 {
            broadcast.encode(&[0; 48], SlssId::new(170).unwrap(), 1.0, &mut grid).unwrap();
        } else {
            control.encode(&sci, 1, 6, 1.0, &mut grid).unwrap();
        }
        for (stream, samples) in streams.iter_mut().zip(air.carry(&[&grid], two())) {
            stream.extend(samples);
        }
    }
    streams
}

/// Returns the numbers of MIBs and SCIs in a stream.
fn heard(streams: &[&[Sample]]) -> (usize, usize) {
    let mut config = Config::new(Numerology::standard(Bandwidth::Prb6, CP), TransmissionMode::Tm4);
    config.antennas = Antennas::new(streams.len()).unwrap();
    let mut receiver = StreamReceiver::new(config);
    let mut heard = (0, 0);
    let mut emit = |event: Event<'_>, _: i64| match event {
        Event::Mib { .. } => heard.0 += 1,
        Event::Sci { .. } => heard.1 += 1,
        _ => {}
    };
    let len = streams.iter().map(|s| s.len()).max().unwrap_or(0);
    for start in (0..len).step_by(1111) {
        let piece = |s: &&[Sample]| start.min(s.len())..(start + 1111).min(s.len());
        let pieces: Vec<&[Sample]> = streams.iter().map(|s| &s[piece(s)]).collect();
        receiver.push_antennas(&pieces, &mut emit);
    }
    receiver.finish(&mut emit);
    heard
}

#[test]
fn a_stream_survives_what_happens_to_one_antenna() {
    let clean = stream();
    let whole = (12, 48);
    assert_eq!(heard(&views(&clean)), whole);
    assert_eq!(heard(&[&clean[0]]), whole);
    let check = |name: &str, damage: &dyn Fn(&mut Vec<Vec<Sample>>)| {
        let mut streams = clean.clone();
        damage(&mut streams);
        let (mibs, scis) = heard(&views(&streams));
        assert!(mibs >= 11 && scis >= 46, "{name}: {mibs} {scis}");
    };
    for a in [0, 1] {
        let set = |value: f32| move |s: &mut Vec<Vec<Sample>>| s[a].fill(Sample::new(value, -value));
        check("silent", &set(0.0));
        check("not a number", &set(f32::NAN));
        check("infinite", &set(f32::INFINITY));
        check("constant", &set(0.5));
        check("20 dB weaker", &|s| s[a].iter_mut().for_each(|x| *x *= 0.1));
        check("1e6 times stronger", &|s| s[a].iter_mut().for_each(|x| *x *= 1e6));
        check("with a line at 0 Hz", &|s| s[a].iter_mut().for_each(|x| *x += Sample::new(0.3, -0.2)));
        check("saturated", &|s| {
            s[a].iter_mut().for_each(|x| *x = Sample::new(x.re.clamp(-0.3, 0.3), x.im.clamp(-0.3, 0.3)));
        });
        check("late by four samples", &|s| s[a].rotate_right(4));
        check("without its second half", &|s| s[a].truncate(30 * 1920));
        check("with single samples that are not finite", &|s| {
            s[a].iter_mut().step_by(40_000).for_each(|x| x.im = f32::NEG_INFINITY);
        });
        check("dead from the middle on", &|s| s[a][30 * 1920..].fill(Sample::default()));
        check("unplugged until the middle", &|s| s[a][..30 * 1920].fill(Sample::default()));
    }
    check("swapped in mid-stream", &|s| {
        let (first, second) = s.split_at_mut(1);
        first[0][30 * 1920 + 700..].swap_with_slice(&mut second[0][30 * 1920 + 700..]);
    });
    check("inverted", &|s| s.iter_mut().flatten().for_each(|x| *x = x.conj()));
}

/// A receiver of two antennas takes the samples of one, and a receiver of one the first of two.
#[test]
fn antennas_may_be_missing() {
    let streams = stream();
    let subframe = |a: usize| &streams[a][1920..2 * 1920];
    for (antennas, samples) in
        [(2, vec![subframe(0)]), (2, vec![&[], subframe(1)]), (1, vec![subframe(0), subframe(1)])]
    {
        let mut config = Config::new(Numerology::standard(Bandwidth::Prb6, CP), TransmissionMode::Tm4);
        config.antennas = Antennas::new(antennas).unwrap();
        let mut receiver = Receiver::new(config);
        assert!(receiver.process_antennas(0, &samples, &mut |_| {}) > 0, "{antennas} {}", samples.len());
        assert_eq!(receiver.process_antennas(1, &[], &mut |_| {}), 0);
        assert_eq!(receiver.process_antennas(2, &[[].as_slice(); 5], &mut |_| {}), 0);
    }
}
