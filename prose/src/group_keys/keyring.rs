//! What the machine has in memory of what is kept.

use std::collections::BTreeMap;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_wire::ids::Layer2Id;

use super::Identity;
use super::config::Config;
use super::note::Refusal;
use super::record::{CallRecord, Change, CsbId, GmkId, GmkRecord, GroupKind, Highest, Kept, Stream};

/// A sender of messages for a group.
pub(super) type Sender = (Stream, Identity, Layer2Id);

/// GMKs, calls and highest times.
#[derive(Debug)]
pub(super) struct Keyring {
    pub(super) gmks: Vec<GmkRecord>,
    pub(super) calls: Vec<CallRecord>,
    highest: BTreeMap<Sender, UtcTime>,
    lost: Option<UtcTime>,
    /// The latest time that was used or accepted.
    latest: UtcTime,
}

impl Keyring {
    pub(super) fn new(kept: Kept) -> Self {
        let lost = kept.lost;
        let mut keyring = Self {
            gmks: kept.gmks,
            calls: kept.calls,
            highest: BTreeMap::new(),
            lost,
            latest: lost.unwrap_or(UtcTime::from_millis(0)),
        };
        for highest in kept.highest {
            keyring.raise(highest);
        }
        keyring
    }

    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::PutGmk(record) => {
                self.gmks.retain(|r| (r.group, r.id) != (record.group, record.id));
                self.gmks.push(record);
            }
            Change::RemoveGmk(group, id) => self.gmks.retain(|r| (r.group, r.id) != (group, id)),
            Change::PutCall(record) => {
                let place = |r: &CallRecord| (r.group, r.csb_id.index());
                self.calls.retain(|r| place(r) != place(&record));
                self.calls.push(record);
            }
            Change::RemoveCall(group, csb_id) => {
                self.calls.retain(|r| (r.group, r.csb_id) != (group, csb_id));
            }
            Change::Raise(highest) => self.raise(highest),
        }
    }

    fn raise(&mut self, Highest { sender, group, stream, time }: Highest) {
        let highest = self.highest.entry((stream, sender, group)).or_insert(time);
        *highest = time.max(*highest);
        self.latest = self.latest.max(time);
    }

    pub(super) fn senders(&self) -> usize {
        self.highest.len()
    }

    pub(super) fn knows(&self, sender: &Sender) -> bool {
        self.highest.contains_key(sender)
    }

    /// Returns a time for the next message of a sender: the present, or later than the last one.
    pub(super) fn next_time(&self, sender: &Sender, now: UtcTime) -> UtcTime {
        self.highest.get(sender).map_or(now, |last| now.max(last.plus_millis(1)))
    }

    /// Refuses a clock that is behind a time that was used.
    pub(super) fn check_clock(&self, now: UtcTime, config: &Config) -> Result<(), UtcTime> {
        if now.plus_millis(u64::from(config.max_offset) * 1000) < self.latest {
            return Err(self.latest);
        }
        Ok(())
    }

    /// Checks that a message of a sender is newer than all before.
    pub(super) fn check_new(
        &self,
        sender: &Sender,
        time: UtcTime,
        now: UtcTime,
        config: &Config,
    ) -> Result<(), Refusal> {
        let offset = u64::from(config.max_offset) * 1000;
        if self.highest.get(sender).is_some_and(|highest| time <= *highest) {
            return Err(Refusal::Replayed);
        }
        // A clock that was ahead by the offset may have made it before the loss.
        if self.lost.is_some_and(|lost| time <= lost.plus_millis(offset)) {
            return Err(Refusal::BeforeLoss);
        }
        if time > now.plus_millis(offset) {
            return Err(Refusal::FromFuture);
        }
        if !self.knows(sender) && self.senders() >= config.senders {
            return Err(Refusal::NoRoom);
        }
        Ok(())
    }

    /// Whether this UE may have sent under the key of a call before its store was lost.
    pub(super) fn may_have_sent(&self, since: UtcCounter, config: &Config) -> bool {
        self.lost.is_some_and(|lost| since <= lost.counter().plus(config.max_offset))
    }

    pub(super) fn gmk(&self, id: GmkId) -> Option<&GmkRecord> {
        self.gmks.iter().find(|record| record.id == id)
    }

    /// Returns the current GMK of a group: the latest whose period includes the present.
    pub(super) fn current(&self, group: Layer2Id, now: UtcCounter) -> Option<&GmkRecord> {
        let usable = self.gmks.iter().filter(|r| r.group == group && r.period.contains(now));
        usable.max_by_key(|record| record.time)
    }

    /// Returns the latest GMK of a group.
    pub(super) fn latest_gmk(&self, group: Layer2Id) -> Option<&GmkRecord> {
        self.gmks.iter().filter(|r| r.group == group).max_by_key(|record| record.time)
    }

    /// Returns the GMKs that are over: past their period, or replaced by a later one that is in use.
    pub(super) fn ended(&self, now: UtcCounter) -> Vec<(Layer2Id, GmkId, bool)> {
        let over = |record: &GmkRecord| {
            let newer = |other: &GmkRecord| {
                other.group == record.group && other.time > record.time && other.period.activation <= now
            };
            let replaced = self.gmks.iter().any(newer);
            (record.period.expiry <= now || replaced).then_some((record.group, record.id, replaced))
        };
        self.gmks.iter().filter_map(over).collect()
    }

    pub(super) fn call(&self, group: Layer2Id, csb_id: CsbId) -> Option<&CallRecord> {
        self.calls.iter().find(|call| (call.group, call.csb_id) == (group, csb_id))
    }

    /// Returns the number of groups of which there is a GMK.
    pub(super) fn groups(&self) -> usize {
        let mut groups: Vec<_> = self.gmks.iter().map(|record| record.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.len()
    }

    /// Whether a group or name is that of a standard group.
    pub(super) fn is_standard(&self, group: Layer2Id, name: &Identity, config: &Config) -> bool {
        let mut configured = config.groups.iter().map(|g| (g.layer2, &g.identity));
        let standard = self.gmks.iter().filter(|r| r.kind == GroupKind::Standard);
        let mut kept = standard.map(|r| (r.group, &r.name));
        config.other_groups.contains(&group)
            || configured.any(|(g, n)| g == group || n == name)
            || kept.any(|(g, n)| g == group || n == name)
    }
}
