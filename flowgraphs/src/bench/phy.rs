//! Time of each stage of the physical layer, one thread: the published cases of other modems, beside their figures.
//!
//! ```text
//! channels.rs   SC-FDMA, control search, PSSCH, PSBCH, a whole subframe
//! coding.rs     turbo and tail-biting codes
//! search.rs     synchronisation
//! ```

mod channels;
mod coding;
mod search;

use super::timing::Timing;
use std::time::Duration;

/// Measures each stage for about `budget`; names that do not contain `only` are left out.
pub fn run(budget: Duration, only: &str, done: &mut dyn FnMut(&Timing)) {
    channels::run(budget, only, done);
    coding::run(budget, only, done);
    search::run(budget, only, done);
}

fn wanted(name: &str, only: &str) -> bool {
    name.contains(only)
}
