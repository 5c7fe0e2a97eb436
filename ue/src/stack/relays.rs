//! Drives relays: their discovery in and out, and their links.

use super::{Sink, Stack};
use crate::event::{Event, Tell, Warning};
use crate::jobs::Jobs;
use crate::relays::{Action, Active, RelayStatus, Relays, leave};
use sidelink_prose::direct_link::Error;
use sidelink_prose::discovery::AirTime;
use sidelink_prose::relay::selection::Leave;
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::Message;

impl<J: Jobs> Stack<J> {
    /// Adds what this UE is to relays. It needs links.
    #[must_use]
    pub fn with_relays(mut self, mut relays: Relays) -> Self {
        if let (Some(links), Some(rules)) = (&mut self.links, relays.take_admission()) {
            links.serve_as_relay(rules);
        }
        self.relays = Some(relays);
        self
    }

    /// Returns what this UE is to relays now; `None` where it is nothing.
    pub fn relay_status(&self) -> Option<RelayStatus> {
        self.relays.as_ref().map(Relays::status)
    }

    /// Begins or ends what this UE is to relays, as [`Relays::set_active`] does.
    pub fn set_relays_active(&mut self, active: Active, tell: &mut Tell<'_>) {
        let now = self.now.slot;
        if let Some(relays) = &mut self.relays {
            relays.set_active(now, active);
        }
        self.drain(&mut Sink::events(tell));
    }

    pub(super) fn tick_relays(&mut self, now: UtcTime) {
        if let Some(relays) = &mut self.relays {
            relays.tick(now);
        }
    }

    /// Whether relays take this discovery block.
    pub(super) fn is_for_relays(
        &mut self,
        now: &AirTime,
        block: &[u8],
        power: Option<f32>,
        tell: &mut Tell<'_>,
    ) -> bool {
        let Some(relays) = &mut self.relays else { return false };
        let check = self.agent.check_clock(now);
        let is_taken = relays.hear(now, check, block, power);
        self.drain(&mut Sink::events(tell));
        is_taken
    }

    /// Returns the message of relays for a discovery resource, if one is due.
    pub(super) fn message_of_relays(&mut self, period: u64, tell: &mut Tell<'_>) -> Option<Message> {
        let now = self.now;
        let relays = self.relays.as_mut()?;
        // The agent says why it is silent.
        self.agent.check_clock(&now).ok()?;
        let message = relays.message(&now, period);
        self.drain(&mut Sink::events(tell));
        message
    }

    /// Hands the changes of links to relays.
    pub(super) fn hand_to_relays(&mut self) {
        let now = self.now.slot;
        let Some(links) = &mut self.links else { return };
        let changes = links.take_relay_changes();
        let Some(relays) = &mut self.relays else { return };
        for change in changes {
            match change.ended {
                None => relays.link_up(now, change.peer),
                Some(why) => relays.link_ended(now, change.peer, leave(why)),
            }
        }
    }

    /// Acts on what relays want. Returns their next time-out.
    pub(super) fn drain_relays(&mut self, sink: &mut Sink<'_, '_>) -> Option<UtcTime> {
        let now = self.now.slot;
        while let Some(action) = self.relays.as_mut()?.poll() {
            match action {
                Action::Event(event) => (sink.tell)(Event::Relay(&event)),
                Action::Release(peer, reason) => {
                    self.has_link_input = true;
                    let is_there =
                        self.links.as_mut().is_some_and(|links| links.release_with(now, peer, reason));
                    if !is_there {
                        self.relays.as_mut()?.link_ended(now, peer, Leave::Wanted);
                    }
                }
                Action::Connect { peer, identity, service, user } => {
                    self.has_link_input = true;
                    let result = match &mut self.links {
                        Some(links) => links.connect_to_relay(now, (peer, identity), service, user),
                        None => Err(Error::NoKey),
                    };
                    if let Err(error) = result {
                        (sink.tell)(Event::Warning(&Warning::Link(error)));
                        let why = if error == Error::NoKey { Leave::NoKey } else { Leave::NoAnswer };
                        self.relays.as_mut()?.link_ended(now, peer, why);
                    }
                }
            }
        }
        self.relays.as_mut()?.due()
    }
}
