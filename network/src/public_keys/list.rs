//! The list of revoked keys: their fingerprints, or, where they are many, a Bloom filter of them.
//!
//! ```text
//! up to 256 keys   exact: 16 octets a key
//! more             filter: 14.4 bits a key, one wrong hit in 1000; at most 24 KiB, beyond which wrong hits become more
//! ```
//!
//! A hit in a filter means *ask again*: the server tells a key by its name as long as it is not revoked. The number of the list goes
//! into the hashes, so that a key that is hit by mistake in one list is not in the next.

use sha2::{Digest, Sha256};
use sidelink_security::counter::UtcTime;

use super::key::Fingerprint;

/// Revoked keys up to which a list names each. Own.
pub const MOST_EXACT: usize = 256;

/// Most octets of a filter. Own: with base64 it fits into half a document.
pub const MOST_FILTER: usize = 24 * 1024;

/// Bits of a filter a key, in tenths: one wrong hit in 1000.
const TENTHS_OF_BITS: usize = 144;

/// Most hashes of a filter.
const MOST_HASHES: u8 = 32;

/// Begins what a position in a filter is the hash of.
const LABEL: &[u8] = b"sidelink list of revoked keys 1";

/// Number of a list: it grows with each revocation, and never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ListNumber(pub u64);

/// A list of revoked keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// Its number.
    pub number: ListNumber,
    /// When the server said that it is the newest.
    pub issued: UtcTime,
    /// The keys.
    pub keys: RevokedKeys,
}

/// The keys of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokedKeys {
    /// Each of them.
    Exact(Vec<Fingerprint>),
    /// A filter that has all of them.
    Filter(Filter),
}

/// A Bloom filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Keys that are in it.
    pub entries: u32,
    /// Bits that each key sets.
    pub hashes: u8,
    /// The bits.
    pub octets: Vec<u8>,
}

/// What a list says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// It is not revoked.
    No,
    /// It is.
    Yes,
    /// A filter has it: perhaps by mistake.
    Perhaps,
}

impl RevocationList {
    /// Of these keys, as few octets as may be.
    pub fn of(number: ListNumber, issued: UtcTime, keys: Vec<Fingerprint>) -> Self {
        let keys = match keys.len() {
            0..=MOST_EXACT => RevokedKeys::Exact(keys),
            _ => RevokedKeys::Filter(Filter::of(number, &keys)),
        };
        Self { number, issued, keys }
    }

    /// What it says of a key.
    pub fn says(&self, key: &Fingerprint) -> Listed {
        match &self.keys {
            RevokedKeys::Exact(keys) if keys.contains(key) => Listed::Yes,
            RevokedKeys::Filter(filter) if filter.has(self.number, key) => Listed::Perhaps,
            _ => Listed::No,
        }
    }

    /// The part of keys that are not revoked for which it says [`Listed::Perhaps`].
    pub fn false_rate(&self) -> f64 {
        match &self.keys {
            RevokedKeys::Exact(_) => 0.0,
            RevokedKeys::Filter(filter) => filter.false_rate(),
        }
    }
}

impl Filter {
    fn of(number: ListNumber, keys: &[Fingerprint]) -> Self {
        let octets = (keys.len().saturating_mul(TENTHS_OF_BITS) / 80 + 1).min(MOST_FILTER);
        let bits_a_key = octets as f64 * 8.0 / keys.len() as f64;
        let hashes = (bits_a_key * core::f64::consts::LN_2).round().clamp(1.0, f64::from(MOST_HASHES)) as u8;
        let entries = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let mut filter = Self { entries, hashes, octets: vec![0; octets] };
        for key in keys {
            for bit in filter.positions(number, key).collect::<Vec<_>>() {
                filter.octets[bit / 8] |= 1 << (bit % 8);
            }
        }
        filter
    }

    /// Whether it is one that [`Filter::of`] makes: bounds of what comes from elsewhere.
    pub(super) fn is_possible(&self) -> bool {
        (1..=MOST_HASHES).contains(&self.hashes) && (1..=MOST_FILTER).contains(&self.octets.len())
    }

    fn has(&self, number: ListNumber, key: &Fingerprint) -> bool {
        self.positions(number, key).all(|bit| self.octets[bit / 8] >> (bit % 8) & 1 == 1)
    }

    fn false_rate(&self) -> f64 {
        let (bits, hashes) = (self.octets.len() as f64 * 8.0, f64::from(self.hashes));
        (1.0 - (-hashes * f64::from(self.entries) / bits).exp()).powf(hashes)
    }

    /// Two hashes make all of them: h1 + i h2.
    fn positions(&self, number: ListNumber, key: &Fingerprint) -> impl Iterator<Item = usize> + use<> {
        let digest =
            Sha256::new().chain_update(LABEL).chain_update(number.0.to_be_bytes()).chain_update(key.0);
        let digest: [u8; 32] = digest.finalize().into();
        let word = |from: usize| {
            let mut octets = [0; 8];
            octets.copy_from_slice(&digest[from..from + 8]);
            u64::from_be_bytes(octets)
        };
        let (first, step, bits) = (word(0), word(8) | 1, self.octets.len() as u64 * 8);
        (0..u64::from(self.hashes)).map(move |i| (first.wrapping_add(i.wrapping_mul(step)) % bits) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(range: core::ops::Range<u32>) -> Vec<Fingerprint> {
        let key = |number: u32| {
            let mut octets = [0; 16];
            octets.copy_from_slice(&Sha256::digest(number.to_be_bytes())[..16]);
            Fingerprint(octets)
        };
        range.map(key).collect()
    }

    #[test]
    fn a_short_list_names_each_key_and_no_other() {
        let list = RevocationList::of(ListNumber(3), UtcTime::from_millis(5), keys(0..256));
        assert!(keys(0..256).iter().all(|key| list.says(key) == Listed::Yes));
        assert!(keys(256..4096).iter().all(|key| list.says(key) == Listed::No));
        assert_eq!(list.false_rate(), 0.0);
    }

    /// Wrong hits of 1000, 10000 and 100000 keys: as many as the list says, and no key is missed.
    #[test]
    fn a_long_list_misses_no_key_and_its_wrong_hits_are_as_many_as_it_says() {
        for (revoked, most) in [(1_000, 0.0015), (10_000, 0.0015), (100_000, 0.45)] {
            let list = RevocationList::of(ListNumber(9), UtcTime::from_millis(0), keys(0..revoked));
            let RevokedKeys::Filter(filter) = &list.keys else { panic!("exact") };
            assert!(filter.octets.len() <= MOST_FILTER && filter.is_possible());
            assert!(keys(0..revoked).iter().all(|key| list.says(key) == Listed::Perhaps));
            let others = keys(1_000_000..1_040_000);
            let wrong = others.iter().filter(|key| list.says(key) == Listed::Perhaps).count();
            let (rate, said) = (wrong as f64 / others.len() as f64, list.false_rate());
            assert!(said < most, "{revoked}: {said}");
            assert!((rate - said).abs() < 0.0006 + said * 0.1, "{revoked}: {rate} against {said}");
        }
    }

    #[test]
    fn a_wrong_hit_is_not_one_of_the_next_list_too() {
        let list = |number| RevocationList::of(ListNumber(number), UtcTime::from_millis(0), keys(0..1000));
        let (one, next) = (list(1), list(2));
        let others = keys(1_000_000..1_100_000);
        let hits = |list: &RevocationList, of: &[Fingerprint]| -> Vec<Fingerprint> {
            of.iter().filter(|key| list.says(key) == Listed::Perhaps).copied().collect()
        };
        let wrong = hits(&one, &others);
        assert!(wrong.len() > 20 && hits(&next, &wrong).len() < wrong.len() / 4);
    }
}
