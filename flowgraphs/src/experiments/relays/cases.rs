//! Which scenarios of relays there are.

use super::certificates::Certificates;
use super::eap::{EapBy, EapSettings};
use super::predicted::Turns;
use super::pruk::PrukSettings;
use crate::experiments::cases::Expect;
use sidelink_phy::units::Decibel;

mod eap;
mod pruk;

/// A scenario.
#[derive(Clone, Copy)]
pub(crate) struct RelayScenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Where the KDs come from.
    pub(crate) keying: Keying,
    /// Remote UEs, where the command line does not say it.
    pub(crate) remotes: usize,
    /// Relays: each remote UE asks one after the other.
    pub(crate) relays: usize,
    /// What is re-keyed.
    pub(crate) rekeys: Rekeys,
    /// Whether remote UEs send data to the first relay.
    pub(crate) talks: bool,
    pub(crate) attack: Option<RelayAttack>,
}

/// Where the KDs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keying {
    /// PRUKs of a PKMF: TS 33.303 §6.7.3.2.1.
    Pruk(PrukSettings),
    /// EAP-AKA' through the relay: TR 33.833 §6.5.1.
    Eap(EapSettings),
    /// Certificates (method 2): no specification has it for relays.
    Certificates,
}

impl Keying {
    /// Its name in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pruk(_) => "PRUK",
            Self::Eap(_) => "EAP-AKA'",
            Self::Certificates => "certificates",
        }
    }

    /// Returns what a set-up should take.
    pub(crate) fn turns(self) -> Turns {
        match self {
            Self::Pruk(settings) => settings.turns(),
            Self::Eap(settings) => settings.turns(),
            Self::Certificates => Certificates::TURNS,
        }
    }
}

/// The three re-keyings of TS 33.303 §6.7.3.2.1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rekeys {
    /// None.
    None,
    /// The session key alone.
    Session,
    /// KD, as the remote UE wants it.
    Kd,
    /// KD, as the relay wants it: DIRECT_REKEYING_TRIGGER.
    KdByRelay,
}

impl Rekeys {
    /// Whether the remote UE asks for a new KD.
    pub(crate) const fn makes_kd(self) -> bool {
        matches!(self, Self::Kd)
    }
}

/// Who else is there, and what must come of it.
#[derive(Clone, Copy)]
pub(crate) struct RelayAttack {
    pub(crate) by: By,
    pub(crate) expect: Expect,
}

/// Who attacks, or what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The way from the relay to the network is cut.
    Cut,
    /// A5: a relay with a way to the PKMF, which does not know it as one.
    Unauthorised,
    /// A6: the remote UE is stolen, and the operator revokes its PRUKs between two links.
    Revoked,
    /// Nobody: the remote UE has no PRUK, and shows its IMSI to nobody.
    Nameless,
    /// A5: the first relay gives what it was granted to a radio that takes the place of the second.
    Mixup,
    /// A0: listens.
    Listen,
    /// A1 in the place of the relay: refuses every request.
    Refuse,
    /// A1: answers requests with commands whose GPI is garbage.
    Garbage,
    /// A2: answers requests with commands whose GPI the remote UE has used.
    OldGpi,
    /// A1: sends requests to the relay.
    Flood(Names),
    /// A3: keeps back the first DIRECT_COMMUNICATION_ACCEPT.
    Jam,
    /// What is only there with EAP.
    Eap(EapBy),
}

/// The names in a flood of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// PRUK IDs that nobody has.
    Random,
    /// The IMSI of the remote UE.
    Victim,
}

/// Which links must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linked {
    /// Those with every relay.
    All,
    /// Those with the first relay, and no other.
    First,
    /// None.
    None,
    /// Any of them, or none: the attack leaves it to chance.
    Perhaps,
}

impl By {
    /// The capability of the proposals' digest.
    pub(crate) const fn adversary(self) -> &'static str {
        match self {
            Self::Cut | Self::Nameless => "nobody",
            Self::Listen => "A0",
            Self::Refuse | Self::Garbage | Self::Flood(_) => "A1",
            Self::OldGpi => "A2",
            Self::Jam => "A3",
            Self::Unauthorised | Self::Mixup => "A5",
            Self::Revoked => "A6",
            Self::Eap(by) => by.adversary(),
        }
    }

    /// Returns which links must be while it lasts.
    pub(crate) const fn linked(self) -> Linked {
        match self {
            Self::Cut | Self::Unauthorised | Self::Nameless | Self::Refuse => Linked::None,
            // The network grants a name so many vectors, and whoever uses the name takes them.
            Self::Flood(Names::Victim) => Linked::None,
            Self::Revoked | Self::Mixup => Linked::First,
            Self::Eap(by) => by.linked(),
            Self::Listen | Self::Garbage | Self::OldGpi | Self::Flood(_) | Self::Jam => Linked::All,
        }
    }
}

/// One run to do.
#[derive(Clone, Copy)]
pub(crate) struct RelayCase<'a> {
    pub(crate) scenario: &'a RelayScenario,
    pub(crate) remotes: usize,
    /// SC period in subframes.
    pub(crate) period: u64,
    /// Es/N0.
    pub(crate) snr: Decibel,
    /// I_MCS of PSSCH.
    pub(crate) mcs: u8,
    /// Milliseconds there and back between a UE and the network.
    pub(crate) network_rtt: u64,
    /// Duration instead of the scenario's, after the last link was asked for.
    pub(crate) seconds: Option<u64>,
    pub(crate) seed: u64,
}

/// Milliseconds there and back between two functions of the network.
pub(crate) const CORE_RTT: u64 = 20;

impl RelayCase<'_> {
    /// Returns the longest time of an answer of the network: the relay asks the PKMF, that a BSF, that an HSS.
    pub(crate) const fn rtt(&self) -> u64 {
        self.network_rtt + 2 * CORE_RTT
    }

    /// Returns the time that the links give the network: a remote UE waits a quarter of it in its first try, in which an answer
    /// comes, even one after a resynchronisation.
    pub(crate) const fn network_time(&self) -> u64 {
        4 * self.rtt()
    }

    /// Returns when all tries of a set-up are over.
    pub(crate) const fn tries_end(&self) -> u64 {
        60 * self.period + 4000 + 4 * self.network_time()
    }
}

impl RelayScenario {
    /// Whether it lasts until all tries of a set-up are over.
    pub(crate) const fn waits_for_tries(&self) -> bool {
        self.attack.is_some()
    }
}

const PLAIN: RelayScenario = RelayScenario {
    name: "",
    what: "",
    keying: Keying::Pruk(PrukSettings::CACHED),
    remotes: 1,
    relays: 1,
    rekeys: Rekeys::None,
    talks: false,
    attack: None,
};

/// All scenarios, in the order of the list.
pub(crate) fn all() -> impl Iterator<Item = &'static RelayScenario> {
    pruk::SCENARIOS.iter().chain(eap::SCENARIOS)
}
