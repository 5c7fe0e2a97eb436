//! Links between a remote UE and a relay that discovery found, where no configuration names the peer.

use super::Links;
use sidelink_prose::direct_link::{Cause, Closed, Error, Identity, Input, LinkId, RelayLink};
use sidelink_prose::relay::admission::AdmissionRules;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;

/// A change of a link between remote UE and relay, for their machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RelayLinkChange {
    pub(crate) peer: Layer2Id,
    /// Why it ended; `None` where it is up.
    pub(crate) ended: Option<Closed>,
}

impl Links {
    /// Makes this UE a relay under these rules.
    pub(crate) fn serve_as_relay(&mut self, rules: AdmissionRules) {
        self.manager.serve_as_relay(rules);
    }

    /// Sets up a link to a relay. Where `user` says no name of this UE, the network's end does
    /// ([`KeyNetwork::name_for_relay`](super::KeyNetwork::name_for_relay)).
    ///
    /// # Errors
    /// There is no name yet, or the link is not possible now.
    pub(crate) fn connect_to_relay(
        &mut self,
        now: UtcTime,
        (peer, identity): (Layer2Id, Identity),
        service: [u8; 3],
        user: Option<Identity>,
    ) -> Result<(), Error> {
        self.now = now;
        let user = user.or_else(|| self.network.as_mut()?.name_for_relay(now, service));
        let relay = RelayLink { service, user: user.ok_or(Error::NoKey)? };
        self.handle_input(Input::ConnectToRelay { now, peer, identity, relay })
    }

    /// Releases the link with this UE, or gives its set-up up. Returns false when there is none.
    pub(crate) fn release_with(&mut self, now: UtcTime, peer: Layer2Id, reason: Cause) -> bool {
        let link = self.manager.links().find(|(_, known, _)| *known == peer).map(|(link, ..)| link);
        link.is_some_and(|link| self.handle_input(Input::ReleaseFor { now, link, reason }).is_ok())
    }

    pub(super) fn note_relay_up(&mut self, link: LinkId, peer: Layer2Id) {
        if self.manager.relay_service(link).is_some() {
            self.relay_changes.push(RelayLinkChange { peer, ended: None });
        }
    }

    pub(super) fn note_relay_end(&mut self, peer: Layer2Id, why: Closed) {
        self.relay_changes.push(RelayLinkChange { peer, ended: Some(why) });
    }

    /// Takes the changes since the last call.
    pub(crate) fn take_relay_changes(&mut self) -> Vec<RelayLinkChange> {
        std::mem::take(&mut self.relay_changes)
    }
}
