//! Machines of group keys, from `[[group]]` and the identities of the key store.

use super::{Given, RadioFacts, UeConfig, upper};
use crate::config::{ConfigError, GroupConfig, GroupRole, GroupSolution, IdentityConfig};
use crate::naf_groups::{NafAccess, NafGroupMachine};
use sidelink_network::naf_groups::{NafGroups, Rules};
use sidelink_prose::group_keys::{
    self, AdHocTrust, Config, Domain, GroupKeyStore, GroupKeys, Identity, Messages, MikeySakke,
};
use sidelink_prose::group_owner::{Member, Owner};
use sidelink_prose::mikey::i_message::Servers;
use sidelink_prose::mikey::identity::Kms;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::CounterStore;
use sidelink_security::direct::signed::{Credential, Trust};
use sidelink_security::identity::eccsi::{PublicAuthenticationKey, SigningKey};
use sidelink_security::identity::sakke::{Encapsulator, PublicKey, ReceiverKey};
use sidelink_store::Keys;
use sidelink_store::identity::{IdentityEntry, IdentityKeys, IdentityKind, KmsEntry};
use sidelink_ue::provision::IdentityNews;
use sidelink_ue::{GroupMachine, IdentityGroups, OwnerGroup, OwnerRole};
use sidelink_wire::ids::Layer2Id;
use std::collections::BTreeSet;

/// Makes the machines of a UE with this layer-2 ID, on a carrier with this SC period in subframes; `given` is what is
/// in no file. Blocks on the store.
///
/// # Errors
/// A fault of a group, a missing identity or certificate, or a damaged store.
pub(super) fn machines<S>(
    config: &UeConfig,
    (keys, mut given): (&Keys, Given),
    own: (Layer2Id, u64),
    facts: RadioFacts,
    store: &mut S,
) -> Result<Vec<Box<dyn GroupMachine>>, ConfigError>
where
    S: CounterStore + GroupKeyStore,
    <S as CounterStore>::Error: std::fmt::Display,
{
    let mut machines: Vec<Box<dyn GroupMachine>> = Vec::new();
    let of = |solution| config.group.iter().filter(move |group| group.solution == solution);
    if of(GroupSolution::Identity).next().is_some() || config.takes_ad_hoc() {
        machines.push(Box::new(by_identities(config, keys, own, facts, store)?));
    }
    for (number, group) in of(GroupSolution::Owner).enumerate() {
        if number > 0 {
            let remedy = "keep one of them: their messages do not tell the groups apart";
            let place = format!("[[group]] {:?}", group.name);
            return Err(ConfigError::new("a second group with an owner", place, remedy));
        }
        let credential = match (given.certificate.take(), &config.credential) {
            (Some(given), _) => given,
            (None, Some(credential)) => credential.read()?,
            (None, None) => {
                let remedy = "add [credential]: owner and members prove themselves by certificates";
                let place = format!("[[group]] {:?}", group.name);
                return Err(ConfigError::new("a group with an owner, and no certificate", place, remedy));
            }
        };
        machines.push(Box::new(with_owner(config, group, own, credential, store)?));
    }
    let altered = given.altered.unwrap_or_else(|| Box::new(|machine| machine));
    machines.extend(of_naf(config, own, given.naf)?.map(altered));
    Ok(machines)
}

/// Makes the machine of the groups whose keys a NAF gives.
fn of_naf(
    config: &UeConfig,
    (_, sc_period): (Layer2Id, u64),
    naf: Option<NafAccess>,
) -> Result<Option<Box<dyn GroupMachine>>, ConfigError> {
    let groups: Vec<_> = config.group.iter().filter(|group| group.is_of_naf()).collect();
    let Some(first) = groups.first() else { return Ok(None) };
    let parts = groups.iter().map(|group| group.naf_part()).collect::<Result<Vec<_>, _>>()?;
    let Some(NafAccess { config: client, usim, path }) = naf else {
        let what = format!("{:?} takes its keys from a NAF, and no NAF is in reach", first.name);
        let remedy = "add naf = \"ADDRESS\" and naf-name to [network], in a build with services and on a radio in real time; or see \
                      the exercises: `sidelink scenario group-invitation`, `group-white-list`";
        return Err(ConfigError::new(what, format!("[[group]] {:?}", first.name), remedy));
    };
    let spacing = groups.iter().filter_map(|group| group.spacing).max();
    // An invitation is to one destination, and has a period of its own.
    let mut rules = Rules::new(spacing.unwrap_or(sc_period).max(1));
    rules.look = 1000 * groups.iter().map(|group| u64::from(group.ask_every)).min().unwrap_or(60).max(1);
    let seed = upper::seed()?;
    let machine = NafGroups::new(client, usim, rules, &seed, parts);
    Ok(Some(Box::new(NafGroupMachine::new(machine, path))))
}

/// Makes the machine of a group with an owner.
fn with_owner<S>(
    config: &UeConfig,
    group: &GroupConfig,
    own: (Layer2Id, u64),
    credential: (Credential, Trust),
    store: &mut S,
) -> Result<OwnerGroup, ConfigError>
where
    S: CounterStore,
    S::Error: std::fmt::Display,
{
    let rules = group.owner_rules(&config.name, own)?;
    let seed = upper::seed()?;
    let wrong = |e: String| {
        let place = format!("[[group]] {:?}", group.name);
        ConfigError::new(e, place, "see [credential] and the key store")
    };
    let role = match group.role {
        GroupRole::Owner => {
            let machine = Owner::open(rules, &seed, credential, store).map_err(|e| wrong(e.to_string()))?;
            OwnerRole::Owner(Box::new(machine))
        }
        GroupRole::Member | GroupRole::Manager => {
            let (owner, identity) = group.owner()?;
            let machine = Member::open(rules, &seed, credential, store).map_err(|e| wrong(e.to_string()))?;
            OwnerRole::Member { machine: Box::new(machine), owner, identity }
        }
    };
    Ok(OwnerGroup::new(group.layer2_id()?, role))
}

/// Makes the machine of the groups by identities.
fn by_identities<S: GroupKeyStore>(
    config: &UeConfig,
    keys: &Keys,
    (source, sc_period): (Layer2Id, u64),
    facts: RadioFacts,
    store: &mut S,
) -> Result<IdentityGroups, ConfigError> {
    let (mut groups, mut managed) = (Vec::new(), Vec::new());
    for group in config.group.iter().filter(|g| g.solution == GroupSolution::Identity) {
        groups.extend(group.standard()?);
        managed.extend(group.managed()?);
    }
    let own = own_identity(config, keys)?;
    check_ad_hoc(config, own)?;
    let mut rules = Config::new(source, Identity::user(&own.uri), sc_period);
    rules.groups = groups;
    let trust = config.identity.as_ref().map(IdentityConfig::ad_hoc_trust);
    rules.ad_hoc = trust.unwrap_or(AdHocTrust::Nobody);
    rules.other_groups = other_groups(config, keys)?;
    let spacing = config.group.iter().filter_map(|group| group.spacing).max();
    // A message takes two periods at a middle MCS.
    rules.spacing = spacing.unwrap_or(2 * sc_period).max(1);
    let now = UtcTime::from_millis(u64::try_from(facts.anchor.utc_ns / 1_000_000).unwrap_or(0));
    let messages = Box::new(messages(keys, own)?);
    let failed =
        |e: S::Error| ConfigError::new(e.to_string(), "the key store", "keys of groups cannot be read");
    let kept = store.kept(now).map_err(failed)?;
    let machine = GroupKeys::open(rules, messages, &*upper::seed()?, kept, now);
    Ok(IdentityGroups::new(machine, managed))
}

impl UeConfig {
    /// Whether a NAF gives the keys of a group.
    #[cfg(feature = "services")]
    pub(crate) fn has_naf_groups(&self) -> bool {
        self.group.iter().any(GroupConfig::is_of_naf)
    }

    /// Returns the keys of this UE's identities that a key store has now, for a UE that runs.
    ///
    /// # Errors
    /// A missing identity, or keys that do not pass their checks.
    pub(crate) fn identity_news(&self, keys: &Keys) -> Result<IdentityNews, ConfigError> {
        let for_links = self.identity.as_ref().filter(|_| upper::has_links(self));
        let links = for_links.map(|identity| identity.read(&self.name, keys)).transpose()?.flatten();
        let by_identities = |group: &GroupConfig| group.solution == GroupSolution::Identity;
        let groups: Option<Box<dyn Messages>> =
            match self.takes_ad_hoc() || self.group.iter().any(by_identities) {
                true => Some(Box::new(messages(keys, own_identity(self, keys)?)?)),
                false => None,
            };
        Ok(IdentityNews { links, groups })
    }
}

/// Returns the layer-2 IDs of the groups whose keys do not come by identities: those of the file, and of the key store.
fn other_groups(config: &UeConfig, keys: &Keys) -> Result<BTreeSet<Layer2Id>, ConfigError> {
    let others = config.group.iter().filter(|group| group.solution != GroupSolution::Identity);
    let mut ids = others.map(GroupConfig::layer2_id).collect::<Result<BTreeSet<_>, _>>()?;
    for group in &keys.group {
        ids.insert(Layer2Id::from_octets(group.config()?.group_id));
    }
    Ok(ids)
}

/// Checks what ad-hoc groups need: links that prove the identity by which this UE is in the group.
fn check_ad_hoc(config: &UeConfig, own: &IdentityEntry) -> Result<(), ConfigError> {
    let Some(group) = config.group.iter().find(|group| group.is_ad_hoc()) else { return Ok(()) };
    let place = format!("[[group]] {:?}", group.name);
    let in_links = Identity::user(&config.name).kms_user().unwrap_or_default();
    if own.uri != in_links {
        let what = format!("an ad-hoc group, and the identity of this UE is {}", own.uri);
        let remedy = format!("have keys made for {in_links}: that is what its links prove");
        return Err(ConfigError::new(what, place, remedy));
    }
    if group.role == GroupRole::Member && !config.takes_ad_hoc() {
        let remedy = "say [identity] ad-hoc-makers = [\"ProSe:NAME\"]";
        return Err(ConfigError::new("an ad-hoc group of nobody", place, remedy));
    }
    Ok(())
}

/// Returns the identity of this UE's user in the key store: the one that `[identity]` names, or else the one of its name.
fn own_identity<'a>(config: &UeConfig, keys: &'a Keys) -> Result<&'a IdentityEntry, ConfigError> {
    let named = config.identity.as_ref().and_then(|identity| identity.name.as_deref());
    let is_own = |entry: &&IdentityEntry| {
        let is_meant = match named {
            Some(name) => entry.name == name,
            None => entry.ue.as_deref() == Some(&config.name),
        };
        entry.kind == IdentityKind::User && is_meant && !entry.revoked
    };
    keys.identity.iter().find(is_own).ok_or_else(|| {
        let what = format!("no identity of {:?} with keys", config.name);
        let remedy = "get one with `sidelink keys`: [[group]] with solution = \"identity\" needs it";
        ConfigError::new(what, "the key store", remedy)
    })
}

/// Returns the MIKEY messages with the identities of the key store.
fn messages(keys: &Keys, own: &IdentityEntry) -> Result<MikeySakke, ConfigError> {
    let kms = keys.kms.iter().find(|kms| kms.name == own.kms).ok_or_else(|| {
        let what = format!("identity {:?} is of a key management server {:?}", own.name, own.kms);
        ConfigError::new(what, "the key store", "the store has to have its entry: fetch the keys again")
    })?;
    let place = format!("kms {:?} of the key store", kms.name);
    let wrong = |what: String| ConfigError::new(what, &place, "fetch the keys again");
    let kpak = PublicAuthenticationKey::from_octets(&kms.kpak.0).map_err(|e| wrong(e.to_string()))?;
    let z = PublicKey::from_octets(&kms.z.0).map_err(|e| wrong(e.to_string()))?;
    let mut all = Vec::new();
    for entry in keys.identity.iter().filter(|entry| entry.kms == kms.name && !entry.revoked) {
        for period in &entry.keys {
            all.extend(private_keys(kms, (&kpak, &z), entry, period)?);
        }
    }
    let domain = Domain {
        uri: kms.uri.clone(),
        periods: kms.periods(),
        kpak,
        encapsulator: Encapsulator::new(&z),
        prefix: String::new(),
        keys: all,
    };
    Ok(MikeySakke::new(vec![domain], Servers::Named))
}

/// Returns the keys of an identity for one period, checked; `None` where the secrets were revoked.
fn private_keys(
    kms: &KmsEntry,
    (kpak, z): (&PublicAuthenticationKey, &PublicKey),
    entry: &IdentityEntry,
    period: &IdentityKeys,
) -> Result<Option<group_keys::IdentityKeys>, ConfigError> {
    let (Some(ssk), Some(rsk)) = (&period.ssk, &period.rsk) else { return Ok(None) };
    let place = format!("identity {:?} of the key store, period {}", entry.name, period.period);
    let wrong = |what: String| ConfigError::new(what, &place, "fetch the keys again");
    let from = kms.periods().numbered(period.period).ok_or_else(|| wrong("no such period".to_owned()))?.from;
    let known = Kms { uri: &kms.uri, periods: kms.periods(), kpak };
    let id = known.identifier(&entry.uri, from).ok_or_else(|| wrong("no such period".to_owned()))?;
    let ssk = ssk.as_bytes().try_into().map_err(|_| wrong("SSK has not 32 octets".to_owned()))?;
    let signing = SigningKey::new(kpak, &id, ssk, &period.pvt.0).map_err(|e| wrong(e.to_string()))?;
    let receiving = ReceiverKey::new(z, &id, rsk.as_bytes()).map_err(|e| wrong(e.to_string()))?;
    let (identity, receiving) = (entry.uri.clone(), Some(receiving));
    Ok(Some(group_keys::IdentityKeys { identity, signing, receiving }))
}
