//! Who takes part: configurations of UEs, as text of `ue.toml`.

use super::cases::{Rekeys, RelayCase};
use super::timeline::Timeline;
use crate::config::ue_toml::UeConfig;
use crate::experiments::setup::NARROW;
use std::fmt::Write;

/// Relay Service Code of the exercises, six hexadecimal digits in configurations.
pub(crate) const SERVICE: [u8; 3] = [0, 0, 7];

/// Layer-2 ID of relay 0.
const RELAY_ID: u32 = 0x20;

/// Layer-2 ID of remote UE 0.
const REMOTE_ID: u32 = 0x40;

/// A UE of an exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Party {
    /// A remote UE, from 0.
    Remote(usize),
    /// A relay, from 0.
    Relay(usize),
    /// A UE under the layer-2 ID of the second relay.
    Impostor,
}

impl Party {
    /// Its name.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Remote(number) => format!("ue{}", number + 1),
            Self::Relay(number) => format!("relay{}", number + 1),
            Self::Impostor => Self::Relay(1).name(),
        }
    }

    /// Name of its radio.
    pub(crate) fn port(self) -> String {
        match self {
            Self::Impostor => "impostor".to_owned(),
            _ => self.name(),
        }
    }

    pub(crate) const fn layer2_id(self) -> u32 {
        match self {
            Self::Remote(number) => REMOTE_ID + number as u32,
            Self::Relay(number) => RELAY_ID + number as u32,
            Self::Impostor => Self::Relay(1).layer2_id(),
        }
    }

    const fn seed(self) -> u64 {
        match self {
            Self::Impostor => 0x7f,
            _ => self.layer2_id() as u64,
        }
    }
}

/// The configuration of a party; `user` is what a remote UE calls itself, where its method does not say it.
///
/// # Errors
/// A carrier or pool that cannot be.
pub(crate) fn config(case: &RelayCase<'_>, party: Party, user: Option<&str>) -> anyhow::Result<UeConfig> {
    let timeline = Timeline::of(case);
    let mut text = head(case, &party.name(), party.layer2_id(), party.seed());
    match party {
        Party::Remote(number) => {
            for relay in 0..case.scenario.relays {
                let (name, id) = (Party::Relay(relay).name(), Party::Relay(relay).layer2_id());
                let connect = timeline.connect(number, relay);
                let service: String = SERVICE.iter().map(|octet| format!("{octet:02x}")).collect();
                let user = user.map_or(String::new(), |user| format!(", user = \"{user}\""));
                let _ = write!(
                    text,
                    "[[link]]\npeer = \"{name}\"\nid = \"{id:06x}\"\nconnect = {connect}\n\
                     relay = {{ service = \"{service}\"{user} }}\n"
                );
                if let Some(rekey) = timeline.rekey.filter(|_| case.scenario.rekeys != Rekeys::KdByRelay) {
                    let reauthenticate = case.scenario.rekeys.makes_kd();
                    let _ = write!(text, "rekey = {rekey}\nreauthenticate = {reauthenticate}\n");
                }
            }
            if case.scenario.talks {
                let to = Party::Relay(0).name();
                let _ = write!(text, "[[talk]]\nto = \"link:{to}\"\nevery = 240\ntext = \"n\"\n");
            }
        }
        Party::Relay(_) | Party::Impostor => {
            for number in 0..case.remotes {
                let (name, id) = (Party::Remote(number).name(), Party::Remote(number).layer2_id());
                let _ = write!(
                    text,
                    "[[link]]\npeer = \"{name}\"\nid = \"{id:06x}\"\nrekey-interval = 100\npart = \"remote-ue\"\n"
                );
                if let Some(rekey) = timeline.rekey.filter(|_| case.scenario.rekeys == Rekeys::KdByRelay) {
                    let _ = write!(text, "rekey = {rekey}\nreauthenticate = true\n");
                }
            }
        }
    }
    let _ = write!(text, "[links]\nnetwork-time = {}\n", case.network_time());
    Ok(UeConfig::from_toml(&text, &format!("the scenario's {}", party.port()))?)
}

/// Name, layer-2 ID and carrier of a radio.
pub(crate) fn head(case: &RelayCase<'_>, name: &str, id: u32, seed: u64) -> String {
    let seed = 1000 * case.seed + seed;
    let carrier = NARROW.text(case.period, case.mcs);
    format!("name = \"{name}\"\nlayer2-id = \"{id:06x}\"\nseed = {seed}\n{carrier}")
}
