//! A remote UE whose relay passes EAP on: questions of its links to the peer of EAP, and the KD. TR 33.833 §6.5.1.
//!
//! ```text
//!   Question::ToPeer, relay, service, packet -> EapPeer -> Response     Answer::Packet
//!                                                       -> Success      Answer::Keyed: KD for the relay that the link is with
//!                                                       -> anything else  Answer::Refused, and an event
//! ```
//!
//! The KD is derived for the relay that this UE believes to be at: another relay has another, and its command proves nothing.
//! A packet that is passed over is answered with a refusal too: the link goes on to listen, since anybody can have sent it.

use std::collections::VecDeque;

use sidelink_wire::relay_keying::{Answer, Question};
use sidelink_wire::rng::Rng;
use zeroize::Zeroizing;

use crate::eap_peer::{self, Discarded, EapPeer, Failure};
use crate::pc8::Code;
use crate::relay_access::{KdMaker, kd};
use crate::usim::SqnArray;

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A link asks: a question of [`sidelink_wire::relay_keying`].
    Question {
        /// To hand back.
        ticket: u64,
        /// Its octets.
        octets: &'a [u8],
    },
    /// The state of the USIM is durable.
    Stored,
    /// It could not be made durable.
    StoreFailed,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// The answer to a question: octets of [`sidelink_wire::relay_keying`], with a key in them; none where it was no question.
    Answer {
        /// Of which question.
        ticket: u64,
        /// The octets.
        octets: Option<Zeroizing<Vec<u8>>>,
    },
    /// Make the state of the USIM durable, and hand back [`Input::Stored`] or [`Input::StoreFailed`].
    Store(Box<SqnArray>),
    /// The pseudonym for the next time.
    Remember {
        /// User name.
        pseudonym: String,
    },
    /// The network authenticated this UE, and has proven itself.
    Authenticated,
    /// There is no key.
    Failed(Failure),
    /// A packet was passed over.
    Discard(Discarded),
}

/// What the peer is asked about.
struct Asked {
    ticket: u64,
    relay: Vec<u8>,
    service: Code,
}

/// A remote UE's end of EAP.
pub struct RelayedPeer {
    peer: EapPeer,
    maker: KdMaker,
    /// Seconds that a KD lives.
    lifetime: u32,
    asked: Option<Asked>,
    outputs: VecDeque<Output>,
}

impl RelayedPeer {
    /// Around a peer. `maker` is what the network does; a KD lives `lifetime` seconds here, never zero.
    pub fn new(peer: EapPeer, maker: KdMaker, lifetime: u32) -> Self {
        Self { peer, maker, lifetime: lifetime.max(1), asked: None, outputs: VecDeque::new() }
    }

    /// Takes an input. `rng` must be one that nobody can guess.
    pub fn handle_input(&mut self, input: Input<'_>, rng: &mut dyn Rng) {
        match input {
            Input::Question { ticket, octets } => {
                let question = Question::parse(octets);
                let (Ok(Question::ToPeer { service, relay, packet }), None) = (question, &self.asked) else {
                    return self.outputs.push_back(Output::Answer { ticket, octets: None });
                };
                self.asked = Some(Asked { ticket, relay: relay.to_vec(), service: Code(service) });
                self.peer.handle_input(eap_peer::Input::Packet(packet), rng);
            }
            Input::Stored => self.peer.handle_input(eap_peer::Input::Stored, rng),
            Input::StoreFailed => self.peer.handle_input(eap_peer::Input::StoreFailed, rng),
        }
        while let Some(output) = self.peer.poll_output() {
            self.take(output);
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn take(&mut self, output: eap_peer::Output) {
        let (event, octets) = match output {
            eap_peer::Output::Store(array) => return self.outputs.push_back(Output::Store(Box::new(array))),
            eap_peer::Output::Remember { pseudonym } => {
                return self.outputs.push_back(Output::Remember { pseudonym });
            }
            eap_peer::Output::Response(packet) => (None, emitted(&Answer::Packet(&packet))),
            eap_peer::Output::Success(success) => {
                let Some(Asked { relay, service, .. }) = &self.asked else { return };
                let kd = kd(self.maker, &success.keys, relay, *service);
                let answer = Answer::Keyed { kd: kd.as_bytes(), lifetime: self.lifetime, packet: &[] };
                (Some(Output::Authenticated), emitted(&answer))
            }
            eap_peer::Output::Failed(why) => (Some(Output::Failed(why)), refused()),
            eap_peer::Output::Discard(why) => (Some(Output::Discard(why)), refused()),
        };
        self.outputs.extend(event);
        if let Some(Asked { ticket, .. }) = self.asked.take() {
            self.outputs.push_back(Output::Answer { ticket, octets: Some(octets) });
        }
    }
}

fn refused() -> Zeroizing<Vec<u8>> {
    emitted(&Answer::Refused { packet: &[] })
}

fn emitted(answer: &Answer<'_>) -> Zeroizing<Vec<u8>> {
    // No growth that leaves a copy of a key behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(64));
    answer.emit(&mut octets);
    octets
}

#[cfg(test)]
mod tests;
