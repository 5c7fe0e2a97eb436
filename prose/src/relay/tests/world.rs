//! A remote UE and two relays with their real links: method 8, a PRUK of each pair's network, and announcements.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::Fingerprint;
use sidelink_security::kdf::lte;
use sidelink_security::keys::Pruk;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_discovery::Relay;
use sidelink_wire::relay_keying::{Answer, Question};

use crate::direct_link::{
    self, Closed, Config, FromPruk, Identity, LinkManager, Output, Pdu, RelayLink, State, Ticket,
};
use crate::relay::admission::AdmissionRules;
use crate::relay::discovery::Model;
use crate::relay::relay_ue::{self, RelayUe};
use crate::relay::remote_ue::{self, RemoteUe};
use crate::relay::selection::{Leave, RelayId, Rules, Strength};

pub(super) const SERVICE: [u8; 3] = [0, 0, 9];
const PRUK_ID: [u8; 8] = *b"pruk-id1";
const T0: u64 = 1_700_000_000_000;

/// Index of the remote UE; the relays are 1 and 2.
pub(super) const REMOTE: usize = 0;
pub(super) const RELAYS: [usize; 2] = [1, 2];

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// The remote UE hears a relay, strong or weak.
    Hear { relay: usize, strong: bool },
    /// The PDU at this place of the channel arrives, and stays there if it is repeated.
    Deliver { at: usize, again: bool },
    /// It is lost.
    Lose { at: usize },
    /// The network answers the question at this place, and does so once more later if it is repeated.
    Answer { at: usize, again: bool },
    /// Time advances to the next timer.
    Time,
}

/// All three UEs.
pub(super) struct World {
    managers: [LinkManager; 3],
    pub(super) remote: RemoteUe,
    pub(super) relays: [RelayUe; 2],
    pub(super) now: u64,
    pub(super) channel: Vec<(usize, Pdu)>,
    pub(super) questions: Vec<(usize, Ticket, Vec<u8>)>,
    /// Session keys that each UE has derived.
    own: [BTreeSet<Fingerprint>; 3],
    /// Links that are up, by UE: its peer.
    up: [Vec<(u32, Layer2Id)>; 3],
    answers: u8,
    /// The most links that served the remote UE at a time, by its own machine.
    pub(super) events: Vec<remote_ue::Event>,
    /// Times at which no link served although one had before.
    pub(super) gaps: usize,
    served: bool,
}

fn id(ue: usize) -> Layer2Id {
    Layer2Id::new(0x10 + ue as u32).unwrap()
}

pub(super) fn relay_id(ue: usize) -> RelayId {
    RelayId(id(ue).octets())
}

fn name(ue: usize) -> Identity {
    Identity::user(["alice", "relay1", "relay2"][ue])
}

fn pruk() -> Pruk {
    Pruk::from([0x42; 32])
}

/// Rules with short times, so that everything happens within a few timers.
pub(super) fn rules() -> Rules {
    Rules { filter: 0, not_allowed: 2000, no_room: 1000, no_key: 200, ..Rules::default() }
}

impl World {
    pub(super) fn new(most: usize) -> Self {
        let manager = |ue: usize| {
            let mut config = Config::new(id(ue), name(ue), 40);
            (config.tries, config.network_time, config.refused) = (2, 400, 1000);
            let mut manager = LinkManager::open(config, &[ue as u8 + 1; 32], &mut Memory::default()).unwrap();
            manager.establish_by(Box::new(FromPruk));
            if ue != REMOTE {
                manager.serve_as_relay(AdmissionRules::new(vec![SERVICE], most));
            }
            manager
        };
        Self {
            managers: [0, 1, 2].map(manager),
            remote: RemoteUe::new(rules(), SERVICE, Model::A),
            relays: [RelayUe::new(most), RelayUe::new(most)],
            now: T0,
            channel: Vec::new(),
            questions: Vec::new(),
            own: Default::default(),
            up: Default::default(),
            answers: 0,
            events: Vec::new(),
            gaps: 0,
            served: false,
        }
    }

    fn time(&self) -> UtcTime {
        UtcTime::from_millis(self.now)
    }

    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Hear { relay, strong } => {
                let (status, now) = (self.relays[relay - 1].status(), self.time());
                let info = [relay as u8; 6];
                let said = Relay { service: SERVICE, info, relay: id(relay).octets(), status };
                let strength = Strength(if strong { -80.0 - relay as f32 } else { -120.0 });
                self.remote.handle_input(&remote_ue::Input::Heard { now, relay: said, strength });
            }
            Event::Lose { at } => drop(self.channel.remove(at)),
            Event::Deliver { at, again } => {
                let (to, pdu) = if again { self.channel[at].clone() } else { self.channel.remove(at) };
                let (now, source, lcid) = (self.time(), pdu.source, pdu.lcid);
                let input = direct_link::Input::Pdu { now, source, lcid, pdu: &pdu.octets };
                self.managers[to].handle_input(input).unwrap();
            }
            Event::Answer { at, again } => {
                let (ue, ticket, question) =
                    if again { self.questions[at].clone() } else { self.questions.remove(at) };
                self.answer(ue, ticket, &question);
            }
            Event::Time => {
                let next = self.deadline();
                self.now = next.map_or(self.now, UtcTime::millis).max(self.now + 1);
                self.tick();
            }
        }
        self.drain();
    }

    /// The earliest timer of all machines.
    fn deadline(&mut self) -> Option<UtcTime> {
        let links = self.managers.iter_mut().filter_map(|manager| match manager.poll_output() {
            Output::Timeout(at) => at,
            _ => panic!("not drained"),
        });
        let links = links.min();
        let remote_ue::Output::Timeout(own) = self.remote.poll_output() else { panic!("not drained") };
        links.into_iter().chain(own).min()
    }

    fn tick(&mut self) {
        let now = self.time();
        for manager in &mut self.managers {
            manager.handle_input(direct_link::Input::Tick { now }).unwrap();
        }
        self.remote.handle_input(&remote_ue::Input::Tick { now });
    }

    /// What the network says. Asked twice it gives another KD.
    fn answer(&mut self, ue: usize, ticket: Ticket, question: &[u8]) {
        self.answers += 1;
        let (now, mut octets) = (self.time(), Vec::new());
        match Question::parse(question).unwrap() {
            Question::Grant { service, nonce_1, .. } => {
                let freshness = [self.answers; 16];
                let kd = lte::relay_kd(&pruk(), &service, &nonce_1, &freshness);
                let kd = kd.as_bytes();
                Answer::Granted { kd, lifetime: 3600, freshness: &freshness, gpi: &[] }.emit(&mut octets);
            }
            Question::Derive { service, nonce_1, freshness, .. } => {
                let kd = lte::relay_kd(&pruk(), &service, &nonce_1, &freshness);
                Answer::Derived { kd: kd.as_bytes(), lifetime: 3600, pruk_id: PRUK_ID }.emit(&mut octets);
            }
            _ => panic!("no other question"),
        }
        let input = direct_link::Input::Answered { now, ticket, answer: Some(&octets) };
        self.managers[ue].handle_input(input).unwrap();
    }

    fn drain(&mut self) {
        loop {
            let mut quiet = true;
            for ue in 0..3 {
                quiet &= !self.drain_links(ue);
            }
            quiet &= !self.drain_remote();
            if quiet {
                break;
            }
        }
        let serves = !self.up[REMOTE].is_empty();
        self.gaps += usize::from(self.served && !serves);
        self.served = serves;
    }

    fn drain_links(&mut self, ue: usize) -> bool {
        let mut any = false;
        loop {
            match self.managers[ue].poll_output() {
                Output::Timeout(_) => return any,
                Output::Pdu(pdu) => {
                    self.own[ue].extend(pdu.session);
                    let to = pdu.peer.value() as usize - 0x10;
                    self.channel.push((to, pdu));
                }
                Output::Ask { ticket, question, .. } => self.questions.push((ue, ticket, question)),
                // Durable at once.
                Output::Store { ticket, .. } => {
                    let now = self.time();
                    self.managers[ue].handle_input(direct_link::Input::Stored { now, ticket }).unwrap();
                }
                Output::Event(direct_link::Event::State { link, peer, state }) => {
                    self.link_changed(ue, (link.0, peer), state);
                }
                _ => {}
            }
            any = true;
        }
    }

    fn link_changed(&mut self, ue: usize, (link, peer): (u32, Layer2Id), state: State) {
        let now = self.time();
        let relay = RelayId(peer.octets());
        match state {
            State::Up { keys, .. } => {
                self.own[ue].insert(keys.fingerprint);
                self.up[ue].push((link, peer));
                if ue == REMOTE {
                    self.remote.handle_input(&remote_ue::Input::Up { now, relay });
                } else {
                    self.relays[ue - 1].handle_input(relay_ue::Input::Up { now, remote: peer });
                }
            }
            State::Closed { why } => {
                self.up[ue].retain(|(known, _)| *known != link);
                // Another link with this peer may have taken its place.
                if self.up[ue].iter().any(|(_, known)| *known == peer) {
                    return;
                }
                if ue == REMOTE {
                    let why = leave(why);
                    self.remote.handle_input(&remote_ue::Input::Ended { now, relay, why });
                } else {
                    self.relays[ue - 1].handle_input(relay_ue::Input::Ended { now, remote: peer });
                }
            }
            _ => {}
        }
        self.relays.iter_mut().for_each(|relay| while relay.poll_output() != relay_ue::Output::Done {});
    }

    fn drain_remote(&mut self) -> bool {
        let (mut any, now) = (false, self.time());
        loop {
            match self.remote.poll_output() {
                remote_ue::Output::Timeout(_) => return any,
                remote_ue::Output::Event(event) => self.events.push(event),
                remote_ue::Output::Connect { relay, info } => {
                    let (peer, ue) = (Layer2Id::from_octets(relay.0), usize::from(info[0]));
                    let user = Identity { kind: Identity::PRUK_ID, value: PRUK_ID.to_vec() };
                    let asked = RelayLink { service: SERVICE, user };
                    let identity = name(ue);
                    let input = direct_link::Input::ConnectToRelay { now, peer, identity, relay: asked };
                    if self.managers[REMOTE].handle_input(input).is_err() {
                        let why = Leave::NoAnswer;
                        self.remote.handle_input(&remote_ue::Input::Ended { now, relay, why });
                    }
                }
                remote_ue::Output::Release(relay) => {
                    let peer = Layer2Id::from_octets(relay.0);
                    let link = self.managers[REMOTE].links().find(|(_, known, _)| *known == peer);
                    if let Some((link, ..)) = link {
                        let input = direct_link::Input::Release { now, link };
                        self.managers[REMOTE].handle_input(input).unwrap();
                    }
                }
            }
            any = true;
        }
    }

    /// The relays with which the remote UE has a link that is up, by its links.
    pub(super) fn serving(&self) -> Vec<usize> {
        self.up[REMOTE].iter().map(|(_, peer)| peer.value() as usize - 0x10).collect()
    }

    /// Whether every link that is up has a key that its peer derived too.
    pub(super) fn is_proven(&self) -> bool {
        (0..3).all(|ue| {
            self.managers[ue].links().all(|(_, peer, keys)| {
                let other = peer.value() as usize - 0x10;
                keys.is_none_or(|keys| self.own[other].contains(&keys.fingerprint))
            })
        })
    }

    /// Whether no table holds more than it may.
    pub(super) fn is_bounded(&self, most: usize) -> bool {
        let [relays, bars, links, told] = self.remote.remembered();
        let half_open = self.managers.iter().all(|manager| manager.half_open() <= manager.config().half_open);
        let remotes = self.relays.iter().all(|relay| relay.remotes().count() <= most);
        let links_of = self.managers.iter().all(|manager| manager.links().count() <= 2);
        relays <= 2 && bars <= 2 && links <= 2 && told <= 2 && half_open && remotes && links_of
    }

    /// Whether the remote UE's account of its links is that of the links themselves.
    pub(super) fn is_accounted(&self) -> bool {
        self.managers[REMOTE].links().count() <= self.remote.links()
    }

    /// Goes on without losses: the network answers, both relays are heard, one of them weak if `fading`, until one link serves and
    /// all others have ended. `None` where that does not come.
    pub(super) fn settle(&mut self, fading: Option<usize>) -> Option<usize> {
        let until = self.now + 60_000;
        let mut next_hear = self.now;
        while self.now < until {
            while !self.channel.is_empty() {
                self.apply(Event::Deliver { at: 0, again: false });
            }
            while !self.questions.is_empty() {
                self.apply(Event::Answer { at: 0, again: false });
            }
            if !self.channel.is_empty() {
                continue;
            }
            if self.now >= next_hear {
                for relay in RELAYS {
                    self.apply(Event::Hear { relay, strong: fading != Some(relay) });
                }
                next_hear = self.now + 320;
            }
            let count = |relay: usize| self.managers[relay].links().count();
            if let [one] = self.serving()[..]
                && self.remote.links() == 1
                && self.managers[REMOTE].links().count() == 1
                && count(one) == 1
                && count(3 - one) == 0
                && fading != Some(one)
                && self.remote.relay() == Some(relay_id(one))
            {
                return Some(one);
            }
            let next = self.deadline().map_or(next_hear, UtcTime::millis);
            self.now = next.clamp(self.now + 1, next_hear.max(self.now + 1));
            self.tick();
            self.drain();
        }
        None
    }

    /// A digest of everything that decides what can happen.
    pub(super) fn digest(&self, events: &[Event]) -> u64 {
        let mut digest = DefaultHasher::new();
        format!("{:?} {:?} {:?}", self.managers, self.remote, self.relays).hash(&mut digest);
        self.now.hash(&mut digest);
        for (to, pdu) in &self.channel {
            (to, pdu.source, pdu.lcid, &pdu.octets).hash(&mut digest);
        }
        for (ue, _, question) in &self.questions {
            (ue, question).hash(&mut digest);
        }
        // What of the bounds is left belongs to the state.
        let spent = |what: fn(&Event) -> bool| events.iter().filter(|event| what(event)).count();
        spent(|e| matches!(e, Event::Lose { .. })).hash(&mut digest);
        spent(|e| matches!(e, Event::Deliver { again: true, .. })).hash(&mut digest);
        spent(|e| matches!(e, Event::Answer { again: true, .. })).hash(&mut digest);
        spent(|e| matches!(e, Event::Time)).hash(&mut digest);
        spent(|e| matches!(e, Event::Hear { .. })).hash(&mut digest);
        digest.finish()
    }
}

/// What the end of a link means for the selection.
pub(super) const fn leave(why: Closed) -> Leave {
    match why {
        Closed::Released => Leave::Wanted,
        Closed::ByPeer { .. } | Closed::Replaced => Leave::NotAvailable,
        Closed::NotEstablished | Closed::CannotAuthenticate => Leave::NotAuthenticated,
        _ => Leave::NoAnswer,
    }
}
