//! A network with a PKMF on loopback addresses of its own, so that all ends may have the port of MIKEY.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use sidelink_network::identity::Fqdn;
use sidelink_network::key_delivery::{PORT, ServiceId};
use sidelink_network::limit::RateLimit;
use sidelink_network::pc3::MaxOffset;
use sidelink_network::pc8::MemberId;
use sidelink_network::pkmf::{self, Kind, Service};
use sidelink_security::cipher::Algorithm;
use sidelink_services::client::{ClientError, Fetched, KeyFile, PkmfAddress};
use sidelink_services::config::{Listen, PkmfConfig, Reach};
use sidelink_services::tls::TlsMode;
use sidelink_services::{Config, Status};

use crate::common::{self, World, imsi, plmn};

pub(crate) const GROUP: ServiceId = ServiceId([0, 0, 0x2a]);
pub(crate) const OTHER: ServiceId = ServiceId([0, 0, 0x2b]);
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const SHORT: Duration = Duration::from_secs(2);
pub(crate) const UE_PORT: u16 = PORT;
pub(crate) const PKMF: &str = "pkmf.mnc001.mcc001.pub.3gppnetwork.org";

/// 127.A.B.0/24.
pub(crate) struct Net([u8; 3]);

impl Net {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let process = std::process::id().to_be_bytes();
        Self([
            127,
            process[3].max(1),
            // Processes whose numbers end alike are told apart by the rest, and have two networks each before they meet.
            process[2].wrapping_mul(2).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)),
        ])
    }

    /// In a child of this process.
    pub(crate) const fn of(octets: [u8; 3]) -> Self {
        Self(octets)
    }

    pub(crate) const fn octets(&self) -> [u8; 3] {
        self.0
    }

    pub(crate) fn address(&self, host: u8) -> IpAddr {
        let [a, b, c] = self.0;
        IpAddr::from([a, b, c, host])
    }

    pub(crate) fn ue(&self, number: u32) -> IpAddr {
        self.address(10 + u8::try_from(number).unwrap())
    }

    /// The PKMF of a world, as a UE reaches it.
    pub(crate) fn pkmf(&self, world: &World, number: u32) -> PkmfAddress {
        self.pkmf_at(world.handle.pc8_address().unwrap(), number)
    }

    pub(crate) fn pkmf_at(&self, address: SocketAddr, number: u32) -> PkmfAddress {
        let mut place = PkmfAddress::new(Fqdn::new(PKMF).unwrap(), address);
        place.local = Some(self.ue(number));
        place
    }

    /// Waits until something has happened.
    pub(crate) fn settled(&self, world: &World, is_so: impl Fn(&Status) -> bool) {
        let start = Instant::now();
        while !is_so(&world.handle.status()) {
            assert!(start.elapsed() < PATIENCE, "{:?}", world.handle.status());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(crate) fn loopback(net: &Net, port: u16) -> Listen {
    Listen::new((net.address(1), port).into(), Reach::Loopback).unwrap()
}

/// A group with the first two UEs; tries 300 ms apart.
pub(crate) fn config(net: &Net, folder: &Path, subscribers: u32) -> Config {
    let member = |number: u32| (imsi(number).impi(2).unwrap(), MemberId([0, 0, number as u8]));
    let group = Service {
        id: GROUP,
        kind: Kind::Group { algorithm: Algorithm::Aes, members: vec![member(1), member(2)] },
    };
    let name = Fqdn::new(PKMF).unwrap();
    let rate = RateLimit { burst: 0, interval: 0 };
    let mut pkmf = pkmf::Config::new(name.clone(), vec![group], MaxOffset::new(1).unwrap());
    (pkmf.interval, pkmf.limits.ue, pkmf.limits.all) = (300, rate, rate);
    let pkmf = PkmfConfig {
        pkmf,
        name,
        plmn: plmn(),
        listen: loopback(net, 0),
        mikey: loopback(net, PORT),
        ue_port: UE_PORT,
    };
    Config { pkmf: Some(pkmf), ..common::config(folder, subscribers) }
}

pub(crate) fn world(net: &Net, subscribers: u32) -> World {
    World::with(subscribers, |common| {
        let folder = common.database.file().unwrap().parent().unwrap().to_owned();
        *common = config(net, &folder, subscribers);
    })
}

pub(crate) fn fetch(
    net: &Net,
    world: &World,
    number: u32,
    groups: &[ServiceId],
) -> Result<Fetched, ClientError> {
    let file = KeyFile::new(world.folder.path().join(format!("{number}.groups")));
    let mut ue = world.client(number, TlsMode::Tls13);
    ue.fetch_group_keys(&net.pkmf(world, number), &file, groups, PATIENCE)
}

/// ID and key of what came.
pub(crate) fn keys(fetched: &Fetched) -> Vec<(u8, Vec<u8>)> {
    let keys = fetched.keys.group_keys(GROUP);
    keys.iter().map(|key| (key.pgk_id, key.pgk.as_bytes().to_vec())).collect()
}
