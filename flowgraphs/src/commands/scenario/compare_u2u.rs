//! `sidelink compare` of paths through UE-to-UE relays.

use super::Cases;
use super::u2u::{is_one, place, play, scenario};
use crate::args::Output;
use crate::config::ConfigError;
use crate::experiments::output::{Rows, write_as};
use crate::experiments::u2u::costs::U2uCosts;
use crate::inspect::plot::{self, Panel};
use crate::outputs::Outputs;
use serde::Serialize;
use std::path::Path;

/// Whether paths are compared: all names are theirs, or files of them.
///
/// # Errors
/// They are named beside something else.
pub(super) fn are_all(what: &[String]) -> Result<bool, ConfigError> {
    let is_theirs = |name: &&String| is_one(name) || read(Path::new(name)).is_ok_and(|all| !all.is_empty());
    let named = what.iter().filter(is_theirs).count();
    match (named, what.len() - named) {
        (0, _) => Ok(false),
        (_, 0) => Ok(true),
        _ => {
            let what = "paths through UE-to-UE relays, and something else";
            Err(ConfigError::usage(what, "compare them in two runs"))
        }
    }
}

/// Runs or reads all runs, and prints the costs of each configuration.
///
/// # Errors
/// A file has another content, or what must never be was.
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
        if is_one(name) {
            scenarios.push(scenario(name)?);
        } else {
            all.extend(read(Path::new(name))?);
        }
    }
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
    let failed: Vec<_> =
        all.iter().filter_map(|c| Some(format!("{}: {}", place(c), c.failure.as_ref()?))).collect();
    if failed.is_empty() { Ok(()) } else { anyhow::bail!("{}", failed.join("\n")) }
}

fn read(path: &Path) -> anyhow::Result<Vec<U2uCosts>> {
    let failed = |what: String| {
        let remedy = "make it with `sidelink scenario u2u-l2 -F json:FILE`";
        ConfigError::new(what, path.display().to_string(), remedy)
    };
    let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
    let line = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| failed(format!("line {} holds no costs: {e}", i + 1)))
    };
    Ok(text.lines().enumerate().map(line).collect::<Result<_, _>>()?)
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
    let mut groups: Vec<Vec<&U2uCosts>> = Vec::new();
    for costs in all {
        match groups.iter_mut().find(|group| same(group[0], costs)) {
            Some(group) => group.push(costs),
            None => groups.push(vec![costs]),
        }
    }
    groups.iter().map(|runs| group(runs)).collect()
}

fn group(runs: &[&U2uCosts]) -> Group {
    let with_path: Vec<&&U2uCosts> = runs.iter().filter(|c| c.setup_ms.is_some()).collect();
    let mean = |figure: &dyn Fn(&U2uCosts) -> Option<f64>| {
        let values: Vec<f64> = with_path.iter().filter_map(|c| figure(c)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let mut times: Vec<u64> = with_path.iter().filter_map(|c| c.setup_ms).collect();
    times.sort_unstable();
    let p95 = times.get(((0.95 * times.len() as f64).ceil() as usize).max(1) - 1);
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
        setup_ms_mean: mean(&|c| c.setup_ms.map(|ms| ms as f64)),
        setup_ms_p95: p95.map(|ms| *ms as f64),
        periods: mean(&|c| c.periods.map(|periods| periods as f64)),
        predicted_periods: predicted.periods,
        messages: mean(&|c| Some(c.messages as f64)),
        predicted_messages: predicted.messages,
        transmissions: mean(&|c| Some(c.transmissions as f64)),
        predicted_transmissions: predicted.transmissions,
        subframes: mean(&|c| Some(subframes(c) as f64)),
        ciphers: mean(&|c| c.ciphers),
        predicted_ciphers: predicted.ciphers,
        air_time: mean(&|c| c.air_time),
        predicted_air_time: predicted.air_time,
        cpu_us: mean(&|c| Some(c.cpu_us)),
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
        let rounded = |v: f64| (v * 10.0).round() / 10.0;
        let bars: Vec<_> = groups.iter().filter_map(|g| Some((label(g), rounded(value(g)?)))).collect();
        (!bars.is_empty()).then(|| Panel::Bars { title: title.to_owned(), unit: unit.to_owned(), bars })
    };
    let all = [
        bars("Time of the set-up at the source, mean", "ms", &|g| g.setup_ms_mean),
        bars("Subframes that the set-up takes", "PSCCH and PSSCH subframes of all UEs", &|g| g.subframes),
        bars("Ciphering and deciphering for a packet", "operations of all UEs", &|g| g.ciphers),
        bars("Runs that came to a path", "%", &|g| Some(100.0 * g.with_path as f64 / g.runs as f64)),
    ];
    all.into_iter().flatten().collect()
}
