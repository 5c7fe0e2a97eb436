//! Security by overlay over the path through a relay: TLS 1.3 by OpenSSL. TR 33.833 §6.3.3.

use super::lab::{Lab, NETWORK, Process, has};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the users say to each other, and nobody else is to read.
const SECRET: &str = "meet at the old mill";
/// Port of the peer in the network.
const PORT: u16 = 4433;
const PSK: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

/// How the ends of an overlay know each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A key that both have.
    Psk,
    /// A certificate of P-256 for each end.
    Certificate,
}

/// An overlay from a remote UE to the network.
pub(crate) struct Tls {
    _server: Process,
    client: Process,
    /// Lines of the client, as the server opened them, with their times.
    pub(crate) lines: std::sync::mpsc::Receiver<(Instant, String)>,
    to_server: std::process::ChildStdin,
}

/// Runs OpenSSL here.
fn openssl(folder: &Path, words: &[&str]) {
    let output = Command::new("openssl").args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes an issuer and a certificate of P-256 for each end.
pub(crate) fn certificates(folder: &Path) {
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch"];
    let issue = |words: &[&str]| openssl(folder, &[&["req"], &curve[..], words].concat());
    issue(&["-x509", "-subj", "/CN=user organisation", "-keyout", "ca.key", "-out", "ca.pem"]);
    for end in ["server", "client"] {
        let (key, request, out) = (format!("{end}.key"), format!("{end}.csr"), format!("{end}.pem"));
        issue(&["-subj", &format!("/CN={end}"), "-keyout", &key, "-out", &request]);
        let sign = ["x509", "-req", "-in", &request, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        openssl(folder, &[&sign[..], &["-out", &out]].concat());
    }
}

impl Tls {
    /// Sets an overlay up: a server in the network, and a client at the remote UE that says a line every `every`.
    pub(crate) fn start(lab: &Lab, credential: Credential, every: Duration) -> Self {
        let (network, remote) = (lab.network(), lab.remote(1));
        let folder = lab.folder.as_path();
        let listen = format!("{NETWORK}:{PORT}");
        let own = |end: &str| match credential {
            Credential::Psk => vec!["-psk".to_owned(), PSK.to_owned()],
            Credential::Certificate => {
                let words = [
                    ["-cert", &format!("{end}.pem")],
                    ["-key", &format!("{end}.key")],
                    ["-CAfile", "ca.pem"],
                ];
                words.concat().iter().map(|word| (*word).to_owned()).collect()
            }
        };
        let start = |host: &str, words: &[&str], own: Vec<String>| {
            let mut command = Command::new("ip");
            command
                .args(["netns", "exec", host, "openssl"])
                .args(words)
                .args(own)
                .args(["-quiet", "-tls1_3"]);
            let command = command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
            command.stderr(Stdio::null()).spawn().unwrap()
        };
        let verify = match credential {
            Credential::Psk => vec!["-nocert"],
            Credential::Certificate => vec!["-Verify", "1", "-verify_return_error"],
        };
        let mut server =
            start(&network, &[&["s_server", "-accept", &listen], &verify[..]].concat(), own("server"));
        std::thread::sleep(Duration::from_millis(300));
        let verify: &[&str] = match credential {
            Credential::Psk => &[],
            Credential::Certificate => &["-verify_return_error"],
        };
        let mut client =
            start(&remote, &[&["s_client", "-connect", &listen], verify].concat(), own("client"));
        let (mut to_client, out) = (client.stdin.take().unwrap(), server.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut number = 0_u64;
            while writeln!(to_client, "line {number}: {SECRET}").is_ok() {
                number += 1;
                std::thread::sleep(every);
            }
        });
        let (lines_tx, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if lines_tx.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        let to_server = server.stdin.take().unwrap();
        Self { _server: Process(server), client: Process(client), lines, to_server }
    }

    /// Returns the next line of the client.
    pub(crate) fn line(&self) -> (Instant, String) {
        self.lines.recv_timeout(Duration::from_secs(30)).expect("a line of the client")
    }

    /// Says something to the client.
    pub(crate) fn say(&mut self, text: &str) {
        writeln!(self.to_server, "{text}").unwrap();
    }

    /// Whether the client goes on.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.client.0.try_wait().unwrap().is_none()
    }
}

/// Packets that pass the relay's interface.
pub(crate) struct Capture {
    _process: Process,
    path: std::path::PathBuf,
}

impl Capture {
    pub(crate) fn start(lab: &mut Lab, name: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/capture.py");
        let path = lab.folder.path(&format!("{name}.packets"));
        let words = ["python3", script.to_str().unwrap(), "sl0", path.to_str().unwrap()];
        let process = lab.spawn(&lab.relay(), name, &words);
        lab.wait("a capture", |lab| lab.printed(name).contains("listening").then_some(()));
        Self { _process: process, path }
    }

    /// Returns the packets so far.
    pub(crate) fn packets(&self) -> Vec<Vec<u8>> {
        let bytes = std::fs::read(&self.path).unwrap();
        let (mut rest, mut packets) = (&bytes[..], Vec::new());
        while let Some((len, behind)) = rest.split_first_chunk::<4>() {
            let Some((packet, behind)) = behind.split_at_checked(u32::from_be_bytes(*len) as usize) else {
                break;
            };
            packets.push(packet.to_vec());
            rest = behind;
        }
        packets
    }

    /// Whether anything of the users can be read in them.
    pub(crate) fn reads(&self) -> bool {
        self.packets().iter().any(|packet| packet.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()))
    }
}

/// T3.3-1: who runs the relay reads what goes over it in the clear, and nothing of the overlay.
pub(crate) fn the_relay_reads_nothing(lab: &mut Lab) {
    if !has("openssl", &["version"]) || !has("python3", &["--version"]) {
        assert!(std::env::var_os("CI").is_none(), "no openssl or python3");
        eprintln!("SKIPPED: no openssl or python3 (apt-get install openssl python3)");
        return;
    }
    certificates(lab.folder.as_path());
    for credential in [Credential::Psk, Credential::Certificate] {
        let capture = Capture::start(lab, &format!("capture-{credential:?}"));
        let mut tls = Tls::start(lab, credential, Duration::from_millis(200));
        let (_, line) = tls.line();
        assert!(line.contains(SECRET), "{line}");
        tls.say(SECRET);
        tls.line();
        assert!(!capture.reads(), "the overlay's content is in what the relay carries");
        let of_tls = capture.packets().iter().filter(|packet| packet.len() > 60).count();
        assert!(of_tls > 3, "the capture saw the overlay");
    }
    // The capture can read: the same words in the clear.
    let capture = Capture::start(lab, "capture-clear");
    let url = format!("http://{NETWORK}/{}", SECRET.replace(' ', "%20"));
    let header = format!("X-Text: {SECRET}");
    lab.run(&lab.remote(1), &["curl", "-sS", "--max-time", "20", "-o", "/dev/null", "-H", &header, &url]);
    lab.wait("words in the clear", |_| capture.reads().then_some(()));
}
