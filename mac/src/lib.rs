//! LTE sidelink layer 2 and the PC5 messages, without I/O.
//!
//! ```text
//! ids         identities as newtypes
//! wire/       formats: bytes <-> values                    sl_sch rlc_um pdcp mib_sl pc5_discovery
//!                                                          pc5_signalling
//! engine      all of it composed: handle_input, poll_output
//! pdcp        headers, COUNT, ciphering by the security crate, what is believed
//! rlc_um      segmentation and reassembly, window 0
//! mux         channels into transport blocks and back, filters by destination
//! discovery   announcer, monitor, discoverer, discoveree
//! grant       autonomous choice of resources, modes 2 and 4, discovery type 1
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod discovery;
pub mod engine;
pub mod grant;
pub mod ids;
pub mod mux;
pub mod pdcp;
pub mod rlc_um;
pub mod wire;
