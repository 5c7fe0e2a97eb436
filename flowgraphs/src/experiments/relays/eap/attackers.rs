//! Ends of EAP that do not do what they should: a relay that says an old challenge again, and a remote UE without a USIM.

use super::network::{Shared, imsi};
use crate::experiments::answers::Answers;
use sidelink_network::eap_aka::message::MacKey;
use sidelink_network::eap_aka::{Code, Method, Packet, Response, Type, identity, packet};
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_ue::{KeyNetwork, NetworkAnswer};
use sidelink_wire::relay_keying::{Answer, Question};
use zeroize::Zeroizing;

/// Answers a link at once.
fn answer(answers: &mut Answers, now: UtcTime, ticket: Ticket, answer: &Answer<'_>) {
    let mut octets = Zeroizing::new(Vec::new());
    answer.emit(&mut octets);
    answers.put(now, ticket, Some(octets));
}

/// A2 as a relay: it answers an identity with a challenge that it heard before. T5.1-4.
pub(super) struct Replaying {
    network: Shared,
    answers: Answers,
}

impl Replaying {
    pub(super) fn new(network: Shared) -> Self {
        Self { network, answers: Answers::default() }
    }
}

/// AKA-Synchronization-Failure. RFC 4187 §11.
const SYNCHRONIZATION_FAILURE: u8 = 4;

impl KeyNetwork for Replaying {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        let Ok(Question::ToServer { packet, .. }) = Question::parse(question) else {
            return self.answers.put(now, ticket, None);
        };
        let kept = self.network.open().kept();
        match (packet.get(4), packet.get(5), kept) {
            (Some(1), _, Some(challenge)) => {
                self.network.open().found("challenges said again".to_owned());
                answer(&mut self.answers, now, ticket, &Answer::Packet(&challenge));
            }
            (_, Some(&SYNCHRONIZATION_FAILURE), _) => {
                self.network.open().found("AUTS of remote UEs, and nothing else".to_owned());
                answer(&mut self.answers, now, ticket, &Answer::Refused { packet: &[] });
            }
            (_, what, _) => {
                self.network.open().found(format!("other answers to it: {what:?}"));
                answer(&mut self.answers, now, ticket, &Answer::Refused { packet: &[] });
            }
        }
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        self.answers.take(now)
    }
}

/// A5 as a remote UE: it knows the IMSI of a remote UE that was at it before, and no more. T5.1-6.
pub(super) struct Posing {
    /// Identity of the remote UE.
    user: String,
    answers: Answers,
}

impl Posing {
    pub(super) fn new(number: usize) -> anyhow::Result<Self> {
        let user = format!("{}@{}", identity::permanent(&imsi(number)?), super::network::REALM);
        Ok(Self { user, answers: Answers::default() })
    }

    /// Made-up answers, with the form of true ones.
    fn response(&self, request: &[u8]) -> Option<Vec<u8>> {
        let request = Packet::new_checked(request).ok()?;
        let id = request.identifier();
        match request.kind()? {
            Type::Identity => packet::emit(Code::Response, id, Type::Identity, self.user.as_bytes()).ok(),
            Type::Method(Method::AkaPrime) => {
                let response = Response::Challenge { res: vec![0x5a; 8], checkcode: None, result_ind: false };
                let key = MacKey { k_aut: &[0x5a; 32], extra: &[] };
                response.emit(Method::AkaPrime, id, Some(key)).ok()
            }
            _ => None,
        }
    }
}

impl KeyNetwork for Posing {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        let response = match Question::parse(question) {
            Ok(Question::ToPeer { packet, .. }) => self.response(packet),
            _ => None,
        };
        match response {
            Some(packet) => answer(&mut self.answers, now, ticket, &Answer::Packet(&packet)),
            None => answer(&mut self.answers, now, ticket, &Answer::Refused { packet: &[] }),
        }
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        self.answers.take(now)
    }
}
