//! Who takes part: configurations as text of `ue.toml`, PSDKs, and when each is on the air.

use super::cases::{By, Fades, FindingCase};
use crate::config::ue_toml::UeConfig;
use sidelink_prose::relay::discovery::Model;
use sidelink_store::{Discovery, Hex, Keys, Protection, Secret};
use std::fmt::Write;

/// Relay Service Code.
const SERVICE: &str = "000009";

/// Subframes of a discovery period.
pub(crate) const PERIOD: u64 = 320;

/// Subframes of an SC period.
pub(crate) const SC_PERIOD: u64 = 40;

/// Subframes before the discovery resources of a period.
pub(crate) const OFFSET: u64 = 32;

/// SD-RSRP in dBm below which a relay is left: below both relays at their full strength, and above where the modem ends.
pub(crate) const THRESHOLD: f64 = -5.0;

/// Subframe at which a relay that is replayed goes.
const GONE: u64 = 2600;

/// A UE of an exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// The remote UE.
    Remote,
    /// A relay, 1 or 2.
    Relay(u8),
    /// Who wants to be taken for a relay.
    Mallory,
}

impl Party {
    /// Its name, which is its User Info ID.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Remote => "alice".to_owned(),
            Self::Relay(number) => format!("relay{number}"),
            Self::Mallory => "eve".to_owned(),
        }
    }

    pub(crate) const fn layer2_id(self) -> u32 {
        match self {
            Self::Remote => 0x20,
            Self::Relay(number) => 0x20 + number as u32,
            Self::Mallory => 0x2f,
        }
    }

    /// Level of its transmissions in dB.
    pub(crate) const fn level(self) -> f64 {
        match self {
            Self::Remote | Self::Relay(1) => 0.0,
            Self::Relay(_) => -1.0,
            Self::Mallory => 6.0,
        }
    }

    /// The subframe at which its radio begins.
    pub(crate) const fn begins(self, case: &FindingCase<'_>) -> u64 {
        match (self, case.scenario.attack) {
            // It comes when the relay is gone.
            (Self::Remote, Some((by, _))) if by.is_replay() => GONE + 400,
            // The first relay that is suitable is taken: who attacks is there first.
            (Self::Relay(1), Some((By::Insider, _))) => 700,
            (Self::Relay(2), _) => 1200,
            _ => 0,
        }
    }

    /// Subframes for which it is there.
    pub(crate) const fn duration(self, case: &FindingCase<'_>) -> u64 {
        let end = duration(case);
        match (self, case.scenario.attack) {
            (Self::Relay(_), Some((by, _))) if by.is_replay() => GONE,
            _ => end - self.begins(case),
        }
    }
}

/// Subframes of the exercise.
pub(crate) const fn duration(case: &FindingCase<'_>) -> u64 {
    match (case.scenario.fades, case.scenario.attack) {
        (Fades::Yes, _) => 8000,
        (_, Some((By::ReplayOutside | By::ReplayWithin, _))) => 8000,
        (_, Some((By::Insider, _))) => 8000,
        _ => 2600,
    }
}

/// Who takes part.
pub(crate) fn parties(case: &FindingCase<'_>) -> Vec<Party> {
    let mut parties = vec![Party::Remote, Party::Relay(1)];
    if case.scenario.fades == Fades::Yes {
        parties.push(Party::Relay(2));
    }
    if case.scenario.attack.is_some_and(|(by, _)| !by.is_replay()) {
        parties.push(Party::Mallory);
    }
    parties
}

/// The PSDK that a party has.
pub(crate) fn keys(case: &FindingCase<'_>, party: Party) -> anyhow::Result<Keys> {
    let is_forger = party == Party::Mallory && case.scenario.attack.is_some_and(|(by, _)| by == By::Forge);
    let octet = if is_forger { 0xa5 } else { 0x5a };
    let mut entry = Discovery::new("psdk", Protection::PublicSafety, u32::MAX);
    let service: Hex = SERVICE.parse()?;
    entry.code = Some(Hex([&service.0[..], &[0; 20]].concat()));
    entry.monitors = vec![party.name()];
    entry.psdk = Some(Secret::new(vec![octet; 32]));
    entry.key_type_id = Some(service);
    Ok(Keys { discovery: vec![entry], ..Keys::default() })
}

/// The configuration of a party.
///
/// # Errors
/// A carrier or pool that cannot be.
pub(crate) fn config(case: &FindingCase<'_>, party: Party) -> anyhow::Result<UeConfig> {
    let (name, id) = (party.name(), party.layer2_id());
    let FindingCase { mcs, seed, .. } = case;
    let seed = 1000 * seed + u64::from(id);
    let mut text = format!(
        r#"name = "{name}"
layer2-id = "{id:06x}"
seed = {seed}
lead = 4
[radio]
prb = 15
tm = 2
[[radio.communication]]
period = {SC_PERIOD}
control-bitmap = "1111 1111"
control-prb = {{ start = 0, end = 14, num = 7 }}
data-bitmap = "1111 1111 1111 1111 1111 1111 0000 0000"
data-offset = 8
data-prb = {{ start = 0, end = 14, num = 7 }}
[[radio.discovery]]
period = {PERIOD}
offset = {OFFSET}
bitmap = "1111 1111"
transmissions = 2
prb = {{ start = 0, end = 14, num = 7 }}
[communication]
mcs = {mcs}
prbs = 10
trpt-subset = 4
[relay]
service = "{SERVICE}"
"#
    );
    let model = match case.scenario.model {
        Model::A => "a",
        Model::B => "b",
        Model::Both => "both",
    };
    let _ = writeln!(text, "model = \"{model}\"");
    text += &match party {
        Party::Remote => format!("role = \"remote\"\nthreshold = {THRESHOLD:.1}\nhysteresis = 2.0\n"),
        Party::Relay(_) | Party::Mallory => "role = \"relay\"\nmost = 4\n".to_owned(),
    };
    if case.scenario.attack.is_some_and(|(by, _)| by == By::ReplayOutside) {
        text += "[discovery]\nmax-offset = 2\n";
    }
    if case.scenario.attack.is_some() {
        // All tries of a set-up are seen.
        text += "[links]\nnetwork-time = 400\n";
    }
    let mut config = UeConfig::from_toml(&text, &format!("the scenario's {name}"))?;
    config.device.level = party.level();
    Ok(config)
}
