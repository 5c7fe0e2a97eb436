//! What a UE keeps, in memory or in a file.

use std::collections::BTreeMap;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, StreamId};

use super::api::*;

/// What a UE keeps, with the counters of its senders.
pub(crate) trait Disk {
    fn apply(&mut self, changes: &[Change]);
    fn kept(&mut self, now: UtcTime) -> Kept;
    fn reserved(&self, stream: StreamId) -> u64;
    fn raise(&mut self, stream: StreamId, from: u64, to: u64) -> bool;
    /// The process has ended: the file is opened anew.
    fn reopen(&mut self);
}

/// A disk in memory.
#[derive(Default)]
pub(crate) struct MemoryDisk {
    pub(crate) changes: Vec<Change>,
    pub(crate) counters: BTreeMap<StreamId, u64>,
    pub(crate) lost: Option<UtcTime>,
}

impl Disk for MemoryDisk {
    fn apply(&mut self, changes: &[Change]) {
        self.changes.extend(changes.iter().map(Change::copy));
    }

    fn kept(&mut self, _: UtcTime) -> Kept {
        let mut kept = Kept { lost: self.lost, ..Kept::default() };
        for change in &self.changes {
            match change.copy() {
                Change::PutGmk(record) => {
                    kept.gmks.retain(|r| (r.group, r.id) != (record.group, record.id));
                    kept.gmks.push(record);
                }
                Change::RemoveGmk(group, id) => kept.gmks.retain(|r| (r.group, r.id) != (group, id)),
                Change::PutCall(record) => {
                    let place = |r: &CallRecord| (r.group, r.csb_id.index());
                    kept.calls.retain(|r| place(r) != place(&record));
                    kept.calls.push(record);
                }
                Change::RemoveCall(group, csb_id) => {
                    kept.calls.retain(|r| (r.group, r.csb_id) != (group, csb_id));
                }
                Change::Raise(highest) => kept.highest.push(highest),
            }
        }
        kept
    }

    fn reserved(&self, stream: StreamId) -> u64 {
        self.counters.get(&stream).copied().unwrap_or(0)
    }

    fn raise(&mut self, stream: StreamId, from: u64, to: u64) -> bool {
        let fits = self.reserved(stream) == from;
        if fits {
            self.counters.insert(stream, to);
        }
        fits
    }

    fn reopen(&mut self) {}
}

/// A disk as the counter store of a sender.
pub(crate) struct Counters<'a>(pub(crate) &'a mut dyn Disk);

impl CounterStore for Counters<'_> {
    type Error = std::convert::Infallible;

    fn reserved(&self, stream: &StreamId) -> Result<u64, Self::Error> {
        Ok(self.0.reserved(*stream))
    }

    fn raise(&mut self, stream: &StreamId, from: u64, to: u64) -> Result<bool, Self::Error> {
        Ok(self.0.raise(*stream, from, to))
    }
}
