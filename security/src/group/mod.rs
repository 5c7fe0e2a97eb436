//! One-to-many communication: PGK -> PTK -> PEK. TS 33.303 §6.2.3.2, §6.2.3.6, Annex A.3; TS 36.323 §5.6.1.
//!
//! A sender takes the valid PGK that expires first, and one COUNT = PTK identity || PDCP SN per PDU from a
//! [`Lease`](crate::counter::reserve::Lease), so that no crash repeats one. PTK identity 0 and SN 0 are never used: the
//! first with PGK index 0 marks unciphered operation, the second a PDU without reordering (TS 36.323 §5.1.4). When the
//! SN of a PTK are used up the next PTK identity is taken, with a new PTK; when all PTK identities are, a new PGK is
//! needed.
//!
//! The standard ciphers but has no MAC-I here (TS 36.323 §6.1.1, §5.7): **a flipped bit reaches the application**, a
//! forged PDU is deciphered to noise, and a forged COUNT takes one of the few ranges that a window holds
//! ([`UnprovenWindow`](crate::counter::replay::UnprovenWindow)). With `mac` set (our own, TR 33.833 key issue 3.2), a
//! MAC-I under a PIK of the PTK covers header and data, and is ciphered with the data (TS 36.323 §5.7 for the order; a
//! MAC-I of a one-to-one link stays in the clear, §5.6.2); then all three are detected, except those by members, who
//! all hold the key.
//!
//! Replay windows are in memory: a receiver that restarts accepts the first COUNT that it receives from a sender, which
//! may be a replay of an older one.
//!
//! A receiver that receives from a member for the first time derives its PTK and starts at once, at any SN.

mod receiver;
mod sender;

pub use receiver::{Incoming, Opened, PtkOrder, Receiver, ReceiverConfig};
pub use sender::{InstallError, SendError, Sender, Ticket};

use crate::cipher::{Algorithm, Eea, Eia};
use crate::counter::{Count, UtcCounter};
use crate::kdf::lte;
use crate::keys::Pgk;

/// The common configuration of all members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// Group Identity: the layer-2 group destination.
    pub group_id: [u8; 3],
    /// Ciphering algorithm of the group.
    pub eea: Algorithm,
    /// Our own MAC-I, or none as in the standard. `Some(Null)` is the same as none.
    pub mac: Option<Algorithm>,
}

impl GroupConfig {
    /// Returns the integrity algorithm, if there is one that protects.
    // TS 33.303 §6.2 (integrity)
    pub(crate) fn eia(&self) -> Option<Algorithm> {
        self.mac.filter(|a| *a != Algorithm::Null)
    }

    /// Returns the octets that protection adds after the data.
    // TS 36.323 §5.7 (3)
    pub fn mac_octets(&self) -> usize {
        if self.eia().is_some() { 4 } else { 0 }
    }
}

/// A PGK with its identity and validity.
#[derive(Debug)]
pub struct GroupKey {
    /// PGK ID, 8 bits; the PDCP header carries the 5 least significant. TS 36.323 §6.3.12.
    pub pgk_id: u8,
    /// The key.
    pub pgk: Pgk,
    /// First second of validity.
    pub valid_from: UtcCounter,
    /// First second after the validity.
    pub expiry: UtcCounter,
}

impl GroupKey {
    /// Returns the PGK index: the 5 least significant bits of the PGK ID. TS 36.323 §6.3.12.
    // TS 33.303 §6.2.3.2 (2); TS 36.323 §6.3.12
    pub const fn index(&self) -> u8 {
        self.pgk_id & 0x1f
    }
}

/// Cipher and MAC of one PTK.
pub(crate) struct Traffic {
    pub(crate) eea: Eea,
    pub(crate) eia: Option<Eia>,
}

impl Traffic {
    // TS 33.303 §6.2.3.1 (2)
    pub(crate) fn new(config: &GroupConfig, pgk: &Pgk, member: [u8; 3], ptk_identity: u16) -> Self {
        // TS 36.323 §5.6.1 (3)
        let ptk = lte::ptk(pgk, member, ptk_identity, config.group_id);
        Self {
            eea: Eea::new(config.eea, &lte::pek(&ptk, config.eea)),
            eia: config.eia().map(|a| Eia::new(a, &lte::pik(&ptk, a))),
        }
    }
}

/// Returns the COUNT of a counter of the sender's stream: 32 bits that rise; `None` for PTK identity 0 and SN 0.
// TS 33.303 §6.2.3.2 (5); TS 36.323 §5.1.3 (1)
pub(crate) fn usable(counter: u64) -> Option<Count> {
    let count = Count::new(u32::try_from(counter).ok()?);
    (count.identity() != 0 && count.sn() != 0).then_some(count)
}

#[cfg(test)]
mod tests;
