//! Changes of the sample rate: [`Decimator`] for speed, [`Resampler`] for any ratio.

mod decimator;
mod resampler;
pub(super) mod windowed_sinc;

pub use decimator::{Decimator, UnsupportedFactor};
pub use resampler::{Resampler, UnsupportedRatio};
