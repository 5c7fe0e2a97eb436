//! What stands behind the adapters of `relay_keys` in an exercise: a disk in memory, and PC8 as messages that take their time.

use super::network::Shared;
use crate::relay_keys::relay::{NoKd, RelayPort, Reply, RequestId};
use crate::relay_keys::remote::{Record, RemotePort, WriteId, Written};
use sidelink_network::relay_client::Identity;
use sidelink_network::remote_ue::Failure;
use sidelink_security::counter::UtcTime;
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// The disk of a remote UE.
pub(super) struct RemoteDisk {
    network: Shared,
    number: usize,
    written: VecDeque<WriteId>,
}

impl RemoteDisk {
    pub(super) const fn new(network: Shared, number: usize) -> Self {
        Self { network, number, written: VecDeque::new() }
    }
}

impl RemotePort for RemoteDisk {
    fn write(&mut self, _: UtcTime, write: WriteId, record: Record) {
        self.network.open().write(self.number, record);
        self.written.push_back(write);
    }

    fn written(&mut self, _: UtcTime) -> Option<(WriteId, Written)> {
        self.written.pop_front().map(|write| (write, Written::Durable))
    }

    fn failed(&mut self, _: UtcTime, why: Failure) {
        self.network.open().found(format!("commands that gave a remote UE no KD: {why}"));
    }
}

/// How a relay comes to the PKMF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// In time.
    There,
    /// Nothing comes back.
    Away,
}

/// The way of a relay to the PKMF.
pub(super) struct RelayWay {
    network: Shared,
    number: usize,
    reach: Reach,
    /// Replies, with the times at which they are there.
    coming: Vec<(UtcTime, RequestId, Reply)>,
}

impl RelayWay {
    pub(super) const fn new(network: Shared, number: usize, reach: Reach) -> Self {
        Self { network, number, reach, coming: Vec::new() }
    }
}

impl RelayPort for RelayWay {
    fn send(&mut self, now: UtcTime, request: RequestId, document: Zeroizing<String>) {
        if self.reach == Reach::There {
            let (due, reply) = self.network.open().ask_as_relay(now, self.number, &document);
            self.coming.push((due, request, reply));
        }
    }

    fn reply(&mut self, now: UtcTime) -> Option<(RequestId, Reply)> {
        let at = self.coming.iter().position(|(due, ..)| *due <= now)?;
        let (_, request, reply) = self.coming.remove(at);
        Some((request, reply))
    }

    fn granted(&mut self, _: UtcTime, remote: Identity) {
        let told = match remote {
            Identity::Imsi(_) => "an IMSI",
            Identity::Msisdn(_) => "a number",
            Identity::Other(_) => "a string that says nothing",
        };
        self.network.open().found(format!("KDs that relays were granted, with {told} for the MME"));
    }

    fn refused(&mut self, _: UtcTime, why: &NoKd) {
        self.network.open().found(format!("requests without a KD: {why}"));
    }
}
