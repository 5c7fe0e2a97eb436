//! Events of group keys, sorted by what they mean for the costs: the same for every solution.

use sidelink_prose::group_keys::Event as Identity;
use sidelink_prose::group_owner::Event as Owner;
use sidelink_ue::{GroupEvent, NafEvent, NetworkKey};

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
    /// This UE asks the network for a key.
    Asked,
    /// A received message was refused, for this reason.
    Refused(String),
    /// A message was sent or believed: its octets stand elsewhere.
    Message,
    /// Anything else.
    Other,
}

/// Sorts an event.
pub(crate) fn sort(event: &GroupEvent) -> Sort {
    match event {
        GroupEvent::Identity(event) => match event {
            Identity::Distributing { members, .. } => Sort::Made(*members),
            Identity::Complete { .. } => Sort::Complete,
            Identity::GmkReceived { .. } => Sort::Got,
            Identity::CallStarted(_) => Sort::Called,
            Identity::CallJoined { .. } => Sort::Joined,
            Identity::Refused { why, .. } => Sort::Refused(why.name().to_owned()),
            Identity::Reached { .. }
            | Identity::Round { .. }
            | Identity::GmkEnded { .. }
            | Identity::CallEnded(_)
            | Identity::StoreFailed { .. } => Sort::Other,
        },
        GroupEvent::Network(NetworkKey::Given { .. }) => Sort::Got,
        GroupEvent::Network(NetworkKey::Withdrawn { .. }) => Sort::Other,
        GroupEvent::Naf(event) => match event {
            NafEvent::Inviting { missing, .. } => Sort::Made(*missing),
            NafEvent::Complete { .. } => Sort::Complete,
            NafEvent::Key { .. } => Sort::Got,
            NafEvent::Refused { why, .. } | NafEvent::Dropped(why) | NafEvent::Passed { why, .. } => {
                Sort::Refused(why.clone())
            }
            NafEvent::Joining { .. } => Sort::Asked,
            NafEvent::Joined { .. } | NafEvent::Out { .. } | NafEvent::Expired { .. } => Sort::Other,
        },
        GroupEvent::Owner(event) => match event {
            Owner::Epoch { members, .. } => Sort::Made(*members),
            Owner::In { .. } => Sort::Got,
            Owner::Note(note) => Sort::Refused(note.to_string()),
            Owner::Joined { .. }
            | Owner::Rekeyed { .. }
            | Owner::Gone { .. }
            | Owner::Missed { .. }
            | Owner::Out(_)
            | Owner::List { .. } => Sort::Other,
            Owner::Message(_) => Sort::Message,
        },
    }
}
