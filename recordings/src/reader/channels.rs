//! Channels of a recording: how many take turns in the file, and which of them are delivered.
//!
//! ```text
//! file      | a0 | b0 | a1 | b1 | a2 | b2 | ..      a, b: channels, one an antenna of the receiver
//! delivered   [a0, a1, a2, ..]  [b0, b1, b2, ..]    or one of them
//! ```
//!
//! SigMF 1.2.6 (`core:num_channels`): the samples of one number stand side by side, in the order of the channels, and
//! every sample number counts samples of all channels.

#[cfg(test)]
mod tests;

use crate::raw::name::hints_of_name;
use crate::{Error, Sample, SampleFormat, Warning};

use super::OpenOptions;
use super::locate::Located;

/// Largest number of channels that are delivered together: the antennas of a receiver.
pub const MAX_CHANNELS: usize = 4;

/// Largest number of channels in a file.
const MOST_INTERLEAVED: u64 = 256;

/// Samples of all channels that are decoded at once before they are taken apart.
const PIECE: usize = 4096;

/// The channels of a recording that are delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Channels {
    /// The only one: a recording with several is refused.
    #[default]
    Single,
    /// All: up to [`MAX_CHANNELS`].
    All,
    /// One of them, counted from 0.
    One(usize),
}

/// Takes channels apart.
#[derive(Debug)]
pub(super) struct Weave {
    channels: usize,
    /// The first channel that is delivered, and the number of those.
    first: usize,
    delivered: usize,
    /// Samples of all channels, in the order of the file. Empty for a file with one channel.
    mixed: Vec<Sample>,
}

impl Weave {
    fn new(channels: usize, first: usize, delivered: usize) -> Self {
        let room = if channels == 1 { 0 } else { PIECE.next_multiple_of(channels) };
        Self { channels, first, delivered, mixed: vec![Sample::default(); room] }
    }

    pub(super) const fn channels(&self) -> usize {
        self.channels
    }

    pub(super) const fn delivered(&self) -> usize {
        self.delivered
    }

    /// Decodes the samples that are complete in all channels to place `done` of each slice; returns their number.
    pub(super) fn decode(
        &mut self,
        format: SampleFormat,
        bytes: &[u8],
        out: &mut [&mut [Sample]],
        done: usize,
    ) -> usize {
        if let ([one], 1) = (&mut *out, self.channels) {
            return format.decode(bytes, &mut one[done..]);
        }
        let (channels, first) = (self.channels, self.first);
        let mut at = done;
        for piece in bytes.chunks(self.mixed.len() * format.bytes_per_sample()) {
            let whole = format.decode(piece, &mut self.mixed) / channels;
            for (channel, out) in out.iter_mut().enumerate() {
                let turns = self.mixed[..whole * channels].chunks_exact(channels);
                for (sample, turn) in out[at..].iter_mut().zip(turns) {
                    *sample = turn[first + channel];
                }
            }
            at += whole;
        }
        at - done
    }
}

/// Checks what the operator says of channels.
///
/// # Errors
/// [`Error::Argument`] for a number that no file can have.
pub(super) fn check(options: &OpenOptions) -> Result<(), Error> {
    match options.interleaved {
        Some(said) if !(1..=MOST_INTERLEAVED).contains(&(said as u64)) => Err(Error::Argument {
            what: "channels",
            problem: format!("must be 1 to {MOST_INTERLEAVED}, and is {said}"),
        }),
        _ => Ok(()),
    }
}

/// Returns the channels of a file, and those that are delivered: as the operator says, otherwise the metadata or the head
/// of the file, otherwise its name.
///
/// # Errors
/// The file has more than are delivered, or not the one that was chosen.
pub(super) fn of(located: &mut Located, options: &OpenOptions) -> Result<Weave, Error> {
    let (path, refused) = (located.data_path.clone(), |path, what| Err(Error::Unsupported { path, what }));
    let file = match (&located.metadata, &located.wav) {
        (Some(metadata), _) => metadata.global.num_channels,
        (None, Some(wav)) => Some(wav.channels as u64),
        (None, None) => hints_of_name(&path).channels.map(|channels| channels as u64),
    };
    if let (Some(said), Some(file)) = (options.interleaved, file)
        && said as u64 != file
    {
        located.warnings.push(Warning::ChannelsDiffer { said, file });
    }
    let channels = match (options.interleaved, file) {
        (Some(said), _) => said as u64,
        (None, Some(0)) => {
            let place = "global.core:num_channels".to_owned();
            let problem = "must be 1 or more, and is 0".to_owned();
            return Err(Error::Metadata { path: located.meta_path.clone(), place, problem });
        }
        (None, file) => file.unwrap_or(1),
    };
    if channels > MOST_INTERLEAVED {
        let what = format!("has {channels} channels, and at most {MOST_INTERLEAVED} are read: split it");
        return refused(path, what);
    }
    let channels = channels as usize;
    let last = channels - 1;
    match options.channels {
        Channels::One(one) if one <= last => Ok(Weave::new(channels, one, 1)),
        Channels::One(one) => {
            let (has, remedy) = match last {
                0 => ("one channel".to_owned(), "leave --channel out".to_owned()),
                _ => (format!("channels 0 to {last}"), format!("choose one with --channel 0 to {last}")),
            };
            refused(path, format!("has {has}, and channel {one} was chosen: {remedy}"))
        }
        Channels::Single if channels > 1 => refused(
            path,
            format!("has {channels} channels, and one is needed here: choose it with --channel 0 to {last}"),
        ),
        Channels::All if channels > MAX_CHANNELS => refused(
            path,
            format!(
                "has {channels} channels, and at most {MAX_CHANNELS} are received together: choose one with --channel 0 to {last}"
            ),
        ),
        Channels::All | Channels::Single => Ok(Weave::new(channels, 0, channels)),
    }
}
