//! Long messages over PC5: whole, or in erasure-coded fragments. The coding is our own; no specification has one. The
//! header is that of a PC5-S message of LTE (TS 24.334 §11.4), with two message types that are reserved there: receivers
//! of others drop them.
//!
//! ```text
//! whole     | 0xE3 | sequence 2 | content 1 | message 1 to 8000 |
//! fragment  | 0xE4 | sequence 2 | content 1 | length 2 | K 1 | index 1 | check 8 | octets of the fragment |
//! ```
//!
//! Fragments of one message have the same header but for the index, and the same size s: K = ceil(length / s). Indexes
//! 0 to K - 1 are the message itself, filled up with zeros; the further ones are parity. The check is a truncated hash
//! of the whole message.

use super::pc5_signalling::MessageType;
use super::{Error, fits, need, room};

/// Length limit of a message, octets.
pub const MAX_LEN: usize = 8000;
/// Octets before a whole message.
pub const WHOLE_HEADER: usize = 4;
/// Octets before a fragment.
pub const FRAGMENT_HEADER: usize = 16;
/// Octets of the check.
pub const CHECK_LEN: usize = 8;
/// Largest number of fragments, parity included.
pub const MAX_FRAGMENTS: usize = 255;

mod field {
    use core::ops::Range;

    pub(super) const TYPE: usize = 0;
    pub(super) const SEQUENCE: Range<usize> = 1..3;
    pub(super) const CONTENT: usize = 3;
    pub(super) const LENGTH: Range<usize> = 4..6;
    pub(super) const DATA: usize = 6;
    pub(super) const INDEX: usize = 7;
    pub(super) const CHECK: Range<usize> = 8..16;
}

/// What a long message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// A MIKEY message: keys of a group, or of a call.
    Mikey,
    /// A message of group owner mode.
    GroupOwner,
    /// An invitation to a group whose keys a NAF gives.
    GroupInvitation,
}

impl Content {
    /// Returns the octet.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Mikey => 1,
            Self::GroupOwner => 2,
            Self::GroupInvitation => 3,
        }
    }

    /// Returns the content with an octet.
    ///
    /// # Errors
    /// An octet that stands for none.
    pub const fn new(octet: u8) -> Result<Self, Error> {
        match octet {
            1 => Ok(Self::Mikey),
            2 => Ok(Self::GroupOwner),
            3 => Ok(Self::GroupInvitation),
            value => Err(Error::Reserved { what: "content of a long message", value: value as u32 }),
        }
    }
}

/// A view of a PDU.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps bytes without a check; see the panic contract of [`super`].
    pub const fn new_unchecked(buffer: T) -> Self {
        Self { buffer }
    }

    /// Wraps bytes whose header is whole.
    pub fn new_checked(buffer: T) -> Result<Self, Error> {
        let packet = Self { buffer };
        packet.check_len()?;
        Ok(packet)
    }

    /// Checks that the header is whole: that of the message type, or that of a whole message where the type is another.
    pub fn check_len(&self) -> Result<(), Error> {
        let bytes = self.buffer.as_ref();
        need("long message", WHOLE_HEADER, bytes.len())?;
        match self.is_fragment() {
            true => need("fragment of a long message", FRAGMENT_HEADER, bytes.len()),
            false => Ok(()),
        }
    }

    /// Returns the message type, unparsed.
    pub fn message_type(&self) -> u8 {
        self.buffer.as_ref()[field::TYPE]
    }

    /// Whether the message type is that of fragments.
    pub fn is_fragment(&self) -> bool {
        self.message_type() == MessageType::LongMessageFragment.lte()
    }

    /// Returns the sequence number.
    pub fn sequence(&self) -> u16 {
        self.two(field::SEQUENCE)
    }

    /// Returns the content, unparsed.
    pub fn content(&self) -> u8 {
        self.buffer.as_ref()[field::CONTENT]
    }

    /// Returns the length of the message, of a fragment only.
    pub fn length(&self) -> u16 {
        self.two(field::LENGTH)
    }

    /// Returns K, of a fragment only.
    pub fn data(&self) -> u8 {
        self.buffer.as_ref()[field::DATA]
    }

    /// Returns the index, of a fragment only.
    pub fn index(&self) -> u8 {
        self.buffer.as_ref()[field::INDEX]
    }

    fn two(&self, range: core::ops::Range<usize>) -> u16 {
        self.buffer.as_ref()[range].iter().fold(0, |value, octet| value << 8 | u16::from(*octet))
    }
}

impl<'a> Packet<&'a [u8]> {
    /// Returns the octets behind the header.
    pub fn payload(&self) -> &'a [u8] {
        &self.buffer[if self.is_fragment() { FRAGMENT_HEADER } else { WHOLE_HEADER }..]
    }

    /// Returns the check, of a fragment only.
    pub fn check(&self) -> [u8; CHECK_LEN] {
        let mut check = [0; CHECK_LEN];
        check.copy_from_slice(&self.buffer[field::CHECK]);
        check
    }
}

/// A fragment, all but its sequence number and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fragment<'a> {
    /// Octets of the message, 1 to [`MAX_LEN`].
    pub length: u16,
    /// K: fragments that the message itself fills, at least 1.
    pub data: u8,
    /// Index: below K the message, from K on parity; at most 254.
    pub index: u8,
    /// Check of the message.
    pub check: [u8; CHECK_LEN],
    /// The fragment.
    pub octets: &'a [u8],
}

impl Fragment<'_> {
    /// Checks that length, K and size belong together: K = ceil(length / size).
    fn judge(&self) -> Result<(), Error> {
        let (length, data, size) = (usize::from(self.length), usize::from(self.data), self.octets.len());
        need("octets of a fragment", FRAGMENT_HEADER + 1, FRAGMENT_HEADER + size)?;
        length_of("long message", length)?;
        if length.div_ceil(size) != data {
            return Err(Error::Reserved { what: "K of a fragment", value: u32::from(self.data) });
        }
        if usize::from(self.index) >= MAX_FRAGMENTS {
            return Err(Error::Reserved { what: "index of a fragment", value: u32::from(self.index) });
        }
        Ok(())
    }
}

/// What a PDU carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Body<'a> {
    /// 0xE3: a whole message, 1 to [`MAX_LEN`] octets.
    Whole(&'a [u8]),
    /// 0xE4: one fragment of a message.
    Fragment(Fragment<'a>),
}

/// A PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Repr<'a> {
    /// Sequence number: the same in all PDUs of one message.
    pub sequence: u16,
    /// What the message is.
    pub content: Content,
    /// The message, or a part of it.
    pub body: Body<'a>,
}

impl<'a> Repr<'a> {
    /// Parses a PDU.
    ///
    /// # Errors
    /// Another message type, and octets that are no long message.
    pub fn parse(packet: &Packet<&'a [u8]>) -> Result<Self, Error> {
        packet.check_len()?;
        let body = match MessageType::from_lte(packet.message_type()) {
            Some(MessageType::LongMessage) => {
                length_of("long message", packet.payload().len())?;
                Body::Whole(packet.payload())
            }
            Some(MessageType::LongMessageFragment) => {
                let (length, data, index) = (packet.length(), packet.data(), packet.index());
                let (check, octets) = (packet.check(), packet.payload());
                let fragment = Fragment { length, data, index, check, octets };
                fragment.judge()?;
                Body::Fragment(fragment)
            }
            _ => {
                let value = u32::from(packet.message_type());
                return Err(Error::Reserved { what: "type of a long message", value });
            }
        };
        Ok(Self { sequence: packet.sequence(), content: Content::new(packet.content())?, body })
    }

    /// Returns the length of the PDU in octets.
    pub const fn buffer_len(&self) -> usize {
        match self.body {
            Body::Whole(message) => WHOLE_HEADER + message.len(),
            Body::Fragment(fragment) => FRAGMENT_HEADER + fragment.octets.len(),
        }
    }

    /// Writes the PDU over the first [`Self::buffer_len`] octets.
    ///
    /// # Errors
    /// A buffer that is too short, and values that do not belong together.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), Error> {
        let len = self.buffer_len();
        room(len, buffer.len())?;
        let (kind, payload) = match self.body {
            Body::Whole(message) => {
                fits("length of a long message", message.len() as u32, MAX_LEN as u32)?;
                if message.is_empty() {
                    return Err(Error::NotCarried { what: "long message of no octets" });
                }
                (MessageType::LongMessage, message)
            }
            Body::Fragment(fragment) => {
                // What cannot be read back is our own misuse here.
                fragment.judge().map_err(|_| Error::NotCarried { what: "fragment of this shape" })?;
                buffer[field::LENGTH].copy_from_slice(&fragment.length.to_be_bytes());
                buffer[field::DATA] = fragment.data;
                buffer[field::INDEX] = fragment.index;
                buffer[field::CHECK].copy_from_slice(&fragment.check);
                (MessageType::LongMessageFragment, fragment.octets)
            }
        };
        buffer[field::TYPE] = kind.lte();
        buffer[field::SEQUENCE].copy_from_slice(&self.sequence.to_be_bytes());
        buffer[field::CONTENT] = self.content.octet();
        buffer[len - payload.len()..len].copy_from_slice(payload);
        Ok(())
    }
}

fn length_of(what: &'static str, have: usize) -> Result<(), Error> {
    need(what, WHOLE_HEADER + 1, WHOLE_HEADER + have)?;
    if have > MAX_LEN { Err(Error::Oversized { what, max: MAX_LEN, have }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pc5_signalling;
    use proptest::prelude::*;

    fn octets(repr: &Repr<'_>) -> Vec<u8> {
        let mut out = vec![0xee; repr.buffer_len()];
        repr.emit(&mut out).unwrap();
        out
    }

    fn parse(octets: &[u8]) -> Result<Repr<'_>, Error> {
        Packet::new_checked(octets).and_then(|packet| Repr::parse(&packet))
    }

    fn fragment(length: u16, data: u8, index: u8, octets: &[u8]) -> Repr<'_> {
        let body = Body::Fragment(Fragment { length, data, index, check: [9; 8], octets });
        Repr { sequence: 0x1234, content: Content::GroupOwner, body }
    }

    #[test]
    fn the_octets_stand_as_drawn() {
        let whole = Repr { sequence: 0x1234, content: Content::Mikey, body: Body::Whole(b"abc") };
        assert_eq!(octets(&whole), b"\xe3\x12\x34\x01abc");
        let part = octets(&fragment(0x0105, 3, 7, &[0x55; 100]));
        assert_eq!(part[..8], [0xe4, 0x12, 0x34, 2, 1, 5, 3, 7]);
        assert_eq!((&part[8..16], &part[16..]), (&[9; 8][..], &[0x55; 100][..]));
    }

    #[test]
    fn what_is_no_long_message() {
        let whole = octets(&Repr { sequence: 1, content: Content::Mikey, body: Body::Whole(b"a") });
        for length in 0..whole.len() {
            assert!(matches!(parse(&whole[..length]), Err(Error::Truncated { .. })), "{length}");
        }
        let part = octets(&fragment(5, 3, 4, &[1, 2]));
        for length in 0..=FRAGMENT_HEADER {
            assert!(matches!(parse(&part[..length]), Err(Error::Truncated { .. })), "{length}");
        }
        for (at, value) in [(0, 0xe2), (3, 0), (3, 4), (6, 0), (6, 2), (6, 4), (7, 255)] {
            let mut changed = part.clone();
            changed[at] = value;
            assert!(matches!(parse(&changed), Err(Error::Reserved { .. })), "{at} {value}");
        }
        let mut empty = part;
        empty[5] = 0;
        assert!(matches!(parse(&empty), Err(Error::Truncated { .. })));
        let long = [&[0xe3, 0, 0, 1][..], &[0; MAX_LEN + 1]].concat();
        assert!(matches!(parse(&long), Err(Error::Oversized { .. })));
        assert!(parse(&long[..WHOLE_HEADER + MAX_LEN]).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_not_written() {
        let mut out = [0; FRAGMENT_HEADER + 8001];
        for (length, data, index, size) in
            [(5, 2, 0, 2), (5, 3, 255, 2), (0, 0, 0, 1), (5, 1, 0, 0), (8001, 9, 0, 900)]
        {
            let repr = fragment(length, data, index, &[0; 900][..size]);
            assert!(
                matches!(repr.emit(&mut out), Err(Error::NotCarried { .. })),
                "{length} {data} {index} {size}"
            );
        }
        for message in [&[][..], &[0; 8001]] {
            let repr = Repr { sequence: 0, content: Content::Mikey, body: Body::Whole(message) };
            assert!(repr.emit(&mut out).is_err_and(|error| !error.is_malformed()));
        }
        let repr = Repr { sequence: 0, content: Content::Mikey, body: Body::Whole(b"abc") };
        assert!(matches!(repr.emit(&mut out[..6]), Err(Error::BufferTooShort { .. })));
    }

    /// Links of ours and of others drop these messages.
    #[test]
    fn links_do_not_know_them() {
        for octets in [octets(&fragment(5, 3, 4, &[1, 2])), b"\xe3\0\0\x01abc".to_vec()] {
            for coding in [pc5_signalling::Coding::Lte, pc5_signalling::Coding::Nr] {
                let packet = pc5_signalling::Packet::new_checked(coding, &octets[..]).unwrap();
                assert!(matches!(pc5_signalling::Repr::parse(&packet), Err(Error::Reserved { .. })));
            }
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_parsed_or_refused(
            kind in prop_oneof![Just(0xe3), Just(0xe4), any::<u8>()],
            tail in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let bytes = [&[kind][..], &tail].concat();
            match parse(&bytes) {
                Ok(repr) => prop_assert_eq!(octets(&repr), bytes),
                Err(error) => prop_assert!(error.is_malformed()),
            }
        }

        #[test]
        fn a_fragment_comes_back(length in 1..=MAX_LEN as u16, size in 1_usize..=400, index in 0..255_u8) {
            let data = usize::from(length).div_ceil(size);
            prop_assume!(data <= MAX_FRAGMENTS);
            let content = vec![index; size];
            let repr = fragment(length, data as u8, index, &content);
            let out = octets(&repr);
            prop_assert_eq!(parse(&out), Ok(repr));
        }
    }
}
