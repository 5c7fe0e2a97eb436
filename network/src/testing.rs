//! A BSF with its HSS, and UEs, for tests.

pub(crate) mod eap;

use std::collections::BTreeMap;

use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;

use crate::aka::Rand;
use crate::bsf::{self, Bsf, Connection, Record, Request, Response};
use crate::digest::Algorithm;
use crate::hss::{self, Hss, Node, Purpose, Subject, Ticket, Vector};
use crate::identity::{BTid, Fqdn, Impi, Imsi, NafId};
use crate::limit::RateLimit;
use crate::ub_client::{self, Bootstrapped, Failure, Input, Output, UbClient};
use crate::usim::{SqnArray, Usim};

pub(crate) mod key_world;
pub(crate) mod relay_world;

pub(crate) fn imsi() -> Imsi {
    Imsi::new("001010000000001").unwrap()
}

pub(crate) fn impi() -> Impi {
    imsi().impi(2).unwrap()
}

pub(crate) fn name() -> Fqdn {
    imsi().bsf(2).unwrap()
}

pub(crate) fn naf() -> NafId {
    let fqdn = Fqdn::new("prosefunction.mnc001.mcc001.pub.3gppnetwork.org").unwrap();
    NafId { fqdn, protocol: [1, 0, 0, 0, 7] }
}

/// Test set 1 of TS 35.208.
pub(crate) fn keys() -> Subscriber {
    let hex = |digits| sidelink_wire::hex::bytes(digits).unwrap().try_into().unwrap();
    Subscriber::with_opc(hex("465b5ce8b199b49faa5f0a2ee238a6bc"), hex("cd63cb71954a9f4e48a5994e37a02baf"))
}

/// The network.
pub(crate) struct World {
    pub(crate) now: UtcTime,
    pub(crate) bsf: Bsf,
    pub(crate) hss: Hss,
    pub(crate) counters: Memory,
    pub(crate) stored: BTreeMap<Impi, Record>,
    /// Vectors that the HSS was asked for.
    pub(crate) asked: u8,
    pub(crate) store_works: bool,
}

impl World {
    pub(crate) fn new(change: impl FnOnce(&mut bsf::Config)) -> Self {
        let mut config = bsf::Config::new(name());
        change(&mut config);
        let rate = RateLimit { burst: 0, interval: 0 };
        let mut hss = Hss::new(hss::Config { rate, ..hss::Config::default() });
        hss.add(hss::Subscription { imsi: imsi(), impi: impi(), keys: keys(), reserved: 0 }).unwrap();
        Self {
            now: UtcTime::from_millis(1_700_000_000_500),
            bsf: Bsf::new(config, []),
            hss,
            counters: Memory::default(),
            stored: BTreeMap::new(),
            asked: 0,
            store_works: true,
        }
    }

    /// The answer to a request.
    pub(crate) fn serve(&mut self, request: &Request) -> Response {
        let from = Connection(7);
        self.bsf.handle_input(bsf::Input::Request { now: self.now, from, request });
        let mut answers = self.drain();
        assert_eq!(answers.len(), 1, "one answer a request");
        answers.pop().unwrap()
    }

    /// Does what the BSF says.
    pub(crate) fn drain(&mut self) -> Vec<Response> {
        let mut answers = Vec::new();
        loop {
            match self.bsf.poll_output() {
                bsf::Output::Response { response, .. } => answers.push(response),
                bsf::Output::Fetch { ticket, impi, resynchronisation } => {
                    let result = self.vector(ticket, impi, resynchronisation);
                    self.bsf.handle_input(bsf::Input::Vector { now: self.now, ticket, result });
                }
                bsf::Output::Store { ticket, record } if self.store_works => {
                    self.stored.insert(record.impi.clone(), record);
                    self.bsf.handle_input(bsf::Input::Stored { ticket });
                }
                bsf::Output::Store { ticket, .. } => {
                    self.bsf.handle_input(bsf::Input::StoreFailed { ticket });
                }
                bsf::Output::Forget { impi } => _ = self.stored.remove(&impi),
                bsf::Output::Key { .. } => panic!("nobody asked for a key"),
                bsf::Output::Timeout(_) => return answers,
            }
        }
    }

    pub(crate) fn vector(
        &mut self,
        ticket: Ticket,
        impi: Impi,
        resynchronisation: Option<hss::Resynchronisation>,
    ) -> Result<crate::aka::Quintet, hss::Refusal> {
        self.asked += 1;
        self.hss.handle_input(hss::Input::Request(hss::Request {
            now: self.now,
            ticket,
            subject: Subject::Impi(impi),
            node: Node::Bsf,
            purpose: Purpose::Gba,
            rand: Rand([self.asked; 16]),
            resynchronisation,
        }));
        let mut answer = None;
        loop {
            match self.hss.poll_output() {
                hss::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.counters).unwrap();
                    self.hss.handle_input(hss::Input::Granted { granted });
                }
                hss::Output::Answer { result, .. } => answer = Some(result),
                hss::Output::Timeout(_) => break,
            }
        }
        answer.unwrap().map(|vector| match vector {
            Vector::Gba(quintet) => quintet,
            other => panic!("{other:?}"),
        })
    }

    /// What a NAF gets over Zn.
    pub(crate) fn key(&mut self, b_tid: &BTid, by: &Fqdn) -> Result<bsf::KeyMaterial, bsf::KeyRefusal> {
        let (ticket, naf_id) = (Ticket(1000), naf());
        let (now, naf, b_tid) = (self.now, by.clone(), b_tid.clone());
        self.bsf.handle_input(bsf::Input::KeyRequest { now, ticket, naf, b_tid, naf_id });
        match self.bsf.poll_output() {
            bsf::Output::Key { ticket: Ticket(1000), result } => result,
            other => panic!("{other:?}"),
        }
    }
}

/// A UE.
pub(crate) fn client(array: SqnArray) -> UbClient {
    let algorithms = vec![Algorithm::AkaV1Md5, Algorithm::AkaV1Sha256];
    let config = ub_client::Config { impi: impi(), bsf: name(), algorithms };
    UbClient::new(config, Usim::new(keys(), array))
}

/// Bootstraps.
pub(crate) fn bootstrap(world: &mut World, client: &mut UbClient) -> Result<Bootstrapped, Failure> {
    client.handle_input(Input::Bootstrap { cnonce: [5; 16] });
    loop {
        match client.poll_output().expect("a run ends in a key or a failure") {
            Output::Request(request) => {
                let response = world.serve(&request);
                client.handle_input(Input::Response { now: world.now, response: &response });
            }
            Output::Store(_) => client.handle_input(Input::Stored),
            Output::Done(key) => return Ok(key),
            Output::Failed(why) => return Err(why),
        }
    }
}
