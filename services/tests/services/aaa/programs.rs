//! Programs of others: `eapol_test` as the peer, `hostapd` as an EAP server with our HSS behind its socket, tshark.

use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sidelink_network::aka::{Autn, Rand};
use sidelink_network::usim::{Answer, Domain, Input, Output, SqnArray, Usim};

use super::nas::{REALM, SECRET, world};
use crate::capture::{Tshark, packet};
use crate::common::{World, card, has, imsi};

/// What a peer of EAP is told to do.
struct Run {
    method: &'static str,
    /// First character of the identity.
    prefix: char,
    domain: Domain,
    /// Authentications after the first.
    again: u32,
}

/// Runs it to its end; whether it was authenticated, and what it said.
fn eapol_test(port: u16, run: &Run, accepted: u64) -> (bool, String) {
    let mut usim = Usim::new(card(), SqnArray::from_entries([accepted; 32]).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (control, configuration) = (folder.path().join("ctrl"), folder.path().join("conf"));
    let Run { method, prefix, again, .. } = run;
    let identity = format!("{prefix}{}@{REALM}", imsi(1).digits());
    let text = format!(
        "ctrl_interface={}\nexternal_sim=1\nnetwork={{\n key_mgmt=IEEE8021X\n eap={method}\n identity=\"{identity}\"\n \
         phase1=\"result_ind=1\"\n}}\n",
        control.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut child = Command::new("eapol_test")
        .args(["-c", configuration.to_str().unwrap(), "-a", "127.0.0.1", "-p", &port.to_string()])
        .args(["-s", SECRET, "-i", "eapt", "-W", "-t", "20", "-r", &again.to_string()])
        .stdout(Stdio::from(log))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let asks = attach(folder.path(), &control.join("eapt"));
    let begun = Instant::now();
    let mut status = None;
    while status.is_none() && begun.elapsed() < Duration::from_secs(40) {
        if let Some(asks) = &asks {
            answer(asks, &mut usim, run.domain);
        }
        status = child.try_wait().unwrap();
    }
    let _ = (child.kill(), child.wait());
    let said = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    (status.is_some_and(|status| status.success()), said)
}

/// Joins the control interface, which waits for that.
fn attach(folder: &Path, control: &Path) -> Option<UnixDatagram> {
    let socket = UnixDatagram::bind(folder.join("card")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if socket.connect(control).is_ok() && socket.send(b"ATTACH").is_ok() {
            return Some(socket);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Puts what is asked of the card to our USIM.
fn answer(asks: &UnixDatagram, usim: &mut Usim, domain: Domain) {
    let mut buffer = [0; 2048];
    let Ok(length) = asks.recv(&mut buffer) else { return };
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let Some((_, asked)) = text.split_once("CTRL-REQ-SIM-") else { return };
    let fields: Vec<_> = asked.split([':', ' ']).collect();
    let [network, "UMTS-AUTH", rand, autn, ..] = fields[..] else { panic!("{text}") };
    let octets = |digits: &str| hex::decode(digits).unwrap().try_into().unwrap();
    let (rand, autn) = (Rand(octets(rand)), Autn(octets(autn)));
    usim.handle_input(Input::Authenticate { rand, autn, domain }).unwrap();
    let mut output = usim.poll_output().unwrap();
    if matches!(output, Output::Store(_)) {
        usim.handle_input(Input::Stored).unwrap();
        output = usim.poll_output().unwrap();
    }
    let said = match output {
        Output::Answer(Answer::Keys(q)) => {
            let [ik, ck, res] = [&q.ik[..], &q.ck, &q.res].map(hex::encode);
            format!("UMTS-AUTH:{ik}:{ck}:{res}")
        }
        Output::Answer(Answer::OutOfSync(auts)) => format!("UMTS-AUTS:{}", hex::encode(auts.0)),
        Output::Answer(Answer::Refused(_)) => "UMTS-FAIL".into(),
        Output::Store(_) => panic!("stored already"),
    };
    asks.send(format!("CTRL-RSP-SIM-{network}:{said}").as_bytes()).unwrap();
}

/// Stands between a client and the server, and writes down what goes by.
struct Tap {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    thread: JoinHandle<()>,
}

impl Tap {
    fn start(server: SocketAddr) -> Self {
        let [client, outer] = [(); 2].map(|()| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            socket
        });
        let address = client.local_addr().unwrap();
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (ends, writes) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let (mut buffer, mut last) = ([0; 4096], None);
            while !ends.load(Ordering::Relaxed) {
                if let Ok((size, from)) = client.recv_from(&mut buffer) {
                    writes.lock().unwrap().push(packet(from, server, &buffer[..size]));
                    last = Some(from);
                    outer.send_to(&buffer[..size], server).unwrap();
                }
                if let (Ok(size), Some(to)) = (outer.recv(&mut buffer), last) {
                    writes.lock().unwrap().push(packet(server, to, &buffer[..size]));
                    client.send_to(&buffer[..size], to).unwrap();
                }
            }
        });
        Self { address, stop, seen, thread }
    }

    fn stop(self) -> Vec<Vec<u8>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Has tshark read the packets: all are RADIUS with EAP, nothing is malformed, every authenticator is right.
fn is_dissected(packets: &[Vec<u8>], port: u16) {
    if !has("tshark", "tshark") {
        return;
    }
    let port = format!("udp.port=={port},radius");
    let secret = format!("radius.shared_secret:{SECRET}");
    let tshark =
        Tshark::new(packets, &["-d", &port, "-o", &secret, "-o", "radius.validate_authenticator:TRUE"]);
    let fields = tshark.says(&["-T", "fields", "-e", "radius.code", "-e", "eap.code", "-e", "eap.type"]);
    let lines: Vec<_> = fields.lines().collect();
    assert_eq!(lines.len(), packets.len());
    let is_whole = |line: &&str| line.split('\t').filter(|field| !field.is_empty()).count() >= 2;
    assert!(lines.iter().all(is_whole), "{fields}");
    assert!(lines.iter().filter(|line| line.ends_with("\t50")).count() >= 4, "{fields}");
    let whole = tshark.says(&["-V"]);
    for bad in ["Malformed", "malformed", "[incorrect", "Unknown-Attribute", "invalid"] {
        assert!(!whole.contains(bad), "{bad}\n{whole}");
    }
    for said in ["AT_KDF", "AT_MAC", "AT_ENCR_DATA", "MS-MPPE-Recv-Key"] {
        assert!(whole.contains(said), "{said}\n{whole}");
    }
}

/// Authenticates a real peer; the network, and what went by.
fn real_peer(again: u32, accepted: u64) -> Option<World> {
    if !has("eapol_test", "eapoltest") {
        return None;
    }
    let world = world(1);
    let server = world.handle.radius_address().unwrap();
    let tap = Tap::start(server);
    let run = Run { method: "AKA'", prefix: '6', domain: Domain::EapAkaPrime, again };
    let (granted, said) = eapol_test(tap.address.port(), &run, accepted);
    assert!(granted, "{said}\n{:?}", world.handle.status());
    assert!(said.contains(&format!("MPPE keys OK: {}  mismatch: 0", again + 1)), "{said}");
    is_dissected(&tap.stop(), server.port());
    Some(world)
}

#[test]
fn eapol_test_is_authenticated_in_full_and_fast() {
    let Some(world) = real_peer(2, 0) else { return };
    let status = world.handle.status();
    assert_eq!((status.eap_full, status.eap_fast, status.vectors), (1, 2, 1), "{status:?}");
}

#[test]
fn eapol_test_is_followed_when_its_card_is_ahead() {
    let Some(world) = real_peer(0, 5000) else { return };
    let status = world.handle.status();
    assert_eq!((status.eap_full, status.resynchronisations, status.vectors), (1, 1, 2), "{status:?}");
}

/// hostapd with its own EAP server, which asks a socket for vectors.
fn hostapd(folder: &Path, auc: &Path) -> (std::process::Child, u16) {
    let path = |name: &str| folder.join(name).display().to_string();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::write(path("clients"), format!("127.0.0.0/8\t{SECRET}\n")).unwrap();
    std::fs::write(path("users"), "\"0\"*\tAKA\n\"2\"*\tAKA\n\"4\"*\tAKA\n").unwrap();
    let text = format!(
        "driver=none\ninterface=x0\nradius_server_clients={}\nradius_server_auth_port={port}\neap_server=1\n\
         eap_user_file={}\neap_sim_db=unix:{}\neap_sim_aka_result_ind=1\neap_sim_id=3\n",
        path("clients"),
        path("users"),
        auc.display()
    );
    std::fs::write(path("conf"), text).unwrap();
    let child = Command::new("sh")
        .args(["-c", &format!("PATH=$PATH:/usr/sbin exec hostapd -dd -K {}", path("conf"))])
        .stdout(Stdio::from(std::fs::File::create(path("log")).unwrap()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, port)
}

#[test]
fn hostapd_asks_our_hss_in_its_own_words() {
    let found = Command::new("sh").args(["-c", "PATH=$PATH:/usr/sbin command -v hostapd"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no hostapd (apt-get install hostapd)");
        return;
    }
    if !has("eapol_test", "eapoltest") {
        return;
    }
    for (accepted, vectors, resynchronisations) in [(0, 1, 0), (900, 2, 1)] {
        let world = World::with(1, |config| {
            config.auc = Some(config.database.file().unwrap().with_file_name("auc"));
        });
        let (mut child, port) = hostapd(world.folder.path(), &world.folder.path().join("auc"));
        std::thread::sleep(Duration::from_millis(500));
        let run = Run { method: "AKA", prefix: '0', domain: Domain::Gba, again: 1 };
        let (granted, said) = eapol_test(port, &run, accepted);
        let _ = (child.kill(), child.wait());
        let log = std::fs::read_to_string(world.folder.path().join("log")).unwrap_or_default();
        assert!(granted, "{said}\n{log}");
        assert!(said.contains("MPPE keys OK: 2  mismatch: 0"), "{said}");
        let status = world.handle.status();
        assert_eq!((status.vectors, status.resynchronisations), (vectors, resynchronisations), "{status:?}");
    }
}

/// Without hostapd: what a socket says to whom, and what it passes over.
#[test]
fn the_socket_of_vectors_says_what_hostapd_reads() {
    let world = World::with(1, |config| {
        config.auc = Some(config.database.file().unwrap().with_file_name("auc"));
    });
    let socket = UnixDatagram::bind(world.folder.path().join("own")).unwrap();
    socket.connect(world.folder.path().join("auc")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let ask = |text: &str| {
        socket.send(text.as_bytes()).unwrap();
        let mut buffer = [0; 1000];
        let size = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..size].to_vec()).unwrap()
    };
    let digits = imsi(1).digits().to_owned();
    socket.send(b"anything").unwrap();
    let vector = ask(&format!("AKA-REQ-AUTH {digits}"));
    let sizes: Vec<_> = vector.split(' ').map(str::len).collect();
    assert_eq!(sizes, [13, 15, 32, 32, 32, 32, 16], "{vector}");
    let nobody = imsi(9).digits().to_owned();
    assert_eq!(ask(&format!("AKA-REQ-AUTH {nobody}")), format!("AKA-RESP-AUTH {nobody} FAILURE"));
    assert_eq!(ask(&format!("SIM-REQ-AUTH {digits} 3")), format!("SIM-RESP-AUTH {digits} FAILURE"));
    // An AUTS that no card has made costs the request that follows, and that one alone.
    socket.send(format!("AKA-AUTS {digits} {} {}", "00".repeat(14), "00".repeat(16)).as_bytes()).unwrap();
    assert_eq!(ask(&format!("AKA-REQ-AUTH {digits}")), format!("AKA-RESP-AUTH {digits} FAILURE"));
    assert_ne!(ask(&format!("AKA-REQ-AUTH {digits}")), vector);
    // A second process does not take its place.
    let mut config = crate::common::config(world.folder.path(), 0);
    config.database = world.folder.path().join("other.db").into();
    config.auc = Some(world.folder.path().join("auc"));
    let error = sidelink_services::Network::start(config).err().unwrap().to_string();
    assert!(error.contains("another process listens") && error.contains("auc"), "{error}");
    let path = world.folder.path().join("auc");
    world.handle.shutdown();
    assert!(!path.exists());
}
