//! A radio in the middle of a group: it drowns the control information of others, and passes on what it heard, with the
//! data altered. Capability A3 of the proposals' digest.

use super::{Attack, AttackContext, Injection};
use sidelink_mac::mux::Address;
use sidelink_wire::ids::{GroupDestinationId, Lcid};
use sidelink_wire::pdcp::HEADER_LEN;
use sidelink_wire::{rlc_um, sl_sch};
use std::ops::Range;

/// The attack, and what it did.
pub(crate) struct GroupMiddle {
    /// Subframes in which it drowns others.
    during: Range<u64>,
    altered: u64,
}

impl GroupMiddle {
    /// Attacks during these subframes.
    pub(crate) const fn new(during: Range<u64>) -> Self {
        Self { during, altered: 0 }
    }

    /// Returns the number of messages that it altered.
    pub(crate) const fn altered(&self) -> u64 {
        self.altered
    }
}

impl Attack for GroupMiddle {
    fn heard(&mut self, t: u64, group: u8, block: &[u8], context: &mut AttackContext) {
        if !self.during.contains(&t) {
            return;
        }
        let mut altered = block.to_vec();
        if let Some(at) = data(group, block).and_then(|at| altered.get_mut(at)) {
            // A bit of a letter that makes another character of it.
            *at ^= 0x40;
            self.altered += 1;
        }
        context.injections.push_back(Injection { group, block: altered });
    }

    fn period(&mut self, t: u64, context: &mut AttackContext) {
        context.jam = self.during.contains(&t);
    }
}

/// Returns the place of the first octet of data to a group in a block, if a message begins there.
fn data(group: u8, block: &[u8]) -> Option<usize> {
    Some(data_pdu(group, block)?.start + HEADER_LEN)
}

/// Returns the place of the PDCP PDU of data to a group in a block, if one begins there.
pub(crate) fn data_pdu(group: u8, block: &[u8]) -> Option<Range<usize>> {
    let packet = sl_sch::Packet::new_checked(block).ok()?;
    let repr = sl_sch::Repr::parse(&packet).ok()?;
    let address = Address::from_wire(&repr.destination, Some(GroupDestinationId(group))).ok()?;
    let Address::Group(_) = address else { return None };
    let sdu = repr.sdus().iter().find(|sdu| sdu.lcid == Lcid::GROUP_DATA.value())?;
    let pdu = rlc_um::Packet::new_checked(sdu.data).ok()?;
    if pdu.framing().continues {
        return None;
    }
    let first = pdu.elements().next()?;
    let start = first.as_ptr() as usize - block.as_ptr() as usize;
    Some(start..start + first.len())
}
