//! Where the KDs between remote UEs and relays come from. A method of keying gives each party what its links need, counts what
//! the network took, and says what came of attacks there.

use super::cases::{Keying, RelayCase};
use super::parties::Party;
use super::pruk;
use crate::experiments::metrics::NetworkSpent;
use sidelink_ue::Ue;
use std::collections::BTreeMap;

/// The network behind a case.
pub(crate) trait KeyingNetwork {
    /// Gives a party what its links need.
    ///
    /// # Errors
    /// A UE without links, or a party that the network does not know.
    fn equip(&self, ue: &mut Ue, party: Party) -> anyhow::Result<()>;

    /// Returns what a remote UE calls itself in its configuration; `None` where the method says it when it is asked.
    fn user(&self, _remote: usize) -> Option<String> {
        None
    }

    /// Returns what was spent beside the air.
    fn spent(&self) -> NetworkSpent;

    /// Returns authentication vectors that the HSS made.
    fn vectors(&self) -> u64;

    /// Returns what was seen there, in words, and how often.
    fn findings(&self) -> BTreeMap<String, u64>;
}

/// Makes the network of a case.
///
/// # Errors
/// A name that is none.
pub(crate) fn network_of(case: &RelayCase<'_>) -> anyhow::Result<Box<dyn KeyingNetwork>> {
    Ok(match case.scenario.keying {
        Keying::Pruk(settings) => Box::new(pruk::open(case, settings)?),
    })
}
