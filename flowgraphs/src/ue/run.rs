//! A UE in time: threads between a radio and a [`Participant`].
//!
//! ```text
//! radio -> thread "in": fetches, never decodes -> bounded queue of buffers -> thread "ue": Ue::process -> radio
//!            ^                                                                 |
//!            '-------------------- empty buffers come back <-------------------'
//! ```
//!
//! The queue holds what a UE may be behind; when it is full the newest samples are dropped and the UE sees a gap. In
//! lock-step there is one thread, and nothing is ever dropped.

use super::{Budget, Stage};
use crate::Sample;
use crate::radio::{RadioError, Receive, Streams, Transmit};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Buffers between the threads, each of half a subframe.
const BUFFERS: usize = 64;

/// How long to wait for samples before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// How threads run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadOptions {
    /// Processor of the UE's thread.
    pub cpu: Option<usize>,
    /// Ask for real-time priority.
    pub real_time: bool,
}

/// Who takes samples from a radio and sends bursts: a UE, an intruder.
pub trait Participant: Send + 'static {
    /// Name, for messages and threads.
    fn name(&self) -> &str;

    /// Samples of a subframe.
    fn subframe_samples(&self) -> usize;

    /// The sample before which it sends nothing whatever it hears: promised before it listens, or two that both listen first
    /// would wait for each other.
    fn first_promise(&self) -> u64;

    /// As [`Ue::process`](super::Ue::process).
    ///
    /// # Errors
    /// The radio is gone.
    fn process(
        &mut self,
        first: u64,
        samples: &[Sample],
        newest: u64,
        radio: &mut dyn Transmit,
    ) -> Result<(), RadioError>;

    /// Whether its work is over.
    fn is_done(&self) -> bool;

    /// Where times are recorded, if it keeps them.
    fn budget(&mut self) -> Option<&mut Budget>;
}

/// Told of a participant now and then: status, control. Called between subframes; must not wait.
pub trait Observer<P>: Send {
    /// Look at it.
    fn look(&mut self, participant: &mut P);
}

/// A participant that runs.
pub struct Running<P> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(P, Result<(), RadioError>)>,
}

impl<P: Participant> Running<P> {
    /// Start `ue` on a radio that runs.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(
        mut ue: P,
        streams: Streams,
        real_time: bool,
        options: ThreadOptions,
        mut observer: Option<Box<dyn Observer<P>>>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let n = ue.subframe_samples();
        let name = format!("ue {}", ue.name());
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            apply(&options);
            let result = if real_time {
                in_real_time(&mut ue, streams, n, &stopped, &mut observer)
            } else {
                in_lock_step(&mut ue, streams, n, &stopped, &mut observer)
            };
            (ue, result)
        })?;
        Ok(Self { stop, thread })
    }

    /// Whether it has ended by itself.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The flag that ends it.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// End it, and get the UE back with why it ended before it was told to.
    ///
    /// # Errors
    /// The UE's thread has panicked.
    pub fn stop(self) -> std::thread::Result<(P, Result<(), RadioError>)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join()
    }

    /// Wait for its end.
    ///
    /// # Errors
    /// The UE's thread has panicked.
    pub fn join(self) -> std::thread::Result<(P, Result<(), RadioError>)> {
        self.thread.join()
    }
}

fn apply(options: &ThreadOptions) {
    if let Some(cpu) = options.cpu
        && !core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
    {
        tracing::warn!("cannot keep the thread on processor {cpu}");
    }
    if options.real_time
        && let Err(e) = thread_priority::set_current_thread_priority(thread_priority::ThreadPriority::Max)
    {
        tracing::warn!("no real-time priority: {e:?}; run as root or with CAP_SYS_NICE");
    }
}

fn in_lock_step<P: Participant>(
    ue: &mut P,
    streams: Streams,
    n: usize,
    stop: &AtomicBool,
    observer: &mut Option<Box<dyn Observer<P>>>,
) -> Result<(), RadioError> {
    let Streams { mut receive, mut transmit, .. } = streams;
    let mut buffer = vec![Sample::default(); n.div_ceil(2)];
    transmit.advance(ue.first_promise())?;
    while !stop.load(Ordering::Relaxed) && !ue.is_done() {
        let received = match receive.receive(&mut buffer, PATIENCE) {
            Err(RadioError::Ended) => break,
            other => other?,
        };
        if received.count > 0 {
            let newest = received.first + received.count as u64;
            ue.process(received.first, &buffer[..received.count], newest, &mut *transmit)?;
        }
        if let Some(observer) = observer {
            observer.look(ue);
        }
    }
    Ok(())
}

/// Samples on their way.
struct Filled {
    first: u64,
    count: usize,
    samples: Vec<Sample>,
    arrived: Instant,
}

fn in_real_time<P: Participant>(
    ue: &mut P,
    streams: Streams,
    n: usize,
    stop: &Arc<AtomicBool>,
    observer: &mut Option<Box<dyn Observer<P>>>,
) -> Result<(), RadioError> {
    let Streams { receive, mut transmit, .. } = streams;
    let (full, filled) = bounded::<Filled>(BUFFERS);
    let (give_back, empty) = bounded::<Vec<Sample>>(BUFFERS + 2);
    for _ in 0..BUFFERS + 2 {
        let _ = give_back.send(vec![Sample::default(); n.div_ceil(2)]);
    }
    let newest = Arc::new(AtomicU64::new(0));
    let (told, stopped) = (Arc::clone(&newest), Arc::clone(stop));
    transmit.advance(ue.first_promise())?;
    let fetcher = std::thread::Builder::new()
        .name(format!("in {}", ue.name()))
        .spawn(move || fetch(receive, &full, &empty, &told, &stopped))
        .map_err(|e| RadioError::Lost(format!("no thread to receive with: {e}")))?;
    let result = work(ue, &filled, &give_back, &newest, stop, &mut *transmit, observer);
    stop.store(true, Ordering::Relaxed);
    drop(filled);
    let fetched =
        fetcher.join().unwrap_or_else(|_| Err(RadioError::Lost("the receiving thread failed".to_owned())));
    result.and(match fetched {
        Err(RadioError::Ended) => Ok(()),
        other => other,
    })
}

fn fetch(
    mut receive: Box<dyn Receive>,
    full: &Sender<Filled>,
    empty: &Receiver<Vec<Sample>>,
    newest: &AtomicU64,
    stop: &AtomicBool,
) -> Result<(), RadioError> {
    let mut spare: Option<Vec<Sample>> = None;
    while !stop.load(Ordering::Relaxed) {
        // when the UE is too far behind, what comes is fetched and dropped, so that the device does not overflow
        let Some(mut samples) = spare.take().or_else(|| empty.recv_timeout(PATIENCE).ok()) else { continue };
        let received = receive.receive(&mut samples, PATIENCE)?;
        if received.count == 0 {
            spare = Some(samples);
            continue;
        }
        newest.store(received.first + received.count as u64, Ordering::Relaxed);
        let filled =
            Filled { first: received.first, count: received.count, samples, arrived: Instant::now() };
        match full.try_send(filled) {
            Ok(()) => {}
            Err(crossbeam::channel::TrySendError::Full(back)) => spare = Some(back.samples),
            Err(crossbeam::channel::TrySendError::Disconnected(_)) => return Ok(()),
        }
    }
    Ok(())
}

fn work<P: Participant>(
    ue: &mut P,
    filled: &Receiver<Filled>,
    give_back: &Sender<Vec<Sample>>,
    newest: &AtomicU64,
    stop: &AtomicBool,
    transmit: &mut dyn Transmit,
    observer: &mut Option<Box<dyn Observer<P>>>,
) -> Result<(), RadioError> {
    while !stop.load(Ordering::Relaxed) && !ue.is_done() {
        match filled.recv_timeout(PATIENCE) {
            Ok(Filled { first, count, samples, arrived }) => {
                if let Some(budget) = ue.budget() {
                    budget.record(Stage::Samples, arrived.elapsed());
                }
                ue.process(first, &samples[..count], newest.load(Ordering::Relaxed), transmit)?;
                let _ = give_back.send(samples);
            }
            Err(crossbeam::channel::RecvTimeoutError::Timeout) => {}
            Err(crossbeam::channel::RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if let Some(observer) = observer {
            observer.look(ue);
        }
    }
    Ok(())
}
