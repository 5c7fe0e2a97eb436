//! Products modulo p of parameter set 1 with AVX-512 IFMA, and what makes them usable as a [`Field`]. Unsafe
//! code stands here and in the kernel of discovery: vector instructions have no safe form, and they bring a factor of 4 to 5.
//!
//! A number has 20 limbs of 52 bits and stands for its product with 2^1040 (Montgomery). The 16 bits above p are room:
//! sums are not reduced, which the bounds of [`Field`] allow. Two layouts:
//!
//! - [`Batch`], eight numbers, a vector for the limbs of one place: partial sums of a product with a table, or the sums
//!   of eight recipients
//! - [`Row`], one number, its limbs side by side, several products interleaved: the long chain of the pairing
//!
//! Portable arithmetic ([`Residue`]) is the truth: tests compare every operation with it.
//!
//! [`Field`]: super::sakke::field::Field
//! [`Residue`]: super::sakke::params::Residue
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod batch;
#[cfg(target_arch = "x86_64")]
mod limbs;
#[cfg(target_arch = "x86_64")]
mod row;

#[cfg(target_arch = "x86_64")]
pub(super) use {batch::Batch, row::Row};

/// Stands in for a kernel that this architecture does not have; never chosen.
#[cfg(not(target_arch = "x86_64"))]
pub(super) use super::sakke::params::{Residue as Batch, Residue as Row};

/// Whether this machine has the instructions.
pub(super) fn is_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    let available = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma");
    #[cfg(not(target_arch = "x86_64"))]
    let available = false;
    available
}
