//! Answers the questions of links between remote UE and relay ([`sidelink_wire::relay_keying`]) by the machines of the network
//! side: TS 33.303 §6.7.3.2.1.
//!
//! ```text
//! remote.rs  the links of a remote UE ask, its PRUKs answer         store: PRUKs and USIM, durable first
//! relay.rs   the links of a relay ask, the PKMF answers             way: PC8
//! users.rs   names of remote UEs on PC5 and on PC8
//! ```
//!
//! Store and way are ports: an exercise has them on its simulated clock, a UE on files and on PC8 over TLS.

pub(crate) mod relay;
pub(crate) mod remote;
mod users;

#[cfg(feature = "services")]
pub(crate) use users::MncDigits;
pub(crate) use users::identity;

#[cfg(test)]
mod tests;
