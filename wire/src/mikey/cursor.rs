//! Reading and writing fields in order.

use super::{Error, need};

/// Reads fields in order. One that is cut short is an error that names it.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Behind the first `at` octets, which `what` needs.
    pub(super) fn at(what: &'static str, bytes: &'a [u8], at: usize) -> Result<Self, Error> {
        need(what, at, bytes.len())?;
        Ok(Self { bytes, at })
    }

    pub(super) const fn position(&self) -> usize {
        self.at
    }

    pub(super) const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What lies between an earlier position and this one.
    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        &self.bytes[from..self.at]
    }

    pub(super) fn slice(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], Error> {
        need(what, self.at + len, self.bytes.len())?;
        let slice = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(slice)
    }

    pub(super) fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        out.copy_from_slice(self.slice(what, N)?);
        Ok(out)
    }

    pub(super) fn octet(&mut self, what: &'static str) -> Result<u8, Error> {
        self.take(what).map(|[octet]| octet)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, Error> {
        self.take(what).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        self.take(what).map(u32::from_be_bytes)
    }

    /// A value behind one octet of length.
    pub(super) fn short(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let stated = self.octet(what)?.into();
        self.announced(what, stated)
    }

    /// A value behind two octets of length.
    pub(super) fn long(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let stated = self.u16(what)?.into();
        self.announced(what, stated)
    }

    pub(super) fn announced(&mut self, what: &'static str, stated: usize) -> Result<&'a [u8], Error> {
        let have = self.left();
        if stated > have {
            return Err(Error::LengthLies { what, stated, have });
        }
        self.slice(what, stated)
    }

    /// The end of a field that must hold no more.
    pub(super) fn end(&self, what: &'static str) -> Result<(), Error> {
        match self.left() {
            0 => Ok(()),
            _ => Err(Error::Oversized { what, max: self.at, have: self.bytes.len() }),
        }
    }
}

/// Counts octets, or writes them when there is a buffer; the buffer is then long enough. Remembers the first value that
/// does not fit.
pub(super) struct Writer<'a> {
    out: Option<&'a mut [u8]>,
    at: usize,
    refused: Option<Error>,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(out: Option<&'a mut [u8]>) -> Self {
        Self { out, at: 0, refused: None }
    }

    /// Octets so far.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Octets in all, if everything fits.
    pub(super) fn finish(self) -> Result<usize, Error> {
        self.refused.map_or(Ok(self.at), Err)
    }

    pub(super) fn put(&mut self, octets: &[u8]) {
        if let Some(out) = &mut self.out {
            out[self.at..self.at + octets.len()].copy_from_slice(octets);
        }
        self.at += octets.len();
    }

    /// A number that must not be above `max`.
    pub(super) fn limit(&mut self, what: &'static str, value: usize, max: usize) {
        if value > max && self.refused.is_none() {
            let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
            self.refused = Some(Error::OutOfRange { what, value: number(value), max: number(max) });
        }
    }

    /// A value that this format cannot carry.
    pub(super) fn refuse(&mut self, what: &'static str) {
        self.refused.get_or_insert(Error::NotCarried { what });
    }

    /// A value behind one octet of length.
    pub(super) fn short(&mut self, what: &'static str, value: &[u8]) {
        self.limit(what, value.len(), 0xff);
        self.put(&[value.len() as u8]);
        self.put(value);
    }

    /// A value behind two octets of length.
    pub(super) fn long(&mut self, what: &'static str, value: &[u8]) {
        self.limit(what, value.len(), 0xffff);
        self.put(&(value.len() as u16).to_be_bytes());
        self.put(value);
    }
}
