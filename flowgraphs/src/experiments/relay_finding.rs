//! Exercises of finding a relay: a remote UE, one or two relays and whoever wants to be taken for one, on one air.
//!
//! ```text
//! cases.rs    the named scenarios
//! parties.rs  who takes part: configurations, keys, radios
//! network.rs  where their KDs come from
//! fade.rs     a radio that grows weaker
//! log.rs      what each UE did, subframe by subframe; data over the relay that serves
//! setup.rs    one case, set up and run
//! costs.rs    what was measured, and what was predicted
//! output.rs   events, table, JSON and CSV
//! ```

pub(crate) mod cases;
pub(crate) mod costs;
mod fade;
mod log;
mod network;
pub(crate) mod output;
mod parties;
pub(crate) mod setup;

#[cfg(test)]
mod tests;
