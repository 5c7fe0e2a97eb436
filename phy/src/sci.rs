//! Sidelink control information: format 0 (modes 1 and 2) and format 1 (modes 3 and 4), TS 36.212 §5.4.3.1.

use crate::units::Bandwidth;
use std::fmt;

/// Most bits of any format, without CRC.
pub const MAX_BITS: usize = 45;

/// Returns the resource indication value of `len` contiguous units from `start` out of `n` (TS 36.213 §8.1.1).
///
/// `None` when the units do not fit.
// TS 36.213 §14.1.1.2.1 (1)
pub fn riv_encode(n: usize, start: usize, len: usize) -> Option<usize> {
    if len == 0 || start + len > n {
        return None;
    }
    Some(if len - 1 <= n / 2 { n * (len - 1) + start } else { n * (n - len + 1) + (n - 1 - start) })
}

/// Returns `(start, len)` of a resource indication value over `n` units; `None` for an invalid value.
// TS 36.212 §5.4.3.1.1 (2); TS 36.213 §14.1.1.2.1 (1)
pub fn riv_decode(n: usize, riv: usize) -> Option<(usize, usize)> {
    if n == 0 {
        return None;
    }
    let (len, start) = (riv / n + 1, riv % n);
    let (start, len) = if start + len <= n { (start, len) } else { (n - 1 - start, n + 2 - len.min(n + 2)) };
    (riv_encode(n, start, len) == Some(riv)).then_some((start, len))
}

/// Returns ceil(log2(n (n + 1) / 2)), the bits of a resource indication value.
pub fn riv_bits(n: usize) -> usize {
    let values = n * (n + 1) / 2;
    values.max(1).next_power_of_two().trailing_zeros() as usize
}

/// Reason why bits are not an SCI, or fields do not make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The number of bits is not that of the format.
    Length {
        /// Number of bits given.
        got: usize,
        /// Bits of the format.
        want: usize,
    },
    /// A resource indication value that is not an allocation.
    Riv(usize),
    /// A field is larger than its width.
    Field(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { got, want } => write!(f, "the SCI has {got} bits, the format {want}"),
            Self::Riv(v) => write!(f, "resource indication value {v} stands for no allocation"),
            Self::Field(name) => write!(f, "the field {name} does not fit its width"),
        }
    }
}

impl std::error::Error for Error {}

/// SCI format 0 (TS 36.212 §5.4.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format0 {
    /// Frequency hopping flag.
    pub hopping: bool,
    /// Resource block assignment: the RIV over N_RB when hopping is off; with hopping its most significant 1 (below
    /// 50 PRB) or 2 bits are the hopping bits (TS 36.213 §8.4, Table 8.4-1).
    pub rb_assignment: u16,
    /// Time resource pattern, I_TRP.
    pub trp: u8,
    /// Modulation and coding scheme, I_MCS.
    pub mcs: u8,
    /// Timing advance indication.
    pub timing_advance: u16,
    /// Group destination identity, n_ID^SA.
    pub group_destination: u8,
}

impl Format0 {
    /// Returns the bits of the format at a bandwidth: 37, 39, 41, 43, 44 or 45.
    // TS 36.212 §5.4.3.1.1 (1)
    pub fn bits(bandwidth: Bandwidth) -> usize {
        32 + riv_bits(bandwidth.prbs())
    }

    /// Writes the bits, one a byte, most significant first.
    pub fn emit(&self, bandwidth: Bandwidth, out: &mut [u8]) -> Result<(), Error> {
        let want = Self::bits(bandwidth);
        if out.len() != want {
            return Err(Error::Length { got: out.len(), want });
        }
        let mut w = Writer::new(out);
        // TS 36.212 §5.4.3.1.1 (1)
        w.put("frequency hopping flag", self.hopping as u32, 1)?;
        w.put("resource block assignment", self.rb_assignment as u32, riv_bits(bandwidth.prbs()))?;
        w.put("time resource pattern", self.trp as u32, 7)?;
        w.put("modulation and coding scheme", self.mcs as u32, 5)?;
        w.put("timing advance indication", self.timing_advance as u32, 11)?;
        w.put("group destination ID", self.group_destination as u32, 8)
    }

    /// Parses the bits, one a byte. All field values are accepted: the caller judges them.
    pub fn parse(bandwidth: Bandwidth, bits: &[u8]) -> Result<Self, Error> {
        let want = Self::bits(bandwidth);
        if bits.len() != want {
            return Err(Error::Length { got: bits.len(), want });
        }
        let mut r = Reader::new(bits);
        Ok(Self {
            hopping: r.take(1) == 1,
            rb_assignment: r.take(riv_bits(bandwidth.prbs())) as u16,
            trp: r.take(7) as u8,
            mcs: r.take(5) as u8,
            timing_advance: r.take(11) as u16,
            group_destination: r.take(8) as u8,
        })
    }

    /// Returns the first PRB and the number of PRBs when hopping is off.
    // TS 36.211 §9.3.6 (4)
    pub fn allocation(&self, bandwidth: Bandwidth) -> Result<(usize, usize), Error> {
        riv_decode(bandwidth.prbs(), self.rb_assignment as usize)
            .ok_or(Error::Riv(self.rb_assignment as usize))
    }
}

/// SCI format 1 (TS 36.212 §5.4.3.1.2), 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format1 {
    /// Priority: 0 stands for PPPP 1, 7 for PPPP 8 (TS 36.213 §14.2.1).
    pub priority: u8,
    /// Resource reservation field, 0 to 15 (TS 36.213 Table 14.2.1-2).
    pub reservation: u8,
    /// Frequency resource location of initial transmission and retransmission: a RIV over the sub-channels.
    pub frequency_resource: u8,
    /// Subframes between initial transmission and retransmission, SF_gap; 0 for a single transmission.
    pub time_gap: u8,
    /// Modulation and coding scheme, I_MCS.
    pub mcs: u8,
    /// Retransmission index: `false` for the initial transmission.
    pub retransmission: bool,
    /// Transmission format of Release 15: rate matching around the last symbol, and TBS scaling.
    pub transmission_format: bool,
    /// The reserved bits as received; 0 when sent (TS 36.212 §5.4.3.1.2). Nothing may be assumed of received ones
    /// (TS 36.213 §14.2.2), and they are not always 0 in the field.
    pub reserved: u16,
}

impl Format1 {
    /// Bits of the format.
    pub const BITS: usize = 32;

    /// Returns the reserved bits in a pool of `num_subchannels`, without the transmission format.
    // TS 36.212 §5.4.3.1.2 (4)
    pub fn reserved_bits(num_subchannels: usize) -> usize {
        Self::BITS - 18 - riv_bits(num_subchannels)
    }

    /// Writes 32 bits, one a byte, most significant first.
    pub fn emit(&self, num_subchannels: usize, out: &mut [u8]) -> Result<(), Error> {
        if out.len() != Self::BITS || num_subchannels > MAX_SUBCHANNELS {
            return Err(Error::Length { got: out.len(), want: Self::BITS });
        }
        let mut w = Writer::new(out);
        // TS 36.212 §5.4.3.1.2 (1)
        w.put("priority", self.priority as u32, 3)?;
        w.put("resource reservation", self.reservation as u32, 4)?;
        w.put("frequency resource location", self.frequency_resource as u32, riv_bits(num_subchannels))?;
        w.put("time gap", self.time_gap as u32, 4)?;
        w.put("modulation and coding scheme", self.mcs as u32, 5)?;
        w.put("retransmission index", self.retransmission as u32, 1)?;
        // TS 36.212 §5.4.3.1.2 (2)
        w.put("transmission format", self.transmission_format as u32, 1)?;
        w.put("reserved", self.reserved as u32, Self::reserved_bits(num_subchannels))
    }

    /// Parses 32 bits, one a byte.
    // TS 36.213 §14.2.2 (3)
    pub fn parse(num_subchannels: usize, bits: &[u8]) -> Result<Self, Error> {
        if bits.len() != Self::BITS || num_subchannels > MAX_SUBCHANNELS {
            return Err(Error::Length { got: bits.len(), want: Self::BITS });
        }
        let mut r = Reader::new(bits);
        Ok(Self {
            priority: r.take(3) as u8,
            reservation: r.take(4) as u8,
            frequency_resource: r.take(riv_bits(num_subchannels)) as u8,
            time_gap: r.take(4) as u8,
            mcs: r.take(5) as u8,
            retransmission: r.take(1) == 1,
            transmission_format: r.take(1) == 1,
            reserved: r.take(Self::reserved_bits(num_subchannels)) as u16,
        })
    }

    /// Returns the start sub-channel of the *other* transmission, and the number of sub-channels of both
    /// (TS 36.213 §14.1.1.4C).
    // TS 36.213 §14.1.1.4C (1)
    pub fn allocation(&self, num_subchannels: usize) -> Result<(usize, usize), Error> {
        riv_decode(num_subchannels, self.frequency_resource as usize)
            .ok_or(Error::Riv(self.frequency_resource as usize))
    }

    /// Returns the resource reservation interval in ms: `Some(0)` for none, `None` for a reserved value
    /// (TS 36.213 Table 14.2.1-2).
    pub fn reservation_ms(&self) -> Option<u32> {
        match self.reservation {
            x @ 0..=10 => Some(100 * x as u32),
            11 => Some(50),
            12 => Some(20),
            _ => None,
        }
    }
}

/// numSubchannel-r14 is at most 20 (TS 36.331 §6.3.8).
pub const MAX_SUBCHANNELS: usize = 20;

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    // TS 36.212 §5.4.3.1
    fn put(&mut self, name: &'static str, value: u32, bits: usize) -> Result<(), Error> {
        if bits < 32 && value >> bits != 0 {
            return Err(Error::Field(name));
        }
        for i in (0..bits).rev() {
            self.out[self.at] = ((value >> i) & 1) as u8;
            self.at += 1;
        }
        Ok(())
    }
}

struct Reader<'a> {
    bits: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(bits: &'a [u8]) -> Self {
        Self { bits, at: 0 }
    }

    fn take(&mut self, bits: usize) -> u32 {
        let value = self.bits[self.at..self.at + bits].iter().fold(0, |v, &b| v << 1 | (b & 1) as u32);
        self.at += bits;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    // TS 36.212 §5.4.3.1.1 (1)
    fn format_0_lengths() {
        assert_eq!(Bandwidth::ALL.map(Format0::bits), [37, 39, 41, 43, 44, 45]);
    }

    #[test]
    // TS 36.212 §5.4.3.1.1 (2); TS 36.213 §14.1.1.2.1 (1); TS 36.213 §14.1.1.4C (1)
    fn every_riv_comes_back() {
        for n in 1..=110 {
            let mut seen = std::collections::HashSet::new();
            for len in 1..=n {
                for start in 0..=n - len {
                    let riv = riv_encode(n, start, len).unwrap();
                    assert!(seen.insert(riv));
                    assert_eq!(riv_decode(n, riv), Some((start, len)), "n {n} riv {riv}");
                    assert!(riv < 1 << riv_bits(n));
                }
            }
        }
        assert_eq!(riv_encode(10, 5, 6), None);
    }

    proptest! {
        #[test]
        fn any_bits_parse_and_come_back(raw in proptest::collection::vec(0u8..2, 45), n in 1usize..=20, b in 0usize..6) {
            let bandwidth = Bandwidth::ALL[b];
            let bits = &raw[..Format0::bits(bandwidth)];
            let sci = Format0::parse(bandwidth, bits).unwrap();
            let mut back = vec![0; bits.len()];
            sci.emit(bandwidth, &mut back).unwrap();
            prop_assert_eq!(bits, &back[..]);
            let _ = sci.allocation(bandwidth);

            let bits = &raw[..32];
            let sci = Format1::parse(n, bits).unwrap();
            let mut back = vec![0; 32];
            sci.emit(n, &mut back).unwrap();
            prop_assert_eq!(bits, &back[..]);
            let _ = sci.allocation(n);
            let _ = sci.reservation_ms();
        }

        #[test]
        fn any_riv_is_taken_or_refused(n in 0usize..200, riv in 0usize..100_000) {
            if let Some((start, len)) = riv_decode(n, riv) {
                prop_assert_eq!(riv_encode(n, start, len), Some(riv));
            }
        }
    }
}
