//! Hosts in network namespaces: remote UEs, their relay and a network behind it, each program in a process of its own.
//!
//! ```text
//! remote 1 .. n   sidelink ue, TUN sl0    | virtual air, real time |   relay   sidelink ue, TUN sl0; veth uplink -- veth net   network
//! ```

use sidelink_tests::command::Folder;
use std::fmt::Write;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Address of the host in the network.
pub(crate) const NETWORK: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub(crate) const NETWORK_V6: &str = "fd46::1";
/// Address of the relay's uplink.
const UPLINK: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
const UPLINK_V6: &str = "fd46::2";
/// Address of the relay towards its remote UEs.
pub(crate) const RELAY: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 1);

/// Why a test is skipped, if this computer has no namespaces for it.
pub(crate) fn hindrance() -> Option<&'static str> {
    if !Path::new("/dev/net/tun").exists() {
        return Some("no /dev/net/tun");
    }
    let name = format!("sl{}", std::process::id());
    let made = quiet("ip", &["netns", "add", &name]);
    let gone = quiet("ip", &["netns", "del", &name]);
    (!made || !gone).then_some("no network namespaces (root, iproute2)")
}

fn quiet(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).output().is_ok_and(|output| output.status.success())
}

/// Whether a program answers to these words.
pub(crate) fn has(program: &str, words: &[&str]) -> bool {
    quiet(program, words)
}

fn must(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {why}", words.join(" "));
}

/// What differs between labs.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) remotes: usize,
    /// `[radio]` with its pools, `[communication]`, `[time]`.
    pub(crate) carrier: &'static str,
    /// More of `[links]`, for the relay and for the remote UEs.
    pub(crate) links: [&'static str; 2],
    /// More of `[ip]`, for the relay and for the remote UEs.
    pub(crate) ip: [&'static str; 2],
    /// More of the air's words.
    pub(crate) air: &'static str,
}

/// A process that ends with its lab.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Hosts, and the UEs in them.
pub(crate) struct Lab {
    pub(crate) folder: Folder,
    id: u32,
    plan: Plan,
    /// Their files, and the processes of those that have not been ended.
    ues: Vec<(String, Option<Process>)>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.ues.clear();
        for host in self.hosts() {
            quiet("ip", &["netns", "del", &host]);
        }
    }
}

impl Lab {
    /// Makes the hosts and starts their UEs.
    pub(crate) fn start(plan: Plan) -> Self {
        let folder = Folder::new(plan.name);
        let mut lab = Self { folder, id: std::process::id(), plan, ues: Vec::new() };
        for host in lab.hosts() {
            quiet("ip", &["netns", "del", &host]);
            must("ip", &["netns", "add", &host]);
            must("ip", &["-n", &host, "link", "set", "lo", "up"]);
        }
        lab.wire();
        let names: Vec<_> = (0..=lab.plan.remotes).map(|number| lab.write(number)).collect();
        for (number, file) in names.into_iter().enumerate() {
            lab.start_ue(number, &file);
        }
        lab
    }

    /// Returns the namespaces: network, relay, remote UEs.
    fn hosts(&self) -> Vec<String> {
        let remotes = (1..=self.plan.remotes).map(|number| self.remote(number));
        [self.network(), self.relay()].into_iter().chain(remotes).collect()
    }

    pub(crate) fn network(&self) -> String {
        format!("sl{}-net", self.id)
    }

    pub(crate) fn relay(&self) -> String {
        format!("sl{}-relay", self.id)
    }

    /// Returns the namespace of a remote UE, from 1 on.
    pub(crate) fn remote(&self, number: usize) -> String {
        format!("sl{}-r{number}", self.id)
    }

    /// Connects relay and network. These are the operator's commands, as docs/relays.md has them.
    fn wire(&self) {
        let (relay, network) = (self.relay(), self.network());
        must(
            "ip",
            &[
                "-n", &relay, "link", "add", "uplink", "type", "veth", "peer", "name", "net", "netns",
                &network,
            ],
        );
        for (host, interface, v4, v6) in
            [(&relay, "uplink", UPLINK, UPLINK_V6), (&network, "net", NETWORK, NETWORK_V6)]
        {
            must("ip", &["-n", host, "address", "add", &format!("{v4}/24"), "dev", interface]);
            must("ip", &["-n", host, "address", "add", &format!("{v6}/64"), "dev", interface, "nodad"]);
            must("ip", &["-n", host, "link", "set", interface, "up"]);
        }
        must("ip", &["-n", &network, "route", "add", "10.45.0.0/24", "via", &UPLINK.to_string()]);
        must("ip", &["-n", &network, "route", "add", "fd45::/56", "via", UPLINK_V6]);
        for setting in ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"] {
            must("ip", &["netns", "exec", &relay, "sysctl", "-qw", setting]);
        }
    }

    /// Writes the file of a UE: 0 is the relay.
    fn write(&self, number: usize) -> PathBuf {
        let Plan { name, remotes, carrier, links, ip, air } = &self.plan;
        let part = usize::from(number > 0);
        let own = if number == 0 { "relay".to_owned() } else { format!("remote{number}") };
        let mut text = format!("name = \"{own}\"\nlayer2-id = \"0000{:02x}\"\n{carrier}\n", 0xa0 + number);
        let _ = write!(
            text,
            "[device]\nargs = \"driver=air,medium={name}-{},memory=400{air}\"\nlevel = 0.0\n[links]\n{}\n",
            self.id, links[part]
        );
        let peers = if number == 0 { 1..=*remotes } else { 0..=0 };
        for peer in peers {
            let (name, key) = match peer {
                0 => ("relay".to_owned(), number),
                peer => (format!("remote{peer}"), peer),
            };
            let connect =
                if peer == 0 { format!("connect = {}\n", 600 + 300 * number) } else { String::new() };
            let _ = write!(
                text,
                "[[link]]\npeer = \"{name}\"\nid = \"0000{:02x}\"\nkd = \"{}\"\n{connect}",
                0xa0 + peer,
                format!("{key:02x}").repeat(32)
            );
        }
        let to = if number == 0 {
            format!("to = \"links\"\naddress = \"{RELAY}/24\"")
        } else {
            "to = \"link:relay\"".to_owned()
        };
        let _ = write!(text, "[ip]\n{to}\ntun = \"sl0\"\n{}\n", ip[part]);
        let file = self.folder.put(&format!("{own}.toml"), text);
        must("chmod", &["600", &file.display().to_string()]);
        file
    }

    fn start_ue(&mut self, number: usize, file: &Path) {
        let host = if number == 0 { self.relay() } else { self.remote(number) };
        let mut command = super::inside(&host, "ue");
        command.env("SIDELINK_UE", file);
        let log = format!("{}.log", file.display());
        let process = command.stderr(File::create(log).unwrap()).stdout(Stdio::null()).spawn().unwrap();
        self.ues.push((file.display().to_string(), Some(Process(process))));
    }

    /// Runs a program in a host, and returns what it printed, and whether it went well.
    pub(crate) fn run(&self, host: &str, words: &[&str]) -> (bool, String) {
        let output =
            Command::new("ip").args(["netns", "exec", host]).args(words).stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|e| panic!("{words:?}: {e}"));
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Starts a program in a host; what it prints goes to a file of its name.
    pub(crate) fn spawn(&self, host: &str, name: &str, words: &[&str]) -> Process {
        let file = File::create(self.folder.path(name)).unwrap();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", host]).args(words).stdin(Stdio::null());
        let process = command.stdout(file.try_clone().unwrap()).stderr(file).spawn();
        Process(process.unwrap_or_else(|e| panic!("{words:?}: {e}")))
    }

    /// Returns what a program that was started has printed.
    pub(crate) fn printed(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path(name)).unwrap_or_default()).into_owned()
    }

    /// Returns what a UE has written of a type: 0 is the relay.
    pub(crate) fn events(&self, number: usize, kind: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(format!("{}.json", self.ues[number].0)).unwrap_or_default();
        let values = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        values.filter(|value| value["type"] == kind).collect()
    }

    /// Returns the control page of a UE: 0 is the relay.
    pub(crate) fn status(&self, number: usize) -> serde_json::Value {
        let host = if number == 0 { self.relay() } else { self.remote(number) };
        let (_, text) = self.run(&host, &["curl", "-sS", &format!("http://{}/status", super::CONTROL)]);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// Waits until something is there, for a minute at most.
    pub(crate) fn wait<T>(&mut self, what: &str, mut there: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(value) = there(self) {
                return value;
            }
            for (file, process) in &mut self.ues {
                if let Some(status) = process.as_mut().and_then(|process| process.0.try_wait().unwrap()) {
                    let log = std::fs::read_to_string(format!("{file}.log")).unwrap_or_default();
                    panic!("{file}: {status}: {log}");
                }
            }
            assert!(Instant::now() < deadline, "{what}: not within a minute\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn logs(&self) -> String {
        let log = |suffix: &str| {
            let text = self.ues.iter().map(|(file, _)| {
                let text = std::fs::read_to_string(format!("{file}.{suffix}")).unwrap_or_default();
                let from = text.len().saturating_sub(2000);
                format!("{file}.{suffix}: {}", text.get(from..).unwrap_or(""))
            });
            text.collect::<Vec<_>>().join("\n")
        };
        log("log") + &log("json")
    }

    /// Waits until a remote UE has an address of the relay, and returns it.
    pub(crate) fn address(&mut self, number: usize) -> Ipv4Addr {
        let host = self.remote(number);
        self.wait("an address of the relay", |lab| {
            let (_, text) = lab.run(&host, &["ip", "-4", "-o", "address", "show", "dev", "sl0"]);
            text.split(' ').find_map(|word| word.split_once('/')?.0.parse().ok())
        })
    }

    /// Ends a UE as Ctrl-C does, and returns its summary.
    pub(crate) fn end(&mut self, number: usize) -> String {
        let (file, process) = &mut self.ues[number];
        if let Some(mut process) = process.take() {
            let _ = Command::new("kill").args(["-INT", &process.0.id().to_string()]).status();
            let _ = process.0.wait();
        }
        std::fs::read_to_string(format!("{file}.log")).unwrap_or_default()
    }
}
