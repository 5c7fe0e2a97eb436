//! sidelink-security
#![forbid(unsafe_code)]
pub mod cipher;
pub mod counter;
pub mod discovery;
pub mod group;
mod hmac;
pub mod kdf;
pub mod keys;
