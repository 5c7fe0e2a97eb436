//! A group from its first key to a new one after a theft.

use super::layer2::{Layer2, Sent};
use super::naf::Traffic;
use sidelink_security::counter::UtcTime;
use std::time::Duration;

/// A way to bring keys to a group. Stations of layer 2 have the numbers of the group's UEs: 0 is its manager or owner.
pub(crate) trait Solution {
    /// Brings every member its first key.
    ///
    /// # Errors
    /// A bug, or a queue that is full.
    fn begin(&mut self, air: &mut Layer2) -> anyhow::Result<()>;

    /// Brings every member but one a new key.
    ///
    /// # Errors
    /// A bug, or a queue that is full.
    fn rekey(&mut self, air: &mut Layer2, without: usize) -> anyhow::Result<()>;

    /// Passes a step of the air, and lets everybody act. Returns who got a key, and when.
    ///
    /// # Errors
    /// A bug, or a queue that is full.
    fn step(&mut self, air: &mut Layer2) -> anyhow::Result<Vec<(UtcTime, usize)>>;

    /// Members that are not there yet, or there now: they hear and say nothing meanwhile.
    ///
    /// # Errors
    /// A bug, or a queue that is full.
    fn set_away(&mut self, air: &mut Layer2, members: &[usize], away: Presence) -> anyhow::Result<()>;

    /// What went over the network so far.
    fn network(&self) -> Traffic {
        Traffic::default()
    }

    /// Processor time of cryptography so far: of the manager, and of all others together.
    fn cpu(&self) -> [Duration; 2];
}

/// Whether a member is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Away,
    There,
}

/// What a phase took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase {
    /// Members that should have the key, and that have it.
    pub(crate) wanted: usize,
    pub(crate) keyed: usize,
    /// Milliseconds until each had it, in order.
    pub(crate) after_ms: Vec<u64>,
    pub(crate) sent: Sent,
    pub(crate) network: Traffic,
    /// Of the manager, and of all others together.
    pub(crate) cpu: [Duration; 2],
}

impl Phase {
    /// Returns the smallest time within which this share of the members that have the key had it.
    pub(crate) fn quantile(&self, share: f64) -> Option<u64> {
        let rank = (share * self.after_ms.len() as f64).ceil() as usize;
        self.after_ms.get(rank.max(1) - 1).copied()
    }
}

/// A group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// Members without the manager.
    pub(crate) members: usize,
    /// Members that come late, the last ones of all.
    pub(crate) late: usize,
    /// Milliseconds after which they come.
    pub(crate) late_after: u64,
    /// Milliseconds that a phase may take.
    pub(crate) patience: u64,
}

/// The phases of a trial.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    /// The first key for those who are there.
    pub(crate) first: Phase,
    /// For those who come late, from when they come.
    pub(crate) late: Option<Phase>,
    /// The new key after a theft.
    pub(crate) rekeying: Phase,
}

/// Runs a trial.
///
/// # Errors
/// Those of the solution.
pub(crate) fn run(solution: &mut dyn Solution, air: &mut Layer2, group: Group) -> anyhow::Result<Trial> {
    let there: Vec<usize> = (1..=group.members - group.late).collect();
    let late: Vec<usize> = (group.members - group.late + 1..=group.members).collect();
    solution.set_away(air, &late, Presence::Away)?;
    let mut watch = Watch::new(solution, air, &there);
    solution.begin(air)?;
    watch.follow(solution, air, group.patience)?;
    let first = watch.end(solution, air);
    let late = if late.is_empty() {
        None
    } else {
        let mut waiting = Watch::new(solution, air, &[]);
        waiting.follow_for(solution, air, group.late_after)?;
        solution.set_away(air, &late, Presence::There)?;
        let mut watch = Watch::new(solution, air, &late);
        watch.follow(solution, air, group.patience)?;
        Some(watch.end(solution, air))
    };
    // what is still under way of the first key is not a cost of the second
    let mut rest = Watch::new(solution, air, &[]);
    rest.follow_for(solution, air, QUIET)?;
    let thief = 1;
    let others: Vec<usize> = (2..=group.members).collect();
    let mut watch = Watch::new(solution, air, &others);
    solution.rekey(air, thief)?;
    watch.follow(solution, air, group.patience)?;
    let rekeying = watch.end(solution, air);
    anyhow::ensure!(!watch.got(thief), "the one who was left out got the new key; this is a bug");
    Ok(Trial { first, late, rekeying })
}

/// Milliseconds between the first key and the second.
const QUIET: u64 = 5000;

/// A phase that is under way.
struct Watch {
    wanted: Vec<usize>,
    from: UtcTime,
    had: (Sent, Traffic, [Duration; 2]),
    got: Vec<(u64, usize)>,
}

impl Watch {
    fn new(solution: &dyn Solution, air: &Layer2, wanted: &[usize]) -> Self {
        let had = (air.sent_by_all(), solution.network(), solution.cpu());
        Self { wanted: wanted.to_vec(), from: air.now(), had, got: Vec::new() }
    }

    fn got(&self, member: usize) -> bool {
        self.got.iter().any(|(_, who)| *who == member)
    }

    /// Until all have the key, or for so long.
    fn follow(&mut self, solution: &mut dyn Solution, air: &mut Layer2, patience: u64) -> anyhow::Result<()> {
        let mut missing: std::collections::BTreeSet<usize> = self.wanted.iter().copied().collect();
        let until = self.from.plus_millis(patience);
        while !missing.is_empty() && air.now() < until {
            self.step(solution, air, |who| _ = missing.remove(&who))?;
        }
        Ok(())
    }

    fn follow_for(
        &mut self,
        solution: &mut dyn Solution,
        air: &mut Layer2,
        millis: u64,
    ) -> anyhow::Result<()> {
        let until = air.now().plus_millis(millis);
        while air.now() < until {
            self.step(solution, air, |_| {})?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        solution: &mut dyn Solution,
        air: &mut Layer2,
        mut got: impl FnMut(usize),
    ) -> anyhow::Result<()> {
        for (at, who) in solution.step(air)? {
            if !self.got(who) {
                self.got.push((at.millis().saturating_sub(self.from.millis()), who));
            }
            got(who);
        }
        Ok(())
    }

    fn end(&self, solution: &dyn Solution, air: &Layer2) -> Phase {
        let (sent, network, cpu) = &self.had;
        let mut after_ms: Vec<u64> =
            self.got.iter().filter(|(_, who)| self.wanted.contains(who)).map(|(after, _)| *after).collect();
        after_ms.sort_unstable();
        let [manager, others] = solution.cpu();
        Phase {
            wanted: self.wanted.len(),
            keyed: after_ms.len(),
            after_ms,
            sent: air.sent_by_all().since(*sent),
            network: solution.network().since(*network),
            cpu: [manager - cpu[0], others - cpu[1]],
        }
    }
}
