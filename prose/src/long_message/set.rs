//! Fragments of one message, and the choice of those that belong together.

use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::own::message_check;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::long_message::{Content, Fragment};

use super::Config;
use crate::erasure::{Code, MAX_FRAGMENTS};

/// What all fragments of a message have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) from: Layer2Id,
    pub(super) sequence: u16,
    pub(super) content: Content,
    pub(super) length: u16,
    pub(super) data: u8,
    pub(super) size: usize,
    pub(super) check: [u8; 8],
}

/// Steps from one choice to the next for one PDU: choices that hold one index twice cost no work, and are passed over.
const STEPS: usize = 4096;

/// Fragments of one message.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) key: Key,
    pub(super) at: UtcTime,
    /// In the order of arrival; the same index may stand twice with different octets.
    fragments: Vec<(u8, Vec<u8>)>,
    choices: u32,
}

impl Set {
    pub(super) const fn new(key: Key, at: UtcTime, choices: u32) -> Self {
        Self { key, at, fragments: Vec::new(), choices }
    }

    /// Returns the octets that it counts.
    pub(super) fn octets(&self) -> usize {
        self.fragments.len() * Self::cost(self.key.size)
    }

    /// Returns the octets that a fragment of `size` octets counts.
    pub(super) const fn cost(size: usize) -> usize {
        size + Config::PER_FRAGMENT
    }

    /// Takes a fragment; returns whether it is new.
    pub(super) fn add(&mut self, fragment: &Fragment<'_>, spare: usize) -> bool {
        if self.fragments.iter().any(|(index, octets)| *index == fragment.index && octets == fragment.octets)
        {
            return false;
        }
        if self.fragments.len() >= usize::from(self.key.data) + spare {
            self.fragments.remove(0);
        }
        self.fragments.push((fragment.index, fragment.octets.to_vec()));
        true
    }

    /// Tries choices of K fragments with the one that came last; the others were tried before. Returns the message whose
    /// check is right.
    pub(super) fn solve(&mut self, config: &Config) -> Option<Vec<u8>> {
        let data = usize::from(self.key.data);
        let code = Code::new(data, MAX_FRAGMENTS - data).ok()?;
        let (last, older) = self.fragments.split_last()?;
        // The fragments to leave out, by their places among the older ones.
        let mut left_out: Vec<usize> = (0..(older.len() + 1).checked_sub(data)?).collect();
        let (mut work, mut first) = (config.work, true);
        for _ in 0..STEPS {
            let chosen = choose(older, &left_out, last);
            if let Some(chosen) = chosen {
                let missing = chosen.iter().filter(|(index, _)| *index >= self.key.data).count();
                let cost = code.work(missing, self.key.size);
                if self.choices == 0 || (cost > work && !first) {
                    return None;
                }
                (self.choices, first) = (self.choices - 1, false);
                work = work.saturating_sub(cost);
                if let Ok(mut message) = code.rebuild(&chosen) {
                    message.truncate(usize::from(self.key.length));
                    if message_check(self.key.content.octet(), &message) == self.key.check {
                        return Some(message);
                    }
                }
            }
            if !advance(&mut left_out, older.len()) {
                return None;
            }
        }
        None
    }
}

/// Returns the older fragments but those to leave out, and the last one. `None` when an index stands twice.
fn choose<'a>(
    older: &'a [(u8, Vec<u8>)],
    left_out: &[usize],
    last: &'a (u8, Vec<u8>),
) -> Option<Vec<(u8, &'a [u8])>> {
    let mut seen = [false; 256];
    let kept = older.iter().enumerate().filter(|(at, _)| !left_out.contains(at)).map(|(_, kept)| kept);
    kept.chain([last])
        .map(|(index, octets)| {
            let twice = core::mem::replace(&mut seen[usize::from(*index)], true);
            (!twice).then_some((*index, &octets[..]))
        })
        .collect()
}

/// Moves to the next combination of places below `count`, the last place first; returns whether there is one. So one
/// forged fragment is left out after at most `count` steps.
fn advance(places: &mut [usize], count: usize) -> bool {
    let chosen = places.len();
    let Some(at) = (0..chosen).rev().find(|&at| places[at] + chosen - at < count) else { return false };
    places[at] += 1;
    for next in at + 1..chosen {
        places[next] = places[next - 1] + 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_comes_once() {
        for (chosen, count, expected) in [(0, 3, 1), (1, 4, 4), (2, 5, 10), (3, 6, 20), (4, 4, 1)] {
            let mut places: Vec<usize> = (0..chosen).collect();
            let mut seen = vec![places.clone()];
            while advance(&mut places, count) {
                assert!(places.is_sorted() && places.iter().all(|&place| place < count));
                assert!(!seen.contains(&places));
                seen.push(places.clone());
            }
            assert_eq!(seen.len(), expected, "{chosen} of {count}");
        }
    }
}
