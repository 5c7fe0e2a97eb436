//! What the demo's air sounds like to somebody in the middle of it, kept in a file.

use crate::Sample;
use crate::config::{RadioConfig, to_sigmf};
use crate::radio::air::Air;
use crate::radio::record::Recorded;
use crate::radio::{Radio, RadioError};
use sidelink_recordings::{SampleFormat, WriterOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Scale of the file where its samples are integers: peaks of several UEs stay below full scale.
const SCALE: f32 = 0.125;

/// A port that listens while the demo runs.
pub(super) struct Recording {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64, RadioError>>,
}

impl Recording {
    /// Attach the port and make the file. It begins to listen with [`Self::start`].
    pub(super) fn prepare(air: &Air, path: &Path, radio: &RadioConfig) -> anyhow::Result<Recorded> {
        let mut options = WriterOptions::new(air.config().rate.0);
        if path.extension().is_some_and(|e| e == "ci16") {
            options.format = SampleFormat::CI16_LE;
            options.scale = SCALE;
        }
        options.description = Some("sidelink demo: two UEs, one who repeats, one who forges".to_owned());
        options.radio = to_sigmf(radio);
        Ok(Recorded::new(air.attach_named("recorder")?, path, options)?)
    }

    /// Listen for `samples`.
    pub(super) fn start(radio: Recorded, path: &Path, samples: u64) -> anyhow::Result<Self> {
        let streams = Box::new(radio).start()?;
        let mut receive = streams.receive;
        // nobody waits for who promises never to send
        drop(streams.transmit);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(move || {
            let mut buffer = vec![Sample::default(); 4096];
            let mut count = 0;
            while count < samples && !stopped.load(Ordering::Relaxed) {
                match receive.receive(&mut buffer, Duration::from_millis(100)) {
                    Ok(received) => count += received.count as u64,
                    Err(RadioError::Ended) => break,
                    Err(e) => return Err(e),
                }
            }
            Ok(count)
        })?;
        Ok(Self { path: path.to_owned(), stop, thread })
    }

    /// End it, and say what was kept.
    pub(super) fn finish(self, rate: f64) -> anyhow::Result<String> {
        self.stop.store(true, Ordering::Relaxed);
        let result = self.thread.join().map_err(|_| anyhow::anyhow!("the recorder failed; this is a bug"))?;
        Ok(format!("{:.2} s of air in {}", result? as f64 / rate, self.path.display()))
    }
}
