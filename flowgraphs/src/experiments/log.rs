//! Writes down what one UE of a case does: what its links say, and every channel that it sends.

use sidelink_prose::direct_link;
use sidelink_security::direct::Fingerprint;
use sidelink_ue::mapping::pdcp_parts;
use sidelink_ue::mapping::transmit::Content;
use sidelink_ue::{Application, Event, Moment, OnAir, Send as SendData, Warning};
use sidelink_wire::pc5_signalling::MessageType;
use sidelink_wire::pdcp::SduType;
use std::sync::{Arc, Mutex, PoisonError};

/// What UE_1 says begins with it.
pub(crate) const TEXT: &str = "n";

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// An event of the links.
    Link(direct_link::Event),
    /// The links refused what the configuration asked for.
    Refused(direct_link::Error),
    /// A PDCP PDU was handed to RLC: a message, or data where there is none.
    Pdu {
        to: u32,
        lcid: u8,
        message: Option<MessageType>,
        octets: usize,
        session: Option<Fingerprint>,
        sn: u16,
    },
    /// What the links said since the last step took so long, and so many durable writes.
    Step { cpu_us: f64, writes: u64 },
    /// Data came that nobody sent so.
    Altered,
    /// PSCCH.
    Sci,
    /// PSSCH: the `number`th transport block, and the octets of PDCP PDUs in it, channel by channel.
    Block { number: u64, octets: usize, to: u32, parts: Vec<(u8, usize)> },
    /// PSDCH.
    Discovery,
    /// What an overlay above the link does.
    Overlay(OverlayEntry),
}

/// The way of a packet of an overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The link.
    Link,
    /// Uu and the network.
    Network,
}

/// One thing that an overlay does. Octets are those of packets of IP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OverlayEntry {
    /// A packet of the handshake goes out: the next data on the link are it.
    Handshake { octets: usize, over: Over },
    /// A packet goes out that keeps the overlay going: an acknowledgement, or a part that was lost.
    Upkeep { octets: usize },
    /// A step of the handshake took so long.
    Step { cpu_us: f64 },
    /// This end has its keys.
    Ready,
    /// A packet of voice goes out, with and without the overlay.
    Sent { number: u64, plain: usize, octets: usize, cpu_us: f64, over: Over },
    /// One came.
    Came { number: u64, cpu_us: f64, over: Over },
    /// Something was not believed, or not sent.
    Refused(String),
}

/// Entries with the subframe in which they happened.
pub(crate) type Entries = Vec<(u64, Entry)>;

/// A ledger; a copy is the same ledger.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Entries>>);

impl Log {
    /// Writes down what a UE sends.
    pub(crate) fn on_air(&self) -> OnAir {
        let log = self.clone();
        Box::new(move |now, content| {
            if let Some(entry) = on_air(content) {
                log.0.lock().unwrap_or_else(PoisonError::into_inner).push((now.t, entry));
            }
        })
    }

    /// Writes down what an overlay does.
    pub(crate) fn overlay(&self, now: Moment, entry: OverlayEntry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((now.t, Entry::Overlay(entry)));
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
            Event::LinkPdu(pdu) => {
                let sn = pdu.octets.get(3..5).map_or(0, |sn| u16::from_be_bytes([sn[0], sn[1]]));
                Some(Entry::Pdu {
                    to: pdu.peer.value(),
                    lcid: pdu.lcid.value(),
                    message: pdu.message,
                    octets: pdu.octets.len(),
                    session: pdu.session,
                    sn,
                })
            }
            Event::LinkStep { took, writes } => {
                Some(Entry::Step { cpu_us: took.as_secs_f64() * 1e6, writes: *writes })
            }
            // What an overlay takes of it, its application writes down.
            Event::Link(direct_link::Event::Received(received)) if received.sdu_type == SduType::Ip => None,
            Event::Link(direct_link::Event::Received(received))
                if !received.data.starts_with(TEXT.as_bytes()) =>
            {
                Some(Entry::Altered)
            }
            Event::Link(event) => Some(Entry::Link((*event).clone())),
            Event::Warning(Warning::Link(error)) => Some(Entry::Refused(*error)),
            _ => None,
        };
        if let Some(entry) = entry {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((now.t, entry));
        }
    }
}

fn on_air(content: &Content) -> Option<Entry> {
    match content {
        Content::Sync { .. } => None,
        Content::Sci { .. } => Some(Entry::Sci),
        Content::SlDch { .. } => Some(Entry::Discovery),
        Content::SlSch { block, number, grant, .. } => {
            let (to, parts) = pdcp_parts(block, grant.n_id as u8).unwrap_or_default();
            Some(Entry::Block { number: *number, octets: block.len(), to, parts })
        }
    }
}
