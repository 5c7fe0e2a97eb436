//! Drives a UE in real time or in lock-step: threads between a radio and a [`Participant`].
//!
//! ```text
//! radio -> thread "in": fetches, never decodes -> bounded queue of buffers -> thread "ue": Ue::process -> radio
//!            ^                                                                 |
//!            '-------------------- empty buffers come back <-------------------'
//! ```
//!
//! The length of the queue limits how far a UE may be behind; when it is full the newest samples are dropped and the UE
//! sees a gap. In lock-step there is one thread, and no sample is ever dropped.

use super::{LatencyStats, Stage};
use crate::Sample;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use sidelink_phy::units::Antennas;
use sidelink_radio::{Interrupt, RadioError, Receive, Streams, Transmit, slices, views};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Buffers between the threads, each of half a subframe.
const BUFFERS: usize = 64;

/// Longest wait for samples before the stop flag is checked again.
const PATIENCE: Duration = Duration::from_millis(100);

/// Options of the threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadOptions {
    /// Processor to which the UE's thread is pinned.
    pub cpu: Option<usize>,
    /// Whether to request real-time priority.
    pub real_time: bool,
    /// Duration after which the participant ends, in wall-clock time or in samples, whichever comes first.
    pub duration: Option<Duration>,
}

/// A program that takes samples from a radio and sends bursts: a UE, an attacker.
pub trait Participant: Send + 'static {
    /// Name, for messages and threads.
    fn name(&self) -> &str;

    /// Samples of a subframe.
    fn subframe_samples(&self) -> usize;

    /// The sample before which the participant sends nothing, whatever it receives. It is promised before the first
    /// reception: otherwise two participants that both receive first would block each other.
    fn first_promise(&self) -> u64;

    /// Processes samples as [`Ue::process`](super::Ue::process) does.
    ///
    /// # Errors
    /// The radio has failed or ended.
    fn process(
        &mut self,
        first: u64,
        samples: &[Sample],
        newest: u64,
        radio: &mut dyn Transmit,
    ) -> Result<(), RadioError>;

    /// Returns the number of antennas whose samples it takes.
    fn antennas(&self) -> Antennas {
        Antennas::ONE
    }

    /// Processes the samples of its antennas, or of the first of them if the radio has fewer.
    ///
    /// # Errors
    /// As [`Self::process`].
    fn process_antennas(
        &mut self,
        first: u64,
        samples: &[&[Sample]],
        newest: u64,
        radio: &mut dyn Transmit,
    ) -> Result<(), RadioError> {
        self.process(first, samples.first().copied().unwrap_or_default(), newest, radio)
    }

    /// Whether its work is over.
    fn is_done(&self) -> bool;

    /// Returns the latency statistics, if the participant keeps them.
    fn latency_stats(&mut self) -> Option<&mut LatencyStats>;
}

/// Looks at a participant regularly, for status and control. It is called between subframes and must not block.
pub trait Observer<P>: Send {
    /// Looks at the participant.
    fn look(&mut self, participant: &mut P);
}

/// A running participant.
pub struct Running<P> {
    end: Arc<End>,
    thread: JoinHandle<(P, Result<(), RadioError>)>,
}

/// Shared state that ends a participant.
struct End {
    stop: Arc<AtomicBool>,
    /// Interrupts calls of the radio that block on a peer.
    interrupt: Option<Interrupt>,
    /// Number of samples after which the participant ends.
    samples: Option<u64>,
}

impl End {
    fn now(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(interrupt) = &self.interrupt {
            interrupt();
        }
    }

    fn is_over(&self, taken: u64) -> bool {
        self.stop.load(Ordering::Relaxed) || self.samples.is_some_and(|samples| taken >= samples)
    }

    /// Ignores the end of the radio if the participant was stopped.
    fn judge(&self, result: Result<(), RadioError>) -> Result<(), RadioError> {
        match result {
            Err(RadioError::Ended) if self.stop.load(Ordering::Relaxed) => Ok(()),
            other => other,
        }
    }
}

impl<P: Participant> Running<P> {
    /// Starts `ue` on a running radio.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(
        mut ue: P,
        streams: Streams,
        real_time: bool,
        options: ThreadOptions,
        mut observer: Option<Box<dyn Observer<P>>>,
    ) -> std::io::Result<Self> {
        let n = ue.subframe_samples();
        let duration = options.duration;
        let end = Arc::new(End {
            stop: Arc::default(),
            interrupt: streams.transmit.interrupt(),
            samples: duration.map(|duration| (duration.as_secs_f64() * 1e3 * n as f64) as u64),
        });
        let (ended, running) = bounded::<()>(0);
        let known = Arc::clone(&end);
        let thread = std::thread::Builder::new().name(format!("ue {}", ue.name())).spawn(move || {
            // Dropped at the end of the thread, however it ends.
            let _ended = ended;
            apply(&options);
            let result = if real_time {
                in_real_time(&mut ue, streams, n, &known, &mut observer)
            } else {
                in_lock_step(&mut ue, streams, n, &known, &mut observer)
            };
            (ue, known.judge(result))
        })?;
        if let Some(duration) = duration {
            let known = Arc::clone(&end);
            std::thread::Builder::new().name("end".to_owned()).spawn(move || {
                if running.recv_timeout(duration) == Err(RecvTimeoutError::Timeout) {
                    known.now();
                }
            })?;
        }
        Ok(Self { end, thread })
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops it, and returns the UE with the error that ended it before, if any.
    ///
    /// # Errors
    /// The UE's thread has panicked.
    pub fn stop(self) -> std::thread::Result<(P, Result<(), RadioError>)> {
        self.end.now();
        self.thread.join()
    }

    /// Waits for its end.
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
    end: &End,
    observer: &mut Option<Box<dyn Observer<P>>>,
) -> Result<(), RadioError> {
    let Streams { mut receive, mut transmit, .. } = streams;
    let length = n.div_ceil(2);
    let antennas = ue.antennas().count().min(receive.antennas().count());
    let mut buffers = vec![vec![Sample::default(); length]; antennas];
    let mut taken = 0;
    transmit.advance(ue.first_promise())?;
    while !end.is_over(taken) && !ue.is_done() {
        let into = &mut slices(&mut buffers, length)[..antennas];
        let received = match receive.receive_antennas(into, PATIENCE) {
            Err(RadioError::Ended) => break,
            other => other?,
        };
        if received.count > 0 {
            taken += received.count as u64;
            let newest = received.first + received.count as u64;
            let samples = views(&buffers, received.count);
            ue.process_antennas(received.first, &samples[..antennas], newest, &mut *transmit)?;
        }
        if let Some(observer) = observer {
            observer.look(ue);
        }
    }
    Ok(())
}

/// A buffer of received samples.
struct Filled {
    first: u64,
    count: usize,
    samples: Buffers,
    arrived: Instant,
}

/// A buffer for each antenna.
type Buffers = Vec<Vec<Sample>>;

fn in_real_time<P: Participant>(
    ue: &mut P,
    streams: Streams,
    n: usize,
    end: &Arc<End>,
    observer: &mut Option<Box<dyn Observer<P>>>,
) -> Result<(), RadioError> {
    let Streams { receive, mut transmit, .. } = streams;
    let (full, filled) = bounded::<Filled>(BUFFERS);
    let (give_back, empty) = bounded::<Buffers>(BUFFERS + 2);
    let antennas = ue.antennas().count().min(receive.antennas().count());
    for _ in 0..BUFFERS + 2 {
        let _ = give_back.send(vec![vec![Sample::default(); n.div_ceil(2)]; antennas]);
    }
    let newest = Arc::new(AtomicU64::new(0));
    let (told, stopped) = (Arc::clone(&newest), Arc::clone(&end.stop));
    transmit.advance(ue.first_promise())?;
    let fetcher = std::thread::Builder::new()
        .name(format!("in {}", ue.name()))
        .spawn(move || fetch(receive, &full, &empty, &told, &stopped))
        .map_err(|e| RadioError::Lost(format!("no thread to receive with: {e}")))?;
    let queue = Queue { filled: &filled, give_back: &give_back, newest: &newest };
    let result = work(ue, &queue, end, &mut *transmit, observer);
    end.stop.store(true, Ordering::Relaxed);
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
    empty: &Receiver<Buffers>,
    newest: &AtomicU64,
    stop: &AtomicBool,
) -> Result<(), RadioError> {
    let mut spare: Option<Buffers> = None;
    while !stop.load(Ordering::Relaxed) {
        // When the UE is too far behind, samples are fetched and dropped, so that the device does not overflow.
        let Some(mut samples) = spare.take().or_else(|| empty.recv_timeout(PATIENCE).ok()) else { continue };
        let (antennas, length) = (samples.len(), samples.first().map_or(0, Vec::len));
        let received = receive.receive_antennas(&mut slices(&mut samples, length)[..antennas], PATIENCE)?;
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

/// The UE thread's ends of the queue.
struct Queue<'a> {
    filled: &'a Receiver<Filled>,
    give_back: &'a Sender<Buffers>,
    /// The number after the newest sample that the radio delivered.
    newest: &'a AtomicU64,
}

fn work<P: Participant>(
    ue: &mut P,
    queue: &Queue<'_>,
    end: &End,
    transmit: &mut dyn Transmit,
    observer: &mut Option<Box<dyn Observer<P>>>,
) -> Result<(), RadioError> {
    let mut taken = 0;
    while !end.is_over(taken) && !ue.is_done() {
        match queue.filled.recv_timeout(PATIENCE) {
            Ok(Filled { first, count, samples, arrived }) => {
                if let Some(latency_stats) = ue.latency_stats() {
                    latency_stats.record(Stage::Samples, arrived.elapsed());
                }
                taken += count as u64;
                let views = &views(&samples, count)[..samples.len()];
                ue.process_antennas(first, views, queue.newest.load(Ordering::Relaxed), transmit)?;
                let _ = queue.give_back.send(samples);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if let Some(observer) = observer {
            observer.look(ue);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelink_radio::{Event, Received};

    /// A participant that only counts samples.
    struct Counter(u64);

    impl Participant for Counter {
        fn name(&self) -> &str {
            "counter"
        }

        fn subframe_samples(&self) -> usize {
            100
        }

        fn first_promise(&self) -> u64 {
            0
        }

        fn process(
            &mut self,
            _: u64,
            samples: &[Sample],
            _: u64,
            radio: &mut dyn Transmit,
        ) -> Result<(), RadioError> {
            self.0 += samples.len() as u64;
            radio.advance(self.0)
        }

        fn is_done(&self) -> bool {
            false
        }

        fn latency_stats(&mut self) -> Option<&mut LatencyStats> {
            None
        }
    }

    /// A radio that delivers samples as fast as they are taken, or none, or blocks in sending.
    #[derive(Clone, Copy, PartialEq)]
    enum Stub {
        Fast,
        Silent,
        Waits,
    }

    struct StubEnd(Stub, u64, Arc<AtomicBool>);

    impl Receive for StubEnd {
        fn receive(&mut self, into: &mut [Sample], patience: Duration) -> Result<Received, RadioError> {
            if self.0 == Stub::Silent {
                std::thread::sleep(patience.min(Duration::from_millis(5)));
                return Ok(Received { first: self.1, count: 0 });
            }
            let first = self.1;
            self.1 += into.len() as u64;
            Ok(Received { first, count: into.len() })
        }
    }

    impl Transmit for StubEnd {
        fn transmit(&mut self, _: u64, _: &[Sample]) -> Result<(), RadioError> {
            Ok(())
        }

        fn advance(&mut self, until: u64) -> Result<(), RadioError> {
            if self.0 != Stub::Waits || until <= 1000 {
                return Ok(());
            }
            while !self.2.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(RadioError::Ended)
        }

        fn interrupt(&self) -> Option<Interrupt> {
            let interrupted = Arc::clone(&self.2);
            Some(Box::new(move || interrupted.store(true, Ordering::Relaxed)))
        }

        fn poll_event(&mut self) -> Option<Event> {
            None
        }
    }

    fn run(stub: Stub, real_time: bool, duration: Duration) -> u64 {
        let interrupted = Arc::default();
        let streams = Streams {
            receive: Box::new(StubEnd(stub, 0, Arc::clone(&interrupted))),
            transmit: Box::new(StubEnd(stub, 0, interrupted)),
            anchor: None,
        };
        let options = ThreadOptions { duration: Some(duration), ..ThreadOptions::default() };
        let running = Running::start(Counter(0), streams, real_time, options, None).unwrap();
        let (counter, result) = running.join().unwrap();
        result.unwrap();
        counter.0
    }

    #[test]
    fn a_duration_ends_by_the_air_or_by_the_clock_whichever_comes_first() {
        // Ten minutes of air pass at once: 100 samples are one millisecond.
        assert_eq!(run(Stub::Fast, false, Duration::from_secs(600)), 60_000_000);
        for real_time in [false, true] {
            assert_eq!(run(Stub::Silent, real_time, Duration::from_millis(150)), 0);
            assert!((1..=1100).contains(&run(Stub::Waits, real_time, Duration::from_millis(150))));
        }
    }
}
