//! IP through a relay, with programs of others in network namespaces: `sidelink ue` as remote UE and as relay, on the virtual
//! air in real time.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)]

#[path = "relay_ip/lab.rs"]
mod lab;
#[path = "relay_ip/measure.rs"]
mod measure;
#[path = "relay_ip/overlay.rs"]
mod overlay;

use clap::Parser;
use lab::{Lab, NETWORK, NETWORK_V6, Plan, Process, RELAY, hindrance};
use sidelink_flowgraphs::commands::{self, Cli};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// 5 MHz: a pool over the whole carrier, half of whose subframes a grant takes.
const CARRIER: &str = r#"
lead = 12
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
[communication]
mcs = 9
prbs = 20
trpt-subset = 4
[time]
source = "utc"
"#;

/// Address of the control page of each UE, in its own host.
const CONTROL: &str = "127.0.0.1:8080";

/// Returns a step of [`step`] in a process of its own in a host.
fn inside(host: &str, step: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host]).arg(std::env::current_exe().unwrap());
    command
        .args(["--exact", "step", "--ignored", "--nocapture"])
        .env("SIDELINK_STEP", step)
        .stdin(Stdio::null());
    command
}

#[test]
#[ignore = "a step of the others, in a process of its own"]
fn step() {
    match std::env::var("SIDELINK_STEP").as_deref() {
        Ok("ue") => {
            let file = std::env::var("SIDELINK_UE").unwrap();
            let out = format!("json:{file}.json");
            let seconds = std::env::var("SIDELINK_SECONDS").unwrap_or_else(|_| "120".to_owned());
            let words = ["sidelink", "ue", "-c", &file, "-F", &out, "-T", &seconds, "--control", CONTROL];
            commands::run(Cli::parse_from(words).command).unwrap();
        }
        Ok("command") => {
            let words = std::env::var("SIDELINK_WORDS").unwrap();
            commands::run(Cli::parse_from(["sidelink"].into_iter().chain(words.lines())).command).unwrap();
        }
        Ok("web") => web(),
        _ => {}
    }
}

/// Serves one page to whoever comes, over HTTP.
fn web() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind((NETWORK, 80)).unwrap();
    eprintln!("listening");
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let page = page();
        let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
        let _ = stream.write_all(&[head.as_bytes(), &page].concat());
    }
}

/// A page that takes some fifteen packets.
fn page() -> Vec<u8> {
    (0_u32..2500).flat_map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

/// Whether this computer has what a test needs; says so where not.
fn can(what: &str) -> bool {
    match hindrance() {
        Some(why) => {
            eprintln!("SKIPPED: no {what} ({why})");
            false
        }
        None => true,
    }
}

/// The relay gives the remote UE its address; `ping` reaches the network behind the relay, and `curl` fetches a page, whole.
/// A packet that is too big for the link comes back as ICMP.
#[test]
fn real_time_a_ping_and_a_web_page_go_through_a_relay() {
    if !can("IP through a relay") {
        return;
    }
    let mut lab = Lab::start(Plan {
        name: "relay-ip",
        remotes: 1,
        carrier: CARRIER,
        links: [""; 2],
        ip: ["mtu = 1400\nprefix = \"fd45::/56\"", "version = \"both\""],
        air: ",snr=25",
    });
    let (network, remote) = (lab.network(), lab.remote(1));
    let _web = started(inside(&network, "web"));
    let address = lab.address(1);
    assert_eq!(address.octets()[..3], RELAY.octets()[..3]);
    pings(&mut lab, &remote);
    fetches(&lab, &remote);
    overlay::the_relay_reads_nothing(&mut lab);
    too_big(&mut lab, &remote, address);
    let report = lab.wait("a remote UE report", |lab| lab.events(0, "remote-ue-report").into_iter().last());
    assert_eq!(report["standing"], "connected", "{report}");
    assert_eq!(report["remote"]["identity"], "\"remote1\"", "{report}");
    assert_eq!(report["remote"]["address"], address.to_string(), "{report}");
    let status = lab.status(0);
    assert_eq!(status["ip"]["remotes"][0]["address"], address.to_string(), "{status}");
    assert_eq!(lab.status(1)["ip"]["address"], address.to_string());
    // Its link ends, and its address with it.
    lab.end(1);
    lab.wait("the end of the link", |lab| {
        lab.events(0, "remote-ue-report").into_iter().find(|report| report["standing"] == "disconnected")
    });
}

/// Starts a step that prints nothing.
fn started(mut command: Command) -> Process {
    Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Both kinds of addresses reach what they are for.
fn pings(lab: &mut Lab, remote: &str) {
    if !lab::has("ping", &["-V"]) {
        assert!(std::env::var_os("CI").is_none(), "no ping");
        eprintln!("SKIPPED: no ping (apt-get install iputils-ping)");
        return;
    }
    let host = NETWORK.to_string();
    lab.wait("an answer to a ping", |lab| {
        lab.run(remote, &["ping", "-c", "2", "-i", "0.2", "-W", "2", &host]).0.then_some(())
    });
    lab.wait("an IPv6 address of the relay's prefix", |lab| {
        let (_, text) =
            lab.run(remote, &["ip", "-6", "-o", "address", "show", "dev", "sl0", "scope", "global"]);
        text.contains("fd45:").then_some(())
    });
    lab.wait("an answer to a ping of IPv6", |lab| {
        lab.run(remote, &["ping", "-c", "2", "-i", "0.2", "-W", "2", NETWORK_V6]).0.then_some(())
    });
    let (_, routes) = lab.run(remote, &["ip", "route"]);
    assert!(routes.contains("default dev sl0"), "{routes}");
    let (_, links) = lab.run(remote, &["ip", "link", "show", "dev", "sl0"]);
    assert!(links.contains("mtu 1400"), "the relay says how large packets are: {links}");
}

fn fetches(lab: &Lab, remote: &str) {
    if !lab::has("curl", &["--version"]) {
        assert!(std::env::var_os("CI").is_none(), "no curl");
        eprintln!("SKIPPED: no curl (apt-get install curl)");
        return;
    }
    let file = lab.folder.path("page");
    let (url, out) = (format!("http://{NETWORK}/"), file.display().to_string());
    let words = ["curl", "-sS", "--retry", "3", "--retry-all-errors", "--max-time", "40", "-o", &out, &url];
    let (is_good, text) = lab.run(remote, &words);
    assert!(is_good, "{text}");
    assert!(std::fs::read(file).unwrap() == page(), "the page is another");
}

/// The interfaces are made to take more than the link carries: both ends of the link answer themselves.
fn too_big(lab: &mut Lab, remote: &str, address: Ipv4Addr) {
    if !lab::has("ping", &["-V"]) {
        return;
    }
    let relay = lab.relay();
    assert!(lab.run(&relay, &["ip", "link", "set", "sl0", "mtu", "2000"]).0);
    assert!(lab.run(remote, &["ip", "link", "set", "sl0", "mtu", "2000"]).0);
    let network = lab.network();
    for (from, to) in [(remote, NETWORK), (&network, address)] {
        let to = to.to_string();
        let words = ["ping", "-c", "3", "-i", "0.2", "-W", "1", "-M", "do", "-s", "1450", &to];
        lab.wait("an answer about the MTU", |lab| {
            let (is_good, text) = lab.run(from, &words);
            assert!(!is_good, "it is larger than the link carries: {text}");
            (text.contains("mtu") && text.contains("1400")).then_some(())
        });
    }
}
