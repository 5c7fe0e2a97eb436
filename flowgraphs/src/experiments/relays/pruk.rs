//! KDs from PRUKs: a PKMF with its BSF and HSS, remote UEs and relays. TS 33.303 §6.7.3.2.1.
//!
//! ```text
//! network.rs  the functions of the network, and the ways between them
//! ports.rs    what stands behind the adapters of `relay_keys` here
//! ```

mod network;
mod ports;

use super::cases::{By, RelayCase};
use super::keying::KeyingNetwork;
use super::parties::Party;
use super::predicted::Turns;
use crate::experiments::metrics::NetworkSpent;
use crate::relay_keys::relay::{RelayKeys, RelaySettings};
use crate::relay_keys::remote::{RemoteKeys, RemoteSettings};
use network::{Network, Shared, imsi, subscriber};
use ports::{RelayWay, RemoteDisk};
use sidelink_network::remote_ue::{Config, ImsiPolicy};
use sidelink_network::usim::Usim;
use sidelink_ue::Ue;
use std::collections::BTreeMap;

/// What is special about the keys of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PrukSettings {
    /// Whether remote UEs have fetched a PRUK before.
    pub(crate) pruk: Held,
    /// When they show their IMSI.
    pub(crate) policy: ImsiPolicy,
    /// Their USIMs.
    pub(crate) card: Card,
}

/// Whether a remote UE has a PRUK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It fetched one over PC8, in coverage.
    Cached,
    /// It has none.
    None,
}

/// The sequence numbers of a USIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Card {
    /// Those of the HSS.
    InStep,
    /// Ahead of those of the HSS: it was used elsewhere, or the HSS lost its state.
    Ahead,
}

impl PrukSettings {
    /// A PRUK that was fetched before.
    pub(crate) const CACHED: Self =
        Self { pruk: Held::Cached, policy: ImsiPolicy::WhenProven, card: Card::InStep };

    /// Returns what a set-up should take.
    pub(crate) const fn turns(self) -> Turns {
        let (messages, round_trips, vectors) = match (self.pruk, self.card) {
            (Held::Cached, _) => (4, 1, 0),
            (Held::None, Card::InStep) => (4, 1, 1),
            // DIRECT_SECURITY_MODE_REJECT and another command; the first vector is in vain.
            (Held::None, Card::Ahead) => (6, 2, 2),
        };
        Turns { messages, round_trips, vectors }
    }
}

/// Seconds that a KD lives at most.
const KD_LIFETIME: u32 = 86_400;

/// The network of a case, for its parties.
pub(crate) struct PrukNetwork {
    settings: PrukSettings,
    by: Option<By>,
    shared: Shared,
}

/// Opens the network of a case.
///
/// # Errors
/// A name that is none, or a network that gives no PRUK.
pub(crate) fn open(case: &RelayCase<'_>, settings: PrukSettings) -> anyhow::Result<PrukNetwork> {
    let mut network = Network::new(case, settings)?;
    if settings.pruk == Held::Cached {
        (0..case.remotes).try_for_each(|number| network.provision(number))?;
    }
    let by = case.scenario.attack.map(|attack| attack.by);
    Ok(PrukNetwork { settings, by, shared: Shared::new(network) })
}

impl KeyingNetwork for PrukNetwork {
    fn equip(&self, ue: &mut Ue, party: Party) -> anyhow::Result<()> {
        let Some(links) = ue.stack().links() else { anyhow::bail!("{} has no links", party.name()) };
        match party {
            Party::Remote(number) => {
                let config = Config {
                    impi: network::impi(number)?,
                    imsi: imsi(number)?,
                    pkmf: network::pkmf_name()?,
                    policy: self.settings.policy,
                };
                let settings = RemoteSettings { config, mnc: Default::default(), kd_lifetime: KD_LIFETIME };
                let (slots, array) = self.shared.open().durable(number);
                let usim = Usim::new(subscriber(number), array);
                let port = RemoteDisk::new(self.shared.clone(), number);
                links.establish_from_pruk(Box::new(RemoteKeys::new(settings, usim, slots, port)));
            }
            Party::Relay(number) => {
                let reach = if self.by == Some(By::Cut) { ports::Reach::Away } else { ports::Reach::There };
                let port = RelayWay::new(self.shared.clone(), number, reach);
                links.establish_from_pruk(Box::new(RelayKeys::new(RelaySettings::default(), port)));
            }
            Party::Impostor => anyhow::bail!("an impostor has no network"),
        }
        Ok(())
    }

    fn spent(&self) -> NetworkSpent {
        self.shared.open().spent()
    }

    fn vectors(&self) -> u64 {
        self.shared.open().vectors()
    }

    fn findings(&self) -> BTreeMap<String, u64> {
        self.shared.open().findings()
    }
}
