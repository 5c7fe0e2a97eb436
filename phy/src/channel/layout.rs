//! Which symbol of a subframe carries what (TS 36.211 §9.3.6, §9.4.6, §9.5.6, §9.6.6, §9.7, §9.8 with §5.5.2.1.2).
//!
//! ```text
//! P PSSS  S SSSS  R DMRS  D data  G the last symbol: counted as data, never sent (TS 36.211 §9.2.5)
//! PSBCH, modes 1 and 2, normal CP     D P P R D D D D D D R S S G
//! PSBCH, modes 1 and 2, extended CP   P P R D D D D D R S S G
//! PSBCH, modes 3 and 4                D P P D R D R D D R D S S G
//! others, modes 1 and 2, normal CP    D D D R D D D D D D R D D G
//! others, modes 1 and 2, extended CP  D D R D D D D D R D D G
//! others, modes 3 and 4               D D R D D R D D R D D R D G
//! ```

use crate::units::{CyclicPrefix, SidelinkMode};

/// Symbols of one channel in a subframe. The last data symbol is the one that is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Data symbols in mapping order, by index in the subframe.
    pub data: &'static [u8],
    /// DMRS symbols, by index in the subframe.
    pub dmrs: &'static [u8],
}

/// Symbols of the synchronisation signals in a subframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlssLayout {
    /// The two PSSS symbols.
    pub psss: [usize; 2],
    /// The two SSSS symbols.
    pub ssss: [usize; 2],
}

impl Layout {
    /// Returns the layout of PSBCH. Modes 3 and 4 have the normal cyclic prefix, independent of `cp`.
    // TS 36.211 §9.6.6 (1); TS 36.211 §9.6.6 (3); TS 36.211 §9.8 (3); TS 36.211 §9.8 (5); TS 36.212 §5.4.1 (2)
    pub fn psbch(sidelink: SidelinkMode, cp: CyclicPrefix) -> Self {
        match (sidelink, cp) {
            (SidelinkMode::V2x, _) => Self { data: &[0, 3, 5, 7, 8, 10, 13], dmrs: &[4, 6, 9] },
            (SidelinkMode::D2d, CyclicPrefix::Normal) => {
                Self { data: &[0, 4, 5, 6, 7, 8, 9, 13], dmrs: &[3, 10] }
            }
            (SidelinkMode::D2d, CyclicPrefix::Extended) => Self { data: &[3, 4, 5, 6, 7, 11], dmrs: &[2, 8] },
        }
    }

    /// Returns the layout of PSCCH, PSSCH and PSDCH.
    // TS 36.211 §9.3.6 (1); TS 36.211 §9.3.6 (3); TS 36.211 §9.4.6; TS 36.211 §9.8 (3); TS 36.211 §9.8 (4)
    // TS 36.212 §5.4.2 (3); TS 36.212 §5.4.3 (3)
    pub fn shared(sidelink: SidelinkMode, cp: CyclicPrefix) -> Self {
        match (sidelink, cp) {
            (SidelinkMode::V2x, _) => Self { data: &[0, 1, 3, 4, 6, 7, 9, 10, 12, 13], dmrs: &[2, 5, 8, 11] },
            (SidelinkMode::D2d, CyclicPrefix::Normal) => {
                Self { data: &[0, 1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13], dmrs: &[3, 10] }
            }
            (SidelinkMode::D2d, CyclicPrefix::Extended) => {
                Self { data: &[0, 1, 3, 4, 5, 6, 7, 9, 10, 11], dmrs: &[2, 8] }
            }
        }
    }

    /// Whether a subframe of `symbols` has all of them: modes 3 and 4 have no layout for the 12 of the extended cyclic
    /// prefix.
    pub fn fits(self, symbols: usize) -> bool {
        self.data.iter().chain(self.dmrs).all(|&l| (l as usize) < symbols)
    }

    /// The same without the last symbol: Transmission Format 1 of Release 15 maps around it.
    // TS 36.211 §9.3.6 (2)
    pub fn without_last(self) -> Self {
        // TS 36.212 §5.4.2 (4)
        Self { data: &self.data[..self.data.len() - 1], ..self }
    }
}

impl SlssLayout {
    /// Returns the layout for a cyclic prefix.
    // TS 36.211 §9.7.1; TS 36.211 §9.7.1.2 (2); TS 36.211 §9.7.2.2 (2)
    pub fn new(cp: CyclicPrefix) -> Self {
        match cp {
            CyclicPrefix::Normal => Self { psss: [1, 2], ssss: [11, 12] },
            CyclicPrefix::Extended => Self { psss: [0, 1], ssss: [9, 10] },
        }
    }
}
