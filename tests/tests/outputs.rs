//! The outputs of the commands: what is wrong with them is said before anything runs, and nothing that exists is lost.
#![allow(clippy::disallowed_methods)] // tests write files

use sidelink_recordings::{OpenOptions, Recording, Sample};
use sidelink_tests::command::{Folder, Refusal, run, text};
use std::time::{Duration, Instant};

/// A key store with a group.
fn store(folder: &Folder) -> String {
    let store = folder.path("a.keys");
    let words = ["keys", "new-group", "fire", "-s", text(&store), "--group-id", "0001a2"];
    run(&[&words[..], &["--member", "alice=0000a1"]].concat()).unwrap();
    text(&store).to_owned()
}

#[test]
fn a_folder_that_is_not_there_is_told_before_anything_runs() {
    let folder = Folder::new("outputs-folder");
    let store = store(&folder);
    let issuer = folder.path("ca");
    run(&["keys", "new-issuer", "lab", "-o", text(&issuer)]).unwrap();
    let made = folder.names();
    let to = |name: &str| text(&folder.path("no").join(name)).to_owned();
    let (json, svg, any) = (format!("json:{}", to("x")), to("x.svg"), to("x"));
    let long = ["scenario", "direct-certificate", "--runs", "100000"];
    let bench = ["bench", "phy", "--time", "100000"];
    let issue = ["keys", "certify", "alice", "--issuer", text(&issuer)];
    let began = Instant::now();
    for (words, option) in [
        ([&long[..], &["-F", &json]].concat(), "-F json"),
        ([&long[..], &["--diagram", &svg]].concat(), "--diagram"),
        ([&["compare"], &long[1..], &["-F", &json]].concat(), "-F json"),
        ([&["compare"], &long[1..], &["--plot", &svg]].concat(), "--plot"),
        ([&bench[..], &["-F", &json]].concat(), "-F json"),
        (["bench", "bler", "-F", &json].to_vec(), "-F json"),
        (["bench", "bler", "--plot", &svg].to_vec(), "--plot"),
        (["bench", "bler", "-o", &any].to_vec(), "-o"),
        (["bench", "security", "--plot", &svg].to_vec(), "--plot"),
        (["bench", "latency", "--html", &any].to_vec(), "--html"),
        (["bench", "latency", "-F", &json].to_vec(), "-F json"),
        (["keys", "export", "-s", &store, "-o", &any].to_vec(), "-o"),
        (["keys", "new-issuer", "lab", "-o", &any].to_vec(), "-o"),
        ([&issue[..], &["-o", &any]].concat(), "-o"),
        (["keys", "revoke-certificates", "--issuer", text(&issuer), "-o", &any].to_vec(), "-o"),
        (["ue", "--example=pair", "-w", &any].to_vec(), "-w"),
        (["listen", "--prb", "25", "--learn", &any].to_vec(), "--learn"),
        (["listen", "--prb", "25", "--record", &any].to_vec(), "--record"),
    ] {
        let message = run(&words).unwrap_err();
        assert!(message.starts_with(&format!("the folder of {option} is not there")), "{words:?}: {message}");
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(folder.names(), made);
}

#[test]
fn recordings_inputs_and_secrets_that_exist_are_kept() {
    let folder = Folder::new("outputs-exist");
    let store = store(&folder);
    let old = text(&folder.put("old.cf32", "samples")).to_owned();
    let issuer = folder.path("ca");
    let json = format!("json:{old}");
    for words in [
        ["scenario", "direct-psk", "-F", &json].to_vec(),
        ["scenario", "direct-psk", "--diagram", &old].to_vec(),
        ["compare", "direct-psk", "-F", &json].to_vec(),
        ["bench", "phy", "-F", &json].to_vec(),
        ["keys", "export", "-s", &store, "-o", &old].to_vec(),
    ] {
        let message = run(&words).unwrap_err();
        assert!(message.contains("would overwrite a recording"), "{words:?}: {message}");
    }
    let message = run(&["keys", "export", "-s", &store, "-o", &store]).unwrap_err();
    assert!(message.starts_with("-o would overwrite an input"), "{message}");
    // of two files one exists: the other is not made
    folder.put("ca.pem", "mine");
    let message = run(&["keys", "new-issuer", "lab", "-o", text(&issuer)]).unwrap_err();
    assert!(message.starts_with("-o would replace a file that exists"), "{message}");
    let lab = folder.path("lab");
    std::fs::create_dir(&lab).unwrap();
    std::fs::write(lab.join("README"), "mine").unwrap();
    let message = run(&["ue", "--example=pair", "-w", text(&lab)]).unwrap_err();
    assert!(message.contains("README") && message.contains("nothing is overwritten"), "{message}");
    assert_eq!(std::fs::read_dir(&lab).unwrap().count(), 1);
    assert_eq!(folder.names(), ["a.keys", "a.keys.witness", "ca.pem", "lab", "old.cf32"]);
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "samples");
}

#[test]
fn a_pair_has_the_files_that_were_claimed() {
    let folder = Folder::new("outputs-pair");
    for (example, files) in [("pair", 15), ("link", 13), ("group", 9), ("v2x", 3)] {
        let lab = folder.path(example);
        run(&["ue", &format!("--example={example}"), "-w", text(&lab)]).unwrap();
        let names = std::fs::read_dir(&lab).unwrap().map(|e| e.unwrap().file_name());
        let names: Vec<_> = names.collect();
        assert_eq!(names.len(), files, "{example}: {names:?}");
        // whichever of them is there, nothing else is made
        for name in &names {
            let again = folder.path("again");
            std::fs::create_dir(&again).unwrap();
            std::fs::write(again.join(name), "mine").unwrap();
            let refusal = run(&["ue", &format!("--example={example}"), "-w", text(&again)]).unwrap_err();
            assert!(refusal.contains("would replace a file that exists"), "{name:?}: {refusal}");
            assert_eq!(std::fs::read_dir(&again).unwrap().count(), 1);
            std::fs::remove_dir_all(again).unwrap();
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_names_the_output() {
    let folder = Folder::new("outputs-full");
    let full = folder.path("full.svg");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    let store = store(&folder);
    let json = format!("json:{}", text(&full));
    for words in [
        ["scenario", "direct-psk", "-F", &json].to_vec(),
        ["scenario", "direct-psk", "--diagram", text(&full)].to_vec(),
        ["compare", "direct-psk", "-F", &json].to_vec(),
        ["bench", "security", "--case", "EEA2", "--time", "1", "-F", &json].to_vec(),
        ["keys", "export", "-s", &store, "-o", text(&full)].to_vec(),
    ] {
        let message = run(&words).unwrap_err();
        assert!(message.contains("full.svg") && message.contains("No space left"), "{words:?}: {message}");
    }
}

const SCENARIO: &str = r#"
duration = 60
[radio]
prb = 6
tm = 2
[[ue]]
name = "a"
sync = { id = 3 }
"#;

#[test]
fn what_is_listened_to_is_recorded_at_the_peak_that_is_asked_for() {
    let folder = Folder::new("outputs-peak");
    let (scenario, air) = (folder.put("s.toml", SCENARIO), folder.path("air.cf32"));
    run(&["generate", "-c", text(&scenario), "-w", text(&air), "--peak", "-30dBFS"]).unwrap();
    let device = format!("driver=file,read={},pace=free", text(&air));
    let listen = ["listen", "--prb", "6", "--tm", "2", "-a", &device, "--lines", "--record"];
    let peak = |name: &str, more: &[&str]| -> Result<f32, Refusal> {
        let out = folder.path(name);
        run(&[&listen[..], &[text(&out)], more].concat())?;
        let options = OpenOptions { rate: Some(1.92e6), ..OpenOptions::default() };
        let mut recording = Recording::open(&out, &options).unwrap();
        let mut samples = vec![Sample::default(); recording.info().length as usize];
        assert_eq!(recording.read(&mut samples).unwrap(), samples.len());
        Ok(samples.iter().map(|s| s.norm()).fold(0.0, f32::max))
    };
    let scaled = |name: &str| peak(name, &["--peak", "-6dBFS"]);
    assert!((peak("as-is.cf32", &[]).unwrap() - 0.0316).abs() < 1e-3);
    assert!((scaled("loud.cf32").unwrap() - 0.501).abs() < 1e-3);
    assert!((scaled("pair").unwrap() - 0.501).abs() < 1e-3);
    // what was written cannot be scaled any more
    assert!(scaled("out.ci16").unwrap_err().contains("record floats to a file"));
    assert!(run(&["listen", "--prb", "6", "--peak", "-6dBFS"]).unwrap_err().contains("--record"));
}

/// Both curves of a case in a table, as lines and as a picture, by one command.
#[test]
fn figures_of_block_errors_fill_a_folder() {
    let folder = Folder::new("outputs-bler");
    let made = folder.path("figures");
    let words = ["bench", "bler", "--case", "psbch-tm4", "--channel", "awgn,epa5", "--genie", "--seeds", "2"];
    let json = format!("json:{}", text(&folder.path("lines.json")));
    run(&[&words[..], &["--trials", "20", "-o", text(&made), "-F", &json]].concat()).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&made)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["bler.jsonl", "bler.md", "psbch-tm4.png"]);
    let lines = std::fs::read_to_string(made.join("bler.jsonl")).unwrap();
    assert_eq!(lines, std::fs::read_to_string(folder.path("lines.json")).unwrap());
    let crossings = lines.lines().filter(|line| line.contains("\"bler-crossing\""));
    assert_eq!(crossings.clone().filter(|line| line.contains("\"perfect\"")).count(), 2);
    assert_eq!(crossings.count(), 4);
    let page = std::fs::read_to_string(made.join("bler.md")).unwrap();
    assert!(page.contains("| channel | AWGN | EPA5 |") && page.contains("Lost by estimation"), "{page}");
    let again = run(&[&words[..], &["--trials", "20", "-o", text(&made)]].concat()).unwrap_err();
    assert!(again.contains("-o would replace a file that exists"), "{again}");
}

#[test]
fn measurements_that_make_no_sense_are_told_at_once() {
    for (option, value, told) in [
        ("--channel", "eva999999", "the maximum Doppler frequency is not in 0 to a tenth of the sample rate"),
        ("--channel", "evo70", "unknown channel model"),
        ("--antennas", "5", "\"5\" is no number of antennas"),
        ("--antennas", "0", "\"0\" is no number of antennas"),
        ("--cfo", "nan", "not -10000 to 10000"),
        ("--sweep", "5..inf", "no range within -30..60"),
        ("--sweep", "5..1", "no range within -30..60"),
        ("--seeds", "0", "0 is not in 1..=1000"),
        ("--trials", "0", "0 is not in 1..=1000000"),
        ("--case", "pusch", "no case has \"pusch\" in its name"),
        ("--plot", "x.gif", "neither PNG nor SVG"),
    ] {
        let message = run(&["bench", "bler", option, value]).unwrap_err();
        assert!(message.contains(told), "{option} {value}: {message}");
    }
    let folder = Folder::new("outputs-bler-options");
    let made = folder.path("figures");
    let picture = folder.path("x.png");
    for (words, told) in [
        (vec!["--case", "pscch", "--sweep", "0..1", "-o", text(&made)], "-o with --sweep"),
        (vec!["--case", "collisions", "-o", text(&made)], "-o is not for --case collisions"),
        (vec!["--case", "slss", "--plot", text(&picture)], "--plot is not for --case slss"),
        (vec!["--case", "collisions", "--genie"], "--genie is not for"),
        (vec!["--case", "slss", "--sweep", "0..1"], "--sweep is not for"),
        (vec!["--case", "slss", "--antennas", "2"], "--antennas is not for"),
        (vec!["--case", "false-sci", "--seeds", "2"], "--seeds is not for"),
        (vec!["--case", "false-sci", "--cfo", "100"], "--cfo is not for"),
    ] {
        let message = run(&[&["bench", "bler"], &words[..]].concat()).unwrap_err();
        assert!(message.contains(told), "{words:?}: {message}");
    }
    assert!(!made.exists() && !picture.exists());
}
