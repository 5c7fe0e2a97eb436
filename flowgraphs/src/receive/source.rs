//! The samples of a recording at the rate of its receiver, piece by piece, with the gaps between them.

use super::Plan;
use crate::Sample;
use sidelink_phy::impair::resample::Resampler;
use sidelink_phy::units::Antennas;
use sidelink_radio::{Views, slices, views};
use sidelink_recordings::{Gap, GapSize, Recording};
use std::collections::VecDeque;

/// Samples that are read at once.
const BLOCK: usize = 1 << 16;

/// Reads a recording.
pub(super) struct Source<'a> {
    recording: &'a mut Recording,
    antennas: Antennas,
    gaps: Gaps,
    rates: Rates,
    blocks: Vec<Vec<Sample>>,
    /// Samples that were read.
    read: u64,
}

/// The next samples of each antenna.
pub(super) struct Piece<'a> {
    samples: Views<'a>,
    antennas: usize,
    /// Samples of the recording that were read so far.
    pub(super) read: u64,
    pub(super) behind: Behind,
}

impl Piece<'_> {
    /// Samples of each antenna, at the rate of the receiver.
    pub(super) fn samples(&self) -> &[&[Sample]] {
        &self.samples[..self.antennas]
    }
}

/// What follows a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// The next piece.
    Samples,
    /// A gap.
    Gap(Missing),
    /// Nothing.
    End,
}

/// Samples that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// Number at the rate of the receiver.
    pub(super) lost: u64,
    /// Number at the rate of the recording, those of the gaps before included.
    pub(super) skipped: u64,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        recording: &'a mut Recording,
        antennas: Antennas,
        rate: f64,
        plan: &Plan,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            gaps: Gaps::new(&recording.info().gaps),
            rates: Rates::new(rate, plan)?,
            blocks: vec![vec![Sample::default(); BLOCK]; antennas.count()],
            recording,
            antennas,
            read: 0,
        })
    }

    /// Samples of the recording for one of the receiver.
    pub(super) fn scale(&self) -> f64 {
        self.rates.scale
    }

    /// Reads on. After [`Behind::End`] there is nothing more.
    ///
    /// # Errors
    /// As [`Recording::read_channels`] says.
    pub(super) fn next(&mut self) -> anyhow::Result<Piece<'_>> {
        let antennas = self.antennas.count();
        let room = self.gaps.room(self.read, BLOCK);
        let n = self.recording.read_channels(&mut slices(&mut self.blocks, room)[..antennas])?;
        self.read += n as u64;
        let behind = match self.gaps.at(self.read) {
            _ if n == 0 => Behind::End,
            Some(missing) => {
                let lost = (missing as f64 / self.rates.scale).round() as u64;
                Behind::Gap(Missing { lost, skipped: self.gaps.skipped })
            }
            None => Behind::Samples,
        };
        let samples = self.rates.convert(&views(&self.blocks, n));
        Ok(Piece { samples, antennas, read: self.read, behind })
    }
}

/// From the rate of the recording to that of the receiver.
struct Rates {
    /// Samples of the recording for one of the receiver.
    scale: f64,
    /// Of each antenna; none if the rates are the same.
    resamplers: Vec<Resampler>,
    converted: Vec<Vec<Sample>>,
}

impl Rates {
    fn new(rate: f64, plan: &Plan) -> anyhow::Result<Self> {
        let scale = rate / plan.config.numerology.sample_rate().0;
        let count = if plan.resample { plan.config.antennas.count() } else { 0 };
        let resamplers = (0..count).map(|_| resampler(1.0 / scale)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { scale, converted: vec![Vec::new(); count], resamplers })
    }

    /// Samples of the recording at the receiver's rate; the last ones come out when there are none left.
    fn convert<'a>(&'a mut self, samples: &Views<'a>) -> Views<'a> {
        if self.resamplers.is_empty() {
            return *samples;
        }
        let mut converted = Views::default();
        let each = self.resamplers.iter_mut().zip(&mut self.converted);
        for ((out, samples), (resampler, buffer)) in converted.iter_mut().zip(samples).zip(each) {
            // as many zeros go in at the end as the filter looks ahead
            let zeros = vec![Sample::default(); if samples.is_empty() { resampler.lookahead() } else { 0 }];
            let input = if samples.is_empty() { &zeros[..] } else { samples };
            buffer.resize(resampler.output_len(input.len()), Sample::default());
            let written = resampler.process(input, buffer);
            *out = &buffer[..written];
        }
        converted
    }
}

/// Returns a resampler by `ratio`.
pub(super) fn resampler(ratio: f64) -> anyhow::Result<Resampler> {
    Resampler::with_ratio(ratio).map_err(|_| anyhow::anyhow!("cannot resample by {ratio}"))
}

/// The gaps of a recording whose size its metadata tells, one after another.
struct Gaps {
    ahead: VecDeque<(u64, u64)>,
    /// Samples that were missing so far.
    skipped: u64,
}

impl Gaps {
    fn new(gaps: &[Gap]) -> Self {
        let exact = gaps.iter().filter_map(|gap| match gap.size {
            GapSize::Exact(size) => Some((gap.sample, size)),
            _ => None,
        });
        Self { ahead: exact.collect(), skipped: 0 }
    }

    /// Samples that may be read at once from sample `at` on, `most` at most.
    fn room(&self, at: u64, most: usize) -> usize {
        let next = self.ahead.front().map_or(u64::MAX, |gap| gap.0.saturating_sub(at).max(1));
        usize::try_from(next).map_or(most, |next| next.min(most))
    }

    /// The samples that are missing before sample `at`.
    fn at(&mut self, at: u64) -> Option<u64> {
        let (_, size) = *self.ahead.front().filter(|gap| gap.0 <= at)?;
        self.ahead.pop_front();
        self.skipped += size;
        Some(size)
    }
}
