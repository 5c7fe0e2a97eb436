//! What a recording looks like from outside: nothing is decoded.
//!
//! ```text
//! scan.rs   one pass over the samples: levels, spectrum, which bands are in use when
//! text.rs   for the terminal
//! plot.rs   pictures: panels on a page, as PNG or SVG      plot/
//! ```

pub mod plot;
mod scan;
#[cfg(test)]
mod tests;
mod text;

pub use scan::{Bands, Occupancy, Row, Scan, scan};
pub use text::{describe, show};
