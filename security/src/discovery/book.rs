//! What a monitor follows, for [`matching`](super::matching): which code each followed identity has in each period.
//!
//! - [`RotatingBook`], over-the-air ids of [`ota`](super::ota) in option 2 (nothing sent). 88 octets an identity.
//! - [`RestrictedBook`], exact codes of [`restricted`](super::restricted) discovery. About 350 octets a code.
//!
//! What can be looked up at the cost of one look-up, and what cannot:
//!
//! | protection | per frame |
//! |---|---|
//! | rotating id, option 2 | O(1): the whole message is known ahead |
//! | restricted, the whole code known (any of DUSK, DUIK, DUCK) | O(1): code, MIC, keystreams follow from the second |
//! | rotating id, option 1 | O(N): the nonce is only known when the frame is there |
//! | restricted, part of the code unknown (filters, metadata) | O(N): MIC and keystream depend on what is unknown |
//! | open | no secret: a table of codes is enough |
//!
//! A book is cheap to clone (its chunks are shared) and a table keeps the book that it was built from, so that
//! identities come and go while tables are built and matched.

use std::sync::Arc;

use zeroize::Zeroize;

use super::ota::{LiteralHash, OtaConfig, ProseId, Variant, keyed_block};
use super::restricted::{Absorbed, Material};
use super::rotation::{PeriodIndex, RotationPeriod};
use super::{Code, Message, Profile};
use crate::counter::UtcCounter;
use crate::hmac::{Keyed, outer_block};
use crate::keys::ApplicationKey;

/// Place of a followed identity in its book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// What matching needs to know of a book.
pub trait CodeBook: Send + Sync {
    /// Places, vacant ones included.
    fn len(&self) -> usize;

    /// No place at all?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long a code lasts.
    fn period(&self) -> RotationPeriod;

    /// How many bits of [`Self::tag`] are code (64 or fewer).
    fn tag_bits(&self) -> u32;

    /// The tag of a received message: the first bits of its code, left aligned, zeros after them; and the LSB of the
    /// period that it claims. `None`: this message type is not ours.
    fn tag(&self, message: &Message) -> Option<(u64, u8)>;

    /// The tags of `period` for the places from `first` on; `None` for places that are vacant or over.
    fn tags(&self, period: PeriodIndex, first: usize, tags: &mut [Option<u64>]);

    /// Is `message` what the identity in `slot` sends in `period`? All 232 bits, in constant time.
    fn verify(&self, slot: Slot, period: PeriodIndex, message: &Message) -> bool;
}

/// Identities to a shared chunk: a change copies one chunk of a book that is in use, not the book.
const CHUNK: usize = 1024;

/// How many HMACs run side by side: each is two dependent compressions, and the processor overlaps independent ones.
pub(crate) const LANES: usize = 16;

/// Identities that are followed under one [`OtaConfig`] of option 2.
#[derive(Clone)]
pub struct RotatingBook {
    config: OtaConfig,
    chunks: Vec<Arc<Chunk>>,
    len: usize,
    vacant: Vec<Slot>,
}

#[derive(Clone)]
struct Chunk {
    /// Of [`Variant::Keyed`]; empty for the literal variant.
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

/// The configuration sends a nonce: such codes cannot be known ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceNotFollowable;

impl std::fmt::Display for NonceNotFollowable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("codes with a nonce cannot be tabled ahead: verify each identity by itself")
    }
}

impl std::error::Error for NonceNotFollowable {}

impl RotatingBook {
    /// An empty book.
    pub fn new(config: OtaConfig) -> Result<Self, NonceNotFollowable> {
        if config.nonce_bits() != 0 {
            return Err(NonceNotFollowable);
        }
        Ok(Self { config, chunks: Vec::new(), len: 0, vacant: Vec::new() })
    }

    /// Follow an identity until `valid_until`. The next table that is built knows it.
    pub fn follow(&mut self, id: ProseId, key: &ApplicationKey, valid_until: UtcCounter) -> Slot {
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
        let slot = Slot(self.len as u32);
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

    /// Follow it no more: the tables that are built from now on do not know it.
    pub fn unfollow(&mut self, slot: Slot) {
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

    /// A new ProSe ID and key replace the old: how access is revoked (TR 33.833 §6.2.1.5), everybody but the revoked
    /// UE gets the new pair. The old pair is followed until `stragglers_until` in a place of its own, which is
    /// returned; the new pair takes over `slot`.
    pub fn replace(
        &mut self,
        slot: Slot,
        id: ProseId,
        key: &ApplicationKey,
        valid_until: UtcCounter,
        stragglers_until: UtcCounter,
    ) -> Option<Slot> {
        if !self.is_followed(slot) {
            return None;
        }
        // The new pair is put in a place of its own first, then the two places are exchanged.
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

    /// Unfollow everything whose validity is over. Gives the places.
    pub fn expire(&mut self, now: UtcCounter) -> Vec<Slot> {
        let over: Vec<Slot> = (0..self.len as u32)
            .map(Slot)
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

    /// Octets that the book itself takes per place.
    pub const fn octets_per_identity(&self) -> usize {
        let key = match self.config.variant() {
            Variant::Keyed => size_of::<Keyed>(),
            Variant::Literal => 0,
        };
        key + size_of::<Tail>()
    }

    fn is_followed(&self, slot: Slot) -> bool {
        let (chunk, i) = split(slot);
        self.chunks.get(chunk).and_then(|c| c.tails.get(i)).is_some_and(|tail| tail.valid_until != 0)
    }

    fn place(&mut self, slot: Slot) -> (&mut Chunk, usize) {
        let (chunk, i) = split(slot);
        (Arc::make_mut(&mut self.chunks[chunk]), i)
    }
}

const fn split(slot: Slot) -> (usize, usize) {
    (slot.0 as usize / CHUNK, slot.0 as usize % CHUNK)
}

impl CodeBook for RotatingBook {
    fn len(&self) -> usize {
        self.len
    }

    fn period(&self) -> RotationPeriod {
        self.config.period()
    }

    fn tag_bits(&self) -> u32 {
        u32::from(self.config.code_bits()).min(64)
    }

    fn tag(&self, message: &Message) -> Option<(u64, u8)> {
        (message[0] == super::ota::MESSAGE_TYPE)
            .then(|| (first_64(message) & left_mask(self.tag_bits()), message[28]))
    }

    fn tags(&self, period: PeriodIndex, first: usize, tags: &mut [Option<u64>]) {
        let begin = self.config.period().start(period).counter().value();
        let mask = left_mask(self.tag_bits());
        let mut at = first;
        let mut rest = tags;
        // Chunk by chunk, and in each by lanes.
        while !rest.is_empty() {
            let (chunk, i) = split(Slot(at as u32));
            let Some(chunk) = self.chunks.get(chunk) else { return rest.fill(None) };
            let n = rest.len().min(chunk.tails.len() - i.min(chunk.tails.len()));
            if n == 0 {
                return rest.fill(None);
            }
            let (now, later) = rest.split_at_mut(n);
            match self.config.variant() {
                Variant::Keyed => keyed_tags(period, &chunk.keys[i..i + n], &chunk.tails[i..i + n], now),
                Variant::Literal => literal_tags(period, &chunk.tails[i..i + n], now),
            }
            for (tag, tail) in now.iter_mut().zip(&chunk.tails[i..i + n]) {
                *tag = tag.filter(|_| tail.valid_until > begin).map(|tag| tag & mask);
            }
            at += n;
            rest = later;
        }
    }

    fn verify(&self, slot: Slot, period: PeriodIndex, message: &Message) -> bool {
        use subtle::ConstantTimeEq;
        let (chunk, i) = split(slot);
        let Some(chunk) = self.chunks.get(chunk) else { return false };
        let Some(tail) = chunk.tails.get(i) else { return false };
        let function = match chunk.keys.get(i) {
            Some(key) => {
                let (mut block, id_at) = keyed_block(period);
                block[id_at..id_at + 20].copy_from_slice(&tail.id);
                key.outer(key.inner_short(&block))
            }
            None => LiteralHash::new(&[], period).function(&tail.id),
        };
        let right: bool = self.config.message(&[], &function, period).ct_eq(message).into();
        right && tail.valid_until != 0
    }
}

/// Step by step over all lanes, not lane by lane: a compression that loads what was only just stored, in pieces, waits
/// for everything before it, and nothing overlaps.
fn keyed_tags(period: PeriodIndex, keys: &[Keyed], tails: &[Tail], tags: &mut [Option<u64>]) {
    let (block, id_at) = keyed_block(period);
    let mut blocks = [block; LANES];
    let mut states = [[0; 8]; LANES];
    let lanes = keys.chunks(LANES).zip(tails.chunks(LANES)).zip(tags.chunks_mut(LANES));
    for ((keys, tails), tags) in lanes {
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
        for (tag, state) in tags.iter_mut().zip(&states) {
            *tag = Some(u64::from(state[0]) << 32 | u64::from(state[1]));
        }
    }
}

fn literal_tags(period: PeriodIndex, tails: &[Tail], tags: &mut [Option<u64>]) {
    let hash = LiteralHash::new(&[], period);
    let mut states = [[0; 5]; LANES];
    for (tails, tags) in tails.chunks(LANES).zip(tags.chunks_mut(LANES)) {
        let mut ids = [[0; 20]; LANES];
        for (id, tail) in ids.iter_mut().zip(tails) {
            *id = tail.id;
        }
        hash.lanes(&ids, &mut states);
        for (tag, state) in tags.iter_mut().zip(&states) {
            *tag = Some(u64::from(state[0]) << 32 | u64::from(state[1]));
        }
    }
}

/// Exact codes of restricted discovery, each with its own material. The period is the second of the UTC-based
/// counter, so a monitor follows the neighbouring seconds, not all of MAX_OFFSET.
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

impl RestrictedBook {
    /// An empty book.
    pub const fn new(profile: Profile) -> Self {
        Self { profile, codes: Vec::new() }
    }

    /// Follow one code, sent with `message_type` under `material`.
    pub fn follow(
        &mut self,
        message_type: u8,
        code: Code,
        material: &Material,
        valid_until: UtcCounter,
    ) -> Slot {
        let keys = Absorbed::new(material, self.profile);
        self.codes.push(Some(Arc::new(FollowedCode { keys, message_type, code, valid_until })));
        Slot(self.codes.len() as u32 - 1)
    }

    /// Follow it no more. Its place is not used again.
    pub fn unfollow(&mut self, slot: Slot) {
        if let Some(place) = self.codes.get_mut(slot.0 as usize) {
            *place = None;
        }
    }

    fn first_protected(&self) -> usize {
        self.profile.layout.protected().start
    }
}

impl CodeBook for RestrictedBook {
    fn len(&self) -> usize {
        self.codes.len()
    }

    fn period(&self) -> RotationPeriod {
        RotationPeriod::SECOND
    }

    fn tag_bits(&self) -> u32 {
        64
    }

    fn tag(&self, message: &Message) -> Option<(u64, u8)> {
        let mut shifted = *message;
        shifted.rotate_left(self.first_protected() - 1);
        Some((first_64(&shifted), message[self.profile.layout.lsb()]))
    }

    fn tags(&self, period: PeriodIndex, first: usize, tags: &mut [Option<u64>]) {
        let counter = counter_of(period);
        for (i, tag) in tags.iter_mut().enumerate() {
            let followed = self.codes.get(first + i).and_then(|c| c.as_ref());
            *tag = followed.filter(|c| c.valid_until > counter).map(|c| {
                let mut message = c.keys.seal(c.message_type, &c.code, counter);
                message.rotate_left(self.first_protected() - 1);
                first_64(&message)
            });
        }
    }

    fn verify(&self, slot: Slot, period: PeriodIndex, message: &Message) -> bool {
        let followed = self.codes.get(slot.0 as usize).and_then(|c| c.as_ref());
        followed.is_some_and(|c| c.keys.is(message, c.message_type, &c.code, counter_of(period)))
    }
}

fn counter_of(period: PeriodIndex) -> UtcCounter {
    UtcCounter::new(u32::try_from(period.0).unwrap_or(u32::MAX))
}

/// Octets 1 to 8.
fn first_64(message: &Message) -> u64 {
    let [_, a, b, c, d, e, f, g, h, ..] = *message;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The `bits` (1 to 64) most significant bits.
const fn left_mask(bits: u32) -> u64 {
    u64::MAX << (64 - bits)
}
