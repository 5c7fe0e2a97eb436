//! UE -> BSF -> key management server: tickets over HTTPS with GBA, for the links of UEs whose air is a queue. TR 33.833 §6.4.2.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sidelink_network::mikey_ticket::Refused;
use sidelink_prose::direct_link::{
    Closed, Config, Event, FromTicket, Identity, Input, LinkManager, Note, Output, State, TicketAccess,
    Window,
};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_services::client::{ClientError, KmsAddress, UeClient};
use sidelink_services::tls::{PskSuite, TlsMode};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;

use crate::common::World;
use crate::identities::{address, world_with};

const NAMES: [&str; 3] = ["mary", "john", "peter"];

fn world() -> World {
    world_with(&[("ProSe:mary", 1), ("ProSe:john", 2), ("ProSe:peter", 3)])
}

fn now() -> UtcTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UtcTime::from_millis(since.as_millis() as u64)
}

fn l2(number: usize) -> Layer2Id {
    Layer2Id::new(0x10 + number as u32).unwrap()
}

/// A UE with a way to the server.
struct End {
    manager: LinkManager,
    client: UeClient,
    kms: KmsAddress,
    questions: Vec<Vec<u8>>,
    refused: Vec<String>,
    heard: Vec<Vec<u8>>,
    states: Vec<State>,
    disk: Memory,
}

/// A UE that calls itself `named`, with the card of subscriber `card`.
fn end(world: &World, named: usize, card: usize, kms: KmsAddress) -> End {
    let tls = if card == 0 { TlsMode::Tls13 } else { TlsMode::Tls12(PskSuite::DheAes128Gcm) };
    let mut client = world.client(card as u32 + 1, tls);
    let key = client.ticket_key(&kms).unwrap();
    assert!(!format!("{key:?}").contains(&format!("{:?}", &key.key[..4])), "the key is not printed");
    let access = TicketAccess {
        kms: "kms.lab".to_owned(),
        key: key.key,
        key_id: Some(key.name),
        window: Window::Strict,
    };
    let config = Config::new(l2(named), Identity::user(NAMES[named]), 40);
    let mut disk = Memory::default();
    let mut manager = LinkManager::open(config, &[card as u8 + 1; 32], &mut disk).unwrap();
    manager.establish_by(Box::new(FromTicket::new(Arc::new(access))));
    let (questions, refused, heard, states) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    End { manager, client, kms, questions, refused, heard, states, disk }
}

/// UEs that hear each other at once. The time of their links stands still, so that a busy machine ends no try.
struct Air {
    now: UtcTime,
    ends: Vec<End>,
    flying: VecDeque<(usize, Lcid, Vec<u8>)>,
}

impl Air {
    /// Sets a link up from the first to the second.
    fn connect(ends: Vec<End>) -> Self {
        let now = now();
        let mut air = Self { now, ends, flying: VecDeque::new() };
        let input = Input::Connect { now, peer: l2(1), identity: Identity::user("john") };
        air.ends[0].manager.handle_input(input).unwrap();
        air.run();
        air
    }

    fn run(&mut self) {
        loop {
            (0..self.ends.len()).for_each(|at| self.drain(at));
            let Some((from, lcid, octets)) = self.flying.pop_front() else { return };
            let (to, source) = (1 - from, l2(from));
            let input = Input::Pdu { now: self.now, source, lcid, pdu: &octets };
            let _ = self.ends[to].manager.handle_input(input);
        }
    }

    fn drain(&mut self, at: usize) {
        let (now, end) = (self.now, &mut self.ends[at]);
        loop {
            match end.manager.poll_output() {
                Output::Timeout(_) => return,
                Output::Pdu(pdu) => self.flying.push_back((at, pdu.lcid, pdu.octets)),
                Output::Store { ticket, .. } => {
                    end.manager.handle_input(Input::Stored { now, ticket }).unwrap();
                }
                Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut end.disk).unwrap();
                    end.manager.handle_input(Input::Granted { now, granted }).unwrap();
                }
                Output::Ask { ticket, question, .. } => {
                    // With the UE, and without it.
                    let answer = match at {
                        0 => end.client.ask_ticket(&end.kms, &question),
                        _ => end.client.ticket_client(&end.kms).unwrap().ask_ticket(&question),
                    };
                    end.questions.push(question);
                    let answer = answer.map_err(|why| end.refused.push(why.to_string())).ok();
                    let answer = answer.as_ref().map(|octets| octets.as_slice());
                    end.manager.handle_input(Input::Answered { now, ticket, answer }).unwrap();
                }
                Output::Event(Event::State { state, .. }) => end.states.push(state),
                Output::Event(Event::Received(received)) => end.heard.push(received.data),
                Output::Event(Event::Note(note @ Note::NotAuthenticated { .. })) => {
                    end.refused.push(note.to_string());
                }
                Output::Event(_) | Output::Upper(_) => {}
            }
        }
    }

    fn is_up(&self, at: usize) -> bool {
        matches!(self.ends[at].states.last(), Some(State::Up { .. }))
    }

    fn say(&mut self, from: usize, data: &[u8]) {
        let link = self.ends[from].manager.links().next().unwrap().0;
        let (now, lcid, sdu_type) = (self.now, Lcid::LINK_DATA, SduType::Ip);
        self.ends[from].manager.handle_input(Input::Send { now, link, lcid, sdu_type, data }).unwrap();
        self.run();
    }
}

#[test]
fn a_ticket_over_https_makes_a_link_that_carries_data_both_ways() {
    let world = world();
    let kms = || address(&world);
    let mut air = Air::connect(vec![end(&world, 0, 0, kms()), end(&world, 1, 1, kms())]);
    assert!(air.is_up(0) && air.is_up(1), "{:?} {:?}", air.ends[0].refused, air.ends[1].refused);
    air.say(0, b"hello");
    air.say(1, b"back");
    assert_eq!((&air.ends[1].heard[0][..], &air.ends[0].heard[0][..]), (&b"hello"[..], &b"back"[..]));
    let status = world.handle.status();
    assert_eq!((status.tickets_granted, status.tickets_resolved, status.tickets_refused), (1, 1, 0));
    // T4.2-3 at the server: a request is taken once, whoever sends it; its answer is an error that no UE takes for a ticket.
    for at in 0..2 {
        let question = air.ends[at].questions[0].clone();
        let End { client, kms, .. } = &mut air.ends[at];
        assert!(client.ask_ticket(kms, &question).is_ok());
    }
    let status = world.handle.status();
    assert_eq!((status.tickets_granted, status.tickets_resolved, status.tickets_refused), (1, 1, 2));
}

/// T4.2-2: Peter's card in the place of John's.
#[test]
fn a_ticket_for_another_is_not_resolved() {
    let world = world();
    let kms = || address(&world);
    let air = Air::connect(vec![end(&world, 0, 0, kms()), end(&world, 1, 2, kms())]);
    assert!(!air.is_up(0) && !air.is_up(1));
    let status = world.handle.status();
    assert_eq!((status.tickets_granted, status.tickets_resolved, status.tickets_refused), (1, 0, 1));
    assert!(air.ends[1].refused.iter().any(|why| why.contains("error Id")), "{:?}", air.ends[1].refused);
}

/// T4.2-4: the set-up ends at once, and the operator reads why.
#[test]
fn a_server_that_is_away_ends_the_set_up_with_its_cause() {
    let world = world();
    let mut mary = end(&world, 0, 0, address(&world));
    // A port that was free a moment ago.
    let free = TcpListener::bind((IpAddr::from(Ipv4Addr::LOCALHOST), 0)).unwrap().local_addr().unwrap();
    mary.kms.address = free;
    let air = Air::connect(vec![mary, end(&world, 1, 1, address(&world))]);
    assert_eq!(air.ends[0].states.last(), Some(&State::Closed { why: Closed::NotEstablished }));
    assert!(air.ends[0].refused[0].contains("cannot connect"), "{:?}", air.ends[0].refused);
    assert!(!air.is_up(1));
}

#[test]
fn what_is_no_request_is_not_sent() {
    let world = world();
    let mut mary = end(&world, 0, 0, address(&world));
    let why = mary.client.ask_ticket(&mary.kms, b"no MIKEY").unwrap_err();
    assert!(matches!(why, ClientError::TicketMessage(Refused::Malformed(_))), "{why}");
    assert_eq!(world.handle.status().tickets_refused, 0);
}
