//! The NAF of an exercise, and the machines of the UEs at it: members, and whoever has no business there. The network is that of
//! `experiments/distribution`, which all UEs share.

use super::cases::{By, GroupCase, Solution};
use super::costs::NetworkSpent;
use super::parties::{GROUP_ID, Party};
use super::setup::START;
use super::timeline::Timeline;
use crate::attacks::naf::{CuriousNaf, NafAttacker, Plot, StolenMember};
use crate::config::ue_toml::Alteration;
use crate::experiments::distribution::naf::{self, NafNetwork, Traffic};
use crate::naf_groups::{NafAccess, NafPath};
use anyhow::Context;
use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::usim::SqnArray;
use sidelink_security::counter::UtcTime;
use sidelink_ue::GroupMachine;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Milliseconds there and back between a UE and the NAF, and between two functions of it.
const ROUND_TRIP: u64 = 40;

/// Milliseconds after which a key that a UE was pushed comes again from somebody else.
const AGAIN: u64 = 700;

/// The network of an exercise.
#[derive(Clone)]
pub(crate) struct Naf {
    network: Arc<Mutex<NafNetwork>>,
    attacker: usize,
    timeline: Timeline,
}

impl Naf {
    /// With all parties as subscribers.
    ///
    /// # Errors
    /// Those of the network.
    pub(crate) fn open(case: &GroupCase<'_>) -> anyhow::Result<Self> {
        let timeline = Timeline::of(case);
        let start = UtcTime::from_millis(1000 * START);
        let attacker = case.members + 1;
        let mut network = NafNetwork::new(start, attacker + 1, ROUND_TRIP, case.seed)?;
        network.set_path(match case.scenario.attack.map(|attack| attack.by) {
            Some(By::LosesKeys) => naf::Path::Loses,
            Some(By::RepeatsKeys) => naf::Path::Repeats(AGAIN),
            _ => naf::Path::Clear,
        });
        network.mark(start.plus_millis(timeline.rekey));
        Ok(Self { network: Arc::new(Mutex::new(network)), attacker, timeline })
    }

    fn network(&self) -> MutexGuard<'_, NafNetwork> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, party: Party) -> usize {
        match party {
            Party::Manager => 0,
            Party::Member(number) | Party::Thief(number) => number,
            Party::Again => 1,
            Party::Mallory | Party::Spy | Party::Impostor => self.attacker,
        }
    }

    /// What the UE of a party needs.
    ///
    /// # Errors
    /// A bug.
    pub(crate) fn access(&self, party: Party) -> anyhow::Result<NafAccess> {
        let ue = self.number(party);
        let (config, usim) = self.network().subscriber(ue).context("no subscriber; this is a bug")?;
        Ok(NafAccess { config, usim, path: self.path(ue) })
    }

    fn path(&self, ue: usize) -> Box<dyn NafPath> {
        Box::new(Way { naf: self.clone(), ue })
    }

    /// The machine of a party that attacks; none for those that do not.
    ///
    /// # Errors
    /// A bug.
    pub(crate) fn attacker(
        &self,
        party: Party,
        by: Option<By>,
    ) -> anyhow::Result<Option<Box<dyn GroupMachine>>> {
        let plot = match by.filter(|_| party == Party::Mallory) {
            Some(By::StolenInvitation) => Plot::Thief,
            Some(By::NotListed) => Plot::Uninvited,
            Some(By::Flood) => Plot::Flood,
            Some(By::CuriousNaf) => return Ok(Some(self.curious())),
            _ => return Ok(None),
        };
        let begins = self.at(self.timeline.distribute);
        // A flood ends before the group talks: what it does to the talk is nothing.
        let ends = self.at(if by == Some(By::Flood) { self.timeline.call - 2000 } else { self.timeline.end });
        Ok(Some(Box::new(self.plotter(plot, Party::Mallory, (begins, ends))?)))
    }

    /// What becomes of the machine of a party: that of a member whose radio is stolen keeps its keys, and may go on.
    ///
    /// # Errors
    /// A bug.
    pub(crate) fn altered(&self, party: Party, case: &GroupCase<'_>) -> anyhow::Result<Option<Alteration>> {
        if !case.scenario.incident.has_thief() || party != Party::Member(case.members) {
            return Ok(None);
        }
        let by = case.scenario.attack.map(|attack| attack.by);
        let from = self.at(self.timeline.rekey + 1000);
        let until = if by == Some(By::OldInvitation) { self.at(self.timeline.end) } else { from };
        let attacker = self.plotter(Plot::Uninvited, party, (from, until))?;
        Ok(Some(Box::new(move |member| Box::new(StolenMember::new(member, attacker, from)))))
    }

    fn plotter(&self, plot: Plot, party: Party, during: (UtcTime, UtcTime)) -> anyhow::Result<NafAttacker> {
        let NafAccess { config, usim, path } = self.access(party)?;
        Ok(NafAttacker::new(plot, service(), (config, usim), path, during))
    }

    fn curious(&self) -> Box<dyn GroupMachine> {
        let naf = self.clone();
        let look = move || {
            let network = naf.network();
            let record = &network.naf().group(service())?.record;
            Some((record.pgk_id, *record.pgk.as_bytes(), record.expires))
        };
        Box::new(CuriousNaf::new(service(), Box::new(look)))
    }

    fn at(&self, millis: u64) -> UtcTime {
        UtcTime::from_millis(1000 * START).plus_millis(millis)
    }

    /// What the network took until the re-keying, and from then on.
    pub(crate) fn spent(&self) -> [NetworkSpent; 2] {
        self.network().traffic_by_phase().map(|Traffic { messages, octets, round_trips, vectors }| {
            NetworkSpent { messages, octets, round_trips, vectors: Some(vectors) }
        })
    }

    /// Vectors that the HSS made for the attacker, where it is no member.
    pub(crate) fn vectors_of_attacker(&self) -> u64 {
        self.network().vectors_of(self.attacker)
    }
}

/// The name of a party's user.
///
/// # Errors
/// More members than identities.
pub(crate) fn user(case: &GroupCase<'_>, party: Party) -> anyhow::Result<Impi> {
    NafNetwork::user(match party {
        Party::Manager => 0,
        Party::Member(number) | Party::Thief(number) => number,
        Party::Again => 1,
        Party::Mallory | Party::Spy | Party::Impostor => case.members + 1,
    })
}

/// Whether the keys of a case are of a NAF.
pub(crate) const fn is_used(case: &GroupCase<'_>) -> bool {
    matches!(case.scenario.solution, Solution::Invitation | Solution::WhiteList)
}

const fn service() -> ServiceId {
    let [_, a, b, c] = GROUP_ID.to_be_bytes();
    ServiceId([a, b, c])
}

/// The way of one UE.
struct Way {
    naf: Naf,
    ue: usize,
}

impl NafPath for Way {
    fn send(&mut self, now: UtcTime, octets: Vec<u8>) {
        self.naf.network().post(now, self.ue, octets);
    }

    fn receive(&mut self, now: UtcTime) -> Option<Vec<u8>> {
        let mut network = self.naf.network();
        network.run_until(now);
        network.take(self.ue, now)
    }

    /// The exercise has no disk: a UE of it does not start twice.
    fn keep(&mut self, _array: &SqnArray) -> std::io::Result<()> {
        Ok(())
    }
}
