//! The adapters over ports that a test holds.

use super::relay::{RelayEap, RelayPort};
use sidelink_network::radius::nas::{Config, Event, Wrong};
use sidelink_network::radius::{Nas, Secret};
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_ue::KeyNetwork;
use sidelink_ue::air_rng::AirRng;
use sidelink_wire::relay_keying::Question;
use std::sync::{Arc, Mutex};

/// What was sent, and what was told.
type Heard = (Vec<Vec<u8>>, Vec<Event>);

#[derive(Clone, Default)]
struct Port(Arc<Mutex<Heard>>);

impl RelayPort for Port {
    fn send(&mut self, _: UtcTime, octets: &[u8]) {
        self.0.lock().unwrap().0.push(octets.to_vec());
    }

    fn receive(&mut self, _: UtcTime) -> Option<Vec<u8>> {
        None
    }

    fn event(&mut self, _: UtcTime, event: Event) {
        self.0.lock().unwrap().1.push(event);
    }
}

/// A server that is away: the request is said again in its time, and the link has an answer in the end, which is none.
#[test]
fn a_relay_polls_its_client_in_time() {
    let secret = Secret::new(b"0123456789abcdef".to_vec()).unwrap();
    let nas = Nas::new(Config { patience: 5_000, ..Config::new(b"ruth".to_vec(), secret) });
    let port = Port::default();
    let mut relay = RelayEap::new(nas, port.clone(), AirRng::seeded(1, "ruth"));
    let at = UtcTime::from_millis;
    let packet = [2, 0, 0, 6, 1, b'6'];
    let question =
        Question::ToServer { service: [0, 0, 7], exchange: [1; 8], remote: b"mary", packet: &packet };
    relay.ask(at(1_000), Ticket(5), &question.emit().unwrap());
    let mut answers = Vec::new();
    for now in 1_000..7_000 {
        answers.extend(relay.poll(at(now)).map(|answer| (now, answer.ticket, answer.octets.is_some())));
    }
    assert_eq!(answers, [(6_000, Ticket(5), true)], "the network is out of reach");
    let (sent, events) = port.0.lock().unwrap().clone();
    assert_eq!((sent.len(), sent[0] == sent[1]), (2, true), "again after 2 s, and not at 6 s");
    assert_eq!(events[..], [Event::SaidAgain, Event::Silent]);
    // What is no question of a relay is answered at once.
    relay.ask(at(7_000), Ticket(6), &[1, 2, 3]);
    assert!(relay.poll(at(7_000)).is_some_and(|answer| answer.octets.is_none()));
    assert_eq!(port.0.lock().unwrap().1.last(), Some(&Event::NotAsked { why: Wrong::Question }));
}
