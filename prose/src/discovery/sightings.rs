//! Recent sightings, by identity: for debouncing and against replays. A fixed number of places.

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::book::Entry;

/// A followed identity. The number is the place that `follow_*` returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A changing identifier of the table.
    Rotating(Entry),
    /// A changing identifier whose sender sends a nonce.
    Nonce(u32),
    /// An exact restricted code of the table.
    Code(Entry),
    /// A set of filters under one material.
    Filter(u32),
    /// An open code.
    Open(u32),
    /// The owner of a private key, who signs.
    Signed(u32),
    /// A code under keys that are disclosed later.
    Delayed(u32),
    /// A chain of codes.
    Chain(u32),
    /// A code that is signed on the SL-SCH.
    Pointer(u32),
}

/// Key of an announcement: the followed identity, and a digest of the code if one identity has several.
pub(super) type Key = (Subject, u64);

#[derive(Debug, Clone, Copy)]
struct Place {
    key: Key,
    /// The newest accepted period or counter.
    newest: u64,
    heard: UtcTime,
    reported: UtcTime,
}

/// Result of [`Sighting::note`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// Report it to the application.
    Report,
    /// Reported recently.
    Debounced,
    /// Older than an earlier message of this identity.
    Replay,
    /// Proven, and no place is free: copies of all stored identities could still be accepted.
    Full,
}

/// Degree of proof of a sighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Proven in this period or counter: an older one of the same identity is a replay.
    Proven(u64),
    /// Unproven: anybody may have sent it.
    Unproven,
}

/// Recent sightings. Unproven ones have places of their own, and cannot evict proven ones.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    proven: Places,
    unproven: Places,
}

/// A fixed number of places, sorted by key.
#[derive(Debug, Clone)]
struct Places {
    places: Vec<Place>,
    capacity: usize,
}

impl Sighting {
    /// Returns the octets of memory of all places.
    pub(super) const fn octets(&self) -> usize {
        (self.proven.capacity + self.unproven.capacity) * size_of::<Place>()
    }

    /// Makes `capacity` places of each kind.
    pub(super) fn new(capacity: usize) -> Self {
        Self { proven: Places::new(capacity), unproven: Places::new(capacity) }
    }

    /// Records a sighting of `key`. A proven identity keeps its place for `keep_millis`, while an older message of it
    /// would not be refused for its age; an unproven one until its place is needed.
    pub(super) fn note(
        &mut self,
        key: Key,
        proof: Proof,
        now: UtcTime,
        interval_millis: u64,
        keep_millis: u64,
    ) -> Note {
        match proof {
            Proof::Proven(number) => {
                let free = |place: &Place| now > place.heard.plus_millis(keep_millis);
                self.proven.note(key, number, now, interval_millis, free)
            }
            Proof::Unproven => self.unproven.note(key, 0, now, interval_millis, |_| true),
        }
    }

    /// Forgets an identity that is no longer followed.
    pub(super) fn forget(&mut self, who: Subject) {
        for places in [&mut self.proven, &mut self.unproven] {
            places.places.retain(|place| place.key.0 != who);
        }
    }
}

impl Places {
    fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { places: Vec::with_capacity(capacity), capacity }
    }

    /// Stores a new identity in the place of the one that was silent the longest, if that one is `free`.
    fn note(
        &mut self,
        key: Key,
        number: u64,
        now: UtcTime,
        interval_millis: u64,
        free: impl Fn(&Place) -> bool,
    ) -> Note {
        match self.places.binary_search_by_key(&key, |place| place.key) {
            Ok(at) => {
                let place = &mut self.places[at];
                if number < place.newest {
                    return Note::Replay;
                }
                place.newest = number;
                place.heard = now;
                // TS 33.303 §6.1.3.3.1 step 11 (1)
                if now < place.reported.plus_millis(interval_millis) {
                    return Note::Debounced;
                }
                place.reported = now;
            }
            Err(mut at) => {
                if self.places.len() == self.capacity {
                    let oldest =
                        (0..self.capacity).min_by_key(|&index| self.places[index].heard).unwrap_or(0);
                    if !free(&self.places[oldest]) {
                        return Note::Full;
                    }
                    self.places.remove(oldest);
                    at -= usize::from(oldest < at);
                }
                self.places.insert(at, Place { key, newest: number, heard: now, reported: now });
            }
        }
        Note::Report
    }
}
