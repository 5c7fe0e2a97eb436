//! PSSS, SSSS and PSBCH, transmitted periodically.

use super::{Air, Instant, Source};
use crate::config::{ConfigError, slss_id};
use crate::scenario::SyncEntry;
use sidelink_phy::transmit::{Content, Transmission};
use sidelink_phy::units::{Bandwidth, CyclicPrefix, SidelinkMode, SlssId};
use sidelink_ue::mapping;

pub(super) struct SyncSource {
    id: SlssId,
    in_coverage: bool,
    offset: u32,
    period: u32,
    cp: CyclicPrefix,
    bandwidth: Bandwidth,
    sidelink: SidelinkMode,
}

impl SyncSource {
    pub(super) fn new(entry: &SyncEntry, air: &Air<'_>, place: &str) -> Result<Self, ConfigError> {
        let sidelink = air.mode.sidelink();
        let common = air.radio.sync.as_ref();
        let usual = match sidelink {
            SidelinkMode::D2d => 40,
            SidelinkMode::V2x => 160,
        };
        let period = entry.period.or(common.map(|s| s.period)).unwrap_or(usual);
        let offset = entry.offset.or(common.and_then(|s| s.offsets.first().copied())).unwrap_or(0);
        if !(1..=10_240).contains(&period) || offset >= period {
            let what = format!("offset {offset} with a period of {period} subframes");
            return Err(ConfigError::new(
                what,
                place,
                "the offset counts modulo the period: 40, or 160 in modes 3 and 4",
            ));
        }
        Ok(Self {
            id: slss_id(entry.id, place)?,
            in_coverage: entry.in_coverage,
            offset,
            period,
            cp: common.map_or(air.radio.default_cp(), |s| s.cp),
            bandwidth: air.numerology.bandwidth(),
            sidelink,
        })
    }
}

impl Source for SyncSource {
    fn plan(&mut self, now: Instant, out: &mut Vec<Transmission>) {
        if now.at.count() % self.period != self.offset {
            return;
        }
        let mib = mapping::mib_sl(self.bandwidth, self.sidelink, now.at, self.in_coverage);
        let content = Content::Sync { id: self.id, mib, at: now.at, in_coverage: self.in_coverage };
        out.push(Transmission { cp: self.cp, amplitude: 1.0, content });
    }

    fn prefixes(&self) -> Vec<CyclicPrefix> {
        vec![self.cp]
    }
}
