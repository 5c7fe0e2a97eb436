//! Two UEs at one place: the weaker is received under the stronger, and nothing else is.

use super::super::{CommunicationPlace, Config, DiscoveryPlace, Event, Receiver};
use crate::Sample;
use crate::channel::pssch::{self, Grant, REDUNDANCY_VERSIONS_V2X};
use crate::channel::{pscch, psdch};
use crate::grid::Grid;
use crate::impair::awgn::{Awgn, noise_power_per_sample};
use crate::impair::offset::FrequencyOffset;
use crate::impair::rng::Rng;
use crate::numerology::Numerology;
use crate::pool::{
    CommunicationPool, DiscoveryPool, HoppingConfig, PoolPrbs, PsschSubframes, TrpSet, V2xPool,
};
use crate::sc_fdma::Modulator;
use crate::sci::{Format0, Format1, riv_encode};
use crate::sequence::dmrs::References;
use crate::units::{
    Antennas, Bandwidth, CyclicPrefix, Decibel, DfnSubframe, Hertz, PrbRange, SidelinkMode, TransmissionMode,
};
use std::sync::Arc;

pub(super) const CP: CyclicPrefix = CyclicPrefix::Normal;
pub(super) const CARRIER: usize = 25;

pub(super) fn numerology() -> Numerology {
    Numerology::standard(Bandwidth::Prb25, CP)
}

/// Transmission of a UE in a subframe, and the way on which it arrives.
pub(super) struct Encoders {
    pub(super) control: pscch::Encoder,
    pub(super) shared: pssch::Encoder,
    pub(super) discovery: psdch::Encoder,
    modulator: Modulator,
    pub(super) grid: Grid,
    pub(super) rng: Rng,
}

/// Level in dB, offset in Hz, delay in samples.
pub(super) type Path = (f32, f64, usize);

pub(super) const STRONG: Path = (0.0, 180.0, 0);
pub(super) const WEAK: Path = (-6.0, -240.0, 5);

impl Encoders {
    pub(super) fn new(mode: TransmissionMode, seed: u64) -> Self {
        let n = numerology();
        let references = Arc::new(References::new(CARRIER));
        Self {
            control: pscch::Encoder::new(n, mode.sidelink(), references.clone()),
            shared: pssch::Encoder::new(n, mode, references.clone()),
            discovery: psdch::Encoder::new(n, references),
            modulator: Modulator::new(n),
            grid: Grid::new(n),
            rng: Rng::new(seed),
        }
    }

    /// Adds what is on the grid to `air`, and clears it.
    pub(super) fn send(&mut self, (level, cfo, delay): Path, air: &mut [Sample]) {
        let mut x = vec![Sample::default(); air.len()];
        self.modulator.modulate(&self.grid, &mut x);
        self.grid.clear();
        x.rotate_right(delay);
        FrequencyOffset::new(Hertz(cfo), numerology().sample_rate()).process(&mut x);
        let gain =
            Sample::from_polar(10f32.powf(level / 20.0), std::f32::consts::TAU * self.rng.uniform() as f32);
        air.iter_mut().zip(&x).for_each(|(y, x)| *y += x * gain);
    }

    pub(super) fn noise(&mut self, es_n0: f64, air: &mut [Sample]) {
        let power =
            noise_power_per_sample(Decibel(es_n0), (12.0 * CARRIER as f64).powf(-0.5), numerology().fft());
        Awgn::new(power, self.rng.next_u64()).process(air);
    }

    pub(super) fn octets(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.rng.below(256) as u8).collect()
    }

    /// Writes an SCI format 1 and its block over `len` sub-channels from `first` on.
    pub(super) fn v2x(
        &mut self,
        pool: &V2xPool,
        sci: &Format1,
        first: usize,
        n_cs: u8,
        n_ssf: u8,
        block: &mut Vec<u8>,
    ) {
        let mut bits = vec![0; Format1::BITS];
        sci.emit(pool.num, &mut bits).unwrap();
        let prb = pool.control(first).start;
        let crc = self.control.encode(&bits, prb, n_cs, 2f32.sqrt(), &mut self.grid).unwrap();
        let (_, len) = sci.allocation(pool.num).unwrap();
        let grant = Grant {
            prbs: pool.data(first, len).unwrap(),
            mcs: sci.mcs,
            rv: REDUNDANCY_VERSIONS_V2X[usize::from(sci.retransmission)],
            n_id: crc,
            n_ssf,
            transmission_format: false,
        };
        if block.is_empty() {
            *block = self.octets(grant.size(SidelinkMode::V2x).unwrap().1 / 8);
        }
        self.shared.encode(block, &grant, 1.0, &mut self.grid).unwrap();
    }
}

pub(super) fn format_1(pool: &V2xPool, other: usize, len: usize, priority: u8) -> Format1 {
    Format1 {
        priority,
        reservation: 1,
        frequency_resource: riv_encode(pool.num, other, len).unwrap() as u8,
        time_gap: 0,
        mcs: 4,
        retransmission: false,
        transmission_format: false,
        reserved: 0,
    }
}

/// Blocks (with their layer, and whether they are repeats) and SCIs (with their layer) that were received.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) blocks: Vec<(Vec<u8>, u8, bool)>,
    pub(super) scis: Vec<(Vec<u8>, u8)>,
}

impl Heard {
    pub(super) fn process(&mut self, receiver: &mut Receiver, k: u64, air: &[Sample]) {
        self.process_antennas(receiver, k, &[air]);
    }

    pub(super) fn process_antennas(&mut self, receiver: &mut Receiver, k: u64, air: &[&[Sample]]) {
        receiver.process_antennas(k, air, &mut |event| match event {
            Event::SlSch(b) => self.blocks.push((b.block.to_vec(), b.measurement.layer, b.repeat)),
            Event::SlDch { message, measurement, repeat, .. } => {
                self.blocks.push((message.to_vec(), measurement.layer, repeat))
            }
            Event::Sci { bits, measurement, .. } => self.scis.push((bits.to_vec(), measurement.layer)),
            _ => {}
        });
    }

    pub(super) fn layer(&self, block: &[u8]) -> Option<u8> {
        let mut of_block = self.blocks.iter().filter(|(b, _, repeat)| b == block && !repeat);
        let layer = of_block.next().map(|b| b.1);
        assert!(of_block.next().is_none(), "twice");
        layer
    }
}

pub(super) fn v2x_receiver(pool: &V2xPool, antennas: Antennas) -> Receiver {
    let mut config = Config::new(numerology(), TransmissionMode::Tm4);
    config.v2x = Some(pool.clone());
    config.antennas = antennas;
    let mut receiver = Receiver::new(config);
    receiver.set_time(0, DfnSubframe::from_count(0));
    receiver
}

/// On one sub-channel, with the same shift and with others, with different SCIs and with the same: each block once, the
/// weaker in layer 1, and no SCI that was not sent.
#[test]
fn mode_4_on_one_sub_channel() {
    let pool = V2xPool::simple(8, 3);
    let mut ue = Encoders::new(TransmissionMode::Tm4, 1);
    let mut receiver = v2x_receiver(&pool, Antennas::ONE);
    for k in 0..24 {
        let shifts = [3 * (k % 4) as u8, 3 * (k / 4 % 4) as u8];
        let mut air = vec![Sample::default(); numerology().subframe_samples()];
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        let same = k % 3 == 0;
        let scis = [1, if same { 1 } else { 2 }].map(|priority| format_1(&pool, 0, 1, priority));
        ue.v2x(&pool, &scis[0], 1, shifts[0], (k % 10) as u8, &mut strong);
        ue.send(STRONG, &mut air);
        ue.v2x(&pool, &scis[1], 1, shifts[1], (k % 10) as u8, &mut weak);
        ue.send(WEAK, &mut air);
        ue.noise(20.0, &mut air);
        let mut heard = Heard::default();
        heard.process(&mut receiver, k, &air);
        let layers = (heard.layer(&strong), heard.layer(&weak));
        assert_eq!(layers, (Some(0), Some(1)), "subframe {k}, shifts {shifts:?}, same SCI: {same}");
        assert_eq!((heard.blocks.len(), heard.scis.len()), (2, if same { 1 } else { 2 }), "subframe {k}");
    }
}

/// A PSCCH under the PSSCH of another, and blocks that overlap in part.
#[test]
fn mode_4_with_other_lengths() {
    let pool = V2xPool::simple(8, 3);
    let mut ue = Encoders::new(TransmissionMode::Tm4, 2);
    let mut receiver = v2x_receiver(&pool, Antennas::ONE);
    for k in 0..12 {
        let mut air = vec![Sample::default(); numerology().subframe_samples()];
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        ue.v2x(&pool, &format_1(&pool, 0, 3, 1), 0, 3, (k % 10) as u8, &mut strong);
        ue.send(STRONG, &mut air);
        ue.v2x(&pool, &format_1(&pool, 0, 2, 2), 1, 6, (k % 10) as u8, &mut weak);
        ue.send(WEAK, &mut air);
        ue.noise(20.0, &mut air);
        let mut heard = Heard::default();
        heard.process(&mut receiver, k, &air);
        assert!(heard.layer(&strong).is_some() && heard.layer(&weak).is_some(), "{k}: {heard:?}");
        assert_eq!((heard.blocks.len(), heard.scis.len()), (2, 2), "{k}");
    }
}

/// A block that another one spoils comes after that other one, whose SCI comes first.
#[test]
fn a_spoilt_block_is_received_again() {
    let pool = V2xPool { adjacent: false, control_start: 0, start: 6, ..V2xPool::simple(6, 3) };
    let mut ue = Encoders::new(TransmissionMode::Tm4, 3);
    let mut receiver = v2x_receiver(&pool, Antennas::ONE);
    let mut again = 0;
    for k in 0..12 {
        let mut air = vec![Sample::default(); numerology().subframe_samples()];
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        // both SCIs are heard at once, and only the block of the stronger
        let sci = Format1 { mcs: 8, ..format_1(&pool, 0, 2, 2) };
        ue.v2x(&pool, &sci, 1, 6, (k % 10) as u8, &mut weak);
        ue.send(WEAK, &mut air);
        ue.v2x(&pool, &format_1(&pool, 0, 3, 1), 0, 3, (k % 10) as u8, &mut strong);
        ue.send(STRONG, &mut air);
        ue.noise(25.0, &mut air);
        let mut heard = Heard::default();
        heard.process(&mut receiver, k, &air);
        assert!(heard.layer(&strong).is_some(), "{k}");
        again += usize::from(heard.layer(&weak).is_some());
        assert_eq!(heard.scis.len(), 2, "{k}");
    }
    assert!(again >= 11, "{again} of 12");
}

/// Two UEs collide in the initial transmission alone: each retransmission is combined with its own.
#[test]
fn retransmissions_are_combined_with_their_own() {
    let pool = V2xPool::simple(8, 3);
    let mut ue = Encoders::new(TransmissionMode::Tm4, 4);
    for trial in 0..6 {
        let mut receiver = v2x_receiver(&pool, Antennas::ONE);
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        let mut heard = Heard::default();
        for (k, second) in [(0, false), (3, true)] {
            let mut air = vec![Sample::default(); numerology().subframe_samples()];
            let sci = |other: usize, priority| Format1 {
                time_gap: 3,
                retransmission: second,
                ..format_1(&pool, if second { 1 } else { other }, 1, priority)
            };
            let at = |other: usize| if second { other } else { 1 };
            ue.v2x(&pool, &sci(0, 1), at(0), 3, k as u8, &mut strong);
            ue.send(STRONG, &mut air);
            ue.v2x(&pool, &sci(2, 2), at(2), 3, k as u8, &mut weak);
            ue.send(WEAK, &mut air);
            ue.noise(20.0, &mut air);
            heard.process(&mut receiver, k, &air);
        }
        assert!(heard.layer(&strong) == Some(0) && heard.layer(&weak) == Some(1), "{trial}: {heard:?}");
        let repeats = heard.blocks.iter().filter(|b| b.2).count();
        assert_eq!((heard.blocks.len(), repeats), (4, 2), "{trial}");
    }
}

/// With two antennas the same, one of them weaker, and one of them dead.
#[test]
fn on_two_antennas() {
    let pool = V2xPool::simple(8, 3);
    for (seed, gain) in [(5, 1.0), (6, 0.3), (7, 0.0)] {
        let mut ue = Encoders::new(TransmissionMode::Tm4, seed);
        let mut receiver = v2x_receiver(&pool, Antennas::new(2).unwrap());
        let mut both = 0;
        for k in 0..8 {
            let mut airs = [0, 1].map(|_| vec![Sample::default(); numerology().subframe_samples()]);
            let mut blocks = [Vec::new(), Vec::new()];
            for air in &mut airs {
                for (i, path) in [STRONG, WEAK].into_iter().enumerate() {
                    let sci = format_1(&pool, 0, 1, i as u8);
                    ue.v2x(&pool, &sci, 1, 3, (k % 10) as u8, &mut blocks[i]);
                    ue.send(path, air);
                }
                ue.noise(20.0, air);
            }
            airs[1].iter_mut().for_each(|x| *x *= gain);
            let mut heard = Heard::default();
            heard.process_antennas(&mut receiver, k, &[&airs[0], &airs[1]]);
            assert!(heard.blocks.len() <= 2 && heard.scis.len() <= 2, "{k}: {heard:?}");
            both += usize::from(blocks.iter().all(|block| heard.layer(block).is_some()));
        }
        assert!(both >= 7, "gain {gain}: {both} of 8");
    }
}

/// Nobody is under a UE that is alone, whatever its level: every event once and in layer 0, even where its phase jumps
/// from symbol to symbol and its subtraction is poor.
#[test]
fn nothing_is_under_a_single_ue() {
    let pool = V2xPool::simple(8, 3);
    let mut ue = Encoders::new(TransmissionMode::Tm4, 8);
    let mut receiver = v2x_receiver(&pool, Antennas::ONE);
    let n = numerology();
    for k in 0..60 {
        let mut air = vec![Sample::default(); n.subframe_samples()];
        let mut block = Vec::new();
        ue.v2x(&pool, &format_1(&pool, 0, 1, 1), 1, 3, (k % 10) as u8, &mut block);
        ue.send(STRONG, &mut air);
        if k % 2 == 1 {
            for l in 0..n.symbols() {
                let turn = Sample::from_polar(1.0, 0.8 * (ue.rng.uniform() as f32 - 0.5));
                let start = n.symbol_start(l);
                air[start..start + n.cp_samples(l) + n.fft()].iter_mut().for_each(|x| *x *= turn);
            }
        }
        ue.noise([5.0, 12.0, 40.0][k as usize / 2 % 3], &mut air);
        let mut heard = Heard::default();
        heard.process(&mut receiver, k, &air);
        assert!(heard.blocks.len() <= 1 && heard.scis.len() == 1, "{k}: {heard:?}");
        assert!(
            heard.scis[0].1 == 0 && heard.blocks.iter().all(|b| b.1 == 0 && b.0 == block),
            "{k}: {heard:?}"
        );
    }
}

fn on_off(bits: &str) -> Vec<bool> {
    bits.chars().map(|c| c == '1').collect()
}

/// Returns a pool of modes 1 and 2 with PSCCH in four subframes.
pub(super) fn communication() -> CommunicationPool {
    CommunicationPool {
        period: 40,
        offset: 0,
        control_bitmap: on_off("1111000000000000000000000000000000000000"),
        control_prbs: PoolPrbs { start: 2, end: 22, num: 10 },
        data: PsschSubframes::Bitmap { offset: 4, bitmap: on_off("11111111") },
        data_prbs: PoolPrbs::whole(CARRIER),
        trp_set: TrpSet::Eight,
        hopping: HoppingConfig::default(),
    }
}

/// Returns an SCI of a group for six PRBs.
pub(super) fn format_0(group_destination: u8, mcs: u8) -> Format0 {
    Format0 {
        hopping: false,
        rb_assignment: riv_encode(CARRIER, 3, 6).unwrap() as u16,
        trp: 10,
        mcs,
        timing_advance: 0,
        group_destination,
    }
}

/// Two UEs with the same resources of PSCCH and PSSCH, of two groups and of one.
#[test]
fn mode_2_on_the_same_resources() {
    let pool = communication();
    for (groups, mcs, seed) in [([3, 80], [4, 4], 11), ([3, 3], [4, 5], 12), ([3, 3], [4, 4], 13)] {
        let mut ue = Encoders::new(TransmissionMode::Tm2, seed);
        let mut config = Config::new(numerology(), TransmissionMode::Tm2);
        config.communication = vec![CommunicationPlace { pool: pool.clone(), control_cp: CP, data_cp: CP }];
        let mut receiver = Receiver::new(config);
        receiver.set_time(0, DfnSubframe::from_count(0));
        let scis = [0, 1].map(|i| format_0(groups[i], mcs[i]));
        let control = pool.control_resource(CARRIER, 4).unwrap();
        let data = pool.pattern_subframes(10);
        let mut blocks = [Vec::new(), Vec::new()];
        let mut heard = Heard::default();
        // the first block
        for k in 0..=u64::from(data[3].0) {
            let mut air = vec![Sample::default(); numerology().subframe_samples()];
            for (i, path) in [STRONG, WEAK].into_iter().enumerate() {
                let mut is_sent = false;
                if let Some(&(_, prb)) = control.iter().find(|c| u64::from(c.0) == k) {
                    let mut bits = vec![0; Format0::bits(Bandwidth::Prb25)];
                    scis[i].emit(Bandwidth::Prb25, &mut bits).unwrap();
                    ue.control.encode(&bits, prb, 0, 1.0, &mut ue.grid).unwrap();
                    is_sent = true;
                }
                if let Some(j) = data.iter().take(4).position(|d| u64::from(d.0) == k) {
                    let grant = Grant {
                        prbs: PrbRange { start: 3, len: 6 },
                        mcs: mcs[i],
                        rv: pssch::REDUNDANCY_VERSIONS[j],
                        n_id: groups[i].into(),
                        n_ssf: (data[j].1 % 10) as u8,
                        transmission_format: false,
                    };
                    if blocks[i].is_empty() {
                        blocks[i] = ue.octets(grant.size(SidelinkMode::D2d).unwrap().1 / 8);
                    }
                    ue.shared.encode(&blocks[i], &grant, 1.0, &mut ue.grid).unwrap();
                    is_sent = true;
                }
                if is_sent {
                    ue.send(path, &mut air);
                }
            }
            ue.noise(20.0, &mut air);
            heard.process(&mut receiver, k, &air);
        }
        assert_eq!(heard.layer(&blocks[0]), Some(0), "{groups:?} {mcs:?}");
        assert_eq!(heard.layer(&blocks[1]), Some(1), "{groups:?} {mcs:?}");
        assert!(heard.blocks.iter().all(|b| blocks.contains(&b.0)), "{groups:?}");
        assert_eq!(
            heard.scis.len(),
            if groups[0] == groups[1] && mcs[0] == mcs[1] { 2 } else { 4 },
            "{groups:?}"
        );
    }
}

/// Returns a discovery pool over the whole carrier.
pub(super) fn discovery(period: u32, bitmap: Vec<bool>, transmissions: u32) -> DiscoveryPool {
    DiscoveryPool { period, offset: 0, bitmap, repetitions: 1, transmissions, prbs: PoolPrbs::whole(CARRIER) }
}

/// Two discovery messages in one resource, with a pool and without.
#[test]
fn discovery_in_one_resource() {
    let pool = discovery(320, on_off("11110000000000000000000000000000"), 2);
    let mut ue = Encoders::new(TransmissionMode::Tm2, 21);
    for (trial, told) in [true, true, true, false, false].into_iter().enumerate() {
        let mut config = Config::new(numerology(), TransmissionMode::Tm2);
        if told {
            config.discovery = vec![DiscoveryPlace { pool: pool.clone(), cp: CP }];
        }
        let mut receiver = Receiver::new(config);
        receiver.set_time(0, DfnSubframe::from_count(0));
        let places = pool.type1(CARRIER, 7).unwrap();
        let messages = [0, 1].map(|_| <[u8; 29]>::try_from(ue.octets(29)).unwrap());
        let mut heard = Heard::default();
        for (j, (k, prbs)) in places.into_iter().enumerate() {
            let mut air = vec![Sample::default(); numerology().subframe_samples()];
            for (message, path) in messages.iter().zip([STRONG, WEAK]) {
                let rv = psdch::REDUNDANCY_VERSIONS[j];
                ue.discovery.encode(message, rv, prbs.start, 1.0, &mut ue.grid).unwrap();
                ue.send(path, &mut air);
            }
            ue.noise(20.0, &mut air);
            heard.process(&mut receiver, k.into(), &air);
        }
        assert_eq!(messages.map(|m| heard.layer(&m)), [Some(0), Some(1)], "{trial}: {heard:?}");
        assert!(heard.blocks.iter().all(|b| messages.iter().any(|m| b.0 == *m)), "{trial}");
    }
}

/// 3 dB apart, and with the same reference signals, a discovery message decodes when its data have corrected its channel.
#[test]
fn the_data_correct_the_channel() {
    let mut ue = Encoders::new(TransmissionMode::Tm2, 22);
    let pool = discovery(320, on_off("1000000000000000000000000000000000000000"), 1);
    let mut both = 0;
    for _ in 0..20 {
        let mut config = Config::new(numerology(), TransmissionMode::Tm2);
        config.discovery = vec![DiscoveryPlace { pool: pool.clone(), cp: CP }];
        let mut receiver = Receiver::new(config);
        receiver.set_time(0, DfnSubframe::from_count(0));
        let messages = [0, 1].map(|_| <[u8; 29]>::try_from(ue.octets(29)).unwrap());
        let mut air = vec![Sample::default(); numerology().subframe_samples()];
        for (message, path) in messages.iter().zip([STRONG, (-3.0, -240.0, 5)]) {
            ue.discovery.encode(message, 0, 4, 1.0, &mut ue.grid).unwrap();
            ue.send(path, &mut air);
        }
        ue.noise(20.0, &mut air);
        let mut heard = Heard::default();
        heard.process(&mut receiver, 0, &air);
        both += usize::from(messages.iter().all(|m| heard.layer(m).is_some()));
    }

    assert!(both >= 12, "{both} of 20");
}
