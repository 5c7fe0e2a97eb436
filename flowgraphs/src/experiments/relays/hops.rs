//! What each UE did, hop by hop: the entries of one remote UE and one relay that are about their link.

use super::parties::Party;
use crate::experiments::log::{Entries, Entry};
use sidelink_prose::direct_link::{Event, Note};
use sidelink_wire::ids::Layer2Id;

/// Returns the entries of a UE that are about its link with `peer`.
pub(super) fn about(entries: &Entries, peer: Party) -> Entries {
    let mut hop = Hop { peer: peer.layer2_id(), kept: Vec::new(), control: Vec::new(), step: Step::Others };
    for (t, entry) in entries {
        hop.entry(*t, entry);
    }
    hop.kept
}

/// Whether the step that runs had to do with this peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Others,
    Ours,
}

struct Hop {
    peer: u32,
    kept: Entries,
    /// Control information whose block is still to come.
    control: Entries,
    step: Step,
}

impl Hop {
    fn entry(&mut self, t: u64, entry: &Entry) {
        let ours = match entry {
            Entry::Sci => return self.control.push((t, entry.clone())),
            Entry::Block { to, .. } => {
                // A block goes to one destination, and so does the control information before it.
                let control = std::mem::take(&mut self.control);
                if *to == self.peer {
                    self.kept.extend(control);
                }
                *to == self.peer
            }
            Entry::Pdu { to, .. } => self.marks(*to == self.peer),
            Entry::Link(event) => {
                let of = of_event(event);
                self.marks(of.is_none_or(|peer| peer.value() == self.peer))
            }
            Entry::Step { .. } => std::mem::replace(&mut self.step, Step::Others) == Step::Ours,
            Entry::Refused(_) | Entry::Altered => true,
            Entry::Discovery => false,
        };
        if ours {
            self.kept.push((t, entry.clone()));
        }
    }

    fn marks(&mut self, ours: bool) -> bool {
        if ours {
            self.step = Step::Ours;
        }
        ours
    }
}

/// The peer of an event; `None` where it names none.
fn of_event(event: &Event) -> Option<Layer2Id> {
    match event {
        Event::State { peer, .. } => Some(*peer),
        Event::Message(metered) => Some(metered.peer),
        Event::Received(received) => Some(received.peer),
        Event::Note(
            Note::PeerRefuses { peer, .. }
            | Note::TryEnded { peer, .. }
            | Note::NotAuthenticated { peer, .. },
        ) => Some(*peer),
        Event::Note(_) => None,
    }
}
