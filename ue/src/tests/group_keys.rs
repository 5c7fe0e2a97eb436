//! The stack carries messages of group keys and uses the PGKs that they bring.

use super::super::group_keys::{
    GroupAction, GroupInput, GroupMachine, GroupMessage, GroupOutput, GroupWrite,
};
use super::super::jobs::{NoStore, Threaded};
use super::super::stack::{Names, Stack};
use super::super::{Event, Warning};
use sidelink_mac::engine::{Bearer, Config, Engine};
use sidelink_mac::mux::Address;
use sidelink_mac::pdcp::Protection;
use sidelink_prose::discovery::agent::{self, Agent};
use sidelink_prose::group_keys::{Destination, Path};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::group::{GroupConfig, GroupKey, Receiver, ReceiverConfig, Sender};
use sidelink_security::keys::Pgk;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::long_message::Content;
use sidelink_wire::{pdcp, rlc_um, sl_sch};
use std::collections::VecDeque;

const MANAGER: Layer2Id = Layer2Id::from_octets([0, 0, 1]);
const MEMBER: Layer2Id = Layer2Id::from_octets([0, 0, 2]);
const GROUP: Layer2Id = Layer2Id::from_octets([0, 1, 0xa2]);
const START: u64 = 1_700_000_000_000;

/// A machine that sends its key in the clear: the key when asked to distribute, to the one member; the end of it, to the
/// group, when asked to end a call. A member stores a key before it uses it.
#[derive(Default)]
struct Plain {
    out: VecDeque<GroupOutput>,
    heard: Option<Vec<u8>>,
}

impl Plain {
    fn say(&mut self, to: Destination, octets: &[u8]) {
        self.out.push_back(GroupOutput::Message(GroupMessage {
            to,
            name: "plain",
            octets: octets.to_vec().into(),
        }));
    }

    fn install(&mut self, octet: u8) {
        let (valid_from, expiry) = (UtcCounter::new(0), UtcCounter::new(u32::MAX));
        let key = GroupKey { pgk_id: 7, pgk: Pgk::from([octet; 32]), valid_from, expiry };
        self.out.push_back(GroupOutput::Install { group: GROUP, key, may_send: true, config: None });
    }
}

impl GroupMachine for Plain {
    fn content(&self) -> Option<Content> {
        Some(Content::Mikey)
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        match input {
            GroupInput::Act { action: GroupAction::Distribute, .. } => {
                // Longer than a transport block.
                self.say(Destination::Ue(MEMBER), &[9; 300]);
                self.install(9);
            }
            GroupInput::Act { .. } => self.say(Destination::Group(GROUP), &[0]),
            GroupInput::Message { path: Path::Ue { source }, octets, .. } => {
                assert_eq!((source, octets.len()), (MANAGER, 300));
                self.heard = Some(octets.to_vec());
                let write = GroupWrite::Identity(Vec::new());
                self.out.push_back(GroupOutput::Store { ticket: 3, write });
            }
            GroupInput::Message { path, .. } => {
                assert_eq!(path, Path::Group { source: MANAGER, group: GROUP });
                self.out.push_back(GroupOutput::Remove { group: GROUP, pgk_id: 7 });
            }
            GroupInput::Stored { ticket, .. } => {
                assert_eq!(ticket, 3);
                let octet = self.heard.take().unwrap()[0];
                self.install(octet);
            }
            _ => {}
        }
    }

    fn poll_output(&mut self) -> GroupOutput {
        self.out.pop_front().unwrap_or(GroupOutput::Timeout(None))
    }
}

fn stack(id: Layer2Id) -> Stack<Threaded> {
    let config = GroupConfig { group_id: GROUP.octets(), eea: Algorithm::Aes, mac: None };
    let mut engine = Engine::new(Config { one_to_one: true, group_signalling: true, ..Config::new(id) });
    let address = Address::Group(GROUP);
    engine.add_group(Receiver::new(ReceiverConfig::new(config)));
    engine.add_destination(address, Protection::Group(Sender::new(config, id.octets())));
    for lcid in [Lcid::GROUP_DATA, Lcid::PC5_S_UNPROTECTED] {
        engine.add_bearer(Bearer::new(address, lcid)).unwrap();
    }
    engine.listen(address);
    engine.listen(Address::Ue(id));
    let agent = Agent::new(agent::Config::default()).unwrap();
    let names = Names { groups: [("group".to_owned(), address)].into(), ..Names::default() };
    let jobs = Threaded::new(NoStore::default(), true);
    Stack::new((engine, agent), names, jobs).with_group_machine(Box::<Plain>::default())
}

/// A manager and a member whose blocks reach each other.
struct Pair {
    stacks: [Stack<Threaded>; 2],
    t: u64,
    /// Data that the member got, and warnings of both.
    data: Vec<Vec<u8>>,
    warnings: Vec<Warning>,
}

impl Pair {
    fn new() -> Self {
        Self { stacks: [stack(MANAGER), stack(MEMBER)], t: 0, data: Vec::new(), warnings: Vec::new() }
    }

    /// Lets `subframes` subframes pass, with a block of either in each.
    fn pass(&mut self, subframes: u64) {
        for _ in 0..subframes {
            self.t += 1;
            let (mut data, mut warnings) = (Vec::new(), Vec::new());
            let mut tell = |event: Event<'_>| match event {
                Event::Mac(sidelink_mac::engine::Event::Received(sdu)) => data.push(sdu.data.to_vec()),
                Event::Warning(warning) => warnings.push(warning.clone()),
                _ => {}
            };
            for from in [0, 1] {
                self.stacks[from].begin(self.t, UtcTime::from_millis(START + self.t), &mut tell);
                let Some(waiting) = self.stacks[from].waiting() else { continue };
                let mut block = [0; 100];
                if self.stacks[from].fill(waiting.address, &mut block, &mut tell) {
                    let group = Some(waiting.group_destination());
                    self.stacks[1 - from].receive_sl_sch(group, &block, &mut tell);
                }
            }
            self.data.extend(data);
            self.warnings.extend(warnings);
        }
    }

    fn act(&mut self, action: &GroupAction) {
        self.stacks[0].act_on_group("group", action, &mut |_| {}).unwrap();
    }

    fn say(&mut self, from: usize, text: &[u8]) -> bool {
        self.stacks[from].say("group", text, &mut |_| {}).is_ok()
    }
}

#[test]
fn a_key_comes_over_the_air_and_goes_again() {
    let mut pair = Pair::new();
    pair.pass(1);
    assert!(!pair.say(0, b"without a key"));
    pair.act(&GroupAction::Distribute);
    pair.pass(10);
    assert!(!pair.say(1, b"before the key is stored"), "the job of the store is due later");
    pair.pass(200);
    assert!(pair.say(0, b"under the key") && pair.say(1, b"an answer"));
    pair.pass(10);
    assert_eq!(pair.data, [b"under the key".to_vec(), b"an answer".to_vec()]);
    pair.act(&GroupAction::EndCall);
    pair.pass(10);
    assert!(!pair.say(1, b"after the key"), "the member took it back");
    assert_eq!(pair.warnings, []);
}

/// The counters of a key that comes again go on where they were: no COUNT is used twice.
#[test]
fn a_key_that_comes_again_goes_on_with_its_counters() {
    let mut pair = Pair::new();
    let mut counts = Vec::new();
    for _ in 0..2 {
        pair.act(&GroupAction::Distribute);
        pair.pass(300);
        assert!(pair.say(1, b"x"));
        let mut block = [0; 60];
        assert!(pair.stacks[1].fill(Address::Group(GROUP), &mut block, &mut |_| {}));
        let mac = sl_sch::Packet::new_checked(&block[..]).unwrap();
        let mac = sl_sch::Repr::parse(&mac).unwrap();
        let rlc = rlc_um::Packet::new_checked(mac.sdus()[0].data).unwrap();
        let pdu = pdcp::Packet::new_checked(rlc.elements().next().unwrap()).unwrap();
        counts.push(pdcp::OneToManyRepr::parse(&pdu).unwrap().sn);
        pair.act(&GroupAction::EndCall);
        pair.pass(10);
    }
    assert!(counts[0] < counts[1], "{counts:?}");
}

#[test]
fn a_group_that_is_not_there_is_refused() {
    let mut pair = Pair::new();
    let refused = pair.stacks[0].act_on_group("none", &GroupAction::Distribute, &mut |_| {});
    assert_eq!(refused.unwrap_err().to_string(), "there is no group \"none\"");
}
