//! Answers the questions of links between remote UE and relay ([`sidelink_wire::relay_keying`]) by EAP: TR 33.833 §6.5.1.
//!
//! ```text
//! remote.rs  the links of a remote UE ask, its peer of EAP-AKA' answers   port: the state of the USIM, durable first
//! relay.rs   the links of a relay ask, an AAA server answers              port: datagrams of RADIUS
//! ```
//!
//! An exercise has the ports on its simulated clock, a UE on files and sockets.

pub(crate) mod relay;
pub(crate) mod remote;

#[cfg(test)]
mod tests;
