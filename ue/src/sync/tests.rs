use super::*;

fn config() -> SyncConfig {
    SyncConfig {
        period: 40,
        offsets: vec![3, 13],
        absolute: false,
        id: None,
        in_coverage: false,
        transmit: Transmit::Auto,
        tx_threshold: None,
        min_power: Decibel(-120.0),
        hysteresis: Decibel(3.0),
    }
}

fn candidate(id: u16, in_coverage: bool, offset: u32, power: f64, heard: u64) -> Candidate {
    let mib = mapping::mib_sl(
        sidelink_phy::units::Bandwidth::Prb25,
        sidelink_phy::units::SidelinkMode::D2d,
        sidelink_phy::units::DfnSubframe::from_count(heard),
        in_coverage,
    );
    let bits: Vec<u8> = mib.iter().flat_map(|o| (0..8).rev().map(move |b| o >> b & 1)).collect();
    Candidate {
        id: SlssId::new(id).unwrap(),
        mib: mapping::parse_mib_sl(&bits).unwrap(),
        offset,
        power: Decibel(power),
        heard,
    }
}

fn id(value: u16) -> SlssId {
    SlssId::new(value).unwrap()
}

#[test]
fn groups_come_before_power() {
    let mut sync = Sync::new(config(), 1);
    assert_eq!(sync.role(), Role::Searching);
    assert!(sync.heard(candidate(300, false, 3, -40.0, 3)));
    assert_eq!(sync.role(), Role::Following(id(300), 3));
    // A little stronger: within the hysteresis.
    assert!(!sync.heard(candidate(200, false, 13, -38.0, 13)));
    assert!(sync.heard(candidate(100, false, 13, -70.0, 13)), "an identity of a network");
    assert!(sync.heard(candidate(90, true, 3, -90.0, 43)), "in coverage");
    assert!(!sync.heard(candidate(300, false, 3, -10.0, 43)));
    assert_eq!(sync.role(), Role::Following(id(90), 3));
}

#[test]
// TS 36.213 §14.4 (1)
fn a_follower_sends_in_the_other_subframe_under_the_identity_that_the_clause_gives() {
    let sent = |c: Candidate| {
        let mut sync = Sync::new(config(), 1);
        sync.heard(c);
        (0..40)
            .filter_map(|t| sync.signal(t, 1).map(|s| (t, s.id.value(), s.in_coverage)))
            .collect::<Vec<_>>()
    };
    assert_eq!(sent(candidate(90, true, 3, -50.0, 3)), [(13, 90, false)]);
    assert_eq!(sent(candidate(90, false, 13, -50.0, 13)), [(3, 258, false)]);
    assert_eq!(sent(candidate(300, false, 3, -50.0, 3)), [(13, 300, false)]);
}

#[test]
fn a_follower_that_hears_well_is_silent_where_asked() {
    let mut sync = Sync::new(SyncConfig { tx_threshold: Some(Decibel(-60.0)), ..config() }, 1);
    sync.heard(candidate(90, true, 3, -50.0, 3));
    assert!((0..40).all(|t| sync.signal(t, 1).is_none()));
    for t in [43, 83, 123, 163, 203] {
        sync.heard(candidate(90, true, 3, -80.0, t));
    }
    assert!(sync.signal(213, 1).is_some());
}

#[test]
fn who_loses_its_reference_becomes_one() {
    let mut sync = Sync::new(config(), 1);
    sync.heard(candidate(300, false, 3, -40.0, 3));
    assert!(!sync.tick(403, 7));
    assert!(sync.tick(404, 7));
    assert_eq!(sync.role(), Role::Reference);
    let sent: Vec<_> = (404..444).filter_map(|t| sync.signal(t, 1)).collect();
    assert_eq!(sent, [Signal { id: id(177), in_coverage: false }]);
    // In some of its subframes it receives.
    let silent = (0..8).filter(|&air_rng| (404..444).all(|t| sync.signal(t, air_rng).is_none())).count();
    assert_eq!(silent, 1);
}

#[test]
fn of_two_free_references_the_lower_identity_wins() {
    let mut low = Sync::new(config(), 0);
    let mut high = Sync::new(config(), 5);
    low.begin(0);
    high.begin(5);
    assert!(!low.heard(candidate(175, false, 3, -40.0, 3)));
    assert!(high.heard(candidate(170, false, 3, -40.0, 3)));
    // The follower's echo of our own identity is not followed.
    assert!(!low.heard(candidate(170, false, 13, -40.0, 13)));
    assert_eq!(low.role(), Role::Reference);
}

#[test]
fn absolute_time_follows_nobody() {
    let mut sync =
        Sync::new(SyncConfig { absolute: true, in_coverage: true, id: Some(id(7)), ..config() }, 9);
    assert!(!sync.heard(candidate(90, true, 3, -10.0, 3)));
    assert_eq!(sync.signal(43, 8), Some(Signal { id: id(7), in_coverage: true }));
    assert_eq!(sync.signal(53, 8), None);
    let mut never = config();
    never.transmit = Transmit::Never;
    let mut never = Sync::new(never, 1);
    never.begin(1);
    assert!((0..80).all(|t| never.signal(t, 1).is_none()));
}

/// A UE with a time looks at the offsets of its configuration, and at each subframe of the period within 8 periods; one
/// without a source, at every subframe.
#[test]
// As TS 36.331 §5.10.7
fn every_subframe_of_a_period_is_looked_at_in_time() {
    let mut sync = Sync::new(config(), 1);
    assert!((0..400).all(|t| sync.expects_signals(t)));
    sync.heard(candidate(300, false, 3, -40.0, 3));
    assert_eq!(sync.role(), Role::Following(id(300), 3));
    assert!((0..40_u64).all(|n| sync.expects_signals(40 * n + 3) && sync.expects_signals(40 * n + 13)));
    for phase in 0..40 {
        for start in 0..40 {
            let looked = (start..start + 8).any(|n| sync.expects_signals(40 * n + phase));
            assert!(looked, "subframe {phase} of the periods from {start}");
        }
    }
    // A reference whose offset is not configured here.
    assert!(!sync.expects_signals(40 + 27));
    sync.heard(candidate(90, true, 27, -40.0, 27));
    assert_eq!(sync.role(), Role::Following(id(90), 27));
    assert!((0..40_u64).all(|n| sync.expects_signals(40 * n + 27)));
    let all = (0..3200).filter(|&t| sync.expects_signals(t)).count();
    assert!(all < 3200 / 5, "{all}");
    sync.begin(9);
    assert!((0..400).all(|t| sync.expects_signals(t)), "a reference hears others at any time");
}

#[test]
fn a_reference_is_overdue_before_it_is_missed() {
    let mut sync = Sync::new(config(), 1);
    assert!(!sync.is_overdue(5000) && !sync.misses_reference(5000));
    sync.heard(candidate(300, false, 3, -40.0, 3));
    let first = |f: &dyn Fn(u64) -> bool| (3..400).find(|&t| f(t)).unwrap();
    let overdue = first(&|t| sync.is_overdue(t));
    let missed = first(&|t| sync.misses_reference(t));
    assert_eq!((overdue, missed), (45, 85));
}
