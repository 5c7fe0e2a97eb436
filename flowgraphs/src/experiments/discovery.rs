//! The discovery meter: what each protection of discovery costs on the air, and what it stops.
//!
//! ```text
//! setting.rs    a configuration: how many UEs, the pool, the radio, the clocks
//! configuration.rs  a setting with its build, as costs and comparisons name it
//! builds.rs     the protections that are compared, by name                               builds/
//! air.rs        samples of one subframe, place by place
//! node.rs       a UE: discovery agent, clock, radio
//! program.rs    radio programs on the same air
//! attackers.rs  recorder, injector, replayer, wormhole
//! cases.rs      attacks by name, with what each must come to                  cases/
//! engine.rs     a run: the subframes of the pool alone, the time between is skipped
//! judge.rs      what a monitor concluded, beside what was sent
//! runs.rs       many seeds on all cores
//! costs.rs      what a run cost
//! statistics.rs means, shares and quantiles with confidence intervals
//! pointer.rs    signatures on the SL-SCH, with whole UEs
//! output.rs     table, CSV and JSON
//! ```
//!
//! ```text
//! node: agent -> PSDCH -> carrier offset, gain --\                 /--> noise of a monitor -> receiver -> agent
//! node: ..                                         sum at a place --
//! program: blocks, or samples that it heard -----/                 \--> a program's own receiver
//! ```
//!
//! Nothing but samples passes between UEs and programs. The clock is lock-step: a run of 10 000 blocks, or a replay
//! after 256 s, costs only the subframes that exist.

mod air;
pub(crate) mod attackers;
pub(crate) mod builds;
pub(crate) mod cases;
pub(crate) mod configuration;
pub(crate) mod costs;
pub(crate) mod engine;
pub(crate) mod judge;
pub(crate) mod node;
pub(crate) mod output;
pub(crate) mod pointer;
pub(crate) mod program;
pub(crate) mod runs;
pub(crate) mod setting;
pub(crate) mod statistics;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole_ues;
