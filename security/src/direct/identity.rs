//! IDs of keys. Each side chooses one half, so that it can distinguish its own contexts.

use std::fmt;

/// ID of a KD: 32 bits, the 16 most significant chosen by UE_2, the 16 least significant by UE_1. TS 33.303 §6.5.5.2;
/// the width is that of an implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KdId(pub u32);

impl KdId {
    /// Combines the halves that UE_2 and UE_1 chose.
    // TS 33.303 §6.5.3.1 (2)
    pub const fn from_halves(msb: u16, lsb: u16) -> Self {
        Self((msb as u32) << 16 | lsb as u32)
    }

    /// Returns UE_2's half.
    pub const fn msb(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Returns UE_1's half.
    pub const fn lsb(self) -> u16 {
        self.0 as u16
    }
}

impl fmt::Display for KdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// ID of a KD-sess in the PDCP header: 16 bits, the 8 most significant chosen by UE_1, the 8 least significant by UE_2
/// (TS 33.303 §6.5.5.2, TS 33.536 §5.3.3.1.4). Never 0, which marks an unprotected bearer (TS 33.303 §6.5.3.1,
/// TS 36.323 §5.6.2). The half that this side chooses is never 0 either ([`pick_half`]); a peer's may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KdSessId(u16);

impl KdSessId {
    /// Combines the halves that UE_1 and UE_2 chose; `None` when both are 0.
    // TS 36.323 §5.6.2 (6)
    pub const fn from_halves(msb: u8, lsb: u8) -> Option<Self> {
        if msb == 0 && lsb == 0 { None } else { Some(Self((msb as u16) << 8 | lsb as u16)) }
    }

    /// Returns the value for the header.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Returns UE_1's half.
    pub const fn msb(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Returns UE_2's half.
    pub const fn lsb(self) -> u8 {
        self.0 as u8
    }
}

impl fmt::Display for KdSessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

/// Returns the first half from `wish` on, modulo `max + 1`, that is not 0 and not `taken`. `None` when all are taken.
pub fn pick_half(wish: u16, max: u16, taken: impl Fn(u16) -> bool) -> Option<u16> {
    let count = u32::from(max) + 1;
    (0..count).map(|step| ((u32::from(wish) + step) % count) as u16).find(|&half| half != 0 && !taken(half))
}
