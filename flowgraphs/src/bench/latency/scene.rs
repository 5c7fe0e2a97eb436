//! Carrier, pools, keys and air of a run.

use super::Plan;
use crate::config::ConfigError;
use crate::config::ue_toml::UeConfig;
use clap::ValueEnum;
use sidelink_radio::air::{AirConfig, Pace};
use sidelink_radio::number::Number;
use sidelink_store::{Cipher, Discovery, Group, Hex, Keys, Member, Protection, VariantName, random, utc_now};

/// Subframes of a scheduling period.
pub(super) const PERIOD: u64 = 40;

/// ProSe Layer-2 group ID of the group to which all belong.
pub(super) const GROUP_ID: [u8; 3] = [0, 1, 0xa2];

/// Seconds for which keys are valid.
const DAY: u32 = 24 * 3600;

/// What is protected, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Security {
    /// Neither announcements nor the group.
    None,
    /// Announcements with codes that change, under a key.
    Rotating,
    /// The group ciphered with 128-EEA1 (SNOW 3G).
    Eea1,
    /// The group ciphered with 128-EEA2 (AES).
    Eea2,
    /// The group ciphered with 128-EEA3 (ZUC).
    Eea3,
    /// The group ciphered with 128-EEA2 and with our own MAC-I of 128-EIA2.
    Eea2Mac,
    /// Changing codes, and the group as in the one before.
    All,
}

impl Security {
    /// Returns its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rotating => "rotating",
            Self::Eea1 => "eea1",
            Self::Eea2 => "eea2",
            Self::Eea3 => "eea3",
            Self::Eea2Mac => "eea2-mac",
            Self::All => "all",
        }
    }

    fn rotates(self) -> bool {
        matches!(self, Self::Rotating | Self::All)
    }

    /// Returns cipher and MAC-I of the group.
    fn group(self) -> Option<(Cipher, Option<Cipher>)> {
        match self {
            Self::None | Self::Rotating => None,
            Self::Eea1 => Some((Cipher::Snow3g, None)),
            Self::Eea2 => Some((Cipher::Aes, None)),
            Self::Eea3 => Some((Cipher::Zuc, None)),
            Self::Eea2Mac | Self::All => Some((Cipher::Aes, Some(Cipher::Aes))),
        }
    }
}

fn name(i: usize) -> String {
    format!("ue{i}")
}

fn id(i: usize) -> [u8; 3] {
    [0, 0x0a, i as u8]
}

/// Returns the air: all UEs receive each other at the same level.
pub(super) fn air(plan: &Plan, ues: usize, rate: f64) -> AirConfig {
    AirConfig {
        rate: Number(rate),
        prb: Some(plan.prb),
        pace: if plan.lock_step { Pace::Free } else { Pace::Realtime },
        seed: plan.seed,
        snr: Some(plan.snr.0),
        utc: Some(i64::from(utc_now())),
        wait_for: ues,
        ports: ues.max(2),
        ..AirConfig::default()
    }
}

/// Returns UE `i` of `ues`. The first one sends synchronisation signals; all know UTC.
pub(super) fn ue(plan: &Plan, security: Security, i: usize, ues: usize) -> Result<UeConfig, ConfigError> {
    let Plan { prb, lead, mcs, seed, .. } = *plan;
    let (last, half) = (prb - 1, prb / 2);
    let layer2_id: String = id(i).iter().map(|b| format!("{b:02x}")).collect();
    let transmit = if i == 0 { "auto" } else { "never" };
    let seed = seed.wrapping_mul(1000).wrapping_add(i as u64) % i64::MAX as u64;
    let plain = match security.group() {
        Some(_) => "",
        None => "[[group]]\nname = \"all\"\nid = \"0001a2\"\n",
    };
    let text = format!(
        r#"
name = "{name}"
seed = {seed}
layer2-id = "{layer2_id}"
lead = {lead}
[radio]
prb = {prb}
tm = 2
[radio.sync]
offset = [0, 20]
[[radio.communication]]
period = {PERIOD}
control-bitmap = "0111 1000"
control-prb = {{ start = 0, end = {last}, num = {half} }}
data-bitmap = "1111 1111 1110 1111 1111 1111 1111 1111"
data-offset = 8
data-prb = {{ start = 0, end = {last}, num = {half} }}
[[radio.discovery]]
period = 320
offset = 21
bitmap = "1111 1111"
repetitions = 2
transmissions = 2
prb = {{ start = 0, end = {last}, num = {half} }}
[communication]
mcs = {mcs}
prbs = {prb}
trpt-subset = 4
[device]
level = {level}
[time]
source = "utc"
transmit = "{transmit}"
{plain}"#,
        name = name(i),
        // the sum of all stays within the limits of converters
        level = -6.0 - 10.0 * (ues as f64).log10() / 2.0,
    );
    UeConfig::from_toml(&text, "the carrier of the bench")
}

/// Returns the keys of all UEs: all are in one group, and each announces and monitors all others.
pub(super) fn keys(security: Security, ues: usize) -> Result<Keys, ConfigError> {
    let now = utc_now();
    let (from, until) = (now.saturating_sub(3600), now.saturating_add(DAY));
    let mut keys = Keys::default();
    if let Some((cipher, mac)) = security.group() {
        let member = (0..ues).map(|i| Member { ue: name(i), id: Hex(id(i).to_vec()) }).collect();
        let mut group = Group {
            name: "all".to_owned(),
            group_id: Hex(GROUP_ID.to_vec()),
            cipher,
            mac,
            member,
            pgk: Vec::new(),
        };
        group.new_pgk(from, until)?;
        keys.group.push(group);
    }
    for i in 0..ues {
        let protection = if security.rotates() { Protection::Rotating } else { Protection::None };
        let mut code = Discovery::new(&format!("{} is near", name(i)), protection, until);
        code.announcer = Some(name(i));
        code.monitors = (0..ues).filter(|&j| j != i).map(name).collect();
        if security.rotates() {
            code.variant = Some(VariantName::Keyed);
            code.period_ms = Some(1000);
            code.prose_id = Some(random(20)?);
            code.application_key = Some(random(32)?);
        } else {
            code.code = Some(Hex(vec![i as u8 + 1; 23]));
        }
        keys.discovery.push(code);
    }
    Ok(keys)
}
