//! IKEv2 with EAP, and ESP: the way of solution 1.2 of TR 33.833 §6.1.2, which the final standard dropped for TLS. It is here to
//! be compared. RFC 7296, RFC 5998, RFC 4303, RFC 4106, RFC 8420, from memory; a real daemon confirms them
//! (`vectors/ikev2_eap_auth.json`, `tests/charon.rs`).
//!
//! ```text
//!   UE                                              ProSe Function
//!   IKE_SA_INIT: SA, KE, Ni, NAT          ->
//!                                         <-   SA, KE, Nr, NAT
//!   IKE_AUTH:    IDi, SA, TSi, TSr        ->
//!                                         <-   IDr, AUTH (by its key, or none), EAP
//!                EAP ..                   <->  .. EAP, EAP-Success
//!                AUTH (by MSK)            ->
//!                                         <-   AUTH (by MSK), SA, TSi, TSr
//!   ESP in a tunnel: PC3                  <->
//! ```
//!
//! - [`wire`], header and payloads
//! - [`keys`], what is derived
//! - [`Initiator`], the UE's end
//! - [`Responder`], the ProSe Function's
//! - [`esp`], packets under the keys of a CHILD_SA
//!
//! Two ends that share a key do without EAP ([`SharedKey`], RFC 7296 §2.15): both prove it in IKE_AUTH, and four messages are all.
//!
//! One suite: X25519, AES-CBC-128, HMAC-SHA-256-128, PRF-HMAC-SHA-256; ESP with AES-GCM-128. EAP is the caller's
//! ([`crate::eap_peer`], [`crate::aaa`]). Messages go over UDP with the marker of RFC 3948 in front where the port is not 500: that is
//! the caller's too.
//!
//! Not there: other suites, rekeying and deletion (a SA ends with its process, or when its sequence numbers do), cookies (half-open SAs
//! are bounded), certificates (a UE knows the key of the ProSe Function), fragmentation, MOBIKE, IPv6 selectors.

use std::fmt;

pub mod esp;
mod initiator;
pub mod keys;
mod responder;
mod sealed;
pub mod wire;

pub use initiator::{Initiator, InitiatorConfig, Input, Output};
pub use responder::{
    Input as ResponderInput, Output as ResponderOutput, Responder, ResponderConfig, SessionId,
};

use core::net::Ipv4Addr;

use ed25519_dalek::{SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::ikev2::keys::ChildKeys;

/// How the responder proves itself before EAP.
#[derive(Clone)]
pub enum ResponderProof {
    /// By a signature under this key. RFC 8420.
    Signature(VerifyingKey),
    /// Not at all: EAP proves it, since AUTH is by MSK. RFC 5998.
    EapOnly,
    /// By a key that both ends have, which proves the initiator too: there is no EAP.
    SharedKey(SharedKey),
}

/// A key that two ends share. RFC 7296 §2.15.
#[derive(Clone)]
pub struct SharedKey(Zeroizing<Vec<u8>>);

impl SharedKey {
    /// Of octets that nobody can guess: a key that can be guessed is found out by whoever listens (RFC 7296 §2.15).
    pub const fn new(octets: Zeroizing<Vec<u8>>) -> Self {
        Self(octets)
    }

    fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(redacted)")
    }
}

/// The same, at the responder.
pub enum ResponderKey {
    /// It signs.
    Signature(Box<SigningKey>),
    /// It does not.
    EapOnly,
    /// By a key that it shares with one initiator, whose identity this is: there is no EAP.
    SharedKey {
        /// Identity of the initiator.
        initiator: String,
        /// The key.
        key: SharedKey,
    },
}

/// Addresses that a tunnel carries, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// First.
    pub first: Ipv4Addr,
    /// Last.
    pub last: Ipv4Addr,
}

impl Selector {
    /// All of them.
    pub const ALL: Self = Self { first: Ipv4Addr::UNSPECIFIED, last: Ipv4Addr::BROADCAST };

    /// What both have.
    pub fn narrowed(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(Self { first, last })
    }
}

/// A CHILD_SA: SPIs and keys of both directions.
pub struct Child {
    /// SPI of packets to the initiator.
    pub spi_initiator: [u8; 4],
    /// SPI of packets to the responder.
    pub spi_responder: [u8; 4],
    /// Keys.
    pub keys: ChildKeys,
    /// Addresses at the initiator.
    pub initiator: Selector,
    /// Addresses at the responder.
    pub responder: Selector,
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Child({}, {})", hex::encode(self.spi_initiator), hex::encode(self.spi_responder))
    }
}

/// Why there is no SA, or a message is passed over: by blame of who sent it, of the operator, of ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Octets are missing, or a length is wrong.
    Length(&'static str),
    /// Another version than 2.0.
    Version(u8),
    /// A payload that must be understood and is not. RFC 7296 §2.5.
    Critical(u8),
    /// A payload that must be there is not.
    Missing(&'static str),
    /// A value that a payload does not have.
    Value(&'static str),
    /// None of the suites that are offered is spoken here.
    NoProposal,
    /// The public value of the other end gives no secret.
    Dh,
    /// The checksum of a message is wrong: other keys, or altered.
    Icv,
    /// AUTH is wrong: another MSK, another key, or an altered exchange.
    Auth,
    /// A message out of its order, or of another SA.
    Unexpected,
    /// The other end says no: type of the notification.
    Notified(u16),
    /// EAP failed.
    Eap,
    /// No address would be carried. RFC 7296 §2.9.
    TrafficSelectors,
    /// The other end did not answer.
    Late,
    /// More than a message holds. Our misuse.
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Length(what) => return write!(f, "the length of {what} is wrong"),
            Self::Version(version) => return write!(f, "version {version:02x} of IKE is not spoken here"),
            Self::Critical(kind) => return write!(f, "payload {kind} is critical and not known here"),
            Self::Missing(what) => return write!(f, "{what} is missing"),
            Self::Value(what) => return write!(f, "{what} has a value that is not spoken here"),
            Self::Notified(14) => "the other end takes none of our suites",
            Self::Notified(24) => "the other end says that authentication failed",
            Self::Notified(38) => "the other end carries none of our addresses",
            Self::Notified(kind) => return write!(f, "the other end says no: notification {kind}"),
            Self::NoProposal => {
                "none of the suites is AES-CBC-128, HMAC-SHA-256-128, PRF-HMAC-SHA-256 and X25519"
            }
            Self::Dh => "the public value of the other end gives no secret",
            Self::Icv => "the checksum of a message is wrong: other keys, or altered",
            Self::Auth => "AUTH is wrong: another MSK, another key, or an altered exchange",
            Self::Unexpected => "a message out of its order, or of another SA",
            Self::Eap => "EAP failed",
            Self::TrafficSelectors => "no address would be carried",
            Self::Late => "the other end does not answer",
            Self::TooLong => "more than a message holds",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
