//! The network side in one process, on a simulated clock: subscribers, HSS, BSF, ProSe Function, and the ways between them.
//!
//! ```text
//! meter.rs       messages, octets and round trips of each reference point
//! ways.rs        how long a message takes, and what is lost
//! messages.rs    what goes over the ways
//! functions.rs   HSS, BSF and ProSe Function with their store in memory
//! naf.rs         who a UE is, for the ProSe Function: Ks_NAF over Zn
//! subscriber.rs  the network end of a UE: USIM, Ub, PC3
//! fabric.rs      all of them and their clock
//! scene.rs       the network of the demo
//! entries.rs     what is allotted, as entries of a key store
//! provisioning.rs ways to bring a configuration to a UE
//! relay.rs       transport blocks of a message that goes over a relay
//! ```
//!
//! The machines are those of `sidelink-network`. What is simulated are the ways: HTTP over TCP as messages that arrive late, or
//! after a retransmission; TLS-PSK as a comparison of Ks_NAF, counted with the octets and round trips of a real handshake ([`naf::HANDSHAKE`]).

pub(crate) mod entries;
pub(crate) mod fabric;
pub(crate) mod functions;
pub(crate) mod messages;
pub(crate) mod meter;
pub(crate) mod naf;
pub(crate) mod provisioning;
pub(crate) mod relay;
pub(crate) mod scene;
pub(crate) mod subscriber;
pub(crate) mod ways;

#[cfg(test)]
mod tests;
