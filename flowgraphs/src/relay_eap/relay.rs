//! The links of a relay, and the AAA server that authenticates their remote UEs.

use sidelink_network::radius::Nas;
use sidelink_network::radius::nas::{Event, Input, Output};
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_ue::{KeyNetwork, LinkStanding, NetworkAnswer};
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::rng::Rng;
use std::collections::VecDeque;

/// The outside of a relay. None of it blocks.
pub(crate) trait RelayPort: Send {
    /// Sends a datagram to the AAA server.
    fn send(&mut self, now: UtcTime, octets: &[u8]);

    /// Returns a datagram that came from it, once.
    fn receive(&mut self, now: UtcTime) -> Option<Vec<u8>>;

    /// Learns what came of something.
    fn event(&mut self, _now: UtcTime, _event: Event) {}

    /// Learns that a remote UE has a link.
    fn link_up(&mut self, _now: UtcTime) {}
}

/// A relay's way to the AAA server, as its links ask for it.
pub(crate) struct RelayEap<P, R> {
    nas: Nas,
    port: P,
    /// One that nobody can guess.
    rng: R,
    answers: VecDeque<NetworkAnswer>,
    /// When the client wants to be called.
    due: Option<UtcTime>,
}

impl<P: RelayPort, R: Rng + Send> RelayEap<P, R> {
    /// With this client of RADIUS.
    pub(crate) const fn new(nas: Nas, port: P, rng: R) -> Self {
        Self { nas, port, rng, answers: VecDeque::new(), due: None }
    }

    fn work(&mut self, now: UtcTime) {
        loop {
            match self.nas.poll_output() {
                Output::Datagram(octets) => self.port.send(now, &octets),
                Output::Answer { ticket, octets } => {
                    self.answers.push_back(NetworkAnswer { ticket: Ticket(ticket), octets });
                }
                Output::Event(event) => self.port.event(now, event),
                Output::Timeout(due) => return self.due = due,
            }
        }
    }
}

impl<P: RelayPort, R: Rng + Send> KeyNetwork for RelayEap<P, R> {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        self.nas.handle_input(Input::Question { now, ticket: ticket.0, octets: question }, &mut self.rng);
        self.work(now);
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        while let Some(octets) = self.port.receive(now) {
            self.nas.handle_input(Input::Datagram { now, octets: &octets }, &mut self.rng);
            self.work(now);
        }
        if self.due.is_some_and(|due| due <= now) {
            self.nas.handle_input(Input::Tick { now }, &mut self.rng);
            self.work(now);
        }
        self.answers.pop_front()
    }

    fn link_changed(&mut self, now: UtcTime, _peer: Layer2Id, standing: LinkStanding) {
        if standing == LinkStanding::Up {
            self.port.link_up(now);
        }
    }
}
