//! Layout of samples in a file: bytes <-> [`Sample`].
//!
//! The names are SigMF's `core:datatype` (SigMF 1.2.6, "Sample Formats"): `c`, then the type of I and of Q, then the byte
//! order. Integers are scaled so that full scale is 1.0; unsigned ones have their zero in the middle of the range.

pub(crate) mod judge;
pub(crate) mod name;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::Sample;

/// Layout of one complex sample in a file.
///
/// All complex formats of SigMF can be read; [`SampleFormat::CF32_LE`] and [`SampleFormat::CI16_LE`] can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleFormat {
    component: Component,
    big_endian: bool,
}

/// Layout of the samples of all channels: one of the first channel, one of the second, .., and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) format: SampleFormat,
    /// At least 1.
    pub(crate) channels: usize,
}

impl Layout {
    /// Returns the bytes of one sample of every channel.
    pub(crate) const fn bytes(self) -> usize {
        self.format.bytes_per_sample() * self.channels
    }
}

/// The number that I and Q each are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Component {
    F64,
    F32,
    I32,
    U32,
    I16,
    U16,
    I8,
    U8,
}

impl SampleFormat {
    /// 32-bit floats, little endian: 8 bytes per sample.
    pub const CF32_LE: Self = Self::little(Component::F32);
    /// 16-bit signed integers, little endian: 4 bytes per sample, full scale 32768.
    pub const CI16_LE: Self = Self::little(Component::I16);
    /// 8-bit signed integers: 2 bytes per sample, full scale 128.
    pub const CI8: Self = Self::little(Component::I8);
    /// 8-bit unsigned integers around 128: 2 bytes per sample (RTL-SDR).
    pub const CU8: Self = Self::little(Component::U8);

    /// The names that [`SampleFormat::from_str`] accepts, for messages.
    pub const NAMES: &'static str =
        "cf32, cf64, ci32, ci16, ci8, cu32, cu16, cu8; _le is meant, _be may be added";

    const fn little(component: Component) -> Self {
        Self { component, big_endian: false }
    }

    /// Returns the bytes of one complex sample: 2, 4, 8 or 16.
    pub const fn bytes_per_sample(self) -> usize {
        match self.component {
            Component::F64 => 16,
            Component::F32 | Component::I32 | Component::U32 => 8,
            Component::I16 | Component::U16 => 4,
            Component::I8 | Component::U8 => 2,
        }
    }

    /// Whether a [`crate::Writer`] can write it.
    pub fn is_writable(self) -> bool {
        self == Self::CF32_LE || self == Self::CI16_LE
    }

    /// Returns the name without `_le`: what an operator types.
    pub const fn short_name(self) -> &'static str {
        match (self.component, self.big_endian) {
            (Component::F64, false) => "cf64",
            (Component::F64, true) => "cf64_be",
            (Component::F32, false) => "cf32",
            (Component::F32, true) => "cf32_be",
            (Component::I32, false) => "ci32",
            (Component::I32, true) => "ci32_be",
            (Component::U32, false) => "cu32",
            (Component::U32, true) => "cu32_be",
            (Component::I16, false) => "ci16",
            (Component::I16, true) => "ci16_be",
            (Component::U16, false) => "cu16",
            (Component::U16, true) => "cu16_be",
            (Component::I8, _) => "ci8",
            (Component::U8, _) => "cu8",
        }
    }

    /// Returns the likeliest format with smaller samples of which `bytes` is a whole number.
    pub(crate) fn narrower_that_divides(self, bytes: u64) -> Option<Self> {
        [Self::CF32_LE, Self::CI16_LE, Self::CI8].into_iter().find(|other| {
            other.bytes_per_sample() < self.bytes_per_sample()
                && bytes.is_multiple_of(other.bytes_per_sample() as u64)
        })
    }

    /// Converts bytes to samples, as many as fit into `out` and are complete in `bytes`; returns their number.
    ///
    /// Floats are copied unchanged, also when they are not finite.
    pub fn decode(self, bytes: &[u8], out: &mut [Sample]) -> usize {
        let big = self.big_endian;
        match self.component {
            Component::F64 if big => unpack(bytes, out, |b| f64::from_be_bytes(b) as f32),
            Component::F64 => unpack(bytes, out, |b| f64::from_le_bytes(b) as f32),
            Component::F32 if big => unpack(bytes, out, f32::from_be_bytes),
            Component::F32 => unpack(bytes, out, f32::from_le_bytes),
            Component::I32 if big => unpack(bytes, out, |b| i32::from_be_bytes(b) as f32 / FULL_32),
            Component::I32 => unpack(bytes, out, |b| i32::from_le_bytes(b) as f32 / FULL_32),
            Component::U32 if big => {
                unpack(bytes, out, |b| signed_32(u32::from_be_bytes(b)) as f32 / FULL_32)
            }
            Component::U32 => unpack(bytes, out, |b| signed_32(u32::from_le_bytes(b)) as f32 / FULL_32),
            Component::I16 if big => unpack(bytes, out, |b| f32::from(i16::from_be_bytes(b)) / FULL_16),
            Component::I16 => unpack(bytes, out, |b| f32::from(i16::from_le_bytes(b)) / FULL_16),
            Component::U16 if big => {
                unpack(bytes, out, |b| (f32::from(u16::from_be_bytes(b)) - FULL_16) / FULL_16)
            }
            Component::U16 => unpack(bytes, out, |b| (f32::from(u16::from_le_bytes(b)) - FULL_16) / FULL_16),
            Component::I8 => unpack(bytes, out, |[b]| f32::from(b as i8) / FULL_8),
            Component::U8 => unpack(bytes, out, |[b]| (f32::from(b) - FULL_8) / FULL_8),
        }
    }

    /// Appends `samples` to `out` as bytes, each multiplied by `scale`. Returns `None` for a format that is not
    /// written ([`SampleFormat::is_writable`]).
    ///
    /// A component that is not finite is written as zero; an integer beyond full scale is clipped. Both are counted.
    pub fn encode(self, samples: &[Sample], scale: f32, out: &mut Vec<u8>) -> Option<Losses> {
        let mut losses = Losses::default();
        match self {
            Self::CF32_LE => pack(samples, scale, out, |component: f32| {
                let finite = component.is_finite();
                losses.not_finite += u64::from(!finite);
                (if finite { component } else { 0.0 }).to_le_bytes()
            }),
            Self::CI16_LE => pack(samples, scale, out, |component: f32| {
                let finite = component.is_finite();
                let wanted = component * FULL_16;
                let clipped = wanted.clamp(-FULL_16, FULL_16 - 1.0);
                // Rounds to the nearest: `as` truncates, and unlike `round` this is one instruction everywhere.
                let written = if finite { (clipped + 0.5_f32.copysign(clipped)) as i16 } else { 0 };
                losses.not_finite += u64::from(!finite);
                losses.clipped += u64::from(finite && (wanted - clipped).abs() >= 0.5);
                written.to_le_bytes()
            }),
            _ => return None,
        }
        Some(losses)
    }
}

/// Losses of [`SampleFormat::encode`], in components (I or Q).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Beyond full scale, written as full scale.
    pub clipped: u64,
    /// NaN or infinite, written as zero.
    pub not_finite: u64,
}

const FULL_32: f32 = 2_147_483_648.0;
const FULL_16: f32 = 32_768.0;
const FULL_8: f32 = 128.0;

/// Moves the zero of an unsigned number from the middle of its range to 0.
const fn signed_32(value: u32) -> i32 {
    (value ^ 0x8000_0000) as i32
}

fn unpack<const N: usize>(bytes: &[u8], out: &mut [Sample], value: impl Fn([u8; N]) -> f32) -> usize {
    let (components, _) = bytes.as_chunks::<N>();
    let (pairs, _) = components.as_chunks::<2>();
    for (sample, &[i, q]) in out.iter_mut().zip(pairs) {
        *sample = Sample::new(value(i), value(q));
    }
    pairs.len().min(out.len())
}

fn pack<const N: usize>(
    samples: &[Sample],
    scale: f32,
    out: &mut Vec<u8>,
    mut bytes: impl FnMut(f32) -> [u8; N],
) {
    let start = out.len();
    out.resize(start + 2 * N * samples.len(), 0);
    let (components, _) = out[start..].as_chunks_mut::<N>();
    let (pairs, _) = components.as_chunks_mut::<2>();
    for (pair, sample) in pairs.iter_mut().zip(samples) {
        *pair = [bytes(sample.re * scale), bytes(sample.im * scale)];
    }
}

impl fmt::Display for SampleFormat {
    /// SigMF's `core:datatype`, e.g. `cf32_le`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_byte = matches!(self.component, Component::I8 | Component::U8);
        f.write_str(self.short_name())?;
        if self.big_endian || one_byte { Ok(()) } else { f.write_str("_le") }
    }
}

/// A name that is not that of a complex sample format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFormatError {
    name: String,
}

impl fmt::Display for ParseFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name } = self;
        if matches!(name.as_bytes(), [b'r', b'f' | b'i' | b'u', ..]) {
            write!(f, "{name:?} holds real samples; a sidelink receiver needs complex ones (I and Q)")
        } else {
            write!(f, "{name:?} is no sample format that can be read (one of {})", SampleFormat::NAMES)
        }
    }
}

impl std::error::Error for ParseFormatError {}

impl FromStr for SampleFormat {
    type Err = ParseFormatError;

    /// Parses SigMF's names, with or without `_le`; and of other programs `fc32`, `c64`, `complex64`, `fc64`, `c128`,
    /// `complex128`, `cs32`, `cs16`, `sc16`, `cs8`, `sc8`, `uc8`. Case does not matter.
    fn from_str(name: &str) -> Result<Self, ParseFormatError> {
        let lower = name.trim().to_ascii_lowercase();
        let (stem, big_endian) = match lower.strip_suffix("_be") {
            Some(stem) => (stem, true),
            None => (lower.strip_suffix("_le").unwrap_or(&lower), false),
        };
        let component = match stem {
            "cf64" | "fc64" | "c128" | "complex128" => Component::F64,
            "cf32" | "fc32" | "c64" | "complex64" => Component::F32,
            "ci32" | "cs32" | "sc32" => Component::I32,
            "cu32" => Component::U32,
            "ci16" | "cs16" | "sc16" => Component::I16,
            "cu16" => Component::U16,
            "ci8" | "cs8" | "sc8" => Component::I8,
            "cu8" | "uc8" => Component::U8,
            _ => return Err(ParseFormatError { name: name.to_owned() }),
        };
        let one_byte = matches!(component, Component::I8 | Component::U8);
        Ok(Self { component, big_endian: big_endian && !one_byte })
    }
}
