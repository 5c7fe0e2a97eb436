//! PC5_DISCOVERY messages: the 232 bits of one SL-DCH block. Read first: TS 24.334 §11.2.5, TS 24.554 §11.2.1.
//!
//! ```text
//! octet 1        message type: discovery type (2 bits) | content type (4) | model (2)
//! octets 2-24    code or fields, 184 bits
//! octets 25-28   MIC
//! octet 29       the 8 least significant bits of the UTC-based counter
//! ```
//!
//! The message type octet was read; the bodies of open, restricted and relay messages are those of a public
//! implementation; the body of a group member announcement is from memory, TS 24.334 §11.2.5 not read. The bodies of
//! group member solicitation and response behind the first nine octets, and of relay additional information, were not
//! found: they are opaque octets here.
//!
//! Discovery type 11 is reserved (TS 24.554 §11.2.1), so a receiver that follows the specification drops it: it
//! carries the project's experiments, whose blocks need not keep the MIC and the counter where the others have them.

use super::{Error, room};

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
    pub(super) const CODE: Range<usize> = 1..24;
    pub(super) const MIC: Range<usize> = 24..28;
    pub(super) const COUNTER: usize = 28;

    /// Service code or group, then the information of the sender.
    pub(super) const SERVICE: Range<usize> = 1..4;
    pub(super) const INFO: Range<usize> = 4..10;
    /// The relay's identity and status in an announcement or response.
    pub(super) const RELAY: Range<usize> = 10..13;
    pub(super) const STATUS: usize = 13;
    /// Composition and the relay sought in a solicitation.
    pub(super) const COMPOSITION: usize = 10;
    pub(super) const SOUGHT: Range<usize> = 11..14;
    /// Octets behind group and information.
    pub(super) const REST: Range<usize> = 10..24;

    /// All octets between type and counter.
    pub(super) const OPEN: Range<usize> = 1..28;
    /// Offsets in an experiment's fragment.
    pub(super) const INDEX: usize = 1;
    pub(super) const SET: Range<usize> = 2..4;
    pub(super) const FRAGMENT: Range<usize> = 4..29;
    /// Offsets in a message with delayed key disclosure.
    pub(super) const SHORT_CODE: Range<usize> = 1..14;
    pub(super) const SHORT_MIC: Range<usize> = 14..18;
    pub(super) const DISCLOSED: Range<usize> = 18..28;
}

/// Bit of the composition octet: a relay's identity follows. The position is our own choice, TS 24.334 §11.2.5 not
/// read.
const COMPOSITION_RELAY: u8 = 0x80;

/// The message type octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// Open discovery, model A.
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
}

impl MessageType {
    /// All message types.
    pub const ALL: [Self; 14] = [
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

/// Content of a relay's announcement or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Relay {
    /// Relay Service Code.
    pub service: [u8; 3],
    /// User Info ID of the announcer.
    pub info: [u8; 6],
    /// ProSe Relay UE ID: a layer-2 identity.
    pub relay: [u8; 3],
    /// Status indicator, unparsed.
    pub status: u8,
}

/// The 184 bits between message type and MIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// A ProSe Application Code.
    OpenAnnouncement([u8; CODE_LEN]),
    /// A ProSe Restricted Code.
    RestrictedAnnouncement([u8; CODE_LEN]),
    /// A ProSe Query Code.
    RestrictedQuery([u8; CODE_LEN]),
    /// A ProSe Response Code.
    RestrictedResponse([u8; CODE_LEN]),
    /// Announcement of a relay.
    RelayAnnouncement(Relay),
    /// Response of a relay.
    RelayResponse(Relay),
    /// Solicitation: a remote UE seeks a relay.
    RelaySolicitation {
        /// Relay Service Code.
        service: [u8; 3],
        /// User Info ID of the discoverer.
        info: [u8; 6],
        /// ProSe Relay UE ID of the one relay that is sought, if only one is.
        relay: Option<[u8; 3]>,
    },
    /// Announcement of a group member.
    GroupMemberAnnouncement {
        /// Discovery Group ID.
        group: [u8; 3],
        /// User Info ID of the announcer.
        info: [u8; 6],
    },
    /// Solicitation: a group member seeks others; the layout of `rest` was not found.
    GroupMemberSolicitation {
        /// Discovery Group ID.
        group: [u8; 3],
        /// User Info ID of the discoverer.
        info: [u8; 6],
        /// Composition and target information, opaque.
        rest: [u8; 14],
    },
    /// Response of a group member; the layout of `rest` was not found.
    GroupMemberResponse {
        /// Discovery Group ID.
        group: [u8; 3],
        /// User Info ID of the discoveree.
        info: [u8; 6],
        /// Target information, opaque.
        rest: [u8; 14],
    },
    /// Additional information of a relay; the layout was not found.
    RelayAdditionalInformation([u8; CODE_LEN]),
}

impl Content {
    /// Returns the message type of this content.
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::OpenAnnouncement(_) => MessageType::OpenAnnouncement,
            Self::RestrictedAnnouncement(_) => MessageType::RestrictedAnnouncement,
            Self::RestrictedQuery(_) => MessageType::RestrictedQuery,
            Self::RestrictedResponse(_) => MessageType::RestrictedResponse,
            Self::RelayAnnouncement(_) => MessageType::RelayAnnouncement,
            Self::RelayResponse(_) => MessageType::RelayResponse,
            Self::RelaySolicitation { .. } => MessageType::RelaySolicitation,
            Self::GroupMemberAnnouncement { .. } => MessageType::GroupMemberAnnouncement,
            Self::GroupMemberSolicitation { .. } => MessageType::GroupMemberSolicitation,
            Self::GroupMemberResponse { .. } => MessageType::GroupMemberResponse,
            Self::RelayAdditionalInformation(_) => MessageType::RelayAdditionalInformation,
        }
    }
}

/// A message. A body that is scrambled or concealed parses too: its fields have a meaning only after the protection has
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
        }
    }

    /// Parses a message. Spare octets are ignored.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, Error> {
        packet.check_len()?;
        let relay = || Relay {
            service: packet.octets(field::SERVICE),
            info: packet.octets(field::INFO),
            relay: packet.octets(field::RELAY),
            status: packet.buffer.as_ref()[field::STATUS],
        };
        let (group, info) = (packet.octets(field::SERVICE), packet.octets(field::INFO));
        let rest = packet.octets(field::REST);
        let utc_lsb = packet.utc_lsb();
        let content = match MessageType::from_octet(packet.message_type())? {
            MessageType::OpenAnnouncement => Content::OpenAnnouncement(packet.code()),
            MessageType::RestrictedAnnouncement => Content::RestrictedAnnouncement(packet.code()),
            MessageType::RestrictedResponse => Content::RestrictedResponse(packet.code()),
            MessageType::RestrictedQuery => Content::RestrictedQuery(packet.code()),
            MessageType::RelayAnnouncement => Content::RelayAnnouncement(relay()),
            MessageType::RelayResponse => Content::RelayResponse(relay()),
            MessageType::RelaySolicitation => {
                let sought = packet.buffer.as_ref()[field::COMPOSITION] & COMPOSITION_RELAY != 0;
                let relay = sought.then(|| packet.octets(field::SOUGHT));
                Content::RelaySolicitation { service: group, info, relay }
            }
            MessageType::GroupMemberAnnouncement => Content::GroupMemberAnnouncement { group, info },
            MessageType::GroupMemberResponse => Content::GroupMemberResponse { group, info, rest },
            MessageType::GroupMemberSolicitation => Content::GroupMemberSolicitation { group, info, rest },
            MessageType::RelayAdditionalInformation => Content::RelayAdditionalInformation(packet.code()),
            MessageType::ChangingId => {
                let identifier = packet.octets(field::OPEN);
                return Ok(Self::ChangingId { identifier, period_lsb: utc_lsb });
            }
            MessageType::Fragment => {
                let index = packet.buffer.as_ref()[field::INDEX];
                let (set, data) = (packet.octets(field::SET), packet.octets(field::FRAGMENT));
                return Ok(Self::Fragment { index, set, data });
            }
            MessageType::DelayedKey => {
                return Ok(Self::DelayedKey {
                    code: packet.octets(field::SHORT_CODE),
                    mic: packet.octets(field::SHORT_MIC),
                    disclosed: packet.octets(field::DISCLOSED),
                    utc_lsb,
                });
            }
        };
        Ok(Self::Standard { content, mic: packet.mic(), utc_lsb })
    }

    /// Returns the length of a message in octets.
    pub const fn buffer_len(&self) -> usize {
        LEN
    }

    /// Writes the message over the first 29 octets; spare octets are zero.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        room(LEN, buffer.len())?;
        let buffer = &mut buffer[..LEN];
        buffer.fill(0);
        buffer[field::TYPE] = self.message_type().octet();
        match self {
            Self::Standard { content, mic, utc_lsb } => {
                emit_content(content, buffer);
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
            Self::DelayedKey { code, mic, disclosed, utc_lsb } => {
                buffer[field::SHORT_CODE].copy_from_slice(code);
                buffer[field::SHORT_MIC].copy_from_slice(mic);
                buffer[field::DISCLOSED].copy_from_slice(disclosed);
                buffer[field::COUNTER] = *utc_lsb;
            }
        }
        Ok(())
    }
}

fn emit_content(content: &Content, buffer: &mut [u8]) {
    match content {
        Content::OpenAnnouncement(code)
        | Content::RestrictedAnnouncement(code)
        | Content::RestrictedQuery(code)
        | Content::RestrictedResponse(code)
        | Content::RelayAdditionalInformation(code) => buffer[field::CODE].copy_from_slice(code),
        Content::RelayAnnouncement(relay) | Content::RelayResponse(relay) => {
            buffer[field::SERVICE].copy_from_slice(&relay.service);
            buffer[field::INFO].copy_from_slice(&relay.info);
            buffer[field::RELAY].copy_from_slice(&relay.relay);
            buffer[field::STATUS] = relay.status;
        }
        Content::RelaySolicitation { service, info, relay } => {
            buffer[field::SERVICE].copy_from_slice(service);
            buffer[field::INFO].copy_from_slice(info);
            if let Some(relay) = relay {
                buffer[field::COMPOSITION] = COMPOSITION_RELAY;
                buffer[field::SOUGHT].copy_from_slice(relay);
            }
        }
        Content::GroupMemberAnnouncement { group, info } => {
            buffer[field::SERVICE].copy_from_slice(group);
            buffer[field::INFO].copy_from_slice(info);
        }
        Content::GroupMemberSolicitation { group, info, rest }
        | Content::GroupMemberResponse { group, info, rest } => {
            buffer[field::SERVICE].copy_from_slice(group);
            buffer[field::INFO].copy_from_slice(info);
            buffer[field::REST].copy_from_slice(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Builds the octet by the bit layout of TS 24.554 §11.2.1, written out a second time.
    fn octet(discovery: u8, content: u8, model: u8) -> u8 {
        discovery << 6 | content << 2 | model
    }

    #[test]
    fn type_octets_follow_the_bit_layout() {
        let expected = [
            (MessageType::OpenAnnouncement, octet(0b01, 0b0000, 0b01)),
            (MessageType::RestrictedAnnouncement, octet(0b10, 0b0000, 0b01)),
            (MessageType::RestrictedResponse, octet(0b10, 0b0000, 0b10)),
            (MessageType::RestrictedQuery, octet(0b10, 0b0001, 0b10)),
            (MessageType::RelayAnnouncement, octet(0b10, 0b0100, 0b01)),
            (MessageType::RelayResponse, octet(0b10, 0b0100, 0b10)),
            (MessageType::RelaySolicitation, octet(0b10, 0b0101, 0b10)),
            (MessageType::GroupMemberAnnouncement, octet(0b10, 0b0110, 0b01)),
            (MessageType::GroupMemberResponse, octet(0b10, 0b0110, 0b10)),
            (MessageType::GroupMemberSolicitation, octet(0b10, 0b0111, 0b10)),
            (MessageType::RelayAdditionalInformation, octet(0b10, 0b1000, 0b01)),
        ];
        for (message_type, octet) in expected {
            assert_eq!(message_type.octet(), octet, "{message_type:?}");
            assert!(!message_type.is_experimental());
        }
        assert_eq!(MessageType::ALL.iter().filter(|t| t.is_experimental()).count(), 3);
        for message_type in MessageType::ALL {
            assert_eq!(MessageType::from_octet(message_type.octet()), Ok(message_type));
        }
    }

    #[test]
    fn fields_stand_where_the_layout_says() {
        let relay = Relay { service: [1, 2, 3], info: [4; 6], relay: [7, 8, 9], status: 0x80 };
        let repr =
            Repr::Standard { content: Content::RelayAnnouncement(relay), mic: [0xaa; 4], utc_lsb: 0x5c };
        let mut out = [0xff; LEN];
        repr.emit(&mut out).unwrap();
        let expected = [
            0x91, 1, 2, 3, 4, 4, 4, 4, 4, 4, 7, 8, 9, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0xaa, 0xaa,
            0xaa, 0x5c,
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn only_29_octets_and_known_types() {
        assert!(Packet::new_checked([0x41; 28]).is_err());
        assert!(Packet::new_checked([0x41; 30]).is_err());
        let known: Vec<u8> = (0..=255)
            .filter(|&first| {
                let mut bytes = [0; LEN];
                bytes[0] = first;
                Repr::parse(&Packet::new_checked(bytes).unwrap()).is_ok()
            })
            .collect();
        let mut expected: Vec<u8> = MessageType::ALL.iter().map(|t| t.octet()).collect();
        expected.sort_unstable();
        assert_eq!(known, expected);
    }

    proptest! {
        #[test]
        fn any_bytes_parse_and_emit_the_same_fields(
            kind in 0..MessageType::ALL.len(),
            mut bytes in prop::collection::vec(any::<u8>(), LEN),
            known in any::<bool>(),
        ) {
            if known {
                bytes[0] = MessageType::ALL[kind].octet();
            }
            let Ok(repr) = Repr::parse(&Packet::new_checked(&bytes[..]).unwrap()) else {
                prop_assert!(!known);
                return Ok(());
            };
            let mut out = [0; LEN];
            repr.emit(&mut out).unwrap();
            prop_assert_eq!(Repr::parse(&Packet::new_checked(out).unwrap()), Ok(repr));
            let has_spare = matches!(
                repr.message_type(),
                MessageType::RelayAnnouncement
                    | MessageType::RelayResponse
                    | MessageType::RelaySolicitation
                    | MessageType::GroupMemberAnnouncement
            );
            prop_assert!(has_spare || out[..] == bytes[..]);
        }

        #[test]
        fn any_length_is_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let parsed = Packet::new_checked(&bytes[..]).and_then(|packet| Repr::parse(&packet));
            prop_assert!(bytes.len() == LEN || parsed.is_err());
        }
    }
}
