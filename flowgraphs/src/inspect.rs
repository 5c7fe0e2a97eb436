//! The look of a recording from outside, and for its pictures its receptions.
//!
//! ```text
//! scan.rs   one pass over the samples: levels, spectrum, bands in use over time
//! heard.rs  the receiver over the recording: error vectors, symbols, a channel
//! text.rs   text for the terminal
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
pub use text::{describe, show, show_all};
