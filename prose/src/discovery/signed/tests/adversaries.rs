//! The tests T2.3-1 to T2.3-7: what an attacker can do, and what it cannot.

use super::*;

/// A block of `sender` in the name of another key.
fn in_the_name_of(hint: Hint, timing: &SetTiming, now: &AirTime, block: &Message) -> Message {
    let place = timing.place(now, 0, hint);
    let mut forged = *block;
    forged[1] = place.index;
    forged[2..4].copy_from_slice(&tag(hint.0, place.number));
    forged
}

/// T2.3-1: an authorised monitor has the public key, and a private key of its own. It cannot announce in another's name,
/// unlike with the symmetric keys of the other protections.
#[test]
fn an_authorised_monitor_cannot_forge() {
    let timing = SetTiming::DEFAULT;
    for scheme in Scheme::ALL {
        let mut pair = Pair::new(scheme, Rotation::Coded, timing);
        let hint = key(scheme, 1).verifying_key().hint();
        let mut mallory = SignedSender::new(key(scheme, 2), CODE, Rotation::Coded);
        let (mut refused, needed) = (0, fragments(scheme));
        for period in 0..3 * needed as u64 {
            let now = at(pair.begin + period * PERIOD);
            let own = mallory.fragment(&timing, &now, &mut || 1);
            let forged = in_the_name_of(hint, &timing, &now, &own);
            let events = hear(&mut pair.monitor, &now, &forged);
            assert_eq!(verified(&events), None, "{scheme}");
            refused += usize::from(dropped(&events, Refusal::BadMic));
        }
        assert!(refused > 0, "{scheme}");
        let verifications = pair.monitor.monitor().signed().verifications();
        assert!((1..=2 * u64::from(sets::ATTEMPTS)).contains(&verifications), "{scheme}: {verifications}");
    }
}

/// T2.3-2: blocks that are sent again one period later, when DFN is the same again, and an hour later; to a monitor that
/// heard them in time and to one that did not.
#[test]
fn a_replay_is_refused() {
    for rotation in [Rotation::Plain, Rotation::Coded] {
        for delay in [PERIOD, 10_240, 20_480, 3_600_000, 3_600_000 + 320 * 7] {
            let mut pair = Pair::new(Scheme::Ed25519, rotation, SetTiming::DEFAULT);
            let mut late = agent(SetTiming::DEFAULT);
            late.monitor()
                .follow_signed(followed(&key(Scheme::Ed25519, 1).verifying_key(), rotation))
                .unwrap();
            let recorded: Vec<_> = (0..8).map(|period| pair.block(period, 11)).collect();
            for (now, block) in &recorded {
                hear(&mut pair.monitor, now, block);
            }
            for (now, block) in &recorded {
                let now = at(now.slot.millis() + delay);
                for monitor in [&mut pair.monitor, &mut late] {
                    let events = hear(monitor, &now, block);
                    assert_eq!(verified(&events), None, "{rotation:?} after {delay} ms");
                    assert!(
                        dropped(&events, Refusal::Replay) || dropped(&events, Refusal::Unknown),
                        "{events:?}"
                    );
                }
            }
            assert_eq!(late.monitor().signed().verifications(), 0, "no replay costs a verification");
        }
    }
}

/// T2.3-2, the residual: the same slot at another place (A3) is accepted; nothing of the time is wrong.
#[test]
fn a_wormhole_in_the_same_slot_is_accepted() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    let heard: Vec<_> = (0..4).map(|period| pair.block(period, 11)).collect();
    let found = heard.iter().filter_map(|(now, block)| verified(&hear(&mut pair.monitor, now, block)));
    assert_eq!(found.count(), 1);
}

/// Announces `sets` sets, with a false fragment in the periods that `is_false` names, before or after the true one.
/// Returns the sets in which the announcer was verified, and the verifications.
fn poisoned(
    scheme: Scheme,
    rotation: Rotation,
    sets: u64,
    is_false: impl Fn(u64) -> bool,
    before: bool,
) -> (u64, u64) {
    let timing = SetTiming::new(320, 0, 32).unwrap();
    let mut pair = Pair::new(scheme, rotation, timing);
    let mut found = 0;
    for set in 0..sets {
        let mut is_found = false;
        for period in 0..32 {
            let (now, block) = pair.block(32 * set + period, 5);
            let mut blocks = vec![block];
            if is_false(period) {
                let mut forged = block;
                forged[10] ^= 0x55;
                forged[20] ^= period as u8;
                blocks.insert(usize::from(!before), forged);
            }
            for block in blocks {
                is_found |= verified(&hear(&mut pair.monitor, &now, &block)).is_some();
            }
        }
        found += u64::from(is_found);
    }
    (found, pair.monitor.monitor().signed().verifications())
}

/// T2.3-3: one false fragment a set denies the plain build (the residual, measured), and costs the coded one a few
/// verifications.
#[test]
fn one_false_fragment_denies_the_plain_build_only() {
    for scheme in [Scheme::Ed25519, Scheme::EccsiCompressed, Scheme::EccsiFull] {
        let first = |period| period == 0;
        assert_eq!(poisoned(scheme, Rotation::Plain, 3, first, true).0, 0, "{scheme}: denied");
        assert_eq!(
            poisoned(scheme, Rotation::Plain, 3, |_| false, true).0,
            3,
            "{scheme}: without an attacker"
        );
        for before in [true, false] {
            for falsified in 0..fragments(scheme) as u64 {
                let (found, verifications) =
                    poisoned(scheme, Rotation::Coded, 2, |period| period == falsified, before);
                assert_eq!(found, 2, "{scheme}, period {falsified}");
                assert!(verifications <= 2 * 21, "{scheme}: {verifications} in 2 sets");
            }
        }
    }
}

/// Beyond T2.3-3: a false fragment in every period. More than K true ones agree, false ones do not.
#[test]
fn a_false_fragment_in_every_period_does_not_deny_the_coded_build() {
    for scheme in [Scheme::Ed25519, Scheme::EccsiCompressed, Scheme::EccsiFull] {
        let (found, verifications) = poisoned(scheme, Rotation::Coded, 3, |_| true, true);
        assert_eq!(found, 3, "{scheme}");
        assert!(verifications <= 3 * 21, "{scheme}: {verifications} in 3 sets");
    }
}

/// T2.3-4: what has an unknown hint costs no verification; its key is asked for once, and a flood of hints makes few
/// look-ups.
#[test]
fn unknown_keys_cost_no_verification_and_few_look_ups() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    let mut stranger = agent(SetTiming::DEFAULT);
    let wanted = |events: &[Event]| {
        events
            .iter()
            .filter_map(|event| if let Event::KeyWanted(hint) = event { Some(*hint) } else { None })
            .count()
    };
    let mut asked = 0;
    for period in 0..10 {
        let (now, block) = pair.block(period, 0);
        let events = hear(&mut stranger, &now, &block);
        asked += wanted(&events);
        assert!(dropped(&events, Refusal::Unknown));
    }
    assert_eq!((asked, stranger.monitor().signed().verifications()), (1, 0));
    assert_eq!(stranger.monitor().signed().incomplete(), 0, "nothing is stored for it");

    let mut asked = 0;
    for number in 0..20_000_u64 {
        let now = at(pair.begin + 60_000 + number / 2);
        let mut block = [0x11; 29];
        block[0] = 0xc9;
        block[2..4].copy_from_slice(&(number as u16).wrapping_mul(40_503).to_be_bytes());
        asked += wanted(&hear(&mut stranger, &now, &block));
    }
    assert!((8..=20).contains(&asked), "{asked} in ten seconds, after a burst of 8");
    assert_eq!(stranger.monitor().signed().verifications(), 0);
}

/// A key that comes from the network is used from the next fragment on; one that nobody knows is not asked for again.
#[test]
fn a_key_that_arrives_is_used() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    let mut monitor = agent(SetTiming::DEFAULT);
    let (now, block) = pair.block(0, 0);
    let events = hear(&mut monitor, &now, &block);
    let public = key(Scheme::Ed25519, 1).verifying_key();
    assert!(events.contains(&Event::KeyWanted(public.hint())), "{events:?}");
    monitor.monitor().signed().silence(public.hint(), now.slot.plus_millis(1_000_000));
    let (now, block) = pair.block(1, 0);
    assert!(!hear(&mut monitor, &now, &block).contains(&Event::KeyWanted(public.hint())));
    monitor.monitor().follow_signed(followed(&public, Rotation::Coded)).unwrap();
    let found = (2..6).filter_map(|period| {
        let (now, block) = pair.block(period, 0);
        verified(&hear(&mut monitor, &now, &block))
    });
    assert_eq!(found.count(), 1, "with the fourth fragment after the key");
}

/// T2.3-5: a false DFN or a false UTC on either side: they disagree on the set or on the signed time. Within the rules
/// of clocks it is the uncertainty that decides.
#[test]
fn false_times_lead_to_no_acceptance() {
    let shifts =
        [-3_600_000, -40_000, -10_240, -5_120, -2_000, -321, 321, 1_500, 5_120, 10_240, 40_000, 3_600_000];
    for shift in shifts {
        let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
        let (mut false_utc, mut false_dfn) = (agent(SetTiming::DEFAULT), agent(SetTiming::DEFAULT));
        let public = key(Scheme::Ed25519, 1).verifying_key();
        for monitor in [&mut false_utc, &mut false_dfn] {
            monitor.monitor().follow_signed(followed(&public, Rotation::Coded)).unwrap();
        }
        for period in 0..8 {
            let (now, block) = pair.block(period, 50);
            let slot = UtcTime::from_millis(now.slot.millis().saturating_add_signed(shift));
            // UTC alone is false: DFN comes from the air.
            let utc = AirTime { frame: now.frame, ..AirTime::at(slot) };
            // DFN says the subframe, UTC only which second and which turn.
            if shift.abs() > 1000 {
                assert_eq!(verified(&hear(&mut false_utc, &utc, &block)), None, "UTC off by {shift} ms");
            }
            let dfn = AirTime { frame: AirTime::at(slot).frame, ..now };
            if shift % 10_240 != 0 {
                assert_eq!(verified(&hear(&mut false_dfn, &dfn, &block)), None, "DFN off by {shift} ms");
            }
        }
    }
    // An announcer with a false clock, and a monitor with a ProSe clock beyond MAX_OFFSET.
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    let (now, block) = pair.block(0, 0);
    let skewed = AirTime { prose_clock: now.slot.counter().plus(33), ..now };
    assert!(dropped(&hear(&mut pair.monitor, &skewed, &block), Refusal::OutsideMaxOffset));
}

/// T2.3-6: after the end of a key's validity, and after its revocation, nothing of it is accepted, at no cost.
#[test]
fn expired_and_revoked_keys_are_refused() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    let public = key(Scheme::Ed25519, 1).verifying_key();
    let mut monitor = agent(SetTiming::DEFAULT);
    let valid_until = at(pair.begin + 5 * PERIOD).slot.counter();
    let follow = SignedFollow { valid_until, ..followed(&public, Rotation::Coded) };
    monitor.monitor().follow_signed(follow).unwrap();
    let mut found = Vec::new();
    for period in 0..12 {
        let (now, block) = pair.block(period, 0);
        let events = hear(&mut monitor, &now, &block);
        let is_over = now.slot.counter() >= valid_until;
        assert_eq!(dropped(&events, Refusal::Expired), is_over, "period {period}");
        found.push(verified(&events).is_some());
        // A revocation in the middle of a set, of which fragments are here.
        if period == 2 {
            pair.monitor.monitor().signed().revoke(7, &[public.digest()]).unwrap();
        }
        let events = hear(&mut pair.monitor, &now, &block);
        assert_eq!(verified(&events), None);
        assert_eq!(dropped(&events, Refusal::NotAuthorised), period >= 2);
    }
    let over =
        (0..12).filter(|period| at(pair.begin + period * PERIOD).slot.counter() >= valid_until).count();
    assert!((6..=10).contains(&over) && found.iter().filter(|found| **found).count() <= 12 - over);
    let signed = pair.monitor.monitor().signed();
    assert_eq!((signed.verifications(), signed.incomplete()), (0, 0));
    assert_eq!(signed.revoke(6, &[]), Err(OldList { number: 6, in_force: 7 }), "an older list");
    let again = pair.monitor.monitor().follow_signed(followed(&public, Rotation::Coded));
    assert_eq!(again, Err(NotFollowed::Revoked));
}

/// T2.3-7: the thief of one announcer's key announces as that one until it is revoked, and as nobody else.
#[test]
fn a_stolen_key_is_one_identity() {
    let timing = SetTiming::DEFAULT;
    let (alice, bob) = (key(Scheme::Ed25519, 1).verifying_key(), key(Scheme::Ed25519, 2).verifying_key());
    let mut monitor = agent(timing);
    let places = [&alice, &bob]
        .map(|public| monitor.monitor().follow_signed(followed(public, Rotation::Coded)).unwrap());
    let mut thief = SignedSender::new(key(Scheme::Ed25519, 1), CODE, Rotation::Coded);
    let begin = set_begin(&timing, &alice);
    let mut found = Vec::new();
    for period in 0..10 {
        let now = at(begin + period * PERIOD);
        let own = thief.fragment(&timing, &now, &mut || 1);
        for block in [own, in_the_name_of(bob.hint(), &timing, &now, &own)] {
            for event in hear(&mut monitor, &now, &block) {
                if let Event::Discovered(discovered) = event {
                    found.push(discovered.who);
                }
            }
        }
    }
    assert!(found.iter().all(|who| *who == places[0]) && found.len() >= 7, "{found:?}");
}

/// Every bit of every fragment: none that is flipped leads to an acceptance.
#[test]
fn no_flipped_bit_is_accepted() {
    let mut pair = Pair::new(Scheme::Ed25519, Rotation::Coded, SetTiming::DEFAULT);
    let public = key(Scheme::Ed25519, 1).verifying_key();
    // Three that are systematic, and one of parity.
    let blocks: Vec<_> = [0, 1, 3, 9].into_iter().map(|period| pair.block(period, 1)).collect();
    for flipped in 0..blocks.len() {
        for bit in 0..8 * 29 {
            let mut monitor = agent(SetTiming::DEFAULT);
            monitor.monitor().follow_signed(followed(&public, Rotation::Coded)).unwrap();
            for (number, (now, block)) in blocks.iter().enumerate() {
                let mut block = *block;
                if number == flipped {
                    block[bit / 8] ^= 1 << (bit % 8);
                }
                assert_eq!(verified(&hear(&mut monitor, now, &block)), None, "fragment {flipped} bit {bit}");
            }
        }
    }
    let mut monitor = agent(SetTiming::DEFAULT);
    monitor.monitor().follow_signed(followed(&public, Rotation::Coded)).unwrap();
    let found = blocks.iter().filter_map(|(now, block)| verified(&hear(&mut monitor, now, block)));
    assert_eq!(found.count(), 1, "these four without a flip");
}
