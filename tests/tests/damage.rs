//! `sidelink bench damage`: its lines, its recordings, its errors.
#![allow(clippy::disallowed_methods)]

use serde_json::Value;
use sidelink_tests::command::{Folder, run, text};
use std::path::Path;

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the output is there");
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
}

/// What is written is what was received: decoded with the pools that the recording itself tells, it gives as many blocks.
#[test]
fn damage_is_counted_and_written() {
    let folder = Folder::new("damage-written");
    let (written, out, decoded) =
        (folder.path("written"), folder.path("out.json"), folder.path("decoded.json"));
    std::fs::create_dir_all(&written).unwrap();
    let form = format!("json:{}", out.display());
    let damage = ["bench", "damage", "--signal", "d2d", "--duration", "0.4", "--seed", "5"];
    let args = |kind| [&damage[..], &["--kind", kind, "--write", text(&written), "-F", &form]].concat();
    run(&args("none,loss")).unwrap();
    let rows = lines(&out);
    assert_eq!(rows.iter().filter(|row| row["kind"] == "none").count(), 1);
    let blocks = &rows[0]["sl_sch"];
    assert!(blocks["sent"].as_u64() > Some(90), "{blocks}");
    assert_eq!((&blocks["heard"], &blocks["false"]), (&blocks["sent"], &0.into()), "{blocks}");
    let loss = rows.iter().find(|row| row["strength"] == "1000 samples once").expect("the loss");
    // it lies in the synchronisation subframe in the middle
    assert_eq!(loss["mib"]["clear"].as_u64().map(|n| n + 1), loss["mib"]["sent"].as_u64(), "{loss}");

    let recording = written.join("d2d_none.sigmf-meta");
    let form = format!("json:{}", decoded.display());
    run(&["decode", text(&recording), "-F", &form]).unwrap();
    let new = |line: &&Value| line["type"] == "sl-sch" && line["repeat"] == false;
    let heard = lines(&decoded).iter().filter(new).count() as u64;
    // the last subframe, which is not counted, may hold the end of more
    assert!((0..=6).contains(&(heard - blocks["heard"].as_u64().unwrap())), "{heard} of {blocks}");
    let meta = std::fs::read_to_string(&recording).unwrap();
    assert!(meta.contains("\"sidelink:fields\"") && meta.contains("damage: none"));

    let error = run(&args("none")).unwrap_err();
    assert!(error.contains("would overwrite a recording"), "{error}");
}

/// Beside strong impulses every soft bit is about 0, which decodes to zeros, and zeros have a CRC of zeros.
#[test]
fn impulses_give_no_blocks_of_zeros_in_modes_1_and_2() {
    let folder = Folder::new("damage-impulse");
    let out = folder.path("out.json");
    let form = format!("json:{}", out.display());
    run(&["bench", "damage", "--signal", "d2d", "--kind", "impulse", "-F", &form]).unwrap();
    let rows = lines(&out);
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!(row["sl_sch"]["false"], 0, "{row}");
        assert!(row["sl_sch"]["heard"].as_u64() > Some(850), "{row}");
    }
}

#[test]
fn wrong_names_and_values_are_refused() {
    for (args, what) in [
        (&["--kind", "rust"][..], "phase-noise"),
        (&["--signal", "tm1"], "v2x-gnss"),
        (&["--duration", "0"], "0.1 s to 60 s"),
        (&["-F", "csv"], "table, json"),
        (&["--kind", "none", "--write", "/nowhere/at/all"], "folder"),
    ] {
        let error = run(&[&["bench", "damage"], args].concat()).unwrap_err();
        assert!(error.contains(what), "{args:?}: {error}");
    }
}
