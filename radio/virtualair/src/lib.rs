//! A SoapySDR module for the virtual air: `driver=virtualair` in any program that uses SoapySDR.
//!
//! ```text
//! module.cpp   SoapySDR::Device in C++: settings, formats, nanoseconds
//! c.rs         the functions that it calls: the only unsafe code
//! device.rs    a port of the air as a device: samples by their numbers, bursts, status
//! ```
//!
//! Put the library into a folder of its own and name the folder in `SOAPY_SDR_PLUGIN_PATH` (`docs/radios.md`).

#![deny(unsafe_code)]
// Real time needs the wall clock, as in the crate that this one wraps.
#![allow(clippy::disallowed_methods)]

#[cfg(soapysdr)]
mod c;
pub mod device;
