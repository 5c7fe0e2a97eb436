use super::super::{Config, Event, Receiver, Undelivered};
use super::learner::Fields;
use crate::Sample;
use crate::channel::{pscch, pssch};
use crate::grid::Grid;
use crate::impair::awgn::{Awgn, noise_power_per_sample};
use crate::impair::offset::FrequencyOffset;
use crate::impair::path::add;
use crate::impair::rng::Rng;
use crate::numerology::Numerology;
use crate::pool::V2xPool;
use crate::receive::learn::{Learnt, Open, Part};
use crate::sc_fdma::Modulator;
use crate::sci::{Format1, riv_encode};
use crate::sequence::dmrs::References;
use crate::units::{Bandwidth, CyclicPrefix, Decibel, Hertz, PrbRange, SidelinkMode, TransmissionMode};
use std::sync::Arc;

const NUM: [usize; 7] = [1, 3, 5, 8, 10, 15, 20];
const SIZE: [usize; 19] = [4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 25, 30, 48, 50, 72, 75, 96, 100];

/// A UE that sends a block periodically, once or twice.
#[derive(Clone, Debug)]
struct Ue {
    pool: V2xPool,
    from: u64,
    interval: u64,
    first: [usize; 2],
    len: usize,
    gap: u64,
    mcs: u8,
    cfo: f64,
    payload: Option<u8>,
    /// Leaves PSSCH out.
    control_only: bool,
    /// The bits that are reserved before Release 15 are sent as ones.
    has_ones: bool,
}

impl Ue {
    fn new(pool: &V2xPool, first: usize, len: usize) -> Self {
        Self {
            pool: pool.clone(),
            from: 3,
            interval: 20,
            first: [first; 2],
            len,
            gap: 0,
            mcs: 5,
            cfo: 100.0,
            payload: None,
            control_only: false,
            has_ones: false,
        }
    }
}

/// Sent and received blocks.
#[derive(Debug, Default)]
struct Heard {
    sent: Vec<(u64, Vec<u8>)>,
    scis_sent: usize,
    scis: usize,
    /// Subframe, block, whether it is a repeat.
    blocks: Vec<(u64, Vec<u8>, bool)>,
    undelivered: Vec<Undelivered>,
}

impl Heard {
    fn delivered(&self) -> usize {
        let new = |block: &&(u64, Vec<u8>)| self.blocks.iter().any(|(_, b, repeat)| !repeat && *b == block.1);
        self.sent.iter().filter(new).count()
    }

    fn invented(&self) -> usize {
        self.blocks.iter().filter(|(_, b, _)| !self.sent.iter().any(|(_, s)| s == b)).count()
    }

    fn doubled(&self) -> usize {
        let new: Vec<_> = self.blocks.iter().filter(|b| !b.2).map(|b| &b.1).collect();
        new.iter().enumerate().filter(|(i, b)| new[..*i].contains(b)).count()
    }
}

/// Transmits for UEs, at an Es/N0 in dB.
struct Air {
    numerology: Numerology,
    control: pscch::Encoder,
    data: pssch::Encoder,
    modulator: Modulator,
    noise: Awgn,
    rng: Rng,
    grid: Grid,
    pending: Vec<(u64, usize, Vec<u8>)>,
    n_ssf_offset: u64,
}

impl Air {
    fn new(bandwidth: Bandwidth, es_n0: f64, seed: u64) -> Self {
        let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
        let references = Arc::new(References::new(bandwidth.prbs()));
        let amplitude = 1.0 / (numerology.subcarriers() as f64).sqrt();
        let power = noise_power_per_sample(Decibel(es_n0), amplitude, numerology.fft());
        Self {
            numerology,
            control: pscch::Encoder::new(numerology, SidelinkMode::V2x, references.clone()),
            data: pssch::Encoder::new(numerology, TransmissionMode::Tm4, references),
            modulator: Modulator::new(numerology),
            noise: Awgn::new(power, seed ^ 0x5eed),
            rng: Rng::new(seed),
            grid: Grid::new(numerology),
            pending: Vec::new(),
            n_ssf_offset: seed % 10,
        }
    }

    /// Runs one subframe and returns its samples.
    fn subframe(&mut self, k: u64, ues: &[Ue], heard: &mut Heard) -> Vec<Sample> {
        let mut sum = vec![Sample::default(); self.numerology.subframe_samples()];
        let mut taken: Vec<PrbRange> = Vec::new();
        for (i, ue) in ues.iter().enumerate() {
            let due = self.pending.iter().position(|p| (p.0, p.1) == (k, i));
            let which = usize::from(due.is_some());
            let is_first = k >= ue.from && (k - ue.from).is_multiple_of(ue.interval);
            // colliding transmissions are left out
            let places = [ue.pool.control(ue.first[which]), ue.pool.data(ue.first[which], ue.len).unwrap()];
            if (due.is_none() && !is_first) || places.iter().any(|p| taken.iter().any(|t| t.overlaps(*p))) {
                continue;
            }
            taken.extend(places);
            heard.scis_sent += 1;
            if let Some(at) = due {
                let (_, _, block) = self.pending.remove(at);
                self.send(k, ue, 1, &block, &mut sum);
            } else {
                let block = self.block(ue);
                self.send(k, ue, 0, &block, &mut sum);
                if ue.gap > 0 {
                    self.pending.push((k + ue.gap, i, block.clone()));
                }
                if !ue.control_only {
                    heard.sent.push((k, block));
                }
            }
        }
        self.noise.process(&mut sum);
        sum
    }

    fn block(&mut self, ue: &Ue) -> Vec<u8> {
        let prbs = ue.pool.data(ue.first[0], ue.len).unwrap();
        let size = grant(ue.mcs, prbs).size(SidelinkMode::V2x).map_or(0, |(_, size)| size);
        (0..size / 8).map(|_| ue.payload.unwrap_or_else(|| self.rng.below(256) as u8)).collect()
    }

    fn send(&mut self, k: u64, ue: &Ue, which: usize, block: &[u8], sum: &mut [Sample]) {
        self.grid.clear();
        let sci = Format1 {
            priority: 3,
            reservation: 2,
            frequency_resource: riv_encode(ue.pool.num, ue.first[1 - which], ue.len).unwrap() as u8,
            time_gap: ue.gap as u8,
            mcs: ue.mcs,
            retransmission: which == 1,
            transmission_format: ue.has_ones,
            reserved: if ue.has_ones { (1 << Format1::reserved_bits(ue.pool.num)) - 1 } else { 0 },
        };
        let mut bits = [0; Format1::BITS];
        sci.emit(ue.pool.num, &mut bits).unwrap();
        let prb = ue.pool.control(ue.first[which]).start;
        let shift = 3 * self.rng.below(4) as u8;
        let n_id = self.control.encode(&bits, prb, shift, 1.41, &mut self.grid).unwrap();
        let grant = pssch::Grant {
            rv: pssch::REDUNDANCY_VERSIONS_V2X[which],
            n_id,
            n_ssf: ((k + self.n_ssf_offset) % 10) as u8,
            ..grant(ue.mcs, ue.pool.data(ue.first[which], ue.len).unwrap())
        };
        if !ue.control_only {
            self.data.encode(block, &grant, 1.0, &mut self.grid).unwrap();
        }
        let mut samples = vec![Sample::default(); sum.len()];
        self.modulator.modulate(&self.grid, &mut samples);
        FrequencyOffset::new(Hertz(ue.cfo), self.numerology.sample_rate()).process(&mut samples);
        add(sum, &samples);
    }
}

fn grant(mcs: u8, prbs: PrbRange) -> pssch::Grant {
    pssch::Grant { prbs, mcs, rv: 0, n_id: 0, n_ssf: 0, transmission_format: false }
}

fn collect(heard: &mut Heard, event: &Event<'_>) {
    match event {
        Event::Sci { undelivered, .. } => {
            heard.scis += 1;
            heard.undelivered.extend(*undelivered);
        }
        Event::SlSch(b) => heard.blocks.push((b.subframe, b.block.to_vec(), b.repeat)),
        _ => {}
    }
}

fn told(bandwidth: Bandwidth, pool: &V2xPool) -> Receiver {
    let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
    let config = Config::new(numerology, TransmissionMode::Tm4);
    Receiver::new(Config { v2x: Some(pool.clone()), ..config })
}

fn blind(bandwidth: Bandwidth) -> Receiver {
    let numerology = Numerology::standard(bandwidth, CyclicPrefix::Normal);
    Receiver::new(Config::new(numerology, TransmissionMode::Tm4))
}

fn run(receiver: &mut Receiver, air: &mut Air, ues: &[Ue], subframes: std::ops::Range<u64>) -> Heard {
    let mut heard = Heard::default();
    for k in subframes {
        let samples = air.subframe(k, ues, &mut heard);
        receiver.process(k, &samples, &mut |event| collect(&mut heard, &event));
    }
    heard
}

/// Returns a pool that TS 36.331 allows on the carrier; non-adjacent PSCCH lies beside the sub-channels.
fn random_pool(rng: &mut Rng, prbs: usize) -> V2xPool {
    loop {
        let pick = |rng: &mut Rng, from: &[usize]| from[rng.below(from.len() as u64) as usize];
        let (num, size) = (pick(rng, &NUM), pick(rng, &SIZE));
        let adjacent = rng.below(2) == 0;
        let taken = num * size + if adjacent { 0 } else { 2 * num };
        if taken > prbs {
            continue;
        }
        let slack = rng.below((prbs - taken) as u64 + 1) as usize;
        let below = rng.below(2) == 0;
        let mut pool = V2xPool { start: slack, adjacent, ..V2xPool::simple(size, num) };
        if !adjacent && below {
            (pool.control_start, pool.start) = (slack, slack + 2 * num);
        } else if !adjacent {
            pool.control_start = slack + num * size;
        }
        return pool;
    }
}

fn random_ue(rng: &mut Rng, pool: &V2xPool) -> Ue {
    let len = 1 + rng.below(pool.num as u64) as usize;
    let place = |rng: &mut Rng| rng.below((pool.num - len) as u64 + 1) as usize;
    let (first, second) = (place(rng), place(rng));
    let gap = if rng.below(2) == 0 { 0 } else { 1 + rng.below(15) };
    let prbs = pool.data(first, len).unwrap();
    let mcs = loop {
        let mcs = rng.below(17) as u8;
        let (m, size) = grant(mcs, prbs).size(SidelinkMode::V2x).unwrap();
        if ((size + 24) as f64) < 0.55 * (prbs.subcarriers() * 9 * m.bits()) as f64 {
            break mcs;
        }
    };
    Ue {
        pool: pool.clone(),
        from: rng.below(100),
        interval: [20, 50, 100][rng.below(3) as usize],
        first: [first, if gap == 0 { first } else { second }],
        len,
        gap,
        mcs,
        cfo: 600.0 * (rng.uniform() - 0.5),
        payload: None,
        control_only: false,
        has_ones: false,
    }
}

fn is_determined(learnt: &Learnt<V2xPool>) -> bool {
    let matters = |o: &&Open| matches!(o.part, Part::Size | Part::Num | Part::Start);
    !learnt.evidence.open.iter().any(|o| matters(&o))
}

/// Whether all places are the same in both: one sub-channel with its PSCCH right below may count as adjacent or not.
fn same_on_air(a: &V2xPool, b: &V2xPool) -> bool {
    a.num == b.num
        && (0..a.num).all(|m| {
            a.control(m) == b.control(m) && (1..=a.num - m).all(|len| a.data(m, len) == b.data(m, len))
        })
}

/// Numbers of random pools that are learnt, wrong, and open; and of received and sent blocks.
#[derive(Debug, Default)]
struct Tally {
    pools: usize,
    right: usize,
    open: usize,
    wrong: usize,
    sent: usize,
    heard: usize,
    invented: usize,
    doubled: usize,
    /// Entries for each pool that was not learnt, or not received completely.
    log: Vec<String>,
}

fn random_pools(seeds: std::ops::Range<u64>, bandwidths: &[Bandwidth], subframes: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut rng = Rng::new(seed);
        let bandwidth = bandwidths[seed as usize % bandwidths.len()];
        let pool = random_pool(&mut rng, bandwidth.prbs());
        let ues: Vec<_> = (0..3).map(|_| random_ue(&mut rng, &pool)).collect();
        let mut receiver = blind(bandwidth);
        let heard = run(&mut receiver, &mut Air::new(bandwidth, 25.0, seed), &ues, 0..subframes);
        let learnt = receiver.learnt_v2x();
        tally.pools += 1;
        tally.sent += heard.sent.len();
        tally.heard += heard.delivered();
        tally.invented += heard.invented();
        tally.doubled += heard.doubled();
        let determined: Vec<_> = learnt.iter().filter(|l| is_determined(l)).collect();
        let wrong = determined.iter().any(|l| !same_on_air(&l.pool, &pool));
        let right = determined.iter().any(|l| same_on_air(&l.pool, &pool));
        tally.wrong += usize::from(wrong);
        tally.right += usize::from(right);
        tally.open += usize::from(!right && !learnt.is_empty());
        if wrong || !right || heard.delivered() != heard.sent.len() {
            let shape = |p: &V2xPool| (p.size, p.num, p.start, p.adjacent, p.control_start);
            let short = |u: &Ue| (u.first, u.len, u.gap, u.mcs, u.interval);
            tally.log.push(format!(
                "seed {seed} {bandwidth}: {:?}; UEs {:?}; {}/{} blocks, {}/{} SCI; {:?} {:?}",
                shape(&pool),
                ues.iter().map(short).collect::<Vec<_>>(),
                heard.delivered(),
                heard.sent.len(),
                heard.scis,
                heard.scis_sent,
                learnt.iter().map(|l| (shape(&l.pool), &l.evidence)).collect::<Vec<_>>(),
                heard.undelivered,
            ));
        }
    }
    tally
}

#[test]
fn fields_are_those_of_the_format() {
    let mut rng = Rng::new(1);
    for num in NUM {
        let bits: [u8; 32] = std::array::from_fn(|_| rng.below(2) as u8);
        let word = bits.iter().fold(0u32, |w, &b| w << 1 | u32::from(b));
        let (sci, fields) =
            (Format1::parse(num, &bits).unwrap(), Fields::of(word, crate::sci::riv_bits(num)));
        assert_eq!(fields.riv, sci.frequency_resource as usize);
        assert_eq!((fields.time_gap, fields.mcs), (sci.time_gap, sci.mcs));
        assert_eq!(fields.retransmission, sci.retransmission);
        assert_eq!(fields.transmission_format, sci.transmission_format);
        assert_eq!(fields.reserved, u32::from(sci.reserved));
    }
}

#[test]
fn random_pools_are_learnt() {
    let tally = random_pools(0..8, &[Bandwidth::Prb6, Bandwidth::Prb25, Bandwidth::Prb50], 250);
    assert!(tally.right >= 7 && tally.wrong == 0, "{tally:#?}");
    assert_eq!((tally.invented, tally.doubled), (0, 0), "{tally:#?}");
    assert!(tally.heard * 100 >= tally.sent * 99, "{tally:#?}");
}

/// A pool that does not begin at PRB 0. At the place of a wrong guess for PSSCH there was no signal, which decodes to
/// zeros.
#[test]
fn a_block_of_zeros_decides_nothing() {
    let pool = V2xPool { start: 5, ..V2xPool::simple(4, 10) };
    let a = Ue { cfo: 300.0, ..Ue::new(&pool, 0, 1) };
    let b = Ue { from: 7, interval: 50, first: [9, 0], gap: 3, mcs: 6, cfo: 0.0, ..a.clone() };
    let mut receiver = blind(Bandwidth::Prb50);
    let heard = run(&mut receiver, &mut Air::new(Bandwidth::Prb50, 25.0, 3), &[a, b], 0..200);
    assert_eq!((heard.invented(), heard.doubled()), (0, 0), "{heard:?}");
    assert_eq!(heard.delivered(), heard.sent.len(), "{heard:?}");
    let learnt = receiver.learnt_v2x();
    assert_eq!(learnt.iter().map(|l| &l.pool).collect::<Vec<_>>(), [&pool]);
    assert!(is_determined(&learnt[0]), "{learnt:?}");
}

#[test]
fn a_pool_is_believed_after_three_blocks() {
    let pool = V2xPool { start: 2, ..V2xPool::simple(5, 4) };
    let ue = Ue::new(&pool, 1, 2);
    let mut receiver = blind(Bandwidth::Prb25);
    let mut air = Air::new(Bandwidth::Prb25, 20.0, 6);
    let heard = run(&mut receiver, &mut air, std::slice::from_ref(&ue), 0..40);
    assert_eq!((heard.delivered(), receiver.learnt_v2x().len()), (2, 0));
    run(&mut receiver, &mut air, &[ue], 40..60);
    assert_eq!(receiver.learnt_v2x().len(), 1);
}

/// A block that is sent once names its own sub-channel, one that is sent twice that of the other: either gives the
/// place of sub-channel 0.
#[test]
// TS 36.213 §14.1.1.4C (3)
fn both_single_and_double_transmissions_tell_where_a_pool_begins() {
    let pool = V2xPool { start: 8, ..V2xPool::simple(5, 5) };
    let once = [Ue::new(&pool, 1, 1), Ue { from: 9, ..Ue::new(&pool, 3, 1) }];
    let twice = [Ue { first: [1, 3], gap: 4, ..Ue::new(&pool, 1, 1) }];
    for ues in [&once[..], &twice[..]] {
        let mut receiver = blind(Bandwidth::Prb50);
        run(&mut receiver, &mut Air::new(Bandwidth::Prb50, 20.0, 6), ues, 0..120);
        let learnt = receiver.learnt_v2x();
        assert_eq!(learnt.len(), 1);
        assert!(learnt[0].pool == pool && is_determined(&learnt[0]), "{learnt:?}");
    }
}

/// Constant octets are a block when they were sent, and no evidence of a pool.
#[test]
fn zeros_that_were_sent_are_a_block_but_no_evidence() {
    let pool = V2xPool::simple(5, 5);
    let ue = Ue { payload: Some(0), ..Ue::new(&pool, 2, 1) };
    let mut receiver = blind(Bandwidth::Prb25);
    let heard = run(&mut receiver, &mut Air::new(Bandwidth::Prb25, 10.0, 3), &[ue], 0..200);
    assert_eq!(heard.blocks.len(), heard.sent.len(), "{heard:?}");
    assert!(receiver.learnt_v2x().is_empty());
}

#[test]
fn silence_is_no_block() {
    let pool = V2xPool::simple(5, 5);
    for mcs in [0, 5, 12, 25] {
        let ue = Ue { mcs, interval: 2, control_only: true, ..Ue::new(&pool, 2, 1) };
        for mut receiver in [told(Bandwidth::Prb25, &pool), blind(Bandwidth::Prb25)] {
            let heard = run(
                &mut receiver,
                &mut Air::new(Bandwidth::Prb25, 25.0, 3),
                std::slice::from_ref(&ue),
                0..200,
            );
            assert_eq!(heard.blocks, [], "MCS {mcs}");
            assert_eq!(heard.undelivered.len(), heard.scis, "MCS {mcs}");
            assert!(receiver.learnt_v2x().is_empty());
        }
    }
}

#[test]
fn every_sci_without_its_block_has_a_reason() {
    let pool = V2xPool::simple(5, 5);
    let reasons = |ue: Ue, snr: f64| {
        let mut receiver = told(Bandwidth::Prb25, &pool);
        let heard = run(&mut receiver, &mut Air::new(Bandwidth::Prb25, snr, 3), &[ue], 0..100);
        assert!(heard.scis > 0);
        let mut reasons = heard.undelivered;
        reasons.dedup();
        reasons
    };
    let ue = Ue::new(&pool, 1, 1);
    assert_eq!(reasons(ue.clone(), 20.0), []);
    // MCS 28 on 3 PRB: 2216 bits, of which 16QAM sends 1296
    assert_eq!(reasons(Ue { mcs: 28, ..ue.clone() }, 30.0), [Undelivered::CodeRate]);
    assert_eq!(reasons(Ue { mcs: 30, control_only: true, ..ue.clone() }, 20.0), [Undelivered::ReservedMcs]);
    assert_eq!(reasons(Ue { mcs: 12, ..ue.clone() }, 1.0), [Undelivered::TooNoisy]);
    let twice = reasons(Ue { mcs: 12, gap: 4, interval: 50, ..ue.clone() }, -1.0);
    assert_eq!(twice[..2], [Undelivered::AwaitsRetransmission, Undelivered::TooNoisy]);
    let mut receiver = blind(Bandwidth::Prb25);
    let silent = Ue { control_only: true, ..ue };
    let heard = run(&mut receiver, &mut Air::new(Bandwidth::Prb25, 20.0, 3), &[silent], 0..100);
    assert!(heard.undelivered.iter().all(|&u| u == Undelivered::PoolUnknown), "{heard:?}");
}

#[test]
// TS 36.212 §5.4.3.1.2 (3)
fn a_transmission_format_that_is_a_reserved_bit_is_not_obeyed() {
    let pool = V2xPool::simple(5, 5);
    let ue = Ue { has_ones: true, ..Ue::new(&pool, 1, 2) };
    let mut receiver = told(Bandwidth::Prb25, &pool);
    let heard =
        run(&mut receiver, &mut Air::new(Bandwidth::Prb25, 20.0, 3), std::slice::from_ref(&ue), 0..200);
    assert_eq!((heard.delivered(), heard.invented(), heard.doubled()), (heard.sent.len(), 0, 0), "{heard:?}");
    // what one transmission is too weak for is combined, once it is known how the bit is meant
    let twice = Ue { mcs: 12, gap: 4, interval: 50, ..ue.clone() };
    let mut air = Air::new(Bandwidth::Prb25, 5.5, 3);
    let plain = Ue { has_ones: false, ..twice.clone() };
    let want = run(&mut told(Bandwidth::Prb25, &pool), &mut air, &[plain], 0..1000);
    let mut air = Air::new(Bandwidth::Prb25, 5.5, 3);
    let heard = run(&mut receiver, &mut air, &[twice], 0..1000);
    assert!(want.delivered() > 15, "{}", want.delivered());
    assert!(heard.delivered() + 2 >= want.delivered(), "{} of {}", heard.delivered(), want.delivered());
    assert_eq!(heard.doubled(), 0);
}

#[test]
fn two_pools_of_a_carrier_are_told_apart() {
    let low = V2xPool { start: 1, ..V2xPool::simple(5, 5) };
    let high = V2xPool { start: 26, adjacent: false, control_start: 44, ..V2xPool::simple(6, 3) };
    let ues = [
        Ue::new(&low, 0, 2),
        Ue { from: 8, first: [3, 1], gap: 5, ..Ue::new(&low, 3, 1) },
        Ue { from: 4, mcs: 3, ..Ue::new(&high, 0, 1) },
        Ue { from: 13, mcs: 7, ..Ue::new(&high, 1, 2) },
    ];
    let mut receiver = blind(Bandwidth::Prb50);
    let heard = run(&mut receiver, &mut Air::new(Bandwidth::Prb50, 25.0, 4), &ues, 0..300);
    let mut learnt: Vec<_> = receiver.learnt_v2x().into_iter().map(|l| l.pool).collect();
    learnt.sort_by_key(|p| p.start);
    assert_eq!(learnt, [low, high]);
    assert_eq!((heard.invented(), heard.doubled()), (0, 0));
    assert_eq!(heard.delivered(), heard.sent.len(), "{:?}", heard.undelivered);
}

/// Several pools can be configured too; two of them may share places.
#[test]
// TS 36.213 §14.1.1 (5); TS 36.213 §14.2.2 (2)
fn several_pools_can_be_told() {
    let pools =
        [V2xPool::simple(5, 5), V2xPool::simple(10, 3), V2xPool { start: 40, ..V2xPool::simple(5, 2) }];
    let numerology = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
    let config = Config::new(numerology, TransmissionMode::Tm4);
    let (first, others) = (Some(pools[0].clone()), pools[1..].to_vec());
    let mut receiver = Receiver::new(Config { v2x: first, v2x_also: others, ..config });
    let ues: Vec<_> =
        pools.iter().zip([3, 4, 5]).map(|(pool, from)| Ue { from, ..Ue::new(pool, 1, 1) }).collect();
    let heard = run(&mut receiver, &mut Air::new(Bandwidth::Prb50, 20.0, 4), &ues, 0..100);
    assert_eq!((heard.scis, heard.scis_sent), (15, 15));
    assert_eq!((heard.delivered(), heard.invented(), heard.doubled()), (15, 0, 0), "{:?}", heard.undelivered);
}

#[test]
fn a_pool_that_blocks_contradict_is_given_up() {
    let (before, after) = (V2xPool::simple(5, 3), V2xPool::simple(8, 5));
    let ues = |pool: &V2xPool| [Ue::new(pool, 0, 1), Ue { from: 8, ..Ue::new(pool, 2, 1) }];
    let mut receiver = blind(Bandwidth::Prb50);
    let mut air = Air::new(Bandwidth::Prb50, 25.0, 4);
    let first = run(&mut receiver, &mut air, &ues(&before), 0..150);
    assert_eq!(first.delivered(), first.sent.len());
    assert_eq!(receiver.learnt_v2x().iter().map(|l| &l.pool).collect::<Vec<_>>(), [&before]);
    let second = run(&mut receiver, &mut air, &ues(&after), 150..600);
    assert_eq!(receiver.learnt_v2x().iter().map(|l| &l.pool).collect::<Vec<_>>(), [&after]);
    // channels beyond the accepted pool are searched in every seventh subframe only
    assert!(
        second.delivered() * 10 >= second.sent.len() * 9,
        "{} of {}",
        second.delivered(),
        second.sent.len()
    );
}

#[test]
#[ignore = "long: 80 random pools of every bandwidth, a minute"]
fn eighty_random_pools_are_learnt() {
    let tally = random_pools(0..80, &Bandwidth::ALL, 600);
    assert!(tally.right >= 72 && tally.wrong == 0, "{tally:#?}");
    assert_eq!((tally.invented, tally.doubled), (0, 0), "{tally:#?}");
    assert!(tally.heard * 100 >= tally.sent * 99, "{tally:#?}");
}
