//! Voice: frames of 20 ms of AMR-WB at 12.65 kbit/s, as many in a packet as fall into an SC period.

use super::packet::{VOICE_PORT, datagram, of_rtp, rtp, udp};
use super::protocol::SSRCS;

/// What every packet of voice begins with: whoever finds it reads voice.
pub(crate) const MARK: &[u8] = b"voice ";

/// Milliseconds of a frame, and its octets. TS 26.201, RFC 4867 bandwidth-efficient; from memory.
const FRAME_MS: u64 = 20;
const FRAME: usize = 33;

/// Packets of the one who speaks for one of the one who listens, which says that it is there (comfort noise).
const LISTENER: u64 = 4;

/// What one UE says.
pub(super) struct Voice {
    number: usize,
    /// Milliseconds between two packets, and octets in each.
    every: u64,
    octets: usize,
    next: Option<u64>,
    count: u64,
}

impl Voice {
    /// Of UE `number`: UE_1 speaks, UE_2 listens.
    pub(super) fn new(number: usize, period: u64) -> Self {
        let frames = (period / FRAME_MS).max(1) as usize;
        match number {
            0 => Self { number, every: period, octets: frames * FRAME, next: None, count: 0 },
            _ => Self { number, every: LISTENER * period, octets: FRAME, next: None, count: 0 },
        }
    }

    /// The packet that is due in subframe `t`, with its number.
    pub(super) fn due(&mut self, t: u64) -> Option<(u64, Vec<u8>)> {
        let next = *self.next.get_or_insert(t);
        if t < next {
            return None;
        }
        self.next = Some(next + self.every);
        let number = self.count;
        self.count += 1;
        let mut payload = MARK.to_vec();
        payload.extend(number.to_be_bytes());
        payload.resize(self.octets.max(payload.len()), 0x55);
        let timestamp = (16 * self.every * number) as u32;
        let packet =
            udp(self.number, VOICE_PORT, &rtp(number as u16, timestamp, SSRCS[self.number], &payload));
        Some((number, packet))
    }
}

/// The number of a packet of voice.
pub(super) fn number_of(packet: &[u8]) -> Option<u64> {
    let (VOICE_PORT, rtp) = datagram(packet)? else { return None };
    let number = of_rtp(rtp)?.strip_prefix(MARK)?.first_chunk()?;
    Some(u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_numbered_and_as_long_as_their_frames() {
        let mut voice = Voice::new(0, 160);
        let (number, packet) = voice.due(1000).unwrap();
        assert_eq!((number, packet.len(), number_of(&packet)), (0, 40 + 8 * FRAME, Some(0)));
        assert!(voice.due(1159).is_none());
        assert_eq!(voice.due(1160).map(|(number, packet)| (number, number_of(&packet))), Some((1, Some(1))));
        assert_eq!(number_of(&packet[..60]), None);
    }
}
