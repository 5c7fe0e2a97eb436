//! The virtual air: any number of radios, in one process or in several, with a path of its own for each pair.
//!
//! A port writes its bursts into the medium unchanged, in its own time. Each receiver mixes for itself: all other ports
//! through the path of the pair, and noise. Therefore the same seed and the same bursts give the same samples, in
//! lock-step and in real time, independent of threads ([`mix`]).
//!
//! In lock-step ([`Pace::Free`]) no port receives a sample before all others have promised to send nothing more in it
//! ([`crate::Transmit::advance`]). Promise before you receive: two ports that both receive first block each other. In
//! real time ([`Pace::Realtime`]) samples come by the wall clock, and a burst that was not sent by then is late.
//!
//! ```text
//! config.rs   [air] and [[air.port]]
//! port.rs     a port as a radio: its two ends, and the conditions on which they block
//! mix.rs      the samples that a port receives
//! medium.rs   the shared state of all ports: slots, rings of samples
//! memory.rs   the shared memory words
//! pace.rs     waiting for a doorbell and for the clock
//! process.rs  whether the process of a port is alive
//! ```

mod channel;
mod config;
mod medium;
mod memory;
mod mix;
mod pace;
mod port;
mod process;
#[cfg(test)]
mod tests;

pub use channel::Channel;
pub use config::{AirConfig, Every, Interference, Pace, PathLoss, PortConfig, UnknownPace};

use super::{Radio, RadioError};
use crate::text::TextError;
use medium::{Cell, Medium, MediumError, State};
use memory::Space;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Release};
use std::time::{Duration, Instant};

/// Default timeout of a start that waits for other ports.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A medium to which radios attach.
#[derive(Clone)]
pub struct Air {
    medium: Arc<Medium>,
}

impl Air {
    /// Makes an air within this process.
    ///
    /// # Errors
    /// The first error of the configuration.
    pub fn new(config: AirConfig) -> Result<Self, TextError> {
        config.check()?;
        let medium = Medium::new(config).map_err(|e| {
            TextError::new(
                format!("no room for the virtual air: {}", Words(&e)),
                "[air]",
                "lower memory or ports",
            )
        })?;
        Ok(Self { medium: Arc::new(medium) })
    }

    /// Makes an air that other processes can [`Self::open`] by its name, until the last of them leaves it. Removes
    /// media, of this name and of others, whose processes have all left or died.
    ///
    /// # Errors
    /// The name is invalid or taken, the configuration is wrong, or there is no room.
    pub fn create(name: &str, config: AirConfig) -> Result<Self, RadioError> {
        Self::make(&path_of(name)?, config)?.map_err(|e| cannot("make", name, &e))
    }

    /// Opens an air that another process made.
    ///
    /// # Errors
    /// There is no air of that name.
    pub fn open(name: &str) -> Result<Self, RadioError> {
        Self::find(&path_of(name)?).map_err(|e| cannot("open", name, &e))
    }

    /// Opens the air of a name, or makes it if there is none. Several processes may try at once.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn open_or_create(name: &str, config: &AirConfig) -> Result<Self, RadioError> {
        /// Longest wait for another process that is making the medium.
        const PATIENCE: Duration = Duration::from_secs(1);
        let path = path_of(name)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Self::find(&path) {
                Ok(air) => return Ok(air),
                Err(e) if is_refused(&e) => return Err(cannot("open", name, &e)),
                Err(_) => {}
            }
            match Self::make(&path, config.clone())? {
                Ok(air) => return Ok(air),
                Err(e) if is_taken(&e) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(e) => return Err(cannot("make", name, &e)),
            }
        }
    }

    fn make(path: &Path, config: AirConfig) -> Result<Result<Self, MediumError>, RadioError> {
        config
            .check()
            .map_err(|e| RadioError::unusable(e.to_string(), "mend the configuration of the air"))?;
        remove_abandoned(path);
        Ok(Medium::create(path, config).map(|medium| Self { medium: Arc::new(medium) }))
    }

    fn find(path: &Path) -> Result<Self, MediumError> {
        let medium = Medium::open(path)?;
        if medium.is_abandoned() {
            return Err(MediumError::Io(std::io::Error::other("all who were in it have died")));
        }
        Ok(Self { medium: Arc::new(medium) })
    }

    /// Returns the configuration of the air.
    pub fn config(&self) -> &AirConfig {
        self.medium.config()
    }

    /// Adds a radio to this air. From now on it is present, and the others wait for it. Its start waits up to a minute
    /// for others ([`AirConfig::wait_for`]).
    ///
    /// # Errors
    /// A number out of range, a name that is taken, or no room.
    pub fn attach(&self, port: PortConfig) -> Result<Box<dyn Radio>, RadioError> {
        self.attach_with_patience(port, PATIENCE)
    }

    /// Does the same, with a start that waits for others for at most `patience`.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn attach_with_patience(
        &self,
        port: PortConfig,
        patience: Duration,
    ) -> Result<Box<dyn Radio>, RadioError> {
        port.check()
            .map_err(|e| RadioError::unusable(e.to_string(), "mend the configuration of the port"))?;
        let slot = self.medium.attach(&port).map_err(|e| {
            let what = format!("port {:?} cannot attach to the virtual air: {}", port.name, Words(&e));
            let remedy = match &e {
                MediumError::Taken(name) => {
                    format!("another program has it; take another name, as in -a driver=air,port={name}-2")
                }
                MediumError::NoRoom { .. } => more_room(&e),
                _ => "raise ports of the air".to_owned(),
            };
            RadioError::unusable(what, remedy)
        })?;
        Ok(Box::new(port::Port::new(Arc::clone(&self.medium), slot, port, patience)))
    }

    /// Adds the port of that name from the air's configuration, or one with default settings.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn attach_named(&self, name: &str) -> Result<Box<dyn Radio>, RadioError> {
        self.attach(self.config().port_named(name))
    }

    /// Whether a port of that name is present.
    pub fn has_port(&self, name: &str) -> bool {
        self.medium.find(name).is_some()
    }

    /// Injects a fault at a port; returns `false` if there is none of that name.
    pub fn inject(&self, name: &str, fault: Fault) -> bool {
        let Some(slot) = self.medium.find(name) else { return false };
        match fault {
            Fault::Kill => self.medium.set_state(slot, State::Dropped),
            Fault::ClockJump { by } => {
                self.medium.word(slot, Cell::Jump).fetch_add(by as u64, AcqRel);
            }
            Fault::Overflow { samples } => self.medium.word(slot, Cell::Overflow).store(samples, Release),
        }
        true
    }
}

/// Faults of a port, for tests and exercises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The port is unplugged.
    Kill,
    /// Its clock is set: from the next reception on, its sample numbers are shifted, received and sent ones.
    ClockJump {
        /// Shift in samples, forward if positive.
        by: i64,
    },
    /// It loses received samples.
    Overflow {
        /// Number of lost samples.
        samples: u64,
    },
}

/// Message of a medium's error.
struct Words<'a>(&'a MediumError);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            MediumError::Io(e) => e.fmt(f),
            MediumError::Foreign => f.write_str("it is no virtual air of this version, or is cut off"),
            MediumError::Config(e) => e.fmt(f),
            MediumError::Full(ports) => write!(f, "it has {ports} ports and all are taken"),
            MediumError::Taken(name) => write!(f, "there is a port {name:?} already"),
            MediumError::TooLong => f.write_str("its configuration is too long"),
            MediumError::NoRoom { needed, space } => {
                write!(f, "{} is too small", folder().display())?;
                if let Some(Space { size, free }) = space {
                    write!(f, ": it has {}, of which {} are free,", mib(*size), mib(*free))?;
                }
                write!(f, " and {} are needed", mib(*needed))
            }
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn is_taken(error: &MediumError) -> bool {
    matches!(error, MediumError::Io(e) if e.kind() == std::io::ErrorKind::AlreadyExists)
}

/// Whether the medium exists but must not be used; waiting does not help.
fn is_refused(error: &MediumError) -> bool {
    match error {
        MediumError::Io(e) => e.kind() == std::io::ErrorKind::PermissionDenied,
        MediumError::Config(_) => true,
        _ => false,
    }
}

fn cannot(verb: &str, name: &str, error: &MediumError) -> RadioError {
    let remedy = match error {
        error if is_taken(error) => {
            let path = folder().join(format!("{PREFIX}{name}"));
            format!("attach to it, take another name, or delete {} if nobody uses it", path.display())
        }
        error if is_refused(error) => {
            let path = folder().join(format!("{PREFIX}{name}"));
            format!("take another name (medium=..), or have {} removed by its owner", path.display())
        }
        MediumError::NoRoom { .. } => more_room(error),
        _ if verb == "open" => "start the program that makes it first, with the same name".to_owned(),
        _ => "lower memory or ports of the air".to_owned(),
    };
    RadioError::unusable(format!("cannot {verb} the virtual air {name:?}: {}", Words(error)), remedy)
}

/// Returns the remedy for too little shared memory: it must hold two radios at least.
fn more_room(error: &MediumError) -> String {
    let MediumError::NoRoom { needed, space: Some(space) } = error else {
        return "make room there, or lower memory or ports of the air".to_owned();
    };
    let megabytes = (space.size - space.free + 2 * needed).div_ceil(1 << 20).next_power_of_two();
    let folder = folder();
    let folder = folder.display();
    format!(
        "make it larger (mount -o remount,size={megabytes}M {folder}; docker run --shm-size={megabytes}m), end other programs \
         that use it, or let the air remember less, as in -a driver=air,memory=100 (milliseconds; 200 without)"
    )
}

/// Removes abandoned media, of other names than `path` too.
fn remove_abandoned(path: &Path) {
    let media =
        path.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    for medium in media.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        // Closing it removes the file.
        if let Ok(medium) = Medium::open(&medium.path())
            && medium.is_abandoned()
        {
            tracing::info!("an abandoned virtual air is removed");
        }
    }
}

/// Prefix of the files of media.
const PREFIX: &str = "sidelink-air-";

/// Returns the folder of media: shared memory if the system has it, otherwise that of temporary files.
fn folder() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() }
}

/// Returns the path of the medium of a name.
fn path_of(name: &str) -> Result<PathBuf, RadioError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || !name.chars().all(good) {
        let what = format!("{name:?} cannot name a virtual air");
        return Err(RadioError::unusable(what, "letters, digits, -, _ and dots"));
    }
    Ok(folder().join(format!("{PREFIX}{name}")))
}
