//! A configuration of the discovery air.

use crate::config::ConfigError;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::{DiscoveryPool, PoolPrbs};
use sidelink_phy::units::{Bandwidth, CyclicPrefix, Decibel};
use sidelink_ue::air_rng::AirRng;

/// Discovery periods in subframes that SL-DiscResourcePool has (TS 36.331 §6.3.8), and those of later releases.
pub(crate) const PERIODS: [u32; 13] = [40, 60, 70, 80, 120, 140, 160, 240, 280, 320, 640, 1280, 2560];

/// Most subframes of a pool in a period: one round of the bitmap.
pub(crate) const MOST_SUBFRAMES: u32 = 40;

/// Most milliseconds by which clocks are wrong: an hour.
const MOST_CLOCK_ERROR: f64 = 3_600_000.0;

/// How many UEs, the pool, the radio and the clocks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// UEs. Each has something to be discovered by.
    pub(crate) announcers: usize,
    /// Those of them that monitor all the others too.
    pub(crate) monitors: usize,
    /// Carrier.
    pub(crate) bandwidth: Bandwidth,
    /// PRBs of the pool, in the middle of the carrier: an even number.
    pub(crate) prbs: usize,
    /// Subframes of the pool in a period, L.
    pub(crate) subframes: u32,
    /// Discovery period in subframes, P.
    pub(crate) period: u32,
    /// Transmissions of a message, N_TX.
    pub(crate) transmissions: u32,
    /// Es/N0 of a UE with gain 0 dB.
    pub(crate) snr: Decibel,
    /// Gains of UEs are uniform from minus this to 0 dB: with 0, none captures another.
    pub(crate) spread_db: f64,
    /// Carrier offsets are uniform within plus and minus this, in Hz.
    pub(crate) carrier_hz: f64,
    /// Clocks are wrong by up to this, either way, in milliseconds.
    pub(crate) clock_error_ms: f64,
    /// Milliseconds there and back to the network.
    pub(crate) network_rtt: u64,
    /// Time on the air, in seconds.
    pub(crate) seconds: f64,
    /// Bits of a MIC: 32 is the standard's (less shows how forgery scales).
    pub(crate) mic_bits: u8,
    /// Strict mode: most seconds between a message's counter and the slot.
    pub(crate) strict: Option<u32>,
    /// Seed of keys, draws, carriers, clocks and noise.
    pub(crate) seed: u64,
}

impl Default for Setting {
    /// Returns the middle of the digest's table: 20 UEs, L = 16, P = 320, 44 of 50 PRBs.
    fn default() -> Self {
        Self {
            announcers: 20,
            monitors: 2,
            bandwidth: Bandwidth::Prb50,
            prbs: 44,
            subframes: 16,
            period: 320,
            transmissions: 1,
            snr: Decibel(20.0),
            spread_db: 0.0,
            carrier_hz: 100.0,
            clock_error_ms: 0.0,
            network_rtt: 40,
            seconds: 12.8,
            mic_bits: 32,
            strict: None,
            seed: 1,
        }
    }
}

impl Setting {
    /// Checks that a pool of these sizes exists.
    ///
    /// # Errors
    /// The first size that is out of range, and the range.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |what: String, remedy: &str| Err(ConfigError::usage(what, remedy.to_owned()));
        if !(2..=500).contains(&self.announcers) {
            return wrong(format!("{} UEs", self.announcers), "2 to 500");
        }
        if !(1..=self.announcers).contains(&self.monitors) {
            return wrong(format!("{} monitors", self.monitors), "1 to the number of UEs");
        }
        if !PERIODS.contains(&self.period) {
            let known = PERIODS.map(|period| period.to_string()).join(", ");
            return wrong(format!("a discovery period of {} subframes", self.period), &known);
        }
        let most = MOST_SUBFRAMES.min(self.period);
        if !(self.transmissions..=most).contains(&self.subframes) {
            let what = format!("{} subframes of the pool in a period of {}", self.subframes, self.period);
            return wrong(what, "the transmissions of a message to 40, and no more than the period");
        }
        if ![1, 2, 4].contains(&self.transmissions) {
            return wrong(format!("{} transmissions of a message", self.transmissions), "1, 2 or 4");
        }
        if self.prbs < 2 || self.prbs > self.bandwidth.prbs() || !self.prbs.is_multiple_of(2) {
            let remedy = format!("an even number, 2 to {}", self.bandwidth.prbs());
            return wrong(format!("a pool of {} PRBs", self.prbs), &remedy);
        }
        self.check_radio()
    }

    /// Checks noise, powers and clocks: what is no number is out of every range.
    fn check_radio(&self) -> Result<(), ConfigError> {
        let ranges = [
            ("--snr", self.snr.0, -30.0..=60.0, "-30 to 60 dB"),
            ("--power-spread", self.spread_db, 0.0..=60.0, "0 to 60 dB"),
            ("--clock-error", self.clock_error_ms, 0.0..=MOST_CLOCK_ERROR, "0 to 3600000 ms"),
        ];
        for (option, value, range, remedy) in ranges {
            if !range.contains(&value) {
                return Err(ConfigError::usage(format!("{option} {value}: out of range"), remedy));
            }
        }
        Ok(())
    }

    /// Returns the pool: its PRBs in the middle of the carrier, its subframes at the begin of the period.
    pub(crate) fn pool(&self) -> DiscoveryPool {
        let start = (self.bandwidth.prbs() - self.prbs) / 2;
        DiscoveryPool {
            period: self.period,
            offset: 0,
            bitmap: (0..MOST_SUBFRAMES).map(|i| i < self.subframes).collect(),
            repetitions: 1,
            transmissions: self.transmissions,
            prbs: PoolPrbs { start, end: start + self.prbs - 1, num: self.prbs.div_ceil(2) },
        }
    }

    /// Returns the carrier at its standard rate.
    pub(crate) fn numerology(&self) -> Numerology {
        Numerology::standard(self.bandwidth, CyclicPrefix::Normal)
    }

    /// Returns the number of resources in a period, R.
    pub(crate) fn resources(&self) -> usize {
        self.pool().resources(self.bandwidth.prbs())
    }

    /// Returns the number of whole discovery periods on the air.
    pub(crate) fn periods(&self) -> u64 {
        ((1000.0 * self.seconds / f64::from(self.period)).round() as u64).max(1)
    }

    /// Returns the source of chance of one part of a run.
    pub(crate) fn rng(&self, part: &str) -> AirRng {
        AirRng::seeded(self.seed, part)
    }
}

/// Draws uniformly from 0 to 1.
pub(crate) fn unit(rng: &mut AirRng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Draws uniformly from minus `reach` to `reach`.
pub(crate) fn around(rng: &mut AirRng, reach: f64) -> f64 {
    reach * (2.0 * unit(rng) - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_out_of_range() {
        assert!(Setting::default().check().is_ok());
        for wrong in [f64::NAN, f64::INFINITY, -1e9, 1e12] {
            let snr = Setting { snr: Decibel(wrong), ..Setting::default() };
            let spread = Setting { spread_db: wrong, ..Setting::default() };
            let clocks = Setting { clock_error_ms: wrong, ..Setting::default() };
            for setting in [snr, spread, clocks] {
                assert!(setting.check().is_err(), "{setting:?}");
            }
        }
    }
}
