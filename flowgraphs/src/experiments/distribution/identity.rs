//! S3.1: a manager, its members, and a key management server that gave them their keys before.

use super::layer2;
use super::machines::{Begins, Machines};
use super::question::GROUP;
use sidelink_prose::group_keys::{
    Callers, Config, Domain, GroupKeys, Identity, IdentityKeys, Kept, Member, MikeySakke, StandardGroup,
};
use sidelink_prose::long_message::Way;
use sidelink_prose::mikey::i_message::Servers;
use sidelink_prose::mikey::identity::Kms;
use sidelink_security::counter::UtcTime;
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::Encapsulator;
use sidelink_security::key_period::KeyPeriods;
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::{GroupMachine, IdentityGroups, Managed};
use sidelink_wire::ids::Layer2Id;

const KMS: &str = "kms.example.org";
const NAME: &str = "sip:patrol@example.org";

/// Seconds of a GMK.
const PERIOD: u32 = 8 * 3600;

/// The name of a UE.
fn name(station: usize) -> String {
    if station == 0 { "sip:manager@example.org".to_owned() } else { format!("sip:ue{station}@example.org") }
}

/// The server.
struct Server {
    authentication: AuthenticationSecret,
    encryption: EncryptionSecret,
    rng: AirRng,
}

impl Server {
    fn new(seed: u64) -> anyhow::Result<Self> {
        let mut rng = AirRng::seeded(seed, "kms");
        let authentication = AuthenticationSecret::generate(&rng.octets())?;
        let encryption = EncryptionSecret::generate(&rng.octets())?;
        Ok(Self { authentication, encryption, rng })
    }

    /// The server as a UE with these keys knows it.
    fn domain(&self, keys: Vec<IdentityKeys>) -> Domain {
        Domain {
            uri: KMS.to_owned(),
            periods: KeyPeriods::Months,
            kpak: *self.authentication.public_key(),
            encapsulator: Encapsulator::new(self.encryption.public_key()),
            prefix: String::new(),
            keys,
        }
    }

    /// Private keys of an identity at a time.
    fn issue(&mut self, identity: &str, at: UtcTime) -> anyhow::Result<IdentityKeys> {
        let kms = Kms { uri: KMS, periods: KeyPeriods::Months, kpak: self.authentication.public_key() };
        let id = kms.identifier(identity, at).ok_or_else(|| anyhow::anyhow!("no period; this is a bug"))?;
        let signing = self.authentication.issue(&id, &self.rng.octets())?;
        let (identity, receiving) = (identity.to_owned(), Some(self.encryption.issue(&id)?));
        Ok(IdentityKeys { identity, signing, receiving })
    }
}

/// A group of a manager and `members` members, with keys of the month.
///
/// # Errors
/// More members than a group may have, or a bug.
pub(crate) fn group(
    members: usize,
    now: UtcTime,
    sc_period: u64,
    way: Way,
    seed: u64,
) -> anyhow::Result<Machines> {
    let mut server = Server::new(seed)?;
    let group = Layer2Id::new(GROUP)?;
    let listed = |station: usize| -> anyhow::Result<Member> {
        Ok(Member { identity: Identity::user(&name(station)), layer2: layer2::identity(station)? })
    };
    let all = (1..=members).map(listed).collect::<anyhow::Result<Vec<_>>>()?;
    let mut machines: Vec<Box<dyn GroupMachine>> = Vec::new();
    for station in 0..=members {
        let mut keys = vec![server.issue(&name(station), now)?];
        if station == 0 {
            keys.push(server.issue(NAME, now)?);
        }
        let mut rules = Config::new(layer2::identity(station)?, Identity::user(&name(station)), sc_period);
        rules.spacing = 2 * sc_period;
        let callers = Callers::WithGmk;
        rules.groups = vec![StandardGroup { layer2: group, identity: Identity::user(NAME), callers }];
        let messages = Box::new(MikeySakke::new(vec![server.domain(keys)], Servers::Named));
        let machine = GroupKeys::open(rules, messages, &server.rng.octets::<32>(), Kept::default(), now);
        let managed = Managed { group, ad_hoc: None, members: all.clone(), lead: 0, period: PERIOD };
        let managed = if station == 0 { vec![managed] } else { Vec::new() };
        machines.push(Box::new(IdentityGroups::new(machine, managed)));
    }
    Ok(Machines::new((group, name, Begins::Manager), (way, 0), machines))
}
