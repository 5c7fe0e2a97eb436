//! UEs, the front of a ProSe Function and the server of public keys behind it, over a way that loses, on a disk that fails.

use std::collections::BTreeMap;

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::{Lease, ReserveConfig, StreamId};
use sidelink_security::discovery::restricted::MicCheck;
use sidelink_security::discovery::signature::{Hint, Purpose, Scheme, SigningKey};

use super::client::{self, EndCause, HeldKey, NoAnswer, OwnId, SuspendCause, Warning};
use super::server::{self, Change, Durable, OrderId, OtherQuery, QuestionId, Response, Withdrawal};
use super::*;
use crate::pc3::{ApplicationId, Imsi, MaxOffset, Minutes, Plmn, Rpauid};
use crate::prose_function::{
    self as function, Permission, ProseFunction, Refused, RequestId, Role, Subscription, Ticket,
};

mod attacks;
mod client_alone;
mod crash;
mod others;

const START: u64 = 1_785_000_000_000;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600_000;

const ANNA: u32 = 1;
const BERT: u32 = 2;
const CARL: u32 = 3;

fn plmn() -> Plmn {
    Plmn::new("001", "01").unwrap()
}

fn imsi(number: u32) -> Imsi {
    Imsi::new(plmn(), &format!("{number:010}")).unwrap()
}

fn rpauid(number: u32) -> Rpauid {
    Rpauid::new(&format!("user{number}")).unwrap()
}

fn user(number: u32) -> KeyName {
    KeyName::User(rpauid(number))
}

fn shop() -> KeyName {
    KeyName::new("mcc001.mnc001.ProSeApp.Shop").unwrap()
}

fn signing(number: u32) -> SigningKey {
    let mut secret = [7; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    SigningKey::new(Scheme::Ed25519, &secret).unwrap()
}

fn key(number: u32) -> PublicKey {
    PublicKey::of(signing(number).verifying_key())
}

const ROLES: [Role; 4] =
    [Role::OpenAnnounce, Role::OpenMonitor, Role::RestrictedAnnounce, Role::RestrictedMonitor];

/// Users 1 to 997 have all rights and their own name; user 998 may not do anything openly, user 999 has no right at all.
fn subscription(ue: Imsi) -> Subscription {
    let number: u32 = ue.msin().parse().unwrap();
    Subscription {
        registered: Some(plmn()),
        rights: ROLES
            .iter()
            .filter(|role| match number {
                998 => matches!(role, Role::RestrictedAnnounce | Role::RestrictedMonitor),
                other => other != 999,
            })
            .map(|role| (plmn(), *role))
            .collect(),
        application_ids: vec![ApplicationId::new("mcc001.mnc001.ProSeApp.Shop").unwrap()],
        rpauids: vec![rpauid(number)],
    }
}

fn function_config() -> function::Config {
    let minutes = |number| Minutes::new(number).unwrap();
    function::Config {
        plmn: plmn(),
        applications: Vec::new(),
        application_ids: Vec::new(),
        permissions: Vec::new(),
        restricted: function::RestrictedPolicy { check: MicCheck::Local, encrypted: None },
        validity: minutes(60),
        ttl: minutes(30),
        refresh: minutes(10),
        max_offset: MaxOffset::new(32).unwrap(),
        report_delay: 60,
        limits: function::Limits::default(),
    }
}

/// Bert may follow Anna and user 4; Carl may follow user 4.
fn config() -> Config {
    let permission = |target, watcher| Permission { target: rpauid(target), watcher: rpauid(watcher) };
    Config::new(plmn(), vec![permission(ANNA, BERT), permission(4, BERT), permission(4, CARL)])
}

/// What the driver does with a store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Medium {
    Works,
    Fails,
    Hangs,
}

/// A driver with UEs, HSS and disk in memory.
struct World {
    function: ProseFunction,
    counters: Memory,
    server: PublicKeyServer,
    disk: Durable,
    medium: Medium,
    hanging: Vec<(Ticket, Vec<Change>)>,
    clients: BTreeMap<u32, PublicKeysClient>,
    /// Private keys, by UE and number of its own key.
    signs: BTreeMap<(u32, OwnId), SigningKey>,
    now: UtcTime,
    /// Requests that are lost: so many of the next.
    lost: usize,
    requests: usize,
    octets: usize,
    answers: BTreeMap<RequestId, Answer>,
    next: u64,
    done: Vec<(OrderId, usize)>,
    asks: Vec<(QuestionId, Plmn, OtherQuery)>,
    told: Vec<Option<Vec<ToldKey>>>,
    events: Vec<server::Event>,
}

type Answer = Result<String, NoAnswer>;

impl World {
    fn new() -> Self {
        Self::on(config(), Durable::default(), 1)
    }

    fn on(config: Config, disk: Durable, seed: u8) -> Self {
        let (mut counters, stream) = (Memory::default(), StreamId([9; 16]));
        let lease = Lease::open(stream, 0, u64::MAX, ReserveConfig { block: 8, low_water: 4 }, &mut counters)
            .unwrap();
        let function =
            ProseFunction::new(function_config(), lease, &[seed; 32], function::Durable::default()).unwrap();
        let durable = Durable { keys: disk.keys.clone(), revoked: disk.revoked.clone() };
        let server = PublicKeyServer::new(config, &[seed; 32], durable).unwrap();
        Self {
            function,
            counters,
            server,
            disk,
            medium: Medium::Works,
            hanging: Vec::new(),
            clients: BTreeMap::new(),
            signs: BTreeMap::new(),
            now: UtcTime::from_millis(START),
            lost: 0,
            requests: 0,
            octets: 0,
            answers: BTreeMap::new(),
            next: 0,
            done: Vec::new(),
            asks: Vec::new(),
            told: Vec::new(),
            events: Vec::new(),
        }
    }

    fn client(&mut self, ue: u32) -> &mut PublicKeysClient {
        let new = || PublicKeysClient::new(ClientConfig::new(imsi(ue), Some(rpauid(ue))));
        self.clients.entry(ue).or_insert_with(new)
    }

    fn announce(&mut self, ue: u32, name: KeyName, number: u32) -> Vec<client::Output> {
        let own = self.signs.range((ue, OwnId(0))..=(ue, OwnId(255))).count() as u8;
        self.signs.insert((ue, OwnId(own)), signing(number));
        let now = self.now;
        self.client(ue).handle_input(client::Input::Announce { now, name, key: key(number) });
        self.drain(ue)
    }

    fn follow(&mut self, ue: u32, name: KeyName) -> Vec<client::Output> {
        let now = self.now;
        self.client(ue).handle_input(client::Input::Follow { now, name });
        self.drain(ue)
    }

    fn hear(&mut self, ue: u32, hint: Hint) -> Vec<client::Output> {
        let now = self.now;
        self.client(ue).handle_input(client::Input::UnknownHint { now, hint });
        self.drain(ue)
    }

    /// Does what the client says; returns what is left.
    fn drain(&mut self, ue: u32) -> Vec<client::Output> {
        let mut said = Vec::new();
        loop {
            let now = self.now;
            match self.client(ue).poll_output() {
                client::Output::Request { request, body } => {
                    if self.lost > 0 {
                        self.lost -= 1;
                        continue;
                    }
                    match self.ask(ue, body.as_bytes()) {
                        Some(Ok(body)) => {
                            self.octets += body.len();
                            let body = body.as_bytes();
                            self.client(ue).handle_input(client::Input::Response { now, request, body });
                        }
                        Some(Err(why)) => {
                            self.client(ue).handle_input(client::Input::NoAnswer { now, request, why });
                        }
                        None => {}
                    }
                }
                client::Output::Sign { id, text } => {
                    let signature = self.signs[&(ue, id)].sign(Purpose::Registration, &text, [3; 32]);
                    let signature = signature.as_octets();
                    self.client(ue).handle_input(client::Input::Signed { now, id, signature });
                }
                client::Output::Clock(time) => assert_eq!(time, self.now),
                client::Output::List(_) => {}
                client::Output::Timeout(_) => return said,
                other => said.push(other),
            }
        }
    }

    /// Sends a request of a UE; its answer, if there is one already.
    fn ask(&mut self, ue: u32, body: &[u8]) -> Option<Answer> {
        self.requests += 1;
        self.octets += body.len();
        let request = RequestId(self.next);
        self.next += 1;
        let (now, ue) = (self.now, imsi(ue));
        self.function.handle_input(function::Input::PublicKeys { now, request, ue, solution: None, body });
        self.serve();
        self.answers.remove(&request)
    }

    fn say(&mut self, ue: u32, message: &KeyMessage) -> KeyMessage {
        match self.ask(ue, message.to_xml().as_bytes()) {
            Some(Ok(body)) => KeyMessage::from_xml(body.as_bytes()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Does what function and server say.
    fn serve(&mut self) {
        let now = self.now;
        loop {
            match self.function.poll_output() {
                function::Output::Respond { request, response } => {
                    let why = match response {
                        function::Response::Refused(Refused::TooMany { wait }) => NoAnswer::Wait(wait),
                        function::Response::Refused(Refused::Malformed(_)) => NoAnswer::Lost,
                        other => panic!("{other:?}"),
                    };
                    self.answers.insert(request, Err(why));
                }
                function::Output::AskSubscription { ue } => {
                    let answer = function::Answer::Known(subscription(ue));
                    self.function.handle_input(function::Input::Subscription { now, ue, answer });
                }
                function::Output::PublicKeys { request, ue, message, subscription } => {
                    let message = *message;
                    let input = server::Input::Message { now, request, ue, subscription, message };
                    self.input(input);
                }
                function::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.counters).unwrap();
                    self.function.handle_input(function::Input::Granted { now, granted });
                }
                function::Output::Timeout(_) => return,
                function::Output::Event(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn input(&mut self, input: server::Input) {
        self.server.handle_input(input);
        let now = self.now;
        loop {
            match self.server.poll_output() {
                server::Output::Respond { request, response } => {
                    let answer = match response {
                        Response::Message(body) => Ok(body),
                        Response::Unexpected | Response::Busy => Err(NoAnswer::Lost),
                    };
                    self.answers.insert(request, answer);
                }
                server::Output::Store { ticket, changes } => match self.medium {
                    Medium::Works => {
                        changes.into_iter().for_each(|change| self.disk.apply(change));
                        self.server.handle_input(server::Input::Stored { now, ticket });
                    }
                    Medium::Fails => self.server.handle_input(server::Input::StoreFailed { now, ticket }),
                    Medium::Hangs => self.hanging.push((ticket, changes)),
                },
                server::Output::Done { order, revoked } => self.done.push((order, revoked)),
                server::Output::AskOther { question, plmn, query } => self.asks.push((question, plmn, query)),
                server::Output::Tell { keys, .. } => self.told.push(keys),
                server::Output::Event(event) => self.events.push(event),
                server::Output::Timeout(_) => return,
            }
        }
    }

    fn revoke(&mut self, what: Withdrawal) {
        let order = OrderId(self.next);
        self.next += 1;
        self.input(server::Input::Revoke { now: self.now, order, what });
    }

    /// Lets time pass, in steps of ten seconds.
    fn run(&mut self, millis: u64) -> Vec<(u32, client::Output)> {
        let (end, mut said) = (self.now.plus_millis(millis), Vec::new());
        while self.now < end {
            self.now = self.now.plus_millis(10 * SECOND);
            let now = self.now;
            self.input(server::Input::Tick { now });
            for ue in self.clients.keys().copied().collect::<Vec<_>>() {
                self.client(ue).handle_input(client::Input::Tick { now });
                said.extend(self.drain(ue).into_iter().map(|output| (ue, output)));
            }
        }
        said
    }

    fn holds(&self, ue: u32) -> Vec<PublicKey> {
        self.clients[&ue].keys().map(|held| held.key.clone()).collect()
    }
}

fn fetch(names: Vec<KeyName>, hints: Vec<Hint>, watcher: Option<u32>) -> KeyMessage {
    KeyMessage::Fetch(Fetch { watcher: watcher.map(rpauid), names, hints, list: None })
}

fn keys_of(message: KeyMessage) -> Keys {
    match message {
        KeyMessage::Keys(keys) => keys,
        other => panic!("{other:?}"),
    }
}

fn is_key(output: &client::Output, number: u32) -> bool {
    matches!(output, client::Output::Key(held) if held.key == key(number))
}

#[test]
fn a_key_is_registered_told_to_whom_it_may_and_renewed() {
    let mut world = World::new();
    let said = world.announce(ANNA, user(ANNA), 11);
    let until = world.now.plus_millis(24 * HOUR);
    assert!(matches!(said[..], [client::Output::Registered { id: OwnId(0), until: at }] if at == until));
    let said = world.follow(BERT, user(ANNA));
    let held = HeldKey { name: user(ANNA), key: key(11), valid_until: until };
    assert!(matches!(&said[..], [client::Output::Key(key)] if *key == held), "{said:?}");
    // For Carl the key of Anna, whom he may not monitor, and of nobody are the same.
    for name in [user(ANNA), user(77)] {
        let said = world.follow(CARL, name.clone());
        assert!(matches!(&said[..], [client::Output::Absent(of)] if *of == name), "{said:?}");
        world.run(20 * SECOND);
    }
    // A day later both have gone on.
    world.run(30 * HOUR);
    assert_eq!(world.holds(BERT), [key(11)]);
    assert_eq!(world.holds(CARL), []);
    assert!(world.disk.keys[0].valid_until > world.now);
    // Anna is away: her key ends at the server, and at Bert.
    world.clients.remove(&ANNA);
    let said = world.run(50 * HOUR);
    let gone = |(ue, output): &(u32, client::Output)| {
        *ue == BERT && matches!(output, client::Output::Gone { key: held, .. } if held.key == key(11))
    };
    assert_eq!(said.iter().filter(|output| gone(output)).count(), 1);
    assert_eq!((world.holds(BERT).len(), world.server.keys(), world.disk.keys.len()), (0, 0, 0));
}

/// What is announced openly may be followed by all who monitor openly; several UEs announce it, each with its key.
#[test]
fn an_open_name_has_a_key_for_each_ue() {
    let mut world = World::new();
    for ue in [ANNA, CARL] {
        world.announce(ue, shop(), 20 + ue);
    }
    let said = world.follow(BERT, shop());
    assert!(said.len() == 2 && is_key(&said[0], 21) | is_key(&said[1], 21), "{said:?}");
    let refused = world.say(999, &fetch(vec![shop()], Vec::new(), None));
    assert!(matches!(refused, KeyMessage::Reject(KeyReject { cause: KeyCause::NotAuthorised })));
}

#[test]
fn a_hint_that_was_heard_brings_the_keys_that_have_it() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    let said = world.hear(BERT, key(11).hint());
    assert!(matches!(&said[..], [output] if is_key(output, 11)), "{said:?}");
    // Carl may not: he is told when to ask again, and does not ask before.
    let requests = world.requests;
    for _ in 0..100 {
        assert_eq!(world.hear(CARL, key(11).hint()).len(), 0);
        world.run(10 * SECOND);
    }
    let asked = world.requests - requests;
    assert!((2..=4).contains(&asked), "{asked} questions in 1000 s: one in ten minutes, and the list");
}

/// Two keys with one hint: both are told, and a name alone brings its own.
#[test]
fn keys_that_share_a_hint_are_all_told() {
    let mut world = World::new();
    let mut by_hint = BTreeMap::new();
    let (a, b) = (100..)
        .find_map(|number| by_hint.insert(key(number).hint(), number).map(|earlier| (earlier, number)))
        .unwrap();
    assert!(key(a).hint() == key(b).hint() && key(a) != key(b));
    world.announce(ANNA, user(ANNA), a);
    world.announce(4, user(4), b);
    let said = world.hear(BERT, key(a).hint());
    assert_eq!(said.iter().filter(|output| is_key(output, a) || is_key(output, b)).count(), 2);
    let said = world.hear(CARL, key(a).hint());
    assert!(matches!(&said[..], [output] if is_key(output, b)), "of both Carl may have one: {said:?}");
}

#[test]
fn more_candidates_than_are_told_are_said() {
    let mut config = config();
    config.limits.candidates = 2;
    let mut world = World::on(config, Durable::default(), 1);
    // Three UEs that announce openly share a key, as one owner's devices may: one hint.
    for ue in [ANNA, CARL, 4] {
        world.announce(ue, shop(), 11);
    }
    let keys = keys_of(world.say(BERT, &fetch(Vec::new(), vec![key(11).hint()], None)));
    // Equal keys of one name are told once.
    assert_eq!((keys.keys.len(), &keys.more[..], keys.absent.len()), (1, &[key(11).hint()][..], 0));
}

/// Another key under the same name: the one before is revoked, a monitor has the new one with its next list.
#[test]
fn another_key_takes_the_place_of_the_first() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.follow(BERT, user(ANNA));
    world.run(60 * SECOND);
    world.clients.remove(&ANNA);
    world.signs.clear();
    world.announce(ANNA, user(ANNA), 12);
    assert_eq!(world.holds(BERT), [key(11)], "what was told is not taken back at once");
    world.run(HOUR + 30 * SECOND);
    assert_eq!(world.holds(BERT), [key(12)]);
    // A message that is signed by the new key makes it faster.
    world.clients.remove(&ANNA);
    world.signs.clear();
    world.announce(ANNA, user(ANNA), 13);
    let said = world.hear(BERT, key(13).hint());
    assert!(said.iter().any(|output| is_key(output, 13)), "{said:?}");
    assert_eq!(world.holds(BERT), [key(13)], "the list came with it");
}

#[test]
fn an_owner_withdraws_its_key() {
    let mut world = World::new();
    world.announce(ANNA, user(ANNA), 11);
    world.follow(BERT, user(ANNA));
    let now = world.now;
    world.client(ANNA).handle_input(client::Input::Withdraw { now, id: OwnId(0) });
    let said = world.drain(ANNA);
    assert!(matches!(said[..], [client::Output::OwnEnded { why: EndCause::Withdrawn, .. }]), "{said:?}");
    let said = world.run(HOUR + 30 * SECOND);
    let revoked = |(ue, output): &(u32, client::Output)| {
        *ue == BERT && matches!(output, client::Output::Gone { why: EndCause::Revoked, .. })
    };
    assert!(said.iter().any(revoked), "{said:?}");
    let other = KeyMessage::Withdraw(Withdraw { name: user(ANNA), fingerprint: key(5).fingerprint() });
    assert!(matches!(world.say(ANNA, &other), KeyMessage::Reject(KeyReject { cause: KeyCause::Unknown })));
}

/// Requests and answers that are lost, and a server that does not answer, delay and break nothing.
#[test]
fn what_is_lost_is_asked_again() {
    let mut world = World::new();
    world.lost = 3;
    assert_eq!(world.announce(ANNA, user(ANNA), 11).len(), 0);
    world.run(300 * SECOND);
    assert_eq!(world.server.keys(), 1);
    world.lost = 3;
    assert_eq!(world.follow(BERT, user(ANNA)).len(), 0);
    world.run(300 * SECOND);
    assert_eq!(world.holds(BERT), [key(11)]);
}
