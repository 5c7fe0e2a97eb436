//! Collisions in modes 1 and 2: SCIs and blocks that were decoded are subtracted, and what they hid is received.

use super::super::credible;
use super::super::event::{ControlInformation, Event, SharedBlock};
use super::super::front::{Front, View, with_common};
use super::{D2d, GRANTS, sent_elements, tolerance};
use crate::channel::layout::Layout;
use crate::channel::pscch;
use crate::channel::pssch::Grant;
use crate::coding::crc::CRC24A;
use crate::receive::cancel::{Explained, LAYERS, OpenPlaces, is_left, may_hide};
use crate::receive::estimate::Measurement;
use crate::sequence::dmrs::Dmrs;
use crate::units::{Hertz, PrbRange, SidelinkMode};

/// Subtractions in the present subframe.
pub(super) struct Hidden {
    /// Blocks that were subtracted.
    blocks: Vec<Subtracted>,
    /// PSCCHs that were subtracted.
    control: Vec<PrbRange>,
    open: OpenPlaces,
    /// The block that was reported last.
    last: Option<Reported>,
}

/// A block that was subtracted.
#[derive(Clone, Copy)]
struct Subtracted {
    /// Number of its tracked SCI.
    tracked: usize,
    grant: Grant,
    /// CRC of the block.
    content: u32,
}

/// A block that was reported.
#[derive(Clone, Copy)]
struct Reported {
    tracked: usize,
    grant: Grant,
    octets: usize,
    /// On the common grid.
    measurement: Measurement,
    excess: f32,
}

impl Hidden {
    pub(super) fn new(carrier_prbs: usize) -> Self {
        Self {
            blocks: Vec::with_capacity(GRANTS),
            control: Vec::with_capacity(carrier_prbs),
            open: OpenPlaces::new(carrier_prbs),
            last: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        self.control.clear();
        self.last = None;
    }

    /// Whether a PSCCH may begin at `prb` of what is left.
    pub(super) fn is_open(&self, prb: usize) -> bool {
        self.open.has(prb)
    }

    /// Whether a block is one that was subtracted at this place: then its subtraction was poor.
    pub(super) fn is_known(&self, grant: &Grant, block: &[u8]) -> bool {
        let here = |s: &&Subtracted| s.grant.n_id == grant.n_id && s.grant.prbs == grant.prbs;
        self.blocks.iter().filter(here).any(|s| s.content == CRC24A.bytes(block))
    }

    /// Takes a block that is reported now.
    pub(super) fn note(
        &mut self,
        tracked: usize,
        grant: &Grant,
        block: &[u8],
        measurement: Measurement,
        excess: f32,
    ) {
        self.last = Some(Reported { tracked, grant: *grant, octets: block.len(), measurement, excess });
    }

    /// Returns the number of blocks from number `from` on that were subtracted on some of `prbs`.
    fn subtracted_on(&self, prbs: PrbRange, from: usize) -> u8 {
        self.blocks[from..].iter().filter(|s| s.grant.prbs.overlaps(prbs)).count().min(255) as u8
    }
}

impl D2d {
    /// Subtracts every PSCCH from number `from` on that may hide another, and finds the places to search again. Returns
    /// whether there are any.
    pub(super) fn contest(&mut self, from: usize, front: &mut Front) -> bool {
        let Self { heard, hidden, search, control_canceller, control_cp, .. } = self;
        hidden.control.clear();
        for heard in &heard[from..] {
            let prbs = PrbRange { start: heard.prb, len: pscch::prbs(SidelinkMode::D2d) };
            let grids = front.grid(*control_cp);
            if may_hide(&heard.measurement, Explained::ByNoise, heard.excess, prbs, grids)
                && control_canceller.control(
                    &heard.bits[..search.bits()],
                    (heard.prb, 0),
                    &heard.measurement,
                    front.left_mut(*control_cp),
                )
            {
                hidden.control.push(prbs);
            }
        }
        if hidden.control.is_empty() {
            return false;
        }
        front.show(View::Left);
        hidden.open.find(hidden.control.iter().copied(), 1, front.left_mut(*control_cp));
        true
    }

    /// Subtracts the block that was reported last, if it may hide another.
    pub(super) fn subtract_block(&mut self, front: &mut Front) {
        let Some(last) = self.hidden.last.take() else { return };
        let block = &self.block[..last.octets];
        let (grant, prbs) = (last.grant, last.grant.prbs);
        let grids = front.grid(self.cp);
        if self.hidden.blocks.len() == GRANTS
            || !may_hide(&last.measurement, Explained::ByNoise, last.excess, prbs, grids)
            || !self.shared_canceller.shared(block, &grant, &last.measurement, front.left_mut(self.cp))
            || !is_left(prbs, prbs, front.left_mut(self.cp))
        {
            return;
        }
        // another SCI with the same identity may have its block here after all
        self.taken.retain(|&taken| taken != (grant.n_id, prbs));
        let content = CRC24A.bytes(block);
        self.hidden.blocks.push(Subtracted { tracked: last.tracked, grant, content });
    }

    /// Shows what is left where a tracked SCI has its block, if something was subtracted there. Returns the number of
    /// blocks that were.
    pub(super) fn uncover(&self, i: usize, front: &mut Front) -> u8 {
        let layer = self.hidden.subtracted_on(self.place(i), 0);
        front.show(if layer > 0 { View::Left } else { View::Received });
        layer
    }

    fn place(&self, i: usize) -> PrbRange {
        let g = &self.grants[i];
        let carrier = PrbRange { start: 0, len: self.numerology.bandwidth().prbs() };
        if g.hopping.is_some() { carrier } else { g.prbs }
    }

    /// Receives what the blocks hid that were subtracted.
    pub(super) fn receive_hidden(&mut self, k: u64, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let mut from = 0;
        for _ in 1..LAYERS {
            let until = self.hidden.blocks.len();
            if until == from {
                break;
            }
            for at in 0..self.order.len() {
                let i = self.order[at];
                if self.grants[i].decoded != Some(k) && self.hidden.subtracted_on(self.place(i), from) > 0 {
                    let layer = self.uncover(i, front);
                    self.receive(i, k, layer, front, emit);
                    self.subtract_block(front);
                }
            }
            for at in from..until {
                self.receive_twin(at, k, front, emit);
            }
            from = until;
        }
        front.show(View::Received);
    }

    /// Receives another block with the SCI of a subtracted one: two UEs of a group may send the same SCI, of which only
    /// one is seen. One transmission alone: those before were not kept.
    fn receive_twin(&mut self, at: usize, k: u64, front: &mut Front, emit: &mut dyn FnMut(Event<'_>)) {
        let Subtracted { tracked, grant, .. } = self.hidden.blocks[at];
        let prbs = grant.prbs;
        if !is_left(prbs, prbs, front.left_mut(self.cp)) {
            return;
        }
        let layer = self.uncover(tracked, front);
        let common = front.common_cfo();
        let g = &mut self.grants[tracked];
        let (grids, near) = front.grid_for(self.cp, g.cfo, tolerance(g.modulation), prbs);
        let layout = Layout::shared(SidelinkMode::D2d, self.cp);
        let dmrs = Dmrs::pssch(grant.n_id, grant.n_ssf, SidelinkMode::D2d);
        let share = self.presence.wide(grids, prbs.first_subcarrier(), prbs.subcarriers(), layout, &dmrs);
        if share < self.tuning.shared || self.single.start(g.size).is_err() {
            return;
        }
        let Ok(received) = self.shared.receive(grids, &grant, near, &mut self.single) else { return };
        let block = &mut self.block[..g.size / 8];
        if self.shared.decode(&mut self.single, block).is_none() || credible::is_constant(block) {
            return;
        }
        let least = credible::least_snr(g.size, sent_elements(prbs, self.cp));
        if credible::check(block, received.measurement.ratio(), least, || 1.0).is_err()
            || self.hidden.is_known(&grant, block)
        {
            return;
        }
        let content = Some(CRC24A.bytes(block));
        let measurement = Measurement { layer, ..received.measurement };
        let offset = Hertz::from(g.cfo.to_f32() - near.to_f32());
        self.hidden.note(tracked, &grant, block, with_common(measurement, offset), received.excess);
        emit(Event::SlSch(SharedBlock {
            subframe: k,
            rv: &[grant.rv],
            grant,
            information: ControlInformation::Format0(g.sci),
            block,
            repeat: std::mem::replace(&mut g.twin, content) == content,
            measurement: with_common(measurement, common + offset),
            evm_percent: received.evm_percent,
        }));
        self.subtract_block(front);
    }
}
