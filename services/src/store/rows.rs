//! What stands in the rows of either database: columns for what is searched and compared, JSON for the rest.

pub(super) mod group_naf;
pub(super) mod kms;
pub(super) mod pkmf;
pub(super) mod public_keys;

use std::fmt;

use serde::{Deserialize, Serialize};
use sidelink_network::aka::Rand;
use sidelink_network::bsf;
use sidelink_network::identity::{BTid, Impi, Imsi};
use sidelink_network::panf;
use sidelink_network::pc3::{
    ApplicationCode, ApplicationId, EntryId, Imsi as Ue, Metadata, OsAppId, OutOfRange, Plmn, RestrictedCode,
    Rpauid,
};
use sidelink_network::prose_function::{Application, Content, Keys, Pair, Record, Role, Subscription};
use sidelink_network::sbi::pkmf as remote_keys;
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::restricted::Material;
use sidelink_security::keys::{CpPruk, DiscoveryKey, Duck, Duik, Dusk, Ks, UpPruk};
use zeroize::Zeroizing;

use super::{Credentials, NewSubscriber, StoreError, StoredSubscriber};

/// Why a value of a row is none of ours. It says nothing of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
enum ValueError {
    /// Not `MCC-MNC`.
    Plmn,
    /// Not so many octets in hexadecimal digits.
    Octets(usize),
    /// A key is not 16 or 32 octets in hexadecimal digits.
    Key,
    /// A DUCK without its bitmask, or the reverse.
    Duck,
    /// Not what its parameter may be.
    OutOfRange(OutOfRange),
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plmn => f.write_str("a PLMN is not MCC-MNC"),
            Self::Octets(octets) => write!(f, "a value is not {octets} octets in hexadecimal digits"),
            Self::Key => f.write_str("a key is not 16 or 32 octets in hexadecimal digits"),
            Self::Duck => f.write_str("a DUCK and its bitmask do not stand together"),
            Self::OutOfRange(error) => error.fmt(f),
        }
    }
}

impl From<OutOfRange> for ValueError {
    fn from(error: OutOfRange) -> Self {
        Self::OutOfRange(error)
    }
}

pub(super) fn damaged(table: &'static str, what: impl ToString) -> StoreError {
    StoreError::Damaged { table, what: what.to_string() }
}

/// Neither database has a number above 2^63 - 1.
pub(super) fn signed(table: &'static str, number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| damaged(table, "a number is too large for the database"))
}

pub(super) fn unsigned(table: &'static str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| damaged(table, "a number is negative"))
}

/// A row of SQLite or PostgreSQL.
pub(super) trait Columns {
    fn text(&self, column: usize) -> Result<String, StoreError>;

    fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError>;

    fn number(&self, column: usize) -> Result<i64, StoreError>;

    /// None where the column holds something else.
    fn octets(&self, column: usize) -> Option<&[u8]>;
}

pub(super) fn time(table: &'static str, row: &impl Columns, column: usize) -> Result<UtcTime, StoreError> {
    Ok(UtcTime::from_millis(unsigned(table, row.number(column)?)?))
}

pub(super) fn octets<const N: usize>(
    table: &'static str,
    row: &impl Columns,
    column: usize,
) -> Result<Zeroizing<[u8; N]>, StoreError> {
    let octets = row.octets(column).and_then(|octets| octets.try_into().ok());
    octets
        .map(Zeroizing::new)
        .ok_or_else(|| damaged(table, format_args!("column {column} does not hold {N} octets")))
}

pub(super) fn subscriber(row: &impl Columns) -> Result<StoredSubscriber, StoreError> {
    let of = |error: &dyn ToString| damaged("subscriber", error.to_string());
    let subscription = row.optional_text(4)?.as_deref().map(subscription_of).transpose()?;
    Ok(StoredSubscriber {
        subscriber: NewSubscriber {
            imsi: Imsi::new(&row.text(0)?).map_err(|e| of(&e))?,
            impi: Impi::new(&row.text(1)?).map_err(|e| of(&e))?,
            credentials: Credentials { k: octets("subscriber", row, 2)?, opc: octets("subscriber", row, 3)? },
            subscription,
        },
        reserved: 0,
    })
}

pub(super) fn key(row: &impl Columns) -> Result<bsf::Record, StoreError> {
    let of = |error: &dyn ToString| damaged("bootstrapped", error.to_string());
    Ok(bsf::Record {
        impi: Impi::new(&row.text(0)?).map_err(|e| of(&e))?,
        b_tid: BTid::new(&row.text(1)?).map_err(|e| of(&e))?,
        rand: Rand(*octets("bootstrapped", row, 2)?),
        ks: Ks::from(*octets("bootstrapped", row, 3)?),
        created: time("bootstrapped", row, 4)?,
        expires: time("bootstrapped", row, 5)?,
    })
}

pub(super) fn cp_pruk(row: &impl Columns) -> Result<panf::Record, StoreError> {
    let of = |error: &dyn ToString| damaged("cp_pruk", error.to_string());
    let service = u32::try_from(row.number(1)?).map_err(|_| of(&"a relay service code is out of range"))?;
    let [0, a, b, c] = service.to_be_bytes() else {
        return Err(of(&"a relay service code has more than 24 bits"));
    };
    Ok(panf::Record {
        imsi: Imsi::new(&row.text(0)?).map_err(|e| of(&e))?,
        relay_service_code: [a, b, c],
        id: row.text(2)?,
        cp_pruk: CpPruk::from(*octets("cp_pruk", row, 3)?),
    })
}

pub(super) fn up_pruk(row: &impl Columns) -> Result<remote_keys::Record, StoreError> {
    let of = |error: &dyn ToString| damaged("up_pruk", error.to_string());
    Ok(remote_keys::Record {
        imsi: Imsi::new(&row.text(0)?).map_err(|e| of(&e))?,
        slot: match row.number(1)? {
            CONFIRMED => remote_keys::Slot::Confirmed,
            CANDIDATE => remote_keys::Slot::Candidate,
            _ => return Err(of(&"a slot is neither 0 nor 1")),
        },
        id: row.text(2)?,
        up_pruk: UpPruk::from(*octets("up_pruk", row, 3)?),
        expires: time("up_pruk", row, 4)?,
    })
}

const CONFIRMED: i64 = 0;
const CANDIDATE: i64 = 1;

/// A slot as a number.
pub(super) const fn slot(slot: remote_keys::Slot) -> i64 {
    match slot {
        remote_keys::Slot::Confirmed => CONFIRMED,
        remote_keys::Slot::Candidate => CANDIDATE,
    }
}

/// A relay service code as a number.
pub(super) fn service(code: [u8; 3]) -> i64 {
    let [a, b, c] = code;
    i64::from(u32::from_be_bytes([0, a, b, c]))
}

pub(super) fn entry(row: &impl Columns) -> Result<Record, StoreError> {
    let of = |error: &dyn ToString| damaged("entry", error.to_string());
    let content = Zeroizing::new(row.text(4)?);
    // What a parser says of a text may quote it, and this one holds keys: said is the place alone.
    let content: ContentRow = serde_json::from_str(&content)
        .map_err(|e| of(&format_args!("line {} column {} of a content", e.line(), e.column())))?;
    let number = u16::try_from(row.number(1)?).map_err(|_| of(&"the number of an entry is too large"))?;
    Ok(Record {
        ue: ue_of(&row.text(0)?).ok_or_else(|| of(&"no IMSI"))?,
        entry: EntryId::new(number).map_err(|e| of(&e))?,
        valid_until: time("entry", row, 2)?,
        kept_until: time("entry", row, 3)?,
        content: Content::try_from(content).map_err(|e| of(&e))?,
    })
}

pub(super) fn refusal(row: &impl Columns) -> Result<(Ue, UtcTime), StoreError> {
    let ue = ue_of(&row.text(0)?).ok_or_else(|| damaged("refusal", "no IMSI"))?;
    Ok((ue, time("refusal", row, 1)?))
}

/// `MCC-MNC-MSIN`: the digits alone do not say where the MNC ends.
pub(crate) fn ue_text(ue: Ue) -> String {
    format!("{}-{}-{}", ue.plmn().mcc(), ue.plmn().mnc(), ue.msin())
}

pub(crate) fn ue_of(text: &str) -> Option<Ue> {
    let (mcc, rest) = text.split_once('-')?;
    let (mnc, msin) = rest.split_once('-')?;
    Ue::new(Plmn::new(mcc, mnc).ok()?, msin).ok()
}

fn plmn_text(plmn: Plmn) -> String {
    format!("{}-{}", plmn.mcc(), plmn.mnc())
}

fn plmn_of(text: &str) -> Result<Plmn, ValueError> {
    let (mcc, mnc) = text.split_once('-').ok_or(ValueError::Plmn)?;
    Ok(Plmn::new(mcc, mnc)?)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscriptionRow {
    registered: Option<String>,
    rights: Vec<(String, RoleRow)>,
    application_ids: Vec<String>,
    rpauids: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RoleRow {
    OpenAnnounce,
    OpenMonitor,
    RestrictedAnnounce,
    RestrictedMonitor,
    Discoveree,
    Discoverer,
    EpcLevel,
}

impl From<Role> for RoleRow {
    fn from(role: Role) -> Self {
        match role {
            Role::OpenAnnounce => Self::OpenAnnounce,
            Role::OpenMonitor => Self::OpenMonitor,
            Role::RestrictedAnnounce => Self::RestrictedAnnounce,
            Role::RestrictedMonitor => Self::RestrictedMonitor,
            Role::Discoveree => Self::Discoveree,
            Role::Discoverer => Self::Discoverer,
            Role::EpcLevel => Self::EpcLevel,
        }
    }
}

impl From<RoleRow> for Role {
    fn from(role: RoleRow) -> Self {
        match role {
            RoleRow::OpenAnnounce => Self::OpenAnnounce,
            RoleRow::OpenMonitor => Self::OpenMonitor,
            RoleRow::RestrictedAnnounce => Self::RestrictedAnnounce,
            RoleRow::RestrictedMonitor => Self::RestrictedMonitor,
            RoleRow::Discoveree => Self::Discoveree,
            RoleRow::Discoverer => Self::Discoverer,
            RoleRow::EpcLevel => Self::EpcLevel,
        }
    }
}

pub(crate) fn subscription_text(subscription: Option<&Subscription>) -> Result<Option<String>, StoreError> {
    let Some(subscription) = subscription else { return Ok(None) };
    let row = SubscriptionRow {
        registered: subscription.registered.map(plmn_text),
        rights: subscription.rights.iter().map(|(plmn, role)| (plmn_text(*plmn), (*role).into())).collect(),
        application_ids: subscription.application_ids.iter().map(ToString::to_string).collect(),
        rpauids: subscription.rpauids.iter().map(ToString::to_string).collect(),
    };
    serde_json::to_string(&row).map(Some).map_err(|e| damaged("subscriber", e))
}

pub(crate) fn subscription_of(text: &str) -> Result<Subscription, StoreError> {
    let row: SubscriptionRow = serde_json::from_str(text).map_err(|e| damaged("subscriber", e))?;
    Subscription::try_from(row).map_err(|e| damaged("subscriber", e))
}

impl TryFrom<SubscriptionRow> for Subscription {
    type Error = ValueError;

    fn try_from(row: SubscriptionRow) -> Result<Self, ValueError> {
        let rights = row.rights.into_iter().map(|(plmn, role)| Ok((plmn_of(&plmn)?, role.into())));
        Ok(Self {
            registered: row.registered.as_deref().map(plmn_of).transpose()?,
            rights: rights.collect::<Result<_, ValueError>>()?,
            application_ids: texts(&row.application_ids, ApplicationId::new)?,
            rpauids: texts(&row.rpauids, Rpauid::new)?,
        })
    }
}

fn texts<T>(texts: &[String], from: impl Fn(&str) -> Result<T, OutOfRange>) -> Result<Vec<T>, ValueError> {
    texts.iter().map(|text| Ok(from(text)?)).collect()
}

/// Digits of a secret.
type Secret = Zeroizing<String>;

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum ContentRow {
    OpenAnnounce { application_id: String, code: String, key: Secret, metadata: Option<String> },
    OpenMonitor { application_id: String },
    RestrictedAnnounce { rpauid: String, application: ApplicationRow, code: String, keys: KeysRow },
    RestrictedMonitor { rpauid: String, application: ApplicationRow, targets: Vec<String> },
    Discoveree { rpauid: String, application: ApplicationRow, query: CodeRow, response: CodeRow },
    Discoverer { rpauid: String, application: ApplicationRow, targets: Vec<String> },
}

/// A code and its keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeRow {
    code: String,
    keys: KeysRow,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplicationRow {
    os_id: String,
    os_app_id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysRow {
    dusk: Option<Secret>,
    duik: Option<Secret>,
    duck: Option<Secret>,
    bitmask: Option<String>,
}

fn digits(octets: &[u8]) -> Secret {
    Zeroizing::new(hex::encode(octets))
}

fn code<const N: usize>(digits: &str) -> Result<[u8; N], ValueError> {
    let mut octets = [0; N];
    hex::decode_to_slice(digits, &mut octets).map_err(|_| ValueError::Octets(N))?;
    Ok(octets)
}

fn secret<K: for<'a> TryFrom<&'a [u8]>>(digits: &str) -> Result<K, ValueError> {
    let octets = Zeroizing::new(hex::decode(digits).map_err(|_| ValueError::Key)?);
    K::try_from(&octets[..]).map_err(|_| ValueError::Key)
}

impl From<&Application> for ApplicationRow {
    fn from(application: &Application) -> Self {
        Self { os_id: hex::encode(application.os_id), os_app_id: application.os_app_id.to_string() }
    }
}

impl TryFrom<ApplicationRow> for Application {
    type Error = ValueError;

    fn try_from(row: ApplicationRow) -> Result<Self, ValueError> {
        Ok(Self { os_id: code(&row.os_id)?, os_app_id: OsAppId::new(&row.os_app_id)? })
    }
}

pub(super) fn content_text(content: &Content) -> Result<Zeroizing<String>, StoreError> {
    let row = match content {
        Content::OpenAnnounce { application_id, code, key, metadata } => ContentRow::OpenAnnounce {
            application_id: application_id.to_string(),
            code: hex::encode(code.0),
            key: digits(key.as_bytes()),
            metadata: metadata.as_ref().map(ToString::to_string),
        },
        Content::OpenMonitor { application_id } => {
            ContentRow::OpenMonitor { application_id: application_id.to_string() }
        }
        Content::RestrictedAnnounce { rpauid, application, code, keys } => ContentRow::RestrictedAnnounce {
            rpauid: rpauid.to_string(),
            application: application.into(),
            code: hex::encode(code.0),
            keys: keys.into(),
        },
        Content::RestrictedMonitor { rpauid, application, targets } => ContentRow::RestrictedMonitor {
            rpauid: rpauid.to_string(),
            application: application.into(),
            targets: targets.iter().map(ToString::to_string).collect(),
        },
        Content::Discoveree { rpauid, application, pair } => ContentRow::Discoveree {
            rpauid: rpauid.to_string(),
            application: application.into(),
            query: CodeRow { code: hex::encode(pair.query.0), keys: (&pair.query_keys).into() },
            response: CodeRow { code: hex::encode(pair.response.0), keys: (&pair.response_keys).into() },
        },
        Content::Discoverer { rpauid, application, targets } => ContentRow::Discoverer {
            rpauid: rpauid.to_string(),
            application: application.into(),
            targets: targets.iter().map(ToString::to_string).collect(),
        },
    };
    serde_json::to_string(&row).map(Zeroizing::new).map_err(|e| damaged("entry", e))
}

impl TryFrom<ContentRow> for Content {
    type Error = ValueError;

    fn try_from(row: ContentRow) -> Result<Self, ValueError> {
        let (id, user) = (ApplicationId::new, Rpauid::new);
        Ok(match row {
            ContentRow::OpenAnnounce { application_id, code: digits, key, metadata } => Self::OpenAnnounce {
                application_id: id(&application_id)?,
                code: ApplicationCode(code(&digits)?),
                key: secret::<DiscoveryKey>(&key)?,
                metadata: metadata.as_deref().map(Metadata::new).transpose()?,
            },
            ContentRow::OpenMonitor { application_id } => {
                Self::OpenMonitor { application_id: id(&application_id)? }
            }
            ContentRow::RestrictedAnnounce { rpauid, application, code: digits, keys } => {
                Self::RestrictedAnnounce {
                    rpauid: user(&rpauid)?,
                    application: application.try_into()?,
                    code: RestrictedCode(code(&digits)?),
                    keys: keys.try_into()?,
                }
            }
            ContentRow::RestrictedMonitor { rpauid, application, targets } => Self::RestrictedMonitor {
                rpauid: user(&rpauid)?,
                application: application.try_into()?,
                targets: texts(&targets, Rpauid::new)?,
            },
            ContentRow::Discoveree { rpauid, application, query, response } => Self::Discoveree {
                rpauid: user(&rpauid)?,
                application: application.try_into()?,
                pair: Box::new(Pair {
                    query: RestrictedCode(code(&query.code)?),
                    query_keys: query.keys.try_into()?,
                    response: RestrictedCode(code(&response.code)?),
                    response_keys: response.keys.try_into()?,
                }),
            },
            ContentRow::Discoverer { rpauid, application, targets } => Self::Discoverer {
                rpauid: user(&rpauid)?,
                application: application.try_into()?,
                targets: texts(&targets, Rpauid::new)?,
            },
        })
    }
}

impl From<&Keys> for KeysRow {
    fn from(keys: &Keys) -> Self {
        Self {
            dusk: keys.0.dusk.as_ref().map(|key| digits(key.as_bytes())),
            duik: keys.0.duik.as_ref().map(|key| digits(key.as_bytes())),
            duck: keys.0.duck.as_ref().map(|(key, _)| digits(key.as_bytes())),
            bitmask: keys.0.duck.as_ref().map(|(_, bitmask)| hex::encode(bitmask)),
        }
    }
}

impl TryFrom<KeysRow> for Keys {
    type Error = ValueError;

    fn try_from(row: KeysRow) -> Result<Self, ValueError> {
        let duck = match (&row.duck, &row.bitmask) {
            (Some(key), Some(bitmask)) => Some((secret::<Duck>(key)?, code(bitmask)?)),
            (None, None) => None,
            _ => return Err(ValueError::Duck),
        };
        Ok(Self(Material {
            dusk: row.dusk.as_ref().map(|key| secret::<Dusk>(key)).transpose()?,
            duik: row.duik.as_ref().map(|key| secret::<Duik>(key)).transpose()?,
            duck,
        }))
    }
}
