//! Three or more UEs whose links come up at once: what the machines carry, and what they refuse.

use std::collections::BTreeMap;

use sidelink_security::direct::signed::Role;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pdcp::SduType;
use sidelink_wire::u2u::{Adaptation, Control, LocalId, Why};

use super::*;

const SERVICE: [u8; 3] = [0, 0, 1];
const NAMES: [&str; 5] = ["mary", "john", "ruth", "paul", "anna"];

fn l2(index: usize) -> Layer2Id {
    Layer2Id::new(0x10 + index as u32).unwrap()
}

fn index(peer: Layer2Id) -> usize {
    (peer.value() - 0x10) as usize
}

fn user(index: usize) -> Identity {
    Identity::user(NAMES[index])
}

/// mary and john, the relays ruth and paul, and anna.
struct Net {
    ues: Vec<U2u>,
    /// Links that are not to come up.
    deaf: Vec<usize>,
    said: Vec<(usize, Output)>,
    /// What went over a link on the control channel, or behind a header: from, to, octets.
    carried: Vec<(usize, usize, Vec<u8>)>,
    links: Vec<[usize; 2]>,
    /// Messages of relays that are lost from now on.
    lost: usize,
}

impl Net {
    fn new(layer: Layer, change: impl Fn(&mut Config)) -> Self {
        let ues = (0..NAMES.len()).map(|ue| {
            let mut config = Config::new(user(ue));
            config.neighbours = (0..NAMES.len()).map(|ue| (user(ue), l2(ue))).collect();
            if [2, 3].contains(&ue) {
                config.services.push((SERVICE, layer));
            }
            change(&mut config);
            U2u::new(config)
        });
        Self {
            ues: ues.collect(),
            deaf: Vec::new(),
            said: Vec::new(),
            carried: Vec::new(),
            links: Vec::new(),
            lost: 0,
        }
    }

    /// Carries everything until all is quiet.
    fn settle(&mut self) {
        loop {
            let next = (0..self.ues.len()).find_map(|ue| Some((ue, self.ues[ue].poll_output()?)));
            let Some((from, output)) = next else { return };
            let peer = l2(from);
            match &output {
                Output::Connect { peer: to, identity, target } => {
                    let (to, target) = (index(*to), target.clone());
                    if self.deaf.contains(&to) {
                        self.ues[from].handle_input(Input::HopDown { peer: l2(to) });
                    } else {
                        self.links.push([from, to]);
                        let (role, _) = identity.role().unwrap();
                        let own = match role {
                            Role::Relay => Identity::end(SERVICE, user(from).name()),
                            Role::End => Identity::relay(SERVICE, user(from).name()),
                        };
                        self.ues[to].handle_input(Input::HopUp { peer, identity: &own, target: &target });
                        let input = Input::HopUp { peer: l2(to), identity, target: &target };
                        self.ues[from].handle_input(input);
                    }
                }
                Output::Release { peer: to } => {
                    self.end_link(from, index(*to));
                }
                Output::Control { peer: to, octets } => {
                    self.carried.push((from, index(*to), octets.clone()));
                    if self.lost > 0 {
                        self.lost -= 1;
                    } else {
                        self.ues[index(*to)].handle_input(Input::Control { peer, octets });
                    }
                }
                Output::Packet { peer: to, octets } => {
                    self.carried.push((from, index(*to), octets.clone()));
                    self.ues[index(*to)].handle_input(Input::Packet { peer, octets });
                }
                Output::Adapted { peer: to, lcid, octets } => {
                    self.carried.push((from, index(*to), octets.clone()));
                    self.ues[index(*to)].handle_input(Input::Adapted { peer, lcid: *lcid, octets });
                }
                Output::Pdu { .. } | Output::Data { .. } | Output::Event(_) => {}
            }
            self.said.push((from, output));
        }
    }

    fn end_link(&mut self, one: usize, other: usize) {
        self.links.retain(|ends| *ends != [one, other] && *ends != [other, one]);
        self.ues[one].handle_input(Input::HopDown { peer: l2(other) });
        self.ues[other].handle_input(Input::HopDown { peer: l2(one) });
    }

    fn want(&mut self, from: usize, to: usize, relay: usize) {
        let relay_identity = Identity::relay(SERVICE, user(relay).name());
        let (user, peer) = (user(to), l2(relay));
        self.ues[from].handle_input(Input::Want { user: &user, relay: &relay_identity, peer });
        self.settle();
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        self.ues[from].layer(far(&user(to))).is_some()
    }

    fn send_pdu(&mut self, from: usize, to: usize, octets: &[u8]) {
        let (peer, lcid) = (far(&user(to)), Lcid::PC5_S_UNPROTECTED);
        self.ues[from].handle_input(Input::SendPdu { peer, lcid, octets });
        self.settle();
    }

    fn pdus(&self, at: usize) -> Vec<(Layer2Id, Vec<u8>)> {
        let pdu = |(ue, output): &(usize, Output)| match output {
            Output::Pdu { source, octets, .. } if *ue == at => Some((*source, octets.clone())),
            _ => None,
        };
        self.said.iter().filter_map(pdu).collect()
    }

    fn data(&self, at: usize) -> Vec<(Layer2Id, SduType, Vec<u8>)> {
        let data = |(ue, output): &(usize, Output)| match output {
            Output::Data { peer, sdu_type, data, .. } if *ue == at => Some((*peer, *sdu_type, data.clone())),
            _ => None,
        };
        self.said.iter().filter_map(data).collect()
    }

    fn refusals(&self, at: usize) -> BTreeMap<Refusal, usize> {
        let mut all = BTreeMap::new();
        for (ue, output) in &self.said {
            if let (Output::Event(Event::Refused { why, .. }), true) = (output, *ue == at) {
                *all.entry(*why).or_default() += 1;
            }
        }
        all
    }

    fn downs(&self, at: usize) -> Vec<Why> {
        let down = |(ue, output): &(usize, Output)| match output {
            Output::Event(Event::PathDown { why, .. }) if *ue == at => Some(*why),
            _ => None,
        };
        self.said.iter().filter_map(down).collect()
    }
}

#[test]
fn pdus_of_layer_2_go_on_as_they_are_both_ways() {
    let mut net = Net::new(Layer::Two, |_| {});
    net.want(0, 1, 2);
    assert_eq!(net.links, [[0, 2], [2, 1]]);
    net.carried.clear();
    net.send_pdu(0, 1, b"request");
    net.send_pdu(1, 0, b"command");
    assert_eq!(net.pdus(1), [(far(&user(0)), b"request".to_vec())]);
    assert_eq!(net.pdus(0), [(far(&user(1)), b"command".to_vec())]);
    let octets: Vec<_> = net.carried.iter().map(|(.., octets)| octets.clone()).collect();
    assert_eq!(octets[0], octets[1], "the same on both hops");
    assert_eq!(octets[2], octets[3]);
    assert_eq!(octets[0][..2], [1, 2], "the identities that the relay gave");
    assert_eq!(octets[2][..2], [2, 1]);
    // Another end wants the same user, over the link that is up.
    net.want(4, 1, 2);
    assert_eq!(net.links.len(), 3);
    net.send_pdu(4, 1, b"of anna");
    assert_eq!(net.pdus(1).last(), Some(&(far(&user(4)), b"of anna".to_vec())));
    // And the first one another user.
    net.want(0, 4, 2);
    assert_eq!(net.links.len(), 3);
    net.send_pdu(0, 4, b"to anna");
    assert_eq!(net.pdus(4), [(far(&user(0)), b"to anna".to_vec())]);
}

#[test]
fn packets_of_layer_3_are_routed_by_their_addresses() {
    let mut net = Net::new(Layer::Three, |_| {});
    net.want(0, 1, 2);
    let send = |net: &mut Net, from: usize, to: usize, sdu_type, data: &[u8]| {
        net.ues[from].handle_input(Input::SendPacket { peer: far(&user(to)), sdu_type, data });
        net.settle();
    };
    send(&mut net, 0, 1, SduType::NonIp, b"hello");
    send(&mut net, 1, 0, SduType::NonIp, b"hello back");
    assert_eq!(net.data(1), [(far(&user(0)), SduType::NonIp, b"hello".to_vec())]);
    assert_eq!(net.data(0), [(far(&user(1)), SduType::NonIp, b"hello back".to_vec())]);
    // A packet of another protocol comes as a packet, one hop older.
    let mut packet = address::wrap(&user(0), &user(1), b"other").unwrap();
    packet[9] = 6;
    send(&mut net, 0, 1, SduType::Ip, &packet);
    let (_, sdu_type, heard) = net.data(1).pop().unwrap();
    assert_eq!((sdu_type, heard[8], &heard[20..]), (SduType::Ip, packet[8] - 1, &packet[20..]));
    // From another address, to nobody, too old: dropped with a reason.
    let of = |from: usize, to: usize| address::wrap(&user(from), &user(to), b"x").unwrap();
    let mut old = of(0, 1);
    old[8] = 1;
    for (packet, why) in [
        (of(1, 0), Refusal::NotItsOwn),
        (of(0, 4), Refusal::NoPath),
        (old, Refusal::TooManyHops),
        (b"no packet".to_vec(), Refusal::Malformed),
    ] {
        send(&mut net, 0, 1, SduType::Ip, &packet);
        assert_eq!(net.refusals(2).get(&why), Some(&1), "{why:?}");
    }
    assert_eq!(net.data(1).len(), 2);
}

#[test]
fn a_relay_carries_for_nobody_in_the_name_of_another_and_on_no_path_that_is_not_there() {
    let mut net = Net::new(Layer::Two, |_| {});
    net.want(0, 1, 2);
    net.want(4, 1, 2);
    let id = |value| LocalId::new(value).unwrap();
    let lcid = Lcid::PC5_S_UNPROTECTED.carrying().unwrap();
    let mut say = |from: usize, ids: [u8; 2]| {
        let octets = Adaptation { source: id(ids[0]), target: id(ids[1]) }.emit(b"x");
        net.ues[2].handle_input(Input::Adapted { peer: l2(from), lcid, octets: &octets });
        net.settle();
    };
    // anna has 3: as mary, to herself, to mary with whom she has no path, and to nobody.
    for ids in [[1, 2], [3, 3], [3, 1], [3, 9]] {
        say(4, ids);
    }
    // paul has no link with ruth.
    say(3, [1, 2]);
    assert_eq!(
        net.refusals(2),
        BTreeMap::from([(Refusal::NoHop, 1), (Refusal::NotItsOwn, 1), (Refusal::NoPath, 3)])
    );
    assert!(net.pdus(1).is_empty() && net.pdus(0).is_empty());
    net.ues[2].handle_input(Input::Adapted { peer: l2(4), lcid, octets: b"\x03" });
    // A packet on a path of the other layer.
    let packet = address::wrap(&user(0), &user(1), b"x").unwrap();
    net.ues[2].handle_input(Input::Packet { peer: l2(0), octets: &packet });
    net.settle();
    let refused = net.refusals(2);
    assert_eq!((refused[&Refusal::Malformed], refused[&Refusal::OtherLayer]), (1, 1));
}

#[test]
fn an_end_believes_its_relay_of_its_paths_and_of_nothing_else() {
    let mut net = Net::new(Layer::Two, |_| {});
    net.want(0, 1, 2);
    let id = |value| LocalId::new(value).unwrap();
    let lcid = Lcid::PC5_S_UNPROTECTED.carrying().unwrap();
    let own = Control::Path { own: id(1), peer: id(7), layer: Layer::Two, name: b"mary" }.emit();
    net.ues[0].handle_input(Input::Control { peer: l2(2), octets: &own });
    net.ues[0].handle_input(Input::Control { peer: l2(2), octets: &Control::Want { name: b"x" }.emit() });
    // paul is no relay of mary, and these identities are on no path.
    for (from, ids) in [(3, [2, 1]), (2, [1, 2]), (2, [2, 9])] {
        let octets = Adaptation { source: id(ids[0]), target: id(ids[1]) }.emit(b"x");
        net.ues[0].handle_input(Input::Adapted { peer: l2(from), lcid, octets: &octets });
    }
    net.settle();
    let expected = [(Refusal::NoHop, 1), (Refusal::Malformed, 1), (Refusal::NoPath, 2), (Refusal::Itself, 1)];
    assert_eq!(net.refusals(0), BTreeMap::from(expected));
    assert!(net.pdus(0).is_empty());
    // To whom there is no path nothing goes.
    net.send_pdu(0, 4, b"x");
    assert_eq!(net.refusals(0)[&Refusal::NoPath], 3);
}

#[test]
fn paths_and_ends_and_what_is_held_are_bounded() {
    let mut net = Net::new(Layer::Two, |config| (config.ends, config.held) = (3, 2));
    net.want(0, 1, 2);
    net.want(4, 1, 2);
    assert_eq!(net.downs(4), []);
    net.want(0, 3, 2);
    assert_eq!(net.downs(0), [Why::NoRoom], "a fourth end");
    let mut net = Net::new(Layer::Two, |config| config.paths = 1);
    net.want(0, 1, 2);
    net.want(0, 4, 2);
    assert_eq!(net.downs(0), [Why::NoRoom]);
    // Whom the relay does not know, the relay itself, and the end itself.
    let mut net = Net::new(Layer::Two, |config| config.neighbours.retain(|(user, _)| user.value != b"paul"));
    for to in [3, 2, 0] {
        net.want(0, to, 2);
    }
    assert_eq!(net.downs(0), [Why::Unknown; 3]);
    // The second link is slow: two PDUs wait, the third is lost.
    let mut config = Config::new(user(2));
    config.services.push((SERVICE, Layer::Two));
    config.neighbours = vec![(user(1), l2(1))];
    config.held = 2;
    let mut relay = U2u::new(config);
    let (mary, john) = (Identity::end(SERVICE, b"mary"), Identity::end(SERVICE, b"john"));
    relay.handle_input(Input::HopUp { peer: l2(0), identity: &mary, target: &user(1) });
    let lcid = Lcid::PC5_S_UNPROTECTED.carrying().unwrap();
    for octets in [b"\x01\x021", b"\x01\x022", b"\x01\x023"] {
        relay.handle_input(Input::Adapted { peer: l2(0), lcid, octets });
    }
    relay.handle_input(Input::HopUp { peer: l2(1), identity: &john, target: &user(1) });
    let (mut held, mut lost) = (Vec::new(), 0);
    while let Some(output) = relay.poll_output() {
        match output {
            Output::Adapted { octets, .. } => held.push(octets),
            Output::Event(Event::Refused { why: Refusal::NoRoom, .. }) => lost += 1,
            _ => {}
        }
    }
    assert_eq!((held, lost), (vec![b"\x01\x021".to_vec(), b"\x01\x022".to_vec()], 1));
}

#[test]
fn the_ends_are_told_when_there_is_no_path_any_more() {
    let mut net = Net::new(Layer::Two, |_| {});
    net.deaf.push(1);
    net.want(0, 1, 2);
    assert_eq!(net.downs(0), [Why::NoLink]);
    assert!(!net.reaches(0, 1));
    net.deaf.clear();
    net.ues[0].handle_input(Input::HopDown { peer: l2(2) });
    net.ues[2].handle_input(Input::HopDown { peer: l2(0) });
    net.want(0, 1, 3);
    assert!(net.reaches(0, 1) && net.reaches(1, 0));
    net.end_link(0, 3);
    net.settle();
    assert!(!net.links.contains(&[3, 1]), "the relay needs its link to john no more");
    assert!(!net.reaches(0, 1) && !net.reaches(1, 0));
}

/// What tells of a path can be lost, towards either end.
#[test]
fn a_path_that_an_end_was_not_told_of_is_asked_for_again() {
    let mut net = Net::new(Layer::Two, |_| {});
    net.lost = 2;
    net.want(0, 1, 2);
    assert!(!net.reaches(0, 1) && !net.reaches(1, 0));
    net.ues[0].handle_input(Input::Again);
    net.settle();
    assert!(net.reaches(0, 1));
    let asked = net.carried.len();
    net.ues[0].handle_input(Input::Again);
    net.settle();
    assert_eq!(net.carried.len(), asked, "not when it is there");
    net.send_pdu(0, 1, b"lost");
    assert!(net.pdus(1).is_empty() && net.reaches(1, 0));
    net.send_pdu(0, 1, b"request");
    assert_eq!(net.pdus(1), [(far(&user(0)), b"request".to_vec())]);
}

/// TU-9: the path changes, and the names of the ends for each other do not.
#[test]
fn another_relay_takes_over_and_the_one_before_is_released() {
    let mut net = Net::new(Layer::Two, |_| {});
    net.want(0, 1, 2);
    net.send_pdu(0, 1, b"through ruth");
    net.want(0, 1, 3);
    assert_eq!(net.links, [[0, 3], [3, 1]], "no link of ruth is left");
    net.send_pdu(0, 1, b"through paul");
    net.send_pdu(1, 0, b"back");
    let heard = net.pdus(1);
    assert_eq!(heard[0].0, heard[1].0);
    assert_eq!(net.pdus(0), [(far(&user(1)), b"back".to_vec())]);
    let last: Vec<_> = net.carried.iter().rev().take(2).map(|(from, to, _)| [*from, *to]).collect();
    assert_eq!(last, [[3, 0], [1, 3]]);
    // A relay that serves another user as well keeps its link.
    net.want(0, 4, 3);
    net.want(0, 4, 2);
    assert!(net.links.contains(&[0, 3]) && net.links.contains(&[0, 2]));
}
