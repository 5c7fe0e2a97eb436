//! Recordings as other programs write them, through the command: each is made here from one clean signal of the project's
//! own, and is decoded, or refused with what to do. And what the command leaves alone: inputs, and recordings that exist.
#![allow(clippy::disallowed_methods)]

use serde_json::{Value, json};
use sidelink_recordings::{OpenOptions, Recording, Sample, SampleFormat};
use sidelink_tests::command::{Folder, Refusal, run, text};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const SCENARIO: &str = r#"
duration = 80
snr = 25
[radio]
prb = 25
tm = 4
frequency = "5.92G"
[radio.v2x]
size = 5
num = 5
[[ue]]
name = "car"
[[ue.v2x]]
from = 3
interval = 20
subchannel = 0
length = 2
mcs = 7
priority = 7
payload = "random"
"#;

/// The clean signal: cars that send now and then.
fn clean() -> &'static [Sample] {
    static CLEAN: OnceLock<Vec<Sample>> = OnceLock::new();
    CLEAN.get_or_init(|| {
        let folder = Folder::new("clean");
        let scenario = folder.put("s.toml", SCENARIO);
        let out = folder.path("clean.cf32");
        run(&["generate", "-c", text(&scenario), "-w", text(&out)]).unwrap();
        let mut recording = Recording::open(&out, &OpenOptions::default()).unwrap();
        let mut samples = vec![Sample::default(); recording.info().length as usize];
        assert_eq!(recording.read(&mut samples).unwrap(), samples.len());
        let peak = samples.iter().map(|s| s.norm()).fold(0.0, f32::max);
        assert!((peak - 0.708).abs() < 0.01, "-3 dBFS: {peak}");
        samples
    })
}

fn floats() -> Vec<u8> {
    clean().iter().flat_map(|s| [s.re, s.im]).flat_map(f32::to_le_bytes).collect()
}

fn integers() -> Vec<u8> {
    let mut bytes = Vec::new();
    SampleFormat::CI16_LE.encode(clean(), 1.0, &mut bytes).unwrap();
    bytes
}

fn meta(change: impl FnOnce(&mut Value)) -> String {
    let mut meta = json!({
        "global": {"core:datatype": "ci16_le", "core:version": "1.2.0", "core:sample_rate": 7_680_000},
        "captures": [{"core:sample_start": 0}],
        "annotations": [],
    });
    change(&mut meta);
    meta.to_string()
}

fn pair(folder: &Folder, name: &str, meta: impl AsRef<[u8]>, data: &[u8]) -> PathBuf {
    folder.put(&format!("{name}.sigmf-data"), data);
    folder.put(&format!("{name}.sigmf-meta"), meta)
}

/// What of the clean signal is heard in a file: transport blocks; or why it is not read.
fn blocks(folder: &Folder, file: &Path, more: &[&str]) -> Result<usize, Refusal> {
    let json = folder.path("heard.json");
    let _ = std::fs::remove_file(&json);
    let form = format!("json:{}", text(&json));
    let words = [&["decode", text(file), "--prb", "25", "--tm", "4", "-F", &form], more].concat();
    run(&words)?;
    let heard = std::fs::read_to_string(&json).unwrap();
    Ok(heard.lines().filter(|line| line.contains("\"type\":\"sl-sch\"")).count())
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, contents) in members {
        let mut head = [0_u8; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[100..108].copy_from_slice(b"0000644\0");
        head[124..136].copy_from_slice(format!("{:011o}\0", contents.len()).as_bytes());
        head[148..156].copy_from_slice(b"        ");
        head[156] = b'0';
        head[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes.extend(head);
        bytes.extend_from_slice(contents);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn files_as_others_write_them() {
    let folder = Folder::new("others");
    let data = integers();
    let all = blocks(&folder, &pair(&folder, "good", meta(|_| ()), &data), &[]).unwrap();
    assert!(all >= 2, "the control: {all}");
    let decoded =
        |file: &Path, more: &[&str]| assert_eq!(blocks(&folder, file, more), Ok(all), "{}", file.display());
    let refused = |file: &Path, more: &[&str], words: &str| {
        let message = blocks(&folder, file, more).unwrap_err();
        assert!(message.contains(words), "{}: {message}", file.display());
    };

    refused(&folder.put("a.sigmf.gz", b"\x1f\x8b\x08 and so on, for a block"), &[], "compressed (gzip)");
    refused(&folder.put("a.sigmf.xz", b"\xfd7zXZ\0 and so on"), &[], "with `unxz -k a.sigmf.xz`");
    refused(&folder.put("a.zip", b"PK\x03\x04 and so on"), &[], "with `unzip a.zip`");
    let macos = meta(|_| ());
    let members = [
        ("._a.sigmf-meta", &b"\0\x05\x16\x07"[..]),
        ("a.sigmf-meta", macos.as_bytes()),
        ("a.sigmf-data", &data),
    ];
    decoded(&folder.put("mac.sigmf", tar(&members)), &[]);
    let still = pair(&folder, "still", meta(|m| m["global"]["core:sample_rate"] = 0.into()), &data);
    decoded(&still, &["-r", "7.68M"]);
    let other = pair(&folder, "other", meta(|m| m["global"]["core:sample_rate"] = 1_000_000.into()), &data);
    decoded(&other, &["-r", "7.68M"]);
    let wide = pair(&folder, "wide", meta(|m| m["global"]["core:datatype"] = "cf64_le".into()), &floats());
    let options = OpenOptions::default();
    let warnings = Recording::open(&wide, &options).unwrap().warnings().to_vec();
    assert!(warnings.iter().any(|w| w.to_string().contains("try --format cf32")), "{warnings:?}");
    decoded(&wide, &["--format", "cf32"]);
    decoded(&pair(&folder, "bom", [&b"\xef\xbb\xbf"[..], meta(|_| ()).as_bytes()].concat(), &data), &[]);
    let old = meta(|m| m["global"]["core:extensions"] = json!({"antenna": "v0.9.0"}));
    decoded(&pair(&folder, "old", old, &data), &[]);
    let lost = meta(|m| m["annotations"] = json!([{"core:comment": "x"}]));
    decoded(&pair(&folder, "lost", lost, &data), &[]);
    let headed = meta(|m| m["captures"][0]["core:header_bytes"] = 1_000_000_000.into());
    refused(&pair(&folder, "headed", headed, &data), &[], "core:header_bytes");

    // WAV: as it is, and never with I and Q in each other's place
    let floats = floats();
    let mut wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x03\0\x02\0".to_vec();
    wav.extend(7_680_000_u32.to_le_bytes());
    wav.extend((8 * 7_680_000_u32).to_le_bytes());
    wav.extend(b"\x08\0\x20\0data");
    wav.extend((floats.len() as u32).to_le_bytes());
    wav.extend(&floats);
    decoded(&folder.put("SDRSharp_20260102_030405Z_5920000000Hz_IQ.wav", &wav), &[]);
    decoded(&folder.put("w.dat", &wav), &["--format", "cf32", "-r", "7.68M"]);

    // names
    decoded(&folder.put("gqrx_20260102_030405_5920000000_7680000_fc.raw", &floats), &[]);
    decoded(&folder.put("g001_5920M_7680k.cs16", &data), &[]);
    decoded(&folder.put("drive_fc32.bin", &floats), &["-r", "7.68M"]);
    decoded(&folder.put("drive.c64", &floats), &["-r", "7.68M"]);
    decoded(&folder.put("drive.iq", &data), &["-r", "7.68M"]);
    refused(&folder.put("drive.bin", &data), &[], "give --format ci16");
}

#[test]
fn inputs_and_recordings_are_left_alone() {
    let folder = Folder::new("alone");
    let data = integers();
    let (a, b) = (folder.put("a_7.68Msps.ci16", &data), folder.put("b_7.68Msps.ci16", &data));
    // the name of the capture was forgotten
    let message = run(&["decode", "--pcap", text(&a), text(&b)]).unwrap_err();
    assert!(message.starts_with("--pcap would overwrite a recording"), "{message}");
    let form = format!("json:{}", text(&b));
    let message = run(&["decode", text(&b), "-F", &form, "--force"]).unwrap_err();
    assert!(message.starts_with("-F json would overwrite an input"), "{message}");
    let scenario = folder.put("s.toml", SCENARIO);
    let message = run(&["generate", "-c", text(&scenario), "-w", text(&a)]).unwrap_err();
    assert!(message.contains("--force"), "{message}");
    assert!(std::fs::read(&a).unwrap() == data && std::fs::read(&b).unwrap() == data);
    run(&["generate", "-c", text(&scenario), "-w", text(&a), "--force", "--seed", "9"]).unwrap();
    assert!(std::fs::read(&a).unwrap() != data);
    let message = run(&["listen", "--prb", "25", "--pcap", text(&folder.path("no/x.pcap"))]).unwrap_err();
    assert!(message.starts_with("the folder of --pcap is not there"), "{message}");
}

#[test]
fn a_table_of_rows_has_every_event() {
    let folder = Folder::new("csv");
    let file = folder.put("a_7.68Msps.ci16", integers());
    let (csv, json) = (folder.path("a.csv"), folder.path("a.json"));
    let forms = [format!("csv:{}", text(&csv)), format!("json:{}", text(&json))];
    run(&["decode", text(&file), "--prb", "25", "--tm", "4", "-F", &forms[0], "-F", &forms[1]]).unwrap();
    let (csv, json) = (std::fs::read_to_string(csv).unwrap(), std::fs::read_to_string(json).unwrap());
    let mut rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let objects: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events = objects.iter().filter(|object| object["type"] != "summary");
    let mut count = 0;
    for (row, object) in rows.zip(events) {
        assert_eq!(row.len(), header.len());
        assert_eq!(row[column("type")], object["type"]);
        assert_eq!(row[column("subframe")], object["subframe"].to_string());
        for (key, value) in object.as_object().unwrap().iter().filter(|(_, value)| value.is_u64()) {
            assert_eq!(row[column(key)], value.to_string(), "{key}");
        }
        count += 1;
    }
    assert_eq!(count, objects.len() - 1);
    assert!(count > 3, "{count}");
    // PPPP as the scenario has it
    let priorities = objects.iter().filter(|o| o["type"] == "sci").map(|o| o["priority"].as_u64());
    assert!(priorities.into_iter().all(|priority| priority == Some(7)));
}

#[test]
fn a_replay_of_raw_samples_takes_what_the_flags_say_and_is_recorded_with_what_was_heard() {
    let folder = Folder::new("replay");
    let file = folder.put("x.ci16", integers());
    let device = format!("driver=file,read={},pace=free", text(&file));
    let record = folder.path("kept");
    let json = format!("json:{}", text(&folder.path("heard.json")));
    let words = [
        "listen",
        "--prb",
        "25",
        "--tm",
        "4",
        "-r",
        "7.68M",
        "-a",
        &device,
        "-F",
        &json,
        "--record",
        text(&record),
    ];
    run(&words).unwrap();
    let heard = std::fs::read_to_string(folder.path("heard.json")).unwrap();
    let kept = Recording::open(&record, &OpenOptions::default()).unwrap();
    assert_eq!(kept.info().length as usize, clean().len());
    assert!(kept.info().start.is_some(), "a date is always written");
    assert_eq!(kept.info().metadata.as_ref().unwrap().global.radio.prb, Some(25));
    let mut annotated = Vec::new();
    kept.annotations(&mut |annotation| annotated.push(annotation)).unwrap();
    let blocks = annotated.iter().filter(|a| a.channel.as_deref() == Some("PSSCH")).count();
    assert!(blocks >= 2);
    assert_eq!(annotated.len(), heard.lines().count(), "each event has its annotation");
}

#[test]
fn levels_of_files() {
    let folder = Folder::new("levels");
    let scenario = folder.put("s.toml", SCENARIO);
    for (name, more, expected) in [
        ("a.cf32", &[][..], 0.708),
        ("b.ci16", &[], 0.708),
        ("c", &["--peak", "-20dBFS"], 0.1),
        ("d.sigmf", &["--peak", "-6", "--format", "ci16"], 0.501),
    ] {
        let out = folder.path(name);
        run(&[&["generate", "-c", text(&scenario), "-w", text(&out)], more].concat()).unwrap();
        let mut recording = Recording::open(&out, &OpenOptions::default()).unwrap();
        let mut samples = vec![Sample::default(); recording.info().length as usize];
        recording.read(&mut samples).unwrap();
        let peak = samples.iter().map(|s| s.norm()).fold(0.0, f32::max);
        assert!((peak / expected - 1.0).abs() < 0.01, "{name}: {peak}");
        assert!(recording.info().metadata.is_none() || recording.info().start.is_some(), "{name}");
    }
    for level in ["loud", "200", "-3dBm"] {
        let out = folder.path("e");
        assert!(run(&["generate", "-c", text(&scenario), "-w", text(&out), "--peak", level]).is_err());
    }
}
