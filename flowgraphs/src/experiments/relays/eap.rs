//! KDs by EAP-AKA' through the relay: an AAA server with its HSS, remote UEs with USIMs, and relays as clients of RADIUS. TR 33.833
//! §6.5.1.
//!
//! ```text
//! network.rs    the AAA server and its HSS, as messages of RADIUS
//! ports.rs      what stands behind the adapters of `relay_eap` here
//! attackers.rs  ends that do not do what they should
//! radios.rs     radios that listen, and that ask without end
//! ```
//!
//! The round trip to the network is that between relay and AAA server; its HSS stands beside it and answers at once.

mod attackers;
mod network;
mod ports;
pub(crate) mod radios;

use super::attackers::GAIN;
use super::cases::{By, Linked, RelayCase};
use super::keying::KeyingNetwork;
use super::parties::Party;
use super::predicted::Turns;
use crate::attacks::relay_flood::Sources;
use crate::experiments::log::{Entries, Entry};
use crate::experiments::metrics::NetworkSpent;
use crate::relay_eap::relay::RelayEap;
use crate::relay_eap::remote::RemoteEap;
use attackers::{Posing, Replaying};
use network::{HssKeys, Network, Prepared, Shared, Subscribers};
use ports::{OnLink, Reach, RelayWay, RemoteDisk};
use sidelink_network::aaa::{FirstIdentity, ResultIndications};
use sidelink_network::relay_access::KdMaker;
use sidelink_prose::direct_link::Event;
use sidelink_ue::air_rng::AirRng;
use sidelink_ue::{KeyNetwork, Ue};
use std::collections::BTreeMap;

/// What is special about the EAP of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EapSettings {
    /// What remote UEs have done before.
    pub(crate) before: Before,
    /// Who makes the KD.
    pub(crate) maker: KdMaker,
    /// Whether the IMSI of the first response is believed.
    pub(crate) first_identity: FirstIdentity,
    /// Whether success is told under AT_MAC.
    pub(crate) result_indications: ResultIndications,
}

/// Who attacks, or what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EapBy {
    /// A5: a relay without a way to the AAA server makes challenges of its own.
    WithoutAaa,
    /// A5: a relay of the network announces the name of another one.
    OtherName(KdMaker),
    /// A5: the same, and says so to the AAA server too.
    LyingToAaa,
    /// A8: a subscriber who may not use the relay.
    NotAllowed,
    /// A8: a radio asks the relay without end.
    Flood(Sources),
    /// A2: a relay says a challenge again.
    ReplaysChallenge,
    /// A0: a radio collects identities.
    Collects,
    /// A5: a relay that had a remote UE poses as it.
    PosesAsRemote,
    /// A5: a relay reads what it passes on.
    Curious,
}

impl EapBy {
    /// The capability of the proposals' digest.
    pub(crate) const fn adversary(self) -> &'static str {
        match self {
            Self::Collects => "A0",
            Self::ReplaysChallenge => "A2",
            Self::WithoutAaa
            | Self::OtherName(_)
            | Self::LyingToAaa
            | Self::PosesAsRemote
            | Self::Curious => "A5",
            Self::NotAllowed | Self::Flood(_) => "A8",
        }
    }

    /// Returns which links must be while it lasts.
    pub(crate) const fn linked(self) -> Linked {
        match self {
            Self::OtherName(KdMaker::Relay) | Self::Collects | Self::Curious => Linked::All,
            // Whoever floods takes the places of others while it lasts: who gets one is chance.
            Self::Flood(_) => Linked::Perhaps,
            Self::WithoutAaa
            | Self::OtherName(KdMaker::Network)
            | Self::LyingToAaa
            | Self::NotAllowed
            | Self::ReplaysChallenge
            | Self::PosesAsRemote => Linked::None,
        }
    }
}

/// What a remote UE has done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing: the network knows its IMSI alone.
    Nothing,
    /// It was authenticated through a relay: it has a pseudonym, and is authenticated fast.
    Authenticated,
}

/// Seconds that a KD lives.
const LIFETIME: u32 = 3600;

/// A relay of the network under this name stands where another is announced.
const OTHER: &str = "mallory";

impl EapSettings {
    /// The first time, with as few rounds as there can be.
    pub(crate) const FULL: Self = Self {
        before: Before::Nothing,
        maker: KdMaker::Network,
        first_identity: FirstIdentity::Used,
        result_indications: ResultIndications::Never,
    };

    /// Returns what a set-up should take: EAP-Success and the command share a period.
    pub(crate) fn turns(self) -> Turns {
        let asked_again = self.before == Before::Nothing && self.first_identity == FirstIdentity::AskedAgain;
        let told = self.result_indications == ResultIndications::Offered;
        let more = u64::from(asked_again) + u64::from(told);
        Turns { messages: 8 + 2 * more, round_trips: 2 + more, vectors: 0 }
    }
}

/// The network of a case, for its parties.
pub(crate) struct EapNetwork {
    by: Option<By>,
    rtt: u64,
    seed: u64,
    shared: Shared,
    /// The AAA server of a relay that has none.
    made_up: Option<Shared>,
}

/// Opens the network of a case.
///
/// # Errors
/// A name that is none.
pub(crate) fn open(case: &RelayCase<'_>, settings: EapSettings) -> anyhow::Result<EapNetwork> {
    let by = case.scenario.attack.map(|attack| attack.by);
    let subscribers = match by {
        Some(By::Eap(EapBy::NotAllowed)) => Subscribers::NotAllowed,
        _ => Subscribers::Allowed,
    };
    let proven = |relay: usize| match by {
        Some(By::Eap(EapBy::OtherName(_) | EapBy::LyingToAaa)) => OTHER.to_owned(),
        _ => Party::Relay(relay).name(),
    };
    let network = Network::new(case, settings, (HssKeys::True, subscribers), proven)?;
    let announced = |relay: usize| Party::Relay(relay).name();
    let made_up = match by {
        Some(By::Eap(EapBy::WithoutAaa)) => {
            let keys = (HssKeys::MadeUp, Subscribers::Allowed);
            Some(Shared::new(Network::new(case, settings, keys, announced)?))
        }
        _ => None,
    };
    let (rtt, seed, shared) = (case.network_rtt, case.seed, Shared::new(network));
    Ok(EapNetwork { by, rtt, seed, shared, made_up })
}

impl EapNetwork {
    fn rng(&self, party: Party) -> AirRng {
        AirRng::seeded(self.seed, &format!("eap of {}", party.name()))
    }

    /// The end of a remote UE.
    fn remote(&self, party: Party, number: usize) -> anyhow::Result<Box<dyn KeyNetwork>> {
        if self.by == Some(By::Eap(EapBy::PosesAsRemote)) {
            return Ok(Box::new(Posing::new(number)?));
        }
        let mut prepared = self.shared.open().remote(number)?;
        if self.by == Some(By::Eap(EapBy::ReplaysChallenge)) {
            // The relay has kept what it heard.
            self.shared.open().authenticate(number, &mut prepared)?;
        }
        let Prepared { peer, challenge } = prepared;
        if let Some(challenge) = challenge {
            self.shared.open().keep(challenge);
        }
        let disk = RemoteDisk::new(self.shared.clone());
        Ok(Box::new(RemoteEap::new(peer, disk, self.rng(party))))
    }

    /// The end of a relay.
    fn relay(&self, party: Party, number: usize) -> anyhow::Result<Box<dyn KeyNetwork>> {
        if self.by == Some(By::Eap(EapBy::ReplaysChallenge)) {
            return Ok(Box::new(Replaying::new(self.shared.clone())));
        }
        let reach = if self.by == Some(By::Cut) { Reach::Away } else { Reach::There };
        let (name, on_link): (String, OnLink) = match self.by {
            Some(By::Eap(EapBy::OtherName(_))) => (OTHER.to_owned(), Some(LINKED_ELSEWHERE)),
            _ => (party.name(), None),
        };
        let nas = self.shared.open().nas(number, &name)?;
        let network = self.made_up.as_ref().unwrap_or(&self.shared).clone();
        let way = RelayWay::new(network, (number, reach), self.rtt, on_link);
        Ok(Box::new(RelayEap::new(nas, way, self.rng(party))))
    }
}

/// A relay that is authorised under its own name has a link under that of another.
const LINKED_ELSEWHERE: &str = "gain: links of remote UEs that believe to be at another relay";

impl KeyingNetwork for EapNetwork {
    fn equip(&self, ue: &mut Ue, party: Party) -> anyhow::Result<()> {
        let way = match party {
            Party::Remote(number) => self.remote(party, number)?,
            Party::Relay(number) => self.relay(party, number)?,
            Party::Impostor => anyhow::bail!("an impostor has no network"),
        };
        let Some(links) = ue.stack().links() else { anyhow::bail!("{} has no links", party.name()) };
        links.establish_through_relay(way);
        Ok(())
    }

    fn user(&self, remote: usize) -> Option<String> {
        Some(Party::Remote(remote).name())
    }

    fn spent(&self) -> NetworkSpent {
        self.shared.open().spent()
    }

    fn vectors(&self) -> u64 {
        self.shared.open().vectors()
    }

    fn findings(&self) -> BTreeMap<String, u64> {
        let mut findings = self.shared.open().findings();
        if let Some(made_up) = &self.made_up {
            let of_it = made_up.open().findings();
            findings.extend(of_it.into_iter().map(|(what, n)| (format!("without AAA: {what}"), n)));
        }
        findings
    }

    fn gains(&self, entries: &BTreeMap<Party, Entries>) -> BTreeMap<String, u64> {
        debug_assert!(LINKED_ELSEWHERE.starts_with(GAIN));
        let mut gains = BTreeMap::new();
        let network = self.shared.open();
        // T5.1-3: whoever tries costs one vector, and a USIM that is out of step another.
        let beyond = network.vectors().saturating_sub(network.begun());
        if beyond > 0 {
            gains.insert(format!("{GAIN}vectors beyond one an exchange"), beyond);
        }
        if self.by == Some(By::Eap(EapBy::Curious)) {
            let of_relays = entries.iter().filter(|(party, _)| matches!(party, Party::Relay(_)));
            let is_read = |entry: &Entry| matches!(entry, Entry::Link(Event::Received(_)));
            let read = of_relays.flat_map(|(_, log)| log).filter(|(_, entry)| is_read(entry)).count();
            gains.insert(format!("{GAIN}messages of remote UEs that the relay reads"), read as u64);
        }
        gains
    }
}

#[cfg(test)]
mod tests;
