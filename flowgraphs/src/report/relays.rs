//! Events of relays in words and in JSON.

use crate::terminal::Ink;
use serde_json::{Value, json};
use sidelink_prose::relay::remote_ue::Event as Remote;
use sidelink_prose::relay::selection::RelayId;
use sidelink_ue::RelayEvent;
use sidelink_wire::hex;

/// The text of an event and its colour.
pub(super) fn line(event: &RelayEvent, all: bool) -> Option<(Ink, String)> {
    let ink = match event {
        RelayEvent::Sent(_) | RelayEvent::Heard { .. } | RelayEvent::Solicited(_) if !all => return None,
        RelayEvent::Refused { .. } if !all => return None,
        RelayEvent::Remote(Remote::Lost { .. } | Remote::Left { .. })
        | RelayEvent::Refused { .. }
        | RelayEvent::Silent { .. } => Ink::Yellow,
        RelayEvent::Remote(Remote::Found { .. }) => Ink::Green,
        _ => Ink::Bold,
    };
    Some((ink, format!("relay: {event}")))
}

/// An event as JSON.
pub(super) fn value(event: &RelayEvent) -> Value {
    let id = |relay: &RelayId| hex::of_bytes(&relay.0);
    let what = event.to_string();
    match event {
        RelayEvent::Remote(Remote::Found { relay, info, strength, has_room }) => json!({
            "type": "relay", "event": "found", "relay": id(relay), "user_info": hex::of_bytes(info),
            "sd_rsrp_dbm": strength.0, "has_room": has_room, "what": what,
        }),
        RelayEvent::Remote(Remote::Selected { relay, info, strength, instead_of }) => json!({
            "type": "relay", "event": "selected", "relay": id(relay), "user_info": hex::of_bytes(info),
            "sd_rsrp_dbm": strength.map(|strength| strength.0),
            "instead_of": instead_of.map(|(old, _)| id(&old)),
            "why": instead_of.map(|(_, why)| why.to_string()), "what": what,
        }),
        RelayEvent::Remote(Remote::Serving { relay }) => {
            json!({"type": "relay", "event": "serving", "relay": id(relay), "what": what})
        }
        RelayEvent::Remote(Remote::Left { relay, why }) => json!({
            "type": "relay", "event": "left", "relay": id(relay), "why": why.to_string(), "what": what,
        }),
        RelayEvent::Remote(Remote::Lost { relay, why }) => json!({
            "type": "relay", "event": "lost", "relay": id(relay), "why": why.to_string(), "what": what,
        }),
        RelayEvent::Heard { kind, relay, strength } => json!({
            "type": "relay", "event": "heard", "message": kind.as_str(), "relay": id(relay),
            "sd_rsrp_dbm": strength.map(|strength| strength.0), "what": what,
        }),
        RelayEvent::Refused { kind, refusal } => json!({
            "type": "relay", "event": "refused", "message": kind.as_str(), "result": refusal.as_str(),
            "what": what,
        }),
        RelayEvent::Sent(kind) => {
            json!({"type": "relay", "event": "sent", "message": kind.as_str(), "what": what})
        }
        RelayEvent::More { .. }
        | RelayEvent::Relay(_)
        | RelayEvent::Solicited(_)
        | RelayEvent::Silent { .. } => json!({"type": "relay", "event": "note", "what": what}),
    }
}
