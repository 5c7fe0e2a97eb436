//! Group keys of a NAF: the owner invites members over PC5, or lists them, and each fetches the key. TR 33.833 §6.3.2. The
//! machine of each UE is [`NafGroups`].

use super::layer2::{self, Layer2};
use super::naf::{NafNetwork, Traffic};
use super::trial::{Presence, Solution};
use sidelink_mac::mux::Address;
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::naf_groups::{Input, Invitee, NafGroups, Output, Part, Rules};
use sidelink_security::counter::UtcTime;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The group.
const GROUP: ServiceId = ServiceId([0, 1, 0xa2]);

/// Who may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Invitation,
    WhiteList,
}

/// A UE.
struct Station {
    machine: NafGroups,
    due: Option<UtcTime>,
}

/// The owner, the members and the network.
pub(crate) struct Invitations {
    admission: Admission,
    network: NafNetwork,
    ues: Vec<Station>,
    away: BTreeSet<usize>,
    owner_has_key: bool,
    got: Vec<(UtcTime, usize)>,
    cpu: [Duration; 2],
}

impl Invitations {
    /// With UEs that have bootstrapped. An invitation takes `spacing` milliseconds of the air.
    ///
    /// # Errors
    /// Those of the network.
    pub(crate) fn new(
        admission: Admission,
        members: usize,
        (now, spacing): (UtcTime, u64),
        round_trip: u64,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let mut network = NafNetwork::new(now, members + 1, round_trip, seed)?;
        let mut ues = Vec::new();
        for ue in 0..=members {
            let part = match (ue, admission) {
                (0, Admission::Invitation) => {
                    Part::Inviter((1..=members).map(invitee).collect::<Result<_, _>>()?)
                }
                (0, Admission::WhiteList) => {
                    Part::Lister((1..=members).map(NafNetwork::user).collect::<Result<_, _>>()?)
                }
                (_, Admission::Invitation) => Part::Invited,
                (_, Admission::WhiteList) => Part::Listed,
            };
            let subscriber = network.subscriber(ue);
            let (config, usim) = subscriber.ok_or_else(|| anyhow::anyhow!("no subscriber; this is a bug"))?;
            let rules = Rules::new(spacing);
            let machine = NafGroups::new(config, usim, rules, &network.seed(), [(GROUP, part)]);
            ues.push(Station { machine, due: None });
        }
        Ok(Self {
            admission,
            network,
            ues,
            away: BTreeSet::new(),
            owner_has_key: false,
            got: Vec::new(),
            cpu: [Duration::ZERO; 2],
        })
    }

    /// Hands an input to a UE, and does what it says.
    fn input(&mut self, air: &mut Layer2, ue: usize, now: UtcTime, input: Input<'_>) -> anyhow::Result<()> {
        let clock = Instant::now();
        self.ues[ue].machine.handle_input(input)?;
        loop {
            match self.ues[ue].machine.poll_output() {
                Output::ToNaf(octets) => self.network.post(now, ue, octets),
                Output::Invite { to, octets } => {
                    air.send(ue, Address::Ue(to), &layer2::signalling(&octets))?;
                }
                Output::Store(_) => self.ues[ue].machine.handle_input(Input::Stored { now })?,
                Output::Install(_) if ue == 0 => self.owner_has_key = true,
                Output::Install(_) => self.got.push((now, ue)),
                Output::Remove { .. } | Output::Event(_) => {}
                Output::Timeout(at) => {
                    self.ues[ue].due = at;
                    self.cpu[usize::from(ue > 0)] += clock.elapsed();
                    return Ok(());
                }
            }
        }
    }

    /// Lets the members of a list ask.
    fn join(&mut self, air: &mut Layer2, members: &[usize]) -> anyhow::Result<()> {
        let now = air.now();
        if self.admission == Admission::Invitation {
            return Ok(());
        }
        for member in members {
            self.input(air, *member, now, Input::Join { now, group: GROUP })?;
        }
        Ok(())
    }

    /// Lets the network act until now, and UEs take what it says when it comes.
    fn network_until(&mut self, air: &mut Layer2, end: UtcTime) -> anyhow::Result<()> {
        loop {
            let at = self.network.next_event().filter(|at| *at <= end);
            let now = at.unwrap_or(end);
            self.network.run_until(now);
            for ue in 0..self.ues.len() {
                while let Some(octets) = self.network.take(ue, now) {
                    self.input(air, ue, now, Input::Answer { now, octets: &octets })?;
                }
            }
            if at.is_none() {
                return Ok(());
            }
        }
    }
}

fn invitee(member: usize) -> anyhow::Result<Invitee> {
    Ok(Invitee { user: NafNetwork::user(member)?, layer2: layer2::identity(member)? })
}

impl Solution for Invitations {
    fn begin(&mut self, air: &mut Layer2) -> anyhow::Result<()> {
        let now = air.now();
        self.input(air, 0, now, Input::Distribute { now, group: GROUP })
    }

    fn rekey(&mut self, air: &mut Layer2, without: usize) -> anyhow::Result<()> {
        let (now, user) = (air.now(), NafNetwork::user(without)?);
        self.input(air, 0, now, Input::Exclude { now, group: GROUP, user: &user })
    }

    fn step(&mut self, air: &mut Layer2) -> anyhow::Result<Vec<(UtcTime, usize)>> {
        let heard = air.step()?;
        let now = air.now();
        let had = self.owner_has_key;
        self.network_until(air, now)?;
        for heard in heard {
            if self.away.contains(&heard.by) {
                continue;
            }
            let (from, octets) = (heard.from, layer2::message(&heard.pdu));
            self.input(air, heard.by, now, Input::Message { now, from, octets })?;
        }
        for ue in 0..self.ues.len() {
            if self.ues[ue].due.is_some_and(|due| due <= now) {
                self.input(air, ue, now, Input::Tick { now })?;
            }
        }
        if self.owner_has_key && !had {
            let there: Vec<usize> = (1..self.ues.len()).filter(|ue| !self.away.contains(ue)).collect();
            self.join(air, &there)?;
        }
        Ok(std::mem::take(&mut self.got))
    }

    fn set_away(&mut self, air: &mut Layer2, members: &[usize], away: Presence) -> anyhow::Result<()> {
        match away {
            Presence::Away => self.away.extend(members),
            Presence::There => {
                self.away.retain(|member| !members.contains(member));
                self.join(air, members)?;
            }
        }
        Ok(())
    }

    fn network(&self) -> Traffic {
        self.network.traffic()
    }

    fn cpu(&self) -> [Duration; 2] {
        self.cpu
    }
}
