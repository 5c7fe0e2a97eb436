//! What a message costs where it reaches the network through a relay: transport blocks of SL-SCH.

use sidelink_phy::tables::{mcs, transport_block_size};
use sidelink_wire::sl_sch::{Destination, Repr, Sdu};
use sidelink_wire::{pdcp, rlc_um};

/// Modulation and coding scheme of the blocks.
pub(crate) const MCS: u8 = 5;

/// Resource blocks of a transport block.
pub(crate) const PRBS: usize = 10;

/// Octets of a message in one IP packet.
const PACKET: usize = 1400;

/// IPv4 and TCP without options; a datagram has 12 less.
const HEADERS: usize = 20 + 20;

/// Octets of a transport block. TS 36.213 Table 7.1.7.2.1-1, Table 8.6.1-1.
pub(crate) fn block_octets() -> usize {
    let size = mcs(MCS).and_then(|(_, i_tbs)| transport_block_size(i_tbs, PRBS));
    size.unwrap_or_default() / 8
}

/// Octets of a block that are not the RLC SDU's: of MAC to one UE, and of RLC with one segment.
fn overhead() -> usize {
    let mut pdu = Repr::new([0; 3], Destination::Ue([0; 2]));
    // Logical channel 1 is there in any configuration.
    let pushed = pdu.push(Sdu { lcid: 1, data: &[] }).is_ok();
    debug_assert!(pushed, "one SDU fits");
    pdu.buffer_len() + rlc_um::header_len(1)
}

/// Returns the transport blocks that a message takes: each of its IP packets has its headers and that of PDCP, and fills blocks
/// of its own.
pub(crate) fn blocks(octets: usize) -> u64 {
    let room = block_octets().saturating_sub(overhead()).max(1);
    let of_packet = |octets: usize| (octets + HEADERS + pdcp::HEADER_LEN).div_ceil(room) as u64;
    let whole = (octets / PACKET) as u64 * of_packet(PACKET);
    match octets % PACKET {
        0 => whole,
        rest => whole + of_packet(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_packets_and_packets_are_blocks() {
        // 872 bits, and 8 octets of MAC and RLC.
        assert_eq!((block_octets(), overhead()), (109, 8));
        assert_eq!([0, 1, 56, 57, 157, 158].map(blocks), [0, 1, 1, 2, 2, 3]);
        // 1445 octets are 15 blocks.
        assert_eq!([1400, 1401, 2800].map(blocks), [15, 16, 30]);
    }
}
