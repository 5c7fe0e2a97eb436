//! Meaning of a configuration, in the types of the modem.

use super::{ConfigError, RadioConfig};
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::{CommunicationPool, DiscoveryPool, V2xPool};
use sidelink_phy::receive::receiver;
use sidelink_phy::units::{Bandwidth, CyclicPrefix, Hertz, SlssId, TransmissionMode};

/// A checked radio configuration. Missing values are `None` or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Radio {
    /// Channel bandwidth.
    pub bandwidth: Option<Bandwidth>,
    /// Samples per second.
    pub rate: Option<f64>,
    /// Centre frequency in Hz.
    pub frequency: Option<f64>,
    /// Transmission mode.
    pub mode: Option<TransmissionMode>,
    /// Default cyclic prefix of channels, if given.
    pub cp: Option<CyclicPrefix>,
    /// Synchronisation signals.
    pub sync: Option<Sync>,
    /// Pools of modes 1 and 2.
    pub communication: Vec<Communication>,
    /// Discovery pools.
    pub discovery: Vec<Discovery>,
    /// The pool of modes 3 and 4.
    pub v2x: Option<V2xPool>,
    /// Further pools of modes 3 and 4; empty without the first.
    pub v2x_also: Vec<V2xPool>,
}

/// Place of synchronisation signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Subframes modulo `period`, one to three; empty if unknown.
    pub offsets: Vec<u32>,
    /// Subframes between synchronisation subframes.
    pub period: u32,
    /// Cyclic prefix of PSBCH and SLSS.
    pub cp: CyclicPrefix,
    /// Expected identity.
    pub id: Option<SlssId>,
    /// Whether every period has its signals.
    pub periodic: bool,
}

/// A pool of modes 1 and 2 with its cyclic prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Communication {
    /// The pool.
    pub pool: CommunicationPool,
    /// Cyclic prefix of PSCCH.
    pub control_cp: CyclicPrefix,
    /// Cyclic prefix of PSSCH.
    pub data_cp: CyclicPrefix,
}

/// A discovery pool with its cyclic prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The pool.
    pub pool: DiscoveryPool,
    /// Cyclic prefix of PSDCH.
    pub cp: CyclicPrefix,
}

impl Radio {
    /// Returns the default cyclic prefix of channels: normal if none is given.
    pub fn default_cp(&self) -> CyclicPrefix {
        self.cp.unwrap_or_default()
    }

    /// Whether the modes are 3 and 4: as given, or because there is a V2X pool.
    pub fn is_v2x(&self) -> bool {
        self.mode.map_or(self.v2x.is_some(), TransmissionMode::is_v2x)
    }
}

impl RadioConfig {
    /// Checks all given keys and converts them to the types of the modem.
    ///
    /// # Errors
    /// The invalid key, the reason, and the remedy.
    pub fn resolve(&self) -> Result<Radio, ConfigError> {
        let bandwidth = self.prb.map(|n| bandwidth(n, "prb")).transpose()?;
        let carrier = bandwidth.map(Bandwidth::prbs);
        if let Some(rate) = self.rate.map(|r| r.0).filter(|r| !(1e3..=1e9).contains(r)) {
            let remedy = "samples a second, such as 15.36M";
            return Err(ConfigError::new(format!("{rate} samples a second"), "rate", remedy));
        }
        let mode = self.tm.map(mode).transpose()?;
        let v2x_mode = mode.map_or(self.v2x.is_some(), TransmissionMode::is_v2x);
        let cp = self.cp.map(CyclicPrefix::from);
        let default_cp = cp.unwrap_or_default();

        let sync = self.sync(if v2x_mode { 160 } else { 40 }, default_cp)?;
        let pools = self.communication.iter().enumerate().map(|(i, c)| {
            Ok(Communication {
                pool: c.resolve(carrier, &format!("communication[{i}]"))?,
                // TS 36.211 §9.2.1 (2)
                control_cp: c.control_cp.map_or(default_cp, CyclicPrefix::from),
                data_cp: c.data_cp.map_or(default_cp, CyclicPrefix::from),
            })
        });
        let communication = pools.collect::<Result<Vec<_>, ConfigError>>()?;
        let pools = self.discovery.iter().enumerate().map(|(i, d)| {
            let pool = d.resolve(carrier, &format!("discovery[{i}]"))?;
            Ok(Discovery { pool, cp: d.cp.map_or(default_cp, CyclicPrefix::from) })
        });
        let discovery = pools.collect::<Result<Vec<_>, ConfigError>>()?;

        let (v2x, v2x_also) = self.v2x_pools(carrier, sync.as_ref())?;
        if v2x_mode
            && (default_cp == CyclicPrefix::Extended
                || sync.as_ref().is_some_and(|s| s.cp != CyclicPrefix::Normal))
        {
            // TS 36.211 §9.2.1 (4)
            let what = "the extended cyclic prefix does not exist in transmission modes 3 and 4";
            return Err(ConfigError::new(what, "cp", "leave it out, or use mode 1 or 2"));
        }
        one_mode(mode, !communication.is_empty(), v2x.is_some())?;
        Ok(Radio {
            bandwidth,
            rate: self.sample_rate(),
            frequency: self.frequency.map(|f| f.0),
            mode,
            cp,
            sync,
            communication,
            discovery,
            v2x,
            v2x_also,
        })
    }

    fn sync(&self, default_period: u32, default_cp: CyclicPrefix) -> Result<Option<Sync>, ConfigError> {
        let Some(s) = &self.sync else { return Ok(None) };
        let period = s.period.unwrap_or(default_period);
        if !(1..=10_240).contains(&period) {
            let what = format!("{period} subframes");
            return Err(ConfigError::new(what, "sync.period", "40, or 160 in modes 3 and 4"));
        }
        let offsets = s.offset.as_ref().map_or(Vec::new(), |o| o.as_slice().to_vec());
        if let Some(o) = offsets.iter().find(|o| **o >= period) {
            let what = format!("offset {o} is not below the period of {period} subframes");
            let remedy = "syncOffsetIndicator counts modulo the period";
            return Err(ConfigError::new(what, "sync.offset", remedy));
        }
        if offsets.len() > 3 {
            let what = format!("{} offsets", offsets.len());
            return Err(ConfigError::new(what, "sync.offset", "three syncOffsetIndicators at most"));
        }
        Ok(Some(Sync {
            offsets,
            period,
            cp: s.cp.map_or(default_cp, CyclicPrefix::from),
            id: s.id.map(|id| slss_id(id, "sync.id")).transpose()?,
            periodic: s.periodic.unwrap_or(true),
        }))
    }

    /// Returns the first V2X pool, and the others.
    fn v2x_pools(
        &self,
        carrier: Option<usize>,
        sync: Option<&Sync>,
    ) -> Result<(Option<V2xPool>, Vec<V2xPool>), ConfigError> {
        // Every offset is left out of t^SL, not only the one in which this UE sends (TS 36.213 §14.1.5).
        // TS 36.211 §9.2.4 (3); TS 36.213 §14.1.5 (1)
        let sync = sync.filter(|s| s.period == 160).map_or(&[][..], |s| &s.offsets);
        let first = self.v2x.as_ref().map(|v| v.resolve(carrier, sync, "v2x")).transpose()?;
        let others = self.v2x_also.iter().enumerate();
        let others = others
            .map(|(i, v)| v.resolve(carrier, sync, &format!("v2x-also[{i}]")))
            .collect::<Result<Vec<_>, ConfigError>>()?;
        if first.is_none() && !others.is_empty() {
            let what = "further V2X pools without a first";
            return Err(ConfigError::new(what, "v2x-also", "call the first [v2x]"));
        }
        Ok((first, others))
    }

    /// Returns the sizes of a subframe for a modem at the rate of the configuration, or at the standard one.
    ///
    /// # Errors
    /// There is no bandwidth, or it does not have this rate.
    pub fn numerology(&self, cp: CyclicPrefix) -> Result<Numerology, ConfigError> {
        let Some(prb) = self.prb else {
            return Err(ConfigError::new("no bandwidth", "prb", "say prb = 6, 15, 25, 50, 75 or 100"));
        };
        let bandwidth = bandwidth(prb, "prb")?;
        match self.sample_rate() {
            None => Ok(Numerology::standard(bandwidth, cp)),
            Some(rate) => Numerology::at_rate(bandwidth, cp, Hertz(rate))
                .map_err(|e| ConfigError::new(e.to_string(), "rate", "use one of these, or leave it out")),
        }
    }
}

/// Returns the bandwidth of a number of PRBs.
pub(crate) fn bandwidth(prb: u32, place: &str) -> Result<Bandwidth, ConfigError> {
    Bandwidth::from_prbs(prb as usize).ok_or_else(|| {
        ConfigError::new(format!("no carrier has {prb} PRBs"), place, "6, 15, 25, 50, 75 or 100")
    })
}

pub(crate) fn slss_id(id: u16, place: &str) -> Result<SlssId, ConfigError> {
    SlssId::new(id).ok_or_else(|| {
        let remedy = "N_ID^SL is 0 to 335; out of coverage 168 to 335";
        ConfigError::new(format!("no synchronisation identity is {id}"), place, remedy)
    })
}

/// Refuses pools of modes that the carrier does not have.
fn one_mode(
    mode: Option<TransmissionMode>,
    has_communication: bool,
    has_v2x: bool,
) -> Result<(), ConfigError> {
    match mode {
        Some(m) if m.is_v2x() && has_communication => {
            let what = format!("a pool of modes 1 and 2 in transmission mode {}", m.number());
            Err(ConfigError::new(what, "communication", "use [v2x], or tm = 1 or 2"))
        }
        Some(m) if !m.is_v2x() && has_v2x => {
            let what = format!("a V2X pool in transmission mode {}", m.number());
            Err(ConfigError::new(what, "v2x", "use [[communication]], or tm = 3 or 4"))
        }
        None if has_v2x && has_communication => {
            let what = "a V2X pool and a pool of modes 1 and 2";
            Err(ConfigError::new(what, "v2x and communication", "keep one of them: a carrier has one mode"))
        }
        _ => Ok(()),
    }
}

fn mode(tm: u8) -> Result<TransmissionMode, ConfigError> {
    TransmissionMode::from_number(tm)
        .ok_or_else(|| ConfigError::new(format!("no transmission mode {tm}"), "tm", "1, 2, 3 or 4"))
}

/// Returns the receiver configuration of a radio; the caller sets the mode if none is given.
pub fn receiver_config(radio: &Radio, numerology: Numerology) -> receiver::Config {
    let mut config = receiver::Config::new(numerology, radio.mode.unwrap_or(TransmissionMode::Tm4));
    let places = radio.communication.iter();
    config.communication = places
        .map(|c| receiver::CommunicationPlace {
            pool: c.pool.clone(),
            control_cp: c.control_cp,
            data_cp: c.data_cp,
        })
        .collect();
    config.discovery =
        radio.discovery.iter().map(|d| receiver::DiscoveryPlace { pool: d.pool.clone(), cp: d.cp }).collect();
    config.v2x = radio.v2x.clone();
    config.v2x_also = radio.v2x_also.clone();
    config
}
