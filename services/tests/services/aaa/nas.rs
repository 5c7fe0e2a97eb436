//! A network with an AAA server, and a client of RADIUS with a peer of EAP-AKA' behind it.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use sidelink_network::aaa;
use sidelink_network::eap_aka::{Code as EapCode, Type, packet};
use sidelink_network::eap_peer::{Config as PeerConfig, EapPeer, IdentityPolicy, Input, Output, Success};
use sidelink_network::limit::RateLimit;
use sidelink_network::radius::packet::Attributes;
use sidelink_network::radius::secret::MppeKey;
use sidelink_network::radius::{self, Attribute, Client, Code, Packet, Secret};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_services::Config;
use sidelink_services::config::{AaaConfig, Listen, Reach};

use crate::common::{self, World, card, imsi};

pub(crate) const SECRET: &str = "a-secret-of-radius";
pub(crate) const REALM: &str = "wlan.mnc001.mcc001.3gppnetwork.org";

pub(crate) fn secret() -> Secret {
    Secret::new(SECRET.into()).unwrap()
}

/// Adds an AAA server to a network.
pub(crate) fn with_aaa(config: &mut Config, folder: &Path) {
    let rate = RateLimit { burst: 0, interval: 0 };
    config.aaa = Some(AaaConfig {
        aaa: aaa::Config { rate, ..aaa::Config::without_pseudonyms("WLAN") },
        pseudonym_keys: Some(folder.join("aaa.keys")),
        radius: radius::Config::new(vec![Client {
            address: [127, 0, 0, 1].into(),
            secret: secret(),
            relay: None,
        }]),
        listen: Listen::new("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap(),
    });
}

pub(crate) fn world(subscribers: u32) -> World {
    World::with(subscribers, |config| {
        let folder = config.database.file().unwrap().parent().unwrap().to_owned();
        with_aaa(config, &folder);
    })
}

/// The peer of a subscriber, whose card has accepted this SEQ.
pub(crate) fn peer(number: u32, accepted: u64) -> EapPeer {
    peer_of(number, SqnArray::from_entries([accepted; 32]).unwrap())
}

/// The peer of a subscriber with the state of its card.
pub(crate) fn peer_of(number: u32, accepted: SqnArray) -> EapPeer {
    let config = PeerConfig {
        imsi: imsi(number),
        realm: REALM.into(),
        network_name: "WLAN".into(),
        pseudonym: None,
        identity_policy: IdentityPolicy::Liberal,
        result_indications: aaa::ResultIndications::Offered,
    };
    EapPeer::new(config, Usim::new(card(), accepted))
}

/// A peer that was authenticated.
pub(crate) struct Done {
    pub(crate) success: Success,
    /// MSK, as the client has it.
    pub(crate) msk: Vec<u8>,
}

/// A client of RADIUS.
pub(crate) struct Nas {
    pub(crate) socket: UdpSocket,
    secret: Secret,
    identifier: u8,
    /// What the card behind it has accepted last.
    pub(crate) accepted: Option<SqnArray>,
    /// How often a card was out of synchronisation.
    pub(crate) out_of_sync: u32,
}

fn random() -> u64 {
    getrandom::u64().unwrap()
}

fn authenticator() -> [u8; 16] {
    (u128::from(random()) << 64 | u128::from(random())).to_be_bytes()
}

/// AKA-Synchronization-Failure. RFC 4187 §11, from memory.
fn is_out_of_sync(eap: &[u8]) -> bool {
    matches!(eap, [2, _, _, _, 50, 4, ..])
}

impl Nas {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self::with(server, secret())
    }

    pub(crate) fn with(server: SocketAddr, secret: Secret) -> Self {
        // A server that was killed leaves its port to others: a client that got it would hear itself.
        let is_other = |socket: &UdpSocket| socket.local_addr().unwrap() != server;
        let mut bound = (0..100).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let socket = bound.find(is_other).expect("there are other ports");
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        Self { socket, secret, identifier: 0, accepted: None, out_of_sync: 0 }
    }

    /// A request with a packet of EAP, and its authenticator.
    pub(crate) fn request(&mut self, eap: &[u8], state: Option<&[u8]>) -> (Vec<u8>, [u8; 16]) {
        self.identifier = self.identifier.wrapping_add(1);
        let mut attributes = Attributes::default();
        attributes.push_eap(eap).unwrap();
        if let Some(state) = state {
            attributes.push(Attribute::State, state).unwrap();
        }
        let authenticator = authenticator();
        (self.secret.request(self.identifier, authenticator, &attributes).unwrap(), authenticator)
    }

    /// What comes back; none where nothing does.
    pub(crate) fn exchange(&self, request: &[u8]) -> Option<Vec<u8>> {
        self.socket.send(request).ok()?;
        let mut buffer = [0; 4096];
        let size = self.socket.recv(&mut buffer).ok()?;
        Some(buffer[..size].to_vec())
    }

    /// A whole authentication; none where it breaks off. Each request is sent twice, and answered the same.
    pub(crate) fn authenticate(&mut self, peer: &mut EapPeer) -> Option<Done> {
        let mut asked = packet::emit(EapCode::Request, 1, Type::Identity, &[]).unwrap();
        let (mut state, mut msk) = (None::<Vec<u8>>, Vec::new());
        let mut success = None;
        loop {
            peer.handle_input(Input::Packet(&asked), &mut random);
            let mut response = None;
            while let Some(output) = peer.poll_output() {
                match output {
                    Output::Store(array) => {
                        self.accepted = Some(array);
                        peer.handle_input(Input::Stored, &mut random);
                    }
                    Output::Response(packet) => response = Some(packet),
                    Output::Success(keys) => success = Some(keys),
                    Output::Remember { .. } => {}
                    _ => return None,
                }
            }
            let Some(response) = response else { break };
            self.out_of_sync += u32::from(is_out_of_sync(&response));
            let (request, authenticator) = self.request(&response, state.as_deref());
            let reply = self.exchange(&request)?;
            assert_eq!(self.exchange(&request)?, reply, "a request that comes again");
            let reply = Packet::new_checked(&reply).unwrap();
            assert!(self.secret.verify_reply(&reply, &authenticator));
            asked = reply.eap().unwrap();
            state = reply.values(Attribute::State).next().map(<[u8]>::to_vec);
            if reply.code() == Code::AccessAccept {
                let hidden = || reply.values(Attribute::VendorSpecific);
                for which in [MppeKey::Recv, MppeKey::Send] {
                    let half = hidden().find_map(|value| self.secret.reveal(which, value, &authenticator));
                    msk.extend(*half.unwrap());
                }
            }
        }
        Some(Done { success: success?, msk })
    }
}

/// The configuration of a network with an AAA server, to start it once more.
pub(crate) fn config(folder: &Path, subscribers: u32) -> Config {
    let mut config = common::config(folder, subscribers);
    with_aaa(&mut config, folder);
    config
}
