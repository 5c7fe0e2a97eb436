//! Matching at scale: one look-up per frame, whatever the number of followed identities.
//!
//! ```text
//!  book ---tags--> TableBuilder::build_chunk (any thread) ---finish--> PeriodTable --install--> Matcher
//!                  next period, while the current one is matched                  previous | current | next
//! ```
//!
//! A [`PeriodTable`] holds the codes of one rotation period: a bitmap of 16 bits a code turns 94 % of foreign frames
//! away with one memory access; an open-addressed array of two 32-bit entries a code (place in the book and as much of
//! the code as still fits) leaves about one candidate; and the candidate's whole message is computed again and compared
//! in constant time, all 232 bits. In all 10 octets a code and table, 30 with three tables, 118 with the book.
//!
//! Nothing here has a thread or a lock. The builder is `Send`: whoever drives it calls
//! [`TableBuilder::build_chunk`] until it is done and hands the table over; [`Matcher::install`] moves three pointers.
//! A monitor calls [`Matcher::wanted`] to know which period to build next; it has a whole rotation period to do so.

use std::sync::Arc;

use super::book::{CodeBook, Slot};
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

/// The memory of a table, which the next one uses again.
#[derive(Default)]
struct Storage {
    /// 0 is free, else fingerprint || place + 1.
    entries: Vec<u32>,
    front: Vec<u64>,
    index_bits: u32,
}

/// Entries per followed place: the array is at most half full.
const ENTRIES_PER_PLACE: usize = 2;

/// Bits of the front per followed place.
const FRONT_BITS_PER_PLACE: usize = 16;

/// How far a code may stand from where it belongs. Half full, with random codes, 100 is never seen; followed
/// identities that share one code (the same key given twice) pile up and the rest is counted as unplaced.
const MAX_PROBE: usize = 512;

/// Codes whose tags are computed before they are stored, so that the stores overlap.
const BATCH: usize = 64;

/// Builds a [`PeriodTable`], a chunk at a time, on whatever thread.
pub struct TableBuilder<B> {
    table: PeriodTable<B>,
    next: usize,
}

/// Codes so short that among so many identities they say nothing. The operator's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// More identities than the code has values.
    CodesTooShort {
        /// Bits of the code.
        bits: u32,
        /// Identities followed.
        followed: usize,
    },
    /// More than 2^30 places.
    TooMany {
        /// Identities followed.
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
    /// Begin the table of `period`. `old` is a table that [`Matcher::install`] gave back: its memory is used again, so
    /// that in steady state nothing is allocated.
    pub fn new(book: Arc<B>, period: PeriodIndex, old: Option<PeriodTable<B>>) -> Result<Self, TableError> {
        let followed = book.len();
        if followed > 1 << 30 {
            return Err(TableError::TooMany { followed });
        }
        let bits = book.tag_bits();
        if bits < 63 && followed as u64 > 1 << bits {
            return Err(TableError::CodesTooShort { bits, followed });
        }
        let mut storage = old.map(|table| table.storage).unwrap_or_default();
        storage.clear(followed);
        Ok(Self { table: PeriodTable { book, period, storage, placed: 0, unplaced: 0 }, next: 0 })
    }

    /// Which period it is for.
    pub const fn period(&self) -> PeriodIndex {
        self.table.period
    }

    /// Compute and store the codes of the next `places` places. `true` when the table is complete.
    pub fn build_chunk(&mut self, places: usize) -> bool {
        let end = self.next.saturating_add(places).min(self.table.book.len());
        let mut tags = [None; BATCH];
        while self.next < end {
            let n = BATCH.min(end - self.next);
            self.table.book.tags(self.table.period, self.next, &mut tags[..n]);
            self.insert(&tags[..n]);
        }
        self.is_complete()
    }

    /// Store tags that [`CodeBook::tags`] gave for the places that follow: to compute them on several cores.
    pub fn insert(&mut self, tags: &[Option<u64>]) {
        for tag in tags {
            if self.is_complete() {
                return;
            }
            if let Some(tag) = tag {
                match self.table.storage.insert(*tag, self.next) {
                    true => self.table.placed += 1,
                    false => self.table.unplaced += 1,
                }
            }
            self.next += 1;
        }
    }

    /// Are all places in the table?
    pub fn is_complete(&self) -> bool {
        self.next == self.table.book.len()
    }

    /// The table. An incomplete one gives the builder back.
    pub fn finish(self) -> Result<PeriodTable<B>, Self> {
        if self.is_complete() { Ok(self.table) } else { Err(self) }
    }
}

impl Storage {
    fn clear(&mut self, places: usize) {
        let entries = (ENTRIES_PER_PLACE * places).max(2);
        let words = (FRONT_BITS_PER_PLACE * places).div_ceil(64).max(1);
        self.entries.clear();
        self.entries.resize(entries, 0);
        self.front.clear();
        self.front.resize(words, 0);
        self.index_bits = usize::BITS - places.leading_zeros();
    }

    fn insert(&mut self, tag: u64, place: usize) -> bool {
        let hash = mix(tag);
        let (word, bit) = self.front_bit(hash);
        self.front[word] |= 1 << bit;
        let entry = self.fingerprint(hash) | (place as u32 + 1);
        let mut at = spread(hash, self.entries.len());
        for _ in 0..MAX_PROBE.min(self.entries.len()) {
            if self.entries[at] == 0 {
                self.entries[at] = entry;
                return true;
            }
            at = if at + 1 == self.entries.len() { 0 } else { at + 1 };
        }
        false
    }

    /// Call `each` for every place whose code may have this tag.
    #[inline]
    fn candidates(&self, tag: u64, mut each: impl FnMut(Slot)) {
        let hash = mix(tag);
        let (word, bit) = self.front_bit(hash);
        if self.front[word] >> bit & 1 == 0 {
            return;
        }
        self.probe(hash, &mut each);
    }

    #[cold]
    fn probe(&self, hash: u64, each: &mut impl FnMut(Slot)) {
        let fingerprint = self.fingerprint(hash);
        let place = (1_u32 << self.index_bits) - 1;
        let mut at = spread(hash, self.entries.len());
        for _ in 0..MAX_PROBE.min(self.entries.len()) {
            let entry = self.entries[at];
            if entry == 0 {
                return;
            }
            if entry & !place == fingerprint {
                each(Slot((entry & place) - 1));
            }
            at = if at + 1 == self.entries.len() { 0 } else { at + 1 };
        }
    }

    /// What of the hash stands beside the place in an entry.
    fn fingerprint(&self, hash: u64) -> u32 {
        (hash as u32) << self.index_bits
    }

    #[inline]
    fn front_bit(&self, hash: u64) -> (usize, u32) {
        let at = spread(hash, 64 * self.front.len());
        (at / 64, (at % 64) as u32)
    }
}

/// A tag is the output of a pseudo-random function already, but may have few bits: bring them all to the top and to
/// the bottom.
#[inline]
const fn mix(tag: u64) -> u64 {
    (tag ^ tag >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The top 32 bits of the hash as a position in `0..n`, n below 2^36.
#[inline]
const fn spread(hash: u64, n: usize) -> usize {
    (((hash >> 32) as u128 * n as u128) >> 32) as usize
}

impl<B: CodeBook> PeriodTable<B> {
    /// Which period.
    pub const fn period(&self) -> PeriodIndex {
        self.period
    }

    /// The book that it was built from.
    pub const fn book(&self) -> &Arc<B> {
        &self.book
    }

    /// Codes in the table.
    pub const fn placed(&self) -> usize {
        self.placed
    }

    /// Codes that found no place because too many share one value (the same key followed many times): they are not
    /// matched.
    pub const fn unplaced(&self) -> usize {
        self.unplaced
    }

    /// Octets of the table.
    pub fn octets(&self) -> usize {
        4 * self.storage.entries.len() + 8 * self.storage.front.len()
    }
}

/// Who sent a frame, and in which period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Place in the book of the table that matched.
    pub slot: Slot,
    /// The rotation period of the code.
    pub period: PeriodIndex,
}

/// Holds up to three tables, previous, current and next, and matches frames against them.
pub struct Matcher<B> {
    /// By period, ascending.
    tables: Vec<PeriodTable<B>>,
}

/// Tables that are held at once.
const TABLES: usize = 3;

impl<B> Default for Matcher<B> {
    fn default() -> Self {
        Self { tables: Vec::with_capacity(TABLES + 1) }
    }
}

impl<B: CodeBook> Matcher<B> {
    /// Without a table: nothing matches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Take a table into use. One of the same period is replaced; of more than three the oldest goes. What goes is
    /// given back, so that its memory serves the next builder and is not freed here.
    pub fn install(&mut self, table: PeriodTable<B>) -> Option<PeriodTable<B>> {
        match self.tables.binary_search_by_key(&table.period, |t| t.period) {
            Ok(i) => return Some(std::mem::replace(&mut self.tables[i], table)),
            Err(i) => self.tables.insert(i, table),
        }
        (self.tables.len() > TABLES).then(|| self.tables.remove(0))
    }

    /// The first period of `window`, or the one after it, for which there is no table yet: what to build next.
    pub fn wanted(&self, window: Window) -> Option<PeriodIndex> {
        (window.first.0..=window.last.0.saturating_add(1))
            .take(TABLES)
            .map(PeriodIndex)
            .find(|p| self.table(*p).is_none())
    }

    /// The table of a period.
    pub fn table(&self, period: PeriodIndex) -> Option<&PeriodTable<B>> {
        self.tables.iter().find(|t| t.period == period)
    }

    /// Whose frame is this? The first that verifies; with codes of 64 bits or more there is never a second.
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

    /// As [`Self::verify`], for codes so short that several identities can share one: `each` is called for every
    /// identity whose whole message this is.
    #[inline]
    pub fn verify_each(
        &self,
        window: Window,
        message: &Message,
        mut each: impl FnMut(Result<Verified<Match>, Refusal>),
    ) {
        for table in &self.tables {
            let Some((tag, lsb)) = table.book.tag(message) else { continue };
            if lsb != table.period.lsb() {
                continue;
            }
            table.storage.candidates(tag, |slot| {
                if table.book.verify(slot, table.period, message) {
                    each(match table.period {
                        period if period < window.first => Err(Refusal::Replay),
                        period if period > window.last => Err(Refusal::Clock),
                        period => Ok(Verified::new(Match { slot, period })),
                    });
                }
            });
        }
    }
}
