//! Builds the stack of a UE and its applications from `ue.toml` and the key store.

use super::blocks::pdu_octets;
use super::group_keys;
use super::u2u;
use super::{Draws, Given, RadioFacts, UeConfig};
use crate::config::groups::layer2_id;
use crate::config::{ConfigError, GroupConfig, GroupRole, GroupSolution, LinkConfig, RelayRoleName};
use sidelink_mac::engine::Config as EngineConfig;
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, Allocation, Identity, KdStore};
use sidelink_prose::discovery::{TimePolicy, agent};
use sidelink_prose::group_keys::GroupKeyStore;
use sidelink_prose::relay::u2u::of_store;
use sidelink_security::counter::UtcCounter;
use sidelink_security::counter::clock_guard::ClockGuard;
use sidelink_security::counter::reserve::{CounterStore, ReserveConfig};
use sidelink_security::discovery::Freshness;
use sidelink_store::credential::remember_lists;
use sidelink_store::{CLOCK, Keys, random};
use sidelink_ue::BuildError;
use sidelink_ue::provision::{Provisioned, RenewTerms, Wish, provision};
use sidelink_ue::{
    ANY_RELAY, Application, GroupAction, Ip, IpConfig, IpPart, Links, Names, RelayOf, Stack, TestTraffic,
    Threaded, open_relay, open_remote,
};
use sidelink_wire::ids::{Layer2Id, Lcid};
use std::collections::HashMap;
use zeroize::Zeroizing;

/// Seconds that are reserved at a time: a UE that restarts at once is silent for at most one and a half times as long.
const CLOCK_AHEAD: u32 = 4;

/// Builds the stack of `config`, and appends its applications to the given ones.
pub(super) fn stack<S>(
    config: &UeConfig,
    (keys, given): (&Keys, Given),
    mut store: S,
    facts: RadioFacts,
    sc_period: u64,
    applications: &mut Vec<Box<dyn Application>>,
) -> Result<Stack, ConfigError>
where
    S: CounterStore + KdStore + GroupKeyStore + Send + 'static,
    <S as CounterStore>::Error: std::fmt::Display,
{
    let plans = plans(config)?;
    // What belongs to the discovery of relays goes past the agent.
    let others = config.relay.as_ref().map(|relay| relay.without_own(keys, &config.name)).transpose()?;
    let mut provisioned = provisioned(config, others.as_ref().unwrap_or(keys), facts, &mut store)?;
    let has_machines = has_machines(config);
    let source = provisioned.engine.source();
    let has_links = has_links(config);
    if has_links || has_machines {
        provisioned.engine.listen(Address::Ue(source));
    }
    let links = has_links.then(|| open_links(config, keys, source, sc_period, &mut store)).transpose()?;
    let u2u = u2u::open(config, sc_period, &mut store)?;
    let (mut groups, receive_only) = (provisioned.groups, provisioned.receive_only);
    if let Some(links) = &links {
        groups.extend(links.peers().map(|(name, peer)| (format!("link:{name}"), Address::Ue(peer))));
    }
    if let Some(u2u) = &u2u {
        groups.extend(u2u.users().map(|(name, peer)| (format!("link:{name}"), Address::Ue(peer))));
    }
    add_applications(config, source, (&groups, &receive_only), applications)?;
    let Provisioned { engine, agent, who, listed, origin, .. } = provisioned;
    let names = Names { who, listed, origin, groups, receive_only };
    let own = (source, sc_period);
    let machines = group_keys::machines(config, (keys, given), own, facts, &mut store)?;
    let jobs = Threaded::new(store, !facts.real_time);
    let way = config.long_messages.way(pdu_octets(config))?;
    let mut stack = Stack::new((engine, agent), names, jobs).with_long_messages(way);
    for machine in machines {
        stack = stack.with_group_machine(machine);
    }
    for (after, group, action) in plans {
        stack.plan_for_group(after, group, action);
    }
    if let Some(links) = links {
        stack = stack.with_links(links);
    }
    if let Some(u2u) = u2u {
        stack = stack.with_u2u(u2u);
    }
    Ok(match &config.relay {
        Some(relay) => {
            let (time, reference) = (discovery_time(config, facts)?, config.device.rsrp_reference);
            stack.with_relays(relay.relays(&config.name, source, keys, time, reference)?)
        }
        None => stack,
    })
}

/// Returns the planned requests of all groups, with their subframes.
fn plans(config: &UeConfig) -> Result<Vec<(u64, Layer2Id, GroupAction)>, ConfigError> {
    let mut plans = Vec::new();
    for group in &config.group {
        let id = group.layer2_id()?;
        plans.extend(group.actions()?.into_iter().map(|(after, action)| (after, id, action)));
    }
    Ok(plans)
}

/// Whether keys of a group come over the air.
fn has_machines(config: &UeConfig) -> bool {
    config.group.iter().any(|group| group.solution != GroupSolution::None) || config.takes_ad_hoc()
}

/// Whether there may be one-to-one links.
pub(super) fn has_links(config: &UeConfig) -> bool {
    let is_eap_relay = config.eap.as_ref().is_some_and(|eap| eap.relay.is_some());
    let has_relay_keys = config.network.as_ref().is_some_and(|network| network.relay_keys.is_some());
    is_eap_relay
        || has_relay_keys
        || !config.link.is_empty()
        || config.relay.is_some()
        || config.u2u_relay.is_some()
        || config.takes_ad_hoc()
        || config.group.iter().any(GroupConfig::is_ad_hoc)
}

impl UeConfig {
    /// Whether this UE takes keys of ad-hoc groups.
    pub(super) fn takes_ad_hoc(&self) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.ad_hoc_makers.is_some())
    }

    /// Returns what new keys of this UE are set up by, at its start and while it runs.
    pub(crate) fn renew_terms(&self) -> RenewTerms {
        RenewTerms {
            ue: self.name.clone(),
            // In modes 3 and 4 the MAC header has the version for V2X, and no other is received there.
            to_group: if self.radio.v2x.is_some() { Address::V2x } else { Address::Group },
            v2x_priority: self.communication.priority,
            reserve: ReserveConfig::default(),
        }
    }
}

/// Builds engine and agent with the keys of the store, the groups without keys, and the guarded clock.
fn provisioned<S>(
    config: &UeConfig,
    keys: &Keys,
    facts: RadioFacts,
    store: &mut S,
) -> Result<Provisioned, ConfigError>
where
    S: CounterStore,
    S::Error: std::fmt::Display,
{
    let id = config.layer2_id.as_ref().map(|id| layer2_id(id, "layer2-id")).transpose()?;
    let has_machines = has_machines(config);
    let layer2 = EngineConfig {
        one_to_one: has_links(config) || has_machines,
        group_signalling: has_machines,
        ..EngineConfig::new(Layer2Id::from_octets([0; 3]))
    };
    let discovery = agent::Config { time: discovery_time(config, facts)?, ..agent::Config::default() };
    let RenewTerms { to_group, v2x_priority, reserve, .. } = config.renew_terms();
    let wish = Wish { ue: &config.name, layer2_id: id, to_group, v2x_priority, reserve, layer2, discovery };
    let mut provisioned = provision(&wish, keys, store)?;
    if facts.draws == Draws::System {
        provisioned.agent.guard_clock(clock_guard(&config.name, facts, store)?);
    }
    for group in &config.group {
        match group.solution {
            GroupSolution::None => provisioned.add_plain(&group.name, to_group(group.layer2_id()?))?,
            GroupSolution::Identity
            | GroupSolution::Owner
            | GroupSolution::Pgk
            | GroupSolution::Invitation
            | GroupSolution::WhiteList => {
                provisioned.add_keyed(&group.name, group.algorithms()?)?;
            }
        }
    }
    for why in provisioned.receive_only.values() {
        tracing::warn!("{why}");
    }
    Ok(provisioned)
}

/// Returns the tolerances of the clocks of discovery.
fn discovery_time(config: &UeConfig, facts: RadioFacts) -> Result<TimePolicy, ConfigError> {
    let radio_ms = facts.anchor.uncertainty_ns.div_ceil(1_000_000);
    let mut time =
        TimePolicy { uncertainty_millis: config.time.uncertainty + radio_ms, ..TimePolicy::default() };
    if let Some(max_offset) = config.discovery.max_offset {
        // TS 24.334 §12.2.2.24; TS 33.303 §E.5.2.2.30 (TS 24.334 §12.2.2.24)
        if !(1..=Freshness::MAX_OFFSET).contains(&max_offset) {
            let what = format!("max-offset = {max_offset}");
            return Err(ConfigError::new(what, "[discovery]", "say 1 to 32 seconds: TS 24.334 §12.2.2.24"));
        }
        time.max_offset = max_offset;
    }
    Ok(time)
}

/// Opens the links of `[[link]]`, with the KDs and identities of the store and the credential of the configuration.
fn open_links<S>(
    config: &UeConfig,
    keys: &Keys,
    source: Layer2Id,
    sc_period: u64,
    store: &mut S,
) -> Result<Links, ConfigError>
where
    S: CounterStore + KdStore,
    <S as CounterStore>::Error: std::fmt::Display,
{
    let seed = seed()?;
    let mut rules = direct_link::Config::new(source, Identity::user(&config.name), sc_period);
    config.links.apply(&mut rules)?;
    rules.allocation = allocation(config.ip.as_ref());
    if let Some(least) = config.link.iter().filter_map(|peer| peer.rekey_interval).min() {
        rules.rekey_interval = least;
    }
    // Whoever makes an ad-hoc group has a link with each member.
    let makes = config.group.iter().filter(|group| group.is_ad_hoc() && group.role == GroupRole::Manager);
    rules.links = rules.links.max(makes.map(|group| group.member.len()).sum());
    // A relay has a link with each remote UE besides those that the file names.
    let remotes = config.relay.as_ref().filter(|relay| relay.role == RelayRoleName::Relay);
    rules.links = rules.links.max(remotes.map_or(0, |relay| relay.most) + config.link.len());
    if let Some(relay) = &config.u2u_relay {
        rules.relays = relay.services()?.into_iter().map(|(service, _)| service).collect();
        rules.links = rules.links.max(usize::from(relay.ends));
    }
    let near = config.link.iter().filter(|link| link.via.is_none());
    let peers = near.map(LinkConfig::peer).collect::<Result<Vec<_>, _>>()?;
    let mut links = Links::open(rules, peers, &seed, store)?;
    if let Some(credential) = &config.credential {
        let (credential, trust) = credential.read()?;
        remember_lists(&trust, store)?;
        links.authenticate_with(credential, trust);
    }
    if let Some(identity) = &config.identity {
        match identity.read(&config.name, keys)? {
            Some((identity, rules)) => links.establish_by_identity(identity, rules),
            None if config.network.is_none() => {
                let remedy = "add [network] with kms and kms-name, or take another method";
                return Err(ConfigError::new("tickets take a network", "[identity] method", remedy));
            }
            // The network leg brings the key and the way.
            None => {}
        }
    }
    for record in store.kds().map_err(|e| ConfigError::new(e.to_string(), "the key store", ""))? {
        if let Err(record) = of_store(record) {
            links.add_kd(record);
        }
    }
    for admission in store.admissions().map_err(|e| ConfigError::new(e.to_string(), "the key store", ""))? {
        links.add_admission(admission);
    }
    Ok(links)
}

/// Returns how this UE gives addresses: a relay does.
fn allocation(ip: Option<&IpConfig>) -> Allocation {
    match ip.filter(|ip| ip.part() == IpPart::Relay) {
        None => Allocation::default(),
        Some(ip) if ip.prefix.is_some() => Allocation::Both,
        Some(_) => Allocation::Dhcpv4Server,
    }
}

/// Adds the applications of `[[talk]]` and `[ip]`.
fn add_applications(
    config: &UeConfig,
    source: Layer2Id,
    groups: (&HashMap<String, Address>, &HashMap<String, BuildError>),
    applications: &mut Vec<Box<dyn Application>>,
) -> Result<(), ConfigError> {
    for (i, talk) in config.talk.iter().enumerate() {
        let address = address(&config.name, groups, &talk.to, &format!("talk[{i}]"))?;
        let count = talk.count.unwrap_or(u64::MAX);
        let traffic = TestTraffic::new(address, Lcid::GROUP_DATA, talk.every, count, &talk.text, talk.octets);
        applications.push(Box::new(traffic));
    }
    if let Some(ip) = &config.ip {
        let address = || address(&config.name, groups, &ip.to, "[ip]");
        if ip.part() != IpPart::Fixed && !has_links(config) {
            let what = format!("to = {:?} without links", ip.to);
            return Err(ConfigError::new(what, "[ip]", "add a [[link]] for each peer"));
        }
        if ip.part() != IpPart::Fixed {
            config.links.check_for_ip()?;
        }
        applications.push(match (ip.part(), ip.to.as_str()) {
            (IpPart::Fixed, _) => Box::new(Ip::open(ip, address()?, Lcid::GROUP_DATA)?),
            (IpPart::Relay, _) => open_relay(ip)?,
            (IpPart::Remote, ANY_RELAY) => open_remote(ip, RelayOf::Any, source)?,
            (IpPart::Remote, _) => open_remote(ip, RelayOf::Peer(address()?.layer2_id()), source)?,
        });
    }
    Ok(())
}

/// Opens the mark below which no clock is accepted, in the store. In lock-step time is simulated, and leaves no mark.
fn clock_guard<S>(ue: &str, facts: RadioFacts, store: &mut S) -> Result<ClockGuard, ConfigError>
where
    S: CounterStore,
    S::Error: std::fmt::Display,
{
    let failed =
        |e: String| ConfigError::new(e, "the key store", "the time that was used cannot be kept there");
    let seconds = facts.anchor.utc_ns.div_euclid(1_000_000_000).clamp(0, i64::from(u32::MAX));
    let now = UtcCounter::new(u32::try_from(seconds).unwrap_or(u32::MAX));
    let mark = store.reserved(&CLOCK).map_err(|e| failed(e.to_string()))?;
    let behind = mark.saturating_sub(u64::from(now.value()));
    if behind > 2 * u64::from(CLOCK_AHEAD) {
        tracing::warn!(
            "{ue}: the clock is {behind} s behind a time that was used already: until then no discovery message is sent or believed; set the clock, or `sidelink keys reset-clock -s STORE` if that time was the false one"
        );
    }
    ClockGuard::open(CLOCK, now, CLOCK_AHEAD, store).map_err(|e| failed(e.to_string()))
}

/// Draws a seed for nonces from the system's random source.
pub(super) fn seed() -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    let secret = random(32)?;
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(secret.as_bytes());
    Ok(seed)
}

fn address(
    ue: &str,
    (groups, receive_only): (&HashMap<String, Address>, &HashMap<String, BuildError>),
    name: &str,
    place: &str,
) -> Result<Address, ConfigError> {
    if let Some(why) = receive_only.get(name) {
        return Err(ConfigError::from(why.clone()).within(place));
    }
    groups.get(name).copied().ok_or_else(|| {
        let mut known: Vec<_> = groups.keys().map(String::as_str).collect();
        known.sort_unstable();
        let remedy = if known.is_empty() {
            "add a [[group]], or make the UE a member of one in the key store".to_owned()
        } else {
            format!("it is in {}", known.join(", "))
        };
        ConfigError::new(format!("{ue:?} is in no group {name:?}"), place, remedy)
    })
}
