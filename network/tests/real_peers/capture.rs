//! What was sent, as tshark sees it.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;

use super::server::Seen;
use super::{SECRET, has};

/// Packets of raw IPv4.
const LINKTYPE_IPV4: u32 = 228;

/// A capture file of these datagrams.
fn pcap(datagrams: &[Seen]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0]);
    for word in [0, 0, 65535, LINKTYPE_IPV4] {
        file.extend(word.to_le_bytes());
    }
    for (n, seen) in datagrams.iter().enumerate() {
        let packet = ipv4(seen);
        for word in [n as u32, 0, packet.len() as u32, packet.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

fn ipv4(seen: &Seen) -> Vec<u8> {
    let address = |address: SocketAddr| match address {
        SocketAddr::V4(v4) => v4.ip().octets(),
        SocketAddr::V6(_) => panic!("the sockets are of IPv4"),
    };
    let udp = 8 + seen.octets.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend((20 + udp).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(address(seen.from));
    packet.extend(address(seen.to));
    for word in [seen.from.port(), seen.to.port(), udp, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(&seen.octets);
    packet
}

/// Has tshark read the datagrams: all are RADIUS with EAP, nothing is malformed, every authenticator is right.
pub(super) fn is_dissected(datagrams: &[Seen]) {
    if !has("tshark", "tshark") {
        return;
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&pcap(datagrams)).unwrap();
    let port = datagrams[0].to.port();
    let tshark = |more: &[&str]| {
        let output = Command::new("tshark")
            .args(["-r", file.path().to_str().unwrap(), "-d", &format!("udp.port=={port},radius")])
            .args([
                "-o",
                &format!("radius.shared_secret:{SECRET}"),
                "-o",
                "radius.validate_authenticator:TRUE",
            ])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let fields = tshark(&["-T", "fields", "-e", "radius.code", "-e", "eap.code", "-e", "eap.type"]);
    let lines: Vec<_> = fields.lines().collect();
    assert_eq!(lines.len(), datagrams.len());
    assert!(
        lines.iter().all(|line| line.split('\t').filter(|field| !field.is_empty()).count() >= 2),
        "{fields}"
    );
    assert!(lines.iter().filter(|line| line.ends_with("\t50")).count() >= 4, "{fields}");
    let whole = tshark(&["-V"]);
    for bad in ["Malformed", "malformed", "[incorrect", "Unknown-Attribute", "invalid"] {
        assert!(!whole.contains(bad), "{bad}\n{whole}");
    }
    assert!(
        whole.contains("AT_KDF") && whole.contains("AT_MAC") && whole.contains("AT_ENCR_DATA"),
        "{whole}"
    );
}
