//! Matching at scale: one look-up per frame, whatever the number of followed identities.
//!
//! ```text
//!  book ---expected--> TableBuilder::build_round (any threads) --finish--> PeriodTable --install--> Matcher
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
//! The total is 12.9 octets per identity and table, 39 with three tables, 127 with the book.
//!
//! No item here has a thread or a lock. The builder is `Send`: its driver calls [`TableBuilder::build_chunk`], or
//! [`TableBuilder::build_round`] with threads of its own, until the table is complete and hands it over; [`Matcher::install`] moves three pointers. A monitor calls [`Matcher::wanted`]
//! to learn which period to build next; it has a whole rotation period to do so.

mod builder;
mod storage;

use std::ops::RangeInclusive;
use std::sync::Arc;

pub use builder::{Alone, Scratch, TableBuilder, TableError, Task, Workers};
use storage::{Storage, digest_of};

use super::book::{CodeBook, Entry, Words};
use super::rotation::{PeriodIndex, Window};
use super::{Message, Refusal, Verified};

/// The codes of one period.
pub struct PeriodTable<B> {
    book: Arc<B>,
    period: PeriodIndex,
    /// The memory, which the next table reuses.
    storage: Storage,
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
    pub fn placed(&self) -> usize {
        self.storage.counted().0
    }

    /// Returns the number of codes that found no place because too many share one value (the same key followed many
    /// times): they are not matched.
    pub fn unplaced(&self) -> usize {
        self.storage.counted().1
    }

    /// Returns the octets of the table.
    pub fn octets(&self) -> usize {
        self.storage.octets()
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

    /// Returns the octets of the tables.
    pub fn octets(&self) -> usize {
        self.tables.iter().map(PeriodTable::octets).sum()
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
