//! `sidelink compare` of relays: what the link of a remote UE costs on the air and at each reference point, beside what it should,
//! with the time that a network takes.

use super::compared::{self, bars, by_configuration, mean, percentile, short, whole};
use super::{Cases, concluded, relays};
use crate::args::Output;
use crate::config::ConfigError;
use crate::experiments::metrics::messages::Spent;
use crate::experiments::output::{self, Rows};
use crate::experiments::relays::cases::{RelayScenario, all};
use crate::experiments::relays::costs::{HopCosts, RelayCosts};
use crate::inspect::plot::{self, Panel};
use crate::outputs::Outputs;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Stands for the ways to the KD of a link to a relay.
const ALL: &str = "relays";

/// Those ways: PRUKs, EAP-AKA' and certificates.
const WAYS: [&str; 5] =
    ["relay-pruk", "relay-pruk-first", "relay-eap", "relay-eap-fast", "relay-certificate"];

/// Whether anything that is named is a scenario of relays.
pub(super) fn names_relays(what: &[String]) -> bool {
    what.iter().any(|name| name == ALL || scenario(name).is_some())
}

/// Runs or reads all runs, and prints the costs of each configuration.
///
/// # Errors
/// A name is neither a scenario of relays nor a file of such runs, or a case came to something else than it must.
pub(super) fn run(
    what: &[String],
    cases: &Cases,
    (output, plot): (&Output, Option<&Path>),
    mut outputs: Outputs,
) -> anyhow::Result<()> {
    let picture = plot.map(|path| plot::claim(&mut outputs, path)).transpose()?;
    let mut out = output.claim(&mut outputs)?.create()?;
    let (mut scenarios, mut all) = (Vec::new(), Vec::new());
    for name in what {
        match scenario(name) {
            Some(found) => scenarios.push(found),
            None if name == ALL => scenarios.extend(WAYS.into_iter().filter_map(scenario)),
            None => all.extend(read(name)?),
        }
    }
    cases.check_air()?;
    let mut failed = Vec::new();
    relays::play(cases, &scenarios, |case, costs| {
        failed
            .extend(costs.unexpected(case).map(|why| format!("{}, seed {}: {why}", costs.name, costs.seed)));
        all.push(costs);
        Ok(())
    })?;
    let groups = groups(&all);
    output::write_as(output.form, &groups, || rows(&groups), &mut out)?;
    out.finish()?;
    if let Some(place) = &picture {
        plot::draw(place, "What a link to a relay costs", &panels(&groups))?;
    }
    concluded(failed)
}

fn scenario(name: &str) -> Option<&'static RelayScenario> {
    all().find(|scenario| scenario.name == name)
}

/// Reads the costs that an earlier run wrote.
fn read(name: &str) -> Result<Vec<RelayCosts>, ConfigError> {
    let remedy = "name scenarios of relays, and files of `sidelink scenario relay-.. -F json:FILE`, alone";
    compared::read(Path::new(name), remedy)
}

/// Runs that differ only by their seeds. Figures are means of the set-ups that came about.
#[derive(Clone, Debug, Serialize)]
struct Group {
    name: String,
    keying: String,
    period: u64,
    snr_db: f64,
    mcs: u8,
    network_rtt_ms: u64,
    runs: usize,
    hops: usize,
    linked: usize,
    setup_ms_mean: Option<f64>,
    setup_ms_p95: Option<f64>,
    predicted_ms: u64,
    predicted_messages: u64,
    msgs: f64,
    l3_octets: f64,
    pdu_octets: f64,
    n_tb: f64,
    subframes: f64,
    sc_periods: f64,
    durable_writes: f64,
    vectors: f64,
    /// Messages and octets of a run at each reference point.
    points: BTreeMap<String, [f64; 2]>,
}

fn groups(all: &[RelayCosts]) -> Vec<Group> {
    let same = |a: &RelayCosts, b: &RelayCosts| {
        (&a.name, a.period, a.mcs, a.network_rtt_ms) == (&b.name, b.period, b.mcs, b.network_rtt_ms)
            && a.snr_db.total_cmp(&b.snr_db).is_eq()
            && a.hops.len() == b.hops.len()
    };
    by_configuration(all, same).iter().map(|runs| group(runs)).collect()
}

fn group(runs: &[&RelayCosts]) -> Group {
    let hops: Vec<&HopCosts> = runs.iter().flat_map(|costs| &costs.hops).collect();
    let linked: Vec<&&HopCosts> = hops.iter().filter(|hop| hop.linked()).collect();
    let mut times: Vec<f64> = linked.iter().filter_map(|hop| hop.setup_ms[0]).map(|ms| ms as f64).collect();
    times.sort_by(f64::total_cmp);
    let of = |figure: fn(&Spent) -> u64| {
        let sum: u64 = linked.iter().map(|hop| hop.setup_sum(figure)).sum();
        sum as f64 / linked.len().max(1) as f64
    };
    let each = |sum: u64| sum as f64 / runs.len() as f64;
    let mut points: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for (point, spent) in runs.iter().flat_map(|costs| &costs.network.points) {
        let [messages, octets] = points.entry(point.clone()).or_default();
        *messages += each(spent.messages);
        *octets += each(spent.octets);
    }
    let first = runs[0];
    Group {
        name: first.name.clone(),
        keying: first.keying.clone(),
        period: first.period,
        snr_db: first.snr_db,
        mcs: first.mcs,
        network_rtt_ms: first.network_rtt_ms,
        runs: runs.len(),
        hops: hops.len(),
        linked: linked.len(),
        setup_ms_mean: mean(&times),
        setup_ms_p95: percentile(&times, 0.95),
        predicted_ms: first.predicted.ms,
        predicted_messages: first.predicted.messages,
        msgs: of(|s| s.msgs),
        l3_octets: of(|s| s.l3_octets),
        pdu_octets: of(|s| s.pdu_octets),
        n_tb: of(|s| s.n_tb),
        subframes: of(|s| s.sf_pscch + s.sf_pssch),
        sc_periods: of(|s| s.sc_periods),
        durable_writes: of(|s| s.durable_writes),
        vectors: each(runs.iter().map(|costs| costs.vectors).sum()),
        points,
    }
}

fn rows(groups: &[Group]) -> Rows {
    let mut head =
        vec!["scenario", "P", "SNR dB", "MCS", "RTT ms", "hops", "links", "mean ms", "p95", "should"];
    head.extend([
        "msgs",
        "should",
        "L3 oct.",
        "PDU oct.",
        "TBs",
        "subframes",
        "periods",
        "vectors",
        "network",
    ]);
    let lines = groups.iter().map(|g| {
        let mut cells = vec![g.name.clone(), g.period.to_string(), g.snr_db.to_string(), g.mcs.to_string()];
        cells.extend([g.network_rtt_ms.to_string(), g.hops.to_string(), g.linked.to_string()]);
        cells.extend([whole(g.setup_ms_mean), whole(g.setup_ms_p95), g.predicted_ms.to_string()]);
        cells.extend([short(g.msgs), g.predicted_messages.to_string()]);
        let figures = [g.l3_octets, g.pdu_octets, g.n_tb, g.subframes, g.sc_periods, g.vectors];
        cells.extend(figures.map(short));
        let point = |(name, [messages, octets]): (&String, &[f64; 2])| {
            format!("{name} {} ({} oct.)", short(*messages), short(*octets))
        };
        cells.push(g.points.iter().map(point).collect::<Vec<_>>().join(", "));
        cells
    });
    Rows { head, lines: lines.collect() }
}

fn panels(groups: &[Group]) -> Vec<Panel<'static>> {
    let label = |g: &Group| format!("{}, P = {}, RTT {} ms", g.name, g.period, g.network_rtt_ms);
    let bars = |title: &str, unit: &str, value: &dyn Fn(&Group) -> Option<f64>| {
        bars((title, unit), groups.iter().map(|g| (label(g), value(g))))
    };
    let all = [
        times(groups),
        bars("Time of the set-up at the remote UE, mean", "ms", &|g| g.setup_ms_mean),
        bars("What it should be", "ms", &|g| Some(g.predicted_ms as f64)),
        bars("Subframes that the set-up takes", "PSCCH and PSSCH subframes of both UEs", &|g| {
            Some(g.subframes)
        }),
        bars("Octets of messages in the set-up", "octets of both UEs", &|g| Some(g.l3_octets)),
    ];
    all.into_iter().flatten().collect()
}

/// Time over the round trip, measured and predicted; none where there is one round trip alone.
fn times(groups: &[Group]) -> Option<Panel<'static>> {
    let first = groups.first()?.network_rtt_ms;
    if groups.iter().all(|group| group.network_rtt_ms == first) {
        return None;
    }
    let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    let mut point = |name: String, at: (f64, f64)| match curves.iter_mut().find(|(known, _)| *known == name) {
        Some((_, points)) => points.push(at),
        None => curves.push((name, vec![at])),
    };
    for group in groups {
        let (name, rtt) = (format!("{}, P = {}", group.name, group.period), group.network_rtt_ms as f64);
        if let Some(ms) = group.setup_ms_mean {
            point(name.clone(), (rtt, ms));
        }
        point(format!("{name}, predicted"), (rtt, group.predicted_ms as f64));
    }
    Some(Panel::Curves {
        title: "Time of the set-up at the remote UE".to_owned(),
        x: "round trip to the network, ms".to_owned(),
        y: "ms".to_owned(),
        least_span: 1.0,
        curves,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_a_scenario() {
        assert!(WAYS.into_iter().all(|name| scenario(name).is_some()));
        assert!(names_relays(&["direct-psk".to_owned(), "relays".to_owned()]));
        assert!(!names_relays(&["direct-psk".to_owned(), "groups".to_owned()]));
    }
}
