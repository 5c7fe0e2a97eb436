//! What damage to the samples costs: a known signal is damaged, received as a recording is, and what is heard is set
//! against what was sent.
//!
//! ```text
//! signal.rs   the signals: a scenario, its samples, all that was sent        *.toml
//! cases.rs    the kinds of damage and the strengths that are tried
//! apply.rs    signal + damage -> samples, and where in them everything went
//! score.rs    what was heard against what was sent: right, repeated, false
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

/// Samples that the receiver is given at once.
const BLOCK: usize = 1 << 16;

/// Receives a damaged signal, with its pool told and nothing said of the damage, and counts.
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

/// Writes a damaged signal as a recording of floats as they are, with what was sent as annotations, each where it went.
///
/// # Errors
/// The file cannot be written.
pub fn write(signal: &Signal, damage: &Damage, damaged: &Damaged, path: &Path) -> Result<(), Error> {
    let mut options = signal.writer_options();
    let kind = damage.kind();
    options.description = Some(format!("{}; damage: {kind} {damage}", signal.description()));
    let mut writer = Writer::create(path, options)?;
    writer.write(&damaged.samples)?;
    let (length, frequency) = (damaged.samples.len() as u64, signal.frequency());
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
