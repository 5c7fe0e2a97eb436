//! What all messages have in common.

use super::super::Error;
use super::super::attribute::{Attribute, parse_all};
use super::super::packet::{self, Code, Method, Packet, Type};
use super::super::protection::{ATTRIBUTES, Checkcode, Sealed, put_mac};
use super::{MOST_KDFS, MacKey, Reauthentication};

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subtype {
    Challenge,
    AuthenticationReject,
    SynchronizationFailure,
    Identity,
    Notification,
    Reauthentication,
    ClientError,
}

impl Subtype {
    pub(super) const fn octet(self) -> u8 {
        match self {
            Self::Challenge => 1,
            Self::AuthenticationReject => 2,
            Self::SynchronizationFailure => 4,
            Self::Identity => 5,
            Self::Notification => 12,
            Self::Reauthentication => 13,
            Self::ClientError => 14,
        }
    }

    pub(super) const fn from_octet(octet: u8) -> Result<Self, Error> {
        Ok(match octet {
            1 => Self::Challenge,
            2 => Self::AuthenticationReject,
            4 => Self::SynchronizationFailure,
            5 => Self::Identity,
            12 => Self::Notification,
            13 => Self::Reauthentication,
            14 => Self::ClientError,
            value => return Err(Error::Reserved { what: "the subtype", value: value as u16 }),
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Challenge => "AKA-Challenge",
            Self::AuthenticationReject => "AKA-Authentication-Reject",
            Self::SynchronizationFailure => "AKA-Synchronization-Failure",
            Self::Identity => "AKA-Identity",
            Self::Notification => "AKA-Notification",
            Self::Reauthentication => "AKA-Reauthentication",
            Self::ClientError => "AKA-Client-Error",
        }
    }
}

/// The attributes of a message, to be taken out one by one.
pub(in super::super) struct Bag {
    message: &'static str,
    attributes: Vec<Attribute>,
}

impl Bag {
    pub(in super::super) fn new(message: &'static str, found: Vec<(usize, Attribute)>) -> Self {
        Self { message, attributes: found.into_iter().map(|(_, attribute)| attribute).collect() }
    }

    /// Takes the first that `f` knows.
    pub(in super::super) fn take<T>(&mut self, f: impl Fn(&Attribute) -> Option<T>) -> Option<T> {
        let (at, taken) = self.attributes.iter().enumerate().find_map(|(i, a)| Some((i, f(a)?)))?;
        self.attributes.remove(at);
        Some(taken)
    }

    pub(super) fn has(&mut self, attribute: &Attribute) -> bool {
        self.take(|a| (a == attribute).then_some(())).is_some()
    }

    pub(super) fn need<T>(&self, attribute: &'static str, taken: Option<T>) -> Result<T, Error> {
        taken.ok_or(Error::Missing { attribute, message: self.message })
    }

    /// AT_MAC, whose value is looked at elsewhere.
    pub(super) fn mac(&mut self) -> Result<(), Error> {
        let taken = self.take(|a| matches!(a, Attribute::Mac(_)).then_some(()));
        self.need("AT_MAC", taken)
    }

    pub(super) fn checkcode(&mut self) -> Option<Checkcode> {
        self.take(|a| if let Attribute::Checkcode(v) = a { Some(*v) } else { None })
    }

    pub(super) fn kdfs(&mut self) -> Result<Vec<u16>, Error> {
        let mut kdfs = Vec::new();
        while let Some(kdf) = self.take(|a| if let Attribute::Kdf(v) = a { Some(*v) } else { None }) {
            if kdfs.len() == MOST_KDFS {
                return Err(Error::TooLong {
                    what: "the list of AT_KDF",
                    max: MOST_KDFS,
                    have: kdfs.len() + 1,
                });
            }
            kdfs.push(kdf);
        }
        Ok(kdfs)
    }

    /// AT_IV and AT_ENCR_DATA, both or none.
    pub(super) fn sealed(&mut self) -> Result<Option<Sealed>, Error> {
        let iv = self.take(|a| if let Attribute::Iv(v) = a { Some(*v) } else { None });
        let data = self.take(|a| if let Attribute::EncrData(v) = a { Some(v.clone()) } else { None });
        match (iv, data) {
            (None, None) => Ok(None),
            (iv, data) => {
                let iv = self.need("AT_IV", iv)?;
                Ok(Some(Sealed { iv, data: self.need("AT_ENCR_DATA", data)? }))
            }
        }
    }

    pub(super) fn reauthentication(&mut self) -> Result<Reauthentication, Error> {
        self.mac()?;
        let sealed = self.sealed()?;
        Ok(Reauthentication {
            sealed: self.need("AT_ENCR_DATA", sealed)?,
            checkcode: self.checkcode(),
            result_ind: self.has(&Attribute::ResultInd),
        })
    }

    pub(in super::super) fn finish(self) -> Result<(), Error> {
        match self.attributes.first() {
            Some(left) => Err(Error::Misplaced { attribute: left.name(), message: self.message }),
            None => Ok(()),
        }
    }
}

/// The method, what the message is for, and its attributes.
pub(super) fn open(packet: &Packet<'_>, code: Code) -> Result<(Method, Subtype, Bag), Error> {
    let (Some(Type::Method(method)), true) = (packet.kind(), packet.code() == code) else {
        return Err(Error::Reserved { what: "the type of EAP", value: 0 });
    };
    let octets = packet.octets();
    let attributes = octets.get(ATTRIBUTES..).ok_or(Error::Truncated {
        what: "the subtype",
        needed: ATTRIBUTES,
        have: octets.len(),
    })?;
    let subtype = Subtype::from_octet(octets[5])?;
    Ok((method, subtype, Bag::new(subtype.name(), parse_all(attributes)?)))
}

/// What stands before the attributes.
pub(super) struct Header {
    pub(super) code: Code,
    pub(super) identifier: u8,
    pub(super) method: Method,
    pub(super) subtype: Subtype,
}

impl Header {
    /// The packet, with AT_MAC filled in where it is among the attributes.
    pub(super) fn write(self, attributes: &[Attribute], key: Option<MacKey<'_>>) -> Result<Vec<u8>, Error> {
        let mut data = vec![self.subtype.octet(), 0, 0];
        let mut mac = None;
        for attribute in attributes {
            if matches!(attribute, Attribute::Mac(_)) {
                // Five of header and type before the data; type, length and two reserved of the attribute.
                mac = Some(5 + data.len() + 4);
            }
            attribute.emit(&mut data)?;
        }
        let mut octets = packet::emit(self.code, self.identifier, Type::Method(self.method), &data)?;
        if let Some(at) = mac {
            let MacKey { k_aut, extra } = key.ok_or(Error::NoKey)?;
            put_mac(&mut octets, at, k_aut, extra);
        }
        Ok(octets)
    }
}

/// AT_MAC, to be filled in.
pub(super) const MAC: Attribute = Attribute::Mac([0; 16]);

/// The attributes of [`Sealed`].
pub(super) fn seal(sealed: &Sealed) -> [Attribute; 2] {
    [Attribute::Iv(sealed.iv), Attribute::EncrData(sealed.data.clone())]
}

/// The attributes of a re-authentication.
pub(super) fn reauthentication(message: &Reauthentication) -> Vec<Attribute> {
    let mut attributes = seal(&message.sealed).to_vec();
    attributes.extend(message.checkcode.map(Attribute::Checkcode));
    attributes.extend(message.result_ind.then_some(Attribute::ResultInd));
    attributes.push(MAC);
    attributes
}
