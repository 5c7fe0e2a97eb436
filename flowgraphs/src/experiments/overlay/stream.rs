//! A stream over packets: the header of TCP and the least of its rules (RFC 9293). Segments are taken in their order alone, what is
//! not acknowledged in time is sent again from there on, and acknowledgements wait for data to travel with. Nothing opens or closes it.

use super::packet::{ipv4, of_ipv4};
use sidelink_security::counter::UtcTime;

/// Protocol of IPv4.
const TCP: u8 = 6;

/// Octets of a header without options.
const HEADER: usize = 20;

/// Octets of a segment, at most.
const SEGMENT: usize = 1200;

/// Port of both ends.
const PORT: [u8; 2] = [0x11, 0x51];

/// Octets that may be on their way.
const WINDOW: usize = 16 * SEGMENT;

/// One end.
pub(super) struct Stream {
    number: usize,
    patience: u64,
    /// What is not acknowledged yet, from octet `acknowledged` on; as much of it as `sent` was sent.
    unacknowledged: Vec<u8>,
    acknowledged: u32,
    sent: usize,
    /// The next octet that is awaited, and whether the other end was told.
    awaited: u32,
    is_told: bool,
    /// When what was sent is sent again, and when the other end is told at the latest.
    again: Option<UtcTime>,
    tell: Option<UtcTime>,
}

/// What a packet brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Segments {
    /// The next octets.
    New(Vec<u8>),
    /// Nothing new.
    Nothing,
    /// It is none of this stream.
    Foreign,
}

impl Stream {
    /// Of UE `number`.
    pub(super) const fn new(number: usize, patience: u64) -> Self {
        Self {
            number,
            patience,
            unacknowledged: Vec::new(),
            acknowledged: 0,
            sent: 0,
            awaited: 0,
            is_told: true,
            again: None,
            tell: None,
        }
    }

    pub(super) fn write(&mut self, octets: &[u8]) {
        self.unacknowledged.extend_from_slice(octets);
    }

    fn segment(&mut self, from: usize, length: usize) -> Vec<u8> {
        let mut segment = Vec::with_capacity(HEADER + length);
        segment.extend(PORT);
        segment.extend(PORT);
        segment.extend(self.acknowledged.wrapping_add(from as u32).to_be_bytes());
        segment.extend(self.awaited.to_be_bytes());
        // Header of five words, ACK, window; no checksum: SL-SCH has its CRC, and TLS finds what is altered.
        segment.extend([0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend_from_slice(&self.unacknowledged[from..from + length]);
        (self.is_told, self.tell) = (true, None);
        ipv4(self.number, TCP, &segment)
    }

    /// The next octets that were not sent yet.
    pub(super) fn next_segment(&mut self) -> Option<Vec<u8>> {
        let length = (self.unacknowledged.len() - self.sent).min(SEGMENT);
        if length == 0 || self.sent + length > WINDOW {
            return None;
        }
        let segment = self.segment(self.sent, length);
        self.sent += length;
        Some(segment)
    }

    /// All packets that are due.
    pub(super) fn due(&mut self, now: UtcTime) -> Vec<Vec<u8>> {
        if self.again.is_some_and(|again| now >= again) {
            self.sent = 0;
        }
        let mut packets: Vec<_> = std::iter::from_fn(|| self.next_segment()).collect();
        self.again = match (self.sent > 0, packets.is_empty(), self.again) {
            (false, ..) => None,
            (true, true, Some(again)) if now < again => Some(again),
            _ => Some(now.plus_millis(self.patience)),
        };
        if !self.is_told && self.tell.is_some_and(|tell| now >= tell) {
            packets.push(self.segment(0, 0));
        }
        packets
    }

    /// Takes a packet of the other end.
    pub(super) fn take(&mut self, now: UtcTime, packet: &[u8]) -> Segments {
        let Some((TCP, segment)) = of_ipv4(packet) else { return Segments::Foreign };
        let Some((header, octets)) = segment.split_at_checked(HEADER) else { return Segments::Foreign };
        if header[..2] != PORT || header[2..4] != PORT {
            return Segments::Foreign;
        }
        let word =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (sequence, acknowledged) = (word(4), word(8));
        let new = acknowledged.wrapping_sub(self.acknowledged) as usize;
        if new > 0 && new <= self.unacknowledged.len() {
            self.unacknowledged.drain(..new);
            self.sent = self.sent.saturating_sub(new);
            self.acknowledged = acknowledged;
            self.again = (self.sent > 0).then(|| now.plus_millis(self.patience));
        }
        if octets.is_empty() {
            return Segments::Nothing;
        }
        self.is_told = false;
        self.tell.get_or_insert(now.plus_millis(self.patience / 4));
        let known = self.awaited.wrapping_sub(sequence) as usize;
        match octets.get(known..) {
            Some(octets) if !octets.is_empty() => {
                self.awaited = self.awaited.wrapping_add(octets.len() as u32);
                Segments::New(octets.to_vec())
            }
            _ => Segments::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> UtcTime {
        UtcTime::from_millis(millis)
    }

    /// One packet of three is lost by chance, and all octets come, once and in order.
    #[test]
    fn what_is_lost_comes_again() {
        let mut ends = [Stream::new(0, 100), Stream::new(1, 100)];
        let said: Vec<u8> = (0..20_000_u32).map(|i| i as u8).collect();
        ends[0].write(&said);
        ends[1].write(b"hello");
        let mut came = [Vec::new(), Vec::new()];
        let mut chance = 1_u32;
        for millis in 0..20_000 {
            for from in [0, 1] {
                for packet in ends[from].due(at(millis)) {
                    chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if chance >> 16 > 0xffff / 3
                        && let Segments::New(octets) = ends[1 - from].take(at(millis), &packet)
                    {
                        came[1 - from].extend(octets);
                    }
                }
            }
        }
        assert_eq!(came[1], said);
        assert_eq!(came[0], b"hello");
        assert!(ends.iter().all(|end| end.unacknowledged.is_empty()));
        // Nobody has anything left to say.
        assert!(ends.iter_mut().all(|end| end.due(at(100_000)).is_empty()));
    }

    #[test]
    fn other_packets_are_foreign() {
        let mut end = Stream::new(0, 100);
        for packet in [&b""[..], &ipv4(1, 17, &[0; 40]), &ipv4(1, TCP, &[0; 19]), &ipv4(1, TCP, &[0; 30])] {
            assert_eq!(end.take(at(0), packet), Segments::Foreign);
        }
    }
}
