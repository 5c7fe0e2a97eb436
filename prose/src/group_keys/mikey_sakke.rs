//! The messages of groups as MIKEY-SAKKE: [`crate::mikey`] with the keys of this UE's identities.
//!
//! A GMK comes in an I_MESSAGE whose key parameters have its period (TS 33.180 §E.6.1) and whose CSB ID is its GUK-ID
//! (§E.3.1), a GSK in the message of a group call (TR 33.833 §6.3.1.3.2.3).

use core::fmt;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::direct::Entropy;
use sidelink_security::identity::eccsi::{PublicAuthenticationKey, SigningKey};
use sidelink_security::identity::sakke::{ENCAPSULATED_OCTETS, Encapsulator, ReceiverKey};
use sidelink_security::key_period::KeyPeriods;
use sidelink_security::keys::{Gmk, Gsk};
use sidelink_wire::mikey::{Framing, KeyParameters, KeyStatus, KeyType, StatusReading};

use super::Identity;
use super::note::Refusal;
use super::ports::{CallMessage, Claim, GmkMessage, GmkOffer, Kind, Messages};
use super::record::{CsbId, GmkId, Period};
use crate::mikey::i_message::{self, Content, Draws, Form, Name, OpenAs, Recipient, Sender, Servers};
use crate::mikey::identity::{Kms, PublicKey};
use crate::mikey::{MakeError, NtpTime, Refused, SignatureLeniency, Window, group_call};

/// A key management server, and the keys that it gave to identities of this UE.
pub struct Domain {
    /// Its URI.
    pub uri: String,
    /// Its periods.
    pub periods: KeyPeriods,
    /// KPAK.
    pub kpak: PublicAuthenticationKey,
    /// Z, with a table.
    pub encapsulator: Encapsulator,
    /// How the identities begin for which it is responsible; empty for all that no other domain is. The identities of MEs
    /// are those of their maker's server.
    pub prefix: String,
    /// Keys of identities: of one identity those of several periods.
    pub keys: Vec<IdentityKeys>,
}

/// The private keys of an identity for one period.
pub struct IdentityKeys {
    /// URI.
    pub identity: String,
    /// SSK and PVT.
    pub signing: SigningKey,
    /// RSK; the manager of a group needs none of the group's identity.
    pub receiving: Option<ReceiverKey>,
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({:?}, {} sets of keys)", self.uri, self.keys.len())
    }
}

impl Domain {
    fn kms(&self) -> Kms<'_> {
        Kms { uri: &self.uri, periods: self.periods, kpak: &self.kpak }
    }

    /// Returns the keys of an identity in the period of a time.
    fn keys(&self, identity: &str, time: UtcTime) -> Option<&IdentityKeys> {
        let identifier = self.kms().identifier(identity, time)?;
        let of = |keys: &&IdentityKeys| keys.identity == identity && keys.signing.identifier() == identifier;
        self.keys.iter().find(of)
    }
}

/// Messages as MIKEY-SAKKE.
#[derive(Debug)]
pub struct MikeySakke {
    domains: Vec<Domain>,
    servers: Servers,
}

impl MikeySakke {
    /// Messages with these domains. `servers` says whether I_MESSAGEs name the key management servers.
    pub const fn new(domains: Vec<Domain>, servers: Servers) -> Self {
        Self { domains, servers }
    }

    /// Returns the domain that is responsible for an identity: the one with the longest prefix.
    fn domain(&self, identity: &str) -> Option<&Domain> {
        let responsible = self.domains.iter().filter(|domain| identity.starts_with(&domain.prefix));
        responsible.max_by_key(|domain| domain.prefix.len())
    }

    /// Encapsulates a GMK for each member, those of one server at once.
    fn encapsulate(&self, offer: &GmkOffer<'_>, members: &[&Identity]) -> Result<Vec<Encapsulated>, Refusal> {
        let mut all = vec![[0; ENCAPSULATED_OCTETS]; members.len()];
        let domains = members.iter().map(|member| self.domain(uri(member)?).ok_or(Refusal::NoKeys));
        let domains: Vec<_> = domains.collect::<Result<_, _>>()?;
        for domain in &self.domains {
            let of_this = |at: &usize| core::ptr::eq(domains[*at], domain);
            let places: Vec<_> = (0..members.len()).filter(of_this).collect();
            let identifier =
                |at: &usize| domain.kms().identifier(uri(members[*at])?, offer.time).ok_or(Refusal::NoKeys);
            let identifiers = places.iter().map(identifier).collect::<Result<Vec<_>, _>>()?;
            let recipients: Vec<_> =
                identifiers.iter().map(|identifier| (identifier.as_slice(), offer.gmk.as_bytes())).collect();
            let batch =
                domain.encapsulator.encapsulate_batch(&recipients).map_err(|_| Refusal::Decapsulation)?;
            places.into_iter().zip(batch).for_each(|(at, encapsulated)| all[at] = encapsulated);
        }
        Ok(all)
    }

    fn sender<'a>(&'a self, identity: &'a Identity, time: UtcTime) -> Result<Sender<'a>, Refusal> {
        let identity = uri(identity)?;
        let domain = self.domain(identity).ok_or(Refusal::NoKeys)?;
        let keys = domain.keys(identity, time).ok_or(Refusal::NoKeys)?;
        Ok(Sender { identity, kms: domain.kms(), key: &keys.signing })
    }
}

/// A GMK under the identity of a member.
type Encapsulated = [u8; ENCAPSULATED_OCTETS];

/// Returns the parameters of a GMK.
fn parameters(period: Period) -> KeyParameters<'static> {
    KeyParameters {
        framing: Framing::Bare,
        key_type: KeyType::Gmk,
        status: KeyStatus::LIVE,
        activation: period.activation.value().into(),
        expiry: period.expiry.value().into(),
        text: &[],
        groups: None,
        reserved: None,
    }
}

/// Identities of users are URIs.
fn uri(identity: &Identity) -> Result<&str, Refusal> {
    let text = core::str::from_utf8(&identity.value).ok();
    text.filter(|_| identity.kind == Identity::USER).ok_or(Refusal::NoKeys)
}

/// The machine has judged the time.
const ANY_TIME: Window = Window { earliest: UtcTime::from_millis(0), latest: UtcTime::from_millis(u64::MAX) };

fn draws(entropy: &mut Entropy, number: u64) -> Draws {
    let (first, second) = (entropy.draw(number), entropy.draw(number));
    let mut draws = Draws { rand: [0; 16], iv: [0; 16], nonce: second };
    draws.rand.copy_from_slice(&first[..16]);
    draws.iv.copy_from_slice(&first[16..]);
    draws
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Format(error) => Self::Malformed(error),
            Refused::Time { .. } => Self::TooOld,
            Refused::Name(_) => Self::NotForUs,
            Refused::Period => Self::NoKeys,
            Refused::Signature | Refused::Disclosure => Self::Signature,
            Refused::WrongMac => Self::Mac,
            Refused::Decapsulation | Refused::Parameters => Self::Decapsulation,
            _ => Self::NotMikey,
        }
    }
}

impl From<MakeError> for Refusal {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Format(error) => Self::Malformed(error),
            MakeError::Sakke(_) => Self::Decapsulation,
            _ => Self::NoKeys,
        }
    }
}

impl Messages for MikeySakke {
    fn may_sign(&self, identity: &Identity, now: UtcTime) -> bool {
        self.sender(identity, now).is_ok()
    }

    fn seal_gmk(
        &self,
        offer: &GmkOffer<'_>,
        members: &[&Identity],
        seed: &[u8; 32],
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        let sender = self.sender(offer.group, offer.time)?;
        let (mut entropy, key) = (Entropy::new(seed), offer.gmk.as_bytes());
        let form = Form { servers: self.servers, ..Form::default() };
        let encapsulated = self.encapsulate(offer, members)?;
        let seal = |(number, (member, encapsulated)): (usize, (&&Identity, &Encapsulated))| {
            let identity = uri(member)?;
            let domain = self.domain(identity).ok_or(Refusal::NoKeys)?;
            let public_key = PublicKey::Done(encapsulated);
            let recipient = Recipient { identity, kms: domain.kms(), public_key };
            let csb_id = i_message::csb_id(key, offer.id.0, identity).map_err(|_| Refusal::NotMikey)?;
            let parameters = Some(parameters(offer.period));
            let content = Content { parameters, ..Content::new(csb_id, NtpTime::from_utc(offer.time)) };
            let draws = draws(&mut entropy, number as u64);
            Ok(i_message::make(&sender, &recipient, key, &content, &form, &draws)?)
        };
        members.iter().zip(&encapsulated).enumerate().map(seal).collect()
    }

    fn seal_call(&self, message: &CallMessage, gmk: &Gmk, seed: &[u8; 32]) -> Result<Vec<u8>, Refusal> {
        let call = group_call::Call {
            caller: self.sender(&message.caller, message.time)?,
            csb_id: message.csb_id.0,
            gmk_id: message.gmk_id.0,
            time: NtpTime::from_utc(message.time),
        };
        let draws = draws(&mut Entropy::new(seed), message.time.millis());
        Ok(group_call::make(gmk.as_bytes(), message.gsk.as_bytes(), &call, &draws)?)
    }

    fn claim(&self, octets: &[u8]) -> Result<(Kind, Claim), Refusal> {
        // The second octet is the data type: 26 of an I_MESSAGE, 0 of a message under a pre-shared key. RFC 3830 §6.1
        if octets.get(1) == Some(&0) {
            let received = group_call::Received::parse(octets)?;
            let claim = Claim {
                sender: Identity::user(received.caller),
                member: None,
                time: received.time.to_utc(),
                gmk_id: Some(GmkId(received.gmk_id)),
                csb_id: CsbId(received.csb_id()),
            };
            return Ok((Kind::Call, claim));
        }
        let received = i_message::Received::parse(octets)?;
        let name = |name| match name {
            Name::Uri(uri) => Ok(Identity::user(uri)),
            Name::Hidden(_) | Name::Absent => Err(Refusal::NotMikey),
        };
        let claim = Claim {
            sender: name(received.initiator)?,
            member: Some(name(received.responder)?),
            time: received.time.to_utc(),
            gmk_id: None,
            csb_id: CsbId(received.csb_id()),
        };
        Ok((Kind::Gmk, claim))
    }

    fn open_gmk(&self, octets: &[u8], _: UtcTime) -> Result<GmkMessage, Refusal> {
        let received = i_message::Received::parse(octets)?;
        let (Name::Uri(group), Name::Uri(member)) = (received.initiator, received.responder) else {
            return Err(Refusal::NotMikey);
        };
        let time = received.time.to_utc();
        let sender = self.domain(group).ok_or(Refusal::NoKeys)?;
        let local = self.domain(member).ok_or(Refusal::NoKeys)?;
        let keys = local.keys(member, time).ok_or(Refusal::NoKeys)?;
        let opened = received.open(&i_message::Trust {
            window: ANY_TIME,
            sender_kms: sender.kms(),
            sender: Some(group),
            local_kms: local.kms(),
            local: member,
            key: keys.receiving.as_ref().ok_or(Refusal::NoKeys)?,
            recipient: OpenAs::Responder,
            signatures: SignatureLeniency::Strict,
        })?;
        let parameters = opened.parameters().ok_or(Refusal::Period)?;
        if parameters.key_type != KeyType::Gmk || parameters.status.is_revoked(StatusReading::Standard) {
            return Err(Refusal::Expired);
        }
        let seconds = |seconds| u32::try_from(seconds).map(UtcCounter::new).map_err(|_| Refusal::Period);
        let activation = match parameters.activation {
            0 => time.counter(),
            other => seconds(other)?,
        };
        let period = Period { activation, expiry: seconds(parameters.expiry)? };
        let id = opened.key_id(member).map_err(|_| Refusal::NotMikey)?;
        Ok(GmkMessage {
            group: Identity::user(group),
            member: Identity::user(member),
            time,
            id: GmkId(id),
            gmk: Gmk::from(**opened.key()),
            period,
        })
    }

    fn open_call(&self, octets: &[u8], gmk: &Gmk, _: UtcTime) -> Result<CallMessage, Refusal> {
        let received = group_call::Received::parse(octets)?;
        let domain = self.domain(received.caller).ok_or(Refusal::NoKeys)?;
        let trust =
            group_call::Trust { window: ANY_TIME, kms: domain.kms(), signatures: SignatureLeniency::Strict };
        let opened = received.open(gmk.as_bytes(), &trust)?;
        Ok(CallMessage {
            caller: Identity::user(opened.caller()),
            time: opened.time().to_utc(),
            csb_id: CsbId(opened.csb_id()),
            gmk_id: GmkId(opened.gmk_id()),
            gsk: Gsk::from(*opened.gsk()),
        })
    }
}
