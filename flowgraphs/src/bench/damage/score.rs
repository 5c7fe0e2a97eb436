//! Comparison of receptions with transmissions.

use super::Places;
use crate::scenario::Event;
use sidelink_phy::transmit::Content;
use std::collections::HashMap;

/// Class of events that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// MIB-SL or MIB-SL-V2X.
    Mib,
    /// Each transmission of sidelink control information.
    Sci,
    /// Transport blocks of SL-SCH, each counted once for all its transmissions.
    Block,
}

/// Counts of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sent, and completely in the recording.
    pub sent: u32,
    /// Of these, received.
    pub heard: u32,
    /// Of the sent ones, those without a transmission that overlaps a loss of samples.
    pub clear: u32,
    /// Of these, received.
    pub clear_heard: u32,
    /// Received repeatedly.
    pub repeated: u32,
    /// Received but not sent, or not at that place.
    pub false_ones: u32,
}

/// All counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// MIB-SL or MIB-SL-V2X.
    pub mibs: Tally,
    /// Transmissions of sidelink control information.
    pub scis: Tally,
    /// Transport blocks of SL-SCH.
    pub blocks: Tally,
    /// End of the last SCI or block that no loss overlaps and that was not received, in samples before the damage.
    pub last_missed: Option<i64>,
}

/// A transmitted event.
struct Entry {
    /// UE and number of a transport block.
    number: Option<(usize, u64)>,
    /// First PRB, if the receiver reports it.
    prb: Option<usize>,
    /// New places of its transmissions: samples behind the damage.
    at: Vec<i64>,
    /// End of the last transmission, in samples before the damage.
    end: i64,
    /// Whether no transmission overlaps a loss.
    clear: bool,
    heard: bool,
}

/// All transmitted events, and those that were received so far.
pub(super) struct Truth {
    entries: HashMap<(Class, Vec<u8>), Vec<Entry>>,
    subframe: i64,
    length: i64,
    /// `repeated` and `false_ones` of each class.
    extra: [Tally; 3],
}

impl Truth {
    /// Makes the truth of the events `sent`, with `subframe` samples each, in a recording of `length` samples.
    pub(super) fn new(sent: &[Event], places: &Places, subframe: usize, length: usize) -> Self {
        let mut entries: HashMap<_, Vec<Entry>> = HashMap::new();
        let subframe = subframe as i64;
        for event in sent {
            let Some(Identity { class, content, prb, number }) = Identity::of(&event.transmission.content)
            else {
                continue;
            };
            let number = number.map(|number| (event.ue, number));
            let end = event.sample + subframe;
            let (at, clear) = (places.at(event.sample), !places.is_hit(event.sample..end));
            let list = entries.entry((class, content)).or_default();
            match list.iter_mut().find(|entry| number.is_some() && entry.number == number) {
                Some(entry) => {
                    entry.at.push(at);
                    entry.end = end;
                    entry.clear &= clear;
                }
                None => list.push(Entry { number, prb, at: vec![at], end, clear, heard: false }),
            }
        }
        Self { entries, subframe, length: length as i64, extra: [Tally::default(); 3] }
    }

    /// Records a reception in the subframe that begins at `sample` behind the damage.
    pub(super) fn hear(&mut self, class: Class, content: &[u8], prb: Option<usize>, sample: i64) {
        let near = |at: &i64| (at - sample).abs() <= self.subframe / 4;
        let list = self.entries.get_mut(&(class, content.to_vec()));
        let entry = list.and_then(|l| l.iter_mut().find(|e| e.prb == prb && e.at.iter().any(near)));
        let extra = &mut self.extra[class as usize];
        match entry {
            None => extra.false_ones += 1,
            Some(entry) if entry.heard => extra.repeated += 1,
            Some(entry) => entry.heard = true,
        }
    }

    /// Records a block that the receiver itself reports as a repetition. Its place is meaningless: soft bits that
    /// decoded once decode again, whatever is added to them.
    pub(super) fn hear_again(&mut self, block: &[u8]) {
        let list = self.entries.get(&(Class::Block, block.to_vec()));
        let extra = &mut self.extra[Class::Block as usize];
        match list.is_some_and(|list| list.iter().any(|entry| entry.heard)) {
            true => extra.repeated += 1,
            false => extra.false_ones += 1,
        }
    }

    /// Returns the counts.
    pub(super) fn score(self) -> Score {
        let mut tallies = self.extra;
        let mut last_missed = None;
        for ((class, _), list) in &self.entries {
            for entry in list.iter().filter(|entry| self.is_whole(entry)) {
                let tally = &mut tallies[*class as usize];
                tally.sent += 1;
                tally.heard += u32::from(entry.heard);
                tally.clear += u32::from(entry.clear);
                tally.clear_heard += u32::from(entry.clear && entry.heard);
                if entry.clear && !entry.heard && *class != Class::Mib {
                    last_missed = last_missed.max(Some(entry.end));
                }
            }
        }
        let [mibs, scis, blocks] = tallies;
        Score { mibs, scis, blocks, last_missed }
    }

    /// Whether an entry is completely in the recording, with a spare subframe at the end: receptions of other entries
    /// do not count.
    fn is_whole(&self, entry: &Entry) -> bool {
        entry.at.iter().all(|&at| at >= 0 && at + 2 * self.subframe <= self.length)
    }
}

/// Identity of a transmitted event.
struct Identity {
    class: Class,
    /// Content as the receiver reports it.
    content: Vec<u8>,
    /// First PRB, if the receiver reports it too.
    prb: Option<usize>,
    /// Number of a transport block.
    number: Option<u64>,
}

impl Identity {
    /// Returns the identity; `None` for content that is not counted.
    fn of(content: &Content) -> Option<Self> {
        let (class, content, prb, number) = match content {
            Content::Sync { mib, .. } => {
                let bits = mib.iter().flat_map(|octet| (0..8).rev().map(move |i| octet >> i & 1));
                (Class::Mib, bits.collect(), None, None)
            }
            Content::Sci { bits, prb, .. } => (Class::Sci, bits.clone(), Some(*prb), None),
            Content::SlSch { block, number, .. } => (Class::Block, block.clone(), None, Some(*number)),
            Content::SlDch { .. } => return None,
        };
        Some(Self { class, content, prb, number })
    }
}
