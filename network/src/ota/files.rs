//! The memory of a card: files that are as they were or as they were to be, whenever the power goes.
//!
//! ```text
//!   a file   slot 0: header | content     slot 1: header | content
//!   header   sequence 4 | length 2 | check 8: SHA-256 of sequence, length and content, cut off
//! ```
//!
//! An update writes the content into the slot that does not count, then its header. The slot with a right check and the higher
//! sequence counts; half a header has no right check. No cut of the power mixes two contents.

use sha2::{Digest, Sha256};

/// Octets of a header.
const HEADER: usize = 4 + 2 + CHECK;

const CHECK: usize = 8;

/// A write into the memory: these octets, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where the first of them goes.
    pub at: usize,
    /// What.
    pub octets: Vec<u8>,
}

/// Where a file is, and what room it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name.
    pub(super) id: u16,
    /// Octets of its content, at most.
    pub(super) room: usize,
}

struct Slots {
    place: Place,
    at: usize,
    /// 0: nothing was written yet.
    sequence: u32,
    slot: usize,
    content: Vec<u8>,
}

/// Files in a memory.
pub(super) struct Files {
    files: Vec<Slots>,
}

fn check(sequence: [u8; 4], length: [u8; 2], content: &[u8]) -> [u8; CHECK] {
    let hash = Sha256::new().chain_update(sequence).chain_update(length).chain_update(content).finalize();
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = hash.into();
    [a, b, c, d, e, f, g, h]
}

/// Octets of a memory with these files.
pub(super) fn room(places: &[Place]) -> usize {
    places.iter().map(|place| 2 * (HEADER + place.room)).sum()
}

/// Sequence and content of a slot; `None` where its check is wrong.
fn slot(memory: &[u8]) -> Option<(u32, Vec<u8>)> {
    let (header, content) = memory.split_at_checked(HEADER)?;
    let [a, b, c, d, high, low, mark @ ..] = *<&[u8; HEADER]>::try_from(header).ok()?;
    let content = content.get(..usize::from(u16::from_be_bytes([high, low])))?;
    let right = check([a, b, c, d], [high, low], content) == mark;
    right.then(|| (u32::from_be_bytes([a, b, c, d]), content.to_vec()))
}

impl Files {
    /// As the memory has them. A memory that is too short, or was never written, has empty files.
    pub(super) fn mount(places: &[Place], memory: &[u8]) -> Self {
        let mut at = 0;
        let mut files = Vec::new();
        for place in places {
            let size = HEADER + place.room;
            let read = |number: usize| slot(memory.get(at + number * size..at + (number + 1) * size)?);
            let (slot, found) = match (read(0), read(1)) {
                (Some(zero), Some(one)) if one.0 > zero.0 => (1, Some(one)),
                (Some(zero), _) => (0, Some(zero)),
                (None, Some(one)) => (1, Some(one)),
                (None, None) => (1, None),
            };
            let (sequence, content) = found.unwrap_or_default();
            files.push(Slots { place: *place, at, sequence, slot, content });
            at += 2 * size;
        }
        Self { files }
    }

    /// Content of a file; `None` where there is no such file.
    pub(super) fn content(&self, id: u16) -> Option<&[u8]> {
        self.files.iter().find(|file| file.place.id == id).map(|file| &file.content[..])
    }

    /// Octets that a file may have.
    pub(super) fn room_of(&self, id: u16) -> Option<usize> {
        self.files.iter().find(|file| file.place.id == id).map(|file| file.place.room)
    }

    /// Replaces a content. It counts here at once, and in the memory once all writes have been done in their order; `None` where
    /// there is no such file, or no room in it.
    pub(super) fn replace(&mut self, id: u16, content: Vec<u8>) -> Option<[Write; 2]> {
        let file = self.files.iter_mut().find(|file| file.place.id == id)?;
        if content.len() > file.place.room {
            return None;
        }
        let slot = 1 - file.slot;
        // A card wears out long before.
        let sequence = file.sequence.checked_add(1)?;
        let length = u16::try_from(content.len()).ok()?.to_be_bytes();
        let mark = check(sequence.to_be_bytes(), length, &content);
        let header = [&sequence.to_be_bytes()[..], &length, &mark].concat();
        let at = file.at + slot * (HEADER + file.place.room);
        (file.sequence, file.slot) = (sequence, slot);
        file.content.clone_from(&content);
        Some([Write { at: at + HEADER, octets: content }, Write { at, octets: header }])
    }
}
