//! Parts of a transport block that are readable without keys: whether it is a MAC PDU, and its addresses.

use sidelink_mac::mux::Address;
use sidelink_phy::receive::receiver::ControlInformation;
use sidelink_wire::ids::{GroupDestinationId, Lcid};
use sidelink_wire::{rlc_um, sl_sch};

/// The addresses of an SL-SCH MAC PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacPdu {
    /// Source layer-2 ID.
    pub source: u32,
    /// Destination layer-2 ID; `None` where the header holds 16 of its bits and no SCI holds the others.
    pub destination: Option<u32>,
    /// Whether its last SDU, the one without a length, is PC5 signalling.
    pub ends_with_signalling: bool,
}

/// Reads a transport block that `information` announced as a MAC PDU of TS 36.321 §6.1.6 with RLC PDUs in it; `None`
/// for anything else, such as a text or a test pattern.
pub fn mac_pdu(block: &[u8], information: &ControlInformation) -> Option<MacPdu> {
    let packet = sl_sch::Packet::new_checked(block).ok()?;
    // Reserved bits of the first two subheaders.
    if block[0] & 0xf | block[packet.header_len()] & 0xc0 != 0 {
        return None;
    }
    // A receiver ignores an SDU with a reserved LCID; here it shows that the block is no MAC PDU.
    if packet.reserved_lcid().is_some() {
        return None;
    }
    let pdu = sl_sch::Repr::parse(&packet).ok()?;
    if !pdu.sdus().iter().all(|sdu| rlc_um::Packet::new_checked(sdu.data).is_ok()) {
        return None;
    }
    let number = |octets: &[u8]| octets.iter().fold(0, |all, octet| all << 8 | u32::from(*octet));
    let signalling = Lcid::PC5_S_UNPROTECTED.value()..=Lcid::PC5_S_PROTECTED.value();
    Some(MacPdu {
        source: number(&packet.source()),
        destination: match (packet.destination(), information) {
            // the header holds 16 of its 24 bits, SCI format 0 the other 8
            (&[high, low], ControlInformation::Format0(sci)) => {
                Some(number(&[high, low, sci.group_destination]))
            }
            (&[a, b, c], _) => Some(number(&[a, b, c])),
            _ => None,
        },
        ends_with_signalling: packet.elements().last().is_some_and(|sdu| signalling.contains(&sdu.lcid)),
    })
}

/// Returns the destination layer-2 ID of a transport block, and for each of its SDUs the LCID and the octets of PDCP in
/// it. `None` where the block is no MAC PDU.
pub fn pdcp_parts(block: &[u8], group: u8) -> Option<(u32, Vec<(u8, usize)>)> {
    let packet = sl_sch::Packet::new_checked(block).ok()?;
    let repr = sl_sch::Repr::parse(&packet).ok()?;
    let to = Address::from_wire(&repr.destination, Some(GroupDestinationId(group))).ok()?.layer2_id().value();
    let octets = |data: &[u8]| {
        let packet = rlc_um::Packet::new_checked(data).ok()?;
        Some(packet.elements().map(<[u8]>::len).sum())
    };
    Some((to, repr.sdus().iter().filter_map(|sdu| Some((sdu.lcid, octets(sdu.data)?))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_patterns_are_no_mac_pdus() {
        let none = ControlInformation::Format1(None);
        for block in [
            &b"Do you hear me?\0\0\0\0"[..],
            &[0x55; 40],
            &[0; 40],
            &[0xff; 40],
            &[],
            &[0x11; 6],
            &[0x30, 0, 0, 0xa1, 0, 1, 0xa2, 21, 0, 0x60, 0, 0, 0],
        ] {
            assert_eq!(mac_pdu(block, &none), None, "{block:?}");
        }
    }

    #[test]
    // TS 36.321 §6.2.4 V (1)
    fn a_mac_pdu_shows_its_addresses() {
        let none = ControlInformation::Format1(None);
        let block = [0x30, 0, 0, 0xa1, 0, 1, 0xa2, 1, 0, 0x60, 0, 0, 0];
        let pdu = mac_pdu(&block, &none).unwrap();
        assert_eq!((pdu.source, pdu.destination, pdu.ends_with_signalling), (0xa1, Some(0x1a2), false));
        let signalling = [0x20, 0, 0, 0xa1, 0, 1, 28, 0, 0x40, 0, 0, 0, 0];
        let pdu = mac_pdu(&signalling, &none).unwrap();
        assert_eq!((pdu.destination, pdu.ends_with_signalling), (None, true));
    }
}
