//! What the machine of links needs from outside.

use core::fmt::Display;

use super::kd::{Change, KdRecord};

/// Where keys of links are durable.
pub trait KdStore {
    /// Why it cannot.
    type Error: Display;

    /// Make all changes durable, or none.
    ///
    /// # Errors
    /// Why not.
    fn apply(&mut self, changes: &[Change]) -> Result<(), Self::Error>;

    /// All that are durable, in the order in which they were made.
    ///
    /// # Errors
    /// A damaged store.
    fn kds(&self) -> Result<Vec<KdRecord>, Self::Error>;
}
