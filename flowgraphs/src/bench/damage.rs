//! Cost of damage to the samples: a known signal is damaged, received like a recording, and the receptions are compared
//! with the transmissions.
//!
//! ```text
//! signal.rs   the signals: a scenario, its samples, all transmissions       *.toml
//! cases.rs    the kinds of damage and their strengths
//! apply.rs    signal + damage -> samples, and the new places of the old samples
//! score.rs    receptions compared with transmissions: right, repeated, false
//! ```

mod apply;
mod cases;
mod score;
mod signal;

pub use apply::{Damaged, Places};
pub use cases::{CASES, Damage, Kind};
pub use score::{Score, Tally};
pub use signal::{Signal, SignalName};

use crate::config::receiver_config;
use score::{Class, Truth};
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::receive::stream::StreamReceiver;
use sidelink_recordings::{Error, Writer};
use std::path::Path;

/// Samples that the receiver gets at once.
const BLOCK: usize = 1 << 16;

/// Receives a damaged signal, with its pool configured and without knowledge of the damage, and counts.
pub fn receive(signal: &Signal, damaged: &Damaged) -> Score {
    let length = damaged.samples.len();
    let mut truth = Truth::new(&signal.sent, &damaged.places, signal.numerology.subframe_samples(), length);
    let mut receiver = StreamReceiver::new(receiver_config(&signal.radio, signal.numerology));
    let mut hear = |event: Event<'_>, sample: i64| match event {
        Event::Mib { bits, .. } => truth.hear(Class::Mib, bits, None, sample),
        Event::Sci { bits, prb, .. } => truth.hear(Class::Sci, bits, Some(prb), sample),
        Event::SlSch(block) if block.repeat => truth.hear_again(block.block),
        Event::SlSch(block) => truth.hear(Class::Block, block.block, None, sample),
        _ => {}
    };
    for block in damaged.samples.chunks(BLOCK) {
        receiver.push(block, &mut hear);
    }
    receiver.finish(&mut hear);
    truth.score()
}

/// Writes a damaged signal as a recording of unscaled floats, with the transmissions as annotations, each at its new
/// place.
///
/// # Errors
/// The file cannot be written.
pub fn write(signal: &Signal, damage: &Damage, damaged: &Damaged, path: &Path) -> Result<(), Error> {
    let mut options = signal.writer_options();
    let kind = damage.kind();
    options.description = Some(format!("{}; damage: {kind} {damage}", signal.description()));
    let mut writer = Writer::create(path, options)?;
    writer.write(&damaged.samples)?;
    let (length, frequency) = (damaged.samples.len() as u64, signal.frequency().0);
    for event in &signal.sent {
        let sample = damaged.places.at(event.sample);
        let moved = crate::scenario::Event { sample, ..event.clone() };
        let ue = signal.ue_name(event.ue);
        if let Some(annotation) = moved.annotation(signal.numerology, length, frequency, ue) {
            writer.annotate(annotation)?;
        }
    }
    writer.finish().map(drop)
}

#[cfg(test)]
mod tests;
