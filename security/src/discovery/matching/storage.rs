//! The memory of a table: shards by the top bits of a digest, which several threads fill without waiting for each other.

use std::num::NonZeroU64;

use super::super::book::{Entry, Words};

/// The digests of one period, in shards.
#[derive(Default)]
pub(super) struct Storage {
    shards: Vec<Shard>,
    /// 64, less the bits of a digest that choose its shard.
    shift: u32,
}

/// The digests with the same top bits.
#[derive(Default)]
pub(super) struct Shard {
    buckets: Vec<Bucket>,
    front: Vec<u64>,
    /// Bits of a digest before those that choose a bucket.
    skip: u32,
    index_bits: u32,
    placed: usize,
    unplaced: usize,
    /// Places and bits of an index of the next table, until this one is emptied for it.
    next: Option<(usize, u32)>,
}

/// One cache line of entries: 0 is free, otherwise low bits of the digest || place + 1. Filled from the front.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([u64; ENTRIES]);

const ENTRIES: usize = 8;

/// Followed places per bucket: the array is three quarters full.
const PLACES_PER_BUCKET: usize = 6;

/// Bits of the front per followed place.
const FRONT_BITS_PER_PLACE: usize = 16;

/// Number of buckets that are searched for an entry, from its own on. At three quarters full, with random codes, a few
/// are enough; followed identities that share one code (the same key given twice) accumulate, and the rest is counted
/// as unplaced.
const MAX_BUCKETS: usize = 64;

/// Digests whose cache misses overlap.
const BATCH: usize = 64;

/// Most regions of a table, by the top bits of the digest. Digests are stored region by region: a region of a large table has
/// 3 KiB, so that its cache lines are read in their order, once a round.
pub(super) const MOST_REGIONS: usize = 4096;

/// Regions of a table with few places.
const FEW_REGIONS: usize = 64;

/// From this number of places on there are most regions.
const LARGE: usize = 1 << 17;

/// Shards of a table with many places; one with few has a single one.
const SHARDS: usize = 16;

/// From this number of places on there are many.
const MANY: usize = 1 << 14;

/// Returns the number of regions of a table with so many places: a power of two, and a multiple of that of its shards.
pub(super) const fn regions(places: usize) -> usize {
    if places < LARGE { FEW_REGIONS } else { MOST_REGIONS }
}

/// Returns the region of a digest, of so many.
#[inline]
pub(super) const fn region(digest: NonZeroU64, regions: usize) -> usize {
    (digest.get() >> (64 - regions.ilog2())) as usize
}

impl Storage {
    /// Has it emptied by [`Shard::empty`], for this number of places; nothing is allocated when there were as many before.
    pub(super) fn renew(&mut self, places: usize) {
        let shards = if places < MANY { 1 } else { SHARDS };
        self.shift = 64 - shards.ilog2();
        self.shards.resize_with(shards, Shard::default);
        // Random codes fill shards unequally, by four standard deviations at most but for one case in 30 000; more costs
        // time, not identities.
        let each = places.div_ceil(shards);
        let each = if shards == 1 { each } else { each + 4 * each.isqrt() };
        for shard in &mut self.shards {
            shard.skip = shards.ilog2();
            shard.next = Some((each, usize::BITS - places.leading_zeros()));
        }
    }

    pub(super) fn shards(&mut self) -> &mut [Shard] {
        &mut self.shards
    }

    /// Returns the number of codes in the table, and of those that found no place.
    pub(super) fn counted(&self) -> (usize, usize) {
        self.shards
            .iter()
            .fold((0, 0), |(placed, unplaced), shard| (placed + shard.placed, unplaced + shard.unplaced))
    }

    pub(super) fn octets(&self) -> usize {
        let octets = |shard: &Shard| size_of::<Bucket>() * shard.buckets.len() + 8 * shard.front.len();
        self.shards.iter().map(octets).sum()
    }

    /// Calls `each` for every place whose message has this digest.
    #[inline]
    pub(super) fn find(&self, digest: u64, each: impl FnMut(Entry)) {
        // One shard: all bits are shifted out.
        let shard = digest.checked_shr(self.shift).unwrap_or(0) as usize;
        if let Some(shard) = self.shards.get(shard) {
            shard.find(digest, each);
        }
    }
}

impl Shard {
    /// Empties it for the next table, once: it takes as long as a copy of it, so that each thread empties its own.
    pub(super) fn empty(&mut self) {
        let Some((places, index_bits)) = self.next.take() else { return };
        let words = (FRONT_BITS_PER_PLACE * places).div_ceil(64).max(1);
        self.buckets.clear();
        self.buckets.resize(places.div_ceil(PLACES_PER_BUCKET).max(1), Bucket::default());
        self.front.clear();
        self.front.resize(words, 0);
        self.index_bits = index_bits;
        (self.placed, self.unplaced) = (0, 0);
    }

    /// Stores digests with their places, in this order.
    pub(super) fn insert_all(&mut self, digests: &[u64], places: &[u32]) {
        for (digests, places) in digests.chunks(BATCH).zip(places.chunks(BATCH)) {
            self.touch(digests);
            for (digest, place) in digests.iter().zip(places) {
                match self.insert(*digest, *place as usize) {
                    true => self.placed += 1,
                    false => self.unplaced += 1,
                }
            }
        }
    }

    /// Reads the entries at the positions of these digests, without a decision on them: the cache misses of a batch
    /// overlap, which the branches of [`Self::insert`] would prevent.
    fn touch(&self, digests: &[u64]) {
        let seen = digests.iter().fold(0, |seen, digest| {
            let bucket = &self.buckets[self.bucket(*digest)];
            seen ^ bucket.0[0] ^ self.front[self.front_bit(*digest).0]
        });
        std::hint::black_box(seen);
    }

    fn insert(&mut self, digest: u64, place: usize) -> bool {
        let (word, bit) = self.front_bit(digest);
        self.front[word] |= 1 << bit;
        let mut at = self.bucket(digest);
        for _ in 0..MAX_BUCKETS.min(self.buckets.len()) {
            let bucket = &mut self.buckets[at].0;
            // Finds the first free entry by halving, without a branch: the processor cannot predict which one it is.
            let mut free = 4 * usize::from(bucket[3] != 0);
            free += 2 * usize::from(bucket[free + 1] != 0);
            free += usize::from(bucket[free] != 0);
            if bucket[free] == 0 {
                bucket[free] = digest << self.index_bits | (place as u64 + 1);
                return true;
            }
            at = if at + 1 == self.buckets.len() { 0 } else { at + 1 };
        }
        false
    }

    #[inline]
    fn find(&self, digest: u64, each: impl FnMut(Entry)) {
        let (word, bit) = self.front_bit(digest);
        if self.front[word] >> bit & 1 == 1 {
            self.probe(digest, each);
        }
    }

    fn probe(&self, digest: u64, mut each: impl FnMut(Entry)) {
        let wanted = digest << self.index_bits;
        let place = (1_u64 << self.index_bits) - 1;
        let mut at = self.bucket(digest);
        for _ in 0..MAX_BUCKETS.min(self.buckets.len()) {
            for entry in self.buckets[at].0 {
                if entry == 0 {
                    return;
                }
                if entry & !place == wanted {
                    each(Entry((entry & place) as u32 - 1));
                }
            }
            at = if at + 1 == self.buckets.len() { 0 } else { at + 1 };
        }
    }

    #[inline]
    fn bucket(&self, digest: u64) -> usize {
        spread(digest << self.skip, self.buckets.len())
    }

    #[inline]
    fn front_bit(&self, digest: u64) -> (usize, u32) {
        let at = spread(digest << self.skip, 64 * self.front.len());
        (at / 64, (at % 64) as u32)
    }
}

/// Multipliers of the digest: fractional parts of square roots, chosen without a structure. The tests show that every
/// single flipped bit changes the stored part of the digest.
const MULTIPLIERS: [u128; 4] = [
    0x6a09_e667_f3bc_c908_b2fb_1366_ea95_7d3e,
    0xbb67_ae85_84ca_a73b_2574_2d70_78b8_3b89,
    0x3c6e_f372_fe94_f82b_e739_80c0_b9db_9069,
    0xa54f_f53a_5f1d_36f1_cea7_e61f_c37a_20d5,
];

/// Returns the upper half of a sum of products modulo 2^128: multilinear hashing.
#[inline]
pub(super) fn digest_of(words: &Words) -> NonZeroU64 {
    let sum =
        words.0.iter().zip(MULTIPLIERS).fold(0_u128, |sum, (word, multiplier)| {
            sum.wrapping_add(multiplier.wrapping_mul(u128::from(*word)))
        });
    // Zero becomes one, so that `None` costs no memory.
    NonZeroU64::new((sum >> 64) as u64).unwrap_or(NonZeroU64::MIN)
}

/// Maps the top 32 bits of the digest to a position in `0..n`, n below 2^36.
#[inline]
const fn spread(digest: u64, n: usize) -> usize {
    (((digest >> 32) as u128 * n as u128) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The difference of one flipped bit, in either direction and with or without a carry from the lower half, is never
    /// zero in the bits of an entry, even among 2^30 identities.
    #[test]
    fn every_flipped_bit_changes_what_is_stored() {
        for bit in 0..232 {
            let mut message = [0; 29];
            message[bit / 8] = 0x80 >> (bit % 8);
            let up = digest_of(&Words::new(&message)).get();
            for difference in [up, up.wrapping_add(1), up.wrapping_neg(), up.wrapping_neg().wrapping_sub(1)] {
                assert_ne!(difference << 30, 0, "bit {bit}");
            }
        }
    }

    /// A free entry matches no identity, not even for a digest of which no bit is stored.
    #[test]
    fn a_free_entry_is_nobody() {
        let mut storage = Storage::default();
        storage.renew(8);
        storage.shards.iter_mut().for_each(Shard::empty);
        let digest = 1 << 63;
        let shard = &storage.shards[0];
        assert_eq!(digest << shard.index_bits, 0);
        shard.probe(digest, |entry| panic!("{entry:?}"));
    }

    #[test]
    fn words_hold_every_bit_once() {
        let mut all = [0_u64; 4];
        for bit in 0..232 {
            let mut message = [0; 29];
            message[bit / 8] = 0x80 >> (bit % 8);
            let words = Words::new(&message).0;
            assert_eq!(words.iter().map(|w| w.count_ones()).sum::<u32>(), 1);
            for (all, word) in all.iter_mut().zip(words) {
                assert_eq!(*all & word, 0);
                *all |= word;
            }
        }
    }
}
