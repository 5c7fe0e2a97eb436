//! Radios that violate the rules of a UE, to test the UEs.
//!
//! ```text
//! injector.rs  receives every block and sends the blocks of its attack
//! link.rs      attacks on the set-up of links
//! replayer.rs  replays received subframes
//! ```

mod injector;
pub(crate) mod link;
mod replayer;

pub use injector::{Attack, AttackContext, Attacker, Injection};
pub use replayer::Replayer;
