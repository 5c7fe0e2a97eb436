//! Header and attributes. RFC 2865 §3, §5.
//!
//! ```text
//!   0 code | 1 identifier | 2 length, big-endian | 4 authenticator, 16 | 20 attributes: type | length with header | value
//! ```

use super::Error;

mod field {
    pub(super) const LENGTH: usize = 2;
    pub(super) const AUTHENTICATOR: usize = 4;
    pub(super) const ATTRIBUTES: usize = 20;
}

/// Octets of a packet, at most.
pub const MAX: usize = 4096;

/// Octets of the value of an attribute, at most.
pub const MAX_VALUE: usize = 253;

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// From a client.
    AccessRequest,
    /// Authenticated.
    AccessAccept,
    /// Not authenticated.
    AccessReject,
    /// It goes on.
    AccessChallenge,
}

impl Code {
    pub(super) const fn octet(self) -> u8 {
        match self {
            Self::AccessRequest => 1,
            Self::AccessAccept => 2,
            Self::AccessReject => 3,
            Self::AccessChallenge => 11,
        }
    }
}

/// An attribute that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Name of the user.
    UserName,
    /// What a reply is to bring back.
    State,
    /// Of a vendor.
    VendorSpecific,
    /// Seconds that what is granted lasts.
    SessionTimeout,
    /// Where a peer is: a relay's name and service, `name:000001`.
    CalledStationId,
    /// Which peer: a remote UE's name.
    CallingStationId,
    /// Name of the client.
    NasIdentifier,
    /// What a proxy wants back.
    ProxyState,
    /// A piece of a packet of EAP.
    EapMessage,
    /// HMAC-MD5 over the packet.
    MessageAuthenticator,
    /// Session-Id of EAP. RFC 4072 §4.1.4 (from memory).
    EapKeyName,
}

impl Attribute {
    /// Its type.
    pub const fn octet(self) -> u8 {
        match self {
            Self::UserName => 1,
            Self::State => 24,
            Self::VendorSpecific => 26,
            Self::SessionTimeout => 27,
            Self::CalledStationId => 30,
            Self::CallingStationId => 31,
            Self::NasIdentifier => 32,
            Self::ProxyState => 33,
            Self::EapMessage => 79,
            Self::MessageAuthenticator => 80,
            Self::EapKeyName => 102,
        }
    }
}

/// A packet: octets beyond its length are padding.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    octets: &'a [u8],
    code: Code,
}

impl<'a> Packet<'a> {
    /// Checks header and lengths.
    pub fn new_checked(octets: &'a [u8]) -> Result<Self, Error> {
        let truncated = |needed| Error::Truncated { needed, have: octets.len() };
        let header: &[u8; 20] = octets.first_chunk().ok_or(truncated(field::ATTRIBUTES))?;
        let length = usize::from(u16::from_be_bytes([header[field::LENGTH], header[field::LENGTH + 1]]));
        if !(field::ATTRIBUTES..=MAX).contains(&length) {
            return Err(Error::Length(length));
        }
        let octets = octets.get(..length).ok_or(truncated(length))?;
        let code = match header[0] {
            1 => Code::AccessRequest,
            2 => Code::AccessAccept,
            3 => Code::AccessReject,
            11 => Code::AccessChallenge,
            other => return Err(Error::Code(other)),
        };
        let mut rest = &octets[field::ATTRIBUTES..];
        while let Some(kind) = rest.first() {
            rest = match rest.get(1).map(|length| usize::from(*length)) {
                Some(length) if length >= 2 => rest.get(length..).ok_or(Error::Attribute(*kind))?,
                _ => return Err(Error::Attribute(*kind)),
            };
        }
        Ok(Self { octets, code })
    }

    /// Its code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Its identifier: a reply bears that of its request.
    pub const fn identifier(&self) -> u8 {
        self.octets[1]
    }

    /// Its authenticator.
    pub fn authenticator(&self) -> [u8; 16] {
        self.octets[field::AUTHENTICATOR..].first_chunk().copied().unwrap_or_default()
    }

    /// All of it.
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Values of an attribute, in order, with their places.
    pub(super) fn places(&self, attribute: Attribute) -> impl Iterator<Item = (usize, &'a [u8])> + use<'a> {
        let octets = self.octets;
        let mut at = field::ATTRIBUTES;
        std::iter::from_fn(move || {
            let length = usize::from(*octets.get(at + 1)?);
            let found = (octets[at], at + 2, &octets[at + 2..at + length]);
            at += length;
            Some(found)
        })
        .filter(move |(kind, ..)| *kind == attribute.octet())
        .map(|(_, at, value)| (at, value))
    }

    /// Values of an attribute, in order.
    pub fn values(&self, attribute: Attribute) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.places(attribute).map(|(_, value)| value)
    }

    /// The packet of EAP, its pieces put together; `None` without any. RFC 3579 §3.1.
    pub fn eap(&self) -> Option<Vec<u8>> {
        let pieces: Vec<_> = self.values(Attribute::EapMessage).collect();
        (!pieces.is_empty()).then(|| pieces.concat())
    }
}

/// Attributes to be written, in order.
#[derive(Clone, Debug, Default)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    /// Appends one.
    pub fn push(&mut self, attribute: Attribute, value: &[u8]) -> Result<(), Error> {
        if value.len() > MAX_VALUE {
            return Err(Error::TooLong { max: MAX_VALUE, have: value.len() });
        }
        self.0.extend([attribute.octet(), value.len() as u8 + 2]);
        self.0.extend_from_slice(value);
        Ok(())
    }

    /// Appends a packet of EAP in pieces.
    pub fn push_eap(&mut self, packet: &[u8]) -> Result<(), Error> {
        packet.chunks(MAX_VALUE).try_for_each(|piece| self.push(Attribute::EapMessage, piece))
    }

    /// The packet, with Message-Authenticator of zeros before all others.
    pub(super) fn packet(
        &self,
        code: Code,
        identifier: u8,
        authenticator: [u8; 16],
    ) -> Result<Vec<u8>, Error> {
        let length = field::ATTRIBUTES + 18 + self.0.len();
        if length > MAX {
            return Err(Error::TooLong { max: MAX, have: length });
        }
        let [high, low] = (length as u16).to_be_bytes();
        let mut octets = vec![code.octet(), identifier, high, low];
        octets.extend(authenticator);
        octets.extend([Attribute::MessageAuthenticator.octet(), 18]);
        octets.extend([0; 16]);
        octets.extend_from_slice(&self.0);
        Ok(octets)
    }
}
