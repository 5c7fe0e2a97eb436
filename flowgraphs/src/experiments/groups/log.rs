//! Writes down what one UE of an exercise does: its keys, its messages, its data, and every channel that it sends.

use super::heard;
use crate::attacks::group::data_pdu;
use sidelink_ue::mapping::pdcp_parts;
use sidelink_ue::mapping::transmit::Content;
use sidelink_ue::{Application, Event, GroupEvent, GroupReport, Moment, OnAir, Send as SendData, Warning};
use sidelink_wire::pc5_signalling::MessageType;
use sidelink_wire::pdcp::{HEADER_LEN, OneToManyRepr, Packet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the caller says begins with it.
pub(crate) const TEXT: &str = "n";

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// An event of the keys of the group.
    Key(GroupEvent),
    /// A warning, in words.
    Warning(String),
    /// A message of group keys, or of the links that carry them, was handed to RLC.
    Sent { name: &'static str, octets: usize, pdus: usize, pdu_octets: usize },
    /// What the machines did since the last step took so long, and so many durable writes.
    Step { cpu_us: f64, writes: u64 },
    /// Data of the group came, with its number; none where nobody sent it so.
    Data { from: u32, number: Option<u64> },
    /// A PDU was dropped.
    Dropped { from: Option<u32>, why: String },
    /// PSCCH.
    Sci,
    /// PSSCH: a transmission of a block, with the octets of PDCP PDUs in it, channel by channel, and the PDU of data to the
    /// group that begins in it.
    Block { parts: Vec<(u8, usize)>, data: Option<DataPdu> },
}

/// A PDU of data to a group, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DataPdu {
    /// Its header, with PGK Index, PTK Identity and SN.
    pub(crate) header: [u8; HEADER_LEN],
    /// What follows of it in this block.
    pub(crate) content: Vec<u8>,
}

impl DataPdu {
    fn of(group: u8, block: &[u8]) -> Option<Self> {
        let pdu = block.get(data_pdu(group, block)?)?;
        let (header, content) = pdu.split_first_chunk()?;
        Some(Self { header: *header, content: content.to_vec() })
    }

    /// Returns its PGK Index.
    pub(crate) fn pgk_index(&self) -> Option<u8> {
        let header = OneToManyRepr::parse(&Packet::new_checked(&self.header[..]).ok()?).ok()?;
        Some(header.pgk_index)
    }
}

/// Entries with the subframe in which they happened.
pub(crate) type Entries = Vec<(u64, Entry)>;

/// A ledger; a copy is the same ledger.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    began: Option<u64>,
    entries: Entries,
}

impl Log {
    /// Writes down what a UE sends.
    pub(crate) fn on_air(&self) -> OnAir {
        let log = self.clone();
        Box::new(move |now, content| {
            let entry = match content {
                Content::Sync { .. } | Content::SlDch { .. } => return,
                Content::Sci { .. } => Entry::Sci,
                Content::SlSch { block, grant, .. } => {
                    let group = grant.n_id as u8;
                    let (_, parts) = pdcp_parts(block, group).unwrap_or_default();
                    Entry::Block { parts, data: DataPdu::of(group, block) }
                }
            };
            log.put(now.t, entry);
        })
    }

    /// Everything so far; it begins anew.
    pub(crate) fn take(&self) -> Entries {
        std::mem::take(&mut self.ledger().entries)
    }

    /// The first subframe of the UE.
    pub(crate) fn began(&self) -> Option<u64> {
        self.ledger().began
    }

    fn put(&self, t: u64, entry: Entry) {
        self.ledger().entries.push((t, entry));
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Application for Log {
    fn work(&mut self, now: Moment, _send: &mut SendData<'_>) {
        self.ledger().began.get_or_insert(now.t);
    }

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let entry = match event {
            Event::GroupKeys(GroupReport::Event(event)) => Entry::Key((*event).clone()),
            Event::GroupKeys(GroupReport::Sent { message, pdus, octets }) => Entry::Sent {
                name: message.name,
                octets: message.octets.len(),
                pdus: *pdus,
                pdu_octets: *octets,
            },
            Event::GroupKeys(GroupReport::Step { took, writes }) => {
                Entry::Step { cpu_us: took.as_secs_f64() * 1e6, writes: *writes }
            }
            Event::LinkPdu(pdu) => match pdu.message {
                // Data are counted in their blocks; a message of group keys was counted when it was made.
                None | Some(MessageType::LongMessage | MessageType::LongMessageFragment) => return,
                Some(_) => Entry::Sent {
                    name: "link",
                    octets: pdu.octets.len() - HEADER_LEN,
                    pdus: 1,
                    pdu_octets: pdu.octets.len(),
                },
            },
            Event::LinkStep { took, writes } => {
                Entry::Step { cpu_us: took.as_secs_f64() * 1e6, writes: *writes }
            }
            Event::Mac(event) => heard::entry(event),
            Event::Warning(warning) if !matches!(warning, Warning::Silence(_)) => {
                Entry::Warning(warning.to_string())
            }
            _ => return,
        };
        self.put(now.t, entry);
    }
}
