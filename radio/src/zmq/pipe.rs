//! Samples between a thread that may block and a socket's task that must not.

use crate::RadioError;
use crate::Sample;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Interval of the warnings of a thread that waits.
const REMIND: Duration = Duration::from_secs(10);

/// A bounded queue of samples with a thread at one end and a task at the other.
pub(super) struct Pipe {
    state: Mutex<State>,
    /// Wakes the thread.
    changed: Condvar,
    /// Wakes the task.
    notify: Notify,
    limit: usize,
    /// The other program, for messages.
    peer: String,
}

#[derive(Default)]
struct State {
    samples: VecDeque<Sample>,
    closed: bool,
    /// The thread must not block any more.
    interrupted: bool,
    /// Reason of the socket's failure.
    failed: Option<String>,
}

impl State {
    fn check(&self) -> Result<(), RadioError> {
        self.failed.as_ref().map_or(Ok(()), |why| Err(RadioError::Lost(why.clone())))
    }
}

impl Pipe {
    pub(super) fn new(limit: usize, peer: &str) -> Self {
        let samples = VecDeque::with_capacity(2 * limit);
        Self {
            state: Mutex::new(State { samples, ..State::default() }),
            changed: Condvar::new(),
            notify: Notify::new(),
            limit,
            peer: peer.to_owned(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The samples are consistent even if a holder of the lock panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the thread: takes queued samples, at least one, or none after `patience`.
    pub(super) fn read(&self, into: &mut [Sample], patience: Duration) -> Result<usize, RadioError> {
        let empty = |state: &mut State| state.samples.is_empty() && state.failed.is_none();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.state(), patience, empty)
            .unwrap_or_else(PoisonError::into_inner);
        let count = state.samples.len().min(into.len());
        if count == 0 {
            state.check()?;
        }
        for (into, sample) in into.iter_mut().zip(state.samples.drain(..count)) {
            *into = sample;
        }
        drop(state);
        self.notify.notify_waiters();
        Ok(count)
    }

    /// For the thread: queues all these samples, once few enough are queued before them.
    pub(super) fn write(&self, samples: impl Iterator<Item = Sample>) -> Result<(), RadioError> {
        let full = |state: &mut State| {
            state.samples.len() > self.limit && state.failed.is_none() && !state.interrupted
        };
        let mut state = self.state();
        loop {
            let waited;
            (state, waited) =
                self.changed.wait_timeout_while(state, REMIND, full).unwrap_or_else(PoisonError::into_inner);
            if !waited.timed_out() {
                break;
            }
            tracing::warn!("{} asks for no samples: waiting for it", self.peer);
        }
        state.check()?;
        if state.interrupted && state.samples.len() > self.limit {
            return Err(RadioError::Ended);
        }
        state.samples.extend(samples);
        drop(state);
        self.notify.notify_waiters();
        Ok(())
    }

    /// For the thread: whether there is room for more, after a wait of at most `patience`.
    pub(super) fn has_room(&self, patience: Duration) -> Result<bool, RadioError> {
        let full = |state: &mut State| state.samples.len() > self.limit && state.failed.is_none();
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), patience, full)
            .unwrap_or_else(PoisonError::into_inner);
        state.check()?;
        Ok(state.samples.len() <= self.limit)
    }

    /// For any thread: ends all waits for room.
    pub(super) fn interrupt(&self) {
        self.state().interrupted = true;
        self.changed.notify_all();
    }

    /// For the thread: waits until everything was fetched, at most for `patience`.
    pub(super) fn drain(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.state();
        while !state.samples.is_empty() && state.failed.is_none() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return };
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For the thread: ends the stream.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.notify.notify_waiters();
    }

    /// For the task: reports that no more samples will come.
    pub(super) fn fail(&self, why: String) {
        self.state().failed = Some(why);
        self.changed.notify_all();
    }

    /// For the task: queues these samples when there is room; returns `false` when the thread has closed the pipe.
    pub(super) async fn push(&self, samples: &[Sample]) -> bool {
        loop {
            let notified = self.notify.notified();
            {
                let mut state = self.state();
                if state.closed {
                    return false;
                }
                if state.samples.len() <= self.limit {
                    state.samples.extend(samples);
                    break;
                }
            }
            notified.await;
        }
        self.changed.notify_all();
        true
    }

    /// For the task: returns the next samples, at most `most`; `None` when no more will come.
    pub(super) async fn pull(&self, most: usize) -> Option<Vec<Sample>> {
        loop {
            let notified = self.notify.notified();
            {
                let mut state = self.state();
                let count = state.samples.len().min(most);
                if count > 0 {
                    let samples = state.samples.drain(..count).collect();
                    drop(state);
                    self.changed.notify_all();
                    return Some(samples);
                }
                if state.closed {
                    return None;
                }
            }
            notified.await;
        }
    }

    /// For the task: waits until the thread has closed the pipe.
    pub(super) async fn closed(&self) {
        loop {
            let notified = self.notify.notified();
            if self.state().closed {
                return;
            }
            notified.await;
        }
    }
}
