//! Header and payloads. RFC 7296 §3.
//!
//! ```text
//!   header   SPIi 8 | SPIr 8 | next 1 | 20 | exchange 1 | flags 1 | message ID 4 | length 4
//!   payload  next 1 | critical 1 bit, 7 zero | length 2 | body
//! ```

use core::net::Ipv4Addr;

use super::{Error, Selector};

/// Octets of the header.
pub const HEADER: usize = 28;

/// Longest message that is taken or made. Ours.
pub const MAX_MESSAGE: usize = 8192;

/// Most payloads of a message. Ours.
const MOST_PAYLOADS: usize = 32;

/// What a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Keys.
    SaInit,
    /// Who is who.
    Auth,
    /// Anything after that.
    Informational,
}

impl Exchange {
    const ALL: [(Self, u8); 3] = [(Self::SaInit, 34), (Self::Auth, 35), (Self::Informational, 37)];

    fn octet(self) -> u8 {
        Self::ALL.iter().find(|(exchange, _)| *exchange == self).map_or(0, |(_, octet)| *octet)
    }
}

/// Type of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of RFC 7296 §3.2")]
pub enum Kind {
    Sa,
    Ke,
    IdInitiator,
    IdResponder,
    Cert,
    CertReq,
    Auth,
    Nonce,
    Notify,
    Delete,
    Vendor,
    TsInitiator,
    TsResponder,
    Encrypted,
    Configuration,
    Eap,
}

impl Kind {
    const ALL: [Self; 16] = [
        Self::Sa,
        Self::Ke,
        Self::IdInitiator,
        Self::IdResponder,
        Self::Cert,
        Self::CertReq,
        Self::Auth,
        Self::Nonce,
        Self::Notify,
        Self::Delete,
        Self::Vendor,
        Self::TsInitiator,
        Self::TsResponder,
        Self::Encrypted,
        Self::Configuration,
        Self::Eap,
    ];

    /// Its number: 33 and the following.
    pub const fn octet(self) -> u8 {
        33 + self as u8
    }

    fn of(octet: u8) -> Option<Self> {
        Self::ALL.get(usize::from(octet.checked_sub(33)?)).copied()
    }
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// SPI of the initiator.
    pub spi_initiator: [u8; 8],
    /// SPI of the responder; zeros in the first message.
    pub spi_responder: [u8; 8],
    /// Type of the first payload.
    pub next: u8,
    /// What the message is of.
    pub exchange: Exchange,
    /// Whether the initiator of the SA sends it.
    pub from_initiator: bool,
    /// Whether it answers.
    pub is_response: bool,
    /// Which request it is, or answers.
    pub message_id: u32,
}

const FROM_INITIATOR: u8 = 8;
const RESPONSE: u8 = 0x20;

impl Header {
    /// Reads it, and checks that the length is that of the message.
    ///
    /// # Errors
    /// It is no message of IKEv2.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        let header: &[u8; HEADER] = octets.first_chunk().ok_or(Error::Length("the header"))?;
        let part = |from: usize| -> [u8; 8] { std::array::from_fn(|at| header[from + at]) };
        let word = |from: usize| u32::from_be_bytes(std::array::from_fn(|at| header[from + at]));
        if header[17] >> 4 != 2 {
            return Err(Error::Version(header[17]));
        }
        if octets.len() > MAX_MESSAGE || word(24) as usize != octets.len() {
            return Err(Error::Length("the message"));
        }
        let known = Exchange::ALL.iter().find(|(_, octet)| *octet == header[18]);
        let (exchange, _) = known.ok_or(Error::Value("the exchange type"))?;
        Ok(Self {
            spi_initiator: part(0),
            spi_responder: part(8),
            next: header[16],
            exchange: *exchange,
            from_initiator: header[19] & FROM_INITIATOR != 0,
            is_response: header[19] & RESPONSE != 0,
            message_id: word(20),
        })
    }

    /// The message with these octets behind the header.
    ///
    /// # Errors
    /// It is longer than [`MAX_MESSAGE`].
    pub fn emit(&self, payloads: &[u8]) -> Result<Vec<u8>, Error> {
        let length = HEADER + payloads.len();
        if length > MAX_MESSAGE {
            return Err(Error::TooLong);
        }
        let flags =
            (u8::from(self.from_initiator) * FROM_INITIATOR) | (u8::from(self.is_response) * RESPONSE);
        let mut octets = Vec::with_capacity(length);
        octets.extend(self.spi_initiator);
        octets.extend(self.spi_responder);
        octets.extend([self.next, 0x20, self.exchange.octet(), flags]);
        octets.extend(self.message_id.to_be_bytes());
        octets.extend((length as u32).to_be_bytes());
        octets.extend(payloads);
        Ok(octets)
    }
}

/// A payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Its type.
    pub kind: Kind,
    /// What is in it.
    pub body: &'a [u8],
}

/// Payloads of a message, in their order. Those of unknown types are passed over, unless they are critical.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payloads<'a>(Vec<Payload<'a>>);

impl<'a> Payloads<'a> {
    /// Reads a chain that begins with a payload of type `next`. An encrypted payload ends it.
    ///
    /// # Errors
    /// A length that is wrong, too many, or a critical payload that is unknown.
    pub fn parse(mut next: u8, mut rest: &'a [u8]) -> Result<Self, Error> {
        let (mut payloads, mut count) = (Vec::new(), 0);
        while next != 0 {
            let [after, critical, high, low, ..] = *rest else { return Err(Error::Length("a payload")) };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let (payload, more) = rest.split_at_checked(length).ok_or(Error::Length("a payload"))?;
            let body = payload.get(4..).ok_or(Error::Length("a payload"))?;
            count += 1;
            if count > MOST_PAYLOADS {
                return Err(Error::Length("the list of payloads"));
            }
            match Kind::of(next) {
                Some(Kind::Encrypted) => {
                    payloads.push(Payload { kind: Kind::Encrypted, body });
                    return if more.is_empty() {
                        Ok(Self(payloads))
                    } else {
                        Err(Error::Length("the message"))
                    };
                }
                Some(kind) => payloads.push(Payload { kind, body }),
                None if critical & 0x80 != 0 => return Err(Error::Critical(next)),
                None => {}
            }
            (next, rest) = (after, more);
        }
        if rest.is_empty() { Ok(Self(payloads)) } else { Err(Error::Length("the message")) }
    }

    /// The first of a type.
    pub fn find(&self, kind: Kind) -> Option<&'a [u8]> {
        self.0.iter().find(|payload| payload.kind == kind).map(|payload| payload.body)
    }

    /// The first of a type.
    ///
    /// # Errors
    /// There is none.
    pub fn need(&self, kind: Kind, name: &'static str) -> Result<&'a [u8], Error> {
        self.find(kind).ok_or(Error::Missing(name))
    }

    /// Types of the notifications.
    pub fn notifications(&self) -> impl Iterator<Item = u16> {
        self.0.iter().filter(|payload| payload.kind == Kind::Notify).filter_map(|payload| {
            match *payload.body {
                [_, _, high, low, ..] => Some(u16::from_be_bytes([high, low])),
                _ => None,
            }
        })
    }

    /// The first notification that is an error: its type is below 16384.
    pub fn fault(&self) -> Option<Error> {
        self.notifications().find(|kind| *kind < 16384).map(Error::Notified)
    }
}

/// A chain of payloads: the type of the first, and the octets.
///
/// # Errors
/// A body that a payload does not hold.
pub fn chain(payloads: &[(Kind, Vec<u8>)]) -> Result<(u8, Vec<u8>), Error> {
    let mut octets = Vec::new();
    for (number, (_, body)) in payloads.iter().enumerate() {
        let next = payloads.get(number + 1).map_or(0, |(kind, _)| kind.octet());
        let length = u16::try_from(4 + body.len()).map_err(|_| Error::TooLong)?;
        octets.extend([next, 0]);
        octets.extend(length.to_be_bytes());
        octets.extend(body);
    }
    Ok((payloads.first().map_or(0, |(kind, _)| kind.octet()), octets))
}

/// Types of notifications. RFC 7296 §3.10.1, RFC 5998 §3, RFC 7427 §4.
pub mod notify {
    /// Nothing of the proposals.
    pub const NO_PROPOSAL_CHOSEN: u16 = 14;
    /// AUTH is wrong, or EAP failed.
    pub const AUTHENTICATION_FAILED: u16 = 24;
    /// No address would be carried.
    pub const TS_UNACCEPTABLE: u16 = 38;
    /// Hash of SPIs, source address and port.
    pub const NAT_DETECTION_SOURCE: u16 = 16388;
    /// Hash of SPIs, destination address and port.
    pub const NAT_DETECTION_DESTINATION: u16 = 16389;
    /// The initiator takes a responder that only EAP proves.
    pub const EAP_ONLY: u16 = 16417;
    /// Hashes of signatures that the sender verifies.
    pub const SIGNATURE_HASHES: u16 = 16431;
}

/// Body of a notification.
pub fn notification(kind: u16, data: &[u8]) -> Vec<u8> {
    [&[0, 0], &kind.to_be_bytes()[..], data].concat()
}

/// Transforms of the suite of IKE, by type: ENCR, PRF, INTEG, DH.
const IKE: [(u8, u16); 4] = [(1, 12), (2, 5), (3, 12), (4, 31)];

/// Transforms of the suite of ESP: ENCR, ESN.
const ESP: [(u8, u16); 2] = [(1, 20), (5, 0)];

/// What keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// IKE.
    Ike,
    /// ESP.
    Esp,
}

impl Protocol {
    const fn octet(self) -> u8 {
        match self {
            Self::Ike => 1,
            Self::Esp => 3,
        }
    }

    const fn transforms(self) -> &'static [(u8, u16)] {
        match self {
            Self::Ike => &IKE,
            Self::Esp => &ESP,
        }
    }
}

/// Body of SA with our suite. RFC 7296 §3.3.
pub fn proposal(protocol: Protocol, number: u8, spi: &[u8]) -> Vec<u8> {
    let mut transforms = Vec::new();
    let all = protocol.transforms();
    for (at, (kind, id)) in all.iter().enumerate() {
        let more = if at + 1 < all.len() { 3 } else { 0 };
        let key_length: &[u8] = if *kind == 1 { &[0x80, 14, 0, 128] } else { &[] };
        transforms.extend([more, 0, 0, 8 + key_length.len() as u8, *kind, 0]);
        transforms.extend(id.to_be_bytes());
        transforms.extend(key_length);
    }
    let length = (8 + spi.len() + transforms.len()) as u16;
    let mut body = vec![0, 0];
    body.extend(length.to_be_bytes());
    body.extend([number, protocol.octet(), spi.len() as u8, all.len() as u8]);
    body.extend(spi);
    body.extend(transforms);
    body
}

/// Whether a proposal has all transforms of our suite among those of each type; a key length other than 128 does not count.
fn has_suite(protocol: Protocol, count: u8, mut rest: &[u8]) -> Result<bool, Error> {
    let wrong = Error::Length("a transform");
    let mut found = 0_u32;
    for _ in 0..count {
        let [_, _, high, low, kind, _, id_high, id_low, ..] = *rest else { return Err(wrong) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (transform, more) = rest.split_at_checked(length).ok_or(wrong)?;
        let attributes = transform.get(8..).ok_or(wrong)?;
        let id = u16::from_be_bytes([id_high, id_low]);
        let has_length = if kind == 1 { attributes == [0x80, 14, 0, 128] } else { attributes.is_empty() };
        if let Some(at) = protocol.transforms().iter().position(|ours| *ours == (kind, id) && has_length) {
            found |= 1 << at;
        }
        rest = more;
    }
    if rest.is_empty() { Ok(found == (1 << protocol.transforms().len()) - 1) } else { Err(wrong) }
}

/// Number and SPI of the first proposal with our suite.
///
/// # Errors
/// There is none, or the body is none.
pub fn choose(protocol: Protocol, body: &[u8]) -> Result<(u8, &[u8]), Error> {
    let wrong = Error::Length("a proposal");
    let (mut rest, mut chosen) = (body, None);
    while !rest.is_empty() {
        let [_, _, high, low, number, of, spi, transforms, ..] = *rest else { return Err(wrong) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (proposal, more) = rest.split_at_checked(length).ok_or(wrong)?;
        let (spi, list) = proposal.get(8..).and_then(|all| all.split_at_checked(spi.into())).ok_or(wrong)?;
        if has_suite(protocol, transforms, list)? && of == protocol.octet() && chosen.is_none() {
            chosen = Some((number, spi));
        }
        rest = more;
    }
    chosen.ok_or(Error::NoProposal)
}

/// Public value of a KE payload of X25519. RFC 7296 §3.4, RFC 8031.
///
/// # Errors
/// Another group, or another length.
pub fn public_value(body: &[u8]) -> Result<[u8; 32], Error> {
    let [0, 31, _, _, public @ ..] = body else { return Err(Error::Value("KE")) };
    public.try_into().map_err(|_| Error::Length("KE"))
}

/// A nonce: 16 to 256 octets. RFC 7296 §3.9.
///
/// # Errors
/// Another length.
pub fn nonce(body: &[u8]) -> Result<&[u8], Error> {
    if (16..=256).contains(&body.len()) { Ok(body) } else { Err(Error::Length("a nonce")) }
}

/// Body of a traffic selector payload. RFC 7296 §3.13.
pub fn selectors(selector: Selector) -> Vec<u8> {
    let ports = [0, 0, 0xff, 0xff];
    [&[1, 0, 0, 0, 7, 0, 0, 16][..], &ports, &selector.first.octets(), &selector.last.octets()].concat()
}

/// The first selector of IPv4 addresses with all protocols and ports.
///
/// # Errors
/// There is none, or the body is none.
pub fn selector_of(body: &[u8]) -> Result<Selector, Error> {
    let wrong = Error::Length("a traffic selector");
    let ([count, _, _, _], mut rest) = body.split_first_chunk().ok_or(wrong)?;
    let mut found = None;
    for _ in 0..*count {
        let [kind, protocol, high, low, ..] = *rest else { return Err(wrong) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (selector, more) = rest.split_at_checked(length.max(4)).ok_or(wrong)?;
        if let (7, 0, [0, 0, 0xff, 0xff, a, b, c, d, e, f, g, h]) = (kind, protocol, &selector[4..]) {
            let selector =
                Selector { first: Ipv4Addr::new(*a, *b, *c, *d), last: Ipv4Addr::new(*e, *f, *g, *h) };
            found = found.or(Some(selector));
        }
        rest = more;
    }
    if rest.is_empty() { found.ok_or(Error::TrafficSelectors) } else { Err(wrong) }
}
