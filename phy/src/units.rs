//! Quantities and identities with their units: a bare number is never mistaken for another.

use std::f64::consts::{LN_2, LOG2_10};
use std::fmt;
use std::ops::{Add, Div, Neg, Sub};

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

/// Number of receive antennas that one receiver combines, 1 to 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Antennas(u8);

impl Antennas {
    /// One antenna.
    pub const ONE: Self = Self(1);

    /// Most antennas that are combined.
    pub const MAX: usize = 4;

    /// Returns the number `count`, if it is in range.
    pub fn new(count: usize) -> Option<Self> {
        (1..=Self::MAX).contains(&count).then_some(Self(count as u8))
    }

    /// Returns the number of antennas.
    pub fn count(self) -> usize {
        self.0 as usize
    }
}

impl Default for Antennas {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Antennas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
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

/// Frequency in hertz: of a carrier, of its offset, of a Doppler shift, or of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Hertz(pub f64);

impl Hertz {
    /// Returns the magnitude.
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Returns the number in single precision, in which estimators calculate.
    pub fn to_f32(self) -> f32 {
        self.0 as f32
    }
}

impl From<f32> for Hertz {
    fn from(hertz: f32) -> Self {
        Self(f64::from(hertz))
    }
}

impl Neg for Hertz {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Add for Hertz {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Hertz {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

/// Of a frequency and a sample rate: turns per sample.
impl Div for Hertz {
    type Output = f64;

    fn div(self, other: Self) -> f64 {
        self.0 / other.0
    }
}

impl fmt::Display for Hertz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)?;
        f.write_str(" Hz")
    }
}

/// Ratio of powers in decibels: a gain, a signal to noise ratio, or a level relative to what the context says.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Decibel(pub f64);

impl Decibel {
    /// Converts a ratio of powers; minus infinity for 0.
    pub fn of_ratio(ratio: f64) -> Self {
        Self(10.0 * ratio.log10())
    }

    /// Converts a ratio of powers in single precision, in which estimators calculate.
    pub fn of_ratio_f32(ratio: f32) -> Self {
        Self::from(10.0 * ratio.log10())
    }

    /// Returns the ratio of powers, `10^(dB / 10)`: the same on every platform with IEEE 754 arithmetic.
    pub fn power_ratio(self) -> f64 {
        let binary = self.0 * (LOG2_10 / 10.0);
        let whole = binary.round().clamp(-1000.0, 1000.0);
        let x = (binary - whole) * LN_2;
        let mut mantissa = 1.0;
        for k in (1..=18).rev() {
            mantissa = 1.0 + mantissa * x / f64::from(k);
        }
        mantissa * f64::from_bits(((1023 + whole as i64) as u64) << 52)
    }

    /// Returns the ratio of amplitudes, the root of [`Self::power_ratio`].
    pub fn amplitude_ratio(self) -> f64 {
        self.power_ratio().sqrt()
    }

    /// Returns the number in single precision, in which estimators calculate.
    pub fn to_f32(self) -> f32 {
        self.0 as f32
    }
}

impl From<f32> for Decibel {
    fn from(decibel: f32) -> Self {
        Self(f64::from(decibel))
    }
}

impl Neg for Decibel {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Add for Decibel {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Decibel {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl fmt::Display for Decibel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)?;
        f.write_str(" dB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_print_their_unit() {
        assert_eq!(
            (Hertz(120.5).to_string(), Decibel(-3.0).to_string()),
            ("120.5 Hz".into(), "-3 dB".into())
        );
        assert_eq!(format!("{:.1} {:.0}", Hertz(-0.25), Decibel(9.7)), "-0.2 Hz 10 dB");
    }

    #[test]
    fn frequencies_add_and_divide() {
        assert_eq!(Hertz(700.0) + Hertz(-200.0) - Hertz(100.0), Hertz(400.0));
        assert_eq!((-Hertz(480.0)).abs() / Hertz(1.92e6), 0.000_25);
    }

    #[test]
    fn ratios_agree_with_the_library() {
        for i in -2400..=2400_i32 {
            let decibel = Decibel(f64::from(i) * 0.05);
            let expected = 10_f64.powf(decibel.0 / 10.0);
            assert!((decibel.power_ratio() / expected - 1.0).abs() < 1e-13, "{decibel}");
            assert!((decibel.amplitude_ratio() / expected.sqrt() - 1.0).abs() < 1e-13, "{decibel}");
            assert!((Decibel::of_ratio(expected) - decibel).0.abs() < 1e-12, "{decibel}");
        }
        assert_eq!(Decibel::of_ratio(0.0), Decibel(f64::NEG_INFINITY));
        assert_eq!(-Decibel::of_ratio(100.0) + Decibel(7.0), Decibel(-13.0));
    }

    /// Estimators calculate in single precision; what they hand on comes back bit for bit.
    #[test]
    fn single_precision_survives() {
        for x in [0.1_f32, -7013.77, f32::MIN_POSITIVE, f32::MAX, f32::NEG_INFINITY] {
            assert_eq!((Hertz::from(x).to_f32(), Decibel::from(x).to_f32()), (x, x));
        }
        for ratio in [0.3_f32, 1e-6, 17.25] {
            assert_eq!(Decibel::of_ratio_f32(ratio).to_f32(), 10.0 * ratio.log10());
        }
    }
}
