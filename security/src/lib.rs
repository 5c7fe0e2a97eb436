//! sidelink-security
#![forbid(unsafe_code)]
pub mod cipher;
pub mod counter;
mod hmac;
pub mod kdf;
pub mod keys;
