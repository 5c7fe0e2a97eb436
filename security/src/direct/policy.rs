//! Negotiation of the algorithms that protect a link: capabilities, policies and the choice.

use std::fmt;

use crate::cipher::Algorithm;

/// Algorithms that a UE accepts for a link: EEA0 to EEA7 and EIA0 to EIA7, each from the most significant bit down.
/// TS 38.508-1 §4.7.4 (the coding of the 5G twin). The null algorithm is included only where the UE's policy allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Ciphering algorithms.
    pub eea: u8,
    /// Integrity algorithms.
    pub eia: u8,
}

// TS 24.334 §12.5.1.22
const fn bit(algorithm: Algorithm) -> u8 {
    0x80 >> algorithm.id()
}

/// A UE's policy for one kind of protection. TS 33.536 §5.3.3.1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Need {
    /// The UE uses no protection.
    NotNeeded = 0,
    /// The UE uses protection if the peer can.
    Preferred = 1,
    /// The UE uses protection or no link.
    Required = 2,
}

impl Need {
    /// Reads the 3 bits of a message; TS 24.587 §8.4 (values from memory).
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::NotNeeded),
            1 => Some(Self::Preferred),
            2 => Some(Self::Required),
            _ => None,
        }
    }

    /// Derives the policy from the offered algorithms of one kind, where no message states it (LTE): without the null
    /// algorithm it is required, with the null algorithm alone it is not needed.
    pub const fn from_offer(bits: u8) -> Self {
        match bits {
            0x80 => Self::NotNeeded,
            _ if bits & 0x80 != 0 => Self::Preferred,
            _ => Self::Required,
        }
    }

    /// Returns whether two UEs protect; `None` when one requires it and the other does not use it.
    const fn meet(self, other: Self) -> Option<bool> {
        match (self, other) {
            (Self::Required, Self::NotNeeded) | (Self::NotNeeded, Self::Required) => None,
            (Self::NotNeeded, _) | (_, Self::NotNeeded) => Some(false),
            _ => Some(true),
        }
    }
}

/// A UE's stated policy: in NR its messages state it, in LTE it is derived from its capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stated {
    /// Integrity of signalling.
    pub integrity: Need,
    /// Ciphering of signalling.
    pub ciphering: Need,
}

impl Capabilities {
    /// Returns the policy that these capabilities imply.
    pub const fn stated(self) -> Stated {
        Stated { integrity: Need::from_offer(self.eia), ciphering: Need::from_offer(self.eea) }
    }

    /// Whether both algorithms are included.
    pub(super) const fn has(self, chosen: Chosen) -> bool {
        self.eea & bit(chosen.eea) != 0 && self.eia & bit(chosen.eia) != 0
    }
}

/// The rules of one UE for one kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Integrity of signalling. Every link rests on a KD, so [`Need::Preferred`] is as strict as [`Need::Required`]:
    /// null integrity is chosen only where neither end uses integrity.
    pub integrity: Need,
    // TS 33.303 §6.5.2 (2)
    /// Ciphering of signalling and user data.
    pub ciphering: Need,
    /// Integrity of user data: only in the 5G twin, never in LTE (TR 33.833 key issue 4.2).
    pub up_integrity: Need,
    /// Ciphering algorithms, best first. The null algorithm is added where the policy allows it.
    pub eea: [Algorithm; 3],
    /// Integrity algorithms, best first.
    pub eia: [Algorithm; 3],
}

impl Default for Policy {
    /// Returns a policy that requires every protection of signalling, in the order AES, SNOW 3G, ZUC.
    fn default() -> Self {
        let order = [Algorithm::Aes, Algorithm::Snow3g, Algorithm::Zuc];
        Self {
            integrity: Need::Required,
            ciphering: Need::Required,
            up_integrity: Need::NotNeeded,
            eea: order,
            eia: order,
        }
    }
}

/// The negotiated algorithms of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chosen {
    /// Ciphering algorithm.
    pub eea: Algorithm,
    /// Integrity algorithm.
    pub eia: Algorithm,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EEA{}/EIA{}", self.eea.id(), self.eia.id())
    }
}

/// Reason why two UEs do not agree. The fault of the peer, of an attacker, or of the operators who set the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disagreement {
    /// The command does not echo our request: it was changed on the way (bidding-down).
    EchoDiffers {
        /// Capabilities that we sent.
        sent: Capabilities,
        /// Capabilities in the echo.
        echoed: Capabilities,
    },
    /// The command does not echo our policy: it was changed on the way.
    PolicyEchoDiffers,
    /// The UEs have no algorithm in common.
    NothingInCommon,
    /// One UE requires a protection that the other does not use.
    PolicyMismatch,
    /// The peer chose an algorithm that we did not offer.
    NotOffered(Chosen),
    /// The peer chose an algorithm that is not among those that it signed.
    NotSigned(Chosen),
    /// A null algorithm against our policy, or a null integrity under ciphering.
    NullRefused(Chosen),
    /// Re-keying would switch a protection on or off: by a note of TR 33.847 it stays for the life of a link.
    ActivationChanges(Chosen),
    /// The KD-sess ID is 0 or in use, or no half is free.
    Identity,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EchoDiffers { sent, echoed } => write!(
                f,
                "the capabilities came back changed (sent {:02x}{:02x}, echoed {:02x}{:02x}): bidding-down",
                sent.eea, sent.eia, echoed.eea, echoed.eia
            ),
            Self::PolicyEchoDiffers => f.write_str("the security policy came back changed: bidding-down"),
            Self::NothingInCommon => f.write_str("no algorithm in common: compare the policies of both UEs"),
            Self::PolicyMismatch => {
                f.write_str("one UE requires a protection that the other does without: compare the policies")
            }
            Self::NotOffered(chosen) => write!(f, "the peer chose {chosen}, which was not offered"),
            Self::NotSigned(chosen) => {
                write!(f, "the peer chose {chosen}, which it did not sign that it accepts")
            }
            Self::NullRefused(chosen) => write!(f, "{chosen} leaves off what the policy requires"),
            Self::ActivationChanges(chosen) => {
                write!(f, "{chosen} would switch a protection on or off during the link")
            }
            Self::Identity => f.write_str("the KD-sess ID is 0, or in use, or every half is in use"),
        }
    }
}

impl std::error::Error for Disagreement {}

impl Policy {
    /// Returns the capabilities that this UE offers.
    pub fn capabilities(&self) -> Capabilities {
        let bits = |order: &[Algorithm; 3], need: Need| {
            let real = order.iter().filter(|a| **a != Algorithm::Null).fold(0, |bits, a| bits | bit(*a));
            match need {
                Need::Required => real,
                Need::Preferred => real | bit(Algorithm::Null),
                Need::NotNeeded => bit(Algorithm::Null),
            }
        };
        // The first UE to answer could choose null integrity: it is offered only where the policy uses no integrity.
        let integrity = match self.integrity {
            Need::Preferred => Need::Required,
            need => need,
        };
        Capabilities { eea: bits(&self.eea, self.ciphering), eia: bits(&self.eia, integrity) }
    }

    /// Makes UE_2's choice among the algorithms that UE_1 `offered`: the first of its own order that both have.
    /// `stated` is UE_1's policy where its message states it; otherwise it is derived from the offer.
    pub fn choose(&self, offered: Capabilities, stated: Option<Stated>) -> Result<Chosen, Disagreement> {
        let Stated { integrity, ciphering } = stated.unwrap_or(offered.stated());
        let pick = |own: Need, peer: Need, order: &[Algorithm; 3], bits: u8| {
            let null = bits & bit(Algorithm::Null) != 0 && own != Need::Required;
            if own.meet(peer).ok_or(Disagreement::PolicyMismatch)? {
                let real = order.iter().find(|a| **a != Algorithm::Null && bits & bit(**a) != 0);
                match real {
                    Some(algorithm) => Ok(*algorithm),
                    None if null => Ok(Algorithm::Null),
                    None => Err(Disagreement::NothingInCommon),
                }
            } else if null {
                Ok(Algorithm::Null)
            } else {
                Err(Disagreement::NothingInCommon)
            }
        };
        let eia = pick(self.integrity, integrity, &self.eia, offered.eia)?;
        let eea = pick(self.ciphering, ciphering, &self.eea, offered.eea)?;
        let chosen = Chosen { eea, eia };
        self.check_null(chosen)?;
        Ok(chosen)
    }

    /// Checks UE_2's choice at UE_1.
    pub(super) fn check(&self, offered: Capabilities, chosen: Chosen) -> Result<(), Disagreement> {
        if !offered.has(chosen) {
            return Err(Disagreement::NotOffered(chosen));
        }
        self.check_null(chosen)
    }

    /// Allows null algorithms only where the policy does, and no ciphering without integrity of signalling. Null
    /// integrity proves no identity, though both ends hold a KD: a policy that prefers integrity does not allow it.
    fn check_null(&self, chosen: Chosen) -> Result<(), Disagreement> {
        let null = |a| a == Algorithm::Null;
        let refused = null(chosen.eia) && (self.integrity != Need::NotNeeded || !null(chosen.eea))
            || null(chosen.eea) && self.ciphering == Need::Required;
        if refused { Err(Disagreement::NullRefused(chosen)) } else { Ok(()) }
    }

    /// Returns whether user data is integrity protected between this policy and the peer's, under the algorithms that
    /// were chosen for signalling. Ciphering is the same for both: a peer that demands another for its user data is
    /// refused.
    pub fn user_plane(&self, peer: Stated, chosen: Chosen) -> Result<bool, Disagreement> {
        let ciphered = chosen.eea != Algorithm::Null;
        let wanted = if ciphered { Need::NotNeeded } else { Need::Required };
        if peer.ciphering == wanted {
            return Err(Disagreement::PolicyMismatch);
        }
        let met = self.up_integrity.meet(peer.integrity).ok_or(Disagreement::PolicyMismatch)?;
        let required = self.up_integrity == Need::Required || peer.integrity == Need::Required;
        match (met, chosen.eia) {
            (true, Algorithm::Null) if required => Err(Disagreement::PolicyMismatch),
            (on, eia) => Ok(on && eia != Algorithm::Null),
        }
    }

    /// Checks UE_2's statement on user data at UE_1.
    pub fn allows_user_plane(&self, integrity: bool, ciphering: bool, chosen: Chosen) -> bool {
        let forbidden = if integrity { Need::NotNeeded } else { Need::Required };
        self.up_integrity != forbidden
            && ciphering == (chosen.eea != Algorithm::Null)
            && (!integrity || chosen.eia != Algorithm::Null)
    }
}
