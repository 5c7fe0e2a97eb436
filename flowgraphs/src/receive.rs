//! A recording through the receiver: what the configuration leaves open is filled in or searched, and said aloud.
//!
//! ```text
//! plan.rs    the receiver that an input asks for: bandwidth, mode, resampling
//! ```

mod plan;

pub use plan::{Plan, plan};

use crate::Sample;
use crate::input::Input;
use sidelink_phy::impair::resample::Resampler;
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::receive::stream::{Alignment, StreamReceiver};
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
    /// The V2X pool that the search settled on: PRBs of a sub-channel and number of them.
    pub assumed_pool: Option<(usize, usize)>,
    /// Samples that were damaged and replaced.
    pub damaged: u64,
}

/// Where an event was in the recording.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Sample of the recording at which the subframe began, by the timing of the start; the receiver follows clock drift
    /// from there.
    pub sample: i64,
}

/// Receive all of `input`, telling `emit` what is heard and `progress` how many samples were read.
///
/// # Errors
/// What the recording's reader says, or `emit`.
pub fn run(
    input: &mut Input,
    plan: &Plan,
    emit: &mut dyn FnMut(Event<'_>, Place) -> anyhow::Result<()>,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let mut receiver = StreamReceiver::new(plan.config.clone());
    let native = plan.config.numerology.sample_rate();
    let mut resampler = match plan.resample {
        true => Some(Resampler::with_ratio(native / input.rate).map_err(|_| anyhow::anyhow!("no such resampling"))?),
        false => None,
    };
    let mut block = vec![Sample::default(); BLOCK];
    let mut converted = vec![Sample::default(); resampler.as_ref().map_or(0, |r| r.output_len(BLOCK) + 64)];
    let mut samples = 0u64;
    let mut failure = None;
    let per_subframe = input.rate / 1000.0;
    let mut first = None;
    loop {
        let n = input.recording.read(&mut block)?;
        let mut forward = |receiver: &mut StreamReceiver, fed: &[Sample], last: bool| {
            // the receiver knows where its first subframe began only after it has found it, before the first event
            let mut pending = Vec::new();
            let mut collect = |event: Event<'_>| {
                if failure.is_none() {
                    let at = first.unwrap_or(0.0) + event.subframe() as f64 * per_subframe;
                    if let Err(e) = emit(event, Place { sample: at.round() as i64 }) {
                        failure = Some(e);
                    }
                }
            };
            let _: &mut Vec<()> = &mut pending;
            if last { receiver.finish(&mut collect) } else { receiver.push(fed, &mut collect) }
        };
        if n == 0 {
            forward(&mut receiver, &[], true);
            break;
        }
        samples += n as u64;
        match &mut resampler {
            Some(resampler) => {
                let needed = resampler.output_len(n);
                if converted.len() < needed {
                    converted.resize(needed, Sample::default());
                }
                let written = resampler.process(&block[..n], &mut converted);
                forward(&mut receiver, &converted[..written], false);
            }
            None => forward(&mut receiver, &block[..n], false),
        }
        if first.is_none() {
            first = receiver.first_sample().map(|s| s as f64 * input.rate / native);
        }
        progress(samples);
        if failure.is_some() {
            break;
        }
    }
    if let Some(e) = failure {
        return Err(e);
    }
    let first_sample = receiver.first_sample().map_or(0, |s| (s as f64 * input.rate / native).round() as i64);
    Ok(Outcome {
        subframes: receiver.subframes(),
        samples,
        air: samples as f64 / input.rate,
        work: start.elapsed(),
        first_sample,
        alignment: receiver.alignment(),
        assumed_pool: receiver.receiver().assumed_pool().map(|p| (p.size, p.num)),
        damaged: input.recording.damage().samples(),
    })
}
