use std::collections::BTreeSet;

use proptest::prelude::*;

use super::scalar::Scalar;
use super::*;
use crate::grant::tests::entropy;
use crate::grant::uniform;

const NOW: u64 = 5000;

fn period(milliseconds: u16) -> Period {
    Period::from_milliseconds(milliseconds).unwrap()
}

fn request(length: u8) -> Request {
    Request { now: NOW, length, priority: 3, period: period(100), retransmit: false, t2: None }
}

/// Returns a memory with all subframes before the request monitored, with this power.
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
// TS 36.213 §14.1.1.6 step 1 (1); TS 36.213 §14.1.1.6 step 4; TS 36.213 §14.1.1.6 step 9
fn quietest_fifth_is_kept() {
    // 97 subframes of 5 sub-channels; sub-channel 3 is quieter than the others.
    let mut sensing = sensed(Config::new(5, 10), |_, at| if at == 3 { -110.0 } else { -90.0 });
    let candidates = sensing.candidates(&request(1), 50, &mut entropy(1)).unwrap();
    assert_eq!((candidates.total, candidates.raised), (97 * 5, 0));
    assert_eq!(candidates.iter().len(), 97);
    assert!(candidates.iter().all(|resource| resource.first == 3));
}

#[test]
// TS 36.213 §14.1.1.6 step 6 (1)
fn reserved_resource_is_left_alone() {
    let mut sensing = sensed(Config::new(5, 10), |_, _| -100.0);
    // Threshold 10 is -110 dBm. Received 60 subframes ago: the next one is 40 ahead.
    sensing.record_sci(heard(NOW - 60, 1, 2, -100.0));
    sensing.record_sci(heard(NOW - 50, 0, 5, -111.0));
    let mut window = Window::new(&sensing.config, &request(2), 50);
    let all: BTreeSet<(u64, u8)> = window.resources().map(|r| (r.subframe, r.first)).collect();
    sensing.reserved.measure(&mut window, &sensing.config);
    assert_eq!(window.exclude_reserved(1), 0);
    let free = window.resources().map(|r| (r.subframe, r.first)).collect();
    let taken: Vec<_> = all.difference(&free).copied().collect();
    assert_eq!(taken, [0, 1, 2].map(|first| (NOW + 40, first)), "the weaker one is below the threshold");
}

/// TS 36.213 §14.1.1.6 step 6, §14.1.1.4C: an announced retransmission is left alone, with a reservation or without.
#[test]
// TS 36.213 §14.1.1.6 step 6 (2)
fn announced_retransmission_is_left_alone() {
    for reserves in [None, Some(period(1000))] {
        let mut sensing = sensed(Config::new(5, 10), |_, _| -100.0);
        let sci = heard(NOW - 2, 0, 2, -100.0);
        sensing.record_sci(HeardSci { period: reserves, other: Some((10, 3)), ..sci });
        // One that is too weak, and one that is over.
        sensing.record_sci(HeardSci { period: None, other: Some((10, 1)), rsrp: Dbm(-111.0), ..sci });
        sensing.record_sci(HeardSci { period: None, other: Some((-10, 1)), ..sci });
        let mut window = Window::new(&sensing.config, &request(1), 1);
        let all: BTreeSet<(u64, u8)> = window.resources().map(|r| (r.subframe, r.first)).collect();
        sensing.reserved.measure(&mut window, &sensing.config);
        window.exclude_reserved(1);
        let free = window.resources().map(|r| (r.subframe, r.first)).collect();
        let taken: Vec<_> = all.difference(&free).copied().collect();
        assert_eq!(taken, [(NOW + 8, 3), (NOW + 8, 4)]);
    }
}

/// Step 6: a period of 20 ms repeats within 100 ms while the SCI is new, whichever of its two transmissions it is.
#[test]
// TS 36.213 §14.1.1.6 step 6 (3)
fn the_age_of_a_reservation_is_that_of_its_sci() {
    for (age, gap, repeats) in [(20, -15, 5), (21, 15, 1), (20, 15, 5), (21, -15, 1)] {
        let mut sensing = sensed(Config::new(5, 10), |_, _| -100.0);
        let sci =
            HeardSci { period: Some(period(20)), other: Some((gap, 3)), ..heard(NOW - age, 0, 1, -100.0) };
        sensing.record_sci(sci);
        let mut window = Window::new(&sensing.config, &Request { period: period(1000), ..request(1) }, 50);
        let all: BTreeSet<(u64, u8)> = window.resources().map(|r| (r.subframe, r.first)).collect();
        sensing.reserved.measure(&mut window, &sensing.config);
        window.exclude_reserved(1);
        let free = window.resources().map(|r| (r.subframe, r.first)).collect();
        let other = (NOW - age).checked_add_signed(gap.into()).unwrap();
        let expected: Vec<u64> =
            (0..=repeats).map(|q| other + q * 20).filter(|at| *at >= NOW + 4 && *at > NOW - age).collect();
        let taken: Vec<_> = all.difference(&free).filter(|(_, m)| *m == 3).map(|(at, _)| *at).collect();
        assert_eq!(taken, expected, "{age} {gap}");
    }
}

/// TS 36.321 §5.14.1.2.2: the counter counts what was sent, the occasions pass in any case.
#[test]
// TS 36.213 §14.1.1.4B (6); TS 36.321 §5.14.1.2.2 (2)
fn an_unused_occasion_does_not_count() {
    let mut sensing = sensed(Config::new(2, 66), |_, _| -100.0);
    let mut entropy = entropy(3);
    let mut reservation = Reservation::select(&mut sensing, request(1), &mut entropy).unwrap();
    let (counter, first) = (reservation.counter(), reservation.next().0.subframe);
    for _ in 0..100 {
        assert!(reservation.advance(Occasion::Unused, &mut entropy));
    }
    assert_eq!((reservation.counter(), reservation.next().0.subframe), (counter, first + 100 * 100));
    for _ in 1..counter {
        assert!(reservation.advance(Occasion::Used, &mut entropy));
    }
    assert!(reservation.advance(Occasion::Unused, &mut entropy), "the last one is still to come");
    assert_eq!(reservation.announced(), None);
    assert!(!reservation.advance(Occasion::Used, &mut entropy));
}

/// TS 36.321 §5.14.1.1: each of the reported resources is chosen alike.
#[test]
// TS 36.213 §14.1.1.6 report; TS 36.321 §5.14.1.1 (20)
fn reported_resources_are_chosen_alike() {
    let mut sensing = sensed(Config::new(5, 10), |_, at| if at == 3 { -110.0 } else { -90.0 });
    let mut entropy = entropy(8);
    let mut chosen = std::collections::BTreeMap::new();
    for _ in 0..9700 {
        let reservation = Reservation::select(&mut sensing, request(1), &mut entropy).unwrap();
        *chosen.entry(reservation.next().0).or_insert(0u32) += 1;
    }
    assert_eq!(chosen.len(), 97);
    // 100 of each are expected; five standard deviations are 50.
    assert!(chosen.values().all(|count| (50..150).contains(count)), "{chosen:?}");
}

#[test]
// TS 36.213 §14.1.1.6 step 3; TS 36.213 §14.1.1.6 step 7
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
    assert_eq!(error, Error::Listening { left: 1000 });
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
// TS 36.213 §14.1.1.6 step 1 (1); TS 36.321 §5.14.1.1 (18)
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
// TS 36.213 §14.2.1 table 14.2.1-2
fn periods_of_sci_format_1() {
    for field in 0..16 {
        assert_eq!(
            Period::from_sci(field).map_or(0, Period::sci),
            if (1..13).contains(&field) { field } else { 0 }
        );
    }
}

#[test]
// TS 36.213 §14.1.1.4B (4); TS 36.321 §5.14.1.1 (17); TS 36.321 §5.14.1.1 (21); TS 36.321 §5.14.1.1 (25)
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
                assert!(reservation.advance(Occasion::Used, &mut entropy));
                sent += 1;
            }
            assert_eq!(sent, counter);
            let steps = u64::from(milliseconds);
            assert_eq!(reservation.next().0.subframe, first + u64::from(counter - 1) * steps);
            assert!(!reservation.advance(Occasion::Used, &mut entropy), "probResourceKeep is 0");
        }
        assert_eq!(seen, range.collect::<BTreeSet<_>>(), "every value of the counter is drawn");
    }
}

#[test]
// TS 36.213 §14.1.1.4B (5); TS 36.321 §5.14.1.1 (11); TS 36.321 §5.14.1.1 (16); TS 36.321 §5.14.1.1 (25)
fn kept_as_often_as_configured() {
    let mut config = Config::new(2, 66);
    config.keep_fifths = 4;
    let mut sensing = sensed(config, |_, _| -100.0);
    let mut entropy = entropy(9);
    let mut kept = 0;
    for _ in 0..5000 {
        let mut reservation = Reservation::select(&mut sensing, request(1), &mut entropy).unwrap();
        for _ in 1..reservation.counter() {
            assert!(reservation.advance(Occasion::Used, &mut entropy));
        }
        let announced = reservation.announced().is_some();
        assert_eq!(reservation.advance(Occasion::Used, &mut entropy), announced, "the SCI told the truth");
        kept += u32::from(announced);
    }
    assert!((3850..4150).contains(&kept), "{kept} of 5000, 4000 expected");
}

#[test]
// TS 36.213 §14.1.1.7; TS 36.321 §5.14.1.1 (22)
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

/// A pool, and its records in the engine and in the reference.
struct Pair {
    sensing: Sensing,
    scalar: Scalar,
}

impl Pair {
    fn new(config: Config) -> Self {
        Self { sensing: Sensing::new(config.clone()).unwrap(), scalar: Scalar::new(config) }
    }

    fn subframe(&mut self, subframe: u64, row: Option<Vec<Dbm>>) {
        self.sensing.record_subframe(subframe, row.as_deref());
        let row = row.map(|row| row.into_iter().map(Dbm::milliwatts).collect());
        self.scalar.record_subframe(subframe, row);
    }

    fn sci(&mut self, sci: HeardSci) {
        self.sensing.record_sci(sci);
        self.scalar.record_sci(sci);
    }

    /// Checks that both select the same.
    fn check(&mut self, request: &Request, c_resel: u32) -> Result<Option<Missed>, TestCaseError> {
        let expected = self.scalar.left(request, c_resel);
        let mut window = Window::new(&self.sensing.config, request, c_resel);
        let (total, needed) = (window.count(), window.count().div_ceil(5));
        self.sensing.monitored.reach(request.now, &self.sensing.config);
        let free = self.sensing.exclude_missed(&mut window, needed).ok().map(|_| {
            self.sensing.reserved.measure(&mut window, &self.sensing.config);
            window.exclude_reserved(needed);
            window.resources().map(|r| (r.subframe, r.first)).collect::<BTreeSet<_>>()
        });
        let empty = expected.as_ref().is_none_or(|left| left.mean.is_empty());
        prop_assert_eq!(
            free.unwrap_or_default(),
            expected.as_ref().map(|left| left.mean.keys().copied().collect()).unwrap_or_default()
        );
        let candidates = self.sensing.candidates(request, c_resel, &mut entropy(1));
        let (Ok(candidates), Some(expected)) = (&candidates, &expected) else {
            prop_assert!(candidates.is_err() && empty, "{candidates:?}");
            return Ok(None);
        };
        prop_assert_eq!((candidates.total, candidates.missed), (total, expected.missed));
        if expected.mean.len() >= needed {
            prop_assert_eq!(candidates.raised, expected.raised);
        }
        prop_assert_eq!(candidates.iter().len(), expected.mean.len().min(needed));
        // The best of them, in their order: sums differ in the last digit.
        let mut means: Vec<f32> = expected.mean.values().copied().collect();
        means.sort_by(f32::total_cmp);
        for (resource, best) in candidates.iter().zip(means) {
            let mean = expected.mean[&(resource.subframe, resource.first)];
            prop_assert!(mean == best || (mean - best).abs() <= best.abs() * 1e-5, "{mean} for {best}");
        }
        Ok(Some(expected.missed))
    }
}

/// A stretch of sensing: number of subframes, missed ones of a hundred, and whether they were skipped (not recorded) or
/// recorded as missed.
type Stretch = (u64, u32, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    // TS 36.213 §14 par. 8 (2); TS 36.213 §14.1.1.6 step 2; TS 36.213 §14.1.1.6 step 5 (1)
    // TS 36.213 §14.1.1.6 step 5 (2); TS 36.213 §14.1.1.6 step 6 (2); TS 36.213 §14.1.1.6 step 6 (3)
    // TS 36.213 §14.1.1.6 step 6 (4); TS 36.213 §14.1.1.6 step 7; TS 36.213 §14.1.1.6 step 8
    // TS 36.213 §14.1.1.6 step 9
    fn bookkeeping_agrees_with_the_steps_as_written(
        subchannels in 1u8..6,
        length in 1u8..3,
        own in prop::sample::select(vec![20u16, 50, 100, 300]),
        t2 in prop::option::of(20u8..101),
        stretches in prop::collection::vec((1u64..600, 0u32..101, any::<bool>()), 1..7),
        scis in 0u64..90,
        periods in prop::sample::subsequence(vec![20u16, 50, 100, 300, 1000], 1..6),
        bitmap in prop::collection::vec(any::<bool>(), 1..20),
        rows in prop::collection::vec(0u8..67, 8),
        seed in any::<u64>(),
    ) {
        prop_assume!(length <= subchannels && bitmap.contains(&true));
        let mut config = Config::new(subchannels, 5);
        config.bitmap = bitmap;
        config.periods = periods.into_iter().chain([own]).map(period).collect();
        config.periods.sort_unstable();
        config.periods.dedup();
        // Some priorities share their thresholds, some do not.
        for (at, threshold) in config.thresholds.iter_mut().enumerate() {
            *threshold = rows[at % 8 / 2 * (at / 32)];
        }
        let allowed = config.periods.clone();
        let mut pair = Pair::new(config);
        let mut draw = entropy(seed);
        let mut chance = move |n: u32| uniform(&mut draw, n);
        let mut now = 3000;
        let stretches: Vec<Stretch> = stretches;
        for (subframes, missed, skipped) in stretches {
            for _ in 0..subframes {
                let heard = chance(100) >= missed;
                let row = heard.then(|| (0..subchannels).map(|_| Dbm(-110.0 + chance(60) as f32)).collect());
                if heard && u64::from(chance(100)) < scis {
                    let gap = chance(31) as i8 - 15;
                    pair.sci(HeardSci {
                        subframe: now,
                        first: chance(5) as u8,
                        length: 1 + chance(3) as u8,
                        priority: 1 + chance(8) as u8,
                        period: (chance(4) > 0).then(|| allowed[chance(allowed.len() as u32) as usize]),
                        rsrp: Dbm(-128.0 + chance(90) as f32),
                        other: (gap != 0).then(|| (gap, chance(5) as u8)),
                    });
                }
                if heard || !skipped {
                    pair.subframe(now, row);
                }
                now += 1;
            }
            let request = Request { now, length, priority: 1 + chance(8) as u8, period: period(own), retransmit: false, t2 };
            for c_resel in [1, 7, 150] {
                pair.check(&request, c_resel)?;
            }
        }
    }
}

/// Returns a UE that monitored everything for a second, then missed `missed` subframes, then monitored `heard`.
fn overloaded(missed: u64, heard: u64, others: Option<Period>) -> (Pair, u64) {
    let mut pair = Pair::new(Config::new(5, 1));
    let mut now = 2000;
    for k in 0..1000 + missed + heard {
        let hears = !(1000..1000 + missed).contains(&k);
        pair.subframe(now, hears.then(|| vec![Dbm(-100.0); 5]));
        if hears && others.is_some() && k % 20 == 0 {
            pair.sci(HeardSci { period: others, ..self::heard(now, (k / 20 % 5) as u8, 1, -90.0) });
        }
        now += 1;
    }
    (pair, now)
}

#[test]
fn whoever_was_overloaded_chooses_again_within_tens_of_subframes() {
    for (missed, heard, others, expected) in [
        // a short gap: as the step is written
        (10, 20, None, Some(Missed::AllPeriods)),
        // nobody reserves: no reservation can have been missed
        (3000, 20, None, Some(Missed::HeardPeriods)),
        // half of what is reserved every 100 ms may have been missed
        (3000, 60, Some(100), Some(Missed::HeardPeriods)),
        // everything may have been missed
        (950, 60, Some(1000), Some(Missed::Ignored)),
        (3000, 19, None, None),
        (3000, 0, Some(100), None),
    ] {
        let (mut pair, now) = overloaded(missed, heard, others.map(period));
        let request = Request { now, ..request(1) };
        let found = pair.check(&request, 100).unwrap();
        assert_eq!(found, expected, "{missed} missed, {heard} heard, {others:?}");
        if expected.is_none() {
            let error = pair.sensing.candidates(&request, 100, &mut entropy(1)).unwrap_err();
            assert_eq!(error, Error::Deaf { monitored: heard as u32, of: 100 });
        }
    }
}

#[test]
// TS 36.213 §14.1.1.6 step 2
fn whoever_has_just_begun_listens_for_a_second() {
    let mut pair = Pair::new(Config::new(5, 1));
    for now in 5000..6000 {
        let request = Request { now, ..request(1) };
        if now % 37 == 0 {
            let chosen = pair.sensing.candidates(&request, 100, &mut entropy(1));
            let listening = matches!(chosen, Err(Error::Listening { .. }));
            // The longest period is a second: at its end those subframes remain that were monitored over the whole of it.
            assert!(listening || now > 5900, "{chosen:?} after {} subframes", now - 5000);
            pair.check(&request, 100).unwrap();
        }
        pair.subframe(now, Some(vec![Dbm(-100.0); 5]));
    }
    assert!(pair.sensing.candidates(&Request { now: 6000, ..request(1) }, 100, &mut entropy(1)).is_ok());
}

#[test]
fn time_that_goes_back_is_another_time() {
    let mut sensing = sensed(Config::new(5, 1), |_, _| -100.0);
    sensing.record_sci(heard(NOW - 10, 0, 5, -90.0));
    // A small step back: those subframes are recorded again.
    sensing.record_subframe(NOW - 30, Some(&[Dbm(-100.0); 5]));
    assert!(sensing.candidates(&request(1), 50, &mut entropy(1)).is_ok());
    sensing.record_subframe(100, Some(&[Dbm(-100.0); 5]));
    let early = Request { now: 101, ..request(1) };
    assert!(matches!(sensing.candidates(&early, 50, &mut entropy(1)), Err(Error::Listening { .. })));
    assert_eq!(sensing.reserved.periods(101, &sensing.config).count(), 0, "reservations of another time");
}
