//! UE -> BSF -> PKMF and back: KEY_REQUEST over TLS, keys over MIKEY on UDP.

pub(crate) mod lossy;
pub(crate) mod net;
mod real;

use sidelink_network::key_delivery::ServiceId;
use sidelink_network::pc8::{Code, ErrorCode, ProtectionProfile};
use sidelink_network::pkmf::{DiscoveryCode, Kind, Service};
use sidelink_network::pkmf_client::Wanted;
use sidelink_security::counter::UtcTime;
use sidelink_services::client::{ClientError, Fetched, KeyFile};
use sidelink_services::tls::{PskSuite, TlsMode};
use sidelink_services::{MemberError, Network};

use crate::common::{World, imsi};
use lossy::Lossy;
use net::{GROUP, Net, OTHER, PATIENCE, SHORT, UE_PORT, fetch, keys, loopback, world};

#[test]
fn two_members_get_the_same_key_over_every_version_of_tls() {
    let modes =
        [TlsMode::Tls13, TlsMode::Tls12(PskSuite::DheAes128Gcm), TlsMode::Tls12(PskSuite::EcdheChaCha20)];
    for tls in modes {
        let net = Net::new();
        let world = world(&net, 2);
        let [one, two] = [1, 2].map(|number| {
            let mut ue = world.client(number, tls);
            let file = KeyFile::new(world.folder.path().join(format!("{number}.groups")));
            ue.fetch_group_keys(&net.pkmf(&world, number), &file, &[GROUP], PATIENCE).unwrap()
        });
        let (first, second) = (keys(&one), keys(&two));
        assert_eq!((first.len(), &first), (1, &second), "{tls:?}");
        assert_eq!(one.keys.group(GROUP), two.keys.group(GROUP));
        net.settled(&world, |status| status.group_keys_delivered == 2);
        let status = world.handle.status();
        assert_eq!((status.pc8_answered, status.pmks, status.group_keys), (2, 2, 1));
        assert_eq!((status.mikey_sent, status.mikey_refused, status.handshakes), (2, 0, 2));
    }
}

#[test]
fn what_is_there_is_not_asked_for_and_a_file_that_is_gone_brings_another_pmk() {
    let net = Net::new();
    let world = world(&net, 1);
    let path = world.folder.path().join("1.groups");
    let first = fetch(&net, &world, 1, &[GROUP]).unwrap();
    net.settled(&world, |status| status.group_keys_delivered == 1);
    let before = std::fs::read(&path).unwrap();
    assert_eq!(keys(&fetch(&net, &world, 1, &[GROUP]).unwrap()), keys(&first));
    assert_eq!(world.handle.status().pc8_answered, 1);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(keys(&fetch(&net, &world, 1, &[GROUP]).unwrap()), keys(&first));
    assert_eq!(world.handle.status().pmks, 2);
}

#[test]
fn who_may_not_have_keys_is_told_so() {
    let net = Net::new();
    let world = world(&net, 3);
    let fetched = fetch(&net, &world, 3, &[GROUP, OTHER]).unwrap();
    let expected = [(GROUP, ErrorCode::NotAuthorised), (OTHER, ErrorCode::NotSupplied)];
    assert_eq!((fetched.rejected, fetched.missing), (expected.to_vec(), Vec::new()));
    assert_eq!(world.handle.status().keys_rejected, 2);
    assert_eq!(world.handle.status().group_keys, 0);
}

/// A relay service code of the first UE, and a group ID of another Key Type.
#[test]
fn keys_of_public_safety_discovery_come_to_those_who_may_have_them() {
    let (net, relay, member) = (Net::new(), Code([0, 0, 0xa1]), Code([0, 0, 0xb1]));
    let discovery = |id, codes, number| Service {
        id,
        kind: Kind::Discovery {
            codes,
            protection: ProtectionProfile::NONE.scrambled().with_mic().confidential(),
            encrypted: Some([0x0f; 23]),
            ues: vec![imsi(number).impi(2).unwrap()],
        },
    };
    let [first, second] = [ServiceId([0, 1, 1]), ServiceId([0, 1, 2])];
    let config = |config: &mut sidelink_services::Config| {
        let folder = config.database.file().unwrap().parent().unwrap().to_owned();
        *config = net::config(&net, &folder, 2);
        let services = &mut config.pkmf.as_mut().unwrap().pkmf.services;
        services.push(discovery(first, vec![DiscoveryCode::Relay(relay)], 1));
        services.push(discovery(second, vec![DiscoveryCode::GroupMember(member)], 2));
    };
    let mut world = World::with(2, config);
    let wanted = [Wanted::Relay(relay), Wanted::GroupMember(member), Wanted::Group(GROUP)];
    let fetch = |world: &World| {
        let mut ue = world.client(1, TlsMode::Tls13);
        let file = KeyFile::new(world.folder.path().join("1.groups"));
        ue.fetch_keys(&net.pkmf(world, 1), &file, &wanted, PATIENCE).unwrap()
    };
    let key = |fetched: &Fetched<Wanted>, wanted| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = UtcTime::from_millis(now.as_millis() as u64).counter();
        fetched.keys.discovery_key(wanted, now)
    };
    let fetched = fetch(&world);
    let found = key(&fetched, wanted[0]).unwrap();
    assert!(found.scramble && found.integrity && found.confidentiality == Some([0x0f; 23]));
    assert!(key(&fetched, wanted[1]).is_none());
    assert_eq!(fetched.rejected, [(wanted[1], ErrorCode::NotAuthorised)]);
    assert_eq!((fetched.missing, fetched.keys.group_keys(GROUP).len()), (vec![], 1));
    net.settled(&world, |status| status.group_keys_delivered == 2);
    // The same key after a restart of both ends, and nobody is asked for what is there.
    let mut again = crate::common::config(world.folder.path(), 2);
    config(&mut again);
    world.handle.shutdown();
    world.handle = Network::start(again).unwrap();
    let second = key(&fetch(&world), wanted[0]).unwrap();
    assert_eq!(second.psdk.as_bytes(), found.psdk.as_bytes());
    std::fs::remove_file(world.folder.path().join("1.groups")).unwrap();
    let third = key(&fetch(&world), wanted[0]).unwrap();
    assert_eq!(third.psdk.as_bytes(), found.psdk.as_bytes());
}

#[test]
fn a_lost_datagram_is_said_again() {
    let net = Net::new();
    let world = world(&net, 1);
    let lossy = Lossy::start(&net, 1, 2);
    let mut ue = world.client(1, TlsMode::Tls13);
    let file = KeyFile::new(world.folder.path().join("1.groups"));
    let place = lossy.through(net.pkmf(&world, 1));
    let fetched = ue.fetch_group_keys(&place, &file, &[GROUP], PATIENCE).unwrap();
    assert_eq!((keys(&fetched).len(), fetched.refused), (1, Vec::new()));
    net.settled(&world, |status| status.group_keys_delivered == 1);
    assert_eq!(world.handle.status().mikey_sent, 3);
    assert_eq!(lossy.counters(), [1, 2, 3], "each try has a counter of its own");
}

#[test]
fn keys_that_do_not_come_are_missing_and_come_with_the_next_fetch() {
    let net = Net::new();
    let world = world(&net, 1);
    let lossy = Lossy::start(&net, 1, 1000);
    let mut ue = world.client(1, TlsMode::Tls13);
    let file = KeyFile::new(world.folder.path().join("1.groups"));
    let place = lossy.through(net.pkmf(&world, 1));
    let fetched = ue.fetch_group_keys(&place, &file, &[GROUP], SHORT).unwrap();
    assert_eq!((keys(&fetched).len(), fetched.missing), (0, vec![GROUP]));
    net.settled(&world, |status| status.mikey_unanswered == 1);
    drop(lossy);
    let lossy = Lossy::start(&net, 1, 0);
    let fetched = ue.fetch_group_keys(&lossy.through(place), &file, &[GROUP], PATIENCE).unwrap();
    assert_eq!((keys(&fetched).len(), fetched.missing), (1, Vec::new()));
    // It may have been without its PMK: it got another.
    assert_eq!(world.handle.status().pmks, 2);
}

#[test]
fn a_network_that_is_not_there_is_an_error() {
    let net = Net::new();
    let world = world(&net, 1);
    let mut place = net.pkmf(&world, 1);
    place.address = std::net::SocketAddr::new(net.address(200), 9);
    let file = KeyFile::new(world.folder.path().join("1.groups"));
    let mut ue = world.client(1, TlsMode::Tls13);
    let error = ue.fetch_group_keys(&place, &file, &[GROUP], SHORT).err().unwrap();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    // Its own port is taken.
    let taken = std::net::UdpSocket::bind((net.ue(1), UE_PORT)).unwrap();
    let error = ue.fetch_group_keys(&place, &file, &[GROUP], SHORT).err().unwrap();
    assert!(matches!(error, ClientError::Mikey { .. }), "{error}");
    drop(taken);
}

#[test]
fn who_is_revoked_gets_nothing_and_the_others_get_another_key() {
    let net = Net::new();
    let mut world = world(&net, 2);
    let first = keys(&fetch(&net, &world, 1, &[GROUP]).unwrap());
    fetch(&net, &world, 2, &[GROUP]).unwrap();
    net.settled(&world, |status| status.group_keys_delivered == 2);
    // The other one hears what the PKMF says of itself.
    let hears = std::net::UdpSocket::bind((net.ue(1), UE_PORT)).unwrap();
    hears.set_read_timeout(Some(PATIENCE)).unwrap();
    world.handle.revoke_member(&imsi(2), GROUP).unwrap();
    hears.recv(&mut [0; 2048]).unwrap();
    drop(hears);
    assert_eq!(world.handle.status().group_keys, 2);
    // Durable: another process refuses it as well.
    let config = net::config(&net, world.folder.path(), 2);
    world.handle.shutdown();
    world.handle = Network::start(config).unwrap();
    std::fs::remove_file(world.folder.path().join("1.groups")).unwrap();
    std::fs::remove_file(world.folder.path().join("2.groups")).unwrap();
    let second = keys(&fetch(&net, &world, 1, &[GROUP]).unwrap());
    assert_eq!(second.len(), 1);
    assert_ne!(second, first);
    let refused = fetch(&net, &world, 2, &[GROUP]).unwrap();
    assert_eq!(refused.rejected, [(GROUP, ErrorCode::NotAuthorised)]);
    world.handle.admit_member(&imsi(2), GROUP).unwrap();
    assert_eq!(keys(&fetch(&net, &world, 2, &[GROUP]).unwrap()), second);
    // Twice is no fault; who is none of the group's is.
    world.handle.revoke_member(&imsi(2), GROUP).unwrap();
    world.handle.revoke_member(&imsi(2), GROUP).unwrap();
    assert_eq!(world.handle.revoke_member(&imsi(3), GROUP), Err(MemberError::NoMember(GROUP)));
    assert_eq!(world.handle.revoke_member(&imsi(2), OTHER), Err(MemberError::NoService(OTHER)));
    let without = World::new(0);
    assert_eq!(without.handle.revoke_member(&imsi(2), GROUP), Err(MemberError::NotHere));
}

#[test]
fn a_revocation_that_is_not_durable_is_not_done() {
    let net = Net::new();
    let world = world(&net, 1);
    fetch(&net, &world, 1, &[GROUP]).unwrap();
    std::fs::remove_file(world.database()).unwrap();
    assert_eq!(world.handle.revoke_member(&imsi(1), GROUP), Err(MemberError::Store));
    assert!(world.handle.status().store_failures > 0);
}

#[test]
fn a_database_that_is_gone_gives_no_keys() {
    let net = Net::new();
    let world = world(&net, 1);
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.bootstrap().unwrap();
    std::fs::remove_file(world.database()).unwrap();
    let file = KeyFile::new(world.folder.path().join("1.groups"));
    let error = ue.fetch_group_keys(&net.pkmf(&world, 1), &file, &[GROUP], SHORT).err().unwrap();
    assert!(matches!(error, ClientError::Refused { status, .. } if status.as_u16() == 503), "{error}");
    assert_eq!((world.handle.status().pmks, world.handle.status().mikey_sent), (0, 0));
}

#[test]
fn datagrams_of_strangers_do_nothing() {
    let net = Net::new();
    let world = world(&net, 1);
    let stranger = std::net::UdpSocket::bind((net.address(99), 0)).unwrap();
    let to = world.handle.mikey_address().unwrap();
    for size in [0, 1, 40, 300, 2048, 4000] {
        stranger.send_to(&vec![0x55; size], to).unwrap();
    }
    net.settled(&world, |status| status.mikey_refused == 5 && status.mikey_dropped == 1);
    assert_eq!(keys(&fetch(&net, &world, 1, &[GROUP]).unwrap()).len(), 1);
}

#[test]
fn a_port_that_is_taken_is_said_at_the_start() {
    let net = Net::new();
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::UdpSocket::bind((net.address(1), UE_PORT)).unwrap();
    let error = Network::start(net::config(&net, folder.path(), 0)).err().unwrap().to_string();
    assert!(error.contains(&taken.local_addr().unwrap().to_string()), "{error}");
    let mut config = net::config(&net, folder.path(), 0);
    config.pkmf.as_mut().unwrap().mikey = loopback(&net, 0);
    config.pkmf.as_mut().unwrap().pkmf.lead = u32::MAX;
    assert!(Network::start(config).err().unwrap().to_string().contains("lead"));
}
