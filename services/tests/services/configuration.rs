//! Configurations over TLS with GBA and with certificates: T6.1-1 to T6.1-6.

pub(crate) mod certificates;
mod proxy;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use crate::common::{NAF, World, imsi, naf, open_request, patient_client, plmn, ue};
use certificates::Issuer;
use openssl::ssl::{SslAcceptor, SslConnector, SslMethod, SslOptions, SslVerifyMode, SslVersion};
use proxy::{Direction, Flip, Proxy};
use sidelink_network::configuration::{
    Bandwidth, Certified, Content, Failure, Hertz, MEDIA_TYPE, NotInEutran, NotPermitted, NotTrusted, Place,
    Polygon, Power, Provision, RadioParameters, RadioParametersOfArea, Refused, Role, SealError, SealingKey,
    Source, Transmission, Trust, Use, Version,
};
use sidelink_network::identity::Fqdn;
use sidelink_network::limit::RateLimit;
use sidelink_network::pc3::{Command, Minutes};
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{CertifiedClient, ClientError, ConfigurationError, ConfigurationFile};
use sidelink_services::config::{CertificatesConfig, ConfigurationConfig, Listen, Reach};
use sidelink_services::tls::{Credentials, PskSuite, TlsClientError, TlsMode};

const CARRIER: u64 = 793_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

fn content(version: u32) -> Content {
    let corner = |north, east| Place::from_degrees(north, east).unwrap();
    let area = Polygon {
        points: vec![corner(47.0, 15.0), corner(47.0, 17.0), corner(49.0, 17.0), corner(49.0, 15.0)],
    };
    let contents = RadioParameters {
        carrier: Hertz::new(CARRIER).unwrap(),
        max_power: Power::new(23).unwrap(),
        bandwidth: Bandwidth::new(50).unwrap(),
    };
    Content {
        version: Version::new(version).unwrap(),
        validity: Minutes::new(1440).unwrap(),
        monitoring: vec![],
        announcing: vec![],
        communication: vec![],
        not_in_eutran: Some(NotInEutran {
            one_to_many: Some(true),
            one_to_one: Some(true),
            announcing: Some(true),
            monitoring: Some(true),
            communication: vec![RadioParametersOfArea { contents, area: vec![area] }],
            discovery: vec![],
        }),
        groups: vec![],
    }
}

fn document(version: u32) -> Vec<u8> {
    Provision(content(version)).to_xml().as_bytes().to_vec()
}

fn operator() -> Source {
    Source::Certificate(Certified { name: naf(), role: Role::Operator })
}

fn trust() -> Trust {
    Trust { operators: vec![naf()] }
}

fn key() -> SealingKey {
    SealingKey::new(b"a secret of the terminal", ue(1))
}

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

/// A network whose operator has said version 1, and who issues its certificates.
fn network() -> (World, Issuer) {
    let issuer = Issuer::new();
    let credentials = issuer.issue(NAF, Some(Role::Operator), None);
    let world = World::with(2, |config| {
        let state = config.database.file().unwrap().with_file_name("configuration");
        let function = config.prose_function.as_mut().unwrap();
        function.configuration = Some(ConfigurationConfig {
            state,
            document: Some(document(1)),
            rate: RateLimit { burst: 1000, interval: 1 },
            certificates: Some(CertificatesConfig {
                listen: Listen::new("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap(),
                credentials,
            }),
        });
    });
    (world, issuer)
}

fn certified(address: SocketAddr, credentials: Credentials) -> CertifiedClient {
    CertifiedClient { credentials, name: naf(), address, patience: PATIENCE }
}

fn ue_credentials(issuer: &Issuer) -> Credentials {
    issuer.issue("ue", Some(Role::PublicSafetyUe), Some(ue(1)))
}

fn file(folder: &Path) -> ConfigurationFile {
    ConfigurationFile::new(folder.join("configuration.sealed"))
}

fn now() -> UtcTime {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UtcTime::from_millis(now.as_millis() as u64)
}

#[test]
fn a_ue_gets_its_configuration_by_gba_and_one_of_public_safety_by_certificate() {
    let (world, issuer) = network();
    let modes = PskSuite::ALL.into_iter().map(TlsMode::Tls12).chain([TlsMode::Tls13]);
    for tls in modes {
        let folder = tempfile::tempdir().unwrap();
        let mut client = world.client(1, tls);
        assert_eq!(client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap(), version(1));
        let held = file(folder.path()).open(&key()).unwrap().unwrap();
        let place = Place::from_degrees(48.2, 16.4).unwrap();
        let transmission = |carrier| Transmission {
            purpose: Use::OneToMany,
            carrier,
            bandwidth: 50,
            power: None,
            place: Some(&place),
        };
        assert_eq!(held.permits(now(), &transmission(CARRIER)), Ok(()));
        assert_eq!(held.permits(now(), &transmission(1)), Err(NotPermitted::Carrier(1)));
    }
    let folder = tempfile::tempdir().unwrap();
    let client = certified(world.handle.certificates_address().unwrap(), ue_credentials(&issuer));
    assert_eq!(client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap(), version(1));
    world.handle.provision(&operator(), &document(2)).unwrap();
    assert_eq!(client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap(), version(2));
    // Its certificate says who it is: it gets nothing of another UE's.
    let another = SealingKey::new(b"a secret of the terminal", ue(2));
    let error =
        client.fetch_configuration(&ConfigurationFile::new(folder.path().join("b")), another, trust());
    assert!(matches!(error, Err(ConfigurationError::Refused(Failure::Refused(_)))), "{error:?}");
}

/// What an impostor does with a connection under `accept`: it answers each request with this body.
fn impostor(acceptor: SslAcceptor, body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let Ok(mut stream) = acceptor.accept(stream) else { continue };
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !String::from_utf8_lossy(&request).contains("</prose-configuration-message>") {
                match stream.read(&mut buffer) {
                    Ok(octets @ 1..) => request.extend(&buffer[..octets]),
                    _ => break,
                }
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
            let _ = stream.shutdown();
        }
    });
    address
}

fn acceptor(credentials: &Credentials) -> SslAcceptor {
    let mut builder = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server()).unwrap();
    builder.set_certificate(&openssl::x509::X509::from_pem(&credentials.certificate).unwrap()).unwrap();
    builder.set_private_key(&openssl::pkey::PKey::private_key_from_pem(&credentials.key).unwrap()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    builder.build()
}

/// An answer that the real ProSe Function gave to a UE with this certificate: what an impostor may have recorded.
fn recorded(world: &World, credentials: &Credentials, nonce: &str) -> String {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_certificate(&openssl::x509::X509::from_pem(&credentials.certificate).unwrap()).unwrap();
    builder.set_private_key(&openssl::pkey::PKey::private_key_from_pem(&credentials.key).unwrap()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    let stream = std::net::TcpStream::connect(world.handle.certificates_address().unwrap()).unwrap();
    let mut stream = builder.build().connect(NAF, stream).unwrap();
    let body = format!(
        "<prose-configuration-message xmlns=\"urn:testbed:prose:configuration:1\"><CONFIGURATION_REQUEST><UE-identity>\
         <MCC>001</MCC><MNC>01</MNC><MSIN>0000000001</MSIN></UE-identity><Nonce>{nonce}</Nonce>\
         </CONFIGURATION_REQUEST></prose-configuration-message>"
    );
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {NAF}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(body.contains("CONFIGURATION_RESPONSE"), "{answer}");
    body.to_owned()
}

/// T6.1-1: who has the key of another NAF, or a certificate of another issuer, is no ProSe Function; the old one counts.
#[test]
fn an_impostor_gets_no_tls_and_changes_nothing() {
    let (world, issuer) = network();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("configuration.sealed");
    let mut client = world.client(1, TlsMode::Tls13);
    client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap();
    let before = std::fs::read(&path).unwrap();
    let body = recorded(&world, &ue_credentials(&issuer), &"00".repeat(16));

    // With Ks_NAF of another NAF, which the BSF gives to that one.
    let bootstrapped = client.key().unwrap();
    let other = TlsMode::Tls13.naf_id(&Fqdn::new("shop.example").unwrap());
    let psk = bootstrapped.ks_naf(now(), &other).unwrap();
    let mut builder = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server()).unwrap();
    builder.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_psk_server_callback(move |_, _, to| {
        to[..32].copy_from_slice(psk.as_bytes());
        Ok(32)
    });
    client.move_to(impostor(builder.build(), body.clone()));
    let error = client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap_err();
    assert!(matches!(error, ConfigurationError::Client(ClientError::Tls(_))), "{error}");

    // With a certificate of its own making, for the right name and role.
    let false_one = Issuer::new().issue(NAF, Some(Role::Operator), None);
    let address = impostor(acceptor(&false_one), body.clone());
    let client = certified(address, ue_credentials(&issuer));
    let error = client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap_err();
    assert!(
        matches!(error, ConfigurationError::Client(ClientError::Tls(TlsClientError::Handshake(_)))),
        "{error}"
    );
    // With a certificate of the right issuer for another name, and one that says no role.
    for (name, role) in [("shop.example", Some(Role::Operator)), (NAF, None)] {
        let address = impostor(acceptor(&issuer.issue(name, role, None)), body.clone());
        let client = certified(address, ue_credentials(&issuer));
        let error = client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap_err();
        assert!(matches!(error, ConfigurationError::Client(ClientError::Tls(_))), "{error}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// T6.1-2: an answer that was recorded is refused under the right key too.
#[test]
fn a_recorded_answer_within_tls_is_refused() {
    let (world, issuer) = network();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("configuration.sealed");
    let address = world.handle.certificates_address().unwrap();
    certified(address, ue_credentials(&issuer))
        .fetch_configuration(&file(folder.path()), key(), trust())
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    world.handle.provision(&operator(), &document(2)).unwrap();
    let body = recorded(&world, &ue_credentials(&issuer), &"00".repeat(16));
    let replay = impostor(acceptor(&issuer.issue(NAF, Some(Role::Operator), None)), body);
    let client = certified(replay, ue_credentials(&issuer));
    let error = client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap_err();
    assert!(matches!(error, ConfigurationError::Refused(Failure::Nonce)), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// T6.1-3: a third party says nothing about radio: not to a UE, not to the ProSe Function, and it gets no connection as a UE.
#[test]
fn a_third_party_pushes_nothing() {
    let (world, issuer) = network();
    let folder = tempfile::tempdir().unwrap();
    let third_party = issuer.issue(NAF, Some(Role::ThirdParty), None);
    let body = recorded(&world, &ue_credentials(&issuer), &"00".repeat(16));
    let client = certified(impostor(acceptor(&third_party), body), ue_credentials(&issuer));
    let error = client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap_err();
    let expected = NotTrusted::Role(Role::ThirdParty);
    assert!(
        matches!(&error, ConfigurationError::Refused(Failure::NotTrusted(why)) if *why == expected),
        "{error}"
    );
    assert!(!folder.path().join("configuration.sealed").exists());

    let source = Source::Certificate(Certified { name: naf(), role: Role::ThirdParty });
    let error = world.handle.provision(&source, &document(9)).unwrap_err();
    assert!(error.to_string().contains("third-party"), "{error}");
    let shop = Source::Naf(TlsMode::Tls13.naf_id(&Fqdn::new("shop.example").unwrap()));
    assert!(world.handle.provision(&shop, &document(9)).is_err());
    for (name, role, of) in [
        ("shop", Some(Role::ThirdParty), Some(ue(1))),
        ("shop", Some(Role::Operator), Some(ue(1))),
        ("ue", None, Some(ue(1))),
        ("ue", Some(Role::PublicSafetyUe), None),
    ] {
        let client = certified(world.handle.certificates_address().unwrap(), issuer.issue(name, role, of));
        let error = client.fetch_configuration(&file(folder.path()), key(), trust());
        assert!(matches!(error, Err(ConfigurationError::Client(_))), "{name} {role:?}: {error:?}");
    }
    let client = certified(world.handle.certificates_address().unwrap(), ue_credentials(&issuer));
    assert_eq!(client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap(), version(1));
}

/// T6.1-4: an edited file is refused when a UE starts, and when it fetches; a write that fails leaves the old one.
#[test]
fn an_edited_file_is_refused_and_a_write_that_fails_leaves_the_old_one() {
    let (world, issuer) = network();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("configuration.sealed");
    let client = certified(world.handle.certificates_address().unwrap(), ue_credentials(&issuer));
    let fetch = || client.fetch_configuration(&file(folder.path()), key(), trust());
    fetch().unwrap();
    let good = std::fs::read_to_string(&path).unwrap();
    // What a crash has left beside it counts for nothing.
    std::fs::write(folder.path().join("configuration.sealed.new"), &good[..good.len() / 2]).unwrap();
    assert!(file(folder.path()).open(&key()).unwrap().is_some());
    std::fs::write(&path, good.replace("793000000", "798000000")).unwrap();
    for error in [file(folder.path()).open(&key()).map(|_| ()), fetch().map(|_| ())] {
        assert!(matches!(&error, Err(ConfigurationError::Seal(_, SealError::Broken))), "{error:?}");
    }
    std::fs::write(&path, &good).unwrap();
    // Nothing can be made in the place of the new file.
    std::fs::remove_file(folder.path().join("configuration.sealed.new")).unwrap();
    std::fs::create_dir(folder.path().join("configuration.sealed.new")).unwrap();
    world.handle.provision(&operator(), &document(2)).unwrap();
    let error = fetch().unwrap_err();
    assert!(matches!(error, ConfigurationError::Write(..)), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), good);
    std::fs::remove_dir(folder.path().join("configuration.sealed.new")).unwrap();
    assert_eq!(fetch().unwrap(), version(2));
}

/// T6.1-5: a relay that flips a bit on PC3 ends the connection, and changes nothing.
#[test]
fn a_flipped_bit_ends_the_connection() {
    let (world, issuer) = network();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("configuration.sealed");
    let (pc3, certificates) =
        (world.handle.pc3_address().unwrap(), world.handle.certificates_address().unwrap());
    let addresses = (world.handle.ub_address().unwrap(), pc3);
    let mut gba =
        patient_client(world.folder.path(), addresses, 1, TlsMode::Tls13, Duration::from_millis(400));
    gba.bootstrap().unwrap();
    let mut by_certificate = CertifiedClient {
        patience: Duration::from_millis(400),
        ..certified(certificates, ue_credentials(&issuer))
    };
    by_certificate.fetch_configuration(&file(folder.path()), key(), trust()).unwrap();
    let before = std::fs::read(&path).unwrap();
    world.handle.provision(&operator(), &document(2)).unwrap();
    let mut failures = 0;
    for (direction, octets) in [(Direction::Up, 900), (Direction::Down, 900)] {
        // Octets 1 and 2 of the first record are a version that nobody looks at: from octet 5 on each counts.
        for (number, octet) in (5..octets).step_by(89).enumerate() {
            let flip = Flip { direction, octet, bit: (number % 8) as u8 };
            gba.move_to(Proxy::new(pc3, Some(flip)).address);
            by_certificate.address = Proxy::new(certificates, Some(flip)).address;
            let over_gba = gba.fetch_configuration(&file(folder.path()), key(), trust());
            let over_certificates = by_certificate.fetch_configuration(&file(folder.path()), key(), trust());
            for result in [over_gba, over_certificates] {
                let error = result.expect_err("a flipped bit was taken");
                assert!(matches!(error, ConfigurationError::Client(_)), "{flip:?}: {error}");
                failures += 1;
            }
            assert_eq!(std::fs::read(&path).unwrap(), before, "{flip:?}");
        }
    }
    assert_eq!(failures, 44);
    // The same way without a flip.
    gba.move_to(Proxy::new(pc3, None).address);
    assert_eq!(gba.fetch_configuration(&file(folder.path()), key(), trust()).unwrap(), version(2));
}

/// T6.1-6: an expired Ks is made anew, once; a server that goes on refusing is not asked for ever.
#[test]
fn an_expired_key_is_bootstrapped_anew_once() {
    let (mut world, _) = network();
    let folder = tempfile::tempdir().unwrap();
    let mut client = world.client(1, TlsMode::Tls13);
    client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap();
    assert_eq!(world.handle.status().bootstrapped, 1);
    // A BSF that knows the key no more: another UE with the same card has bootstrapped.
    world.client(1, TlsMode::Tls13).bootstrap().unwrap();
    client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap();
    let status = world.handle.status();
    assert_eq!((status.bootstrapped, status.handshakes, status.handshakes_failed), (3, 2, 1));
    // A server that takes no key: one try with the old one, one with a new one, and no more.
    let mut builder = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server()).unwrap();
    builder.set_psk_server_callback(|_, _, _| Ok(0));
    client.move_to(impostor(builder.build(), String::new()));
    let error = client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap_err();
    assert!(matches!(error, ConfigurationError::Client(ClientError::Tls(_))), "{error}");
    assert_eq!(world.handle.status().bootstrapped, 4);
    // A lifetime that has ended.
    world = World::with(1, |config| {
        config.bsf.as_mut().unwrap().bsf.key_lifetime = 3000;
        let state = config.database.file().unwrap().with_file_name("configuration");
        let rate = RateLimit { burst: 9, interval: 1 };
        config.prose_function.as_mut().unwrap().configuration =
            Some(ConfigurationConfig { state, document: Some(document(1)), rate, certificates: None });
    });
    let mut client = world.client(1, TlsMode::Tls13);
    client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap();
    std::thread::sleep(Duration::from_millis(3100));
    client.fetch_configuration(&file(folder.path()), key(), trust()).unwrap();
    assert_eq!((world.handle.status().bootstrapped, world.handle.status().handshakes_failed), (2, 0));
}

#[test]
fn the_operators_document_is_kept_and_only_rises() {
    let (mut world, issuer) = network();
    world.handle.provision(&operator(), &document(3)).unwrap();
    let state = world.database().with_file_name("configuration");
    let config = |said: u32, state: std::path::PathBuf| {
        let mut config = crate::common::config(world.folder.path(), 1);
        config.prose_function.as_mut().unwrap().configuration = Some(ConfigurationConfig {
            state,
            document: Some(document(said)),
            rate: RateLimit { burst: 9, interval: 1 },
            certificates: None,
        });
        config
    };
    let (older, same, damaged) =
        (config(2, state.clone()), config(3, state.clone()), config(3, state.clone()));
    drop(issuer);
    world.handle.shutdown();
    let error = sidelink_services::Network::start(older).err().unwrap().to_string();
    assert!(error.contains("version 3") && error.contains("raise Version"), "{error}");
    world.handle = sidelink_services::Network::start(same).unwrap();
    let error = world.handle.provision(&operator(), &document(3)).unwrap_err().to_string();
    assert_eq!(error, Refused::NotNewer(version(3)).to_string());
    world.handle.shutdown();
    std::fs::write(&state, "<x/>").unwrap();
    let error = sidelink_services::Network::start(damaged).err().unwrap().to_string();
    assert!(error.contains("damaged"), "{error}");
    assert!(imsi(1).impi(2).is_ok() && plmn().mcc() == "001");
}

/// What `sidelink network costs` has as the handshake with certificates: our server, a client with the settings of ours, a proxy
/// that counts. A signature of ECDSA has 70 to 72 octets, and each certificate has one too: a few octets more or less are no fault.
#[test]
fn a_handshake_with_certificates_costs_what_the_table_says() {
    let (world, issuer) = network();
    let proxy = Proxy::new(world.handle.certificates_address().unwrap(), None);
    let credentials = ue_credentials(&issuer);
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
    builder.set_ciphersuites("TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256").unwrap();
    builder.set_sigalgs_list("ECDSA+SHA256").unwrap();
    builder.set_certificate(&openssl::x509::X509::from_pem(&credentials.certificate).unwrap()).unwrap();
    builder.set_private_key(&openssl::pkey::PKey::private_key_from_pem(&credentials.key).unwrap()).unwrap();
    let mut roots = openssl::x509::store::X509StoreBuilder::new().unwrap();
    roots.add_cert(openssl::x509::X509::from_pem(&credentials.roots).unwrap()).unwrap();
    builder.set_cert_store(roots.build());
    let stream = std::net::TcpStream::connect(proxy.address).unwrap();
    let _stream = builder.build().connect(NAF, stream).unwrap();
    // The last flight is the client's: it is counted when the server has it.
    std::thread::sleep(Duration::from_millis(100));
    let flights = proxy.flights();
    eprintln!("a handshake with certificates: {flights:?}");
    assert_eq!(flights.len(), FLIGHTS.len(), "{flights:?}");
    for ((_, octets), expected) in flights.iter().zip(FLIGHTS) {
        assert!((expected - 12..expected + 12).contains(octets), "{flights:?}");
    }
}

/// The handshake that `sidelink network costs` counts for each request over PC3 and PC8.
#[test]
fn a_handshake_with_a_pre_shared_key_costs_what_the_table_says() {
    let world = World::new(1);
    let proxy = Proxy::new(world.handle.pc3_address().unwrap(), None);
    let mut ue = world.client(1, TlsMode::Tls12(PskSuite::DheAes128Gcm));
    ue.move_to(proxy.address);
    ue.send(&open_request(1, Command::Announce)).unwrap();
    // Request and answer follow.
    let flights: Vec<_> = proxy.flights().iter().map(|(_, octets)| *octets).collect();
    assert_eq!(flights[..4], PSK_FLIGHTS, "{flights:?}");
}

/// Octets of ClientHello; of ServerHello to ServerHelloDone; of ClientKeyExchange to Finished; of the server's Finished.
const PSK_FLIGHTS: [usize; 4] = [168, 1127, 657, 51];

/// Octets of ClientHello; of ServerHello to Finished; of the certificate to Finished of the UE.
const FLIGHTS: [usize; 3] = [253, 1100, 912];
