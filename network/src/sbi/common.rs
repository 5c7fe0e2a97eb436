//! Types that interfaces share. TS 29.571 §5, TS 29.503 §6.3.6, TS 29.509 §6.1.6.

use std::fmt;

use base64ct::{Base64, Encoding};
use jiff::Timestamp;
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use sidelink_security::counter::UtcTime;
use zeroize::{Zeroize, Zeroizing};

use super::json::{Faults, Schema, from_text, number, objects, write_text};
use crate::aka::{Auts, Rand};
use crate::bootstrapping_info::date;
use crate::hss::Resynchronisation;
use crate::identity::{Fqdn, Imsi};

/// Strings of a pattern.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $fits:expr, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// From its text, if it fits.
            pub fn new(text: &str) -> Option<Self> {
                let fits: fn(&str) -> bool = $fits;
                fits(text).then(|| Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Schema for $name {
            fn read(json: &RawValue) -> Result<Self, Faults> {
                from_text(json, Self::new, $what)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    )*};
}
/// Characters of a string of any content, at most: the schemas say none, and keys and stores do not take more.
const MOST_CHARACTERS: usize = 255;

/// The pattern `.+`, within our bound.
pub(super) fn is_some_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= MOST_CHARACTERS && !text.contains(['\n', '\r', '\u{2028}', '\u{2029}'])
}

fn is_digits(text: &str, from: usize, to: usize) -> bool {
    (from..=to).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
}

texts! {
    /// A permanent identity of a subscriber.
    Supi, is_some_line, "a SUPI: imsi- and 5 to 15 digits, for example";
    /// A permanent identity, or a concealed one.
    SupiOrSuci, is_some_line, "a SUPI or a SUCI";
    /// A concealed identity.
    Suci, is_some_line, "a SUCI";
    /// A UE, in a path.
    VarUeId, is_some_line, "a SUPI or a GPSI";
    /// Names a CP-PRUK: a NAI. TS 23.003 §28.7.11.
    PrukId5g, is_cp_pruk_id, "rid, 1 to 4 digits, .pid, hexadecimal digits, @prose-cp.5gc.mncMNC.mccMCC.3gppnetwork.org";
    /// Name of a serving network. TS 24.501 §9.12.1.
    ServingNetworkName, is_serving_network, "5G:mncMNC.mccMCC.3gppnetwork.org, three digits each";
    /// A bit mask of features.
    SupportedFeatures, |text| text.bytes().all(|octet| octet.is_ascii_hexdigit()) && text.len() <= MOST_CHARACTERS,
        "hexadecimal digits";
    /// Mobile country code.
    Mcc, |text| is_digits(text, 3, 3), "three digits";
    /// Mobile network code.
    Mnc, |text| is_digits(text, 2, 3), "two or three digits";
    /// Any identifier.
    Name, is_some_line, "a string of 1 to 255 octets on one line";
}

/// `rid`, digits, `.pid`, hexadecimal digits, and the realm.
fn is_cp_pruk_id(text: &str) -> bool {
    let split = || {
        let (rid, rest) = text.strip_prefix("rid")?.split_once(".pid")?;
        let (pid, realm) = rest.split_once("@prose-cp.5gc.mnc")?;
        let (mnc, mcc) = realm.strip_suffix(".3gppnetwork.org")?.split_once(".mcc")?;
        Some((rid, pid, mnc, mcc))
    };
    let fits = |(rid, pid, mnc, mcc): (&str, &str, &str, &str)| {
        is_digits(rid, 1, 4)
            && !pid.is_empty()
            && pid.bytes().all(|octet| octet.is_ascii_hexdigit())
            && is_digits(mnc, 2, 3)
            && is_digits(mcc, 3, 3)
    };
    text.len() <= MOST_CHARACTERS && split().is_some_and(fits)
}

/// Without a NID, and without `5G:NSWO`: neither exists in ProSe here.
fn is_serving_network(text: &str) -> bool {
    let split = || text.strip_prefix("5G:mnc")?.strip_suffix(".3gppnetwork.org")?.split_once(".mcc");
    split().is_some_and(|(mnc, mcc)| is_digits(mnc, 3, 3) && is_digits(mcc, 3, 3))
}

impl Name {
    /// One that is a word of a schema.
    pub(super) fn of(word: &'static str) -> Self {
        Self(word.to_owned())
    }
}

impl Supi {
    /// Of an IMSI.
    pub fn of(imsi: &Imsi) -> Self {
        Self(format!("imsi-{}", imsi.digits()))
    }

    /// The IMSI, if it is one.
    pub fn imsi(&self) -> Option<Imsi> {
        imsi_of(&self.0)
    }
}

impl VarUeId {
    /// The IMSI, if it is one.
    pub fn imsi(&self) -> Option<Imsi> {
        imsi_of(&self.0)
    }
}

fn imsi_of(text: &str) -> Option<Imsi> {
    Imsi::new(text.strip_prefix("imsi-")?).ok()
}

/// Who a SUPI or SUCI stands for, as far as this network can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscriber {
    /// An IMSI, and the routing indicator of a SUCI.
    Imsi(Imsi, Option<String>),
    /// A SUCI under a scheme that is not there.
    Concealed,
    /// Something else.
    Other,
}

impl Subscriber {
    /// Of a SUPI, or a SUCI of an IMSI: `suci-0-MCC-MNC-RI-0-0-MSIN`. TS 29.571 §5.3.2 (`SupiOrSuci`).
    pub fn of(text: &str) -> Self {
        if let Some(imsi) = imsi_of(text) {
            return Self::Imsi(imsi, None);
        }
        let parts: Vec<&str> = text.split('-').collect();
        match parts[..] {
            ["suci", "0", mcc, mnc, routing, scheme, key, output]
                if is_digits(mcc, 3, 3) && is_digits(mnc, 2, 3) && is_digits(routing, 1, 4) =>
            {
                if (scheme, key) != ("0", "0") {
                    return Self::Concealed;
                }
                let imsi = Imsi::new(&format!("{mcc}{mnc}{output}"));
                imsi.map_or(Self::Other, |imsi| Self::Imsi(imsi, Some(routing.to_owned())))
            }
            _ => Self::Other,
        }
    }
}

impl Schema for Fqdn {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let fits = |text: &str| is_fqdn(text).then(|| Self::new(text).ok()).flatten();
        from_text(json, fits, "labels of letters, digits and hyphens between dots, 4 to 253 characters")
    }
}

impl Serialize for Fqdn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// TS 29.571 §5.2.2 (`Fqdn`).
fn is_fqdn(text: &str) -> bool {
    if !(4..=253).contains(&text.len()) {
        return false;
    }
    let labels: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    let alphanumeric = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
    let is_label = |label: &&str| {
        let octets = label.as_bytes();
        octets.len() <= 63
            && alphanumeric(octets.first())
            && alphanumeric(octets.last())
            && octets.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
    };
    let is_top = |label: &&&str| label.len() >= 2 && label.bytes().all(|octet| octet.is_ascii_alphabetic());
    labels.len() >= 2 && labels.iter().all(is_label) && labels.last().filter(is_top).is_some()
}

/// Octets in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> Schema for Hex<N> {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        from_text(
            json,
            |text| hex_of(text).map(|octets| Self(*octets)),
            "hexadecimal digits, as many as it has",
        )
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

/// A key of 256 bits, in 64 hexadecimal digits.
pub struct HexKey(Zeroizing<[u8; 32]>);

impl HexKey {
    /// The octets.
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<&[u8; 32]> for HexKey {
    fn from(octets: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*octets))
    }
}

impl fmt::Debug for HexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HexKey(redacted)")
    }
}

impl Schema for HexKey {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        from_text(json, |text| hex_of(text).map(Self), "64 hexadecimal digits")
    }
}

impl Serialize for HexKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = Zeroizing::new([0; 64]);
        hex::encode_to_slice(self.octets(), &mut digits[..]).map_err(serde::ser::Error::custom)?;
        write_text(&digits[..], serializer)
    }
}

fn hex_of<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut octets = Zeroizing::new([0; N]);
    hex::decode_to_slice(text, &mut octets[..]).ok()?;
    Some(octets)
}

/// Octets in base64 (`format: byte`). They may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Zeroizing<Vec<u8>>);

impl From<&[u8]> for Bytes {
    fn from(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} octets)", self.0.len())
    }
}

impl Schema for Bytes {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let decoded = |text: &str| Base64::decode_vec(text).ok().map(|octets| Self(Zeroizing::new(octets)));
        from_text(json, decoded, "base64")
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Base64::encode_string(&self.0);
        let written = serializer.serialize_str(&text);
        text.zeroize();
        written
    }
}

/// `N` octets in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 16]);

impl Schema for Nonce {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let decoded = |text: &str| {
            let mut octets = [0; 16];
            (Base64::decode(text, &mut octets).ok()?.len() == 16).then_some(Self(octets))
        };
        from_text(json, decoded, "16 octets in base64")
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Base64::encode_string(&self.0))
    }
}

/// A time of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub UtcTime);

impl Schema for DateTime {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        from_text(json, Self::of, "a time of RFC 3339 since 1970, as 2030-01-01T00:00:00Z")
    }
}

impl DateTime {
    fn of(text: &str) -> Option<Self> {
        let form = text.as_bytes();
        // What jiff takes beyond RFC 3339 §5.6 is not taken here.
        let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')]
            .iter()
            .all(|(at, mark)| form.get(*at) == Some(mark));
        let is_strict = marks && matches!(form.get(10), Some(b'T' | b't')) && {
            matches!(form.last(), Some(b'Z' | b'z'))
                || form
                    .len()
                    .checked_sub(6)
                    .is_some_and(|at| matches!(form[at], b'+' | b'-') && form[at + 3] == b':')
        };
        let time: Timestamp = text.parse().ok().filter(|_| is_strict)?;
        u64::try_from(time.as_millisecond()).ok().map(|millis| Self(UtcTime::from_millis(millis)))
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&date(self.0))
    }
}

/// Relay service code, 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelayServiceCode(pub [u8; 3]);

impl Schema for RelayServiceCode {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let [.., a, b, c] = number(json, 0xff_ffff, "a number from 0 to 16777215")?.to_be_bytes();
        Ok(Self([a, b, c]))
    }
}

impl Serialize for RelayServiceCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [a, b, c] = self.0;
        serializer.serialize_u32(u32::from_be_bytes([0, a, b, c]))
    }
}

/// A number of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uint32(pub u32);

impl Schema for Uint32 {
    fn read(json: &RawValue) -> Result<Self, Faults> {
        let number = number(json, u64::from(u32::MAX), "a number from 0 to 4294967295")?;
        Ok(Self(number as u32))
    }
}

impl Serialize for Uint32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

objects! {
    /// A USIM was out of synchronisation. TS 29.503 §6.3.6.2.5.
    ResynchronizationInfo {
        /// RAND of the challenge.
        mandatory rand: Hex<16> = "rand";
        /// What the USIM said.
        mandatory auts: Hex<14> = "auts";
    }

    /// A network. TS 29.571 §5.4.4.3.
    PlmnId {
        /// Country.
        mandatory mcc: Mcc = "mcc";
        /// Network in it.
        mandatory mnc: Mnc = "mnc";
    }
}

impl From<&ResynchronizationInfo> for Resynchronisation {
    fn from(info: &ResynchronizationInfo) -> Self {
        Self { rand: Rand(info.rand.0), auts: Auts(info.auts.0) }
    }
}
