//! PC5_DISCOVERY messages: the 232 bits of one SL-DCH block. Read first: TS 24.334 §11.2.5, §12.2.2.10.
//!
//! ```text
//! octet 1        message type: discovery type (2 bits) | content type (4) | model (2)
//! octets 2-24    code or fields, 184 bits
//! octets 25-28   MIC
//! octet 29       the 8 least significant bits of the UTC-based counter (TS 24.334 §12.2.2.22; open discovery: 4 of them)
//! ```
//!
//! The fields of relays and group members stand in [`Content`]: TS 24.334 §11.2.5.1, tables 4 to 10.
//!
//! Discovery type 11 is reserved (TS 24.334 §12.2.2.10), so a receiver that follows the specification drops it: it
//! carries the project's experiments, whose blocks need not keep the MIC and the counter where the others have them.

use super::{Error, room};

mod content;

pub use content::{Content, More, Relay, Status, Target};

/// Octets of a message: 232 bits.
pub const LEN: usize = 29;
/// Octets of a code or of the fields in its place: 184 bits.
pub const CODE_LEN: usize = 23;
/// Octets of a MIC.
pub const MIC_LEN: usize = 4;
/// Octets between the message type and the counter: what an experiment may use, 216 bits.
pub const OPEN_LEN: usize = 27;

mod field {
    use core::ops::Range;

    pub(super) const TYPE: usize = 0;
    // TS 24.334 §11.2.5.1 table 1
    pub(super) const CODE: Range<usize> = 1..24;
    pub(super) const MIC: Range<usize> = 24..28;
    pub(super) const COUNTER: usize = 28;

    /// Everything between type and counter.
    pub(super) const OPEN: Range<usize> = 1..28;
    /// Offsets in an experiment's fragment.
    pub(super) const INDEX: usize = 1;
    pub(super) const SET: Range<usize> = 2..4;
    pub(super) const FRAGMENT: Range<usize> = 4..29;
    /// Offsets in a message with delayed key disclosure.
    pub(super) const SHORT_CODE: Range<usize> = 1..14;
    pub(super) const SHORT_MIC: Range<usize> = 14..18;
    pub(super) const DISCLOSED: Range<usize> = 18..28;
    /// Offsets in a message that points to the SL-SCH.
    pub(super) const POINTER: Range<usize> = 24..26;
    pub(super) const KEY_HINT: Range<usize> = 26..28;
}

/// The message type octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// Open discovery, model A.
    // TS 24.334 §12.2.2.10 (1)
    OpenAnnouncement = 0x41,
    /// Restricted discovery, model A.
    RestrictedAnnouncement = 0x81,
    /// Restricted discovery, model B, answer.
    RestrictedResponse = 0x82,
    /// Restricted discovery, model B, question.
    RestrictedQuery = 0x86,
    /// UE-to-network relay, model A.
    RelayAnnouncement = 0x91,
    /// UE-to-network relay, model B, answer.
    RelayResponse = 0x92,
    /// UE-to-network relay, model B, question.
    // TS 24.334 §12.2.2.10 (2)
    RelaySolicitation = 0x96,
    /// Group member, model A.
    GroupMemberAnnouncement = 0x99,
    /// Group member, model B, answer.
    GroupMemberResponse = 0x9a,
    /// Group member, model B, question.
    GroupMemberSolicitation = 0x9e,
    /// Additional information of a relay, model A.
    RelayAdditionalInformation = 0xa1,
    /// Experiment: one-way changing identifier, with or without a nonce that is sent (TR 33.833 §6.2.1).
    ChangingId = 0xc1,
    /// Experiment: a fragment of a signed announcement (TR 33.833 §6.2.3).
    Fragment = 0xc9,
    /// Experiment: a MIC whose key is disclosed later.
    DelayedKey = 0xcd,
    /// Experiment: a code of a signed one-way chain.
    ChainCode = 0xd1,
    /// Experiment: a code and a pointer to its signature on the SL-SCH.
    Pointer = 0xd5,
}

impl MessageType {
    /// All message types.
    pub const ALL: [Self; 16] = [
        Self::OpenAnnouncement,
        Self::RestrictedAnnouncement,
        Self::RestrictedResponse,
        Self::RestrictedQuery,
        Self::RelayAnnouncement,
        Self::RelayResponse,
        Self::RelaySolicitation,
        Self::GroupMemberAnnouncement,
        Self::GroupMemberResponse,
        Self::GroupMemberSolicitation,
        Self::RelayAdditionalInformation,
        Self::ChangingId,
        Self::Fragment,
        Self::DelayedKey,
        Self::ChainCode,
        Self::Pointer,
    ];

    /// Parses the octet.
    #[inline]
    pub const fn from_octet(octet: u8) -> Result<Self, Error> {
        Ok(match octet {
            0x41 => Self::OpenAnnouncement,
            0x81 => Self::RestrictedAnnouncement,
            0x82 => Self::RestrictedResponse,
            0x86 => Self::RestrictedQuery,
            0x91 => Self::RelayAnnouncement,
            0x92 => Self::RelayResponse,
            0x96 => Self::RelaySolicitation,
            0x99 => Self::GroupMemberAnnouncement,
            0x9a => Self::GroupMemberResponse,
            0x9e => Self::GroupMemberSolicitation,
            0xa1 => Self::RelayAdditionalInformation,
            0xc1 => Self::ChangingId,
            0xc9 => Self::Fragment,
            0xcd => Self::DelayedKey,
            0xd1 => Self::ChainCode,
            0xd5 => Self::Pointer,
            _ => return Err(Error::Reserved { what: "message type of PC5_DISCOVERY", value: octet as u32 }),
        })
    }

    /// Returns the octet.
    pub const fn octet(self) -> u8 {
        self as u8
    }

    /// Whether it is one of the project's experiments (discovery type 11).
    pub const fn is_experimental(self) -> bool {
        self.octet() >> 6 == 0b11
    }

    /// Whether it belongs to model B (query and response).
    pub const fn is_model_b(self) -> bool {
        self.octet() & 0b11 == 0b10
    }
}

/// A view of one message.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps bytes without a check; see the panic contract of [`super`].
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// Wraps the 29 octets of a message.
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let packet = Self { buffer };
        packet.check_len()?;
        Ok(packet)
    }

    /// Checks the length: exactly 29 octets.
    pub fn check_len(&self) -> Result<(), Error> {
        match self.buffer.as_ref().len() {
            LEN => Ok(()),
            // TS 24.334 §9.2.1
            have if have < LEN => Err(Error::Truncated { what: "PC5_DISCOVERY", needed: LEN, have }),
            have => Err(Error::Oversized { what: "PC5_DISCOVERY", max: LEN, have }),
        }
    }

    /// Returns the message type octet.
    pub fn message_type(&self) -> u8 {
        self.buffer.as_ref()[field::TYPE]
    }

    /// Returns the 184 bits of a code, or of the fields in its place.
    pub fn code(&self) -> [u8; CODE_LEN] {
        self.octets(field::CODE)
    }

    /// Returns the MIC.
    pub fn mic(&self) -> [u8; MIC_LEN] {
        self.octets(field::MIC)
    }

    /// Returns the 8 least significant bits of the UTC-based counter.
    pub fn utc_lsb(&self) -> u8 {
        self.buffer.as_ref()[field::COUNTER]
    }

    /// Returns the `N` octets of a range of that length.
    fn octets<const N: usize>(&self, range: core::ops::Range<usize>) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.buffer.as_ref()[range]);
        out
    }
}

/// A message. A body that is scrambled or concealed parses too: its fields mean something after the protection has
/// been undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repr {
    /// A message of the specification.
    Standard {
        /// Code or fields.
        content: Content,
        /// MIC.
        mic: [u8; MIC_LEN],
        /// Low octet of the UTC-based counter.
        utc_lsb: u8,
    },
    /// Experiment: one-way changing identifier, 216 bits.
    ChangingId {
        /// Nonce (option 1; none in option 2) and identifier, most significant bit first. Their lengths are configured
        /// at both ends; the message does not carry them.
        identifier: [u8; OPEN_LEN],
        /// Low octet of the rotation period's number.
        period_lsb: u8,
    },
    /// Experiment: one fragment of a longer announcement.
    Fragment {
        /// Index of the fragment in its set.
        index: u8,
        /// Identifier of the set.
        set: [u8; 2],
        /// Octets of the fragment.
        data: [u8; 25],
    },
    /// Experiment: a code of 104 bits, its MIC, and the key of an earlier MIC.
    DelayedKey {
        /// The code.
        code: [u8; 13],
        /// MIC of the code; its key is disclosed later.
        mic: [u8; MIC_LEN],
        /// The chain key that is disclosed now.
        disclosed: [u8; 10],
        /// Low octet of the slot's index in the chain.
        index_lsb: u8,
    },
    /// Experiment: a code of a one-way chain.
    ChainCode {
        /// The code.
        code: [u8; CODE_LEN],
        /// Name of the chain.
        hint: [u8; 4],
        /// Low octet of the slot's index in the chain.
        index_lsb: u8,
    },
    /// Experiment: a code whose signature is on the SL-SCH.
    Pointer {
        /// The code.
        code: [u8; CODE_LEN],
        /// Name of the announcement on the SL-SCH.
        pointer: [u8; 2],
        /// Hint of the public key.
        hint: [u8; 2],
        /// Low octet of the UTC-based counter.
        utc_lsb: u8,
    },
}

impl Repr {
    /// Returns the message type.
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Standard { content, .. } => content.message_type(),
            Self::ChangingId { .. } => MessageType::ChangingId,
            Self::Fragment { .. } => MessageType::Fragment,
            Self::DelayedKey { .. } => MessageType::DelayedKey,
            Self::ChainCode { .. } => MessageType::ChainCode,
            Self::Pointer { .. } => MessageType::Pointer,
        }
    }

    /// Parses a message. Spare octets are ignored.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, Error> {
        packet.check_len()?;
        let utc_lsb = packet.utc_lsb();
        match MessageType::from_octet(packet.message_type())? {
            MessageType::ChangingId => {
                let identifier = packet.octets(field::OPEN);
                Ok(Self::ChangingId { identifier, period_lsb: utc_lsb })
            }
            MessageType::Fragment => {
                let index = packet.buffer.as_ref()[field::INDEX];
                let (set, data) = (packet.octets(field::SET), packet.octets(field::FRAGMENT));
                Ok(Self::Fragment { index, set, data })
            }
            MessageType::DelayedKey => Ok(Self::DelayedKey {
                code: packet.octets(field::SHORT_CODE),
                mic: packet.octets(field::SHORT_MIC),
                disclosed: packet.octets(field::DISCLOSED),
                index_lsb: utc_lsb,
            }),
            MessageType::ChainCode => {
                Ok(Self::ChainCode { code: packet.code(), hint: packet.mic(), index_lsb: utc_lsb })
            }
            MessageType::Pointer => Ok(Self::Pointer {
                code: packet.code(),
                pointer: packet.octets(field::POINTER),
                hint: packet.octets(field::KEY_HINT),
                utc_lsb,
            }),
            standard => {
                let content = Content::read(standard, &packet.code());
                Ok(Self::Standard { content, mic: packet.mic(), utc_lsb })
            }
        }
    }

    /// Returns the length of a message in octets.
    pub const fn buffer_len(&self) -> usize {
        LEN
    }

    /// Writes the message over the first 29 octets; spare octets are zero.
    // TS 33.303 §6.1.3.4.3.2 step 1
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        room(LEN, buffer.len())?;
        let buffer = &mut buffer[..LEN];
        buffer.fill(0);
        buffer[field::TYPE] = self.message_type().octet();
        match self {
            Self::Standard { content, mic, utc_lsb } => {
                content.write(&mut buffer[field::CODE]);
                buffer[field::MIC].copy_from_slice(mic);
                buffer[field::COUNTER] = *utc_lsb;
            }
            Self::ChangingId { identifier, period_lsb } => {
                buffer[field::OPEN].copy_from_slice(identifier);
                buffer[field::COUNTER] = *period_lsb;
            }
            Self::Fragment { index, set, data } => {
                buffer[field::INDEX] = *index;
                buffer[field::SET].copy_from_slice(set);
                buffer[field::FRAGMENT].copy_from_slice(data);
            }
            Self::DelayedKey { code, mic, disclosed, index_lsb } => {
                buffer[field::SHORT_CODE].copy_from_slice(code);
                buffer[field::SHORT_MIC].copy_from_slice(mic);
                buffer[field::DISCLOSED].copy_from_slice(disclosed);
                buffer[field::COUNTER] = *index_lsb;
            }
            Self::ChainCode { code, hint, index_lsb } => {
                buffer[field::CODE].copy_from_slice(code);
                buffer[field::MIC].copy_from_slice(hint);
                buffer[field::COUNTER] = *index_lsb;
            }
            Self::Pointer { code, pointer, hint, utc_lsb } => {
                buffer[field::CODE].copy_from_slice(code);
                buffer[field::POINTER].copy_from_slice(pointer);
                buffer[field::KEY_HINT].copy_from_slice(hint);
                buffer[field::COUNTER] = *utc_lsb;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
