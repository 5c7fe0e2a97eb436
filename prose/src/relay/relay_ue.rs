//! The relay: how many remote UEs it has, whether it says that there is room, and why it lets one go. TS 24.334 §10A.2.2.2,
//! §10.4.4.2, §10.4.1A.
//!
//! ```text
//! Up, Ended  -> remote UEs, at most `most` -> the Status Indicator of its discovery
//! Suspend    -> no room is announced; no new link
//! Stop       -> every remote UE is released with its reason
//! ```

use std::collections::{BTreeMap, VecDeque};

use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;
use sidelink_wire::pc5_discovery::Status;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A link with a remote UE is up.
    Up {
        /// The time.
        now: UtcTime,
        /// The remote UE.
        remote: Layer2Id,
    },
    /// A link with a remote UE is over.
    Ended {
        /// The time.
        now: UtcTime,
        /// The remote UE.
        remote: Layer2Id,
    },
    /// The relay takes no remote UE any more; those that it has stay.
    Suspend,
    /// The relay takes remote UEs again.
    Resume,
    /// The relay ends: it releases its remote UEs for this reason.
    Stop(Dismissal),
}

/// Why a relay releases a remote UE: the release reasons of TS 24.334 §12.5.1.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dismissal {
    /// Relaying is not allowed any more: 2.
    NotAllowed,
    /// The relay is not available any more: 3.
    NotAvailable,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Release the link with this remote UE.
    Dismiss(Layer2Id, Dismissal),
    /// Tell whoever listens.
    Event(Event),
    /// Nothing more until the next input.
    Done,
}

/// An event, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A remote UE is linked.
    Joined {
        /// Its layer-2 identity.
        remote: Layer2Id,
        /// How many there are now, and how many there may be.
        of: [usize; 2],
    },
    /// A remote UE is gone.
    Gone {
        /// Its layer-2 identity.
        remote: Layer2Id,
        /// Milliseconds for which it was there.
        after: u64,
        /// How many there are now, and how many there may be.
        of: [usize; 2],
    },
}

/// Whether remote UEs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Service {
    Open,
    Suspended,
}

/// A relay.
#[derive(Debug)]
pub struct RelayUe {
    most: usize,
    service: Service,
    remotes: BTreeMap<Layer2Id, UtcTime>,
    outbox: VecDeque<Output>,
}

impl RelayUe {
    /// Makes a relay for this many remote UEs at a time.
    pub const fn new(most: usize) -> Self {
        Self { most, service: Service::Open, remotes: BTreeMap::new(), outbox: VecDeque::new() }
    }

    /// Returns what the discovery of the relay says of its resources.
    // TS 24.334 §12.2.2.67
    pub fn status(&self) -> Status {
        Status { resources: self.service == Service::Open && self.remotes.len() < self.most }
    }

    /// Returns the remote UEs that are linked.
    pub fn remotes(&self) -> impl Iterator<Item = Layer2Id> + '_ {
        self.remotes.keys().copied()
    }

    /// Takes an input. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, input: Input) {
        match input {
            Input::Up { now, remote } => {
                if self.remotes.insert(remote, now).is_none() {
                    let of = [self.remotes.len(), self.most];
                    self.outbox.push_back(Output::Event(Event::Joined { remote, of }));
                }
            }
            Input::Ended { now, remote } => {
                if let Some(since) = self.remotes.remove(&remote) {
                    let after = now.millis().saturating_sub(since.millis());
                    let of = [self.remotes.len(), self.most];
                    self.outbox.push_back(Output::Event(Event::Gone { remote, after, of }));
                }
            }
            Input::Suspend => self.service = Service::Suspended,
            Input::Resume => self.service = Service::Open,
            Input::Stop(why) => {
                self.service = Service::Suspended;
                self.outbox.extend(self.remotes.keys().map(|remote| Output::Dismiss(*remote, why)));
            }
        }
    }

    /// Returns the next output; [`Output::Done`] when there is none.
    pub fn poll_output(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or(Output::Done)
    }
}

#[cfg(test)]
mod tests;
