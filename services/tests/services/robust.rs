//! Slow, long, many and malformed requests; a database that is gone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::common::{NAF, World, announced, open_request};
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVersion};
use proptest::prelude::*;
use sidelink_network::pc3::{Command, MAX_OCTETS, MEDIA_TYPE, Message};
use sidelink_services::client::{Answered, ClientError, UeClient};
use sidelink_services::tls::{TlsMode, psk_identity};

/// A TLS connection under the key of a UE, to send anything over.
fn raw(world: &World, ue: &UeClient) -> SslStream<TcpStream> {
    let key = ue.key().unwrap();
    let now = sidelink_security::counter::UtcTime::from_millis(0);
    let ks_naf = key.ks_naf(now, &TlsMode::Tls13.naf_id(&crate::common::naf())).unwrap();
    let identity = psk_identity(&key.b_tid);
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
    builder.set_ciphersuites("TLS_AES_128_GCM_SHA256").unwrap();
    builder.set_psk_client_callback(move |_, _, name, psk| {
        name[..identity.len()].copy_from_slice(identity.as_bytes());
        name[identity.len()] = 0;
        psk[..32].copy_from_slice(ks_naf.as_bytes());
        Ok(32)
    });
    let stream = TcpStream::connect(world.handle.pc3_address().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    builder.build().connect(NAF, stream).unwrap()
}

/// Status of the answer to octets, and the whole answer.
pub(crate) fn ask(world: &World, ue: &UeClient, request: &[u8]) -> (u16, String) {
    let mut stream = raw(world, ue);
    // A server that has answered already may have closed.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}

pub(crate) fn post(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {NAF}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn world_and_ue() -> (World, UeClient) {
    let world = World::new(1);
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    (world, ue)
}

#[test]
fn each_fault_of_a_request_has_its_status() {
    let (world, ue) = world_and_ue();
    let right = open_request(1, Command::Announce).to_xml();
    let bomb = br#"<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "cccccccccc"><!ENTITY d "&b;&b;&b;&b;">]>
        <prose-discovery-message xmlns="urn:3GPP:ns:ProSe:Discovery:2014">&d;</prose-discovery-message>"#;
    let deep = [&b"<a>".repeat(4000)[..], &b"</a>".repeat(4000)].concat();
    let get = format!("GET / HTTP/1.1\r\nHost: {NAF}\r\nConnection: close\r\n\r\n");
    let elsewhere =
        format!("POST /x HTTP/1.1\r\nHost: {NAF}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: {NAF}\r\nContent-Type: {MEDIA_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    );
    for (request, status, says) in [
        (post(MEDIA_TYPE, right.as_bytes()), 200, "DISCOVERY_RESPONSE"),
        (post("Application/vnd.3GPP-ProSe+XML; charset=utf-8", right.as_bytes()), 200, "no-store"),
        (post("text/xml", right.as_bytes()), 415, MEDIA_TYPE),
        (post(&format!("{MEDIA_TYPE}\r\nContent-Type: {MEDIA_TYPE}"), right.as_bytes()), 415, MEDIA_TYPE),
        (post(MEDIA_TYPE, b""), 400, "not a message of PC3"),
        (post(MEDIA_TYPE, bomb), 400, "not a message of PC3"),
        (post(MEDIA_TYPE, &deep), 400, "not a message of PC3"),
        (post(MEDIA_TYPE, &vec![b' '; MAX_OCTETS + 1]), 413, "longer than"),
        (get.into_bytes(), 405, "allow: POST"),
        (elsewhere.into_bytes(), 404, "PC3 is at /"),
        (chunked.into_bytes(), 400, ""),
        (b"\r\n\r\nwhat?\r\n\r\n".to_vec(), 400, ""),
        (format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000)).into_bytes(), 431, ""),
    ] {
        let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
        let (got, answer) = ask(&world, &ue, &request);
        assert_eq!(got, status, "{shown}\n{answer}");
        assert!(answer.contains(says), "{shown}\n{answer}");
    }
    assert_eq!(world.handle.status().entries, 2);
}

#[test]
fn a_ue_that_asks_too_often_is_told_when_to_come_again() {
    let world = World::with(1, |config| {
        config.prose_function.as_mut().unwrap().prose_function.limits.ue_burst = 2;
    });
    let mut ue = world.client(1, TlsMode::Tls13);
    for _ in 0..2 {
        ue.send(&open_request(1, Command::Announce)).unwrap();
    }
    match ue.send(&open_request(1, Command::Announce)) {
        Err(ClientError::Refused { status, retry_after: Some(wait), .. }) => {
            assert_eq!(status.as_u16(), 429);
            assert!((1..=10).contains(&wait.as_secs()), "{wait:?}");
        }
        other => panic!("{other:?}"),
    }
}

fn short(config: &mut sidelink_services::Config) {
    config.limits.handshake = Duration::from_millis(400);
    config.limits.head = Duration::from_millis(400);
    config.limits.body = Duration::from_millis(400);
}

/// How long until the other end closes.
fn until_closed(stream: &mut impl Read) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    start.elapsed()
}

#[test]
fn who_is_slow_is_not_waited_for() {
    let world = World::with(1, short);
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    let connect = |address: Option<SocketAddr>| {
        let stream = TcpStream::connect(address.unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    let soon = Duration::from_secs(5);
    // Nothing at all, over Ub and in the place of a handshake.
    let mut silent = connect(world.handle.ub_address());
    assert!(until_closed(&mut silent) < soon, "Ub");
    let mut silent = connect(world.handle.pc3_address());
    assert!(until_closed(&mut silent) < soon, "a handshake");
    // Half a handshake.
    let mut half = connect(world.handle.pc3_address());
    half.write_all(&[0x16, 3, 1, 1, 0, 1]).unwrap();
    assert!(until_closed(&mut half) < soon, "half a handshake");
    // Half a head, and half a body.
    let mut half = raw(&world, &ue);
    half.write_all(b"POST / HTTP/1.1\r\nHost:").unwrap();
    assert!(until_closed(&mut half) < soon, "half a head");
    let head = String::from_utf8(post(MEDIA_TYPE, &[b'x'; 100])).unwrap();
    let (status, answer) = ask(&world, &ue, &head.as_bytes()[..head.len() - 50]);
    assert_eq!(status, 408, "{answer}");
    let mut half = connect(world.handle.ub_address());
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").unwrap();
    assert!(until_closed(&mut half) < soon, "half a body");
}

#[test]
fn a_connection_ends_with_its_life_whatever_it_does() {
    let world = World::with(1, |config| config.limits.life = Duration::from_millis(700));
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    let mut stream = raw(&world, &ue);
    let request = post(MEDIA_TYPE, open_request(1, Command::Announce).to_xml().as_bytes());
    let request = String::from_utf8(request).unwrap().replace("Connection: close\r\n", "");
    let start = Instant::now();
    let mut buffer = [0; 4096];
    loop {
        if stream.write_all(request.as_bytes()).is_err() || !matches!(stream.read(&mut buffer), Ok(1..)) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "it lives on");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(start.elapsed() > Duration::from_millis(300));
}

#[test]
fn a_connection_ends_with_its_key() {
    let world = World::with(1, |config| {
        config.bsf.as_mut().unwrap().bsf.key_lifetime = 3000;
        config.limits.head = Duration::from_secs(30);
    });
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    let mut stream = raw(&world, &ue);
    let waited = until_closed(&mut stream);
    assert!(waited < Duration::from_secs(6), "{waited:?}");
}

#[test]
fn half_open_connections_keep_nobody_out() {
    let world = World::with(1, |config| {
        config.limits.connections = 8;
        config.limits.handshake = Duration::from_secs(60);
        config.limits.head = Duration::from_secs(60);
    });
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    // An honest connection that rests. The network has let it in once it answers: before, it is one stranger of many.
    let mut honest = raw(&world, &ue);
    let request = post(MEDIA_TYPE, open_request(1, Command::Announce).to_xml().as_bytes());
    let lasting = String::from_utf8(request.clone()).unwrap().replace("Connection: close\r\n", "");
    honest.write_all(lasting.as_bytes()).unwrap();
    let mut answers = vec![0; 1];
    honest.read_exact(&mut answers).unwrap();
    let crowd = |address: Option<SocketAddr>| -> Vec<TcpStream> {
        (0..40).map(|_| TcpStream::connect(address.unwrap()).unwrap()).collect()
    };
    let crowds = [crowd(world.handle.pc3_address()), crowd(world.handle.ub_address())];
    std::thread::sleep(Duration::from_millis(300));
    let status = world.handle.status();
    assert!(status.connections_displaced >= 60, "{status:?}");
    // Strangers were ended, not it.
    honest.write_all(&request).unwrap();
    let _ = honest.read_to_end(&mut answers);
    let answers = String::from_utf8_lossy(&answers);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    // And newcomers get in over both.
    ue.bootstrap().unwrap();
    ue.send(&open_request(1, Command::Announce)).unwrap();
    drop(crowds);
}

/// The file is away for a while: 503, no wrong answer, and all is well when it is back.
#[test]
fn a_database_that_is_gone_for_a_while_costs_answers_and_nothing_else() {
    let world = World::new(40);
    let mut ue = world.client(1, TlsMode::Tls13);
    let Answered::Message(first) = ue.send(&open_request(1, Command::Announce)).unwrap() else { panic!() };
    let (_, first_code, _) = announced(&first);
    let away = world.folder.path().join("away");
    std::fs::rename(world.database(), &away).unwrap();
    for number in 1..=5 {
        let mut other = world.client(number, TlsMode::Tls13);
        match other.bootstrap() {
            Err(ClientError::Bootstrap(why)) => assert!(why.to_string().contains("503"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    match ue.send(&open_request(1, Command::Announce)) {
        Err(ClientError::Refused { status, .. }) => assert_eq!(status.as_u16(), 503),
        other => panic!("{other:?}"),
    }
    assert!(world.handle.add_subscriber(crate::common::subscriber(99)).is_err());
    let status = world.handle.status();
    assert!(status.store_failures >= 3 && status.entries == 1, "{status:?}");
    std::fs::rename(&away, world.database()).unwrap();
    // What failed while it was away is there soon again; the machine waits a moment before it asks.
    for number in 1..=5 {
        let mut other = world.client(number, TlsMode::Tls13);
        let Answered::Message(message) = other.send(&open_request(number, Command::Announce)).unwrap() else {
            panic!("no message")
        };
        assert_ne!(announced(&message).1, first_code);
    }
    assert_eq!(world.handle.status().resynchronisations, 0, "no sequence number went back");
    world.handle.add_subscriber(crate::common::subscriber(99)).unwrap();
}

/// A BSF that answers without end.
#[test]
fn our_client_reads_no_answer_without_end() {
    let world = World::new(1);
    let endless = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = (endless.local_addr().unwrap(), world.handle.pc3_address().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = endless.accept().unwrap();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n";
        let mut sent = stream.write(head).unwrap();
        while let Ok(more) = stream.write(&[b'x'; 10_000]) {
            sent += more;
            assert!(sent < 100_000_000, "all of it is read");
        }
    });
    let mut ue = crate::common::client(world.folder.path(), addresses, 1, TlsMode::Tls13);
    let error = ue.bootstrap().unwrap_err();
    assert!(matches!(error, ClientError::Malformed), "{error}");
    server.join().unwrap();
}

#[test]
fn a_usim_that_is_ahead_resynchronises_and_one_that_cannot_store_gets_no_key() {
    let world = World::new(1);
    let mut entries = [0; 32];
    entries[9] = 1000;
    let array = sidelink_network::usim::SqnArray::from_entries(entries).unwrap();
    let file = world.folder.path().join("usim1.json");
    let mut ahead = [1000; 32];
    ahead[9] = 1001;
    let ahead = sidelink_network::usim::SqnArray::from_entries(ahead).unwrap();
    for (array, resynchronisations) in [(array, 0), (ahead, 1)] {
        sidelink_services::client::SqnFile::new(&file).store(&array).unwrap();
        let mut ue = world.client(1, TlsMode::Tls13);
        ue.bootstrap().unwrap();
        assert_eq!(world.handle.status().resynchronisations, resynchronisations);
    }
    let mut ue = world.client(1, TlsMode::Tls13);
    std::fs::create_dir(file.with_extension("new")).unwrap();
    assert!(matches!(ue.bootstrap(), Err(ClientError::Sqn(_))));
    assert_eq!(ue.b_tid(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_octets_over_tls_end_in_an_answer_or_a_close(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
        let (world, ue) = world_and_ue();
        let body = post(MEDIA_TYPE, &octets);
        let (status, answer) = ask(&world, &ue, &body);
        prop_assert_eq!(status, 400, "{}", answer);
        let mut request = octets;
        request.extend(b"\r\n\r\n\r\n\r\n");
        let (status, _) = ask(&world, &ue, &request);
        prop_assert!(matches!(status, 0 | 400..=505), "{}", status);
        let Message::DiscoveryRequest(_) = open_request(1, Command::Announce) else { unreachable!() };
    }
}
