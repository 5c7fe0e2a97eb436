//! Floods, for reports: how many requests were refused, since when. Bounded: one of UEs by their own rates, one of all.

use sidelink_security::counter::UtcTime;

use super::ALARM_INTERVAL;
use super::io::{Alarm, Flood};

/// Milliseconds without a refusal after which a flood is over. Own.
const QUIET: u64 = 10_000;

/// Refusals of UEs by their own rates before they are a flood: a UE that asks once too often is none. Own.
const MANY_OF_A_UE: u64 = 10;

/// Refusals of all before they are a flood: less than two seconds of what is served. Own.
const MANY_OF_ALL: u64 = 100;

struct Ongoing {
    since: UtcTime,
    last: UtcTime,
    refused: u64,
    reported: Option<UtcTime>,
}

/// Floods that go on.
#[derive(Default)]
pub(super) struct Alarms {
    ue: Option<Ongoing>,
    all: Option<Ongoing>,
}

impl Alarms {
    /// Counts a request that was refused; returns the alarm that is due.
    pub(super) fn refused(&mut self, whose: Flood, now: UtcTime) -> Option<Alarm> {
        let (slot, many) = match whose {
            Flood::Ue(_) => (&mut self.ue, MANY_OF_A_UE),
            Flood::All => (&mut self.all, MANY_OF_ALL),
        };
        let over = slot.as_ref().is_some_and(|flood| now >= flood.last.plus_millis(QUIET));
        let fresh = || Ongoing { since: now, last: now, refused: 0, reported: None };
        if over {
            *slot = None;
        }
        let flood = slot.get_or_insert_with(fresh);
        (flood.last, flood.refused) = (now, flood.refused + 1);
        let is_due = flood.reported.is_none_or(|at| now >= at.plus_millis(ALARM_INTERVAL));
        if flood.refused < many || !is_due {
            return None;
        }
        flood.reported = Some(now);
        Some(Alarm { whose, refused: flood.refused, since: flood.since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_reported_again_and_ends_with_silence() {
        let mut alarms = Alarms::default();
        let at = UtcTime::from_millis;
        let mut due = Vec::new();
        for refused in 0..250 {
            due.extend(alarms.refused(Flood::All, at(1_000 + 100 * refused)));
        }
        let alarm = |refused, since| Alarm { whose: Flood::All, refused, since: at(since) };
        assert_eq!(due, [100, 150, 200, 250].map(|refused| alarm(refused, 1_000)));
        let last = 1_000 + 100 * 249;
        for _ in 0..99 {
            assert_eq!(alarms.refused(Flood::All, at(last + QUIET)), None, "another flood");
        }
        assert_eq!(alarms.refused(Flood::All, at(last + QUIET)), Some(alarm(100, last + QUIET)));
    }
}
