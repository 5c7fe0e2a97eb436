//! What was heard against what was sent.

use super::Places;
use crate::scenario::Event;
use sidelink_phy::transmit::Content;
use std::collections::HashMap;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// MIB-SL or MIB-SL-V2X.
    Mib,
    /// Each transmission of sidelink control information.
    Sci,
    /// Transport blocks of SL-SCH, each once however often it was sent.
    Block,
}

/// How many of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sent, and whole in the recording.
    pub sent: u32,
    /// Of these: heard.
    pub heard: u32,
    /// Of those that were sent: no transmission overlaps with a loss of samples.
    pub clear: u32,
    /// Of these: heard.
    pub clear_heard: u32,
    /// Heard again.
    pub repeated: u32,
    /// Heard and not sent, or not there.
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
    /// End of the last SCI or block that no loss overlaps and that was not heard, in samples before the damage.
    pub last_missed: Option<i64>,
}

/// Something that was sent.
struct Entry {
    /// UE and number of a transport block.
    number: Option<(usize, u64)>,
    /// First PRB, where that is told too.
    prb: Option<usize>,
    /// Where its transmissions went: samples behind the damage.
    at: Vec<i64>,
    /// End of the last transmission, in samples before the damage.
    end: i64,
    /// No transmission overlaps with a loss.
    clear: bool,
    heard: bool,
}

/// What was sent, and what of it was heard so far.
pub(super) struct Truth {
    entries: HashMap<(Class, Vec<u8>), Vec<Entry>>,
    subframe: i64,
    length: i64,
    /// `repeated` and `false_ones` of each class.
    extra: [Tally; 3],
}

impl Truth {
    /// For what was sent, with `subframe` samples each, in a recording of `length` samples.
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

    /// Takes note of something heard in the subframe that begins at `sample` behind the damage.
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

    /// Takes note of a block that the receiver itself calls one it has reported before. Its place says nothing: soft bits
    /// that decoded once decode again, whatever is added to them.
    pub(super) fn hear_again(&mut self, block: &[u8]) {
        let list = self.entries.get(&(Class::Block, block.to_vec()));
        let extra = &mut self.extra[Class::Block as usize];
        match list.is_some_and(|list| list.iter().any(|entry| entry.heard)) {
            true => extra.repeated += 1,
            false => extra.false_ones += 1,
        }
    }

    /// The counts.
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

    /// Whether all of an entry is in the recording, with a subframe to spare at the end: what is heard of others counts
    /// neither way.
    fn is_whole(&self, entry: &Entry) -> bool {
        entry.at.iter().all(|&at| at >= 0 && at + 2 * self.subframe <= self.length)
    }
}

/// What tells one thing that was sent from another.
struct Identity {
    class: Class,
    /// As the receiver reports it.
    content: Vec<u8>,
    /// Where the receiver reports it too.
    prb: Option<usize>,
    /// Of a transport block.
    number: Option<u64>,
}

impl Identity {
    /// `None` for what is not counted.
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
