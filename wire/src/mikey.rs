//! MIKEY, RFC 3830 §6: the messages that carry keys to UEs (TS 33.303 §6.2.3.3.2.3) and, in other modes, between users.
//!
//! ```text
//! | version 1 | data type | next payload | V, PRF (7) | CSB ID (4) | #CS | CS ID map type | CS ID map info |
//! | next payload | payload | next payload | payload | ...  0: the last
//! ```
//!
//! A payload has no length that all types share: behind one whose type is unknown nothing can be found, and it is an error.
//! Octets behind the last payload are one too.
//!
//! - [`Packet`], [`Payloads`]: views of a message; [`Repr`], [`Header`], [`Payload`]: what it says
//! - [`KeyData`]: what KEMAC carries; [`Policy`]: SP; [`EnvelopeKey`] and its siblings: the public key modes
//! - [`TicketPolicy`], [`TicketTerms`], [`Ticket`], [`TicketData`]: RFC 6043; [`Sakke`]: RFC 6509
//! - [`Extension`], [`ProtectedParameters`], [`KeyParameters`]: RFC 4563, TS 33.180
//!
//! Messages of RFC 4567 §5.1 and of two makers come back bit for bit, and an independent program agrees with what is written
//! here. Payloads of IBAKE (RFC 6267) are unknown.

use super::{Error, need, room};

mod cursor;
mod extension;
mod header;
mod key_data;
mod parameters;
mod payload;
mod policy;
mod public_key;
mod sakke;
mod ticket;
mod ticket_terms;
mod values;

use cursor::{Cursor, Writer};
pub use extension::{Extension, ExtensionType, KeyId, KeyIdKind, MAX_KEY_IDS, emit_key_ids, key_ids};
pub use header::{CsIdMap, DataType, GenericId, Header, Prf, SrtpId};
pub use key_data::{KeyData, KeyKind, MAX_KEYS, Validity};
pub use parameters::{
    ASSOCIATED_OCTETS, Framing, KeyParameters, KeyStatus, KeyType, MAX_GROUPS, ProtectedParameters,
    StatusReading, TAG_OCTETS,
};
pub use payload::{Payload, PayloadType, Raw};
pub use policy::{Policy, SrtpParameter};
pub use public_key::{Certificate, CertificateHash, DhValue, EnvelopeKey, Signature};
pub use sakke::Sakke;
pub use ticket::{
    Ticket, TicketData, TicketFlags, TicketPolicy, TicketType, emit_inner, initiator_data_range,
    inner_payloads,
};
pub use ticket_terms::{ANY_RESPONDER, Id, TicketTerms};
pub use values::{
    CertificateType, DhGroup, Encryption, EnvelopeCache, ErrorNumber, HashAlgorithm, IdRole, IdType,
    IdentifierScheme, Mac, MacAlgorithm, RandRole, SakkeParameters, SignatureType, Timestamp, TimestampRole,
};

/// UDP port of MIKEY. TS 33.303 §6.2.3.3.2.3.1.
pub const PORT: u16 = 2269;

/// Most payloads of a message. Ours.
pub const MAX_PAYLOADS: usize = 64;

/// A view of a message.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

mod field {
    pub(super) const VERSION: usize = 0;
    pub(super) const DATA_TYPE: usize = 1;
    pub(super) const NEXT: usize = 2;
    pub(super) const V_PRF: usize = 3;
    pub(super) const CSB_ID: core::ops::Range<usize> = 4..8;
    pub(super) const CS_COUNT: usize = 8;
    pub(super) const MAP_TYPE: usize = 9;
    pub(super) const MAP: usize = 10;
}

/// The version of RFC 3830.
const VERSION: u8 = 1;

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

    /// Walks the CS ID map and the payloads to the end of the message, which must be that of the last payload. A payload, CS
    /// ID map, timestamp, hash or group whose length is unknown is an error too: what stands behind it cannot be found.
    pub fn check_len(&self) -> Result<(), Error> {
        let bytes = self.buffer.as_ref();
        let mut cursor = Cursor::at("MIKEY header", bytes, field::MAP)?;
        header::skip_map(&mut cursor, bytes[field::MAP_TYPE], bytes[field::CS_COUNT])?;
        payload::walk(self.first(), &mut cursor, |_| Ok(()))?;
        match cursor.left() {
            0 => Ok(()),
            left => {
                Err(Error::Oversized { what: "MIKEY message", max: bytes.len() - left, have: bytes.len() })
            }
        }
    }

    /// Returns the version, which is 1.
    pub fn version(&self) -> u8 {
        self.buffer.as_ref()[field::VERSION]
    }

    /// Returns the data type.
    pub fn data_type(&self) -> DataType {
        DataType::from_octet(self.buffer.as_ref()[field::DATA_TYPE])
    }

    /// Whether the sender wants a verification message.
    pub fn wants_verification(&self) -> bool {
        self.buffer.as_ref()[field::V_PRF] & 0x80 != 0
    }

    /// Returns the PRF, 7 bits.
    pub fn prf(&self) -> u8 {
        self.buffer.as_ref()[field::V_PRF] & 0x7f
    }

    /// Returns CSB ID.
    pub fn csb_id(&self) -> u32 {
        let octets = &self.buffer.as_ref()[field::CSB_ID];
        octets.iter().fold(0, |value, octet| value << 8 | u32::from(*octet))
    }

    fn first(&self) -> PayloadType {
        PayloadType(self.buffer.as_ref()[field::NEXT])
    }
}

impl<'a> Packet<&'a [u8]> {
    /// Returns the payloads in order, as octets.
    pub fn payloads(&self) -> Payloads<'a> {
        let (count, kind) = (self.buffer[field::CS_COUNT], self.buffer[field::MAP_TYPE]);
        let mut cursor = Cursor::new(self.buffer);
        let inside = cursor.slice("MIKEY header", field::MAP).is_ok()
            && header::skip_map(&mut cursor, kind, count).is_ok();
        Payloads { cursor, kind: if inside { self.first() } else { PayloadType::LAST } }
    }
}

/// Iterator over the payloads of a message.
#[derive(Debug, Clone)]
pub struct Payloads<'a> {
    cursor: Cursor<'a>,
    kind: PayloadType,
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        if self.kind == PayloadType::LAST {
            return None;
        }
        let raw = payload::skip(self.kind, &mut self.cursor).ok();
        self.kind = raw.map_or(PayloadType::LAST, |raw| raw.next);
        raw
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repr<'a> {
    /// Common header.
    pub header: Header<'a>,
    /// The payloads in order, at most [`MAX_PAYLOADS`].
    pub payloads: Vec<Payload<'a>>,
}

impl<'a> Repr<'a> {
    /// Parses a message.
    pub fn parse(packet: &Packet<&'a [u8]>) -> Result<Self, Error> {
        packet.check_len()?;
        if packet.version() != VERSION {
            return Err(Error::Reserved { what: "version of MIKEY", value: packet.version().into() });
        }
        let header = Header::parse(packet)?;
        let payloads = packet.payloads().map(|raw| Payload::parse(&raw)).collect::<Result<_, _>>()?;
        Ok(Self { header, payloads })
    }

    /// Returns the length of the message in octets.
    pub fn buffer_len(&self) -> usize {
        let mut writer = Writer::new(None);
        self.write(&mut writer);
        writer.position()
    }

    /// Writes the message over the first [`Self::buffer_len`] octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        let mut counted = Writer::new(None);
        self.write(&mut counted);
        let len = counted.finish()?;
        room(len, buffer.len())?;
        self.write(&mut Writer::new(Some(buffer)));
        Ok(())
    }

    /// Writes the message as octets of its own.
    ///
    /// # Errors
    /// A payload or a field that cannot be written.
    pub fn to_octets(&self) -> Result<Vec<u8>, Error> {
        let mut octets = vec![0; self.buffer_len()];
        self.emit(&mut octets)?;
        Ok(octets)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        self.header.write(self.payloads.first().map_or(PayloadType::LAST, Payload::kind), writer);
        payload::write_all(&self.payloads, writer);
    }
}

#[cfg(test)]
mod tests;
