//! A recording through the receiver: what the configuration leaves open is filled in or searched, and said aloud.
//!
//! ```text
//! plan.rs      the receiver that an input asks for: bandwidth, mode, resampling
//! source.rs    its samples at the rate of the receiver, and its gaps
//! threads.rs   one thread, or another one ahead of it
//! listener.rs  what is done with each event
//! findings.rs  what the operator should know of the recording: inverted, beside the centre, another bandwidth
//! learnt.rs    what was learnt of the radio, as a file for `--config`
//! ```

mod findings;
mod learnt;
mod listener;
mod plan;
mod source;
mod threads;

pub use learnt::{LearntRadio, SyncSeen};
pub use plan::{Plan, plan};
pub use threads::Threads;

use crate::antennas::Quality;
use crate::input::Input;
use listener::Listener;
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::receive::stream::{Alignment, StreamReceiver};
use sidelink_phy::units::Hertz;
use source::Source;
use std::time::{Duration, Instant};

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
    let antennas = input.antennas();
    let mut receiver = StreamReceiver::new(plan.config.clone());
    let mut read = 0;
    let mut source = Source::new(&mut input.recording, antennas, input.rate, plan)?;
    let scale = source.scale();
    let mut listener = Listener::new(emit, plan.config.mode.sidelink(), antennas, scale);
    let mut progress = |samples: u64| {
        read = samples;
        progress(samples);
    };
    match plan.threads {
        Threads::One => threads::receive_alone(&mut source, &mut receiver, &mut listener, &mut progress)?,
        Threads::Two => threads::receive_ahead(&mut source, &mut receiver, &mut listener, &mut progress)?,
    }
    let Listener { findings, sync, quality, failure, .. } = listener;
    if let Some(e) = failure {
        return Err(e);
    }
    Ok(Outcome {
        subframes: receiver.subframes(),
        samples: read,
        air: read as f64 / input.rate,
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
