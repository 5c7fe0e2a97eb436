//! What a monitor concluded, beside what was sent.

use super::builds::{Match, World};
use super::program::{Slot, Who};
use sidelink_prose::discovery::agent::Event;
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
}

/// Returns what the agent of a monitor concluded from a block.
pub(super) fn conclude(world: &dyn World, monitor: usize, events: &[Event]) -> Conclusion {
    let found = events.iter().filter_map(|event| world.judge(monitor, event));
    if let Some(best) = found.max_by_key(|found| found.proof) {
        return Conclusion::Match(best);
    }
    let told = events.iter().find_map(|event| match event {
        Event::Asked => Some(Conclusion::Asked),
        Event::Dropped(dropped) => Some(Conclusion::Dropped(dropped.outcome())),
        _ => None,
    });
    told.unwrap_or(Conclusion::Nothing)
}
