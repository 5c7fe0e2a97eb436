//! Matching at scale: one look-up per frame, whatever the number of followed identities.
//!
//! ```text
//!  book ---expected--> TableBuilder::build_chunk (any thread) ---finish--> PeriodTable --install--> Matcher
//!                      next period, while the current one is matched                 previous | current | next
//! ```
//!
//! A [`PeriodTable`] holds the expected message of every followed identity in one rotation period: a 64-bit digest of
//! each whole message (type, code, zeros and LSB). A bitmap of 16 bits per identity rejects 94 % of foreign frames with
//! one memory access; an array of buckets, one cache line of eight entries each, three quarters full, identifies the
//! sender with one more: the position of an entry gives the digest's top bits, the entry its other bits and the
//! identity's place in the book. Nothing is computed again on a hit, whose cost is the two memory accesses, and they do
//! not depend on each other.
//!
//! **What a match proves.** All 232 bits have the digest of an expected message: about 61 bits of the digest are
//! compared (64, less those that a bucket and a full neighbour leave open). A flipped bit always changes them. A
//! guessed message matches any of N identities with probability N / 2^61 per frame; a MIC has 2^-32. The digest need
//! not be secret: it is computed from the output of a pseudo-random function that an outsider cannot compute before it
//! is on the air.
//!
//! The total is 12.7 octets per identity and table, 38 with three tables, 126 with the book.
//!
//! No item here has a thread or a lock. The builder is `Send`: its driver calls [`TableBuilder::build_chunk`] until the
//! table is complete and hands it over; [`Matcher::install`] moves three pointers. A monitor calls [`Matcher::wanted`]
//! to learn which period to build next; it has a whole rotation period to do so.

use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::book::{CodeBook, Entry, Words};
use super::rotation::{PeriodIndex, Window};
use super::{Message, Refusal, Verified};

/// The codes of one period.
pub struct PeriodTable<B> {
    book: Arc<B>,
    period: PeriodIndex,
    storage: Storage,
    placed: usize,
    unplaced: usize,
}

/// The memory of a table, which the next table reuses.
#[derive(Default)]
struct Storage {
    buckets: Vec<Bucket>,
    front: Vec<u64>,
    index_bits: u32,
}

/// One cache line of entries: 0 is free, otherwise low bits of the digest || place + 1. Filled from the front.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([u64; ENTRIES]);

const ENTRIES: usize = 8;

/// Followed places per bucket: the array is three quarters full.
const PLACES_PER_BUCKET: usize = 6;

/// Bits of the front per followed place.
const FRONT_BITS_PER_PLACE: usize = 16;

/// Number of buckets that are searched for an entry, from its own on. At three quarters full, with random codes, a few
/// are enough; followed identities that share one code (the same key given twice) accumulate, and the rest is counted
/// as unplaced.
const MAX_BUCKETS: usize = 64;

/// Identities whose messages are computed before they are stored, so that the stores overlap.
const BATCH: usize = 128;

/// Digests that are collected before they are stored, region by region, so that the cache lines of a region are used
/// more than once while they are cached.
const COLLECTED: usize = 1 << 17;

/// Number of regions of the table, by the top bits of the digest.
const REGIONS: usize = 64;

/// Builds a [`PeriodTable`], a chunk at a time, on any thread. It needs 1.5 MB while it works.
pub struct TableBuilder<B> {
    table: PeriodTable<B>,
    /// The next place to be computed.
    next: usize,
    /// Digests of the last places, not stored yet.
    collected: Vec<Option<NonZeroU64>>,
    /// Positions in `collected`, by region.
    sorted: Vec<u32>,
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

impl<B: CodeBook> TableBuilder<B> {
    /// Begins the table of `period`. `old` is a table that [`Matcher::install`] returned: its memory is reused, so that
    /// nothing is allocated in steady state.
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
        storage.clear(followed);
        let room = followed.min(COLLECTED);
        Ok(Self {
            table: PeriodTable { book, period, storage, placed: 0, unplaced: 0 },
            next: 0,
            collected: Vec::with_capacity(room),
            sorted: vec![0; room],
        })
    }

    /// Returns the period of the table.
    pub const fn period(&self) -> PeriodIndex {
        self.table.period
    }

    /// Computes and stores the codes of the next `places` places. Returns whether the table is complete.
    pub fn build_chunk(&mut self, places: usize) -> bool {
        let end = self.next.saturating_add(places).min(self.table.book.len());
        let mut expected = [None; BATCH];
        while self.next < end {
            let n = BATCH.min(end - self.next);
            self.table.book.expected(self.table.period, self.next, &mut expected[..n]);
            self.insert(&expected[..n]);
        }
        self.is_complete()
    }

    /// Stores results of [`CodeBook::expected`] for the next places, so that several cores can compute them. Results
    /// beyond the end of the book are ignored.
    pub fn insert(&mut self, expected: &[Option<Words>]) {
        let left = self.table.book.len() - self.next;
        for words in expected.iter().take(left) {
            self.collected.push(words.as_ref().map(digest_of));
            self.next += 1;
            if self.collected.len() == self.sorted.len() || self.is_complete() {
                self.flush();
            }
        }
    }

    /// Sorts the collected digests by regions, with their order kept in each, and stores them.
    fn flush(&mut self) {
        const fn region(digest: NonZeroU64) -> usize {
            (digest.get() >> (64 - REGIONS.ilog2())) as usize
        }
        let mut ends = [0; REGIONS];
        for digest in self.collected.iter().flatten() {
            ends[region(*digest)] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        for (i, digest) in self.collected.iter().enumerate() {
            if let Some(digest) = digest {
                let end = &mut ends[region(*digest)];
                self.sorted[*end] = i as u32;
                *end += 1;
            }
        }
        let storage = &mut self.table.storage;
        let first = self.next - self.collected.len();
        for batch in self.sorted[..sum].chunks(BATCH) {
            let digests = batch.iter().map(|i| self.collected[*i as usize].map_or(0, NonZeroU64::get));
            storage.touch(digests.clone());
            for (digest, i) in digests.zip(batch) {
                match storage.insert(digest, first + *i as usize) {
                    true => self.table.placed += 1,
                    false => self.table.unplaced += 1,
                }
            }
        }
        self.collected.clear();
    }

    /// Whether all places are in the table.
    pub fn is_complete(&self) -> bool {
        self.next == self.table.book.len()
    }

    /// Returns the table, or the builder if the table is incomplete.
    #[allow(clippy::result_large_err)] // once per period, not per frame
    pub fn finish(self) -> Result<PeriodTable<B>, Self> {
        if self.is_complete() { Ok(self.table) } else { Err(self) }
    }
}

impl Storage {
    fn clear(&mut self, places: usize) {
        let words = (FRONT_BITS_PER_PLACE * places).div_ceil(64).max(1);
        self.buckets.clear();
        self.buckets.resize(places.div_ceil(PLACES_PER_BUCKET).max(1), Bucket::default());
        self.front.clear();
        self.front.resize(words, 0);
        self.index_bits = usize::BITS - places.leading_zeros();
    }

    /// Reads the entries at the positions of these digests, without a decision on them: the cache misses of a batch
    /// overlap, which the branches of [`Self::insert`] would prevent.
    fn touch(&self, digests: impl Iterator<Item = u64>) {
        let seen = digests.fold(0, |seen, digest| {
            let bucket = &self.buckets[spread(digest, self.buckets.len())];
            seen ^ bucket.0[0] ^ self.front[self.front_bit(digest).0]
        });
        std::hint::black_box(seen);
    }

    fn insert(&mut self, digest: u64, place: usize) -> bool {
        let (word, bit) = self.front_bit(digest);
        self.front[word] |= 1 << bit;
        let mut at = spread(digest, self.buckets.len());
        for _ in 0..MAX_BUCKETS.min(self.buckets.len()) {
            let bucket = &mut self.buckets[at].0;
            // Finds the first free entry by halving, without a branch: the processor cannot predict which one it is.
            let mut free = 4 * usize::from(bucket[3] != 0);
            free += 2 * usize::from(bucket[free + 1] != 0);
            free += usize::from(bucket[free] != 0);
            if bucket[free] == 0 {
                bucket[free] = digest << self.index_bits | (place as u64 + 1);
                return true;
            }
            at = if at + 1 == self.buckets.len() { 0 } else { at + 1 };
        }
        false
    }

    /// Calls `each` for every place whose message has this digest.
    #[inline]
    fn find(&self, digest: u64, each: impl FnMut(Entry)) {
        let (word, bit) = self.front_bit(digest);
        if self.front[word] >> bit & 1 == 1 {
            self.probe(digest, each);
        }
    }

    fn probe(&self, digest: u64, mut each: impl FnMut(Entry)) {
        let wanted = digest << self.index_bits;
        let place = (1_u64 << self.index_bits) - 1;
        let mut at = spread(digest, self.buckets.len());
        for _ in 0..MAX_BUCKETS.min(self.buckets.len()) {
            for entry in self.buckets[at].0 {
                if entry == 0 {
                    return;
                }
                if entry & !place == wanted {
                    each(Entry((entry & place) as u32 - 1));
                }
            }
            at = if at + 1 == self.buckets.len() { 0 } else { at + 1 };
        }
    }

    #[inline]
    fn front_bit(&self, digest: u64) -> (usize, u32) {
        let at = spread(digest, 64 * self.front.len());
        (at / 64, (at % 64) as u32)
    }
}

/// Multipliers of the digest: fractional parts of square roots, chosen without a structure. The tests show that every
/// single flipped bit changes the stored part of the digest.
const MULTIPLIERS: [u128; 4] = [
    0x6a09_e667_f3bc_c908_b2fb_1366_ea95_7d3e,
    0xbb67_ae85_84ca_a73b_2574_2d70_78b8_3b89,
    0x3c6e_f372_fe94_f82b_e739_80c0_b9db_9069,
    0xa54f_f53a_5f1d_36f1_cea7_e61f_c37a_20d5,
];

/// Returns the upper half of a sum of products modulo 2^128: multilinear hashing.
#[inline]
fn digest_of(words: &Words) -> NonZeroU64 {
    let sum =
        words.0.iter().zip(MULTIPLIERS).fold(0_u128, |sum, (word, multiplier)| {
            sum.wrapping_add(multiplier.wrapping_mul(u128::from(*word)))
        });
    // Zero becomes one, so that `None` costs no memory.
    NonZeroU64::new((sum >> 64) as u64).unwrap_or(NonZeroU64::MIN)
}

/// Maps the top 32 bits of the digest to a position in `0..n`, n below 2^36.
#[inline]
const fn spread(digest: u64, n: usize) -> usize {
    (((digest >> 32) as u128 * n as u128) >> 32) as usize
}

impl<B: CodeBook> PeriodTable<B> {
    /// Returns the period of the table.
    pub const fn period(&self) -> PeriodIndex {
        self.period
    }

    /// Returns the book that it was built from.
    pub const fn book(&self) -> &Arc<B> {
        &self.book
    }

    /// Returns the number of codes in the table.
    pub const fn placed(&self) -> usize {
        self.placed
    }

    /// Returns the number of codes that found no place because too many share one value (the same key followed many
    /// times): they are not matched.
    pub const fn unplaced(&self) -> usize {
        self.unplaced
    }

    /// Returns the octets of the table.
    pub fn octets(&self) -> usize {
        size_of::<Bucket>() * self.storage.buckets.len() + 8 * self.storage.front.len()
    }
}

/// The sender of a frame, and the period of its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Place in the book of the table that matched.
    pub slot: Entry,
    /// The rotation period of the code.
    pub period: PeriodIndex,
}

/// Matches frames against up to three tables: previous, current and next.
pub struct Matcher<B> {
    /// Tables in ascending order of their periods.
    tables: Vec<PeriodTable<B>>,
}

/// Number of tables that are held at once.
const TABLES: usize = 3;

impl<B> Default for Matcher<B> {
    fn default() -> Self {
        Self { tables: Vec::with_capacity(TABLES + 1) }
    }
}

impl<B: CodeBook> Matcher<B> {
    /// Makes a matcher without a table: nothing matches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Installs a table. It replaces one of the same period; of more than three the oldest is removed. The removed
    /// table is returned, so that the next builder can use its memory and it is not freed here.
    pub fn install(&mut self, table: PeriodTable<B>) -> Option<PeriodTable<B>> {
        self.put(table, |_| 0)
    }

    /// Installs a table as [`Self::install`], but of more than three the one that is furthest from the periods `wanted`
    /// is removed: when time goes back, the tables that are built for it are kept.
    pub fn install_near(
        &mut self,
        table: PeriodTable<B>,
        wanted: RangeInclusive<u64>,
    ) -> Option<PeriodTable<B>> {
        self.put(table, |period| period.0.abs_diff(period.0.clamp(*wanted.start(), *wanted.end())))
    }

    /// Adds a table; of more than three it removes the first one with the greatest distance.
    fn put(
        &mut self,
        table: PeriodTable<B>,
        distance: impl Fn(PeriodIndex) -> u64,
    ) -> Option<PeriodTable<B>> {
        match self.tables.binary_search_by_key(&table.period, |t| t.period) {
            Ok(i) => return Some(std::mem::replace(&mut self.tables[i], table)),
            Err(i) => self.tables.insert(i, table),
        }
        if self.tables.len() <= TABLES {
            return None;
        }
        let (mut gone, mut furthest) = (0, 0);
        for (i, table) in self.tables.iter().enumerate() {
            let distance = distance(table.period);
            if distance > furthest {
                (gone, furthest) = (i, distance);
            }
        }
        Some(self.tables.remove(gone))
    }

    /// Returns the first period of `window`, or the one after it, without a table: the one to be built next.
    pub fn wanted(&self, window: Window) -> Option<PeriodIndex> {
        (window.first.0..=window.last.0.saturating_add(1))
            .take(TABLES)
            .map(PeriodIndex)
            .find(|p| self.table(*p).is_none())
    }

    /// Returns the table of a period.
    pub fn table(&self, period: PeriodIndex) -> Option<&PeriodTable<B>> {
        self.tables.iter().find(|t| t.period == period)
    }

    /// Returns the sender of a frame: the first identity that matches; with codes of 64 bits or more there is never a
    /// second.
    ///
    /// Refused: [`Refusal::Replay`] for a code of a period before the window whose table is still here,
    /// [`Refusal::Clock`] for one after it, else [`Refusal::Unknown`].
    #[inline]
    pub fn verify(&self, window: Window, message: &Message) -> Result<Verified<Match>, Refusal> {
        let mut first = Err(Refusal::Unknown);
        self.verify_each(window, message, |result| {
            if first.is_err() {
                first = result;
            }
        });
        first
    }

    /// Verifies as [`Self::verify`], for codes so short that several identities can share one: calls `each` for every
    /// identity with this whole message.
    #[inline]
    pub fn verify_each(
        &self,
        window: Window,
        message: &Message,
        mut each: impl FnMut(Result<Verified<Match>, Refusal>),
    ) {
        let digest = digest_of(&Words::new(message)).get();
        for table in &self.tables {
            if !table.book.claims(message, table.period) {
                continue;
            }
            table.storage.find(digest, |slot| {
                each(match table.period {
                    period if period < window.first => Err(Refusal::Replay),
                    period if period > window.last => Err(Refusal::Clock),
                    period => Ok(Verified::new(Match { slot, period })),
                });
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The difference of one flipped bit, in either direction and with or without a carry from the lower half, is never
    /// zero in the bits of an entry, even among 2^30 identities.
    #[test]
    fn every_flipped_bit_changes_what_is_stored() {
        for bit in 0..232 {
            let mut message = [0; 29];
            message[bit / 8] = 0x80 >> (bit % 8);
            let up = digest_of(&Words::new(&message)).get();
            for difference in [up, up.wrapping_add(1), up.wrapping_neg(), up.wrapping_neg().wrapping_sub(1)] {
                assert_ne!(difference << 30, 0, "bit {bit}");
            }
        }
    }

    /// A free entry matches no identity, not even for a digest of which no bit is stored.
    #[test]
    fn a_free_entry_is_nobody() {
        let mut storage = Storage::default();
        storage.clear(8);
        let digest = 1 << 63;
        assert_eq!(digest << storage.index_bits, 0);
        storage.probe(digest, |entry| panic!("{entry:?}"));
    }

    #[test]
    fn words_hold_every_bit_once() {
        let mut all = [0_u64; 4];
        for bit in 0..232 {
            let mut message = [0; 29];
            message[bit / 8] = 0x80 >> (bit % 8);
            let words = Words::new(&message).0;
            assert_eq!(words.iter().map(|w| w.count_ones()).sum::<u32>(), 1);
            for (all, word) in all.iter_mut().zip(words) {
                assert_eq!(*all & word, 0);
                *all |= word;
            }
        }
    }
}
