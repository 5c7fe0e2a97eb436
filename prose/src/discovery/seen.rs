//! What was heard lately, by whom: for debouncing and against replays. A fixed number of places.

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::book::Slot;

/// Which followed identity. The number is the place that `follow_*` gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// A changing identifier of the table.
    Rotating(Slot),
    /// A changing identifier whose sender sends a nonce.
    Nonce(u32),
    /// An exact restricted code of the table.
    Code(Slot),
    /// A set of filters under one material.
    Filter(u32),
    /// An open code.
    Open(u32),
}

/// Which announcement: the identity that is followed, and a digest of the code where one identity has several.
pub(super) type Key = (Who, u64);

#[derive(Debug, Clone, Copy)]
struct Place {
    key: Key,
    /// The newest period or counter that was believed.
    newest: u64,
    heard: UtcTime,
    reported: UtcTime,
}

/// The answer of [`Seen::note`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// Tell the application.
    Report,
    /// Told it lately.
    Debounced,
    /// Older than what this identity sent before.
    Replay,
}

/// Identities heard lately, sorted by key.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    places: Vec<Place>,
    capacity: usize,
}

impl Seen {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { places: Vec::with_capacity(capacity), capacity }
    }

    /// Notes that `key` was heard in period or counter `number`; `ordered` when what is older than the newest is a
    /// replay. An identity that is new takes the place of the one that was silent the longest.
    pub(super) fn note(
        &mut self,
        key: Key,
        number: u64,
        ordered: bool,
        now: UtcTime,
        interval_millis: u64,
    ) -> Note {
        match self.places.binary_search_by_key(&key, |place| place.key) {
            Ok(at) => {
                let place = &mut self.places[at];
                if ordered && number < place.newest {
                    return Note::Replay;
                }
                place.newest = place.newest.max(number);
                place.heard = now;
                if now < place.reported.plus_millis(interval_millis) {
                    return Note::Debounced;
                }
                place.reported = now;
            }
            Err(mut at) => {
                if self.places.len() == self.capacity {
                    let oldest =
                        (0..self.capacity).min_by_key(|&index| self.places[index].heard).unwrap_or(0);
                    self.places.remove(oldest);
                    at -= usize::from(oldest < at);
                }
                self.places.insert(at, Place { key, newest: number, heard: now, reported: now });
            }
        }
        Note::Report
    }

    /// Forgets an identity that is no longer followed.
    pub(super) fn forget(&mut self, who: Who) {
        self.places.retain(|place| place.key.0 != who);
    }
}
