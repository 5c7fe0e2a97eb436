//! Radios: timed samples in, timed bursts out. Hardware, a shared virtual air, other programs and files behind one trait.
//!
//! The only time here is the number of a sample on the radio's own clock: sample 0 is the first after [`Radio::start`].
//! The driver of the radio maps it to frames and to UTC.
//!
//! ```text
//! number.rs  15.36M, 5.92e9: numbers as people type them
//! open.rs    driver=..,key=value: opens a radio by its device arguments
//! settings.rs  settings of a radio
//! air/       the virtual air: any number of UEs, in one process or several, each pair with its own path
//! file.rs    a recording, replayed; bursts go to another
//! zmq.rs     another program, by the ZMQ protocol of srsRAN 4G (feature `zmq`)                    zmq/
//! soapy.rs   any device with a SoapySDR driver (feature `soapysdr`)                               soapy/
//! text.rs    TOML with messages for people: the line, the nearest known key
//! utc.rs     begin of DFN periods
//! trial.rs   measured performance of a radio: its rate, the delay from sending to receiving
//! record.rs  any radio, with its received samples kept in a recording
//! ```
//!
//! # Errors, sorted by blame
//!
//! [`RadioError`] ends a radio (unplugged, refused, a medium that is gone), or reports before the start a request of
//! the operator that cannot be met. A passing fault is an [`Event`] or a gap in [`Received`]: it is counted and
//! handled, and the radio goes on.

// Shared memory is in one file, with its reasons: air/memory.rs.
#![deny(unsafe_code)]
#![warn(missing_docs)]
// Radios need the wall clock, threads and files (ARCHITECTURE.md).
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

pub use sidelink_phy::units::Antennas;
use std::fmt;
use std::time::Duration;

/// One complex baseband sample.
pub type Sample = num_complex::Complex32;

/// Properties of a radio.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Driver and address, for messages.
    pub name: String,
    /// Samples a second, of both directions.
    pub rate: f64,
    /// Carrier in Hz.
    pub frequency: f64,
    /// Whether it receives while it transmits.
    pub full_duplex: bool,
    /// Receive antennas, whose samples are taken together.
    pub antennas: Antennas,
    /// Whether samples come at the pace of the air. Otherwise all ports wait for each other, and no burst is ever late.
    pub real_time: bool,
}

/// Absolute time of sample 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Nanoseconds of UTC since 1970.
    pub utc_ns: i64,
    /// Largest error of it, in nanoseconds.
    pub uncertainty_ns: u64,
}

/// Error of this computer's clock, in nanoseconds, unless a better value is known: NTP over the internet.
pub const HOST_UNCERTAINTY_NS: u64 = 50_000_000;

/// A radio that is open and set up.
pub trait Radio: Send {
    /// Returns its properties.
    fn description(&self) -> &Description;

    /// Starts both directions.
    ///
    /// # Errors
    /// The device refuses.
    fn start(self: Box<Self>) -> Result<Streams, RadioError>;
}

/// A running radio. The two ends go to two threads.
pub struct Streams {
    /// Receiving end.
    pub receive: Box<dyn Receive>,
    /// Transmitting end.
    pub transmit: Box<dyn Transmit>,
    /// The time at sample 0, if the radio knows it.
    pub anchor: Option<Anchor>,
}

/// Received samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Number of the first one. Larger than expected: samples were lost. Smaller: the device's clock was set back.
    pub first: u64,
    /// Number of samples; fewer than requested at the end of the stream or before a gap; 0 when none came in time.
    pub count: usize,
}

/// The receiving end.
pub trait Receive: Send {
    /// Waits for samples of the first antenna, at most for `patience`, and copies them to the start of `into`. Within one call they are
    /// contiguous.
    ///
    /// # Errors
    /// The radio is gone ([`RadioError::Ended`] at the end of a recording).
    fn receive(&mut self, into: &mut [Sample], patience: Duration) -> Result<Received, RadioError>;

    /// Returns the number of antennas.
    fn antennas(&self) -> Antennas {
        Antennas::ONE
    }

    /// Does the same as [`Self::receive`] for the first antennas, as many as there are buffers, all of one length. Losses
    /// are common to all antennas.
    ///
    /// # Errors
    /// The radio is gone, or has fewer antennas.
    fn receive_antennas(
        &mut self,
        into: &mut [&mut [Sample]],
        patience: Duration,
    ) -> Result<Received, RadioError> {
        match into {
            [one] => self.receive(one, patience),
            _ => Err(too_few(into.len(), Antennas::ONE)),
        }
    }
}

/// Returns the error of a radio that has fewer antennas than are asked for.
pub(crate) fn too_few(asked: usize, antennas: Antennas) -> RadioError {
    RadioError::unusable(
        format!("{asked} receive antennas are asked for, and the radio has {antennas}"),
        "ask for fewer",
    )
}

/// Returns the first `count` samples of each buffer, for [`Receive::receive_antennas`]: as many slices as buffers, up to
/// [`Antennas::MAX`], and empty ones behind them.
///
/// # Panics
/// If a buffer is shorter.
pub fn slices(buffers: &mut [Vec<Sample>], count: usize) -> [&mut [Sample]; Antennas::MAX] {
    let mut slices: [&mut [Sample]; Antennas::MAX] = Default::default();
    for (slice, buffer) in slices.iter_mut().zip(buffers) {
        *slice = &mut buffer[..count];
    }
    slices
}

/// A slice of received samples for each antenna, and empty ones behind them.
pub type Views<'a> = [&'a [Sample]; Antennas::MAX];

/// Returns the first `count` samples of each buffer, as [`slices`] does, to read them.
///
/// # Panics
/// If a buffer is shorter.
pub fn views(buffers: &[Vec<Sample>], count: usize) -> Views<'_> {
    let mut views = Views::default();
    views.iter_mut().zip(buffers).for_each(|(view, buffer)| *view = &buffer[..count]);
    views
}

/// The transmitting end.
pub trait Transmit: Send {
    /// Sends a burst whose first sample leaves the antenna as sample `first`. A burst that is too late is dropped and
    /// reported by [`Self::poll_event`].
    ///
    /// # Errors
    /// The radio is gone.
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError>;

    /// Promises to send nothing more before sample `until`. A virtual air in lock-step and ZMQ peers wait for it; call
    /// it once for each subframe, after the bursts of the subframe.
    ///
    /// # Errors
    /// The radio is gone.
    fn advance(&mut self, until: u64) -> Result<(), RadioError>;

    /// Returns the next event; `None` when there is none.
    fn poll_event(&mut self) -> Option<Event>;

    /// Returns a function that ends a call of [`Self::advance`] that waits for a peer, with [`RadioError::Ended`];
    /// `None` if no call waits without a limit.
    fn interrupt(&self) -> Option<Interrupt> {
        None
    }

    /// Returns the sample that is on the air now, if a radio in real time can tell it without asking a device.
    fn now(&self) -> Option<f64> {
        None
    }
}

/// A function that ends a wait from another thread.
pub type Interrupt = Box<dyn Fn() + Send + Sync>;

/// An event of a device's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A burst came after its time and was not sent.
    Late {
        /// Its first sample.
        first: u64,
    },
    /// Samples of a burst came too slowly: the burst has a gap.
    Underflow,
    /// Received samples were not fetched in time and are lost.
    Overflow,
    /// The device cannot place the time of a burst.
    TimeError {
        /// The burst's first sample.
        first: u64,
    },
    /// The device's clock was set: sample numbers jumped.
    ClockJump {
        /// Shift in samples, forward if positive.
        by: i64,
    },
}

/// Reason why a radio cannot be used, or can no longer be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum RadioError {
    /// There is no such device, or it cannot do what was requested.
    Unusable {
        /// The request, the device, and its answer.
        what: String,
        /// Remedy for the operator.
        remedy: String,
    },
    /// The radio worked, and no longer does: unplugged, its server or medium gone.
    Lost(String),
    /// The end of the replay, or all others have left an air in lock-step.
    Ended,
}

impl RadioError {
    /// Makes the error of an operator's fault with its remedy.
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
