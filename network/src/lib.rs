//! The network side of ProSe, sans-IO: one machine per function, messages, time and randomness in, messages out. No clock,
//! no chance, no I/O here; threads, sockets and databases are of whoever drives a machine.
//!
//! ```text
//! pc3.rs             messages between UE and ProSe Function, XML: TS 24.334 §11.2, §12.2
//! prose_function.rs  the ProSe Function: authorises, allots codes and keys, checks match reports: TS 24.334 §6.2
//! ```
//!
//! Pinned: TS 24.334 and TS 33.303 of release 16.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod pc3;
pub mod prose_function;
