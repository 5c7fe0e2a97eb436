//! KDs by certificates (method 2): no network is asked. No specification has it for relays; it is there to be compared with.

use super::keying::KeyingNetwork;
use super::parties::Party;
use super::predicted::Turns;
use super::setup::START;
use crate::experiments::credentials::certificate;
use crate::experiments::metrics::NetworkSpent;
use sidelink_security::counter::UtcTime;
use sidelink_ue::Ue;
use std::collections::BTreeMap;

/// Certificates of one issuer, whom all trust.
pub(crate) struct Certificates {
    seed: u64,
}

impl Certificates {
    /// What a set-up should take: the proposals' digest has six turns for method 2.
    pub(crate) const TURNS: Turns = Turns { messages: 6, round_trips: 0, vectors: 0 };

    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl KeyingNetwork for Certificates {
    fn equip(&self, ue: &mut Ue, party: Party) -> anyhow::Result<()> {
        let mut seed = [0x17; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        seed[8..12].copy_from_slice(&party.layer2_id().to_be_bytes());
        let now = UtcTime::from_millis(1000 * START);
        let (credential, trust) = certificate(&party.name(), now, &seed)?;
        let Some(links) = ue.stack().links() else { anyhow::bail!("{} has no links", party.name()) };
        links.authenticate_relays_with(credential, trust);
        Ok(())
    }

    fn user(&self, remote: usize) -> Option<String> {
        Some(Party::Remote(remote).name())
    }

    fn spent(&self) -> NetworkSpent {
        NetworkSpent::default()
    }

    fn vectors(&self) -> u64 {
        0
    }

    fn findings(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}
