//! Radio programs of attackers, each on samples alone: capabilities A0 to A3 of the proposals' digest.
//!
//! - [`Recorder`]: hears everything (A0), with carrier offset and power.
//! - [`Injector`]: sends blocks that a caller makes (A1; A4 where the caller has keys).
//! - [`Replayer`]: sends bit-exact blocks again, later, here or elsewhere (A2).
//! - [`Wormhole`]: two radios; what is heard at one place is said at another, in the same subframe or the same second (A3).

use super::air::{Emission, Signal};
use super::program::{Ears, HeardBlock, Program, Slot, Who, emission, psdch};
use super::setting::Setting;
use crate::Sample;
use sidelink_phy::units::{Decibel, Hertz, PrbRange};
use sidelink_ue::air_rng::AirRng;
use sidelink_wire::pc5_discovery::LEN;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What a program has heard: shared with whoever asks afterwards.
pub(crate) type Heard = Rc<RefCell<Vec<HeardBlock>>>;

/// Hears and keeps every block at a place.
pub(crate) struct Recorder {
    ears: Ears,
    place: usize,
    heard: Heard,
}

impl Recorder {
    /// Makes a recorder, and what it will have heard.
    pub(crate) fn new(setting: &Setting, place: usize) -> (Self, Heard) {
        let heard = Heard::default();
        let ears = Ears::new(setting, setting.rng("recorder").next_u64());
        (Self { ears, place, heard: Rc::clone(&heard) }, heard)
    }
}

impl Program for Recorder {
    fn hear(&mut self, slot: &Slot, at: &dyn Fn(usize) -> Vec<Sample>) {
        let mut heard = self.heard.borrow_mut();
        self.ears.hear(slot, &at(self.place), &mut |block| heard.push(block));
    }
}

/// Draws places in a subframe: no two of one radio overlap.
pub(crate) struct Prbs {
    pairs: Vec<PrbRange>,
    rng: AirRng,
}

impl Prbs {
    fn new(setting: &Setting, part: &str) -> Self {
        let start = setting.pool().prbs.start;
        let pairs = (0..setting.prbs / 2).map(|a| PrbRange { start: start + 2 * a, len: 2 }).collect();
        Self { pairs, rng: setting.rng(part) }
    }

    /// Returns this many places, or all that there are.
    fn draw(&mut self, count: usize) -> Vec<PrbRange> {
        let mut left = self.pairs.clone();
        let draw = |_| {
            let at = (self.rng.next_u64() % left.len().max(1) as u64) as usize;
            (at < left.len()).then(|| left.swap_remove(at))
        };
        (0..count).filter_map(draw).collect()
    }
}

/// Makes the blocks that an injector sends in a subframe.
pub(crate) type Blocks = Box<dyn FnMut(&Slot) -> Vec<[u8; LEN]>>;

/// Sends blocks of its own.
pub(crate) struct Injector {
    number: usize,
    place: usize,
    prbs: Prbs,
    blocks: Blocks,
}

impl Injector {
    /// Makes program `number`, which sends these blocks at a place.
    pub(crate) fn new(setting: &Setting, (number, place): (usize, usize), blocks: Blocks) -> Self {
        Self { number, place, prbs: Prbs::new(setting, "injector"), blocks }
    }
}

impl Program for Injector {
    fn send(&mut self, slot: &Slot, out: &mut Vec<Emission>) {
        let blocks = (self.blocks)(slot);
        let places = self.prbs.draw(blocks.len());
        let all: Vec<_> = blocks.into_iter().zip(places).map(|(block, prbs)| psdch(block, 0, prbs)).collect();
        if !all.is_empty() {
            out.push(emission(self.number, self.place, all));
        }
    }
}

/// Sends what it heard again.
pub(crate) struct Replayer {
    number: usize,
    ears: Ears,
    /// Where it hears, and where it sends.
    places: [usize; 2],
    delay_ms: u64,
    prbs: Prbs,
    /// What is to be sent: when, and what.
    due: VecDeque<(u64, [u8; LEN])>,
    /// The subframe in which it sent last: it hears nothing there.
    sent: Option<u64>,
}

impl Replayer {
    /// Makes program `number`, which sends blocks of the first place at the second, this much later, in the next subframe
    /// of the pool.
    pub(crate) fn new(setting: &Setting, number: usize, places: [usize; 2], delay_ms: u64) -> Self {
        let ears = Ears::new(setting, setting.rng("replayer").next_u64());
        let prbs = Prbs::new(setting, "replays");
        Self { number, ears, places, delay_ms, prbs, due: VecDeque::new(), sent: None }
    }
}

impl Program for Replayer {
    fn send(&mut self, slot: &Slot, out: &mut Vec<Emission>) {
        let ready = self.due.iter().take_while(|(at, _)| *at <= slot.t).count();
        let places = self.prbs.draw(ready);
        let all: Vec<_> = places.into_iter().zip(self.due.drain(..ready)).collect();
        let all: Vec<_> = all.into_iter().map(|(prbs, (_, block))| psdch(block, 0, prbs)).collect();
        if !all.is_empty() {
            self.sent = Some(slot.t);
            out.push(emission(self.number, self.places[1], all));
        }
    }

    fn hear(&mut self, slot: &Slot, at: &dyn Fn(usize) -> Vec<Sample>) {
        if self.places[0] == self.places[1] && self.sent == Some(slot.t) {
            return;
        }
        let Self { ears, due, delay_ms, .. } = self;
        let samples = at(self.places[0]);
        ears.hear(slot, &samples, &mut |block| due.push_back((slot.t + *delay_ms, block.message)));
    }
}

/// Passes samples on between two places, in the subframe in which they are heard: two radios and a wire.
pub(crate) struct Wormhole {
    number: usize,
    /// Where it hears, and where it sends.
    places: [usize; 2],
    /// Samples that the way takes: less than a cyclic prefix.
    delay: usize,
}

impl Wormhole {
    /// Makes program `number`.
    pub(crate) const fn new(number: usize, places: [usize; 2], delay: usize) -> Self {
        Self { number, places, delay }
    }
}

impl Program for Wormhole {
    fn pass_on(&mut self, _slot: &Slot, at: &dyn Fn(usize) -> Vec<Sample>, out: &mut Vec<Emission>) {
        out.push(Emission {
            who: Who::Program(self.number),
            place: self.places[1],
            signal: Signal::Samples(at(self.places[0])),
            carrier: Hertz(0.0),
            gain: Decibel(0.0),
            delay: self.delay,
        });
    }
}
