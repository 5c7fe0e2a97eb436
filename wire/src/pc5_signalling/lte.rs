//! The coding of TS 24.334 §11.4, §12.5.1: LTE. Where it comes from stands at the top of [`super`].
//!
//! TS 24.334 §12.1A: spare bits are ignored, and a message with a reserved value in a field is refused.

use super::element::{Field, Reader, Writer};
use super::{
    Algorithms, AuthenticationPhase, Body, CommunicationRequest, Error, MAX_AUTHENTICATION_LEN, MessageType,
    RekeyingRequest, RelayMessage, SecurityModeCommand, UserInfo, absent, fits,
};

/// Identifiers of the optional elements.
// TS 24.334 §12.5.1 IEIs; TS 24.334 §12.5.1.5, .17 to .21, .29 to .31, .33
mod iei {
    pub(super) const USER_INFO: u8 = 1;
    pub(super) const LINK_LOCAL_IPV6: u8 = 3;
    pub(super) const MAXIMUM_INACTIVITY: u8 = 7;
    pub(super) const PRUK_ID: u8 = 8;
    pub(super) const AUTS: u8 = 9;
    pub(super) const RAND: u8 = 10;
    // TS 24.334 §12.5.1.24 to .28
    pub(super) const LSB_KD_ID: u8 = 15;
    pub(super) const MSB_KD_ID: u8 = 16;
    pub(super) const KD_ID: u8 = 17;
    pub(super) const KD_FRESHNESS: u8 = 18;
    pub(super) const AUTH_FLAG: u8 = 21;
    pub(super) const SIGNATURE: u8 = 22;
    pub(super) const ENCRYPTED_PAYLOAD: u8 = 23;
    pub(super) const GPI: u8 = 24;
    pub(super) const RELAY_SERVICE_CODE: u8 = 25;
    pub(super) const REMOTE_IDENTITY: u8 = 27;
    /// User at the far end of a UE-to-UE relay, the project's own element: behind one octet of length, so that other
    /// receivers skip it.
    pub(super) const TARGET_USER_INFO: u8 = 0x7c;
    /// Connection identity, the project's own element, skipped in the same way.
    pub(super) const CONNECTION: u8 = 0x7d;
    /// Key establishment information, the project's own element, skipped in the same way.
    pub(super) const KEY_INFO: u8 = 0x7e;
}

/// TS 24.334 §12.5.1.4.
// TS 24.334 §12.5.1.4
const IP_CONFIG: Field = Field { what: "IP Address Config", mask: 0x0f, known: 0..=3 };
/// TS 24.334 §12.5.1.7.
// TS 24.334 §12.5.1.7
const CAUSE: Field = Field { what: "PC5 cause", mask: 0x0f, known: 1..=10 };
/// TS 24.334 §12.5.1.8.
// TS 24.334 §12.5.1.8
const REASON: Field = Field { what: "Release Reason", mask: 0x0f, known: 1..=3 };
/// TS 24.334 §12.5.1.32.
// TS 24.334 §12.5.1.32
const AUTH_FLAG: Field = Field { what: "Auth Flag", mask: 1, known: 1..=1 };
/// TS 24.334 §12.5.1.35.
// TS 24.334 §12.5.1.35
const INFORMATION_TYPE: Field = Field { what: "Remote UE Information Type", mask: 0xff, known: 1..=2 };
/// TS 24.334 §12.5.1.3.
// TS 24.334 §12.5.1.3 (1)
const IDENTITY_TYPE: Field = Field { what: "type of User Info", mask: 7, known: 1..=3 };
/// Type of identity of an IMEI (4) or IMEISV (5), in the first octet beside a digit: TS 24.334 §12.5.1.36.
const EQUIPMENT_TYPE: Field = Field { what: "type of IMEI", mask: 7, known: 4..=5 };
const IMEI: u8 = 4;
/// The type of User Info whose first octet holds a digit too.
const IMSI: u8 = 3;

/// The octets of an IMEI or IMEISV, what they leave of the ninth all ones.
// TS 24.334 §12.5.1.36
fn equipment(mut octets: [u8; 9]) -> Result<[u8; 9], Error> {
    octets[8] |= if EQUIPMENT_TYPE.value(octets[0])? == IMEI { 0xff } else { 0xf0 };
    Ok(octets)
}

/// User Info: an IMSI keeps its first octet, which holds its first digit.
// TS 24.334 §12.5.1.3 (2)
fn user_info<'a>(reader: &mut Reader<'a>) -> Result<UserInfo<'a>, Error> {
    let octets = reader.short("User Info")?;
    let (&first, value) =
        octets.split_first().ok_or(Error::Truncated { what: "User Info", needed: 1, have: 0 })?;
    let kind = IDENTITY_TYPE.value(first)?;
    Ok(UserInfo { kind, value: if kind == IMSI { octets } else { value } })
}

fn check_user_info(info: &UserInfo<'_>) -> Result<(), Error> {
    IDENTITY_TYPE.check(info.kind)?;
    if info.kind == IMSI && info.value.first().is_none_or(|first| first & IDENTITY_TYPE.mask != IMSI) {
        return Err(Error::NotCarried { what: "IMSI" });
    }
    fits("User Info length", info.value.len() as u32, 254)
}

fn put_user_info(writer: &mut Writer<'_>, info: &UserInfo<'_>) {
    let kind: &[u8] = if info.kind == IMSI { &[] } else { &[info.kind] };
    writer.put(&[(kind.len() + info.value.len()) as u8]);
    writer.put(kind);
    writer.put(info.value);
}

/// The elements of a message behind its header.
pub(super) fn parse<'a>(message_type: u8, mut reader: Reader<'a>) -> Result<Body<'a>, Error> {
    let reader = &mut reader;
    let body = match MessageType::from_lte(message_type) {
        Some(MessageType::CommunicationRequest) => parse_request(reader)?,
        Some(MessageType::CommunicationAccept) => {
            // TS 24.334 §11.4.3.1 to 11.4.8.1
            let ip_config = IP_CONFIG.read(reader)?;
            let (mut link_local, mut connection) = (None, None);
            reader.optional(|iei, reader| match iei {
                iei::CONNECTION => reader.four(&mut connection, "connection identity"),
                iei::LINK_LOCAL_IPV6 => reader.first(&mut link_local, "Link-local IPv6"),
                _ => Ok(false),
            })?;
            Body::CommunicationAccept { ip_config, link_local, user_info: None, up: None, connection }
        }
        Some(MessageType::CommunicationReject) => {
            reader.end(|r| Ok(Body::CommunicationReject { cause: CAUSE.read(r)? }))?
        }
        Some(MessageType::Keepalive) => {
            // TS 24.334 §12.5.1.6, .9
            let counter = u32::from_be_bytes(reader.take("Keepalive Counter")?);
            let mut maximum = None;
            reader.optional(|iei, reader| match iei {
                // TS 24.334 §11.4.3.1 to 11.4.8.1
                iei::MAXIMUM_INACTIVITY => reader.first(&mut maximum, "Maximum Inactivity Period"),
                _ => Ok(false),
            })?;
            Body::Keepalive { counter, maximum_inactivity: maximum.map(u32::from_be_bytes) }
        }
        Some(MessageType::KeepaliveAck) => reader
            .end(|r| Ok(Body::KeepaliveAck { counter: u32::from_be_bytes(r.take("Keepalive Counter")?) }))?,
        Some(MessageType::Release) => reader.end(|r| Ok(Body::Release { reason: REASON.read(r)? }))?,
        Some(MessageType::ReleaseAccept) => reader.end(|_| Ok(Body::ReleaseAccept))?,
        Some(MessageType::SecurityModeCommand) => parse_command(reader)?,
        Some(MessageType::SecurityModeComplete) => {
            let (mut kd_id_lsb, mut connection) = (None, None);
            reader.optional(|iei, reader| match iei {
                iei::CONNECTION => reader.four(&mut connection, "connection identity"),
                // TS 24.334 §11.4.13.1 to 11.4.18.1
                iei::LSB_KD_ID => reader.first(&mut kd_id_lsb, "LSB of KD ID"),
                _ => Ok(false),
            })?;
            Body::SecurityModeComplete { kd_id_lsb, up_policy: None, connection }
        }
        Some(MessageType::SecurityModeReject) => {
            let cause = CAUSE.read(reader)?;
            let (mut rand, mut auts) = (None, None);
            reader.optional(|iei, reader| match iei {
                iei::RAND => reader.first(&mut rand, "RAND"),
                iei::AUTS => reader.first(&mut auts, "AUTS"),
                _ => Ok(false),
            })?;
            Body::SecurityModeReject { cause, rand, auts }
        }
        Some(MessageType::RekeyingRequest) => parse_rekeying(reader)?,
        Some(MessageType::RekeyingResponse) => reader.end(|_| Ok(Body::RekeyingResponse))?,
        Some(MessageType::RekeyingTrigger) => reader.end(|_| Ok(Body::RekeyingTrigger))?,
        Some(MessageType::RemoteUeInfoRequest) => {
            reader.end(|r| Ok(Body::RemoteUeInfoRequest { kind: INFORMATION_TYPE.read(r)? }))?
        }
        Some(MessageType::RemoteUeInfoResponse) => {
            let mut identity = None;
            reader.optional(|iei, reader| match iei {
                iei::REMOTE_IDENTITY => reader.first(&mut identity, "IMEI"),
                _ => Ok(false),
            })?;
            Body::RemoteUeInfoResponse { identity: identity.map(equipment).transpose()? }
        }
        Some(MessageType::AuthenticationRequest) => {
            parse_authentication(reader, AuthenticationPhase::Request)?
        }
        Some(MessageType::AuthenticationResponse) => {
            parse_authentication(reader, AuthenticationPhase::Response)?
        }
        Some(MessageType::AuthenticationReject) => parse_authentication(reader, AuthenticationPhase::Reject)?,
        other => {
            let relay = other.and_then(|kind| RelayMessage::parse(kind, reader));
            // Identifiers are changed in the coding of NR only.
            let unknown = Error::Reserved { what: "message type of PC5-S", value: message_type.into() };
            let relay = relay.ok_or(unknown)??;
            reader.end(|_| Ok(Body::Relay(relay)))?
        }
    };
    Ok(body)
}

/// Checks that every value fits its field, and that no element is present that this coding does not have.
pub(super) fn check(body: &Body<'_>) -> Result<(), Error> {
    let key_info = |info: Option<&[u8]>| {
        fits("Key Establishment Information length", info.map_or(0, <[u8]>::len) as u32, 255)
    };
    match body {
        Body::CommunicationRequest(request) => {
            absent("security policy", request.policy)?;
            fits("target user info length", request.target.map_or(0, <[u8]>::len) as u32, 255)?;
            key_info(request.key_info)?;
            IP_CONFIG.check(request.ip_config)?;
            check_user_info(&request.user_info)
        }
        Body::CommunicationAccept { ip_config, user_info, up, .. } => {
            IP_CONFIG.check(*ip_config)?;
            absent("user info", *user_info)?;
            absent("user plane protection", *up)
        }
        Body::SecurityModeComplete { up_policy, .. } => absent("user plane policy", *up_policy),
        Body::RekeyingRequest(request) => {
            request.re_auth.map_or(Ok(()), |flag| AUTH_FLAG.check(flag))?;
            key_info(request.key_info)
        }
        Body::CommunicationReject { cause } | Body::SecurityModeReject { cause, .. } => CAUSE.check(*cause),
        Body::Release { reason } => REASON.check(*reason),
        Body::RemoteUeInfoRequest { kind } => INFORMATION_TYPE.check(*kind),
        Body::SecurityModeCommand(command) => {
            absent("security policy", command.policy)?;
            fits("ciphering algorithm", command.algorithms.eea.into(), 7)?;
            fits("integrity algorithm", command.algorithms.eia.into(), 7)?;
            fits("GPI length", command.gpi.map_or(0, <[u8]>::len) as u32, 255)?;
            let payload = command.encrypted_payload.map_or(0, <[u8]>::len);
            fits("Encrypted Payload length", payload as u32, 0xffff)?;
            command.user_info.as_ref().map_or(Ok(()), check_user_info)
        }
        Body::RemoteUeInfoResponse { identity: Some(octets) } => match equipment(*octets) {
            Ok(same) if same == *octets => Ok(()),
            _ => Err(Error::NotCarried { what: "IMEI" }),
        },
        Body::Relay(message) => message.check(),
        Body::Authentication { content, .. } => {
            fits("authentication length", content.len() as u32, MAX_AUTHENTICATION_LEN as u32)
        }
        Body::IdentifierUpdateRequest(_)
        | Body::IdentifierUpdateAccept { .. }
        | Body::IdentifierUpdateAck(_)
        | Body::IdentifierUpdateReject { .. } => Err(Error::NotCarried { what: "link identifier update" }),
        _ => Ok(()),
    }
}

// TS 24.334 §11.4.2.1
fn parse_request<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, Error> {
    let mut request = CommunicationRequest {
        user_info: user_info(reader)?,
        ip_config: IP_CONFIG.read(reader)?,
        maximum_inactivity: u32::from_be_bytes(reader.take("Maximum Inactivity Period")?),
        nonce: reader.take("Nonce_1")?,
        capabilities: reader.capabilities()?,
        kd_sess_msb: reader.octet("MSB of KD-sess ID")?,
        kd_id: None,
        relay_service_code: None,
        signature: None,
        link_local: None,
        key_info: None,
        connection: None,
        policy: None,
        target: None,
    };
    reader.optional(|iei, reader| match iei {
        iei::CONNECTION => reader.four(&mut request.connection, "connection identity"),
        iei::KEY_INFO => reader.short_first(&mut request.key_info, "Key Establishment Information"),
        iei::KD_ID => reader.first(&mut request.kd_id, "KD ID"),
        iei::RELAY_SERVICE_CODE => reader.first(&mut request.relay_service_code, "Relay Service Code"),
        iei::SIGNATURE => reader.first(&mut request.signature, "Signature"),
        iei::LINK_LOCAL_IPV6 => reader.first(&mut request.link_local, "Link-local IPv6"),
        iei::TARGET_USER_INFO => reader.short_first(&mut request.target, "Target User Info"),
        _ => Ok(false),
    })?;
    Ok(Body::CommunicationRequest(request))
}

// TS 24.334 §11.4.12A.1
fn parse_command<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, Error> {
    let capabilities = reader.capabilities()?;
    let nonce = reader.take("Nonce_2")?;
    let algorithms = reader.octet("Chosen Algorithms")?;
    let mut command = SecurityModeCommand {
        capabilities,
        nonce,
        // TS 24.334 §12.5.1.23
        algorithms: Algorithms { eea: algorithms >> 4 & 7, eia: algorithms & 7 },
        kd_sess_lsb: reader.octet("LSB of KD-sess ID")?,
        kd_id_msb: None,
        kd_freshness: None,
        gpi: None,
        user_info: None,
        signature: None,
        encrypted_payload: None,
        policy: None,
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
                let value = user_info(reader)?;
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

// TS 24.334 §11.4.13.1 to 11.4.18.1
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
        iei::AUTH_FLAG => reader.first(&mut re_auth, "Auth Flag"),
        iei::PRUK_ID => reader.first(&mut request.pruk_id, "PRUK ID"),
        iei::KEY_INFO => reader.short_first(&mut request.key_info, "Key Establishment Information"),
        _ => Ok(false),
    })?;
    request.re_auth = re_auth.map(|[flag]| AUTH_FLAG.value(flag)).transpose()?;
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

/// Counts the octets of the elements, or writes them.
pub(super) fn emit(body: &Body<'_>, writer: &mut Writer<'_>) {
    match body {
        Body::CommunicationRequest(request) => {
            put_user_info(writer, &request.user_info);
            writer.put(&[request.ip_config]);
            writer.put(&request.maximum_inactivity.to_be_bytes());
            writer.put(&request.nonce);
            writer.put(&[request.capabilities.eea, request.capabilities.eia, request.kd_sess_msb]);
            // TS 24.334 §11.4.2.1
            writer.element(iei::KD_ID, request.kd_id.as_ref());
            writer.element(iei::RELAY_SERVICE_CODE, request.relay_service_code.as_ref());
            writer.element(iei::SIGNATURE, request.signature.as_ref());
            writer.element(iei::LINK_LOCAL_IPV6, request.link_local.as_ref());
            writer.short(iei::CONNECTION, request.connection.as_ref().map(|name| &name[..]));
            writer.short(iei::TARGET_USER_INFO, request.target);
            writer.short(iei::KEY_INFO, request.key_info);
        }
        Body::CommunicationAccept { ip_config, link_local, connection, .. } => {
            writer.put(&[*ip_config]);
            writer.element(iei::LINK_LOCAL_IPV6, link_local.as_ref());
            writer.short(iei::CONNECTION, connection.as_ref().map(|id| &id[..]));
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
            // TS 24.334 §11.4.12A.1
            writer.element(iei::MSB_KD_ID, command.kd_id_msb.as_ref());
            writer.element(iei::KD_FRESHNESS, command.kd_freshness.as_ref());
            if let Some(gpi) = command.gpi {
                writer.put(&[iei::GPI, gpi.len() as u8]);
                writer.put(gpi);
            }
            if let Some(user_info) = &command.user_info {
                writer.put(&[iei::USER_INFO]);
                put_user_info(writer, user_info);
            }
            writer.element(iei::SIGNATURE, command.signature.as_ref());
            if let Some(payload) = command.encrypted_payload {
                writer.put(&[iei::ENCRYPTED_PAYLOAD]);
                writer.long(payload);
            }
        }
        Body::SecurityModeComplete { kd_id_lsb, connection, .. } => {
            writer.element(iei::LSB_KD_ID, kd_id_lsb.as_ref());
            writer.short(iei::CONNECTION, connection.as_ref().map(|id| &id[..]));
        }
        Body::SecurityModeReject { cause, rand, auts } => {
            writer.put(&[*cause]);
            writer.element(iei::RAND, rand.as_ref());
            writer.element(iei::AUTS, auts.as_ref());
        }
        Body::RekeyingRequest(request) => {
            writer.put(&[request.capabilities.eea, request.capabilities.eia]);
            writer.put(&request.nonce);
            writer.put(&[request.kd_sess_msb]);
            writer.element(iei::AUTH_FLAG, request.re_auth.map(|flag| [flag]).as_ref());
            writer.element(iei::PRUK_ID, request.pruk_id.as_ref());
            writer.short(iei::KEY_INFO, request.key_info);
        }
        Body::RemoteUeInfoResponse { identity } => {
            writer.element(iei::REMOTE_IDENTITY, identity.as_ref());
        }
        Body::Relay(message) => message.emit(writer),
        Body::Authentication { method, content, .. } => {
            writer.put(&[*method]);
            writer.long(content);
        }
        // Refused by `check`.
        Body::IdentifierUpdateRequest(_)
        | Body::IdentifierUpdateAccept { .. }
        | Body::IdentifierUpdateAck(_)
        | Body::IdentifierUpdateReject { .. } => {}
    }
}
