//! A relay and its remote UE that run, in processes of their own, with a network in another: keys of links over PC8 (TS 33.303
//! §6.7.3), kills included.
//!
//! ```text
//! network (child)   PKMF, BSF, HSS on sockets
//! alice   (child)   relay: asks for the KD of each link
//! bob     (child)   remote UE: one process for each link, killed when the link is up, or before
//! ```

#![cfg(feature = "services")]
#![allow(clippy::disallowed_methods)] // tests write files

use serde_json::Value;
use sidelink_services::Config;
use sidelink_services::orders::socket_of;
use sidelink_tests::command::{Folder, run, text};
use std::cell::Cell;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Set in a child: the words of its command.
const WORDS: &str = "SIDELINK_RELAYS_LIVE_WORDS";

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The remote UE.
const BOB: &str = "001010000000002";

/// The child: `sidelink` with the words that it is told.
#[test]
#[ignore = "the child of the tests that kill it"]
fn child() {
    let Ok(words) = std::env::var(WORDS) else { return };
    run(&words.split('\n').collect::<Vec<_>>()).unwrap();
}

/// A process of the command; killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--ignored", "--nocapture"]).env(WORDS, words.join("\n"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Process {
    /// As `kill -9` does.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A UE that runs, and the file of what it says.
struct Running {
    _process: Process,
    said: PathBuf,
}

impl Running {
    fn said(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.said).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn has(&self, is_it: impl Fn(&Value) -> bool) -> bool {
        self.said().iter().any(is_it)
    }

    /// Waits until it has said this.
    fn says(&self, what: &str, is_it: impl Fn(&Value) -> bool) {
        waits(|| self.has(&is_it), || format!("{what}: {:#?}", self.said()));
    }

    /// How many KDs its PKMF has granted it.
    fn granted(&self) -> usize {
        self.said().iter().filter(|line| line["type"] == "relay-key").count()
    }
}

fn waits(is_so: impl Fn() -> bool, said: impl Fn() -> String) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{}", said());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_up(line: &Value) -> bool {
    line["type"] == "link" && line["state"].as_str().is_some_and(|state| state.starts_with("up"))
}

/// What a lab has on this computer.
struct Lab {
    folder: Folder,
    medium: String,
    addresses: [String; 3],
    runs: Cell<u32>,
}

impl Lab {
    fn new(test: &str) -> Self {
        let folder = Folder::new(test);
        run(&["network", "example", "-w", text(&folder.path("lab"))]).unwrap();
        // Held together, so that no two are the same.
        let held: [TcpListener; 5] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = held.each_ref().map(|socket| socket.local_addr().unwrap().to_string());
        let mikey = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let [ub, pc3, pc8, ..] = addresses.clone();
        let medium = format!("{test}-{}", std::process::id());
        let lab = Self { folder, medium, addresses: [ub, pc3, pc8], runs: Cell::new(0) };
        let ports = ["8480", "8443", "8444", "8445", "8447"];
        let moved = |text: String| {
            let move_one =
                |text: String, (old, new): (&&str, &String)| text.replace(&format!("127.0.0.1:{old}"), new);
            ports.iter().zip(&addresses).fold(text, move_one)
        };
        let network = std::fs::read_to_string(lab.path("network.toml")).unwrap();
        let network = network
            .replace("# mikey-listen = \"127.0.0.1:2269\"", &format!("mikey-listen = \"{mikey}\""))
            // The same subscriber bootstraps often.
            .replace("[hss]\n", "[hss]\nburst = 1000\n");
        let relays = "\n[[pkmf.relays]]\nimsi = \"001010000000001\"\ncodes = [\"0000a1\"]\n\
                      [[pkmf.remotes]]\nimsi = \"001010000000002\"\ncodes = [\"0000a1\"]\ntold = \"imsi\"\n";
        std::fs::write(lab.path("network.toml"), moved(network) + relays).unwrap();
        let ue = |name: &str, id: &str, more: &str| {
            let path = lab.path(&format!("{name}.toml"));
            let text = std::fs::read_to_string(&path).unwrap();
            // Without what it wants of discovery, groups and identities.
            let wants = ["announce = [", "monitor = ["].iter().find_map(|wants| text.find(wants)).unwrap();
            let named = format!("name = \"{name}\"\n");
            let text = text[..wants].replace(&named, &format!("{named}layer2-id = \"{id}\"\n"));
            let local = text.replace("local-address", "# local-address");
            std::fs::write(path, moved(local) + more).unwrap();
        };
        ue("alice", "000001", "[network.relay-keys]\nrole = \"relay\"\n");
        ue(
            "bob",
            "000002",
            "[network.relay-keys]\nrole = \"remote\"\n\
             [[link]]\npeer = \"alice\"\nid = \"000001\"\nconnect = 100\nrelay = { service = \"0000a1\" }\n",
        );
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path("lab").join(name)
    }

    /// The network, when all of it listens.
    fn network(&self) -> Process {
        let process = Process::start(&["network", "run", "-c", text(&self.path("network.toml"))]);
        let listens = |address: &String| TcpStream::connect(address).is_ok();
        let config = Config::load(&self.path("network.toml")).unwrap();
        let orders = socket_of(&config.database);
        waits(
            || self.addresses.iter().all(listens) && std::os::unix::net::UnixStream::connect(&orders).is_ok(),
            || format!("the network does not listen: {:?} {}", self.addresses, orders.display()),
        );
        process
    }

    fn ue(&self, name: &str) -> Running {
        self.runs.set(self.runs.get() + 1);
        let said = self.path(&format!("{name}-{}.json", self.runs.get()));
        let (config, air) =
            (self.path(&format!("{name}.toml")), format!("driver=air,medium={}", self.medium));
        let json = format!("json:{}", said.display());
        let words = ["ue", "-c", text(&config), "-a", &air, "-T", "300", "-F", &json];
        Running { _process: Process::start(&words), said }
    }

    /// A link of bob in a process of its own, killed when it is up: with at most one round more than it takes.
    fn link(&self, what: &str, alice: &Running) {
        let before = alice.granted();
        let bob = self.ue("bob");
        bob.says(what, is_up);
        waits(|| self.has("current"), || format!("{what}: the PRUK of a link that is up is current"));
        waits(|| alice.granted() > before, || format!("{what}: no KD was granted: {:#?}", alice.said()));
        let rounds = alice.granted() - before;
        assert!(rounds <= 2, "{what}: {rounds} rounds");
    }

    fn order(&self, order: &str) {
        run(&["network", order, "-c", text(&self.path("network.toml")), BOB]).unwrap();
    }

    /// Whether bob has a PRUK in this slot.
    fn has(&self, slot: &str) -> bool {
        let file = std::fs::read_to_string(self.path("bob.usim.pruk")).unwrap_or_default();
        let slots: Value = serde_json::from_str(&file).unwrap_or_default();
        slots[slot].is_object()
    }

    fn change(&self, name: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(old), "{name}: {old}");
        std::fs::write(self.path(name), text.replace(old, new)).unwrap();
    }
}

#[test]
fn a_remote_ue_has_links_to_its_relay_by_pruks_whatever_dies() {
    let lab = Lab::new("relays-live");
    let network = lab.network();
    let alice = lab.ue("alice");
    // In coverage: bob fetches its PRUK, shows its name and never the key.
    run(&["keys", "fetch", text(&lab.path("bob.toml"))]).unwrap();
    assert!(lab.has("current") && !lab.has("pending"));
    lab.link("a PRUK that was fetched", &alice);
    alice.says("who was served", |line| {
        line["type"] == "relay-key" && line["remote"] == format!("IMSI {BOB}")
    });
    // Out of coverage, and without a PRUK: the relay brings one. Killed between the command and the accept.
    lab.change("bob.toml", "[network]\n", "[network]\nrefresh = \"manual\"\n");
    std::fs::remove_file(lab.path("bob.usim.pruk")).unwrap();
    let bob = lab.ue("bob");
    waits(|| lab.has("pending"), || format!("no PRUK came over the air: {:#?}", bob.said()));
    let was_up = bob.has(is_up);
    drop(bob);
    assert!(!was_up && lab.has("pending") && !lab.has("current"), "killed before the link was up");
    lab.link("the PRUK that was pending", &alice);
    // The PKMF dies: what it gave out is durable.
    drop(network);
    let _network = lab.network();
    lab.link("after the PKMF was killed", &alice);
    // Revoked: the relay refuses, and is told why.
    lab.order("revoke-remote");
    let bob = lab.ue("bob");
    let is_refused = |line: &Value| {
        let what = line["what"].as_str().unwrap_or_default();
        line["type"] == "note" && what.contains("refuses") && what.contains("authentication failure")
    };
    bob.says("the refusal", is_refused);
    assert!(!bob.has(is_up), "{:#?}", bob.said());
    drop(bob);
    let refused = |line: &Value| {
        let what = line["what"].as_str().unwrap_or_default();
        line["type"] == "network" && what.contains("key of a remote UE") && what.contains("refuses")
    };
    alice.says("why bob is refused", refused);
    lab.order("admit-remote");
    std::fs::remove_file(lab.path("bob.usim.pruk")).unwrap();
    lab.link("admitted again, by IMSI", &alice);
}
