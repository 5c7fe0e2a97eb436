//! LTE sidelink physical layer: transport blocks to IQ samples and back.
//!
//! Pinned texts: TS 36.211, TS 36.212 and TS 36.213 Release 12 to 14, with the Release 15 additions to V2X
//! that are named where they are used.
//!
//! | module | what it holds |
//! |---|---|
//! | [`units`] | sample rates, frequencies, decibels, identities |
//! | [`coding`] | CRC, turbo and convolutional codes, rate matching, interleaving (TS 36.212) |
//! | [`kernel`] | the vectorised inner loops, each beside its scalar truth |
//! | [`impair`] | what a radio channel does to samples: noise, fading, offsets, resampling |
#![deny(unsafe_code)]

pub mod coding;
pub mod impair;
pub mod kernel;
pub mod units;

/// One complex baseband sample.
pub type Sample = num_complex::Complex32;

/// Soft value of one coded bit, in units of 1/[`LLR_UNITS_PER_NAT`] nat.
///
/// `log P(bit = 0) / P(bit = 1)`: positive means that 0 is the likelier bit, 0 is an erasure. The demapper clips at
/// ±[`LLR_MAX`], so that eight transmissions add up without overflow.
pub type Llr = i16;

/// Fixed-point scale of an [`Llr`].
pub const LLR_UNITS_PER_NAT: f32 = 16.0;

/// Largest magnitude that the demapper writes.
pub const LLR_MAX: Llr = 4095;
