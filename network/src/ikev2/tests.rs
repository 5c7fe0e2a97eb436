use std::net::SocketAddrV4;

use proptest::prelude::*;
use serde_json::Value;
use sidelink_wire::hex;

use super::keys::{IkeKeys, Signed};
use super::wire::{Exchange, HEADER, Header, Kind, Payloads, Protocol, chain, choose, proposal};
use super::*;
use crate::aaa;
use crate::eap_peer::EapPeer;
use crate::testing::eap::{Octets, Outcome, REALM, World, hello, other_keys, peer, peer_config};
use crate::usim::{SqnArray, Usim};

mod esp;
mod exchange;
mod shared_key;

fn ends() -> [SocketAddrV4; 2] {
    ["192.0.2.1:500".parse().unwrap(), "192.0.2.2:500".parse().unwrap()]
}

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

const NAME: &str = "prosefunction.mnc001.mcc001.pub.3gppnetwork.org";

fn network() -> Selector {
    Selector { first: Ipv4Addr::new(10, 1, 0, 0), last: Ipv4Addr::new(10, 1, 0, 255) }
}

fn initiator_config(proof: ResponderProof) -> InitiatorConfig {
    InitiatorConfig {
        identity: format!("6001010000000001@{REALM}"),
        responder: NAME.to_owned(),
        proof,
        addresses: ends(),
        selectors: [Selector::ALL, Selector::ALL],
    }
}

fn responder_config(key: ResponderKey) -> ResponderConfig {
    let [_, address] = ends();
    ResponderConfig {
        name: NAME.to_owned(),
        key,
        address,
        selectors: [Selector::ALL, network()],
        half_open: 4,
    }
}

/// Who meets whom, and what somebody does with the messages between them.
struct Run {
    initiator: Initiator,
    responder: Responder,
    world: World,
    peer: EapPeer,
    rngs: [Octets; 2],
    /// All messages, in turn.
    messages: Vec<Vec<u8>>,
    outcome: Outcome,
    ends: [Option<Result<Child, Error>>; 2],
    dropped: Vec<Error>,
}

impl Run {
    fn new(proof: ResponderProof, key: ResponderKey) -> Self {
        Self {
            initiator: Initiator::new(initiator_config(proof)),
            responder: Responder::new(responder_config(key)),
            world: World::new(|_| {}),
            peer: peer(),
            rngs: [Octets(3), Octets(5)],
            messages: Vec::new(),
            outcome: Outcome::default(),
            ends: [None, None],
            dropped: Vec::new(),
        }
    }

    fn signed() -> Self {
        Self::new(
            ResponderProof::Signature(signing(1).verifying_key()),
            ResponderKey::Signature(Box::new(signing(1))),
        )
    }

    fn run(&mut self) {
        self.meddle(|_, _| {}, |_| {});
    }

    /// Until nobody has anything to say. `change` changes messages by their place, `eap` what the peer says.
    fn meddle(&mut self, mut change: impl FnMut(usize, &mut Vec<u8>), mut eap: impl FnMut(&mut Vec<u8>)) {
        self.initiator.handle_input(Input::Start, &mut self.rngs[0]);
        let mut to_responder = self.ue(&mut eap);
        while !to_responder.is_empty() {
            let mut to_initiator = Vec::new();
            for mut message in to_responder {
                change(self.messages.len(), &mut message);
                self.messages.push(message.clone());
                let [from, _] = ends();
                let input = ResponderInput::Message { from, octets: &message };
                self.responder.handle_input(input, &mut self.rngs[1]);
                to_initiator.extend(self.gateway());
            }
            to_responder = Vec::new();
            for mut message in to_initiator {
                change(self.messages.len(), &mut message);
                self.messages.push(message.clone());
                self.initiator.handle_input(Input::Message(&message), &mut self.rngs[0]);
                to_responder.extend(self.ue(&mut eap));
            }
        }
    }

    /// What the UE sends.
    fn ue(&mut self, eap: &mut impl FnMut(&mut Vec<u8>)) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(output) = self.initiator.poll_output() {
            match output {
                Output::Send(message) => sent.push(message),
                Output::Eap(packet) => {
                    let response = self.world.ask(&mut self.peer, &packet, &mut self.outcome);
                    let rng = &mut self.rngs[0];
                    match (response, &self.outcome.peer) {
                        (Some(mut response), _) => {
                            eap(&mut response);
                            self.initiator.handle_input(Input::Eap(&response), rng);
                        }
                        (None, Some(Ok(success))) => {
                            self.initiator.handle_input(Input::Msk(&success.keys.msk), rng);
                        }
                        (None, _) => self.initiator.handle_input(Input::EapFailed, rng),
                    }
                }
                Output::Established(child) => self.ends[0] = Some(child),
                Output::Failed(why) => self.ends[0] = Some(Err(why)),
                Output::Dropped(why) => self.dropped.push(why),
            }
        }
        sent
    }

    /// What the ProSe Function sends.
    fn gateway(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(output) = self.responder.poll_output() {
            match output {
                ResponderOutput::Send(message) => sent.push(message),
                ResponderOutput::Begin { session, identity } => {
                    assert_eq!(identity, format!("6001010000000001@{REALM}").as_bytes());
                    let input = ResponderInput::Eap { session, packet: &hello(1) };
                    self.responder.handle_input(input, &mut self.rngs[1]);
                }
                ResponderOutput::Eap { session, packet } => {
                    let aaa = aaa::SessionId(session.0);
                    let next = self.world.tell(aaa, &packet, &mut self.outcome);
                    let Some(packet) = next else { continue };
                    let input = match &self.outcome.server {
                        Some(Ok(grant)) => {
                            ResponderInput::Msk { session, packet: &packet, msk: &grant.keys.msk }
                        }
                        _ => ResponderInput::Eap { session, packet: &packet },
                    };
                    self.responder.handle_input(input, &mut self.rngs[1]);
                }
                ResponderOutput::Established { child, .. } => self.ends[1] = Some(child),
                ResponderOutput::Failed { why, .. } => self.ends[1] = Some(Err(why)),
                ResponderOutput::Dropped(why) => self.dropped.push(why),
            }
        }
        sent
    }

    /// Both ends have a CHILD_SA.
    fn children(&self) -> [&Child; 2] {
        self.ends.each_ref().map(|end| match end {
            Some(Ok(child)) => child,
            other => panic!("{other:?} {:?} {:?}", self.dropped, self.outcome),
        })
    }

    fn errors(&self) -> [Option<Error>; 2] {
        self.ends.each_ref().map(|end| end.as_ref().and_then(|end| end.as_ref().err().copied()))
    }
}

/// What a real daemon and another program's initiator took of each other.
#[test]
fn keys_and_auth_are_those_of_a_real_daemon() {
    let file: Value = serde_json::from_str(include_str!("../../vectors/ikev2_eap_auth.json")).unwrap();
    let octets = |name: &str| hex::bytes(file[name].as_str().unwrap()).unwrap();
    let array = |name: &str| -> [u8; 32] { octets(name).try_into().unwrap() };
    let spis: [[u8; 8]; 2] = ["spi_i", "spi_r"].map(|name| octets(name).try_into().unwrap());
    let (ni, nr) = (octets("ni"), octets("nr"));
    let keys = IkeKeys::new([&ni, &nr], &array("g_ir"), [&spis[0], &spis[1]]);
    assert_eq!(keys.d, array("SK_d"));
    assert_eq!((keys.initiator.a, keys.responder.a), (array("SK_ai"), array("SK_ar")));
    assert_eq!((&keys.initiator.e[..], &keys.responder.e[..]), (&octets("SK_ei")[..], &octets("SK_er")[..]));
    assert_eq!((keys.initiator.p, keys.responder.p), (array("SK_pi"), array("SK_pr")));
    let msk: [u8; 64] = octets("msk").try_into().unwrap();
    for (message, nonce, sk_p, identity, auth) in [
        ("msg1", &nr, &keys.initiator.p, "IDi_body", "auth_i"),
        ("msg2", &ni, &keys.responder.p, "IDr_body", "auth_r"),
    ] {
        let (message, identity) = (octets(message), octets(identity));
        let signed = Signed { message: &message, nonce, sk_p, identity: &identity };
        assert_eq!(signed.by_msk(&msk), array(auth));
        assert_eq!(signed.verify_msk(&msk, &signed.body_by_msk(&msk)), Ok(()));
        assert_eq!(signed.verify_msk(&[0; 64], &signed.body_by_msk(&msk)), Err(Error::Auth));
    }
    // Its messages are read, and its choice is our suite.
    for (name, is_response) in [("msg1", false), ("msg2", true)] {
        let message = octets(name);
        let header = Header::parse(&message).unwrap();
        assert_eq!((header.exchange, header.is_response), (Exchange::SaInit, is_response));
        let payloads = Payloads::parse(header.next, &message[HEADER..]).unwrap();
        assert_eq!(choose(Protocol::Ike, payloads.find(Kind::Sa).unwrap()), Ok((1, &[][..])));
        assert!(payloads.fault().is_none());
    }
    // Our proposal is that of its initiator, octet for octet.
    let message = octets("msg1");
    let payloads = Payloads::parse(33, &message[HEADER..]).unwrap();
    assert_eq!(payloads.find(Kind::Sa), Some(&proposal(Protocol::Ike, 1, &[])[..]));
}

#[test]
fn other_suites_are_not_chosen() {
    let good = proposal(Protocol::Ike, 1, &[]);
    assert!(choose(Protocol::Ike, &good).is_ok());
    assert_eq!(choose(Protocol::Esp, &good), Err(Error::NoProposal));
    // Each transform by its last octet, and the key length.
    for at in [15, 19, 27, 35, 43] {
        let mut other = good.clone();
        other[at] ^= 1;
        assert_eq!(choose(Protocol::Ike, &other), Err(Error::NoProposal), "{at}");
    }
    let second = [&good[..], &proposal(Protocol::Ike, 2, &[])].concat();
    assert_eq!(choose(Protocol::Ike, &second), Ok((1, &[][..])));
    assert_eq!(choose(Protocol::Ike, &[]), Err(Error::NoProposal));
}

proptest! {
    #[test]
    fn any_octets_are_a_message_or_none(octets: Vec<u8>, next: u8) {
        if let Ok(header) = Header::parse(&octets) {
            prop_assert_eq!(header.emit(&octets[HEADER..]).is_ok(), true);
        }
        let _ = Payloads::parse(next, &octets);
        let _ = (choose(Protocol::Ike, &octets), choose(Protocol::Esp, &octets), wire::selector_of(&octets));
    }

    #[test]
    fn what_is_chained_comes_back(bodies in prop::collection::vec((0_usize..13, prop::collection::vec(any::<u8>(), 0..40)), 0..9)) {
        let kinds = [
            Kind::Sa, Kind::Ke, Kind::IdInitiator, Kind::IdResponder, Kind::Cert, Kind::CertReq, Kind::Auth,
            Kind::Nonce, Kind::Notify, Kind::Delete, Kind::Vendor, Kind::TsInitiator, Kind::TsResponder,
        ];
        let payloads: Vec<_> = bodies.into_iter().map(|(kind, body)| (kinds[kind], body)).collect();
        let (next, octets) = chain(&payloads).unwrap();
        let parsed = Payloads::parse(next, &octets).unwrap();
        for (kind, _) in &payloads {
            let first = payloads.iter().find(|(other, _)| other == kind).map(|(_, body)| &body[..]);
            prop_assert_eq!(parsed.find(*kind), first);
        }
    }

    #[test]
    fn any_message_at_either_end_is_taken_or_dropped(octets: Vec<u8>, header: bool, exchange in 34_u8..38, flags: u8) {
        let length = (octets.len() as u32 + 28).to_be_bytes();
        let head = [&[7; 8][..], &[0; 8], &[33, 0x20, exchange, flags, 0, 0, 0, 0], &length].concat();
        let octets = if header { [head, octets].concat() } else { octets };
        let mut run = Run::signed();
        let [from, _] = ends();
        run.responder.handle_input(ResponderInput::Message { from, octets: &octets }, &mut run.rngs[1]);
        run.initiator.handle_input(Input::Start, &mut run.rngs[0]);
        run.initiator.handle_input(Input::Message(&octets), &mut run.rngs[0]);
        run.gateway();
        prop_assert!(run.ends.iter().all(Option::is_none));
    }
}
