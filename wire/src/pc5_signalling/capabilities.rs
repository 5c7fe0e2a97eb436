//! UE Security Capabilities, TS 24.334 §12.5.1.22.

/// UE security capabilities: EEA0 to EEA7 and EIA0 to EIA7, each from the most significant bit down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Ciphering algorithms.
    pub eea: u8,
    /// Integrity algorithms.
    pub eia: u8,
}
