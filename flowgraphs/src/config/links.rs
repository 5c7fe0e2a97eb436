//! `[[link]]` of `ue.toml`: peers for one-to-one links.

use super::ConfigError;
use super::u2u::{self, Via};
use serde::Deserialize;
use sidelink_prose::direct_link::Identity;
use sidelink_security::direct::KdId;
use sidelink_security::keys::Kd;
use sidelink_store::{Hex, Secret};
use sidelink_ue::{Part, Peer};
use sidelink_wire::ids::Layer2Id;

/// `[[link]]`: a peer that a UE may have a link with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LinkConfig {
    /// User Info ID of the peer: its name.
    pub peer: String,
    /// Its Layer-2 ID, six hexadecimal digits; none where the peer is reached via a UE-to-UE relay.
    #[serde(default)]
    pub id: Option<Hex>,
    /// The UE-to-UE relay via which the peer is reached, by its name; or several, one after the other.
    #[serde(default)]
    pub via: Option<Via>,
    /// The peer is a UE-to-UE relay of this Relay Service Code, six hexadecimal digits.
    #[serde(default)]
    pub ue_relay: Option<Hex>,
    /// The peer is an end behind this UE, which relays in this service: for a KD of this link.
    #[serde(default)]
    pub ue_end: Option<Hex>,
    /// Pre-shared KD, 256 bits.
    #[serde(default)]
    pub kd: Option<Secret>,
    /// KD ID of the pre-shared KD.
    #[serde(default = "one")]
    pub kd_id: u32,
    /// Milliseconds after the start at which to set up the link; without it the peer does.
    #[serde(default)]
    pub connect: Option<u64>,
    /// Milliseconds between two re-keyings.
    #[serde(default)]
    pub rekey: Option<u64>,
    /// Whether re-keying makes a new KD as well.
    #[serde(default)]
    pub reauthenticate: bool,
    /// Least time in milliseconds between two re-keyings that the peer requests.
    #[serde(default)]
    pub rekey_interval: Option<u64>,
    /// What the peer is, if it is no relay: `peer`, or `remote-ue` where this UE is its relay.
    #[serde(default)]
    pub part: LinkPart,
    /// The peer is a relay, and this UE its remote UE.
    #[serde(default)]
    pub relay: Option<RelayConfig>,
}

/// What a peer is to a UE that is not its remote UE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkPart {
    /// Another UE.
    #[default]
    Peer,
    /// A remote UE, whose relay this one is.
    RemoteUe,
}

/// `relay = { service = "000001" }`: what a remote UE asks its relay for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RelayConfig {
    /// Relay Service Code, six hexadecimal digits.
    pub service: Hex,
    /// What this UE calls itself; without it by its PRUK ID, or by its IMSI.
    #[serde(default)]
    pub user: Option<String>,
}

impl RelayConfig {
    fn part(&self, place: &str) -> Result<Part, ConfigError> {
        let service = self.service.0.as_slice().try_into().map_err(|_| {
            let what = format!("relay service has {} octets", self.service.0.len());
            ConfigError::new(what, place, "a Relay Service Code has six hexadecimal digits")
        })?;
        Ok(Part::Relay { service, user: self.user.as_deref().map(Identity::user) })
    }
}

fn one() -> u32 {
    1
}

impl LinkConfig {
    /// Converts it to a peer.
    ///
    /// # Errors
    /// An identity or key has the wrong length.
    pub fn peer(&self) -> Result<Peer, ConfigError> {
        let place = format!("[[link]] {:?}", self.peer);
        let wrong = |what: String, remedy: &str| ConfigError::new(what, &place, remedy);
        let id = self.id.as_ref().ok_or_else(|| {
            wrong("no id".to_owned(), "say its Layer-2 ID, or via = \"NAME\" of a UE-to-UE relay")
        })?;
        if self.via.is_some() {
            return Err(wrong("id and via".to_owned(), "a peer is in reach, or behind a UE-to-UE relay"));
        }
        let octets: [u8; 3] = id.0.as_slice().try_into().map_err(|_| {
            wrong(format!("{} octets", id.0.len()), "a Layer-2 ID has six hexadecimal digits")
        })?;
        let part = match u2u::part(self, &place)? {
            Some(part) => part,
            None => self.part_at_relays(&place)?,
        };
        self.peer_of(Layer2Id::from_octets(octets), self.connect, part)
    }

    fn part_at_relays(&self, place: &str) -> Result<Part, ConfigError> {
        match (&self.relay, self.part) {
            (Some(relay), LinkPart::Peer) => relay.part(place),
            (None, LinkPart::Peer) => Ok(Part::Peer),
            (None, LinkPart::RemoteUe) => Ok(Part::RemoteUe),
            (Some(_), LinkPart::RemoteUe) => {
                let what = "the peer is both a relay and a remote UE";
                Err(ConfigError::new(what, place, "take out relay, or part"))
            }
        }
    }

    /// Converts it to a peer that is reached via a relay.
    ///
    /// # Errors
    /// As [`Self::peer`]; or the entry says what only a peer in reach has.
    pub(super) fn far_peer(&self, id: Layer2Id) -> Result<Peer, ConfigError> {
        if self.id.is_some() || self.relay.is_some() || self.ue_relay.is_some() || self.ue_end.is_some() {
            let place = format!("[[link]] {:?}", self.peer);
            let remedy = "leave out id, relay, ue-relay and ue-end: they are of peers in reach";
            return Err(ConfigError::new("via, and what only a peer in reach has", place, remedy));
        }
        // The path sets up the link.
        self.peer_of(id, None, Part::Peer)
    }

    fn peer_of(&self, id: Layer2Id, connect: Option<u64>, part: Part) -> Result<Peer, ConfigError> {
        let place = format!("[[link]] {:?}", self.peer);
        let wrong = |what: String, remedy: &str| ConfigError::new(what, &place, remedy);
        let kd = self.kd.as_ref().map(|kd| -> Result<_, ConfigError> {
            let kd: [u8; 32] = kd
                .as_bytes()
                .try_into()
                .map_err(|_| wrong(format!("kd has {} octets", kd.as_bytes().len()), "a KD has 32 octets"))?;
            Ok((KdId(self.kd_id), Kd::from(kd)))
        });
        Ok(Peer {
            id,
            identity: Identity::user(&self.peer),
            kd: kd.transpose()?,
            connect,
            rekey: self.rekey,
            reauthenticate: self.reauthenticate,
            part,
        })
    }
}
