//! A radio with a recorder: every received sample goes to a recording while it runs.
//!
//! A thread writes the file. Samples that the disk does not take in time are left out, noted and filled with zeros, to
//! keep the sample numbers; a disk that takes nothing any more ends the recording and not the radio.

use super::{Description, Radio, RadioError, Receive, Received, Streams, too_few};
use crate::Sample;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use sidelink_phy::units::Antennas;
use sidelink_recordings::sigmf::Annotation;
use sidelink_recordings::{Error, Summary, UtcMicros, Writer, WriterOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Samples of an antenna in a block on its way to the file.
const BLOCK: usize = 16 * 1024;
/// Capacity of the queue to the disk, in seconds of samples.
const QUEUE_SECONDS: f64 = 1.0;
/// A longer gap is not filled with zeros: the recording ends.
const LONGEST_GAP_SECONDS: f64 = 60.0;
/// Capacity of the queue of annotations; further ones are left out.
const ANNOTATIONS: usize = 16 * 1024;
/// Longest wait for the last annotations after the radio has ended.
const LAST_ANNOTATIONS: Duration = Duration::from_secs(2);

/// State of a recording.
#[derive(Debug, Default)]
pub struct RecordingState {
    written: AtomicU64,
    lost: AtomicU64,
    ended: AtomicBool,
}

impl RecordingState {
    /// Returns the samples in the file.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Returns the samples that the disk did not take in time, or that the radio lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Whether the recording has ended, by itself or with the radio.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
}

/// A radio whose received samples are recorded.
pub struct Recorded {
    radio: Box<dyn Radio>,
    writer: Writer,
    state: Arc<RecordingState>,
    annotations: Option<Receiver<Annotation>>,
}

/// Adds annotations to a recording while it is made. The recording is complete when its annotators are dropped.
#[derive(Clone, Debug)]
pub struct Annotator(Sender<Annotation>);

impl Annotator {
    /// Adds an annotation, whose samples are numbered as those of the radio. Never blocks: if the disk is too slow, the
    /// annotation is dropped.
    pub fn add(&self, annotation: Annotation) {
        let _ = self.0.try_send(annotation);
    }
}

impl Recorded {
    /// Records what `radio` receives, with all antennas, to `path`. Rate, frequency, channels and radio are filled in; the rest is from `options`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(radio: Box<dyn Radio>, path: &Path, mut options: WriterOptions) -> Result<Self, RadioError> {
        let description = radio.description();
        options.rate = description.rate;
        options.frequency = Some(description.frequency);
        options.channels = description.antennas.count();
        options.hw.get_or_insert_with(|| description.name.clone());
        if options.start.is_none() {
            options.start = host_micros();
        }
        let writer = Writer::create(path, options)
            .map_err(|e| RadioError::unusable(format!("cannot record: {e}"), "name another file"))?;
        Ok(Self { radio, writer, state: Arc::default(), annotations: None })
    }

    /// Returns an annotator. Drop it and its clones before you wait for the receiving end of the radio.
    pub fn annotator(&mut self) -> Annotator {
        let (annotator, annotations) = bounded(ANNOTATIONS);
        self.annotations = Some(annotations);
        Annotator(annotator)
    }

    /// Returns the state of the recording, also while the radio runs.
    pub fn state(&self) -> Arc<RecordingState> {
        Arc::clone(&self.state)
    }
}

impl Radio for Recorded {
    fn description(&self) -> &Description {
        self.radio.description()
    }

    fn start(self: Box<Self>) -> Result<Streams, RadioError> {
        let Self { radio, mut writer, state, annotations } = *self;
        let (rate, antennas) = (radio.description().rate, radio.description().antennas.count());
        let streams = radio.start()?;
        // the time of sample 0; the file begins with the first received sample
        let anchor = streams.anchor.map(|anchor| (anchor.utc_ns / 1000).max(0) as u64);
        if let Some(start) = anchor.map(UtcMicros).or_else(host_micros) {
            writer.set_start(start);
        }
        let blocks = ((rate * QUEUE_SECONDS / BLOCK as f64).ceil() as usize).max(4);
        let (to_file, from_radio) = bounded(blocks);
        let (back, empty) = bounded(blocks);
        for _ in 0..blocks {
            let _ = back.send(Block { first: 0, samples: Vec::with_capacity(BLOCK * antennas) });
        }
        let longest_gap = (rate * LONGEST_GAP_SECONDS) as u64;
        let thread = std::thread::Builder::new().name("recorder".into()).spawn({
            let state = Arc::clone(&state);
            move || {
                let blocks = (&from_radio, &back);
                let clock = anchor.map(|anchor| (anchor, rate));
                match write(writer, blocks, annotations, &state, (longest_gap, clock)) {
                    Ok(summary) => warn_of_losses(&summary),
                    Err(why) => tracing::warn!("the recording has ended, the radio goes on: {why}"),
                }
                state.ended.store(true, Relaxed);
            }
        });
        let thread = thread.map_err(|e| RadioError::Lost(format!("no thread for the recorder: {e}")))?;
        let receive = Tap {
            antennas,
            received: vec![Vec::new(); antennas],
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
    /// Of all antennas in turn.
    samples: Vec<Sample>,
}

/// Returns UTC of this computer.
fn host_micros() -> Option<UtcMicros> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok().map(UtcMicros)
}

/// Warns of samples beyond full scale, which were clipped.
fn warn_of_losses(summary: &Summary) {
    let name = summary.files.first().map_or_else(String::new, |file| file.display().to_string());
    if summary.clipped > 0 {
        let remedy = "less gain, or record cf32";
        tracing::warn!(
            "{name}: {} components were beyond full scale and are clipped: {remedy}",
            summary.clipped
        );
    }
}

/// Body of the thread: writes blocks and annotations into the file until there are no more. `limits`: the longest gap,
/// and UTC in microseconds of sample 0 with the rate.
fn write(
    mut writer: Writer,
    (from_radio, back): (&Receiver<Block>, &Sender<Block>),
    annotations: Option<Receiver<Annotation>>,
    state: &RecordingState,
    (longest_gap, clock): (u64, Option<(u64, f64)>),
) -> Result<Summary, Error> {
    // The number of the file's first sample.
    let mut origin = None;
    for mut block in from_radio {
        if origin.is_none()
            && let Some((anchor, rate)) = clock
        {
            writer.set_start(UtcMicros(anchor.saturating_add((block.first as f64 / rate * 1e6) as u64)));
        }
        let origin = *origin.get_or_insert(block.first);
        let at = block.first.wrapping_sub(origin);
        let position = writer.position();
        if at != position {
            // Its clock was set back, or it lost more than can be filled: the samples that follow are written where
            // they came.
            let gap = at.checked_sub(position).filter(|&gap| gap <= longest_gap);
            state.lost.fetch_add(gap.unwrap_or(0), Relaxed);
            fill(&mut writer, gap)?;
        }
        writer.write(&block.samples)?;
        state.written.store(writer.position(), Relaxed);
        block.samples.clear();
        // There is room: as many come back as went out.
        let _ = back.try_send(block);
        for annotation in annotations.iter().flat_map(Receiver::try_iter) {
            annotate(&mut writer, annotation, origin)?;
        }
    }
    // Annotators lag behind the radio: the last annotations come after the last samples.
    while let Some(annotations) = &annotations {
        match annotations.recv_timeout(LAST_ANNOTATIONS) {
            Ok(annotation) => annotate(&mut writer, annotation, origin.unwrap_or(0))?,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    writer.finish()
}

/// Notes a gap of so many samples and fills it with zeros, or notes that the numbers jumped (`None`).
fn fill(writer: &mut Writer, gap: Option<u64>) -> Result<(), Error> {
    const SILENCE: [Sample; 1024] = [Sample { re: 0.0, im: 0.0 }; 1024];
    let (label, comment) = match gap {
        Some(gap) => ("samples lost", Some(format!("{gap} samples lost"))),
        None => ("sample numbers jumped", None),
    };
    writer.annotate(Annotation {
        sample_start: writer.position(),
        sample_count: gap,
        label: Some(label.to_owned()),
        comment,
        ..Annotation::default()
    })?;
    let antennas = writer.channels();
    let mut missing = gap.unwrap_or(0);
    while missing > 0 {
        let length = missing.min((SILENCE.len() / antennas) as u64);
        writer.write(&SILENCE[..length as usize * antennas])?;
        missing -= length;
    }
    Ok(())
}

/// Adds an annotation with the radio's sample numbers; one outside the file is left out.
fn annotate(writer: &mut Writer, mut annotation: Annotation, origin: u64) -> Result<(), Error> {
    match annotation.sample_start.checked_sub(origin) {
        Some(start) if start < writer.position() => {
            annotation.sample_start = start;
            let rest = writer.position() - start;
            annotation.sample_count = annotation.sample_count.map(|count| count.min(rest));
            writer.annotate(annotation)
        }
        _ => Ok(()),
    }
}

/// A receiving end that passes its samples on, those of all antennas.
struct Tap {
    antennas: usize,
    /// Samples of antennas that are not taken.
    received: Vec<Vec<Sample>>,
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
        self.receive_antennas(&mut [into], patience)
    }

    fn antennas(&self) -> Antennas {
        self.receive.antennas()
    }

    fn receive_antennas(
        &mut self,
        into: &mut [&mut [Sample]],
        patience: Duration,
    ) -> Result<Received, RadioError> {
        let (length, taken) = (into.first().map_or(0, |first| first.len()), into.len());
        if taken > self.antennas {
            return Err(too_few(taken, self.antennas()));
        }
        let mut received = std::mem::take(&mut self.received);
        let mut all: [&mut [Sample]; Antennas::MAX] = Default::default();
        for (all, unused) in all.iter_mut().zip(&mut received).skip(taken) {
            unused.resize(length.max(unused.len()), Sample::default());
            *all = &mut unused[..length];
        }
        for (all, into) in all.iter_mut().zip(into) {
            *all = &mut **into;
        }
        let all = &mut all[..self.antennas];
        let got = self.receive.receive_antennas(all, patience);
        if let Ok(got) = &got {
            self.keep(got.first, got.count, all);
        }
        self.received = received;
        got
    }
}

impl Tap {
    /// Keeps the first `count` samples of every antenna; the first has number `first`.
    fn keep(&mut self, first: u64, count: usize, antennas: &[&mut [Sample]]) {
        let (mut at, mut done, turns) = (first, 0, self.antennas);
        while done < count && self.to_file.is_some() {
            // Blocks have no gaps within.
            let end = |b: &Block| b.first.wrapping_add((b.samples.len() / turns) as u64);
            if self.block.as_ref().is_some_and(|b| end(b) != at) {
                self.send();
            }
            let fresh = || Some(Block { first: at, ..self.empty.try_recv().ok()? });
            let Some(mut block) = self.block.take().or_else(fresh) else {
                // The disk is too slow: the number of the next block shows what is missing.
                return;
            };
            let length = (count - done).min(BLOCK - block.samples.len() / turns);
            match antennas {
                [one] => block.samples.extend_from_slice(&one[done..done + length]),
                all => {
                    let turn = |n| all.iter().map(move |antenna| antenna[n]);
                    block.samples.extend((done..done + length).flat_map(turn));
                }
            }
            let full = block.samples.len() == BLOCK * turns;
            self.block = Some(block);
            if full {
                self.send();
            }
            (at, done) = (at.wrapping_add(length as u64), done + length);
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
