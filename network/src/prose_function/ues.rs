//! What is remembered of each UE: its rate, and what the HSS said.

use std::collections::HashMap;

use sidelink_security::counter::UtcTime;

use super::config::{Limits, Subscription};
use super::limits::Bucket;
use crate::pc3::Imsi;

/// Between two searches for UEs that need not be remembered, in milliseconds.
const SWEEP: u64 = 1_000;

struct Ue {
    bucket: Bucket,
    said: Option<(Said, UtcTime)>,
    /// When the challenge was made whose solution counted last.
    solved: UtcTime,
}

impl Ue {
    fn new(limits: &Limits) -> Self {
        let bucket = Bucket::new(limits.ue_burst, limits.ue_interval);
        Self { bucket, said: None, solved: UtcTime::from_millis(0) }
    }
}

/// What the HSS said, until it is asked again.
#[derive(Clone)]
pub(super) enum Said {
    Known(Subscription),
    Unknown,
}

/// All UEs that were heard of lately.
#[derive(Default)]
pub(super) struct Ues {
    ues: HashMap<Imsi, Ue>,
    swept: Option<UtcTime>,
}

/// Why a request is not looked at.
pub(super) enum Full {
    /// The UE asks too often: milliseconds to wait.
    Ue(u64),
    /// More UEs than can be remembered.
    Memory,
}

impl Ues {
    /// What the HSS said of a UE and still counts.
    pub(super) fn said(&self, ue: Imsi, now: UtcTime) -> Option<&Said> {
        self.ues.get(&ue)?.said.as_ref().filter(|(_, until)| now < *until).map(|(said, _)| said)
    }

    /// Keeps what the HSS said, if the UE is remembered at all.
    pub(super) fn remember(&mut self, ue: Imsi, said: Said, until: UtcTime) {
        if let Some(ue) = self.ues.get_mut(&ue) {
            ue.said = Some((said, until));
        }
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ues.len()
    }

    /// Takes over what an earlier start has written down, as far as there is room.
    pub(super) fn recall(&mut self, refused: Vec<(Imsi, UtcTime)>, limits: &Limits) {
        for (ue, until) in refused.into_iter().take(limits.ues) {
            self.ues.entry(ue).or_insert_with(|| Ue::new(limits)).said = Some((Said::Unknown, until));
        }
    }

    /// Whether a solution counts: its challenge is younger than that of the last one.
    pub(super) fn spend(&mut self, ue: Imsi, challenged: UtcTime) -> bool {
        self.ues.get_mut(&ue).is_some_and(|ue| {
            let counts = challenged > ue.solved;
            ue.solved = ue.solved.max(challenged);
            counts
        })
    }

    /// The HSS is asked again.
    pub(super) fn forget(&mut self, ue: Imsi) {
        if let Some(ue) = self.ues.get_mut(&ue) {
            ue.said = None;
        }
    }

    /// A request of this UE comes.
    pub(super) fn take(&mut self, ue: Imsi, limits: &Limits, now: UtcTime) -> Result<(), Full> {
        if !self.ues.contains_key(&ue) && self.ues.len() >= limits.ues {
            self.sweep(now);
            if self.ues.len() >= limits.ues {
                return Err(Full::Memory);
            }
        }
        let ue = self.ues.entry(ue).or_insert_with(|| Ue::new(limits));
        if ue.bucket.take(now) { Ok(()) } else { Err(Full::Ue(ue.bucket.wait(now))) }
    }

    /// Forgets those of whom nothing is to be remembered.
    fn sweep(&mut self, now: UtcTime) {
        if self.swept.is_none_or(|at| now >= at.plus_millis(SWEEP)) {
            self.swept = Some(now);
            self.ues.retain(|_, ue| {
                !ue.bucket.is_full(now) || ue.said.as_ref().is_some_and(|(_, until)| now < *until)
            });
        }
    }
}
