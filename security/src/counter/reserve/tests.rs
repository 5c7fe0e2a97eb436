use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A store in memory. A raise survives the crash of the process that made it; a raise can be cut before or after it
/// became durable, and the caller never learns which.
#[derive(Default)]
struct Memory {
    numbers: BTreeMap<StreamId, u64>,
    writes: usize,
}

impl CounterStore for Memory {
    type Error = std::convert::Infallible;

    fn reserved(&self, stream: &StreamId) -> Result<u64, Self::Error> {
        Ok(self.numbers.get(stream).copied().unwrap_or(0))
    }

    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, Self::Error> {
        let number = self.numbers.entry(*stream).or_insert(0);
        if *number != from {
            return Ok(false);
        }
        *number = to;
        self.writes += 1;
        Ok(true)
    }
}

const STREAM: StreamId = StreamId([7; 16]);

fn open(store: &mut Memory, config: ReserveConfig, limit: u64) -> Lease {
    Lease::open(STREAM, 1, limit, config, store).unwrap()
}

#[test]
fn a_lease_that_reserves_nothing_yet_waits_and_goes_on_above_what_may_be_used() {
    let mut store = Memory::default();
    let config = ReserveConfig { block: 4, low_water: 1 };
    for first in [1, 5] {
        let mut lease = Lease::at(STREAM, store.reserved(&STREAM).unwrap(), 1, 100, config);
        assert_eq!(lease.take(), Err(TakeError::Waiting));
        let reservation = lease.wanted().unwrap();
        lease.grant(reservation.commit(&mut store).unwrap());
        assert_eq!(lease.take(), Ok(first));
    }
}

/// Moment of a sender's crash.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Between two counters.
    BetweenCounters,
    /// A reservation was requested and not yet written.
    BeforeCommit,
    /// The reservation is durable, but the lease does not know.
    AfterCommit,
}

proptest! {
    /// Lives of a sender, each ended by a crash at any point: no counter is handed out twice, and each crash skips at
    /// most the stated number.
    #[test]
    fn no_crash_repeats_a_counter(
        block in 1_u32..40,
        low_water in 0_u32..60,
        lives in proptest::collection::vec(
            (0_usize..200, prop_oneof![Just(Death::BetweenCounters), Just(Death::BeforeCommit), Just(Death::AfterCommit)],
             0_usize..6),
            1..20),
    ) {
        let config = ReserveConfig { block, low_water };
        let mut store = Memory::default();
        let mut last = 0;
        for (steps, death, delay) in lives {
            let mut lease = open(&mut store, config, 1 << 40);
            let mut on_its_way: Option<(Reservation, usize)> = None;
            let mut first_of_life = true;
            for _ in 0..steps {
                if let Ok(counter) = lease.take() {
                    prop_assert!(counter > last, "{counter} after {last}");
                    if first_of_life {
                        prop_assert!(counter - last - 1 <= config.max_skip(), "{last} -> {counter}");
                        first_of_life = false;
                    } else {
                        prop_assert_eq!(counter, last + 1, "nothing is skipped within a life");
                    }
                    last = counter;
                }
                if let Some(reservation) = lease.wanted() {
                    on_its_way = Some((reservation, delay));
                }
                // The store answers after some steps while the sample path continues.
                if let Some((reservation, left)) = on_its_way.take() {
                    if left == 0 {
                        lease.grant(reservation.commit(&mut store).unwrap());
                    } else {
                        on_its_way = Some((reservation, left - 1));
                    }
                }
            }
            if first_of_life {
                // No counter was handed out: the life skipped its reservation without using it.
                let stored = store.numbers[&STREAM];
                prop_assert!(stored > last);
                last = stored.max(last + 1) - 1;
            }
            match (death, on_its_way) {
                (Death::AfterCommit, Some((reservation, _))) => {
                    let _ = reservation.commit(&mut store).unwrap();
                }
                (Death::AfterCommit | Death::BeforeCommit | Death::BetweenCounters, _) => {}
            }
        }
    }
}

#[test]
fn the_end_of_the_range_is_an_error_for_ever() {
    let mut store = Memory::default();
    let config = ReserveConfig { block: 3, low_water: 1 };
    let mut lease = open(&mut store, config, 10);
    let mut seen = Vec::new();
    for _ in 0..50 {
        if let Some(reservation) = lease.wanted() {
            lease.grant(reservation.commit(&mut store).unwrap());
        }
        match lease.take() {
            Ok(counter) => seen.push(counter),
            Err(error) => assert_eq!(error, TakeError::Exhausted),
        }
    }
    assert_eq!(seen, (1..10).collect::<Vec<_>>());
    assert_eq!(open(&mut store, config, 10).take(), Err(TakeError::Exhausted));
}

#[test]
fn a_slow_store_stops_the_sender_without_blocking_it() {
    let mut store = Memory::default();
    let mut lease = open(&mut store, ReserveConfig { block: 4, low_water: 2 }, 100);
    let mut reservation = None;
    let mut taken = 0;
    for _ in 0..10 {
        taken += usize::from(lease.take().is_ok());
        reservation = reservation.or(lease.wanted());
    }
    assert_eq!((taken, lease.take()), (4, Err(TakeError::Waiting)));
    assert!(lease.wanted().is_none(), "one reservation at a time");
    lease.grant(reservation.unwrap().commit(&mut store).unwrap());
    assert!(lease.take().is_ok());
}

#[test]
fn a_second_process_on_the_same_store_is_told() {
    let mut store = Memory::default();
    let config = ReserveConfig { block: 4, low_water: 4 };
    let mut one = open(&mut store, config, 100);
    let mut two = open(&mut store, config, 100);
    // Their blocks do not overlap, and the first to extend loses.
    let error = one.wanted().unwrap().commit(&mut store).unwrap_err();
    assert_eq!(error, CommitError::Conflict);
    assert!(error.to_string().contains("two senders on one key store"));
    let mut all: Vec<u64> = Vec::new();
    while let Ok(counter) = one.take() {
        all.push(counter);
    }
    while let Ok(counter) = two.take() {
        all.push(counter);
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn reservations_are_few() {
    let mut store = Memory::default();
    let mut lease = open(&mut store, ReserveConfig::default(), 1 << 32);
    for _ in 0..100_000 {
        lease.take().unwrap();
        if let Some(reservation) = lease.wanted() {
            lease.grant(reservation.commit(&mut store).unwrap());
        }
    }
    assert!(store.writes <= 100_000 / 1024 + 2, "{} writes", store.writes);
}
