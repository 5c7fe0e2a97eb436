//! Counters in memory: for tests and benchmarks.
//!
//! They are lost with the process, and a lost counter is used again: no program that sends under lasting keys may use
//! them.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::reserve::{CounterStore, StreamId};

/// A [`CounterStore`] without a disk: it never fails and never blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory(BTreeMap<StreamId, u64>);

impl Memory {
    /// Sets the number of a stream, as if the counters below it had been reserved before.
    pub fn set(&mut self, stream: StreamId, number: u64) {
        self.0.insert(stream, number);
    }

    /// Returns the streams that were ever raised, with their numbers.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, u64)> {
        self.0.iter().map(|(stream, number)| (*stream, *number))
    }
}

impl CounterStore for Memory {
    type Error = Infallible;

    fn reserved(&self, stream: &StreamId) -> Result<u64, Infallible> {
        Ok(self.0.get(stream).copied().unwrap_or(0))
    }

    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, Infallible> {
        let number = self.0.entry(*stream).or_insert(0);
        let meets = *number == from;
        if meets {
            *number = to;
        }
        Ok(meets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_raised_from_what_it_is() {
        let (mut store, one, two) = (Memory::default(), StreamId([1; 16]), StreamId([2; 16]));
        assert_eq!((store.raise(&one, 0, 8), store.reserved(&one)), (Ok(true), Ok(8)));
        assert_eq!(
            (store.raise(&one, 0, 9), store.reserved(&one)),
            (Ok(false), Ok(8)),
            "it is not 0 any more"
        );
        assert_eq!(store.reserved(&two), Ok(0));
        store.set(two, 5);
        assert_eq!(store.streams().collect::<Vec<_>>(), [(one, 8), (two, 5)]);
    }
}
