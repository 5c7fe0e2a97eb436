use super::*;

fn bits(s: &str) -> Vec<bool> {
    s.bytes().map(|b| b == b'1').collect()
}

#[test]
// TS 36.211 §9.5.6 (4); TS 36.213 §14.1.3 (3); TS 36.213 §14.2.3 (4); TS 36.213 §14.3.3 (3)
fn pool_prbs_are_a_union() {
    let p = PoolPrbs { start: 2, end: 22, num: 10 };
    let list = p.list(25);
    assert_eq!(list.len(), 20);
    assert_eq!((list[0], list[9], list[10], list[19]), (2, 11, 13, 22));
    // overlapping halves: every PRB once
    assert_eq!(PoolPrbs { start: 0, end: 24, num: 20 }.list(25).len(), 25);
}

#[test]
// TS 36.211 §9.5.6 (2); TS 36.213 §14.3.1 (1); TS 36.213 §14.3.1 type 1 (1); TS 36.213 §14.3.1 type 1 (2)
// TS 36.213 §14.3.3 (2)
fn discovery_type_1_of_a_reference_waveform() {
    let pool = DiscoveryPool {
        period: 40,
        offset: 0,
        bitmap: bits("0111111110000000000000000000000000000000"),
        repetitions: 1,
        transmissions: 4,
        prbs: PoolPrbs { start: 2, end: 22, num: 10 },
    };
    assert_eq!((pool.n_t(), pool.n_f(25)), (2, 10));
    let r = |s, start| (s, PrbRange { start, len: 2 });
    assert_eq!(pool.type1(25, 0).unwrap(), [r(1, 2), r(2, 6), r(3, 10), r(4, 15)]);
    assert_eq!(pool.type1(25, 5).unwrap(), [r(5, 6), r(6, 10), r(7, 15), r(8, 19)]);
    assert_eq!(pool.type1(25, 18).unwrap(), [r(1, 21), r(2, 4), r(3, 8), r(4, 13)]);
    assert_eq!(pool.type1(25, 20), None);
}

#[test]
// TS 36.213 §14.1.1 (2); TS 36.213 §14.1.1.1; TS 36.213 §14.1.4; TS 36.213 §14.2.1.1 (1); TS 36.213 §14.2.1.1 (2)
// TS 36.213 §14.2.3 (3)
fn control_resources_hit_every_place_once_or_are_apart() {
    let pool = CommunicationPool {
        period: 40,
        offset: 0,
        control_bitmap: bits("0111100000000000000000000000000000000000"),
        control_prbs: PoolPrbs { start: 2, end: 22, num: 10 },
        data: PsschSubframes::AfterControl,
        data_prbs: PoolPrbs { start: 2, end: 22, num: 10 },
        trp_set: TrpSet::Eight,
        hopping: HoppingConfig::default(),
    };
    assert_eq!(pool.control_resource(25, 0), Some([(1, 2), (2, 13)]));
    assert_eq!(pool.control_resource(25, 21), Some([(2, 7), (1, 18)]));
    let mut seen = std::collections::HashSet::new();
    for n in 0..pool.control_resources(25) {
        let [a, b] = pool.control_resource(25, n).unwrap();
        assert!(a.0 != b.0, "both transmissions in one subframe");
        assert!(seen.insert(a) && seen.insert(b));
    }
    assert_eq!(pool.data_subframes(), (5..40).collect::<Vec<_>>());
    // I_TRP 3 is b'_3 alone: pool indices 3, 11, 19, 27 of the 35
    assert_eq!(pool.pattern_subframes(3), [(8, 3), (16, 11), (24, 19), (32, 27)]);
}

#[test]
// TS 36.211 §9.2.4 (2); TS 36.211 §9.2.4 (3); TS 36.213 §14.1.5 (1); TS 36.213 §14.1.5 (3)
fn v2x_subframes_leave_out_sync_and_reserved() {
    let pool = V2xPool { sync_offsets: vec![0], bitmap: vec![true; 20], ..V2xPool::simple(5, 5) };
    let table = pool.subframe_indices();
    assert_eq!((table[0], table[1], table[2]), (None, None, Some(0)));
    assert_eq!((table[160], table[641]), (None, None));
    assert_eq!(table.iter().flatten().count(), 10240 - 64 - (10240 - 64) % 20);
    // 64 subframes an offset, each once, and the reserved ones of what is left: 10112 mod 20 = 12
    let pool = V2xPool { sync_offsets: vec![0, 83, 160], ..pool };
    let table = pool.subframe_indices();
    assert_eq!((table[0], table[83], table[243]), (None, None, None));
    assert_eq!(table.iter().flatten().count(), 10240 - 128 - 12);
}

#[test]
// TS 36.213 §14.1.1.4C (6); TS 36.213 §14.1.5 (5); TS 36.213 §14.2.4 (1); TS 36.213 §14.2.4 (2)
fn v2x_prbs() {
    let pool = V2xPool::simple(10, 5);
    assert_eq!(pool.data(0, 5), Some(PrbRange { start: 2, len: 48 }));
    assert_eq!(pool.data(2, 2), Some(PrbRange { start: 22, len: 18 }));
    assert_eq!(pool.control_index(20), Some(2));
    assert!(V2xPool::simple(10, 6).check(50).is_err());
    let apart = V2xPool { adjacent: false, start: 10, control_start: 0, ..V2xPool::simple(8, 5) };
    assert_eq!(apart.data(1, 2), Some(PrbRange { start: 18, len: 16 }));
    assert_eq!(apart.control(3), PrbRange { start: 6, len: 2 });
}

#[test]
fn hopping_stays_in_the_band_and_returns() {
    for (carrier, bits) in [(25, 0..2u8), (50, 0..4)] {
        for b in bits {
            for subbands in [1, 2, 4] {
                let config = HoppingConfig { parameter: 77, subbands, rb_offset: 2 };
                let first = PrbRange { start: 3, len: 2 };
                let field = Hopping::assignment(carrier, b, first).unwrap();
                let hop = Hopping::new(field, carrier, HoppingSpan::Carrier, config).unwrap();
                let all: Vec<_> = (0..10).filter_map(|n| hop.prbs(n)).collect();
                assert!(!all.is_empty());
                assert!(all.iter().all(|p| p.end() <= carrier && p.len == 2));
                assert!(all.iter().any(|p| *p != all[0]), "carrier {carrier} bits {b} never hops");
            }
        }
    }
}

#[test]
// TS 36.213 §14.1.1.1.1 table 1
fn time_resource_patterns_follow_their_rule() {
    // sorted by weight 1, 2, 4, 8, inside a weight by value with b'_0 the lowest bit
    let mut want: Vec<u8> = (1..=255).filter(|v: &u8| [1, 2, 4, 8].contains(&v.count_ones())).collect();
    want.sort_by_key(|v| (v.count_ones(), *v));
    let got: Vec<u8> = (0..107).map(|i| time_resource_pattern(TrpSet::Eight, i).unwrap()).collect();
    assert_eq!(got, want);
    assert_eq!(time_resource_pattern(TrpSet::Eight, 107), None);
}

#[test]
// TS 36.211 §9.3.6 (12); TS 36.213 §14.1.1.4 (2); TS 36.213 §14.1.1.4 (3)
fn hopping_of_mode_2_counts_the_pool() {
    // m_0 .. m_15 are PRBs 5 to 12 and 15 to 22: 13 and 14 are not in the pool
    let pool = PoolPrbs { start: 5, end: 22, num: 8 };
    let hop = |bits, start, len, span| {
        let field = Hopping::assignment(25, bits, PrbRange { start, len }).unwrap();
        Hopping::new(field, 25, span, HoppingConfig::default())
    };
    let range = |start, len| Some(PrbRange { start, len });
    // type 1: 2 in odd subframes, half of 16 further in even ones
    let one = hop(0, 2, 2, HoppingSpan::Pool(pool)).unwrap();
    assert_eq!((one.prbs(1), one.prbs(0)), (range(7, 2), range(17, 2)));
    // type 2 with one subband is mirrored in odd ones: 2, 3 become 13, 12
    let two = hop(1, 2, 2, HoppingSpan::Pool(pool)).unwrap();
    assert_eq!((two.prbs(0), two.prbs(1)), (range(7, 2), range(19, 2)));
    // across the gap nothing can be sent; beyond the pool there is nothing
    let across = hop(0, 7, 2, HoppingSpan::Pool(pool)).unwrap();
    assert_eq!((across.prbs(1), across.width()), (None, 2));
    assert_eq!(hop(0, 15, 2, HoppingSpan::Pool(pool)), None);
    // mode 1 counts the carrier: half of 24 further
    let carrier = hop(0, 2, 2, HoppingSpan::Carrier).unwrap();
    assert_eq!((carrier.prbs(1), carrier.prbs(0)), (range(2, 2), range(14, 2)));
}

#[test]
// TS 36.213 §14.1.1.2.1 (3); TS 36.213 §14.1.1.2.2 (4)
fn what_hops_is_as_narrow_as_the_clause_wants() {
    let new = |bits, len, subbands| {
        let field = Hopping::assignment(25, bits, PrbRange { start: 0, len }).unwrap();
        let config = HoppingConfig { parameter: 7, subbands, rb_offset: 0 };
        Hopping::new(field, 25, HoppingSpan::Carrier, config)
    };
    // floor(2^8 / 25) = 10; a quarter of 25 is 6
    assert_eq!((new(0, 10, 1).unwrap().widest(), new(0, 11, 1)), (10, None));
    assert_eq!((new(1, 6, 4).unwrap().widest(), new(1, 8, 4)), (6, None));
    // a block below the first subband is taken modulo
    let field = Hopping::assignment(25, 1, PrbRange { start: 0, len: 1 }).unwrap();
    let config = HoppingConfig { parameter: 7, subbands: 2, rb_offset: 4 };
    let below = Hopping::new(field, 25, HoppingSpan::Carrier, config).unwrap();
    assert!((0..10).all(|n| below.prbs(n).is_some()));
}

#[test]
// TS 36.211 §9.5.6 (5); TS 36.213 §14.2.3 (2); TS 36.213 §14.3.3 (1)
fn the_last_period_goes_on_over_the_turn() {
    let at = |offset, period, s| into_period(offset, period, s);
    assert_eq!((at(5, 40, 5), at(5, 40, 44), at(5, 40, 45)), (Some(0), Some(39), Some(0)));
    assert_eq!((at(5, 40, 10_239), at(5, 40, 0), at(5, 40, 4)), (Some(34), Some(35), Some(39)));
    assert_eq!((at(5, 320, 10_239), at(5, 320, 4)), (Some(314), Some(319)));
    // 60 does not divide 10240: the period from 10200 on is cut short by the first of the next cycle
    assert_eq!((at(0, 60, 10_239), at(0, 60, 0), at(0, 60, 5)), (Some(39), Some(0), Some(5)));
    assert_eq!((at(10, 60, 10_239), at(10, 60, 9), at(10, 60, 10)), (Some(29), Some(39), Some(0)));
    // before a first period that begins late, and after the last one has ended, there is none
    assert_eq!((at(100, 40, 19), at(100, 40, 20), at(100, 40, 99)), (Some(39), None, None));
    assert_eq!((at(10_200, 10_240, 0), at(10_200, 10_240, 10_199)), (Some(40), Some(10_239)));
}
