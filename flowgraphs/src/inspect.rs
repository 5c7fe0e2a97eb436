//! What a recording looks like from outside, and for its pictures what the receiver makes of it.
//!
//! ```text
//! scan.rs   one pass over the samples: levels, spectrum, which bands are in use when
//! heard.rs  the receiver over the recording: error vectors, symbols, a channel
//! text.rs   for the terminal
//! plot.rs   pictures: panels on a page, as PNG or SVG      plot/
//! ```

mod heard;
pub mod plot;
mod scan;
#[cfg(test)]
mod tests;
mod text;

pub use heard::{Heard, hear};
pub use scan::{Bands, Occupancy, Row, Scan, scan};
pub use text::{describe, show};
