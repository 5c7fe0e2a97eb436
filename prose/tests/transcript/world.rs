//! UEs whose PDUs take one period; all their outputs are recorded.

use std::fmt::Write as _;

use sidelink_prose::direct_link::{
    Change, Config, Connection, Event, Identity, Input, KdRecord, LinkId, LinkManager, NewKd, Output, Pdu,
    Received, Role, State,
};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::signed::{Credential, Trust};
use sidelink_security::direct::{KdId, Need, Profile};
use sidelink_security::keys::Kd;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;

const PERIOD: u64 = 40;
const T0: u64 = 1_700_000_000_000;

/// A small generator: the seed determines the run.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    pub(crate) fn below(&mut self, below: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % below) as usize
    }
}

/// Profile and keys of the UEs of a world.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) profile: Profile,
    pub(crate) shared: bool,
    pub(crate) signed: bool,
    pub(crate) privacy: bool,
    pub(crate) connection_ids: bool,
    pub(crate) fresh_source: bool,
    pub(crate) new_kd: NewKd,
    pub(crate) up_integrity: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            profile: Profile::Lte,
            shared: true,
            signed: false,
            privacy: false,
            connection_ids: false,
            fresh_source: false,
            new_kd: NewKd::WhenAsked,
            up_integrity: false,
        }
    }
}

impl Rules {
    pub(crate) fn of_flags(profile: Profile, flags: u8) -> Self {
        let bit = |bit: u8| flags >> bit & 1 == 1;
        Self {
            profile,
            signed: bit(0),
            shared: !bit(0) || bit(1),
            privacy: bit(2),
            connection_ids: bit(3),
            fresh_source: bit(4),
            new_kd: if bit(5) { NewKd::Always } else { NewKd::WhenAsked },
            up_integrity: bit(3),
        }
    }
}

#[derive(Default)]
pub(crate) struct Disk {
    counters: Memory,
    keys: Vec<KdRecord>,
}

pub(crate) struct World {
    managers: Vec<LinkManager>,
    disks: Vec<Disk>,
    rules: Rules,
    pub(crate) now: u64,
    pub(crate) flying: Vec<(u64, Pdu)>,
    /// Bit i: the i-th PDU from now on is lost.
    pub(crate) lost: u32,
    pub(crate) channel: Option<Lcg>,
    pub(crate) failing: bool,
    pub(crate) out: String,
}

fn id(ue: usize) -> Layer2Id {
    Layer2Id::new(0x10 + ue as u32).unwrap()
}

fn name(ue: usize) -> Identity {
    Identity::user(["mary", "john", "peter"][ue])
}

impl World {
    pub(crate) fn new(ues: usize, rules: Rules) -> Self {
        let mut world = Self {
            managers: Vec::new(),
            disks: (0..ues).map(|_| Disk::default()).collect(),
            rules,
            now: T0,
            flying: Vec::new(),
            lost: 0,
            channel: None,
            failing: false,
            out: String::new(),
        };
        for ue in 0..ues {
            for peer in (0..ues).filter(|peer| *peer != ue && rules.shared) {
                let (low, high) = (ue.min(peer) as u8, ue.max(peer) as u8);
                let kd = Kd::from([0x10 * low + high; 32]);
                let record =
                    KdRecord::pre_shared(KdId(u32::from_be_bytes([1, low, 2, high])), kd, name(peer));
                world.disks[ue].keys.push(record);
            }
            let manager = world.open(ue);
            world.managers.push(manager);
        }
        world
    }

    fn open(&mut self, ue: usize) -> LinkManager {
        let rules = self.rules;
        let mut config = Config::new(id(ue), name(ue), PERIOD);
        config.profile = rules.profile;
        config.rekey_interval = 500;
        config.updates = true;
        config.privacy = rules.privacy.then_some(1700);
        config.connection_ids = rules.connection_ids;
        config.fresh_source = rules.fresh_source;
        config.new_kd = rules.new_kd;
        if rules.up_integrity {
            config.policy.up_integrity = Need::Preferred;
        }
        let mut manager = LinkManager::open(config, &[ue as u8; 32], &mut self.disks[ue].counters).unwrap();
        if rules.signed {
            let key = |ue: usize| Credential::raw(&[0x40 + ue as u8; 32]);
            let raw = (0..3).map(|ue| (name(ue).value, key(ue).public())).collect();
            manager.authenticate_with(key(ue), Trust { raw, ..Trust::default() });
        }
        self.disks[ue].keys.iter().for_each(|record| manager.add_kd(record.copy()));
        manager
    }

    pub(crate) fn restart(&mut self, ue: usize) {
        writeln!(self.out, "{} {ue} restarts", self.now - T0).unwrap();
        self.managers[ue] = self.open(ue);
    }

    fn time(&self) -> UtcTime {
        UtcTime::from_millis(self.now)
    }

    fn input(&mut self, ue: usize, input: Input<'_>) {
        if let Err(error) = self.managers[ue].handle_input(input) {
            writeln!(self.out, "{} {ue} error: {error:?}", self.now - T0).unwrap();
        }
        self.drain(ue);
    }

    fn up(&self, from: usize, to: usize) -> Option<LinkId> {
        let there = |peer| self.managers[to].addresses().any(|address| address == peer);
        self.managers[from]
            .links()
            .find(|(_, peer, keys)| there(*peer) && keys.is_some())
            .map(|(id, _, _)| id)
    }

    pub(crate) fn connect(&mut self, from: usize, to: usize) {
        let now = self.time();
        self.input(from, Input::Connect { now, peer: id(to), identity: name(to) });
    }

    pub(crate) fn rekey(&mut self, from: usize, to: usize, reauthenticate: bool) {
        let (now, Some(link)) = (self.time(), self.up(from, to)) else { return };
        self.input(from, Input::Rekey { now, link, reauthenticate });
    }

    pub(crate) fn trigger(&mut self, from: usize, to: usize) {
        let (now, Some(link)) = (self.time(), self.up(from, to)) else { return };
        self.input(from, Input::TriggerRekey { now, link });
    }

    pub(crate) fn update(&mut self, from: usize, to: usize) {
        let (now, Some(link)) = (self.time(), self.up(from, to)) else { return };
        self.input(from, Input::UpdateIdentifiers { now, link });
    }

    pub(crate) fn release(&mut self, from: usize, to: usize) {
        let (now, Some(link)) = (self.time(), self.up(from, to)) else { return };
        self.input(from, Input::Release { now, link });
    }

    pub(crate) fn send(&mut self, from: usize, to: usize, data: &[u8]) {
        let (now, Some(link)) = (self.time(), self.up(from, to)) else { return };
        let lcid = Lcid::new(3).unwrap();
        self.input(from, Input::Send { now, link, lcid, sdu_type: SduType::Ip, data });
    }

    /// Injects a recorded request with another nonce, from another source.
    pub(crate) fn inject(&mut self, (_, pdu): &(u64, Pdu), number: u32) {
        let mut octets = pdu.octets.clone();
        octets[22..26].copy_from_slice(&number.to_be_bytes());
        let (now, source) = (self.time(), Layer2Id::new(0x1000 + number).unwrap());
        self.input(1, Input::Pdu { now, source, lcid: pdu.lcid, pdu: &octets });
    }

    fn drain(&mut self, ue: usize) {
        let now = self.time();
        loop {
            let at = self.now - T0;
            match self.managers[ue].poll_output() {
                Output::Pdu(pdu) => {
                    let hex: String = pdu.octets.iter().map(|octet| format!("{octet:02x}")).collect();
                    let (source, peer, lcid) = (pdu.source, pdu.peer, pdu.lcid.value());
                    writeln!(self.out, "{at} {ue} pdu {source} {peer} {lcid} {:?} {hex}", pdu.message)
                        .unwrap();
                    self.transmit(pdu);
                }
                Output::Upper(message) => {
                    writeln!(self.out, "{at} {ue} upper {} {}", message.peer, message.octets.len()).unwrap();
                }
                Output::Store { ticket, .. } if self.failing => {
                    self.managers[ue].handle_input(Input::StoreFailed { now, ticket }).unwrap();
                }
                Output::Store { ticket, changes } => {
                    for change in changes {
                        self.keep(ue, change);
                    }
                    self.managers[ue].handle_input(Input::Stored { now, ticket }).unwrap();
                }
                Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.disks[ue].counters).unwrap();
                    self.managers[ue].handle_input(Input::Granted { now, granted }).unwrap();
                }
                Output::Event(Event::State { link, peer, state }) => {
                    writeln!(self.out, "{at} {ue} {link:?} {peer} {}", shown(&state)).unwrap();
                }
                Output::Event(Event::Received(Received {
                    link, lcid, sdu_type, assurance, data, ..
                })) => {
                    let what = format!("link: {link:?}, lcid: {lcid:?}, sdu_type: {sdu_type:?}");
                    let line = format!("{what}, assurance: {assurance:?}, data: {data:?}");
                    writeln!(self.out, "{at} {ue} Received {{ {line} }}").unwrap();
                }
                Output::Event(Event::Message(m)) => {
                    let (peer, sent, message) = (m.peer, m.sent, m.message);
                    let (l3, octets) = (m.l3_octets, m.pdu_octets);
                    writeln!(self.out, "{at} {ue} meter {peer} {sent} {message:?} {l3} {octets}").unwrap();
                }
                Output::Event(Event::Note(note)) => writeln!(self.out, "{at} {ue} {note:?}").unwrap(),
                Output::Ask { ticket, .. } => {
                    let refused = Input::Answered { now, ticket, answer: None };
                    self.managers[ue].handle_input(refused).unwrap();
                }
                Output::Timeout(_) => return,
            }
        }
    }

    fn keep(&mut self, ue: usize, change: Change) {
        let at = self.now - T0;
        match change {
            Change::Put(record) => {
                let (id, hex) = (record.id, record.kd.as_bytes()[0]);
                let Connection { local, previous, remote } = record.connection;
                let names = format!("Connection {{ own: {local:?}, old: {previous:?}, peer: {remote:?} }}");
                writeln!(self.out, "{at} {ue} put {id} {hex:02x} {names}").unwrap();
                self.disks[ue].keys.retain(|r| r.id != record.id || r.peer != record.peer);
                self.disks[ue].keys.push(record);
            }
            Change::Remove(id, peer) => {
                writeln!(self.out, "{at} {ue} remove {id} {peer}").unwrap();
                self.disks[ue].keys.retain(|r| r.id != id || r.peer != peer);
            }
            // No method of this world has messages with a time.
            Change::Admit(_) | Change::Forget(_) => unreachable!("{change:?}"),
        }
    }

    fn transmit(&mut self, pdu: Pdu) {
        let lost = self.lost & 1 == 1;
        self.lost >>= 1;
        let mut at = self.now + PERIOD;
        let mut copies = u8::from(!lost);
        if let Some(chance) = &mut self.channel {
            copies = [1, 1, 1, 1, 1, 1, 0, 2][chance.below(8)];
            at += [0, 0, 0, 0, 40, 200][chance.below(6)];
        }
        for copy in 0..copies {
            self.flying.push((at + u64::from(copy) * 30, pdu.clone()));
        }
    }

    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            self.now += 4;
            let now = self.now;
            let (landed, flying) = self.flying.drain(..).partition(|(at, _)| *at <= now);
            self.flying = flying;
            let landed: Vec<(u64, Pdu)> = landed;
            for (_, pdu) in landed {
                for ue in 0..self.managers.len() {
                    if self.managers[ue].addresses().any(|address| address == pdu.peer) {
                        let (now, source, lcid) = (self.time(), pdu.source, pdu.lcid);
                        self.input(ue, Input::Pdu { now, source, lcid, pdu: &pdu.octets });
                    }
                }
            }
            for ue in 0..self.managers.len() {
                let now = self.time();
                self.input(ue, Input::Tick { now });
            }
        }
    }
}

fn shown(state: &State) -> String {
    match state {
        State::Connecting => "connecting".to_owned(),
        State::Up { role, keys, .. } => format!("up {} {keys:?}", *role == Role::Initiating),
        State::Renamed { source, keys } => format!("renamed {source} {keys:?}"),
        State::Rekeyed { keys, new_kd } => format!("rekeyed {new_kd} {keys:?}"),
        State::Closed { why } => format!("closed {why:?}"),
    }
}
