//! What a key management function keeps: UEs with their PMKs, keys, revocations, and counters.

use sidelink_network::pkmf::{Change, Durable};
use sidelink_security::counter::reserve::StreamId;

use super::{StoreError, Written};

/// Durable state of a PKMF. What goes for [`super::Store`] goes for this.
pub trait PkmfStore: Send {
    /// Makes all changes durable, or none. The answers stand in the order of the changes.
    ///
    /// # Errors
    /// Nothing has changed, as far as this store knows: whoever waits for one of the changes is refused.
    fn commit(&mut self, changes: &[PkmfWrite]) -> Result<Vec<Written>, StoreError>;

    /// Number of a stream: every counter below it may have been used. 0 for a new stream.
    fn reserved(&mut self, stream: StreamId) -> Result<u64, StoreError>;

    /// All that a PKMF begins with, the counter of each PMK included.
    fn durable(&mut self) -> Result<Durable, StoreError>;
}

/// A change.
#[derive(Debug)]
pub enum PkmfWrite {
    /// Raises the number of a stream, if it is `from` now.
    Raise {
        /// Which stream.
        stream: StreamId,
        /// The number that it must have.
        from: u64,
        /// The number that it gets.
        to: u64,
    },
    /// What the machine says.
    Change(Change),
}
