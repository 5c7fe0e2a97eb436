//! What is learnt of a discovery pool that nobody told: which transmissions are of one message, and the pool itself.

use crate::channel::psdch::MESSAGE_BYTES;
use crate::pool::DiscoveryPool;
use crate::pool::infer::{Clock, DiscoveryFit, DiscoveryLearner, DiscoverySighting};
use crate::receive::learn::{Evidence, Learnt, Open, OpenValue, Part};
use crate::units::DfnSubframe;

/// Messages whose transmissions are waited for at a time.
const MESSAGES: usize = 64;

/// Subframes within which all transmissions of a message come, when the pool is not known.
const WINDOW: u64 = 320;

/// Messages outside of a pool that is believed, after which it is given up.
const CONTRADICTING_MESSAGES: u32 = 3;

/// Messages without any pool that agrees with them, after which everything is forgotten: something was wrong among them.
const PATIENCE: u64 = 1000;

/// Subframes between one try to find the pool and the next.
const BETWEEN_FITS: u64 = 40;

/// One subframe in so many is searched whole beside a pool that is believed. A prime: every subframe of the period has its
/// turn.
const AUDIT: u64 = 37;

/// Subframes after the last one of a pool that is believed, in which messages are looked for as well: of the pool only what
/// was in use is known.
const BEYOND: usize = 40;

/// Periods without a message in the pool, after which every subframe is searched whole again.
const IDLE_PERIODS: u64 = 4;

/// A message of which not all transmissions have come.
struct Message {
    bytes: [u8; MESSAGE_BYTES],
    last: u64,
    transmission: u8,
    places: [Option<usize>; 4],
}

pub(super) struct Learning {
    learner: DiscoveryLearner,
    /// The subframe count of DFN time of capture subframe 0.
    zero: Option<u32>,
    believed: Option<DiscoveryFit>,
    messages: Vec<Message>,
    contradicting: u32,
    contradictions: u64,
    last_inside: u64,
    fit_after: u64,
    fitted: u64,
}

impl Learning {
    pub(super) fn new(carrier_prbs: usize) -> Self {
        Self {
            learner: DiscoveryLearner::new(carrier_prbs),
            zero: None,
            believed: None,
            messages: Vec::with_capacity(MESSAGES),
            contradicting: 0,
            contradictions: 0,
            last_inside: 0,
            fit_after: 0,
            fitted: 0,
        }
    }

    /// Note what the time is in capture subframe `k`. A time that jumps makes everything that was learnt worthless.
    pub(super) fn set_time(&mut self, k: u64, time: Option<DfnSubframe>) {
        let zero = time.map(|t| t.count_of_capture_start(k));
        if zero != self.zero {
            self.zero = zero;
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.learner.restart(if self.zero.is_some() { Clock::Dfn } else { Clock::Capture });
        self.believed = None;
        (self.contradicting, self.fitted) = (0, 0);
    }

    fn count(&self, k: u64) -> u64 {
        k + self.zero.unwrap_or(0) as u64
    }

    /// Subframe of the believed period that capture subframe `k` is.
    pub(super) fn phase(&self, k: u64) -> Option<usize> {
        Some(self.believed?.phase(self.learner.clock(), self.count(k)))
    }

    /// Whether messages are looked for outside of the believed pool too.
    pub(super) fn is_audited(&self, k: u64) -> bool {
        self.believed.is_none_or(|fit| {
            let known = fit.bitmap.0 * fit.repetitions as usize;
            let is_near = self.phase(k).is_some_and(|into| into < known + BEYOND);
            let is_idle = k.saturating_sub(self.last_inside) > IDLE_PERIODS * fit.period as u64;
            is_near || is_idle || k.is_multiple_of(AUDIT)
        })
    }

    /// Take in a message that has decoded outside of the believed pool, or without one, from transmission number
    /// `transmission` alone. `true` when it was not seen before.
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
        self.learner.transmission(DiscoverySighting { subframe: self.count(k), transmission, is_new });
        if self.believed.is_some() && is_new {
            self.contradicting += 1;
            self.contradictions += 1;
        }
        is_new
    }

    /// Take in a message that has decoded in the pool that is believed or told, whose first transmission was in capture
    /// subframe `first`. `true` when it was not seen before.
    pub(super) fn inside(
        &mut self,
        (first, k): (u64, u64),
        bytes: &[u8; MESSAGE_BYTES],
        transmission: u8,
        places: [Option<usize>; 4],
    ) -> bool {
        // it may have been seen before the pool was known
        let seen = self.messages.iter().any(|m| m.bytes == *bytes && (first..k).contains(&m.last));
        self.message(k, bytes, transmission);
        self.last_inside = k;
        self.learner.places(places);
        self.learner.transmission(DiscoverySighting { subframe: self.count(k), transmission, is_new: !seen });
        !seen
    }

    /// The message that a transmission is of, and whether it is the first.
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

    /// Believe a pool or give it up, after subframe `k`. Returns one that is believed from now on.
    pub(super) fn judge(&mut self, k: u64) -> Option<DiscoveryFit> {
        if self.contradicting >= CONTRADICTING_MESSAGES {
            (self.believed, self.contradicting) = (None, 0);
        }
        let messages = self.learner.messages();
        if self.believed.is_some() || k < self.fit_after || messages == self.fitted {
            return None;
        }
        (self.fit_after, self.fitted) = (k + BETWEEN_FITS, messages);
        // while more subframes turn up, none is left out
        let fit = self.learner.fit().filter(|fit| fit.is_complete);
        if fit.is_some() {
            (self.believed, self.last_inside) = (fit, k);
        } else if messages > PATIENCE {
            self.restart();
        }
        fit
    }

    /// The pool as it is known now, with what was seen since it was believed. Allocates.
    pub(super) fn learnt(&mut self) -> Option<Learnt<DiscoveryPool>> {
        let fit = self.learner.fit().or(self.believed)?;
        let timed = self.zero.is_some();
        let mut open = vec![Open { part: Part::Bitmap, value: OpenValue::Seen }];
        if !fit.is_prbs_exact {
            open.push(Open { part: Part::Prbs, value: OpenValue::Most });
        }
        if !timed {
            open.push(Open { part: Part::Offset, value: OpenValue::Default });
        }
        let (control, blocks) = fit.agreeing;
        let contradictions = fit.contradictions + self.contradictions;
        Some(Learnt { pool: fit.pool(), evidence: Evidence { control, blocks, contradictions, timed, open } })
    }
}
