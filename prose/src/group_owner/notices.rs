//! Notices of an owner: its epoch, and how busy it is.

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::signed::digest;
use sidelink_wire::group_owner::{Body, Kind, Notice, SIGNATURE};
use sidelink_wire::ids::Layer2Id;

use super::common::NOTICE;
use super::config::Config;
use super::owner::Owner;

/// SC periods between two notices while members wait for the owner.
const BUSY_PERIODS: u64 = 16;

/// When the next notice is due.
#[derive(Debug, Default)]
pub(super) struct Notices {
    last: Option<UtcTime>,
    /// Milliseconds until the next one.
    gap: u64,
}

impl Notices {
    /// Begins anew: the next notice `gap` milliseconds after `now`, and then at growing distances.
    pub(super) const fn begin(&mut self, now: UtcTime, gap: u64) {
        (self.last, self.gap) = (Some(now), gap);
    }

    fn due(&self, busy: Option<u64>) -> Option<UtcTime> {
        let gap = busy.map_or(self.gap, |busy| busy.min(self.gap));
        self.last.map(|last| last.plus_millis(gap))
    }
}

/// Returns the transcript that the signature of a notice covers: nothing but its group.
pub(super) fn transcript(group: [u8; 3]) -> [u8; 32] {
    digest(&[NOTICE, &group])
}

impl Owner {
    fn busy(&self) -> Option<u64> {
        (!self.queue.is_empty()).then_some(BUSY_PERIODS * self.common.config.sc_period)
    }

    /// Returns when the next notice is due; `None` while an epoch waits.
    pub(super) fn notice_due(&self) -> Option<UtcTime> {
        self.epoch.as_ref().and_then(|_| self.notices.due(self.busy()))
    }

    /// Sends a notice if one is due.
    pub(super) fn notify(&mut self) {
        let Some(epoch) = self.epoch.as_ref().map(|epoch| epoch.number) else { return };
        let (now, busy) = (self.common.now, self.busy());
        if self.notices.due(busy).is_none_or(|due| due > now) {
            return;
        }
        let group = self.common.config.group.group_id;
        let notice = Notice { epoch, wait: self.wait(), signature: [0; SIGNATURE] };
        let octets = self.common.emit_signed(Body::Notice(notice), NOTICE, &transcript(group));
        self.common.send(Layer2Id::from_octets(group), Kind::Notice, octets);
        let Config { retry, notice, .. } = &self.common.config;
        let gap = self.notices.gap.saturating_mul(2).max(*retry).min((*notice).max(1));
        self.notices.begin(now, busy.unwrap_or(gap));
    }

    /// Returns the milliseconds within which the owner gets to all that wait for it.
    fn wait(&self) -> u32 {
        let (asked, unsent) = (self.queue.len(), self.unsent());
        if asked + unsent == 0 {
            return 0;
        }
        let wait = self.joins.of(asked).saturating_add(self.deliveries.of(unsent));
        u32::try_from(wait.saturating_add(self.common.config.retry)).unwrap_or(u32::MAX)
    }
}
