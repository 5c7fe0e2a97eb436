//! Inputs of the selection of transmission mode 4: the pool and its rules, the SCIs of other UEs, the request.

use super::super::{Error, within};

/// A power in dBm.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Dbm(pub f32);

impl Dbm {
    pub(super) fn milliwatts(self) -> f32 {
        10f32.powf(self.0 / 10.0)
    }
}

/// P_step of FDD. TS 36.213 Table 14.1.1-1.
// TS 36.213 §14.1.1 table 14.1.1-1
pub const P_STEP: u32 = 100;

/// The largest number of sub-channels of a pool. TS 36.331 §6.3.8.
pub const MAX_SUBCHANNELS: u8 = 20;

/// A reservation period P_rsvp. TS 36.321 §5.14.1.1, TS 36.213 Table 14.2.1-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(u16);

impl Period {
    /// Makes a period of 20, 50, or 100 to 1000 milliseconds in steps of 100.
    pub fn from_milliseconds(milliseconds: u16) -> Result<Self, Error> {
        match milliseconds {
            20 | 50 => Ok(Self(milliseconds)),
            100..=1000 if milliseconds.is_multiple_of(100) => Ok(Self(milliseconds)),
            _ => Err(Error::OutOfRange {
                what: "reservation period",
                value: milliseconds.into(),
                min: 20,
                max: 1000,
            }),
        }
    }

    /// Returns the period in milliseconds.
    pub const fn milliseconds(self) -> u16 {
        self.0
    }

    /// Parses the 4-bit field of SCI format 1; `None` for no reservation and for reserved values.
    // TS 36.213 §14.2.1 table 14.2.1-2
    pub fn from_sci(field: u8) -> Option<Self> {
        match field {
            1..=10 => Some(Self(u16::from(field) * 100)),
            0b1011 => Some(Self(50)),
            0b1100 => Some(Self(20)),
            _ => None,
        }
    }

    /// Returns the 4-bit field of SCI format 1.
    // TS 36.213 §14.2.1 table 14.2.1-2
    pub const fn sci(self) -> u8 {
        match self.0 {
            50 => 0b1011,
            20 => 0b1100,
            hundreds => (hundreds / 100) as u8,
        }
    }

    /// Returns P'_rsvp = P_step P_rsvp / 100, in indices of t^SL.
    // TS 36.213 §14.1.1.4B (3)
    pub(super) fn steps(self, p_step: u32) -> u64 {
        u64::from(p_step) * u64::from(self.0) / 100
    }

    /// Returns the number of repetitions of the reservation inside 100 ms, if the period is shorter than that.
    pub(super) fn per_hundred(self) -> u64 {
        if self.0 < 100 { 100 / u64::from(self.0) } else { 1 }
    }

    /// Returns the range of SL_RESOURCE_RESELECTION_COUNTER.
    // TS 36.213 §14.1.1.4B (4); TS 36.321 §5.14.1.1 (17)
    pub(super) const fn counter_range(self) -> (u32, u32) {
        match self.0 {
            20 => (25, 75),
            50 => (10, 30),
            _ => (5, 15),
        }
    }
}

/// A pool and the rules of its use.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Sub-channels of the pool, 1 to 20.
    pub subchannels: u8,
    /// The pool's bitmap over t^SL, repeated for ever; one entry for a pool of all subframes.
    pub bitmap: Vec<bool>,
    /// P_step, in indices of t^SL.
    pub p_step: u32,
    /// T1 and T2, the selection window after the request, in subframes: T1 <= 4, 20 <= T2 <= 100.
    pub window: (u8, u8),
    /// SL-ThresPSSCH-RSRP for (own priority, other's priority), both 1 to 8, row by row: 0 is minus infinity, n is
    /// -128 + 2 (n - 1) dBm, 66 is plus infinity (TS 36.331 §6.3.8, from memory).
    pub thresholds: [u8; 64],
    /// The periods that the pool allows (restrictResourceReservationPeriod).
    pub periods: Vec<Period>,
    /// probResourceKeep in fifths, 0 to 4.
    pub keep_fifths: u8,
}

impl Config {
    /// Returns a pool of all subframes with the widest window, one threshold for all priorities and every period.
    pub fn new(subchannels: u8, threshold: u8) -> Self {
        let periods = [20, 50].into_iter().chain((1..=10).map(|hundreds| hundreds * 100)).map(Period);
        Self {
            subchannels,
            bitmap: vec![true],
            p_step: P_STEP,
            window: (4, 100),
            thresholds: [threshold; 64],
            periods: periods.collect(),
            keep_fifths: 0,
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        within("sub-channels", self.subchannels.into(), 1, MAX_SUBCHANNELS.into())?;
        // TS 36.213 §14.1.1.6 step 1 (1)
        within("T1", self.window.0.into(), 0, 4)?;
        within("T2", self.window.1.into(), 20, 100)?;
        within("P_step", self.p_step, 10, 100)?;
        within("probResourceKeep in fifths", self.keep_fifths.into(), 0, 4)?;
        for &threshold in &self.thresholds {
            within("SL-ThresPSSCH-RSRP", threshold.into(), 0, 66)?;
        }
        if !self.bitmap.contains(&true) {
            return Err(Error::NothingToChoose { what: "subframe" });
        }
        Ok(())
    }

    // TS 36.213 §14.1.5 (4)
    pub(super) fn in_pool(&self, k: u64) -> bool {
        self.bitmap[(k % self.bitmap.len() as u64) as usize]
    }

    /// Returns the threshold for a pair of priorities, raised by `raised` steps of 3 dB; `None` is plus infinity.
    pub(super) fn threshold(&self, own: u8, other: u8, raised: u32) -> Option<Dbm> {
        // TS 36.213 §14.1.1.6 step 3
        let index = usize::from(own.clamp(1, 8) - 1) * 8 + usize::from(other.clamp(1, 8) - 1);
        match self.thresholds[index] {
            0 => Some(Dbm(f32::NEG_INFINITY)),
            66.. => None,
            n => Some(Dbm(-128.0 + 2.0 * f32::from(n - 1) + 3.0 * raised as f32)),
        }
    }
}

/// A received SCI of another UE.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeardSci {
    /// Subframe of its reception, index of t^SL.
    pub subframe: u64,
    /// First sub-channel.
    pub first: u8,
    /// Number of sub-channels.
    pub length: u8,
    /// Priority, 1 to 8.
    pub priority: u8,
    /// Reservation period, if it reserves.
    pub period: Option<Period>,
    /// PSSCH-RSRP in dBm.
    pub rsrp: Dbm,
    /// The other transmission of the same block: offset in subframes, and its first sub-channel.
    pub other: Option<(i8, u8)>,
}

/// A candidate single-subframe resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Index of t^SL.
    pub subframe: u64,
    /// First sub-channel.
    pub first: u8,
    /// Number of sub-channels.
    pub length: u8,
}

/// A request of the higher layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The subframe n of the request, index of t^SL.
    pub now: u64,
    /// Number of contiguous sub-channels.
    pub length: u8,
    /// Own priority, 1 to 8.
    pub priority: u8,
    /// Own reservation period.
    pub period: Period,
    /// Whether each block is sent twice.
    pub retransmit: bool,
    /// T2 of this request in indices of t^SL, at most that of the pool; without it that of the pool. T2 of the
    /// procedure, 20 to 100, counts subframes of the air: the caller leaves out those that are not in t^SL.
    pub t2: Option<u8>,
}
