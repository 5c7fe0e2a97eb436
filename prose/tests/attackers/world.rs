//! Four honest UEs: the first two are attacked, the other two have a link of their own.

use std::collections::BTreeSet;

use sidelink_prose::direct_link::{
    Change, Config, Event, Identity, Input, KdRecord, LinkId, LinkManager, Output, Pdu, State,
};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::signed::{Credential, Trust};
use sidelink_security::direct::{Fingerprint, KdId, Profile};
use sidelink_security::keys::Kd;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;

use super::attacker::Attacker;

pub(crate) const PERIOD: u64 = 40;
const T0: u64 = 1_700_000_000_000;

/// A small generator: the seed determines the run.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, below: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % below.max(1)) as usize
    }
}

/// Profile of the UEs, and authentication between them.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) profile: Profile,
    pub(crate) signed: bool,
    pub(crate) shared: bool,
}

struct Ue {
    manager: LinkManager,
    disk: Memory,
    keys: usize,
    closed: bool,
    /// Session keys under which it has sent.
    derived: BTreeSet<Fingerprint>,
    /// Session keys with which it reports to be up, and with which peer.
    up: Vec<(Layer2Id, Fingerprint)>,
}

pub(crate) struct World {
    ues: Vec<Ue>,
    pub(crate) now: u64,
    flying: Vec<(u64, usize, Pdu)>,
    counts: BTreeSet<(usize, Fingerprint, [u8; 4])>,
    repeated: bool,
}

pub(crate) fn id(ue: usize) -> Layer2Id {
    Layer2Id::new(0x10 + ue as u32).unwrap()
}

fn name(ue: usize) -> Identity {
    Identity::user(["mary", "john", "anna", "paul"][ue])
}

impl World {
    pub(crate) fn new(rules: Rules) -> Self {
        let ues = (0..4).map(|ue| {
            let mut config = Config::new(id(ue), name(ue), PERIOD);
            config.profile = rules.profile;
            config.rekey_interval = 300;
            let mut disk = Memory::default();
            let mut manager = LinkManager::open(config, &[ue as u8; 32], &mut disk).unwrap();
            for peer in (0..4).filter(|peer| *peer != ue && rules.shared) {
                let (low, high) = (ue.min(peer) as u8, ue.max(peer) as u8);
                let kd = Kd::from([0x10 * low + high + 1; 32]);
                manager.add_kd(KdRecord::pre_shared(
                    KdId(u32::from_be_bytes([1, low, 2, high])),
                    kd,
                    name(peer),
                ));
            }
            if rules.signed {
                let key = |ue: usize| Credential::raw(&[0x40 + ue as u8; 32]);
                let raw = (0..4).map(|ue| (name(ue).value, key(ue).public())).collect();
                manager.authenticate_with(key(ue), Trust { raw, ..Trust::default() });
            }
            let (derived, up) = (BTreeSet::new(), Vec::new());
            Ue { manager, disk, keys: 0, closed: false, derived, up }
        });
        let (flying, counts) = (Vec::new(), BTreeSet::new());
        Self { ues: ues.collect(), now: T0, flying, counts, repeated: false }
    }

    fn link(&self, from: usize, to: usize) -> Option<(LinkId, Fingerprint)> {
        let mut links = self.ues[from].manager.links();
        links.find_map(|(link, peer, keys)| (peer == id(to)).then_some((link, keys?.fingerprint)))
    }

    pub(crate) fn agreed(&self, a: usize, b: usize) -> bool {
        match (self.link(a, b), self.link(b, a)) {
            (Some((_, one)), Some((_, two))) => one == two,
            _ => false,
        }
    }

    /// Whether a link of this UE ever ended.
    pub(crate) fn closed(&self, ue: usize) -> bool {
        self.ues[ue].closed
    }

    fn input(&mut self, ue: usize, input: Input<'_>, attacker: Option<&mut Attacker>) {
        // A refusal has a reason.
        let _ = self.ues[ue].manager.handle_input(input);
        self.drain(ue, attacker);
    }

    pub(crate) fn connect(&mut self, from: usize, to: usize) {
        let now = UtcTime::from_millis(self.now);
        if self.ues[from].manager.links().all(|(_, peer, _)| peer != id(to)) {
            self.input(from, Input::Connect { now, peer: id(to), identity: name(to) }, None);
        }
    }

    /// Runs the actions of the operators of the attacked UEs, and the traffic of all.
    pub(crate) fn honest(&mut self, chance: &mut Chance) {
        let now = UtcTime::from_millis(self.now);
        let (lcid, sdu_type) = (Lcid::new(3).unwrap(), SduType::Ip);
        for (from, to) in [(0, 1), (1, 0), (2, 3), (3, 2)] {
            let attacked = from < 2;
            match (self.link(from, to), chance.below(24)) {
                (None, 0..=2) if attacked => self.connect(from, to),
                (Some((link, _)), 0) => {
                    self.input(from, Input::Rekey { now, link, reauthenticate: false }, None);
                }
                (Some((link, _)), 1) if attacked => {
                    self.input(from, Input::Rekey { now, link, reauthenticate: true }, None);
                }
                (Some((link, _)), 2) if attacked => self.input(from, Input::Release { now, link }, None),
                (Some((link, _)), 3..=9) => {
                    self.input(from, Input::Send { now, link, lcid, sdu_type, data: b"data" }, None);
                }
                _ => {}
            }
        }
    }

    fn drain(&mut self, ue: usize, mut attacker: Option<&mut Attacker>) {
        let now = UtcTime::from_millis(self.now);
        loop {
            let at = &mut self.ues[ue];
            match at.manager.poll_output() {
                Output::Pdu(pdu) => self.transmit(ue, pdu, attacker.as_deref_mut()),
                Output::Event(Event::State { peer, state, .. }) => match state {
                    State::Up { keys, .. } | State::Rekeyed { keys, .. } => {
                        at.up.push((peer, keys.fingerprint));
                    }
                    State::Closed { .. } => at.closed = true,
                    _ => {}
                },
                Output::Store { ticket, changes } => {
                    at.keys += changes.iter().filter(|change| matches!(change, Change::Put(_))).count();
                    at.manager.handle_input(Input::Stored { now, ticket }).unwrap();
                }
                Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut at.disk).unwrap();
                    at.manager.handle_input(Input::Granted { now, granted }).unwrap();
                }
                Output::Ask { ticket, .. } => {
                    at.manager.handle_input(Input::Answered { now, ticket, answer: None }).unwrap();
                }
                Output::Event(_) => {}
                Output::Upper(message) => panic!("{message:?} came, and nobody sent one"),
                Output::Timeout(_) => return,
            }
        }
    }

    fn transmit(&mut self, ue: usize, mut pdu: Pdu, attacker: Option<&mut Attacker>) {
        if let Some(session) = pdu.session {
            let count = pdu.octets[1..5].try_into().unwrap();
            self.repeated |= !self.counts.insert((ue, session, count));
            self.ues[ue].derived.insert(session);
        }
        let to = (0..4).find(|to| id(*to) == pdu.peer);
        let attacked = ue < 2 && to.is_none_or(|to| to < 2);
        let later = match attacker {
            Some(attacker) => attacker.on_air(&mut pdu, attacked),
            None => Some(0),
        };
        if let (Some(to), Some(later)) = (to, later) {
            self.flying.push((self.now + PERIOD * (1 + later), to, pdu));
        }
    }

    /// Runs one period of the air.
    pub(crate) fn step(&mut self, mut attacker: Option<&mut Attacker>) {
        self.now += PERIOD;
        let now = self.now;
        if let Some(attacker) = attacker.as_deref_mut() {
            self.flying.extend(attacker.act().into_iter().map(|(to, pdu)| (now, to, pdu)));
        }
        let (landed, flying) = self.flying.drain(..).partition(|(at, _, _)| *at <= now);
        self.flying = flying;
        let landed: Vec<(u64, usize, Pdu)> = landed;
        let now = UtcTime::from_millis(now);
        for (_, to, pdu) in landed {
            let input = Input::Pdu { now, source: pdu.source, lcid: pdu.lcid, pdu: &pdu.octets };
            self.input(to, input, attacker.as_deref_mut());
        }
        for ue in 0..4 {
            self.input(ue, Input::Tick { now }, attacker.as_deref_mut());
        }
    }

    /// Runs an honest air for `millis` milliseconds.
    pub(crate) fn settle(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            self.step(None);
        }
    }

    /// Checks the invariants.
    pub(crate) fn check(&mut self, seed: u64) {
        assert!(!self.repeated, "seed {seed}: (key, COUNT) twice");
        for ue in 0..4 {
            for (peer, session) in std::mem::take(&mut self.ues[ue].up) {
                let derived =
                    (0..4).any(|other| id(other) == peer && self.ues[other].derived.contains(&session));
                assert!(derived, "seed {seed}: UE {ue} has a link with {peer}, which did not derive its key");
            }
            let manager = &self.ues[ue].manager;
            assert!(manager.links().count() <= 2 && manager.half_open() <= 128, "seed {seed}");
        }
    }

    /// Checks the bounds of a UE's state at the end.
    pub(crate) fn check_bounds(&self, seed: u64) {
        for ue in &self.ues {
            let held = format!("{:?}", ue.manager).len();
            assert!(held < 300_000, "seed {seed}: {held} octets");
            assert!(ue.manager.addresses_in_use().count() <= 128 + 2 * 8, "seed {seed}");
            assert!(ue.keys < 200, "seed {seed}: {} keys stored", ue.keys);
        }
    }
}
