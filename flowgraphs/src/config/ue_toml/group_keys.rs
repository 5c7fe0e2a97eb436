//! Machines of group keys, from `[[group]]` and the identities of the key store.

use super::{RadioFacts, UeConfig, upper};
use crate::config::{ConfigError, GroupConfig, GroupSolution};
use sidelink_prose::group_keys::{Config, GroupKeyStore, GroupKeys, Identity};
use sidelink_security::counter::UtcTime;
use sidelink_store::identity::{IdentityEntry, IdentityKind};
use sidelink_store::Keys;
use sidelink_ue::{GroupMachine, IdentityGroups};
use sidelink_wire::ids::Layer2Id;

/// Makes the machines of a UE with this layer-2 ID, on a carrier with this SC period in subframes. Blocks on the store.
///
/// # Errors
/// A fault of a group, a missing identity, or a damaged store.
pub(super) fn machines<S: GroupKeyStore>(
    config: &UeConfig,
    keys: &Keys,
    (source, sc_period): (Layer2Id, u64),
    facts: RadioFacts,
    store: &mut S,
) -> Result<Vec<Box<dyn GroupMachine>>, ConfigError> {
    let mut machines: Vec<Box<dyn GroupMachine>> = Vec::new();
    let groups: Vec<_> = config.group.iter().filter(|g| g.solution == GroupSolution::Identity).collect();
    if !groups.is_empty() {
        machines.push(Box::new(by_identities(config, keys, (source, sc_period), facts, store)?));
    }
    Ok(machines)
}
