//! Layer 2 of the SL-SCH, without I/O: data and opportunities in, transport blocks and results out. Discovery has no MAC,
//! RLC or PDCP header: its messages are `sidelink_prose`'s and go to the SL-DCH as they are.
//!
//! ```text
//! application data, PC5 signalling
//!       |
//! pdcp      header, COUNT, cipher
//! rlc_um    segments, order of V2X
//! mux       channels -> block, filters
//!       |
//! SL-SCH transport block
//!
//! engine    all of it composed: handle_input, poll_output; describes the run-loop contract
//! grant     which resource: modes 2 and 4, discovery type 1, redundancy versions
//! ```
//!
//! Protection belongs to `sidelink_security`; subframes and resource blocks belong to `sidelink_phy`, which this crate
//! does not know. Time, random numbers and storage are arguments or requests: the same inputs give the same outputs.
//! Nothing here panics on bytes from outside. The data path allocates only during set-up and when keys and bearers are
//! added.
//!
//! Specifications are cited as of Release 16 (TS 36.321, TS 36.322, TS 36.323), which was read. TS 36.331 was not at hand:
//! what rests on memory, on another implementation or on a capture says so where it stands.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod engine;
pub mod grant;
pub mod mux;
pub mod pdcp;
pub mod rlc_um;
