//! Messages from PDUs, whatever their way.

use core::fmt;
use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::own::message_check;
use sidelink_wire::Error;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::{Body, Content, Fragment, Packet, Repr};

use super::Config;
use super::set::{Key, Set};

/// A whole message. Its source is a claim: the message must prove its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Layer-2 source of the PDUs.
    pub from: Layer2Id,
    /// What it is.
    pub content: Content,
    /// The message.
    pub octets: Vec<u8>,
}

/// Why a PDU was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The octets are no long message.
    Malformed(Error),
    /// The message was given before: a copy, or a fragment that is not needed.
    Known,
    /// The fragment is here already.
    Twice,
    /// The fragments of one message exceed the memory: the operator's limit is below 8000 octets.
    TooLong,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "no long message: {error}"),
            Self::Known => f.write_str("a message that was received before"),
            Self::Twice => f.write_str("a fragment that was received before"),
            Self::TooLong => f.write_str("a message longer than the memory for fragments: raise its limit"),
        }
    }
}

impl std::error::Error for Refused {}

/// What a receiver has done, for reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Messages given.
    pub messages: u64,
    /// PDUs that were dropped as copies.
    pub copies: u64,
    /// Sets that were dropped unfinished, by time or for room.
    pub lost: u64,
}

/// A message that was given.
#[derive(Debug)]
struct Given {
    from: Layer2Id,
    sequence: u16,
    content: Content,
    check: [u8; 8],
    at: UtcTime,
}

/// A receiver of long messages from any number of senders.
#[derive(Debug, Default)]
pub struct Receiver {
    config: Config,
    /// That of the longest silence first.
    sets: VecDeque<Set>,
    given: VecDeque<Given>,
    statistics: Statistics,
}

impl Receiver {
    /// Makes a receiver.
    pub fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    /// Returns what it has done.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Returns the octets of fragments that wait, as [`Config::octets`] counts them.
    pub fn octets(&self) -> usize {
        self.sets.iter().map(Set::octets).sum()
    }

    /// Takes a PC5-S message from `from`. Returns a message when it is whole, once, and `None` while fragments are
    /// missing.
    ///
    /// # Errors
    /// The reason why the PDU was dropped.
    pub fn handle(&mut self, from: Layer2Id, pdu: &[u8], now: UtcTime) -> Result<Option<Message>, Refused> {
        self.forget(now);
        let packet = Packet::new_checked(pdu).map_err(Refused::Malformed)?;
        let Repr { sequence, content, body } = Repr::parse(&packet).map_err(Refused::Malformed)?;
        let (check, message) = match body {
            Body::Whole(message) => {
                let check = message_check(content.octet(), message);
                self.refuse_known((from, sequence, content, check))?;
                (check, Some(message.to_vec()))
            }
            Body::Fragment(fragment) => {
                self.refuse_known((from, sequence, content, fragment.check))?;
                (fragment.check, self.collect((from, sequence, content), &fragment, now)?)
            }
        };
        let Some(octets) = message else { return Ok(None) };
        // Sets of the same message in other fragments are not needed any more.
        let same = |set: &Set| {
            let key = &set.key;
            (key.from, key.sequence, key.content, key.check) == (from, sequence, content, check)
        };
        self.sets.retain(|set| !same(set));
        if self.given.len() >= self.config.remembered.max(1) {
            self.given.pop_front();
        }
        self.given.push_back(Given { from, sequence, content, check, at: now });
        self.statistics.messages += 1;
        Ok(Some(Message { from, content, octets }))
    }

    fn refuse_known(&mut self, name: (Layer2Id, u16, Content, [u8; 8])) -> Result<(), Refused> {
        let known = |given: &Given| (given.from, given.sequence, given.content, given.check) == name;
        if self.given.iter().any(known) {
            self.statistics.copies += 1;
            return Err(Refused::Known);
        }
        Ok(())
    }

    /// Takes a fragment; returns the message when it is whole.
    fn collect(
        &mut self,
        (from, sequence, content): (Layer2Id, u16, Content),
        fragment: &Fragment<'_>,
        now: UtcTime,
    ) -> Result<Option<Vec<u8>>, Refused> {
        let &Fragment { length, data, check, octets, .. } = fragment;
        let key = Key { from, sequence, content, length, data, size: octets.len(), check };
        let mut set =
            match self.sets.iter().position(|set| set.key == key).and_then(|at| self.sets.remove(at)) {
                Some(set) => set,
                None => {
                    self.make_room_for_a_set(from);
                    Set::new(key, now, self.config.choices)
                }
            };
        let new = set.add(fragment, self.config.spare);
        let message = if new { set.solve(&self.config) } else { None };
        if message.is_none() {
            set.at = now;
            self.sets.push_back(set);
            self.bound_octets();
        }
        if !new {
            self.statistics.copies += 1;
            return Err(Refused::Twice);
        }
        if message.is_none() && self.sets.is_empty() {
            return Err(Refused::TooLong);
        }
        Ok(message)
    }

    /// Drops the set of the longest silence of a sender that has as many as are allowed.
    fn make_room_for_a_set(&mut self, from: Layer2Id) {
        let of_sender = self.sets.iter().filter(|set| set.key.from == from).count();
        if of_sender >= self.config.sets_per_sender.max(1)
            && let Some(oldest) = self.sets.iter().position(|set| set.key.from == from)
        {
            self.sets.remove(oldest);
            self.statistics.lost += 1;
        }
    }

    /// Drops sets until the memory is within its limit, that of the longest silence first: forged sets of many sources do
    /// not get the better of a message that is arriving.
    fn bound_octets(&mut self) {
        let mut octets = self.octets();
        while octets > self.config.octets
            && let Some(oldest) = self.sets.pop_front()
        {
            octets -= oldest.octets();
            self.statistics.lost += 1;
        }
    }

    /// Drops what is too old.
    fn forget(&mut self, now: UtcTime) {
        let Config { lifetime, memory, .. } = self.config;
        let before = self.sets.len();
        self.sets.retain(|set| now < set.at.plus_millis(lifetime));
        self.statistics.lost += (before - self.sets.len()) as u64;
        self.given.retain(|given| now < given.at.plus_millis(memory));
    }
}
