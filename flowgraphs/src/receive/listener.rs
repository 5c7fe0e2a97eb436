//! Hears what a receiver tells of a recording: for the caller, and for what is said of the recording as a whole.

use super::findings::Findings;
use super::{Emit, SyncSeen};
use crate::antennas::Quality;
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::units::{Antennas, SidelinkMode};

/// Notes every event, and passes it on.
pub(super) struct Listener<'a, 'b> {
    emit: &'a mut Emit<'b>,
    pub(super) findings: Findings,
    pub(super) sync: SyncSeen,
    pub(super) quality: Quality,
    sidelink: SidelinkMode,
    /// Samples of the recording for one of the receiver.
    scale: f64,
    /// Samples of the recording that were missing so far.
    pub(super) skipped: u64,
    /// First error of the caller: nothing is passed on any more.
    pub(super) failure: Option<anyhow::Error>,
}

impl<'a, 'b> Listener<'a, 'b> {
    pub(super) fn new(
        emit: &'a mut Emit<'b>,
        sidelink: SidelinkMode,
        antennas: Antennas,
        scale: f64,
    ) -> Self {
        Self {
            emit,
            findings: Findings::default(),
            sync: SyncSeen::default(),
            quality: Quality::new(antennas),
            sidelink,
            scale,
            skipped: 0,
            failure: None,
        }
    }

    /// Takes an event of the subframe that began at `sample` of the receiver's stream.
    pub(super) fn hear(&mut self, event: Event<'_>, sample: i64) {
        self.findings.note(&event);
        self.sync.event(&event, self.sidelink);
        self.quality.add(&event);
        if self.failure.is_none() {
            let sample = (sample as f64 * self.scale).round() as i64 - self.skipped as i64;
            self.failure = (self.emit)(event, sample).err();
        }
    }
}
