//! Which relay a remote UE uses: selection and reselection, by the strength of the DMRS of its discovery. TS 24.334 §10A.2.12,
//! §10A.2.13; the thresholds are those of TS 36.300 §23.10.4, with names and ranges of TS 36.331 from an implementation.
//!
//! ```text
//!   io.rs   rules, inputs, outputs
//!
//!   Heard -> candidate: filtered SD-RSRP; suitable above the threshold
//!   no relay    -> the best suitable one is connected to
//!   serving     -> too weak, silent, or ended -> Reselect: another is connected to first where there is one
//!   Rejected, Released "not allowed"          -> not asked again for a time; others are
//! ```
//!
//! A relay that says that it has no room for one more is taken only where no other is suitable. A relay is another one only if it is
//! better by the hysteresis than the threshold asks: the text has no time to trigger, and a UE between two relays shall not change
//! with each message. The text says neither how long a relay counts that is not heard: [`Rules::memory`] does.
//!
//! Before a relay that still serves is left, the new link is up (make before break): no rule forbids two links (TS 24.334
//! §10A.2.13.2 is silent).

mod io;

pub use io::{Input, Leave, Output, RelayId, Rules, Strength};

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_wire::pc5_discovery::Relay;

/// Relays that are remembered: the one heard longest ago goes first.
const CANDIDATES: usize = 64;
/// Relays that are barred: where there are more, the bar that ends first goes.
const BARS: usize = 64;

/// A relay that was heard.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    info: [u8; 6],
    has_room: bool,
    /// Filtered, dBm.
    strength: Strength,
    heard_at: UtcTime,
}

/// The relay in use, or on the way to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serving {
    None,
    /// The link is asked for; the second one is the relay that still serves.
    Connecting(RelayId, Option<RelayId>),
    Up(RelayId),
}

/// Selects the relay of one remote UE for one service.
#[derive(Debug)]
pub struct Selection {
    rules: Rules,
    service: [u8; 3],
    now: UtcTime,
    candidates: BTreeMap<RelayId, Candidate>,
    /// Relays that are not asked before a time.
    barred: BTreeMap<RelayId, UtcTime>,
    serving: Serving,
    /// When the serving relay was asked whether it is still there, and how often, without an answer.
    asked: Option<(UtcTime, u8)>,
    outbox: VecDeque<Output>,
}

impl Selection {
    /// Looks for a relay of a service, from the first input on.
    pub const fn new(rules: Rules, service: [u8; 3]) -> Self {
        Self {
            rules,
            service,
            now: UtcTime::from_millis(0),
            candidates: BTreeMap::new(),
            barred: BTreeMap::new(),
            serving: Serving::None,
            asked: None,
            outbox: VecDeque::new(),
        }
    }

    /// Returns the relay whose link is up.
    pub const fn relay(&self) -> Option<RelayId> {
        match self.serving {
            Serving::Up(relay) | Serving::Connecting(_, Some(relay)) => Some(relay),
            _ => None,
        }
    }

    /// Whether a relay is looked for: there is none, or the one in use is too weak, and no link is being set up.
    pub fn is_seeking(&self) -> bool {
        match self.serving {
            Serving::None => true,
            Serving::Connecting(..) => false,
            Serving::Up(relay) => !self.stays(relay),
        }
    }

    /// Returns how strong a relay is, filtered; `None` where it is not remembered.
    pub fn strength(&self, relay: RelayId) -> Option<Strength> {
        self.candidates.get(&relay).map(|known| known.strength)
    }

    /// Returns the number of relays and of bars that are remembered.
    pub fn remembered(&self) -> [usize; 2] {
        [self.candidates.len(), self.barred.len()]
    }

    /// Takes an input. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, input: &Input) {
        self.now = self.now.max(input.now());
        match *input {
            Input::Tick { .. } => {}
            Input::Heard { relay, strength, .. } => self.hear(&relay, strength),
            Input::Up { relay, .. } => self.up(relay),
            Input::Failed { relay, .. } => self.lost(relay, Leave::NoAnswer),
            Input::Ended { relay, why, .. } => self.lost(relay, why),
        }
        self.forget();
        self.look_after();
        self.select();
    }

    /// Returns the next output; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or_else(|| Output::Timeout(self.deadline()))
    }

    // As TS 24.334 §10A.2.3.2
    fn hear(&mut self, relay: &Relay, strength: Strength) {
        if relay.service != self.service || self.rules.only.is_some_and(|only| only != relay.info) {
            return;
        }
        let id = RelayId(relay.relay);
        let before = self.candidates.get(&id).filter(|known| known.info == relay.info);
        let strength = before.map_or(strength, |known| known.strength.filtered(strength, self.rules.filter));
        if self.candidates.len() >= CANDIDATES && !self.candidates.contains_key(&id) {
            let serving = self.relay();
            let others = self.candidates.iter().filter(|(known, _)| Some(**known) != serving);
            if let Some(oldest) = others.min_by_key(|(_, known)| known.heard_at).map(|(known, _)| *known) {
                self.candidates.remove(&oldest);
            }
        }
        let candidate =
            Candidate { info: relay.info, has_room: relay.status.resources, strength, heard_at: self.now };
        self.candidates.insert(id, candidate);
        if self.relay() == Some(id) {
            self.asked = None;
        }
    }

    fn up(&mut self, relay: RelayId) {
        if let Serving::Connecting(to, old) = self.serving
            && to == relay
        {
            self.serving = Serving::Up(relay);
            self.asked = None;
            if let Some(old) = old {
                self.outbox.push_back(Output::Release(old));
            }
        }
    }

    /// A link is over, or did not come to be.
    fn lost(&mut self, relay: RelayId, why: Leave) {
        // The text (TS 24.334 §10.4.2.5, §10.4.4.3) leaves the time to the UE.
        if let Some(until) = why.bars(&self.rules).map(|time| self.now.plus_millis(time)) {
            self.barred.insert(relay, until);
            if self.barred.len() > BARS
                && let Some(first) =
                    self.barred.iter().min_by_key(|(_, until)| **until).map(|(relay, _)| *relay)
            {
                self.barred.remove(&first);
            }
        }
        self.serving = match self.serving {
            Serving::Connecting(to, old) if to == relay => old.map_or(Serving::None, Serving::Up),
            Serving::Connecting(to, Some(old)) if old == relay => Serving::Connecting(to, None),
            Serving::Up(up) if up == relay => Serving::None,
            other => other,
        };
        if matches!(why, Leave::NoAnswer) {
            self.candidates.remove(&relay);
        }
        if self.relay().is_none() {
            self.asked = None;
        }
        self.outbox.push_back(Output::Lost(relay, why));
    }

    fn forget(&mut self) {
        let (now, memory, serving) = (self.now, self.rules.memory, self.relay());
        self.barred.retain(|_, until| *until > now);
        self.candidates.retain(|id, known| Some(*id) == serving || known.heard_at.plus_millis(memory) > now);
    }

    /// Asks the serving relay whether it is there when nothing was heard of it, and gives it up when it does not answer.
    // TS 24.334 §10A.2.4.2 (2)
    fn look_after(&mut self) {
        let Some(relay) = self.relay() else { return };
        let heard_at = self.candidates.get(&relay).map_or(UtcTime::from_millis(0), |known| known.heard_at);
        let (due, tries) = match self.asked {
            None => (heard_at.plus_millis(self.rules.t4110), 0),
            Some((at, tries)) => (at.plus_millis(self.rules.t4109), tries),
        };
        if self.now < due {
            return;
        }
        if tries < self.rules.solicitations {
            self.asked = Some((self.now, tries + 1));
            self.outbox.push_back(Output::Solicit(Some(relay)));
        } else {
            self.outbox.push_back(Output::Release(relay));
            self.lost(relay, Leave::NoAnswer);
        }
    }

    /// Whether the relay that serves is good enough to stay.
    fn stays(&self, relay: RelayId) -> bool {
        self.candidates.get(&relay).is_some_and(|known| known.strength >= self.rules.threshold)
    }

    /// The best relay that may be connected to and is not `but`.
    fn best(&self, but: Option<RelayId>) -> Option<(RelayId, Candidate)> {
        let least = self.rules.threshold.plus(self.rules.hysteresis);
        let suitable = self.candidates.iter().filter(|(id, known)| {
            Some(**id) != but && !self.barred.contains_key(id) && known.strength >= least
        });
        // The status may be weighed, then the radio ranks.
        // TS 24.334 §10A.2.12.3
        let rank = |known: &Candidate| (known.has_room, known.strength);
        let best = suitable
            .max_by(|(_, a), (_, b)| rank(a).partial_cmp(&rank(b)).unwrap_or(core::cmp::Ordering::Equal));
        best.map(|(id, known)| (*id, *known))
    }

    // TS 24.334 §10A.2.13.2 (1)
    fn select(&mut self) {
        let old = match self.serving {
            Serving::Connecting(..) => return,
            Serving::Up(relay) if self.stays(relay) => return,
            Serving::Up(relay) => Some(relay),
            Serving::None => None,
        };
        if let Some((relay, known)) = self.best(old) {
            self.serving = Serving::Connecting(relay, old);
            self.outbox.push_back(Output::Connect { relay, info: known.info });
        }
    }

    fn deadline(&self) -> Option<UtcTime> {
        let serving = self.relay().map(|relay| match self.asked {
            Some((at, _)) => at.plus_millis(self.rules.t4109),
            None => {
                let known = self.candidates.get(&relay);
                known.map_or(self.now, |known| known.heard_at).plus_millis(self.rules.t4110)
            }
        });
        serving.into_iter().chain(self.barred.values().copied()).min()
    }
}

#[cfg(test)]
mod tests;
