//! Events of one UE, counted.

use sidelink_mac::engine;
use sidelink_prose::discovery::agent;
use sidelink_ue::{Application, Event, Moment, Send};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the events of one UE; its clones count together.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<Counts>>);

/// Counts of the kinds of events.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) discovered: u64,
    pub(super) announced: u64,
    /// Forged data that was accepted.
    pub(super) foreign: u64,
}

impl Application for Tally {
    fn work(&mut self, _now: Moment, _send: &mut Send<'_>) {}

    fn event(&mut self, _now: Moment, event: &Event<'_>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Mac(engine::Event::Received(engine::Received { data, .. })) => {
                counts.received += 1;
                // Mallory's data is marked, so that every acceptance of it is counted.
                counts.foreign += u64::from(data.windows(7).any(|w| w == b"mallory"));
            }
            Event::Discovery { event: agent::Event::Discovered(_), .. } => counts.discovered += 1,
            Event::Discovery { event: agent::Event::Announced(_), .. } => counts.announced += 1,
            _ => {}
        }
    }
}

impl Tally {
    pub(super) fn counts(&self) -> Counts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
