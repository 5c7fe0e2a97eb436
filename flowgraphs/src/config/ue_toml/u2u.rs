//! Builds the paths of a UE through UE-to-UE relays, and its links from end to end.

use super::UeConfig;
use super::upper::seed;
use crate::config::ConfigError;
use crate::config::link_rules::LinkProfile;
use crate::config::u2u::Routes;
use sidelink_prose::direct_link::{Config, Identity, KdStore, Way};
use sidelink_prose::relay::u2u::{self, far, of_store};
use sidelink_security::counter::reserve::CounterStore;
use sidelink_security::direct::Profile;
use sidelink_store::credential::remember_lists;
use sidelink_ue::{Links, Paths};

/// SC periods after which a path that is wanted and not there is asked for again.
const AGAIN: u64 = 12;

/// Opens the paths of a UE; `None` where it neither relays nor reaches anybody through a relay.
pub(super) fn open<S>(config: &UeConfig, sc_period: u64, store: &mut S) -> Result<Option<Paths>, ConfigError>
where
    S: CounterStore + KdStore,
    <S as CounterStore>::Error: std::fmt::Display,
{
    let Routes { routes, peers, neighbours } = Routes::of(&config.link)?;
    if routes.is_empty() && config.u2u_relay.is_none() {
        return Ok(None);
    }
    let own = Identity::user(&config.name);
    let mut paths = u2u::Config { neighbours, ..u2u::Config::new(own.clone()) };
    if let Some(relay) = &config.u2u_relay {
        paths.services = relay.services()?;
        paths.ends = usize::from(relay.ends);
    }
    // Each message passes two hops, each in an SC period of its own.
    let mut rules = Config::new(far(&own), own, 2 * sc_period);
    rules.way = Way::ThroughRelay;
    config.end_to_end.as_ref().unwrap_or(&config.links).apply(&mut rules)?;
    rules.accept &= !routes.is_empty();
    if rules.profile == Profile::Nr || config.links.profile == LinkProfile::Nr {
        let what = "profile = \"nr\", and UE-to-UE relays";
        return Err(ConfigError::new(
            what,
            "[links]",
            "paths through UE-to-UE relays are of profile = \"lte\"",
        ));
    }
    let seed = seed()?;
    let mut ends = Links::open(rules, peers, &seed, store)?;
    if let Some(credential) = &config.credential {
        let (credential, trust) = credential.read()?;
        remember_lists(&trust, store)?;
        ends.authenticate_with(credential, trust);
    }
    for record in store.kds().map_err(|e| ConfigError::new(e.to_string(), "the key store", ""))? {
        if let Ok(record) = of_store(record) {
            ends.add_kd(record);
        }
    }
    Ok(Some(Paths::new(paths, ends, routes, AGAIN * sc_period)))
}
