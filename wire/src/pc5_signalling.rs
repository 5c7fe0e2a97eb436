//! PC5 signalling messages of one-to-one communication, in two codings. Read first: TS 24.334 §11.4, §12.5.1 (LTE);
//! TS 24.587 §7.3, §8.4 and TS 24.554 §10.3, §11.3 (NR).
//!
//! ```text
//! octet 1      message type
//! octets 2-3   sequence number (NR: octet 2 alone)
//! then         mandatory elements, in order, without identifiers
//! then         optional elements, each behind its identifier (IEI)
//! ```
//!
//! **LTE.** Message types, lengths and identifiers are those of TS 24.334 §12.5.1. Its elements are numbered 1 to 29 without
//! a gap, so the identifiers are decimal numbers, although §11.4.1 calls the same digits hexadecimal. Encrypted Payload has
//! two octets of length here, against one of the text, which cannot hold the 273 octets of SAKKE. The authentication
//! messages 0xE0 to 0xE2 and the elements 0x7D and 0x7E are the project's own, in ranges that are reserved. So are 0xE3 and
//! 0xE4, which [`super::long_message`] reads: links drop them.
//!
//! **NR.** How far each number can be trusted stands beside it in [`nr_table`].
//!
//! Comprehension (TS 24.007 §11.2.4, from memory): a message with an unknown element whose identifier is 0x0n is
//! refused, since the element must be understood; an element of 0x8n and up is one octet; one of 0x7n is skipped by a
//! length of two octets (NR); every other is skipped by its length octet. If an element occurs twice, the first one
//! counts.

use super::{Error, fits, need, room};
use element::{Reader, Writer};

mod body;
mod capabilities;
mod element;
mod lte;
mod message_type;
mod nr;
mod relay;

pub use body::{
    Algorithms, AuthenticationPhase, Body, CommunicationRequest, Identifiers, RekeyingRequest,
    SecurityModeCommand, SecurityPolicy, UserInfo, UserPlane,
};
pub use capabilities::Capabilities;
pub use message_type::MessageType;
pub use nr::{Provenance, Row as NrRow, TABLE as nr_table};
pub use relay::RelayMessage;

/// Octets of an ECCSI signature: r, s and PVT.
pub const SIGNATURE_LEN: usize = 129;
/// Length limit of the body of an authentication message, octets.
pub const MAX_AUTHENTICATION_LEN: usize = 8000;

/// Coding of the messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Coding {
    /// TS 24.334.
    #[default]
    Lte,
    /// TS 24.587 and its twin TS 24.554.
    Nr,
}

impl Coding {
    /// Returns the length of the header, octets.
    pub const fn header_len(self) -> usize {
        match self {
            Self::Lte => 3,
            Self::Nr => 2,
        }
    }
}

mod field {
    pub(super) const TYPE: usize = 0;
    pub(super) const SEQUENCE: usize = 1;
}

/// A view of a message.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    coding: Coding,
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps bytes without a check; see the panic contract of [`super`].
    pub const fn new_unchecked(coding: Coding, buffer: T) -> Self {
        Self { coding, buffer }
    }

    /// Wraps bytes that hold a header.
    pub fn new_checked(coding: Coding, buffer: T) -> Result<Self, Error> {
        let packet = Self { coding, buffer };
        packet.check_len()?;
        Ok(packet)
    }

    /// Checks that message type and sequence number are whole; [`Repr::parse`] checks the elements.
    pub fn check_len(&self) -> Result<(), Error> {
        // TS 24.334 §9.2.1
        need("PC5-S header", self.coding.header_len(), self.buffer.as_ref().len())
    }

    /// Returns the message type, unparsed.
    pub fn message_type(&self) -> u8 {
        self.buffer.as_ref()[field::TYPE]
    }

    /// Returns the sequence number: 16 bits in LTE, 8 bits in NR.
    pub fn sequence(&self) -> u16 {
        let sequence = &self.buffer.as_ref()[field::SEQUENCE..self.coding.header_len()];
        sequence.iter().fold(0, |value, octet| value << 8 | u16::from(*octet))
    }
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Repr<'a> {
    /// Sequence number: 16 bits in LTE, 8 bits in NR.
    pub sequence: u16,
    /// Type and elements.
    pub body: Body<'a>,
}

impl<'a> Repr<'a> {
    /// Parses a message.
    pub fn parse(packet: &Packet<&'a [u8]>) -> Result<Self, Error> {
        packet.check_len()?;
        let reader = Reader::new(packet.coding, packet.buffer);
        let body = match packet.coding {
            Coding::Lte => lte::parse(packet.message_type(), reader)?,
            Coding::Nr => nr::parse(packet.message_type(), reader)?,
        };
        Ok(Self { sequence: packet.sequence(), body })
    }

    /// Returns the length of the message in octets.
    pub fn buffer_len(&self, coding: Coding) -> usize {
        let mut writer = Writer::new(coding, None);
        self.write(coding, &mut writer);
        writer.position()
    }

    /// Writes the message over the first [`Self::buffer_len`] octets.
    pub fn emit(&self, coding: Coding, buffer: &mut [u8]) -> Result<(), Error> {
        let len = self.buffer_len(coding);
        room(len, buffer.len())?;
        let sequence = self.sequence.to_be_bytes();
        buffer[field::TYPE] = match coding {
            Coding::Lte => {
                lte::check(&self.body)?;
                buffer[field::SEQUENCE..][..2].copy_from_slice(&sequence);
                self.body.message_type().lte()
            }
            Coding::Nr => {
                fits("sequence number", self.sequence.into(), 0xff)?;
                nr::check(&self.body)?;
                buffer[field::SEQUENCE] = sequence[1];
                nr::message_type(&self.body)?
            }
        };
        self.write(coding, &mut Writer::new(coding, Some(&mut buffer[..len])));
        Ok(())
    }

    fn write(&self, coding: Coding, writer: &mut Writer<'_>) {
        match coding {
            Coding::Lte => lte::emit(&self.body, writer),
            Coding::Nr => nr::emit(&self.body, writer),
        }
    }
}

/// Returns `Ok` when an element is absent: the coding cannot carry it.
fn absent<T>(what: &'static str, element: Option<T>) -> Result<(), Error> {
    element.map_or(Ok(()), |_| Err(Error::NotCarried { what }))
}

#[cfg(test)]
mod tests;
