//! Time and place of the transmissions of each entry of a UE: one planner per channel.

mod communication;
mod discovery;
mod period;
mod sync;
mod v2x;

use super::Ue;
use super::protected::SharedTraffic;
use crate::config::{ConfigError, Radio};
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::transmit::Transmission;
use sidelink_phy::units::{CyclicPrefix, DfnSubframe, TransmissionMode};

/// A subframe, as a sender counts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant {
    /// Subframe of the recording, from 0 on.
    pub(super) subframe: u64,
    /// Its number in the period of the DFN.
    pub(super) at: DfnSubframe,
}

/// Common knowledge of all planners.
pub(super) struct Air<'a> {
    pub(super) radio: &'a Radio,
    pub(super) numerology: Numerology,
    pub(super) mode: TransmissionMode,
    pub(super) traffic: &'a SharedTraffic,
}

impl Air<'_> {
    fn prbs(&self) -> usize {
        self.numerology.bandwidth().prbs()
    }
}

/// Plans the transmissions of one entry. Called for every subframe, in their order.
pub(super) trait Source: Send {
    /// Appends the transmissions in `now`.
    fn plan(&mut self, now: Instant, out: &mut Vec<Transmission>);

    /// Returns the cyclic prefixes that it uses.
    fn prefixes(&self) -> Vec<CyclicPrefix>;
}

/// Returns the planners of a UE, the synchronisation signals first. `who` is its index and name, `place` its place in
/// the file, `rng` its own generator.
pub(super) fn sources(
    ue: &Ue,
    who: (usize, &str),
    air: &Air<'_>,
    rng: &Rng,
    place: &str,
) -> Result<Vec<Box<dyn Source>>, ConfigError> {
    let mut all: Vec<Box<dyn Source>> = Vec::new();
    if let Some(entry) = &ue.sync {
        all.push(Box::new(sync::SyncSource::new(entry, air, &format!("{place}.sync"))?));
    }
    for (i, entry) in ue.discovery.iter().enumerate() {
        let (place, rng) = (format!("{place}.discovery[{i}]"), rng.fork(1000 + i as u64));
        all.push(Box::new(discovery::DiscoverySource::new(entry, who, air, rng, &place)?));
    }
    for (i, entry) in ue.communication.iter().enumerate() {
        let (place, rng) = (format!("{place}.communication[{i}]"), rng.fork(2000 + i as u64));
        all.push(Box::new(communication::CommunicationSource::new(entry, who, air, rng, &place)?));
    }
    for (i, entry) in ue.v2x.iter().enumerate() {
        let (place, rng) = (format!("{place}.v2x[{i}]"), rng.fork(3000 + i as u64));
        all.push(Box::new(v2x::V2xSource::new(entry, air, rng, &place)?));
    }
    Ok(all)
}
