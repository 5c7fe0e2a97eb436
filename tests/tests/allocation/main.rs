//! Nothing of the modem allocates after construction: a counting allocator watches every object at work.
//!
//! Each test first builds its objects, then lets them work on a signal that they understand (it is checked that they
//! do) and on noise. A failing test prints where the first allocation came from.

mod counting;
mod streams;
mod ue;

use counting::without_allocation;
use sidelink_mac::grant::sensing::{self, Dbm, HeardSci, Period, Request};
use sidelink_phy::Sample;
use sidelink_phy::channel::pssch::Grant;
use sidelink_phy::channel::{psbch, pscch, psdch, pssch};
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::awgn::Awgn;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::{
    CommunicationPool, DiscoveryPool, HoppingConfig, PoolPrbs, PsschSubframes, TrpSet, V2xPool,
};
use sidelink_phy::receive::acquire::Acquisition;
use sidelink_phy::receive::receiver::{CommunicationPlace, Config, DiscoveryPlace, Receiver};
use sidelink_phy::receive::slss::Detector;
use sidelink_phy::receive::sync::{Search, SearchConfig};
use sidelink_phy::sc_fdma::{Demodulator, Modulator};
use sidelink_phy::sci::{Format0, Format1, riv_encode};
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{
    Antennas, Bandwidth, CyclicPrefix, DfnSubframe, Hertz, PrbRange, SidelinkMode, SlssId, TransmissionMode,
};
use std::slice::from_ref;
use std::sync::Arc;
use streams::{Heard, receive};

#[test]
fn the_counter_counts() {
    let caught = std::panic::catch_unwind(|| without_allocation("a vector", || vec![1u8; 100]));
    assert!(caught.is_err());
    let mut room: Vec<u8> = Vec::with_capacity(100);
    without_allocation("a vector with room", || room.extend_from_slice(&[1; 100]));
    let caught = std::panic::catch_unwind(move || without_allocation("a full vector", || room.push(1)));
    assert!(caught.is_err());
}

// ---- what is sent

const KINDS: [(TransmissionMode, CyclicPrefix); 3] = [
    (TransmissionMode::Tm2, CyclicPrefix::Normal),
    (TransmissionMode::Tm2, CyclicPrefix::Extended),
    (TransmissionMode::Tm4, CyclicPrefix::Normal),
];

fn references(n: Numerology) -> Arc<References> {
    Arc::new(References::new(n.bandwidth().prbs()))
}

fn bits(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * i / 3 % 2) as u8).collect()
}

fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 37 + 11) as u8).collect()
}

fn noise(len: usize, seed: u64) -> Vec<Sample> {
    let mut samples = vec![Sample::default(); len];
    Awgn::new(0.01, seed).process(&mut samples);
    samples
}

fn noisy_grid(n: Numerology, seed: u64) -> Grid {
    let mut random = Rng::new(seed);
    let mut grid = Grid::new(n);
    for l in 0..grid.symbols() {
        grid.symbol_mut(l).fill_with(|| random.complex_gaussian());
    }
    grid
}

// ---- one object after the other

#[test]
fn psbch_both_ways() {
    for (mode, cp) in KINDS {
        let n = Numerology::standard(Bandwidth::Prb25, cp);
        let sidelink = mode.sidelink();
        let mut encoder = psbch::Encoder::new(n, sidelink, references(n));
        let mut decoder = psbch::Decoder::new(n, sidelink, references(n), Antennas::ONE);
        let (mut grid, id) = (Grid::new(n), SlssId::new(200).unwrap());
        let (mib, mut out) = (bits(psbch::payload_bits(sidelink)), bits(psbch::payload_bits(sidelink)));
        without_allocation("psbch::Encoder", || encoder.encode(&mib, id, 1.0, &mut grid)).unwrap();
        let decoded = without_allocation("psbch::Decoder", || decoder.decode(from_ref(&grid), id, &mut out));
        assert!(decoded.is_some() && out == mib);
        let noise = noisy_grid(n, 1);
        without_allocation("psbch::Decoder on noise", || decoder.decode(from_ref(&noise), id, &mut out));
        let detector = Detector::new(psbch::ssss_form(sidelink), cp);
        let seen = without_allocation("slss::Detector", || {
            [detector.detect(from_ref(&grid)), detector.detect(from_ref(&noise))]
        });
        assert_eq!(seen[0][0].map(|s| s.id), Some(id));
    }
}

#[test]
fn pscch_both_ways() {
    for (mode, cp) in KINDS {
        let n = Numerology::standard(Bandwidth::Prb50, cp);
        let sidelink = mode.sidelink();
        let mut encoder = pscch::Encoder::new(n, sidelink, references(n));
        let mut decoder = pscch::Decoder::new(n, sidelink, references(n), Antennas::ONE);
        let mut grid = Grid::new(n);
        let (sci, mut out) = (bits(pscch::sci_bits(sidelink, n)), bits(pscch::sci_bits(sidelink, n)));
        without_allocation("pscch::Encoder", || encoder.encode(&sci, 7, 0, 1.0, &mut grid)).unwrap();
        let decoded = without_allocation("pscch::Decoder", || {
            decoder.decode(from_ref(&grid), 7, 0, Hertz(3000.0), &mut out)
        });
        assert!(decoded.is_some() && out == sci);
        let noise = noisy_grid(n, 2);
        without_allocation("pscch::Decoder on noise", || {
            decoder.decode(from_ref(&noise), 7, 0, Hertz(3000.0), &mut out)
        });
    }
}

#[test]
fn pssch_both_ways() {
    for (mode, cp) in KINDS {
        let n = Numerology::standard(Bandwidth::Prb100, cp);
        let sidelink = mode.sidelink();
        let mut encoder = pssch::Encoder::new(n, mode, references(n));
        let mut decoder = pssch::Decoder::new(n, mode, references(n), Antennas::ONE);
        let mut process = pssch::Process::new(n.bandwidth().prbs());
        // one code block and several, both modulations of release 12 and, in mode 4, 64QAM
        for (start, len, mcs, transmission_format) in [
            (3, 1, 0, false),
            (0, 100, 9, false),
            (0, 96, 16, false),
            match sidelink {
                SidelinkMode::V2x => (10, 90, 26, true),
                SidelinkMode::D2d => (10, 90, 13, false),
            },
        ] {
            let mut grid = Grid::new(n);
            let grant = Grant {
                prbs: PrbRange { start, len },
                mcs,
                rv: 0,
                n_id: 0xabcd,
                n_ssf: 3,
                transmission_format,
            };
            let (_, size) = grant.size(sidelink).unwrap();
            let (block, mut out) = (octets(size / 8), vec![0; size / 8]);
            without_allocation("pssch::Encoder", || encoder.encode(&block, &grant, 1.0, &mut grid)).unwrap();
            // twice: the second transmission is combined with the first
            let decoded = without_allocation("pssch::Decoder", || {
                process.start(size)?;
                decoder.receive(from_ref(&grid), &grant, Hertz(0.0), &mut process)?;
                decoder.decode(&mut process, &mut out);
                decoder.receive(from_ref(&grid), &grant, Hertz(0.0), &mut process)?;
                Ok::<_, sidelink_phy::channel::Error>(decoder.decode(&mut process, &mut out))
            });
            assert!(decoded.unwrap().is_some() && out == block, "{grant:?}");
            let noise = noisy_grid(n, 3);
            without_allocation("pssch::Decoder on noise", || {
                process.start(size)?;
                decoder.receive(from_ref(&noise), &grant, Hertz(0.0), &mut process)?;
                Ok::<_, sidelink_phy::channel::Error>(decoder.decode(&mut process, &mut out))
            })
            .unwrap();
        }
    }
}

#[test]
fn psdch_both_ways() {
    for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
        let n = Numerology::standard(Bandwidth::Prb25, cp);
        let mut encoder = psdch::Encoder::new(n, references(n));
        let mut decoder = psdch::Decoder::new(n, references(n), Antennas::ONE);
        let mut process = psdch::Process::new();
        let message = std::array::from_fn(|i| i as u8);
        let mut out = [0; psdch::MESSAGE_BYTES];
        let mut grid = Grid::new(n);
        without_allocation("psdch::Encoder", || encoder.encode(&message, 0, 4, 1.0, &mut grid)).unwrap();
        let noise = noisy_grid(n, 4);
        let decoded = without_allocation("psdch::Decoder", || {
            for (grid, rv) in [(&noise, 2), (&grid, 0)] {
                process.reset();
                decoder.receive(from_ref(grid), 4, Hertz(0.0))?;
                decoder.combine(&mut process, rv);
                decoder.decode(&mut process, &mut out);
            }
            decoder.decode(&mut process, &mut out)
        });
        assert!(decoded.is_some() && out == message);
    }
}

#[test]
fn sc_fdma_both_ways() {
    for bandwidth in Bandwidth::ALL {
        for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
            let n = Numerology::standard(bandwidth, cp);
            let mut modulator = Modulator::new(n);
            let mut demodulator = Demodulator::new(n, n.fft() * 72 / 2048);
            let (grid, mut back) = (noisy_grid(n, 5), Grid::new(n));
            let mut samples = vec![Sample::default(); n.subframe_samples()];
            without_allocation("Modulator", || modulator.modulate(&grid, &mut samples));
            without_allocation("Demodulator", || demodulator.demodulate(&samples, Hertz(0.0), &mut back));
            without_allocation("Demodulator, with an offset", || {
                demodulator.demodulate(&samples, Hertz(300.0), &mut back);
            });
        }
    }
}

#[test]
fn sci_both_ways() {
    let n = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
    let raw = bits(45);
    let mut out = [0; 45];
    without_allocation("sci", || {
        let bits = &raw[..Format0::bits(n.bandwidth())];
        let sci = Format0::parse(n.bandwidth(), bits)?;
        let _ = sci.allocation(n.bandwidth());
        sci.emit(n.bandwidth(), &mut out[..bits.len()])?;
        let sci = Format1::parse(5, &raw[..32])?;
        let _ = sci.allocation(5);
        sci.emit(5, &mut out[..32])
    })
    .unwrap();
}

#[test]
fn synchronisation_search() {
    for (mode, cp) in KINDS {
        let n = Numerology::standard(Bandwidth::Prb25, cp);
        let sidelink = mode.sidelink();
        let id = SlssId::new(30).unwrap();
        let mut samples = noise(42 * n.subframe_samples(), 6);
        let mut grid = Grid::new(n);
        psbch::Encoder::new(n, sidelink, references(n))
            .encode(&bits(psbch::payload_bits(sidelink)), id, 1.0, &mut grid)
            .unwrap();
        let mut subframe = vec![Sample::default(); n.subframe_samples()];
        Modulator::new(n).modulate(&grid, &mut subframe);
        let at = 7 * n.subframe_samples() + 1001;
        for (x, s) in samples[at..].iter_mut().zip(&subframe) {
            *x += s;
        }
        let silence = vec![Sample::default(); samples.len()];
        let form = psbch::ssss_form(sidelink);
        let mut search = Search::new(n, form, samples.len(), SearchConfig::default()).unwrap();
        let mut found = Vec::with_capacity(16);
        without_allocation("Search", || search.search(&samples, &mut found));
        assert_eq!(found.first().map(|f| f.id), Some(id));
        without_allocation("Search in silence", || search.search(&silence, &mut found));
        let config = SearchConfig { antennas: Antennas::new(3).unwrap(), ..SearchConfig::default() };
        let mut search = Search::new(n, form, samples.len(), config).unwrap();
        found.clear();
        without_allocation("Search at three antennas", || {
            search.search_antennas(&[&samples, &silence, &samples], &mut found);
        });
        assert_eq!(found.first().map(|f| f.id), Some(id));

        let mut acquisition = Acquisition::new(n, Antennas::ONE);
        let timing = without_allocation("Acquisition", || acquisition.find(&samples));
        without_allocation("Acquisition in silence", || acquisition.find(&silence));
        // a single subframe among 42 of noise may be too little for it
        let repeated = subframe.repeat(4);
        let timing = timing.or(without_allocation("Acquisition", || acquisition.find(&repeated)));
        assert!(timing.is_some());
    }
}

// ---- the receiver

/// A UE: what it sends, and how it arrives.
#[derive(Clone, Copy)]
struct Ue {
    identity: u8,
    mcs: u8,
    /// Amplitude, and delay in samples.
    path: (f32, usize),
}

const STRONG: Ue = Ue { identity: 42, mcs: 7, path: (1.0, 0) };
const WEAK: Ue = Ue { identity: 3, mcs: 7, path: (0.45, 3) };

/// Sends one channel after the other into subframes.
struct Sender {
    ue: Ue,
    config: Config,
    references: Arc<References>,
    grid: Grid,
    modulator: Modulator,
    subframes: Vec<Vec<Sample>>,
}

impl Sender {
    fn new(config: &Config, subframes: usize) -> Self {
        let n = config.numerology;
        Self {
            ue: STRONG,
            config: config.clone(),
            references: references(n),
            grid: Grid::new(n),
            modulator: Modulator::new(n),
            subframes: (0..subframes).map(|k| noise(n.subframe_samples(), k as u64)).collect(),
        }
    }

    /// Add what is on the grid to subframe `k`, as it arrives.
    fn send(&mut self, k: usize) {
        let mut out = vec![Sample::default(); self.config.numerology.subframe_samples()];
        self.modulator.modulate(&self.grid, &mut out);
        let (amplitude, delay) = self.ue.path;
        for (x, s) in self.subframes[k].iter_mut().skip(delay).zip(&out) {
            *x += s * amplitude;
        }
        self.grid.clear();
    }

    /// Synchronisation signals and MIB in subframe `k`, which is also the time.
    fn synchronisation(&mut self, k: usize) {
        let sidelink = self.config.mode.sidelink();
        let mut mib = vec![0; psbch::payload_bits(sidelink)];
        for i in 0..10 {
            mib[6 + i] = (((k / 10) >> (9 - i)) & 1) as u8;
        }
        for i in 0..4 {
            mib[16 + i] = (((k % 10) >> (3 - i)) & 1) as u8;
        }
        psbch::Encoder::new(self.config.numerology, sidelink, self.references.clone())
            .encode(&mib, SlssId::new(200).unwrap(), 1.0, &mut self.grid)
            .unwrap();
        self.send(k);
    }

    fn control(&mut self, k: usize, prb: usize, sci: &[u8]) -> u16 {
        let sidelink = self.config.mode.sidelink();
        let crc = pscch::Encoder::new(self.config.numerology, sidelink, self.references.clone())
            .encode(sci, prb, 0, 1.0, &mut self.grid)
            .unwrap();
        self.send(k);
        crc
    }

    fn shared(&mut self, k: usize, grant: &Grant) {
        let (_, size) = grant.size(self.config.mode.sidelink()).unwrap();
        let block: Vec<u8> = octets(size / 8).iter().map(|octet| octet ^ self.ue.identity).collect();
        pssch::Encoder::new(self.config.numerology, self.config.mode, self.references.clone())
            .encode(&block, grant, 1.0, &mut self.grid)
            .unwrap();
        self.send(k);
    }

    /// SCI format 0 and its transport block as `pool` has it, in the period that begins at subframe 0.
    fn communication(&mut self, pool: &CommunicationPool) {
        let n = self.config.numerology;
        let carrier = n.bandwidth().prbs();
        let (start, len) = (2, 8);
        let sci = Format0 {
            hopping: false,
            rb_assignment: riv_encode(carrier, start, len).unwrap() as u16,
            trp: 40,
            mcs: 9,
            timing_advance: 0,
            group_destination: self.ue.identity,
        };
        let mut bits = vec![0; Format0::bits(n.bandwidth())];
        sci.emit(n.bandwidth(), &mut bits).unwrap();
        for (k, prb) in pool.control_resource(carrier, 3).unwrap() {
            self.control(k as usize, prb, &bits);
        }
        for (i, (k, j)) in pool.pattern_subframes(sci.trp).into_iter().enumerate() {
            let grant = Grant {
                prbs: PrbRange { start, len },
                mcs: sci.mcs,
                rv: pssch::REDUNDANCY_VERSIONS[i % 4],
                n_id: self.ue.identity.into(),
                n_ssf: (j % 10) as u8,
                transmission_format: false,
            };
            self.shared(k as usize, &grant);
        }
    }

    fn discovery(&mut self, pool: &DiscoveryPool) {
        let message = std::array::from_fn(|i| (3 * i as u8) ^ self.ue.identity);
        let places = pool.type1(self.config.numerology.bandwidth().prbs(), 1).unwrap();
        for (j, (k, prbs)) in places.into_iter().enumerate() {
            psdch::Encoder::new(self.config.numerology, self.references.clone())
                .encode(&message, psdch::REDUNDANCY_VERSIONS[j], prbs.start, 1.0, &mut self.grid)
                .unwrap();
            self.send(k as usize);
        }
    }

    /// SCI format 1 and its transport block in subframe `k`, its retransmission two subframes of the pool later.
    fn v2x(&mut self, k: usize, pool: &V2xPool) {
        let indices = pool.subframe_indices();
        for (second, k) in [(false, k), (true, k + 2)] {
            let sci = Format1 {
                priority: self.ue.identity & 7,
                reservation: 0,
                frequency_resource: riv_encode(pool.num, 1, 2).unwrap() as u8,
                time_gap: 2,
                mcs: self.ue.mcs,
                retransmission: second,
                transmission_format: false,
                reserved: 0,
            };
            let mut bits = vec![0; Format1::BITS];
            sci.emit(pool.num, &mut bits).unwrap();
            let crc = self.control(k, pool.control(1).start, &bits);
            let grant = Grant {
                prbs: pool.data(1, 2).unwrap(),
                mcs: sci.mcs,
                rv: pssch::REDUNDANCY_VERSIONS_V2X[usize::from(second)],
                n_id: crc,
                n_ssf: (indices[k].unwrap() % 10) as u8,
                transmission_format: false,
            };
            self.shared(k, &grant);
        }
    }
}

fn on_off(text: &str) -> Vec<bool> {
    text.bytes().map(|b| b == b'1').collect()
}

#[test]
fn receiver_of_modes_1_and_2() {
    for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
        let n = Numerology::standard(Bandwidth::Prb25, cp);
        let pool = CommunicationPool {
            period: 80,
            offset: 0,
            control_bitmap: on_off("0111100000000000000000000000000000000000"),
            control_prbs: PoolPrbs { start: 2, end: 22, num: 10 },
            data: PsschSubframes::AfterControl,
            data_prbs: PoolPrbs::whole(25),
            trp_set: TrpSet::Eight,
            hopping: HoppingConfig::default(),
        };
        let discovery = DiscoveryPool {
            period: 320,
            offset: 0,
            bitmap: on_off("0000000000000000000011110000000000000000"),
            repetitions: 1,
            transmissions: 2,
            prbs: PoolPrbs::whole(25),
        };
        let mut config = Config::new(n, TransmissionMode::Tm2);
        let mut sender = Sender::new(&config, 90);
        sender.synchronisation(0);
        sender.synchronisation(40);
        sender.communication(&pool);
        sender.discovery(&discovery);
        let heard = receive("Receiver, searching", &config, &sender.subframes);
        assert!(heard.0.iter().take(3).all(|&n| n > 0), "searching, {cp:?}: {heard:?}");
        config.communication.push(CommunicationPlace { pool, control_cp: cp, data_cp: cp });
        config.discovery.push(DiscoveryPlace { pool: discovery, cp });
        let heard = receive("Receiver, with pools", &config, &sender.subframes);
        assert!(heard.0.iter().all(|&n| n > 0), "with pools, {cp:?}: {heard:?}");
        // another UE on the same resources
        sender.ue = WEAK;
        sender.communication(&config.communication[0].pool);
        sender.discovery(&config.discovery[0].pool);
        let heard = receive("Receiver, with pools and collisions", &config, &sender.subframes);
        assert!(heard.1 >= 3, "with pools and collisions, {cp:?}: {heard:?}");
        (config.communication, config.discovery) = (Vec::new(), Vec::new());
        let heard = receive("Receiver, searching in collisions", &config, &sender.subframes);
        assert!(heard.1 > 0, "searching in collisions, {cp:?}: {heard:?}");
    }
}

#[test]
fn receiver_that_learns_pools() {
    const PERIOD: usize = 80;
    let n = Numerology::standard(Bandwidth::Prb25, CyclicPrefix::Normal);
    let pool = CommunicationPool {
        period: PERIOD as u32,
        offset: 0,
        control_bitmap: on_off("01111000"),
        control_prbs: PoolPrbs { start: 2, end: 22, num: 10 },
        data: PsschSubframes::Bitmap { offset: 30, bitmap: on_off("11101111") },
        data_prbs: PoolPrbs::whole(25),
        trp_set: TrpSet::Eight,
        hopping: HoppingConfig::default(),
    };
    let discovery = DiscoveryPool {
        period: PERIOD as u32,
        offset: 0,
        bitmap: on_off("00000000000000001111"),
        repetitions: 1,
        transmissions: 2,
        prbs: PoolPrbs::whole(25),
    };
    let config = Config::new(n, TransmissionMode::Tm2);
    let mut sender = Sender::new(&config, PERIOD);
    sender.communication(&pool);
    sender.discovery(&discovery);
    let mut receiver = Receiver::new(config);
    receiver.set_time(0, DfnSubframe::from_count(0));
    let mut heard = Heard::default();
    without_allocation("Receiver, learning", || {
        for k in 0..20 * PERIOD {
            receiver.process(k as u64, &sender.subframes[k % PERIOD], &mut |event| heard.note(&event));
        }
    });
    let periods = |learnt: Vec<u32>| assert_eq!(learnt, [PERIOD as u32], "{heard:?}");
    periods(receiver.learnt_communication().iter().map(|l| l.pool.pool.period).collect());
    periods(receiver.learnt_discovery().iter().map(|l| l.pool.pool.period).collect());
}

#[test]
fn receiver_of_modes_3_and_4() {
    let n = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
    let pool = V2xPool { sync_offsets: vec![0], ..V2xPool::simple(10, 5) };
    let mut config = Config::new(n, TransmissionMode::Tm4);
    let mut sender = Sender::new(&config, 50);
    sender.synchronisation(0);
    sender.v2x(3, &pool);
    sender.v2x(11, &pool);
    let heard = receive("Receiver, searching", &config, &sender.subframes);
    assert!(heard.0.iter().take(3).all(|&n| n > 0), "searching: {heard:?}");
    config.v2x = Some(pool.clone());
    let heard = receive("Receiver, with a pool", &config, &sender.subframes);
    assert!(heard.0.iter().take(4).all(|&n| n > 0), "with a pool: {heard:?}");
    // another UE on the same sub-channels
    sender.ue = WEAK;
    sender.v2x(3, &pool);
    let heard = receive("Receiver, with a pool and collisions", &config, &sender.subframes);
    assert!(heard.1 >= 2, "with a pool and collisions: {heard:?}");
    config.v2x = None;
    let heard = receive("Receiver, searching in collisions", &config, &sender.subframes);
    assert!(heard.1 > 0, "searching in collisions: {heard:?}");
    // 16QAM on two paths, the second of them later than the receive window
    let mut sender = Sender::new(&config, 20);
    for delay in [0, 3 * n.cp_samples(1) / 4] {
        sender.ue = Ue { mcs: 17, path: (0.7, delay), ..STRONG };
        sender.v2x(3, &pool);
    }
    config.v2x = Some(pool);
    let heard = receive("Receiver of late paths", &config, &sender.subframes);
    assert!(heard.0[3] > 0, "late paths: {heard:?}");
}

#[test]
fn sensing_of_mode_4() {
    let mut sensing = sensing::Sensing::new(sensing::Config::new(5, 1)).unwrap();
    let period = Period::from_milliseconds(20).unwrap();
    let request = Request { now: 7000, length: 2, priority: 3, period, retransmit: true, t2: None };
    let mut draw = 1_u64;
    let mut entropy = move || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        draw
    };
    without_allocation("sensing", || {
        for subframe in 5000..7000 {
            // some are missed, and everything is reserved
            sensing.record_subframe(subframe, (subframe % 10 > 0).then_some(&[Dbm(-100.0); 5]));
            for first in 0..5 {
                let rsrp = Dbm(-100.0 + first as f32);
                let other = Some((7, 4 - first));
                let period = Some(period);
                sensing.record_sci(HeardSci { subframe, first, length: 1, priority: 1, period, rsrp, other });
            }
        }
        for _ in 0..10 {
            assert!(sensing.candidates(&request, 250, &mut entropy).is_ok());
        }
    });
}
