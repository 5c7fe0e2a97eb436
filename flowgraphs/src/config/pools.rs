//! The tables of a configuration in their written form. Each `resolve` converts and checks one.

use super::{Bitmap, ConfigError, CyclicPrefixName, OneOrMany};
use serde::{Deserialize, Serialize};
use sidelink_phy::pool::{
    CommunicationPool, DiscoveryPool, HoppingConfig, PoolPrbs, PsschSubframes, TrpSet, V2xPool,
};
use sidelink_prose::discovery::signed::SetTiming;

/// PRBs of a pool: `num` from `start` upwards and `num` from `end` downwards (prb-Start, prb-End, prb-Num).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PrbSet {
    /// prb-Start, the first PRB of the lower part.
    pub start: u32,
    /// prb-End, the last PRB of the upper part.
    pub end: u32,
    /// prb-Num, PRBs of each part.
    pub num: u32,
}

/// SL-SyncConfig: place of synchronisation signals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct SyncConfig {
    /// syncOffsetIndicator, one to three of them: subframes modulo `period`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<OneOrMany<u32>>,
    /// Subframes between synchronisation subframes; 40, or 160 in modes 3 and 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<u32>,
    /// syncCP-Len: cyclic prefix of PSBCH and SLSS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cp: Option<CyclicPrefixName>,
    /// Expected N_ID^SL, 0 to 335.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u16>,
    /// syncTxPeriodic: whether every period has its signals (the default), or only those before a transmission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub periodic: Option<bool>,
}

/// SL-CommResourcePool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CommunicationConfig {
    /// sc-Period in subframes.
    pub period: u32,
    /// offsetIndicator of the control pool, subframes.
    #[serde(default)]
    pub offset: u32,
    /// subframeBitmap of PSCCH, the first subframe first.
    pub control_bitmap: Bitmap,
    /// PRBs of PSCCH.
    pub control_prb: PrbSet,
    /// sc-CP-Len: cyclic prefix of PSCCH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_cp: Option<CyclicPrefixName>,
    /// subframeBitmap of PSSCH (mode 2); without it PSSCH is in every subframe after PSCCH (mode 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_bitmap: Option<Bitmap>,
    /// offsetIndicator of the data pool, in subframes from the start of the period (mode 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_offset: Option<u32>,
    /// PRBs of PSSCH; without them those of PSCCH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_prb: Option<PrbSet>,
    /// data-CP-Len: cyclic prefix of PSSCH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_cp: Option<CyclicPrefixName>,
    /// Length of the time resource patterns, N_TRP: 8. The 7 and 6 of TDD are refused: pools count every subframe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trp_length: Option<u8>,
    /// dataHoppingConfig: hopping of PSSCH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hopping: Option<HoppingSection>,
}

/// SL-HoppingConfigComm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HoppingSection {
    /// hoppingParameter, 0 to 504.
    pub parameter: u16,
    /// numSubbands: 1, 2 or 4.
    pub subbands: u32,
    /// rb-Offset.
    #[serde(default)]
    pub rb_offset: u32,
}

/// SL-DiscResourcePool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiscoveryConfig {
    /// discPeriod in subframes.
    pub period: u32,
    /// offsetIndicator, subframes.
    #[serde(default)]
    pub offset: u32,
    /// subframeBitmap, the first subframe first.
    pub bitmap: Bitmap,
    /// numRepetition: number of repetitions of the bitmap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetitions: Option<u32>,
    /// numRetx + 1: number of transmissions of a message, 1 to 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transmissions: Option<u32>,
    /// PRBs of the pool.
    pub prb: PrbSet,
    /// cp-Len: cyclic prefix of PSDCH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cp: Option<CyclicPrefixName>,
}

/// SL-CommResourcePoolV2X, also given by `--v2x-pool`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct V2xConfig {
    /// sizeSubchannel, PRBs.
    pub size: u32,
    /// numSubchannel, number of sub-channels.
    pub num: u32,
    /// startRB-Subchannel, first PRB.
    #[serde(default)]
    pub start: u32,
    /// adjacencyPSCCH-PSSCH: PSCCH is adjacent to PSSCH.
    #[serde(default = "yes")]
    pub adjacent: bool,
    /// startRB-PSCCH-Pool, if not adjacent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pscch_start: Option<u32>,
    /// sl-Subframe; without it every subframe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitmap: Option<Bitmap>,
    /// syncOffsetIndicators of the synchronisation subframes, modulo 160, one or a list; those of `[sync]` where it is not
    /// given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_offset: Option<OneOrMany<u32>>,
}

fn yes() -> bool {
    true
}

impl PrbSet {
    pub(super) fn resolve(self, carrier: Option<usize>, place: &str) -> Result<PoolPrbs, ConfigError> {
        let bad = |what: String, remedy: &str| Err(ConfigError::new(what, place, remedy));
        let Self { start, end, num } = self;
        if num == 0 || start > end {
            return bad(
                format!("start {start}, end {end}, num {num}: no PRBs"),
                "num from 1 on, start not beyond end",
            );
        }
        let carrier = carrier.unwrap_or(100);
        if end as usize >= carrier || start as usize + num as usize > carrier || num > end + 1 {
            return bad(
                format!("start {start}, end {end}, num {num} leaves the carrier of {carrier} PRBs"),
                "start + num and end + 1 are at most prb, num at most end + 1",
            );
        }
        Ok(PoolPrbs { start: start as usize, end: end as usize, num: num as usize })
    }
}

impl CommunicationConfig {
    pub(super) fn resolve(
        &self,
        carrier: Option<usize>,
        place: &str,
    ) -> Result<CommunicationPool, ConfigError> {
        let at = |key: &str| format!("{place}.{key}");
        period(self.period, self.offset, place)?;
        bitmap(&self.control_bitmap, &at("control-bitmap"), self.period, 40)?;
        let data = match &self.data_bitmap {
            None if self.data_offset.is_some() => {
                let remedy = "give data-bitmap too (mode 2), or leave data-offset out (mode 1)";
                return Err(ConfigError::new("data-offset without data-bitmap", at("data-offset"), remedy));
            }
            None => PsschSubframes::AfterControl,
            Some(data) => {
                let offset = self.data_offset.unwrap_or(0);
                if offset >= self.period {
                    let what = format!("{offset} is beyond the period of {}", self.period);
                    return Err(ConfigError::new(
                        what,
                        at("data-offset"),
                        "it counts from the start of the period",
                    ));
                }
                bitmap(data, &at("data-bitmap"), self.period, 40)?;
                PsschSubframes::Bitmap { offset, bitmap: data.0.clone() }
            }
        };
        let trp_set = trp_set(self.trp_length, &at("trp-length"))?;
        Ok(CommunicationPool {
            period: self.period,
            offset: self.offset,
            control_bitmap: self.control_bitmap.0.clone(),
            control_prbs: self.control_prb.resolve(carrier, &at("control-prb"))?,
            data,
            data_prbs: match self.data_prb {
                Some(prb) => prb.resolve(carrier, &at("data-prb"))?,
                None => self.control_prb.resolve(carrier, &at("control-prb"))?,
            },
            trp_set,
            hopping: self
                .hopping
                .map_or(Ok(HoppingConfig::default()), |h| h.resolve(carrier, &at("hopping")))?,
        })
    }
}

// TS 36.213 §14.1.1.2.1 (4)
impl HoppingSection {
    fn resolve(self, carrier: Option<usize>, place: &str) -> Result<HoppingConfig, ConfigError> {
        let bad = |what: String, remedy: &str| Err(ConfigError::new(what, place, remedy));
        if self.parameter > 504 {
            return bad(format!("parameter {}", self.parameter), "hoppingParameter is 0 to 504");
        }
        if ![1, 2, 4].contains(&self.subbands) {
            return bad(format!("subbands {}", self.subbands), "numSubbands is 1, 2 or 4");
        }
        if self.rb_offset as usize >= carrier.unwrap_or(111) {
            return bad(format!("rb-offset {}", self.rb_offset), "rb-Offset leaves no PRB to hop over");
        }
        Ok(HoppingConfig {
            parameter: self.parameter,
            subbands: self.subbands as usize,
            rb_offset: self.rb_offset as usize,
        })
    }
}

impl DiscoveryConfig {
    pub(super) fn resolve(&self, carrier: Option<usize>, place: &str) -> Result<DiscoveryPool, ConfigError> {
        let at = |key: &str| format!("{place}.{key}");
        period(self.period, self.offset, place)?;
        bitmap(&self.bitmap, &at("bitmap"), self.period, 100)?;
        let repetitions = self.repetitions.unwrap_or(1);
        if !(1..=50).contains(&repetitions) {
            let what = format!("{repetitions} repetitions");
            return Err(ConfigError::new(what, at("repetitions"), "numRepetition is 1 to 50"));
        }
        let transmissions = self.transmissions.unwrap_or(1);
        if !(1..=4).contains(&transmissions) {
            let what = format!("{transmissions} transmissions");
            return Err(ConfigError::new(what, at("transmissions"), "1 to 4: numRetx + 1"));
        }
        let pool = DiscoveryPool {
            period: self.period,
            offset: self.offset,
            bitmap: self.bitmap.0.clone(),
            repetitions,
            transmissions,
            prbs: self.prb.resolve(carrier, &at("prb"))?,
        };
        if pool.n_t() == 0 {
            let what =
                format!("{} subframes are fewer than {transmissions} transmissions", pool.subframes().len());
            return Err(ConfigError::new(
                what,
                at("bitmap"),
                "set more bits, or repetitions, or send less often",
            ));
        }
        Ok(pool)
    }
}

impl V2xConfig {
    pub(super) fn resolve(
        &self,
        carrier: Option<usize>,
        sync: &[u32],
        place: &str,
    ) -> Result<V2xPool, ConfigError> {
        if self.pscch_start.is_some() && self.adjacent {
            let remedy = "adjacent = false, or leave pscch-start out";
            return Err(ConfigError::new("pscch-start in an adjacent pool", place, remedy));
        }
        if let Some(b) = &self.bitmap {
            bitmap(b, &format!("{place}.bitmap"), u32::MAX, 100)?;
        }
        let sync_offsets = self.sync_offset.as_ref().map_or(sync, OneOrMany::as_slice);
        if let Some(offset) = sync_offsets.iter().find(|o| **o >= 160) {
            let what = format!("sync-offset {offset}");
            return Err(ConfigError::new(what, place, "synchronisation subframes come every 160: 0 to 159"));
        }
        if sync_offsets.len() > 3 {
            let what = format!("{} values of sync-offset", sync_offsets.len());
            return Err(ConfigError::new(what, place, "three syncOffsetIndicators at most"));
        }
        let pool = V2xPool {
            size: self.size as usize,
            num: self.num as usize,
            start: self.start as usize,
            adjacent: self.adjacent,
            control_start: self.pscch_start.unwrap_or(0) as usize,
            bitmap: self.bitmap.as_ref().map_or_else(|| vec![true; 20], |b| b.0.clone()),
            sync_offsets: sync_offsets.to_vec(),
        };
        if self.size > 110 || self.num > 110 || self.start > 110 || pool.control_start > 110 {
            return Err(ConfigError::new(
                "a number beyond any carrier",
                place,
                "sizes and starts are in PRBs",
            ));
        }
        let carrier = carrier.unwrap_or(100);
        pool.check(carrier).map_err(|why| {
            ConfigError::new(
                why.to_string(),
                format!("{place} (size {}, num {}, start {})", self.size, self.num, self.start),
                format!("the carrier has {carrier} PRBs"),
            )
        })?;
        Ok(pool)
    }
}

/// Returns the set of patterns. Patterns of 7 and 6 subframes belong to TDD, whose pools count only uplink subframes
/// (TS 36.213 §14.1.1.1.1, §14.1.3, §14.2.3): here every subframe counts, as in FDD.
fn trp_set(length: Option<u8>, place: &str) -> Result<TrpSet, ConfigError> {
    match length {
        None | Some(8) => Ok(TrpSet::Eight),
        Some(n @ (6 | 7)) => {
            let what = format!("patterns of length {n} are those of TDD");
            Err(ConfigError::new(what, place, "only FDD pools are supported: 8, or leave it out"))
        }
        Some(n) => Err(ConfigError::new(format!("no patterns of length {n}"), place, "8")),
    }
}

fn period(period: u32, offset: u32, place: &str) -> Result<(), ConfigError> {
    if !(1..=10_240).contains(&period) {
        return Err(ConfigError::new(format!("period {period}"), place, "1 to 10240 subframes"));
    }
    if offset >= 10_240 {
        return Err(ConfigError::new(format!("offset {offset}"), place, "0 to 10239 subframes"));
    }
    Ok(())
}

/// Checks a bitmap: RRC bounds bitmaps to 40 (modes 1 and 2) or 100 bits; longer ones and those without a set bit are
/// mistakes.
fn bitmap(bitmap: &Bitmap, place: &str, period: u32, max: usize) -> Result<(), ConfigError> {
    let len = bitmap.0.len();
    if bitmap.is_zero() {
        return Err(ConfigError::new("no subframe is set", place, "set at least one bit"));
    }
    if len > max {
        return Err(ConfigError::new(format!("{len} bits"), place, format!("{max} bits at most")));
    }
    if len as u64 > u64::from(period) && bitmap.0[period as usize..].contains(&true) {
        let what = format!("a bit is set beyond the period of {period} subframes");
        return Err(ConfigError::new(what, place, "make the period longer or the bitmap shorter"));
    }
    Ok(())
}

/// Returns when the sets of signed announcements begin in a pool: with the defaults where its period has no sets.
pub(crate) fn set_timing(pool: &DiscoveryPool) -> SetTiming {
    SetTiming::new(pool.period, pool.offset, SetTiming::PERIODS.into()).unwrap_or(SetTiming::DEFAULT)
}
