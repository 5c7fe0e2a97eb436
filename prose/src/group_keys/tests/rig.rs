//! UEs with group keys, their stores and the air between them, on a simulated clock. Checks at every step that no
//! (PGK, member, PTK identity, SN) is sent twice, and that no UE takes an older GMK than it had.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::group::{GroupConfig, Incoming, Receiver, ReceiverConfig, Sender};
use sidelink_security::keys::Gmk;
use sidelink_security::pdu::PduRefusal;
use sidelink_wire::ids::Layer2Id;

use super::api::*;
pub(crate) use super::disk::*;
use super::fake::Fake;

pub(crate) const START: u64 = 1_800_000_000_000;
pub(crate) const GROUP: Layer2Id = Layer2Id::from_octets([0, 0, 0x77]);
const HEADER: usize = 5;
const LCID: u8 = 1;
/// Small blocks: many reservations, so that a crash falls into one.
const RESERVE: ReserveConfig = ReserveConfig { block: 4, low_water: 2 };

pub(crate) fn l2(index: usize) -> Layer2Id {
    Layer2Id::new(0x100 + index as u32).unwrap()
}

pub(crate) fn user(index: usize) -> Identity {
    Identity::user(&format!("user{index}@ps.example"))
}

pub(crate) fn me(index: usize) -> Identity {
    Identity::user(&format!("urn:gsma:imei:35-{index:06}"))
}

pub(crate) fn fire() -> Identity {
    Identity::user("fire@groups.example")
}

pub(crate) fn member(index: usize) -> Member {
    Member { identity: user(index), layer2: l2(index) }
}

/// What is in the air.
#[derive(Debug, Clone)]
pub(crate) enum Load {
    Message(Vec<u8>),
    Data { pgk_index: u8, ptk_identity: u16, sn: u16, pdu: Vec<u8> },
}

#[derive(Debug, Clone)]
pub(crate) struct Flying {
    pub(crate) at: u64,
    pub(crate) from: usize,
    /// Who hears it: each member of a group hears, or misses, on its own.
    pub(crate) target: usize,
    pub(crate) to: Destination,
    pub(crate) load: Load,
}

type Channel = Box<dyn FnMut(Flying) -> Vec<Flying>>;
type Journal = Box<dyn FnMut(u64, Entry)>;
type MakeMessages = Box<dyn Fn(usize) -> Box<dyn Messages>>;

/// What must never come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A UE sends under this.
    Count { pgk: [u8; 32], ue: usize, count: u32 },
    /// A UE has accepted a GMK of this time.
    Gmk { ue: usize, time: u64 },
}

pub(crate) struct Ue {
    pub(crate) config: Config,
    pub(crate) machine: GroupKeys,
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) events: Vec<Event>,
    /// Data that were opened, and what was not.
    pub(crate) heard: Vec<Vec<u8>>,
    pub(crate) not_opened: Vec<PduRefusal>,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    /// PGKs in the layer 2, with the right to send.
    pub(crate) installed: BTreeMap<u8, ([u8; 32], bool)>,
    accepted: BTreeMap<Layer2Id, (UtcTime, GmkId)>,
    pub(crate) links_wanted: usize,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) ues: Vec<Ue>,
    pub(crate) flying: Vec<Flying>,
    inputs: VecDeque<(u64, usize, Ticket, bool)>,
    pub(crate) channel: Channel,
    pub(crate) make: MakeMessages,
    /// Identity that each end showed in a link.
    pub(crate) links: BTreeMap<(usize, usize), Identity>,
    pub(crate) sent: Vec<(usize, Message)>,
    used: BTreeSet<([u8; 32], [u8; 3], u32)>,
    /// Time and activation of each GMK that was made.
    made: BTreeMap<GmkId, (UtcTime, Period)>,
    pub(crate) points: u64,
    pub(crate) crash_at: Vec<u64>,
    pub(crate) crashes: u64,
    /// MAC of data: our own extension.
    pub(crate) mac: Option<Algorithm>,
    /// Takes note of what must never come twice, before it is done.
    pub(crate) journal: Option<Journal>,
    /// The next write of these UEs fails.
    pub(crate) failing: BTreeSet<usize>,
    /// What is done with jobs, those that were kept, and how many were handed back.
    pub(crate) jobs: Jobs,
    pub(crate) kept_jobs: Vec<(usize, SealJob)>,
    pub(crate) jobs_made: usize,
    seed: u64,
}

/// What is done with the making of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// It is done at once.
    Done,
    /// It is kept for later.
    Kept,
    /// It is handed back as it is.
    Refused,
}

pub(crate) fn config(index: usize, ues: usize) -> Config {
    let mut config = Config::new(l2(index), user(index), 40);
    let callers = Callers::Listed((0..ues).map(user).collect());
    config.groups = vec![StandardGroup { layer2: GROUP, identity: fire(), callers }];
    config.me = Some(MeIdentity { identity: me(index), longest_period: 7200 });
    config
}

/// UE 0 is the manager of the group.
pub(crate) fn fake(index: usize) -> Box<dyn Messages> {
    let (user, me) = (user(index), me(index));
    let mut own = vec![&user, &me];
    let fire = fire();
    if index == 0 {
        own.push(&fire);
    }
    Box::new(Fake::new(&own))
}

impl World {
    pub(crate) fn new(ues: usize) -> Self {
        Self::at(START, 0, ues, |_| Box::<MemoryDisk>::default())
    }

    /// Makes a world at a time, with a source of randomness of its own.
    pub(crate) fn at(now: u64, seed: u64, ues: usize, disk: impl Fn(usize) -> Box<dyn Disk>) -> Self {
        Self::begin(now, seed, ues, Box::new(fake), |_, _| {}, disk)
    }

    pub(crate) fn with(
        ues: usize,
        make: MakeMessages,
        configure: impl Fn(usize, &mut Config),
        disk: impl Fn(usize) -> Box<dyn Disk>,
    ) -> Self {
        Self::begin(START, 0, ues, make, configure, disk)
    }

    fn begin(
        now: u64,
        seed: u64,
        ues: usize,
        make: MakeMessages,
        configure: impl Fn(usize, &mut Config),
        disk: impl Fn(usize) -> Box<dyn Disk>,
    ) -> Self {
        let mut world = Self {
            now,
            ues: Vec::new(),
            flying: Vec::new(),
            inputs: VecDeque::new(),
            channel: Box::new(|flying| vec![flying]),
            make,
            links: BTreeMap::new(),
            sent: Vec::new(),
            used: BTreeSet::new(),
            made: BTreeMap::new(),
            points: 0,
            crash_at: Vec::new(),
            crashes: 0,
            mac: None,
            journal: None,
            failing: BTreeSet::new(),
            jobs: Jobs::Done,
            kept_jobs: Vec::new(),
            jobs_made: 0,
            seed,
        };
        for index in 0..ues {
            let mut config = config(index, ues);
            configure(index, &mut config);
            let mut disk = disk(index);
            let kept = disk.kept(world.time());
            let ue = world.ue(index, config, disk, kept);
            world.ues.push(ue);
        }
        for index in 0..ues {
            world.drain(index);
        }
        world
    }

    fn group_config(&self) -> GroupConfig {
        GroupConfig { group_id: GROUP.octets(), eea: Algorithm::Aes, mac: self.mac }
    }

    fn ue(&mut self, index: usize, config: Config, disk: Box<dyn Disk>, kept: Kept) -> Ue {
        self.seed += 1;
        let mut seed = [index as u8; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        let machine = GroupKeys::open(config.clone(), (self.make)(index), &seed, kept, self.time());
        let group = self.group_config();
        Ue {
            machine,
            disk,
            events: Vec::new(),
            heard: Vec::new(),
            not_opened: Vec::new(),
            sender: Sender::new(group, config.source.octets()),
            receiver: Receiver::new(ReceiverConfig { grace: 0, ..ReceiverConfig::new(group) }),
            installed: BTreeMap::new(),
            accepted: BTreeMap::new(),
            links_wanted: 0,
            config,
        }
    }

    pub(crate) fn time(&self) -> UtcTime {
        UtcTime::from_millis(self.now)
    }

    pub(crate) fn seconds(&self) -> UtcCounter {
        self.time().counter()
    }

    /// A period from now on.
    pub(crate) fn period(&self, seconds: u32) -> Period {
        Period { activation: self.seconds(), expiry: self.seconds().plus(seconds) }
    }

    /// Ends the process of a UE and starts it again.
    pub(crate) fn crash(&mut self, index: usize) {
        self.crashes += 1;
        self.inputs.retain(|(_, ue, ..)| *ue != index);
        self.links.retain(|(a, b), _| *a != index && *b != index);
        let config = self.ues[index].config.clone();
        let empty: Box<dyn Disk> = Box::new(MemoryDisk::default());
        let mut disk = std::mem::replace(&mut self.ues[index].disk, empty);
        disk.reopen();
        let kept = disk.kept(self.time());
        let fresh = self.ue(index, config, disk, kept);
        let old = std::mem::replace(&mut self.ues[index], fresh);
        let ue = &mut self.ues[index];
        (ue.events, ue.heard, ue.accepted) = (old.events, old.heard, old.accepted);
        for other in 0..self.ues.len() {
            if other != index {
                let now = self.time();
                let _ = self.ues[other].machine.handle_input(Input::LinkDown { now, peer: l2(index) });
                self.drain(other);
            }
        }
        self.drain(index);
    }

    /// A point at which the process may end. Returns whether it does.
    fn point(&mut self, index: usize) -> bool {
        self.points += 1;
        let due = self.crash_at.contains(&self.points);
        if due {
            self.crash(index);
        }
        due
    }

    pub(crate) fn command(&mut self, index: usize, input: Input<'_>) -> Result<(), Error> {
        let result = self.ues[index].machine.handle_input(input);
        self.drain(index);
        result
    }

    pub(crate) fn distribute(&mut self, members: std::ops::Range<usize>, seconds: u32) {
        let members: Vec<_> = members.map(member).collect();
        let (now, period) = (self.time(), self.period(seconds));
        self.command(0, Input::Distribute { now, group: GROUP, members: &members, period }).unwrap();
    }

    pub(crate) fn start_call(&mut self, index: usize) -> Result<(), Error> {
        let now = self.time();
        self.command(index, Input::StartCall { now, group: GROUP })
    }

    /// Handles all outputs of a UE.
    pub(crate) fn drain(&mut self, index: usize) {
        loop {
            let output = self.ues[index].machine.poll_output();
            match output {
                Output::Timeout(_) => return,
                Output::Seal(job) => self.on_job(index, job),
                Output::Event(event) => self.on_event(index, event),
                Output::Message(message) => {
                    let load = Load::Message(message.octets.to_vec());
                    self.fly(index, message.to, load);
                    self.sent.push((index, message));
                    if self.point(index) {
                        return;
                    }
                }
                Output::Store { ticket, changes } => {
                    if self.point(index) {
                        return;
                    }
                    self.note_made(&changes);
                    let fails = self.failing.remove(&index);
                    if !fails {
                        self.ues[index].disk.apply(&changes);
                    }
                    if self.point(index) {
                        return;
                    }
                    self.inputs.push_back((self.now + 2, index, ticket, !fails));
                }
                Output::Install { group, key, may_send } => {
                    if group != GROUP {
                        // The layer 2 here is of one group.
                        continue;
                    }
                    let ue = &mut self.ues[index];
                    ue.installed.insert(key.pgk_id, (*key.pgk.as_bytes(), may_send));
                    let copy = sidelink_security::group::GroupKey {
                        pgk: sidelink_security::keys::Pgk::from(*key.pgk.as_bytes()),
                        ..key
                    };
                    assert!(ue.receiver.install(copy).is_ok(), "the index was not free");
                    if may_send {
                        let stored = ue.disk.reserved(ue.sender.stream(&key));
                        ue.sender.add(key, RESERVE, stored).unwrap();
                    }
                }
                Output::Remove { group, .. } if group != GROUP => {}
                Output::Remove { pgk_id, .. } => {
                    let ue = &mut self.ues[index];
                    ue.installed.remove(&pgk_id);
                    ue.sender.remove(pgk_id);
                    ue.receiver.remove(pgk_id);
                }
                Output::Connect { peer, identity, local } => {
                    self.connect(index, peer, &identity, local);
                    if self.point(index) {
                        return;
                    }
                }
            }
        }
    }

    /// Does a job at once, keeps it for later, or hands it back as it is.
    fn on_job(&mut self, index: usize, mut job: SealJob) {
        let now = self.time();
        match self.jobs {
            Jobs::Done => job.run(),
            Jobs::Kept => return self.kept_jobs.push((index, job)),
            Jobs::Refused => {}
        }
        self.jobs_made += 1;
        self.ues[index].machine.handle_input(Input::Sealed { now, job }).unwrap();
    }

    /// Does the jobs that were kept.
    pub(crate) fn do_jobs(&mut self) {
        for (index, mut job) in std::mem::take(&mut self.kept_jobs) {
            job.run();
            let now = self.time();
            self.command(index, Input::Sealed { now, job }).unwrap();
        }
    }

    fn note_made(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::PutGmk(record) = change {
                self.made.insert(record.id, (record.time, record.period));
            }
        }
    }

    fn connect(&mut self, index: usize, peer: Layer2Id, identity: &Identity, local: LocalIdentity) {
        self.ues[index].links_wanted += 1;
        let Some(other) = (0..self.ues.len()).find(|i| l2(*i) == peer) else { return };
        let theirs = &self.ues[other].config;
        let has =
            theirs.identity == *identity || theirs.me.as_ref().is_some_and(|me| me.identity == *identity);
        if !has {
            return;
        }
        let own = match local {
            LocalIdentity::User => user(index),
            LocalIdentity::Me => me(index),
        };
        self.links.insert((index, other), own.clone());
        self.links.insert((other, index), identity.clone());
        let now = self.time();
        let _ = self.ues[other].machine.handle_input(Input::LinkUp { now, peer: l2(index), identity: &own });
        self.drain(other);
        let _ = self.ues[index].machine.handle_input(Input::LinkUp { now, peer, identity });
    }

    fn on_event(&mut self, index: usize, event: Event) {
        match &event {
            Event::GmkReceived { group, gmk_id, .. } => {
                // Those of the machines; a test may make one by itself.
                if let Some((time, _)) = self.made.get(gmk_id) {
                    if let Some(journal) = &mut self.journal {
                        journal(self.now, Entry::Gmk { ue: index, time: time.millis() });
                    }
                    let before = self.ues[index].accepted.insert(*group, (*time, *gmk_id));
                    let newer = before.is_none_or(|(before, id)| before < *time || id == *gmk_id);
                    assert!(newer, "UE {index} took an older GMK");
                }
            }
            Event::CallJoined { call, .. } => {
                let time = self.made.get(&call.gmk_id).map(|(time, _)| *time);
                let latest = self.ues[index].accepted.get(&call.group).copied();
                if let (Some(time), Some((accepted, id))) = (time, latest) {
                    let in_use = self.made[&id].1.activation <= self.seconds();
                    assert!(accepted <= time || !in_use, "UE {index} joined under an older GMK");
                }
            }
            _ => {}
        }
        self.ues[index].events.push(event);
    }

    fn fly(&mut self, from: usize, to: Destination, load: Load) {
        for target in 0..self.ues.len() {
            let addressed = match to {
                Destination::Ue(id) | Destination::Link(id) => id == l2(target),
                Destination::Group(_) => true,
            };
            if target != from && addressed {
                let flying = Flying { at: self.now + 10, from, target, to, load: load.clone() };
                self.flying.extend((self.channel)(flying));
            }
        }
    }

    /// Puts a message into the air in the name of a UE, as an attacker does.
    pub(crate) fn inject(&mut self, from: usize, target: usize, to: Destination, octets: &[u8]) {
        let load = Load::Message(octets.to_vec());
        self.flying.push(Flying { at: self.now, from, target, to, load });
    }

    fn deliver(&mut self, flying: Flying) {
        let Flying { from, target, to, load, .. } = flying;
        match load {
            Load::Message(octets) => {
                let (now, source) = (self.time(), l2(from));
                let identity = self.links.get(&(from, target)).cloned();
                let path = match (to, &identity) {
                    (Destination::Ue(_), _) => Path::Ue { source },
                    (Destination::Group(group), _) => Path::Group { source, group },
                    (Destination::Link(_), Some(identity)) => Path::Link { peer: source, identity },
                    (Destination::Link(_), None) => return,
                };
                let input = Input::Message { now, path, octets: &octets };
                assert_eq!(self.ues[target].machine.handle_input(input), Ok(()));
                self.drain(target);
            }
            Load::Data { pgk_index, ptk_identity, sn, mut pdu } => {
                let incoming =
                    Incoming { source: l2(from).octets(), lcid: LCID, pgk_index, ptk_identity, sn };
                let now = self.seconds();
                let ue = &mut self.ues[target];
                match ue.receiver.open(now, incoming, &mut pdu, HEADER) {
                    Ok(opened) => ue.heard.push(pdu[HEADER..opened.end].to_vec()),
                    Err(refusal) => ue.not_opened.push(refusal),
                }
            }
        }
    }

    /// Sends data to the group, if this UE may and can. The rig fails when a COUNT comes twice.
    pub(crate) fn say(&mut self, index: usize, data: &[u8]) -> bool {
        let reservations: Vec<_> = self.ues[index].sender.wanted().collect();
        for reservation in reservations {
            if self.point(index) {
                return false;
            }
            let granted = reservation.commit(&mut Counters(&mut *self.ues[index].disk)).unwrap();
            if self.point(index) {
                return false;
            }
            self.ues[index].sender.grant(granted);
        }
        let now = self.seconds();
        let ue = &mut self.ues[index];
        let Ok(ticket) = ue.sender.begin(now) else { return false };
        let (pgk_index, ptk_identity, sn) = (ticket.pgk_index(), ticket.ptk_identity(), ticket.sn());
        let (pgk, may_send) = ue.installed[&ticket.pgk_id()];
        assert!(may_send);
        let count = u32::from(ptk_identity) << 16 | u32::from(sn);
        if let Some(journal) = &mut self.journal {
            journal(self.now, Entry::Count { pgk, ue: index, count });
        }
        let ue = &mut self.ues[index];
        let new = self.used.insert((pgk, l2(index).octets(), count));
        assert!(new, "UE {index} used COUNT {count:08x} twice");
        let mut pdu = vec![0; HEADER];
        pdu.extend_from_slice(data);
        pdu.resize(HEADER + data.len() + ue.sender.config().mac_octets(), 0);
        ue.sender.protect(ticket, LCID, &mut pdu, HEADER).unwrap();
        self.fly(index, Destination::Group(GROUP), Load::Data { pgk_index, ptk_identity, sn, pdu });
        !self.point(index)
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        loop {
            let timers = self.ues.iter_mut().filter_map(|ue| match ue.machine.poll_output() {
                Output::Timeout(at) => at.map(UtcTime::millis),
                output => panic!("not drained: {output:?}"),
            });
            let flights = self.flying.iter().map(|flying| flying.at);
            let inputs = self.inputs.iter().map(|(at, ..)| *at);
            let Some(at) = timers.chain(flights).chain(inputs).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    /// Delivers what is due, without any time.
    pub(crate) fn step_now(&mut self) {
        self.run(0);
    }

    fn step(&mut self) {
        while let Some(position) = self.inputs.iter().position(|(at, ..)| *at <= self.now) {
            let Some((_, index, ticket, stored)) = self.inputs.remove(position) else { return };
            let now = self.time();
            let input = match stored {
                true => Input::Stored { now, ticket },
                false => Input::StoreFailed { now, ticket },
            };
            self.command(index, input).unwrap();
        }
        while let Some(position) = self.flying.iter().position(|flying| flying.at <= self.now) {
            let flying = self.flying.remove(position);
            self.deliver(flying);
        }
        for index in 0..self.ues.len() {
            let now = self.time();
            if matches!(self.ues[index].machine.poll_output(), Output::Timeout(Some(at)) if at <= now) {
                self.command(index, Input::Tick { now }).unwrap();
            }
        }
    }

    /// Returns what a UE keeps.
    pub(crate) fn kept(&mut self, index: usize) -> Kept {
        let now = self.time();
        self.ues[index].disk.kept(now)
    }

    /// Returns a GMK that a UE keeps.
    pub(crate) fn key(&mut self, index: usize) -> Gmk {
        Gmk::from(*self.kept(index).gmks[0].gmk.as_bytes())
    }

    /// Returns why messages of a UE were refused by another one.
    pub(crate) fn refusals(&self, index: usize) -> Vec<Refusal> {
        let of = |event: &Event| match event {
            Event::Refused { why, .. } => Some(*why),
            _ => None,
        };
        self.ues[index].events.iter().filter_map(of).collect()
    }

    /// Returns the messages of a kind that a UE sent.
    pub(crate) fn messages(&self, index: usize, kind: MessageKind) -> Vec<Vec<u8>> {
        let of = |(from, m): &&(usize, Message)| *from == index && m.kind == kind;
        self.sent.iter().filter(of).map(|(_, message)| message.octets.to_vec()).collect()
    }

    /// Whether a UE is in a call of another one.
    pub(crate) fn in_call(&self, index: usize, caller: usize) -> bool {
        let theirs: Vec<_> = self.ues[caller].machine.calls().filter(|c| c.caller == user(caller)).collect();
        !theirs.is_empty() && theirs.iter().any(|call| self.ues[index].machine.calls().any(|c| c == *call))
    }

    pub(crate) fn gmk(&self, index: usize) -> Option<GmkId> {
        self.ues[index].machine.current_gmk(GROUP)
    }
}
