//! RADIUS as far as it carries EAP: RFC 2865, RFC 2869 §5.14, RFC 3579, RFC 2548 §2.4, all from memory; two programs of other
//! makers confirm them (`vectors/eap_aka_prime_radius_wire.json`).
//!
//! ```text
//!   Access-Request -> client known, Message-Authenticator right -> once: EAP-Message to the AAA server
//!                                                               -> again: the same reply again
//!   AAA: request   -> Access-Challenge, State
//!        success   -> Access-Accept, MS-MPPE-Recv-Key = MSK[0..32], MS-MPPE-Send-Key = MSK[32..64]
//!                     to a relay: MS-MPPE-Recv-Key = KD, Session-Timeout = its life
//!        failure   -> Access-Reject
//! ```
//!
//! - [`packet`], header and attributes
//! - [`secret`], what the shared secret proves and hides: MD5, as the RFCs have it; the path wants IPsec or a LAN of its own
//! - [`server`], the machine around [`crate::aaa`]
//! - [`nas`], the client of a relay
//!
//! # Relays
//!
//! How a KD comes to a relay is our own choice; no specification has it. The server knows a relay by its address and secret
//! ([`Client::relay`]), never by what it says. Called-Station-Id is the relay's name, a colon, and the Relay Service Code in six
//! hexadecimal digits, as access points write theirs with the name of a network behind it; Calling-Station-Id is the name that the
//! remote UE claims. A relay that names another than itself is refused. The KD stands in MS-MPPE-Recv-Key, where a client looks for
//! the key of its link; there is no MS-MPPE-Send-Key, unless the draft's maker gives the relay all of the MSK.
//!
//! Message-Authenticator is demanded of every request, and is the first attribute of every reply, so that no reply can be
//! given another code by a collision of MD5 (CVE-2024-3596). Not there: accounting, passwords, CHAP, RadSec, Status-Server,
//! proxying.

use std::fmt;

pub mod nas;
pub mod packet;
pub mod secret;
pub mod server;

pub use nas::Nas;
pub use packet::{Attribute, Code, Packet};
pub use secret::Secret;
pub use server::{Client, Config, Dropped, Event, Input, Output, RadiusServer};

/// Value of Called-Station-Id of a relay and its service.
fn called_station(name: &[u8], [a, b, c]: [u8; 3]) -> Vec<u8> {
    [name, format!(":{a:02x}{b:02x}{c:02x}").as_bytes()].concat()
}

/// Relay and service in a value of Called-Station-Id, if they are there.
fn relay_and_service(value: &[u8]) -> Option<(&[u8], [u8; 3])> {
    let (name, digits) = value.split_at_checked(value.len().checked_sub(7)?)?;
    let digits = std::str::from_utf8(digits.strip_prefix(b":")?).ok()?;
    Some((name, sidelink_wire::hex::bytes(digits)?.try_into().ok()?))
}

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
