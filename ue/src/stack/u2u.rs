//! Drives the paths through UE-to-UE relays: between the links of a UE, its links from end to end, and layer 2.

use super::links::link_input;
use super::{Sink, Stack};
use crate::event::{Event, U2uReport, Warning};
use crate::jobs::{Job, JobResult, Jobs, Owner};
use crate::refused::Refused;
use crate::u2u::{Carriage, Paths};
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, Pdu, Received, State};
use sidelink_prose::relay::u2u::{self, Input, Output, far, to_store};
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use sidelink_wire::u2u::Layer;

impl<J: Jobs> Stack<J> {
    /// Adds paths through UE-to-UE relays, over the links of this UE.
    #[must_use]
    pub fn with_u2u(mut self, u2u: Paths) -> Self {
        for (name, peer) in u2u.users() {
            self.names.groups.insert(format!("link:{name}"), Address::Ue(peer));
        }
        self.u2u = Some(u2u);
        self
    }

    /// Returns the paths through UE-to-UE relays, if there are any.
    pub fn u2u(&mut self) -> Option<&mut Paths> {
        self.u2u.as_mut()
    }

    /// Begins subframe `t`.
    pub(super) fn begin_u2u(&mut self, t: u64, now: UtcTime, sink: &mut Sink<'_, '_>) {
        if let Some(u2u) = &mut self.u2u {
            u2u.begin(t);
            u2u.ends.begin(t, now, &mut |error| (sink.tell)(Event::Warning(&Warning::Link(error))));
        }
    }

    /// Time has passed for the links from end to end.
    pub(super) fn tick_u2u(&mut self, now: UtcTime, sink: &mut Sink<'_, '_>) {
        self.end(Some(direct_link::Input::Tick { now }), sink);
    }

    /// Hands the result of a job to the links from end to end.
    pub(super) fn finish_end_job(&mut self, result: JobResult, sink: &mut Sink<'_, '_>) {
        let input = link_input(self.now.slot, result);
        self.end(input, sink);
    }

    /// Hands an input to the links from end to end.
    fn end(&mut self, input: Option<direct_link::Input<'_>>, sink: &mut Sink<'_, '_>) {
        if let (Some(u2u), Some(input)) = (&mut self.u2u, input) {
            u2u.has_input = true;
            if let Err(error) = u2u.ends.handle_input(input) {
                (sink.tell)(Event::Warning(&Warning::Link(error)));
            }
        }
    }

    /// Takes an event of the links of this UE: of those to and from relays, what is inside.
    pub(super) fn hear_hop(&mut self, event: &direct_link::Event) {
        let (Some(u2u), Some(links)) = (&mut self.u2u, &self.links) else { return };
        match event {
            direct_link::Event::State { link, peer, state: State::Up { .. } } => {
                if let Some((identity, hop)) = links.hop(*link) {
                    let target = &hop.target;
                    u2u.handle_input(Input::HopUp { peer: *peer, identity, target });
                }
            }
            direct_link::Event::State { peer, state: State::Closed { .. }, .. } => {
                u2u.handle_input(Input::HopDown { peer: *peer });
            }
            direct_link::Event::Received(Received { link, peer, lcid, sdu_type, data, .. }) => {
                if links.hop(*link).is_none() {
                    return;
                }
                let (peer, octets) = (*peer, data.as_slice());
                if *lcid == Lcid::RELAY_CONTROL {
                    u2u.handle_input(Input::Control { peer, octets });
                } else if *sdu_type == SduType::Ip {
                    u2u.handle_input(Input::Packet { peer, octets });
                }
            }
            _ => {}
        }
    }

    /// Sends data of an application to a user behind a relay; `None` where it is no such user.
    pub(super) fn send_far(
        &mut self,
        peer: Layer2Id,
        sdu_type: SduType,
        data: &[u8],
    ) -> Option<Result<(), Refused>> {
        let u2u = self.u2u.as_mut().filter(|u2u| u2u.has(peer))?;
        Some(match u2u.layer(peer) {
            Some(Layer::Two) => {
                u2u.has_input = true;
                u2u.ends.send((peer, Lcid::LINK_DATA), sdu_type, data)
            }
            Some(Layer::Three) => {
                u2u.handle_input(Input::SendPacket { peer, sdu_type, data });
                Ok(())
            }
            None => Err(Refused::NoLink(peer)),
        })
    }

    /// Acts on all outputs of the paths and of the links from end to end. Returns their next time-out, and whether the
    /// links of this UE got an input.
    pub(super) fn drain_u2u(&mut self, sink: &mut Sink<'_, '_>) -> Option<UtcTime> {
        loop {
            while let Some(output) = self.u2u.as_mut()?.machine.poll_output() {
                self.act_on(output, sink);
            }
            let due = self.drain_ends(sink);
            let u2u = self.u2u.as_mut()?;
            if !std::mem::take(&mut u2u.has_input) {
                return due;
            }
        }
    }

    fn act_on(&mut self, output: Output, sink: &mut Sink<'_, '_>) {
        let now = self.now.slot;
        match output {
            Output::Connect { peer, identity, target } => {
                self.hop_input(direct_link::Input::ConnectHop { now, peer, identity, target }, peer, sink);
            }
            Output::Release { peer } => {
                if let Some(link) = self.links.as_ref().and_then(|links| links.link_with(peer)) {
                    self.hop_input(direct_link::Input::Release { now, link }, peer, sink);
                }
            }
            Output::Control { peer, octets } => {
                self.send_hop(peer, (Lcid::RELAY_CONTROL, SduType::NonIp), &octets, sink);
            }
            Output::Packet { peer, octets } => {
                for Carriage { to, octets, .. } in self.meddled(peer, Lcid::LINK_DATA, octets) {
                    self.send_hop(to, (Lcid::LINK_DATA, SduType::Ip), &octets, sink);
                }
            }
            Output::Adapted { peer, lcid, octets } => {
                for carriage in self.meddled(peer, lcid, octets) {
                    self.hand_adapted(&carriage, sink);
                }
            }
            Output::Pdu { source, lcid, octets } => {
                self.end(Some(direct_link::Input::Pdu { now, source, lcid, pdu: &octets }), sink);
            }
            Output::Data { relay, peer, sdu_type, data } => {
                (sink.tell)(Event::U2u(U2uReport::Data { relay, peer, sdu_type, data: &data }));
            }
            Output::Event(event) => self.path_event(&event, sink),
        }
    }

    /// Returns what this relay hands on: as it is, unless somebody meddles.
    fn meddled(&mut self, to: Layer2Id, lcid: Lcid, octets: Vec<u8>) -> Vec<Carriage> {
        let now = self.now.slot;
        let carriage = Carriage { to, lcid, octets };
        match self.u2u.as_mut().and_then(|u2u| u2u.meddler.as_mut()) {
            Some(meddler) => meddler.meddle(now, carriage),
            None => vec![carriage],
        }
    }

    fn path_event(&mut self, event: &u2u::Event, sink: &mut Sink<'_, '_>) {
        (sink.tell)(Event::U2u(U2uReport::Event(event)));
        let (now, Some(u2u)) = (self.now.slot, &mut self.u2u) else { return };
        if let u2u::Event::PathUp { user, layer: Layer::Two, .. } = event
            && u2u.asks_for(user)
            && !u2u.ends.is_up(far(user))
        {
            u2u.has_input = true;
            match u2u.ends.connect(now, far(user), user.clone()) {
                Ok(()) | Err(direct_link::Error::Exists(_)) => {}
                Err(error) => (sink.tell)(Event::Warning(&Warning::Link(error))),
            }
        }
    }

    /// Hands an input to the links of this UE. A link that is not possible is one that did not come up.
    fn hop_input(&mut self, input: direct_link::Input<'_>, peer: Layer2Id, sink: &mut Sink<'_, '_>) {
        let Some(links) = &mut self.links else { return };
        self.has_link_input = true;
        if let Err(error) = links.handle_input(input) {
            // One that is being set up comes up later.
            if matches!(error, direct_link::Error::Exists(link) if links.hop(link).is_some()) {
                return;
            }
            (sink.tell)(Event::Warning(&Warning::Link(error)));
            if let Some(u2u) = &mut self.u2u {
                u2u.handle_input(Input::HopDown { peer });
            }
        }
    }

    fn send_hop(
        &mut self,
        peer: Layer2Id,
        (lcid, sdu_type): (Lcid, SduType),
        data: &[u8],
        sink: &mut Sink<'_, '_>,
    ) {
        let Some(links) = &mut self.links else { return };
        self.has_link_input = true;
        if let Err(Refused::Link(error)) = links.send((peer, lcid), sdu_type, data) {
            (sink.tell)(Event::Warning(&Warning::Link(error)));
        }
    }

    /// Hands a PDU behind its adaptation header to RLC.
    fn hand_adapted(&mut self, carriage: &Carriage, sink: &mut Sink<'_, '_>) {
        let Some(links) = &self.links else { return };
        let Carriage { to, lcid, octets } = carriage;
        (sink.tell)(Event::U2u(U2uReport::Adapted { to: *to, lcid: *lcid, octets }));
        self.link_bearers.open(&mut self.engine, (*to, *lcid), self.t, |id| links.is_up(id));
        self.layer2(engine::Input::SendPdu { address: Address::Ue(*to), lcid: *lcid, pdu: octets }, sink);
    }

    /// Acts on all outputs of the links from end to end. Returns their next time-out.
    fn drain_ends(&mut self, sink: &mut Sink<'_, '_>) -> Option<UtcTime> {
        let mut quiet = true;
        let due = loop {
            let input = match self.u2u.as_mut()?.ends.poll_output() {
                direct_link::Output::Timeout(at) => break at,
                direct_link::Output::Pdu(pdu) => {
                    self.send_end(&pdu, sink);
                    None
                }
                direct_link::Output::Event(event) => {
                    (sink.tell)(Event::U2u(U2uReport::Link(&event)));
                    None
                }
                // No machine of this UE speaks over relays.
                direct_link::Output::Upper(_) => None,
                direct_link::Output::Store { ticket, changes } => {
                    self.writes += 1;
                    let changes = changes.into_iter().map(to_store).collect();
                    let refused = self.jobs.begin(self.t, Owner::EndToEnd, Job::Keys(ticket, changes));
                    let now = self.now.slot;
                    refused.map(|_| direct_link::Input::StoreFailed { now, ticket })
                }
                direct_link::Output::Reserve(reservation) => {
                    self.writes += 1;
                    let (now, stream) = (self.now.slot, reservation.stream());
                    let refused = self.jobs.begin(self.t, Owner::EndToEnd, Job::Reserve(reservation));
                    refused.map(|_| direct_link::Input::ReservationFailed { now, stream })
                }
                direct_link::Output::Ask { ticket, .. } => {
                    let now = self.now.slot;
                    Some(direct_link::Input::Answered { now, ticket, answer: None })
                }
            };
            quiet = false;
            self.end(input, sink);
        };
        let u2u = self.u2u.as_mut()?;
        u2u.ends.take_changes();
        if !quiet {
            let (took, writes) = (u2u.ends.take_spent(), std::mem::take(&mut self.writes));
            (sink.tell)(Event::LinkStep { took, writes });
        }
        due
    }

    /// Hands a PDU of a link from end to end to the path.
    fn send_end(&mut self, pdu: &Pdu, sink: &mut Sink<'_, '_>) {
        (sink.tell)(Event::U2u(U2uReport::LinkPdu(pdu)));
        if let Some(u2u) = &mut self.u2u {
            u2u.handle_input(Input::SendPdu { peer: pdu.peer, lcid: pdu.lcid, octets: &pdu.octets });
        }
    }
}
