//! Paths through UE-to-UE relays, as lines for people and for programs.

use super::address_book::AddressBook;
use crate::readable::payload;
use crate::terminal::Ink;
use serde_json::{Value, json};
use sidelink_prose::direct_link::{self, Received};
use sidelink_prose::relay::u2u;
use sidelink_ue::U2uReport;
use sidelink_wire::hex;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::u2u::Layer;

/// Octets of a payload that is no text that are shown.
const SHOWN: usize = 24;

const fn number(layer: Layer) -> u8 {
    match layer {
        Layer::Two => 2,
        Layer::Three => 3,
    }
}

/// Returns the line of a report, and its colour.
pub(super) fn line(names: &AddressBook, report: &U2uReport<'_>, all: bool) -> Option<(Ink, String)> {
    let ue = |id: Layer2Id| names.ue(id).map_or_else(|| id.to_string(), |name| format!("{id} ({name})"));
    Some(match report {
        U2uReport::Event(event) => match event {
            u2u::Event::PathUp { user, relay, layer } => {
                let address = match layer {
                    Layer::Two => String::new(),
                    Layer::Three => format!(", address {}", u2u::address(user)),
                };
                let (relay, layer) = (ue(*relay), number(*layer));
                (Ink::Bold, format!("path to {user} via {relay}, layer {layer}{address}"))
            }
            u2u::Event::PathDown { user, relay, why } => {
                (Ink::Yellow, format!("no path to {user} via {}: {why:?}", ue(*relay)))
            }
            u2u::Event::Relaying { ends: [one, other], layer } => {
                (Ink::Bold, format!("relaying between {one} and {other}, layer {}", number(*layer)))
            }
            u2u::Event::Refused { peer, why } if all => {
                (Ink::Yellow, format!("not carried, of {}: {why}", ue(*peer)))
            }
            u2u::Event::Refused { .. } => return None,
        },
        U2uReport::Link(event) => match event {
            direct_link::Event::State { peer, state, .. } => {
                (Ink::Bold, format!("end to end, {}: {state}", ue(*peer)))
            }
            direct_link::Event::Note(note) => (Ink::Yellow, format!("end to end: {note}")),
            direct_link::Event::Received(Received { peer, data, .. }) => {
                (Ink::Green, data_line(&ue(*peer), data))
            }
            direct_link::Event::Message(_) => return None,
        },
        U2uReport::Data { peer, data, .. } => (Ink::Green, data_line(&ue(*peer), data)),
        U2uReport::LinkPdu(_) | U2uReport::Adapted { .. } => return None,
    })
}

fn data_line(from: &str, data: &[u8]) -> String {
    format!("from {from} through a relay: {} ({} octets)", payload(data, SHOWN), data.len())
}

/// Returns the object of a report.
pub(super) fn value(report: &U2uReport<'_>) -> Option<Value> {
    Some(match report {
        U2uReport::Event(event) => match event {
            u2u::Event::PathUp { user, relay, layer } => json!({
                "type": "path", "user": user.to_string(), "relay": relay.to_string(),
                "layer": number(*layer), "state": "up",
            }),
            u2u::Event::PathDown { user, relay, why } => json!({
                "type": "path", "user": user.to_string(), "relay": relay.to_string(),
                "state": format!("down: {why:?}"),
            }),
            u2u::Event::Relaying { ends: [one, other], layer } => json!({
                "type": "relaying", "ends": [one.to_string(), other.to_string()], "layer": number(*layer),
            }),
            u2u::Event::Refused { peer, why } => {
                json!({"type": "note", "peer": peer.to_string(), "what": format!("not carried: {why}")})
            }
        },
        U2uReport::Link(event) => match event {
            direct_link::Event::State { peer, state, .. } => {
                json!({"type": "end-to-end", "peer": peer.to_string(), "state": state.to_string()})
            }
            direct_link::Event::Note(note) => json!({"type": "note", "what": format!("end to end: {note}")}),
            direct_link::Event::Received(Received { peer, sdu_type, data, .. }) => {
                object(*peer, *sdu_type as u8, data, "two")
            }
            direct_link::Event::Message(_) => return None,
        },
        U2uReport::Data { peer, sdu_type, data, .. } => object(*peer, *sdu_type as u8, data, "three"),
        U2uReport::LinkPdu(_) | U2uReport::Adapted { .. } => return None,
    })
}

fn object(peer: Layer2Id, sdu_type: u8, data: &[u8], layer: &str) -> Value {
    json!({
        "type": "relayed-data", "peer": peer.to_string(), "sdu_type": sdu_type, "layer": layer,
        "payload": hex::of_bytes(data),
    })
}
