//! Each network function in a thread of its own, which owns its machine and its store.
//!
//! ```text
//! HTTP, TLS, other functions --Address (bounded)--> thread: inputs, up to 64 at once
//!                                                           poll_output until Timeout
//!                                                           what is to be durable: one commit for all of it
//!                                                           Stored, Granted -> poll_output ..
//!                                                           answers go out
//! ```
//!
//! One commit for many inputs is what makes a disk that takes milliseconds serve many UEs; nothing is answered before it.

mod aaa;
mod bsf;
mod group_naf;
mod hss;
mod kms;
mod ledger;
mod pkmf;
mod prose_function;
mod public_keys;
mod sbi;
mod seeds;

pub(crate) use aaa::{AaaCommand, AaaFunction, Swx};
pub(crate) use bsf::{BsfCommand, BsfFunction, Pushing, Zh};
pub(crate) use group_naf::{Bsf as GroupNafBsf, GroupNafCommand, GroupNafThread, Zpn};
pub use hss::{AddError, SubscribeError};
pub(crate) use hss::{Asked, HssCommand, HssFunction};
pub use kms::IdentityError;
pub(crate) use kms::{IdentityChange, Keys as KmsKeys, KmsCommand, KmsThread};
pub use pkmf::MemberError;
pub(crate) use pkmf::{Circle, Membership, PkmfBsf, PkmfCommand, PkmfThread};
pub(crate) use prose_function::{Pc4a, ProseCommand, ProseFunctionThread};
pub(crate) use sbi::{AusfPart, DdnmfPart, GbaPart, Parts, PkmfPart, SbiCommand, SbiThread};

use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use sidelink_security::counter::UtcTime;

/// Inputs that wait for a network function, at most.
const QUEUE: usize = 1024;

/// Inputs of one commit, at most.
const BATCH: usize = 64;

/// Longest sleep: a clock that was set is noticed so late.
const NAP: Duration = Duration::from_secs(5);

/// Whom an answer goes to.
pub(crate) type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// UTC of the system.
pub(crate) fn now() -> UtcTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A network function: its machine, its store, and who waits for answers.
pub(crate) trait Function: Send + 'static {
    /// What comes from outside.
    type Command: Send;

    /// Takes a command.
    fn take(&mut self, command: Self::Command);

    /// Tells the machine the time.
    fn tick(&mut self, now: UtcTime);

    /// Does all that the machine says, and returns when it wants to be called again.
    fn settle(&mut self) -> Option<UtcTime>;
}

enum Signal<C> {
    Command(C),
    Stop,
}

/// Where a network function takes commands.
pub(crate) struct Address<C>(Sender<Signal<C>>);

impl<C> Clone for Address<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C> Address<C> {
    /// Sends a command; gives it back where too many wait, or the function has ended.
    pub(crate) fn send(&self, command: C) -> Result<(), C> {
        self.0.try_send(Signal::Command(command)).map_err(|e| match e {
            TrySendError::Full(Signal::Command(command))
            | TrySendError::Disconnected(Signal::Command(command)) => command,
            TrySendError::Full(Signal::Stop) | TrySendError::Disconnected(Signal::Stop) => {
                unreachable!("a command was sent")
            }
        })
    }
}

/// The queue of a function that is being built: functions name each other.
pub(crate) struct Queue<C>(Receiver<Signal<C>>);

/// An address, and the queue behind it.
pub(crate) fn queue<C>() -> (Address<C>, Queue<C>) {
    let (sender, receiver) = bounded(QUEUE);
    (Address(sender), Queue(receiver))
}

/// A running network function; dropped, it ends after what waits for it.
pub(crate) struct Running<C> {
    address: Address<C>,
    thread: Option<JoinHandle<()>>,
}

impl<C: Send + 'static> Running<C> {
    /// Starts its thread.
    pub(crate) fn start<F>(
        name: &str,
        address: Address<C>,
        queue: Queue<C>,
        mut function: F,
    ) -> std::io::Result<Self>
    where
        F: Function<Command = C>,
    {
        let run = move || serve(&mut function, &queue.0);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { address, thread: Some(thread) })
    }

    pub(crate) const fn address(&self) -> &Address<C> {
        &self.address
    }
}

impl<C> Drop for Running<C> {
    fn drop(&mut self) {
        // The queue is never full for ever: the thread empties it. A thread that has ended takes nothing.
        let _ = self.address.0.send(Signal::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve<F: Function>(function: &mut F, queue: &Receiver<Signal<F::Command>>) {
    loop {
        let wait = match function.settle() {
            Some(at) => Duration::from_millis(at.millis().saturating_sub(now().millis())).min(NAP),
            None => NAP,
        };
        match queue.recv_timeout(wait.max(Duration::from_millis(1))) {
            Ok(Signal::Command(command)) => function.take(command),
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => function.tick(now()),
        }
        let mut stop = false;
        for signal in queue.try_iter().take(BATCH - 1) {
            match signal {
                Signal::Command(command) => function.take(command),
                Signal::Stop => stop = true,
            }
        }
        if stop {
            break;
        }
    }
    function.settle();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_full_or_has_no_function_gives_a_command_back() {
        let (address, queue) = queue::<u32>();
        for command in 0..QUEUE as u32 {
            assert_eq!(address.send(command), Ok(()));
        }
        assert_eq!(address.send(7), Err(7));
        drop(queue);
        assert_eq!(address.send(8), Err(8));
    }
}
