//! What goes between processes for a GPI, over Zpn.

use serde::{Deserialize, Serialize};
use sidelink_network::gba_push::bsf::{self as push, Pushed};
use sidelink_network::gba_push::{Error, Place};
use sidelink_network::hss::Ticket;
use sidelink_network::identity::{Fqdn, Impi, NafId};
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::KsNaf;

use super::messages::{RefusalText, ResynchronisationText, Secret, octets, secret};

/// A request for keys outside the card: no other is made.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PushRequest {
    pub(super) naf: String,
    pub(super) impi: String,
    pub(super) label: String,
    pub(super) fqdn: String,
    pub(super) protocol: String,
    pub(super) p_tid: String,
    pub(super) lifetime: u64,
    pub(super) resynchronisation: Option<ResynchronisationText>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum PushAnswer {
    Pushed { gpi: String, ks_naf: Secret, expires: u64 },
    Refused(PushRefusalText),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PushRefusalText {
    NotItsName,
    Lifetime,
    Place,
    Gpi,
    TooOften,
    Late,
    Hss(RefusalText),
}

impl PushRequest {
    /// None for keys on the card.
    pub(super) fn new(request: &push::Request) -> Option<Self> {
        (request.place == Place::Terminal).then(|| Self {
            naf: request.naf.to_string(),
            impi: request.impi.to_string(),
            label: request.label.clone(),
            fqdn: request.naf_id.fqdn.to_string(),
            protocol: hex::encode(request.naf_id.protocol),
            p_tid: request.p_tid.clone(),
            lifetime: request.lifetime,
            resynchronisation: request.resynchronisation.as_ref().map(ResynchronisationText::new),
        })
    }

    pub(super) fn parse(self) -> Option<push::Request> {
        let resynchronisation = match &self.resynchronisation {
            Some(text) => Some(text.parse()?),
            None => None,
        };
        let naf_id = NafId { fqdn: Fqdn::new(&self.fqdn).ok()?, protocol: *octets(&self.protocol)? };
        Some(push::Request {
            ticket: Ticket(0),
            naf: Fqdn::new(&self.naf).ok()?,
            impi: Impi::new(&self.impi).ok()?,
            label: self.label,
            naf_id,
            p_tid: self.p_tid,
            place: Place::Terminal,
            lifetime: self.lifetime,
            resynchronisation,
        })
    }
}

impl PushAnswer {
    pub(super) fn new(result: Result<&Pushed, push::Refusal>) -> Self {
        match result {
            Ok(pushed) => Self::Pushed {
                gpi: hex::encode(&pushed.gpi),
                ks_naf: secret(pushed.ks_naf.as_bytes()),
                expires: pushed.expires.millis(),
            },
            Err(refusal) => Self::Refused(match refusal {
                push::Refusal::NotItsName => PushRefusalText::NotItsName,
                push::Refusal::Lifetime => PushRefusalText::Lifetime,
                push::Refusal::Place => PushRefusalText::Place,
                push::Refusal::Gpi(_) => PushRefusalText::Gpi,
                push::Refusal::Hss(refusal) => PushRefusalText::Hss(refusal.into()),
                push::Refusal::TooOften => PushRefusalText::TooOften,
                _ => PushRefusalText::Late,
            }),
        }
    }

    /// None where it is no answer.
    pub(super) fn parse(&self) -> Option<Result<Pushed, push::Refusal>> {
        let refusal = match self {
            Self::Pushed { gpi, ks_naf, expires } => {
                return Some(Ok(Pushed {
                    gpi: hex::decode(gpi).ok()?,
                    ks_naf: KsNaf::from(*octets(ks_naf)?),
                    expires: UtcTime::from_millis(*expires),
                }));
            }
            Self::Refused(refusal) => refusal,
        };
        Some(Err(match refusal {
            PushRefusalText::NotItsName => push::Refusal::NotItsName,
            PushRefusalText::Lifetime => push::Refusal::Lifetime,
            PushRefusalText::Place => push::Refusal::Place,
            PushRefusalText::Gpi => push::Refusal::Gpi(Error::TooLong("a field of the request")),
            PushRefusalText::Hss(refusal) => push::Refusal::Hss((*refusal).into()),
            PushRefusalText::TooOften => push::Refusal::TooOften,
            PushRefusalText::Late => push::Refusal::Late,
        }))
    }
}
