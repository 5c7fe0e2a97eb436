//! What a trial cost, as a line of a table and as an object of JSON.

use super::question::{Case, Solution};
use super::trial::{Phase, Trial};
use crate::experiments::output::Rows;
use serde::Serialize;
use std::time::Duration;

/// A trial and its costs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) solution: &'static str,
    /// How long messages go over PC5.
    pub(crate) way: String,
    pub(crate) members: usize,
    pub(crate) period: u64,
    pub(crate) mcs: u8,
    pub(crate) block_loss: f64,
    pub(crate) round_trip_ms: u64,
    /// SC periods between two UEs that ask an owner to join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) join_every: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) first: Costs,
    pub(crate) late: Option<Costs>,
    pub(crate) rekeying: Costs,
    /// What the digest of the proposals expects of the first key, where it does.
    pub(crate) predicted_ms: Option<u64>,
}

/// What a phase cost.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Costs {
    pub(crate) wanted: usize,
    pub(crate) keyed: usize,
    pub(crate) median_ms: Option<u64>,
    pub(crate) p95_ms: Option<u64>,
    pub(crate) last_ms: Option<u64>,
    pub(crate) n_tb: u64,
    pub(crate) tb_octets: u64,
    pub(crate) grants: u64,
    pub(crate) subframes: u64,
    pub(crate) net_msgs: u64,
    pub(crate) net_octets: u64,
    pub(crate) vectors: u64,
    /// Processor time of the manager, and of all others together.
    pub(crate) manager_cpu_ms: f64,
    pub(crate) members_cpu_ms: f64,
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl Costs {
    pub(crate) fn of(phase: &Phase) -> Self {
        Self {
            wanted: phase.wanted,
            keyed: phase.keyed,
            median_ms: phase.quantile(0.5),
            p95_ms: phase.quantile(0.95),
            last_ms: phase.quantile(1.0),
            n_tb: phase.sent.blocks,
            tb_octets: phase.sent.octets,
            grants: phase.sent.grants,
            subframes: phase.sent.subframes(),
            net_msgs: phase.network.messages,
            net_octets: phase.network.octets,
            vectors: phase.network.vectors,
            manager_cpu_ms: millis(phase.cpu[0]),
            members_cpu_ms: millis(phase.cpu[1]),
        }
    }
}

impl Outcome {
    pub(crate) fn of(case: &Case, trial: &Trial) -> Self {
        Self {
            first: Costs::of(&trial.first),
            late: trial.late.as_ref().map(Costs::of),
            rekeying: Costs::of(&trial.rekeying),
            ..Self::empty(case)
        }
    }

    /// With nothing but the case.
    pub(crate) fn empty(case: &Case) -> Self {
        Self {
            kind: "group-distribution",
            solution: case.solution.name(),
            way: case.way.name().to_owned(),
            members: case.members,
            period: case.pool.period,
            mcs: case.pool.mcs,
            block_loss: case.pool.loss,
            round_trip_ms: case.round_trip,
            join_every: (case.solution == Solution::Owner).then_some(case.join_every),
            seed: case.seed,
            first: Costs::default(),
            late: None,
            rekeying: Costs::default(),
            predicted_ms: case.predicted(),
        }
    }
}

/// A line for each outcome.
pub(crate) fn rows(all: &[Outcome]) -> Rows {
    let mut head = vec!["solution", "way", "N", "P", "keyed", "median s", "p95 s", "last s", "digest s"];
    head.extend(["TBs", "subframes", "net msgs", "net oct.", "AVs", "CPU mgr ms", "CPU all ms"]);
    head.extend(["late", "p95 s", "re-keyed", "last s", "TBs", "net msgs"]);
    let seconds = |ms: Option<u64>| ms.map_or("-".to_owned(), |ms| format!("{:.2}", ms as f64 / 1000.0));
    let of = |costs: &Costs| format!("{}/{}", costs.keyed, costs.wanted);
    let lines = all.iter().map(|outcome| {
        let Outcome { first, late, rekeying, .. } = outcome;
        let mut cells = vec![outcome.solution.to_owned(), outcome.way.clone()];
        cells.extend([outcome.members.to_string(), outcome.period.to_string(), of(first)]);
        cells.extend([first.median_ms, first.p95_ms, first.last_ms, outcome.predicted_ms].map(seconds));
        cells.extend([first.n_tb, first.subframes, first.net_msgs, first.net_octets].map(|n| n.to_string()));
        cells.push(first.vectors.to_string());
        cells.extend([first.manager_cpu_ms, first.members_cpu_ms].map(|ms| format!("{ms:.1}")));
        cells.push(late.as_ref().map_or("-".to_owned(), of));
        cells.extend([seconds(late.as_ref().and_then(|late| late.p95_ms)), of(rekeying)]);
        cells.extend([seconds(rekeying.last_ms), rekeying.n_tb.to_string(), rekeying.net_msgs.to_string()]);
        cells
    });
    Rows { head, lines: lines.collect() }
}
