//! Fields of the messages of group keys, read and written.

use sidelink_wire::Error;

use super::{MOST_MEMBERS, Nonce};
use crate::identity::{BTid, Impi};
use crate::key_delivery::ServiceId;

/// Octets that are still to be read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let have = self.0.len();
        let (taken, rest) = self.0.split_first_chunk().ok_or(Error::Truncated { what, needed: N, have })?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn octets(&mut self, what: &'static str, stated: usize) -> Result<&'a [u8], Error> {
        let have = self.0.len();
        let (taken, rest) =
            self.0.split_at_checked(stated).ok_or(Error::LengthLies { what, stated, have })?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, Error> {
        let [length] = self.take(what)?;
        let octets = self.octets(what, usize::from(length))?;
        std::str::from_utf8(octets).map_err(|_| Error::Reserved { what, value: 0 })
    }

    pub(super) fn impi(&mut self) -> Result<Impi, Error> {
        Impi::new(self.text("IMPI")?).map_err(|_| Error::Reserved { what: "IMPI", value: 0 })
    }

    pub(super) fn b_tid(&mut self) -> Result<BTid, Error> {
        BTid::new(self.text("B-TID")?).map_err(|_| Error::Reserved { what: "B-TID", value: 0 })
    }

    pub(super) fn list(&mut self) -> Result<Vec<Impi>, Error> {
        let count = usize::from(u16::from_be_bytes(self.take("count of members")?));
        if count > MOST_MEMBERS {
            return Err(Error::TooMany { what: "members", max: MOST_MEMBERS });
        }
        // It grows with what is there, not with what is announced.
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(self.impi()?);
        }
        Ok(list)
    }

    /// What [`put_bits`] writes.
    pub(super) fn bits(&mut self) -> Result<Vec<bool>, Error> {
        let count = usize::from(u16::from_be_bytes(self.take("count of members")?));
        if count > MOST_MEMBERS {
            return Err(Error::TooMany { what: "members", max: MOST_MEMBERS });
        }
        let octets = self.octets("members", count.div_ceil(8))?;
        let bit = |at: usize| octets.get(at / 8).is_some_and(|octet| octet >> (7 - at % 8) & 1 == 1);
        match (count..8 * octets.len()).find(|at| bit(*at)) {
            Some(at) => Err(Error::Reserved { what: "bit of no member", value: at as u32 }),
            None => Ok((0..count).map(bit).collect()),
        }
    }

    /// Number, group and nonce.
    pub(super) fn head(&mut self) -> Result<(u8, ServiceId, Nonce), Error> {
        let [number] = self.take("message of group keys")?;
        Ok((number, ServiceId(self.take("group")?), Nonce(self.take("nonce")?)))
    }

    pub(super) const fn end(&self, whole: usize) -> Result<(), Error> {
        match self.0.len() {
            0 => Ok(()),
            more => Err(Error::Oversized { what: "message of group keys", max: whole - more, have: whole }),
        }
    }
}

pub(super) const fn unknown(number: u8) -> Error {
    Error::Reserved { what: "message of group keys", value: number as u32 }
}

pub(super) fn head(number: u8, group: ServiceId, nonce: Nonce) -> Vec<u8> {
    [&[number][..], &group.0, &nonce.0].concat()
}

/// A length of one octet, and as many: identities have at most 255.
pub(super) fn put_text(octets: &mut Vec<u8>, text: &str) {
    octets.push(text.len() as u8);
    octets.extend_from_slice(text.as_bytes());
}

pub(super) fn put_list(octets: &mut Vec<u8>, list: &[Impi]) -> Result<(), Error> {
    if list.len() > MOST_MEMBERS {
        return Err(Error::TooMany { what: "members", max: MOST_MEMBERS });
    }
    octets.extend((list.len() as u16).to_be_bytes());
    list.iter().for_each(|impi| put_text(octets, impi.as_str()));
    Ok(())
}

pub(super) fn put_long(octets: &mut Vec<u8>, what: &'static str, value: &[u8]) -> Result<(), Error> {
    let max = u32::from(u16::MAX);
    let length = u16::try_from(value.len());
    let length = length.map_err(|_| Error::OutOfRange { what, value: value.len() as u32, max })?;
    octets.extend(length.to_be_bytes());
    octets.extend_from_slice(value);
    Ok(())
}

/// A count, and a bit for each, the first one highest; bits of nobody are zero.
pub(super) fn put_bits(octets: &mut Vec<u8>, bits: &[bool]) -> Result<(), Error> {
    if bits.len() > MOST_MEMBERS {
        return Err(Error::TooMany { what: "members", max: MOST_MEMBERS });
    }
    octets.extend((bits.len() as u16).to_be_bytes());
    let octet =
        |eight: &[bool]| eight.iter().enumerate().map(|(at, bit)| u8::from(*bit) << (7 - at)).sum::<u8>();
    octets.extend(bits.chunks(8).map(octet));
    Ok(())
}
