//! Paths through UE-to-UE relays in `ue.toml`: `[u2u-relay]` of a relay, and in `[[link]]` whom a UE reaches through one.
//!
//! ```toml
//! [[link]]                   # of an end: its relay ..
//! peer = "ruth"
//! id = "000012"
//! ue-relay = "000001"        # .. for this Relay Service Code
//! [[link]]                   # and the user behind it
//! peer = "john"
//! via = "ruth"
//! connect = 200
//! ```

use super::ConfigError;
use super::links::LinkConfig;
use serde::Deserialize;
use sidelink_prose::direct_link::Identity;
use sidelink_prose::relay::u2u::far;
use sidelink_store::Hex;
use sidelink_ue::{Part, Peer, Route, Through};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::u2u::Layer;

/// `[u2u-relay]`: this UE relays between others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UeRelayConfig {
    /// The services in which it relays.
    pub service: Vec<ServiceConfig>,
    /// Ends with a local identity at this relay, at most.
    #[serde(default = "ends")]
    pub ends: u8,
}

const fn ends() -> u8 {
    16
}

/// `service = [{ code = "000001", layer = 2 }]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServiceConfig {
    /// Relay Service Code, six hexadecimal digits.
    pub code: Hex,
    /// 2: the relay carries what it cannot read; 3: it routes packets, which it reads.
    pub layer: u8,
}

impl UeRelayConfig {
    /// Returns the services and their layers.
    ///
    /// # Errors
    /// A code or a layer that cannot be.
    pub fn services(&self) -> Result<Vec<([u8; 3], Layer)>, ConfigError> {
        let place = "[u2u-relay] service";
        let service = |service: &ServiceConfig| {
            let layer = match service.layer {
                2 => Layer::Two,
                3 => Layer::Three,
                other => {
                    let remedy = "2 carries what the relay cannot read, 3 routes packets";
                    return Err(ConfigError::new(format!("layer = {other}"), place, remedy));
                }
            };
            Ok((code(&service.code, place)?, layer))
        };
        self.service.iter().map(service).collect()
    }
}

/// `via`: the relay for a user, or one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Via {
    /// Name of the relay.
    One(String),
    /// Relays with the milliseconds after the start at which each takes over.
    Many(Vec<ViaStep>),
}

/// `{ relay = "paul", connect = 3000 }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ViaStep {
    /// Name of the relay.
    pub relay: String,
    /// Milliseconds after the start.
    pub connect: u64,
}

/// Reads a Relay Service Code.
pub(super) fn code(code: &Hex, place: &str) -> Result<[u8; 3], ConfigError> {
    code.0.as_slice().try_into().map_err(|_| {
        let what = format!("a relay service has {} octets", code.0.len());
        ConfigError::new(what, place, "a Relay Service Code has six hexadecimal digits")
    })
}

/// Returns what a peer is at UE-to-UE relays, if its entry says it.
pub(super) fn part(link: &LinkConfig, place: &str) -> Result<Option<Part>, ConfigError> {
    let name = link.peer.as_bytes();
    let role = match (&link.ue_relay, &link.ue_end) {
        (None, None) => return Ok(None),
        (Some(service), None) => Identity::relay(code(service, place)?, name),
        (None, Some(service)) => Identity::end(code(service, place)?, name),
        (Some(_), Some(_)) => {
            let remedy = "a peer relays for this UE (ue-relay), or this UE for it (ue-end)";
            return Err(ConfigError::new("ue-relay and ue-end", place, remedy));
        }
    };
    if link.connect.is_some() {
        let remedy = "say it in the [[link]] of the user that is reached via it";
        return Err(ConfigError::new("connect, of a peer at a UE-to-UE relay", place, remedy));
    }
    Ok(Some(Part::AtUeRelay(role)))
}

/// The users that a UE reaches through relays, and their links from end to end.
pub(crate) struct Routes {
    pub(crate) routes: Vec<Route>,
    pub(crate) peers: Vec<Peer>,
    /// UEs to which this one can set up a link as a relay.
    pub(crate) neighbours: Vec<(Identity, Layer2Id)>,
}

impl Routes {
    /// Reads the entries of a UE's file.
    ///
    /// # Errors
    /// A relay that is none, or a contradiction.
    pub(crate) fn of(links: &[LinkConfig]) -> Result<Self, ConfigError> {
        let (mut routes, mut peers, mut neighbours) = (Vec::new(), Vec::new(), Vec::new());
        for link in links {
            let place = format!("[[link]] {:?}", link.peer);
            let Some(via) = &link.via else {
                let peer = link.peer()?;
                neighbours.push((Identity::user(&link.peer), peer.id));
                continue;
            };
            let steps = match via {
                Via::One(relay) => vec![(relay, link.connect)],
                Via::Many(steps) => steps.iter().map(|step| (&step.relay, Some(step.connect))).collect(),
            };
            let through = steps.into_iter().map(|(relay, at)| through(links, relay, at, &place));
            let user = Identity::user(&link.peer);
            routes.push(Route { user, through: through.collect::<Result<_, _>>()? });
            peers.push(link.far_peer(far(&Identity::user(&link.peer)))?);
        }
        Ok(Self { routes, peers, neighbours })
    }
}

fn through(links: &[LinkConfig], relay: &str, at: Option<u64>, place: &str) -> Result<Through, ConfigError> {
    let entry = links.iter().find(|link| link.peer == relay && link.ue_relay.is_some());
    let entry = entry.ok_or_else(|| {
        let what = format!("via {relay:?}, which is no UE-to-UE relay here");
        ConfigError::new(what, place, format!("add a [[link]] with peer = {relay:?} and a ue-relay"))
    })?;
    let Peer { id, part, .. } = entry.peer()?;
    match part {
        Part::AtUeRelay(relay) => Ok(Through { at, relay, peer: id }),
        Part::Peer | Part::Relay { .. } | Part::RemoteUe => {
            Err(ConfigError::new(format!("via {relay:?}"), place, "name a UE-to-UE relay"))
        }
    }
}
