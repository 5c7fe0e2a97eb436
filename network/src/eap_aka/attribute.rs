//! The attributes. RFC 4187 §10, RFC 9048 §3.
//!
//! ```text
//!   0 type | 1 length in units of four octets, header and all | 2 value
//! ```
//!
//! Types from 128 on may be passed over when they are not known, those below may not. What a receiver is to ignore, reserved
//! octets and padding, is ignored.

use super::Error;
use super::protection::Checkcode;

/// The types.
mod number {
    pub(super) const RAND: u8 = 1;
    pub(super) const AUTN: u8 = 2;
    pub(super) const RES: u8 = 3;
    pub(super) const AUTS: u8 = 4;
    pub(super) const PADDING: u8 = 6;
    pub(super) const PERMANENT_ID_REQ: u8 = 10;
    pub(super) const MAC: u8 = 11;
    pub(super) const NOTIFICATION: u8 = 12;
    pub(super) const ANY_ID_REQ: u8 = 13;
    pub(super) const IDENTITY: u8 = 14;
    pub(super) const FULLAUTH_ID_REQ: u8 = 17;
    pub(super) const COUNTER: u8 = 19;
    pub(super) const COUNTER_TOO_SMALL: u8 = 20;
    pub(super) const NONCE_S: u8 = 21;
    pub(super) const CLIENT_ERROR_CODE: u8 = 22;
    pub(super) const KDF_INPUT: u8 = 23;
    pub(super) const KDF: u8 = 24;
    /// The first that may be passed over.
    pub(super) const SKIPPABLE: u8 = 128;
    pub(super) const IV: u8 = 129;
    pub(super) const ENCR_DATA: u8 = 130;
    pub(super) const NEXT_PSEUDONYM: u8 = 132;
    pub(super) const NEXT_REAUTH_ID: u8 = 133;
    pub(super) const CHECKCODE: u8 = 134;
    pub(super) const RESULT_IND: u8 = 135;
    pub(super) const BIDDING: u8 = 136;
}

/// The most octets of the value of an attribute.
const MAX_VALUE: usize = 4 * 255 - 2;

/// D of AT_BIDDING. RFC 9048 §4.
const PREFERS_AKA_PRIME: u16 = 0x8000;

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Random challenge.
    Rand([u8; 16]),
    /// Authentication token.
    Autn([u8; 16]),
    /// RES, 4 to 16 octets.
    Res(Vec<u8>),
    /// Resynchronisation token.
    Auts([u8; 14]),
    /// 4, 8 or 12 octets with the header, all zero.
    Padding(usize),
    /// The permanent identity is wanted.
    PermanentIdReq,
    /// Message authentication code.
    Mac([u8; 16]),
    /// Code of a notification.
    Notification(u16),
    /// Any identity is wanted.
    AnyIdReq,
    /// Identity of the peer.
    Identity(String),
    /// An identity for full authentication is wanted.
    FullauthIdReq,
    /// Number of the re-authentication.
    Counter(u16),
    /// It was not fresh.
    CounterTooSmall,
    /// Nonce of the server.
    NonceS([u8; 16]),
    /// What the peer did not like.
    ClientErrorCode(u16),
    /// Name of the access network.
    KdfInput(String),
    /// Key derivation function.
    Kdf(u16),
    /// Initialisation vector of the next.
    Iv([u8; 16]),
    /// Encrypted attributes, whole blocks.
    EncrData(Vec<u8>),
    /// User name for the next full authentication.
    NextPseudonym(String),
    /// Identity for the next re-authentication.
    NextReauthId(String),
    /// Hash over the exchange of identities.
    Checkcode(Checkcode),
    /// Protected notifications of success are wanted.
    ResultInd,
    /// Whether the server would rather do EAP-AKA'.
    Bidding {
        /// D.
        prefers_aka_prime: bool,
    },
}

impl Attribute {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rand(_) => "AT_RAND",
            Self::Autn(_) => "AT_AUTN",
            Self::Res(_) => "AT_RES",
            Self::Auts(_) => "AT_AUTS",
            Self::Padding(_) => "AT_PADDING",
            Self::PermanentIdReq => "AT_PERMANENT_ID_REQ",
            Self::Mac(_) => "AT_MAC",
            Self::Notification(_) => "AT_NOTIFICATION",
            Self::AnyIdReq => "AT_ANY_ID_REQ",
            Self::Identity(_) => "AT_IDENTITY",
            Self::FullauthIdReq => "AT_FULLAUTH_ID_REQ",
            Self::Counter(_) => "AT_COUNTER",
            Self::CounterTooSmall => "AT_COUNTER_TOO_SMALL",
            Self::NonceS(_) => "AT_NONCE_S",
            Self::ClientErrorCode(_) => "AT_CLIENT_ERROR_CODE",
            Self::KdfInput(_) => "AT_KDF_INPUT",
            Self::Kdf(_) => "AT_KDF",
            Self::Iv(_) => "AT_IV",
            Self::EncrData(_) => "AT_ENCR_DATA",
            Self::NextPseudonym(_) => "AT_NEXT_PSEUDONYM",
            Self::NextReauthId(_) => "AT_NEXT_REAUTH_ID",
            Self::Checkcode(_) => "AT_CHECKCODE",
            Self::ResultInd => "AT_RESULT_IND",
            Self::Bidding { .. } => "AT_BIDDING",
        }
    }

    const fn number(&self) -> u8 {
        match self {
            Self::Rand(_) => number::RAND,
            Self::Autn(_) => number::AUTN,
            Self::Res(_) => number::RES,
            Self::Auts(_) => number::AUTS,
            Self::Padding(_) => number::PADDING,
            Self::PermanentIdReq => number::PERMANENT_ID_REQ,
            Self::Mac(_) => number::MAC,
            Self::Notification(_) => number::NOTIFICATION,
            Self::AnyIdReq => number::ANY_ID_REQ,
            Self::Identity(_) => number::IDENTITY,
            Self::FullauthIdReq => number::FULLAUTH_ID_REQ,
            Self::Counter(_) => number::COUNTER,
            Self::CounterTooSmall => number::COUNTER_TOO_SMALL,
            Self::NonceS(_) => number::NONCE_S,
            Self::ClientErrorCode(_) => number::CLIENT_ERROR_CODE,
            Self::KdfInput(_) => number::KDF_INPUT,
            Self::Kdf(_) => number::KDF,
            Self::Iv(_) => number::IV,
            Self::EncrData(_) => number::ENCR_DATA,
            Self::NextPseudonym(_) => number::NEXT_PSEUDONYM,
            Self::NextReauthId(_) => number::NEXT_REAUTH_ID,
            Self::Checkcode(_) => number::CHECKCODE,
            Self::ResultInd => number::RESULT_IND,
            Self::Bidding { .. } => number::BIDDING,
        }
    }

    /// From its type and its value; `None` where it is to be passed over.
    fn parse(number: u8, value: &[u8]) -> Result<Option<Self>, Error> {
        Ok(Some(match number {
            number::RAND => Self::Rand(octets("AT_RAND", value)?),
            number::AUTN => Self::Autn(octets("AT_AUTN", value)?),
            number::RES => Self::Res(res(value)?),
            number::AUTS => Self::Auts(exact("AT_AUTS", value)?),
            number::PADDING => Self::Padding(padding(value)?),
            number::PERMANENT_ID_REQ => empty("AT_PERMANENT_ID_REQ", value, Self::PermanentIdReq)?,
            number::MAC => Self::Mac(octets("AT_MAC", value)?),
            number::NOTIFICATION => Self::Notification(word("AT_NOTIFICATION", value)?),
            number::ANY_ID_REQ => empty("AT_ANY_ID_REQ", value, Self::AnyIdReq)?,
            number::IDENTITY => Self::Identity(text("AT_IDENTITY", value)?),
            number::FULLAUTH_ID_REQ => empty("AT_FULLAUTH_ID_REQ", value, Self::FullauthIdReq)?,
            number::COUNTER => Self::Counter(word("AT_COUNTER", value)?),
            number::COUNTER_TOO_SMALL => empty("AT_COUNTER_TOO_SMALL", value, Self::CounterTooSmall)?,
            number::NONCE_S => Self::NonceS(octets("AT_NONCE_S", value)?),
            number::CLIENT_ERROR_CODE => Self::ClientErrorCode(word("AT_CLIENT_ERROR_CODE", value)?),
            number::KDF_INPUT => Self::KdfInput(text("AT_KDF_INPUT", value)?),
            number::KDF => Self::Kdf(word("AT_KDF", value)?),
            number::IV => Self::Iv(octets("AT_IV", value)?),
            number::ENCR_DATA => Self::EncrData(blocks(value)?),
            number::NEXT_PSEUDONYM => Self::NextPseudonym(text("AT_NEXT_PSEUDONYM", value)?),
            number::NEXT_REAUTH_ID => Self::NextReauthId(text("AT_NEXT_REAUTH_ID", value)?),
            number::CHECKCODE => Self::Checkcode(Checkcode::parse(after_reserved("AT_CHECKCODE", value)?)?),
            number::RESULT_IND => empty("AT_RESULT_IND", value, Self::ResultInd)?,
            number::BIDDING => {
                Self::Bidding { prefers_aka_prime: word("AT_BIDDING", value)? & PREFERS_AKA_PRIME != 0 }
            }
            number::SKIPPABLE.. => return Ok(None),
            unknown => return Err(Error::UnknownAttribute(unknown)),
        }))
    }

    /// Appends its octets.
    pub(super) fn emit(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let value = match self {
            Self::Rand(v) | Self::Autn(v) | Self::Mac(v) | Self::NonceS(v) | Self::Iv(v) => {
                [&[0, 0], &v[..]].concat()
            }
            Self::Res(res) if !(4..=16).contains(&res.len()) => {
                return Err(Error::TooLong { what: "AT_RES", max: 16, have: res.len() });
            }
            Self::Res(res) => [&(8 * res.len() as u16).to_be_bytes(), &res[..]].concat(),
            Self::Auts(auts) => auts.to_vec(),
            Self::Padding(total) => vec![0; total.saturating_sub(2)],
            Self::Notification(v) | Self::Counter(v) | Self::ClientErrorCode(v) | Self::Kdf(v) => {
                v.to_be_bytes().to_vec()
            }
            Self::Bidding { prefers_aka_prime } => {
                (if *prefers_aka_prime { PREFERS_AKA_PRIME } else { 0 }).to_be_bytes().to_vec()
            }
            Self::PermanentIdReq
            | Self::AnyIdReq
            | Self::FullauthIdReq
            | Self::CounterTooSmall
            | Self::ResultInd => vec![0, 0],
            Self::Identity(t) | Self::KdfInput(t) | Self::NextPseudonym(t) | Self::NextReauthId(t) => {
                let length = u16::try_from(t.len()).unwrap_or(u16::MAX);
                [&length.to_be_bytes(), t.as_bytes()].concat()
            }
            Self::EncrData(data) => [&[0, 0], &data[..]].concat(),
            Self::Checkcode(checkcode) => [&[0, 0], checkcode.octets()].concat(),
        };
        let units = (2 + value.len()).div_ceil(4);
        let Ok(length) = u8::try_from(units) else {
            return Err(Error::TooLong { what: self.name(), max: MAX_VALUE, have: value.len() });
        };
        let end = out.len() + 4 * units;
        out.extend_from_slice(&[self.number(), length]);
        out.extend_from_slice(&value);
        out.resize(end, 0);
        Ok(())
    }
}

/// Each attribute with the place of its value.
pub(super) fn parse_all(octets: &[u8]) -> Result<Vec<(usize, Attribute)>, Error> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        let truncated = |what, needed| Error::Truncated { what, needed, have: octets.len() };
        let &[number, units] = octets
            .get(at..at + 2)
            .and_then(|h| h.first_chunk())
            .ok_or(truncated("the header of an attribute", at + 2))?;
        let length = 4 * usize::from(units);
        if length == 0 {
            return Err(Error::Length { what: "an attribute", stated: 0, have: octets.len() - at });
        }
        let value = octets.get(at + 2..at + length).ok_or(truncated("an attribute", at + length))?;
        found.extend(Attribute::parse(number, value)?.map(|attribute| (at + 2, attribute)));
        at += length;
    }
    Ok(found)
}

fn exact<const N: usize>(what: &'static str, value: &[u8]) -> Result<[u8; N], Error> {
    value.try_into().map_err(|_| Error::Length { what, stated: value.len(), have: N })
}

fn after_reserved<'a>(what: &'static str, value: &'a [u8]) -> Result<&'a [u8], Error> {
    value.get(2..).ok_or(Error::Truncated { what, needed: 2, have: value.len() })
}

fn octets<const N: usize>(what: &'static str, value: &[u8]) -> Result<[u8; N], Error> {
    exact(what, after_reserved(what, value)?)
}

fn word(what: &'static str, value: &[u8]) -> Result<u16, Error> {
    exact(what, value).map(u16::from_be_bytes)
}

fn empty(what: &'static str, value: &[u8], attribute: Attribute) -> Result<Attribute, Error> {
    exact::<2>(what, value).map(|_| attribute)
}

/// A length, as many octets, and padding to four.
fn counted<'a>(what: &'static str, value: &'a [u8], length: usize) -> Result<&'a [u8], Error> {
    let rest = after_reserved(what, value)?;
    match rest.get(..length) {
        Some(counted) if rest.len() - length < 4 => Ok(counted),
        _ => Err(Error::Length { what, stated: length, have: rest.len() }),
    }
}

fn text(what: &'static str, value: &[u8]) -> Result<String, Error> {
    let length = value.first_chunk().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
    let text = std::str::from_utf8(counted(what, value, length)?).map_err(|_| Error::NotText(what))?;
    if text.contains('\0') { Err(Error::NotText(what)) } else { Ok(text.to_owned()) }
}

/// Its length is in bits: 32 to 128. Parts of octets are refused: no USIM gives any.
fn res(value: &[u8]) -> Result<Vec<u8>, Error> {
    let bits = value.first_chunk().map_or(0, |bits| u16::from_be_bytes(*bits));
    if !(32..=128).contains(&bits) || bits % 8 != 0 {
        return Err(Error::Reserved { what: "the length of AT_RES", value: bits });
    }
    Ok(counted("AT_RES", value, usize::from(bits / 8))?.to_vec())
}

fn padding(value: &[u8]) -> Result<usize, Error> {
    let total = value.len() + 2;
    if total > 12 {
        return Err(Error::Length { what: "AT_PADDING", stated: total, have: 12 });
    }
    match value.iter().find(|octet| **octet != 0) {
        Some(octet) => Err(Error::Reserved { what: "AT_PADDING", value: (*octet).into() }),
        None => Ok(total),
    }
}

fn blocks(value: &[u8]) -> Result<Vec<u8>, Error> {
    let data = after_reserved("AT_ENCR_DATA", value)?;
    if data.is_empty() || data.len() % 16 != 0 {
        return Err(Error::Length { what: "AT_ENCR_DATA", stated: data.len(), have: data.len() / 16 * 16 });
    }
    Ok(data.to_vec())
}
