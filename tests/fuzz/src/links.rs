//! Two UEs with a link between them, in either profile: the bytes say what operators do, what the air does to each PDU,
//! and when a store fails. Whatever they say, no (key, COUNT) is sent twice, nothing stays half done, and over a good air
//! a link comes up in the end whose ends agree.

use super::{Bytes, Target};
use sidelink_prose::direct_link::{Config, Event, Identity, Input, KdRecord, LinkManager, Output, Pdu};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::direct::signed::{Credential, Trust};
use sidelink_security::direct::{Fingerprint, KdId, Need, Profile};
use sidelink_security::keys::Kd;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use std::collections::BTreeSet;

/// What happens to two links.
pub const LINKS: Target = Target { name: "links", run, seeds };

/// Things that happen in one input at most.
const EVENTS: usize = 300;

/// Milliseconds in which whatever hangs has ended, and in which a link comes up.
const SETTLED: u64 = 40_000;

const T0: u64 = 1_700_000_000_000;

/// What the first byte asks for.
#[derive(Clone, Copy)]
struct Flags(u8);

impl Flags {
    const fn nr(self) -> bool {
        self.0 & 1 != 0
    }
    const fn up_integrity(self) -> bool {
        self.0 & 2 != 0
    }
    const fn raw_keys(self) -> bool {
        self.0 & 4 != 0
    }
    const fn shared_kd(self) -> bool {
        !self.raw_keys() || self.0 & 8 != 0
    }
    const fn privacy(self) -> bool {
        self.0 & 16 != 0
    }
    const fn connection_ids(self) -> bool {
        self.0 & 32 != 0
    }
    const fn fresh_source(self) -> bool {
        self.0 & 64 != 0
    }
}

struct World {
    managers: [LinkManager; 2],
    stores: [Memory; 2],
    failing: bool,
    now: u64,
    air: Vec<Pdu>,
    /// Everything that was ever sent.
    old: Vec<Pdu>,
    sent: BTreeSet<(usize, Fingerprint, [u8; 4])>,
    was_up: bool,
}

fn id(ue: usize) -> Layer2Id {
    Layer2Id::new(0x10 + ue as u32).expect("24 bits")
}

fn name(ue: usize) -> Identity {
    Identity::user(["mary", "john"][ue])
}

impl World {
    fn new(flags: Flags) -> Self {
        let mut stores = [Memory::default(), Memory::default()];
        let mut manager = |ue: usize| {
            let mut config = Config::new(id(ue), name(ue), 40);
            config.rekey_interval = 100;
            config.profile = if flags.nr() { Profile::Nr } else { Profile::Lte };
            config.updates = true;
            config.connection_ids = flags.connection_ids();
            config.fresh_source = flags.fresh_source();
            config.privacy = flags.privacy().then_some(700);
            if flags.up_integrity() {
                config.policy.up_integrity = Need::Preferred;
            }
            let mut manager =
                LinkManager::open(config, &[ue as u8; 32], &mut stores[ue]).expect("memory does not fail");
            if flags.shared_kd() {
                manager.add_kd(KdRecord::pre_shared(KdId(7), Kd::from([7; 32]), name(1 - ue)));
            }
            if flags.raw_keys() {
                let key = |ue: usize| Credential::raw(&[0x40 + ue as u8; 32]);
                let raw = (0..2).map(|ue| (name(ue).value, key(ue).public())).collect();
                manager.authenticate_with(key(ue), Trust { raw, ..Trust::default() });
            }
            manager
        };
        let managers = [manager(0), manager(1)];
        let (air, old, sent) = (Vec::new(), Vec::new(), BTreeSet::new());
        Self { managers, stores, failing: false, now: T0, air, old, sent, was_up: false }
    }

    fn time(&self) -> UtcTime {
        UtcTime::from_millis(self.now)
    }

    fn input(&mut self, ue: usize, input: Input<'_>) {
        // What is refused is refused for a reason that has a text.
        if let Err(error) = self.managers[ue].handle_input(input) {
            assert!(!error.to_string().is_empty());
        }
        self.drain(ue);
    }

    fn drain(&mut self, ue: usize) {
        let now = self.time();
        loop {
            match self.managers[ue].poll_output() {
                Output::Pdu(pdu) => {
                    if let Some(session) = pdu.session {
                        let count = pdu.octets[1..5].try_into().expect("four octets");
                        assert!(self.sent.insert((ue, session, count)), "(key, COUNT) twice: {session}");
                    }
                    self.old.push(pdu.clone());
                    self.air.push(pdu);
                }
                Output::Upper(message) => {
                    let upper = message.octets.first().copied();
                    assert!(upper.is_some(), "an empty message came over {:?}", message.link);
                }
                Output::Store { ticket, .. } => {
                    let input = if self.failing {
                        Input::StoreFailed { now, ticket }
                    } else {
                        Input::Stored { now, ticket }
                    };
                    self.managers[ue].handle_input(input).expect("it was asked for");
                }
                Output::Reserve(reservation) if self.failing => {
                    let stream = reservation.stream();
                    let failed = Input::ReservationFailed { now, stream };
                    self.managers[ue].handle_input(failed).expect("it was asked for");
                    return;
                }
                Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.stores[ue]).expect("memory does not fail");
                    self.managers[ue]
                        .handle_input(Input::Granted { now, granted })
                        .expect("it was asked for");
                }
                Output::Event(Event::Note(note)) => assert!(!note.to_string().is_empty()),
                Output::Ask { ticket, .. } => {
                    let refused = Input::Answered { now, ticket, answer: None };
                    self.managers[ue].handle_input(refused).expect("it was asked for");
                }
                Output::Timeout(_) => return,
                Output::Event(_) => {}
            }
        }
    }

    /// Where a PDU is heard, if anywhere.
    fn hear(&mut self, pdu: &Pdu) {
        for ue in 0..2 {
            if self.managers[ue].addresses().any(|address| address == pdu.peer) {
                let now = self.time();
                let (source, lcid) = (pdu.source, pdu.lcid);
                self.input(ue, Input::Pdu { now, source, lcid, pdu: &pdu.octets });
            }
        }
    }

    fn tick(&mut self, millis: u64) {
        self.now += millis;
        for ue in 0..2 {
            let now = self.time();
            self.input(ue, Input::Tick { now });
        }
    }

    fn connect(&mut self, ue: usize) {
        let now = self.time();
        self.input(ue, Input::Connect { now, peer: id(1 - ue), identity: name(1 - ue) });
    }

    fn event(&mut self, bytes: &mut Bytes<'_>) {
        let (what, which) = (bytes.byte(), usize::from(bytes.byte()));
        let (now, ue) = (self.time(), which & 1);
        let link = self.managers[ue].links().find(|(_, _, keys)| keys.is_some()).map(|(link, _, _)| link);
        self.was_up |= link.is_some();
        let at = which.checked_rem(self.air.len());
        match (what % 16, link, at) {
            (0, None, _) => self.connect(ue),
            (0 | 1, Some(link), _) => {
                self.input(ue, Input::Rekey { now, link, reauthenticate: which & 2 != 0 });
            }
            (2, Some(link), _) => self.input(ue, Input::UpdateIdentifiers { now, link }),
            (3, Some(link), _) => self.input(ue, Input::TriggerRekey { now, link }),
            (4, Some(link), _) => self.input(ue, Input::Release { now, link }),
            (5, Some(link), _) => {
                let lcid = Lcid::new(3).expect("a traffic channel");
                self.input(ue, Input::Send { now, link, lcid, sdu_type: SduType::Ip, data: b"data" });
            }
            (6, _, _) => self.tick(which as u64 * 8),
            (7..=10, _, Some(at)) => {
                let pdu = self.air.remove(at);
                self.hear(&pdu);
            }
            (11, _, Some(at)) => drop(self.air.remove(at)),
            (12, _, Some(at)) => {
                let pdu = self.air[at].clone();
                self.hear(&pdu);
            }
            (13, _, Some(at)) => {
                let (place, value) = (usize::from(bytes.byte()), bytes.byte());
                let octets = &mut self.air[at].octets;
                if let Some(place) = place.checked_rem(octets.len()) {
                    octets[place] ^= value;
                }
            }
            (14, _, Some(at)) => {
                let len = usize::from(bytes.byte());
                self.air[at].octets.truncate(len);
            }
            (15, _, _) if which >= 0xf0 => self.failing = !self.failing,
            (15, _, _) if !self.old.is_empty() => {
                let mut pdu = self.old[which % self.old.len()].clone();
                match bytes.byte() % 8 {
                    0 => std::mem::swap(&mut pdu.source, &mut pdu.peer),
                    n @ 1..=4 => {
                        pdu.lcid = Lcid::new([3, 28, 29, 30][usize::from(n) - 1]).expect("a channel");
                    }
                    _ => {}
                }
                self.hear(&pdu);
            }
            _ => {}
        }
    }

    /// A good air, and stores that work.
    fn settle(&mut self, millis: u64) {
        self.failing = false;
        let end = self.now + millis;
        while self.now < end {
            for pdu in std::mem::take(&mut self.air) {
                self.hear(&pdu);
            }
            self.tick(40);
        }
    }

    fn up(&self) -> usize {
        self.managers.iter().filter(|manager| manager.links().any(|(_, _, keys)| keys.is_some())).count()
    }
}

fn run(bytes: &[u8]) -> bool {
    let mut bytes = Bytes::new(bytes);
    let flags = Flags(bytes.byte());
    let mut world = World::new(flags);
    for _ in 0..EVENTS {
        if bytes.is_empty() {
            break;
        }
        world.event(&mut bytes);
    }
    let was_up = world.was_up;
    world.settle(SETTLED);
    assert_ne!(world.up(), 1, "half a link stays");
    if world.up() == 0 {
        world.connect(0);
        world.settle(SETTLED / 4);
    }
    let keys: Vec<_> =
        world.managers.iter().flat_map(|manager| manager.links().filter_map(|(_, _, keys)| keys)).collect();
    // Identifiers may be changing just now.
    assert!(keys.len() == 2 && keys[0].fingerprint == keys[1].fingerprint, "no link in the end: {keys:?}");
    assert!(world.managers.iter().all(|manager| manager.half_open() == 0));
    was_up
}

fn seeds() -> Vec<Vec<u8>> {
    let deliver = [[7, 0]; 8].concat();
    let wait = [6, 255];
    let steps: [&[u8]; 12] = [
        &[0, 0],
        &deliver,
        &[5, 0, 5, 1],
        &deliver,
        &wait,
        &[1, 1, 5, 0, 7, 1],
        &deliver,
        &wait,
        &[2, 0, 5, 0, 5, 1],
        &deliver,
        &[15, 0xf0, 1, 2],
        &deliver,
    ];
    let life = steps.concat();
    let rough =
        [&[0, 0, 12, 0, 13, 0, 9, 4, 11, 0][..], &wait, &deliver, &[14, 0, 3, 15, 2, 0, 15, 1, 3], &life]
            .concat();
    let ended = [&life[..], &deliver, &[15, 0xf0, 4, 1], &deliver].concat();
    let lives = [life, rough, ended];
    (0..128u8)
        .step_by(3)
        .flat_map(|flags| lives.iter().map(move |life| [&[flags][..], life].concat()))
        .collect()
}
