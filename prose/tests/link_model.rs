//! Every order of events between two real link machines, over a channel that loses, repeats and reorders, and with
//! forged messages: `stateright` explores all states within the bounds.
//!
//! The machines are not copied: a state is the list of the events that led to it, and is replayed from the start, which
//! gives the same machines every time. Two states are the same when all observable properties of the machines are
//! equal.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use sidelink_prose::direct_link::{self, Config, Identity, Input, KdRecord, LinkManager, Output, Pdu, State};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::{Fingerprint, KdId, Profile};
use sidelink_security::keys::Kd;
use sidelink_wire::ids::Layer2Id;
use stateright::{Checker, Model, Property};

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Event {
    /// The UE with this index requests a link.
    Connect(usize),
    /// It re-keys.
    Rekey(usize),
    /// It changes the identifiers of its link.
    Update(usize),
    /// The PDU at this place of the channel arrives, and stays there if it is repeated.
    Deliver { at: usize, again: bool },
    /// It is lost.
    Lose { at: usize },
    /// An adversary without keys sends a PDU of its own, in the peer's name.
    Forge { to: usize, which: usize },
    /// Time advances to the next timer of either UE.
    Time,
}

#[derive(Clone, Debug)]
struct Trace {
    events: Vec<Event>,
    digest: u64,
    agreed: bool,
    proven: bool,
    counted: bool,
    idle: bool,
    links: [usize; 2],
}

impl PartialEq for Trace {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Trace {}

impl Hash for Trace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// Bounds of the exploration.
struct Links {
    connects: &'static [usize],
    rekeys: usize,
    updates: usize,
    nr: bool,
    lose: usize,
    again: usize,
    forge: usize,
    times: usize,
}

struct World {
    managers: [LinkManager; 2],
    now: u64,
    channel: Vec<(usize, Pdu)>,
    sent: BTreeSet<(usize, Fingerprint, [u8; 4])>,
    counted: bool,
    /// Whether identifiers were ever changed.
    renames: bool,
    /// Session keys that each end has provably derived.
    own: [BTreeSet<Fingerprint>; 2],
}

const T0: u64 = 1_700_000_000_000;

fn id(ue: usize) -> Layer2Id {
    Layer2Id::new(0x10 + ue as u32).unwrap()
}

fn name(ue: usize) -> Identity {
    Identity::user(["mary", "john"][ue])
}

/// Returns the messages of a link between two others with the same identities, under another key: everything that can
/// be known without our keys.
fn forged(nr: bool) -> Vec<(usize, Pdu)> {
    let mut world = World::new(0xee, nr);
    world.apply(Event::Connect(0), &[]);
    let mut all = Vec::new();
    while !world.channel.is_empty() {
        all.extend(world.channel.iter().cloned());
        world.apply(Event::Deliver { at: 0, again: false }, &[]);
    }
    assert!(all.len() >= 4);
    all
}

impl World {
    fn new(key: u8, nr: bool) -> Self {
        let manager = |ue: usize| {
            let mut config = Config::new(id(ue), name(ue), 40);
            config.tries = 2;
            config.updates = nr;
            config.profile = if nr { Profile::Nr } else { Profile::Lte };
            config.rekey_interval = 0;
            let mut manager =
                LinkManager::open(config, &[ue as u8 ^ key; 32], &mut Memory::default()).unwrap();
            manager.add_kd(KdRecord::pre_shared(KdId(7), Kd::from([key; 32]), name(1 - ue)));
            manager
        };
        let (sent, own) = (BTreeSet::new(), [BTreeSet::new(), BTreeSet::new()]);
        Self {
            managers: [manager(0), manager(1)],
            now: T0,
            channel: Vec::new(),
            sent,
            counted: true,
            renames: nr,
            own,
        }
    }

    fn apply(&mut self, event: Event, forged: &[(usize, Pdu)]) {
        let now = UtcTime::from_millis(self.now);
        match event {
            Event::Connect(ue) => {
                let connect = Input::Connect { now, peer: id(1 - ue), identity: name(1 - ue) };
                // Refused if a link exists: no effect then.
                let _ = self.managers[ue].handle_input(connect);
                self.drain(ue);
            }
            Event::Rekey(ue) => {
                let up = self.managers[ue].links().next().filter(|(_, _, keys)| keys.is_some());
                if let Some((link, _, _)) = up {
                    let _ = self.managers[ue].handle_input(Input::Rekey { now, link, reauthenticate: false });
                    self.drain(ue);
                }
            }
            Event::Update(ue) => {
                let up = self.managers[ue].links().next().filter(|(_, _, keys)| keys.is_some());
                if let Some((link, _, _)) = up {
                    let _ = self.managers[ue].handle_input(Input::UpdateIdentifiers { now, link });
                    self.drain(ue);
                }
            }
            Event::Lose { at } => drop(self.channel.remove(at)),
            Event::Deliver { at, again } => {
                let (to, pdu) = if again { self.channel[at].clone() } else { self.channel.remove(at) };
                self.take(to, &pdu);
            }
            Event::Forge { to, which } => self.take(to, &forged[which].1),
            Event::Time => {
                let next = (0..2).filter_map(|ue| self.deadline(ue)).min();
                self.now = next.map_or(self.now, UtcTime::millis).max(self.now);
                for ue in 0..2 {
                    let now = UtcTime::from_millis(self.now);
                    self.managers[ue].handle_input(Input::Tick { now }).unwrap();
                    self.drain(ue);
                }
            }
        }
    }

    fn take(&mut self, to: usize, pdu: &Pdu) {
        let now = UtcTime::from_millis(self.now);
        if self.managers[to].addresses().any(|address| address == pdu.peer) {
            let input = Input::Pdu { now, source: pdu.source, lcid: pdu.lcid, pdu: &pdu.octets };
            self.managers[to].handle_input(input).unwrap();
        }
        self.drain(to);
    }

    fn deadline(&mut self, ue: usize) -> Option<UtcTime> {
        match self.managers[ue].poll_output() {
            Output::Timeout(at) => at,
            _ => panic!("not drained"),
        }
    }

    fn drain(&mut self, ue: usize) {
        loop {
            match self.managers[ue].poll_output() {
                Output::Pdu(pdu) => {
                    if let Some(session) = pdu.session {
                        let count = pdu.octets[1..5].try_into().unwrap();
                        self.counted &= self.sent.insert((ue, session, count));
                        self.own[ue].insert(session);
                    }
                    self.channel.push((1 - ue, pdu));
                }
                Output::Event(direct_link::Event::State {
                    state: State::Up { keys, .. } | State::Rekeyed { keys, .. } | State::Renamed { keys, .. },
                    ..
                }) => {
                    self.own[ue].insert(keys.fingerprint);
                }
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }

    fn trace(mut self, events: Vec<Event>) -> Trace {
        let up = |manager: &LinkManager| manager.links().find_map(|(_, _, keys)| keys);
        let keys = [up(&self.managers[0]), up(&self.managers[1])];
        // A link is up only with a key that the other end derived too: from both nonces and the shared KD.
        let proven = (0..2).all(|ue| keys[ue].is_none_or(|k| self.own[1 - ue].contains(&k.fingerprint)));
        // One key has one KD and one choice of algorithms on both sides, and one ID unless it is changing.
        let agreed = match keys {
            [Some(a), Some(b)] if a.fingerprint == b.fingerprint => {
                (a.kd, a.chosen) == (b.kd, b.chosen) && (a.session == b.session || self.renames)
            }
            _ => true,
        };
        let deadlines = [self.deadline(0), self.deadline(1)];
        let idle = self.channel.is_empty() && deadlines == [None, None];
        let links = [self.managers[0].links().count(), self.managers[1].links().count()];
        let mut digest = DefaultHasher::new();
        format!("{:?} {:?}", self.managers[0], self.managers[1]).hash(&mut digest);
        self.now.hash(&mut digest);
        for (to, pdu) in &self.channel {
            (to, pdu.source, pdu.peer, pdu.lcid, &pdu.octets).hash(&mut digest);
        }
        // The unused part of the bounds belongs to the state.
        let spent = |what: fn(&Event) -> bool| events.iter().filter(|e| what(e)).count();
        spent(|e| matches!(e, Event::Lose { .. })).hash(&mut digest);
        spent(|e| matches!(e, Event::Deliver { again: true, .. })).hash(&mut digest);
        spent(|e| matches!(e, Event::Forge { .. })).hash(&mut digest);
        spent(|e| matches!(e, Event::Time)).hash(&mut digest);
        spent(|e| matches!(e, Event::Connect(_))).hash(&mut digest);
        spent(|e| matches!(e, Event::Rekey(_))).hash(&mut digest);
        spent(|e| matches!(e, Event::Update(_))).hash(&mut digest);
        let (counted, digest) = (self.counted, digest.finish());
        Trace { events, digest, agreed, proven, counted, idle, links }
    }
}

impl Links {
    fn replay(&self, events: &[Event], forged: &[(usize, Pdu)]) -> World {
        let mut world = World::new(1, self.nr);
        events.iter().for_each(|event| world.apply(*event, forged));
        world
    }
}

struct Explored {
    links: Links,
    forged: Vec<(usize, Pdu)>,
}

impl Model for Explored {
    type State = Trace;
    type Action = Event;

    fn init_states(&self) -> Vec<Trace> {
        vec![World::new(1, self.links.nr).trace(Vec::new())]
    }

    fn actions(&self, state: &Trace, actions: &mut Vec<Event>) {
        let events = &state.events;
        let spent = |what: fn(&Event) -> bool| events.iter().filter(|e| what(e)).count();
        let world = self.links.replay(events, &self.forged);
        let connects = spent(|e| matches!(e, Event::Connect(_)));
        if let Some(ue) = self.links.connects.get(connects) {
            actions.push(Event::Connect(*ue));
        }
        if spent(|e| matches!(e, Event::Rekey(_))) < self.links.rekeys && state.links == [1, 1] {
            actions.extend([Event::Rekey(0), Event::Rekey(1)]);
        }
        if spent(|e| matches!(e, Event::Update(_))) < self.links.updates && state.links == [1, 1] {
            actions.extend([Event::Update(0), Event::Update(1)]);
        }
        let lose = spent(|e| matches!(e, Event::Lose { .. })) < self.links.lose;
        let again = spent(|e| matches!(e, Event::Deliver { again: true, .. })) < self.links.again;
        for at in 0..world.channel.len() {
            actions.push(Event::Deliver { at, again: false });
            if again {
                actions.push(Event::Deliver { at, again: true });
            }
            if lose {
                actions.push(Event::Lose { at });
            }
        }
        if connects > 0 && spent(|e| matches!(e, Event::Forge { .. })) < self.links.forge {
            let forge = |(which, (to, _)): (usize, &(usize, Pdu))| Event::Forge { to: *to, which };
            actions.extend(self.forged.iter().enumerate().map(forge));
        }
        // A timer expires only when the air is quiet, or when the channel is slower than the timer: both are explored.
        if connects > 0 && spent(|e| matches!(e, Event::Time)) < self.links.times {
            actions.push(Event::Time);
        }
    }

    fn next_state(&self, state: &Trace, event: Event) -> Option<Trace> {
        let mut events = state.events.clone();
        events.push(event);
        Some(self.links.replay(&events, &self.forged).trace(events))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("who is up has a key that the peer derived", |_, s: &Trace| s.proven),
            Property::always("one session key means one KD and one choice", |_, s: &Trace| s.agreed),
            Property::always("no (key, COUNT) is sent twice", |_, s: &Trace| s.counted),
            // Without a pending event or timer no exchange is incomplete.
            Property::always("no deadlock", |_, s: &Trace| !s.idle || s.links == [0, 0]),
            Property::sometimes("both are up", |_, s: &Trace| s.links == [1, 1]),
        ]
    }
}

fn explore(links: Links) -> usize {
    let forged = forged(links.nr);
    let checker = Explored { links, forged }.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.is_done());
    let states = checker.unique_state_count();
    eprintln!("{states} states");
    states
}

#[test]
fn a_set_up_with_losses_and_copies() {
    let states = explore(Links {
        connects: &[0],
        rekeys: 0,
        updates: 0,
        nr: false,
        lose: 1,
        again: 1,
        forge: 0,
        times: 2,
    });
    assert!(states > 10_000, "{states}");
}

#[test]
fn a_set_up_with_a_forgery() {
    let states = explore(Links {
        connects: &[0],
        rekeys: 0,
        updates: 0,
        nr: false,
        lose: 0,
        again: 0,
        forge: 1,
        times: 2,
    });
    assert!(states > 3000, "{states}");
}

/// All of it together: `cargo test --release -p sidelink-prose --test link_model -- --ignored`.
#[test]
#[ignore = "minutes"]
fn a_set_up_with_everything() {
    let states = explore(Links {
        connects: &[0],
        rekeys: 0,
        updates: 0,
        nr: false,
        lose: 1,
        again: 1,
        forge: 1,
        times: 2,
    });
    assert!(states > 5000, "{states}");
}

#[test]
fn both_ask_at_once() {
    let states = explore(Links {
        connects: &[0, 1],
        rekeys: 0,
        updates: 0,
        nr: false,
        lose: 1,
        again: 0,
        forge: 0,
        times: 1,
    });
    assert!(states > 1000, "{states}");
}

#[test]
fn a_re_keying_from_either_side() {
    let states = explore(Links {
        connects: &[0],
        rekeys: 2,
        updates: 0,
        nr: false,
        lose: 1,
        again: 0,
        forge: 0,
        times: 1,
    });
    assert!(states > 10_000, "{states}");
}

#[test]
fn a_set_up_of_nr_with_losses_and_copies() {
    let links =
        Links { connects: &[0], rekeys: 0, updates: 0, nr: true, lose: 1, again: 1, forge: 0, times: 1 };
    let states = explore(links);
    assert!(states > 1000, "{states}");
}

#[test]
fn identifiers_change_from_either_side() {
    let links =
        Links { connects: &[0], rekeys: 0, updates: 1, nr: true, lose: 1, again: 0, forge: 0, times: 1 };
    let states = explore(links);
    assert!(states > 1000, "{states}");
}

#[test]
fn identifiers_and_keys_change_at_once() {
    let links =
        Links { connects: &[0], rekeys: 1, updates: 1, nr: true, lose: 1, again: 0, forge: 0, times: 1 };
    let states = explore(links);
    assert!(states > 1000, "{states}");
}
