//! Hints of a file's name: our own form (`drive_5.92e9Hz_15.36e6sps.cf32`, `drive_2ch_..` for two channels), and those of other programs.
//!
//! | program | name |
//! |---|---|
//! | gqrx | `gqrx_20260102_030405_5920000000_15360000_fc.raw` |
//! | rtl_433 | `g001_433.92M_250k.cu8` |
//! | SDR#, HDSDR, SDR++ | `SDRSharp_20260102_030405Z_433920000Hz_IQ.wav`, `.._433920kHz_RF.wav` |
//! | GNU Radio, numpy, Universal Radio Hacker | `x.cfile`, `x_fc32.bin`, `x.c64`, `x.complex16s` |

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::SampleFormat;
use crate::UtcMicros;

/// Hints of a file name; each may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NameHints {
    /// The sample format, from the extension or from a part such as `fc32`.
    pub format: Option<SampleFormat>,
    /// The sample rate in samples per second, from a part such as `15.36e6sps` or `15.36Msps`.
    pub rate: Option<f64>,
    /// The centre frequency in hertz, from a part such as `5.92e9Hz` or `5920MHz`.
    pub frequency: Option<f64>,
    /// The number of channels that take turns, from a part such as `2ch`.
    pub channels: Option<usize>,
    /// Start of the recording, from parts such as `20260102_030405Z`.
    pub start: Option<UtcMicros>,
}

/// Reads the name (not the file): parts are separated by `_`, the extension is what follows the last dot.
pub fn hints_of_name(path: &Path) -> NameHints {
    let mut hints = NameHints::default();
    // A part that is not UTF-8 is not a hint.
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else { return hints };
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    hints.format = format_of_extension(extension);
    // A name may lack the extension: then its last dot belongs to a number.
    let known = hints.format.is_some() || OTHER_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str());
    let parts: Vec<&str> = if known { stem } else { &name }.split('_').collect();
    for part in &parts {
        hints.rate = hints.rate.or_else(|| quantity(part, &["sps", "Sps", "SPS"]));
        hints.frequency = hints.frequency.or_else(|| quantity(part, &["Hz", "hz", "HZ"]));
        hints.channels = hints.channels.or_else(|| channels(part));
    }
    hints.format = hints.format.or_else(|| parts.iter().skip(1).rev().find_map(|part| part.parse().ok()));
    match parts[..] {
        ["gqrx", date, time, frequency, rate, "fc"] => {
            hints.format = hints.format.or(Some(SampleFormat::CF32_LE));
            hints.frequency = hints.frequency.or_else(|| positive(frequency));
            hints.rate = hints.rate.or_else(|| positive(rate));
            hints.start = moment(date, time);
        }
        // rtl_433: a frequency in MHz, then a rate in kHz.
        [_, .., frequency, rate] if frequency.ends_with('M') && rate.ends_with('k') => {
            hints.frequency = hints.frequency.or_else(|| quantity(frequency, &[""]));
            hints.rate = hints.rate.or_else(|| quantity(rate, &[""]));
        }
        _ => {}
    }
    // The zone of a time without `Z` is unknown.
    let utc = |pair: &[&str]| moment(pair[0], pair[1].strip_suffix('Z')?);
    hints.start = hints.start.or_else(|| parts.windows(2).find_map(utc));
    hints
}

/// Extensions that do not tell the format.
const OTHER_EXTENSIONS: [&str; 7] = ["bin", "dat", "raw", "iq", "wav", "rf64", "sigmf-data"];

/// `.cf32` and the other names of the formats; `.32cf` and `.cfile` are GNU Radio's complex floats, `.complex..` those of
/// the Universal Radio Hacker.
pub(crate) fn format_of_extension(extension: &str) -> Option<SampleFormat> {
    match extension.to_ascii_lowercase().as_str() {
        "32cf" | "cfile" | "complex" => Some(SampleFormat::CF32_LE),
        "complex16s" => Some(SampleFormat::CI8),
        "complex16u" => Some(SampleFormat::CU8),
        "complex32s" => Some(SampleFormat::CI16_LE),
        other => other.parse().ok(),
    }
}

/// Returns the format by the extension of a name, without other hints.
pub(crate) fn format_of_name(path: &Path) -> Option<SampleFormat> {
    path.extension().and_then(|extension| format_of_extension(&extension.to_string_lossy()))
}

/// Parses a positive number with a unit, which may have one of the prefixes k, M, G.
fn quantity(part: &str, units: &[&str]) -> Option<f64> {
    let number = units.iter().find_map(|unit| part.strip_suffix(unit))?;
    let (number, factor) = match number.as_bytes().last()? {
        b'k' | b'K' => (&number[..number.len() - 1], 1e3),
        b'M' | b'm' => (&number[..number.len() - 1], 1e6),
        b'G' | b'g' => (&number[..number.len() - 1], 1e9),
        _ => (number, 1.0),
    };
    positive(number).map(|value| value * factor)
}

/// Parses the number of channels, such as `2ch`.
fn channels(part: &str) -> Option<usize> {
    let number = part.strip_suffix("ch").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    number.parse().ok().filter(|channels| *channels > 0)
}

fn positive(number: &str) -> Option<f64> {
    let value = number.parse::<f64>().ok()?;
    (value.is_finite() && value > 0.0).then_some(value)
}

/// Parses `20260102` and `030405`, UTC.
fn moment(date: &str, time: &str) -> Option<UtcMicros> {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 6) {
        return None;
    }
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..]
    );
    text.parse().ok()
}

/// Returns the path with a suffix appended (`with_extension` would replace the part behind a dot).
pub(crate) fn appended(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
