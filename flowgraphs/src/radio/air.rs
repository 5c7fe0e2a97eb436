//! The virtual air: any number of radios, in one process or in several, each pair with its own path.
//!
//! Ports put what they send into the medium as it is, each in its own time. Who listens mixes for itself: everybody else
//! through the path of the pair, and noise. So the same seed and the same bursts give the same samples, in lock-step and
//! in real time, whatever the threads do ([`mix`]).
//!
//! In lock-step ([`Pace::Free`]) nobody hears a sample before everybody has promised to send nothing more in it
//! ([`crate::radio::Transmit::advance`]). Promise before you listen: two ports that both listen first wait for each other.
//! In real time ([`Pace::Realtime`]) samples come by the wall clock, and what was not sent by then is late.
//!
//! ```text
//! config.rs   [air] and [[air.port]]
//! port.rs     a port as a radio: its two ends, and what they wait for
//! mix.rs      what a port hears
//! medium.rs   what ports share: slots, rings of samples
//! memory.rs   the words that they share it in
//! pace.rs     waiting for a bell and for the clock
//! process.rs  whether the process of a port still lives
//! ```

mod config;
mod medium;
mod memory;
mod mix;
mod pace;
mod port;
mod process;
#[cfg(test)]
mod tests;

pub use config::{AirConfig, Every, Interference, Pace, PathLoss, PortConfig};

use super::{Radio, RadioError};
use crate::config::ConfigError;
use medium::{Medium, MediumError, State, Word};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Release};

/// A medium to which radios attach.
#[derive(Clone)]
pub struct Air {
    medium: Arc<Medium>,
}

impl Air {
    /// An air within this process.
    ///
    /// # Errors
    /// What is wrong in the configuration.
    pub fn new(config: AirConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let medium = Medium::new(config).map_err(|e| {
            ConfigError::new(
                format!("no room for the virtual air: {}", Words(&e)),
                "[air]",
                "lower memory or ports",
            )
        })?;
        Ok(Self { medium: Arc::new(medium) })
    }

    /// An air that other processes can [`Self::open`] by its name, until the last of them leaves it. A medium of that name
    /// whose maker has died is replaced.
    ///
    /// # Errors
    /// A name that cannot be, or is taken; a wrong configuration; no room.
    pub fn create(name: &str, config: AirConfig) -> Result<Self, RadioError> {
        let path = path_of(name)?;
        config
            .check()
            .map_err(|e| RadioError::unusable(e.to_string(), "mend the configuration of the air"))?;
        if Medium::open(&path).is_ok_and(|old| old.is_abandoned()) {
            // Closing it has removed the file.
            tracing::info!("the virtual air {name:?} was abandoned and is made anew");
        }
        let medium = Medium::create(&path, config).map_err(|e| {
            let taken = matches!(&e, MediumError::Io(e) if e.kind() == std::io::ErrorKind::AlreadyExists);
            let remedy = match taken {
                true => {
                    format!("attach to it, take another name, or delete {} if nobody uses it", path.display())
                }
                false => "lower memory or ports of the air".to_owned(),
            };
            RadioError::unusable(format!("cannot make the virtual air {name:?}: {}", Words(&e)), remedy)
        })?;
        Ok(Self { medium: Arc::new(medium) })
    }

    /// An air that another process made.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn open(name: &str) -> Result<Self, RadioError> {
        let path = path_of(name)?;
        let abandoned = || MediumError::Io(std::io::Error::other("all who were in it have died"));
        let medium =
            Medium::open(&path).and_then(|m| if m.is_abandoned() { Err(abandoned()) } else { Ok(m) });
        let medium = medium.map_err(|e| {
            let what = format!("cannot open the virtual air {name:?}: {}", Words(&e));
            RadioError::unusable(what, "start the program that makes it first, with the same name")
        })?;
        Ok(Self { medium: Arc::new(medium) })
    }

    /// What the air is like.
    pub fn config(&self) -> &AirConfig {
        self.medium.config()
    }

    /// A radio in this air. It is there, and waited for, from now on.
    ///
    /// # Errors
    /// A number out of range, a name that is taken, or no room.
    pub fn attach(&self, port: PortConfig) -> Result<Box<dyn Radio>, RadioError> {
        port.check()
            .map_err(|e| RadioError::unusable(e.to_string(), "mend the configuration of the port"))?;
        let slot = self.medium.attach(&port).map_err(|e| {
            let what = format!("port {:?} cannot attach to the virtual air: {}", port.name, Words(&e));
            RadioError::unusable(what, "take another name, or raise ports of the air")
        })?;
        Ok(Box::new(port::Port::new(Arc::clone(&self.medium), slot, port)))
    }

    /// The port that the air's configuration names, or one with everything at its default.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn attach_named(&self, name: &str) -> Result<Box<dyn Radio>, RadioError> {
        self.attach(self.config().port_named(name))
    }

    /// A fault for a port; false if there is none of that name.
    pub fn inject(&self, name: &str, fault: Fault) -> bool {
        let Some(slot) = self.medium.find(name) else { return false };
        match fault {
            Fault::Kill => self.medium.set_state(slot, State::Dropped),
            Fault::ClockJump { by } => {
                self.medium.word(slot, Word::Jump).fetch_add(by as u64, AcqRel);
            }
            Fault::Overflow { samples } => self.medium.word(slot, Word::Overflow).store(samples, Release),
        }
        true
    }
}

/// What can be done to a port, for tests and exercises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is unplugged.
    Kill,
    /// Its clock is set: from its next reception on its sample numbers are others, received and sent.
    ClockJump {
        /// Samples, forward where positive.
        by: i64,
    },
    /// It loses received samples.
    Overflow {
        /// So many.
        samples: u64,
    },
}

/// A medium's error in words.
struct Words<'a>(&'a MediumError);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            MediumError::Io(e) => e.fmt(f),
            MediumError::Foreign => f.write_str("it is no virtual air of this version"),
            MediumError::Full(ports) => write!(f, "it has {ports} ports and all are taken"),
            MediumError::Taken(name) => write!(f, "there is a port {name:?} already"),
            MediumError::TooLong => f.write_str("its configuration is too long"),
        }
    }
}

/// Where a medium of a name lies: in shared memory where the system has it, else among the temporary files.
fn path_of(name: &str) -> Result<PathBuf, RadioError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || !name.chars().all(good) {
        let what = format!("{name:?} cannot name a virtual air");
        return Err(RadioError::unusable(what, "letters, digits, -, _ and dots"));
    }
    let shared = Path::new("/dev/shm");
    let folder = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    Ok(folder.join(format!("sidelink-air-{name}")))
}
