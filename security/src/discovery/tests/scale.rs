//! Matching of many identities, and the effect of changes of identities.

use super::{flip, pseudo_random};
use crate::counter::{UtcCounter, UtcTime};
use crate::discovery::book::{
    CodeBook, Entry, NoIntegrityKey, NonceNotFollowable, RestrictedBook, RotatingBook, Words,
};
use crate::discovery::matching::{Matcher, PeriodTable, TableBuilder, TableError};
use crate::discovery::ota::{MESSAGE_TYPE, OtaConfig, OtaIdentity, Variant};
use crate::discovery::restricted::{Material, Sender};
use crate::discovery::rotation::{PeriodIndex, RotationPeriod, Window};
use crate::discovery::{Freshness, Message, Profile, Refusal};
use crate::keys::{ApplicationKey, Duck, Duik, Dusk};
use std::sync::Arc;

const FOREVER: UtcCounter = UtcCounter::new(u32::MAX);
const NOW: UtcTime = UtcTime::from_millis(1_700_000_000_500);

fn config(variant: Variant, bits: u16) -> OtaConfig {
    OtaConfig::new(variant, bits, 0, RotationPeriod::SECOND).unwrap()
}

fn pair(who: u64) -> ([u8; 20], ApplicationKey) {
    (pseudo_random(2 * who + 1), ApplicationKey::from(pseudo_random(2 * who + 2)))
}

fn announce(config: OtaConfig, who: u64, time: UtcTime) -> Message {
    let (id, key) = pair(who);
    OtaIdentity::new(config, id, &key).announce(time, &[]).unwrap()
}

fn book(config: OtaConfig, followed: u64) -> RotatingBook {
    let mut book = RotatingBook::new(config).unwrap();
    for who in 0..followed {
        let (id, key) = pair(who);
        assert_eq!(book.follow(id, &key, FOREVER), Entry(who as u32));
    }
    book
}

fn table<B: CodeBook>(book: &Arc<B>, period: PeriodIndex) -> PeriodTable<B> {
    let mut builder = TableBuilder::new(book.clone(), period, None).unwrap();
    // Chunks of any size.
    let mut chunk = 1;
    while !builder.build_chunk(chunk) {
        chunk = chunk * 3 % 101 + 1;
    }
    builder.finish().ok().unwrap()
}

fn window() -> Window {
    RotationPeriod::SECOND.window(NOW, 100)
}

fn matcher<B: CodeBook>(book: &Arc<B>) -> Matcher<B> {
    let mut matcher = Matcher::new();
    while let Some(period) = matcher.wanted(window()) {
        assert!(matcher.install(table(book, period)).is_none());
    }
    matcher
}

#[test]
fn every_followed_identity_is_found_and_no_other() {
    for (variant, bits) in
        [(Variant::Keyed, 216), (Variant::Keyed, 64), (Variant::Keyed, 41), (Variant::Literal, 160)]
    {
        let config = config(variant, bits);
        for followed in [0, 1, 2, 63, 64, 65, 3000] {
            let matcher = matcher(&Arc::new(book(config, followed)));
            for who in 0..followed {
                let found = matcher.verify(window(), &announce(config, who, NOW)).unwrap();
                assert_eq!((found.slot, found.period), (Entry(who as u32), window().first));
            }
            for who in 10_000..11_000 {
                let refusal = matcher.verify(window(), &announce(config, who, NOW));
                assert_eq!(refusal, Err(Refusal::Unknown));
            }
        }
    }
}

/// Places after the last one are vacant, wherever reading begins.
#[test]
fn places_beyond_a_book_are_vacant() {
    let book = book(config(Variant::Keyed, 216), 3);
    for first in 0..6 {
        let mut expected = [Some(Words::new(&[0; 29])); 8];
        book.expected(window().first, first, &mut expected);
        let followed = expected.iter().take_while(|words| words.is_some()).count();
        assert_eq!(followed, 3_usize.saturating_sub(first));
        assert!(expected[followed..].iter().all(Option::is_none));
    }
}

#[test]
fn no_flipped_bit_of_a_followed_code_matches() {
    for (variant, bits) in [(Variant::Keyed, 216), (Variant::Keyed, 64), (Variant::Literal, 160)] {
        let config = config(variant, bits);
        let matcher = matcher(&Arc::new(book(config, 500)));
        for who in 0..20 {
            let message = announce(config, who, NOW);
            for bit in 0..232 {
                assert!(matcher.verify(window(), &flip(&message, bit)).is_err(), "{bits} bits, bit {bit}");
            }
        }
    }
}

#[test]
fn a_frame_of_the_period_before_is_a_replay_and_of_the_next_a_wrong_clock() {
    let config = config(Variant::Keyed, 216);
    let book = Arc::new(book(config, 100));
    let mut matcher = Matcher::new();
    for period in [window().first.0 - 1, window().first.0, window().first.0 + 1] {
        matcher.install(table(&book, PeriodIndex(period)));
    }
    let at = |offset: i64| UtcTime::from_millis(NOW.millis().saturating_add_signed(1000 * offset));
    for (offset, expected) in [
        (-2, Err(Refusal::Unknown)),
        (-1, Err(Refusal::Replay)),
        (0, Ok(())),
        (1, Err(Refusal::Clock)),
        (2, Err(Refusal::Unknown)),
    ] {
        let message = announce(config, 7, at(offset));
        assert_eq!(matcher.verify(window(), &message).map(|_| ()), expected, "{offset}");
    }
    // Within the uncertainty of an edge both neighbours are accepted.
    let edge = RotationPeriod::SECOND.window(NOW.plus_millis(480), 100);
    assert!(matcher.verify(edge, &announce(config, 7, at(0))).is_ok());
    assert!(matcher.verify(edge, &announce(config, 7, at(1))).is_ok());
}

/// A monitor over many periods: while one table is matched the next is built, and no frame is missed.
#[test]
fn tables_follow_the_time() {
    let config = config(Variant::Keyed, 216);
    let book = Arc::new(book(config, 300));
    let period = RotationPeriod::SECOND;
    let mut matcher = Matcher::new();
    let mut building: Option<TableBuilder<RotatingBook>> = None;
    let mut spare = None;
    // Built before the first frame, as a monitor does at its start.
    while let Some(period) = matcher.wanted(window()) {
        matcher.install(table(&book, period));
    }
    for step in 0..2000 {
        let time = NOW.plus_millis(10 * step);
        let window = period.window(time, 40);
        // A frame of a UE whose clock is 30 ms behind, and one of a UE whose clock is ahead.
        for skew in [time.minus_millis(30), time.plus_millis(30)] {
            let who = step % 300;
            let found = matcher.verify(window, &announce(config, who, skew));
            assert_eq!(found.unwrap().slot, Entry(who as u32), "step {step}");
        }
        // Ten codes per step: a table takes 30 steps of the 100.
        let builder = match building.take() {
            Some(builder) => Some(builder),
            None => matcher.wanted(window).map(|p| TableBuilder::new(book.clone(), p, spare.take()).unwrap()),
        };
        if let Some(mut builder) = builder {
            builder.build_chunk(10);
            match builder.finish() {
                Ok(table) => spare = matcher.install(table),
                Err(unfinished) => building = Some(unfinished),
            }
        }
    }
}

/// T2.1-7: the revoked friend sees nothing of the new ID, the others see it at once, and stragglers are followed.
#[test]
fn revocation_replaces_the_identity() {
    let config = config(Variant::Keyed, 216);
    let old = book(config, 10);
    let mut new = old.clone();
    let (id, key) = pair(500);
    let now = NOW.counter();
    let stragglers = new.replace(Entry(3), id, &key, FOREVER, now.plus(64)).unwrap();
    let (revoked, friend) = (matcher(&Arc::new(old)), matcher(&Arc::new(new.clone())));
    let announced = announce(config, 500, NOW);
    assert_eq!(revoked.verify(window(), &announced), Err(Refusal::Unknown));
    assert_eq!(friend.verify(window(), &announced).unwrap().slot, Entry(3));
    assert_eq!(friend.verify(window(), &announce(config, 3, NOW)).unwrap().slot, stragglers);
    // After that time the old pair is not followed, and another identity gets its place.
    let later = PeriodIndex(u64::from(now.value()) + 64);
    let table = table(&Arc::new(new.clone()), later);
    assert_eq!((table.placed(), table.unplaced()), (10, 0));
    assert_eq!(new.expire(now.plus(65)), [stragglers]);
    let (id, key) = pair(501);
    assert_eq!(new.follow(id, &key, FOREVER), stragglers);
    assert_eq!(new.replace(Entry(99), id, &key, FOREVER, now), None);
}

#[test]
fn identities_come_and_go_while_tables_are_in_use() {
    let config = config(Variant::Keyed, 216);
    let mut book = book(config, 2100);
    let matcher_before = matcher(&Arc::new(book.clone()));
    book.unfollow(Entry(2050));
    book.unfollow(Entry(2050));
    book.unfollow(Entry(1 << 20));
    let matcher_after = matcher(&Arc::new(book.clone()));
    let message = announce(config, 2050, NOW);
    assert!(
        matcher_before.verify(window(), &message).is_ok(),
        "a table keeps the book that it was built from"
    );
    assert_eq!(matcher_after.verify(window(), &message), Err(Refusal::Unknown));
    assert!(matcher_after.verify(window(), &announce(config, 2049, NOW)).is_ok());
    let (id, key) = pair(9000);
    assert_eq!(book.follow(id, &key, FOREVER), Entry(2050), "its place is used again, once");
    assert_eq!(book.len(), 2100);
    assert!(matcher(&Arc::new(book)).verify(window(), &announce(config, 9000, NOW)).is_ok());
}

/// Codes so short that they collide: all identities that match a frame are reported.
#[test]
fn short_codes_name_everybody_they_fit() {
    let config = config(Variant::Keyed, 12);
    let followed = 3000;
    let matcher = matcher(&Arc::new(book(config, followed)));
    let messages: Vec<_> = (0..followed).map(|who| announce(config, who, NOW)).collect();
    for (who, message) in messages.iter().enumerate().step_by(37) {
        let mut named = Vec::new();
        matcher.verify_each(window(), message, |m| named.push(m.unwrap().slot.0 as usize));
        named.sort_unstable();
        let expected: Vec<_> = (0..messages.len()).filter(|i| messages[*i] == *message).collect();
        assert_eq!(named, expected);
        assert!(named.contains(&who));
    }
    let error = TableBuilder::new(Arc::new(book(config, 5000)), PeriodIndex(1), None).err();
    assert_eq!(error, Some(TableError::CodesTooShort { bits: 12, followed: 5000 }));
}

/// One key that is followed many times accumulates in the table: bounded, counted, and no other identity is lost.
#[test]
fn the_same_key_many_times_is_bounded() {
    let config = config(Variant::Keyed, 216);
    let mut book = RotatingBook::new(config).unwrap();
    for _ in 0..5000 {
        let (id, key) = pair(1);
        book.follow(id, &key, FOREVER);
    }
    let table = table(&Arc::new(book), window().first);
    assert_eq!(table.placed() + table.unplaced(), 5000);
    assert_eq!(table.placed(), 512);
}

#[test]
fn a_nonce_cannot_be_tabled() {
    let config = OtaConfig::new(Variant::Keyed, 152, 64, RotationPeriod::SECOND).unwrap();
    assert_eq!(RotatingBook::new(config).err(), Some(NonceNotFollowable));
}

#[test]
fn a_million_fit_in_128_octets_each() {
    let config = config(Variant::Keyed, 216);
    let book = Arc::new(book(config, 4096));
    let matcher = matcher(&book);
    let tables = 3 * matcher.table(window().first).unwrap().octets();
    let octets = book.octets_per_identity() + tables.div_ceil(4096);
    assert!(octets < 128, "{octets}");
}

#[test]
fn exact_restricted_codes_are_matched_in_one_look_up() {
    for profile in
        [Profile::default(), Profile { layout: crate::discovery::Layout::LsbSecond, ..Profile::default() }]
    {
        let material = |who: u64| Material {
            dusk: Some(Dusk::from(pseudo_random::<16>(3 * who))),
            duik: Some(Duik::from(pseudo_random::<16>(3 * who + 1))),
            duck: who.is_multiple_of(2).then(|| (Duck::from(pseudo_random::<16>(3 * who + 2)), [0xf0; 23])),
        };
        let mut book = RestrictedBook::new(profile);
        for who in 0..200 {
            let slot = book.follow(0x81, pseudo_random(who), &material(who), FOREVER);
            assert_eq!(slot, Ok(Entry(who as u32)));
        }
        assert_eq!(
            book.follow(0x81, [0; 23], &Material { duik: None, ..material(0) }, FOREVER),
            Err(NoIntegrityKey)
        );
        book.unfollow(Entry(5));
        let matcher = matcher(&Arc::new(book));
        for who in 0..200 {
            let mut message = [0; 29];
            message[0] = 0x81;
            message[profile.layout.protected()][..23].copy_from_slice(&pseudo_random::<23>(who));
            let at = Freshness::at(NOW.counter());
            Sender::new(&material(who), profile).protect(&at, &mut message).unwrap();
            let found = matcher.verify(window(), &message);
            if who == 5 {
                assert_eq!(found, Err(Refusal::Unknown));
                continue;
            }
            assert_eq!(found.unwrap().slot, Entry(who as u32));
            for bit in (0..232).step_by(7) {
                assert!(matcher.verify(window(), &flip(&message, bit)).is_err());
            }
        }
    }
}

#[test]
fn random_octets_never_match() {
    let config = config(Variant::Keyed, 64);
    let matcher = matcher(&Arc::new(book(config, 1000)));
    for seed in 0..100_000 {
        let mut message: Message = pseudo_random(seed + 1_000_000);
        if seed % 2 == 0 {
            message[0] = MESSAGE_TYPE;
            message[28] = window().first.lsb();
        }
        assert_eq!(matcher.verify(window(), &message), Err(Refusal::Unknown));
    }
}

/// T2.1-5: random blocks match as often as calculated, N / 2^k per block of the right type, LSB and zeros.
#[test]
fn false_matches_follow_the_length_of_the_code() {
    let config = config(Variant::Keyed, 16);
    let followed = 256;
    let matcher = matcher(&Arc::new(book(config, followed)));
    let blocks = 1 << 18;
    let mut matches = 0_u32;
    for seed in 0..blocks {
        let mut message = [0; 29];
        message[0] = MESSAGE_TYPE;
        message[1..3].copy_from_slice(&pseudo_random::<2>(seed));
        message[28] = window().first.lsb();
        matcher.verify_each(window(), &message, |_| matches += 1);
    }
    // 2^18 * 256 / 2^16 = 1024, standard deviation 32: five standard deviations.
    assert!(matches.abs_diff(1024) < 160, "{matches} false matches");
}
