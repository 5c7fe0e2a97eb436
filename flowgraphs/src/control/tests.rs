#![allow(clippy::disallowed_methods)]

mod applications;
mod guard;

use super::*;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Returns a status with a value in every field, and a name that needs escapes.
fn status() -> Status {
    let mut status = Status {
        name: "al\"i\\ce\n".into(),
        drift_ppm: -1.25,
        cfo: Hertz(120.5),
        silent: Some("it is too slow".into()),
        selections: [3, 4],
        ..Status::default()
    };
    status.totals.heard = [1, 2, 3, 4];
    status.totals.silent = 17;
    status.outcomes.insert("deciphered", 5);
    for stage in Stage::ALL {
        status.stages_us.insert(stage.as_str(), [1.0, 2.0, 3.0, 4.5]);
        status.stages_sum_us.insert(stage.as_str(), (10, 16.0));
    }
    status
}

/// Splits a sample into family, labels and value.
fn split(sample: &str) -> (&str, &str, f64) {
    let (name, rest) = sample.split_once('{').unwrap();
    let (labels, value) = rest.rsplit_once("} ").unwrap();
    (name, labels, value.parse().unwrap())
}

/// Returns the findings of `promtool check metrics` (Prometheus' promlint), as far as they concern us.
fn lint(text: &str) -> Vec<String> {
    const ABBREVIATED: [&str; 14] =
        ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "m", "h", "d", "hz", "ppm"];
    let mut problems = Vec::new();
    let (mut described, mut kinds, mut samples) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            let again = !described.insert(name);
            if again || help.is_empty() {
                problems.push(format!("{name}: no help, or twice"));
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            kinds.insert(name, kind);
            if (kind == "counter") != name.ends_with("_total") {
                problems.push(format!("{name}: counters end in _total, nothing else does"));
            }
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !name.chars().all(plain) || name.split('_').any(|word| word == kind) {
                problems.push(format!("{name}: no such letters, and not the type"));
            }
            if let Some(unit) = name.split('_').find(|word| ABBREVIATED.contains(word)) {
                problems.push(format!("{name}: {unit} is abbreviated"));
            }
        } else {
            let (name, labels, _) = split(line);
            let family = ["_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            let kind = kinds.get(family).copied().unwrap_or("none before its samples");
            if !matches!(kind, "counter" | "gauge" | "summary") {
                problems.push(format!("{name}: type {kind}"));
            }
            if labels.contains("quantile=") != (kind == "summary" && family == name) {
                problems.push(format!("{name}: quantile is a label of summaries"));
            }
            if !samples.insert((name, labels)) {
                problems.push(format!("{line}: twice"));
            }
        }
    }
    problems
}

#[test]
fn prometheus_has_nothing_to_object_to() {
    let text = status().metrics();
    assert_eq!(lint(&text), Vec::<String>::new(), "{text}");
    let value = |start: &str| text.lines().find_map(|l| l.strip_prefix(start)?.rsplit(' ').next());
    assert_eq!(value("sidelink_silent_subframes_total{"), Some("17"));
    assert_eq!(value("sidelink_silent{"), Some("1"));
    assert_eq!(value("sidelink_refused_selections_total{"), Some("4"));
    assert_eq!(value(r#"sidelink_silent{ue="al\"i\\ce\n"}"#), Some("1"), "{text}");
    let whole = r#"sidelink_stage_duration_seconds_sum{ue="al\"i\\ce\n",stage="whole subframe"} "#;
    assert_eq!(value(whole), Some("0.000016"));
    // the former output is found faulty
    assert_eq!(lint("# HELP a_ppm Drift.\n# TYPE a_ppm gauge\na_ppm{ue=\"a\"} 1").len(), 1);
    let quantile = "# HELP a_seconds Time.\n# TYPE a_seconds gauge\na_seconds{quantile=\"1\"} 1";
    assert_eq!(lint(quantile).len(), 1);
}

#[test]
fn promtool_has_nothing_to_object_to() {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match started {
        Ok(promtool) => promtool,
        Err(e) => {
            eprintln!("SKIPPED: no promtool ({e}: apt-get install prometheus)");
            return;
        }
    };
    promtool.stdin.take().unwrap().write_all(status().metrics().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
