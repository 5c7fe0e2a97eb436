//! The user identifier of 3GPP: what ECCSI and SAKKE take as the identifier (TS 33.180 Annex F.2.1).

use std::num::NonZeroU64;

use sha2::{Digest, Sha256};

/// Octets of a UID. All are used, leading zeros too.
pub const OCTETS: usize = 32;

/// The periods of one length for which a KMS issues keys: a user has a UID, and keys, for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EqualPeriods {
    /// Length of a period in seconds.
    pub length: NonZeroU64,
    /// Start of period 0 in seconds after 1900-01-01 00:00 UTC. TS 33.180 Annex F.2.1.1 has it below the length, which
    /// the published UIDs of another maker do not keep, and which nothing here needs.
    pub offset: u64,
}

impl EqualPeriods {
    /// Returns the number of the period at a time in NTP seconds (since 1900-01-01 00:00 UTC), `None` before period 0.
    pub const fn number_at(&self, ntp_seconds: u64) -> Option<u64> {
        match ntp_seconds.checked_sub(self.offset) {
            Some(since) => Some(since / self.length.get()),
            None => None,
        }
    }

    /// Returns the first NTP second of a period, `None` if it is not a 64-bit number.
    pub const fn start_of(&self, number: u64) -> Option<u64> {
        match number.checked_mul(self.length.get()) {
            Some(since) => since.checked_add(self.offset),
            None => None,
        }
    }
}

/// Returns the UID of an identifier (a URI) under a KMS (its URI) in the period of this number (TS 33.180 Annex F.2.1.1).
///
/// ECCSI and SAKKE take the 32 octets. The clause has them written in base64 as well, which is for people: two makers'
/// keys and messages work with the octets only.
///
/// Every parameter's length has 16 bits in the hash (TS 33.220 Annex B.2): an identifier of more than 65535 octets
/// would be ambiguous, so that only its first 65535 octets are hashed, as no URI is so long.
pub fn uid(identifier: &str, kms: &str, periods: EqualPeriods, number: u64) -> [u8; OCTETS] {
    let mut hash = Sha256::new();
    hash.update([0]);
    let mut parameter = |octets: &[u8]| {
        let length = octets.len().min(usize::from(u16::MAX));
        hash.update(&octets[..length]);
        hash.update((length as u16).to_be_bytes());
    };
    parameter(b"MIKEY-SAKKE-UID");
    parameter(identifier.as_bytes());
    parameter(kms.as_bytes());
    for integer in [periods.length.get(), periods.offset, number] {
        let octets = integer.to_be_bytes();
        let leading = (integer.leading_zeros() as usize / 8).min(7);
        parameter(&octets[leading..]);
    }
    hash.finalize().into()
}
