//! The fragments of one set, and the messages that some of them make.
//!
//! Some fragments may be false: anyone can send a block with this hint in this period. K fragments always make a message,
//! and only its signature says whether it is the right one. More than K that agree are hardly ever false by chance, so
//! that messages with many fragments behind them are verified first; of those that K alone make, only some are.

use crate::erasure;

use super::sender::fragment_of;
use super::{FRAGMENT_OCTETS, MAX_NEEDED, MAX_SET, Rotation};

/// Fragments of one index that are kept.
const PER_INDEX: usize = 3;
/// Fragments of a set that are kept; the oldest go first.
const PER_SET: usize = 16;
/// Choices of fragments that are looked at for one verification.
const CHOICES: usize = 256;
/// Verifications of one set: the first, and twenty others. TR 33.833 §6.2.3 has no number; it is our own.
pub(super) const ATTEMPTS: u8 = 21;
/// Those of messages that no fragment more than K supports.
const WEAK_ATTEMPTS: u8 = 11;

type Fragment = [u8; FRAGMENT_OCTETS];

/// A set that is not verified yet.
pub(super) struct PartialSet {
    /// Place of the key.
    pub(super) key: u32,
    /// Number of the set.
    pub(super) number: u64,
    needed: u8,
    rotation: Rotation,
    fragments: Vec<(u8, Fragment)>,
    /// The last octets of the messages that failed, which are those of a signature.
    failed: Vec<Message>,
    attempts: u8,
    /// Whether a fragment has come since the last verification.
    pub(super) fresh: bool,
    /// Time of the last new fragment, milliseconds.
    pub(super) touched: u64,
}

/// K fragments, as octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    octets: [u8; MAX_SET],
    len: usize,
}

impl Message {
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

/// What became of a new fragment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is kept.
    New,
    /// It is here already.
    Known,
    /// There are others of its index: one of them is false.
    Contradicted,
    /// The set was given up: its fragments were false.
    GivenUp,
}

impl PartialSet {
    pub(super) fn new(key: u32, number: u64, needed: usize, rotation: Rotation) -> Self {
        let (fragments, failed) = (Vec::with_capacity(needed + 1), Vec::new());
        let needed = needed as u8;
        Self { key, number, needed, rotation, fragments, failed, attempts: 0, fresh: false, touched: 0 }
    }

    /// Returns the octets of memory that it takes.
    pub(super) fn octets(&self) -> usize {
        let fragments = self.fragments.len() * size_of::<(u8, Fragment)>();
        size_of::<Self>() + fragments + self.failed.len() * size_of::<Message>()
    }

    /// Adds a fragment that was received at a time.
    pub(super) fn add(&mut self, index: u8, data: Fragment, now: u64) -> Added {
        if self.is_given_up() {
            return Added::GivenUp;
        }
        let of_index = self.fragments.iter().filter(|(other, _)| *other == index);
        let limit = if self.rotation == Rotation::Plain { 1 } else { PER_INDEX };
        if of_index.clone().any(|(_, other)| *other == data) {
            return Added::Known;
        }
        let others = of_index.count();
        if others >= limit {
            return Added::Contradicted;
        }
        if self.fragments.len() >= PER_SET {
            self.fragments.remove(0);
        }
        self.fragments.push((index, data));
        self.touched = now;
        self.fresh = self.have() >= usize::from(self.needed);
        if others > 0 { Added::Contradicted } else { Added::New }
    }

    /// Returns the fragments of different indexes.
    pub(super) fn have(&self) -> usize {
        let mut seen = [false; 256];
        let new = self
            .fragments
            .iter()
            .filter(|(index, _)| !core::mem::replace(&mut seen[usize::from(*index)], true));
        new.count()
    }

    /// Whether no more is tried: too many messages failed, or it has no parity and its one message failed.
    pub(super) const fn is_given_up(&self) -> bool {
        let limit = match self.rotation {
            Rotation::Plain => 1,
            Rotation::Coded => ATTEMPTS,
        };
        self.attempts >= limit
    }

    /// Returns the message to verify next, if any is left. The caller says whether it failed ([`Self::failed`]).
    pub(super) fn next(&mut self) -> Option<Message> {
        if self.is_given_up() {
            return None;
        }
        let needed = usize::from(self.needed);
        let mut best: Option<(usize, Message)> = None;
        let groups = self.by_index();
        let mut choice = [0; MAX_NEEDED];
        let mut left = CHOICES;
        self.choose(&groups, &mut choice, 0, &mut left, &mut best);
        let (support, message) = best?;
        (support > needed || self.attempts < WEAK_ATTEMPTS).then_some(message)
    }

    /// Notes that a message was not the right one.
    pub(super) fn failed(&mut self, message: Message) {
        self.attempts += 1;
        self.failed.push(message);
    }

    /// Returns places of fragments, those of one index together, the newest index first.
    fn by_index(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<(u8, Vec<usize>)> = Vec::new();
        for (place, (index, _)) in self.fragments.iter().enumerate().rev() {
            match groups.iter_mut().find(|(other, _)| other == index) {
                Some((_, places)) => places.push(place),
                None => groups.push((*index, vec![place])),
            }
        }
        groups.into_iter().map(|(_, places)| places).collect()
    }

    /// Tries every choice of K fragments of different indexes, until none are `left`.
    fn choose(
        &self,
        groups: &[Vec<usize>],
        choice: &mut [usize; MAX_NEEDED],
        chosen: usize,
        left: &mut usize,
        best: &mut Option<(usize, Message)>,
    ) {
        let needed = usize::from(self.needed);
        if chosen == needed {
            *left -= 1;
            let Some(message) = self.message(&choice[..needed]) else { return };
            if self.failed.contains(&message) {
                return;
            }
            let support = self.support(&message);
            if best.as_ref().is_none_or(|(most, _)| support > *most) {
                *best = Some((support, message));
            }
            return;
        }
        for (at, group) in groups.iter().enumerate() {
            // Too few groups are left for the rest.
            if groups.len() - at < needed - chosen {
                return;
            }
            for &place in group {
                if *left == 0 {
                    return;
                }
                choice[chosen] = place;
                self.choose(&groups[at + 1..], choice, chosen + 1, left, best);
            }
        }
    }

    fn message(&self, choice: &[usize]) -> Option<Message> {
        let code = erasure::Code::new(choice.len(), erasure::MAX_FRAGMENTS - choice.len()).ok()?;
        let chosen: Vec<(u8, &[u8])> =
            choice.iter().map(|&place| (self.fragments[place].0, &self.fragments[place].1[..])).collect();
        let rebuilt = code.rebuild(&chosen).ok()?;
        let mut message = Message { octets: [0; MAX_SET], len: rebuilt.len() };
        message.octets.get_mut(..rebuilt.len())?.copy_from_slice(&rebuilt);
        Some(message)
    }

    /// Returns the fragments that agree with a message.
    fn support(&self, message: &Message) -> usize {
        let agrees = |(index, data): &&(u8, Fragment)| {
            fragment_of(message.octets(), usize::from(self.needed), *index) == *data
        };
        self.fragments.iter().filter(agrees).count()
    }
}
