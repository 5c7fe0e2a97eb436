//! One-to-one communication: KD -> KD-sess -> PEK and PIK, a type per state. TS 33.303 §6.5 (read), TR 33.833
//! §6.4.1, TS 33.536 §5.3.3.1 (read in part), TS 36.323 §5.6.2, §5.7 (read).
//!
//! UE_1 initiates, UE_2 answers with the Security Mode Command. A key that is not agreed cannot be used: no type allows
//! it.
//!
//! ```text
//!        UE_1                                                   UE_2
//!  Requested { nonce_1, capabilities, policy }
//!      |  ------- request ------------------------------------>  Proposed: opens what UE_1 sends, protects the command
//!      |  command(&kd, ..)  <--- command, MAC-I by the new PIK ---  |
//!  Unproven: verifies one PDU                                       |
//!      |  prove(pdu)                                                |
//!  Active ------- complete, ciphered, MAC-I --------------------->  |  complete(pdu)
//!      |                                                          Active
//!      |  retire()                                                  |  retire()
//!  Retired: opens, never protects                               Retired
//! ```
//!
//! - [`Unproven::prove`] verifies the MAC-I of a command first, and then its content: the echo of the capabilities
//!   (bidding-down) and the policy.
//! - [`Unproven`] and [`Proposed`] are consumed by the proof of the peer: a MAC-I under a key that only a holder of KD
//!   can derive from both nonces.
//! - A context counts each direction's SN once from 1 to 0xFFFF, over all logical channels, and then refuses
//!   ([`SendError::Exhausted`]); [`Active::wants_rekeying`] says long before that a new key is due.
//! - [`Active::renamed`] gives a key a new name (TS 33.536 §5.3.3.2): its SN begin again, because COUNT begins with the
//!   name; no key has a name twice.
//! - There is one replay window per logical channel, because a channel of higher priority overtakes others.
//!
//! User data is ciphered and, as TR 33.833 key issue 4.2 demands, **not** integrity protected: flipped bits reach the
//! application, and a forged SN moves the window of that channel, though not further than 4096 beyond the SN that a
//! MAC-I covered. `up_integrity` of [`Terms`] (the 5G twin) changes both.
//!
//! [`signed`] establishes a KD where none is shared; [`keying`] computes one of what two networks carried.
//!
//! No part of a context is durable: after a crash the link is lost, and fresh nonces make a new one.

mod context;
mod entropy;
mod identity;
pub mod keying;
mod policy;
mod session;
pub mod signed;

pub use context::{Fingerprint, Kind, Opened, SendError, Ticket};
pub use entropy::Entropy;
pub use identity::{KdId, KdSessId, pick_half};
pub use policy::{Capabilities, Chosen, Disagreement, Need, Policy, Stated};
pub use session::{
    Active, Command, CommandRefusal, Offer, Proposed, Renamed, Requested, Retired, Terms, Unproven,
};

/// Nonce_1 or Nonce_2. TS 33.536 §A.4.
pub type Nonce = [u8; 16];

/// The specification whose formulas and messages a link uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// TS 33.303 and TS 24.334.
    #[default]
    Lte,
    /// TS 33.536, TS 24.587 and TS 24.554: K_NRP for KD.
    Nr,
}

#[cfg(test)]
mod tests;
