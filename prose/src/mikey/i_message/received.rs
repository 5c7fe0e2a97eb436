//! What an I_MESSAGE says, and the checks that make it believed.

use sidelink_security::identity::eccsi::SIGNATURE_OCTETS;
use sidelink_security::identity::sakke::{ReceiverKey, SSV_OCTETS};
use sidelink_security::mikey::profile;
use sidelink_wire::mikey::{
    CsIdMap, DataType, Extension, ExtensionType, Header, IdRole, KeyParameters, Payload, Policy,
    ProtectedParameters, Sakke, SignatureType,
};
use zeroize::Zeroizing;

use super::opened::{Opened, ProvenSender};
use crate::mikey::identity::Kms;
use crate::mikey::{Named, NtpTime, Refused, SignatureLeniency, Window, parse, verify_signature};

/// A user as a message names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// By its URI.
    Uri(&'a str),
    /// By its identifier of the period. TS 33.180 §E.7.
    Hidden(&'a [u8]),
    /// Not at all.
    Absent,
}

/// How the parameters of a key are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterForm<'a> {
    /// Sealed with the key.
    Sealed(ProtectedParameters<'a>),
    /// As they are, in a legacy form of one maker: the signature alone covers them.
    Plain(&'a [u8]),
}

/// A message: what its octets say. Nothing of it is proven.
#[derive(Debug)]
pub struct Received<'a> {
    octets: &'a [u8],
    header: Header<'a>,
    /// T.
    pub time: NtpTime,
    /// RAND.
    pub rand: &'a [u8],
    /// The sender.
    pub initiator: Name<'a>,
    /// The receiver.
    pub responder: Name<'a>,
    /// URI of the sender's key management server.
    pub initiator_kms: Option<&'a str>,
    /// URI of the receiver's key management server.
    pub responder_kms: Option<&'a str>,
    /// Policies.
    pub policies: Vec<Policy<'a>>,
    /// The parameters of the key.
    pub parameters: Option<ParameterForm<'a>>,
    sakke: Sakke<'a>,
    copy_to_self: Option<Sakke<'a>>,
    signature: &'a [u8],
}

/// Who opens a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OpenAs {
    /// Its receiver.
    #[default]
    Responder,
    /// Another device of its sender, by the copy for it. TS 33.180 §E.5.
    InitiatorItself,
}

/// What a message is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// The times that are accepted.
    pub window: Window,
    /// The key management server of the sender.
    pub sender_kms: Kms<'a>,
    /// The one sender that is accepted; none accepts whomever the message names under that server. A message that names
    /// nobody needs one.
    pub sender: Option<&'a str>,
    /// Key management server of this user.
    pub local_kms: Kms<'a>,
    /// URI of this user.
    pub local: &'a str,
    /// Its key of the period of the message.
    pub key: &'a ReceiverKey,
    /// As whom it opens the message.
    pub recipient: OpenAs,
    /// Which signatures are accepted.
    pub signatures: SignatureLeniency,
}

fn text(octets: &[u8]) -> Result<&str, Refused> {
    core::str::from_utf8(octets).map_err(|_| Refused::Profile("identities in UTF-8"))
}

/// Takes a value that may stand once.
fn once<T>(place: &mut Option<T>, value: T, rule: &'static str) -> Result<(), Refused> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refused::Profile(rule)),
    }
}

/// The payloads of a message as they are found, each at most once.
#[derive(Default)]
struct Found<'a> {
    time: Option<NtpTime>,
    rand: Option<&'a [u8]>,
    initiator: Option<Name<'a>>,
    responder: Option<Name<'a>>,
    initiator_kms: Option<&'a str>,
    responder_kms: Option<&'a str>,
    policies: Vec<Policy<'a>>,
    parameters: Option<ParameterForm<'a>>,
    sakke: Option<Sakke<'a>>,
    copy_to_self: Option<Sakke<'a>>,
    signature: Option<&'a [u8]>,
}

impl<'a> Found<'a> {
    fn take(&mut self, payload: Payload<'a>) -> Result<(), Refused> {
        match payload {
            Payload::Timestamp(timestamp) => {
                let time = NtpTime::of(timestamp).ok_or(Refused::Profile("a time, not a counter"))?;
                once(&mut self.time, time, "one T")
            }
            Payload::Rand(rand) => once(&mut self.rand, rand, "one RAND"),
            Payload::IdRole { role, data, .. } => self.take_id(role, data),
            Payload::Policy(policy) => {
                self.policies.push(policy);
                Ok(())
            }
            Payload::Extension(extension) => self.take_extension(extension),
            Payload::Sakke(sakke) => once(&mut self.sakke, sakke, "one SAKKE"),
            Payload::Signature(signature)
                if signature.kind == SignatureType::Eccsi && signature.octets.len() == SIGNATURE_OCTETS =>
            {
                once(&mut self.signature, signature.octets, "one SIGN")
            }
            _ => Err(Refused::Profile("T, RAND, IDR, SP, EXT, SAKKE and an ECCSI signature alone")),
        }
    }

    fn take_id(&mut self, role: IdRole, data: &'a [u8]) -> Result<(), Refused> {
        let (named, rule) = match role {
            IdRole::Initiator => (Name::Uri(text(data)?), "one initiator"),
            IdRole::HiddenInitiator => (Name::Hidden(data), "one initiator"),
            IdRole::Responder => (Name::Uri(text(data)?), "one responder"),
            IdRole::HiddenResponder => (Name::Hidden(data), "one responder"),
            IdRole::InitiatorKms => return once(&mut self.initiator_kms, text(data)?, "one IDRkmsi"),
            IdRole::ResponderKms => return once(&mut self.responder_kms, text(data)?, "one IDRkmsr"),
            IdRole::Kms | IdRole::PresharedKey | IdRole::Application => {
                return Err(Refused::Profile("identities of users and their servers alone"));
            }
        };
        let place = match role {
            IdRole::Initiator | IdRole::HiddenInitiator => &mut self.initiator,
            _ => &mut self.responder,
        };
        once(place, named, rule)
    }

    fn take_extension(&mut self, extension: Extension<'a>) -> Result<(), Refused> {
        match extension.kind {
            ExtensionType::KEY_PARAMETERS => {
                let form = match ProtectedParameters::parse(extension.data) {
                    Ok(protected) => ParameterForm::Sealed(protected),
                    Err(error) => match KeyParameters::parse(extension.data) {
                        Ok(_) => ParameterForm::Plain(extension.data),
                        Err(_) => return Err(error.into()),
                    },
                };
                once(&mut self.parameters, form, "one set of key parameters")
            }
            ExtensionType::SAKKE_TO_SELF => {
                once(&mut self.copy_to_self, Sakke::parse_to_self(extension.data)?, "one copy for the sender")
            }
            // RFC 3830 §6.15: what nobody knows is passed over.
            _ => Ok(()),
        }
    }
}

/// Shortest RAND, octets. RFC 3830 §6.11 recommends it.
const MIN_RAND: usize = 16;

impl<'a> Received<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Refused::Format`] and [`Refused::Profile`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Refused> {
        let (_, repr) = parse(octets)?;
        match repr.header.data_type {
            DataType::Sakke => {}
            DataType::Error => {
                let error = repr.payloads.iter().find_map(|payload| match payload {
                    Payload::Error(number) => Some(*number),
                    _ => None,
                });
                return Err(error.map_or(Refused::Profile("an error"), Refused::Error));
            }
            _ => return Err(Refused::Profile("data type SAKKE")),
        }
        if !matches!(repr.payloads.first(), Some(Payload::Timestamp(_))) {
            return Err(Refused::Profile("T as its first payload"));
        }
        let mut found = Found::default();
        repr.payloads.into_iter().try_for_each(|payload| found.take(payload))?;
        let rand = found.rand.filter(|rand| rand.len() >= MIN_RAND);
        Ok(Self {
            octets,
            header: repr.header,
            time: found.time.ok_or(Refused::Profile("T"))?,
            rand: rand.ok_or(Refused::Profile("a RAND of 16 octets or more"))?,
            initiator: found.initiator.unwrap_or(Name::Absent),
            responder: found.responder.unwrap_or(Name::Absent),
            initiator_kms: found.initiator_kms,
            responder_kms: found.responder_kms,
            policies: found.policies,
            parameters: found.parameters,
            sakke: found.sakke.ok_or(Refused::Profile("SAKKE"))?,
            copy_to_self: found.copy_to_self,
            signature: found.signature.ok_or(Refused::Profile("a signature"))?,
        })
    }

    /// CSB ID.
    pub const fn csb_id(&self) -> u32 {
        self.header.csb_id
    }

    /// Crypto sessions.
    pub const fn sessions(&self) -> &CsIdMap<'a> {
        &self.header.sessions
    }

    /// Checks the message and takes the key out: time, names, signature, key, parameters. The caller has limited how many
    /// messages of one source come this far: a signature takes a fraction of a millisecond, a key some milliseconds.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn open(&self, trust: &Trust<'_>) -> Result<Opened, Refused> {
        trust.window.check(self.time.to_utc())?;
        let (sender, identifier) = self.sender(trust)?;
        let sakke = self.check_recipient(trust, &identifier)?;
        let coverage = verify_signature(
            self.octets,
            self.signature,
            trust.sender_kms.kpak,
            &identifier,
            trust.signatures,
        )?;
        let key = trust.key.decapsulate(sakke.data).map_err(|_| Refused::Decapsulation)?;
        let parameters = self.open_parameters(&key)?;
        Ok(Opened {
            sender,
            identifier,
            time: self.time,
            csb_id: self.csb_id(),
            prf: self.header.prf,
            rand: self.rand.to_vec(),
            key,
            parameters,
            coverage,
        })
    }

    /// The sender that the signature has to prove, and its identifier.
    fn sender(&self, trust: &Trust<'_>) -> Result<(ProvenSender, Vec<u8>), Refused> {
        let kms = &trust.sender_kms;
        if self.initiator_kms.is_some_and(|uri| uri != kms.uri) {
            return Err(Refused::Name(Named::InitiatorKms));
        }
        let identifier = |uri: &str| kms.identifier(uri, self.time.to_utc()).ok_or(Refused::Period);
        match (self.initiator, trust.sender) {
            (Name::Uri(uri), expected) => match expected {
                Some(expected) if expected != uri => Err(Refused::Name(Named::Initiator)),
                _ => Ok((ProvenSender::Known(uri.to_owned()), identifier(uri)?)),
            },
            (Name::Hidden(hidden), None) => Ok((ProvenSender::Hidden, hidden.to_vec())),
            (Name::Hidden(hidden), Some(expected)) => {
                let identifier = identifier(expected)?;
                if identifier != hidden {
                    return Err(Refused::Name(Named::Initiator));
                }
                Ok((ProvenSender::Known(expected.to_owned()), identifier))
            }
            (Name::Absent, Some(expected)) => {
                Ok((ProvenSender::Known(expected.to_owned()), identifier(expected)?))
            }
            (Name::Absent, None) => Err(Refused::Hidden),
        }
    }

    /// Checks that the message is for this user, and that its key is of the period; returns the part of it that is.
    fn check_recipient(&self, trust: &Trust<'_>, sender: &[u8]) -> Result<&Sakke<'a>, Refused> {
        let kms = &trust.local_kms;
        let local = kms.identifier(trust.local, self.time.to_utc()).ok_or(Refused::Period)?;
        if trust.key.identifier() != local {
            return Err(Refused::Period);
        }
        let sakke = match trust.recipient {
            OpenAs::Responder => {
                if self.responder_kms.is_some_and(|uri| uri != kms.uri) {
                    return Err(Refused::Name(Named::ResponderKms));
                }
                let named = match self.responder {
                    Name::Uri(uri) => uri == trust.local,
                    Name::Hidden(hidden) => hidden == local,
                    Name::Absent => true,
                };
                if !named {
                    return Err(Refused::Name(Named::Responder));
                }
                &self.sakke
            }
            OpenAs::InitiatorItself => {
                if sender != local {
                    return Err(Refused::Name(Named::Initiator));
                }
                self.copy_to_self.as_ref().ok_or(Refused::Profile("a copy for its sender"))?
            }
        };
        if sakke.scheme != kms.scheme() {
            return Err(Refused::Profile("the identifiers of this key management server"));
        }
        Ok(sakke)
    }

    /// The plain parameters, once their form is checked.
    fn open_parameters(&self, key: &[u8; SSV_OCTETS]) -> Result<Option<Zeroizing<Vec<u8>>>, Refused> {
        let plain = match self.parameters {
            None => return Ok(None),
            Some(ParameterForm::Plain(octets)) => Zeroizing::new(octets.to_vec()),
            Some(ParameterForm::Sealed(sealed)) => {
                if sealed.key_id != self.csb_id() {
                    return Err(Refused::Parameters);
                }
                profile::open_parameters(key, sealed.key_id, &sealed.iv, &sealed.associated(), sealed.data)
                    .map_err(|_| Refused::Parameters)?
            }
        };
        KeyParameters::parse(&plain)?;
        Ok(Some(plain))
    }
}
