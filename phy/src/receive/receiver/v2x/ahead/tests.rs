use super::super::tests::{Air, Heard, Ue};
use super::*;
use crate::channel::pssch::Process;
use crate::channel::pssch::{Decoder, max_transport_block};
use crate::impair::rng::Rng;
use crate::pool::V2xPool;
use crate::receive::receiver::{Receiver, Threads};
use crate::units::{Antennas, Bandwidth, PrbRange, TransmissionMode};

fn config(threads: Threads) -> Config {
    let numerology = Numerology::standard(Bandwidth::Prb50, CyclicPrefix::Normal);
    let pool = V2xPool::simple(5, 10);
    Config { v2x: Some(pool), threads, ..Config::new(numerology, TransmissionMode::Tm4) }
}

/// Ten UEs at once, QPSK and 16QAM, on the common carrier and beside it, with and without retransmissions, at a ratio at
/// which some blocks fail: every event is the same with one thread and with two, pools told and learnt.
#[test]
fn a_second_thread_changes_no_event() {
    let pool = V2xPool::simple(5, 10);
    let ues: Vec<Ue> = (0..10)
        .map(|i| {
            let mut ue = Ue::new(&pool, i, 1);
            ue.mcs = [3, 5, 11, 12][i % 4];
            ue.cfo = 90.0 * (i as f64 - 4.5);
            ue.gap = if i % 3 == 0 { 4 } else { 0 };
            ue
        })
        .collect();
    for told in [true, false] {
        let events = |threads| {
            let config = config(threads);
            let v2x = config.v2x.clone().filter(|_| told);
            let mut receiver = Receiver::new(Config { v2x, ..config });
            let mut air = Air::new(Bandwidth::Prb50, 8.0, 5);
            let (mut events, mut blocks) = (Vec::new(), 0);
            for k in 0..70 {
                let samples = air.subframe(k, &ues, &mut Heard::default());
                receiver.process(k, &samples, &mut |event| {
                    blocks += usize::from(matches!(event, crate::receive::receiver::Event::SlSch(_)));
                    events.push(format!("{event:?}"));
                });
            }
            (events, blocks)
        };
        let (one, blocks) = events(Threads::One);
        assert!(blocks > 15 && blocks < one.len() - blocks, "{blocks} blocks in {} events", one.len());
        assert_eq!(events(Threads::Two).0, one);
    }
}

/// Each block is claimed by one of both; what the second thread makes is what the receiver would have made.
#[test]
fn blocks_made_ahead_are_those_of_the_receiver() {
    let config = config(Threads::Two);
    let references = Arc::new(References::new(50));
    let mut ahead = Ahead::start(&config, &references).unwrap();
    let mut rng = Rng::new(3);
    let mut own = Decoder::new(config.numerology, config.mode, references, Antennas::ONE);
    for round in 0..50 {
        let mut grid = Grid::new(config.numerology);
        for l in 0..grid.symbols() {
            grid.symbol_mut(l).fill_with(|| rng.complex_gaussian());
        }
        let grids = Arc::new(vec![grid]);
        let ask = |i: usize| Ask {
            grant: Grant {
                prbs: PrbRange { start: 5 * i, len: 5 },
                mcs: 12,
                rv: 0,
                n_id: 100 + i as u16,
                n_ssf: 3,
                transmission_format: false,
            },
            near: Hertz(0.0),
            turned: None,
        };
        let asks: Vec<Ask> = (0..10).map(ask).collect();
        ahead.begin(&grids, &asks);
        let mut made = 0;
        for ask in &asks {
            if let Some(got) = ahead.take(ask) {
                made += 1;
                let (_, bits) = ask.grant.size(SidelinkMode::V2x).unwrap();
                let mut blocks = [Process::new(50), Process::new(50)];
                blocks.iter_mut().for_each(|process| process.start(bits).unwrap());
                let [theirs, ours] = &mut blocks;
                let received = own.add(&got.soft, theirs).unwrap();
                assert_eq!(own.receive(&grids, &ask.grant, ask.near, ours).unwrap(), received);
                let mut block = vec![0; max_transport_block(50) / 8];
                let block = &mut block[..bits / 8];
                let decode = own.decode(theirs, block).is_some();
                assert_eq!(own.decode(ours, block).is_some(), decode);
                assert_eq!(own.agreement(theirs).to_bits(), own.agreement(ours).to_bits());
            } else {
                // the receiver's from now on
                assert!(ahead.take(ask).is_none());
                std::thread::yield_now();
            }
        }
        assert!(ahead.take(&Ask { near: Hertz(1.0), ..asks[0] }).is_none(), "another question");
        ahead.end();
        assert_eq!(Arc::strong_count(&grids), 1, "round {round}, {made} made");
        assert!(ahead.take(&asks[9]).is_none(), "of an ended subframe");
    }
}

/// Blocks that are not possible are nobody's loss, and the thread ends with its owner.
#[test]
fn impossible_blocks_are_left_to_the_receiver() {
    let config = config(Threads::Two);
    let mut ahead = Ahead::start(&config, &Arc::new(References::new(50))).unwrap();
    let grids = Arc::new(vec![Grid::new(config.numerology)]);
    let grant = |len| Grant {
        prbs: PrbRange { start: 0, len },
        mcs: 5,
        rv: 0,
        n_id: 1,
        n_ssf: 0,
        transmission_format: false,
    };
    let ask = |len| Ask { grant: grant(len), near: Hertz(0.0), turned: None };
    let asks = [ask(7), ask(11), ask(13)];
    for _ in 0..20 {
        ahead.begin(&grids, &asks);
        assert!(asks.iter().all(|ask| ahead.take(ask).is_none()));
        ahead.end();
    }
    let shared = Arc::downgrade(&ahead.shared);
    drop(ahead);
    assert!(shared.upgrade().is_none());
}
