//! Programs of others: OpenSSL and GnuTLS on TLS, curl on Ub, xmllint on bodies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{NAF, World, announced, has, open_request, run, text};
use sidelink_network::pc3::{self, Message};
use sidelink_services::client::{ClientError, UeClient};
use sidelink_services::tls::{PskSuite, TlsClientError, TlsMode, psk_identity};

/// PSK identity, and the key for this version of TLS, in hexadecimal digits.
fn psk(ue: &UeClient, tls: TlsMode) -> (String, String) {
    let key = ue.key().unwrap();
    let now = sidelink_security::counter::UtcTime::from_millis(0);
    let ks_naf = key.ks_naf(now, &tls.naf_id(&crate::common::naf())).unwrap();
    (psk_identity(&key.b_tid), hex::encode(ks_naf.as_bytes()))
}

/// A request over HTTP, as a program sends it that knows nothing of HTTP.
fn http_request() -> Vec<u8> {
    let body = open_request(1, pc3::Command::Announce).to_xml();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {NAF}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        sidelink_services::REGISTERED_MEDIA_TYPE,
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// The document in what a program printed.
fn message_in(printed: &str) -> Message {
    let from = printed.find("<?xml").or_else(|| printed.find("<prose-discovery-message"));
    let from = from.unwrap_or_else(|| panic!("no document: {printed}"));
    let end = "</prose-discovery-message>";
    let to = printed[from..].find(end).unwrap_or_else(|| panic!("no document: {printed}"));
    Message::from_xml(&printed.as_bytes()[from..from + to + end.len()]).unwrap()
}

fn modes() -> impl Iterator<Item = TlsMode> {
    PskSuite::ALL.into_iter().map(TlsMode::Tls12).chain([TlsMode::Tls13])
}

#[test]
fn s_client_of_openssl_asks_the_prose_function() {
    if !has("openssl", "openssl") {
        return;
    }
    let world = World::new(1);
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    let to = world.handle.pc3_address().unwrap().to_string();
    for tls in modes() {
        let (identity, key) = psk(&ue, tls);
        let mut arguments = vec!["s_client", "-quiet", "-connect", &to, "-servername", NAF];
        arguments.extend(["-psk_identity", &identity, "-psk", &key]);
        match tls {
            TlsMode::Tls13 => arguments.push("-tls1_3"),
            TlsMode::Tls12(suite) => arguments.extend(["-tls1_2", "-cipher", suite.name()]),
        }
        let printed = text(&run("openssl", &arguments, &http_request()));
        assert!(printed.contains("HTTP/1.1 200"), "{tls:?}: {printed}");
        announced(&message_in(&printed));
    }
    assert_eq!(world.handle.status().handshakes, 5);
}

#[test]
fn openssl_shows_the_hint_and_refuses_what_is_not_under_the_key() {
    if !has("openssl", "openssl") {
        return;
    }
    let world = World::new(1);
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    let to = world.handle.pc3_address().unwrap().to_string();
    let suite = PskSuite::DheAes128Gcm;
    let (identity, key) = psk(&ue, TlsMode::Tls12(suite));
    let ask = |name: &str, identity: &str, key: &str, version: &str, cipher: &str| {
        let arguments = [
            ["s_client", "-connect", &to, "-servername", name, version].as_slice(),
            &["-psk_identity", identity, "-psk", key, "-cipher", cipher],
        ]
        .concat();
        text(&run("openssl", &arguments, b""))
    };
    let good = ask(NAF, &identity, &key, "-tls1_2", suite.name());
    assert!(good.contains("PSK identity hint: 3GPP-bootstrapping\n"), "{good}");
    assert!(good.contains("Extended master secret: yes"), "{good}");
    // Nothing to resume by, in either version.
    assert!(!good.contains("TLS session ticket:") && good.contains("Session-ID: \n"), "{good}");
    let key_13 = psk(&ue, TlsMode::Tls13).1;
    let good = ask(NAF, &identity, &key_13, "-tls1_3", suite.name());
    assert!(good.contains("New, TLSv1.3") || good.contains("Reused, TLSv1.3"), "{good}");
    assert!(!good.contains("New Session Ticket"), "{good}");
    assert_eq!(world.handle.status().handshakes, 2);
    let other_key = format!("00{}", &key[2..]);
    for (name, identity, key, version, cipher) in [
        (NAF, &identity[..], &other_key[..], "-tls1_2", suite.name()),
        // The key of TLS 1.2 is not that of TLS 1.3, nor that of another suite.
        (NAF, &identity, &key, "-tls1_3", suite.name()),
        (NAF, &identity, &key, "-tls1_2", PskSuite::DheAes256Gcm.name()),
        (NAF, "3GPP-bootstrapping;nobody@nowhere", &key, "-tls1_2", suite.name()),
        (
            NAF,
            &identity.replace("3GPP-bootstrapping;", "3GPP-bootstrapping-uicc;"),
            &key,
            "-tls1_2",
            suite.name(),
        ),
        ("other.example", &identity, &key, "-tls1_2", suite.name()),
        // Without forward secrecy.
        (NAF, &identity, &key, "-tls1_2", "PSK-AES128-GCM-SHA256"),
    ] {
        ask(name, identity, key, version, cipher);
    }
    let status = world.handle.status();
    assert_eq!((status.handshakes, status.handshakes_failed), (2, 7));
}

#[test]
fn gnutls_asks_the_prose_function() {
    if !has("gnutls-cli", "gnutls-bin") {
        return;
    }
    let world = World::new(1);
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    let port = world.handle.pc3_address().unwrap().port().to_string();
    for (tls, priority) in [
        (TlsMode::Tls13, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK"),
        (
            TlsMode::Tls12(PskSuite::DheAes128Gcm),
            "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-PSK:-CIPHER-ALL:+AES-128-GCM",
        ),
        (
            TlsMode::Tls12(PskSuite::EcdheChaCha20),
            "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:+CHACHA20-POLY1305",
        ),
    ] {
        let (identity, key) = psk(&ue, tls);
        let arguments = [
            ["127.0.0.1", "--port", &port, "--sni-hostname", NAF, "--priority", priority].as_slice(),
            &["--pskusername", &identity, "--pskkey", &key],
        ]
        .concat();
        let handshakes = world.handle.status().handshakes;
        let output = run("gnutls-cli", &arguments, &http_request());
        // gnutls-cli 3.7.9 falls over its own feet when it shows the hint of TLS 1.2, of any server: the handshake is done by then.
        assert_eq!(world.handle.status().handshakes, handshakes + 1, "{tls:?}: {}", text(&output));
        if output.status.code().is_some_and(|code| code != 139) {
            let printed = text(&output);
            assert!(printed.contains("HTTP/1.1 200"), "{tls:?}: {printed}");
            announced(&message_in(&printed));
        } else {
            assert_ne!(tls, TlsMode::Tls13, "{}", text(&output));
        }
    }
}

/// A server of others, killed at the end.
struct Server(Child, SocketAddr);

impl Server {
    /// Of OpenSSL: it prints what it is sent.
    fn openssl(arguments: &[&str]) -> Self {
        let free = Self::free();
        Self::start("openssl", &[&["s_server", "-accept", &free.to_string()], arguments].concat(), free)
    }

    /// Of GnuTLS: it answers each request with a page.
    fn gnutls(arguments: &[&str]) -> Self {
        let free = Self::free();
        Self::start(
            "gnutls-serv",
            &[&["--http", "--port", &free.port().to_string()], arguments].concat(),
            free,
        )
    }

    fn free() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    fn start(program: &str, arguments: &[&str], address: SocketAddr) -> Self {
        let mut command = Command::new(program);
        // Its input stays open: it ends with it.
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let server = Self(command.spawn().unwrap(), address);
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "{program} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// What it has printed.
    fn end(mut self) -> String {
        self.0.kill().unwrap();
        let mut printed = Vec::new();
        self.0.stdout.take().unwrap().read_to_end(&mut printed).unwrap();
        String::from_utf8_lossy(&printed).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A UE with a key, whose ProSe Function is at another address.
fn at(world: &World, address: SocketAddr, tls: TlsMode) -> UeClient {
    let addresses = (world.handle.ub_address().unwrap(), address);
    let patience = Duration::from_secs(3);
    let mut ue = crate::common::patient_client(world.folder.path(), addresses, 1, tls, patience);
    ue.bootstrap().unwrap();
    ue
}

#[test]
fn our_client_speaks_with_s_server_of_openssl() {
    if !has("openssl", "openssl") {
        return;
    }
    let world = World::new(1);
    for tls in modes() {
        let mut ue = at(&world, Server::free(), tls);
        let (identity, key) = psk(&ue, tls);
        let mut arguments = vec!["-nocert", "-psk", &key, "-psk_identity", &identity];
        match tls {
            TlsMode::Tls13 => arguments.push("-tls1_3"),
            TlsMode::Tls12(suite) => {
                arguments.extend(["-tls1_2", "-psk_hint", "3GPP-bootstrapping", "-cipher", suite.name()]);
            }
        }
        let server = Server::openssl(&arguments);
        ue.move_to(server.1);
        // It answers nothing.
        let error = ue.send(&open_request(1, pc3::Command::Announce)).unwrap_err();
        assert!(matches!(error, ClientError::TimedOut(_)), "{tls:?}: {error}");
        let printed = server.end();
        assert!(printed.contains("POST / HTTP/1.1") && printed.contains("<DISCOVERY_REQUEST>"), "{printed}");
    }
}

#[test]
fn our_client_speaks_with_gnutls_serv() {
    if !has("gnutls-serv", "gnutls-bin") {
        return;
    }
    let world = World::new(1);
    let passwords = world.folder.path().join("psk");
    let passwords = passwords.to_str().unwrap();
    for (tls, priority) in [
        (TlsMode::Tls13, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK"),
        (TlsMode::Tls12(PskSuite::DheAes128Gcm), "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-PSK"),
        (TlsMode::Tls12(PskSuite::EcdheChaCha20), "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK"),
    ] {
        let mut ue = at(&world, Server::free(), tls);
        let (identity, key) = psk(&ue, tls);
        std::fs::write(passwords, format!("{identity}:{key}\n")).unwrap();
        let hint = ["--pskpasswd", passwords, "--pskhint", "3GPP-bootstrapping", "--priority", priority];
        let server = Server::gnutls(&hint);
        ue.move_to(server.1);
        // It answers a page, or closes: TLS was done, and it knew the key.
        let error = ue.send(&open_request(1, pc3::Command::Announce)).unwrap_err();
        let is_answered =
            matches!(error, ClientError::Message(_) | ClientError::Refused { .. } | ClientError::Malformed);
        assert!(is_answered, "{tls:?}: {error}");
    }
}

#[test]
fn our_client_takes_no_server_without_the_key() {
    if !has("openssl", "openssl") {
        return;
    }
    let world = World::new(1);
    let (certificate, private) = (world.folder.path().join("c.pem"), world.folder.path().join("k.pem"));
    let (certificate, private) = (certificate.to_str().unwrap(), private.to_str().unwrap());
    let request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "2"];
    let made = run("openssl", &[&request[..], &["-keyout", private, "-out", certificate]].concat(), b"");
    assert!(made.status.success(), "{}", text(&made));
    let key = "00".repeat(32);
    let suite = PskSuite::DheAes128Gcm;
    let hint = ["-tls1_2", "-nocert", "-psk", &key, "-cipher", suite.name()];
    let gba = |error: &ClientError| matches!(error, ClientError::Tls(_));
    // A certificate in the place of the key.
    let server = Server::openssl(&["-cert", certificate, "-key", private, "-tls1_3"]);
    let error =
        at(&world, server.1, TlsMode::Tls13).send(&open_request(1, pc3::Command::Announce)).unwrap_err();
    assert!(gba(&error), "{error}");
    // Another key.
    let server = Server::openssl(&[&hint[..], &["-psk_hint", "3GPP-bootstrapping"]].concat());
    let error = at(&world, server.1, TlsMode::Tls12(suite)).send(&open_request(1, pc3::Command::Announce));
    assert!(gba(&error.unwrap_err()));
    // Another hint.
    let server = Server::openssl(&[&hint[..], &["-psk_hint", "something else"]].concat());
    let error = at(&world, server.1, TlsMode::Tls12(suite)).send(&open_request(1, pc3::Command::Announce));
    assert!(matches!(error, Err(ClientError::Tls(TlsClientError::NoHint))), "{error:?}");
}

#[test]
fn curl_bootstraps_as_far_as_it_can() {
    if !has("curl", "curl") {
        return;
    }
    let world = World::new(1);
    let url = format!("http://{}/", world.handle.ub_address().unwrap());
    let impi = crate::common::imsi(1).impi(2).unwrap();
    let authorization = |impi: &str| {
        format!(
            "Authorization: Digest username=\"{impi}\", realm=\"{}\", nonce=\"\", uri=\"/\", response=\"\"",
            crate::common::BSF
        )
    };
    let curl = |arguments: &[&str]| {
        let all = [&["-sS", "-i", "-m", "10"], arguments, &[&url[..]]].concat();
        text(&run("curl", &all, b""))
    };
    let challenged = curl(&["-H", &authorization(impi.as_str())]);
    assert!(challenged.starts_with("HTTP/1.1 401"), "{challenged}");
    assert!(challenged.contains("algorithm=AKAv1-MD5") && challenged.contains("nonce=\""), "{challenged}");
    for (arguments, status) in [
        (vec!["-H", "X: y"], "HTTP/1.1 400"),
        (vec!["-X", "DELETE"], "HTTP/1.1 405"),
        (vec!["--data-binary", "@-", "-X", "GET"], "HTTP/1.1 400"),
    ] {
        let printed = curl(&arguments);
        assert!(printed.starts_with(status), "{arguments:?}: {printed}");
    }
    let stranger = curl(&["-H", &authorization("001010000000009@ims.mnc001.mcc001.3gppnetwork.org")]);
    assert!(stranger.starts_with("HTTP/1.1 403"), "{stranger}");
    let long = "x".repeat(2000);
    assert!(curl(&["-X", "GET", "-d", &long]).starts_with("HTTP/1.1 413"));
}

#[test]
fn xmllint_takes_our_documents() {
    if !has("xmllint", "libxml2-utils") {
        return;
    }
    let world = World::new(1);
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    let (identity, key) = psk(&ue, TlsMode::Tls13);
    let to = world.handle.pc3_address().unwrap().to_string();
    let mut documents = vec![open_request(1, pc3::Command::Announce).to_xml().to_string()];
    if has("openssl", "openssl") {
        let arguments = ["s_client", "-quiet", "-tls1_3", "-connect", &to, "-servername", NAF];
        let psk = ["-psk_identity", &identity, "-psk", &key];
        let printed = text(&run("openssl", &[&arguments[..], &psk].concat(), &http_request()));
        let from = printed.find("\r\n\r\n").unwrap() + 4;
        let to = printed.rfind('>').unwrap();
        documents.push(printed[from..=to].to_owned());
    }
    for document in documents {
        let checked = run("xmllint", &["--noout", "--nonet", "-"], document.as_bytes());
        assert!(checked.status.success() && checked.stderr.is_empty(), "{document}\n{}", text(&checked));
    }
}

/// What a stranger sends is closed, whatever it is.
#[test]
fn any_octets_in_the_place_of_tls_end_the_connection() {
    let world = World::new(1);
    for octets in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 64], &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0], &[0xff; 4096]]
    {
        let mut stream = TcpStream::connect(world.handle.pc3_address().unwrap()).unwrap();
        stream.write_all(octets).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = Vec::new();
        // Closed, by an alert or a reset.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.len() < 100);
    }
    assert_eq!(world.handle.status().handshakes, 0);
}
