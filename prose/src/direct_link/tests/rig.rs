//! UEs on a simulated air: PDUs take one period, a filter may lose, change and repeat them; stores survive a crash.

use std::cell::Cell;
use std::collections::BTreeSet;

use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::{Fingerprint, KdId, Profile};
use sidelink_security::keys::Kd;

use super::super::*;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{Body, MessageType};
use sidelink_wire::pdcp::SduType;

pub(super) const PERIOD: u64 = 40;
pub(super) const DATA: Lcid = match Lcid::new(3) {
    Ok(lcid) => lcid,
    Err(_) => unreachable!(),
};

/// State that survives a crash.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) counters: Memory,
    pub(super) keys: Vec<KdRecord>,
    pub(super) admissions: Vec<Admission>,
}

impl Disk {
    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Put(record) => self.keys.push(record),
                Change::Remove(id, peer) => self.keys.retain(|r| r.id != id || r.peer != peer),
                Change::Admit(admission) => {
                    self.admissions.retain(|known| known.sender != admission.sender);
                    self.admissions.push(admission);
                }
                Change::Forget(sender) => self.admissions.retain(|known| known.sender != sender),
            }
        }
    }
}

/// Answers of the network to queries of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outside {
    Answers,
    Refuses,
    Silent,
}

pub(super) struct Ue {
    pub(super) outside: Outside,
    /// Queries without an answer.
    pub(super) asked: Vec<Ticket>,
    /// What they ask.
    pub(super) questions: Vec<Vec<u8>>,
    pub(super) manager: LinkManager,
    pub(super) disk: Disk,
    pub(super) config: Config,
    pub(super) received: Vec<Received>,
    /// Messages for the machine above.
    pub(super) upper: Vec<UpperMessage>,
    pub(super) states: Vec<(LinkId, State)>,
    pub(super) notes: Vec<Note>,
    pub(super) meter: Vec<Metered>,
    /// Milliseconds by which this UE's clock is ahead.
    pub(super) skew: u64,
    /// Selects the operations of its store that fail, by number; a reservation counts as one.
    pub(super) failing: fn(u32) -> bool,
    pub(super) stores: u32,
    /// Configures the manager after each start.
    pub(super) equip: fn(usize, &mut LinkManager),
}

impl Ue {
    fn store_fails(&mut self) -> bool {
        self.stores += 1;
        (self.failing)(self.stores)
    }

    /// Sends a message over the first link, whatever its state.
    pub(super) fn say(&mut self, body: Body<'_>) {
        let LinkManager { links, local, .. } = &mut self.manager;
        let link::Link { common, state: link::State::Up(up) } = &mut links[0] else { panic!("not up") };
        up.session.send(common, local, body);
    }
}

#[derive(Clone, Debug)]
pub(super) struct Flying {
    pub(super) at: u64,
    pub(super) from: Layer2Id,
    pub(super) to: Layer2Id,
    pub(super) pdu: Pdu,
}

impl Flying {
    /// Returns the type of its message, by the number of LTE.
    pub(super) fn message(&self) -> Option<u8> {
        self.pdu.message.map(MessageType::lte)
    }
}

pub(super) struct Air {
    pub(super) ues: Vec<Ue>,
    pub(super) now: u64,
    pub(super) flying: Vec<Flying>,
    /// Every PDU ever sent.
    pub(super) log: Vec<Flying>,
    /// Every (session key, COUNT) by sender: none repeats.
    counts: BTreeSet<(usize, Fingerprint, u32)>,
    /// Number of points so far at which a UE may be killed, and the points at which it is.
    pub(super) points: u64,
    pub(super) crash_at: Vec<u64>,
    /// The networks between the UEs, where a method uses them.
    pub(super) signalling: super::sdes::Signalling,
    pub(super) tickets: super::ticket_server::Server,
    /// Effect of the channel on a PDU.
    pub(super) channel: Box<dyn FnMut(Flying) -> Vec<Flying>>,
}

pub(super) const T0: u64 = 1_700_000_000_000;

pub(super) fn l2(value: u32) -> Layer2Id {
    Layer2Id::new(value).unwrap()
}

pub(super) fn name(index: usize) -> Identity {
    Identity::user(["mary", "john", "peter", "anna", "paul"][index])
}

/// Seconds that a KD of the network lives.
pub(super) const NETWORK_LIFETIME: u32 = 20 * 3600;

/// Returns what the network answers to a question of method 4: a KD of its connection.
pub(super) fn network_answer(question: &[u8]) -> Vec<u8> {
    use sidelink_wire::direct_keying::{ANSWER, Answer, Question};
    let question = Question::parse(question).unwrap();
    let mut kd = [0x77; 32];
    kd[..4].copy_from_slice(&question.connection.octets());
    let mut octets = [0; ANSWER];
    Answer { kd: &kd, lifetime: NETWORK_LIFETIME }.emit(&mut octets);
    octets.to_vec()
}

/// Returns a KD that the operator gave to two UEs.
pub(super) fn shared(a: usize, b: usize) -> KdRecord {
    let (low, high) = (a.min(b) as u8, a.max(b) as u8);
    let id = KdId(u32::from_be_bytes([1, low, 2, high]));
    KdRecord::pre_shared(id, Kd::from([0x10 * low + high; 32]), name(b))
}

thread_local! {
    /// The profile of the UEs of this test.
    pub(super) static PROFILE: Cell<Profile> = const { Cell::new(Profile::Lte) };
}

impl Air {
    /// Makes UEs 0, 1, .. with layer-2 identities 0x10, 0x11, .., each pair with a KD.
    pub(super) fn new(ues: usize) -> Self {
        Self::with(ues, |_, _| {}, |_, _| {})
    }

    pub(super) fn with(
        ues: usize,
        configure: fn(usize, &mut Config),
        equip: fn(usize, &mut LinkManager),
    ) -> Self {
        let mut air = Self::without_keys(ues, configure, equip);
        for index in 0..ues {
            for peer in (0..ues).filter(|peer| *peer != index) {
                air.ues[index].disk.keys.push(shared(index, peer));
            }
            air.restart(index);
        }
        air
    }

    pub(super) fn without_keys(
        ues: usize,
        configure: fn(usize, &mut Config),
        equip: fn(usize, &mut LinkManager),
    ) -> Self {
        let ues = (0..ues).map(|index| {
            let mut config = Config::new(l2(0x10 + index as u32), name(index), PERIOD);
            config.profile = PROFILE.get();
            configure(index, &mut config);
            let mut disk = Disk::default();
            let mut manager =
                LinkManager::open(config.clone(), &[index as u8; 32], &mut disk.counters).unwrap();
            equip(index, &mut manager);
            let (received, states, notes, meter) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            Ue {
                outside: Outside::Refuses,
                asked: Vec::new(),
                questions: Vec::new(),
                manager,
                disk,
                config,
                received,
                upper: Vec::new(),
                states,
                notes,
                meter,
                skew: 0,
                failing: |_| false,
                stores: 0,
                equip,
            }
        });
        let ues = ues.collect();
        let channel = Box::new(|flying| vec![flying]);
        let (counts, crash_at) = (BTreeSet::new(), Vec::new());
        let (signalling, tickets) = Default::default();
        Self {
            ues,
            now: T0,
            flying: Vec::new(),
            log: Vec::new(),
            counts,
            points: 0,
            crash_at,
            channel,
            signalling,
            tickets,
        }
    }

    /// Kills and restarts a UE: its memory is lost, and the seed is the same as before.
    pub(super) fn restart(&mut self, index: usize) {
        let ue = &mut self.ues[index];
        let mut manager =
            LinkManager::open(ue.config.clone(), &[index as u8; 32], &mut ue.disk.counters).unwrap();
        (ue.equip)(index, &mut manager);
        for record in &ue.disk.keys {
            manager.add_kd(record.copy());
        }
        ue.disk.admissions.iter().cloned().for_each(|admission| manager.add_admission(admission));
        ue.manager = manager;
    }

    pub(super) fn time(&self, index: usize) -> UtcTime {
        UtcTime::from_millis(self.now + self.ues[index].skew)
    }

    /// Starts a link between two UEs; returns the error if it was refused.
    pub(super) fn try_connect(&mut self, from: usize, to: usize) -> Result<(), Error> {
        let (now, peer) = (self.time(from), self.ues[to].config.source);
        let begun = self.ues[from].manager.handle_input(Input::Connect { now, peer, identity: name(to) });
        self.drain(from);
        begun
    }

    pub(super) fn connect(&mut self, from: usize, to: usize) {
        let (now, peer) = (self.time(from), self.ues[to].config.source);
        self.ues[from].manager.handle_input(Input::Connect { now, peer, identity: name(to) }).unwrap();
        self.drain(from);
    }

    /// Carries out all outputs of a UE; the store completes at once.
    pub(super) fn drain(&mut self, index: usize) {
        while self.step(index) {}
    }

    /// Whether the UE is killed here, between two steps.
    fn killed(&mut self, index: usize) -> bool {
        self.points += 1;
        let killed = self.crash_at.contains(&self.points);
        if killed {
            self.restart(index);
        }
        killed
    }

    /// Carries out one output; returns false when there is none, or the UE was killed.
    pub(super) fn step(&mut self, index: usize) -> bool {
        let now = self.time(index);
        let output = self.ues[index].manager.poll_output();
        if !matches!(output, Output::Timeout(_)) && self.killed(index) {
            return true;
        }
        let ue = &mut self.ues[index];
        match output {
            Output::Pdu(pdu) => self.transmit(index, pdu),
            Output::Upper(message) => ue.upper.push(message),
            Output::Event(Event::Received(received)) => ue.received.push(received),
            Output::Event(Event::State { link, state, .. }) => ue.states.push((link, state)),
            Output::Event(Event::Message(metered)) => ue.meter.push(metered),
            Output::Event(Event::Note(note)) => {
                assert!(!note.to_string().is_empty());
                ue.notes.push(note);
            }
            Output::Store { ticket, .. } if ue.store_fails() => {
                ue.manager.handle_input(Input::StoreFailed { now, ticket }).unwrap();
            }
            Output::Store { ticket, changes } => {
                ue.disk.apply(changes);
                if self.killed(index) {
                    return true;
                }
                let ue = &mut self.ues[index];
                ue.manager.handle_input(Input::Stored { now, ticket }).unwrap();
            }
            Output::Reserve(reservation) if ue.store_fails() => {
                let stream = reservation.stream();
                ue.manager.handle_input(Input::ReservationFailed { now, stream }).unwrap();
                return false;
            }
            Output::Reserve(reservation) => {
                let granted = reservation.commit(&mut ue.disk.counters).unwrap();
                if self.killed(index) {
                    return true;
                }
                let ue = &mut self.ues[index];
                ue.manager.handle_input(Input::Granted { now, granted }).unwrap();
            }
            Output::Ask { ticket, question, .. } if ue.outside == Outside::Silent => {
                ue.asked.push(ticket);
                ue.questions.push(question);
            }
            Output::Ask { ticket, method: Sdes::METHOD, question, .. } if ue.outside == Outside::Answers => {
                for (index, ticket, answer) in self.signalling.carry(index, ticket, question) {
                    let now = self.time(index);
                    let answer = Some(&answer[..]);
                    self.ues[index].manager.handle_input(Input::Answered { now, ticket, answer }).unwrap();
                    self.drain(index);
                }
            }
            Output::Ask { ticket, method: FromTicket::METHOD, question, .. } => {
                let answers = ue.outside == Outside::Answers;
                let answer = answers.then(|| self.tickets.ask(now, &question)).flatten();
                let answer = answer.as_deref();
                ue.manager.handle_input(Input::Answered { now, ticket, answer }).unwrap();
            }
            Output::Ask { ticket, method, question, .. } => {
                let answer = match method {
                    FromNetwork::METHOD => network_answer(&question),
                    _ => vec![0x55; 32],
                };
                let answer = (ue.outside == Outside::Answers).then_some(&answer[..]);
                ue.manager.handle_input(Input::Answered { now, ticket, answer }).unwrap();
            }
            Output::Timeout(_) => return false,
        }
        true
    }

    fn transmit(&mut self, index: usize, pdu: Pdu) {
        if let Some(session) = pdu.session {
            let count = u32::from_be_bytes(pdu.octets[1..5].try_into().unwrap());
            assert!(self.counts.insert((index, session, count)), "(key, COUNT) twice: {session} {count:x}");
        }
        let flying = Flying { at: self.now + PERIOD, from: pdu.source, to: pdu.peer, pdu };
        self.log.push(flying.clone());
        let through = (self.channel)(flying);
        self.flying.extend(through);
    }

    /// Forgets the record of sent COUNTs, when the UEs have forgotten them too.
    pub(super) fn forget_counts(&mut self) {
        self.counts.clear();
    }

    /// Puts a PDU on the air that no UE sent.
    pub(super) fn inject(&mut self, from: Layer2Id, to: usize, lcid: Lcid, octets: Vec<u8>) {
        let peer = self.ues[to].config.source;
        let pdu = Pdu { source: from, peer, lcid, message: None, session: None, octets };
        self.flying.push(Flying { at: self.now, from, to: peer, pdu });
    }

    /// Advances to the next event, at most to `end`; returns false when that is reached.
    pub(super) fn advance(&mut self, end: u64) -> bool {
        let next = self.flying.iter().map(|f| f.at).min();
        let mut due = Vec::new();
        for index in 0..self.ues.len() {
            let now = self.time(index);
            let ue = &mut self.ues[index];
            match ue.manager.poll_output() {
                Output::Timeout(at) => due.extend(at.map(|at| at.millis().saturating_sub(ue.skew))),
                // The store refuses: the reservation is repeated with the next event.
                Output::Reserve(reservation) => {
                    let stream = reservation.stream();
                    ue.manager.handle_input(Input::ReservationFailed { now, stream }).unwrap();
                    due.push(self.now + PERIOD);
                }
                _ => panic!("not drained"),
            }
        }
        let next = due.into_iter().chain(next).min().unwrap_or(u64::MAX);
        if next > end {
            self.now = end.max(self.now);
            return false;
        }
        self.now = self.now.max(next);
        let (landed, flying) = self.flying.drain(..).partition(|f| f.at <= self.now);
        self.flying = flying;
        let landed: Vec<Flying> = landed;
        for Flying { from, to, pdu, .. } in landed {
            let Some(index) = self.ues.iter().position(|ue| ue.manager.addresses().any(|a| a == to)) else {
                continue;
            };
            let (now, lcid) = (self.time(index), pdu.lcid);
            let input = Input::Pdu { now, source: from, lcid, pdu: &pdu.octets };
            self.ues[index].manager.handle_input(input).unwrap();
            self.drain(index);
        }
        for index in 0..self.ues.len() {
            let now = self.time(index);
            self.ues[index].manager.handle_input(Input::Tick { now }).unwrap();
            self.drain(index);
        }
        true
    }

    /// Runs for some milliseconds.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.advance(end) {}
    }

    /// Returns the link of `from` to `to` that is up, and its keys.
    pub(super) fn up(&self, from: usize, to: usize) -> Option<(LinkId, Keys)> {
        let mut links = self.ues[from].manager.links();
        let there = |peer| self.ues[to].manager.addresses().any(|address| address == peer);
        let up = links.find(|(_, peer, keys)| there(*peer) && keys.is_some());
        up.and_then(|(id, _, keys)| Some((id, keys?)))
    }

    /// Whether both ends are up and agree on every key and algorithm.
    pub(super) fn agreed(&self, a: usize, b: usize) -> bool {
        match (self.up(a, b), self.up(b, a)) {
            (Some((_, one)), Some((_, two))) => one == two,
            _ => false,
        }
    }

    pub(super) fn send(&mut self, from: usize, to: usize, data: &[u8]) -> Result<(), Error> {
        let (link, _) = self.up(from, to).expect("no link");
        let (now, lcid, sdu_type) = (self.time(from), DATA, SduType::Ip);
        let sent = self.ues[from].manager.handle_input(Input::Send { now, link, lcid, sdu_type, data });
        self.drain(from);
        sent
    }

    /// Sends a message of a machine above.
    pub(super) fn send_upper(&mut self, from: usize, to: usize, message: &[u8]) -> Result<(), Error> {
        let (link, _) = self.up(from, to).expect("no link");
        let now = self.time(from);
        let sent = self.ues[from].manager.handle_input(Input::SendUpper { now, link, message });
        self.drain(from);
        sent
    }

    pub(super) fn rekey(&mut self, from: usize, to: usize, reauthenticate: bool) -> Result<(), Error> {
        let (link, _) = self.up(from, to).expect("no link");
        let now = self.time(from);
        let begun = self.ues[from].manager.handle_input(Input::Rekey { now, link, reauthenticate });
        self.drain(from);
        begun
    }

    pub(super) fn update(&mut self, from: usize, to: usize) -> Result<(), Error> {
        let (link, _) = self.up(from, to).expect("no link");
        let now = self.time(from);
        let begun = self.ues[from].manager.handle_input(Input::UpdateIdentifiers { now, link });
        self.drain(from);
        begun
    }

    /// Returns a pair with a link that is up.
    pub(super) fn linked() -> Self {
        let mut air = Self::new(2);
        air.connect(0, 1);
        air.run(200);
        assert!(air.agreed(0, 1));
        air
    }
}
