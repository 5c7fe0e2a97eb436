//! A radio that records every subframe and replays it later: capability A2 of the proposals' digest. It holds no key,
//! decodes nothing, and copies samples: a replay is bit for bit the original.

use crate::Sample;
use sidelink_phy::impair::measure::Levels;
use sidelink_phy::numerology::Numerology;
use sidelink_radio::{Anchor, RadioError, Transmit};
use sidelink_ue::clock::Clock;
use sidelink_ue::{Continuity, Framer, LatencyStats, Participant};
use std::collections::VecDeque;

/// Level above the quietest subframe from which one is kept, in dB: a few PRBs at 5 dB, and not noise alone, which the
/// samples of a subframe average to a tenth of a dB.
const ABOVE_DB: f64 = 0.8;

/// Largest number of subframes that are kept.
const MOST: usize = 4096;

/// Copies subframes and replays them after a delay.
pub struct Replayer {
    name: String,
    numerology: Numerology,
    framer: Framer,
    clock: Clock,
    /// Subframes between reception and replay: whole periods of every pool, to put the copy into the right place.
    delay: u64,
    lead: u64,
    gain: f32,
    next: u64,
    duration: u64,
    received: u64,
    quietest_db: f64,
    kept: VecDeque<(u64, Vec<Sample>)>,
    spare: Vec<Vec<Sample>>,
    replayed: u64,
}

impl Replayer {
    /// Makes a replayer that knows the time by `anchor`. `gain_db` is relative to the received level.
    pub fn new(name: &str, numerology: Numerology, anchor: Anchor, delay: u64, gain_db: f64) -> Self {
        let clock = Clock::from_utc(numerology.sample_rate(), anchor);
        Self {
            name: name.to_owned(),
            numerology,
            framer: Framer::new(8 * numerology.subframe_samples()),
            next: clock.first_whole(0),
            clock,
            delay,
            lead: 4,
            gain: 10f32.powf(gain_db as f32 / 20.0),
            duration: u64::MAX,
            received: 0,
            quietest_db: f64::INFINITY,
            kept: VecDeque::with_capacity(MOST),
            spare: Vec::new(),
            replayed: 0,
        }
    }

    /// Limits the run to `subframes` subframes.
    pub fn set_duration(&mut self, subframes: u64) {
        self.duration = subframes;
    }

    /// Returns the number of replayed subframes.
    pub fn replayed(&self) -> u64 {
        self.replayed
    }

    fn subframe(&mut self, t: u64, start: i64, radio: &mut dyn Transmit) -> Result<(), RadioError> {
        let n = self.numerology.subframe_samples();
        self.received += 1;
        if let Some(samples) = self.framer.cut(start, n) {
            let power_db = Levels::of(samples, 1.0).power_db();
            if power_db.is_finite() {
                self.quietest_db = self.quietest_db.min(power_db);
            }
            if power_db > self.quietest_db + ABOVE_DB && self.kept.len() < MOST {
                let mut copy = self.spare.pop().unwrap_or_default();
                copy.clear();
                copy.extend(samples.iter().map(|s| s * self.gain));
                self.kept.push_back((t + self.delay, copy));
            }
        }
        let coming = t + self.lead;
        while self.kept.front().is_some_and(|(due, _)| *due <= coming) {
            let Some((due, copy)) = self.kept.pop_front() else { break };
            if due == coming {
                radio.transmit(self.clock.start_of(coming).round().max(0.0) as u64, &copy)?;
                self.replayed += 1;
            }
            self.spare.push(copy);
        }
        radio.advance(self.clock.start_of(coming + 1).round().max(0.0) as u64)
    }
}

impl Participant for Replayer {
    fn name(&self) -> &str {
        &self.name
    }

    fn subframe_samples(&self) -> usize {
        self.numerology.subframe_samples()
    }

    fn first_promise(&self) -> u64 {
        self.clock.start_of(self.next + self.lead).max(0.0) as u64
    }

    fn process(
        &mut self,
        first: u64,
        samples: &[Sample],
        _newest: u64,
        radio: &mut dyn Transmit,
    ) -> Result<(), RadioError> {
        if self.framer.push(first, samples) == Continuity::Break {
            self.next = self.next.max(self.clock.first_whole(first));
        }
        while radio.poll_event().is_some() {}
        let n = self.numerology.subframe_samples() as i64;
        loop {
            let start = self.clock.start_of(self.next).round() as i64;
            if start + n > self.framer.next() as i64 {
                self.framer.forget(start);
                return Ok(());
            }
            self.subframe(self.next, start, radio)?;
            self.next += 1;
        }
    }

    fn is_done(&self) -> bool {
        self.received >= self.duration
    }

    fn latency_stats(&mut self) -> Option<&mut LatencyStats> {
        None
    }
}
