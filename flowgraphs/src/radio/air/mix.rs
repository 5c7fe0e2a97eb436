//! What a port hears: everybody else through the path of the pair, and noise. Each receiver mixes for itself.
//!
//! The result for a sample number depends on the configuration and on what the others sent, and on nothing else: not on
//! who came first, how much is read at once, or how fast.

use super::config::PortConfig;
use super::medium::{Medium, State, Word};
use crate::Sample;
use crate::radio::RadioError;
use sidelink_phy::impair::addressed::{AddressedConfig, AddressedNoise, AddressedPath, SampleClock};
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;

/// Samples that are mixed at a time.
const CHUNK: usize = 1024;

/// The receiver of a port.
pub(super) struct Mixer {
    medium: Arc<Medium>,
    slot: usize,
    port: PortConfig,
    noise: AddressedNoise,
    links: Vec<Link>,
    /// State of comings and goings for which `links` holds.
    comings: Option<u64>,
    input: Vec<Sample>,
}

/// Another port and the path from it.
struct Link {
    slot: usize,
    generation: u64,
    name: String,
    path: AddressedPath,
}

/// Who has to act before more can be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// Samples before this one are known.
    pub(super) known: u64,
    /// The slot that says when more are, if any.
    pub(super) by: Option<usize>,
}

impl Mixer {
    pub(super) fn new(medium: Arc<Medium>, slot: usize, port: PortConfig) -> Self {
        let config = medium.config();
        let noise = AddressedNoise::new(config.noise_power(), config.port_seed(&port.name));
        Self {
            noise,
            slot,
            port,
            links: Vec::new(),
            comings: None,
            // Clocks differ by at most a thousandth; the filters look back and ahead.
            input: vec![Sample::default(); 2 * CHUNK + 64 + (config.rate.0 * 10e-6) as usize],
            medium,
        }
    }

    pub(super) fn clock(&self) -> SampleClock {
        SampleClock { start: self.medium.start(self.slot), drift_ppm: self.port.drift }
    }

    /// Look who is there. Allocates only when somebody came or left.
    pub(super) fn look(&mut self) -> Result<(), RadioError> {
        let comings = self.medium.comings();
        if self.comings == Some(comings) {
            return Ok(());
        }
        let medium = Arc::clone(&self.medium);
        let generation = |slot| medium.word(slot, Word::Generation).load(Acquire);
        self.links.retain(|l| medium.state(l.slot).is_heard() && generation(l.slot) == l.generation);
        for slot in medium.slots() {
            let known = self.links.iter().any(|l| l.slot == slot);
            if slot == self.slot || known || !medium.state(slot).is_heard() {
                continue;
            }
            let Some(other) = medium.port(slot) else { continue };
            if other.listen_only {
                continue;
            }
            let path = self.path_from(slot, &other)?;
            self.links.push(Link { slot, generation: generation(slot), name: other.name, path });
        }
        // Sums of floating-point numbers depend on their order.
        self.links.sort_by(|a, b| a.name.cmp(&b.name));
        self.comings = Some(comings);
        Ok(())
    }

    fn path_from(&self, slot: usize, other: &PortConfig) -> Result<AddressedPath, RadioError> {
        let config = self.medium.config();
        let (gain, flight) = config.between(&self.port, other);
        let path = AddressedConfig {
            gain_db: other.gain + gain,
            frequency_hz: other.cfo.0 - self.port.cfo.0,
            delay_samples: other.delay + flight,
            transmitter: SampleClock { start: self.medium.start(slot), drift_ppm: other.drift },
            receiver: self.clock(),
            channel: config.channel.0,
            seed: config.pair_seed(&self.port.name, &other.name),
        };
        AddressedPath::new(&path, config.rate.0).map_err(|e| {
            let what = format!("the path from {:?} to {:?}: {e}", other.name, self.port.name);
            RadioError::unusable(what, "mend gain, cfo, drift, delay, position or channel")
        })
    }

    /// What can be heard when everybody is waited for.
    pub(super) fn bound(&self) -> Bound {
        let mut bound = Bound { known: u64::MAX, by: None };
        if self.port.half_duplex {
            let own = self.medium.word(self.slot, Word::Horizon).load(Acquire);
            bound = Bound { known: own, by: Some(self.slot) };
        }
        for link in &self.links {
            let horizon = match self.medium.state(link.slot) {
                State::Running => self.medium.word(link.slot, Word::Horizon).load(Acquire),
                _ => u64::MAX,
            };
            if horizon != u64::MAX {
                let known = link.path.known_before(horizon as i64);
                if known < bound.known {
                    bound = Bound { known, by: Some(link.slot) };
                }
            }
        }
        bound
    }

    /// Whether there is anybody to listen to, or ever was one whose last words have not been heard at `first`.
    pub(super) fn is_company(&self, first: u64) -> bool {
        self.links.iter().any(|l| {
            let tail = self.medium.word(l.slot, Word::Tail).load(Acquire);
            self.medium.state(l.slot) == State::Running || l.path.reach(first, 1).start < tail as i64
        })
    }

    /// Whether anybody was ever there.
    pub(super) fn had_company(&self) -> bool {
        !self.links.is_empty()
    }

    /// The first sample that everybody's memory still holds, where `first` is already lost.
    pub(super) fn lost_before(&self, first: u64) -> Option<u64> {
        let ring = self.medium.ring() as i64;
        let mut lost = None;
        for link in &self.links {
            let tail = self.medium.word(link.slot, Word::Tail).load(Acquire) as i64;
            let missing = tail - ring - link.path.reach(first, 1).start;
            if missing > 0 {
                lost = lost.max(Some(first + missing as u64 + (ring / 8) as u64));
            }
        }
        lost
    }

    /// Fill `out` with the samples from `first` on.
    pub(super) fn mix(&mut self, first: u64, out: &mut [Sample]) {
        out.fill(Sample::default());
        for (i, part) in out.chunks_mut(CHUNK).enumerate() {
            let at = first + (i * CHUNK) as u64;
            for link in &mut self.links {
                let reach = link.path.reach(at, part.len());
                let input = &mut self.input[..(reach.end - reach.start) as usize];
                if self.medium.read(link.slot, reach.clone(), input) {
                    link.path.add(at, reach.start, input, part);
                }
            }
            if self.port.half_duplex {
                self.medium.silence(self.slot, at, part);
            }
            self.noise.add(at, part);
        }
    }
}
