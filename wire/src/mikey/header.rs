//! The common header. RFC 3830 §6.1, RFC 4563 §5, RFC 6043 §6.1, RFC 6509 §4.1.

use super::cursor::{Cursor, Writer};
use super::{Error, Packet, PayloadType, VERSION, field};

macro_rules! data_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        /// What kind of message. Those of IBAKE (RFC 6267) have no name here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum DataType {
            $($(#[$doc])* $name,)*
            /// Any other.
            Other(u8),
        }

        impl DataType {
            /// From the octet of the header.
            pub const fn from_octet(octet: u8) -> Self {
                match octet {
                    $($value => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// The octet of the header.
            pub const fn octet(self) -> u8 {
                match self {
                    $(Self::$name => $value,)*
                    Self::Other(octet) => octet,
                }
            }
        }
    };
}

data_types! {
    /// The initiator's message of the pre-shared key.
    PresharedKey = 0,
    /// Its verification message.
    PresharedKeyVerification = 1,
    /// The initiator's message of the public key.
    PublicKey = 2,
    /// Its verification message.
    PublicKeyVerification = 3,
    /// The initiator's message of Diffie and Hellman.
    Dh = 4,
    /// The responder's.
    DhResponse = 5,
    /// An error.
    Error = 6,
    /// The initiator's message of DHHMAC, RFC 4650.
    DhHmac = 7,
    /// The responder's.
    DhHmacResponse = 8,
    /// The initiator's message of RSA-R, RFC 4738.
    RsaR = 9,
    /// The responder's.
    RsaRResponse = 10,
    /// REQUEST_INIT_PSK, RFC 6043.
    RequestInitPsk = 11,
    /// REQUEST_INIT_PK, RFC 6043.
    RequestInitPk = 12,
    /// REQUEST_RESP, RFC 6043.
    RequestResp = 13,
    /// TRANSFER_INIT, RFC 6043.
    TransferInit = 14,
    /// TRANSFER_RESP, RFC 6043.
    TransferResp = 15,
    /// RESOLVE_INIT_PSK, RFC 6043.
    ResolveInitPsk = 16,
    /// RESOLVE_INIT_PK, RFC 6043.
    ResolveInitPk = 17,
    /// RESOLVE_RESP, RFC 6043.
    ResolveResp = 18,
    /// The initiator's message of SAKKE, RFC 6509.
    Sakke = 26,
}

/// What keys are derived with. RFC 3830 §4.1.2, RFC 6043 §6.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prf {
    /// MIKEY-1, with HMAC-SHA-1.
    Mikey1,
    /// The same with HMAC-SHA-256.
    HmacSha256,
}

impl Prf {
    pub(super) const fn from_bits(bits: u8) -> Result<Self, Error> {
        match bits {
            0 => Ok(Self::Mikey1),
            1 => Ok(Self::HmacSha256),
            _ => Err(Error::Reserved { what: "PRF of MIKEY", value: bits as u32 }),
        }
    }

    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Mikey1 => 0,
            Self::HmacSha256 => 1,
        }
    }
}

/// Which crypto sessions a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CsIdMap<'a> {
    /// SRTP streams, at most 255.
    Srtp(Vec<SrtpId>),
    /// None: #CS is 0. RFC 4563 §5, TS 33.303 §6.2.3.3.2.3.2.
    Empty,
    /// Any sessions, at most 255. RFC 6043 §6.1.1.
    Generic(Vec<GenericId<'a>>),
}

/// An SRTP stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SrtpId {
    /// Number of its policy.
    pub policy: u8,
    /// SSRC.
    pub ssrc: u32,
    /// Rollover counter.
    pub roc: u32,
}

/// A session of any protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenericId<'a> {
    /// CS ID.
    pub cs_id: u8,
    /// Its protocol.
    pub protocol: u8,
    /// The S bit: the sender uses the session.
    pub sender: bool,
    /// Numbers of its policies, at most 127.
    pub policies: &'a [u8],
    /// Data of the session, at most 65535 octets.
    pub session: &'a [u8],
    /// SPI, at most 255 octets.
    pub spi: &'a [u8],
}

/// The common header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// What kind of message.
    pub data_type: DataType,
    /// V: the sender wants a verification message.
    pub wants_verification: bool,
    /// What keys are derived with.
    pub prf: Prf,
    /// CSB ID.
    pub csb_id: u32,
    /// Crypto sessions.
    pub sessions: CsIdMap<'a>,
}

const SRTP: u8 = 0;
const EMPTY: u8 = 1;
const GENERIC: u8 = 2;

const fn unknown_map(kind: u8) -> Error {
    Error::Reserved { what: "CS ID map type of MIKEY", value: kind as u32 }
}

/// Goes behind the CS ID map.
pub(super) fn skip_map(cursor: &mut Cursor<'_>, kind: u8, count: u8) -> Result<(), Error> {
    match kind {
        SRTP => cursor.slice("CS ID map of MIKEY", 9 * usize::from(count)).map(|_| ()),
        EMPTY => Ok(()),
        GENERIC => (0..count).try_for_each(|_| GenericId::parse(cursor).map(|_| ())),
        _ => Err(unknown_map(kind)),
    }
}

impl<'a> GenericId<'a> {
    fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let what = "CS ID map of MIKEY";
        let [cs_id, protocol, policies] = cursor.take(what)?;
        Ok(Self {
            cs_id,
            protocol,
            sender: policies & 0x80 != 0,
            policies: cursor.announced(what, usize::from(policies & 0x7f))?,
            session: cursor.long(what)?,
            spi: cursor.short(what)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.limit("policies of a session of MIKEY", self.policies.len(), 0x7f);
        let policies = u8::from(self.sender) << 7 | self.policies.len() as u8 & 0x7f;
        writer.put(&[self.cs_id, self.protocol, policies]);
        writer.put(self.policies);
        writer.long("session data of MIKEY", self.session);
        writer.short("SPI of MIKEY", self.spi);
    }
}

impl<'a> Header<'a> {
    pub(super) fn parse(packet: &Packet<&'a [u8]>) -> Result<Self, Error> {
        let bytes = packet.buffer;
        let mut cursor = Cursor::at("MIKEY header", bytes, field::MAP)?;
        let (kind, count) = (bytes[field::MAP_TYPE], bytes[field::CS_COUNT]);
        let sessions = match kind {
            SRTP => CsIdMap::Srtp((0..count).map(|_| srtp(&mut cursor)).collect::<Result<_, _>>()?),
            EMPTY if count == 0 => CsIdMap::Empty,
            EMPTY => {
                return Err(Error::Reserved { what: "#CS of an empty map of MIKEY", value: count.into() });
            }
            GENERIC => {
                CsIdMap::Generic((0..count).map(|_| GenericId::parse(&mut cursor)).collect::<Result<_, _>>()?)
            }
            _ => return Err(unknown_map(kind)),
        };
        Ok(Self {
            data_type: packet.data_type(),
            wants_verification: packet.wants_verification(),
            prf: Prf::from_bits(packet.prf())?,
            csb_id: packet.csb_id(),
            sessions,
        })
    }

    pub(super) fn write(&self, first: PayloadType, writer: &mut Writer<'_>) {
        let v_prf = u8::from(self.wants_verification) << 7 | self.prf.bits();
        writer.put(&[VERSION, self.data_type.octet(), first.0, v_prf]);
        writer.put(&self.csb_id.to_be_bytes());
        let (kind, count) = match &self.sessions {
            CsIdMap::Srtp(streams) => (SRTP, streams.len()),
            CsIdMap::Empty => (EMPTY, 0),
            CsIdMap::Generic(sessions) => (GENERIC, sessions.len()),
        };
        writer.limit("#CS of MIKEY", count, 0xff);
        writer.put(&[count as u8, kind]);
        match &self.sessions {
            CsIdMap::Srtp(streams) => streams.iter().for_each(|stream| {
                writer.put(&[stream.policy]);
                writer.put(&stream.ssrc.to_be_bytes());
                writer.put(&stream.roc.to_be_bytes());
            }),
            CsIdMap::Empty => {}
            CsIdMap::Generic(sessions) => sessions.iter().for_each(|session| session.write(writer)),
        }
    }
}

fn srtp(cursor: &mut Cursor<'_>) -> Result<SrtpId, Error> {
    let what = "CS ID map of MIKEY";
    Ok(SrtpId { policy: cursor.octet(what)?, ssrc: cursor.u32(what)?, roc: cursor.u32(what)? })
}
