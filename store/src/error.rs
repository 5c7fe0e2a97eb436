//! Errors of keys, sorted by blame: the machine, a file, or the author of an entry.

use crate::VERSION;
use sidelink_security::direct::signed::CertificateError;
use sidelink_security::discovery::chain::PlanError;
use sidelink_security::discovery::signature;
use sidelink_security::identity::{eccsi, sakke};
use sidelink_security::keys::KeyLengthError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Reason why keys cannot be read, used or stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The system refused an operation on a file.
    Io {
        /// The file.
        path: PathBuf,
        /// The operation.
        doing: Doing,
        /// Kind of the system's error.
        kind: io::ErrorKind,
        /// Text of the system's error.
        why: String,
    },
    /// The system has no random source.
    NoRandom(String),
    /// Another process holds the store.
    InUse(PathBuf),
    /// The path is a folder or a device.
    NotAFile(PathBuf),
    /// Other users may read or write the file, whose mode this is.
    Exposed(PathBuf, u32),
    /// The file is not a key store.
    Foreign(PathBuf, Foreign),
    /// Keys of an unknown format version.
    Version {
        /// The file.
        place: String,
        /// The version found, and of which format.
        found: Format,
    },
    /// The file is inconsistent.
    Damaged(PathBuf, String),
    /// The record of PGKs that the network gave is inconsistent.
    Record(PathBuf),
    /// Rights to send remain in the file, which cannot be rewritten.
    RightsStay(PathBuf, String),
    /// The TOML form cannot be read.
    Toml {
        /// The file, and the line if known.
        place: String,
        /// The parser's message.
        message: String,
    },
    /// An entry is invalid.
    Entry {
        /// The entry.
        place: String,
        /// Its fault.
        fault: Fault,
    },
    /// A key, certificate or list of method 2 cannot be used.
    Credential {
        /// File or table.
        place: String,
        /// Its fault.
        fault: CredentialFault,
    },
}

/// Operation on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Finding it.
    Find,
    /// Reading it.
    Read,
    /// Making it.
    Make,
    /// Rewriting it.
    Write,
    /// Changing a store.
    Change,
    /// Writing rights to send into it.
    HandOut,
    /// Writing the witness of a store.
    Witness,
}

/// Kind of a file that is not a key store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Any other file.
    File,
    /// Another program's database.
    Database,
    /// Binary data, not text.
    Binary(String),
}

/// A format of keys, with its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The format of a store.
    Store(u64),
    /// The format of the database below it.
    Database(u8),
    /// The TOML form.
    Toml(u64),
}

/// Fault of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It cannot be written.
    Unwritable(String),
    /// Not hexadecimal digits.
    NotHex(String),
    /// Not NAME=ID.
    NotAMember(String),
    /// An empty name, or one with control characters.
    NoName(String),
    /// The store has an entry of this name.
    Exists(String),
    /// The UE may receive but not send.
    MayNotSend {
        /// The UE.
        ue: String,
        /// The group.
        group: String,
        /// Reason.
        why: NoRight,
    },
    /// Two entries have this name.
    Twice(String),
    /// Two PGKs of a group have the index.
    SameIndex(u8),
    /// All PGK IDs are used.
    NoFreePgkId,
    /// The UE is not in the group.
    NoSuchMember,
    /// A field that the protection needs is missing.
    Lacks(String),
    /// A field has the wrong length, in octets.
    Length {
        /// The field.
        field: String,
        /// Required length.
        wanted: usize,
        /// Actual length.
        have: usize,
    },
    /// A key of the wrong length.
    KeyLength(KeyLengthError),
    /// No such message type.
    MessageType(String),
    /// The code has bits that messages of this type do not carry.
    SpareBits(u8),
    /// A PSDK of a Key Type, which derives keys as the standard has it, and of one identity, which does so as we have it.
    KeyTypeAndIdentity,
    /// A protection profile under which nothing would be protected, or confidentiality without a MIC.
    NoKeyInUse,
    /// Fewer bits of a code than keep strangers out, without being meant.
    ShortCode(u16),
    /// The parameters of changing identifiers do not fit.
    Rotation(String),
    /// A field is no URI.
    NoUri(String),
    /// An identity is of a key management server that is not among the keys.
    NoSuchKms(String),
    /// No telephone number, as identities whose periods are months are.
    NoTel(String),
    /// A signing key of an identity, or the public key that it is checked with.
    Eccsi(eccsi::Error),
    /// A receiver's key of an identity, or the public key that it is checked with.
    Sakke(sakke::Error),
    /// The server's period of this number is beyond the calendar.
    NoSuchPeriod(u32),
    /// The server's master secrets are not in this store.
    NoMaster,
    /// Two key sets of an identity have this period.
    SamePeriod(u32),
    /// A signing key, or a public key of signatures.
    SignatureKey(signature::Error),
    /// A public key is of this scheme, the entry of another.
    OtherScheme(signature::Scheme),
    /// The private key of a signed entry does not belong to its public one.
    OtherPublicKey,
    /// Times or length of a chain.
    ChainPlan(PlanError),
    /// A delay of keys that cannot work.
    ChainDelay(u16),
    /// The signature of a chain's anchor is wrong.
    Anchor,
}

/// Place of a right to send that is not here. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRight {
    /// The store is suspended, for this reason.
    Suspended(&'static str),
    /// The right was handed out.
    HandedOut(Option<u32>),
    /// The right was lost with a copy.
    Lost(Option<u32>),
    /// The right did not come with the key.
    NeverCame,
}

/// Fault of a key, a certificate or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialFault {
    /// Not PEM.
    NotPem(String),
    /// The file has no object with this label.
    Without(String),
    /// Not PKCS #8.
    NotPkcs8(String),
    /// A key, but not of Ed25519.
    OtherKey,
    /// The certificate is of another key than this file's.
    CertifiesAnother(PathBuf),
    /// Not a certificate of an issuer.
    Root(String),
    /// The list cannot be used.
    List(CertificateError),
    /// A list with a higher number was in use before.
    OldList {
        /// The first digits of the issuer's key.
        key: String,
        /// Number of the list that was in use.
        used: u64,
        /// Number of the present list; 0 if there is none.
        now: u64,
    },
    /// Another process changed the number of a list.
    ListRaced,
    /// The store cannot read the number of a list.
    Store(String),
    /// A public key with this number of octets, which is wrong.
    PublicKey(usize),
    /// No issuer and no peer is trusted.
    NobodyTrusted,
}

impl Error {
    pub(crate) fn io(path: &Path, doing: Doing, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), doing, kind: error.kind(), why: error.to_string() }
    }

    pub(crate) fn entry(place: impl Into<String>, fault: Fault) -> Self {
        Self::Entry { place: place.into(), fault }
    }

    pub(crate) fn credential(place: impl Into<String>, fault: CredentialFault) -> Self {
        Self::Credential { place: place.into(), fault }
    }

    /// Returns the same error in a larger place: `outer` is put in front of the entry's place.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        if let Self::Entry { place, .. } = &mut self {
            *place = if place.is_empty() { outer.to_owned() } else { format!("{outer} {place}") };
        }
        self
    }

    /// Returns the fault; times in seconds since 1970.
    pub fn what(&self) -> String {
        self.what_dated(&|seconds| seconds.to_string())
    }

    /// Returns the fault; times as `date` formats them.
    pub fn what_dated(&self, date: &dyn Fn(u32) -> String) -> String {
        match self {
            Self::Entry { fault: Fault::MayNotSend { ue, why, .. }, .. } => {
                let since =
                    |since: &Option<u32>| since.map_or_else(String::new, |s| format!(" at {}", date(s)));
                let why = match why {
                    NoRight::Suspended(why) => (*why).to_owned(),
                    NoRight::HandedOut(at) => format!("the right to send was handed out{}", since(at)),
                    NoRight::Lost(at) => {
                        format!("the right to send ended{}, when the store was found to be a copy", since(at))
                    }
                    NoRight::NeverCame => "the right to send did not come with the key".to_owned(),
                };
                format!("{ue:?} may receive here, not send: {why}")
            }
            Self::RightsStay(_, why) => {
                format!("the right to send stays in the file, which cannot be written anew: {why}")
            }
            Self::Io { doing, why, .. } => match doing {
                Doing::Find | Doing::Read => format!("cannot read it: {why}"),
                Doing::Make => format!("cannot make it: {why}"),
                Doing::Write | Doing::Change | Doing::HandOut => format!("cannot write it: {why}"),
                Doing::Witness => format!("cannot write the witness of a key store: {why}"),
            },
            Self::NoRandom(why) => format!("the system's random source: {why}"),
            Self::InUse(_) => {
                "another process uses this key store: two senders on one store would repeat counters"
                    .to_owned()
            }
            Self::NotAFile(_) => "not a file".to_owned(),
            Self::Exposed(_, mode) => format!("secrets that others may read or write (mode {mode:04o})"),
            Self::Foreign(_, Foreign::File) => "not a key store".to_owned(),
            Self::Foreign(_, Foreign::Database) => "a database, but not a key store".to_owned(),
            Self::Foreign(_, Foreign::Binary(why)) => {
                format!("neither a key store nor its TOML form: {why}")
            }
            Self::Version { found: Format::Store(format), .. } => {
                format!("a key store of format {format}; this program knows format {VERSION}")
            }
            Self::Version { found: Format::Database(format), .. } => {
                format!("a database of format {format}, which this program does not know")
            }
            Self::Version { found: Format::Toml(format), .. } => {
                format!("keys of format {format}; this program knows format {VERSION}")
            }
            Self::Damaged(_, why) => format!("damaged key store: {why}"),
            Self::Record(_) => "the record of the PGKs that the network gave is damaged".to_owned(),
            Self::Toml { message, .. } => message.clone(),
            Self::Entry { fault, .. } => fault.to_string(),
            Self::Credential { fault, .. } => fault.to_string(),
        }
    }

    /// Returns the place: a file, an entry; empty if unknown.
    pub fn place(&self) -> String {
        match self {
            Self::NoRandom(_) => String::new(),
            Self::Io { path, .. }
            | Self::InUse(path)
            | Self::NotAFile(path)
            | Self::Exposed(path, _)
            | Self::Foreign(path, _)
            | Self::RightsStay(path, _)
            | Self::Damaged(path, _)
            | Self::Record(path) => path.display().to_string(),
            Self::Version { place, .. }
            | Self::Toml { place, .. }
            | Self::Entry { place, .. }
            | Self::Credential { place, .. } => place.clone(),
        }
    }

    /// Returns the remedy, in terms of the command `sidelink`; empty if none is known.
    pub fn remedy(&self) -> String {
        let text = match self {
            Self::Io { doing: Doing::Find, .. } => "`sidelink keys` makes key stores and keys",
            Self::Io { doing: Doing::Make, kind: io::ErrorKind::AlreadyExists, .. } => {
                "nothing is overwritten: name another file or remove it"
            }
            Self::Io { doing: Doing::Make, .. } => "check the name of the folder",
            Self::Io { doing: Doing::Change, .. } => "nothing was changed",
            Self::Io { doing: Doing::HandOut, .. } => {
                "rights to send that were to be in it are lost: `sidelink keys new-group` makes a new PGK"
            }
            Self::Io { doing: Doing::Witness, .. } => {
                "nothing was sent under it; make room, or make the folder writable"
            }
            Self::RightsStay(..) => {
                "only receiving is possible; import it again from a folder that can be written"
            }
            Self::Entry { fault: Fault::MayNotSend { group, .. }, .. } => {
                return format!(
                    "send from the store that has it, or make a new PGK: `sidelink keys new-group {group:?} -s STORE`, then export it"
                );
            }
            Self::Io { .. } | Self::Toml { .. } => "",
            Self::NoRandom(_) => "no key was made",
            Self::InUse(_) => {
                "end the other process first; to only read keys, give the file that `sidelink keys export` wrote"
            }
            Self::NotAFile(_) => "name a file with keys",
            Self::Exposed(path, _) => return format!("chmod 600 {}", path.display()),
            Self::Foreign(_, Foreign::File) => {
                "`sidelink keys new-group` and `new-discovery` make one; the file was left as it is"
            }
            Self::Foreign(..) => "the file was left as it is",
            Self::Version { found: Format::Store(_), .. } => {
                "use the program that made it to `keys export` what it holds; the file was left as it is"
            }
            Self::Version { found: Format::Database(_), .. } => {
                "use the program that made it; the file was left as it is"
            }
            Self::Version { found: Format::Toml(_), .. } => "use the program that wrote it",
            Self::Damaged(..) => {
                "the file was left as it is; make a new one and `sidelink keys import` the TOML form, with new PGKs for every sender"
            }
            Self::Record(_) => {
                "put it back from a backup; or have the network revoke these PGKs, and remove it then: counters under them would repeat"
            }
            Self::Entry { fault, .. } => fault.remedy(),
            Self::Credential { fault, .. } => fault.remedy(),
        };
        text.to_owned()
    }
}

impl Fault {
    fn remedy(&self) -> &'static str {
        match self {
            Self::NotAMember(_) => "write NAME=0000a1",
            Self::NoName(_) => "use letters and digits",
            Self::Exists(_) => "give --replace to replace it",
            Self::Twice(_) => "rename one",
            Self::SameIndex(_) => "give one another id",
            Self::NoFreePgkId => "revoke one first",
            Self::NoSuchMember => "add it to the group",
            Self::Lacks(_) => "this protection needs it",
            Self::ShortCode(_) => "take 64 bits or more; --short-code (short-code = true) if that is meant",
            Self::KeyTypeAndIdentity => "leave out identity: it stands in the code",
            Self::NoKeyInUse => "say 80 (scrambling), 40 (MIC), c0, or 60 and e0 with a duck-mask",
            Self::NoUri(_) => "write such as sip:alice@example.org, without spaces",
            Self::NoSuchKms(_) => "name one of [[kms]], or add it with its public keys",
            Self::NoTel(_) => "write tel:+ and digits, or give the server a period-length",
            Self::NoMaster => "use the store that `sidelink keys new-kms` made it in",
            Self::SamePeriod(_) => "leave one out",
            Self::Anchor => {
                "take it again from the announcer: the public key, or what it signed, is another one"
            }
            Self::SpareBits(_) => "make them 0, or give it another message-type",
            _ => "",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwritable(why) | Self::MessageType(why) | Self::Rotation(why) => f.write_str(why),
            Self::NotHex(text) => write!(f, "{text:?} is not of whole octets of hexadecimal digits"),
            Self::NotAMember(text) => write!(f, "{text:?} is no member"),
            Self::NoName(name) => write!(f, "{name:?} is no name"),
            Self::Exists(name) => write!(f, "the store has an entry {name:?}"),
            // in full: [`Error::what_dated`]
            Self::MayNotSend { ue, .. } => write!(f, "{ue:?} may receive here, not send"),
            Self::Twice(name) => write!(f, "two entries are called {name:?}"),
            Self::SameIndex(index) => write!(f, "two PGKs have the index {index} (5 bits of the PGK ID)"),
            Self::NoFreePgkId => f.write_str("no PGK ID is free"),
            Self::NoSuchMember => f.write_str("no such member"),
            Self::Lacks(field) => write!(f, "no {field}"),
            Self::Length { field, wanted, have } => write!(f, "{field} has {have} octets, not {wanted}"),
            Self::KeyLength(error) => error.fmt(f),
            Self::ShortCode(bits) => write!(
                f,
                "a code of {bits} bits: an outsider's frame is believed with a probability of 2^-{bits}, for each identity that is looked for"
            ),
            Self::NoUri(field) => write!(f, "{field} is no URI"),
            Self::NoSuchKms(name) => write!(f, "no key management server is called {name:?}"),
            Self::NoTel(uri) => {
                write!(f, "{uri:?} is no telephone number, which identities with months for periods are")
            }
            Self::Eccsi(error) => error.fmt(f),
            Self::Sakke(error) => error.fmt(f),
            Self::NoSuchPeriod(number) => write!(f, "period {number} is beyond the calendar"),
            Self::NoMaster => f.write_str("the master secrets of this key management server are not here"),
            Self::SamePeriod(number) => write!(f, "two key sets are of period {number}"),
            Self::KeyTypeAndIdentity => f.write_str("key-type-id and identity give different keys"),
            Self::NoKeyInUse => {
                f.write_str("protection-profile says that no key is used, or a DUCK without a DUIK")
            }
            Self::SignatureKey(error) => error.fmt(f),
            Self::OtherScheme(scheme) => write!(f, "the verifying-key is one of {scheme}"),
            Self::OtherPublicKey => f.write_str("the signing-key does not belong to the verifying-key"),
            Self::ChainPlan(error) => error.fmt(f),
            Self::ChainDelay(slots) => {
                write!(f, "keys are disclosed after {slots} slots: 2 to 1024 are possible")
            }
            Self::Anchor => f.write_str("the anchor of the chain is not signed by this public key"),
            Self::SpareBits(octet) => {
                write!(f, "the code has bits where messages of type {octet:02x} are spare")
            }
        }
    }
}

impl CredentialFault {
    fn remedy(&self) -> &'static str {
        match self {
            Self::NotPem(_) | Self::Without(_) => "a PEM file is wanted (openssl .. -outform PEM)",
            Self::NotPkcs8(_) | Self::OtherKey => {
                "an Ed25519 key is wanted: openssl genpkey -algorithm ed25519"
            }
            Self::CertifiesAnother(_) => "name the key that it was made for",
            Self::Root(_) => "an issuer's own certificate with an Ed25519 key is wanted",
            Self::List(CertificateError::Issuer | CertificateError::Signature) => {
                "add its issuer to trust, or remove it"
            }
            Self::List(CertificateError::NotNewer) => "name the newest list alone",
            Self::List(_) => "a full list of `sidelink keys revoke-certificates` or OpenSSL is wanted",
            Self::OldList { .. } => "name the newest list of every issuer",
            Self::ListRaced => "start again",
            Self::Store(_) => "",
            Self::PublicKey(_) => "an Ed25519 key has 32",
            Self::NobodyTrusted => "name issuers (trust) or peers with their keys ([[credential.peer]])",
        }
    }
}

impl fmt::Display for CredentialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem(why) => write!(f, "not PEM: {why}"),
            Self::Without(label) => write!(f, "there is no {label} in it"),
            Self::NotPkcs8(why) => write!(f, "no private key in PKCS #8: {why}"),
            Self::OtherKey => f.write_str("a private key of another kind"),
            Self::CertifiesAnother(key) => write!(f, "it certifies another key than {}", key.display()),
            Self::Root(why) => f.write_str(why),
            Self::List(CertificateError::Issuer | CertificateError::Signature) => {
                f.write_str("no trusted issuer signed this list")
            }
            Self::List(CertificateError::NotNewer) => {
                f.write_str("a newer list of its issuer is named before it")
            }
            Self::List(error) => error.fmt(f),
            Self::OldList { key, used, now } => {
                let named = if *now == 0 { "none is named".to_owned() } else { format!("{now} is named") };
                write!(
                    f,
                    "revocation list {used} of the issuer with key {key}.. was in use before, {named} now"
                )
            }
            Self::ListRaced => f.write_str("another process changed the number of a revocation list"),
            Self::Store(why) => f.write_str(why),
            Self::PublicKey(octets) => write!(f, "a key of {octets} octets"),
            Self::NobodyTrusted => f.write_str("no issuer and no peer is trusted"),
        }
    }
}

impl fmt::Display for Error {
    /// Formats fault, place and remedy, with semicolons between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.what(), self.place(), self.remedy()];
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        f.write_str(&parts.join("; "))
    }
}

impl std::error::Error for Error {}
