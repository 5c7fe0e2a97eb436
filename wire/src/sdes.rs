//! The crypto attribute of SDP that carries a key in the clear (SDES, RFC 4568), and how a link hands it to the network.
//!
//! ```text
//! attribute  a=crypto:TAG AES_CM_128_HMAC_SHA1_80 inline:BASE64                  40 characters of 30 octets: key and salt
//! question   | question of direct keying | attribute |                          our own coding, on the device alone
//! answer     | attribute |
//! ```
//!
//! Whoever reads the attribute has the key: it belongs into the protected signalling of a network, never on the air.
//! Lifetimes, MKIs and session parameters are refused: a link has no use for them.

use base64ct::{Base64, Encoding};

use super::direct_keying::{ConnectionId, Question, Side};
use crate::Error;

/// Octets of the master key and its salt. RFC 4568 §6.2.
pub const KEY: usize = 30;

/// Characters of them.
const BASE64: usize = 40;

/// What an attribute begins with.
const ATTRIBUTE: &str = "a=crypto:";

/// The only suite. RFC 4568 §6.2.
const SUITE: &str = " AES_CM_128_HMAC_SHA1_80 inline:";

/// A crypto attribute. It borrows the key: whoever holds the octets wipes them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CryptoAttribute<'a> {
    /// Tag, 1 to 9 digits: an answer repeats that of the offer.
    pub tag: u32,
    /// Master key and salt.
    pub key: &'a [u8; KEY],
}

impl CryptoAttribute<'_> {
    /// Parses an attribute: returns its tag, and writes its key.
    ///
    /// # Errors
    /// Octets that are none, or another suite.
    pub fn parse(octets: &[u8], key: &mut [u8; KEY]) -> Result<u32, Error> {
        let have = octets.len();
        let truncated = Error::Truncated { what: "crypto attribute", needed: ATTRIBUTE.len(), have };
        let (rest, characters) =
            octets.len().checked_sub(BASE64).and_then(|at| octets.split_at_checked(at)).ok_or(truncated)?;
        let reserved = |what| Error::Reserved { what, value: have as u32 };
        let rest = rest.strip_prefix(ATTRIBUTE.as_bytes()).ok_or(reserved("start of a crypto attribute"))?;
        let tag = rest.strip_suffix(SUITE.as_bytes()).ok_or(reserved("suite of a crypto attribute"))?;
        // RFC 4568 §9.1: 1*9DIGIT, and §4.1: no leading zeros.
        let digits = (1..=9).contains(&tag.len()) && tag.iter().all(u8::is_ascii_digit) && tag[0] != b'0';
        if !digits {
            return Err(reserved("tag of a crypto attribute"));
        }
        let tag = tag.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        match Base64::decode(characters, key) {
            Ok(decoded) if decoded.len() == KEY => Ok(tag),
            _ => Err(reserved("key of a crypto attribute")),
        }
    }

    /// Returns the octets, which hold the key.
    ///
    /// # Errors
    /// A tag of no digits, or more than nine.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        if !(1..=999_999_999).contains(&self.tag) {
            return Err(Error::Reserved { what: "tag of a crypto attribute", value: self.tag });
        }
        let mut characters = [0; BASE64];
        // 30 octets are 40 characters.
        let encoded = Base64::encode(self.key, &mut characters).map_err(|_| Error::Oversized {
            what: "key of a crypto attribute",
            max: KEY,
            have: KEY,
        })?;
        // One allocation: no copy of the key stays behind.
        let tag = self.tag.to_string();
        let mut octets = Vec::with_capacity(ATTRIBUTE.len() + tag.len() + SUITE.len() + BASE64);
        for part in [ATTRIBUTE, &tag, SUITE, encoded] {
            octets.extend_from_slice(part.as_bytes());
        }
        Ok(octets)
    }
}

impl core::fmt::Debug for CryptoAttribute<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CryptoAttribute").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// Whether octets contain what an attribute with a key looks like, of any suite and in any place.
pub fn is_carried(octets: &[u8]) -> bool {
    let has = |text: &[u8]| octets.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text));
    has(b"a=crypto:") || has(b"inline:")
}

/// The question of a link that sends its attribute, and asks for the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange<'a> {
    /// Who asks, for which connection, and with whom.
    pub question: Question<'a>,
    /// The attribute of the one that asks.
    pub attribute: &'a [u8],
}

impl<'a> Exchange<'a> {
    /// Parses a question. The attribute is not parsed.
    ///
    /// # Errors
    /// Octets that are none.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        /// Octets before the expression: side, connection, length.
        const HEAD: usize = 6;
        let have = octets.len();
        let truncated = |needed| Error::Truncated { what: "question with an attribute", needed, have };
        let length = usize::from(*octets.get(HEAD - 1).ok_or(truncated(HEAD))?);
        let (question, attribute) = octets.split_at_checked(HEAD + length).ok_or(truncated(HEAD + length))?;
        Ok(Self { question: Question::parse(question)?, attribute })
    }

    /// Returns the octets, which hold the key.
    ///
    /// # Errors
    /// An expression that is none.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        let question = self.question.emit()?;
        let mut octets = Vec::with_capacity(question.len() + self.attribute.len());
        octets.extend_from_slice(&question);
        octets.extend_from_slice(self.attribute);
        Ok(octets)
    }

    /// Returns the question of an end.
    pub const fn new(
        side: Side,
        connection: ConnectionId,
        expression: &'a [u8],
        attribute: &'a [u8],
    ) -> Self {
        Self { question: Question { side, connection, expression }, attribute }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 4568 §6.1 has this key in its examples.
    const EXAMPLE: &str =
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

    #[test]
    fn the_attribute_of_the_rfc_comes_back() {
        let mut key = [0; KEY];
        assert_eq!(CryptoAttribute::parse(EXAMPLE.as_bytes(), &mut key), Ok(1));
        assert_eq!(&key[..16], b"=-n@%^x!Bjufr9)?");
        let attribute = CryptoAttribute { tag: 1, key: &key };
        assert_eq!(attribute.emit().unwrap(), EXAMPLE.as_bytes());
        assert!(is_carried(EXAMPLE.as_bytes()) && is_carried(b"xINLINE:x") && !is_carried(b"a=cryptic"));
        assert!(!format!("{attribute:?}").contains("45"));
    }

    #[test]
    fn what_is_no_attribute() {
        let mut key = [0; KEY];
        for (from, to) in [
            ("a=", "b="),
            (":1", ":0"),
            (":1", ":01"),
            (":1", ":1234567890"),
            (":1", ":"),
            (":1", ":x"),
            ("_80", "_32"),
            ("PS", "!S"),
            ("inline", "uri"),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert!(CryptoAttribute::parse(text.as_bytes(), &mut key).is_err(), "{text}");
        }
        let more = format!("{EXAMPLE}|2^20|1:32");
        assert!(CryptoAttribute::parse(more.as_bytes(), &mut key).is_err());
        for length in 0..EXAMPLE.len() {
            assert!(CryptoAttribute::parse(&EXAMPLE.as_bytes()[..length], &mut key).is_err(), "{length}");
        }
        for tag in [0, 1_000_000_000] {
            assert!(CryptoAttribute { tag, key: &key }.emit().is_err());
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_parsed_or_refused(octets: Vec<u8>) {
            let mut key = [0; KEY];
            let _ = CryptoAttribute::parse(&octets, &mut key);
            if let Ok(exchange) = Exchange::parse(&octets) {
                prop_assert_eq!(exchange.emit().unwrap(), octets);
            }
        }

        #[test]
        fn an_attribute_and_its_question_come_back(
            tag in 1_u32..1_000_000_000, key: [u8; 30], id in 1_u32.., name in prop::collection::vec(any::<u8>(), 1..=64),
        ) {
            let octets = CryptoAttribute { tag, key: &key }.emit().unwrap();
            let mut back = [0; KEY];
            prop_assert_eq!(CryptoAttribute::parse(&octets, &mut back), Ok(tag));
            prop_assert_eq!(back, key);
            let connection = ConnectionId::new(id.to_be_bytes()).unwrap();
            let exchange = Exchange::new(Side::Target, connection, &name, &octets);
            let emitted = exchange.emit().unwrap();
            prop_assert_eq!(Exchange::parse(&emitted), Ok(exchange));
        }
    }
}
