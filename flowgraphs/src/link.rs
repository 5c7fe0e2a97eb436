//! MAC <-> PHY: the only file that names both.

pub use sidelink_mac::pdcp::Header as PdcpHeader;
pub use sidelink_mac::wire::mib_sl;
use sidelink_phy::units::{Bandwidth, DfnSubframe};

/// MIB-SL (5 octets) or MIB-SL-V2X (6) of a subframe, FDD, reserved bits 0 (TS 36.331 §6.5.2).
pub fn mib_sl(bandwidth: Bandwidth, v2x: bool, at: DfnSubframe, in_coverage: bool) -> Vec<u8> {
    let repr = mib_sl::Repr {
        kind: if v2x { mib_sl::Kind::V2x } else { mib_sl::Kind::D2d },
        bandwidth: match bandwidth {
            Bandwidth::Prb6 => mib_sl::Bandwidth::N6,
            Bandwidth::Prb15 => mib_sl::Bandwidth::N15,
            Bandwidth::Prb25 => mib_sl::Bandwidth::N25,
            Bandwidth::Prb50 => mib_sl::Bandwidth::N50,
            Bandwidth::Prb75 => mib_sl::Bandwidth::N75,
            Bandwidth::Prb100 => mib_sl::Bandwidth::N100,
        },
        tdd_config: None,
        direct_frame_number: at.dfn(),
        direct_subframe_number: at.subframe(),
        in_coverage,
        reserved: 0,
    };
    let mut octets = vec![0; repr.buffer_len()];
    // Emitting fails on fields that do not fit: a DFN and a subframe number always do.
    if repr.emit(&mut octets).is_err() {
        octets.fill(0);
    }
    octets
}

/// The fields of a received MIB-SL (40 bits, one a byte) or MIB-SL-V2X (48); `None` when they make no sense.
pub fn parse_mib_sl(bits: &[u8]) -> Option<mib_sl::Repr> {
    let octets: Vec<u8> = bits.chunks(8).map(|b| b.iter().fold(0, |v, bit| v << 1 | bit)).collect();
    mib_sl::Repr::parse(&mib_sl::Packet::new_checked(octets).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_other_makers_send_it() {
        let at = DfnSubframe::from_count(10_231);
        assert_eq!(mib_sl(Bandwidth::Prb25, false, at, true), [0x43, 0xff, 0x18, 0, 0]);
        assert_eq!(
            mib_sl(Bandwidth::Prb25, true, DfnSubframe::from_count(641), true),
            [0x40, 0x40, 0x18, 0, 0, 0]
        );
        assert_eq!(mib_sl(Bandwidth::Prb50, false, DfnSubframe::from_count(0), false), [0x60, 0, 0, 0, 0]);
    }
}
