//! Measurements of the testbed: the figures in `docs/performance.md` come from here.
//!
//! ```text
//! bler.rs     block error rates: a channel of the physical layer over noise and fading          bler/
//! damage.rs   cost of damage to the samples: SCIs and blocks received, of those that were sent          damage/
//! latency.rs  time of each stage of UEs in real time, deadlines, turn-round                         latency/
//! phy.rs      time of each stage of the physical layer                                           phy/
//! security.rs cost of protection: ciphers, discovery, a protected frame                              security/
//! timing.rs   median, 99th percentile and share of the subframe of a repeated call
//! ```

pub mod bler;
pub mod damage;
pub mod latency;
pub mod phy;
pub mod security;
pub mod timing;
