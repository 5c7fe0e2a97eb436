//! What was sent, as tshark sees it.

use std::net::SocketAddr;

use sidelink_network::key_delivery::PORT;
use sidelink_services::client::KeyFile;
use sidelink_services::tls::TlsMode;

use super::lossy::Lossy;
use super::net::{GROUP, Net, PATIENCE, world};
use crate::capture::{Tshark, packet};
use crate::common::has;

#[test]
fn tshark_dissects_every_datagram() {
    if !has("tshark", "tshark") {
        return;
    }
    let net = Net::new();
    let world = world(&net, 1);
    let lossy = Lossy::start(&net, 1, 1);
    let file = KeyFile::new(world.folder.path().join("1.groups"));
    let mut ue = world.client(1, TlsMode::Tls13);
    ue.fetch_group_keys(&lossy.through(net.pkmf(&world, 1)), &file, &[GROUP], PATIENCE).unwrap();
    net.settled(&world, |status| status.group_keys_delivered == 1);
    let (pkmf, ue) = (net.address(1), net.ue(1));
    let [pkmf, ue] = [pkmf, ue].map(|address| SocketAddr::new(address, PORT));
    let mut packets: Vec<_> = lossy.heard().iter().map(|octets| packet(pkmf, ue, octets)).collect();
    packets.extend(lossy.said().iter().map(|octets| packet(ue, pkmf, octets)));
    assert_eq!(packets.len(), 3);
    let tshark = Tshark::new(&packets, &[]);
    let fields = tshark.says(&["-T", "fields", "-e", "frame.protocols", "-e", "mikey.type"]);
    let lines: Vec<_> = fields.lines().collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| line.contains("mikey")), "{fields}");
    let whole = tshark.says(&["-V"]);
    // It does not know the empty map of RFC 4563 §4 by name.
    let whole = whole.replace("CS ID map type: Unknown (1)", "");
    for bad in ["Malformed", "malformed", "Unknown"] {
        assert!(!whole.contains(bad), "{bad}\n{whole}");
    }
    for said in ["PSK ver msg (1)", "Data Type: Pre-shared (0)", "(KEMAC)", "AES-CM-128"] {
        assert!(whole.contains(said), "{said}\n{whole}");
    }
}
