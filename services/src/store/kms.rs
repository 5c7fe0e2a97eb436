//! What a key management server of identity-based keys keeps: revocations, records of what it gave and to whom, requests for
//! tickets that were taken.

use sidelink_network::kms::{Change, Durable};
use sidelink_security::counter::UtcTime;

use super::StoreError;

/// Durable state of a key management server. What goes for [`super::Store`] goes for this.
pub trait KmsStore: Send {
    /// Makes all changes durable, or none.
    ///
    /// # Errors
    /// Nothing has changed, as far as this store knows: whoever waits for one of the changes is refused.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// All that a server begins with; of requests that were taken, those that count after `now`.
    fn durable(&mut self, now: UtcTime) -> Result<Durable, StoreError>;

    /// Whether keys were ever given: the master secrets are not to be made anew then.
    fn is_used(&mut self) -> Result<bool, StoreError>;
}
