//! Requests: octets to meaning, and back.

use super::super::Error;
use super::super::attribute::Attribute;
use super::super::packet::{Code, Method, Packet};
use super::format::{self, Bag, Header, MAC, Subtype};
use super::{Challenge, Derivation, IdentityRequest, MacKey, Notification, Request};

impl Request {
    /// From a packet, with its method.
    pub fn parse(packet: &Packet<'_>) -> Result<(Method, Self), Error> {
        let (method, subtype, mut bag) = format::open(packet, Code::Request)?;
        let request = match subtype {
            Subtype::Identity => Self::Identity(identity(&mut bag)?),
            Subtype::Challenge => Self::Challenge(challenge(method, &mut bag)?),
            Subtype::Reauthentication => Self::Reauthentication(bag.reauthentication()?),
            Subtype::Notification => Self::Notification(notification(&mut bag)?),
            other => {
                return Err(Error::Reserved {
                    what: "the subtype of a request",
                    value: other.octet().into(),
                });
            }
        };
        bag.finish()?;
        Ok((method, request))
    }

    /// Its octets. `key` is for those with AT_MAC.
    pub fn emit(&self, method: Method, identifier: u8, key: Option<MacKey<'_>>) -> Result<Vec<u8>, Error> {
        let (subtype, attributes) = match self {
            Self::Identity(which) => (Subtype::Identity, vec![attribute_of(*which)]),
            Self::Challenge(challenge) => (Subtype::Challenge, attributes_of(challenge)),
            Self::Reauthentication(message) => (Subtype::Reauthentication, format::reauthentication(message)),
            Self::Notification(Notification::Before { code }) => {
                (Subtype::Notification, vec![Attribute::Notification(*code)])
            }
            Self::Notification(Notification::After { code, sealed }) => {
                let mut attributes = vec![Attribute::Notification(*code)];
                attributes.extend(sealed.iter().flat_map(format::seal));
                attributes.push(MAC);
                (Subtype::Notification, attributes)
            }
        };
        Header { code: Code::Request, identifier, method, subtype }.write(&attributes, key)
    }
}

const fn attribute_of(which: IdentityRequest) -> Attribute {
    match which {
        IdentityRequest::Any => Attribute::AnyIdReq,
        IdentityRequest::Fullauth => Attribute::FullauthIdReq,
        IdentityRequest::Permanent => Attribute::PermanentIdReq,
    }
}

fn identity(bag: &mut Bag) -> Result<IdentityRequest, Error> {
    let all = [IdentityRequest::Any, IdentityRequest::Fullauth, IdentityRequest::Permanent];
    let asked = all.into_iter().find(|which| bag.has(&attribute_of(*which)));
    bag.need("AT_ANY_ID_REQ", asked)
}

fn challenge(method: Method, bag: &mut Bag) -> Result<Challenge, Error> {
    let rand = bag.take(|a| if let Attribute::Rand(v) = a { Some(*v) } else { None });
    let autn = bag.take(|a| if let Attribute::Autn(v) = a { Some(*v) } else { None });
    bag.mac()?;
    Ok(Challenge {
        rand: bag.need("AT_RAND", rand)?,
        autn: bag.need("AT_AUTN", autn)?,
        derivation: derivation(method, bag)?,
        sealed: bag.sealed()?,
        checkcode: bag.checkcode(),
        result_ind: bag.has(&Attribute::ResultInd),
    })
}

fn derivation(method: Method, bag: &mut Bag) -> Result<Derivation, Error> {
    match method {
        Method::Aka => {
            let bid = |a: &Attribute| match a {
                Attribute::Bidding { prefers_aka_prime } => Some(*prefers_aka_prime),
                _ => None,
            };
            Ok(Derivation::Aka { prefers_aka_prime: bag.take(bid) })
        }
        Method::AkaPrime => {
            let kdfs = bag.kdfs()?;
            bag.need("AT_KDF", kdfs.first())?;
            let name = bag.take(|a| if let Attribute::KdfInput(v) = a { Some(v.clone()) } else { None });
            Ok(Derivation::AkaPrime { kdfs, network_name: bag.need("AT_KDF_INPUT", name)? })
        }
    }
}

fn attributes_of(challenge: &Challenge) -> Vec<Attribute> {
    let mut attributes = vec![Attribute::Rand(challenge.rand), Attribute::Autn(challenge.autn)];
    match &challenge.derivation {
        Derivation::Aka { prefers_aka_prime } => {
            attributes.extend(prefers_aka_prime.map(|bid| Attribute::Bidding { prefers_aka_prime: bid }));
        }
        Derivation::AkaPrime { kdfs, network_name } => {
            attributes.extend(kdfs.iter().map(|kdf| Attribute::Kdf(*kdf)));
            attributes.push(Attribute::KdfInput(network_name.clone()));
        }
    }
    attributes.extend(challenge.sealed.iter().flat_map(format::seal));
    attributes.extend(challenge.checkcode.map(Attribute::Checkcode));
    attributes.extend(challenge.result_ind.then_some(Attribute::ResultInd));
    attributes.push(MAC);
    attributes
}

/// P says whether AT_MAC is there. Success before authentication is none.
fn notification(bag: &mut Bag) -> Result<Notification, Error> {
    let code = bag.take(|a| if let Attribute::Notification(v) = a { Some(*v) } else { None });
    let code = bag.need("AT_NOTIFICATION", code)?;
    if code & Notification::P == 0 {
        bag.mac()?;
        return Ok(Notification::After { code, sealed: bag.sealed()? });
    }
    match code & Notification::S {
        0 => Ok(Notification::Before { code }),
        _ => Err(Error::Reserved { what: "AT_NOTIFICATION", value: code }),
    }
}
