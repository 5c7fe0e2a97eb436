//! The server with its AAA server, HSS and peers.

use core::net::SocketAddr;

use super::*;
use crate::aaa::{Aaa, Authentication, Discarded, FirstIdentity, Rejection};
use crate::aka::Rand;
use crate::eap_peer::EapPeer;
use crate::hss;
use crate::testing::eap::{World, config, hello, peer};

/// A client with one peer behind it.
struct Nas {
    server: RadiusServer,
    world: World,
    from: SocketAddr,
    identifier: u8,
    events: Vec<Event>,
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Nas {
    fn new(change: impl FnOnce(&mut Config, &mut crate::aaa::Config)) -> Self {
        let from = at("127.0.0.1:5000");
        let clients = vec![Client { address: from.ip(), secret: secret(), relay: None }];
        let (mut own, mut aaa) = (Config::new(clients), config());
        change(&mut own, &mut aaa);
        let server = RadiusServer::new(own, Aaa::new(aaa));
        Self { server, world: World::new(|_| {}), from, identifier: 0, events: Vec::new() }
    }

    /// Gives a datagram to the server; what it sends back.
    fn give(&mut self, octets: &[u8]) -> Vec<Vec<u8>> {
        let (now, from) = (self.world.now, self.from);
        self.server.handle_input(Input::Datagram { now, from, octets }, &mut self.world.rng);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        loop {
            match self.server.poll_output() {
                Output::Datagram { to, octets } => {
                    assert_eq!(to, self.from);
                    sent.push(octets);
                }
                Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    self.world.asked += 1;
                    if !self.world.hss_answers {
                        continue;
                    }
                    let now = self.world.now;
                    let request = hss::Request {
                        now,
                        ticket,
                        subject: hss::Subject::Imsi(imsi),
                        node: hss::Node::Aaa,
                        purpose: hss::Purpose::EapAkaPrime { network_name },
                        rand: Rand([self.world.asked; 16]),
                        resynchronisation,
                    };
                    let result = self.world.vector(request);
                    self.server.handle_input(Input::Vector { now, ticket, result }, &mut self.world.rng);
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(_) => return sent,
            }
        }
    }

    fn request(&mut self, eap: &[u8], more: &[(Attribute, Vec<u8>)]) -> Vec<u8> {
        self.identifier = self.identifier.wrapping_add(1);
        let mut attributes = Attributes::default();
        attributes.push_eap(eap).unwrap();
        for (attribute, value) in more {
            attributes.push(*attribute, value).unwrap();
        }
        secret().request(self.identifier, [self.identifier; 16], &attributes).unwrap()
    }

    /// A whole conversation: each reply is proven; the last one, with its keys.
    fn run(&mut self, peer: &mut EapPeer) -> (Vec<u8>, crate::testing::eap::Outcome) {
        let mut outcome = crate::testing::eap::Outcome::default();
        let mut asked = hello(self.identifier);
        let mut state = Vec::new();
        loop {
            let response = self.world.ask(peer, &asked, &mut outcome).unwrap();
            let mut more = vec![(Attribute::ProxyState, vec![1, 2, 3]), (Attribute::EapKeyName, vec![])];
            more.extend(state.iter().cloned().map(|state| (Attribute::State, state)));
            let request = self.request(&response, &more);
            let mut replies = self.give(&request);
            assert_eq!(replies.len(), 1, "{:?}", self.events);
            let reply = replies.remove(0);
            let packet = Packet::new_checked(&reply).unwrap();
            assert!(secret().verify_reply(&packet, &[self.identifier; 16]));
            assert_eq!(packet.identifier(), self.identifier);
            assert_eq!(reply[20..22], [80, 18], "Message-Authenticator comes first");
            assert_eq!(packet.values(Attribute::ProxyState).collect::<Vec<_>>(), [[1, 2, 3]]);
            // It comes again: the same reply, and nothing else happens.
            let before = self.world.asked;
            assert_eq!((self.give(&request), self.world.asked), (vec![reply.clone()], before));
            asked = packet.eap().unwrap();
            state = packet.values(Attribute::State).map(<[u8]>::to_vec).collect();
            if packet.code() != Code::AccessChallenge {
                assert!(state.is_empty());
                let _ = self.world.ask(peer, &asked, &mut outcome);
                return (reply, outcome);
            }
        }
    }
}

#[test]
fn a_client_gets_the_keys_of_the_peer() {
    let mut nas = Nas::new(|_, _| {});
    let mut peer = peer();
    for how in [Authentication::Full, Authentication::Fast] {
        let (reply, outcome) = nas.run(&mut peer);
        let packet = Packet::new_checked(&reply).unwrap();
        let success = outcome.peer.unwrap().unwrap();
        let (request, secret) = ([nas.identifier; 16], secret());
        assert_eq!(packet.code(), Code::AccessAccept);
        for (which, half) in
            [(MppeKey::Recv, &success.keys.msk[..32]), (MppeKey::Send, &success.keys.msk[32..])]
        {
            let mut found =
                packet.values(Attribute::VendorSpecific).filter_map(|v| secret.reveal(which, v, &request));
            assert_eq!(&found.next().unwrap()[..], half);
        }
        let salts: Vec<_> = packet.values(Attribute::VendorSpecific).map(|v| v[6..8].to_vec()).collect();
        assert!(salts[0] != salts[1] && salts.iter().all(|salt| salt[0] & 0x80 != 0));
        assert_eq!(packet.values(Attribute::EapKeyName).next(), Some(&success.session_id[..]));
        let Some(Event::Accepted { authentication, .. }) = nas.events.pop() else { panic!() };
        assert_eq!(authentication, how);
    }
}

#[test]
fn whoever_is_refused_gets_a_reject() {
    let mut nas = Nas::new(|_, _| {});
    let usim = crate::usim::Usim::new(crate::testing::eap::other_keys(), Default::default());
    let mut peer = EapPeer::new(crate::testing::eap::peer_config(), usim);
    let (reply, _) = nas.run(&mut peer);
    let packet = Packet::new_checked(&reply).unwrap();
    assert_eq!((packet.code(), packet.eap().unwrap()[0]), (Code::AccessReject, 4));
    assert_eq!(packet.values(Attribute::VendorSpecific).count(), 0);
    assert_eq!(nas.events, [Event::Rejected { why: Rejection::AuthenticationReject }]);
}

#[test]
fn who_is_no_client_gets_nothing() {
    let mut nas = Nas::new(|_, _| {});
    let request = nas.request(&[2, 1, 0, 5, 1], &[]);
    let mut forged = request.clone();
    forged[22] ^= 1;
    let reply = secret().reply(Code::AccessAccept, 1, [1; 16], &Attributes::default()).unwrap();
    for (octets, why) in [
        (&forged[..], Dropped::MessageAuthenticator),
        (&reply, Dropped::NotARequest),
        (&request[..10], Dropped::Malformed(Error::Truncated { needed: 20, have: 10 })),
    ] {
        assert!(nas.give(octets).is_empty());
        assert_eq!(nas.events.pop(), Some(Event::Dropped { from: nas.from, why }));
    }
    nas.from = at("127.0.0.2:5000");
    assert!(nas.give(&request).is_empty());
    assert_eq!(nas.events.pop(), Some(Event::Dropped { from: nas.from, why: Dropped::Stranger }));
    assert_eq!(nas.world.asked, 0);
}

#[test]
fn a_request_without_eap_is_refused() {
    let mut nas = Nas::new(|_, _| {});
    let replies = nas.give(&secret().request(9, [1; 16], &Attributes::default()).unwrap());
    assert_eq!(Packet::new_checked(&replies[0]).unwrap().code(), Code::AccessReject);
}

#[test]
fn a_client_may_leave_the_first_request_to_the_server() {
    let mut nas = Nas::new(|_, _| {});
    let mut attributes = Attributes::default();
    attributes.push(Attribute::EapMessage, &[]).unwrap();
    let replies = nas.give(&secret().request(9, [1; 16], &attributes).unwrap());
    let packet = Packet::new_checked(&replies[0]).unwrap();
    assert_eq!((packet.code(), packet.eap().unwrap()), (Code::AccessChallenge, vec![1, 0, 0, 5, 1]));
    let state = packet.values(Attribute::State).next().unwrap().to_vec();
    let request = nas.request(&[2, 0, 0, 6, 1, b'x'], &[(Attribute::State, state)]);
    let replies = nas.give(&request);
    assert_eq!(Packet::new_checked(&replies[0]).unwrap().eap().unwrap()[4..6], [50, 5]);
}

/// The first challenge, its State, and who wants what.
fn begun(nas: &mut Nas) -> (Vec<u8>, Vec<u8>) {
    let request = nas.request(&[2, 1, 0, 6, 1, b'x'], &[]);
    let replies = nas.give(&request);
    let packet = Packet::new_checked(&replies[0]).unwrap();
    (packet.values(Attribute::State).next().unwrap().to_vec(), packet.eap().unwrap())
}

#[test]
fn a_state_is_its_clients_and_ends() {
    let other = at("127.0.0.2:6000");
    let mut nas =
        Nas::new(|own, _| own.clients.push(Client { address: other.ip(), secret: secret(), relay: None }));
    let (state, asked) = begun(&mut nas);
    let response = [2, asked[1], 0, 8, 50, 14, 0, 0];
    let refused = |nas: &mut Nas, state: &[u8]| {
        let request = nas.request(&response, &[(Attribute::State, state.to_vec())]);
        let replies = nas.give(&request);
        let packet = Packet::new_checked(&replies[0]).unwrap();
        packet.code() == Code::AccessReject && packet.eap() == Some(vec![4, asked[1], 0, 4])
    };
    assert!(refused(&mut nas, &[1; 16]), "one that nobody was given");
    assert!(refused(&mut nas, &state[..15]));
    let home = std::mem::replace(&mut nas.from, other);
    assert!(refused(&mut nas, &state), "another client's");
    nas.from = home;
    assert!(!refused(&mut nas, &state));
    nas.world.now = nas.world.now.plus_millis(60_000);
    assert!(refused(&mut nas, &state), "an old one");
}

#[test]
fn what_is_under_way_is_not_begun_again() {
    let mut nas = Nas::new(|_, aaa| aaa.first_identity = FirstIdentity::Used);
    nas.world.hss_answers = false;
    let said = nas.world.ask(&mut peer(), &hello(1), &mut Default::default()).unwrap();
    let request = nas.request(&said, &[]);
    assert!(nas.give(&request).is_empty());
    assert!(nas.give(&request).is_empty());
    let why = Dropped::UnderWay;
    assert_eq!(nas.events, [Event::Dropped { from: nas.from, why }]);
    assert_eq!(nas.world.asked, 1);
    // The HSS stays silent: the client is told so.
    let now = nas.world.now.plus_millis(30_000);
    nas.world.now = now;
    nas.server.handle_input(Input::Tick { now }, &mut nas.world.rng);
    let replies = nas.drain();
    assert_eq!(Packet::new_checked(&replies[0]).unwrap().code(), Code::AccessReject);
    assert_eq!(nas.events.pop(), Some(Event::Rejected { why: Rejection::Late }));
}

/// Another request of a session does not take the place of the one that is under way.
#[test]
fn a_session_has_one_request_at_a_time() {
    let mut nas = Nas::new(|_, _| {});
    nas.world.hss_answers = false;
    let (state, asked) = begun(&mut nas);
    let identity = crate::eap_aka::identity::permanent(&crate::testing::imsi());
    let said = crate::eap_aka::Response::Identity(identity);
    let said = said.emit(crate::eap_aka::Method::AkaPrime, asked[1], None).unwrap();
    let first = nas.request(&said, &[(Attribute::State, state.clone())]);
    let second = nas.request(&said, &[(Attribute::State, state)]);
    assert!(nas.give(&first).is_empty() && nas.give(&second).is_empty());
    assert_eq!(nas.events, [Event::Dropped { from: nas.from, why: Dropped::UnderWay }]);
    let now = nas.world.now.plus_millis(30_000);
    nas.server.handle_input(Input::Tick { now }, &mut nas.world.rng);
    let replies = nas.drain();
    assert_eq!(Packet::new_checked(&replies[0]).unwrap().identifier(), first[1]);
}

#[test]
fn what_is_passed_over_may_come_again() {
    let mut nas = Nas::new(|_, _| {});
    let (state, asked) = begun(&mut nas);
    let wrong = [2, asked[1].wrapping_add(9), 0, 8, 50, 14, 0, 0];
    let request = nas.request(&wrong, &[(Attribute::State, state.clone())]);
    for _ in 0..2 {
        assert!(nas.give(&request).is_empty());
        let why = Dropped::Eap(Discarded::Identifier);
        assert_eq!(nas.events.pop(), Some(Event::Dropped { from: nas.from, why }));
    }
    let request = nas.request(&[2, asked[1], 0, 8, 50, 14, 0, 0], &[(Attribute::State, state)]);
    assert_eq!(nas.give(&request).len(), 1);
}

#[test]
fn another_request_of_one_identifier_is_new() {
    let mut nas = Nas::new(|_, _| {});
    let first = nas.request(&[2, 1, 0, 6, 1, b'x'], &[]);
    nas.give(&first);
    let mut attributes = Attributes::default();
    attributes.push_eap(&[2, 1, 0, 6, 1, b'y']).unwrap();
    let second = secret().request(nas.identifier, [99; 16], &attributes).unwrap();
    let replies = nas.give(&second);
    assert!(secret().verify_reply(&Packet::new_checked(&replies[0]).unwrap(), &[99; 16]));
}

#[test]
fn requests_are_bounded_and_time_makes_room() {
    let mut nas = Nas::new(|own, _| own.requests = 3);
    let served = |nas: &mut Nas| {
        let request = nas.request(&[2, 1, 0, 6, 1, b'x'], &[]);
        nas.give(&request).len()
    };
    let first: Vec<_> = (0..5).map(|_| served(&mut nas)).collect();
    assert_eq!(first, [1, 1, 1, 0, 0]);
    assert_eq!(nas.events.pop(), Some(Event::Dropped { from: nas.from, why: Dropped::Busy }));
    nas.world.now = nas.world.now.plus_millis(30_000);
    assert_eq!(served(&mut nas), 0, "the states are still good");
    nas.world.now = nas.world.now.plus_millis(30_000);
    assert_eq!(served(&mut nas), 1);
}

#[test]
fn a_reply_that_is_too_long_is_none() {
    let mut nas = Nas::new(|_, _| {});
    let proxies: Vec<_> = (0..15).map(|_| (Attribute::ProxyState, vec![0; 253])).collect();
    let mut long = proxies.clone();
    long.push((Attribute::ProxyState, vec![0; 200]));
    let request = nas.request(&[2, 1, 0, 6, 1, b'x'], &long);
    assert!(nas.give(&request).is_empty());
    assert_eq!(nas.events.pop(), Some(Event::Dropped { from: nas.from, why: Dropped::TooLong }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_eap_is_answered_or_passed_over(eap: Vec<u8>, state: Vec<u8>) {
        let mut nas = Nas::new(|_, _| {});
        let request = nas.request(&eap, &[(Attribute::State, state)]);
        prop_assert!(nas.give(&request).len() <= 1);
        let request = nas.request(&eap, &[]);
        prop_assert!(nas.give(&request).len() <= 1);
        let accepted = |event: &Event| matches!(event, Event::Accepted { .. });
        prop_assert!(!nas.events.iter().any(accepted));
    }
}
