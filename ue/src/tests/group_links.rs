//! Machines of group keys get links when they ask, and their messages go over them protected, or not at all.

use super::super::carriage::Carriage;
use super::super::group_keys::{GroupAction, GroupInput, GroupMachine, GroupMessage, GroupOutput};
use super::super::jobs::{NoStore, Threaded};
use super::super::links::{Links, Part, Peer};
use super::super::refused::Refused;
use super::super::stack::{Names, Stack};
use super::super::{Event, Warning};
use sidelink_mac::engine::{self, Bearer, Config, Engine};
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, Identity};
use sidelink_prose::discovery::agent::{self, Agent};
use sidelink_prose::group_keys::{Destination, Path};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{KdId, Need, Policy};
use sidelink_security::group::GroupConfig;
use sidelink_security::keys::Kd;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::long_message::Content;
use sidelink_wire::pdcp::{HEADER_LEN, OneToManyRepr, OneToOneRepr, SduType};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

const MAKER: Layer2Id = Layer2Id::from_octets([0, 0, 1]);
const MEMBER: Layer2Id = Layer2Id::from_octets([0, 0, 2]);
const GROUP: Layer2Id = Layer2Id::from_octets([0, 1, 0xa2]);
const START: u64 = 1_700_000_000_000;

/// Longer than a transport block.
const KEY: [u8; 300] = [9; 300];

/// What a machine was told.
#[derive(Debug, PartialEq)]
enum Told {
    Up(Layer2Id, Identity),
    Down(Layer2Id),
    Message(Layer2Id, Identity, Vec<u8>),
    Unprotected,
}

/// A machine that asks for a link when it is asked to distribute, and sends its key over each link that comes up; a group
/// opens with a call, and is closed with its end.
#[derive(Default)]
struct Courier {
    told: Arc<Mutex<Vec<Told>>>,
    sends: bool,
    out: VecDeque<GroupOutput>,
}

impl Courier {
    fn key(&mut self, to: Destination) {
        let octets = KEY.to_vec().into();
        self.out.push_back(GroupOutput::Message(GroupMessage { to, name: "key", octets }));
    }
}

impl GroupMachine for Courier {
    fn content(&self) -> Option<Content> {
        Some(Content::Mikey)
    }

    fn handle_input(&mut self, input: GroupInput<'_>) {
        let told = match input {
            GroupInput::Act { action: GroupAction::Distribute, .. } => {
                self.sends = true;
                let identity = Identity::user("member");
                self.out.push_back(GroupOutput::Connect { peer: MEMBER, identity });
                return;
            }
            // Without a link.
            GroupInput::Act { action: GroupAction::Join, .. } => return self.key(Destination::Link(MEMBER)),
            // Without protection.
            GroupInput::Act { action: GroupAction::Leave, .. } => return self.key(Destination::Ue(MEMBER)),
            GroupInput::Act { action: GroupAction::Exclude(name), .. } => {
                let config = GroupConfig { group_id: GROUP.octets(), eea: Algorithm::Aes, mac: None };
                return self.out.push_back(GroupOutput::Open { name: name.clone(), config });
            }
            GroupInput::Act { .. } => return self.out.push_back(GroupOutput::Close(GROUP)),
            GroupInput::LinkUp { peer, identity, .. } => {
                if self.sends {
                    self.key(Destination::Link(peer));
                }
                Told::Up(peer, identity.clone())
            }
            GroupInput::LinkDown { peer, .. } => Told::Down(peer),
            GroupInput::Message { path: Path::Link { peer, identity }, octets, .. } => {
                Told::Message(peer, identity.clone(), octets.to_vec())
            }
            GroupInput::Message { .. } => Told::Unprotected,
            _ => return,
        };
        self.told.lock().unwrap().push(told);
    }

    fn poll_output(&mut self) -> GroupOutput {
        self.out.pop_front().unwrap_or(GroupOutput::Timeout(None))
    }
}

/// A maker and a member whose blocks reach each other, and what the machine of each was told.
struct Pair {
    stacks: [Stack<Threaded>; 2],
    told: [Arc<Mutex<Vec<Told>>>; 2],
    t: u64,
    warnings: Vec<Warning>,
    /// Channels of the PDUs of links, with their octets.
    pdus: Vec<(Lcid, Vec<u8>)>,
}

/// Who has links, and by which rules.
#[derive(Clone, Copy)]
enum LinksOf {
    Both(Policy),
    Nobody,
}

impl Pair {
    fn new(links: LinksOf) -> Self {
        let told: [Arc<Mutex<Vec<Told>>>; 2] = Default::default();
        let stacks = [(MAKER, "maker", 0), (MEMBER, "member", 1)].map(|(id, name, index)| {
            let mut engine =
                Engine::new(Config { one_to_one: true, group_signalling: true, ..Config::new(id) });
            engine.listen(Address::Ue(id));
            let agent = Agent::new(agent::Config::default()).unwrap();
            let names =
                Names { groups: [("group".to_owned(), Address::Group(GROUP))].into(), ..Names::default() };
            let machine = Courier { told: Arc::clone(&told[index]), ..Courier::default() };
            let jobs = Threaded::new(NoStore::default(), true);
            let stack = Stack::new((engine, agent), names, jobs).with_group_machine(Box::new(machine));
            let LinksOf::Both(policy) = links else { return stack };
            let mut rules = direct_link::Config::new(id, Identity::user(name), 40);
            rules.policy = policy;
            let (peer, other) = if index == 0 { (MEMBER, "member") } else { (MAKER, "maker") };
            let peer = Peer {
                id: peer,
                identity: Identity::user(other),
                kd: Some((KdId(1), Kd::from([7; 32]))),
                connect: None,
                rekey: None,
                reauthenticate: false,
                part: Part::Peer,
            };
            stack.with_links(
                Links::open(rules, vec![peer], &[index as u8; 32], &mut NoStore::default()).unwrap(),
            )
        });
        Self { stacks, told, t: 0, warnings: Vec::new(), pdus: Vec::new() }
    }

    fn pass(&mut self, subframes: u64) {
        for _ in 0..subframes {
            self.t += 1;
            let (mut warnings, mut pdus) = (Vec::new(), Vec::new());
            let mut tell = |event: Event<'_>| match event {
                Event::Warning(warning) => warnings.push(warning.clone()),
                Event::LinkPdu(pdu) => pdus.push((pdu.lcid, pdu.octets.clone())),
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
            self.warnings.extend(warnings);
            self.pdus.extend(pdus);
        }
    }

    fn act(&mut self, action: &GroupAction) {
        let Self { stacks, warnings, .. } = self;
        let mut tell = |event: Event<'_>| {
            if let Event::Warning(warning) = event {
                warnings.push(warning.clone());
            }
        };
        stacks[0].act_on_group("group", action, &mut tell).unwrap();
    }

    fn told(&self, index: usize) -> Vec<Told> {
        std::mem::take(&mut self.told[index].lock().unwrap())
    }
}

fn peer(name: &str) -> Identity {
    Identity::user(name)
}

#[test]
fn a_machine_gets_the_link_that_it_asks_for_and_its_message_arrives_with_the_proven_identity() {
    let mut pair = Pair::new(LinksOf::Both(Policy::default()));
    pair.pass(1);
    pair.act(&GroupAction::Distribute);
    pair.pass(1000);
    assert_eq!(pair.told(0), [Told::Up(MEMBER, peer("member"))]);
    let key = KEY.to_vec();
    assert_eq!(
        pair.told(1),
        [Told::Up(MAKER, peer("maker")), Told::Message(MAKER, peer("maker"), key.clone())]
    );
    // It went ciphered, on the channel of protected signalling, and nowhere else.
    let with_key = pair.pdus.iter().filter(|(_, pdu)| pdu.len() > KEY.len());
    let channels: Vec<_> = with_key.clone().map(|(lcid, _)| *lcid).collect();
    assert_eq!(channels, [Lcid::PC5_S_PROTECTED]);
    assert!(!pair.pdus.iter().any(|(_, pdu)| pdu.windows(8).any(|octets| octets == &KEY[..8])));
    // A link that is there is told of again, and the message is queued at once.
    pair.act(&GroupAction::Distribute);
    assert!(pair.stacks[0].queued(Address::Ue(MEMBER)) > KEY.len());
    pair.pass(50);
    assert_eq!(pair.told(0), [Told::Up(MEMBER, peer("member"))]);
    assert_eq!(pair.told(1), [Told::Message(MAKER, peer("maker"), key)]);
    // Its end is told to both.
    pair.stacks[0].links().unwrap().act("member", super::super::LinkAction::Release).unwrap();
    pair.pass(500);
    assert_eq!((pair.told(0), pair.told(1)), (vec![Told::Down(MEMBER)], vec![Told::Down(MAKER)]));
    assert_eq!(pair.warnings, []);
}

/// A message for a link is not sent where there is none: neither unprotected, nor later.
#[test]
fn without_a_link_nothing_is_sent() {
    for links in [LinksOf::Both(Policy::default()), LinksOf::Nobody] {
        let mut pair = Pair::new(links);
        pair.pass(1);
        pair.act(&GroupAction::Join);
        pair.pass(100);
        assert_eq!(pair.warnings, [Warning::NoLinkForGroup(MEMBER)]);
        assert_eq!((pair.told(0), pair.told(1), pair.pdus.len()), (vec![], vec![], 0));
    }
    // Who has no links is told so when it asks for one.
    let mut pair = Pair::new(LinksOf::Nobody);
    pair.pass(1);
    pair.act(&GroupAction::Distribute);
    pair.pass(10);
    assert_eq!(pair.told(0), [Told::Down(MEMBER)]);
    assert_eq!(pair.warnings, [Warning::NoLinkForGroup(MEMBER)]);
}

/// A link without ciphering is none for keys.
#[test]
fn a_link_that_does_not_protect_is_none() {
    let open = Policy { ciphering: Need::NotNeeded, ..Policy::default() };
    let mut pair = Pair::new(LinksOf::Both(open));
    pair.pass(1);
    pair.act(&GroupAction::Distribute);
    pair.pass(1000);
    assert_eq!((pair.told(0), pair.told(1)), (vec![Told::Down(MEMBER)], vec![Told::Down(MAKER)]));
    assert!(pair.stacks[0].links().unwrap().status().iter().any(|status| status.up), "there is one");
    // Nor is a message sent over it that a machine hands over all the same.
    pair.act(&GroupAction::Join);
    pair.pass(100);
    assert!(
        matches!(pair.warnings[..], [Warning::Link(direct_link::Error::Unprotected(_))]),
        "{:?}",
        pair.warnings
    );
    assert_eq!(pair.told(1), []);
}

/// What comes unprotected is never taken for what comes over a link, and does not stand in its way.
#[test]
fn an_unprotected_message_stays_one() {
    let mut pair = Pair::new(LinksOf::Both(Policy::default()));
    pair.pass(1);
    pair.act(&GroupAction::Leave);
    pair.pass(50);
    assert_eq!(pair.told(1), [Told::Unprotected]);
    pair.act(&GroupAction::Distribute);
    pair.pass(1000);
    assert!(matches!(pair.told(1)[..], [Told::Up(..), Told::Message(..)]), "the same octets, over the link");
}

#[test]
fn a_group_that_a_machine_opens_is_there_until_it_closes_it() {
    let mut pair = Pair::new(LinksOf::Nobody);
    pair.pass(1);
    assert!(pair.stacks[0].engine().group(GROUP).is_none());
    pair.act(&GroupAction::Exclude("search".to_owned()));
    assert!(pair.stacks[0].engine().group(GROUP).is_some());
    // Its signalling is sent and heard; data wait for a key.
    let refused = |pair: &mut Pair| {
        let said = pair.stacks[0].say("search", b"x", &mut |_| {});
        said.unwrap_err().to_string()
    };
    assert!(!refused(&mut pair).contains("no group"));
    let bearers = pair.stacks[0].engine().bearers();
    // Opened twice it is the same.
    pair.act(&GroupAction::Exclude("search".to_owned()));
    assert_eq!(pair.stacks[0].engine().bearers(), bearers);
    pair.act(&GroupAction::EndCall);
    assert!(pair.stacks[0].engine().group(GROUP).is_none());
    assert!(refused(&mut pair).contains("no group"));
    // The name of another group is not taken, and stays when the group is closed.
    pair.act(&GroupAction::Exclude("group".to_owned()));
    pair.act(&GroupAction::EndCall);
    assert!(pair.stacks[0].act_on_group("group", &GroupAction::StartCall, &mut |_| {}).is_ok());
    assert_eq!(pair.warnings, []);
}

/// Of what comes to this UE or to a group, only unprotected long messages of PC5 signalling are for the machines: nothing
/// under a key, no data, no other message, and nothing on another channel.
#[test]
fn only_open_signalling_is_for_the_machines() {
    let part = Carriage::default().parts(Content::Mikey, b"a message").unwrap().next().unwrap();
    let signalling = SduType::Pc5Signalling;
    let other: &[u8] = &[1, 0, 1, 0, 0, 0];
    let to_ue = |sdu_type, kd_sess_id, message: &[u8]| {
        let mut pdu = [&[0; HEADER_LEN], message].concat();
        OneToOneRepr { sdu_type, kd_sess_id, sn: 0 }.emit(&mut pdu).unwrap();
        (Address::Ue(MEMBER), pdu)
    };
    let to_group = |sdu_type, pgk_index, ptk_id| {
        let mut pdu = [&[0; HEADER_LEN], &part[..]].concat();
        OneToManyRepr { sdu_type, pgk_index, ptk_id, sn: 0 }.emit(&mut pdu).unwrap();
        (Address::Group(GROUP), pdu)
    };
    for ((address, pdu), lcid, is_taken) in [
        (to_ue(signalling, 0, &part), 28, true),
        (to_ue(signalling, 5, &part), 28, false),
        (to_ue(SduType::Ip, 0, &part), 28, false),
        (to_ue(signalling, 0, other), 28, false),
        (to_ue(signalling, 0, &part), 29, false),
        (to_ue(signalling, 0, &part), 30, false),
        (to_group(signalling, 0, 0), 28, true),
        (to_group(signalling, 3, 0), 28, false),
        (to_group(signalling, 0, 3), 28, false),
        (to_group(SduType::Ip, 0, 0), 28, false),
    ] {
        let mut pair = Pair::new(LinksOf::Nobody);
        pair.pass(1);
        let lcid = Lcid::new(lcid).unwrap();
        for stack in &mut pair.stacks {
            stack.act_on_group("group", &GroupAction::Exclude("open".to_owned()), &mut |_| {}).unwrap();
            // Some exist.
            let _ = stack.engine().add_bearer(Bearer::new(address, lcid));
        }
        let input = engine::Input::SendPdu { address, lcid, pdu: &pdu };
        pair.stacks[0].engine().handle_input(input).unwrap();
        pair.pass(20);
        assert_eq!(pair.told(1).len(), usize::from(is_taken), "{pdu:02x?} on {lcid:?}");
    }
}

/// More data than layer 2 takes is refused before it costs a COUNT; urgent data has a channel of its own, which is served first.
#[test]
fn data_over_a_link_is_refused_where_its_channel_is_full() {
    let mut pair = Pair::new(LinksOf::Both(Policy::default()));
    pair.pass(1);
    pair.act(&GroupAction::Distribute);
    pair.pass(1000);
    let mut sns = Vec::new();
    let mut send = |pair: &mut Pair, lcid: Lcid, octets: usize| {
        let tell = &mut |event: Event<'_>| {
            if let Event::LinkPdu(pdu) = event {
                sns.push((pdu.lcid, u16::from_be_bytes([pdu.octets[3], pdu.octets[4]])));
            }
        };
        let data = vec![7; octets];
        pair.stacks[0].send(Address::Ue(MEMBER), lcid, SduType::Ip, &data, tell)
    };
    let mut taken = 0;
    while send(&mut pair, Lcid::GROUP_DATA, 1000).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 16, "16 KiB");
    let full = send(&mut pair, Lcid::LINK_DATA, 1000).unwrap_err();
    assert!(matches!(full, Refused::Engine(engine::Error::Mux(_))), "{full:?}");
    send(&mut pair, Lcid::LINK_URGENT, 20).unwrap();
    send(&mut pair, Lcid::LINK_BULK, 20).unwrap();
    let channels: Vec<_> = sns.iter().map(|(lcid, _)| *lcid).collect();
    assert_eq!(channels, [&[Lcid::LINK_DATA; 16][..], &[Lcid::LINK_URGENT, Lcid::LINK_BULK]].concat());
    assert!(sns.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1), "no SN was spent in vain: {sns:?}");
    assert_eq!(pair.stacks[0].waiting().map(|waiting| waiting.priority), Some(2));
    pair.pass(1);
    assert_eq!(pair.stacks[0].waiting().map(|waiting| waiting.priority), Some(4));
    pair.pass(300);
    assert_eq!((pair.stacks[0].queued(Address::Ue(MEMBER)), pair.warnings.len()), (0, 0));
}
