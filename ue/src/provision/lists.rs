//! Many codes at once: lists of changing identifiers, and exact restricted codes that are computed ahead.

use super::{Provisioned, Registry};
use crate::BuildError;
use sidelink_prose::discovery::Subject;
use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::book::Entry;
use sidelink_store::{Discovery, Keys, MOST_FILTERED, name_of};

/// Listed identities that are remembered against replays, at most: more than a pool of 50 PRBs carries in MAX_OFFSET.
const MOST_HEARD: usize = 1 << 16;

/// A list of identities that are followed, at places one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedList {
    name: String,
    first: u32,
    count: u32,
}

impl FollowedList {
    /// Makes it of the name of the list and what following its identities returned.
    pub fn new(name: &str, followed: &[Subject]) -> Self {
        let first = match followed.first() {
            Some(Subject::Rotating(Entry(place))) => *place,
            _ => 0,
        };
        Self { name: name.to_owned(), first, count: followed.len() as u32 }
    }

    /// Returns the name of an identity of the list: that of the list and its place.
    pub fn name(&self, who: Subject) -> Option<String> {
        let Subject::Rotating(Entry(place)) = who else { return None };
        let place = place.checked_sub(self.first).filter(|place| *place < self.count)?;
        Some(name_of(&self.name, place as usize))
    }
}

/// Returns the number of identities of these keys that a monitor remembers against replays.
pub fn heard(keys: &Keys) -> usize {
    let listed: usize = keys.codes.iter().map(|list| list.len()).sum();
    2 * keys.discovery.len() + (2 * listed).min(MOST_HEARD)
}

/// How exact restricted codes are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExactCodes {
    /// Each by a filter.
    Filtered,
    /// In a table of the codes of each second.
    Tabled,
}

impl ExactCodes {
    /// Returns how those that `ue` monitors are followed: above [`MOST_FILTERED`] of them in a table.
    pub(super) fn of(ue: &str, keys: &Keys) -> Self {
        let monitored = |entry: &&Discovery| entry.is_exact() && entry.monitors.iter().any(|m| m == ue);
        match keys.discovery.iter().filter(monitored).count() {
            0..=MOST_FILTERED => Self::Filtered,
            _ => Self::Tabled,
        }
    }
}

impl Provisioned {
    /// Follows all identities of the lists. Nobody else is followed yet: their places are one after the other.
    pub(super) fn follow_lists(&mut self, keys: &Keys) {
        for list in &keys.codes {
            let identities = list.identities().map(|listed| (listed.id, listed.key, listed.valid_until));
            if let Some(followed) = self.agent.monitor().follow_rotating(identities) {
                self.listed.push(FollowedList::new(list.name(), &followed));
            }
        }
    }
}

impl Registry<'_> {
    /// Follows an exact restricted code in the table.
    pub(super) fn follow_exact(&mut self, entry: &Discovery) -> Result<(), BuildError> {
        let Some(followed) = entry.followed()? else { return Ok(()) };
        let Some((message_type, code, material)) = followed.exact() else { return Ok(()) };
        let valid_until = UtcCounter::new(entry.valid_until);
        let who = self
            .agent
            .monitor()
            .follow_code(message_type, code, material, valid_until)
            .map_err(|e| BuildError::Discovery { name: entry.name.clone(), why: e.to_string() })?;
        self.who.insert(who, entry.name.clone());
        Ok(())
    }
}
