//! Changes of the sample rate.

mod decimator;

pub use decimator::{Decimator, UnsupportedFactor};
