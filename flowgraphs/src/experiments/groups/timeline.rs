//! When what is asked for, in subframes after the start.

use super::cases::{By, GroupCase, Mishap, Replay, Solution};
use super::parties::Party;
use crate::config::LongMessageWay;
use sidelink_phy::channel::pssch::{Grant, REDUNDANCY_VERSIONS};
use sidelink_phy::units::{PrbRange, SidelinkMode};
use std::ops::Range;

/// PRBs of a grant.
pub(crate) const PRBS: usize = 10;

/// Octets of the longest message for one member, with what is around it.
const MESSAGE: usize = 720;

/// Subframes of PSCCH at the start of a period; those of PSSCH follow. Half of these carry a transmission.
pub(crate) const CONTROL: u64 = 8;

/// Time for a call, with its data.
const CALL: u64 = 2400;

/// Subframes of a call after which its caller is killed, and after which it is there again.
const DOWN: Range<u64> = 1400..1800;

/// Subframes of a call after which the first late member comes, and those from one to the next.
const LATE: u64 = 600;
const STAGGER: u64 = 130;

/// When what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// The first key.
    pub(crate) distribute: u64,
    /// A call under it.
    pub(crate) call: u64,
    /// The key without the stolen member.
    pub(crate) rekey: u64,
    /// A call under that one.
    pub(crate) second_call: u64,
    pub(crate) end: u64,
    /// Time between two messages of a distribution: what one of them takes on the air.
    pub(crate) spacing: u64,
}

impl Timeline {
    /// The times of a case: twice what a distribution takes when nothing is lost, and a margin.
    pub(crate) fn of(case: &GroupCase<'_>) -> Self {
        let octets = match case.way {
            LongMessageWay::Whole => MESSAGE,
            LongMessageWay::Repeated => 2 * MESSAGE,
            // Two fragments of parity, and the headers of all.
            LongMessageWay::Coded => 2 * MESSAGE,
        };
        let message = case.period * periods(case.period, case.mcs, octets);
        let spacing = match case.scenario.solution {
            Solution::Identity | Solution::Pkmf | Solution::Invitation | Solution::WhiteList => message,
            // A link is set up first: two long messages, three short ones, and what is made durable between them.
            Solution::AdHoc => 4 * message + 8 * case.period,
            // Three long messages, two short ones, and what is made durable between them.
            Solution::Owner => 3 * message + 4 * case.period,
        };
        // Three rounds of invitations; what is lost on the way to a NAF is asked for again.
        let rounds = match (case.scenario.solution, case.scenario.attack.map(|attack| attack.by)) {
            (_, Some(By::LosesKeys | By::Flood)) => 8000,
            (Solution::Invitation | Solution::WhiteList, _) => 4500,
            _ => 0,
        };
        let distribution = 2 * spacing * case.members as u64 + 12 * case.period + 1500 + rounds;
        let call = CALL.max(10 * case.period);
        let distribute = 200;
        let first_call = distribute + distribution;
        // The manager's pauses grow: whoever comes late waits about as long as the manager has been trying.
        let rekey = first_call
            + match case.scenario.mishap {
                Some(Mishap::Crash) => DOWN.end + call,
                Some(Mishap::Late) => LATE + STAGGER * case.late() as u64 + 3 * (first_call + call),
                None => call,
            };
        let second_call = rekey + distribution;
        let end = match case.scenario.attack.map(|attack| attack.by) {
            // All of the first distribution and of its call comes again.
            Some(By::Replay(Replay::AfterRekeying)) => second_call + call + distribution + call,
            // Nothing comes after the late ones.
            _ if case.scenario.mishap == Some(Mishap::Late) => rekey,
            _ => second_call + call,
        };
        Self { distribute, call: first_call, rekey, second_call, end, spacing }
    }
}

impl Timeline {
    /// When a member is switched on that is the `number`-th of the late ones, from 0.
    pub(crate) const fn switched_on(&self, number: u64) -> u64 {
        self.call + LATE + STAGGER * number
    }

    /// When a party is switched on.
    pub(crate) fn begins(&self, case: &GroupCase<'_>, party: Party) -> u64 {
        let early = case.members - case.late();
        match party {
            Party::Member(number) if number > early => self.switched_on((number - early - 1) as u64),
            Party::Again => self.down().end,
            _ => 0,
        }
    }

    /// For how long a party runs.
    pub(crate) fn duration(&self, case: &GroupCase<'_>, party: Party) -> u64 {
        match party {
            Party::Member(1) if case.scenario.mishap == Some(Mishap::Crash) => self.down().start,
            _ => self.end - self.begins(case, party),
        }
    }

    /// When the late ones begin to come.
    pub(crate) const fn late(&self) -> u64 {
        self.switched_on(0)
    }

    /// When the caller is not there.
    pub(crate) const fn down(&self) -> Range<u64> {
        self.call + DOWN.start..self.call + DOWN.end
    }

    /// By how much later everything is said again: whole periods, so that every copy lies where its original lay.
    pub(crate) fn delay(&self, replay: Replay, period: u64) -> u64 {
        match replay {
            // Behind the first distribution to a few members, and between two messages of the call.
            Replay::Soon => 25 * period,
            Replay::AfterRekeying => (self.second_call + 800 - self.distribute).next_multiple_of(period),
        }
    }

    /// The same times in the count of UEs whose first subframe is `began`.
    pub(crate) const fn from(self, began: u64) -> Self {
        Self {
            distribute: began + self.distribute,
            call: began + self.call,
            rekey: began + self.rekey,
            second_call: began + self.second_call,
            end: began + self.end,
            spacing: self.spacing,
        }
    }
}

/// SC periods that a message of `octets` octets to one destination takes.
fn periods(period: u64, mcs: u8, octets: usize) -> u64 {
    let prbs = PrbRange { start: 0, len: PRBS };
    let grant = Grant { prbs, mcs, rv: 0, n_id: 0, n_ssf: 0, transmission_format: false };
    // Headers of MAC and RLC.
    let block = grant.size(SidelinkMode::D2d).map_or(1, |(_, bits)| (bits / 8).saturating_sub(10).max(1));
    let blocks = ((period - CONTROL) / 2) / REDUNDANCY_VERSIONS.len() as u64;
    (octets.div_ceil(block) as u64).div_ceil(blocks.max(1))
}
