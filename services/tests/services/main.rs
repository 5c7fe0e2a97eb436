//! The services over real sockets: whole path, programs of others, faults, crashes, and what they cost.
#![allow(clippy::disallowed_methods)]

mod aaa;
mod capture;
mod cluster;
mod common;
mod configuration;
mod crash;
mod flood;
mod group_keys;
mod group_naf;
mod identities;
mod load;
mod orders;
mod peers;
mod postgres;
mod public_keys;
mod relays;
mod robust;
mod sbi;
mod tickets;
mod whole_path;
