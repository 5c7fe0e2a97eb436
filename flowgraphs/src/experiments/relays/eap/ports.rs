//! What stands behind the adapters of `relay_eap` in an exercise: a disk in memory, and datagrams that take their time.

use super::network::Shared;
use crate::relay_eap::relay::RelayPort;
use crate::relay_eap::remote::{Event, RemotePort};
use crate::relay_keys::remote::Written;
use sidelink_network::radius::nas;
use sidelink_network::usim::SqnArray;
use sidelink_security::counter::UtcTime;
use std::collections::VecDeque;

/// How a relay comes to the AAA server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// In time.
    There,
    /// Nothing comes back.
    Away,
}

/// What is found when a remote UE has a link.
pub(super) type OnLink = Option<&'static str>;

/// Datagrams on their way, with the times at which they are there.
type OnTheWay = VecDeque<(UtcTime, Vec<u8>)>;

/// Takes one that is there.
fn due(way: &mut OnTheWay, now: UtcTime) -> Option<(UtcTime, Vec<u8>)> {
    if way.front()?.0 <= now { way.pop_front() } else { None }
}

/// The way of a relay to the AAA server.
pub(super) struct RelayWay {
    network: Shared,
    relay: usize,
    reach: Reach,
    /// Milliseconds one way.
    leg: u64,
    on_link: OnLink,
    there: OnTheWay,
    back: OnTheWay,
}

impl RelayWay {
    pub(super) fn new(network: Shared, (relay, reach): (usize, Reach), rtt: u64, on_link: OnLink) -> Self {
        let (there, back) = (VecDeque::new(), VecDeque::new());
        Self { network, relay, reach, leg: rtt / 2, on_link, there, back }
    }
}

impl RelayPort for RelayWay {
    fn send(&mut self, now: UtcTime, octets: &[u8]) {
        if self.reach == Reach::There {
            self.there.push_back((now.plus_millis(self.leg), octets.to_vec()));
        }
    }

    fn receive(&mut self, now: UtcTime) -> Option<Vec<u8>> {
        while let Some((at, octets)) = due(&mut self.there, now) {
            let replies = self.network.open().serve(at, self.relay, &octets);
            self.back.extend(replies.into_iter().map(|octets| (at.plus_millis(self.leg), octets)));
        }
        due(&mut self.back, now).map(|(_, octets)| octets)
    }

    fn event(&mut self, _: UtcTime, event: nas::Event) {
        self.network.open().found(format!("relay: {event}"));
    }

    fn link_up(&mut self, _: UtcTime) {
        if let Some(what) = self.on_link {
            self.network.open().found(what.to_owned());
        }
    }
}

/// The disk of a remote UE.
pub(super) struct RemoteDisk {
    network: Shared,
    written: VecDeque<Written>,
}

impl RemoteDisk {
    pub(super) const fn new(network: Shared) -> Self {
        Self { network, written: VecDeque::new() }
    }
}

impl RemotePort for RemoteDisk {
    fn store(&mut self, _: UtcTime, _: SqnArray) {
        self.written.push_back(Written::Durable);
    }

    fn stored(&mut self, _: UtcTime) -> Option<Written> {
        self.written.pop_front()
    }

    fn event(&mut self, _: UtcTime, event: Event) {
        let what = match event {
            Event::Authenticated => "remote UEs that authenticate the network".to_owned(),
            Event::Failed(why) => format!("remote UEs that get no key: {why}"),
            Event::Discarded(why) => format!("packets that a remote UE passes over: {why}"),
        };
        self.network.open().found(what);
    }
}
