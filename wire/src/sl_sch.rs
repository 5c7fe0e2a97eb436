//! MAC PDU of SL-SCH. Read first: TS 36.321 §6.1.6 (structure, padding), §6.2.4 (fields).
//!
//! ```text
//!  0               1               2               3
//! | V(4) |R R R R | SRC (24)                                      |
//! | DST (16 for V=1,2; 24 for V=3)                  |
//! |R|R|E|LCID(5)|F| L (7 or 15) | ... one per SDU; the last one has no F and L
//! | SDU 1 | SDU 2 | ... | padding |
//! ```
//!
//! - F = 0: L has 7 bits, F = 1: L has 15 bits (SDUs of 128 octets and more).
//! - One or two octets of padding are padding subheaders straight after the SL-SCH subheader; more padding ends the
//!   PDU, and then a padding subheader is the last one and every SDU has its length.
//! - V = 0001 is a group, 0010 one UE, 0011 the 24-bit DST of vehicles (§6.2.4).

use super::{Error, fits, need, room};

/// LCID of padding.
pub const LCID_PADDING: u8 = 31;
/// The most SDUs that [`Repr`] holds. A received PDU may have more: [`Packet::elements`] gives them all.
pub const MAX_SDUS: usize = 32;

/// Octets of the longest SDU: L has 15 bits.
pub const MAX_SDU_LEN: usize = 0x7fff;

const EXTENSION: u8 = 0x20;
const LCID_MASK: u8 = 0x1f;
const LONG_LENGTH: u8 = 0x80;

mod field {
    use core::ops::Range;

    pub(super) const VERSION: usize = 0;
    // TS 36.321 §6.2.4 SRC
    pub(super) const SRC: Range<usize> = 1..4;
    pub(super) const DST: usize = 4;
}

/// Kind and octets of DST. TS 36.321 §6.2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// V = 0001: the 16 most significant bits of a group's identity; the SCI carries the rest.
    Group([u8; 2]),
    /// V = 0010: the 16 most significant bits of a UE's identity; the SCI carries the rest.
    Ue([u8; 2]),
    /// V = 0011 (vehicle to everything, transmission modes 3 and 4): the whole identity.
    Whole([u8; 3]),
}

impl Destination {
    /// Returns the version field, 4 bits.
    // TS 36.321 §6.2.4 V (1)
    pub const fn version(&self) -> u8 {
        match self {
            Self::Group(_) => 1,
            Self::Ue(_) => 2,
            Self::Whole(_) => 3,
        }
    }

    /// Returns the octets of DST: 2 or 3.
    pub const fn octets(&self) -> &[u8] {
        match self {
            Self::Group(dst) | Self::Ue(dst) => dst,
            Self::Whole(dst) => dst,
        }
    }

    /// Returns the length of the SL-SCH subheader: 6 or 7 octets.
    pub const fn header_len(&self) -> usize {
        field::DST + self.octets().len()
    }
}

/// One subheader with the octets that it describes; padding has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sdu<'a> {
    /// Logical channel, 5 bits.
    pub lcid: u8,
    /// The MAC SDU: one RLC PDU.
    pub data: &'a [u8],
}

/// A view of a MAC PDU.
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

    /// Walks all subheaders and checks that each ends inside the PDU, and so do the SDUs that they announce.
    pub fn check_len(&self) -> Result<(), Error> {
        let bytes = self.buffer.as_ref();
        let mut at = self.header_len();
        need("SL-SCH subheader", at, bytes.len())?;
        let mut announced = 0;
        loop {
            let (subheader, next) = Subheader::read(bytes, at)?;
            at = next;
            announced += subheader.length.unwrap_or(0);
            if !subheader.extension {
                break;
            }
        }
        let have = bytes.len() - at;
        if announced > have {
            return Err(Error::LengthLies { what: "L of SL-SCH", stated: announced, have });
        }
        Ok(())
    }

    /// Returns V, 4 bits.
    pub fn version(&self) -> u8 {
        self.buffer.as_ref().get(field::VERSION).map_or(0, |octet| octet >> 4)
    }

    /// Returns SRC: the layer-2 identity of the sender, 24 bits.
    pub fn source(&self) -> [u8; 3] {
        let src = &self.buffer.as_ref()[field::SRC];
        [src[0], src[1], src[2]]
    }

    /// Returns the octets of DST: three for V = 3, two for all other versions.
    pub fn destination(&self) -> &[u8] {
        &self.buffer.as_ref()[field::DST..self.header_len()]
    }

    /// What V and DST mean.
    ///
    /// # Errors
    /// A reserved version, which makes the whole PDU invalid.
    pub fn addressed_to(&self) -> Result<Destination, Error> {
        match (self.version(), self.destination()) {
            (1, &[a, b]) => Ok(Destination::Group([a, b])),
            (2, &[a, b]) => Ok(Destination::Ue([a, b])),
            (3, &[a, b, c]) => Ok(Destination::Whole([a, b, c])),
            // TS 36.321 §6.2.4 V (2)
            (value, _) => Err(Error::Reserved { what: "V of SL-SCH", value: u32::from(value) }),
        }
    }

    /// Octets of the SL-SCH subheader.
    pub fn header_len(&self) -> usize {
        if self.version() == 3 { 7 } else { 6 }
    }
}

impl<'a> Packet<&'a [u8]> {
    /// Returns all subheaders in order, padding included, each with its octets. Trailing padding belongs to no element.
    pub fn elements(&self) -> Elements<'a> {
        let bytes = self.buffer;
        let mut data = self.header_len();
        while let Ok((subheader, next)) = Subheader::read(bytes, data) {
            data = next;
            if !subheader.extension {
                break;
            }
        }
        Elements { bytes, header: Some(self.header_len()), data }
    }

    /// The first reserved LCID. Its subheader and SDU are ignored, the others count (TS 36.321 §5.11).
    pub fn reserved_lcid(&self) -> Option<u8> {
        self.elements().map(|sdu| sdu.lcid).find(|&lcid| lcid != LCID_PADDING && judge_lcid(lcid).is_err())
    }
}

/// Iterator over the subheaders of a PDU.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    bytes: &'a [u8],
    header: Option<usize>,
    data: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Sdu<'a>;

    fn next(&mut self) -> Option<Sdu<'a>> {
        let (subheader, next) = Subheader::read(self.bytes, self.header?).ok()?;
        self.header = subheader.extension.then_some(next);
        let rest = self.bytes.get(self.data..)?;
        let data = match subheader.length {
            Some(length) => rest.get(..length)?,
            // TS 36.321 §6.1.6 (4)
            None if subheader.lcid == LCID_PADDING => &[],
            None => rest,
        };
        self.data += data.len();
        Some(Sdu { lcid: subheader.lcid, data })
    }
}

#[derive(Debug, Clone, Copy)]
struct Subheader {
    extension: bool,
    lcid: u8,
    length: Option<usize>,
}

impl Subheader {
    /// Reads the subheader at `at` and returns the offset of the next one.
    fn read(bytes: &[u8], at: usize) -> Result<(Self, usize), Error> {
        need("subheader of SL-SCH", at + 1, bytes.len())?;
        let extension = bytes[at] & EXTENSION != 0;
        let lcid = bytes[at] & LCID_MASK;
        // TS 36.321 §6.1.6 (2)
        if !extension || lcid == LCID_PADDING {
            return Ok((Self { extension, lcid, length: None }, at + 1));
        }
        need("L of SL-SCH", at + 2, bytes.len())?;
        let first = bytes[at + 1];
        if first & LONG_LENGTH == 0 {
            return Ok((Self { extension, lcid, length: Some(usize::from(first)) }, at + 2));
        }
        need("L of SL-SCH", at + 3, bytes.len())?;
        let length = usize::from(first & !LONG_LENGTH) << 8 | usize::from(bytes[at + 2]);
        Ok((Self { extension, lcid, length: Some(length) }, at + 3))
    }
}

/// A MAC PDU of SL-SCH without its padding: the size of the transport block decides the padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr<'a> {
    /// SRC.
    pub source: [u8; 3],
    /// V and DST.
    pub destination: Destination,
    sdus: [Sdu<'a>; MAX_SDUS],
    count: usize,
}

impl<'a> Repr<'a> {
    /// Makes a PDU without SDUs: padding only, which is legal.
    pub const fn new(source: [u8; 3], destination: Destination) -> Self {
        Self { source, destination, sdus: [Sdu { lcid: LCID_PADDING, data: &[] }; MAX_SDUS], count: 0 }
    }

    /// Returns the SDUs in their order.
    pub fn sdus(&self) -> &[Sdu<'a>] {
        &self.sdus[..self.count]
    }

    /// Appends an SDU.
    pub fn push(&mut self, sdu: Sdu<'a>) -> Result<(), Error> {
        judge_lcid(sdu.lcid)?;
        fits("SDU length", sdu.data.len() as u32, MAX_SDU_LEN as u32)?;
        if self.count == MAX_SDUS {
            return Err(Error::TooMany { what: "MAC SDUs", max: MAX_SDUS });
        }
        self.sdus[self.count] = sdu;
        self.count += 1;
        Ok(())
    }

    /// Reads a PDU. A reserved version makes the whole PDU invalid, a reserved LCID its own SDU alone; see
    /// [`Packet::reserved_lcid`].
    pub fn parse(packet: &Packet<&'a [u8]>) -> Result<Self, Error> {
        packet.check_len()?;
        let mut repr = Self::new(packet.source(), packet.addressed_to()?);
        for sdu in packet.elements() {
            if sdu.data.len() > MAX_SDU_LEN {
                return Err(Error::Oversized { what: "MAC SDU", max: MAX_SDU_LEN, have: sdu.data.len() });
            }
            // TS 36.321 §5.11
            if judge_lcid(sdu.lcid).is_ok() {
                repr.push(sdu)?;
            }
        }
        Ok(repr)
    }

    /// Returns the length of the smallest transport block that holds the PDU, without padding, octets.
    pub fn buffer_len(&self) -> usize {
        let Some((last, others)) = self.sdus().split_last() else {
            return self.destination.header_len() + 1;
        };
        let others: usize = others.iter().map(|sdu| 1 + length_len(sdu.data.len()) + sdu.data.len()).sum();
        self.destination.header_len() + others + 1 + last.data.len()
    }

    /// Fills the transport block, padding included; padding octets are zero.
    // TS 36.321 §6.1.6 (1)
    pub fn emit(&self, transport_block: &mut [u8]) -> Result<(), Error> {
        let needed = self.buffer_len();
        room(needed, transport_block.len())?;
        transport_block[field::VERSION] = self.destination.version() << 4;
        transport_block[field::SRC].copy_from_slice(&self.source);
        let mut at = self.destination.header_len();
        transport_block[field::DST..at].copy_from_slice(self.destination.octets());

        let padding = transport_block.len() - needed;
        // TS 36.321 §6.1.6 (3)
        let padding_ends = self.count == 0 || padding > 2;
        if !padding_ends {
            transport_block[at..at + padding].fill(EXTENSION | LCID_PADDING);
            at += padding;
        }
        for (index, sdu) in self.sdus().iter().enumerate() {
            let last = index + 1 == self.count && !padding_ends;
            // TS 36.321 §6.2.4 E, R
            transport_block[at] = sdu.lcid | if last { 0 } else { EXTENSION };
            at += 1;
            if !last {
                at += emit_length(sdu.data.len(), &mut transport_block[at..]);
            }
        }
        if padding_ends {
            transport_block[at] = LCID_PADDING;
            at += 1;
        }
        for sdu in self.sdus() {
            transport_block[at..at + sdu.data.len()].copy_from_slice(sdu.data);
            at += sdu.data.len();
        }
        transport_block[at..].fill(0);
        Ok(())
    }
}

/// Returns the octets of F and L for an SDU of `length` octets.
pub const fn length_len(length: usize) -> usize {
    if length < 128 { 1 } else { 2 }
}

// TS 36.321 §6.2.4 F, L
fn emit_length(length: usize, out: &mut [u8]) -> usize {
    if length < 128 {
        out[0] = length as u8;
        return 1;
    }
    out[0] = LONG_LENGTH | (length >> 8) as u8;
    out[1] = length as u8;
    2
}

/// TS 36.321 Table 6.2.4-1: 1 to 10 traffic, 11 to 20 the copies of these, 28 to 30 PC5 signalling.
const fn judge_lcid(lcid: u8) -> Result<(), Error> {
    match lcid {
        1..=20 | 28..=30 => Ok(()),
        _ => Err(Error::Reserved { what: "LCID of SL-SCH", value: lcid as u32 }),
    }
}

#[cfg(test)]
mod tests;
