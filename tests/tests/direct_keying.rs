//! A link whose KD comes from the networks of its UEs: flow N of TR 33.833 §6.4.1, over transport blocks, two MMEs and
//! their HSS. T4.1-11: who has what the MMEs have opens the air traffic for half keys, and not for public values.

use sidelink_mac::engine::{Bearer, Config, Engine, Input, Output};
use sidelink_mac::mux::Address;
use sidelink_network::aka::Rand;
use sidelink_network::hss::{self, Hss, Node, Purpose, Subject, Vector};
use sidelink_network::identity::{Fqdn, Imsi};
use sidelink_network::limit::RateLimit;
use sidelink_network::mme::message::{Expression, Kind, Message};
use sidelink_network::mme::{self, Callers, Mme, Subscription, UeRef};
use sidelink_network::mme_client::{self, MmeClient};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_prose::direct_link::{
    self as links, FromNetwork, Identity, KdRecord, LinkManager, State, Ticket,
};
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::cipher::{Bearer as CipherBearer, Direction, Eea, Eia, Inputs, MacI};
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::{Count, UtcTime};
use sidelink_security::direct::KdId;
use sidelink_security::direct::keying::{Names, kd_from_half_keys, kd_from_public_values};
use sidelink_security::direct::signed::Ephemeral;
use sidelink_security::kdf::lte;
use sidelink_security::keys::Kd;
use sidelink_ue::NoStore;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{self as pc5, Body, Coding};
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN, OneToOneRepr, Packet, SduType};

const NAMES: [&str; 2] = ["mary", "john"];
const SECRET: &[u8] = b"meet at the north gate at nine";

fn time() -> UtcTime {
    UtcTime::from_millis(1_700_000_000_000)
}

fn id(ue: usize) -> Layer2Id {
    Layer2Id::new(0x10 + ue as u32).unwrap()
}

fn expression(ue: usize) -> Expression {
    Expression::new(NAMES[ue].as_bytes()).unwrap()
}

/// Two operators, and the UEs' ends of their MMEs. Messages arrive at once.
struct Networks {
    mmes: Vec<Mme>,
    hss: Vec<Hss>,
    counters: Memory,
    clients: Vec<MmeClient>,
    /// Every message, and those between the MMEs.
    messages: Vec<Vec<u8>>,
    between: Vec<Vec<u8>>,
    /// Answers for the links.
    answers: Vec<(usize, u64, Option<Vec<u8>>)>,
    rands: u8,
}

fn name(mme: usize) -> Fqdn {
    Fqdn::new(&format!("mme{mme}.example.org")).unwrap()
}

impl Networks {
    fn new(kind: Kind) -> Self {
        let mut networks = Self {
            mmes: Vec::new(),
            hss: Vec::new(),
            counters: Memory::default(),
            clients: Vec::new(),
            messages: Vec::new(),
            between: Vec::new(),
            answers: Vec::new(),
            rands: 0,
        };
        for ue in 0..2 {
            let imsi = Imsi::new(&format!("0010{}0000000001", 1 + ue)).unwrap();
            let serving_network = [0, 0xf1, 0x10 + ue as u8];
            let keys = || Subscriber::with_opc([ue as u8; 16], [9; 16]);
            let rate = RateLimit { burst: 0, interval: 0 };
            let mut hss = Hss::new(hss::Config { rate, ..hss::Config::default() });
            let impi = imsi.impi(2).unwrap();
            hss.add(hss::Subscription { imsi: imsi.clone(), impi, keys: keys(), reserved: 0 }).unwrap();
            let directory = [(expression(1 - ue), name(1 - ue))].into();
            let config = mme::Config::new(name(ue), serving_network);
            let mut mme = Mme::new(config, &[0x20 + ue as u8; 32], directory, []);
            let expressions = vec![expression(ue)];
            mme.add(Subscription { imsi: imsi.clone(), expressions, callers: Callers::Anybody }).unwrap();
            let expression = expression(ue);
            let config = mme_client::Config { imsi, expression, kind, serving_network, patience: 2000 };
            let usim = Usim::new(keys(), SqnArray::default());
            let mut client = MmeClient::new(config, usim, &[0x30 + ue as u8; 32]);
            client.handle_input(mme_client::Input::Attach { now: time() });
            networks.hss.push(hss);
            networks.mmes.push(mme);
            networks.clients.push(client);
        }
        networks.run();
        assert!(networks.clients.iter().all(MmeClient::is_attached));
        networks.messages.clear();
        networks
    }

    fn run(&mut self) {
        loop {
            let worked = (0..2).map(|at| self.mme(at) | self.client(at)).fold(false, |any, one| any | one);
            if !worked {
                return;
            }
        }
    }

    fn mme(&mut self, at: usize) -> bool {
        let now = time();
        match self.mmes[at].poll_output() {
            mme::Output::Timeout(_) => return false,
            mme::Output::Downlink { octets, .. } => {
                self.messages.push(octets.clone());
                self.clients[at].handle_input(mme_client::Input::Downlink { now, octets: &octets });
            }
            mme::Output::ToMme { octets, .. } => {
                self.messages.push(octets.to_vec());
                self.between.push(octets.to_vec());
                let from = &name(at);
                self.mmes[1 - at].handle_input(mme::Input::FromMme { now, from, octets: &octets });
            }
            mme::Output::Fetch { ticket, imsi, serving_network, resynchronisation } => {
                self.rands += 1;
                let (subject, rand) = (Subject::Imsi(imsi), Rand([self.rands; 16]));
                let (node, purpose) = (Node::Mme, Purpose::Eps { serving_network });
                let request = hss::Request { now, ticket, subject, node, purpose, rand, resynchronisation };
                self.hss[at].handle_input(hss::Input::Request(request));
                self.vector(at);
            }
            mme::Output::Store { ticket, .. } => {
                self.mmes[at].handle_input(mme::Input::Stored { now, ticket });
            }
            mme::Output::Forget { .. } | mme::Output::Event(_) => {}
        }
        true
    }

    fn vector(&mut self, at: usize) {
        loop {
            match self.hss[at].poll_output() {
                hss::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.counters).unwrap();
                    self.hss[at].handle_input(hss::Input::Granted { granted });
                }
                hss::Output::Answer { ticket, result: Ok(Vector::Eps(vector)) } => {
                    let result = Ok(vector);
                    self.mmes[at].handle_input(mme::Input::Vector { now: time(), ticket, result });
                }
                hss::Output::Answer { result, .. } => panic!("{result:?}"),
                hss::Output::Timeout(_) => return,
            }
        }
    }

    fn client(&mut self, at: usize) -> bool {
        let now = time();
        match self.clients[at].poll_output() {
            mme_client::Output::Timeout(_) => return false,
            mme_client::Output::Uplink(octets) => {
                self.messages.push(octets.clone());
                let from = UeRef(at as u64);
                self.mmes[at].handle_input(mme::Input::Uplink { now, from, octets: &octets });
            }
            mme_client::Output::Store(_) => self.clients[at].handle_input(mme_client::Input::Stored { now }),
            mme_client::Output::Answer { ticket, answer } => {
                self.answers.push((at, ticket, answer.map(|octets| octets.to_vec())));
            }
            mme_client::Output::Event(_) => {}
        }
        true
    }

    /// Two messages between the networks, by which both know all that the networks know.
    fn names(&self) -> (Names, [[u8; 32]; 2]) {
        let [Ok(Message::Call(call)), Ok(Message::Answer(answer))] =
            [&self.between[0], &self.between[1]].map(|octets| Message::parse(octets))
        else {
            panic!("Direct-Keying-Request and its answer")
        };
        let names =
            Names { initiating: call.connection.octets(), target: answer.target.octets(), dksi: answer.dksi };
        (names, [*call.shares[0].as_bytes(), *answer.shares[0].as_bytes()])
    }
}

/// Where the KD of a link comes from.
enum Source {
    Operator,
    Networks(Box<Networks>),
}

struct Ue {
    engine: Engine,
    manager: LinkManager,
}

fn ue(own: usize, source: &Source) -> Ue {
    let mut engine = Engine::new(Config { one_to_one: true, ..Config::new(id(own)) });
    engine.listen(Address::Ue(id(own)));
    for (lcid, priority) in [(28, 1), (29, 1), (30, 1), (3, 4)] {
        let bearer = Bearer::new(Address::Ue(id(1 - own)), Lcid::new(lcid).unwrap());
        engine.add_bearer(Bearer { priority, ..bearer }).unwrap();
    }
    let names = NAMES.map(Identity::user);
    let config = links::Config::new(id(own), names[own].clone(), 40);
    let mut manager = LinkManager::open(config, &[own as u8; 32], &mut NoStore::default()).unwrap();
    match source {
        Source::Operator => {
            manager.add_kd(KdRecord::pre_shared(KdId(1), Kd::from([1; 32]), names[1 - own].clone()));
        }
        Source::Networks(_) => manager.establish_by(Box::new(FromNetwork)),
    }
    Ue { engine, manager }
}

/// Sets up a link, sends a secret each way, and returns every block that was on the air with its sender.
fn talk(source: &mut Source) -> Vec<(usize, Vec<u8>)> {
    let mut ues = [ue(0, source), ue(1, source)];
    let identity = Identity::user(NAMES[1]);
    ues[0].manager.handle_input(links::Input::Connect { now: time(), peer: id(1), identity }).unwrap();
    let (mut air, mut heard) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        for own in 0..2 {
            work(&mut ues, own, source, &mut heard);
            let mut blocks = Vec::new();
            for _ in 0..8 {
                ues[own].engine.handle_input(Input::Opportunity { address: None, len: 109 }).unwrap();
                while let Output::SlSch { address, block, .. } = ues[own].engine.poll_output() {
                    blocks.push((address, block.to_vec()));
                }
            }
            for (address, block) in blocks {
                let Ue { engine, manager } = &mut ues[1 - own];
                let group = address.group_destination();
                engine.handle_input(Input::SlSch { now: time(), group, block: &block }).unwrap();
                while let Output::OneToOne { source, lcid, pdu, .. } = engine.poll_output() {
                    manager.handle_input(links::Input::Pdu { now: time(), source, lcid, pdu }).unwrap();
                }
                air.push((own, block));
            }
        }
    }
    assert_eq!(heard, [SECRET, SECRET], "both were heard");
    air
}

/// Does what the links of a UE say.
fn work(ues: &mut [Ue; 2], own: usize, source: &mut Source, heard: &mut Vec<Vec<u8>>) {
    let now = time();
    loop {
        let Ue { engine, manager } = &mut ues[own];
        match manager.poll_output() {
            links::Output::Pdu(pdu) => {
                let (address, lcid) = (Address::Ue(pdu.peer), pdu.lcid);
                engine.handle_input(Input::SendPdu { address, lcid, pdu: &pdu.octets }).unwrap();
            }
            links::Output::Event(links::Event::State { link, state: State::Up { .. }, .. }) => {
                let (lcid, sdu_type) = (Lcid::new(3).unwrap(), SduType::Ip);
                manager.handle_input(links::Input::Send { now, link, lcid, sdu_type, data: SECRET }).unwrap();
            }
            links::Output::Event(links::Event::Received(received)) => heard.push(received.data),
            links::Output::Store { ticket, .. } => {
                manager.handle_input(links::Input::Stored { now, ticket }).unwrap();
            }
            links::Output::Ask { ticket, question, .. } => {
                let Source::Networks(networks) = source else { panic!("nothing to ask") };
                let ask = mme_client::Input::Question { now, ticket: ticket.0, octets: &question };
                networks.clients[own].handle_input(ask);
                networks.run();
                for (at, ticket, answer) in networks.answers.drain(..) {
                    let (ticket, answer) = (Ticket(ticket), answer.as_deref());
                    ues[at].manager.handle_input(links::Input::Answered { now, ticket, answer }).unwrap();
                }
            }
            links::Output::Timeout(_) => return,
            _ => {}
        }
    }
}

/// A receiver that has all blocks and a KD: the texts that it reads, and whether the command's MAC-I is right under KD.
fn eavesdrop(air: &[(usize, Vec<u8>)], kd: &Kd) -> (bool, Vec<Vec<u8>>) {
    let mut ears: Vec<Engine> = (0..2)
        .map(|ue| {
            let mut engine = Engine::new(Config { one_to_one: true, ..Config::new(id(ue)) });
            engine.listen(Address::Ue(id(ue)));
            engine
        })
        .collect();
    let (mut nonce_1, mut keys, mut is_right, mut texts) = (None, None, false, Vec::new());
    for (from, block) in air {
        let ear = &mut ears[1 - from];
        let group = Address::Ue(id(1 - from)).group_destination();
        ear.handle_input(Input::SlSch { now: time(), group, block }).unwrap();
        while let Output::OneToOne { lcid, pdu, .. } = ear.poll_output() {
            let packet = Packet::new_checked(pdu).unwrap();
            let header = OneToOneRepr::parse(&packet).unwrap();
            let count = Count::from_parts(header.kd_sess_id, header.sn);
            // John sent the command.
            let direction = if *from == 1 { Direction::One } else { Direction::Zero };
            let inputs = Inputs { count, bearer: CipherBearer::from_lcid(lcid.value()), direction };
            match lcid {
                Lcid::PC5_S_UNPROTECTED => {
                    if let Body::CommunicationRequest(request) = message(packet.payload()) {
                        nonce_1 = Some(request.nonce);
                    }
                }
                Lcid::PC5_S_SECURITY_MODE if keys.is_none() => {
                    let end = pdu.len() - MAC_I_LEN;
                    let Body::SecurityModeCommand(command) = message(&pdu[HEADER_LEN..end]) else { panic!() };
                    let session = lte::kd_sess(kd, &nonce_1.unwrap(), &command.nonce);
                    let (eea, eia) = (
                        command.algorithms.eea.try_into().unwrap(),
                        command.algorithms.eia.try_into().unwrap(),
                    );
                    let mac_i = MacI(pdu[end..].try_into().unwrap());
                    let integrity = Eia::new(eia, &lte::pik(&session, eia));
                    is_right = integrity.protect(inputs, &pdu[..end]) == mac_i;
                    keys = Some(Eea::new(eea, &lte::pek(&session, eea)));
                }
                lcid if lcid.value() == 3 => {
                    let mut text = packet.payload().to_vec();
                    keys.as_ref().unwrap().apply(inputs, &mut text);
                    texts.push(text);
                }
                _ => {}
            }
        }
    }
    (is_right, texts)
}

fn message(octets: &[u8]) -> Body<'_> {
    pc5::Repr::parse(&pc5::Packet::new_checked(Coding::Lte, octets).unwrap()).unwrap().body
}

/// Flow N costs no transport block, and six messages of the network.
#[test]
fn a_kd_of_the_networks_takes_no_block_and_six_messages() {
    let usual = talk(&mut Source::Operator);
    for (kind, octets) in [(Kind::HalfKeys, 333), (Kind::PublicValues, 365)] {
        let mut source = Source::Networks(Box::new(Networks::new(kind)));
        let air = talk(&mut source);
        assert_eq!(air.len(), usual.len(), "{kind:?}");
        let Source::Networks(networks) = source else { unreachable!() };
        assert_eq!(networks.messages.len(), 6, "{kind:?}");
        assert_eq!(networks.messages.iter().map(Vec::len).sum::<usize>(), octets, "{kind:?}");
        assert_eq!(networks.between.len(), 2, "{kind:?}");
    }
}

/// T4.1-11. The eavesdropper is known to work: with the half keys it reads every text.
#[test]
fn a_curious_mme_opens_the_link_of_half_keys_and_not_that_of_public_values() {
    for kind in [Kind::HalfKeys, Kind::PublicValues] {
        let mut source = Source::Networks(Box::new(Networks::new(kind)));
        let air = talk(&mut source);
        let Source::Networks(networks) = source else { unreachable!() };
        let (names, [one, two]) = networks.names();
        // All that can be made of what the MMEs have: as half keys, in either order, and as one secret for each value.
        let mut guesses = vec![
            kd_from_half_keys(&one.into(), &two.into(), &names),
            kd_from_half_keys(&two.into(), &one.into(), &names),
        ];
        for value in [one, two] {
            let own = Ephemeral::new(value);
            let public = own.public();
            guesses.extend(kd_from_public_values(&own, [&public, &two], &names));
            guesses.extend(kd_from_public_values(&own, [&one, &public], &names));
        }
        assert_eq!(guesses.len(), 6);
        let opened = guesses.iter().map(|kd| eavesdrop(&air, kd));
        let opened: Vec<_> =
            opened.filter(|(is_right, texts)| *is_right || texts.contains(&SECRET.to_vec())).collect();
        match kind {
            Kind::HalfKeys => assert_eq!(opened, [(true, vec![SECRET.to_vec(), SECRET.to_vec()])]),
            Kind::PublicValues => assert!(opened.is_empty()),
        }
    }
}
