//! Radios: timed samples in, timed bursts out. Hardware, a shared virtual air, other programs and files behind one trait.
//!
//! The only time here is the number of a sample on the radio's own clock: sample 0 is the first after [`Radio::start`].
//! What that means in frames and in UTC is decided by whoever drives the radio.
//!
//! ```text
//! number.rs  15.36M, 5.92e9: numbers as people type them
//! open.rs    driver=..,key=value: a radio by its words
//! settings.rs  what a radio is asked for
//! air/       the virtual air: any number of UEs, in one process or several, each pair with its own path
//! file.rs    a recording, replayed; what is sent goes to another
//! zmq.rs     another program, as srsRAN 4G speaks ZMQ (feature `zmq`)                                    zmq/
//! soapy.rs   whatever SoapySDR has a driver for (feature `soapysdr`)                                  soapy/
//! text.rs    TOML with messages for people: the line, the nearest known key
//! utc.rs     when DFN periods begin
//! trial.rs   what a radio achieves: its rate, the delay from sending to hearing
//! record.rs  any radio, with what it receives kept in a recording
//! ```
//!
//! # Errors, sorted by blame
//!
//! [`RadioError`] ends a radio (unplugged, refused, a medium that is gone), or says before the start what an operator
//! asked for that cannot be. What goes wrong in passing is an [`Event`] or a gap in [`Received`]: it is counted, answered
//! and survived.

// Shared memory is in one file that says why: air/memory.rs.
#![deny(unsafe_code)]
#![warn(missing_docs)]
// Radios live by the wall clock, threads and files (ARCHITECTURE.md).
#![allow(clippy::disallowed_methods)]

pub mod air;
pub mod file;
pub mod number;
mod open;
pub mod record;
mod settings;
#[cfg(feature = "soapysdr")]
pub mod soapy;
pub mod text;
pub mod trial;
mod utc;
#[cfg(feature = "zmq")]
mod zmq;

pub use open::{drivers, files_of, open};
pub use settings::{DeviceArgs, RadioSettings};
pub use utc::{T_REF_MS, next_dfn_period};

use std::fmt;
use std::time::Duration;

/// One complex baseband sample.
pub type Sample = num_complex::Complex32;

/// What a radio is.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// For messages: driver and address.
    pub name: String,
    /// Samples a second, of both directions.
    pub rate: f64,
    /// Carrier in Hz.
    pub frequency: f64,
    /// Whether it hears while it sends.
    pub full_duplex: bool,
    /// Whether samples come at the pace of the air. Otherwise everybody waits for everybody, and nobody is ever late.
    pub real_time: bool,
}

/// What is known of absolute time when sample 0 was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Nanoseconds of UTC since 1970.
    pub utc_ns: i64,
    /// How far off that may be, in nanoseconds.
    pub uncertainty_ns: u64,
}

/// How far this computer's clock may be off, where nothing better is known: NTP over the internet.
pub const HOST_UNCERTAINTY_NS: u64 = 50_000_000;

/// A radio that was opened and set up.
pub trait Radio: Send {
    /// What it is.
    fn description(&self) -> &Description;

    /// Start both directions.
    ///
    /// # Errors
    /// The device refuses.
    fn start(self: Box<Self>) -> Result<Streams, RadioError>;
}

/// A radio that runs. The two ends go to two threads.
pub struct Streams {
    /// From the air.
    pub receive: Box<dyn Receive>,
    /// To the air.
    pub transmit: Box<dyn Transmit>,
    /// The time at sample 0, where the radio knows it.
    pub anchor: Option<Anchor>,
}

/// Samples that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Number of the first one. Larger than expected: samples were lost. Smaller: the device's clock was set back.
    pub first: u64,
    /// How many; fewer than asked for at the end of the stream or before a gap; 0 when nothing came in time.
    pub count: usize,
}

/// The receiving end.
pub trait Receive: Send {
    /// Wait for samples, at most for `patience`, and copy them to the start of `into`. Within one call they follow each
    /// other without a gap.
    ///
    /// # Errors
    /// The radio is gone ([`RadioError::Ended`] at the end of a recording).
    fn receive(&mut self, into: &mut [Sample], patience: Duration) -> Result<Received, RadioError>;
}

/// The sending end.
pub trait Transmit: Send {
    /// Send a burst whose first sample leaves the antenna as sample `first`. A burst that is too late is dropped and
    /// told by [`Self::poll_event`].
    ///
    /// # Errors
    /// The radio is gone.
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError>;

    /// Promise to send nothing more before sample `until`. A virtual air in lock-step and ZMQ peers wait for it; call it
    /// once for each subframe, after what the subframe called for was sent.
    ///
    /// # Errors
    /// The radio is gone.
    fn advance(&mut self, until: u64) -> Result<(), RadioError>;

    /// What happened since the last call; `None` when nothing did.
    fn poll_event(&mut self) -> Option<Event>;

    /// What ends a call of [`Self::advance`] that waits for a peer, with [`RadioError::Ended`]; `None` where none waits for
    /// ever.
    fn interrupt(&self) -> Option<Interrupt> {
        None
    }

    /// The sample that is on the air now, where a radio in real time can tell it without asking a device.
    fn now(&self) -> Option<f64> {
        None
    }
}

/// Ends a wait from another thread.
pub type Interrupt = Box<dyn Fn() + Send + Sync>;

/// What a device tells of its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A burst came after its time and was not sent.
    Late {
        /// Its first sample.
        first: u64,
    },
    /// Samples of a burst came too slowly: a hole in it.
    Underflow,
    /// Received samples were not fetched in time and are lost.
    Overflow,
    /// The device's time makes no sense of a burst's.
    TimeError {
        /// The burst's first sample.
        first: u64,
    },
    /// The device's clock was set: sample numbers jumped.
    ClockJump {
        /// By how many samples, forward where positive.
        by: i64,
    },
}

/// Why a radio cannot be used, or no longer.
#[derive(Debug)]
#[non_exhaustive]
pub enum RadioError {
    /// No such device, or one that cannot do what is asked: what, and what to do.
    Unusable {
        /// What was asked of whom, and the device's answer.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// It worked, and does no longer: unplugged, its server or medium gone.
    Lost(String),
    /// The end of what there is to replay, or everybody else has left an air in lock-step.
    Ended,
}

impl RadioError {
    /// An operator's fault with its remedy.
    pub fn unusable(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unusable { what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for RadioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { what, remedy } => write!(f, "{what}: {remedy}"),
            Self::Lost(what) => write!(f, "the radio is gone: {what}"),
            Self::Ended => f.write_str("the radio has nothing more to receive"),
        }
    }
}

impl std::error::Error for RadioError {}
