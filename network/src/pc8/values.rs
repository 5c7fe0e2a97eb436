//! Parameters of TS 33.303 Annex E.5.2.2. Numbers are read as those of PC3: signs, leading zeros and blanks around count for
//! nothing.

use core::fmt;
use core::str::FromStr;

use sidelink_security::cipher::Algorithm;
use sidelink_security::keys::{Kd, Pmk, Pruk};
use zeroize::Zeroizing;

use super::Error;
use crate::key_delivery::{PmkId, ServiceId};
use crate::pc3::MAX_HEX_OCTETS;
use crate::pc3::element::Element;
use crate::pc3::fields::{Fields, Lexical, Value};
use crate::pc3::values::{choices, integer};

/// A number of 24 bits as it stands in a document. (Annex E.5.2.2.3 says 167777215 where 24 bits end at 16777215.)
fn number_24(text: &str) -> Option<[u8; 3]> {
    let number = u32::try_from(integer(text)?).ok()?;
    ServiceId::from_number(number).map(|id| id.0)
}

macro_rules! numbers {
    ($($name:ty, $octets:expr, $from:expr;)*) => {$(
        impl Lexical for $name {
            const EXPECTED: &'static str = "an integer, 0 to 16777215";

            fn from_text(text: &str) -> Option<Self> {
                number_24(text).map($from)
            }

            fn to_text(&self) -> String {
                let octets: fn(&Self) -> [u8; 3] = $octets;
                ServiceId(octets(self)).number().to_string()
            }
        }
    )*};
}

/// A UE within a group: Group Member Identity, 24 bits. TS 33.303 §6.2.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub [u8; 3]);

/// A relay service code, Discovery Group ID or Key Type ID: 24 bits. Annex E.5.2.2.13, E.5.2.2.25, E.5.2.2.28.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub [u8; 3]);

/// The same where the schema has an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeNumber(pub Code);

numbers! {
    ServiceId, |id| id.0, ServiceId;
    MemberId, |id| id.0, MemberId;
    CodeNumber, |id| id.0.0, |octets| CodeNumber(Code(octets));
}

impl Lexical for Code {
    const EXPECTED: &'static str = "24 bits, as six hexadecimal digits";

    fn from_text(text: &str) -> Option<Self> {
        let mut octets = [0; 3];
        hex::decode_to_slice(text.trim(), &mut octets).ok()?;
        Some(Self(octets))
    }

    fn to_text(&self) -> String {
        hex::encode_upper(self.0)
    }
}

/// A PGK ID or PSDK ID that a UE has; 0: none. Annex E.5.2.2.4, E.5.2.2.24.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldId(pub u8);

impl Lexical for HeldId {
    const EXPECTED: &'static str = "an integer, 0 to 255";

    fn from_text(text: &str) -> Option<Self> {
        u8::try_from(integer(text)?).ok().map(Self)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

choices! {
    /// Why there are no keys. Annex E.5.2.2.5.
    ErrorCode, "an error code, 1 to 7" {
        /// The UE has not the algorithms that are required.
        Algorithms = 1,
        /// This PKMF has no keys of it.
        NotSupplied = 2,
        /// The UE may not have them.
        NotAuthorised = 3,
        /// The UE wanted them no more.
        Stopped = 4,
        /// The UE may have no PRUK from this PKMF.
        NoPruk = 5,
        /// The PRUK ID or IMSI is unknown.
        UnknownRemoteUe = 6,
        /// The relay may not serve this UE.
        NotServed = 7,
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithms => "the UE lacks the algorithms that are required",
            Self::NotSupplied => "this PKMF has no keys of it",
            Self::NotAuthorised => "the UE may not have its keys",
            Self::Stopped => "the UE wanted it no more",
            Self::NoPruk => "the UE may have no PRUK from this PKMF",
            Self::UnknownRemoteUe => "the PRUK ID or IMSI is unknown",
            Self::NotServed => "the relay may not serve this UE",
        })
    }
}

/// Octets of `xs:hexBinary`, at most [`MAX_HEX_OCTETS`].
fn octets(element: &Element) -> Option<Zeroizing<Vec<u8>>> {
    let text = element.text.trim();
    if !element.children.is_empty() || text.len() > 2 * MAX_HEX_OCTETS {
        return None;
    }
    let mut octets = Zeroizing::new(vec![0; text.len() / 2]);
    hex::decode_to_slice(text, &mut octets).ok()?;
    Some(octets)
}

macro_rules! binaries {
    ($($name:ty: $expected:literal, $from:expr, $octets:expr;)*) => {$(
        impl Value for $name {
            fn read(element: &Element) -> Result<Self, Error> {
                let from: fn(&[u8]) -> Option<Self> = $from;
                octets(element).and_then(|octets| from(&octets)).ok_or(Error::value($expected))
            }

            fn write(&self, to: &mut Element) {
                let octets: fn(&Self) -> &[u8] = $octets;
                to.text = hex::encode_upper(octets(self)).into();
            }
        }
    )*};
}

/// Names a PRUK: 64 bits. Annex E.5.2.2.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrukId(pub [u8; 8]);

/// AUTS. Annex E.5.2.2.17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auts(pub [u8; 14]);

/// GBA push information, at most [`MAX_HEX_OCTETS`]. Annex E.5.2.2.20.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpi(Vec<u8>);

impl Gpi {
    /// From octets; none when there are none, or too many.
    pub fn new(octets: &[u8]) -> Option<Self> {
        (1..=MAX_HEX_OCTETS).contains(&octets.len()).then(|| Self(octets.to_vec()))
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// Another permanent identity of a remote UE. Annex E.5.2.2.21.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherId(pub [u8; 16]);

/// Ciphering that a UE has. Annex E.5.2.2.2: bit 8 is EEA0, bit 1 EEA7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithms([u8; 1]);

impl Algorithms {
    /// Of these.
    pub fn of(algorithms: &[Algorithm]) -> Self {
        Self([algorithms.iter().fold(0, |bits, algorithm| bits | Self::bit(*algorithm))])
    }

    /// Whether it is among them.
    pub const fn has(self, algorithm: Algorithm) -> bool {
        self.0[0] & Self::bit(algorithm) != 0
    }

    const fn bit(algorithm: Algorithm) -> u8 {
        0x80 >> algorithm.id()
    }
}

/// How a group ciphers. Annex E.5.2.2.7: bits 5 to 7; spare bits are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectedAlgorithm([u8; 1]);

impl SelectedAlgorithm {
    /// This one.
    pub const fn new(algorithm: Algorithm) -> Self {
        Self([algorithm.id() << 4])
    }

    /// Which.
    pub fn algorithm(self) -> Algorithm {
        Algorithm::ALL[usize::from(self.0[0] >> 4 & 3)]
    }

    fn from_octet(octet: u8) -> Option<Self> {
        Algorithm::try_from(octet >> 4 & 7).ok().map(Self::new)
    }
}

/// Protection that a UE has for public-safety discovery. Annex E.5.2.2.22: bit 8; spare bits are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryCapabilities([u8; 1]);

impl DiscoveryCapabilities {
    /// Scrambling is not there.
    pub const NO_SCRAMBLING: Self = Self([0]);
    /// Scrambling is there.
    pub const SCRAMBLING: Self = Self([0x80]);
}

/// What protects a discovery. Annex E.5.2.2.26: bits 8, 7 and 6; spare bits are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectionProfile([u8; 1]);

impl ProtectionProfile {
    /// Nothing.
    pub const NONE: Self = Self([0]);
    const SCRAMBLING: u8 = 0x80;
    const INTEGRITY: u8 = 0x40;
    const CONFIDENTIALITY: u8 = 0x20;

    /// With scrambling too.
    #[must_use]
    pub const fn scrambled(self) -> Self {
        Self([self.0[0] | Self::SCRAMBLING])
    }

    /// With a MIC too.
    #[must_use]
    pub const fn with_mic(self) -> Self {
        Self([self.0[0] | Self::INTEGRITY])
    }

    /// With message-specific confidentiality too.
    #[must_use]
    pub const fn confidential(self) -> Self {
        Self([self.0[0] | Self::CONFIDENTIALITY])
    }

    /// Whether a DUSK scrambles.
    pub const fn scrambles(self) -> bool {
        self.0[0] & Self::SCRAMBLING != 0
    }

    /// Whether a DUIK makes a MIC.
    pub const fn has_mic(self) -> bool {
        self.0[0] & Self::INTEGRITY != 0
    }

    /// Whether a DUCK ciphers.
    pub const fn is_confidential(self) -> bool {
        self.0[0] & Self::CONFIDENTIALITY != 0
    }
}

binaries! {
    PmkId: "8 octets", |o| o.try_into().ok().map(PmkId), |s| &s.0;
    Pmk: "a key of 32 octets", |o| Pmk::try_from(o).ok(), |s| s.as_bytes();
    PrukId: "8 octets", |o| o.try_into().ok().map(PrukId), |s| &s.0;
    Pruk: "a key of 32 octets", |o| Pruk::try_from(o).ok(), |s| s.as_bytes();
    Kd: "a key of 32 octets", |o| Kd::try_from(o).ok(), |s| s.as_bytes();
    Auts: "14 octets", |o| o.try_into().ok().map(Auts), |s| &s.0;
    Gpi: "1 to 4096 octets", |o| Gpi::new(o), |s| &s.0;
    OtherId: "16 octets", |o| o.try_into().ok().map(OtherId), |s| &s.0;
    Algorithms: "1 octet", |o| o.try_into().ok().map(Algorithms), |s| &s.0;
    SelectedAlgorithm: "1 octet that names EEA0 to 128-EEA3", |o| match o { [o] => SelectedAlgorithm::from_octet(*o), _ => None }, |s| &s.0;
    DiscoveryCapabilities: "1 octet", |o| match o { [o] => Some(DiscoveryCapabilities([o & 0x80])), _ => None }, |s| &s.0;
    ProtectionProfile: "1 octet", |o| match o { [o] => Some(ProtectionProfile([o & 0xe0])), _ => None }, |s| &s.0;
}

/// A telephone number: country code, national destination code, subscriber number. Annex E.5.2.2.14.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msisdn {
    cc: Digits,
    ndc: Digits,
    sn: Digits,
}

/// A telephone number that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDigits;

impl fmt::Display for NotDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("each part of a telephone number has 1 to 12 digits")
    }
}

impl std::error::Error for NotDigits {}

impl Msisdn {
    /// From the digits of its parts, each 1 to 12.
    ///
    /// # Errors
    /// Other characters, or too many digits.
    pub fn new(cc: &str, ndc: &str, sn: &str) -> Result<Self, NotDigits> {
        let digits = |text| Digits::from_str(text);
        Ok(Self { cc: digits(cc)?, ndc: digits(ndc)?, sn: digits(sn)? })
    }
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}{}{}", self.cc.0, self.ndc.0, self.sn.0)
    }
}

impl Value for Msisdn {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let read = Self { cc: fields.one("CC")?, ndc: fields.one("NDC")?, sn: fields.one("SN")? };
        fields.finish()?;
        Ok(read)
    }

    fn write(&self, to: &mut Element) {
        to.one("CC", &self.cc);
        to.one("NDC", &self.ndc);
        to.one("SN", &self.sn);
    }
}

/// An integer whose digits are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Digits(String);

impl FromStr for Digits {
    type Err = NotDigits;

    fn from_str(text: &str) -> Result<Self, NotDigits> {
        let right = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if right { Ok(Self(text.to_owned())) } else { Err(NotDigits) }
    }
}

impl Lexical for Digits {
    const EXPECTED: &'static str = "1 to 12 digits";

    fn from_text(text: &str) -> Option<Self> {
        Self::from_str(text.trim()).ok()
    }

    fn to_text(&self) -> String {
        self.0.clone()
    }
}
