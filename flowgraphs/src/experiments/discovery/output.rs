//! Runs that differ by their seeds alone as a line with confidence intervals: table, CSV and JSON.

use super::configuration::Configuration;
use super::costs::DiscoveryCosts;
use super::statistics::{self, Figure};
use crate::args::Form;
use crate::experiments::output::{Rows, write_as};
use serde::Serialize;
use std::io::Write;

/// Runs of one configuration. Each figure has half the width of its 95 % confidence interval.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    #[serde(flatten)]
    pub(crate) configuration: Configuration,
    pub(crate) runs: usize,
    /// Share of the pairs with a match, and with a verification.
    pub(crate) matched: Option<Figure>,
    pub(crate) verified: Option<Figure>,
    pub(crate) first_ms: Option<Figure>,
    pub(crate) first_ms_median: Option<Figure>,
    pub(crate) first_ms_p95: Option<Figure>,
    pub(crate) verified_ms: Option<Figure>,
    pub(crate) verified_ms_median: Option<Figure>,
    pub(crate) verified_ms_p95: Option<Figure>,
    pub(crate) verified_periods: Option<Figure>,
    pub(crate) verified_periods_p95: Option<Figure>,
    /// Share of the blocks of others that a monitor decodes, s.
    pub(crate) heard: Option<Figure>,
    /// Share of the blocks that another UE sends in the same resource.
    pub(crate) collided: Option<Figure>,
    pub(crate) blocks: u64,
    /// PSDCH subframes of a UE in a second.
    pub(crate) sf_psdch_per_s: Option<Figure>,
    pub(crate) false_matches: u64,
    pub(crate) missed: u64,
    pub(crate) announce_us: Option<Figure>,
    pub(crate) receive_us: Option<Figure>,
    pub(crate) table_us: Option<Figure>,
    pub(crate) memory: Option<Figure>,
    /// Octets and round trips of provisioning, and of reports, of a UE.
    pub(crate) provisioning_octets: Option<Figure>,
    pub(crate) provisioning_round_trips: Option<Figure>,
    pub(crate) report_octets: Option<Figure>,
    pub(crate) report_round_trips: Option<Figure>,
    pub(crate) predicted_blocks: u32,
    pub(crate) overhead_bits: u32,
    pub(crate) verifier: String,
}

/// Returns the strict mode in a word.
fn strict(value: Option<u32>) -> String {
    value.map_or("-".to_owned(), |seconds| seconds.to_string())
}

/// Returns names of configurations for pictures: the usual sizes, and whatever else is not the same in all of them.
pub(crate) fn labels(groups: &[Group]) -> Vec<String> {
    type Part = fn(&Configuration) -> String;
    let others: [Part; 8] = [
        |c| format!("M = {}", c.monitors),
        |c| format!("N_TX = {}", c.transmissions),
        |c| format!("{} of {} PRBs", c.prbs, c.carrier_prbs),
        |c| format!("spread {} dB", c.spread_db),
        |c| format!("clocks {} ms", c.clock_error_ms),
        |c| format!("RTT {} ms", c.network_rtt_ms),
        |c| format!("strict {}", strict(c.strict)),
        |c| format!("{} s", c.seconds),
    ];
    let of = |part: &Part, g: &Group| part(&g.configuration);
    let differs = |part: &&Part| groups.iter().any(|g| of(part, g) != of(part, &groups[0]));
    let others: Vec<Part> = others.iter().filter(differs).copied().collect();
    let label = |g: &Group| {
        let Configuration { name, announcers, pool_subframes, period, snr_db, .. } = &g.configuration;
        let usual = format!("{name}, N = {announcers}, L = {pool_subframes}, P = {period}, {snr_db} dB");
        others.iter().fold(usual, |label, part| format!("{label}, {}", part(&g.configuration)))
    };
    groups.iter().map(label).collect()
}

fn mean_of(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns the runs of a configuration as one.
pub(crate) fn group(runs: &[&DiscoveryCosts]) -> Group {
    let c = runs[0];
    let times = |of: &dyn Fn(&DiscoveryCosts) -> &Vec<f64>| -> Vec<Vec<f64>> {
        runs.iter().map(|c| of(c).clone()).collect()
    };
    let each = |of: &dyn Fn(&DiscoveryCosts) -> Option<f64>| {
        statistics::mean(&runs.iter().filter_map(|c| of(c)).collect::<Vec<_>>())
    };
    let share = |of: &dyn Fn(&DiscoveryCosts) -> (u64, u64)| {
        statistics::share(&runs.iter().map(|c| of(c)).collect::<Vec<_>>())
    };
    let first = times(&|c| &c.first_ms);
    let verified = times(&|c| &c.verified_ms);
    let periods = times(&|c| &c.verified_periods);
    let of_ue = |value: u64, c: &DiscoveryCosts| Some(value as f64 / c.configuration.announcers as f64);
    Group {
        configuration: c.configuration.clone(),
        runs: runs.len(),
        matched: share(&|c| (c.first_ms.len() as u64, c.pairs as u64)),
        verified: share(&|c| (c.verified_ms.len() as u64, c.pairs as u64)),
        first_ms: each(&|c| mean_of(&c.first_ms)),
        first_ms_median: statistics::quantile(&first, 0.5),
        first_ms_p95: statistics::quantile(&first, 0.95),
        verified_ms: each(&|c| mean_of(&c.verified_ms)),
        verified_ms_median: statistics::quantile(&verified, 0.5),
        verified_ms_p95: statistics::quantile(&verified, 0.95),
        verified_periods: each(&|c| mean_of(&c.verified_periods)),
        verified_periods_p95: statistics::quantile(&periods, 0.95),
        heard: share(&|c| (c.heard, c.chances)),
        collided: share(&|c| (c.collided, c.blocks)),
        blocks: runs.iter().map(|c| c.blocks).sum(),
        sf_psdch_per_s: each(&|c| {
            Some(c.sf_psdch as f64 / c.configuration.announcers as f64 / c.configuration.seconds)
        }),
        false_matches: runs.iter().map(|c| c.false_matches).sum(),
        missed: runs.iter().map(|c| c.missed).sum(),
        announce_us: each(&|c| c.announce_us),
        receive_us: each(&|c| c.receive_us),
        table_us: each(&|c| c.table_us),
        memory: each(&|c| Some(c.memory as f64)),
        provisioning_octets: each(&|c| of_ue(c.provisioning_octets, c)),
        provisioning_round_trips: each(&|c| of_ue(c.provisioning_round_trips, c)),
        report_octets: each(&|c| of_ue(c.report_octets, c)),
        report_round_trips: each(&|c| of_ue(c.report_round_trips, c)),
        predicted_blocks: c.predicted_blocks,
        overhead_bits: c.overhead_bits,
        verifier: c.verifier.clone(),
    }
}

/// Writes runs: JSON has each of them, the other forms a line a configuration.
///
/// # Errors
/// What cannot be written.
pub(crate) fn write(
    form: Form,
    all: &[DiscoveryCosts],
    groups: &[Group],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    write_as(form, all, || rows(groups), out)
}

/// Returns a figure with its interval, with this number of digits behind the point.
pub(crate) fn figure(value: Option<Figure>, digits: usize) -> String {
    match value {
        None => "-".to_owned(),
        Some(Figure { mean, ci: None }) => format!("{mean:.digits$}"),
        Some(Figure { mean, ci: Some(ci) }) => format!("{mean:.digits$} +-{ci:.digits$}"),
    }
}

/// A share in percent.
fn percent(value: Option<Figure>) -> String {
    let scaled = value.map(|f| Figure { mean: 100.0 * f.mean, ci: f.ci.map(|ci| 100.0 * ci) });
    figure(scaled, 1)
}

const HEAD: [&str; 33] = [
    "scenario",
    "N",
    "M",
    "L",
    "P",
    "N_TX",
    "SNR dB",
    "spread",
    "clock ms",
    "RTT",
    "PRBs",
    "strict",
    "s",
    "runs",
    "first ms",
    "p95",
    "verified ms",
    "median",
    "p95",
    "periods",
    "verified %",
    "by",
    "heard %",
    "collided %",
    "PSDCH/s",
    "false",
    "missed",
    "us sent",
    "us heard",
    "octets kept",
    "PC3 octets",
    "PC3 RTTs",
    "bits",
];

/// A line a configuration.
pub(crate) fn rows(groups: &[Group]) -> Rows {
    let lines = groups.iter().map(|g| {
        let network = |a: Option<Figure>, b: Option<Figure>| match (a, b) {
            (Some(a), Some(b)) => format!("{:.0}+{:.0}", a.mean, b.mean),
            _ => "-".to_owned(),
        };
        let c = &g.configuration;
        vec![
            c.name.clone(),
            c.announcers.to_string(),
            c.monitors.to_string(),
            c.pool_subframes.to_string(),
            c.period.to_string(),
            c.transmissions.to_string(),
            c.snr_db.to_string(),
            c.spread_db.to_string(),
            c.clock_error_ms.to_string(),
            c.network_rtt_ms.to_string(),
            format!("{}/{}", c.prbs, c.carrier_prbs),
            strict(c.strict),
            c.seconds.to_string(),
            g.runs.to_string(),
            figure(g.first_ms, 0),
            figure(g.first_ms_p95, 0),
            figure(g.verified_ms, 0),
            figure(g.verified_ms_median, 0),
            figure(g.verified_ms_p95, 0),
            figure(g.verified_periods, 2),
            percent(g.verified),
            g.verifier.clone(),
            percent(g.heard),
            percent(g.collided),
            figure(g.sf_psdch_per_s, 1),
            g.false_matches.to_string(),
            g.missed.to_string(),
            figure(g.announce_us, 1),
            figure(g.receive_us, 1),
            figure(g.memory.map(|f| Figure { ci: None, ..f }), 0),
            network(g.provisioning_octets, g.report_octets),
            network(g.provisioning_round_trips, g.report_round_trips),
            g.overhead_bits.to_string(),
        ]
    });
    Rows { head: HEAD.to_vec(), lines: lines.collect() }
}
