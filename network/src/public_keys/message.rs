//! What UE and server of public keys say to each other, in XML of our own: no standard has these messages.
//!
//! ```text
//!   NONCE_REQUEST  name                                    NONCE        current-time, nonce
//!   REGISTER       name, public-key, nonce, signature      REGISTERED   current-time, valid-until
//!   WITHDRAW       name, fingerprint                       WITHDRAWN    current-time, list number
//!   FETCH          as, names, hints, list number           KEYS         current-time, keys, absent, more, revocation list
//!                                                          REJECT       cause
//! ```
//!
//! Documents are read as those of [`crate::pc3`], with its bounds: no document type, at most 64 KiB; what must be there stands once
//! and in this order. The root is `public-keys-message` of [`NAMESPACE`], with one message in it.

use core::fmt;

use base64ct::{Base64, Encoding};
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::signature::Hint;

use super::key::{Fingerprint, KeyName, PublicKey};
use super::list::{Filter, ListNumber, RevocationList, RevokedKeys};
use super::possession::Nonce;
use crate::pc3::Error;
use crate::pc3::Rpauid;
use crate::pc3::element::Element;
use crate::pc3::fields::{Fields, Lexical, Value, only_message, records};
use crate::pc3::values::{choices, integer};

/// Namespace of these messages: ours.
pub const NAMESPACE: &str = "urn:sidelink:prose:public-keys:1";

/// Media type of a body. Ours.
pub const MEDIA_TYPE: &str = "application/vnd.sidelink.public-keys+xml";

/// Most names, and most hints, of one request. Own.
pub const MOST_ASKED: usize = 16;

/// Most keys of one answer. Own: what the reader takes of one element.
pub const MOST_TOLD: usize = crate::pc3::MAX_LIST;

/// Longest key or signature, in octets: a key of ECCSI with its PVT and the longest identity has 322.
const MOST_OCTETS: usize = 322;

choices! {
    /// Why a request is refused.
    KeyCause, "a cause, 1 to 8" {
        /// The subscriber has not this name.
        NotYours = 1,
        /// The nonce was not given for this, is too old, or was used: ask for another.
        Nonce = 2,
        /// The signature is not that of this key.
        Proof = 3,
        /// This key was revoked: register another.
        Revoked = 4,
        /// More keys than a UE, or all of them, may have.
        TooMany = 5,
        /// The octets are no key of the scheme.
        BadKey = 6,
        /// The subscriber may not monitor.
        NotAuthorised = 7,
        /// There is no such key.
        Unknown = 8,
    }
}

impl fmt::Display for KeyCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotYours => "the subscription has not this name: let the operator add it",
            Self::Nonce => "the nonce was not given for this, or is used or too old",
            Self::Proof => "the signature is not that of the key",
            Self::Revoked => "the key was revoked: make another one",
            Self::TooMany => "more keys than may be registered",
            Self::BadKey => "the octets are no key of this scheme",
            Self::NotAuthorised => "the subscription does not allow to monitor",
            Self::Unknown => "there is no such key",
        })
    }
}

records! {
    /// Asks for a nonce.
    NonceRequest {
        /// For whose key.
        name: KeyName = one "name",
    }

    /// The answer.
    NonceAnswer {
        /// The clock of the server.
        current_time: UtcTime = one "current-time",
        /// The nonce.
        nonce: Nonce = one "nonce",
    }

    /// Registers a key, or goes on with it.
    Register {
        /// Whose.
        name: KeyName = one "name",
        /// The key.
        key: PublicKey = one "public-key",
        /// The nonce.
        nonce: Nonce = one "nonce",
        /// Of [`super::signed_text`], by the private key.
        signature: Octets = one "signature",
    }

    /// The answer.
    Registered {
        /// The clock of the server.
        current_time: UtcTime = one "current-time",
        /// Until when the key counts.
        valid_until: UtcTime = one "valid-until",
    }

    /// The owner revokes a key.
    Withdraw {
        /// Whose.
        name: KeyName = one "name",
        /// Which.
        fingerprint: Fingerprint = one "fingerprint",
    }

    /// The answer.
    Withdrawn {
        /// The clock of the server.
        current_time: UtcTime = one "current-time",
        /// The list that has it.
        number: ListNumber = one "revocation-list-number",
    }

    /// Asks for keys, and for the list of revoked ones.
    Fetch {
        /// As whom: an RPAUID of the UE's own, for keys of users.
        watcher: Option<Rpauid> = maybe "as",
        /// Of these.
        names: Vec<KeyName> = many "name",
        /// Those with these hints.
        hints: Vec<Hint> = many "hint",
        /// The list that the UE has.
        list: Option<ListNumber> = maybe "revocation-list-number",
    }

    /// A key.
    ToldKey {
        /// Whose.
        name: KeyName = one "name",
        /// The key.
        key: PublicKey = one "public-key",
        /// Until when it counts.
        valid_until: UtcTime = one "valid-until",
    }

    /// No key: there is none, or not for this UE.
    Absent {
        /// Of what.
        subject: Subject = one "of",
        /// Not to be asked for again before.
        not_before: UtcTime = one "not-before",
    }

    /// The answer to [`Fetch`].
    Keys {
        /// The clock of the server.
        current_time: UtcTime = one "current-time",
        /// Keys.
        keys: Vec<ToldKey> = many "key",
        /// What there is no key for.
        absent: Vec<Absent> = many "absent",
        /// Hints that have more keys than were told: the owner's name tells them.
        more: Vec<Hint> = many "more",
        /// The newest list.
        list: ListNews = one "revocation-list",
    }

    /// A request is refused.
    KeyReject {
        /// Why.
        cause: KeyCause = one "cause",
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A name.
    Name(KeyName),
    /// A hint.
    Hint(Hint),
}

/// What the server says of its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListNews {
    /// The UE has the newest.
    Same(ListNumber),
    /// Another one.
    New(RevocationList),
}

/// A signature: at most 322 octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Octets(pub Vec<u8>);

/// A message.
#[derive(Debug)]
pub enum KeyMessage {
    /// UE to server.
    NonceRequest(NonceRequest),
    /// The answer.
    Nonce(NonceAnswer),
    /// UE to server.
    Register(Box<Register>),
    /// The answer.
    Registered(Registered),
    /// UE to server.
    Withdraw(Withdraw),
    /// The answer.
    Withdrawn(Withdrawn),
    /// UE to server.
    Fetch(Fetch),
    /// The answer.
    Keys(Keys),
    /// The answer to any.
    Reject(KeyReject),
}

const ROOT: &str = "public-keys-message";

impl KeyMessage {
    /// From a document.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_xml(document: &[u8]) -> Result<Self, Error> {
        let message = &only_message(document, NAMESPACE, ROOT)?;
        let name = message.name.as_str();
        let read = match name {
            "NONCE_REQUEST" => NonceRequest::read(message).map(Self::NonceRequest),
            "NONCE" => NonceAnswer::read(message).map(Self::Nonce),
            "REGISTER" => Register::read(message).map(|register| Self::Register(Box::new(register))),
            "REGISTERED" => Registered::read(message).map(Self::Registered),
            "WITHDRAW" => Withdraw::read(message).map(Self::Withdraw),
            "WITHDRAWN" => Withdrawn::read(message).map(Self::Withdrawn),
            "FETCH" => Fetch::read(message).and_then(bounded).map(Self::Fetch),
            "KEYS" => Keys::read(message).map(Self::Keys),
            "REJECT" => KeyReject::read(message).map(Self::Reject),
            _ => return Err(Error::Root),
        };
        read.map_err(|e| e.within(name))
    }

    /// To a document.
    pub fn to_xml(&self) -> String {
        let mut root = Element::new(ROOT);
        match self {
            Self::NonceRequest(message) => root.one("NONCE_REQUEST", message),
            Self::Nonce(message) => root.one("NONCE", message),
            Self::Register(message) => root.one("REGISTER", &**message),
            Self::Registered(message) => root.one("REGISTERED", message),
            Self::Withdraw(message) => root.one("WITHDRAW", message),
            Self::Withdrawn(message) => root.one("WITHDRAWN", message),
            Self::Fetch(message) => root.one("FETCH", message),
            Self::Keys(message) => root.one("KEYS", message),
            Self::Reject(message) => root.one("REJECT", message),
        }
        root.emit(NAMESPACE).to_string()
    }
}

/// The root of a list that is kept.
const LIST_ROOT: &str = "revocation-list";

impl ListNews {
    /// From a document of its own, as it is kept.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_xml(document: &[u8]) -> Result<Self, Error> {
        let root = Element::parse(document, NAMESPACE)?;
        if root.name != LIST_ROOT {
            return Err(Error::Root);
        }
        Self::read(&root)
    }

    /// To a document of its own.
    pub fn to_xml(&self) -> String {
        let mut root = Element::new(LIST_ROOT);
        self.write(&mut root);
        root.emit(NAMESPACE).to_string()
    }
}

fn bounded(fetch: Fetch) -> Result<Fetch, Error> {
    if fetch.names.len() > MOST_ASKED || fetch.hints.len() > MOST_ASKED {
        return Err(Error::value("at most 16 names and 16 hints"));
    }
    Ok(fetch)
}

/// An element with one child, which says which it is.
fn choice<T>(
    element: &Element,
    of: impl FnOnce(&mut Fields<'_>) -> Result<Vec<T>, Error>,
) -> Result<T, Error> {
    let mut fields = Fields::of(element)?;
    let mut found = of(&mut fields)?;
    fields.finish()?;
    match (found.pop(), found.pop()) {
        (Some(one), None) => Ok(one),
        _ => Err(Error::value("exactly one of what may stand here")),
    }
}

impl Value for KeyName {
    fn read(element: &Element) -> Result<Self, Error> {
        choice(element, |fields| {
            let (user, application) = (fields.maybe("user")?, fields.maybe("application")?);
            Ok(user.map(Self::User).into_iter().chain(application.map(Self::Application)).collect())
        })
    }

    fn write(&self, to: &mut Element) {
        match self {
            Self::User(rpauid) => to.one("user", rpauid),
            Self::Application(id) => to.one("application", id),
        }
    }
}

impl Value for Subject {
    fn read(element: &Element) -> Result<Self, Error> {
        choice(element, |fields| {
            let (name, hint) = (fields.maybe("name")?, fields.maybe("hint")?);
            Ok(name.map(Self::Name).into_iter().chain(hint.map(Self::Hint)).collect())
        })
    }

    fn write(&self, to: &mut Element) {
        match self {
            Self::Name(name) => to.one("name", name),
            Self::Hint(hint) => to.one("hint", hint),
        }
    }
}

impl Value for ListNews {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let number = fields.one("number")?;
        let issued: Option<UtcTime> = fields.maybe("issued")?;
        let exact: Option<Fingerprints> = fields.maybe("keys")?;
        let filter: Option<Filter> = fields.maybe("filter")?;
        fields.finish()?;
        let keys = match (issued, exact, filter) {
            (None, None, None) => return Ok(Self::Same(number)),
            (Some(issued), Some(keys), None) => (issued, RevokedKeys::Exact(keys.0)),
            (Some(issued), None, Some(filter)) => (issued, RevokedKeys::Filter(filter)),
            _ => return Err(Error::value("a number alone, or with a time and keys or a filter")),
        };
        Ok(Self::New(RevocationList { number, issued: keys.0, keys: keys.1 }))
    }

    fn write(&self, to: &mut Element) {
        match self {
            Self::Same(number) => to.one("number", number),
            Self::New(list) => {
                to.one("number", &list.number);
                to.one("issued", &list.issued);
                match &list.keys {
                    RevokedKeys::Exact(keys) => to.one("keys", &Fingerprints(keys.clone())),
                    RevokedKeys::Filter(filter) => to.one("filter", filter),
                }
            }
        }
    }
}

impl Value for Filter {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut fields = Fields::of(element)?;
        let (Count(entries), Count(hashes)) = (fields.one("entries")?, fields.one("hashes")?);
        let Bulk(octets) = fields.one("octets")?;
        fields.finish()?;
        let refused = Error::value("a filter of 1 to 24576 octets and 1 to 32 hashes");
        let Ok(hashes) = u8::try_from(hashes) else { return Err(refused) };
        Some(Self { entries, hashes, octets }).filter(Self::is_possible).ok_or(refused)
    }

    fn write(&self, to: &mut Element) {
        to.one("entries", &Count(self.entries));
        to.one("hashes", &Count(self.hashes.into()));
        to.one("octets", &Bulk(self.octets.clone()));
    }
}

struct Count(u32);

impl Lexical for Count {
    const EXPECTED: &'static str = "an integer, 0 to 4294967295";

    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

impl Lexical for ListNumber {
    const EXPECTED: &'static str = "an integer, 0 to 9223372036854775807";

    fn from_text(text: &str) -> Option<Self> {
        // Neither database has a larger one.
        text.trim().parse().ok().filter(|number| *number <= i64::MAX as u64).map(Self)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

/// Octets in base64: a filter, fingerprints one behind the other.
struct Bulk(Vec<u8>);

impl Lexical for Bulk {
    const EXPECTED: &'static str = "base64";

    fn from_text(text: &str) -> Option<Self> {
        Base64::decode_vec(text.trim()).ok().map(Self)
    }

    fn to_text(&self) -> String {
        Base64::encode_string(&self.0)
    }
}

struct Fingerprints(Vec<Fingerprint>);

impl Lexical for Fingerprints {
    const EXPECTED: &'static str = "base64 of fingerprints of 16 octets";

    fn from_text(text: &str) -> Option<Self> {
        let Bulk(octets) = Bulk::from_text(text)?;
        let (keys, rest) = octets.as_chunks::<16>();
        rest.is_empty().then(|| Self(keys.iter().map(|key| Fingerprint(*key)).collect()))
    }

    fn to_text(&self) -> String {
        let octets: Vec<u8> = self.0.iter().flat_map(|key| key.0).collect();
        Bulk(octets).to_text()
    }
}

/// Octets in hexadecimal digits.
macro_rules! digits {
    ($($type:ty: $expected:literal, $from:expr, $octets:expr;)*) => {$(
        impl Lexical for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                let octets = hex::decode(text.trim()).ok()?;
                let from: fn(Vec<u8>) -> Option<Self> = $from;
                from(octets)
            }

            fn to_text(&self) -> String {
                let octets: fn(&Self) -> &[u8] = $octets;
                hex::encode_upper(octets(self))
            }
        }
    )*};
}

digits! {
    Nonce: "24 octets", |o| o.try_into().ok().map(Self), |s| &s.0;
    Hint: "2 octets", |o| o.try_into().ok().map(Self), |s| &s.0;
    Fingerprint: "16 octets", |o| o.try_into().ok().map(Self), |s| &s.0;
    PublicKey: "a key of a signature scheme, its number first", |o| (o.len() <= MOST_OCTETS).then(|| Self::from_octets(&o).ok())?, |s| s.octets();
    Octets: "1 to 322 octets", |o| (1..=MOST_OCTETS).contains(&o.len()).then_some(Self(o)), |s| &s.0;
}

#[cfg(test)]
mod tests;
