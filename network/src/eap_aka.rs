//! EAP-AKA and EAP-AKA' on the wire: RFC 3748, RFC 4187, RFC 9048, all from memory; two programs of other makers confirm
//! them (`vectors/eap_aka_prime_radius_wire.json`).
//!
//! ```text
//!   octets -> Packet (EAP) -> Request, Response: every attribute in its place, or an Error
//!                          -> verify_mac under K_aut
//!          AT_ENCR_DATA    -> Sealed::open under K_encr -> Inner
//! ```
//!
//! - [`packet`], the header of EAP
//! - [`attribute`], each attribute
//! - [`message`], which attributes make which message
//! - [`protection`], AT_MAC, AT_ENCR_DATA, AT_CHECKCODE
//! - [`identity`], user names and what they are
//!
//! Keys are those of EAP-AKA'. EAP-AKA itself is read and written, and neither run nor authenticated: what offers it is
//! answered with a NAK.

use std::fmt;

pub mod attribute;
pub mod identity;
pub mod message;
pub mod packet;
pub mod protection;

pub use message::{
    Challenge, Derivation, IdentityRequest, Notification, Reauthentication, Request, Response,
};
pub use packet::{Code, Method, Packet, Type};
pub use protection::{Checkcode, Inner, Keys, Sealed, Transcript};

/// Refusal of octets that are no message, or of a message that cannot be written: by blame of the peer, then ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The octets end before the field does.
    Truncated {
        /// The field.
        what: &'static str,
        /// Octets needed up to its end.
        needed: usize,
        /// Octets there.
        have: usize,
    },
    /// A length that fits nothing.
    Length {
        /// Of what.
        what: &'static str,
        /// What it says.
        stated: usize,
        /// What is there.
        have: usize,
    },
    /// A value that is not defined.
    Reserved {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u16,
    },
    /// An attribute that is not known and must not be passed over.
    UnknownAttribute(u8),
    /// Text that is not UTF-8, or has a NUL in it.
    NotText(&'static str),
    /// An attribute that has no place in this message, or has it twice.
    Misplaced {
        /// Which.
        attribute: &'static str,
        /// The message.
        message: &'static str,
    },
    /// An attribute that this message needs.
    Missing {
        /// Which.
        attribute: &'static str,
        /// The message.
        message: &'static str,
    },
    /// AT_MAC is wrong.
    Mac,
    /// Our misuse: a message with AT_MAC was to be written without a key.
    NoKey,
    /// Our misuse: a value that is too long for its field.
    TooLong {
        /// The field.
        what: &'static str,
        /// Octets that fit.
        max: usize,
        /// Its octets.
        have: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { what, needed, have } => {
                write!(f, "{what} is cut short: {needed} octets are needed, {have} are there")
            }
            Self::Length { what, stated, have } => {
                write!(f, "the length of {what} is wrong: it says {stated} octets of {have}")
            }
            Self::Reserved { what, value } => write!(f, "{what} has the value {value}, which is not defined"),
            Self::UnknownAttribute(number) => {
                write!(f, "attribute {number} is not known and may not be passed over")
            }
            Self::NotText(what) => write!(f, "{what} is not UTF-8 without NUL"),
            Self::Misplaced { attribute, message } => {
                write!(f, "{attribute} has no place in {message}, or is there twice")
            }
            Self::Missing { attribute, message } => write!(f, "{message} has no {attribute}"),
            Self::Mac => f.write_str("AT_MAC is wrong: other keys, or an altered message"),
            Self::NoKey => f.write_str("a message with AT_MAC needs K_aut to be written"),
            Self::TooLong { what, max, have } => write!(f, "{what} has {have} octets, more than {max}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
