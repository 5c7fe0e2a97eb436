//! The PDUs of a message.

use core::fmt;

use sidelink_security::kdf::own::message_check;
use sidelink_wire::long_message::{
    Body, Content, FRAGMENT_HEADER, Fragment, MAX_FRAGMENTS, MAX_LEN, Repr, WHOLE_HEADER,
};
use sidelink_wire::pdcp;

use crate::erasure::Code;

/// The way in which a message is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Way {
    /// One PDU, cut by RLC.
    #[default]
    Whole,
    /// The whole PDU several times.
    Repeated {
        /// Number of copies, at least 1.
        times: u8,
    },
    /// Erasure-coded fragments, a PDU each.
    Coded {
        /// Octets of a fragment, without its header, at least 1.
        fragment: u16,
        /// Fragments beyond those that are needed.
        parity: u8,
    },
}

impl Way {
    /// Returns fragments that fill a block in which RLC leaves `block` octets for a PDCP PDU, with a MAC-I of `mac`
    /// octets. `None` where a block has no room for the headers.
    pub const fn coded(block: usize, mac: usize, parity: u8) -> Option<Self> {
        let headers = pdcp::HEADER_LEN + mac + FRAGMENT_HEADER;
        if block <= headers {
            return None;
        }
        let room = block - headers;
        Some(Self::Coded { fragment: if room > MAX_LEN { MAX_LEN as u16 } else { room as u16 }, parity })
    }

    /// Returns the number of PDUs of a message of `length` octets, and the octets of each.
    ///
    /// # Errors
    /// The message cannot be sent in this way.
    pub fn pdus(self, length: usize) -> Result<(usize, usize), Error> {
        if length == 0 || length > MAX_LEN {
            return Err(Error::Length { have: length });
        }
        match self {
            Self::Whole => Ok((1, WHOLE_HEADER + length)),
            Self::Repeated { times: 0 } => Err(Error::NoCopies),
            Self::Repeated { times } => Ok((usize::from(times), WHOLE_HEADER + length)),
            Self::Coded { fragment: 0, .. } => Err(Error::NoOctets),
            Self::Coded { fragment, parity } => {
                let data = length.div_ceil(usize::from(fragment));
                let code = Code::new(data, usize::from(parity))
                    .map_err(|_| Error::TooManyFragments { data, parity })?;
                // Fragments of one size, as short as their number allows.
                Ok((code.total(), FRAGMENT_HEADER + length.div_ceil(data)))
            }
        }
    }
}

/// A message that cannot be sent in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The caller: the message has no octets, or more than [`MAX_LEN`].
    Length {
        /// Its length, octets.
        have: usize,
    },
    /// The operator: no copies are to be sent.
    NoCopies,
    /// The operator: a fragment of no octets.
    NoOctets,
    /// The operator: fragments are too short for this message, or there is too much parity.
    TooManyFragments {
        /// Fragments that the message fills.
        data: usize,
        /// Fragments beyond them.
        parity: u8,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { have } => write!(f, "a message of {have} octets: 1 to {MAX_LEN} can be sent"),
            Self::NoCopies => f.write_str("a message repeated 0 times: set at least 1"),
            Self::NoOctets => f.write_str("fragments of 0 octets: set at least 1, or a larger block"),
            Self::TooManyFragments { data, parity } => write!(
                f,
                "{data} fragments and {parity} of parity, {MAX_FRAGMENTS} is the most: use longer fragments or less parity"
            ),
        }
    }
}

impl std::error::Error for Error {}

/// Iterator over the PDUs of one message.
#[derive(Debug, Clone)]
pub struct Sender {
    sequence: u16,
    content: Content,
    left: core::ops::Range<usize>,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Whole(Vec<u8>),
    Coded { code: Code, length: u16, check: [u8; 8], padded: Vec<u8> },
}

impl Sender {
    /// Begins to send a message. `sequence` is one more for each message of this UE, whatever its way.
    ///
    /// # Errors
    /// The message cannot be sent in this way.
    pub fn new(way: Way, sequence: u16, content: Content, message: &[u8]) -> Result<Self, Error> {
        let (count, octets) = way.pdus(message.len())?;
        let form = match way {
            Way::Whole | Way::Repeated { .. } => Form::Whole(message.to_vec()),
            Way::Coded { parity, .. } => {
                let size = octets - FRAGMENT_HEADER;
                let (data, parity) = (count - usize::from(parity), usize::from(parity));
                let code = Code::new(data, parity).map_err(|_| Error::NoOctets)?;
                let mut padded = message.to_vec();
                padded.resize(data * size, 0);
                let check = message_check(content.octet(), message);
                // At most 8000.
                Form::Coded { code, length: message.len() as u16, check, padded }
            }
        };
        Ok(Self { sequence, content, left: 0..count, form })
    }
}

impl Iterator for Sender {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let index = self.left.next()?;
        let parity;
        let body = match &self.form {
            Form::Whole(message) => Body::Whole(message),
            Form::Coded { code, length, check, padded } => {
                // At most 255 fragments.
                let index = index as u8;
                parity = code.fragment(padded, index).ok()?;
                let data = code.data() as u8;
                Body::Fragment(Fragment { length: *length, data, index, check: *check, octets: &parity })
            }
        };
        let repr = Repr { sequence: self.sequence, content: self.content, body };
        let mut out = vec![0; repr.buffer_len()];
        let emitted = repr.emit(&mut out);
        debug_assert!(emitted.is_ok(), "{emitted:?}: the shape was checked");
        emitted.is_ok().then_some(out)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for Sender {}
