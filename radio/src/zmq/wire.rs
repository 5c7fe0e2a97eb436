//! Octets and samples: blocks of interleaved I and Q, in this computer's byte order, without a header.

use crate::RadioError;
use crate::Sample;
use std::fmt;
use std::str::FromStr;

/// Full scale of `sc16`.
const SC16: f32 = 32767.0;

/// Format of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// Two floats: 8 octets.
    #[default]
    Fc32,
    /// Two 16-bit integers: 4 octets.
    Sc16,
}

/// A word that is not the name of a [`Format`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnknownFormat;

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write fc32 or sc16")
    }
}

/// A block of this many octets, which is not a whole number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameError(pub(super) usize);

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets, not whole samples: is rx_format its tx_format?", self.0)
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fc32" => Ok(Self::Fc32),
            "sc16" => Ok(Self::Sc16),
            _ => Err(UnknownFormat),
        }
    }
}

impl Format {
    /// Returns the octets of a sample.
    pub(super) const fn octets(self) -> usize {
        match self {
            Self::Fc32 => 8,
            Self::Sc16 => 4,
        }
    }

    /// Encodes one block.
    pub(super) fn encode(self, samples: &[Sample]) -> Vec<u8> {
        let mut octets = Vec::with_capacity(samples.len() * self.octets());
        for part in samples.iter().flat_map(|s| [s.re, s.im]) {
            match self {
                Self::Fc32 => octets.extend(part.to_ne_bytes()),
                Self::Sc16 => octets.extend(((part * SC16).round() as i16).to_ne_bytes()),
            }
        }
        octets
    }

    /// Decodes the samples of a block; `None` if its length is not a whole number of them. NaN becomes 0.
    pub(super) fn decode(self, octets: &[u8]) -> Option<Vec<Sample>> {
        let size = self.octets();
        let part = |octets: &[u8]| match self {
            Self::Fc32 => f32::from_ne_bytes(octets.try_into().unwrap_or_default()),
            Self::Sc16 => f32::from(i16::from_ne_bytes(octets.try_into().unwrap_or_default())) / SC16,
        };
        let finite = |x: f32| if x.is_finite() { x } else { 0.0 };
        octets.len().is_multiple_of(size).then(|| {
            let halves = octets.chunks_exact(size).map(|o| o.split_at(size / 2));
            halves.map(|(re, im)| Sample::new(finite(part(re)), finite(part(im)))).collect()
        })
    }
}

/// Completes an address as srsRAN writes it; `*` is every interface. A port alone is one of this computer, unreachable
/// from others.
pub(super) fn address(key: &str, text: &str, example: &str) -> Result<String, RadioError> {
    if text.parse::<u16>().is_ok() {
        return Ok(format!("tcp://127.0.0.1:{text}"));
    }
    let port = text.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':'));
    match port {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(format!("tcp://{}:{port}", if host == "*" { "0.0.0.0" } else { host }))
        }
        _ => Err(RadioError::unusable(
            format!("{key}={text} is no address"),
            format!("write {key}={example}, or a port of this computer alone"),
        )),
    }
}
