//! LTE sidelink layer 2 and the PC5 messages, without I/O.
//!
//! ```text
//! ids         identities as newtypes
//! wire/       formats: bytes <-> values                    sl_sch rlc_um pdcp mib_sl pc5_discovery
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod ids;
pub mod wire;
