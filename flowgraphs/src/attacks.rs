//! Radios that violate the rules of a UE, to test the UEs.
//!
//! ```text
//! injector.rs   hears every block and sends whatever its plot says
//! link.rs       attacks on the set-up of links
//! group.rs      a radio in the middle of a group
//! relay.rs      radios around a relay and its remote UEs
//! tap.rs        a radio that listens, and puts messages together
//! methods.rs    ends that agree on keys as no UE may
//! impostor.rs   a member that calls in the name of another
//! naf.rs        subscribers who want the key of a NAF's group, and who runs the NAF
//! relay_flood.rs asks a relay for links without end
//! replayer.rs   says again what it heard
//! subframes.rs  what either hears, cut into subframes
//! ```

pub(crate) mod group;
pub(crate) mod impostor;
mod injector;
pub(crate) mod link;
pub(crate) mod methods;
pub(crate) mod naf;
pub(crate) mod relay;
pub(crate) mod relay_flood;
mod replayer;
mod subframes;
pub(crate) mod tap;

pub use injector::{Attack, AttackContext, Attacker, Injection};
pub use replayer::Replayer;
