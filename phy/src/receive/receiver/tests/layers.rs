//! More of two and three UEs at one place: what is received once, what is combined, what is turned.

use super::super::{CommunicationPlace, Config, DiscoveryPlace, Receiver};
use super::antennas::views;
use super::collisions::{
    CARRIER, CP, Encoders, Heard, Path, STRONG, WEAK, communication, discovery, format_0, format_1,
    numerology, v2x_receiver,
};
use crate::Sample;
use crate::channel::pssch::{Grant, REDUNDANCY_VERSIONS};
use crate::pool::V2xPool;
use crate::sci::{Format0, Format1};
use crate::units::{Antennas, Bandwidth, DfnSubframe, PrbRange, SidelinkMode, TransmissionMode};

/// A UE of mode 2 on the fourth resource of PSCCH and six PRBs of PSSCH.
struct Ue {
    sci: Format0,
    path: Path,
    block: Vec<u8>,
}

impl Ue {
    fn new(group: u8, mcs: u8, path: Path) -> Self {
        Self { sci: format_0(group, mcs), path, block: Vec::new() }
    }
}

/// How a receiver of mode 2 knows its pool.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pool {
    Told,
    Unknown,
}

/// The air of UEs in mode 2, and a receiver in it.
struct Mode2 {
    encoders: Encoders,
    receiver: Receiver,
    es_n0: f64,
    /// Turns the phase of each symbol at random.
    jumps: bool,
}

impl Mode2 {
    fn new(pool: Pool, es_n0: f64, seed: u64) -> Self {
        let mut config = Config::new(numerology(), TransmissionMode::Tm2);
        if pool == Pool::Told {
            config.communication =
                vec![CommunicationPlace { pool: communication(), control_cp: CP, data_cp: CP }];
        }
        let mut receiver = Receiver::new(config);
        receiver.set_time(0, DfnSubframe::from_count(0));
        Self { encoders: Encoders::new(TransmissionMode::Tm2, seed), receiver, es_n0, jumps: false }
    }

    /// Receives a period from subframe `from` on: the SCIs, and the first `transmissions` of each block.
    fn period(&mut self, from: u64, ues: &mut [Ue], transmissions: usize) -> Heard {
        let pool = communication();
        let control = pool.control_resource(CARRIER, 4).unwrap();
        let data = pool.pattern_subframes(10);
        let mut heard = Heard::default();
        let ue = &mut self.encoders;
        for k in 0..=data[transmissions - 1].0 {
            let mut air = vec![Sample::default(); numerology().subframe_samples()];
            for Ue { sci, path, block } in &mut *ues {
                if let Some(&(_, prb)) = control.iter().find(|c| c.0 == k) {
                    let mut bits = vec![0; Format0::bits(Bandwidth::Prb25)];
                    sci.emit(Bandwidth::Prb25, &mut bits).unwrap();
                    ue.control.encode(&bits, prb, 0, 1.0, &mut ue.grid).unwrap();
                    ue.send(*path, &mut air);
                }
                if let Some(j) = data.iter().take(4).position(|d| d.0 == k) {
                    let grant = Grant {
                        prbs: PrbRange { start: 3, len: 6 },
                        mcs: sci.mcs,
                        rv: REDUNDANCY_VERSIONS[j],
                        n_id: sci.group_destination.into(),
                        n_ssf: (data[j].1 % 10) as u8,
                        transmission_format: false,
                    };
                    if block.is_empty() {
                        *block = ue.octets(grant.size(SidelinkMode::D2d).unwrap().1 / 8);
                    }
                    ue.shared.encode(block, &grant, 1.0, &mut ue.grid).unwrap();
                    ue.send(*path, &mut air);
                }
            }
            if self.jumps {
                jump(ue, &mut air);
            }
            ue.noise(self.es_n0, &mut air);
            heard.process(&mut self.receiver, from + u64::from(k), &air);
        }
        heard
    }
}

/// Turns the phase of each symbol at random: its subtraction is poor.
fn jump(ue: &mut Encoders, air: &mut [Sample]) {
    let n = numerology();
    for l in 0..n.symbols() {
        let turn = Sample::from_polar(1.0, 0.8 * (ue.rng.uniform() as f32 - 0.5));
        let start = n.symbol_start(l);
        air[start..start + n.cp_samples(l) + n.fft()].iter_mut().for_each(|x| *x *= turn);
    }
}

/// Nobody is under a UE of mode 2 that is alone: each SCI and each transmission of its block once, in layer 0.
#[test]
fn nothing_is_under_a_single_ue_of_mode_2() {
    for pool in [Pool::Told, Pool::Unknown] {
        for (seed, jumps) in [(1, false), (2, true), (3, true)] {
            let mut air = Mode2 { jumps, ..Mode2::new(pool, 40.0, seed) };
            let mut ues = [Ue::new(3, 4, STRONG)];
            let heard = air.period(0, &mut ues, 4);
            let what = format!("{pool:?} {seed}: {heard:?}");
            assert_eq!((heard.scis.len(), heard.layer(&ues[0].block)), (2, Some(0)), "{what}");
            assert!(heard.scis.iter().all(|s| s.1 == 0), "{what}");
            assert!((1..=4).contains(&heard.blocks.len()), "{what}");
            assert!(heard.blocks.iter().all(|b| b.0 == ues[0].block && b.1 == 0), "{what}");
        }
    }
}

/// Three UEs of mode 2, 8 dB apart, of three groups.
#[test]
fn three_ues_of_mode_2() {
    let mut all = 0;
    for seed in 0..6 {
        let mut air = Mode2::new(Pool::Told, 32.0, 20 + seed);
        let paths = [STRONG, (-8.0, -150.0, 4), (-16.0, 20.0, 2)];
        let mut ues =
            [(3, paths[0]), (80, paths[1]), (150, paths[2])].map(|(group, path)| Ue::new(group, 3, path));
        let heard = air.period(0, &mut ues, 4);
        assert!(heard.blocks.iter().all(|b| ues.iter().any(|ue| ue.block == b.0)), "{heard:?}");
        all += usize::from(ues.iter().all(|ue| heard.layer(&ue.block).is_some()));
    }
    assert!(all >= 3, "{all} of 6");
}

/// 16QAM, and offsets that are removed in every way: left on the grid, from the own subcarriers, or with the whole band.
#[test]
fn offsets_are_removed_from_what_is_left() {
    let pool = V2xPool::simple(8, 3);
    let mut ue = Encoders::new(TransmissionMode::Tm4, 32);
    let mut receiver = v2x_receiver(&pool, Antennas::ONE);
    for (k, (strong, weak)) in
        [(180.0, -240.0), (700.0, 710.0), (180.0, -700.0), (-650.0, 100.0), (-750.0, -720.0)]
            .into_iter()
            .cycle()
            .take(15)
            .enumerate()
    {
        let mut air = vec![Sample::default(); numerology().subframe_samples()];
        let mut blocks = [Vec::new(), Vec::new()];
        for (i, path) in [(0.0, strong, 0), (-10.0, weak, 3)].into_iter().enumerate() {
            let sci = Format1 { mcs: 11, ..format_1(&pool, 0, 1, i as u8) };
            ue.v2x(&pool, &sci, 1, 6 * i as u8, (k % 10) as u8, &mut blocks[i]);
            ue.send(path, &mut air);
        }
        ue.noise(35.0, &mut air);
        let mut heard = Heard::default();
        heard.process(&mut receiver, k as u64, &air);
        assert_eq!(blocks.map(|b| heard.layer(&b)), [Some(0), Some(1)], "{strong} and {weak} Hz");
    }
}

/// A PSCCH that begins one PRB below another, without a pool.
#[test]
fn control_channels_that_overlap_in_part() {
    let mut receiver = Receiver::new(Config::new(numerology(), TransmissionMode::Tm4));
    let mut ue = Encoders::new(TransmissionMode::Tm4, 33);
    let mut found = 0;
    for k in 0..16 {
        let mut air = vec![Sample::default(); numerology().subframe_samples()];
        let scis = [0, 1].map(|i| {
            let mut bits = vec![0; Format1::BITS];
            format_1(&V2xPool::simple(8, 3), 0, 1, i).emit(3, &mut bits).unwrap();
            bits
        });
        for (i, (prb, path)) in [(8, STRONG), (if k % 2 == 0 { 7 } else { 9 }, WEAK)].into_iter().enumerate()
        {
            ue.control.encode(&scis[i], prb, 3, 1.4, &mut ue.grid).unwrap();
            ue.send(path, &mut air);
        }
        ue.noise(25.0, &mut air);
        let mut heard = Heard::default();
        heard.process(&mut receiver, k, &air);
        let layers = scis.each_ref().map(|sci| heard.scis.iter().find(|s| s.0 == *sci).map(|s| s.1));
        found += usize::from(layers == [Some(0), Some(1)]);
    }
    assert!(found >= 14, "{found} of 16");
}

/// A collision that one antenna alone shows, whichever.
#[test]
fn a_dead_antenna_hides_no_collision() {
    let pool = V2xPool::simple(8, 3);
    for dead in [0, 1] {
        let mut ue = Encoders::new(TransmissionMode::Tm4, 34);
        let mut receiver = v2x_receiver(&pool, Antennas::new(2).unwrap());
        for k in 0..6 {
            let mut airs = vec![vec![Sample::default(); numerology().subframe_samples()]; 2];
            let mut blocks = [Vec::new(), Vec::new()];
            for (i, path) in [STRONG, WEAK].into_iter().enumerate() {
                let sci = format_1(&pool, 0, 1, i as u8);
                ue.v2x(&pool, &sci, 1, 3, (k % 10) as u8, &mut blocks[i]);
                ue.send(path, &mut airs[1 - dead]);
            }
            ue.noise(20.0, &mut airs[1 - dead]);
            let mut heard = Heard::default();
            heard.process_antennas(&mut receiver, k, &views(&airs));
            assert_eq!(blocks.map(|b| heard.layer(&b)), [Some(0), Some(1)], "{dead} dead, {k}: {heard:?}");
        }
    }
}

/// The samples of a subframe are not taken for those of the next, in which an antenna is damaged.
#[test]
fn a_damaged_antenna_repeats_nothing() {
    let pool = V2xPool::simple(8, 3);
    let mut ue = Encoders::new(TransmissionMode::Tm4, 35);
    let mut receiver = v2x_receiver(&pool, Antennas::new(2).unwrap());
    let mut airs = vec![vec![Sample::default(); numerology().subframe_samples()]; 2];
    ue.v2x(&pool, &format_1(&pool, 0, 1, 1), 1, 3, 0, &mut Vec::new());
    ue.send(STRONG, &mut airs[0]);
    airs.iter_mut().for_each(|air| ue.noise(20.0, air));
    assert_eq!(receiver.process_antennas(0, &views(&airs), &mut |_| {}), 2);
    airs[0].fill(Sample::new(f32::NAN, 0.0));
    assert_eq!(receiver.process_antennas(1, &views(&airs), &mut |_| {}), 0);
    airs[0].truncate(100);
    assert_eq!(receiver.process_antennas(2, &views(&airs), &mut |_| {}), 0);
}

/// Nobody is under a discovery message that is alone, with a pool and without.
#[test]
fn nothing_is_under_a_single_message() {
    let pool = discovery(320, vec![true; 40], 1);
    let mut ue = Encoders::new(TransmissionMode::Tm2, 36);
    for told in [true, false] {
        let mut config = Config::new(numerology(), TransmissionMode::Tm2);
        if told {
            config.discovery = vec![DiscoveryPlace { pool: pool.clone(), cp: CP }];
        }
        let mut receiver = Receiver::new(config);
        receiver.set_time(0, DfnSubframe::from_count(0));
        for k in 0..30 {
            let message = <[u8; 29]>::try_from(ue.octets(29)).unwrap();
            ue.discovery.encode(&message, 0, 4, 1.0, &mut ue.grid).unwrap();
            let mut air = vec![Sample::default(); numerology().subframe_samples()];
            ue.send(STRONG, &mut air);
            if k % 2 == 1 {
                jump(&mut ue, &mut air);
            }
            ue.noise([8.0, 15.0, 40.0][k as usize / 2 % 3], &mut air);
            let mut heard = Heard::default();
            heard.process(&mut receiver, k, &air);
            assert_eq!((heard.blocks.len(), heard.layer(&message)), (1, Some(0)), "{told} {k}: {heard:?}");
        }
    }
}

/// Each period of a discovery pool has messages of its own, whatever the last one left undecoded.
#[test]
fn messages_of_one_period_do_not_spoil_those_of_the_next() {
    let pool = discovery(320, (0..32).map(|i| i < 4).collect(), 2);
    let mut ue = Encoders::new(TransmissionMode::Tm2, 37);
    let mut config = Config::new(numerology(), TransmissionMode::Tm2);
    config.discovery = vec![DiscoveryPlace { pool: pool.clone(), cp: CP }];
    let mut receiver = Receiver::new(config);
    receiver.set_time(0, DfnSubframe::from_count(0));
    let places = pool.type1(CARRIER, 7).unwrap();
    for period in 0..6 {
        let messages = [0, 1].map(|_| <[u8; 29]>::try_from(ue.octets(29)).unwrap());
        let mut heard = Heard::default();
        // at first so much noise that the weaker one is noticed and not decoded
        let es_n0 = if period % 2 == 0 { 4.0 } else { 14.0 };
        for (j, (k, prbs)) in places.iter().enumerate() {
            let mut air = vec![Sample::default(); numerology().subframe_samples()];
            for (message, path) in messages.iter().zip([STRONG, WEAK]) {
                ue.discovery.encode(message, REDUNDANCY_VERSIONS[j], prbs.start, 1.0, &mut ue.grid).unwrap();
                ue.send(path, &mut air);
            }
            ue.noise(es_n0, &mut air);
            heard.process(&mut receiver, 320 * period + u64::from(*k), &air);
        }
        let layers = messages.map(|m| heard.layer(&m));
        assert!(heard.blocks.iter().all(|b| messages.iter().any(|m| b.0 == *m)), "{period}");
        assert!(es_n0 < 10.0 || layers == [Some(0), Some(1)], "{period}: {layers:?}");
    }
}

/// The same block in an initial transmission is another one, and in a retransmission a repeat.
#[test]
fn a_block_is_a_repeat_in_its_retransmission_alone() {
    let pool = V2xPool::simple(8, 3);
    let mut ue = Encoders::new(TransmissionMode::Tm4, 38);
    let mut receiver = v2x_receiver(&pool, Antennas::ONE);
    let mut block = Vec::new();
    for (k, retransmission, repeat) in
        [(0, false, false), (3, true, true), (20, false, false), (40, false, false)]
    {
        let mut air = vec![Sample::default(); numerology().subframe_samples()];
        let sci =
            Format1 { time_gap: if k < 20 { 3 } else { 0 }, retransmission, ..format_1(&pool, 1, 1, 1) };
        ue.v2x(&pool, &sci, 1, 3, (k % 10) as u8, &mut block);
        ue.send(STRONG, &mut air);
        if k < 20 {
            jump(&mut ue, &mut air);
        }
        ue.noise(30.0, &mut air);
        let mut heard = Heard::default();
        heard.process(&mut receiver, k, &air);
        assert!(heard.blocks.len() == 1 && heard.blocks[0].2 == repeat, "{k}: {:?}", heard.blocks);
    }
}

/// A weaker UE whose initial transmission is spoilt, received again and still not decoded: its retransmission completes it.
#[test]
fn what_is_received_again_waits_for_its_retransmission() {
    let pool = V2xPool { adjacent: false, control_start: 0, start: 6, ..V2xPool::simple(6, 3) };
    let mut ue = Encoders::new(TransmissionMode::Tm4, 39);
    let mut counts = [0; 2];
    for _ in 0..8 {
        let mut receiver = v2x_receiver(&pool, Antennas::ONE);
        let mut weak = Vec::new();
        let mut heard = Heard::default();
        for (k, retransmission) in [(0, false), (3, true)] {
            let mut air = vec![Sample::default(); numerology().subframe_samples()];
            let sci = Format1 { mcs: 15, time_gap: 3, retransmission, ..format_1(&pool, 1, 2, 2) };
            ue.v2x(&pool, &sci, 1, 6, k as u8, &mut weak);
            ue.send(WEAK, &mut air);
            if !retransmission {
                ue.v2x(&pool, &format_1(&pool, 0, 3, 1), 0, 3, k as u8, &mut Vec::new());
                ue.send(STRONG, &mut air);
            }
            ue.noise(15.0, &mut air);
            heard.process(&mut receiver, k, &air);
            counts[usize::from(retransmission)] += usize::from(heard.layer(&weak).is_some());
        }
    }
    assert!(counts[0] <= 2 && counts[1] >= 7, "{counts:?} of 8");
}

/// Messages that are noticed late: their first transmissions waited.
#[test]
fn waiting_transmissions_count() {
    let pool = discovery(40, vec![true; 8], 4);
    let mut config = Config::new(numerology(), TransmissionMode::Tm2);
    config.discovery = vec![DiscoveryPlace { pool: pool.clone(), cp: CP }];
    // by one transmission nothing is noticed, by three or four most are
    config.tuning.discovery = 0.8;
    let mut receiver = Receiver::new(config);
    receiver.set_time(0, DfnSubframe::from_count(0));
    let mut ue = Encoders::new(TransmissionMode::Tm2, 40);
    let mut arrived = 0;
    for period in 0..20 {
        let message = <[u8; 29]>::try_from(ue.octets(29)).unwrap();
        let mut heard = Heard::default();
        for (j, (k, prbs)) in pool.type1(CARRIER, 5).unwrap().into_iter().enumerate() {
            let mut air = vec![Sample::default(); numerology().subframe_samples()];
            ue.discovery.encode(&message, REDUNDANCY_VERSIONS[j], prbs.start, 1.0, &mut ue.grid).unwrap();
            ue.send(STRONG, &mut air);
            ue.noise(-1.5, &mut air);
            heard.process(&mut receiver, 40 * period + u64::from(k), &air);
        }
        assert!(heard.blocks.iter().all(|b| b.0 == message));
        arrived += usize::from(heard.layer(&message).is_some());
    }
    assert!(arrived >= 15, "{arrived} of 20");
}
