//! Public keys of signed discovery over the network: UEs register theirs, the server tells them to those who may have them, and says
//! which are revoked (TR 33.833 §6.2.3.2, steps 1 and 2). The messages are ours; they travel where PC3 does, under its keys.
//!
//! ```text
//! key.rs        a key, its names
//! possession.rs proof that a UE has the private key of what it registers
//! list.rs       revoked keys: exact, or as a filter
//! message.rs    the messages, XML
//! server.rs     the server: a machine behind the front of [`crate::prose_function`]
//! client.rs     the UE's end
//! ```
//!
//! ```text
//!   UE that announces                server                       UE that monitors
//!   NONCE_REQUEST  -------------->
//!                  <--------------   NONCE
//!   REGISTER       -------------->   proof, name, rights
//!                  <--------------   REGISTERED, 24 h
//!                                          <----------------------  FETCH: names that it follows, hints that it heard
//!                                    who may monitor whom?
//!                                          ---------------------->  KEYS: keys, what there is no key for, revoked keys
//! ```
//!
//! The absence of a key is the access control (TR 33.833 §6.2.3): a name that a UE may not monitor, and one that has no key, have one
//! answer. A key that was told cannot be taken back; it is revoked, and counts at a UE until that has the next list: at most
//! [`ClientConfig::list_interval`] while it reaches the network, and never longer than the key's validity or [`LIST_LIFETIME`] without it.

pub mod client;
mod key;
mod list;
mod message;
mod possession;
pub mod server;

pub use client::{ClientConfig, PublicKeysClient};
pub use key::{Fingerprint, KeyName, PublicKey};
pub use list::{Filter, ListNumber, Listed, MOST_EXACT, MOST_FILTER, RevocationList, RevokedKeys};
pub use message::{
    Absent, Fetch, KeyCause, KeyMessage, KeyReject, Keys, ListNews, MEDIA_TYPE, MOST_ASKED, MOST_TOLD,
    NAMESPACE, NonceAnswer, NonceRequest, Octets, Register, Registered, Subject, ToldKey, Withdraw,
    Withdrawn,
};
pub use possession::{NONCE_LIFETIME, Nonce, signed_text};
pub use server::{Config, PublicKeyServer};

/// Milliseconds from when a list was issued until it counts no more: 24 h (TR 33.833 §6.2.2 leaves revocation open; ours).
pub const LIST_LIFETIME: u64 = 24 * 3_600_000;

#[cfg(test)]
mod tests;
