//! The recordings that the project ships, through the command: what is decoded is what is expected, line by line, and
//! what is expected is what the annotations say was sent.
#![allow(clippy::disallowed_methods)]

use clap::Parser;
use serde_json::{Map, Value};
use sidelink_flowgraphs::commands::{self, Cli};
use std::path::{Path, PathBuf};

/// Keys that do not depend on a measurement.
const STABLE: [&str; 8] = ["type", "subframe", "hex", "prb", "prb_start", "rv", "n_ssf", "repeat"];

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../recordings/samples")
}

fn lines(path: &Path) -> Vec<Map<String, Value>> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(|l| serde_json::from_str(l).expect("one JSON object a line")).collect()
}

fn decode(name: &str, arguments: &[&str]) -> Vec<Map<String, Value>> {
    let out = std::env::temp_dir().join(format!("sidelink-samples-{}-{name}.json", std::process::id()));
    let form = format!("json:{}", out.display());
    let file = samples().join(format!("{name}.sigmf-meta"));
    let file = file.to_str().expect("a path in UTF-8");
    let mut command = vec!["sidelink", "decode", file, "-F", &form];
    command.extend(arguments);
    commands::run(Cli::try_parse_from(command).expect("the command line parses").command)
        .expect("it decodes");
    let decoded = lines(&out);
    std::fs::remove_file(out).expect("the output was there");
    decoded
}

fn stable(lines: &[Map<String, Value>]) -> Vec<Map<String, Value>> {
    let kept = lines.iter().filter(|o| !["slss", "summary"].contains(&o["type"].as_str().unwrap_or("")));
    kept.map(|o| {
        o.iter().filter(|(k, _)| STABLE.contains(&k.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
    })
    .collect()
}

fn check(name: &str, control: usize, shared: usize, discovery: usize) {
    let decoded = decode(name, &[]);
    let expected = lines(&samples().join(format!("{name}.expected.jsonl")));
    assert_eq!(stable(&decoded), expected);

    let count = |t: &str| expected.iter().filter(|o| o["type"] == t).count();
    assert_eq!((count("sci"), count("sl-sch"), count("sl-dch")), (control, shared, discovery));

    // every line is in the annotations, which the generator wrote and no receiver had a hand in
    let meta = std::fs::read_to_string(samples().join(format!("{name}.sigmf-meta"))).expect("metadata");
    let meta: Value = serde_json::from_str(&meta).expect("metadata parse");
    let sent: Vec<(u64, String)> = meta["annotations"]
        .as_array()
        .expect("annotations")
        .iter()
        .map(|a| {
            let fields = &a["sidelink:fields"];
            (
                a["sidelink:subframe"].as_u64().expect("a subframe"),
                fields["hex"].as_str().unwrap_or("").to_owned(),
            )
        })
        .collect();
    for line in &expected {
        let what =
            (line["subframe"].as_u64().expect("a subframe"), line["hex"].as_str().expect("hex").to_owned());
        assert!(sent.contains(&what), "{what:?} was never sent");
    }
}

#[test]
// TS 36.321 §5.14.1.2.2 (1); TS 36.321 §5.14.2.1 (1); TS 36.321 §5.14.2.2.1 (1); TS 36.321 §5.14.2.2.2 (1)
fn d2d_15prb() {
    check("d2d_15prb", 8, 65, 0);
}

#[test]
// TS 36.213 §14.3.2; TS 36.321 §5.15.1.2.2 (1); TS 36.321 §5.15.2.1.1; TS 36.321 §5.15.2.1.2 (1)
fn discovery_6prb_combines_transmissions() {
    check("discovery_6prb", 0, 0, 15);
}

#[test]
// TS 36.211 §9.8 (7); TS 36.321 §5.14.1.2.2 (1); TS 36.321 §5.14.2.1 (2); TS 36.321 §5.14.2.2.1 (1)
// TS 36.321 §5.14.2.2.2 (1)
fn v2x_25prb() {
    check("v2x_25prb", 3, 3, 0);
}

/// Nobody says the pool: the search finds it, and says so.
#[test]
fn v2x_without_a_pool() {
    let out = std::env::temp_dir().join(format!("sidelink-samples-{}-raw", std::process::id()));
    std::fs::create_dir_all(&out).expect("a folder");
    let raw = out.join("v2x.ci16");
    std::fs::copy(samples().join("v2x_25prb.sigmf-data"), &raw).expect("the samples");
    let json = out.join("out.json");
    let form = format!("json:{}", json.display());
    let raw = raw.to_str().expect("a path in UTF-8");
    let command = ["sidelink", "decode", raw, "--rate", "7.68M", "-F", &form];
    commands::run(Cli::try_parse_from(command).expect("the command line parses").command)
        .expect("it decodes");
    let decoded = lines(&json);
    std::fs::remove_dir_all(out).expect("the folder was there");
    let blocks: Vec<_> = decoded.iter().filter(|o| o["type"] == "sl-sch").map(|o| o["hex"].clone()).collect();
    let expected = lines(&samples().join("v2x_25prb.expected.jsonl"));
    let expected: Vec<_> =
        expected.iter().filter(|o| o["type"] == "sl-sch").map(|o| o["hex"].clone()).collect();
    assert_eq!(blocks, expected);
    let assumed = decoded.last().expect("a summary")["assumed"].to_string();
    assert!(assumed.contains("size=5,num=5"), "{assumed}");
}
