//! Participants of the demo, their keys, and the air.

use crate::config::ConfigError;
use crate::config::ue_toml::UeConfig;
use sidelink_phy::units::Decibel;
use sidelink_radio::air::{AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_store::{
    Cipher, Discovery, Group, Hex, KeyStore, Keys, Member, Protection, VariantName, random, utc_now,
};
use std::path::{Path, PathBuf};

const CARRIER: &str = include_str!("ue.toml");

/// Name of the group.
const GROUP: &str = "rescue";

/// ProSe Layer-2 group ID of the group.
pub(super) const GROUP_ID: [u8; 3] = [0, 1, 0xa2];

/// Rotation period in milliseconds.
pub(super) const ROTATION_MS: u64 = 1000;

/// Subframes after which the replayer repeats: a little more than three rotation periods, in whole periods of both
/// pools.
pub(super) const REPLAY_AFTER: u64 = 3200;

/// Gain of what it says again.
pub(super) const REPLAY_GAIN: Decibel = Decibel(3.0);

/// A folder for the key stores, removed at the end.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("sidelink-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the air: 20 dB, extended pedestrian A at 5 Hz, and a separate clock for each participant.
pub(super) fn air(seed: u64, rate: f64, real_time: bool, recorded: bool) -> AirConfig {
    let port = |name: &str, gain: f64, cfo: f64, drift: f64, delay: f64| PortConfig {
        gain,
        cfo: Number(cfo),
        drift,
        delay,
        ..PortConfig::named(name)
    };
    AirConfig {
        rate: Number(rate),
        prb: Some(25),
        pace: if real_time { Pace::Realtime } else { Pace::Free },
        seed,
        snr: Some(20.0),
        channel: "epa5".parse().unwrap_or_default(),
        utc: Some(i64::from(utc_now())),
        wait_for: if recorded { 5 } else { 4 },
        port: vec![
            port("alice", 0.0, 0.0, 0.0, 0.0),
            port("bob", -3.0, 250.0, 4.0, 3.5),
            port("echo", 0.0, 0.0, 0.0, 0.0),
            port("mallory", 3.0, -200.0, 0.0, 0.0),
            PortConfig { listen_only: true, ..PortConfig::named("recorder") },
        ],
        ..AirConfig::default()
    }
}

/// Makes the keys: members of the group, announcers and monitors.
pub(super) fn keys() -> Result<Keys, ConfigError> {
    let now = utc_now();
    let (from, until) = (now.saturating_sub(3600), now.saturating_add(24 * 3600));
    let member = |ue: &str, id: u8| Member { ue: ue.to_owned(), id: Hex(vec![0, 0, id]) };
    let mut group = Group {
        name: GROUP.to_owned(),
        group_id: Hex(GROUP_ID.to_vec()),
        cipher: Cipher::Aes,
        mac: Some(Cipher::Aes),
        member: vec![member("alice", 0xa1), member("bob", 0xb2)],
        pgk: Vec::new(),
    };
    group.new_pgk(from, until)?;
    let code = |name: &str, announcer: &str, monitor: &str| -> Result<Discovery, ConfigError> {
        let mut code = Discovery::new(name, Protection::Rotating, until);
        code.announcer = Some(announcer.to_owned());
        code.monitors = vec![monitor.to_owned()];
        code.variant = Some(VariantName::Keyed);
        code.period_ms = Some(ROTATION_MS);
        code.prose_id = Some(random(20)?);
        code.application_key = Some(random(32)?);
        Ok(code)
    };
    let discovery = vec![code("alice is near", "alice", "bob")?, code("bob is near", "bob", "alice")?];
    Ok(Keys { group: vec![group], discovery, ..Keys::default() })
}

/// Makes other keys under the same names: the best that an attacker can do without the keys.
fn forged_keys() -> Result<Keys, ConfigError> {
    let mut forged = keys()?;
    for code in &mut forged.discovery {
        code.announcer = Some("mallory".to_owned());
        code.monitors.clear();
    }
    // Under the identity of alice.
    forged.group[0].member = vec![Member { ue: "mallory".to_owned(), id: Hex(vec![0, 0, 0xa1]) }];
    Ok(forged)
}

/// Writes a store file with the keys of `ue`.
fn store(folder: &Path, ue: &str, keys: &Keys) -> Result<PathBuf, ConfigError> {
    let path = folder.join(format!("{ue}.keys"));
    KeyStore::create(&path)?.put(&keys.for_ue(ue))?;
    Ok(path)
}

/// The UEs of the demo.
pub(super) struct Ues {
    pub(super) alice: UeConfig,
    pub(super) bob: UeConfig,
    /// An attacker with other keys, which sends under the identity of alice.
    pub(super) mallory: UeConfig,
}

/// Returns the UEs, each with a key store in `folder`.
pub(super) fn ues(folder: &Path, seed: u64, keys: &Keys) -> Result<Ues, ConfigError> {
    let talk =
        |text: &str, every: u64| format!("[[talk]]\nto = \"{GROUP}\"\nevery = {every}\ntext = \"{text}\"\n");
    let time =
        |source: &str, id: u16| format!("[time]\nsource = \"{source}\"\nid = {id}\npatience = 100000\n");
    let silent = "[time]\nsource = \"utc\"\ntransmit = \"never\"\n".to_owned();
    let config = |name: &str, k: u64, keys: &Keys, more: String| {
        ue(name, seed.wrapping_mul(1000) + k, store(folder, name, keys)?, &more)
    };
    Ok(Ues {
        alice: config("alice", 1, keys, time("utc", 300) + &talk("alice: do you hear me?", 1300))?,
        bob: config("bob", 2, keys, time("slss", 301) + &talk("bob: loud and clear", 1700))?,
        mallory: config("mallory", 3, &forged_keys()?, silent + &talk("mallory", 900))?,
    })
}

/// Returns a UE of the demo.
fn ue(name: &str, seed: u64, store: PathBuf, more: &str) -> Result<UeConfig, ConfigError> {
    let text = format!("name = \"{name}\"\nseed = {seed}\n{CARRIER}\n{more}");
    let mut config = UeConfig::from_toml(&text, "the demo's carrier")?;
    config.keys = Some(store);
    Ok(config)
}
