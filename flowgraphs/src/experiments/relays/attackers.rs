//! Radios that attack relays and their remote UEs, and what they gained.

/// What an attacker gained, in findings: an attack with any of it was not stopped.
pub(crate) const GAIN: &str = "gain: ";
