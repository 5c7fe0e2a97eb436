//! RADIUS as far as it carries EAP: RFC 2865, RFC 2869 §5.14, RFC 3579, RFC 2548 §2.4, all from memory; two programs of other
//! makers confirm them (`vectors/eap_aka_prime_radius_wire.json`).
//!
//! ```text
//!   Access-Request -> client known, Message-Authenticator right -> once: EAP-Message to the AAA server
//!                                                               -> again: the same reply again
//!   AAA: request   -> Access-Challenge, State
//!        success   -> Access-Accept, MS-MPPE-Recv-Key = MSK[0..32], MS-MPPE-Send-Key = MSK[32..64]
//!        failure   -> Access-Reject
//! ```
//!
//! - [`packet`], header and attributes
//! - [`secret`], what the shared secret proves and hides: MD5, as the RFCs have it; the path wants IPsec or a LAN of its own
//! - [`server`], the machine around [`crate::aaa`]
//!
//! Message-Authenticator is demanded of every request, and is the first attribute of every reply, so that no reply can be
//! given another code by a collision of MD5 (CVE-2024-3596). Not there: accounting, passwords, CHAP, RadSec, Status-Server,
//! proxying.

use std::fmt;

pub mod packet;
pub mod secret;
pub mod server;

pub use packet::{Attribute, Code, Packet};
pub use secret::Secret;
pub use server::{Client, Config, Dropped, Event, Input, Output, RadiusServer};

/// Octets that are no packet, or a packet that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Fewer octets than the header, or than it says.
    Truncated {
        /// Octets needed.
        needed: usize,
        /// Octets there.
        have: usize,
    },
    /// A length below 20 or above 4096.
    Length(usize),
    /// A code that is not spoken here.
    Code(u8),
    /// An attribute that is shorter than its header, or longer than the packet.
    Attribute(u8),
    /// Our misuse: more than a packet or an attribute holds.
    TooLong {
        /// Octets that fit.
        max: usize,
        /// Octets there.
        have: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, have } => {
                write!(f, "RADIUS is cut short: {needed} octets are needed, {have} are there")
            }
            Self::Length(length) => write!(f, "RADIUS has 20 to 4096 octets, not {length}"),
            Self::Code(code) => write!(f, "code {code} of RADIUS is not spoken here"),
            Self::Attribute(kind) => write!(f, "the length of attribute {kind} is wrong"),
            Self::TooLong { max, have } => write!(f, "{have} octets do not fit {max}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
