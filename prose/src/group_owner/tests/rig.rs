//! An owner and members on a simulated air: messages take one period, a filter may lose, change and repeat them; stores
//! survive a crash.

use std::collections::BTreeMap;

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::signed::issue::{Issuer, Validity};
use sidelink_security::direct::signed::{Credential, Root, Trust};
use sidelink_security::group::GroupConfig;
use sidelink_wire::group_owner::Kind;
use sidelink_wire::ids::Layer2Id;

use super::super::*;
use crate::direct_link::Identity;

pub(super) const T0: u64 = 1_700_000_000_000;
pub(super) const PERIOD: u64 = 40;
pub(super) const DAY: u64 = 86_400_000;
pub(super) const GROUP: GroupConfig =
    GroupConfig { group_id: [7, 7, 7], eea: Algorithm::Aes, mac: Some(Algorithm::Aes) };

pub(super) fn time(millis: u64) -> UtcTime {
    UtcTime::from_millis(millis)
}

pub(super) fn layer2(ue: usize) -> Layer2Id {
    Layer2Id::from_octets([0x10, 0, ue as u8])
}

pub(super) fn name(ue: usize) -> Identity {
    Identity::user(
        &["owner", "mary", "john", "anna", "peter"]
            .get(ue)
            .map_or(format!("ue-{ue}"), |name| (*name).to_owned()),
    )
}

pub(super) fn issuer() -> Issuer {
    Issuer::new("operators of the north", &[0xaa; 32])
}

pub(super) fn validity() -> Validity {
    Validity { from: time(T0 - DAY), until: time(T0 + 7 * DAY) }
}

pub(super) fn trust() -> Trust {
    let root =
        Root::from_der(&issuer().certificate(Validity { from: time(T0 - DAY), until: time(T0 + 90 * DAY) }));
    let mut trust = Trust { roots: vec![root.unwrap()], raw: Vec::new(), guard: 32_000, grace: 0 };
    trust.install_crl(&issuer().revoke(5, &[], time(T0))).unwrap();
    trust
}

/// Credential of a UE; its serial number is that of the UE.
pub(super) fn credential(ue: usize, issuer: &Issuer, who: &Identity) -> Credential {
    let key = Credential::raw(&[ue as u8 + 1; 32]).public();
    Credential::certified(&[ue as u8 + 1; 32], issuer.issue(&who.value, 100 + ue as u32, &key, validity()))
}

pub(super) fn config(ue: usize) -> Config {
    Config { requests: 3, longest_wait: 3000, ..Config::new(GROUP, name(ue), layer2(ue), PERIOD) }
}

/// Keys that a UE was told to use.
#[derive(Default)]
pub(super) struct Held {
    /// PGK ID -> K_multicast.
    pub(super) group: BTreeMap<u8, [u8; 32]>,
    /// Peer -> KD ID and K_unicast.
    pub(super) unicast: BTreeMap<Identity, (u32, [u8; 32])>,
    /// Each K_multicast and K_unicast that it ever had.
    pub(super) ever: Vec<[u8; 32]>,
    pub(super) config: Option<GroupConfig>,
}

pub(super) enum Machine {
    Owner(Box<Owner>),
    Member(Box<Member>),
}

pub(super) struct Ue {
    pub(super) machine: Machine,
    pub(super) store: Memory,
    pub(super) held: Held,
    pub(super) events: Vec<Event>,
    pub(super) layer2: Layer2Id,
    pub(super) timeout: Option<UtcTime>,
    /// Reservations and lists are neither confirmed nor refused.
    pub(super) store_hangs: bool,
    pub(super) waiting: Vec<Output>,
}

impl Ue {
    pub(super) fn input(&mut self, input: Input<'_>) -> Result<(), Error> {
        match &mut self.machine {
            Machine::Owner(owner) => owner.handle_input(input),
            Machine::Member(member) => member.handle_input(input),
        }
    }

    fn poll(&mut self) -> Output {
        match &mut self.machine {
            Machine::Owner(owner) => owner.poll_output(),
            Machine::Member(member) => member.poll_output(),
        }
    }

    /// Confirms what waits for the store.
    pub(super) fn store_answers(&mut self, now: UtcTime) {
        for output in std::mem::take(&mut self.waiting) {
            let input = match output {
                Output::Reserve(reservation) => {
                    Input::Granted { now, granted: reservation.commit(&mut self.store).unwrap() }
                }
                Output::Store { ticket, number } => {
                    number.commit(&mut self.store).unwrap();
                    Input::Stored { now, ticket }
                }
                other => panic!("{other:?}"),
            };
            self.input(input).unwrap();
        }
    }

    /// Takes all outputs; returns the messages.
    pub(super) fn drain(&mut self, now: UtcTime) -> Vec<Outgoing> {
        let mut out = Vec::new();
        for _ in 0..10_000 {
            match self.poll() {
                Output::Message(message) => out.push(message),
                Output::GroupKeys(keys) => {
                    let key = *keys.key.pgk.as_bytes();
                    keys.replaces.map(|old| self.held.group.remove(&old).expect("it was in use"));
                    self.held.group.insert(keys.key.pgk_id, key);
                    self.held.ever.push(key);
                    self.held.config = Some(keys.config);
                }
                Output::UnicastKey(key) => {
                    let (id, kd) = (key.record.id.0, *key.record.kd.as_bytes());
                    let old = self.held.unicast.insert(key.record.peer.clone(), (id, kd));
                    assert_eq!(old.map(|old| old.0).filter(|old| *old != id), key.replaces.map(|id| id.0));
                    self.held.ever.push(kd);
                }
                Output::Forget(Forget::Group(id)) => {
                    self.held.group.remove(&id).expect("it was in use");
                }
                Output::Forget(Forget::Unicast(id, peer)) => {
                    assert_eq!(self.held.unicast.remove(&peer).expect("it was in use").0, id.0);
                }
                output @ (Output::Reserve(_) | Output::Store { .. }) => {
                    self.waiting.push(output);
                    if !self.store_hangs {
                        self.store_answers(now);
                    }
                }
                Output::Event(event) => {
                    if let Event::Note(note) = &event {
                        assert!(!note.to_string().is_empty());
                    }
                    self.events.push(event);
                }
                Output::Timeout(at) => {
                    assert!(at.is_none_or(|at| at > now), "it is due and was not done: {at:?} at {now:?}");
                    self.timeout = at;
                    return out;
                }
            }
        }
        panic!("outputs do not end");
    }

    pub(super) fn member(&self) -> &Member {
        match &self.machine {
            Machine::Member(member) => member,
            Machine::Owner(_) => panic!("an owner"),
        }
    }

    pub(super) fn owner(&self) -> &Owner {
        match &self.machine {
            Machine::Owner(owner) => owner,
            Machine::Member(_) => panic!("a member"),
        }
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = &Note> {
        self.events.iter().filter_map(|event| match event {
            Event::Note(note) => Some(note),
            _ => None,
        })
    }
}

/// A message on the air.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) from: Layer2Id,
    pub(super) to: Layer2Id,
    pub(super) kind: Kind,
    pub(super) octets: Vec<u8>,
}

pub(super) struct Rig {
    pub(super) now: u64,
    /// The owner is UE 0.
    pub(super) ues: Vec<Ue>,
    pub(super) air: Vec<Sent>,
    pub(super) old: Vec<Sent>,
}

impl Rig {
    /// An owner and `members` UEs that are out of the group.
    pub(super) fn new(members: usize) -> Self {
        Self::with(members, config, |_| trust())
    }

    pub(super) fn with(
        members: usize,
        config: impl Fn(usize) -> Config,
        trust: impl Fn(usize) -> Trust,
    ) -> Self {
        let mut rig = Self { now: T0, ues: Vec::new(), air: Vec::new(), old: Vec::new() };
        for ue in 0..=members {
            let own = credential(ue, &issuer(), &name(ue));
            rig.ues.push(start(ue, config(ue), own, trust(ue), Memory::default(), 0));
        }
        rig.tick(0);
        rig
    }

    pub(super) fn time(&self) -> UtcTime {
        time(self.now)
    }

    /// Takes the outputs of a UE to the air.
    pub(super) fn drain(&mut self, ue: usize) {
        let now = self.time();
        let from = self.ues[ue].layer2;
        let out = self.ues[ue].drain(now);
        let sent = out.into_iter().map(|Outgoing { to, kind, octets }| Sent { from, to, kind, octets });
        let sent: Vec<_> = sent.collect();
        self.old.extend(sent.iter().filter(|sent| sent.kind != Kind::Notice).cloned());
        self.air.extend(sent);
    }

    pub(super) fn input(&mut self, ue: usize, input: Input<'_>) -> Result<(), Error> {
        let result = self.ues[ue].input(input);
        self.drain(ue);
        result
    }

    pub(super) fn tick(&mut self, millis: u64) {
        self.now += millis;
        for ue in 0..self.ues.len() {
            let now = self.time();
            self.input(ue, Input::Tick { now }).unwrap();
        }
    }

    pub(super) fn hear(&mut self, sent: &Sent) {
        for ue in 0..self.ues.len() {
            let is_notice = sent.kind == Kind::Notice && self.ues[ue].layer2 != sent.from;
            if is_notice || self.ues[ue].layer2 == sent.to {
                let now = self.time();
                self.input(ue, Input::Message { now, from: sent.from, message: &sent.octets }).unwrap();
            }
        }
    }

    pub(super) fn join(&mut self, ue: usize) {
        let now = self.time();
        self.input(ue, Input::Join { now, owner: layer2(0), identity: name(0) }).unwrap();
    }

    /// One period of the air under a filter, which returns what arrives of a message.
    pub(super) fn period(&mut self, filter: &mut dyn FnMut(Sent) -> Vec<Sent>) {
        for sent in std::mem::take(&mut self.air) {
            for sent in filter(sent) {
                self.hear(&sent);
            }
        }
        self.tick(PERIOD);
    }

    /// Runs for some time on a good air.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            self.period(&mut |sent| vec![sent]);
        }
    }

    /// Runs for some time under a filter.
    pub(super) fn run_with(&mut self, millis: u64, mut filter: impl FnMut(Sent) -> Vec<Sent>) {
        let end = self.now + millis;
        while self.now < end {
            self.period(&mut filter);
        }
    }

    /// All members join, on a good air.
    pub(super) fn all_join(&mut self) {
        for ue in 1..self.ues.len() {
            self.join(ue);
            self.run(1000);
        }
        for ue in 1..self.ues.len() {
            self.assert_in(ue);
        }
    }

    /// A UE and the owner have the same keys, and only those.
    pub(super) fn assert_in(&self, ue: usize) {
        let (owner, member) = (&self.ues[0], &self.ues[ue]);
        assert_eq!(member.member().epoch(), owner.owner().epoch(), "{:?}", member.events);
        assert_eq!(member.held.group, owner.held.group);
        assert_eq!(member.held.group.len(), 1);
        assert_eq!(member.held.unicast.get(&name(0)), owner.held.unicast.get(&name(ue)));
        assert_eq!(member.held.unicast.len(), 1);
    }

    pub(super) fn assert_out(&self, ue: usize) {
        let member = &self.ues[ue];
        assert_eq!(member.member().epoch(), None);
        assert!(member.held.group.is_empty() && member.held.unicast.is_empty());
    }

    /// Crash of a UE: only its store survives.
    pub(super) fn crash(&mut self, ue: usize, seed: u8) {
        let store = self.ues[ue].store.clone();
        let own = credential(ue, &issuer(), &name(ue));
        let ever = std::mem::take(&mut self.ues[ue].held.ever);
        self.ues[ue] = start(ue, config(ue), own, trust(), store, seed);
        self.ues[ue].held.ever = ever;
        self.tick(0);
    }
}

/// Starts a UE.
pub(super) fn start(
    ue: usize,
    config: Config,
    own: Credential,
    trust: Trust,
    mut store: Memory,
    seed: u8,
) -> Ue {
    let layer2 = config.layer2;
    let seed = [ue as u8 ^ seed; 32];
    let machine = match ue {
        0 => Machine::Owner(Box::new(Owner::open(config, &seed, (own, trust), &mut store).unwrap())),
        _ => Machine::Member(Box::new(Member::open(config, &seed, (own, trust), &mut store).unwrap())),
    };
    Ue {
        machine,
        store,
        held: Held::default(),
        events: Vec::new(),
        layer2,
        timeout: None,
        store_hangs: false,
        waiting: Vec::new(),
    }
}
