//! LTE sidelink layer 2 and the PC5 messages, without I/O: opportunities and blocks in, transport blocks and results out.
//!
//! ```text
//! application data                      discovery codes
//!       |                                     |
//! pdcp      header, COUNT, cipher       discovery   announcer, monitor, discoverer, discoveree
//! rlc_um    segments, window 0                |
//! mux       channels -> block, filters        |
//!       |                                     |
//! SL-SCH transport block                SL-DCH block (232 bits)
//!
//! engine    all of it composed: handle_input, poll_output; the run-loop contract stands there
//! grant     which resource: modes 2 and 4, discovery type 1, redundancy versions
//! ```
//!
//! What is protected, and how, is `sidelink_security`; which subframe and which resource block is `sidelink_phy`, which
//! this crate does not know. Time, random numbers and storage are arguments or requests: the same inputs give the same
//! outputs. Nothing here panics on bytes from outside, and the data path allocates only when it is set up, or when
//! keys and bearers come.
//!
//! Specifications are cited as of Release 15 (TS 36.321, TS 36.322, TS 36.323, TS 36.331, TS 24.334, TS 33.303). Not
//! all of their text was at hand: what rests on memory, on another implementation or on a capture says so where it
//! stands.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod discovery;
pub mod engine;
pub mod grant;
pub mod mux;
pub mod pdcp;
pub mod rlc_um;
