//! Reading and writing the elements of PC5-S messages.

use super::{Capabilities, Coding, Error, need};
use core::ops::RangeInclusive;

/// Reader of the elements in order. An element that is cut short is an error that names it.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    coding: Coding,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(coding: Coding, bytes: &'a [u8]) -> Self {
        Self { bytes, at: coding.header_len(), coding }
    }

    pub(super) fn slice(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], Error> {
        let end = self.at + len;
        need(what, end, self.bytes.len())?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
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

    /// Reads a value behind one octet of length.
    pub(super) fn short(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let len = self.octet(what)?;
        self.announced(what, usize::from(len))
    }

    /// Reads a value behind two octets of length.
    pub(super) fn long(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let len = u16::from_be_bytes(self.take(what)?);
        self.announced(what, usize::from(len))
    }

    fn announced(&mut self, what: &'static str, stated: usize) -> Result<&'a [u8], Error> {
        let have = self.bytes.len() - self.at;
        if stated > have {
            return Err(Error::LengthLies { what, stated, have });
        }
        self.slice(what, stated)
    }

    pub(super) fn capabilities(&mut self) -> Result<Capabilities, Error> {
        let [eea, eia] = self.take("UE Security Capabilities")?;
        Ok(Capabilities { eea, eia })
    }

    /// Reads an element of fixed length; if it occurs several times, the first one counts.
    pub(super) fn first<const N: usize>(
        &mut self,
        element: &mut Option<[u8; N]>,
        what: &'static str,
    ) -> Result<bool, Error> {
        let value = self.take(what)?;
        element.get_or_insert(value);
        Ok(true)
    }

    /// Reads an element behind one octet of length; if it occurs several times, the first one counts.
    pub(super) fn short_first(
        &mut self,
        element: &mut Option<&'a [u8]>,
        what: &'static str,
    ) -> Result<bool, Error> {
        let value = self.short(what)?;
        element.get_or_insert(value);
        Ok(true)
    }

    /// Reads an element of four octets behind one octet of length; if it occurs several times, the first one counts.
    pub(super) fn four(&mut self, element: &mut Option<[u8; 4]>, what: &'static str) -> Result<bool, Error> {
        let value = self.short(what)?;
        let value = value.try_into().map_err(|_| Error::Truncated { what, needed: 4, have: value.len() })?;
        element.get_or_insert(value);
        Ok(true)
    }

    /// Reads an element behind two octets of length; if it occurs several times, the first one counts.
    pub(super) fn long_first(
        &mut self,
        element: &mut Option<&'a [u8]>,
        what: &'static str,
    ) -> Result<bool, Error> {
        let value = self.long(what)?;
        element.get_or_insert(value);
        Ok(true)
    }

    /// Reads all optional elements; `known` reads an element that the message has, and returns whether it knew it.
    // TS 24.334 §11.4.1
    pub(super) fn optional(
        &mut self,
        mut known: impl FnMut(u8, &mut Self) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        while self.at < self.bytes.len() {
            let iei = self.octet("IEI")?;
            if known(iei, self)? {
                continue;
            }
            match iei {
                0x70..=0x7f if self.coding == Coding::Nr => {
                    self.long("unknown element of PC5-S")?;
                }
                0x00..=0x0f => return Err(Error::Reserved { what: "IEI of PC5-S", value: u32::from(iei) }),
                0x10..=0x7f => {
                    self.short("unknown element of PC5-S")?;
                }
                0x80.. => {}
            }
        }
        Ok(())
    }

    /// Reads the end of a message without optional elements: unknown elements are skipped by the same rules.
    pub(super) fn end<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let body = body(self)?;
        self.optional(|_, _| Ok(false))?;
        Ok(body)
    }
}

/// A field of some bits, the others spare, and its values that are not reserved.
pub(super) struct Field {
    pub(super) what: &'static str,
    pub(super) mask: u8,
    pub(super) known: RangeInclusive<u8>,
}

impl Field {
    /// The value of an octet on the air.
    pub(super) fn value(&self, octet: u8) -> Result<u8, Error> {
        // TS 24.334 §12.1A (2)
        let value = octet & self.mask;
        if self.known.contains(&value) {
            return Ok(value);
        }
        // TS 24.334 §12.1A (4)
        Err(Error::Reserved { what: self.what, value: value.into() })
    }

    pub(super) fn read(&self, reader: &mut Reader<'_>) -> Result<u8, Error> {
        self.value(reader.octet(self.what)?)
    }

    /// `Ok` when the value may be sent.
    // TS 24.334 §12.1A (1)
    pub(super) fn check(&self, value: u8) -> Result<(), Error> {
        if self.known.contains(&value) { Ok(()) } else { Err(Error::NotCarried { what: self.what }) }
    }
}

/// Counts octets, or writes them when there is a buffer; the buffer is then long enough.
pub(super) struct Writer<'a> {
    out: Option<&'a mut [u8]>,
    at: usize,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(coding: Coding, out: Option<&'a mut [u8]>) -> Self {
        Self { out, at: coding.header_len() }
    }

    /// Returns the number of octets so far.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    pub(super) fn put(&mut self, octets: &[u8]) {
        if let Some(out) = &mut self.out {
            out[self.at..self.at + octets.len()].copy_from_slice(octets);
        }
        self.at += octets.len();
    }

    pub(super) fn element<const N: usize>(&mut self, iei: u8, value: Option<&[u8; N]>) {
        if let Some(value) = value {
            self.put(&[iei]);
            self.put(value);
        }
    }

    /// Writes an element behind one octet of length.
    pub(super) fn short(&mut self, iei: u8, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.put(&[iei, value.len() as u8]);
            self.put(value);
        }
    }

    /// An element behind two octets of length.
    pub(super) fn long_element(&mut self, iei: u8, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.put(&[iei]);
            self.long(value);
        }
    }

    /// Writes a value behind one octet of length.
    pub(super) fn value(&mut self, value: &[u8]) {
        self.put(&[value.len() as u8]);
        self.put(value);
    }

    pub(super) fn long(&mut self, value: &[u8]) {
        self.put(&(value.len() as u16).to_be_bytes());
        self.put(value);
    }
}
