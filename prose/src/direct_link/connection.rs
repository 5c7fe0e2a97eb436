//! Connection identities: one-time identities that keep the set-ups of one UE unlinkable. TR 33.833 §6.4.1.4.2; the
//! final specifications have none. The initiating UE gives one in the complete, the target UE in the accept, both
//! protected.
//!
//! An identity is valid until a set-up with it has succeeded: failed tries can be linked to each other.

use sidelink_security::direct::{KdId, Profile};

use super::kd::{Change, Connection, Identity};
use super::local::Local;
use sidelink_wire::ids::Layer2Id;

impl Local {
    fn uses_connections(&self) -> bool {
        self.config.connection_ids && self.config.profile == Profile::Lte
    }

    /// Returns the one-time identity that a request carries instead of this UE's identity and the KD ID, if the peer
    /// gave one.
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

    /// Makes a new one-time identity for the peer. It becomes durable later, and the exchange does not wait: if it is
    /// lost, the peer's request is refused, and the peer finally requests with its own identity.
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

    /// Stores the one-time identity that the peer gave.
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
        // A pending change is newer than the content of the store.
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

    /// Returns the layer-2 identity from which a new link is requested.
    pub(super) fn source_for_a_link(&mut self) -> Layer2Id {
        let fresh = if self.config.fresh_source { self.new_address() } else { None };
        fresh.unwrap_or(self.config.source)
    }
}
