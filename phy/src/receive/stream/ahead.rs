//! Work on a stream that needs no result of the subframes before: another thread can do it ahead of the receiver.
//!
//! ```text
//! samples -> Ahead: conditions a block, transforms the subframe that it completes -> Prepared
//!                ^                                                                     |
//!                '------- Forecast <------------ StreamReceiver <----------------------'
//! ```
//!
//! The transform needs a begin and a carrier offset, which the receiver corrects as it goes. It says what it expects
//! ([`Forecast`]); what was made for another begin or offset is not used, but made again. The events are
//! therefore the same, whatever the threads do when.

use super::super::receiver::{Config, Transformed, Transformer, Wanted};
use super::intake::Intake;
use super::{Emit, Spectrum, StreamReceiver, enter};
use crate::Sample;
use crate::units::Hertz;

/// Subframes of samples that are kept: one that begins anywhere in the last but one block, and one that began a block
/// late.
const KEPT: usize = 3;

/// What a receiver expects to need next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Sample of the stream at which a subframe begins.
    begin: i64,
    /// Carrier offset that is removed first.
    cfo: Hertz,
    /// Grids that are used.
    wanted: Wanted,
}

/// A block of a stream: conditioned, and the subframe that it completes transformed if one was expected.
#[derive(Default)]
pub struct Prepared {
    samples: Vec<Vec<Sample>>,
    /// Sample of the stream at which the transformed subframe begins.
    begin: i64,
    transformed: Transformed,
}

/// Prepares the blocks of a stream for [`StreamReceiver::take`].
pub struct Ahead {
    intake: Intake,
    length: usize,
    transformer: Transformer,
    /// The last samples of each antenna.
    kept: Vec<Vec<Sample>>,
    /// Number of the sample behind them.
    end: i64,
    forecast: Option<Forecast>,
    /// Begin of the last subframe that was transformed.
    last: Option<i64>,
}

impl Ahead {
    /// Makes it for a receiver with the same configuration.
    pub fn new(config: &Config) -> Self {
        let length = config.numerology.subframe_samples();
        Self {
            intake: Intake::new(config.numerology, config.antennas),
            length,
            transformer: Transformer::new(config),
            kept: vec![Vec::with_capacity(KEPT * length); config.antennas.count()],
            end: 0,
            forecast: None,
            last: None,
        }
    }

    /// Takes what the receiver expects; `None` if it has no timing yet.
    pub fn expect(&mut self, forecast: Option<Forecast>) {
        self.forecast = forecast;
    }

    /// Takes samples of each antenna from number `from` on, as [`StreamReceiver::push_antennas`] does, until a block is
    /// whole, and writes it to `into`. Returns the number of the first sample that was not taken, and whether the block is
    /// whole.
    pub fn push(&mut self, samples: &[&[Sample]], from: usize, into: &mut Prepared) -> (usize, Filled) {
        let taken = self.intake.fill(samples, from);
        if !self.intake.is_whole() {
            return (taken, Filled::Partly);
        }
        self.flush(into);
        self.transform(into);
        (taken, Filled::Whole)
    }

    /// Writes the samples that do not make up a block: `count` samples behind them were lost, or the stream ends.
    pub fn rest(&mut self, count: u64, into: &mut Prepared) {
        self.flush(into);
        self.intake.skip(count);
        self.end = behind(self.end, count);
        self.kept.iter_mut().for_each(Vec::clear);
    }

    fn flush(&mut self, into: &mut Prepared) {
        into.transformed.clear();
        into.samples.resize(self.kept.len(), Vec::new());
        let most = (KEPT - 1) * self.length;
        for ((block, kept), out) in
            self.intake.conditioned().iter_mut().zip(&mut self.kept).zip(&mut into.samples)
        {
            let old = kept.len().saturating_sub(most);
            kept.drain(..old);
            kept.extend_from_slice(block);
            std::mem::swap(block, out);
            block.clear();
            block.reserve(self.length);
        }
        self.end += into.samples[0].len() as i64;
    }

    /// Transforms the last whole subframe of the samples so far, if the receiver expects one.
    fn transform(&mut self, into: &mut Prepared) {
        let Some(forecast) = self.forecast else { return };
        let n = self.length as i64;
        let begin = self.end - n - (self.end - forecast.begin).rem_euclid(n);
        let start = self.end - self.kept[0].len() as i64;
        // a begin that moved a little is the same subframe
        if begin < start || self.last.is_some_and(|last| begin < last + n / 2) {
            return;
        }
        self.last = Some(begin);
        into.begin = begin;
        let at = (begin - start) as usize;
        let subframe = self.kept.iter().map(|samples| &samples[at..at + self.length]);
        self.transformer.run(subframe, forecast.cfo, forecast.wanted, &mut into.transformed);
    }
}

/// Whether a block is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It takes more samples.
    Partly,
    /// It was written.
    Whole,
}

/// Returns the number of the sample that comes after `count` lost ones behind sample `end`.
pub(super) fn behind(end: i64, count: u64) -> i64 {
    end + count.min(i64::MAX as u64 / 2) as i64
}

impl StreamReceiver {
    /// Receives a block that [`Ahead`] prepared from the same stream: all blocks in their order, and [`Self::skip`] and
    /// [`Self::finish`] after each [`Ahead::rest`]. The buffers of `block` are exchanged: it can be used again.
    pub fn take(&mut self, block: &mut Prepared, emit: &mut Emit<'_>) {
        let is_whole = block.samples.first().is_some_and(|s| s.len() == self.numerology.subframe_samples());
        std::mem::swap(&mut self.ready, &mut block.transformed);
        self.ready_for = (self.spectrum == Spectrum::Normal).then_some(block.begin);
        enter(&mut block.samples, self.spectrum, &mut self.history);
        if is_whole {
            self.advance(false, emit);
        }
    }

    /// Returns what is needed next for [`Ahead::expect`], or `None` without a timing.
    pub fn forecast(&self) -> Option<Forecast> {
        let told = self.lock.is_some() && self.spectrum == Spectrum::Normal;
        told.then(|| Forecast {
            begin: self.next,
            cfo: self.receiver.common_cfo(),
            wanted: self.receiver.wanted(),
        })
    }
}

#[cfg(test)]
mod tests;
