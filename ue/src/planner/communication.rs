//! PSCCH and PSSCH of mode 2: an SCI in every period in which data is queued, and its transport blocks
//! (TS 36.213 §14.1, §14.2).

use super::super::event::Tell;
use super::super::stack::Stack;
use super::spare::Spare;
use crate::air_rng::AirRng;
use crate::clock::Clock;
use crate::mapping::transmit::{Content, SciFields, Transmission};
use crate::mapping::{Mode2, SharedResource};
use sidelink_phy::channel::pssch::{Grant, REDUNDANCY_VERSIONS};
use sidelink_phy::coding::crc::CRC16;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::CommunicationPool;
use sidelink_phy::sci::{Format0, MAX_BITS, riv_encode};
use sidelink_phy::tables::is_precoding_size;
use sidelink_phy::units::{CyclicPrefix, Modulation, PrbRange, SidelinkMode};

/// A pool and its use.
#[derive(Clone, Debug)]
pub struct CommunicationSettings {
    /// The pool.
    pub pool: CommunicationPool,
    /// Cyclic prefix of PSCCH.
    pub control_cp: CyclicPrefix,
    /// Cyclic prefix of PSSCH.
    pub data_cp: CyclicPrefix,
    /// The pool as prepared for drawing.
    pub draw: Mode2,
    /// I_MCS.
    pub mcs: u8,
    /// PRBs of a grant, at most.
    pub prbs: usize,
}

/// Octets of MAC and RLC headers in a block, approximately.
const HEADERS: usize = 10;

/// Plans the transmissions in one pool.
pub struct Communication {
    settings: CommunicationSettings,
    numerology: Numerology,
    /// Grants whose size can be precoded: PRBs, and octets of a block.
    sizes: Vec<(usize, usize)>,
    current: Option<Current>,
    /// Subframes of PSCCH, counted from the start of the period.
    control: Vec<u32>,
    /// Bits of the SCI, and the block of the grant; their memory is reused.
    sci_bits: Vec<u8>,
    block: Vec<u8>,
}

/// The grant of one period.
// TS 36.300 §23.10.3.0
struct Current {
    address: super::super::stack::Waiting,
    resource: SharedResource,
    grant: Grant,
    modulation: Modulation,
    sci: Format0,
    filled: bool,
    /// The SCI was sent in this period: without it no receiver can decode the blocks.
    announced: bool,
    blocks: u64,
}

impl Communication {
    /// Makes a planner for each pool in which a block fits.
    pub(crate) fn all(pools: Vec<CommunicationSettings>, numerology: Numerology) -> Vec<Self> {
        let of = |settings: CommunicationSettings| {
            let numerology = numerology.with_cp(settings.data_cp);
            Self::new(settings, numerology)
        };
        pools.into_iter().filter_map(of).collect()
    }

    /// Makes a planner without a grant. `None` when no block of this MCS fits the pool.
    pub fn new(settings: CommunicationSettings, numerology: Numerology) -> Option<Self> {
        let widest = settings.prbs.min(settings.draw.widest());
        let sizes: Vec<_> = (1..=widest)
            .filter(|&len| is_precoding_size(len))
            .filter_map(|len| {
                Some((
                    len,
                    grant(PrbRange { start: 0, len }, settings.mcs, 0).size(SidelinkMode::D2d).ok()?.1 / 8,
                ))
            })
            .filter(|(_, octets)| *octets > 2 * HEADERS)
            .collect();
        (!sizes.is_empty()).then_some(Self {
            control: settings.pool.control_subframes(),
            settings,
            numerology,
            current: None,
            sci_bits: Vec::with_capacity(MAX_BITS),
            block: Vec::with_capacity(sizes.iter().fold(0, |most, (_, octets)| most.max(*octets))),
            sizes,
        })
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
        let count = Clock::dfn(t).count();
        let Some(into) = self.settings.pool.into_period(count) else { return };
        if into == 0 {
            // TS 36.321 §5.14.1.1 (8)
            self.begin(stack, air_rng);
        }
        let Self { current: Some(current), sci_bits, block, .. } = self else { return };
        // TS 36.213 §14.2.1 mode 2 (1)
        for (_, prb) in current.resource.control.iter().filter(|(subframe, _)| *subframe == into) {
            let content = Content::Sci {
                fields: SciFields::Format0(current.sci),
                bits: spare.copy(sci_bits),
                prb: *prb,
                n_cs: 0,
                crc16: CRC16.bits(sci_bits) as u16,
            };
            current.announced = true;
            out.push(Transmission { cp: self.settings.control_cp, amplitude: 1.0, content });
        }
        let Some(i) = current.resource.data.iter().position(|(subframe, _)| *subframe == into) else {
            return;
        };
        // TS 36.213 §14.1.1 (1); TS 36.321 §5.14.1.2.1 (3)
        let repetition = i % REDUNDANCY_VERSIONS.len();
        if repetition == 0 {
            // TS 36.321 §5.14.1.2.1 (2)
            current.filled = current.announced && stack.fill(current.address.address, block, tell);
            current.blocks += u64::from(current.filled);
        }
        if current.filled {
            // TS 36.211 §9.2.4 (1)
            let n_ssf = (current.resource.data[i].1 % 10) as u8;
            let grant = Grant { n_ssf, rv: REDUNDANCY_VERSIONS[repetition], ..current.grant };
            let (modulation, block) = (current.modulation, spare.copy(block));
            let content = Content::SlSch { grant, modulation, block, number: current.blocks - 1 };
            out.push(Transmission { cp: self.settings.data_cp, amplitude: 1.0, content });
        }
    }

    /// Whether subframe `t` may carry PSCCH of the pool.
    pub(super) fn is_control(&self, t: u64) -> bool {
        let count = Clock::dfn(t).count();
        let into = self.settings.pool.into_period(count);
        into.is_some_and(|into| self.control.contains(&into))
    }

    /// Skips subframe `t`. If it is the first of a period, the period has no grant; if it would have carried the first
    /// transmission of a block, the repetitions of the block are not sent either, so that the data stay queued.
    pub(super) fn skip(&mut self, t: u64) {
        let count = Clock::dfn(t).count();
        let Some(into) = self.settings.pool.into_period(count) else { return };
        if into == 0 {
            self.current = None;
        }
        let Some(current) = &mut self.current else { return };
        let at = current.resource.data.iter().position(|(subframe, _)| *subframe == into);
        if at.is_some_and(|i| i % REDUNDANCY_VERSIONS.len() == 0) {
            current.filled = false;
        }
    }

    /// Draws a grant if data is queued: the narrowest that carries all of it in this period, or else the widest.
    // TS 36.321 §5.14.1.1 (3)
    fn begin(&mut self, stack: &Stack, air_rng: &mut AirRng) {
        self.current = stack.waiting().and_then(|waiting| {
            let settings = &self.settings;
            let time = settings.draw.draw_time(air_rng)?;
            let blocks = time.data.len() / REDUNDANCY_VERSIONS.len();
            let enough = |blocks: usize| {
                let fits = |octets: usize| octets.saturating_sub(HEADERS) * blocks >= waiting.octets;
                self.sizes.iter().find(|(_, octets)| fits(*octets))
            };
            // As few blocks as possible, each as narrow as possible.
            let &(len, octets) = (1..=blocks).find_map(enough).or(self.sizes.last())?;
            let resource = settings.draw.draw_place(time, len, air_rng)?;
            // TS 36.211 §9.3.1 (2)
            let group = waiting.group_destination();
            let grant = grant(resource.prbs, settings.mcs, group);
            let (modulation, _) = grant.size(SidelinkMode::D2d).ok()?;
            let bandwidth = self.numerology.bandwidth();
            let sci = Format0 {
                hopping: false,
                // TS 36.211 §9.3.6 (4)
                rb_assignment: riv_encode(bandwidth.prbs(), resource.prbs.start, len)? as u16,
                trp: resource.trp,
                mcs: settings.mcs,
                // TS 36.213 §14.2.1 mode 2 (2)
                timing_advance: 0,
                group_destination: group,
            };
            self.sci_bits.clear();
            self.sci_bits.resize(Format0::bits(bandwidth), 0);
            sci.emit(bandwidth, &mut self.sci_bits).ok()?;
            self.block.clear();
            self.block.resize(octets, 0);
            Some(Current {
                address: waiting,
                resource,
                grant,
                modulation,
                sci,
                filled: false,
                announced: false,
                blocks: 0,
            })
        });
    }
}

fn grant(prbs: PrbRange, mcs: u8, group: u8) -> Grant {
    Grant { prbs, mcs, rv: 0, n_id: u16::from(group), n_ssf: 0, transmission_format: false }
}
