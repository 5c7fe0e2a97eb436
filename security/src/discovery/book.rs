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

use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroize;

pub use super::kernel::Backend;
use super::kernel::{ID_WORD, Ids, Keys, LANES, Loops, Outputs, loops};
use super::ota::{ID_AT, LiteralHash, OtaConfig, ProseId, Variant, keyed_block};
use super::restricted::{Absorbed, Material};
use super::rotation::{PeriodIndex, RotationPeriod};
use super::{Code, Message, Profile};
use crate::counter::{LsbWidth, UtcCounter};
use crate::hmac::Keyed;
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

    /// Returns the octets of memory that the book takes.
    fn octets(&self) -> usize;

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

/// Groups of [`LANES`] identities that are computed together.
const GROUPS: usize = 4;

const _: () = assert!(CHUNK.is_multiple_of(LANES) && ID_AT == 4 * ID_WORD);

/// Identities that are followed under one [`OtaConfig`] of option 2.
#[derive(Clone)]
pub struct RotatingBook {
    config: OtaConfig,
    loops: Loops,
    chunks: Vec<Arc<Chunk>>,
    len: usize,
    vacant: Vec<Entry>,
}

/// Groups of identities, word by word.
#[derive(Clone)]
struct Chunk {
    /// The keys of [`Variant::Keyed`]; empty for the literal variant.
    keys: Vec<Keys>,
    ids: Vec<Ids>,
    /// UTC-based counter; 0 marks a vacant place.
    valid_until: Vec<[u32; LANES]>,
}

impl Chunk {
    fn new(variant: Variant) -> Self {
        let groups = CHUNK / LANES;
        let keys = match variant {
            Variant::Keyed => Vec::with_capacity(groups),
            Variant::Literal => Vec::new(),
        };
        Self { keys, ids: Vec::with_capacity(groups), valid_until: Vec::with_capacity(groups) }
    }

    /// Appends a group of vacant places.
    fn grow(&mut self, variant: Variant) {
        if variant == Variant::Keyed {
            self.keys.push(Keys::VACANT);
        }
        self.ids.push(Ids::VACANT);
        self.valid_until.push([0; LANES]);
    }

    fn valid_until(&self, place: usize) -> u32 {
        self.valid_until.get(place / LANES).map_or(0, |group| group[place % LANES])
    }

    fn put(&mut self, place: usize, person: &Person) {
        let (group, lane) = (place / LANES, place % LANES);
        if let (Some(keys), Some(key)) = (self.keys.get_mut(group), &person.key) {
            keys.set(lane, key);
        }
        self.ids[group].set(lane, &person.id);
        self.valid_until[group][lane] = person.valid_until;
    }

    fn get(&self, place: usize) -> Person {
        let (group, lane) = (place / LANES, place % LANES);
        let key = self.keys.get(group).map(|keys| keys.get(lane));
        Person { key, id: self.ids[group].get(lane), valid_until: self.valid_until[group][lane] }
    }

    fn clear(&mut self, place: usize) {
        let (group, lane) = (place / LANES, place % LANES);
        if let Some(keys) = self.keys.get_mut(group) {
            keys.clear(lane);
        }
        self.ids[group].set(lane, &[0; 20]);
        self.valid_until[group][lane] = 0;
    }
}

/// Who is followed at a place.
struct Person {
    /// The key of [`Variant::Keyed`].
    key: Option<Keyed>,
    id: ProseId,
    /// UTC-based counter; 0 marks a vacant place.
    valid_until: u32,
}

impl Drop for Person {
    fn drop(&mut self) {
        self.id.zeroize();
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
    /// Makes an empty book, whose codes are computed with the fastest [`Backend`] of this machine.
    pub fn new(config: OtaConfig) -> Result<Self, NonceNotFollowable> {
        Self::on(Backend::detect(), config)
    }

    /// Makes an empty book on a backend; where the machine does not run it, the scalar one.
    pub fn on(backend: Backend, config: OtaConfig) -> Result<Self, NonceNotFollowable> {
        if config.nonce_bits() != 0 {
            return Err(NonceNotFollowable);
        }
        Ok(Self { config, loops: loops(backend), chunks: Vec::new(), len: 0, vacant: Vec::new() })
    }

    /// Follows an identity until `valid_until`. The next table that is built contains it.
    pub fn follow(&mut self, id: ProseId, key: &ApplicationKey, valid_until: UtcCounter) -> Entry {
        let variant = self.config.variant();
        let key = match variant {
            Variant::Keyed => Some(Keyed::new(key.as_bytes())),
            Variant::Literal => None,
        };
        let slot = self.vacant.pop().unwrap_or_else(|| {
            let slot = Entry(self.len as u32);
            if self.len.is_multiple_of(CHUNK) {
                self.chunks.push(Arc::new(Chunk::new(variant)));
            }
            self.len += 1;
            let (chunk, place) = self.place(slot);
            if place.is_multiple_of(LANES) {
                chunk.grow(variant);
            }
            slot
        });
        let (chunk, place) = self.place(slot);
        chunk.put(place, &Person { key, id, valid_until: valid_until.value().max(1) });
        slot
    }

    /// Stops following an identity: the tables that are built from now on do not contain it.
    pub fn unfollow(&mut self, slot: Entry) {
        if !self.is_followed(slot) {
            return;
        }
        let (chunk, place) = self.place(slot);
        chunk.clear(place);
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
        let (chunk, place) = self.place(other);
        let new = chunk.get(place);
        let (chunk, place) = self.place(slot);
        let mut old = chunk.get(place);
        chunk.put(place, &new);
        old.valid_until = old.valid_until.min(stragglers_until.value()).max(1);
        let (chunk, place) = self.place(other);
        chunk.put(place, &old);
        Some(other)
    }

    /// Stops following all identities whose validity is over, and returns their places.
    pub fn expire(&mut self, now: UtcCounter) -> Vec<Entry> {
        let over: Vec<Entry> = (0..self.len as u32)
            .map(Entry)
            .filter(|slot| {
                let (chunk, place) = split(*slot);
                (1..now.value()).contains(&self.chunks[chunk].valid_until(place))
            })
            .collect();
        for slot in &over {
            let (chunk, place) = self.place(*slot);
            chunk.clear(place);
        }
        self.vacant.extend(&over);
        over
    }

    /// Returns the octets that the book itself takes per place.
    pub const fn octets_per_identity(&self) -> usize {
        let key = match self.config.variant() {
            Variant::Keyed => size_of::<Keys>(),
            Variant::Literal => 0,
        };
        (key + size_of::<Ids>() + size_of::<[u32; LANES]>()) / LANES
    }

    fn is_followed(&self, slot: Entry) -> bool {
        let (chunk, i) = split(slot);
        self.chunks.get(chunk).is_some_and(|chunk| chunk.valid_until(i) != 0)
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

    fn octets(&self) -> usize {
        self.len * self.octets_per_identity()
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
        let mut codes = Codes::new(&self.config, period);
        expected.fill(None);
        let end = first.saturating_add(expected.len()).min(self.len);
        let mut at = first;
        while at < end {
            // Whole groups, up to the end of a chunk; of the first and the last one some lanes may not be asked for.
            let (chunk, place) = split(Entry(at as u32));
            let group = place / LANES;
            let groups = (end - at + place % LANES).div_ceil(LANES).min(GROUPS).min(CHUNK / LANES - group);
            let next = (at - place % LANES + groups * LANES).min(end);
            let expected = &mut expected[at - first..next - first];
            codes.compute(self.loops, &self.chunks[chunk], group..group + groups, place % LANES, expected);
            at = next;
        }
    }
}

/// The codes of a period, group by group.
struct Codes {
    function: Function,
    /// The bits around the code in every message of the period.
    around: Words,
    /// The bits of the code.
    mask: [u64; 4],
    /// Identities whose validity ends at or before this counter have expired.
    begin: u32,
    outputs: [Outputs; GROUPS],
}

/// The one-way function of a period.
enum Function {
    Keyed([u32; 16]),
    Literal(LiteralHash),
}

impl Codes {
    fn new(config: &OtaConfig, period: PeriodIndex) -> Self {
        let around = Words::new(&config.message(&[], &[0; 32], period));
        let ones = Words::new(&config.message(&[], &[0xff; 32], period));
        let begin = config.period().start(period).counter().value();
        let function = match config.variant() {
            Variant::Keyed => Function::Keyed(keyed_block(period)),
            Variant::Literal => Function::Literal(LiteralHash::new(&[], period)),
        };
        let mask = std::array::from_fn(|i| ones.0[i] ^ around.0[i]);
        Self { function, around, mask, begin, outputs: [Outputs::EMPTY; GROUPS] }
    }

    /// Computes the messages of `groups` and writes those from lane `skipped` on.
    fn compute(
        &mut self,
        loops: Loops,
        chunk: &Chunk,
        groups: Range<usize>,
        skipped: usize,
        expected: &mut [Option<Words>],
    ) {
        let ids = &chunk.ids[groups.clone()];
        match &self.function {
            Function::Keyed(block) => {
                (loops.keyed)(block, &chunk.keys[groups.clone()], ids, &mut self.outputs);
            }
            Function::Literal(hash) => (loops.literal)(hash.states(), ids, &mut self.outputs),
        }
        let valid_until = chunk.valid_until[groups].as_flattened();
        for (i, (expected, valid_until)) in expected.iter_mut().zip(&valid_until[skipped..]).enumerate() {
            let (group, lane) = ((i + skipped) / LANES, (i + skipped) % LANES);
            *expected = (*valid_until > self.begin).then(|| self.words(&self.outputs[group].lane(lane)));
        }
    }

    /// Returns the message for a code, from the words of the function's output.
    #[inline]
    fn words(&self, function: &[u32; 8]) -> Words {
        let [a, b, c, d, e, f, g, h] = function.map(u64::from);
        let [around, mask] = [&self.around.0, &self.mask];
        let words = [a << 32 | b, c << 32 | d, e << 32 | f, g << 32 | h];
        Words(std::array::from_fn(|i| words[i] & mask[i] | around[i]))
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

    fn octets(&self) -> usize {
        let followed = self.codes.iter().flatten().count();
        self.codes.len() * size_of::<Option<Arc<FollowedCode>>>() + followed * size_of::<FollowedCode>()
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
