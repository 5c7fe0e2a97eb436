//! Entries of a key store, as they are stored in the file and in the TOML form. Secrets are hexadecimal digits there.

use super::VERSION;
use super::chains::{ChainEntry, PointerEntry};
use super::identity::{IdentityEntry, KmsEntry};
use super::signed::SignedEntry;
use crate::error::{Error, Fault, Format};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use sidelink_security::cipher::Algorithm;
use sidelink_wire::hex;
use std::collections::BTreeSet;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A secret: wiped when dropped, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Makes a secret of octets.
    pub const fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// Returns the octets. A caller that prints or stores them is responsible for them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::of_bytes(&self.0)))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // Without the text itself: it is a secret.
        hex::bytes(&text)
            .map(Self)
            .ok_or_else(|| de::Error::custom("a secret is not of whole octets of hexadecimal digits"))
    }
}

/// Octets that are not secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::of_bytes(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl std::str::FromStr for Hex {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        hex::bytes(text).map(Self).ok_or_else(|| Error::entry("", Fault::NotHex(text.to_owned())))
    }
}

/// A ciphering or integrity algorithm by its number. TS 33.401 §5.1.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Cipher {
    /// EEA0, EIA0: the null algorithm.
    Null,
    /// EEA1, EIA1: SNOW 3G.
    Snow3g,
    /// EEA2, EIA2: AES.
    Aes,
    /// EEA3, EIA3: ZUC.
    Zuc,
}

impl From<Algorithm> for Cipher {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Null => Self::Null,
            Algorithm::Snow3g => Self::Snow3g,
            Algorithm::Aes => Self::Aes,
            Algorithm::Zuc => Self::Zuc,
        }
    }
}

impl From<Cipher> for Algorithm {
    fn from(cipher: Cipher) -> Self {
        match cipher {
            Cipher::Null => Self::Null,
            Cipher::Snow3g => Self::Snow3g,
            Cipher::Aes => Self::Aes,
            Cipher::Zuc => Self::Zuc,
        }
    }
}

/// All keys of a store or a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Format version.
    pub version: u64,
    /// Groups of one-to-many communication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Group>,
    /// Discovery keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discovery: Vec<Discovery>,
    /// Key management servers of identity-based keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kms: Vec<KmsEntry>,
    /// Identities with their keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<IdentityEntry>,
    /// Suspension of all rights to send: the store is a copy, or was put back.
    #[serde(skip)]
    pub suspended: Option<Suspension>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            version: VERSION,
            group: Vec::new(),
            discovery: Vec::new(),
            kms: Vec::new(),
            identity: Vec::new(),
            suspended: None,
        }
    }
}

/// A group with its PGKs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// Name, for people.
    pub name: String,
    /// Group Identity: the ProSe Layer-2 group ID, 24 bits.
    pub group_id: Hex,
    /// Ciphering algorithm.
    pub cipher: Cipher,
    /// Integrity algorithm of our own MAC-I; `None` is the standard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Cipher>,
    /// Members of the group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member: Vec<Member>,
    /// PGKs of the group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pgk: Vec<PgkEntry>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Name of the UE.
    pub ue: String,
    /// Group Member Identity: its Layer-2 source, 24 bits.
    pub id: Hex,
}

impl std::str::FromStr for Member {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::entry("", Fault::NotAMember(text.to_owned()));
        let (ue, id) = text.split_once('=').ok_or_else(wrong)?;
        Ok(Self { ue: ue.to_owned(), id: id.parse()? })
    }
}

/// Right of a member to send under a PGK from here. Without an entry it may not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sending {
    /// Group Member Identity, 24 bits: the counters belong to this identity, independent of the UE's name.
    pub id: Hex,
    /// Place of the right.
    pub right: Right,
    /// UTC in seconds since when the right is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u32>,
    /// In a file that carries the right: counters below this number were used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Place of a right to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// In this store, or in this file on its way to one.
    Here,
    /// Moved to another store, or into a file.
    HandedOut,
    /// Lost: this store was a copy, or an older state came back; the counters used since are unknown.
    Lost,
}

/// Reason why a store may not use any right to send that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension(pub(super) &'static str);

impl Sending {
    pub(super) const fn here(id: Hex) -> Self {
        Self { id, right: Right::Here, since: None, next: None }
    }
}

/// A PGK.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PgkEntry {
    /// PGK ID, 8 bits; the PDCP header carries the 5 least significant.
    pub id: u8,
    /// The key, 256 bits; absent when it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// First second of validity, UTC.
    #[serde(default)]
    pub valid_from: u32,
    /// First second after the validity, UTC.
    pub expiry: u32,
    /// Rights of members to send under it from here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sending: Vec<Sending>,
}

/// Protection of discovery messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// None: the code is sent unprotected.
    None,
    /// Open: `key` makes the MIC.
    Open,
    /// Restricted: any of `dusk`, `duik`, `duck`.
    Restricted,
    /// Public safety: `psdk` of `key-type-id`, or our own, of `identity`.
    PublicSafety,
    /// A changing identifier: `prose-id`, `application-key` (TR 33.833 solution 2.1).
    Rotating,
    /// Request and response: `secret`, `answer-secret` (TR 33.833 solution 2.2).
    PreShared,
    /// Signed, in fragments: table `signed` (TR 33.833 solution 2.3).
    Signed,
    /// A MIC whose key is disclosed later: table `delayed-key` (TR 33.833 solution 2.3).
    DelayedKey,
    /// A signed chain of codes: table `chain` (TR 33.833 solution 2.3).
    Chain,
    /// A pointer to a signature on the SL-SCH: table `pointer` (TR 33.833 solution 2.3).
    Pointer,
}

impl Protection {
    /// Returns the name in the TOML form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Open => "open",
            Self::Restricted => "restricted",
            Self::PublicSafety => "public-safety",
            Self::Rotating => "rotating",
            Self::PreShared => "pre-shared",
            Self::Signed => "signed",
            Self::DelayedKey => "delayed-key",
            Self::Chain => "chain",
            Self::Pointer => "pointer",
        }
    }
}

/// Who checks the MIC of a restricted code: MIC-Check-Indicator of TS 24.334 §12.2.2.37.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MicCheckName {
    /// The UE, with the DUIK.
    Ue,
    /// The ProSe Function, by match report: nothing counts as verified before.
    ProseFunction,
}

/// The one-way function of changing identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum VariantName {
    /// Literal: as the study (TR 33.833) writes it.
    Literal,
    /// Keyed by the ProSe Application Key.
    Keyed,
}

/// One code or identity with its keys. [`Protection`] tells which fields are required.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs)] // the fields are called as the specifications call them
pub struct Discovery {
    /// Name, for people.
    pub name: String,
    /// Protection of its messages.
    pub protection: Protection,
    /// First second, UTC, at which it is no longer valid.
    pub valid_until: u32,
    /// UE that announces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announcer: Option<String>,
    /// UEs that may monitor it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<String>,
    /// Whether it was revoked: its secrets are wiped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// Message type octet, if it is not the usual one of the protection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_type: Option<Hex>,
    /// Code or content, 184 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Hex>,
    /// Mask of the bits of the code that are compared; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_mask: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dusk: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duik: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duck: Option<Secret>,
    /// Encrypted-Bitmask, 184 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duck_mask: Option<Hex>,
    /// Of an answer of model B: name of the entry of its question. The discoveree answers it, the discoverer asks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Who checks the MIC of a restricted code; the UE, if nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mic_check: Option<MicCheckName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psdk: Option<Secret>,
    /// Key Type ID of the PSDK, 24 bits: all services and groups that it stands for have the same keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_type_id: Option<Hex>,
    /// PSDK ID, 8 bits: the PKMF's name of the key within its Key Type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psdk_id: Option<Hex>,
    /// Which keys are used, the octet of the PKMF: 80 DUSK, 40 DUIK, 20 DUCK (with `duck-mask`). Without it DUSK and DUIK, and DUCK
    /// where there is a `duck-mask`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection_profile: Option<Hex>,
    /// Our own, as entries of earlier versions: the service code or group ID, 24 bits, that alone has these keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prose_id: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_key: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_bits: Option<u16>,
    /// Whether fewer bits of code than [`ENOUGH_BITS`](super::ENOUGH_BITS) are intended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub short_code: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce_bits: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_ms: Option<u64>,
    /// Secret of requests; of responses too, if they have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Secret of responses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_secret: Option<Secret>,
    /// The keys of signed announcements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedEntry>,
    /// The chain of keys that are disclosed later; `code` has 104 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delayed_key: Option<ChainEntry>,
    /// The chain of codes; there is no `code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainEntry>,
    /// The keys of signatures on the SL-SCH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<PointerEntry>,
}

impl Discovery {
    /// Makes an entry without keys.
    pub fn new(name: &str, protection: Protection, valid_until: u32) -> Self {
        Self {
            name: name.to_owned(),
            protection,
            valid_until,
            announcer: None,
            monitors: Vec::new(),
            revoked: false,
            message_type: None,
            code: None,
            code_mask: None,
            key: None,
            dusk: None,
            duik: None,
            duck: None,
            duck_mask: None,
            question: None,
            mic_check: None,
            psdk: None,
            key_type_id: None,
            psdk_id: None,
            protection_profile: None,
            identity: None,
            prose_id: None,
            application_key: None,
            variant: None,
            code_bits: None,
            short_code: false,
            nonce_bits: None,
            period_ms: None,
            secret: None,
            answer_secret: None,
            signed: None,
            delayed_key: None,
            chain: None,
            pointer: None,
        }
    }

    /// Returns the secrets that may be present, with their names.
    pub fn secrets(&mut self) -> [(&'static str, &mut Option<Secret>); 9] {
        [
            ("key", &mut self.key),
            ("dusk", &mut self.dusk),
            ("duik", &mut self.duik),
            ("duck", &mut self.duck),
            ("psdk", &mut self.psdk),
            ("prose-id", &mut self.prose_id),
            ("application-key", &mut self.application_key),
            ("secret", &mut self.secret),
            ("answer-secret", &mut self.answer_secret),
        ]
    }

    /// Whether `ue` holds its keys. An entry that names no UE belongs to this store alone.
    pub fn is_for(&self, ue: &str) -> bool {
        self.announcer.as_deref() == Some(ue) || self.monitors.iter().any(|m| m == ue)
    }

    /// Whether any UE may have its secrets: earlier versions handed out entries that name no UE to every UE.
    pub(super) fn may_be_everybodys(&self) -> bool {
        self.names_nobody() && !matches!(self.protection, Protection::None | Protection::Open)
    }

    /// What of its keys no standard has, for people.
    pub const fn own_keys(&self) -> Option<&'static str> {
        match (self.protection, &self.identity) {
            (Protection::PublicSafety, Some(_)) => Some("keys of one identity: our own, not TS 33.303"),
            _ => None,
        }
    }

    /// Whether it names no UE that holds its keys.
    pub fn names_nobody(&self) -> bool {
        self.announcer.is_none() && self.monitors.is_empty()
    }
}

impl Keys {
    /// Parses the TOML form; `place` is the file.
    ///
    /// # Errors
    /// The problem and its place.
    pub fn from_toml(text: &str, place: &str) -> Result<Self, Error> {
        let keys: Self = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count() + 1);
            let place = line.map_or_else(|| place.to_owned(), |line| format!("{place} line {line}"));
            Error::Toml { place, message: e.message().trim().to_owned() }
        })?;
        if keys.version != VERSION {
            return Err(Error::Version { place: place.to_owned(), found: Format::Toml(keys.version) });
        }
        keys.check().map_err(|e| e.within(place))?;
        Ok(keys)
    }

    /// Writes the TOML form, secrets included.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_toml(&self) -> Result<Zeroizing<String>, Error> {
        toml::to_string(self)
            .map(Zeroizing::new)
            .map_err(|e| Error::entry("", Fault::Unwritable(e.to_string())))
    }

    /// Returns a copy for `ue`: the groups it belongs to, with its own rights to send, the discovery keys it announces or
    /// monitors, and its identities. [`KeyStore::hand_out`](super::KeyStore::hand_out) moves the rights.
    #[must_use]
    pub fn for_ue(&self, ue: &str) -> Self {
        let group = self.group.iter().filter(|group| group.member.iter().any(|m| m.ue == ue));
        let discovery = self.discovery.iter().filter(|entry| entry.is_for(ue) && !entry.revoked);
        let (kms, identity) = self.identities_of(ue);
        let mut keys = Self {
            version: VERSION,
            group: group.cloned().collect(),
            discovery: discovery.cloned().collect(),
            kms,
            identity,
            suspended: self.suspended.clone(),
        };
        for group in &mut keys.group {
            group.pgk.retain(|pgk| pgk.key.is_some());
            let own = group.member.iter().find(|member| member.ue == ue).map(|member| member.id.clone());
            for pgk in &mut group.pgk {
                pgk.sending.retain(|s| s.right == Right::Here && Some(&s.id) == own.as_ref());
            }
        }
        // Only the announcer and the network have the key of an open code: a monitor reports what it receives.
        for entry in &mut keys.discovery {
            if entry.protection == Protection::Open && entry.announcer.as_deref() != Some(ue) {
                entry.key = None;
            }
            if entry.announcer.as_deref() != Some(ue) {
                entry.forget_own_secrets();
            }
        }
        keys
    }

    /// Checks all entries: names, lengths, indexes.
    ///
    /// # Errors
    /// The first invalid entry.
    pub fn check(&self) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        for name in self.names() {
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err(Error::entry("", Fault::NoName(name.clone())));
            }
            if !seen.insert(name) {
                return Err(Error::entry("", Fault::Twice(name.clone())));
            }
        }
        for group in &self.group {
            group.config()?;
            let mut indexes = BTreeSet::new();
            for pgk in &group.pgk {
                // TS 33.303 §6.2.3.2 (2)
                if pgk.key.is_some() && !indexes.insert(pgk.id & 0x1f) {
                    let fault = Fault::SameIndex(pgk.id & 0x1f);
                    return Err(Error::entry(format!("group {:?}", group.name), fault));
                }
                group.pgk(pgk)?;
                for sending in &pgk.sending {
                    group.stream(pgk, &sending.id)?;
                }
            }
            for member in &group.member {
                group.member_id(&member.ue)?;
            }
        }
        self.discovery.iter().try_for_each(Discovery::check)?;
        self.check_identities()
    }
}
