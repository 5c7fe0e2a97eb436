//! Payloads. RFC 3830 §6.2 to §6.15; lengths of those of RFC 6043 and RFC 6509 (from memory).

use super::cursor::{Cursor, Writer};
use super::values::{Encryption, ErrorNumber, IdType, Mac, Timestamp};
use super::{Error, key_data};

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
    /// SIGN: always the last, it says of no next one.
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
    /// What stands behind its octet of the next payload; SIGN and unknown types have none.
    pub body: &'a [u8],
}

/// Whether nothing may follow a payload of this type, for want of a place to say it.
const fn is_always_last(kind: PayloadType) -> bool {
    matches!(kind, PayloadType::SIGN) || !is_known(kind)
}

const fn is_known(kind: PayloadType) -> bool {
    matches!(kind.0, 1..=17 | 21 | 26)
}

/// Goes behind a payload.
pub(super) fn skip<'a>(kind: PayloadType, cursor: &mut Cursor<'a>) -> Result<Raw<'a>, Error> {
    let at = cursor.position();
    if !is_known(kind) {
        return Ok(Raw { kind, next: PayloadType::LAST, at, body: cursor.rest() });
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
        PayloadType::PKE => {
            let len = cursor.u16("PKE of MIKEY")? & 0x3fff;
            cursor.announced("PKE of MIKEY", len.into()).map(|_| ())
        }
        PayloadType::DH => {
            let len = group_octets(cursor.octet("DH of MIKEY")?)?;
            cursor.slice("DH of MIKEY", len)?;
            let validity = cursor.octet("DH of MIKEY")? & 0xf;
            key_data::Validity::parse(validity, cursor).map(|_| ())
        }
        PayloadType::SIGN => {
            let len = cursor.u16("SIGN of MIKEY")? & 0x0fff;
            cursor.announced("SIGN of MIKEY", len.into()).map(|_| ())
        }
        PayloadType::TIMESTAMP => Timestamp::parse(cursor).map(|_| ()),
        PayloadType::TIMESTAMP_ROLE => {
            cursor.octet("TR of MIKEY")?;
            Timestamp::parse(cursor).map(|_| ())
        }
        PayloadType::CHASH => {
            let len = hash_octets(cursor.octet("CHASH of MIKEY")?)?;
            cursor.slice("CHASH of MIKEY", len).map(|_| ())
        }
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
        PayloadType::TICKET_POLICY => ticket(cursor, 1),
        PayloadType::TICKET => ticket(cursor, 3),
        // ID, CERT and the general extension.
        _ => {
            cursor.octet("payload of MIKEY")?;
            cursor.long("payload of MIKEY").map(|_| ())
        }
    }
}

/// A ticket or its policy: seven octets, then so many fields of their own lengths.
fn ticket(cursor: &mut Cursor<'_>, fields: usize) -> Result<(), Error> {
    cursor.slice("ticket of MIKEY", 7)?;
    (0..fields).try_for_each(|_| cursor.long("ticket of MIKEY").map(|_| ()))
}

/// Octets of a public value in the Oakley groups 5, 1 and 2.
const fn group_octets(group: u8) -> Result<usize, Error> {
    match group {
        0 => Ok(192),
        1 => Ok(96),
        2 => Ok(128),
        _ => Err(Error::Reserved { what: "DH group of MIKEY", value: group as u32 }),
    }
}

/// Octets of SHA-1 and MD5.
const fn hash_octets(hash: u8) -> Result<usize, Error> {
    match hash {
        0 => Ok(20),
        1 => Ok(16),
        _ => Err(Error::Reserved { what: "hash of MIKEY", value: hash as u32 }),
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

/// A security policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy<'a> {
    /// Its number.
    pub number: u8,
    /// Of which protocol.
    pub protocol: u8,
    /// Types and values, each at most 255 octets.
    pub parameters: Vec<(u8, &'a [u8])>,
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
    /// T. RFC 3830 §6.6.
    Timestamp(Timestamp),
    /// ID. RFC 3830 §6.7.
    Id {
        /// What it is.
        kind: IdType,
        /// The identity.
        data: &'a [u8],
    },
    /// V. RFC 3830 §6.9.
    Verification(Mac<'a>),
    /// SP. RFC 3830 §6.10.
    Policy(Policy<'a>),
    /// RAND. RFC 3830 §6.11.
    Rand(&'a [u8]),
    /// ERR. RFC 3830 §6.12.
    Error(ErrorNumber),
    /// General extension. RFC 3830 §6.15, RFC 4563 §5.
    Extension {
        /// Its type.
        kind: u8,
        /// The data.
        data: &'a [u8],
    },
    /// A type of known length that is not read here.
    Opaque {
        /// Its type.
        kind: PayloadType,
        /// As it is.
        body: &'a [u8],
    },
    /// A type of unknown length, and all that is behind it.
    Unknown {
        /// Its type.
        kind: PayloadType,
        /// As it is, from its octet of the next payload on.
        rest: &'a [u8],
    },
}

impl<'a> Payload<'a> {
    /// Its type.
    pub const fn kind(&self) -> PayloadType {
        match self {
            Self::Kemac { .. } => PayloadType::KEMAC,
            Self::Timestamp(_) => PayloadType::TIMESTAMP,
            Self::Id { .. } => PayloadType::ID,
            Self::Verification(_) => PayloadType::VERIFICATION,
            Self::Policy(_) => PayloadType::POLICY,
            Self::Rand(_) => PayloadType::RAND,
            Self::Error(_) => PayloadType::ERROR,
            Self::Extension { .. } => PayloadType::EXTENSION,
            Self::Opaque { kind, .. } | Self::Unknown { kind, .. } => *kind,
        }
    }

    pub(super) const fn is_always_last(&self) -> bool {
        is_always_last(self.kind())
    }

    /// From its octets.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, Error> {
        let mut cursor = Cursor::new(raw.body);
        let payload = match raw.kind {
            PayloadType::KEMAC => {
                let Kemac { encryption, data, mac } = Kemac::parse(&mut cursor)?;
                Self::Kemac { encryption, data, mac }
            }
            PayloadType::TIMESTAMP => Self::Timestamp(Timestamp::parse(&mut cursor)?),
            PayloadType::ID => Self::Id {
                kind: IdType::from_octet(cursor.octet("ID of MIKEY")?)?,
                data: cursor.long("ID of MIKEY")?,
            },
            PayloadType::VERIFICATION => Self::Verification(Mac::parse(&mut cursor)?),
            PayloadType::POLICY => Self::Policy(Policy::parse(&mut cursor)?),
            PayloadType::RAND => Self::Rand(cursor.short("RAND of MIKEY")?),
            // Two octets behind it are reserved.
            PayloadType::ERROR => Self::Error(ErrorNumber::from_octet(cursor.octet("ERR of MIKEY")?)?),
            PayloadType::EXTENSION => Self::Extension {
                kind: cursor.octet("extension of MIKEY")?,
                data: cursor.long("extension of MIKEY")?,
            },
            kind if is_known(kind) => Self::Opaque { kind, body: raw.body },
            kind => Self::Unknown { kind, rest: raw.body },
        };
        Ok(payload)
    }

    pub(super) fn write(&self, next: PayloadType, writer: &mut Writer<'_>) {
        if !self.is_always_last() {
            writer.put(&[next.0]);
        }
        match self {
            Self::Kemac { encryption, data, mac } => {
                writer.put(&[encryption.octet()]);
                writer.long("encrypted data of MIKEY", data);
                mac.write(writer);
            }
            Self::Timestamp(timestamp) => timestamp.write(writer),
            Self::Id { kind, data } => {
                writer.put(&[kind.octet()]);
                writer.long("ID of MIKEY", data);
            }
            Self::Verification(mac) => mac.write(writer),
            Self::Policy(policy) => policy.write(writer),
            Self::Rand(rand) => writer.short("RAND of MIKEY", rand),
            Self::Error(number) => writer.put(&[number.octet(), 0, 0]),
            Self::Extension { kind, data } => {
                writer.put(&[*kind]);
                writer.long("extension of MIKEY", data);
            }
            Self::Opaque { kind, body } => {
                let mut cursor = Cursor::new(body);
                if Self::is_modelled(*kind) || skip_body(*kind, &mut cursor).is_err() || cursor.left() > 0 {
                    writer.refuse("an opaque payload of MIKEY that is none of its type");
                }
                writer.put(body);
            }
            Self::Unknown { kind, rest } => {
                if is_known(*kind) || *kind == PayloadType::LAST {
                    writer.refuse("an unknown payload of MIKEY of a type that is known");
                }
                writer.put(rest);
            }
        }
    }

    /// Whether the type has a variant of its own, or none at all.
    const fn is_modelled(kind: PayloadType) -> bool {
        matches!(kind.0, 1 | 5 | 6 | 9..=12 | 21) || !is_known(kind)
    }
}

impl<'a> Policy<'a> {
    fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let [number, protocol] = cursor.take("SP of MIKEY")?;
        let mut inside = Cursor::new(cursor.long("SP of MIKEY")?);
        let mut parameters = Vec::new();
        while inside.left() > 0 {
            parameters.push((inside.octet("SP of MIKEY")?, inside.short("SP of MIKEY")?));
        }
        Ok(Self { number, protocol, parameters })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        let len = self.parameters.iter().map(|(_, value)| 2 + value.len()).sum::<usize>();
        writer.limit("parameters of a policy of MIKEY", len, 0xffff);
        writer.put(&[self.number, self.protocol]);
        writer.put(&(len as u16).to_be_bytes());
        for (kind, value) in &self.parameters {
            writer.put(&[*kind]);
            writer.short("parameter of a policy of MIKEY", value);
        }
    }
}
