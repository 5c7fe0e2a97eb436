//! A recording as a radio: it is received at its own pace or as fast as it is read; bursts go to another file.

use super::{Anchor, Description, Event, Radio, RadioError, Receive, Received, Streams, Transmit, too_few};
use crate::Sample;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::units::{Antennas, Bandwidth, CyclicPrefix};
use sidelink_recordings::{
    Channels, Error, Info, OpenOptions, Recording, SampleFormat, Writer, WriterOptions,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Remedy for a recording that cannot be replayed; its own error names the options of commands.
const REMEDY: &str =
    "for --format, --channels and --channel write format=, channels= and channel= behind driver=file";

/// Options of a replay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileRadioOptions {
    /// File for sent bursts; without it they are discarded.
    pub write: Option<PathBuf>,
    /// Replay by the wall clock.
    pub real_time: bool,
    /// Carrier in Hz, if the recording has none.
    pub frequency: f64,
    /// Samples a second, if the recording has no rate.
    pub rate: Option<f64>,
    /// Sample format, if the recording has none.
    pub format: Option<SampleFormat>,
    /// Number of channels, if the recording does not say it.
    pub interleaved: Option<usize>,
    /// The channel that is received, counted from 0; without it all of them.
    pub channel: Option<usize>,
    /// Receive antennas: the first channels; without it all.
    pub antennas: Option<Antennas>,
}

/// A recording as a radio.
pub struct FileRadio {
    description: Description,
    recording: Recording,
    writer: Option<Writer>,
    anchor: Option<Anchor>,
}

impl FileRadio {
    /// Opens a recording.
    ///
    /// # Errors
    /// The recording's error, or that the other file cannot be made.
    pub fn open(path: &Path, options: FileRadioOptions) -> Result<Self, RadioError> {
        let name = path.display();
        let refused = |why: String| {
            let names_options = ["--format", "--channel"].iter().any(|option| why.contains(option));
            let remedy = if names_options { REMEDY } else { "check the recording" };
            RadioError::unusable(format!("cannot replay {name}: {why}"), remedy)
        };
        let open_options = OpenOptions {
            format: options.format,
            interleaved: options.interleaved,
            channels: options.channel.map_or(Channels::All, Channels::One),
            ..OpenOptions::default()
        };
        let recording = Recording::open(path, &open_options).map_err(|e| refused(with_causes(&e)))?;
        let channels = Antennas::new(recording.delivered()).unwrap_or(Antennas::ONE);
        let antennas = options.antennas.unwrap_or(channels);
        if antennas > channels {
            return Err(RadioError::unusable(
                format!("{name} has {}, and {antennas} antennas are asked for", channels_of(channels)),
                format!("ask for {channels}, or take another recording"),
            ));
        }
        for warning in recording.warnings() {
            tracing::warn!("{name}: {warning}");
        }
        let info = recording.info();
        let rate = rate_of(info, options.rate).map_err(|why| refused(why.text(path)))?;
        let frequency = info.frequency.unwrap_or(options.frequency);
        // SigMF has microseconds, and no uncertainty of them.
        let anchor = info.start.and_then(|t| i64::try_from(t.0).ok()?.checked_mul(1000));
        let anchor = anchor.map(|utc_ns| Anchor { utc_ns, uncertainty_ns: 1000 });
        let mut writer_options = WriterOptions::new(rate);
        writer_options.frequency = Some(frequency);
        writer_options.start = info.start;
        writer_options.description = Some(format!("sent during a replay of {name}"));
        let writer = options.write.map(|path| {
            Writer::create(&path, writer_options)
                .map_err(|e| RadioError::unusable(e.to_string(), "name another file for what is sent"))
        });
        Ok(Self {
            description: Description {
                name: format!("replay of {name}"),
                rate,
                frequency,
                full_duplex: true,
                antennas,
                real_time: options.real_time,
            },
            writer: writer.transpose()?,
            recording,
            anchor,
        })
    }
}

/// Returns the words for a number of channels.
fn channels_of(channels: Antennas) -> String {
    if channels == Antennas::ONE { "one channel".to_owned() } else { format!("{channels} channels") }
}

/// Joins an error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Reason why a recording has no sample rate for a replay.
enum BadRate {
    Unknown,
    OutOfRange(f64),
}

impl BadRate {
    fn text(self, path: &Path) -> String {
        let name = path.display();
        match self {
            Self::Unknown => format!(
                "the sample rate is unknown; {name}; give --rate (such as 15.36M) or --prb (such as 50)"
            ),
            Self::OutOfRange(rate) => {
                format!("{rate} samples a second; {name} rate; samples a second, such as 15.36M")
            }
        }
    }
}

/// Returns samples a second: of the recording, or `fallback`, or the standard rate of the recording's bandwidth.
fn rate_of(info: &Info, fallback: Option<f64>) -> Result<f64, BadRate> {
    let standard = || {
        let prbs = info.metadata.as_ref()?.global.radio.prb?;
        let bandwidth = Bandwidth::from_prbs(prbs.into())?;
        Some(Numerology::standard(bandwidth, CyclicPrefix::Normal).sample_rate().0)
    };
    let rate = info.rate.or(fallback).or_else(standard).ok_or(BadRate::Unknown)?;
    if (1e3..=1e9).contains(&rate) { Ok(rate) } else { Err(BadRate::OutOfRange(rate)) }
}

impl Radio for FileRadio {
    fn description(&self) -> &Description {
        &self.description
    }

    fn start(self: Box<Self>) -> Result<Streams, RadioError> {
        let pace = Pace { began: self.description.real_time.then(Instant::now), rate: self.description.rate };
        Ok(Streams {
            receive: Box::new(Replay::new(self.recording, self.description.antennas, pace)),
            transmit: Box::new(Sent { writer: self.writer, pace, event: None, promised: 0 }),
            anchor: self.anchor,
        })
    }
}

#[derive(Clone, Copy)]
struct Pace {
    /// Start of the replay; `None` if it runs as fast as it is read.
    began: Option<Instant>,
    rate: f64,
}

impl Pace {
    /// Returns the time at which a sample is due.
    fn when(self, sample: u64) -> Option<Instant> {
        self.began.map(|began| began + Duration::from_secs_f64(sample as f64 / self.rate))
    }
}

struct Replay {
    recording: Recording,
    antennas: Antennas,
    /// Samples of channels that are not taken.
    unused: Vec<Vec<Sample>>,
    pace: Pace,
    next: u64,
}

impl Replay {
    fn new(recording: Recording, antennas: Antennas, pace: Pace) -> Self {
        let unused = vec![Vec::new(); recording.delivered()];
        Self { recording, antennas, unused, pace, next: 0 }
    }

    /// Reads all channels: the first to `into`.
    fn read(&mut self, into: &mut [&mut [Sample]], length: usize) -> Result<usize, Error> {
        let mut slices: [&mut [Sample]; Antennas::MAX] = Default::default();
        for (slice, unused) in slices.iter_mut().zip(&mut self.unused).skip(into.len()) {
            unused.resize(length.max(unused.len()), Sample::default());
            *slice = &mut unused[..length];
        }
        for (slice, into) in slices.iter_mut().zip(into) {
            *slice = &mut **into;
        }
        let channels = self.recording.delivered();
        self.recording.read_channels(&mut slices[..channels])
    }
}

impl Receive for Replay {
    fn receive(&mut self, into: &mut [Sample], patience: Duration) -> Result<Received, RadioError> {
        self.receive_antennas(&mut [into], patience)
    }

    fn antennas(&self) -> Antennas {
        self.antennas
    }

    fn receive_antennas(
        &mut self,
        into: &mut [&mut [Sample]],
        patience: Duration,
    ) -> Result<Received, RadioError> {
        if into.len() > self.antennas.count() {
            return Err(too_few(into.len(), self.antennas));
        }
        let length = into.first().map_or(0, |first| first.len());
        let first = self.next;
        let now = Instant::now();
        if let Some(when) = self.pace.when(first + length as u64)
            && when > now
        {
            if when - now > patience {
                std::thread::sleep(patience);
                return Ok(Received { first, count: 0 });
            }
            std::thread::sleep(when - now);
        }
        let count = self.read(into, length).map_err(|e| RadioError::Lost(e.to_string()))?;
        if count == 0 && length > 0 {
            return Err(RadioError::Ended);
        }
        self.next += count as u64;
        Ok(Received { first, count })
    }
}

/// The sent bursts, in the order of their time.
struct Sent {
    writer: Option<Writer>,
    pace: Pace,
    event: Option<Event>,
    promised: u64,
}

impl Transmit for Sent {
    fn transmit(&mut self, first: u64, burst: &[Sample]) -> Result<(), RadioError> {
        let late = self.pace.when(first).is_some_and(|when| when < Instant::now());
        if late || first < self.promised || self.writer.as_ref().is_some_and(|w| first < w.position()) {
            self.event = Some(Event::Late { first });
            return Ok(());
        }
        self.fill_up_to(first);
        self.write(burst);
        Ok(())
    }

    fn advance(&mut self, until: u64) -> Result<(), RadioError> {
        self.promised = self.promised.max(until);
        Ok(())
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.event.take()
    }
}

impl Sent {
    fn fill_up_to(&mut self, sample: u64) {
        const SILENCE: [Sample; 1024] = [Sample { re: 0.0, im: 0.0 }; 1024];
        while let Some(writer) = &self.writer
            && writer.position() < sample
        {
            let missing = sample - writer.position();
            self.write(&SILENCE[..missing.min(SILENCE.len() as u64) as usize]);
        }
    }

    /// After a write error the file is closed; the replay goes on.
    fn write(&mut self, samples: &[Sample]) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.write(samples)
        {
            tracing::warn!("what is sent is no longer recorded: {error}");
            self.writer = None;
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.finish()
        {
            tracing::warn!("what was sent could not be kept: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
