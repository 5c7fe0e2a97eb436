//! Writes down what one UE of an exercise does: its keys, its messages, its data, and every channel that it sends.

use super::heard;
use sidelink_ue::mapping::pdcp_parts;
use sidelink_ue::mapping::transmit::Content;
use sidelink_ue::{Application, Event, GroupEvent, GroupReport, Moment, OnAir, Send as SendData, Warning};
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
    /// A message of group keys was handed to RLC.
    Sent { name: &'static str, octets: usize, pdus: usize, pdu_octets: usize },
    /// What the machines did since the last step took so long, and so many durable writes.
    Step { cpu_us: f64, writes: u64 },
    /// Data of the group came, with its number; none where nobody sent it so.
    Data { from: u32, number: Option<u64> },
    /// A PDU was dropped.
    Dropped { from: Option<u32>, why: String },
    /// PSCCH.
    Sci,
    /// PSSCH: a transmission of a block, with the octets of PDCP PDUs in it, channel by channel.
    Block { parts: Vec<(u8, usize)> },
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
                    let (_, parts) = pdcp_parts(block, grant.n_id as u8).unwrap_or_default();
                    Entry::Block { parts }
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
            Event::Mac(event) => heard::entry(event),
            Event::Warning(warning) if !matches!(warning, Warning::Silence(_)) => {
                Entry::Warning(warning.to_string())
            }
            _ => return,
        };
        self.put(now.t, entry);
    }
}
