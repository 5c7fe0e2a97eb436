//! Time resource patterns (TS 36.213 §14.1.1.1, Tables 14.1.1.1.1-1 to -3).

use crate::tables::trp8::TRP_8;

/// N_TRP of the duplex mode, which selects the table of I_TRP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrpSet {
    /// N_TRP = 8: FDD and TDD configurations 1, 2, 4 and 5.
    #[default]
    Eight,
    /// N_TRP = 7: TDD configuration 0.
    Seven,
    /// N_TRP = 6: TDD configurations 3 and 6.
    Six,
}

impl TrpSet {
    /// Returns the length of the bitmap.
    pub fn len(self) -> usize {
        match self {
            Self::Eight => 8,
            Self::Seven => 7,
            Self::Six => 6,
        }
    }

    /// Returns `false`: it is never empty.
    pub fn is_empty(self) -> bool {
        false
    }
}

/// Returns the bitmap b' of `i_trp`, b'_0 in bit 0; `None` for a reserved value.
pub fn time_resource_pattern(set: TrpSet, i_trp: u8) -> Option<u8> {
    match set {
        // TS 36.213 §14.1.1.1.1 table 1
        TrpSet::Eight => TRP_8.get(i_trp as usize).copied(),
        // TS 36.213 §14.1.1.1.1 table 2
        TrpSet::Seven => (1..=127).contains(&i_trp).then_some(i_trp),
        // TS 36.213 §14.1.1.1.1 table 3
        TrpSet::Six => (1..=63).contains(&i_trp).then_some(i_trp),
    }
}
