//! Through libSoapySDR and the module for the virtual air: the code path of a USRP, without one.
//!
//! The library reads the folder of modules from the environment once, so what it is needed for runs in processes of their
//! own: this program again, with `SOAPY_SDR_PLUGIN_PATH` set, at [`inside`].
#![cfg(feature = "soapysdr")]
#![allow(clippy::disallowed_methods)]

use clap::Parser;
use sidelink_flowgraphs::Sample;
use sidelink_flowgraphs::commands::{self, Cli};
use sidelink_radio::Antennas;
use sidelink_radio::air::{Air, Fault};
use sidelink_radio::{self as radio, Anchor, Event, RadioError, RadioSettings, Receive, Streams, Transmit};
use sidelink_store::{
    Cipher, Discovery, Group, Hex, KeyStore, Keys, Member, Protection, VariantName, random, utc_now,
};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The module by itself in a folder: SoapySDR loads everything that it finds there.
fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let module = program.with_file_name("libsidelink_virtualair.so");
    assert!(module.is_file(), "{} was not built", module.display());
    let folder = program.with_file_name("soapy-modules");
    std::fs::create_dir_all(&folder).unwrap();
    // several tests come here at once, all with the same in mind
    match std::os::unix::fs::symlink(module, folder.join("libsidelink_virtualair.so")) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => panic!("{}: {e}", folder.display()),
        _ => {}
    }
    folder
}

/// A medium that nobody else uses.
fn medium(test: &str) -> String {
    format!("soapy-{test}-{}", std::process::id())
}

/// Run a step of [`inside`] in a process of its own.
fn run(step: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "inside", "--ignored", "--nocapture"])
        .env("SOAPY_SDR_PLUGIN_PATH", folder())
        .env("SIDELINK_STEP", step)
        .env("SIDELINK_MEDIUM", medium(step))
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{step}: {text}");
    assert!(text.contains(&format!("done: {step}")), "{step} did not run: {text}");
}

#[test]
#[ignore = "a step of the others, in a process of its own"]
fn inside() {
    let Ok(step) = std::env::var("SIDELINK_STEP") else { return };
    let medium = std::env::var("SIDELINK_MEDIUM").unwrap();
    match step.as_str() {
        "burst" => burst(&medium),
        "late" => late(&medium),
        "overflow" => overflow(&medium),
        "unplugged" => unplugged(&medium),
        "refused" => refused(&medium),
        "antennas" => antennas(&medium),
        "ue" => ue(),
        other => panic!("no step {other}"),
    }
    eprintln!("done: {step}");
}

#[test]
fn a_burst_is_heard_at_its_very_sample_by_another_device() {
    run("burst");
}

#[test]
fn a_late_burst_is_told() {
    run("late");
}

#[test]
fn samples_not_fetched_are_a_gap_of_their_length() {
    run("overflow");
}

#[test]
fn a_device_that_goes_is_lost() {
    run("unplugged");
}

#[test]
fn each_channel_is_an_antenna_in_the_order_asked_for() {
    run("antennas");
}

#[test]
fn what_cannot_be_is_answered_with_what_can() {
    run("refused");
}

fn antennas(medium: &str) {
    let mut sender = open(medium, "sender", ",pace=realtime,memory=3000,antennas=1");
    let two = |name: &str, words: &str, antennas: usize| {
        let args = format!("driver=virtualair,medium={medium},antennas=2{words}");
        let settings = RadioSettings { antennas: Antennas::new(antennas), ..RadioSettings::new(name, RATE) };
        radio::open(&args, &settings)
    };
    let ports = [("plain", ""), ("turned", ",channels=1+0"), ("cs16", ",channels=1")];
    let radios = ports.map(|(name, words)| {
        let count = if name == "cs16" { 1 } else { 2 };
        let radio = two(name, words, count).unwrap();
        assert_eq!(radio.description().antennas.count(), count, "{name}");
        radio.start().unwrap()
    });
    // what lay there while the others started
    let mut buffers = vec![vec![Sample::default(); 4096]; 2];
    let began = Instant::now();
    let mut newest = 0;
    while began.elapsed() < Duration::from_millis(100) {
        let (first, count) = fetch(&mut *sender.receive, &mut buffers[0]);
        newest = first + count as u64;
    }
    // a long burst, 100 ms ahead: where it is heard, antennas differ by a phase
    let first = newest + (0.1 * RATE) as u64;
    sender.transmit.transmit(first, &vec![Sample::new(1.0, 0.0); 20_000]).unwrap();
    for (mut radio, (name, _)) in radios.into_iter().zip(ports) {
        let antennas = radio.receive.antennas().count();
        let deadline = Instant::now() + Duration::from_secs(5);
        let heard = loop {
            assert!(Instant::now() < deadline, "{name}: no burst");
            let into = &mut radio::slices(&mut buffers, 4096)[..antennas];
            let got = radio.receive.receive_antennas(into, PATIENCE).unwrap();
            let last = got.count.saturating_sub(1);
            if got.count > 0 && buffers[0][last].norm() > 0.5 {
                break buffers.iter().take(antennas).map(|b| b[last]).collect::<Vec<_>>();
            }
        };
        assert!(heard.iter().all(|s| (s.norm() - 1.0).abs() < 0.05), "{name}: {heard:?}");
        let phase = |s: &Sample| (s - 1.0).norm();
        match name {
            // Antenna 0 hears a burst as it was sent, antenna 1 with another phase.
            "plain" => assert!(phase(&heard[0]) < 0.05 && phase(&heard[1]) > 0.05, "{heard:?}"),
            "turned" => assert!(phase(&heard[1]) < 0.05 && phase(&heard[0]) > 0.05, "{heard:?}"),
            _ => assert!(phase(&heard[0]) > 0.05, "{heard:?}"),
        }
    }
    for (words, antennas, told) in [
        (",channels=2", 1, "no receive channel 2: it has 2, numbered from 0"),
        (",channels=0+0", 2, "different numbers from 0 on, such as channels=0+1"),
        (",channels=0", 2, "a channel for each antenna"),
        ("", 3, "no receive channel 2"),
    ] {
        let error = two("wrong", words, antennas).err().unwrap().to_string();
        assert!(error.contains(told), "{words}: {error}");
    }
}

const RATE: f64 = 1.92e6;
const PATIENCE: Duration = Duration::from_millis(100);

fn open(medium: &str, port: &str, words: &str) -> Streams {
    let args = format!("driver=virtualair,medium={medium},snr=60{words}");
    radio::open(&args, &RadioSettings::new(port, RATE)).unwrap().start().unwrap()
}

/// The next samples, wherever they begin.
fn fetch(receive: &mut dyn Receive, into: &mut [Sample]) -> (u64, usize) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        let received = receive.receive(into, PATIENCE).unwrap();
        if received.count > 0 {
            return (received.first, received.count);
        }
    }
    panic!("no samples for 5 s");
}

fn wait_for(transmit: &mut dyn Transmit, what: impl Fn(Event) -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        while let Some(event) = transmit.poll_event() {
            if what(event) {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

fn burst(medium: &str) {
    // Both by the pulses of the air's UTC: so they know the same time, and what sample is which.
    let start = |port: &'static str| {
        let medium = medium.to_owned();
        std::thread::spawn(move || open(&medium, port, ",time_source=external"))
    };
    let (a, b) = (start("a"), start("b"));
    let (mut a, mut b) = (a.join().unwrap(), b.join().unwrap());
    let (Anchor { utc_ns: at_a, .. }, Anchor { utc_ns: at_b, .. }) = (a.anchor.unwrap(), b.anchor.unwrap());
    // what lay there while the other started
    let mut buffer = vec![Sample::default(); 1920];
    let began = Instant::now();
    let mut newest = 0;
    while began.elapsed() < Duration::from_millis(300) {
        let (first, count) = fetch(&mut *a.receive, &mut buffer);
        newest = first + count as u64;
        fetch(&mut *b.receive, &mut buffer);
    }
    // longer than what a device takes at once
    let signal: Vec<Sample> = (0..20_000).map(|n| Sample::from_polar(0.5, (n * n % 971) as f32)).collect();
    let first = newest + (0.05 * RATE) as u64;
    let utc = i128::from(at_a) + i128::from(first) * 1_000_000_000 * 1_000 / (RATE as i128 * 1_000);
    let expected = ((utc - i128::from(at_b)) as f64 * 1e-9 * RATE).round() as u64;
    let sender = std::thread::spawn(move || {
        a.transmit.transmit(first, &signal).unwrap();
        (a, signal)
    });
    let mut heard = vec![Sample::default(); 20_000];
    let mut have = 0;
    while have < heard.len() {
        let (first, count) = fetch(&mut *b.receive, &mut buffer);
        for (n, sample) in (first..).zip(&buffer[..count]) {
            if let Some(at) = n.checked_sub(expected)
                && let Some(place) = heard.get_mut(at as usize)
            {
                *place = *sample;
                have += 1;
            }
        }
        assert!(first < expected + 1_000_000, "the burst did not come");
    }
    let (mut a, signal) = sender.join().unwrap();
    // noise of 60 dB below a full carrier is 0.001; one sample off would be all of it
    let power = |x: &[Sample]| x.iter().map(|v| v.norm_sqr()).sum::<f32>();
    let product: Sample = signal.iter().zip(&heard).map(|(s, h)| s.conj() * h).sum();
    let coherence = product.norm_sqr() / (power(&signal) * power(&heard));
    assert!(coherence > 0.999, "coherence {coherence} at the sample where it should be");
    while let Some(event) = a.transmit.poll_event() {
        assert!(
            !matches!(event, Event::Late { .. } | Event::TimeError { .. } | Event::Underflow),
            "{event:?}"
        );
    }
}

fn late(medium: &str) {
    let mut a = open(medium, "a", "");
    let mut buffer = vec![Sample::default(); 1920];
    let (first, count) = fetch(&mut *a.receive, &mut buffer);
    let newest = first + count as u64;
    // seen here: it lies among what was received
    a.transmit.transmit(first, &buffer).unwrap();
    assert!(wait_for(&mut *a.transmit, |e| e == Event::Late { first }));
    // seen by the device: nothing was received since, and time went on
    std::thread::sleep(Duration::from_millis(20));
    a.transmit.transmit(newest, &buffer).unwrap();
    assert!(wait_for(&mut *a.transmit, |e| e == Event::Late { first: newest }));
    // and the next one in time goes out without complaint
    let (first, count) = fetch(&mut *a.receive, &mut buffer);
    a.transmit.transmit(first + count as u64 + 192_000, &buffer).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(a.transmit.poll_event(), None);
}

fn overflow(medium: &str) {
    let mut a = open(medium, "a", "");
    let mut buffer = vec![Sample::default(); 1920];
    let (first, count) = fetch(&mut *a.receive, &mut buffer);
    let mut next = first + count as u64;
    let began = Instant::now();
    std::thread::sleep(Duration::from_millis(600));
    let slept = began.elapsed();
    let mut lost = 0;
    while began.elapsed() < slept + Duration::from_millis(300) {
        let (first, count) = fetch(&mut *a.receive, &mut buffer);
        assert!(first >= next, "time went back");
        lost += first - next;
        next = first + count as u64;
    }
    // the air remembers 200 ms
    let at_most = (slept.as_secs_f64() + 0.1) * RATE;
    assert!(lost as f64 > 0.3 * RATE && (lost as f64) < at_most, "{lost} samples lost");
    assert!(wait_for(&mut *a.transmit, |e| e == Event::Overflow));
}

fn unplugged(medium: &str) {
    let mut a = open(medium, "a", "");
    let mut buffer = vec![Sample::default(); 1920];
    fetch(&mut *a.receive, &mut buffer);
    assert!(Air::open(medium).unwrap().inject("a", Fault::Kill));
    let began = Instant::now();
    loop {
        match a.receive.receive(&mut buffer, PATIENCE) {
            Ok(_) => assert!(began.elapsed() < Duration::from_secs(30), "it goes on for ever"),
            Err(RadioError::Lost(_)) => return,
            Err(other) => panic!("{other}"),
        }
    }
}

fn refused(medium: &str) {
    let refusal = |args: &str, settings: &RadioSettings| match radio::open(args, settings) {
        Ok(_) => panic!("{args} was accepted"),
        Err(e) => e.to_string(),
    };
    let good = RadioSettings::new("a", RATE);
    let args = format!("driver=virtualair,medium={medium}");
    let told = refusal("driver=nosuch", &good);
    assert!(told.contains("nosuch") && told.contains("driver=virtualair"), "{told}");
    let told = refusal(&args, &RadioSettings { antenna: Some("RX2".into()), ..good.clone() });
    assert!(told.contains("RX2") && told.contains("TX"), "{told}");
    let told = refusal(&args, &RadioSettings { rx_gain: Some("LNA=3".into()), ..good.clone() });
    assert!(told.contains("LNA") && told.contains("AIR"), "{told}");
    let told = refusal(&args, &RadioSettings { tx_gain: Some("400".into()), ..good.clone() });
    assert!(told.contains("400") && told.contains("0 to 100"), "{told}");
    let told = refusal(&format!("{args},time_source=gpsdo"), &good);
    assert!(told.contains("gpsdo") && told.contains("external"), "{told}");
    let told = refusal(&args, &RadioSettings { rx_gain: Some("auto".into()), ..good.clone() });
    assert!(told.contains("automatic"), "{told}");
    // a medium has one rate
    let _air = open(medium, "b", "");
    let told = refusal(&args, &RadioSettings::new("a", 3.84e6));
    assert!(told.contains("3.84M") && told.contains("1.92M"), "{told}");
}

fn util(arguments: &[String]) -> Command {
    let mut command = Command::new("SoapySDRUtil");
    command.args(arguments).env("SOAPY_SDR_PLUGIN_PATH", folder()).stdin(Stdio::null());
    command
}

#[test]
fn soapysdr_util_probes_and_streams() {
    let args = format!("driver=virtualair,medium={}", medium("util"));
    let probe = match util(&[format!("--probe={args}")]).output() {
        Err(e) => {
            assert!(std::env::var_os("CI").is_none(), "SoapySDRUtil: {e}");
            eprintln!("SKIPPED: no SoapySDRUtil ({e}: apt-get install soapysdr-tools)");
            return;
        }
        Ok(probe) => probe,
    };
    let text = String::from_utf8_lossy(&probe.stdout);
    assert!(probe.status.success(), "{text}");
    for word in ["driver=virtualair", "CF32", "CS16", "Timestamps: YES", "Full-duplex: YES"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    for (direction, format) in [("RX", "CF32"), ("RX", "CS16"), ("TX", "CF32")] {
        let mut running = util(&[
            format!("--args={args}"),
            "--rate=1.92e6".into(),
            format!("--direction={direction}"),
            format!("--format={format}"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
        std::thread::sleep(Duration::from_secs(3));
        // as Ctrl-C does
        let _ = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
        std::thread::sleep(Duration::from_millis(500));
        let _ = running.kill();
        let output = running.wait_with_output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("Msps"), "{direction} {format}: {text}");
        assert!(!text.contains("rror"), "{direction} {format}: {text}");
    }
}

/// The edges of bursts that begin with every tenth millisecond of UTC, by the clock of a device of these words; and that
/// clock before it ran, against this computer's.
fn edges(test: &str, words: &str) -> Option<(i64, Vec<i64>)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/soapy_time.py");
    // Debian's own: others do not see the packages of the system
    let python = if Path::new("/usr/bin/python3").is_file() { "/usr/bin/python3" } else { "python3" };
    let there = Command::new(python).args(["-c", "import SoapySDR, numpy"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no SoapySDR of Python (apt-get install python3-soapysdr python3-numpy)");
        return None;
    }
    let medium = medium(test);
    let radio = radio::open(&format!("driver=air,medium={medium},snr=60"), &RadioSettings::new("a", RATE));
    let mut streams = radio.unwrap().start().unwrap();
    let python = Command::new(python)
        .arg(script)
        .args([format!("driver=virtualair,medium={medium}{words}"), RATE.to_string(), "0.5".into()])
        .env("SOAPY_SDR_PLUGIN_PATH", folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let utc_ns = streams.anchor.unwrap().utc_ns;
    let burst = [Sample::new(1.0, 0.0); 960];
    let mut python = Some(python);
    let (mut buffer, mut burst_ns) = (vec![Sample::default(); 1920], (utc_ns / 10_000_000 + 1) * 10_000_000);
    let began = Instant::now();
    while python.as_mut().is_some_and(|p| p.try_wait().unwrap().is_none()) {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
        let (first, count) = fetch(&mut *streams.receive, &mut buffer);
        // twenty milliseconds ahead
        let until = utc_ns + ((first + count as u64) as f64 / RATE * 1e9) as i64 + 20_000_000;
        while burst_ns < until {
            let at = ((burst_ns - utc_ns) as f64 * 1e-9 * RATE).round() as u64;
            streams.transmit.transmit(at, &burst).unwrap();
            burst_ns += 10_000_000;
        }
    }
    let output = python.take().unwrap().wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    let (device, host) = lines.next().unwrap().split_once(' ').unwrap();
    let before = device.parse::<i64>().unwrap() - host.parse::<i64>().unwrap();
    Some((before, lines.map(|line| line.parse().unwrap()).collect()))
}

#[test]
fn subframes_begin_at_whole_milliseconds_of_the_time_of_the_device() {
    let Some((before, edges)) = edges("utc", "") else { return };
    assert!(before.abs() < 100_000_000, "{before} ns from UTC before it runs");
    assert!(edges.len() >= 30, "{edges:?}");
    for edge in edges {
        let off = (edge + 5_000_000).rem_euclid(10_000_000) - 5_000_000;
        assert!(off.abs() < 1100, "{off} ns");
        assert!((edge - utc_ns_now()).abs() < 10_000_000_000, "{edge} is not UTC");
    }
}

#[test]
fn a_device_that_shall_begins_at_time_0() {
    let Some((before, edges)) = edges("zero", ",time=zero") else { return };
    assert!(before < -1_000_000_000_000_000_000, "{before}");
    assert!(edges.len() >= 30 && edges[0] < 60_000_000_000, "{edges:?}");
}

fn utc_ns_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_nanos() as i64
}

/// The command `sidelink ue`, by the file that the environment names.
fn ue() {
    let file = std::env::var("SIDELINK_UE").unwrap();
    let out = format!("json:{file}.json");
    let cli = Cli::parse_from(["sidelink", "ue", "-c", &file, "-F", &out, "-T", "180"]);
    commands::run(cli.command).unwrap();
}

/// 5 MHz, one communication pool and one discovery pool, in an air whose UTC both know.
const CARRIER: &str = r#"
lead = 10
[radio]
prb = 25
tm = 2
[radio.sync]
offset = [0, 20]
[[radio.communication]]
period = 40
control-bitmap = "0111 1000"
control-prb = { start = 0, end = 24, num = 12 }
data-bitmap = "1111 1111 1110 1111 1111 1111 1111 1111"
data-offset = 8
data-prb = { start = 0, end = 24, num = 12 }
[[radio.discovery]]
period = 320
offset = 21
bitmap = "1111 1111"
repetitions = 2
transmissions = 2
prb = { start = 0, end = 24, num = 12 }
[communication]
mcs = 8
prbs = 20
trpt-subset = 4
[time]
source = "utc"
"#;

/// A ciphered group of two, and a rotating code for each to announce and the other to find.
fn keys() -> Keys {
    let now = utc_now();
    let until = now + 3600;
    let member = |ue: &str, id: u8| Member { ue: ue.to_owned(), id: Hex(vec![0, 0, id]) };
    let mut group = Group {
        name: "rescue".to_owned(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: Cipher::Aes,
        mac: Some(Cipher::Aes),
        member: vec![member("alice", 0xa1), member("bob", 0xb2)],
        pgk: Vec::new(),
    };
    group.new_pgk(now - 3600, until).unwrap();
    let code = |announcer: &str, monitor: &str| {
        let mut code = Discovery::new(&format!("{announcer} is near"), Protection::Rotating, until);
        code.announcer = Some(announcer.to_owned());
        code.monitors = vec![monitor.to_owned()];
        code.variant = Some(VariantName::Keyed);
        code.period_ms = Some(1000);
        code.prose_id = Some(random(20).unwrap());
        code.application_key = Some(random(32).unwrap());
        code
    };
    Keys {
        group: vec![group],
        discovery: vec![code("alice", "bob"), code("bob", "alice")],
        ..Keys::default()
    }
}

/// A UE in a process of its own, and the program whose packets it carries: this one.
struct Peer {
    process: Child,
    events: PathBuf,
    log: PathBuf,
    socket: UdpSocket,
    into: SocketAddr,
}

impl Peer {
    fn start(folder: &Path, name: &str, keys: &Keys, medium: &str) -> Self {
        let store = folder.join(format!("{name}.keys"));
        KeyStore::create(&store).unwrap().put(&keys.for_ue(name)).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let into = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = folder.join(format!("{name}.toml"));
        let text = format!(
            // the same draws would collide for ever
            "name = \"{name}\"\nseed = {}\nkeys = \"{name}.keys\"\n{CARRIER}\n[device]\n\
             args = \"driver=virtualair,medium={medium},snr=25,time_source=external\"\n\
             [ip]\nto = \"rescue\"\nlocal = \"{into}\"\nremote = \"{}\"\n",
            name.len(),
            socket.local_addr().unwrap()
        );
        std::fs::write(&file, text).unwrap();
        let log = folder.join(format!("{name}.log"));
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "inside", "--ignored", "--nocapture"])
            .env("SOAPY_SDR_PLUGIN_PATH", crate::folder())
            .env("SIDELINK_STEP", "ue")
            .env("SIDELINK_MEDIUM", medium)
            .env("SIDELINK_UE", &file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let events = PathBuf::from(format!("{}.json", file.display()));
        Self { process, events, log, socket, into }
    }

    /// What it has written of a type.
    fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.events).unwrap_or_default();
        let whole = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
        whole.filter(|v| v["type"] == kind).collect()
    }

    fn check_life(&mut self) {
        if let Some(status) = self.process.try_wait().unwrap() {
            panic!("{status}: {}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }

    /// End it as Ctrl-C does; it must end well.
    fn end(mut self) -> String {
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let status = self.process.wait().unwrap();
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Packets from one to the other until each has arrived. The air loses some where both use the same place: those are sent
/// again, as an application would, and each counts once.
struct Flow {
    arrived: Vec<bool>,
    /// When each was sent last.
    sent: Vec<Option<Instant>>,
    sendings: usize,
}

impl Flow {
    /// Packets that may be under way.
    const WINDOW: usize = 12;
    /// What a packet that is not there by then needs: another sending.
    const AGAIN: Duration = Duration::from_millis(700);

    fn new(packets: usize) -> Self {
        Self { arrived: vec![false; packets], sent: vec![None; packets], sendings: 0 }
    }

    fn delivered(&self) -> usize {
        self.arrived.iter().filter(|a| **a).count()
    }

    fn payload(direction: u8, number: usize) -> Vec<u8> {
        format!("{} packet {number:04} of a protected conversation", direction as char).into_bytes()
    }

    fn step(&mut self, direction: u8, from: &Peer, to: &Peer) {
        let mut buffer = [0; 2000];
        while let Ok((length, _)) = to.socket.recv_from(&mut buffer) {
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            let number: usize = text.split(' ').nth(2).unwrap().parse().unwrap();
            assert_eq!(text.as_bytes(), Self::payload(direction, number), "a packet was changed");
            self.arrived[number] = true;
        }
        let pending: Vec<usize> =
            (0..self.arrived.len()).filter(|&n| !self.arrived[n]).take(Self::WINDOW).collect();
        for number in pending {
            if self.sent[number].is_none_or(|t| t.elapsed() > Self::AGAIN) {
                from.socket.send_to(&Self::payload(direction, number), from.into).unwrap();
                self.sent[number] = Some(Instant::now());
                self.sendings += 1;
            }
        }
    }
}

#[test]
fn two_ues_find_each_other_and_exchange_a_thousand_protected_packets() {
    let medium = medium("ues");
    let folder = std::env::temp_dir().join(format!("sidelink-{medium}"));
    std::fs::create_dir_all(&folder).unwrap();
    let keys = keys();
    let mut alice = Peer::start(&folder, "alice", &keys, &medium);
    let mut bob = Peer::start(&folder, "bob", &keys, &medium);
    let began = Instant::now();
    let discovered = |peer: &Peer, whom: &str| {
        peer.events("discovery").iter().any(|e| e["name"] == format!("{whom} is near") && e["news"] == true)
    };
    while !(discovered(&alice, "bob") && discovered(&bob, "alice")) {
        alice.check_life();
        bob.check_life();
        assert!(began.elapsed() < Duration::from_secs(60), "they do not find each other");
        std::thread::sleep(Duration::from_millis(100));
    }
    // 500 each way
    let (mut there, mut back) = (Flow::new(500), Flow::new(500));
    while there.delivered() + back.delivered() < 1000 {
        there.step(b'>', &alice, &bob);
        back.step(b'<', &bob, &alice);
        alice.check_life();
        bob.check_life();
        let (to_bob, to_alice) = (there.delivered(), back.delivered());
        assert!(
            began.elapsed() < Duration::from_secs(170),
            "{to_bob} and {to_alice} of 500 packets each way"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    // and every one of them was believed for its MAC or cipher, not by default
    for (peer, source) in [(&alice, "0000b2"), (&bob, "0000a1")] {
        let packets = peer.events("pdcp");
        assert!(packets.len() >= 500, "{} packets in the record", packets.len());
        for packet in packets {
            assert_eq!(packet["source"], source, "{packet}");
            assert!(packet["result"] == "verified" || packet["result"] == "deciphered", "{packet}");
        }
    }
    let logs = [alice.end(), bob.end()];
    eprintln!(
        "{} and {} sendings for 500 packets each way\n{}",
        there.sendings,
        back.sendings,
        logs.join("\n")
    );
    let _ = std::fs::remove_dir_all(&folder);
}
