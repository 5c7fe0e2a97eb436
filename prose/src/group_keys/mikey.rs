//! The MIKEY messages of groups, with the identities of this UE and the key management server that it trusts.

use core::fmt;

use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::direct::Entropy;
use sidelink_security::identity::eccsi::{PublicAuthenticationKey, SigningKey};
use sidelink_security::identity::sakke::{Encapsulator, PublicKey, ReceiverKey};
use sidelink_security::key_period::KeyPeriods;
use sidelink_security::keys::{Gmk, Gsk};
use sidelink_wire::mikey::{Framing, KeyParameters, KeyStatus, KeyType, StatusReading};

use super::Identity;
use super::note::Refusal;
use super::ports::{CallMessage, Claim, GmkMessage, GmkOffer, Kind, Messages};
use super::record::{CsbId, GmkId, Period};
use crate::mikey::group_call::{self, Call, CallValidity};
use crate::mikey::i_message::{
    self, Content, Draws, Form, Name, OpenAs, ProvenSender, Received, Recipient, Sender, Trust,
};
use crate::mikey::identity::Kms;
use crate::mikey::{self, NtpTime, Refused, SignatureLeniency, Window};

/// Key management server of a group and all its members: what is public of it.
pub struct KmsKeys {
    /// URI.
    pub uri: String,
    /// Periods of its keys.
    pub periods: KeyPeriods,
    /// KPAK.
    pub kpak: PublicAuthenticationKey,
    /// Z, with a table of its multiples.
    pub z: Encapsulator,
}

impl KmsKeys {
    /// Takes what is public of a server. Computes a table, which takes some milliseconds.
    pub fn new(uri: String, periods: KeyPeriods, kpak: PublicAuthenticationKey, z: &PublicKey) -> Self {
        Self { uri, periods, kpak, z: Encapsulator::new(z) }
    }

    fn kms(&self) -> Kms<'_> {
        Kms { uri: &self.uri, periods: self.periods, kpak: &self.kpak }
    }
}

/// Private keys of an identity of this UE for one period.
pub struct PrivateKeys {
    /// Identity.
    pub identity: Identity,
    /// To sign with: SSK and PVT.
    pub signing: SigningKey,
    /// To open with: RSK.
    pub receiving: ReceiverKey,
}

/// The MIKEY messages of groups.
pub struct Mikey {
    kms: KmsKeys,
    keys: Vec<PrivateKeys>,
}

impl fmt::Debug for Mikey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identities: Vec<_> = self.keys.iter().map(|keys| &keys.identity).collect();
        f.debug_struct("Mikey").field("identities", &identities).finish_non_exhaustive()
    }
}

impl Mikey {
    /// Makes messages with these keys: of the UE's own identity, and of groups that it manages; of several periods.
    pub const fn new(kms: KmsKeys, keys: Vec<PrivateKeys>) -> Self {
        Self { kms, keys }
    }

    /// Returns the keys of an identity for the period of a time.
    fn keys_at(&self, identity: &Identity, time: UtcTime) -> Result<&PrivateKeys, Refusal> {
        let identifier = self.kms.kms().identifier(uri(identity)?, time).ok_or(Refusal::NoKeys)?;
        let is_it =
            |keys: &&PrivateKeys| keys.identity == *identity && keys.signing.identifier() == identifier;
        self.keys.iter().find(is_it).ok_or(Refusal::NoKeys)
    }
}

impl Messages for Mikey {
    fn may_sign(&self, identity: &Identity, now: UtcTime) -> bool {
        self.keys_at(identity, now).is_ok()
    }

    fn seal_gmk(
        &self,
        offer: &GmkOffer<'_>,
        members: &[&Identity],
        seed: &[u8; 32],
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        let keys = self.keys_at(offer.group, offer.time)?;
        let kms = self.kms.kms();
        let sender = Sender { identity: uri(offer.group)?, kms, key: &keys.signing };
        let mut draws = Entropy::new(seed);
        let seconds = |counter: UtcCounter| u64::from(counter.value());
        let parameters = KeyParameters {
            framing: Framing::Bare,
            key_type: KeyType::Gmk,
            status: KeyStatus::LIVE,
            activation: seconds(offer.period.activation),
            expiry: seconds(offer.period.expiry),
            text: &[],
            groups: None,
            reserved: None,
        };
        let mut seal = |(number, member): (usize, &&Identity)| {
            let identity = uri(member)?;
            let public_key = mikey::identity::PublicKey::Often(&self.kms.z);
            let recipient = Recipient { identity, kms, public_key };
            let csb_id = i_message::csb_id(offer.gmk.as_bytes(), offer.id.0, identity)
                .map_err(|_| Refusal::NotMikey)?;
            let mut content = Content::new(csb_id, NtpTime::from_utc(offer.time));
            content.parameters = Some(parameters.clone());
            let draws = drawn(&mut draws, number as u64);
            i_message::make(&sender, &recipient, offer.gmk.as_bytes(), &content, &Form::default(), &draws)
                .map_err(|_| Refusal::NoKeys)
        };
        members.iter().enumerate().map(&mut seal).collect()
    }

    fn seal_call(&self, message: &CallMessage, gmk: &Gmk, seed: &[u8; 32]) -> Result<Vec<u8>, Refusal> {
        let keys = self.keys_at(&message.caller, message.time)?;
        let caller = Sender { identity: uri(&message.caller)?, kms: self.kms.kms(), key: &keys.signing };
        let (from, to) = message.validity;
        let time = |counter| NtpTime::from_utc(UtcTime::from_counter(counter));
        let call = Call {
            caller,
            csb_id: message.csb_id.0,
            gmk_id: message.gmk_id.0,
            time: NtpTime::from_utc(message.time),
            validity: CallValidity::Interval { from: time(from), to: time(to) },
        };
        let draws = drawn(&mut Entropy::new(seed), 0);
        group_call::make(gmk.as_bytes(), message.gsk.as_bytes(), &call, &draws).map_err(|_| Refusal::NoKeys)
    }

    fn claim(&self, octets: &[u8]) -> Result<(Kind, Claim), Refusal> {
        if let Ok(call) = group_call::Received::parse(octets) {
            let (sender, time) = (Identity::user(call.caller), call.time.to_utc());
            let (gmk_id, csb_id) = (Some(GmkId(call.gmk_id)), CsbId(call.csb_id()));
            return Ok((Kind::Call, Claim { sender, member: None, time, gmk_id, csb_id }));
        }
        let message = Received::parse(octets).map_err(refusal)?;
        let Name::Uri(sender) = message.initiator else { return Err(Refusal::NotMikey) };
        let member = match message.responder {
            Name::Uri(uri) => Some(Identity::user(uri)),
            Name::Hidden(_) | Name::Absent => None,
        };
        let (time, csb_id) = (message.time.to_utc(), CsbId(message.csb_id()));
        Ok((Kind::Gmk, Claim { sender: Identity::user(sender), member, time, gmk_id: None, csb_id }))
    }

    fn open_gmk(&self, octets: &[u8], _now: UtcTime) -> Result<GmkMessage, Refusal> {
        let message = Received::parse(octets).map_err(refusal)?;
        let Name::Uri(responder) = message.responder else { return Err(Refusal::NotForUs) };
        let member = Identity::user(responder);
        let time = message.time.to_utc();
        let keys = self.keys_at(&member, time)?;
        let kms = self.kms.kms();
        let opened = message
            .open(&Trust {
                // The machine judges times.
                window: at(time),
                sender_kms: kms,
                sender: None,
                local_kms: kms,
                local: responder,
                key: &keys.receiving,
                recipient: OpenAs::Responder,
                signatures: SignatureLeniency::Strict,
            })
            .map_err(refusal)?;
        let ProvenSender::Known(group) = opened.sender() else { return Err(Refusal::Signature) };
        let parameters = opened.parameters().ok_or(Refusal::Period)?;
        if parameters.key_type != KeyType::Gmk || parameters.status.is_revoked(StatusReading::Standard) {
            return Err(Refusal::NotMikey);
        }
        let id = opened.key_id(responder).map_err(|_| Refusal::NotMikey)?;
        Ok(GmkMessage {
            group: Identity::user(group),
            member,
            time,
            id: GmkId(id),
            gmk: Gmk::from(**opened.key()),
            period: Period {
                activation: counter(parameters.activation)?,
                expiry: counter(parameters.expiry)?,
            },
        })
    }

    fn open_call(&self, octets: &[u8], gmk: &Gmk) -> Result<CallMessage, Refusal> {
        let call = group_call::Received::parse(octets).map_err(refusal)?;
        let time = call.time.to_utc();
        // The machine judges times.
        let unsealed = call.unseal(gmk.as_bytes(), at(time)).map_err(refusal)?;
        // Without its interval a call could not be told from one of before a loss of the store.
        let CallValidity::Interval { from, to } = unsealed.validity() else { return Err(Refusal::Period) };
        Ok(CallMessage {
            caller: Identity::user(call.caller),
            time,
            csb_id: CsbId(call.csb_id()),
            gmk_id: GmkId(call.gmk_id),
            gsk: Gsk::from(*unsealed.gsk()),
            validity: (from.to_utc().counter(), to.to_utc().counter()),
        })
    }

    fn verify_call(&self, octets: &[u8], caller: &Identity, _now: UtcTime) -> Result<(), Refusal> {
        let call = group_call::Received::parse(octets).map_err(refusal)?;
        if Identity::user(call.caller) != *caller {
            return Err(Refusal::Signature);
        }
        let trust = group_call::Trust {
            window: at(call.time.to_utc()),
            kms: self.kms.kms(),
            signatures: SignatureLeniency::Strict,
        };
        call.verify_caller(&trust).map_err(refusal)?;
        Ok(())
    }
}

/// The window of a time that the machine judges.
const fn at(time: UtcTime) -> Window {
    Window { earliest: time, latest: time }
}

/// Converts a time of parameters: 0 stands for no time, which the GMK of a group has to have.
fn counter(seconds: u64) -> Result<UtcCounter, Refusal> {
    u32::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(UtcCounter::new).ok_or(Refusal::Period)
}

/// The reason of the machine for one of MIKEY.
const fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::Format(error) => Refusal::Malformed(error),
        Refused::Name(_) | Refused::Hidden => Refusal::NotForUs,
        Refused::Period => Refusal::NoKeys,
        Refused::Signature => Refusal::Signature,
        Refused::WrongMac => Refusal::Mac,
        Refused::Decapsulation | Refused::Parameters => Refusal::Decapsulation,
        _ => Refusal::NotMikey,
    }
}

/// Draws the octets of the `number`th message.
fn drawn(entropy: &mut Entropy, number: u64) -> Draws {
    let halves = entropy.draw(2 * number);
    let (mut rand, mut iv) = ([0; 16], [0; 16]);
    rand.copy_from_slice(&halves[..16]);
    iv.copy_from_slice(&halves[16..]);
    Draws { rand, iv, nonce: entropy.draw(2 * number + 1) }
}

/// Returns an identity as a URI.
fn uri(identity: &Identity) -> Result<&str, Refusal> {
    core::str::from_utf8(&identity.value).map_err(|_| Refusal::NotMikey)
}
