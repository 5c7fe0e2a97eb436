//! Writes down what one UE of a case does.

use sidelink_prose::direct_link;
use sidelink_prose::relay::u2u;
use sidelink_security::direct::Fingerprint;
use sidelink_ue::mapping::pdcp_parts;
use sidelink_ue::mapping::transmit::Content;
use sidelink_ue::{Application, Event, Moment, OnAir, Send as SendData, U2uReport, Warning};
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::MessageType;
use std::sync::{Arc, Mutex, PoisonError};

/// What the source says begins with it.
pub(crate) const TEXT: &str = "n";

/// A PDCP PDU under a key, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) message: Option<MessageType>,
    pub(crate) session: Option<Fingerprint>,
    pub(crate) sn: u16,
    /// Logical channel of its link.
    pub(crate) lcid: u8,
}

impl Sealed {
    fn of(pdu: &direct_link::Pdu) -> Self {
        let sn = pdu.octets.get(3..5).map_or(0, |sn| u16::from_be_bytes([sn[0], sn[1]]));
        Self { message: pdu.message, session: pdu.session, sn, lcid: pdu.lcid.value() }
    }

    /// Whether it is data of an application, not what a relay and its ends tell each other.
    pub(crate) fn is_data(&self) -> bool {
        self.message.is_none() && self.lcid == Lcid::LINK_DATA.value()
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// An event of the links to and from relays.
    Hop(direct_link::Event),
    /// An event of the links from end to end.
    End(direct_link::Event),
    /// An event of the paths.
    Path(u2u::Event),
    /// A PDU of a link to or from a relay was handed to RLC.
    HopPdu { to: u32, sealed: Sealed },
    /// A link from end to end handed a PDU to its path.
    EndPdu(Sealed),
    /// A PDU behind its adaptation header was handed to RLC; the logical channel is that of the link.
    Adapted { to: u32, lcid: u8 },
    /// Data came over a path of layer 3.
    Routed(Vec<u8>),
    /// The links took so long.
    Step { cpu_us: f64 },
    /// The links refused something.
    Warning(String),
    /// PSCCH.
    Sci,
    /// PSSCH: the `number`th transport block.
    Block { number: u64, octets: usize, to: u32, channels: Vec<u8> },
}

/// Entries with the subframe in which they happened.
pub(crate) type Entries = Vec<(u64, Entry)>;

/// A log; a copy is the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Entries>>);

impl Log {
    /// Writes down what a UE sends.
    pub(crate) fn on_air(&self) -> OnAir {
        let log = self.clone();
        Box::new(move |now, content| log.add(now.t, on_air(content)))
    }

    /// Everything so far; it begins anew.
    pub(crate) fn take(&self) -> Entries {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, t: u64, entry: Option<Entry>) {
        if let Some(entry) = entry {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((t, entry));
        }
    }
}

impl Application for Log {
    fn work(&mut self, _now: Moment, _send: &mut SendData<'_>) {}

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let entry = match event {
            Event::Link(event) => Some(Entry::Hop((*event).clone())),
            Event::LinkPdu(pdu) => Some(Entry::HopPdu { to: pdu.peer.value(), sealed: Sealed::of(pdu) }),
            Event::LinkStep { took, .. } => Some(Entry::Step { cpu_us: took.as_secs_f64() * 1e6 }),
            Event::U2u(report) => Some(match report {
                U2uReport::Event(event) => Entry::Path((*event).clone()),
                U2uReport::Link(event) => Entry::End((*event).clone()),
                U2uReport::LinkPdu(pdu) => Entry::EndPdu(Sealed::of(pdu)),
                U2uReport::Adapted { to, lcid, .. } => {
                    Entry::Adapted { to: to.value(), lcid: lcid.carried().unwrap_or(*lcid).value() }
                }
                U2uReport::Data { data, .. } => Entry::Routed(data.to_vec()),
            }),
            Event::Warning(Warning::Link(error)) => Some(Entry::Warning(error.to_string())),
            _ => None,
        };
        self.add(now.t, entry);
    }
}

fn on_air(content: &Content) -> Option<Entry> {
    match content {
        Content::Sci { .. } => Some(Entry::Sci),
        Content::SlSch { block, number, grant, .. } => {
            let (to, parts) = pdcp_parts(block, grant.n_id as u8).unwrap_or_default();
            let channels = parts.into_iter().map(|(lcid, _)| lcid).collect();
            Some(Entry::Block { number: *number, octets: block.len(), to, channels })
        }
        Content::Sync { .. } | Content::SlDch { .. } => None,
    }
}
