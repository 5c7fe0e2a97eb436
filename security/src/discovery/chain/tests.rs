use super::*;

fn plan(length: u32) -> Plan {
    Plan::new(UtcTime::from_millis(1000), RotationPeriod::SECOND, length, [7; 8]).unwrap()
}

fn seed() -> ChainSeed {
    ChainSeed::from([3; 32])
}

/// All elements, one by one from the seed.
fn whole(plan: &Plan) -> Vec<Element<10>> {
    let last = Element { index: plan.length, value: step(Use::Keys, &plan.salt, plan.length, &seed().0) };
    (0..=plan.length).map(|index| last.back_to(Use::Keys, plan, index)).collect()
}

#[test]
fn a_traversal_gives_the_whole_chain_from_every_place() {
    for length in (1..=33).chain([63, 64, 65, 100]) {
        let plan = plan(length);
        let whole = whole(&plan);
        for from in 0..=length {
            let (mut traversal, first) = Traversal::from(Use::Keys, plan, &seed(), from);
            assert_eq!(first, whole[from as usize], "{from} of {length}");
            for index in from + 1..=length {
                assert_eq!(traversal.next(), Some(whole[index as usize]), "{index} of {length} from {from}");
            }
            assert_eq!(traversal.next(), None);
        }
    }
}

/// An hour of codes at 320 ms, as the digest of the proposals counts them: 11 250.
#[test]
fn memory_and_work_of_a_traversal_grow_with_the_logarithm() {
    for (length, kept, at_most, mean) in [(64, 6, 5, 2.0), (1000, 10, 9, 3.9), (11_250, 14, 13, 5.5)] {
        let (mut traversal, _) = Traversal::<23>::from(Use::Codes, plan(length), &seed(), 0);
        // One for the element that comes from the seed.
        assert_eq!(traversal.hashes(), u64::from(length) + 1);
        let (mut most_kept, mut most_hashes, begin) = (0, 0, traversal.hashes());
        let mut before = begin;
        while traversal.next().is_some() {
            most_kept = most_kept.max(traversal.kept());
            most_hashes = most_hashes.max(traversal.hashes() - before);
            before = traversal.hashes();
        }
        assert_eq!((most_kept, most_hashes), (kept, at_most), "{length}");
        let measured = (traversal.hashes() - begin) as f64 / f64::from(length);
        assert!((measured - mean).abs() < 0.05, "{measured} a step");
    }
}

#[test]
fn missed_slots_are_caught_up() {
    let plan = plan(100);
    let whole = whole(&plan);
    let (mut traversal, _) = Traversal::from(Use::Keys, plan, &seed(), 0);
    for index in [1, 2, 5, 50, 51, 99, 100] {
        assert_eq!(traversal.advance(index), Some(whole[index as usize]));
    }
    assert_eq!(traversal.advance(101), None);
}

#[test]
fn slots_follow_from_the_time() {
    let plan = plan(3);
    for (millis, index) in [(0, 0), (999, 0), (1000, 1), (1999, 1), (2000, 2), (3999, 3), (4000, 4)] {
        assert_eq!(plan.index(UtcTime::from_millis(millis)), index, "{millis}");
    }
    assert_eq!(plan.element(UtcTime::from_millis(999)), Err(Refusal::Clock));
    assert_eq!(plan.element(UtcTime::from_millis(3999)), Ok(3));
    assert_eq!(plan.element(UtcTime::from_millis(4000)), Err(Refusal::Expired));
    for index in 1..=4 {
        assert_eq!(plan.index(plan.slot(index)), index);
    }
    for (index, lsb, nearest) in
        [(300, 300_u64 as u8, 300), (300, 299_u64 as u8, 299), (256, 255, 255), (255, 0, 256)]
    {
        assert_eq!(Plan::nearest(index, lsb), nearest);
    }
}

#[test]
fn a_plan_has_limits() {
    let plan = |start, length| Plan::new(UtcTime::from_millis(start), RotationPeriod::SECOND, length, [0; 8]);
    assert_eq!(plan(0, 0), Err(PlanError { length: 0 }));
    assert_eq!(plan(0, MAX_LENGTH + 1), Err(PlanError { length: MAX_LENGTH + 1 }));
    assert_eq!(plan(1 << 48, 1), Err(PlanError { length: 1 }));
    assert!(plan((1 << 48) - 1, MAX_LENGTH).is_ok());
}

/// False elements far ahead cost a receiver one long computation, then no more than [`ALLOWANCE`] a slot.
#[test]
fn false_elements_cost_a_bounded_number_of_computations() {
    let plan = plan(100_000);
    let whole: Element<10> = Element { index: 0, value: anchor(Use::Keys, &plan, &seed()) };
    let mut known = Known::new(Use::Keys, plan, whole.value);
    let far = Element { index: MAX_MISSED, value: [0xee; 10] };
    assert_eq!(known.check(u64::from(MAX_MISSED), far), Err(Refusal::BadMic));
    for _ in 0..1000 {
        assert_eq!(known.check(u64::from(MAX_MISSED), far), Err(Refusal::TooManyMissed));
    }
    let spent = known.hashes();
    assert_eq!(spent, u64::from(MAX_MISSED));
    for slot in 1..=100 {
        let near = Element { index: 600, value: [0xee; 10] };
        let _ = known.check(u64::from(MAX_MISSED) + slot, near);
    }
    assert!(known.hashes() - spent <= 101 * u64::from(ALLOWANCE));
    // Beyond that a newer anchor is needed, and nothing is computed.
    let beyond = Element { index: MAX_MISSED + ALLOWANCE + 1, value: [0; 10] };
    assert_eq!(known.check(u64::MAX, beyond), Err(Refusal::TooManyMissed));
}

#[test]
fn a_seed_is_not_shown() {
    assert_eq!(format!("{:?}", ChainSeed::from([5; 32])), "ChainSeed(redacted)");
    let (traversal, _) = Traversal::<10>::from(Use::Keys, plan(4), &seed(), 0);
    assert_eq!(format!("{traversal:?}"), "Traversal { index: 0, .. }");
}

#[test]
fn an_earlier_element_does_not_take_the_place_of_a_later_one() {
    let plan = plan(8);
    let whole: Vec<Element<10>> = whole(&plan);
    let mut known = Known::new(Use::Keys, plan, whole[0].value);
    for (learnt, kept) in [(5, 5), (3, 5), (6, 6)] {
        known.check(8, whole[learnt]).unwrap();
        known.learn(whole[learnt]);
        assert_eq!(known.element(), whole[kept]);
    }
}
