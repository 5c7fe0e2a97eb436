//! What was sent, as a capture file for tshark.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;

/// Packets of raw IPv4.
const LINKTYPE_IPV4: u32 = 228;

/// A datagram of UDP in a packet of IPv4.
pub(crate) fn packet(from: SocketAddr, to: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let udp = 8 + u16::try_from(octets.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend((20 + udp).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    for address in [from, to] {
        let SocketAddr::V4(address) = address else { panic!("the sockets are of IPv4") };
        packet.extend(address.ip().octets());
    }
    for word in [from.port(), to.port(), udp, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(octets);
    packet
}

/// What tshark says of packets.
pub(crate) struct Tshark {
    file: tempfile::NamedTempFile,
    options: Vec<String>,
}

impl Tshark {
    pub(crate) fn new(packets: &[Vec<u8>], options: &[&str]) -> Self {
        let mut octets = Vec::new();
        octets.extend(0xa1b2_c3d4_u32.to_le_bytes());
        octets.extend([2, 0, 4, 0]);
        for word in [0, 0, 65535, LINKTYPE_IPV4] {
            octets.extend(word.to_le_bytes());
        }
        for (second, packet) in (0_u32..).zip(packets) {
            let size = u32::try_from(packet.len()).unwrap();
            for word in [second, 0, size, size] {
                octets.extend(word.to_le_bytes());
            }
            octets.extend(packet);
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&octets).unwrap();
        Self { file, options: options.iter().map(|option| (*option).to_owned()).collect() }
    }

    pub(crate) fn says(&self, more: &[&str]) -> String {
        let mut command = Command::new("tshark");
        let output = command.arg("-r").arg(self.file.path()).args(&self.options).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}
