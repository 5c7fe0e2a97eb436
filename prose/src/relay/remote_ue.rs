//! The remote UE: a relay is found, selected and linked, watched, and left for a better one. TS 24.334 §10A.2.12, §10A.2.13.
//!
//! ```text
//! io.rs   inputs, outputs, events
//!
//!            Heard                 Connect              Up
//! seeking ---------> candidates ----------> connecting ----> serving --- weak or silent ---> connecting to another
//!    ^   solicitations (model B)               | Ended              |                        the old one serves on
//!    '-----------------------------------------'<-------------------'        Up: the old one is released
//! ```
//!
//! [`Selection`] decides; this machine keeps account of every link that was asked for until it has ended, so that a link which comes
//! up after it was given up is released, and a relay is not asked for another link while the old one still ends.

mod io;

pub use io::{Event, Input, Output, Why};

use std::collections::VecDeque;

use sidelink_security::counter::UtcTime;

use super::discovery::Model;
use super::selection::{self, Leave, RelayId, Rules, Selection, Strength};

/// What a link with a relay is, as far as this machine knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Standing {
    /// Asked for.
    Asked,
    /// In use.
    Up,
    /// Given up: it ends.
    Ending,
    /// Given up, and wanted again once it has ended.
    EndingWanted,
}

/// Whether the application wants a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Need {
    Wanted,
    NotWanted,
}

/// The relay of one remote UE, for one service.
#[derive(Debug)]
pub struct RemoteUe {
    rules: Rules,
    service: [u8; 3],
    model: Model,
    selection: Selection,
    need: Need,
    /// Links that were asked for and have not ended.
    links: Vec<(RelayId, [u8; 6], Standing)>,
    /// The relay of the link that is to be measured by a solicitation.
    measure: Option<RelayId>,
    /// Relays whose event was put out, the newest last.
    told: VecDeque<RelayId>,
    now: UtcTime,
    outbox: VecDeque<Output>,
}

/// Relays that are told of once.
const TOLD: usize = 64;

impl RemoteUe {
    /// Makes a UE that looks for a relay of a service.
    pub const fn new(rules: Rules, service: [u8; 3], model: Model) -> Self {
        Self {
            rules,
            service,
            model,
            selection: Selection::new(rules, service),
            need: Need::Wanted,
            links: Vec::new(),
            measure: None,
            told: VecDeque::new(),
            now: UtcTime::from_millis(0),
            outbox: VecDeque::new(),
        }
    }

    /// Returns the relay that serves.
    pub const fn relay(&self) -> Option<RelayId> {
        self.selection.relay()
    }

    /// Returns how strong a relay is, filtered.
    pub fn strength(&self, relay: RelayId) -> Option<Strength> {
        self.selection.strength(relay)
    }

    /// Returns the links that are up, those that end included.
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// Returns the number of entries in each table: relays, bars, links, relays that were told of.
    pub fn remembered(&self) -> [usize; 4] {
        let [relays, bars] = self.selection.remembered();
        [relays, bars, self.links.len(), self.told.len()]
    }

    /// Whether a solicitation wants a resource of the coming discovery period.
    pub fn wants_to_solicit(&self) -> bool {
        self.model.asks()
            && self.need == Need::Wanted
            && (self.measure.is_some() || self.selection.is_seeking())
    }

    /// Takes the solicitation that is due: of one relay alone, or of any. Call it once in a discovery period.
    // TS 24.334 §10A.2.4.2 (2)
    pub fn take_solicitation(&mut self) -> Option<Option<RelayId>> {
        if !self.wants_to_solicit() {
            return None;
        }
        match self.measure.take() {
            Some(relay) if !self.selection.is_seeking() => Some(Some(relay)),
            // An answer to the general question measures the relay of the link as well.
            _ => Some(None),
        }
    }

    /// Takes an input. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, input: &Input) {
        self.now = self.now.max(input.now());
        let now = self.now;
        match *input {
            Input::Tick { .. } => self.select(&selection::Input::Tick { now }),
            Input::Want { .. } => self.need = Need::Wanted,
            Input::GiveUp { .. } => self.give_up(),
            Input::Heard { relay, strength, .. } => {
                if self.need == Need::Wanted {
                    self.tell_of(&relay, strength);
                    self.select(&selection::Input::Heard { now, relay, strength });
                }
            }
            Input::Up { relay, .. } => self.up(relay),
            Input::Ended { relay, why, .. } => self.ended(relay, why),
        }
    }

    /// Returns the next output; [`Output::Timeout`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outbox.pop_front() {
            return output;
        }
        // Nothing of a selection stays unread: each input drains it.
        match self.selection.poll_output() {
            selection::Output::Timeout(at) if self.need == Need::Wanted => Output::Timeout(at),
            _ => Output::Timeout(None),
        }
    }

    /// Tells of a relay that was not told of before.
    fn tell_of(&mut self, relay: &sidelink_wire::pc5_discovery::Relay, strength: Strength) {
        let id = RelayId(relay.relay);
        if relay.service != self.service || self.told.contains(&id) {
            return;
        }
        if self.told.len() >= TOLD {
            self.told.pop_front();
        }
        self.told.push_back(id);
        let has_room = relay.status.resources;
        self.event(Event::Found { relay: id, info: relay.info, strength, has_room });
    }

    /// Hands an input to the selection, and acts on what it decides.
    fn select(&mut self, input: &selection::Input) {
        if self.need == Need::NotWanted {
            return;
        }
        self.selection.handle_input(input);
        loop {
            match self.selection.poll_output() {
                selection::Output::Connect { relay, info } => self.connect(relay, info),
                selection::Output::Release(relay) => self.release(relay, self.why_left(relay)),
                selection::Output::Solicit(relay) => self.measure = relay.or(self.measure),
                selection::Output::Lost(relay, why) => self.event(Event::Lost { relay, why }),
                selection::Output::Timeout(_) => return,
            }
        }
    }

    /// Why a relay that serves is left: it is too weak, or was not heard.
    fn why_left(&self, relay: RelayId) -> Why {
        match self.selection.strength(relay) {
            Some(strength) if strength < self.rules.threshold => Why::Weak(strength),
            _ => Why::Silent,
        }
    }

    fn connect(&mut self, relay: RelayId, info: [u8; 6]) {
        let strength = self.selection.strength(relay);
        let instead_of = self.selection.relay().map(|old| (old, self.why_left(old)));
        self.event(Event::Selected { relay, info, strength, instead_of });
        match self.links.iter_mut().find(|(known, ..)| *known == relay) {
            // The link that ends must be gone first.
            Some((_, known, standing)) => (*known, *standing) = (info, Standing::EndingWanted),
            None => {
                self.links.push((relay, info, Standing::Asked));
                self.outbox.push_back(Output::Connect { relay, info });
            }
        }
    }

    /// Gives a link up. It ends with [`Input::Ended`].
    fn release(&mut self, relay: RelayId, why: Why) {
        if self.measure == Some(relay) {
            self.measure = None;
        }
        let Some((.., standing)) = self.links.iter_mut().find(|(known, ..)| *known == relay) else { return };
        if matches!(standing, Standing::Asked | Standing::Up) {
            *standing = Standing::Ending;
            self.outbox.push_back(Output::Release(relay));
            self.event(Event::Left { relay, why });
        }
    }

    fn up(&mut self, relay: RelayId) {
        let now = self.now;
        match self.links.iter_mut().find(|(known, ..)| *known == relay) {
            Some((.., standing)) if *standing == Standing::Asked => {
                *standing = Standing::Up;
                self.event(Event::Serving { relay });
                self.select(&selection::Input::Up { now, relay });
            }
            Some((.., Standing::Up)) => {}
            // It was given up, and its release came before it was up.
            Some(_) => self.outbox.push_back(Output::Release(relay)),
            None => {
                self.links.push((relay, [0; 6], Standing::Ending));
                self.outbox.push_back(Output::Release(relay));
            }
        }
    }

    fn ended(&mut self, relay: RelayId, why: Leave) {
        let now = self.now;
        let Some(at) = self.links.iter().position(|(known, ..)| *known == relay) else { return };
        match self.links[at] {
            (_, info, Standing::EndingWanted) => {
                self.links[at].2 = Standing::Asked;
                self.outbox.push_back(Output::Connect { relay, info });
            }
            (.., Standing::Ending) => drop(self.links.remove(at)),
            (.., Standing::Asked | Standing::Up) => {
                self.links.remove(at);
                if self.measure == Some(relay) {
                    self.measure = None;
                }
                self.select(&selection::Input::Ended { now, relay, why });
            }
        }
    }

    /// Releases every link, and looks for no relay any more.
    fn give_up(&mut self) {
        self.need = Need::NotWanted;
        self.measure = None;
        self.selection = Selection::new(self.rules, self.service);
        self.told.clear();
        for (relay, _, standing) in self.links.clone() {
            match standing {
                Standing::Asked | Standing::Up => self.release(relay, Why::Unwanted),
                Standing::EndingWanted => self.forget_wish(relay),
                Standing::Ending => {}
            }
        }
    }

    /// A link that ends is not wanted again.
    fn forget_wish(&mut self, relay: RelayId) {
        if let Some((.., standing)) = self.links.iter_mut().find(|(known, ..)| *known == relay) {
            *standing = Standing::Ending;
        }
    }

    fn event(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }
}
