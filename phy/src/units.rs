//! Quantities and identities with their units: a bare number is never mistaken for another.

use std::fmt;

/// Channel bandwidth in resource blocks, N_RB^SL (TS 36.211 §9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bandwidth {
    /// 1.4 MHz
    Prb6,
    /// 3 MHz
    Prb15,
    /// 5 MHz
    Prb25,
    /// 10 MHz
    Prb50,
    /// 15 MHz
    Prb75,
    /// 20 MHz
    Prb100,
}

impl Bandwidth {
    /// All bandwidths, narrowest first.
    pub const ALL: [Self; 6] = [Self::Prb6, Self::Prb15, Self::Prb25, Self::Prb50, Self::Prb75, Self::Prb100];

    /// Returns the bandwidth of `prbs` resource blocks, if it is one of the six.
    pub fn from_prbs(prbs: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.prbs() == prbs)
    }

    /// Returns the number of resource blocks, N_RB^SL.
    pub fn prbs(self) -> usize {
        match self {
            Self::Prb6 => 6,
            Self::Prb15 => 15,
            Self::Prb25 => 25,
            Self::Prb50 => 50,
            Self::Prb75 => 75,
            Self::Prb100 => 100,
        }
    }

    /// Returns the number of occupied subcarriers, 12 N_RB^SL.
    pub fn subcarriers(self) -> usize {
        12 * self.prbs()
    }

    /// Returns the FFT size at the standard sample rate.
    pub fn standard_fft(self) -> usize {
        match self {
            Self::Prb6 => 128,
            Self::Prb15 => 256,
            Self::Prb25 => 512,
            Self::Prb50 => 1024,
            Self::Prb75 => 1536,
            Self::Prb100 => 2048,
        }
    }

    /// Returns the FFT sizes at which the modem runs: the standard one and, if 15 kHz divides it, three quarters of it.
    pub fn fft_sizes(self) -> &'static [usize] {
        match self {
            Self::Prb6 => &[128],
            Self::Prb15 => &[256],
            Self::Prb25 => &[512, 384],
            Self::Prb50 => &[1024, 768],
            Self::Prb75 => &[1536],
            Self::Prb100 => &[2048, 1536],
        }
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} PRB", self.prbs())
    }
}

/// Cyclic prefix length (TS 36.211 §9.2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CyclicPrefix {
    /// Seven SC-FDMA symbols a slot.
    #[default]
    Normal,
    /// Six SC-FDMA symbols a slot.
    Extended,
}

impl CyclicPrefix {
    /// Returns the number of SC-FDMA symbols in a subframe, the untransmitted last one included.
    // TS 36.211 §9.2.3
    pub fn symbols(self) -> usize {
        match self {
            Self::Normal => 14,
            Self::Extended => 12,
        }
    }
}

/// The two families of transmission modes: their channels, formats and synchronisation differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SidelinkMode {
    /// ProSe communication and discovery: transmission modes 1 and 2.
    D2d,
    /// V2X communication: transmission modes 3 and 4.
    V2x,
}

/// Sidelink transmission mode (TS 36.213 §14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransmissionMode {
    /// Scheduled by the network.
    Tm1 = 1,
    /// Autonomous, with resource pools.
    Tm2 = 2,
    /// V2X, scheduled by the network.
    Tm3 = 3,
    /// V2X, autonomous with sensing.
    Tm4 = 4,
}

impl TransmissionMode {
    /// Returns the mode of number `n`, 1 to 4.
    pub fn from_number(n: u8) -> Option<Self> {
        [Self::Tm1, Self::Tm2, Self::Tm3, Self::Tm4].get((n as usize).checked_sub(1)?).copied()
    }

    /// Returns the number, 1 to 4.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns the family, on which the air interface depends.
    pub fn sidelink(self) -> SidelinkMode {
        match self {
            Self::Tm1 | Self::Tm2 => SidelinkMode::D2d,
            Self::Tm3 | Self::Tm4 => SidelinkMode::V2x,
        }
    }

    /// Whether this is a mode of V2X.
    pub fn is_v2x(self) -> bool {
        self.sidelink() == SidelinkMode::V2x
    }
}

/// Modulation of a shared channel (TS 36.211 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Modulation {
    /// 2 bits a symbol.
    Qpsk,
    /// 4 bits a symbol.
    Qam16,
    /// 6 bits a symbol (Release 15, transmission format 1 only).
    Qam64,
}

impl Modulation {
    /// Returns Q_m, bits a symbol.
    pub fn bits(self) -> usize {
        match self {
            Self::Qpsk => 2,
            Self::Qam16 => 4,
            Self::Qam64 => 6,
        }
    }
}

/// Physical-layer sidelink synchronisation identity, N_ID^SL, 0 to 335 (TS 36.211 §9.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlssId(u16);

impl SlssId {
    /// Number of identities.
    pub const COUNT: u16 = 336;

    /// Makes an identity; `None` from 336 up.
    pub fn new(id: u16) -> Option<Self> {
        (id < Self::COUNT).then_some(Self(id))
    }

    /// Returns the number, 0 to 335.
    pub fn value(self) -> u16 {
        self.0
    }

    /// Whether it is of the set id_net (0 to 167, PSSS root 26), not id_oon (168 to 335, root 37).
    // TS 36.211 §9.7
    pub fn is_in_network(self) -> bool {
        self.0 < 168
    }
}

impl fmt::Display for SlssId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Contiguous resource blocks of one channel in one subframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrbRange {
    /// First PRB, counted on the carrier from 0.
    pub start: usize,
    /// Number of PRBs.
    pub len: usize,
}

impl PrbRange {
    /// Returns the first subcarrier.
    // TS 36.211 §9.2.3
    pub fn first_subcarrier(self) -> usize {
        12 * self.start
    }

    /// Returns the number of subcarriers, M_sc.
    pub fn subcarriers(self) -> usize {
        12 * self.len
    }

    /// Returns the PRB after the last.
    pub fn end(self) -> usize {
        self.start + self.len
    }

    /// Whether any PRB is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// Subframes of 1 ms in the period of the direct frame number: 1024 frames of 10.
pub const SUBFRAMES_PER_DFN_PERIOD: u32 = 10_240;

/// Direct frame number and subframe number of a subframe (TS 36.331 §5.10.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DfnSubframe(u16);

impl DfnSubframe {
    /// Converts a subframe count, modulo 10240.
    pub fn from_count(count: u64) -> Self {
        Self((count % SUBFRAMES_PER_DFN_PERIOD as u64) as u16)
    }

    /// Returns the subframe count, 0 to 10239, of capture subframe 0 where capture subframe `k` is this one.
    pub fn count_of_capture_start(self, k: u64) -> u32 {
        let period = SUBFRAMES_PER_DFN_PERIOD as u64;
        ((self.count() as u64 + period - k % period) % period) as u32
    }

    /// Combines the two fields of MIB-SL; `None` when one is out of range.
    pub fn new(dfn: u16, subframe: u8) -> Option<Self> {
        (dfn < 1024 && subframe < 10).then_some(Self(dfn * 10 + subframe as u16))
    }

    /// Returns the subframe count, 0 to 10239.
    pub fn count(self) -> u32 {
        self.0 as u32
    }

    /// Returns the direct frame number, 0 to 1023.
    pub fn dfn(self) -> u16 {
        self.0 / 10
    }

    /// Returns the subframe number in the frame, 0 to 9.
    pub fn subframe(self) -> u8 {
        (self.0 % 10) as u8
    }
}

/// Returns a power ratio in decibel.
pub fn decibel(ratio: f32) -> f32 {
    10.0 * ratio.log10()
}
