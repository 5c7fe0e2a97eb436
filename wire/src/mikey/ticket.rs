//! Tickets and their policies: TP, TICKET, and what is inside of them. RFC 6043 §6.10, Appendix A, TS 33.328 Annex D.4.
//!
//! ```text
//! TP:      | ticket type (2) | subtype | version | PRF 7, flags 12, reserved 5 | length (2) | TP data |
//! TICKET:  ... | length (2) | ticket data | length (2) | initiator data |
//! TP data, initiator data:  | type of the first payload | payload | payload | ...
//! ticket data:              | type of the payload behind THDR | length (2) | THDR data | payload | payload | ...
//! ```

use core::ops::Range;

use super::Error;
use super::cursor::{Cursor, Writer};
use super::header::Prf;
use super::payload::{Payload, PayloadType, Raw, parse_all, write_all};

/// Type, subtype and version of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TicketType {
    /// Type.
    pub kind: u16,
    /// Subtype.
    pub subtype: u8,
    /// Version.
    pub version: u8,
}

impl TicketType {
    /// The base ticket of MIKEY. RFC 6043 Appendix A.
    pub const MIKEY_BASE: Self = Self { kind: 1, subtype: 1, version: 1 };
    /// The base ticket of 3GPP, of the same layout. TS 33.328 Annex D.4.
    pub const GPP_BASE: Self = Self { kind: 2, subtype: 0, version: 0 };
}

/// Flags of a policy, 12 bits. RFC 6043 §6.10.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TicketFlags(u16);

impl TicketFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// D: the key management server made the ticket.
    pub const D: Self = Self(1 << 11);
    /// E: the responder has to resolve it.
    pub const E: Self = Self(1 << 10);
    /// F: the responder has to send TRANSFER_RESP.
    pub const F: Self = Self(1 << 9);
    /// G: the responder makes RANDRr.
    pub const G: Self = Self(1 << 8);
    /// H: traffic keys depend on RANDRi.
    pub const H: Self = Self(1 << 7);
    /// I: keys are forked, each responder has its own.
    pub const I: Self = Self(1 << 6);
    /// J: the ticket may serve again.
    pub const J: Self = Self(1 << 5);
    /// K: the key management server changed the policy that was asked for.
    pub const K: Self = Self(1 << 4);
    /// L: the initiator may supply keys.
    pub const L: Self = Self(1 << 3);
    /// M: the responder may supply keys.
    pub const M: Self = Self(1 << 2);
    /// N: plain processing is enough for the initiator.
    pub const N: Self = Self(1 << 1);
    /// O: plain processing is enough for the responder.
    pub const O: Self = Self(1);

    /// Those of the base ticket of 3GPP that the key management server made. TS 33.328 Annex D.4.
    pub const GPP_BASE: Self =
        Self(Self::D.0 | Self::E.0 | Self::F.0 | Self::G.0 | Self::H.0 | Self::I.0 | Self::N.0 | Self::O.0);

    /// From bits, of which only 12 may be set.
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits >> 12 == 0 { Some(Self(bits)) } else { None }
    }

    /// The bits: D is 0x800, O is 1.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Checks what the flags demand of each other.
    ///
    /// # Errors
    /// [`Error::Reserved`] names the first rule that they break.
    pub const fn check(self) -> Result<(), Error> {
        let rules = [
            (!self.has(Self::D) && !self.has(Self::L), "ticket flags of MIKEY without D and L"),
            (self.has(Self::G) && !self.has(Self::F), "ticket flags of MIKEY with G without F"),
            (!self.has(Self::G) && !self.has(Self::H), "ticket flags of MIKEY without G and H"),
            (self.has(Self::I) && !self.has(Self::E), "ticket flags of MIKEY with I without E"),
            (self.has(Self::K) && !self.has(Self::D), "ticket flags of MIKEY with K without D"),
            (self.has(Self::M) && !self.has(Self::F), "ticket flags of MIKEY with M without F"),
        ];
        let mut at = 0;
        while at < rules.len() {
            if rules[at].0 {
                return Err(Error::Reserved { what: rules[at].1, value: self.0 as u32 });
            }
            at += 1;
        }
        Ok(())
    }
}

/// The policy of a ticket: TP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketPolicy<'a> {
    /// Type, subtype and version.
    pub ticket_type: TicketType,
    /// What keys are derived with.
    pub prf: Prf,
    /// Flags.
    pub flags: TicketFlags,
    /// TP data, at most 65535 octets: [`inner_payloads`] parses it.
    pub data: &'a [u8],
}

/// Octets of a policy in front of the length of its data.
const POLICY_HEAD: usize = 7;

impl<'a> TicketPolicy<'a> {
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let what = "ticket of MIKEY";
        let kind = cursor.u16(what)?;
        let [subtype, version, a, b, c] = cursor.take(what)?;
        let bits = u32::from_be_bytes([0, a, b, c]);
        Ok(Self {
            ticket_type: TicketType { kind, subtype, version },
            prf: Prf::from_bits((bits >> 17) as u8)?,
            flags: TicketFlags((bits >> 5 & 0xfff) as u16),
            data: cursor.long(what)?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let TicketType { kind, subtype, version } = self.ticket_type;
        writer.put(&kind.to_be_bytes());
        let [_, a, b, c] = (u32::from(self.prf.bits()) << 17 | u32::from(self.flags.0) << 5).to_be_bytes();
        writer.put(&[subtype, version, a, b, c]);
        writer.long("policy of a ticket of MIKEY", self.data);
    }
}

/// A ticket: TICKET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket<'a> {
    /// Its policy.
    pub policy: TicketPolicy<'a>,
    /// Ticket data, at most 65535 octets: [`TicketData`] for base tickets.
    pub data: &'a [u8],
    /// Initiator data, at most 65535 octets, only with flag I: [`inner_payloads`] parses it.
    pub initiator_data: &'a [u8],
}

impl<'a> Ticket<'a> {
    /// From the octets of its payload behind the type of the next one, which must hold no more.
    pub fn parse_body(body: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(body);
        let ticket = Self::parse(&mut cursor)?;
        cursor.end("ticket of MIKEY")?;
        Ok(ticket)
    }

    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Error> {
        let policy = TicketPolicy::parse(cursor)?;
        let what = "ticket of MIKEY";
        Ok(Self { policy, data: cursor.long(what)?, initiator_data: cursor.long(what)? })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        self.write_issued(writer);
        writer.long("initiator data of a ticket of MIKEY", self.initiator_data);
    }

    fn write_issued(&self, writer: &mut Writer<'_>) {
        self.policy.write(writer);
        writer.long("data of a ticket of MIKEY", self.data);
    }

    /// Writes what its maker answers for: all but the type of the next payload and the initiator data with their length. The
    /// MAC of a base ticket covers it but for the MAC itself, at its end.
    pub fn issued_octets(&self) -> Result<Vec<u8>, Error> {
        emitted(|writer| self.write_issued(writer))
    }
}

/// Where the length and the octets of the initiator data stand in the message of a TICKET payload. The MAC of TRANSFER_INIT
/// does not cover them.
pub fn initiator_data_range(raw: &Raw<'_>) -> Option<Range<usize>> {
    if raw.kind != PayloadType::TICKET {
        return None;
    }
    let mut cursor = Cursor::new(raw.body);
    cursor.slice("ticket of MIKEY", POLICY_HEAD).ok()?;
    (0..2).try_for_each(|_| cursor.long("ticket of MIKEY").map(|_| ())).ok()?;
    // Behind the octet of the next payload.
    let body = raw.at + 1;
    Some(body + cursor.position()..body + raw.body.len())
}

/// Goes behind a policy, or with two more fields of their own lengths behind a ticket.
pub(super) fn skip(cursor: &mut Cursor<'_>, fields: usize) -> Result<(), Error> {
    cursor.slice("ticket of MIKEY", POLICY_HEAD)?;
    (0..fields).try_for_each(|_| cursor.long("ticket of MIKEY").map(|_| ()))
}

/// Parses TP data or initiator data: payloads behind the type of the first. No octets are no payloads.
///
/// # Errors
/// As [`super::Repr::parse`]: an unknown payload, a field cut short, octets behind the last payload.
pub fn inner_payloads(bytes: &[u8]) -> Result<Vec<Payload<'_>>, Error> {
    let Some((first, _)) = bytes.split_first() else { return Ok(Vec::new()) };
    let mut cursor = Cursor::at("payloads of a ticket of MIKEY", bytes, 1)?;
    let payloads = parse_all(PayloadType(*first), &mut cursor)?;
    cursor.end("payloads of a ticket of MIKEY")?;
    Ok(payloads)
}

/// Writes TP data or initiator data; no octets for no payloads.
///
/// # Errors
/// A payload that cannot be written.
pub fn emit_inner(payloads: &[Payload<'_>]) -> Result<Vec<u8>, Error> {
    let Some(first) = payloads.first() else { return Ok(Vec::new()) };
    emitted(|writer| {
        writer.put(&[first.kind().0]);
        write_all(payloads, writer);
    })
}

/// Data of a base ticket. RFC 6043 Appendix A.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketData<'a> {
    /// THDR data, at most 65535 octets. In a ticket of 3GPP its first six name the issuer.
    pub header: &'a [u8],
    /// T, RAND, KEMAC, an IDRpsk, V.
    pub payloads: Vec<Payload<'a>>,
}

impl<'a> TicketData<'a> {
    /// Parses ticket data.
    ///
    /// # Errors
    /// As [`inner_payloads`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(bytes);
        let first = PayloadType(cursor.octet("THDR of MIKEY")?);
        let header = cursor.long("THDR of MIKEY")?;
        let payloads = parse_all(first, &mut cursor)?;
        cursor.end("ticket data of MIKEY")?;
        Ok(Self { header, payloads })
    }

    /// Writes ticket data.
    ///
    /// # Errors
    /// A payload that cannot be written.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        emitted(|writer| {
            writer.put(&[self.payloads.first().map_or(PayloadType::LAST, Payload::kind).0]);
            writer.long("THDR of MIKEY", self.header);
            write_all(&self.payloads, writer);
        })
    }
}

/// What `write` writes, of the length that it has.
pub(super) fn emitted(write: impl Fn(&mut Writer<'_>)) -> Result<Vec<u8>, Error> {
    let mut counted = Writer::new(None);
    write(&mut counted);
    let len = counted.finish()?;
    let mut out = vec![0; len];
    write(&mut Writer::new(Some(&mut out)));
    Ok(out)
}
