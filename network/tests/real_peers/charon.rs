//! `charon` of strongSwan as the ProSe Function's end of IKEv2, our RADIUS server behind it, and our initiator and EAP peer as the
//! UE. The IKE_SA stands at both ends then. Its CHILD_SA does not, on the loopback of one machine: it has no kernel of its own to
//! put it into, and says so after AUTH.

use std::net::{SocketAddrV4, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use sidelink_network::aaa::ResultIndications;
use sidelink_network::eap_peer::{self, EapPeer, IdentityPolicy};
use sidelink_network::ikev2::{Error, Initiator, InitiatorConfig, Input, Output, ResponderProof, Selector};
use sidelink_network::usim::{SqnArray, Usim};

use super::server::Server;
use super::{REALM, SECRET, has, imsi, keys, rng};

const CHARON: &str = "/usr/lib/ipsec/charon";
const NAME: &str = "gw.home1.net";

/// In front of IKE on any port but 500. RFC 3948 §2.2.
const MARKER: [u8; 4] = [0; 4];

struct Charon {
    child: Child,
    ports: [u16; 2],
    key: VerifyingKey,
    folder: tempfile::TempDir,
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

/// A key and a certificate of its own signature; the public key.
fn certificate(folder: &Path) -> VerifyingKey {
    for name in ["x509", "x509ca", "private", "pkcs8"] {
        std::fs::create_dir(folder.join(name)).unwrap();
    }
    let path = |name: &str| folder.join(name).display().to_string();
    run("openssl", &["genpkey", "-algorithm", "ed25519", "-out", &path("pkcs8/gw.pem")]);
    let subject = format!("/CN={NAME}");
    let names = format!("subjectAltName=DNS:{NAME}");
    let (key, out) = (path("pkcs8/gw.pem"), path("x509/gw.pem"));
    run(
        "openssl",
        &[
            "req", "-x509", "-new", "-key", &key, "-subj", &subject, "-addext", &names, "-days", "1", "-out",
            &out,
        ],
    );
    let der = run("openssl", &["pkey", "-in", &key, "-pubout", "-outform", "DER"]);
    VerifyingKey::from_bytes(der.last_chunk().unwrap()).unwrap()
}

impl Charon {
    fn start(radius: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = certificate(folder.path());
        let ports = [free_port(), free_port()];
        let path = |name: &str| folder.path().join(name).display().to_string();
        let conf = format!(
            "charon {{\n load = random nonce openssl aes sha2 sha1 hmac kdf gmp curve25519 pem pkcs1 pkcs8 x509 constraints \
             pubkey socket-default kernel-libipsec kernel-netlink vici eap-identity eap-radius\n port = {}\n port_nat_t = {}\n \
             install_routes = no\n install_virtual_ip = no\n filelog {{\n log {{\n path = {}\n default = 1\n ike = 2\n flush_line = yes\n }}\n }}\n \
             plugins {{\n eap-radius {{\n servers {{\n as {{\n address = 127.0.0.1\n auth_port = {radius}\n secret = {SECRET}\n \
             }}\n }}\n }}\n vici {{\n socket = unix://{}\n }}\n }}\n}}\n",
            ports[0],
            ports[1],
            path("log"),
            path("vici"),
        );
        std::fs::write(path("strongswan.conf"), conf).unwrap();
        let connections = format!(
            "connections {{\n gw {{\n version = 2\n proposals = aes128-sha256-prfsha256-x25519\n encap = yes\n local {{\n auth = pubkey\n \
             certs = gw.pem\n id = {NAME}\n }}\n remote {{\n auth = eap-radius\n eap_id = %any\n id = %any\n }}\n children {{\n net {{\n \
             local_ts = 10.1.0.0/24\n remote_ts = 0.0.0.0/0\n esp_proposals = aes128gcm16\n }}\n }}\n }}\n}}\n"
        );
        std::fs::write(path("swanctl.conf"), connections).unwrap();
        let child = Command::new(CHARON)
            .env("STRONGSWAN_CONF", path("strongswan.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let charon = Self { child, ports, key, folder };
        charon.load();
        charon
    }

    /// Loads the connection, once the daemon listens.
    fn load(&self) {
        let uri = format!("unix://{}", self.folder.path().join("vici").display());
        for _ in 0..50 {
            let loaded = Command::new("sh")
                .args(["-c", &format!("PATH=$PATH:/usr/sbin exec swanctl --load-all --noprompt --uri {uri}")])
                .env("SWANCTL_DIR", self.folder.path())
                .env("STRONGSWAN_CONF", self.folder.path().join("strongswan.conf"))
                .output()
                .unwrap();
            if loaded.status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("swanctl cannot load: {}", self.log());
    }

    /// The log once it has this line, or after two seconds without it.
    fn log_with(&self, line: &str) -> String {
        for _ in 0..20 {
            if self.log().contains(line) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.log()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Charon {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        for _ in 0..30 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What our initiator and peer come to, and the octets of the messages.
fn connect(charon: &Charon, proof: ResponderProof) -> (Result<(), Error>, Vec<usize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to: SocketAddrV4 = format!("127.0.0.1:{}", charon.ports[1]).parse().unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let std::net::SocketAddr::V4(own) = socket.local_addr().unwrap() else { panic!() };
    let identity = format!("6{}@{REALM}", imsi().digits());
    let mut initiator = Initiator::new(InitiatorConfig {
        identity,
        responder: NAME.to_owned(),
        proof,
        addresses: [own, to],
        selectors: [Selector::ALL, Selector::ALL],
    });
    let config = eap_peer::Config {
        imsi: imsi(),
        realm: REALM.into(),
        network_name: "WLAN".into(),
        pseudonym: None,
        identity_policy: IdentityPolicy::Liberal,
        result_indications: ResultIndications::Offered,
    };
    let mut peer = EapPeer::new(config, Usim::new(keys(), SqnArray::default()));
    let (mut rng, mut octets, mut buffer) = (rng(), Vec::new(), [0; 4096]);
    initiator.handle_input(Input::Start, &mut rng);
    loop {
        let mut waits = false;
        while let Some(output) = initiator.poll_output() {
            match output {
                Output::Send(message) => {
                    octets.push(message.len());
                    socket.send(&[&MARKER[..], &message].concat()).unwrap();
                    waits = true;
                }
                Output::Eap(packet) => eap(&mut initiator, &mut peer, &packet, &mut rng),
                Output::Established(Ok(_)) => return (Ok(()), octets),
                // Authenticated, and no CHILD_SA.
                Output::Established(Err(Error::Notified(38 | 14))) => return (Ok(()), octets),
                Output::Established(Err(why)) | Output::Failed(why) => return (Err(why), octets),
                Output::Dropped(why) => panic!("{why}"),
            }
        }
        assert!(waits, "nobody has anything to say");
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let message = buffer[..length].strip_prefix(&MARKER).expect("a marker");
                octets.push(message.len());
                initiator.handle_input(Input::Message(message), &mut rng);
            }
            Err(_) => initiator.handle_input(Input::Timeout, &mut rng),
        }
    }
}

fn eap(initiator: &mut Initiator, peer: &mut EapPeer, packet: &[u8], rng: &mut impl FnMut() -> u64) {
    peer.handle_input(eap_peer::Input::Packet(packet), rng);
    while let Some(output) = peer.poll_output() {
        match output {
            eap_peer::Output::Response(response) => initiator.handle_input(Input::Eap(&response), rng),
            eap_peer::Output::Store(_) => peer.handle_input(eap_peer::Input::Stored, rng),
            eap_peer::Output::Success(success) => initiator.handle_input(Input::Msk(&success.keys.msk), rng),
            eap_peer::Output::Failed(_) => initiator.handle_input(Input::EapFailed, rng),
            eap_peer::Output::Remember { .. } => {}
            eap_peer::Output::Discard(why) => panic!("{why}"),
        }
    }
}

#[test]
fn a_real_daemon_and_our_ue_are_each_authenticated() {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !Path::new(CHARON).exists() || !is_root {
        eprintln!(
            "SKIPPED: no charon as root (install strongswan-charon strongswan-swanctl libcharon-extra-plugins)"
        );
        return;
    }
    if !has("swanctl", "strongswan-swanctl") || !has("openssl", "openssl") {
        return;
    }
    let radius = Server::start();
    let charon = Charon::start(radius.address.port());
    let (result, octets) = connect(&charon, ResponderProof::Signature(charon.key));
    assert_eq!(result, Ok(()), "{}", charon.log());
    let total: usize = octets.iter().sum();
    eprintln!("IKEv2 with charon: {} messages, {total} octets: {octets:?}", octets.len());
    let log = charon.log_with("IKE_SA gw[1] established");
    assert!(log.contains("authentication of") && log.contains("with EAP successful"), "{log}");
    assert!(log.contains("IKE_SA gw[1] established"), "{log}");
    // A UE that expects another key goes no further than the answer with AUTH, and no vector is spent on it.
    let other = VerifyingKey::from(&ed25519_dalek::SigningKey::from_bytes(&[9; 32]));
    let (result, _) = connect(&charon, ResponderProof::Signature(other));
    assert_eq!(result, Err(Error::Auth));
    drop(charon);
    assert_eq!(radius.stop().vectors, 1);
}
