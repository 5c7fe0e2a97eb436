//! The coding of TS 24.587 §7.3, §8.4: NR. TS 24.554 §10.3, §11.3 is its twin.
//!
//! Read: DIRECT LINK ESTABLISHMENT REQUEST and the first elements of its ACCEPT (TS 38.508-1 §4.7.4). For the other
//! messages the set of elements was read (TS 24.554 §7.2, TS 33.536 §5.3.3.1.4), their order was not.

use super::element::{Reader, Writer};
use super::{
    Algorithms, AuthenticationPhase, Body, Capabilities, CommunicationRequest, Error, Identifiers,
    MAX_AUTHENTICATION_LEN, RekeyingRequest, SecurityModeCommand, SecurityPolicy, UserInfo, UserPlane,
    absent, fits,
};

/// Source of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Read in a text of 3GPP.
    Read,
    /// Read in an implementation.
    FromImplementation,
    /// From memory, the clause was not read.
    FromMemory,
    /// The clause has a value, which was neither read nor remembered: this is a placeholder, valid in this project alone.
    Unknown,
}

/// One row of [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name of the constant.
    pub name: &'static str,
    /// Its value.
    pub value: u8,
    /// Source of the value.
    pub standing: Provenance,
}

macro_rules! table {
    ($($name:ident = $value:literal, $standing:ident;)*) => {
        $(const $name: u8 = $value;)*

        /// Message types (`TYPE_`) and identifiers of elements (`IEI_`) of NR.
        #[allow(non_upper_case_globals)]
        pub const TABLE: &[Row] = &[$(Row {
            name: stringify!($name),
            value: $name,
            standing: Provenance::$standing,
        }),*];
    };
}

table! {
    TYPE_ESTABLISHMENT_REQUEST = 1, Read;
    TYPE_ESTABLISHMENT_ACCEPT = 2, Read;
    TYPE_ESTABLISHMENT_REJECT = 3, FromImplementation;
    TYPE_RELEASE_REQUEST = 7, FromMemory;
    TYPE_RELEASE_ACCEPT = 8, FromMemory;
    TYPE_KEEPALIVE_REQUEST = 9, FromMemory;
    TYPE_KEEPALIVE_RESPONSE = 10, FromMemory;
    TYPE_AUTHENTICATION_REQUEST = 11, FromMemory;
    TYPE_AUTHENTICATION_RESPONSE = 12, FromMemory;
    TYPE_AUTHENTICATION_REJECT = 13, FromMemory;
    TYPE_SECURITY_MODE_COMMAND = 14, FromMemory;
    TYPE_SECURITY_MODE_COMPLETE = 15, FromMemory;
    TYPE_SECURITY_MODE_REJECT = 16, FromMemory;
    TYPE_REKEYING_REQUEST = 17, FromMemory;
    TYPE_REKEYING_RESPONSE = 18, FromMemory;
    TYPE_IDENTIFIER_UPDATE_REQUEST = 19, FromMemory;
    TYPE_IDENTIFIER_UPDATE_ACCEPT = 20, FromMemory;
    TYPE_IDENTIFIER_UPDATE_ACK = 21, FromMemory;
    TYPE_IDENTIFIER_UPDATE_REJECT = 22, FromMemory;
    IEI_TARGET_USER_INFO = 0x28, Read;
    IEI_KNRP_ID = 0x52, FromImplementation;
    IEI_NONCE_1 = 0x53, FromImplementation;
    IEI_MSB_KNRP_SESS_ID = 0x54, FromImplementation;
    IEI_NONCE_2 = 0x55, Unknown;
    IEI_LSB_KNRP_SESS_ID = 0x56, Unknown;
    IEI_IP_CONFIG = 0x57, FromImplementation;
    IEI_LINK_LOCAL_IPV6 = 0x58, FromImplementation;
    IEI_MSBS_KNRP_ID = 0x59, Unknown;
    IEI_LSBS_KNRP_ID = 0x5a, Unknown;
    IEI_MAXIMUM_INACTIVITY = 0x5b, Unknown;
    IEI_KEY_ESTABLISHMENT = 0x74, FromImplementation;
    // Half an octet of identifier; the value is the other half.
    IEI_RE_AUTHENTICATION = 0x90, Unknown;
}

/// The V2X service that the project's links carry, since the message must name one: that of TS 38.508-1 §4.7.4.
const SERVICE: [u8; 4] = [0, 0, 0, 1];

/// Value of [`UserInfo::kind`] in NR, where an application layer ID has no type octet.
const APPLICATION_LAYER_ID: u8 = 1;

/// Length limit of the security capabilities, octets.
const MAX_CAPABILITIES: usize = 8;

/// Parses the elements of a message behind its header.
pub(super) fn parse<'a>(message_type: u8, mut reader: Reader<'a>) -> Result<Body<'a>, Error> {
    let r = &mut reader;
    match message_type {
        TYPE_ESTABLISHMENT_REQUEST => parse_request(r),
        TYPE_ESTABLISHMENT_ACCEPT => parse_accept(r),
        TYPE_ESTABLISHMENT_REJECT => {
            r.end(|r| Ok(Body::CommunicationReject { cause: r.octet("PC5 cause")? }))
        }
        TYPE_RELEASE_REQUEST => r.end(|r| Ok(Body::Release { reason: r.octet("PC5 cause")? })),
        TYPE_RELEASE_ACCEPT => r.end(|_| Ok(Body::ReleaseAccept)),
        TYPE_KEEPALIVE_REQUEST => {
            let counter = u32::from_be_bytes(r.take("Keep-alive counter")?);
            let mut maximum = None;
            r.optional(|iei, r| match iei {
                IEI_MAXIMUM_INACTIVITY => r.first(&mut maximum, "Maximum inactivity period"),
                _ => Ok(false),
            })?;
            Ok(Body::Keepalive { counter, maximum_inactivity: maximum.map(u32::from_be_bytes) })
        }
        TYPE_KEEPALIVE_RESPONSE => {
            r.end(|r| Ok(Body::KeepaliveAck { counter: u32::from_be_bytes(r.take("Keep-alive counter")?) }))
        }
        TYPE_AUTHENTICATION_REQUEST => parse_authentication(r, AuthenticationPhase::Request),
        TYPE_AUTHENTICATION_RESPONSE => parse_authentication(r, AuthenticationPhase::Response),
        TYPE_AUTHENTICATION_REJECT => parse_authentication(r, AuthenticationPhase::Reject),
        TYPE_SECURITY_MODE_COMMAND => parse_command(r),
        TYPE_SECURITY_MODE_COMPLETE => {
            let up_policy = Some(policy(r)?);
            let mut kd_id_lsb = None;
            r.optional(|iei, r| match iei {
                IEI_LSBS_KNRP_ID => r.first(&mut kd_id_lsb, "LSBs of K_NRP ID"),
                _ => Ok(false),
            })?;
            Ok(Body::SecurityModeComplete { kd_id_lsb, up_policy, connection: None })
        }
        TYPE_SECURITY_MODE_REJECT => {
            r.end(|r| Ok(Body::SecurityModeReject { cause: r.octet("PC5 cause")?, rand: None, auts: None }))
        }
        TYPE_REKEYING_REQUEST => parse_rekeying(r),
        TYPE_REKEYING_RESPONSE => r.end(|_| Ok(Body::RekeyingResponse)),
        TYPE_IDENTIFIER_UPDATE_REQUEST => r.end(|r| Ok(Body::IdentifierUpdateRequest(identifiers(r)?))),
        TYPE_IDENTIFIER_UPDATE_ACCEPT => {
            r.end(|r| Ok(Body::IdentifierUpdateAccept { new: identifiers(r)?, asked: identifiers(r)? }))
        }
        TYPE_IDENTIFIER_UPDATE_ACK => r.end(|r| Ok(Body::IdentifierUpdateAck(identifiers(r)?))),
        TYPE_IDENTIFIER_UPDATE_REJECT => {
            r.end(|r| Ok(Body::IdentifierUpdateReject { cause: r.octet("PC5 cause")? }))
        }
        value => Err(Error::Reserved { what: "message type of PC5-S", value: u32::from(value) }),
    }
}

fn parse_request<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, Error> {
    // Skipped: there is one kind of link here.
    reader.short("V2X service identifiers")?;
    let user_info = user_info(reader)?;
    let capabilities = capabilities(reader)?;
    let policy = Some(policy(reader)?);
    let (mut key_info, mut nonce, mut msb, mut target, mut kd_id) = (None, None, None, None, None);
    reader.optional(|iei, reader| match iei {
        IEI_KEY_ESTABLISHMENT => reader.long_first(&mut key_info, "Key establishment information"),
        IEI_NONCE_1 => reader.first(&mut nonce, "Nonce_1"),
        IEI_MSB_KNRP_SESS_ID => reader.first(&mut msb, "MSB of K_NRP-sess ID"),
        IEI_TARGET_USER_INFO => reader.short_first(&mut target, "Target user info"),
        IEI_KNRP_ID => reader.first(&mut kd_id, "K_NRP ID"),
        _ => Ok(false),
    })?;
    Ok(Body::CommunicationRequest(CommunicationRequest {
        user_info,
        ip_config: 0,
        maximum_inactivity: 0,
        nonce: must("Nonce_1", nonce)?,
        capabilities,
        kd_sess_msb: must("MSB of K_NRP-sess ID", msb.map(|[msb]: [u8; 1]| msb))?,
        kd_id,
        relay_service_code: None,
        signature: None,
        link_local: None,
        key_info,
        connection: None,
        policy,
        target,
    }))
}

fn parse_accept<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, Error> {
    let user_info = Some(user_info(reader)?);
    // Skipped: there is one flow here, without QoS.
    reader.long("PC5 QoS flow descriptions")?;
    let up = reader.octet("user plane security protection")?;
    let up = Some(UserPlane { ciphering: switch(up >> 4 & 7)?, integrity: switch(up & 7)? });
    let (mut ip_config, mut link_local) = (None, None);
    reader.optional(|iei, reader| match iei {
        IEI_IP_CONFIG => reader.first(&mut ip_config, "IP address configuration"),
        IEI_LINK_LOCAL_IPV6 => reader.first(&mut link_local, "Link-local IPv6 address"),
        _ => Ok(false),
    })?;
    let ip_config = ip_config.map_or(0, |[ip_config]: [u8; 1]| ip_config);
    Ok(Body::CommunicationAccept { ip_config, link_local, user_info, up, connection: None })
}

fn parse_command<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, Error> {
    let algorithms = reader.octet("selected security algorithms")?;
    let capabilities = capabilities(reader)?;
    let policy = Some(policy(reader)?);
    let (mut nonce, mut lsb, mut kd_id_msb) = (None, None, None);
    reader.optional(|iei, reader| match iei {
        IEI_NONCE_2 => reader.first(&mut nonce, "Nonce_2"),
        IEI_LSB_KNRP_SESS_ID => reader.first(&mut lsb, "LSB of K_NRP-sess ID"),
        IEI_MSBS_KNRP_ID => reader.first(&mut kd_id_msb, "MSBs of K_NRP ID"),
        _ => Ok(false),
    })?;
    Ok(Body::SecurityModeCommand(SecurityModeCommand {
        capabilities,
        nonce: must("Nonce_2", nonce)?,
        algorithms: Algorithms { eea: algorithms >> 4 & 7, eia: algorithms & 7 },
        kd_sess_lsb: must("LSB of K_NRP-sess ID", lsb.map(|[lsb]: [u8; 1]| lsb))?,
        kd_id_msb,
        kd_freshness: None,
        gpi: None,
        user_info: None,
        signature: None,
        encrypted_payload: None,
        policy,
    }))
}

fn parse_rekeying<'a>(reader: &mut Reader<'a>) -> Result<Body<'a>, Error> {
    let capabilities = capabilities(reader)?;
    let (mut key_info, mut nonce, mut msb, mut re_auth) = (None, None, None, None);
    reader.optional(|iei, reader| match iei {
        IEI_KEY_ESTABLISHMENT => reader.long_first(&mut key_info, "Key establishment information"),
        IEI_NONCE_1 => reader.first(&mut nonce, "Nonce_1"),
        IEI_MSB_KNRP_SESS_ID => reader.first(&mut msb, "MSB of K_NRP-sess ID"),
        _ if iei & 0xf0 == IEI_RE_AUTHENTICATION => {
            re_auth.get_or_insert(iei & 0x0f);
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(Body::RekeyingRequest(RekeyingRequest {
        capabilities,
        nonce: must("Nonce_1", nonce)?,
        kd_sess_msb: must("MSB of K_NRP-sess ID", msb.map(|[msb]: [u8; 1]| msb))?,
        re_auth,
        pruk_id: None,
        key_info,
    }))
}

/// Parses an authentication message. A request and a response hold a container; a reject holds a cause, and a container
/// if it carries a cookie.
fn parse_authentication<'a>(reader: &mut Reader<'a>, phase: AuthenticationPhase) -> Result<Body<'a>, Error> {
    const CONTAINER: &str = "Key establishment information";
    let mut container = None;
    let mut cause: &[u8] = &[];
    if phase == AuthenticationPhase::Reject {
        cause = reader.slice("PC5 cause", 1)?;
        reader.optional(|iei, reader| match iei {
            IEI_KEY_ESTABLISHMENT => reader.long_first(&mut container, CONTAINER),
            _ => Ok(false),
        })?;
    } else {
        container = Some(reader.long(CONTAINER)?);
        reader.optional(|_, _| Ok(false))?;
    }
    let Some(container) = container else {
        return Ok(Body::Authentication { phase, method: 0, content: cause });
    };
    if container.first() == Some(&0) {
        return Err(Error::Reserved { what: "authentication method", value: 0 });
    }
    let (method, content) =
        container.split_first().ok_or(Error::Truncated { what: CONTAINER, needed: 1, have: 0 })?;
    if content.len() > MAX_AUTHENTICATION_LEN {
        return Err(Error::Oversized { what: CONTAINER, max: MAX_AUTHENTICATION_LEN, have: content.len() });
    }
    Ok(Body::Authentication { phase, method: *method, content })
}

/// Requires an element that TS 33.536 §5.3.3.1.4 leaves out where no integrity is wanted: there are no such links here.
fn must<T>(what: &'static str, element: Option<T>) -> Result<T, Error> {
    element.ok_or(Error::Truncated { what, needed: 1, have: 0 })
}

fn user_info<'a>(reader: &mut Reader<'a>) -> Result<UserInfo<'a>, Error> {
    Ok(UserInfo { kind: APPLICATION_LAYER_ID, value: reader.short("Application layer ID")? })
}

/// Reads two octets. Newer releases may send more: these are not echoed and so not agreed on.
fn capabilities(reader: &mut Reader<'_>) -> Result<Capabilities, Error> {
    const WHAT: &str = "UE security capabilities";
    match *reader.short(WHAT)? {
        [eea, eia, ref rest @ ..] if rest.len() + 2 <= MAX_CAPABILITIES => Ok(Capabilities { eea, eia }),
        ref other if other.len() > MAX_CAPABILITIES => {
            Err(Error::Oversized { what: WHAT, max: MAX_CAPABILITIES, have: other.len() })
        }
        ref other => Err(Error::Truncated { what: WHAT, needed: 2, have: other.len() }),
    }
}

fn policy(reader: &mut Reader<'_>) -> Result<SecurityPolicy, Error> {
    let octet = reader.octet("security policy")?;
    let need = |bits: u8| match bits & 7 {
        value @ 0..=2 => Ok(value),
        value => Err(Error::Reserved { what: "security policy", value: u32::from(value) }),
    };
    Ok(SecurityPolicy { ciphering: need(octet >> 4)?, integrity: need(octet)? })
}

const fn switch(bits: u8) -> Result<bool, Error> {
    match bits {
        0 => Ok(false),
        1 => Ok(true),
        value => Err(Error::Reserved { what: "user plane security protection", value: value as u32 }),
    }
}

fn identifiers(reader: &mut Reader<'_>) -> Result<Identifiers, Error> {
    Ok(Identifiers { kd_sess: reader.octet("half of K_NRP-sess ID")?, layer2: reader.take("Layer-2 ID")? })
}

/// Returns the message type in NR.
pub(super) const fn message_type(body: &Body<'_>) -> Result<u8, Error> {
    Ok(match body {
        Body::CommunicationRequest(_) => TYPE_ESTABLISHMENT_REQUEST,
        Body::CommunicationAccept { .. } => TYPE_ESTABLISHMENT_ACCEPT,
        Body::CommunicationReject { .. } => TYPE_ESTABLISHMENT_REJECT,
        Body::Release { .. } => TYPE_RELEASE_REQUEST,
        Body::ReleaseAccept => TYPE_RELEASE_ACCEPT,
        Body::Keepalive { .. } => TYPE_KEEPALIVE_REQUEST,
        Body::KeepaliveAck { .. } => TYPE_KEEPALIVE_RESPONSE,
        Body::Authentication { phase: AuthenticationPhase::Request, .. } => TYPE_AUTHENTICATION_REQUEST,
        Body::Authentication { phase: AuthenticationPhase::Response, .. } => TYPE_AUTHENTICATION_RESPONSE,
        Body::Authentication { phase: AuthenticationPhase::Reject, .. } => TYPE_AUTHENTICATION_REJECT,
        Body::SecurityModeCommand(_) => TYPE_SECURITY_MODE_COMMAND,
        Body::SecurityModeComplete { .. } => TYPE_SECURITY_MODE_COMPLETE,
        Body::SecurityModeReject { .. } => TYPE_SECURITY_MODE_REJECT,
        Body::RekeyingRequest(_) => TYPE_REKEYING_REQUEST,
        Body::RekeyingResponse => TYPE_REKEYING_RESPONSE,
        Body::IdentifierUpdateRequest(_) => TYPE_IDENTIFIER_UPDATE_REQUEST,
        Body::IdentifierUpdateAccept { .. } => TYPE_IDENTIFIER_UPDATE_ACCEPT,
        Body::IdentifierUpdateAck(_) => TYPE_IDENTIFIER_UPDATE_ACK,
        Body::IdentifierUpdateReject { .. } => TYPE_IDENTIFIER_UPDATE_REJECT,
        Body::RekeyingTrigger
        | Body::RemoteUeInfoRequest { .. }
        | Body::RemoteUeInfoResponse { .. }
        | Body::Relay(_) => {
            return Err(Error::NotCarried { what: "message of LTE" });
        }
    })
}

/// Checks that every value fits its field, that mandatory elements are present, and that no element is present that
/// this coding does not have.
pub(super) fn check(body: &Body<'_>) -> Result<(), Error> {
    let user_info = |info: &UserInfo<'_>| fits("Application layer ID length", info.value.len() as u32, 253);
    let key_info = |info: Option<&[u8]>| {
        fits("Key establishment information length", info.map_or(0, <[u8]>::len) as u32, 0xffff)
    };
    match body {
        Body::CommunicationRequest(request) => {
            absent("relay service code", request.relay_service_code)?;
            absent("signature", request.signature)?;
            absent("link-local address", request.link_local)?;
            absent("connection identity", request.connection)?;
            check_policy(request.policy)?;
            fits("Target user info length", request.target.map_or(0, <[u8]>::len) as u32, 253)?;
            key_info(request.key_info)?;
            user_info(&request.user_info)
        }
        Body::CommunicationAccept { user_info: info, up, connection, .. } => {
            absent("connection identity", *connection)?;
            up.ok_or(Error::NotCarried { what: "user plane protection" })?;
            user_info(&info.ok_or(Error::NotCarried { what: "user info" })?)
        }
        Body::SecurityModeCommand(command) => {
            absent("KD freshness", command.kd_freshness)?;
            absent("GPI", command.gpi)?;
            absent("user info", command.user_info)?;
            absent("signature", command.signature)?;
            absent("encrypted payload", command.encrypted_payload)?;
            fits("ciphering algorithm", command.algorithms.eea.into(), 7)?;
            fits("integrity algorithm", command.algorithms.eia.into(), 7)?;
            check_policy(command.policy)
        }
        Body::SecurityModeComplete { up_policy, connection, .. } => {
            absent("connection identity", *connection)?;
            check_policy(*up_policy)
        }
        Body::SecurityModeReject { rand, auts, .. } => {
            absent("RAND", *rand)?;
            absent("AUTS", *auts)
        }
        Body::RekeyingRequest(request) => {
            absent("PRUK ID", request.pruk_id)?;
            fits("re-authentication indication", request.re_auth.unwrap_or(0).into(), 15)?;
            key_info(request.key_info)
        }
        Body::Authentication { phase: AuthenticationPhase::Reject, method: 0, content } => {
            fits("cause length", content.len() as u32, 1)?;
            content.first().map(|_| ()).ok_or(Error::NotCarried { what: "cause" })
        }
        Body::Authentication { method: 0, .. } => {
            Err(Error::NotCarried { what: "authentication without a method" })
        }
        Body::Authentication { content, .. } => {
            fits("authentication length", content.len() as u32, MAX_AUTHENTICATION_LEN as u32)
        }
        _ => Ok(()),
    }
}

fn check_policy(policy: Option<SecurityPolicy>) -> Result<(), Error> {
    let policy = policy.ok_or(Error::NotCarried { what: "security policy" })?;
    fits("ciphering policy", policy.ciphering.into(), 2)?;
    fits("integrity policy", policy.integrity.into(), 2)
}

/// Counts the octets of the elements, or writes them.
pub(super) fn emit(body: &Body<'_>, writer: &mut Writer<'_>) {
    match body {
        Body::CommunicationRequest(request) => {
            writer.value(&SERVICE);
            writer.value(request.user_info.value);
            writer.value(&[request.capabilities.eea, request.capabilities.eia]);
            put_policy(writer, request.policy);
            writer.long_element(IEI_KEY_ESTABLISHMENT, request.key_info);
            writer.element(IEI_NONCE_1, Some(&request.nonce));
            writer.element(IEI_MSB_KNRP_SESS_ID, Some(&[request.kd_sess_msb]));
            writer.short(IEI_TARGET_USER_INFO, request.target);
            writer.element(IEI_KNRP_ID, request.kd_id.as_ref());
        }
        Body::CommunicationAccept { ip_config, link_local, user_info, up, .. } => {
            writer.value(user_info.map_or(&[], |info| info.value));
            writer.long(&[]);
            let up = up.unwrap_or(UserPlane { ciphering: false, integrity: false });
            writer.put(&[u8::from(up.ciphering) << 4 | u8::from(up.integrity)]);
            writer.element(IEI_IP_CONFIG, (*ip_config != 0).then_some(&[*ip_config]));
            writer.element(IEI_LINK_LOCAL_IPV6, link_local.as_ref());
        }
        Body::CommunicationReject { cause: octet }
        | Body::Release { reason: octet }
        | Body::SecurityModeReject { cause: octet, .. }
        | Body::IdentifierUpdateReject { cause: octet } => writer.put(&[*octet]),
        Body::Keepalive { counter, maximum_inactivity } => {
            writer.put(&counter.to_be_bytes());
            writer.element(IEI_MAXIMUM_INACTIVITY, maximum_inactivity.map(u32::to_be_bytes).as_ref());
        }
        Body::KeepaliveAck { counter } => writer.put(&counter.to_be_bytes()),
        Body::SecurityModeCommand(command) => {
            writer.put(&[command.algorithms.eea << 4 | command.algorithms.eia]);
            writer.value(&[command.capabilities.eea, command.capabilities.eia]);
            put_policy(writer, command.policy);
            writer.element(IEI_NONCE_2, Some(&command.nonce));
            writer.element(IEI_LSB_KNRP_SESS_ID, Some(&[command.kd_sess_lsb]));
            writer.element(IEI_MSBS_KNRP_ID, command.kd_id_msb.as_ref());
        }
        Body::SecurityModeComplete { kd_id_lsb, up_policy, .. } => {
            put_policy(writer, *up_policy);
            writer.element(IEI_LSBS_KNRP_ID, kd_id_lsb.as_ref());
        }
        Body::RekeyingRequest(request) => {
            writer.value(&[request.capabilities.eea, request.capabilities.eia]);
            writer.long_element(IEI_KEY_ESTABLISHMENT, request.key_info);
            writer.element(IEI_NONCE_1, Some(&request.nonce));
            writer.element(IEI_MSB_KNRP_SESS_ID, Some(&[request.kd_sess_msb]));
            if let Some(flag) = request.re_auth {
                writer.put(&[IEI_RE_AUTHENTICATION | flag]);
            }
        }
        Body::Authentication { phase: AuthenticationPhase::Reject, method: 0, content } => {
            writer.put(content)
        }
        Body::Authentication { phase, method, content } => {
            if *phase == AuthenticationPhase::Reject {
                writer.put(&[CAUSE_OF_A_WISH, IEI_KEY_ESTABLISHMENT]);
            }
            writer.put(&(content.len() as u16 + 1).to_be_bytes());
            writer.put(&[*method]);
            writer.put(content);
        }
        Body::IdentifierUpdateRequest(new) | Body::IdentifierUpdateAck(new) => put_identifiers(writer, *new),
        Body::IdentifierUpdateAccept { new, asked } => {
            put_identifiers(writer, *new);
            put_identifiers(writer, *asked);
        }
        // Nothing in them, or refused by `message_type`.
        _ => {}
    }
}

/// The cause of a reject with a container: congestion. TS 24.554 Table 11.3.8.1.
const CAUSE_OF_A_WISH: u8 = 13;

fn put_policy(writer: &mut Writer<'_>, policy: Option<SecurityPolicy>) {
    let policy = policy.unwrap_or(SecurityPolicy { ciphering: 0, integrity: 0 });
    writer.put(&[policy.ciphering << 4 | policy.integrity]);
}

fn put_identifiers(writer: &mut Writer<'_>, identifiers: Identifiers) {
    writer.put(&[identifiers.kd_sess]);
    writer.put(&identifiers.layer2);
}
