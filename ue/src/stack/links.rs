//! Drives the one-to-one links: their PDUs in and out of layer 2, their durable state, what they bring for groups.

use super::{Sink, Stack};
use crate::event::Event;
use crate::jobs::{Job, JobResult, Jobs, Owner};
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, Pdu};
use sidelink_security::counter::UtcTime;

impl<J: Jobs> Stack<J> {
    /// Acts on all outputs of the links. Returns their next time-out.
    pub(super) fn drain_links(&mut self, sink: &mut Sink<'_, '_>) -> Option<UtcTime> {
        let mut quiet = true;
        let due = loop {
            let input = match self.links.as_mut()?.poll_output() {
                direct_link::Output::Timeout(at) => break at,
                direct_link::Output::Pdu(pdu) => {
                    self.hand_to_rlc(&pdu, sink);
                    None
                }
                direct_link::Output::Event(event) => {
                    (sink.tell)(Event::Link(&event));
                    None
                }
                direct_link::Output::Upper(message) => {
                    self.group_keys.hear_link(self.now.slot, &message);
                    None
                }
                direct_link::Output::Store { ticket, changes } => {
                    self.writes += 1;
                    let refused = self.jobs.begin(self.t, Owner::Links, Job::Keys(ticket, changes));
                    let now = self.now.slot;
                    refused.map(|_| direct_link::Input::StoreFailed { now, ticket })
                }
                direct_link::Output::Reserve(reservation) => {
                    self.writes += 1;
                    let (now, stream) = (self.now.slot, reservation.stream());
                    let refused = self.jobs.begin(self.t, Owner::Links, Job::Reserve(reservation));
                    refused.map(|_| direct_link::Input::ReservationFailed { now, stream })
                }
                direct_link::Output::Ask { ticket, question, .. } => {
                    let now = self.now.slot;
                    let is_asked = self.links.as_mut()?.ask(now, ticket, &question);
                    (!is_asked).then_some(direct_link::Input::Answered { now, ticket, answer: None })
                }
            };
            quiet = false;
            self.link(input, sink);
        };
        for change in self.links.as_mut()?.take_changes() {
            self.group_keys.link(self.now.slot, &change);
            (sink.tell)(Event::LinkChanged(&change));
        }
        if let Some(links) = self.links.as_mut().filter(|_| !quiet) {
            let (took, writes) = (links.take_spent(), std::mem::take(&mut self.writes));
            (sink.tell)(Event::LinkStep { took, writes });
        }
        due
    }

    /// Hands a PDU of a link to RLC.
    fn hand_to_rlc(&mut self, pdu: &Pdu, sink: &mut Sink<'_, '_>) {
        let Some(links) = &self.links else { return };
        let (address, lcid) = (Address::Ue(pdu.peer), pdu.lcid);
        (sink.tell)(Event::LinkPdu(pdu));
        self.link_bearers.open(&mut self.engine, (pdu.peer, lcid), self.t, |id| links.is_up(id));
        self.layer2(engine::Input::SendPdu { address, lcid, pdu: &pdu.octets }, sink);
    }
}

/// Converts the result of a job into an input of the links.
pub(super) fn link_input(now: UtcTime, result: JobResult) -> Option<direct_link::Input<'static>> {
    Some(match result {
        JobResult::Granted(granted) => direct_link::Input::Granted { now, granted },
        JobResult::Failed(stream, _) => direct_link::Input::ReservationFailed { now, stream },
        JobResult::KeysStored(ticket) => direct_link::Input::Stored { now, ticket },
        JobResult::KeysFailed(ticket, _) => direct_link::Input::StoreFailed { now, ticket },
        _ => return None,
    })
}
