//! `[[link]]` of `ue.toml`: peers for one-to-one links.

use super::ConfigError;
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
    /// Its Layer-2 ID, six hexadecimal digits.
    pub id: Hex,
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
        let id: [u8; 3] = self.id.0.as_slice().try_into().map_err(|_| {
            wrong(format!("{} octets", self.id.0.len()), "a Layer-2 ID has six hexadecimal digits")
        })?;
        let kd = self.kd.as_ref().map(|kd| -> Result<_, ConfigError> {
            let kd: [u8; 32] = kd
                .as_bytes()
                .try_into()
                .map_err(|_| wrong(format!("kd has {} octets", kd.as_bytes().len()), "a KD has 32 octets"))?;
            Ok((KdId(self.kd_id), Kd::from(kd)))
        });
        Ok(Peer {
            id: Layer2Id::from_octets(id),
            identity: Identity::user(&self.peer),
            kd: kd.transpose()?,
            connect: self.connect,
            rekey: self.rekey,
            reauthenticate: self.reauthenticate,
            part: match (&self.relay, self.part) {
                (Some(relay), LinkPart::Peer) => relay.part(&place)?,
                (None, LinkPart::Peer) => Part::Peer,
                (None, LinkPart::RemoteUe) => Part::RemoteUe,
                (Some(_), LinkPart::RemoteUe) => {
                    let what = "the peer is both a relay and a remote UE".to_owned();
                    return Err(wrong(what, "take out relay, or part"));
                }
            },
        })
    }
}
