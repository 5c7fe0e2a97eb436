//! TP data: what a ticket is for. RFC 6043 §6.10.
//!
//! ```text
//! | first payload | [IDRkms] | [IDRi] | [TRs] | [TRe] | [TRr] | [KEMAC: asked for, of zeros] | {IDRapp} | {IDRr} |
//! ```

use super::Error;
use super::payload::Payload;
use super::ticket::{emit_inner, inner_payloads};
use super::values::{Encryption, IdRole, IdType, Mac, MacAlgorithm, Timestamp, TimestampRole};

/// Stands for every responder. RFC 6043 §5.6.
pub const ANY_RESPONDER: &[u8] = b"?@?";

/// An identity: what it is, and its octets.
pub type Id<'a> = (IdType, &'a [u8]);

/// What a ticket is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketTerms<'a> {
    /// IDRkms: who made the ticket, and resolves it.
    pub kms: Option<Id<'a>>,
    /// IDRi: who may use it.
    pub initiator: Option<Id<'a>>,
    /// TRs: when it begins to count.
    pub start: Option<Timestamp>,
    /// TRe: when it counts no longer.
    pub end: Option<Timestamp>,
    /// TRr: how often keys are renewed.
    pub rekeying: Option<Timestamp>,
    /// In a request: keys of zeros, of the kinds and lengths that are asked for, as [`super::KeyData`].
    pub wanted_keys: Option<&'a [u8]>,
    /// IDRapp: for which applications.
    pub applications: Vec<Id<'a>>,
    /// IDRr: for whom.
    pub responders: Vec<Id<'a>>,
}

impl<'a> TicketTerms<'a> {
    /// Parses TP data. The payloads stand in their order, each but the last two at most once.
    ///
    /// # Errors
    /// Malformed octets, a payload that does not belong, or one out of order.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        let mut terms = Self::default();
        let mut last = 0;
        for payload in inner_payloads(data)? {
            let place = terms.take(&payload)?;
            // Applications and responders may be many.
            if place < last || (place == last && place < 7) {
                let value = payload.kind().0.into();
                return Err(Error::Reserved { what: "place of a payload of TP data of MIKEY", value });
            }
            last = place;
        }
        Ok(terms)
    }

    fn take(&mut self, payload: &Payload<'a>) -> Result<u8, Error> {
        Ok(match payload {
            Payload::IdRole { role: IdRole::Kms, kind, data } => {
                self.kms = Some((*kind, data));
                1
            }
            Payload::IdRole { role: IdRole::Initiator, kind, data } => {
                self.initiator = Some((*kind, data));
                2
            }
            Payload::TimestampRole { role: TimestampRole::Start, timestamp } => {
                self.start = Some(*timestamp);
                3
            }
            Payload::TimestampRole { role: TimestampRole::End, timestamp } => {
                self.end = Some(*timestamp);
                4
            }
            Payload::TimestampRole { role: TimestampRole::RekeyingInterval, timestamp } => {
                self.rekeying = Some(*timestamp);
                5
            }
            Payload::Kemac {
                encryption: Encryption::Null,
                data,
                mac: Mac { algorithm: MacAlgorithm::Null, .. },
            } => {
                self.wanted_keys = Some(data);
                6
            }
            Payload::IdRole { role: IdRole::Application, kind, data } => {
                self.applications.push((*kind, data));
                7
            }
            Payload::IdRole { role: IdRole::Responder, kind, data } => {
                self.responders.push((*kind, data));
                8
            }
            other => {
                return Err(Error::Reserved {
                    what: "payload of TP data of MIKEY",
                    value: other.kind().0.into(),
                });
            }
        })
    }

    /// Writes TP data.
    ///
    /// # Errors
    /// A field that does not fit.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        let id = |role| move |(kind, data): Id<'a>| Payload::IdRole { role, kind, data };
        let time = |role| move |timestamp| Payload::TimestampRole { role, timestamp };
        let mut payloads: Vec<Payload<'a>> = Vec::new();
        payloads.extend(self.kms.map(id(IdRole::Kms)));
        payloads.extend(self.initiator.map(id(IdRole::Initiator)));
        payloads.extend(self.start.map(time(TimestampRole::Start)));
        payloads.extend(self.end.map(time(TimestampRole::End)));
        payloads.extend(self.rekeying.map(time(TimestampRole::RekeyingInterval)));
        payloads.extend(self.wanted_keys.map(|data| Payload::Kemac {
            encryption: Encryption::Null,
            data,
            mac: Mac { algorithm: MacAlgorithm::Null, tag: &[] },
        }));
        payloads.extend(self.applications.iter().copied().map(id(IdRole::Application)));
        payloads.extend(self.responders.iter().copied().map(id(IdRole::Responder)));
        emit_inner(&payloads)
    }

    /// Whether the ticket is for this responder: it is named, or everybody is, or nobody.
    pub fn admits(&self, responder: &[u8]) -> bool {
        self.responders.is_empty()
            || self.responders.iter().any(|(_, id)| *id == responder || *id == ANY_RESPONDER)
    }
}
