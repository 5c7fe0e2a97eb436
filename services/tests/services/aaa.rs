//! The AAA server over RADIUS on UDP, and the socket where hostapd asks our HSS.

pub(crate) mod nas;
mod programs;
mod relays;

use sidelink_network::eap_peer::EapPeer;
use sidelink_network::radius::{Code, Packet, Secret};
use sidelink_services::Network;
use sidelink_services::config::{Neighbour, PeersConfig};
use sidelink_services::peers::Token;

use nas::{Nas, config, peer, world};

/// Authenticates, and returns MSK, which both ends have.
fn authenticated(nas: &mut Nas, peer: &mut EapPeer) -> Vec<u8> {
    let done = nas.authenticate(peer).expect("it is authenticated");
    assert_eq!(done.msk, done.success.keys.msk);
    done.msk
}

#[test]
fn a_peer_is_authenticated_in_full_fast_and_after_a_resynchronisation() {
    let world = world(2);
    let mut nas = Nas::new(world.handle.radius_address().unwrap());
    let mut first = peer(1, 0);
    let keys: Vec<_> = (0..3).map(|_| authenticated(&mut nas, &mut first)).collect();
    assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    let status = world.handle.status();
    assert_eq!((status.eap_full, status.eap_fast, status.vectors), (1, 2, 1), "{status:?}");
    authenticated(&mut nas, &mut peer(2, 5000));
    let status = world.handle.status();
    assert_eq!((status.eap_full, status.resynchronisations, status.vectors), (2, 1, 3), "{status:?}");
    assert_eq!((status.eap_rejected, status.radius_dropped, status.store_failures), (0, 0, 0), "{status:?}");
}

#[test]
fn who_has_another_secret_or_none_gets_nothing_and_costs_no_vector() {
    let world = world(1);
    let server = world.handle.radius_address().unwrap();
    let mut stranger = Nas::with(server, Secret::new(b"another secret".to_vec()).unwrap());
    assert!(stranger.authenticate(&mut peer(1, 0)).is_none());
    let mut nas = Nas::new(server);
    let (mut forged, _) = nas.request(&[2, 1, 0, 6, 1, b'x'], None);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let mut bare = nas.request(&[2, 1, 0, 6, 1, b'x'], None).0;
    // Without Message-Authenticator, its last attribute.
    bare.truncate(bare.len() - 18);
    let length = u16::try_from(bare.len()).unwrap().to_be_bytes();
    bare[2..4].copy_from_slice(&length);
    for octets in [&forged[..], &bare, &[], &[1; 19], &[0xff; 4096]] {
        assert!(nas.exchange(octets).is_none());
    }
    let status = world.handle.status();
    assert_eq!((status.radius_dropped, status.radius_answered, status.vectors), (6, 0, 0), "{status:?}");
    // An address that no client has.
    let elsewhere = std::net::UdpSocket::bind("127.0.0.2:0").unwrap();
    elsewhere.send_to(&nas.request(&[2, 1, 0, 6, 1, b'x'], None).0, server).unwrap();
    authenticated(&mut nas, &mut peer(1, 0));
    assert_eq!(world.handle.status().radius_dropped, 7);
}

#[test]
fn who_is_no_subscriber_or_has_another_card_is_rejected() {
    let world = world(1);
    let mut nas = Nas::new(world.handle.radius_address().unwrap());
    assert!(nas.authenticate(&mut peer(99, 0)).is_none());
    let (request, _) = nas.request(&[2, 1, 0, 6, 3, 50], None);
    let reply = nas.exchange(&request);
    assert!(reply.is_none(), "a session begins with an identity");
    let status = world.handle.status();
    assert_eq!((status.eap_rejected, status.eap_full), (1, 0), "{status:?}");
}

/// A new process: sessions and re-authentications are gone, pseudonyms open, no sequence number comes twice.
#[test]
fn a_restart_costs_a_full_authentication_and_no_pseudonym() {
    let mut world = world(1);
    let mut nas = Nas::new(world.handle.radius_address().unwrap());
    let mut first = peer(1, 0);
    let keys = authenticated(&mut nas, &mut first);
    // A session that is under way.
    let (request, _) = nas.request(&[2, 1, 0, 6, 1, b'x'], None);
    let reply = nas.exchange(&request).unwrap();
    let reply = Packet::new_checked(&reply).unwrap();
    let state = reply.values(sidelink_network::radius::Attribute::State).next().unwrap().to_vec();
    let asked = reply.eap().unwrap();
    world.handle.shutdown();
    world.handle = Network::start(config(world.folder.path(), 1)).unwrap();
    let mut nas = Nas::new(world.handle.radius_address().unwrap());
    let (request, _) = nas.request(&[2, asked[1], 0, 8, 50, 14, 0, 0], Some(&state));
    let reply = nas.exchange(&request).unwrap();
    assert_eq!(Packet::new_checked(&reply).unwrap().code(), Code::AccessReject, "a State of before");
    assert_ne!(authenticated(&mut nas, &mut first), keys);
    let status = world.handle.status();
    assert_eq!((status.eap_full, status.eap_fast, status.resynchronisations), (1, 0, 0), "{status:?}");
}

#[test]
fn an_hss_in_another_process_is_asked_over_swx() {
    let folder = tempfile::tempdir().unwrap();
    let token = Token::new("0123456789abcdef0123456789abcdef").unwrap();
    let neighbour = |address| Some(Neighbour::new(address).unwrap());
    let start = |name: &str, change: &dyn Fn(&mut sidelink_services::Config, &mut PeersConfig)| {
        let mut config = config(folder.path(), 0);
        (config.bsf, config.prose_function) = (None, None);
        config.database = folder.path().join(name).into();
        let listen = neighbour("127.0.0.1:0".parse().unwrap());
        let mut peers = PeersConfig { token: token.clone(), listen, hss: None, bsf: None };
        change(&mut config, &mut peers);
        config.peers = Some(peers);
        Network::start(config).unwrap()
    };
    let hss = start("hss.db", &|config, _| {
        config.aaa = None;
        config.subscribers = vec![crate::common::subscriber(1)];
    });
    let aaa = start("aaa.db", &|config, peers| {
        config.hss = None;
        peers.hss = neighbour(hss.peers_address().unwrap());
    });
    let mut nas = Nas::new(aaa.radius_address().unwrap());
    authenticated(&mut nas, &mut peer(1, 700));
    assert!(nas.authenticate(&mut peer(2, 0)).is_none());
    let (hss, aaa) = (hss.status(), aaa.status());
    assert_eq!((hss.vectors, hss.resynchronisations, aaa.eap_full, aaa.eap_rejected), (2, 1, 1, 1));
}
