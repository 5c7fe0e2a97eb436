//! The header of EAP. RFC 3748 §4.
//!
//! ```text
//!   0 code | 1 identifier | 2 length, big-endian | 4 type, of requests and responses | 5 data
//! ```

use super::Error;

mod field {
    pub(super) const CODE: usize = 0;
    pub(super) const IDENTIFIER: usize = 1;
    pub(super) const LENGTH: usize = 2;
    pub(super) const TYPE: usize = 4;
    pub(super) const DATA: usize = 5;
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// From the server.
    Request,
    /// From the peer.
    Response,
    /// The end: authenticated.
    Success,
    /// The end: not authenticated.
    Failure,
}

impl Code {
    pub(super) const fn octet(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Response => 2,
            Self::Success => 3,
            Self::Failure => 4,
        }
    }
}

/// EAP-AKA or EAP-AKA'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 4187.
    Aka,
    /// RFC 9048.
    AkaPrime,
}

impl Method {
    /// Its type.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Aka => 23,
            Self::AkaPrime => 50,
        }
    }
}

/// Type of a request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Identity.
    Identity,
    /// A text to be shown.
    Notification,
    /// The peer wants another method.
    Nak,
    /// EAP-AKA or EAP-AKA'.
    Method(Method),
    /// Any other.
    Other(u8),
}

impl Type {
    const fn from_octet(octet: u8) -> Self {
        match octet {
            1 => Self::Identity,
            2 => Self::Notification,
            3 => Self::Nak,
            23 => Self::Method(Method::Aka),
            50 => Self::Method(Method::AkaPrime),
            other => Self::Other(other),
        }
    }

    const fn octet(self) -> u8 {
        match self {
            Self::Identity => 1,
            Self::Notification => 2,
            Self::Nak => 3,
            Self::Method(method) => method.octet(),
            Self::Other(octet) => octet,
        }
    }
}

/// A packet of EAP: octets beyond its length are padding of the layer below, and gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    octets: &'a [u8],
    code: Code,
}

impl<'a> Packet<'a> {
    /// Checks the header.
    pub fn new_checked(octets: &'a [u8]) -> Result<Self, Error> {
        let truncated = |what, needed| Error::Truncated { what, needed, have: octets.len() };
        let header: &[u8; 4] = octets.first_chunk().ok_or(truncated("the header of EAP", 4))?;
        let length = usize::from(u16::from_be_bytes([header[field::LENGTH], header[field::LENGTH + 1]]));
        let code = match header[field::CODE] {
            1 => Code::Request,
            2 => Code::Response,
            3 => Code::Success,
            4 => Code::Failure,
            value => return Err(Error::Reserved { what: "the code of EAP", value: value.into() }),
        };
        let least = if matches!(code, Code::Request | Code::Response) { field::DATA } else { field::TYPE };
        if length < least {
            return Err(Error::Length { what: "EAP", stated: length, have: octets.len() });
        }
        let octets = octets.get(..length).ok_or(truncated("EAP", length))?;
        Ok(Self { octets, code })
    }

    /// Its code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Its identifier: a response bears that of its request.
    pub const fn identifier(&self) -> u8 {
        self.octets[field::IDENTIFIER]
    }

    /// Its type, if it is a request or a response.
    pub fn kind(&self) -> Option<Type> {
        matches!(self.code, Code::Request | Code::Response)
            .then(|| Type::from_octet(self.octets[field::TYPE]))
    }

    /// What follows the type.
    pub fn data(&self) -> &'a [u8] {
        self.octets.get(field::DATA..).unwrap_or(&[])
    }

    /// All of it.
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }
}

/// Request or response of any type. Data longer than a packet is refused.
pub fn emit(code: Code, identifier: u8, kind: Type, data: &[u8]) -> Result<Vec<u8>, Error> {
    let length = field::DATA + data.len();
    let Ok(stated) = u16::try_from(length) else {
        return Err(Error::TooLong { what: "EAP", max: usize::from(u16::MAX), have: length });
    };
    let [high, low] = stated.to_be_bytes();
    let mut octets = vec![code.octet(), identifier, high, low, kind.octet()];
    octets.extend_from_slice(data);
    Ok(octets)
}

/// EAP-Success.
pub const fn success(identifier: u8) -> [u8; 4] {
    [Code::Success.octet(), identifier, 0, 4]
}

/// EAP-Failure.
pub const fn failure(identifier: u8) -> [u8; 4] {
    [Code::Failure.octet(), identifier, 0, 4]
}
