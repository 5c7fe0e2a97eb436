//! A NAF with its BSF and HSS, and UEs.

use sidelink_security::cipher::milenage::Subscriber;
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::KsNaf;

use super::super::message::{Answer, Body, Cause, Nonce, Policy, Request};
use super::super::{Change, Config, Durable, Group, GroupNaf, Input, Output, RequestId, UeRecord};
use crate::bsf;
use crate::digest::Algorithm;
use crate::gba_push::Place;
use crate::gba_push::bsf::{self as push, PushBsf, Pushed};
use crate::group_naf_client::{self as client, GroupNafClient};
use crate::hss::{self, Ticket};
use crate::identity::{BTid, Impi, Imsi, NafId};
use crate::key_delivery::ServiceId;
use crate::limit::RateLimit;
use crate::testing::{World as Core, naf, name};
use crate::ub_client::{self, UbClient};
use crate::usim::{SqnArray, Usim};

pub(crate) const GROUP: ServiceId = ServiceId([1, 2, 3]);
pub(crate) const FIRE: ServiceId = ServiceId([1, 2, 4]);

/// Milliseconds that invitations are good for.
pub(crate) const INVITED: u64 = 600_000;

fn imsi(ue: usize) -> Imsi {
    Imsi::new(&format!("0010155500000{ue:02}")).unwrap()
}

pub(crate) fn user(ue: usize) -> Impi {
    imsi(ue).impi(2).unwrap()
}

fn keys(ue: usize) -> Subscriber {
    Subscriber::with_opc([ue as u8; 16], [5; 16])
}

pub(crate) struct World {
    core: Core,
    push: PushBsf,
    pub(crate) naf: GroupNaf,
    pub(crate) disk: Durable,
    clients: Vec<GroupNafClient>,
    pub(crate) cards: Vec<SqnArray>,
    names: Vec<(BTid, [u8; 32])>,
    /// Keys that each UE was given: PGK ID and PGK.
    pub(crate) keys: Vec<Vec<(u8, [u8; 32])>>,
    /// Messages between UEs and NAF.
    pub(crate) traffic: Vec<(usize, Vec<u8>)>,
    /// What was answered that no client waited for: the cause, none for a key.
    pub(crate) answers: Vec<Option<Cause>>,
    /// What clients were told of groups.
    pub(crate) states: Vec<client::GroupState>,
    /// Where messages to UEs go instead of to their clients.
    pub(crate) diverted: Option<Vec<(usize, Vec<u8>)>>,
    /// The next answer is lost.
    pub(crate) loses: bool,
    pub(crate) store_works: bool,
    pub(crate) store_hangs: bool,
    hanging: Vec<(Ticket, Vec<Change>)>,
    pub(crate) bsf_is_silent: bool,
    /// A client asked by itself.
    pub(crate) asks_again: bool,
    drawn: u64,
    starts: u8,
    /// Vectors of the bootstrapping runs.
    bootstrapped: u8,
}

impl World {
    pub(crate) fn new(ues: usize) -> Self {
        let mut core = Core::new(|config| config.rate.interval = 0);
        let mut names = Vec::new();
        let mut cards = Vec::new();
        for ue in 0..ues {
            let subscription =
                hss::Subscription { imsi: imsi(ue), impi: user(ue), keys: keys(ue), reserved: 0 };
            core.hss.add(subscription).unwrap();
            let (name, card) = bootstrap(&mut core, ue);
            names.push(name);
            cards.push(card);
        }
        let bootstrapped = core.asked;
        let rate = RateLimit { burst: 0, interval: 0 };
        let mut world = Self {
            core,
            push: PushBsf::new(push::Config { rate, ..push::Config::default() }),
            naf: GroupNaf::new(Config::new(naf()), &[1; 32], Durable::default()),
            disk: Durable::default(),
            clients: Vec::new(),
            cards,
            names,
            keys: vec![Vec::new(); ues],
            traffic: Vec::new(),
            answers: Vec::new(),
            states: Vec::new(),
            diverted: None,
            loses: false,
            store_works: true,
            store_hangs: false,
            hanging: Vec::new(),
            bsf_is_silent: false,
            asks_again: false,
            drawn: 0,
            starts: 1,
            bootstrapped,
        };
        world.clients = (0..ues).map(|ue| world.client(ue)).collect();
        world
    }

    /// The settings of a UE's client, and its USIM.
    pub(crate) fn card(&self, ue: usize) -> (client::Config, Usim) {
        let config =
            client::Config { impi: user(ue), naf_id: naf(), b_tid: self.b_tid(ue), ks_naf: self.ks_naf(ue) };
        (config, Usim::new(keys(ue), self.cards[ue].clone()))
    }

    /// Hands the NAF a request of a UE.
    pub(crate) fn ask(&mut self, ue: usize, octets: &[u8]) {
        let request = RequestId(ue as u64);
        self.naf.handle_input(Input::Request { now: self.core.now, request, octets });
        self.work();
    }

    pub(crate) fn now(&self) -> UtcTime {
        self.core.now
    }

    fn client(&self, ue: usize) -> GroupNafClient {
        let (config, usim) = self.card(ue);
        let groups = (!self.keys[ue].is_empty() || self.naf.group(GROUP).is_some()).then_some(GROUP);
        GroupNafClient::new(config, usim, &[ue as u8; 32], groups)
    }

    pub(crate) fn b_tid(&self, ue: usize) -> BTid {
        self.names[ue].0.clone()
    }

    pub(crate) fn ks_naf(&self, ue: usize) -> KsNaf {
        KsNaf::from(self.names[ue].1)
    }

    /// Vectors that were fetched for pushes.
    pub(crate) fn asked(&self) -> u32 {
        u32::from(self.core.asked - self.bootstrapped)
    }

    /// All that the HSS has reserved: it rises with every block of SEQ.
    pub(crate) fn sqn(&self) -> String {
        format!("{:?}", self.core.counters)
    }

    pub(crate) fn key(&self, ue: usize) -> (u8, [u8; 32]) {
        *self.keys[ue].last().expect("a key")
    }

    /// The UE's memory is lost, its USIM and its keys are not.
    pub(crate) fn reboot(&mut self, ue: usize) {
        self.clients[ue] = self.client(ue);
    }

    /// The NAF's memory is lost.
    pub(crate) fn restart(&mut self) {
        self.starts += 1;
        let mut durable = Durable::default();
        for group in self.disk.groups.values() {
            let Group { record, users, used } = group;
            let (users, used) = (users.clone(), used.clone());
            durable.groups.insert(record.id, Group { record: record.copy(), users, used });
        }
        durable.ues =
            self.disk.ues.iter().map(|(ue, record)| (ue.clone(), UeRecord::clone(record))).collect();
        self.naf = GroupNaf::new(Config::new(naf()), &[self.starts; 32], durable);
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.core.now = self.core.now.plus_millis(millis);
        self.naf.handle_input(Input::Tick { now: self.core.now });
        self.work();
    }

    fn act(&mut self, ue: usize, input: client::Input<'_>) {
        self.clients[ue].handle_input(input);
        self.follow(ue);
    }

    pub(crate) fn create(&mut self, ue: usize, policy: Policy) {
        let now = self.core.now;
        self.act(ue, client::Input::Create { now, group: GROUP, policy });
        assert_eq!(self.keys[ue].len(), 1);
    }

    pub(crate) fn invite(&mut self, ue: usize, invitee: usize) -> Vec<u8> {
        let (now, expires) = (self.core.now, self.core.now.plus_millis(INVITED));
        self.clients[ue].invite(now, GROUP, user(invitee), expires)
    }

    pub(crate) fn join_now(&mut self, ue: usize, invitation: Option<Vec<u8>>) {
        let now = self.core.now;
        self.act(ue, client::Input::Join { now, group: GROUP, invitation });
    }

    /// Some time later.
    pub(crate) fn join(&mut self, ue: usize, invitation: Option<Vec<u8>>) {
        self.pass(10_000);
        let had = self.keys[ue].len();
        self.join_now(ue, invitation);
        assert_eq!(self.keys[ue].len(), had + 1);
    }

    pub(crate) fn refresh_now(&mut self, ue: usize, removed: Vec<Impi>) {
        let now = self.core.now;
        self.act(ue, client::Input::Refresh { now, group: GROUP, removed });
    }

    pub(crate) fn refresh(&mut self, ue: usize, removed: Vec<Impi>) {
        self.pass(10_000);
        self.refresh_now(ue, removed);
    }

    /// What a UE is told that asks how its group is.
    pub(crate) fn state(&mut self, ue: usize, users: Vec<Impi>) -> Option<client::GroupState> {
        let now = self.core.now;
        self.act(ue, client::Input::State { now, group: GROUP, users });
        self.states.pop()
    }

    pub(crate) fn again(&mut self, ue: usize) {
        self.act(ue, client::Input::Again);
    }

    /// Why a UE may not join.
    pub(crate) fn refused(&mut self, ue: usize, invitation: Option<Vec<u8>>) -> Cause {
        let octets = self.request(ue, Body::Join(invitation));
        self.send(&octets).expect("a refusal")
    }

    pub(crate) fn refused_of(&mut self, group: ServiceId, ue: usize) -> Cause {
        let octets = self.request_of(group, ue, Body::Join(None));
        self.send(&octets).expect("a refusal")
    }

    pub(crate) fn request(&mut self, ue: usize, body: Body) -> Vec<u8> {
        self.request_of(GROUP, ue, body)
    }

    /// A request that a UE could send, with a nonce of its own.
    pub(crate) fn request_of(&mut self, group: ServiceId, ue: usize, body: Body) -> Vec<u8> {
        self.drawn += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&(self.core.now.millis() + 100).to_be_bytes());
        nonce[8..].copy_from_slice(&self.drawn.to_be_bytes());
        let b_tid = self.b_tid(ue);
        let request = Request { group, nonce: Nonce(nonce), b_tid, body, resynchronisation: None };
        request.emit(&self.ks_naf(ue)).unwrap()
    }

    /// Sends a request that no client made. Returns why it was refused.
    pub(crate) fn send(&mut self, octets: &[u8]) -> Option<Cause> {
        self.answers.clear();
        let request = RequestId(u64::MAX);
        self.naf.handle_input(Input::Request { now: self.core.now, request, octets });
        self.work();
        self.answers.last().copied().flatten()
    }

    /// Gives a UE a message. Returns why it was passed over.
    pub(crate) fn hear(&mut self, ue: usize, octets: &[u8]) -> Option<client::Dropped> {
        self.asks_again = false;
        let now = self.core.now;
        self.clients[ue].handle_input(client::Input::Answer { now, octets });
        let mut dropped = None;
        while let Some(output) = self.clients[ue].poll_output() {
            match output {
                client::Output::Dropped(why) => dropped = Some(why),
                client::Output::Request(_) => self.asks_again = true,
                other => self.client_says(ue, other),
            }
        }
        dropped
    }

    /// Gives a UE a message, and another while its USIM stores. Returns whether a key comes of it.
    pub(crate) fn hear_and_store(&mut self, ue: usize, one: &[u8], two: &[u8], works: bool) -> bool {
        let (now, client) = (self.core.now, &mut self.clients[ue]);
        client.handle_input(client::Input::Answer { now, octets: one });
        assert!(matches!(client.poll_output(), Some(client::Output::Store(_))));
        client.handle_input(client::Input::Answer { now, octets: two });
        let busy = client::Dropped::Gpi(crate::gba_push::ue::Dropped::Busy);
        assert!(matches!(client.poll_output(), Some(client::Output::Dropped(why)) if why == busy));
        let input = if works { client::Input::Stored { now } } else { client::Input::StoreFailed { now } };
        client.handle_input(input);
        matches!(client.poll_output(), Some(client::Output::Key(_)))
    }

    /// Does what a client says, and all that follows.
    fn follow(&mut self, ue: usize) {
        while let Some(output) = self.clients[ue].poll_output() {
            self.client_says(ue, output);
        }
    }

    fn client_says(&mut self, ue: usize, output: client::Output) {
        let now = self.core.now;
        match output {
            client::Output::Request(octets) => {
                self.traffic.push((ue, octets.clone()));
                let request = RequestId(ue as u64);
                self.naf.handle_input(Input::Request { now, request, octets: &octets });
                self.work();
            }
            client::Output::Store(array) => {
                self.cards[ue] = *array;
                self.clients[ue].handle_input(client::Input::Stored { now });
            }
            client::Output::Key(key) => {
                assert!(key.expires > now);
                self.keys[ue].push((key.pgk_id, *key.pgk.as_bytes()));
            }
            client::Output::State(state) => self.states.push(state),
            client::Output::Refused(_) | client::Output::Dropped(_) => {}
        }
    }

    fn give(&mut self, ue: usize, octets: &[u8]) {
        self.traffic.push((ue, octets.to_vec()));
        if std::mem::take(&mut self.loses) {
            return;
        }
        if let Some(diverted) = &mut self.diverted {
            return diverted.push((ue, octets.to_vec()));
        }
        let now = self.core.now;
        self.clients[ue].handle_input(client::Input::Answer { now, octets });
        self.follow(ue);
    }

    /// Does what the NAF says, and all that follows.
    fn work(&mut self) {
        let now = self.core.now;
        loop {
            match self.naf.poll_output() {
                Output::AskKey { .. } if self.bsf_is_silent => {}
                Output::AskKey { ticket, b_tid } => {
                    let result = self.core.key(&b_tid, &naf().fqdn);
                    self.naf.handle_input(Input::Key { now, ticket, result });
                }
                Output::Push(request) => self.push_key(request),
                Output::Store { ticket, changes } if self.store_hangs => self.hanging.push((ticket, changes)),
                Output::Store { ticket, changes } if self.store_works => {
                    changes.into_iter().for_each(|change| self.disk.apply(change));
                    self.naf.handle_input(Input::Stored { now, ticket });
                }
                Output::Store { ticket, .. } => self.naf.handle_input(Input::StoreFailed { now, ticket }),
                Output::Respond { request: RequestId(u64::MAX), octets } => {
                    self.answers.push(match Answer::parse(&octets).unwrap() {
                        Answer::Push(_) | Answer::State(_) => None,
                        Answer::Reject { cause, .. } => Some(cause),
                    });
                }
                Output::Respond { request, octets } => self.give(request.0 as usize, &octets),
                Output::Deliver { to, octets } => {
                    let ue = (0..self.clients.len()).find(|ue| user(*ue) == to).unwrap();
                    self.give(ue, &octets);
                }
                Output::Event(event) => assert!(!event.to_string().is_empty()),
                Output::Timeout(_) => return,
            }
        }
    }

    pub(crate) fn finish_store(&mut self) {
        for (ticket, changes) in std::mem::take(&mut self.hanging) {
            changes.into_iter().for_each(|change| self.disk.apply(change));
            self.naf.handle_input(Input::Stored { now: self.core.now, ticket });
        }
        self.work();
    }

    /// A key that the BSF pushes to a UE for some NAF.
    pub(crate) fn pushed_for(&mut self, naf_id: NafId, ue: usize) -> Pushed {
        let (now, ticket) = (self.core.now, Ticket(u64::MAX));
        self.push.handle_input(push::Input::Request {
            now,
            request: push::Request {
                ticket,
                naf: naf_id.fqdn.clone(),
                impi: user(ue),
                label: String::new(),
                naf_id,
                p_tid: "p".into(),
                place: Place::Terminal,
                lifetime: 3_600_000,
                resynchronisation: None,
            },
        });
        loop {
            match self.push.poll_output() {
                push::Output::Fetch { ticket, impi, resynchronisation } => {
                    let result = self.core.vector(ticket, impi, resynchronisation);
                    self.push.handle_input(push::Input::Vector { now, ticket, result });
                }
                push::Output::Answer { result, .. } => return result.unwrap(),
                push::Output::Timeout(_) => panic!("no answer"),
            }
        }
    }

    fn push_key(&mut self, request: push::Request) {
        let now = self.core.now;
        self.push.handle_input(push::Input::Request { now, request });
        loop {
            match self.push.poll_output() {
                push::Output::Fetch { ticket, impi, resynchronisation } => {
                    let result = self.core.vector(ticket, impi, resynchronisation);
                    self.push.handle_input(push::Input::Vector { now, ticket, result });
                }
                push::Output::Answer { ticket, result } => {
                    self.naf.handle_input(Input::Pushed { now, ticket, result });
                }
                push::Output::Timeout(_) => return,
            }
        }
    }
}

/// B-TID and Ks_NAF of a UE, and its USIM afterwards.
fn bootstrap(core: &mut Core, ue: usize) -> ((BTid, [u8; 32]), SqnArray) {
    let algorithms = vec![Algorithm::AkaV1Md5];
    let config = ub_client::Config { impi: user(ue), bsf: name(), algorithms };
    let mut client = UbClient::new(config, Usim::new(keys(ue), SqnArray::default()));
    client.handle_input(ub_client::Input::Bootstrap { cnonce: [5; 16] });
    let mut card = SqnArray::default();
    loop {
        match client.poll_output().expect("a run ends in a key") {
            ub_client::Output::Request(request) => {
                let response: bsf::Response = core.serve(&request);
                client.handle_input(ub_client::Input::Response { now: core.now, response: &response });
            }
            ub_client::Output::Store(array) => {
                card = array;
                client.handle_input(ub_client::Input::Stored);
            }
            ub_client::Output::Done(key) => {
                let ks_naf = key.ks_naf(core.now, &naf()).unwrap();
                return ((key.b_tid.clone(), *ks_naf.as_bytes()), card);
            }
            ub_client::Output::Failed(why) => panic!("{why}"),
        }
    }
}
