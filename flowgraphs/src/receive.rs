//! A recording through the receiver: what the configuration leaves open is filled in or searched, and said aloud.
//!
//! ```text
//! plan.rs    the receiver that an input asks for: bandwidth, mode, resampling
//! ```

mod plan;

pub use plan::{Plan, plan, receiver_config};

use crate::Sample;
use crate::input::Input;
use sidelink_phy::impair::resample::Resampler;
use sidelink_phy::pool::V2xPool;
use sidelink_phy::receive::learn::Learnt;
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
    /// The V2X pools that were learnt.
    pub learnt_v2x: Vec<Learnt<V2xPool>>,
    /// Samples that were damaged and replaced.
    pub damaged: u64,
}

/// Takes what is heard, and the sample of the recording at which its subframe began.
pub type Emit<'a> = dyn FnMut(Event<'_>, i64) -> anyhow::Result<()> + 'a;

/// Receive all of `input`, telling `emit` what is heard and `progress` how many samples were read.
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
    let native = plan.config.numerology.sample_rate();
    let scale = input.rate / native;
    let mut resampler = if plan.resample {
        Some(
            Resampler::with_ratio(1.0 / scale)
                .map_err(|_| anyhow::anyhow!("cannot resample by {}", 1.0 / scale))?,
        )
    } else {
        None
    };
    let mut failure = None;
    let mut forward = |event: Event<'_>, sample: i64| {
        if failure.is_none() {
            failure = emit(event, (sample as f64 * scale).round() as i64).err();
        }
    };
    let mut block = vec![Sample::default(); BLOCK];
    let mut converted = Vec::new();
    let mut samples = 0u64;
    loop {
        let n = input.recording.read(&mut block)?;
        let ended = n == 0;
        samples += n as u64;
        let mut fed = &block[..n];
        if let Some(resampler) = &mut resampler {
            // the last samples come out when as many zeros as the filter looks ahead have gone in
            let zeros = vec![Sample::default(); if ended { resampler.lookahead() } else { 0 }];
            let input = if ended { &zeros[..] } else { fed };
            converted.resize(resampler.output_len(input.len()), Sample::default());
            let written = resampler.process(input, &mut converted);
            fed = &converted[..written];
        }
        receiver.push(fed, &mut forward);
        if ended {
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
        learnt_v2x: receiver.receiver().learnt_v2x(),
        damaged: input.recording.damage().samples(),
    })
}
