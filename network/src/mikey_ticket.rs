//! The server's end of MIKEY-TICKET: REQUEST_INIT and RESOLVE_INIT under a pre-shared key, their answers, and the base ticket. RFC 6043 §4.2.1, §4.2.3, §5, Appendix A; TS 33.328 Annex D.
//!
//! ```text
//! initial.rs  REQUEST_INIT, RESOLVE_INIT: read, proven
//! response.rs REQUEST_RESP, RESOLVE_RESP, errors
//! ticket.rs   the base ticket: sealed by the server, opened by it alone
//! ```
//!
//! A message that is opened says who it claims to be from; [`initial::Claimed::prove`] proves that with the key of that name.
//! Only what was proven has keys to answer with. The pre-shared key is a Ks_NAF, its name the B-TID (Annex B.1.2).
//!
//! Where RFC 6043 leaves something open: the T of a KEMAC's IV is that of its own message, and that of the ticket data in a ticket;
//! flag V of the header is neither demanded nor looked at; keys are
//! forked with the PRF of the ticket's policy; there is an MPKr with flag I alone. Not here: public-key modes, COUNTER of answers, tickets that a UE
//! makes itself (mode 3).

pub mod initial;
pub mod response;
pub mod ticket;

use std::fmt;

use base64ct::{Base64, Encoding};
use sidelink_security::counter::UtcTime;
use sidelink_security::key_period::NTP_TO_UNIX;
use sidelink_security::mikey as crypto;
use sidelink_wire::mikey as wire;
use zeroize::Zeroizing;

/// Ua security protocol of requests to a key management server. TS 33.220 Annex H.3.
pub const UA_PROTOCOL: [u8; 5] = [1, 0, 0, 0, 6];

/// Media type of a message, which is base64 in a body. TS 33.328 Annex A.2.
pub const MEDIA_TYPE: &str = "application/mikey";

/// Most octets of a message. Ours.
pub const MAX_OCTETS: usize = 16 * 1024;

/// Most keys of a ticket. Ours.
pub const MAX_KEYS: usize = 4;

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// No message of MIKEY.
    Malformed(sidelink_wire::Error),
    /// Another message than the one that is due.
    Unexpected(&'static str),
    /// Its MAC is wrong: another key, or altered.
    WrongMac,
    /// A RAND or an identity that is too long.
    TooLong,
    /// The server says so: RFC 3830 §6.12.
    Error(wire::ErrorNumber),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "no message of MIKEY: {error}"),
            Self::Unexpected(what) => write!(f, "not as MIKEY-TICKET has it: {what} is expected"),
            Self::WrongMac => f.write_str("the MAC is wrong: another key, or an altered message"),
            Self::TooLong => f.write_str("a RAND or an identity is too long"),
            Self::Error(number) => write!(f, "the key management server refuses: {number:?}"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<sidelink_wire::Error> for Refused {
    fn from(error: sidelink_wire::Error) -> Self {
        Self::Malformed(error)
    }
}

impl From<crypto::WrongMac> for Refused {
    fn from(_: crypto::WrongMac) -> Self {
        Self::WrongMac
    }
}

impl From<crypto::ticket::TooLong> for Refused {
    fn from(_: crypto::ticket::TooLong) -> Self {
        Self::TooLong
    }
}

/// A key that a ticket carries, with the SPI that it is called by.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// What it is for.
    pub kind: wire::KeyKind,
    /// The key.
    pub key: Zeroizing<Vec<u8>>,
    /// Its SPI.
    pub spi: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, redacted)", self.kind)
    }
}

impl Key {
    fn data(&self) -> wire::KeyData<'_> {
        let validity = wire::Validity::Spi(&self.spi);
        wire::KeyData { kind: self.kind, key: &self.key, salt: None, validity }
    }

    fn of(data: &wire::KeyData<'_>) -> Self {
        let spi = match data.validity {
            wire::Validity::Spi(spi) => spi.to_vec(),
            _ => Vec::new(),
        };
        Self { kind: data.kind, key: Zeroizing::new(data.key.to_vec()), spi }
    }
}

/// Key data of some keys.
fn key_data(keys: &[Key]) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let data: Vec<_> = keys.iter().map(Key::data).collect();
    let mut octets = Zeroizing::new(vec![0; wire::KeyData::all_len(&data)]);
    wire::KeyData::emit_all(&data, &mut octets)?;
    Ok(octets)
}

fn keys_of(data: &[u8]) -> Result<Vec<Key>, Refused> {
    Ok(wire::KeyData::parse_all(data)?.iter().map(Key::of).collect())
}

/// Which PRF the security crate has for it.
const fn prf(prf: wire::Prf) -> crypto::Prf {
    match prf {
        wire::Prf::Mikey1 => crypto::Prf::Mikey1,
        wire::Prf::HmacSha256 => crypto::Prf::HmacSha256,
    }
}

/// Which MAC; a message of MIKEY-TICKET has one.
fn mac(mac: wire::MacAlgorithm) -> Result<crypto::MacAlgorithm, Refused> {
    match mac {
        wire::MacAlgorithm::HmacSha1 => Ok(crypto::MacAlgorithm::HmacSha1),
        wire::MacAlgorithm::HmacSha256 => Ok(crypto::MacAlgorithm::HmacSha256),
        wire::MacAlgorithm::Null => Err(Refused::Unexpected("a MAC")),
    }
}

/// Which cipher; keys are never sent in clear.
fn encryption(encryption: wire::Encryption) -> Result<crypto::Encryption, Refused> {
    match encryption {
        wire::Encryption::AesCm128 => Ok(crypto::Encryption::AesCm128),
        wire::Encryption::AesCm256 => Ok(crypto::Encryption::AesCm256),
        _ => Err(Refused::Unexpected("AES-CM")),
    }
}

/// A time as messages have it: NTP-UTC-32. TS 33.328 Annex D.3.
fn ntp(time: UtcTime) -> wire::Timestamp {
    // Wraps in 2036, as the format does.
    wire::Timestamp::NtpUtc32((time.millis() / 1000 + NTP_TO_UNIX) as u32)
}

/// The time of a timestamp; none of a counter, or before 1970.
fn time_of(timestamp: wire::Timestamp) -> Option<UtcTime> {
    let seconds = match timestamp {
        wire::Timestamp::Counter(_) => return None,
        other => other.as_64_bits() >> 32,
    };
    Some(UtcTime::from_millis(seconds.checked_sub(NTP_TO_UNIX)? * 1000))
}

/// Where the tag of a message's V begins, which is its end.
fn without_tag<'a>(octets: &'a [u8], tag: &[u8]) -> &'a [u8] {
    &octets[..octets.len().saturating_sub(tag.len())]
}

/// A V whose tag is not made yet.
const fn no_tag() -> wire::Payload<'static> {
    const EMPTY: &[u8] = &[0; 32];
    wire::Payload::Verification(wire::Mac { algorithm: wire::MacAlgorithm::HmacSha256, tag: EMPTY })
}

/// The data of an identity of this role.
fn id<'a>(payloads: &[wire::Payload<'a>], wanted: wire::IdRole) -> Option<&'a [u8]> {
    payloads.iter().find_map(|payload| match payload {
        wire::Payload::IdRole { role, data, .. } if *role == wanted => Some(*data),
        _ => None,
    })
}

fn id_payload(role: wire::IdRole, data: &[u8]) -> wire::Payload<'_> {
    let kind = match role {
        wire::IdRole::PresharedKey => wire::IdType::Octets,
        wire::IdRole::Kms => wire::IdType::Nai,
        _ => wire::IdType::Uri,
    };
    wire::Payload::IdRole { role, kind, data }
}

/// A text of an identity, which is a URI or a name.
fn text(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    (!text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// An error of the server: header, T, ERR. Without a MAC it is a hint. RFC 3830 §5.1.2.
pub fn error(csb_id: u32, now: UtcTime, number: wire::ErrorNumber) -> Vec<u8> {
    let header = wire::Header {
        data_type: wire::DataType::Error,
        wants_verification: false,
        prf: wire::Prf::HmacSha256,
        csb_id,
        sessions: wire::CsIdMap::Empty,
    };
    let payloads = vec![wire::Payload::Timestamp(ntp(now)), wire::Payload::Error(number)];
    wire::Repr { header, payloads }.to_octets().expect("a header, a time and a number fit")
}

/// A message as a body has it. TS 33.328 Annex A.2.
pub fn to_base64(octets: &[u8]) -> String {
    Base64::encode_string(octets)
}

/// A message of a body; none where that is no base64, or too long.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok().filter(|octets| octets.len() <= MAX_OCTETS)
}

#[cfg(test)]
pub(crate) mod tests;
