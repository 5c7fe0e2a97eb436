//! UMD PDU with a 5-bit sequence number. Read first: TS 36.322 §6.2.1.3, §6.2.2.
//!
//! ```text
//! | FI(2) |E| SN(5) |E| LI 1 (11) |E| LI 2 (11) | ... (4 bits of padding when the LIs are odd) | data elements |
//! ```
//!
//! K length indicators describe the first K of K + 1 data elements; the last element takes the rest. STCH uses the
//! 5-bit SN alone. LIs: §6.2.1.3, §6.2.2.4, §6.2.2.5; a value of 0 is reserved.

use super::{Error, fits, need, room};

/// Modulus of sequence numbers.
// TS 36.322 §6.2.2.3
pub const SN_MODULUS: u8 = 32;
/// The largest length that an LI can carry, octets.
pub const MAX_LI: usize = 2047;
/// The most data elements that [`Repr`] holds. A received PDU may have more: [`Packet::elements`] gives them all.
pub const MAX_ELEMENTS: usize = 32;

const EXTENSION: u8 = 0x20;

/// Framing info: whether the first and the last SDU of the data field are segments. TS 36.322 §6.2.2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FramingInfo {
    /// The first octet is not the first of an SDU.
    pub continues: bool,
    /// The last octet is not the last of an SDU.
    pub unfinished: bool,
}

impl FramingInfo {
    /// Parses the low two bits.
    pub const fn from_bits(bits: u8) -> Self {
        // TS 36.322 §6.2.2.6
        Self { continues: bits & 0b10 != 0, unfinished: bits & 0b01 != 0 }
    }

    /// Returns the two bits: 00 whole SDUs, 01 the last SDU continues, 10 the first is a continuation, 11 both.
    pub const fn bits(self) -> u8 {
        (self.continues as u8) << 1 | self.unfinished as u8
    }
}

/// A view of a UMD PDU.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps bytes without a check; see the panic contract of [`super`].
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// Wraps bytes whose lengths hold.
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let packet = Self { buffer };
        packet.check_len()?;
        Ok(packet)
    }

    /// Walks the length indicators and checks that the header and the elements end inside the PDU. [`Repr::parse`]
    /// refuses empty elements.
    pub fn check_len(&self) -> Result<(), Error> {
        let bytes = self.buffer.as_ref();
        need("RLC UM header", 1, bytes.len())?;
        let (mut count, mut announced, mut more) = (0, 0, self.extension());
        while more {
            need("LI of RLC UM", 1 + li_len(count + 1), bytes.len())?;
            let (extension, length) = self.length_indicator(count);
            announced += usize::from(length);
            more = extension;
            count += 1;
        }
        let have = bytes.len() - 1 - li_len(count);
        if announced > have {
            return Err(Error::LengthLies { what: "LI of RLC UM", stated: announced, have });
        }
        Ok(())
    }

    /// Returns FI, 2 bits.
    pub fn framing(&self) -> FramingInfo {
        FramingInfo::from_bits(self.buffer.as_ref()[0] >> 6)
    }

    /// Returns SN, 5 bits.
    pub fn sn(&self) -> u8 {
        self.buffer.as_ref()[0] & (SN_MODULUS - 1)
    }

    /// Whether length indicators follow.
    pub fn extension(&self) -> bool {
        self.buffer.as_ref()[0] & EXTENSION != 0
    }

    /// Returns the E bit and the LI of data element `index`.
    // TS 36.322 §6.2.1.3 (2)
    fn length_indicator(&self, index: usize) -> (bool, u16) {
        let bytes = &self.buffer.as_ref()[1 + index / 2 * 3..];
        let pair = if index.is_multiple_of(2) {
            u16::from_be_bytes([bytes[0], bytes[1]]) >> 4
        } else {
            u16::from_be_bytes([bytes[1], bytes[2]]) & 0x0fff
        };
        // TS 36.322 §6.2.2.4
        (pair & 0x800 != 0, pair & 0x7ff)
    }
}

impl<'a> Packet<&'a [u8]> {
    /// Returns the data elements in order.
    pub fn elements(&self) -> Elements<'a> {
        let (mut count, mut more) = (0, self.extension());
        while more {
            more = self.length_indicator(count).0;
            count += 1;
        }
        Elements { packet: *self, index: 0, indicators: count, at: 1 + li_len(count) }
    }

    /// Refuses an LI of zero, which is reserved, and an empty last element.
    ///
    /// # Errors
    /// That one is there.
    pub fn check_elements(&self) -> Result<(), Error> {
        // TS 36.322 §6.2.2.5
        if self.elements().any(<[u8]>::is_empty) {
            return Err(Error::Reserved { what: "LI of RLC UM", value: 0 });
        }
        Ok(())
    }
}

/// Iterator over the data elements of a PDU.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    packet: Packet<&'a [u8]>,
    index: usize,
    indicators: usize,
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.index > self.indicators {
            return None;
        }
        let rest = self.packet.buffer.get(self.at..)?;
        let element = if self.index < self.indicators {
            rest.get(..usize::from(self.packet.length_indicator(self.index).1))?
        } else {
            rest
        };
        self.index += 1;
        self.at += element.len();
        Some(element)
    }
}

/// A UMD PDU with at least one data element, none of them empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr<'a> {
    /// FI.
    pub framing: FramingInfo,
    /// SN, 5 bits.
    pub sn: u8,
    elements: [&'a [u8]; MAX_ELEMENTS],
    count: usize,
}

impl<'a> Repr<'a> {
    /// Makes a PDU that has no elements yet.
    pub const fn new(framing: FramingInfo, sn: u8) -> Self {
        Self { framing, sn, elements: [&[]; MAX_ELEMENTS], count: 0 }
    }

    /// Returns the data elements in order.
    pub fn elements(&self) -> &[&'a [u8]] {
        &self.elements[..self.count]
    }

    /// Appends a data element. All but the last are limited to [`MAX_LI`] octets.
    pub fn push(&mut self, element: &'a [u8]) -> Result<(), Error> {
        if element.is_empty() {
            return Err(Error::Reserved { what: "LI of RLC UM", value: 0 });
        }
        if self.count == MAX_ELEMENTS {
            return Err(Error::TooMany { what: "RLC data elements", max: MAX_ELEMENTS });
        }
        if let Some(last) = self.elements().last() {
            fits("LI of RLC UM", last.len() as u32, MAX_LI as u32)?;
        }
        self.elements[self.count] = element;
        self.count += 1;
        Ok(())
    }

    /// Parses a PDU. Refuses an LI of zero, which is reserved, and an empty last element.
    pub fn parse(packet: &Packet<&'a [u8]>) -> Result<Self, Error> {
        packet.check_len()?;
        let mut repr = Self::new(packet.framing(), packet.sn());
        for element in packet.elements() {
            repr.push(element)?;
        }
        Ok(repr)
    }

    /// Returns the length of the PDU in octets.
    pub fn buffer_len(&self) -> usize {
        header_len(self.count) + self.elements().iter().map(|element| element.len()).sum::<usize>()
    }

    /// Writes the PDU over the first [`Self::buffer_len`] octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        room(self.buffer_len(), buffer.len())?;
        emit_header(self.framing, self.sn, self.elements().iter().map(|element| element.len()), buffer)?;
        let mut at = header_len(self.count);
        for element in self.elements() {
            buffer[at..at + element.len()].copy_from_slice(element);
            at += element.len();
        }
        Ok(())
    }
}

/// Returns the length of the header of a PDU with `elements` data elements, octets.
pub const fn header_len(elements: usize) -> usize {
    1 + li_len(elements.saturating_sub(1))
}

/// Writes the header alone, for data that already lies behind it: [`header_len`] octets.
pub fn emit_header(
    framing: FramingInfo,
    sn: u8,
    lengths: impl ExactSizeIterator<Item = usize>,
    buffer: &mut [u8],
) -> Result<(), Error> {
    fits("SN of RLC UM", u32::from(sn), u32::from(SN_MODULUS - 1))?;
    let indicators = lengths.len().saturating_sub(1);
    let end = header_len(lengths.len());
    room(end, buffer.len())?;
    buffer[..end].fill(0);
    // TS 36.322 §6.2.1.3 (1)
    buffer[0] = framing.bits() << 6 | if indicators > 0 { EXTENSION } else { 0 } | sn;
    for (index, length) in lengths.take(indicators).enumerate() {
        fits("LI of RLC UM", length as u32, MAX_LI as u32)?;
        let more = index + 1 < indicators;
        let pair = u16::from(more) << 11 | length as u16;
        let at = 1 + index / 2 * 3;
        if index.is_multiple_of(2) {
            buffer[at] = (pair >> 4) as u8;
            buffer[at + 1] = (pair << 4) as u8;
        } else {
            buffer[at + 1] |= (pair >> 8) as u8;
            buffer[at + 2] = pair as u8;
        }
    }
    Ok(())
}

/// Returns the octets of `count` pairs of E and LI, 12 bits each.
const fn li_len(count: usize) -> usize {
    (count * 12).div_ceil(8)
}

#[cfg(test)]
mod tests;
