//! PDCP of sidelink radio bearers: headers, COUNT and the receiver's judgement. Read first: TS 36.323 §5.1.3, §5.1.4,
//! §5.6.1, TS 33.303 §6.2.3.2, §6.2.3.6 (BEARER and DIRECTION: §6.2.3.6.1).
//!
//! One-to-many: COUNT = PTK Identity || SN. `sidelink_security::group` gives out each COUNT at most once, ciphers, and
//! keeps a replay window per sender; this module holds the header and the rules about SN 0. A PDU that is not ciphered
//! has PGK Index and PTK Identity 0, and SN 0 before Rel-15.
//!
//! TS 36.323 §5.1.4: SN 0 keeps no state, each PDU is delivered when it comes. Any other SN is put in order with
//! t-Reordering, which is the receiver's choice; ours is 0: what is ahead of the last SN that was delivered is delivered at
//! once, a copy and what comes late are dropped (§5.1.2.1.4.1). Data of a group depart from it: their replay window of
//! 64 takes the place of the order, since an SN that no MAC-I covers would silence up to 32767 others.
//!
//! One-to-one: the header is known; KD-sess ID 0 is delivered as unprotected, any other is refused here: PDUs of links
//! are handed to `sidelink_prose::direct_link` before.

use core::fmt;

use sidelink_security::counter::{Count, UtcCounter};
use sidelink_security::group::{self, Incoming, SendError};
use sidelink_security::outcome::Outcome;
use sidelink_security::pdu::{Assurance, PduRefusal};

use crate::mux::Address;
use crate::rlc_um::Key;
use sidelink_wire as wire;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN, MAX_SDU_LEN, OneToManyRepr, OneToOneRepr, Packet, SduType};

/// Reason why a PDU was not built or not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Malformed bytes: the PDU.
    Malformed(wire::Error),
    /// The peer's fault, or an attacker's: the PDU is not authentic or not fresh.
    Refused(PduRefusal),
    /// The operator's fault: no key, or its counters are used up. The PDU was not sent.
    Send(SendError),
    /// Our misuse: the SDU is longer than [`MAX_SDU_LEN`], or empty.
    SduLen {
        /// Octets of the SDU.
        len: usize,
    },
}

impl Error {
    /// Returns the outcome as reports name it.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(refusal) => (*refusal).into(),
            _ => Outcome::Malformed,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::SduLen { len } => write!(f, "a PDCP SDU of {len} octets, 1 to {MAX_SDU_LEN} are possible"),
        }
    }
}

impl std::error::Error for Error {}

impl From<wire::Error> for Error {
    fn from(error: wire::Error) -> Self {
        Self::Malformed(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<PduRefusal> for Error {
    fn from(refusal: PduRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// SN of PDUs that are not ciphered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainSn {
    /// Always 0: Rel-12 to Rel-14.
    #[default]
    Zero,
    /// 1, 2, ..., for the duplication of Rel-15; holds the next. After 65535 comes 1, since 0 means none (§5.6.1, §7.1).
    Counting(u16),
}

impl PlainSn {
    const fn take(&mut self) -> u16 {
        match self {
            // TS 36.323 §5.6.1 (6)
            Self::Zero => 0,
            Self::Counting(next) => {
                let sn = *next;
                // TS 36.323 §5.6.1 (7)
                *next = if sn == u16::MAX { 1 } else { sn + 1 };
                sn
            }
        }
    }
}

/// Protection of a transmitter.
// One per group, built once.
#[allow(clippy::large_enum_variant)]
pub enum Protection {
    /// Ciphered under the keys of a group.
    Group(group::Sender),
    /// Not ciphered.
    Plain(PlainSn),
}

/// The transmitting side for one destination. Its buffer is allocated once.
pub struct Transmitter {
    protection: Protection,
    pdu: Vec<u8>,
}

impl Transmitter {
    /// Makes a transmitter that sends under `protection`.
    pub fn new(protection: Protection) -> Self {
        Self { protection, pdu: vec![0; HEADER_LEN + MAX_SDU_LEN + MAC_I_LEN] }
    }

    /// Returns the keys, to install more or to grant reservations.
    pub const fn group(&mut self) -> Option<&mut group::Sender> {
        match &mut self.protection {
            Protection::Group(sender) => Some(sender),
            Protection::Plain(_) => None,
        }
    }

    /// Returns the length of the PDU for an SDU of `len` octets.
    pub fn pdu_len(&self, len: usize) -> usize {
        let mac_i = match &self.protection {
            Protection::Group(sender) => sender.config().mac_octets(),
            Protection::Plain(_) => 0,
        };
        HEADER_LEN + len + mac_i
    }

    /// Builds the one-to-many PDU of an SDU. Spends a COUNT: check the room of the queue first.
    ///
    /// [`SendError::Exhausted`] when every PTK Identity and SN of the key is used, [`SendError::NoValidKey`] when it
    /// has expired: nothing is sent then, in particular not unprotected.
    pub fn emit_pdu(
        &mut self,
        now: UtcCounter,
        lcid: Lcid,
        sdu_type: SduType,
        sdu: &[u8],
    ) -> Result<&[u8], Error> {
        if sdu.is_empty() || sdu.len() > MAX_SDU_LEN {
            return Err(Error::SduLen { len: sdu.len() });
        }
        let len = self.pdu_len(sdu.len());
        let pdu = &mut self.pdu[..len];
        pdu[HEADER_LEN..HEADER_LEN + sdu.len()].copy_from_slice(sdu);
        match &mut self.protection {
            Protection::Plain(sn) => {
                // TS 33.303 §6.2.3.6.2 (2); TS 36.323 §5.6.1 (5)
                OneToManyRepr { sdu_type, pgk_index: 0, ptk_id: 0, sn: sn.take() }.emit(pdu)?;
            }
            Protection::Group(sender) => {
                // TS 33.303 §6.2.3.3.1 step 3
                let ticket = sender.begin(now)?;
                let (pgk_index, ptk_id, sn) = (ticket.pgk_index(), ticket.ptk_identity(), ticket.sn());
                // TS 36.323 §5.6.1 (4)
                OneToManyRepr { sdu_type, pgk_index, ptk_id, sn }.emit(pdu)?;
                sender.protect(ticket, lcid.value(), pdu, HEADER_LEN)?;
            }
        }
        Ok(&self.pdu[..len])
    }
}

/// A parsed header: its security fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Header {
    /// One-to-many.
    OneToMany(OneToManyRepr),
    /// One-to-one.
    OneToOne(OneToOneRepr),
}

impl Header {
    /// Parses the header in the form that this address uses.
    pub fn parse(address: Address, pdu: &[u8]) -> Result<Self, wire::Error> {
        let packet = Packet::new_checked(pdu)?;
        Ok(match address {
            Address::Ue(_) => Self::OneToOne(OneToOneRepr::parse(&packet)?),
            Address::Group(_) | Address::V2x(_) => Self::OneToMany(OneToManyRepr::parse(&packet)?),
        })
    }

    /// Returns the type of the data.
    pub const fn sdu_type(&self) -> SduType {
        match self {
            Self::OneToMany(header) => header.sdu_type,
            Self::OneToOne(header) => header.sdu_type,
        }
    }

    /// Whether it is the header of data between two UEs.
    pub const fn is_one_to_one(&self) -> bool {
        matches!(self, Self::OneToOne(_))
    }

    /// Returns COUNT: PTK Identity or KD-sess ID, and SN.
    pub const fn count(&self) -> Count {
        match self {
            Self::OneToMany(header) => Count::from_parts(header.ptk_id, header.sn),
            Self::OneToOne(header) => Count::from_parts(header.kd_sess_id, header.sn),
        }
    }
}

/// A delivered SDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered<'a> {
    /// The PDU's header.
    pub header: Header,
    /// The SDU, deciphered.
    pub data: &'a [u8],
    /// Assurance that the checks gave: verified, deciphered only, or unprotected.
    pub assurance: Assurance,
    /// The PGK that opened it.
    pub pgk_id: Option<u8>,
}

/// Sizes and rules of a [`Receiver`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// Deliver unprotected PDUs to destinations without a known key, as V2X needs it.
    pub accept_unprotected: bool,
    /// Senders of unprotected PDUs with an SN whose last one is kept.
    pub plain_windows: usize,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self { accept_unprotected: true, plain_windows: 64 }
    }
}

/// The receiving side of one UE. Its buffers are allocated once.
pub struct Receiver {
    config: ReceiverConfig,
    groups: Vec<(Layer2Id, group::Receiver)>,
    plain: Vec<PlainWindow>,
    turn: u64,
    pdu: Vec<u8>,
}

/// The order of a sender that counts without ciphering.
struct PlainWindow {
    key: Key,
    /// Last_Submitted_PDCP_RX_SN; none before the first PDU.
    last: Option<u16>,
    last_turn: u64,
}

/// Reordering_Window. TS 36.323 §7.3.
const REORDERING_WINDOW: u16 = 32_768;

impl Receiver {
    /// Makes a receiver without groups.
    pub fn new(config: ReceiverConfig) -> Self {
        Self {
            config,
            groups: Vec::new(),
            plain: Vec::with_capacity(config.plain_windows.max(1)),
            turn: 0,
            pdu: vec![0; HEADER_LEN + MAX_SDU_LEN + MAC_I_LEN],
        }
    }

    /// Adds a group, and returns the one that it replaces.
    pub fn insert_group(&mut self, group: group::Receiver) -> Option<group::Receiver> {
        let id = Layer2Id::from_octets(group.config().group.group_id);
        match self.groups.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => Some(core::mem::replace(known, group)),
            None => {
                self.groups.push((id, group));
                None
            }
        }
    }

    /// Removes a group with its keys.
    pub fn remove_group(&mut self, id: Layer2Id) {
        self.groups.retain(|(known, _)| *known != id);
    }

    /// Returns the keys of a group, to install or expire them.
    pub fn group(&mut self, id: Layer2Id) -> Option<&mut group::Receiver> {
        self.groups.iter_mut().find(|(known, _)| *known == id).map(|(_, group)| group)
    }

    /// Checks and deciphers a PDU that came from `source` to `address` on `lcid`.
    pub fn receive(
        &mut self,
        now: UtcCounter,
        source: Layer2Id,
        address: Address,
        lcid: Lcid,
        pdu: &[u8],
    ) -> Result<Delivered<'_>, Error> {
        let header = Header::parse(address, pdu)?;
        let len = pdu.len();
        let room = self.pdu.len();
        let Some(buffer) = self.pdu.get_mut(..len) else {
            return Err(wire::Error::Oversized { what: "PDCP PDU", max: room, have: len }.into());
        };
        buffer.copy_from_slice(pdu);

        let destination = address.layer2_id();
        let key = Key { source, destination, lcid, window: address.window() };
        let Header::OneToMany(fields) = header else {
            return self.plain_one_to_one(header, len);
        };
        let plain = fields.pgk_index == 0 && fields.ptk_id == 0;
        let known = self.groups.iter_mut().find(|(known, _)| *known == destination);
        let (end, assurance, pgk_id) = match known {
            Some((_, group)) => {
                let incoming = Incoming {
                    source: source.octets(),
                    lcid: lcid.value(),
                    pgk_index: fields.pgk_index,
                    ptk_identity: fields.ptk_id,
                    sn: fields.sn,
                };
                let opened = group.open(now, incoming, buffer, HEADER_LEN)?;
                (opened.end, Assurance::from(&opened.proof), opened.pgk_id)
            }
            None if !plain => return Err(PduRefusal::UnknownKey.into()),
            None if !self.config.accept_unprotected => return Err(PduRefusal::Unprotected.into()),
            // TS 36.323 §5.1.4 (1)
            None => (len, Assurance::Unprotected, None),
        };
        // TS 36.323 §5.1.2.1.4 (1)
        if plain && fields.sn != 0 {
            self.accept_plain(key, fields.sn)?;
        }
        Ok(Delivered { header, data: &self.pdu[HEADER_LEN..end], assurance, pgk_id })
    }

    fn plain_one_to_one(&self, header: Header, len: usize) -> Result<Delivered<'_>, Error> {
        if header.count().identity() != 0 {
            return Err(PduRefusal::UnknownKey.into());
        }
        let data = &self.pdu[HEADER_LEN..len];
        Ok(Delivered { header, data, assurance: Assurance::Unprotected, pgk_id: None })
    }

    /// Refuses copies of an unprotected PDU, and what is late. That protects against duplication, not against an attacker,
    /// who may send any SN.
    // TS 36.323 §5.1.2.1.4.1 (1)
    fn accept_plain(&mut self, key: Key, sn: u16) -> Result<(), PduRefusal> {
        self.turn += 1;
        let index = match self.plain.iter().position(|window| window.key == key) {
            Some(index) => index,
            None => self.new_plain_window(key),
        };
        let plain = &mut self.plain[index];
        plain.last_turn = self.turn;
        match plain.last.map(|last| sn.wrapping_sub(last)) {
            Some(0) => return Err(PduRefusal::Replay),
            Some(ahead) if ahead > REORDERING_WINDOW => return Err(PduRefusal::Late),
            _ => plain.last = Some(sn),
        }
        Ok(())
    }

    fn new_plain_window(&mut self, key: Key) -> usize {
        let new = PlainWindow { key, last: None, last_turn: self.turn };
        if self.plain.len() < self.config.plain_windows.max(1) {
            self.plain.push(new);
            return self.plain.len() - 1;
        }
        let oldest = (0..self.plain.len()).min_by_key(|&index| self.plain[index].last_turn).unwrap_or(0);
        self.plain[oldest] = new;
        oldest
    }
}

#[cfg(test)]
pub(crate) mod tests;
