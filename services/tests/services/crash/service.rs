//! All network functions in a process of their own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_services::Network;

use super::{Home, IDENTIFY, UES};
use crate::aaa::nas::with_aaa;
use crate::group_keys::net::{self, Net};
use crate::identities::with_kms;

/// Set in the child: its network and the folder of its database, and the address of one on a server.
const CHILD: &str = "SIDELINK_SERVICES_CHILD";
const ADDRESS: &str = "SIDELINK_SERVICES_CHILD_DATABASE";

/// The child: serves until it is killed.
#[test]
#[ignore = "the child of the tests that kill it"]
fn child() {
    let Some(told) = std::env::var(CHILD).ok() else { return };
    let (octets, folder) = told.split_once(' ').unwrap();
    let (mut net, folder) = ([0; 3], Path::new(folder));
    hex::decode_to_slice(octets, &mut net).unwrap();
    let mut config = net::config(&Net::of(net), folder, UES);
    with_aaa(&mut config, folder);
    let [alice, bob] = IDENTIFY;
    let mut config = with_kms(config, folder, &[("sip:alice@lab", alice), ("sip:bob@lab", bob)]);
    if let Ok(address) = std::env::var(ADDRESS) {
        config.database = crate::postgres::database(&address, folder);
    }
    // Few numbers at a time and short periods, so that most restarts fall into a reservation.
    config.hss.as_mut().unwrap().reserve = ReserveConfig { block: 2, low_water: 1 };
    let pkmf = &mut config.pkmf.as_mut().unwrap().pkmf;
    (pkmf.lifetime, pkmf.lead, pkmf.interval) = (3, 1, 50);
    pkmf.reserve = ReserveConfig { block: 2, low_water: 1 };
    let handle = Network::start(config).unwrap();
    let addresses = [
        handle.ub_address(),
        handle.pc3_address(),
        handle.pc8_address(),
        handle.radius_address(),
        handle.kms_address(),
    ];
    let addresses = addresses.map(|address| address.unwrap().to_string());
    eprintln!("\nSERVING {}", addresses.join(" "));
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Where its functions listen.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    pub(super) ub: SocketAddr,
    pub(super) pc3: SocketAddr,
    pub(super) pc8: SocketAddr,
    pub(super) radius: SocketAddr,
    pub(super) kms: SocketAddr,
}

pub(super) struct Service(Child, Addresses);

impl Service {
    pub(super) fn start(net: &Net, folder: &Path, home: &Home<'_>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["crash::service::child", "--exact", "--ignored", "--nocapture"]);
        command.env(CHILD, format!("{} {}", hex::encode(net.octets()), folder.display()));
        if let Home::Server { address, .. } = home {
            command.env(ADDRESS, address);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut heard = Vec::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(addresses) = line.strip_prefix("SERVING ") {
                let addresses: Vec<_> =
                    addresses.split(' ').map(|address| address.parse().unwrap()).collect();
                let [ub, pc3, pc8, radius, kms] = addresses[..] else { panic!("{line}") };
                return Self(child, Addresses { ub, pc3, pc8, radius, kms });
            }
            heard.push(line);
        }
        let _ = child.wait();
        panic!("the child ended: {heard:?}")
    }

    pub(super) const fn addresses(&self) -> Addresses {
        self.1
    }

    pub(super) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
