//! `sidelink compare` of paths through UE-to-UE relays.

use super::Cases;
use super::compared::{self, bars, by_configuration, mean, percentile};
use super::concluded;
use super::u2u::{place, play, scenario};
use crate::args::Output;
use crate::config::ConfigError;
use crate::experiments::output::{Rows, write_as};
use crate::experiments::u2u::cases::U2uScenario;
use crate::experiments::u2u::costs::U2uCosts;
use crate::inspect::plot::{self, Panel};
use crate::outputs::Outputs;
use serde::Serialize;
use std::path::Path;

/// Paths to compare: scenarios to run, and costs of earlier runs.
pub(super) struct Chosen {
    scenarios: Vec<&'static U2uScenario>,
    costs: Vec<U2uCosts>,
}

/// Returns what is compared, where all names are of paths or of files of them; `None` where none is.
///
/// # Errors
/// They are named beside something else.
pub(super) fn chosen(what: &[String]) -> Result<Option<Chosen>, ConfigError> {
    let mut chosen = Chosen { scenarios: Vec::new(), costs: Vec::new() };
    let mut others = 0;
    for name in what {
        match scenario(name) {
            Ok(scenario) => chosen.scenarios.push(scenario),
            Err(_) => match read(name) {
                Ok(costs) if !costs.is_empty() => chosen.costs.extend(costs),
                _ => others += 1,
            },
        }
    }
    match others {
        0 => Ok(Some(chosen)),
        _ if others == what.len() => Ok(None),
        _ => {
            let what = "paths through UE-to-UE relays, and something else";
            Err(ConfigError::usage(what, "compare them in two runs"))
        }
    }
}

/// Runs the scenarios, and prints the costs of each configuration.
///
/// # Errors
/// The air fails, or a forbidden outcome occurred.
pub(super) fn run(
    chosen: Chosen,
    cases: &Cases,
    (output, plot): (&Output, Option<&Path>),
    mut outputs: Outputs,
) -> anyhow::Result<()> {
    let picture = plot.map(|path| plot::claim(&mut outputs, path)).transpose()?;
    let mut out = output.claim(&mut outputs)?.create()?;
    let Chosen { scenarios, costs: mut all } = chosen;
    play(cases, &scenarios, |_, costs| {
        all.push(costs);
        Ok(())
    })?;
    let groups = groups(&all);
    write_as(output.form, &groups, || rows(&groups), &mut out)?;
    out.finish()?;
    if let Some(place) = &picture {
        plot::draw(place, "What a path through a UE-to-UE relay costs on the air", &panels(&groups))?;
    }
    concluded(all.iter().filter_map(|c| Some(format!("{}: {}", place(c), c.failure.as_ref()?))))
}

fn read(name: &str) -> Result<Vec<U2uCosts>, ConfigError> {
    compared::read(Path::new(name), "make it with `sidelink scenario u2u-l2 -F json:FILE`")
}

/// Runs that differ only by their seeds: means over those with a path.
#[derive(Clone, Debug, Serialize)]
struct Group {
    name: String,
    period: u64,
    snr_db: f64,
    mcs: u8,
    runs: usize,
    with_path: usize,
    setup_ms_mean: Option<f64>,
    setup_ms_p95: Option<f64>,
    periods: Option<f64>,
    predicted_periods: u64,
    messages: Option<f64>,
    predicted_messages: u64,
    transmissions: Option<f64>,
    predicted_transmissions: u64,
    subframes: Option<f64>,
    ciphers: Option<f64>,
    predicted_ciphers: f64,
    air_time: Option<f64>,
    predicted_air_time: f64,
    cpu_us: Option<f64>,
    sent: u64,
    delivered: u64,
}

fn groups(all: &[U2uCosts]) -> Vec<Group> {
    let same = |a: &U2uCosts, b: &U2uCosts| {
        (&a.name, a.period, a.mcs) == (&b.name, b.period, b.mcs) && a.snr_db.total_cmp(&b.snr_db).is_eq()
    };
    by_configuration(all, same).iter().map(|runs| group(runs)).collect()
}

fn group(runs: &[&U2uCosts]) -> Group {
    let with_path: Vec<&&U2uCosts> = runs.iter().filter(|c| c.setup_ms.is_some()).collect();
    let of = |figure: &dyn Fn(&U2uCosts) -> Option<f64>| {
        mean(&with_path.iter().filter_map(|c| figure(c)).collect::<Vec<_>>())
    };
    let mut times: Vec<f64> = with_path.iter().filter_map(|c| c.setup_ms).map(|ms| ms as f64).collect();
    times.sort_by(f64::total_cmp);
    let subframes =
        |c: &U2uCosts| c.hops.iter().map(|hop| hop.setup.sf_pscch + hop.setup.sf_pssch).sum::<u64>();
    let first = runs[0];
    let predicted = first.predicted;
    Group {
        name: first.name.clone(),
        period: first.period,
        snr_db: first.snr_db,
        mcs: first.mcs,
        runs: runs.len(),
        with_path: with_path.len(),
        setup_ms_mean: mean(&times),
        setup_ms_p95: percentile(&times, 0.95),
        periods: of(&|c| c.periods.map(|periods| periods as f64)),
        predicted_periods: predicted.periods,
        messages: of(&|c| Some(c.messages as f64)),
        predicted_messages: predicted.messages,
        transmissions: of(&|c| Some(c.transmissions as f64)),
        predicted_transmissions: predicted.transmissions,
        subframes: of(&|c| Some(subframes(c) as f64)),
        ciphers: of(&|c| c.ciphers),
        predicted_ciphers: predicted.ciphers,
        air_time: of(&|c| c.air_time),
        predicted_air_time: predicted.air_time,
        cpu_us: of(&|c| Some(c.cpu_us)),
        sent: runs.iter().map(|c| c.sent).sum(),
        delivered: runs.iter().map(|c| c.delivered).sum(),
    }
}

fn rows(groups: &[Group]) -> Rows {
    let head = vec![
        "scenario",
        "P",
        "SNR dB",
        "MCS",
        "runs",
        "paths",
        "mean ms",
        "p95",
        "periods",
        "msgs",
        "on air",
        "subframes",
        "ciphers",
        "air time",
        "CPU us",
        "sent",
        "delivered",
    ];
    let one = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let lines = groups.iter().map(|g| {
        let mut cells = vec![g.name.clone(), g.period.to_string(), g.snr_db.to_string(), g.mcs.to_string()];
        cells.extend([g.runs.to_string(), g.with_path.to_string()]);
        cells.extend([one(g.setup_ms_mean), one(g.setup_ms_p95)]);
        cells.push(format!("{}/{}", one(g.periods), g.predicted_periods));
        cells.push(format!("{}/{}", one(g.messages), g.predicted_messages));
        cells.push(format!("{}/{}", one(g.transmissions), g.predicted_transmissions));
        cells.push(one(g.subframes));
        cells.push(format!("{}/{}", one(g.ciphers), g.predicted_ciphers));
        cells.push(format!("{}/{}", one(g.air_time), g.predicted_air_time));
        cells.extend([one(g.cpu_us), g.sent.to_string(), g.delivered.to_string()]);
        cells
    });
    Rows { head, lines: lines.collect() }
}

fn panels(groups: &[Group]) -> Vec<Panel<'static>> {
    let label = |g: &Group| format!("{}, P = {}, {} dB, MCS {}", g.name, g.period, g.snr_db, g.mcs);
    let bars = |title: &str, unit: &str, value: &dyn Fn(&Group) -> Option<f64>| {
        bars((title, unit), groups.iter().map(|g| (label(g), value(g))))
    };
    let all = [
        bars("Time of the set-up at the source, mean", "ms", &|g| g.setup_ms_mean),
        bars("Subframes that the set-up takes", "PSCCH and PSSCH subframes of all UEs", &|g| g.subframes),
        bars("Ciphering and deciphering for a packet", "operations of all UEs", &|g| g.ciphers),
        bars("Runs that came to a path", "%", &|g| Some(100.0 * g.with_path as f64 / g.runs as f64)),
    ];
    all.into_iter().flatten().collect()
}
