//! What a NAF of groups keeps: groups with their keys and users, invitations that were used, and the last request of each UE.

use sidelink_network::group_naf::{Change, Durable};

use super::StoreError;

/// Durable state of a NAF of groups. What goes for [`super::Store`] goes for this.
pub trait GroupNafStore: Send {
    /// Makes all changes durable, or none.
    ///
    /// # Errors
    /// Nothing has changed, as far as this store knows: whoever waits for one of the changes is refused.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// All that a NAF begins with.
    fn durable(&mut self) -> Result<Durable, StoreError>;
}
