//! Curves as tables in Markdown: a row a case, a column a channel model.

use super::plan::Job;
use super::{Crossing, Knowledge};
use sidelink_phy::impair::fading::ChannelModel;

/// Share of blocks that fail at any ratio from which a floor is told.
const FLOOR_TOLD: f64 = 0.005;

/// Returns the tables: the receiver, and where it was measured perfect knowledge and what estimation loses.
pub fn markdown(curves: &[(Job, Crossing)]) -> String {
    let of = |knowledge| curves.iter().filter(move |(job, _)| job.knowledge == knowledge);
    let mut page = String::new();
    let estimated =
        |job: &Job, curve: &Crossing| (job.knowledge == Knowledge::Estimated).then(|| cell(curve));
    let perfect = |job: &Job, curve: &Crossing| (job.knowledge == Knowledge::Perfect).then(|| cell(curve));
    let lost = |job: &Job, curve: &Crossing| {
        let other = of(Knowledge::Perfect)
            .find(|(other, _)| other.case == job.case && other.air.channel == job.air.channel)?;
        let lost = curve.es_n0?.0 - other.1.es_n0?.0;
        (job.knowledge == Knowledge::Estimated).then(|| format!("{lost:.2}"))
    };
    table(&mut page, "Es/N0 in dB at 10 % BLER, and half its 95 % interval", curves, &estimated);
    if of(Knowledge::Perfect).next().is_some() {
        table(&mut page, "With perfect knowledge of channel and noise", curves, &perfect);
        table(&mut page, "Lost by estimation, dB", curves, &lost);
    }
    page
}

type Cell<'a> = dyn Fn(&Job, &Crossing) -> Option<String> + 'a;

fn table(page: &mut String, title: &str, curves: &[(Job, Crossing)], cell: &Cell<'_>) {
    let mut channels: Vec<ChannelModel> = Vec::new();
    let mut cases: Vec<&str> = Vec::new();
    for (job, _) in curves {
        if !channels.contains(&job.air.channel) {
            channels.push(job.air.channel);
        }
        if !cases.contains(&job.case.name) {
            cases.push(job.case.name);
        }
    }
    let heads: Vec<String> = channels.iter().map(|c| c.to_string().to_uppercase()).collect();
    page.push_str(&format!(
        "{title}:\n\n| channel | {} |\n|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    ));
    for case in cases {
        let cells = channels.iter().map(|channel| {
            let here = curves.iter().filter(|(job, _)| job.case.name == case && job.air.channel == *channel);
            here.filter_map(|(job, curve)| cell(job, curve)).next().unwrap_or_default()
        });
        page.push_str(&format!("| {case} | {} |\n", cells.collect::<Vec<_>>().join(" | ")));
    }
    page.push('\n');
}

fn cell(curve: &Crossing) -> String {
    let mut cell = match (curve.es_n0, curve.interval) {
        (Some(es_n0), Some([low, high])) => format!("{:.2} ± {:.2}", es_n0.0, (high.0 - low.0) / 2.0),
        (Some(es_n0), None) => format!("{:.2}", es_n0.0),
        (None, _) => "none".to_owned(),
    };
    if let Some(floor) = curve.floor.map(|floor| floor.bler()).filter(|floor| *floor > FLOOR_TOLD) {
        cell.push_str(&format!(" (floor {:.1} %)", 100.0 * floor));
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::super::{AirConfig, CASES, FLOOR, Point};
    use super::*;
    use sidelink_phy::units::{Antennas, Decibel, Hertz};

    #[test]
    fn rows_are_cases_and_columns_are_channels() {
        let curve = |es_n0: Option<f64>, errors| Crossing {
            es_n0: es_n0.map(Decibel),
            interval: es_n0.map(|at| [Decibel(at - 0.25), Decibel(at + 0.35)]),
            points: Vec::new(),
            floor: Some(Point { es_n0: FLOOR, trials: 1000, errors }),
        };
        let job = |case, channel: &str, knowledge| {
            let channel = channel.parse().unwrap();
            let air = AirConfig { channel, cfo: Hertz(0.0), antennas: Antennas::ONE, seed: 1 };
            Job { case: &CASES[case], air, knowledge }
        };
        let curves = [
            (job(0, "epa5", Knowledge::Estimated), curve(Some(1.5), 1)),
            (job(0, "epa5", Knowledge::Perfect), curve(Some(1.0), 0)),
            (job(1, "epa5", Knowledge::Estimated), curve(Some(2.0), 30)),
            (job(0, "eva2700", Knowledge::Estimated), curve(None, 900)),
        ];
        let page = markdown(&curves);
        for line in [
            "| channel | EPA5 | EVA2700 |",
            "| psbch-tm2 | 1.50 ± 0.30 | none (floor 90.0 %) |",
            "| psbch-tm4 | 2.00 ± 0.30 (floor 3.0 %) |  |",
            "| psbch-tm2 | 1.00 ± 0.30 |  |",
            "| psbch-tm2 | 0.50 |  |",
        ] {
            assert!(page.lines().any(|written| written == line), "{line}\n{page}");
        }
        assert!(!markdown(&curves[..1]).contains("perfect"));
    }
}
