//! Radios that keep none of the rules of a UE, to try what the UEs bear.
//!
//! ```text
//! injector.rs  hears every block and sends whatever its plot says
//! replayer.rs  says again what it heard
//! ```

mod injector;
mod replayer;

pub use injector::{Means, Outlaw, Plot, Saying};
pub use replayer::Replayer;
