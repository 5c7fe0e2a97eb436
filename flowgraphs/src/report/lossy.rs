//! A writer that never blocks: a thread writes, and packets that it cannot take in time are left out as a whole.

use crossbeam::channel::{Sender, TrySendError, bounded};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Capacity for pending packets.
const PACKETS: usize = 4096;

/// Longest time for the last packets when everything else has ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// Passes whole buffers to a thread that writes them.
pub(super) struct LossyWriter {
    packets: Option<Sender<Vec<u8>>>,
    pending: Vec<u8>,
    thread: Option<JoinHandle<()>>,
    lost: Arc<AtomicU64>,
}

impl LossyWriter {
    /// Writes to the result of `open`, in a thread of its own: a pipe without a reader does not block other outputs.
    /// `name` is for the message when it can be written no more.
    pub(super) fn new<W: Write>(name: &str, open: impl FnOnce() -> io::Result<W> + Send + 'static) -> Self {
        let (packets, waiting) = bounded::<Vec<u8>>(PACKETS);
        let name = name.to_owned();
        let thread = std::thread::spawn(move || {
            let result = open().and_then(|mut out| {
                for packet in waiting {
                    out.write_all(&packet)?;
                    out.flush()?;
                }
                Ok(())
            });
            if let Err(e) = result {
                tracing::warn!("the output to {name} has ended: {e}");
            }
        });
        let lost = Arc::default();
        Self { packets: Some(packets), pending: Vec::new(), thread: Some(thread), lost }
    }

    /// Returns the number of packets that were left out so far.
    #[cfg(test)]
    fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost)
    }
}

impl Write for LossyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Ends a packet.
    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let packet = std::mem::take(&mut self.pending);
        if let Some(packets) = &self.packets {
            match packets.try_send(packet) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    if self.lost.fetch_add(1, Ordering::Relaxed) == 0 {
                        tracing::warn!("the reader of the capture is too slow: packets are left out");
                    }
                }
                // its thread has reported the reason
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
        Ok(())
    }
}

impl Drop for LossyWriter {
    fn drop(&mut self) {
        let _ = self.flush();
        self.packets = None;
        // a reader that takes nothing does not block the end
        let end = std::time::Instant::now() + PATIENCE;
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && std::time::Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex};

    /// Whether it is open, and the octets that went through.
    type Passage = (Mutex<(bool, Vec<u8>)>, Condvar);

    #[derive(Clone, Default)]
    struct Gate(Arc<Passage>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (mutex, open) = &*self.0;
            let mut state = open.wait_while(mutex.lock().unwrap(), |s| !s.0).unwrap();
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_waits_costs_packets_and_not_time() {
        let gate = Gate::default();
        let shared = gate.clone();
        let mut writer = LossyWriter::new("test", move || Ok(shared));
        let lost = writer.lost();
        for i in 0..PACKETS as u32 + 100 {
            writer.write_all(&i.to_be_bytes()).unwrap();
            writer.flush().unwrap();
        }
        // one may be in the writing thread's hands
        assert!((99..=100).contains(&lost.load(Ordering::Relaxed)), "{}", lost.load(Ordering::Relaxed));
        gate.0.0.lock().unwrap().0 = true;
        gate.0.1.notify_all();
        drop(writer);
        let written = &gate.0.0.lock().unwrap().1;
        assert_eq!(written.len() as u64, 4 * (PACKETS as u64 + 100 - lost.load(Ordering::Relaxed)));
        assert!(written.chunks(4).enumerate().all(|(i, c)| c == (i as u32).to_be_bytes()));
    }
}
