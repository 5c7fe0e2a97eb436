//! PSCCH and PSSCH of mode 4: an SCI and a block in the resource that sensing selected, in every period in which data
//! is queued (TS 36.213 §14.1.1.6, §14.2.1; TS 36.321 §5.14.1.1).

use super::super::event::Tell;
use super::super::stack::Stack;
use super::spare::Spare;
use crate::air_rng::AirRng;
use crate::mapping::transmit::{Content, SciFields, Transmission};
use crate::mapping::{Mode4, Occasion, sub_channels};
use sidelink_phy::channel::pssch::{Grant, REDUNDANCY_VERSIONS_V2X};
use sidelink_phy::coding::crc::CRC16;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::receive::receiver::Receiver;
use sidelink_phy::sci::Format1;
use sidelink_phy::units::{CyclicPrefix, Modulation, PrbRange, SidelinkMode};

/// Amplitude of PSCCH relative to PSSCH: 3 dB (TS 36.213 §14.1.1.5, §14.2.1.3).
// TS 36.213 §14.1.1.5 (4)
const BOOST: f32 = std::f32::consts::SQRT_2;

/// Cyclic shifts of the DMRS of PSCCH (TS 36.211 §9.8).
const SHIFTS: [u8; 4] = [0, 3, 6, 9];

/// A pool and its use.
pub struct Mode4Settings {
    /// The pool.
    pub pool: V2xPool,
    /// The resource selection in the pool.
    pub draw: Mode4,
    /// Sub-channels of a block.
    pub sub_channels: usize,
    /// I_MCS.
    pub mcs: u8,
}

/// Plans the transmissions in one pool.
pub struct Mode4Communication {
    settings: Mode4Settings,
    modulation: Modulation,
    /// The block that was sent last.
    block: Vec<u8>,
    sci_bits: Vec<u8>,
    blocks: u64,
    ranges: Vec<PrbRange>,
    powers: Vec<f32>,
}

impl Mode4Communication {
    /// Makes a planner without a resource. `None` when no block of this MCS fits this number of sub-channels.
    pub fn new(settings: Mode4Settings) -> Option<Self> {
        let prbs = settings.pool.data(0, settings.sub_channels)?;
        let (modulation, bits) = grant(prbs, settings.mcs).size(SidelinkMode::V2x).ok()?;
        let ranges = sub_channels(&settings.pool);
        Some(Self {
            modulation,
            block: vec![0; bits / 8],
            sci_bits: vec![0; Format1::BITS],
            blocks: 0,
            powers: vec![0.0; ranges.len()],
            ranges,
            settings,
        })
    }

    /// Returns the resource selection of the pool, for its counters.
    pub(super) fn selection(&self) -> &Mode4 {
        &self.settings.draw
    }

    /// Records an SCI that was received in subframe `t` at PRB `prb`.
    pub(super) fn heard(&mut self, t: u64, prb: usize, sci: &Format1, power: f32) {
        if let Some(first) = self.settings.pool.control_index(prb) {
            self.settings.draw.heard(t, first, sci, power);
        }
    }

    /// Records that subframe `t` was received by this receiver, or missed (`None`).
    pub(super) fn sensed(&mut self, t: u64, receiver: Option<&mut Receiver>) {
        match receiver {
            Some(receiver) => {
                receiver.sub_channel_powers(&self.ranges, &mut self.powers);
                self.settings.draw.sensed(t, Some(&self.powers));
            }
            None => self.settings.draw.sensed(t, None),
        }
    }

    pub(super) fn plan(
        &mut self,
        t: u64,
        stack: &mut Stack,
        air_rng: &mut AirRng,
        spare: &mut Spare,
        out: &mut Vec<Transmission>,
        tell: &mut Tell<'_>,
    ) {
        let waiting = stack.waiting();
        let Some(occasion) = self.settings.draw.occasion(t, waiting.map(|w| w.priority), air_rng) else {
            return;
        };
        if !occasion.retransmission {
            self.block.fill(0);
            let filled = waiting.is_some_and(|waiting| stack.fill(waiting.address, &mut self.block, tell));
            // TS 36.321 §5.14.1.2.1 (2)
            self.settings.draw.used(filled);
            if !filled {
                return;
            }
            self.blocks += 1;
        }
        // TS 36.211 §9.8 (7); TS 36.213 §14.2.1 mode 4 (4)
        let n_cs = SHIFTS[(air_rng.next_u64() % 4) as usize];
        self.send(&occasion, n_cs, spare, out);
    }

    // TS 36.213 §14.1.1.4B (1)
    fn send(&mut self, occasion: &Occasion, n_cs: u8, spare: &mut Spare, out: &mut Vec<Transmission>) {
        let Self { settings: Mode4Settings { pool, sub_channels, mcs, .. }, sci_bits, .. } = self;
        let sci = Format1 { mcs: *mcs, ..occasion.sci };
        let Some(prbs) = pool.data(occasion.first, *sub_channels) else { return };
        if sci.emit(pool.num, sci_bits).is_err() {
            return;
        }
        // TS 36.211 §9.3.1 (3)
        let crc16 = CRC16.bits(sci_bits) as u16;
        let cp = CyclicPrefix::Normal;
        // TS 36.213 §14.2.1 mode 4 (1)
        let prb = pool.control(occasion.first).start;
        let fields = SciFields::Format1(sci, pool.num);
        let content = Content::Sci { fields, bits: spare.copy(sci_bits), prb, n_cs, crc16 };
        // TS 36.213 §14.2.1.3 (3)
        out.push(Transmission { cp, amplitude: BOOST, content });
        let rv = REDUNDANCY_VERSIONS_V2X[usize::from(occasion.retransmission)];
        let grant = Grant { rv, n_id: crc16, n_ssf: occasion.n_ssf, ..grant(prbs, *mcs) };
        let (modulation, block) = (self.modulation, spare.copy(&self.block));
        let content = Content::SlSch { grant, modulation, block, number: self.blocks - 1 };
        out.push(Transmission { cp, amplitude: 1.0, content });
    }
}

fn grant(prbs: PrbRange, mcs: u8) -> Grant {
    Grant { prbs, mcs, rv: 0, n_id: 0, n_ssf: 0, transmission_format: false }
}
