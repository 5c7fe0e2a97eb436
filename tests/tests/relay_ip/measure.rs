//! What goes through a relay: throughput, latency, loss, the gap of a path switch. Long: `docs/relays.md` has the numbers.

use super::lab::{Lab, NETWORK, Plan, has};
use super::overlay::{self, Credential, Tls};
use super::{can, inside, started};
use std::time::{Duration, Instant};

/// 10 MHz: a pool over the whole carrier, half of whose subframes a grant takes.
const CARRIER_10_MHZ: &str = r#"
lead = 12
[radio]
prb = 50
tm = 2
[radio.sync]
offset = [0, 20]
[[radio.communication]]
period = 40
control-bitmap = "0111 1111"
control-prb = { start = 0, end = 49, num = 25 }
data-bitmap = "1111 1111 1110 1111 1111 1111 1111 1111"
data-offset = 8
data-prb = { start = 0, end = 49, num = 25 }
[communication]
mcs = 9
prbs = 24
trpt-subset = 4
[time]
source = "utc"
"#;

/// Returns the carrier with the MCS and the PRBs of the environment.
fn carrier() -> &'static str {
    let of = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let text = CARRIER_10_MHZ.replace("mcs = 9", &format!("mcs = {}", of("SIDELINK_MCS", "9")));
    text.replace("prbs = 24", &format!("prbs = {}", of("SIDELINK_PRBS", "24"))).leak()
}

const AT_10_MHZ: Plan = Plan {
    name: "relay-10mhz",
    remotes: 1,
    carrier: CARRIER_10_MHZ,
    links: [""; 2],
    ip: ["mtu = 1400", ""],
    air: ",snr=25",
};

/// Prints the lines of a text with one of these words.
fn show(title: &str, text: &str, words: &[&str]) {
    for line in text.lines().filter(|line| words.iter().any(|word| line.contains(word))) {
        eprintln!("{title}: {}", line.trim());
    }
}

/// Sends streams for some seconds, up and down, and prints what arrived.
fn streams(lab: &Lab, remote: usize, seconds: u32) {
    let (network, host, to) = (lab.network(), lab.remote(remote), NETWORK.to_string());
    let rate = std::env::var("SIDELINK_UDP").unwrap_or_else(|_| "200k".to_owned());
    let udp = ["-u", "-b", &rate, "-l", "1000"];
    for (number, (title, more)) in [
        ("TCP up", vec![]),
        ("TCP down", vec!["-R"]),
        ("UDP up", udp.to_vec()),
        ("UDP down", [&udp[..], &["-R"]].concat()),
    ]
    .into_iter()
    .enumerate()
    {
        let (port, seconds) = ((5200 + 10 * remote + number).to_string(), seconds.to_string());
        let _server = lab.spawn(&network, &format!("iperf{port}"), &["iperf3", "-s", "-1", "-p", &port]);
        std::thread::sleep(Duration::from_millis(500));
        let base = ["iperf3", "-c", &to, "-p", &port, "-t", &seconds, "--connect-timeout", "9000"];
        let (_, text) = lab.run(&host, &[&base[..], &more].concat());
        show(&format!("remote {remote}, {title} {}", more.join(" ")), &text, &["receiver", "error"]);
    }
}

fn pings(lab: &Lab, remote: usize, octets: &str) {
    let words = ["ping", "-i", "0.2", "-c", "50", "-W", "3", "-s", octets, &NETWORK.to_string()];
    let (_, text) = lab.run(&lab.remote(remote), &words);
    show(&format!("remote {remote}, ping of {octets} octets"), &text, &["packet loss", "rtt"]);
}

/// Whether the programs of these measurements are there.
fn has_programs() -> bool {
    can("measurements through a relay")
        && [("iperf3", "-v"), ("ping", "-V"), ("openssl", "version")].iter().all(|(program, word)| {
            let is_there = has(program, &[word]);
            if !is_there {
                eprintln!("SKIPPED: no {program} (apt-get install iperf3 iputils-ping openssl)");
            }
            is_there
        })
}

#[test]
#[ignore = "long: two minutes, by the wall clock"]
fn real_time_throughput_and_latency_through_a_relay() {
    if !has_programs() {
        return;
    }
    let mut lab = Lab::start(Plan { carrier: carrier(), ..AT_10_MHZ });
    lab.address(1);
    pings(&lab, 1, "56");
    pings(&lab, 1, "1000");
    streams(&lab, 1, 15);
    for number in [0, 1] {
        eprint!("{}", lab.end(number));
    }
}

#[test]
#[ignore = "long: some minutes, by the wall clock, and more processors than two"]
fn real_time_eight_remotes_at_10_mhz() {
    if !has_programs() {
        return;
    }
    let remotes = std::env::var("SIDELINK_REMOTES").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let mut lab = Lab::start(Plan { remotes, carrier: carrier(), ..AT_10_MHZ });
    let began = Instant::now();
    for number in 1..=remotes {
        let address = lab.address(number);
        eprintln!("remote {number} has {address} after {:.1} s", began.elapsed().as_secs_f64());
    }
    pings(&lab, 1, "56");
    // All at once: 250 octets each way, as often as the environment says.
    let every = std::env::var("SIDELINK_EVERY").unwrap_or_else(|_| "0.5".to_owned());
    let running: Vec<_> = (1..=remotes)
        .map(|number| {
            let words = ["ping", "-q", "-i", &every, "-w", "15", "-s", "222", &NETWORK.to_string()];
            lab.spawn(&lab.remote(number), &format!("ping{number}"), &words)
        })
        .collect();
    std::thread::sleep(Duration::from_secs(20));
    for number in 1..=remotes {
        let text = lab.printed(&format!("ping{number}"));
        show(&format!("remote {number}, all at once"), &text, &["packet loss", "rtt"]);
    }
    drop(running);
    for number in 0..=remotes {
        eprint!("{}", lab.end(number));
    }
}

/// T3.3-3: the path of a remote UE goes from the relay to another one and back while lines come over TLS. The overlay goes on; a
/// link that is set up anew costs what the last line says.
#[test]
#[ignore = "long: half a minute, by the wall clock"]
fn real_time_an_overlay_outlives_a_switch_of_its_path() {
    if !has_programs() {
        return;
    }
    let mut lab = Lab::start(AT_10_MHZ);
    let address = lab.address(1).to_string();
    let (network, remote) = (lab.network(), lab.remote(1));
    let _web = started(inside(&network, "web"));
    // Another path: a wire.
    let must = |host: &str, words: &[&str]| {
        let (is_good, text) = lab.run(host, words);
        assert!(is_good, "{words:?}: {text}");
    };
    must(
        &remote,
        &["ip", "link", "add", "direct", "type", "veth", "peer", "name", "wire", "netns", &network],
    );
    for (host, name, own) in [(&remote, "direct", "203.0.113.2/24"), (&network, "wire", "203.0.113.1/24")] {
        must(host, &["ip", "address", "add", own, "dev", name]);
        must(host, &["ip", "link", "set", name, "up"]);
    }
    overlay::certificates(lab.folder.as_path());
    let mut tls = Tls::start(&lab, Credential::Certificate, Duration::from_millis(20));
    tls.line();
    let gap = |tls: &Tls, seconds: u64| {
        let until = Instant::now() + Duration::from_secs(seconds);
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        while last < until {
            let (at, _) = tls.line();
            longest = longest.max(at.saturating_duration_since(last));
            last = at.max(last);
        }
        longest.as_millis()
    };
    eprintln!("no switch: longest gap {} ms in 8 s", gap(&tls, 8));
    for (title, to_net, to_remote) in [
        ("PC5 -> wire", ["203.0.113.1", "direct"], "203.0.113.2"),
        ("wire -> PC5", ["", "sl0"], "198.51.100.2"),
    ] {
        let via = if to_net[0].is_empty() { vec!["dev", "sl0"] } else { vec!["via", to_net[0]] };
        let route = [&["ip", "route", "replace", "198.51.100.1"][..], &via, &["src", &address]].concat();
        must(&remote, &route);
        must(&network, &["ip", "route", "replace", &format!("{address}/32"), "via", to_remote]);
        eprintln!("{title}: longest gap {} ms in the 4 s after it", gap(&tls, 4));
    }
    assert!(tls.goes_on(), "the same TLS session all along");
}

/// Transport blocks that relay and remote UE have sent.
fn blocks(lab: &Lab) -> [u64; 2] {
    [0, 1].map(|number| lab.status(number)["totals"]["sent"][2].as_u64().unwrap())
}

/// A remote UE bootstraps, and fetches codes, keys and PGKs (Ub, PC3, PC8, MIKEY) over its link with the relay alone.
#[cfg(feature = "services")]
#[test]
#[ignore = "long: half a minute, by the wall clock"]
fn real_time_keys_come_through_a_relay() {
    if !has_programs() {
        return;
    }
    let mut lab = Lab::start(Plan { ip: ["mtu = 1400", ""], ..AT_10_MHZ });
    let address = lab.address(1).to_string();
    let folder = lab.folder.path("lab");
    sidelink_tests::command::run(&["network", "example", "-w", folder.to_str().unwrap()]).unwrap();
    for name in ["network.toml", "alice.toml"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let there = NETWORK.to_string();
        // MIKEY comes from where the network listens.
        let text = text.replace("# mikey-listen", "mikey-listen").replace("127.0.0.2", &address);
        let line = |line: &str| match line.starts_with("listen = ") {
            true => format!("{}\nreach = \"network\"\n", line.replace("127.0.0.1", &there)),
            false => line.replace("127.0.0.1", &there) + "\n",
        };
        std::fs::write(folder.join(name), text.lines().map(line).collect::<String>()).unwrap();
    }
    let path = |name: &str| folder.join(name).display().to_string();
    let command = |host: &str, words: &[&str]| {
        let mut command = inside(host, "command");
        command.env("SIDELINK_WORDS", words.join("\n"));
        command
    };
    let _network = started(command(&lab.network(), &["network", "run", "-c", &path("network.toml")]));
    std::thread::sleep(Duration::from_secs(2));
    let remote = lab.remote(1);
    for title in ["first", "again"] {
        let capture = overlay::Capture::start(&mut lab, &format!("capture-{title}"));
        let (before, began) = (blocks(&lab), Instant::now());
        let output = command(&remote, &["keys", "fetch", &path("alice.toml")]).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success(), "{text}");
        let (after, took) = (blocks(&lab), began.elapsed());
        let packets = capture.packets();
        let octets: usize = packets.iter().map(Vec::len).sum();
        eprintln!(
            "{title}: {} ms, {} packets of {octets} octets, {} + {} transport blocks (relay, remote UE)",
            took.as_millis(),
            packets.len(),
            after[0] - before[0],
            after[1] - before[1]
        );
        show(title, &text, &["key", "code", "PGK"]);
    }
    let keys = sidelink_store::KeyStore::open(&folder.join("alice.keys")).unwrap().keys().unwrap();
    assert!(!keys.group.is_empty() && !keys.discovery.is_empty());
}

/// What an overlay costs over the path, and what the links cost beside it: set-up in packets, octets and transport blocks, and
/// octets of each line.
#[test]
#[ignore = "long: a minute, by the wall clock"]
fn real_time_the_cost_of_an_overlay() {
    if !has_programs() {
        return;
    }
    for (title, links) in
        [("ciphered", ""), ("null ciphers", "ciphering = \"not-needed\"\noverlay = \"present\"")]
    {
        let mut lab = Lab::start(Plan { links: [links; 2], ..AT_10_MHZ });
        lab.address(1);
        let state = lab.status(1)["links"][0]["state"].clone();
        overlay::certificates(lab.folder.as_path());
        for credential in [Credential::Psk, Credential::Certificate] {
            let capture = overlay::Capture::start(&mut lab, &format!("capture-{credential:?}"));
            let (before, began) = (blocks(&lab), Instant::now());
            let tls = Tls::start(&lab, credential, Duration::from_millis(500));
            tls.line();
            let (packets, took, after) = (capture.packets(), began.elapsed(), blocks(&lab));
            let octets: usize = packets.iter().map(Vec::len).sum();
            eprintln!(
                "{title} ({state}), TLS by {credential:?}: first line after {} ms, {} packets of {octets} octets, {} + {} blocks",
                took.as_millis(),
                packets.len(),
                after[0] - before[0],
                after[1] - before[1]
            );
            let lines: Vec<_> = (0..10).map(|_| tls.line().1.len() + 1).collect();
            let all = capture.packets();
            let largest = all[packets.len()..].iter().map(Vec::len).max().unwrap_or(0);
            eprintln!("{title}, a line of {} octets: an IP packet of {largest} octets", lines[9]);
        }
        for number in [0, 1] {
            eprint!("{}", lab.end(number));
        }
    }
}
