//! Collisions in discovery: messages that were decoded are subtracted, and what they hid is received.
//!
//! The reference signals of PSDCH are the same for all UEs: two of them at one place look like one whose data are worse
//! than its reference signals promise.

use super::{By, Chain, Discovery, Now, report};
use crate::channel::layout::Layout;
use crate::channel::psdch::{self, MESSAGE_BYTES};
use crate::receive::cancel::is_left;
use crate::receive::estimate::Measurement;
use crate::receive::receiver::event::Event;
use crate::receive::receiver::front::{Front, View};
use crate::units::{PrbRange, SidelinkMode};

/// A message that may hide another.
#[derive(Clone, Copy)]
pub(super) struct Decoded {
    /// Number of its slot.
    pub(super) a: usize,
    pub(super) prb: usize,
    pub(super) rv: u8,
    pub(super) message: [u8; MESSAGE_BYTES],
    pub(super) measurement: Measurement,
}

impl Decoded {
    fn place(&self) -> PrbRange {
        PrbRange { start: self.prb, len: psdch::PRBS }
    }
}

impl Discovery {
    /// Subtracts the decoded messages, and shows what is left.
    fn subtract(&mut self, front: &mut Front) {
        let Self { canceller, decoded, cp, .. } = self;
        decoded.retain(|d| {
            canceller.discovery(&d.message, (d.prb, d.rv), &d.measurement, front.left_mut(*cp))
                && is_left(d.place(), d.place(), front.left_mut(*cp))
        });
        front.show(View::Left);
    }

    /// Receives what the messages of a pool's resources hid, each in a slot of its own: two UEs that drew the same
    /// resource collide in all of its transmissions.
    pub(super) fn scheduled_below(
        &mut self,
        by: By,
        now: Now,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        self.subtract(front);
        let Self { told, learnt, learning, decoded, .. } = self;
        let schedule = match (by, told) {
            (By::Told, Some(told)) => told,
            _ => learnt,
        };
        let now = Now { layer: 1, ..now };
        for d in &*decoded {
            let Some(slot) = schedule.below.get_mut(d.a) else { continue };
            let mut chain = Chain {
                presence: &mut self.presence,
                decoder: &mut self.decoder,
                canceller: &mut self.canceller,
                alone: &mut self.blind,
                layout: Layout::shared(SidelinkMode::D2d, self.cp),
                threshold: self.threshold,
                max_cfo: self.max_cfo,
                rv: d.rv,
            };
            let mut message = [0; MESSAGE_BYTES];
            let grids = front.grid(self.cp);
            let received = chain.receive(slot, grids, d.prb, &mut message);
            if let Some(received) = received.filter(|_| message != d.message) {
                report(slot, learning, &now, (d.prb, &message, &received), emit);
            }
        }
        front.show(View::Received);
    }

    /// Searches what messages hid that were found without a pool.
    pub(super) fn search_below(
        &mut self,
        phase: Option<usize>,
        now: Now,
        front: &mut Front,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        self.subtract(front);
        let now = Now { layer: 1, ..now };
        for at in 0..self.decoded.len() {
            self.search_at(self.decoded[at].prb, phase, &now, front, emit);
        }
        front.show(View::Received);
    }
}
