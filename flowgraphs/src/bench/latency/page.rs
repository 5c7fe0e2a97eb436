//! The report as one self-contained page of HTML.
//!
//! ```text
//! chart.rs    curves and bars as SVG
//! ```

mod chart;

use super::{Machine, Plan, Run};
use chart::{Bar, Curve};
use sidelink_ue::{LatencyStats, Stage};
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:1060px;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse;margin:.6em 0 1.6em}th,td{padding:.15em .7em;text-align:right;border-bottom:1px solid #ddd}\
th:first-child,td:first-child{text-align:left}th{border-bottom:2px solid #888}.bad{color:#b00020;font-weight:600}\
figure{margin:1em 0 2em}figcaption{color:#555;font-size:.93em}svg{max-width:100%;height:auto}h2{margin-top:2em}";

/// Stages whose curves are drawn: those that take time.
const DRAWN: [Stage; 8] = [
    Stage::Samples,
    Stage::Receive,
    Stage::Control,
    Stage::Shared,
    Stage::Layer2,
    Stage::Encode,
    Stage::Whole,
    Stage::TurnRound,
];

/// Returns the report of `runs`, made by `command`.
pub fn html(machine: &Machine, plan: &Plan, command: &str, subframe_samples: usize, runs: &[Run]) -> String {
    let mut page = String::with_capacity(1 << 16);
    // writing to a string cannot fail
    let _ = write(&mut page, machine, plan, command, subframe_samples, runs);
    page
}

fn write(
    page: &mut String,
    machine: &Machine,
    plan: &Plan,
    command: &str,
    n: usize,
    runs: &[Run],
) -> std::fmt::Result {
    write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>sidelink: latency</title><style>{STYLE}</style><h1>Latency of sidelink UEs</h1>\
         <p>{} PRB, transmission mode 2, messages of {} octets at MCS {}, {}. \
         Each run {:.0} s after a second of warm-up.</p><p>{}, {} cores, {}, sidelink {}. \
         Mean load before it began: {}.</p><p><code>{}</code></p>",
        plan.prb,
        plan.octets,
        plan.mcs,
        if plan.lock_step { "in lock-step: what is said of waiting means nothing" } else { "in real time" },
        plan.duration.as_secs_f64(),
        escape(&machine.processor),
        machine.cores,
        machine.date,
        machine.version,
        machine.load.map_or("unknown".to_owned(), |l| format!("{l:.2}")),
        escape(command),
    )?;
    summary(page, plan, n, runs)?;
    let misses: Vec<Bar> = runs.iter().map(|run| bar(run, share(run, n), share(run, n) > 0.0)).collect();
    figure(
        page,
        &chart::bars("Subframes missed", "%", &misses),
        "Subframes that were not received because there was no time for them, of all.",
    )?;
    let whole: Vec<Bar> = runs
        .iter()
        .map(|run| bar(run, run.latency_stats.microseconds(Stage::Whole)[1], run.over > 0))
        .collect();
    figure(
        page,
        &chart::bars("Work on a subframe, p99", "µs", &whole),
        "Red: some subframe took longer than its millisecond.",
    )?;
    for run in runs {
        one(page, run)?;
    }
    page.push_str("</html>\n");
    Ok(())
}

fn summary(page: &mut String, plan: &Plan, n: usize, runs: &[Run]) -> std::fmt::Result {
    write!(
        page,
        "<h2>Deadlines and turn-round</h2><p>An answer goes out {} ms after the end of the subframe that it answers; the work \
         was done after what stands under turn-round. The next column says how many subframes would do but for one answer of \
         1000.</p><table><tr><th>UEs, protection<th>missed<th>late bursts<th>over 1 ms<th>cores<th>turn-round p99, ms\
         <th>least<th>messages heard<th>app to app p50, ms<th>p99<th>worst",
        plan.lead - 1
    )?;
    for run in runs {
        let bad = |n: u64| if n > 0 { format!("<td class=bad>{n}") } else { "<td>0".to_owned() };
        let turn = run.latency_stats.histogram(Stage::TurnRound);
        let turn =
            if turn.is_empty() { "-".to_owned() } else { ms(turn.value_at_quantile(0.99) as f64 * 1e-6) };
        let [p50, p99, _, worst] =
            run.arrivals.wall().or(run.arrivals.air()).map_or(Default::default(), |v| v.map(ms));
        write!(
            page,
            "<tr><td>{}{}{}{}<td>{:.2}<td>{turn}<td>{}<td>{} of {}<td>{p50}<td>{p99}<td>{worst}",
            label(run),
            bad(run.missed(n)),
            bad(run.totals.late_bursts),
            bad(run.over),
            run.cores,
            run.least_turn_round().map_or("-".to_owned(), |l| format!("{l:.0}")),
            run.arrivals.received,
            run.arrivals.sent * (run.ues as u64 - 1),
        )?;
    }
    page.push_str("</table>");
    Ok(())
}

fn one(page: &mut String, run: &Run) -> std::fmt::Result {
    write!(
        page,
        "<h2>{}</h2><table><tr><th>microseconds<th>p50<th>p99<th>p99.9<th>worst<th>times",
        label(run)
    )?;
    for (stage, v) in run.latency_stats.microseconds_of_all() {
        let [a, b, c, d] = v.map(|v| format!("{v:.1}"));
        let times = run.latency_stats.histogram(stage).len();
        write!(page, "<tr><td>{}<td>{a}<td>{b}<td>{c}<td>{d}<td>{times}", stage.as_str())?;
    }
    page.push_str("</table>");
    let measured = DRAWN.into_iter().filter(|s| !run.latency_stats.histogram(*s).is_empty());
    let curves: Vec<Curve> = measured.map(|stage| curve(&run.latency_stats, stage)).collect();
    figure(
        page,
        &chart::percentiles(&curves),
        "Which share of subframes took at most how long; both axes stretched, to show the rare and the long.",
    )
}

fn figure(page: &mut String, svg: &str, caption: &str) -> std::fmt::Result {
    write!(page, "<figure>{svg}<figcaption>{caption}</figcaption></figure>")
}

/// Returns the share of missed subframes, in percent.
fn share(run: &Run, n: usize) -> f64 {
    let missed = run.missed(n) as f64;
    100.0 * missed / (run.totals.subframes as f64 + missed - run.totals.skipped as f64).max(1.0)
}

fn bar(run: &Run, value: f64, bad: bool) -> Bar {
    Bar { name: label(run), value, bad }
}

fn label(run: &Run) -> String {
    format!("{} UE{}, {}", run.ues, if run.ues == 1 { "" } else { "s" }, run.security.as_str())
}

fn ms(v: f64) -> String {
    format!("{v:.2}")
}

/// Returns the percentiles of a stage, by their distance from 100 % in powers of ten, as far as there are figures.
fn curve(latency_stats: &LatencyStats, stage: Stage) -> Curve {
    let histogram = latency_stats.histogram(stage);
    let last = (histogram.len() as f64).log10();
    let steps = (last / 0.05).floor() as usize;
    let at = |i: usize| {
        let nines = i as f64 * 0.05;
        (nines, histogram.value_at_quantile(1.0 - 10f64.powf(-nines)) as f64 * 1e-3)
    };
    Curve { name: stage.as_str(), points: (0..=steps).map(at).collect() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
