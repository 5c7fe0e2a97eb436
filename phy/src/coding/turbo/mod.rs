//! Turbo coding of one code block, TS 36.212 §5.1.3.2.

mod decoder;
mod encoder;

pub use decoder::{Check, DecoderConfig, TurboDecode, TurboDecoder};
pub use encoder::TurboEncoder;

#[cfg(test)]
mod tests;
