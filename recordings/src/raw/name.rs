//! What the name of a raw file says about it, e.g. `drive_5.92e9Hz_15.36e6sps.cf32`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::SampleFormat;

/// What a file name says; each part may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NameHints {
    /// The sample format, from the extension.
    pub format: Option<SampleFormat>,
    /// The sample rate in samples per second, from a part such as `15.36e6sps` or `15.36Msps`.
    pub rate: Option<f64>,
    /// The centre frequency in hertz, from a part such as `5.92e9Hz` or `5920MHz`.
    pub frequency: Option<f64>,
}

/// Reads the name (not the file): parts are separated by `_`, the extension is what follows the last dot.
pub fn hints_of_name(path: &Path) -> NameHints {
    let mut hints = NameHints::default();
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return hints };
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    hints.format = format_of_extension(extension);
    // A name may lack the extension: then its last dot is that of a number.
    let parts = if hints.format.is_some() { stem } else { name };
    for part in parts.split('_') {
        hints.rate = hints.rate.or_else(|| quantity(part, &["sps", "Sps", "SPS"]));
        hints.frequency = hints.frequency.or_else(|| quantity(part, &["Hz", "hz", "HZ"]));
    }
    hints
}

/// `.cf32` and the other names of the formats; `.32cf` and `.cfile` are GNU Radio's complex floats.
fn format_of_extension(extension: &str) -> Option<SampleFormat> {
    match extension.to_ascii_lowercase().as_str() {
        "32cf" | "cfile" => Some(SampleFormat::CF32_LE),
        other => other.parse().ok(),
    }
}

/// A positive number with a unit, which may have one of the prefixes k, M, G.
fn quantity(part: &str, units: &[&str]) -> Option<f64> {
    let number = units.iter().find_map(|unit| part.strip_suffix(unit))?;
    let (number, factor) = match number.as_bytes().last()? {
        b'k' | b'K' => (&number[..number.len() - 1], 1e3),
        b'M' | b'm' => (&number[..number.len() - 1], 1e6),
        b'G' | b'g' => (&number[..number.len() - 1], 1e9),
        _ => (number, 1.0),
    };
    let value = number.parse::<f64>().ok()? * factor;
    (value.is_finite() && value > 0.0).then_some(value)
}

/// The path with a suffix after its last letter (`with_extension` would replace what follows a dot).
pub(crate) fn appended(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
