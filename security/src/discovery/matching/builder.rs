//! Building a table: codes computed and sorted in ranges of places, then stored in shards; both by several threads.
//!
//! ```text
//!              thread 0              thread 1
//!  places      0 .. 524287           524288 .. 1048575        computed, and sorted by regions of the digest
//!              ------------ all have ended -----------
//!  shards      0, 2, 4 ..            1, 3, 5 ..               each takes its digests from both, in the order of places
//!              ------------ all have ended -----------        next round
//! ```
//!
//! The table is the same whatever the number of threads.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::super::book::{CodeBook, Words};
use super::super::rotation::PeriodIndex;
use super::PeriodTable;
use super::storage::{MOST_REGIONS, Shard, digest_of, region, regions};

/// Places of a round. Digests are stored when those of a round are known.
const ROUND: usize = 1 << 20;

/// Identities whose messages are computed before their digests.
const BATCH: usize = 128;

/// Something for one thread to do.
pub type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Threads that build a table: this crate has none.
pub trait Workers {
    /// Returns into how many parts to divide the work.
    fn count(&self) -> usize;

    /// Does all of it, in any order or at once, and returns when it is done.
    fn run(&self, tasks: Vec<Task<'_>>);
}

/// The calling thread alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Workers for Alone {
    fn count(&self) -> usize {
        1
    }

    fn run(&self, tasks: Vec<Task<'_>>) {
        for task in tasks {
            task();
        }
    }
}

/// Builds a [`PeriodTable`], a chunk at a time, on any thread or on several. It needs 20 octets a place and at most 20 MiB
/// while it works.
pub struct TableBuilder<B> {
    table: PeriodTable<B>,
    /// The next place to be computed.
    next: usize,
    scratch: Scratch,
}

/// The memory of a builder, which the next one uses.
#[derive(Default)]
pub struct Scratch {
    /// Digests of the places of this round, up to the next one.
    digests: Vec<Option<NonZeroU64>>,
    /// The same without vacant places, by region, and the place of each.
    sorted: Vec<u64>,
    places: Vec<u32>,
}

impl Scratch {
    /// Returns the octets that it takes.
    pub const fn octets(&self) -> usize {
        size_of::<Option<NonZeroU64>>() * self.digests.len()
            + size_of::<u64>() * self.sorted.len()
            + size_of::<u32>() * self.places.len()
    }

    /// Makes room for a round of a table with so many places. What is in it does not matter.
    fn fit(&mut self, places: usize) {
        let room = places.min(ROUND);
        self.digests.resize(room, None);
        self.sorted.resize(room, 0);
        self.places.resize(room, 0);
    }
}

/// The operator's error: too many identities, or codes that are too short for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// More identities than values of the code.
    CodesTooShort {
        /// Number of bits of the code.
        bits: u32,
        /// Number of followed identities.
        followed: usize,
    },
    /// More than 2^30 places.
    TooMany {
        /// Number of followed identities.
        followed: usize,
    },
}

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CodesTooShort { bits, followed } => {
                write!(f, "codes of {bits} bits cannot tell {followed} identities apart")
            }
            Self::TooMany { followed } => write!(f, "{followed} identities: 2^30 can be followed"),
        }
    }
}

impl std::error::Error for TableError {}

/// A range of the places of a round, and the digests of its places by region.
struct Range<'a> {
    first: usize,
    digests: &'a mut [Option<NonZeroU64>],
    sorted: &'a mut [u64],
    places: &'a mut [u32],
    /// End of each region in `sorted`.
    ends: Vec<u32>,
}

impl<B: CodeBook> TableBuilder<B> {
    /// Begins the table of `period`. `old` is a table that [`Matcher::install`] returned: its memory is reused.
    pub fn new(book: Arc<B>, period: PeriodIndex, old: Option<PeriodTable<B>>) -> Result<Self, TableError> {
        let followed = book.len();
        if followed > 1 << 30 {
            return Err(TableError::TooMany { followed });
        }
        let bits = book.code_bits();
        if bits < 63 && followed as u64 > 1 << bits {
            return Err(TableError::CodesTooShort { bits, followed });
        }
        let mut storage = old.map(|table| table.storage).unwrap_or_default();
        storage.renew(followed);
        Ok(Self { table: PeriodTable { book, period, storage }, next: 0, scratch: Scratch::default() })
    }

    /// Builds in the memory of an earlier builder.
    #[must_use]
    pub fn with(mut self, scratch: Scratch) -> Self {
        self.scratch = scratch;
        self
    }

    /// Returns the period of the table.
    pub const fn period(&self) -> PeriodIndex {
        self.table.period
    }

    /// Computes and stores the codes of the next `places` places. Returns whether the table is complete.
    pub fn build_chunk(&mut self, places: usize) -> bool {
        self.scratch.fit(self.table.book.len());
        let end = self.next.saturating_add(places).min(self.table.book.len());
        while self.next < end {
            let first = self.next % ROUND;
            let n = (end - self.next).min(ROUND - first);
            compute(
                &*self.table.book,
                self.table.period,
                self.next,
                &mut self.scratch.digests[first..first + n],
            );
            self.next += n;
            self.store_round(&Alone);
        }
        self.is_complete()
    }

    /// Computes and stores the codes of the next round, at most 1048576 places, on several threads. Returns whether the
    /// table is complete.
    pub fn build_round(&mut self, workers: &dyn Workers) -> bool {
        if self.is_complete() {
            return true;
        }
        self.scratch.fit(self.table.book.len());
        let before = self.next % ROUND;
        let n = (self.table.book.len() - self.next).min(ROUND - before);
        let (book, period) = (&*self.table.book, self.table.period);
        let each = n.div_ceil(workers.count().max(1)).next_multiple_of(BATCH);
        let ranges = self.scratch.digests[before..before + n].chunks_mut(each).enumerate();
        let tasks = ranges.map(|(i, digests)| {
            let first = self.next + i * each;
            Box::new(move || compute(book, period, first, digests)) as Task<'_>
        });
        workers.run(tasks.collect());
        self.next += n;
        self.store_round(workers);
        self.is_complete()
    }

    /// Stores the digests when those of a round are complete.
    fn store_round(&mut self, workers: &dyn Workers) {
        let n = match self.next % ROUND {
            0 if self.next > 0 => ROUND,
            n if self.is_complete() => n,
            _ => return,
        };
        let each = n.div_ceil(workers.count().max(1)).max(1);
        let first = self.next - n;
        let count = regions(self.table.book.len());
        let Scratch { digests, sorted, places } = &mut self.scratch;
        let digests = digests[..n].chunks_mut(each);
        let sorted = sorted[..n].chunks_mut(each).zip(places[..n].chunks_mut(each));
        let mut ranges: Vec<Range<'_>> = (digests.zip(sorted).enumerate())
            .map(|(i, (digests, (sorted, places)))| Range {
                first: first + i * each,
                digests,
                sorted,
                places,
                ends: vec![0; count],
            })
            .collect();
        workers.run(ranges.iter_mut().map(|range| Box::new(|| range.sort()) as Task<'_>).collect());
        let ranges = &ranges;
        let shards = self.table.storage.shards();
        let regions = count / shards.len();
        let each = shards.len().div_ceil(workers.count().max(1));
        let tasks = shards.chunks_mut(each).enumerate().map(|(i, shards)| {
            Box::new(move || {
                for (at, shard) in shards.iter_mut().enumerate() {
                    shard.empty();
                    let first = (i * each + at) * regions;
                    (first..first + regions).for_each(|region| store(ranges, region, shard));
                }
            }) as Task<'_>
        });
        workers.run(tasks.collect());
    }

    /// Returns the number of places, vacant ones included.
    pub fn places(&self) -> usize {
        self.table.book.len()
    }

    /// Whether all places are in the table.
    pub fn is_complete(&self) -> bool {
        self.next == self.table.book.len()
    }

    /// Returns the table, or the builder if the table is incomplete.
    #[allow(clippy::result_large_err)] // once per period, not per frame
    pub fn finish(self) -> Result<PeriodTable<B>, Self> {
        self.finish_with_scratch().map(|(table, _)| table)
    }

    /// Returns the table and the memory of the builder, for [`Self::with`]; or the builder if the table is incomplete.
    #[allow(clippy::result_large_err)] // once per period, not per frame
    pub fn finish_with_scratch(mut self) -> Result<(PeriodTable<B>, Scratch), Self> {
        if !self.is_complete() {
            return Err(self);
        }
        // Those of no identity.
        self.table.storage.shards().iter_mut().for_each(Shard::empty);
        Ok((self.table, self.scratch))
    }
}

/// Computes the digests of the places from `first` on.
fn compute<B: CodeBook>(book: &B, period: PeriodIndex, first: usize, digests: &mut [Option<NonZeroU64>]) {
    let mut expected: [Option<Words>; BATCH] = [None; BATCH];
    for (i, digests) in digests.chunks_mut(BATCH).enumerate() {
        let expected = &mut expected[..digests.len()];
        book.expected(period, first + i * BATCH, expected);
        for (digest, words) in digests.iter_mut().zip(expected) {
            *digest = words.as_ref().map(digest_of);
        }
    }
}

impl Range<'_> {
    /// Sorts the digests by regions, with their order kept in each.
    fn sort(&mut self) {
        let regions = self.ends.len().min(MOST_REGIONS);
        for digest in self.digests.iter().flatten() {
            self.ends[region(*digest, regions)] += 1;
        }
        let mut sum = 0;
        for end in &mut self.ends {
            sum += std::mem::replace(end, sum);
        }
        for (i, digest) in self.digests.iter().enumerate() {
            if let Some(digest) = digest {
                let end = &mut self.ends[region(*digest, regions)];
                self.sorted[*end as usize] = digest.get();
                self.places[*end as usize] = (self.first + i) as u32;
                *end += 1;
            }
        }
    }

    /// Returns the digests of a region and their places, in the order of places.
    fn region(&self, region: usize) -> (&[u64], &[u32]) {
        let begin = if region == 0 { 0 } else { self.ends[region - 1] as usize };
        let end = self.ends[region] as usize;
        (&self.sorted[begin..end], &self.places[begin..end])
    }
}

fn store(ranges: &[Range<'_>], region: usize, shard: &mut Shard) {
    for (digests, places) in ranges.iter().map(|range| range.region(region)) {
        shard.insert_all(digests, places);
    }
}
