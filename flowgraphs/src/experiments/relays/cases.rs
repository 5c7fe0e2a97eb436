//! Which scenarios of relays there are.

use super::predicted::Turns;
use super::pruk::PrukSettings;
use crate::experiments::cases::Expect;
use sidelink_phy::units::Decibel;

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
}

impl Keying {
    /// Its name in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pruk(_) => "PRUK",
        }
    }

    /// Returns what a set-up should take.
    pub(crate) const fn turns(self) -> Turns {
        match self {
            Self::Pruk(settings) => settings.turns(),
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
}

impl By {
    /// The capability of the proposals' digest.
    pub(crate) const fn adversary(self) -> &'static str {
        match self {
            Self::Cut => "nobody",
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

    /// Returns the time that the links give the network.
    pub(crate) const fn network_time(&self) -> u64 {
        let twice = 2 * self.rtt();
        if twice > 400 { twice } else { 400 }
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
    pruk::SCENARIOS.iter()
}
