//! Announcements of discovery on the SL-SCH.

use super::{Sink, Stack};
use crate::event::{Event, Warning};
use crate::jobs::Jobs;
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_prose::discovery::pointer::DISCOVERY_GROUP;
use sidelink_wire::ids::Lcid;
use sidelink_wire::pdcp::SduType;

/// Returns the octets of an announcement, if the event is one that was received.
pub(super) fn announcement<'a>(event: &engine::Event<'a>) -> Option<&'a [u8]> {
    match event {
        engine::Event::Received(sdu) => {
            let is_group =
                matches!(sdu.address, Address::Group(id) | Address::V2x(id) if id == DISCOVERY_GROUP);
            (is_group && sdu.header.sdu_type() == SduType::NonIp).then_some(sdu.data)
        }
        _ => None,
    }
}

impl<J: Jobs> Stack<J> {
    /// Queues an announcement for the next SC period.
    pub(super) fn send_announcement(&mut self, data: &[u8], sink: &mut Sink<'_, '_>) {
        let addresses = [Address::Group(DISCOVERY_GROUP), Address::V2x(DISCOVERY_GROUP)];
        let open = addresses.into_iter().find(|address| self.engine.destination(*address).is_some());
        let address = open.unwrap_or(Address::Group(DISCOVERY_GROUP));
        let (now, lcid, sdu_type) = (self.now.slot, Lcid::GROUP_DATA, SduType::NonIp);
        let input = engine::Input::Send { now, address, lcid, sdu_type, data };
        if let Err(error) = self.engine.handle_input(input) {
            (sink.tell)(Event::Warning(&Warning::Engine(error)));
        }
    }
}
