//! The network side of ProSe, without I/O: one machine for each network function. A machine takes an input with
//! `handle_input` and says what is to be done by `poll_output`; time and random octets are arguments. What must survive a
//! crash is an output of its own, and the message that rests on it comes out only after its `Stored` or `Granted` came back.
//!
//! Pinned: TS 33.102, TS 33.220 and TS 33.401 of release 16. The names of TS 23.003 are from memory.
//!
//! # The rooms
//!
//! - [`identity`], IMSI and IMPI, the names of network functions
//! - [`aka`], what AKA is made of: SQN, AMF, AUTN, AUTS, quintets
//! - [`usim`], a USIM for tests: it judges challenges and keeps its array of SQN
//! - [`hss`], subscribers and authentication vectors
//! - [`limit`], how often something is done
//!
//! # What is not there
//!
//! Bootstrapping; K of 256 bits; the age limit L of a USIM.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod aka;
pub mod hss;
pub mod identity;
pub mod limit;
pub mod usim;
