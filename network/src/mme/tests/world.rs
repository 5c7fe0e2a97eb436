//! Two MMEs with an HSS each, and UEs: Mary and Peter at the first, John at the second.

use std::collections::BTreeMap;

use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::memory::Memory;
use sidelink_wire::direct_keying::{self, ConnectionId, Question, Side};

use super::super::message::{Call, CallStep, Cause, Expression, Kind, Message, Peer};
use super::super::{self as mme, Callers, Config, Mme, Record, Subscription, UeRef};
use crate::aka::Rand;
use crate::hss::{self, Hss, Node, Purpose, Subject, Vector};
use crate::identity::{Fqdn, Imsi};
use crate::limit::RateLimit;
use crate::mme_client::{self as client, MmeClient};
use crate::usim::{SqnArray, Usim};
use sidelink_security::counter::UtcTime;

pub(super) const MARY: usize = 0;
pub(super) const JOHN: usize = 1;
pub(super) const PETER: usize = 2;
const NAMES: [&str; 3] = ["mary", "john", "peter"];
const HOMES: [usize; 3] = [0, 1, 0];

/// A leg of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    Up(usize),
    Down(usize),
    Mme(usize, usize),
}

pub(super) fn expression(name: &str) -> Expression {
    Expression::new(name.as_bytes()).unwrap()
}

pub(super) fn connection(value: u32) -> ConnectionId {
    ConnectionId::new(value.to_be_bytes()).unwrap()
}

pub(super) fn imsi(ue: usize) -> Imsi {
    Imsi::new(&format!("0010{}000000000{ue}", 1 + HOMES[ue])).unwrap()
}

pub(super) fn name(mme: usize) -> Fqdn {
    Fqdn::new(&format!("mme{mme}.example.org")).unwrap()
}

pub(super) fn keys(ue: usize) -> Subscriber {
    Subscriber::with_opc([ue as u8; 16], [7; 16])
}

/// KD and its lifetime.
pub(super) type Answered = Option<([u8; 32], u32)>;

pub(super) struct World {
    pub(super) now: UtcTime,
    kind: Kind,
    pub(super) mmes: Vec<Mme>,
    configs: Vec<Config>,
    pub(super) disks: [BTreeMap<ConnectionId, Record>; 2],
    pub(super) store_works: [bool; 2],
    hsss: Vec<Hss>,
    counters: Memory,
    pub(super) clients: Vec<MmeClient>,
    pub(super) answers: Vec<Vec<(u64, Answered)>>,
    pub(super) events: Vec<client::Event>,
    pub(super) mme_events: Vec<mme::Event>,
    pub(super) traffic: Vec<(Leg, Vec<u8>)>,
    /// The leg of which a message is lost, once, and that message.
    pub(super) loses: Option<Leg>,
    pub(super) lost: Option<Vec<u8>>,
    /// What an MME in the middle puts in the place of public values.
    pub(super) replaces: Option<[u8; 32]>,
    /// Vectors that were asked for.
    pub(super) asked: u8,
    tickets: u64,
    starts: u8,
}

impl World {
    pub(super) fn new(kind: Kind) -> Self {
        Self::with(kind, |_| {})
    }

    pub(super) fn with(kind: Kind, change: impl Fn(&mut Config)) -> Self {
        let configs: Vec<_> = (0..2)
            .map(|index| {
                let mut config = Config::new(name(index), [0, 0xf1, 0x10 + index as u8]);
                change(&mut config);
                config
            })
            .collect();
        let rate = RateLimit { burst: 0, interval: 0 };
        let hsss = (0..2).map(|index| {
            let mut hss = Hss::new(hss::Config { rate, ..hss::Config::default() });
            for ue in (0..3).filter(|ue| HOMES[*ue] == index) {
                let impi = imsi(ue).impi(2).unwrap();
                let subscription = hss::Subscription { imsi: imsi(ue), impi, keys: keys(ue), reserved: 0 };
                hss.add(subscription).unwrap();
            }
            hss
        });
        let mut world = Self {
            now: UtcTime::from_millis(1_700_000_000_000),
            kind,
            mmes: Vec::new(),
            hsss: hsss.collect(),
            configs,
            disks: [BTreeMap::new(), BTreeMap::new()],
            store_works: [true; 2],
            counters: Memory::default(),
            clients: Vec::new(),
            answers: vec![Vec::new(); 3],
            events: Vec::new(),
            mme_events: Vec::new(),
            traffic: Vec::new(),
            loses: None,
            lost: None,
            replaces: None,
            asked: 0,
            tickets: 0,
            starts: 0,
        };
        world.mmes = (0..2).map(|index| world.start(index)).collect();
        world.clients = (0..3).map(|ue| world.client(ue, SqnArray::default())).collect();
        world
    }

    pub(super) fn client(&self, ue: usize, array: SqnArray) -> MmeClient {
        let config = client::Config {
            imsi: imsi(ue),
            expression: expression(NAMES[ue]),
            kind: self.kind,
            serving_network: self.configs[HOMES[ue]].serving_network,
            patience: 2_000,
        };
        MmeClient::new(config, Usim::new(keys(ue), array), &[0x40 + ue as u8; 32])
    }

    fn start(&mut self, index: usize) -> Mme {
        self.starts += 1;
        let away = (0..3).filter(|ue| HOMES[*ue] != index);
        let directory = away.map(|ue| (expression(NAMES[ue]), name(1 - index))).collect();
        let stored: Vec<_> = self.disks[index].values().cloned().collect();
        let mut mme = Mme::new(self.configs[index].clone(), &[self.starts; 32], directory, stored);
        for ue in (0..3).filter(|ue| HOMES[*ue] == index) {
            let callers = match ue {
                JOHN => Callers::These([expression("mary")].into()),
                _ => Callers::Anybody,
            };
            let subscription =
                Subscription { imsi: imsi(ue), expressions: vec![expression(NAMES[ue])], callers };
            mme.add(subscription).unwrap();
        }
        mme
    }

    pub(super) fn restart(&mut self, index: usize) {
        self.mmes[index] = self.start(index);
    }

    pub(super) fn attach(&mut self, ue: usize) {
        self.clients[ue].handle_input(client::Input::Attach { now: self.now });
        self.run();
        assert!(self.clients[ue].is_attached());
    }

    pub(super) fn attach_all(&mut self) {
        (0..3).for_each(|ue| self.attach(ue));
    }

    pub(super) fn ask(&mut self, ue: usize, peer: usize, id: u32, side: Side) {
        let question = Question { side, connection: connection(id), expression: NAMES[peer].as_bytes() };
        let octets = question.emit().unwrap();
        self.tickets += 1;
        let (now, ticket) = (self.now, self.tickets);
        self.clients[ue].handle_input(client::Input::Question { now, ticket, octets: &octets });
        self.drain();
    }

    /// What both ends of a run are answered.
    pub(super) fn ask_both(&mut self, from: usize, to: usize, id: u32) -> [Answered; 2] {
        self.ask(from, to, id, Side::Initiating);
        self.run();
        self.ask(to, from, id, Side::Target);
        self.run();
        [from, to].map(|ue| self.answers[ue].last().and_then(|(_, answer)| *answer))
    }

    /// The KD that both ends have, and its lifetime.
    pub(super) fn agree(&mut self, from: usize, to: usize, id: u32) -> Answered {
        let [one, two] = self.ask_both(from, to, id);
        assert_eq!(one, two);
        one
    }

    /// Why a run of `from` has no KD.
    pub(super) fn refused(&mut self, from: usize, to: usize, id: u32) -> Cause {
        self.events.clear();
        self.ask(from, to, id, Side::Initiating);
        self.run();
        assert!(self.answers[from].last().unwrap().1.is_none());
        let cause = self.events.iter().find_map(|event| match event {
            client::Event::Refused { connection: of, cause } if *of == connection(id) => Some(*cause),
            _ => None,
        });
        cause.expect("a cause")
    }

    /// A message that Mary's network could send.
    pub(super) fn call(&self, id: u32, peer: Peer) -> Call {
        Call {
            step: CallStep::ServiceRequest,
            kind: Kind::HalfKeys,
            connection: connection(id),
            shares: Vec::new(),
            lifetime: 0,
            caller: expression("mary"),
            peer,
        }
    }

    /// Whether a message took this leg.
    pub(super) fn took(&self, leg: Leg) -> bool {
        self.traffic.iter().any(|(taken, _)| *taken == leg)
    }

    /// What an MME reports of a message of an MME of this number.
    pub(super) fn by_mme(&mut self, from: usize, to: usize, octets: &[u8]) -> Option<Cause> {
        self.mme_events.clear();
        let (now, from) = (self.now, name(from));
        self.mmes[to].handle_input(mme::Input::FromMme { now, from: &from, octets });
        self.run();
        self.cause()
    }

    /// What MME_1 reports of a service request of Mary's.
    pub(super) fn inject_ue(&mut self, call: Call) -> Option<Cause> {
        self.mme_events.clear();
        let _ = self.mmes[0].of_ue(imsi(MARY), Message::Call(call));
        self.run();
        self.cause()
    }

    /// What MME_2 reports of a request of MME_1's.
    pub(super) fn inject_mme(&mut self, call: Call) -> Option<Cause> {
        self.mme_events.clear();
        let call =
            Call { step: CallStep::KeyingRequest, lifetime: 1000, shares: vec![[5; 32].into()], ..call };
        let octets = Message::Call(call).emit().unwrap();
        self.deliver(Leg::Mme(0, 1), &octets);
        self.run();
        self.cause()
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        self.mme_events.iter().find_map(|event| match event {
            mme::Event::Refused { cause, .. } => Some(*cause),
            _ => None,
        })
    }

    pub(super) fn run_causes(&mut self) -> Vec<Cause> {
        self.mme_events.clear();
        self.run();
        self.cause().into_iter().collect()
    }

    /// The messages between the MMEs.
    pub(super) fn between_mmes(&self) -> Vec<Message> {
        let between = self.traffic.iter().filter(|(leg, _)| matches!(leg, Leg::Mme(..)));
        between.map(|(_, octets)| Message::parse(octets).unwrap()).collect()
    }

    pub(super) fn deliver(&mut self, leg: Leg, octets: &[u8]) {
        let now = self.now;
        match leg {
            Leg::Up(ue) => {
                let from = UeRef(ue as u64);
                self.mmes[HOMES[ue]].handle_input(mme::Input::Uplink { now, from, octets });
            }
            Leg::Down(ue) => self.clients[ue].handle_input(client::Input::Downlink { now, octets }),
            Leg::Mme(from, to) => {
                let from = name(from);
                self.mmes[to].handle_input(mme::Input::FromMme { now, from: &from, octets });
            }
        }
    }

    fn carry(&mut self, leg: Leg, octets: Vec<u8>) {
        self.traffic.push((leg, octets.clone()));
        if self.loses == Some(leg) {
            self.loses = None;
            self.lost = Some(octets);
            return;
        }
        let mut octets = octets;
        if let (Some(value), Leg::Mme(..)) = (self.replaces, leg) {
            match Message::parse(&octets).unwrap() {
                Message::Call(mut call) => {
                    call.shares = vec![value.into()];
                    octets = Message::Call(call).emit().unwrap().to_vec();
                }
                Message::Answer(mut answer) => {
                    answer.shares = vec![value.into()];
                    octets = Message::Answer(answer).emit().unwrap().to_vec();
                }
                Message::Reject { .. } => {}
            }
        }
        self.deliver(leg, &octets);
    }

    /// Lets all of them work until nothing is left to do.
    pub(super) fn run(&mut self) {
        while self.drain() {}
    }

    fn drain(&mut self) -> bool {
        let mut worked = false;
        for index in 0..2 {
            loop {
                match self.mmes[index].poll_output() {
                    mme::Output::Timeout(_) => break,
                    output => self.mme_says(index, output),
                }
                worked = true;
            }
        }
        for ue in 0..3 {
            loop {
                match self.clients[ue].poll_output() {
                    client::Output::Timeout(_) => break,
                    output => self.client_says(ue, output),
                }
                worked = true;
            }
        }
        worked
    }

    fn mme_says(&mut self, index: usize, output: mme::Output) {
        let now = self.now;
        match output {
            mme::Output::Downlink { to, octets } => self.carry(Leg::Down(to.0 as usize), octets),
            mme::Output::ToMme { to, octets } => {
                // What is answered to a stranger goes nowhere.
                if let Some(to) = (0..2).find(|index| name(*index) == to) {
                    self.carry(Leg::Mme(index, to), octets.to_vec());
                }
            }
            mme::Output::Fetch { ticket, imsi, serving_network, resynchronisation } => {
                self.asked += 1;
                self.hsss[index].handle_input(hss::Input::Request(hss::Request {
                    now,
                    ticket,
                    subject: Subject::Imsi(imsi),
                    node: Node::Mme,
                    purpose: Purpose::Eps { serving_network },
                    rand: Rand([self.asked; 16]),
                    resynchronisation,
                }));
                self.serve(index);
            }
            mme::Output::Store { ticket, records } if self.store_works[index] => {
                self.disks[index].extend(records.into_iter().map(|record| (record.connection, record)));
                self.mmes[index].handle_input(mme::Input::Stored { now, ticket });
            }
            mme::Output::Store { ticket, .. } => {
                self.mmes[index].handle_input(mme::Input::StoreFailed { now, ticket });
            }
            mme::Output::Forget { connection } => _ = self.disks[index].remove(&connection),
            mme::Output::Event(event) => self.mme_events.push(event),
            mme::Output::Timeout(_) => {}
        }
    }

    fn serve(&mut self, index: usize) {
        loop {
            match self.hsss[index].poll_output() {
                hss::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.counters).unwrap();
                    self.hsss[index].handle_input(hss::Input::Granted { granted });
                }
                hss::Output::Answer { ticket, result } => {
                    let result = result.map(|vector| match vector {
                        Vector::Eps(vector) => vector,
                        other => panic!("{other:?}"),
                    });
                    self.mmes[index].handle_input(mme::Input::Vector { now: self.now, ticket, result });
                }
                hss::Output::Timeout(_) => return,
            }
        }
    }

    fn client_says(&mut self, ue: usize, output: client::Output) {
        match output {
            client::Output::Uplink(octets) => self.carry(Leg::Up(ue), octets),
            client::Output::Store(_) => {
                self.clients[ue].handle_input(client::Input::Stored { now: self.now });
            }
            client::Output::Answer { ticket, answer } => {
                let answer = answer.map(|octets| {
                    let answer = direct_keying::Answer::parse(&octets[..]).unwrap();
                    (*answer.kd, answer.lifetime)
                });
                self.answers[ue].push((ticket, answer));
            }
            client::Output::Event(event) => self.events.push(event),
            client::Output::Timeout(_) => {}
        }
    }

    /// Lets time pass, all at once.
    pub(super) fn pass(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
        let now = self.now;
        self.mmes.iter_mut().for_each(|mme| mme.handle_input(mme::Input::Tick { now }));
        self.clients.iter_mut().for_each(|client| client.handle_input(client::Input::Tick { now }));
        self.run();
    }
}
