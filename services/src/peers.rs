//! Zh, Zn, Zpn, SWx and PC4a between processes: HTTP with JSON, which is ours. TS 29.109 has Diameter on Zh and Zn; that of SWx and PC4a
//! was not read.
//!
//! ```text
//! POST /zh/vector          {impi, resynchronisation?}         {quintet} or {refused}
//! POST /swx/vector         {imsi, network_name, resynchronisation?}   {vector} or {refused}
//! POST /pc4a/subscription  {ue}                               {subscription}, null without
//! POST /zn/key             {naf, b_tid, fqdn, protocol}       {key} or {refused}
//! POST /zpn/push           {naf, impi, label, fqdn, protocol, p_tid, lifetime, resynchronisation?}   {pushed} or {refused}
//! ```
//!
//! Keys go in the clear, so both ends are on one machine: an address that is not loopback is refused. Who asks shows a token
//! (`Authorization: Bearer ..`) that all functions of a network have in common; a NAF is believed its name then.

mod client;
mod messages;
mod pushes;
mod server;

pub(crate) use client::PeerClient;
pub(crate) use server::PeerServer;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Characters of a token, at least.
pub const TOKEN_CHARACTERS: usize = 32;

/// What functions of a network show each other.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// From 32 or more printable characters of ASCII without blanks; none from anything else.
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.len() >= TOKEN_CHARACTERS && text.bytes().all(|octet| octet.is_ascii_graphic());
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Whether a header field shows it.
    pub(crate) fn is_shown_by(&self, field: &[u8]) -> bool {
        field.strip_prefix(b"Bearer ").is_some_and(|shown| self.0.as_bytes().ct_eq(shown).into())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests;
