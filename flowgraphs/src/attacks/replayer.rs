//! A radio that records every subframe and replays it later: capability A2 of the proposals' digest. It holds no key,
//! decodes nothing, and copies samples: a replay is bit for bit the original.

use super::subframes::{Subframe, Subframes};
use crate::Sample;
use sidelink_phy::impair::measure::Levels;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::units::Decibel;
use sidelink_radio::{Anchor, RadioError, Transmit};
use sidelink_ue::{LatencyStats, Participant};
use std::collections::VecDeque;

/// Level above the quietest subframe from which one is kept: a few PRBs at 5 dB, and not noise alone, which the
/// samples of a subframe average to a tenth of a dB.
const ABOVE: Decibel = Decibel(0.8);

/// Largest number of subframes that are kept.
const MOST: usize = 4096;

/// Copies subframes and replays them after a delay.
pub struct Replayer {
    name: String,
    subframes: Subframes,
    /// Subframes between hearing and saying again: whole periods of every pool, so that the copy lies where it belongs.
    delay: u64,
    gain: f32,
    quietest: Decibel,
    kept: VecDeque<(u64, Vec<Sample>)>,
    spare: Vec<Vec<Sample>>,
    replayed: u64,
}

impl Replayer {
    /// Makes a replayer that knows the time by `anchor`. `gain` is relative to the received level.
    pub fn new(name: &str, numerology: Numerology, anchor: Anchor, delay: u64, gain: Decibel) -> Self {
        Self {
            name: name.to_owned(),
            subframes: Subframes::new(numerology, anchor),
            delay,
            gain: 10f32.powf(gain.to_f32() / 20.0),
            quietest: Decibel(f64::INFINITY),
            kept: VecDeque::with_capacity(MOST),
            spare: Vec::new(),
            replayed: 0,
        }
    }

    /// Limits the run to `subframes` subframes.
    pub fn set_duration(&mut self, subframes: u64) {
        self.subframes.set_duration(subframes);
    }

    /// Returns the number of replayed subframes.
    pub fn replayed(&self) -> u64 {
        self.replayed
    }

    fn subframe(&mut self, now: Subframe, radio: &mut dyn Transmit) -> Result<(), RadioError> {
        if let Some(samples) = self.subframes.samples(now) {
            let level = Levels::of(samples, 1.0).level();
            if level.0.is_finite() && level < self.quietest {
                self.quietest = level;
            }
            if level > self.quietest + ABOVE && self.kept.len() < MOST {
                let mut copy = self.spare.pop().unwrap_or_default();
                copy.clear();
                copy.extend(samples.iter().map(|s| s * self.gain));
                self.kept.push_back((now.t + self.delay, copy));
            }
        }
        let coming = now.coming();
        while self.kept.front().is_some_and(|(due, _)| *due <= coming) {
            let Some((due, copy)) = self.kept.pop_front() else { break };
            if due == coming {
                radio.transmit(self.subframes.start_of(coming), &copy)?;
                self.replayed += 1;
            }
            self.spare.push(copy);
        }
        radio.advance(self.subframes.start_of(coming + 1))
    }
}

impl Participant for Replayer {
    fn name(&self) -> &str {
        &self.name
    }

    fn subframe_samples(&self) -> usize {
        self.subframes.length()
    }

    fn first_promise(&self) -> u64 {
        self.subframes.first_promise()
    }

    fn process(
        &mut self,
        first: u64,
        samples: &[Sample],
        _newest: u64,
        radio: &mut dyn Transmit,
    ) -> Result<(), RadioError> {
        self.subframes.push(first, samples);
        while radio.poll_event().is_some() {}
        while let Some(now) = self.subframes.next() {
            self.subframe(now, radio)?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.subframes.is_over()
    }

    fn latency_stats(&mut self) -> Option<&mut LatencyStats> {
        None
    }
}
