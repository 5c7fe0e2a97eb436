//! Payloads: their types, one by one and in chains. RFC 3830 §6.2 to §6.15, RFC 6043 §6, RFC 6509 §4.2.

use super::cursor::{Cursor, Writer};
use super::extension::{Extension, ExtensionType};
use super::policy::Policy;
use super::public_key::{Certificate, CertificateHash, DhValue, EnvelopeKey, Signature, skip_headed};
use super::sakke::Sakke;
use super::ticket::{self, Ticket, TicketPolicy};
use super::values::{Encryption, ErrorNumber, IdRole, IdType, Mac, RandRole, Timestamp, TimestampRole};
use super::{Error, MAX_PAYLOADS};

/// Type of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadType(pub u8);

impl PayloadType {
    /// No payload follows.
    pub const LAST: Self = Self(0);
    /// KEMAC.
    pub const KEMAC: Self = Self(1);
    /// PKE, of the public key.
    pub const PKE: Self = Self(2);
    /// DH.
    pub const DH: Self = Self(3);
    /// SIGN: always the last, nothing in it names a next one.
    pub const SIGN: Self = Self(4);
    /// T.
    pub const TIMESTAMP: Self = Self(5);
    /// ID.
    pub const ID: Self = Self(6);
    /// CERT.
    pub const CERT: Self = Self(7);
    /// CHASH.
    pub const CHASH: Self = Self(8);
    /// V.
    pub const VERIFICATION: Self = Self(9);
    /// SP.
    pub const POLICY: Self = Self(10);
    /// RAND.
    pub const RAND: Self = Self(11);
    /// ERR.
    pub const ERROR: Self = Self(12);
    /// TR, a timestamp with a role.
    pub const TIMESTAMP_ROLE: Self = Self(13);
    /// IDR, an identity with a role.
    pub const ID_ROLE: Self = Self(14);
    /// RANDR, a RAND with a role.
    pub const RAND_ROLE: Self = Self(15);
    /// TP, the policy of a ticket.
    pub const TICKET_POLICY: Self = Self(16);
    /// TICKET.
    pub const TICKET: Self = Self(17);
    /// Key data, inside of KEMAC alone.
    pub const KEY_DATA: Self = Self(20);
    /// General extension.
    pub const EXTENSION: Self = Self(21);
    /// SAKKE.
    pub const SAKKE: Self = Self(26);
}

/// A payload as octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Its type.
    pub kind: PayloadType,
    /// The type of the next one.
    pub next: PayloadType,
    /// Octets of the message before it.
    pub at: usize,
    /// What stands behind its octet of the next payload; SIGN has none.
    pub body: &'a [u8],
}

/// Goes behind a payload. One of an unknown type is an error: its length is unknown, what stands behind it cannot be found.
pub(super) fn skip<'a>(kind: PayloadType, cursor: &mut Cursor<'a>) -> Result<Raw<'a>, Error> {
    let at = cursor.position();
    if !matches!(kind.0, 1..=17 | 21 | 26) {
        return Err(Error::Reserved { what: "payload of MIKEY", value: kind.0.into() });
    }
    let next = match kind {
        PayloadType::SIGN => PayloadType::LAST,
        _ => PayloadType(cursor.octet("payload of MIKEY")?),
    };
    let from = cursor.position();
    skip_body(kind, cursor)?;
    Ok(Raw { kind, next, at, body: cursor.since(from) })
}

fn skip_body(kind: PayloadType, cursor: &mut Cursor<'_>) -> Result<(), Error> {
    match kind {
        PayloadType::KEMAC => Kemac::parse(cursor).map(|_| ()),
        PayloadType::PKE => skip_headed(cursor, "PKE of MIKEY", 14),
        PayloadType::DH => DhValue::parse(cursor).map(|_| ()),
        PayloadType::SIGN => skip_headed(cursor, "SIGN of MIKEY", 12),
        PayloadType::TIMESTAMP => Timestamp::parse(cursor).map(|_| ()),
        PayloadType::TIMESTAMP_ROLE => {
            cursor.octet("TR of MIKEY")?;
            Timestamp::parse(cursor).map(|_| ())
        }
        PayloadType::CHASH => CertificateHash::parse(cursor).map(|_| ()),
        PayloadType::VERIFICATION => Mac::parse(cursor).map(|_| ()),
        PayloadType::RAND => cursor.short("RAND of MIKEY").map(|_| ()),
        PayloadType::RAND_ROLE => {
            cursor.octet("RANDR of MIKEY")?;
            cursor.short("RANDR of MIKEY").map(|_| ())
        }
        PayloadType::ERROR => cursor.slice("ERR of MIKEY", 3).map(|_| ()),
        PayloadType::ID_ROLE | PayloadType::POLICY | PayloadType::SAKKE => {
            cursor.slice("payload of MIKEY", 2)?;
            cursor.long("payload of MIKEY").map(|_| ())
        }
        PayloadType::TICKET_POLICY => ticket::skip(cursor, 1),
        PayloadType::TICKET => ticket::skip(cursor, 3),
        // ID, CERT and the general extension.
        _ => {
            cursor.octet("payload of MIKEY")?;
            cursor.long("payload of MIKEY").map(|_| ())
        }
    }
}

struct Kemac<'a> {
    encryption: Encryption,
    data: &'a [u8],
    mac: Mac<'a>,
}

impl<'a> Kemac<'a> {
    fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let encryption = cursor.octet("KEMAC of MIKEY")?;
        Ok(Self {
            data: cursor.long("KEMAC of MIKEY")?,
            mac: Mac::parse(cursor)?,
            encryption: Encryption::from_octet(encryption)?,
        })
    }
}

/// A payload. Others may get names of their own later.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// Keys, ciphered, and the MAC of the message. RFC 3830 §6.2.
    Kemac {
        /// How they are ciphered.
        encryption: Encryption,
        /// [`super::KeyData`], ciphered.
        data: &'a [u8],
        /// Over the whole message before it.
        mac: Mac<'a>,
    },
    /// PKE. RFC 3830 §6.3.
    EnvelopeKey(EnvelopeKey<'a>),
    /// DH. RFC 3830 §6.4.
    Dh(DhValue<'a>),
    /// SIGN, always the last. RFC 3830 §6.5.
    Signature(Signature<'a>),
    /// T. RFC 3830 §6.6.
    Timestamp(Timestamp),
    /// ID. RFC 3830 §6.7.
    Id {
        /// What it is.
        kind: IdType,
        /// The identity.
        data: &'a [u8],
    },
    /// CERT. RFC 3830 §6.7.
    Certificate(Certificate<'a>),
    /// CHASH. RFC 3830 §6.8.
    CertificateHash(CertificateHash<'a>),
    /// V. RFC 3830 §6.9.
    Verification(Mac<'a>),
    /// SP. RFC 3830 §6.10.
    Policy(Policy<'a>),
    /// RAND. RFC 3830 §6.11.
    Rand(&'a [u8]),
    /// ERR. RFC 3830 §6.12.
    Error(ErrorNumber),
    /// TR. RFC 6043 §6.4.
    TimestampRole {
        /// What of.
        role: TimestampRole,
        /// When.
        timestamp: Timestamp,
    },
    /// IDR. RFC 6043 §6.6.
    IdRole {
        /// Whose.
        role: IdRole,
        /// What it is.
        kind: IdType,
        /// The identity.
        data: &'a [u8],
    },
    /// RANDR. RFC 6043 §6.8.
    RandRole {
        /// Whose.
        role: RandRole,
        /// The octets, at most 255.
        rand: &'a [u8],
    },
    /// TP. RFC 6043 §6.10.
    TicketPolicy(TicketPolicy<'a>),
    /// TICKET. RFC 6043 §6.10.
    Ticket(Ticket<'a>),
    /// General extension. RFC 3830 §6.15.
    Extension(Extension<'a>),
    /// SAKKE. RFC 6509 §4.2.
    Sakke(Sakke<'a>),
}

impl<'a> Payload<'a> {
    /// Its type.
    pub const fn kind(&self) -> PayloadType {
        match self {
            Self::Kemac { .. } => PayloadType::KEMAC,
            Self::EnvelopeKey(_) => PayloadType::PKE,
            Self::Dh(_) => PayloadType::DH,
            Self::Signature(_) => PayloadType::SIGN,
            Self::Timestamp(_) => PayloadType::TIMESTAMP,
            Self::Id { .. } => PayloadType::ID,
            Self::Certificate(_) => PayloadType::CERT,
            Self::CertificateHash(_) => PayloadType::CHASH,
            Self::Verification(_) => PayloadType::VERIFICATION,
            Self::Policy(_) => PayloadType::POLICY,
            Self::Rand(_) => PayloadType::RAND,
            Self::Error(_) => PayloadType::ERROR,
            Self::TimestampRole { .. } => PayloadType::TIMESTAMP_ROLE,
            Self::IdRole { .. } => PayloadType::ID_ROLE,
            Self::RandRole { .. } => PayloadType::RAND_ROLE,
            Self::TicketPolicy(_) => PayloadType::TICKET_POLICY,
            Self::Ticket(_) => PayloadType::TICKET,
            Self::Extension(_) => PayloadType::EXTENSION,
            Self::Sakke(_) => PayloadType::SAKKE,
        }
    }

    /// From its octets.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, Error> {
        let cursor = &mut Cursor::new(raw.body);
        Ok(match raw.kind {
            PayloadType::KEMAC => {
                let Kemac { encryption, data, mac } = Kemac::parse(cursor)?;
                Self::Kemac { encryption, data, mac }
            }
            PayloadType::PKE => Self::EnvelopeKey(EnvelopeKey::parse(cursor)?),
            PayloadType::DH => Self::Dh(DhValue::parse(cursor)?),
            PayloadType::SIGN => Self::Signature(Signature::parse(cursor)?),
            PayloadType::TIMESTAMP => Self::Timestamp(Timestamp::parse(cursor)?),
            PayloadType::ID => {
                let (kind, data) = id(cursor)?;
                Self::Id { kind, data }
            }
            PayloadType::CERT => Self::Certificate(Certificate::parse(cursor)?),
            PayloadType::CHASH => Self::CertificateHash(CertificateHash::parse(cursor)?),
            PayloadType::VERIFICATION => Self::Verification(Mac::parse(cursor)?),
            PayloadType::POLICY => Self::Policy(Policy::parse(cursor)?),
            PayloadType::RAND => Self::Rand(cursor.short("RAND of MIKEY")?),
            // Two octets behind it are reserved.
            PayloadType::ERROR => Self::Error(ErrorNumber::from_octet(cursor.octet("ERR of MIKEY")?)?),
            PayloadType::TIMESTAMP_ROLE => Self::TimestampRole {
                role: TimestampRole::from_octet(cursor.octet("TR of MIKEY")?)?,
                timestamp: Timestamp::parse(cursor)?,
            },
            PayloadType::ID_ROLE => {
                let role = IdRole::from_octet(cursor.octet("IDR of MIKEY")?)?;
                let (kind, data) = id(cursor)?;
                Self::IdRole { role, kind, data }
            }
            PayloadType::RAND_ROLE => Self::RandRole {
                role: RandRole::from_octet(cursor.octet("RANDR of MIKEY")?)?,
                rand: cursor.short("RANDR of MIKEY")?,
            },
            PayloadType::TICKET_POLICY => Self::TicketPolicy(TicketPolicy::parse(cursor)?),
            PayloadType::TICKET => Self::Ticket(Ticket::parse(cursor)?),
            PayloadType::EXTENSION => Self::Extension(Extension {
                kind: ExtensionType(cursor.octet("extension of MIKEY")?),
                data: cursor.long("extension of MIKEY")?,
            }),
            PayloadType::SAKKE => Self::Sakke(Sakke::parse(cursor)?),
            PayloadType(kind) => {
                return Err(Error::Reserved { what: "payload of MIKEY", value: kind.into() });
            }
        })
    }

    pub(super) fn write(&self, next: PayloadType, writer: &mut Writer<'_>) {
        match (self, next) {
            (Self::Signature(_), PayloadType::LAST) => {}
            (Self::Signature(_), _) => {
                writer.refuse("a payload of MIKEY behind SIGN, which is always the last")
            }
            _ => writer.put(&[next.0]),
        }
        match self {
            Self::Kemac { encryption, data, mac } => {
                writer.put(&[encryption.octet()]);
                writer.long("encrypted data of MIKEY", data);
                mac.write(writer);
            }
            Self::EnvelopeKey(key) => key.write(writer),
            Self::Dh(value) => value.write(writer),
            Self::Signature(signature) => signature.write(writer),
            Self::Timestamp(timestamp) => timestamp.write(writer),
            Self::Id { kind, data } => write_id(*kind, data, writer),
            Self::Certificate(certificate) => certificate.write(writer),
            Self::CertificateHash(hash) => hash.write(writer),
            Self::Verification(mac) => mac.write(writer),
            Self::Policy(policy) => policy.write(writer),
            Self::Rand(rand) => writer.short("RAND of MIKEY", rand),
            Self::Error(number) => writer.put(&[number.octet(), 0, 0]),
            Self::TimestampRole { role, timestamp } => {
                writer.put(&[role.octet()]);
                timestamp.write(writer);
            }
            Self::IdRole { role, kind, data } => {
                writer.put(&[role.octet()]);
                write_id(*kind, data, writer);
            }
            Self::RandRole { role, rand } => {
                writer.put(&[role.octet()]);
                writer.short("RANDR of MIKEY", rand);
            }
            Self::TicketPolicy(policy) => policy.write(writer),
            Self::Ticket(ticket) => ticket.write(writer),
            Self::Extension(extension) => {
                writer.put(&[extension.kind.0]);
                writer.long("extension of MIKEY", extension.data);
            }
            Self::Sakke(sakke) => sakke.write(writer),
        }
    }
}

fn id<'a>(cursor: &mut Cursor<'a>) -> Result<(IdType, &'a [u8]), Error> {
    Ok((IdType::from_octet(cursor.octet("ID of MIKEY")?)?, cursor.long("ID of MIKEY")?))
}

fn write_id(kind: IdType, data: &[u8], writer: &mut Writer<'_>) {
    writer.put(&[kind.octet()]);
    writer.long("ID of MIKEY", data);
}

/// Walks a chain of payloads that begins with this type.
pub(super) fn walk<'a>(
    first: PayloadType,
    cursor: &mut Cursor<'a>,
    mut each: impl FnMut(&Raw<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut kind, mut payloads) = (first, 0);
    while kind != PayloadType::LAST {
        payloads += 1;
        if payloads > MAX_PAYLOADS {
            return Err(Error::TooMany { what: "payloads of MIKEY", max: MAX_PAYLOADS });
        }
        let raw = skip(kind, cursor)?;
        each(&raw)?;
        kind = raw.next;
    }
    Ok(())
}

/// Parses a chain of payloads that begins with this type.
pub(super) fn parse_all<'a>(first: PayloadType, cursor: &mut Cursor<'a>) -> Result<Vec<Payload<'a>>, Error> {
    let mut payloads = Vec::new();
    walk(first, cursor, |raw| {
        payloads.push(Payload::parse(raw)?);
        Ok(())
    })?;
    Ok(payloads)
}

/// Writes payloads as a chain.
pub(super) fn write_all(payloads: &[Payload<'_>], writer: &mut Writer<'_>) {
    writer.limit("payloads of MIKEY", payloads.len(), MAX_PAYLOADS);
    for (index, payload) in payloads.iter().enumerate() {
        payload.write(payloads.get(index + 1).map_or(PayloadType::LAST, Payload::kind), writer);
    }
}
