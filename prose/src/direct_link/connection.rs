//! Connection identities: one-time names, so that the set-ups of one UE cannot be linked. TR 33.833 §6.4.1.4.2; the final
//! specifications have none. The initiating UE gives one in the complete, the target UE in the accept, both protected.
//!
//! A name serves until a set-up by it has succeeded: tries that fail can be linked to each other.

use sidelink_security::direct::{KdId, Profile};

use super::kd::{Change, Connection, Identity};
use super::local::Local;
use sidelink_wire::ids::Layer2Id;

impl Local {
    fn uses_connections(&self) -> bool {
        self.config.connection_ids && self.config.profile == Profile::Lte
    }

    /// The one-time name that a request carries instead of this UE's name and the KD ID, if the peer gave one.
    pub(super) fn connection_to(&self, peer: &Identity, kd: Option<KdId>, tries: u8) -> Option<[u8; 4]> {
        let kd = kd.filter(|_| self.uses_connections() && tries < self.config.tries)?;
        self.keyring.find(kd, peer, self.clock, self.number())?.connection.remote
    }

    /// The UE that asks by a name that this UE gave, and the KD.
    pub(super) fn connection_from(&self, given: Option<[u8; 4]>) -> Option<(Identity, KdId)> {
        let given = given.filter(|_| self.uses_connections())?;
        let record = self.keyring.by_connection(given, self.clock, self.number())?;
        Some((record.peer.clone(), record.id))
    }

    /// A new name for the peer; durable soon, and not waited for: without it the peer's request is refused, and it asks
    /// by its own name in the end.
    pub(super) fn give_connection(&mut self, kd: KdId, peer: &Identity) -> Option<[u8; 4]> {
        if !self.uses_connections() {
            return None;
        }
        let [a, b, c, d, ..] = self.draw()?;
        let given = [a, b, c, d];
        let now = |connection: Connection| Connection {
            local: Some(given),
            previous: connection.local,
            ..connection
        };
        self.change_connection(kd, peer, now).then_some(given)
    }

    /// The peer gave a name.
    pub(super) fn take_connection(&mut self, kd: KdId, peer: &Identity, given: Option<[u8; 4]>) {
        if given.is_some() && self.uses_connections() {
            self.change_connection(kd, peer, |connection| Connection { remote: given, ..connection });
        }
    }

    fn change_connection(
        &mut self,
        kd: KdId,
        peer: &Identity,
        change: impl Fn(Connection) -> Connection,
    ) -> bool {
        // What is on its way to the store is newer than what is there.
        let waiting =
            self.storing.iter().rev().flat_map(|(_, changes)| changes).find_map(|change| match change {
                Change::Put(record) if record.id == kd && record.peer == *peer => Some(record.copy()),
                _ => None,
            });
        let known = || self.keyring.find(kd, peer, self.clock, self.number()).map(super::kd::KdRecord::copy);
        let Some(mut record) = waiting.or_else(known) else { return false };
        record.connection = change(record.connection);
        self.store(vec![Change::Put(record)]);
        true
    }

    /// The layer-2 identity that a new link is asked for from.
    pub(super) fn source_for_a_link(&mut self) -> Layer2Id {
        let fresh = if self.config.fresh_source { self.new_address() } else { None };
        fresh.unwrap_or(self.config.source)
    }
}
