//! Exercises: UEs and attackers in one scene, and what they cost.
//!
//! ```text
//! cases.rs       the named scenarios
//! setup.rs       one of them, set up and run
//! others.rs      who is there besides UE_1 and UE_2
//! log.rs         what each UE did, subframe by subframe
//! metrics.rs     what it cost: a run as numbers                           metrics/
//! diagram.rs     its messages as a drawing
//! output.rs      tables, CSV and JSON of metrics
//! credentials.rs certificates for its UEs, and operators that agree on their KDs
//! operators.rs   two MMEs and their HSS
//! networks.rs    what stands behind the KDs of a case
//! reading.rs     what a recording gives to who comes by the KD
//! tickets.rs     a key management server that gives tickets
//! signalling.rs  networks that carry keys in crypto attributes
//! answers.rs     answers of a network on their way to a UE
//! distribution.rs keys of groups of 2 to 2000 members on a simulated clock distribution/
//! discovery.rs   what protections of discovery cost                         discovery/
//! groups.rs      exercises of groups                                       groups/
//! relays.rs      exercises of relays and their remote UEs                   relays/
//! relay_finding.rs a remote UE finds a relay                               relay_finding/
//! u2u.rs         exercises of UE-to-UE relays                              u2u/
//! network.rs     the network side on a simulated clock                     network/
//! overlay.rs     the users' own security above a link                     overlay/
//! ```

pub(crate) mod answers;
pub(crate) mod cases;
pub(crate) mod credentials;
pub(crate) mod diagram;
pub(crate) mod discovery;
pub(crate) mod distribution;
pub(crate) mod groups;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod network;
pub(crate) mod networks;
pub(crate) mod operators;
pub(crate) mod others;
pub(crate) mod output;
pub(crate) mod overlay;
pub(crate) mod reading;
pub(crate) mod relay_finding;
pub(crate) mod relays;
pub(crate) mod setup;
pub(crate) mod signalling;
pub(crate) mod tickets;
pub(crate) mod u2u;
