//! Responses: octets to meaning, and back.

use super::super::Error;
use super::super::attribute::Attribute;
use super::super::packet::{Code, Method, Packet};
use super::format::{self, Bag, Header, MAC, Subtype};
use super::{MacKey, NotificationProof, Response};

impl Response {
    /// From a packet, with its method.
    pub fn parse(packet: &Packet<'_>) -> Result<(Method, Self), Error> {
        let (method, subtype, mut bag) = format::open(packet, Code::Response)?;
        let response = match subtype {
            Subtype::Identity => {
                let identity =
                    bag.take(|a| if let Attribute::Identity(v) = a { Some(v.clone()) } else { None });
                Self::Identity(bag.need("AT_IDENTITY", identity)?)
            }
            Subtype::Challenge => challenge(&mut bag)?,
            Subtype::AuthenticationReject => Self::AuthenticationReject,
            Subtype::SynchronizationFailure => {
                let auts = bag.take(|a| if let Attribute::Auts(v) = a { Some(*v) } else { None });
                Self::SynchronizationFailure { auts: bag.need("AT_AUTS", auts)?, kdfs: bag.kdfs()? }
            }
            Subtype::Reauthentication => Self::Reauthentication(bag.reauthentication()?),
            Subtype::Notification => Self::Notification { proof: proof(&mut bag)? },
            Subtype::ClientError => {
                let code = bag.take(|a| if let Attribute::ClientErrorCode(v) = a { Some(*v) } else { None });
                Self::ClientError(bag.need("AT_CLIENT_ERROR_CODE", code)?)
            }
        };
        bag.finish()?;
        Ok((method, response))
    }

    /// Its octets. `key` is for those with AT_MAC.
    pub fn emit(&self, method: Method, identifier: u8, key: Option<MacKey<'_>>) -> Result<Vec<u8>, Error> {
        let (subtype, attributes) = match self {
            Self::Identity(text) => (Subtype::Identity, vec![Attribute::Identity(text.clone())]),
            Self::Challenge { res, checkcode, result_ind } => {
                let mut attributes = vec![Attribute::Res(res.clone())];
                attributes.extend(checkcode.map(Attribute::Checkcode));
                attributes.extend(result_ind.then_some(Attribute::ResultInd));
                attributes.push(MAC);
                (Subtype::Challenge, attributes)
            }
            Self::KdfChoice(kdf) => (Subtype::Challenge, vec![Attribute::Kdf(*kdf)]),
            Self::AuthenticationReject => (Subtype::AuthenticationReject, Vec::new()),
            Self::SynchronizationFailure { auts, kdfs } => {
                let kdfs = kdfs.iter().map(|kdf| Attribute::Kdf(*kdf));
                let auts = [Attribute::Auts(*auts)];
                (Subtype::SynchronizationFailure, auts.into_iter().chain(kdfs).collect())
            }
            Self::Reauthentication(message) => (Subtype::Reauthentication, format::reauthentication(message)),
            Self::Notification { proof } => (Subtype::Notification, proven(proof)),
            Self::ClientError(code) => (Subtype::ClientError, vec![Attribute::ClientErrorCode(*code)]),
        };
        Header { code: Code::Response, identifier, method, subtype }.write(&attributes, key)
    }
}

/// RES under AT_MAC, or one AT_KDF alone.
fn challenge(bag: &mut Bag) -> Result<Response, Error> {
    if let Some(kdf) = bag.take(|a| if let Attribute::Kdf(v) = a { Some(*v) } else { None }) {
        return Ok(Response::KdfChoice(kdf));
    }
    bag.mac()?;
    let res = bag.take(|a| if let Attribute::Res(v) = a { Some(v.clone()) } else { None });
    Ok(Response::Challenge {
        res: bag.need("AT_RES", res)?,
        checkcode: bag.checkcode(),
        result_ind: bag.has(&Attribute::ResultInd),
    })
}

fn proof(bag: &mut Bag) -> Result<NotificationProof, Error> {
    let has_mac = bag.mac().is_ok();
    Ok(match (bag.sealed()?, has_mac) {
        (None, false) => NotificationProof::None,
        (None, true) => NotificationProof::Mac,
        (Some(sealed), true) => NotificationProof::MacAndCounter(sealed),
        (Some(_), false) => return bag.need("AT_MAC", None),
    })
}

fn proven(proof: &NotificationProof) -> Vec<Attribute> {
    match proof {
        NotificationProof::None => Vec::new(),
        NotificationProof::Mac => vec![MAC],
        NotificationProof::MacAndCounter(sealed) => format::seal(sealed).into_iter().chain([MAC]).collect(),
    }
}
