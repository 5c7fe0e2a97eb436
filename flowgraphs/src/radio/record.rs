//! A radio that keeps what it receives: every sample goes to a recording while it runs.
//!
//! The file is written by a thread of its own. What the disk does not take in time is left out, noted and filled with
//! zeros, so that sample numbers stay; a disk that takes nothing any more ends the recording and not the radio.

use super::{Description, Radio, RadioError, Receive, Received, Streams};
use crate::Sample;
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use sidelink_recordings::sigmf::Annotation;
use sidelink_recordings::{Error, UtcMicros, Writer, WriterOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::JoinHandle;
use std::time::Duration;

/// Samples of a block on its way to the file.
const BLOCK: usize = 16 * 1024;
/// Seconds of samples that may wait for the disk.
const QUEUE_SECONDS: f64 = 1.0;
/// A longer gap is not filled with zeros: the recording ends.
const LONGEST_GAP_SECONDS: f64 = 60.0;

/// How a recording goes.
#[derive(Debug, Default)]
pub struct RecordingState {
    written: AtomicU64,
    lost: AtomicU64,
    ended: AtomicBool,
}

impl RecordingState {
    /// Samples in the file.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Samples that the disk did not take in time, or that the radio lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Whether it has ended, by itself or with the radio.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
}

/// A radio whose received samples are kept.
pub struct Recorded {
    radio: Box<dyn Radio>,
    writer: Writer,
    state: Arc<RecordingState>,
}

impl Recorded {
    /// Record what `radio` receives to `path`. Rate, frequency and radio are filled in; `options` says the rest.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(radio: Box<dyn Radio>, path: &Path, mut options: WriterOptions) -> Result<Self, RadioError> {
        let description = radio.description();
        options.rate = description.rate;
        options.frequency = Some(description.frequency);
        options.hw.get_or_insert_with(|| description.name.clone());
        let writer = Writer::create(path, options)
            .map_err(|e| RadioError::unusable(format!("cannot record: {e}"), "name another file"))?;
        Ok(Self { radio, writer, state: Arc::default() })
    }

    /// How it goes, also while the radio runs.
    pub fn state(&self) -> Arc<RecordingState> {
        Arc::clone(&self.state)
    }
}

impl Radio for Recorded {
    fn description(&self) -> &Description {
        self.radio.description()
    }

    fn start(self: Box<Self>) -> Result<Streams, RadioError> {
        let Self { radio, mut writer, state } = *self;
        let rate = radio.description().rate;
        let streams = radio.start()?;
        if let Some(anchor) = streams.anchor {
            writer.set_start(UtcMicros((anchor.utc_ns / 1000).max(0) as u64));
        }
        let blocks = ((rate * QUEUE_SECONDS / BLOCK as f64).ceil() as usize).max(4);
        let (to_file, from_radio) = bounded(blocks);
        let (back, empty) = bounded(blocks);
        for _ in 0..blocks {
            let _ = back.send(Block { first: 0, samples: Vec::with_capacity(BLOCK) });
        }
        let longest_gap = (rate * LONGEST_GAP_SECONDS) as u64;
        let thread = std::thread::Builder::new().name("recorder".into()).spawn({
            let state = Arc::clone(&state);
            move || {
                if let Err(why) = write(writer, &from_radio, &back, &state, longest_gap) {
                    tracing::warn!("the recording has ended, the radio goes on: {why}");
                }
                state.ended.store(true, Relaxed);
            }
        });
        let thread = thread.map_err(|e| RadioError::Lost(format!("no thread for the recorder: {e}")))?;
        let receive = Tap {
            receive: streams.receive,
            to_file: Some(to_file),
            empty,
            block: None,
            state,
            thread: Some(thread),
        };
        Ok(Streams { receive: Box::new(receive), ..streams })
    }
}

struct Block {
    first: u64,
    samples: Vec<Sample>,
}

/// The thread's work: blocks into the file until there are no more.
fn write(
    mut writer: Writer,
    from_radio: &Receiver<Block>,
    back: &Sender<Block>,
    state: &RecordingState,
    longest_gap: u64,
) -> Result<(), Error> {
    const SILENCE: [Sample; 1024] = [Sample { re: 0.0, im: 0.0 }; 1024];
    // The number of the file's first sample.
    let mut origin = None;
    for mut block in from_radio {
        let origin = *origin.get_or_insert(block.first);
        let at = block.first.wrapping_sub(origin);
        let position = writer.position();
        if at != position {
            // Its clock was set back, or it lost more than can be filled: what follows stands where it came.
            let gap = at.checked_sub(position).filter(|&gap| gap <= longest_gap);
            let label = match gap {
                Some(gap) => format!("{gap} samples lost"),
                None => "sample numbers jumped".to_owned(),
            };
            let mut missing = gap.unwrap_or(0);
            state.lost.fetch_add(missing, Relaxed);
            writer.annotate(Annotation {
                sample_start: position,
                sample_count: gap,
                label: Some(label),
                ..Annotation::default()
            })?;
            while missing > 0 {
                let length = missing.min(SILENCE.len() as u64);
                writer.write(&SILENCE[..length as usize])?;
                missing -= length;
            }
        }
        writer.write(&block.samples)?;
        state.written.store(writer.position(), Relaxed);
        block.samples.clear();
        // There is room: as many come back as went out.
        let _ = back.try_send(block);
    }
    writer.finish().map(|_| ())
}

/// A receiving end that passes on what it delivers.
struct Tap {
    receive: Box<dyn Receive>,
    to_file: Option<Sender<Block>>,
    empty: Receiver<Block>,
    /// The block that is being filled.
    block: Option<Block>,
    state: Arc<RecordingState>,
    thread: Option<JoinHandle<()>>,
}

impl Receive for Tap {
    fn receive(&mut self, into: &mut [Sample], patience: Duration) -> Result<Received, RadioError> {
        let got = self.receive.receive(into, patience)?;
        self.keep(got.first, &into[..got.count]);
        Ok(got)
    }
}

impl Tap {
    fn keep(&mut self, first: u64, samples: &[Sample]) {
        let (mut at, mut rest) = (first, samples);
        while !rest.is_empty() && self.to_file.is_some() {
            // Blocks have no gaps within.
            if self.block.as_ref().is_some_and(|b| b.first.wrapping_add(b.samples.len() as u64) != at) {
                self.send();
            }
            let fresh = || Some(Block { first: at, ..self.empty.try_recv().ok()? });
            let Some(mut block) = self.block.take().or_else(fresh) else {
                // The disk is too slow: the number of the next block will tell what is missing.
                return;
            };
            let length = rest.len().min(BLOCK - block.samples.len());
            block.samples.extend_from_slice(&rest[..length]);
            let full = block.samples.len() == BLOCK;
            self.block = Some(block);
            if full {
                self.send();
            }
            (at, rest) = (at.wrapping_add(length as u64), &rest[length..]);
        }
    }

    fn send(&mut self) {
        let Some(block) = self.block.take() else { return };
        let Some(to_file) = &self.to_file else { return };
        // There are only as many blocks as fit into the channel.
        if let Err(TrySendError::Disconnected(_)) = to_file.try_send(block) {
            self.to_file = None;
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.send();
        self.to_file = None;
        if let Some(thread) = self.thread.take() {
            // The file is complete when the radio is gone.
            let _ = thread.join();
        }
        self.state.ended.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests;
