//! Selection of the synchronisation reference, and the UE's own synchronisation signals: TS 36.331 §5.10.7 and §5.10.8,
//! all from memory.
//!
//! A candidate is a UE whose MIB-SL was received. Candidates are sorted into groups (§5.10.8.2: in coverage; out of
//! coverage with an identity of a network; others), and within a group by power. A reference is identified by its
//! identity and the offset of its signals: the followers of a reference send under the same identity with the *other*
//! offset, and a UE that took those for the reference itself would follow its own echo.
//!
//! Our rules where the clause is silent:
//!
//! - of two UEs that both are references of the last group the lower identity wins, so that they do not swap their
//!   roles;
//! - a free-running reference omits one of [`LISTEN`] of its signals, to receive others in the same subframe.

use crate::mapping;
use sidelink_phy::units::{Decibel, SlssId};

/// A free-running reference receives in one of this many of its own synchronisation subframes.
const LISTEN: u64 = 8;

/// Synchronisation periods without a signal after which a reference is lost.
const LOST_AFTER: u64 = 10;

/// A UE that has a time looks at every subframe of one synchronisation period in this many, less than [`LOST_AFTER`].
const FULL_SEARCH: u64 = 8;

/// Subframes in a row that may be missed without ageing the candidates: a clock of 1 ppm drifts by the cyclic prefix in
/// that time.
const HELD: u32 = 5000;

/// Filter coefficient for the power of a candidate: a = 1 / 2^(k/4) with filterCoefficient k = 4.
const FILTER: f32 = 0.5;

/// A UE whose synchronisation signal was received.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its identity.
    pub id: SlssId,
    /// Its MIB.
    pub mib: mapping::mib_sl::Repr,
    /// Subframe of its signals modulo the period.
    pub offset: u32,
    /// S-RSRP in the receiver's scale, filtered.
    pub power: Decibel,
    /// Last subframe in which it was received.
    pub heard: u64,
}

/// Configuration of synchronisation.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncConfig {
    /// Subframes between synchronisation subframes.
    pub period: u32,
    /// syncOffsetIndicators, one to three.
    pub offsets: Vec<u32>,
    /// Whether the time comes from elsewhere (GNSS, PPS, the host): then no UE is followed.
    pub absolute: bool,
    /// Identity as a reference; drawn from 170 to 335 without one.
    pub id: Option<SlssId>,
    /// inCoverage of our own MIB where `absolute`.
    pub in_coverage: bool,
    /// Whether to send at all.
    pub transmit: Transmit,
    /// syncTxThreshOoC in the receiver's scale: a follower that hears its reference at least this well sends nothing.
    pub tx_threshold: Option<Decibel>,
    /// Least power of a candidate in the receiver's scale, syncRefMinHyst included.
    pub min_power: Decibel,
    /// syncRefDiffHyst.
    pub hysteresis: Decibel,
}

/// When to send synchronisation signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transmit {
    /// As the clauses demand: as a reference, or as a follower that receives its reference weakly.
    #[default]
    Auto,
    /// Never.
    Never,
}

/// Source of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing is known yet.
    Searching,
    /// A source other than the air.
    Absolute,
    /// The UE itself, as a free-running reference.
    Reference,
    /// The UE of this identity that sends with this offset.
    Following(SlssId, u32),
}

/// A synchronisation signal of a UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Identity.
    pub id: SlssId,
    /// inCoverage.
    pub in_coverage: bool,
}

/// State of synchronisation.
#[derive(Clone, Debug)]
pub struct Sync {
    config: SyncConfig,
    role: Role,
    own_id: SlssId,
    own_offset: u32,
    candidates: Vec<Candidate>,
    /// Subframes in a row that were not received.
    missed: u32,
}

/// Candidates that are remembered, at most.
const MOST: usize = 32;

impl Sync {
    /// Makes the initial state; `draw` are random bits for the identity and offset as a reference.
    pub fn new(config: SyncConfig, draw: u64) -> Self {
        let (own_id, own_offset) = drawn(&config, draw);
        let role = if config.absolute { Role::Absolute } else { Role::Searching };
        Self { config, role, own_id, own_offset, candidates: Vec::with_capacity(MOST), missed: 0 }
    }

    /// Returns the source of the time.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the UEs that were received lately.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Returns the configuration.
    pub fn config(&self) -> &SyncConfig {
        &self.config
    }

    /// Takes a MIB that was received in subframe `candidate.heard`. Returns whether the UE follows another reference
    /// from now on: then its time must be taken from that subframe.
    pub fn heard(&mut self, candidate: Candidate) -> bool {
        let known = self.candidates.iter_mut().find(|c| (c.id, c.offset) == (candidate.id, candidate.offset));
        match known {
            Some(known) => {
                let (old, new) = (known.power.to_f32(), candidate.power.to_f32());
                *known = Candidate { power: Decibel::from(old + FILTER * (new - old)), ..candidate };
            }
            None => {
                if self.candidates.len() == MOST {
                    let oldest = (0..MOST).min_by_key(|&i| self.candidates[i].heard).unwrap_or(0);
                    self.candidates.swap_remove(oldest);
                }
                self.candidates.push(candidate);
            }
        }
        self.select()
    }

    /// Whether a MIB of this identity and offset is from the UE that is followed.
    pub fn is_followed(&self, id: SlssId, offset: u32) -> bool {
        self.role == Role::Following(id, offset)
    }

    /// Records that a subframe was not received: candidates do not age by it.
    pub fn missed(&mut self) {
        if self.missed < HELD {
            self.missed += 1;
            for candidate in &mut self.candidates {
                candidate.heard += 1;
            }
        }
    }

    /// Ends subframe `t`, which was received: removes silent candidates. Returns whether the reference was lost; the UE
    /// is then a reference itself, on the time that it has.
    pub fn tick(&mut self, t: u64, draw: u64) -> bool {
        self.missed = 0;
        let patience = LOST_AFTER * u64::from(self.config.period);
        self.candidates.retain(|c| c.heard + patience >= t);
        if let Role::Following(id, offset) = self.role
            && !self.candidates.iter().any(|c| (c.id, c.offset) == (id, offset))
        {
            self.begin(draw);
            return true;
        }
        false
    }

    /// Whether signals of a UE on this time may come in subframe `t`, at a configured offset or at that of the reference
    /// that is followed, or `t` lies in a period in which every subframe is looked at. A UE without a source searches in
    /// every subframe.
    ///
    /// A full search (TS 36.331 §5.10.7) covers all subframes. One period in [`FULL_SEARCH`] comes round in 0.32 s (modes 1
    /// and 2) or 1.28 s; TS 36.133 §11.5 allows many seconds, as we remember it. A UE whose subframes begin elsewhere is
    /// found by the search over samples, as before.
    pub fn expects_signals(&self, t: u64) -> bool {
        let period = u64::from(self.config.period);
        let phase = (t % period) as u32;
        let of_role = match self.role {
            Role::Searching | Role::Reference => true,
            Role::Following(_, offset) => offset == phase,
            Role::Absolute => false,
        };
        of_role || self.config.offsets.contains(&phase) || (t / period).is_multiple_of(FULL_SEARCH)
    }

    /// Whether the followed UE was silent for more than a period.
    pub fn is_overdue(&self, t: u64) -> bool {
        self.is_silent_for(1, t)
    }

    /// Whether the followed UE was silent for more than two periods.
    pub fn misses_reference(&self, t: u64) -> bool {
        self.is_silent_for(2, t)
    }

    fn is_silent_for(&self, periods: u64, t: u64) -> bool {
        let Role::Following(id, offset) = self.role else { return false };
        let followed = self.candidates.iter().find(|c| (c.id, c.offset) == (id, offset));
        followed.is_some_and(|c| c.heard + periods * u64::from(self.config.period) + 1 < t)
    }

    /// Follows this reference, whatever the selection rules: the followed UE is not received at its offset.
    pub fn follow(&mut self, id: SlssId, offset: u32) {
        self.role = Role::Following(id, offset);
    }

    /// Makes the UE a reference: no other was received.
    pub fn begin(&mut self, draw: u64) {
        (self.own_id, self.own_offset) = drawn(&self.config, draw);
        self.role = Role::Reference;
    }

    /// Forgets all candidates: the time was lost.
    pub fn restart(&mut self) {
        self.candidates.clear();
        if !self.config.absolute {
            self.role = Role::Searching;
        }
    }

    /// Returns the signal for subframe `t`; `air_rng` are random bits.
    // TS 36.213 §14.4 (1)
    pub fn signal(&self, t: u64, air_rng: u64) -> Option<Signal> {
        if self.config.transmit == Transmit::Never {
            return None;
        }
        let phase = (t % u64::from(self.config.period)) as u32;
        match self.role {
            Role::Searching => None,
            Role::Absolute => {
                let first = self.config.offsets.first();
                (first == Some(&phase))
                    .then_some(Signal { id: self.own_id, in_coverage: self.config.in_coverage })
            }
            Role::Reference => (self.own_offset == phase && !air_rng.is_multiple_of(LISTEN))
                .then_some(Signal { id: self.own_id, in_coverage: false }),
            Role::Following(id, offset) => {
                let other = self.config.offsets.iter().find(|o| **o != offset);
                if other != Some(&phase) {
                    return None;
                }
                let reference = self.candidates.iter().find(|c| (c.id, c.offset) == (id, offset))?;
                if self.config.tx_threshold.is_some_and(|limit| reference.power >= limit) {
                    return None;
                }
                let network = !reference.mib.in_coverage && id.is_in_network();
                let id = if network { SlssId::new(id.value() + 168).unwrap_or(id) } else { id };
                Some(Signal { id, in_coverage: false })
            }
        }
    }

    fn select(&mut self) -> bool {
        if matches!(self.role, Role::Absolute) {
            return false;
        }
        let current = match self.role {
            Role::Following(id, offset) => self.candidates.iter().find(|c| (c.id, c.offset) == (id, offset)),
            _ => None,
        };
        let above = |power: Decibel| Decibel::from(power.to_f32() + self.config.hysteresis.to_f32());
        let better = |c: &&Candidate| {
            if c.power < self.config.min_power {
                return false;
            }
            match (self.role, current) {
                // Our own followers, and references that should follow us.
                (Role::Reference, _) => group(c) < 3 || c.id < self.own_id,
                (Role::Following(..), Some(now)) => {
                    (c.id, c.offset) != (now.id, now.offset)
                        && c.id != now.id
                        && (group(c) < group(now) || group(c) == group(now) && c.power > above(now.power))
                }
                _ => true,
            }
        };
        let rank = |c: &&Candidate| (group(c), (-c.power.to_f32() * 16.0) as i64);
        let Some(best) = self.candidates.iter().filter(better).min_by_key(rank) else { return false };
        self.role = Role::Following(best.id, best.offset);
        true
    }
}

/// Priority group of a candidate, 1 the highest.
fn group(candidate: &Candidate) -> u8 {
    match (candidate.mib.in_coverage, candidate.id.is_in_network()) {
        (true, _) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

fn drawn(config: &SyncConfig, draw: u64) -> (SlssId, u32) {
    // 168 and 169 have a meaning of their own in modes 3 and 4.
    let drawn = SlssId::new(170 + (draw % 166) as u16);
    let id = config.id.or(drawn).unwrap_or_else(|| unreachable!("170 to 335"));
    let offsets = &config.offsets;
    let offset = offsets.get((draw >> 32) as usize % offsets.len().clamp(1, 2)).copied().unwrap_or(0);
    (id, offset)
}

#[cfg(test)]
mod tests;
