//! Pseudo-random, base and synchronisation sequences, and the demodulation reference signals made of them.

mod base;
// TS 36.211 §9.1.2
pub mod dmrs;
mod gold;
mod slss;

pub use base::{base_sequence, group_hopping};
pub use gold::{Gold, gold_sequence, gold_words};
pub use slss::{SSSS_LEN, SsssForm, psss, ssss};
