//! `ue.toml`: an operator's configuration of a UE, from which a [`Ue`] is built.

mod blocks;
mod group_keys;
#[cfg(test)]
pub(crate) mod tests;
mod u2u;
mod upper;

use super::{
    ConfigError, GroupConfig, IdentityConfig, LinkConfig, LinkRules, LongMessages, Radio, RadioConfig,
    RelaySection, UeRelayConfig, parse_toml, receiver_config, slss_id,
};
use crate::config::eap::EapConfig;
use crate::config::network_toml::NetworkConfig;
use crate::config::set_timing;
use crate::naf_groups::NafAccess;
use serde::Deserialize;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::units::{Antennas, CyclicPrefix, Decibel, TransmissionMode};
use sidelink_radio::{Anchor, Description};
use sidelink_security::counter::reserve::CounterStore;
use sidelink_security::direct::signed::{Credential, Trust};
use sidelink_store::credential::CredentialConfig;
use sidelink_store::{self as keystore, CodeList, Hex, KeyStore, Keys};
use sidelink_ue::air_rng::{AirRng, UeRngs};
use sidelink_ue::mapping::{Mode2, Mode4, Mode4Use, Type1};
use sidelink_ue::{
    Application, CommunicationSettings, DiscoverySettings, GroupKeyStore, GroupMachine, KdStore,
    Mode4Communication, Mode4Settings, NoStore, Parts, SyncConfig, SyncTransmit, Ue,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// An example with comments, which `sidelink ue --example` prints.
pub const EXAMPLE: &str = include_str!("ue_toml/example.toml");

/// The content of the file of a UE.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UeConfig {
    /// Name of the UE, also in the key store.
    pub name: String,
    /// Key store; without one the UE has no protection.
    #[serde(default)]
    pub keys: Option<PathBuf>,
    /// Lists of codes whose identities are followed, from `sidelink keys new-codes`.
    #[serde(default)]
    pub codes: Vec<PathBuf>,
    /// Those that are read already.
    #[serde(skip)]
    pub read_codes: Vec<Arc<CodeList>>,
    /// Layer-2 ID, six hexadecimal digits; without it that of the groups in the key store.
    #[serde(default)]
    pub layer2_id: Option<Hex>,
    /// Seed of resources and identities in lock-step, where everything else is the same each time; in real time the
    /// system's random source is used.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Subframes from the last received one to the planned one.
    #[serde(default = "lead")]
    pub lead: u64,
    /// Carrier and pools.
    pub radio: RadioConfig,
    /// The device.
    #[serde(default)]
    pub device: DeviceConfig,
    /// Source of the time.
    #[serde(default)]
    pub time: TimeConfig,
    /// Use of communication pools.
    #[serde(default)]
    pub communication: UseConfig,
    /// Use of discovery pools.
    #[serde(default)]
    pub discovery: AnnounceConfig,
    /// Peers for one-to-one links.
    #[serde(default)]
    pub link: Vec<LinkConfig>,
    /// Rules of the one-to-one links.
    #[serde(default)]
    pub links: LinkRules,
    /// What this UE is to relays.
    #[serde(default)]
    pub relay: Option<RelaySection>,
    /// Rules of the links from end to end, through UE-to-UE relays; without them those of the other links.
    #[serde(default)]
    pub end_to_end: Option<LinkRules>,
    /// This UE relays between others.
    #[serde(default)]
    pub u2u_relay: Option<UeRelayConfig>,
    /// Credential of this UE for links without a shared KD.
    #[serde(default)]
    pub credential: Option<CredentialConfig>,
    /// Keys of this UE's identity, from the key store, for links without a shared KD.
    #[serde(default)]
    pub identity: Option<IdentityConfig>,
    /// Groups that are not in the key store: without protection, or with keys that come over the air.
    #[serde(default)]
    pub group: Vec<GroupConfig>,
    /// How messages about keys of groups travel.
    #[serde(default)]
    pub long_messages: LongMessages,
    /// Messages that are sent at an interval.
    #[serde(default)]
    pub talk: Vec<TalkConfig>,
    /// IP packets over a group.
    #[serde(default)]
    pub ip: Option<sidelink_ue::IpConfig>,
    /// Where `sidelink keys fetch` gets codes and keys.
    #[serde(default)]
    pub network: Option<NetworkConfig>,
    /// Ends of EAP, through a relay or as one.
    #[serde(default)]
    pub eap: Option<EapConfig>,
}

/// The radio device.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct DeviceConfig {
    /// The device: `driver=uhd,serial=..`, `driver=air,medium=..`, `driver=file,..`, `driver=zmq,..`.
    pub args: String,
    /// Transmit gain in dB: one number, or of elements, such as `PAD=40,IAMP=3`.
    pub tx_gain: Option<String>,
    /// Receive gain in dB, or `auto`.
    pub rx_gain: Option<String>,
    /// Antenna of both directions, or of one, such as `tx:TX/RX`.
    pub antenna: Option<String>,
    /// Receive antennas, 1 to 4, as channels 0, 1, .. of the device; without it as many as `args` say. The first sends.
    pub antennas: Option<usize>,
    /// Samples by which the device sends too late; `sidelink radio-test` measures it.
    pub transmit_advance: i64,
    /// Level of transmissions in dB: 0 is a carrier of power 1 that one UE fills.
    pub level: f64,
    /// SD-RSRP in dBm of a resource element of power 1 in the receiver's scale, at this gain.
    pub rsrp_reference: f32,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            args: String::new(),
            tx_gain: None,
            rx_gain: None,
            antenna: None,
            antennas: None,
            transmit_advance: 0,
            level: -6.0,
            rsrp_reference: 0.0,
        }
    }
}

impl DeviceConfig {
    /// Returns the number of receive antennas, if it is given.
    ///
    /// # Errors
    /// It is out of range.
    pub(crate) fn antennas(&self) -> Result<Option<Antennas>, ConfigError> {
        let wrong = |count| ConfigError::new(format!("antennas = {count}"), "[device]", "1 to 4");
        self.antennas.map(|count| Antennas::new(count).ok_or_else(|| wrong(count))).transpose()
    }
}

/// Source of the time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct TimeConfig {
    /// `utc` or `slss`.
    pub source: TimeSource,
    /// N_ID^SL of our own synchronisation signals.
    pub id: Option<u16>,
    /// inCoverage of our own MIB, where the time is UTC.
    pub in_coverage: bool,
    /// When to send synchronisation signals: `auto` or `never`.
    pub transmit: SyncTransmit,
    /// syncTxThreshOoC in dB of the receiver's scale.
    pub threshold: Option<f32>,
    /// Least power of a reference in dB of the receiver's scale, with syncRefMinHyst.
    pub least: f32,
    /// syncRefDiffHyst in dB.
    pub hysteresis: f32,
    /// Milliseconds of searching before the UE becomes a reference itself.
    pub patience: u64,
    /// Milliseconds by which the air clocks of two UEs may differ, in addition to the radio's uncertainty.
    pub uncertainty: u64,
}

impl Default for TimeConfig {
    fn default() -> Self {
        Self {
            source: TimeSource::Utc,
            id: None,
            in_coverage: false,
            transmit: SyncTransmit::Auto,
            threshold: None,
            least: -120.0,
            hysteresis: 3.0,
            patience: 400,
            uncertainty: 20,
        }
    }
}

/// Source of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeSource {
    /// UTC of the device (GNSS, PPS) or of the host.
    #[default]
    Utc,
    /// Other UEs' synchronisation signals.
    Slss,
}

/// Use of communication pools.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct UseConfig {
    /// I_MCS, 0 to 20 (QPSK and 16QAM).
    pub mcs: u8,
    /// PRBs of a grant, at most.
    pub prbs: usize,
    /// trpt-Subset: bit 0 allows the patterns with the fewest subframes.
    pub trpt_subset: Option<u8>,
    /// Mode 4: milliseconds between two reserved resources: 20, 50, 100, 200 to 1000.
    pub period: u16,
    /// Mode 4: PPPP of the data, 1 (the most urgent) to 8.
    pub priority: u8,
    /// Mode 4: sub-channels of a transport block.
    pub sub_channels: u8,
    /// Mode 4: whether each block is sent twice.
    pub retransmit: bool,
    /// Mode 4: probResourceKeep in fifths, 0 to 4.
    pub keep: u8,
    /// Mode 4: sl-ReselectAfter, 1 to 9.
    pub reselect_after: Option<u8>,
}

impl Default for UseConfig {
    fn default() -> Self {
        Self {
            mcs: 9,
            prbs: 10,
            trpt_subset: None,
            period: 100,
            priority: 3,
            sub_channels: 2,
            retransmit: true,
            keep: 0,
            reselect_after: None,
        }
    }
}

/// Use of discovery pools.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct AnnounceConfig {
    /// txProbability in percent: 25, 50, 75, 100.
    pub probability: u8,
    /// MAX_OFFSET in seconds: 1 to 32.
    pub max_offset: Option<u32>,
}

impl Default for AnnounceConfig {
    fn default() -> Self {
        Self { probability: 100, max_offset: None }
    }
}

/// Messages that are sent at an interval.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TalkConfig {
    /// Name of the group.
    pub to: String,
    /// Milliseconds between two messages.
    pub every: u64,
    /// Number of messages; without it there is no end.
    #[serde(default)]
    pub count: Option<u64>,
    /// Text of the message; a number is added.
    #[serde(default = "hello")]
    pub text: String,
    /// Octets to which the message is padded.
    #[serde(default)]
    pub octets: usize,
}

fn lead() -> u64 {
    4
}

fn hello() -> String {
    "hello".to_owned()
}

/// Facts about a radio that a UE needs.
#[derive(Clone, Copy, Debug)]
pub struct RadioFacts {
    /// UTC at sample 0.
    pub anchor: Anchor,
    /// Whether samples arrive in real time.
    pub real_time: bool,
    /// Whether the radio allows the seed of the UE's file.
    pub draws: Draws,
}

/// Material of a UE that is in no file.
#[derive(Default)]
pub(crate) struct Given {
    /// A certificate for groups with an owner.
    pub(crate) certificate: Option<(Credential, Trust)>,
    /// The way to a NAF, for groups whose keys one gives.
    pub(crate) naf: Option<NafAccess>,
    /// What an attacker who has the UE makes of the machine of those groups.
    pub(crate) altered: Option<Alteration>,
}

/// Makes another machine of group keys of one.
pub(crate) type Alteration = Box<dyn FnOnce(Box<dyn GroupMachine>) -> Box<dyn GroupMachine>>;

/// Source of the draws of resources, identities and times. Nonces always come from the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// The system's random source, whatever the seed in the file: others may receive.
    System,
    /// The seed of the file, if it has one: a simulation.
    Seeded,
}

impl Draws {
    /// Returns the source for a radio: one that runs in lock-step is a simulation.
    pub const fn on(description: &Description) -> Self {
        if description.real_time { Self::System } else { Self::Seeded }
    }
}

impl UeConfig {
    /// Reads a TOML text.
    ///
    /// # Errors
    /// The line of the fault, and the nearest key that exists.
    pub fn from_toml(text: &str, name: &str) -> Result<Self, ConfigError> {
        parse_toml(text, name)
    }

    /// Whether the file itself contains keys, so that only its owner may read it.
    fn holds_keys(&self) -> bool {
        self.link.iter().any(|link| link.kd.is_some())
    }

    /// Reads a TOML file. Relative paths of key stores and certificates start at its folder.
    ///
    /// # Errors
    /// As [`Self::from_toml`]; there is no such file; or it contains keys and others may read or write it.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        // Wiped: it may contain keys. Its parser reads them in place, so that no copies are left behind, except of
        // strings with escapes, which no key has.
        let text = Zeroizing::new(super::read_text(path)?);
        let mut config = Self::from_toml(&text, &path.display().to_string())?;
        if config.holds_keys() && path.as_os_str() != "-" {
            keystore::check_mode(path)?;
        }
        if let Some(folder) = path.parent() {
            if let Some(keys) = &mut config.keys {
                *keys = folder.join(&*keys);
            }
            for list in &mut config.codes {
                *list = folder.join(&*list);
            }
            if let Some(credential) = &mut config.credential {
                credential.within(folder);
            }
            if let Some(network) = &mut config.network {
                network.within(folder);
            }
            if let Some(eap) = &mut config.eap {
                eap.within(folder);
            }
        }
        Ok(config)
    }

    /// Returns the carrier and pools, checked; values that a receiver may guess are required for a UE.
    ///
    /// # Errors
    /// The invalid or missing key.
    pub fn resolve(&self) -> Result<Radio, ConfigError> {
        let radio = self.radio.resolve().map_err(|e| e.within("[radio]"))?;
        if radio.bandwidth.is_none() {
            return Err(ConfigError::new("no bandwidth", "[radio]", "say prb = 6, 15, 25, 50, 75 or 100"));
        }
        if radio.is_v2x() && radio.v2x.is_none() {
            let remedy = "say [radio.v2x] size = 5, num = 5; or use tm = 1 or 2";
            return Err(ConfigError::new("no pool of modes 3 and 4", "[radio]", remedy));
        }
        Ok(radio)
    }

    /// Returns the sizes of a subframe.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn numerology(&self) -> Result<Numerology, ConfigError> {
        self.radio.numerology(CyclicPrefix::Normal).map_err(|e| e.within("[radio]"))
    }

    /// Returns the samples per second.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn rate(&self) -> Result<f64, ConfigError> {
        Ok(self.numerology()?.sample_rate().0)
    }

    /// Builds a UE. Opens the key store and holds it while the UE runs.
    ///
    /// # Errors
    /// The fault and its place.
    pub fn build(&self, facts: RadioFacts, more: Vec<Box<dyn Application>>) -> Result<Ue, ConfigError> {
        let store = self.keys.as_deref().map(KeyStore::open).transpose()?;
        match store {
            Some(store) => {
                let keys = store.keys()?;
                self.build_with(&keys, store, facts, more)
            }
            None => self.build_with(&Keys::default(), NoStore::default(), facts, more),
        }
    }

    /// Builds a UE with the given keys and counter store.
    ///
    /// # Errors
    /// The fault and its place.
    pub fn build_with<S>(
        &self,
        keys: &Keys,
        store: S,
        facts: RadioFacts,
        applications: Vec<Box<dyn Application>>,
    ) -> Result<Ue, ConfigError>
    where
        S: CounterStore + KdStore + GroupKeyStore + Send + 'static,
        <S as CounterStore>::Error: std::fmt::Display,
    {
        self.build_given(keys, store, facts, applications, Given::default())
    }

    /// Builds a UE as [`Self::build_with`] does, with what is in no file.
    ///
    /// # Errors
    /// The fault and its place.
    pub(crate) fn build_given<S>(
        &self,
        keys: &Keys,
        store: S,
        facts: RadioFacts,
        mut applications: Vec<Box<dyn Application>>,
        given: Given,
    ) -> Result<Ue, ConfigError>
    where
        S: CounterStore + KdStore + GroupKeyStore + Send + 'static,
        <S as CounterStore>::Error: std::fmt::Display,
    {
        let keys = keys.with_code_lists(&self.codes, &self.read_codes)?;
        let keys = keys.as_ref();
        let radio = self.resolve()?;
        let numerology = self
            .radio
            .numerology(radio.sync.as_ref().map_or(radio.default_cp(), |s| s.cp))
            .map_err(|e| e.within("[radio]"))?;
        let mode = radio.mode.unwrap_or(TransmissionMode::Tm2);
        let mut receiver = receiver_config(&radio, numerology);
        receiver.mode = mode;
        receiver.antennas = self.device.antennas()?.unwrap_or(Antennas::ONE);
        let sc_period = match &radio.v2x {
            Some(_) => u64::from(self.communication.period),
            None => radio.communication.first().map_or(40, |c| u64::from(c.pool.period)),
        };
        let mut stack = upper::stack(self, (keys, given), store, facts, sc_period, &mut applications)?;
        if let Some(discovery) = radio.discovery.first() {
            stack.agent().set_timing(set_timing(&discovery.pool));
        }
        let communication = self.communication_settings(&radio, numerology)?;
        let discovery = self.discovery_settings(&radio, numerology)?;
        let mode4 = radio.v2x.as_ref().map(|pool| self.mode4(pool)).transpose()?;
        Ok(Ue::new(Parts {
            name: self.name.clone(),
            receiver,
            sync: self.sync_config(&radio)?,
            discovery,
            communication,
            mode4,
            stack,
            applications,
            anchor: facts.anchor,
            lead: self.lead,
            transmit_advance: self.device.transmit_advance,
            gain: Decibel(self.device.level),
            patience: self.time.patience,
            air_rng: UeRngs::new(self.air_rng(facts.draws)?)?,
        }))
    }

    /// Returns the use of each communication pool.
    fn communication_settings(
        &self,
        radio: &Radio,
        numerology: Numerology,
    ) -> Result<Vec<CommunicationSettings>, ConfigError> {
        let usage = &self.communication;
        let settings = radio.communication.iter().enumerate().map(|(i, c)| {
            let draw =
                Mode2::new(&c.pool, numerology.bandwidth().prbs(), usage.trpt_subset).map_err(|e| {
                    let place = format!("[[radio.communication]] {i}");
                    ConfigError::new(e.to_string(), place, "give the pool more subframes or PRBs")
                })?;
            let settings = CommunicationSettings {
                pool: c.pool.clone(),
                control_cp: c.control_cp,
                data_cp: c.data_cp,
                draw,
                mcs: usage.mcs,
                prbs: usage.prbs,
            };
            sidelink_ue::Communication::new(settings.clone(), numerology.with_cp(c.data_cp))
                .map(|_| settings)
                .ok_or_else(|| {
                    let what = format!("no block of MCS {} in at most {} PRBs", usage.mcs, usage.prbs);
                    ConfigError::new(what, "[communication]", "mcs 0 to 28, more prbs, or a wider pool")
                })
        });
        settings.collect()
    }

    /// Returns the use of each discovery pool.
    fn discovery_settings(
        &self,
        radio: &Radio,
        numerology: Numerology,
    ) -> Result<Vec<DiscoverySettings>, ConfigError> {
        let (prbs, probability) = (numerology.bandwidth().prbs(), self.discovery.probability);
        let settings = radio.discovery.iter().enumerate().map(|(i, d)| {
            let draw = Type1::new(&d.pool, prbs, probability).map_err(|e| {
                let place = format!("[[radio.discovery]] {i}");
                ConfigError::new(e.to_string(), place, "give the pool more subframes or PRBs")
            })?;
            Ok(DiscoverySettings { pool: d.pool.clone(), cp: d.cp, draw })
        });
        settings.collect()
    }

    pub(super) fn air_rng(&self, draws: Draws) -> Result<AirRng, ConfigError> {
        match (draws, self.seed) {
            (Draws::Seeded, Some(seed)) => Ok(AirRng::seeded(seed, &self.name)),
            (Draws::System, Some(seed)) => {
                tracing::warn!(
                    "{}: seed = {seed} is not used: it counts in lock-step only, as everybody could compute what is sent",
                    self.name
                );
                Ok(AirRng::of_system()?)
            }
            (_, None) => Ok(AirRng::of_system()?),
        }
    }

    fn mode4(&self, pool: &V2xPool) -> Result<Mode4Communication, ConfigError> {
        let usage = &self.communication;
        let lead = u8::try_from(self.lead).unwrap_or(u8::MAX);
        let draw = Mode4::new(
            pool,
            Mode4Use {
                period: usage.period,
                sub_channels: usage.sub_channels,
                retransmit: usage.retransmit,
                keep_fifths: usage.keep,
                reselect_after: usage.reselect_after,
                lead,
            },
        );
        let draw = draw.map_err(|e| {
            let remedy = "period 20, 50, 100, 200 to 1000; sub-channels as the pool has; keep 0 to 4; reselect-after 1 to 9; lead 2 to 4";
            ConfigError::new(e.to_string(), "[communication]", remedy)
        })?;
        let sub_channels = usize::from(usage.sub_channels);
        let settings = Mode4Settings { pool: pool.clone(), draw, sub_channels, mcs: usage.mcs };
        Mode4Communication::new(settings).ok_or_else(|| {
            let what = format!("no block of MCS {} in {sub_channels} sub-channels", usage.mcs);
            ConfigError::new(what, "[communication]", "mcs 0 to 20, or more sub-channels")
        })
    }

    fn sync_config(&self, radio: &Radio) -> Result<SyncConfig, ConfigError> {
        let time = &self.time;
        let period = radio.sync.as_ref().map_or(40, |s| s.period);
        let offsets = radio.sync.as_ref().map_or(Vec::new(), |s| s.offsets.clone());
        if offsets.is_empty() && time.source == TimeSource::Slss {
            let remedy = "say [radio.sync] offset = [0, 20]: two, so that followers pass the time on";
            return Err(ConfigError::new("no synchronisation subframe", "[radio.sync]", remedy));
        }
        // A UE with time from GNSS uses identity 0, so that all of them send the same signal (TS 36.331 §5.10.7.3, from
        // memory).
        let gnss = radio.is_v2x() && time.source == TimeSource::Utc;
        let id = time.id.or(gnss.then_some(0));
        let transmit = if radio.sync.is_none() { SyncTransmit::Never } else { time.transmit };
        Ok(SyncConfig {
            period,
            offsets,
            absolute: time.source == TimeSource::Utc,
            id: id.map(|id| slss_id(id, "[time] id")).transpose()?,
            in_coverage: time.in_coverage || gnss,
            transmit,
            tx_threshold: time.threshold.map(Decibel::from),
            min_power: Decibel::from(time.least),
            hysteresis: Decibel::from(time.hysteresis),
        })
    }
}
