//! LTE sidelink physical layer: transport blocks to IQ samples and back.
//!
//! Pinned texts: TS 36.211, TS 36.212 and TS 36.213 Release 12 to 14, with the Release 15 additions to V2X
//! that are named where they are used.
//!
//! | module | content |
//! |---|---|
//! | [`units`] | bandwidths, identities, allocations |
//! | [`numerology`] | bandwidth and sample rate to the sizes of a subframe (TS 36.211 §9.2) |
//! | [`tables`] | normative tables |
//! | [`sequence`] | Gold, base and synchronisation sequences, reference signals |
//! | [`modulation`] | mapping and soft demapping (TS 36.211 §7.1) |
//! | [`grid`], [`sc_fdma`] | one subframe of resource elements; to samples and back (TS 36.211 §5.6) |
//! | [`sci`] | sidelink control information (TS 36.212 §5.4.3) |
//! | [`channel`] | PSBCH, PSCCH, PSSCH, PSDCH: an encoder and a decoder each (TS 36.211 §9) |
//! | [`transmit`] | all channels of one UE in a subframe, and their samples |
//! | [`receive`] | estimation, equalisation, synchronisation, the blind receiver |
//! | [`pool`] | resource pools: subframes and PRBs (TS 36.213 §14) |
//! | [`coding`] | CRC, turbo and convolutional codes, rate matching, interleaving (TS 36.212) |
//! | [`kernel`] | the vectorised inner loops, each beside its scalar reference |
//! | [`impair`] | effects of a radio channel on samples: noise, fading, offsets, resampling |
#![deny(unsafe_code)]

pub mod channel;
pub mod coding;
pub mod grid;
pub mod impair;
pub mod kernel;
pub mod modulation;
pub mod numerology;
pub mod pool;
pub mod receive;
pub mod sc_fdma;
pub mod sci;
pub mod sequence;
pub mod tables;
pub mod transmit;
pub mod units;

/// One complex baseband sample.
pub type Sample = num_complex::Complex32;

/// Soft value of one coded bit, in units of 1/[`LLR_UNITS_PER_NAT`] nat.
///
/// `log P(bit = 0) / P(bit = 1)`: positive means that 0 is the likelier bit, 0 is an erasure. The demapper clips at
/// ±[`LLR_MAX`]: eight transmissions add up without overflow.
pub type Llr = i16;

/// Fixed-point scale of an [`Llr`].
pub const LLR_UNITS_PER_NAT: f32 = 16.0;

/// Largest magnitude that the demapper writes.
pub const LLR_MAX: Llr = 4095;
