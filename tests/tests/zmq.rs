//! The ZMQ radio against libzmq, through its Python binding, which does what the source of srsRAN 4G's ZMQ radio does.
//!
//! Skipped, loudly, where the binding is not installed.
#![allow(clippy::disallowed_methods)]

use sidelink_flowgraphs::config::receiver_config;
use sidelink_flowgraphs::config::ue_toml::{Draws, RadioFacts, UeConfig};
use sidelink_phy::Sample;
use sidelink_phy::receive::receiver::{Event, Receiver};
use sidelink_phy::units::DfnSubframe;
use sidelink_radio::{RadioSettings, open};
use sidelink_store::Keys;
use sidelink_tests::program::program;
use sidelink_ue::{NoStore, Running, ThreadOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const RATE: f64 = 1.92e6;

/// Samples of a subframe.
const N: usize = 1920;

fn python() -> Option<String> {
    program("SIDELINK_PYTHON", ["zmq of Python", "python3"], &["-c", "import zmq, numpy"])
}

/// Two free ports of this computer.
fn ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|l| l.local_addr().unwrap().port())
}

/// Ends with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn peer(python: &str, bind: u16, connect: u16, format: &str, delay: usize, total: usize) -> Peer {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/zmq_peer.py");
    // blocks that do not divide ours
    let numbers = [delay, 1234, total].map(|n| n.to_string());
    let child = Command::new(python)
        .arg(script)
        .args([format!("tcp://127.0.0.1:{bind}"), format!("tcp://127.0.0.1:{connect}"), format.to_owned()])
        .args(numbers)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    Peer(child.unwrap())
}

/// A sample that no other is like.
fn sample(n: u64) -> Sample {
    Sample::new((n % 997) as f32 / 2000.0, -((n % 89) as f32) / 200.0)
}

#[test]
fn what_libzmq_says_again_comes_back_at_its_very_sample() {
    let Some(python) = python() else { return };
    for (format, limit) in [("fc32", 0.0), ("sc16", 7e-5)] {
        let [a, b] = ports();
        let (delay, subframes) = (3 * N, 60_u64);
        let _peer = peer(&python, b, a, format, delay, subframes as usize * N);
        let args = format!(
            "driver=zmq,tx_port=tcp://*:{a},rx_port=tcp://localhost:{b},base_srate=1.92e6,tx_format={format},rx_format={format}"
        );
        let radio = open(&args, &RadioSettings::new("ue", RATE)).unwrap();
        let mut streams = radio.start().unwrap();
        let mut heard = Vec::new();
        let mut buffer = vec![Sample::default(); N];
        for t in 0..subframes {
            // a burst in every third subframe, promised one at a time
            if t % 3 == 0 {
                let burst: Vec<_> = (t * N as u64..(t + 1) * N as u64).map(sample).collect();
                streams.transmit.transmit(t * N as u64, &burst).unwrap();
            }
            streams.transmit.advance((t + 1) * N as u64).unwrap();
            while heard.len() < t.saturating_sub(3) as usize * N {
                let most = N.min(t as usize * N - heard.len());
                let received = streams.receive.receive(&mut buffer[..most], Duration::from_secs(20)).unwrap();
                assert!(received.count > 0 && received.first == heard.len() as u64, "{received:?}");
                heard.extend_from_slice(&buffer[..received.count]);
            }
        }
        assert!(heard.len() >= 50 * N, "{}", heard.len());
        for (n, got) in (0_u64..).zip(&heard) {
            let said = n.checked_sub(delay as u64).filter(|n| (n / N as u64).is_multiple_of(3));
            let wanted = said.map_or(Sample::default(), sample);
            assert!((got - wanted).norm() <= limit, "{format} sample {n}: {got} for {wanted}");
        }
        assert_eq!(streams.transmit.poll_event(), None);
    }
}

#[test]
fn a_peer_that_was_killed_may_come_again() {
    let Some(python) = python() else { return };
    let [a, b] = ports();
    let args = format!("driver=zmq,tx_port=tcp://127.0.0.1:{a},rx_port=tcp://127.0.0.1:{b},pace=free");
    let mut streams = open(&args, &RadioSettings::new("ue", RATE)).unwrap().start().unwrap();
    let mut buffer = vec![Sample::default(); N];
    let mut heard = 0;
    for round in 1..=2_u64 {
        let _peer = peer(&python, b, a, "fc32", 2 * N, 1 << 30);
        while heard < round * 100 * N as u64 {
            streams.transmit.advance(heard + 4 * N as u64).unwrap();
            let received = streams.receive.receive(&mut buffer, Duration::from_secs(20)).unwrap();
            assert!(received.count > 0 && received.first == heard, "{received:?} in round {round}");
            heard += received.count as u64;
        }
    }
}

/// A UE of mode 4 with nothing else on the air.
const TALKER: &str = r#"
name = "alice"
layer2-id = "0000a1"
[radio]
prb = 15
tm = 4
[radio.v2x]
size = 5
num = 3
[communication]
period = 100
sub-channels = 2
mcs = 5
[time]
transmit = "never"
[[group]]
name = "all"
id = "0001a2"
[[talk]]
to = "all"
every = 100
"#;

/// srsRAN's `pssch_ue` counts subframes from sample 0, knows no other time, and sends nothing.
#[test]
fn whoever_only_listens_and_counts_subframes_from_sample_0_decodes_a_ue() {
    let Some(python) = python() else { return };
    let config = UeConfig::from_toml(TALKER, "test").unwrap();
    let numerology = config.numerology().unwrap();
    let (n, subframes) = (numerology.subframe_samples(), 2200);
    let [port, _] = ports();
    let args = format!("driver=zmq,tx_port=tcp://*:{port},pace=free");
    let radio = open(&args, &RadioSettings::new("alice", numerology.sample_rate().0)).unwrap();
    let streams = radio.start().unwrap();
    let facts = RadioFacts { anchor: streams.anchor.unwrap(), real_time: false, draws: Draws::Seeded };
    let ue = config.build_with(&Keys::default(), NoStore::default(), facts, Vec::new()).unwrap();
    let running = Running::start(ue, streams, false, ThreadOptions::default(), None).unwrap();
    let file = std::env::temp_dir().join(format!("sidelink-zmq-{}.cf32", std::process::id()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/zmq_listener.py");
    let output = Command::new(&python)
        .arg(script)
        .arg(format!("tcp://127.0.0.1:{port}"))
        .arg(&file)
        .arg((subframes * n).to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (ue, result) = running.stop().unwrap();
    result.unwrap();
    let octets = std::fs::read(&file).unwrap();
    let _ = std::fs::remove_file(&file);
    let half = |octets: &[u8]| f32::from_ne_bytes(octets.try_into().unwrap());
    let samples: Vec<_> = octets.chunks_exact(8).map(|o| Sample::new(half(&o[..4]), half(&o[4..]))).collect();
    let mut receiver = Receiver::new(receiver_config(&config.resolve().unwrap(), numerology));
    let (mut scis, mut blocks) = (0, 0);
    for (k, subframe) in samples.chunks_exact(n).take(subframes).enumerate() {
        receiver.set_time(k as u64, DfnSubframe::from_count(k as u64));
        receiver.process(k as u64, subframe, &mut |event| match event {
            Event::Sci { .. } => scis += 1,
            Event::SlSch(block) if !block.repeat => blocks += 1,
            _ => {}
        });
    }
    // a second of sensing, then a block every 100 ms, twice each
    assert!(scis >= 20 && blocks >= 10, "{scis} SCIs, {blocks} blocks of {:?}", ue.totals());
}
