//! The I_MESSAGE of MIKEY-SAKKE: a key under the receiver's identity, signed by the sender's. RFC 6509, TS 33.180 Annex E.
//!
//! ```text
//! HDR (26, V = 0, PRF 1) | T (NTP) | RAND | IDRi or IDRuidi | IDRr or IDRuidr | IDRkmsi | IDRkmsr | {SP}
//!     | SAKKE | [EXT key parameters] | [EXT SAKKE-to-self] | SIGN (ECCSI)
//! ```
//!
//! [`make`] writes it. [`Received::parse`] reads what its octets say, [`Received::open`] checks it and takes the key out:
//! its time, its names, its signature, and only then the private key of the receiver.
//!
//! Makers differ, and all forms are read: extensions before or after SAKKE, an empty CS ID map with a policy, key parameters
//! with or without their element, not sealed in a legacy form. A signature that leaves out the head of SIGN is read where
//! [`SignatureLeniency::HeadOptional`](super::SignatureLeniency) says so.

use sidelink_security::identity::eccsi::SigningKey;
use sidelink_security::identity::sakke::SSV_OCTETS;
use sidelink_security::kdf::ParameterTooLong;
use sidelink_security::mikey::profile;
use sidelink_wire::mikey::{
    CsIdMap, DataType, Extension, ExtensionType, Header, IdRole, IdType, KeyParameters, KeyType, Payload,
    Policy, Prf, ProtectedParameters, Repr, Sakke, SakkeParameters, Signature, SignatureType, Timestamp,
};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::identity::{Kms, PublicKey};
use super::{MakeError, NtpTime};

mod opened;
mod received;

pub use opened::{Opened, ProvenSender};
pub use received::{Name, OpenAs, ParameterForm, Received, Trust};

/// Octets of an ECCSI signature.
const SIGNATURE_OCTETS: usize = sidelink_security::identity::eccsi::SIGNATURE_OCTETS;

/// The sender.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// URI.
    pub identity: &'a str,
    /// Its key management server.
    pub kms: Kms<'a>,
    /// Its signing key of the period of the message.
    pub key: &'a SigningKey,
}

/// The receiver.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// URI.
    pub identity: &'a str,
    /// Its key management server.
    pub kms: Kms<'a>,
    /// Z of that.
    pub public_key: PublicKey<'a>,
}

/// Whether identities are hidden. TS 33.180 §E.7.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Naming {
    /// The URIs stand in the message.
    #[default]
    Open,
    /// Their identifiers of this period do: a receiver recognises its own, and is told the sender's URI later.
    Hidden,
    /// There are none: both ends know of each other.
    Absent,
}

/// Where extensions stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Behind SAKKE.
    #[default]
    AfterSakke,
    /// Before it.
    BeforeSakke,
}

/// How a message is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Form<'a> {
    /// Of users.
    pub naming: Naming,
    /// Of key management servers: whether their URIs stand in the message.
    pub servers: Servers,
    /// Where extensions stand.
    pub placement: Placement,
    /// Z of the sender's own server, for a copy that its other devices can open. TS 33.180 §E.5.
    pub copy_to_self: Option<PublicKey<'a>>,
}

/// Whether key management servers are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Servers {
    /// Both are.
    #[default]
    Named,
    /// Neither is: 8 octets and two URIs less on the air.
    Absent,
}

/// What a message carries.
#[derive(Debug, Clone)]
pub struct Content<'a> {
    /// CSB ID: the ID of the key, and for the key of a group its GUK-ID, see [`csb_id`].
    pub csb_id: u32,
    /// When it is made.
    pub time: NtpTime,
    /// Crypto sessions.
    pub sessions: CsIdMap<'a>,
    /// Policies of the sessions.
    pub policies: Vec<Policy<'a>>,
    /// Parameters of the key, sealed with the key.
    pub parameters: Option<KeyParameters<'a>>,
}

impl Content<'_> {
    /// A key with the default profile of its type and no parameters.
    pub const fn new(csb_id: u32, time: NtpTime) -> Self {
        Self { csb_id, time, sessions: CsIdMap::Empty, policies: Vec::new(), parameters: None }
    }
}

/// Random octets of one message.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Draws {
    /// RAND.
    pub rand: [u8; 16],
    /// IV of the parameters.
    pub iv: [u8; 16],
    /// Of the signature; secret.
    pub nonce: [u8; 32],
}

/// Message type of sealed parameters, as one of two makers has it.
const PARAMETERS_MESSAGE_TYPE: u8 = 0x40;

/// The CSB ID under which a member gets a key: for the key of a group (its ID begins with the digit of a GMK) the GUK-ID,
/// else the ID itself. TS 33.180 §5.2.3, §E.2.1, §E.3.1. Given the CSB ID in the place of the key ID, it is the key ID.
///
/// # Errors
/// A URI above 65535 octets.
pub fn csb_id(key: &[u8; SSV_OCTETS], key_id: u32, member: &str) -> Result<u32, ParameterTooLong> {
    match KeyType::of_key_id(key_id) {
        Some(KeyType::Gmk) => profile::guk_id(key, key_id, member),
        _ => Ok(key_id),
    }
}

/// Writes a message that carries a key from one to another. SSV is the key: a TGK, GMK, PCK or SSV of a link.
///
/// # Errors
/// A private key of another period than the time, an identity that does not fit, an SSV that does not serve.
pub fn make(
    sender: &Sender<'_>,
    recipient: &Recipient<'_>,
    key: &[u8; SSV_OCTETS],
    content: &Content<'_>,
    form: &Form<'_>,
    draws: &Draws,
) -> Result<Vec<u8>, MakeError> {
    let time = content.time.to_utc();
    let sender_id = sender.kms.identifier(sender.identity, time).ok_or(MakeError::Period)?;
    let recipient_id = recipient.kms.identifier(recipient.identity, time).ok_or(MakeError::Period)?;
    if sender.key.identifier() != sender_id {
        return Err(MakeError::Period);
    }
    let encapsulated = recipient.public_key.encapsulate(&recipient_id, key)?;
    let parameters = content.parameters.as_ref().map(|parameters| sealed(parameters, key, content, draws));
    let parameters = parameters.transpose()?;
    let copy = match form.copy_to_self {
        Some(public_key) => {
            let data = public_key.encapsulate(&sender_id, key)?;
            Some(sakke(&sender.kms, &data).emit_to_self()?)
        }
        None => None,
    };
    let mut payloads =
        vec![Payload::Timestamp(Timestamp::NtpUtc(content.time.0)), Payload::Rand(&draws.rand)];
    payloads.extend(names(sender, recipient, [&sender_id, &recipient_id], form));
    payloads.extend(content.policies.iter().cloned().map(Payload::Policy));
    let extension = |kind, data| Payload::Extension(Extension { kind, data });
    let extensions = [
        parameters.as_deref().map(|data| extension(ExtensionType::KEY_PARAMETERS, data)),
        copy.as_deref().map(|data| extension(ExtensionType::SAKKE_TO_SELF, data)),
    ];
    let key_payload = Payload::Sakke(sakke(&recipient.kms, &encapsulated));
    match form.placement {
        Placement::AfterSakke => {
            payloads.push(key_payload);
            payloads.extend(extensions.into_iter().flatten());
        }
        Placement::BeforeSakke => {
            payloads.extend(extensions.into_iter().flatten());
            payloads.push(key_payload);
        }
    }
    signed(header(content), payloads, sender.key, draws)
}

fn sakke<'a>(kms: &Kms<'_>, data: &'a [u8]) -> Sakke<'a> {
    Sakke { parameters: SakkeParameters::Set1, scheme: kms.scheme(), data }
}

fn header<'a>(content: &Content<'a>) -> Header<'a> {
    Header {
        data_type: DataType::Sakke,
        wants_verification: false,
        prf: Prf::HmacSha256,
        csb_id: content.csb_id,
        sessions: content.sessions.clone(),
    }
}

/// The names that the form wants.
fn names<'a>(
    sender: &Sender<'a>,
    recipient: &Recipient<'a>,
    identifiers: [&'a [u8]; 2],
    form: &Form<'_>,
) -> Vec<Payload<'a>> {
    let named = |role, data| Payload::IdRole { role, kind: IdType::Uri, data };
    let mut names = match form.naming {
        Naming::Open => vec![
            named(IdRole::Initiator, sender.identity.as_bytes()),
            named(IdRole::Responder, recipient.identity.as_bytes()),
        ],
        Naming::Hidden => vec![
            named(IdRole::HiddenInitiator, identifiers[0]),
            named(IdRole::HiddenResponder, identifiers[1]),
        ],
        Naming::Absent => Vec::new(),
    };
    if form.servers == Servers::Named {
        names.push(named(IdRole::InitiatorKms, sender.kms.uri.as_bytes()));
        names.push(named(IdRole::ResponderKms, recipient.kms.uri.as_bytes()));
    }
    names
}

/// The parameters as the data of their extension.
fn sealed(
    parameters: &KeyParameters<'_>,
    key: &[u8; SSV_OCTETS],
    content: &Content<'_>,
    draws: &Draws,
) -> Result<Vec<u8>, MakeError> {
    let plain = zeroize::Zeroizing::new(parameters.emit()?);
    let mut protected = ProtectedParameters {
        message_type: PARAMETERS_MESSAGE_TYPE,
        date_time: content.time.to_utc().millis() / 1000,
        payload_id: 0,
        sequence: 0,
        iv: draws.iv,
        key_id: content.csb_id,
        data: &[],
    };
    let associated = protected.associated();
    let data = profile::protect_parameters(key, content.csb_id, &draws.iv, &associated, &plain);
    protected.data = &data;
    Ok(protected.emit()?)
}

/// Writes the payloads and SIGN behind them.
pub(super) fn signed(
    header: Header<'_>,
    mut payloads: Vec<Payload<'_>>,
    key: &SigningKey,
    draws: &Draws,
) -> Result<Vec<u8>, MakeError> {
    let octets = &[0; SIGNATURE_OCTETS];
    payloads.push(Payload::Signature(Signature { kind: SignatureType::Eccsi, octets }));
    let mut octets = Repr { header, payloads }.to_octets()?;
    let covered = octets.len() - SIGNATURE_OCTETS;
    let signature = key.sign(&octets[..covered], draws.nonce);
    octets[covered..].copy_from_slice(&signature);
    Ok(octets)
}
