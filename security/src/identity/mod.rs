//! Identity-based cryptography: signatures and key encapsulation whose public key is the peer's identifier, so that a
//! UE needs no certificate of its peer, only the public values of the key management server (KMS).
//!
//! - [`eccsi`], signatures (RFC 6507) over P-256 with SHA-256
//! - [`sakke`], encapsulation of a shared secret value (RFC 6508), parameter set 1 of RFC 6509 Appendix A
//! - [`uid`], the identifier that 3GPP hashes of a URI, a KMS and a key period (TS 33.180 Annex F.2.1)
//! - [`master`], the KMS's own secrets, which make the public values and the keys of users
//!
//! A value that passed a check is a type of its own: a [`sakke::PublicKey`] lies on the curve and has order q, a
//! [`sakke::ReceiverKey`] passed the pairing, an [`eccsi::SigningKey`] its equation, and [`eccsi::Verified`] comes from
//! [`eccsi::verify`] alone.

pub mod eccsi;
mod kernel;
pub mod master;
pub mod sakke;
pub mod uid;

#[cfg(test)]
mod tests;
