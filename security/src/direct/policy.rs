//! Which algorithms protect a link: capabilities, policies and the choice.

use std::fmt;

use crate::cipher::Algorithm;

/// Algorithms that a UE accepts for a link: EEA0 to EEA7 and EIA0 to EIA7, each from the top bit down. TS 38.508-1
/// §4.7.4 (the coding of the 5G twin). The null algorithm stands in it only where its policy allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Ciphering.
    pub eea: u8,
    /// Integrity.
    pub eia: u8,
}

// TS 24.334 §12.5.1.22
const fn bit(algorithm: Algorithm) -> u8 {
    0x80 >> algorithm.id()
}

/// How a UE stands to one protection. TS 33.536 §5.3.3.1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Need {
    /// Without it.
    NotNeeded = 0,
    /// With it, if the peer can.
    Preferred = 1,
    /// With it or not at all.
    Required = 2,
}

impl Need {
    /// From the 3 bits of a message; TS 24.587 §8.4 (values from memory).
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::NotNeeded),
            1 => Some(Self::Preferred),
            2 => Some(Self::Required),
            _ => None,
        }
    }

    /// What the offered algorithms of one kind say of the policy, where no message states it (LTE): without the null
    /// algorithm it is required, with nothing else it is not needed.
    pub const fn from_offer(bits: u8) -> Self {
        match bits {
            0x80 => Self::NotNeeded,
            _ if bits & 0x80 != 0 => Self::Preferred,
            _ => Self::Required,
        }
    }

    /// On or off between two UEs; `None` when one requires what the other does without.
    const fn meet(self, other: Self) -> Option<bool> {
        match (self, other) {
            (Self::Required, Self::NotNeeded) | (Self::NotNeeded, Self::Required) => None,
            (Self::NotNeeded, _) | (_, Self::NotNeeded) => Some(false),
            _ => Some(true),
        }
    }
}

/// What a UE says of its policy: in NR its messages do, in LTE its capabilities are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stated {
    /// Integrity of signalling.
    pub integrity: Need,
    /// Ciphering of signalling.
    pub ciphering: Need,
}

impl Capabilities {
    /// The policy that offers these.
    pub const fn stated(self) -> Stated {
        Stated { integrity: Need::from_offer(self.eia), ciphering: Need::from_offer(self.eea) }
    }

    /// Whether both algorithms are among these.
    pub(super) const fn has(self, chosen: Chosen) -> bool {
        self.eea & bit(chosen.eea) != 0 && self.eia & bit(chosen.eia) != 0
    }
}

/// The rules of one UE for one kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Integrity of signalling. Every link rests on a KD, so that [`Need::Preferred`] is as strict as [`Need::Required`]:
    /// null integrity is chosen only where both ends want none.
    pub integrity: Need,
    // TS 33.303 §6.5.2 (2)
    /// Ciphering of signalling and user data.
    pub ciphering: Need,
    /// Integrity of user data: the 5G twin only, never in LTE (TR 33.833 key issue 4.2).
    pub up_integrity: Need,
    /// Ciphering algorithms, the best first. The null algorithm is added where the policy allows it.
    pub eea: [Algorithm; 3],
    /// Integrity algorithms, the best first.
    pub eia: [Algorithm; 3],
}

impl Default for Policy {
    /// Everything required: AES, SNOW 3G, ZUC.
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

/// The algorithms of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chosen {
    /// Ciphering.
    pub eea: Algorithm,
    /// Integrity.
    pub eia: Algorithm,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EEA{}/EIA{}", self.eea.id(), self.eia.id())
    }
}

/// Why two UEs do not agree. The peer's fault, an attacker's, or the operators' who gave them such policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disagreement {
    /// The command does not echo what was asked for: somebody changed it on the way (bidding-down).
    EchoDiffers {
        /// What we sent.
        sent: Capabilities,
        /// What came back.
        echoed: Capabilities,
    },
    /// The command does not echo our policy: somebody changed it on the way.
    PolicyEchoDiffers,
    /// No algorithm in common.
    NothingInCommon,
    /// One requires what the other does without.
    PolicyMismatch,
    /// The peer chose an algorithm that we did not offer.
    NotOffered(Chosen),
    /// The peer chose an algorithm that is not among those that it signed.
    NotSigned(Chosen),
    /// A null algorithm against our policy, or a null integrity under ciphering.
    NullRefused(Chosen),
    /// Re-keying would switch a protection on or off: TR 33.847 note, it stays for the life of a link.
    ActivationChanges(Chosen),
    /// The KD-sess ID is 0, or in use, or no half is free.
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
    /// What this UE offers.
    pub fn capabilities(&self) -> Capabilities {
        let bits = |order: &[Algorithm; 3], need: Need| {
            let real = order.iter().filter(|a| **a != Algorithm::Null).fold(0, |bits, a| bits | bit(*a));
            match need {
                Need::Required => real,
                Need::Preferred => real | bit(Algorithm::Null),
                Need::NotNeeded => bit(Algorithm::Null),
            }
        };
        // Null integrity would be chosen by whoever answers first: it is offered only where nothing else is wanted.
        let integrity = match self.integrity {
            Need::Preferred => Need::Required,
            need => need,
        };
        Capabilities { eea: bits(&self.eea, self.ciphering), eia: bits(&self.eia, integrity) }
    }

    /// UE_2's choice among what UE_1 `offered`: the first of its own order that both have. `stated` is UE_1's policy
    /// where its message says it; else it is read off the offer.
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

    /// UE_1's check of UE_2's choice.
    pub(super) fn check(&self, offered: Capabilities, chosen: Chosen) -> Result<(), Disagreement> {
        if !offered.has(chosen) {
            return Err(Disagreement::NotOffered(chosen));
        }
        self.check_null(chosen)
    }

    /// Null only where the policy allows it, and no ciphering without integrity of signalling. Null integrity proves
    /// nobody, though both ends hold a KD: a policy that prefers integrity does not allow it.
    fn check_null(&self, chosen: Chosen) -> Result<(), Disagreement> {
        let null = |a| a == Algorithm::Null;
        let refused = null(chosen.eia) && (self.integrity != Need::NotNeeded || !null(chosen.eea))
            || null(chosen.eea) && self.ciphering == Need::Required;
        if refused { Err(Disagreement::NullRefused(chosen)) } else { Ok(()) }
    }

    /// Whether user data is protected in its integrity between this policy and the peer's, under what was chosen for
    /// signalling. Ciphering is one for both: a peer that wants another for its user data is refused.
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

    /// UE_1's check of what UE_2 says of user data.
    pub fn allows_user_plane(&self, integrity: bool, ciphering: bool, chosen: Chosen) -> bool {
        let forbidden = if integrity { Need::NotNeeded } else { Need::Required };
        self.up_integrity != forbidden
            && ciphering == (chosen.eea != Algorithm::Null)
            && (!integrity || chosen.eia != Algorithm::Null)
    }
}
