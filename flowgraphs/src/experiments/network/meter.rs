//! Messages, octets and round trips of each reference point.

use std::collections::BTreeMap;
use std::fmt;

/// A reference point of the network side. TS 23.303 §4.2.2, TS 33.220 §4.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ReferencePoint {
    /// UE to BSF: HTTP Digest AKA.
    Ub,
    /// BSF to HSS: authentication vectors.
    Zh,
    /// NAF to BSF: Ks_NAF.
    Zn,
    /// UE to ProSe Function: codes, filters, keys, match reports.
    Pc3,
    /// ProSe Function to HSS: subscriptions.
    Pc4a,
    /// UE to PKMF: requests for keys.
    Pc8,
    /// PKMF to UE and back: keys, over UDP.
    Mikey,
}

impl ReferencePoint {
    pub(crate) const ALL: [Self; 7] =
        [Self::Ub, Self::Zh, Self::Zn, Self::Pc3, Self::Pc4a, Self::Pc8, Self::Mikey];

    /// Whether a UE is one of its ends.
    const fn is_of_ues(self) -> bool {
        matches!(self, Self::Ub | Self::Pc3 | Self::Pc8 | Self::Mikey)
    }
}

impl fmt::Display for ReferencePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ub => "Ub",
            Self::Zh => "Zh",
            Self::Zn => "Zn",
            Self::Pc3 => "PC3",
            Self::Pc4a => "PC4a",
            Self::Pc8 => "PC8",
            Self::Mikey => "MIKEY",
        })
    }
}

/// What went over a reference point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Messages, both ways; a handshake has its own.
    pub(crate) messages: u64,
    /// Octets of HTTP and TLS, or of MIKEY, without those of TCP, UDP and IP. 0 where no format is simulated (Zh, Zn, PC4a).
    pub(crate) octets: u64,
    /// Round trips that were waited for one after another.
    pub(crate) round_trips: u64,
    /// Transport blocks, where the UE reaches the network through a relay ([`super::relay`]).
    pub(crate) blocks: u64,
}

/// Costs by reference point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meter(BTreeMap<ReferencePoint, Cost>);

impl Meter {
    /// Counts a message.
    pub(crate) fn message(&mut self, at: ReferencePoint, octets: usize) {
        let cost = self.0.entry(at).or_default();
        cost.messages += 1;
        cost.octets += octets as u64;
        cost.blocks += if at.is_of_ues() { super::relay::blocks(octets) } else { 0 };
    }

    /// Counts a round trip.
    pub(crate) fn round_trips(&mut self, at: ReferencePoint, round_trips: u64) {
        self.0.entry(at).or_default().round_trips += round_trips;
    }

    /// Returns what was counted since `before`, all reference points together.
    pub(crate) fn since(&self, before: &Self) -> Cost {
        let mut sum = Cost::default();
        for at in ReferencePoint::ALL {
            let (now, then) = (self.cost(at), before.cost(at));
            sum.messages += now.messages - then.messages;
            sum.octets += now.octets - then.octets;
            sum.round_trips += now.round_trips - then.round_trips;
            sum.blocks += now.blocks - then.blocks;
        }
        sum
    }

    /// Returns the cost of a reference point.
    pub(crate) fn cost(&self, at: ReferencePoint) -> Cost {
        self.0.get(&at).copied().unwrap_or_default()
    }
}
