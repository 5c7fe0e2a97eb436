use super::*;

/// Returns a small deterministic generator (SplitMix64).
pub(crate) fn entropy(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// Counts drawn values and checks that none is more than five deviations off.
fn check_uniform(counts: &[u32]) {
    let total: u32 = counts.iter().sum();
    let mean = f64::from(total) / counts.len() as f64;
    for (value, &count) in counts.iter().enumerate() {
        assert!((f64::from(count) - mean).abs() < 5.0 * mean.sqrt(), "{value}: {count} of mean {mean}");
    }
}

#[test]
fn uniform_is_uniform() {
    let mut entropy = entropy(1);
    for n in [1, 2, 3, 7, 176] {
        let mut counts = vec![0; n as usize];
        (0..n * 2000).for_each(|_| counts[uniform(&mut entropy, n) as usize] += 1);
        check_uniform(&counts);
    }
    // The draw that would favour small results is refused: 2^32 mod 3 = 1, therefore the product 0 is drawn again.
    let mut draws = [0u64, 0xffff_ffff << 32].into_iter();
    assert_eq!(uniform(&mut || draws.next().unwrap(), 3), 2);
    assert_eq!(uniform(&mut || 5, 0), 0);
}

#[test]
// TS 36.212 §5.4.2 with TS 36.321 §5.14.1.2.2; TS 36.300 §23.10.2.1 (1)
fn redundancy_versions_of_each_channel() {
    assert_eq!(Repetitions::sl_sch().collect::<Vec<_>>(), [0, 2, 3, 1]);
    assert_eq!(Repetitions::v2x(false).collect::<Vec<_>>(), [0]);
    assert_eq!(Repetitions::v2x(true).collect::<Vec<_>>(), [0, 2]);
    let sl_dch: Vec<usize> = (0..4).map(|n| Repetitions::sl_dch(n).unwrap().count()).collect();
    assert_eq!(sl_dch, [1, 2, 3, 4]);
    assert!(Repetitions::sl_dch(4).is_err());
}

#[test]
// TS 36.213 §14.1.1.1.1 table 2; TS 36.213 §14.1.1.1.1 table 3
fn pattern_weights_follow_the_tables() {
    let count =
        |length: TrpLength, weight| (0..=255).filter(|&i_trp| length.weight(i_trp) == Some(weight)).count();
    // Binomial coefficients: 8 over 1, 2, 4, 8; all non-empty patterns of 7 and of 6 bits.
    assert_eq!([1, 2, 4, 8].map(|k| count(TrpLength::Eight, k)), [8, 28, 70, 1]);
    assert_eq!([1, 2, 3, 4, 5, 6, 7].map(|k| count(TrpLength::Seven, k)), [7, 21, 35, 35, 21, 7, 1]);
    assert_eq!([1, 2, 3, 4, 5, 6].map(|k| count(TrpLength::Six, k)), [6, 15, 20, 15, 6, 1]);
    assert_eq!(TrpLength::Eight.weight(107), None);
    assert_eq!(TrpLength::Seven.weight(0), None);
}

#[test]
// TS 36.213 §14.1.1.3 (1); TS 36.213 §14.1.1.3 (2); TS 36.213 §14.1.1.4 (1); TS 36.213 §14.2.1.2
// TS 36.321 §5.14.1.1 (5)
fn mode_2_draws_each_choice_alike() {
    // Weights 1 and 4 of a pool of 6 PSCCH resources and 10 resource blocks.
    let pool = Mode2Pool::new(6, 10, TrpLength::Eight, 0b101, &[]).unwrap();
    let mut entropy = entropy(2);
    let (mut n_pscch, mut i_trp, mut first) = ([0; 6], [0; 107], [0; 8]);
    for _ in 0..50_000 {
        let grant = pool.draw(3, &mut entropy).unwrap();
        n_pscch[grant.n_pscch as usize] += 1;
        i_trp[usize::from(grant.i_trp)] += 1;
        first[grant.first_block as usize] += 1;
        assert_eq!(grant.blocks, 3);
    }
    check_uniform(&n_pscch);
    check_uniform(&first);
    assert_eq!(i_trp[8..36], [0; 28], "weight 2 is not in the subset");
    assert_eq!(i_trp[106], 0, "weight 8 is never used in mode 2");
    let allowed: Vec<u32> = i_trp[..8].iter().chain(&i_trp[36..106]).copied().collect();
    check_uniform(&allowed);
}

#[test]
fn mode_2_refuses_what_does_not_fit() {
    let pool = |resources, blocks, subset, priorities: &[u8]| {
        Mode2Pool::new(resources, blocks, TrpLength::Eight, subset, priorities)
    };
    assert!(pool(0, 10, 0b111, &[]).is_err());
    assert!(pool(1, 0, 0b111, &[]).is_err());
    assert!(pool(1, 10, 0b1000, &[]).is_err(), "weight 8 cannot be selected");
    assert!(pool(1, 10, 0b111, &[9]).is_err());
    assert!(pool(1, 10, 0b111, &[]).unwrap().draw(11, &mut entropy(0)).is_err());

    let pools =
        [pool(1, 10, 7, &[1, 2]).unwrap(), pool(1, 10, 7, &[3]).unwrap(), pool(1, 10, 7, &[2]).unwrap()];
    assert_eq!([1, 2, 3, 4].map(|priority| select_pool(&pools, priority)), [Some(0), Some(0), Some(1), None]);
}

#[test]
// TS 36.321 §5.15.1.1 (1); TS 36.321 §5.15.1.1 (3)
fn discovery_keeps_its_probability() {
    let mut entropy = entropy(3);
    for (probability, expected) in
        [(TxProbability::P25, 0.25), (TxProbability::P50, 0.5), (TxProbability::P75, 0.75)]
    {
        let pool = DiscoveryPool::new(8, probability).unwrap();
        let sent = (0..20_000).filter(|_| pool.draw(&mut entropy, |_| false).is_some()).count();
        assert!((sent as f64 / 20_000.0 - expected).abs() < 0.02, "{sent} of 20000, {expected} expected");
    }
    let pool = DiscoveryPool::new(8, TxProbability::P100).unwrap();
    let mut counts = [0; 8];
    for _ in 0..12_000 {
        let resource = pool.draw(&mut entropy, |resource| resource % 4 == 0).unwrap();
        counts[resource as usize] += 1;
    }
    assert_eq!((counts[0], counts[4]), (0, 0));
    let free: Vec<u32> = counts.iter().copied().filter(|&count| count > 0).collect();
    check_uniform(&free);
    assert_eq!(pool.draw(&mut entropy, |_| true), None);
    assert!(DiscoveryPool::new(0, TxProbability::P100).is_err());
}
