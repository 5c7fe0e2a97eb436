//! Converts entries to keys of `sidelink-security`, and checks their lengths.

use super::entry::{Discovery, Group, Hex, MicCheckName, PgkEntry, Protection, Secret, VariantName};
use crate::error::{Error, Fault};
use sidelink_prose::discovery::delayed::ShortFilter;
use sidelink_prose::discovery::signed::SignedFollow;
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::code_chain::CodeAnchor;
use sidelink_security::discovery::delayed_key::KeyAnchor;
use sidelink_security::discovery::open::OpenKey;
use sidelink_security::discovery::ota::{OtaConfig, ProseId, Variant};
use sidelink_security::discovery::public_safety::{PsdkUse, PublicSafetyKey};
use sidelink_security::discovery::request_response::{Binding, Session};
use sidelink_security::discovery::restricted::{Material, MicCheck};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::discovery::signature::VerifyingKey;
use sidelink_security::discovery::{Code, CodeFilter, Profile, Verified};
use sidelink_security::group::{GroupConfig, GroupKey};
use sidelink_security::keys::{
    ApplicationKey, DiscoveryKey, Duck, Duik, Dusk, KeyLengthError, Pgk, PresharedSecret, Psdk,
};
use sidelink_wire::pc5_discovery::{Content, LEN, MessageType, Packet, Repr};

/// Bits of a rotating code from which on it cannot be guessed.
pub const ENOUGH_BITS: u16 = 64;

/// Keys of one entry, ready for a receiver.
#[allow(clippy::large_enum_variant)] // one per entry, built once
pub enum Followed {
    /// An open code and the key of its MIC, if it is known.
    Open(CodeFilter, Option<OpenKey>),
    /// Codes protected by a discovery key material, and who checks their MIC.
    Restricted(MessageType, CodeFilter, Material, MicCheck),
    /// A changing identifier.
    Rotating(OtaConfig, ProseId, ApplicationKey),
    /// Requests and responses.
    PreShared(Session),
    /// Codes that an announcer signs.
    Signed(SignedFollow),
    /// Codes under keys that are disclosed later, and the anchor of these keys.
    Delayed(ShortFilter, Verified<KeyAnchor>),
    /// A chain of codes.
    Chain(Verified<CodeAnchor>),
    /// Codes that are signed on the SL-SCH, and the public key.
    Pointer(CodeFilter, VerifyingKey),
}

impl Group {
    /// Returns the configuration on which the members agree.
    ///
    /// # Errors
    /// The group identity does not have 24 bits.
    pub fn config(&self) -> Result<GroupConfig, Error> {
        let place = format!("group {:?}", self.name);
        Ok(GroupConfig {
            group_id: exactly("group-id", &self.group_id, &place)?,
            eea: self.cipher.into(),
            mac: self.mac.map(Algorithm::from),
        })
    }

    /// Returns a PGK; `None` when it was revoked.
    ///
    /// # Errors
    /// The key does not have 256 bits.
    pub fn pgk(&self, entry: &PgkEntry) -> Result<Option<GroupKey>, Error> {
        let Some(key) = &entry.key else { return Ok(None) };
        let place = format!("group {:?} PGK {}", self.name, entry.id);
        Ok(Some(GroupKey {
            pgk_id: entry.id,
            pgk: Pgk::try_from(key.as_bytes()).map_err(|e| length(&e, &place))?,
            valid_from: UtcCounter::new(entry.valid_from),
            expiry: UtcCounter::new(entry.expiry),
        }))
    }

    /// Returns the Group Member Identity of `ue`.
    ///
    /// # Errors
    /// It is not a member, or the identity does not have 24 bits.
    pub fn member_id(&self, ue: &str) -> Result<[u8; 3], Error> {
        let place = format!("group {:?} member {ue:?}", self.name);
        match self.member.iter().find(|member| member.ue == ue) {
            Some(member) => exactly("id", &member.id, &place),
            None => Err(Error::entry(place, Fault::NoSuchMember)),
        }
    }
}

impl Discovery {
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.followed()? {
            Some(Followed::Rotating(config, ..)) if config.code_bits() < ENOUGH_BITS && !self.short_code => {
                Err(Error::entry(self.place(), Fault::ShortCode(config.code_bits())))
            }
            _ => Ok(()),
        }
    }

    /// Returns the keys; `None` when the entry was revoked.
    ///
    /// # Errors
    /// A field is missing or has the wrong length.
    pub fn followed(&self) -> Result<Option<Followed>, Error> {
        if self.revoked {
            return Ok(None);
        }
        let place = self.place();
        Ok(Some(match self.protection {
            Protection::None => Followed::Restricted(
                self.message_type()?,
                self.filter()?,
                Material::default(),
                MicCheck::Local,
            ),
            Protection::Open => {
                let key = self.key.as_ref().map(|key| DiscoveryKey::try_from(key.as_bytes()));
                let key = key.transpose().map_err(|e| length(&e, &place))?;
                Followed::Open(self.filter()?, key.map(|key| OpenKey::new(&key, Profile::default())))
            }
            Protection::Restricted => {
                Followed::Restricted(self.message_type()?, self.filter()?, self.material()?, self.mic_check())
            }
            Protection::PublicSafety => {
                Followed::Restricted(self.message_type()?, self.filter()?, self.material()?, self.mic_check())
            }
            Protection::Rotating => {
                let config = rotating(
                    self.variant.unwrap_or(VariantName::Keyed),
                    self.code_bits,
                    self.nonce_bits.unwrap_or(0),
                    self.period_ms.unwrap_or(1000),
                    &place,
                )?;
                let id = needed("prose-id", &self.prose_id, &place)?;
                let id = ProseId::try_from(id.as_bytes())
                    .map_err(|_| wrong("prose-id", 20, id.as_bytes().len(), &place))?;
                let key = needed("application-key", &self.application_key, &place)?;
                let key = ApplicationKey::try_from(key.as_bytes()).map_err(|e| length(&e, &place))?;
                Followed::Rotating(config, id, key)
            }
            Protection::PreShared => {
                let secret = needed("secret", &self.secret, &place)?;
                let answers = self.answer_secret.as_ref().unwrap_or(secret);
                let absorbed = |secret: &Secret| {
                    PresharedSecret::try_from(secret.as_bytes()).map_err(|e| length(&e, &place))
                };
                let secrets = [&absorbed(secret)?, &absorbed(answers)?];
                let (code, profile) = (self.code()?, Profile::default());
                Followed::PreShared(Session::with_secrets(secrets, code, Binding::Bound, profile))
            }
            Protection::Signed => Followed::Signed(self.signed_follow()?),
            Protection::DelayedKey => {
                let mask = self.code_mask.as_ref().map(|mask| exactly("code-mask", mask, &place));
                let mask = mask.transpose()?.unwrap_or([0xff; 13]);
                Followed::Delayed(ShortFilter { code: self.short_code()?, mask }, self.key_anchor()?)
            }
            Protection::Chain => Followed::Chain(self.code_anchor()?),
            Protection::Pointer => Followed::Pointer(self.filter()?, self.pointer_key()?),
        }))
    }

    /// Returns the material of a restricted or public-safety entry, for sender or receiver.
    ///
    /// # Errors
    /// A key or mask has the wrong length, or all are missing.
    pub fn material(&self) -> Result<Material, Error> {
        let place = self.place();
        let mask = match &self.duck_mask {
            Some(mask) => exactly("duck-mask", mask, &place)?,
            None => [0xff; 23],
        };
        if self.protection == Protection::PublicSafety {
            let psdk = needed("psdk", &self.psdk, &place)?;
            let serves = match (&self.key_type_id, &self.identity) {
                (Some(key_type), None) => {
                    let _: [u8; 3] = exactly("key-type-id", key_type, &place)?;
                    PsdkUse::KeyType
                }
                (None, Some(identity)) => PsdkUse::Identity(exactly("identity", identity, &place)?),
                (None, None) => return Err(missing("key-type-id", &place)),
                (Some(_), Some(_)) => return Err(Error::entry(place, Fault::KeyTypeAndIdentity)),
            };
            if let Some(id) = &self.psdk_id {
                let _: [u8; 1] = exactly("psdk-id", id, &place)?;
            }
            let [scramble, integrity, confidentiality] = self.used_keys(&place)?;
            let key = PublicSafetyKey {
                psdk: Psdk::try_from(psdk.as_bytes()).map_err(|e| length(&e, &place))?,
                serves,
                expiry: UtcCounter::new(self.valid_until),
                scramble,
                integrity,
                confidentiality: confidentiality.then_some(mask),
            };
            // The expiry is that of the entry, which the monitor checks.
            return Ok(key.material(UtcCounter::new(0)).unwrap_or_default());
        }
        let dusk = self.dusk.as_ref().map(|key| Dusk::try_from(key.as_bytes())).transpose();
        let duik = self.duik.as_ref().map(|key| Duik::try_from(key.as_bytes())).transpose();
        let duck = self.duck.as_ref().map(|key| Duck::try_from(key.as_bytes())).transpose();
        let material = Material {
            dusk: dusk.map_err(|e| length(&e, &place))?,
            duik: duik.map_err(|e| length(&e, &place))?,
            duck: duck.map_err(|e| length(&e, &place))?.map(|key| (key, mask)),
        };
        if material.dusk.is_none() && material.duik.is_none() && material.duck.is_none() {
            return Err(missing("dusk, duik or duck", &place));
        }
        Ok(material)
    }

    /// Whether DUSK, DUIK and DUCK are used, as the security metadata say.
    // TS 33.303 §6.6.4.2.2
    fn used_keys(&self, place: &str) -> Result<[bool; 3], Error> {
        let Some(profile) = &self.protection_profile else {
            return Ok([true, true, self.duck_mask.is_some()]);
        };
        let [octet] = exactly("protection-profile", profile, place)?;
        let used = [0x80, 0x40, 0x20].map(|bit| octet & bit != 0);
        match (used, &self.duck_mask) {
            ([false, false, false], _) => Err(Error::entry(place, Fault::NoKeyInUse)),
            // A mask alone says nothing of what it is for; confidentiality needs it, and a MIC.
            ([_, _, true], None) => Err(missing("duck-mask", place)),
            ([_, false, true], Some(_)) => Err(Error::entry(place, Fault::NoKeyInUse)),
            _ => Ok(used),
        }
    }

    /// Returns who checks the MIC.
    fn mic_check(&self) -> MicCheck {
        match self.mic_check {
            Some(MicCheckName::ProseFunction) => MicCheck::ByProseFunction,
            Some(MicCheckName::Ue) | None => MicCheck::Local,
        }
    }

    /// Returns the code, 184 bits.
    ///
    /// # Errors
    /// It is missing, or does not have 184 bits.
    pub fn code(&self) -> Result<Code, Error> {
        let place = self.place();
        exactly("code", self.code.as_ref().ok_or_else(|| missing("code", &place))?, &place)
    }

    pub(super) fn filter(&self) -> Result<CodeFilter, Error> {
        let code = self.code()?;
        let mask =
            self.code_mask.as_ref().map(|mask| exactly("code-mask", mask, &self.place())).transpose()?;
        // TS 24.334 §10A.2.3.2 (2)
        Ok(CodeFilter { code, mask: mask.unwrap_or([0xff; 23]) })
    }

    /// Returns the message type: that of the entry, otherwise the usual one of the protection.
    ///
    /// # Errors
    /// There is no such type.
    pub fn message_type(&self) -> Result<MessageType, Error> {
        let Some(octet) = &self.message_type else {
            return Ok(match self.protection {
                Protection::None | Protection::Open => MessageType::OpenAnnouncement,
                Protection::Restricted => MessageType::RestrictedAnnouncement,
                Protection::PublicSafety => MessageType::RelayAnnouncement,
                Protection::Rotating => MessageType::ChangingId,
                Protection::PreShared => MessageType::RestrictedQuery,
                Protection::Signed => MessageType::Fragment,
                Protection::DelayedKey => MessageType::DelayedKey,
                Protection::Chain => MessageType::ChainCode,
                Protection::Pointer => MessageType::Pointer,
            });
        };
        let place = self.place();
        let [octet] = exactly("message-type", octet, &place)?;
        MessageType::from_octet(octet).map_err(|e| Error::entry(place, Fault::MessageType(e.to_string())))
    }

    /// Returns the announced content: the code as the fields of the message type.
    ///
    /// # Errors
    /// As [`Self::code`] and [`Self::message_type`], or this type has other fields in place of a code.
    pub fn content(&self) -> Result<Content, Error> {
        let (message_type, code) = (self.message_type()?, self.code()?);
        match content(message_type, &code) {
            Some((content, same)) if same == code => Ok(content),
            _ => Err(Error::entry(self.place(), Fault::SpareBits(message_type.octet()))),
        }
    }

    pub(super) fn place(&self) -> String {
        format!("discovery {:?}", self.name)
    }
}

/// Returns the fields of a code in a message of a type, and the code that these fields make: spare bits are 0 in it.
pub fn content(message_type: MessageType, code: &Code) -> Option<(Content, Code)> {
    let mut message = [0; LEN];
    message[0] = message_type.octet();
    message[1..24].copy_from_slice(code);
    let Ok(Repr::Standard { content, .. }) = Repr::parse(&Packet::new_unchecked(&message)) else {
        return None;
    };
    content.check().ok()?;
    Repr::Standard { content, mic: [0; 4], utc_lsb: 0 }.emit(&mut message).ok()?;
    let mut code = [0; 23];
    code.copy_from_slice(&message[1..24]);
    Some((content, code))
}

/// Returns the parameters of changing identifiers; the default of `code_bits` are the bits that fit beside the nonce.
///
/// # Errors
/// The parameters do not fit the message.
pub fn rotating(
    variant: VariantName,
    code_bits: Option<u16>,
    nonce_bits: u16,
    period_ms: u64,
    place: &str,
) -> Result<OtaConfig, Error> {
    let (variant, limit) = match variant {
        VariantName::Literal => (Variant::Literal, 160),
        VariantName::Keyed => (Variant::Keyed, 216),
    };
    let bits = code_bits.unwrap_or(limit.min(216_u16.saturating_sub(nonce_bits)));
    let unfit = |why: String| Error::entry(place, Fault::Rotation(why));
    let period = RotationPeriod::from_millis(period_ms).map_err(|e| unfit(e.to_string()))?;
    OtaConfig::new(variant, bits, nonce_bits, period).map_err(|e| unfit(e.to_string()))
}

fn needed<'a>(field: &str, secret: &'a Option<Secret>, place: &str) -> Result<&'a Secret, Error> {
    secret.as_ref().ok_or_else(|| missing(field, place))
}

fn missing(field: &str, place: &str) -> Error {
    Error::entry(place, Fault::Lacks(field.to_owned()))
}

pub(super) fn exactly<const N: usize>(field: &str, hex: &Hex, place: &str) -> Result<[u8; N], Error> {
    hex.0.as_slice().try_into().map_err(|_| wrong(field, N, hex.0.len(), place))
}

pub(super) fn wrong(field: &str, wanted: usize, have: usize, place: &str) -> Error {
    Error::entry(place, Fault::Length { field: field.to_owned(), wanted, have })
}

fn length(error: &KeyLengthError, place: &str) -> Error {
    Error::entry(place, Fault::KeyLength(*error))
}
