//! Recording of the demo's air: the samples that a receiver amid the UEs gets, in a file.

use crate::Sample;
use crate::config::{ConfigError, RadioConfig, to_sigmf};
use sidelink_radio::air::Air;
use sidelink_radio::record::Recorded;
use sidelink_radio::{Radio, RadioError};
use sidelink_recordings::{Container, SampleFormat, WriterOptions};
use sidelink_store::{KeyStore, Keys};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Scale of samples in a file of integers: peaks of several UEs stay below full scale.
const SCALE: f32 = 0.125;

/// Largest magnitude in a file of floats: -3 dBFS.
const PEAK: f32 = 0.708;

/// Returns the path of a recording's keys: `air.keys` for `air.sigmf`, `air.cf32` or `air`.
pub(super) fn keys_of(path: &Path) -> PathBuf {
    let named = Container::of_name(path) != Container::SigmfPair;
    let by_file = path.extension().is_some_and(|e| e == "sigmf-meta" || e == "sigmf-data");
    if named || by_file {
        return path.with_extension("keys");
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".keys");
    name.into()
}

/// Stores the keys of the honest UEs, for receiving only, in a new store beside the recording, which can then be opened
/// later.
///
/// # Errors
/// The store exists or cannot be written.
pub(super) fn keep_keys(path: &Path, keys: &Keys) -> Result<(), ConfigError> {
    let store = keys_of(path);
    if store.exists() {
        let remedy = "move it away, or name another recording";
        let what = "the keys of the recording would go into a file that exists";
        return Err(ConfigError::new(what, store.display().to_string(), remedy));
    }
    Ok(KeyStore::create(&store)?.put(&keys.clone().receive_only())?)
}

/// A port that records while the demo runs, on a thread of its own.
pub(super) struct Recording {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64, RadioError>>,
}

impl Recording {
    /// Attaches the port and makes the file. Recording begins with [`Self::start`].
    pub(super) fn prepare(air: &Air, path: &Path, radio: &RadioConfig) -> anyhow::Result<Recorded> {
        let mut options = WriterOptions::new(air.config().rate.0);
        options.peak = Some(PEAK);
        if path.extension().is_some_and(|e| e == "ci16") {
            options.format = SampleFormat::CI16_LE;
            options.scale = SCALE;
        }
        options.description = Some("sidelink demo: two UEs, one who repeats, one who forges".to_owned());
        options.radio = to_sigmf(radio);
        Ok(Recorded::new(air.attach_named("recorder")?, path, options)?)
    }

    /// Starts to record at most `samples` samples.
    pub(super) fn start(radio: Recorded, path: &Path, samples: u64) -> anyhow::Result<Self> {
        let streams = Box::new(radio).start()?;
        let mut receive = streams.receive;
        // without its transmit end, the port never sends, and the others do not wait for it
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

    /// Ends the recording and returns its description: duration, size, files. `rate` is in samples a second.
    pub(super) fn finish(self, rate: f64) -> anyhow::Result<String> {
        self.stop.store(true, Ordering::Relaxed);
        let result = self.thread.join().map_err(|_| anyhow::anyhow!("the recorder failed; this is a bug"))?;
        let container = Container::of_output(&self.path);
        let sizes = container.files(&self.path).into_iter().filter_map(|file| std::fs::metadata(file).ok());
        let size = sizes.map(|about| about.len()).sum::<u64>();
        let (path, keys) = (self.path.display(), keys_of(&self.path));
        let keys = keys.display();
        Ok(format!(
            "{:.2} s of air, {:.1} MB, in {path}; its keys are in {keys}: `sidelink decode {path} --keys {keys}`",
            result? as f64 / rate,
            size as f64 / 1e6
        ))
    }
}
