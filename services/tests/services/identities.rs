//! UE -> BSF -> key management server of identities: keys over HTTPS, with GBA and with certificates.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use sidelink_network::configuration::Role;
use sidelink_network::identity::Fqdn;
use sidelink_network::kms::{self, Grant, Holder};
use sidelink_network::kms_client::{Failure, Fetched};
use sidelink_network::kms_messages::{ErrorCode, Uri};
use sidelink_security::counter::UtcTime;
use sidelink_security::identity::{eccsi, sakke};
use sidelink_security::key_period::KeyPeriods;
use sidelink_services::client::{CertifiedKmsClient, ClientError, KmsAddress, WantedIdentities};
use sidelink_services::config::{CertificatesConfig, KmsConfig, Listen, Reach};
use sidelink_services::tls::{PskSuite, TlsMode};
use sidelink_services::{Config, IdentityError, Network};

use crate::common::{self, World, imsi, plmn, ue};
use crate::configuration::certificates::Issuer;

const KMS: &str = "kms.mnc001.mcc001.pub.3gppnetwork.org";

fn uri(text: &str) -> Uri {
    Uri::new(text).unwrap()
}

fn listen() -> Listen {
    Listen::new("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap()
}

fn config(folder: &Path) -> Config {
    config_with(folder, &[("sip:alice@lab", 1), ("sip:fire@lab", 1), ("sip:bob@lab", 2)])
}

/// With these identities of these subscribers.
fn config_with(folder: &Path, grants: &[(&str, u32)]) -> Config {
    let subscribers = grants.iter().map(|(_, number)| *number).max().unwrap_or(2);
    with_kms(common::config(folder, subscribers), folder, grants)
}

/// Adds the server, and who has which identity.
pub(crate) fn with_kms(config: Config, folder: &Path, grants: &[(&str, u32)]) -> Config {
    let periods = KeyPeriods::Seconds { length: 2_592_000.try_into().unwrap(), offset: 0 };
    let mut kms = kms::Config::new(uri("kms.lab"), periods);
    let grant = |(user, number): &(&str, u32)| Grant {
        user: uri(user),
        holder: Holder::Subscriber(imsi(*number).impi(2).unwrap()),
    };
    kms.grants = grants.iter().map(grant).collect();
    let kms = KmsConfig {
        kms,
        name: Fqdn::new(KMS).unwrap(),
        plmn: plmn(),
        listen: listen(),
        masters: folder.join("kms.secrets"),
        certificates: None,
    };
    Config { kms: Some(kms), ..config }
}

/// A network whose server has granted these identities to subscribers 1, 2, ...
pub(crate) fn world_with(grants: &[(&str, u32)]) -> World {
    World::with(grants.len() as u32, |common| {
        *common = config_with(common.database.file().unwrap().parent().unwrap(), grants);
    })
}

fn world() -> World {
    World::with(2, |common| *common = config(common.database.file().unwrap().parent().unwrap()))
}

pub(crate) fn address(world: &World) -> KmsAddress {
    kms_at(world.handle.kms_address().unwrap())
}

/// The server at an address.
pub(crate) fn kms_at(address: SocketAddr) -> KmsAddress {
    KmsAddress { name: Fqdn::new(KMS).unwrap(), address, local: None }
}

fn wanted(user: &str) -> WantedIdentities {
    WantedIdentities { user: Some(uri(user)), ..WantedIdentities::default() }
}

fn fetch(world: &World, number: u32, wanted: WantedIdentities) -> Result<Fetched, ClientError> {
    world.client(number, TlsMode::Tls13).fetch_identities(&address(world), wanted)
}

fn refusal(result: Result<Fetched, ClientError>) -> ErrorCode {
    match result {
        Err(ClientError::Identities(Failure::Refused(info))) => info.code().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_subscribers_write_to_each_other_with_keys_that_came_over_tls() {
    let world = world();
    let alice = fetch(&world, 1, WantedIdentities::default()).unwrap();
    let mut ue = world.client(2, TlsMode::Tls12(PskSuite::DheAes128Gcm));
    let bob = ue.fetch_identities(&address(&world), wanted("sip:bob@lab")).unwrap();
    let users: Vec<_> = alice.keys.iter().map(|keys| keys.user.as_str()).collect();
    assert_eq!(users[..2], ["sip:alice@lab", "sip:fire@lab"]);
    // Alice writes to Bob, and signs: he needs nothing but her name.
    let to = alice.server.periods.identifier("sip:bob@lab", "kms.lab", &bob.keys[0].period).unwrap();
    let sealed = sakke::encapsulate(&alice.server.z, &to, &[7; 16]).unwrap();
    assert_eq!(*bob.keys[0].receiver.decapsulate(&sealed).unwrap(), [7; 16]);
    let from = bob.server.periods.identifier("sip:alice@lab", "kms.lab", &alice.keys[0].period).unwrap();
    let signature = alice.keys[0].signing.sign(&sealed, [1; 32]);
    eccsi::verify(&bob.server.kpak, &from, &sealed, &signature).unwrap();
    let status = world.handle.status();
    assert_eq!((status.kms_answered, status.identities_rejected, status.handshakes), (4, 0, 4));
    assert!(status.identity_keys >= 3);
}

#[test]
fn nobody_gets_the_keys_of_another_and_each_refusal_has_its_reason() {
    let world = world();
    assert_eq!(refusal(fetch(&world, 2, wanted("sip:alice@lab"))), ErrorCode::NotYours);
    let early = WantedIdentities { time: Some(UtcTime::from_millis(1)), ..wanted("sip:bob@lab") };
    assert_eq!(refusal(fetch(&world, 2, early)), ErrorCode::PeriodOver);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let late = UtcTime::from_millis(now.as_millis() as u64 + 70 * 86_400_000);
    let late = WantedIdentities { time: Some(late), ..wanted("sip:bob@lab") };
    assert_eq!(refusal(fetch(&world, 2, late)), ErrorCode::PeriodTooEarly);
    assert_eq!((world.handle.status().identity_keys, world.handle.status().identities_rejected), (0, 3));
}

/// A new process has the same master secrets, and knows who was revoked.
#[test]
fn a_restart_keeps_the_server_and_its_revocations() {
    let world = world();
    let before = fetch(&world, 1, wanted("sip:alice@lab")).unwrap();
    world.handle.revoke_identity("sip:alice@lab").unwrap();
    assert_eq!(refusal(fetch(&world, 1, wanted("sip:alice@lab"))), ErrorCode::Revoked);
    assert!(matches!(world.handle.revoke_identity("sip:nobody@lab"), Err(IdentityError::NotGranted(_))));
    let World { handle, folder } = world;
    drop(handle);
    let handle = Network::start(config(folder.path())).unwrap();
    let world = World { handle, folder };
    assert_eq!(refusal(fetch(&world, 1, wanted("sip:alice@lab"))), ErrorCode::Revoked);
    assert!(fetch(&world, 1, wanted("sip:fire@lab")).is_ok(), "another identity of the same subscriber");
    world.handle.admit_identity("sip:alice@lab").unwrap();
    // The UE knows the server from before: it is the same.
    let known = WantedIdentities { known: Some(before.server), ..wanted("sip:alice@lab") };
    let after = fetch(&world, 1, known).unwrap();
    assert_eq!(after.keys[0].receiver.to_octets(), before.keys[0].receiver.to_octets());
    // Without its secrets a server that has given keys does not start.
    let World { handle, folder } = world;
    drop(handle);
    std::fs::remove_file(folder.path().join("kms.secrets")).unwrap();
    let why = Network::start(config(folder.path())).map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("the master secrets are gone"), "{why}");
}

/// T4.3-7: an operator opens what was written to a user, and the order is on record.
#[test]
fn the_operator_takes_the_keys_of_a_user_and_the_database_says_so() {
    let world = world();
    let bob = fetch(&world, 2, wanted("sip:bob@lab")).unwrap();
    let time = bob.keys[0].period.from;
    let keys = world.handle.escrow("sip:bob@lab", time, "Inspector Morse", "warrant 17").unwrap();
    assert_eq!(keys.rsk.0, *bob.keys[0].receiver.to_octets());
    let sealed = sakke::encapsulate(&bob.server.z, &keys.user_id.0, &[5; 16]).unwrap();
    let escrowed = sakke::ReceiverKey::new(&bob.server.z, &keys.user_id.0, &keys.rsk.0).unwrap();
    assert_eq!(*escrowed.decapsulate(&sealed).unwrap(), [5; 16]);
    let database = world.database();
    let World { handle, folder } = world;
    drop(handle);
    let read = std::fs::read(&database).unwrap();
    let log = std::fs::read(folder.path().join("network.db-wal")).unwrap_or_default();
    let is_there =
        |text: &[u8]| [&read, &log].iter().any(|file| file.windows(text.len()).any(|part| part == text));
    assert!(is_there(b"Inspector Morse") && is_there(b"warrant 17"));
    assert!(!is_there(&keys.rsk.0) && !is_there(&keys.ssk.0), "no key is in the database");
}

#[test]
fn a_ue_with_a_certificate_is_the_same_subscriber() {
    let issuer = Issuer::new();
    let credentials = issuer.issue(KMS, Some(Role::Operator), None);
    let world = World::with(2, |common| {
        *common = config(common.database.file().unwrap().parent().unwrap());
        let certificates = CertificatesConfig { listen: listen(), credentials };
        common.kms = common.kms.take().map(|kms| KmsConfig { certificates: Some(certificates), ..kms });
    });
    let address = world.handle.kms_certificates_address().unwrap();
    let client = |number, role| CertifiedKmsClient {
        credentials: issuer.issue("ue.lab", Some(role), Some(ue(number))),
        kms: KmsAddress { name: Fqdn::new(KMS).unwrap(), address, local: None },
        patience: Duration::from_secs(20),
    };
    let bob = client(2, Role::PublicSafetyUe).fetch_identities(WantedIdentities::default()).unwrap();
    assert_eq!(bob.keys[0].user.as_str(), "sip:bob@lab");
    let of_alice = client(2, Role::PublicSafetyUe).fetch_identities(wanted("sip:alice@lab"));
    assert_eq!(refusal(of_alice), ErrorCode::NotYours);
    let third = client(1, Role::ThirdParty).fetch_identities(WantedIdentities::default());
    assert!(third.is_err(), "a certificate that is none of a UE");
    let stranger = CertifiedKmsClient {
        credentials: Issuer::new().issue("ue.lab", Some(Role::PublicSafetyUe), Some(ue(1))),
        ..client(1, Role::PublicSafetyUe)
    };
    assert!(stranger.fetch_identities(WantedIdentities::default()).is_err(), "of another issuer");
}
