//! MAC <-> PHY: the only module that uses both.
//!
//! ```text
//! mac_pdu.rs parts of a transport block that are readable without keys
//! mode4.rs   sensing and reservation of transmission mode 4
//! ```

mod mac_pdu;
mod mode4;

pub use mac_pdu::{MacPdu, mac_pdu, pdcp_parts};
pub use mode4::{Mode4, Mode4Use, Occasion, sub_channels};

use sidelink_mac::grant::{self, Mode2Pool, TrpLength, TxProbability};
use sidelink_phy::pool::{CommunicationPool, DiscoveryPool, TrpSet};
pub use sidelink_phy::transmit;
use sidelink_phy::units::{Bandwidth, DfnSubframe, PrbRange, SidelinkMode};
pub use sidelink_wire::mib_sl;
use sidelink_wire::rng::Rng;

/// Returns the MIB-SL (5 octets) or MIB-SL-V2X (6) of a subframe, FDD, reserved bits 0 (TS 36.331 §6.5.2).
pub fn mib_sl(bandwidth: Bandwidth, sidelink: SidelinkMode, at: DfnSubframe, in_coverage: bool) -> Vec<u8> {
    let mut octets = Vec::new();
    fill_mib_sl(&mut octets, bandwidth, sidelink, at, in_coverage);
    octets
}

/// Writes the same into `octets`, whose memory is reused.
// TS 36.321 §6.1.4
pub fn fill_mib_sl(
    octets: &mut Vec<u8>,
    bandwidth: Bandwidth,
    sidelink: SidelinkMode,
    at: DfnSubframe,
    in_coverage: bool,
) {
    let repr = mib_sl::Repr {
        kind: match sidelink {
            SidelinkMode::V2x => mib_sl::Kind::V2x,
            SidelinkMode::D2d => mib_sl::Kind::D2d,
        },
        bandwidth: match bandwidth {
            Bandwidth::Prb6 => mib_sl::Bandwidth::N6,
            Bandwidth::Prb15 => mib_sl::Bandwidth::N15,
            Bandwidth::Prb25 => mib_sl::Bandwidth::N25,
            Bandwidth::Prb50 => mib_sl::Bandwidth::N50,
            Bandwidth::Prb75 => mib_sl::Bandwidth::N75,
            Bandwidth::Prb100 => mib_sl::Bandwidth::N100,
        },
        tdd_config: None,
        direct_frame_number: at.dfn(),
        direct_subframe_number: at.subframe(),
        in_coverage,
        reserved: 0,
    };
    octets.clear();
    octets.resize(repr.buffer_len(), 0);
    // Emitting fails only on fields that do not fit: a DFN and a subframe number always do.
    if repr.emit(octets).is_err() {
        octets.fill(0);
    }
}

/// Returns the fields of a received MIB-SL (40 bits, one a byte) or MIB-SL-V2X (48 bits); `None` when they are invalid.
// TS 36.322 §4.2.1.1
pub fn parse_mib_sl(bits: &[u8]) -> Option<mib_sl::Repr> {
    let mut octets = [0; 6];
    let octets = octets.get_mut(..bits.len().div_ceil(8))?;
    for (octet, bits) in octets.iter_mut().zip(bits.chunks(8)) {
        *octet = bits.iter().fold(0, |v, bit| v << 1 | bit);
    }
    mib_sl::Repr::parse(&mib_sl::Packet::new_checked(&*octets).ok()?).ok()
}

/// The resources that transmission mode 2 draws for one SC period, in terms of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedResource {
    /// PSCCH: subframe in the period and PRB, of each of the two transmissions.
    pub control: [(u32, usize); 2],
    /// I_TRP.
    pub trp: u8,
    /// PSSCH: subframes in the period, each with its index in the pool; a multiple of four.
    pub data: Vec<(u32, u32)>,
    /// PRBs of PSSCH.
    pub prbs: PrbRange,
}

/// The part of a [`SharedResource`] that does not depend on the amount of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedTime {
    /// PSCCH: subframe in the period and PRB, of each of the two transmissions.
    pub control: [(u32, usize); 2],
    /// I_TRP.
    pub trp: u8,
    /// PSSCH: subframes in the period, each with its index in the pool; a multiple of four.
    pub data: Vec<(u32, u32)>,
}

/// A pool of mode 2, prepared for drawing.
#[derive(Clone, Debug)]
pub struct Mode2 {
    /// PSCCH resources by their numbers; `None` where the pool has no such resource.
    control: Vec<Option<[(u32, usize); 2]>>,
    /// Subframes of PSSCH by I_TRP, each with its index in the pool.
    patterns: Vec<Vec<(u32, u32)>>,
    list: Vec<usize>,
    draw: Mode2Pool,
}

impl Mode2 {
    /// Prepares a pool. `trpt_subset` selects among the numbers of ones that mode 2 may use, bit 0 the smallest; `None`
    /// for all.
    ///
    /// # Errors
    /// The pool has no resource.
    pub fn new(
        pool: &CommunicationPool,
        carrier_prbs: usize,
        trpt_subset: Option<u8>,
    ) -> Result<Self, grant::Error> {
        let list = pool.data_prbs.list(carrier_prbs);
        let length = match pool.trp_set {
            TrpSet::Eight => TrpLength::Eight,
            TrpSet::Seven => TrpLength::Seven,
            TrpSet::Six => TrpLength::Six,
        };
        let resources = pool.control_resources(carrier_prbs) as u32;
        let draw = Mode2Pool::new(resources, list.len() as u32, length, trpt_subset.unwrap_or(u8::MAX), &[])?;
        let control = (0..resources as usize).map(|n| pool.control_resource(carrier_prbs, n)).collect();
        // TS 36.213 §14.1.1.3 (3)
        let patterns = (0..=u8::MAX).map(|i_trp| pool.pattern_subframes(i_trp)).collect();
        Ok(Self { control, patterns, list, draw })
    }

    /// Returns the largest number of adjacent PRBs of PSSCH.
    pub fn widest(&self) -> usize {
        let mut runs = self.list.chunk_by(|a, b| a + 1 == *b).map(<[usize]>::len);
        runs.by_ref().max().unwrap_or(0)
    }

    /// Draws PSCCH, pattern and `len` PRBs. `None` where [`Self::draw_time`] or [`Self::draw_place`] returns it.
    // TS 36.213 §14.1.1.4 (1)
    pub fn draw(&self, len: usize, air_rng: &mut impl Rng) -> Option<SharedResource> {
        self.draw_place(self.draw_time(air_rng)?, len, air_rng)
    }

    /// Draws PSCCH and pattern (TS 36.213 §14.1.1.3, §14.2.1.2; each with equal probability). `None` when no drawn
    /// pattern has four subframes.
    pub fn draw_time(&self, air_rng: &mut impl Rng) -> Option<SharedTime> {
        (0..64).find_map(|_| {
            let (n_pscch, trp) = self.draw.draw_time(air_rng);
            let data = &self.patterns[usize::from(trp)];
            let control = (*self.control.get(n_pscch as usize)?)?;
            (!data.is_empty()).then(|| SharedTime { control, trp, data: data.clone() })
        })
    }

    /// Draws `len` adjacent PRBs, each place with equal probability (TS 36.321 §5.14.1.1). `None` where the pool has no
    /// such place.
    pub fn draw_place(&self, time: SharedTime, len: usize, air_rng: &mut impl Rng) -> Option<SharedResource> {
        let places = || {
            let runs = self.list.windows(len.max(1));
            runs.filter(|run| run[0] + run.len() - 1 == run[run.len() - 1]).map(|run| run[0])
        };
        // TS 36.321 §5.14.1.1 (6)
        let index = grant::uniform(air_rng, places().count() as u32);
        let prbs = PrbRange { start: places().nth(index as usize)?, len };
        let SharedTime { control, trp, data } = time;
        Some(SharedResource { control, trp, data, prbs })
    }
}

/// A discovery pool of type 1, prepared for drawing.
#[derive(Clone, Debug)]
pub struct Type1 {
    /// Transmissions of each resource: subframe in the period and PRBs; `None` where they cannot be sent.
    places: Vec<Option<Vec<(u32, PrbRange)>>>,
    draw: grant::DiscoveryPool,
}

impl Type1 {
    /// Prepares a pool. `probability` is txProbability in percent: 25, 50, 75 or 100.
    ///
    /// # Errors
    /// The pool has no resource.
    pub fn new(pool: &DiscoveryPool, carrier_prbs: usize, probability: u8) -> Result<Self, grant::Error> {
        let probability = match probability {
            0..=25 => TxProbability::P25,
            26..=50 => TxProbability::P50,
            51..=75 => TxProbability::P75,
            _ => TxProbability::P100,
        };
        let resources = pool.resources(carrier_prbs);
        let draw = grant::DiscoveryPool::new(resources as u32, probability)?;
        let places = (0..resources).map(|n| pool.type1(carrier_prbs, n)).collect();
        Ok(Self { places, draw })
    }

    /// Draws a resource for one message, with no subframe in `busy`, and adds its subframes to `busy`; `None` when
    /// txProbability decides against a transmission, or no resource is free (TS 36.213 §14.3.1).
    // TS 36.321 §5.15.1.1 (3)
    pub fn draw(&self, busy: &mut Vec<u32>, air_rng: &mut impl Rng) -> Option<Vec<(u32, PrbRange)>> {
        let places = |n: u32| self.places.get(n as usize)?.as_ref();
        let taken =
            |n: u32| places(n).is_none_or(|all| all.iter().any(|(subframe, _)| busy.contains(subframe)));
        let all = places(self.draw.draw(air_rng, taken)?)?;
        busy.extend(all.iter().map(|(subframe, _)| *subframe));
        Some(all.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air_rng::AirRng;
    use sidelink_phy::pool::{PoolPrbs, PsschSubframes};

    /// A pool of the PRBs 2 to 5 and 8 to 11.
    fn pool() -> CommunicationPool {
        CommunicationPool {
            period: 40,
            offset: 0,
            control_bitmap: vec![true; 4],
            control_prbs: PoolPrbs { start: 2, end: 11, num: 4 },
            data: PsschSubframes::Bitmap { offset: 8, bitmap: vec![true; 32] },
            data_prbs: PoolPrbs { start: 2, end: 11, num: 4 },
            trp_set: TrpSet::Eight,
            hopping: Default::default(),
        }
    }

    /// TS 36.321 §5.14.1.1: every place of a grant has the same probability, whatever its width, and none crosses the
    /// gap.
    #[test]
    // TS 36.321 §5.14.1.1 (6)
    fn places_of_mode_2_are_drawn_alike() {
        let mode2 = Mode2::new(&pool(), 15, None).unwrap();
        let mut air_rng = AirRng::seeded(3, "");
        for (len, starts) in
            [(1, vec![2, 3, 4, 5, 8, 9, 10, 11]), (2, vec![2, 3, 4, 8, 9, 10]), (4, vec![2, 8])]
        {
            let mut counts = std::collections::BTreeMap::new();
            for _ in 0..6000 {
                let time = mode2.draw_time(&mut air_rng).unwrap();
                let resource = mode2.draw_place(time, len, &mut air_rng).unwrap();
                assert_eq!(resource.prbs.len, len);
                *counts.entry(resource.prbs.start).or_insert(0usize) += 1;
            }
            assert_eq!(counts.keys().copied().collect::<Vec<_>>(), starts, "{len}");
            let mean = 6000 / starts.len();
            // Five standard deviations of the least frequent place are 140.
            assert!(counts.values().all(|count| count.abs_diff(mean) < 200), "{counts:?}");
        }
        let time = mode2.draw_time(&mut air_rng).unwrap();
        assert_eq!(mode2.draw_place(time, 5, &mut air_rng), None, "nothing lies side by side");
    }

    /// TS 36.321 §5.15.1.1: no second resource in a subframe of the first.
    #[test]
    fn resources_of_one_period_share_no_subframe() {
        let pool = DiscoveryPool {
            period: 320,
            offset: 0,
            bitmap: vec![true; 4],
            repetitions: 1,
            transmissions: 2,
            prbs: PoolPrbs { start: 0, end: 14, num: 7 },
        };
        let type1 = Type1::new(&pool, 15, 100).unwrap();
        for seed in 0..200 {
            let mut air_rng = AirRng::seeded(seed, "");
            let mut busy = Vec::new();
            while type1.draw(&mut busy, &mut air_rng).is_some() {}
            let mut once = busy.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), busy.len(), "{busy:?}");
            assert!(!busy.is_empty());
        }
    }

    #[test]
    // TS 36.321 §5.16.1; TS 36.321 §6.1.4; TS 36.322 §4.2.1.1
    fn as_other_makers_send_it() {
        let at = DfnSubframe::from_count(10_231);
        assert_eq!(mib_sl(Bandwidth::Prb25, SidelinkMode::D2d, at, true), [0x43, 0xff, 0x18, 0, 0]);
        assert_eq!(
            mib_sl(Bandwidth::Prb25, SidelinkMode::V2x, DfnSubframe::from_count(641), true),
            [0x40, 0x40, 0x18, 0, 0, 0]
        );
        assert_eq!(
            mib_sl(Bandwidth::Prb50, SidelinkMode::D2d, DfnSubframe::from_count(0), false),
            [0x60, 0, 0, 0, 0]
        );
    }
}
