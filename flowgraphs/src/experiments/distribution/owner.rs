//! S3.4: a group owner, and members with certificates of one issuer.

use super::layer2;
use super::machines::{Begins, Machines};
use super::question::GROUP;
use crate::experiments::credentials::certificate;
use sidelink_prose::direct_link::Identity;
use sidelink_prose::group_owner::{Config, Member, Owner};
use sidelink_prose::long_message::Way;
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::group::GroupConfig;
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::{GroupMachine, OwnerGroup, OwnerRole};
use sidelink_wire::ids::Layer2Id;

/// The name of a UE.
fn name(station: usize) -> String {
    if station == 0 { "owner".to_owned() } else { format!("ue{station}") }
}

/// A group of an owner and `members` members that have not joined; `join_every` SC periods lie between two that ask to.
///
/// # Errors
/// A bug.
pub(crate) fn group(
    members: usize,
    now: UtcTime,
    (sc_period, join_every): (u64, u64),
    way: Way,
    seed: u64,
) -> anyhow::Result<Machines> {
    let mut rng = AirRng::seeded(seed, "owner");
    let group = Layer2Id::new(GROUP)?;
    let traffic = GroupConfig { group_id: group.octets(), eea: Algorithm::Aes, mac: None };
    let owner = (layer2::identity(0)?, Identity::user(&name(0)));
    let mut machines: Vec<Box<dyn GroupMachine>> = Vec::new();
    for station in 0..=members {
        let own = Identity::user(&name(station));
        let mut rules = Config::new(traffic, own, layer2::identity(station)?, sc_period);
        rules.members = members.max(rules.members);
        rules.queue = members.max(rules.queue);
        let credential = certificate(&name(station), now, &rng.octets())?;
        let (seed, mut store) = (rng.octets::<32>(), Memory::default());
        let role = if station == 0 {
            let machine = Owner::open(rules, &seed, credential, &mut store);
            OwnerRole::Owner(Box::new(machine.map_err(|e| anyhow::anyhow!("{e}"))?))
        } else {
            let machine = Member::open(rules, &seed, credential, &mut store);
            let machine = Box::new(machine.map_err(|e| anyhow::anyhow!("{e}"))?);
            let (owner, identity) = owner.clone();
            OwnerRole::Member { machine, owner, identity }
        };
        machines.push(Box::new(OwnerGroup::new(group, role)));
    }
    Ok(Machines::new((group, name, Begins::Members), (way, join_every * sc_period), machines))
}
