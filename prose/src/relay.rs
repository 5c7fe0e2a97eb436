//! Remote UEs and UE-to-network relays, apart from their link. TS 24.334 §10A.2, TS 23.303 §5.4, TS 33.303 §6.6.
//!
//! ```text
//! discovery.rs  relay discovery, models A and B, under the PSDKs of a Relay Service Code      discovery/
//! selection.rs  which relay a remote UE uses, and when it looks for another                   selection/
//! remote_ue.rs  the remote UE: found, selected, linked, left for a better one
//! relay_ue.rs   the relay: how many remote UEs it has, whether it has room, why it lets one go
//! admission.rs  whose requests a relay answers, and how often
//! u2u.rs        a UE that reaches another one through a third                                  u2u/
//! ```
//!
//! The link itself is one of [`crate::direct_link`] (`RelayLink`). Whoever drives the machines hands it on: what is asked for is
//! an output here, and what became of it an input.

pub mod admission;
pub mod discovery;
pub mod relay_ue;
pub mod remote_ue;
pub mod selection;
pub mod u2u;

#[cfg(test)]
mod tests;
