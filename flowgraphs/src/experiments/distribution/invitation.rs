//! Group keys of a NAF: the owner invites members over PC5, or lists them, and each fetches the key. TR 33.833 §6.3.2.

use super::layer2::{self, Layer2};
use super::naf::{NafNetwork, Traffic};
use super::trial::{Presence, Solution};
use sidelink_network::group_naf::message::Policy;
use sidelink_network::group_naf_client::Input;
use sidelink_network::key_delivery::ServiceId;
use sidelink_security::counter::UtcTime;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The group.
const GROUP: ServiceId = ServiceId([0, 1, 0xa2]);

/// Milliseconds between two rounds of invitations; there is no answer to one over PC5.
const ROUND: u64 = 2000;

/// Rounds.
const ROUNDS: usize = 3;

/// Who may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Invitation,
    WhiteList,
}

/// The owner, the members and the network.
pub(crate) struct Invitations {
    admission: Admission,
    members: usize,
    network: NafNetwork,
    away: BTreeSet<usize>,
    /// Who was invited and has asked to join.
    joining: BTreeSet<usize>,
    /// When the next round begins, and how many are left.
    rounds: Option<(UtcTime, usize)>,
    owner_has_key: bool,
    cpu: [Duration; 2],
}

impl Invitations {
    /// With UEs that have bootstrapped.
    ///
    /// # Errors
    /// Those of the network.
    pub(crate) fn new(
        admission: Admission,
        members: usize,
        now: UtcTime,
        round_trip: u64,
        seed: u64,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            admission,
            members,
            network: NafNetwork::new(now, members + 1, round_trip, seed)?,
            away: BTreeSet::new(),
            joining: BTreeSet::new(),
            rounds: None,
            owner_has_key: false,
            cpu: [Duration::ZERO; 2],
        })
    }

    fn join(&mut self, member: usize, invitation: Option<Vec<u8>>) {
        if !self.away.contains(&member) && self.joining.insert(member) {
            self.network.act(member, |now| Input::Join { now, group: GROUP, invitation });
        }
    }

    /// Sends an invitation to everybody.
    fn invite(&mut self, air: &mut Layer2) -> anyhow::Result<()> {
        for member in 1..=self.members {
            let clock = Instant::now();
            let invitation = self.network.invite(GROUP, NafNetwork::user(member)?);
            self.cpu[0] += clock.elapsed();
            air.send(0, layer2::address(member)?, &layer2::signalling(&invitation))?;
        }
        Ok(())
    }

    fn admit(&mut self, air: &mut Layer2) -> anyhow::Result<()> {
        match self.admission {
            Admission::Invitation => {
                self.invite(air)?;
                self.rounds = Some((air.now().plus_millis(ROUND), ROUNDS - 1));
            }
            Admission::WhiteList => (1..=self.members).for_each(|member| self.join(member, None)),
        }
        Ok(())
    }
}

impl Solution for Invitations {
    fn begin(&mut self, _air: &mut Layer2) -> anyhow::Result<()> {
        let list = || (1..=self.members).map(NafNetwork::user).collect::<anyhow::Result<_>>();
        let policy = match self.admission {
            Admission::Invitation => Policy::Invitation,
            Admission::WhiteList => Policy::WhiteList(list()?),
        };
        self.network.act(0, |now| Input::Create { now, group: GROUP, policy });
        Ok(())
    }

    fn rekey(&mut self, _air: &mut Layer2, without: usize) -> anyhow::Result<()> {
        let removed = vec![NafNetwork::user(without)?];
        self.rounds = None;
        self.network.act(0, |now| Input::Refresh { now, group: GROUP, removed });
        Ok(())
    }

    fn step(&mut self, air: &mut Layer2) -> anyhow::Result<Vec<(UtcTime, usize)>> {
        for heard in air.step()? {
            if !self.away.contains(&heard.by) {
                self.join(heard.by, Some(layer2::message(&heard.pdu).to_vec()));
            }
        }
        let due = |(at, left): &(UtcTime, usize)| *at <= air.now() && *left > 0 && air.is_idle();
        if let Some((_, left)) = self.rounds.filter(due) {
            self.invite(air)?;
            self.rounds = Some((air.now().plus_millis(ROUND), left - 1));
        }
        let clock = Instant::now();
        let keys = self.network.run_until(air.now());
        self.cpu[1] += clock.elapsed();
        if !self.owner_has_key && keys.iter().any(|(_, who, _)| *who == 0) {
            self.owner_has_key = true;
            self.admit(air)?;
        }
        Ok(keys.into_iter().map(|(at, who, _)| (at, who)).filter(|(_, who)| *who > 0).collect())
    }

    fn set_away(&mut self, _air: &mut Layer2, members: &[usize], away: Presence) -> anyhow::Result<()> {
        match away {
            Presence::Away => self.away.extend(members),
            Presence::There => {
                for member in members {
                    self.away.remove(member);
                    if self.admission == Admission::WhiteList {
                        self.join(*member, None);
                    }
                }
            }
        }
        Ok(())
    }

    fn network(&self) -> Traffic {
        self.network.traffic
    }

    fn cpu(&self) -> [Duration; 2] {
        self.cpu
    }
}
