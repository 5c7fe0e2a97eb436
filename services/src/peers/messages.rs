//! What goes between processes.

use serde::{Deserialize, Serialize};
use sidelink_network::aka::{Autn, Auts, Quintet, Rand};
use sidelink_network::bsf::{KeyMaterial, KeyRefusal};
use sidelink_network::hss::{EapAkaPrimeVector, Refusal, Resynchronisation};
use sidelink_network::identity::{BTid, Fqdn, Impi, Imsi, NafId};
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::eap_aka::CkIkPrime;
use sidelink_security::keys::KsNaf;
use zeroize::Zeroizing;

/// Digits of a secret.
pub(super) type Secret = Zeroizing<String>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VectorRequest {
    pub(super) impi: String,
    pub(super) resynchronisation: Option<ResynchronisationText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResynchronisationText {
    rand: String,
    auts: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum VectorAnswer {
    Quintet { rand: String, autn: String, res: Secret, ck: Secret, ik: Secret },
    Refused(RefusalText),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EapRequest {
    pub(super) imsi: String,
    pub(super) network_name: String,
    pub(super) resynchronisation: Option<ResynchronisationText>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum EapAnswer {
    Vector { rand: String, autn: String, xres: Secret, ck_prime: Secret, ik_prime: Secret },
    Refused(RefusalText),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RefusalText {
    Unknown,
    NotForThisNode,
    TooOften,
    Auts,
    NetworkName,
    OutOfReach,
    Exhausted,
    RepeatedRand,
    Busy,
    Store,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionRequest {
    /// `MCC-MNC-MSIN`.
    pub(super) ue: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionAnswer {
    /// As the store has it; none without subscription.
    pub(super) subscription: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    pub(super) naf: String,
    pub(super) b_tid: String,
    pub(super) fqdn: String,
    pub(super) protocol: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum KeyAnswer {
    Key { ks_naf: Secret, impi: String, created: u64, expires: u64 },
    Refused(KeyRefusalText),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KeyRefusalText {
    UnknownBTid,
    NotItsName,
}

pub(super) fn octets<const N: usize>(digits: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut octets = Zeroizing::new([0; N]);
    hex::decode_to_slice(digits, &mut octets[..]).ok()?;
    Some(octets)
}

pub(super) fn secret(octets: &[u8]) -> Secret {
    Zeroizing::new(hex::encode(octets))
}

impl ResynchronisationText {
    pub(super) fn new(resynchronisation: &Resynchronisation) -> Self {
        Self { rand: hex::encode(resynchronisation.rand.0), auts: hex::encode(resynchronisation.auts.0) }
    }

    pub(super) fn parse(&self) -> Option<Resynchronisation> {
        Some(Resynchronisation { rand: Rand(*octets(&self.rand)?), auts: Auts(*octets(&self.auts)?) })
    }
}

impl VectorRequest {
    pub(super) fn new(impi: &Impi, resynchronisation: Option<Resynchronisation>) -> Self {
        let resynchronisation = resynchronisation.as_ref().map(ResynchronisationText::new);
        Self { impi: impi.to_string(), resynchronisation }
    }

    pub(super) fn parse(&self) -> Option<(Impi, Option<Resynchronisation>)> {
        let resynchronisation = match &self.resynchronisation {
            Some(text) => Some(text.parse()?),
            None => None,
        };
        Some((Impi::new(&self.impi).ok()?, resynchronisation))
    }
}

impl EapRequest {
    pub(super) fn new(
        imsi: &Imsi,
        network_name: String,
        resynchronisation: Option<Resynchronisation>,
    ) -> Self {
        let resynchronisation = resynchronisation.as_ref().map(ResynchronisationText::new);
        Self { imsi: imsi.digits().to_owned(), network_name, resynchronisation }
    }

    pub(super) fn parse(self) -> Option<(Imsi, String, Option<Resynchronisation>)> {
        let resynchronisation = match &self.resynchronisation {
            Some(text) => Some(text.parse()?),
            None => None,
        };
        Some((Imsi::new(&self.imsi).ok()?, self.network_name, resynchronisation))
    }
}

impl EapAnswer {
    pub(super) fn new(result: Result<&EapAkaPrimeVector, Refusal>) -> Self {
        match result {
            Ok(vector) => Self::Vector {
                rand: hex::encode(vector.rand.0),
                autn: hex::encode(vector.autn.0),
                xres: secret(&vector.xres),
                ck_prime: secret(&vector.keys.ck_prime),
                ik_prime: secret(&vector.keys.ik_prime),
            },
            Err(refusal) => Self::Refused(refusal.into()),
        }
    }

    /// None where it is no answer.
    pub(super) fn parse(&self) -> Option<Result<EapAkaPrimeVector, Refusal>> {
        match self {
            Self::Vector { rand, autn, xres, ck_prime, ik_prime } => Some(Ok(EapAkaPrimeVector {
                rand: Rand(*octets(rand)?),
                autn: Autn(*octets(autn)?),
                xres: *octets(xres)?,
                keys: CkIkPrime { ck_prime: *octets(ck_prime)?, ik_prime: *octets(ik_prime)? },
            })),
            Self::Refused(refusal) => Some(Err((*refusal).into())),
        }
    }
}

impl VectorAnswer {
    pub(super) fn new(result: Result<&Quintet, Refusal>) -> Self {
        match result {
            Ok(quintet) => Self::Quintet {
                rand: hex::encode(quintet.rand.0),
                autn: hex::encode(quintet.autn.0),
                res: secret(&quintet.res),
                ck: secret(&quintet.ck),
                ik: secret(&quintet.ik),
            },
            Err(refusal) => Self::Refused(refusal.into()),
        }
    }

    /// None where it is no answer.
    pub(super) fn parse(&self) -> Option<Result<Quintet, Refusal>> {
        match self {
            Self::Quintet { rand, autn, res, ck, ik } => Some(Ok(Quintet {
                rand: Rand(*octets(rand)?),
                autn: Autn(*octets(autn)?),
                res: *octets(res)?,
                ck: *octets(ck)?,
                ik: *octets(ik)?,
            })),
            Self::Refused(refusal) => Some(Err((*refusal).into())),
        }
    }
}

impl From<Refusal> for RefusalText {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::Unknown,
            Refusal::NotForThisNode => Self::NotForThisNode,
            Refusal::TooOften => Self::TooOften,
            Refusal::Auts => Self::Auts,
            Refusal::NetworkName => Self::NetworkName,
            Refusal::OutOfReach => Self::OutOfReach,
            Refusal::Exhausted => Self::Exhausted,
            Refusal::RepeatedRand => Self::RepeatedRand,
            Refusal::Busy => Self::Busy,
            _ => Self::Store,
        }
    }
}

impl From<RefusalText> for Refusal {
    fn from(refusal: RefusalText) -> Self {
        match refusal {
            RefusalText::Unknown => Self::Unknown,
            RefusalText::NotForThisNode => Self::NotForThisNode,
            RefusalText::TooOften => Self::TooOften,
            RefusalText::Auts => Self::Auts,
            RefusalText::NetworkName => Self::NetworkName,
            RefusalText::OutOfReach => Self::OutOfReach,
            RefusalText::Exhausted => Self::Exhausted,
            RefusalText::RepeatedRand => Self::RepeatedRand,
            RefusalText::Busy => Self::Busy,
            RefusalText::Store => Self::Store,
        }
    }
}

impl KeyRequest {
    pub(super) fn new(naf: &Fqdn, b_tid: &BTid, naf_id: &NafId) -> Self {
        Self {
            naf: naf.to_string(),
            b_tid: b_tid.to_string(),
            fqdn: naf_id.fqdn.to_string(),
            protocol: hex::encode(naf_id.protocol),
        }
    }

    pub(super) fn parse(&self) -> Option<(Fqdn, BTid, NafId)> {
        let naf_id = NafId { fqdn: Fqdn::new(&self.fqdn).ok()?, protocol: *octets(&self.protocol)? };
        Some((Fqdn::new(&self.naf).ok()?, BTid::new(&self.b_tid).ok()?, naf_id))
    }
}

impl KeyAnswer {
    pub(super) fn new(result: Result<&KeyMaterial, KeyRefusal>) -> Self {
        match result {
            Ok(key) => Self::Key {
                ks_naf: secret(key.ks_naf.as_bytes()),
                impi: key.impi.to_string(),
                created: key.created.millis(),
                expires: key.expires.millis(),
            },
            Err(KeyRefusal::NotItsName) => Self::Refused(KeyRefusalText::NotItsName),
            Err(_) => Self::Refused(KeyRefusalText::UnknownBTid),
        }
    }

    /// None where it is no answer.
    pub(super) fn parse(&self) -> Option<Result<KeyMaterial, KeyRefusal>> {
        match self {
            Self::Key { ks_naf, impi, created, expires } => Some(Ok(KeyMaterial {
                ks_naf: KsNaf::from(*octets(ks_naf)?),
                impi: Impi::new(impi).ok()?,
                created: UtcTime::from_millis(*created),
                expires: UtcTime::from_millis(*expires),
            })),
            Self::Refused(KeyRefusalText::UnknownBTid) => Some(Err(KeyRefusal::UnknownBTid)),
            Self::Refused(KeyRefusalText::NotItsName) => Some(Err(KeyRefusal::NotItsName)),
        }
    }
}
