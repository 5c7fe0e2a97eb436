//! The identities that a monitor follows, for [`matching`](super::matching): the code of each one in each period.
//!
//! - [`RotatingBook`], over-the-air IDs of [`ota`](super::ota) in option 2 (nothing sent). 88 octets per identity.
//! - [`RestrictedBook`], exact codes of [`restricted`](super::restricted) discovery. About 300 octets per code.
//!
//! Protections for which one look-up per frame is enough, and those for which it is not:
//!
//! | protection | per frame |
//! |---|---|
//! | rotating id, option 2 | O(1): the whole message is known ahead |
//! | restricted, the whole code known (any of DUSK, DUIK, DUCK) | O(1): code, MIC, keystreams follow from the second |
//! | rotating id, option 1 | O(N): the nonce is only known when the frame is there |
//! | restricted, part of the code unknown (filters, metadata) | O(N): MIC and keystream depend on what is unknown |
//! | open | no secret: a table of codes is enough |
//!
//! A book is cheap to clone (its chunks are shared), and a table keeps the book that it was built from, so that
//! identities can be added and removed while tables are built and matched.

use std::sync::Arc;

use zeroize::Zeroize;

use super::ota::{LiteralHash, OtaConfig, ProseId, Variant, keyed_block};
use super::restricted::{Absorbed, Material};
use super::rotation::{PeriodIndex, RotationPeriod};
use super::{Code, Message, Profile};
use crate::counter::{LsbWidth, UtcCounter};
use crate::hmac::{Keyed, outer_block};
use crate::keys::ApplicationKey;

/// Index of a followed identity in its book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry(pub u32);

/// The interface of a book for matching.
pub trait CodeBook: Send + Sync {
    /// Returns the number of places, vacant ones included.
    fn len(&self) -> usize;

    /// Whether there is no place at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the time for which a code is valid.
    fn period(&self) -> RotationPeriod;

    /// Returns the number of bits of a code.
    fn code_bits(&self) -> u32;

    /// Whether the LSB in a received message claim that it is of `period`.
    fn claims(&self, message: &Message, period: PeriodIndex) -> bool;

    /// Writes the expected messages of the identities from place `first` on in `period`: `None` for places that are
    /// vacant or expired.
    fn expected(&self, period: PeriodIndex, first: usize, expected: &mut [Option<Words>]);
}

/// The 29 octets of a message as words: octets 1 to 8, 9 to 16, 17 to 24, then 25 to 28 and octet 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(pub [u64; 4]);

impl Words {
    /// Converts a message.
    #[inline]
    pub fn new(message: &Message) -> Self {
        let [message_type, rest @ ..] = message;
        let (words, last) = rest.as_chunks::<8>();
        let last = last.first_chunk::<4>().copied().unwrap_or_default();
        let [a, b, c] = [0, 1, 2].map(|i| words.get(i).map_or(0, |word| u64::from_be_bytes(*word)));
        Self([a, b, c, u64::from(u32::from_be_bytes(last)) << 32 | u64::from(*message_type)])
    }
}

/// Identities per shared chunk: a change copies one chunk of a book that is in use, not the book.
const CHUNK: usize = 1024;

/// Number of HMACs that are computed together: each is two dependent compressions, and the processor overlaps
/// independent ones.
const LANES: usize = 16;

/// Identities that are followed under one [`OtaConfig`] of option 2.
#[derive(Clone)]
pub struct RotatingBook {
    config: OtaConfig,
    chunks: Vec<Arc<Chunk>>,
    len: usize,
    vacant: Vec<Entry>,
}

#[derive(Clone)]
struct Chunk {
    /// The keys of [`Variant::Keyed`]; empty for the literal variant.
    keys: Vec<Keyed>,
    tails: Vec<Tail>,
}

#[derive(Clone, Copy)]
struct Tail {
    id: ProseId,
    /// UTC-based counter; 0 marks a vacant place.
    valid_until: u32,
}

impl Drop for Chunk {
    fn drop(&mut self) {
        for tail in &mut self.tails {
            tail.id.zeroize();
        }
    }
}

/// The configuration sends a nonce: its codes cannot be computed in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceNotFollowable;

impl std::fmt::Display for NonceNotFollowable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("codes with a nonce cannot be tabled ahead: verify each identity by itself")
    }
}

impl std::error::Error for NonceNotFollowable {}

impl RotatingBook {
    /// Makes an empty book.
    pub fn new(config: OtaConfig) -> Result<Self, NonceNotFollowable> {
        if config.nonce_bits() != 0 {
            return Err(NonceNotFollowable);
        }
        Ok(Self { config, chunks: Vec::new(), len: 0, vacant: Vec::new() })
    }

    /// Follows an identity until `valid_until`. The next table that is built contains it.
    pub fn follow(&mut self, id: ProseId, key: &ApplicationKey, valid_until: UtcCounter) -> Entry {
        let keyed = match self.config.variant() {
            Variant::Keyed => Some(Keyed::new(key.as_bytes())),
            Variant::Literal => None,
        };
        let tail = Tail { id, valid_until: valid_until.value().max(1) };
        if let Some(slot) = self.vacant.pop() {
            let (chunk, i) = self.place(slot);
            chunk.tails[i] = tail;
            if let Some(keyed) = keyed {
                chunk.keys[i] = keyed;
            }
            return slot;
        }
        let slot = Entry(self.len as u32);
        if self.len.is_multiple_of(CHUNK) {
            let keys = Vec::with_capacity(if keyed.is_some() { CHUNK } else { 0 });
            self.chunks.push(Arc::new(Chunk { keys, tails: Vec::with_capacity(CHUNK) }));
        }
        self.len += 1;
        let (chunk, _) = self.place(slot);
        chunk.tails.push(tail);
        chunk.keys.extend(keyed);
        slot
    }

    /// Stops following an identity: the tables that are built from now on do not contain it.
    pub fn unfollow(&mut self, slot: Entry) {
        if !self.is_followed(slot) {
            return;
        }
        let (chunk, i) = self.place(slot);
        chunk.tails[i].id.zeroize();
        chunk.tails[i].valid_until = 0;
        if let Some(key) = chunk.keys.get_mut(i) {
            key.zeroize();
        }
        self.vacant.push(slot);
    }

    /// Replaces an identity by a new ProSe ID and key. This revokes access (TR 33.833 §6.2.1.5): all UEs except the
    /// revoked one get the new pair. The old pair is followed until `stragglers_until` at another place, which is
    /// returned; the new pair takes over `slot`.
    pub fn replace(
        &mut self,
        slot: Entry,
        id: ProseId,
        key: &ApplicationKey,
        valid_until: UtcCounter,
        stragglers_until: UtcCounter,
    ) -> Option<Entry> {
        if !self.is_followed(slot) {
            return None;
        }
        // The new pair is put at a place of its own first, then the two places are exchanged.
        let other = self.follow(id, key, valid_until);
        let (chunk, i) = self.place(other);
        let new_tail = chunk.tails[i];
        let new_key = chunk.keys.get(i).cloned();
        let (chunk, i) = self.place(slot);
        let mut old_tail = std::mem::replace(&mut chunk.tails[i], new_tail);
        old_tail.valid_until = old_tail.valid_until.min(stragglers_until.value()).max(1);
        let old_key = new_key.map(|new| std::mem::replace(&mut chunk.keys[i], new));
        let (chunk, i) = self.place(other);
        chunk.tails[i] = old_tail;
        if let Some(old) = old_key {
            chunk.keys[i] = old;
        }
        Some(other)
    }

    /// Stops following all identities whose validity is over, and returns their places.
    pub fn expire(&mut self, now: UtcCounter) -> Vec<Entry> {
        let over: Vec<Entry> = (0..self.len as u32)
            .map(Entry)
            .filter(|slot| {
                let (chunk, i) = split(*slot);
                (1..now.value()).contains(&self.chunks[chunk].tails[i].valid_until)
            })
            .collect();
        for slot in &over {
            let (chunk, i) = self.place(*slot);
            chunk.tails[i] = Tail { id: [0; 20], valid_until: 0 };
            if let Some(key) = chunk.keys.get_mut(i) {
                key.zeroize();
            }
        }
        self.vacant.extend(&over);
        over
    }

    /// Returns the octets that the book itself takes per place.
    pub const fn octets_per_identity(&self) -> usize {
        let key = match self.config.variant() {
            Variant::Keyed => size_of::<Keyed>(),
            Variant::Literal => 0,
        };
        key + size_of::<Tail>()
    }

    fn is_followed(&self, slot: Entry) -> bool {
        let (chunk, i) = split(slot);
        self.chunks.get(chunk).and_then(|c| c.tails.get(i)).is_some_and(|tail| tail.valid_until != 0)
    }

    fn place(&mut self, slot: Entry) -> (&mut Chunk, usize) {
        let (chunk, i) = split(slot);
        (Arc::make_mut(&mut self.chunks[chunk]), i)
    }
}

const fn split(slot: Entry) -> (usize, usize) {
    (slot.0 as usize / CHUNK, slot.0 as usize % CHUNK)
}

impl CodeBook for RotatingBook {
    fn len(&self) -> usize {
        self.len
    }

    fn period(&self) -> RotationPeriod {
        self.config.period()
    }

    fn code_bits(&self) -> u32 {
        u32::from(self.config.code_bits())
    }

    fn claims(&self, message: &Message, period: PeriodIndex) -> bool {
        message[28] == period.lsb()
    }

    fn expected(&self, period: PeriodIndex, first: usize, expected: &mut [Option<Words>]) {
        let frame = Frame::new(&self.config, period);
        let mut at = first;
        let mut rest = expected;
        // Chunk by chunk, and in each by lanes.
        while !rest.is_empty() {
            let (chunk, i) = split(Entry(at as u32));
            let Some(chunk) = self.chunks.get(chunk) else { return rest.fill(None) };
            let n = rest.len().min(chunk.tails.len().saturating_sub(i));
            if n == 0 {
                return rest.fill(None);
            }
            let (now, later) = rest.split_at_mut(n);
            match self.config.variant() {
                Variant::Keyed => keyed(period, &frame, &chunk.keys[i..i + n], &chunk.tails[i..i + n], now),
                Variant::Literal => literal(period, &frame, &chunk.tails[i..i + n], now),
            }
            at += n;
            rest = later;
        }
    }
}

/// The bits around the code in every message of a period, and the mask of the code.
struct Frame {
    around: Words,
    mask: [u64; 4],
    /// Identities whose validity ends at or before this counter have expired.
    begin: u32,
}

impl Frame {
    fn new(config: &OtaConfig, period: PeriodIndex) -> Self {
        let around = Words::new(&config.message(&[], &[0; 32], period));
        let ones = Words::new(&config.message(&[], &[0xff; 32], period));
        let begin = config.period().start(period).counter().value();
        Self { around, mask: std::array::from_fn(|i| ones.0[i] ^ around.0[i]), begin }
    }

    /// Returns the message for a code, from the words of the function's output.
    #[inline]
    fn words(&self, function: &[u32]) -> Words {
        let word = |i: usize| function.get(i).map_or(0, |word| u64::from(*word));
        Words(std::array::from_fn(|i| {
            (word(2 * i) << 32 | word(2 * i + 1)) & self.mask[i] | self.around.0[i]
        }))
    }
}

/// Computes the messages step by step over all lanes, not lane by lane: a compression that loads words which were only
/// just stored, in parts, would wait for everything before it, and nothing would overlap.
fn keyed(period: PeriodIndex, frame: &Frame, keys: &[Keyed], tails: &[Tail], out: &mut [Option<Words>]) {
    let (block, id_at) = keyed_block(period);
    let mut blocks = [block; LANES];
    let mut states = [[0; 8]; LANES];
    let lanes = keys.chunks(LANES).zip(tails.chunks(LANES)).zip(out.chunks_mut(LANES));
    for ((keys, tails), out) in lanes {
        for (block, tail) in blocks.iter_mut().zip(tails) {
            block[id_at..id_at + 20].copy_from_slice(&tail.id);
        }
        for (state, (key, block)) in states.iter_mut().zip(keys.iter().zip(&blocks)) {
            *state = key.inner_short(block);
        }
        let mut outer = [[0; 64]; LANES];
        for (block, state) in outer.iter_mut().zip(&states) {
            *block = outer_block(state);
        }
        for (state, (key, block)) in states.iter_mut().zip(keys.iter().zip(&outer)) {
            *state = key.outer_short(block);
        }
        for (out, (state, tail)) in out.iter_mut().zip(states.iter().zip(tails)) {
            *out = (tail.valid_until > frame.begin).then(|| frame.words(state));
        }
    }
}

fn literal(period: PeriodIndex, frame: &Frame, tails: &[Tail], out: &mut [Option<Words>]) {
    let hash = LiteralHash::new(&[], period);
    let mut states = [[0; 5]; LANES];
    for (tails, out) in tails.chunks(LANES).zip(out.chunks_mut(LANES)) {
        let mut ids = [[0; 20]; LANES];
        for (id, tail) in ids.iter_mut().zip(tails) {
            *id = tail.id;
        }
        hash.lanes(&ids, &mut states);
        for (out, (state, tail)) in out.iter_mut().zip(states.iter().zip(tails)) {
            *out = (tail.valid_until > frame.begin).then(|| frame.words(state));
        }
    }
}

/// Exact codes of restricted discovery, each with its own material. The period is the second of the UTC-based counter,
/// so a monitor follows the neighbouring seconds, not all of MAX_OFFSET.
#[derive(Clone)]
pub struct RestrictedBook {
    profile: Profile,
    codes: Vec<Option<Arc<FollowedCode>>>,
}

struct FollowedCode {
    keys: Absorbed,
    message_type: u8,
    code: Code,
    valid_until: UtcCounter,
}

/// Without a DUIK a message has no proof of authenticity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoIntegrityKey;

impl std::fmt::Display for NoIntegrityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the material has no DUIK: a match would prove nothing")
    }
}

impl std::error::Error for NoIntegrityKey {}

impl RestrictedBook {
    /// Makes an empty book.
    pub const fn new(profile: Profile) -> Self {
        Self { profile, codes: Vec::new() }
    }

    /// Follows one code, sent with `message_type` under `material`, which must have a DUIK: a match is a proof.
    pub fn follow(
        &mut self,
        message_type: u8,
        code: Code,
        material: &Material,
        valid_until: UtcCounter,
    ) -> Result<Entry, NoIntegrityKey> {
        if material.duik.is_none() {
            return Err(NoIntegrityKey);
        }
        let keys = Absorbed::new(material, self.profile);
        self.codes.push(Some(Arc::new(FollowedCode { keys, message_type, code, valid_until })));
        Ok(Entry(self.codes.len() as u32 - 1))
    }

    /// Stops following a code. Its place is not used again.
    pub fn unfollow(&mut self, slot: Entry) {
        if let Some(place) = self.codes.get_mut(slot.0 as usize) {
            *place = None;
        }
    }
}

impl CodeBook for RestrictedBook {
    fn len(&self) -> usize {
        self.codes.len()
    }

    fn period(&self) -> RotationPeriod {
        RotationPeriod::SECOND
    }

    fn code_bits(&self) -> u32 {
        216
    }

    fn claims(&self, message: &Message, period: PeriodIndex) -> bool {
        message[self.profile.layout.lsb()] == counter_of(period).lsb(LsbWidth::of(message[0]))
    }

    fn expected(&self, period: PeriodIndex, first: usize, expected: &mut [Option<Words>]) {
        let counter = counter_of(period);
        for (i, expected) in expected.iter_mut().enumerate() {
            let followed = self.codes.get(first + i).and_then(|c| c.as_ref());
            *expected = followed
                .filter(|c| c.valid_until > counter)
                .map(|c| Words::new(&c.keys.seal(c.message_type, &c.code, counter)));
        }
    }
}

fn counter_of(period: PeriodIndex) -> UtcCounter {
    UtcCounter::new(u32::try_from(period.0).unwrap_or(u32::MAX))
}
