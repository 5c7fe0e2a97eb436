//! The services over real sockets: whole path, programs of others, faults, crashes, and what they cost.
#![allow(clippy::disallowed_methods)]

mod cluster;
mod common;
mod crash;
mod group_keys;
mod load;
mod orders;
mod peers;
mod postgres;
mod robust;
mod sbi;
mod whole_path;
