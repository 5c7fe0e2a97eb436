//! What was sent, as tshark sees it.

use std::io::Write;
use std::net::IpAddr;
use std::process::Command;

use sidelink_network::key_delivery::PORT;
use sidelink_services::client::KeyFile;
use sidelink_services::tls::TlsMode;

use super::lossy::Lossy;
use super::net::{GROUP, Net, PATIENCE, world};
use crate::common::has;

/// Packets of raw IPv4.
const LINKTYPE_IPV4: u32 = 228;

fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0]);
    for word in [0, 0, 65535, LINKTYPE_IPV4] {
        file.extend(word.to_le_bytes());
    }
    for (second, packet) in (0_u32..).zip(packets) {
        let size = u32::try_from(packet.len()).unwrap();
        for word in [second, 0, size, size] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

fn packet(from: IpAddr, to: IpAddr, octets: &[u8]) -> Vec<u8> {
    let udp = 8 + u16::try_from(octets.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend((20 + udp).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    for address in [from, to] {
        let IpAddr::V4(address) = address else { panic!("the sockets are of IPv4") };
        packet.extend(address.octets());
    }
    for word in [PORT, PORT, udp, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(octets);
    packet
}

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
    let mut packets: Vec<_> = lossy.heard().iter().map(|octets| packet(pkmf, ue, octets)).collect();
    packets.extend(lossy.said().iter().map(|octets| packet(ue, pkmf, octets)));
    assert_eq!(packets.len(), 3);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&pcap(&packets)).unwrap();
    let tshark = |more: &[&str]| {
        let output = Command::new("tshark").arg("-r").arg(file.path()).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let fields = tshark(&["-T", "fields", "-e", "frame.protocols", "-e", "mikey.type"]);
    let lines: Vec<_> = fields.lines().collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| line.contains("mikey")), "{fields}");
    let whole = tshark(&["-V"]);
    // It does not know the empty map of RFC 4563 §4 by name.
    let whole = whole.replace("CS ID map type: Unknown (1)", "");
    for bad in ["Malformed", "malformed", "Unknown"] {
        assert!(!whole.contains(bad), "{bad}\n{whole}");
    }
    for said in ["PSK ver msg (1)", "Data Type: Pre-shared (0)", "(KEMAC)", "AES-CM-128"] {
        assert!(whole.contains(said), "{said}\n{whole}");
    }
}
