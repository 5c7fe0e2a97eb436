//! The standard's way, for comparison: every member fetches PMK and PGK from a PKMF over PC8 and MIKEY, and the PKMF brings a new
//! PGK after a member was revoked. TS 33.303 §6.2.3.
//!
//! No octet goes over PC5, unless a UE reaches the network through a relay: the meter counts the transport blocks of that.

use super::layer2::Layer2;
use super::naf::Traffic;
use super::trial::{Presence, Solution};
use crate::experiments::network::fabric::Fabric;
use crate::experiments::network::messages::UeId;
use crate::experiments::network::meter::{Meter, ReferencePoint};
use crate::experiments::network::scene;
use crate::experiments::network::subscriber::Told;
use crate::experiments::network::ways::{Way, Ways};
use sidelink_network::identity::{Impi, Imsi};
use sidelink_network::pc8::MemberId;
use sidelink_network::pkmf::{Kind, Service};
use sidelink_network::pkmf_client::{Event, Wanted};
use sidelink_network::prose_function::Subscription;
use sidelink_network::{pc3, pc3_client};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// UEs that begin in a second: as many as the BSF takes.
const BEGIN_A_SECOND: u64 = 50;

/// The network and its subscribers.
pub(crate) struct Pkmf {
    members: usize,
    fabric: Fabric,
    away: BTreeSet<usize>,
    /// Who begins when.
    beginning: VecDeque<(UtcTime, usize)>,
    cpu: Duration,
}

fn impi(number: usize) -> anyhow::Result<Impi> {
    Ok(Imsi::new(&format!("00101{number:010}"))?.impi(2)?)
}

impl Pkmf {
    /// With subscribers that have not bootstrapped.
    ///
    /// # Errors
    /// Those of the network.
    pub(crate) fn new(members: usize, now: UtcTime, round_trip: u64, seed: u64) -> anyhow::Result<Self> {
        let member = |number: usize| -> anyhow::Result<(Impi, MemberId)> {
            let [.., a, b, c] = u64::try_from(number)?.to_be_bytes();
            Ok((impi(number)?, MemberId([a, b, c])))
        };
        let listed = (0..=members).map(member).collect::<anyhow::Result<_>>()?;
        let kind = Kind::Group { algorithm: Algorithm::Aes, members: listed };
        let groups = vec![Service { id: scene::TEAM, kind }];
        let ways = Ways::all(Way { round_trip, loss: 0.0 });
        let mut fabric = Fabric::new(now, (scene::config(), groups), ways, seed)?;
        for number in 0..=members {
            let (config, subscription) = subscriber(number)?;
            fabric.add(config, subscription)?;
        }
        Ok(Self { members, fabric, away: BTreeSet::new(), beginning: VecDeque::new(), cpu: Duration::ZERO })
    }

    fn begin_at(&mut self, now: UtcTime, members: impl Iterator<Item = usize>) {
        for (turn, member) in members.enumerate() {
            self.beginning.push_back((now.plus_millis(turn as u64 * 1000 / BEGIN_A_SECOND), member));
        }
    }
}

fn subscriber(number: usize) -> anyhow::Result<(pc3_client::Config, Subscription)> {
    let (mut config, mut subscription) = scene::subscriber(1);
    config.ue = pc3::Imsi::new(scene::plmn(), &format!("{number:010}"))?;
    config.rpauid = None;
    subscription.rpauids.clear();
    Ok((config, subscription))
}

impl Solution for Pkmf {
    fn begin(&mut self, air: &mut Layer2) -> anyhow::Result<()> {
        let there: Vec<usize> = (0..=self.members).filter(|member| !self.away.contains(member)).collect();
        self.begin_at(air.now(), there.into_iter());
        Ok(())
    }

    fn rekey(&mut self, _air: &mut Layer2, without: usize) -> anyhow::Result<()> {
        self.fabric.revoke_member(scene::TEAM, impi(without)?);
        Ok(())
    }

    fn step(&mut self, air: &mut Layer2) -> anyhow::Result<Vec<(UtcTime, usize)>> {
        air.step()?;
        let clock = Instant::now();
        while let Some((at, member)) = self.beginning.front().copied().filter(|(at, _)| *at <= air.now()) {
            self.fabric.run_until(at);
            self.fabric.want_keys(UeId(member), &[Wanted::Group(scene::TEAM)]);
            self.beginning.pop_front();
        }
        self.fabric.run_until(air.now());
        self.cpu += clock.elapsed();
        let told = self.fabric.told().into_iter();
        let keys = told.filter(|(_, _, told)| matches!(told, Told::Keys(Event::Key(_))));
        Ok(keys.map(|(at, ue, _)| (at, ue.0)).filter(|(_, member)| *member > 0).collect())
    }

    fn set_away(&mut self, air: &mut Layer2, members: &[usize], away: Presence) -> anyhow::Result<()> {
        match away {
            Presence::Away => self.away.extend(members),
            Presence::There => {
                self.away.retain(|member| !members.contains(member));
                self.begin_at(air.now(), members.iter().copied());
            }
        }
        Ok(())
    }

    fn network(&self) -> Traffic {
        traffic(self.fabric.meter())
    }

    fn cpu(&self) -> [Duration; 2] {
        [Duration::ZERO, self.cpu]
    }
}

/// What went between UEs and network.
fn traffic(meter: &Meter) -> Traffic {
    let of_ues = [ReferencePoint::Ub, ReferencePoint::Pc8, ReferencePoint::Mikey];
    let vectors = meter.cost(ReferencePoint::Zh).messages / 2;
    of_ues.iter().map(|at| meter.cost(*at)).fold(Traffic { vectors, ..Traffic::default() }, |sum, cost| {
        Traffic { messages: sum.messages + cost.messages, octets: sum.octets + cost.octets, ..sum }
    })
}
