//! What a transport block of a UE holds.

use super::{UeConfig, UseConfig};
use sidelink_phy::channel::pssch::Grant;
use sidelink_phy::tables::is_precoding_size;
use sidelink_phy::units::{PrbRange, SidelinkMode};

/// Octets of MAC and RLC headers in a block.
const HEADERS: usize = 10;

/// Octets of a PDCP PDU that a transport block of the widest grant holds, approximately.
pub(super) fn pdu_octets(config: &UeConfig) -> usize {
    let UseConfig { mcs, prbs, .. } = config.communication;
    let widest = (1..=prbs).rev().find(|&len| is_precoding_size(len)).unwrap_or(1);
    let prbs = PrbRange { start: 0, len: widest };
    let grant = Grant { prbs, mcs, rv: 0, n_id: 0, n_ssf: 0, transmission_format: false };
    grant.size(SidelinkMode::D2d).map_or(0, |(_, bits)| (bits / 8).saturating_sub(HEADERS))
}
