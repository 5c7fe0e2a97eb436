//! The network side of ProSe on real sockets: so far what is durable, in SQLite ([`store`]).

#![allow(clippy::disallowed_methods)]
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod store;
