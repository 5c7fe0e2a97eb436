//! Collisions in modes 3 and 4: SCIs and blocks that were decoded are subtracted, and what they hid is received.

use super::blocks::Delivered;
use super::{Attempt, Heard, MOST_HEARD, V2x};
use crate::channel::pscch;
use crate::receive::cancel::{Explained, LAYERS, OpenPlaces, is_left, may_hide};
use crate::receive::receiver::event::{ControlInformation, Event, Undelivered};
use crate::receive::receiver::front::{Front, View};
use crate::sci::Format1;
use crate::units::{CyclicPrefix, DfnSubframe, PrbRange, SidelinkMode};

/// The only cyclic prefix of modes 3 and 4.
const CP: CyclicPrefix = CyclicPrefix::Normal;

/// Subtractions in the present subframe.
pub(super) struct Collisions {
    /// Place of each, and the SCI that it belongs to.
    subtracted: Vec<(usize, PrbRange)>,
    /// Blocks among them, and the SCI that each belongs to.
    blocks: Vec<(usize, Delivered)>,
    /// Whether a PSCCH may begin at a PRB of what is left.
    open: OpenPlaces,
}

impl Collisions {
    pub(super) fn new(carrier_prbs: usize) -> Self {
        Self {
            subtracted: Vec::with_capacity(2 * MOST_HEARD * carrier_prbs),
            blocks: Vec::with_capacity(MOST_HEARD * carrier_prbs),
            open: OpenPlaces::new(carrier_prbs),
        }
    }

    pub(super) fn clear(&mut self) {
        self.subtracted.clear();
        self.blocks.clear();
    }

    pub(super) fn is_open(&self, prb: usize) -> bool {
        self.open.has(prb)
    }

    fn note(&mut self, heard: usize, prbs: PrbRange) {
        if self.subtracted.len() < self.subtracted.capacity() {
            self.subtracted.push((heard, prbs));
        }
    }

    /// Opens the places of the subtractions from number `from` on at which more is left than noise.
    fn open(&mut self, from: usize, front: &mut Front) {
        let prbs = self.subtracted[from..].iter().map(|&(_, prbs)| prbs);
        self.open.find(prbs, pscch::prbs(SidelinkMode::V2x), front.left_mut(CP));
    }
}

impl V2x {
    /// Subtracts every PSCCH from number `from` on that may hide another.
    pub(super) fn contest(&mut self, from: usize, front: &mut Front) {
        for i in from..self.heard.len() {
            let heard = self.heard[i];
            let prbs = control_of(&heard);
            if may_hide(&heard.measurement, Explained::ByNoiseAndOffset, heard.excess, prbs, front.grid(CP))
                && self.control.control(
                    &heard.bits,
                    (heard.prb, heard.cyclic_shift),
                    &heard.measurement,
                    front.left_mut(CP),
                )
            {
                self.heard[i].is_contested = true;
                self.collisions.note(i, prbs);
            }
        }
    }

    /// Subtracts a block that may hide another.
    pub(super) fn subtract_block(&mut self, i: usize, delivered: &Delivered, front: &mut Front) {
        let prbs = delivered.grant.prbs;
        let measurement = delivered.measured(front.common_cfo());
        if may_hide(&measurement, Explained::ByNoise, delivered.excess, prbs, front.grid(CP))
            && self.shared.shared(
                self.blocks.block(delivered),
                &delivered.grant,
                &measurement,
                front.left_mut(CP),
            )
        {
            self.collisions.note(i, prbs);
            if self.collisions.blocks.len() < self.collisions.blocks.capacity() {
                self.collisions.blocks.push((i, *delivered));
            }
        }
    }

    /// Whether the block of an SCI may come when other transmissions are subtracted.
    pub(super) fn may_come(&self, i: usize, undelivered: Undelivered) -> bool {
        let may_be_hidden = matches!(
            undelivered,
            Undelivered::CrcFailed
                | Undelivered::AwaitsRetransmission
                | Undelivered::TooNoisy
                | Undelivered::Absent
        );
        if !may_be_hidden {
            return false;
        }
        let own = self.span(&self.heard[i]);
        let overlaps = |(j, other): (usize, &Heard)| j != i && self.span(other).overlaps(own);
        self.heard[i].is_contested || self.heard.iter().enumerate().any(overlaps)
    }

    /// Returns the PRBs of an SCI and of its block, as the first pool has it that explains the SCI.
    fn span(&self, heard: &Heard) -> PrbRange {
        let control = control_of(heard);
        let told = self.told.iter().map(|told| &told.pool);
        let pools = told.chain(self.learner.believed().iter().map(|pool| &pool.pool));
        let data = pools.filter_map(|pool| {
            let own = pool.control_index(heard.prb)?;
            let (_, len) = Format1::parse(pool.num, &heard.bits).ok()?.allocation(pool.num).ok()?;
            pool.data(own, len)
        });
        data.take(1).fold(control, |control, data| {
            let (start, end) = (control.start.min(data.start), control.end().max(data.end()));
            PrbRange { start, len: end - start }
        })
    }

    /// Receives what the transmissions hid that were subtracted, and reports it with the SCIs that waited for it.
    pub(super) fn receive_hidden(
        &mut self,
        k: u64,
        time: Option<DfnSubframe>,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let (mut from, mut twins) = (0, 0);
        for layer in 1..LAYERS {
            if self.collisions.subtracted.len() == from {
                break;
            }
            front.show(View::Left);
            // those of this layer have their turn in the next
            let blocks = self.collisions.blocks.len();
            self.collisions.open(from, front);
            let first = from;
            from = self.collisions.subtracted.len();
            let known = self.heard.len();
            self.control(k, layer, front);
            self.contest(known, front);
            for i in known..self.heard.len() {
                self.receive(i, k, time, front, emit);
            }
            for i in 0..known {
                if self.heard[i].pending.is_some() && self.is_freed(i, first) {
                    self.heard[i].attempt = Attempt::Again;
                    self.receive(i, k, time, front, emit);
                }
            }
            for at in std::mem::replace(&mut twins, blocks)..blocks {
                self.receive_twin(at, (k, layer), front, emit);
            }
        }
        front.show(View::Received);
        let common = front.common_cfo();
        for heard in &mut self.heard {
            if let Some((sci, undelivered)) = heard.pending.take() {
                super::report(k, heard, sci, Some(undelivered), common, emit);
            }
        }
    }

    /// Receives another block with the SCI of block number `at`: two UEs with the same needs send the same SCI, of which
    /// only one is seen.
    fn receive_twin(
        &mut self,
        at: usize,
        (k, layer): (u64, u8),
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let (i, first) = self.collisions.blocks[at];
        if !is_left(first.grant.prbs, first.grant.prbs, front.left_mut(CP)) {
            return;
        }
        let mut heard = self.heard[i];
        heard.measurement.layer = layer;
        if let Some(delivered) = self.blocks.receive_twin(k, &heard, &first, front) {
            let information = ControlInformation::Format1(Some(first.announced.sci));
            self.blocks.emit(k, &delivered, information, emit);
            self.subtract_block(i, &delivered, front);
        }
    }

    /// Whether something was subtracted at the place of an SCI, from subtraction number `from` on, that was not its own.
    fn is_freed(&self, i: usize, from: usize) -> bool {
        let own = self.span(&self.heard[i]);
        self.collisions.subtracted[from..].iter().any(|&(j, prbs)| j != i && prbs.overlaps(own))
    }
}

fn control_of(heard: &Heard) -> PrbRange {
    PrbRange { start: heard.prb, len: pscch::prbs(SidelinkMode::V2x) }
}
