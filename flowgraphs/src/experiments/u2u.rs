//! Exercises of UE-to-UE relays: a source, a target, one relay or two, and what becomes of their links.
//!
//! ```text
//! cases.rs      the named scenarios, and what each must come to
//! parties.rs    who takes part: configurations of UEs as text, and credentials with roles
//! setup.rs      a case on one air, in lock-step
//! meddlers.rs   relays that are not honest
//! log.rs        what each UE does, subframe by subframe
//! costs.rs      what it cost: set-up and data, hop by hop, beside what was predicted
//! output.rs     tables, CSV and JSON
//! ```

pub(crate) mod cases;
pub(crate) mod costs;
pub(crate) mod log;
pub(crate) mod meddlers;
pub(crate) mod output;
pub(crate) mod parties;
pub(crate) mod setup;
#[cfg(test)]
mod tests;
