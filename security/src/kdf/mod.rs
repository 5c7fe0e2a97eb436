//! The generic key derivation function of TS 33.220 Annex B and one function per derivation.
//!
//! `S = FC || P0 || L0 || .. || Pn || Ln`, derived key = HMAC-SHA-256(key, S); Li is the length of Pi in octets as
//! 16 bits. "n least significant bits" of the output are its last n/8 octets.
//!
//! [`fc`] holds every FC with its provenance; [`lte`] derives for TS 33.303, [`nr`] for TS 33.536 and TS 33.503,
//! [`gba`] for TS 33.220, [`eap_aka`] for RFC 9048, and [`own`] keys and names that no specification defines. Text
//! parameters are UTF-8 that the caller has normalised (Unicode NFKC, TS 33.220 §B.2.1.2).

pub mod eap_aka;
pub mod fc;
pub mod gba;
pub mod lte;
pub mod nr;
pub mod own;

use std::fmt;

use zeroize::Zeroizing;

use crate::hmac::{Keyed, Running};
use fc::Fc;

/// A derived key of 256 bits, wiped when dropped.
pub type Derived = Zeroizing<[u8; 32]>;

/// The caller's error: a parameter whose length does not fit into 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterTooLong {
    /// Index i of the parameter Pi.
    pub index: usize,
    /// Its length in octets; 65535 is the limit.
    pub octets: usize,
}

impl fmt::Display for ParameterTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{} has {} octets, more than 65535", self.index, self.octets)
    }
}

impl std::error::Error for ParameterTooLong {}

/// Computes the generic KDF. TS 33.220 §B.2.0.
pub fn kdf(key: &[u8], fc: Fc, parameters: &[&[u8]]) -> Result<Derived, ParameterTooLong> {
    for (index, p) in parameters.iter().enumerate() {
        if p.len() > usize::from(u16::MAX) {
            return Err(ParameterTooLong { index, octets: p.len() });
        }
    }
    Ok(derive(key, fc, parameters))
}

/// Computes the generic KDF for parameters whose lengths are known to fit.
pub(crate) fn derive(key: &[u8], fc: Fc, parameters: &[&[u8]]) -> Derived {
    derive_keyed(&Keyed::new(key), fc, parameters)
}

// TS 33.303 §A.1 (TS 33.220 §B.2.0)
pub(crate) fn derive_keyed(key: &Keyed, fc: Fc, parameters: &[&[u8]]) -> Derived {
    let mut running = key.start();
    put_fc(&mut running, fc);
    for p in parameters {
        running.update(p);
        // TS 33.220 §B.2.1
        running.update(&(p.len() as u16).to_be_bytes());
    }
    Zeroizing::new(running.finish())
}

fn put_fc(running: &mut Running<'_>, fc: Fc) {
    match fc {
        Fc::Octet(fc) => running.update(&[fc]),
        Fc::Own(label) => {
            running.update(&[fc::OWN]);
            running.update(label.as_bytes());
            running.update(&(label.len() as u16).to_be_bytes());
        }
        Fc::Extended(fc) => running.update(&[0xff, fc]),
    }
}

/// Returns the 128 least significant bits.
pub(crate) fn low_128(derived: &Derived) -> [u8; 16] {
    let [.., a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = **derived;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

#[cfg(test)]
mod tests;
