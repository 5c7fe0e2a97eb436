//! TLS with pre-shared keys of GBA, on both ends, and with certificates. TS 33.222 §5.4, TS 24.109 §5.3.3, TS 33.210 §6.2.
//!
//! ```text
//! server.rs  the NAF: key by B-TID over Zn
//! client.rs  the UE
//! suites.rs  cipher suites, and the Ua security protocol identifier of each
//! hint.rs    the PSK identity hint, which the `openssl` crate does not set
//! certificates.rs  both ends with certificates, for UEs of public safety
//! memory.rs  both ends without a socket, for overlays above links                                  memory/
//! ```
//!
//! By the OpenSSL of the system: TLS 1.3 needs an external PSK whose key comes from elsewhere while the handshake waits, and TLS 1.2
//! needs suites of PSK; rustls has neither. No session is resumed: a key that has expired, or was taken back, would go on.

mod certificates;
mod client;
mod hint;
pub mod memory;
mod server;
mod suites;

pub(crate) use certificates::{CertificateServer, connect_certified};
pub use certificates::{Credentials, imsi_uri, role_uri};
pub(crate) use client::connect;
pub use client::{TlsClientError, TlsMode};
pub(crate) use server::{Peer, PskServer, Zn};
pub use suites::{PskSuite, TLS_13_PROTOCOL};

use sidelink_network::identity::BTid;

/// Names the name space of the PSK identity, and is the hint. TS 24.109 §5.3.3.1.
pub const PREFIX: &str = "3GPP-bootstrapping";

/// PSK identity of a key: the prefix, a semicolon, the B-TID. TS 24.109 §5.3.3.1.
pub fn psk_identity(b_tid: &BTid) -> String {
    format!("{PREFIX};{b_tid}")
}

/// B-TID of a PSK identity.
pub fn b_tid_of(identity: &[u8]) -> Option<BTid> {
    let (prefix, b_tid) = std::str::from_utf8(identity).ok()?.split_once(';')?;
    (prefix == PREFIX).then(|| BTid::new(b_tid).ok())?
}

#[cfg(test)]
mod tests;
