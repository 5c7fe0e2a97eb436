//! The links of a remote UE, and its peer of EAP-AKA'.

use crate::relay_keys::remote::Written;
use sidelink_network::eap_peer::{Discarded, Failure};
use sidelink_network::relayed_peer::{Input, Output, RelayedPeer};
use sidelink_network::usim::SqnArray;
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_ue::{KeyNetwork, NetworkAnswer};
use sidelink_wire::rng::Rng;
use std::collections::VecDeque;

/// What an operator learns of a remote UE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The network authenticated it.
    Authenticated,
    /// It did not, or this UE did not believe the network.
    Failed(Failure),
    /// A packet was passed over.
    Discarded(Discarded),
}

/// The outside of a remote UE. None of it blocks.
pub(crate) trait RemotePort: Send {
    /// Makes the state of the USIM durable.
    fn store(&mut self, now: UtcTime, array: SqnArray);

    /// Returns what became of the last write, once.
    fn stored(&mut self, now: UtcTime) -> Option<Written>;

    /// Keeps the pseudonym for the next time.
    fn remember(&mut self, _now: UtcTime, _pseudonym: String) {}

    /// Learns what came of something.
    fn event(&mut self, _now: UtcTime, _event: Event) {}
}

/// A remote UE's end of EAP, as its links ask for it.
pub(crate) struct RemoteEap<P, R> {
    peer: RelayedPeer,
    port: P,
    /// One that nobody can guess.
    rng: R,
    answers: VecDeque<NetworkAnswer>,
}

impl<P: RemotePort, R: Rng + Send> RemoteEap<P, R> {
    /// With this peer.
    pub(crate) const fn new(peer: RelayedPeer, port: P, rng: R) -> Self {
        Self { peer, port, rng, answers: VecDeque::new() }
    }

    fn work(&mut self, now: UtcTime) {
        while let Some(output) = self.peer.poll_output() {
            let event = match output {
                Output::Answer { ticket, octets } => {
                    self.answers.push_back(NetworkAnswer { ticket: Ticket(ticket), octets });
                    continue;
                }
                Output::Store(array) => {
                    self.port.store(now, *array);
                    continue;
                }
                Output::Remember { pseudonym } => {
                    self.port.remember(now, pseudonym);
                    continue;
                }
                Output::Authenticated => Event::Authenticated,
                Output::Failed(why) => Event::Failed(why),
                Output::Discard(why) => Event::Discarded(why),
            };
            self.port.event(now, event);
        }
    }
}

impl<P: RemotePort, R: Rng + Send> KeyNetwork for RemoteEap<P, R> {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        self.peer.handle_input(Input::Question { ticket: ticket.0, octets: question }, &mut self.rng);
        self.work(now);
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        while let Some(written) = self.port.stored(now) {
            let input = match written {
                Written::Durable => Input::Stored,
                Written::Failed => Input::StoreFailed,
            };
            self.peer.handle_input(input, &mut self.rng);
            self.work(now);
        }
        self.answers.pop_front()
    }
}
