//! A configuration of a run: all of it but the seed.

use super::builds::Build;
use super::setting::Setting;
use serde::{Deserialize, Serialize};

/// Build, pool, air, clocks and time of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub(crate) name: String,
    pub(crate) announcers: usize,
    pub(crate) monitors: usize,
    pub(crate) pool_subframes: u32,
    pub(crate) period: u32,
    pub(crate) transmissions: u32,
    pub(crate) prbs: usize,
    pub(crate) carrier_prbs: usize,
    pub(crate) snr_db: f64,
    pub(crate) spread_db: f64,
    pub(crate) clock_error_ms: f64,
    pub(crate) network_rtt_ms: u64,
    /// Most seconds between a counter and its slot; `None` for MAX_OFFSET.
    pub(crate) strict: Option<u32>,
    pub(crate) seconds: f64,
}

impl Configuration {
    pub(crate) fn of(build: &Build, setting: &Setting) -> Self {
        Self {
            name: build.name.to_owned(),
            announcers: setting.announcers,
            monitors: setting.monitors,
            pool_subframes: setting.subframes,
            period: setting.period,
            transmissions: setting.transmissions,
            prbs: setting.prbs,
            carrier_prbs: setting.bandwidth.prbs(),
            snr_db: setting.snr.0,
            spread_db: setting.spread_db,
            clock_error_ms: setting.clock_error_ms,
            network_rtt_ms: setting.network_rtt,
            strict: setting.strict,
            seconds: setting.seconds,
        }
    }

    /// Whether two have UEs, pool, air, clocks and time in common, so that their figures are of the same case: the builds,
    /// the number of monitors and the network may differ.
    pub(crate) fn is_same_case(&self, other: &Self) -> bool {
        let case = |c: &Self| Self { name: String::new(), monitors: 0, network_rtt_ms: 0, ..c.clone() };
        case(self) == case(other)
    }
}
