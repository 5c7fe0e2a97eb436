//! Simple parameters of TS 24.334 §12.2.2, in the lexical forms of §12.2.1: integers in their ranges, hexBinary, boolean,
//! dateTime, strings of bounded length.

use core::fmt;
use core::str::FromStr;

use jiff::Timestamp;
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::Mic;
use sidelink_security::keys::{DiscoveryKey, Duck, Duik, Dusk};

use super::Error;
use super::element::Element;
use super::fields::{Lexical, Value};

/// A number that its parameter does not have. The caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange {
    /// Of which parameter.
    pub parameter: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.parameter, self.expected)
    }
}

impl std::error::Error for OutOfRange {}

/// `xs:integer` has signs and leading zeros; spaces around count for nothing.
pub(crate) fn integer(text: &str) -> Option<i64> {
    i64::from_str(text.trim()).ok()
}

macro_rules! integers {
    ($($(#[$doc:meta])* $name:ident: $inner:ty, $range:expr, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// Refused outside of the range.
            pub fn new(value: $inner) -> Result<Self, OutOfRange> {
                let refused = OutOfRange { parameter: stringify!($name), expected: $expected };
                if ($range).contains(&value) { Ok(Self(value)) } else { Err(refused) }
            }

            /// The number.
            pub const fn value(self) -> $inner {
                self.0
            }
        }

        impl Lexical for $name {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                Self::new(<$inner>::try_from(integer(text)?).ok()?).ok()
            }

            fn to_text(&self) -> String {
                self.0.to_string()
            }
        }
    )*};
}

integers! {
    /// Names a transaction within a message. TS 24.334 §12.2.2.1, §12.2.2.28.
    TransactionId: u8, 0..=255, "an integer, 0 to 255";
    /// Names a discovery entry of a UE; 0 in a request is a new one. TS 24.334 §12.2.2.33.
    EntryId: u16, 0..=65535, "an integer, 0 to 65535";
    /// Value of a timer in minutes: T4000, T4002, T4004, T4006, T4007, T4009, T4011, T4013, T4016, T4017. TS 24.334 §12.2.2.7 and others.
    Minutes: u32, 1..=525_600, "an integer, 1 to 525600 (minutes)";
    /// The validity that a UE asks for, in minutes; 0 stops. TS 24.334 §12.2.2.27.
    RequestedTimer: u32, 0..=525_600, "an integer, 0 to 525600 (minutes)";
    /// Most seconds between ProSe clock and discovery slot. TS 24.334 §12.2.2.24.
    MaxOffset: u8, 1..=32, "an integer, 1 to 32 (seconds)";
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident, $expected:literal { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }

        impl Lexical for $name {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                match integer(text)? {
                    $($value => Some(Self::$variant),)*
                    _ => None,
                }
            }

            fn to_text(&self) -> String {
                match self { $(Self::$variant => $value,)* }.to_string()
            }
        }
    )*};
}

pub(crate) use choices;

choices! {
    /// What is asked for. TS 24.334 §12.2.2.2.
    Command, "a command, 1 to 5" {
        /// A code to announce.
        Announce = 1,
        /// Filters to monitor with.
        Monitor = 2,
        /// Model B: a code to ask with.
        Query = 3,
        /// Model B: a code to answer with.
        Response = 4,
        /// Other metadata for what is announced.
        MetadataUpdate = 5,
    }

    /// Why a transaction is refused. TS 24.334 §12.2.2.8.
    Cause, "a cause, 1 to 18" {
        /// The application is not authorised.
        InvalidApplication = 1,
        /// Nobody knows the ProSe Application ID.
        UnknownApplicationId = 2,
        /// The UE is not authorised.
        AuthorisationFailure = 3,
        /// Nobody knows the code.
        UnknownApplicationCode = 4,
        /// The MIC is wrong.
        InvalidMic = 5,
        /// The UTC-based counter is wrong.
        InvalidCounter = 6,
        /// The message is malformed.
        InvalidFormat = 7,
        /// The ProSe Application ID belongs to another country.
        ScopeViolation = 8,
        /// Nobody knows the RPAUID.
        UnknownRpauid = 9,
        /// Nobody knows the discovery entry, or it is of something else.
        UnknownEntry = 10,
        /// None of the targets may be discovered.
        InvalidTarget = 11,
        /// Not authorised for application-controlled extension.
        NoExtension = 12,
        /// Not authorised for announcing on demand.
        NotOnDemand = 13,
        /// The application-level container is missing.
        MissingContainer = 14,
        /// The application-level container is wrong.
        InvalidContainer = 15,
        /// The match event fits no filter of the UE.
        InvalidMatch = 16,
        /// No code of the ProSe Application ID is valid.
        NoValidCode = 17,
        /// The message is for another UE.
        InvalidUe = 18,
    }

    /// TS 24.334 §12.2.2.25.
    DiscoveryType, "a discovery type, 1 or 2" {
        /// Without permission of who is discovered.
        Open = 1,
        /// With permission.
        Restricted = 2,
    }

    /// TS 24.334 §12.2.2.31.
    AnnouncingType, "an announcing type, 0 or 1" {
        /// From now on.
        Normal = 0,
        /// Once somebody monitors.
        OnDemand = 1,
    }

    /// Application-controlled extension. TS 24.334 §12.2.2.38, whose list numbers 0 as reserved.
    Extension, "an ACE enabled indicator, 1 or 2" {
        /// Not used.
        Normal = 1,
        /// Used.
        Enabled = 2,
    }

    /// TS 24.334 §12.2.2.41.
    Model, "a discovery model, 1 or 2" {
        /// Who announces is heard.
        A = 1,
        /// Who asks is answered.
        B = 2,
    }

    /// How messages that the ProSe Function begins reach the UE. TS 24.334 §12.2.2.63.
    TransactionMethod, "a network-initiated transaction method, 1" {
        /// The UE asks, and is answered late.
        LongPolling = 1,
    }

    /// Whether metadata is associated with a target. TS 24.334 §12.2.2.65.
    MetadataIndicator, "a metadata indicator, 0 or 1" {
        /// None.
        Absent = 0,
        /// There is.
        Associated = 1,
    }
}

/// Radio technologies of PC5. TS 24.334 §12.2.2.71.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pc5Technology {
    /// E-UTRA.
    Eutra,
    /// WLAN.
    Wlan,
    /// Both.
    Both,
}

impl Lexical for Pc5Technology {
    const EXPECTED: &'static str = "PC5_tech: an octet with bit 1 or 2 set";

    fn from_text(text: &str) -> Option<Self> {
        // Bits 3 to 8 are spare: ignored (TS 24.334 §12.1A).
        match u8::try_from(integer(text)?).ok()? & 3 {
            1 => Some(Self::Eutra),
            2 => Some(Self::Wlan),
            3 => Some(Self::Both),
            _ => None,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Eutra => "1",
            Self::Wlan => "2",
            Self::Both => "3",
        }
        .to_owned()
    }
}

impl Lexical for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_text(text: &str) -> Option<Self> {
        match text.trim() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

/// `xs:dateTime` with its zone, from 1970 to the end of the 32-bit counter.
impl Lexical for UtcTime {
    const EXPECTED: &'static str = "a dateTime with its zone, from 1970 to 2106";

    fn from_text(text: &str) -> Option<Self> {
        let millis = Timestamp::from_str(text.trim()).ok()?.as_millisecond();
        let millis = u64::try_from(millis).ok()?;
        Some(Self::from_millis(millis)).filter(|_| millis / 1000 <= u64::from(u32::MAX))
    }

    fn to_text(&self) -> String {
        // Clamped as `UtcTime::counter` is: no clock of ours shows later.
        let millis = self.millis().min(u64::from(u32::MAX) * 1000 + 999);
        Timestamp::from_millisecond(millis as i64).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
    }
}

/// An octet string in `xs:hexBinary`.
macro_rules! octets {
    ($($type:ty: $expected:literal, $from:expr, $octets:expr;)*) => {$(
        impl Value for $type {
            fn read(element: &Element) -> Result<Self, Error> {
                let refused = Error::value($expected);
                let text = element.text.trim();
                if !element.children.is_empty() || text.len() > 2 * MAX_HEX_OCTETS {
                    return Err(refused);
                }
                let mut octets = zeroize::Zeroizing::new(vec![0; text.len() / 2]);
                hex::decode_to_slice(text, &mut octets).map_err(|_| refused.clone())?;
                let from: fn(&[u8]) -> Option<Self> = $from;
                from(&octets).ok_or(refused)
            }

            fn write(&self, to: &mut Element) {
                let octets: fn(&Self) -> &[u8] = $octets;
                to.text = hex::encode_upper(octets(self)).into();
            }
        }
    )*};
}

/// Longest octet string: an application-level container. Ours.
pub const MAX_HEX_OCTETS: usize = 4096;

/// A ProSe Application Code: 184 bits. TS 24.334 §12.2.2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationCode(pub [u8; 23]);

/// A ProSe Restricted, Query or Response Code outside of PC5_DISCOVERY and MATCH_REPORT: 64 bits. TS 24.334 §12.2.2.34.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RestrictedCode(pub [u8; 8]);

impl RestrictedCode {
    /// As PC5_DISCOVERY and MATCH_REPORT have it: 184 bits, the last 120 zero. TS 24.334 §12.2.2.34.
    pub fn on_air(self) -> [u8; 23] {
        let mut code = [0; 23];
        code[..8].copy_from_slice(&self.0);
        code
    }

    /// From the form of PC5_DISCOVERY; none where more than 64 bits are set.
    pub fn of_air(code: &[u8; 23]) -> Option<Self> {
        let (short, rest) = code.split_first_chunk()?;
        rest.iter().all(|octet| *octet == 0).then_some(Self(*short))
    }
}

/// Code or mask of a filter, and parts of codes: 1 to 23 octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits(Vec<u8>);

impl Bits {
    /// From octets, 1 to 23.
    pub fn new(octets: &[u8]) -> Result<Self, OutOfRange> {
        let refused = OutOfRange { parameter: "a code or mask", expected: "1 to 23 octets" };
        if (1..=23).contains(&octets.len()) { Ok(Self(octets.to_vec())) } else { Err(refused) }
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// What an application says to its server through the network: at most [`MAX_HEX_OCTETS`]. TS 24.334 §12.2.2.32.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container(Vec<u8>);

impl Container {
    /// From octets, at most [`MAX_HEX_OCTETS`].
    pub fn new(octets: &[u8]) -> Result<Self, OutOfRange> {
        let refused =
            OutOfRange { parameter: "an application-level container", expected: "at most 4096 octets" };
        if octets.len() <= MAX_HEX_OCTETS { Ok(Self(octets.to_vec())) } else { Err(refused) }
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// An octet of PC5_DISCOVERY that says what the message is; reserved values are none. TS 24.334 §12.2.2.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageType(u8);

impl MessageType {
    /// Refused where a part of it is reserved.
    pub const fn new(octet: u8) -> Result<Self, OutOfRange> {
        let discovery = matches!(octet >> 6, 1 | 2);
        let content = matches!(octet >> 2 & 0xf, 0..=2 | 4..=8);
        if discovery && content && matches!(octet & 3, 1 | 2) {
            Ok(Self(octet))
        } else {
            Err(OutOfRange { parameter: "a message type", expected: "one that is not reserved" })
        }
    }

    /// The octet.
    pub const fn value(self) -> u8 {
        self.0
    }
}

octets! {
    [u8; 16]: "16 octets", |o| o.try_into().ok(), |s| s;
    [u8; 23]: "23 octets", |o| o.try_into().ok(), |s| s;
    ApplicationCode: "a code of 23 octets", |o| o.try_into().ok().map(Self), |s| &s.0;
    RestrictedCode: "a code of 8 octets", |o| o.try_into().ok().map(Self), |s| &s.0;
    Bits: "1 to 23 octets", |o| Self::new(o).ok(), |s| &s.0;
    Container: "at most 4096 octets", |o| Self::new(o).ok(), |s| &s.0;
    MessageType: "a message type that is not reserved", |o| <[u8; 1]>::try_from(o).ok().and_then(|o| Self::new(o[0]).ok()), |s| core::slice::from_ref(&s.0);
    Mic: "4 octets", |o| o.try_into().ok().map(Self), |s| &s.0;
    DiscoveryKey: "a key of 16 or 32 octets", |o| Self::try_from(o).ok(), |s| s.as_bytes();
    Dusk: "a key of 16 or 32 octets", |o| Self::try_from(o).ok(), |s| s.as_bytes();
    Duik: "a key of 16 or 32 octets", |o| Self::try_from(o).ok(), |s| s.as_bytes();
    Duck: "a key of 16 or 32 octets", |o| Self::try_from(o).ok(), |s| s.as_bytes();
}

/// As on the air: 32 bits of UTC. TS 24.334 §12.2.2.18.
impl Value for UtcCounter {
    fn read(element: &Element) -> Result<Self, Error> {
        let bits = Bits::read(element).ok().and_then(|bits| bits.0.try_into().ok());
        let octets: [u8; 4] = bits.ok_or(Error::value("4 octets"))?;
        Ok(Self::from_air(u32::from_be_bytes(octets)))
    }

    fn write(&self, to: &mut Element) {
        to.text = hex::encode_upper(self.on_air().to_be_bytes()).into();
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $range:expr, $expected:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Refused when too long, or with control characters other than line feed and tab.
            pub fn new(text: &str) -> Result<Self, OutOfRange> {
                let refused = OutOfRange { parameter: stringify!($name), expected: $expected };
                let said = |c: char| matches!(c, '\n' | '\t') || !c.is_control() && c < '\u{fffe}' || c > '\u{ffff}';
                if ($range).contains(&text.len()) && text.chars().all(said) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(refused)
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Lexical for $name {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                Self::new(text).ok()
            }

            fn to_text(&self) -> String {
                self.0.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

texts! {
    /// What is discovered openly. TS 24.334 §12.2.2.4.
    ApplicationId: 1..=512, "1 to 512 octets of text";
    /// Restricted ProSe Application User ID. TS 24.334 §12.2.2.30.
    Rpauid: 1..=512, "1 to 512 octets of text";
    /// An application in its operating system. TS 24.334 §12.2.2.5.
    OsAppId: 1..=512, "1 to 512 octets of text";
    /// What goes with a ProSe Application ID or RPAUID; its length is nobody's but ours. TS 24.334 §12.2.2.21.
    Metadata: 0..=4096, "at most 4096 octets of text";
}
