//! Tables are the same whatever computes them: backends, threads and chunks.

use super::pseudo_random;
use crate::counter::{UtcCounter, UtcTime};
use crate::discovery::book::{Backend, CodeBook, Entry, RotatingBook, Words};
use crate::discovery::matching::{Alone, Matcher, PeriodTable, TableBuilder, Task, Workers};
use crate::discovery::ota::{OtaConfig, OtaIdentity, Variant};
use crate::discovery::rotation::RotationPeriod;
use crate::keys::ApplicationKey;
use proptest::prelude::*;
use std::sync::Arc;

const NOW: UtcTime = UtcTime::from_millis(1_700_000_000_500);

fn available() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_available())
}

fn pair(who: u64) -> ([u8; 20], ApplicationKey) {
    (pseudo_random(2 * who + 1), ApplicationKey::from(pseudo_random(2 * who + 2)))
}

/// What becomes of a place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Valid,
    /// Valid until the period begins: no longer in it.
    Over,
    Vacant,
}

proptest! {
    /// Any number of identities up to two groups and one more, some gone and some expired, read from any place on: each
    /// message is the one that the identity by itself announces.
    #[test]
    fn every_backend_expects_what_is_announced(
        fates in proptest::collection::vec(
            prop_oneof![4 => Just(Fate::Valid), 1 => Just(Fate::Over), 1 => Just(Fate::Vacant)], 1..=33),
        first in 0_usize..34,
        asked in 0_usize..40,
        literal: bool,
        bits in 8_u16..=160,
        seed in 0_u64..1000,
    ) {
        let variant = if literal { Variant::Literal } else { Variant::Keyed };
        let config = OtaConfig::new(variant, bits, 0, RotationPeriod::SECOND).unwrap();
        let now = NOW.counter();
        let expected = |place: usize| match fates.get(place) {
            Some(Fate::Valid) => {
                let (id, key) = pair(seed + place as u64);
                let message = OtaIdentity::new(config, id, &key).announce(NOW, &[]).unwrap();
                Some(Words::new(&message))
            }
            _ => None,
        };
        for backend in available() {
            let mut book = RotatingBook::on(backend, config).unwrap();
            for (place, fate) in fates.iter().enumerate() {
                let (id, key) = pair(seed + place as u64);
                let until = if *fate == Fate::Over { now } else { now.plus(1) };
                book.follow(id, &key, until);
            }
            for (place, _) in fates.iter().enumerate().filter(|(_, fate)| **fate == Fate::Vacant) {
                book.unfollow(Entry(place as u32));
            }
            let mut computed = vec![Some(Words([7; 4])); asked];
            book.expected(config.period().index(NOW), first, &mut computed);
            for (i, words) in computed.iter().enumerate() {
                prop_assert_eq!(*words, expected(first + i), "{:?} place {}", backend, first + i);
            }
        }
    }
}

/// Stands for threads: the parts of the work are done in the reverse of their order.
struct Backwards(usize);

impl Workers for Backwards {
    fn count(&self) -> usize {
        self.0
    }

    fn run(&self, tasks: Vec<Task<'_>>) {
        assert!(tasks.len() <= self.0.max(1), "{} tasks for {} threads", tasks.len(), self.0);
        tasks.into_iter().rev().for_each(|task| task());
    }
}

/// Codes so short that identities share them: a table names them in the order in which it stored them.
fn named(table: PeriodTable<RotatingBook>, config: OtaConfig) -> (usize, usize, Vec<Vec<u32>>) {
    let (placed, unplaced) = (table.placed(), table.unplaced());
    let mut matcher = Matcher::new();
    matcher.install(table);
    let window = config.period().window(NOW, 0);
    let named = (0..300_u64).map(|i| {
        let (id, key) = pair(i * 67);
        let message = OtaIdentity::new(config, id, &key).announce(NOW, &[]).unwrap();
        let mut named = Vec::new();
        matcher.verify_each(window, &message, |found| named.push(found.unwrap().slot.0));
        named
    });
    (placed, unplaced, named.collect())
}

#[test]
fn any_number_of_threads_builds_the_same_table() {
    // A table of one shard, and one of several; 17 bits for 20000 identities.
    for (followed, bits) in [(0, 17), (1, 17), (2000, 17), (20_003, 17)] {
        let config = OtaConfig::new(Variant::Keyed, bits, 0, RotationPeriod::SECOND).unwrap();
        let mut book = RotatingBook::new(config).unwrap();
        for who in 0..followed {
            let (id, key) = pair(who);
            book.follow(id, &key, UtcCounter::new(u32::MAX));
        }
        // One of them a hundred times.
        for _ in 0..followed.min(100) {
            let (id, key) = pair(67);
            book.follow(id, &key, UtcCounter::new(u32::MAX));
        }
        let (book, period) = (Arc::new(book), config.period().index(NOW));
        let build = |step: &dyn Fn(&mut TableBuilder<RotatingBook>) -> bool| {
            let mut builder = TableBuilder::new(Arc::clone(&book), period, None).unwrap();
            while !step(&mut builder) {}
            // Nothing more is done to a table that is complete.
            assert!(step(&mut builder));
            named(builder.finish().ok().unwrap(), config)
        };
        let alone = build(&|builder| builder.build_round(&Alone));
        assert_eq!(alone.0 + alone.1, book.len());
        if followed > 67 {
            assert!(alone.2[1].len() > 100, "{:?}", alone.2[1]);
        }
        for threads in [2, 3, 16, 100] {
            assert_eq!(
                build(&|builder| builder.build_round(&Backwards(threads))),
                alone,
                "{threads} threads"
            );
        }
        assert_eq!(build(&|builder| builder.build_chunk(997)), alone, "chunks");
        // Begun in chunks, ended by threads.
        let mixed = build(&|builder| builder.build_chunk(101) || builder.build_round(&Backwards(2)));
        assert_eq!(mixed, alone, "chunks, then threads");
    }
}

/// More identities than a round has, twice into the same memory.
#[test]
fn a_table_of_several_rounds_is_complete() {
    let config = OtaConfig::new(Variant::Keyed, 216, 0, RotationPeriod::SECOND).unwrap();
    let mut book = RotatingBook::new(config).unwrap();
    let followed = (1 << 18) + 1000;
    let (_, key) = pair(1);
    let id = |who: u32| {
        let mut id = [0; 20];
        id[..4].copy_from_slice(&who.to_be_bytes());
        id
    };
    for who in 0..followed {
        book.follow(id(who), &key, UtcCounter::new(u32::MAX));
    }
    let (book, window) = (Arc::new(book), config.period().window(NOW, 0));
    let mut old = None;
    for workers in [2, 3] {
        let mut builder = TableBuilder::new(Arc::clone(&book), window.first, old.take()).unwrap();
        while !builder.build_round(&Backwards(workers)) {}
        let table = builder.finish().ok().unwrap();
        assert_eq!((table.placed(), table.unplaced()), (followed as usize, 0));
        let mut matcher = Matcher::new();
        matcher.install(table);
        for who in [0, 1, (1 << 17) + 5, (1 << 18) - 1, 1 << 18, followed - 1] {
            let message = OtaIdentity::new(config, id(who), &key).announce(NOW, &[]).unwrap();
            assert_eq!(matcher.verify(window, &message).unwrap().slot, Entry(who));
        }
        // A later table of the same period returns the memory of this one.
        let again =
            TableBuilder::new(Arc::new(RotatingBook::new(config).unwrap()), window.first, None).unwrap();
        old = matcher.install(again.finish().ok().unwrap());
        assert!(old.is_some());
    }
}
