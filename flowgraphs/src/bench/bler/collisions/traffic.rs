//! What two UEs send on the same resources: control information and blocks of modes 4 and 2, and discovery messages.

use sidelink_phy::channel::{pscch, psdch, pssch};
use sidelink_phy::grid::Grid;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::{
    CommunicationPool, DiscoveryPool, HoppingConfig, PoolPrbs, PsschSubframes, TrpSet, V2xPool,
};
use sidelink_phy::receive::receiver::{CommunicationPlace, Config, DiscoveryPlace};
use sidelink_phy::sci::{Format0, Format1, riv_encode};
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{Bandwidth, CyclicPrefix, PrbRange, SidelinkMode, TransmissionMode};
use std::sync::Arc;

const CARRIER: Bandwidth = Bandwidth::Prb50;
const CP: CyclicPrefix = CyclicPrefix::Normal;

/// PRBs of a block.
const PRBS: PrbRange = PrbRange { start: 12, len: 8 };

/// Traffic of two UEs.
pub(super) trait Traffic {
    /// Adds the pool to a receiver.
    fn tell(&self, config: &mut Config);

    /// Subframes after which everything repeats.
    fn period(&self) -> u64;

    /// Returns the subframes of a period in which both send.
    fn subframes(&self) -> Vec<u64>;

    /// Draws what a UE sends in the next period; returns the content of its block.
    fn draw(&mut self, ue: usize, rng: &mut Rng) -> Vec<u8>;

    /// Writes the transmission of a UE in subframe number `at` of [`Self::subframes`]; `None` if it cannot be sent.
    fn write(&mut self, ue: usize, at: usize, block: &[u8], amplitude: f32, grid: &mut Grid) -> Option<()>;
}

pub(super) fn numerology() -> Numerology {
    Numerology::standard(CARRIER, CP)
}

fn references() -> Arc<References> {
    Arc::new(References::new(CARRIER.prbs()))
}

fn octets(count: usize, rng: &mut Rng) -> Vec<u8> {
    (0..count).map(|_| rng.below(256) as u8).collect()
}

/// Sub-channels of mode 4; both UEs take the second.
const SUB_CHANNELS: usize = 5;

/// Subframe of a radio frame in which the UEs of mode 4 send.
const SUBFRAME: u8 = 3;

/// Mode 4: one transmission of a block on one sub-channel.
pub(super) struct Mode4 {
    mcs: u8,
    pool: V2xPool,
    control: pscch::Encoder,
    shared: pssch::Encoder,
    sent: [(Format1, u8); 2],
}

impl Mode4 {
    pub(super) fn new(mcs: u8) -> Self {
        let (n, references) = (numerology(), references());
        let sci = Format1 {
            priority: 0,
            reservation: 0,
            frequency_resource: riv_encode(SUB_CHANNELS, 0, 1).unwrap_or(0) as u8,
            time_gap: 0,
            mcs,
            retransmission: false,
            transmission_format: false,
            reserved: 0,
        };
        Self {
            mcs,
            pool: V2xPool::simple(10, SUB_CHANNELS),
            control: pscch::Encoder::new(n, SidelinkMode::V2x, references.clone()),
            shared: pssch::Encoder::new(n, TransmissionMode::Tm4, references),
            sent: [(sci, 0); 2],
        }
    }

    fn grant(&self, n_id: u16) -> Option<pssch::Grant> {
        let prbs = self.pool.data(1, 1)?;
        Some(pssch::Grant { prbs, mcs: self.mcs, rv: 0, n_id, n_ssf: SUBFRAME, transmission_format: false })
    }
}

impl Traffic for Mode4 {
    fn tell(&self, config: &mut Config) {
        config.v2x = Some(self.pool.clone());
    }

    fn period(&self) -> u64 {
        10
    }

    fn subframes(&self) -> Vec<u64> {
        vec![SUBFRAME.into()]
    }

    fn draw(&mut self, ue: usize, rng: &mut Rng) -> Vec<u8> {
        let (sci, shift) = &mut self.sent[ue];
        (sci.priority, sci.reservation) = (rng.below(8) as u8, rng.below(11) as u8);
        *shift = 3 * rng.below(4) as u8;
        let size = self.grant(0).and_then(|grant| grant.size(SidelinkMode::V2x).ok());
        octets(size.map_or(0, |(_, bits)| bits / 8), rng)
    }

    fn write(&mut self, ue: usize, _: usize, block: &[u8], amplitude: f32, grid: &mut Grid) -> Option<()> {
        let (sci, shift) = self.sent[ue];
        let mut bits = [0; Format1::BITS];
        sci.emit(SUB_CHANNELS, &mut bits).ok()?;
        let n_id = self.control.encode(&bits, self.pool.control(1).start, shift, amplitude, grid).ok()?;
        self.shared.encode(block, &self.grant(n_id)?, amplitude, grid).ok()
    }
}

/// Time resource pattern of mode 2: four subframes for a block.
const PATTERN: u8 = 10;

/// Mode 2: two transmissions of control information and four of a block, for one group or for two.
pub(super) struct Mode2 {
    mcs: u8,
    pool: CommunicationPool,
    control: pscch::Encoder,
    shared: pssch::Encoder,
    groups: [u8; 2],
}

impl Mode2 {
    /// Makes the traffic to the groups with these layer-1 identities.
    pub(super) fn new(mcs: u8, groups: [u8; 2]) -> Self {
        let (n, references) = (numerology(), references());
        let carrier = CARRIER.prbs();
        Self {
            mcs,
            pool: CommunicationPool {
                period: 40,
                offset: 0,
                control_bitmap: (0..40).map(|k| k < 4).collect(),
                control_prbs: PoolPrbs { start: 2, end: 47, num: 20 },
                data: PsschSubframes::Bitmap { offset: 4, bitmap: vec![true; 8] },
                data_prbs: PoolPrbs::whole(carrier),
                trp_set: TrpSet::Eight,
                hopping: HoppingConfig::default(),
            },
            control: pscch::Encoder::new(n, SidelinkMode::D2d, references.clone()),
            shared: pssch::Encoder::new(n, TransmissionMode::Tm2, references),
            groups,
        }
    }

    /// Subframes and PRBs of the control information.
    fn control_places(&self) -> Vec<(u64, usize)> {
        let places = self.pool.control_resource(CARRIER.prbs(), 4);
        places.into_iter().flatten().map(|(k, prb)| (k.into(), prb)).collect()
    }

    /// Subframes of the block, and the number of each in the pool.
    fn data_places(&self) -> Vec<(u64, u32)> {
        let all = self.pool.pattern_subframes(PATTERN);
        all.into_iter().take(4).map(|(k, index)| (k.into(), index)).collect()
    }

    fn grant(&self, ue: usize, number: usize, index: u32) -> pssch::Grant {
        pssch::Grant {
            prbs: PRBS,
            mcs: self.mcs,
            rv: pssch::REDUNDANCY_VERSIONS[number],
            n_id: self.groups[ue].into(),
            n_ssf: (index % 10) as u8,
            transmission_format: false,
        }
    }
}

impl Traffic for Mode2 {
    fn tell(&self, config: &mut Config) {
        let place = CommunicationPlace { pool: self.pool.clone(), control_cp: CP, data_cp: CP };
        config.communication = vec![place];
    }

    fn period(&self) -> u64 {
        u64::from(self.pool.period)
    }

    fn subframes(&self) -> Vec<u64> {
        let control = self.control_places().into_iter().map(|place| place.0);
        control.chain(self.data_places().into_iter().map(|place| place.0)).collect()
    }

    fn draw(&mut self, ue: usize, rng: &mut Rng) -> Vec<u8> {
        let size = self.grant(ue, 0, 0).size(SidelinkMode::D2d);
        octets(size.map_or(0, |(_, bits)| bits / 8), rng)
    }

    fn write(&mut self, ue: usize, at: usize, block: &[u8], amplitude: f32, grid: &mut Grid) -> Option<()> {
        let control = self.control_places();
        if let Some(&(_, prb)) = control.get(at) {
            let sci = Format0 {
                hopping: false,
                rb_assignment: riv_encode(CARRIER.prbs(), PRBS.start, PRBS.len)? as u16,
                trp: PATTERN,
                mcs: self.mcs,
                timing_advance: 0,
                group_destination: self.groups[ue],
            };
            let mut bits = vec![0; Format0::bits(CARRIER)];
            sci.emit(CARRIER, &mut bits).ok()?;
            return self.control.encode(&bits, prb, 0, amplitude, grid).ok().map(|_| ());
        }
        let number = at - control.len();
        let &(_, index) = self.data_places().get(number)?;
        let grant = self.grant(ue, number, index);
        self.shared.encode(block, &grant, amplitude, grid).ok()
    }
}

/// Discovery messages, each transmitted once.
pub(super) struct Discovery {
    pool: DiscoveryPool,
    encoder: psdch::Encoder,
}

impl Discovery {
    pub(super) fn new() -> Self {
        let pool = DiscoveryPool {
            period: 320,
            offset: 0,
            bitmap: (0..40).map(|k| k == 0).collect(),
            repetitions: 1,
            transmissions: 1,
            prbs: PoolPrbs::whole(CARRIER.prbs()),
        };
        Self { pool, encoder: psdch::Encoder::new(numerology(), references()) }
    }

    fn places(&self) -> Vec<(u64, PrbRange)> {
        let places = self.pool.type1(CARRIER.prbs(), 7);
        places.into_iter().flatten().map(|(k, prbs)| (k.into(), prbs)).collect()
    }
}

impl Traffic for Discovery {
    fn tell(&self, config: &mut Config) {
        config.discovery = vec![DiscoveryPlace { pool: self.pool.clone(), cp: CP }];
    }

    fn period(&self) -> u64 {
        u64::from(self.pool.period)
    }

    fn subframes(&self) -> Vec<u64> {
        self.places().into_iter().map(|place| place.0).collect()
    }

    fn draw(&mut self, _: usize, rng: &mut Rng) -> Vec<u8> {
        octets(psdch::MESSAGE_BYTES, rng)
    }

    fn write(&mut self, _: usize, at: usize, block: &[u8], amplitude: f32, grid: &mut Grid) -> Option<()> {
        let &(_, prbs) = self.places().get(at)?;
        let rv = psdch::REDUNDANCY_VERSIONS[at];
        self.encoder.encode(block.try_into().ok()?, rv, prbs.start, amplitude, grid).ok()
    }
}
