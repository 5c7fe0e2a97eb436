//! Signed discovery from keys to samples and back: `sidelink keys`, `generate --keys`, `decode --keys`.
#![allow(clippy::disallowed_methods)]

use clap::Parser;
use serde_json::Value;
use sidelink_flowgraphs::commands::{self, Cli};
use tempfile::TempDir;

fn sidelink(args: &[&str]) {
    let command = std::iter::once(&"sidelink").chain(args);
    commands::run(Cli::try_parse_from(command).unwrap().command).unwrap_or_else(|e| panic!("{e:#}"));
}

const SCENARIO: &str = r#"duration = 3600
first-subframe = 1280
snr = 12.0
[radio]
prb = 6
tm = 2
[radio.sync]
offset = 0
[[radio.discovery]]
period = 320
offset = 40
bitmap = "0000 0001"
repetitions = 8
transmissions = 1
prb = { start = 0, end = 5, num = 3 }
[[ue]]
name = "anna"
[ue.sync]
id = 301
[[ue.discovery]]
protected = { key = "anna" }
resource = 2
[[ue]]
name = "emil"
[[ue.discovery]]
protected = { key = "emil" }
resource = 7
"#;

/// Two announcers in one pool, one with Ed25519, one with ECDSA and a concealed code. A monitor has what was exported for it,
/// and no private key; from the fourth block of a set on it verifies them, at the time of the recording only.
#[test]
fn signed_announcements_are_verified_over_the_air() {
    let folder = TempDir::with_prefix("sidelink-signed-").unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (store, bobs, exported) = (file("keys"), file("bobs"), file("bob.toml"));
    let new = ["keys", "new-discovery", "-s", &store, "--protection", "signed", "--monitor", "bob"];
    let code = "6d656574696e6720706f696e742c206c6576656c20332e";
    sidelink(&[&new[..], &["anna", "--announcer", "anna", "--code", code]].concat());
    let more = ["emil", "--announcer", "emil", "--code", code, "--scheme", "ecdsa-p256", "--conceal"];
    sidelink(&[&new[..], &more].concat());
    sidelink(&["keys", "export", "-s", &store, "--for", "bob", "-o", &exported]);
    let text = std::fs::read_to_string(&exported).unwrap();
    assert!(
        text.contains("verifying-key") && !text.contains("signing-key"),
        "only public keys for a monitor"
    );
    sidelink(&["keys", "import", &exported, "-s", &bobs]);

    let (config, air) = (file("scenario.toml"), file("air"));
    std::fs::write(&config, SCENARIO).unwrap();
    sidelink(&["generate", "-c", &config, "--keys", &store, "--utc", "1795238400.8", "-w", &air]);
    let meta = file("air.sigmf-meta");
    let decoded = |utc: &[&str]| -> Vec<Value> {
        let json = file("out.json");
        let form = format!("json:{json}");
        sidelink(&[&["decode", &meta, "--keys", &bobs, "-F", &form][..], utc].concat());
        let lines = std::fs::read_to_string(&json).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line["type"] == "discovery").collect()
    };
    let lines = decoded(&[]);
    for name in ["anna", "emil"] {
        let verified: Vec<_> =
            lines.iter().filter(|line| line["name"] == name && line["result"] == "verified").collect();
        assert!(verified.len() >= 4, "{name}: {lines:#?}");
        assert!(verified.iter().all(|line| line["code"] == code), "{name}: {verified:#?}");
    }
    assert!(lines.iter().filter(|line| line["result"] == "incomplete").count() >= 6, "{lines:#?}");
    assert!(lines.len() >= 20, "eleven periods: {}", lines.len());
    // The same air an hour later: nothing of it is of that time.
    let late = decoded(&["--utc", "1795242000.8"]);
    assert!(late.len() == lines.len() && late.iter().all(|line| line["result"] != "verified"), "{late:#?}");
}
