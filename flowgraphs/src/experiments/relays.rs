//! Exercises of relays: remote UEs, relays, and those who have no business with them, on one air.
//!
//! ```text
//! cases.rs     the named scenarios
//! timeline.rs  when what is asked for
//! parties.rs   who takes part: their configurations
//! keying.rs    where the KDs come from: what each method gives to its parties
//! pruk.rs      from PRUKs                                                     pruk/
//! setup.rs     one case, set up and run
//! hops.rs      what each UE did, hop by hop
//! costs.rs     what it cost, on each hop and at each reference point, and what came of it
//! predicted.rs what it should cost
//! attackers.rs radios that attack, and what they gained
//! output.rs    tables, CSV and JSON
//! ```

pub(crate) mod attackers;
pub(crate) mod cases;
pub(crate) mod costs;
mod hops;
pub(crate) mod keying;
pub(crate) mod output;
pub(crate) mod parties;
pub(crate) mod predicted;
pub(crate) mod pruk;
pub(crate) mod setup;
pub(crate) mod timeline;

#[cfg(test)]
mod tests;
