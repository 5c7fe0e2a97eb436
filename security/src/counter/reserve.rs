//! Reservation of counters for sending: no crash makes a counter repeat.
//!
//! ```text
//!              sample path                                        store path (may block on a disk)
//!   Lease::take() -> 17, 18, 19 ..   never blocks
//!   Lease::wanted() -> Reservation ------------------------->  Reservation::commit(store): durable
//!   Lease::grant(Granted) <---------------------------------   Granted
//! ```
//!
//! A store holds one number per stream: every counter below it may have been used. A [`Lease`] hands out only counters
//! below the durable number, and requests the next block while it still has `low_water` left. After a crash the next
//! lease begins at the durable number. So:
//!
//! - no counter is handed out twice: not after kill -9, a power loss or a restored clock;
//! - a crash skips at most [`ReserveConfig::max_skip`] counters, `low_water + block` (the rest of the current block and
//!   the block that was reserved ahead); a lease that is closed skips as many, because it returns none;
//! - two processes on one store cannot share a counter: a commit states the number that it extends, and the store
//!   refuses one that differs from its number ([`CommitError::Conflict`]);
//! - at the end of the range [`Lease::take`] always returns [`TakeError::Exhausted`]: a new key is needed. The counter
//!   never wraps.
//!
//! When the store is slower than the sender, [`TakeError::Waiting`] is returned: the frame is not sent, and no caller
//! blocks.

use std::fmt;

/// Name of a stream of counters in a store; see [`stream_id`](crate::kdf::own::stream_id).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub [u8; 16]);

/// A place where reservations are made durable. Implemented over an embedded database elsewhere.
pub trait CounterStore {
    /// Errors of the medium.
    type Error;

    /// Returns the number of a stream: every counter below it may have been used. 0 for an unknown stream.
    fn reserved(&self, stream: &StreamId) -> Result<u64, Self::Error>;

    /// Raises the number of `stream` from `from` to `to`, atomically, and returns only when that is durable. Returns
    /// `Ok(false)` and changes nothing when the number is not `from`.
    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, Self::Error>;
}

/// Size of the reservations. Tunable: a block costs one durable write (about 150 us), which a sender at 1000 PDU/s with
/// blocks of 1024 makes once a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveConfig {
    /// Counters per reservation, at least 1.
    pub block: u32,
    /// Number of remaining counters at which the next block is requested.
    pub low_water: u32,
}

impl Default for ReserveConfig {
    fn default() -> Self {
        Self { block: 1024, low_water: 512 }
    }
}

impl ReserveConfig {
    /// Returns the largest number of counters that a crash can skip.
    pub const fn max_skip(&self) -> u64 {
        self.low_water as u64 + self.block as u64
    }
}

/// The counters that one sender may use, in memory.
#[derive(Debug)]
pub struct Lease {
    stream: StreamId,
    config: ReserveConfig,
    /// The next counter to hand out.
    next: u64,
    /// End of the durable reservation: counters below it are ours.
    end: u64,
    /// One past the last counter of the stream.
    limit: u64,
    /// A reservation is pending in the store.
    pending: bool,
}

/// Reason why no counter is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeError {
    /// The reservation is not durable yet. The frame is not sent; try again with the next frame.
    Waiting,
    /// All counters of this key are used: a new key is needed.
    Exhausted,
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "the next counters are not durable yet",
            Self::Exhausted => "all counters of this key are used, a new key is needed",
        })
    }
}

impl std::error::Error for TakeError {}

/// A block that a lease requests and that a store must make durable.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Reservation {
    stream: StreamId,
    from: u64,
    to: u64,
}

/// A block that is durable. Only [`Reservation::commit`] makes one.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Granted(Reservation);

/// A reservation that did not become durable.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitError<E> {
    /// The operator's error: another process reserves counters of the same key in the same store. This one must stop
    /// sending.
    Conflict,
    /// An error of the medium.
    Store(E),
}

impl<E: fmt::Display> fmt::Display for CommitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => {
                f.write_str("another process uses the counters of this key: two senders on one key store")
            }
            Self::Store(error) => write!(f, "the counter store: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for CommitError<E> {}

impl Reservation {
    /// Makes the block durable. May block on the medium: never call it in the sample path.
    pub fn commit<S: CounterStore>(self, store: &mut S) -> Result<Granted, CommitError<S::Error>> {
        match store.raise(&self.stream, self.from, self.to) {
            Ok(true) => Ok(Granted(self)),
            Ok(false) => Err(CommitError::Conflict),
            Err(error) => Err(CommitError::Store(error)),
        }
    }

    /// Returns the stream of the block.
    pub const fn stream(&self) -> StreamId {
        self.stream
    }

    /// Returns the counters that it reserves.
    pub const fn range(&self) -> std::ops::Range<u64> {
        self.from..self.to
    }
}

impl Granted {
    /// Returns the stream of the block.
    pub const fn stream(&self) -> StreamId {
        self.0.stream
    }
}

impl Lease {
    /// Returns the stream.
    pub const fn stream(&self) -> StreamId {
        self.stream
    }

    /// Continues a stream whose counters are `first..limit`, from the number in its store, and reserves a first block.
    /// Blocks on the medium: call it at start only.
    // TS 33.303 §6.2.3.2 (7)
    pub fn open<S: CounterStore>(
        stream: StreamId,
        first: u64,
        limit: u64,
        config: ReserveConfig,
        store: &mut S,
    ) -> Result<Self, CommitError<S::Error>> {
        let stored = store.reserved(&stream).map_err(CommitError::Store)?;
        let mut lease = Self::at(stream, stored, first, limit, config);
        if let Some(reservation) = lease.wanted() {
            lease.grant(reservation.commit(store)?);
        }
        Ok(lease)
    }

    /// Continues a stream whose counters are `first..limit` from the number `stored`, and reserves nothing yet:
    /// [`Self::take`] fails until the reservation of [`Self::wanted`] is durable. For many streams of which few are
    /// used.
    pub fn at(stream: StreamId, stored: u64, first: u64, limit: u64, config: ReserveConfig) -> Self {
        // A new stream begins at its first counter, not at 0.
        Self { stream, config, next: stored.max(first), end: stored, limit, pending: false }
    }

    /// Takes the next counter. Never blocks.
    pub fn take(&mut self) -> Result<u64, TakeError> {
        if self.next >= self.limit {
            return Err(TakeError::Exhausted);
        }
        if self.next >= self.end {
            return Err(TakeError::Waiting);
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Continues at `counter`, never back: the counters between are skipped.
    pub fn skip_to(&mut self, counter: u64) {
        self.next = self.next.max(counter);
    }

    /// Returns the counter that [`Self::take`] would take.
    pub const fn peek(&self) -> u64 {
        self.next
    }

    /// Returns the end of the reservation: counters below it are durable.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Returns the block to be reserved now, if it is time and none is pending.
    pub fn wanted(&mut self) -> Option<Reservation> {
        let left = self.end.saturating_sub(self.next);
        if self.pending || self.end >= self.limit || left > u64::from(self.config.low_water) {
            return None;
        }
        self.pending = true;
        // From the next counter, in case it was moved beyond the reservation.
        let to = self.target(self.end.max(self.next));
        Some(Reservation { stream: self.stream, from: self.end, to })
    }

    /// Takes a block that is durable. A block of another stream, or one that was not requested, changes nothing.
    pub fn grant(&mut self, granted: Granted) {
        let Granted(reservation) = granted;
        if reservation.stream == self.stream && reservation.from == self.end {
            self.end = reservation.to;
            self.pending = false;
        }
    }

    /// Records that the pending reservation failed: [`Self::wanted`] returns it again.
    pub fn failed(&mut self) {
        self.pending = false;
    }

    fn target(&self, from: u64) -> u64 {
        from.saturating_add(u64::from(self.config.block.max(1))).min(self.limit)
    }
}

#[cfg(test)]
mod tests;
