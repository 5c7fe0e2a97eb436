//! WAV, RF64 and BW64 files of radio programs: I left, Q right (and again for each further antenna), and an `auxi` chunk
//! with time and frequency.
//!
//! Own parser, since samples are read in place: `hound` does not support RF64 and does not tell the place of the
//! samples, `symphonia` decodes to audio buffers, `bwavfile` brings an unmaintained encoding library. Read first: EBU
//! Tech 3306 (RF64); the `auxi` chunk of SpectraVue, as SDR#, HDSDR and SDRuno write it (from memory).
//!
//! ```text
//! | RIFF, RF64 or BW64 | size | WAVE | [ds64: sizes of 64 bits] | fmt : kind, channels, rate, bits | auxi | data ... |
//! ```

#[cfg(test)]
mod tests;

use std::io;

use crate::{SampleFormat, UtcMicros};

/// Content of the chunks of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wav {
    pub(crate) format: SampleFormat,
    /// Pairs of I and Q: half the channels that the file counts.
    pub(crate) channels: usize,
    pub(crate) rate: f64,
    pub(crate) frequency: Option<f64>,
    pub(crate) start: Option<UtcMicros>,
    /// Offset of the samples, and their length, in bytes.
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Announced bytes of samples that are missing.
    pub(crate) missing: u64,
}

/// Reason why a file is not read.
#[derive(Debug)]
pub(crate) enum WavError {
    /// The file is damaged at this byte.
    Broken(u64, String),
    /// The file is intact and of an unsupported kind.
    Unsupported(String),
    Io(io::Error),
}

/// Reads bytes at an offset of the file; fewer at its end.
pub(crate) type ReadAt<'a> = dyn FnMut(u64, &mut [u8]) -> io::Result<usize> + 'a;

/// Bytes of the head of a chunk.
const HEAD: u64 = 8;
/// Limit of the number of chunks.
const MAX_CHUNKS: usize = 1000;
/// A length that is in `ds64`, or that a program which wrote to a pipe did not know.
const ELSEWHERE: u32 = u32::MAX;

/// Whether a file begins like a WAV file.
pub(crate) fn is_wav(start: &[u8]) -> bool {
    let outer = start.get(..4).is_some_and(|id| [b"RIFF", b"RF64", b"BW64"].iter().any(|known| id == *known));
    outer && start.get(8..12) == Some(b"WAVE")
}

/// Parses the chunks of a file of `length` bytes; if its length is unknown, up to its samples.
pub(crate) fn parse(read: &mut ReadAt<'_>, length: u64) -> Result<Wav, WavError> {
    let (mut at, mut long, mut fmt, mut auxi, mut data) = (12, None, None, None, None);
    for _ in 0..MAX_CHUNKS {
        let mut head = [0; HEAD as usize];
        if at >= length || read(at, &mut head).map_err(WavError::Io)? < head.len() {
            break;
        }
        let [a, b, c, d, size @ ..] = head;
        let size = u32::from_le_bytes(size);
        let body = at + HEAD;
        match &[a, b, c, d] {
            b"ds64" => long = u64_at(&chunk::<24>(read, body, size)?, 8),
            b"fmt " => fmt = Some(format(&chunk::<40>(read, body, size)?, at)?),
            b"auxi" => auxi = Some(chunk::<40>(read, body, size)?),
            b"data" => {
                let announced = match (size, long) {
                    (ELSEWHERE, Some(long)) => long,
                    // A program that wrote to a pipe, or was killed, did not fill it in.
                    (0 | ELSEWHERE, _) => u64::MAX,
                    (size, _) => size.into(),
                };
                let present = announced.min(length.saturating_sub(body));
                let missing = if announced == u64::MAX { 0 } else { announced - present };
                data = Some((body, present, missing));
                if missing > 0 || announced == u64::MAX || auxi.is_some() {
                    break;
                }
            }
            _ => {}
        }
        let size = data.filter(|(begin, ..)| *begin == body).map_or(size.into(), |(_, present, _)| present);
        // Chunks begin at even bytes.
        at = body.saturating_add(size).saturating_add(size % 2);
    }
    let (format, channels, rate) =
        fmt.ok_or_else(|| WavError::Broken(12, "no fmt chunk: was the file cut short?".to_owned()))?;
    let missing_data = || WavError::Broken(at, "no data chunk: was the file cut short?".to_owned());
    let (offset, length, missing) = data.ok_or_else(missing_data)?;
    let (start, frequency) = auxi.map_or((None, None), |auxi| auxiliary(&auxi));
    Ok(Wav { format, channels, rate: rate.into(), frequency, start, offset, length, missing })
}

/// Reads the first bytes of a chunk; zeros if it is shorter.
fn chunk<const N: usize>(read: &mut ReadAt<'_>, at: u64, size: u32) -> Result<[u8; N], WavError> {
    let mut bytes = [0; N];
    let want = N.min(size as usize);
    let got = read(at, &mut bytes[..want]).map_err(WavError::Io)?;
    match got == want {
        true => Ok(bytes),
        false => Err(WavError::Broken(at, "the file ends within a chunk: was it cut short?".to_owned())),
    }
}

fn format(fmt: &[u8; 40], at: u64) -> Result<(SampleFormat, usize, u32), WavError> {
    /// The kind is in the first two bytes of the GUID that follows.
    const EXTENSIBLE: u16 = 0xfffe;
    let kind = match u16_at(fmt, 0) {
        EXTENSIBLE => u16_at(fmt, 24),
        kind => kind,
    };
    let (channels, rate, bits) = (u16_at(fmt, 2), u32_at(fmt, 4), u16_at(fmt, 14));
    match channels {
        1 => {
            let what = "is a WAV file with one channel: real samples; a sidelink receiver needs I and Q (two channels)";
            return Err(WavError::Unsupported(what.to_owned()));
        }
        0 => return Err(WavError::Broken(at, "a WAV file without channels".to_owned())),
        odd if odd % 2 == 1 => {
            let what = format!(
                "is a WAV file with {odd} channels: I and Q of each antenna are two, so one is missing"
            );
            return Err(WavError::Unsupported(what));
        }
        _ => {}
    }
    let name = match (kind, bits) {
        (1, 8) => "cu8",
        (1, 16) => "ci16",
        (1, 32) => "ci32",
        (3, 32) => "cf32",
        (3, 64) => "cf64",
        _ => {
            let what = format!(
                "is a WAV file of kind {kind} with {bits} bits, which is not read: convert it, as with `sox IN.wav -e float -b 32 OUT.wav`"
            );
            return Err(WavError::Unsupported(what));
        }
    };
    let format = name.parse().map_err(|_| WavError::Broken(at, "an unknown format".to_owned()))?;
    Ok((format, usize::from(channels / 2), rate))
}

/// Parses start and centre frequency in hertz. A frequency above 4.29 GHz does not fit into the field and is 0, or wrong.
fn auxiliary(auxi: &[u8; 40]) -> (Option<UtcMicros>, Option<f64>) {
    let number = |n: usize| u16_at(auxi, 2 * n);
    // year, month, day of the week, day, hour, minute, second, millisecond
    let text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        number(0),
        number(1),
        number(3),
        number(4),
        number(5),
        number(6),
        number(7)
    );
    let frequency = u32_at(auxi, 32);
    let start: Option<UtcMicros> = text.parse().ok();
    // Other programs write XML into it: then it has no date either.
    let frequency = start.is_some().then_some(frequency).filter(|frequency| *frequency > 0);
    (start, frequency.map(f64::from))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32)
}
