//! PC5 signalling messages of one-to-one communication, LTE profile. Read first: TS 24.334 §11.4, §12.5.1.
//!
//! ```text
//! octet 1      message type
//! octets 2-3   sequence number
//! then         mandatory elements, in order, without identifiers
//! then         optional elements, each behind its identifier (IEI)
//! ```
//!
//! Message types, lengths and identifiers are those of a public implementation (the identifiers as the decimal numbers
//! that it writes); TS 24.334 §12.5 was not read. Types 8 to 11 are unknown and refused. The authentication messages
//! 0xE0 to 0xE2 are the project's own, in a range that no known message uses.
//!
//! Comprehension (TS 24.007 §11.2.4, from memory): an unknown element whose identifier is 0x0n must be understood,
//! so the message is refused; one of 0x8n and up is one octet; every other is skipped by its length octet. Of an
//! element that comes twice the first counts.

use super::{Error, fits, need, room};
use element::{Reader, Writer};

mod body;
mod element;

pub use body::{
    Algorithms, AuthenticationPhase, Body, Capabilities, CommunicationRequest, RekeyingRequest,
    SecurityModeCommand, UserInfo,
};

/// Octets of an ECCSI signature: r, s and PVT.
pub const SIGNATURE_LEN: usize = 129;
/// Octets in front of every message's elements.
pub const HEADER_LEN: usize = 3;
/// The longest body of an authentication message.
pub const MAX_AUTHENTICATION_LEN: usize = 8000;

mod field {
    use core::ops::Range;

    pub(super) const TYPE: usize = 0;
    pub(super) const SEQUENCE: Range<usize> = 1..3;
}

/// Identifiers of the optional elements.
mod iei {
    pub(super) const USER_INFO: u8 = 1;
    pub(super) const LINK_LOCAL_IPV6: u8 = 3;
    pub(super) const MAXIMUM_INACTIVITY: u8 = 7;
    pub(super) const PRUK_ID: u8 = 8;
    pub(super) const AUTS: u8 = 9;
    pub(super) const RAND: u8 = 10;
    pub(super) const LSB_KD_ID: u8 = 15;
    pub(super) const MSB_KD_ID: u8 = 16;
    pub(super) const KD_ID: u8 = 17;
    pub(super) const KD_FRESHNESS: u8 = 18;
    pub(super) const RE_AUTH: u8 = 21;
    pub(super) const SIGNATURE: u8 = 22;
    pub(super) const ENCRYPTED_PAYLOAD: u8 = 23;
    pub(super) const GPI: u8 = 24;
    pub(super) const RELAY_SERVICE_CODE: u8 = 25;
    pub(super) const REMOTE_IDENTITY: u8 = 27;
    /// Ours, behind one octet of length, so that a receiver without it skips it.
    pub(super) const KEY_INFO: u8 = 0x7e;
}

/// A view of a message.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps bytes without a check; see the panic contract of [`super`].
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// Wraps bytes that hold a header.
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let packet = Self { buffer };
        packet.check_len()?;
        Ok(packet)
    }

    /// Message type and sequence number must be whole; elements are judged by [`Repr::parse`].
    pub fn check_len(&self) -> Result<(), Error> {
        need("PC5-S header", HEADER_LEN, self.buffer.as_ref().len())
    }

    /// The message type.
    pub fn message_type(&self) -> u8 {
        self.buffer.as_ref()[field::TYPE]
    }

    /// The sequence number.
    pub fn sequence(&self) -> u16 {
        let sequence = &self.buffer.as_ref()[field::SEQUENCE];
        u16::from_be_bytes([sequence[0], sequence[1]])
    }
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Repr<'a> {
    /// Sequence number.
    pub sequence: u16,
    /// The elements.
    pub body: Body<'a>,
}

impl<'a> Repr<'a> {
    /// Reads a message.
    pub fn parse(packet: &Packet<&'a [u8]>) -> Result<Self, Error> {
        packet.check_len()?;
        let mut reader = Reader::new(packet.buffer, HEADER_LEN);
        let body = match packet.message_type() {
            1 => parse_request(&mut reader)?,
            2 => {
                let ip_config = reader.octet("IP Address Config")?;
                let mut link_local = None;
                reader.optional(|iei, reader| match iei {
                    iei::LINK_LOCAL_IPV6 => reader.first(&mut link_local, "Link-local IPv6"),
                    _ => Ok(false),
                })?;
                Body::CommunicationAccept { ip_config, link_local }
            }
            3 => reader.end(|r| Ok(Body::CommunicationReject { cause: r.octet("PC5 cause")? }))?,
            4 => {
                let counter = u32::from_be_bytes(reader.take("Keepalive Counter")?);
                let mut maximum = None;
                reader.optional(|iei, reader| match iei {
                    iei::MAXIMUM_INACTIVITY => reader.first(&mut maximum, "Maximum Inactivity Period"),
                    _ => Ok(false),
                })?;
                Body::Keepalive { counter, maximum_inactivity: maximum.map(u32::from_be_bytes) }
            }
            5 => reader.end(|r| {
                Ok(Body::KeepaliveAck { counter: u32::from_be_bytes(r.take("Keepalive Counter")?) })
            })?,
            6 => reader.end(|r| Ok(Body::Release { reason: r.octet("Release Reason")? }))?,
            7 => reader.end(|_| Ok(Body::ReleaseAccept))?,
            12 => parse_command(&mut reader)?,
            13 => {
                let mut kd_id_lsb = None;
                reader.optional(|iei, reader| match iei {
                    iei::LSB_KD_ID => reader.first(&mut kd_id_lsb, "LSB of KD ID"),
                    _ => Ok(false),
                })?;
                Body::SecurityModeComplete { kd_id_lsb }
            }
            14 => {
                let cause = reader.octet("PC5 cause")?;
                let (mut rand, mut auts) = (None, None);
                reader.optional(|iei, reader| match iei {
                    iei::RAND => reader.first(&mut rand, "RAND"),
                    iei::AUTS => reader.first(&mut auts, "AUTS"),
                    _ => Ok(false),
                })?;
                Body::SecurityModeReject { cause, rand, auts }
            }
            15 => parse_rekeying(&mut reader)?,
            16 => reader.end(|_| Ok(Body::RekeyingResponse))?,
            17 => reader.end(|_| Ok(Body::RekeyingTrigger))?,
            18 => reader.end(|r| Ok(Body::RemoteUeInfoRequest { kind: r.octet("Remote UE Info Type")? }))?,
            19 => {
                let mut identity = None;
                reader.optional(|iei, reader| match iei {
                    iei::REMOTE_IDENTITY => {
                        let value = reader.short("IMEI")?;
                        identity.get_or_insert(value);
                        Ok(true)
                    }
                    _ => Ok(false),
                })?;
                Body::RemoteUeInfoResponse { identity }
            }
            0xe0 => parse_authentication(&mut reader, AuthenticationPhase::Request)?,
            0xe1 => parse_authentication(&mut reader, AuthenticationPhase::Response)?,
            0xe2 => parse_authentication(&mut reader, AuthenticationPhase::Reject)?,
            value => return Err(Error::Reserved { what: "message type of PC5-S", value: u32::from(value) }),
        };
        Ok(Self { sequence: packet.sequence(), body })
    }

    /// Octets of the message.
    pub fn buffer_len(&self) -> usize {
        let mut writer = Writer::new(None, HEADER_LEN);
        emit_body(&self.body, &mut writer);
        writer.position()
    }

    /// Writes the message over the first [`Self::buffer_len`] octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        let len = self.buffer_len();
        room(len, buffer.len())?;
        self.check_ranges()?;
        buffer[field::TYPE] = self.body.message_type();
        buffer[field::SEQUENCE].copy_from_slice(&self.sequence.to_be_bytes());
        emit_body(&self.body, &mut Writer::new(Some(&mut buffer[..len]), HEADER_LEN));
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), Error> {
        let user_info = |info: &UserInfo<'_>| fits("User Info length", info.value.len() as u32, 254);
        let key_info = |info: Option<&[u8]>| {
            fits("Key Establishment Information length", info.map_or(0, <[u8]>::len) as u32, 255)
        };
        match &self.body {
            Body::CommunicationRequest(request) => {
                key_info(request.key_info)?;
                user_info(&request.user_info)
            }
            Body::RekeyingRequest(request) => key_info(request.key_info),
            Body::SecurityModeCommand(command) => {
                fits("ciphering algorithm", command.algorithms.eea.into(), 7)?;
                fits("integrity algorithm", command.algorithms.eia.into(), 7)?;
                fits("GPI length", command.gpi.map_or(0, <[u8]>::len) as u32, 255)?;
                let payload = command.encrypted_payload.map_or(0, <[u8]>::len);
                fits("Encrypted Payload length", payload as u32, 0xffff)?;
                command.user_info.as_ref().map_or(Ok(()), user_info)
            }
            Body::RemoteUeInfoResponse { identity } => {
                fits("IMEI length", identity.map_or(0, <[u8]>::len) as u32, 255)
            }
            Body::Authentication { content, .. } => {
                fits("authentication length", content.len() as u32, MAX_AUTHENTICATION_LEN as u32)
            }
            _ => Ok(()),
        }
    }
}

fn parse_request<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, Error> {
    let mut request = CommunicationRequest {
        user_info: reader.user_info()?,
        ip_config: reader.octet("IP Address Config")?,
        maximum_inactivity: u32::from_be_bytes(reader.take("Maximum Inactivity Period")?),
        nonce: reader.take("Nonce_1")?,
        capabilities: reader.capabilities()?,
        kd_sess_msb: reader.octet("MSB of KD-sess ID")?,
        kd_id: None,
        relay_service_code: None,
        signature: None,
        link_local: None,
        key_info: None,
    };
    reader.optional(|iei, reader| match iei {
        iei::KEY_INFO => reader.short_first(&mut request.key_info, "Key Establishment Information"),
        iei::KD_ID => reader.first(&mut request.kd_id, "KD ID"),
        iei::RELAY_SERVICE_CODE => reader.first(&mut request.relay_service_code, "Relay Service Code"),
        iei::SIGNATURE => reader.first(&mut request.signature, "Signature"),
        iei::LINK_LOCAL_IPV6 => reader.first(&mut request.link_local, "Link-local IPv6"),
        _ => Ok(false),
    })?;
    Ok(Body::CommunicationRequest(request))
}

fn parse_command<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, Error> {
    let capabilities = reader.capabilities()?;
    let nonce = reader.take("Nonce_2")?;
    let algorithms = reader.octet("Chosen Algorithms")?;
    let mut command = SecurityModeCommand {
        capabilities,
        nonce,
        algorithms: Algorithms { eea: algorithms >> 4 & 7, eia: algorithms & 7 },
        kd_sess_lsb: reader.octet("LSB of KD-sess ID")?,
        kd_id_msb: None,
        kd_freshness: None,
        gpi: None,
        user_info: None,
        signature: None,
        encrypted_payload: None,
    };
    reader.optional(|iei, reader| {
        match iei {
            iei::MSB_KD_ID => return reader.first(&mut command.kd_id_msb, "MSB of KD ID"),
            iei::KD_FRESHNESS => return reader.first(&mut command.kd_freshness, "KD Freshness"),
            iei::SIGNATURE => return reader.first(&mut command.signature, "Signature"),
            iei::GPI => {
                let value = reader.short("GPI")?;
                command.gpi.get_or_insert(value);
            }
            iei::USER_INFO => {
                let value = reader.user_info()?;
                command.user_info.get_or_insert(value);
            }
            iei::ENCRYPTED_PAYLOAD => {
                let value = reader.long("Encrypted Payload")?;
                command.encrypted_payload.get_or_insert(value);
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Body::SecurityModeCommand(command))
}

fn parse_rekeying<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, Error> {
    let mut request = RekeyingRequest {
        capabilities: reader.capabilities()?,
        nonce: reader.take("Nonce_1")?,
        kd_sess_msb: reader.octet("MSB of KD-sess ID")?,
        re_auth: None,
        pruk_id: None,
        key_info: None,
    };
    let mut re_auth: Option<[u8; 1]> = None;
    reader.optional(|iei, reader| match iei {
        iei::RE_AUTH => reader.first(&mut re_auth, "Re-auth flag"),
        iei::PRUK_ID => reader.first(&mut request.pruk_id, "PRUK ID"),
        iei::KEY_INFO => reader.short_first(&mut request.key_info, "Key Establishment Information"),
        _ => Ok(false),
    })?;
    request.re_auth = re_auth.map(|[flag]| flag);
    Ok(Body::RekeyingRequest(request))
}

fn parse_authentication<'a>(reader: &mut Reader<'a>, phase: AuthenticationPhase) -> Result<Body<'a>, Error> {
    let method = reader.octet("authentication method")?;
    let content = reader.long("authentication content")?;
    if content.len() > MAX_AUTHENTICATION_LEN {
        let (max, have) = (MAX_AUTHENTICATION_LEN, content.len());
        return Err(Error::Oversized { what: "authentication content", max, have });
    }
    reader.end(|_| Ok(Body::Authentication { phase, method, content }))
}

fn emit_body(body: &Body<'_>, writer: &mut Writer<'_>) {
    match body {
        Body::CommunicationRequest(request) => {
            writer.user_info(&request.user_info);
            writer.put(&[request.ip_config]);
            writer.put(&request.maximum_inactivity.to_be_bytes());
            writer.put(&request.nonce);
            writer.put(&[request.capabilities.eea, request.capabilities.eia, request.kd_sess_msb]);
            writer.element(iei::KD_ID, request.kd_id.as_ref());
            writer.element(iei::RELAY_SERVICE_CODE, request.relay_service_code.as_ref());
            writer.element(iei::SIGNATURE, request.signature.as_ref());
            writer.element(iei::LINK_LOCAL_IPV6, request.link_local.as_ref());
            writer.short(iei::KEY_INFO, request.key_info);
        }
        Body::CommunicationAccept { ip_config, link_local } => {
            writer.put(&[*ip_config]);
            writer.element(iei::LINK_LOCAL_IPV6, link_local.as_ref());
        }
        Body::CommunicationReject { cause: octet }
        | Body::Release { reason: octet }
        | Body::RemoteUeInfoRequest { kind: octet } => writer.put(&[*octet]),
        Body::Keepalive { counter, maximum_inactivity } => {
            writer.put(&counter.to_be_bytes());
            writer.element(iei::MAXIMUM_INACTIVITY, maximum_inactivity.map(u32::to_be_bytes).as_ref());
        }
        Body::KeepaliveAck { counter } => writer.put(&counter.to_be_bytes()),
        Body::ReleaseAccept | Body::RekeyingResponse | Body::RekeyingTrigger => {}
        Body::SecurityModeCommand(command) => {
            writer.put(&[command.capabilities.eea, command.capabilities.eia]);
            writer.put(&command.nonce);
            writer.put(&[command.algorithms.eea << 4 | command.algorithms.eia, command.kd_sess_lsb]);
            writer.element(iei::MSB_KD_ID, command.kd_id_msb.as_ref());
            writer.element(iei::KD_FRESHNESS, command.kd_freshness.as_ref());
            if let Some(gpi) = command.gpi {
                writer.put(&[iei::GPI, gpi.len() as u8]);
                writer.put(gpi);
            }
            if let Some(user_info) = &command.user_info {
                writer.put(&[iei::USER_INFO]);
                writer.user_info(user_info);
            }
            writer.element(iei::SIGNATURE, command.signature.as_ref());
            if let Some(payload) = command.encrypted_payload {
                writer.put(&[iei::ENCRYPTED_PAYLOAD]);
                writer.long(payload);
            }
        }
        Body::SecurityModeComplete { kd_id_lsb } => writer.element(iei::LSB_KD_ID, kd_id_lsb.as_ref()),
        Body::SecurityModeReject { cause, rand, auts } => {
            writer.put(&[*cause]);
            writer.element(iei::RAND, rand.as_ref());
            writer.element(iei::AUTS, auts.as_ref());
        }
        Body::RekeyingRequest(request) => {
            writer.put(&[request.capabilities.eea, request.capabilities.eia]);
            writer.put(&request.nonce);
            writer.put(&[request.kd_sess_msb]);
            writer.element(iei::RE_AUTH, request.re_auth.map(|flag| [flag]).as_ref());
            writer.element(iei::PRUK_ID, request.pruk_id.as_ref());
            writer.short(iei::KEY_INFO, request.key_info);
        }
        Body::RemoteUeInfoResponse { identity } => {
            if let Some(identity) = identity {
                writer.put(&[iei::REMOTE_IDENTITY, identity.len() as u8]);
                writer.put(identity);
            }
        }
        Body::Authentication { method, content, .. } => {
            writer.put(&[*method]);
            writer.long(content);
        }
    }
}

#[cfg(test)]
mod tests;
