//! Learning of a discovery pool that was not configured: the assignment of transmissions to messages, and the pool
//! itself.

use super::super::belief::Belief;
use crate::channel::psdch::MESSAGE_BYTES;
use crate::pool::DiscoveryPool;
use crate::pool::infer::{DiscoveryFit, DiscoveryLearner, DiscoverySighting};
use crate::receive::learn::{Evidence, Learnt, Open, OpenValue, Part};
use crate::units::DfnSubframe;

/// Largest number of messages with pending transmissions.
const MESSAGES: usize = 64;

/// Subframes within which all transmissions of a message come, when the pool is not known.
const WINDOW: u64 = 320;

/// Messages without any pool that agrees with them, after which everything is forgotten: some of them were wrong.
const PATIENCE: u64 = 1000;

/// Subframes between two tries to find the pool.
const BETWEEN_FITS: u64 = 40;

/// One of this many subframes is searched completely beside an accepted pool. A prime: every subframe of the period is
/// searched in turn.
const AUDIT: u64 = 37;

/// Subframes after the last one of an accepted pool in which messages are searched as well: only the used part of the
/// pool is known.
const BEYOND: usize = 40;

/// A message with pending transmissions.
struct Message {
    bytes: [u8; MESSAGE_BYTES],
    last: u64,
    transmission: u8,
    places: [Option<usize>; 4],
}

pub(super) struct Learning {
    learner: DiscoveryLearner,
    belief: Belief<DiscoveryFit>,
    messages: Vec<Message>,
}

impl Learning {
    pub(super) fn new(carrier_prbs: usize) -> Self {
        Self {
            learner: DiscoveryLearner::new(carrier_prbs),
            belief: Belief::new(BETWEEN_FITS),
            messages: Vec::with_capacity(MESSAGES),
        }
    }

    /// Updates the time in capture subframe `k`. A jump invalidates everything that was learnt.
    pub(super) fn set_time(&mut self, k: u64, time: Option<DfnSubframe>) {
        if self.belief.set_time(k, time) {
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.learner.restart(self.belief.clock());
        self.belief.restart();
    }

    /// Returns the subframe of the accepted period for capture subframe `k`.
    pub(super) fn phase(&self, k: u64) -> Option<usize> {
        Some(self.belief.pool()?.phase(self.learner.clock(), self.belief.count(k)))
    }

    /// Whether messages are searched outside of the accepted pool too.
    pub(super) fn is_audited(&self, k: u64) -> bool {
        self.belief.pool().is_none_or(|fit| {
            let known = fit.bitmap.0 * fit.repetitions as usize;
            let is_near = self.phase(k).is_some_and(|into| into < known + BEYOND);
            is_near || self.belief.is_idle(k, fit.period) || k.is_multiple_of(AUDIT)
        })
    }

    /// Adds a message that has decoded outside of the accepted pool, or without one, from transmission number
    /// `transmission` alone. Returns `true` when it is new.
    pub(super) fn outside(
        &mut self,
        k: u64,
        bytes: &[u8; MESSAGE_BYTES],
        transmission: u8,
        prb: usize,
    ) -> bool {
        let (message, is_new) = self.message(k, bytes, transmission);
        message.places[transmission as usize & 3] = Some(prb);
        let places = message.places;
        self.learner.places(places);
        self.learner.transmission(DiscoverySighting { subframe: self.belief.count(k), transmission, is_new });
        if is_new {
            self.belief.contradict();
        }
        is_new
    }

    /// Adds a message that has decoded in the accepted or configured pool, whose first transmission was in capture
    /// subframe `first`. Returns `true` when it is new.
    pub(super) fn inside(
        &mut self,
        (first, k): (u64, u64),
        bytes: &[u8; MESSAGE_BYTES],
        transmission: u8,
        places: [Option<usize>; 4],
    ) -> bool {
        // it may have been received before the pool was known
        let seen = self.messages.iter().any(|m| m.bytes == *bytes && (first..k).contains(&m.last));
        self.message(k, bytes, transmission);
        self.belief.agree(k);
        self.learner.places(places);
        self.learner.transmission(DiscoverySighting {
            subframe: self.belief.count(k),
            transmission,
            is_new: !seen,
        });
        !seen
    }

    /// Returns the message of a transmission, and whether it is the first.
    fn message(&mut self, k: u64, bytes: &[u8; MESSAGE_BYTES], transmission: u8) -> (&mut Message, bool) {
        self.messages.retain(|m| k - m.last <= WINDOW);
        let known = self.messages.iter().position(|m| m.bytes == *bytes && m.transmission < transmission);
        let at = known.unwrap_or_else(|| {
            self.messages.retain(|m| m.bytes != *bytes);
            if self.messages.len() == MESSAGES {
                self.messages.remove(0);
            }
            self.messages.push(Message { bytes: *bytes, last: k, transmission, places: [None; 4] });
            self.messages.len() - 1
        });
        let message = &mut self.messages[at];
        (message.last, message.transmission) = (k, transmission);
        (message, known.is_none())
    }

    /// Accepts or drops a pool, after subframe `k`. Returns one that is accepted from now on.
    pub(super) fn judge(&mut self, k: u64) -> Option<DiscoveryFit> {
        self.belief.review();
        let messages = self.learner.messages();
        if !self.belief.is_due(k, messages) {
            return None;
        }
        // while new subframes turn up, the pool is not accepted
        let fit = self.learner.fit().filter(|fit| fit.is_complete);
        if let Some(fit) = fit {
            self.belief.believe(k, fit);
        } else if messages > PATIENCE {
            self.restart();
        }
        fit
    }

    /// Returns the pool as known now, with the observations since its acceptance. Allocates.
    pub(super) fn learnt(&mut self) -> Option<Learnt<DiscoveryPool>> {
        let fit = self.learner.fit().or(self.belief.pool())?;
        let timed = self.belief.is_timed();
        let mut open = vec![Open { part: Part::Bitmap, value: OpenValue::Seen }];
        if !fit.is_prbs_exact {
            open.push(Open { part: Part::Prbs, value: OpenValue::Most });
        }
        if !timed {
            open.push(Open { part: Part::Offset, value: OpenValue::Default });
        }
        let (control, blocks) = fit.agreeing;
        let contradictions = fit.contradictions + self.belief.contradictions();
        Some(Learnt { pool: fit.pool(), evidence: Evidence { control, blocks, contradictions, timed, open } })
    }
}
