//! ProSe protocols without I/O: direct discovery, one-to-one links and keys of groups. They know neither a layer 2 nor a radio.
//!
//! ```text
//! discovery    announcer, monitor, discoverer, discoveree, and the agent that runs them
//! direct_link  one-to-one links: set-up, re-keying, keep-alive, release
//! group_keys   GMKs of groups by identities, and the keys of their calls
//! long_message messages of up to 8000 octets: whole, repeated, in coded fragments
//! erasure      Reed-Solomon code: any K of N fragments give back a message
//! group_owner  group owner mode: a UE authenticates the members of a group and gives them keys
//! relay        remote UEs and relays: discovery, selection, admission; paths from UE to UE through a third
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
pub mod erasure;
pub mod group_keys;
pub mod group_owner;
pub mod long_message;
pub mod mikey;
pub mod relay;
