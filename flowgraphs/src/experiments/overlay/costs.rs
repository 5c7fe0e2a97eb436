//! What an overlay cost: its handshake, and each packet under it.

use super::OverlayCase;
use crate::experiments::log::{Entries, Entry, Over, OverlayEntry};
use serde::{Deserialize, Serialize};
use sidelink_prose::direct_link::{Event, State};
use std::collections::BTreeMap;

/// Of UE_1 and UE_2.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OverlayCosts {
    pub(crate) method: String,
    /// What the link ciphers with, once it is up.
    #[serde(default)]
    pub(crate) ciphering: Option<String>,
    /// Milliseconds from the asking for the link to the keys of the overlay.
    pub(crate) ready_ms: [Option<u64>; 2],
    /// Times that an end got its keys: once, however its way changes.
    pub(crate) handshakes: [u64; 2],
    /// Packets of the handshake, and their octets with IP.
    pub(crate) messages: [u64; 2],
    pub(crate) octets: [u64; 2],
    /// Time of its steps, by the clock of the system.
    pub(crate) cpu_us: [f64; 2],
    /// Octets of packets that keep it going.
    #[serde(default)]
    pub(crate) upkeep_octets: [u64; 2],
    /// Packets of voice, and those that came to UE_1 and UE_2.
    pub(crate) sent: [u64; 2],
    pub(crate) came: [u64; 2],
    /// Octets of a packet without the overlay, and those that it adds, means of UE_1.
    pub(crate) plain_octets: f64,
    pub(crate) added_octets: f64,
    /// Packets that were protected or opened by the overlay.
    pub(crate) operations: [u64; 2],
    /// Time of one of them, mean of all.
    pub(crate) operation_us: f64,
    /// Packets that went over the network instead of the link.
    pub(crate) over_network: u64,
    /// The longest time between two packets that came to UE_2.
    pub(crate) gap_ms: Option<u64>,
    /// What was not believed, and why.
    pub(crate) refused: BTreeMap<String, u64>,
}

/// A packet of voice that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) t: u64,
    pub(crate) number: u64,
}

/// The packets of voice that came to a UE.
pub(crate) fn came(entries: &Entries) -> Vec<Came> {
    let came = |(t, entry): &(u64, Entry)| match entry {
        Entry::Overlay(OverlayEntry::Came { number, .. }) => Some(Came { t: *t, number: *number }),
        _ => None,
    };
    entries.iter().filter_map(came).collect()
}

fn overlay(entries: &Entries) -> impl Iterator<Item = (u64, &OverlayEntry)> {
    entries.iter().filter_map(|(t, entry)| match entry {
        Entry::Overlay(entry) => Some((*t, entry)),
        _ => None,
    })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}

/// What was not believed, and how often.
fn refused(entries: &[Entries; 2]) -> BTreeMap<String, u64> {
    let mut refused = BTreeMap::new();
    for (_, entry) in entries.iter().flat_map(overlay) {
        if let OverlayEntry::Refused(why) = entry {
            *refused.entry(why.clone()).or_default() += 1;
        }
    }
    refused
}

impl OverlayCosts {
    /// Of a case whose link was asked for in subframe `start`.
    pub(crate) fn of(case: OverlayCase, entries: &[Entries; 2], start: u64) -> Self {
        let sum = |figure: fn(&OverlayEntry) -> f64| {
            entries.each_ref().map(|ue| overlay(ue).map(|(_, entry)| figure(entry)).sum::<f64>())
        };
        let count = |figure: fn(&OverlayEntry) -> f64| sum(figure).map(|sum| sum as u64);
        let operation = |entry: &OverlayEntry| match entry {
            OverlayEntry::Sent { cpu_us, .. } | OverlayEntry::Came { cpu_us, .. } => Some(*cpu_us),
            _ => None,
        };
        let sent = |entry: &OverlayEntry| match entry {
            OverlayEntry::Sent { plain, octets, .. } => Some((*plain as f64, *octets as f64)),
            _ => None,
        };
        let first = || overlay(&entries[0]).filter_map(|(_, entry)| sent(entry));
        let to_target = came(&entries[1]);
        Self {
            method: case.method.name().to_owned(),
            ciphering: entries[0].iter().find_map(|(_, entry)| match entry {
                Entry::Link(Event::State { state: State::Up { keys, .. }, .. }) => {
                    Some(format!("EEA{}", keys.chosen.eea.id()))
                }
                _ => None,
            }),
            ready_ms: entries.each_ref().map(|ue| {
                let ready = overlay(ue).find(|(_, entry)| matches!(entry, OverlayEntry::Ready));
                ready.map(|(t, _)| t.saturating_sub(start))
            }),
            handshakes: count(|entry| f64::from(u8::from(matches!(entry, OverlayEntry::Ready)))),
            messages: count(|entry| f64::from(u8::from(matches!(entry, OverlayEntry::Handshake { .. })))),
            octets: count(|entry| match entry {
                OverlayEntry::Handshake { octets, .. } => *octets as f64,
                _ => 0.0,
            }),
            upkeep_octets: count(|entry| match entry {
                OverlayEntry::Upkeep { octets } => *octets as f64,
                _ => 0.0,
            }),
            cpu_us: sum(|entry| if let OverlayEntry::Step { cpu_us } = entry { *cpu_us } else { 0.0 }),
            sent: count(|entry| f64::from(u8::from(matches!(entry, OverlayEntry::Sent { .. })))),
            came: entries.each_ref().map(|ue| came(ue).len() as u64),
            plain_octets: mean(first().map(|(plain, _)| plain)),
            added_octets: mean(first().map(|(plain, octets)| octets - plain)),
            operations: entries
                .each_ref()
                .map(|ue| overlay(ue).filter(|(_, entry)| operation(entry).is_some()).count() as u64),
            operation_us: mean(entries.iter().flat_map(overlay).filter_map(|(_, entry)| operation(entry))),
            over_network: entries
                .iter()
                .flat_map(overlay)
                .filter(|(_, entry)| matches!(entry, OverlayEntry::Sent { over: Over::Network, .. }))
                .count() as u64,
            gap_ms: to_target.windows(2).map(|pair| pair[1].t - pair[0].t).max(),
            refused: refused(entries),
        }
    }

    /// Whether both ends have keys, and voice came.
    pub(crate) fn is_up(&self) -> bool {
        !self.ready_ms.contains(&None) && self.came[1] > 0
    }

    /// Milliseconds from the asking for the link until both ends have keys.
    pub(crate) fn both_ready_ms(&self) -> Option<u64> {
        Some(self.ready_ms[0]?.max(self.ready_ms[1]?))
    }
}
