//! X2.6: UE, ProSe Function and application server on one clock, with an attacker among the UEs.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::{ReserveConfig, StreamId};
use sidelink_security::keys::Secret256;

use super::ue::{EpcClient, Failure, Input as ClientInput, Output as ClientOutput};
use super::*;
use crate::app_server::{Account, AppServer, Input as ServerInput, Output as ServerOutput, TOKEN_LIFETIME};
use crate::identity::Fqdn;
use crate::pc3::registration::{BindingToken, RangeClass};
use crate::pc3::{OsAppId, Plmn};

const ANNA: u32 = 1;
const MALLORY: u32 = 666;

fn plmn() -> Plmn {
    Plmn::new("001", "01").unwrap()
}

fn imsi(number: u32) -> Imsi {
    Imsi::new(plmn(), &format!("{number:010}")).unwrap()
}

fn application() -> Application {
    Application { os_id: [7; 16], os_app_id: OsAppId::new("org.example").unwrap() }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn account(number: u32) -> Account {
    Account(format!("account {number}"))
}

/// Of UE 1 anna is the user, of UE 666 mallory.
fn name(number: u32) -> UserId {
    user(if number == ANNA { "anna@example" } else { "mallory@example" })
}

struct World {
    function: EpcDiscovery,
    server: AppServer,
    disk: Memory,
    records: BTreeMap<Imsi, Record>,
    now: UtcTime,
    next: u64,
    store_works: bool,
    /// What the application server says instead of what it is asked about.
    lies: Option<EpcUserId>,
    responses: Vec<(RequestId, Response)>,
    events: Vec<Event>,
    /// Octets over PC3, both ways.
    octets: usize,
    messages: usize,
}

impl World {
    fn new(proof: Proof) -> Self {
        Self::on(proof, BTreeMap::new(), Memory::default())
    }

    fn on(proof: Proof, records: BTreeMap<Imsi, Record>, mut disk: Memory) -> Self {
        let reserve = ReserveConfig { block: 8, low_water: 4 };
        let lease = Lease::open(StreamId([9; 16]), 0, u64::MAX, reserve, &mut disk).unwrap();
        let config = Config {
            name: Fqdn::new("prosefunction.mnc001.mcc001.pub.3gppnetwork.org").unwrap(),
            applications: vec![application()],
            ranges: vec![RangeClass::Metres100, RangeClass::Metres500],
            proof,
            ues: 100,
            users_per_ue: 4,
            waiting: 16,
            patience: 5_000,
        };
        let users = [ANNA, MALLORY].map(|number| (name(number), account(number))).into();
        let server = crate::app_server::Config { key: Secret256::from([3; 32]), users, proof, waiting: 16 };
        Self {
            function: EpcDiscovery::new(config, lease, &[1; 32], records.values().cloned().collect()),
            server: AppServer::new(server, Vec::new()),
            disk,
            records,
            now: UtcTime::from_millis(1_785_000_000_000),
            next: 0,
            store_works: true,
            lies: None,
            responses: Vec::new(),
            events: Vec::new(),
            octets: 0,
            messages: 0,
        }
    }

    fn ask(&mut self, ue: u32, body: &[u8]) -> Result<String, Refused> {
        let request = RequestId(self.next);
        self.next += 1;
        let message = Box::new(Message::from_xml(body).unwrap());
        let subscription = Subscription {
            registered: Some(plmn()),
            rights: vec![(plmn(), Role::EpcLevel)],
            ..Subscription::default()
        };
        let (now, ue, subscription) = (self.now, imsi(ue), &subscription);
        self.function.handle_input(Input::Message { now, request, ue, message, subscription });
        self.drain();
        self.octets += body.len();
        self.messages += 1;
        let at = self.responses.iter().position(|(of, _)| *of == request).unwrap();
        match self.responses.remove(at).1 {
            Response::Message(body) => {
                self.octets += body.len();
                Ok(body.to_string())
            }
            Response::Refused(why) => Err(why),
            Response::Accepted => panic!(),
        }
    }

    fn drain(&mut self) {
        let now = self.now;
        loop {
            match self.function.poll_output() {
                Output::Respond { request, response } => self.responses.push((request, response)),
                Output::AskApplicationServer { query, application: of, request } => {
                    assert_eq!(of, application());
                    self.server.handle_input(ServerInput::Registration { now, query, request: *request });
                    let mut output = self.server.poll_output();
                    if let ServerOutput::Store { ticket, .. } = output {
                        self.server.handle_input(ServerInput::Stored(ticket));
                        output = self.server.poll_output();
                    }
                    let ServerOutput::Answer { query, mut answer } = output else { panic!("{output:?}") };
                    answer.epc_user_id = self.lies.unwrap_or(answer.epc_user_id);
                    self.function.handle_input(Input::Answer { now, query, answer });
                }
                Output::Store { ticket, .. } if !self.store_works => {
                    self.function.handle_input(Input::StoreFailed { now, ticket });
                }
                Output::Store { ticket, record } => {
                    self.records.insert(record.ue, record);
                    self.function.handle_input(Input::Stored { now, ticket });
                }
                Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.disk).unwrap();
                    self.function.handle_input(Input::Granted { granted });
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(_) => return,
            }
        }
    }

    /// The application of `account` asks its server for a token, within its login.
    fn token(&mut self, of: u32, user: UserId, nonce: BindingNonce) -> Result<BindingToken, Denied> {
        let (now, account) = (self.now, account(of));
        self.server.handle_input(ServerInput::TokenWanted { now, account, user, nonce });
        match self.server.poll_output() {
            ServerOutput::Token(token) => Ok(token),
            ServerOutput::NoToken(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    /// Identity and nonce of a UE.
    fn registered(&mut self, ue: u32) -> (EpcUserId, Option<BindingNonce>) {
        let transaction = TransactionId::new(1).unwrap();
        let requests = vec![UeRegisterRequest { transaction, ue: imsi(ue), method: ServerMethod::OmaPush }];
        let message = Message::UeRegistrationRequest(UeRegistrationRequest { requests });
        let body = self.ask(ue, message.to_xml().as_bytes()).unwrap();
        let Ok(Message::UeRegistrationResponse(response)) = Message::from_xml(body.as_bytes()) else {
            panic!()
        };
        (response.registered[0].epc_user_id, response.registered[0].nonce)
    }

    /// The cause of a refusal; none when it is registered.
    fn register(
        &mut self,
        ue: u32,
        epc_user_id: EpcUserId,
        user: UserId,
        token: Option<BindingToken>,
    ) -> Option<EpcCause> {
        let transaction = TransactionId::new(2).unwrap();
        let application = application().into();
        let wanted = ApplicationRegisterRequest { transaction, epc_user_id, application, user, token };
        let message = ApplicationRegistrationRequest { requests: vec![wanted] };
        let body =
            self.ask(ue, Message::ApplicationRegistrationRequest(message).to_xml().as_bytes()).unwrap();
        let Ok(Message::ApplicationRegistrationResponse(response)) = Message::from_xml(body.as_bytes())
        else {
            panic!()
        };
        assert_eq!(response.registered.len() + response.rejects.len(), 1);
        response.rejects.first().map(|reject| reject.cause)
    }

    /// What the client of a UE comes to, with the token of its own login.
    fn run(&mut self, ue: u32, client: &mut EpcClient) -> ClientOutput {
        loop {
            match client.poll_output() {
                ClientOutput::Request { request, body } => match self.ask(ue, body.as_bytes()) {
                    Ok(body) => {
                        client.handle_input(ClientInput::Response { request, body: body.as_bytes() });
                    }
                    Err(_) => client.handle_input(ClientInput::NoAnswer { request }),
                },
                ClientOutput::WantToken { user, nonce, .. } => {
                    client.handle_input(match self.token(ue, user, nonce) {
                        Ok(token) => ClientInput::Token(token),
                        Err(_) => ClientInput::NoToken,
                    });
                }
                done => return done,
            }
        }
    }

    fn last_denied(&self) -> Option<Denied> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Denied { why, .. } => Some(*why),
            _ => None,
        })
    }
}

fn client(ue: u32, as_whom: UserId) -> EpcClient {
    let mut client = EpcClient::new(imsi(ue));
    client.handle_input(ClientInput::Register { application: application(), user: as_whom });
    client
}

#[test]
fn a_user_is_registered_under_the_identity_of_its_ue() {
    let mut world = World::new(Proof::Token);
    let done = world.run(ANNA, &mut client(ANNA, name(ANNA)));
    let ClientOutput::Registered { epc_user_id, ranges, .. } = done else { panic!("{done:?}") };
    assert_eq!(ranges, [RangeClass::Metres100, RangeClass::Metres500]);
    let record = world.records[&imsi(ANNA)].clone();
    assert_eq!((record.epc_user_id, &record.users[..]), (epc_user_id, &[(application(), name(ANNA))][..]));
    assert_eq!(world.server.binding(&name(ANNA)).unwrap().epc_user_id, epc_user_id);
    // Costs: two requests, one of them to get the nonce; the rest of the proof rides on them.
    let (with, messages) = (world.octets, world.messages);
    let mut standard = World::new(Proof::Standard);
    standard.run(ANNA, &mut client(ANNA, name(ANNA)));
    let token = world.token(ANNA, name(ANNA), BindingNonce([0; 16])).unwrap().octets().len();
    assert_eq!((messages, standard.messages), (2, 2));
    let more = with - standard.octets;
    assert!(more <= 320 && token <= 64, "{with} octets, {more} of them for the proof; a token of {token}");
    // After a crash the identity is the same, and another one has another.
    let World { records, disk, .. } = world;
    let mut world = World::on(Proof::Token, records, disk);
    assert_eq!(world.registered(ANNA).0, epc_user_id);
    assert_ne!(world.registered(MALLORY).0, epc_user_id);
}

// X2.6-1
#[test]
fn another_ones_user_gets_no_token_and_without_it_is_refused() {
    let mut world = World::new(Proof::Token);
    let done = world.run(MALLORY, &mut client(MALLORY, name(ANNA)));
    assert!(matches!(done, ClientOutput::Failed { why: Failure::NoToken, .. }), "{done:?}");
    let (epuid, nonce) = world.registered(MALLORY);
    assert_eq!(world.token(MALLORY, name(ANNA), nonce.unwrap()), Err(Denied::NotYours));
    assert_eq!(world.token(MALLORY, user("nobody"), nonce.unwrap()), Err(Denied::UnknownUser));
    // Without a token, with one of its own user, and with one of its own making.
    assert_eq!(world.register(MALLORY, epuid, name(ANNA), None), Some(EpcCause::InvalidUser));
    let own = world.token(MALLORY, name(MALLORY), nonce.unwrap()).unwrap();
    assert_eq!(world.register(MALLORY, epuid, name(ANNA), Some(own.clone())), Some(EpcCause::InvalidUser));
    assert_eq!(world.last_denied(), Some(Denied::OtherUser));
    let (_, nonce) = world.registered(MALLORY);
    let mut forged = world.token(MALLORY, name(MALLORY), nonce.unwrap()).unwrap().octets().to_vec();
    let at = forged.len() - 16 - name(MALLORY).as_str().len();
    forged.splice(at..forged.len() - 16, name(ANNA).as_str().bytes());
    let forged = BindingToken::new(&forged).ok();
    assert_eq!(world.register(MALLORY, epuid, name(ANNA), forged), Some(EpcCause::InvalidUser));
    assert_eq!(world.last_denied(), Some(Denied::Forged));
    assert_eq!(world.records[&imsi(MALLORY)].users, []);
    assert!(world.server.binding(&name(ANNA)).is_none());
}

// X2.6-1
/// (X) The registration of the standard believes who names a user: the attack that the token stops.
#[test]
fn without_proof_another_ones_user_is_registered() {
    let mut world = World::new(Proof::Standard);
    let done = world.run(MALLORY, &mut client(MALLORY, name(ANNA)));
    assert!(matches!(done, ClientOutput::Registered { .. }), "{done:?}");
    assert_eq!(world.records[&imsi(MALLORY)].users, [(application(), name(ANNA))]);
}

// X2.6-2
#[test]
fn a_stolen_token_fits_no_other_identity_and_no_second_time() {
    let mut world = World::new(Proof::Token);
    let (anna, nonce) = world.registered(ANNA);
    let (mallory, _) = world.registered(MALLORY);
    let token = world.token(ANNA, name(ANNA), nonce.unwrap()).unwrap();
    assert_eq!(
        world.register(MALLORY, mallory, name(ANNA), Some(token.clone())),
        Some(EpcCause::InvalidUser)
    );
    assert_eq!(world.last_denied(), Some(Denied::WrongNonce));
    let cause = world.register(MALLORY, anna, name(ANNA), Some(token.clone()));
    assert_eq!(cause, Some(EpcCause::AuthorisationFailure), "of an identity that is not its own");
    assert_eq!(world.register(ANNA, anna, name(ANNA), Some(token.clone())), None, "its owner may");
    assert_eq!(world.register(ANNA, anna, name(ANNA), Some(token.clone())), Some(EpcCause::InvalidUser));
    // Nor under a later nonce, nor after its time.
    world.registered(ANNA);
    assert_eq!(world.register(ANNA, anna, name(ANNA), Some(token)), Some(EpcCause::InvalidUser));
    assert_eq!(world.last_denied(), Some(Denied::WrongNonce));
    for (wait, cause) in [(TOKEN_LIFETIME - 1, None), (TOKEN_LIFETIME, Some(EpcCause::InvalidUser))] {
        let (_, nonce) = world.registered(ANNA);
        let token = world.token(ANNA, name(ANNA), nonce.unwrap()).unwrap();
        world.now = world.now.plus_millis(wait);
        assert_eq!(world.register(ANNA, anna, name(ANNA), Some(token)), cause, "{wait}");
    }
    assert_eq!(world.last_denied(), Some(Denied::Expired));
    // A token that is young, for a nonce that is old.
    let (_, nonce) = world.registered(ANNA);
    world.now = world.now.plus_millis(NONCE_LIFETIME);
    let token = world.token(ANNA, name(ANNA), nonce.unwrap()).unwrap();
    assert_eq!(world.register(ANNA, anna, name(ANNA), Some(token)), Some(EpcCause::InvalidUser));
}

// X2.6-3
#[test]
fn an_answer_about_another_identity_is_refused() {
    let mut world = World::new(Proof::Token);
    let (mallory, _) = world.registered(MALLORY);
    world.lies = Some(mallory);
    let done = world.run(ANNA, &mut client(ANNA, name(ANNA)));
    let refused = Failure::Rejected(EpcCause::AuthorisationFailure);
    assert!(matches!(done, ClientOutput::Failed { why, .. } if why == refused), "{done:?}");
    assert!(world.events.contains(&Event::WrongAnswer { ue: imsi(ANNA), about: mallory }));
    assert!(world.records.values().all(|record| record.users.is_empty()));
}

#[test]
fn who_may_not_and_what_is_not_served_is_refused() {
    let mut world = World::new(Proof::Token);
    let (now, request, subscription) = (world.now, RequestId(77), Subscription::default());
    let body = {
        let mut client = client(ANNA, name(ANNA));
        let ClientOutput::Request { body, .. } = client.poll_output() else { panic!() };
        body
    };
    let message = || Box::new(Message::from_xml(body.as_bytes()).unwrap());
    let (ue, subscription) = (imsi(ANNA), &subscription);
    world.function.handle_input(Input::Message { now, request, ue, message: message(), subscription });
    world.drain();
    let Some((_, Response::Message(said))) = world.responses.pop() else { panic!() };
    assert!(said.contains("cause-value>2<"), "{}", *said);
    // In the name of another UE.
    let said = world.ask(MALLORY, body.as_bytes()).unwrap();
    assert!(said.contains("cause-value>2<") && world.records.is_empty(), "{said}");
    // What cannot be stored is not told, and the next try has an identity.
    world.store_works = false;
    assert_eq!(world.ask(ANNA, body.as_bytes()), Err(Refused::Busy));
    world.store_works = true;
    let (epuid, nonce) = world.registered(ANNA);
    let token = world.token(ANNA, name(ANNA), nonce.unwrap()).ok();
    world.store_works = false;
    let done = world.run(ANNA, &mut client(ANNA, name(ANNA)));
    assert!(matches!(done, ClientOutput::Failed { why: Failure::Lost, .. }), "{done:?}");
    assert_eq!(world.records[&imsi(ANNA)].users, []);
    assert_eq!(world.function.record(imsi(ANNA)).unwrap().users, []);
    world.store_works = true;
    assert_eq!(world.register(ANNA, epuid, name(ANNA), token), Some(EpcCause::InvalidUser), "an old nonce");
}

#[test]
fn an_application_server_that_is_silent_costs_patience_only() {
    let mut world = World::new(Proof::Standard);
    let (epuid, _) = world.registered(ANNA);
    let transaction = TransactionId::new(2).unwrap();
    let application = application().into();
    let wanted = ApplicationRegisterRequest {
        transaction,
        epc_user_id: epuid,
        application,
        user: name(ANNA),
        token: None,
    };
    let message = ApplicationRegistrationRequest { requests: vec![wanted] };
    let message = Box::new(Message::ApplicationRegistrationRequest(message));
    let subscription = Subscription {
        registered: Some(plmn()),
        rights: vec![(plmn(), Role::EpcLevel)],
        ..Subscription::default()
    };
    let (now, request, ue, subscription) = (world.now, RequestId(50), imsi(ANNA), &subscription);
    world.function.handle_input(Input::Message { now, request, ue, message, subscription });
    let Output::AskApplicationServer { query, .. } = world.function.poll_output() else { panic!() };
    let Output::Timeout(Some(at)) = world.function.poll_output() else { panic!() };
    assert_eq!(at, world.now.plus_millis(5_000));
    world.function.handle_input(Input::Tick { now: at });
    world.drain();
    assert!(matches!(world.responses.pop(), Some((_, Response::Refused(Refused::Busy)))));
    // What comes later counts for nothing.
    let answer = RegistrationAnswer { epc_user_id: epuid, user: name(ANNA), result: Ok(()) };
    world.function.handle_input(Input::Answer { now: at, query, answer });
    world.drain();
    assert!(world.responses.is_empty() && world.records[&imsi(ANNA)].users.is_empty());
}

#[test]
fn a_message_stands_as_the_schema_has_it_with_the_extension_apart() {
    let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<prose-discovery-message xmlns="urn:3GPP:ns:ProSe:Discovery:2014" xmlns:own="urn:sidelink:prose:extension:1"><UE_REGISTRATION_RESPONSE><response-register><transaction-ID>1</transaction-ID><EPC-ProSe-User-ID>00010203</EPC-ProSe-User-ID><server-initiated-method-config>0</server-initiated-method-config><own:binding-nonce>000102030405060708090A0B0C0D0E0F</own:binding-nonce></response-register></UE_REGISTRATION_RESPONSE></prose-discovery-message>"#;
    let Ok(message) = Message::from_xml(text.as_bytes()) else { panic!() };
    assert_eq!(message.to_xml().as_str(), text);
    // By another prefix it is the same; in another namespace, or in that of the schema, it is unknown.
    let nonce = |text: String| {
        let Ok(Message::UeRegistrationResponse(message)) = Message::from_xml(text.as_bytes()) else {
            panic!()
        };
        message.registered[0].nonce
    };
    assert!(nonce(text.replace("own:", "x:").replace("xmlns:own", "xmlns:x")).is_some());
    assert!(nonce(text.replace("urn:sidelink:prose:extension:1", "urn:other")).is_none());
    assert!(nonce(text.replace("own:binding", "binding")).is_none());
    // With a WLAN identifier, as the schema allows it.
    let request = r#"<prose-discovery-message xmlns="urn:3GPP:ns:ProSe:Discovery:2014"><UE_REGISTRATION_REQUEST><ue-registration-request><transaction-ID>1</transaction-ID><UE-identity><MCC>001</MCC><MNC>01</MNC><MSIN>0000000001</MSIN></UE-identity><WLAN-Link-Layer-ID>001122334455</WLAN-Link-Layer-ID><method-for-server-initiated-transaction>1</method-for-server-initiated-transaction></ue-registration-request></UE_REGISTRATION_REQUEST></prose-discovery-message>"#;
    assert!(matches!(Message::from_xml(request.as_bytes()), Ok(Message::UeRegistrationRequest(_))));
    let root_of_ours =
        text.replace("<prose-discovery-message", "<own:x").replace("</prose-discovery-message", "</own:x");
    assert!(Message::from_xml(root_of_ours.as_bytes()).is_err());
}

proptest! {
    /// Any octets in the place of a token, or with a token changed anywhere: refused.
    #[test]
    fn no_other_octets_are_a_token(octets in proptest::collection::vec(any::<u8>(), 1..200), at: usize, bit in 0_u8..8) {
        let mut world = World::new(Proof::Token);
        let (epuid, _) = world.registered(ANNA);
        let token = BindingToken::new(&octets).ok();
        prop_assert_eq!(world.register(ANNA, epuid, name(ANNA), token), Some(EpcCause::InvalidUser));
        let (_, nonce) = world.registered(ANNA);
        let mut octets = world.token(ANNA, name(ANNA), nonce.unwrap()).unwrap().octets().to_vec();
        let at = at % octets.len();
        octets[at] ^= 1 << bit;
        let token = BindingToken::new(&octets).ok();
        prop_assert_eq!(world.register(ANNA, epuid, name(ANNA), token), Some(EpcCause::InvalidUser));
        prop_assert_eq!(world.last_denied(), Some(Denied::Forged));
    }

    /// Any bodies to the client, at any time: no panic, and at most one registration under way.
    #[test]
    fn any_answer_to_the_client(bodies: Vec<(u64, Vec<u8>)>) {
        let mut client = client(ANNA, name(ANNA));
        for (request, body) in bodies {
            client.handle_input(ClientInput::Response { request: RequestId(request % 4), body: &body });
            client.handle_input(ClientInput::NoToken);
        }
    }
}
