//! Events of group keys in words and in JSON.

use crate::terminal::Ink;
use serde_json::{Value, json};
use sidelink_prose::group_keys::Event as Identity;
use sidelink_prose::group_owner::{Event as Owner, Revocations};
use sidelink_ue::{GroupEvent, GroupReport, NafEvent, NetworkKey};

/// The text of a report and its colour.
pub(super) fn line(report: &GroupReport<'_>, all: bool) -> Option<(Ink, String)> {
    match report {
        GroupReport::Event(GroupEvent::Owner(Owner::Message(_))) if !all => None,
        GroupReport::Event(event) => Some((ink(event), format!("group: {}", text(event)))),
        GroupReport::Sent { message, pdus, octets } if all => Some((
            Ink::Bold,
            format!(
                "group: {} sent ({} octets in {pdus} PDUs of {octets})",
                message.name,
                message.octets.len()
            ),
        )),
        GroupReport::Sent { .. } | GroupReport::Step { .. } => None,
    }
}

/// A report as JSON.
pub(super) fn value(report: &GroupReport<'_>) -> Option<Value> {
    match report {
        GroupReport::Event(event) => Some(json!({"type": "group-key", "what": text(event)})),
        GroupReport::Sent { message, pdus, octets } => Some(json!({
            "type": "group-key-message",
            "message": message.name,
            "octets": message.octets.len(),
            "pdus": pdus,
            "pdu_octets": octets,
        })),
        GroupReport::Step { .. } => None,
    }
}

const fn ink(event: &GroupEvent) -> Ink {
    match event {
        GroupEvent::Identity(Identity::Refused { .. }) => Ink::Yellow,
        GroupEvent::Identity(Identity::StoreFailed { .. }) => Ink::Red,
        GroupEvent::Owner(Owner::Note(_)) => Ink::Yellow,
        GroupEvent::Naf(
            NafEvent::Refused { .. }
            | NafEvent::Dropped(_)
            | NafEvent::Passed { .. }
            | NafEvent::Out { .. }
            | NafEvent::Expired { .. },
        ) => Ink::Yellow,
        GroupEvent::Identity(_) | GroupEvent::Owner(_) | GroupEvent::Network(_) | GroupEvent::Naf(_) => {
            Ink::Bold
        }
    }
}

/// An event in words.
pub(crate) fn text(event: &GroupEvent) -> String {
    match event {
        GroupEvent::Identity(event) => identity(event),
        GroupEvent::Owner(event) => owner(event),
        GroupEvent::Naf(event) => of_naf(event),
        GroupEvent::Network(NetworkKey::Given { pgk_id, .. }) => format!("the PKMF gives PGK {pgk_id}"),
        GroupEvent::Network(NetworkKey::Withdrawn { pgk_id, .. }) => {
            format!("the PKMF takes PGK {pgk_id} back")
        }
    }
}

fn of_naf(event: &NafEvent) -> String {
    match event {
        NafEvent::Key { pgk_id, .. } => format!("the NAF gives PGK {pgk_id}"),
        NafEvent::Expired { pgk_id, .. } => format!("PGK {pgk_id} is over, and there is no other"),
        NafEvent::Inviting { missing, round, .. } => format!("invites {}, round {round}", counted(*missing)),
        NafEvent::Joined { user, .. } => format!("{user} has joined"),
        NafEvent::Complete { .. } => "all have joined".to_owned(),
        NafEvent::Joining { .. } => "asks the NAF for the key".to_owned(),
        NafEvent::Out { .. } => "is no member any more, says the NAF".to_owned(),
        NafEvent::Refused { why, .. } => format!("the NAF refuses: {why}"),
        NafEvent::Dropped(why) => format!("a message of the NAF is passed over: {why}"),
        NafEvent::Passed { from, why } => format!("an invitation of {from} is passed over: {why}"),
    }
}

fn owner(event: &Owner) -> String {
    match event {
        Owner::Joined { member, epoch, revocations, .. } => {
            format!("{member} has joined: epoch {epoch}{}", degraded(*revocations))
        }
        Owner::Rekeyed { member, epoch } => format!("{member} has the keys of epoch {epoch}"),
        Owner::Gone { member, why } => format!("{member} is gone: {why:?}"),
        Owner::Epoch { epoch, why, members } => {
            format!("epoch {epoch} begins ({why:?}), for {}", counted(*members))
        }
        Owner::In { owner, epoch, revocations } => {
            format!("in the group of {owner}: epoch {epoch}{}", degraded(*revocations))
        }
        Owner::Missed { epoch } => {
            format!("the keys of epoch {epoch} did not come: joins again")
        }
        Owner::Out(why) => format!("out of the group: {why}"),
        Owner::List { number } => format!("revocation list {number} is in use"),
        Owner::Message(metered) => {
            let way = if metered.sent { "sent" } else { "believed" };
            format!("{:?} {way} ({} octets)", metered.kind, metered.octets)
        }
        Owner::Note(note) => note.to_string(),
    }
}

fn counted(members: usize) -> String {
    if members == 1 { "1 member".to_owned() } else { format!("{members} members") }
}

const fn degraded(revocations: Revocations) -> &'static str {
    match revocations {
        Revocations::Fresh => "",
        Revocations::Degraded => " (without a fresh revocation list)",
    }
}

fn identity(event: &Identity) -> String {
    match event {
        Identity::Distributing { gmk_id, members, .. } => {
            format!("distributes GMK {gmk_id} to {}", counted(*members))
        }
        Identity::Reached { gmk_id, member, .. } => format!("{member} has GMK {gmk_id}"),
        Identity::Round { round, missing, .. } => format!("round {round} is over: {missing} are missing"),
        Identity::Complete { gmk_id, millis, .. } => format!("all have GMK {gmk_id} after {millis} ms"),
        Identity::GmkReceived { gmk_id, from, .. } => format!("has GMK {gmk_id} of {from}"),
        Identity::GmkEnded { gmk_id, replaced: true, .. } => format!("GMK {gmk_id} is replaced"),
        Identity::GmkEnded { gmk_id, replaced: false, .. } => format!("GMK {gmk_id} is over"),
        Identity::CallStarted(call) => format!("calls: CSB {} under GMK {}", call.csb_id, call.gmk_id),
        Identity::CallJoined { call, age } => {
            format!("joins call {} of {}, announced {age} ms ago", call.csb_id, call.caller)
        }
        Identity::CallEnded(call) => format!("call {} is over", call.csb_id),
        Identity::StoreFailed { .. } => "the key store failed".to_owned(),
        Identity::Refused { source, why } => format!("refuses a message of {source}: {why}"),
    }
}
