//! Exercises of groups: a manager, its members, and those who have no business with them, on one air.
//!
//! ```text
//! cases.rs     the named scenarios
//! timeline.rs  when what is asked for
//! parties.rs   who takes part: their configurations and keys
//! setup.rs     one case, set up and run
//! log.rs       what each UE did, subframe by subframe
//! heard.rs     what layer 2 says of data
//! costs.rs     what it cost, and what came of it
//! sorts.rs     what an event means for the costs
//! output.rs    table, CSV and JSON
//! pkmf.rs      keys that the network gives
//! naf.rs       a NAF that gives keys to whom its owner invites or lists
//! keys.rs      the keys of a laboratory's key management server
//! owner.rs     radios of group owner mode that do not do what they should
//! ```

pub(crate) mod cases;
pub(crate) mod costs;
mod heard;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod naf;
pub(crate) mod output;
pub(crate) mod owner;
pub(crate) mod parties;
pub(crate) mod pkmf;
pub(crate) mod setup;
pub(crate) mod sorts;
pub(crate) mod timeline;

#[cfg(test)]
mod tests;
