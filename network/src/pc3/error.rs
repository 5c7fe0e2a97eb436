//! What is wrong with a document.

use core::fmt;

use super::Cause;
use super::element::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS, MAX_OCTETS};

/// Why a document is refused: the bytes first, then what they say. A value that is refused is not repeated, it may be a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// More octets than [`MAX_OCTETS`].
    TooLong {
        /// How many.
        octets: usize,
    },
    /// Not UTF-8.
    NotUtf8 {
        /// Octets before the first that is wrong.
        at: usize,
    },
    /// Declares another encoding than UTF-8.
    Encoding,
    /// Not well-formed XML, or no root of our namespace.
    Malformed {
        /// Octets before the part that is wrong.
        at: u64,
    },
    /// A document type declaration: none is taken, for what it may bring in.
    DocumentType {
        /// Octets before it.
        at: u64,
    },
    /// An entity that is none of the five predefined ones, or a character that does not exist.
    Entity {
        /// Octets before it, or before the element that has it in an attribute.
        at: u64,
    },
    /// More than [`MAX_ELEMENTS`] elements, or [`MAX_ATTRIBUTES`] attributes.
    TooMany {
        /// Octets before the first that is too many.
        at: u64,
    },
    /// Deeper than [`MAX_DEPTH`].
    TooDeep {
        /// Octets before the element.
        at: u64,
    },
    /// The root is not that of the schema with one message in it.
    Root,
    /// A message of the schema that is not spoken here (EPC-level discovery, announcing alerts), or of a later release.
    Unsupported {
        /// Its element.
        message: String,
    },
    /// An element or attribute that must be there is not.
    Missing {
        /// Which, from the message down.
        place: String,
    },
    /// An element comes twice, or before one that it must follow.
    Misplaced {
        /// Which, from the message down.
        place: String,
    },
    /// A value that its parameter does not have; a reserved one too (TS 24.334 §12.1A).
    Value {
        /// Where, from the message down.
        place: String,
        /// What it must be.
        expected: &'static str,
    },
}

impl Error {
    /// The same, seen from the element around.
    pub(crate) fn within(mut self, name: &str) -> Self {
        if let Self::Missing { place } | Self::Misplaced { place } | Self::Value { place, .. } = &mut self {
            *place = if place.is_empty() { name.to_owned() } else { format!("{name}/{place}") };
        }
        self
    }

    pub(crate) const fn value(expected: &'static str) -> Self {
        Self::Value { place: String::new(), expected }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { octets } => write!(f, "a document of {octets} octets, {MAX_OCTETS} is the most"),
            Self::NotUtf8 { at } => write!(f, "octet {at}: not UTF-8"),
            Self::Encoding => f.write_str("the document declares another encoding than UTF-8"),
            Self::Malformed { at } => {
                write!(f, "octet {at}: not well-formed, or not in the namespace of the schema")
            }
            Self::DocumentType { at } => {
                write!(f, "octet {at}: a document type declaration, which is never taken")
            }
            Self::Entity { at } => write!(f, "octet {at}: an entity beyond the five predefined ones"),
            Self::TooMany { at } => {
                write!(f, "octet {at}: more than {MAX_ELEMENTS} elements or {MAX_ATTRIBUTES} attributes")
            }
            Self::TooDeep { at } => write!(f, "octet {at}: an element below the depth of {MAX_DEPTH}"),
            Self::Root => f.write_str("the root must be that of the schema (prose-discovery-message, prose-key-management-message, KmsRequest, KmsResponse) with one message in it"),
            Self::Unsupported { message } => write!(f, "message {message} is not spoken here"),
            Self::Missing { place } => write!(f, "{place} is missing"),
            Self::Misplaced { place } => write!(f, "{place} comes twice, or out of the order of the schema"),
            Self::Value { place, expected } => write!(f, "{place} must be {expected}"),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidApplication => "the application is not authorised",
            Self::UnknownApplicationId => "nobody knows the ProSe Application ID",
            Self::AuthorisationFailure => "the UE is not authorised",
            Self::UnknownApplicationCode => "nobody knows the code",
            Self::InvalidMic => "the MIC is wrong",
            Self::InvalidCounter => "the UTC-based counter is wrong",
            Self::InvalidFormat => "the message is malformed",
            Self::ScopeViolation => "the ProSe Application ID belongs to another country",
            Self::UnknownRpauid => "nobody knows the RPAUID",
            Self::UnknownEntry => "nobody knows the discovery entry, or it is of something else",
            Self::InvalidTarget => "none of the targets may be discovered",
            Self::NoExtension => "not authorised for application-controlled extension",
            Self::NotOnDemand => "not authorised for announcing on demand",
            Self::MissingContainer => "the application-level container is missing",
            Self::InvalidContainer => "the application-level container is wrong",
            Self::InvalidMatch => "the match fits no filter of the UE",
            Self::NoValidCode => "no code of the ProSe Application ID is valid",
            Self::InvalidUe => "the message is for another UE",
        })
    }
}
