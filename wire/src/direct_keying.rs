//! The question of a link to the network for a KD, and the answer: flow N of TR 33.833 §6.4.1. The coding is our own; no
//! specification has one. It passes between the links of a UE and the UE's end of the MME on the same device, never over
//! the air.
//!
//! ```text
//! question  | side 1 | connection id 4 | length of the expression 1 | expression 1 to 64 |
//! answer    | KD 32 | lifetime in seconds 4 |
//! ```

use core::fmt;

use crate::Error;

/// Length limit of an expression, octets.
pub const MAX_EXPRESSION: usize = 64;

/// Octets of an answer.
pub const ANSWER: usize = 36;

/// Identity of a connection, given for one agreement on a KD, similar to an S-TMSI. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId([u8; 4]);

impl ConnectionId {
    /// Returns the identity with these octets; `None` for zeros.
    pub const fn new(octets: [u8; 4]) -> Option<Self> {
        if u32::from_be_bytes(octets) == 0 { None } else { Some(Self(octets)) }
    }

    /// Returns the octets.
    pub const fn octets(self) -> [u8; 4] {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// The end of a link that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The initiating UE: the network is to agree with the peer.
    Initiating,
    /// The target UE: the network has told it already, or is about to.
    Target,
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// Who asks.
    pub side: Side,
    /// The identity that the initiating UE gave to the connection.
    pub connection: ConnectionId,
    /// Expression of the peer, 1 to [`MAX_EXPRESSION`] octets.
    pub expression: &'a [u8],
}

impl<'a> Question<'a> {
    /// Parses a question.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        let truncated = Error::Truncated { what: "question for a KD", needed: 6, have: octets.len() };
        let (side, rest) = octets.split_first().ok_or(truncated)?;
        let side = match side {
            1 => Side::Initiating,
            2 => Side::Target,
            value => return Err(Error::Reserved { what: "side", value: u32::from(*value) }),
        };
        let (connection, rest) = rest.split_first_chunk().ok_or(truncated)?;
        let connection =
            ConnectionId::new(*connection).ok_or(Error::Reserved { what: "connection id", value: 0 })?;
        let (length, expression) = rest.split_first().ok_or(truncated)?;
        if usize::from(*length) != expression.len() {
            let (stated, have) = (usize::from(*length), expression.len());
            return Err(Error::LengthLies { what: "expression", stated, have });
        }
        Ok(Self { side, connection, expression: expression_of(expression)? })
    }

    /// Returns the octets.
    ///
    /// # Errors
    /// An expression that has no octets, or too many.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        let expression = expression_of(self.expression)?;
        let side = match self.side {
            Side::Initiating => 1,
            Side::Target => 2,
        };
        // At most 64.
        Ok([&[side][..], &self.connection.0, &[expression.len() as u8], expression].concat())
    }
}

/// Checks the length of an expression.
///
/// # Errors
/// It has no octets, or more than [`MAX_EXPRESSION`].
pub const fn expression_of(octets: &[u8]) -> Result<&[u8], Error> {
    match octets.len() {
        0 => Err(Error::Truncated { what: "expression", needed: 1, have: 0 }),
        1..=MAX_EXPRESSION => Ok(octets),
        have => Err(Error::Oversized { what: "expression", max: MAX_EXPRESSION, have }),
    }
}

/// An answer. It borrows the key: whoever holds the octets wipes them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// KD.
    pub kd: &'a [u8; 32],
    /// Seconds that it lives, never zero.
    pub lifetime: u32,
}

impl<'a> Answer<'a> {
    /// Parses an answer.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        let have = octets.len();
        let truncated = Error::Truncated { what: "answer with a KD", needed: ANSWER, have };
        let (kd, rest) = octets.split_first_chunk().ok_or(truncated)?;
        let (lifetime, rest) = rest.split_first_chunk().ok_or(truncated)?;
        if !rest.is_empty() {
            return Err(Error::Oversized { what: "answer with a KD", max: ANSWER, have });
        }
        match u32::from_be_bytes(*lifetime) {
            0 => Err(Error::Reserved { what: "lifetime", value: 0 }),
            lifetime => Ok(Self { kd, lifetime }),
        }
    }

    /// Writes the octets, which hold the key.
    pub fn emit(&self, out: &mut [u8; ANSWER]) {
        out[..32].copy_from_slice(self.kd);
        out[32..].copy_from_slice(&self.lifetime.to_be_bytes());
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_question_and_no_answer() {
        let whole = [&[1, 0, 0, 0, 7, 4][..], b"john"].concat();
        assert!(Question::parse(&whole).is_ok());
        for length in 0..6 {
            assert!(matches!(Question::parse(&whole[..length]), Err(Error::Truncated { .. })));
        }
        for length in 6..whole.len() {
            assert!(matches!(Question::parse(&whole[..length]), Err(Error::LengthLies { .. })));
        }
        for (at, value) in [(0, 0), (0, 3), (4, 0)] {
            let mut octets = whole.clone();
            octets[at] = value;
            assert!(matches!(Question::parse(&octets), Err(Error::Reserved { .. })), "{at} {value}");
        }
        let long = [&[1, 0, 0, 0, 7, 65][..], &[b'x'; 65]].concat();
        assert!(matches!(Question::parse(&long), Err(Error::Oversized { .. })));
        assert!(matches!(Question::parse(&[1, 0, 0, 0, 7, 0]), Err(Error::Truncated { .. })));
        assert!(matches!(Answer::parse(&[5; 35]), Err(Error::Truncated { .. })));
        assert!(matches!(Answer::parse(&[5; 37]), Err(Error::Oversized { .. })));
        assert!(matches!(Answer::parse(&[0; 36]), Err(Error::Reserved { .. })));
    }

    #[test]
    fn an_answer_shows_no_key() {
        let shown = format!("{:?}", Answer { kd: &[0xab; 32], lifetime: 1 });
        assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_octets_are_parsed_or_refused(octets: Vec<u8>) {
            if let Ok(question) = Question::parse(&octets) {
                prop_assert_eq!(question.emit().unwrap(), octets);
            } else if let Ok(answer) = Answer::parse(&octets) {
                let mut out = [0; ANSWER];
                answer.emit(&mut out);
                prop_assert_eq!(&out[..], &octets);
            }
        }

        #[test]
        fn a_question_comes_back(target: bool, id in 1_u32.., expression in prop::collection::vec(any::<u8>(), 1..=64)) {
            let side = if target { Side::Target } else { Side::Initiating };
            let connection = ConnectionId::new(id.to_be_bytes()).unwrap();
            let question = Question { side, connection, expression: &expression };
            let octets = question.emit().unwrap();
            prop_assert_eq!(Question::parse(&octets), Ok(question));
        }
    }
}
