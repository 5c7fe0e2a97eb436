//! Packet indices of SRTP, and which of them came. RFC 3711 §3.3.1, §3.3.2.

use super::SrtpError;

/// Bits of a packet index.
const BITS: u32 = 48;

/// Rollover counter and sequence number of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketIndex(pub(super) u64);

impl PacketIndex {
    /// The index of a packet with this sequence number that is nearest to the highest so far; `None` where there is none: before
    /// the first one, or behind the last one. RFC 3711 §3.3.1.
    pub(super) const fn guess(highest: Option<Self>, sequence: u16) -> Option<Self> {
        let Some(Self(highest)) = highest else { return Some(Self(sequence as u64)) };
        let (rollover, last) = (highest >> 16, (highest & 0xffff) as i32);
        let ahead = sequence as i32 - last;
        let rollover = if last < 0x8000 && ahead > 0x8000 {
            match rollover.checked_sub(1) {
                Some(before) => before,
                None => return None,
            }
        } else if last >= 0x8000 && ahead < -0x8000 {
            rollover + 1
        } else {
            rollover
        };
        let index = rollover << 16 | sequence as u64;
        if index >> BITS == 0 { Some(Self(index)) } else { None }
    }

    /// Times that the sequence number has wrapped.
    pub const fn rollover(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// Sequence number.
    pub const fn sequence(self) -> u16 {
        (self.0 & 0xffff) as u16
    }

    /// The last one that there is.
    #[cfg(test)]
    pub(super) const fn last() -> Self {
        Self((1 << BITS) - 1)
    }

    /// Its six octets.
    pub(super) const fn octets(self) -> [u8; 6] {
        let [_, _, octets @ ..] = self.0.to_be_bytes();
        octets
    }
}

/// Indices below the highest one that are known.
const WIDTH: u64 = 64;

/// The packets that came. RFC 3711 §3.3.2.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    highest: Option<PacketIndex>,
    /// Bit n: the highest less n came.
    seen: u64,
}

impl Window {
    pub(super) const fn highest(&self) -> Option<PacketIndex> {
        self.highest
    }

    /// Whether a packet would be new.
    pub(super) fn check(&self, index: PacketIndex) -> Result<(), SrtpError> {
        match self.highest.and_then(|highest| highest.0.checked_sub(index.0)) {
            None => Ok(()),
            Some(behind) if behind >= WIDTH => Err(SrtpError::Late),
            Some(behind) if self.seen >> behind & 1 == 1 => Err(SrtpError::Replayed),
            Some(_) => Ok(()),
        }
    }

    /// Notes a packet that was proven and is new.
    pub(super) fn accept(&mut self, index: PacketIndex) {
        let highest = self.highest.unwrap_or(index);
        match index.0.checked_sub(highest.0) {
            Some(ahead) => {
                self.seen = if ahead < WIDTH { self.seen << ahead } else { 0 } | 1;
                self.highest = Some(index);
            }
            None => self.seen |= 1 << (highest.0 - index.0),
        }
    }
}
