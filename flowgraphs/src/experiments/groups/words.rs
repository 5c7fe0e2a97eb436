//! Events of group keys, sorted and in words: the same for every solution.

use sidelink_prose::group_keys::Event as Identity;
use sidelink_ue::GroupEvent;

/// What an event means for the costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A key of the group is on its way to this many members.
    Made(usize),
    /// The last member has acknowledged.
    Complete,
    /// This UE has a key of the group.
    Got,
    /// This UE has started a call.
    Called,
    /// This UE has the key of a call.
    Joined,
    /// A received message was refused, for this reason.
    Refused(&'static str),
    /// Anything else.
    Other,
}

/// Sorts an event.
pub(crate) const fn sort(event: &GroupEvent) -> Sort {
    match event {
        GroupEvent::Identity(event) => match event {
            Identity::Distributing { members, .. } => Sort::Made(*members),
            Identity::Complete { .. } => Sort::Complete,
            Identity::GmkReceived { .. } => Sort::Got,
            Identity::CallStarted(_) => Sort::Called,
            Identity::CallJoined { .. } => Sort::Joined,
            Identity::Refused { why, .. } => Sort::Refused(why.name()),
            Identity::Reached { .. }
            | Identity::Round { .. }
            | Identity::GmkEnded { .. }
            | Identity::CallEnded(_)
            | Identity::StoreFailed { .. } => Sort::Other,
        },
    }
}

/// An event in words.
pub(crate) fn text(event: &GroupEvent) -> String {
    match event {
        GroupEvent::Identity(event) => identity(event),
    }
}

fn identity(event: &Identity) -> String {
    match event {
        Identity::Distributing { gmk_id, members, .. } => {
            format!("distributes GMK {gmk_id} to {members} members")
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
