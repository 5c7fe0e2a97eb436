//! The public keys of a monitor by their hints, the hints that nobody knows, and the keys that were revoked.

use core::fmt;
use std::collections::{HashMap, HashSet, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::{Hint, KeyDigest};

/// Keys with one hint, at most: each costs a verification.
const PER_HINT: usize = 4;

/// The operator's or the network's fault: a key cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotFollowed {
    /// The key was revoked.
    Revoked,
    /// Four keys have this hint already.
    HintTaken(Hint),
}

impl fmt::Display for NotFollowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked => f.write_str("the key was revoked"),
            Self::HintTaken(hint) => {
                write!(f, "{PER_HINT} keys have the hint {hint} already: its owner has to draw another key")
            }
        }
    }
}

impl std::error::Error for NotFollowed {}

/// The network's fault, or a replay: a list of revoked keys is older than the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldList {
    /// Its number.
    pub number: u32,
    /// The number of the list in force.
    pub in_force: u32,
}

impl fmt::Display for OldList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the list {} of revoked keys is older than list {}, which is in force",
            self.number, self.in_force
        )
    }
}

impl std::error::Error for OldList {}

/// Places of keys by hint.
#[derive(Debug, Default)]
pub(super) struct ByHint(HashMap<Hint, Vec<u32>>);

impl ByHint {
    pub(super) fn add(&mut self, hint: Hint, place: u32) -> Result<(), NotFollowed> {
        let places = self.0.entry(hint).or_default();
        if places.len() >= PER_HINT {
            return Err(NotFollowed::HintTaken(hint));
        }
        places.push(place);
        Ok(())
    }

    pub(super) fn remove(&mut self, place: u32) {
        self.0.retain(|_, places| {
            places.retain(|&other| other != place);
            !places.is_empty()
        });
    }

    /// Returns the keys of a hint, at most four.
    pub(super) fn of(&self, hint: Hint) -> &[u32] {
        self.0.get(&hint).map_or(&[], Vec::as_slice)
    }
}

/// The revoked keys, and the number of their list.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    number: u32,
    keys: HashSet<KeyDigest>,
}

impl Revoked {
    pub(super) fn replace(&mut self, number: u32, keys: &[KeyDigest]) -> Result<(), OldList> {
        if number < self.number {
            return Err(OldList { number, in_force: self.number });
        }
        self.number = number;
        self.keys = keys.iter().copied().collect();
        Ok(())
    }

    pub(super) fn contains(&self, key: KeyDigest) -> bool {
        self.keys.contains(&key)
    }

    pub(super) const fn number(&self) -> u32 {
        self.number
    }
}

/// Hints of which no key is here: each is asked for once in a while, and all together not faster than a limit.
#[derive(Debug)]
pub(super) struct Unknown {
    /// Hints with the time until which they are not asked for again, the oldest first.
    asked: VecDeque<(Hint, UtcTime)>,
    places: usize,
    patience_millis: u64,
    /// Milliseconds for which one more look-up may be made.
    interval_millis: u64,
    /// When the next one may be made; further ones may be made early, up to a burst.
    free_at: UtcTime,
    burst: u64,
    wanted: Option<Hint>,
}

impl Unknown {
    pub(super) fn new(places: usize, patience_millis: u64, interval_millis: u64, burst: u64) -> Self {
        let (asked, free_at) = (VecDeque::with_capacity(places), UtcTime::from_millis(0));
        Self { asked, places, patience_millis, interval_millis, free_at, burst, wanted: None }
    }

    /// Notes a fragment with an unknown hint.
    pub(super) fn note(&mut self, hint: Hint, now: UtcTime) {
        while self.asked.front().is_some_and(|(_, until)| *until <= now) {
            self.asked.pop_front();
        }
        if self.places == 0 || self.asked.iter().any(|(asked, _)| *asked == hint) {
            return;
        }
        let ahead = self.burst.saturating_sub(1).saturating_mul(self.interval_millis);
        if self.free_at > now.plus_millis(ahead) {
            return;
        }
        self.free_at = self.free_at.max(now).plus_millis(self.interval_millis);
        if self.asked.len() >= self.places {
            self.asked.pop_front();
        }
        self.asked.push_back((hint, now.plus_millis(self.patience_millis)));
        self.wanted = Some(hint);
    }

    pub(super) const fn take_wanted(&mut self) -> Option<Hint> {
        self.wanted.take()
    }

    /// Forgets a hint: its key is here, or gone, so that it may be asked for again.
    pub(super) fn forget(&mut self, hint: Hint) {
        self.asked.retain(|(asked, _)| *asked != hint);
    }

    /// Does not ask for a hint until a time: the network does not know it.
    pub(super) fn silence(&mut self, hint: Hint, until: UtcTime) {
        self.forget(hint);
        if self.places > 0 {
            if self.asked.len() >= self.places {
                self.asked.pop_front();
            }
            // The times are in order where all are of one patience; one that is out of order only lives longer.
            self.asked.push_back((hint, until));
        }
    }
}
