//! ProSe protocols without I/O: direct discovery and one-to-one links. They know neither a layer 2 nor a radio.
//!
//! ```text
//! discovery    announcer, monitor, discoverer, discoveree, and the agent that runs them
//! direct_link  one-to-one links: set-up, re-keying, keep-alive, release
//! mikey        keys from user to user: under identities (MIKEY-SAKKE), in calls of groups, by tickets (MIKEY-TICKET)
//! ```
//!
//! The run loop is that of `sidelink_mac::engine`: one input, then outputs until a timeout. Time, random numbers and
//! storage are arguments or requests.
//!
//! Specifications are cited as of Release 16 (TS 24.334, TS 33.303). What rests on memory says so where it stands.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod direct_link;
pub mod discovery;
pub mod mikey;
