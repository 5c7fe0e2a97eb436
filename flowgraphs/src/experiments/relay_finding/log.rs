//! What each UE did, subframe by subframe; and data of the remote UE over the relay that serves.

use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, State};
use sidelink_prose::relay::remote_ue;
use sidelink_ue::{Application, Event, Moment, Outgoing, RelayEvent, Send as SendData};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use std::sync::{Arc, Mutex, PoisonError};

/// Milliseconds between two packets.
const EVERY: u64 = 40;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// An event of relays.
    Relay(RelayEvent),
    /// A link is up, or has ended.
    Link { up: bool },
    /// A message of PC5 signalling was sent.
    Signalling,
    /// A packet was handed over for the relay that serves, or could not be.
    Sent { number: u32, taken: bool },
    /// A packet came.
    Received(u32),
}

/// Entries with the subframe in which they happened.
pub(crate) type Entries = Vec<(u64, Entry)>;

/// A log; a copy is the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Entries>>);

impl Log {
    fn push(&self, t: u64, entry: Entry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((t, entry));
    }

    /// Everything so far; it begins anew.
    pub(crate) fn take(&self) -> Entries {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Application for Log {
    fn work(&mut self, _now: Moment, _send: &mut SendData<'_>) {}

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let entry = match event {
            Event::Relay(event) => Entry::Relay(**event),
            Event::Link(direct_link::Event::State { state: State::Up { .. }, .. }) => {
                Entry::Link { up: true }
            }
            Event::Link(direct_link::Event::State { state: State::Closed { .. }, .. }) => {
                Entry::Link { up: false }
            }
            Event::Link(direct_link::Event::Received(received)) => {
                let Ok(number) = <[u8; 4]>::try_from(&received.data[..]) else { return };
                Entry::Received(u32::from_be_bytes(number))
            }
            Event::LinkPdu(pdu) if pdu.message.is_some() => Entry::Signalling,
            _ => return,
        };
        self.push(now.t, entry);
    }
}

/// Sends a numbered packet over the relay that serves, every so often.
pub(crate) struct Talker {
    log: Log,
    relay: Option<Layer2Id>,
    next: u64,
    number: u32,
}

impl Talker {
    pub(crate) fn new(log: Log) -> Self {
        Self { log, relay: None, next: 0, number: 0 }
    }
}

impl Application for Talker {
    fn work(&mut self, now: Moment, send: &mut SendData<'_>) {
        let Some(relay) = self.relay.filter(|_| now.t >= self.next) else { return };
        (self.next, self.number) = (now.t + EVERY, self.number + 1);
        let number = self.number;
        let (address, lcid, data) = (Address::Ue(relay), Lcid::GROUP_DATA, &number.to_be_bytes()[..]);
        let taken = send(Outgoing { address, lcid, sdu_type: SduType::Ip, data }).is_ok();
        self.log.push(now.t, Entry::Sent { number, taken });
    }

    fn event(&mut self, _now: Moment, event: &Event<'_>) {
        let Event::Relay(RelayEvent::Remote(event)) = event else { return };
        let id = |relay: &sidelink_prose::relay::selection::RelayId| Layer2Id::from_octets(relay.0);
        match event {
            remote_ue::Event::Serving { relay } => self.relay = Some(id(relay)),
            remote_ue::Event::Lost { relay, .. } if self.relay == Some(id(relay)) => self.relay = None,
            _ => {}
        }
    }
}
