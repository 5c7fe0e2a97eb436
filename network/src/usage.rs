//! Usage of direct communication out of coverage, for charging: what a UE logs, uploads over PC3ch once it is in coverage, and
//! what the PLMN can tell from two ends. TS 24.334 §10.3.2.1 (messages, elements); the chain is our own design (TR 33.833
//! §5.5.2 asks that such records be trustworthy, and names no way).
//!
//! ```text
//! record.rs   what is recorded of a collection period, and its chain of MACs
//! log.rs      the UE: counts, stores, uploads
//! messages.rs USAGE_INFORMATION_REPORT_LIST and its answer, XML of §11.3.3
//! adf.rs      the ProSe Function's accounting data forwarding: checks the chain, keeps what is right
//! compare.rs  both ends of a link or group, side by side
//! ```
//!
//! h_i = HMAC(K_acc, h_(i-1) || record_i), K_acc = KDF(Ks_NAF; "accounting") under the proprietary FC. A list carries the last h
//! alone: 32 octets, whatever its length.
//!
//! What it stops: a record that was changed, removed or moved by anybody without K_acc, on the UE's disk or on the way. A chain
//! that was cut at its end is right as far as it goes: the log of the other end shows it. What it does not stop: a UE that never
//! wrote a record, or wrote a wrong one, in agreement with the other end; and who has K_acc makes a chain of its own.
//!
//! Own elements stand in [`crate::pc3::OWN_NAMESPACE`], where the schema lets other namespaces in; a ProSe Function without
//! them reads the groups of the standard. One-to-one links, of which the standard reports nothing, are own elements as a whole.

mod adf;
mod compare;
mod log;
pub mod messages;
mod record;

pub use adf::{Account, Adf, AdfConfig, AdfEvent, AdfInput, AdfOutput, ChainPolicy};
pub use compare::{Finding, Reported, compare};
pub use log::{
    LogChange, LogConfig, LogDurable, LogEvent, LogInput, LogOutput, RadioCoverage, Ticket, UsageLog,
};
pub use record::{Content, Flow, Head, KeyName, Layer2Id, Line, Party, Record};

#[cfg(test)]
mod tests;
