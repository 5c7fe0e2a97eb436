//! `hostapd` as RADIUS server with its own EAP server: our peer against it, and wpa_supplicant's with our HSS behind it.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sidelink_network::aaa::ResultIndications;
use sidelink_network::eap_aka::{Code as EapCode, Type, packet};
use sidelink_network::eap_peer::{Config, EapPeer, IdentityPolicy, Input, Output, Success};
use sidelink_network::radius::packet::Attributes;
use sidelink_network::radius::secret::MppeKey;
use sidelink_network::radius::{Attribute, Code, Packet, Secret};
use sidelink_network::usim::{Domain, SqnArray, Usim};

use super::auc::{Auc, Source};
use super::eapol::{Run, eapol_test};
use super::server::rand;
use super::{REALM, SECRET, has, imsi, keys, rng};

pub(super) struct Hostapd {
    child: Child,
    pub(super) port: u16,
    auc: Auc,
    folder: tempfile::TempDir,
}

impl Hostapd {
    pub(super) fn start(source: Source) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        // The AuC is there before hostapd looks for it.
        let auc = Auc::start(&folder.path().join("auc"), source);
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(path("clients"), format!("127.0.0.0/8\t{SECRET}\n")).unwrap();
        let methods = [('0', "AKA"), ('2', "AKA"), ('4', "AKA"), ('6', "AKA'"), ('7', "AKA'"), ('8', "AKA'")];
        let users: String = methods.iter().map(|(c, method)| format!("\"{c}\"*\t{method}\n")).collect();
        std::fs::write(path("users"), users).unwrap();
        let text = format!(
            "driver=none\ninterface=x0\nradius_server_clients={}\nradius_server_auth_port={port}\neap_server=1\n\
             eap_user_file={}\neap_sim_db=unix:{}\neap_sim_aka_result_ind=1\neap_sim_id=3\n",
            path("clients"),
            path("users"),
            path("auc")
        );
        std::fs::write(path("conf"), text).unwrap();
        let child = Command::new("sh")
            .args(["-c", &format!("PATH=$PATH:/usr/sbin exec hostapd -dd -K {}", path("conf"))])
            .stdout(Stdio::from(std::fs::File::create(path("log")).unwrap()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, auc, folder }
    }

    /// What was asked of the AuC, and what hostapd wrote.
    pub(super) fn stop(mut self) -> (Vec<String>, String) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        (self.auc.stop(), log)
    }
}

/// Sends a request until it is answered; hostapd may still be starting.
fn exchange(socket: &UdpSocket, request: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = [0; 4096];
    for _ in 0..40 {
        let _ = socket.send(request);
        if let Ok(length) = socket.recv(&mut buffer) {
            return Some(buffer[..length].to_vec());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// Our peer behind a client of our own; the keys that it and the client have.
fn authenticate(port: u16, peer: &mut EapPeer) -> Option<(Success, Vec<u8>)> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let secret = Secret::new(SECRET.into()).unwrap();
    let mut rng = rng();
    let mut asked = packet::emit(EapCode::Request, 1, Type::Identity, &[]).unwrap();
    let mut state: Option<Vec<u8>> = None;
    let (mut msk, mut success) = (Vec::new(), None);
    for identifier in 0.. {
        peer.handle_input(Input::Packet(&asked), &mut rng);
        let mut response = None;
        while let Some(output) = peer.poll_output() {
            match output {
                Output::Store(_) => peer.handle_input(Input::Stored, &mut rng),
                Output::Response(packet) => response = Some(packet),
                Output::Success(keys) => success = Some(keys),
                Output::Remember { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let Some(response) = response else { break };
        let mut attributes = Attributes::default();
        attributes.push(Attribute::UserName, format!("6{}", imsi().digits()).as_bytes()).unwrap();
        attributes.push_eap(&response).unwrap();
        if let Some(state) = &state {
            attributes.push(Attribute::State, state).unwrap();
        }
        let authenticator = rand(&mut rng).0;
        let request = secret.request(identifier, authenticator, &attributes).unwrap();
        let reply = exchange(&socket, &request)?;
        let reply = Packet::new_checked(&reply).unwrap();
        assert!(secret.verify_reply(&reply, &authenticator));
        asked = reply.eap().unwrap();
        state = reply.values(Attribute::State).next().map(<[u8]>::to_vec);
        if reply.code() == Code::AccessAccept {
            for which in [MppeKey::Recv, MppeKey::Send] {
                let keys = reply.values(Attribute::VendorSpecific);
                msk.extend(
                    keys.filter_map(|value| secret.reveal(which, value, &authenticator)).flat_map(|k| *k),
                );
            }
        }
    }
    Some((success?, msk))
}

#[test]
fn our_peer_and_a_real_server_have_the_same_keys() {
    if !has("hostapd", "hostapd") {
        return;
    }
    // In full; ahead of the network; once more, fast.
    for ahead in [0, 700] {
        let hostapd = Hostapd::start(Source::Separated);
        let config = Config {
            imsi: imsi(),
            realm: REALM.into(),
            network_name: "WLAN".into(),
            pseudonym: None,
            identity_policy: IdentityPolicy::Liberal,
            result_indications: ResultIndications::Offered,
        };
        let mut peer = EapPeer::new(config, Usim::new(keys(), SqnArray::from_entries([ahead; 32]).unwrap()));
        let outcomes = [authenticate(hostapd.port, &mut peer), authenticate(hostapd.port, &mut peer)];
        let (asked, log) = hostapd.stop();
        let [Some((full, first)), Some((fast, second))] = outcomes else { panic!("{log}") };
        assert!(first[..] == full.keys.msk && second[..] == fast.keys.msk, "{log}");
        assert_ne!(first, second);
        let expected = if ahead == 0 { 1 } else { 3 };
        assert_eq!(asked.len(), expected, "one vector, or one, AUTS and another: {asked:?}");
    }
}

#[test]
fn a_real_server_has_our_hss_behind_it() {
    if !has("hostapd", "hostapd") || !has("eapol_test", "eapoltest") {
        return;
    }
    for (ahead, expected) in [(0, 1), (900, 3)] {
        let hostapd = Hostapd::start(Source::Hss);
        std::thread::sleep(Duration::from_millis(500));
        let run = Run { method: "AKA", prefix: '0', domain: Domain::Gba, again: 1 };
        let usim = Usim::new(keys(), SqnArray::from_entries([ahead; 32]).unwrap());
        let (granted, said) = eapol_test(hostapd.port, &run, usim);
        let (asked, log) = hostapd.stop();
        assert!(granted, "{said}\n{log}");
        assert!(said.contains("MPPE keys OK: 2  mismatch: 0"), "{said}");
        assert_eq!(asked.len(), expected, "{asked:?}");
        assert!(asked[0].starts_with("AKA-REQ-AUTH"));
    }
}
