//! A recording through the receiver: what the configuration leaves open is filled in or searched, and said aloud.
//!
//! ```text
//! plan.rs      the receiver that an input asks for: bandwidth, mode, resampling
//! findings.rs  what the operator should know of the recording: inverted, beside the centre, another bandwidth
//! learnt.rs    what was learnt of the radio, as a file for `--config`
//! ```

mod findings;
mod learnt;
mod plan;

pub use learnt::{LearntRadio, SyncSeen};
pub use plan::{Plan, plan};

use crate::Sample;
use crate::antennas::Quality;
use crate::input::Input;
use findings::Findings;
use sidelink_phy::impair::resample::Resampler;
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::receive::stream::{Alignment, StreamReceiver};
use sidelink_phy::units::Hertz;
use sidelink_radio::{Views, slices, views};
use sidelink_recordings::{Gap, GapSize};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Samples that are read at once.
const BLOCK: usize = 1 << 16;

/// What a run over a recording was like.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Subframes that were received.
    pub subframes: u64,
    /// Samples of the recording.
    pub samples: u64,
    /// Seconds of air.
    pub air: f64,
    /// Time of work.
    pub work: Duration,
    /// Sample of the recording at which capture subframe 0 began.
    pub first_sample: i64,
    /// How the timing was found.
    pub alignment: Option<Alignment>,
    /// Carrier offset that was taken out of everything at the end.
    pub cfo: Hertz,
    /// What is unusual about the recording, in words.
    pub warnings: Vec<String>,
    /// What was learnt of the radio.
    pub learnt: LearntRadio,
    /// Samples that were damaged and replaced.
    pub damaged: u64,
    /// Signal and noise of each antenna.
    pub quality: Quality,
}

/// Takes what is heard, and the sample of the recording at which its subframe began.
pub type Emit<'a> = dyn FnMut(Event<'_>, i64) -> anyhow::Result<()> + 'a;

/// Receives all of `input`, telling `emit` what is heard and `progress` how many samples were read.
///
/// # Errors
/// What the recording's reader says, or `emit`.
pub fn run(
    input: &mut Input,
    plan: &Plan,
    emit: &mut Emit<'_>,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let mut receiver = StreamReceiver::new(plan.config.clone());
    let mut rates = Rates::new(input.rate, plan)?;
    let scale = rates.scale;
    let mut failure = None;
    let mut findings = Findings::default();
    let mut gaps = Gaps::new(&input.recording.info().gaps);
    let mut sync = SyncSeen::default();
    let sidelink = plan.config.mode.sidelink();
    let antennas = input.antennas();
    let mut quality = Quality::new(antennas);
    let mut blocks = vec![vec![Sample::default(); BLOCK]; antennas.count()];
    let mut samples = 0u64;
    loop {
        let room = gaps.room(samples, BLOCK);
        let n = input.recording.read_channels(&mut slices(&mut blocks, room)[..antennas.count()])?;
        let skipped = gaps.skipped;
        let mut forward = |event: Event<'_>, sample: i64| {
            findings.note(&event);
            sync.event(&event, sidelink);
            quality.add(&event);
            if failure.is_none() {
                failure = emit(event, (sample as f64 * scale).round() as i64 - skipped as i64).err();
            }
        };
        let views = views(&blocks, n);
        receiver.push_antennas(&rates.convert(&views)[..antennas.count()], &mut forward);
        samples += n as u64;
        if let Some(missing) = gaps.at(samples) {
            receiver.skip((missing as f64 / scale).round() as u64, &mut forward);
        }
        if n == 0 {
            receiver.finish(&mut forward);
            break;
        }
        progress(samples);
    }
    if let Some(e) = failure {
        return Err(e);
    }
    Ok(Outcome {
        subframes: receiver.subframes(),
        samples,
        air: samples as f64 / input.rate,
        work: start.elapsed(),
        first_sample: receiver.first_sample().map_or(0, |s| (s as f64 * scale).round() as i64),
        alignment: receiver.alignment(),
        cfo: receiver.receiver().common_cfo(),
        warnings: [findings.warnings(&receiver, input.radio.frequency), quality.warnings()].concat(),
        learnt: LearntRadio::new(receiver.receiver_mut(), sync),
        damaged: input.recording.damage().samples(),
        quality,
    })
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

/// A resampler by `ratio`.
fn resampler(ratio: f64) -> anyhow::Result<Resampler> {
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
