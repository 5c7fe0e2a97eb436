//! S3.4: a group owner, and members with certificates of one issuer.

use super::layer2;
use super::machines::{Begins, Machines};
use super::question::GROUP;
use sidelink_prose::direct_link::Identity;
use sidelink_prose::group_owner::{Config, Member, Owner};
use sidelink_prose::long_message::Way;
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};
use sidelink_security::group::GroupConfig;
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::{GroupMachine, OwnerGroup, OwnerRole};
use sidelink_wire::ids::Layer2Id;

/// SC periods between two UEs that ask to join: an exchange takes more, so that some overlap.
const JOIN_PERIODS: u64 = 4;

const DAY: u64 = 24 * 3_600_000;

/// The name of a UE.
fn name(station: usize) -> String {
    if station == 0 { "owner".to_owned() } else { format!("ue{station}") }
}

/// Certificates of an issuer that everybody trusts.
struct Issued {
    issuer: Issuer,
    validity: Validity,
    root: Vec<u8>,
}

impl Issued {
    fn new(now: UtcTime) -> Self {
        let validity = Validity { from: now.minus_millis(3_600_000), until: now.plus_millis(DAY) };
        let issuer = Issuer::new("sidelink exercise", &[0x11; 32]);
        let root = issuer.certificate(validity);
        Self { issuer, validity, root }
    }

    fn credential(&self, name: &str, seed: &[u8; 32]) -> anyhow::Result<(Credential, Trust)> {
        let public = Credential::raw(seed).public();
        let certificate = self.issuer.issue(name.as_bytes(), 7, &public, self.validity);
        let root = Root::from_der(&self.root).map_err(|e| anyhow::anyhow!("{e}"))?;
        let trust = Trust { roots: vec![root], raw: Vec::new(), guard: 32_000 };
        Ok((Credential::certified(seed, certificate), trust))
    }
}

/// A group of an owner and `members` members that have not joined.
///
/// # Errors
/// A bug.
pub(crate) fn group(
    members: usize,
    now: UtcTime,
    sc_period: u64,
    way: Way,
    seed: u64,
) -> anyhow::Result<Machines> {
    let mut rng = AirRng::seeded(seed, "owner");
    let issued = Issued::new(now);
    let group = Layer2Id::new(GROUP)?;
    let traffic = GroupConfig { group_id: group.octets(), eea: Algorithm::Aes, mac: None };
    let owner = (layer2::identity(0)?, Identity::user(&name(0)));
    let mut machines: Vec<Box<dyn GroupMachine>> = Vec::new();
    for station in 0..=members {
        let own = Identity::user(&name(station));
        let mut rules = Config::new(traffic, own, layer2::identity(station)?, sc_period);
        rules.members = members.max(rules.members);
        let credential = issued.credential(&name(station), &rng.octets())?;
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
    Ok(Machines::new((group, name, Begins::Members), (way, JOIN_PERIODS * sc_period), machines))
}
