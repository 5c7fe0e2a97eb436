//! Packets that wait for a link: three classes by urgency, bounded in octets.

use sidelink_wire::ids::Lcid;
use std::collections::VecDeque;

/// Urgency of a packet, and so its bearer: the logical channels of a link have one ProSe per-packet priority each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Voice and control: EF, CS4 and above.
    Urgent,
    /// Everything else.
    Normal,
    /// What yields to everything: CS1, and LE of RFC 8622.
    Bulk,
}

impl Urgency {
    const ALL: [Self; 3] = [Self::Urgent, Self::Normal, Self::Bulk];

    /// Returns the urgency of a Differentiated Services Code Point. RFC 4594 §3.
    // As TS 24.334 §10.4.7.2, with the code point in the place of a bearer's QCI.
    pub(super) const fn of(dscp: u8) -> Self {
        match dscp {
            1 | 8 => Self::Bulk,
            32.. => Self::Urgent,
            _ => Self::Normal,
        }
    }

    /// Returns the logical channel.
    pub(super) const fn lcid(self) -> Lcid {
        match self {
            Self::Urgent => Lcid::LINK_URGENT,
            Self::Normal => Lcid::LINK_DATA,
            Self::Bulk => Lcid::LINK_BULK,
        }
    }
}

/// The packets for one peer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    classes: [VecDeque<Vec<u8>>; 3],
    octets: usize,
}

impl Queue {
    /// Returns the octets that wait.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    /// Queues a packet if that makes no more than `most` octets. To make room, less urgent packets go, the youngest first.
    /// Returns the number of packets that were dropped, this one or others.
    pub(super) fn push(&mut self, urgency: Urgency, packet: Vec<u8>, most: usize) -> u64 {
        let len = packet.len();
        let less: usize = self.classes[urgency as usize + 1..].iter().flatten().map(Vec::len).sum();
        if self.octets + len > most + less {
            return 1;
        }
        let mut dropped = 0;
        while self.octets + len > most {
            let Some(last) = self.classes.iter_mut().rev().find_map(VecDeque::pop_back) else { break };
            self.octets -= last.len();
            dropped += 1;
        }
        self.octets += len;
        self.classes[urgency as usize].push_back(packet);
        dropped
    }

    /// Hands packets over, the most urgent first, until `send` refuses one of each class. Returns the number that was sent.
    pub(super) fn send(&mut self, mut send: impl FnMut(Lcid, &[u8]) -> bool) -> u64 {
        let mut sent = 0;
        for urgency in Urgency::ALL {
            let class = &mut self.classes[urgency as usize];
            while let Some(packet) = class.front() {
                if !send(urgency.lcid(), packet) {
                    break;
                }
                self.octets -= packet.len();
                class.pop_front();
                sent += 1;
            }
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(queue: &mut Queue, mut room: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        queue.send(|_, packet| {
            let fits = room > 0;
            room = room.saturating_sub(1);
            if fits {
                sent.push(packet[0]);
            }
            fits
        });
        sent
    }

    #[test]
    fn the_code_points_of_the_rfc() {
        for (dscp, urgency) in [
            (0, Urgency::Normal),
            (1, Urgency::Bulk),
            (8, Urgency::Bulk),
            (10, Urgency::Normal),
            (26, Urgency::Normal),
            (32, Urgency::Urgent),
            (46, Urgency::Urgent),
            (63, Urgency::Urgent),
        ] {
            assert_eq!(Urgency::of(dscp), urgency, "{dscp}");
        }
    }

    #[test]
    fn urgent_packets_go_first_and_each_class_in_its_order() {
        let mut queue = Queue::default();
        for (number, urgency) in
            [(1, Urgency::Bulk), (2, Urgency::Normal), (3, Urgency::Urgent), (4, Urgency::Normal)]
        {
            assert_eq!(queue.push(urgency, vec![number; 100], 1000), 0);
        }
        assert_eq!(sent(&mut queue, 2), [3, 2]);
        assert_eq!(queue.octets(), 200);
        assert_eq!(sent(&mut queue, 9), [4, 1]);
        assert_eq!(queue.octets(), 0);
    }

    #[test]
    fn a_full_queue_drops_what_is_least_urgent_and_youngest() {
        let mut queue = Queue::default();
        for number in 1..=3 {
            assert_eq!(queue.push(Urgency::Normal, vec![number; 100], 300), 0);
        }
        assert_eq!(queue.push(Urgency::Normal, vec![9; 1], 300), 1, "no room among equals");
        assert_eq!(queue.push(Urgency::Bulk, vec![9; 1], 300), 1);
        assert_eq!(queue.push(Urgency::Urgent, vec![4; 150], 300), 2);
        assert_eq!(queue.push(Urgency::Urgent, vec![9; 400], 300), 1, "more than there is room at all");
        assert_eq!(queue.octets(), 250);
        assert_eq!(sent(&mut queue, 9), [4, 1]);
    }
}
