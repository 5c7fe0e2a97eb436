//! A recording by one thread, or by two: one reads, converts and transforms ahead of the one that decodes.
//!
//! ```text
//! file -> Source -> Ahead --- Prepared, up to 6 ---> StreamReceiver -> Listener
//!                     ^                                    |
//!                     '------------- Forecast -------------'
//! ```
//!
//! The events are the same: the receiver uses what was made ahead only where it is what it would make itself.

use super::listener::Listener;
use super::source::{Behind, Missing, Source};
use crate::lock::lock;
use crossbeam::channel::{Receiver, Sender, bounded};
use sidelink_phy::receive::receiver::Config;
use sidelink_phy::receive::stream::{Ahead, Filled, Forecast, Prepared, StreamReceiver};
use std::sync::Mutex;

/// Blocks of a subframe that are made ahead: enough for a subframe that takes longer, and few enough to be made for a
/// carrier offset that is not old.
const DEPTH: usize = 6;

/// Threads that work on one recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// The caller's.
    #[default]
    One,
    /// Another one ahead of it.
    Two,
}

impl Threads {
    /// Returns those that a machine has to spare for each of `recordings`, which are decoded at the same time.
    pub fn for_each_of(recordings: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        if processors >= 2 * recordings.max(1) { Self::Two } else { Self::One }
    }
}

/// A part of a recording on its way to the decoding thread.
enum Message {
    /// A whole block.
    Block(Prepared),
    /// The samples before a gap that make up no block.
    Gap(Prepared, Missing),
    /// The last samples.
    End(Prepared),
}

/// Receives all samples with the caller's thread; stops early when the listener failed.
///
/// # Errors
/// As the recording's reader says.
pub(super) fn receive_alone(
    source: &mut Source<'_>,
    receiver: &mut StreamReceiver,
    listener: &mut Listener<'_, '_>,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<()> {
    while listener.failure.is_none() {
        let piece = source.next()?;
        receiver.push_antennas(piece.samples(), &mut |event, at| listener.hear(event, at));
        match piece.behind {
            Behind::Samples => {}
            Behind::Gap(missing) => skip(receiver, missing, listener),
            Behind::End => {
                receiver.finish(&mut |event, at| listener.hear(event, at));
                return Ok(());
            }
        }
        progress(piece.read);
    }
    Ok(())
}

/// Does the same with a second thread ahead.
///
/// # Errors
/// As the recording's reader says.
pub(super) fn receive_ahead(
    source: &mut Source<'_>,
    receiver: &mut StreamReceiver,
    listener: &mut Listener<'_, '_>,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<()> {
    let (to_receiver, messages) = bounded(DEPTH);
    let (to_reader, used) = bounded(DEPTH + 2);
    let forecast = Mutex::new(None);
    let config = receiver.receiver().config().clone();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| Reader { to_receiver, used, forecast: &forecast }.run(source, &config));
        // ends when the reader has ended; dropped before, it ends the reader
        for (message, read) in messages {
            match message {
                Message::Block(mut block) => {
                    receiver.take(&mut block, &mut |event, at| listener.hear(event, at));
                    *lock(&forecast) = receiver.forecast();
                    // a buffer that nobody takes is dropped
                    let _ = to_reader.try_send(block);
                }
                Message::Gap(mut rest, missing) => {
                    receiver.take(&mut rest, &mut |event, at| listener.hear(event, at));
                    skip(receiver, missing, listener);
                }
                Message::End(mut rest) => {
                    receiver.take(&mut rest, &mut |event, at| listener.hear(event, at));
                    receiver.finish(&mut |event, at| listener.hear(event, at));
                }
            }
            progress(read);
            if listener.failure.is_some() {
                break;
            }
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn skip(receiver: &mut StreamReceiver, missing: Missing, listener: &mut Listener<'_, '_>) {
    receiver.skip(missing.lost, &mut |event, at| listener.hear(event, at));
    listener.skipped = missing.skipped;
}

/// The thread ahead.
struct Reader<'a> {
    to_receiver: Sender<(Message, u64)>,
    /// Blocks that can be filled again.
    used: Receiver<Prepared>,
    forecast: &'a Mutex<Option<Forecast>>,
}

/// The other thread wants nothing more.
struct Unwanted;

impl Reader<'_> {
    fn run(self, source: &mut Source<'_>, config: &Config) -> anyhow::Result<()> {
        let mut ahead = Ahead::new(config);
        let mut block = Prepared::default();
        loop {
            let piece = source.next()?;
            let mut taken = 0;
            while taken < piece.samples().first().map_or(0, |s| s.len()) {
                let filled;
                ahead.expect(*lock(self.forecast));
                (taken, filled) = ahead.push(piece.samples(), taken, &mut block);
                if filled == Filled::Whole
                    && self.send(Message::Block(self.exchange(&mut block)), piece.read).is_err()
                {
                    return Ok(());
                }
            }
            let message = match piece.behind {
                Behind::Samples => continue,
                Behind::Gap(missing) => {
                    ahead.rest(missing.lost, &mut block);
                    Message::Gap(self.exchange(&mut block), missing)
                }
                Behind::End => {
                    ahead.rest(0, &mut block);
                    Message::End(self.exchange(&mut block))
                }
            };
            if self.send(message, piece.read).is_err() || piece.behind == Behind::End {
                return Ok(());
            }
        }
    }

    fn send(&self, message: Message, read: u64) -> Result<(), Unwanted> {
        self.to_receiver.send((message, read)).map_err(|_| Unwanted)
    }

    /// Takes a filled block, and leaves one to be filled.
    fn exchange(&self, block: &mut Prepared) -> Prepared {
        std::mem::replace(block, self.used.try_recv().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
