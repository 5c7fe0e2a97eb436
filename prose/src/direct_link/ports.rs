//! External services that the machine of links needs.

use core::fmt::Display;

use super::admission::Admission;
use super::kd::{Change, KdRecord};

/// Durable store of the keys of links.
pub trait KdStore {
    /// Reason of a failure.
    type Error: Display;

    /// Makes all changes durable, or none.
    ///
    /// # Errors
    /// The store's failure.
    fn apply(&mut self, changes: &[Change]) -> Result<(), Self::Error>;

    /// Returns all durable keys, in the order in which they were made.
    ///
    /// # Errors
    /// A damaged store.
    fn kds(&self) -> Result<Vec<KdRecord>, Self::Error>;

    /// Returns the times of the newest messages taken from senders.
    ///
    /// # Errors
    /// A damaged store.
    fn admissions(&self) -> Result<Vec<Admission>, Self::Error>;
}
