use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::grant::tests::entropy;

const NOW: u64 = 5000;

fn period(milliseconds: u16) -> Period {
    Period::from_milliseconds(milliseconds).unwrap()
}

fn request(length: u8) -> Request {
    Request { now: NOW, length, priority: 3, period: period(100), retransmit: false }
}

/// All subframes before the request heard, with this power.
fn sensed(config: Config, s_rssi: impl Fn(u64, usize) -> f32) -> Sensing {
    let subchannels = usize::from(config.subchannels);
    let mut sensing = Sensing::new(config).unwrap();
    for subframe in NOW - 1000..NOW {
        let row: Vec<Dbm> = (0..subchannels).map(|at| Dbm(s_rssi(subframe, at))).collect();
        sensing.record_subframe(subframe, Some(&row));
    }
    sensing
}

fn heard(subframe: u64, first: u8, length: u8, rsrp: f32) -> HeardSci {
    let period = Some(period(100));
    HeardSci { subframe, first, length, priority: 5, period, rsrp: Dbm(rsrp), other: None }
}

#[test]
fn quietest_fifth_is_kept() {
    // 97 subframes of 5 sub-channels; sub-channel 3 is quieter than the others.
    let mut sensing = sensed(Config::new(5, 10), |_, at| if at == 3 { -110.0 } else { -90.0 });
    let candidates = sensing.candidates(&request(1), 50, &mut entropy(1)).unwrap();
    assert_eq!((candidates.total, candidates.raised), (97 * 5, 0));
    assert_eq!(candidates.iter().len(), 97);
    assert!(candidates.iter().all(|resource| resource.first == 3));
}

#[test]
fn reserved_resource_is_left_alone() {
    let mut sensing = sensed(Config::new(5, 10), |_, _| -100.0);
    // Threshold 10 is -110 dBm. Heard 60 subframes ago, so the next one is 40 ahead.
    sensing.record_sci(heard(NOW - 60, 1, 2, -100.0));
    sensing.record_sci(heard(NOW - 50, 0, 5, -111.0));
    let config = sensing.config.clone();
    let mut window = Window::new(&config, &request(2), 50);
    assert!(sensing.exclude_reserved(&mut window, 0));
    let taken: Vec<(u64, u8)> = (0..97)
        .flat_map(|offset| (0..4).map(move |first| (NOW + 4 + offset, first)))
        .filter(|&(subframe, first)| window.free[(subframe - NOW - 4) as usize] >> first & 1 == 0)
        .collect();
    assert_eq!(taken, [0, 1, 2].map(|first| (NOW + 40, first)), "the weaker one is below the threshold");
}

#[test]
fn thresholds_rise_until_a_fifth_is_left() {
    let mut sensing = sensed(Config::new(1, 10), |_, _| -100.0);
    for subframe in NOW - 100..NOW {
        sensing.record_sci(heard(subframe, 0, 1, -101.0));
    }
    let candidates = sensing.candidates(&request(1), 50, &mut entropy(1)).unwrap();
    // -110, -107, -104, -101: not above the threshold any more.
    assert_eq!(candidates.raised, 3);
    assert_eq!(candidates.iter().len(), 97usize.div_ceil(5));
}

#[test]
fn nothing_left_is_an_error() {
    let mut deaf = Sensing::new(Config::new(3, 10)).unwrap();
    let error = deaf.candidates(&request(1), 50, &mut entropy(1)).unwrap_err();
    assert!(matches!(error, Error::NothingToChoose { .. }));
    // A threshold of minus infinity never rises.
    let mut full = sensed(Config::new(1, 0), |_, _| -100.0);
    for subframe in NOW - 100..NOW {
        full.record_sci(heard(subframe, 0, 1, -140.0));
    }
    assert_eq!(full.candidates(&request(1), 50, &mut entropy(1)).unwrap().iter().len(), 1, "the last one");
    full.record_sci(HeardSci { period: Some(period(200)), ..heard(NOW - 100, 0, 1, -140.0) });
    assert!(full.candidates(&request(1), 50, &mut entropy(1)).is_err());
    assert!(sensed(Config::new(1, 66), |_, _| 0.0).candidates(&request(2), 50, &mut entropy(1)).is_err());
}

#[test]
fn what_configuration_refuses() {
    let refused = |change: fn(&mut Config)| {
        let mut config = Config::new(5, 10);
        change(&mut config);
        assert!(Sensing::new(config).is_err());
    };
    refused(|config| config.subchannels = 21);
    refused(|config| config.window = (5, 100));
    refused(|config| config.window = (1, 19));
    refused(|config| config.bitmap = vec![false; 16]);
    refused(|config| config.bitmap.clear());
    refused(|config| config.thresholds[63] = 67);
    refused(|config| config.keep_fifths = 5);
    assert!(Period::from_milliseconds(30).is_err());
    let mut config = Config::new(5, 10);
    config.periods = vec![period(200)];
    assert!(Sensing::new(config).unwrap().candidates(&request(1), 50, &mut entropy(1)).is_err());
}

#[test]
fn periods_of_sci_format_1() {
    for field in 0..16 {
        assert_eq!(
            Period::from_sci(field).map_or(0, Period::sci),
            if (1..13).contains(&field) { field } else { 0 }
        );
    }
}

#[test]
fn reservation_lives_as_long_as_its_counter() {
    for (milliseconds, range) in [(100, 5..=15), (50, 10..=30), (20, 25..=75)] {
        let mut entropy = entropy(u64::from(milliseconds));
        let mut seen = BTreeSet::new();
        for _ in 0..600 {
            let mut sensing = sensed(Config::new(2, 66), |_, _| -100.0);
            let request = Request { period: period(milliseconds), ..request(1) };
            let mut reservation = Reservation::select(&mut sensing, request, &mut entropy).unwrap();
            let first = reservation.next().0.subframe;
            let counter = reservation.counter();
            assert!(range.contains(&counter));
            seen.insert(counter);
            let mut sent = 1;
            while reservation.announced().is_some() {
                assert!(reservation.advance(&mut entropy));
                sent += 1;
            }
            assert_eq!(sent, counter);
            let steps = u64::from(milliseconds);
            assert_eq!(reservation.next().0.subframe, first + u64::from(counter - 1) * steps);
            assert!(!reservation.advance(&mut entropy), "probResourceKeep is 0");
        }
        assert_eq!(seen, range.collect::<BTreeSet<_>>(), "every value of the counter is drawn");
    }
}

#[test]
fn kept_as_often_as_configured() {
    let mut config = Config::new(2, 66);
    config.keep_fifths = 4;
    let mut sensing = sensed(config, |_, _| -100.0);
    let mut entropy = entropy(9);
    let mut kept = 0;
    for _ in 0..5000 {
        let mut reservation = Reservation::select(&mut sensing, request(1), &mut entropy).unwrap();
        for _ in 1..reservation.counter() {
            assert!(reservation.advance(&mut entropy));
        }
        let announced = reservation.announced().is_some();
        assert_eq!(reservation.advance(&mut entropy), announced, "the SCI told the truth");
        kept += u32::from(announced);
    }
    assert!((3850..4150).contains(&kept), "{kept} of 5000, 4000 expected");
}

#[test]
fn retransmission_is_near_and_later() {
    let mut sensing = sensed(Config::new(2, 66), |_, _| -100.0);
    let mut entropy = entropy(4);
    let mut gaps = BTreeSet::new();
    for _ in 0..2000 {
        let request = Request { retransmit: true, ..request(1) };
        let reservation = Reservation::select(&mut sensing, request, &mut entropy).unwrap();
        if let (first, Some(second)) = reservation.next() {
            gaps.insert(second.subframe - first.subframe);
        }
    }
    assert_eq!(gaps, (1..=15).collect::<BTreeSet<_>>());
}

/// Steps 5 and 6 as they are written: one loop for each letter.
fn oracle(sensing: &Sensing, request: &Request, c_resel: u32, raised: u32) -> BTreeSet<(u64, u8)> {
    let config = &sensing.config;
    let (t1, t2) = config.window;
    let own = request.period.steps(100);
    let mut remaining = BTreeSet::new();
    for y in request.now + u64::from(t1)..=request.now + u64::from(t2) {
        for x in 0..=config.subchannels - request.length {
            if config.in_pool(y) {
                remaining.insert((y, x));
            }
        }
    }
    let repeats = |heard: u64, period: Period| {
        if period.milliseconds() < 100 && request.now - heard <= period.steps(100) {
            100 / u64::from(period.milliseconds())
        } else {
            1
        }
    };
    let mut busy: Vec<(u64, u8, u8)> = Vec::new();
    for z in request.now - 1000..request.now {
        let slot = &sensing.slots[sensing.slot(z)];
        if config.in_pool(z) && !(slot.subframe == z && slot.monitored) {
            for &period in &config.periods {
                for q in 1..=repeats(z, period) {
                    busy.push((z + q * period.steps(100), 0, config.subchannels));
                }
            }
        }
    }
    for sci in &sensing.heard {
        let Some(period) = sci.period else { continue };
        if config
            .threshold(request.priority, sci.priority, raised)
            .is_none_or(|threshold| sci.rsrp <= threshold)
        {
            continue;
        }
        for q in 1..=repeats(sci.subframe, period) {
            busy.push((sci.subframe + q * period.steps(100), sci.first, sci.first + sci.length));
        }
    }
    remaining.retain(|&(y, x)| {
        !(0..u64::from(c_resel)).any(|j| {
            busy.iter()
                .any(|&(subframe, from, to)| subframe == y + j * own && x < to && x + request.length > from)
        })
    });
    remaining
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn exclusion_agrees_with_the_steps_as_written(
        subchannels in 1u8..6,
        length in 1u8..3,
        own in prop::sample::select(vec![20u16, 50, 100, 300]),
        deaf in prop::collection::vec(1u64..1000, 0..4),
        scis in prop::collection::vec((1u64..1000, 0u8..5, 1u8..4, 0u8..16, -125f32..-95.0), 0..40),
        bitmap in prop::collection::vec(any::<bool>(), 1..20),
    ) {
        prop_assume!(length <= subchannels && bitmap.contains(&true));
        let mut config = Config::new(subchannels, 5);
        config.bitmap = bitmap;
        config.periods = [20, 50, 100, 300, 1000].map(period).to_vec();
        let mut sensing = sensed(config, |_, _| -100.0);
        for back in deaf {
            sensing.record_subframe(NOW - back, None);
        }
        for (back, first, length, field, rsrp) in scis {
            let period = Period::from_sci(field);
            sensing.record_sci(HeardSci { period, ..heard(NOW - back, first, length, rsrp) });
        }
        let request = Request { period: period(own), ..request(length) };
        for raised in [0, 2] {
            let mut window = Window::new(&sensing.config, &request, 50);
            sensing.exclude_unmonitored(&mut window, NOW - 1000);
            sensing.exclude_reserved(&mut window, raised);
            let free: BTreeSet<(u64, u8)> = window.resources().map(|r| (r.subframe, r.first)).collect();
            prop_assert_eq!(free, oracle(&sensing, &request, 50, raised));
        }
    }
}
