//! Ways from UE to UE besides the link, and when they change.

use super::Switch;
use sidelink_security::counter::UtcTime;
use sidelink_ue::{LinkAction, Observer, Ue};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Milliseconds that a packet takes over Uu and the network.
const LEG: u64 = 30;

/// Milliseconds after the link was asked for at which it ends, and at which it is asked for again.
pub(crate) const LEAVES: u64 = 1200;
pub(crate) const RETURNS: u64 = 2000;

/// Packets that are on their way to a UE.
type Queue = VecDeque<(UtcTime, Vec<u8>)>;

/// The network between the UEs, as far as it carries their packets.
#[derive(Clone, Default)]
pub(super) struct Network(Arc<Mutex<[Queue; 2]>>);

impl Network {
    /// The Uu leg of UE `number`.
    pub(super) fn end(&self, number: usize) -> Uu {
        Uu { network: self.clone(), number }
    }
}

/// The Uu leg of a UE.
pub(super) struct Uu {
    network: Network,
    number: usize,
}

impl Uu {
    pub(super) fn send(&self, now: UtcTime, packet: Vec<u8>) {
        let mut queues = self.network.0.lock().unwrap_or_else(PoisonError::into_inner);
        queues[1 - self.number].push_back((now.plus_millis(LEG), packet));
    }

    pub(super) fn receive(&self, now: UtcTime) -> Option<Vec<u8>> {
        let mut queues = self.network.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = &mut queues[self.number];
        queue
            .front()
            .is_some_and(|(due, _)| *due <= now)
            .then(|| queue.pop_front())?
            .map(|(_, packet)| packet)
    }
}

/// Ends the link of UE_1 and asks for it again.
pub(super) struct Switcher {
    /// Subframes after the first one, and what is done then.
    plan: VecDeque<(u64, LinkAction)>,
    first: Option<u64>,
}

impl Switcher {
    /// For a link that is asked for `connect` subframes after the start.
    pub(super) fn new(switch: Switch, connect: u64) -> Self {
        let again = if switch == Switch::LinkAgain { LEAVES } else { RETURNS };
        let plan = [(connect + LEAVES, LinkAction::Release), (connect + again, LinkAction::Connect)];
        Self { plan: plan.into(), first: None }
    }
}

impl Observer<Ue> for Switcher {
    fn look(&mut self, ue: &mut Ue) {
        let now = ue.next_subframe();
        let first = *self.first.get_or_insert(now);
        let Some(&(at, action)) = self.plan.front() else { return };
        if now < first + at {
            return;
        }
        // What is not possible yet is tried again: a link that is being released is still there.
        if ue.stack().links().is_some_and(|links| links.act(super::protocol::NAMES[1], action).is_ok()) {
            self.plan.pop_front();
        }
    }
}
