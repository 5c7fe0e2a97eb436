//! What a monitor concluded, beside what was sent.

use super::builds::{Match, Proof, World};
use super::program::{Slot, Who};
use sidelink_prose::discovery::agent::Event;
use sidelink_prose::discovery::{Discovered, Finding};
use sidelink_security::outcome::Outcome;
use sidelink_wire::pc5_discovery::LEN;

/// What became of a block at a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// It was taken for one of an announcer.
    Match(Match),
    /// A query that will be answered.
    Asked,
    /// It was dropped.
    Dropped(Outcome),
    /// The agent said nothing of it.
    Nothing,
}

/// A block that the modem of a monitor decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Its last subframe.
    pub(crate) slot: Slot,
    /// The UE that heard it.
    pub(crate) monitor: usize,
    /// Who sent it, by what was sent; `None` where the samples are those of several, or passed on.
    pub(crate) sender: Option<Who>,
    /// The block.
    pub(crate) message: [u8; LEN],
    /// What became of it.
    pub(crate) conclusion: Conclusion,
    /// Whether the application was told: not again within the interval of reports.
    pub(crate) reported: bool,
}

/// Returns what became of a block of `sender` at a monitor, and what was proven beside it: sets of others that had waited
/// for their verification, of which a slot has time for few.
pub(super) fn conclude(
    world: &dyn World,
    (monitor, sender): (usize, Option<Who>),
    events: &[Event],
) -> (Conclusion, Vec<Match>) {
    let (mut own, mut waited, mut whole) = (Conclusion::Nothing, Vec::new(), false);
    let is_of_another = |found: Match| matches!(sender, Some(Who::Node(node)) if node != found.announcer);
    for event in events {
        match (world.judge(monitor, event), own) {
            (Some(found), Conclusion::Match(best))
                if is_signed(event) && found.announcer != best.announcer =>
            {
                waited.push(found);
            }
            // Hints of two keys may be alike: then a block is put into the sets of both.
            (Some(found), Conclusion::Match(_)) if is_signed(event) && is_of_another(found) => {
                waited.push(found);
            }
            // It was refused before: what is proven now is not of it.
            (Some(found), Conclusion::Dropped(_)) if is_signed(event) => waited.push(found),
            (Some(found), Conclusion::Match(best)) if found.proof <= best.proof => {}
            (Some(found), _) => own = Conclusion::Match(found),
            (None, _) => own = told(event, own, whole),
        }
        if let Event::Fragment(part) = event {
            whole = part.have >= part.needed;
        }
    }
    (own, waited)
}

/// Returns what has been proven where there is no block: at the begin of a slot.
pub(super) fn proven(world: &dyn World, monitor: usize, events: &[Event]) -> Vec<Match> {
    events.iter().filter(|event| is_signed(event)).filter_map(|event| world.judge(monitor, event)).collect()
}

/// Whether an event is the verification of a set of blocks.
const fn is_signed(event: &Event) -> bool {
    matches!(event, Event::Discovered(Discovered { finding: Finding::Signed { .. }, .. }))
}

/// Returns the conclusion after an event that is no match; `whole`: the block completed its set.
fn told(event: &Event, own: Conclusion, whole: bool) -> Conclusion {
    match (event, own) {
        (Event::Asked, Conclusion::Nothing) => Conclusion::Asked,
        (Event::Dropped(dropped), Conclusion::Nothing) => Conclusion::Dropped(dropped.outcome()),
        // Its set was complete, and nothing that could be made of it was right.
        (Event::Dropped(dropped), Conclusion::Match(Match { proof: Proof::Partial, .. })) if whole => {
            Conclusion::Dropped(dropped.outcome())
        }
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::super::builds::Followed;
    use super::*;
    use sidelink_prose::discovery::agent::Agent;
    use sidelink_prose::discovery::signed::Partial;
    use sidelink_prose::discovery::{Dropped, Subject};
    use sidelink_security::discovery::Refusal;

    struct Known(Followed);

    impl World for Known {
        fn agent(&mut self, _: usize) -> anyhow::Result<Agent> {
            anyhow::bail!("there are no UEs")
        }

        fn judge(&self, monitor: usize, event: &Event) -> Option<Match> {
            self.0.judge(monitor, event)
        }
    }

    #[test]
    fn a_wrong_signature_is_a_drop_and_no_part() {
        let mut followed = Followed::default();
        followed.add(0, Subject::Signed(1), 7);
        let world = Known(followed);
        let part =
            |have| Event::Fragment(Partial { who: Subject::Signed(1), set: 0, index: 0, have, needed: 4 });
        let wrong = Event::Dropped(Dropped::Refused(Refusal::BadMic));
        let kept = Conclusion::Match(Match { announcer: 7, proof: Proof::Partial });
        let conclude = |events: &[Event]| conclude(&world, (0, None), events);
        assert_eq!(conclude(&[part(4), wrong]).0, Conclusion::Dropped(Outcome::BadMic));
        // The signature of another one, which waited.
        assert_eq!(conclude(&[part(3), wrong]).0, kept);
        assert_eq!(conclude(&[part(4)]), (kept, Vec::new()));
    }
}
